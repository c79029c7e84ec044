/* Works a queue off: which job next, what an answer means, when results are stored. No clock and no
 * transport: it drives a link_client, reads and writes the queue file, and is told the time.
 *
 *   CHOOSING --job found, marked, request handed to the client--> ASKING
 *      ^  ^                                                         |
 *      |  '--- proven answer: kept as pending, next job ------------|
 *      |                                                            | outcome unknown:
 *      |                                                            | the same key again
 *      '------- pause over (250, 500 ... 5000 ms) ---- PAUSING <----'
 *
 * The next job is sent before the result of the last one is stored, so the disk works while the
 * board does. A result that a crash takes away is asked for again by its key.
 *
 * Always true:
 * 1. A job is marked in the file with the board's serial number before its first byte can leave,
 * and the file is bound to that board durably before the first mark.
 * 2. A job that was ever sent to one board is never sent to another; it is passed over and
 * reported.
 * 3. Jobs leave in the order of their ids; one at a time is on its way.
 * 4. A row is finished only by an answer that carries its key.
 */
#ifndef HOSTDRV_WORKER_H
#define HOSTDRV_WORKER_H

#include "hostdrv/link_client.h"
#include "hostdrv/queue_store.h"

#define WORKER_GROUP_MAX      32u /* results in one commit */
#define WORKER_GROUP_AGE_MS   25u /* the oldest of them waits no longer for company */
#define WORKER_CONFIRMED_MAX  64u
#define WORKER_RETRY_FIRST_MS 250u
#define WORKER_RETRY_MAX_MS   5000u

enum worker_state { WORKER_CHOOSING, WORKER_ASKING, WORKER_PAUSING };
enum worker_status {
    WORKER_SENDING,  /* the client has bytes to send: send them, then step again */
    WORKER_WAITING,  /* until something arrives or worker_deadline */
    WORKER_IDENTIFY, /* ask the board's identity, then worker_connected */
    WORKER_EMPTY,    /* nothing left that this board may do; everything is stored */
    WORKER_TARGET,   /* the job waited for is finished and stored */
    WORKER_SILENT,   /* no answer in time: the connection is no good */
    WORKER_FAILED    /* *error says why; the jobs stay stored */
};

struct worker_pending {
    int64_t id;
    bool wants_identity; /* a registration or a start changed what the result must name */
    kkt_result result;
};

struct worker {
    struct queue_store *store;
    struct link_client *client;
    unsigned answer_timeout_ms;
    kkt_identity identity;
    uint32_t device_tag;
    bool has_target;
    kkt_key target;
    enum worker_state state;
    int64_t cursor; /* the last row dealt with in this run */
    struct queue_row job;
    uint8_t message[LINK_MESSAGE_MAX];
    struct worker_pending pending[WORKER_GROUP_MAX];
    unsigned pending_count;
    uint64_t pending_since_ms;
    uint32_t confirmed[WORKER_CONFIRMED_MAX];
    unsigned confirmed_count;
    uint64_t event_cursor;
    unsigned pause_ms;
    uint64_t pause_until_ms;
    bool identify_first;    /* the board started anew: who is it now? */
    char foreign_board[21]; /* of a job that was passed over, "": none */
    int unknown_code;       /* of the last answer that told no outcome */
};

/* target NULL: the whole queue. */
void worker_init(struct worker *worker, struct queue_store *store, struct link_client *client,
                 unsigned answer_timeout_ms, const kkt_key *target);
/* A board is there, or its identity was asked again. Binds the file to it. */
int worker_connected(struct worker *worker, const kkt_identity *identity, kkt_error *error);
/* The connection is gone; the job under way will be asked for again. */
void worker_disconnected(struct worker *worker);
enum worker_status worker_step(struct worker *worker, uint64_t now_ms, kkt_error *error);
/* When to step at the latest; UINT64_MAX: no need. */
uint64_t worker_deadline(const struct worker *worker);
/* Stores what is pending now. */
int worker_settle(struct worker *worker, kkt_error *error);

#endif
