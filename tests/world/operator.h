/* The fiscal data operator of the simulated world, and the network up to it.
 *
 * It stands behind the net_* functions of struct board. It understands messages and answers with
 * the code of kkt-ofd (tools/ofd/ofd_core.h), signed as a real one signs
 * (board/fn/operator_sign.c), keeps what it received in memory, and misbehaves as told: FAULTS.md
 * O1-O9.
 *
 * It checks by itself, at every message, and keeps the first break as text (operator_broken):
 *  - documents of one FN arrive in ascending order from 1 without a hole (I7);
 *  - only the last one comes again, and byte-identical to the first time (I7);
 *  - what arrives whole is a message: its checksums hold, the document is what its container says.
 * What the operator never stored or forgot is still checked: the world remembers for it.
 *
 * Deterministic: randomness comes only from `seed`, time only as a parameter. No thread, no file,
 * no socket. An operator remembers any number of FNs; its memory grows by the size of a record
 * (CRC-32C, form, time: 12 bytes), not of a message.
 *
 * Connecting and answering take no time unless operator_set_latency says so: the answer is there
 * to be read when the call that wrote the last byte of the message returns.
 */
#ifndef TESTS_WORLD_OPERATOR_H
#define TESTS_WORLD_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/board.h"

struct operator;

enum operator_manner {
    OPERATOR_GOOD,
    OPERATOR_REFUSES,        /* O1: connection refused */
    OPERATOR_NEVER_CONNECTS, /* O1: connecting for the board's 30 s, then FAILED/TIMEOUT */
    OPERATOR_HALF_OPEN,      /* O1: connected, reads everything, stores nothing, says nothing */
    OPERATOR_SLOW,           /* O1: takes and gives one byte a second */
    OPERATOR_CUT_REQUEST,    /* O2: the connection dies after `argument` bytes of the message */
    OPERATOR_CUT_ANSWER,     /* O2, O3: stored; dies after `argument` bytes of the answer */
    OPERATOR_TWICE,          /* O4: each confirmation two times */
    OPERATOR_GARBLED,        /* O5: one bit of the answer flipped, `argument` says which */
    OPERATOR_STALE,   /* O5: the confirmation of the document before instead of the right one */
    OPERATOR_FOREIGN, /* O5: a confirmation for another FN */
    OPERATOR_REJECTS, /* O6: a signed answer with a code that is not 0 */
    OPERATOR_FORGETS, /* O8: confirmed, but the operator's own memory of it is gone */
    OPERATOR_GARBAGE, /* random bytes */
    OPERATOR_FORGED,  /* O5: all is right but the sign of the whole */
    OPERATOR_MANNERS
};
/* What `argument` means to the others: REJECTS: the code, 0 is 14 (format control). FOREIGN: 0 the
 * session header names the other FN as well, else only the container does. GARBAGE: bytes, 0 is up
 * to 600. The first two manners spoil connections, the rest messages; CUT_REQUEST beyond the end of
 * the message stores it and dies before the answer, CUT_ANSWER beyond the end of the answer dies
 * behind it. */

/* Tax number of the operator that registrations must name to accept its confirmations. */
#define OPERATOR_DEBUG_INN "7704358518"

/* NULL: out of memory. */
struct operator* operator_create(uint32_t seed);
void operator_destroy(struct operator* op);
/* Everything forgotten, good manners, the cable in, no latency. INN and clock stay. */
void operator_reset(struct operator* op, uint32_t seed);
/* 10 or 12 digits; another one than the registration's is refused by the FN. */
void operator_set_inn(struct operator* op, const char *inn);
/* True UTC when mono is 0, for 1012 of the confirmations. */
void operator_set_clock(struct operator* op, unix_s at_zero);
/* How long connecting takes, and how long after the last byte of a message its answer is there. */
void operator_set_latency(struct operator* op, uint32_t connect_ms, uint32_t answer_ms);
/* As if documents 1..confirmed of this FN, and no others, had come and been confirmed: for an FN
 * that starts with a history, or was wiped. */
void operator_assume(struct operator* op, const char *fn_number, uint32_t confirmed);
/* For the next `times` connections or messages (0: until changed); then GOOD. A message takes the
 * manner that is set when its first byte is written. */
void operator_set_manner(struct operator* op, enum operator_manner manner, uint32_t argument,
                         unsigned times);
/* The cable to the internet. Down: open connections die, new ones fail with BOARD_NET_DOWN. */
void operator_set_net(struct operator* op, bool up);
/* The board lost its power: its end of the connection is gone. */
void operator_board_reset(struct operator* op);
/* Time moves; call every turn before the board is stepped. now: the world's clock, which does not
 * start over when the board does. Returns operator_due. */
uint64_t operator_step(struct operator* op, mono_ms now);
/* When something happens by itself: the world must step again then at the latest. UINT64_MAX:
 * never. What the board writes may change it, so a world that skips idle time asks after the board
 * was stepped. */
uint64_t operator_due(const struct operator* op);

/* What struct board needs. `context` of the board is the world; it forwards to these. */
int operator_net_open(struct operator* op, const struct board_endpoint *endpoint);
enum board_net_state operator_net_state(struct operator* op, enum board_net_error *error,
                                        uint32_t *detail);
int operator_net_read(struct operator* op, uint8_t *data, size_t size);
int operator_net_write(struct operator* op, const uint8_t *data, size_t size);
void operator_net_close(struct operator* op);

/* How many documents it has of one FN (16 digits), the assumed ones included. */
uint32_t operator_documents(const struct operator* op, const char *fn_number);
/* The highest document number that it has confirmed: a good container that the board read to its
 * last byte, whatever code stands in it. An FN may not know more to be confirmed. */
uint32_t operator_confirmed(const struct operator* op, const char *fn_number);
/* Of one document: form code (0: it has none; also of an assumed one) and CRC-32C of the message's
 * container. container_crc may be NULL. */
uint16_t operator_document(const struct operator* op, const char *fn_number, uint32_t number,
                           uint32_t *container_crc);
uint32_t operator_repeats(const struct operator* op);
/* NULL, or the first promise that was broken, for people. Valid until the next reset or restore. */
const char *operator_broken(const struct operator* op);
/* For trace hashes: of everything that happened here since the reset, with its time. */
uint32_t operator_digest(const struct operator* op);

/* Snapshots, for runs that start from one state: everything counts, also what is half sent. */
struct operator_image;
/* NULL: out of memory. */
struct operator_image *operator_save(const struct operator* op);
/* False: out of memory, and the operator is as after a reset. */
bool operator_restore(struct operator* op, const struct operator_image *image);
void operator_image_free(struct operator_image *image);

#endif
