/* A sector from its first record to its footer: numbers, the blank stretch that ends the records,
 * footers that a cut tore, and a record that is written twice because it could not be read back. */
#include "firmware/journal_internal.h"
#include "tests/unit/journal_model.h"

#define SECTOR  4096u
#define SECTORS 6u

struct chip {
    struct ram_flash flash;
    struct model *model;
    uint32_t fail_from; /* reads so many calls from now, three in a row, say no; 0: none */
};

/* The board's functions know the chip in RAM only. */
static struct chip *the_chip;

static int failing_read(void *context, uint32_t address, void *data, size_t size)
{
    if (the_chip->fail_from > 0 && --the_chip->fail_from < 3)
        return -1;
    return ram_flash_read(context, address, data, size);
}

static struct model *start(struct chip *chip)
{
    memset(chip, 0, sizeof(*chip));
    the_chip = chip;
    ram_flash_init(&chip->flash, SECTOR * SECTORS, SECTOR, 256, 0xFF);
    chip->model =
        model_new(&chip->flash, (struct journal_region){0, SECTORS, &test_scratch}, 21, 300);
    chip->model->board.flash.read = failing_read;
    assert_int_equal(model_mount(chip->model), ERROR_NONE);
    return chip->model;
}

static void stop(struct chip *chip)
{
    free(chip->model);
    ram_flash_free(&chip->flash);
    the_chip = NULL;
}

/* ---- Numbers ---- */

static void put_with_number(struct model *model, uint32_t sequence)
{
    struct journal *journal = &model->journal;
    struct place place = place_back(journal, 0, journal->head_offset);
    memset(journal->scratch, 0, 64);
    assert_true(record_put(journal, &place, JOURNAL_PRINTED, 8, sequence));
    journal->head_offset += record_span(8);
}

static void replay_nothing(void *user, const struct journal_record *record, const uint8_t *payload)
{
    uint32_t *records = user;
    (void)record, (void)payload;
    ++*records;
}

static void no_checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    put_fill(writer, 0, 8);
}

/* A record whose checksum is right is one only when its number may follow: the expected one, or
 * some more for records that rotted, but never so many that they would not fit into the sector. */
static void test_numbers_that_may_follow(void **state)
{
    (void)state;
    static const struct {
        int32_t step; /* from the number before */
        bool accepted;
    } cases[] = {{1, true},  {2, true},   {(int32_t)(SECTOR / 12 + 1), true},
                 {0, false}, {-1, false}, {(int32_t)(SECTOR / 12 + 2), false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct chip chip;
        struct model *model = start(&chip);
        uint32_t records = 0;
        put_with_number(model, 50);
        put_with_number(model, (uint32_t)(50 + cases[i].step));
        assert_int_equal(journal_mount(&model->journal, &model->board, model->region,
                                       replay_nothing, no_checkpoint, &records),
                         ERROR_NONE);
        assert_int_equal(records, cases[i].accepted ? 3 : 2);
        assert_int_equal(model->journal.damaged_records, cases[i].accepted ? 0 : 1);
        assert_true(model->journal.next_sequence ==
                    (uint32_t)(51 + (cases[i].accepted ? cases[i].step : 0)));
        stop(&chip);
    }
}

/* ---- The end of the records ---- */

/* However full a sector became, 12 blank bytes stand between its records and its footer, and a scan
 * ends there without a word of damage. */
static void test_blank_before_the_footer(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip);
    struct journal *journal = &model->journal;
    uint32_t generation = journal->head_generation, least = SECTOR;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t payload[600];
        memset(payload, (int)i, sizeof(payload));
        uint32_t room = SECTOR - footer_size(journal->key_count) - 12 - journal->head_offset;
        bool full = room < JOURNAL_RECORD_HEADER_BYTES;
        bool exactly = !full && room < 600;
        uint32_t size = exactly ? (room & ~3u) - JOURNAL_RECORD_HEADER_BYTES : 20 + i % 90;
        /* Not even the smallest record goes into a full one. */
        size = full ? 0 : size;
        uint8_t type = exactly || full ? JOURNAL_PRINTED : JOURNAL_DONE;
        assert_int_equal(journal_append(journal, type, payload, size, NULL), ERROR_NONE);
        (void)journal_maintain(journal);
        if (journal->head_generation == generation)
            continue;
        generation = journal->head_generation;
        struct scan scan;
        struct place place = place_back(journal, 1, JOURNAL_SECTOR_HEADER_BYTES);
        const uint8_t *bytes = chip.flash.bytes + place.sector * SECTOR;
        uint32_t footer = SECTOR - footer_size(get_u16le(bytes + SECTOR - FOOTER_TAIL));
        assert_true(footer_is_whole(journal, place));
        assert_true(bytes_are(bytes + footer - 12, 12, 0xFF));
        scan_start(&scan, journal, place, journal->sector_size);
        while (scan_next(&scan, true)) {
        }
        assert_int_equal(scan.damaged, 0);
        least = footer - scan.clean_end < least ? footer - scan.clean_end : least;
    }
    /* It came as close as it may. */
    assert_true(least < 16);
    stop(&chip);
}

