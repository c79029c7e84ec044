/* The emulated fiscal module: the command table, and the rules of time and resources. */
#include "tests/unit/fn_rig.h"

#include "board/fn/fnm_internal.h"

/* The states a command may meet, and how to get there from the one before. */
enum situation {
    READY,        /* phase 1 */
    READY_DRAFT,  /* registration begun, with data */
    CLOSED,       /* phase 2, shift closed */
    CLOSED_DRAFT, /* shift opening begun, with data */
    OPEN,
    OPEN_RECEIPT, /* receipt begun, with data */
    OPEN_CLOSE,   /* shift closing begun, no data yet */
    OPEN_STATE,   /* state report begun */
    CLOSING,      /* phase 3 */
    ARCHIVE,      /* phase 4 */
    SITUATIONS
};

static void reach(enum situation situation)
{
    uint8_t data[32];
    if (situation == READY)
        return;
    if (situation == READY_DRAFT) {
        assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 0), FN_OK);
        assert_int_equal(rig_registration_data(&rig, FFD_1_05), FN_OK);
        return;
    }
    rig_register(&rig, FFD_1_05);
    if (situation == CLOSED)
        return;
    if (situation == CLOSED_DRAFT) {
        assert_int_equal(rig_time(&rig, FN_SHIFT_OPEN_BEGIN, rig.clock), FN_OK);
        assert_int_equal(rig_cashier(&rig), FN_OK);
        return;
    }
    if (situation == CLOSING || situation == ARCHIVE) {
        rig_deliver_all(&rig);
        assert_int_equal(rig_bare(&rig, FN_CLOSE_BEGIN), FN_OK);
        date_time_from_unix(rig.clock, data);
        memcpy(data + 5, RIG_RNM, 20);
        assert_int_equal(rig_command(&rig, FN_CLOSE_FORM, data, 25), FN_OK);
        if (situation == ARCHIVE)
            rig_deliver(&rig, 2);
        return;
    }
    rig_open_shift(&rig);
    if (situation == OPEN_RECEIPT) {
        assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
        assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
    }
    if (situation == OPEN_CLOSE)
        assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_OK);
    if (situation == OPEN_STATE)
        assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_OK);
}

enum input {
    NONE,
    TIME,
    RECEIPT,
    FORM03,
    FORM05,
    NUMBER,
    BYTE0,
    BYTE1,
    TLV,
    BLOCK,
    TAG,
    BYTES2,
    WIPE,
    BEGIN12,
    FORMA3
};

static int send_input(uint8_t command, enum input input)
{
    uint8_t data[64] = {0};
    date_time_from_unix(rig.clock, data);
    switch (input) {
    case NONE:
        return rig_bare(&rig, command);
    case TIME:
        return rig_command(&rig, command, data, 5);
    case RECEIPT:
        return rig_receipt_form(&rig, rig.clock, 1, 100);
    case FORM03:
        return rig_command(&rig, command, data, rig_form_03(data, rig.clock, 0x20));
    case FORM05:
        memcpy(data + 5, RIG_RNM, 20);
        return rig_command(&rig, command, data, 25);
    case NUMBER:
        return rig_number(&rig, command, 1);
    case BYTE0:
        return rig_byte(&rig, command, 0);
    case BYTE1:
        return rig_byte(&rig, command, 1);
    case TLV:
        return rig_command(&rig, command, "\xB9\x04\x01\x00\x02", 5);
    case BLOCK:
        return rig_command(&rig, command, "\0\0\x10\0", 4);
    case TAG:
        return rig_command(&rig, command, "\x18\x04", 2);
    case BYTES2:
        return rig_command(&rig, command, "\x01\x01", 2);
    case WIPE:
        return rig_byte(&rig, command, 22);
    case BEGIN12:
        return rig_command(&rig, command, "\x00\x04", 2);
    case FORMA3:
        return rig_command(&rig, command, data, rig_form_a3(data, rig.clock, 0x20, 0));
    }
    return RIG_SILENT;
}

#define ALL_OK                                                                                     \
    {                                                                                              \
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                               \
    }
/* Phase 1 has nothing to read yet. */
#define NOT_FIRST                                                                                  \
    {                                                                                              \
        2, 2, 0, 0, 0, 0, 0, 0, 0, 0                                                               \
    }

