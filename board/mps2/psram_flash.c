#include "board/mps2/psram_flash.h"

#include <string.h>

#include "board/mcu/mcu_mpu.h"
#include "board/mps2/memory.h"

#define SECTOR_LOG2 12u
#define PART_SIZE   (STORE_BASE + STORE_SIZE - SLOT_A_BASE)

_Static_assert(FLASH_SECTOR_SIZE == 1 << SECTOR_LOG2, "the MPU opens one sector");

static uint8_t *window_open(uint32_t address)
{
    mcu_mpu_region(MPS2_MPU_WINDOW, address & ~(uint32_t)(FLASH_SECTOR_SIZE - 1), SECTOR_LOG2,
                   MCU_MPU_DATA);
    return (uint8_t *)(uintptr_t)address;
}

static void window_close(void)
{
    mcu_mpu_region_off(MPS2_MPU_WINDOW);
}

static bool inside(uint32_t address, size_t size, uint32_t limit)
{
    return size <= limit && address <= limit - size;
}

static int journal_read(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    if (!inside(address, size, JOURNAL_SIZE))
        return -1;
    memcpy(data, (const void *)(uintptr_t)(JOURNAL_BASE + address), size);
    return 0;
}

static int program_to(uint32_t base, uint32_t limit, uint32_t address, const void *data,
                      size_t size)
{
    const uint8_t *bytes = data;
    if (!inside(address, size, limit) || address % FLASH_PAGE_SIZE + size > FLASH_PAGE_SIZE)
        return -1;
    volatile uint8_t *cells = window_open(base + address);
    int result = 0;
    for (size_t i = 0; i < size && result == 0; i++)
        result = (~(uint32_t)cells[i] & bytes[i]) == 0 ? 0 : -1;
    for (size_t i = 0; i < size && result == 0; i++)
        cells[i] &= bytes[i];
    window_close();
    return result;
}

static int erase_in(uint32_t base, uint32_t limit, uint32_t address)
{
    if (!inside(address, FLASH_SECTOR_SIZE, limit) || address % FLASH_SECTOR_SIZE != 0)
        return -1;
    memset(window_open(base + address), 0xFF, FLASH_SECTOR_SIZE);
    window_close();
    return 0;
}

static int journal_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    return program_to(JOURNAL_BASE, JOURNAL_SIZE, address, data, size);
}

static int journal_erase(void *context, uint32_t address)
{
    (void)context;
    return erase_in(JOURNAL_BASE, JOURNAL_SIZE, address);
}

static int part_read(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    if (!inside(address, size, PART_SIZE))
        return -1;
    memcpy(data, (const void *)(uintptr_t)(SLOT_A_BASE + address), size);
    return 0;
}

static int part_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    return program_to(SLOT_A_BASE, PART_SIZE, address, data, size);
}

static int part_erase(void *context, uint32_t address)
{
    (void)context;
    return erase_in(SLOT_A_BASE, PART_SIZE, address);
}

static int nothing_to_sync(void *context)
{
    (void)context;
    return 0;
}

const struct board_flash mps2_journal_flash = {.size = JOURNAL_SIZE,
                                               .sector_size = FLASH_SECTOR_SIZE,
                                               .page_size = FLASH_PAGE_SIZE,
                                               .erased = 0xFF,
                                               .read = journal_read,
                                               .program = journal_program,
                                               .erase = journal_erase,
                                               .sync = nothing_to_sync};
const struct board_flash mps2_part_flash = {.size = PART_SIZE,
                                            .sector_size = FLASH_SECTOR_SIZE,
                                            .page_size = FLASH_PAGE_SIZE,
                                            .erased = 0xFF,
                                            .read = part_read,
                                            .program = part_program,
                                            .erase = part_erase,
                                            .sync = nothing_to_sync};
