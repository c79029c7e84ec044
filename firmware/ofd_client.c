#include "firmware/ofd_client.h"

#include <assert.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 40000u /* the port itself gives up after 30 s */
#define SEND_STALL_MS      60000u /* the network takes no byte of a message that is still being read */
#define LINGER_MS          5000u /* an idle connection is kept for the next receipt */
#define PIECE_MAX          1024u /* of one 23h: what the oldest FN can answer */
#define RETRY_LIMIT_S      3600u /* KKT-OFD protocol, table 5, timer C */
#define SILENCE_DAYS       30u
#define TURNS_MAX          16u

#define EXCHANGE_CONNECTED 0x01u /* bits of the first byte of 20h */

/* Reasons of 26h, also used for answers that are refused before the FN sees them. */
enum reject_reason { REJECT_FORMAT = 2, REJECT_FN_NUMBER = 4, REJECT_CRC = 5 };

enum phase {
    PHASE_IDLE,    /* queue empty, or waiting for the next attempt; maybe a lingering connection */
    PHASE_POLL,    /* 20h */
    PHASE_CONNECT, /* net_open was called */
    PHASE_NUMBER,  /* 31h: whose messages these are */
    PHASE_ATTACH,  /* 21h(1) */
    PHASE_READ_BEGIN,  /* 22h */
    PHASE_READ_RESUME, /* the line was free for a while: is the FN still reading? */
    PHASE_READ,        /* 23h until the window is full or the message ends */
    PHASE_READ_END,    /* 25h */
    PHASE_SEND,
    PHASE_WAIT,
    PHASE_GIVE,   /* 26h */
    PHASE_CANCEL, /* 24h */
    PHASE_DETACH  /* 21h(0) */
};

enum outcome { OUTCOME_AGAIN, OUTCOME_OK, OUTCOME_REFUSED };

static void trace_number(const struct ofd_client *ofd, enum board_trace_level level,
                         const char *text, uint32_t number)
{
    char line[96];
    char digits[10];
    size_t length = strlen(text), count = 0;
    if (ofd->board->trace == NULL)
        return;
    assert(length + sizeof digits < sizeof line);
    memcpy(line, text, length);
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    while (count > 0)
        line[length++] = digits[--count];
    line[length] = '\0';
    ofd->board->trace(ofd->board->context, level, line);
}

static void let_go(struct ofd_client *ofd)
{
    assert(!ofd->command_running);
    if (ofd->holding)
        fn_release(ofd->fn, FN_OWNER_OFD);
    ofd->holding = false;
}

/* Waits for the line, sends the command once, waits for its end. The line stays ours until let_go.
 */
static enum outcome command(struct ofd_client *ofd, uint8_t code, const uint8_t *data, size_t size,
                            mono_ms now)
{
    if (!ofd->holding) {
        if (!fn_acquire(ofd->fn, FN_OWNER_OFD))
            return OUTCOME_AGAIN;
        ofd->holding = true;
    }
    if (!ofd->command_running) {
        fn_start(ofd->fn, code, data, size, now);
        ofd->command_running = true;
        return OUTCOME_AGAIN;
    }
    if (ofd->fn->state == FN_STATE_WAITING)
        return OUTCOME_AGAIN;
    ofd->command_running = false;
    return fn_ok(ofd->fn) ? OUTCOME_OK : OUTCOME_REFUSED;
}

static void note_error(struct ofd_client *ofd, uint16_t code, uint32_t detail)
{
    ofd->report.last_error = code;
    ofd->report.last_error_detail = detail;
}

static void note_rejected(struct ofd_client *ofd, uint32_t reason)
{
    if (!ofd->read_ended)
        return; /* nothing is outstanding: noise on an idle connection */
    ofd->rejected = true;
    note_error(ofd, ERROR_OFD_REJECTED, reason);
    trace_number(ofd, TRACE_WARNING, "operator: answer refused, reason ", reason);
}

static void drop_connection(struct ofd_client *ofd)
{
    ofd->board->net_close(ofd->board->context);
    ofd->connected = false;
    ofd->answer_size = 0;
    ofd->answer_skip = 0;
}

