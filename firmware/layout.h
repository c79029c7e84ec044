/* From a document's TLV to the lines of its slip.
 *
 * Input is one contiguous TLV list holding everything paper needs: the tags of the fiscal document,
 * the header (1048, 1018, 1009, 1187, 1060) and private slip tags. Lines come out one at a time,
 * already wrapped to the paper's width, as CP866 with a style; order, labels and formats follow FFD
 * §64 and the receipt's table ("paper: general form"). Pure: no I/O, no time; the same bytes give
 * the same lines, which is what invariant "paper = record" rests on.
 */
#ifndef FIRMWARE_LAYOUT_H
#define FIRMWARE_LAYOUT_H

#include "firmware/limits.h"
#include "proto/tags.h"
#include "proto/tlv.h"

/* Non-fiscal slips continue the form codes. */
enum slip_form {
    SLIP_X_REPORT = 1001,
    SLIP_CASH_IN = 1002,
    SLIP_CASH_OUT = 1003,
    SLIP_NON_FISCAL = 1004
};

enum slip_style {
    SLIP_STYLE_CENTER = 1,
    SLIP_STYLE_RIGHT = 2,
    SLIP_STYLE_BOLD = 4,
    SLIP_STYLE_WIDE = 8 /* double width */,
    SLIP_STYLE_TALL = 16
};
enum slip_mark {
    SLIP_MARK_COPY = 1,   /* prints КОПИЯ */
    SLIP_MARK_RESUMED = 2 /* prints that the earlier, interrupted slip is void */
};

enum slip_line_kind { SLIP_LINE_TEXT, SLIP_LINE_QR, SLIP_LINE_CUT };
struct slip_line {
    enum slip_line_kind kind;
    uint8_t style;     /* enum slip_style */
    uint8_t text[512]; /* CP866; QR: its text */
    uint16_t length;   /* TEXT: at most the columns (half with WIDE) */
};

#define LAYOUT_DEPTH     4u /* a document, 1157 in it, 1129 in that */
#define LAYOUT_TAG_BITS  128u
#define LAYOUT_PARAGRAPH 1024u /* bytes of one paragraph; a longer text is cut */

struct layout_row; /* one row of a script (firmware/layout_script.h) */

/* A list being walked by a script. */
struct layout_frame {
    const struct layout_row *row;
    const uint8_t *data;
    size_t size;
    size_t offset; /* of the next element for rows that take several */
    /* Bit tag % LAYOUT_TAG_BITS of each element's tag: most rows of a script have no element in a
     * document, and need not look for one. */
    uint32_t tags[LAYOUT_TAG_BITS / 32];
};

struct layout {
    const uint8_t *tlv; /* borrowed until the last line */
    size_t size;
    uint16_t form;   /* form code or enum slip_form */
    uint8_t marks;   /* enum slip_mark */
    uint8_t columns; /* 32, 42 or 48 */
    /* Private progress of the generator. */
    struct layout_frame frames[LAYOUT_DEPTH];
    uint8_t depth;
    uint8_t kind; /* 1054 whose counters are being printed */
    /* The paragraph being cut into lines: label, then value. */
    uint8_t paragraph[LAYOUT_PARAGRAPH];
    uint16_t paragraph_label, paragraph_length, paragraph_offset;
    uint8_t paragraph_kind, paragraph_style;
    bool after_rule; /* the last line was a rule: another would say nothing */
    bool finished;
};

void layout_init(struct layout *layout, const uint8_t *tlv, size_t size, uint16_t form,
                 uint8_t marks, uint8_t columns);
/* False after the last line; the last line is always a CUT. */
bool layout_next(struct layout *layout, struct slip_line *out);

#endif
