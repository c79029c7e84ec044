/* What the cash register knows: shift, totals, cash, the unfinished job, slips owed to the paper.
 * It is nothing but the sum of the journal's records, so a restart arrives at the same state by
 * replaying the newest checkpoint and what follows it.
 *
 * JOURNAL.md, part "payloads", has the byte tables. Version 1 (first byte of a checkpoint).
 *
 * Invariants:
 *  R1 At most one INTENT is open (no DONE or ABORTED after it).
 *  R2 Totals change only by a DONE, in the same record that answers the job.
 *  R3 A slip is owed from its job's DONE until its PRINTED.
 */
#ifndef FIRMWARE_REGISTER_STATE_H
#define FIRMWARE_REGISTER_STATE_H

#include "firmware/journal.h"
#include "proto/link_message.h"
#include "proto/receipt.h"

#define DIGEST_SIZE    16u /* of SHA-256 over job code and body */
#define OWED_SLIPS_MAX 8u
#define CASHIER_BYTES  64u
#define KINDS          4u

/* What a job will change, known before it starts. In the INTENT it lets a recovery finish the job,
 * in the DONE it moves the totals. */
struct job_effect {
    uint8_t kind;                     /* 1054, 0 when not a receipt */
    uint64_t total_kop;               /* u40; cash jobs: the sum */
    uint64_t paid_kop[PAYMENT_COUNT]; /* u40 each */
    uint16_t slip_form;               /* form of the slip that will be owed, 0 none */
    uint8_t slip_marks;
    bool drawer; /* the drawer is to open */
};

/* Who works at the till: tags 1021 and 1203 of the shift's opening. */
struct job_cashier {
    uint8_t name[CASHIER_BYTES];
    uint8_t name_size;
    uint8_t inn[12];
    uint8_t inn_size;
};

struct job_intent {
    uint8_t key[KEY_SIZE];
    uint8_t digest[DIGEST_SIZE];
    uint8_t job;            /* enum link_code */
    uint32_t last_document; /* of the FN before the job */
    struct job_effect effect;
    struct job_cashier cashier; /* shift open */
};

struct owed_slip {
    uint32_t id;
    uint32_t
        document; /* FD number whose text is in the FN; 0: the text is the JOURNAL_SLIP record */
    uint16_t form;
    uint8_t marks;
    bool started; /* PRINTING was written: what is on paper may be a part */
    bool queued;  /* in the printer's spool; not persistent */
    struct journal_record
        extra; /* JOURNAL_SLIP record: the text itself, or what surrounds a receipt; size 0 none */
};

struct kind_totals {
    uint32_t count;
    uint64_t sum_kop;
    uint64_t paid_kop[PAYMENT_COUNT];
};

struct register_state {
    bool shift_open;
    uint16_t shift_number;
    uint16_t receipts; /* in the shift */
    unix_s shift_opened_at;
    struct job_cashier cashier;
    struct kind_totals kinds[KINDS];
    uint32_t cash_in_count, cash_out_count;
    uint64_t cash_in_kop, cash_out_kop;
    uint64_t cash_kop; /* in the drawer */
    uint32_t drawer_openings;
    uint32_t last_document;
    uint32_t last_receipt; /* document number of the newest receipt */
    uint32_t next_slip;
    bool has_last;
    struct link_result last;
    bool has_intent;
    struct job_intent intent;
    struct owed_slip owed[OWED_SLIPS_MAX];
    uint8_t owed_count;
    struct journal_record
        pending_extra; /* newest JOURNAL_SLIP whose job is not done yet; size 0 none */
    uint8_t pending_extra_key[KEY_SIZE];
};

/* DONE: the result, the digest, and what the checkpoint cannot know. */
struct job_done {
    struct link_result result; /* key first */
    uint8_t digest[DIGEST_SIZE];
    uint32_t slip; /* id of the slip owed, 0 none */
    struct job_effect effect;
    struct job_cashier cashier; /* shift open */
};

void register_state_init(struct register_state *state);

void job_intent_put(struct byte_writer *writer, const struct job_intent *intent);
bool job_intent_get(const uint8_t *bytes, size_t size, struct job_intent *out);
void job_done_put(struct byte_writer *writer, const struct job_done *done);
bool job_done_get(const uint8_t *bytes, size_t size, struct job_done *out);

/* Applies one record, whether just appended or replayed: the only place where the state changes. */
void register_state_apply(struct register_state *state, const struct journal_record *record,
                          const uint8_t *payload);
/* The checkpoint's payload. */
void register_state_put(const struct register_state *state, struct byte_writer *writer);
/* False: damaged or of a newer version. */
bool register_state_get(const uint8_t *bytes, size_t size, struct register_state *out);

#endif
