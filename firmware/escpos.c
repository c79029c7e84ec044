#include "firmware/escpos.h"

#define DLE 0x10u
#define EOT 0x04u
#define DC4 0x14u
#define ESC 0x1Bu
#define GS  0x1Du
#define LF  0x0Au

#define CODE_PAGE_CP866 17u
#define QR_WIDTH_DOTS   160u

static void put3(struct byte_writer *out, uint8_t first, uint8_t second, uint8_t third)
{
    put_u8(out, first);
    put_u8(out, second);
    put_u8(out, third);
}

void escpos_begin(struct byte_writer *out)
{
    put_u8(out, ESC);
    put_u8(out, '@');
    put3(out, ESC, 't', CODE_PAGE_CP866);
}

void escpos_confirm(struct byte_writer *out)
{
    put3(out, GS, 'r', 1);
}

void escpos_status(struct byte_writer *out, uint8_t n)
{
    put3(out, DLE, EOT, n);
}

void escpos_clear(struct byte_writer *out)
{
    static const uint8_t command[] = {DLE, DC4, 8, 1, 3, 20, 1, 6, 2, 8};
    put_bytes(out, command, sizeof command);
}

static void put_cut(struct byte_writer *out)
{
    put3(out, GS, 'V', 66);
    put_u8(out, 0); /* no feed beyond the cutter's place */
}

void escpos_cut_off(struct byte_writer *out)
{
    put_u8(out, ESC);
    put_u8(out, '@');
    put_cut(out);
}

uint8_t escpos_qr_module(size_t length)
{
    /* Bytes of byte mode at level M, versions 1..20. */
    static const uint16_t capacity[] = {14,  26,  42,  62,  84,  106, 122, 152, 180, 213,
                                        251, 287, 331, 362, 412, 450, 504, 560, 624, 666};
    unsigned version = 1;
    while (version < sizeof capacity / sizeof capacity[0] && capacity[version - 1] < length)
        version++;
    unsigned modules = 17u + 4u * (version > 1 ? version - 1u : 1u);
    unsigned dots = (QR_WIDTH_DOTS + modules - 1u) / modules;
    return (uint8_t)(dots < 3 ? 3 : dots > 8 ? 8 : dots);
}

/* Header of GS ( k for symbology 49: pL pH are the bytes that follow them. */
static void put_qr_function(struct byte_writer *out, uint8_t function, size_t parameters)
{
    put3(out, GS, '(', 'k');
    put_u16le(out, (uint16_t)(parameters + 2));
    put_u8(out, '1');
    put_u8(out, function);
}

/* The quiet zone of 4 modules that readers need above and below. */
static void put_quiet_zone(struct byte_writer *out, uint8_t module)
{
    put3(out, ESC, 'J', (uint8_t)(4u * module));
}

static void put_qr(struct byte_writer *out, const uint8_t *text, size_t length)
{
    uint8_t module = escpos_qr_module(length);
    put_quiet_zone(out, module);
    put_qr_function(out, 'A', 2); /* model 2 */
    put_u8(out, '2');
    put_u8(out, 0);
    put_qr_function(out, 'C', 1);
    put_u8(out, module);
    put_qr_function(out, 'E', 1); /* error correction level M */
    put_u8(out, '1');
    put_qr_function(out, 'P', length + 1); /* the content */
    put_u8(out, '0');
    put_bytes(out, text, length);
    put_qr_function(out, 'Q', 1); /* print it */
    put_u8(out, '0');
    put_quiet_zone(out, module);
}

static void put_style(struct byte_writer *out, uint8_t wanted, uint8_t *style)
{
    uint8_t changed = wanted ^ *style;
    if ((changed & (SLIP_STYLE_CENTER | SLIP_STYLE_RIGHT)) != 0)
        put3(out, ESC, 'a',
             (wanted & SLIP_STYLE_CENTER) != 0  ? 1
             : (wanted & SLIP_STYLE_RIGHT) != 0 ? 2
                                                : 0);
    if ((changed & SLIP_STYLE_BOLD) != 0)
        put3(out, ESC, 'E', (wanted & SLIP_STYLE_BOLD) != 0);
    if ((changed & (SLIP_STYLE_WIDE | SLIP_STYLE_TALL)) != 0)
        put3(out, GS, '!',
             (uint8_t)(((wanted & SLIP_STYLE_WIDE) != 0 ? 0x10 : 0) |
                       ((wanted & SLIP_STYLE_TALL) != 0 ? 0x01 : 0)));
    *style = wanted;
}

void escpos_line(struct byte_writer *out, const struct slip_line *line, uint8_t *style)
{
    if (line->kind == SLIP_LINE_CUT) {
        put_cut(out);
        return;
    }
    put_style(out, line->style, style);
    if (line->kind == SLIP_LINE_QR) {
        put_qr(out, line->text, line->length);
        return;
    }
    size_t start = out->length;
    put_bytes(out, line->text, line->length);
    size_t end = out->length < out->capacity ? out->length : out->capacity;
    uint8_t *text = out->data;
    for (size_t i = start; i < end; i++)
        text[i] = text[i] < ' ' || text[i] == 0x7F ? ' ' : text[i];
    put_u8(out, LF);
}
