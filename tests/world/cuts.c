/* Power cuts: at every flash operation of every kind of job, in every shape, on every geometry, with
 * the journal filled so that the job falls before, on and behind the end of a sector. Then cuts
 * inside the recovery, and chains of cuts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/error.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"

#define FOLLOW_UP 8u /* one case in so many is gone on with: another job, a boot without writes */

/* Where the board stands when the job comes. */
enum stage { STAGE_BLANK, STAGE_SHIFT_CLOSED, STAGE_SHIFT_OPEN, STAGES };

struct scenario {
    const char *name;
    uint8_t code;
    enum job_flavour flavour;
    enum stage stage;
};

static const struct scenario scenarios[] = {
    {"sale", LINK_RECEIPT, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"shiftOpen", LINK_SHIFT_OPEN, JOB_PLAIN, STAGE_SHIFT_CLOSED},
    {"shiftClose", LINK_SHIFT_CLOSE, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"return", LINK_RECEIPT, JOB_RETURN, STAGE_SHIFT_OPEN},
    {"electronic", LINK_RECEIPT, JOB_ELECTRONIC, STAGE_SHIFT_OPEN},
    {"large", LINK_RECEIPT, JOB_LARGE, STAGE_SHIFT_OPEN},
    {"registration", LINK_REGISTRATION, JOB_PLAIN, STAGE_BLANK},
    {"state", LINK_STATE_REPORT, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"xReport", LINK_X_REPORT, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"cashIn", LINK_CASH_IN, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"cashOut", LINK_CASH_OUT, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"drawer", LINK_DRAWER_OPEN, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"nonFiscal", LINK_NON_FISCAL, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"copy", LINK_COPY, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"setTime", LINK_SET_TIME, JOB_PLAIN, STAGE_SHIFT_OPEN},
    {"settings", LINK_SETTINGS_SET, JOB_PLAIN, STAGE_SHIFT_OPEN},
};
#define SCENARIOS       (sizeof scenarios / sizeof scenarios[0])
#define EXHAUSTIVE_TWO  3u /* the first ones: sale, shift turn */

static struct sim sim;
static struct oracle base, oracle;
static struct job job;

/* ---- A job from its question to its outcome ---- */

/* One asking; true: the host knows how it ended. */
static bool ask_once(uint32_t index)
{
    struct refusal refusal;
    struct link_result result;
    oracle_job_again(&oracle, index, &job);
    if (sim_ask_job(&sim, job.code, job.key, job.body, job.size, 60000) != SIM_ANSWERED) {
        oracle_left_without_answer(&oracle, index);
        return false;
    }
    const struct link_client_answer *answer = link_client_result(&sim.client);
    refusal = answer->refusal;
    if (refusal.code == ERROR_NONE)
        CHECK(link_result_get(answer->body, answer->size, &result), "I15: a result that is none");
    oracle_answered(&oracle, index, refusal.code, &result);
    return oracle.jobs[index].state != ORACLE_ASKED;
}

static void ask_to_the_end(uint32_t index)
{
    for (unsigned attempt = 0; attempt < 6; attempt++) {
        if (!sim.powered)
            CHECK(sim_power_on(&sim) == ERROR_NONE, "I16: the board does not come up: error %u",
                  sim.boot_error);
        if (ask_once(index))
            return;
    }
    CHECK(false, "I3: %s has no outcome after 6 askings", job_name(oracle.jobs[index].code));
}

static void must_be_done(uint8_t code, enum job_flavour flavour, uint64_t seed)
{
    job_make(&job, code, flavour, seed, sim_calendar(&sim) + 1);
    uint32_t index = oracle_ask(&oracle, &job, flavour, sim_calendar(&sim) + 1);
    ask_to_the_end(index);
    CHECK(oracle.jobs[index].state == ORACLE_DONE, "harness: %s was refused: %s", job_name(code),
          error_info_find(oracle.jobs[index].refusal)->name);
}

/* ---- The place where it happens ---- */

