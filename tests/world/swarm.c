/* A seed is a day in the life of a shop on which everything goes wrong: each run draws which faults
 * there are and how strong, does some dozens of jobs among them, then lets the world heal and
 * demands that everything comes to its end. Every seed is run twice, and must leave the same world.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/crc.h"
#include "proto/error.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/host.h"

enum trouble {
    TROUBLE_FLASH_CUT,
    TROUBLE_FN_CUT,
    TROUBLE_POWER,
    TROUBLE_BYTES,
    TROUBLE_PLUG,
    TROUBLE_FN_LINE,
    TROUBLE_FN_FAULT,
    TROUBLE_FLASH_FAULT,
    TROUBLE_OPERATOR,
    TROUBLE_NET,
    TROUBLE_PAPER,
    TROUBLE_HEAD,
    TROUBLE_DRAWER,
    TROUBLE_CLOCK,
    TROUBLE_HOST,
    TROUBLE_DISK,
    TROUBLE_WAITING,
    TROUBLE_IMPATIENCE,
    TROUBLE_PEOPLE,
    TROUBLES
};

static struct sim sim;
static struct oracle oracle;
static struct job job;

struct swarm {
    uint32_t chance[TROUBLES]; /* one step in so many; 0: this run does not know it */
    uint32_t steps;
    bool operator_forgot;
};
static struct swarm swarm;

/* ---- The person and the backend ---- */

static void start_host(void)
{
    kkt_error error;
    for (unsigned attempt = 0; attempt < 3; attempt++) {
        int result = host_start(&error);
        if (result == KKT_OK)
            return;
        /* The disk is full, or somebody holds it: the service starts again later. */
        host_stop();
        disk_set_fault(host.disk, DISK_FAULT_NONE, 0);
        sim_run(&sim, 1000);
    }
    CHECK(false, "I9: the queue does not open: %s %s", error.name, error.text);
}

static void bury_when_dead(void)
{
    if (host.alive && disk_is_dead(host.disk))
        host_die();
    if (host.alive)
        return;
    sim_run(&sim, sim_below(&sim, 4000));
    disk_set_fault(host.disk, DISK_FAULT_NONE, 0);
    host_bury(sim_once_in(&sim, 2) ? DISK_CRASH_PROCESS : DISK_CRASH_MACHINE, sim_random(&sim));
    start_host();
    /* The service works off what it finds, as it does after every start. */
    kkt_error error;
    (void)kkt_run(host.queue, host.device, 20000, &error);
}

static void look_at_results(void)
{
    for (uint32_t i = oracle.resolved; i < oracle.count && host.alive; i++) {
        if (oracle.jobs[i].state == ORACLE_ASKED)
            (void)host_report(&oracle, i);
    }
}

static uint32_t want(uint8_t code, enum job_flavour flavour)
{
    /* A clock is set right, not wrong. */
    unix_s time = SIM_START + (unix_s)(sim.now / 1000) + 1;
    job_make(&job, code, flavour, sim_random(&sim), time);
    return oracle_ask(&oracle, &job, flavour, time);
}

static uint8_t draw_code(void)
{
    static const uint8_t usual[] = {
        LINK_RECEIPT, LINK_RECEIPT,     LINK_RECEIPT,    LINK_RECEIPT,      LINK_RECEIPT,
        LINK_RECEIPT, LINK_CASH_IN,     LINK_CASH_OUT,   LINK_X_REPORT,     LINK_NON_FISCAL,
        LINK_COPY,    LINK_DRAWER_OPEN, LINK_SHIFT_OPEN, LINK_SHIFT_CLOSE,  LINK_STATE_REPORT,
        LINK_RECEIPT, LINK_SET_TIME,    LINK_RECEIPT,    LINK_SETTINGS_SET, LINK_RECEIPT};
    return usual[sim_below(&sim, sizeof usual)];
}

