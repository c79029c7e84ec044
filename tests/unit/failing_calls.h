/* Functions of the system, of SQLite and of the host's clock that fail when they are told to, at
 * their n-th call, once. The linker puts these in the place of the real ones (Makefile, --wrap).
 * Header-only, one test program at a time.
 *
 * Always true: with victim NOBODY everything is as it is.
 */
#ifndef TESTS_UNIT_FAILING_CALLS_H
#define TESTS_UNIT_FAILING_CALLS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "hostdrv/clock.h"

enum victim {
    NOBODY,
    MALLOC,
    CALLOC,
    RANDOM,
    BOOT_ID,
    CLOCK,
    STATX,
    FUNCTION,
    EXEC,
    PREPARE_2,
    PREPARE_3,
    STEP,
    TEXT,
    BLOB
};

static enum victim victim;
static unsigned calls_left; /* before it fails, once */
static int failure;         /* what it gives */
static bool struck;

static void fail_at(enum victim who, unsigned at, int with)
{
    victim = who;
    calls_left = at;
    failure = with;
    struck = false;
}

static bool strikes(enum victim who)
{
    if (who != victim || struck || calls_left-- != 0)
        return false;
    struck = true;
    return true;
}

/* The linker wants these names. NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return strikes(MALLOC) ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return strikes(CALLOC) ? NULL : __real_calloc(count, size);
}

/* failure: the errno, or 0 for "no byte yet". */
ssize_t __real_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    if (!strikes(RANDOM))
        return __real_getrandom(buffer, size > 5 ? 5 : size, flags);
    errno = failure;
    return failure == 0 ? 0 : -1;
}

void __real_host_clock_boot_id(char out[37]);
void __wrap_host_clock_boot_id(char out[37]);
void __wrap_host_clock_boot_id(char out[37])
{
    __real_host_clock_boot_id(out);
    if (strikes(BOOT_ID))
        out[0] = '\0';
}

static uint64_t clock_offset_ms;
/* Each failing look at the clock finds it a minute later. */
uint64_t __real_host_clock_ms(void);
uint64_t __wrap_host_clock_ms(void);
uint64_t __wrap_host_clock_ms(void)
{
    if (strikes(CLOCK))
        clock_offset_ms += 60000;
    return __real_host_clock_ms() + clock_offset_ms;
}

int __real_statx(int folder, const char *path, int flags, unsigned mask, struct statx *out);
int __wrap_statx(int folder, const char *path, int flags, unsigned mask, struct statx *out);
int __wrap_statx(int folder, const char *path, int flags, unsigned mask, struct statx *out)
{
    return strikes(STATX) ? -1 : __real_statx(folder, path, flags, mask, out);
}

typedef void (*sql_function)(sqlite3_context *, int, sqlite3_value **);
typedef void (*sql_final)(sqlite3_context *);
int __real_sqlite3_create_function(sqlite3 *database, const char *name, int arguments, int flags,
                                   void *user, sql_function function, sql_function every,
                                   sql_final final);
int __wrap_sqlite3_create_function(sqlite3 *database, const char *name, int arguments, int flags,
                                   void *user, sql_function function, sql_function every,
                                   sql_final final);
int __wrap_sqlite3_create_function(sqlite3 *database, const char *name, int arguments, int flags,
                                   void *user, sql_function function, sql_function every,
                                   sql_final final)
{
    if (strikes(FUNCTION))
        return failure;
    return __real_sqlite3_create_function(database, name, arguments, flags, user, function, every,
                                          final);
}

typedef int (*sql_row)(void *, int, char **, char **);
int __real_sqlite3_exec(sqlite3 *database, const char *sql, sql_row row, void *user, char **text);
int __wrap_sqlite3_exec(sqlite3 *database, const char *sql, sql_row row, void *user, char **text);
int __wrap_sqlite3_exec(sqlite3 *database, const char *sql, sql_row row, void *user, char **text)
{
    return strikes(EXEC) ? failure : __real_sqlite3_exec(database, sql, row, user, text);
}

int __real_sqlite3_prepare_v2(sqlite3 *database, const char *sql, int size, sqlite3_stmt **out,
                              const char **rest);
int __wrap_sqlite3_prepare_v2(sqlite3 *database, const char *sql, int size, sqlite3_stmt **out,
                              const char **rest);
int __wrap_sqlite3_prepare_v2(sqlite3 *database, const char *sql, int size, sqlite3_stmt **out,
                              const char **rest)
{
    return strikes(PREPARE_2) ? failure : __real_sqlite3_prepare_v2(database, sql, size, out, rest);
}

int __real_sqlite3_prepare_v3(sqlite3 *database, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **rest);
int __wrap_sqlite3_prepare_v3(sqlite3 *database, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **rest);
int __wrap_sqlite3_prepare_v3(sqlite3 *database, const char *sql, int size, unsigned flags,
                              sqlite3_stmt **out, const char **rest)
{
    return strikes(PREPARE_3) ? failure
                              : __real_sqlite3_prepare_v3(database, sql, size, flags, out, rest);
}

int __real_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    return strikes(STEP) ? failure : __real_sqlite3_step(statement);
}

const unsigned char *__real_sqlite3_column_text(sqlite3_stmt *statement, int column);
const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *statement, int column);
const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *statement, int column)
{
    return strikes(TEXT) ? NULL : __real_sqlite3_column_text(statement, column);
}

const void *__real_sqlite3_column_blob(sqlite3_stmt *statement, int column);
const void *__wrap_sqlite3_column_blob(sqlite3_stmt *statement, int column);
const void *__wrap_sqlite3_column_blob(sqlite3_stmt *statement, int column)
{
    return strikes(BLOB) ? NULL : __real_sqlite3_column_blob(statement, column);
}

/* NOLINTEND(bugprone-reserved-identifier) */

#endif
