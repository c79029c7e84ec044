/* A board brought to a known place, from which a campaign starts each of its cases: registered or
 * not, shift open or not, the journal filled to a chosen byte. One a process.
 */
#ifndef TESTS_WORLD_STAND_H
#define TESTS_WORLD_STAND_H

#include "tests/world/oracle.h"

enum stage { STAGE_BLANK, STAGE_SHIFT_CLOSED, STAGE_SHIFT_OPEN, STAGES };

/* A job to be tried at a stage. */
struct scenario {
    const char *name;
    uint8_t code;
    enum job_flavour flavour;
    enum stage stage;
};
/* Every kind of job; sale and the two turns of a shift come first. */
extern const struct scenario scenarios[];
extern const unsigned scenario_count;
#define SCENARIOS_MAIN 3u
/* NULL: no such name. */
const struct scenario *scenario_find(const char *name);

struct stand {
    struct sim sim;
    struct oracle oracle; /* of the case under way */
    struct oracle base;   /* of the place all cases start from */
    struct job job;
};
extern struct stand stand;

/* Makes the board and brings it there; room: bytes left in the journal's sector, 0: as it comes. */
void stand_prepare(const struct sim_geometry *geometry, enum stage stage, uint32_t room,
                   uint64_t seed, bool with_operator);
void stand_dispose(void);
/* Back to the start, with power, ready for a job. All that is random from here on comes from seed.
 * */
void stand_back(uint64_t seed);

/* The person asks; returns the oracle's index. */
uint32_t stand_want(const struct scenario *scenario, uint64_t seed);
/* One asking; true: the host knows how it ended. */
bool stand_ask_once(uint32_t index);
/* The person pushes the plug back in when it is out. */
void stand_mind_the_plug(void);
/* Switches the power on when it is off, and asks until there is an outcome. */
void stand_ask_to_the_end(uint32_t index);
void stand_must_be_done(uint8_t code, enum job_flavour flavour, uint64_t seed);
/* Asks, and lets the slip come out; stops when the power goes. */
void stand_go(uint32_t index);
/* Everything is as if nothing had happened: asks to the end and checks all. follow_up: one more
 * job, and a boot that must not write. */
void stand_expect_sound(uint32_t index, bool follow_up);
void stand_settle(void);

#endif
