/* The board's own small memory: cut at every flash operation, in every shape, each kind has its old
 * or its new value, and the store goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "board/mcu/mcu_store.h"
#include "tests/unit/ram_flash.h"

#define SECTORS 4u
#define FIRST   2u /* sectors before the store belong to somebody else */
#define PUTS    400u

struct bench {
    struct ram_flash chip;
    struct board board;
    struct mcu_store store;
    uint8_t values[MCU_STORE_KINDS][MCU_STORE_VALUE_MAX]; /* as last put */
    size_t sizes[MCU_STORE_KINDS];
};

static struct bench bench;

static void start(uint8_t erased)
{
    memset(&bench, 0, sizeof bench);
    ram_flash_init(&bench.chip, 4096u * (FIRST + SECTORS), 4096, 256, erased);
    ram_flash_board(&bench.chip, &bench.board);
    memset(bench.chip.bytes, 0x5A, FIRST * 4096u);
}

static void stop(void)
{
    for (size_t i = 0; i < FIRST * 4096u; i++)
        assert_int_equal(bench.chip.bytes[i], 0x5A);
    ram_flash_free(&bench.chip);
}

static int mount(void)
{
    return mcu_store_mount(&bench.store, &bench.board.flash, bench.board.context, FIRST * 4096u,
                           SECTORS);
}

/* The n-th put of the workload is a pure function of n. */
static enum mcu_store_kind kind_of(unsigned n)
{
    return (enum mcu_store_kind)(n * 7u % 5u % MCU_STORE_KINDS + 1u);
}

static size_t value_of(unsigned n, uint8_t value[MCU_STORE_VALUE_MAX])
{
    size_t size = n * 37u % (MCU_STORE_VALUE_MAX + 1u);
    for (size_t i = 0; i < size; i++)
        value[i] = (uint8_t)(n + i * 3u);
    return size;
}

static int put(unsigned n)
{
    uint8_t value[MCU_STORE_VALUE_MAX] = {0};
    size_t size = value_of(n, value);
    return mcu_store_put(&bench.store, kind_of(n), value, size);
}

static void remember(unsigned n)
{
    bench.sizes[kind_of(n)] = value_of(n, bench.values[kind_of(n)]);
}

static bool holds(enum mcu_store_kind kind)
{
    uint8_t value[MCU_STORE_VALUE_MAX];
    int size = mcu_store_get(&bench.store, kind, value, sizeof value);
    assert_true(size >= 0);
    return (size_t)size == bench.sizes[kind] &&
           memcmp(value, bench.values[kind], (size_t)size) == 0;
}

static void check_all_but(int kind)
{
    for (int i = 1; i < (int)MCU_STORE_KINDS; i++)
        if (i != kind && !holds((enum mcu_store_kind)i))
            fail_msg("kind %d has neither value", i);
}

static void test_values_are_kept(void **state)
{
    (void)state;
    for (unsigned erased = 0; erased < 2; erased++) {
        start(erased == 0 ? 0xFF : 0x00);
        assert_int_equal(mount(), 0);
        for (unsigned n = 0; n < PUTS; n++) {
            assert_int_equal(put(n), 0);
            remember(n);
            check_all_but(0);
            uint64_t operations = bench.chip.operations;
            assert_int_equal(put(n), 0); /* the same value writes nothing */
            assert_int_equal(bench.chip.operations, operations);
            assert_int_equal(mount(), 0);
            check_all_but(0);
        }
        assert_true(bench.store.generation > SECTORS); /* round the ring */
        stop();
    }
}

/* After the cut the value under way is old or new; all others are what they were; work goes on. */
static void after_cut(unsigned n)
{
    ram_flash_power_on(&bench.chip);
    assert_int_equal(mount(), 0);
    check_all_but((int)kind_of(n));
    if (!holds(kind_of(n))) {
        remember(n);
        assert_true(holds(kind_of(n)));
    }
    for (unsigned more = n; more < n + 40; more++) {
        assert_int_equal(put(more), 0);
        remember(more);
    }
    check_all_but(0);
    assert_int_equal(mount(), 0);
    check_all_but(0);
}

static void test_cut_at_every_operation(void **state)
{
    unsigned cuts = 0;
    (void)state;
    for (int tear = 0; tear < RAM_TEARS; tear++)
        for (uint64_t cut = 1;; cut++) {
            unsigned n = 0;
            start(0xFF);
            bench.chip.random_state = cut * RAM_TEARS + (uint64_t)tear;
            ram_flash_cut_in(&bench.chip, cut, (enum ram_tear)tear);
            if (mount() == 0)
                while (n < PUTS / 3 && put(n) == 0)
                    remember(n++);
            bool was_cut = bench.chip.dead;
            if (was_cut)
                after_cut(n);
            stop();
            if (!was_cut)
                break;
            cuts++;
        }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 1000);
}

/* A sector that does not take what is written is passed over. */
static void test_worn_sector(void **state)
{
    (void)state;
    start(0xFF);
    assert_int_equal(mount(), 0);
    bench.chip.has_bad_sector = true;
    bench.chip.bad_sector = FIRST + 1u;
    memset(bench.chip.bytes + (FIRST + 1u) * 4096u, 0, 4096);
    for (unsigned n = 0; n < PUTS; n++) {
        assert_int_equal(put(n), 0);
        remember(n);
    }
    check_all_but(0);
    stop();
}

static void test_dead_flash(void **state)
{
    (void)state;
    start(0xFF);
    assert_int_equal(mount(), 0);
    assert_int_equal(put(1), 0);
    remember(1);
    bench.chip.dead = true;
    assert_true(put(2) < 0);
    assert_true(mount() < 0);
    uint8_t value[MCU_STORE_VALUE_MAX];
    assert_true(mcu_store_get(&bench.store, kind_of(1), value, sizeof value) < 0);
    assert_true(put(2) < 0);
    bench.chip.dead = false;
    assert_int_equal(mount(), 0);
    check_all_but(0);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_kept),
        cmocka_unit_test(test_cut_at_every_operation),
        cmocka_unit_test(test_worn_sector),
        cmocka_unit_test(test_dead_flash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
