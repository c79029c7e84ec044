/* decode and encode: every worked example and random bytes come back byte for byte; edits and
 * damage do what DECODE.md says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"
#include "proto/error.h"
#include "proto/fn_frame.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "tools/kkt/json_input.h"
#include "tools/kkt/wire_json.h"
#include "tools/kkt/wire_text.h"

#define WIRE_FOLDER "tests/data/wire"

static struct json_object *decode(const uint8_t *bytes, size_t size, enum wire_kind kind)
{
    struct json_object *object = NULL;
    kkt_error error;
    if (wire_decode(bytes, size, kind, &object, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return object;
}

/* Through text, as `kkt decode | kkt encode` does. */
static void encode_text(struct json_object *object, uint8_t **bytes, size_t *size)
{
    struct json_fault fault;
    kkt_error error;
    const char *text = json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY);
    struct json_object *again = json_input_parse(text, strlen(text), &fault);
    if (again == NULL)
        fail_msg("%u:%u %s", fault.line, fault.column, fault.text);
    if (wire_encode(again, bytes, size, &error) != KKT_OK)
        fail_msg("%s: %s at %s", error.name, error.text, error.field);
    json_object_put(again);
}

static void assert_round_trip(const uint8_t *bytes, size_t size, enum wire_kind kind)
{
    struct json_object *object = decode(bytes, size, kind);
    uint8_t *again;
    size_t again_size;
    encode_text(object, &again, &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size);
    free(again);
    json_object_put(object);
}

static size_t read_example(const char *name, uint8_t **bytes)
{
    char path[400], text[8192];
    kkt_error error;
    size_t size = 0;
    snprintf(path, sizeof path, WIRE_FOLDER "/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(text, 1, sizeof text, file);
    fclose(file);
    assert_int_equal(wire_text_read(text, length, bytes, &size, &error), KKT_OK);
    return size;
}

static struct json_object *member(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    assert_true(json_object_object_get_ex(object, name, &value));
    return value;
}

static struct json_object *item(struct json_object *object, size_t index)
{
    return json_object_array_get_idx(member(object, "items"), index);
}

static void set_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

/* ---- Examples ------------------------------------------------------------------------------- */

static void worked_examples_come_back(void **state)
{
    DIR *folder = opendir(WIRE_FOLDER);
    unsigned count = 0;
    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        const char *dash = strchr(entry->d_name, '-');
        uint8_t *bytes;
        char kind[16];
        if (strstr(entry->d_name, ".hex") == NULL)
            continue;
        size_t size = read_example(entry->d_name, &bytes);
        struct json_object *object = decode(bytes, size, WIRE_AUTO);
        /* The file's name starts with its kind: the guess must be right. */
        snprintf(kind, sizeof kind, "%.*s", (int)(dash - entry->d_name), entry->d_name);
        assert_string_equal(json_object_get_string(member(object, "kind")), kind);
        assert_null(strstr(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                           "\"crcOk\":false"));
        for (size_t i = 0; i < json_object_array_length(member(object, "items")); i++)
            if (strcmp(kind, "tlv") != 0)
                assert_false(json_object_object_get_ex(item(object, i), "raw", NULL));
        json_object_put(object);
        assert_round_trip(bytes, size, WIRE_AUTO);
        free(bytes);
        count++;
    }
    closedir(folder);
    assert_int_equal(count, 12);
}

static void a_message_is_told_in_full(void **state)
{
    uint8_t *bytes;
    (void)state;
    size_t size = read_example("ofd-shift-open.hex", &bytes);
    struct json_object *object = decode(bytes, size, WIRE_AUTO);
    struct json_object *container = member(item(object, 0), "container");
    struct json_object *document = member(container, "document");
    assert_string_equal(json_object_get_string(member(item(object, 0), "fnNumber")),
                        "9999078900005488");
    assert_string_equal(json_object_get_string(member(container, "crc")), "1121");
    assert_int_equal(json_object_get_int(member(container, "documentNumber")), 2);
    assert_string_equal(json_object_get_string(member(document, "name")), form_name(2));
    struct json_object *list = member(document, "value");
    struct json_object *cashier = json_object_array_get_idx(list, 7);
    assert_int_equal(json_object_get_int(member(cashier, "tag")), 1021);
    assert_string_equal(json_object_get_string(member(cashier, "value")), "Иванов И.И.");
    assert_string_equal(json_object_get_string(member(cashier, "raw")), "88A2A0ADAEA220882E882E");
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(list, 4), "value")),
                        "2017-03-03T11:40:00");
    assert_string_equal(
        json_object_get_string(member(json_object_array_get_idx(list, 5), "printed")),
        "2864434397");
    json_object_put(object);
    free(bytes);
}

