/* A flash chip in RAM for tests: NOR rules enforced, everything counted, power cut and faults on
 * order.
 *
 * Rules: a program stays inside one page and only turns erased bits into programmed ones; an erase
 * takes one whole sector. A violation is a defect of the code under test and ends the process
 * (assert). A cut makes the n-th program or erase happen in part, in one of the shapes of enum
 * ram_tear; from then on the chip is dead (every call fails and does nothing, as when the processor
 * runs on for a moment) until ram_flash_power_on.
 *
 * Unstable cells: a bit of `weak` that is set reads differently each time, until it is programmed
 * or its sector erased. Header-only; every function takes the chip as first argument, board.h's
 * four as void pointer.
 */
#ifndef TESTS_RAM_FLASH_H
#define TESTS_RAM_FLASH_H

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "board/board.h"

enum ram_tear {
    RAM_TEAR_NOTHING,
    RAM_TEAR_WHOLE, /* done, but nobody heard of it */
    RAM_TEAR_PREFIX,
    RAM_TEAR_SUFFIX,
    RAM_TEAR_RANDOM_BITS,
    RAM_TEAR_RANDOM_BYTES,
    RAM_TEAR_FIRST_BYTE,
    RAM_TEAR_LAST_BYTE,
    RAM_TEAR_ALL_BUT_LAST_BYTE,
    RAM_TEAR_UNSTABLE, /* erase: looks done, but cells are unstable; program: as RANDOM_BITS */
    RAM_TEARS
};

enum ram_fault {
    RAM_FAULT_NONE,
    RAM_FAULT_SILENT,      /* says done, does nothing */
    RAM_FAULT_ERROR,       /* says error, does nothing */
    RAM_FAULT_ERROR_DONE,  /* says error, has done it */
    RAM_FAULT_MISDIRECTED, /* a program: one address bit wrong, where the rules allow */
    RAM_FAULTS
};

struct ram_flash {
    uint32_t size, sector_size, page_size;
    uint8_t erased;
    uint8_t *bytes;
    uint8_t *weak;
    bool any_weak; /* false: no bit of weak is set */
    uint32_t *sector_erases;
    uint64_t random_state;

    uint64_t reads, read_bytes, programs, programmed_bytes, erases, syncs;
    uint64_t operations; /* programs + erases */

    uint64_t cut_at; /* number of the operation, counted from 1 as `operations`; 0: never */
    enum ram_tear tear;
    bool dead;

    uint64_t fault_at; /* as cut_at */
    enum ram_fault fault;
    bool fault_stays;          /* and all operations after it suffer the same */
    uint32_t reads_to_fail;    /* the next so many reads report an error */
    uint64_t fail_reads_after; /* from the n-th next read on all report an error; 0: never */
    bool has_bad_sector;
    uint32_t bad_sector; /* never erases; UINT32_MAX: none does */

    /* Called before each operation of a living chip: data is NULL for an erase. */
    void (*before)(void *user, struct ram_flash *flash, uint32_t address, const uint8_t *data,
                   size_t size);
    void *before_user;
};

static inline uint32_t ram_flash_random(struct ram_flash *flash)
{
    flash->random_state = flash->random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(flash->random_state >> 33);
}

/* Blank, as delivered. */
static inline void ram_flash_init(struct ram_flash *flash, uint32_t size, uint32_t sector_size,
                                  uint32_t page_size, uint8_t erased)
{
    assert(size % sector_size == 0 && sector_size % page_size == 0);
    memset(flash, 0, sizeof(*flash));
    flash->size = size;
    flash->sector_size = sector_size;
    flash->page_size = page_size;
    flash->erased = erased;
    flash->bytes = malloc(size);
    flash->weak = calloc(1, size);
    flash->sector_erases = calloc(size / sector_size, sizeof(uint32_t));
    flash->random_state = 1;
    assert(flash->bytes != NULL && flash->weak != NULL && flash->sector_erases != NULL);
    memset(flash->bytes, erased, size);
}

static inline void ram_flash_free(struct ram_flash *flash)
{
    free(flash->bytes);
    free(flash->weak);
    free(flash->sector_erases);
    memset(flash, 0, sizeof(*flash));
}

/* Makes copy (initialised with the same geometry) hold what flash holds, alive, with no cut, fault
 * or hook. */
