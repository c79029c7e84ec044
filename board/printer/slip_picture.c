#include "board/printer/slip_picture.h"

#include <cairo/cairo.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_58_MM  384
#define WIDTH_80_MM  576
#define MARGIN_58_MM 12
#define MARGIN_80_MM 18
#define EDGE         10 /* height of the cutter's teeth or of the rip */
#define TOP          34 /* blank paper above the first line */
#define BOTTOM       56
#define GLYPH_DOTS   22.5 /* font size down the paper; a line is PAPER_LINE_DOTS */
#define BASELINE     22.0 /* from a line's top */
#define FONT         "DejaVu Sans Mono"
#define HEIGHT_MAX   30000 /* of a picture; cairo's limit is 32767 */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_LEAK_CHECK
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_LEAK_CHECK
#endif
#ifdef WITH_LEAK_CHECK
/* The font library keeps its caches until the process ends; that is no leak of ours. */
const char *__lsan_default_suppressions(void);
__attribute__((weak)) const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig\n";
}
#endif

struct canvas {
    cairo_t *cairo;
    int width;
    double margin, cell, unit; /* cell: width of a column; unit: advance of the font at size 1 */
    double y;
};

static void set_font(const struct canvas *canvas, uint8_t style)
{
    cairo_matrix_t matrix;
    double across = canvas->cell / canvas->unit * ((style & PAPER_WIDE) != 0 ? 2 : 1);
    double down = GLYPH_DOTS * ((style & PAPER_TALL) != 0 ? 2 : 1);
    cairo_select_font_face(canvas->cairo, FONT, CAIRO_FONT_SLANT_NORMAL,
                           (style & PAPER_BOLD) != 0 ? CAIRO_FONT_WEIGHT_BOLD
                                                     : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_matrix_init_scale(&matrix, across, down);
    cairo_set_font_matrix(canvas->cairo, &matrix);
}

/* Bytes of the UTF-8 character at text. */
static size_t character_size(const char *text, size_t left)
{
    size_t size = 1;
    while (size < left && ((unsigned char)text[size] & 0xC0u) == 0x80u)
        size++;
    return size;
}

static void draw_text(struct canvas *canvas, const struct slip *slip,
                      const struct slip_record *record)
{
    double cell = canvas->cell * ((record->style & PAPER_WIDE) != 0 ? 2 : 1);
    double height = (record->style & PAPER_TALL) != 0 ? PAPER_TALL_DOTS : PAPER_LINE_DOTS;
    double baseline = canvas->y + BASELINE * ((record->style & PAPER_TALL) != 0 ? 2 : 1) -
                      ((record->style & PAPER_TALL) != 0 ? 2 : 0);
    size_t count = 0;
    for (size_t i = 0; i < record->length;
         i += character_size(record->text + i, record->length - i))
        count++;
    double room = canvas->cell * slip->columns - cell * (double)count;
    double x = canvas->margin;
    if (room > 0 && (record->style & PAPER_CENTER) != 0)
        x += room / 2;
    else if (room > 0 && (record->style & PAPER_RIGHT) != 0)
        x += room;
    set_font(canvas, record->style);
    for (size_t i = 0; i < record->length;) {
        char one[8] = "";
        size_t size = character_size(record->text + i, record->length - i);
        memcpy(one, record->text + i, size < sizeof one ? size : sizeof one - 1);
        if (strcmp(one, "─") == 0) {
            /* The font leaves gaps between these; a head does not. */
            cairo_rectangle(canvas->cairo, x, canvas->y + height / 2 - 1, cell + 0.5, 2);
            cairo_fill(canvas->cairo);
        } else if (strcmp(one, " ") != 0) {
            cairo_move_to(canvas->cairo, x, baseline);
            cairo_show_text(canvas->cairo, one);
        }
        x += cell;
        i += size;
    }
    canvas->y += height;
}

static QRcode *encode_qr(const struct slip_record *record)
{
    return record->length == 0
               ? NULL
               : QRcode_encodeData((int)record->length, (const unsigned char *)record->text, 0,
                                   QR_ECLEVEL_M);
}

static void draw_qr(struct canvas *canvas, const struct slip_record *record)
{
    QRcode *code = encode_qr(record);
    if (code == NULL)
        return;
    int module = record->dots == 0 ? 3 : record->dots;
    int left = (canvas->width - code->width * module) / 2;
    int top = (int)canvas->y;
    cairo_set_antialias(canvas->cairo, CAIRO_ANTIALIAS_NONE);
    for (int row = 0; row < code->width; row++)
        for (int column = 0; column < code->width; column++)
            if ((code->data[row * code->width + column] & 1) != 0)
                cairo_rectangle(canvas->cairo, left + column * module, top + row * module, module,
                                module);
    cairo_fill(canvas->cairo);
    cairo_set_antialias(canvas->cairo, CAIRO_ANTIALIAS_DEFAULT);
    canvas->y = top + code->width * module;
    QRcode_free(code);
}

static double slip_height(const struct slip *slip)
{
    double height = TOP + BOTTOM;
    for (size_t i = 0; i < slip->count; i++) {
        const struct slip_record *record = &slip->records[i];
        if (record->kind == 'T') {
            height += (record->style & PAPER_TALL) != 0 ? PAPER_TALL_DOTS : PAPER_LINE_DOTS;
        } else if (record->kind == 'F') {
            height += record->dots;
        } else {
            QRcode *code = encode_qr(record);
            if (code != NULL)
                height += code->width * (record->dots == 0 ? 3 : record->dots);
            QRcode_free(code);
        }
    }
    return height;
}

/* The outline: teeth of the cutter, or a ragged rip at the lower end of a torn piece. */
static void draw_paper(cairo_t *cairo, int width, int height, bool torn)
{
    uint32_t rough = 12345;
    cairo_set_source_rgb(cairo, 0.80, 0.80, 0.78);
    cairo_paint(cairo);
    cairo_move_to(cairo, 0, 4);
    for (int x = 0; x < width; x += 12) {
        cairo_line_to(cairo, x + 6, 0);
        cairo_line_to(cairo, x + 12, 4);
    }
    for (int x = width; x >= 0; x -= torn ? 9 : 6) {
        rough = rough * 1664525u + 1013904223u;
        int depth = torn ? (int)(rough >> 24) % (2 * EDGE) : (x / 6 % 2 == 0 ? 4 : 0);
        cairo_line_to(cairo, x, height - depth);
    }
    cairo_line_to(cairo, 0, height - 4);
    cairo_close_path(cairo);
    cairo_set_source_rgb(cairo, 0.992, 0.990, 0.980);
    cairo_fill(cairo);
}

static void draw(struct canvas *canvas, const struct slip *slip, int height)
{
    cairo_text_extents_t extents;
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_set_font_options(canvas->cairo, options);
    cairo_font_options_destroy(options);
    draw_paper(canvas->cairo, canvas->width, height, slip->torn || !slip->cut);
    cairo_select_font_face(canvas->cairo, FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(canvas->cairo, 100);
    cairo_text_extents(canvas->cairo, "0", &extents);
    canvas->unit = extents.x_advance > 0 ? extents.x_advance / 100 : 0.6;
    cairo_set_source_rgb(canvas->cairo, 0.09, 0.09, 0.11);
    canvas->y = TOP;
    for (size_t i = 0; i < slip->count && canvas->y < height - BOTTOM + 1; i++) {
        const struct slip_record *record = &slip->records[i];
        if (record->kind == 'T')
            draw_text(canvas, slip, record);
        else if (record->kind == 'Q')
            draw_qr(canvas, record);
        else
            canvas->y += record->dots;
    }
}

bool slip_draw_png(const struct slip *slip, const char *path)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return false;
    bool narrow = slip->columns <= 32;
    double wanted = slip_height(slip);
    int height = wanted > HEIGHT_MAX ? HEIGHT_MAX : (int)wanted;
    struct canvas canvas = {.width = narrow ? WIDTH_58_MM : WIDTH_80_MM,
                            .margin = narrow ? MARGIN_58_MM : MARGIN_80_MM};
    canvas.cell = (canvas.width - 2 * canvas.margin) / slip->columns;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, canvas.width, height);
    canvas.cairo = cairo_create(surface);
    draw(&canvas, slip, height);
    bool good = cairo_status(canvas.cairo) == CAIRO_STATUS_SUCCESS &&
                cairo_surface_write_to_png(surface, temporary) == CAIRO_STATUS_SUCCESS;
    cairo_destroy(canvas.cairo);
    cairo_surface_destroy(surface);
    if (!good) {
        remove(temporary);
        return false;
    }
    return rename(temporary, path) == 0;
}
