/* The cash register as a whole: its story, its refusals, its paper. */
#include "tests/unit/world.h"

static struct world world;
static uint8_t body[40000];

static struct outcome sale(uint8_t key, uint8_t kind, unsigned items, uint64_t price)
{
    size_t size = world_receipt(body, sizeof(body), kind, items, price);
    return world_job(&world, LINK_RECEIPT, key, body, size);
}

static void expect_refusal(struct outcome outcome, uint16_t code, uint16_t tag)
{
    assert_true(outcome.answered);
    if (outcome.refusal.code != code)
        print_message("got %s, expected %s\n", error_info_find(outcome.refusal.code)->name,
                      error_info_find(code)->name);
    assert_int_equal(outcome.refusal.code, code);
    assert_int_equal(outcome.refusal.tag, tag);
}

static void one_day(uint8_t ffd)
{
    world_create(&world, true);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 10000), ERROR_NOT_REGISTERED, 0);
    size_t size = world_registration(body, sizeof(body), ffd);
    struct outcome outcome = world_must(world_job(&world, LINK_REGISTRATION, 2, body, size));
    assert_int_equal(outcome.result.document, 1);
    expect_refusal(world_job(&world, LINK_REGISTRATION, 3, body, size), ERROR_ALREADY_REGISTERED,
                   0);
    expect_refusal(sale(4, SETTLEMENT_SALE, 1, 10000), ERROR_SHIFT_CLOSED, TAG_SHIFT_NUMBER);
    size = world_cashier(body, sizeof(body));
    outcome = world_must(world_job(&world, LINK_SHIFT_OPEN, 5, body, size));
    assert_int_equal(outcome.result.document, 2);
    assert_int_equal(outcome.result.shift, 1);
    outcome = world_must(sale(6, SETTLEMENT_SALE, 5, 10050));
    assert_int_equal(outcome.result.document, 3);
    assert_int_equal(outcome.result.receipt, 1);
    assert_int_equal(outcome.result.total_kop, 50250);
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), 50250);
    assert_int_equal(world.pulses, 1);
    outcome = world_must(sale(7, SETTLEMENT_SALE_RETURN, 1, 10050));
    assert_int_equal(outcome.result.document, 4);
    expect_refusal(sale(8, SETTLEMENT_SALE_RETURN, 5, 10050), ERROR_CASH_SHORT, TAG_PAID_CASH);
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_vln(&writer, TAG_CASH_SUM, 100000);
    outcome = world_must(world_job(&world, LINK_CASH_IN, 9, body, writer.length));
    assert_int_equal(outcome.result.total_kop, 140200);
    world_must(world_job(&world, LINK_CASH_OUT, 10, body, writer.length));
    world_must(world_job(&world, LINK_X_REPORT, 11, NULL, 0));
    world_must(world_job(&world, LINK_STATE_REPORT, 12, NULL, 0));
    world_must(world_job(&world, LINK_COPY, 13, NULL, 0));
    size = world_cashier(body, sizeof(body));
    outcome = world_must(world_job(&world, LINK_SHIFT_CLOSE, 14, body, size));
    assert_int_equal(outcome.result.receipt, 2);
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    assert_int_equal(world_status(&world, TAG_PRINT_STATE), PRINT_IDLE);
    struct print_head_counters paper;
    print_head_counters(world.head, &paper);
    /* registration, open, 2 receipts, in, out, X, state, copy, close */
    assert_int_equal(paper.slips, 10);
    assert_int_equal(paper.torn, 0);
    assert_int_equal(fnm_document_count(world.fnm), 6);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_CLOSED);
    world_destroy(&world);
}

static void test_day_105(void **state)
{
    (void)state;
    one_day(FFD_1_05);
}

static void test_day_12(void **state)
{
    (void)state;
    one_day(FFD_1_2);
}

