#include "board/mps2/mps2_update.h"

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_signature.h"
#include "board/mps2/memory.h"
#include "board/mps2/psram_flash.h"

/* The maker's, made by kkt-image public while building. */
extern const uint8_t image_public_key[FIRMWARE_IMAGE_KEY_BYTES];

static struct mcu_slots slots;
static struct board_update update;

static unsigned running(void)
{
    return SCB_VTOR >= SLOT_B_BASE ? 1 : 0;
}

static int check(void *context, const uint8_t *header)
{
    (void)context;
    return mcu_signature_step(header, image_public_key);
}

static int offer(void *context, uint32_t version)
{
    (void)context;
    return mcu_slots_offer(&slots, 1u - running(), version);
}

static int confirm(void *context)
{
    (void)context;
    return mcu_slots_confirm(&slots, running());
}

static enum board_update_state state(void *context, uint32_t *version)
{
    (void)context;
    return mcu_slots_state(&slots, running(), version);
}

static void restart(void *context)
{
    (void)context;
    reset_part();
}

/* Its own header: the first stage has checked it. */
static uint32_t running_version(void)
{
    const struct firmware_image_slot place = {slots.board, slots.address[running()], slots.size};
    struct firmware_image image;
    const uint8_t *header = (const uint8_t *)(uintptr_t)slots.address[running()];
    return firmware_image_get(header, &place, &image) == FIRMWARE_IMAGE_OK ? image.version : 0;
}

const struct board_update *mps2_update_init(struct mcu_store *store)
{
    mps2_slots_init(&slots, store);
    update = (struct board_update){.name = slots.board,
                                   .flash = slots.flash,
                                   .base = slots.offset[1u - running()],
                                   .address = slots.address[1u - running()],
                                   .size = slots.size,
                                   .version = running_version(),
                                   .check = check,
                                   .offer = offer,
                                   .confirm = confirm,
                                   .state = state,
                                   .restart = restart};
    return &update;
}
