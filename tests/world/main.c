/* Runs the campaigns of the simulated world and prints their figures.
 *
 *     world [--profile canary|test|full] [--seed N] [--only NAME[,NAME...]] [--verbose]
 *     world --replay 'CAMPAIGN CASE'
 *
 * Ends with 0 when every campaign came to its end and, in the full profile, every figure holds its
 * limit. Every line `world: NAME VALUE limit >=N` is one figure.
 */
#include <inttypes.h>
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

static const struct campaign *const campaigns[] = {
    &campaign_cuts, &campaign_double_cuts, &campaign_chains, &campaign_link,  &campaign_answer_lost,
    &campaign_host, &campaign_swarm,       &campaign_years,  &campaign_outage};
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
    [FIGURE_SIMULATED_DAYS] = {"simulated_days", '>', 3650},
    [FIGURE_OUTAGE_DOCUMENTS] = {"outage_documents", '>', 30000},
    [FIGURE_RECEIPTS_CHECKED] = {"receipts_checked", '>', 1000000},
    [FIGURE_RECEIPTS_LOST] = {"receipts_lost", '<', 0},
    [FIGURE_RECEIPTS_DOUBLED] = {"receipts_doubled", '<', 0},
    [FIGURE_ANSWER_LOST] = {"committed_answer_lost", '>', 200},
};

static _Atomic uint64_t *shared;
static double started;

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
    figure_add(FIGURE_RECEIPTS_LOST, accounts->lost);
    figure_add(FIGURE_RECEIPTS_DOUBLED, accounts->doubled);
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

static bool run_campaign(const struct campaign *campaign, enum profile profile, uint64_t seed,
                         unsigned cores)
{
    struct part part = {
        .count = campaign->parts > 0 ? campaign->parts : cores, .profile = profile, .seed = seed};
    pid_t children[PARTS_MAX];
    bool good = true;
    double begun = seconds();
    for (part.index = 0; part.index < part.count; part.index++) {
        fflush(NULL);
        children[part.index] = fork();
        if (children[part.index] == 0) {
            campaign->run(&part);
            exit(0);
        }
    }
    for (unsigned i = 0; i < part.count; i++) {
        int status;
        if (waitpid(children[i], &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            good = false;
        if (!WIFEXITED(status))
            fprintf(stderr, "world: BROKEN %s: a part died by signal %d\n", campaign->name,
                    WTERMSIG(status));
    }
    fprintf(stderr, "  %-14s %s  %.0f s\n", campaign->name, good ? "passed" : "FAILED",
            seconds() - begun);
    return good;
}

static bool print_figures(enum profile profile)
{
    bool good = true;
    for (unsigned i = 0; i < FIGURES; i++) {
        const struct figure_info *info = &figure_table[i];
        if (info->name == NULL)
            continue;
        uint64_t value = shared[i];
        bool holds = info->relation == '>' ? value >= info->limit : value <= info->limit;
        if (profile != PROFILE_FULL && info->relation == '>')
            holds = true;
        printf("world: %s %" PRIu64 " limit %c=%" PRIu64 "%s\n", info->name, value, info->relation,
               info->limit, holds ? "" : "  BROKEN");
        good = good && holds;
    }
    return good;
}

static int replay(const char *code)
{
    check_verbose = true;
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        size_t length = strlen(campaigns[i]->name);
        if (strncmp(code, campaigns[i]->name, length) != 0 || code[length] != ' ')
            continue;
        snprintf(check_replay, sizeof check_replay, "%s", code);
        campaigns[i]->replay(code + length + 1);
        printf("world: %s: every promise held\n", code);
        return 0;
    }
    fprintf(stderr, "world: no such campaign: %s\n", code);
    return 2;
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
    shared = mmap(NULL, FIGURES * sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 2;
    started = seconds();
    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (strcmp(arguments[i], "--verbose") == 0) {
            check_verbose = true;
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
        else
            return 2;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool good = true;
    for (size_t i = 0; i < CAMPAIGNS; i++) {
        if (wanted(only, campaigns[i]->name))
            good &= run_campaign(campaigns[i], profile, seed, cores > 0 ? (unsigned)cores : 1);
    }
    return print_figures(profile) && good ? 0 : 1;
}
