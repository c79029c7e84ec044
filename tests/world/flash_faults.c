/* Flash that does not do what it is told, without a cut: at every operation of every job it says
 * error, or says error and has done it, or says done and has not; once, or from then on. The board
 * may refuse and may be unable to tell, but it must not say of a job that is a document that it
 * never happened. Then somebody switches it off and on, the flash is well again, and everything is
 * found.
 *
 * Not here: a program that lands at another address (RAM_FAULT_MISDIRECTED). It destroys a record
 * that was answered, and nothing on one flash can bring it back; that the journal finds such damage
 * is tested in tests/unit/journal_damage_test.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/stand.h"

static const struct {
    enum ram_fault fault;
    bool stays;
} kinds[] = {{RAM_FAULT_ERROR, true},       {RAM_FAULT_ERROR, false}, {RAM_FAULT_ERROR_DONE, true},
             {RAM_FAULT_ERROR_DONE, false}, {RAM_FAULT_SILENT, true}, {RAM_FAULT_SILENT, false}};
#define KINDS_COUNT (sizeof kinds / sizeof kinds[0])

/* False: the job has fewer operations than `at`. */
static bool one_fault(const struct scenario *scenario, uint64_t at, unsigned kind)
{
    struct sim *sim = &stand.sim;
    struct ram_flash *flash = &sim->flash;
    char name[24];
    snprintf(check_replay, sizeof check_replay, "flash %s %s %" PRIu64 " %u",
             sim_geometry_name(&sim->geometry, name), scenario->name, at, kind);
    stand_back(at * KINDS_COUNT + kind);
    uint32_t index = stand_want(scenario, 82);
    flash->fault = kinds[kind].fault;
    flash->fault_stays = kinds[kind].stays;
    flash->fault_at = flash->operations + at;
    uint64_t first = flash->fault_at;
    for (unsigned asked = 0; asked < 3; asked++) {
        (void)stand_ask_once(index);
        oracle_check(&stand.oracle, sim);
    }
    sim_run(sim, 2000);
    bool reached = flash->operations >= first;
    flash->fault_at = 0;
    sim_power_off(sim);
    stand_expect_sound(index, at % 3 == 0);
    return reached;
}

static void faults_of(const struct scenario *scenario)
{
    bool reached = true;
    for (uint64_t at = 1; reached; at++) {
        for (unsigned kind = 0; kind < KINDS_COUNT && reached; kind++) {
            reached = one_fault(scenario, at, kind);
            figure_add(FIGURE_FLASH_FAULTS, reached);
        }
    }
}

static void run_flash(const struct part *part)
{
    unsigned turn = 0, wanted = campaign_scale(part, 1, 3, UINT32_MAX);
    for (unsigned i = 0; i < sim_geometry_count && i < wanted; i++) {
        if (sim_geometries[i].page == 1)
            continue; /* three hundred operations a job, of a record that one page takes at once */
        for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
            stand_prepare(&sim_geometries[i], stage, 0, 9, false);
            for (unsigned j = 0; j < scenario_count; j++) {
                if (scenarios[j].stage != stage || turn++ % part->count != part->index)
                    continue;
                campaign_progress(part, "flash faults: %s", scenarios[j].name);
                faults_of(&scenarios[j]);
            }
            stand_dispose();
        }
    }
}

static void replay_flash(const char *code)
{
    char geometry[24], name[24], other[24];
    uint64_t at;
    unsigned kind;
    CHECK(sscanf(code, "%23s %23s %" SCNu64 " %u", geometry, name, &at, &kind) == 4 &&
              kind < KINDS_COUNT,
          "harness: not a case of flash: %s", code);
    const struct scenario *scenario = scenario_find(name);
    CHECK(scenario != NULL, "harness: no such scenario: %s", name);
    for (unsigned i = 0; i < sim_geometry_count; i++) {
        if (strcmp(geometry, sim_geometry_name(&sim_geometries[i], other)) != 0)
            continue;
        stand_prepare(&sim_geometries[i], scenario->stage, 0, 9, false);
        (void)one_fault(scenario, at, kind);
    }
}

const struct campaign campaign_flash_faults = {
    .name = "flash", .run = run_flash, .replay = replay_flash};
