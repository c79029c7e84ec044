/* The first stage uses no interrupts; a fault in it is recorded like one in an image. */
#include "board/mcu/mcu_vectors.h"

static const union mcu_vector vectors[MCU_EXCEPTIONS] __attribute__((section(".vectors"), used)) = {
    MCU_VECTORS(mcu_fault_watchdog, mcu_fault_unexpected),
};
