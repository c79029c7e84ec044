#include "hostdrv/queue_store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostdrv/fault.h"
#include "hostdrv/queue_sql.h"
#include "proto/bytes.h"
#include "proto/crc.h"

/* The order of these columns is known to read_row. */
#define ROW_COLUMNS                                                                                \
    "id, key, job, state, stored_at, attempts, sent_to, " QUEUE_RESULT_COLUMNS                     \
    ", confirmed, length(body)"
#define WHOLE_ROW  ROW_COLUMNS ", " QUEUE_SOUND ", body"
#define NEW_RESULT "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16"
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
    COLUMN_SOUND, /* this and the next only in WHOLE_ROW */
    COLUMN_BODY
};

const char *const queue_sql_text[QUEUE_STATEMENTS] = {
    [QUEUE_BEGIN] = "BEGIN IMMEDIATE",
    [QUEUE_COMMIT] = "COMMIT",
    [QUEUE_ROLLBACK] = "ROLLBACK",
    [QUEUE_FIND] = "SELECT " WHOLE_ROW " FROM job WHERE key = ?1",
    [QUEUE_INSERT] = "INSERT INTO job(key, job, stored_at, body, seal) VALUES(?1, ?2, ?3, ?4,"
                     " openkkt_seal(?1, ?2, ?4, 0, '', " QUEUE_NO_RESULT "))",
    [QUEUE_REARM] = "UPDATE job SET id = (SELECT max(id) + 1 FROM job), state = 0, sent_to = '',"
                    " attempts = 0, (" QUEUE_RESULT_COLUMNS ") = (" QUEUE_NO_RESULT "),"
                    " seal = " QUEUE_SEAL("0", "''", QUEUE_NO_RESULT) " WHERE id = ?1",
    [QUEUE_CANCEL] = "UPDATE job SET state = 3,"
                     " seal = " QUEUE_SEAL("3", "sent_to", QUEUE_RESULT_COLUMNS) " WHERE id = ?1",
    [QUEUE_NEXT] = "SELECT " WHOLE_ROW " FROM job"
                   " WHERE state = 0 AND id > ?1 ORDER BY id LIMIT 1",
    [QUEUE_MARK] =
        "UPDATE job SET sent_to = ?2, attempts = attempts + 1,"
        " seal = " QUEUE_SEAL("0", "?2",
                              QUEUE_RESULT_COLUMNS) " WHERE id = ?1 AND state = 0 AND " QUEUE_SOUND,
    [QUEUE_FINISH] =
        "UPDATE job SET state = ?2, (" QUEUE_RESULT_COLUMNS ") = (" NEW_RESULT "),"
        " seal = " QUEUE_SEAL("?2", "sent_to",
                              NEW_RESULT) " WHERE id = ?1 AND state = 0 AND " QUEUE_SOUND,
    [QUEUE_CONFIRM_ONE] = "UPDATE job SET confirmed = 1 WHERE state = 1 AND confirmed = 0"
                          " AND fn_number = ?1 AND document = ?2 AND ?2 > 0",
    [QUEUE_CONFIRM_BELOW] = "UPDATE job SET confirmed = 1 WHERE state = 1 AND confirmed = 0"
                            " AND fn_number = ?1 AND document > 0 AND document < ?2",
    [QUEUE_UNFINISHED] = "SELECT count(*) FROM job WHERE state = 0",
    [QUEUE_META_GET] = "SELECT value FROM meta WHERE name = ?1",
    [QUEUE_META_SET] = "INSERT INTO meta(name, value) VALUES(?1, ?2)"
                       " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [QUEUE_FREEZE] = "UPDATE job SET sent_to = ?1, seal = " QUEUE_SEAL(
        "0", "?1", QUEUE_RESULT_COLUMNS) " WHERE state = 0 AND sent_to = '' AND " QUEUE_SOUND,
};

void queue_store_step(struct queue_store *store, enum queue_step step)
{
    if (store->hook != NULL)
        store->hook(store->hook_user, step);
}

/* ---- Failures ---- */

static const char damaged_cure[] =
    "keep the file aside, put back a copy or begin a new file, and submit again under the same "
    "keys, at the same board";

/* Who must act differs with the kind of failure. NULL: as for any other. */
static const char *cure_of(int code)
{
    switch (code & 0xFF) {
    case SQLITE_FULL:
        return "make room on the disk of the queue file, then repeat with the same key";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
        return "let this user write the queue file and its folder, then repeat with the same key";
    case SQLITE_BUSY:
        return "another program holds the queue file: end it or wait, then repeat with the same "
               "key";
    case SQLITE_IOERR:
        return "look after the disk of the queue file, then repeat with the same key";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return damaged_cure;
    default:
        return NULL;
    }
}

