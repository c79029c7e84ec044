/* The Ethernet controller of the lm3s6965 (LM3S6965 data sheet, chapter 15) under mcu_ether.h.
 *
 * Its receive memory is 2 KB; what does not fit is lost in silence, as on any wire. The cable is
 * asked of the PHY; where none answers, as in QEMU, it is taken to be in.
 */
#ifndef BOARD_LM3S_STELLARIS_ETHER_H
#define BOARD_LM3S_STELLARIS_ETHER_H

#include "board/mcu/mcu_ether.h"

#define STELLARIS_ETHER_INTERRUPT 42u

const struct mcu_ether *stellaris_ether_init(void);
void stellaris_ether_interrupt(void);

#endif