/* Takes back in the FN what was begun there, then IDLE. The line may still be ours. */
static void unwind(struct ofd_client *ofd)
{
    ofd->phase = ofd->reading ? PHASE_CANCEL : ofd->attached ? PHASE_DETACH : PHASE_IDLE;
    if (ofd->phase == PHASE_IDLE)
        let_go(ofd);
}

static uint32_t backoff_ms(const struct ofd_client *ofd)
{
    uint32_t limit_s = ofd->settings->retry_max_s;
    uint32_t limit_ms = limit_s == 0              ? OFD_RETRY_MAX_MS
                        : limit_s > RETRY_LIMIT_S ? RETRY_LIMIT_S * 1000u
                                                  : limit_s * 1000u;
    uint32_t delay_ms = OFD_RETRY_FIRST_MS;
    uint8_t dice[2] = {0, 0};
    for (uint8_t i = 1; i < ofd->failures && delay_ms < limit_ms; i++)
        delay_ms *= 2;
    if (delay_ms > limit_ms)
        delay_ms = limit_ms;
    /* A whole town's registers must not come back in the same second after an operator's outage. */
    ofd->board->random(ofd->board->context, dice, sizeof dice);
    return delay_ms / 2 + (delay_ms - delay_ms / 2) * get_u16le(dice) / 0xFFFFu;
}

static void fail(struct ofd_client *ofd, mono_ms now)
{
    if (ofd->failures < UINT8_MAX)
        ofd->failures++;
    ofd->next_attempt = now + backoff_ms(ofd);
    ofd->next_poll = now;
    drop_connection(ofd);
    unwind(ofd);
}

static void fail_with(struct ofd_client *ofd, uint16_t code, uint32_t detail, mono_ms now)
{
    /* When the operator answered nonsense before it went away, the nonsense is what people must
     * hear about. */
    bool network = code == ERROR_OFD_NO_ANSWER || code == ERROR_OFD_UNREACHABLE;
    if (!(network && ofd->rejected))
        note_error(ofd, code, detail);
    trace_number(ofd, TRACE_WARNING, "operator: attempt failed, error ", ofd->report.last_error);
    fail(ofd, now);
}

/* The FN refused or did not answer the command that just ended. */
static void fail_fn(struct ofd_client *ofd, mono_ms now)
{
    struct refusal why;
    bool silent = ofd->fn->state == FN_STATE_FAILED;
    memset(&why, 0, sizeof why);
    fn_refusal(ofd->fn, &why);
    if (silent) {
        /* Nobody is there to take anything back; bit 0 of the next 20h tells what was left over. */
        ofd->reading = false;
        ofd->attached = false;
    }
    fail_with(ofd, why.code, silent ? 0 : ofd->fn->answer, now);
}

static void fail_net(struct ofd_client *ofd, uint16_t code, mono_ms now)
{
    enum board_net_error error = BOARD_NET_LOST;
    uint32_t detail = 0;
    if (ofd->board->net_state(ofd->board->context, &error, &detail) != BOARD_NET_FAILED ||
        error == BOARD_NET_OK)
        error = BOARD_NET_LOST;
    if (error == BOARD_NET_TLS)
        fail_with(ofd, ERROR_OFD_TLS, detail, now);
    else
        fail_with(ofd, code, error, now);
}

static void forget_message(struct ofd_client *ofd)
{
    ofd->message_size = ofd->message_done = 0;
    ofd->piece_size = ofd->piece_sent = 0;
    ofd->read_ended = false;
    ofd->rejected = false;
}

/* ---- IDLE and the queue ---- */

enum pump { PUMP_NOTHING, PUMP_ANSWER, PUMP_DEAD, PUMP_GARBAGE };
static enum pump pump_answer(struct ofd_client *ofd);

static void close_quietly(struct ofd_client *ofd)
{
    drop_connection(ofd);
    unwind(ofd);
}

