/* The operator's manners: connections and messages go wrong in every way that operator.h knows, at
 * every byte where that means something, while documents wait. Nobody may take a document for
 * confirmed that was not; and when the operator behaves again, everything is delivered.
 */
#include <stdio.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/stand.h"

#define TIMES         2u
#define PATIENCE_MS   4000000u /* twice 300 s without an answer, and the backoff after each */
#define MESSAGE_BYTES 700u     /* longer than what waits at the stand */
#define ANSWER_BITS   2800u

/* How many arguments a manner has; full profile. */
static const uint32_t arguments[OPERATOR_MANNERS] = {
    [OPERATOR_REFUSES] = 1,
    [OPERATOR_NEVER_CONNECTS] = 1,
    [OPERATOR_HALF_OPEN] = 1,
    [OPERATOR_SLOW] = 1,
    [OPERATOR_CUT_REQUEST] = MESSAGE_BYTES,
    [OPERATOR_CUT_ANSWER] = ANSWER_BITS / 8,
    [OPERATOR_TWICE] = 1,
    [OPERATOR_GARBLED] = ANSWER_BITS,
    [OPERATOR_STALE] = 1,
    [OPERATOR_FOREIGN] = 2,
    [OPERATOR_REJECTS] = 20,
    [OPERATOR_FORGETS] = 1,
    [OPERATOR_GARBAGE] = 64,
    [OPERATOR_FORGED] = 1,
};

static void one_manner(enum operator_manner manner, uint32_t argument, unsigned times)
{
    struct sim *sim = &stand.sim;
    snprintf(check_replay, sizeof check_replay, "manners %u %u %u", manner, argument, times);
    operator_reset(sim->op, argument + 1);
    operator_set_net(sim->op, false);
    stand_back(manner * 100000u + argument * 10 + times);
    operator_set_net(sim->op, true);
    operator_set_manner(sim->op, manner, argument, times);
    mono_ms until = sim->now + PATIENCE_MS;
    while (fnm_unconfirmed_count(sim->fn.fnm) > 0 && sim->now < until) {
        sim_turn(sim, until);
        oracle_check(&stand.oracle, sim);
    }
    stand_settle();
    CHECK(fnm_unconfirmed_count(sim->fn.fnm) == 0, "I7: documents stay unconfirmed");
    oracle_check_end(&stand.oracle, sim, true, manner != OPERATOR_FORGETS);
}

static void run_manners(const struct part *part)
{
    uint32_t step = campaign_scale(part, 37, 13, 1), turn = 0;
    stand_prepare(&sim_geometries[0], STAGE_SHIFT_OPEN, 0, 8, true);
    for (enum operator_manner manner = OPERATOR_GOOD + 1; manner < OPERATOR_MANNERS; manner++) {
        campaign_progress(part, "manners: %u", manner);
        for (uint32_t argument = 0; argument < arguments[manner]; argument += step) {
            for (unsigned times = 1; times <= TIMES; times++) {
                if (turn++ % part->count != part->index)
                    continue;
                one_manner(manner, argument, times);
                figure_add(FIGURE_OPERATOR_FAULTS, 1);
            }
        }
    }
    stand_dispose();
}

static void replay_manners(const char *code)
{
    unsigned manner, argument, times;
    CHECK(sscanf(code, "%u %u %u", &manner, &argument, &times) == 3 && manner < OPERATOR_MANNERS,
          "harness: not a case of manners: %s", code);
    stand_prepare(&sim_geometries[0], STAGE_SHIFT_OPEN, 0, 8, true);
    one_manner((enum operator_manner)manner, argument, times);
}

const struct campaign campaign_manners = {
    .name = "manners", .run = run_manners, .replay = replay_manners};
