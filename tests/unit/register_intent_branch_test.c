/* An open INTENT, and flash that fails: until the FN's archive has told what became of a job, no
 * answer may say that it did not happen, and no other job may end it.
 */
#include "tests/unit/register_rig.h"

/* The sale of key 7 was formed, its answer lost, and the FN is not to be asked. The host was told
 * OUTCOME_UNKNOWN. */
static void unknown_sale(void)
{
    rig_ready(FFD_1_05);
    world_must(byte_job(LINK_CASH_IN, 1, TAG_CASH_SUM, 100));
    rig_lie(FN_RECEIPT_FORM, FN_OK, NULL, 0)->asked = true;
    rig.lies[0].silent = true;
    rig.enquiries_lost = true;
    rig_lie(FN_STATUS, FN_OK, NULL, 0)->silent = true;
    rig.lies[1].for_ever = true;
    rig.lies[1].after = 1; /* the status that begins the sale is true */
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    assert_true(rig_refusal_names_key());
    assert_int_equal(fnm_document_count(world.fnm), 3);
    assert_true(world.firmware.cash_register.state.has_intent);
}

static void expect_sale_done(uint8_t key, uint32_t document)
{
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 2, 1000);
    struct outcome outcome = world_must(world_job(&world, LINK_RECEIPT, key, body, size));
    assert_int_equal(outcome.result.document, document);
    assert_int_equal(outcome.result.total_kop, 2000);
    assert_int_equal(fnm_document_count(world.fnm), document);
}

static void test_unknown_until_the_fn_tells(void **state)
{
    (void)state;
    unknown_sale();
    /* The key again: still unknown; with other content it is a conflict. */
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    expect_refusal(sale(7, SETTLEMENT_SALE, 1, 1), ERROR_KEY_CONFLICT, 0);
    uint8_t key[KEY_SIZE];
    memset(key, 7, sizeof(key));
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_OUTCOME_UNKNOWN);
    rig_no_lies();
    world_run(&world, 5000);
    expect_sale_done(7, 3);
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 2100);
    world_destroy(&world);
}

/* A job that needs no FN would end the open INTENT with its own DONE: the sale would be forgotten
 * and the FN taken for a foreign one. */
static void test_no_other_job_while_an_outcome_is_open(void **state)
{
    (void)state;
    static const uint8_t codes[] = {LINK_DRAWER_OPEN, LINK_X_REPORT, LINK_NON_FISCAL};
    unknown_sale();
    expect_refusal(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50), ERROR_FN_SILENT, 0);
    expect_refusal(byte_job(LINK_SETTINGS_SET, 2, TAG_SETTING_COLUMNS, 32), ERROR_FN_SILENT, 0);
    for (unsigned i = 0; i < sizeof(codes); i++)
        expect_refusal(bare_job(codes[i], 3), ERROR_FN_SILENT, 0);
    assert_int_equal(world.pulses, 1); /* the cash in */
    assert_true(world.firmware.cash_register.state.has_intent);
    rig_no_lies();
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_NONE);
    expect_sale_done(7, 3);
    world_must(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50));
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 2150);
    world_destroy(&world);
}

/* The FN that answers next is another one: what became of the sale only the first one knows. */
static void test_foreign_fn_does_not_end_a_job(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    struct fn_status status = rig_status();
    status.last_document = 40;
    rig_lie_status(&status)->after = 1;
    rig_lie(FN_RECEIPT_FORM, FN_OK, NULL, 0)->asked = true;
    rig.lies[1].silent = true;
    rig.enquiries_lost = true;
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
    expect_refusal(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50), ERROR_FN_FOREIGN, 0);
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    /* The first one is back. */
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    expect_sale_done(7, 3);
    world_must(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50));
    world_destroy(&world);
}

/* A key that cannot be looked up may be one that was done: the answer speaks of the board, and the
 * driver keeps the job. */
static void test_key_that_cannot_be_looked_up(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_send_sale(7);
    world_must(rig_wait(60000));
    rig.reads_fail = true;
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_JOURNAL_FAULT, 0);
    assert_false(rig_refusal_names_key());
    uint8_t key[KEY_SIZE];
    memset(key, 7, sizeof(key));
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_JOURNAL_FAULT);
    rig.reads_fail = false;
    expect_sale_done(7, 3);
    world_destroy(&world);
}

/* Flash dies between INTENT and DONE: unknown, and the board stops. Asked again it tells nothing
 * about any job; started again with flash that works it finds the document. */
