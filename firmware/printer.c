/* The print head's driver; printer.h has the states and what is always true.
 *
 *   phase      what is true in it                                       left by
 *   IDLE       nothing of the first slip was sent                       announce: STARTED event
 *   STARTING   the STARTED event waits for its taker                    printer_take_event
 *   SYNC       cut and barrier GS r go out; no byte of the slip was     run_sync: barrier answered
 *              sent
 *   SENDING    lines go out, at most two GS r unanswered                run_sending: the cut and
 *                                                                       its GS r are out
 *   WAITING    all is sent                                              run_waiting: last GS r
 *                                                                       answered
 *   FINISHED   on paper; the PRINTED event waits for room               announce
 *   BLOCKED    interrupted; the slip carries SLIP_MARK_RESUMED          run_blocked: ready and
 *                                                                       buffer cleared
 *
 * `out` holds one indivisible piece (a line, a request). A piece once begun is always sent to its
 * end, however long the head makes it wait: half a command would swallow what comes behind it.
 * Real-time requests go between pieces.
 */
#include "firmware/printer.h"

#include "firmware/escpos.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/rare.h"

#include <assert.h>
#include <string.h>

enum printer_phase {
    PHASE_IDLE,
    PHASE_STARTING,
    PHASE_SYNC,
    PHASE_SENDING,
    PHASE_WAITING,
    PHASE_FINISHED,
    PHASE_BLOCKED
};
enum clear_state { CLEAR_NONE, CLEAR_WANTED, CLEAR_ASKED };

#define BLOCKING        ((uint8_t)(PAPER_OUT | COVER_OPEN | PRINTER_SILENT | PRINTER_FAULT))
#define CONFIRM_SIZE    3u
#define UNCONFIRMED_MAX 2u
#define READS_A_STEP    8u
#define PIECES_A_STEP   64u
#define STATUS_FIRST    1u
#define EOT1_OFFLINE    0x08u
#define EOT2_COVER      0x04u
#define EOT2_PAPER_END  0x20u
#define EOT2_ERROR      0x40u
#define EOT4_NEAR_END   0x0Cu
#define EOT4_PAPER_END  0x60u

static_assert(ESCPOS_LINE_MAX + CONFIRM_SIZE <= PRINTER_OUT_BYTES, "a line and its GS r");
static_assert(PRINTER_WINDOW_BYTES + UNCONFIRMED_MAX * PRINTER_OUT_BYTES <= 4096,
              "what may be under way fits the buffer of a head");

void printer_init(struct printer *printer, const struct board *board, uint8_t columns)
{
    memset(printer, 0, sizeof *printer);
    printer->board = board;
    printer->columns = columns;
    printer->paper = PRINTER_SILENT;
    printer->paper_told = PRINTER_SILENT;
    /* The head may hold bytes of an earlier life of this board. */
    printer->clear_state = CLEAR_WANTED;
    printer->confirmations_due = UNCONFIRMED_MAX;
    printer->sync_needed = true;
    printer->status_next = STATUS_FIRST;
}

bool printer_has_room(const struct printer *printer, size_t size)
{
    _Static_assert(LIMIT_SPOOL_BYTES <= UINT16_MAX, "a slip's size is kept in 16 bits");
    return printer->slip_count < LIMIT_SPOOL_SLIPS &&
           size <= LIMIT_SPOOL_BYTES - (size_t)printer->spool_used;
}

bool printer_add_parts(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                       const struct printer_part *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > LIMIT_SPOOL_BYTES - size)
            return false;
        size += parts[i].size;
    }
    if (!printer_has_room(printer, size))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size != 0)
            memcpy(printer->spool + printer->spool_used, parts[i].tlv, parts[i].size);
        printer->spool_used = (uint16_t)(printer->spool_used + parts[i].size);
    }
    printer->slips[printer->slip_count++] =
        (struct printer_slip){.id = id, .form = form, .marks = marks, .size = (uint16_t)size};
    return true;
}

bool printer_add(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                 const uint8_t *tlv, size_t size)
{
    struct printer_part part = {tlv, size};
    return printer_add_parts(printer, id, form, marks, &part, 1);
}

bool printer_idle(const struct printer *printer)
{
    return printer->slip_count == 0;
}

uint16_t printer_ready(const struct printer *printer)
{
    if ((printer->paper & (PRINTER_SILENT | PRINTER_FAULT)) != 0)
        return ERROR_PRINTER;
    if ((printer->paper & COVER_OPEN) != 0)
        return ERROR_COVER_OPEN;
    return (printer->paper & PAPER_OUT) != 0 ? ERROR_PAPER_OUT : ERROR_NONE;
}

