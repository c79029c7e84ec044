/* Words of `kkt settings set`, one a line. A word taken becomes well-formed TLV of at most the
 * capacity that reads back as JSON; any TLV is shown without harm. */
#include "proto/tlv.h"
#include "tests/fuzz/fuzz.h"
#include "tools/kkt/settings_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t body[SETTINGS_BODY_MAX];
    struct byte_writer writer;
    kkt_error error;
    char *text = malloc(size + 1);
    PROMISE(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    byte_writer_init(&writer, body, sizeof body);
    for (char *rest = text, *word; (word = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(word, "ofd.ca", 6) == 0)
            continue; /* names a file */
        size_t before = writer.length;
        bool taken = settings_text_put(word, &writer, &error);
        if (!byte_writer_ok(&writer))
            break;
        PROMISE(taken ? writer.length > before : error.code != 0);
        PROMISE(tlv_valid(body, writer.length));
    }
    if (byte_writer_ok(&writer))
        json_object_put(settings_text_json(body, writer.length));
    json_object_put(settings_text_json(data, size));
    free(text);
    return 0;
}