static void an_edited_value_wins(void **state)
{
    uint8_t *bytes, *again;
    size_t again_size;
    (void)state;
    size_t size = read_example("ofd-shift-open.hex", &bytes);
    struct json_object *object = decode(bytes, size, WIRE_AUTO);
    struct json_object *container = member(item(object, 0), "container");
    struct json_object *list = member(member(container, "document"), "value");
    set_text(json_object_array_get_idx(list, 7), "value", "Иванова И.И.");
    encode_text(object, &again, &again_size);
    json_object_put(object);
    assert_int_equal(again_size, size + 1);
    /* Every length and checksum followed. */
    assert_int_equal(get_u16le(again + 24), again_size - 30);
    assert_int_equal(get_u16le(again + 30), again_size - 30);
    assert_int_equal(get_u16be(again + 60), 131);
    assert_int_equal(get_u16le(again + 64), 127);
    object = decode(again, again_size, WIRE_AUTO);
    container = member(item(object, 0), "container");
    assert_true(json_object_get_boolean(member(container, "crcOk")));
    list = member(member(container, "document"), "value");
    assert_string_equal(json_object_get_string(member(json_object_array_get_idx(list, 7), "value")),
                        "Иванова И.И.");
    json_object_put(object);
    free(again);
    free(bytes);
}

static void assert_encodes(const char *text, const uint8_t *bytes, size_t size)
{
    struct json_fault fault;
    kkt_error error;
    uint8_t *got;
    size_t got_size;
    struct json_object *object = json_input_parse(text, strlen(text), &fault);
    assert_non_null(object);
    if (wire_encode(object, &got, &got_size, &error) != KKT_OK)
        fail_msg("%s at %s", error.text, error.field);
    assert_int_equal(got_size, size);
    assert_memory_equal(got, bytes, size);
    free(got);
    json_object_put(object);
}

static void values_alone_are_enough(void **state)
{
    static const uint8_t inn[] = {0xFA, 0x03, 12,  0,   '7', '7', '0', '2',
                                  '2',  '0',  '3', '2', '7', '6', ' ', ' '};
    static const uint8_t quantity[] = {0xFF, 0x03, 3, 0, 3, 0xC5, 0x01};
    static const uint8_t long_sum[] = {0xFC, 0x03, 3, 0, 5, 0, 0};
    static const uint8_t short_sum[] = {0xFC, 0x03, 1, 0, 6};
    static const uint8_t unknown[] = {0x39, 0x30, 2, 0, 0xAB, 0xCD};
    (void)state;
    assert_encodes(
        "{\"kind\": \"tlv\", \"items\": [{\"name\": \"userInn\", \"value\": \"7702203276\"}]}", inn,
        sizeof inn);
    assert_encodes("{\"kind\": \"tlv\", \"items\": [{\"tag\": 1023, \"value\": 0.453}]}", quantity,
                   sizeof quantity);
    /* raw says how, as long as it means the value; an edited value is written the shortest way. */
    assert_encodes(
        "{\"kind\": \"tlv\", \"items\": [{\"tag\": 1020, \"value\": 5, \"raw\": \"05 00 00\"}]}",
        long_sum, sizeof long_sum);
    assert_encodes(
        "{\"kind\": \"tlv\", \"items\": [{\"tag\": 1020, \"value\": 6, \"raw\": \"05 00 00\"}]}",
        short_sum, sizeof short_sum);
    assert_encodes(
        "{\"kind\": \"tlv\", \"items\": [{\"tag\": 12345, \"name\": null, \"raw\": \"abcd\"}]}",
        unknown, sizeof unknown);
}