struct printer_event printer_take_event(struct printer *printer)
{
    struct printer_event event = printer->event;
    printer->event = (struct printer_event){.kind = PRINTER_EVENT_NONE};
    if (event.kind == PRINTER_EVENT_STARTED) {
        assert(printer->phase == PHASE_STARTING);
        printer->phase = PHASE_SYNC;
        printer->sync_sent = false;
    }
    return event;
}

static bool blocked(const struct printer *printer)
{
    return (printer->paper & BLOCKING) != 0;
}

static bool under_way(const struct printer *printer)
{
    return printer->phase == PHASE_SYNC || printer->phase == PHASE_SENDING ||
           printer->phase == PHASE_WAITING;
}

/* The slip under way did not come out whole, or nobody knows. */
static void interrupt(struct printer *printer)
{
    assert(under_way(printer) && printer->slip_count > 0);
    if (printer->phase != PHASE_SYNC) {
        printer->slips[0].marks |= SLIP_MARK_RESUMED;
        printer->cut_needed = true;
    }
    printer->phase = PHASE_BLOCKED;
    printer->sync_needed = true;
    printer->clear_state = CLEAR_WANTED;
}

static void set_paper(struct printer *printer, uint8_t paper)
{
    printer->paper = paper;
    if (blocked(printer) && under_way(printer))
        interrupt(printer);
}

static void fall_silent(struct printer *printer, mono_ms now)
{
    printer->status_asked = 0;
    printer->status_next = STATUS_FIRST;
    /* Answers that come late in this pause are ignored, so none is taken for that of a later
     * request. */
    printer->status_due = now + PRINTER_POLL_IDLE_MS;
    set_paper(printer, PRINTER_SILENT);
}

static struct byte_writer piece_begin(struct printer *printer)
{
    struct byte_writer out;
    assert(printer->out_sent == printer->out_size);
    byte_writer_init(&out, printer->out, sizeof printer->out);
    return out;
}

static void piece_end(struct printer *printer, const struct byte_writer *out, mono_ms now)
{
    assert(byte_writer_ok(out));
    printer->out_size = (uint16_t)out->length;
    printer->out_sent = 0;
    printer->stuck_deadline = now + PRINTER_ANSWER_TIMEOUT_MS;
}

static void put_confirm(struct printer *printer, struct byte_writer *out, mono_ms now)
{
    escpos_confirm(out);
    if (printer->confirmations_due == 0)
        printer->confirm_deadline = now + PRINTER_CONFIRM_TIMEOUT_MS;
    if (printer->confirmations_due < UINT8_MAX)
        printer->confirmations_due++;
    printer->segment = 0;
}

/* Status bytes of one round -> enum paper_state. */
static void apply_status(struct printer *printer, mono_ms now)
{
    uint8_t paper = 0;
    if ((printer->status[1] & EOT2_COVER) != 0)
        paper |= COVER_OPEN;
    if ((printer->status[1] & EOT2_ERROR) != 0)
        paper |= PRINTER_FAULT;
    if ((printer->status[1] & EOT2_PAPER_END) != 0 || (printer->status[2] & EOT4_PAPER_END) != 0)
        paper |= PAPER_OUT;
    if ((printer->status[2] & EOT4_NEAR_END) != 0)
        paper |= PAPER_NEAR_END;
    /* Off-line without a cause: still recovering from the last one. */
    if ((printer->status[0] & EOT1_OFFLINE) != 0 && (paper & BLOCKING) == 0) {
        uint8_t last = printer->paper & (PAPER_OUT | COVER_OPEN | PRINTER_FAULT);
        paper |= last != 0 ? last : (uint8_t)PRINTER_FAULT;
    }
    printer->known = true;
    printer->status_asked = 0;
    set_paper(printer, paper);
    bool calm = !blocked(printer) && printer->slip_count == 0;
    printer->status_due = now + (calm ? PRINTER_POLL_IDLE_MS : PRINTER_POLL_BUSY_MS);
}

static void take_status(struct printer *printer, uint8_t byte, mono_ms now)
{
    switch (printer->status_asked) {
    case 1:
        printer->status[0] = byte;
        printer->status_asked = 0;
        break;
    case 2:
        printer->status[1] = byte;
        printer->status_asked = 0;
        break;
    case 4:
        printer->status[2] = byte;
        apply_status(printer, now);
        printer->status_next = STATUS_FIRST;
        return;
    default:
        return; /* late: its request was given up */
    }
    printer->status_next = (uint8_t)(printer->status_next * 2);
    printer->status_due = now;
}

