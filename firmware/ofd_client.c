#include "firmware/ofd_internal.h"
#include "proto/rare.h"

#include <assert.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 40000u /* the port itself gives up after 30 s */
#define RETRY_LIMIT_S      3600u  /* KKT-OFD protocol, table 5, timer C */
#define SILENCE_DAYS       30u
#define EXCHANGE_CONNECTED 0x01u /* bits of the first byte of 20h */
#define TURNS_MAX          16u

void ofd_trace_number(const struct ofd_client *ofd, enum board_trace_level level, const char *text,
                      uint32_t number)
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

void ofd_let_go(struct ofd_client *ofd)
{
    assert(!ofd->command_running);
    if (ofd->holding)
        fn_release(ofd->fn, FN_OWNER_OFD);
    ofd->holding = false;
}

/* Waits for the line, sends the command once, waits for its end. The line stays ours until
 * ofd_let_go.
 */
enum outcome ofd_command(struct ofd_client *ofd, uint8_t code, const uint8_t *data, size_t size,
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

void ofd_note_error(struct ofd_client *ofd, uint16_t code, uint32_t detail)
{
    ofd->report.last_error = code;
    ofd->report.last_error_detail = detail;
}

void ofd_note_rejected(struct ofd_client *ofd, uint32_t reason)
{
    if (!ofd->read_ended)
        return; /* nothing is outstanding: noise on an idle connection */
    ofd->rejected = true;
    ofd_note_error(ofd, ERROR_OFD_REJECTED, reason);
    ofd_trace_number(ofd, TRACE_WARNING, "operator: answer refused, reason ", reason);
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
        ofd_let_go(ofd);
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

void ofd_fail(struct ofd_client *ofd, mono_ms now)
{
    if (ofd->failures < UINT8_MAX)
        ofd->failures++;
    ofd->next_attempt = now + backoff_ms(ofd);
    ofd->next_poll = now;
    drop_connection(ofd);
    unwind(ofd);
}

void ofd_fail_with(struct ofd_client *ofd, uint16_t code, uint32_t detail, mono_ms now)
{
    /* When the operator answered nonsense before it went away, the nonsense is what people must
     * hear about. */
    bool network = code == ERROR_OFD_NO_ANSWER || code == ERROR_OFD_UNREACHABLE;
    if (!(network && ofd->rejected))
        ofd_note_error(ofd, code, detail);
    ofd_trace_number(ofd, TRACE_WARNING, "operator: attempt failed, error ",
                     ofd->report.last_error);
    ofd_fail(ofd, now);
}

/* The FN refused or did not answer the command that just ended. */
void ofd_fail_fn(struct ofd_client *ofd, mono_ms now)
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
    ofd_fail_with(ofd, why.code, silent ? 0 : ofd->fn->answer, now);
}

void ofd_fail_net(struct ofd_client *ofd, uint16_t code, mono_ms now)
{
    enum board_net_error error = BOARD_NET_LOST;
    uint32_t detail = 0;
    if (ofd->board->net_state(ofd->board->context, &error, &detail) != BOARD_NET_FAILED ||
        error == BOARD_NET_OK)
        error = BOARD_NET_LOST;
    if (error == BOARD_NET_TLS)
        ofd_fail_with(ofd, ERROR_OFD_TLS, detail, now);
    else
        ofd_fail_with(ofd, code, error, now);
}

void ofd_forget_message(struct ofd_client *ofd)
{
    ofd->message_size = ofd->message_done = 0;
    ofd->piece_size = ofd->piece_sent = 0;
    ofd->read_ended = false;
    ofd->rejected = false;
}

/* ---- IDLE and the queue ---- */

void ofd_close_quietly(struct ofd_client *ofd)
{
    drop_connection(ofd);
    unwind(ofd);
}

static void step_idle(struct ofd_client *ofd, const struct moment *now)
{
    if (ofd->paused)
        return;
    if (ofd->connected) {
        /* Late doubles of confirmations end here. */
        enum pump pump = ofd_pump_answer(ofd);
        if (pump == PUMP_ANSWER)
            ofd->answer_size = 0;
        else if (pump != PUMP_NOTHING || now->mono >= ofd->deadline ||
                 RARE("ofd: the line is not kept")) {
            ofd_close_quietly(ofd);
            return;
        }
    }
    if (ofd->settings->enabled && now->mono >= ofd->next_poll)
        ofd->phase = PHASE_POLL;
}

void ofd_report_queue(struct ofd_client *ofd, const struct moment *now)
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
    ofd_forget_message(ofd);
    ofd->answer_size = ofd->answer_skip = 0;
    if (settings->host[0] == '\0') {
        ofd_fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_NAME, now);
        return;
    }
    if (RARE("ofd: nobody can be reached") ||
        ofd->board->net_open(ofd->board->context, &endpoint) < 0) {
        ofd_fail_net(ofd, ERROR_OFD_UNREACHABLE, now);
        return;
    }
    ofd->deadline = now + CONNECT_TIMEOUT_MS;
    ofd->phase = PHASE_CONNECT;
}