static void step_idle(struct ofd_client *ofd, const struct moment *now)
{
    if (ofd->connected) {
        /* Late doubles of confirmations end here. */
        enum pump pump = pump_answer(ofd);
        if (pump == PUMP_ANSWER)
            ofd->answer_size = 0;
        else if (pump != PUMP_NOTHING || now->mono >= ofd->deadline) {
            close_quietly(ofd);
            return;
        }
    }
    if (ofd->settings->enabled && now->mono >= ofd->next_poll)
        ofd->phase = PHASE_POLL;
}

static void report_queue(struct ofd_client *ofd, const struct moment *now)
{
    const uint8_t *data = ofd->fn->data;
    struct ofd_report *report = &ofd->report;
    report->queue_count = get_u16le(data + 2);
    report->first_number = get_u32le(data + 4);
    report->days_left = SILENCE_DAYS;
    if (report->queue_count == 0) {
        report->first_number = 0;
        report->first_time = 0;
        return;
    }
    if (!date_time_to_unix(data + 8, &report->first_time))
        report->first_time = 0;
    if (report->first_time != 0 && now->calendar > report->first_time) {
        uint32_t days = (now->calendar - report->first_time) / 86400u;
        report->days_left = days >= SILENCE_DAYS ? 0 : (uint8_t)(SILENCE_DAYS - days);
    }
}

static void connect(struct ofd_client *ofd, mono_ms now)
{
    const struct ofd_settings *settings = ofd->settings;
    struct board_endpoint endpoint = {.host = settings->host,
                                      .port = settings->port,
                                      .tls = settings->tls,
                                      .ca = settings->ca,
                                      .ca_size = settings->ca_size};
    ofd->cleared = false;
    forget_message(ofd);
    ofd->answer_size = ofd->answer_skip = 0;
    if (settings->host[0] == '\0') {
        fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_NAME, now);
        return;
    }
    if (ofd->board->net_open(ofd->board->context, &endpoint) < 0) {
        fail_net(ofd, ERROR_OFD_UNREACHABLE, now);
        return;
    }
    ofd->deadline = now + CONNECT_TIMEOUT_MS;
    ofd->phase = PHASE_CONNECT;
}

static void step_poll(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = command(ofd, FN_OFD_STATUS, NULL, 0, now->mono);
    uint8_t exchange;
    bool reading;
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->next_poll = now->mono + OFD_POLL_MS;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 13) {
        /* Before registration and in autonomous mode the FN refuses 20h: that is no failure of
         * ours. */
        let_go(ofd);
        if (ofd->connected)
            close_quietly(ofd);
        else
            ofd->phase = PHASE_IDLE;
        return;
    }
    exchange = ofd->fn->data[0];
    reading = ofd->fn->data[1] != 0;
    report_queue(ofd, now);
    if (!ofd->connected && !ofd->cleared && ((exchange & EXCHANGE_CONNECTED) || reading)) {
        /* We restarted and the FN did not. */
        ofd->cleared = true;
        ofd->attached = true;
        ofd->reading = reading;
        ofd->next_poll = now->mono;
        unwind(ofd);
        return;
    }
    let_go(ofd);
    ofd->phase = PHASE_IDLE;
    if (ofd->report.queue_count == 0)
        return;
    ofd->document = ofd->report.first_number;
    if (ofd->connected)
        ofd->phase = PHASE_READ_BEGIN;
    else if (now->mono >= ofd->next_attempt)
        connect(ofd, now->mono);
}

/* ---- connecting ---- */

static void step_connect(struct ofd_client *ofd, const struct moment *now)
{
    enum board_net_error error = BOARD_NET_OK;
    uint32_t detail = 0;
    switch (ofd->board->net_state(ofd->board->context, &error, &detail)) {
    case BOARD_NET_OPEN:
        ofd->connected = true;
        ofd->phase = PHASE_NUMBER;
        break;
    case BOARD_NET_CONNECTING:
        if (now->mono >= ofd->deadline)
            fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_TIMEOUT, now->mono);
        break;
    case BOARD_NET_CLOSED:
    case BOARD_NET_FAILED:
        fail_net(ofd, ERROR_OFD_UNREACHABLE, now->mono);
        break;
    }
}

