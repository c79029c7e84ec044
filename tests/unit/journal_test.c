/* The journal in ordinary life: append, mount, replay, the ring, lookup and its cost,
 * wear, limits. */
#include "tests/unit/journal_model.h"

struct geometry {
    uint32_t sector_size, sectors, page_size;
    uint8_t erased;
};

static const struct geometry geometries[] = {
    {4096, 8, 256, 0xFF}, {4096, 8, 1, 0x00},    {4096, 40, 256, 0x00},
    {4096, 40, 1, 0xFF},  {65536, 3, 256, 0xFF}, {65536, 4, 1, 0x00},
    {65536, 4, 1, 0xFF},  {65536, 3, 512, 0x00}, {262144, 3, 256, 0xFF},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static struct model *start(struct ram_flash *flash, const struct geometry *geometry,
                           uint32_t size_min, uint32_t size_max)
{
    struct journal_region region = {1, geometry->sectors, &test_scratch};
    ram_flash_init(flash, geometry->sector_size * (geometry->sectors + 1), geometry->sector_size,
                   geometry->page_size, geometry->erased);
    struct model *model = model_new(flash, region, size_min, size_max);
    assert_int_equal(model_mount(model), ERROR_NONE);
    return model;
}

static void stop(struct ram_flash *flash, struct model *model)
{
    free(model);
    ram_flash_free(flash);
}

static void test_append_and_mount(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash flash;
        struct model *model = start(&flash, &geometries[g], 21, 300);
        assert_int_equal(model->state.count, 0);
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(model_append(model, 1), ERROR_NONE);
        assert_int_equal(journal_sync(&model->journal), ERROR_NONE);
        struct model_state before = model->state;
        uint64_t operations = flash.operations;
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(model_mount(model), ERROR_NONE);
            assert_memory_equal(&before, &model->state, sizeof(before));
        }
        assert_true(flash.operations == operations);
        assert_int_equal(model->journal.damaged_records, 0);
        model_check_log(model);
        /* Nothing outside the region was touched. */
        for (uint32_t i = 0; i < geometries[g].sector_size; i++)
            assert_int_equal(flash.bytes[i], flash.erased);
        stop(&flash, model);
    }
}

static void test_ring(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash flash;
        const struct geometry *geometry = &geometries[g];
        uint32_t size_max = geometry->sector_size > 4096 ? 3800 : 1500;
        struct model *model = start(&flash, geometry, 21, size_max);
        uint64_t bytes = (uint64_t)geometry->sector_size * geometry->sectors * 5;
        while (flash.programmed_bytes < bytes) {
            assert_int_equal(model_append(model, 2), ERROR_NONE);
            (void)journal_maintain(&model->journal);
            if (model->state.count % 61 == 0) {
                struct model_state before = model->state;
                assert_int_equal(model_mount(model), ERROR_NONE);
                assert_memory_equal(&before, &model->state, sizeof(before));
            }
        }
        model_check_log(model);
        struct model_walk walk = model_walk(model);
        assert_true(walk.first > 0);
        for (uint32_t i = walk.first; i < walk.next; i++) {
            if (model_type(i) != JOURNAL_PRINTED)
                model_check_found(model, i);
        }
        /* Of a reclaimed sector nothing is left. */
        uint8_t key[KEY_SIZE];
        model_key(walk.first / 2 - 1, key);
        assert_int_equal(journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0), 0);
        stop(&flash, model);
    }
}

static void test_wear(void **state)
{
    (void)state;
    for (size_t g = 0; g < GEOMETRIES; g++) {
        struct ram_flash flash;
        const struct geometry *geometry = &geometries[g];
        uint32_t size_max = geometry->sector_size > 4096 ? 3800 : 800;
        struct model *model = start(&flash, geometry, 21, size_max);
        uint64_t bytes = (uint64_t)geometry->sector_size * geometry->sectors * 6;
        uint64_t during_appends = 0;
        while (flash.programmed_bytes < bytes) {
            uint64_t erases = flash.erases;
            assert_int_equal(model_append(model, 3), ERROR_NONE);
            during_appends += flash.erases - erases;
            (void)journal_maintain(&model->journal);
            (void)journal_maintain(&model->journal);
        }
        /* J4: only the first rotation may find nothing erased. */
        assert_true(during_appends == 0);
        uint32_t least = UINT32_MAX;
        uint32_t most = 0;
        for (uint32_t i = 1; i <= geometry->sectors; i++) {
            least = flash.sector_erases[i] < least ? flash.sector_erases[i] : least;
            most = flash.sector_erases[i] > most ? flash.sector_erases[i] : most;
        }
        assert_true(most >= 5 && most - least <= 2);
        assert_int_equal(flash.sector_erases[0], 0);
        stop(&flash, model);
    }
}

