/* The few registers and instructions of a Cortex-M3 that a board of ours uses (ARMv7-M Architecture
 * Reference Manual, B3). Only for code that runs on the part. */
#ifndef BOARD_MCU_CORTEX_M3_H
#define BOARD_MCU_CORTEX_M3_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define SYSTICK_CONTROL   REGISTER(0xE000E010u) /* bit 0 on, 1 interrupt, 2 core clock */
#define SYSTICK_RELOAD    REGISTER(0xE000E014u)
#define SYSTICK_CURRENT   REGISTER(0xE000E018u)
#define NVIC_ENABLE(n)    REGISTER(0xE000E100u + 4u * (n))
#define SCB_ICSR          REGISTER(0xE000ED04u)
#define SCB_VTOR          REGISTER(0xE000ED08u)
#define SCB_RESET         REGISTER(0xE000ED0Cu)
#define SCB_RESET_REQUEST 0x05FA0004u
#define SCB_HANDLERS      REGISTER(0xE000ED24u) /* bits 16..18: memory, bus, usage faults */
#define SCB_CFSR          REGISTER(0xE000ED28u)
#define SCB_HFSR          REGISTER(0xE000ED2Cu)
#define SCB_MMFAR         REGISTER(0xE000ED34u)
#define SCB_BFAR          REGISTER(0xE000ED38u)
#define MPU_CONTROL       REGISTER(0xE000ED94u)
#define MPU_NUMBER        REGISTER(0xE000ED98u)
#define MPU_BASE          REGISTER(0xE000ED9Cu)
#define MPU_ATTRIBUTES    REGISTER(0xE000EDA0u)

static inline void interrupts_off(void)
{
    __asm volatile("cpsid i" ::: "memory");
}
static inline void interrupts_on(void)
{
    __asm volatile("cpsie i" ::: "memory");
}
static inline void wait_for_interrupt(void)
{
    __asm volatile("dsb\n wfi" ::: "memory");
}
static inline void barrier(void)
{
    __asm volatile("dsb\n isb" ::: "memory");
}
static inline void interrupt_enable(unsigned number)
{
    NVIC_ENABLE(number / 32u) = 1u << (number % 32u);
}
_Noreturn static inline void reset_part(void)
{
    SCB_RESET = SCB_RESET_REQUEST;
    barrier();
    for (;;)
        ;
}

#endif
