/* What the tests of the simulated disk share that speak to it without SQLite in between. */
#ifndef TESTS_UNIT_DISK_FILES_H
#define TESTS_UNIT_DISK_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "tests/world/disk.h"

#define SECTOR 512
#define MAIN   (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB)
#define WAL    (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL)

static inline int setup(void **state)
{
    *state = disk_create(false);
    return *state == NULL ? -1 : 0;
}

static inline int teardown(void **state)
{
    if (disk_open_files(*state) > 0)
        return -1;
    disk_destroy(*state);
    return 0;
}

static inline sqlite3_vfs *world(void)
{
    return sqlite3_vfs_find("world");
}

static inline sqlite3_file *open_file(const char *name, int flags)
{
    sqlite3_file *file = calloc(1, (size_t)world()->szOsFile);
    assert_non_null(file);
    if (world()->xOpen(world(), name, file, flags, NULL) == SQLITE_OK)
        return file;
    assert_null(file->pMethods);
    free(file);
    return NULL;
}

static inline void close_file(sqlite3_file *file)
{
    assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
    free(file);
}

static inline int fill(sqlite3_file *file, int64_t offset, uint8_t value, int size)
{
    uint8_t bytes[16 * SECTOR];
    assert_true(size <= (int)sizeof bytes);
    memset(bytes, value, (size_t)size);
    return file->pMethods->xWrite(file, bytes, size, offset);
}

static inline int sync_file(sqlite3_file *file)
{
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static inline int truncate_file(sqlite3_file *file, int64_t size)
{
    return file->pMethods->xTruncate(file, size);
}

static inline int64_t size_of(sqlite3_file *file)
{
    sqlite3_int64 size = -1;
    assert_int_equal(file->pMethods->xFileSize(file, &size), SQLITE_OK);
    return size;
}

static inline bool exists(const char *name)
{
    int there = 0;
    assert_int_equal(world()->xAccess(world(), name, SQLITE_ACCESS_EXISTS, &there), SQLITE_OK);
    return there != 0;
}

/* The one value of the bytes; they must be the same. */
static inline uint8_t value_at(sqlite3_file *file, int64_t offset, int size)
{
    uint8_t bytes[16 * SECTOR];
    assert_true(size <= (int)sizeof bytes);
    assert_int_equal(file->pMethods->xRead(file, bytes, size, offset), SQLITE_OK);
    for (int i = 1; i < size; i++)
        assert_int_equal(bytes[i], bytes[0]);
    return bytes[0];
}

/* A file of `size` bytes of `value`, all of it durable. */
static inline sqlite3_file *durable_file(const char *name, uint8_t value, int size)
{
    sqlite3_file *file = open_file(name, MAIN);
    assert_non_null(file);
    if (size > 0)
        assert_int_equal(fill(file, 0, value, size), SQLITE_OK);
    assert_int_equal(sync_file(file), SQLITE_OK);
    return file;
}

#endif
