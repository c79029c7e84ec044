/* What the register makes of an FN that answers oddly at the start, and of an archive that does or
 * does not hold the document an open INTENT may have made.
 */
#include "tests/unit/register_rig.h"

static void restart(void)
{
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
}

static uint64_t fn_info(uint16_t tag)
{
    const uint8_t *answer;
    struct tlv tlv;
    uint64_t value = 0;
    size_t size = world_query(&world, LINK_FN_INFO, NULL, 0, &answer);
    if (tlv_find(answer, size, tag, &tlv) != 1)
        return UINT64_MAX;
    assert_true(tlv_get_vln(&tlv, &value));
    return value;
}

/* ---- Facts ---- */

/* An old FN does not know the questions, a damaged one answers half: what it did not say is zero,
 * and a sale goes through all the same. Only the state of the shift, which every FN knows and from
 * which a recovered receipt has its numbers, is asked for again. */
static void test_facts_half_said(void **state)
{
    (void)state;
    static const uint8_t questions[] = {FN_FFD, FN_VALID_UNTIL, FN_VERSION};
    rig_ready(FFD_1_05);
    assert_int_not_equal(fn_info(TAG_FN_VALID_UNTIL), 0);
    for (unsigned i = 0; i < sizeof(questions); i++)
        rig_lie(questions[i], FN_BAD_COMMAND, NULL, 0);
    restart();
    assert_int_equal(fn_info(TAG_FN_VALID_UNTIL), 0);
    assert_int_equal(fn_info(TAG_FN_FFD_MAX), 0);
    assert_int_equal(fn_info(TAG_REGISTERED_FFD), 0);
    for (unsigned i = 0; i < sizeof(questions); i++)
        rig_lie(questions[i], FN_OK, NULL, 0);
    restart();
    assert_int_equal(fn_info(TAG_FN_VALID_UNTIL), 0);
    rig_lie(FN_FFD, FN_OK, "\4", 1);
    rig_lie(FN_VALID_UNTIL, FN_OK, "\x1E\x0D\x20", 3); /* no such day */
    rig_lie(FN_VERSION, FN_OK, "                \1", 17);
    restart();
    assert_int_equal(fn_info(TAG_REGISTERED_FFD), 4);
    assert_int_equal(fn_info(TAG_FN_FFD_MAX), 0);
    assert_int_equal(fn_info(TAG_FN_VALID_UNTIL), 0);
    assert_int_equal(fn_info(TAG_FN_EXECUTION), 1);
    assert_string_equal(world.firmware.cash_register.facts.version, "");
    rig_lie(FN_FFD, FN_OK, "\1\4", 2);
    rig_lie(FN_VALID_UNTIL, FN_OK, "\x1E\x0C\x1F", 3); /* 2030-12-31, and no counts */
    restart();
    assert_int_equal(fn_info(TAG_REGISTERED_FFD), FFD_1_05); /* 1: what an FN calls 1.05 */
    assert_int_equal(fn_info(TAG_FN_VALID_UNTIL), 1924905600);
    struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 3);
    world_destroy(&world);
}

/* Number 4 of the simulated world's finds: a receipt found in the archive was given the number 0 of
 * shift 0, because the answer to 10h had been damaged. */
static void test_shift_is_asked_again(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 0)
            rig_lie(FN_SHIFT_STATUS, FN_BAD_COMMAND, NULL, 0);
        else
            rig_lie(FN_SHIFT_STATUS, FN_OK, "\1\1\0", i == 1 ? 0 : 3);
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        world_run(&world, 500);
        assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_SILENT);
        world_run(&world, 5000);
        assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_NONE);
        assert_int_equal(world.firmware.cash_register.facts.shift, 1);
    }
    world_destroy(&world);
}

static void test_expired_fn(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_VALID_UNTIL, FN_OK, "\x19\x01\x01\0\1", 5); /* 2025-01-01 */
    restart();
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_EXPIRED);
    restart();
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_NONE);
    world_destroy(&world);
}

