/* The board's clock chip, played by the PC's clock and a remembered difference, and the one
 * monotonic clock.
 *
 * The chip runs on its own battery: its difference from the PC lies in the file clock.offset
 * ("offset SECONDS" or "unset") and survives the board's power. Calendar time is the PC's local
 * wall clock coded as if it were UTC (proto/calendar.h). No other file of the port asks the
 * operating system for monotonic time.
 */
#ifndef BOARD_POSIX_CLOCK_H
#define BOARD_POSIX_CLOCK_H

#include "board/board.h"

struct posix_clock {
    int dir_fd;
    bool unset;
    int64_t offset_s;
    int64_t cached_utc_s, cached_local_s; /* the time zone is asked once a second */
};

/* Monotonic milliseconds of the operating system. */
mono_ms posix_mono_ms(void);
/* True UTC seconds of the PC, untouched by the board's clock. */
int64_t posix_utc_s(void);
/* "YYYY-MM-DDTHH:MM:SS.mmm", local time of the PC: for logs. */
#define POSIX_STAMP_SIZE 24
void posix_stamp(char out[POSIX_STAMP_SIZE]);

/* dir_fd is borrowed for the clock's life. False when clock.offset is there but not understood. */
bool posix_clock_open(struct posix_clock *clock, int dir_fd);
/* What the chip shows; 0 while unset. */
unix_s posix_clock_calendar(struct posix_clock *clock);
/* The chip's time as UTC, for certificates; 0 while unset. */
uint64_t posix_clock_utc(struct posix_clock *clock);
/* 0 done, < 0 the setting could not be kept. */
int posix_clock_set(struct posix_clock *clock, unix_s time);
int posix_clock_unset(struct posix_clock *clock);
/* Moves the chip by that many seconds, back when negative. < 0 also while unset. */
int posix_clock_advance(struct posix_clock *clock, int64_t seconds);

#endif
