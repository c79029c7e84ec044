#include "hostdrv/link_client.h"

#include <assert.h>
#include <string.h>

#include "proto/rare.h"
#include "proto/tags.h"
#include "proto/tlv.h"

static bool is_job(uint8_t code)
{
    return code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST;
}

void link_client_init(struct link_client *client, uint16_t exchange_seed)
{
    memset(client, 0, sizeof *client);
    client->exchange = client->last_exchange = exchange_seed;
    link_client_reset(client);
}

void link_client_reset(struct link_client *client)
{
    link_decoder_init(&client->decoder);
    link_assembler_init(&client->assembler, client->answer, sizeof client->answer);
    link_client_abandon(client);
    client->wire[0] = 0;
    client->wire_size = 1;
    client->wire_sent = 0;
}

static void start_sending(struct link_client *client)
{
    client->sending = true;
    client->waits_to_resend = false;
    client->request_offset = 0;
    client->requests_sent++;
}

static void begin(struct link_client *client, unsigned timeout_ms, uint64_t now_ms)
{
    client->state = LINK_CLIENT_WAITING;
    client->deadline_ms = now_ms + timeout_ms;
    client->resend_delay_ms = LINK_CLIENT_RESEND_FIRST_MS;
    client->busy_delay_ms = LINK_CLIENT_BUSY_FIRST_MS;
    client->waits_to_resend = false;
    client->once = false;
    /* A half-assembled answer of the previous exchange must not take the buffer. */
    link_assembler_init(&client->assembler, client->answer, sizeof client->answer);
}

void link_client_request(struct link_client *client, uint8_t code, const uint8_t *message,
                         size_t size, unsigned timeout_ms, uint64_t now_ms)
{
    assert(size <= sizeof client->request);
    assert(!is_job(code) || size >= LINK_JOB_HEADER_SIZE);
    if (size > 0)
        memcpy(client->request, message, size);
    client->request_size = size;
    client->code = code;
    client->exchange = ++client->last_exchange;
    client->repeated = false;
    client->ahead.used = false;
    begin(client, timeout_ms, now_ms);
    start_sending(client);
}

void link_client_ask_once(struct link_client *client)
{
    assert(client->state == LINK_CLIENT_WAITING);
    client->once = true;
}

bool link_client_can_send_ahead(const struct link_client *client)
{
    return client->state == LINK_CLIENT_WAITING && is_job(client->code) && !client->sending &&
           client->wire_sent == client->wire_size && !client->ahead.used;
}

void link_client_request_ahead(struct link_client *client, uint8_t code, const uint8_t *message,
                               size_t size, unsigned timeout_ms)
{
    struct link_client_ahead *ahead = &client->ahead;
    assert(link_client_can_send_ahead(client));
    assert(is_job(code) && size >= LINK_JOB_HEADER_SIZE && size <= sizeof ahead->message);
    memcpy(ahead->message, message, size);
    ahead->size = size;
    ahead->code = code;
    ahead->exchange = ++client->last_exchange;
    ahead->timeout_ms = timeout_ms;
    ahead->used = ahead->unsent = true;
    ahead->answered = ahead->busy = false;
    client->requests_sent++;
}

void link_client_abandon(struct link_client *client)
{
    client->state = LINK_CLIENT_IDLE;
    client->sending = false;
    client->waits_to_resend = false;
    client->ahead.used = false;
}

static void resend_after(struct link_client *client, unsigned delay_ms, uint64_t now_ms)
{
    client->waits_to_resend = true;
    client->resend_at_ms = now_ms + delay_ms;
}

static void frame_ahead(struct link_client *client)
{
    struct link_client_ahead *ahead = &client->ahead;
    size_t offset = 0;
    client->wire_size =
        link_message_frame(LINK_REQUEST, ahead->code, ahead->exchange, ahead->message, ahead->size,
                           &offset, client->wire, sizeof client->wire);
    client->wire_sent = 0;
    assert(client->wire_size > 0 && offset == ahead->size);
    ahead->unsent = false;
}

