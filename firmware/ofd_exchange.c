#include "firmware/ofd_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/canary.h"
#include "proto/rare.h"

#define SEND_STALL_MS 60000u /* the network takes no byte of a message that is still being read */
#define PIECE_MAX     1024u  /* of one 23h: what the oldest FN can answer */
#define TURNS_MAX     16u

/* Reasons of 26h, also used for answers that are refused before the FN sees them. */
enum reject_reason { REJECT_FORMAT = 2, REJECT_FN_NUMBER = 4, REJECT_CRC = 5 };

/* ---- reading from the FN ---- */

void ofd_step_read_begin(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = ofd_command(ofd, FN_OFD_READ_BEGIN, NULL, 0, now->mono);
    struct ofd_header header;
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd_forget_message(ofd);
    if (outcome == OUTCOME_REFUSED) {
        ofd_fail_fn(ofd, now->mono);
        return;
    }
    ofd->reading = true;
    if (ofd->fn->size < 2 || get_u16le(ofd->fn->data) == 0 ||
        get_u16le(ofd->fn->data) > OFD_BODY_MAX + OFD_HEADER_SIZE) {
        ofd_fail_with(ofd, ERROR_FN_FAULT, 0, now->mono);
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

void ofd_step_read(struct ofd_client *ofd, const struct moment *now)
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
    outcome = ofd_command(ofd, FN_OFD_READ, request, sizeof request, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED) {
        ofd_fail_fn(ofd, now->mono);
        return;
    }
    if (ofd->fn->size == 0 || ofd->fn->size > wanted) {
        ofd_fail_with(ofd, ERROR_FN_FAULT, 0, now->mono);
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
        ofd_let_go(ofd);
        ofd->deadline = now->mono + SEND_STALL_MS;
        ofd->phase = PHASE_SEND;
    }
}

void ofd_step_read_resume(struct ofd_client *ofd, const struct moment *now)
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
    outcome = ofd_command(ofd, FN_OFD_STATUS, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED || ofd->fn->size < 13) {
        ofd_fail_fn(ofd, now->mono);
        return;
    }
    ofd_report_queue(ofd, now);
    if (ofd->fn->data[1] != 0 && ofd->report.first_number == ofd->document) {
        ofd->phase = PHASE_READ;
        return;
    }
    /* Half a message is out: only a new connection can start it again. Nobody is at fault, so no
     * backoff. */
    ofd->next_poll = now->mono;
    ofd_close_quietly(ofd);
}

void ofd_step_read_end(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome = ofd_command(ofd, FN_OFD_READ_END, NULL, 0, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    if (outcome == OUTCOME_REFUSED) {
        ofd_fail_fn(ofd, now->mono);
        return;
    }
    ofd_let_go(ofd);
    ofd->reading = false;
    ofd->read_ended = true;
    /* The FN's own timer runs from here as well. */
    ofd->deadline = now->mono + OFD_ANSWER_TIMEOUT_S * 1000u;
    ofd->phase = PHASE_SEND;
}

/* ---- the operator ---- */

void ofd_step_send(struct ofd_client *ofd, const struct moment *now)
{
    while (ofd->piece_sent < ofd->piece_size) {
        int taken = ofd->board->net_write(ofd->board->context, ofd->message + ofd->piece_sent,
                                          (size_t)(ofd->piece_size - ofd->piece_sent));
        if (taken < 0) {
            ofd_fail_net(ofd, ERROR_OFD_UNREACHABLE, now->mono);
            return;
        }
        if (taken == 0) {
            if (now->mono >= ofd->deadline)
                ofd_fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_TIMEOUT, now->mono);
            return;
        }
        ofd->piece_sent = (uint16_t)(ofd->piece_sent + taken);
        if (RARE("ofd: the connection breaks in a message")) {
            ofd_fail_with(ofd, ERROR_OFD_UNREACHABLE, BOARD_NET_LOST, now->mono);
            return;
        }
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
        ofd_note_rejected(ofd, REJECT_FORMAT);
        return PUMP_GARBAGE;
    }
    if ((header.flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_HEADER &&
        !ofd_header_crc_ok(ofd->answer, NULL, 0)) {
        ofd_note_rejected(ofd, REJECT_CRC);
        return PUMP_GARBAGE;
    }
    ofd->answer_body = header.body_size;
    if (header.body_size == 0) {
        ofd->answer_size = 0; /* a ping's answer: not about us */
    } else if (strcmp(header.fn_number, ofd->fn_number) != 0) {
        ofd_note_rejected(ofd, REJECT_FN_NUMBER);
        ofd->answer_size = 0;
        ofd->answer_skip = header.body_size;
    } else if (header.body_size > FN_DATA_MAX) {
        ofd_note_rejected(ofd, REJECT_FORMAT);
        ofd->answer_size = 0;
        ofd->answer_skip = header.body_size;
    }
    return PUMP_NOTHING;
}

/* Reads at most to the end of one answer; the next one stays in the network's buffer. */
enum pump ofd_pump_answer(struct ofd_client *ofd)
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
                ofd_note_rejected(ofd, REJECT_CRC);
                return PUMP_GARBAGE;
            }
            return PUMP_ANSWER;
        }
    }
    return PUMP_NOTHING;
}

