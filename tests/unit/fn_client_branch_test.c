/* The line to the FN when it babbles, is slow to take bytes, or has more than one owner in mind;
 * and settings of a kind their reader did not ask for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/fn_client.h"
#include "firmware/settings.h"
#include "proto/tags.h"
#include "tests/unit/ram_flash.h"

static struct journal_scratch test_scratch;

/* ---- The line ---- */

static struct {
    uint8_t in[8192]; /* what the FN says */
    size_t in_size, in_read;
    bool babbles; /* and a byte more for every read, for ever */
    uint8_t out[8192];
    size_t out_size;
    size_t takes; /* bytes a write takes at most */
    unsigned long reads;
} line;

static struct board board;
static struct fn_client fn;

static int line_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_FN);
    line.reads++;
    if (line.babbles) {
        memset(data, 0xEE, size);
        return (int)size;
    }
    size_t left = line.in_size - line.in_read;
    size_t count = size < left ? size : left;
    memcpy(data, line.in + line.in_read, count);
    line.in_read += count;
    return (int)count;
}

static int line_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_FN);
    size_t count = size < line.takes ? size : line.takes;
    assert_true(line.out_size + count <= sizeof line.out);
    memcpy(line.out + line.out_size, data, count);
    line.out_size += count;
    return (int)count;
}

static void open_line(void)
{
    memset(&line, 0, sizeof line);
    line.takes = sizeof line.out;
    board = (struct board){.port_read = line_read, .port_write = line_write};
    fn_client_init(&fn, &board);
    assert_true(fn_acquire(&fn, FN_OWNER_REGISTER));
}

static void say(const void *bytes, size_t size)
{
    memcpy(line.in + line.in_size, bytes, size);
    line.in_size += size;
}

static void answer(uint8_t code, const char *data)
{
    uint8_t frame[64];
    say(frame, fn_frame_encode(code, (const uint8_t *)data, strlen(data), frame, sizeof frame));
}

static void test_whose_the_line_is(void **state)
{
    (void)state;
    open_line();
    assert_true(fn_acquire(&fn, FN_OWNER_REGISTER)); /* again: it is mine */
    assert_false(fn_acquire(&fn, FN_OWNER_OFD));
    fn_release(&fn, FN_OWNER_OFD); /* not its owner: nothing happens */
    assert_int_equal(fn.owner, FN_OWNER_REGISTER);
    fn_release(&fn, FN_OWNER_REGISTER);
    assert_true(fn_acquire(&fn, FN_OWNER_OFD));
    assert_false(fn_acquire(&fn, FN_OWNER_REGISTER));
    fn_release(&fn, FN_OWNER_OFD);
    assert_false(fn_acquire(&fn, FN_OWNER_PRINT)); /* the register waits */
    assert_true(fn_acquire(&fn, FN_OWNER_REGISTER));
}

/* What came before the command is not its answer. */
static void test_stale_bytes_are_dropped(void **state)
{
    (void)state;
    open_line();
    answer(FN_OK, "old");
    fn_start(&fn, FN_STATUS, NULL, 0, 1000);
    assert_int_equal(fn_client_step(&fn, 1000), FN_STATE_WAITING);
    answer(FN_OK, "new");
    assert_int_equal(fn_client_step(&fn, 1010), FN_STATE_DONE);
    assert_int_equal(fn.size, 3);
    assert_memory_equal(fn.data, "new", 3);
}

/* A module that babbles holds the loop neither before a command nor after it; it is silent then. */
static void test_babble_is_bounded(void **state)
{
    (void)state;
    open_line();
    line.babbles = true;
    fn_start(&fn, FN_STATUS, NULL, 0, 1000);
    assert_true(line.reads <= FN_FRAME_MAX / 64 + 1);
    line.reads = 0;
    assert_int_equal(fn_client_step(&fn, 1000), FN_STATE_WAITING);
    assert_in_range(line.reads, 1, FN_FRAME_MAX * 2);
    mono_ms now = 1000;
    while (fn_client_step(&fn, now) == FN_STATE_WAITING) {
        now += 100;
        assert_true(now <= 1000 + 6000);
    }
    assert_int_equal(fn.state, FN_STATE_FAILED);
}

