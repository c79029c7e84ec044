#include "board/lm3s/lm3s_system.h"

#include <stdbool.h>

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_part.h"

#define SYSTEM(offset)     REGISTER(0x400FE000u + (offset))
#define RIS                SYSTEM(0x050u)
#define RCC                SYSTEM(0x060u)
#define RCGC0              SYSTEM(0x100u)
#define RCGC1              SYSTEM(0x104u)
#define RCGC2              SYSTEM(0x108u)
#define RIS_PLL_LOCKED     0x00000040u
#define RCC_BYPASS         0x00000800u
#define RCC_PLL_OFF        0x00002000u
#define RCC_MAIN_OFF       0x00000001u
#define RCC_XTAL           0x000003C0u
#define RCC_XTAL_8MHZ      0x00000380u
#define RCC_SOURCE         0x00000030u /* 0: main oscillator */
#define RCC_DIVIDE         0x00400000u
#define RCC_DIVIDER        0x07800000u
#define RCC_DIVIDE_BY_4    0x01800000u /* 200 MHz / 4 */
#define GATE0_WATCHDOG     0x00000008u
#define GATE1_UARTS        0x00000007u
#define GATE1_SSI0         0x00000010u
#define GATE1_I2C0         0x00001000u
#define GATE2_PORTS        0x0000007Fu
#define GATE2_ETHERNET     0x50000000u /* MAC and PHY */
#define LOCK_TURNS         100000u
#define PORT(base, offset) REGISTER((base) + (offset))
#define PORT_A             0x40004000u
#define PORT_B             0x40005000u
#define PORT_D             0x40007000u
#define PORT_G             0x40026000u
#define FUNCTION           0x420u
#define OPEN_DRAIN         0x50Cu
#define DIGITAL            0x51Cu
#define WATCHDOG(offset)   REGISTER(0x40000000u + (offset))
#define WATCHDOG_LOAD      WATCHDOG(0x000u)
#define WATCHDOG_VALUE     WATCHDOG(0x004u)
#define WATCHDOG_CONTROL   WATCHDOG(0x008u)
#define WATCHDOG_LOCK      WATCHDOG(0xC00u)
#define WATCHDOG_KEY       0x1ACCE551u
#define WATCHDOG_ON        3u /* interrupt and reset */
#define WATCHDOG_TICKS     (LM3S_WATCHDOG_MS * MCU_TICKS_PER_MS)

#define WATCHDOG_START (LM3S_WATCHDOG_START_MS * MCU_TICKS_PER_MS)

static uint32_t elapsed;
static uint32_t value_seen;
static bool turning; /* the loop is: the watchdog has its short time */

static void pins(uintptr_t port, uint32_t which)
{
    PORT(port, FUNCTION) |= which;
    PORT(port, DIGITAL) |= which;
}

void lm3s_system_init(void)
{
    uint32_t rcc = (RCC | RCC_BYPASS) & ~RCC_DIVIDE;
    RCC = rcc;
    rcc &= ~(RCC_MAIN_OFF | RCC_XTAL | RCC_SOURCE | RCC_PLL_OFF | RCC_DIVIDER);
    rcc |= RCC_XTAL_8MHZ | RCC_DIVIDE_BY_4 | RCC_DIVIDE;
    RCC = rcc;
    for (unsigned turn = 0; turn < LOCK_TURNS && (RIS & RIS_PLL_LOCKED) == 0; turn++)
        ;
    RCC = rcc & ~RCC_BYPASS;
    RCGC0 |= GATE0_WATCHDOG;
    RCGC1 |= GATE1_UARTS | GATE1_SSI0 | GATE1_I2C0;
    RCGC2 |= GATE2_PORTS | GATE2_ETHERNET;
    barrier();
    pins(PORT_A, 0x37u); /* UART0: 0, 1; SSI0: 2, 4, 5 */
    pins(PORT_B, 0x0Cu); /* I2C0: 2, 3 */
    PORT(PORT_B, OPEN_DRAIN) |= 0x0Cu;
    pins(PORT_D, 0x0Cu); /* UART1: 2, 3 */
    pins(PORT_G, 0x03u); /* UART2: 0, 1 */
}

uint32_t mcu_part_ticks(void)
{
    uint32_t value = WATCHDOG_VALUE;
    elapsed += value_seen - value;
    value_seen = value;
    return elapsed;
}

static void load(uint32_t ticks)
{
    WATCHDOG_LOCK = WATCHDOG_KEY;
    WATCHDOG_LOAD = ticks;
    WATCHDOG_CONTROL = WATCHDOG_ON;
    WATCHDOG_LOCK = 0;
    value_seen = ticks;
}

void lm3s_watchdog_init(void)
{
    load(WATCHDOG_START);
    interrupt_enable(LM3S_WATCHDOG_INTERRUPT);
}

void mcu_part_watchdog_feed(void)
{
    (void)mcu_part_ticks();
    if (turning && WATCHDOG_TICKS - value_seen < WATCHDOG_TICKS / 8u)
        return;
    turning = true;
    load(WATCHDOG_TICKS);
}
