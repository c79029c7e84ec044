/* The cash register as a whole: its story, its refusals, and its promise under power cuts and FN
 * faults. */
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

/* ---- Power cuts ---- */

static uint8_t saved_flash[WORLD_FLASH];
static char saved_store[160];

static void copy_file(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof(command), "cp %s %s", from, to);
    assert_int_equal(system(command), 0);
}

static void store_path(char *out, size_t size)
{
    snprintf(out, size, "%s/fn.store", world.folder);
}

static void save(void)
{
    char path[96];
    world_run(&world, 5000);
    store_path(path, sizeof(path));
    snprintf(saved_store, sizeof(saved_store), "%s/saved", world.folder);
    fnm_close(world.fnm);
    copy_file(path, saved_store);
    memcpy(saved_flash, world.flash, sizeof(saved_flash));
    world_open_fn(&world);
}

static void restore(void)
{
    char path[96];
    store_path(path, sizeof(path));
    fnm_close(world.fnm);
    copy_file(saved_store, path);
    memcpy(world.flash, saved_flash, sizeof(saved_flash));
    world_open_fn(&world);
    world.cut_at = 0;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 1500);
}

/* One sale whose power goes at flash operation `at` (counted from its start). True: the cut came
 * before its end. */
static bool sale_with_cut(unsigned long at, enum tear tear)
{
    restore();
    world.flash_ops = 0;
    world.cut_at = at;
    world.tear = tear;
    bool cut = setjmp(world.cut) != 0;
    if (!cut) {
        (void)sale(7, SETTLEMENT_SALE, 3, 1000);
        world_run(&world, 3000); /* printing, too */
    }
    bool before_the_end = world.flash_ops >= at;
    world.cut_at = 0;
    return before_the_end;
}

/* Whatever was lost: power on, the same key until it is answered, and everything is there once. */
static void expect_exactly_once(uint32_t documents_before, uint64_t cash_before)
{
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    struct outcome outcome = {0};
    for (unsigned attempt = 0; attempt < 5; attempt++) {
        outcome = sale(7, SETTLEMENT_SALE, 3, 1000);
        if (outcome.answered && outcome.refusal.code == ERROR_NONE)
            break;
    }
    world_must(outcome);
    assert_int_equal(fnm_document_count(world.fnm), documents_before + 1);
    assert_int_equal(outcome.result.document, documents_before + 1);
    struct fnm_document document;
    assert_true(fnm_document_get(world.fnm, documents_before + 1, &document));
    assert_int_equal(outcome.result.fiscal_sign, document.sign);
    assert_int_equal(outcome.result.receipt, document.receipt);
    assert_int_equal(outcome.result.shift, document.shift);
    assert_int_equal(outcome.result.total_kop, 3000);
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), cash_before + 3000);
    world_run(&world, 3000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    struct outcome again = world_must(sale(7, SETTLEMENT_SALE, 3, 1000));
    assert_int_equal(again.result.document, documents_before + 1);
    expect_refusal(sale(7, SETTLEMENT_SALE, 3, 1001), ERROR_KEY_CONFLICT, 0);
    struct outcome next = world_must(sale(8, SETTLEMENT_SALE, 1, 100));
    assert_int_equal(next.result.document, documents_before + 2);
}

static void test_cut_at_every_flash_operation(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    unsigned long cuts = 0;
    for (enum tear tear = TEAR_NOTHING; tear < TEAR_SHAPES; tear++) {
        for (unsigned long at = 1;; at++) {
            if (!sale_with_cut(at, tear))
                break;
            cuts++;
            expect_exactly_once(3, 500);
        }
    }
    print_message("%lu cuts, each flash operation of a sale in %d tear shapes\n", cuts,
                  TEAR_SHAPES);
    assert_true(cuts >=
                4 * TEAR_SHAPES); /* SLIP is absent; INTENT, DONE, PRINTING, PRINTED at least */
    world_destroy(&world);
}

/* A second cut at every flash operation of the recovery from each first cut. */
static void test_cut_in_recovery(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    unsigned long cuts = 0;
    for (volatile unsigned long first = 1;; first++) {
        for (volatile unsigned long second = 1;; second++) {
            if (!sale_with_cut(first, TEAR_PREFIX))
                goto end;
            world.flash_ops = 0;
            world.cut_at = second;
            if (setjmp(world.cut) == 0) {
                (void)world_power_on(&world);
                world_run(&world, 3000);
            }
            bool reached = world.flash_ops >= second;
            world.cut_at = 0;
            expect_exactly_once(3, 500);
            cuts++;
            if (!reached)
                break;
        }
    }
end:
    print_message("%lu double cuts\n", cuts);
    assert_true(cuts > 5);
    world_destroy(&world);
}

