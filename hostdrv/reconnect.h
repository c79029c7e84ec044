/* When a device handle tries to reach its board, and what its user hears of a loss. No clock, no
 * I/O: it is told what happened and when.
 *
 *   ABSENT --connected--> PRESENT --lost: event `lost`--> LOST --connected: event `back`--> PRESENT
 *
 * The only place where the times stand (published in kkt.h and README.md):
 *
 *   noticed   a cable that comes out of USB, a serial port that hangs up, a TCP connection that
 *             ends: at once while the library waits for anything, else at the next call. Silence:
 *             after RECONNECT_SILENCE_MS somebody who waits for events has the board asked who it
 *             is, and without an answer within the time of a connection (3 s) it is lost. A
 *             request: when its time for an answer is over (15 s).
 *   tried     at once, then after pauses of 100, 200, 400 ... 3200, 5000, 5000 ... ms. A pause ends
 *             when a device arrives that may be the board, and the pauses begin anew then. They
 *             also do when a board has answered more than who it is: one that breaks down over
 *             every job must not be asked in a tight loop.
 *
 * Always true: `lost` and `back` alternate, beginning with `lost`; an outage that nobody looked at
 * is told all the same, several of them as one.
 */
#ifndef HOSTDRV_RECONNECT_H
#define HOSTDRV_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>

#define RECONNECT_FIRST_MS   100u
#define RECONNECT_MAX_MS     5000u
#define RECONNECT_SILENCE_MS 10000u

enum reconnect_state { RECONNECT_ABSENT, RECONNECT_PRESENT, RECONNECT_LOST };
enum reconnect_news { RECONNECT_NO_NEWS, RECONNECT_NEWS_LOST, RECONNECT_NEWS_BACK };

struct reconnect {
    enum reconnect_state state;
    unsigned pause_ms; /* before next_ms; 0: no attempt since the last useful answer */
    uint64_t next_ms;
    bool lost_untold, told_lost;
    uint64_t lost_ms, back_ms;       /* the untold outage: its beginning, its end */
    uint64_t lost_event, back_event; /* how many of the board's events came before */
};

/* ABSENT; the first attempt may be made at once. */
void reconnect_init(struct reconnect *reconnect);
/* True: an attempt may be made now; else not before reconnect->next_ms. */
bool reconnect_due(const struct reconnect *reconnect, uint64_t now_ms);
/* An attempt begins; and ended. events: of the board, that were received so far. */
void reconnect_trying(struct reconnect *reconnect);
void reconnect_failed(struct reconnect *reconnect, uint64_t now_ms, uint64_t events);
void reconnect_connected(struct reconnect *reconnect, uint64_t now_ms, uint64_t events);
/* The connection is gone, or was closed as useless. Nothing happens unless PRESENT. A connection
 * that is closed to let others have the board is no loss, unless the next attempt fails. */
void reconnect_dropped(struct reconnect *reconnect, uint64_t now_ms, uint64_t events);
/* The board answered more than who it is. */
void reconnect_useful(struct reconnect *reconnect);
/* Something came that may be the board. */
void reconnect_arrived(struct reconnect *reconnect, uint64_t now_ms);
/* The next news for a user who has seen so many of the board's events; *outage_ms with BACK. */
enum reconnect_news reconnect_news(struct reconnect *reconnect, uint64_t seen, uint64_t *outage_ms);

#endif