static void test_same_key(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    struct outcome first = world_must(sale(1, SETTLEMENT_SALE, 2, 5000));
    struct outcome again = world_must(sale(1, SETTLEMENT_SALE, 2, 5000));
    assert_int_equal(again.result.document, first.result.document);
    assert_int_equal(again.result.fiscal_sign, first.result.fiscal_sign);
    assert_int_equal(again.result.flags & LINK_RESULT_REPLAYED, LINK_RESULT_REPLAYED);
    expect_refusal(sale(1, SETTLEMENT_SALE, 2, 5001), ERROR_KEY_CONFLICT, 0);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    again = world_must(sale(1, SETTLEMENT_SALE, 2, 5000));
    assert_int_equal(again.result.document, first.result.document);
    assert_int_equal(fnm_document_count(world.fnm), 3);
    assert_int_equal(world.pulses, 1);
    /* The key query, the newest job, and a key nobody used. */
    uint8_t key[KEY_SIZE];
    memset(key, 1, sizeof(key));
    const uint8_t *answer;
    struct link_result result;
    size_t size = world_query(&world, LINK_RESULT, key, sizeof(key), &answer);
    assert_true(link_result_get(answer, size, &result));
    assert_int_equal(result.document, first.result.document);
    size = world_query(&world, LINK_RESULT, NULL, 0, &answer);
    assert_true(link_result_get(answer, size, &result));
    memset(key, 99, sizeof(key));
    struct refusal refusal;
    assert_true(world_ask(&world, LINK_RESULT, key, sizeof(key), 1000));
    assert_true(link_answer_get(world.message, world.assembler.length, &refusal, &answer, &size));
    assert_int_equal(refusal.code, ERROR_NOT_FOUND);
    world_destroy(&world);
}

static void test_other_device(void **state)
{
    (void)state;
    static uint8_t message[4096];
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 100);
    struct link_job job = {
        .device_tag = link_device_tag("00000000000000000003"), .body = body, .size = size};
    struct byte_writer writer;
    byte_writer_init(&writer, message, sizeof(message));
    link_job_put(&writer, &job);
    struct refusal refusal;
    const uint8_t *rest;
    assert_true(world_ask(&world, LINK_RECEIPT, message, writer.length, 1000));
    assert_true(link_answer_get(world.message, world.assembler.length, &refusal, &rest, &size));
    assert_int_equal(refusal.code, ERROR_OTHER_DEVICE);
    assert_int_equal(fnm_document_count(world.fnm), 2);
    world_destroy(&world);
}

static void test_large_receipt(void **state)
{
    (void)state;
    world_create(&world, true);
    world_ready(&world, FFD_1_2);
    struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 60, 12345));
    assert_int_equal(outcome.result.total_kop, 740700);
    outcome = world_must(sale(2, SETTLEMENT_SALE, 300, 100));
    outcome = world_must(sale(3, SETTLEMENT_SALE, 300, 100));
    world_run(&world, 20000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    /* It can be read back whole. */
    uint8_t question[16];
    struct byte_writer writer;
    byte_writer_init(&writer, question, sizeof(question));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, outcome.result.document);
    const uint8_t *answer;
    size_t size = world_query(&world, LINK_DOCUMENT, question, writer.length, &answer);
    struct tlv tlv;
    assert_int_equal(tlv_find(answer, size, TAG_DOCUMENT_BODY, &tlv), 1);
    assert_true(tlv.length > 300 * 60);
    assert_true(tlv_valid(tlv.value, tlv.length));
    /* And is refused when the FN could not take it. */
    size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 450, 100);
    expect_refusal(world_job(&world, LINK_RECEIPT, 4, body, size), ERROR_TOO_LARGE, 0);
    world_destroy(&world);
}