/* The right time, but not before the newest document. */
static void set_the_clock(void)
{
    int64_t right = (int64_t)SIM_START + (int64_t)(sim.now / 1000) + 1;
    uint32_t count = fnm_document_count(sim.fn.fnm);
    struct fnm_document last;
    if (count > 0 && fnm_document_get(sim.fn.fnm, count, &last) && (int64_t)last.time > right)
        right = (int64_t)last.time + 60;
    job_make(&job, LINK_SET_TIME, JOB_PLAIN, sim_random(&sim), (unix_s)right);
    (void)host_do(&oracle, oracle_ask(&oracle, &job, JOB_PLAIN, (unix_s)right), 20000);
}

static void mend_the_printer(void)
{
    print_head_set_power(sim.head, true);
    print_head_set_mute(sim.head, false);
    print_head_set_fault(sim.head, false);
    print_head_set_cover(sim.head, false);
    print_head_set_paper(sim.head, PRINT_HEAD_PAPER_IN);
}

/* What the person does about the reason a job was refused for. */
static void react(uint16_t code)
{
    static const struct {
        uint16_t code;
        uint8_t cure;
    } cures[] = {{ERROR_SHIFT_CLOSED, LINK_SHIFT_OPEN},
                 {ERROR_SHIFT_EXPIRED, LINK_SHIFT_CLOSE},
                 {ERROR_NOT_REGISTERED, LINK_REGISTRATION}};
    for (unsigned i = 0; i < sizeof cures / sizeof cures[0]; i++) {
        if (cures[i].code != code)
            continue;
        uint32_t index = want(cures[i].cure, JOB_PLAIN);
        if (host_do(&oracle, index, 20000) && oracle.jobs[index].state == ORACLE_REFUSED)
            code = oracle.jobs[index].refusal;
        break;
    }
    if (code == ERROR_CLOCK) {
        set_the_clock();
        /* The FN has a timer of its own and refuses a clock that jumped by more than five minutes,
         * also to the right time, until it is started anew. */
        sim_power_off(&sim);
    }
    if (code == ERROR_PAPER_OUT || code == ERROR_COVER_OPEN || code == ERROR_PRINTER)
        mend_the_printer();
}

/* ---- Troubles ---- */

static void trouble_with_power(void)
{
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FLASH_CUT]))
        sim_cut_flash(&sim, 1 + sim_below(&sim, sim.geometry.page == 1 ? 400 : 16),
                      (enum ram_tear)sim_below(&sim, RAM_TEARS));
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FLASH_CUT]))
        sim_cut_next_boot(&sim, 1 + sim_below(&sim, 8), (enum ram_tear)sim_below(&sim, RAM_TEARS));
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FN_CUT]))
        sim_cut_fn(&sim, 1 + sim_below(&sim, 4),
                   (enum fn_memory_tear)sim_below(&sim, FN_MEMORY_TEARS));
    if (sim_once_in(&sim, swarm.chance[TROUBLE_POWER]))
        sim_power_off(&sim);
    sim.runs_on = sim_once_in(&sim, 8) && swarm.chance[TROUBLE_FLASH_CUT] != 0;
}

