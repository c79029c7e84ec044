/* The simulated world's disk: SQLite works on it, synced data survives every crash, the rest may
 * vanish or tear, and a disk that lies is found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/world/disk.h"

#define FILE_NAME "/shop/test.db"
#define SEEDS     200u

static int setup(void **state)
{
    *state = disk_create(true);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    /* A test that failed left its connections open, and its message is still to be printed. */
    if (disk_open_files(*state) > 0)
        return -1;
    disk_destroy(*state);
    return 0;
}

/* ---- SQLite ---- */

static int run(sqlite3 *database, const char *sql)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL);
}

/* FULL does not sync the folder a rollback journal was deleted from, so that the journal may come
 * back and undo the commit; EXTRA does. With a WAL they are the same. */
static sqlite3 *open_database(const char *mode)
{
    sqlite3 *database = NULL;
    char sql[64];
    assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s", mode);
    assert_int_equal(run(database, sql), SQLITE_OK);
    assert_int_equal(run(database, "PRAGMA synchronous=EXTRA"), SQLITE_OK);
    assert_int_equal(run(database, "CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, b)"),
                     SQLITE_OK);
    return database;
}

/* A number as the answer to `sql`; -1: it failed. */
static int64_t ask(sqlite3 *database, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t answer = -1;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        answer = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return answer;
}

static bool says(sqlite3 *database, const char *sql, const char *wanted)
{
    sqlite3_stmt *statement = NULL;
    bool same = false;
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        same = strcmp((const char *)sqlite3_column_text(statement, 0), wanted) == 0;
    sqlite3_finalize(statement);
    return same;
}

static int insert(sqlite3 *database, int id)
{
    char sql[96];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES(%d, zeroblob(3000 + %d))", id, id);
    return run(database, sql);
}

static bool has_row(sqlite3 *database, int id)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM t WHERE id = %d AND length(b) = 3000 + %d", id,
             id);
    int64_t count = ask(database, sql);
    assert_true(count >= 0);
    return count == 1;
}

static void assert_sound(sqlite3 *database)
{
    assert_true(says(database, "PRAGMA integrity_check", "ok"));
}

static void die(struct disk *disk, sqlite3 *database, enum disk_crash_kind kind, uint32_t seed)
{
    disk_kill(disk);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    disk_crash(disk, kind, seed);
}

