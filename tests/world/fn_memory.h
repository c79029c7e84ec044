/* The emulated FN's storage in memory: it can be cut and torn at every write and sync, and a run
 * can start from a state again for the price of what was written since.
 *
 * It stands behind struct fnm_options.storage (board/fn/fnm_storage.h). Operations are counted from
 * 1: each create, write, zero and sync is one. A cut happens inside the operation with the number
 * it was given: of every write since the last sync, that one included, the memory keeps what the
 * tear shape says; then it is dead, every operation fails and changes nothing, until it is revived.
 *
 * Always true:
 *  1. What was synced is never torn.
 *  2. Same calls, same memory: nothing depends on addresses, clocks or the heap.
 *  3. After fn_memory_restore everything is as it was at the mark, whatever was written, torn or
 *     cut in between: bytes, length, what was synced, the operation count.
 *
 * The world must look at fn_memory_is_dead after each fnm_feed: a dead module's last answer never
 * reached the wire. One thread; the module must be closed for restore and revive.
 */
#ifndef TESTS_WORLD_FN_MEMORY_H
#define TESTS_WORLD_FN_MEMORY_H

#include "board/fn/fnm_storage.h"

struct fn_memory;

/* What a cut leaves of each write that was not synced. `argument` of fn_memory_cut_at: PREFIX and
 * SUFFIX: so many bytes, modulo the size of the write and one; SUBSET and NOISE: the dice. */
enum fn_memory_tear {
    FN_MEMORY_TEAR_NOTHING, /* the bytes before it, and the old length */
    FN_MEMORY_TEAR_ALL,
    FN_MEMORY_TEAR_PREFIX, /* and no length beyond it */
    FN_MEMORY_TEAR_SUFFIX,
    FN_MEMORY_TEAR_SUBSET, /* each byte is the new or the old one */
    FN_MEMORY_TEAR_NOISE,  /* each byte is anything */
    FN_MEMORY_TEARS
};

/* chunk: as the storage grows (0: by records; a file outside the tests has 256 KiB). NULL: out of
 * memory. */
struct fn_memory *fn_memory_create(uint32_t chunk);
void fn_memory_destroy(struct fn_memory *memory);
/* For struct fnm_options. */
const struct fnm_storage *fn_memory_storage(const struct fn_memory *memory);
/* No store, no marks, alive, counters zero. */
void fn_memory_format(struct fn_memory *memory);

uint64_t fn_memory_operations(const struct fn_memory *memory);
/* operation: 0 takes an order back. A number that was passed already never happens. */
void fn_memory_cut_at(struct fn_memory *memory, uint64_t operation, enum fn_memory_tear tear,
                      uint32_t argument);
bool fn_memory_is_dead(const struct fn_memory *memory);
/* The power fails between two operations. */
void fn_memory_kill(struct fn_memory *memory, enum fn_memory_tear tear, uint32_t argument);
/* Power is back: what lies there is what lies there. */
void fn_memory_revive(struct fn_memory *memory);

/* Marks lie on a stack. Saving returns the mark's number, 0: out of memory or dead. Restoring one
 * drops the later ones and keeps itself, as often as wanted. Without marks nothing is remembered
 * but what was not synced. */
uint32_t fn_memory_save(struct fn_memory *memory);
void fn_memory_restore(struct fn_memory *memory, uint32_t mark);
/* Forgets all marks; the content stays. */
void fn_memory_release(struct fn_memory *memory);

/* What lies there, valid until the next operation. */
const uint8_t *fn_memory_bytes(const struct fn_memory *memory, uint64_t *size);
/* CRC-32C of the content and its length, for trace hashes. */
uint32_t fn_memory_digest(const struct fn_memory *memory);

#endif