static void trouble_with_lines(void)
{
    if (swarm.chance[TROUBLE_BYTES] != 0 && host.cable == HOST_SERIAL) {
        uint32_t chance = sim_once_in(&sim, swarm.chance[TROUBLE_BYTES]) ? 200 : 0;
        sim.to_board.chance = sim.to_host.chance = chance;
    }
    if (sim_once_in(&sim, swarm.chance[TROUBLE_PLUG])) {
        struct wire *wire = sim_once_in(&sim, 2) ? &sim.to_board : &sim.to_host;
        wire->at = wire->passed + 1 + sim_below(&sim, 600);
        wire->fault = WIRE_UNPLUG;
    }
    if (swarm.chance[TROUBLE_FN_LINE] != 0) {
        bool on = sim_once_in(&sim, swarm.chance[TROUBLE_FN_LINE]);
        sim.fn_line.chance_lose = on ? 4 + sim_below(&sim, 20) : 0;
        sim.fn_line.chance_flip = on ? 4 + sim_below(&sim, 20) : 0;
    }
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FN_FAULT])) {
        static const enum fnm_fault faults[] = {
            FNM_FAULT_DROP_ANSWER,         FNM_FAULT_LOSE_ANSWER,        FNM_FAULT_CORRUPT_CRC,
            FNM_FAULT_POWER_BEFORE_COMMIT, FNM_FAULT_POWER_AFTER_COMMIT, FNM_FAULT_STORE_ERROR};
        sim.fn_line.fault = faults[sim_below(&sim, 6)];
        sim.fn_line.lose_it = sim_once_in(&sim, 5);
        sim.fn_line.fault_in = 1 + sim_below(&sim, 8);
    }
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FN_FAULT]))
        fnm_fault(sim.fn.fnm, FNM_FAULT_DELAY, sim_once_in(&sim, 2) ? sim_below(&sim, 9000) : 0);
    if (sim_once_in(&sim, swarm.chance[TROUBLE_FN_FAULT] * 3))
        fnm_fault(sim.fn.fnm, FNM_FAULT_OFF, sim_below(&sim, 2));
}

static void trouble_with_flash(void)
{
    if (!sim_once_in(&sim, swarm.chance[TROUBLE_FLASH_FAULT]))
        return;
    /* What it says of itself is noticed; what lies silently is, because every program is read back.
     */
    oracle.flash_ails = true;
    static const enum ram_fault faults[] = {RAM_FAULT_SILENT, RAM_FAULT_ERROR,
                                            RAM_FAULT_ERROR_DONE};
    sim.flash.fault = faults[sim_below(&sim, 3)];
    sim.flash.fault_at = sim.flash.operations + 1 + sim_below(&sim, 30);
    if (sim_once_in(&sim, 4))
        sim.flash.reads_to_fail = 1 + sim_below(&sim, 3);
}

static void trouble_with_operator(void)
{
    if (sim_once_in(&sim, swarm.chance[TROUBLE_NET]))
        operator_set_net(sim.op, sim_below(&sim, 2) != 0);
    if (!sim_once_in(&sim, swarm.chance[TROUBLE_OPERATOR]))
        return;
    enum operator_manner manner = (enum operator_manner)sim_below(&sim, OPERATOR_MANNERS);
    swarm.operator_forgot |= manner == OPERATOR_FORGETS;
    operator_set_manner(sim.op, manner, sim_below(&sim, 900), 1 + sim_below(&sim, 5));
}

static void trouble_with_paper(void)
{
    if (sim_once_in(&sim, swarm.chance[TROUBLE_PAPER])) {
        if (sim_once_in(&sim, 2))
            print_head_set_paper_out_after(sim.head, 1 + sim_below(&sim, 60));
        else
            print_head_set_paper(sim.head, (enum print_head_paper)sim_below(&sim, 3));
    }
    if (!sim_once_in(&sim, swarm.chance[TROUBLE_HEAD]))
        return;
    switch (sim_below(&sim, 4)) {
    case 0:
        print_head_set_cover(sim.head, sim_below(&sim, 2) != 0);
        break;
    case 1:
        print_head_set_fault(sim.head, sim_below(&sim, 2) != 0);
        break;
    case 2:
        print_head_set_mute(sim.head, sim_below(&sim, 2) != 0);
        break;
    default:
        print_head_set_power(sim.head, sim_below(&sim, 2) != 0);
        break;
    }
}

