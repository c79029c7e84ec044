/* What the cash register writes into its journal for a job, in its real sizes: for tests and
 * benchmarks that count. Payloads come from the register's own encoders. */
#ifndef TESTS_JOB_RECORDS_H
#define TESTS_JOB_RECORDS_H

#include <string.h>

#include "firmware/register_state.h"
#include "proto/link_message.h"

/* Job n has always the same key, and no other job has it. */
static inline void job_records_key(uint32_t job, uint8_t key[KEY_SIZE])
{
    uint64_t x = ((uint64_t)job + 1) * 0x9E3779B97F4A7C15u;
    for (unsigned i = 0; i < KEY_SIZE; i += 8) {
        x ^= x >> 29;
        x *= 0xBF58476D1CE4E5B9u;
        memcpy(key + i, &x, 8);
    }
}

static inline struct job_intent job_records_intent(uint32_t job, uint8_t code, uint32_t payments)
{
    struct job_intent intent = {.job = code, .last_document = job};
    job_records_key(job, intent.key);
    intent.effect.slip_form = code == LINK_RECEIPT ? 3 : 1001;
    if (code == LINK_SHIFT_OPEN) {
        intent.cashier.name_size = CASHIER_BYTES;
        intent.cashier.inn_size = sizeof(intent.cashier.inn);
    }
    if (code == LINK_RECEIPT) {
        intent.effect.kind = 1;
        intent.effect.total_kop = 89900;
        for (uint32_t i = 0; i < payments; i++)
            intent.effect.paid_kop[i] = 1;
    }
    return intent;
}

static inline struct job_done job_records_done(const struct job_intent *intent, uint32_t slip)
{
    struct job_done done = {.effect = intent->effect, .cashier = intent->cashier, .slip = slip};
    memcpy(done.result.key, intent->key, KEY_SIZE);
    done.result.job = intent->job;
    done.result.document = intent->last_document + 1;
    return done;
}

#endif