static void step_poll(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = ofd_command(ofd, FN_OFD_STATUS, NULL, 0, now->mono);
    uint8_t exchange;
    bool reading;
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->next_poll = now->mono + OFD_POLL_MS;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 13) {
        /* Before registration and in autonomous mode the FN refuses 20h: that is no failure of
         * ours. */
        ofd_let_go(ofd);
        if (ofd->connected)
            ofd_close_quietly(ofd);
        else
            ofd->phase = PHASE_IDLE;
        return;
    }
    exchange = ofd->fn->data[0];
    reading = ofd->fn->data[1] != 0;
    ofd_report_queue(ofd, now);
    if (!ofd->connected && !ofd->cleared && ((exchange & EXCHANGE_CONNECTED) || reading)) {
        /* We restarted and the FN did not. */
        ofd->cleared = true;
        ofd->attached = true;
        ofd->reading = reading;
        ofd->next_poll = now->mono;
        unwind(ofd);
        return;
    }
    ofd_let_go(ofd);
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
            ofd_fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_TIMEOUT, now->mono);
        break;
    case BOARD_NET_CLOSED:
    case BOARD_NET_FAILED:
        ofd_fail_net(ofd, ERROR_OFD_UNREACHABLE, now->mono);
        break;
    }
}

static void step_number(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = ofd_command(ofd, FN_NUMBER, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 16) {
        ofd_fail_fn(ofd, now->mono);
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
    enum outcome outcome = ofd_command(ofd, FN_OFD_TRANSPORT, &up, 1, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->attached = true;
    if (outcome == OUTCOME_REFUSED) {
        ofd_fail_fn(ofd, now->mono);
        return;
    }
    ofd_let_go(ofd);
    ofd->phase = PHASE_READ_BEGIN;
}

/* ---- taking back ---- */

static void step_cancel(struct ofd_client *ofd, const struct moment *now)
{
    if (ofd_command(ofd, FN_OFD_READ_CANCEL, NULL, 0, now->mono) == OUTCOME_AGAIN)
        return;
    ofd->reading = false;
    unwind(ofd);
}

static void step_detach(struct ofd_client *ofd, const struct moment *now)
{
    static const uint8_t down = 0;
    if (ofd_command(ofd, FN_OFD_TRANSPORT, &down, 1, now->mono) == OUTCOME_AGAIN)
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
    ofd_forget_message(ofd);
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
        ofd_step_read_begin(ofd, now);
        break;
    case PHASE_READ_RESUME:
        ofd_step_read_resume(ofd, now);
        break;
    case PHASE_READ:
        ofd_step_read(ofd, now);
        break;
    case PHASE_READ_END:
        ofd_step_read_end(ofd, now);
        break;
    case PHASE_SEND:
        ofd_step_send(ofd, now);
        break;
    case PHASE_WAIT:
        ofd_step_wait(ofd, now);
        break;
    case PHASE_GIVE:
        ofd_step_give(ofd, now);
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

void ofd_client_formed(struct ofd_client *ofd)
{
    if (ofd->report.queue_count > 0)
        ofd->report.queue_count++;
    ofd_client_wake(ofd);
}

void ofd_client_restart(struct ofd_client *ofd)
{
    ofd->restart_wanted = true;
}

void ofd_client_pause(struct ofd_client *ofd, bool paused)
{
    if (paused != ofd->paused)
        ofd->restart_wanted = true;
    ofd->paused = paused;
}

bool ofd_client_is_closed(const struct ofd_client *ofd)
{
    return ofd->paused && !ofd->restart_wanted;
}

uint32_t ofd_client_take_confirmed(struct ofd_client *ofd)
{
    uint32_t document = ofd->confirmed;
    ofd->confirmed = 0;
    return document;
}
