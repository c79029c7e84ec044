/* What sim.c, sim_board.c and sim_link.c share; nobody else includes it. */
#ifndef TESTS_WORLD_SIM_INTERNAL_H
#define TESTS_WORLD_SIM_INTERNAL_H

#include "tests/world/sim.h"

#define DIRTY_PAGE 4096u /* of flash, as snapshots take them */

/* Without context, columns and flash. */
extern const struct board sim_board_template;
int sim_flash_read(void *context, uint32_t address, void *data, size_t size);
int sim_flash_program(void *context, uint32_t address, const void *data, size_t size);
int sim_flash_erase(void *context, uint32_t address);
int sim_flash_sync(void *context);
/* ram_flash.before: remembers what a snapshot must put back. */
void sim_mark_dirty(void *user, struct ram_flash *flash, uint32_t address, const uint8_t *data,
                    size_t size);

void sim_wire_empty(struct wire *wire);
/* Carries bytes between the thin host's link client and its cable. */
void sim_pump_host(struct sim *sim);

#endif
