/* Questions that change nothing: answered whatever state the register is in, and a document read
 * back for the host, for a copy and for paper through an FN that does not answer as it should.
 */
#include "tests/unit/register_rig.h"

static size_t question(uint32_t document)
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, document);
    return writer.length;
}

static bool identity_has(uint16_t tag)
{
    const uint8_t *answer;
    struct tlv tlv;
    size_t size = world_query(&world, LINK_IDENTITY, NULL, 0, &answer);
    return tlv_find(answer, size, tag, &tlv) == 1;
}

static uint8_t identity_ffd(void)
{
    const uint8_t *answer;
    uint8_t ffd = 99;
    size_t size = world_query(&world, LINK_IDENTITY, NULL, 0, &answer);
    assert_true(tlv_find_u8(answer, size, TAG_REGISTERED_FFD, &ffd));
    return ffd;
}

/* With the FN silent the register still knows what it is registered for; without a registration it
 * is registered for nothing. */
static void test_identity(void **state)
{
    (void)state;
    const uint8_t *answer;
    struct tlv tlv;
    rig_create(false);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_int_equal(identity_ffd(), 0);
    assert_false(identity_has(TAG_USER_INN) || identity_has(TAG_FN_NUMBER));
    size_t size = world_query(&world, LINK_FN_INFO, NULL, 0, &answer);
    assert_int_equal(tlv_find(answer, size, TAG_FN_NUMBER, &tlv), 0);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 0);
    world_run(&world, 5000);
    assert_int_equal(identity_ffd(), 0);
    assert_true(identity_has(TAG_FN_NUMBER));
    world_destroy(&world);

    rig_ready(FFD_1_2);
    assert_int_equal(identity_ffd(), FFD_1_2);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_int_equal(identity_ffd(), FFD_1_2);
    assert_true(identity_has(TAG_USER_INN));
    assert_false(identity_has(TAG_FN_NUMBER));
    world_destroy(&world);
}

static void test_results(void **state)
{
    (void)state;
    uint8_t key[KEY_SIZE];
    uint8_t record[60];
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    expect_query_refusal(LINK_RESULT, NULL, 0, ERROR_NOT_FOUND);
    /* A DONE this firmware cannot read is no proof that the key is new. */
    memset(key, 9, sizeof(key));
    memset(record, 9, sizeof(record));
    assert_int_equal(journal_append(&world.firmware.journal, JOURNAL_DONE, record, 20, NULL),
                     ERROR_NONE);
    expect_query_refusal(LINK_RESULT, key, sizeof(key), ERROR_JOURNAL_FAULT);
    rig_send_job(LINK_X_REPORT, 9, NULL, 0);
    expect_refusal(rig_wait(5000), ERROR_JOURNAL_FAULT, 0);
    assert_false(rig_refusal_names_key());
    world_destroy(&world);
}

static void test_totals(void **state)
{
    (void)state;
    const uint8_t *answer;
    uint64_t sum = 0;
    struct tlv_reader reader;
    struct tlv tlv;
    unsigned kinds = 0;
    rig_ready(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    world_must(sale(2, SETTLEMENT_SALE_RETURN, 1, 300));
    size_t size = world_query(&world, LINK_SHIFT_TOTALS, NULL, 0, &answer);
    assert_true(tlv_find_vln(answer, size, TAG_CASH_IN_DRAWER, &sum));
    assert_int_equal(sum, 1700);
    tlv_reader_init(&reader, answer, size);
    while (tlv_next(&reader, &tlv) == 1) {
        static const uint64_t expected[] = {2000, 300, 0, 0};
        if (tlv.tag != TAG_TOTALS_KIND)
            continue;
        assert_true(tlv_find_vln(tlv.value, tlv.length, TAG_RECEIPT_TOTAL, &sum));
        assert_int_equal(sum, expected[kinds++]);
    }
    assert_int_equal(kinds, 4);
    world_destroy(&world);
}

/* The drawer stuck shut is told until it opens. */
static void test_drawer_state(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    assert_int_equal(world_status(&world, TAG_DRAWER_STATE), DRAWER_CLOSED);
    world.drawer_stuck = true;
    expect_refusal(bare_job(LINK_DRAWER_OPEN, 1), ERROR_DRAWER_STUCK, TAG_DRAWER_STATE);
    assert_int_equal(world_status(&world, TAG_DRAWER_STATE), DRAWER_STUCK);
    world.drawer_stuck = false;
    world_must(bare_job(LINK_DRAWER_OPEN, 2));
    assert_int_equal(world_status(&world, TAG_DRAWER_STATE), DRAWER_OPENED);
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_DRAWER_STATE), DRAWER_CLOSED);
    world_destroy(&world);
}

