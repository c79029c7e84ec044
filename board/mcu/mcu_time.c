#include "board/mcu/mcu_time.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_part.h"

#define SYSTICK_MAX    0xFFFFFFu
#define SYSTICK_MAX_MS (SYSTICK_MAX / MCU_CORE_TICKS_PER_MS)
#define SYSTICK_RUN    7u

static uint32_t ticks_seen;
static uint32_t ticks_left;
static mono_ms milliseconds;
static volatile bool woken;

void mcu_time_init(void)
{
    ticks_seen = mcu_part_ticks();
}

mono_ms mcu_time_ms(void)
{
    uint32_t seen = mcu_part_ticks();
    uint64_t ticks = (uint64_t)(seen - ticks_seen) + ticks_left;
    ticks_seen = seen;
    milliseconds += ticks / MCU_TICKS_PER_MS;
    ticks_left = (uint32_t)(ticks % MCU_TICKS_PER_MS);
    return milliseconds;
}

void mcu_wake(void)
{
    woken = true;
}

void mcu_systick(void)
{
    SYSTICK_CONTROL = 0;
    woken = true;
}

void mcu_sleep(uint32_t duration_ms, bool (*arm)(void))
{
    if (duration_ms == 0 || woken) {
        woken = false;
        return;
    }
    if (duration_ms > SYSTICK_MAX_MS)
        duration_ms = SYSTICK_MAX_MS;
    SYSTICK_RELOAD = duration_ms * MCU_CORE_TICKS_PER_MS - 1u;
    SYSTICK_CURRENT = 0;
    SYSTICK_CONTROL = SYSTICK_RUN;
    for (;;) {
        /* With interrupts off WFI still ends when one is pending: none can slip in between the
         * question and the sleep. */
        interrupts_off();
        bool stay = !woken && (arm == NULL || arm());
        if (stay)
            wait_for_interrupt();
        interrupts_on();
        if (!stay || woken)
            break;
    }
    SYSTICK_CONTROL = 0;
    woken = false;
}
