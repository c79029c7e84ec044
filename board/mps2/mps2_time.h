/* The counter and the watchdog of the mps2 (AN385; CMSDK TRM, watchdog).
 *
 * The watchdog warns by NMI after MPS2_WATCHDOG_MS (mcu_fault.h records where the loop hung), and
 * resets after as long again.
 */
#ifndef BOARD_MPS2_MPS2_TIME_H
#define BOARD_MPS2_MPS2_TIME_H

#include "board/board.h"

#define MPS2_WATCHDOG_MS 2000u

void mps2_watchdog_init(void);

#endif
