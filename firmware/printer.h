/* The print head: a queue of slips, printed one after another over ESC/POS, resumable.
 *
 * A slip is queued with its whole content (copied into the spool). The head is asked for its state all the time
 * (DLE EOT 1, 2, 4), and a slip counts as printed only when the head answers GS r, which it executes after everything before it.
 *
 *   IDLE --slip queued, head ready--> STARTED(event) -> SENDING -> WAITING FOR GS r --answer--> PRINTED(event) -> IDLE
 *                                                   |--paper out, cover, silent--> BLOCKED --ready again--> cut, slip from its first line,
 *                                                                                                           marked as resumed
 *
 * Always true: slips come out in the order they were queued; an interrupted slip is printed again whole and says so; no byte of
 * a slip is sent before the STARTED event was taken (the owner makes it durable first).
 */
#ifndef FIRMWARE_PRINTER_H
#define FIRMWARE_PRINTER_H

#include "board/board.h"
#include "firmware/layout.h"
#include "firmware/limits.h"

enum printer_event_kind { PRINTER_EVENT_NONE, PRINTER_EVENT_STARTED, PRINTER_EVENT_PRINTED, PRINTER_EVENT_STATE };
struct printer_event {
    enum printer_event_kind kind;
    uint32_t slip; /* id given to printer_add */
    uint8_t state; /* enum paper_state bits, for PRINTER_EVENT_STATE */
};

struct printer_slip {
    uint32_t id;
    uint16_t form;
    uint8_t marks;      /* enum slip_mark */
    uint16_t size;      /* of TLV */
};

struct printer {
    const struct board *board;
    uint8_t columns;
    uint8_t paper;      /* enum paper_state bits */
    bool known;         /* the head has answered since start */
    uint8_t phase;      /* private */
    bool start_taken;
    struct printer_event event; /* one pending event */
    struct printer_slip slips[LIMIT_SPOOL_SLIPS];
    uint8_t slip_count;
    uint16_t spool_used;
    uint8_t spool[LIMIT_SPOOL_BYTES]; /* TLV of the queued slips, back to back, the current one first */
    struct layout layout;
    uint8_t out[640];
    uint16_t out_size, out_sent;
    uint8_t status_pending;
    mono_ms status_due, status_deadline, deadline;
    uint32_t bytes_sent;
};

void printer_init(struct printer *printer, const struct board *board, uint8_t columns);
/* Copies the slip into the spool. False when it does not fit now; ask again after a PRINTED event. */
bool printer_add(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                 const uint8_t *tlv, size_t size);
/* As printer_add for content in up to 4 parts that are copied one behind the other. */
struct printer_part { const uint8_t *tlv; size_t size; };
bool printer_add_parts(struct printer *printer, uint32_t id, uint16_t form, uint8_t marks,
                       const struct printer_part *parts, size_t count);
/* Room for a slip of that many bytes right now. */
bool printer_has_room(const struct printer *printer, size_t size);
bool printer_idle(const struct printer *printer);
/* Moves bytes and time on. Call every turn. */
void printer_step(struct printer *printer, mono_ms now);
/* Takes the pending event; kind NONE when there is none. Taking STARTED allows the first byte to leave. */
struct printer_event printer_take_event(struct printer *printer);
/* ERROR_NONE, ERROR_PAPER_OUT, ERROR_COVER_OPEN, ERROR_PRINTER: may a new slip be promised? Near-end is no obstacle. */
uint16_t printer_ready(const struct printer *printer);

#endif
