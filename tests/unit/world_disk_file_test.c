/* The simulated world's disk without SQLite in between: what exactly a power failure may leave of
 * writes, truncations and names, what a dying operation does, and the counters.
 */
#include "tests/unit/disk_files.h"

#define SEEDS 500u

/* ---- Power failures ---- */

static void a_write_is_kept_lost_or_torn_at_sectors(void **state)
{
    struct disk *disk = *state;
    unsigned kept = 0, lost = 0, torn = 0, began_late = 0;
    enum { BEGIN = 100, SIZE = 5 * SECTOR };
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        sqlite3_file *file = durable_file("/a", 1, 8 * SECTOR);
        assert_int_equal(fill(file, BEGIN, 2, SIZE), SQLITE_OK);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        file = open_file("/a", MAIN);
        assert_int_equal(size_of(file), 8 * SECTOR);
        assert_int_equal(value_at(file, 0, BEGIN), 1);
        assert_int_equal(value_at(file, BEGIN + SIZE, 3 * SECTOR - BEGIN), 1);
        /* The write covers the end of the first sector and the beginning of the sixth. */
        unsigned changes = 0, news = 0;
        uint8_t before = 1;
        for (int i = 0; i < 6; i++) {
            int from = i == 0 ? BEGIN : i * SECTOR;
            int to = i == 5 ? BEGIN + SIZE : (i + 1) * SECTOR;
            uint8_t value = value_at(file, from, to - from);
            changes += value != before;
            news += value == 2;
            began_late += value == 2 && before == 1 && i > 0;
            before = value;
        }
        assert_true(changes <= 2); /* one run of sectors */
        kept += news == 6;
        lost += news == 0;
        torn += news > 0 && news < 6;
        close_file(file);
    }
    struct disk_counters counters = disk_counters(disk);
    assert_int_equal(counters.crashes, 1); /* the last round's */
    assert_true(kept > SEEDS / 10 && lost > SEEDS / 10 && torn > SEEDS / 10);
    assert_true(began_late > SEEDS / 20);
}

static void writes_may_overtake_each_other(void **state)
{
    struct disk *disk = *state;
    unsigned second_alone = 0, grown = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        sqlite3_file *file = durable_file("/a", 1, SECTOR);
        assert_int_equal(fill(file, 0, 2, SECTOR), SQLITE_OK);
        assert_int_equal(fill(file, 2 * SECTOR, 3, SECTOR), SQLITE_OK);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        file = open_file("/a", MAIN);
        bool first = value_at(file, 0, SECTOR) == 2;
        if (size_of(file) > SECTOR) {
            grown++;
            second_alone += !first;
            assert_int_equal(size_of(file), 3 * SECTOR);
            assert_int_equal(value_at(file, SECTOR, SECTOR), 0); /* a hole reads as zeros */
            assert_int_equal(value_at(file, 2 * SECTOR, SECTOR), 3);
        }
        close_file(file);
    }
    assert_true(second_alone > SEEDS / 20);
    assert_in_range(grown, SEEDS / 5, SEEDS - SEEDS / 5);
}

static void a_synced_write_stays_under_later_ones(void **state)
{
    struct disk *disk = *state;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        sqlite3_file *file = durable_file("/a", 1, 4 * SECTOR);
        assert_int_equal(fill(file, SECTOR, 2, SECTOR), SQLITE_OK);
        assert_int_equal(sync_file(file), SQLITE_OK);
        for (uint8_t i = 0; i < 5; i++)
            assert_int_equal(fill(file, 0, (uint8_t)(10 + i), SECTOR), SQLITE_OK);
        assert_int_equal(truncate_file(file, 2 * SECTOR), SQLITE_OK);
        close_file(file);
        /* A killed process first: what is not on the disk is still not. */
        disk_crash(disk, DISK_CRASH_PROCESS, seed);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        disk_crash(disk, DISK_CRASH_MACHINE, seed + 1); /* and now all of it is */
        file = open_file("/a", MAIN);
        assert_int_equal(value_at(file, SECTOR, SECTOR), 2);
        uint8_t first = value_at(file, 0, SECTOR);
        assert_true(first == 1 || (first >= 10 && first < 15));
        close_file(file);
    }
}

