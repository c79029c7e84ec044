/* Clock, pins, counter and watchdog of the lm3s6965 (LM3S6965 data sheet, chapters 5, 8, 10).
 *
 * The watchdog is the counter too: its value can be read and it runs at the processor's clock. It
 * warns by interrupt 18 (mcu_fault_watchdog) after LM3S_WATCHDOG_MS and resets after as long again.
 * Feeding it loses the few cycles between reading and loading; so it is fed when an eighth of its
 * time is over, not at each turn.
 */
#ifndef BOARD_LM3S_LM3S_SYSTEM_H
#define BOARD_LM3S_LM3S_SYSTEM_H

#define LM3S_WATCHDOG_MS 4000u /* a card that fails is tried for up to 3 s (sd_card.h) */
#define LM3S_WATCHDOG_START_MS                                                                     \
    20000u /* until the loop turns: a journal on a card takes a second to find */
#define LM3S_WATCHDOG_INTERRUPT 18u

/* 50 MHz from the 8 MHz crystal; everything that the board uses is clocked and has its pins. */
void lm3s_system_init(void);
void lm3s_watchdog_init(void);

#endif