/* The exact answer of every command in every situation. */
static const struct {
    uint8_t command;
    enum input input;
    uint8_t expected[SITUATIONS]; /* ready, +draft, closed, +draft, open, +receipt, +close, +state,
                                     closing, archive */
} table[] = {
    {0x02, BYTE0, {0, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x03, FORM03, {2, 0, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x04, NONE, {2, 2, 9, 2, 2, 2, 2, 2, 2, 2}}, /* 9: not everything is confirmed */
    {0x05, FORM05, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x06, NONE, {2, 0, 2, 0, 2, 0, 0, 0, 2, 2}},
    {0x07, TLV, {2, 0x0C, 2, 0, 2, 0, 0, 0, 2, 2}}, /* 0C: 1209 was given already */
    {0x10, NONE, {2, 2, 0, 0, 0, 0, 0, 0, 2, 2}},
    {0x11, TIME, {2, 2, 0, 2, 2, 2, 2, 2, 2, 2}},
    {0x12, NONE, {2, 2, 2, 0, 2, 2, 2, 2, 2, 2}},
    {0x13, TIME, {2, 2, 2, 2, 0, 2, 2, 2, 2, 2}},
    {0x14, NONE, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}}, /* the closing has no data yet */
    {0x15, TIME, {2, 2, 2, 2, 0, 2, 2, 2, 2, 2}},
    {0x16, RECEIPT, {2, 2, 2, 2, 2, 0, 2, 2, 2, 2}},
    {0x17, TIME, {2, 2, 2, 2, 0, 2, 2, 2, 2, 2}},
    {0x18, TIME, {2, 2, 0, 2, 0, 2, 2, 2, 2, 2}},
    {0x19, NONE, {2, 2, 2, 2, 2, 2, 2, 0, 2, 2}},
    {0x20, NONE, {2, 2, 0, 0, 0, 0, 0, 0, 0, 2}},
    {0x21, BYTE1, {2, 2, 0, 0, 0, 0, 0, 0, 0, 2}},
    {0x22, NONE, {2, 2, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0, 2}},
    {0x23, BLOCK, {2, 2, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 2, 2}},
    {0x24, NONE, {2, 2, 0, 0, 0, 0, 0, 0, 0, 2}},
    {0x25, NONE, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x26, TLV, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x30, NONE, ALL_OK},
    {0x31, NONE, ALL_OK},
    {0x32, NONE, ALL_OK},
    {0x33, NONE, ALL_OK},
    {0x35, NONE, ALL_OK},
    {0x36, BYTE0, NOT_FIRST},
    {0x37, BYTE1, NOT_FIRST},
    {0x38, BYTES2, NOT_FIRST},
    {0x39, NONE, NOT_FIRST},
    {0x3A, NONE, ALL_OK},
    {0x3B, TIME, ALL_OK},
    {0x3D, NONE, ALL_OK},
    {0x3F, NONE, ALL_OK},
    {0x40, NUMBER, NOT_FIRST},
    {0x41, NUMBER, {2, 2, 8, 8, 8, 8, 8, 8, 0, 0}},
    {0x42, NONE, ALL_OK},
    {0x43, NONE, NOT_FIRST},
    {0x44, TAG, NOT_FIRST},
    {0x45, NUMBER, NOT_FIRST},
    {0x46, NONE, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0x47, NONE, {2, 2, 8, 8, 8, 8, 8, 8, 8, 8}},
    {0x60, BYTE0, {9, 9, 9, 9, 9, 9, 9, 9, 9, 9}},
    {0x60, WIPE, ALL_OK},
    {0xA2, BEGIN12, {0, 2, 2, 2, 2, 2, 2, 2, 2, 2}},
    {0xA3, FORMA3, {2, 0x0A, 2, 2, 2, 2, 2, 2, 2, 2}}, /* the draft is one of FFD 1.05 */
    {0xA7, NONE, ALL_OK},
    {0xAB, NUMBER, {9, 9, 9, 9, 9, 9, 9, 9, 9, 9}},
};

static void test_command_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (int situation = 0; situation < SITUATIONS; situation++) {
            reach((enum situation)situation);
            int code = send_input(table[i].command, table[i].input);
            if (code != table[i].expected[situation])
                fail_msg("%02X in situation %d: %02X, not %02X", table[i].command, situation,
                         (unsigned)code, table[i].expected[situation]);
            fnm_close(rig.fn);
            unlink(rig.path);
            rig_open(&rig);
        }
}

