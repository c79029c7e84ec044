/* Flash that fails at a chosen call: every read of mounting and of a lookup, every sync, programs
 * of chosen places, erases that never work. What fails is said, nothing that was promised is lost,
 * and when flash works again so does the journal. */
#include "firmware/journal_internal.h"
#include "tests/unit/journal_model.h"

#define SECTOR 4096u

struct chip {
    struct ram_flash flash;
    struct model *model;
    uint32_t fail_sync_in;       /* the n-th next sync says no; 0: none */
    uint32_t deaf_from, deaf_to; /* programs from this to that offset of a sector do nothing */
};

/* The board's functions know the chip in RAM only. */
static struct chip *the_chip;

static int failing_sync(void *context)
{
    if (the_chip->fail_sync_in > 0 && --the_chip->fail_sync_in == 0)
        return -1;
    return ram_flash_sync(context);
}

static int deaf_program(void *context, uint32_t address, const void *data, size_t size)
{
    uint32_t offset = address % SECTOR;
    if (offset >= the_chip->deaf_from && offset < the_chip->deaf_to)
        return 0;
    return ram_flash_program(context, address, data, size);
}

static struct model *start(struct chip *chip, uint32_t sectors)
{
    memset(chip, 0, sizeof(*chip));
    the_chip = chip;
    ram_flash_init(&chip->flash, SECTOR * sectors, SECTOR, 256, 0xFF);
    chip->model =
        model_new(&chip->flash, (struct journal_region){0, sectors, &test_scratch}, 21, 300);
    chip->model->board.flash.sync = failing_sync;
    chip->model->board.flash.program = deaf_program;
    return chip->model;
}

static void stop(struct chip *chip)
{
    free(chip->model);
    ram_flash_free(&chip->flash);
    the_chip = NULL;
}

static void append_many(struct model *model, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(model_append(model, 0), ERROR_NONE);
        (void)journal_maintain(&model->journal);
    }
}

/* ---- Reads ---- */

/* Mounts with every read failing from the n-th on, for each n, until one needs no more reads than
 * it got. */
static void mount_with_failing_reads(struct chip *chip)
{
    struct ram_flash found;
    ram_flash_init(&found, chip->flash.size, SECTOR, 256, 0xFF);
    ram_flash_copy(&found, &chip->flash);
    uint32_t refused = 0;
    for (uint64_t n = 1; n < 20000; n++) {
        struct ram_flash *flash = &chip->flash;
        ram_flash_copy(flash, &found);
        flash->fail_reads_after = n;
        uint16_t error = model_mount(chip->model);
        flash->fail_reads_after = 0;
        if (error == ERROR_NONE)
            break;
        assert_int_equal(error, ERROR_JOURNAL_FAULT);
        assert_false(journal_maintain(&chip->model->journal));
        refused++;
    }
    assert_true(refused > chip->model->region.sectors && refused < 19000);
    assert_int_equal(model_mount(chip->model), ERROR_NONE);
    ram_flash_free(&found);
}

static void test_reads_of_a_mount(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 5);
    /* Blank flash. */
    mount_with_failing_reads(&chip);
    /* One sector, a mended tail in it, then damage before its last record. */
    append_many(model, 3);
    ram_flash_cut_in(&chip.flash, 1, RAM_TEAR_PREFIX);
    assert_int_not_equal(model_append(model, 0), ERROR_NONE);
    ram_flash_power_on(&chip.flash);
    mount_with_failing_reads(&chip);
    model->log.count = model->state.count;
    append_many(model, 2);
    mount_with_failing_reads(&chip);
    model_check_log(model);
    /* A torn tail that is looked through to the end of the sector. */
    ram_flash_cut_in(&chip.flash, 1, RAM_TEAR_ALL_BUT_LAST_BYTE);
    assert_int_not_equal(model_append(model, 0), ERROR_NONE);
    ram_flash_power_on(&chip.flash);
    mount_with_failing_reads(&chip);
    model_check_log(model);
    /* Several sectors; then the header of the only one rotten. */
    append_many(model, 60);
    mount_with_failing_reads(&chip);
    model_check_log(model);
    stop(&chip);
    model = start(&chip, 5);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 3);
    chip.flash.bytes[10] ^= 1;
    mount_with_failing_reads(&chip);
    model_check_log(model);
    stop(&chip);
}

/* Each read of a lookup fails in turn: an error, never "absent". */
static void find_with_failing_reads(struct chip *chip, const uint8_t key[KEY_SIZE], int expected)
{
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    uint32_t errors = 0;
    int found = -1;
    for (uint64_t n = 1; found < 0; n++) {
        chip->flash.fail_reads_after = n;
        found = journal_find(&chip->model->journal, key, 1u << JOURNAL_INTENT, NULL, payload,
                             sizeof(payload));
        chip->flash.fail_reads_after = 0;
        errors += found < 0;
    }
    assert_int_equal(found, expected);
    assert_true(errors > 0);
}

static void test_reads_of_a_lookup(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 6);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 70);
    struct model_walk walk = model_walk(model);
    uint8_t key[KEY_SIZE];
    for (uint32_t index = walk.first; index < walk.next; index += 3) {
        if (model_type(index) != JOURNAL_INTENT)
            continue;
        model_key(index / 2, key);
        find_with_failing_reads(&chip, key, 1);
    }
    /* A sector that lost header and footer: its first record tells that it is ours. */
    struct place older = place_back(&model->journal, 1, 0);
    chip.flash.bytes[older.sector * SECTOR + 9] ^= 0x11;
    chip.flash.bytes[older.sector * SECTOR + SECTOR - 1] ^= 0x11;
    model_key(walk.first / 2 + 1, key);
    find_with_failing_reads(&chip, key, 1);
    model_key(60000, key);
    find_with_failing_reads(&chip, key, 0);
    stop(&chip);
}

