/* The pool that feeds mbedTLS: blocks never overlap, are zeroed, come back whole; what does not fit
 * is refused; a damaged or twice freed block is found.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "board/mcu/mcu_pool.h"

#define POOL_BYTES 4096u
#define BLOCKS     40u

static uint64_t memory[POOL_BYTES / sizeof(uint64_t) + 2];
static struct mcu_pool pool;

static void start(void)
{
    memset(memory, 0xA5, sizeof memory);
    mcu_pool_init(&pool, memory + 1, POOL_BYTES);
}

/* The words around the pool belong to somebody else. */
static void look_around(void)
{
    assert_true(memory[0] == 0xA5A5A5A5A5A5A5A5u);
    assert_true(memory[POOL_BYTES / sizeof(uint64_t) + 1] == 0xA5A5A5A5A5A5A5A5u);
}

static void test_whole_pool(void **state)
{
    (void)state;
    start();
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *all = mcu_pool_calloc(&pool, 1, POOL_BYTES - 8);
        assert_non_null(all);
        for (size_t i = 0; i < POOL_BYTES - 8; i++)
            assert_int_equal(all[i], 0);
        memset(all, 0xFF, POOL_BYTES - 8);
        assert_null(mcu_pool_calloc(&pool, 1, 1));
        mcu_pool_free(&pool, all);
    }
    assert_int_equal(mcu_pool_peak_bytes(&pool), POOL_BYTES);
    look_around();
}

static void test_refused(void **state)
{
    (void)state;
    start();
    assert_null(mcu_pool_calloc(&pool, 1, POOL_BYTES - 7));
    assert_null(mcu_pool_calloc(&pool, 0, 8));
    assert_null(mcu_pool_calloc(&pool, 8, 0));
    assert_null(mcu_pool_calloc(&pool, SIZE_MAX / 2 + 2, 2)); /* the product would wrap to 2 */
    mcu_pool_free(&pool, NULL);
    assert_int_equal(mcu_pool_peak_bytes(&pool), 0);
}

static void test_fifty_small_blocks_cost_little(void **state)
{
    (void)state;
    start();
    for (unsigned i = 0; i < 50; i++)
        assert_non_null(mcu_pool_calloc(&pool, 1, 32));
    assert_int_equal(mcu_pool_peak_bytes(&pool), 50 * 40);
}

static void check_block(const uint8_t *block, size_t size, unsigned mark)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(block[i], mark);
}

static void test_random(void **state)
{
    uint8_t *blocks[BLOCKS] = {0};
    size_t sizes[BLOCKS] = {0};
    unsigned refused = 0;
    (void)state;
    start();
    srand(4);
    for (unsigned step = 0; step < 200000; step++) {
        unsigned i = (unsigned)rand() % BLOCKS;
        if (blocks[i] != NULL) {
            check_block(blocks[i], sizes[i], i + 1);
            mcu_pool_free(&pool, blocks[i]);
            blocks[i] = NULL;
            continue;
        }
        sizes[i] = 1 + (unsigned)rand() % (step % 7 == 0 ? 900u : 90u);
        blocks[i] = mcu_pool_calloc(&pool, 1, sizes[i]);
        if (blocks[i] == NULL) {
            refused++;
            continue;
        }
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        check_block(blocks[i], sizes[i], 0);
        memset(blocks[i], (int)(i + 1), sizes[i]);
    }
    assert_true(refused > 100);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i] != NULL)
            check_block(blocks[i], sizes[i], i + 1);
        mcu_pool_free(&pool, blocks[i]);
    }
    assert_non_null(mcu_pool_calloc(&pool, 1, POOL_BYTES - 8));
    look_around();
}

/* Runs it in a process of its own; true when that was stopped by assert. */
static bool stops(void (*defect)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        defect();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void free_twice(void)
{
    void *first = mcu_pool_calloc(&pool, 1, 16);
    void *second = mcu_pool_calloc(&pool, 1, 16);
    mcu_pool_free(&pool, first);
    mcu_pool_free(&pool, second);
    mcu_pool_free(&pool, second);
}

static void write_behind(void)
{
    uint8_t *first = mcu_pool_calloc(&pool, 1, 16);
    void *second = mcu_pool_calloc(&pool, 1, 16);
    memset(first, 0xEE, 24);
    mcu_pool_free(&pool, second);
}

static void do_nothing_wrong(void)
{
    mcu_pool_free(&pool, mcu_pool_calloc(&pool, 1, 16));
}

static void test_defects_are_found(void **state)
{
    (void)state;
    start();
    assert_false(stops(do_nothing_wrong));
    assert_true(stops(free_twice));
    assert_true(stops(write_behind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_pool),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fifty_small_blocks_cost_little),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_defects_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
