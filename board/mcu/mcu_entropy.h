/* Random bytes for keys, on a part without a generator of its own.
 *
 * A hash pool: a seed kept in flash, replaced at every start before anything is given out, and the
 * jitter of interrupts and the network against a free-running counter. A factory must write a first
 * seed of true randomness; without one mcu_entropy_random refuses, and there is no TLS. A source
 * that only a test has (semihosting) is marked as such in its name.
 */
#ifndef BOARD_MCU_ENTROPY_H
#define BOARD_MCU_ENTROPY_H

#include "board/mcu/mcu_store.h"

#define MCU_ENTROPY_SEED_BYTES 48u

/* Reads the seed and replaces it. 0 done; < 0 no seed, or flash failed: random will refuse. */
int mcu_entropy_init(struct mcu_store *store);
/* Mixes in whatever is hard to guess. Main loop only. */
void mcu_entropy_stir(const void *data, size_t size);
/* 0 done, < 0 there is no entropy. */
int mcu_entropy_random(uint8_t *data, size_t size);

#endif