static void test_done_that_cannot_be_written(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig.programs_fail_at = FN_RECEIPT_FORM;
    rig_send_sale(7);
    expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
    assert_int_equal(fnm_document_count(world.fnm), 3);
    rig_send_sale(7);
    struct outcome outcome = rig_wait(60000);
    assert_true(outcome.answered);
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_false(rig_refusal_names_key());
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), outcome.refusal.code);
    rig.programs_fail_at = 0;
    rig.programs_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    expect_sale_done(7, 3);
    world_destroy(&world);
}

/* The same when the host is gone and the board finds the document at its next start. */
static void test_recovered_done_that_cannot_be_written(void **state)
{
    (void)state;
    unknown_sale();
    rig_no_lies();
    rig.programs_fail = true;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    uint16_t reason = (uint16_t)world_status(&world, TAG_BLOCK_REASON);
    assert_true(reason == ERROR_JOURNAL_FAULT || reason == ERROR_JOURNAL_FULL);
    rig.programs_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    expect_sale_done(7, 3);
    world_destroy(&world);
}

/* An INTENT that cannot be written: nothing was begun, so the job is refused. */
static void test_intent_that_cannot_be_written(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig.programs_fail_at = FN_STATUS;
    rig_send_sale(7);
    struct outcome outcome = rig_wait(60000);
    assert_true(outcome.answered);
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_true(rig_refusal_names_key());
    assert_int_equal(fnm_document_count(world.fnm), 2);
    rig.programs_fail_at = 0;
    rig.programs_fail = false;
    expect_sale_done(7, 3);
    /* Written, but not known to be safe: the same, and the next start sees that nothing came of
     * it. */
    rig.syncs_fail_at = FN_STATUS;
    rig_send_sale(8);
    expect_refusal(rig_wait(60000), ERROR_JOURNAL_FAULT, 0);
    rig.syncs_fail_at = 0;
    rig.syncs_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    assert_false(world.firmware.cash_register.state.has_intent);
    expect_sale_done(8, 4);
    world_destroy(&world);
}

/* The FN refuses, and the journal cannot write that the job is over. */
static void test_aborted_that_cannot_be_written(void **state)
{
    (void)state;
    for (unsigned begin = 0; begin < 2; begin++) {
        rig_ready(FFD_1_05);
        rig_lie(begin != 0 ? FN_RECEIPT_BEGIN : FN_RECEIPT_FORM, FN_BAD_VALUE, NULL, 0);
        rig.programs_fail_at = begin != 0 ? FN_RECEIPT_BEGIN : FN_RECEIPT_FORM;
        rig_send_sale(7);
        expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
        rig.programs_fail_at = 0;
        rig.programs_fail = false;
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        world_run(&world, 3000);
        assert_int_equal(fnm_document_count(world.fnm), 2);
        expect_sale_done(7, 3);
        world_destroy(&world);
    }
}

/* The same at a start, with nobody waiting for an answer. */
static void test_aborted_at_a_start(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_RECEIPT_BEGIN, FN_OK, NULL, 0)->silent = true;
    rig_send_sale(7);
    RIG_UNTIL(world.firmware.cash_register.state.has_intent);
    rig_no_lies();
    rig.programs_fail = true;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    uint16_t reason = (uint16_t)world_status(&world, TAG_BLOCK_REASON);
    assert_true(reason == ERROR_JOURNAL_FAULT || reason == ERROR_JOURNAL_FULL);
    rig.programs_fail = false;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    assert_false(world.firmware.cash_register.state.has_intent);
    expect_sale_done(7, 3);
    world_destroy(&world);
}

/* The drawer's INTENT, its DONE, and the ABORTED of a stuck one. */
static void test_drawer_and_flash(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig.programs_fail = true;
    struct outcome outcome = bare_job(LINK_DRAWER_OPEN, 7);
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_int_equal(world.pulses, 0);
    rig.programs_fail = false;
    for (unsigned stuck = 0; stuck < 2; stuck++) {
        world.drawer_stuck = stuck != 0;
        world.mono = world.mono + 5000; /* shut again */
        rig_send_job(LINK_DRAWER_OPEN, (uint8_t)(7 + stuck), NULL, 0);
        unsigned pulses = world.pulses;
        RIG_UNTIL(world.pulses > pulses);
        rig.programs_fail = true;
        expect_refusal(rig_wait(60000), ERROR_OUTCOME_UNKNOWN, 0);
        rig.programs_fail = false;
        /* A drawer has no archive to ask: the pulse is not given again. */
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        world_run(&world, 3000);
        pulses = world.pulses;
        outcome = world_must(bare_job(LINK_DRAWER_OPEN, (uint8_t)(7 + stuck)));
        assert_int_equal(outcome.result.flags & LINK_RESULT_RECOVERED, LINK_RESULT_RECOVERED);
        assert_int_equal(world.pulses, pulses);
    }
    world_destroy(&world);
}

