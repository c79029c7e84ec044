/* Calendar time of a board: the clock chip plus an offset that survives everything.
 *
 * The chip (DS1338) is read once a minute and counted on from the board's milliseconds between. It
 * is never written: some chips and every emulated one forget what was set, so the difference
 * between the time people set and the chip's is kept in the board's store (mcu_store.h).
 *
 * Always true: time set once and returned 0 is there after any power cut; a chip that does not
 * answer, stopped or holds nonsense reads as "never set" (0) and is said so.
 */
#ifndef BOARD_MCU_CLOCK_H
#define BOARD_MCU_CLOCK_H

#include "board/board.h"
#include "board/mcu/mcu_i2c.h"
#include "board/mcu/mcu_store.h"

struct mcu_clock {
    const struct mcu_i2c *i2c;
    struct mcu_store *store; /* NULL: the offset lasts until the next start only */
    int64_t offset;
    unix_s chip; /* at read_at; 0 unknown */
    mono_ms read_at;
    bool asked;
};

void mcu_clock_init(struct mcu_clock *clock, const struct mcu_i2c *i2c, struct mcu_store *store);
/* Local wall clock, 0: never set. */
unix_s mcu_clock_calendar(struct mcu_clock *clock, mono_ms now);
/* board.h, clock_set. */
int mcu_clock_set(struct mcu_clock *clock, unix_s time, mono_ms now);

#endif
