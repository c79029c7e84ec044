/* The cash drawer: a solenoid that lets it spring open, a sensor, and a person who shuts it.
 *
 *   SHUT --pulse, not stuck--> OPEN --the person, after close_ms--> SHUT
 *
 * A stuck drawer stays as it is, whatever pulses or persons do. Each opening is one line of
 * drawer.log: time stamp, number of the opening in this file, length of the pulse.
 */
#ifndef BOARD_POSIX_DRAWER_H
#define BOARD_POSIX_DRAWER_H

#include "board/board.h"
#include "board/posix/posix_console.h"

#define POSIX_DRAWER_CLOSE_MS 2000u

struct posix_drawer {
    struct posix_console *console;
    int dir_fd;
    uint32_t close_ms; /* UINT32_MAX: nobody shuts it */
    bool stuck, open;
    mono_ms close_at;
    uint64_t pulses, openings; /* since start */
    uint64_t logged;           /* lines in drawer.log */
};

void posix_drawer_init(struct posix_drawer *drawer, struct posix_console *console, int dir_fd,
                       uint32_t close_ms, bool stuck);
void posix_drawer_pulse(struct posix_drawer *drawer, uint16_t duration_ms, mono_ms now);
/* The person shuts it; false when it is stuck open. */
bool posix_drawer_close(struct posix_drawer *drawer);
/* Lets time pass. True: the sensor changed. */
bool posix_drawer_pump(struct posix_drawer *drawer, mono_ms now);
uint64_t posix_drawer_due_ms(const struct posix_drawer *drawer, mono_ms now);

#endif