/* Not in the table: 01h, as is a known command of a wrong length, in any phase. */
static void test_unknown_and_wrong_length(void **state)
{
    (void)state;
    uint8_t data[FN_DATA_MAX] = {0};
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned code = 0; code < 256; code++) {
            bool known = false;
            for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
                known = known || table[i].command == code;
            if (!known)
                assert_int_equal(rig_command(&rig, (uint8_t)code, data, code % 7), FN_BAD_COMMAND);
            else if (code != FN_DATA && code != FN_OFD_ANSWER)
                assert_int_equal(rig_command(&rig, (uint8_t)code, data, 100), FN_BAD_COMMAND);
        }
        assert_int_equal(rig_bare(&rig, FN_DATA), FN_BAD_COMMAND);
        assert_int_equal(rig_bare(&rig, FN_OFD_ANSWER), FN_BAD_COMMAND);
        for (size_t size = 53; size < 56; size++)
            assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size),
                             FN_BAD_COMMAND);
        if (pass == 0)
            rig_register(&rig, FFD_1_2);
    }
}

static int receipt_begin(unix_s time)
{
    int code = rig_time(&rig, FN_RECEIPT_BEGIN, time);
    if (code == FN_OK)
        assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    return code;
}

static void test_dates(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_pass(&rig, 3600);
    rig_open_shift(&rig);
    static const uint8_t wrong[][5] = {
        {26, 13, 1, 0, 0}, {26, 2, 30, 0, 0}, {26, 7, 14, 24, 0},       {26, 7, 14, 0, 60},
        {0, 0, 0, 0, 0},   {15, 7, 14, 0, 0}, {255, 255, 255, 255, 255}};
    static const uint8_t begins[] = {FN_RECEIPT_BEGIN, FN_CORRECTION_BEGIN, FN_STATE_BEGIN,
                                     FN_SHIFT_CLOSE_BEGIN};
    for (size_t c = 0; c < sizeof begins; c++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            assert_int_equal(rig_command(&rig, begins[c], wrong[i], 5), FN_BAD_TIME);
        assert_int_equal(rig_time(&rig, begins[c], rig.clock - 60), FN_BAD_TIME);
    }
    assert_int_equal(rig_status(&rig).document, FN_DOCUMENT_NONE);
    assert_int_equal(receipt_begin(rig.clock), FN_OK);
    /* The receipt itself: not before it was begun. */
    rig_pass(&rig, 120);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock - 60, 1, 100), FN_BAD_TIME);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 0, 100), FN_BAD_VALUE);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 5, 100), FN_BAD_VALUE);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_OK);
    rig_close_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_SHIFT_OPEN_BEGIN, rig.clock - 60), FN_BAD_TIME);
}

static void test_five_minutes(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_pass(&rig, 3600);
    assert_int_equal(receipt_begin(rig.clock + 300), FN_OK);
    assert_int_equal(receipt_begin(rig.clock - 300), FN_OK);
    assert_int_equal(receipt_begin(rig.clock + 360), FN_TIME_GAP);
    assert_int_equal(receipt_begin(rig.clock - 360), FN_TIME_GAP);
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock + 3600), FN_TIME_GAP);
    /* The shift is not held up by it, and the timer knows nothing of other power sessions. */
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock + 3600), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    fnm_power_cycle(rig.fn);
    assert_int_equal(receipt_begin(rig.clock + 3600), FN_OK);
}

static void test_day_long_shift(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_pass(&rig, 86400 - 60);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
    rig_pass(&rig, 120);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_SHIFT_TOO_LONG);
    assert_int_equal(rig_receipt_form(&rig, rig.clock - 60, 1, 100), FN_OK);
    assert_int_equal(receipt_begin(rig.clock), FN_SHIFT_TOO_LONG);
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_SHIFT_TOO_LONG);
    rig_close_shift(&rig);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 100);
}

static void test_thirty_days(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_pass(&rig, 2 * 86400);
    rig_open_shift(&rig);
    assert_int_equal(rig_status(&rig).warnings, 0);
    rig_close_shift(&rig);
    rig_pass(&rig, 60);
    rig_open_shift(&rig);
    rig_close_shift(&rig);
    assert_int_equal(rig_status(&rig).warnings, FN_WARNING_OFD); /* two days */
    rig_pass(&rig, 28 * 86400 - 60);
    rig_open_shift(&rig); /* 30 days to the minute */
    rig_pass(&rig, 60);
    assert_int_equal(receipt_begin(rig.clock), FN_STORAGE);
    assert_true(rig.warning);
    assert_true((rig_status(&rig).warnings & FN_WARNING_OFD) != 0);
    assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_STORAGE);
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_STORAGE);
    rig_reopen(&rig);
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_STORAGE);
    assert_true(rig.warning);
    rig_deliver(&rig, 1); /* the cause goes, the block goes */
    assert_int_equal(receipt_begin(rig.clock), FN_OK);
    rig_deliver_all(&rig);
    assert_int_equal(rig_status(&rig).warnings, 0);
}