static void step_number(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = command(ofd, FN_NUMBER, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 16) {
        fail_fn(ofd, now->mono);
        return;
    }
    memcpy(ofd->fn_number, ofd->fn->data, 16);
    ofd->fn_number[16] = '\0';
    for (size_t i = 16; i > 0 && (ofd->fn_number[i - 1] == ' ' || ofd->fn_number[i - 1] == '\0');)
        ofd->fn_number[--i] = '\0';
    ofd->phase = PHASE_ATTACH;
}

static void step_attach(struct ofd_client *ofd, const struct moment *now)
{
    static const uint8_t up = 1;
    enum outcome outcome = command(ofd, FN_OFD_TRANSPORT, &up, 1, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->attached = true;
    if (outcome == OUTCOME_REFUSED) {
        fail_fn(ofd, now->mono);
        return;
    }
    let_go(ofd);
    ofd->phase = PHASE_READ_BEGIN;
}

/* ---- reading from the FN ---- */

static void step_read_begin(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = command(ofd, FN_OFD_READ_BEGIN, NULL, 0, now->mono);
    struct ofd_header header;
    if (outcome == OUTCOME_AGAIN)
        return;
    forget_message(ofd);
    if (outcome == OUTCOME_REFUSED) {
        fail_fn(ofd, now->mono);
        return;
    }
    ofd->reading = true;
    if (ofd->fn->size < 2 || get_u16le(ofd->fn->data) == 0 ||
        get_u16le(ofd->fn->data) > OFD_BODY_MAX + OFD_HEADER_SIZE) {
        fail_with(ofd, ERROR_FN_FAULT, 0, now->mono);
        return;
    }
    ofd->message_size = get_u16le(ofd->fn->data);
    memset(&header, 0, sizeof header);
    ofd_protocol_version(ofd->settings->ffd, header.protocol);
    memcpy(header.fn_number, ofd->fn_number, sizeof header.fn_number);
    header.body_size = ofd->message_size;
    header.flags = OFD_FLAGS_MESSAGE;
    ofd_header_encode(&header, NULL, ofd->message);
    ofd->piece_size = OFD_HEADER_SIZE;
    ofd->phase = PHASE_READ;
}

/* FNs of FFD 1.05 are known whose data already start with the session header: it must not be sent
 * twice. */
static void drop_double_header(struct ofd_client *ofd)
{
    static const uint8_t signature[4] = {0x2A, 0x08, 0x41, 0x0A};
    if (memcmp(ofd->message + OFD_HEADER_SIZE, signature, sizeof signature) == 0)
        ofd->piece_sent = OFD_HEADER_SIZE;
}

static void step_read(struct ofd_client *ofd, const struct moment *now)
{
    uint16_t left = (uint16_t)(ofd->message_size - ofd->message_done);
    uint16_t room = (uint16_t)(sizeof ofd->message - ofd->piece_size);
    uint16_t wanted = left < room ? left : room;
    uint8_t request[4];
    struct byte_writer writer;
    enum outcome outcome;
    if (wanted > PIECE_MAX)
        wanted = PIECE_MAX;
    assert(wanted > 0);
    byte_writer_init(&writer, request, sizeof request);
    put_u16le(&writer, ofd->message_done);
    put_u16le(&writer, wanted);
    outcome = command(ofd, FN_OFD_READ, request, sizeof request, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED) {
        fail_fn(ofd, now->mono);
        return;
    }
    if (ofd->fn->size == 0 || ofd->fn->size > wanted) {
        fail_with(ofd, ERROR_FN_FAULT, 0, now->mono);
        return;
    }
    memcpy(ofd->message + ofd->piece_size, ofd->fn->data, ofd->fn->size);
    ofd->piece_size = (uint16_t)(ofd->piece_size + ofd->fn->size);
    if (ofd->message_done == 0 && ofd->fn->size >= 4)
        drop_double_header(ofd);
    ofd->message_done = (uint16_t)(ofd->message_done + ofd->fn->size);
    if (ofd->message_done == ofd->message_size) {
        ofd->phase = PHASE_READ_END;
    } else if (ofd->piece_size == sizeof ofd->message) {
        ofd->line_mark = ofd->fn->commands_sent;
        let_go(ofd);
        ofd->deadline = now->mono + SEND_STALL_MS;
        ofd->phase = PHASE_SEND;
    }
}

static void step_read_resume(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome;
    if (!ofd->holding) {
        if (!fn_acquire(ofd->fn, FN_OWNER_OFD))
            return;
        ofd->holding = true;
    }
    if (!ofd->command_running && ofd->fn->commands_sent == ofd->line_mark) {
        ofd->phase = PHASE_READ;
        return;
    }
    outcome = command(ofd, FN_OFD_STATUS, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 13) {
        fail_fn(ofd, now->mono);
        return;
    }
    report_queue(ofd, now);
    if (ofd->fn->data[1] != 0 && ofd->report.first_number == ofd->document) {
        ofd->phase = PHASE_READ;
        return;
    }
    /* Half a message is out: only a new connection can start it again. Nobody is at fault, so no
     * backoff. */
    ofd->next_poll = now->mono;
    close_quietly(ofd);
}

static void step_read_end(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = command(ofd, FN_OFD_READ_END, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED) {
        fail_fn(ofd, now->mono);
        return;
    }
    let_go(ofd);
    ofd->reading = false;
    ofd->read_ended = true;
    /* The FN's own timer runs from here as well. */
    ofd->deadline = now->mono + OFD_ANSWER_TIMEOUT_S * 1000u;
    ofd->phase = PHASE_SEND;
}

/* ---- the operator ---- */

static void step_send(struct ofd_client *ofd, const struct moment *now)
{
    while (ofd->piece_sent < ofd->piece_size) {
        int taken = ofd->board->net_write(ofd->board->context, ofd->message + ofd->piece_sent,
                                          (size_t)(ofd->piece_size - ofd->piece_sent));
        if (taken < 0) {
            fail_net(ofd, ERROR_OFD_UNREACHABLE, now->mono);
            return;
        }
        if (taken == 0) {
            if (now->mono >= ofd->deadline)
                fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_TIMEOUT, now->mono);
            return;
        }
        ofd->piece_sent = (uint16_t)(ofd->piece_sent + taken);
        if (!ofd->read_ended)
            ofd->deadline = now->mono + SEND_STALL_MS;
    }
    ofd->piece_size = ofd->piece_sent = 0;
    ofd->phase = ofd->read_ended ? PHASE_WAIT : PHASE_READ_RESUME;
}

