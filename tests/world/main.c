/* Runs the campaigns of the simulated world and prints their figures.
 *
 *     world [--profile canary|test|full] [--seed N] [--only NAME[,NAME...]] [--verbose]
 *           [--stop-at-first]
 *     world --replay 'CAMPAIGN CASE'        the case alone, with everything it does
 *     world --shrink 'CAMPAIGN CASE'        a shorter case that breaks a promise, too
 *
 * Ends with 0 when every campaign came to its end and, in the full profile, every figure holds its
 * limit. Every line `world: NAME VALUE limit >=N` is one figure.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/world/campaign.h"
#include "tests/world/check.h"
#include "tests/world/rare.h"

/* The short ones first: what breaks is found soon. */
static const struct campaign *const campaigns[] = {
    &campaign_link,   &campaign_answer_lost, &campaign_flash_faults, &campaign_manners,
    &campaign_chains, &campaign_host,        &campaign_double_cuts,  &campaign_cuts,
    &campaign_rare,   &campaign_swarm,       &campaign_years,        &campaign_outage};
#define CAMPAIGNS (sizeof campaigns / sizeof campaigns[0])
#define PARTS_MAX 64u

struct figure_info {
    const char *name;
    char relation;
    uint64_t limit;
};

static const struct figure_info figure_table[FIGURES] = {
    [FIGURE_POWER_CUTS] = {"power_cuts", '>', 1000000},
    [FIGURE_DOUBLE_CUTS] = {"double_cuts", '>', 100000},
    [FIGURE_CUT_CHAINS] = {"cut_chains", '>', 20000},
    [FIGURE_LINK_FAULTS] = {"link_faults", '>', 100000},
    [FIGURE_HOST_CRASH_POINTS] = {"host_crash_points", '>', 10000},
    [FIGURE_SWARM_SEEDS] = {"swarm_seeds", '>', 10000},
    [FIGURE_OUTAGE_DOCUMENTS] = {"outage_documents", '>', 30000},
    [FIGURE_RECEIPTS_CHECKED] = {"receipts_checked", '>', 1000000},
    [FIGURE_RECEIPTS_LOST] = {"receipts_lost", '<', 0},
    [FIGURE_RECEIPTS_DOUBLED] = {"receipts_doubled", '<', 0},
    [FIGURE_ANSWER_LOST] = {"committed_answer_lost", '>', 0}, /* all of FIGURE_ANSWER_CASES */
    [FIGURE_OPERATOR_FAULTS] = {"operator_faults", '>', 5000},
    [FIGURE_FLASH_FAULTS] = {"flash_faults", '>', 5000},
};

#define SPEEDUP_MIN 300000u
#define DAY_S       86400u

static _Atomic uint64_t *shared;
static double started;
static double years_took; /* seconds, for the speed-up */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void figure_add(enum figure figure, uint64_t amount)
{
    shared[figure] += amount;
}

uint64_t figure_get(enum figure figure)
{
    return shared[figure];
}

void figure_account(const struct oracle *oracle)
{
    const struct oracle_accounts *accounts = &oracle->accounts;
    figure_add(FIGURE_ATTEMPTED, accounts->attempted);
    figure_add(FIGURE_DONE, accounts->done);
    figure_add(FIGURE_REFUSED, accounts->refused);
    figure_add(FIGURE_UNKNOWN_RESOLVED, accounts->unknown_resolved);
    figure_add(FIGURE_RECEIPTS_CHECKED, accounts->receipts);
}

void campaign_progress(const struct part *part, const char *format, ...)
{
    static double last;
    double now = seconds();
    if (now - last < 10)
        return;
    last = now;
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "  %5.0f s  [%u] %s (%" PRIu64 " cuts, %" PRIu64 " receipts)\n", now - started,
            part->index, text, shared[FIGURE_POWER_CUTS] + shared[FIGURE_DOUBLE_CUTS],
            shared[FIGURE_RECEIPTS_CHECKED]);
}

