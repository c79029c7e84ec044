/* Every check of every job: what is refused is refused by name before a byte is durable, and the
 * same key does the job once its fault is mended.
 */
#include "proto/calendar.h"
#include "tests/unit/register_rig.h"

/* ---- Reports and shifts ---- */

static void test_reports_are_checked(void **state)
{
    (void)state;
    static const uint8_t reports[] = {LINK_SHIFT_CLOSE, LINK_STATE_REPORT, LINK_X_REPORT};
    rig_ready(FFD_1_05);
    for (unsigned i = 0; i < sizeof(reports); i++) {
        expect_refusal(tag_job(reports[i], 1, TAG_USER_NAME, "x", 1), ERROR_FIELD_NOT_ALLOWED,
                       TAG_USER_NAME);
        expect_refusal(tag_job(reports[i], 1, TAG_CASHIER_INN, "7702203277  ", 12), ERROR_INN,
                       TAG_CASHIER_INN);
        expect_refusal(tag_job(reports[i], 1, 61000, "x", 1), ERROR_FIELD_UNKNOWN, 61000);
    }
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_OUT);
    world_run(&world, 2000);
    for (unsigned i = 0; i < sizeof(reports); i++)
        expect_refusal(bare_job(reports[i], 1), ERROR_PAPER_OUT, 0);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    world_run(&world, 2000);
    expect_untouched(2, 0);
    /* Nothing printed: allowed for all of them. */
    struct outcome outcome = world_must(byte_job(LINK_X_REPORT, 2, TAG_ELECTRONICALLY, 1));
    assert_int_equal(outcome.result.flags & LINK_RESULT_NO_PAPER, LINK_RESULT_NO_PAPER);
    outcome = world_must(byte_job(LINK_STATE_REPORT, 3, TAG_ELECTRONICALLY, 1));
    assert_int_equal(outcome.result.document, 3);
    assert_int_equal(outcome.result.shift, 1);
    world_must(tag_job(LINK_SHIFT_CLOSE, 4, TAG_CASHIER_INN, "7702203276  ", 12));
    expect_refusal(bare_job(LINK_SHIFT_CLOSE, 5), ERROR_SHIFT_CLOSED, TAG_SHIFT_NUMBER);
    outcome = world_must(bare_job(LINK_STATE_REPORT, 6));
    assert_int_equal(outcome.result.shift, 0);
    world_destroy(&world);
}

/* A shift without a cashier's name would have documents without one. */
static void test_shift_needs_a_cashier_with_a_name(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    uint8_t name[] = "Petrova A.";
    expect_refusal(tag_job(LINK_SHIFT_OPEN, 1, TAG_CASHIER, name, sizeof(name) - 1),
                   ERROR_SHIFT_OPEN, TAG_SHIFT_NUMBER);
    world.mono += 25ull * 3600 * 1000;
    expect_refusal(tag_job(LINK_SHIFT_OPEN, 1, TAG_CASHIER, name, sizeof(name) - 1),
                   ERROR_SHIFT_EXPIRED, TAG_SHIFT_NUMBER);
    world_must(bare_job(LINK_SHIFT_CLOSE, 2));
    expect_refusal(bare_job(LINK_SHIFT_OPEN, 3), ERROR_CASHIER_MISSING, TAG_CASHIER);
    expect_refusal(tag_job(LINK_SHIFT_OPEN, 3, TAG_CASHIER, "", 0), ERROR_CASHIER_MISSING,
                   TAG_CASHIER);
    expect_refusal(tag_job(LINK_SHIFT_OPEN, 3, TAG_CASHIER, "   ", 3), ERROR_CASHIER_MISSING,
                   TAG_CASHIER);
    expect_refusal(tag_job(LINK_SHIFT_OPEN, 3, 61000, "x", 1), ERROR_FIELD_UNKNOWN, 61000);
    expect_untouched(3, 0);
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    put_text(&writer, TAG_CASHIER, "Petrova A.");
    tlv_put_padded(&writer, TAG_CASHIER_INN, "7702203276", 10, 12);
    world_must(world_job(&world, LINK_SHIFT_OPEN, 3, body, writer.length));
    /* Both are known from now on: a receipt that says nothing carries them. */
    struct outcome outcome = world_must(sale(4, SETTLEMENT_SALE, 1, 100));
    static uint8_t document[4096];
    struct tlv tlv;
    size_t size = fnm_document_read(world.fnm, outcome.result.document, document, sizeof(document));
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_CASHIER, &tlv), 1);
    assert_memory_equal(tlv.value, "Petrova A.", 10);
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_CASHIER_INN, &tlv), 1);
    assert_memory_equal(tlv.value, "7702203276  ", 12);
    /* A receipt that names its own INN keeps it. */
    size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 100);
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    tlv_put_padded(&writer, TAG_CASHIER_INN, "7704358518", 10, 12);
    outcome = world_must(world_job(&world, LINK_RECEIPT, 5, body, size + writer.length));
    size = fnm_document_read(world.fnm, outcome.result.document, document, sizeof(document));
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_CASHIER_INN, &tlv), 1);
    assert_memory_equal(tlv.value, "7704358518  ", 12);
    world_destroy(&world);
}