static inline void ram_flash_copy(struct ram_flash *copy, const struct ram_flash *flash)
{
    assert(copy->size == flash->size && copy->sector_size == flash->sector_size);
    uint8_t *bytes = copy->bytes;
    uint8_t *weak = copy->weak;
    uint32_t *sector_erases = copy->sector_erases;
    *copy = *flash;
    copy->bytes = bytes;
    copy->weak = weak;
    copy->sector_erases = sector_erases;
    copy->dead = false;
    copy->cut_at = copy->fault_at = 0;
    copy->reads_to_fail = 0;
    copy->fail_reads_after = 0;
    copy->before = NULL;
    memcpy(bytes, flash->bytes, flash->size);
    memcpy(weak, flash->weak, flash->size);
    memcpy(sector_erases, flash->sector_erases,
           flash->size / flash->sector_size * sizeof(uint32_t));
}

static inline void ram_flash_power_on(struct ram_flash *flash)
{
    flash->dead = false;
    flash->cut_at = 0;
}

/* The n-th operation from now on is cut. */
static inline void ram_flash_cut_in(struct ram_flash *flash, uint64_t n, enum ram_tear tear)
{
    flash->cut_at = flash->operations + n;
    flash->tear = tear;
}

/* How much of byte i of size is done by a torn operation: a mask of the bits that change. */
static inline uint8_t ram_flash_tear_mask(struct ram_flash *flash, enum ram_tear tear, size_t i,
                                          size_t size, size_t split)
{
    switch (tear) {
    case RAM_TEAR_NOTHING:
        return 0;
    case RAM_TEAR_PREFIX:
        return i < split ? 0xFF : 0;
    case RAM_TEAR_SUFFIX:
        return i >= split ? 0xFF : 0;
    case RAM_TEAR_RANDOM_BITS:
        return (uint8_t)ram_flash_random(flash);
    case RAM_TEAR_RANDOM_BYTES:
        return (ram_flash_random(flash) & 1) != 0 ? 0xFF : 0;
    case RAM_TEAR_FIRST_BYTE:
        return i == 0 ? 0xFF : 0;
    case RAM_TEAR_LAST_BYTE:
        return i + 1 == size ? 0xFF : 0;
    case RAM_TEAR_ALL_BUT_LAST_BYTE:
        return i + 1 < size ? 0xFF : 0;
    default:
        return 0xFF;
    }
}

static inline void ram_flash_apply_program(struct ram_flash *flash, uint32_t address,
                                           const uint8_t *data, size_t size, enum ram_tear tear)
{
    uint8_t invert = (uint8_t)(flash->erased ^ 0xFF);
    size_t split = size < 2 ? 0 : 1 + ram_flash_random(flash) % (size - 1);
    if (tear == RAM_TEAR_UNSTABLE)
        tear = RAM_TEAR_RANDOM_BITS;
    for (size_t i = 0; i < size; i++) {
        uint8_t mask = ram_flash_tear_mask(flash, tear, i, size, split);
        uint8_t cleared = (uint8_t)(~(data[i] ^ invert) & mask);
        uint8_t old = flash->bytes[address + i] ^ invert;
        flash->bytes[address + i] = (uint8_t)((old & ~cleared) ^ invert);
        flash->weak[address + i] = (uint8_t)(flash->weak[address + i] & ~cleared);
    }
}

static inline void ram_flash_apply_erase(struct ram_flash *flash, uint32_t address,
                                         enum ram_tear tear)
{
    size_t size = flash->sector_size;
    uint8_t invert = (uint8_t)(flash->erased ^ 0xFF);
    size_t split = 1 + ram_flash_random(flash) % (size - 1);
    for (size_t i = 0; i < size; i++) {
        uint8_t mask = ram_flash_tear_mask(flash, tear, i, size, split);
        uint8_t old = flash->bytes[address + i] ^ invert;
        flash->bytes[address + i] = (uint8_t)((old | mask) ^ invert);
        flash->weak[address + i] = (uint8_t)(flash->weak[address + i] & ~mask);
        if (tear == RAM_TEAR_UNSTABLE) {
            flash->any_weak = true;
            uint32_t unstable = ram_flash_random(flash);
            unstable &= ram_flash_random(flash); /* one bit in four */
            flash->weak[address + i] = (uint8_t)unstable;
        }
    }
    flash->sector_erases[address / flash->sector_size]++;
}

