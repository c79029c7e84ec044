/* CP866, the code page of every fiscal string (FFD: type "string"), to and from UTF-8.
 *
 * CP866 lacks much of what shop names hold. The rule for a character it lacks, in this order:
 *   1. a replacement from the table in cp866.c (« » „ “ ” become ", — – − become -, … becomes ...,
 *      ’ ‘ become ', ₽ becomes "руб.", no-break and thin spaces become a space, × becomes x, soft
 *      hyphen and zero-width characters disappear; Latin letters with accents lose them);
 *   2. otherwise '?', and the caller is told how many such characters there were.
 * № is FC, Ё is F0, ё is F1: they are in CP866 and stay, also when й and ё come as a letter and a
 * combining mark. Control characters (below 20h, and 7Fh) are refused except CR and LF, which real
 * addresses hold. Malformed UTF-8 is refused, never guessed.
 */
#ifndef PROTO_CP866_H
#define PROTO_CP866_H

#include <stddef.h>
#include <stdint.h>

/* UTF-8 (length bytes) to CP866. Writes at most capacity bytes to out (out may be NULL with
 * capacity 0: measures). Returns the number of CP866 bytes the text takes, which may exceed
 * capacity (then out holds a prefix), or -1 when the text is not valid UTF-8 or holds a control
 * character. *lost (may be NULL) counts characters that became '?'. */
int cp866_from_utf8(const char *text, size_t length, uint8_t *out, size_t capacity, unsigned *lost);

/* CP866 to UTF-8 with a terminating zero. Returns the number of UTF-8 bytes without the zero; when
 * it is not less than capacity the output was cut at a character boundary. Each byte takes at
 * most 3. */
size_t cp866_to_utf8(const uint8_t *bytes, size_t length, char *out, size_t capacity);

/* Unicode code point of one CP866 byte. */
uint32_t cp866_code_point(uint8_t byte);

#endif
