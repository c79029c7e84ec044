/* `kkt decode` and back: what wire_decode returns, printed, read and encoded again, is the input,
 * byte for byte. Pasted text is read without harm, and hexadecimal text goes both ways. */
#include "tests/fuzz/fuzz.h"
#include "tools/kkt/wire_json.h"
#include "tools/kkt/wire_text.h"

#ifdef FUZZ_CANARY
/* The last byte of a text in hexadecimal that ends in a zero gets lost. */
int __real_wire_hex_parse(const char *text, uint8_t **bytes, size_t *size);
int __wrap_wire_hex_parse(const char *text, uint8_t **bytes, size_t *size);
int __wrap_wire_hex_parse(const char *text, uint8_t **bytes, size_t *size)
{
    int parsed = __real_wire_hex_parse(text, bytes, size);
    if (parsed == 1 && *size > 8 && (*bytes)[*size - 1] == 0)
        --*size;
    return parsed;
}
#endif

static void both_ways(const uint8_t *bytes, size_t size, enum wire_kind kind)
{
    struct json_object *object = NULL;
    kkt_error error;
    uint8_t *again = NULL;
    size_t again_size = 0;
    if (wire_decode(bytes, size, kind, &object, &error) != KKT_OK) {
        PROMISE(error.code != 0);
        return;
    }
    struct json_object *read = json_tokener_parse(json_object_to_json_string(object));
    PROMISE(read != NULL);
    PROMISE(wire_encode(read, &again, &again_size, &error) == KKT_OK);
    PROMISE(again_size == size && (size == 0 || memcmp(again, bytes, size) == 0));
    free(again);
    json_object_put(read);
    json_object_put(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    enum wire_kind kind = (enum wire_kind)(input_number(&input, 1) % (WIRE_LINK + 1));
    uint8_t *bytes = input_copy(input), *pasted = NULL;
    size_t pasted_size = 0;
    kkt_error error;
    both_ways(bytes, input.size, kind);
    if (wire_text_read((const char *)bytes, input.size, &pasted, &pasted_size, &error) == KKT_OK) {
        uint8_t *parsed = NULL;
        size_t parsed_size = 0;
        char *text = wire_hex(pasted, pasted_size);
        PROMISE(text != NULL && wire_hex_parse(text, &parsed, &parsed_size) == 1);
        PROMISE(parsed_size == pasted_size);
        PROMISE(pasted_size == 0 || memcmp(parsed, pasted, pasted_size) == 0);
        both_ways(pasted, pasted_size, kind);
        free(parsed);
        free(text);
        free(pasted);
    }
    free(bytes);
    return 0;
}