static void wrong_json_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *field;
    } bad[] = {
        {"{\"kind\": \"tlv\"}", "items"},
        {"{\"kind\": \"auto\", \"items\": []}", "kind"},
        {"[]", "kind"},
        {"{\"kind\": \"tlv\", \"items\": [5]}", "items[0]"},
        {"{\"kind\": \"tlv\", \"items\": [{\"name\": \"nonsense\", \"value\": 1}]}",
         "items[0].tag"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1020}]}", "items[0].value"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1054, \"value\": 256}]}", "items[0].value"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1020, \"value\": \"5\"}]}", "items[0].value"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1023, \"value\": 1e2}]}", "items[0].value"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1020, \"raw\": \"0\"}]}", "items[0].raw"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 70000, \"raw\": \"00\"}]}", "items[0].tag"},
        {"{\"kind\": \"tlv\", \"items\": [{\"tag\": 1059, \"value\": [{\"tag\": 1030, \"value\": "
         "5}]}]}",
         "items[0][0].value"},
        {"{\"kind\": \"fn\", \"items\": [{\"code\": \"3\"}]}", "items[0].code"},
        {"{\"kind\": \"link\", \"items\": [{\"kind\": \"whisper\"}]}", "items[0]"},
        {"{\"kind\": \"ofd\", \"items\": [{}]}", "items[0].sVersion"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct json_fault fault;
        kkt_error error;
        uint8_t *bytes;
        size_t size;
        struct json_object *object = json_input_parse(bad[i].text, strlen(bad[i].text), &fault);
        assert_non_null(object);
        if (wire_encode(object, &bytes, &size, &error) == KKT_OK)
            fail_msg("encoded: %s", bad[i].text);
        assert_string_equal(error.field, bad[i].field);
        json_object_put(object);
    }
}

/* ---- Damage --------------------------------------------------------------------------------- */

static void a_cut_is_told_with_its_offset(void **state)
{
    static const uint8_t tlv[] = {0x36, 0x04, 1, 0, 1, 0xFC, 0x03, 2, 0, 5};
    struct json_object *object;
    kkt_error error;
    (void)state;
    assert_int_equal(wire_decode(tlv, sizeof tlv, WIRE_AUTO, &object, &error),
                     ERROR_REQUEST_MALFORMED);
    assert_non_null(strstr(error.text, "offset 5: tag 1020 says 2 bytes, and 1 are left"));
    assert_int_equal(wire_decode(tlv, 7, WIRE_TLV, &object, &error), ERROR_REQUEST_MALFORMED);
    assert_non_null(strstr(error.text, "offset 5: 2 byte(s) are left"));
    assert_int_equal(wire_decode(tlv, 0, WIRE_TLV, &object, &error), ERROR_REQUEST_MALFORMED);
    uint8_t *bytes;
    size_t size = read_example("ofd-shift-open.hex", &bytes);
    for (size_t cut = 1; cut < size; cut++) {
        assert_int_equal(wire_decode(bytes, cut, WIRE_OFD, &object, &error),
                         ERROR_REQUEST_MALFORMED);
        assert_non_null(strstr(error.text, "offset 0"));
    }
    free(bytes);
}

