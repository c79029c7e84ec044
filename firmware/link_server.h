/* The board's end of the host link: bytes in, whole requests out; answers and events in, bytes out.
 *
 * One request is worked on at a time and owns the big message buffer until it is answered. What
 * arrives meanwhile is looked at by its first fragment only: the same job again takes over the
 * answer (its new exchange number gets it), a request of one fragment waits in a small side buffer
 * (queries are answered meanwhile, a job is next), anything else is told BUSY at once.
 *
 * Events wait for the answer under way and travel with it; with nothing under way they wait
 * LINK_EVENT_WAIT_MS for one, since under load the next answer comes within that time, and what is
 * sent by itself costs both sides as much as an answer.
 *
 * Always true: an answer carries the exchange number of the newest request it belongs to; after a
 * new peer connected nothing meant for the old one is sent; a peer that takes no byte for
 * LINK_STALL_MS loses what was meant for it; a half-received message is forgotten after
 * HOST_FRAGMENT_TIMEOUT_MS of silence.
 */
#ifndef FIRMWARE_LINK_SERVER_H
#define FIRMWARE_LINK_SERVER_H

#include "board/board.h"
#include "firmware/limits.h"
#include "proto/link_message.h"

#define LINK_SMALL_BYTES   1024u
#define LINK_EVENTS        8u
#define LINK_STALL_MS      5000u
#define LINK_EVENT_WAIT_MS 10u

struct link_request {
    uint8_t code;
    uint16_t exchange;
    const uint8_t *body;
    size_t size;
    bool too_large; /* over LIMIT_REQUEST_BYTES: body is its first fragment only, to be refused */
};

struct link_event {
    uint8_t code;
    uint8_t size;
    uint8_t body[16];
};

struct link_server {
    const struct board *board;
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t
        message[LIMIT_REQUEST_BYTES]; /* the request being received or worked on, or a big answer */
    uint8_t small[LINK_SMALL_BYTES];  /* every other answer */
    uint8_t side[LINK_FRAGMENT_MAX];  /* a request of one fragment that came meanwhile */
    bool working;                     /* `message` belongs to the register */
    bool announce;                    /* the first peer after a start is told LINK_EVENT_STARTED */
    bool orphaned;                    /* whoever asked is gone */
    bool ready;                       /* a whole request waits in `message` */
    bool side_ready;
    bool answered; /* something was, since start */
    struct link_request request, side_request;
    /* Outgoing message. */
    bool sending;
    const uint8_t *out;
    size_t out_size, out_offset;
    uint8_t out_kind, out_code;
    uint16_t out_exchange;
    uint8_t wire[LINK_WIRE_MAX];
    size_t wire_size, wire_sent;
    struct link_event events[LINK_EVENTS];
    uint8_t event_count;
    uint16_t event_number;
    uint32_t generation;
    mono_ms now;
    mono_ms events_due;    /* when the oldest event goes by itself */
    mono_ms last_byte;     /* received */
    mono_ms last_progress; /* of sending */
};

void link_server_init(struct link_server *link, const struct board *board);
/* Moves bytes and time on. Call every turn. */
void link_server_step(struct link_server *link, mono_ms now);

/* A whole request, if one waits and its answer could be sent; the caller must answer it. Main
 * requests keep `message` until link_server_answer_main. */
/* Code of the main request that link_server_take would give, 0 none. */
uint8_t link_server_waiting(struct link_server *link);
bool link_server_take(struct link_server *link, struct link_request *out);
bool link_server_take_side(struct link_server *link, struct link_request *out);
/* True when an answer can be handed over. */
bool link_server_can_answer(const struct link_server *link);
/* Sends size bytes of link->small, or of link->message, as the answer. Ends the work on the main
 * request when `main` is true. */
void link_server_answer(struct link_server *link, uint8_t code, uint16_t exchange,
                        const uint8_t *data, size_t size, bool main);
/* The exchange that wants the answer of the main request now (it may have been asked again). */
uint16_t link_server_exchange(const struct link_server *link);
/* Borrows `message` while no request uses it (reading a document back for paper); false when it is
 * in use. */
bool link_server_borrow(struct link_server *link);
void link_server_give_back(struct link_server *link);
/* Queues an event; the oldest is dropped when there is no room. size at most 16. */
void link_server_event(struct link_server *link, uint8_t code, const uint8_t *body, size_t size);

#endif