void ofd_step_wait(struct ofd_client *ofd, const struct moment *now)
{
    switch (ofd_pump_answer(ofd)) {
    case PUMP_ANSWER:
        if (RARE("ofd: the answer is lost"))
            ofd_fail_with(ofd, ERROR_OFD_NO_ANSWER, BOARD_NET_LOST, now->mono);
        else
            ofd->phase = PHASE_GIVE;
        return;
    case PUMP_DEAD:
        ofd_fail_net(ofd, ERROR_OFD_NO_ANSWER, now->mono);
        return;
    case PUMP_GARBAGE:
        ofd_fail(ofd, now->mono); /* the end of such an answer cannot be found on this connection */
        return;
    case PUMP_NOTHING:
        break;
    }
    if (now->mono >= ofd->deadline)
        ofd_fail_with(ofd, ERROR_OFD_NO_ANSWER, BOARD_NET_TIMEOUT, now->mono);
}

static void accepted(struct ofd_client *ofd, const struct moment *now)
{
    uint8_t code = ofd->fn->size > 0 ? ofd->fn->data[0] : 0;
    ofd_let_go(ofd);
    ofd_trace_number(ofd, TRACE_INFO, "operator: confirmed document ", ofd->document);
    if (code != 0)
        ofd_trace_number(ofd, TRACE_WARNING, "operator: has remarks on it, code ", code);
    ofd->confirmed = ofd->document;
    ofd->failures = 0;
    ofd->next_attempt = now->mono;
    ofd->next_poll = now->mono;
    ofd->deadline = now->mono + LINGER_MS;
    ofd->report.last_success = now->calendar;
    ofd->report.queue_count -= ofd->report.queue_count != 0; /* an FN may say anything */
    ofd_note_error(ofd, ERROR_NONE, 0);
    ofd_forget_message(ofd);
    ofd->phase = PHASE_IDLE;
}

void ofd_step_give(struct ofd_client *ofd, const struct moment *now)
{
    enum outcome outcome =
        ofd_command(ofd, FN_OFD_ANSWER, ofd->answer + OFD_HEADER_SIZE, ofd->answer_body, now->mono);
    if (outcome == OUTCOME_AGAIN)
        return;
    ofd->answer_size = 0;
    if (outcome == OUTCOME_OK || CANARY(ACK_NOT_VERIFIED)) {
        accepted(ofd, now);
    } else if (ofd->fn->state == FN_STATE_DONE && ofd->fn->answer == FN_OPERATOR_ANSWER_REJECTED) {
        ofd_note_rejected(ofd, ofd->fn->size > 0 ? ofd->fn->data[0] : 0);
        ofd_let_go(ofd);
        ofd->phase = PHASE_WAIT;
    } else {
        ofd_fail_fn(ofd, now->mono);
    }
}
