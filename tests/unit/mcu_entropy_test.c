/* Randomness of a board without a generator: the seed is replaced, durably, before a byte is given
 * out; no start repeats another, cut or not; without a seed there is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "board/mcu/mcu_entropy.h"
#include "tests/unit/ram_flash.h"

#define SECTORS 2u
#define OUTPUT  64u

static struct {
    struct ram_flash chip;
    struct board board;
    struct mcu_store store;
} bench;

static void start(void)
{
    memset(&bench, 0, sizeof bench);
    ram_flash_init(&bench.chip, 4096u * SECTORS, 4096, 256, 0xFF);
    ram_flash_board(&bench.chip, &bench.board);
}

static int mount(void)
{
    return mcu_store_mount(&bench.store, &bench.board.flash, bench.board.context, 0, SECTORS);
}

static void write_seed(uint8_t first, size_t size)
{
    uint8_t seed[MCU_ENTROPY_SEED_BYTES];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(first + i * 5u);
    assert_int_equal(mcu_store_put(&bench.store, MCU_STORE_SEED, seed, size), 0);
}

static void read_seed(uint8_t seed[MCU_ENTROPY_SEED_BYTES])
{
    assert_int_equal(mcu_store_get(&bench.store, MCU_STORE_SEED, seed, MCU_ENTROPY_SEED_BYTES),
                     MCU_ENTROPY_SEED_BYTES);
}

static void test_no_seed(void **state)
{
    uint8_t out[OUTPUT] = {0}, blank[MCU_ENTROPY_SEED_BYTES];
    const uint8_t untouched[OUTPUT] = {0};
    (void)state;
    start();
    assert_int_equal(mount(), 0);
    assert_true(mcu_entropy_init(&bench.store) < 0);
    assert_true(mcu_entropy_random(out, sizeof out) < 0);
    write_seed(1, 32); /* too short */
    assert_true(mcu_entropy_init(&bench.store) < 0);
    for (unsigned fill = 0; fill <= 0xFF; fill += 0xFF) {
        memset(blank, (int)fill, sizeof blank);
        assert_int_equal(mcu_store_put(&bench.store, MCU_STORE_SEED, blank, sizeof blank), 0);
        assert_true(mcu_entropy_init(&bench.store) < 0);
    }
    /* What was stirred in may be guessed: it does not take the seed's place. */
    mcu_entropy_stir("jitter", 6);
    assert_true(mcu_entropy_random(out, sizeof out) < 0);
    assert_memory_equal(out, untouched, sizeof out);
    ram_flash_free(&bench.chip);
}

static void test_starts_differ(void **state)
{
    uint8_t seeds[20][MCU_ENTROPY_SEED_BYTES], outs[20][OUTPUT];
    (void)state;
    start();
    assert_int_equal(mount(), 0);
    write_seed(7, MCU_ENTROPY_SEED_BYTES);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(mount(), 0);
        read_seed(seeds[i]);
        assert_int_equal(mcu_entropy_init(&bench.store), 0);
        assert_int_equal(mcu_entropy_random(outs[i], OUTPUT), 0);
        assert_memory_not_equal(outs[i], outs[i] + OUTPUT / 2, OUTPUT / 2);
        for (unsigned k = 0; k < i; k++) {
            assert_memory_not_equal(seeds[i], seeds[k], sizeof seeds[i]);
            assert_memory_not_equal(outs[i], outs[k], OUTPUT);
        }
        /* Nothing given out lies in flash. */
        assert_memory_not_equal(seeds[i], outs[i], sizeof seeds[i]);
    }
    ram_flash_free(&bench.chip);
}

static void test_stirring_and_sizes(void **state)
{
    uint8_t first[OUTPUT], second[OUTPUT], odd[37];
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        uint8_t *out = round == 0 ? first : second;
        start();
        assert_int_equal(mount(), 0);
        write_seed(9, MCU_ENTROPY_SEED_BYTES);
        assert_int_equal(mcu_entropy_init(&bench.store), 0);
        mcu_entropy_stir(round == 0 ? "a" : "b", 1);
        assert_int_equal(mcu_entropy_random(out, OUTPUT), 0);
        ram_flash_free(&bench.chip);
    }
    assert_memory_not_equal(first, second, OUTPUT);
    memset(odd, 0, sizeof odd);
    assert_int_equal(mcu_entropy_random(odd, sizeof odd - 1), 0);
    assert_int_equal(odd[sizeof odd - 1], 0);
    assert_int_equal(mcu_entropy_random(odd, 0), 0);
}

/* Every bit of the output is set about half the time: a constant or short-lived output is found. */
static void test_balance(void **state)
{
    unsigned ones[256] = {0};
    uint8_t out[32];
    (void)state;
    start();
    assert_int_equal(mount(), 0);
    write_seed(3, MCU_ENTROPY_SEED_BYTES);
    assert_int_equal(mcu_entropy_init(&bench.store), 0);
    for (unsigned i = 0; i < 4000; i++) {
        assert_int_equal(mcu_entropy_random(out, sizeof out), 0);
        for (unsigned bit = 0; bit < 256; bit++)
            ones[bit] += (unsigned)out[bit / 8] >> bit % 8 & 1u;
    }
    for (unsigned bit = 0; bit < 256; bit++)
        assert_in_range(ones[bit], 1800, 2200);
    ram_flash_free(&bench.chip);
}

/* Power fails at each flash operation of the seed's change: a start that gave something out has
 * left another seed behind. */
static void test_cuts(void **state)
{
    unsigned refused = 0;
    (void)state;
    for (unsigned tear = 0; tear < RAM_TEARS; tear++) {
        for (unsigned cut = 1; cut <= 4; cut++) {
            uint8_t before[MCU_ENTROPY_SEED_BYTES], after[MCU_ENTROPY_SEED_BYTES], out[OUTPUT];
            bool gave;
            start();
            assert_int_equal(mount(), 0);
            write_seed((uint8_t)(tear * 16 + cut), MCU_ENTROPY_SEED_BYTES);
            read_seed(before);
            bench.chip.tear = (enum ram_tear)tear;
            bench.chip.cut_at = bench.chip.operations + cut;
            gave = mcu_entropy_init(&bench.store) == 0;
            assert_int_equal(mcu_entropy_random(out, sizeof out) == 0, gave);
            refused += !gave;
            ram_flash_power_on(&bench.chip);
            assert_int_equal(mount(), 0);
            read_seed(after);
            if (gave)
                assert_memory_not_equal(before, after, sizeof before);
            assert_int_equal(mcu_entropy_init(&bench.store), 0);
            ram_flash_free(&bench.chip);
        }
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_seed),
        cmocka_unit_test(test_starts_differ),
        cmocka_unit_test(test_stirring_and_sizes),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