size_t link_client_output(struct link_client *client, const uint8_t **bytes)
{
    if (client->wire_sent == client->wire_size && !client->sending && client->ahead.used &&
        client->ahead.unsent)
        frame_ahead(client);
    if (client->wire_sent == client->wire_size && client->sending) {
        client->wire_size = link_message_frame(
            LINK_REQUEST, client->code, client->exchange, client->request, client->request_size,
            &client->request_offset, client->wire, sizeof client->wire);
        client->wire_sent = 0;
        assert(client->wire_size > 0);
        client->sending = client->request_offset < client->request_size;
    }
    *bytes = client->wire + client->wire_sent;
    return client->wire_size - client->wire_sent;
}

void link_client_sent(struct link_client *client, size_t count, uint64_t now_ms)
{
    assert(count <= client->wire_size - client->wire_sent);
    client->wire_sent += count;
    bool gone = client->wire_sent == client->wire_size && !client->sending;
    if (gone && client->state == LINK_CLIENT_WAITING && !client->waits_to_resend && !client->once) {
        resend_after(client, client->resend_delay_ms, now_ms);
        client->resend_delay_ms *= 2;
        if (client->resend_delay_ms > LINK_CLIENT_RESEND_MAX_MS)
            client->resend_delay_ms = LINK_CLIENT_RESEND_MAX_MS;
    }
}

/* The tags are few and short; anything else in an event is of a newer board and skipped. */
static void take_event(struct link_client *client, const struct link_frame *frame)
{
    struct link_client_event event = {.code = frame->code};
    if (!tlv_find_u32(frame->payload, frame->length, TAG_DOCUMENT_NUMBER, &event.document))
        event.document = 0;
    if (!tlv_find_u8(frame->payload, frame->length, TAG_PAPER_STATE, &event.paper))
        event.paper = 0;
    client->events[client->event_count % LINK_CLIENT_EVENTS] = event;
    client->event_count++;
}

/* A whole message of the exchange that asked `request`. False: it is no answer to it after all. */
static bool judge_answer(uint8_t code, const uint8_t *request, const uint8_t *bytes, size_t size,
                         struct link_client_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    if (!link_answer_get(bytes, size, &answer->refusal, &answer->body, &answer->size))
        return false;
    if (!is_job(code))
        return true;
    if (answer->size >= KEY_SIZE) {
        /* Refusal and result both have the key first. */
        if (memcmp(answer->body, request, KEY_SIZE) != 0)
            return false;
        answer->keyed = true;
        if (answer->refusal.code != ERROR_NONE) {
            answer->body += KEY_SIZE;
            answer->size -= KEY_SIZE;
        }
    }
    struct link_result result;
    if (answer->refusal.code == ERROR_NONE)
        return answer->keyed && link_result_get(answer->body, answer->size, &result);
    return true;
}

static bool is_put_off(const struct link_client_answer *answer)
{
    return answer->refusal.code == ERROR_IN_PROGRESS || answer->refusal.code == ERROR_BUSY;
}

static void finish(struct link_client *client)
{
    client->result.repeated = client->repeated;
    client->state = LINK_CLIENT_ANSWERED;
    client->sending = false;
    client->waits_to_resend = false;
    client->answers_received++;
}

static void take_answer(struct link_client *client, uint64_t now_ms)
{
    if (!judge_answer(client->code, client->request, client->answer, client->assembler.length,
                      &client->result)) {
        client->strays++;
        return;
    }
    if (is_put_off(&client->result)) {
        client->repeated = true;
        /* Only ever sooner than silence would: a board that says BUSY unasked must not put the
         * request off for ever. */
        if (client->sending ||
            (client->waits_to_resend && client->resend_at_ms <= now_ms + client->busy_delay_ms))
            return;
        resend_after(client, client->busy_delay_ms, now_ms);
        client->busy_delay_ms *= 2;
        if (client->busy_delay_ms > LINK_CLIENT_BUSY_MAX_MS)
            client->busy_delay_ms = LINK_CLIENT_BUSY_MAX_MS;
        return;
    }
    finish(client);
}

/* The answer to the job ahead, kept until its turn. */
static void take_ahead(struct link_client *client, const struct link_frame *frame)
{
    struct link_client_ahead *ahead = &client->ahead;
    struct link_client_answer answer;
    bool whole = frame->offset == 0 && frame->length == frame->total && frame->code == ahead->code;
    assert(frame->length <= sizeof ahead->answer); /* of one frame */
    if (ahead->answered || ahead->unsent || !whole ||
        !judge_answer(ahead->code, ahead->message, frame->payload, frame->length, &answer)) {
        client->strays++;
        return;
    }
    if (is_put_off(&answer) || RARE("driver: the answer ahead is taken for busy")) {
        ahead->busy = true;
        return;
    }
    memcpy(ahead->answer, frame->payload, frame->length);
    ahead->answer_size = frame->length;
    ahead->answered = true;
}

