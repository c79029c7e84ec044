#include "board/mps2/mps2_time.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_part.h"

#define COUNTER          REGISTER(0x40028018u) /* FPGAIO: up, 25 MHz */
#define WATCHDOG_LOAD    REGISTER(0x40008000u)
#define WATCHDOG_CONTROL REGISTER(0x40008008u)
#define WATCHDOG_CLEAR   REGISTER(0x4000800Cu)
#define WATCHDOG_LOCK    REGISTER(0x40008C00u)
#define WATCHDOG_KEY     0x1ACCE551u
#define WATCHDOG_ON      3u /* interrupt and reset */

uint32_t mcu_part_ticks(void)
{
    return COUNTER;
}

void mps2_watchdog_init(void)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_LOAD = MPS2_WATCHDOG_MS * MCU_TICKS_PER_MS;
    WATCHDOG_CONTROL = WATCHDOG_ON;
    WATCHDOG_LOCK = 0;
}

void mcu_part_watchdog_feed(void)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_CLEAR = 1; /* loads the counter again */
    WATCHDOG_LOCK = 0;
}
