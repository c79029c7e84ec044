/* Settings from the words a person types to what flash keeps. First byte even: words of `kkt
 * settings set`, one a line; a word taken becomes one well-formed element that the dictionary
 * knows, is shown as JSON, and what was shown, typed again, is the same element. Any TLV is shown
 * without harm.
 *
 * Odd: updates of the board's settings, power cut inside them, starts between. A model keeps what
 * settings.h promises: each tag of an update replaces all elements of that tag, an empty one
 * removes them, a refused update changes nothing; after a cut flash holds the old list or the new
 * one. */
#include "firmware/settings.h"
#include "proto/tag_check.h"
#include "tests/fuzz/mutate.h"
#include "tests/unit/ram_flash.h"
#include "tools/kkt/settings_text.h"

static struct journal_scratch test_scratch;

#define SECTOR  4096u
#define SECTORS 4u

static struct ram_flash flash;
static struct board board;
static struct settings settings;

/* The list as it should be. */
static struct {
    uint8_t tlv[LIMIT_SETTINGS_BYTES + 300];
    size_t size;
} model, wanted;

#ifdef FUZZ_CANARY
/* An update is synced and forgotten when it is short. */
uint16_t __real_journal_append_built(struct journal *journal, uint8_t type, journal_build build,
                                     void *user, struct journal_record *record);
uint16_t __wrap_journal_append_built(struct journal *journal, uint8_t type, journal_build build,
                                     void *user, struct journal_record *record);
uint16_t __wrap_journal_append_built(struct journal *journal, uint8_t type, journal_build build,
                                     void *user, struct journal_record *record)
{
    const struct settings *from = user;
    if (from->size > 40 && from->update_size == 5)
        return ERROR_NONE;
    return __real_journal_append_built(journal, type, build, user, record);
}
#endif

/* ---- Words ---- */

/* What is shown of the element, as a word again. */
static void type_again(const uint8_t *element, size_t size)
{
    static uint8_t again[SETTINGS_BODY_MAX];
    static char word[8192];
    struct byte_writer writer;
    kkt_error error;
    struct json_object *shown = settings_text_json(element, size);
    PROMISE(json_object_object_length(shown) == 1);
    json_object_object_foreach (shown, name, value) {
        snprintf(word, sizeof word, "%s=%s", name, json_object_get_string(value));
    }
    byte_writer_init(&writer, again, sizeof again);
    PROMISE(settings_text_put(word, &writer, &error));
    PROMISE(writer.length == size && memcmp(again, element, size) == 0);
    json_object_put(shown);
}

static void words(struct input input)
{
    static uint8_t body[SETTINGS_BODY_MAX];
    struct byte_writer writer;
    struct refusal why;
    kkt_error error;
    char *text = malloc(input.size + 1);
    PROMISE(text != NULL);
    if (input.size > 0)
        memcpy(text, input.data, input.size);
    text[input.size] = 0;
    byte_writer_init(&writer, body, sizeof body);
    for (char *rest = text, *word; (word = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(word, "ofd.ca", 6) == 0)
            continue; /* names a file */
        size_t before = writer.length;
        bool taken = settings_text_put(word, &writer, &error);
        if (!byte_writer_ok(&writer))
            break;
        PROMISE(taken ? writer.length > before : error.code != 0 && writer.length == before);
        PROMISE(!taken || tlv_check_dictionary(body + before, writer.length - before, &why));
        if (taken)
            type_again(body + before, writer.length - before);
    }
    if (byte_writer_ok(&writer))
        json_object_put(settings_text_json(body, writer.length));
    json_object_put(settings_text_json(input.data, input.size));
    free(text);
}

/* ---- The board ---- */

static bool has(const uint8_t *tlv, size_t size, uint16_t tag)
{
    struct tlv found;
    return tlv_find(tlv, size, tag, &found) == 1;
}

/* What the update makes of the model, into wanted. False: it must be refused. */
static bool apply(const uint8_t *update, size_t size)
{
    struct byte_writer writer;
    struct tlv_reader reader;
    struct tlv tlv;
    if (!tlv_valid(update, size))
        return false;
    byte_writer_init(&writer, wanted.tlv, sizeof wanted.tlv);
    tlv_reader_init(&reader, model.tlv, model.size);
    while (tlv_next(&reader, &tlv) == 1)
        if (!has(update, size, tlv.tag))
            tlv_put_bytes(&writer, tlv.tag, tlv.value, tlv.length);
    tlv_reader_init(&reader, update, size);
    while (tlv_next(&reader, &tlv) == 1)
        if (tlv.length > 0)
            tlv_put_bytes(&writer, tlv.tag, tlv.value, tlv.length);
    wanted.size = writer.length;
    return byte_writer_ok(&writer) && writer.length <= LIMIT_SETTINGS_BYTES;
}

static bool holds(const uint8_t *tlv, size_t size)
{
    return settings.size == size && (size == 0 || memcmp(settings.tlv, tlv, size) == 0);
}

static void start(void)
{
    static const struct journal_region region = {0, SECTORS, &test_scratch};
    ram_flash_power_on(&flash);
    PROMISE(settings_mount(&settings, &board, region) == ERROR_NONE);
}

static void update(struct input list, bool filled)
{
    uint8_t bytes[600];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_bytes(&writer, list.data, list.size);
    if (filled) { /* a long value, so that the list's limit is met */
        size_t mark = tlv_begin(&writer, (uint16_t)(62090 + list.size % 10));
        put_fill(&writer, 0x41, 255 + list.size);
        tlv_end(&writer, mark);
    }
    size_t size = byte_writer_ok(&writer) ? writer.length : list.size;
    bool possible = apply(bytes, size);
    uint16_t error = settings_update(&settings, bytes, size);
    if (flash.dead) {
        start();
        PROMISE(holds(model.tlv, model.size) || (possible && holds(wanted.tlv, wanted.size)));
    } else {
        PROMISE((error == ERROR_NONE) == possible);
        PROMISE(possible ? holds(wanted.tlv, wanted.size) : holds(model.tlv, model.size));
    }
    memcpy(model.tlv, settings.tlv, settings.size);
    model.size = settings.size;
}

/* Each step: what, length, bytes. */
static void updates(struct input input)
{
    if (flash.bytes == NULL) {
        ram_flash_init(&flash, SECTOR * SECTORS, SECTOR, 256, 0xFF);
        ram_flash_board(&flash, &board);
    }
    memset(flash.bytes, 0xFF, flash.size);
    flash.random_state = 1;
    model.size = 0;
    start();
    while (input.size > 0) {
        unsigned what = input_number(&input, 1);
        struct input list = input_take(&input, input_number(&input, 1));
        if (what % 4 == 3)
            ram_flash_cut_in(&flash, 1 + what / 4 % 8, (enum ram_tear)(what / 32 % RAM_TEARS));
        update(list, what % 4 == 2);
        if (what % 4 != 1)
            (void)journal_maintain(&settings.journal);
        if (flash.dead || what % 4 == 1) {
            start();
            PROMISE(holds(model.tlv, model.size));
        }
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    /* One update is a list behind three bytes. */
    if (size > 3 && data[0] % 2 == 1 && size < 256 && data[2] == size - 3) {
        size = mutate_tlv(data, size, capacity < 258 ? capacity : 258, 3);
        if (size > 3)
            data[2] = (uint8_t)(size - 3);
        return size;
    }
    return LLVMFuzzerMutate(data, size, capacity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    if (input_number(&input, 1) % 2 == 0)
        words(input);
    else
        updates(input);
    return 0;
}
