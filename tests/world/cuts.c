/* Power cuts: at every flash operation and every write of the FN's store of every kind of job, in
 * every shape, on every geometry, with the journal filled so that the job falls before, on and
 * behind the end of a sector. Then cuts inside the recovery, and chains of cuts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/stand.h"

#define FOLLOW_UP 8u /* one case in so many is gone on with */

/* Bytes left in the sector when the job comes: the job's records fall on its end one after the
 * other. */
static const uint32_t rooms[] = {0, 400, 330, 260, 190, 140, 100, 60, 20};
#define ROOMS (sizeof rooms / sizeof rooms[0])

/* One byte has no prefix, suffix, first or last byte. */
static bool shape_counts(const struct sim_geometry *geometry, enum ram_tear tear)
{
    return geometry->page > 1 || tear == RAM_TEAR_NOTHING || tear == RAM_TEAR_WHOLE ||
           tear == RAM_TEAR_RANDOM_BITS || tear == RAM_TEAR_UNSTABLE;
}

/* ---- One cut ---- */

/* False: the job has fewer operations than `at`. */
static bool one_cut(const struct scenario *scenario, bool in_fn, uint64_t at, unsigned tear)
{
    struct sim *sim = &stand.sim;
    stand_back(at * 100 + tear);
    uint32_t index = stand_want(scenario, 77);
    sim->runs_on = !in_fn && (at + tear) % 5 == 0;
    if (in_fn)
        sim_cut_fn(sim, at, (enum fn_memory_tear)tear);
    else
        sim_cut_flash(sim, at, (enum ram_tear)tear);
    stand_go(index);
    bool reached = !sim->powered;
    sim_cut_flash(sim, 0, RAM_TEAR_NOTHING);
    sim_cut_fn(sim, 0, FN_MEMORY_TEAR_NOTHING);
    sim->runs_on = false;
    stand_expect_sound(index, !reached || (at * RAM_TEARS + tear) % FOLLOW_UP == 0);
    return reached;
}

static void cuts_of(const struct sim_geometry *geometry, const struct scenario *scenario,
                    unsigned room, bool in_fn)
{
    char name[24];
    unsigned tears = in_fn ? FN_MEMORY_TEARS : RAM_TEARS;
    for (uint64_t at = 1;; at++) {
        bool reached = false;
        for (unsigned tear = 0; tear < tears; tear++) {
            if (!in_fn && !shape_counts(geometry, (enum ram_tear)tear))
                continue;
            snprintf(check_replay, sizeof check_replay, "cuts %s %u %s %s %" PRIu64 " %u",
                     sim_geometry_name(geometry, name), room, scenario->name,
                     in_fn ? "fn" : "flash", at, tear);
            reached = one_cut(scenario, in_fn, at, tear);
            if (!reached)
                break;
            figure_add(FIGURE_POWER_CUTS, 1);
        }
        if (!reached)
            return;
    }
}

static void run_cuts(const struct part *part)
{
    char name[24];
    unsigned turn = 0, every = campaign_scale(part, 24, 12, 1);
    for (unsigned room = 0; room < ROOMS; room++) {
        for (unsigned i = 0; i < sim_geometry_count; i++) {
            const struct sim_geometry *geometry = &sim_geometries[i];
            if (turn++ % (part->count * every) != part->index)
                continue;
            campaign_progress(part, "cuts: %s, room %u", sim_geometry_name(geometry, name), room);
            for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
                if (stage == STAGE_BLANK && room > 0)
                    continue;
                stand_prepare(geometry, stage, rooms[room], 1 + room, false);
                for (unsigned j = 0; j < scenario_count; j++) {
                    if (scenarios[j].stage != stage)
                        continue;
                    cuts_of(geometry, &scenarios[j], room, false);
                    cuts_of(geometry, &scenarios[j], room, true);
                }
                stand_dispose();
            }
        }
    }
}