static void settle(void)
{
    CHECK(sim_settle(&sim, 120000), "I16: the world does not come to rest");
    sim_run(&sim, 2000); /* erasing ahead, the drawer */
}

/* Fills the journal until less than `room` bytes of its sector are left. */
static void fill(uint32_t room, uint64_t seed)
{
    const struct journal *journal = &sim.firmware.journal;
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t left = journal->sector_size - journal->head_offset;
        uint32_t footer = 8 + 2u * (journal->key_count + 2u) + 2u * (journal->key_count / 32 + 2u);
        if (left < room + footer + 250)
            return;
        must_be_done(LINK_DRAWER_OPEN, JOB_PLAIN, seed + i);
        sim_run(&sim, 2500); /* the drawer is shut again */
    }
}

/* room: bytes left in the journal's sector when the job comes; 0: as it is. */
static void prepare(const struct sim_geometry *geometry, enum stage stage, uint32_t room,
                    uint64_t seed)
{
    oracle_free(&oracle);
    oracle_init(&oracle);
    sim_create(&sim, geometry, seed, false);
    CHECK(sim_power_on(&sim) == ERROR_NONE, "harness: a blank board does not start");
    sim_run(&sim, 3000);
    if (stage != STAGE_BLANK) {
        must_be_done(LINK_REGISTRATION, JOB_PLAIN, seed + 1);
        settle();
    }
    if (stage == STAGE_SHIFT_OPEN) {
        must_be_done(LINK_SHIFT_OPEN, JOB_PLAIN, seed + 2);
        must_be_done(LINK_CASH_IN, JOB_PLAIN, seed + 3);
        must_be_done(LINK_RECEIPT, JOB_PLAIN, seed + 4);
        settle();
    }
    if (room > 0 && stage != STAGE_BLANK)
        fill(room, seed + 1000);
    settle();
    oracle_check_end(&oracle, &sim, true, false);
    oracle.paper_from = fnm_document_count(sim.fn.fnm) + 1;
    sim_save(&sim);
    oracle_copy(&base, &oracle);
}

static void back(void)
{
    sim_restore(&sim);
    oracle_copy(&oracle, &base);
    sim.power_cuts = 0;
    CHECK(sim_power_on(&sim) == ERROR_NONE, "harness: the board does not come up again");
    sim_run(&sim, 1500);
}

static uint32_t ask_scenario(const struct scenario *scenario, uint64_t seed)
{
    unix_s time = sim_calendar(&sim) + 2;
    job_make(&job, scenario->code, scenario->flavour, seed, time);
    return oracle_ask(&oracle, &job, scenario->flavour, time);
}

/* ---- One case ---- */

/* Everything must be as if the power had never gone. */
static void expect_sound(const struct scenario *scenario, uint32_t index, bool follow_up)
{
    ask_to_the_end(index);
    CHECK(oracle.jobs[index].state == ORACLE_DONE, "I3: %s was refused after the cut: %s",
          scenario->name, error_info_find(oracle.jobs[index].refusal)->name);
    CHECK(sim_settle(&sim, 120000), "I16: the world does not come to rest after %s",
          scenario->name);
    oracle_check_end(&oracle, &sim, true, false);
    figure_add(FIGURE_RECEIPTS_CHECKED, scenario->code == LINK_RECEIPT);
    if (!follow_up)
        return;
    sim_run(&sim, 3000);
    uint64_t operations = sim.flash.operations;
    CHECK(sim_power_on(&sim) == ERROR_NONE && sim_settle(&sim, 60000),
          "I16: no rest after a second boot");
    CHECK(sim.flash.operations == operations, "I11: a second boot wrote to the flash");
    if (oracle.shift_open)
        must_be_done(LINK_RECEIPT, JOB_PLAIN, 0xF0110 + index);
    else
        must_be_done(LINK_SHIFT_OPEN, JOB_PLAIN, 0xF0110 + index);
    CHECK(sim_settle(&sim, 120000), "I16: the world does not come to rest after another job");
    oracle_check_end(&oracle, &sim, true, false);
}

