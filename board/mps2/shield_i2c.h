/* I2C on the pins of the mps2's second shield, bit by bit (AN385, 3.8): about 100 kHz. */
#ifndef BOARD_MPS2_SHIELD_I2C_H
#define BOARD_MPS2_SHIELD_I2C_H

#include "board/mcu/mcu_i2c.h"

extern const struct mcu_i2c shield_i2c;

#endif
