#include "tests/world/stand.h"

#include "proto/error.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"

#define OUTCOME_WITHIN_MS                                                                          \
    10000u /* of a job once all faults are over, starting the board included */

struct stand stand;

const struct scenario scenarios[] = {
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
const unsigned scenario_count = sizeof scenarios / sizeof scenarios[0];

const struct scenario *scenario_find(const char *name)
{
    for (unsigned i = 0; i < scenario_count; i++) {
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    }
    return NULL;
}

/* ---- A job from its question to its outcome ---- */

/* One asking; true: the host knows how it ended. */
bool stand_ask_once(uint32_t index)
{
    struct refusal refusal;
    struct link_result result;
    oracle_job_again(&stand.oracle, index, &stand.job);
    if (sim_ask_job(&stand.sim, stand.job.code, stand.job.key, stand.job.body, stand.job.size,
                    60000) != SIM_ANSWERED) {
        oracle_left_without_answer(&stand.oracle, index);
        return false;
    }
    const struct link_client_answer *answer = link_client_result(&stand.sim.client);
    refusal = answer->refusal;
    if (!answer->keyed) { /* proves nothing */
        oracle_left_without_answer(&stand.oracle, index);
        return false;
    }
    if (refusal.code == ERROR_NONE)
        CHECK(link_result_get(answer->body, answer->size, &result), "I15: a result that is none");
    oracle_answered(&stand.oracle, index, refusal.code, &result);
    return stand.oracle.jobs[index].state != ORACLE_ASKED;
}

void stand_mind_the_plug(void)
{
    if (stand.sim.plugged)
        return;
    sim_plug(&stand.sim, true);
    link_client_reset(&stand.sim.client);
}

void stand_ask_to_the_end(uint32_t index)
{
    for (unsigned attempt = 0; attempt < 6; attempt++) {
        if (!stand.sim.powered)
            CHECK(sim_power_on(&stand.sim) == ERROR_NONE,
                  "I16: the board does not come up: error %u", stand.sim.boot_error);
        stand_mind_the_plug();
        if (stand_ask_once(index))
            return;
    }
    CHECK(false, "I3: %s has no outcome after 6 askings", job_name(stand.oracle.jobs[index].code));
}

void stand_must_be_done(uint8_t code, enum job_flavour flavour, uint64_t seed)
{
    job_make(&stand.job, code, flavour, seed, sim_calendar(&stand.sim) + 1);
    uint32_t index = oracle_ask(&stand.oracle, &stand.job, flavour, sim_calendar(&stand.sim) + 1);
    stand_ask_to_the_end(index);
    CHECK(stand.oracle.jobs[index].state == ORACLE_DONE, "harness: %s was refused: %s",
          job_name(code), error_info_find(stand.oracle.jobs[index].refusal)->name);
}

/* ---- The place where it happens ---- */

void stand_settle(void)
{
    CHECK(sim_settle(&stand.sim, 120000), "I16: the world does not come to rest");
    sim_run(&stand.sim, 2000); /* erasing ahead, the drawer */
}

/* Fills the journal until less than `room` bytes of its sector are left. */
static void fill(uint32_t room, uint64_t seed)
{
    const struct journal *journal = &stand.sim.firmware.journal;
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t left = journal->sector_size - journal->head_offset;
        uint32_t footer = 8 + 2u * (journal->key_count + 2u) + 2u * (journal->key_count / 32 + 2u);
        if (left < room + footer + 250)
            return;
        stand_must_be_done(LINK_DRAWER_OPEN, JOB_PLAIN, seed + i);
        sim_run(&stand.sim, 2500); /* the drawer is shut again */
    }
}

