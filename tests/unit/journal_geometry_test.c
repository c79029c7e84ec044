/* Every geometry the journal promises: sectors of 4, 32, 64 and 256 KiB, pages of 256 and 512 bytes
 * and single bytes, erased value FF and 00. In each: round the ring, wear, mounting, lookup, and
 * power cut again and again at a random operation. */
#include "tests/unit/journal_model.h"

struct geometry {
    uint32_t sector_size, sectors, page_size;
    uint8_t erased;
    uint32_t size_max; /* of payloads */
};

static const uint32_t sector_sizes[] = {4096, 32768, 65536, 262144};
static const uint32_t page_sizes[] = {256, 512, 1};
static const uint8_t erased_values[] = {0xFF, 0x00};
#define GEOMETRIES 24u

static struct geometry geometry_of(unsigned number)
{
    struct geometry geometry = {
        .sector_size = sector_sizes[number % 4],
        .page_size = page_sizes[number / 4 % 3],
        .erased = erased_values[number / 12],
    };
    geometry.sectors = geometry.sector_size == 4096 ? 9 : 4;
    geometry.size_max = geometry.sector_size == 4096 ? 900 : 3800;
    return geometry;
}

static struct model *start(struct ram_flash *flash, const struct geometry *geometry)
{
    struct journal_region region = {1, geometry->sectors, &test_scratch};
    ram_flash_init(flash, geometry->sector_size * (geometry->sectors + 2), geometry->sector_size,
                   geometry->page_size, geometry->erased);
    struct model *model = model_new(flash, region, 21, geometry->size_max);
    assert_int_equal(model_mount(model), ERROR_NONE);
    return model;
}

static void stop(struct ram_flash *flash, struct model *model)
{
    free(model);
    ram_flash_free(flash);
}

/* The neighbours of the region are as they were. */
static void check_neighbours(const struct ram_flash *flash, const struct geometry *geometry)
{
    uint32_t end = geometry->sector_size * (geometry->sectors + 1);
    for (uint32_t i = 0; i < geometry->sector_size; i++) {
        assert_int_equal(flash->bytes[i], geometry->erased);
        assert_int_equal(flash->bytes[end + i], geometry->erased);
    }
}

static void check_wear(const struct ram_flash *flash, const struct geometry *geometry)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 1; i <= geometry->sectors; i++) {
        uint32_t erases = flash->sector_erases[i];
        least = erases < least ? erases : least;
        most = erases > most ? erases : most;
    }
    assert_true(least >= 2 && most - least <= 2);
}

static void test_round_the_ring(void **state)
{
    (void)state;
    for (unsigned number = 0; number < GEOMETRIES; number++) {
        struct geometry geometry = geometry_of(number);
        struct ram_flash flash;
        struct model *model = start(&flash, &geometry);
        uint64_t bytes = (uint64_t)geometry.sector_size * geometry.sectors * 3;
        uint64_t during_appends = 0;
        while (flash.programmed_bytes < bytes) {
            uint64_t erases = flash.erases;
            assert_int_equal(model_append(model, 2), ERROR_NONE);
            during_appends += flash.erases - erases;
            (void)journal_maintain(&model->journal);
            (void)journal_maintain(&model->journal);
        }
        assert_true(during_appends == 0);
        struct model_state before = model->state;
        uint64_t operations = flash.operations;
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(model_mount(model), ERROR_NONE);
            assert_memory_equal(&before, &model->state, sizeof(before));
        }
        assert_true(flash.operations == operations);
        assert_int_equal(model->journal.damaged_records, 0);
        model_check_log(model);
        struct model_walk walk = model_walk(model);
        assert_true(walk.first > 0);
        for (uint32_t i = walk.first; i < walk.next; i += 1 + walk.records / 100) {
            if (model_type(i) != JOURNAL_PRINTED)
                model_check_found(model, i);
        }
        check_wear(&flash, &geometry);
        check_neighbours(&flash, &geometry);
        stop(&flash, model);
    }
}

static void test_cut_in_each(void **state)
{
    (void)state;
    for (unsigned number = 0; number < GEOMETRIES; number++) {
        struct geometry geometry = geometry_of(number);
        struct ram_flash flash;
        struct model *model = start(&flash, &geometry);
        /* Byte-writable parts have an operation a byte. */
        uint32_t reach = geometry.page_size == 1 ? 6000 : 40;
        for (uint32_t round = 0; round < 120; round++) {
            uint32_t acknowledged = model->log.count;
            ram_flash_cut_in(&flash, 1 + ram_flash_random(&flash) % reach, round % RAM_TEARS);
            while (!flash.dead && model_append(model, (uint8_t)round) == ERROR_NONE) {
                acknowledged = model->log.count;
                (void)journal_maintain(&model->journal);
                if (ram_flash_random(&flash) % 64 == 0)
                    (void)journal_rotate(&model->journal);
            }
            ram_flash_power_on(&flash);
            assert_int_equal(model_mount(model), ERROR_NONE);
            assert_true(model->state.count >= acknowledged &&
                        model->state.count <= acknowledged + 1);
            model->log.count = model->state.count;
            assert_int_equal(model->state.hash, model_hash(model, model->log.count));
            model_check_log(model);
        }
        check_neighbours(&flash, &geometry);
        stop(&flash, model);
    }
}

/* What cannot hold a log is refused before anything of it is read or written. */
static void test_impossible_geometry(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, unit, page;
        uint8_t erased;
        struct journal_region region;
    } cases[] = {
        {65536, 512, 256, 0xFF, {0, 16, &test_scratch}},     /* unit too small */
        {4194304, 524288, 256, 0xFF, {0, 8, &test_scratch}}, /* too large */
        {65536, 4098, 256, 0xFF, {0, 15, &test_scratch}},    /* records could not be aligned */
        {65536, 4096, 0, 0xFF, {0, 16, &test_scratch}},      /* no page */
        {65536, 4096, 256, 0x55, {0, 16, &test_scratch}},    /* no such cells */
        {0xFFFFFC00,
         1024,
         256,
         0xFF,
         {0, 4194303, &test_scratch}}, /* more sectors than the header can count */
    };
    struct ram_flash flash;
    ram_flash_init(&flash, 65536, 4096, 256, 0xFF);
    struct model *model = model_new(&flash, (struct journal_region){0, 16, &test_scratch}, 21, 300);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct board_flash good = model->board.flash;
        model->board.flash.size = cases[i].size;
        model->board.flash.sector_size = cases[i].unit;
        model->board.flash.page_size = cases[i].page;
        model->board.flash.erased = cases[i].erased;
        model->region = cases[i].region;
        assert_int_equal(model_mount(model), ERROR_JOURNAL_FAULT);
        assert_false(journal_maintain(&model->journal));
        assert_true(flash.reads == 0 && flash.operations == 0);
        model->board.flash = good;
    }
    stop(&flash, model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_the_ring),
        cmocka_unit_test(test_cut_in_each),
        cmocka_unit_test(test_impossible_geometry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