static void take_confirmation(struct printer *printer, mono_ms now)
{
    if (printer->confirmations_due == 0 || RARE("printer: the word of a line is lost"))
        return;
    printer->confirmations_due--;
    printer->sync_answered = true;
    printer->confirm_deadline = now + (printer->phase == PHASE_SYNC ? PRINTER_DRAIN_TIMEOUT_MS
                                                                    : PRINTER_CONFIRM_TIMEOUT_MS);
}

/* Answers are known by their fixed bits. */
static void take_byte(struct printer *printer, uint8_t byte, mono_ms now)
{
    static const uint8_t cleared[] = {0x37, 0x25, 0x00};
    if (byte == cleared[printer->answer_part]) {
        if (++printer->answer_part < sizeof cleared)
            return;
        printer->answer_part = 0;
        if (printer->clear_state == CLEAR_ASKED) {
            printer->clear_state = CLEAR_NONE;
            printer->confirmations_due = 0;
        }
        return;
    }
    printer->answer_part = byte == cleared[0] ? 1 : 0;
    if (printer->answer_part == 1)
        return;
    if ((byte & 0x93u) == 0x12u)
        take_status(printer, byte, now);
    else if ((byte & 0x90u) == 0)
        take_confirmation(printer, now);
}

static void read_answers(struct printer *printer, mono_ms now)
{
    uint8_t bytes[32];
    for (unsigned i = 0; i < READS_A_STEP; i++) {
        int got = printer->board->port_read(printer->board->context, BOARD_PORT_PRINTER, bytes,
                                            sizeof bytes);
        if (got < 0 && (printer->paper & PRINTER_SILENT) == 0)
            fall_silent(printer, now);
        if (got <= 0)
            return;
        for (int k = 0; k < got; k++)
            take_byte(printer, bytes[k], now);
    }
}

/* True when nothing is left in `out`. */
static bool flush(struct printer *printer, mono_ms now)
{
    while (printer->out_sent < printer->out_size) {
        int taken = printer->board->port_write(printer->board->context, BOARD_PORT_PRINTER,
                                               printer->out + printer->out_sent,
                                               (size_t)(printer->out_size - printer->out_sent));
        if (taken <= 0) {
            if ((taken < 0 || now >= printer->stuck_deadline) &&
                (printer->paper & PRINTER_SILENT) == 0)
                fall_silent(printer, now);
            return false;
        }
        printer->out_sent = (uint16_t)(printer->out_sent + taken);
        printer->bytes_sent += (uint32_t)taken;
        printer->stuck_deadline = now + PRINTER_ANSWER_TIMEOUT_MS;
    }
    return true;
}

/* Real-time requests. True when one was put in `out`. */
static bool ask(struct printer *printer, mono_ms now)
{
    struct byte_writer out;
    if (printer->clear_state == CLEAR_WANTED && (printer->paper & PRINTER_SILENT) == 0) {
        out = piece_begin(printer);
        escpos_clear(&out);
        piece_end(printer, &out, now);
        printer->clear_state = CLEAR_ASKED;
        printer->clear_deadline = now + PRINTER_ANSWER_TIMEOUT_MS;
        return true;
    }
    if (printer->status_asked != 0 ||
        (now < printer->status_due && !RARE("printer: the status is asked early")))
        return false;
    out = piece_begin(printer);
    escpos_status(&out, printer->status_next);
    piece_end(printer, &out, now);
    printer->status_asked = printer->status_next;
    printer->status_deadline = now + PRINTER_ANSWER_TIMEOUT_MS;
    return true;
}

static void watch_deadlines(struct printer *printer, mono_ms now)
{
    if (printer->status_asked != 0 && now >= printer->status_deadline)
        fall_silent(printer, now);
    if (printer->clear_state == CLEAR_ASKED && now >= printer->clear_deadline)
        printer->clear_state = CLEAR_NONE; /* a head without that command: SYNC counts answers */
    bool waits = printer->phase == PHASE_SYNC ? printer->sync_sent : under_way(printer);
    if (printer->confirmations_due == 0 || now < printer->confirm_deadline || !waits)
        return;
    if (printer->phase == PHASE_SYNC && printer->sync_answered)
        printer->confirmations_due = 0; /* the older ones were lost with the head's power */
    else
        interrupt(printer);
}

