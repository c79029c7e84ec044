#include "board/mcu/mcu_clock.h"

#include <string.h>

#define DS1338_ADDRESS  0x68u
#define DS1338_BYTES    8u
#define CONTROL_STOPPED 0x20u /* OSF of the control register: the oscillator stood still */
#define SECONDS_STOPPED 0x80u
#define HOURS_12        0x40u
#define READ_EVERY_MS   60000u
#define OLDEST          1704067200u /* 2024-01-01: a chip before it was never set */

void mcu_clock_init(struct mcu_clock *clock, const struct mcu_i2c *i2c, struct mcu_store *store)
{
    memset(clock, 0, sizeof *clock);
    clock->i2c = i2c;
    clock->store = store;
    if (store != NULL && mcu_store_get(store, MCU_STORE_CLOCK_OFFSET, &clock->offset,
                                       sizeof clock->offset) != (int)sizeof clock->offset)
        clock->offset = 0;
}

static bool from_bcd(uint8_t byte, uint8_t *out)
{
    if ((byte & 15u) > 9 || byte >> 4 > 9)
        return false;
    *out = (uint8_t)((byte >> 4) * 10u + (byte & 15u));
    return true;
}

/* DS1338 data sheet, table 2: seconds, minutes, hours, weekday, day, month, year, control; BCD. */
static unix_s chip_time(const struct mcu_i2c *i2c)
{
    static const uint8_t first = 0;
    uint8_t raw[DS1338_BYTES];
    uint8_t year;
    struct civil_time civil = {0};
    unix_s time;
    if (i2c->transfer(i2c->context, DS1338_ADDRESS, &first, 1, raw, sizeof raw) != 0)
        return 0;
    if ((raw[0] & SECONDS_STOPPED) != 0 || (raw[7] & CONTROL_STOPPED) != 0 ||
        (raw[2] & HOURS_12) != 0)
        return 0;
    if (!from_bcd(raw[0], &civil.second) || !from_bcd(raw[1], &civil.minute) ||
        !from_bcd(raw[2] & 0x3Fu, &civil.hour) || !from_bcd(raw[4], &civil.day) ||
        !from_bcd(raw[5] & 0x1Fu, &civil.month) || !from_bcd(raw[6], &year))
        return 0;
    civil.year = (uint16_t)(2000u + year);
    return civil_to_unix(&civil, &time) ? time : 0;
}

static void look(struct mcu_clock *clock, mono_ms now)
{
    if (clock->asked && now - clock->read_at < READ_EVERY_MS)
        return;
    clock->asked = true;
    clock->read_at = now;
    clock->chip = chip_time(clock->i2c);
}

static int64_t counted(const struct mcu_clock *clock, mono_ms now)
{
    return (int64_t)clock->chip + (int64_t)((now - clock->read_at) / 1000u);
}

unix_s mcu_clock_calendar(struct mcu_clock *clock, mono_ms now)
{
    look(clock, now);
    if (clock->chip == 0)
        return 0;
    int64_t time = counted(clock, now) + clock->offset;
    return time >= (int64_t)OLDEST && time <= (int64_t)UINT32_MAX ? (unix_s)time : 0;
}

int mcu_clock_set(struct mcu_clock *clock, unix_s time, mono_ms now)
{
    clock->asked = false;
    look(clock, now);
    if (clock->chip == 0)
        return -1;
    int64_t offset = (int64_t)time - counted(clock, now);
    if (clock->store != NULL &&
        mcu_store_put(clock->store, MCU_STORE_CLOCK_OFFSET, &offset, sizeof offset) != 0)
        return -1;
    clock->offset = offset;
    return 0;
}
