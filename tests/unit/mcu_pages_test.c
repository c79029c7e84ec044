/* A card that plays NOR flash: the same rules as a chip's, and after a power cut at every operation
 * of the card, in every shape, no page has anything but what a chip's could have. Then what stands
 * on it: the board's store and the journal, cut in the same way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "board/mcu/mcu_store.h"
#include "firmware/journal.h"
#include "tests/unit/ram_card.h"

#define SECTORS 6u
#define PAGES   (SECTORS * MCU_PAGES_OF_SECTOR)
#define BYTES   (SECTORS * MCU_PAGE_SECTOR)
#define FIRST   3u /* blocks before ours belong to somebody else, as do those between */
#define APART   (PAGES + 5u)
#define BLOCKS  (FIRST + APART + PAGES + 2u)

/* What the pages must hold: as now, and as it was one program earlier. */
struct model {
    uint8_t now[BYTES], earlier[BYTES];
};

static struct bench {
    struct ram_card card;
    struct mcu_pages pages;
    struct model model;
    uint8_t foreign[BLOCKS][MCU_BLOCK_BYTES];
    struct board board;
    uint32_t random;
} bench;

static uint32_t draw(void)
{
    bench.random = bench.random * 1664525u + 1013904223u;
    return bench.random >> 8;
}

static void power_on(void)
{
    ram_card_power_on(&bench.card);
    mcu_pages_init(&bench.pages, &bench.card.driver, FIRST, APART, PAGES);
}

static void start(uint8_t erased)
{
    ram_card_init(&bench.card, BLOCKS, erased);
    memcpy(bench.foreign, bench.card.blocks, sizeof bench.foreign);
    memset(&bench.model, 0xFF, sizeof bench.model);
    bench.random = 7;
    power_on();
}

static bool is_ours(uint32_t block)
{
    return block >= FIRST &&
           (block - FIRST < PAGES || (block - FIRST >= APART && block - FIRST - APART < PAGES));
}

static void stop(void)
{
    for (uint32_t block = 0; block < BLOCKS; block++) {
        if (!is_ours(block))
            assert_memory_equal(bench.card.blocks[block], bench.foreign[block], MCU_BLOCK_BYTES);
    }
    ram_card_free(&bench.card);
}

/* Every n-th operation of the workload follows from the draws before it. 0 done. */
struct operation {
    bool erase;
    uint32_t address, size;
    uint8_t bytes[MCU_PAGE_BYTES];
};

static void next_operation(struct operation *operation)
{
    memset(operation, 0, sizeof *operation);
    operation->erase = draw() % 8 == 0;
    if (operation->erase) {
        operation->address = draw() % SECTORS * MCU_PAGE_SECTOR;
        return;
    }
    uint32_t page = draw() % 5 * (PAGES / 5); /* few, so that they are written again and again */
    uint32_t offset = draw() % MCU_PAGE_BYTES;
    operation->address = page * MCU_PAGE_BYTES + offset;
    operation->size = 1 + draw() % (MCU_PAGE_BYTES - offset);
    for (uint32_t i = 0; i < operation->size; i++)
        operation->bytes[i] = (uint8_t)draw() & bench.model.now[operation->address + i];
}

static int execute(const struct operation *operation)
{
    return operation->erase ? mcu_pages_erase(&bench.pages, operation->address)
                            : mcu_pages_program(&bench.pages, operation->address, operation->bytes,
                                                operation->size);
}

static void note(const struct operation *operation)
{
    uint8_t *now = bench.model.now, *earlier = bench.model.earlier;
    if (operation->erase) {
        memset(now + operation->address, 0xFF, MCU_PAGE_SECTOR);
        memset(earlier + operation->address, 0xFF, MCU_PAGE_SECTOR);
        return;
    }
    uint32_t page = operation->address / MCU_PAGE_BYTES * MCU_PAGE_BYTES;
    memcpy(earlier + page, now + page, MCU_PAGE_BYTES);
    memcpy(now + operation->address, operation->bytes, operation->size);
}

static void expect_all(void)
{
    static uint8_t seen[BYTES];
    assert_int_equal(mcu_pages_read(&bench.pages, 0, seen, sizeof seen), 0);
    assert_memory_equal(seen, bench.model.now, sizeof seen);
}

