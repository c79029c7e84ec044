/* Years of a shop: 300 receipts a day on one board, with the troubles that such a year has,
 * everything skipped in which nothing happens. And the worst month: no internet for thirty days,
 * until the FN stops the register; then the cable is back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/error.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/host.h"

#define RECEIPTS_A_DAY 300u
#define DAYS_A_YEAR    365u
#define OPENING_S      32400u /* 09:00 */
#define OPEN_FOR_S     39600u /* eleven hours */
#define DAY_S          86400u
#define OUTAGE_DAYS    30u

static const struct sim_geometry shop_flash = {4096, 256, 0xFF, 1024};

static struct sim sim;
static struct oracle oracle;
static struct job job;

/* ---- The people ---- */

static void start_host(void)
{
    kkt_error error;
    CHECK(host_start(&error) == KKT_OK, "I9: the queue does not open: %s", error.text);
}

static uint32_t want(uint8_t code, enum job_flavour flavour)
{
    job_make(&job, code, flavour, ((uint64_t)sim_random(&sim) << 32) | sim_random(&sim),
             SIM_START + (unix_s)(sim.now / 1000) + 1);
    return oracle_ask(&oracle, &job, flavour, SIM_START + (unix_s)(sim.now / 1000) + 1);
}

static void bury_when_dead(void)
{
    if (host.alive && disk_is_dead(host.disk))
        host_die();
    if (host.alive)
        return;
    sim_run(&sim, 5000);
    host_bury(sim_once_in(&sim, 2) ? DISK_CRASH_PROCESS : DISK_CRASH_MACHINE, sim_random(&sim));
    start_host();
}

/* Asks until there is an outcome, mends what a person would. Its state. */
static enum oracle_state get_done(uint32_t index)
{
    for (unsigned attempt = 0; attempt < 12; attempt++) {
        bool known = host_do(&oracle, index, 60000);
        bury_when_dead();
        if (!known || oracle.jobs[index].state == ORACLE_ASKED)
            continue;
        uint16_t refusal = oracle.jobs[index].refusal;
        if (oracle.jobs[index].state == ORACLE_DONE)
            return ORACLE_DONE;
        if (refusal == ERROR_PAPER_OUT)
            print_head_set_paper(sim.head, PRINT_HEAD_PAPER_IN);
        else if (refusal != ERROR_FN_SILENT && refusal != ERROR_PRINTER)
            return ORACLE_REFUSED;
        sim_run(&sim, 2000);
    }
    CHECK(false, "I3: job %" PRIu32 " has no outcome", index);
}

static void must(uint8_t code)
{
    uint32_t index = want(code, JOB_PLAIN);
    CHECK(get_done(index) == ORACLE_DONE, "I12: %s is refused: %s", job_name(code),
          error_info_find(oracle.jobs[index].refusal)->name);
}

static void wait_until(uint64_t second)
{
    if (second * 1000 > sim.now)
        sim_run(&sim, second * 1000 - sim.now);
}

static void open_shop(uint64_t seed)
{
    oracle_free(&oracle);
    oracle_init(&oracle);
    sim_create(&sim, &shop_flash, seed, true);
    host_create(&sim, HOST_TCP);
    CHECK(sim_power_on(&sim) == ERROR_NONE, "harness: a blank board does not start");
    sim_run(&sim, 3000);
    start_host();
    must(LINK_REGISTRATION);
}

/* All is confirmed and printed, nothing is owed. */
static void close_shop(void)
{
    host_stop();
    sim_reconnect(&sim);
    mono_ms until = sim.now + 3600000u * 6;
    while (fnm_unconfirmed_count(sim.fn.fnm) > 0 && sim.now < until)
        sim_turn(&sim, until);
    print_head_set_paper(sim.head, PRINT_HEAD_PAPER_IN);
    CHECK(sim_settle(&sim, 600000), "I16: the world does not come to rest");
    sim_run(&sim, 3000);
    oracle_check_end(&oracle, &sim, true, true);
    figure_account(&oracle);
    host_destroy();
    sim_destroy(&sim);
}

