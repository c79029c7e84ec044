/* Session and container of the operator's protocol against worked examples and a capture. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/ofd.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/unit/proto_examples.h"

/* Takes a message apart and puts it together again; both must agree to the byte. */
static void check_both_ways(const char *hex, uint8_t data_type, uint32_t document, size_t body_size)
{
    uint8_t bytes[600], again[600];
    struct ofd_header header;
    struct ofd_container container;
    size_t size = from_hex(hex, bytes, sizeof bytes);
    assert_int_equal(ofd_header_decode(bytes, size, &header), 1);
    assert_string_equal(header.fn_number, "9999078900005488");
    assert_int_equal(header.flags, OFD_FLAGS_MESSAGE);
    assert_int_equal(header.body_size + OFD_HEADER_SIZE, size);
    assert_true(ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, header.body_size));
    assert_true(ofd_container_decode(bytes + OFD_HEADER_SIZE, header.body_size, &container));
    assert_int_equal(container.data_type, data_type);
    assert_int_equal(container.document, document);
    assert_string_equal(container.fn_number, "9999078900005488");
    assert_int_equal(container.size, body_size);
    ofd_header_encode(&header, NULL, again);
    assert_int_equal(ofd_container_encode(&container, again + OFD_HEADER_SIZE, sizeof again),
                     header.body_size);
    assert_memory_equal(again, bytes, size);
    assert_int_equal(
        ofd_container_encode(&container, again, container.size + OFD_CONTAINER_HEADER_SIZE - 1), 0);
}

static void test_examples_both_ways(void **state)
{
    (void)state;
    check_both_ways(EXAMPLE_A, FORM_SHIFT_OPEN, 2, 130 + 10);
    check_both_ways(EXAMPLE_B, FORM_OPERATOR_CONFIRMATION, 1, 65);
    check_both_ways(EXAMPLE_C, FORM_REGISTRATION_CHANGE, 1, 394 + 10);
}

/* Example A from what a program knows, without looking at its bytes. */
static void test_message_a_from_values(void **state)
{
    static const uint8_t sign[6] = {0x31, 0x04, 0xAA, 0xBB, 0xCC, 0xDD};
    static const uint8_t tail[10] = {0x81, 0x06, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x00, 0x00};
    uint8_t expected[256], message[256], body[256];
    struct byte_writer writer;
    size_t size = from_hex(EXAMPLE_A, expected, sizeof expected);
    (void)state;
    byte_writer_init(&writer, body, sizeof body);
    size_t document = tlv_begin(&writer, FORM_SHIFT_OPEN);
    tlv_put_padded(&writer, TAG_FN_NUMBER, "9999078900005488", 16, 16);
    tlv_put_padded(&writer, TAG_KKT_REGISTRATION_NUMBER, "0000000005008570", 16, 20);
    tlv_put_padded(&writer, TAG_USER_INN, "7702203276", 10, 12);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 2);
    tlv_put_u32(&writer, TAG_DATE_TIME, 0x58B95610);
    tlv_put_bytes(&writer, TAG_FISCAL_SIGN, sign, sizeof sign);
    tlv_put_u32(&writer, TAG_SHIFT_NUMBER, 1);
    tlv_put_bytes(&writer, TAG_CASHIER, "\x88\xA2\xA0\xAD\xAE\xA2 \x88.\x88.", 11);
    tlv_put_u8(&writer, TAG_FFD_VERSION, FFD_1_05);
    tlv_put_bytes(&writer, TAG_KKT_VERSION, "2.0", 3);
    tlv_put_u8(&writer, TAG_KKT_FFD_VERSION, FFD_1_05);
    tlv_end(&writer, document);
    size_t plain = writer.length;
    put_bytes(&writer, tail, sizeof tail);
    struct ofd_container container = {.data_type = FORM_SHIFT_OPEN,
                                      .fn_number = "9999078900005488",
                                      .document = 2,
                                      .service1 = {0x10, 0x09},
                                      .service2 = {0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, (uint8_t)plain},
                                      .body = body,
                                      .size = writer.length};
    struct ofd_header header = {.fn_number = "9999078900005488", .flags = OFD_FLAGS_MESSAGE};
    ofd_protocol_version(FFD_1_05, header.protocol);
    header.body_size = (uint16_t)ofd_container_encode(&container, message + OFD_HEADER_SIZE,
                                                      sizeof message - OFD_HEADER_SIZE);
    ofd_header_encode(&header, message + OFD_HEADER_SIZE, message);
    assert_int_equal(header.body_size + OFD_HEADER_SIZE, size);
    assert_memory_equal(message, expected, size);
}

