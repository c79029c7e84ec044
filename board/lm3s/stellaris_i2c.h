/* The I2C master of the lm3s6965 (LM3S6965 data sheet, chapter 14) under mcu_i2c.h. Between writing
 * and reading it stops and starts, since QEMU's master ignores a start while it is busy. */
#ifndef BOARD_LM3S_STELLARIS_I2C_H
#define BOARD_LM3S_STELLARIS_I2C_H

#include "board/mcu/mcu_i2c.h"

extern const struct mcu_i2c stellaris_i2c;

void stellaris_i2c_init(void);

#endif
