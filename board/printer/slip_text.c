#include "board/printer/slip_text.h"

#include "proto/cp866.h"

#include <stdlib.h>
#include <string.h>

#define TORN           "[TORN]\n"
#define TORN_SIZE      (sizeof(TORN) - 1)
#define FIRST_CAPACITY 4096u /* a receipt of a usual length */
#define QR_SHOWN_MAX   256u  /* bytes of a QR code that its line shows */

static size_t characters(const char *utf8, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)utf8[i] & 0xC0u) != 0x80u;
    return count;
}

static size_t line_room(uint8_t columns, const struct slip_record *record)
{
    return record->kind == 'Q' ? sizeof("[QR ]\n") + 3 * (size_t)QR_SHOWN_MAX
                               : columns + record->length + 1;
}

static size_t qr_line(const struct slip_record *record, char *out)
{
    static const char before[] = "[QR ", after[] = "]\n";
    size_t length = record->length < QR_SHOWN_MAX ? record->length : QR_SHOWN_MAX;
    size_t used = sizeof before - 1;
    memcpy(out, before, used);
    cp866_to_utf8((const uint8_t *)record->text, length, out + used, 3 * (size_t)QR_SHOWN_MAX + 1);
    used += strlen(out + used);
    memcpy(out + used, after, sizeof after - 1);
    return used + sizeof after - 1;
}

static size_t put_line(uint8_t columns, const struct slip_record *record, char *out)
{
    if (record->kind == 'Q')
        return qr_line(record, out);
    size_t pad = 0;
    if ((record->style & (PAPER_CENTER | PAPER_RIGHT)) != 0) {
        size_t width = characters(record->text, record->length);
        if (width < columns)
            pad = (columns - width) / ((record->style & PAPER_CENTER) != 0 ? 2 : 1);
    }
    memset(out, ' ', pad);
    memcpy(out + pad, record->text, record->length);
    out[pad + record->length] = '\n';
    return pad + record->length + 1;
}

static bool make_room(struct slip_text *text, size_t more)
{
    if (text->size + more <= text->capacity)
        return true;
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;
    while (capacity < text->size + more)
        capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL)
        return false;
    memcpy(bytes, TORN, TORN_SIZE);
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void slip_text_add(struct slip_text *text, uint8_t columns, const struct slip_record *record)
{
    if (record->kind == 'F')
        return;
    if (text->size == 0)
        text->size = TORN_SIZE;
    if (text->lost || !make_room(text, line_room(columns, record))) {
        text->lost = true;
        return;
    }
    text->size += put_line(columns, record, text->bytes + text->size);
}

const char *slip_text_whole(const struct slip_text *text, bool torn, size_t *size)
{
    if (text->bytes == NULL || text->size == 0) {
        *size = torn ? TORN_SIZE : 0;
        return TORN;
    }
    *size = text->size - (torn ? 0 : TORN_SIZE);
    return text->bytes + (torn ? 0 : TORN_SIZE);
}

void slip_text_clear(struct slip_text *text)
{
    text->size = 0;
    text->lost = false;
}

void slip_text_free(struct slip_text *text)
{
    free(text->bytes);
    memset(text, 0, sizeof *text);
}
