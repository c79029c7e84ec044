/* What came out of the simulated print head, by document.
 *
 * The head hands over each piece of paper as text (print_head.h, on_slip); this ledger reads from
 * it which document it is, what it says of sum and sign, and how it is marked. I8 is judged by the
 * oracle against it: every document printed once whole without a mark, anything more marked.
 */
#ifndef TESTS_WORLD_PAPER_H
#define TESTS_WORLD_PAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct paper_document {
    uint16_t whole;       /* complete, without a mark */
    uint16_t resumed;     /* complete, marked as replacing an earlier piece */
    uint16_t copies;      /* complete, marked КОПИЯ */
    uint16_t torn;        /* pieces */
    uint16_t broken_off;  /* cut, but without a sign: only a marked one may follow */
    uint32_t fiscal_sign; /* of the newest that names one */
    uint64_t total_kop;   /* from its QR code; 0: it has none */
    bool contradicts;     /* two pieces disagree about sum or sign */
};

struct paper {
    struct paper_document *documents; /* by number */
    uint32_t capacity;
    uint32_t newest; /* highest document number seen */
    uint32_t slips;  /* pieces in all */
    uint32_t torn;   /* of them without an end */
    uint32_t others; /* whole slips without a document number: X report, cash, text */
    uint32_t digest;
};

void paper_init(struct paper *paper);
void paper_free(struct paper *paper);
/* A fresh roll: nothing has been printed. */
void paper_reset(struct paper *paper);
/* For print_head_options.on_slip; context is the struct paper. */
void paper_take(void *context, const char *text, size_t size, bool complete);
/* Zeros for a document nobody printed. */
struct paper_document paper_of(const struct paper *paper, uint32_t document);

#endif
