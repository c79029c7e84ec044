/* A UART as the main loop sees it: two rings, and counters of what was lost.
 *
 * The board's driver (board/mps2/cmsdk_uart.c, board/lm3s/pl011.c) owns the registers. Its receive
 * interrupt puts bytes into `in`, its transmit interrupt takes them from `out`; nothing else is
 * done in an interrupt. `kick` starts transmission when the transmitter is idle; mcu_uart_write
 * calls it after each write, from the main loop.
 */
#ifndef BOARD_MCU_UART_H
#define BOARD_MCU_UART_H

#include "board/mcu/mcu_ring.h"

struct mcu_uart {
    struct mcu_ring in, out;
    volatile uint32_t overruns; /* bytes the hardware lost, told by its status bits */
    void (*kick)(struct mcu_uart *uart);
    /* The same for receiving, after each read that made room: what waits in a FIFO, because the
     * ring was full, comes now. NULL: the hardware keeps nothing. */
    void (*drain)(struct mcu_uart *uart);
    uintptr_t registers; /* base address, the driver's */
};

/* board.h, port_read and port_write. */
int mcu_uart_read(struct mcu_uart *uart, uint8_t *data, size_t size);
int mcu_uart_write(struct mcu_uart *uart, const uint8_t *data, size_t size);

#endif