int queue_sql_fault(struct queue_store *store, const char *doing, kkt_error *error)
{
    /* Without memory there may be no handle; SQLite has words and a code for that too. */
    fault_set(error, ERROR_QUEUE_STORE, "%s: %s", doing, sqlite3_errmsg(store->database));
    return fault_cure(error, ERROR_QUEUE_STORE, cure_of(sqlite3_errcode(store->database)));
}

int queue_store_damaged(const char *what, kkt_error *error)
{
    fault_set(error, ERROR_QUEUE_STORE, "the queue file is damaged: %s", what);
    return fault_cure(error, ERROR_QUEUE_STORE, damaged_cure);
}

/* Of a row just read. */
static int damaged(const kkt_entry *entry, kkt_error *error)
{
    char what[64];
    snprintf(what, sizeof what, "job %lld has changed by itself", (long long)entry->id);
    return queue_store_damaged(what, error);
}

/* ---- The seal ---- */

static void seal(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint32_t crc = CRC32C_INIT;
    for (int i = 0; i < count; i++) {
        uint8_t head[9];
        struct byte_writer writer;
        int type = sqlite3_value_type(values[i]);
        const void *bytes = type == SQLITE_INTEGER ? NULL : sqlite3_value_blob(values[i]);
        int size = bytes == NULL ? 0 : sqlite3_value_bytes(values[i]);
        byte_writer_init(&writer, head, sizeof head);
        put_u8(&writer, (uint8_t)type);
        put_uint_le(
            &writer,
            type == SQLITE_INTEGER ? (uint64_t)sqlite3_value_int64(values[i]) : (uint64_t)size, 8);
        crc = crc32c_update(crc, head, writer.length);
        crc = crc32c_update(crc, bytes, (size_t)size);
    }
    sqlite3_result_int64(context, crc);
}

bool queue_sql_add_seal(struct queue_store *store)
{
    return sqlite3_create_function(store->database, "openkkt_seal", -1,
                                   SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, seal, NULL,
                                   NULL) == SQLITE_OK;
}

/* ---- Statements and transactions ---- */

