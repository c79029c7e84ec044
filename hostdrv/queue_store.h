/* The queue file: everything SQLite, nothing else. QUEUE.md describes the format.
 *
 * Always true:
 * 1. What queue_store_commit(DURABLE) returned KKT_OK for survives a power cut; after any failure
 *    the transaction is rolled back.
 * 2. A row's content (key, job, body) never changes; its outcome is written once per arming. A row
 *    that says something else than was written (queue_sql.h, the seal) is told as damaged, and is
 *    neither sent nor believed.
 * 3. A row with an empty sent_to was not sent to any board. Marks are written without waiting for
 *    the disk: a killed process does not lose them, only a machine that went down does, or a copy
 *    that takes the file's place. Then the boot id or the file's number is another, and opening the
 *    file marks every unfinished row as sent to the bound board, before anybody can act on it. The
 *    binding itself is durable before the first byte goes to a board.
 */
#ifndef HOSTDRV_QUEUE_STORE_H
#define HOSTDRV_QUEUE_STORE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "hostdrv/kkt.h"
#include "hostdrv/queue_step.h"
#include "proto/link_message.h"

#define QUEUE_APPLICATION_ID 0x4B4B5451 /* "KKTQ" */
#define QUEUE_FORMAT_VERSION 2
#define QUEUE_BODY_MAX       (LINK_MESSAGE_MAX - LINK_JOB_HEADER_SIZE)

enum queue_statement {
    QUEUE_BEGIN,
    QUEUE_COMMIT,
    QUEUE_ROLLBACK,
    QUEUE_FIND,
    QUEUE_INSERT,
    QUEUE_REARM,
    QUEUE_CANCEL,
    QUEUE_NEXT,
    QUEUE_MARK,
    QUEUE_FINISH,
    QUEUE_CONFIRM_ONE,
    QUEUE_CONFIRM_BELOW,
    QUEUE_UNFINISHED,
    QUEUE_META_GET,
    QUEUE_META_SET,
    QUEUE_FREEZE,
    QUEUE_STATEMENTS
};

enum queue_durability { QUEUE_DURABLE, QUEUE_UNSYNCED };

struct queue_store {
    sqlite3 *database;
    sqlite3_stmt *statements[QUEUE_STATEMENTS];
    uint64_t durable_commits; /* of jobs and results; making and binding the file is not counted */
    bool in_transaction;
    enum queue_durability durability; /* the level SQLite stands at */
    char board[21];                   /* the bound one as last read, "": none */
    queue_step_hook hook;
    void *hook_user;
};

/* A row as the worker and the API see it. */
struct queue_row {
    kkt_entry entry;
    char sent_to[21]; /* "": never sent */
};

int queue_store_open(struct queue_store *store, const char *path, kkt_error *error);
void queue_store_close(struct queue_store *store);
void queue_store_step(struct queue_store *store, enum queue_step step);

/* A write transaction. UNSYNCED: visible to others at once, and safe against a crash of the process
 * but not of the machine. */
int queue_store_begin(struct queue_store *store, enum queue_durability durability,
                      kkt_error *error);
/* counted: a commit of the "two per job" kind. Rolls back when it fails. */
int queue_store_commit(struct queue_store *store, bool counted, kkt_error *error);
void queue_store_rollback(struct queue_store *store);

/* KKT_OK, NOT_FOUND, or QUEUE_STORE. body and size may be NULL; *body is freed by the caller. */
int queue_store_find(struct queue_store *store, const kkt_key *key, struct queue_row *row,
                     uint8_t **body, size_t *size, kkt_error *error);
int queue_store_insert(struct queue_store *store, const kkt_submission *job, int64_t stored_at,
                       kkt_error *error);
/* A finished row becomes the newest unfinished one. */
int queue_store_rearm(struct queue_store *store, int64_t id, kkt_error *error);
int queue_store_cancel(struct queue_store *store, int64_t id, kkt_error *error);
/* The first unfinished row after `after`; its body goes to `body` (QUEUE_BODY_MAX bytes).
 * NOT_FOUND: none. */
int queue_store_next(struct queue_store *store, int64_t after, struct queue_row *row, uint8_t *body,
                     kkt_error *error);
/* Writes sent_to and counts the attempt, if the row is still unfinished (*marked). Its own
 * transaction, not synced. */
int queue_store_mark(struct queue_store *store, int64_t id, const char *board, bool *marked,
                     kkt_error *error);
int queue_store_finish(struct queue_store *store, int64_t id, const kkt_result *result,
                       kkt_error *error);
/* One document of a fiscal module, or all below a number, are confirmed; *changed says how many
 * rows became so. */
int queue_store_confirm(struct queue_store *store, const char *fn_number, uint32_t document,
                        unsigned *changed, kkt_error *error);
int queue_store_confirm_below(struct queue_store *store, const char *fn_number, uint32_t below,
                              unsigned *changed, kkt_error *error);
int queue_store_unfinished(struct queue_store *store, uint64_t *count, kkt_error *error);
int queue_store_list(struct queue_store *store, bool unfinished_only, bool newest_first,
                     kkt_visit visit, void *user, kkt_error *error);
/* QUEUE_STORE: what the file says cannot be. */
int queue_store_damaged(const char *what, kkt_error *error);
/* Binds the file to this board, durably, unless it already is. */
int queue_store_bind(struct queue_store *store, const char *board, kkt_error *error);

#endif
