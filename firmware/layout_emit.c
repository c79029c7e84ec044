/* Paragraphs -> lines.
 *
 * A paragraph is a label and a value. It becomes one line when both fit, else the label is wrapped
 * and the value follows on the label's last line or, when it does not fit there either, on lines of
 * its own: at the right edge when one line is enough, from the left edge otherwise. Texts break at
 * blanks; only a word longer than the paper is cut, so a number stays whole.
 */
#include "firmware/layout_script.h"

#include <assert.h>
#include <string.h>

#define RULE_BYTE 0xC4u /* light horizontal line of CP866 */

struct slice {
    size_t start, length;
};

/* The next line of text[from..end): at most `width` bytes, broken at a blank. *next is where the
 * following line begins. */
static struct slice wrap(const uint8_t *text, size_t from, size_t end, size_t width, size_t *next)
{
    size_t limit = from;
    while (limit < end && text[limit] != '\n' && limit - from <= width)
        limit++;
    struct slice line = {from, limit - from};
    *next = limit;
    if (limit - from <= width) {
        if (limit < end)
            *next = limit + 1; /* the line feed */
    } else {
        size_t stop = from + width;
        while (stop > from && text[stop] != ' ')
            stop--;
        size_t blank = from;
        while (blank < stop && text[blank] == ' ')
            blank++;
        if (blank == stop)
            stop = from + width; /* one word longer than the line */
        line.length = stop - from;
        while (stop < end && text[stop] == ' ')
            stop++;
        *next = stop;
    }
    while (line.length > 0 && text[line.start + line.length - 1] == ' ')
        line.length--;
    return line;
}

static void line_add(struct slip_line *out, const uint8_t *text, size_t length)
{
    assert(out->length + length <= sizeof out->text);
    memcpy(out->text + out->length, text, length);
    out->length = (uint16_t)(out->length + length);
}

static void line_pad(struct slip_line *out, size_t length)
{
    while (out->length < length)
        out->text[out->length++] = ' ';
}

static bool has_line_feed(const struct layout *layout, size_t from)
{
    return from < layout->paragraph_length &&
           memchr(layout->paragraph + from, '\n', layout->paragraph_length - from) != NULL;
}

/* The next line of a label and a value; see the top of the file. */
static void emit_pair(struct layout *layout, size_t width, struct slip_line *out)
{
    const uint8_t *text = layout->paragraph;
    size_t end = layout->paragraph_length, label = layout->paragraph_label, next;
    size_t value = end - label;
    bool one_line = !has_line_feed(layout, label);
    if (layout->paragraph_offset < label) {
        struct slice line = wrap(text, layout->paragraph_offset, label, width, &next);
        line_add(out, text + line.start, line.length);
        layout->paragraph_offset = (uint16_t)next;
        if (next < label || value == 0 || !one_line || line.length + 1 + value > width)
            return;
        line_pad(out, width - value);
        line_add(out, text + label, value);
        layout->paragraph_offset = (uint16_t)end;
        return;
    }
    if (layout->paragraph_offset == label && one_line && value <= width) {
        line_pad(out, width - value);
        line_add(out, text + label, value);
        layout->paragraph_offset = (uint16_t)end;
        return;
    }
    struct slice line = wrap(text, layout->paragraph_offset, end, width, &next);
    line_add(out, text + line.start, line.length);
    layout->paragraph_offset = (uint16_t)next;
}

void layout_emit(struct layout *layout, struct slip_line *out)
{
    size_t width = layout->columns, next = layout->paragraph_length;
    if ((layout->paragraph_style & SLIP_STYLE_WIDE) != 0)
        width /= 2;
    out->kind = SLIP_LINE_TEXT;
    out->style = layout->paragraph_style;
    out->length = 0;
    switch (layout->paragraph_kind) {
    case PARAGRAPH_TEXT: {
        struct slice line = wrap(layout->paragraph, layout->paragraph_offset,
                                 layout->paragraph_length, width, &next);
        line_add(out, layout->paragraph + line.start, line.length);
        layout->paragraph_offset = (uint16_t)next;
        break;
    }
    case PARAGRAPH_PAIR:
        emit_pair(layout, width, out);
        break;
    case PARAGRAPH_RULE:
        memset(out->text, RULE_BYTE, width);
        out->length = (uint16_t)width;
        break;
    default:
        out->kind = SLIP_LINE_QR;
        line_add(out, layout->paragraph, layout->paragraph_length);
        layout->paragraph_offset = layout->paragraph_length;
        break;
    }
    assert(out->kind == SLIP_LINE_QR || out->length <= width);
    if (layout->paragraph_offset >= layout->paragraph_length)
        layout->paragraph_kind = PARAGRAPH_NONE;
}
