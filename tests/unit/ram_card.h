/* A memory card in RAM for tests (board/mcu/mcu_pages.h): whole blocks, everything counted, power
 * cut on order.
 *
 * A cut makes the n-th write or erase happen in part, in one of the shapes of enum card_tear; from
 * then on the card is dead (every call fails and does nothing) until ram_card_power_on. Blocks that
 * the operation did not name never change.
 */
#ifndef TESTS_RAM_CARD_H
#define TESTS_RAM_CARD_H

#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "board/mcu/mcu_pages.h"

enum card_tear {
    CARD_TEAR_NOTHING,
    CARD_TEAR_WHOLE,   /* done, but nobody heard of it */
    CARD_TEAR_PREFIX,  /* a write: new bytes, then old ones; an erase: the first blocks */
    CARD_TEAR_SUFFIX,  /* the other way round */
    CARD_TEAR_GARBAGE, /* what was written last, or erased, is noise */
    CARD_TEAR_BLANK,   /* FF */
    CARD_TEAR_ZERO,
    CARD_TEARS
};

enum card_fault {
    CARD_FAULT_NONE,
    CARD_FAULT_SILENT,     /* says done, does nothing */
    CARD_FAULT_ERROR,      /* says error, does nothing */
    CARD_FAULT_ERROR_DONE, /* says error, has done it */
    CARD_FAULT_MISDIRECTED /* a write: one block too far */
};

struct ram_card {
    uint32_t count;
    uint8_t (*blocks)[MCU_BLOCK_BYTES];
    uint8_t erased; /* FF or 00 */
    uint64_t random_state;
    uint64_t reads, writes, erases, operations;
    uint64_t cut_at; /* number of the operation, counted from 1; 0: never */
    enum card_tear tear;
    bool dead;
    uint64_t fault_at;
    enum card_fault fault;
    bool reads_fail;
    struct mcu_blocks driver;
};

static inline uint32_t ram_card_random(struct ram_card *card)
{
    card->random_state = card->random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(card->random_state >> 33);
}

static inline void ram_card_noise(struct ram_card *card, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)ram_card_random(card);
}

static inline int ram_card_read(void *context, uint32_t block, uint8_t *data, size_t size)
{
    struct ram_card *card = context;
    assert(block < card->count && size <= MCU_BLOCK_BYTES);
    card->reads++;
    if (card->dead || card->reads_fail)
        return -1;
    memcpy(data, card->blocks[block], size);
    return 0;
}

/* Counts the operation; true: it is the one that is cut. */
static inline bool ram_card_begin(struct ram_card *card, enum card_fault *fault)
{
    card->operations++;
    *fault = card->operations == card->fault_at ? card->fault : CARD_FAULT_NONE;
    card->dead = card->operations == card->cut_at;
    return card->dead;
}

static inline void ram_card_torn_write(struct ram_card *card, uint8_t *block, const uint8_t *fresh)
{
    size_t split = 1 + ram_card_random(card) % (MCU_BLOCK_BYTES - 1);
    switch (card->tear) {
    case CARD_TEAR_WHOLE:
        memcpy(block, fresh, MCU_BLOCK_BYTES);
        break;
    case CARD_TEAR_PREFIX:
        memcpy(block, fresh, split);
        break;
    case CARD_TEAR_SUFFIX:
        memcpy(block + split, fresh + split, MCU_BLOCK_BYTES - split);
        break;
    case CARD_TEAR_GARBAGE:
        ram_card_noise(card, block, MCU_BLOCK_BYTES);
        break;
    case CARD_TEAR_BLANK:
    case CARD_TEAR_ZERO:
        memset(block, card->tear == CARD_TEAR_BLANK ? 0xFF : 0x00, MCU_BLOCK_BYTES);
        break;
    default:
        break;
    }
}

static inline int ram_card_write(void *context, uint32_t block, const uint8_t *data, size_t size)
{
    struct ram_card *card = context;
    uint8_t fresh[MCU_BLOCK_BYTES];
    enum card_fault fault;
    assert(block < card->count && size <= MCU_BLOCK_BYTES);
    if (card->dead)
        return -1;
    card->writes++;
    memcpy(fresh, data, size);
    memset(fresh + size, 0xFF, sizeof fresh - size);
    if (ram_card_begin(card, &fault)) {
        ram_card_torn_write(card, card->blocks[block], fresh);
        return -1;
    }
    if (fault == CARD_FAULT_MISDIRECTED)
        block = (block + 1) % card->count;
    if (fault != CARD_FAULT_SILENT && fault != CARD_FAULT_ERROR)
        memcpy(card->blocks[block], fresh, sizeof fresh);
    return fault == CARD_FAULT_ERROR || fault == CARD_FAULT_ERROR_DONE ? -1 : 0;
}

static inline int ram_card_erase(void *context, uint32_t block, uint32_t count)
{
    struct ram_card *card = context;
    uint32_t from = 0, until = count;
    enum card_fault fault;
    assert(count > 0 && block < card->count && count <= card->count - block);
    if (card->dead)
        return -1;
    card->erases++;
    bool cut = ram_card_begin(card, &fault);
    if (cut && card->tear == CARD_TEAR_NOTHING)
        until = 0;
    else if (cut && card->tear == CARD_TEAR_PREFIX)
        until = ram_card_random(card) % count;
    else if (cut && card->tear == CARD_TEAR_SUFFIX)
        from = ram_card_random(card) % count;
    for (uint32_t i = from; i < until; i++) {
        memset(card->blocks[block + i], card->erased, MCU_BLOCK_BYTES);
        if (cut && card->tear == CARD_TEAR_GARBAGE && ram_card_random(card) % 2 == 0)
            ram_card_noise(card, card->blocks[block + i], MCU_BLOCK_BYTES);
    }
    return cut || fault == CARD_FAULT_ERROR || fault == CARD_FAULT_ERROR_DONE ? -1 : 0;
}

/* A new card, full of noise as any used one. */
static inline void ram_card_init(struct ram_card *card, uint32_t count, uint8_t erased)
{
    memset(card, 0, sizeof *card);
    card->count = count;
    card->blocks = malloc((size_t)count * MCU_BLOCK_BYTES);
    assert(card->blocks != NULL);
    card->erased = erased;
    card->random_state = 1;
    ram_card_noise(card, card->blocks[0], (size_t)count * MCU_BLOCK_BYTES);
    card->driver = (struct mcu_blocks){
        .context = card, .read = ram_card_read, .write = ram_card_write, .erase = ram_card_erase};
}

static inline void ram_card_free(struct ram_card *card)
{
    free(card->blocks);
    card->blocks = NULL;
}

static inline void ram_card_power_on(struct ram_card *card)
{
    card->dead = false;
    card->cut_at = 0;
}

/* The n-th operation from now on is cut. */
static inline void ram_card_cut_in(struct ram_card *card, uint64_t n, enum card_tear tear)
{
    card->cut_at = card->operations + n;
    card->tear = tear;
}

#endif
