/* Cash drawer on a PCA9552 port expander: the solenoid on LED 0, the switch on LED 8 (high: open).
 *
 * Always true: the pulse ends by itself when mcu_drawer_step is called in time, and by the restart
 * that the watchdog forces when it is not: starting switches the solenoid off first of all.
 */
#ifndef BOARD_MCU_DRAWER_H
#define BOARD_MCU_DRAWER_H

#include "board/board.h"
#include "board/mcu/mcu_i2c.h"

struct mcu_drawer {
    const struct mcu_i2c *i2c;
    bool pulsing;
    mono_ms off_at;
    mono_ms look_at;
    bool open;
};

void mcu_drawer_init(struct mcu_drawer *drawer, const struct mcu_i2c *i2c);
void mcu_drawer_pulse(struct mcu_drawer *drawer, uint16_t duration_ms, mono_ms now);
/* Milliseconds until it must be called again. */
uint32_t mcu_drawer_step(struct mcu_drawer *drawer, mono_ms now);

#endif