/* Asks, and lets the slip come out; stops when the power goes. */
static void go(uint32_t index)
{
    if (ask_once(index) && sim.powered)
        (void)sim_settle(&sim, 60000);
    if (sim.powered)
        sim_run(&sim, 1000);
}

/* False: the job has fewer operations than `at`. */
static bool one_cut(const struct scenario *scenario, uint64_t at, enum ram_tear tear)
{
    back();
    uint32_t index = ask_scenario(scenario, 77);
    sim.runs_on = (at + tear) % 5 == 0;
    sim_cut_flash(&sim, at, tear);
    go(index);
    bool reached = !sim.powered;
    sim_cut_flash(&sim, 0, RAM_TEAR_NOTHING);
    sim.runs_on = false;
    expect_sound(scenario, index, !reached || (at * RAM_TEARS + tear) % FOLLOW_UP == 0);
    return reached;
}

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

static void cuts_of(const struct sim_geometry *geometry, const struct scenario *scenario,
                    unsigned room)
{
    char name[24];
    for (uint64_t at = 1;; at++) {
        bool reached = false;
        for (enum ram_tear tear = RAM_TEAR_NOTHING; tear < RAM_TEARS; tear++) {
            if (!shape_counts(geometry, tear))
                continue;
            snprintf(check_replay, sizeof check_replay, "cuts %s %u %s %" PRIu64 " %u",
                     sim_geometry_name(geometry, name), room, scenario->name, at, tear);
            reached = one_cut(scenario, at, tear);
            if (!reached)
                break;
            figure_add(FIGURE_POWER_CUTS, 1);
        }
        if (!reached)
            return;
    }
}

static void stages_of(const struct part *part, const struct sim_geometry *geometry, unsigned room,
                      void (*each)(const struct part *part, const struct sim_geometry *geometry,
                                   const struct scenario *scenario, unsigned room))
{
    for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
        if (stage == STAGE_BLANK && room > 0)
            continue;
        prepare(geometry, stage, rooms[room], 1 + room);
        for (size_t i = 0; i < SCENARIOS; i++) {
            if (scenarios[i].stage == stage)
                each(part, geometry, &scenarios[i], room);
        }
        sim_destroy(&sim);
    }
}

static void each_cut(const struct part *part, const struct sim_geometry *geometry,
                     const struct scenario *scenario, unsigned room)
{
    (void)part;
    cuts_of(geometry, scenario, room);
}

static void run_cuts(const struct part *part)
{
    char name[24];
    unsigned turn = 0;
    for (unsigned room = 0; room < ROOMS; room++) {
        for (unsigned i = 0; i < sim_geometry_count; i++) {
            const struct sim_geometry *geometry = &sim_geometries[i];
            if (turn++ % part->count != part->index)
                continue;
            if (part->profile != PROFILE_FULL &&
                turn % campaign_scale(part, 8, 24, 1) != 1 % campaign_scale(part, 8, 24, 1))
                continue;
            campaign_progress(part, "cuts: %s, room %u", sim_geometry_name(geometry, name), room);
            stages_of(part, geometry, room, each_cut);
        }
    }
}

static void replay_cuts(const char *code)
{
    char geometry_name[24], scenario_name[24], name[24];
    unsigned room, tear;
    uint64_t at;
    CHECK(sscanf(code, "%23s %u %23s %" SCNu64 " %u", geometry_name, &room, scenario_name, &at,
                 &tear) == 5 &&
              room < ROOMS && tear < RAM_TEARS,
          "harness: not a case of cuts: %s", code);
    for (unsigned i = 0; i < sim_geometry_count; i++) {
        for (size_t j = 0; j < SCENARIOS; j++) {
            if (strcmp(sim_geometry_name(&sim_geometries[i], name), geometry_name) != 0 ||
                strcmp(scenarios[j].name, scenario_name) != 0)
                continue;
            prepare(&sim_geometries[i], scenarios[j].stage, rooms[room], 1 + room);
            (void)one_cut(&scenarios[j], at, (enum ram_tear)tear);
        }
    }
}

const struct campaign campaign_cuts = {"cuts", run_cuts, replay_cuts, 0};
