/* A piece of paper as people read it: UTF-8, one line a printed line, aligned with blanks; a torn
 * piece begins with the line "[TORN]".
 *
 * Grows line by line, because a listener wants the piece when it comes out; NNNNNN.txt is made the
 * same way. The memory grows with the longest piece and is used again for the next one. When there
 * is none to be had the rest of the piece is missing and `lost` says so until it is cleared.
 */
#ifndef BOARD_PRINTER_SLIP_TEXT_H
#define BOARD_PRINTER_SLIP_TEXT_H

#include "board/printer/slip_file.h"

/* All zero: empty. */
struct slip_text {
    char *bytes; /* room for the mark of a torn piece, then the lines */
    size_t size, capacity;
    bool lost;
};

/* Adds a printed line or QR code; a feed adds nothing. */
void slip_text_add(struct slip_text *text, uint8_t columns, const struct slip_record *record);
/* All of it, in memory that stays the slip_text's own; without a zero at the end. */
const char *slip_text_whole(const struct slip_text *text, bool torn, size_t *size);
/* Begins a new piece. */
void slip_text_clear(struct slip_text *text);
void slip_text_free(struct slip_text *text);

#endif
