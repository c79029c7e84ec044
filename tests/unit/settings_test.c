/* The settings store: what RAM holds is what flash holds, after any update and any cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/settings.h"
#include "proto/tags.h"
#include "tests/unit/ram_flash.h"

static struct journal_scratch test_scratch;

#define SECTOR 4096u

struct bench {
    struct ram_flash flash;
    struct board board;
    struct settings settings;
};

static uint16_t mount(struct bench *bench)
{
    return settings_mount(&bench->settings, &bench->board,
                          (struct journal_region){0, 4, &test_scratch});
}

static struct bench *bench_new(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    assert_non_null(bench);
    ram_flash_init(&bench->flash, 4 * SECTOR, SECTOR, 256, 0xFF);
    ram_flash_board(&bench->flash, &bench->board);
    assert_int_equal(mount(bench), ERROR_NONE);
    return bench;
}

static void bench_free(struct bench *bench)
{
    ram_flash_free(&bench->flash);
    free(bench);
}

static uint16_t set_text(struct bench *bench, uint16_t tag, const char *text)
{
    uint8_t bytes[LIMIT_SETTINGS_BYTES * 2];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof(bytes));
    tlv_put_bytes(&writer, tag, text, strlen(text));
    return settings_update(&bench->settings, bytes, writer.length);
}

static uint16_t set_filled(struct bench *bench, uint16_t tag, char fill, size_t size)
{
    char text[LIMIT_SETTINGS_BYTES * 2];
    assert_true(size < sizeof(text));
    memset(text, fill, size);
    text[size] = '\0';
    return set_text(bench, tag, text);
}

static void expect_text(const struct bench *bench, uint16_t tag, const char *wanted)
{
    char text[600];
    assert_int_equal(settings_string(&bench->settings, tag, text, sizeof(text)), strlen(wanted));
    assert_string_equal(text, wanted);
}

static void test_values(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct settings *settings = &bench->settings;
    uint8_t bytes[64];
    struct byte_writer writer;
    struct tlv tlv;
    char text[8];
    assert_int_equal(settings->size, 0);
    assert_false(settings_find(settings, TAG_SETTING_COLUMNS, &tlv));
    assert_int_equal(settings_u8(settings, TAG_SETTING_COLUMNS, 48), 48);
    assert_int_equal(settings_string(settings, TAG_SETTING_OFD_HOST, text, sizeof(text)), 0);
    assert_string_equal(text, "");
    byte_writer_init(&writer, bytes, sizeof(bytes));
    tlv_put_u8(&writer, TAG_SETTING_COLUMNS, 32);
    tlv_put_u16(&writer, TAG_SETTING_OFD_PORT, 7777);
    tlv_put_bytes(&writer, TAG_SETTING_OFD_HOST, "ofd.example", 11);
    assert_int_equal(settings_update(settings, bytes, writer.length), ERROR_NONE);
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(settings_u8(settings, TAG_SETTING_COLUMNS, 48), 32);
        assert_int_equal(settings_u16(settings, TAG_SETTING_OFD_PORT, 1), 7777);
        /* Of another length: the fallback. */
        assert_int_equal(settings_u8(settings, TAG_SETTING_OFD_PORT, 9), 9);
        assert_int_equal(settings_string(settings, TAG_SETTING_OFD_HOST, text, sizeof(text)), 7);
        assert_string_equal(text, "ofd.exa");
        assert_int_equal(mount(bench), ERROR_NONE);
    }
    bench_free(bench);
}

static void test_replace_and_remove(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct settings *settings = &bench->settings;
    assert_int_equal(set_text(bench, TAG_SETTING_OFD_HOST, "first"), ERROR_NONE);
    assert_int_equal(set_text(bench, TAG_SETTING_HEADER, "one"), ERROR_NONE);
    assert_int_equal(set_text(bench, TAG_SETTING_OFD_HOST, "second host"), ERROR_NONE);
    expect_text(bench, TAG_SETTING_OFD_HOST, "second host");
    expect_text(bench, TAG_SETTING_HEADER, "one");
    assert_int_equal(settings->size, 2 * TLV_HEADER_SIZE + 11 + 3);
    /* A tag given twice is kept twice, and goes as one. */
    static const uint8_t twice[] = {0x92, 0xF2, 1, 0, 'a', 0x92, 0xF2, 1, 0, 'b'};
    assert_int_equal(TAG_SETTING_HEADER, 0xF292);
    assert_int_equal(settings_update(settings, twice, sizeof(twice)), ERROR_NONE);
    assert_int_equal(settings->size, 2 * TLV_HEADER_SIZE + 2 + TLV_HEADER_SIZE + 11);
    expect_text(bench, TAG_SETTING_HEADER, "a");
    assert_int_equal(set_text(bench, TAG_SETTING_HEADER, ""), ERROR_NONE);
    assert_int_equal(set_text(bench, TAG_SETTING_FOOTER, ""), ERROR_NONE);
    assert_int_equal(settings->size, TLV_HEADER_SIZE + 11);
    assert_int_equal(mount(bench), ERROR_NONE);
    assert_int_equal(settings->size, TLV_HEADER_SIZE + 11);
    expect_text(bench, TAG_SETTING_OFD_HOST, "second host");
    bench_free(bench);
}

