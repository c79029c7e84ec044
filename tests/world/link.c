/* The cable: every byte of every frame of every command, in both directions, lost, doubled, joined
 * by a stranger, and with each bit flipped. And the plug pulled at every byte.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/stand.h"

/* Faults of one byte: FLIP of eight bits, LOSE, DOUBLE, INSERT of a delimiter and of a letter,
 * UNPLUG. */
#define FAULTS 13u

static enum wire_fault fault_of(unsigned number, uint8_t *argument)
{
    *argument = (uint8_t)number;
    if (number < 8)
        return WIRE_FLIP;
    *argument = number == 10 ? 0 : 'x';
    static const enum wire_fault others[] = {WIRE_LOSE, WIRE_DOUBLE, WIRE_INSERT, WIRE_INSERT,
                                             WIRE_UNPLUG};
    return others[number - 8];
}

/* ---- Commands ---- */

struct query {
    const char *name;
    uint8_t code;
};
static const struct query queries[] = {
    {"identity", LINK_IDENTITY},    {"status", LINK_STATUS}, {"totals", LINK_SHIFT_TOTALS},
    {"fnInfo", LINK_FN_INFO},       {"result", LINK_RESULT}, {"document", LINK_DOCUMENT},
    {"getSettings", LINK_SETTINGS},
};
#define QUERIES (sizeof queries / sizeof queries[0])

static size_t query_message(uint8_t code, uint8_t *out, size_t capacity)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    if (code == LINK_DOCUMENT)
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 3);
    if (code == LINK_RESULT)
        put_bytes(&writer, stand.base.jobs[stand.base.count - 1].key, KEY_SIZE);
    return writer.length;
}

static uint8_t clean[LINK_MESSAGE_MAX];
static size_t clean_size;

/* A query's answer arrives whole and unchanged in the end. */
static void ask_query(const struct query *query, bool is_clean)
{
    uint8_t message[64];
    size_t size = query_message(query->code, message, sizeof message);
    enum sim_asked asked = SIM_NO_ANSWER;
    for (unsigned attempt = 0; attempt < 4 && asked != SIM_ANSWERED; attempt++) {
        stand_mind_the_plug();
        asked = sim_ask(&stand.sim, query->code, message, size, 20000);
    }
    CHECK(asked == SIM_ANSWERED, "I3: %s was never answered", query->name);
    const struct link_client_answer *answer = link_client_result(&stand.sim.client);
    CHECK(answer->refusal.code == 0, "I15: %s was refused: %u", query->name, answer->refusal.code);
    if (is_clean) {
        clean_size = answer->size;
        memcpy(clean, answer->body, answer->size);
        return;
    }
    /* The status tells the time. */
    bool same = answer->size == clean_size &&
                (query->code == LINK_STATUS || memcmp(answer->body, clean, clean_size) == 0);
    CHECK(same, "I15: a damaged frame was taken for the answer to %s", query->name);
}

static void ask_job_scenario(const struct scenario *scenario)
{
    uint32_t index = stand_want(scenario, 79);
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        stand_mind_the_plug();
        if (stand_ask_once(index))
            break;
    }
    stand_mind_the_plug();
    /* What did not befall the asking befalls nobody. */
    stand.sim.to_board.at = stand.sim.to_host.at = 0;
    stand_expect_sound(index, false);
}

/* query: index, or scenario: index. */
static void ask_command(bool is_query, unsigned number, bool is_clean)
{
    if (is_query)
        ask_query(&queries[number], is_clean);
    else
        ask_job_scenario(&scenarios[number]);
}

/* ---- Cases ---- */

static void one_fault(bool is_query, unsigned number, bool up, uint64_t at, unsigned fault)
{
    struct sim *sim = &stand.sim;
    stand_back(at * FAULTS + fault);
    sim_wire_clear(sim);
    struct wire *wire = up ? &sim->to_board : &sim->to_host;
    wire->fault = fault_of(fault, &wire->argument);
    wire->at = at;
    ask_command(is_query, number, false);
}

static void faults_of(const struct part *part, bool is_query, unsigned number)
{
    struct sim *sim = &stand.sim;
    const char *name = is_query ? queries[number].name : scenarios[number].name;
    stand_back(1);
    sim_wire_clear(sim);
    ask_command(is_query, number, true);
    uint64_t length[2] = {sim->to_host.passed, sim->to_board.passed};
    uint32_t step = campaign_scale(part, 97, 41, 1);
    for (unsigned up = 0; up < 2; up++) {
        /* Small profiles take a byte here and there, each time with another fault. */
        for (uint64_t at = 1; at <= length[up]; at += step) {
            unsigned from = step == 1 ? 0 : (unsigned)(at / step % FAULTS);
            unsigned to = step == 1 ? FAULTS : from + 1;
            for (unsigned fault = from; fault < to; fault++) {
                snprintf(check_replay, sizeof check_replay, "link %s %s %" PRIu64 " %u", name,
                         up != 0 ? "up" : "down", at, fault);
                one_fault(is_query, number, up != 0, at, fault);
                figure_add(FIGURE_LINK_FAULTS, 1);
            }
            campaign_progress(part, "link: %s, byte %" PRIu64 " of %" PRIu64, name, at, length[up]);
        }
    }
}

static void run_link(const struct part *part)
{
    unsigned turn = 0;
    for (enum stage stage = STAGE_BLANK; stage < STAGES; stage++) {
        stand_prepare(&sim_geometries[0], stage, 0, 5, false);
        for (unsigned i = 0; i < scenario_count; i++) {
            if (scenarios[i].stage == stage && turn++ % part->count == part->index)
                faults_of(part, false, i);
        }
        for (unsigned i = 0; i < QUERIES && stage == STAGE_SHIFT_OPEN; i++) {
            if (turn++ % part->count == part->index)
                faults_of(part, true, i);
        }
        stand_dispose();
    }
}

static void replay_link(const char *code)
{
    char name[24], way[8];
    uint64_t at;
    unsigned fault;
    CHECK(sscanf(code, "%23s %7s %" SCNu64 " %u", name, way, &at, &fault) == 4 && fault < FAULTS,
          "harness: not a case of link: %s", code);
    const struct scenario *scenario = scenario_find(name);
    bool up = strcmp(way, "up") == 0;
    stand_prepare(&sim_geometries[0], scenario != NULL ? scenario->stage : STAGE_SHIFT_OPEN, 0, 5,
                  false);
    for (unsigned i = 0; i < QUERIES; i++) {
        if (strcmp(queries[i].name, name) != 0)
            continue;
        stand_back(1);
        ask_command(true, i, true);
        one_fault(true, i, up, at, fault);
    }
    for (unsigned i = 0; i < scenario_count; i++) {
        if (scenario == &scenarios[i])
            one_fault(false, i, up, at, fault);
    }
}

const struct campaign campaign_link = {.name = "link", .run = run_link, .replay = replay_link};
