/* Time and sleep of the main loop, on a part's free-running counter (mcu_part.h).
 *
 * Milliseconds come from the counter, never from counted interrupts: those are lost under load. The
 * SysTick only ends a sleep.
 */
#ifndef BOARD_MCU_TIME_H
#define BOARD_MCU_TIME_H

#include "board/board.h"

void mcu_time_init(void);
mono_ms mcu_time_ms(void); /* since mcu_time_init; main loop only */
/* An interrupt has queued something: the next mcu_sleep returns at once. */
void mcu_wake(void);
/* Until mcu_wake or the time is over. arm: asked with interrupts off whether sleeping is still
 * right; may be NULL. */
void mcu_sleep(uint32_t duration_ms, bool (*arm)(void));
void mcu_systick(void); /* handler 15 */

#endif