static bool run_sync(struct printer *printer, mono_ms now)
{
    if (printer->clear_state != CLEAR_NONE)
        return false;
    if (printer->sync_needed && !printer->sync_sent) {
        struct byte_writer out = piece_begin(printer);
        if (printer->cut_needed)
            escpos_cut_off(&out);
        put_confirm(printer, &out, now);
        piece_end(printer, &out, now);
        printer->confirm_deadline = now + PRINTER_CONFIRM_TIMEOUT_MS;
        printer->sync_sent = true;
        printer->sync_answered = false;
        return true;
    }
    if (printer->sync_needed && printer->confirmations_due != 0)
        return false;
    printer->sync_needed = false;
    printer->cut_needed = false;
    struct printer_slip *slip = &printer->slips[0];
    layout_init(&printer->layout, printer->spool, slip->size, slip->form, slip->marks,
                printer->columns);
    struct byte_writer out = piece_begin(printer);
    escpos_begin(&out);
    piece_end(printer, &out, now);
    printer->style = 0;
    printer->segment = 0;
    printer->phase = PHASE_SENDING;
    return true;
}

static bool run_sending(struct printer *printer, mono_ms now)
{
    struct slip_line line;
    if (printer->confirmations_due >= UNCONFIRMED_MAX)
        return false;
    struct byte_writer out = piece_begin(printer);
    if (!layout_next(&printer->layout, &line))
        return false; /* not reached: the last line is a CUT */
    escpos_line(&out, &line, &printer->style);
    printer->segment = (uint16_t)(printer->segment + out.length);
    if (line.kind == SLIP_LINE_CUT)
        printer->phase = PHASE_WAITING;
    if (line.kind == SLIP_LINE_CUT || printer->segment >= PRINTER_WINDOW_BYTES / 2)
        put_confirm(printer, &out, now);
    piece_end(printer, &out, now);
    return true;
}

/* Moves the phase on. True when it did something: a piece in `out`, or another phase. */
static bool run_phase(struct printer *printer, mono_ms now)
{
    switch (printer->phase) {
    case PHASE_SYNC:
        return run_sync(printer, now);
    case PHASE_SENDING:
        return run_sending(printer, now);
    case PHASE_WAITING:
        if (printer->confirmations_due == 0)
            printer->phase = PHASE_FINISHED;
        return false;
    case PHASE_BLOCKED:
        if (!blocked(printer) && printer->clear_state == CLEAR_NONE) {
            printer->phase = PHASE_SYNC;
            printer->sync_sent = false;
            return true;
        }
        return false;
    default:
        return false;
    }
}

static void remove_first_slip(struct printer *printer)
{
    uint16_t size = printer->slips[0].size;
    printer->slip_count--;
    printer->spool_used = (uint16_t)(printer->spool_used - size);
    memmove(printer->slips, printer->slips + 1, printer->slip_count * sizeof printer->slips[0]);
    memmove(printer->spool, printer->spool + size, printer->spool_used);
}

/* Fills the one place for an event when it is free and there is something to tell. */
static void announce(struct printer *printer, mono_ms now)
{
    if (printer->event.kind != PRINTER_EVENT_NONE)
        return;
    if (printer->phase == PHASE_FINISHED) {
        printer->event =
            (struct printer_event){.kind = PRINTER_EVENT_PRINTED, .slip = printer->slips[0].id};
        remove_first_slip(printer);
        printer->phase = PHASE_IDLE;
    } else if (printer->paper != printer->paper_told) {
        printer->event =
            (struct printer_event){.kind = PRINTER_EVENT_STATE, .state = printer->paper};
        printer->paper_told = printer->paper;
    } else if (printer->phase == PHASE_IDLE && printer->slip_count > 0 && !blocked(printer)) {
        if ((printer->slips[0].marks & SLIP_MARK_RESUMED) != 0)
            printer->sync_needed = printer->cut_needed = true;
        if (RARE("printer: the head is asked before a slip"))
            printer->sync_needed = true;
        printer->event =
            (struct printer_event){.kind = PRINTER_EVENT_STARTED, .slip = printer->slips[0].id};
        printer->phase = PHASE_STARTING;
        /* From here on a stop must not pass between two polls. */
        if (printer->status_due > now + PRINTER_POLL_BUSY_MS)
            printer->status_due = now + PRINTER_POLL_BUSY_MS;
    }
}

void printer_step(struct printer *printer, mono_ms now)
{
    read_answers(printer, now);
    watch_deadlines(printer, now);
    for (unsigned i = 0; i < PIECES_A_STEP && flush(printer, now); i++) {
        if (printer->slip_count > 0 && RARE("printer: a line goes a turn later"))
            break;
        if (!ask(printer, now) && !run_phase(printer, now))
            break;
    }
    announce(printer, now);
}