static void test_conditions(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_run(&world, 3000);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_OUT);
    world_run(&world, 2000);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_PAPER_OUT, 0);
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    print_head_set_cover(world.head, true);
    world_run(&world, 2000);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_COVER_OPEN, 0);
    print_head_set_cover(world.head, false);
    world_run(&world, 2000);
    world.clock_unset = true;
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_CLOCK, TAG_BOARD_TIME);
    world.clock_unset = false;
    world.clock_offset = 7200; /* the FN's own timer knows better */
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_CLOCK, 0);
    world.clock_offset = 0;
    world.drawer_stuck = true;
    expect_refusal(world_job(&world, LINK_DRAWER_OPEN, 2, NULL, 0), ERROR_DRAWER_STUCK,
                   TAG_DRAWER_STATE);
    world.drawer_stuck = false;
    world_must(world_job(&world, LINK_DRAWER_OPEN, 2, NULL, 0));
    assert_int_equal(world.pulses, 2);
    world_must(world_job(&world, LINK_DRAWER_OPEN, 2, NULL, 0)); /* replayed: no third pulse */
    assert_int_equal(world.pulses, 2);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    expect_refusal(sale(1, SETTLEMENT_SALE, 1, 100), ERROR_FN_SILENT, 0);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_FN_SILENT);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 0);
    world_run(&world, 5000);
    world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    /* After 24 h only closing is possible. */
    world.mono += 25ull * 3600 * 1000;
    expect_refusal(sale(3, SETTLEMENT_SALE, 1, 100), ERROR_SHIFT_EXPIRED, TAG_SHIFT_NUMBER);
    size_t size = world_cashier(body, sizeof(body));
    world_must(world_job(&world, LINK_SHIFT_CLOSE, 4, body, size));
    /* 31 days without the operator. */
    world.mono += 31ull * 24 * 3600 * 1000;
    expect_refusal(world_job(&world, LINK_SHIFT_OPEN, 5, body, size), ERROR_OFD_OVERDUE, 0);
    assert_int_equal(fnm_document_count(world.fnm), 4);
    world_destroy(&world);
}

static void test_auto_open(void **state)
{
    (void)state;
    world_create(&world, false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    size_t size = world_registration(body, sizeof(body), FFD_1_05);
    world_must(world_job(&world, LINK_REGISTRATION, 1, body, size));
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u8(&writer, TAG_SETTING_AUTO_OPEN_SHIFT, 1);
    world_must(world_job(&world, LINK_SETTINGS_SET, 2, body, writer.length));
    size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 1, 100);
    expect_refusal(world_job(&world, LINK_RECEIPT, 3, body, size), ERROR_CASHIER_MISSING,
                   TAG_CASHIER);
    byte_writer_init(&writer, body + size, sizeof(body) - size);
    put_text(&writer, TAG_CASHIER, "Ivanova");
    struct outcome outcome =
        world_must(world_job(&world, LINK_RECEIPT, 3, body, size + writer.length));
    assert_int_equal(outcome.result.document, 3);
    assert_int_equal(outcome.result.flags & LINK_RESULT_SHIFT_OPENED, LINK_RESULT_SHIFT_OPENED);
    world_destroy(&world);
}

/* Paper out before, in and after a slip: nothing is lost, and each slip comes out whole exactly
 * once. */
static void test_paper_out_in_a_slip(void **state)
{
    (void)state;
    for (unsigned line = 1; line < 60; line += 2) {
        world_create(&world, true);
        world_ready(&world, FFD_1_05);
        world_run(&world, 2000);
        print_head_set_paper_out_after(world.head, line);
        struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 3, 1000));
        assert_int_equal(outcome.result.document, 3);
        world_run(&world, 5000);
        print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
        world_run(&world, 5000);
        assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
        world_must(sale(2, SETTLEMENT_SALE, 1, 1000));
        world_run(&world, 5000);
        struct print_head_counters paper;
        print_head_counters(world.head, &paper);
        assert_int_equal(paper.slips - paper.torn, 4); /* registration, shift, two receipts */
        world_destroy(&world);
    }
}

/* Text under the first of two items stands there too when the slip is read back from FN and
 * journal. */
