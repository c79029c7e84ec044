/* TLV reading and writing against the worked examples, every cut, and garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/unit/proto_examples.h"

/* Writes one element again from its typed value, which is what a program would have written. */
static void rewrite(struct byte_writer *writer, const struct tlv *tlv)
{
    const struct tag_info *info = tag_info_find(tlv->tag);
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    struct decimal decimal;
    assert_non_null(info);
    assert_true(tlv->length <= info->max_length);
    switch (info->type) {
    case TAG_TYPE_BYTE:
        assert_true(tlv_get_u8(tlv, &u8));
        tlv_put_u8(writer, tlv->tag, u8);
        break;
    case TAG_TYPE_U16:
        assert_true(tlv_get_u16(tlv, &u16));
        tlv_put_u16(writer, tlv->tag, u16);
        break;
    case TAG_TYPE_U32:
    case TAG_TYPE_TIME:
        assert_true(tlv_get_u32(tlv, &u32));
        tlv_put_u32(writer, tlv->tag, u32);
        break;
    case TAG_TYPE_VLN:
        assert_true(tlv_get_vln(tlv, &u64));
        tlv_put_vln(writer, tlv->tag, u64);
        break;
    case TAG_TYPE_FVLN:
        assert_true(tlv_get_fvln(tlv, &decimal));
        tlv_put_fvln(writer, tlv->tag, decimal);
        break;
    case TAG_TYPE_STRING:
        if (info->fixed) {
            size_t length = tlv->length;
            while (length > 0 && tlv->value[length - 1] == ' ')
                length--;
            tlv_put_padded(writer, tlv->tag, tlv->value, length, info->max_length);
            break;
        }
        tlv_put_bytes(writer, tlv->tag, tlv->value, tlv->length);
        break;
    default:
        tlv_put_bytes(writer, tlv->tag, tlv->value, tlv->length);
        break;
    }
}

/* Rewrites a document with one level of structures. */
static void rewrite_document(struct byte_writer *writer, const uint8_t *bytes, size_t size)
{
    struct tlv_reader reader, inner;
    struct tlv tlv, child;
    int got;
    tlv_reader_init(&reader, bytes, size);
    while ((got = tlv_next(&reader, &tlv)) == 1) {
        const struct tag_info *info = tag_info_find(tlv.tag);
        assert_non_null(info);
        if (info->type != TAG_TYPE_STLV) {
            rewrite(writer, &tlv);
            continue;
        }
        size_t mark = tlv_begin(writer, tlv.tag);
        tlv_reader_init(&inner, tlv.value, tlv.length);
        while ((got = tlv_next(&inner, &child)) == 1)
            rewrite(writer, &child);
        assert_int_equal(got, 0);
        tlv_end(writer, mark);
    }
    assert_int_equal(got, 0);
}

static void check_both_ways(const char *hex, size_t skip, size_t tail)
{
    uint8_t bytes[1024], again[1024];
    struct byte_writer writer;
    size_t size = from_hex(hex, bytes, sizeof bytes) - skip - tail;
    byte_writer_init(&writer, again, sizeof again);
    rewrite_document(&writer, bytes + skip, size);
    assert_true(byte_writer_ok(&writer));
    assert_int_equal(writer.length, size);
    assert_memory_equal(again, bytes + skip, size);
}

static void test_examples_both_ways(void **state)
{
    (void)state;
    check_both_ways(EXAMPLE_A, 30 + 32 + 4, 10);
    check_both_ways(EXAMPLE_B, 30 + 32 + 4, 0);
    check_both_ways(EXAMPLE_C, 30 + 32 + 4, 10);
    check_both_ways(EXAMPLE_D, 0, 0);
    check_both_ways(EXAMPLE_E, 0, 0);
    check_both_ways(EXAMPLE_REGISTRATION, 0, 0);
}

static void test_receipt_d_says(void **state)
{
    uint8_t bytes[512];
    size_t size = from_hex(EXAMPLE_D, bytes, sizeof bytes);
    struct tlv item, found;
    struct decimal quantity;
    uint64_t kop;
    uint32_t number;
    uint8_t byte;
    (void)state;
    assert_true(tlv_find_u32(bytes, size, TAG_DOCUMENT_NUMBER, &number));
    assert_int_equal(number, 3342);
    assert_true(tlv_find_vln(bytes, size, TAG_RECEIPT_TOTAL, &kop));
    assert_int_equal(kop, 2600);
    assert_true(tlv_find_vln(bytes, size, TAG_VAT_20, &kop));
    assert_int_equal(kop, 433);
    assert_int_equal(tlv_find(bytes, size, TAG_ITEM, &item), 1);
    assert_int_equal(item.length, 61);
    assert_int_equal(tlv_find(item.value, item.length, TAG_ITEM_QUANTITY, &found), 1);
    assert_true(tlv_get_fvln(&found, &quantity));
    assert_int_equal(quantity.mantissa, 1);
    assert_int_equal(quantity.scale, 0);
    assert_true(tlv_find_u8(item.value, item.length, TAG_ITEM_PAYMENT_METHOD, &byte));
    assert_int_equal(byte, 4);
    assert_int_equal(tlv_find(bytes, size, TAG_BUYER, &found), 0);
    assert_false(tlv_find_u8(bytes, size, TAG_RECEIPT_TOTAL, &byte));
}

