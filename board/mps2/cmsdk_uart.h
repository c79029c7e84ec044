/* The CMSDK UARTs of the mps2: no FIFO, one interrupt a byte (AN385, 3.6; CMSDK TRM, 4.3).
 *
 * 0 the shop's computer, 1 the fiscal module, 2 the print head; 4 the trace, which is written only
 * and never waited for. Interrupt handlers move one byte between register and ring and wake the
 * loop; nothing else happens in them.
 */
#ifndef BOARD_MPS2_CMSDK_UART_H
#define BOARD_MPS2_CMSDK_UART_H

#include "board/mcu/mcu_uart.h"

enum cmsdk_uart_use {
    CMSDK_UART_HOST = 0,
    CMSDK_UART_FN = 1,
    CMSDK_UART_PRINTER = 2,
    CMSDK_UART_TRACE = 3, /* UART4 */
    CMSDK_UARTS
};

extern struct mcu_uart cmsdk_uarts[CMSDK_UARTS];

void cmsdk_uart_init(void);

void cmsdk_uart_host_received(void);
void cmsdk_uart_host_sent(void);
void cmsdk_uart_fn_received(void);
void cmsdk_uart_fn_sent(void);
void cmsdk_uart_printer_received(void);
void cmsdk_uart_printer_sent(void);
void cmsdk_uart_trace_sent(void);

#endif
