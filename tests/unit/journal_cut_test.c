/* The journal under power cuts: at every flash operation of a workload that goes round the ring, in
 * every tear shape; then cuts inside the recovery from a cut. After each: the prefix property (J3),
 * no resurrection after later appends (J1), a second mount that writes nothing (J6). */
#include "tests/unit/journal_model.h"

struct cut_run {
    struct model *model;   /* the run being cut */
    struct ram_flash copy; /* the chip after the cut */
    struct ram_flash again;
    struct model *after;
    struct model *later;
    uint32_t acknowledged;
    uint32_t hashes[4]; /* after acknowledged, and with the record in flight */
    uint32_t in_flight;
    uint32_t stride;    /* look at every stride-th operation; 1: at every one */
    uint32_t tear_step; /* 1: all shapes at every operation; otherwise they take turns */
    uint32_t cuts;
    uint32_t turn;
    bool twice;
    bool in_hook;
};

static void refuse_writes(void *user, struct ram_flash *flash, uint32_t address,
                          const uint8_t *data, size_t size)
{
    (void)user;
    (void)flash;
    (void)data;
    fail_msg("a second mount wrote %u bytes at %u", (unsigned)size, (unsigned)address);
}

static void adopt_prefix(const struct cut_run *run, struct model *after)
{
    uint32_t count = after->state.count;
    assert_true(count == run->acknowledged || count == run->acknowledged + run->in_flight);
    uint32_t hash = run->hashes[count - run->acknowledged];
    assert_int_equal(after->state.hash, hash);
    after->log.count = count;
}

static void mount_cleanly(struct model *model, struct ram_flash *flash)
{
    flash->before = refuse_writes;
    assert_int_equal(model_mount(model), ERROR_NONE);
    flash->before = NULL;
}

/* Goes on with other records than those of the cut run, and looks at the log again. */
static void go_on(struct model *after, struct ram_flash *flash)
{
    model_check_log(after);
    struct model_state state = after->state;
    mount_cleanly(after, flash);
    assert_memory_equal(&state, &after->state, sizeof(state));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(model_append(after, 7), ERROR_NONE);
    while (journal_maintain(&after->journal)) {
    }
    state = after->state;
    mount_cleanly(after, flash);
    assert_memory_equal(&state, &after->state, sizeof(state));
    model_check_log(after);
}

/* The recovery itself is cut at each of its operations. */
static void cut_recovery(struct cut_run *run)
{
    static const enum ram_tear tears[] = {RAM_TEAR_NOTHING, RAM_TEAR_PREFIX, RAM_TEAR_SUFFIX,
                                          RAM_TEAR_RANDOM_BITS, RAM_TEAR_UNSTABLE};
    for (uint32_t n = 1;; n++) {
        for (size_t t = 0; t < sizeof(tears) / sizeof(tears[0]); t++) {
            struct model *later = run->later;
            ram_flash_copy(&run->again, &run->copy);
            model_copy(later, run->model, &run->again);
            ram_flash_cut_in(&run->again, n, tears[t]);
            uint16_t error = model_mount(later);
            uint32_t base = later->state.count;
            bool mounted = error == ERROR_NONE;
            if (mounted) {
                adopt_prefix(run, later);
                base = later->log.count;
                if (model_append(later, 7) == ERROR_NONE)
                    (void)model_append(later, 8);
                while (journal_maintain(&later->journal) && !run->again.dead) {
                }
            }
            if (!run->again.dead)
                return;
            run->cuts++;
            ram_flash_power_on(&run->again);
            uint32_t appended = mounted ? later->log.count : 0;
            assert_int_equal(model_mount(later), ERROR_NONE);
            if (later->state.count <= run->acknowledged + run->in_flight && !mounted) {
                adopt_prefix(run, later);
            } else {
                assert_true(later->state.count >= appended && later->state.count <= base + 2);
                later->log.count = later->state.count;
                assert_int_equal(later->state.hash, model_hash(later, later->state.count));
            }
            model_check_log(later);
            struct model_state state = later->state;
            assert_int_equal(model_append(later, 9), ERROR_NONE);
            assert_int_equal(model_mount(later), ERROR_NONE);
            assert_int_equal(later->state.count, state.count + 1);
            model_check_log(later);
        }
    }
}

static void cut_here(void *user, struct ram_flash *flash, uint32_t address, const uint8_t *data,
                     size_t size)
{
    struct cut_run *run = user;
    bool due =
        flash->operations % run->stride == 0 || data == NULL || address % flash->sector_size < 40;
    if (!due)
        return;
    for (uint32_t tear = run->turn++ % run->tear_step; tear < RAM_TEARS; tear += run->tear_step) {
        ram_flash_copy(&run->copy, flash);
        run->copy.random_state = flash->operations * 1000 + tear;
        if (data == NULL)
            ram_flash_apply_erase(&run->copy, address, tear);
        else
            ram_flash_apply_program(&run->copy, address, data, size, tear);
        run->cuts++;
        if (run->twice) {
            cut_recovery(run);
            continue;
        }
        model_copy(run->after, run->model, &run->copy);
        assert_int_equal(model_mount(run->after), ERROR_NONE);
        adopt_prefix(run, run->after);
        go_on(run->after, &run->copy);
    }
}

