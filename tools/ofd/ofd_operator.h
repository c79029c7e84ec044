/* The test operator between the wire and the store: takes a stream's bytes, stores what came, and
 * says what goes back. It can be told to misbehave. No sockets, no clock: everything comes in as a
 * parameter.
 *
 * Always true: a document is committed to the store before a single byte of its confirmation is
 * handed out; misbehaviour spoils only what goes out, never what is stored.
 */
#ifndef TOOLS_OFD_OFD_OPERATOR_H
#define TOOLS_OFD_OFD_OPERATOR_H

#include "tools/ofd/ofd_core.h"
#include "tools/ofd/ofd_store.h"

/* What `kkt-ofd ctl` can ask for. Everything false is an operator as it should be; several may be
 * on at once. */
struct ofd_behaviour {
    bool down;         /* refuses connections */
    bool silent;       /* reads and stores, never answers */
    bool twice;        /* sends each confirmation two times */
    bool garble;       /* damages each answer, in turn in three ways */
    bool bad_sign;     /* right format, wrong signature */
    bool wrong_number; /* confirms the document after the one sent */
    bool reject;       /* confirms with reject_code instead of "accepted" */
    uint8_t reject_code;
    uint32_t slow_ms; /* every answer waits that long */
    bool cut; /* closes each connection after cut_bytes bytes, both directions counted together */
    uint32_t cut_bytes;
};

/* One command line as typed after `ctl`. False: not understood, nothing changed. */
bool ofd_behaviour_command(struct ofd_behaviour *behaviour, const char *line);

struct ofd_operator {
    struct ofd_store *store;
    const char *inn;
    struct ofd_behaviour behaviour;
    uint32_t garbled; /* answers so far */
};

#define OFD_EVENT_SIZE 256u
struct ofd_reply {
    uint8_t bytes[2 * OFD_CONFIRMATION_MAX];
    size_t size;                /* 0: nothing is answered */
    bool close;                 /* after what is in bytes has gone out */
    char event[OFD_EVENT_SIZE]; /* one line for people, "" when nothing happened */
};

/* Looks for a message at the start of bytes. Returns the bytes it used up; 0: wait for more (event
 * is "" then). */
size_t ofd_operator_take(struct ofd_operator *office, const uint8_t *bytes, size_t size,
                         unix_s now_utc, struct ofd_reply *reply);

#endif