/* A clock behind the shift's opening is no reason to call the shift expired. */
static void test_clock_behind_the_shift(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    world.clock_offset = -120;
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    /* 24 hours exactly are allowed, a second more is not. */
    world.mono += 1000 - world.mono % 1000;
    world.clock_offset = 0;
    int64_t age = (int64_t)world_calendar(&world) -
                  (int64_t)world.firmware.cash_register.state.shift_opened_at;
    world.clock_offset = 86400 - age;
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    world.clock_offset++;
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_EXPIRED);
    world.clock_offset = 25 * 3600;
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_EXPIRED);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_SHIFT_EXPIRED);
    expect_refusal(byte_job(LINK_CASH_IN, 1, TAG_CASH_SUM, 100), ERROR_SHIFT_EXPIRED,
                   TAG_SHIFT_NUMBER);
    world_destroy(&world);
}

/* ---- Receipts ---- */

static void test_receipt_takes_what_it_does_not_say_from_the_register(void **state)
{
    (void)state;
    static uint8_t list[4096], document[4096];
    struct tlv tlv;
    uint64_t value = 0;
    rig_ready(FFD_1_2);
    /* No tax system: the only registered one. A stated total. A buyer's address brings the
     * sender's. Electronically: no paper. */
    size_t size = world_receipt(list, sizeof(list), SETTLEMENT_SALE, 1, 5000);
    size = changed(body, sizeof(body), list, size, TAG_TAX_SYSTEM, NULL, 0);
    struct byte_writer writer;
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    put_text(&writer, TAG_BUYER_CONTACT, "buyer@example.com");
    put_text(&writer, TAG_FNS_SITE, "www.nalog.gov.ru");
    tlv_put_vln(&writer, TAG_RECEIPT_TOTAL, 5000);
    tlv_put_u8(&writer, TAG_ELECTRONICALLY, 1);
    struct outcome outcome =
        world_must(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length));
    assert_int_equal(outcome.result.flags & LINK_RESULT_NO_PAPER, LINK_RESULT_NO_PAPER);
    size = fnm_document_read(world.fnm, outcome.result.document, document, sizeof(document));
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_TAX_SYSTEM, &tlv), 1);
    assert_int_equal(tlv.value[0], 1);
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_SENDER_EMAIL, &tlv), 1);
    assert_true(tlv_find_vln(document + 4, size - 4, TAG_RECEIPT_TOTAL, &value));
    assert_int_equal(value, 5000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    world_destroy(&world);
}

static void test_receipt_pays_out_only_what_is_there(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 5000));
    expect_refusal(sale(2, SETTLEMENT_PURCHASE, 1, 5001), ERROR_CASH_SHORT, TAG_PAID_CASH);
    world_must(sale(2, SETTLEMENT_PURCHASE, 1, 3000));
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 2000);
    world_must(sale(3, SETTLEMENT_PURCHASE_RETURN, 1, 500));
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 2500);
    world_destroy(&world);
}