static void test_refusals(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct settings *settings = &bench->settings;
    static const uint8_t malformed[] = {0x92, 0xF2, 5, 0, 'a'};
    assert_int_equal(set_text(bench, TAG_SETTING_HEADER, "keep"), ERROR_NONE);
    uint64_t operations = bench->flash.operations;
    size_t size = settings->size;
    assert_int_equal(settings_update(settings, malformed, sizeof(malformed)),
                     ERROR_REQUEST_MALFORMED);
    assert_int_equal(set_filled(bench, TAG_SETTING_FOOTER, 'x', LIMIT_SETTINGS_BYTES - size - 3),
                     ERROR_TOO_LARGE);
    assert_int_equal(settings->size, size);
    expect_text(bench, TAG_SETTING_HEADER, "keep");
    assert_true(bench->flash.operations == operations);
    assert_int_equal(set_filled(bench, TAG_SETTING_FOOTER, 'x', LIMIT_SETTINGS_BYTES - size - 4),
                     ERROR_NONE);
    assert_int_equal(settings->size, LIMIT_SETTINGS_BYTES);
    assert_int_equal(mount(bench), ERROR_NONE);
    assert_int_equal(settings->size, LIMIT_SETTINGS_BYTES);
    bench_free(bench);
}

/* A list so large that old and new do not fit into one sector, changed often. */
static void test_large_list(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    for (unsigned i = 0; i < 60; i++) {
        char fill = (char)('A' + i % 26);
        assert_int_equal(set_filled(bench, TAG_SETTING_OFD_CA, fill, 2048), ERROR_NONE);
        assert_int_equal(set_filled(bench, TAG_SETTING_HEADER, fill, 500 + i), ERROR_NONE);
        assert_int_equal(set_filled(bench, TAG_SETTING_FOOTER, fill, 500 + i), ERROR_NONE);
        (void)journal_maintain(&bench->settings.journal);
        assert_int_equal(mount(bench), ERROR_NONE);
        struct tlv tlv;
        assert_true(settings_find(&bench->settings, TAG_SETTING_FOOTER, &tlv));
        assert_int_equal(tlv.length, 500 + i);
        assert_int_equal(tlv.value[0], fill);
        assert_true(settings_find(&bench->settings, TAG_SETTING_OFD_CA, &tlv));
        assert_int_equal(tlv.value[2047], fill);
    }
    bench_free(bench);
}

/* Every update is cut at every operation: the list is the old or the new one, in RAM on failure the
 * old one. */
static void cut_updates(size_t size)
{
    struct bench *bench = bench_new();
    struct bench *cut = bench_new();
    unsigned cuts = 0;
    uint8_t before[LIMIT_SETTINGS_BYTES];
    for (unsigned i = 0; i < 12; i++) {
        size_t before_size = bench->settings.size;
        memcpy(before, bench->settings.tlv, before_size);
        char fill = (char)('a' + i);
        for (uint64_t n = 1;; n++) {
            bool was_cut = true;
            for (uint32_t tear = 0; tear < RAM_TEARS && was_cut; tear++) {
                ram_flash_copy(&cut->flash, &bench->flash);
                assert_int_equal(mount(cut), ERROR_NONE);
                ram_flash_cut_in(&cut->flash, n, tear);
                uint16_t error = set_filled(cut, TAG_SETTING_HEADER, fill, size + i);
                was_cut = cut->flash.dead;
                if (!was_cut)
                    break;
                cuts++;
                if (error != ERROR_NONE) {
                    assert_int_equal(cut->settings.size, before_size);
                    assert_memory_equal(cut->settings.tlv, before, before_size);
                }
                ram_flash_power_on(&cut->flash);
                assert_int_equal(mount(cut), ERROR_NONE);
                struct tlv tlv = {0, 0, NULL};
                bool found = settings_find(&cut->settings, TAG_SETTING_HEADER, &tlv);
                bool is_new = found && tlv.value[0] == (uint8_t)fill && tlv.length == size + i;
                bool is_old = cut->settings.size == before_size &&
                              memcmp(cut->settings.tlv, before, before_size) == 0;
                assert_true(is_new || is_old);
                assert_true(is_new || error != ERROR_NONE);
            }
            if (!was_cut)
                break;
        }
        assert_int_equal(set_filled(bench, TAG_SETTING_HEADER, fill, size + i), ERROR_NONE);
        if (i % 4 == 3)
            (void)journal_maintain(&bench->settings.journal);
    }
    assert_true(cuts > 300);
    bench_free(bench);
    bench_free(cut);
}

static void test_cuts(void **state)
{
    (void)state;
    cut_updates(600);
    cut_updates(3000);
}

/* A record that is no list was not written by this module: it is told, not used. */
static void foreign_checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    put_fill(writer, 0x11, 30);
}

static void test_foreign_records(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct journal *other = calloc(1, sizeof(*other));
    assert_non_null(other);
    struct journal_region region = {0, 4, &test_scratch};
    assert_int_equal(journal_mount(other, &bench->board, region, NULL, foreign_checkpoint, NULL),
                     ERROR_NONE);
    uint8_t garbage[9] = {0x92, 0xF2, 0xFF, 0xFF, 1, 2, 3, 4, 5};
    assert_int_equal(journal_append(other, JOURNAL_SETTINGS, garbage, sizeof(garbage), NULL),
                     ERROR_NONE);
    assert_int_equal(mount(bench), ERROR_JOURNAL_FAULT);
    assert_int_equal(bench->settings.size, 0);
    free(other);
    bench_free(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_replace_and_remove),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_large_list),
        cmocka_unit_test(test_cuts),     cmocka_unit_test(test_foreign_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
