#include "firmware/link_server.h"
#include "proto/rare.h"

#include <assert.h>
#include <string.h>

_Static_assert(LIMIT_REQUEST_BYTES <= LINK_MESSAGE_MAX, "the link knows no larger message");
_Static_assert(LIMIT_REQUEST_BYTES >= LIMIT_SETTINGS_BYTES + LINK_JOB_HEADER_SIZE,
               "registration and settings must fit");

void link_server_init(struct link_server *link, const struct board *board)
{
    memset(link, 0, sizeof(*link));
    link->board = board;
    link->announce = true;
    link_decoder_init(&link->decoder);
    link_assembler_init(&link->assembler, link->message, sizeof(link->message));
}

static bool is_job(uint8_t code)
{
    return code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST;
}

/* A new peer: what was half received or half sent belonged to somebody else. */
static void forget_peer(struct link_server *link)
{
    link_decoder_init(&link->decoder);
    if (!link->working)
        link_assembler_init(&link->assembler, link->message, sizeof(link->message));
    else
        link->orphaned = true;
    if (link->sending && link->out == link->message)
        link->working = false;
    link->ready = false;
    link->sending = false;
    link->side_ready = false;
    link->wire_size = link->wire_sent = 0;
    link->event_count = 0;
    if (link->announce)
        link_server_event(link, LINK_EVENT_STARTED, NULL, 0);
    link->announce = false;
}

static void tell_busy(struct link_server *link, const struct link_frame *frame)
{
    if (!link_server_can_answer(link))
        return; /* the asker's time-out repairs it */
    struct byte_writer writer;
    struct refusal why = {.code = ERROR_BUSY};
    byte_writer_init(&writer, link->small, sizeof(link->small));
    link_refusal_put(&writer, &why);
    if (is_job(frame->code) && frame->length >= KEY_SIZE)
        put_bytes(&writer, frame->payload, KEY_SIZE);
    link_server_answer(link, frame->code, frame->exchange, link->small, writer.length, false);
}

/* While the register works, a frame is judged by itself. */
static void receive_meanwhile(struct link_server *link, const struct link_frame *frame)
{
    if (frame->offset != 0)
        return;
    bool same_job = is_job(frame->code) && frame->code == link->request.code &&
                    frame->length >= KEY_SIZE && link->request.size >= KEY_SIZE &&
                    memcmp(frame->payload, link->request.body, KEY_SIZE) == 0;
    if (same_job) {
        link->request.exchange = frame->exchange;
        link->orphaned = false;
    } else if (frame->length == frame->total && !link->side_ready &&
               !RARE("link: busy for the request behind")) {
        memcpy(link->side, frame->payload, frame->length);
        link->side_request = (struct link_request){.code = frame->code,
                                                   .exchange = frame->exchange,
                                                   .body = link->side,
                                                   .size = frame->length};
        link->side_ready = true;
    } else {
        tell_busy(link, frame);
    }
}

/* A job that waited in the side buffer becomes the main request once the big buffer is free. */
static void promote_side(struct link_server *link)
{
    if (link->ready || link->working || link->assembler.active || !link->side_ready ||
        !is_job(link->side_request.code))
        return;
    memcpy(link->message, link->side, link->side_request.size);
    link->request = link->side_request;
    link->request.body = link->message;
    link->side_ready = false;
    link->ready = true;
}

static void receive_frame(struct link_server *link, const struct link_frame *frame)
{
    /* Code 0 says "nobody waits" (link_server_waiting): as a request it would wait for ever. */
    if (frame->kind != LINK_REQUEST || frame->code == 0)
        return;
    promote_side(link); /* nothing overtakes a job that waits */
    if (link->working || link->ready) {
        receive_meanwhile(link, frame);
        return;
    }
    int added = link_assembler_add(&link->assembler, frame);
    bool too_large = added == -2;
    if (too_large) /* whose it is stands in the first fragment: enough to refuse it */
        memcpy(link->message, frame->payload, frame->length);
    if (added == 1 || too_large) {
        link->request =
            (struct link_request){.code = link->assembler.code,
                                  .exchange = link->assembler.exchange,
                                  .body = link->message,
                                  .size = too_large ? frame->length : link->assembler.length,
                                  .too_large = too_large};
        link->ready = true;
    }
}

static void receive_bytes(struct link_server *link, mono_ms now)
{
    uint8_t chunk[256];
    /* Bounded so that a flood cannot keep the loop from its other work. */
    for (unsigned round = 0; round < 32; round++) {
        int got =
            link->board->port_read(link->board->context, BOARD_PORT_HOST, chunk, sizeof(chunk));
        if (got <= 0)
            break;
        link->last_byte = now;
        for (size_t i = 0; i < (size_t)got;) {
            struct link_frame frame;
            i += link_decoder_fill(&link->decoder, chunk + i, (size_t)got - i);
            if (i < (size_t)got && link_decoder_push(&link->decoder, chunk[i++], &frame))
                receive_frame(link, &frame);
        }
    }
    assert(!link->assembler.active || (!link->working && !link->ready)); /* it owns `message` */
    if (link->assembler.active && now - link->last_byte > HOST_FRAGMENT_TIMEOUT_MS)
        link_assembler_init(&link->assembler, link->message, sizeof(link->message));
}