/* The 30 bytes are there: what is behind them? */
static enum pump answer_header(struct ofd_client *ofd)
{
    struct ofd_header header;
    if (ofd_header_decode(ofd->answer, OFD_HEADER_SIZE, &header) != 1) {
        note_rejected(ofd, REJECT_FORMAT);
        return PUMP_GARBAGE;
    }
    if ((header.flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_HEADER &&
        !ofd_header_crc_ok(ofd->answer, NULL, 0)) {
        note_rejected(ofd, REJECT_CRC);
        return PUMP_GARBAGE;
    }
    ofd->answer_body = header.body_size;
    if (header.body_size == 0) {
        ofd->answer_size = 0; /* a ping's answer: not about us */
    } else if (strcmp(header.fn_number, ofd->fn_number) != 0) {
        note_rejected(ofd, REJECT_FN_NUMBER);
        ofd->answer_size = 0;
        ofd->answer_skip = header.body_size;
    } else if (header.body_size > FN_DATA_MAX) {
        note_rejected(ofd, REJECT_FORMAT);
        ofd->answer_size = 0;
        ofd->answer_skip = header.body_size;
    }
    return PUMP_NOTHING;
}

/* Reads at most to the end of one answer; the next one stays in the network's buffer. */
static enum pump pump_answer(struct ofd_client *ofd)
{
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        size_t have = ofd->answer_skip > 0 ? 0 : ofd->answer_size;
        size_t wanted = have < OFD_HEADER_SIZE ? OFD_HEADER_SIZE - have
                                               : OFD_HEADER_SIZE + ofd->answer_body - have;
        int got;
        if (ofd->answer_skip > 0)
            wanted = ofd->answer_skip < sizeof ofd->answer ? ofd->answer_skip : sizeof ofd->answer;
        assert(have + wanted <= sizeof ofd->answer);
        got = ofd->board->net_read(ofd->board->context, ofd->answer + have, wanted);
        if (got < 0)
            return PUMP_DEAD;
        if (got == 0)
            return PUMP_NOTHING;
        if (ofd->answer_skip > 0) {
            ofd->answer_skip = (uint16_t)(ofd->answer_skip - got);
            continue;
        }
        ofd->answer_size = (uint16_t)(ofd->answer_size + got);
        if (ofd->answer_size == OFD_HEADER_SIZE) {
            if (answer_header(ofd) == PUMP_GARBAGE)
                return PUMP_GARBAGE;
        } else if (ofd->answer_size > OFD_HEADER_SIZE &&
                   ofd->answer_size == OFD_HEADER_SIZE + ofd->answer_body) {
            if (!ofd_header_crc_ok(ofd->answer, ofd->answer + OFD_HEADER_SIZE, ofd->answer_body)) {
                note_rejected(ofd, REJECT_CRC);
                return PUMP_GARBAGE;
            }
            return PUMP_ANSWER;
        }
    }
    return PUMP_NOTHING;
}

