/* The lm3s6965 evaluation board as mcu_part.h wants it. */
#include <stdbool.h>

#include "board/lm3s/lm3s_system.h"
#include "board/lm3s/memory.h"
#include "board/lm3s/pl011.h"
#include "board/lm3s/sd_card.h"
#include "board/lm3s/stellaris_ether.h"
#include "board/lm3s/stellaris_i2c.h"
#include "board/mcu/mcu_mpu.h"
#include "board/mcu/mcu_pages.h"
#include "board/mcu/mcu_part.h"

#define STORE_SECTORS (STORE_SIZE / FLASH_SECTOR_SIZE)

_Static_assert(RAM_SIZE == 1 << 16 && IMAGE_SIZE == 1 << 18 && VECTORS_SIZE == 1 << 8,
               "mcu_part_protect says the same");
_Static_assert(FLASH_SECTOR_SIZE == MCU_PAGE_SECTOR && FLASH_PAGE_SIZE == MCU_PAGE_BYTES,
               "the card's pages are the journal's");
_Static_assert(CARD_FIRST + CARD_BYTES / FLASH_PAGE_SIZE <= CARD_APART &&
                   CARD_FIRST + CARD_APART + CARD_BYTES / FLASH_PAGE_SIZE <= CARD_BLOCKS,
               "both copies of a page have their block");

static struct mcu_pages pages;

static int flash_read(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    return mcu_pages_read(&pages, address, data, size);
}

static int flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    return mcu_pages_program(&pages, address, data, size);
}

static int flash_erase(void *context, uint32_t address)
{
    (void)context;
    return mcu_pages_erase(&pages, address);
}

static int nothing_to_sync(void *context)
{
    (void)context;
    return 0;
}

/* The journal is its beginning, the store lies behind it. */
static const struct board_flash card_flash = {.size = CARD_BYTES,
                                              .sector_size = FLASH_SECTOR_SIZE,
                                              .page_size = FLASH_PAGE_SIZE,
                                              .erased = 0xFF,
                                              .read = flash_read,
                                              .program = flash_program,
                                              .erase = flash_erase,
                                              .sync = nothing_to_sync};

/* The processor itself reads the vectors without asking the protection; a program that follows a
 * null pointer is stopped there. */
void mcu_part_protect(void)
{
    mcu_mpu_region(0, IMAGE_BASE, 18, MCU_MPU_CODE);
    mcu_mpu_region(1, IMAGE_BASE, 8, MCU_MPU_CLOSED);
    mcu_mpu_region(2, RAM_BASE, 16, MCU_MPU_DATA);
    mcu_mpu_region(3, 0x40000000u, 29, MCU_MPU_DEVICE);
    mcu_mpu_enable();
}

void mcu_part_start(void)
{
    lm3s_system_init();
    lm3s_watchdog_init();
    pl011_init();
    stellaris_i2c_init();
    sd_card_init();
    mcu_pages_init(&pages, &sd_card, CARD_FIRST, CARD_APART, CARD_BYTES / FLASH_PAGE_SIZE);
}

struct mcu_uart *mcu_part_uart(enum board_port port)
{
    return &pl011_uarts[port];
}

_Static_assert(BOARD_PORT_HOST == 0 && BOARD_PORT_FN == 1 && BOARD_PORT_PRINTER == 2,
               "UARTs are in the order of ports");

struct mcu_uart *mcu_part_trace(void)
{
    return NULL;
}

const struct mcu_i2c *mcu_part_i2c(void)
{
    return &stellaris_i2c;
}

const struct mcu_ether *mcu_part_ether(void)
{
    return stellaris_ether_init();
}

int mcu_part_mount(struct mcu_store *store)
{
    return mcu_store_mount(store, &card_flash, NULL, STORE_BASE, STORE_SECTORS);
}

/* A card that no factory prepared (board/qemu/card.py says what with) is not taken: to see that it
 * is blank every page would have to be read, which takes longer than the watchdog allows. */
static bool is_prepared(void)
{
    uint8_t first;
    return mcu_pages_read(&pages, FACTORY_BASE, &first, 1) == 0 && first != 0xFF;
}

/* ASCII with a zero behind it. */
void mcu_part_serial(char serial[MCU_SERIAL_MAX + 1])
{
    size_t length = 0;
    if (mcu_pages_read(&pages, FACTORY_BASE, serial, MCU_SERIAL_MAX) != 0)
        serial[0] = '\0';
    while (length < MCU_SERIAL_MAX && serial[length] > ' ' && serial[length] <= '~')
        length++;
    serial[length] = '\0';
}

void mcu_part_describe(struct board *board, struct mcu_store *store)
{
    (void)store;
    board->model = "OpenKKT on lm3s6965evb";
    board->columns = 48;
    board->flash = card_flash;
    board->flash.size = is_prepared() ? JOURNAL_SIZE : 0;
    board->update = NULL;
}
