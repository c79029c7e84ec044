#include "tools/ofd/ofd_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#define SCHEMA_VERSION  1
#define BUSY_TIMEOUT_MS 5000

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS documents("
    " fn TEXT NOT NULL, fd INTEGER NOT NULL, form INTEGER NOT NULL, ffd INTEGER NOT NULL,"
    " received INTEGER NOT NULL, time INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " total INTEGER NOT NULL, sign INTEGER NOT NULL, code INTEGER NOT NULL, message BLOB NOT NULL,"
    " confirmation BLOB NOT NULL, times INTEGER NOT NULL DEFAULT 1,"
    " conflicts INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(fn, fd)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS conflicts("
    " fn TEXT NOT NULL, fd INTEGER NOT NULL, received INTEGER NOT NULL, message BLOB NOT NULL);"
    "PRAGMA user_version=1;"
    "COMMIT;";

struct ofd_store {
    sqlite3 *db;
    sqlite3_stmt *find, *insert, *repeat, *conflict, *flag;
};

static int user_version(sqlite3 *db)
{
    sqlite3_stmt *statement = NULL;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

static bool prepare_all(struct ofd_store *store)
{
    const struct {
        sqlite3_stmt **statement;
        const char *text;
    } all[] = {
        {&store->find, "SELECT message, confirmation FROM documents WHERE fn=?1 AND fd=?2"},
        {&store->insert,
         "INSERT INTO documents(fn,fd,form,ffd,received,time,kind,total,sign,code,message,"
         "confirmation) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"},
        {&store->repeat, "UPDATE documents SET times=times+1 WHERE fn=?1 AND fd=?2"},
        {&store->conflict, "INSERT INTO conflicts(fn,fd,received,message) VALUES(?1,?2,?3,?4)"},
        {&store->flag, "UPDATE documents SET conflicts=conflicts+1 WHERE fn=?1 AND fd=?2"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (sqlite3_prepare_v2(store->db, all[i].text, -1, all[i].statement, NULL) != SQLITE_OK)
            return false;
    return true;
}

struct ofd_store *ofd_store_open(const char *path, bool create, char *error, size_t error_size)
{
    struct ofd_store *store = calloc(1, sizeof *store);
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    int version;
    if (store == NULL) {
        (void)snprintf(error, error_size, "out of memory");
        return NULL;
    }
    if (sqlite3_open_v2(path, &store->db, flags, NULL) != SQLITE_OK) {
        (void)snprintf(error, error_size, "%s: %s", path, sqlite3_errmsg(store->db));
        ofd_store_close(store);
        return NULL;
    }
    (void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    version = user_version(store->db);
    if (version > SCHEMA_VERSION) {
        (void)snprintf(error, error_size, "%s: written by a newer version of this program", path);
        ofd_store_close(store);
        return NULL;
    }
    /* A test operator must not forget what it confirmed, whatever happens to the machine: FULL. */
    if (version < 0 ||
        sqlite3_exec(store->db, "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;", NULL, NULL,
                     NULL) != SQLITE_OK ||
        (version < SCHEMA_VERSION &&
         sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK) ||
        !prepare_all(store)) {
        (void)snprintf(error, error_size, "%s: %s", path, sqlite3_errmsg(store->db));
        ofd_store_close(store);
        return NULL;
    }
    return store;
}

void ofd_store_close(struct ofd_store *store)
{
    if (store == NULL)
        return;
    sqlite3_finalize(store->find);
    sqlite3_finalize(store->insert);
    sqlite3_finalize(store->repeat);
    sqlite3_finalize(store->conflict);
    sqlite3_finalize(store->flag);
    (void)sqlite3_close(store->db);
    free(store);
}

static bool run(sqlite3_stmt *statement)
{
    bool done = sqlite3_step(statement) == SQLITE_DONE;
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return done;
}

static void bind_key(sqlite3_stmt *statement, const struct ofd_message *message)
{
    (void)sqlite3_bind_text(statement, 1, message->fn_number, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, message->document);
}

static bool insert(struct ofd_store *store, const struct ofd_message *message, const uint8_t *raw,
                   size_t raw_size, unix_s received, const uint8_t *confirmation,
                   size_t confirmation_size)
{
    sqlite3_stmt *statement = store->insert;
    bind_key(statement, message);
    (void)sqlite3_bind_int(statement, 3, message->form);
    (void)sqlite3_bind_int(statement, 4, message->ffd);
    (void)sqlite3_bind_int64(statement, 5, received);
    (void)sqlite3_bind_int64(statement, 6, message->time);
    (void)sqlite3_bind_int(statement, 7, message->kind);
    (void)sqlite3_bind_int64(statement, 8, (sqlite3_int64)message->total_kop);
    (void)sqlite3_bind_int64(statement, 9, message->sign);
    (void)sqlite3_bind_int(statement, 10, message->code);
    (void)sqlite3_bind_blob(statement, 11, raw, (int)raw_size, SQLITE_STATIC);
    (void)sqlite3_bind_blob(statement, 12, confirmation, (int)confirmation_size, SQLITE_STATIC);
    return run(statement);
}

static bool put_conflict(struct ofd_store *store, const struct ofd_message *message,
                         const uint8_t *raw, size_t raw_size, unix_s received)
{
    bind_key(store->conflict, message);
    (void)sqlite3_bind_int64(store->conflict, 3, received);
    (void)sqlite3_bind_blob(store->conflict, 4, raw, (int)raw_size, SQLITE_STATIC);
    bind_key(store->flag, message);
    return run(store->conflict) && run(store->flag);
}

/* NEW, REPEAT or CONFLICT; REPEAT copies the stored confirmation out. */
static enum ofd_put compare(struct ofd_store *store, const struct ofd_message *message,
                            const uint8_t *raw, size_t raw_size, uint8_t *confirmation,
                            size_t *confirmation_size)
{
    enum ofd_put put = OFD_PUT_FAILED;
    int step;
    bind_key(store->find, message);
    step = sqlite3_step(store->find);
    if (step == SQLITE_DONE) {
        put = OFD_PUT_NEW;
    } else if (step == SQLITE_ROW) {
        size_t stored_size = (size_t)sqlite3_column_bytes(store->find, 0);
        const void *stored = sqlite3_column_blob(store->find, 0);
        size_t answer_size = (size_t)sqlite3_column_bytes(store->find, 1);
        const void *answer = sqlite3_column_blob(store->find, 1);
        put = OFD_PUT_CONFLICT;
        if (stored_size == raw_size && stored != NULL && memcmp(stored, raw, raw_size) == 0 &&
            answer != NULL && answer_size <= OFD_CONFIRMATION_MAX) {
            memcpy(confirmation, answer, answer_size);
            *confirmation_size = answer_size;
            put = OFD_PUT_REPEAT;
        }
    }
    (void)sqlite3_reset(store->find);
    (void)sqlite3_clear_bindings(store->find);
    return put;
}

enum ofd_put ofd_store_put(struct ofd_store *store, const struct ofd_message *message,
                           const uint8_t *raw, size_t raw_size, unix_s received,
                           uint8_t *confirmation, size_t *confirmation_size)
{
    enum ofd_put put;
    bool done = false;
    if (sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
        return OFD_PUT_FAILED;
    put = compare(store, message, raw, raw_size, confirmation, confirmation_size);
    switch (put) {
    case OFD_PUT_NEW:
        done = insert(store, message, raw, raw_size, received, confirmation, *confirmation_size);
        break;
    case OFD_PUT_REPEAT:
        bind_key(store->repeat, message);
        done = run(store->repeat);
        break;
    case OFD_PUT_CONFLICT:
        done = put_conflict(store, message, raw, raw_size, received);
        break;
    case OFD_PUT_FAILED:
        break;
    }
    if (done && sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return put;
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return OFD_PUT_FAILED;
}

bool ofd_store_each(struct ofd_store *store, ofd_row_visitor visit, void *user)
{
    sqlite3_stmt *statement = NULL;
    int step;
    if (sqlite3_prepare_v2(store->db,
                           "SELECT fn,fd,form,ffd,received,time,kind,total,sign,code,times,"
                           "conflicts,message FROM documents ORDER BY fn,fd",
                           -1, &statement, NULL) != SQLITE_OK)
        return false;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct ofd_row row;
        const unsigned char *fn = sqlite3_column_text(statement, 0);
        memset(&row, 0, sizeof row);
        (void)snprintf(row.fn_number, sizeof row.fn_number, "%s",
                       fn != NULL ? (const char *)fn : "");
        row.document = (uint32_t)sqlite3_column_int64(statement, 1);
        row.form = (uint16_t)sqlite3_column_int(statement, 2);
        row.ffd = (uint8_t)sqlite3_column_int(statement, 3);
        row.received = (unix_s)sqlite3_column_int64(statement, 4);
        row.time = (unix_s)sqlite3_column_int64(statement, 5);
        row.kind = (uint8_t)sqlite3_column_int(statement, 6);
        row.total_kop = (uint64_t)sqlite3_column_int64(statement, 7);
        row.sign = (uint32_t)sqlite3_column_int64(statement, 8);
        row.code = (uint8_t)sqlite3_column_int(statement, 9);
        row.times = (uint32_t)sqlite3_column_int64(statement, 10);
        row.conflicts = (uint32_t)sqlite3_column_int64(statement, 11);
        row.raw = sqlite3_column_blob(statement, 12);
        row.raw_size = (size_t)sqlite3_column_bytes(statement, 12);
        visit(user, &row);
    }
    sqlite3_finalize(statement);
    return step == SQLITE_DONE;
}

const char *ofd_store_error(const struct ofd_store *store)
{
    return sqlite3_errmsg(store->db);
}
