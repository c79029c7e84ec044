/* What every vector table of a Cortex-M3 begins with (ARMv7-M, B1.5.2 and B1.5.3): stack, start,
 * and the processor's own exceptions. A board's table adds its interrupts behind them. */
#ifndef BOARD_MCU_VECTORS_H
#define BOARD_MCU_VECTORS_H

#include "board/mcu/mcu_fault.h"
#include "board/mcu/mcu_start.h"

#define MCU_EXCEPTIONS   16u
#define MCU_VECTOR_BYTES 4u

union mcu_vector {
    void (*handler)(void);
    uint32_t *stack;
};

extern uint32_t stack_top; /* the linker's */

/* nmi: the watchdog's warning, where it is one; systick: 15. */
#define MCU_VECTORS(nmi, systick)                                                                  \
    [0] = {.stack = &stack_top}, [1] = {mcu_start}, [2] = {nmi}, [3] = {mcu_fault_hard},           \
    [4] = {mcu_fault_memory}, [5] = {mcu_fault_bus}, [6] = {mcu_fault_usage},                      \
    [11] = {mcu_fault_unexpected}, [12] = {mcu_fault_unexpected}, [14] = {mcu_fault_unexpected},   \
    [15] = {systick}

#endif
