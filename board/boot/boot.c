/* The first stage of the mps2: starts one of the two images (board/mcu/mcu_slots.h).
 *
 * With nothing to start it says why on the trace, for each slot, and stays where it is.
 */
#include <mbedtls/memory_buffer_alloc.h>

#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_fault.h"
#include "board/mcu/mcu_signature.h"
#include "board/mcu/mcu_slots.h"
#include "board/mcu/mcu_start.h"
#include "board/mps2/memory.h"
#include "board/mps2/mps2_time.h"
#include "board/mps2/mps2_update.h"
#include "board/mps2/psram_flash.h"

#define POOL_BYTES    12288u
#define TRACE_DATA    REGISTER(0x40009000u)
#define TRACE_STATE   REGISTER(0x40009004u)
#define TRACE_CONTROL REGISTER(0x40009008u)
#define TRACE_DIVIDER REGISTER(0x40009010u)
#define TX_ON         1u
#define TX_FULL       1u
#define DIVIDER       217u /* 115200 baud of 25 MHz */

/* The maker's, made by kkt-image public while building. */
extern const uint8_t image_public_key[FIRMWARE_IMAGE_KEY_BYTES];

static uint8_t pool[POOL_BYTES];

static void say(const char *text)
{
    while (*text != '\0') {
        while ((TRACE_STATE & TX_FULL) != 0)
            ;
        TRACE_DATA = (uint8_t)*text++;
    }
}

static bool is_signed(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES])
{
    return mcu_signature_right(header, image_public_key);
}

_Noreturn static void start(uint32_t slot_address)
{
    /* From here on: an image that hangs at its first instruction must come back too. */
    mps2_watchdog_init();
    const uint32_t *vectors = (const uint32_t *)(uintptr_t)(slot_address + IMAGE_HEADER_SIZE);
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    barrier();
    __asm volatile("msr msp, %0\n bx %1" ::"r"(vectors[0]), "r"(vectors[1]) : "memory");
    __builtin_unreachable();
}

int main(void)
{
    struct mcu_store store;
    struct mcu_slots slots;
    enum firmware_image_error why[MCU_SLOTS];
    TRACE_DIVIDER = DIVIDER;
    TRACE_CONTROL = TX_ON;
    mbedtls_memory_buffer_alloc_init(pool, sizeof pool);
    if (mcu_store_mount(&store, &mps2_part_flash, NULL, STORE_BASE - SLOT_A_BASE,
                        STORE_SIZE / FLASH_SECTOR_SIZE) != 0)
        say("first stage: the board's store cannot be used\n");
    mps2_slots_init(&slots, &store);
    int chosen = mcu_slots_choose(&slots, is_signed, why);
    if (chosen >= 0)
        start(slots.address[chosen]);
    for (unsigned slot = 0; slot < MCU_SLOTS; slot++) {
        say(slot == 0 ? "first stage: slot A: " : "first stage: slot B: ");
        say(firmware_image_error_text(why[slot]));
        say("\n");
    }
    for (;;)
        wait_for_interrupt();
}