/* While a job is at work, what fits beside it is answered; what needs the big buffer is not. */
static void test_questions_beside_a_job(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 1000);
    rig_send_sale(1);
    RIG_UNTIL(world.firmware.cash_register.state.has_intent);
    expect_query_refusal(LINK_SETTINGS, NULL, 0, ERROR_BUSY);
    size_t size = question(2);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_BUSY);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_OPEN);
    fnm_fault(world.fnm, FNM_FAULT_DELAY, 0);
    world_run(&world, 10000);
    world_must(sale(1, SETTLEMENT_SALE, 2, 1000));
    world_destroy(&world);
}

/* ---- Documents read back ---- */

static void test_document_questions_are_checked(void **state)
{
    (void)state;
    struct byte_writer writer;
    rig_ready(FFD_1_05);
    expect_query_refusal(LINK_DOCUMENT, NULL, 0, ERROR_FIELD_MISSING);
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u8(&writer, TAG_DOCUMENT_NUMBER, 1);
    expect_query_refusal(LINK_DOCUMENT, body, writer.length, ERROR_FIELD_MISSING);
    size_t size = question(0);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FIELD_MISSING);
    size = question(77);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_NOT_FOUND);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 500);
    size = question(2);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_BUSY); /* it is being asked */
    world_run(&world, 10000);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FN_SILENT);
    world_destroy(&world);
}

/* Silent at each question: the host is told, and what comes next waits until the FN is known
 * again. */
static void test_fn_silent_while_reading(void **state)
{
    (void)state;
    static const uint8_t commands[] = {FN_FIND_DOCUMENT, FN_READ_DOCUMENT, FN_READ_TLV};
    rig_ready(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    world_run(&world, 3000);
    for (unsigned i = 0; i < sizeof(commands); i++) {
        rig_lie(commands[i], FN_OK, NULL, 0)->silent = true;
        size_t size = question(3);
        expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FN_SILENT);
        struct outcome outcome = world_must(sale((uint8_t)(10 + i), SETTLEMENT_SALE, 1, 100));
        assert_int_equal(outcome.result.document, 4 + i);
        world_run(&world, 3000);
        if (commands[i] == FN_READ_TLV)
            continue; /* a copy ends before it */
        rig_lie(commands[i], FN_OK, NULL, 0)->silent = true;
        expect_refusal(bare_job(LINK_COPY, (uint8_t)(20 + i)), ERROR_FN_SILENT,
                       TAG_DOCUMENT_NUMBER);
        world_run(&world, 3000);
        world_must(bare_job(LINK_COPY, (uint8_t)(20 + i)));
        world_run(&world, 5000);
    }
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    world_destroy(&world);
}