bool link_client_next(struct link_client *client, uint64_t now_ms)
{
    struct link_client_ahead *ahead = &client->ahead;
    assert(client->state == LINK_CLIENT_ANSWERED);
    if (!ahead->used)
        return false;
    memcpy(client->request, ahead->message, ahead->size);
    client->request_size = ahead->size;
    client->code = ahead->code;
    client->exchange = ahead->exchange;
    client->repeated = client->repeated || ahead->busy;
    ahead->used = false;
    begin(client, ahead->timeout_ms, now_ms);
    if (ahead->answered) {
        memcpy(client->answer, ahead->answer, ahead->answer_size);
        bool good = judge_answer(client->code, client->request, client->answer, ahead->answer_size,
                                 &client->result);
        assert(good); /* it was judged when it came */
        (void)good;
        finish(client);
    } else if (ahead->unsent) {
        client->sending = true;
        client->request_offset = 0;
    } else if (ahead->busy) {
        start_sending(client); /* the board is free now */
    } else if (client->wire_sent == client->wire_size) {
        link_client_sent(client, 0, now_ms); /* its bytes are gone: silence is counted from now */
    }
    return true;
}

static void take_frame(struct link_client *client, const struct link_frame *frame, uint64_t now_ms)
{
    if (frame->kind == LINK_EVENT) {
        /* Events are single frames, so one between two fragments of an answer does no harm. */
        if (frame->offset == 0 && frame->length == frame->total)
            take_event(client, frame);
        return;
    }
    if (frame->kind == LINK_ANSWER && client->ahead.used &&
        frame->exchange == client->ahead.exchange) {
        take_ahead(client, frame);
        return;
    }
    if (frame->kind != LINK_ANSWER || client->state != LINK_CLIENT_WAITING ||
        frame->exchange != client->exchange || frame->code != client->code ||
        RARE("driver: an answer is not heard")) {
        client->strays++;
        return;
    }
    int added = link_assembler_add(&client->assembler, frame);
    if (added == 1)
        take_answer(client, now_ms);
    else if (added == 0 && client->waits_to_resend &&
             client->resend_at_ms < now_ms + LINK_CLIENT_RESEND_FIRST_MS)
        client->resend_at_ms = now_ms + LINK_CLIENT_RESEND_FIRST_MS; /* the rest is on its way */
}

void link_client_input(struct link_client *client, const uint8_t *bytes, size_t size,
                       uint64_t now_ms)
{
    for (size_t i = 0; i < size; i++) {
        struct link_frame frame;
        if (link_decoder_push(&client->decoder, bytes[i], &frame))
            take_frame(client, &frame, now_ms);
    }
}

enum link_client_state link_client_tick(struct link_client *client, uint64_t now_ms)
{
    if (client->state != LINK_CLIENT_WAITING)
        return client->state;
    if (now_ms >= client->deadline_ms) {
        link_client_abandon(client);
        client->state = LINK_CLIENT_TIMED_OUT;
    } else if (client->waits_to_resend &&
               (now_ms >= client->resend_at_ms || RARE("driver: a request goes out early"))) {
        client->repeated = true;
        start_sending(client);
    }
    return client->state;
}

uint64_t link_client_deadline(const struct link_client *client)
{
    if (client->state != LINK_CLIENT_WAITING)
        return UINT64_MAX;
    if (client->waits_to_resend && client->resend_at_ms < client->deadline_ms)
        return client->resend_at_ms;
    return client->deadline_ms;
}

const struct link_client_answer *link_client_result(const struct link_client *client)
{
    assert(client->state == LINK_CLIENT_ANSWERED);
    return &client->result;
}

bool link_client_event_next(const struct link_client *client, uint64_t *cursor,
                            struct link_client_event *out)
{
    if (client->event_count > LINK_CLIENT_EVENTS &&
        *cursor < client->event_count - LINK_CLIENT_EVENTS)
        *cursor = client->event_count - LINK_CLIENT_EVENTS;
    if (*cursor >= client->event_count)
        return false;
    *out = client->events[*cursor % LINK_CLIENT_EVENTS];
    (*cursor)++;
    return true;
}
