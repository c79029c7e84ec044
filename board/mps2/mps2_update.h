/* The firmware slots of the mps2 as firmware and the first stage see them. */
#ifndef BOARD_MPS2_UPDATE_H
#define BOARD_MPS2_UPDATE_H

#include "board/mcu/mcu_slots.h"

/* store: mounted, and stays. */
void mps2_slots_init(struct mcu_slots *slots, struct mcu_store *store);
/* For the running image. */
const struct board_update *mps2_update_init(struct mcu_store *store);

#endif
