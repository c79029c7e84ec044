#include "hostdrv/reconnect.h"

#include <string.h>

void reconnect_init(struct reconnect *reconnect)
{
    memset(reconnect, 0, sizeof *reconnect);
}

bool reconnect_due(const struct reconnect *reconnect, uint64_t now_ms)
{
    return reconnect->pause_ms == 0 || now_ms >= reconnect->next_ms;
}

void reconnect_trying(struct reconnect *reconnect)
{
    unsigned pause_ms = reconnect->pause_ms == 0 ? RECONNECT_FIRST_MS : reconnect->pause_ms * 2;
    reconnect->pause_ms = pause_ms < RECONNECT_MAX_MS ? pause_ms : RECONNECT_MAX_MS;
}

void reconnect_connected(struct reconnect *reconnect, uint64_t now_ms, uint64_t events)
{
    reconnect->next_ms = now_ms + reconnect->pause_ms;
    if (reconnect->state == RECONNECT_LOST) {
        reconnect->back_ms = now_ms;
        reconnect->back_event = events;
    }
    reconnect->state = RECONNECT_PRESENT;
}

void reconnect_dropped(struct reconnect *reconnect, uint64_t now_ms, uint64_t events)
{
    if (reconnect->state != RECONNECT_PRESENT)
        return;
    reconnect->state = RECONNECT_LOST;
    /* An outage whose end was not told goes on. */
    if (reconnect->lost_untold || reconnect->told_lost)
        return;
    reconnect->lost_untold = true;
    reconnect->lost_ms = now_ms;
    reconnect->lost_event = events;
}

void reconnect_failed(struct reconnect *reconnect, uint64_t now_ms, uint64_t events)
{
    reconnect->next_ms = now_ms + reconnect->pause_ms;
    reconnect_dropped(reconnect, now_ms, events);
}

void reconnect_useful(struct reconnect *reconnect)
{
    reconnect->pause_ms = 0;
}

void reconnect_arrived(struct reconnect *reconnect, uint64_t now_ms)
{
    reconnect->pause_ms = 0;
    reconnect->next_ms = now_ms;
}

enum reconnect_news reconnect_news(struct reconnect *reconnect, uint64_t seen, uint64_t *outage_ms)
{
    *outage_ms = 0;
    if (reconnect->lost_untold && seen >= reconnect->lost_event) {
        reconnect->lost_untold = false;
        reconnect->told_lost = true;
        return RECONNECT_NEWS_LOST;
    }
    if (reconnect->told_lost && reconnect->state == RECONNECT_PRESENT &&
        seen >= reconnect->back_event) {
        reconnect->told_lost = false;
        *outage_ms = reconnect->back_ms - reconnect->lost_ms;
        return RECONNECT_NEWS_BACK;
    }
    return RECONNECT_NO_NEWS;
}
