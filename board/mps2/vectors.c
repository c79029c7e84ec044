/* The vector table of an image, 256 bytes into its slot. */
#include "board/mcu/mcu_time.h"
#include "board/mcu/mcu_vectors.h"
#include "board/mps2/cmsdk_uart.h"
#include "board/mps2/lan9118.h"

#define INTERRUPTS 32u

static const union mcu_vector vectors[MCU_EXCEPTIONS + INTERRUPTS]
    __attribute__((section(".vectors"), used)) = {
        MCU_VECTORS(mcu_fault_watchdog, mcu_systick),
        [MCU_EXCEPTIONS + 0] = {cmsdk_uart_host_received},
        [MCU_EXCEPTIONS + 1] = {cmsdk_uart_host_sent},
        [MCU_EXCEPTIONS + 2] = {cmsdk_uart_fn_received},
        [MCU_EXCEPTIONS + 3] = {cmsdk_uart_fn_sent},
        [MCU_EXCEPTIONS + 4] = {cmsdk_uart_printer_received},
        [MCU_EXCEPTIONS + 5] = {cmsdk_uart_printer_sent},
        [MCU_EXCEPTIONS + 13] = {lan9118_interrupt},
        [MCU_EXCEPTIONS + 21] = {cmsdk_uart_trace_sent},
};
