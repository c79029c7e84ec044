#include "board/mps2/shield_i2c.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_part.h"

#define PINS_SET    REGISTER(0x4002A000u) /* reading gives the lines */
#define PINS_CLEAR  REGISTER(0x4002A004u)
#define SCL         1u
#define SDA         2u
#define HALF_CYCLES 125u /* 5 us at 25 MHz */
#define READ_BIT    1u

static void half(void)
{
    uint32_t from = mcu_part_ticks();
    while (mcu_part_ticks() - from < HALF_CYCLES)
        ;
}

static void line(uint32_t pin, bool high)
{
    if (high)
        PINS_SET = pin;
    else
        PINS_CLEAR = pin;
}

static void start(void)
{
    line(SDA, true);
    line(SCL, true);
    half();
    line(SDA, false);
    half();
    line(SCL, false);
}

static void stop(void)
{
    line(SDA, false);
    half();
    line(SCL, true);
    half();
    line(SDA, true);
    half();
}

static bool bit(bool out)
{
    line(SDA, out);
    half();
    line(SCL, true);
    half();
    bool in = (PINS_SET & SDA) != 0;
    line(SCL, false);
    return in;
}

/* True: acknowledged. */
static bool put(uint8_t byte)
{
    for (unsigned i = 0; i < 8; i++)
        (void)bit((byte << i & 0x80) != 0);
    return !bit(true);
}

static uint8_t get(bool last)
{
    uint8_t byte = 0;
    for (unsigned i = 0; i < 8; i++)
        byte = (uint8_t)(byte << 1 | (bit(true) ? 1u : 0u));
    (void)bit(last);
    return byte;
}

static int transfer(void *context, uint8_t address, const uint8_t *out, size_t out_size,
                    uint8_t *in, size_t in_size)
{
    bool answered = true;
    (void)context;
    if (out_size > 0) {
        start();
        answered = put((uint8_t)(address << 1));
        for (size_t i = 0; answered && i < out_size; i++)
            answered = put(out[i]);
    }
    if (answered && in_size > 0) {
        start();
        answered = put((uint8_t)(address << 1 | READ_BIT));
        for (size_t i = 0; answered && i < in_size; i++)
            in[i] = get(i + 1 == in_size);
    }
    stop();
    return answered ? 0 : -1;
}

const struct mcu_i2c shield_i2c = {NULL, transfer};
