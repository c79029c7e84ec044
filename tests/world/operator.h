/* The fiscal data operator of the simulated world, and the network up to it.
 *
 * It stands behind the net_* functions of struct board. It parses every session header and
 * container with proto/ofd.h, keeps what it received in memory, answers with the confirmations a
 * real one signs (board/fn/operator_sign.c), and misbehaves as told: FAULTS.md O1-O9.
 *
 * It checks by itself, at every message, and keeps the first break as text (operator_broken):
 *  - documents of one FN arrive in ascending order without a hole (I7);
 *  - a repeat is byte-identical to the first (I7).
 *
 * Deterministic: randomness comes only from `seed`, time only as a parameter. No thread, no file,
 * no socket. An operator remembers any number of FNs; its memory grows by the size of a record
 * (number, CRC-32C, form, time), not of a message.
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
    OPERATOR_NEVER_CONNECTS, /* O1: connecting until the board's 30 s are over, then FAILED/TIMEOUT */
    OPERATOR_HALF_OPEN,      /* O1: connected, reads everything, stores nothing, says nothing */
    OPERATOR_SLOW,           /* O1: takes and gives one byte a second */
    OPERATOR_CUT_REQUEST,    /* O2: the connection dies after `argument` bytes of the message */
    OPERATOR_CUT_ANSWER, /* O2, O3: stored; the connection dies after `argument` bytes of the answer */
    OPERATOR_TWICE,      /* O4: each confirmation two times */
    OPERATOR_GARBLED,    /* O5: one bit of the answer flipped, `argument` says which */
    OPERATOR_STALE, /* O5: the confirmation of the document before, again, instead of the right one */
    OPERATOR_FOREIGN, /* O5: a confirmation for another FN */
    OPERATOR_REJECTS, /* O6: a signed answer with a code that is not 0 */
    OPERATOR_FORGETS, /* O8: confirmed, but the operator's own memory of it is gone */
    OPERATOR_GARBAGE, /* random bytes */
    OPERATOR_MANNERS
};

/* NULL: out of memory. */
struct operator* operator_create(uint32_t seed);
void operator_destroy(struct operator* op);
/* Everything forgotten, good manners. */
void operator_reset(struct operator* op, uint32_t seed);
/* For the next `times` connections or messages (0: until changed); then GOOD. */
void operator_set_manner(struct operator* op, enum operator_manner manner, uint32_t argument,
                         unsigned times);
/* The cable to the internet. Down: open connections die, new ones fail with BOARD_NET_DOWN. */
void operator_set_net(struct operator* op, bool up);
/* The board lost its power: its end of the connection is gone. */
void operator_board_reset(struct operator* op);
/* Time moves; call every turn before the board is stepped. Returns when it wants to be called again
 * at the latest, UINT64_MAX: no need. */
uint64_t operator_step(struct operator* op, mono_ms now);

/* What struct board needs. `context` of the board is the world; it forwards to these. */
int operator_net_open(struct operator* op, const struct board_endpoint *endpoint);
enum board_net_state operator_net_state(struct operator* op, enum board_net_error *error,
                                        uint32_t *detail);
int operator_net_read(struct operator* op, uint8_t *data, size_t size);
int operator_net_write(struct operator* op, const uint8_t *data, size_t size);
void operator_net_close(struct operator* op);

/* What it has of one FN (16 digits). */
uint32_t operator_documents(const struct operator* op, const char *fn_number);
/* The highest document number that it has confirmed with a good answer that left whole. */
uint32_t operator_confirmed(const struct operator* op, const char *fn_number);
/* Of one document: form code (0: it has none) and CRC-32C of the message's container. */
uint16_t operator_document(const struct operator* op, const char *fn_number, uint32_t number,
                           uint32_t *container_crc);
uint32_t operator_repeats(const struct operator* op);
/* NULL, or the first promise that was broken, for people. */
const char *operator_broken(const struct operator* op);
/* For trace hashes. */
uint32_t operator_digest(const struct operator* op);

#endif