/* Without idle time appends still work; they erase themselves, and lose only the oldest. */
static void test_never_idle(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {4096, 3, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 1200);
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(model_append(model, 4), ERROR_NONE);
    model_check_log(model);
    struct model_walk walk = model_walk(model);
    assert_true(walk.next - walk.first >= 4);
    stop(&flash, model);
}

static void test_find_types(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {4096, 4, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 300);
    struct journal *journal = &model->journal;
    uint8_t payload[40] = {0};
    uint8_t out[64];
    struct journal_record record;
    uint8_t other[KEY_SIZE] = {9};
    memset(payload, 0x33, KEY_SIZE);
    for (uint8_t i = 0; i < 5; i++) {
        payload[20] = i;
        assert_int_equal(journal_append(journal, JOURNAL_INTENT, payload, 21, NULL), ERROR_NONE);
    }
    payload[20] = 100;
    assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, 40, NULL), ERROR_NONE);
    /* A record without a key never answers for one, whatever its bytes. */
    payload[20] = 101;
    assert_int_equal(journal_append(journal, JOURNAL_PRINTED, payload, 40, NULL), ERROR_NONE);
    for (unsigned sealed = 0; sealed < 2; sealed++) {
        uint32_t keyed = 1u << JOURNAL_INTENT | 1u << JOURNAL_DONE;
        assert_int_equal(journal_find(journal, payload, 1u << JOURNAL_INTENT, &record, out, 64), 1);
        assert_int_equal(record.size, 21);
        assert_int_equal(out[20], 4);
        assert_int_equal(journal_find(journal, payload, keyed, &record, out, 64), 1);
        assert_int_equal(record.type, JOURNAL_DONE);
        memset(out, 0xEE, sizeof(out));
        assert_int_equal(journal_find(journal, payload, keyed, &record, out, 5), 1);
        assert_int_equal(record.size, 40);
        assert_int_equal(out[4], 0x33);
        assert_int_equal(out[5], 0xEE);
        assert_int_equal(journal_find(journal, payload, 1u << JOURNAL_ABORTED, NULL, NULL, 0), 0);
        assert_int_equal(journal_find(journal, other, UINT32_MAX, NULL, NULL, 0), 0);
        assert_int_equal(journal_rotate(journal), ERROR_NONE);
    }
    /* The same key in a newer sector wins over the older one. */
    payload[20] = 102;
    assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, 30, NULL), ERROR_NONE);
    assert_int_equal(journal_find(journal, payload, 1u << JOURNAL_DONE, &record, out, 64), 1);
    assert_int_equal(out[20], 102);
    stop(&flash, model);
}

static void test_read_by_name(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {4096, 4, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 300);
    struct journal *journal = &model->journal;
    uint8_t slip[600];
    uint8_t out[600];
    struct journal_record record;
    memset(slip, 0x77, sizeof(slip));
    assert_int_equal(journal_append(journal, JOURNAL_SLIP, slip, sizeof(slip), &record),
                     ERROR_NONE);
    assert_true(journal_read(journal, &record, out, sizeof(out)));
    assert_memory_equal(slip, out, sizeof(slip));
    struct journal_record other = record;
    other.sequence++;
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    other = record;
    other.address += 4;
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    for (uint32_t address = 0; address < UINT32_MAX - 99999; address += 99991) {
        other.address = address;
        assert_false(journal_read(journal, &other, out, sizeof(out)));
    }
    assert_true(journal_read(journal, &record, out, 10));
    /* Gone with its sector. */
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(journal_rotate(journal), ERROR_NONE);
    assert_false(journal_read(journal, &record, out, sizeof(out)));
    stop(&flash, model);
}