/* ---- Troubles of an ordinary day ---- */

static void trouble(void)
{
    if (sim_once_in(&sim, 150))
        sim_cut_flash(&sim, 1 + sim_below(&sim, 12), (enum ram_tear)sim_below(&sim, RAM_TEARS));
    if (sim_once_in(&sim, 400))
        sim_cut_fn(&sim, 1 + sim_below(&sim, 2),
                   (enum fn_memory_tear)sim_below(&sim, FN_MEMORY_TEARS));
    if (sim_once_in(&sim, 400)) {
        sim.to_host.at = sim.to_host.passed + 1 + sim_below(&sim, 60);
        sim.to_host.fault = WIRE_UNPLUG;
    }
    if (sim_once_in(&sim, 300)) {
        sim.fn_line.fault = sim_once_in(&sim, 2) ? FNM_FAULT_LOSE_ANSWER : FNM_FAULT_DROP_ANSWER;
        sim.fn_line.fault_in = 1 + sim_below(&sim, 5);
    }
    if (sim_once_in(&sim, 200))
        operator_set_net(sim.op, sim_once_in(&sim, 2));
    if (sim_once_in(&sim, 300))
        operator_set_manner(sim.op, (enum operator_manner)sim_below(&sim, OPERATOR_FORGETS),
                            sim_below(&sim, 600), 3);
    if (sim_once_in(&sim, 300))
        print_head_set_paper_out_after(sim.head, 1 + sim_below(&sim, 40));
    if (sim_once_in(&sim, 600))
        host.die_at_step = host.steps + 1 + sim_below(&sim, 10);
    if (sim_once_in(&sim, 600))
        disk_kill_at(host.disk, disk_operations(host.disk) + 1 + sim_below(&sim, 8));
}

static void one_day(uint64_t midnight, uint32_t receipts, bool quiet)
{
    wait_until(midnight + OPENING_S);
    must(LINK_SHIFT_OPEN);
    must(LINK_CASH_IN);
    for (uint32_t i = 0; i < receipts; i++) {
        wait_until(midnight + OPENING_S + (uint64_t)OPEN_FOR_S * (i + 1) / receipts);
        if (!quiet)
            trouble();
        uint32_t index = want(LINK_RECEIPT, JOB_ANY);
        /* Money cannot be given back that is not in the drawer. */
        if (get_done(index) == ORACLE_REFUSED)
            CHECK(oracle.jobs[index].refusal == ERROR_CASH_SHORT, "I12: a sale is refused: %s",
                  error_info_find(oracle.jobs[index].refusal)->name);
    }
    operator_set_net(sim.op, !quiet || fnm_unconfirmed_count(sim.fn.fnm) == 0);
    must(LINK_SHIFT_CLOSE);
    oracle_check(&oracle, &sim);
}

/* ---- Years ---- */

static void one_year(const struct part *part, uint64_t seed, uint32_t days)
{
    open_shop(seed);
    sim_person(&sim, 3000, 5000);
    for (uint32_t day = 1; day <= days; day++) {
        one_day((uint64_t)day * DAY_S, RECEIPTS_A_DAY, false);
        figure_add(FIGURE_SIMULATED_DAYS, 1);
        campaign_progress(part, "years: seed %" PRIu64 ", day %" PRIu32, seed, day);
    }
    operator_set_net(sim.op, true);
    operator_set_manner(sim.op, OPERATOR_GOOD, 0, 0);
    sim_cut_flash(&sim, 0, RAM_TEAR_NOTHING);
    sim_cut_fn(&sim, 0, FN_MEMORY_TEAR_NOTHING);
    close_shop();
}

static void run_years(const struct part *part)
{
    uint32_t years = part->profile == PROFILE_FULL ? 10 : part->count;
    uint32_t days = campaign_scale(part, 2, 30, DAYS_A_YEAR);
    for (uint32_t year = part->index; year < years; year += part->count) {
        uint64_t seed = part->seed * 1000 + year;
        snprintf(check_replay, sizeof check_replay, "years %" PRIu64 " %" PRIu32, seed, days);
        one_year(part, seed, days);
    }
}

