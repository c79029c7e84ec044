/* Bytes from what people paste: a binary file, or hexadecimal digits with whitespace, commas, bars,
 * 0x and comments (; or # to the end of the line). And back to hexadecimal text.
 */
#ifndef TOOLS_KKT_WIRE_TEXT_H
#define TOOLS_KKT_WIRE_TEXT_H

#include "hostdrv/kkt.h"

/* What is all of hexadecimal digits, separators and comments is taken as text; anything else as
 * binary. KKT_OK: *bytes (free it) and *size. */
int wire_text_read(const char *input, size_t input_size, uint8_t **bytes, size_t *size,
                   kkt_error *error);
/* Upper-case pairs without separators; free it. NULL when memory is out. */
char *wire_hex(const uint8_t *bytes, size_t size);
/* Pairs of digits, whitespace allowed. False when it is anything else.
 * *bytes (free it) and *size. */
int wire_hex_parse(const char *text, uint8_t **bytes, size_t *size);

#endif