static void test_autonomous_never_waits(void **state)
{
    (void)state;
    rig_register_mode(&rig, FFD_1_2, 0x22);
    rig_pass(&rig, 40 * 86400);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 100);
    assert_int_equal(rig_status(&rig).warnings, 0);
    assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 1), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_BEGIN), FN_NO_DATA);
}

static void test_key_life(void **state)
{
    (void)state;
    uint8_t date[5];
    rig.options.key_days = 40;
    fnm_close(rig.fn);
    unlink(rig.path);
    rig_open(&rig);
    date_time_from_unix(rig.clock, date);
    assert_int_equal(rig_command(&rig, FN_DAYS_LEFT, date, 5), FN_OK);
    assert_int_equal(get_u16le(rig.answer), 40);
    rig_register_mode(&rig, FFD_1_2, 0x22);
    date_time_from_unix(rig.clock - 86400, date);
    assert_int_equal(rig_command(&rig, FN_DAYS_LEFT, date, 5), FN_BAD_TIME);
    static const struct {
        uint32_t day;
        uint8_t warnings;
    } days[] = {{10, 0}, {11, 2}, {37, 2}, {38, 3}, {40, 3}};
    uint32_t passed = 0;
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        rig_pass(&rig, (days[i].day - passed) * 86400);
        passed = days[i].day;
        date_time_from_unix(rig.clock, date);
        assert_int_equal(rig_command(&rig, FN_DAYS_LEFT, date, 5), FN_OK);
        assert_int_equal(get_u16le(rig.answer), 40 - days[i].day);
        rig_open_shift(&rig);
        rig_close_shift(&rig);
        assert_int_equal(rig_status(&rig).warnings, days[i].warnings);
    }
    rig_open_shift(&rig);
    rig_pass(&rig, 86400);
    date_time_from_unix(rig.clock, date);
    assert_int_equal(rig_command(&rig, FN_DAYS_LEFT, date, 5), FN_OK);
    assert_int_equal(get_u16le(rig.answer), 0);
    assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_RESOURCE_EXHAUSTED);
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_RESOURCE_EXHAUSTED);
}

static void test_archive_room(void **state)
{
    (void)state;
    rig.options.archive_documents = 100;
    rig_reopen(&rig);
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    for (int i = 3; i <= 98; i++)
        rig_receipt(&rig, SETTLEMENT_SALE, 1);
    assert_int_equal(rig_status(&rig).warnings, 0);
    rig_receipt(&rig, SETTLEMENT_SALE, 1);
    assert_int_equal(rig_status(&rig).warnings, FN_WARNING_MEMORY);
    assert_int_equal(rig_bare(&rig, FN_MEMORY), FN_OK);
    assert_int_equal(get_u32le(rig.answer), 1);
    rig_close_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_SHIFT_OPEN_BEGIN, rig.clock), FN_STORAGE);
}

/* A refused command changes nothing; a cancelled document leaves no trace; a lost one neither. */
static void test_nothing_is_left_behind(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock);
    rig_receipt_data(&rig, 12345);
    assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_DATA_SIZE), FN_OK);
    assert_int_equal(get_u32le(rig.answer), 0);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 1), FN_BAD_STATE); /* no data passed */
    assert_int_equal(rig_receipt_data(&rig, 12345), FN_OK);
    fnm_power_cycle(rig.fn);
    struct fn_status status = rig_status(&rig);
    assert_int_equal(status.document, FN_DOCUMENT_NONE);
    assert_int_equal(status.shift_open, 1);
    assert_int_equal(status.last_document, 2);
    assert_int_equal(rig_byte(&rig, FN_COUNTERS, 1), FN_OK);
    assert_int_equal(get_u32le(rig.answer + 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_command_table, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_and_wrong_length, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_dates, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_five_minutes, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_day_long_shift, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_thirty_days, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_autonomous_never_waits, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_key_life, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_archive_room, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_behind, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