/* The geometry and the scenario that a replay names. */
static const struct scenario *place_of(const char *geometry_name, unsigned room,
                                       const char *scenario_name, bool with_operator)
{
    char name[24];
    const struct scenario *scenario = scenario_find(scenario_name);
    CHECK(scenario != NULL && room < ROOMS, "harness: no such case");
    for (unsigned i = 0; i < sim_geometry_count; i++) {
        if (strcmp(sim_geometry_name(&sim_geometries[i], name), geometry_name) != 0)
            continue;
        stand_prepare(&sim_geometries[i], scenario->stage, rooms[room], 1 + room, with_operator);
        return scenario;
    }
    CHECK(false, "harness: no such geometry: %s", geometry_name);
}

static void replay_cuts(const char *code)
{
    char geometry[24], scenario[24], where[8];
    unsigned room, tear;
    uint64_t at;
    CHECK(sscanf(code, "%23s %u %23s %7s %" SCNu64 " %u", geometry, &room, scenario, where, &at,
                 &tear) == 6,
          "harness: not a case of cuts: %s", code);
    (void)one_cut(place_of(geometry, room, scenario, false), strcmp(where, "fn") == 0, at, tear);
}

const struct campaign campaign_cuts = {.name = "cuts", .run = run_cuts, .replay = replay_cuts};

/* ---- Two cuts: the second one inside the recovery from the first ---- */

struct two_cuts {
    uint64_t first, second;
    enum ram_tear first_tear, second_tear;
};

/* 0: the job has fewer operations than `first`; 1: its recovery has fewer than `second`; 2: both
 * were reached. */
static unsigned two_cuts(const struct scenario *scenario, const struct two_cuts *cuts)
{
    struct sim *sim = &stand.sim;
    stand_back(cuts->first * 10000 + cuts->second * 100 + cuts->first_tear * 10 +
               cuts->second_tear);
    uint32_t index = stand_want(scenario, 78);
    sim_cut_flash(sim, cuts->first, cuts->first_tear);
    stand_go(index);
    unsigned reached = sim->powered ? 0 : 1;
    sim_cut_flash(sim, 0, RAM_TEAR_NOTHING);
    if (reached == 1) {
        sim_cut_next_boot(sim, cuts->second, cuts->second_tear);
        if (sim_power_on(sim) == ERROR_NONE)
            stand_go(index);
        reached = sim->powered ? 1 : 2;
        sim_cut_flash(sim, 0, RAM_TEAR_NOTHING);
    }
    stand_expect_sound(index, false);
    return reached;
}

static void two_cuts_of(const struct sim_geometry *geometry, const struct scenario *scenario,
                        unsigned room)
{
    char name[24];
    struct two_cuts cuts;
    for (cuts.first = 1;; cuts.first++) {
        unsigned reached = 0;
        for (cuts.first_tear = RAM_TEAR_NOTHING; cuts.first_tear < RAM_TEARS; cuts.first_tear++) {
            for (cuts.second = 1;; cuts.second++) {
                for (cuts.second_tear = RAM_TEAR_NOTHING; cuts.second_tear < RAM_TEARS;
                     cuts.second_tear++) {
                    snprintf(check_replay, sizeof check_replay,
                             "double %s %u %s %" PRIu64 " %u %" PRIu64 " %u",
                             sim_geometry_name(geometry, name), room, scenario->name, cuts.first,
                             cuts.first_tear, cuts.second, cuts.second_tear);
                    reached = two_cuts(scenario, &cuts);
                    if (reached < 2)
                        break;
                    figure_add(FIGURE_DOUBLE_CUTS, 1);
                }
                if (reached < 2)
                    break;
            }
            if (reached == 0)
                return;
        }
    }
}

/* The operator confirms what waits; the power goes at turn `first`, and after the start at turn
 * `second` again. Returns as two_cuts. */