static void step_wait(struct ofd_client *ofd, const struct moment *now)
{
    switch (pump_answer(ofd)) {
    case PUMP_ANSWER:
        ofd->phase = PHASE_GIVE;
        return;
    case PUMP_DEAD:
        fail_net(ofd, ERROR_OFD_NO_ANSWER, now->mono);
        return;
    case PUMP_GARBAGE:
        fail(ofd, now->mono); /* the end of such an answer cannot be found on this connection */
        return;
    case PUMP_NOTHING:
        break;
    }
    if (now->mono >= ofd->deadline)
        fail_with(ofd, ERROR_OFD_NO_ANSWER, BOARD_NET_TIMEOUT, now->mono);
}

static void accepted(struct ofd_client *ofd, const struct moment *now)
{
    uint8_t code = ofd->fn->size > 0 ? ofd->fn->data[0] : 0;
    let_go(ofd);
    trace_number(ofd, TRACE_INFO, "operator: confirmed document ", ofd->document);
    if (code != 0)
        trace_number(ofd, TRACE_WARNING, "operator: has remarks on it, code ", code);
    ofd->confirmed = ofd->document;
    ofd->failures = 0;
    ofd->next_attempt = now->mono;
    ofd->next_poll = now->mono;
    ofd->deadline = now->mono + LINGER_MS;
    ofd->report.last_success = now->calendar;
    if (ofd->report.queue_count > 0)
        ofd->report.queue_count--;
    note_error(ofd, ERROR_NONE, 0);
    forget_message(ofd);
    ofd->phase = PHASE_IDLE;
}

