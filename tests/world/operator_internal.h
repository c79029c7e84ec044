/* What the two halves of the simulated operator share: operator_line.c (the connection, messages,
 * answers and their manners) and operator.c (the world's side of it, snapshots). Nobody else
 * includes this.
 */
#ifndef TESTS_WORLD_OPERATOR_INTERNAL_H
#define TESTS_WORLD_OPERATOR_INTERNAL_H

#include "tests/world/operator.h"
#include "tests/world/operator_books.h"

#define OPERATOR_OUT_SIZE  8192u
#define OPERATOR_MARKS_MAX 16u
#define OPERATOR_SLOW_MS   1000u /* a byte */

/* A good confirmation waits in `out` and ends there. */
struct operator_mark {
    char fn[17];
    uint32_t number;
    size_t end;
};

struct operator_line { /* to the board; dies with the connection */
    enum board_net_state state;
    enum board_net_error error;
    mono_ms connect_at; /* CONNECTING: the end of it */
    bool connect_fails;
    bool begun; /* the coming message has its manner */
    enum operator_manner manner;
    uint32_t argument;
    size_t in_size, in_needed;
    size_t out_size, out_sent;
    size_t out_cut; /* SIZE_MAX: none */
    mono_ms out_ready;
    mono_ms slow_at;        /* SLOW: of the last byte */
    bool slow_in, slow_out; /* may take, may give a byte */
    uint32_t mark_count;
    struct operator_mark marks[OPERATOR_MARKS_MAX];
};

struct operator_core { /* everything but the books and the buffers */
    mono_ms now;
    unix_s clock;
    char inn[13];
    uint32_t dice, digest;
    uint32_t connect_ms, answer_ms;
    bool net_up;
    enum operator_manner manner;
    uint32_t argument;
    unsigned times; /* 0: until changed */
    struct operator_line line;
};

struct operator
{
    struct operator_core core;
    struct operator_books books;
    uint8_t in[OFD_MESSAGE_MAX];
    uint8_t out[OPERATOR_OUT_SIZE];
};

/* The connection, if there is one, is over. */
void operator_hang_up(struct operator* op, enum board_net_state state, enum board_net_error error);
/* What time alone changes. */
void operator_settle(struct operator* op);

#endif
