/* The standing state of the world around the board: what people did to it and what a power cut of
 * the board does not change.
 *
 * Paper stays out, a cable stays unplugged, a drawer stays stuck when the board restarts; so the
 * facts lie in the state directory (file `world`, one "name value" a line) and the devices are put
 * into that state at start.
 */
#ifndef BOARD_POSIX_WORLD_H
#define BOARD_POSIX_WORLD_H

#include <stdbool.h>
#include <stdint.h>

enum posix_world_fact {
    WORLD_PAPER = 0, /* enum print_head_paper */
    WORLD_COVER_OPEN,
    WORLD_PRINTER_OFF,
    WORLD_PRINTER_FAULT,
    WORLD_DRAWER_STUCK,
    WORLD_NET_DOWN,
    WORLD_LINK_DOWN,
    WORLD_FN_OFF,
    WORLD_FACTS
};

struct posix_world {
    int dir_fd; /* borrowed */
    uint8_t facts[WORLD_FACTS];
};

/* Unknown lines are ignored; without the file the world is in order. */
void posix_world_open(struct posix_world *world, int dir_fd);
/* Remembers the fact. False when it could not be written down (it holds until the end of the
 * process). */
bool posix_world_set(struct posix_world *world, enum posix_world_fact fact, uint8_t value);

#endif
