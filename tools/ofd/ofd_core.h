/* What the test operator understands and says: one message in, one judgement and one answer out. No
 * I/O, no time of its own.
 *
 * KKT-OFD protocol v1.1.006: session header (30 bytes), container (32 bytes and body), body =
 * document STLV and the FN's sign of the message. The answer is an operator confirmation (form 7)
 * signed with the debug operator key of board/fn.
 *
 * Always true: nothing is answered to a message whose container does not hold together (a real
 * operator's cryptography would have refused it); a readable document is confirmed, with a code
 * when its content is wrong.
 */
#ifndef TOOLS_OFD_OFD_CORE_H
#define TOOLS_OFD_OFD_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/calendar.h"
#include "proto/ofd.h"
#include "proto/tags.h"

#define OFD_MESSAGE_MAX (OFD_HEADER_SIZE + OFD_BODY_MAX)
#define OFD_CONFIRMATION_MAX                                                                       \
    640u /* session header included; the confirmation's STLV is at most 512 bytes */
#define OFD_FPS_SIZE_MIN 8u /* sign of the message behind the document's STLV */

/* 1022 (fiscal.md 2.5). */
enum ofd_answer_code {
    OFD_ANSWER_ACCEPTED = 0,
    OFD_ANSWER_UNREADABLE = 11,
    OFD_ANSWER_FORMAT = 14
};
/* 1206, FFD 1.1 and 1.2: bit 1, format-logic error. */
#define OFD_FLAG_FORMAT_ERROR 0x02u

enum ofd_message_kind {
    OFD_MESSAGE_PART = 0,     /* not all there yet */
    OFD_MESSAGE_PING = 1,     /* header only */
    OFD_MESSAGE_DOCUMENT = 2, /* to be stored and confirmed */
    OFD_MESSAGE_BROKEN = -1,  /* whole, but nothing may be answered */
    OFD_MESSAGE_GARBAGE = -2  /* the end of the message is unknown: close the connection */
};

struct ofd_message {
    struct ofd_header header;
    char fn_number[17];
    uint8_t service1[2]; /* of the container, copied into the answer */
    uint32_t document;   /* FD number */
    uint16_t form;
    uint8_t ffd;         /* enum ffd_version; 0 unknown */
    uint8_t kind;        /* 1054, 0 when absent */
    uint64_t total_kop;  /* 1020, 0 when absent */
    uint32_t sign;       /* printed fiscal sign, 0 when absent */
    unix_s time;         /* 1012 of the document, 0 when absent */
    uint8_t code;        /* enum ofd_answer_code that it deserves */
    size_t size;         /* bytes of the whole message; PART: bytes needed to know more */
    const char *problem; /* English, for BROKEN and GARBAGE and for a code that is not 0; else "" */
};

/* Looks at the first bytes of a stream. size in *out is valid for every result except GARBAGE. */
enum ofd_message_kind ofd_message_parse(const uint8_t *bytes, size_t size, struct ofd_message *out);

/* The answer to a ping (1.6): 30 bytes. */
void ofd_ping_answer(const struct ofd_message *ping, uint8_t out[OFD_HEADER_SIZE]);

struct ofd_answer {
    const char *inn; /* of the operator, 10 or 12 digits */
    unix_s received; /* true UTC */
    uint8_t
        code; /* enum ofd_answer_code; goes to 1068/1022 (FFD 1.0, 1.05) or 1206 (FFD 1.1, 1.2) */
    uint32_t document; /* number to confirm, normally the message's */
};
/* Session header, container, signed confirmation. Returns its size, 0 when inn is bad or capacity
 * short. */
size_t ofd_confirmation_encode(const struct ofd_message *message, const struct ofd_answer *answer,
                               uint8_t *out, size_t capacity);
/* Spoils the signature (last 8 bytes) of a confirmation and mends the checksums, so that only the
 * signature is wrong. */
void ofd_confirmation_spoil_sign(uint8_t *confirmation, size_t size);

/* "sale"... or "" for no kind. */
const char *ofd_kind_name(uint8_t kind);

#endif