static void check_session_crc(uint16_t flags, uint8_t first, uint8_t second)
{
    uint8_t bytes[256];
    struct ofd_header header;
    from_hex(EXAMPLE_A, bytes, sizeof bytes);
    assert_int_equal(ofd_header_decode(bytes, sizeof bytes, &header), 1);
    header.flags = flags;
    ofd_header_encode(&header, bytes + OFD_HEADER_SIZE, bytes);
    assert_int_equal(bytes[28], first);
    assert_int_equal(bytes[29], second);
    assert_true(ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, header.body_size));
    for (size_t i = 0; i < 30u + header.body_size; i++) {
        bool covered = i < 26 || i == 28 || i == 29 || (flags & 2) != 0;
        if (i == 26 || i == 27)
            continue; /* the flags decide what is checked */
        bytes[i] ^= 0x10;
        assert_int_equal(ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, header.body_size),
                         !covered);
        bytes[i] ^= 0x10;
    }
}

static void test_session_crc_variants(void **state)
{
    (void)state;
    check_session_crc(0x0015, 0x58, 0x73);
    check_session_crc(0x0016, 0x25, 0x79);
}

static void check_ping(uint16_t flags, const char *hex)
{
    uint8_t expected[OFD_HEADER_SIZE], bytes[OFD_HEADER_SIZE];
    struct ofd_header header = {
        .protocol = {1, 5}, .fn_number = "9999078900005488", .flags = flags};
    assert_int_equal(from_hex(hex, expected, sizeof expected), OFD_HEADER_SIZE);
    ofd_header_encode(&header, NULL, bytes);
    assert_memory_equal(bytes, expected, sizeof expected);
    assert_int_equal(ofd_header_decode(expected, sizeof expected, &header), 1);
    assert_int_equal(header.body_size, 0);
    assert_true(ofd_header_crc_ok(expected, NULL, 0));
}

static void test_ping(void **state)
{
    (void)state;
    check_ping(OFD_FLAG_EXPECTS_ANSWER,
               "2A 08 41 0A 81 A2 01 05 39 39 39 39 30 37 38 39 30 30 30 30 "
               "35 34 38 38 00 00 10 00 00 00");
    check_ping(
        OFD_FLAG_EXPECTS_ANSWER | OFD_FLAG_CRC_HEADER,
        "2A 08 41 0A 81 A2 01 05 39 39 39 39 30 37 38 39 30 30 30 30 35 34 38 38 00 00 11 00 "
        "D8 1A");
}

static void test_header_refused(void **state)
{
    uint8_t bytes[256];
    struct ofd_header header;
    (void)state;
    from_hex(EXAMPLE_A, bytes, sizeof bytes);
    for (size_t size = 0; size < OFD_HEADER_SIZE; size++)
        assert_int_equal(ofd_header_decode(bytes, size, &header), 0);
    for (size_t i = 0; i < 6; i++) {
        bytes[i] ^= 1;
        assert_int_equal(ofd_header_decode(bytes, 30, &header), -1);
        bytes[i] ^= 1;
    }
    bytes[26] = 0x17; /* CRC mode 11 */
    assert_int_equal(ofd_header_decode(bytes, 30, &header), -1);
    bytes[26] = 0x24; /* bits 5-4 of an answer are not ours to judge */
    assert_int_equal(ofd_header_decode(bytes, 30, &header), 1);
    bytes[27] = 1;
    assert_int_equal(ofd_header_decode(bytes, 30, &header), -1);
    bytes[27] = 0;
    bytes[24] = 0x01;
    bytes[25] = 0x80; /* 32769 */
    assert_int_equal(ofd_header_decode(bytes, 30, &header), -1);
}

