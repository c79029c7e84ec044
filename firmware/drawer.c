#include "firmware/drawer.h"

#include <string.h>

#include "proto/link_message.h"

void drawer_init(struct drawer *drawer, const struct board *board)
{
    memset(drawer, 0, sizeof(*drawer));
    drawer->board = board;
}

void drawer_open(struct drawer *drawer, mono_ms now)
{
    drawer->board->drawer_pulse(drawer->board->context, DRAWER_PULSE_MS);
    drawer->pulses++;
    drawer->sensing = true;
    drawer->deadline = now + DRAWER_SENSE_MS;
}

void drawer_step(struct drawer *drawer, mono_ms now)
{
    bool open = drawer->board->drawer_is_open(drawer->board->context);
    if (open) {
        drawer->sensing = false;
        drawer->stuck = false;
    } else if (drawer->sensing && now >= drawer->deadline) {
        drawer->sensing = false;
        drawer->stuck = true;
        drawer->board->trace(drawer->board->context, TRACE_WARNING,
                             "drawer: the pulse did not open it");
    }
}

uint8_t drawer_state(const struct drawer *drawer)
{
    if (drawer->board->drawer_is_open(drawer->board->context))
        return DRAWER_OPENED;
    return drawer->stuck ? DRAWER_STUCK : DRAWER_CLOSED;
}
