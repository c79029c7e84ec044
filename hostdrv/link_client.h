/* The asking end of the host link: one request and its one answer, a second job sent ahead behind
 * it, and the events between. No I/O and no clock: bytes and time come in, bytes go out.
 *
 *            link_client_request                answer of this exchange
 *     IDLE -----------------------> WAITING ------------------------------> ANSWERED
 *      ^                             |   ^ silence: the same message again, same exchange number
 *      |                             |   '-(after 1, 2, 4, 4... s; BUSY: after 0.1, 0.2 ... 1 s)
 *      | link_client_reset           |
 *      |                             '-- timeout_ms over --> TIMED_OUT
 *   (ANSWERED and TIMED_OUT may go straight to WAITING by the next link_client_request)
 *
 * While a job WAITS and all its bytes are gone, one more job may be sent ahead. The board keeps it
 * and takes it next:
 *
 *     link_client_request_ahead        link_client_next, once the first is ANSWERED
 *     ------------------------> AHEAD --------------------------------------------> WAITING
 *                                 '-- its answer came first: kept until then -----> ANSWERED
 *
 * Sending again is safe for every message: queries change nothing, jobs are executed once per key
 * by the board.
 *
 * Always true:
 * 1. Only an answer with the exchange number and code of a request under way is delivered; a job's
 *    also needs the job's key. Everything else, above all a late answer to an earlier request, is
 *    dropped.
 * 2. A request ends as ANSWERED or TIMED_OUT at most timeout_ms after it began, whatever bytes
 *    arrive. What was sent ahead begins with link_client_next: the board does not work on it
 *    before.
 * 3. IN_PROGRESS and BUSY are no answers: the client keeps asking until the time is over.
 * 4. What was sent ahead is never repeated while it is ahead. When the first request ends in any
 *    way but link_client_next, it is forgotten with it.
 */
#ifndef HOSTDRV_LINK_CLIENT_H
#define HOSTDRV_LINK_CLIENT_H

#include "proto/link_message.h"

#define LINK_CLIENT_RESEND_FIRST_MS 1000u
#define LINK_CLIENT_RESEND_MAX_MS   4000u
#define LINK_CLIENT_BUSY_FIRST_MS   100u
#define LINK_CLIENT_BUSY_MAX_MS     1000u
#define LINK_CLIENT_EVENTS          32u /* kept for the reader; older ones are forgotten */

enum link_client_state {
    LINK_CLIENT_IDLE = 0,
    LINK_CLIENT_WAITING = 1,
    LINK_CLIENT_ANSWERED = 2,
    LINK_CLIENT_TIMED_OUT = 3
};

struct link_client_event {
    uint8_t code;      /* LINK_EVENT_... */
    uint8_t paper;     /* LINK_EVENT_PAPER */
    uint32_t document; /* LINK_EVENT_CONFIRMED, LINK_EVENT_PRINTED */
};

struct link_client_answer {
    struct refusal refusal; /* code 0: accepted */
    bool keyed;    /* job: the answer carries the job's key; a refusal without it proves nothing */
    bool repeated; /* the board may hold more of this request than was answered: it, or the one it
                      was sent ahead behind, went out twice or was told BUSY or IN_PROGRESS */
    const uint8_t *body; /* after the code, or after the refusal and its key; inside the client,
                            until the next request */
    size_t size;
};

/* The job behind the one under way. Its answer is one frame. */
struct link_client_ahead {
    bool used, unsent;
    bool answered, busy;
    uint8_t code;
    uint16_t exchange;
    unsigned timeout_ms;
    size_t size, answer_size;
    uint8_t message[LINK_FRAGMENT_MAX];
    uint8_t answer[LINK_FRAGMENT_MAX];
};

struct link_client {
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t answer[LINK_MESSAGE_MAX];
    uint8_t request[LINK_MESSAGE_MAX];
    size_t request_size;
    size_t request_offset; /* of the next fragment to send */
    uint8_t wire[LINK_WIRE_MAX];
    size_t wire_size, wire_sent;
    enum link_client_state state;
    uint8_t code;
    uint16_t exchange;      /* of the request under way */
    uint16_t last_exchange; /* ever given out */
    bool sending;           /* fragments of the request are left */
    bool waits_to_resend;
    bool once; /* silence is no reason to send again */
    bool repeated;
    struct link_client_ahead ahead;
    uint64_t deadline_ms, resend_at_ms;
    unsigned resend_delay_ms, busy_delay_ms;
    struct link_client_answer result;
    struct link_client_event events[LINK_CLIENT_EVENTS];
    uint64_t event_count; /* ever received; number n lies at n % LINK_CLIENT_EVENTS */
    uint64_t requests_sent, answers_received;
    uint32_t strays; /* frames that belonged to nothing */
};

/* exchange_seed: any number, best a random one, so that answers meant for an earlier process do not
 * fit. */
void link_client_init(struct link_client *client, uint16_t exchange_seed);
/* A new connection: forgets what was under way, and sends a delimiter first, which ends whatever
 * half frame the other side holds. Events stay. */
void link_client_reset(struct link_client *client);
/* Starts a request; message (size at most LINK_MESSAGE_MAX) is copied. A job's message begins with
 * its key. */
void link_client_request(struct link_client *client, uint8_t code, const uint8_t *message,
                         size_t size, unsigned timeout_ms, uint64_t now_ms);
/* The request just started is not sent again into silence: its time runs out instead. Its answer
 * then comes after whatever older copies of the same message did. */
void link_client_ask_once(struct link_client *client);
/* True when a job waits for its answer, all its bytes are gone, and nothing is ahead yet. */
bool link_client_can_send_ahead(const struct link_client *client);
/* Sends one more job (size at most LINK_FRAGMENT_MAX, so that the board can keep it) behind the one
 * that waits. Only when link_client_can_send_ahead. */
void link_client_request_ahead(struct link_client *client, uint8_t code, const uint8_t *message,
                               size_t size, unsigned timeout_ms);
/* In state ANSWERED: the job sent ahead becomes the request under way, WAITING or at once ANSWERED.
 * False: nothing was ahead. */
bool link_client_next(struct link_client *client, uint64_t now_ms);
/* Gives up what is under way and what is ahead; their answers will be strays. */
void link_client_abandon(struct link_client *client);

/* Bytes that want to go out; 0: none. */
size_t link_client_output(struct link_client *client, const uint8_t **bytes);
/* The first `count` of them are gone. */
void link_client_sent(struct link_client *client, size_t count, uint64_t now_ms);
void link_client_input(struct link_client *client, const uint8_t *bytes, size_t size,
                       uint64_t now_ms);
/* Moves time on and returns the state. */
enum link_client_state link_client_tick(struct link_client *client, uint64_t now_ms);
/* When tick must be called at the latest; UINT64_MAX: no need. */
uint64_t link_client_deadline(const struct link_client *client);
/* Valid in state ANSWERED. */
const struct link_client_answer *link_client_result(const struct link_client *client);

/* The oldest event kept that has number *cursor or later; moves the cursor behind it.
 * False: none. */
bool link_client_event_next(const struct link_client *client, uint64_t *cursor,
                            struct link_client_event *out);

#endif
