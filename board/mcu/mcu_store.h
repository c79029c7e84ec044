/* A board's own small memory on flash: the newest value of a few kinds, safe from power cuts.
 *
 * What a port must remember and the fiscal journal has no business with: the offset of the calendar
 * clock, the seed of the random generator, the state of the two firmware slots. Two or more
 * sectors in turn; records of kind, size, value and CRC-32C, appended; when a sector is full the
 * newest value of each kind is copied into the next, which counts only when its header was written
 * last. The first stage reads and writes it too, so it must stay small: no statics, no heap.
 *
 * Always true: after a cut at any flash operation each kind has its old or its new value; a value
 * once put and returned is there after any later cut.
 */
#ifndef BOARD_MCU_STORE_H
#define BOARD_MCU_STORE_H

#include "board/board.h"

#define MCU_STORE_VALUE_MAX 128u
#define MCU_STORE_KINDS     8u

enum mcu_store_kind {
    MCU_STORE_CLOCK_OFFSET = 1, /* i64 seconds: calendar minus clock chip */
    MCU_STORE_SEED = 2,         /* 48 bytes, replaced at each start */
    MCU_STORE_BOOT = 3,         /* state of the firmware slots, mcu_slots.h */
    MCU_STORE_FAULTS = 4 /* u32 count of faults and watchdog bites, and the last one's record */
};

struct mcu_store {
    const struct board_flash *flash;
    void *context;    /* of the flash functions */
    uint32_t address; /* of the first sector */
    uint32_t sectors; /* at least 2; 0: mounting failed, get and put fail too */
    uint32_t sector;  /* in use, 0.. */
    uint32_t offset;  /* next free byte in it */
    uint32_t generation;
    uint32_t newest[MCU_STORE_KINDS]; /* offset of each kind's newest record here, 0: none */
};

/* Finds the newest sector or makes an empty one. 0 done, < 0 flash failed. */
int mcu_store_mount(struct mcu_store *store, const struct board_flash *flash, void *context,
                    uint32_t address, uint32_t sectors);
/* Copies the value; its size, 0 absent, < 0 flash failed. */
int mcu_store_get(struct mcu_store *store, enum mcu_store_kind kind, void *value, size_t capacity);
/* Durable when it returns 0. Writes nothing when the value is there already. */
int mcu_store_put(struct mcu_store *store, enum mcu_store_kind kind, const void *value,
                  size_t size);

#endif
