/* One piece of paper as a file: every printed line is appended the moment it is printed, so the
 * paper outlives the process.
 *
 * DIR/current.paper is the paper in the head, DIR/NNNNNN.paper a cut slip whose text, index line or
 * picture is not made yet. Both are UTF-8, one record a line:
 *
 *   P 1 COLUMNS        first record: format version and columns
 *   T STYLE TEXT       a printed line; STYLE is two hexadecimal digits of enum paper_style
 *   Q MODULE HEX       a QR code: dots of a module, content bytes
 *   F DOTS             blank paper fed
 *   X                  the head was stopped or lost bytes here: the piece is torn
 *   C                  cut
 *
 * A record without its line feed (the process died while writing it) does not count.
 */
#ifndef BOARD_PRINTER_SLIP_FILE_H
#define BOARD_PRINTER_SLIP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLIP_FILE_VERSION 1u
#define PAPER_DOTS_PER_MM 8u
#define PAPER_LINE_DOTS   30u
#define PAPER_TALL_DOTS   54u
#define PAPER_CUT_DOTS    96u /* from the print line to the cutter */

enum paper_style {
    PAPER_CENTER = 1,
    PAPER_RIGHT = 2,
    PAPER_BOLD = 4,
    PAPER_WIDE = 8,
    PAPER_TALL = 16
};

struct slip_record {
    char kind;        /* 'T', 'Q' or 'F' */
    uint8_t style;    /* T */
    uint16_t dots;    /* Q: of a module; F */
    size_t length;    /* of text */
    const char *text; /* T: UTF-8; Q: content bytes */
};

struct slip {
    uint8_t columns;
    bool torn, cut;
    size_t count;
    struct slip_record *records;
    uint32_t lines; /* T and Q */
    uint64_t dots;  /* of paper */
    char *storage;
    size_t whole_bytes; /* of the file up to the last whole record */
};

/* Reads a file. False: not there, or not in this format. Free with slip_free. */
bool slip_load(struct slip *slip, const char *path);
void slip_free(struct slip *slip);

/* The content of the QR code that names the document (the last that begins with "t=", else the
 * last), NULL when none. */
const struct slip_record *slip_qr(const struct slip *slip);

/* The slip as people read it: UTF-8, torn pieces begin with "[TORN]". The file has its name
 * only when it is whole; one that is there already stays. */
bool slip_write_text(const struct slip *slip, const char *path);
/* Its line of index.jsonl with the line feed; length without the zero, cut when it does not fit. */
size_t slip_index_line(const struct slip *slip, uint32_t number, char *out, size_t capacity);

#endif
