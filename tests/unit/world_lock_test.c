/* The locks of the simulated world: those of the disk's files and their shared memory, and those of
 * the host. */
#include "hostdrv/queue_lock.h"
#include "tests/unit/disk_files.h"
#include "tests/world/host_lock.h"

/* ---- Locks ---- */

static int lock_file(sqlite3_file *file, int level)
{
    return file->pMethods->xLock(file, level);
}

static void unlock_file(sqlite3_file *file, int level)
{
    assert_int_equal(file->pMethods->xUnlock(file, level), SQLITE_OK);
}

static bool is_reserved(sqlite3_file *file)
{
    int reserved = -1;
    assert_int_equal(file->pMethods->xCheckReservedLock(file, &reserved), SQLITE_OK);
    return reserved != 0;
}

static void locks_of_a_file_are_sqlites(void **state)
{
    (void)state;
    sqlite3_file *one = open_file("/a", MAIN), *two = open_file("/a", MAIN);
    sqlite3_file *three = open_file("/a", MAIN), *other = open_file("/b", MAIN);
    assert_int_equal(lock_file(one, SQLITE_LOCK_SHARED), SQLITE_OK);
    assert_int_equal(lock_file(two, SQLITE_LOCK_SHARED), SQLITE_OK);
    assert_false(is_reserved(two));
    assert_int_equal(lock_file(one, SQLITE_LOCK_RESERVED), SQLITE_OK);
    assert_true(is_reserved(one) && is_reserved(two));
    assert_false(is_reserved(other));
    assert_int_equal(lock_file(two, SQLITE_LOCK_RESERVED), SQLITE_BUSY);
    assert_int_equal(lock_file(three, SQLITE_LOCK_SHARED), SQLITE_OK);
    unlock_file(three, SQLITE_LOCK_NONE);
    /* Whoever wants all of it lets nobody in while he waits for the readers. */
    assert_int_equal(lock_file(one, SQLITE_LOCK_EXCLUSIVE), SQLITE_BUSY);
    assert_int_equal(lock_file(three, SQLITE_LOCK_SHARED), SQLITE_BUSY);
    unlock_file(two, SQLITE_LOCK_NONE);
    assert_int_equal(lock_file(one, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    assert_int_equal(lock_file(two, SQLITE_LOCK_SHARED), SQLITE_BUSY);
    assert_int_equal(lock_file(other, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    unlock_file(one, SQLITE_LOCK_SHARED);
    assert_int_equal(lock_file(two, SQLITE_LOCK_SHARED), SQLITE_OK);
    close_file(one);
    assert_int_equal(lock_file(two, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    close_file(two);
    close_file(three);
    close_file(other);
}

static uint8_t volatile *map(sqlite3_file *file, int region, bool extend)
{
    void volatile *memory = NULL;
    assert_int_equal(file->pMethods->xShmMap(file, region, 32768, extend, &memory), SQLITE_OK);
    return memory;
}

static int lock_shared(sqlite3_file *file, int offset, int count, int flags)
{
    return file->pMethods->xShmLock(file, offset, count, flags);
}

static void shared_memory_is_shared_and_locked(void **state)
{
    const int lock = SQLITE_SHM_LOCK, unlock = SQLITE_SHM_UNLOCK;
    const int shared = SQLITE_SHM_SHARED, exclusive = SQLITE_SHM_EXCLUSIVE;
    (void)state;
    sqlite3_file *one = open_file("/a", MAIN), *two = open_file("/a", MAIN);
    assert_null(map(one, 1, false));
    uint8_t volatile *memory = map(one, 1, true);
    memory[5] = 77;
    assert_ptr_equal(map(two, 1, false), memory);
    assert_int_equal(lock_shared(one, 3, 1, lock | shared), SQLITE_OK);
    assert_int_equal(lock_shared(two, 3, 1, lock | shared), SQLITE_OK);
    assert_int_equal(lock_shared(two, 4, 2, lock | exclusive), SQLITE_OK);
    assert_int_equal(lock_shared(one, 5, 1, lock | shared), SQLITE_BUSY);
    assert_int_equal(lock_shared(one, 5, 1, lock | exclusive), SQLITE_BUSY);
    assert_int_equal(lock_shared(one, 6, 1, lock | exclusive), SQLITE_OK);
    assert_int_equal(lock_shared(two, 2, 2, lock | exclusive), SQLITE_BUSY);
    assert_int_equal(lock_shared(two, 4, 2, unlock | exclusive), SQLITE_OK);
    assert_int_equal(lock_shared(one, 5, 1, lock | shared), SQLITE_OK);
    assert_int_equal(one->pMethods->xShmUnmap(one, 0), SQLITE_OK); /* gives back its locks */
    assert_int_equal(lock_shared(two, 5, 2, lock | exclusive), SQLITE_OK);
    assert_int_equal(map(one, 1, false)[5], 77);
    close_file(two);
    close_file(one);
    one = open_file("/a", MAIN);
    assert_null(map(one, 1, false)); /* gone with its last user */
    assert_int_equal(map(one, 1, true)[5], 0);
    close_file(one);
}

/* ---- The host's locks ---- */

static void one_handle_has_the_lock_until_a_crash(void **state)
{
    (void)state;
    int one = queue_lock_open("/shop/jobs.lock"), two = queue_lock_open("/shop/jobs.lock");
    int elsewhere = queue_lock_open("/shop/other.lock");
    assert_true(one >= 0 && two >= 0 && elsewhere >= 0);
    assert_true(queue_lock_try(one));
    assert_true(queue_lock_try(one));
    assert_false(queue_lock_try(two));
    assert_true(queue_lock_try(elsewhere));
    queue_lock_release(two); /* not his to give */
    assert_false(queue_lock_try(two));
    queue_lock_release(one);
    assert_true(queue_lock_try(two));
    queue_lock_close(two);
    assert_true(queue_lock_try(one));
    assert_int_equal(host_lock_handles(), 2);
    host_lock_crash();
    assert_int_equal(host_lock_handles(), 0);
    int after = queue_lock_open("/shop/jobs.lock");
    assert_true(queue_lock_try(after));
    /* The dead host's handles neither take nor give. */
    assert_false(queue_lock_try(one));
    queue_lock_release(one);
    queue_lock_close(one);
    int another = queue_lock_open("/shop/jobs.lock");
    assert_false(queue_lock_try(another));
    queue_lock_close(another);
    queue_lock_close(after);
    assert_int_equal(host_lock_handles(), 0);
    for (int i = 0; i < 1000; i++)
        queue_lock_close(queue_lock_open("/shop/jobs.lock"));
    assert_int_equal(host_lock_handles(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(locks_of_a_file_are_sqlites, setup, teardown),
        cmocka_unit_test_setup_teardown(shared_memory_is_shared_and_locked, setup, teardown),
        cmocka_unit_test(one_handle_has_the_lock_until_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