static void check_put(void (*put)(struct byte_writer *), const char *hex)
{
    uint8_t expected[64], got[64];
    struct byte_writer writer;
    size_t size = from_hex(hex, expected, sizeof expected);
    byte_writer_init(&writer, got, sizeof got);
    put(&writer);
    assert_int_equal(writer.length, size);
    assert_memory_equal(got, expected, size);
}

static void put_zero(struct byte_writer *writer)
{
    tlv_put_vln(writer, TAG_PAID_CASH, 0);
}
static void put_255(struct byte_writer *writer)
{
    tlv_put_vln(writer, TAG_PAID_CASH, 255);
}
static void put_256(struct byte_writer *writer)
{
    tlv_put_vln(writer, TAG_PAID_CASH, 256);
}
static void put_empty(struct byte_writer *writer)
{
    tlv_put_bytes(writer, TAG_CASHIER, "", 0);
}
static void put_vln(struct byte_writer *writer)
{
    tlv_put_vln(writer, TAG_PAID_CASH, 87892227523633);
}
static void put_2_5(struct byte_writer *writer)
{
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, (struct decimal){25, 1});
}
static void put_0_123(struct byte_writer *writer)
{
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, (struct decimal){123, 3});
}
static void put_1_000(struct byte_writer *writer)
{
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, (struct decimal){1000, 3});
}
static void put_large_quantity(struct byte_writer *writer)
{
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, (struct decimal){123456789, 2});
}
static void put_new_vat(struct byte_writer *writer)
{
    size_t sums = tlv_begin(writer, TAG_VAT_SUMS);
    size_t sum = tlv_begin(writer, TAG_VAT_SUM);
    tlv_put_vln(writer, TAG_VAT_SUM_VALUE, 14558);
    tlv_put_u8(writer, TAG_VAT_RATE, VAT_RATE_22);
    tlv_end(writer, sum);
    tlv_end(writer, sums);
}
static void put_inn(struct byte_writer *writer)
{
    tlv_put_padded(writer, TAG_USER_INN, "7702203276", 10, 12);
}

static void test_values_of_the_rules(void **state)
{
    (void)state;
    check_put(put_zero, "0704 0100 00");
    check_put(put_255, "0704 0100 FF");
    check_put(put_256, "0704 0200 0001");
    check_put(put_empty, "FD03 0000");
    check_put(put_vln, "0704 0600 31040001F04F");
    check_put(put_2_5, "FF03 0200 01 19");
    check_put(put_0_123, "FF03 0200 03 7B");
    check_put(put_1_000, "FF03 0300 03 E803");
    check_put(put_large_quantity, "FF03 0500 02 15CD5B07");
    check_put(put_new_vat, "5B040F00 5F040B00 60040200DE38 AF0401000B");
    check_put(put_inn, "FA03 0C00 373730323230333237362020");
}

static struct tlv value_of(const uint8_t *bytes, uint16_t length)
{
    struct tlv tlv = {.tag = TAG_PAID_CASH, .length = length, .value = bytes};
    return tlv;
}

