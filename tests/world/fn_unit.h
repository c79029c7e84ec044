/* One FN of the simulated world: the real emulator of board/fn with its store in memory.
 *
 * A unit can be cut at any write of its store, put back to a marked state, and swapped for another
 * one. It is addressed only through its UART, by sim.c.
 */
#ifndef TESTS_WORLD_FN_UNIT_H
#define TESTS_WORLD_FN_UNIT_H

#include "board/fn/fnm.h"

/* What a cut leaves of the write it hits. */
enum fn_tear {
    FN_TEAR_NOTHING,
    FN_TEAR_ALL,
    FN_TEAR_PREFIX,
    FN_TEAR_SUFFIX,
    FN_TEAR_BYTES,
    FN_TEARS
};

struct fn_unit {
    struct fnm *fnm;
    char serial[17];
    char path[64];
    uint8_t *mark;
    size_t mark_size;
    uint32_t mark_documents, mark_unconfirmed;
};

void fn_unit_open(struct fn_unit *unit, unsigned number, uint64_t seed);
void fn_unit_close(struct fn_unit *unit);
/* RAM of the module is gone; a torn store is read again. */
void fn_unit_power_cycle(struct fn_unit *unit);
/* The n-th write of the store from now on is torn, and the module dead. 0: none. */
void fn_unit_cut(struct fn_unit *unit, uint64_t n, enum fn_tear tear, uint64_t seed);
bool fn_unit_is_dead(const struct fn_unit *unit);
uint64_t fn_unit_writes(const struct fn_unit *unit);
void fn_unit_save(struct fn_unit *unit);
void fn_unit_restore(struct fn_unit *unit);
uint32_t fn_unit_digest(const struct fn_unit *unit);

#endif
