/* A fiscal job between its status question and its DONE: every answer of the FN that is not the
 * expected one, and what the world does meanwhile.
 */
#include "tests/unit/register_rig.h"

static void expect_next_sale_is(uint32_t document)
{
    struct outcome outcome = world_must(sale(100, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, document);
    assert_int_equal(fnm_document_count(world.fnm), document);
}

/* ---- Before the INTENT ---- */

static void test_status_refused_or_short(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_STATUS, FN_BAD_STATE, NULL, 0);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_STATE, 0);
    rig_lie(FN_STATUS, FN_OK, "abc", 3);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_REFUSED, 0);
    assert_false(world.firmware.cash_register.state.has_intent);
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* A document left open in the FN is cancelled first. */
static void test_open_document_is_cancelled(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    struct fn_status status = rig_status();
    status.document = FN_DOCUMENT_RECEIPT;
    rig_lie_status(&status);
    uint64_t cancels = fnm_counters(world.fnm)->by_code[FN_CANCEL];
    expect_next_sale_is(3);
    assert_int_equal(fnm_counters(world.fnm)->by_code[FN_CANCEL], cancels + 1);
    world_destroy(&world);
}

static void test_silent_before_the_intent(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_STATUS, FN_OK, NULL, 0)->silent = true;
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_SILENT, 0);
    assert_false(world.firmware.cash_register.state.has_intent);
    world_run(&world, 3000);
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* ---- Between INTENT and forming ---- */

/* Refused at its beginning: undone in the FN and in the journal, whether the FN says so or not. */
static void test_begin_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t answer;
        uint16_t error;
    } refusals[] = {{FN_BAD_STATE, ERROR_FN_STATE},
                    {FN_FAULT, ERROR_FN_FAULT},
                    {FN_CRYPTO_FAULT, ERROR_FN_FAULT},
                    {FN_BAD_TIME, ERROR_CLOCK},
                    {FN_TIME_GAP, ERROR_CLOCK},
                    {FN_LIFE, ERROR_FN_EXPIRED},
                    {FN_RESOURCE_EXHAUSTED, ERROR_FN_EXPIRED},
                    {FN_SHIFT_TOO_LONG, ERROR_SHIFT_EXPIRED},
                    {FN_STORAGE, ERROR_FN_FULL},
                    {FN_OFD_OVERDUE_11, ERROR_OFD_OVERDUE},
                    {FN_DATA_TOO_LONG, ERROR_TOO_LARGE},
                    {FN_TOO_MANY_ITEMS, ERROR_TOO_LARGE},
                    {FN_BAD_VALUE, ERROR_FN_REFUSED}};
    rig_ready(FFD_1_05);
    for (unsigned i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        rig_lie(FN_RECEIPT_BEGIN, refusals[i].answer, NULL, 0);
        struct outcome outcome = sale(1, SETTLEMENT_SALE, 1, 100);
        expect_refusal(outcome, refusals[i].error, 0);
        assert_int_equal(outcome.refusal.expected, refusals[i].answer);
        assert_false(world.firmware.cash_register.state.has_intent);
        assert_int_not_equal(world.firmware.fn.owner, FN_OWNER_REGISTER);
    }
    rig_lie(FN_RECEIPT_BEGIN, FN_BAD_VALUE, NULL, 0);
    rig_lie(FN_CANCEL, FN_OK, NULL, 0)->silent = true;
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_REFUSED, 0);
    assert_false(world.firmware.cash_register.state.has_intent);
    world_run(&world, 3000);
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* The FN names the tag it does not like. */
static void test_data_refused_by_tag(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_DATA, FN_TAG_IS_MINE, "\x20\x04", 2);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_REFUSED, 0x0420);
    rig_lie(FN_DATA, FN_DUPLICATE, "\x1E\x04", 2);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_REFUSED, 0x041E);
    rig_lie(FN_DATA, FN_DUPLICATE, "\x1E", 1);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_REFUSED, 0);
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* 14h with the operator's warning is 30 days without him, not a full archive. */
static void test_storage_refusal_tells_the_operator_apart(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    struct fn_status status = rig_status();
    status.warnings = FN_WARNING_OFD;
    rig_lie_status(&status);
    rig_lie(FN_RECEIPT_BEGIN, FN_STORAGE, NULL, 0);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_OFD_OVERDUE, 0);
    status.warnings = FN_WARNING_MEMORY;
    rig_lie_status(&status);
    rig_lie(FN_RECEIPT_BEGIN, FN_STORAGE, NULL, 0);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_FULL, 0);
    /* A module that was just switched on has no warning yet: the board's own count of days tells.
     * The operator's client is kept from asking the module again. */
    struct ofd_report *report = &world.firmware.ofd.report;
    static const struct {
        uint8_t queue, days_left;
        uint16_t code;
    } counts[] = {{1, 0, ERROR_OFD_OVERDUE}, {1, 1, ERROR_FN_FULL}, {0, 0, ERROR_FN_FULL}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        report->queue_count = counts[i].queue;
        report->days_left = counts[i].days_left;
        world.firmware.ofd.next_poll = UINT64_MAX;
        rig_lie_status(&status);
        rig_lie(FN_RECEIPT_BEGIN, FN_STORAGE, NULL, 0);
        expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), counts[i].code, 0);
    }
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* An answer that had to be asked for again may be the one before: the document is begun anew. */
static void test_answer_asked_for_again(void **state)
{
    (void)state;
    static const uint8_t commands[] = {FN_RECEIPT_BEGIN, FN_DATA};
    rig_ready(FFD_1_05);
    for (unsigned i = 0; i < sizeof(commands); i++) {
        struct lie *lie = rig_lie(commands[i], FN_OK, NULL, 0);
        lie->asked = lie->garbled = true;
        uint64_t begun = fnm_counters(world.fnm)->by_code[FN_RECEIPT_BEGIN];
        struct outcome outcome = world_must(sale((uint8_t)(1 + i), SETTLEMENT_SALE, 1, 100));
        assert_int_equal(outcome.result.document, 3 + i);
        assert_int_equal(fnm_counters(world.fnm)->by_code[FN_RECEIPT_BEGIN], begun + 2);
    }
    world_destroy(&world);
}