static void keeps_the_rules_of_a_chip(void **state)
{
    struct operation operation;
    (void)state;
    for (unsigned erased = 0; erased < 2; erased++) {
        start(erased == 0 ? 0xFF : 0x00);
        for (uint32_t sector = 0; sector < SECTORS; sector++) {
            expect_all(); /* noise reads as erased */
            assert_int_equal(mcu_pages_erase(&bench.pages, sector * MCU_PAGE_SECTOR), 0);
        }
        for (unsigned i = 0; i < 3000; i++) {
            next_operation(&operation);
            assert_int_equal(execute(&operation), 0);
            note(&operation);
            if (i % 7 == 0)
                power_on();
            expect_all();
        }
        stop();
    }
}

static void refuses_what_a_chip_cannot(void **state)
{
    static const uint8_t zero[MCU_PAGE_BYTES + 1], ones[2] = {0xFF, 0xFF};
    uint8_t byte;
    (void)state;
    start(0xFF);
    assert_int_equal(mcu_pages_program(&bench.pages, 10, zero, 2), 0);
    memset(bench.model.now + 10, 0, 2);
    uint64_t operations = bench.card.operations;
    assert_true(mcu_pages_program(&bench.pages, 10, ones, 1) < 0);
    assert_true(mcu_pages_program(&bench.pages, 11, ones, 2) < 0);
    assert_true(mcu_pages_program(&bench.pages, MCU_PAGE_BYTES - 1, zero, 2) < 0);
    assert_true(mcu_pages_program(&bench.pages, 0, zero, MCU_PAGE_BYTES + 1) < 0);
    assert_true(mcu_pages_program(&bench.pages, BYTES, zero, 1) < 0);
    assert_true(mcu_pages_program(&bench.pages, UINT32_MAX, zero, 2) < 0);
    assert_true(mcu_pages_read(&bench.pages, BYTES, &byte, 1) < 0);
    assert_true(mcu_pages_read(&bench.pages, BYTES - 1, &byte, SIZE_MAX) < 0);
    assert_true(mcu_pages_erase(&bench.pages, 256) < 0);
    assert_true(mcu_pages_erase(&bench.pages, BYTES) < 0);
    assert_int_equal(bench.card.operations, operations);
    expect_all();
    stop();
}

/* Which of its possible contents each page of the cut operation has is taken over. */
static void settle(const struct operation *operation)
{
    uint32_t from = operation->address, size = MCU_PAGE_SECTOR;
    static struct model before;
    before = bench.model;
    if (!operation->erase) {
        from -= from % MCU_PAGE_BYTES;
        size = MCU_PAGE_BYTES;
    }
    note(operation);
    for (uint32_t page = from; page < from + size; page += MCU_PAGE_BYTES) {
        uint8_t seen[MCU_PAGE_BYTES];
        assert_int_equal(mcu_pages_read(&bench.pages, page, seen, sizeof seen), 0);
        bool is_old = memcmp(seen, before.now + page, sizeof seen) == 0;
        bool is_new = memcmp(seen, bench.model.now + page, sizeof seen) == 0;
        bool is_older = memcmp(seen, before.earlier + page, sizeof seen) == 0;
        assert_true(is_old || is_new || (operation->erase && is_older));
        memcpy(bench.model.now + page, seen, sizeof seen);
        if (is_old)
            memcpy(bench.model.earlier + page, before.earlier + page, sizeof seen);
        else if (operation->erase)
            memcpy(bench.model.earlier + page, seen, sizeof seen);
    }
}

