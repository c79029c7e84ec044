/* What a part gives to the loop of board/mcu/main.c: its clock, wires, memory and protection.
 *
 * A board has one part, so these are functions of fixed names, and no pointer stands between;
 * board/mps2/mps2_part.c and board/lm3s/lm3s_part.c have them. Beside them the part's profile.h
 * says MCU_TICKS_PER_MS, of mcu_part_ticks, and MCU_CORE_TICKS_PER_MS, of the processor.
 */
#ifndef BOARD_MCU_PART_H
#define BOARD_MCU_PART_H

#include "board/board.h"
#include "board/mcu/mcu_ether.h"
#include "board/mcu/mcu_i2c.h"
#include "board/mcu/mcu_store.h"
#include "board/mcu/mcu_uart.h"

#define MCU_SERIAL_MAX 20u

/* First of all: nothing can be reached but what the part has, and the stack cannot grow out of it
 * (mcu_mpu.h). */
void mcu_part_protect(void);
/* The watchdog, the counter and the UARTs run. Interrupts are off. */
void mcu_part_start(void);
/* A counter that runs up freely, over 32 bits. Looked at least once a watchdog's time. */
uint32_t mcu_part_ticks(void);
/* The watchdog's first expiry is a warning, mcu_fault_watchdog; after as long again it resets. */
void mcu_part_watchdog_feed(void);

struct mcu_uart *mcu_part_uart(enum board_port port);
struct mcu_uart *mcu_part_trace(void); /* NULL: none is left for it */
const struct mcu_i2c *mcu_part_i2c(void);
/* The chip out of reset. */
const struct mcu_ether *mcu_part_ether(void);
/* The flash that holds the journal and the board's own store; mounts the store, 0 done. */
int mcu_part_mount(struct mcu_store *store);
/* What the factory wrote, zero-terminated; empty: nothing. */
void mcu_part_serial(char serial[MCU_SERIAL_MAX + 1]);
/* Fills in model, columns, flash; and update, when there is a store and a second slot. */
void mcu_part_describe(struct board *board, struct mcu_store *store);

#endif
