/* The print head: a queue of slips, printed one after another over ESC/POS, resumable.
 *
 * A slip is queued with its whole content (copied into the spool). The head is asked for its state
 * all the time (DLE EOT 1, 2, 4: every PRINTER_POLL_IDLE_MS, while printing or blocked every
 * PRINTER_POLL_BUSY_MS), and a slip counts as printed only when the head answers the GS r behind
 * its cut, which it executes after everything before it.
 *
 *   IDLE --slip queued, head ready: event STARTED--> STARTING --event taken--> SYNC
 *   SYNC --nothing to clear up, or its GS r answered--> SENDING --all sent--> WAITING
 *   WAITING --last GS r answered--> FINISHED --event PRINTED--> IDLE
 *   SYNC, SENDING, WAITING --paper out, cover, fault, silence, no GS r in time--> BLOCKED
 *   BLOCKED --head ready, its buffer cleared--> SYNC
 *
 *   SENDING   a GS r goes out behind every PRINTER_WINDOW_BYTES / 2 or so; while two of them are
 *             unanswered nothing is sent. Thus the head's buffer is never full and a status request
 *             always gets through.
 *   BLOCKED   the head is told to forget its buffer (DLE DC4 8, a real-time command), so that it
 *             does not go on with the interrupted slip when the paper is back. Heads without that
 *             command print what they hold first.
 *   SYNC      the torn piece is cut off, then one GS r: everything older is behind us when it is
 *             answered.
 *
 * Answers are told apart by their fixed bits: DLE EOT 0xx1xx10, GS r 0xx0xxxx, the answer to DLE
 * DC4 8 is 37 25 00.
 *
 * Always true: slips come out in the order they were queued; an interrupted slip is printed again
 * whole and says so (SLIP_MARK_RESUMED); so does a slip that the owner queued with that mark after
 * a restart, its torn piece is cut off first; no byte of a slip is sent before the STARTED event
 * was taken (the owner makes it durable first); nothing here waits.
 */
#ifndef FIRMWARE_PRINTER_H
#define FIRMWARE_PRINTER_H

#include "board/board.h"
#include "firmware/layout.h"
#include "firmware/limits.h"

#define PRINTER_OUT_BYTES 640u

enum printer_event_kind {
    PRINTER_EVENT_NONE,
    PRINTER_EVENT_STARTED,
    PRINTER_EVENT_PRINTED,
    PRINTER_EVENT_STATE
};
struct printer_event {
    enum printer_event_kind kind;
    uint32_t slip; /* id given to printer_add */
    uint8_t state; /* enum paper_state bits, for PRINTER_EVENT_STATE */
};

#define PRINTER_POLL_IDLE_MS      500u
#define PRINTER_POLL_BUSY_MS      100u
#define PRINTER_ANSWER_TIMEOUT_MS 1000u /* of a status request: then PRINTER_SILENT */
#define PRINTER_CONFIRM_TIMEOUT_MS                                                                 \
    20000u /* from one GS r answer to the next; then the slip counts as interrupted */
#define PRINTER_DRAIN_TIMEOUT_MS                                                                   \
    3000u /* SYNC: answers to older GS r may follow each other that slowly */
#define PRINTER_WINDOW_BYTES                                                                       \
    1024u /* sent ahead of the head's confirmation; a head's buffer is 4 KiB */

struct printer_slip {
    uint32_t id;
    uint16_t form;
    uint8_t marks; /* enum slip_mark */
    uint16_t size; /* of TLV */
};

struct printer {
    const struct board *board;
    uint8_t columns;
    uint8_t paper; /* enum paper_state bits; PRINTER_SILENT until the head has answered */
    bool known;    /* the head has answered since start */
    uint32_t bytes_sent;
    /* The rest is private. */
    uint8_t phase;              /* enum printer_phase of printer.c */
    struct printer_event event; /* one pending event */
    struct printer_slip slips[LIMIT_SPOOL_SLIPS];
    uint8_t slip_count;
    uint16_t spool_used;
    uint8_t
        spool[LIMIT_SPOOL_BYTES]; /* TLV of the queued slips, back to back, the current one first */
    struct layout layout;
    bool layout_done;
    uint8_t out[PRINTER_OUT_BYTES]; /* one line as ESC/POS; sent whole once begun */
    uint16_t out_size, out_sent;
    uint16_t segment;          /* bytes since the last GS r was put in */
    uint8_t style;             /* that the head is in */
    uint8_t confirmations_due; /* GS r sent and not answered */
    mono_ms confirm_deadline;
    bool sync_needed, cut_needed; /* before the next slip */
    bool sync_sent, sync_answered;
    uint8_t clear_state; /* of DLE DC4 8 */
    mono_ms clear_deadline;
    uint8_t answer_part;  /* bytes seen of 37 25 00 */
    uint8_t paper_told;   /* in the last STATE event */
    uint8_t status_next;  /* n of the next DLE EOT: 1, 2, 4 make a round */
    uint8_t status_asked; /* n of the DLE EOT that waits for its answer, 0 none */
    uint8_t status[3];    /* answers to n = 1, 2, 4 of this round */
    mono_ms status_due, status_deadline, stuck_deadline;
};

void printer_init(struct printer *printer, const struct board *board, uint8_t columns);
/* Copies the slip into the spool. False when it does not fit now;
 * ask again after a PRINTED event. */
bool printer_add(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                 const uint8_t *tlv, size_t size);
/* As printer_add for content in up to 4 parts that are copied one behind the other. */
struct printer_part {
    const uint8_t *tlv;
    size_t size;
};
bool printer_add_parts(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                       const struct printer_part *parts, size_t count);
/* Room for a slip of that many bytes right now. */
bool printer_has_room(const struct printer *printer, size_t size);
bool printer_idle(const struct printer *printer);
/* Moves bytes and time on. Call every turn. */
void printer_step(struct printer *printer, mono_ms now);
/* Takes the pending event; kind NONE when there is none. Taking STARTED allows the first byte to
 * leave. */
struct printer_event printer_take_event(struct printer *printer);
/* ERROR_NONE, ERROR_PAPER_OUT, ERROR_COVER_OPEN, ERROR_PRINTER: may a new slip be promised?
 * Near-end is no obstacle. */
uint16_t printer_ready(const struct printer *printer);

#endif
