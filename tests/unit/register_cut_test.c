/* The cash register's promise: one key, one document, under power cuts at every flash operation,
 * cuts inside the recovery, and every fault of the FN's line. */
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

/* Flash that is a file loses with the power what was not synced. A receipt is answered before its
 * DONE is: INTENT and FN make the same answer again. */
static void test_unsynced_flash_is_lost(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    restore();
    struct outcome first = world_must(sale(7, SETTLEMENT_SALE, 3, 1000));
    assert_memory_not_equal(world.flash, world.synced, WORLD_FLASH); /* the DONE at least */
    memcpy(world.flash, world.synced, WORLD_FLASH);
    expect_exactly_once(3, 500);
    struct outcome again = world_must(sale(7, SETTLEMENT_SALE, 3, 1000));
    assert_int_equal(again.result.document, first.result.document);
    assert_int_equal(again.result.fiscal_sign, first.result.fiscal_sign);
    assert_int_equal(again.result.time, first.result.time);
    /* A closed shift's DONE is synced, and carries everything before it. */
    size_t size = world_cashier(body, sizeof(body));
    world_must(world_job(&world, LINK_SHIFT_CLOSE, 9, body, size));
    memcpy(world.flash, world.synced, WORLD_FLASH);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_int_equal(world_status(&world, TAG_SHIFT_STATE), SHIFT_CLOSED);
    world_destroy(&world);
}

/* Number 1 of the simulated world's finds. Flash dies between a receipt's INTENT and its DONE, the
 * processor goes on, and the host asks again: a refusal that carried the key would be taken as
 * proof that nothing was punched. */
static void test_refusal_by_a_dead_journal_proves_nothing(void **state)
{
    (void)state;
    world_create(&world, false);
    world_ready(&world, FFD_1_05);
    world_must(sale(1, SETTLEMENT_SALE, 1, 500));
    save();
    unsigned unproven = 0;
    for (unsigned long dead_from = 1; dead_from < 12; dead_from++) {
        restore();
        world.flash_ops = 0;
        world.dead_from = dead_from;
        for (unsigned attempt = 0; attempt < 3; attempt++) {
            struct outcome outcome = sale(7, SETTLEMENT_SALE, 3, 1000);
            if (!outcome.answered || outcome.refusal.code == ERROR_NONE)
                continue;
            bool keyed = world.assembler.length == LINK_REFUSAL_SIZE + KEY_SIZE;
            bool punched = fnm_document_count(world.fnm) == 4;
            if (keyed && outcome.refusal.code != ERROR_OUTCOME_UNKNOWN)
                assert_false(punched);
            unproven += !keyed;
        }
        world.dead_from = 0;
        expect_exactly_once(3, 500);
    }
    assert_true(unproven > 0);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_flash_operation),
        cmocka_unit_test(test_cut_in_recovery),
        cmocka_unit_test(test_fn_faults),
        cmocka_unit_test(test_lost_fn_commands),
        cmocka_unit_test(test_unsynced_flash_is_lost),
        cmocka_unit_test(test_cashier_survives_a_cut),
        cmocka_unit_test(test_refusal_by_a_dead_journal_proves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