static void replay_years(const char *code)
{
    static const struct part part = {.count = 1};
    uint64_t seed;
    uint32_t days;
    CHECK(sscanf(code, "%" SCNu64 " %" SCNu32, &seed, &days) == 2, "harness: not a year: %s", code);
    one_year(&part, seed, days);
}

const struct campaign campaign_years = {.name = "years", .run = run_years, .replay = replay_years};

/* ---- The worst month ---- */

static void one_outage(const struct part *part, uint64_t seed, uint32_t receipts_a_day)
{
    open_shop(seed);
    operator_set_net(sim.op, true);
    sim_run(&sim, 60000);
    CHECK(fnm_unconfirmed_count(sim.fn.fnm) == 0, "harness: the registration is not confirmed");
    operator_set_net(sim.op, false);
    uint64_t first = 1;
    for (uint32_t day = 0; day < OUTAGE_DAYS; day++) {
        one_day((first + day) * DAY_S, receipts_a_day, true);
        operator_set_net(sim.op, false);
        campaign_progress(part, "outage: day %" PRIu32 ", %" PRIu32 " documents wait", day,
                          fnm_unconfirmed_count(sim.fn.fnm));
    }
    uint32_t queued = fnm_unconfirmed_count(sim.fn.fnm);
    /* The thirty-first day: the FN says no, for that reason, and nothing is punched. */
    wait_until((first + OUTAGE_DAYS) * DAY_S + OPENING_S + 60);
    uint32_t before = fnm_document_count(sim.fn.fnm);
    uint32_t index = want(LINK_SHIFT_OPEN, JOB_PLAIN);
    CHECK(get_done(index) == ORACLE_REFUSED && oracle.jobs[index].refusal == ERROR_OFD_OVERDUE,
          "I12: after 30 days without the operator: %s",
          error_info_find(oracle.jobs[index].refusal)->name);
    CHECK(fnm_document_count(sim.fn.fnm) == before, "I12: a refused job was punched");
    kkt_status status;
    kkt_error error;
    CHECK(kkt_get_status(host.device, &status, &error) == KKT_OK &&
              status.ofd.queue_count == queued && status.ofd.days_left == 0,
          "I12: the status tells %" PRIu32 " documents, %u days left", status.ofd.queue_count,
          status.ofd.days_left);
    /* The cable is back: the queue drains in order, and the register sells again. */
    operator_set_net(sim.op, true);
    mono_ms back_at = sim.now;
    while (fnm_unconfirmed_count(sim.fn.fnm) > 0 && sim.now < back_at + 3600000u * 12)
        sim_turn(&sim, sim.now + 60000);
    CHECK(fnm_unconfirmed_count(sim.fn.fnm) == 0, "I16: the queue does not drain: %" PRIu32 " left",
          fnm_unconfirmed_count(sim.fn.fnm));
    must(LINK_SHIFT_OPEN);
    must(LINK_RECEIPT);
    must(LINK_SHIFT_CLOSE);
    close_shop();
    figure_add(FIGURE_OUTAGE_DOCUMENTS, queued);
}

static void run_outage(const struct part *part)
{
    uint32_t receipts = campaign_scale(part, 10, 1000, 1000);
    snprintf(check_replay, sizeof check_replay, "outage %" PRIu64 " %" PRIu32, part->seed,
             receipts);
    one_outage(part, part->seed, receipts);
}

static void replay_outage(const char *code)
{
    static const struct part part = {.count = 1};
    uint64_t seed;
    uint32_t receipts;
    CHECK(sscanf(code, "%" SCNu64 " %" SCNu32, &seed, &receipts) == 2, "harness: not an outage: %s",
          code);
    one_outage(&part, seed, receipts);
}

const struct campaign campaign_outage = {
    .name = "outage", .run = run_outage, .replay = replay_outage, .parts = 1};
