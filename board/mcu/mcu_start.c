#include "board/mcu/mcu_start.h"

#include <stdint.h>
#include <string.h>

#include "board/mcu/mcu_fault.h"

#define BELOW_US 32u /* words that this function and what it calls may use */

extern uint32_t stack_paint_start[];
extern uint8_t data_start[], data_end[], data_load[], bss_start[], bss_end[];

static size_t between(const uint8_t *start, const uint8_t *end)
{
    return (uintptr_t)end - (uintptr_t)start;
}

/* What was never used keeps the paint: how deep the stack has been can be read off. */
static void paint_stack(void)
{
    const uint32_t *end = (const uint32_t *)__builtin_frame_address(0) - BELOW_US;
    for (volatile uint32_t *word = stack_paint_start; word < end; word++)
        *word = MCU_STACK_PAINT;
}

void mcu_start(void)
{
    paint_stack();
    memcpy(data_start, data_load, between(data_start, data_end));
    memset(bss_start, 0, between(bss_start, bss_end));
    (void)main();
    mcu_fault_die(MCU_FAULT_UNEXPECTED, 0, 0, 0);
}
