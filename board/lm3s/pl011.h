/* The three PL011 UARTs of the lm3s6965 (LM3S6965 data sheet, chapter 12): 0 the shop's computer, 1
 * the fiscal module, 2 the print head. None is left for a trace.
 *
 * FIFOs of 16 bytes each way. The interrupt handler moves bytes between FIFO and ring and wakes the
 * loop; nothing else happens in it. It empties the receive FIFO whole: QEMU's interrupt comes with
 * the first byte only, and has no time-out.
 */
#ifndef BOARD_LM3S_PL011_H
#define BOARD_LM3S_PL011_H

#include "board/mcu/mcu_uart.h"

#define PL011_UARTS 3u

extern struct mcu_uart pl011_uarts[PL011_UARTS];

void pl011_init(void);
void pl011_host_interrupt(void);    /* 5 */
void pl011_fn_interrupt(void);      /* 6 */
void pl011_printer_interrupt(void); /* 33 */

#endif
