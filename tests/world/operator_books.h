/* What the simulated operator remembers of each FN, and the promises it checks (operator.h).
 *
 * A record is kept of every message that arrived whole, also of one the operator then forgets or
 * never stored: the checks remember what the operator does not. Records of one FN stand in a row
 * by document number, so the next number is the length of the row.
 */
#ifndef TESTS_WORLD_OPERATOR_BOOKS_H
#define TESTS_WORLD_OPERATOR_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/ofd/ofd_core.h"

#define OPERATOR_BROKEN_SIZE 160u

struct operator_record {
    uint32_t crc;    /* CRC-32C of the container */
    uint32_t time;   /* 1012 of the document */
    uint16_t header; /* of the session header: half of its CRC-32C */
    uint8_t form;
    bool stored; /* the operator still has it */
};

struct operator_book { /* one FN */
    char fn[17];
    uint32_t before; /* documents that came before this operator looked */
    struct operator_record *records;
    uint32_t count, capacity;
    uint32_t stored;
    uint32_t confirmed;
};

struct operator_books {
    struct operator_book *list;
    uint32_t count, capacity;
    uint32_t last; /* index of the FN that was asked for last */
    uint32_t repeats;
    char broken[OPERATOR_BROKEN_SIZE]; /* "": nothing yet */
};

/* NULL: nothing is known of this FN. */
struct operator_book *operator_books_find(struct operator_books *books, const char *fn);
/* The same, but a new FN gets a book. NULL: out of memory, and broken says so. */
struct operator_book *operator_books_open(struct operator_books *books, const char *fn);
/* NULL: this operator never saw the document. */
struct operator_record *operator_books_record(const struct operator_book *book, uint32_t number);
/* A whole document arrived: checks it against what came before, and remembers it. store: the
 * operator keeps it. bytes: the whole message. */
void operator_books_take(struct operator_books *books, const struct ofd_message *message,
                         const uint8_t *bytes, bool store);
/* Keeps the first break only. */
void operator_books_break(struct operator_books *books, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The book as if documents 1..before had come and been confirmed, and no others. */
void operator_books_begin(struct operator_book *book, uint32_t before);
void operator_books_clear(struct operator_books *books);
void operator_books_free(struct operator_books *books);
/* False: out of memory; `to` is then cleared. */
bool operator_books_copy(struct operator_books *to, const struct operator_books *from);

#endif