static void test_text_under_an_item_survives(void **state)
{
    (void)state;
    char path[160], text[4096];
    world_create(&world, true);
    world_ready(&world, FFD_1_05);
    world_run(&world, 2000);
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 2, 1000);
    struct tlv_reader reader;
    struct tlv tlv;
    tlv_reader_init(&reader, body, size);
    do {
        assert_int_equal(tlv_next(&reader, &tlv), 1);
    } while (tlv.tag != TAG_ITEM);
    uint8_t line[64];
    struct byte_writer writer;
    byte_writer_init(&writer, line, sizeof(line));
    size_t mark = tlv_begin(&writer, TAG_SLIP_ITEM_TEXT);
    tlv_put_u8(&writer, TAG_SLIP_STYLE, 0);
    put_text(&writer, TAG_SLIP_STRING, "DISCOUNT 15.00");
    tlv_end(&writer, mark);
    memmove(body + reader.offset + writer.length, body + reader.offset, size - reader.offset);
    memcpy(body + reader.offset, line, writer.length);
    print_head_set_paper_out_after(world.head, 12);
    world_must(world_job(&world, LINK_RECEIPT, 1, body, size + writer.length));
    world_run(&world, 2000);
    assert_int_equal(world_power_on(&world),
                     ERROR_NONE); /* RAM is gone: the slip must be read back */
    print_head_set_paper(world.head, PRINT_HEAD_PAPER_IN);
    world_run(&world, 5000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    print_head_wait_pictures(world.head);
    snprintf(path, sizeof(path), "%s/paper/%06u.txt", world.folder,
             (unsigned)print_head_last_slip(world.head));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    if (getenv("WORLD_TRACE") != NULL)
        puts(text);
    const char *discount = strstr(text, "DISCOUNT 15.00");
    assert_non_null(discount);
    assert_null(strstr(discount + 1, "DISCOUNT"));
    const char *first = strstr(text, "an item"), *second = strstr(first + 1, "an item");
    assert_true(first < discount && discount < second);
    world_destroy(&world);
}

/* Garbage before, between and after requests: each whole request is answered, and silence ends. */
static void test_garbage_on_the_link(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    for (unsigned round = 0; round < 300; round++) {
        uint8_t garbage[300];
        size_t count = world_random(&world) % sizeof(garbage);
        world_fill_random(&world, garbage, count);
        memcpy(world.to_board + world.to_board_size, garbage, count);
        world.to_board_size += count;
        world_run(&world, 30);
        world.to_board[world.to_board_size++] = 0;
        const uint8_t *answer;
        assert_true(world_query(&world, LINK_IDENTITY, NULL, 0, &answer) > 20);
    }
    struct outcome outcome = world_must(sale(1, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(outcome.result.document, 3);
    world_destroy(&world);
}

/* Printed events after the board had the time to do all it can, and then slept so long. */
static unsigned printed_after(uint32_t sleep_ms)
{
    for (unsigned part = 0; part < 2; part++) {
        for (unsigned turn = 0; turn < 1000; turn++) {
            struct moment now = {world.mono, world_calendar(&world)};
            (void)firmware_step(&world.firmware, &now);
            print_head_step(world.head, world.mono);
        }
        world.mono += part == 0 ? sleep_ms : 0;
    }
    (void)world_receive(&world);
    return world.printed_events;
}

/* The event that a slip is on paper waits a moment for the next answer and travels with it; when no
 * answer comes it goes by itself. */
static void test_events_travel_with_answers(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_run(&world, 5000);
    assert_int_equal(world_receive(&world), 0);
    unsigned before = world.printed_events;
    mono_ms start = world.mono;
    world_must(sale(1, SETTLEMENT_SALE, 1, 10000));
    assert_int_equal(world.printed_events, before);
    world_must(sale(2, SETTLEMENT_SALE, 1, 10000));
    assert_in_range(world.mono - start, 0, LINK_EVENT_WAIT_MS - 1);
    (void)world_receive(&world);
    assert_int_equal(world.printed_events, before + 1); /* the first, behind the second answer */
    assert_int_equal(printed_after(LINK_EVENT_WAIT_MS - 1), before + 1);
    assert_int_equal(printed_after(1), before + 2);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_day_105),
        cmocka_unit_test(test_day_12),
        cmocka_unit_test(test_same_key),
        cmocka_unit_test(test_other_device),
        cmocka_unit_test(test_large_receipt),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_auto_open),
        cmocka_unit_test(test_paper_out_in_a_slip),
        cmocka_unit_test(test_text_under_an_item_survives),
        cmocka_unit_test(test_garbage_on_the_link),
        cmocka_unit_test(test_events_travel_with_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