/* Only cash opens the drawer, and only when the setting says so. */
static void test_drawer_opens_for_cash_only(void **state)
{
    (void)state;
    static uint8_t list[4096];
    rig_ready(FFD_1_05);
    size_t size = world_receipt(list, sizeof(list), SETTLEMENT_SALE, 1, 5000);
    size = changed(body, sizeof(body), list, size, TAG_PAID_CASH, NULL, 0);
    struct byte_writer writer;
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    tlv_put_vln(&writer, TAG_PAID_ELECTRONIC, 5000);
    world_must(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length));
    assert_int_equal(world.pulses, 0);
    world_must(sale(2, SETTLEMENT_SALE, 1, 5000));
    assert_int_equal(world.pulses, 1);
    world_must(byte_job(LINK_SETTINGS_SET, 3, TAG_SETTING_DRAWER_ON_CASH, 0));
    world_must(sale(4, SETTLEMENT_SALE, 1, 5000));
    assert_int_equal(world.pulses, 1);
    world_destroy(&world);
}

/* With what the register adds the document is larger than the FN takes. */
static void test_receipt_too_large_with_what_is_added(void **state)
{
    (void)state;
    rig_ready(FFD_1_2);
    unsigned items = 300;
    while (world_receipt(body, sizeof(body), SETTLEMENT_SALE, items + 1, 100) <
           RECEIPT_TLV_MAX - 100)
        items++;
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, items, 100);
    struct byte_writer writer;
    char text[65] = {0};
    memset(text, 'x', 64);
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    size_t left = RECEIPT_TLV_MAX - 65 - size;
    if (left > 60)
        left = 60;
    text[left - 5] = '@';
    text[left] = '\0';
    put_text(&writer, TAG_BUYER_CONTACT, text);
    expect_refusal(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length), ERROR_TOO_LARGE,
                   0);
    expect_untouched(2, 0);
    world_destroy(&world);
}

/* A clock outside what a document can hold. */
static void test_clock_no_document_can_hold(void **state)
{
    (void)state;
    uint8_t bytes[DATE_TIME_SIZE];
    rig_ready(FFD_1_05);
    world.clock_offset = 946684800 - 86400 - (int64_t)WORLD_START;
    assert_false(date_time_from_unix(world_calendar(&world), bytes));
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_CLOCK, 0);
    world.clock_offset = 0;
    world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(fnm_document_count(world.fnm), 3);
    world_destroy(&world);
}

static void test_a_shift_opened_for_a_receipt(void **state)
{
    (void)state;
    static uint8_t document[4096];
    struct tlv tlv;
    rig_ready(FFD_1_05);
    world_must(bare_job(LINK_SHIFT_CLOSE, 1));
    world_must(byte_job(LINK_SETTINGS_SET, 2, TAG_SETTING_AUTO_OPEN_SHIFT, 1));
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 100);
    struct byte_writer writer;
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    put_text(&writer, TAG_CASHIER, "Sidorova");
    tlv_put_padded(&writer, TAG_CASHIER_INN, "7702203276", 10, 12);
    size_t whole = size + writer.length;
    /* The shift opens, the receipt behind it does not fit the drawer's cash: refused, the shift
     * stays. */
    body[4] = SETTLEMENT_SALE_RETURN;
    expect_refusal(world_job(&world, LINK_RECEIPT, 3, body, whole), ERROR_CASH_SHORT,
                   TAG_PAID_CASH);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_CLOSED);
    body[4] = SETTLEMENT_SALE;
    struct outcome outcome = world_must(world_job(&world, LINK_RECEIPT, 3, body, whole));
    assert_int_equal(outcome.result.flags & LINK_RESULT_SHIFT_OPENED, LINK_RESULT_SHIFT_OPENED);
    assert_int_equal(outcome.result.shift, 2);
    /* The shift's own document names the cashier with the INN and nothing of the receipt. */
    size = fnm_document_read(world.fnm, outcome.result.document - 1, document, sizeof(document));
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_CASHIER_INN, &tlv), 1);
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_ITEM, &tlv), 0);
    world_destroy(&world);
}

