/* Calendar time without an operating system.
 *
 * Fiscal documents carry local wall-clock time of the settlement place coded as if it were UTC
 * (FFD, note on type UnixTime); `unix_s` below means exactly that. Only tag 1012 of an operator's
 * confirmation is true UTC. Monotonic time is a different type, mono_ms (board/board.h), and never
 * mixes with it.
 */
#ifndef PROTO_CALENDAR_H
#define PROTO_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t unix_s; /* seconds since 1970-01-01 00:00, local wall clock; good until 2106 */

struct civil_time {
    uint16_t year;
    uint8_t month, day;           /* from 1 */
    uint8_t hour, minute, second; /* from 0 */
};

void civil_from_unix(unix_s time, struct civil_time *out);
/* False when a field is out of range (month 13, 30 February, year before 1970 or after 2105). */
bool civil_to_unix(const struct civil_time *civil, unix_s *out);

/* DATE_TIME of the FN protocol: YY MM DD hh mm, binary,
 * YY = year - 2000 (FN protocol 1.2, types). */
#define DATE_TIME_SIZE 5
bool date_time_from_unix(unix_s time, uint8_t out[DATE_TIME_SIZE]);
bool date_time_to_unix(const uint8_t in[DATE_TIME_SIZE], unix_s *out);

/* "YYYY-MM-DDTHH:MM:SS" (19 characters and a zero). */
#define ISO_TIME_SIZE 20
void iso_time_format(unix_s time, char out[ISO_TIME_SIZE]);
/* "DD.MM.YY HH:MM" as paper wants it (14 characters and a zero). */
#define PAPER_TIME_SIZE 15
void paper_time_format(unix_s time, char out[PAPER_TIME_SIZE]);
/* Accepts "YYYY.MM.DD HH:MM:SS", "YYYY-MM-DDTHH:MM:SS", and either without the time (00:00:00). The
 * whole of `text` (length bytes) must be consumed. */
bool calendar_parse(const char *text, size_t length, unix_s *out);

#endif