/* A damaged checksum is shown and kept; the bytes still come back. */
static void any_flipped_bit_comes_back(void **state)
{
    static const char *const names[] = {"ofd-shift-open-crc-all.hex", "ofd-confirmation.hex",
                                        "fn-commands.hex", "container-shift-open.hex",
                                        "tlv-receipt.hex"};
    static const enum wire_kind kinds[] = {WIRE_OFD, WIRE_OFD, WIRE_FN, WIRE_CONTAINER, WIRE_TLV};
    unsigned decoded = 0, refused = 0;
    (void)state;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        uint8_t *bytes;
        size_t size = read_example(names[n], &bytes);
        for (size_t bit = 0; bit < size * 8; bit++) {
            struct json_object *object;
            kkt_error error;
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (wire_decode(bytes, size, kinds[n], &object, &error) == KKT_OK) {
                json_object_put(object);
                if (bit % 5 == 0) /* through text is slow; a fifth of them will do */
                    assert_round_trip(bytes, size, kinds[n]);
                decoded++;
            } else {
                assert_int_equal(error.code, ERROR_REQUEST_MALFORMED);
                refused++;
            }
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(bytes);
    }
    assert_true(decoded > 4000);
    assert_true(refused > 100);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A well-formed list of random tags and values, some of them structures. */
static void put_random(struct byte_writer *writer, uint32_t *seed, unsigned depth)
{
    unsigned count = next_random(seed) % 6;
    for (unsigned i = 0; i < count; i++) {
        uint16_t tag = (uint16_t)(1000 + next_random(seed) % 300);
        if (next_random(seed) % 8 == 0)
            tag = (uint16_t)next_random(seed);
        size_t mark = tlv_begin(writer, tag);
        const struct tag_info *info = tag_info_find(tag);
        if (info != NULL && info->type == TAG_TYPE_STLV && depth < 4) {
            put_random(writer, seed, depth + 1);
        } else {
            unsigned length = next_random(seed) % 12;
            for (unsigned j = 0; j < length; j++)
                put_u8(writer, (uint8_t)next_random(seed));
        }
        tlv_end(writer, mark);
    }
}

static void random_lists_come_back(void **state)
{
    uint32_t seed = 20260520;
    (void)state;
    for (unsigned round = 0; round < 1500; round++) {
        uint8_t bytes[8192];
        struct byte_writer writer;
        byte_writer_init(&writer, bytes, sizeof bytes);
        put_random(&writer, &seed, 0);
        assert_true(byte_writer_ok(&writer));
        if (writer.length > 0)
            assert_round_trip(bytes, writer.length, WIRE_TLV);
    }
}

static void any_bytes_are_safe(void **state)
{
    uint32_t seed = 7;
    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t bytes[160];
        size_t size = next_random(&seed) % sizeof bytes;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)next_random(&seed);
        if (round % 3 == 0 && size > 8)
            memcpy(bytes, "\x2A\x08\x41\x0A\x81\xA2", 6);
        for (int kind = WIRE_AUTO; kind <= WIRE_LINK; kind++) {
            struct json_object *object;
            kkt_error error;
            if (wire_decode(bytes, size, (enum wire_kind)kind, &object, &error) != KKT_OK)
                continue;
            uint8_t *again;
            size_t again_size;
            assert_int_equal(wire_encode(object, &again, &again_size, &error), KKT_OK);
            assert_int_equal(again_size, size);
            assert_memory_equal(again, bytes, size);
            free(again);
            json_object_put(object);
        }
    }
}

/* ---- Links ---------------------------------------------------------------------------------- */

static size_t put_message(uint8_t *out, size_t capacity, uint8_t kind, uint8_t code,
                          const uint8_t *message, size_t size)
{
    size_t offset = 0, used = 0;
    do {
        size_t wrote =
            link_message_frame(kind, code, 7, message, size, &offset, out + used, capacity - used);
        assert_true(wrote > 0);
        used += wrote;
    } while (offset < size);
    return used;
}