static void test_protocol_versions(void **state)
{
    static const uint8_t expected[5][2] = {{0, 0}, {1, 0}, {1, 5}, {1, 0x10}, {1, 0x20}};
    (void)state;
    for (unsigned ffd = FFD_1_0; ffd <= FFD_1_2; ffd++) {
        uint8_t version[2];
        ofd_protocol_version((uint8_t)ffd, version);
        assert_memory_equal(version, expected[ffd], 2);
    }
}

static void test_container_refuses_every_bit(void **state)
{
    uint8_t bytes[256];
    struct ofd_container container;
    size_t size = from_hex(EXAMPLE_B, bytes, sizeof bytes) - OFD_HEADER_SIZE;
    uint8_t *start = bytes + OFD_HEADER_SIZE;
    (void)state;
    assert_true(ofd_container_decode(start, size, &container));
    for (size_t bit = 0; bit < size * 8; bit++) {
        start[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(ofd_container_decode(start, size, &container));
        start[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_false(ofd_container_decode(start, cut, &container));
    assert_false(ofd_container_decode(start, size + 1, &container));
}

/* A number of 15 digits ends with the half byte F (captured from a real register). */
static void test_short_number(void **state)
{
    static const uint8_t bcd[8] = {0x99, 0x99, 0x07, 0x89, 0x12, 0x34, 0x56, 0x7F};
    struct ofd_container container = {
        .data_type = 3, .fn_number = "999907891234567", .document = 0x123456};
    struct ofd_container again;
    uint8_t bytes[OFD_CONTAINER_HEADER_SIZE];
    (void)state;
    assert_int_equal(ofd_container_encode(&container, bytes, sizeof bytes), sizeof bytes);
    assert_memory_equal(bytes + 9, bcd, sizeof bcd);
    assert_true(ofd_container_decode(bytes, sizeof bytes, &again));
    assert_string_equal(again.fn_number, "999907891234567");
    assert_int_equal(again.document, 0x123456);
    static const char *const numbers[] = {"", "9", "12345678", "999907891234567",
                                          "9999078912345678"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct ofd_header header = {.flags = OFD_FLAGS_MESSAGE}, got;
        uint8_t wire[OFD_HEADER_SIZE];
        strcpy(header.fn_number, numbers[i]);
        ofd_header_encode(&header, NULL, wire);
        assert_int_equal(ofd_header_decode(wire, sizeof wire, &got), 1);
        assert_string_equal(got.fn_number, numbers[i]);
    }
}

static void test_garbage(void **state)
{
    uint32_t seed = 9;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t bytes[64];
        struct ofd_header header;
        struct ofd_container container;
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        size_t size = seed >> 10 & 63;
        assert_true(ofd_header_decode(bytes, size, &header) <= 0);
        bytes[0] = (uint8_t)size;
        bytes[1] = 0;
        bytes[4] = 0xA5;
        bytes[6] = 1;
        if (ofd_container_decode(bytes, size, &container))
            assert_true(container.body + container.size == bytes + size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_both_ways),
        cmocka_unit_test(test_message_a_from_values),
        cmocka_unit_test(test_session_crc_variants),
        cmocka_unit_test(test_ping),
        cmocka_unit_test(test_header_refused),
        cmocka_unit_test(test_protocol_versions),
        cmocka_unit_test(test_container_refuses_every_bit),
        cmocka_unit_test(test_short_number),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