static unsigned confirmation_cut(uint32_t first, uint32_t second)
{
    struct sim *sim = &stand.sim;
    uint32_t turns[2] = {first, second};
    unsigned reached = 0;
    operator_reset(sim->op, 1);
    operator_set_net(sim->op, false);
    stand_back(first * 1000 + second);
    operator_set_net(sim->op, true);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t turn = 0;
        mono_ms until = sim->now + 90000;
        while (turn < turns[i] && fnm_unconfirmed_count(sim->fn.fnm) > 0 && sim->now < until) {
            sim_turn(sim, until);
            turn++;
        }
        if (turn < turns[i] || fnm_unconfirmed_count(sim->fn.fnm) == 0)
            break;
        sim_power_off(sim);
        reached++;
        CHECK(sim_power_on(sim) == ERROR_NONE, "I16: the board does not come up");
    }
    mono_ms until = sim->now + 400000;
    while (fnm_unconfirmed_count(sim->fn.fnm) > 0 && sim->now < until)
        sim_turn(sim, until);
    stand_settle();
    oracle_check_end(&stand.oracle, sim, true, true);
    return reached;
}

static void confirmations(const struct part *part)
{
    stand_prepare(&sim_geometries[0], STAGE_SHIFT_OPEN, 0, 9, true);
    for (uint32_t first = 1;; first++) {
        unsigned reached = 0;
        for (uint32_t second = 1;; second++) {
            snprintf(check_replay, sizeof check_replay, "double confirmation %u %u", first, second);
            reached = confirmation_cut(first, second);
            if (reached < 2)
                break;
            figure_add(FIGURE_DOUBLE_CUTS, 1);
        }
        campaign_progress(part, "double cuts: confirmation, turn %u", first);
        if (reached == 0 || first >= campaign_scale(part, 10, 60, UINT32_MAX))
            break;
    }
    stand_dispose();
}

static void run_double(const struct part *part)
{
    static const char *const chosen[] = {"4K/256/FF", "32K/512/00", "64K/256/FF", "256K/512/FF"};
    static const unsigned at_rooms[] = {0, 3, 6};
    char name[24];
    unsigned turn = 0;
    for (unsigned i = 0; i < sim_geometry_count; i++) {
        const struct sim_geometry *geometry = &sim_geometries[i];
        bool wanted = false;
        for (unsigned j = 0; j < 4; j++)
            wanted |= strcmp(chosen[j], sim_geometry_name(geometry, name)) == 0;
        for (unsigned j = 0; j < 3 && wanted; j++) {
            for (unsigned k = 0; k < SCENARIOS_MAIN; k++) {
                if (turn++ % (part->count * campaign_scale(part, 36, 18, 1)) != part->index)
                    continue;
                campaign_progress(part, "double cuts: %s in %s, room %u", scenarios[k].name,
                                  sim_geometry_name(geometry, name), at_rooms[j]);
                stand_prepare(geometry, scenarios[k].stage, rooms[at_rooms[j]], 2 + at_rooms[j],
                              false);
                two_cuts_of(geometry, &scenarios[k], at_rooms[j]);
                stand_dispose();
            }
        }
    }
    if (part->index == 0)
        confirmations(part);
}

static void replay_double(const char *code)
{
    char geometry[24], scenario[24];
    unsigned room, tears[2];
    uint32_t turns[2];
    struct two_cuts cuts;
    if (sscanf(code, "confirmation %u %u", &turns[0], &turns[1]) == 2) {
        stand_prepare(&sim_geometries[0], STAGE_SHIFT_OPEN, 0, 9, true);
        (void)confirmation_cut(turns[0], turns[1]);
        return;
    }
    CHECK(sscanf(code, "%23s %u %23s %" SCNu64 " %u %" SCNu64 " %u", geometry, &room, scenario,
                 &cuts.first, &tears[0], &cuts.second, &tears[1]) == 7,
          "harness: not a case of double cuts: %s", code);
    cuts.first_tear = (enum ram_tear)tears[0];
    cuts.second_tear = (enum ram_tear)tears[1];
    (void)two_cuts(place_of(geometry, room, scenario, false), &cuts);
}