static void link_frames_come_back(void **state)
{
    uint8_t wire[16384], body[3000], key[KEY_SIZE] = {1, 2, 3};
    struct byte_writer writer;
    size_t used = 0;
    (void)state;
    byte_writer_init(&writer, body, sizeof body);
    struct link_job job = {
        .device_tag = 0x11223344, .body = (const uint8_t *)"\x1E\x04\x01\x00\x01", .size = 5};
    memcpy(job.key, key, KEY_SIZE);
    link_job_put(&writer, &job);
    used += put_message(wire + used, sizeof wire - used, LINK_REQUEST, LINK_RECEIPT, body,
                        writer.length);
    struct link_result result = {
        .job = LINK_RECEIPT, .document = 5, .fiscal_sign = 77, .total_kop = 100};
    byte_writer_init(&writer, body, sizeof body);
    put_u16le(&writer, 0);
    link_result_put(&writer, &result);
    used += put_message(wire + used, sizeof wire - used, LINK_ANSWER, LINK_RECEIPT, body,
                        writer.length);
    byte_writer_init(&writer, body, sizeof body);
    struct refusal refusal = {.code = ERROR_PAYMENT_SHORT, .tag = TAG_PAID_CASH, .expected = 5};
    link_refusal_put(&writer, &refusal);
    put_bytes(&writer, key, KEY_SIZE);
    used += put_message(wire + used, sizeof wire - used, LINK_ANSWER, LINK_RECEIPT, body,
                        writer.length);
    used += put_message(wire + used, sizeof wire - used, LINK_REQUEST, LINK_STATUS, NULL, 0);
    used += put_message(wire + used, sizeof wire - used, LINK_REQUEST, LINK_RESULT, NULL, 0);
    wire[used++] = 0; /* idle filling */
    memset(body, 0x55, sizeof body);
    used += put_message(wire + used, sizeof wire - used, LINK_REQUEST, LINK_RECEIPT, body, 2500);
    struct json_object *object = decode(wire, used, WIRE_AUTO);
    assert_string_equal(json_object_get_string(member(object, "kind")), "link");
    assert_int_equal(json_object_array_length(member(object, "items")), 9);
    assert_int_equal(json_object_array_length(member(item(object, 0), "value")), 1);
    assert_string_equal(json_object_get_string(member(item(object, 0), "deviceTag")), "11223344");
    assert_int_equal(json_object_get_int(member(member(item(object, 1), "result"), "document")), 5);
    assert_string_equal(json_object_get_string(member(item(object, 2), "error")), "PAYMENT_SHORT");
    assert_true(json_object_object_get_ex(item(object, 8), "payload", NULL));
    json_object_put(object);
    assert_round_trip(wire, used, WIRE_AUTO);
    /* A damaged frame is refused, whatever bit it is. */
    for (size_t bit = 8; bit < 300; bit++) {
        kkt_error error;
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (wire_decode(wire, used, WIRE_LINK, &object, &error) == KKT_OK)
            fail_msg("bit %zu", bit);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void frames_of_the_module_are_named(void **state)
{
    uint8_t bytes[64], *again;
    size_t again_size;
    (void)state;
    bytes[0] = FN_FRAME_ENQ;
    size_t size =
        1 + fn_frame_encode(FN_DATA, (const uint8_t *)"\x1E\x04\x01\x00\x01", 5, bytes + 1, 63);
    struct json_object *object = decode(bytes, size, WIRE_AUTO);
    assert_true(json_object_get_boolean(member(item(object, 0), "enquiry")));
    assert_string_equal(json_object_get_string(member(item(object, 1), "command")), "data");
    struct json_object *element = json_object_array_get_idx(member(item(object, 1), "value"), 0);
    json_object_object_add(element, "value", json_object_new_int(2));
    encode_text(object, &again, &again_size);
    bytes[size - 3] = 2;
    assert_int_equal(again_size, size);
    assert_memory_equal(again, bytes, size - 2);
    assert_int_equal(get_u16le(again + size - 2), crc16_update(CRC16_INIT, again + 2, size - 4));
    free(again);
    json_object_put(object);
}

static void hexadecimal_text_is_read(void **state)
{
    static const struct {
        const char *text;
        int size; /* -1: refused; -2: taken as binary */
    } rows[] = {{"0A 0b", 2},  {"0x0A,0x0B", 2}, {"0A ; comment zz\n0B # другой\n", 2},
                {"0A|0B", 2},  {"0A 0", -1},     {"0AB", -1},
                {"hello", -2}, {"", 0},          {"\x01\x02", -2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *bytes;
        size_t size, length = strlen(rows[i].text);
        kkt_error error;
        int code = wire_text_read(rows[i].text, length, &bytes, &size, &error);
        assert_int_equal(code == KKT_OK, rows[i].size != -1);
        if (code != KKT_OK)
            continue;
        assert_int_equal(size, rows[i].size == -2 ? length : (size_t)rows[i].size);
        if (rows[i].size == 2)
            assert_memory_equal(bytes, "\x0A\x0B", 2);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_examples_come_back),
        cmocka_unit_test(a_message_is_told_in_full),
        cmocka_unit_test(an_edited_value_wins),
        cmocka_unit_test(values_alone_are_enough),
        cmocka_unit_test(wrong_json_is_refused_with_its_place),
        cmocka_unit_test(a_cut_is_told_with_its_offset),
        cmocka_unit_test(any_flipped_bit_comes_back),
        cmocka_unit_test(random_lists_come_back),
        cmocka_unit_test(any_bytes_are_safe),
        cmocka_unit_test(link_frames_come_back),
        cmocka_unit_test(frames_of_the_module_are_named),
        cmocka_unit_test(hexadecimal_text_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
