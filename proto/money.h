/* Sums and quantities as text, both ways, exactly.
 *
 * Money is a whole number of kopecks, quantity a decimal with an explicit scale (struct decimal);
 * neither ever passes through a floating-point number. Text uses a dot, no grouping, no exponent
 * and no sign.
 */
#ifndef PROTO_MONEY_H
#define PROTO_MONEY_H

#include "proto/tlv.h"

#define MONEY_TEXT_SIZE 22 /* the longest text of money_format and its zero */
#define DECIMAL_TEXT_SIZE                                                                          \
    260 /* of decimal_format for any scale byte; 24 is enough for scales up to 20 */

/* "1234.50": always two decimals. Returns the length without the terminating zero; when it is not
 * less than capacity the text was cut (and still ends with a zero when capacity > 0). */
size_t money_format(uint64_t kop, char *out, size_t capacity);
/* "0.5", "1": trailing zeros removed. The same about the length and capacity. */
size_t decimal_format(struct decimal d, char *out, size_t capacity);
/* "12", "12.5", "12.50". False when the text is anything else or does not fit 64 bits. When the
 * only fault is a third decimal that is not zero, *too_precise (may be NULL) is true; otherwise it
 * is false. */
bool money_parse(const char *text, size_t length, uint64_t *kop, bool *too_precise);
/* The exact decimal with trailing zeros after the dot removed. False when the text is not a number,
 * needs more than scale_max decimals or does not fit. */
bool decimal_parse(const char *text, size_t length, unsigned scale_max, struct decimal *out);

#endif
