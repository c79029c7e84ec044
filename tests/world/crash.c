/* The host dies: at every operation of its disk, at every step of its queue and at every call of
 * its cable, while the board goes on, loses its power, loses its plug, or has lost its answer. Then
 * the backend, which knows only its orders, submits the same job again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/host.h"
#include "tests/world/stand.h"

/* What becomes of the board in the moment the host dies. */
enum outcome { OUTCOME_GOES_ON, OUTCOME_POWER, OUTCOME_PLUG, OUTCOME_FN_SILENT, OUTCOMES };
/* What is counted. */
enum clockwork { CLOCK_DISK, CLOCK_STEPS, CLOCK_CALLS, CLOCKS };
/* The process dies, or the machine, in four ways of losing what was not synced. */
#define DEATHS 5u

struct death {
    enum clockwork clock;
    uint64_t at;
    enum outcome outcome;
    unsigned kind; /* 0: the process; else the machine, with this seed */
};

static void board_goes_dark(struct host *dead)
{
    sim_power_off(dead->sim);
}

static void plug_is_pulled(struct host *dead)
{
    sim_plug(dead->sim, false);
}

static void fn_loses_its_answer(struct host *dead)
{
    fnm_fault(dead->sim->fn.fnm, FNM_FAULT_LOSE_ANSWER, 0);
}

static void (*const at_death[OUTCOMES])(struct host *dead) = {NULL, board_goes_dark, plug_is_pulled,
                                                              fn_loses_its_answer};

static void set_clock(enum clockwork clock, uint64_t at)
{
    if (clock == CLOCK_DISK)
        disk_kill_at(host.disk, at == 0 ? 0 : disk_operations(host.disk) + at);
    else if (clock == CLOCK_STEPS)
        host.die_at_step = at == 0 ? 0 : host.steps + at;
    else
        host.die_at_call = at == 0 ? 0 : host.calls + at;
}

static void start(void)
{
    kkt_error error;
    int result = host_start(&error);
    CHECK(result == KKT_OK, "I9: the queue does not open after a crash: %s %s", error.name,
          error.text);
}

/* The backend asks for its order, whatever it takes. */
static void resubmit_to_the_end(uint32_t index)
{
    for (unsigned attempt = 0; attempt < 6; attempt++) {
        stand_mind_the_plug();
        if (!stand.sim.powered)
            CHECK(sim_power_on(&stand.sim) == 0, "I16: the board does not come up");
        if (host_do(&stand.oracle, index, 60000))
            return;
    }
    CHECK(false, "I3: job %" PRIu32 " has no outcome after 6 submissions", index);
}

static bool died(void)
{
    /* The disk dies by itself; the process is gone with it. */
    if (host.alive && disk_is_dead(host.disk))
        host_die();
    return !host.alive;
}

/* True: the application was told that its job is stored. */
static bool submit(uint32_t index)
{
    kkt_error error;
    int result = host_submit(&stand.oracle, index, &error);
    return result == KKT_OK && !died();
}

/* What was answered is in the file, whatever the machine lost. */
static void must_be_stored(uint32_t index)
{
    kkt_key key;
    kkt_result result;
    kkt_error error;
    memcpy(key.bytes, stand.oracle.jobs[index].key, sizeof key.bytes);
    CHECK(kkt_find(host.queue, &key, &result, &error) == KKT_OK,
          "I1: a stored submission is gone after the crash: %s", error.name);
}

/* False: the job ends before its host dies. */
static bool one_death(const struct scenario *scenario, const struct death *death)
{
    struct sim *sim = &stand.sim;
    host_stop();
    host_format();
    stand_back(death->at * 1000 + death->clock * 100 + death->outcome * 10 + death->kind);
    uint32_t index = stand_want(scenario, 81);
    start();
    host.at_death = at_death[death->outcome];
    set_clock(death->clock, death->at);
    bool accepted = submit(index);
    if (!died())
        (void)host_do(&stand.oracle, index, 60000);
    bool reached = died();
    set_clock(death->clock, 0);
    host.at_death = NULL;
    if (reached) {
        sim_run(sim, 1500); /* the board goes on without its host */
        host_bury(death->kind == 0 ? DISK_CRASH_PROCESS : DISK_CRASH_MACHINE, death->kind);
        start();
        if (accepted)
            must_be_stored(index);
    }
    resubmit_to_the_end(index);
    /* The queue says the same, and has nothing else to do. */
    CHECK(host_report(&stand.oracle, index), "I3: the queue file knows no outcome");
    kkt_error error;
    CHECK(kkt_run(host.queue, host.device, 60000, &error) == KKT_OK,
          "I3: the queue is not empty: %s", error.name);
    host_stop();
    sim_reconnect(sim);
    stand_expect_sound(index, false);
    return reached;
}

static void deaths_of(const struct part *part, const struct scenario *scenario)
{
    struct death death;
    uint64_t step = campaign_scale(part, 7, 5, 1);
    for (death.clock = CLOCK_DISK; death.clock < CLOCKS; death.clock++) {
        bool reached = true;
        for (death.at = 1; reached; death.at += step) {
            for (death.outcome = OUTCOME_GOES_ON; death.outcome < OUTCOMES && reached;
                 death.outcome++) {
                for (death.kind = 0; death.kind < DEATHS && reached; death.kind++) {
                    snprintf(check_replay, sizeof check_replay, "host %s %u %" PRIu64 " %u %u",
                             scenario->name, death.clock, death.at, death.outcome, death.kind);
                    reached = one_death(scenario, &death);
                    figure_add(FIGURE_HOST_CRASH_POINTS, reached);
                }
            }
        }
    }
}

static void run_host(const struct part *part)
{
    unsigned turn = 0;
    for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
        stand_prepare(&sim_geometries[0], stage, 0, 7, false);
        host_create(&stand.sim, HOST_TCP);
        for (unsigned i = 0; i < scenario_count; i++) {
            if (scenarios[i].stage != stage || turn++ % part->count != part->index)
                continue;
            campaign_progress(part, "host dies: %s", scenarios[i].name);
            deaths_of(part, &scenarios[i]);
        }
        host_destroy();
        stand_dispose();
    }
}

static void replay_host(const char *code)
{
    char name[24];
    unsigned numbers[3];
    struct death death;
    CHECK(sscanf(code, "%23s %u %" SCNu64 " %u %u", name, &numbers[0], &death.at, &numbers[1],
                 &numbers[2]) == 5 &&
              numbers[0] < CLOCKS && numbers[1] < OUTCOMES,
          "harness: not a case of host: %s", code);
    const struct scenario *scenario = scenario_find(name);
    CHECK(scenario != NULL, "harness: no such scenario: %s", name);
    death.clock = (enum clockwork)numbers[0];
    death.outcome = (enum outcome)numbers[1];
    death.kind = numbers[2];
    stand_prepare(&sim_geometries[0], scenario->stage, 0, 7, false);
    host_create(&stand.sim, HOST_TCP);
    (void)one_death(scenario, &death);
    host_destroy();
}

const struct campaign campaign_host = {.name = "host", .run = run_host, .replay = replay_host};
