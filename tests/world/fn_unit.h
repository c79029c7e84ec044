/* One FN of the simulated world: the real emulator of board/fn with its store in memory.
 *
 * A unit can be cut at any write or sync of its store, put back to a marked state, and swapped for
 * another one. It is addressed only through its UART, by sim.c. After a power cycle its store is
 * read again, as a real module wakes.
 */
#ifndef TESTS_WORLD_FN_UNIT_H
#define TESTS_WORLD_FN_UNIT_H

#include "board/fn/fnm.h"
#include "tests/world/fn_memory.h"

struct fn_unit {
    struct fnm *fnm;
    struct fn_memory *memory;
    char serial[17];
    uint8_t key[16];
    uint32_t mark;
    uint64_t mark_operations; /* unchanged: nothing was written since the mark */
};

void fn_unit_open(struct fn_unit *unit, unsigned number, uint64_t seed);
void fn_unit_close(struct fn_unit *unit);
/* RAM of the module is gone; a torn store is read again. */
void fn_unit_power_cycle(struct fn_unit *unit);
/* The n-th operation of the store from now on is torn, and the module dead. 0: none. */
void fn_unit_cut(struct fn_unit *unit, uint64_t n, enum fn_memory_tear tear, uint32_t argument);
bool fn_unit_is_dead(const struct fn_unit *unit);
void fn_unit_save(struct fn_unit *unit);
void fn_unit_restore(struct fn_unit *unit);
uint32_t fn_unit_digest(const struct fn_unit *unit);

#endif