/* Each FN fault at each command of a sale; the host asks again until it knows. */
static void test_fn_faults(void **state)
{
    (void)state;
    static const enum fnm_fault faults[] = {FNM_FAULT_DROP_ANSWER, FNM_FAULT_LOSE_ANSWER,
                                            FNM_FAULT_CORRUPT_CRC, FNM_FAULT_POWER_BEFORE_COMMIT,
                                            FNM_FAULT_POWER_AFTER_COMMIT};
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    for (size_t fault = 0; fault < sizeof(faults) / sizeof(faults[0]); fault++) {
        for (unsigned command = 0; command < 4; command++) {
            restore();
            uint64_t start = world.firmware.fn.commands_sent;
            static uint8_t message[4096];
            size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 3, 1000);
            struct link_job job = {
                .device_tag = link_device_tag(WORLD_SERIAL), .body = body, .size = size};
            memset(job.key, 7, KEY_SIZE);
            struct byte_writer writer;
            byte_writer_init(&writer, message, sizeof(message));
            link_job_put(&writer, &job);
            world_send(&world, LINK_RECEIPT, message, writer.length);
            if (command == 0)
                fnm_fault(world.fnm, faults[fault], 0);
            for (unsigned turn = 0; turn < 3000; turn++) {
                bool was = world.firmware.fn.commands_sent == start + command;
                world_turn(&world);
                if (was && command > 0 && world.firmware.fn.commands_sent == start + command)
                    fnm_fault(world.fnm, faults[fault], 0);
                if (world.firmware.fn.commands_sent > start + command)
                    break;
            }
            world_run(&world, 60000);
            (void)world_receive(&world);
            expect_exactly_once(3, 500);
        }
    }
    world_destroy(&world);
}

/* A command lost on its way must not be taken for done because ENQ brings the answer before it:
 * least of all the second block of a receipt's data. */
static void test_lost_fn_commands(void **state)
{
    (void)state;
    static const struct {
        uint8_t command;
        unsigned after;
    } losses[] = {
        {FN_STATUS, 0}, {FN_RECEIPT_BEGIN, 0}, {FN_DATA, 0}, {FN_DATA, 1}, {FN_RECEIPT_FORM, 0}};
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        restore();
        world.lose_command = losses[i].command;
        world.lose_after = losses[i].after;
        struct outcome outcome = sale(7, SETTLEMENT_SALE, 30, 100);
        assert_int_equal(world.lose_command, 0);
        if (!outcome.answered || outcome.refusal.code != ERROR_NONE) {
            world_run(&world, 20000);
            outcome = world_must(sale(7, SETTLEMENT_SALE, 30, 100));
        }
        assert_int_equal(outcome.result.document, 4);
        assert_int_equal(fnm_document_count(world.fnm), 4);
        static uint8_t document[8192];
        size_t size = fnm_document_read(world.fnm, 4, document, sizeof(document));
        struct tlv_reader reader;
        struct tlv tlv;
        unsigned items = 0;
        tlv_reader_init(&reader, document + 4, size - 4);
        while (tlv_next(&reader, &tlv) == 1)
            items += tlv.tag == TAG_ITEM;
        assert_int_equal(items, 30);
    }
    world_destroy(&world);
}

/* A shift opening cut off by the FN's power after its commit: found again, and the cashier is still
 * known. */
static void test_cashier_survives_a_cut(void **state)
{
    (void)state;
    world_create(&world, false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    size_t size = world_registration(body, sizeof(body), FFD_1_05);
    world_must(world_job(&world, LINK_REGISTRATION, 1, body, size));
    fnm_fault(world.fnm, FNM_FAULT_POWER_AFTER_COMMIT, 0);
    static uint8_t message[256];
    struct link_job job = {.device_tag = link_device_tag(WORLD_SERIAL), .body = body};
    memset(job.key, 2, KEY_SIZE);
    job.size = world_cashier(body, sizeof(body));
    struct byte_writer writer;
    byte_writer_init(&writer, message, sizeof(message));
    link_job_put(&writer, &job);
    world_send(&world, LINK_SHIFT_OPEN, message, writer.length);
    for (unsigned turn = 0; fnm_document_count(world.fnm) < 2; turn++) {
        assert_true(turn < 100000);
        world_turn(&world);
    }
    assert_int_equal(world_power_on(&world), ERROR_NONE); /* the host never asks again */
    struct outcome outcome = world_must(sale(3, SETTLEMENT_SALE, 1, 100)); /* names no cashier */
    assert_int_equal(outcome.result.document, 3);
    assert_int_equal(outcome.result.shift, 1);
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
        cmocka_unit_test(test_cut_at_every_flash_operation),
        cmocka_unit_test(test_cut_in_recovery),
        cmocka_unit_test(test_fn_faults),
        cmocka_unit_test(test_lost_fn_commands),
        cmocka_unit_test(test_cashier_survives_a_cut),
        cmocka_unit_test(test_paper_out_in_a_slip),
        cmocka_unit_test(test_text_under_an_item_survives),
        cmocka_unit_test(test_garbage_on_the_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