/* Silent each time after the INTENT: three attempts, then a refusal that is true. */
static void test_three_attempts(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_RECEIPT_BEGIN, FN_OK, NULL, 0)->silent = true;
    rig.lies[0].for_ever = true;
    uint64_t commands = world.firmware.fn.commands_sent;
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_FN_SILENT, 0);
    assert_false(world.firmware.cash_register.state.has_intent);
    assert_true(world.firmware.fn.commands_sent > commands + 3);
    rig_no_lies();
    expect_next_sale_is(3);
    world_destroy(&world);
}

/* ---- Forming ---- */

/* Refused while forming, and the archive agrees: refused for the FN's reason. A fault is no reason:
 * the job is tried again. */
static void test_form_refused(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_RECEIPT_FORM, FN_BAD_VALUE, NULL, 0);
    struct outcome outcome = sale(1, SETTLEMENT_SALE, 1, 100);
    expect_refusal(outcome, ERROR_FN_REFUSED, 0);
    assert_int_equal(outcome.refusal.expected, FN_BAD_VALUE);
    rig_lie(FN_RECEIPT_FORM, FN_FAULT, NULL, 0);
    outcome = world_must(sale(2, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 3);
    rig_lie(FN_RECEIPT_FORM, FN_CRYPTO_FAULT, NULL, 0);
    outcome = world_must(sale(3, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 4);
    expect_next_sale_is(5);
    world_destroy(&world);
}

/* Said to be refused, or said nonsense, but formed: the archive tells, and it is done once. */
static void test_formed_whatever_was_said(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    static const struct {
        uint8_t code;
        const char *data;
        size_t size;
    } said[] = {{FN_BAD_VALUE, NULL, 0},
                {FN_FAULT, NULL, 0},
                {FN_OK, "\1\0", 2},
                {FN_OK, "\1\0\x99\0\0\0\1\2\3\4", 10}};
    for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        rig_lie(FN_RECEIPT_FORM, said[i].code, said[i].data, said[i].size)->asked = true;
        struct outcome outcome = world_must(sale((uint8_t)(1 + i), SETTLEMENT_SALE, 1, 100));
        assert_int_equal(outcome.result.document, 3 + i);
        assert_int_equal(outcome.result.flags, LINK_RESULT_RECOVERED);
    }
    expect_next_sale_is(7);
    world_destroy(&world);
}