/* ---- Footers ---- */

static void append_small(struct journal *journal, uint32_t number)
{
    uint8_t payload[24] = {0xEE};
    memcpy(payload + 4, &number, sizeof(number));
    assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, sizeof(payload), NULL),
                     ERROR_NONE);
    (void)journal_maintain(journal);
}

static void check_footers(struct journal *journal)
{
    for (uint32_t back = 1; back < journal->used_sectors; back++)
        assert_true(footer_is_whole(journal, place_back(journal, back, 0)));
}

/* A cut at any operation of the change from one sector to the next; then records so small that they
 * would still fit in. When the log has gone on, every older sector has its whole footer, so that
 * the bound of a lookup holds. */
static void cut_change(struct chip *chip, uint32_t changes)
{
    struct model *model = start(chip);
    struct journal *journal = &model->journal;
    struct ram_flash before;
    ram_flash_init(&before, SECTOR * SECTORS, SECTOR, 256, 0xFF);
    uint32_t generation = journal->head_generation + changes;
    while (journal->head_generation < generation) {
        ram_flash_copy(&before, &chip->flash);
        assert_int_equal(model_append(model, 0), ERROR_NONE);
        (void)journal_maintain(journal);
    }
    for (uint64_t n = 1; n < 6; n++) {
        for (enum ram_tear tear = 0; tear < RAM_TEARS; tear++) {
            ram_flash_copy(&chip->flash, &before);
            assert_int_equal(model_mount(model), ERROR_NONE);
            ram_flash_cut_in(&chip->flash, n, tear);
            (void)model_append(model, 0);
            assert_true(chip->flash.dead);
            ram_flash_power_on(&chip->flash);
            assert_int_equal(model_mount(model), ERROR_NONE);
            for (uint32_t i = 0; journal->head_generation <= generation; i++)
                append_small(journal, i);
            check_footers(journal);
        }
    }
    ram_flash_free(&before);
    stop(chip);
}

static void test_footers_after_cuts(void **state)
{
    (void)state;
    struct chip chip;
    for (uint32_t changes = 2; changes < 14; changes++)
        cut_change(&chip, changes);
}

/* ---- The format mark ---- */

/* However a first boot was cut, once the log stands no mark says that it is being made. */
static void test_no_mark_is_left(void **state)
{
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct chip chip;
        struct model *model = start(&chip);
        memset(chip.flash.bytes, 0xFF, chip.flash.size);
        ram_flash_cut_in(&chip.flash, n, RAM_TEAR_NOTHING);
        (void)model_mount(model);
        bool cut = chip.flash.dead;
        ram_flash_power_on(&chip.flash);
        assert_int_equal(model_mount(model), ERROR_NONE);
        for (uint32_t sector = 0; sector < SECTORS; sector++) {
            enum sector_class class = sector_header_get(&model->journal, sector).class;
            assert_int_not_equal(class, SECTOR_FORMATTING);
        }
        stop(&chip);
        if (!cut) {
            assert_true(n > 6);
            return;
        }
    }
}

/* ---- Read back wrong ---- */

/* The record is on flash, but reading it back fails for a while: its second try is the only one. */
static void test_record_that_reads_badly(void **state)
{
    (void)state;
    uint32_t moved = 0;
    for (uint32_t n = 3; n < 25; n++) {
        struct chip chip;
        struct model *model = start(&chip);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(model_append(model, 0), ERROR_NONE);
        uint32_t head = model->journal.head_sector;
        chip.fail_from = n;
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(model_append(model, 0), ERROR_NONE);
        assert_int_equal(chip.fail_from, 0);
        moved += model->journal.head_sector != head;
        /* No number comes twice, in this run or the next. */
        model_check_log(model);
        assert_int_equal(model_mount(model), ERROR_NONE);
        model_check_log(model);
        stop(&chip);
    }
    assert_true(moved > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_that_may_follow),
        cmocka_unit_test(test_blank_before_the_footer),
        cmocka_unit_test(test_footers_after_cuts),
        cmocka_unit_test(test_no_mark_is_left),
        cmocka_unit_test(test_record_that_reads_badly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
