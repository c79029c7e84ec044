/* The header of a firmware image, byte by byte, and versions as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "board/mcu/mcu_signature.h"
#include "proto/firmware_image.h"

static const struct firmware_image_slot slot = {"mps2", 0x21F80000, 4096};

static struct firmware_image good(void)
{
    struct firmware_image image = {
        .board = "mps2", .address = 0x21F80000, .size = 3840, .version = 0x00010203};
    memset(image.hash, 0xA5, sizeof image.hash);
    memset(image.signature, 0x5A, sizeof image.signature);
    return image;
}

static void test_bytes(void **state)
{
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES];
    static const uint8_t start[] = {'K',  'K',  'T', 'I',  1, 0, 0, 1, 'm', 'p', 's', '2', 0,
                                    0,    0,    0,   0,    0, 0, 0, 0, 0,   0,   0,   0,   0,
                                    0xF8, 0x21, 0,   0x0F, 0, 0, 3, 2, 1,   0,   0};
    struct firmware_image image = good(), out;
    (void)state;
    firmware_image_put(&image, header);
    assert_memory_equal(header, start, sizeof start);
    assert_int_equal(header[64], 0xA5);
    assert_int_equal(header[95], 0xA5);
    assert_int_equal(header[96], 0x5A);
    assert_int_equal(header[159], 0x5A);
    for (size_t i = 160; i < sizeof header; i++)
        assert_int_equal(header[i], 0);
    assert_int_equal(firmware_image_get(header, &slot, &out), FIRMWARE_IMAGE_OK);
    assert_memory_equal(&out, &image, sizeof out);
}

/* Each field at fault has its own error. */
static void test_errors(void **state)
{
    static const struct {
        size_t at;
        uint8_t flip;
        enum firmware_image_error error;
    } bad[] = {{0, 1, FIRMWARE_IMAGE_NONE},       {3, 0x80, FIRMWARE_IMAGE_NONE},
               {4, 3, FIRMWARE_IMAGE_FORMAT_NEW}, {7, 3, FIRMWARE_IMAGE_FORMAT_NEW},
               {8, 1, FIRMWARE_IMAGE_BOARD},      {12, 'x', FIRMWARE_IMAGE_BOARD},
               {24, 4, FIRMWARE_IMAGE_ADDRESS},   {27, 1, FIRMWARE_IMAGE_ADDRESS},
               {28, 1, FIRMWARE_IMAGE_SIZE},      {31, 0x80, FIRMWARE_IMAGE_SIZE}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES];
        struct firmware_image image = good(), out;
        firmware_image_put(&image, header);
        header[bad[i].at] ^= bad[i].flip;
        assert_int_equal(firmware_image_get(header, &slot, &out), bad[i].error);
        assert_true(strlen(firmware_image_error_text(bad[i].error)) > 1);
    }
    struct firmware_image image = good(), out;
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES];
    image.size = 0;
    firmware_image_put(&image, header);
    assert_int_equal(firmware_image_get(header, &slot, &out), FIRMWARE_IMAGE_SIZE);
    assert_string_equal(firmware_image_error_text((enum firmware_image_error)99), "?");
}

static void test_versions(void **state)
{
    static const char *const bad[] = {"",       "1",         "1.2",     "1.2.3.4",
                                      "1.2.x",  "65536.0.0", "1.256.0", "1.0.256",
                                      "-1.0.0", "1..0",      " 1.0.0"};
    char text[FIRMWARE_VERSION_TEXT];
    uint32_t version = 0;
    (void)state;
    firmware_version_text(0xFFFFFFFFu, text);
    assert_string_equal(text, "65535.255.255");
    assert_true(firmware_version_parse(text, &version));
    assert_int_equal(version, 0xFFFFFFFFu);
    firmware_version_text(0x00010A03u, text);
    assert_string_equal(text, "1.10.3");
    assert_true(firmware_version_parse("0.0.0", &version));
    assert_int_equal(version, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(firmware_version_parse(bad[i], &version));
}

/* A signature made elsewhere (openssl): ECDSA P-256 over SHA-256 of 96 bytes 00 to 5F. Any bit of
 * key, text or signature that differs makes it wrong. */
static void test_signature(void **state)
{
    static const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES] = {
        0x67, 0x69, 0x8E, 0x90, 0xE0, 0x66, 0x18, 0xD4, 0xF9, 0xB0, 0xBC, 0xDA, 0xB9,
        0xDA, 0xCB, 0x56, 0x22, 0x9C, 0x3F, 0x46, 0x54, 0x98, 0x8D, 0xE1, 0xA4, 0xD9,
        0xF5, 0x5C, 0x74, 0xA4, 0x90, 0xEF, 0xA6, 0x8B, 0x9D, 0xEB, 0x66, 0xEA, 0xA3,
        0x80, 0x35, 0xE8, 0x01, 0x2F, 0x4D, 0x8B, 0xDE, 0x93, 0x20, 0x2A, 0xE2, 0x66,
        0xA7, 0x78, 0xD6, 0xB1, 0x5D, 0xB5, 0x7C, 0x5E, 0x93, 0x84, 0x01, 0x98};
    static const uint8_t signature[64] = {
        0x4A, 0x5B, 0x0A, 0x17, 0x9A, 0x6B, 0x2E, 0x71, 0xC7, 0x62, 0x68, 0xDA, 0x8E,
        0xD2, 0x7B, 0x66, 0x34, 0xCE, 0x9C, 0x9D, 0xE5, 0x87, 0xD5, 0xE5, 0x58, 0xFA,
        0x19, 0x61, 0x71, 0xCA, 0xA4, 0x7B, 0x62, 0xFE, 0xCE, 0x29, 0x34, 0x3B, 0xC6,
        0x1F, 0xCB, 0x70, 0x35, 0xF4, 0x9A, 0x6B, 0x9C, 0xC3, 0xC0, 0x1C, 0x8F, 0x85,
        0x02, 0x4C, 0xF5, 0xFC, 0x51, 0x49, 0xE2, 0xC7, 0xDD, 0x2A, 0x80, 0x5B};
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES] = {0}, other[FIRMWARE_IMAGE_KEY_BYTES];
    (void)state;
    for (unsigned i = 0; i < FIRMWARE_IMAGE_SIGNED_BYTES; i++)
        header[i] = (uint8_t)i;
    memcpy(header + FIRMWARE_IMAGE_SIGNED_BYTES, signature, sizeof signature);
    assert_true(mcu_signature_right(header, key));
    for (size_t at = 0; at < FIRMWARE_IMAGE_SIGNED_BYTES + sizeof signature; at += 7) {
        header[at] ^= 1;
        assert_false(mcu_signature_right(header, key));
        header[at] ^= 1;
    }
    memcpy(other, key, sizeof other);
    other[5] ^= 1; /* not on the curve */
    assert_false(mcu_signature_right(header, other));
    header[200] ^= 1; /* behind the signature nothing is said */
    assert_true(mcu_signature_right(header, key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