static void test_archive_without_the_text(void **state)
{
    (void)state;
    rig_ready(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    world_run(&world, 3000);
    size_t size = question(3);
    rig_lie(FN_READ_DOCUMENT, FN_NO_DATA, NULL, 0);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FN_ARCHIVE);
    rig_lie(FN_READ_TLV, FN_BAD_STATE, NULL, 0);
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FN_ARCHIVE);
    /* An FN that never ends a document is stopped when the buffer is full. */
    uint8_t piece[300];
    memset(piece, 0, sizeof(piece));
    rig_lie(FN_READ_TLV, FN_OK, piece, sizeof(piece))->for_ever = true;
    expect_query_refusal(LINK_DOCUMENT, body, size, ERROR_FN_ARCHIVE);
    rig_no_lies();
    rig_lie(FN_FIND_DOCUMENT, FN_NO_DATA, NULL, 0);
    expect_refusal(bare_job(LINK_COPY, 2), ERROR_NOT_FOUND, TAG_DOCUMENT_NUMBER);
    rig_lie(FN_READ_DOCUMENT, FN_NO_DATA, NULL, 0);
    expect_refusal(bare_job(LINK_COPY, 2), ERROR_FN_ARCHIVE, TAG_DOCUMENT_NUMBER);
    world_must(bare_job(LINK_COPY, 2));
    world_destroy(&world);
}

/* Confirmed, but the ticket cannot be had, or is larger than any: the document comes without. */
static void test_document_without_a_ticket(void **state)
{
    (void)state;
    static const uint8_t ticket[65] = {1};
    uint8_t found[32];
    rig_ready(FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    world_run(&world, 3000);
    for (unsigned i = 0; i < 3; i++) {
        const uint8_t *answer;
        struct tlv tlv;
        uint8_t acknowledged = 0;
        memset(found, 1, sizeof(found));
        found[0] = FORM_RECEIPT;
        memcpy(found + 7, "\3\0\0", 4);                         /* document 3 */
        rig_lie(FN_FIND_DOCUMENT, FN_OK, found, sizeof(found)); /* byte 1: confirmed */
        rig_lie(FN_FIND_CONFIRMATION, i == 0 ? FN_NO_DATA : FN_OK, ticket, i == 1 ? 65 : 64);
        size_t size = question(3);
        size = world_query(&world, LINK_DOCUMENT, body, size, &answer);
        assert_true(tlv_find_u8(answer, size, TAG_DOCUMENT_ACKNOWLEDGED, &acknowledged));
        assert_int_equal(acknowledged, 1);
        assert_int_equal(tlv_find(answer, size, TAG_DOCUMENT_TICKET, &tlv), i == 2 ? 1 : 0);
        assert_int_equal(tlv_find(answer, size, TAG_DOCUMENT_BODY, &tlv), 1);
        assert_true(tlv_valid(tlv.value, tlv.length) && tlv.length > 100);
    }
    world_destroy(&world);
}

/* The setting of the operator's certificate reaches the one who opens connections. */
static void test_operator_settings_are_passed_on(void **state)
{
    (void)state;
    struct byte_writer writer;
    static const uint8_t certificate[700] = {0x30, 0x82};
    rig_ready(FFD_1_05);
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_bytes(&writer, TAG_SETTING_OFD_CA, certificate, sizeof(certificate));
    tlv_put_u8(&writer, TAG_SETTING_OFD_TLS, 1);
    tlv_put_u16(&writer, TAG_SETTING_OFD_RETRY_S, 7);
    world_must(world_job(&world, LINK_SETTINGS_SET, 1, body, writer.length));
    world_run(&world, 100);
    const struct ofd_settings *settings = &world.firmware.ofd_settings;
    assert_true(settings->tls && settings->enabled);
    assert_int_equal(settings->ca_size, sizeof(certificate));
    assert_memory_equal(settings->ca, certificate, sizeof(certificate));
    assert_int_equal(settings->retry_max_s, 7);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_drawer_state),
        cmocka_unit_test(test_questions_beside_a_job),
        cmocka_unit_test(test_document_questions_are_checked),
        cmocka_unit_test(test_fn_silent_while_reading),
        cmocka_unit_test(test_archive_without_the_text),
        cmocka_unit_test(test_document_without_a_ticket),
        cmocka_unit_test(test_operator_settings_are_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
