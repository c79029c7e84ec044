/* What must be true of the simulated world, whatever was done to it.
 *
 * The oracle knows two things only: what the person asked for (jobs), and what the host was
 * answered. From these it judges the FN's archive, the board's state, the paper and the operator
 * (invariants I1-I17 of the project, SAFETY.md). It never looks at how the register works.
 *
 * A document of the FN is *claimed* by the job whose answer named it. At any moment every document
 * is claimed or fits a job whose answer is still out; in the end every document is claimed, once,
 * and every finished job's document is there with its sum, sign and time.
 */
#ifndef TESTS_WORLD_ORACLE_H
#define TESTS_WORLD_ORACLE_H

#include "tests/world/job.h"
#include "tests/world/sim.h"

enum oracle_state {
    ORACLE_ASKED,  /* may have happened */
    ORACLE_DONE,   /* answered with a result: happened exactly once, for ever */
    ORACLE_REFUSED /* answered with a reason: did not happen */
};

/* A job without its bytes. */
struct oracle_job {
    uint64_t seed, total_kop, paid_kop[PAYMENT_COUNT];
    int64_t cash_kop;
    enum job_flavour flavour;
    unix_s time; /* of a SET_TIME */
    uint16_t form, refusal, items;
    uint8_t code, kind;
    bool drawer, paper;
    bool unknown; /* the host was once left without an answer, or told OUTCOME_UNKNOWN */
    enum oracle_state state;
    uint8_t key[KEY_SIZE];
    struct link_result result;
};

struct oracle_accounts {
    uint64_t attempted, done, refused, unknown_resolved;
    uint64_t receipts;  /* of done */
    uint64_t documents; /* of the FN, all checked */
};

struct oracle {
    struct oracle_job *jobs;
    uint32_t count, capacity;
    uint32_t *claims; /* by document number: job index + 1 */
    uint32_t claims_capacity;
    uint32_t unresolved;
    uint32_t checked;  /* documents 1..checked are claimed and sound */
    uint32_t resolved; /* jobs below are not ASKED */
    unix_s last_time;
    /* Of the documents checked. */
    bool shift_open;
    uint32_t shift, shift_receipts;
    struct kind_totals kinds[KINDS];
    int64_t cash_kop; /* of all done jobs */
    uint32_t drawer_jobs, copies;
    uint32_t paper_from; /* documents before this one came out of another head */
    bool auto_open;      /* receipts may open their shift */
    bool fn_swapped;
    bool flash_ails; /* sectors are closed early: the journal holds fewer jobs than it could */
    struct oracle_accounts accounts;
};

void oracle_init(struct oracle *oracle);
void oracle_free(struct oracle *oracle);
/* to becomes what from is; both initialised. */
void oracle_copy(struct oracle *to, const struct oracle *from);

/* The person wants this; returns its index. */
uint32_t oracle_ask(struct oracle *oracle, const struct job *job, enum job_flavour flavour,
                    unix_s time);
/* The same job again, byte for byte. */
void oracle_job_again(const struct oracle *oracle, uint32_t index, struct job *job);
/* It is on its way again: a refused one may happen this time. */
void oracle_asked_again(struct oracle *oracle, uint32_t index);
/* The host was told. code ERROR_NONE: result. Codes that leave the outcome open are noted as such.
 */
void oracle_answered(struct oracle *oracle, uint32_t index, uint16_t code,
                     const struct link_result *result);
void oracle_left_without_answer(struct oracle *oracle, uint32_t index);

/* After every step and every recovery: whatever holds at any moment. */
void oracle_check(struct oracle *oracle, struct sim *sim);
/* Everything is over, nothing is owed: all of it. with_paper: the head could print; with_operator:
 * the operator could be reached. */
void oracle_check_end(struct oracle *oracle, struct sim *sim, bool with_paper, bool with_operator);

#endif
