#include "board/mcu/mcu_drawer.h"

#include <string.h>

/* PCA9552 data sheet, table 4: LS0 drives LED 0 to 3, two bits each: 00 low (on), 01 off. */
#define EXPANDER_ADDRESS 0x60u
#define REGISTER_INPUT1  1u
#define REGISTER_LS0     6u
#define LED_0_ON         0x54u
#define LED_0_OFF        0x55u
#define SWITCH_OPEN      1u /* INPUT1 bit 0: LED 8 is high */
#define LOOK_EVERY_MS    100u

static void solenoid(struct mcu_drawer *drawer, bool on)
{
    const uint8_t bytes[] = {REGISTER_LS0, on ? LED_0_ON : LED_0_OFF};
    drawer->pulsing = on;
    (void)drawer->i2c->transfer(drawer->i2c->context, EXPANDER_ADDRESS, bytes, sizeof bytes, NULL,
                                0);
}

void mcu_drawer_init(struct mcu_drawer *drawer, const struct mcu_i2c *i2c)
{
    memset(drawer, 0, sizeof *drawer);
    drawer->i2c = i2c;
    solenoid(drawer, false);
}

void mcu_drawer_pulse(struct mcu_drawer *drawer, uint16_t duration_ms, mono_ms now)
{
    drawer->off_at = now + duration_ms;
    solenoid(drawer, true);
}

uint32_t mcu_drawer_step(struct mcu_drawer *drawer, mono_ms now)
{
    static const uint8_t which = REGISTER_INPUT1;
    uint8_t input = 0;
    if (drawer->pulsing && now >= drawer->off_at)
        solenoid(drawer, false);
    if (now >= drawer->look_at) {
        /* No answer reads as shut. */
        if (drawer->i2c->transfer(drawer->i2c->context, EXPANDER_ADDRESS, &which, 1, &input, 1) !=
            0)
            input = 0;
        drawer->open = (input & SWITCH_OPEN) != 0;
        drawer->look_at = now + LOOK_EVERY_MS;
    }
    mono_ms due = drawer->look_at;
    if (drawer->pulsing && drawer->off_at < due)
        due = drawer->off_at;
    return (uint32_t)(due - now);
}