/* ---- A shift opened for a receipt ---- */

static size_t sale_that_opens_a_shift(void)
{
    rig_ready(FFD_1_05);
    world_must(bare_job(LINK_SHIFT_CLOSE, 1));
    world_must(byte_job(LINK_SETTINGS_SET, 2, TAG_SETTING_AUTO_OPEN_SHIFT, 1));
    world_run(&world, 3000);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 2, 1000);
    struct byte_writer writer;
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    put_text(&writer, TAG_CASHIER, "Sidorova");
    return size + writer.length;
}

static void test_shift_for_a_receipt_refused(void **state)
{
    (void)state;
    size_t size = sale_that_opens_a_shift();
    rig_lie(FN_SHIFT_OPEN_BEGIN, FN_TIME_GAP, NULL, 0);
    rig_send_job(LINK_RECEIPT, 7, body, size);
    expect_refusal(rig_wait(60000), ERROR_CLOCK, 0);
    assert_int_equal(world.message[LINK_REFUSAL_SIZE], 7); /* the receipt's key */
    assert_int_equal(fnm_document_count(world.fnm), 3);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_CLOSED);
    struct outcome outcome = world_must(world_job(&world, LINK_RECEIPT, 7, body, size));
    assert_int_equal(outcome.result.document, 5);
    world_destroy(&world);
}

/* What became of the shift is not known: the receipt's key is told so, and later it opens nothing
 * twice. */
static void test_shift_for_a_receipt_unknown(void **state)
{
    (void)state;
    size_t size = sale_that_opens_a_shift();
    rig_lie(FN_SHIFT_OPEN_FORM, FN_OK, NULL, 0)->asked = true;
    rig.lies[0].silent = true;
    rig_lie(FN_STATUS, FN_OK, NULL, 0)->silent = true;
    rig.lies[1].for_ever = true;
    rig.lies[1].after = 1;
    rig.enquiries_lost = true;
    rig_send_job(LINK_RECEIPT, 7, body, size);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    assert_int_equal(world.assembler.code, LINK_RECEIPT);
    assert_int_equal(world.message[LINK_REFUSAL_SIZE], 7);
    rig_no_lies();
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    struct outcome outcome = world_must(world_job(&world, LINK_RECEIPT, 7, body, size));
    assert_int_equal(outcome.result.document, 5);
    assert_int_equal(outcome.result.shift, 2);
    assert_int_equal(fnm_document_count(world.fnm), 5);
    world_destroy(&world);
}

/* The cover opens while the shift does: the shift is open, the receipt is refused. */
static void test_paper_ends_between_shift_and_receipt(void **state)
{
    (void)state;
    size_t size = sale_that_opens_a_shift();
    rig_send_job(LINK_RECEIPT, 7, body, size);
    RIG_UNTIL(world.firmware.fn.command == FN_SHIFT_OPEN_BEGIN);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 2500);
    print_head_set_cover(world.head, true);
    expect_refusal(rig_wait(60000), ERROR_COVER_OPEN, 0);
    assert_int_equal(world.message[LINK_REFUSAL_SIZE], 7);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    assert_int_equal(fnm_document_count(world.fnm), 4);
    world_destroy(&world);
}

/* The cover opens while a receipt is formed: it is done, and the answer says that its paper
 * waits. */