static void test_sizes(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {4096, 4, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 300);
    struct journal *journal = &model->journal;
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES + 1] = {1, 2, 3};
    model->checkpoint_size = 8;
    struct journal_record record;
    size_t fits = 0;
    assert_int_equal(journal_append(journal, JOURNAL_SLIP, payload, sizeof(payload), NULL),
                     ERROR_TOO_LARGE);
    assert_int_equal(journal_append(journal, JOURNAL_PRINTED, NULL, 0, &record), ERROR_NONE);
    assert_int_equal(record.size, 0);
    for (size_t size = LIMIT_JOURNAL_RECORD_BYTES - 2; size <= LIMIT_JOURNAL_RECORD_BYTES; size++) {
        if (journal_append(journal, JOURNAL_SLIP, payload, size, NULL) == ERROR_NONE)
            fits = size;
    }
    assert_int_equal(fits, LIMIT_JOURNAL_RECORD_BYTES);
    assert_int_equal(
        journal_append(journal, JOURNAL_SLIP, payload, LIMIT_JOURNAL_RECORD_BYTES, NULL),
        ERROR_NONE);
    /* With a larger checkpoint it no longer fits into a sector: nothing is written at all. */
    model->checkpoint_size = 400;
    uint64_t operations = flash.operations;
    assert_int_equal(
        journal_append(journal, JOURNAL_SLIP, payload, LIMIT_JOURNAL_RECORD_BYTES, NULL),
        ERROR_TOO_LARGE);
    assert_true(operations == flash.operations);
    stop(&flash, model);
}

/* ---- The figures the shop depends on: 20,000 kept jobs ---- */

struct scale_case {
    uint32_t size, sector_size, job_bytes;
};

static void append_job(struct journal *journal, uint32_t job, uint32_t bytes)
{
    uint8_t payload[1024];
    uint32_t intent = bytes / 2 - JOURNAL_RECORD_HEADER_BYTES;
    memset(payload, (int)(job & 0xFF), sizeof(payload));
    model_key(job, payload);
    memcpy(payload + KEY_SIZE, &job, 4);
    assert_int_equal(journal_append(journal, JOURNAL_INTENT, payload, intent, NULL), ERROR_NONE);
    assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, bytes - intent - 56, NULL),
                     ERROR_NONE);
    assert_int_equal(journal_append(journal, JOURNAL_PRINTING, &job, 4, NULL), ERROR_NONE);
    assert_int_equal(journal_append(journal, JOURNAL_PRINTED, &job, 4, NULL), ERROR_NONE);
    (void)journal_maintain(journal);
    (void)journal_maintain(journal);
}

static void run_scale(const struct scale_case *c)
{
    const uint32_t jobs = 20000;
    struct ram_flash flash;
    struct journal_region region = {0, c->size / c->sector_size, &test_scratch};
    ram_flash_init(&flash, c->size, c->sector_size, 256, 0xFF);
    struct model *model = model_new(&flash, region, 21, 300);
    model->checkpoint_size = 500;
    assert_int_equal(model_mount(model), ERROR_NONE);
    struct journal *journal = &model->journal;
    for (uint32_t job = 0; job < jobs; job++)
        append_job(journal, job, c->job_bytes);
    uint64_t most_present = 0;
    uint64_t most_absent = 0;
    for (uint32_t i = 0; i < 400; i++) {
        /* The oldest ones cost most. */
        uint32_t job = i < 200 ? i : model_mix(i, 5) % jobs;
        uint8_t key[KEY_SIZE];
        uint8_t out[32];
        model_key(job, key);
        uint64_t before = flash.read_bytes;
        assert_int_equal(journal_find(journal, key, 1u << JOURNAL_DONE, NULL, out, sizeof(out)), 1);
        most_present =
            flash.read_bytes - before > most_present ? flash.read_bytes - before : most_present;
        assert_memory_equal(out + KEY_SIZE, &job, 4);
        model_key(jobs + i, key);
        before = flash.read_bytes;
        assert_int_equal(journal_find(journal, key, UINT32_MAX, NULL, out, sizeof(out)), 0);
        most_absent =
            flash.read_bytes - before > most_absent ? flash.read_bytes - before : most_absent;
    }
    uint64_t before = flash.read_bytes;
    assert_int_equal(model_mount(model), ERROR_NONE);
    uint64_t boot = flash.read_bytes - before;
    print_message("%u KiB sectors, %u bytes a job: lookup reads at most %u (present) %u (absent), "
                  "boot %u, erases %u\n",
                  c->sector_size / 1024, c->job_bytes, (unsigned)most_present,
                  (unsigned)most_absent, (unsigned)boot, (unsigned)flash.erases);
    assert_true(most_present <= 65536 && most_absent <= 65536);
    assert_true(boot <= 65536 + c->sector_size);
    stop(&flash, model);
}