static void cut_at_every_operation(void **state)
{
    enum { OPERATIONS = 120, CUTS_IN_A_ROW = 3 };
    unsigned cuts = 0;
    (void)state;
    for (int tear = 0; tear < CARD_TEARS; tear++)
        for (uint64_t cut = 1; cut <= OPERATIONS; cut++) {
            struct operation operation;
            start(tear % 2 == 0 ? 0xFF : 0x00);
            for (uint32_t sector = 0; sector < SECTORS; sector++)
                assert_int_equal(mcu_pages_erase(&bench.pages, sector * MCU_PAGE_SECTOR), 0);
            bench.random = (uint32_t)cut;
            bench.card.random_state = cut * CARD_TEARS + (uint64_t)tear;
            ram_card_cut_in(&bench.card, cut, (enum card_tear)tear);
            for (unsigned row = 0; row < CUTS_IN_A_ROW; row++) {
                do {
                    next_operation(&operation);
                } while (execute(&operation) == 0 && (note(&operation), true));
                assert_true(bench.card.dead);
                power_on();
                settle(&operation);
                expect_all();
                ram_card_cut_in(&bench.card, 1 + draw() % 3, (enum card_tear)tear);
                cuts++;
            }
            ram_card_power_on(&bench.card);
            stop();
        }
    print_message("%u cuts\n", cuts);
    assert_int_equal(cuts, CARD_TEARS * OPERATIONS * CUTS_IN_A_ROW);
}

/* A cut may not be mended by a later read: the same page twice over, torn each time. */
static void the_same_page_torn_again_and_again(void **state)
{
    uint8_t byte = 0xFE, seen;
    (void)state;
    start(0xFF);
    assert_int_equal(mcu_pages_erase(&bench.pages, 0), 0);
    assert_int_equal(mcu_pages_program(&bench.pages, 0, &byte, 1), 0);
    for (unsigned i = 0; i < 20; i++) {
        uint8_t next = 0;
        ram_card_cut_in(&bench.card, 1, CARD_TEAR_GARBAGE);
        assert_true(mcu_pages_program(&bench.pages, 0, &next, 1) < 0);
        power_on();
        assert_int_equal(mcu_pages_read(&bench.pages, 0, &seen, 1), 0);
        assert_int_equal(seen, byte);
    }
    stop();
}

static void a_card_that_lies_or_fails_is_told(void **state)
{
    static const enum card_fault faults[] = {CARD_FAULT_SILENT, CARD_FAULT_ERROR,
                                             CARD_FAULT_ERROR_DONE, CARD_FAULT_MISDIRECTED};
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint8_t one = 0x0F, two = 0x00, seen;
        start(0xFF);
        assert_int_equal(mcu_pages_erase(&bench.pages, 0), 0);
        assert_int_equal(mcu_pages_program(&bench.pages, 0, &one, 1), 0);
        bench.card.fault_at = bench.card.operations + 1;
        bench.card.fault = faults[i];
        assert_true(mcu_pages_program(&bench.pages, 0, &two, 1) < 0);
        assert_int_equal(mcu_pages_read(&bench.pages, 0, &seen, 1), 0);
        assert_int_equal(seen, faults[i] == CARD_FAULT_ERROR_DONE ? two : one);
        /* What went to the neighbour's block is not the neighbour's content. */
        assert_int_equal(mcu_pages_read(&bench.pages, MCU_PAGE_BYTES, &seen, 1), 0);
        assert_int_equal(seen, 0xFF);
        bench.card.fault_at = bench.card.operations + 1;
        bench.card.fault = CARD_FAULT_ERROR;
        assert_true(mcu_pages_erase(&bench.pages, 0) < 0);
        bench.card.reads_fail = true;
        assert_true(mcu_pages_read(&bench.pages, 5 * MCU_PAGE_BYTES, &seen, 1) < 0);
        assert_true(mcu_pages_program(&bench.pages, 5 * MCU_PAGE_BYTES, &two, 1) < 0);
        ram_card_free(&bench.card);
    }
}

/* ---- what stands on it ---- */

static int flash_read(void *context, uint32_t address, void *data, size_t size)
{
    return mcu_pages_read(context, address, data, size);
}

static int flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    return mcu_pages_program(context, address, data, size);
}

static int flash_erase(void *context, uint32_t address)
{
    return mcu_pages_erase(context, address);
}

static int flash_sync(void *context)
{
    (void)context;
    return 0;
}

static const struct board_flash flash = {.size = BYTES,
                                         .sector_size = MCU_PAGE_SECTOR,
                                         .page_size = MCU_PAGE_BYTES,
                                         .erased = 0xFF,
                                         .read = flash_read,
                                         .program = flash_program,
                                         .erase = flash_erase,
                                         .sync = flash_sync};