static void test_readers_accept_what_others_write(void **state)
{
    static const uint8_t padded[9] = {0x28, 0x0A, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t one[4] = {3, 0xE8, 0x03, 0};
    struct tlv tlv;
    struct decimal decimal;
    uint64_t value = 1;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    (void)state;
    tlv = value_of(padded, 8);
    assert_true(tlv_get_vln(&tlv, &value));
    assert_int_equal(value, 2600);
    tlv = value_of(padded, 9);
    assert_false(tlv_get_vln(&tlv, &value));
    assert_false(tlv_get_fvln(&tlv, &decimal));
    tlv = value_of(padded, 0);
    assert_true(tlv_get_vln(&tlv, &value));
    assert_int_equal(value, 0);
    assert_false(tlv_get_u8(&tlv, &u8));
    tlv = value_of(one, 4);
    assert_true(tlv_get_fvln(&tlv, &decimal));
    assert_int_equal(decimal.mantissa, 1000);
    assert_int_equal(decimal.scale, 3);
    tlv = value_of(one, 1);
    assert_false(tlv_get_fvln(&tlv, &decimal));
    assert_false(tlv_get_u16(&tlv, &u16));
    tlv = value_of(one, 3);
    assert_false(tlv_get_u32(&tlv, &u32));
    static const uint8_t empty_last[] = {0xFD, 0x03, 0, 0};
    assert_int_equal(tlv_find(empty_last, sizeof empty_last, TAG_CASHIER, &tlv), 1);
    assert_int_equal(tlv.length, 0);
}

/* After every byte the stream may end: whole elements are given, the rest is refused and stays
 * refused. */
static void test_cut_after_every_byte(void **state)
{
    uint8_t bytes[512];
    size_t size = from_hex(EXAMPLE_D, bytes, sizeof bytes);
    (void)state;
    size_t boundary = 0; /* start of the element that byte `cut` belongs to */
    for (size_t cut = 0; cut <= size; cut++) {
        struct tlv_reader reader;
        struct tlv tlv;
        int got;
        uint8_t copy[512]; /* of exactly this size for the sanitizer to watch */
        memcpy(copy, bytes, cut);
        memset(copy + cut, 0xEE, sizeof copy - cut);
        tlv_reader_init(&reader, copy, cut);
        while ((got = tlv_next(&reader, &tlv)) == 1) {
            assert_true(tlv.value + tlv.length <= copy + cut);
        }
        boundary = reader.offset;
        assert_int_equal(got, boundary == cut ? 0 : -1);
        assert_int_equal(tlv_next(&reader, &tlv), got);
        assert_int_equal(reader.offset, boundary);
        assert_int_equal(tlv_valid(copy, cut), got == 0);
        assert_int_equal(tlv_find(copy, cut, 9999, &tlv), got);
    }
}

static void test_garbage(void **state)
{
    uint32_t seed = 1;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t bytes[48];
        struct tlv_reader reader;
        struct tlv tlv;
        size_t total = 0;
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            /* Small numbers now and then, or no length would ever fit. */
            bytes[i] = (uint8_t)((seed >> 16 & 3) == 0 ? seed >> 24 : seed >> 29);
        }
        size_t size = seed >> 8 & 47;
        tlv_reader_init(&reader, bytes, size);
        while (tlv_next(&reader, &tlv) == 1) {
            total += 4u + tlv.length;
            assert_true(tlv.value >= bytes && tlv.value + tlv.length <= bytes + size);
        }
        assert_int_equal(total, reader.offset);
    }
}

static void test_writer_never_overruns(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 20; capacity++) {
        uint8_t bytes[40];
        struct byte_writer writer;
        memset(bytes, 0xEE, sizeof bytes);
        byte_writer_init(&writer, bytes, capacity);
        put_new_vat(&writer);
        assert_int_equal(writer.length, 19);
        assert_int_equal(byte_writer_ok(&writer), capacity >= 19);
        for (size_t i = capacity; i < sizeof bytes; i++)
            assert_int_equal(bytes[i], 0xEE);
    }
    struct byte_writer measure;
    byte_writer_init(&measure, NULL, 0);
    put_new_vat(&measure);
    put_fill(&measure, 0, 3);
    put_u16be(&measure, 1);
    put_u32be(&measure, 1);
    assert_int_equal(measure.length, 19 + 3 + 2 + 4);
    assert_true(byte_writer_ok(&measure));
}

static void test_byte_order(void **state)
{
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x06, 0x05, 0x04,
                                       0x03, 0x02, 0x01, 0x05, 0x04, 0x03, 0x02, 0x01};
    uint8_t bytes[sizeof expected];
    struct byte_writer writer;
    (void)state;
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_u16be(&writer, 0x0102);
    put_u32be(&writer, 0x03040506);
    put_u32le(&writer, 0x03040506);
    put_u16le(&writer, 0x0102);
    put_uint_le(&writer, 0x0102030405, 5);
    assert_true(byte_writer_ok(&writer));
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_int_equal(get_u16be(bytes), 0x0102);
    assert_int_equal(get_u32be(bytes + 2), 0x03040506);
    assert_int_equal(get_u32le(bytes + 6), 0x03040506);
    assert_int_equal(get_u16le(bytes + 10), 0x0102);
    assert_int_equal(get_uint_le(bytes + 12, 5), 0x0102030405);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_both_ways),
        cmocka_unit_test(test_receipt_d_says),
        cmocka_unit_test(test_values_of_the_rules),
        cmocka_unit_test(test_readers_accept_what_others_write),
        cmocka_unit_test(test_cut_after_every_byte),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_writer_never_overruns),
        cmocka_unit_test(test_byte_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