static void test_reads_by_name(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 6);
    uint8_t payload[100] = {1};
    struct journal_record record;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(
        journal_append(&model->journal, JOURNAL_SLIP, payload, sizeof(payload), &record),
        ERROR_NONE);
    for (uint64_t n = 1; n <= 2; n++) {
        chip.flash.fail_reads_after = n;
        assert_false(journal_read(&model->journal, &record, payload, sizeof(payload)));
        chip.flash.fail_reads_after = 0;
    }
    assert_true(journal_read(&model->journal, &record, payload, sizeof(payload)));
    stop(&chip);
}

/* ---- Syncs ---- */

/* Each sync of a life fails in turn: an error where one is due, and afterwards all that was
 * acknowledged is there. */
static void test_each_sync(void **state)
{
    (void)state;
    uint32_t told = 0;
    for (uint32_t n = 1; n < 80; n++) {
        struct chip chip;
        struct model *model = start(&chip, 4);
        chip.fail_sync_in = n;
        uint16_t error = model_mount(model);
        told += error != ERROR_NONE;
        if (error != ERROR_NONE)
            assert_int_equal(model_mount(model), ERROR_NONE);
        for (unsigned i = 0; i < 60; i++) {
            error = model_append(model, 0);
            told += error != ERROR_NONE;
            error = journal_sync(&model->journal);
            told += error != ERROR_NONE;
            (void)journal_maintain(&model->journal);
        }
        struct model_state before = model->state;
        assert_true(before.count >= 58);
        chip.fail_sync_in = 0;
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_memory_equal(&before, &model->state, sizeof(before));
        model_check_log(model);
        stop(&chip);
    }
    assert_true(told >= 40);
}

/* ---- Programs ---- */

/* No sector takes a checkpoint: three are tried, then it is said. */
static void test_deaf_checkpoints(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 12);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 60);
    chip.deaf_from = JOURNAL_SECTOR_HEADER_BYTES;
    chip.deaf_to = JOURNAL_SECTOR_HEADER_BYTES + 8;
    assert_int_equal(journal_rotate(&model->journal), ERROR_JOURNAL_FAULT);
    assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FAULT);
    chip.deaf_to = 0;
    append_many(model, 60);
    model_check_log(model);
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&chip);
}

/* Sectors begin well but take no record. */
static void test_deaf_records(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 12);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 30);
    struct model_state before = model->state;
    chip.deaf_from = JOURNAL_SECTOR_HEADER_BYTES + record_span(model->checkpoint_size);
    chip.deaf_to = SECTOR;
    assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FAULT);
    chip.deaf_to = 0;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    append_many(model, 60);
    model_check_log(model);
    stop(&chip);
}

/* A torn tail that cannot be made away with: nothing is written behind it. */
static void test_deaf_mending(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 6);
    model->size_min = 700;
    model->size_max = 900;
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 2);
    uint32_t tail = model->journal.head_offset;
    uint32_t head = model->journal.head_sector;
    ram_flash_cut_in(&chip.flash, 3, RAM_TEAR_PREFIX);
    assert_int_not_equal(model_append(model, 0), ERROR_NONE);
    ram_flash_power_on(&chip.flash);
    chip.deaf_from = tail;
    chip.deaf_to = tail + 200;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_true(model->journal.head_closed);
    chip.deaf_to = 0;
    append_many(model, 1);
    assert_int_not_equal(model->journal.head_sector, head);
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&chip);
}

/* ---- Erases ---- */

/* Nothing erases any more, and nobody is idle: appends go on trying, lose no more history than they
 * must, and when a sector erases again it is used. */
static void test_no_erase_at_all(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 8);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 100);
    chip.flash.has_bad_sector = true;
    chip.flash.bad_sector = UINT32_MAX;
    uint16_t error = ERROR_NONE;
    while (error == ERROR_NONE)
        error = model_append(model, 0);
    assert_int_equal(error, ERROR_JOURNAL_FULL);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FULL);
        assert_false(journal_maintain(&model->journal));
    }
    /* The head is never erased: its records are there. */
    struct model_state before = model->state;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    chip.flash.has_bad_sector = false;
    append_many(model, 100);
    model_check_log(model);
    stop(&chip);
}

/* A sector among those erased ahead that does not erase is passed over, and counted out. */
static void test_bad_sector_ahead(void **state)
{
    (void)state;
    struct chip chip;
    struct model *model = start(&chip, 12);
    assert_int_equal(model_mount(model), ERROR_NONE);
    append_many(model, 40);
    chip.flash.has_bad_sector = true;
    chip.flash.bad_sector = (model->journal.head_sector + 5) % 12;
    for (unsigned i = 0; i < 400; i++) {
        append_many(model, 1);
        while (journal_maintain(&model->journal)) {
        }
        uint32_t erased = 0;
        for (uint32_t distance = 1; distance <= model->journal.ahead_distance; distance++) {
            uint32_t sector = place_ahead(&model->journal, distance, 0).sector;
            erased += sector_header_get(&model->journal, sector).class == SECTOR_ERASED;
        }
        assert_int_equal(erased, model->journal.erased_ahead);
        assert_int_equal(erased, 3);
    }
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&chip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_of_a_mount), cmocka_unit_test(test_reads_of_a_lookup),
        cmocka_unit_test(test_reads_by_name),    cmocka_unit_test(test_each_sync),
        cmocka_unit_test(test_deaf_checkpoints), cmocka_unit_test(test_deaf_records),
        cmocka_unit_test(test_deaf_mending),     cmocka_unit_test(test_no_erase_at_all),
        cmocka_unit_test(test_bad_sector_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
