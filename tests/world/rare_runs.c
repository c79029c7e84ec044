/* Days on which the unlikely branches are taken (proto/rare.h): the whole driver, a good network
 * and good paper, and dice that put off, drop, repeat and make anew wherever the product may have
 * to. Every promise holds all the same; then the dice rest, and everything comes to its end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/error.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/host.h"

#define STEPS    30u
#define PATIENCE 60000u

static struct sim sim;
static struct oracle oracle;
static struct job job;

static uint32_t want(uint8_t code, enum job_flavour flavour)
{
    unix_s time = sim_calendar(&sim) + 1;
    job_make(&job, code, flavour, sim_random(&sim), time);
    return oracle_ask(&oracle, &job, flavour, time);
}

/* Until the job is done or refused for a reason. */
static void do_to_the_end(uint32_t index)
{
    for (unsigned attempt = 0; oracle.jobs[index].state == ORACLE_ASKED; attempt++) {
        CHECK(attempt < 12, "I3: job %" PRIu32 " (%s) has no outcome", index,
              job_name(oracle.jobs[index].code));
        if (!sim.powered)
            CHECK(sim_power_on(&sim) == ERROR_NONE, "I16: the board does not come up");
        (void)host_do(&oracle, index, PATIENCE);
        oracle_check(&oracle, &sim);
        sim.rare_chance *= 2; /* luck that bad does not last: a long slip must come out once */
    }
}

/* Several receipts at once, so that one is sent ahead of the other's answer. */
static void do_many(void)
{
    uint32_t first = oracle.count;
    kkt_error error;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t index = want(LINK_RECEIPT, JOB_PLAIN);
        CHECK(host_submit(&oracle, index, &error) == KKT_OK,
              "I9: the queue does not take a job: %s", error.text);
    }
    (void)kkt_run(host.queue, host.device, PATIENCE, &error);
    for (uint32_t index = first; index < oracle.count; index++) {
        (void)host_report(&oracle, index);
        do_to_the_end(index);
    }
}

static void one_step(void)
{
    static const uint8_t codes[] = {LINK_RECEIPT,     LINK_RECEIPT,    LINK_RECEIPT,
                                    LINK_CASH_IN,     LINK_CASH_IN,    LINK_X_REPORT,
                                    LINK_NON_FISCAL,  LINK_COPY,       LINK_CASH_OUT,
                                    LINK_DRAWER_OPEN, LINK_SHIFT_OPEN, LINK_STATE_REPORT};
    switch (sim_below(&sim, 8)) {
    case 0:
        do_many();
        break;
    case 1:
        sim_power_off(&sim); /* what the host had asked, and what lay in the spool */
        CHECK(sim_power_on(&sim) == ERROR_NONE, "I16: the board does not come up");
        break;
    case 2:
        sim_run(&sim, sim_below(&sim, 60000));
        break;
    default:
        do_to_the_end(want(codes[sim_below(&sim, sizeof codes)], JOB_ANY));
        break;
    }
    oracle_check(&oracle, &sim);
}

static void rest(void)
{
    kkt_error error;
    sim.rare_chance = 0; /* the dice rest */
    CHECK(kkt_run(host.queue, host.device, 300000, &error) == KKT_OK,
          "I3: the queue does not drain: %s, %s", error.name, error.text);
    uint32_t index = want(LINK_RECEIPT, JOB_PLAIN);
    do_to_the_end(index);
    CHECK(oracle.jobs[index].state == ORACLE_DONE, "I12: a sale is refused: %s",
          error_info_find(oracle.jobs[index].refusal)->name);
    host_stop();
    sim_reconnect(&sim);
    mono_ms until = sim.now + 3600000;
    while (fnm_unconfirmed_count(sim.fn.fnm) > 0 && sim.now < until)
        sim_turn(&sim, until);
    sim_run(&sim, 3000);
    CHECK(sim_settle(&sim, 600000), "I16: the world does not come to rest");
    oracle_check_end(&oracle, &sim, true, true);
}

static void one_run(uint64_t seed)
{
    snprintf(check_replay, sizeof check_replay, "rare %" PRIu64, seed);
    oracle_free(&oracle);
    oracle_init(&oracle);
    sim_create(&sim, &sim_geometries[seed * 7 % sim_geometry_count], seed, true);
    host_create(&sim, seed % 4 == 0 ? HOST_SERIAL : HOST_TCP);
    CHECK(sim_power_on(&sim) == ERROR_NONE, "I16: a blank board does not start");
    sim_run(&sim, 3000);
    kkt_error error;
    CHECK(host_start(&error) == KKT_OK, "I9: the queue does not open: %s", error.text);
    do_to_the_end(want(LINK_REGISTRATION, JOB_PLAIN));
    do_to_the_end(want(LINK_SHIFT_OPEN, JOB_PLAIN));
    do_to_the_end(want(LINK_CASH_IN, JOB_PLAIN));
    sim.rare_chance = 5 + sim_below(&sim, sim_once_in(&sim, 2) ? 20 : 200);
    uint32_t chance = sim.rare_chance;
    for (uint32_t step = 0; step < STEPS; step++) {
        sim.rare_chance = chance;
        one_step();
    }
    rest();
    figure_account(&oracle);
    host_destroy();
    sim_destroy(&sim);
}

static void run_rare(const struct part *part)
{
    uint32_t seeds = campaign_scale(part, 20, 200, 4000);
    for (uint32_t i = part->index; i < seeds; i += part->count) {
        campaign_progress(part, "rare branches: seed %" PRIu32, i);
        one_run(part->seed * 1000000 + i);
    }
}

static void replay_rare(const char *code)
{
    one_run(strtoull(code, NULL, 10));
}

const struct campaign campaign_rare = {.name = "rare", .run = run_rare, .replay = replay_rare};
