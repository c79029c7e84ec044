#include "board/mps2/memory.h"
#include "board/mps2/mps2_update.h"
#include "board/mps2/psram_flash.h"

void mps2_slots_init(struct mcu_slots *slots, struct mcu_store *store)
{
    *slots = (struct mcu_slots){.board = "mps2",
                                .flash = &mps2_part_flash,
                                .offset = {0, SLOT_B_BASE - SLOT_A_BASE},
                                .address = {SLOT_A_BASE, SLOT_B_BASE},
                                .size = SLOT_SIZE,
                                .store = store};
}