/* Puts the events that wait behind what is in the wire buffer already, as far as there is room. */
static void add_events(struct link_server *link)
{
    while (link->event_count > 0) {
        const struct link_event *event = &link->events[0];
        struct link_frame frame = {.kind = LINK_EVENT,
                                   .code = event->code,
                                   .exchange = link->event_number,
                                   .total = event->size,
                                   .payload = event->body,
                                   .length = event->size};
        size_t size = link_frame_encode(&frame, link->wire + link->wire_size,
                                        sizeof(link->wire) - link->wire_size);
        if (size == 0)
            return;
        link->wire_size += size;
        link->event_number++;
        link->event_count--;
        memmove(&link->events[0], &link->events[1], link->event_count * sizeof(link->events[0]));
    }
}

/* Nothing will be answered soon that an event could travel with. */
static bool idle(const struct link_server *link)
{
    return !link->working && !link->ready && !link->side_ready;
}

/* Nobody takes the bytes: what they belong to is forgotten, the key repairs it. */
static void drop_outgoing(struct link_server *link)
{
    if (link->sending && link->out == link->message)
        link_server_give_back(link);
    link->sending = false;
    link->wire_size = link->wire_sent = 0;
    link->event_count = 0;
}

/* The outgoing message is gone: a big answer gives its buffer back. */
static void finish_sending(struct link_server *link)
{
    link->sending = false;
    if (link->out == link->message) {
        link->working = false;
        link_assembler_init(&link->assembler, link->message, sizeof(link->message));
    }
}

static void send_bytes(struct link_server *link, mono_ms now)
{
    for (unsigned round = 0; round < 64; round++) {
        if (link->wire_sent == link->wire_size) {
            if (link->sending) {
                if (RARE("link: a fragment goes a turn later"))
                    return;
                link->wire_size = link_message_frame(
                    link->out_kind, link->out_code, link->out_exchange, link->out, link->out_size,
                    &link->out_offset, link->wire, sizeof(link->wire));
                link->wire_sent = 0;
                assert(link->wire_size > 0);
                if (link->out_offset >= link->out_size) {
                    finish_sending(link);
                    add_events(link);
                }
            } else if (link->event_count > 0 && now >= link->events_due && idle(link)) {
                link->wire_size = link->wire_sent = 0;
                add_events(link);
            } else {
                link->last_progress = now;
                return;
            }
        }
        int sent = link->board->port_write(link->board->context, BOARD_PORT_HOST,
                                           link->wire + link->wire_sent,
                                           link->wire_size - link->wire_sent);
        if (sent < 0 || (sent == 0 && now - link->last_progress > LINK_STALL_MS))
            drop_outgoing(link);
        if (sent <= 0)
            return;
        link->last_progress = now;
        link->wire_sent += (size_t)sent;
    }
}

void link_server_step(struct link_server *link, mono_ms now)
{
    uint32_t generation = link->board->port_generation(link->board->context, BOARD_PORT_HOST);
    if (generation != link->generation) {
        link->generation = generation;
        forget_peer(link);
    }
    receive_bytes(link, now);
    send_bytes(link, now);
    link->now = now;
}

bool link_server_can_answer(const struct link_server *link)
{
    return !link->sending;
}

uint8_t link_server_waiting(struct link_server *link)
{
    promote_side(link);
    return link->ready ? link->request.code : 0;
}

bool link_server_take(struct link_server *link, struct link_request *out)
{
    promote_side(link);
    if (!link->ready || !link_server_can_answer(link))
        return false;
    link->ready = false;
    link->working = true;
    link->orphaned = false;
    *out = link->request;
    return true;
}

bool link_server_take_side(struct link_server *link, struct link_request *out)
{
    bool waits = link->side_ready && !is_job(link->side_request.code);
    if (!waits || !link_server_can_answer(link))
        return false;
    link->side_ready = false;
    *out = link->side_request;
    return true;
}

void link_server_answer(struct link_server *link, uint8_t code, uint16_t exchange,
                        const uint8_t *data, size_t size, bool main)
{
    assert(link_server_can_answer(link) && size >= 2);
    if (main && link->orphaned) {
        link_server_give_back(link); /* nobody waits for it; the key tells it to whoever asks */
        return;
    }
    /* "Ask again" for this job: the one that waits behind it must not become a document first. */
    uint16_t told = get_u16le(data);
    if (main && told >= ERROR_OUTCOME_UNKNOWN && is_job(link->side_request.code))
        link->side_ready = false;
    link->sending = link->answered = true;
    link->out = data;
    link->out_size = size;
    link->out_offset = 0;
    link->out_kind = LINK_ANSWER;
    link->out_code = code;
    link->out_exchange = exchange;
    if (main && data != link->message) {
        link->working = false;
        link_assembler_init(&link->assembler, link->message, sizeof(link->message));
    }
    send_bytes(link, link->now);
}

uint16_t link_server_exchange(const struct link_server *link)
{
    return link->request.exchange;
}

bool link_server_borrow(struct link_server *link)
{
    if (link->working || link->ready || link->assembler.active || link->side_ready)
        return false;
    link->working = true;
    link->request = (struct link_request){0};
    return true;
}

void link_server_give_back(struct link_server *link)
{
    link->working = false;
    link_assembler_init(&link->assembler, link->message, sizeof(link->message));
}

void link_server_event(struct link_server *link, uint8_t code, const uint8_t *body, size_t size)
{
    assert(size <= sizeof(link->events[0].body));
    if (link->event_count == 0)
        link->events_due = link->now + LINK_EVENT_WAIT_MS;
    if (link->event_count == LINK_EVENTS) {
        link->event_count--;
        memmove(&link->events[0], &link->events[1], link->event_count * sizeof(link->events[0]));
    }
    struct link_event *event = &link->events[link->event_count++];
    event->code = code;
    event->size = (uint8_t)size;
    if (size > 0)
        memcpy(event->body, body, size);
}
