/* Works a queue off: which job next, what an answer means, when results are stored. No clock and no
 * transport: it drives a link_client, reads and writes the queue file, and is told the time.
 *
 *   CHOOSING --job found, marked, request handed to the client--> ASKING <------------------.
 *      ^  ^                                                        |  |  one more receipt   |
 *      |  '--- proven answer: kept as pending, none was ahead -----|  '-- found, marked, ---|
 *      |                                                           |      sent ahead        |
 *      |                                                           '-- proven answer: ------'
 *      |                                                           |   the one ahead is next
 *      |                                                           | outcome unknown: the same key
 *      '------- pause over (250, 500 ... 5000 ms) ---- PAUSING <---'   again, nothing ahead
 *
 * The next job is sent before the result of the last one is stored, so the disk works while the
 * board does. A result that a crash takes away is asked for again by its key.
 *
 * Sending ahead. The board keeps one request of one fragment while it works on another, and starts
 * it the moment it has answered. So a receipt is sent behind the receipt under way, and only then:
 *   - both fit one fragment: the board tells a longer one BUSY, and would begin the other first;
 *   - the one under way is not the target of kkt_wait: nothing is sent that is not waited for;
 *   - no electronic receipt behind a printed one, which may have to wait for paper;
 *   - the transport is faithful: a serial line may lose the first and deliver the second;
 *   - the answer before came at the first asking, was a result and no refusal, and was not
 *     replayed. The board answers in order, so nothing older is left in it, and it has taken what
 *     waited. This also means that the first job of a connection, and one job after every fault,
 *     go alone.
 * After any fault both are asked again by key, the older one first.
 *
 * Always true:
 * 1. A job is marked in the file with the board's serial number before its first byte can leave,
 *    and the file is bound to that board durably before the first mark.
 * 2. A job that was ever sent to one board is never sent to another; it is passed over and
 *    reported.
 * 3. Jobs leave in the order of their ids; at most two are on their way, the second one a receipt
 *    behind a receipt. They also begin in this order, with one exception: when the board answers a
 *    receipt BUSY (paper is behind) or OUTCOME_UNKNOWN, the receipt sent ahead may be begun before
 *    it, though it was submitted later. Each still becomes exactly one document.
 * 4. A row is finished only by an answer that carries its key; rows are finished in the order of
 *    their ids. A refusal must also be the answer to an asking that went out once: another copy of
 *    the request might still be done.
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
    int64_t cursor;         /* the last row dealt with in this run */
    struct queue_row job;   /* under way */
    struct queue_row ahead; /* sent behind it */
    bool has_ahead;
    bool alone;    /* nothing is sent behind the job under way */
    bool settled;  /* the last answer shows that the board holds nothing older */
    bool faithful; /* the transport is */
    bool ask_once; /* the next job is not repeated into silence */
    bool prints;   /* the newest job sent */
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
/* A board is there, or its identity was asked again. Binds the file to it. faithful: of the
 * transport. */
int worker_connected(struct worker *worker, const kkt_identity *identity, bool faithful,
                     kkt_error *error);
/* The connection is gone; the jobs under way will be asked for again. */
void worker_disconnected(struct worker *worker);
enum worker_status worker_step(struct worker *worker, uint64_t now_ms, kkt_error *error);
/* When to step at the latest; UINT64_MAX: no need. */
uint64_t worker_deadline(const struct worker *worker);
/* Stores what is pending now. */
int worker_settle(struct worker *worker, kkt_error *error);

#endif
