/* A slip drawn as it looks on thermal paper: 384 dots wide for up to 32 columns (58 mm), 576 for
 * more (80 mm). */
#ifndef BOARD_PRINTER_SLIP_PICTURE_H
#define BOARD_PRINTER_SLIP_PICTURE_H

#include "board/printer/slip_file.h"

/* Writes a PNG under another name, then renames it. QR codes are drawn at their
 * true module size. */
bool slip_draw_png(const struct slip *slip, const char *path);

#endif
