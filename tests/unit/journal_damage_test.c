/* The journal on flash that lies, rots, wears out or holds something else. */
#include "tests/unit/journal_model.h"

#define SECTOR 4096u

static struct model *start(struct ram_flash *flash, uint32_t sectors, uint8_t erased)
{
    ram_flash_init(flash, SECTOR * sectors, SECTOR, 256, erased);
    struct model *model =
        model_new(flash, (struct journal_region){0, sectors, &test_scratch}, 21, 300);
    assert_int_equal(model_mount(model), ERROR_NONE);
    return model;
}

static void stop(struct ram_flash *flash, struct model *model)
{
    free(model);
    ram_flash_free(flash);
}

static void append_many(struct model *model, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(model_append(model, 0), ERROR_NONE);
        (void)journal_maintain(&model->journal);
    }
}

/* ---- Rot ---- */

/* Mounts a rotten log: it comes up, gives out nothing that was not written, misses at most `lost`
 * records, and goes on. */
static void check_rotten(struct model *model, const struct model *sound, uint32_t lost,
                         uint32_t records)
{
    model_copy(model, sound, model->board.context);
    assert_int_equal(model_mount(model), ERROR_NONE);
    struct model_walk walk = model_walk(model);
    assert_false(walk.wrong);
    assert_false(walk.newer);
    assert_true(walk.records + lost >= records);
    uint32_t missed = 0;
    for (uint32_t i = walk.first; i < model->log.count; i++) {
        uint8_t key[KEY_SIZE];
        uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
        if (model_type(i) == JOURNAL_PRINTED)
            continue;
        model_key(i / 2, key);
        int found =
            journal_find(&model->journal, key, 1u << model_type(i), NULL, payload, sizeof(payload));
        assert_true(found >= 0);
        missed += found == 0;
        if (found == 1) {
            uint8_t wanted[LIMIT_JOURNAL_RECORD_BYTES];
            uint16_t size = model_payload(model, i, model->log.variants[i], wanted);
            assert_memory_equal(payload, wanted, size);
        }
    }
    assert_true(missed <= lost);
    uint8_t last[KEY_SIZE] = {0xEE};
    struct journal_record record;
    assert_int_equal(journal_append(&model->journal, JOURNAL_SLIP, last, sizeof(last), &record),
                     ERROR_NONE);
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_true(journal_read(&model->journal, &record, last, sizeof(last)));
}

static void rot_everywhere(unsigned bits, uint32_t step, uint32_t lost)
{
    struct ram_flash flash;
    struct ram_flash rotten;
    struct model *sound = start(&flash, 5, 0xFF);
    append_many(sound, 45);
    uint32_t records = model_walk(sound).records;
    ram_flash_init(&rotten, flash.size, SECTOR, 256, 0xFF);
    struct model *model = model_new(&rotten, sound->region, sound->size_min, sound->size_max);
    for (uint32_t at = 0; at < flash.size; at += step) {
        ram_flash_copy(&rotten, &flash);
        for (unsigned bit = 0; bit < bits; bit++)
            rotten.bytes[at] ^= (uint8_t)(1u << ((at + bit) % 8));
        check_rotten(model, sound, lost, records);
    }
    free(model);
    ram_flash_free(&rotten);
    stop(&flash, sound);
}

static void test_rot(void **state)
{
    (void)state;
    rot_everywhere(1, 3, 1);
    rot_everywhere(2, 7, 1);
    rot_everywhere(8, 5, 1);
}

/* The newest checkpoint rots: the state comes from the one before and all records since. */
static void test_rotten_checkpoint(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 6, 0xFF);
    append_many(model, 60);
    struct model_state before = model->state;
    uint32_t head = model->journal.head_sector;
    assert_true(model->journal.used_sectors >= 2);
    flash.bytes[head * SECTOR + JOURNAL_SECTOR_HEADER_BYTES + 20] ^= 4;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    assert_true(model->journal.damaged_records > 0);
    stop(&flash, model);
}

/* All of a sector is lost: the others still answer, and the board still starts. */
static void test_lost_sector(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 6, 0xFF);
    append_many(model, 60);
    uint32_t victim = (model->journal.head_sector + 6 - 1) % 6;
    for (uint32_t i = 0; i < SECTOR; i++)
        flash.bytes[victim * SECTOR + i] = (uint8_t)ram_flash_random(&flash);
    assert_int_equal(model_mount(model), ERROR_NONE);
    struct model_walk walk = model_walk(model);
    assert_false(walk.wrong);
    assert_true(walk.gaps <= 1 && walk.records > 10);
    model_check_found(model, model->log.count - 1 - (model->log.count % 7 == 0));
    stop(&flash, model);
}