/* Runs a statement that gives no row. Bindings are cleared whatever happens. */
int queue_sql_run(struct queue_store *store, enum queue_statement which, const char *doing,
                  kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[which];
    queue_store_step(store, QUEUE_STEP_STATEMENT);
    int stepped = sqlite3_step(statement);
    int result = stepped == SQLITE_DONE ? KKT_OK : queue_sql_fault(store, doing, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

bool queue_sql_execute(struct queue_store *store, const char *sql)
{
    return sqlite3_exec(store->database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

int queue_store_begin(struct queue_store *store, enum queue_durability durability, kkt_error *error)
{
    assert(!store->in_transaction);
    /* Should the last rollback have failed, what it left must not become part of this one. */
    if (!sqlite3_get_autocommit(store->database))
        queue_sql_execute(store, "ROLLBACK");
    /* The level cannot change inside a transaction, and FULL must be back before the next one. */
    if (durability != store->durability &&
        !queue_sql_execute(store, durability == QUEUE_DURABLE ? QUEUE_SYNC_FULL
                                                              : "PRAGMA synchronous=NORMAL"))
        return queue_sql_fault(store, "begin", error);
    store->durability = durability;
    int result = queue_sql_run(store, QUEUE_BEGIN, "begin", error);
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
    int result = queue_sql_run(store, QUEUE_COMMIT, "commit", error);
    if (result != KKT_OK) {
        queue_store_rollback(store);
        return result;
    }
    store->in_transaction = false;
    if (counted)
        store->durable_commits++;
    return KKT_OK;
}

/* ---- Rows ---- */

/* False: no text. All are NOT NULL, so the row is damaged or memory is out; above all a missing
 * sent_to must not be read as "never sent". */
static bool copy_column(sqlite3_stmt *statement, int column, char *out, size_t capacity)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    snprintf(out, capacity, "%s", text != NULL ? text : "");
    return text != NULL;
}

static unsigned unsigned_column(sqlite3_stmt *statement, int column)
{
    return (unsigned)((uint64_t)sqlite3_column_int64(statement, column) & 0xFFFFFFFFu);
}

/* False: what cannot be of a row that was written whole. */
static bool read_result(sqlite3_stmt *row, kkt_result *out)
{
    out->state = (enum kkt_job_state)sqlite3_column_int(row, COLUMN_STATE);
    out->job = (enum kkt_job)sqlite3_column_int(row, COLUMN_JOB);
    const void *key = sqlite3_column_blob(row, COLUMN_KEY);
    if (key == NULL || sqlite3_column_bytes(row, COLUMN_KEY) != (int)sizeof out->key.bytes)
        return false;
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
    out->confirmed = sqlite3_column_int(row, COLUMN_CONFIRMED) != 0;
    return copy_column(row, COLUMN_FN_NUMBER, out->fn_number, sizeof out->fn_number) &&
           copy_column(row, COLUMN_REGISTRATION_NUMBER, out->registration_number,
                       sizeof out->registration_number) &&
           copy_column(row, COLUMN_SERIAL, out->serial, sizeof out->serial);
}

static bool read_entry(sqlite3_stmt *row, kkt_entry *out)
{
    memset(out, 0, sizeof *out);
    out->id = sqlite3_column_int64(row, COLUMN_ID);
    out->stored_at = sqlite3_column_int64(row, COLUMN_STORED_AT);
    out->attempts = unsigned_column(row, COLUMN_ATTEMPTS);
    out->size = unsigned_column(row, COLUMN_SIZE);
    return read_result(row, &out->result);
}

/* Of a statement that selects WHOLE_ROW. Nothing is done with a row whose seal does not fit. */
static int read_row(sqlite3_stmt *row, struct queue_row *out, kkt_error *error)
{
    bool sound = sqlite3_column_int(row, COLUMN_SOUND) == 1;
    bool texts = read_entry(row, &out->entry);
    bool mark = copy_column(row, COLUMN_SENT_TO, out->sent_to, sizeof out->sent_to);
    return sound && texts && mark ? KKT_OK : damaged(&out->entry, error);
}

/* sqlite3_column_blob gives NULL for an empty body, and when memory is out. */
static bool copy_body(sqlite3_stmt *row, uint8_t *out, size_t size)
{
    const void *bytes = sqlite3_column_blob(row, COLUMN_BODY);
    if (size == 0)
        return true;
    if (bytes == NULL)
        return false;
    memcpy(out, bytes, size);
    return true;
}

int queue_store_find(struct queue_store *store, const kkt_key *key, struct queue_row *row,
                     uint8_t **body, size_t *size, kkt_error *error)
{
    sqlite3_stmt *statement = store->statements[QUEUE_FIND];
    sqlite3_bind_blob(statement, 1, key->bytes, (int)sizeof key->bytes, SQLITE_STATIC);
    int stepped = sqlite3_step(statement);
    int result = KKT_OK;
    if (stepped == SQLITE_ROW) {
        result = read_row(statement, row, error);
        if (result == KKT_OK && body != NULL) {
            *size = row->entry.size;
            *body = malloc(*size > 0 ? *size : 1);
            if (*body == NULL || !copy_body(statement, *body, *size)) {
                free(*body);
                *body = NULL;
                result = fault_set(error, ERROR_INTERNAL, "out of memory");
            }
        }
    } else {
        result = stepped == SQLITE_DONE ? fault_set(error, ERROR_NOT_FOUND, NULL)
                                        : queue_sql_fault(store, "find", error);
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
    return queue_sql_run(store, QUEUE_INSERT, "store", error);
}

static int run_on_row(struct queue_store *store, enum queue_statement which, int64_t id,
                      const char *doing, kkt_error *error)
{
    sqlite3_bind_int64(store->statements[which], 1, id);
    return queue_sql_run(store, which, doing, error);
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
        result = read_row(statement, row, error);
        if (result == KKT_OK &&
            (row->entry.size > QUEUE_BODY_MAX || row->entry.result.state != KKT_JOB_STORED ||
             !copy_body(statement, body, row->entry.size)))
            result = damaged(&row->entry, error);
    } else {
        result =
            stepped == SQLITE_DONE ? ERROR_NOT_FOUND : queue_sql_fault(store, "next job", error);
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
    result = queue_sql_run(store, QUEUE_MARK, "mark as sent", error);
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
    return queue_sql_run(store, QUEUE_FINISH, "store the result", error);
}

static int confirm(struct queue_store *store, enum queue_statement which, const char *fn_number,
                   uint32_t number, unsigned *changed, kkt_error *error)
{
    sqlite3_bind_text(store->statements[which], 1, fn_number, -1, SQLITE_STATIC);
    sqlite3_bind_int64(store->statements[which], 2, number);
    int result = queue_sql_run(store, which, "mark as confirmed", error);
    *changed = (unsigned)sqlite3_changes(store->database);
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
        result = queue_sql_fault(store, "count jobs", error);
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
        return queue_sql_fault(store, "list", error);
    int stepped;
    bool more = true;
    while (more && (stepped = sqlite3_step(statement)) == SQLITE_ROW) {
        kkt_entry entry;
        if (!read_entry(statement, &entry)) {
            sqlite3_finalize(statement);
            return damaged(&entry, error);
        }
        more = visit(user, &entry) != 0;
    }
    int result = !more || stepped == SQLITE_DONE ? KKT_OK : queue_sql_fault(store, "list", error);
    sqlite3_finalize(statement);
    return result;
}