/* A file as this test remembers it: what was synced, what programs see, and which values a byte has
 * had since. */
enum { MODEL_SIZE = 24 * SECTOR };
struct model {
    uint8_t synced[MODEL_SIZE], now[MODEL_SIZE], had[MODEL_SIZE][32]; /* a bit a value */
    int64_t synced_size, size;
};

static void model_sync(struct model *model)
{
    memcpy(model->synced, model->now, MODEL_SIZE);
    model->synced_size = model->size;
    memset(model->had, 0, sizeof model->had);
    for (int i = 0; i < MODEL_SIZE; i++) {
        model->had[i][0] = 1; /* a byte beyond the end is zero when the file grows over it */
        model->had[i][model->now[i] / 8] |= (uint8_t)(1u << (model->now[i] % 8));
    }
}

static void change_something(sqlite3_file *file, struct model *model, uint8_t value)
{
    int offset = rand() % (8 * SECTOR), size = 1 + rand() % (16 * SECTOR);
    if (rand() % 4 == 0) {
        assert_int_equal(truncate_file(file, offset), SQLITE_OK);
        memset(model->now + offset, 0, (size_t)(MODEL_SIZE - offset));
        model->size = offset;
        return;
    }
    assert_int_equal(fill(file, offset, value, size), SQLITE_OK);
    memset(model->now + offset, value, (size_t)size);
    for (int i = offset; i < offset + size; i++)
        model->had[i][value / 8] |= (uint8_t)(1u << (value % 8));
    if (offset + size > model->size)
        model->size = offset + size;
}

static void any_changes_leave_what_was_written(void **state)
{
    struct disk *disk = *state;
    struct model *model = calloc(1, sizeof *model);
    unsigned as_synced = 0, as_seen = 0, between = 0;
    srand(1);
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        uint8_t there[MODEL_SIZE] = {0}, value = 1;
        disk_format(disk);
        memset(model, 0, sizeof *model);
        sqlite3_file *file = durable_file("/a", 0, 0);
        model_sync(model);
        for (int i = 0; i < 20; i++) {
            change_something(file, model, value++);
            if (rand() % 8 == 0) {
                assert_int_equal(sync_file(file), SQLITE_OK);
                model_sync(model);
            }
        }
        assert_int_equal(size_of(file), model->size);
        if (model->size > 0)
            assert_int_equal(file->pMethods->xRead(file, there, (int)model->size, 0), SQLITE_OK);
        assert_memory_equal(there, model->now, MODEL_SIZE);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        file = open_file("/a", MAIN);
        int64_t size = size_of(file);
        memset(there, 0, sizeof there);
        if (size > 0)
            assert_int_equal(file->pMethods->xRead(file, there, (int)size, 0), SQLITE_OK);
        close_file(file);
        for (int i = 0; i < MODEL_SIZE; i++)
            assert_true((model->had[i][there[i] / 8] & (1u << (there[i] % 8))) != 0);
        bool old = size == model->synced_size && memcmp(there, model->synced, MODEL_SIZE) == 0;
        bool new = size == model->size &&memcmp(there, model->now, MODEL_SIZE) == 0;
        as_synced += old && !new;
        as_seen += new && !old;
        between += !old && !new;
    }
    assert_true(as_synced > SEEDS / 10 && as_seen > SEEDS / 10 && between > SEEDS / 10);
    free(model);
}