static void sqlite_works_in_wal_mode(void **state)
{
    struct disk *disk = *state;
    sqlite3 *one = open_database("WAL"), *two = open_database("WAL");
    assert_true(says(one, "PRAGMA journal_mode", "wal"));
    assert_int_equal(run(two, "BEGIN"), SQLITE_OK);
    assert_int_equal(ask(two, "SELECT count(*) FROM t"), 0);
    for (int id = 0; id < 2000; id++)
        assert_int_equal(insert(one, id), SQLITE_OK);
    /* A reader keeps its view, and there is one writer. */
    assert_int_equal(ask(two, "SELECT count(*) FROM t"), 0);
    assert_int_equal(run(two, "COMMIT"), SQLITE_OK);
    assert_int_equal(ask(two, "SELECT count(*) FROM t"), 2000);
    assert_int_equal(run(one, "BEGIN IMMEDIATE"), SQLITE_OK);
    assert_int_equal(insert(two, 5000), SQLITE_BUSY);
    assert_int_equal(run(one, "ROLLBACK"), SQLITE_OK);
    assert_int_equal(insert(two, 5000), SQLITE_OK);
    assert_true(has_row(one, 5000));
    assert_int_equal(ask(one, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    assert_sound(two);
    assert_int_equal(sqlite3_close(two), SQLITE_OK);
    assert_int_equal(sqlite3_close(one), SQLITE_OK);
    assert_false(disk_rot(disk, FILE_NAME "-wal", 1, 0)); /* the last one takes it along */
    one = open_database("WAL");
    assert_int_equal(ask(one, "SELECT count(*) FROM t"), 2001);
    assert_sound(one);
    assert_int_equal(sqlite3_close(one), SQLITE_OK);
}

static void sqlite_works_with_rollback_journals(void **state)
{
    (void)state;
    static const char *const modes[] = {"DELETE", "TRUNCATE", "PERSIST"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        disk_format(*state);
        sqlite3 *one = open_database(modes[i]), *two = open_database(modes[i]);
        for (int id = 0; id < 200; id++)
            assert_int_equal(insert(id % 2 == 0 ? one : two, id), SQLITE_OK);
        /* A reader is in the way of a commit, not of a transaction. */
        assert_int_equal(run(two, "BEGIN"), SQLITE_OK);
        assert_int_equal(ask(two, "SELECT count(*) FROM t"), 200);
        assert_int_equal(run(one, "BEGIN IMMEDIATE"), SQLITE_OK);
        assert_int_equal(insert(one, 1000), SQLITE_OK);
        assert_int_equal(run(one, "COMMIT"), SQLITE_BUSY);
        assert_int_equal(run(two, "COMMIT"), SQLITE_OK);
        assert_int_equal(run(one, "COMMIT"), SQLITE_OK);
        assert_int_equal(run(two, "DELETE FROM t WHERE id < 150; VACUUM"), SQLITE_OK);
        assert_int_equal(ask(one, "SELECT count(*) FROM t"), 51);
        assert_sound(one);
        assert_int_equal(sqlite3_close(two), SQLITE_OK);
        assert_int_equal(sqlite3_close(one), SQLITE_OK);
    }
}

static void a_killed_process_loses_nothing_it_wrote(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("WAL");
    assert_int_equal(run(database, "PRAGMA synchronous=OFF"), SQLITE_OK);
    assert_int_equal(insert(database, 1), SQLITE_OK);
    die(disk, database, DISK_CRASH_PROCESS, 1);
    database = open_database("WAL");
    assert_true(has_row(database, 1));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(disk_counters(disk).crashes, 1);
    assert_int_equal(disk_counters(disk).lost_writes, 0);
}

/* One synced row and one that is not, then the power fails. */
struct survival {
    unsigned synced, unsynced;
};

static struct survival survive_power_failures(struct disk *disk, const char *mode,
                                              enum disk_fault fault)
{
    struct survival survival = {0, 0};
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        sqlite3 *database = open_database(mode);
        disk_set_fault(disk, fault, 0);
        assert_int_equal(insert(database, 1), SQLITE_OK);
        disk_set_fault(disk, DISK_FAULT_NONE, 0);
        assert_int_equal(run(database, strcmp(mode, "WAL") == 0 ? "PRAGMA synchronous=NORMAL"
                                                                : "PRAGMA synchronous=OFF"),
                         SQLITE_OK);
        if (fault == DISK_FAULT_NONE)
            assert_int_equal(insert(database, 2), SQLITE_OK);
        die(disk, database, DISK_CRASH_MACHINE, seed);
        assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
        survival.synced += ask(database, "SELECT count(*) FROM t WHERE id = 1") == 1;
        survival.unsynced += ask(database, "SELECT count(*) FROM t WHERE id = 2") == 1;
        /* Without any sync a rollback journal protects nothing; a WAL always does. */
        if (strcmp(mode, "WAL") == 0)
            assert_sound(database);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
    }
    return survival;
}

static void synced_rows_survive_every_power_failure(void **state)
{
    struct survival survival = survive_power_failures(*state, "WAL", DISK_FAULT_NONE);
    assert_int_equal(survival.synced, SEEDS);
    assert_in_range(survival.unsynced, SEEDS / 10, SEEDS - SEEDS / 10);
}

static void a_disk_that_lies_is_found_out(void **state)
{
    struct survival survival = survive_power_failures(*state, "WAL", DISK_FAULT_LYING_SYNC);
    assert_in_range(survival.synced, SEEDS / 10, SEEDS - SEEDS / 10);
    survival = survive_power_failures(*state, "DELETE", DISK_FAULT_LYING_SYNC);
    assert_in_range(survival.synced, SEEDS / 10, SEEDS - SEEDS / 10);
}

/* ---- Death at every operation ---- */

struct deaths {
    unsigned old, new, points;
};

/* `image` holds row 1; row 2 is added with death at `operation`. False: it did not come to it. */
static bool die_in_commit(struct disk *disk, const struct disk_image *image, const char *mode,
                          uint64_t operation, enum disk_crash_kind kind, uint32_t seed,
                          struct deaths *deaths)
{
    sqlite3 *database = NULL;
    enum disk_kill_share share = (enum disk_kill_share)(seed % 3);
    disk_restore(disk, image);
    uint64_t before = disk_operations(disk);
    disk_kill_at(disk, before + operation);
    disk_set_kill_share(disk, share);
    sqlite3_open(FILE_NAME, &database);
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA journal_mode=%s; PRAGMA synchronous=EXTRA", mode);
    bool good = run(database, sql) == SQLITE_OK && insert(database, 2) == SQLITE_OK;
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    bool died = disk_is_dead(disk);
    if (!died)
        assert_true(good);
    disk_crash(disk, kind, seed);
    assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
    assert_sound(database);
    assert_true(has_row(database, 1));
    bool new = has_row(database, 2);
    if (good)
        assert_true(new);
    deaths->new += new;
    deaths->old += !new;
    deaths->points++;
    assert_int_equal(insert(database, 3), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    return died;
}

static void death_anywhere_in_a_commit_leaves_old_or_new(void **state)
{
    struct disk *disk = *state;
    static const char *const modes[] = {"WAL", "DELETE", "TRUNCATE", "PERSIST"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct deaths deaths = {0, 0, 0};
        disk_format(disk);
        sqlite3 *database = open_database(modes[i]);
        assert_int_equal(insert(database, 1), SQLITE_OK);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        struct disk_image *image = disk_save(disk);
        assert_non_null(image);
        bool died = true;
        uint64_t operation = 0;
        while (died) {
            operation++;
            for (uint32_t seed = 0; seed < 60; seed++) {
                enum disk_crash_kind kind = seed < 3 ? DISK_CRASH_PROCESS : DISK_CRASH_MACHINE;
                died = die_in_commit(disk, image, modes[i], operation, kind, seed, &deaths);
            }
        }
        disk_image_free(image);
        assert_true(operation > 6);
        assert_true(deaths.old > deaths.points / 10);
        assert_true(deaths.new > 60); /* not only when nothing died */
        print_message("%s: %u crashes at %u operations, old %u, new %u\n", modes[i], deaths.points,
                      (unsigned)operation, deaths.old, deaths.new);
    }
}

static void a_dead_disk_does_nothing(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("WAL");
    sqlite3 *other = NULL;
    assert_int_equal(insert(database, 1), SQLITE_OK);
    disk_kill(disk);
    assert_true(disk_is_dead(disk));
    uint32_t digest = disk_digest(disk);
    uint64_t operations = disk_operations(disk);
    assert_int_not_equal(insert(database, 2), SQLITE_OK);
    assert_int_not_equal(run(database, "PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
    assert_int_equal(sqlite3_open(FILE_NAME "2", &other), SQLITE_CANTOPEN);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(disk_digest(disk), digest);
    assert_int_equal(disk_operations(disk), operations);
    disk_crash(disk, DISK_CRASH_PROCESS, 0);
    assert_false(disk_is_dead(disk));
    assert_int_equal(disk_digest(disk), digest);
}

/* ---- Determinism and snapshots ---- */

static uint32_t live_and_die(struct disk *disk, uint32_t seed)
{
    sqlite3 *database = open_database("WAL");
    for (int id = 10; id < 60; id++) {
        if (id % 7 == 0)
            assert_int_equal(run(database, "PRAGMA synchronous=OFF"), SQLITE_OK);
        assert_int_equal(insert(database, id), SQLITE_OK);
    }
    die(disk, database, DISK_CRASH_MACHINE, seed);
    return disk_digest(disk);
}

static void the_same_seed_gives_the_same_disk(void **state)
{
    struct disk *disk = *state;
    unsigned different = 0;
    uint32_t first = 0;
    for (uint32_t seed = 0; seed < 20; seed++) {
        disk_format(disk);
        uint32_t digest = live_and_die(disk, seed);
        struct disk_counters counters = disk_counters(disk);
        disk_format(disk);
        assert_int_equal(live_and_die(disk, seed), digest);
        struct disk_counters again = disk_counters(disk);
        assert_memory_equal(&counters, &again, sizeof counters);
        if (seed == 0)
            first = digest;
        different += digest != first;
    }
    assert_true(different > 10);
    /* The salts of the WAL are random, and follow the seed. */
    disk_format(disk);
    disk_seed(disk, 77);
    assert_int_not_equal(live_and_die(disk, 0), first);
}

static void a_snapshot_is_everything(void **state)
{
    struct disk *disk = *state;
    uint32_t digests[2], crashed[2];
    uint64_t operations[2];
    /* Not synced at all: the snapshot must hold the way back too. */
    sqlite3 *database = open_database("WAL");
    assert_int_equal(run(database, "PRAGMA synchronous=OFF"), SQLITE_OK);
    for (int id = 0; id < 10; id++)
        assert_int_equal(insert(database, id), SQLITE_OK);
    assert_int_equal(ask(database, "PRAGMA wal_checkpoint(TRUNCATE)"), 0);
    assert_int_equal(insert(database, 100), SQLITE_OK);
    disk_kill(disk);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    disk_set_fault(disk, DISK_FAULT_SYNC_ERROR, 1);
    struct disk_image *image = disk_save(disk);
    assert_non_null(image);
    uint32_t digest = disk_digest(disk);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(disk_digest(disk), digest);
        assert_true(disk_is_dead(disk));
        disk_crash(disk, DISK_CRASH_MACHINE, 41);
        crashed[i] = disk_digest(disk);
        disk_restore(disk, image);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        database = NULL;
        assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
        assert_int_equal(run(database, "PRAGMA synchronous=FULL"), SQLITE_OK);
        assert_int_equal(insert(database, 200), SQLITE_IOERR); /* the fault came along */
        assert_int_equal(insert(database, 201), SQLITE_OK);
        assert_true(has_row(database, 100));
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        digests[i] = disk_digest(disk);
        operations[i] = disk_operations(disk);
        disk_restore(disk, image);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_equal(crashed[0], crashed[1]);
    assert_int_equal(operations[0], operations[1]);
    assert_int_not_equal(digests[0], digest);
    disk_image_free(image);
    disk_crash(disk, DISK_CRASH_PROCESS, 0);
}

/* ---- Faults ---- */

static void a_full_disk(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("WAL");
    disk_set_fault(disk, DISK_FAULT_FULL, 0);
    assert_int_equal(insert(database, 1), SQLITE_FULL);
    assert_int_equal(insert(database, 1), SQLITE_FULL);
    disk_set_fault(disk, DISK_FAULT_NONE, 0);
    assert_int_equal(insert(database, 2), SQLITE_OK);
    assert_false(has_row(database, 1));
    disk_set_fault(disk, DISK_FAULT_FULL, 1);
    assert_int_equal(insert(database, 3), SQLITE_FULL);
    assert_int_equal(insert(database, 3), SQLITE_OK);
    assert_sound(database);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void a_read_only_disk(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("DELETE");
    assert_int_equal(insert(database, 1), SQLITE_OK);
    disk_set_fault(disk, DISK_FAULT_READ_ONLY, 0);
    assert_int_not_equal(insert(database, 2), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    uint32_t digest = disk_digest(disk);
    assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
    assert_true(has_row(database, 1));
    assert_int_equal(insert(database, 2), SQLITE_READONLY);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(sqlite3_open(FILE_NAME "2", &database), SQLITE_CANTOPEN);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    assert_int_equal(disk_digest(disk), digest);
    disk_set_fault(disk, DISK_FAULT_NONE, 0);
    database = open_database("DELETE");
    assert_int_equal(insert(database, 2), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void errors_of_reading_writing_and_syncing(void **state)
{
    struct disk *disk = *state;
    static const enum disk_fault faults[] = {DISK_FAULT_WRITE_ERROR, DISK_FAULT_SYNC_ERROR};
    static const char *const modes[] = {"WAL", "DELETE"};
    for (size_t i = 0; i < 4; i++) {
        disk_format(disk);
        sqlite3 *database = open_database(modes[i / 2]);
        assert_int_equal(insert(database, 1), SQLITE_OK);
        disk_set_fault(disk, faults[i % 2], 1);
        assert_int_equal(insert(database, 2), SQLITE_IOERR);
        assert_false(has_row(database, 2));
        assert_int_equal(insert(database, 3), SQLITE_OK);
        assert_sound(database);
        die(disk, database, DISK_CRASH_MACHINE, (uint32_t)i);
        database = open_database(modes[i / 2]);
        assert_true(has_row(database, 1) && has_row(database, 3));
        assert_false(has_row(database, 2));
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
        assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
        disk_set_fault(disk, DISK_FAULT_READ_ERROR, 0);
        assert_int_equal(ask(database, "SELECT count(*) FROM t"), -1);
        assert_int_equal(sqlite3_errcode(database), SQLITE_IOERR);
        disk_set_fault(disk, DISK_FAULT_NONE, 0);
        assert_int_equal(ask(database, "SELECT count(*) FROM t"), 2);
        assert_int_equal(sqlite3_close(database), SQLITE_OK);
    }
}

static void a_busy_disk_is_waited_for_without_waiting(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("WAL");
    sqlite3_busy_timeout(database, 5000);
    disk_set_fault(disk, DISK_FAULT_BUSY, 0);
    assert_int_equal(insert(database, 1), SQLITE_BUSY);
    /* Reading goes on beside a writer. */
    assert_int_equal(ask(database, "SELECT count(*) FROM t"), 0);
    struct disk_counters counters = disk_counters(disk);
    assert_in_range(counters.slept_us, 4900000, 5000000);
    assert_true(counters.sleeps > 10);
    disk_set_fault(disk, DISK_FAULT_BUSY, 3);
    assert_int_equal(insert(database, 1), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void rot_is_seen(void **state)
{
    struct disk *disk = *state;
    sqlite3 *database = open_database("DELETE");
    for (int id = 0; id < 50; id++)
        assert_int_equal(insert(database, id), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
    uint32_t digest = disk_digest(disk);
    assert_false(disk_rot(disk, "/shop/other.db", 1, 1));
    assert_true(disk_rot(disk, FILE_NAME, 5, 1));
    assert_int_not_equal(disk_digest(disk), digest);
    assert_true(disk_rot(disk, FILE_NAME, 5, 1));
    assert_int_equal(disk_digest(disk), digest);
    assert_true(disk_rot(disk, FILE_NAME, 5, 5000));
    assert_int_equal(sqlite3_open(FILE_NAME, &database), SQLITE_OK);
    assert_false(says(database, "PRAGMA integrity_check", "ok"));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void time_is_what_it_is_told(void **state)
{
    sqlite3 *database = open_database("WAL");
    disk_set_time(*state, 1767225600);
    assert_true(says(database, "SELECT datetime('now')", "2026-01-01 00:00:00"));
    disk_set_time(*state, 1767225661);
    assert_true(says(database, "SELECT datetime('now')", "2026-01-01 00:01:01"));
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sqlite_works_in_wal_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(sqlite_works_with_rollback_journals, setup, teardown),
        cmocka_unit_test_setup_teardown(a_killed_process_loses_nothing_it_wrote, setup, teardown),
        cmocka_unit_test_setup_teardown(synced_rows_survive_every_power_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_that_lies_is_found_out, setup, teardown),
        cmocka_unit_test_setup_teardown(death_anywhere_in_a_commit_leaves_old_or_new, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_dead_disk_does_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_seed_gives_the_same_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_is_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_only_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_of_reading_writing_and_syncing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_busy_disk_is_waited_for_without_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(rot_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(time_is_what_it_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