static void expect_in_flight(struct cut_run *run, bool in_flight, uint8_t variant)
{
    struct model *model = run->model;
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    run->acknowledged = model->log.count;
    run->in_flight = in_flight ? 1 : 0;
    run->hashes[0] = model->state.hash;
    model->log.variants[model->log.count] = variant;
    struct model_state with = model->state;
    uint16_t size = model_payload(model, with.count, variant, payload);
    model_apply(&with, model_type(with.count), payload, size);
    run->hashes[1] = with.hash;
}

struct cut_case {
    uint32_t sector_size, sectors, page_size;
    uint8_t erased;
    uint32_t size_min, size_max, records;
    uint32_t stride, tear_step;
    bool twice;
    uint32_t cuts_min; /* a run with fewer did not test what it says */
};

static void run_case(const struct cut_case *c)
{
    struct ram_flash flash;
    struct cut_run run = {.stride = c->stride, .tear_step = c->tear_step, .twice = c->twice};
    struct journal_region region = {1, c->sectors, &test_scratch};
    uint32_t size = c->sector_size * (c->sectors + 2);
    ram_flash_init(&flash, size, c->sector_size, c->page_size, c->erased);
    ram_flash_init(&run.copy, size, c->sector_size, c->page_size, c->erased);
    ram_flash_init(&run.again, size, c->sector_size, c->page_size, c->erased);
    run.model = model_new(&flash, region, c->size_min, c->size_max);
    run.after = model_new(&run.copy, region, c->size_min, c->size_max);
    run.later = model_new(&run.again, region, c->size_min, c->size_max);
    flash.before = cut_here;
    flash.before_user = &run;
    expect_in_flight(&run, false, 0);
    assert_int_equal(model_mount(run.model), ERROR_NONE);
    for (uint32_t i = 0; i < c->records; i++) {
        expect_in_flight(&run, true, 0);
        assert_int_equal(model_append(run.model, 0), ERROR_NONE);
        expect_in_flight(&run, false, 0);
        /* Idle time now and then, so that both ways of erasing are met. */
        if (i % 3 == 0 && i % 40 < 30)
            (void)journal_maintain(&run.model->journal);
    }
    flash.before = NULL;
    /* It went round: the first record is gone. */
    struct model_walk walk = model_walk(run.model);
    assert_true(c->twice || walk.first > 0);
    print_message("sector %u x %u page %u erased %02X: %u cuts\n", c->sector_size, c->sectors,
                  c->page_size, c->erased, run.cuts);
    assert_true(run.cuts >= c->cuts_min);
    free(run.model);
    free(run.after);
    free(run.later);
    ram_flash_free(&flash);
    ram_flash_free(&run.copy);
    ram_flash_free(&run.again);
}

static void test_every_operation(void **state)
{
    (void)state;
    static const struct cut_case cases[] = {
        {4096, 5, 256, 0xFF, 21, 400, 170, 1, 1, false, 3500},
        {4096, 5, 256, 0x00, 21, 400, 170, 1, 1, false, 3500},
        {4096, 3, 512, 0xFF, 21, 900, 50, 1, 1, false, 1000},
        {1024, 32, 256, 0xFF, 21, 200, 400, 1, 2, false, 3000}, /* two erase units a sector */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i]);
}

static void test_every_byte(void **state)
{
    (void)state;
    /* Tears of a single byte are few: the shapes take turns. */
    static const struct cut_case cases[] = {
        {4096, 3, 1, 0xFF, 21, 300, 80, 1, 10, false, 10000},
        {4096, 3, 1, 0x00, 21, 300, 80, 3, 10, false, 4000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i]);
}

static void test_large_sectors(void **state)
{
    (void)state;
    /* Around the sector headers at every operation, elsewhere at a sample. */
    static const struct cut_case cases[] = {
        {65536, 3, 256, 0xFF, 1500, 3800, 90, 2, 10, false, 450},
        {65536, 3, 256, 0x00, 1500, 3800, 90, 3, 10, false, 300},
        {65536, 3, 1, 0xFF, 1500, 3800, 85, 1997, 10, false, 200},
        {65536, 3, 1, 0x00, 1500, 3800, 85, 1997, 10, false, 200},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i]);
}

static void test_cut_inside_recovery(void **state)
{
    (void)state;
    static const struct cut_case cases[] = {
        {4096, 3, 256, 0xFF, 21, 500, 34, 1, 3, true, 2000},
        {4096, 4, 512, 0x00, 300, 1200, 22, 1, 7, true, 1000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(&cases[i]);
}

/* A hundred brown-outs in a row, each in the first operations after power came back. */
static void test_brown_outs(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct journal_region region = {0, 4, &test_scratch};
    ram_flash_init(&flash, 4 * 4096, 4096, 256, 0xFF);
    struct model *model = model_new(&flash, region, 21, 900);
    assert_int_equal(model_mount(model), ERROR_NONE);
    for (unsigned i = 0; i < 11; i++)
        assert_int_equal(model_append(model, 0), ERROR_NONE);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t acknowledged = model->log.count;
        ram_flash_cut_in(&flash, 1 + ram_flash_random(&flash) % 6, round % RAM_TEARS);
        while (!flash.dead && model_append(model, (uint8_t)round) == ERROR_NONE) {
            acknowledged = model->log.count;
            (void)journal_maintain(&model->journal);
        }
        ram_flash_power_on(&flash);
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_true(model->state.count >= acknowledged && model->state.count <= acknowledged + 1);
        model->log.count = model->state.count;
        model_check_log(model);
    }
    free(model);
    ram_flash_free(&flash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_operation), cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_large_sectors),   cmocka_unit_test(test_cut_inside_recovery),
        cmocka_unit_test(test_brown_outs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