static void step_give(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome =
        command(ofd, FN_OFD_ANSWER, ofd->answer + OFD_HEADER_SIZE, ofd->answer_body, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->answer_size = 0;
    if (outcome == OUTCOME_OK) {
        accepted(ofd, now);
    } else if (ofd->fn->state == FN_STATE_DONE && ofd->fn->answer == FN_OPERATOR_ANSWER_REJECTED) {
        note_rejected(ofd, ofd->fn->size > 0 ? ofd->fn->data[0] : 0);
        let_go(ofd);
        ofd->phase = PHASE_WAIT;
    } else {
        fail_fn(ofd, now->mono);
    }
}

/* ---- taking back ---- */

static void step_cancel(struct ofd_client *ofd, const struct moment *now)
{
    if (command(ofd, FN_OFD_READ_CANCEL, NULL, 0, now->mono) == OUTCOME_AGAIN)
        return;
    ofd->reading = false;
    unwind(ofd);
}

static void step_detach(struct ofd_client *ofd, const struct moment *now)
{
    static const uint8_t down = 0;
    if (command(ofd, FN_OFD_TRANSPORT, &down, 1, now->mono) == OUTCOME_AGAIN)
        return;
    ofd->attached = false;
    unwind(ofd);
}

static void start_over(struct ofd_client *ofd)
{
    ofd->restart_wanted = false;
    ofd->failures = 0;
    ofd->next_attempt = 0;
    ofd->next_poll = 0;
    drop_connection(ofd);
    forget_message(ofd);
    unwind(ofd);
}

static void step_phase(struct ofd_client *ofd, const struct moment *now)
{
    switch ((enum phase)ofd->phase) {
    case PHASE_IDLE:
        step_idle(ofd, now);
        break;
    case PHASE_POLL:
        step_poll(ofd, now);
        break;
    case PHASE_CONNECT:
        step_connect(ofd, now);
        break;
    case PHASE_NUMBER:
        step_number(ofd, now);
        break;
    case PHASE_ATTACH:
        step_attach(ofd, now);
        break;
    case PHASE_READ_BEGIN:
        step_read_begin(ofd, now);
        break;
    case PHASE_READ_RESUME:
        step_read_resume(ofd, now);
        break;
    case PHASE_READ:
        step_read(ofd, now);
        break;
    case PHASE_READ_END:
        step_read_end(ofd, now);
        break;
    case PHASE_SEND:
        step_send(ofd, now);
        break;
    case PHASE_WAIT:
        step_wait(ofd, now);
        break;
    case PHASE_GIVE:
        step_give(ofd, now);
        break;
    case PHASE_CANCEL:
        step_cancel(ofd, now);
        break;
    case PHASE_DETACH:
        step_detach(ofd, now);
        break;
    }
}

static uint8_t connection_state(const struct ofd_client *ofd, mono_ms now)
{
    switch ((enum phase)ofd->phase) {
    case PHASE_CONNECT:
    case PHASE_NUMBER:
    case PHASE_ATTACH:
        return OFD_CONNECTING;
    case PHASE_READ_BEGIN:
    case PHASE_READ_RESUME:
    case PHASE_READ:
    case PHASE_READ_END:
    case PHASE_SEND:
        return OFD_SENDING;
    case PHASE_WAIT:
    case PHASE_GIVE:
        return OFD_WAITING;
    case PHASE_IDLE:
    case PHASE_POLL:
    case PHASE_CANCEL:
    case PHASE_DETACH:
        break;
    }
    return ofd->failures > 0 && now < ofd->next_attempt ? OFD_RETRY : OFD_IDLE;
}

void ofd_client_init(struct ofd_client *ofd, const struct board *board, struct fn_client *fn,
                     const struct ofd_settings *settings)
{
    memset(ofd, 0, sizeof *ofd);
    ofd->board = board;
    ofd->fn = fn;
    ofd->settings = settings;
    ofd->report.days_left = SILENCE_DAYS;
}

void ofd_client_step(struct ofd_client *ofd, const struct moment *now)
{
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        uint8_t before = ofd->phase;
        if (ofd->restart_wanted && !ofd->command_running)
            start_over(ofd);
        step_phase(ofd, now);
        if (ofd->phase == before)
            break;
    }
    ofd->report.connection = connection_state(ofd, now->mono);
    ofd->report.next_attempt_ms =
        ofd->report.connection == OFD_RETRY ? (uint32_t)(ofd->next_attempt - now->mono) : 0;
}

void ofd_client_wake(struct ofd_client *ofd)
{
    ofd->next_poll = 0;
}

void ofd_client_restart(struct ofd_client *ofd)
{
    ofd->restart_wanted = true;
}

uint32_t ofd_client_take_confirmed(struct ofd_client *ofd)
{
    uint32_t document = ofd->confirmed;
    ofd->confirmed = 0;
    return document;
}
