/* Flash of the mps2, played by QEMU's file-backed PSRAM: the rules of NOR are kept here.
 *
 * A program may only clear bits and never crosses a page; an erase sets a whole sector. Except
 * during such a call the memory is read only by the MPU (region MPS2_MPU_WINDOW opens one sector),
 * so a stray pointer cannot write flash. Nothing is buffered: what a call returned from is in the
 * file's pages.
 */
#ifndef BOARD_MPS2_PSRAM_FLASH_H
#define BOARD_MPS2_PSRAM_FLASH_H

#include "board/board.h"

#define MPS2_MPU_WINDOW 4u

/* The NOR chip with the journal; the context of its functions is not used. */
extern const struct board_flash mps2_journal_flash;
/* The part's own flash from SLOT_A_BASE to the end of the store: image slots and mcu_store. */
extern const struct board_flash mps2_part_flash;

#endif