/* ---- Cash, time, settings, copies, text ---- */

static void test_cash_jobs_are_checked(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    expect_refusal(bare_job(LINK_CASH_IN, 1), ERROR_FIELD_MISSING, TAG_CASH_SUM);
    expect_refusal(tag_job(LINK_CASH_IN, 1, TAG_CASH_SUM, "", 0), ERROR_FIELD_LENGTH, TAG_CASH_SUM);
    expect_refusal(byte_job(LINK_CASH_IN, 1, TAG_CASH_SUM, 0), ERROR_FIELD_VALUE, TAG_CASH_SUM);
    expect_refusal(tag_job(LINK_CASH_IN, 1, TAG_CASH_SUM, "\0\0\0\0\0\1", 6), ERROR_FIELD_VALUE,
                   TAG_CASH_SUM);
    world_must(byte_job(LINK_CASH_IN, 1, TAG_CASH_SUM, 100));
    expect_refusal(byte_job(LINK_CASH_OUT, 2, TAG_CASH_SUM, 101), ERROR_CASH_SHORT, TAG_CASH_SUM);
    expect_untouched(2, 100);
    world_must(byte_job(LINK_CASH_OUT, 2, TAG_CASH_SUM, 40));
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 60);
    world_must(bare_job(LINK_SHIFT_CLOSE, 3));
    expect_refusal(byte_job(LINK_CASH_IN, 4, TAG_CASH_SUM, 100), ERROR_SHIFT_CLOSED,
                   TAG_SHIFT_NUMBER);
    world_destroy(&world);
}

static struct outcome set_time(uint8_t key, uint32_t time)
{
    uint8_t value[4] = {(uint8_t)time, (uint8_t)(time >> 8), (uint8_t)(time >> 16),
                        (uint8_t)(time >> 24)};
    return tag_job(LINK_SET_TIME, key, TAG_NEW_TIME, value, sizeof(value));
}

static void test_time_is_set(void **state)
{
    (void)state;
    rig_create(false);
    world.clock_unset = true;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_int_equal(world_status(&world, TAG_BOARD_TIME), 0);
    expect_refusal(bare_job(LINK_SET_TIME, 1), ERROR_FIELD_MISSING, TAG_NEW_TIME);
    expect_refusal(tag_job(LINK_SET_TIME, 1, TAG_NEW_TIME, "xyz", 3), ERROR_FIELD_MISSING,
                   TAG_NEW_TIME);
    rig.clock_fails = true;
    expect_refusal(set_time(1, WORLD_START), ERROR_CLOCK, 0);
    rig.clock_fails = false;
    /* An FN without documents knows no time to compare with. */
    struct outcome outcome = world_must(set_time(1, WORLD_START + 7));
    assert_int_equal(outcome.result.time, WORLD_START + 7);
    uint8_t list[1024];
    size_t size = world_registration(list, sizeof(list), FFD_1_05);
    world_must(world_job(&world, LINK_REGISTRATION, 2, list, size));
    world_run(&world, 2000);
    /* Never before the FN's last document. */
    expect_refusal(set_time(3, WORLD_START - 3600), ERROR_CLOCK, TAG_NEW_TIME);
    /* An FN that says it has none has no time to compare with. */
    struct fn_status none = rig_status();
    none.last_document = 0;
    rig_lie_status(&none);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    world_must(set_time(6, WORLD_START - 3600));
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    world_must(set_time(3, WORLD_START + 60));
    assert_in_range(world_status(&world, TAG_BOARD_TIME), WORLD_START + 60, WORLD_START + 62);
    /* An FN that is silent, or whose last date is none, does not forbid it. */
    struct fn_status status = rig_status();
    memset(status.time, 0xFF, sizeof(status.time));
    rig_lie_status(&status);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    world_must(set_time(4, WORLD_START - 3600));
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 10000);
    world_must(set_time(5, WORLD_START - 7200));
    world_destroy(&world);
}