static void trouble_with_time(void)
{
    if (sim_once_in(&sim, swarm.chance[TROUBLE_WAITING])) {
        bool long_one = sim_once_in(&sim, 6);
        /* Nobody works for hours with a line to the FN that damages every tenth answer: after a
         * quarter of an hour a slip that cannot be read back is given up (register_slips.c). */
        if (long_one)
            sim.fn_line.chance_lose = sim.fn_line.chance_flip = 0;
        sim_run(&sim, long_one ? 1000 * sim_below(&sim, 90000) : sim_below(&sim, 60000));
    }
    if (sim_once_in(&sim, swarm.chance[TROUBLE_DRAWER]))
        sim.drawer_stuck = !sim.drawer_stuck;
    if (!sim_once_in(&sim, swarm.chance[TROUBLE_CLOCK]))
        return;
    static const int32_t jumps[] = {1, -1, 300, -300, 3600, -3600, 86400, -86400};
    if (sim_once_in(&sim, 5))
        sim.clock_lost = true;
    else
        sim.calendar_offset += jumps[sim_below(&sim, 8)];
    host.calendar_jump += jumps[sim_below(&sim, 8)];
}

static void trouble_with_host(void)
{
    if (sim_once_in(&sim, swarm.chance[TROUBLE_HOST])) {
        switch (sim_below(&sim, 3)) {
        case 0:
            disk_kill_at(host.disk, disk_operations(host.disk) + 1 + sim_below(&sim, 12));
            break;
        case 1:
            host.die_at_step = host.steps + 1 + sim_below(&sim, 12);
            break;
        default:
            host.die_at_call = host.calls + 1 + sim_below(&sim, 20);
            break;
        }
    }
    if (sim_once_in(&sim, swarm.chance[TROUBLE_DISK])) {
        static const enum disk_fault faults[] = {DISK_FAULT_FULL, DISK_FAULT_WRITE_ERROR,
                                                 DISK_FAULT_READ_ERROR, DISK_FAULT_SYNC_ERROR,
                                                 DISK_FAULT_BUSY};
        disk_set_fault(host.disk, faults[sim_below(&sim, 5)], 1 + sim_below(&sim, 4));
    }
}

/* A run, and what a shrunk one leaves out of it. */
struct run_code {
    uint64_t seed;
    uint32_t without; /* bit 1 << enum trouble */
    uint32_t steps;   /* at most; 0: all */
};

static void draw_swarm(const struct run_code *code)
{
    memset(&swarm, 0, sizeof swarm);
    swarm.steps = 20 + sim_below(&sim, 30);
    for (unsigned i = 0; i < TROUBLES; i++) {
        if (sim_once_in(&sim, 3))
            swarm.chance[i] = 1 + sim_below(&sim, 12);
        if ((code->without >> i & 1) != 0)
            swarm.chance[i] = 0;
    }
    if (code->steps > 0 && code->steps < swarm.steps)
        swarm.steps = code->steps;
}

/* ---- A run ---- */

static void one_step(void)
{
    trouble_with_power();
    trouble_with_lines();
    trouble_with_flash();
    trouble_with_operator();
    trouble_with_paper();
    trouble_with_time();
    trouble_with_host();
    uint32_t patience =
        sim_once_in(&sim, swarm.chance[TROUBLE_IMPATIENCE]) ? 1 + sim_below(&sim, 3000) : 30000;
    uint32_t index = want(draw_code(), JOB_ANY);
    bool known = host_do(&oracle, index, patience);
    bury_when_dead();
    if (known && oracle.jobs[index].state == ORACLE_REFUSED)
        react(oracle.jobs[index].refusal);
    bury_when_dead();
    /* The key pressed twice, and an old order sent again. */
    if (sim_once_in(&sim, swarm.chance[TROUBLE_PEOPLE]))
        (void)host_do(&oracle, sim_below(&sim, oracle.count), 10000);
    bury_when_dead();
    if (oracle.unresolved > 6) {
        kkt_error error;
        (void)kkt_run(host.queue, host.device, 60000, &error);
        bury_when_dead();
    }
    look_at_results();
    bury_when_dead();
    oracle_check(&oracle, &sim);
}