/* ---- Images that are not ours to touch ---- */

static void expect_untouched(struct model *model, struct ram_flash *flash, uint16_t error)
{
    uint64_t operations = flash->operations;
    assert_int_equal(model_mount(model), error);
    assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FAULT);
    assert_false(journal_maintain(&model->journal));
    assert_true(flash->operations == operations);
}

static void test_foreign_images(void **state)
{
    (void)state;
    struct ram_flash flash;
    ram_flash_init(&flash, 8 * SECTOR, SECTOR, 256, 0xFF);
    struct model *model = model_new(&flash, (struct journal_region){0, 8, &test_scratch}, 21, 300);
    /* One byte anywhere in the region is enough. */
    for (uint32_t at = 0; at < flash.size; at += 1021) {
        memset(flash.bytes, 0xFF, flash.size);
        flash.bytes[at] = 0x7F;
        expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    }
    for (unsigned round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < flash.size; i++)
            flash.bytes[i] = (uint8_t)ram_flash_random(&flash);
        expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    }
    memset(flash.bytes, 0x00, flash.size);
    expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    memset(flash.bytes, 0xFF, flash.size);
    assert_int_equal(model_mount(model), ERROR_NONE);
    stop(&flash, model);
}

static void test_other_geometry(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 8, 0xFF);
    append_many(model, 30);
    model->region.sectors = 7;
    expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    model->region.sectors = 8;
    assert_int_equal(model_mount(model), ERROR_NONE);
    stop(&flash, model);
}

static void test_newer_version(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 4, 0xFF);
    append_many(model, 5);
    uint8_t *header = flash.bytes + model->journal.head_sector * SECTOR + 4;
    assert_memory_equal(header, "KKTJ", 4);
    header[4] = JOURNAL_FORMAT_VERSION + 1;
    header[9] ^= 0x55; /* what else a newer format means is its own affair */
    uint32_t crc = crc32c_update(CRC32C_INIT, header, JOURNAL_SECTOR_HEADER_BYTES - 8);
    for (unsigned i = 0; i < 4; i++)
        header[JOURNAL_SECTOR_HEADER_BYTES - 8 + i] = (uint8_t)(crc >> (8 * i));
    expect_untouched(model, &flash, ERROR_VERSION_UNSUPPORTED);
    stop(&flash, model);
}

/* ---- Flash that lies ---- */

static void test_faults(void **state)
{
    (void)state;
    for (enum ram_fault fault = RAM_FAULT_SILENT; fault < RAM_FAULTS; fault++) {
        for (uint64_t at = 1; at < 150; at++) {
            struct ram_flash flash;
            ram_flash_init(&flash, 5 * SECTOR, SECTOR, 256, 0xFF);
            struct model *model =
                model_new(&flash, (struct journal_region){0, 5, &test_scratch}, 21, 300);
            flash.random_state = at;
            flash.fault_at = at;
            flash.fault = fault;
            uint16_t error = model_mount(model);
            if (error != ERROR_NONE)
                error = model_mount(model);
            assert_int_equal(error, ERROR_NONE);
            uint32_t misdirected = fault == RAM_FAULT_MISDIRECTED;
            for (unsigned i = 0; i < 40 || flash.operations < at + 20; i++) {
                assert_int_equal(model_append(model, 0), ERROR_NONE);
                (void)journal_maintain(&model->journal);
            }
            struct model_state before = model->state;
            assert_int_equal(model_mount(model), ERROR_NONE);
            /* A misdirected program may have destroyed one older record, never more. */
            struct model_walk walk = model_walk(model);
            assert_false(walk.wrong);
            assert_false(walk.newer);
            assert_true(walk.gaps <= misdirected);
            if (!misdirected)
                assert_memory_equal(&before, &model->state, sizeof(before));
            stop(&flash, model);
        }
    }
}