static bool ended_well(const char *name, int status)
{
    if (!WIFEXITED(status))
        fprintf(stderr, "world: BROKEN %s: a part died by signal %d\n", name, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Waits for all parts. stop_at_first: when one breaks, the others need not go on. */
static bool wait_for_parts(const char *name, const pid_t *children, unsigned count,
                           bool stop_at_first)
{
    bool good = true;
    int status;
    for (pid_t child; (child = wait(&status)) > 0;) {
        if (!good && stop_at_first)
            continue; /* it was stopped */
        good = ended_well(name, status) && good;
        for (unsigned i = 0; i < count && !good && stop_at_first; i++)
            if (children[i] != child)
                kill(children[i], SIGKILL);
    }
    return good;
}

static bool run_campaign(const struct campaign *campaign, enum profile profile, uint64_t seed,
                         unsigned cores, bool stop_at_first)
{
    struct part part = {
        .count = campaign->parts > 0 ? campaign->parts : cores, .profile = profile, .seed = seed};
    pid_t children[PARTS_MAX];
    double begun = seconds();
    for (part.index = 0; part.index < part.count; part.index++) {
        fflush(NULL);
        children[part.index] = fork();
        if (children[part.index] == 0) {
            snprintf(check_replay, sizeof check_replay, "%s", campaign->name);
            campaign->run(&part);
            exit(0);
        }
    }
    bool good = wait_for_parts(campaign->name, children, part.count, stop_at_first);
    double took = seconds() - begun;
    if (campaign == &campaign_years)
        years_took = took;
    fprintf(stderr, "  %-14s %s  %.0f s\n", campaign->name, good ? "passed" : "FAILED", took);
    return good;
}

/* A figure short of its limit breaks the full profile; what may not be exceeded breaks every one.
 * */
static bool print_figure(enum profile profile, const char *name, uint64_t value, char relation,
                         uint64_t limit)
{
    bool holds = relation == '>' ? profile != PROFILE_FULL || value >= limit : value <= limit;
    printf("world: %s %" PRIu64 " limit %c=%" PRIu64 "%s\n", name, value, relation, limit,
           holds ? "" : "  BROKEN");
    return holds;
}

static bool print_figures(enum profile profile)
{
    bool good = true;
    for (unsigned i = 0; i < FIGURES; i++) {
        const struct figure_info *info = &figure_table[i];
        uint64_t limit = i == FIGURE_ANSWER_LOST ? figure_get(FIGURE_ANSWER_CASES) : info->limit;
        if (info->name != NULL)
            good &= print_figure(profile, info->name, shared[i], info->relation, limit);
    }
    uint64_t days = figure_get(FIGURE_SIMULATED_DAYS);
    good &= print_figure(profile, "simulated_years", days / 365, '>', 10);
    if (years_took > 0)
        good &= print_figure(profile, "speedup", (uint64_t)((double)(days * DAY_S) / years_took),
                             '>', SPEEDUP_MIN);
    printf("world: accounting attempted %" PRIu64 ", done %" PRIu64 ", refused %" PRIu64
           ", unknown and then resolved %" PRIu64 ", lost %" PRIu64 ", doubled %" PRIu64 "\n",
           figure_get(FIGURE_ATTEMPTED), figure_get(FIGURE_DONE), figure_get(FIGURE_REFUSED),
           figure_get(FIGURE_UNKNOWN_RESOLVED), figure_get(FIGURE_RECEIPTS_LOST),
           figure_get(FIGURE_RECEIPTS_DOUBLED));
    return good;
}

/* Only a build with the marks can take them (proto/rare.h). */
static bool print_rare(enum profile profile)
{
#ifdef OPENKKT_RARE
    unsigned never = 0;
    for (unsigned mark = 0; mark < rare_marks; mark++) {
        uint64_t taken = shared[FIGURES + mark];
        never += taken == 0;
        printf("world: rare '%s' taken %" PRIu64 "\n", rare_name(mark), taken);
    }
    bool holds = never == 0 || profile != PROFILE_FULL;
    printf("world: rare_marks_never_taken %u limit <=0%s\n", never, holds ? "" : "  BROKEN");
    return holds;
#else
    (void)profile;
    return true;
#endif
}

/* The campaign that a code begins with, and the rest of the code; NULL: there is none. */
static const struct campaign *campaign_of(const char *code, const char **rest)
{
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        size_t length = strlen(campaigns[i]->name);
        *rest = code + length + 1;
        if (strncmp(code, campaigns[i]->name, length) == 0 && code[length] == ' ')
            return campaigns[i];
    }
    fprintf(stderr, "world: no such campaign: %s\n", code);
    return NULL;
}

static int replay(const char *code)
{
    const char *rest;
    const struct campaign *campaign = campaign_of(code, &rest);
    if (campaign == NULL)
        return 2;
    check_verbose = true;
    snprintf(check_replay, sizeof check_replay, "%s", code);
    campaign->replay(rest);
    printf("world: %s: every promise held\n", code);
    return 0;
}

static int shrink(const char *code)
{
    const char *rest;
    char shorter[128];
    const struct campaign *campaign = campaign_of(code, &rest);
    if (campaign == NULL || campaign->shrink == NULL)
        return 2;
    campaign->shrink(rest, shorter, sizeof shorter);
    printf("world: replay with: --replay '%s %s'\n", campaign->name, shorter);
    return 0;
}

static bool wanted(const char *only, const char *name)
{
    if (only == NULL)
        return true;
    size_t length = strlen(name);
    for (const char *at = only; (at = strstr(at, name)) != NULL; at += length) {
        if ((at == only || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
            return true;
    }
    return false;
}

int main(int count, char **arguments)
{
    enum profile profile = PROFILE_TEST;
    uint64_t seed = 1;
    const char *only = NULL;
    bool stop_at_first = false;
    shared = mmap(NULL, (FIGURES + rare_marks) * sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    rare_count_in(shared + FIGURES);
    started = seconds();
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(arguments[i], "--verbose") == 0) {
            check_verbose = true;
            continue;
        }
        if (strcmp(arguments[i], "--stop-at-first") == 0) {
            stop_at_first = true;
            continue;
        }
        i++;
        if (strcmp(arguments[i - 1], "--profile") == 0)
            profile = strcmp(value, "full") == 0     ? PROFILE_FULL
                      : strcmp(value, "canary") == 0 ? PROFILE_CANARY
                                                     : PROFILE_TEST;
        else if (strcmp(arguments[i - 1], "--seed") == 0)
            seed = strtoull(value, NULL, 10);
        else if (strcmp(arguments[i - 1], "--only") == 0)
            only = value;
        else if (strcmp(arguments[i - 1], "--replay") == 0)
            return replay(value);
        else if (strcmp(arguments[i - 1], "--shrink") == 0)
            return shrink(value);
        else
            return 2;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned passed = 0, failed = 0;
    for (size_t i = 0; i < CAMPAIGNS && (failed == 0 || !stop_at_first); i++) {
        if (!wanted(only, campaigns[i]->name))
            continue;
        bool good = run_campaign(campaigns[i], profile, seed, cores > 0 ? (unsigned)cores : 1,
                                 stop_at_first);
        passed += good;
        failed += !good;
    }
    failed += !print_figures(profile);
    failed += !print_rare(profile);
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
