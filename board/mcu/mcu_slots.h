/* The two slots of a board's own flash, and which of them is started.
 *
 *   confirmed image in one slot, nothing in the other
 *        --offer--> the other is on trial: started at most MCU_SLOTS_TRIAL_STARTS times
 *                     --confirm--> it is the confirmed one
 *                     --no starts left, or damaged--> rolled back: the confirmed one again
 *
 * The first stage calls mcu_slots_choose, the running image the rest. A signature costs tens of
 * millions of instructions, a hash a few: so a signature is checked the first time an image is met,
 * its hash is then kept in the board's store, and every later start checks the image against that.
 * Who can write the store can write the first stage as well.
 *
 * Always true: what is started is whole, signed by the maker and made for this board and slot; a
 * start of an image on trial is counted before it begins; after a power cut at any flash operation
 * one of the slots is started. With a store that cannot be read the newest good image is started,
 * with one that cannot be written none is tried.
 */
#ifndef BOARD_MCU_SLOTS_H
#define BOARD_MCU_SLOTS_H

#include "board/board.h"
#include "board/mcu/mcu_store.h"
#include "proto/firmware_image.h"

#define MCU_SLOTS              2u
#define MCU_SLOTS_TRIAL_STARTS 3u

struct mcu_slots {
    const char *board;               /* what images must be made for */
    const struct board_flash *flash; /* holds both slots */
    void *context;                   /* of the flash functions */
    uint32_t offset[MCU_SLOTS];      /* of a slot in it, a sector's beginning */
    uint32_t address[MCU_SLOTS];     /* as images are linked for */
    uint32_t size;                   /* of a slot, header included */
    struct mcu_store *store;         /* mounted */
};

/* First stage: the slot to start, or -1 when neither holds what may be started. why says of each
 * slot that was looked at what was found. is_signed: by the maker. */
int mcu_slots_choose(const struct mcu_slots *slots,
                     bool (*is_signed)(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES]),
                     enum firmware_image_error why[MCU_SLOTS]);
/* For the image that runs in this slot: what became of the last offer, and its version (0: none was
 * ever made). */
enum board_update_state mcu_slots_state(const struct mcu_slots *slots, unsigned running,
                                        uint32_t *version);
/* The image of this version in that slot is whole and signed: it is tried from the next start on.
 * Durable when it returns 0. */
int mcu_slots_offer(const struct mcu_slots *slots, unsigned slot, uint32_t version);
/* The running image, in this slot, works. Durable when it returns 0. */
int mcu_slots_confirm(const struct mcu_slots *slots, unsigned slot);

#endif