static void the_store_keeps_its_values(void **state)
{
    unsigned cuts = 0;
    (void)state;
    for (int tear = 0; tear < CARD_TEARS; tear++)
        for (uint64_t cut = 1;; cut++) {
            struct mcu_store store;
            uint32_t value = 0, seen = 0;
            start(0xFF);
            bench.card.random_state = cut;
            ram_card_cut_in(&bench.card, cut, (enum card_tear)tear);
            if (mcu_store_mount(&store, &flash, &bench.pages, 0, 2) == 0)
                while (value < 400 && (value++, mcu_store_put(&store, MCU_STORE_CLOCK_OFFSET,
                                                              &value, sizeof value) == 0))
                    ;
            if (!bench.card.dead) {
                stop();
                break;
            }
            power_on();
            assert_int_equal(mcu_store_mount(&store, &flash, &bench.pages, 0, 2), 0);
            int size = mcu_store_get(&store, MCU_STORE_CLOCK_OFFSET, &seen, sizeof seen);
            if (value > 1 || size != 0)
                assert_int_equal(size, sizeof seen);
            assert_true(seen == value || seen + 1 == value);
            cuts++;
            stop();
        }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 2000);
}

struct walk {
    uint32_t last;
    unsigned records;
};

static bool count_record(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct walk *walk = user;
    uint32_t number;
    if (record->type == JOURNAL_CHECKPOINT)
        return true;
    memcpy(&number, payload, sizeof number);
    if (walk->records > 0)
        assert_int_equal(number, walk->last + 1);
    walk->last = number;
    walk->records++;
    return true;
}

static void no_checkpoint(void *user, struct byte_writer *writer)
{
    (void)user, (void)writer;
}

/* J3 of journal.h: a prefix of what was appended, with all that was answered. */
static void the_journal_loses_nothing(void **state)
{
    static struct journal journal;
    static struct journal_scratch scratch;
    const struct journal_region region = {
        .first_sector = 0, .sectors = SECTORS, .scratch = &scratch};
    unsigned cuts = 0;
    (void)state;
    for (int tear = 0; tear < CARD_TEARS; tear++)
        for (uint64_t cut = 1;; cut += 3) {
            uint8_t payload[300] = {0};
            uint32_t number = 0;
            start(0xFF);
            for (uint32_t sector = 0; sector < SECTORS; sector++)
                assert_int_equal(mcu_pages_erase(&bench.pages, sector * MCU_PAGE_SECTOR), 0);
            bench.board = (struct board){.context = &bench.pages, .flash = flash};
            bench.card.random_state = cut;
            ram_card_cut_in(&bench.card, cut, (enum card_tear)tear);
            if (journal_mount(&journal, &bench.board, region, NULL, no_checkpoint, NULL) == 0)
                while (number < 150) {
                    number++;
                    memcpy(payload, &number, sizeof number);
                    if (journal_append(&journal, JOURNAL_SLIP, payload, 20 + number * 37 % 280,
                                       NULL) != 0)
                        break;
                    while (journal_maintain(&journal))
                        ;
                }
            bool was_cut = bench.card.dead;
            struct walk walk = {0};
            power_on();
            assert_int_equal(
                journal_mount(&journal, &bench.board, region, NULL, no_checkpoint, NULL), 0);
            journal_walk(&journal, count_record, &walk);
            assert_true(walk.last == number || walk.last + 1 == number);
            if (number > 1)
                assert_true(walk.records > 0);
            stop();
            if (!was_cut)
                break;
            cuts++;
        }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_rules_of_a_chip),
        cmocka_unit_test(refuses_what_a_chip_cannot),
        cmocka_unit_test(cut_at_every_operation),
        cmocka_unit_test(the_same_page_torn_again_and_again),
        cmocka_unit_test(a_card_that_lies_or_fails_is_told),
        cmocka_unit_test(the_store_keeps_its_values),
        cmocka_unit_test(the_journal_loses_nothing),
    };
    return cmocka_run_group_tests_name("mcu_pages", tests, NULL, NULL);
}