static void test_settings_are_checked(void **state)
{
    (void)state;
    static const uint8_t good[] = {32, 42, 48};
    rig_ready(FFD_1_05);
    expect_refusal(byte_job(LINK_SETTINGS_SET, 1, TAG_TAX_SYSTEMS, 2), ERROR_FIELD_NOT_ALLOWED,
                   TAG_TAX_SYSTEMS);
    expect_refusal(byte_job(LINK_SETTINGS_SET, 1, TAG_SETTING_COLUMNS, 40), ERROR_FIELD_VALUE,
                   TAG_SETTING_COLUMNS);
    expect_refusal(tag_job(LINK_SETTINGS_SET, 1, TAG_SETTING_FOOTER + 1, "", 0),
                   ERROR_FIELD_UNKNOWN, TAG_SETTING_FOOTER + 1);
    expect_refusal(byte_job(LINK_SETTINGS_SET, 1, TAG_ELECTRONICALLY, 1), ERROR_FIELD_NOT_ALLOWED,
                   TAG_ELECTRONICALLY);
    for (unsigned i = 0; i < sizeof(good); i++) {
        world_must(byte_job(LINK_SETTINGS_SET, (uint8_t)(1 + i), TAG_SETTING_COLUMNS, good[i]));
        world_run(&world, 100);
        assert_int_equal(world.firmware.printer.columns, good[i]);
    }
    /* Set, read, and taken back by an empty value. */
    const uint8_t *answer;
    struct tlv tlv;
    world_must(tag_job(LINK_SETTINGS_SET, 10, TAG_SETTING_HEADER, "GOOD DAY", 8));
    size_t size = world_query(&world, LINK_SETTINGS, NULL, 0, &answer);
    assert_int_equal(tlv_find(answer, size, TAG_SETTING_HEADER, &tlv), 1);
    assert_memory_equal(tlv.value, "GOOD DAY", 8);
    assert_int_equal(tlv_find(answer, size, TAG_USER_INN, &tlv), 0);
    world_must(tag_job(LINK_SETTINGS_SET, 11, TAG_SETTING_HEADER, "", 0));
    size = world_query(&world, LINK_SETTINGS, NULL, 0, &answer);
    assert_int_equal(tlv_find(answer, size, TAG_SETTING_HEADER, &tlv), 0);
    world_destroy(&world);
}

static void test_copies_are_checked(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    /* No receipt yet, so there is no last one. */
    expect_refusal(bare_job(LINK_COPY, 1), ERROR_NOT_FOUND, TAG_COPY_OF);
    expect_refusal(tag_job(LINK_COPY, 1, TAG_COPY_OF, "\3\0\0\0", 4), ERROR_NOT_FOUND, TAG_COPY_OF);
    expect_refusal(tag_job(LINK_COPY, 1, TAG_COPY_OF, "\1", 1), ERROR_FIELD_LENGTH, TAG_COPY_OF);
    struct outcome outcome = world_must(tag_job(LINK_COPY, 1, TAG_COPY_OF, "\2\0\0\0", 4));
    assert_int_equal(outcome.result.document, 2);
    assert_int_equal(fnm_document_count(world.fnm), 2);
    world_destroy(&world);
}

static void test_text_is_checked(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    expect_refusal(tag_job(LINK_NON_FISCAL, 1, 61000, "x", 1), ERROR_FIELD_UNKNOWN, 61000);
    static uint8_t large[4000];
    struct byte_writer writer;
    byte_writer_init(&writer, large, sizeof(large));
    for (unsigned i = 0; i < 12; i++) {
        size_t mark = tlv_begin(&writer, TAG_SLIP_TEXT);
        tlv_put_u8(&writer, TAG_SLIP_STYLE, 0);
        uint8_t text[250];
        memset(text, 'A' + (int)i, sizeof(text));
        tlv_put_bytes(&writer, TAG_SLIP_STRING, text, sizeof(text));
        tlv_end(&writer, mark);
    }
    assert_true(writer.length > LIMIT_SLIP_BODY_BYTES);
    expect_refusal(world_job(&world, LINK_NON_FISCAL, 1, large, writer.length), ERROR_TOO_LARGE, 0);
    expect_untouched(2, 0);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_OUT);
    world_run(&world, 2000);
    expect_refusal(bare_job(LINK_NON_FISCAL, 1), ERROR_PAPER_OUT, 0);
    world_destroy(&world);
}

