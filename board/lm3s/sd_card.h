/* A memory card in SPI mode on SSI0 of the lm3s6965, as blocks for mcu_pages.h (SD Physical Layer
 * Simplified Specification, chapter 7; LM3S6965 data sheet, chapter 13).
 *
 * SDSC and SDHC. Every command and block goes with its check sum, both ways: so a bad wire is not
 * taken for a bad block. A card that does not answer is started anew, once, and the operation tried
 * again; then it has failed. Blocks until the card is ready: a write takes some milliseconds, one
 * that fails up to 3 s, which is less than the watchdog's time.
 */
#ifndef BOARD_LM3S_SD_CARD_H
#define BOARD_LM3S_SD_CARD_H

#include "board/mcu/mcu_pages.h"

extern const struct mcu_blocks sd_card;

/* The SSI and the chip select; the card itself is started by the first operation. */
void sd_card_init(void);

#endif