static inline int ram_flash_read(void *context, uint32_t address, void *data, size_t size)
{
    struct ram_flash *flash = context;
    uint8_t *out = data;
    assert(address <= flash->size && size <= flash->size - address);
    if (flash->dead)
        return -1;
    flash->reads++;
    flash->read_bytes += size;
    if (flash->fail_reads_after > 1) {
        flash->fail_reads_after--;
    } else if (flash->reads_to_fail > 0 || flash->fail_reads_after == 1) {
        flash->reads_to_fail -= flash->reads_to_fail > 0 ? 1u : 0u;
        memset(out, 0xA5, size);
        return -1;
    }
    memcpy(out, flash->bytes + address, size);
    for (size_t i = 0; i < size && flash->any_weak; i++) {
        if (flash->weak[address + i] != 0)
            out[i] = (uint8_t)(out[i] ^ (flash->weak[address + i] & ram_flash_random(flash)));
    }
    return 0;
}

/* Counts the operation and says what becomes of it. */
static inline bool ram_flash_begin(struct ram_flash *flash, enum ram_tear *tear,
                                   enum ram_fault *fault)
{
    flash->operations++;
    *tear = RAM_TEAR_WHOLE;
    bool faulty =
        flash->operations == flash->fault_at ||
        (flash->fault_stays && flash->fault_at > 0 && flash->operations > flash->fault_at);
    *fault = faulty ? flash->fault : RAM_FAULT_NONE;
    if (flash->operations != flash->cut_at)
        return true;
    *tear = flash->tear;
    flash->dead = true;
    return false;
}

static inline bool ram_flash_may_program(const struct ram_flash *flash, uint32_t address,
                                         const uint8_t *data, size_t size)
{
    uint8_t invert = (uint8_t)(flash->erased ^ 0xFF);
    for (size_t i = 0; i < size; i++) {
        uint8_t old = (flash->bytes[address + i] ^ invert) | flash->weak[address + i];
        if (((data[i] ^ invert) & ~old) != 0)
            return false;
    }
    return true;
}

static inline int ram_flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    struct ram_flash *flash = context;
    enum ram_tear tear;
    enum ram_fault fault;
    assert(size > 0 && address <= flash->size && size <= flash->size - address);
    assert(address / flash->page_size == (address + size - 1) / flash->page_size);
    if (flash->dead)
        return -1;
    assert(ram_flash_may_program(flash, address, data, size));
    if (flash->before != NULL)
        flash->before(flash->before_user, flash, address, data, size);
    flash->programs++;
    flash->programmed_bytes += size;
    bool alive = ram_flash_begin(flash, &tear, &fault);
    if (fault == RAM_FAULT_SILENT || fault == RAM_FAULT_ERROR)
        return fault == RAM_FAULT_SILENT ? 0 : -1;
    if (fault == RAM_FAULT_MISDIRECTED) {
        uint32_t wrong = address ^ (1u << (6 + ram_flash_random(flash) % 8));
        if (wrong + size > flash->size || !ram_flash_may_program(flash, wrong, data, size))
            return 0;
        address = wrong;
    }
    ram_flash_apply_program(flash, address, data, size, tear);
    return alive && fault != RAM_FAULT_ERROR_DONE ? 0 : -1;
}

static inline int ram_flash_erase(void *context, uint32_t address)
{
    struct ram_flash *flash = context;
    enum ram_tear tear;
    enum ram_fault fault;
    assert(address < flash->size && address % flash->sector_size == 0);
    if (flash->dead)
        return -1;
    if (flash->before != NULL)
        flash->before(flash->before_user, flash, address, NULL, flash->sector_size);
    flash->erases++;
    bool alive = ram_flash_begin(flash, &tear, &fault);
    if (flash->has_bad_sector &&
        (flash->bad_sector == UINT32_MAX || flash->bad_sector == address / flash->sector_size))
        return alive ? 0 : -1;
    if (fault == RAM_FAULT_SILENT || fault == RAM_FAULT_ERROR)
        return fault == RAM_FAULT_SILENT ? 0 : -1;
    ram_flash_apply_erase(flash, address, tear);
    return alive && fault != RAM_FAULT_ERROR_DONE ? 0 : -1;
}

static inline int ram_flash_sync(void *context)
{
    struct ram_flash *flash = context;
    if (flash->dead)
        return -1;
    flash->syncs++;
    return 0;
}

/* A board that has nothing but this chip. */
static inline void ram_flash_board(struct ram_flash *flash, struct board *board)
{
    memset(board, 0, sizeof(*board));
    board->context = flash;
    board->serial = "RAM";
    board->model = "RAM";
    board->flash.size = flash->size;
    board->flash.sector_size = flash->sector_size;
    board->flash.page_size = flash->page_size;
    board->flash.erased = flash->erased;
    board->flash.read = ram_flash_read;
    board->flash.program = ram_flash_program;
    board->flash.erase = ram_flash_erase;
    board->flash.sync = ram_flash_sync;
}

#endif
