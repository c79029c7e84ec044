/* The mps2-an385 as mcu_part.h wants it. */
#include "board/mcu/mcu_mpu.h"
#include "board/mcu/mcu_part.h"
#include "board/mps2/cmsdk_uart.h"
#include "board/mps2/lan9118.h"
#include "board/mps2/memory.h"
#include "board/mps2/mps2_time.h"
#include "board/mps2/mps2_update.h"
#include "board/mps2/psram_flash.h"
#include "board/mps2/shield_i2c.h"

#define STORE_SECTORS (STORE_SIZE / FLASH_SECTOR_SIZE)

/* The first stage and page zero are closed, so is RAM beyond the part's. The chip can be read;
 * psram_flash.h opens it for writing a sector at a time. */
void mcu_part_protect(void)
{
    mcu_mpu_region(0, PSRAM_BASE, 24, MCU_MPU_READ);
    mcu_mpu_region(1, SLOT_A_BASE, 19, MCU_MPU_CODE);
    mcu_mpu_region(2, RAM_BASE, 17, MCU_MPU_DATA);
    mcu_mpu_region(3, 0x40000000u, 29, MCU_MPU_DEVICE);
    mcu_mpu_enable();
}

_Static_assert(RAM_SIZE == 1 << 17 && SLOT_A_BASE % (1 << 19) == 0, "protect() says the same");

void mcu_part_start(void)
{
    mps2_watchdog_init();
    cmsdk_uart_init();
}

struct mcu_uart *mcu_part_uart(enum board_port port)
{
    return &cmsdk_uarts[port == BOARD_PORT_HOST ? CMSDK_UART_HOST
                        : port == BOARD_PORT_FN ? CMSDK_UART_FN
                                                : CMSDK_UART_PRINTER];
}

struct mcu_uart *mcu_part_trace(void)
{
    return &cmsdk_uarts[CMSDK_UART_TRACE];
}

const struct mcu_i2c *mcu_part_i2c(void)
{
    return &shield_i2c;
}

const struct mcu_ether *mcu_part_ether(void)
{
    return lan9118_init();
}

int mcu_part_mount(struct mcu_store *store)
{
    return mcu_store_mount(store, &mps2_part_flash, NULL, STORE_BASE - SLOT_A_BASE, STORE_SECTORS);
}

/* ASCII with a zero behind it. */
void mcu_part_serial(char serial[MCU_SERIAL_MAX + 1])
{
    const char *factory = (const char *)(uintptr_t)FACTORY_BASE;
    size_t length = 0;
    while (length < MCU_SERIAL_MAX && factory[length] > ' ' && factory[length] <= '~') {
        serial[length] = factory[length];
        length++;
    }
    serial[length] = '\0';
}

void mcu_part_describe(struct board *board, struct mcu_store *store)
{
    board->model = "OpenKKT on mps2-an385";
    board->columns = 48;
    board->flash = mps2_journal_flash;
    board->update = store != NULL ? mps2_update_init(store) : NULL;
}
