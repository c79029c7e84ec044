/* What the simulated world is put through: campaigns, their figures, and how they are run.
 *
 * A campaign is cut into parts that run in processes of their own, one a core. A part adds to the
 * shared figures; when a promise breaks (CHECK), its process says so and ends with status 1, and
 * the whole run fails. Every figure has a limit; it is the issue's, and holds in the full profile.
 */
#ifndef TESTS_WORLD_CAMPAIGN_H
#define TESTS_WORLD_CAMPAIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/world/oracle.h"

enum figure {
    FIGURE_POWER_CUTS,
    FIGURE_DOUBLE_CUTS,
    FIGURE_CUT_CHAINS,
    FIGURE_HOST_CRASH_POINTS,
    FIGURE_LINK_FAULTS,
    FIGURE_ANSWER_LOST,
    FIGURE_ANSWER_CASES, /* commands of all documents, times what can happen to each */
    FIGURE_OPERATOR_FAULTS,
    FIGURE_FLASH_FAULTS,
    FIGURE_SWARM_SEEDS,
    FIGURE_RECEIPTS_CHECKED,
    FIGURE_RECEIPTS_LOST,
    FIGURE_RECEIPTS_DOUBLED,
    FIGURE_SIMULATED_DAYS,
    FIGURE_OUTAGE_DOCUMENTS,
    FIGURE_ATTEMPTED,
    FIGURE_DONE,
    FIGURE_REFUSED,
    FIGURE_UNKNOWN_RESOLVED,
    FIGURES
};

enum profile { PROFILE_CANARY, PROFILE_TEST, PROFILE_FULL };

struct part {
    unsigned index, count;
    enum profile profile;
    uint64_t seed;
};

struct campaign {
    const char *name;
    void (*run)(const struct part *part);
    /* Runs the one case that `code` names (as printed in check_replay, without the campaign's
     * name). NULL: the campaign replays by its seed only. */
    void (*replay)(const char *code);
    unsigned parts; /* 0: one a core */
    /* Finds a shorter case that breaks as `code` does. NULL: cases are short already. */
    void (*shrink)(const char *code, char *out, size_t size);
};

extern const struct campaign campaign_cuts, campaign_double_cuts, campaign_chains, campaign_link,
    campaign_answer_lost, campaign_manners, campaign_flash_faults, campaign_host, campaign_rare,
    campaign_swarm, campaign_years, campaign_outage;

/* Adds to a figure shared by all parts. */
void figure_add(enum figure figure, uint64_t amount);
uint64_t figure_get(enum figure figure);
/* The accounts of a run that came to its end. */
void figure_account(const struct oracle *oracle);
/* A line on the terminal now and then: what the part is doing. */
void campaign_progress(const struct part *part, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A number that depends on the profile. */
static inline uint32_t campaign_scale(const struct part *part, uint32_t canary, uint32_t test,
                                      uint32_t full)
{
    return part->profile == PROFILE_FULL ? full : part->profile == PROFILE_TEST ? test : canary;
}

#endif