/* room: bytes left in the journal's sector when the job comes; 0: as it is. */
void stand_prepare(const struct sim_geometry *geometry, enum stage stage, uint32_t room,
                   uint64_t seed, bool with_operator)
{
    oracle_free(&stand.oracle);
    oracle_init(&stand.oracle);
    sim_create(&stand.sim, geometry, seed, with_operator);
    if (with_operator)
        operator_set_net(stand.sim.op, false); /* what the prelude makes stays in the queue */
    CHECK(sim_power_on(&stand.sim) == ERROR_NONE, "harness: a blank board does not start");
    sim_run(&stand.sim, 3000);
    if (stage != STAGE_BLANK) {
        stand_must_be_done(LINK_REGISTRATION, JOB_PLAIN, seed + 1);
        stand_settle();
    }
    if (stage == STAGE_SHIFT_OPEN) {
        stand_must_be_done(LINK_SHIFT_OPEN, JOB_PLAIN, seed + 2);
        stand_must_be_done(LINK_CASH_IN, JOB_PLAIN, seed + 3);
        stand_must_be_done(LINK_RECEIPT, JOB_PLAIN, seed + 4);
        stand_settle();
    }
    if (room > 0 && stage != STAGE_BLANK)
        fill(room, seed + 1000);
    stand_settle();
    oracle_check_end(&stand.oracle, &stand.sim, true, false);
    stand.oracle.paper_from = fnm_document_count(stand.sim.fn.fnm) + 1;
    sim_save(&stand.sim);
    oracle_copy(&stand.base, &stand.oracle);
}

void stand_dispose(void)
{
    sim_destroy(&stand.sim);
}

void stand_back(uint64_t seed)
{
    sim_restore(&stand.sim);
    oracle_copy(&stand.oracle, &stand.base);
    stand.sim.dice = seed;
    stand.sim.flash.random_state = seed * 2 + 1;
    link_client_init(&stand.sim.client, (uint16_t)sim_random(&stand.sim));
    stand.sim.events_seen = 0;
    stand.sim.power_cuts = 0;
    CHECK(sim_power_on(&stand.sim) == ERROR_NONE, "harness: the board does not come up again");
    sim_run(&stand.sim, 1500);
}

uint32_t stand_want(const struct scenario *scenario, uint64_t seed)
{
    unix_s time = sim_calendar(&stand.sim) + 2;
    job_make(&stand.job, scenario->code, scenario->flavour, seed, time);
    return oracle_ask(&stand.oracle, &stand.job, scenario->flavour, time);
}

/* ---- One case ---- */

/* Everything must be as if the power had never gone. */
void stand_expect_sound(uint32_t index, bool follow_up)
{
    const struct oracle_job *asked = &stand.oracle.jobs[index];
    const char *name = job_name(asked->code);
    mono_ms begun = stand.sim.now;
    stand_ask_to_the_end(index);
    CHECK(stand.sim.now - begun <= OUTCOME_WITHIN_MS,
          "I16: %s had its outcome after %llu ms without a fault", name,
          (unsigned long long)(stand.sim.now - begun));
    CHECK(stand.oracle.jobs[index].state == ORACLE_DONE, "I3: %s was refused after the cut: %s",
          name, error_info_find(stand.oracle.jobs[index].refusal)->name);
    CHECK(sim_settle(&stand.sim, 120000), "I16: the world does not come to rest after %s", name);
    oracle_check_end(&stand.oracle, &stand.sim, true, false);
    figure_add(FIGURE_RECEIPTS_CHECKED, asked->code == LINK_RECEIPT);
    if (!follow_up)
        return;
    sim_run(&stand.sim, 3000);
    uint64_t operations = stand.sim.flash.operations;
    CHECK(sim_power_on(&stand.sim) == ERROR_NONE && sim_settle(&stand.sim, 60000),
          "I16: no rest after a second boot");
    CHECK(stand.sim.flash.operations == operations, "I11: a second boot wrote to the flash");
    if (stand.oracle.shift_open)
        stand_must_be_done(LINK_RECEIPT, JOB_PLAIN, 0xF0110 + index);
    else
        stand_must_be_done(LINK_SHIFT_OPEN, JOB_PLAIN, 0xF0110 + index);
    CHECK(sim_settle(&stand.sim, 120000), "I16: the world does not come to rest after another job");
    oracle_check_end(&stand.oracle, &stand.sim, true, false);
}

/* Asks, and lets the slip come out; stops when the power goes. */
void stand_go(uint32_t index)
{
    if (stand_ask_once(index) && stand.sim.powered)
        (void)sim_settle(&stand.sim, 60000);
    if (stand.sim.powered)
        sim_run(&stand.sim, 1000);
}