static void test_paper_ends_while_forming(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    world_run(&world, 3000);
    rig_send_sale(7);
    RIG_UNTIL(world.firmware.fn.command == FN_RECEIPT_BEGIN);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 2500);
    print_head_set_cover(world.head, true);
    struct outcome outcome = world_must(rig_wait(60000));
    assert_int_equal(outcome.result.flags, LINK_RESULT_NOT_PRINTED);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 0);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 1);
    assert_int_equal(world_status(&world, TAG_PRINT_STATE), PRINT_WAITING);
    print_head_set_cover(world.head, false);
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    world_destroy(&world);
}

/* ---- What is registered, and what is not ---- */

static void test_registered_without_a_tax_site(void **state)
{
    (void)state;
    static uint8_t document[4096];
    struct tlv tlv;
    uint8_t list[1024];
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    size_t size = world_registration(list, sizeof(list), FFD_1_2);
    size = changed(body, sizeof(body), list, size, TAG_FNS_SITE, NULL, 0);
    world_must(world_job(&world, LINK_REGISTRATION, 1, body, size));
    size = world_cashier(body, sizeof(body));
    world_must(world_job(&world, LINK_SHIFT_OPEN, 2, body, size));
    struct outcome outcome = world_must(sale(3, SETTLEMENT_SALE, 1, 100));
    size = fnm_document_read(world.fnm, outcome.result.document, document, sizeof(document));
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_FNS_SITE, &tlv), 0);
    assert_int_equal(tlv_find(document + 4, size - 4, TAG_SETTLEMENT_ADDRESS, &tlv), 1);
    world_destroy(&world);
}

/* ---- The host is slow, the paper is slow, the operator confirms ---- */

/* Nothing moves while the last answer is on its way, and nothing is lost either. */
static void test_slow_host(void **state)
{
    (void)state;
    uint8_t question[16];
    struct byte_writer writer;
    rig_ready(FFD_1_2);
    world_must(sale(1, SETTLEMENT_SALE, 60, 100));
    world_run(&world, 5000);
    byte_writer_init(&writer, question, sizeof(question));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 3);
    rig.host_takes = 1;
    const uint8_t *answer;
    size_t size = world_query(&world, LINK_DOCUMENT, question, writer.length, &answer);
    struct tlv tlv;
    assert_int_equal(tlv_find(answer, size, TAG_DOCUMENT_BODY, &tlv), 1);
    assert_true(tlv_valid(tlv.value, tlv.length));
    /* Asked again, and meanwhile a job: it is done when the answer is out. */
    world_send(&world, LINK_DOCUMENT, question, writer.length);
    RIG_UNTIL(!link_server_can_answer(&world.firmware.link));
    rig_send_sale(2);
    struct outcome outcome = world_must(rig_wait(60000));
    assert_int_equal(outcome.result.document, 4);
    world_destroy(&world);
}

/* A head that prints five lines a second: the board takes jobs as long as it can owe their slips,
 * lets further ones wait, and in the end everything is done and on paper. */
static void slow_paper(void)
{
    struct print_head_options slow = {.columns = 48, .lines_per_second = 5};
    rig_create(false);
    print_head_close(world.head);
    world.head = print_head_open(&slow);
    assert_non_null(world.head);
    world_ready(&world, FFD_1_05);
}