/* Jobs without INTENT: their one record is written or it is not. */
static void test_local_jobs_and_flash(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig.programs_fail = true;
    struct outcome outcome = byte_job(LINK_SETTINGS_SET, 1, TAG_SETTING_COLUMNS, 32);
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_int_equal(world.firmware.printer.columns, 48);
    outcome = byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50); /* its text, before its DONE */
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_int_equal(world.pulses, 0);
    rig.programs_fail = false;
    world_must(byte_job(LINK_SETTINGS_SET, 1, TAG_SETTING_COLUMNS, 32));
    world_must(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50));
    /* A DONE that is written but not known to be safe: unknown, the board stops, and a stopped
     * board vouches for nothing. */
    rig.syncs_fail = true;
    expect_refusal(byte_job(LINK_CASH_IN, 3, TAG_CASH_SUM, 50), ERROR_OUTCOME_UNKNOWN, 0);
    expect_refusal(byte_job(LINK_CASH_IN, 3, TAG_CASH_SUM, 50), ERROR_JOURNAL_FAULT, 0);
    assert_false(rig_refusal_names_key());
    rig.syncs_fail = false;
    memcpy(world.flash, world.synced, WORLD_FLASH); /* and it was not */
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 50);
    world_must(byte_job(LINK_CASH_IN, 3, TAG_CASH_SUM, 50));
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 100);
    world_destroy(&world);
}

/* Registration data that cannot be stored: the FN is not touched. */
static void test_registration_and_flash(void **state)
{
    (void)state;
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    rig.programs_fail = true;
    uint8_t list[1024];
    size_t size = world_registration(list, sizeof(list), FFD_1_2);
    struct outcome outcome = world_job(&world, LINK_REGISTRATION, 1, list, size);
    assert_true(outcome.refusal.code == ERROR_JOURNAL_FAULT ||
                outcome.refusal.code == ERROR_JOURNAL_FULL);
    assert_int_equal(fnm_document_count(world.fnm), 0);
    rig.programs_fail = false;
    world_must(world_job(&world, LINK_REGISTRATION, 1, list, size));
    world_destroy(&world);
}

/* The FN died with an outcome open, and only it could tell. A new one may be registered, and the
 * register sells again; nothing else may run before. */
static void test_a_new_fn_while_an_outcome_is_open(void **state)
{
    (void)state;
    char path[96], error[128];
    unknown_sale();
    rig_no_lies();
    fnm_close(world.fnm);
    snprintf(path, sizeof(path), "%s/new.store", world.folder);
    struct fnm_options options = {
        .store_path = path, .serial = "9999078900009999", .no_sync = true};
    world.fnm = fnm_open(&options, error, sizeof(error));
    assert_non_null(world.fnm);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 5000);
    expect_refusal(byte_job(LINK_CASH_IN, 2, TAG_CASH_SUM, 50), ERROR_FN_FOREIGN, 0);
    size_t size = world_registration(body, sizeof(body), FFD_1_05);
    struct outcome outcome = world_must(world_job(&world, LINK_REGISTRATION, 3, body, size));
    assert_int_equal(outcome.result.document, 1);
    assert_false(world.firmware.cash_register.state.has_intent);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_until_the_fn_tells),
        cmocka_unit_test(test_no_other_job_while_an_outcome_is_open),
        cmocka_unit_test(test_foreign_fn_does_not_end_a_job),
        cmocka_unit_test(test_key_that_cannot_be_looked_up),
        cmocka_unit_test(test_done_that_cannot_be_written),
        cmocka_unit_test(test_recovered_done_that_cannot_be_written),
        cmocka_unit_test(test_intent_that_cannot_be_written),
        cmocka_unit_test(test_aborted_that_cannot_be_written),
        cmocka_unit_test(test_aborted_at_a_start),
        cmocka_unit_test(test_drawer_and_flash),
        cmocka_unit_test(test_local_jobs_and_flash),
        cmocka_unit_test(test_registration_and_flash),
        cmocka_unit_test(test_a_new_fn_while_an_outcome_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