static void a_shrunk_file_may_have_its_old_size(void **state)
{
    struct disk *disk = *state;
    unsigned old = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        sqlite3_file *file = durable_file("/a", 7, 4 * SECTOR);
        assert_int_equal(truncate_file(file, 100), SQLITE_OK);
        assert_int_equal(size_of(file), 100);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        file = open_file("/a", MAIN);
        assert_true(size_of(file) == 100 || size_of(file) == 4 * SECTOR);
        old += size_of(file) > 100;
        assert_int_equal(value_at(file, 0, (int)size_of(file)), 7);
        /* What was cut off does not come back when the file grows again. */
        if (size_of(file) == 100) {
            assert_int_equal(truncate_file(file, 4 * SECTOR), SQLITE_OK);
            assert_int_equal(value_at(file, 100, SECTOR), 0);
        }
        close_file(file);
    }
    assert_in_range(old, SEEDS / 5, SEEDS - SEEDS / 5);
}

static void names_need_a_sync_too(void **state)
{
    struct disk *disk = *state;
    unsigned new_gone = 0, deleted_back = 0, replaced_back = 0;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        close_file(durable_file("/old", 1, SECTOR));
        close_file(durable_file("/replaced", 2, SECTOR));
        sqlite3_file *file = open_file("/new", MAIN);
        assert_int_equal(fill(file, 0, 3, SECTOR), SQLITE_OK);
        close_file(file);
        assert_int_equal(world()->xDelete(world(), "/old", 0), SQLITE_OK);
        assert_int_equal(world()->xDelete(world(), "/replaced", 0), SQLITE_OK);
        assert_false(exists("/old"));
        assert_int_equal(world()->xDelete(world(), "/old", 0), SQLITE_IOERR_DELETE_NOENT);
        file = open_file("/replaced", MAIN);
        assert_int_equal(size_of(file), 0);
        assert_int_equal(fill(file, 0, 4, SECTOR), SQLITE_OK);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        new_gone += !exists("/new");
        deleted_back += exists("/old");
        if (exists("/replaced")) {
            file = open_file("/replaced", MAIN);
            uint8_t value = value_at(file, 0, SECTOR);
            assert_true(value == 2 || value == 4);
            replaced_back += value == 2;
            close_file(file);
        }
    }
    assert_in_range(new_gone, SEEDS / 5, SEEDS - SEEDS / 10); /* or there and empty */
    assert_in_range(deleted_back, SEEDS / 5, SEEDS - SEEDS / 5);
    assert_in_range(replaced_back, SEEDS / 5, SEEDS - SEEDS / 5);
}

static void a_synced_name_stays(void **state)
{
    struct disk *disk = *state;
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        disk_format(disk);
        /* By a sync of the file, by its folder's, and by that of a WAL in the same folder. */
        close_file(durable_file("/in/a", 1, SECTOR));
        close_file(durable_file("/in/b", 1, SECTOR));
        assert_int_equal(world()->xDelete(world(), "/in/b", 1), SQLITE_OK);
        close_file(durable_file("/in/c", 1, SECTOR));
        assert_int_equal(world()->xDelete(world(), "/in/c", 0), SQLITE_OK);
        sqlite3_file *wal = open_file("/in/a-wal", WAL);
        assert_int_equal(fill(wal, 0, 5, SECTOR), SQLITE_OK);
        assert_int_equal(sync_file(wal), SQLITE_OK);
        close_file(wal);
        /* A new file in the place of a deleted one. */
        close_file(durable_file("/else", 6, SECTOR));
        assert_int_equal(world()->xDelete(world(), "/else", 0), SQLITE_OK);
        close_file(durable_file("/else", 7, SECTOR));
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        sqlite3_file *file = open_file("/else", MAIN);
        assert_int_equal(value_at(file, 0, SECTOR), 7);
        close_file(file);
        assert_true(exists("/in/a") && exists("/in/a-wal"));
        assert_false(exists("/in/b") || exists("/in/c"));
        wal = open_file("/in/a-wal", WAL);
        assert_int_equal(value_at(wal, 0, SECTOR), 5);
        close_file(wal);
    }
}

