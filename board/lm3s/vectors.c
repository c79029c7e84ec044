/* The vector table of the lm3s6965, at the beginning of its flash. */
#include "board/lm3s/lm3s_system.h"
#include "board/lm3s/memory.h"
#include "board/lm3s/pl011.h"
#include "board/lm3s/stellaris_ether.h"
#include "board/mcu/mcu_time.h"
#include "board/mcu/mcu_vectors.h"

#define INTERRUPTS 44u

_Static_assert((MCU_EXCEPTIONS + INTERRUPTS) * MCU_VECTOR_BYTES <= VECTORS_SIZE,
               "code begins behind them");

static const union mcu_vector vectors[MCU_EXCEPTIONS + INTERRUPTS]
    __attribute__((section(".vectors"), used)) = {
        MCU_VECTORS(mcu_fault_unexpected, mcu_systick),
        [MCU_EXCEPTIONS + 5] = {pl011_host_interrupt},
        [MCU_EXCEPTIONS + 6] = {pl011_fn_interrupt},
        [MCU_EXCEPTIONS + LM3S_WATCHDOG_INTERRUPT] = {mcu_fault_watchdog},
        [MCU_EXCEPTIONS + 33] = {pl011_printer_interrupt},
        [MCU_EXCEPTIONS + STELLARIS_ETHER_INTERRUPT] = {stellaris_ether_interrupt},
};
