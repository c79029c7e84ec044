/* The order of a slip as data: scripts of rows, one script for each kind of document. Private to
 * layout*.c.
 *
 * A row says which tag is printed how; the generator (layout.c) walks the rows of a script over a
 * TLV list and makes at most one paragraph of each element. A row whose tag is absent prints
 * nothing, a repeated tag prints once for each element. Rows that enter a structured tag (ROW_EACH)
 * name the script of its content; LAYOUT_DEPTH bounds the nesting.
 */
#ifndef FIRMWARE_LAYOUT_SCRIPT_H
#define FIRMWARE_LAYOUT_SCRIPT_H

#include "firmware/layout.h"

#define LAYOUT_LABEL_MAX 96u /* bytes of a label in CP866 */

enum layout_op {
    ROW_END = 0,
    ROW_LINE,    /* label left, value right */
    ROW_TEXT,    /* value alone */
    ROW_FLAG,    /* label alone, when the value is not 0 */
    ROW_SUM,     /* label left, "=1.00" right, when the sum is not 0 */
    ROW_COUNTED, /* label left, number right, also when 0 */
    ROW_DUO,     /* label and value left, the value of tag2 right */
    ROW_LITERAL, /* the label, always */
    ROW_RULE,    /* a line across the paper */
    ROW_MARK,    /* the label when the mark in `tag` is set */
    ROW_KIND,    /* the settlement kind whose counters follow */
    ROW_TITLE,   /* the document's title */
    ROW_EACH,    /* `rows` over each element of `tag` */
    ROW_BODY,    /* in the order of the list: items, free text, QR codes */
    ROW_VAT_SUM, /* inside 1119: the sum with the rate in its label */
    ROW_ITEM_NAME,
    ROW_ITEM_COST,
    ROW_ITEM_KIND, /* method and subject left, VAT right */
    ROW_TENDERED,  /* cash received */
    ROW_CHANGE,
    ROW_RECEIPT_QR
};

struct layout_row {
    uint8_t op;    /* enum layout_op */
    uint8_t style; /* enum slip_style */
    uint16_t tag;
    uint16_t tag2;
    const char *label; /* UTF-8; NULL: the dictionary's */
    const struct layout_row *rows;
};

/* What stands in layout->paragraph. */
enum paragraph_kind {
    PARAGRAPH_NONE,
    PARAGRAPH_TEXT, /* value only, aligned by its style */
    PARAGRAPH_PAIR, /* label left, value right */
    PARAGRAPH_RULE,
    PARAGRAPH_QR
};

/* The next line of the paragraph; takes the paragraph away after its last. There must be one. */
void layout_emit(struct layout *layout, struct slip_line *out);

/* The script of a form or slip; never NULL: an unknown form gets its number and signs. */
const struct layout_row *layout_script(uint16_t form);
/* The script of item 1059, used by ROW_BODY. */
const struct layout_row *layout_item_script(void);

/* Text of a value as paper wants it, appended as CP866. False, and nothing is appended, when the
 * value is not of its type or says nothing. */
bool layout_value(struct byte_writer *out, const struct tlv *tlv);
/* Fixed words, as CP866. */
void layout_label(struct byte_writer *out, const char *utf8);
void layout_number(struct byte_writer *out, uint64_t value, unsigned digits_min);
void layout_money(struct byte_writer *out, uint64_t kop);
/* CP866 text as it may reach paper: control characters but line feed become spaces, blanks at the
 * end go. */
void layout_text(struct byte_writer *out, const uint8_t *text, size_t length);

#endif
