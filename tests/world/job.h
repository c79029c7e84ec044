/* What the simulated person asks of the cash register. A job is nothing but a code and a seed, so a
 * host that lost everything can ask for the very same again, byte for byte.
 */
#ifndef TESTS_WORLD_JOB_H
#define TESTS_WORLD_JOB_H

#include "proto/link_message.h"
#include "proto/receipt.h"

#define JOB_BODY_MAX 16384u

struct job {
    uint8_t code; /* enum link_code */
    uint64_t seed;
    uint8_t key[KEY_SIZE];
    size_t size;
    uint8_t body[JOB_BODY_MAX];
    /* What it changes when it is done. */
    uint16_t form; /* of the fiscal document, 0 none */
    uint8_t kind;  /* 1054 of a receipt */
    uint64_t total_kop;
    uint64_t paid_kop[PAYMENT_COUNT];
    int64_t cash_kop; /* in the drawer */
    bool drawer, paper;
    unsigned items;
};

enum job_flavour {
    JOB_PLAIN,      /* a sale or what the code says, with paper, cash */
    JOB_ANY,        /* whatever the seed draws */
    JOB_RETURN,     /* a receipt that gives money back */
    JOB_ELECTRONIC, /* a receipt without paper */
    JOB_LARGE       /* a receipt of several fragments */
};

/* time: what LINK_SET_TIME sets. */
void job_make(struct job *job, uint8_t code, enum job_flavour flavour, uint64_t seed, unix_s time);
/* "sale", "shiftClose"... */
const char *job_name(uint8_t code);

#endif
