/* One command at a time to the fiscal storage module: frame out, answer in, ENQ when an answer was
 * damaged or a document's answer is late.
 *
 *   IDLE --fn_start--> WAITING --good frame--> DONE --fn_start--> WAITING ...
 *                         |--damaged, or late and forming; ENQ left--> WAITING (ENQ sent)
 *                         '--otherwise--> FAILED (silent) --fn_start--> WAITING ...
 *
 * Always true: at most one command is on the wire; a command is never sent twice by itself (only
 * its answer is asked for again), because sending 16h twice could punch twice. An answer that came
 * by ENQ is marked: when the command itself was lost it is the answer before. The answer's data
 * stay valid until the next fn_start. Silence ends: FAILED comes at most 6 s after a command, 13 s
 * after one that forms a document.
 *
 * Users take turns: fn_acquire gives the line to one owner, for one indivisible sequence of
 * commands (a document, a message to the operator, a read-back). A waiting cash register goes
 * before everybody else.
 */
#ifndef FIRMWARE_FN_CLIENT_H
#define FIRMWARE_FN_CLIENT_H

#include "board/board.h"
#include "firmware/limits.h"
#include "proto/fn_frame.h"

enum fn_state { FN_STATE_IDLE, FN_STATE_WAITING, FN_STATE_DONE, FN_STATE_FAILED };
enum fn_owner { FN_OWNER_NONE, FN_OWNER_REGISTER, FN_OWNER_OFD, FN_OWNER_PRINT };

struct fn_client {
    const struct board *board;
    enum fn_state state;
    enum fn_owner owner;
    bool register_waits;
    uint8_t command;
    uint8_t answer;      /* enum fn_answer, warning bit removed; valid in DONE */
    bool warning;        /* bit 7 of the last answer */
    bool present;        /* it answered the last command */
    bool enquired;       /* the answer came by ENQ */
    const uint8_t *data; /* of the answer */
    size_t size;
    uint32_t commands_sent; /* diagnostics, counted for the bench */
    mono_ms deadline;
    uint8_t enq_left;
    uint8_t tx[FN_FRAME_MAX];
    size_t tx_size, tx_sent;
    struct fn_decoder decoder;
};

void fn_client_init(struct fn_client *fn, const struct board *board);
/* True: the line is yours until fn_release. Asking as FN_OWNER_REGISTER and failing reserves the
 * next turn. */
bool fn_acquire(struct fn_client *fn, enum fn_owner owner);
void fn_release(struct fn_client *fn, enum fn_owner owner);
/* Sends a command; the line must be acquired and not WAITING. data may be NULL when size is 0. */
void fn_start(struct fn_client *fn, uint8_t command, const uint8_t *data, size_t size, mono_ms now);
/* Moves bytes and time on. Call every turn. Returns the state. */
enum fn_state fn_client_step(struct fn_client *fn, mono_ms now);
/* DONE with code FN_OK. */
bool fn_ok(const struct fn_client *fn);
/* The refusal that a DONE answer with another code, or a FAILED one, means for whoever asked. */
void fn_refusal(const struct fn_client *fn, struct refusal *why);

#endif