static void test_a_port_that_takes_little(void **state)
{
    (void)state;
    uint8_t frame[64];
    open_line();
    size_t size = fn_frame_encode(FN_NUMBER, (const uint8_t *)"abc", 3, frame, sizeof frame);
    line.takes = 0;
    fn_start(&fn, FN_NUMBER, (const uint8_t *)"abc", 3, 1000);
    assert_int_equal(fn_client_step(&fn, 1000), FN_STATE_WAITING);
    assert_int_equal(line.out_size, 0);
    line.takes = 2;
    assert_int_equal(fn_client_step(&fn, 1010), FN_STATE_WAITING);
    assert_int_equal(line.out_size, size);
    assert_memory_equal(line.out, frame, size);
}

/* A damaged frame, and more bytes behind it in the same turn: the answer is asked for again. */
static void test_damaged_with_bytes_behind(void **state)
{
    (void)state;
    open_line();
    fn_start(&fn, FN_STATUS, NULL, 0, 1000);
    answer(FN_OK, "abc");
    line.in[line.in_size - 1] ^= 1;
    say("\xEE\xEE\xEE", 3);
    line.out_size = 0;
    assert_int_equal(fn_client_step(&fn, 1000), FN_STATE_WAITING);
    assert_true(fn.enquired);
    assert_int_equal(line.out[line.out_size - 1], FN_FRAME_ENQ);
    answer(FN_OK, "abc");
    assert_int_equal(fn_client_step(&fn, 1010), FN_STATE_DONE);
    assert_memory_equal(fn.data, "abc", 3);
}

/* ---- Settings ---- */

static struct ram_flash flash;
static struct settings settings;
static const struct journal_region region = {0, 4, &test_scratch};

static void test_a_setting_of_another_kind(void **state)
{
    (void)state;
    uint8_t list[64];
    struct byte_writer writer;
    ram_flash_init(&flash, 4 * 4096, 4096, 256, 0xFF);
    ram_flash_board(&flash, &board);
    assert_int_equal(settings_mount(&settings, &board, region), ERROR_NONE);
    byte_writer_init(&writer, list, sizeof list);
    tlv_put_bytes(&writer, TAG_SETTING_OFD_PORT, (const uint8_t *)"abc", 3);
    tlv_put_bytes(&writer, TAG_SETTING_COLUMNS, (const uint8_t *)"ab", 2);
    assert_int_equal(settings_update(&settings, list, writer.length), ERROR_NONE);
    assert_int_equal(settings_u16(&settings, TAG_SETTING_OFD_PORT, 5), 5);
    assert_int_equal(settings_u8(&settings, TAG_SETTING_COLUMNS, 48), 48);
    ram_flash_free(&flash);
}

static void no_checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    (void)writer;
}

/* Records of other kinds are passed over; a list larger than any is not taken for one. */
static void test_records_of_others(void **state)
{
    (void)state;
    static struct journal other;
    static uint8_t list[LIMIT_JOURNAL_RECORD_BYTES];
    struct byte_writer writer;
    ram_flash_init(&flash, 4 * 4096, 4096, 256, 0xFF);
    ram_flash_board(&flash, &board);
    assert_int_equal(journal_mount(&other, &board, region, NULL, no_checkpoint, NULL), ERROR_NONE);
    byte_writer_init(&writer, list, sizeof list);
    tlv_put_u8(&writer, TAG_SETTING_COLUMNS, 32);
    assert_int_equal(journal_append(&other, JOURNAL_SETTINGS, list, writer.length, NULL),
                     ERROR_NONE);
    assert_int_equal(journal_append(&other, JOURNAL_PRINTED, "\1\0\0\0", 4, NULL), ERROR_NONE);
    assert_int_equal(settings_mount(&settings, &board, region), ERROR_NONE);
    assert_int_equal(settings_u8(&settings, TAG_SETTING_COLUMNS, 48), 32);
    byte_writer_init(&writer, list, sizeof list);
    size_t mark = tlv_begin(&writer, TAG_SETTING_HEADER);
    put_fill(&writer, 'x', LIMIT_SETTINGS_BYTES + 10);
    tlv_end(&writer, mark);
    assert_true(byte_writer_ok(&writer));
    assert_int_equal(journal_append(&other, JOURNAL_SETTINGS, list, writer.length, NULL),
                     ERROR_NONE);
    assert_int_equal(settings_mount(&settings, &board, region), ERROR_JOURNAL_FAULT);
    ram_flash_free(&flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_the_line_is),
        cmocka_unit_test(test_stale_bytes_are_dropped),
        cmocka_unit_test(test_babble_is_bounded),
        cmocka_unit_test(test_a_port_that_takes_little),
        cmocka_unit_test(test_damaged_with_bytes_behind),
        cmocka_unit_test(test_a_setting_of_another_kind),
        cmocka_unit_test(test_records_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
