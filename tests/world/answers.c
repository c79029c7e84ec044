/* The FN's line: at every command of every document, the command or its answer is lost, the FN
 * commits and its answer never comes, or the FN loses its power before or after it commits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/stand.h"

static const struct {
    const char *name;
    enum fnm_fault fault; /* NONE: the command itself is lost on its way */
} losses[] = {
    {"command", FNM_FAULT_NONE},
    {"answer", FNM_FAULT_DROP_ANSWER}, /* ENQ still brings it */
    {"silence", FNM_FAULT_LOSE_ANSWER},
    {"crc", FNM_FAULT_CORRUPT_CRC},
    {"powerBefore", FNM_FAULT_POWER_BEFORE_COMMIT},
    {"powerAfter", FNM_FAULT_POWER_AFTER_COMMIT},
    {"storeError", FNM_FAULT_STORE_ERROR},
};
#define LOSSES (sizeof losses / sizeof losses[0])

/* False: the job asks the FN fewer than `number` times. */
static bool one_loss(const struct scenario *scenario, uint64_t number, unsigned loss)
{
    struct sim *sim = &stand.sim;
    stand_back(1); /* up to the fault as without it: no command is missed */
    uint32_t index = stand_want(scenario, 80);
    sim->fn_line.fault = losses[loss].fault;
    sim->fn_line.lose_it = losses[loss].fault == FNM_FAULT_NONE;
    sim->fn_line.fault_in = number;
    stand_go(index);
    bool reached = sim->fn_line.fault_in == 0;
    sim->fn_line.fault_in = 0;
    fnm_fault(sim->fn.fnm, FNM_FAULT_NONE, 0);
    stand_expect_sound(index, number % 3 == 0);
    return reached;
}

/* How often the job asks the FN when nothing is wrong. */
static uint64_t commands_of(const struct scenario *scenario)
{
    stand_back(1);
    uint32_t index = stand_want(scenario, 80);
    uint64_t before = stand.sim.firmware.fn.commands_sent;
    stand_go(index);
    return stand.sim.firmware.fn.commands_sent - before;
}

static void losses_of(const struct scenario *scenario)
{
    uint64_t commands = commands_of(scenario);
    figure_add(FIGURE_ANSWER_CASES, commands * LOSSES);
    for (unsigned loss = 0; loss < LOSSES; loss++) {
        for (uint64_t number = 1;; number++) {
            snprintf(check_replay, sizeof check_replay, "answers %s %" PRIu64 " %u", scenario->name,
                     number, loss);
            bool reached = one_loss(scenario, number, loss);
            if (!reached && number > commands)
                break;
            figure_add(FIGURE_ANSWER_LOST, reached);
        }
    }
}

static void run_answers(const struct part *part)
{
    unsigned turn = 0;
    for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
        stand_prepare(&sim_geometries[0], stage, 0, 6, false);
        for (unsigned i = 0; i < scenario_count; i++) {
            if (scenarios[i].stage != stage || turn++ % part->count != part->index)
                continue;
            campaign_progress(part, "answers lost: %s", scenarios[i].name);
            losses_of(&scenarios[i]);
        }
        stand_dispose();
    }
}

static void replay_answers(const char *code)
{
    char name[24];
    uint64_t number;
    unsigned loss;
    CHECK(sscanf(code, "%23s %" SCNu64 " %u", name, &number, &loss) == 3 && loss < LOSSES,
          "harness: not a case of answers: %s", code);
    const struct scenario *scenario = scenario_find(name);
    CHECK(scenario != NULL, "harness: no such scenario: %s", name);
    stand_prepare(&sim_geometries[0], scenario->stage, 0, 6, false);
    (void)one_loss(scenario, number, loss);
}

const struct campaign campaign_answer_lost = {
    .name = "answers", .run = run_answers, .replay = replay_answers};
