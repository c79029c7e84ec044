#include "hostdrv/queue_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostdrv/clock.h"
#include "hostdrv/fault.h"
#include "proto/canary.h"
#include "proto/tags.h"

#define BUSY_TIMEOUT_MS 5000
#define WAL_RETRY_MS    20
/* What a durable commit asks of SQLite. */
#define SYNC_FULL (CANARY(SQLITE_SYNC_OFF) ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL")

/* The order of these columns is known to read_row. */
#define ROW_COLUMNS                                                                                \
    "id, key, job, state, stored_at, attempts, sent_to, code, tag, item, expected, flags, "        \
    "document, fiscal_sign, time, shift, receipt, total_kop, fn_number, registration_number, "     \
    "serial, confirmed, length(body)"
enum column {
    COLUMN_ID,
    COLUMN_KEY,
    COLUMN_JOB,
    COLUMN_STATE,
    COLUMN_STORED_AT,
    COLUMN_ATTEMPTS,
    COLUMN_SENT_TO,
    COLUMN_CODE,
    COLUMN_TAG,
    COLUMN_ITEM,
    COLUMN_EXPECTED,
    COLUMN_FLAGS,
    COLUMN_DOCUMENT,
    COLUMN_FISCAL_SIGN,
    COLUMN_TIME,
    COLUMN_SHIFT,
    COLUMN_RECEIPT,
    COLUMN_TOTAL_KOP,
    COLUMN_FN_NUMBER,
    COLUMN_REGISTRATION_NUMBER,
    COLUMN_SERIAL,
    COLUMN_CONFIRMED,
    COLUMN_SIZE,
    COLUMN_BODY /* only where a statement adds it */
};

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
    " body BLOB NOT NULL);"
    "CREATE INDEX job_unfinished ON job(id) WHERE state = 0;"
    "CREATE INDEX job_unconfirmed ON job(fn_number, document)"
    " WHERE state = 1 AND confirmed = 0 AND document > 0;";