const struct campaign campaign_double_cuts = {
    .name = "double", .run = run_double, .replay = replay_double};

/* ---- Chains of three to ten cuts ---- */

static void one_chain(const struct sim_geometry *geometry, uint64_t seed)
{
    struct sim *sim = &stand.sim;
    char name[24];
    snprintf(check_replay, sizeof check_replay, "chains %s %" PRIu64,
             sim_geometry_name(geometry, name), seed);
    stand_back(seed);
    uint32_t length = 3 + sim_below(sim, 8), cuts = 0, index = UINT32_MAX;
    for (uint32_t attempt = 0; attempt < 40 && cuts < length; attempt++) {
        if (index == UINT32_MAX || stand.oracle.jobs[index].state != ORACLE_ASKED) {
            static const enum job_flavour flavours[] = {JOB_PLAIN, JOB_ANY, JOB_ELECTRONIC};
            struct scenario sale = {"sale", LINK_RECEIPT, flavours[sim_below(sim, 3)],
                                    STAGE_SHIFT_OPEN};
            index = stand_want(&sale, seed * 100 + attempt);
        }
        uint32_t at = 1 + sim_below(sim, geometry->page == 1 ? 300 : 10);
        enum ram_tear tear = (enum ram_tear)sim_below(sim, RAM_TEARS);
        if (sim_once_in(sim, 8))
            sim_cut_fn(sim, 1 + sim_below(sim, 2),
                       (enum fn_memory_tear)sim_below(sim, FN_MEMORY_TEARS));
        sim->runs_on = sim_once_in(sim, 5);
        if (sim->powered)
            sim_cut_flash(sim, at, tear);
        else
            sim_cut_next_boot(sim, at, tear);
        if (!sim->powered && sim_power_on(sim) != ERROR_NONE) {
            CHECK(!sim->powered, "I16: the board does not come up: error %u", sim->boot_error);
            cuts++;
            continue;
        }
        stand_go(index);
        cuts += !sim->powered;
    }
    sim_cut_flash(sim, 0, RAM_TEAR_NOTHING);
    sim_cut_fn(sim, 0, FN_MEMORY_TEAR_NOTHING);
    sim->runs_on = false;
    stand_expect_sound(index, seed % FOLLOW_UP == 0);
    figure_add(FIGURE_CUT_CHAINS, cuts >= 3);
}

static void run_chains(const struct part *part)
{
    char name[24];
    uint32_t chains = campaign_scale(part, 20, 100, 1000); /* of one geometry */
    for (unsigned i = part->index; i < sim_geometry_count; i += part->count) {
        campaign_progress(part, "chains: %s", sim_geometry_name(&sim_geometries[i], name));
        stand_prepare(&sim_geometries[i], STAGE_SHIFT_OPEN, rooms[i % ROOMS], 3, false);
        for (uint32_t j = 0; j < chains; j++)
            one_chain(&sim_geometries[i], part->seed * 1000000 + i * 10000 + j + 1);
        stand_dispose();
    }
}

static void replay_chains(const char *code)
{
    char geometry[24], name[24];
    uint64_t seed;
    CHECK(sscanf(code, "%23s %" SCNu64, geometry, &seed) == 2, "harness: not a chain: %s", code);
    for (unsigned i = 0; i < sim_geometry_count; i++) {
        if (strcmp(geometry, sim_geometry_name(&sim_geometries[i], name)) != 0)
            continue;
        stand_prepare(&sim_geometries[i], STAGE_SHIFT_OPEN, rooms[i % ROOMS], 3, false);
        one_chain(&sim_geometries[i], seed);
    }
}

const struct campaign campaign_chains = {
    .name = "chains", .run = run_chains, .replay = replay_chains};
