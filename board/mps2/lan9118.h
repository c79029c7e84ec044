/* The LAN9118 Ethernet chip of the mps2-an385.
 *
 * Frames are taken and given by the main loop, word by word through the chip's FIFOs. The interrupt
 * only masks itself and wakes the loop; `arm` opens it again before a sleep. A full receive FIFO
 * (about 10 KB) drops frames in silence, so the TCP window is kept far below it (lwipopts.h).
 */
#ifndef BOARD_MPS2_LAN9118_H
#define BOARD_MPS2_LAN9118_H

#include "board/mcu/mcu_ether.h"

#define LAN9118_INTERRUPT 13u

/* The chip out of reset, with the address it was given; a chip that does not answer is a network
 * whose link is down. */
const struct mcu_ether *lan9118_init(void);
void lan9118_interrupt(void);

#endif
