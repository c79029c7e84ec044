/* The cash drawer: one pulse a command, and what the sensor says became of it.
 *
 * Always true: a pulse is given only by drawer_open(), which its caller calls at most once a job
 * key.
 */
#ifndef FIRMWARE_DRAWER_H
#define FIRMWARE_DRAWER_H

#include "board/board.h"
#include "firmware/limits.h"

struct drawer {
    const struct board *board;
    uint32_t pulses; /* since start */
    bool sensing;    /* a pulse was given, the sensor has not answered yet */
    bool stuck;      /* the last pulse did not open it */
    mono_ms deadline;
};

void drawer_init(struct drawer *drawer, const struct board *board);
void drawer_open(struct drawer *drawer, mono_ms now);
/* Call every turn. */
void drawer_step(struct drawer *drawer, mono_ms now);
/* enum drawer_state. */
uint8_t drawer_state(const struct drawer *drawer);

#endif