/* All faults end, and people do what is to be done. */
static void heal(void)
{
    sim.rare_chance = 0;
    sim_cut_flash(&sim, 0, RAM_TEAR_NOTHING);
    sim_cut_next_boot(&sim, 0, RAM_TEAR_NOTHING);
    sim_cut_fn(&sim, 0, FN_MEMORY_TEAR_NOTHING);
    sim.runs_on = false;
    sim.flash.fault_at = 0;
    sim.flash.reads_to_fail = 0;
    sim.to_board.chance = sim.to_host.chance = 0;
    sim.to_board.at = sim.to_host.at = 0;
    sim.fn_line = (struct fn_line){0};
    fnm_fault(sim.fn.fnm, FNM_FAULT_DELAY, 0);
    fnm_fault(sim.fn.fnm, FNM_FAULT_OFF, 0);
    fnm_fault(sim.fn.fnm, FNM_FAULT_NONE, 0);
    operator_set_net(sim.op, true);
    operator_set_manner(sim.op, OPERATOR_GOOD, 0, 0);
    mend_the_printer();
    sim.drawer_stuck = false;
    disk_set_fault(host.disk, DISK_FAULT_NONE, 0);
    host.die_at_step = host.die_at_call = 0;
    disk_kill_at(host.disk, 0);
    sim_plug(&sim, true);
    (void)sim_power_on(&sim);
    sim_run(&sim, 3000);
    /* Somebody looks at the clock: it is neither lost nor behind the last document. */
    sim.clock_lost = false;
    uint32_t count = fnm_document_count(sim.fn.fnm);
    struct fnm_document last;
    int64_t right = (int64_t)SIM_START + (int64_t)(sim.now / 1000);
    sim.calendar_offset = 0;
    if (count > 0 && fnm_document_get(sim.fn.fnm, count, &last) && (int64_t)last.time > right)
        sim.calendar_offset = (int64_t)last.time - right + 60;
    sim_power_on(&sim); /* and with it the FN's timer */
    sim_run(&sim, 3000);
}

/* Every order gets its outcome. */
static void finish(void)
{
    kkt_error error;
    bury_when_dead();
    for (unsigned round = 0; round < 8; round++) {
        int result = kkt_run(host.queue, host.device, 300000, &error);
        CHECK(host.alive, "harness: the healed host died");
        if (result == KKT_OK)
            break;
        CHECK(round < 7, "I3: the queue does not drain: %s, %s", error.name, error.text);
    }
    look_at_results();
    for (uint32_t i = 0; i < oracle.count; i++) {
        for (unsigned attempt = 0; oracle.jobs[i].state == ORACLE_ASKED; attempt++) {
            CHECK(attempt < 5, "I3: job %" PRIu32 " (%s) has no outcome", i,
                  job_name(oracle.jobs[i].code));
            (void)host_do(&oracle, i, 120000);
        }
    }
    /* A sale goes through again. */
    uint32_t index = UINT32_MAX;
    for (unsigned attempt = 0; attempt < 6; attempt++) {
        index = want(LINK_RECEIPT, JOB_PLAIN);
        CHECK(host_do(&oracle, index, 120000), "I16: a sale has no outcome after the healing");
        if (oracle.jobs[index].state == ORACLE_DONE)
            break;
        react(oracle.jobs[index].refusal);
    }
    CHECK(oracle.jobs[index].state == ORACLE_DONE, "I12: a sale is refused after the healing: %s",
          error_info_find(oracle.jobs[index].refusal)->name);
    host_stop();
    sim_reconnect(&sim);
    mono_ms until = sim.now + 3600000;
    while (fnm_unconfirmed_count(sim.fn.fnm) > 0 && sim.now < until)
        sim_turn(&sim, until);
    CHECK(sim_settle(&sim, 600000), "I16: the world does not come to rest");
    sim_run(&sim, 3000);
    oracle_check_end(&oracle, &sim, true, !swarm.operator_forgot);
}