static void test_paper_is_behind(void **state)
{
    (void)state;
    struct print_head_counters paper;
    slow_paper();
    uint8_t most = 0;
    for (uint8_t key = 1; key <= 20; key++) {
        rig_send_sale(key);
        struct outcome outcome = world_must(rig_wait(600000));
        assert_int_equal(outcome.result.document, 2 + key);
        assert_int_equal(outcome.result.flags, 0);
        uint8_t owed = world.firmware.cash_register.state.owed_count;
        most = owed > most ? owed : most;
    }
    assert_true(most >= OWED_SLIPS_MAX - 2 && most < OWED_SLIPS_MAX);
    world_run(&world, 600000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    print_head_counters(world.head, &paper);
    assert_int_equal(paper.slips, 22);
    assert_int_equal(paper.torn, 0);
    world_destroy(&world);
}

/* And when the paper then ends, a waiting job is not left to wait for a person: it is refused. */
static void test_paper_is_behind_and_ends(void **state)
{
    (void)state;
    slow_paper();
    uint8_t key = 1;
    while (world.firmware.cash_register.state.owed_count + 2u <= OWED_SLIPS_MAX) {
        rig_send_sale(key++);
        world_must(rig_wait(600000));
    }
    rig_send_sale(99);
    assert_false(rig_wait(1000).answered);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_OUT);
    expect_refusal(rig_wait(10000), ERROR_PAPER_OUT, 0);
    assert_int_equal(fnm_document_count(world.fnm), 2u + key - 1u);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    world_run(&world, 600000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    world_destroy(&world);
}

static void test_confirmations_are_told(void **state)
{
    (void)state;
    struct byte_writer writer;
    rig_ready(FFD_1_05);
    rig.net_up = true;
    byte_writer_init(&writer, body, sizeof(body));
    put_text(&writer, TAG_SETTING_OFD_HOST, "ofd.example");
    tlv_put_u16(&writer, TAG_SETTING_OFD_PORT, 7777);
    world_must(world_job(&world, LINK_SETTINGS_SET, 1, body, writer.length));
    world_must(sale(2, SETTLEMENT_SALE, 1, 100));
    world_run(&world, 30000);
    (void)world_receive(&world);
    assert_int_equal(rig.confirmed, 3);
    assert_int_equal(fnm_unconfirmed_count(world.fnm), 0);
    assert_int_equal(world_status(&world, TAG_OFD_QUEUE_COUNT), 0);
    assert_int_equal(world.confirmed_events, 3);
    /* Read back, the receipt comes with the operator's ticket. */
    const uint8_t *answer;
    struct tlv tlv;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 3);
    size_t size = world_query(&world, LINK_DOCUMENT, body, writer.length, &answer);
    assert_int_equal(tlv_find(answer, size, TAG_DOCUMENT_TICKET, &tlv), 1);
    assert_true(tlv.length > 0);
    world_destroy(&world);
}

/* Number 5 of the simulated world's finds: a slow FN answered in the next minute, and the result,
 * with it the QR code on paper, told another time than the document has. */
static void test_time_of_a_slow_document(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 2500);
    unsigned later = 0;
    for (uint8_t key = 1; key < 100 && later == 0; key++) {
        struct outcome outcome = world_must(sale(key, SETTLEMENT_SALE, 1, 100));
        struct fnm_document document;
        assert_true(fnm_document_get(world.fnm, outcome.result.document, &document));
        assert_int_equal(outcome.result.time, document.time - document.time % 60);
        later += world_calendar(&world) / 60 != document.time / 60;
        world_run(&world, 300);
    }
    assert_int_not_equal(later, 0);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_refused_or_short),
        cmocka_unit_test(test_open_document_is_cancelled),
        cmocka_unit_test(test_silent_before_the_intent),
        cmocka_unit_test(test_begin_refused),
        cmocka_unit_test(test_data_refused_by_tag),
        cmocka_unit_test(test_storage_refusal_tells_the_operator_apart),
        cmocka_unit_test(test_answer_asked_for_again),
        cmocka_unit_test(test_three_attempts),
        cmocka_unit_test(test_form_refused),
        cmocka_unit_test(test_formed_whatever_was_said),
        cmocka_unit_test(test_shift_for_a_receipt_refused),
        cmocka_unit_test(test_shift_for_a_receipt_unknown),
        cmocka_unit_test(test_paper_ends_between_shift_and_receipt),
        cmocka_unit_test(test_paper_ends_while_forming),
        cmocka_unit_test(test_registered_without_a_tax_site),
        cmocka_unit_test(test_slow_host),
        cmocka_unit_test(test_paper_is_behind),
        cmocka_unit_test(test_paper_is_behind_and_ends),
        cmocka_unit_test(test_confirmations_are_told),
        cmocka_unit_test(test_time_of_a_slow_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
