/* Checksums and the digest against their published check values, mbedTLS and each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mbedtls/sha256.h>

#include "proto/crc.h"
#include "proto/sha256.h"

static void test_check_values(void **state)
{
    (void)state;
    assert_int_equal(crc16_update(CRC16_INIT, "123456789", 9), 0x29B1);
    assert_int_equal(crc32c_update(CRC32C_INIT, "123456789", 9), 0xE3069283);
    assert_int_equal(crc16_update(CRC16_INIT, "", 0), 0xFFFF);
    assert_int_equal(crc32c_update(CRC32C_INIT, "", 0), 0);
}

/* The definition, bit by bit. */
static uint16_t slow_crc16(const uint8_t *bytes, size_t size)
{
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < size * 8; i++) {
        unsigned bit = (unsigned)bytes[i / 8] >> (7 - i % 8) & 1u;
        unsigned top = crc >> 15;
        crc = (uint16_t)(crc << 1);
        if (top != bit)
            crc ^= 0x1021;
    }
    return crc;
}

static uint32_t slow_crc32c(const uint8_t *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < size * 8; i++) {
        uint32_t bit = (uint32_t)bytes[i / 8] >> (i % 8) & 1u;
        crc = (crc >> 1) ^ ((crc & 1) != bit ? 0x82F63B78u : 0);
    }
    return ~crc;
}

static void fill(uint8_t *bytes, size_t size)
{
    uint32_t seed = 7;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
    }
}

static void test_against_definition_in_pieces(void **state)
{
    uint8_t bytes[300];
    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint16_t crc16 = crc16_update(CRC16_INIT, bytes, cut);
        uint32_t crc32c = crc32c_update(CRC32C_INIT, bytes, cut);
        assert_int_equal(crc16, slow_crc16(bytes, cut));
        assert_int_equal(crc32c, slow_crc32c(bytes, cut));
        crc16 = crc16_update(crc16, bytes + cut, sizeof bytes - cut);
        crc32c = crc32c_update(crc32c, bytes + cut, sizeof bytes - cut);
        assert_int_equal(crc16, slow_crc16(bytes, sizeof bytes));
        assert_int_equal(crc32c, slow_crc32c(bytes, sizeof bytes));
    }
}

static void test_sha256_against_mbedtls(void **state)
{
    uint8_t bytes[300];
    (void)state;
    fill(bytes, sizeof bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint8_t ours[SHA256_SIZE], theirs[SHA256_SIZE];
        struct sha256 sha;
        assert_int_equal(mbedtls_sha256_ret(bytes, size, theirs, 0), 0);
        for (size_t cut = 0; cut <= size; cut += 37) {
            sha256_init(&sha);
            sha256_update(&sha, bytes, cut);
            sha256_update(&sha, bytes + cut, size - cut);
            sha256_final(&sha, ours);
            assert_memory_equal(ours, theirs, SHA256_SIZE);
        }
    }
}

static void test_sha256_of_abc(void **state)
{
    static const uint8_t expected[SHA256_SIZE] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                                  0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
                                                  0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
                                                  0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    uint8_t digest[SHA256_SIZE];
    struct sha256 sha;
    (void)state;
    sha256_init(&sha);
    sha256_update(&sha, "abc", 3);
    sha256_final(&sha, digest);
    assert_memory_equal(digest, expected, sizeof expected);
}

/* A PC has an instruction for it; the table is what a microcontroller runs. */
static void both_ways_of_crc32c_agree(void **state)
{
    uint8_t bytes[300];
    uint32_t random = 1;
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(random >> 24);
    }
    for (size_t start = 0; start < 9; start++) {
        for (size_t size = 0; size + start <= sizeof(bytes); size++)
            assert_int_equal(
                crc32c_update(start == 0 ? CRC32C_INIT : random, bytes + start, size),
                crc32c_by_table(start == 0 ? CRC32C_INIT : random, bytes + start, size));
    }
    assert_int_equal(crc32c_by_table(CRC32C_INIT, "123456789", 9), 0xE3069283u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways_of_crc32c_agree),
        cmocka_unit_test(test_check_values),
        cmocka_unit_test(test_against_definition_in_pieces),
        cmocka_unit_test(test_sha256_against_mbedtls),
        cmocka_unit_test(test_sha256_of_abc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