static uint32_t one_run(const struct run_code *code)
{
    uint64_t seed = code->seed;
    uint64_t dice = seed * 0x2545F4914F6CDD1Du + 1;
    const struct sim_geometry *geometry = &sim_geometries[dice % sim_geometry_count];
    oracle_free(&oracle);
    oracle_init(&oracle);
    sim_create(&sim, geometry, seed, true);
    host_create(&sim, sim_once_in(&sim, 3) ? HOST_SERIAL : HOST_TCP);
    draw_swarm(code);
    sim.rare_chance = sim_once_in(&sim, 2) ? 10 + sim_below(&sim, 200) : 0;
    (void)sim_power_on(&sim);
    sim_run(&sim, 2000);
    sim_person(&sim, 200 + sim_below(&sim, 5000), 200 + sim_below(&sim, 5000));
    start_host();
    (void)host_do(&oracle, want(LINK_REGISTRATION, JOB_PLAIN), 30000);
    (void)host_do(&oracle, want(LINK_SHIFT_OPEN, JOB_PLAIN), 30000);
    (void)host_do(&oracle, want(LINK_CASH_IN, JOB_PLAIN), 30000);
    for (uint32_t step = 0; step < swarm.steps; step++)
        one_step();
    heal();
    finish();
    uint32_t digests[2] = {sim_digest(&sim), disk_digest(host.disk)};
    uint32_t digest = crc32c_update(CRC32C_INIT, (const uint8_t *)digests, sizeof digests);
    digest = crc32c_update(digest, (const uint8_t *)&sim.now, sizeof sim.now);
    host_destroy();
    sim_destroy(&sim);
    return digest;
}

static void run_swarm(const struct part *part)
{
    uint32_t seeds = campaign_scale(part, 400, 1500, 10000);
    for (uint32_t i = part->index; i < seeds; i += part->count) {
        struct run_code code = {.seed = part->seed * 1000000 + i};
        snprintf(check_replay, sizeof check_replay, "swarm %" PRIu64, code.seed);
        campaign_progress(part, "swarm: seed %" PRIu64, code.seed);
        uint32_t first = one_run(&code);
        figure_account(&oracle);
        uint32_t second = one_run(&code);
        CHECK(first == second, "I18: the same seed left another world");
        figure_account(&oracle);
        figure_add(FIGURE_SWARM_SEEDS, 1);
    }
}

/* "SEED", or "SEED without MASK steps N" as shrinking prints it. */
static struct run_code read_code(const char *text)
{
    struct run_code code = {0};
    int got = sscanf(text, "%" SCNu64 " without %" SCNx32 " steps %" SCNu32, &code.seed,
                     &code.without, &code.steps);
    CHECK(got == 1 || got == 3, "harness: not a run of the swarm: %s", text);
    return code;
}

static void replay_swarm(const char *text)
{
    struct run_code code = read_code(text);
    (void)one_run(&code);
}

/* In a process of its own, silently. */
static bool breaks(const struct run_code *code)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            exit(2);
        (void)one_run(code);
        exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child &&
           (!WIFEXITED(status) || WEXITSTATUS(status) != 0);
}

/* Takes away troubles one by one, then steps, as long as the run still breaks. */
static void shrink_swarm(const char *text, char *out, size_t size)
{
    struct run_code best = read_code(text);
    if (best.steps == 0)
        best.steps = 50;
    CHECK(breaks(&best), "harness: this run breaks nothing: %s", text);
    for (unsigned i = 0; i < TROUBLES; i++) {
        struct run_code less = best;
        less.without |= 1u << i;
        if (breaks(&less))
            best = less;
    }
    for (uint32_t by = best.steps / 2; by > 0; by /= 2) {
        struct run_code less = best;
        while (less.steps > by) {
            less.steps -= by;
            if (!breaks(&less))
                break;
            best = less;
        }
    }
    snprintf(out, size, "%" PRIu64 " without %" PRIx32 " steps %" PRIu32, best.seed, best.without,
             best.steps);
}

const struct campaign campaign_swarm = {
    .name = "swarm", .run = run_swarm, .replay = replay_swarm, .shrink = shrink_swarm};