static void test_read_errors(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 5, 0xFF);
    append_many(model, 40);
    struct model_state before = model->state;
    uint64_t operations = flash.operations;
    uint8_t key[KEY_SIZE];
    model_key(model->log.count / 2 - 1, key);
    /* Passing ones are not noticed. */
    flash.reads_to_fail = 2;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    /* Lasting ones are told, and nothing is taken for torn because of them. */
    uint64_t reads = flash.reads;
    assert_int_equal(model_mount(model), ERROR_NONE);
    uint64_t mount_reads = flash.reads - reads;
    for (uint64_t skip = 0; skip < mount_reads; skip++) {
        flash.fail_reads_after = skip + 1;
        assert_int_equal(model_mount(model), ERROR_JOURNAL_FAULT);
        flash.fail_reads_after = 0;
    }
    assert_true(flash.operations == operations);
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    flash.reads_to_fail = 1000;
    assert_true(journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0) < 0);
    flash.reads_to_fail = 0;
    assert_int_equal(journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0), 1);
    model_check_log(model);
    stop(&flash, model);
}

static void test_worn_sector(void **state)
{
    (void)state;
    for (uint32_t bad = 0; bad < 6; bad++) {
        struct ram_flash flash;
        ram_flash_init(&flash, 6 * SECTOR, SECTOR, 256, 0xFF);
        struct model *model =
            model_new(&flash, (struct journal_region){0, 6, &test_scratch}, 21, 300);
        assert_int_equal(model_mount(model), ERROR_NONE);
        append_many(model, 40);
        flash.has_bad_sector = true;
        flash.bad_sector = bad;
        append_many(model, 300);
        struct model_state before = model->state;
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_memory_equal(&before, &model->state, sizeof(before));
        append_many(model, 100);
        struct model_walk walk = model_walk(model);
        assert_false(walk.wrong);
        assert_int_equal(walk.gaps, 0);
        stop(&flash, model);
    }
}

/* No sector erases any more: idle time must not eat the history one sector after the other. */
static void test_worn_out(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 12, 0xFF);
    append_many(model, 200);
    uint32_t sectors = model->journal.used_sectors;
    flash.has_bad_sector = true;
    flash.bad_sector = UINT32_MAX;
    uint32_t head = model->journal.head_sector;
    while (model->journal.head_sector == head)
        assert_int_equal(model_append(model, 0), ERROR_NONE);
    for (unsigned i = 0; i < 100; i++)
        (void)journal_maintain(&model->journal);
    assert_true(model->journal.used_sectors + 3 >= sectors);
    model_check_log(model);
    stop(&flash, model);
}

/* A torn record costs its own bytes, not the rest of the sector. */
static void test_torn_tail_keeps_sector(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 6, 0xFF);
    append_many(model, 3);
    uint32_t head = model->journal.head_sector;
    for (unsigned i = 0; i < 6; i++) {
        ram_flash_cut_in(&flash, 1, RAM_TEAR_PREFIX);
        assert_int_not_equal(model_append(model, 0), ERROR_NONE);
        ram_flash_power_on(&flash);
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_int_equal(model_append(model, 0), ERROR_NONE);
    }
    assert_int_equal(model->journal.head_sector, head);
    model_check_log(model);
    stop(&flash, model);
}

/* Flash that takes nothing any more: said so, and what it holds stays readable. */
static void test_dead_flash(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start(&flash, 6, 0xFF);
    append_many(model, 40);
    uint32_t records = model_walk(model).records;
    struct board_flash good = model->board.flash;
    ram_flash_cut_in(&flash, 1, RAM_TEAR_NOTHING);
    for (unsigned i = 0; i < 20; i++)
        assert_int_not_equal(model_append(model, 0), ERROR_NONE);
    for (unsigned i = 0; i < 20; i++)
        (void)journal_maintain(&model->journal);
    ram_flash_power_on(&flash);
    model->board.flash = good;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(model_walk(model).records, records);
    append_many(model, 40);
    model_check_log(model);
    stop(&flash, model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rot),
        cmocka_unit_test(test_rotten_checkpoint),
        cmocka_unit_test(test_lost_sector),
        cmocka_unit_test(test_foreign_images),
        cmocka_unit_test(test_other_geometry),
        cmocka_unit_test(test_newer_version),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_read_errors),
        cmocka_unit_test(test_worn_sector),
        cmocka_unit_test(test_worn_out),
        cmocka_unit_test(test_torn_tail_keeps_sector),
        cmocka_unit_test(test_dead_flash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
