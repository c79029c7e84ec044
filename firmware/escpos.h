/* Lines of a slip as ESC/POS, the language of receipt print heads. Only commands that all heads
 * with native QR and a cutter know: ESC @, ESC t 17 (CP866), ESC a, ESC E, GS !, text LF, GS ( k 49
 * (QR model 2), GS V 66, GS r 1; in real time DLE EOT n and DLE DC4 8.
 *
 * Always true: no byte below 20h ever comes from a line's text, so content cannot become a command;
 * the longest line fits ESCPOS_LINE_MAX bytes.
 */
#ifndef FIRMWARE_ESCPOS_H
#define FIRMWARE_ESCPOS_H

#include "firmware/layout.h"

#define ESCPOS_LINE_MAX 600u

/* Initialise, code page CP866. The head is in style 0 after it. */
void escpos_begin(struct byte_writer *out);
/* One line; *style is what the head is set to and is kept up to date. A CUT feeds the paper to the
 * cutter and cuts. */
void escpos_line(struct byte_writer *out, const struct slip_line *line, uint8_t *style);
/* Drops a half-received line, feeds and cuts what is on the paper. */
void escpos_cut_off(struct byte_writer *out);
/* GS r 1: answered when everything before it has been executed. */
void escpos_confirm(struct byte_writer *out);
/* DLE EOT n, n = 1, 2 or 4. */
void escpos_status(struct byte_writer *out, uint8_t n);
/* DLE DC4 8: forget the buffers. Answered by 37 25 00. */
void escpos_clear(struct byte_writer *out);
/* Dots of a QR module so that the symbol of a text of that many bytes is at least 20 mm wide at 203
 * dpi (8 dots a millimetre; FFD asks for 20 x 20 mm): 160 dots over the modules of one version less
 * than byte mode at level M needs, since heads may pack digits closer. 3 to 8. */
uint8_t escpos_qr_module(size_t length);

#endif
