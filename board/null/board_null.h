/* The template of a port: a board on which nothing is connected.
 *
 * It compiles and runs: flash refuses, ports are silent, the clock was never set, so firmware
 * starts, says that its journal is out of order and answers nobody. A maker copies this folder to
 * board/<name>, and replaces the functions one by one; each says in board_null.c what belongs there
 * on a microcontroller. board/PORTING.md has the order, and what must be seen at each step.
 *
 * The loop of a port (there is nothing else in main):
 *
 *     static struct firmware firmware;   // about 100 KiB: the largest object of the image
 *     board_null_init(&context, &board);
 *     firmware_init(&firmware, &board);
 *     for (;;) {
 *         struct moment now = {.mono = milliseconds_since_reset(), .calendar = real_time_clock()};
 *         uint32_t sleep_ms = firmware_step(&firmware, &now);
 *         feed the watchdog; sleep until an interrupt queued a byte, made room for one, or
 *         sleep_ms are over
 *     }
 */
#ifndef BOARD_NULL_BOARD_NULL_H
#define BOARD_NULL_BOARD_NULL_H

#include "board/board.h"

/* What a port needs between calls: rings filled by interrupts, chip selects, the state of the
 * modem. */
struct board_null {
    uint32_t host_generation;
};

/* Fills the board; both must outlive the firmware. */
void board_null_init(struct board_null *null, struct board *board);

#endif
