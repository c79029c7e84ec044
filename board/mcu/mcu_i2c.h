/* An I2C master as ds1338 and expander want it: one exchange at a time, blocking for the few
 * hundred microseconds that it takes. */
#ifndef BOARD_MCU_I2C_H
#define BOARD_MCU_I2C_H

#include <stddef.h>
#include <stdint.h>

struct mcu_i2c {
    void *context;
    /* Writes out_size bytes to the 7-bit address, then reads in_size bytes (repeated start, or stop
     * and start). Either size may be 0. 0 done, < 0 nobody answered. */
    int (*transfer)(void *context, uint8_t address, const uint8_t *out, size_t out_size,
                    uint8_t *in, size_t in_size);
};

#endif