/* ---- Dying operations ---- */

static void a_dying_write_and_sync_do_their_share(void **state)
{
    struct disk *disk = *state;
    static const int sizes[] = {
        [DISK_KILL_BEFORE] = 0, [DISK_KILL_HALF] = SECTOR, [DISK_KILL_AFTER] = 2 * SECTOR};
    for (int share = DISK_KILL_HALF; share <= DISK_KILL_AFTER; share++) {
        disk_format(disk);
        disk_set_kill_share(disk, (enum disk_kill_share)share);
        sqlite3_file *file = durable_file("/a", 0, 0);
        disk_kill_at(disk, disk_operations(disk) + 1);
        assert_int_equal(fill(file, 0, 2, 2 * SECTOR), SQLITE_IOERR_WRITE);
        assert_true(disk_is_dead(disk));
        assert_int_equal(fill(file, 0, 3, SECTOR), SQLITE_IOERR_WRITE);
        assert_int_equal(sync_file(file), SQLITE_IOERR_FSYNC);
        assert_int_equal(truncate_file(file, 0), SQLITE_IOERR_TRUNCATE);
        close_file(file);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        file = open_file("/a", MAIN);
        assert_int_equal(size_of(file), sizes[share]);
        if (size_of(file) > 0)
            assert_int_equal(value_at(file, 0, sizes[share]), 2);
        /* Two writes and a dying sync: half of it is the first write. */
        assert_int_equal(truncate_file(file, 0), SQLITE_OK);
        assert_int_equal(sync_file(file), SQLITE_OK);
        assert_int_equal(fill(file, 0, 4, SECTOR), SQLITE_OK);
        assert_int_equal(fill(file, SECTOR, 4, SECTOR), SQLITE_OK);
        disk_kill_at(disk, disk_operations(disk) + 1);
        assert_int_equal(sync_file(file), SQLITE_IOERR_FSYNC);
        close_file(file);
        struct disk_image *image = disk_save(disk);
        int64_t least = 2 * SECTOR;
        for (uint32_t seed = 0; seed < 50; seed++) {
            disk_restore(disk, image);
            disk_crash(disk, DISK_CRASH_MACHINE, seed);
            file = open_file("/a", MAIN);
            if (size_of(file) < least)
                least = size_of(file);
            close_file(file);
        }
        assert_int_equal(least, sizes[share]);
        disk_image_free(image);
    }
}

static void half_a_sync_leads_back_to_the_rest(void **state)
{
    struct disk *disk = *state;
    unsigned back = 0;
    for (uint32_t seed = 0; seed < 50; seed++) {
        disk_format(disk);
        sqlite3_file *file = durable_file("/a", 1, SECTOR);
        assert_int_equal(fill(file, 3 * SECTOR, 2, 100), SQLITE_OK);
        assert_int_equal(fill(file, 3 * SECTOR + 100, 5, SECTOR - 100), SQLITE_OK);
        assert_int_equal(sync_file(file), SQLITE_OK);
        assert_int_equal(fill(file, 0, 3, 10), SQLITE_OK);
        assert_int_equal(fill(file, 3 * SECTOR, 4, SECTOR), SQLITE_OK);
        disk_kill_at(disk, disk_operations(disk) + 1);
        assert_int_equal(sync_file(file), SQLITE_IOERR_FSYNC);
        close_file(file);
        disk_crash(disk, DISK_CRASH_MACHINE, seed);
        file = open_file("/a", MAIN);
        assert_int_equal(value_at(file, 0, 10), 3);
        uint8_t second = value_at(file, 3 * SECTOR, 100);
        assert_true(second == 2 || second == 4);
        assert_int_equal(value_at(file, 3 * SECTOR + 100, SECTOR - 100), second == 2 ? 5 : 4);
        back += second == 2;
        close_file(file);
    }
    assert_in_range(back, 5, 45);
}

