#include "board/lm3s/stellaris_i2c.h"

#include <stdbool.h>

#include "board/mcu/cortex_m3.h"

#define I2C(offset) REGISTER(0x40020000u + (offset))
#define ADDRESS     I2C(0x00u)
#define CONTROL     I2C(0x04u) /* reading gives the state */
#define DATA        I2C(0x08u)
#define PERIOD      I2C(0x0Cu)
#define MASTER      I2C(0x20u)
#define MASTER_ON   0x10u
#define PERIOD_100K 24u /* 50 MHz / (20 * 100 kHz) - 1 */
#define RUN         1u
#define START       2u
#define STOP        4u
#define ACKNOWLEDGE 8u
#define STATE_BUSY  1u
#define STATE_ERROR 2u
#define READ_BIT    1u
#define TURNS_MAX   20000u /* of waiting for one byte: a millisecond and more */

void stellaris_i2c_init(void)
{
    MASTER = MASTER_ON;
    PERIOD = PERIOD_100K;
}

static bool run(uint32_t control)
{
    CONTROL = control;
    for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
        uint32_t state = CONTROL;
        if ((state & STATE_BUSY) != 0)
            continue;
        if ((state & STATE_ERROR) == 0)
            return true;
        CONTROL = STOP;
        return false;
    }
    return false;
}

static int transfer(void *context, uint8_t address, const uint8_t *out, size_t out_size,
                    uint8_t *in, size_t in_size)
{
    (void)context;
    ADDRESS = (uint32_t)address << 1;
    for (size_t i = 0; i < out_size; i++) {
        DATA = out[i];
        if (!run(RUN | (i == 0 ? START : 0u) | (i + 1 == out_size ? STOP : 0u)))
            return -1;
    }
    ADDRESS = (uint32_t)address << 1 | READ_BIT;
    for (size_t i = 0; i < in_size; i++) {
        if (!run(RUN | (i == 0 ? START : 0u) | (i + 1 == in_size ? STOP : ACKNOWLEDGE)))
            return -1;
        in[i] = (uint8_t)DATA;
    }
    return 0;
}

const struct mcu_i2c stellaris_i2c = {NULL, transfer};