static void test_status_that_makes_no_sense(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    rig_lie(FN_STATUS, FN_FAULT, NULL, 0);
    rig_lie(FN_STATUS, FN_OK, "abc", 3);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 500);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_SILENT);
    world_run(&world, 2000);
    assert_int_equal(world.firmware.cash_register.boot_failures, 0);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_NONE);
    world_destroy(&world);
}

/* Registered, but not by this board: nothing is punched with it. */
static void test_another_boards_fn(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    struct fn_status status = rig_status();
    status.number[15] ^= 1;
    rig_lie_status(&status);
    restart();
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
    /* A blank board knows no FN at all. */
    memset(world.flash, 0xFF, sizeof(world.flash));
    restart();
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_FOREIGN, TAG_FN_NUMBER);
    assert_int_equal(fnm_document_count(world.fnm), 2);
    world_destroy(&world);
}

static void test_the_line_is_held_by_another(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_true(fn_acquire(&world.firmware.fn, FN_OWNER_OFD));
    rig_send_sale(1); /* it waits for what is not known yet */
    assert_false(rig_wait(3000).answered);
    assert_false(world.firmware.cash_register.facts.known);
    assert_false(fn_acquire(&world.firmware.fn, FN_OWNER_PRINT)); /* the register waits first */
    fn_release(&world.firmware.fn, FN_OWNER_OFD);
    assert_false(fn_acquire(&world.firmware.fn, FN_OWNER_PRINT));
    struct outcome outcome = world_must(rig_wait(5000));
    assert_int_equal(outcome.result.document, 3);
    world_destroy(&world);
}

static void test_reasons_to_block(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    world.clock_unset = true;
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_CLOCK);
    world.clock_unset = false;
    world_must(bare_job(LINK_SHIFT_CLOSE, 1));
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_SHIFT_CLOSED);
    world.mono += 31ull * 24 * 3600 * 1000;
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_OFD_DAYS_LEFT), 0);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_OFD_OVERDUE);
    world_destroy(&world);
}

/* ---- The document of an open INTENT ---- */

/* Sends a job whose document is formed, and cuts the power before the answer. */
static void cut_after_forming(uint8_t form_command, uint8_t code, uint8_t key, const uint8_t *list,
                              size_t size)
{
    uint32_t documents = fnm_document_count(world.fnm);
    rig_lie(form_command, FN_OK, NULL, 0)->asked = true;
    rig.lies[0].silent = true;
    rig_send_job(code, key, list, size);
    RIG_UNTIL(fnm_document_count(world.fnm) > documents);
    rig_no_lies();
}

static void test_every_form_is_found_again(void **state)
{
    (void)state;
    uint8_t list[1024];
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    size_t size = world_registration(list, sizeof(list), FFD_1_2);
    cut_after_forming(FN_REGISTRATION_FORM_12, LINK_REGISTRATION, 6, list, size);
    restart();
    struct outcome outcome = world_must(world_job(&world, LINK_REGISTRATION, 6, list, size));
    assert_int_equal(outcome.result.document, 1);
    assert_int_equal(outcome.result.shift, 0);
    assert_int_equal(outcome.result.flags, LINK_RESULT_RECOVERED | LINK_RESULT_REPLAYED);
    assert_true(cash_register_registered(&world.firmware.cash_register));

    cut_after_forming(FN_STATE_FORM, LINK_STATE_REPORT, 7, NULL, 0);
    restart();
    outcome = world_must(bare_job(LINK_STATE_REPORT, 7));
    assert_int_equal(outcome.result.document, 2);

    size = world_cashier(list, sizeof(list));
    world_must(world_job(&world, LINK_SHIFT_OPEN, 8, list, size));
    world_must(sale(9, SETTLEMENT_SALE, 1, 100));
    cut_after_forming(FN_SHIFT_CLOSE_FORM, LINK_SHIFT_CLOSE, 10, NULL, 0);
    restart();
    outcome = world_must(bare_job(LINK_SHIFT_CLOSE, 10));
    assert_int_equal(outcome.result.document, 5);
    assert_int_equal(outcome.result.shift, 1);
    assert_int_equal(outcome.result.receipt, 1);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_CLOSED);
    world_destroy(&world);
}