static void test_20000_jobs(void **state)
{
    (void)state;
    static const struct scale_case cases[] = {
        {16777216, 4096, 700},  {8388608, 4096, 240},    {16777216, 32768, 700},
        {16777216, 65536, 700}, {16777216, 262144, 700},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_scale(&cases[i]);
    assert_true(sizeof(struct journal) <= 6144);
}

/* Keys whose fingerprints are equal do not hide one another. */
static void test_equal_fingerprints(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {65536, 3, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 300);
    struct journal *journal = &model->journal;
    uint8_t payload[24];
    uint8_t out[24];
    uint8_t(*keys)[KEY_SIZE] = calloc(300, KEY_SIZE);
    assert_non_null(keys);
    uint32_t found = 0;
    for (uint32_t n = 0; found < 300; n++) {
        model_key(n, payload);
        uint32_t crc = crc32c_update(CRC32C_INIT, payload, KEY_SIZE);
        if ((uint8_t)(crc ^ (crc >> 16)) != 0x42 || ((crc ^ (crc >> 16)) & 0x1F00) != 0)
            continue;
        memcpy(keys[found], payload, KEY_SIZE);
        found++;
    }
    for (uint32_t i = 0; i < 300; i++) {
        memcpy(payload, keys[i], KEY_SIZE);
        memcpy(payload + KEY_SIZE, &i, 4);
        assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, 20, NULL), ERROR_NONE);
    }
    for (unsigned sealed = 0; sealed < 2; sealed++) {
        for (uint32_t i = 0; i < 300; i++) {
            assert_int_equal(
                journal_find(journal, keys[i], 1u << JOURNAL_DONE, NULL, out, sizeof(out)), 1);
            assert_memory_equal(out + KEY_SIZE, &i, 4);
        }
        assert_int_equal(journal_rotate(journal), ERROR_NONE);
    }
    free(keys);
    stop(&flash, model);
}

/* More keys than a sector's index holds: it is sealed early, and every key is still found. */
static void test_many_small_jobs(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct geometry geometry = {65536, 4, 256, 0xFF};
    struct model *model = start(&flash, &geometry, 21, 24);
    for (uint32_t i = 0; i < 2600; i++)
        assert_int_equal(model_append(model, 1), ERROR_NONE);
    struct model_walk walk = model_walk(model);
    assert_true(walk.checkpoints >= 2);
    for (uint32_t i = walk.first; i < walk.next; i++) {
        if (model_type(i) != JOURNAL_PRINTED)
            model_check_found(model, i);
    }
    stop(&flash, model);
}

static void test_bad_geometry(void **state)
{
    (void)state;
    struct ram_flash flash;
    ram_flash_init(&flash, 65536, 4096, 256, 0xFF);
    struct model *model = model_new(&flash, (struct journal_region){0, 2, &test_scratch}, 21, 300);
    assert_int_equal(model_mount(model), ERROR_JOURNAL_FAULT);
    model->region = (struct journal_region){14, 3, &test_scratch};
    assert_int_equal(model_mount(model), ERROR_JOURNAL_FAULT);
    model->region = (struct journal_region){UINT32_MAX, 3, &test_scratch};
    assert_int_equal(model_mount(model), ERROR_JOURNAL_FAULT);
    assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FAULT);
    assert_int_equal(journal_sync(&model->journal), ERROR_JOURNAL_FAULT);
    assert_int_equal(journal_rotate(&model->journal), ERROR_JOURNAL_FAULT);
    assert_false(journal_maintain(&model->journal));
    uint8_t key[KEY_SIZE] = {0};
    struct journal_record record = {0};
    assert_true(journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0) < 0);
    assert_false(journal_read(&model->journal, &record, key, sizeof(key)));
    assert_int_equal(model_walk(model).records, 0);
    assert_true(flash.operations == 0);
    stop(&flash, model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_mount),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_wear),
        cmocka_unit_test(test_never_idle),
        cmocka_unit_test(test_find_types),
        cmocka_unit_test(test_read_by_name),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_20000_jobs),
        cmocka_unit_test(test_equal_fingerprints),
        cmocka_unit_test(test_many_small_jobs),
        cmocka_unit_test(test_bad_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