/* ---- What every job meets ---- */

static void test_fn_that_is_silent_from_the_start(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 10000);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_SILENT, 0);
    expect_refusal(tag_job(LINK_COPY, 2, TAG_COPY_OF, "\2\0\0\0", 4), ERROR_FN_SILENT, 0);
    world_must(byte_job(LINK_CASH_IN, 3, TAG_CASH_SUM, 100)); /* needs no FN */
    fnm_fault(world.fnm, FNM_FAULT_OFF, 0);
    world_run(&world, 10000);
    struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 3);
    world_destroy(&world);
}

/* Flash that cannot be used: only identity and status are answered, and jobs say why not. */
static void test_flash_that_cannot_be_used(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig.reads_fail = true;
    assert_int_equal(world_power_on(&world), ERROR_JOURNAL_FAULT);
    world_run(&world, 3000);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_JOURNAL_FAULT, 0);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_JOURNAL_FAULT);
    uint8_t key[KEY_SIZE] = {1};
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_JOURNAL_FAULT);
    rig.reads_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 3);
    world_destroy(&world);
}

static void test_what_is_no_job_at_all(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    expect_query_refusal(LINK_RECEIPT, body, LINK_JOB_HEADER_SIZE - 1, ERROR_REQUEST_MALFORMED);
    expect_refusal(world_job(&world, LINK_RECEIPT, 1, (const uint8_t *)"\1\2\3", 3),
                   ERROR_REQUEST_MALFORMED, 0);
    expect_query_refusal(LINK_JOB_LAST + 1, NULL, 0, ERROR_REQUEST_UNKNOWN);
    expect_untouched(2, 0);
    world_destroy(&world);
}

static void test_fn_that_is_not_ours(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    /* Swapped while running: its last document is not the journal's. */
    struct fn_status status = rig_status();
    status.last_document += 5;
    rig_lie_status(&status);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_FOREIGN, TAG_DOCUMENT_NUMBER);
    /* Its life as a register is over. */
    status = rig_status();
    status.last_document -= 5;
    status.phase = FN_PHASE_CLOSING;
    rig_lie_status(&status);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_STATE, TAG_FN_PHASE);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_STATE);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_NOT_REGISTERED, 0);
    expect_untouched(2, 0);
    /* At start the same: nothing is punched with it, nothing is sent to an operator. */
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    status = rig_status();
    status.last_document += 1;
    rig_lie_status(&status);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_FOREIGN, TAG_FN_NUMBER);
    expect_refusal(tag_job(LINK_COPY, 2, TAG_COPY_OF, "\2\0\0\0", 4), ERROR_FN_FOREIGN,
                   TAG_FN_NUMBER);
    assert_false(world.firmware.ofd_settings.enabled);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports_are_checked),
        cmocka_unit_test(test_shift_needs_a_cashier_with_a_name),
        cmocka_unit_test(test_clock_behind_the_shift),
        cmocka_unit_test(test_receipt_takes_what_it_does_not_say_from_the_register),
        cmocka_unit_test(test_receipt_pays_out_only_what_is_there),
        cmocka_unit_test(test_drawer_opens_for_cash_only),
        cmocka_unit_test(test_receipt_too_large_with_what_is_added),
        cmocka_unit_test(test_clock_no_document_can_hold),
        cmocka_unit_test(test_a_shift_opened_for_a_receipt),
        cmocka_unit_test(test_cash_jobs_are_checked),
        cmocka_unit_test(test_time_is_set),
        cmocka_unit_test(test_settings_are_checked),
        cmocka_unit_test(test_copies_are_checked),
        cmocka_unit_test(test_text_is_checked),
        cmocka_unit_test(test_what_is_no_job_at_all),
        cmocka_unit_test(test_fn_that_is_silent_from_the_start),
        cmocka_unit_test(test_flash_that_cannot_be_used),
        cmocka_unit_test(test_fn_that_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
