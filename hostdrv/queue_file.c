/* Opening a queue file: its format, the modes of SQLite, and to which board and start of the
 * machine its marks belong. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hostdrv/clock.h"
#include "hostdrv/fault.h"
#include "hostdrv/queue_sql.h"

#define BUSY_TIMEOUT_MS 5000
#define WAL_RETRY_MS    20
#define ORIGIN_SIZE     96 /* boot id, number of the file, when it was made */

/* Jobs without a document stand in it, too: with "document > 0" in its condition, and so in every
 * statement that is to use it, SQLite takes that for the bound and walks through all that is not
 * confirmed. */
#define UNCONFIRMED_INDEX                                                                          \
    "CREATE INDEX job_unconfirmed ON job(fn_number, document) WHERE state = 1 AND confirmed = 0;"

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE job("
    " id INTEGER PRIMARY KEY,"
    " key BLOB NOT NULL UNIQUE CHECK(length(key) = 16),"
    " job INTEGER NOT NULL,"
    " state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 3),"
    " stored_at INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " sent_to TEXT NOT NULL DEFAULT '',"
    " code INTEGER NOT NULL DEFAULT 0,"
    " tag INTEGER NOT NULL DEFAULT 0,"
    " item INTEGER NOT NULL DEFAULT 0,"
    " expected INTEGER NOT NULL DEFAULT 0,"
    " flags INTEGER NOT NULL DEFAULT 0,"
    " document INTEGER NOT NULL DEFAULT 0,"
    " fiscal_sign INTEGER NOT NULL DEFAULT 0,"
    " time INTEGER NOT NULL DEFAULT 0,"
    " shift INTEGER NOT NULL DEFAULT 0,"
    " receipt INTEGER NOT NULL DEFAULT 0,"
    " total_kop INTEGER NOT NULL DEFAULT 0,"
    " fn_number TEXT NOT NULL DEFAULT '',"
    " registration_number TEXT NOT NULL DEFAULT '',"
    " serial TEXT NOT NULL DEFAULT '',"
    " confirmed INTEGER NOT NULL DEFAULT 0,"
    " body BLOB NOT NULL,"
    " seal INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX job_unfinished ON job(id) WHERE state = 0;" UNCONFIRMED_INDEX;

static bool read_integer(struct queue_store *store, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(store->database, sql, -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_ROW;
    if (good)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return good;
}

/* Format 1 had no seals, and another index. What stands in such a file is taken as it is. */
static const char upgrade_from_1[] = "DROP INDEX job_unconfirmed;" UNCONFIRMED_INDEX
                                     "ALTER TABLE job ADD COLUMN seal INTEGER NOT NULL DEFAULT 0;"
                                     "DELETE FROM meta WHERE name = 'boot';"
                                     "UPDATE job SET seal = " QUEUE_SEAL_NOW;

static bool stamp(struct queue_store *store)
{
    char text[80];
    snprintf(text, sizeof text, "PRAGMA application_id=%d; PRAGMA user_version=%d",
             QUEUE_APPLICATION_ID, QUEUE_FORMAT_VERSION);
    return queue_sql_execute(store, text);
}

/* An empty file becomes a queue; anything else must be one of ours and not newer. */
static int check_format(struct queue_store *store, const char *path, kkt_error *error)
{
    int64_t application = 0, version = 0, objects = 0;
    if (!read_integer(store, "PRAGMA application_id", &application) ||
        !read_integer(store, "PRAGMA user_version", &version) ||
        !read_integer(store, "SELECT count(*) FROM sqlite_schema", &objects))
        return queue_sql_fault(store, path, error);
    if (application == 0 && version == 0 && objects == 0) {
        bool made = queue_sql_execute(store, schema) && stamp(store);
        return made ? KKT_OK : queue_sql_fault(store, path, error);
    }
    if (application != QUEUE_APPLICATION_ID)
        return fault_set(error, ERROR_QUEUE_STORE, "%s: a database, but not a job queue", path);
    if (version > QUEUE_FORMAT_VERSION || version < 1)
        return fault_set(error, ERROR_VERSION_UNSUPPORTED,
                         "%s: queue format %lld, this driver knows up to %d", path,
                         (long long)version, QUEUE_FORMAT_VERSION);
    if (version == 1 && !(queue_sql_execute(store, upgrade_from_1) && stamp(store)))
        return queue_sql_fault(store, path, error);
    return KKT_OK;
}

/* SQLite does not wait for others while it changes the mode of a new file, so the waiting is done
 * here. */
static bool enter_wal(struct queue_store *store)
{
    uint64_t give_up_ms = host_clock_ms() + BUSY_TIMEOUT_MS;
    while (!queue_sql_execute(store, "PRAGMA journal_mode=WAL")) {
        if (sqlite3_errcode(store->database) != SQLITE_BUSY || host_clock_ms() >= give_up_ms)
            return false;
        host_clock_sleep(WAL_RETRY_MS);
    }
    return queue_sql_execute(store, QUEUE_SYNC_FULL);
}

static int prepare_file(struct queue_store *store, const char *path, kkt_error *error)
{
    sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS);
    if (!queue_sql_add_seal(store) || !enter_wal(store))
        return queue_sql_fault(store, path, error);
    /* Two processes may make the file at the same time: the lock decides,
     * the second finds it made. */
    if (!queue_sql_execute(store, "BEGIN IMMEDIATE"))
        return queue_sql_fault(store, path, error);
    int result = check_format(store, path, error);
    if (result == KKT_OK && !queue_sql_execute(store, "COMMIT"))
        result = queue_sql_fault(store, path, error);
    if (result != KKT_OK)
        queue_sql_execute(store, "ROLLBACK");
    for (size_t i = 0; i < QUEUE_STATEMENTS && result == KKT_OK; i++) {
        if (sqlite3_prepare_v3(store->database, queue_sql_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            result = queue_sql_fault(store, path, error);
    }
    return result;
}

/* "" when the name is not set. */
static int meta_get(struct queue_store *store, const char *name, char *out, size_t capacity,
                    kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_META_GET];
    out[0] = '\0';
    sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
    int stepped = sqlite3_step(statement);
    const char *value =
        stepped == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
    int result = KKT_OK;
    /* A board that cannot be read must not be taken for none. */
    if (value == NULL || (stepped != SQLITE_ROW && stepped != SQLITE_DONE))
        result = queue_sql_fault(store, "read meta", error);
    else
        snprintf(out, capacity, "%s", value);
    sqlite3_reset(statement);
    return result;
}

static int meta_set(struct queue_store *store, const char *name, const char *value,
                    kkt_error *error)
{
    sqlite3_bind_text(store->statements[QUEUE_META_SET], 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(store->statements[QUEUE_META_SET], 2, value, -1, SQLITE_STATIC);
    return queue_sql_run(store, QUEUE_META_SET, "write meta", error);
}

/* What changes when the machine is started anew or a copy takes the file's place: the boot id, the
 * file's number and the moment it was made (numbers are given again). Only compared, so a wrong
 * clock does no harm. "" when the system tells nothing. */
static void read_origin(const char *path, char out[ORIGIN_SIZE])
{
    struct statx file;
    host_clock_boot_id(out);
    size_t length = strlen(out);
    if (length > 0 && statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &file) == 0)
        snprintf(out + length, ORIGIN_SIZE - length, " %llu %lld.%09u",
                 (unsigned long long)file.stx_ino, (long long)file.stx_btime.tv_sec,
                 (unsigned)file.stx_btime.tv_nsec);
}

/* The machine was started anew since the file was last used, or this is a copy: marks may be
 * missing (invariant 3). */
static int check_origin(struct queue_store *store, const char *path, kkt_error *error)
{
    char now[ORIGIN_SIZE], stored[ORIGIN_SIZE];
    read_origin(path, now);
    int result = meta_get(store, "origin", stored, sizeof stored, error);
    if (result != KKT_OK || (now[0] != '\0' && strcmp(now, stored) == 0))
        return result;
    /* Two processes may both come here: the second marks what the first has left unmarked since,
     * which is more than was sent, never less. */
    result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result == KKT_OK)
        result = meta_get(store, "board", store->board, sizeof store->board, error);
    if (result == KKT_OK && store->board[0] != '\0') {
        sqlite3_bind_text(store->statements[QUEUE_FREEZE], 1, store->board, -1, SQLITE_STATIC);
        result = queue_sql_run(store, QUEUE_FREEZE, "mark jobs of another start", error);
    }
    if (result == KKT_OK)
        result = meta_set(store, "origin", now, error);
    if (result == KKT_OK)
        return queue_store_commit(store, false, error);
    queue_store_rollback(store);
    return result;
}

int queue_store_open(struct queue_store *store, const char *path, kkt_error *error)
{
    memset(store, 0, sizeof *store);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int opened = sqlite3_open_v2(path, &store->database, flags, NULL);
    int result = opened == SQLITE_OK ? prepare_file(store, path, error)
                                     : queue_sql_fault(store, path, error);
    if (result == KKT_OK)
        result = check_origin(store, path, error);
    if (result == KKT_OK)
        result = meta_get(store, "board", store->board, sizeof store->board, error);
    if (result != KKT_OK)
        queue_store_close(store);
    return result;
}

void queue_store_close(struct queue_store *store)
{
    queue_store_rollback(store);
    for (size_t i = 0; i < QUEUE_STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->database);
    memset(store, 0, sizeof *store);
}

int queue_store_bind(struct queue_store *store, const char *board, kkt_error *error)
{
    /* Only the holder of the worker lock binds, but another process may have held it before. */
    int result = meta_get(store, "board", store->board, sizeof store->board, error);
    if (result != KKT_OK || strcmp(store->board, board) == 0)
        return result;
    result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result != KKT_OK)
        return result;
    result = meta_set(store, "board", board, error);
    if (result == KKT_OK)
        result = queue_store_commit(store, false, error);
    else
        queue_store_rollback(store);
    if (result == KKT_OK)
        snprintf(store->board, sizeof store->board, "%s", board);
    return result;
}