static void a_dying_create_delete_and_truncate_are_done_or_not(void **state)
{
    struct disk *disk = *state;
    for (int share = DISK_KILL_HALF; share <= DISK_KILL_AFTER; share++) {
        bool done = share != DISK_KILL_BEFORE;
        disk_format(disk);
        disk_set_kill_share(disk, (enum disk_kill_share)share);
        close_file(durable_file("/a", 1, SECTOR));
        disk_kill_at(disk, disk_operations(disk) + 1);
        uint32_t digest = disk_digest(disk);
        assert_null(open_file("/b", MAIN));
        assert_int_equal(disk_digest(disk) != digest, done);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        disk_kill_at(disk, disk_operations(disk) + 1);
        sqlite3_file *file = open_file("/a", MAIN);
        assert_int_equal(truncate_file(file, 10), SQLITE_IOERR_TRUNCATE);
        close_file(file);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        file = open_file("/a", MAIN);
        assert_int_equal(size_of(file), done ? 10 : SECTOR);
        close_file(file);
        disk_kill_at(disk, disk_operations(disk) + 1);
        assert_int_equal(world()->xDelete(world(), "/a", 0), SQLITE_IOERR_DELETE);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        assert_int_equal(exists("/a"), !done);
    }
}

/* ---- Counters ---- */

static void operations_and_pages_are_counted(void **state)
{
    struct disk *disk = *state;
    sqlite3_file *file = open_file("/a", MAIN); /* 1 */
    assert_int_equal(fill(file, 4000, 1, 200), SQLITE_OK);
    assert_int_equal(fill(file, 4000, 2, 300), SQLITE_OK);
    assert_int_equal(fill(file, 0, 3, 256), SQLITE_OK);
    struct disk_counters counters = disk_counters(disk);
    /* 4000 to 4299 lies in the pages 15 and 16 of 256 bytes, and in both first ones of 4096. */
    assert_int_equal(counters.page_bytes_256, 3 * 256);
    assert_int_equal(counters.page_bytes_4096, 2 * 4096);
    assert_int_equal(counters.writes, 3);
    assert_int_equal(counters.written_bytes, 756);
    assert_int_equal(sync_file(file), SQLITE_OK); /* 5 */
    assert_int_equal(fill(file, 4000, 2, 1), SQLITE_OK);
    counters = disk_counters(disk);
    assert_int_equal(counters.page_bytes_256, 4 * 256);
    assert_int_equal(counters.page_bytes_4096, 3 * 4096);
    assert_int_equal(counters.syncs, 1);
    assert_int_equal(truncate_file(file, 0), SQLITE_OK); /* 7 */
    close_file(file);
    assert_int_equal(world()->xDelete(world(), "/a", 1), SQLITE_OK); /* 8 */
    assert_int_equal(disk_operations(disk), 8);
    /* A temporary file is nobody's business. */
    file = open_file(NULL, MAIN | SQLITE_OPEN_DELETEONCLOSE);
    assert_int_equal(fill(file, 0, 1, 600), SQLITE_OK);
    assert_int_equal(value_at(file, 0, 600), 1);
    assert_int_equal(sync_file(file), SQLITE_OK);
    close_file(file);
    assert_int_equal(disk_operations(disk), 8);
    assert_int_equal(disk_digest(disk), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_write_is_kept_lost_or_torn_at_sectors, setup, teardown),
        cmocka_unit_test_setup_teardown(writes_may_overtake_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_synced_write_stays_under_later_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(any_changes_leave_what_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shrunk_file_may_have_its_old_size, setup, teardown),
        cmocka_unit_test_setup_teardown(names_need_a_sync_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_synced_name_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dying_write_and_sync_do_their_share, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dying_create_delete_and_truncate_are_done_or_not, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(half_a_sync_leads_back_to_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(operations_and_pages_are_counted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
