/* What the two halves of the queue store share: queue_file.c opens the file and says whose it is,
 * queue_store.c reads and writes jobs. Nothing else includes this.
 *
 * The seal. A row's last column is a checksum over everything that decides what is sent, where to
 * and what became of it: key, job, body, state, sent_to and the result. SQLite notices a page that
 * is no page, but not a changed byte inside a value; the seal does. It is computed by an SQL
 * function, in the statement that writes the row, and the old seal is checked in the same
 * transaction, so that damage is never sealed anew.
 */
#ifndef HOSTDRV_QUEUE_SQL_H
#define HOSTDRV_QUEUE_SQL_H

#include "hostdrv/queue_store.h"
#include "proto/canary.h"

/* What a durable commit asks of SQLite. */
#define QUEUE_SYNC_FULL                                                                            \
    (CANARY(SQLITE_SYNC_OFF) ? "PRAGMA synchronous=OFF" : "PRAGMA synchronous=FULL")

#define QUEUE_RESULT_COLUMNS                                                                       \
    "code, tag, item, expected, flags, document, fiscal_sign, time, shift, receipt, total_kop, "   \
    "fn_number, registration_number, serial"
#define QUEUE_NO_RESULT               "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '', '', ''"
#define QUEUE_SEAL(state, to, result) "openkkt_seal(key, job, body, " state ", " to ", " result ")"
#define QUEUE_SEAL_NOW                QUEUE_SEAL("state", "sent_to", QUEUE_RESULT_COLUMNS)
#define QUEUE_SOUND                   "seal = " QUEUE_SEAL_NOW

/* QUEUE_STORE with SQLite's words and the cure for this kind of failure. */
int queue_sql_fault(struct queue_store *store, const char *doing, kkt_error *error);
/* Runs a statement that gives no row. Its bindings are cleared whatever happens. */
int queue_sql_run(struct queue_store *store, enum queue_statement which, const char *doing,
                  kkt_error *error);
bool queue_sql_execute(struct queue_store *store, const char *sql);
/* Makes openkkt_seal known to the connection. */
bool queue_sql_add_seal(struct queue_store *store);
/* The text of a statement, prepared once for each connection. */
extern const char *const queue_sql_text[QUEUE_STATEMENTS];

#endif