/* The record of 40h: type, confirmed, DATE_TIME, FD, FP, then kind and total of a receipt. */
static size_t record_of(uint8_t out[32], uint8_t form, uint32_t document, uint8_t kind,
                        uint64_t total)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, 32);
    put_u8(&writer, form);
    put_u8(&writer, 0);
    put_bytes(&writer, (const uint8_t *)"\x1A\x09\x15\x0C\x00", DATE_TIME_SIZE);
    put_u32le(&writer, document);
    put_u32le(&writer, 12345);
    put_u8(&writer, kind);
    put_uint_le(&writer, total, 5);
    return writer.length;
}

/* The archive holds another document where the sale's should be: none of them is taken for it, and
 * none of them ends the sale. */
static void test_another_document_is_not_taken_for_it(void **state)
{
    (void)state;
    uint8_t record[32];
    rig_ready(FFD_1_05);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 2, 1000);
    cut_after_forming(FN_RECEIPT_FORM, LINK_RECEIPT, 7, body, size);
    for (unsigned i = 0; i < 8; i++) {
        size = record_of(record, i == 2 ? FORM_STATE_REPORT : FORM_RECEIPT, i == 4 ? 4 : 3,
                         i == 6 ? SETTLEMENT_PURCHASE : SETTLEMENT_SALE, i == 7 ? 2001 : 2000);
        if (i == 3)
            record[3] = 13; /* month */
        if (i == 1 || i == 5)
            size = i == 1 ? 14 : 15 + 5;
        rig_lie(FN_FIND_DOCUMENT, i == 0 ? FN_NO_DATA : FN_OK, record, size);
        restart();
        assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_FOREIGN);
        expect_refusal(sale(7, SETTLEMENT_SALE, 2, 1000), ERROR_OUTCOME_UNKNOWN, 0);
    }
    /* With nothing wrong in it the record is taken: so it was that one thing each time. */
    size = record_of(record, FORM_RECEIPT, 3, SETTLEMENT_SALE, 2000);
    rig_lie(FN_FIND_DOCUMENT, FN_OK, record, size);
    restart();
    struct outcome outcome = world_must(sale(7, SETTLEMENT_SALE, 2, 1000));
    assert_int_equal(outcome.result.fiscal_sign, 12345);
    assert_int_equal(outcome.result.document, 3);
    assert_int_equal(fnm_document_count(world.fnm), 3);
    world_destroy(&world);
}

/* While a job is being settled its key is told to be in progress. */
static void test_asked_by_key_while_at_work(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE];
    memset(key, 7, sizeof(key));
    rig_ready(FFD_1_05);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 2000);
    rig_send_sale(7);
    RIG_UNTIL(world.firmware.cash_register.state.has_intent);
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_IN_PROGRESS);
    expect_query_refusal(LINK_RESULT, key, 3, ERROR_REQUEST_MALFORMED);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 0);
    world_run(&world, 20000);
    world_must(sale(7, SETTLEMENT_SALE, 2, 1000));
    assert_int_equal(fnm_document_count(world.fnm), 3);
    world_destroy(&world);
}

/* The same for another key's INTENT: it has nothing to do with this one. */
static void test_another_key_while_an_intent_is_open(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE];
    memset(key, 9, sizeof(key));
    rig_ready(FFD_1_05);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 2000);
    rig_send_sale(7);
    RIG_UNTIL(world.firmware.cash_register.state.has_intent);
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_NOT_FOUND);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 0);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_half_said),
        cmocka_unit_test(test_shift_is_asked_again),
        cmocka_unit_test(test_expired_fn),
        cmocka_unit_test(test_status_that_makes_no_sense),
        cmocka_unit_test(test_another_boards_fn),
        cmocka_unit_test(test_the_line_is_held_by_another),
        cmocka_unit_test(test_reasons_to_block),
        cmocka_unit_test(test_every_form_is_found_again),
        cmocka_unit_test(test_another_document_is_not_taken_for_it),
        cmocka_unit_test(test_asked_by_key_while_at_work),
        cmocka_unit_test(test_another_key_while_an_intent_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