static const char *const statement_text[QUEUE_STATEMENTS] = {
    [QUEUE_BEGIN] = "BEGIN IMMEDIATE",
    [QUEUE_COMMIT] = "COMMIT",
    [QUEUE_ROLLBACK] = "ROLLBACK",
    [QUEUE_FIND] = "SELECT " ROW_COLUMNS ", body FROM job WHERE key = ?1",
    [QUEUE_INSERT] = "INSERT INTO job(key, job, stored_at, body) VALUES(?1, ?2, ?3, ?4)",
    [QUEUE_REARM] = "UPDATE job SET id = (SELECT max(id) + 1 FROM job), state = 0, sent_to = '',"
                    " attempts = 0, code = 0, tag = 0, item = 0, expected = 0, flags = 0,"
                    " fn_number = '', registration_number = '', serial = '' WHERE id = ?1",
    [QUEUE_CANCEL] = "UPDATE job SET state = 3 WHERE id = ?1",
    [QUEUE_NEXT] = "SELECT " ROW_COLUMNS ", body FROM job"
                   " WHERE state = 0 AND id > ?1 ORDER BY id LIMIT 1",
    [QUEUE_MARK] = "UPDATE job SET sent_to = ?2, attempts = attempts + 1"
                   " WHERE id = ?1 AND state = 0",
    [QUEUE_FINISH] = "UPDATE job SET state = ?2, code = ?3, tag = ?4, item = ?5, expected = ?6,"
                     " flags = ?7, document = ?8, fiscal_sign = ?9, time = ?10, shift = ?11,"
                     " receipt = ?12, total_kop = ?13, fn_number = ?14,"
                     " registration_number = ?15, serial = ?16 WHERE id = ?1 AND state = 0",
    [QUEUE_CONFIRM_ONE] = "UPDATE job SET confirmed = 1 WHERE state = 1 AND confirmed = 0"
                          " AND document > 0 AND fn_number = ?1 AND document = ?2",
    [QUEUE_CONFIRM_BELOW] = "UPDATE job SET confirmed = 1 WHERE state = 1 AND confirmed = 0"
                            " AND document > 0 AND fn_number = ?1 AND document < ?2",
    [QUEUE_UNFINISHED] = "SELECT count(*) FROM job WHERE state = 0",
    [QUEUE_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [QUEUE_META_SET] = "INSERT INTO meta(name, value) VALUES(?1, ?2)"
                       " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [QUEUE_FREEZE] = "UPDATE job SET sent_to = ?1 WHERE state = 0 AND sent_to = ''",
};

void queue_store_step(struct queue_store *store, enum queue_step step)
{
    if (store->hook != NULL)
        store->hook(store->hook_user, step);
}

static int store_fault(struct queue_store *store, const char *doing, kkt_error *error)
{
    return fault_set(error, ERROR_QUEUE_STORE, "%s: %s", doing,
                     store->database != NULL ? sqlite3_errmsg(store->database) : "out of memory");
}

/* Runs a statement that gives no row. Bindings are cleared whatever happens. */
static int run(struct queue_store *store, enum queue_statement which, const char *doing,
               kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[which];
    queue_store_step(store, QUEUE_STEP_STATEMENT);
    int stepped = sqlite3_step(statement);
    int result = stepped == SQLITE_DONE ? KKT_OK : store_fault(store, doing, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

static bool execute(struct queue_store *store, const char *sql)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

int queue_store_begin(struct queue_store *store, enum queue_durability durability, kkt_error *error)
{
    assert(!store->in_transaction);
    /* The level cannot change inside a transaction, and FULL must be back before the next one. */
    if (durability != store->durability &&
        !execute(store, durability == QUEUE_DURABLE ? SYNC_FULL : "PRAGMA synchronous=NORMAL"))
        return store_fault(store, "begin", error);
    store->durability = durability;
    int result = run(store, QUEUE_BEGIN, "begin", error);
    store->in_transaction = result == KKT_OK;
    return result;
}

void queue_store_rollback(struct queue_store *store)
{
    if (!store->in_transaction)
        return;
    store->in_transaction = false;
    /* Some failures have rolled back already; then this says so, and that is as well. */
    sqlite3_step(store->statements[QUEUE_ROLLBACK]);
    sqlite3_reset(store->statements[QUEUE_ROLLBACK]);
}

int queue_store_commit(struct queue_store *store, bool counted, kkt_error *error)
{
    assert(store->in_transaction);
    int result = run(store, QUEUE_COMMIT, "commit", error);
    if (result != KKT_OK) {
        queue_store_rollback(store);
        return result;
    }
    store->in_transaction = false;
    if (counted)
        store->durable_commits++;
    return KKT_OK;
}

/* ---- Opening ---- */

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

/* An empty file becomes a queue; anything else must be one of ours and not newer. */
static int check_format(struct queue_store *store, const char *path, kkt_error *error)
{
    int64_t application = 0, version = 0, objects = 0;
    if (!read_integer(store, "PRAGMA application_id", &application) ||
        !read_integer(store, "PRAGMA user_version", &version) ||
        !read_integer(store, "SELECT count(*) FROM sqlite_schema", &objects))
        return store_fault(store, path, error);
    if (application == 0 && version == 0 && objects == 0) {
        char stamp[80];
        snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                 QUEUE_APPLICATION_ID, QUEUE_FORMAT_VERSION);
        if (!execute(store, schema) || !execute(store, stamp))
            return store_fault(store, path, error);
        return KKT_OK;
    }
    if (application != QUEUE_APPLICATION_ID)
        return fault_set(error, ERROR_QUEUE_STORE, "%s: a database, but not a job queue", path);
    if (version > QUEUE_FORMAT_VERSION || version < 1)
        return fault_set(error, ERROR_VERSION_UNSUPPORTED,
                         "%s: queue format %lld, this driver knows up to %d", path,
                         (long long)version, QUEUE_FORMAT_VERSION);
    return KKT_OK;
}

/* SQLite does not wait for others while it changes the mode of a new file, so the waiting is done
 * here. */
static bool enter_wal(struct queue_store *store)
{
    for (unsigned tries = 0; tries < BUSY_TIMEOUT_MS / WAL_RETRY_MS; tries++) {
        if (execute(store, "PRAGMA journal_mode=WAL"))
            return execute(store, SYNC_FULL);
        int code = sqlite3_errcode(store->database);
        if (code != SQLITE_BUSY && code != SQLITE_LOCKED)
            return false;
        host_clock_sleep(WAL_RETRY_MS);
    }
    return false;
}

static int prepare_file(struct queue_store *store, const char *path, kkt_error *error)
{
    sqlite3_busy_timeout(store->database, BUSY_TIMEOUT_MS);
    if (!enter_wal(store))
        return store_fault(store, path, error);
    /* Two processes may make the file at the same time: the lock decides,
     * the second finds it made. */
    if (!execute(store, "BEGIN IMMEDIATE"))
        return store_fault(store, path, error);
    int result = check_format(store, path, error);
    if (result == KKT_OK && !execute(store, "COMMIT"))
        result = store_fault(store, path, error);
    if (result != KKT_OK)
        execute(store, "ROLLBACK");
    for (size_t i = 0; i < QUEUE_STATEMENTS && result == KKT_OK; i++) {
        if (sqlite3_prepare_v3(store->database, statement_text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            result = store_fault(store, path, error);
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
    if (stepped == SQLITE_ROW) {
        const char *value = (const char *)sqlite3_column_text(statement, 0);
        snprintf(out, capacity, "%s", value != NULL ? value : "");
    }
    int result = stepped == SQLITE_ROW || stepped == SQLITE_DONE
                     ? KKT_OK
                     : store_fault(store, "read meta", error);
    sqlite3_reset(statement);
    return result;
}

static int meta_set(struct queue_store *store, const char *name, const char *value,
                    kkt_error *error)
{
    sqlite3_bind_text(store->statements[QUEUE_META_SET], 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(store->statements[QUEUE_META_SET], 2, value, -1, SQLITE_STATIC);
    return run(store, QUEUE_META_SET, "write meta", error);
}

/* The machine was started anew since the file was last used: marks may have been lost with its
 * memory (invariant 3). */
static int check_boot(struct queue_store *store, kkt_error *error)
{
    char now[37], stored[37];
    host_clock_boot_id(now);
    int result = meta_get(store, "boot", stored, sizeof stored, error);
    if (result != KKT_OK || (now[0] != '\0' && strcmp(now, stored) == 0))
        return result;
    result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result == KKT_OK)
        result = meta_get(store, "boot", stored, sizeof stored, error);
    if (result == KKT_OK)
        result = meta_get(store, "board", store->board, sizeof store->board, error);
    if (result == KKT_OK && store->board[0] != '\0' &&
        (now[0] == '\0' || strcmp(now, stored) != 0)) {
        sqlite3_bind_text(store->statements[QUEUE_FREEZE], 1, store->board, -1, SQLITE_STATIC);
        result = run(store, QUEUE_FREEZE, "mark jobs after a restart", error);
    }
    if (result == KKT_OK)
        result = meta_set(store, "boot", now, error);
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
    int result =
        opened == SQLITE_OK ? prepare_file(store, path, error) : store_fault(store, path, error);
    if (result == KKT_OK)
        result = check_boot(store, error);
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

/* ---- Rows ---- */

static void copy_column(sqlite3_stmt *statement, int column, char *out, size_t capacity)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    snprintf(out, capacity, "%s", text != NULL ? text : "");
}

static unsigned unsigned_column(sqlite3_stmt *statement, int column)
{
    return (unsigned)((uint64_t)sqlite3_column_int64(statement, column) & 0xFFFFFFFFu);
}

static void read_result(sqlite3_stmt *row, kkt_result *out)
{
    out->state = (enum kkt_job_state)sqlite3_column_int(row, COLUMN_STATE);
    out->job = (enum kkt_job)sqlite3_column_int(row, COLUMN_JOB);
    const void *key = sqlite3_column_blob(row, COLUMN_KEY);
    if (key != NULL && sqlite3_column_bytes(row, COLUMN_KEY) == (int)sizeof out->key.bytes)
        memcpy(out->key.bytes, key, sizeof out->key.bytes);
    if (out->state == KKT_JOB_REFUSED) {
        struct refusal refusal = {
            .code = (uint16_t)unsigned_column(row, COLUMN_CODE),
            .tag = (uint16_t)unsigned_column(row, COLUMN_TAG),
            .item = (uint16_t)unsigned_column(row, COLUMN_ITEM),
            .expected = (uint64_t)sqlite3_column_int64(row, COLUMN_EXPECTED),
        };
        fault_refusal(&out->error, &refusal);
    }
    out->flags = unsigned_column(row, COLUMN_FLAGS);
    out->document = unsigned_column(row, COLUMN_DOCUMENT);
    out->fiscal_sign = unsigned_column(row, COLUMN_FISCAL_SIGN);
    out->time = sqlite3_column_int64(row, COLUMN_TIME);
    out->shift = unsigned_column(row, COLUMN_SHIFT);
    out->receipt = unsigned_column(row, COLUMN_RECEIPT);
    out->total_kop = sqlite3_column_int64(row, COLUMN_TOTAL_KOP);
    copy_column(row, COLUMN_FN_NUMBER, out->fn_number, sizeof out->fn_number);
    copy_column(row, COLUMN_REGISTRATION_NUMBER, out->registration_number,
                sizeof out->registration_number);
    copy_column(row, COLUMN_SERIAL, out->serial, sizeof out->serial);
    out->confirmed = sqlite3_column_int(row, COLUMN_CONFIRMED) != 0;
}

static void read_entry(sqlite3_stmt *row, kkt_entry *out)
{
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(row, COLUMN_ID);
    out->stored_at = sqlite3_column_int64(row, COLUMN_STORED_AT);
    out->attempts = unsigned_column(row, COLUMN_ATTEMPTS);
    out->size = unsigned_column(row, COLUMN_SIZE);
    read_result(row, &out->result);
}

static void read_row(sqlite3_stmt *statement, struct queue_row *out)
{
    read_entry(statement, &out->entry);
    copy_column(statement, COLUMN_SENT_TO, out->sent_to, sizeof out->sent_to);
}

int queue_store_find(struct queue_store *store, const kkt_key *key, struct queue_row *row,
                     uint8_t **body, size_t *size, kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_FIND];
    sqlite3_bind_blob(statement, 1, key->bytes, (int)sizeof key->bytes, SQLITE_STATIC);
    int stepped = sqlite3_step(statement);
    int result = KKT_OK;
    if (stepped == SQLITE_ROW) {
        read_row(statement, row);
        if (body != NULL) {
            const void *bytes = sqlite3_column_blob(statement, COLUMN_BODY);
            *size = (size_t)sqlite3_column_bytes(statement, COLUMN_BODY);
            *body = malloc(*size > 0 ? *size : 1);
            if (*body == NULL)
                result = fault_set(error, ERROR_INTERNAL, "out of memory");
            else if (bytes != NULL)
                memcpy(*body, bytes, *size);
        }
    } else {
        result = stepped == SQLITE_DONE ? fault_set(error, ERROR_NOT_FOUND, NULL)
                                        : store_fault(store, "find", error);
    }
    sqlite3_reset(statement);
    return result;
}

int queue_store_insert(struct queue_store *store, const kkt_submission *job, int64_t stored_at,
                       kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_INSERT];
    sqlite3_bind_blob(statement, 1, job->key.bytes, (int)sizeof job->key.bytes, SQLITE_STATIC);
    sqlite3_bind_int(statement, 2, (int)job->job);
    sqlite3_bind_int64(statement, 3, stored_at);
    /* A NULL pointer would bind NULL, and an empty body is a body. */
    sqlite3_bind_blob(statement, 4, job->size > 0 ? (const void *)job->body : "", (int)job->size,
                      SQLITE_STATIC);
    return run(store, QUEUE_INSERT, "store", error);
}

static int run_on_row(struct queue_store *store, enum queue_statement which, int64_t id,
                      const char *doing, kkt_error *error)
{
    sqlite3_bind_int64(store->statements[which], 1, id);
    return run(store, which, doing, error);
}

int queue_store_rearm(struct queue_store *store, int64_t id, kkt_error *error)
{
    return run_on_row(store, QUEUE_REARM, id, "arm again", error);
}

int queue_store_cancel(struct queue_store *store, int64_t id, kkt_error *error)
{
    return run_on_row(store, QUEUE_CANCEL, id, "cancel", error);
}

int queue_store_next(struct queue_store *store, int64_t after, struct queue_row *row, uint8_t *body,
                     kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_NEXT];
    sqlite3_bind_int64(statement, 1, after);
    int stepped = sqlite3_step(statement);
    int result = KKT_OK;
    if (stepped == SQLITE_ROW) {
        read_row(statement, row);
        const void *bytes = sqlite3_column_blob(statement, COLUMN_BODY);
        size_t size = (size_t)sqlite3_column_bytes(statement, COLUMN_BODY);
        if (size > QUEUE_BODY_MAX || size != row->entry.size)
            result = fault_set(error, ERROR_QUEUE_STORE, "job %lld is damaged",
                               (long long)row->entry.id);
        else if (bytes != NULL)
            memcpy(body, bytes, size);
    } else {
        result = stepped == SQLITE_DONE ? ERROR_NOT_FOUND : store_fault(store, "next job", error);
    }
    sqlite3_reset(statement);
    return result;
}

int queue_store_mark(struct queue_store *store, int64_t id, const char *board, bool *marked,
                     kkt_error *error)
{
    *marked = false;
    int result = queue_store_begin(store, QUEUE_UNSYNCED, error);
    if (result != KKT_OK)
        return result;
    sqlite3_bind_int64(store->statements[QUEUE_MARK], 1, id);
    sqlite3_bind_text(store->statements[QUEUE_MARK], 2, board, -1, SQLITE_STATIC);
    result = run(store, QUEUE_MARK, "mark as sent", error);
    if (result != KKT_OK) {
        queue_store_rollback(store);
        return result;
    }
    bool changed = sqlite3_changes(store->database) == 1;
    result = queue_store_commit(store, false, error);
    *marked = result == KKT_OK && changed;
    return result;
}

int queue_store_finish(struct queue_store *store, int64_t id, const kkt_result *result,
                       kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_FINISH];
    sqlite3_bind_int64(statement, 1, id);
    sqlite3_bind_int(statement, 2, (int)result->state);
    sqlite3_bind_int(statement, 3, result->error.code);
    sqlite3_bind_int64(statement, 4, result->error.tag);
    sqlite3_bind_int64(statement, 5, result->error.item);
    sqlite3_bind_int64(statement, 6, (int64_t)result->error.expected);
    sqlite3_bind_int64(statement, 7, result->flags);
    sqlite3_bind_int64(statement, 8, result->document);
    sqlite3_bind_int64(statement, 9, result->fiscal_sign);
    sqlite3_bind_int64(statement, 10, result->time);
    sqlite3_bind_int64(statement, 11, result->shift);
    sqlite3_bind_int64(statement, 12, result->receipt);
    sqlite3_bind_int64(statement, 13, result->total_kop);
    sqlite3_bind_text(statement, 14, result->fn_number, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 15, result->registration_number, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 16, result->serial, -1, SQLITE_STATIC);
    return run(store, QUEUE_FINISH, "store the result", error);
}

static int confirm(struct queue_store *store, enum queue_statement which, const char *fn_number,
                   uint32_t number, unsigned *changed, kkt_error *error)
{
    sqlite3_bind_text(store->statements[which], 1, fn_number, -1, SQLITE_STATIC);
    sqlite3_bind_int64(store->statements[which], 2, number);
    int result = run(store, which, "mark as confirmed", error);
    *changed = result == KKT_OK ? (unsigned)sqlite3_changes(store->database) : 0;
    return result;
}

int queue_store_confirm(struct queue_store *store, const char *fn_number, uint32_t document,
                        unsigned *changed, kkt_error *error)
{
    return confirm(store, QUEUE_CONFIRM_ONE, fn_number, document, changed, error);
}

int queue_store_confirm_below(struct queue_store *store, const char *fn_number, uint32_t below,
                              unsigned *changed, kkt_error *error)
{
    return confirm(store, QUEUE_CONFIRM_BELOW, fn_number, below, changed, error);
}

int queue_store_unfinished(struct queue_store *store, uint64_t *count, kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_UNFINISHED];
    int result = KKT_OK;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *count = (uint64_t)sqlite3_column_int64(statement, 0);
    else
        result = store_fault(store, "count jobs", error);
    sqlite3_reset(statement);
    return result;
}

int queue_store_list(struct queue_store *store, bool unfinished_only, bool newest_first,
                     kkt_visit visit, void *user, kkt_error *error)
{
    static const char *const texts[2][2] = {
        {"SELECT " ROW_COLUMNS " FROM job ORDER BY id",
         "SELECT " ROW_COLUMNS " FROM job ORDER BY id DESC"},
        {"SELECT " ROW_COLUMNS " FROM job WHERE state = 0 ORDER BY id",
         "SELECT " ROW_COLUMNS " FROM job WHERE state = 0 ORDER BY id DESC"},
    };
    /* Prepared anew, so that visit may call any other function of the queue. */
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->database, texts[unfinished_only][newest_first], -1, &statement,
                           NULL) != SQLITE_OK)
        return store_fault(store, "list", error);
    int stepped;
    bool more = true;
    while (more && (stepped = sqlite3_step(statement)) == SQLITE_ROW) {
        kkt_entry entry;
        read_entry(statement, &entry);
        more = visit(user, &entry) != 0;
    }
    int result = !more || stepped == SQLITE_DONE ? KKT_OK : store_fault(store, "list", error);
    sqlite3_finalize(statement);
    return result;
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
