/* Forwards documents from the FN to the fiscal data operator and brings the confirmations back (KKT-OFD protocol v1.1.006, KKT-FN
 * protocol 1.2.06 section "exchange with the operator").
 *
 *   IDLE --poll (20h): queue not empty--> CONNECTING --open, 21h(1)--> READING 22h,23h..,25h --> SENDING header+container
 *     --> WAITING (300 s) --answer--> GIVING 26h --accepted--> event CONFIRMED, next message on the same connection
 *   any failure: close, 21h(0), RETRY after backoff with jitter, then IDLE.
 *
 * Always true: one message is outstanding; the FN alone decides what is confirmed; nothing is remembered here that matters after a
 * restart (the queue lives in the FN). The FN line is held only between two network waits, never during one.
 */
#ifndef FIRMWARE_OFD_CLIENT_H
#define FIRMWARE_OFD_CLIENT_H

#include "board/board.h"
#include "firmware/fn_client.h"
#include "firmware/limits.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/ofd.h"

struct ofd_settings {
    char host[257];   /* "" : no operator configured */
    uint16_t port;
    bool tls;
    const uint8_t *ca; /* DER, borrowed from the settings */
    size_t ca_size;
    uint8_t ffd;       /* enum ffd_version, for the P-version bytes */
    uint16_t retry_max_s; /* 0: default */
    bool enabled;      /* registered, not autonomous */
};

struct ofd_report {
    uint8_t connection;     /* enum ofd_connection */
    uint32_t queue_count;   /* as of the last 20h */
    uint32_t first_number;
    unix_s first_time;
    uint8_t days_left;      /* of 30; 30 when the queue is empty */
    uint16_t last_error;    /* enum error_code, 0 none since the last success */
    uint32_t last_error_detail;
    unix_s last_success;    /* since start; 0 none */
    uint32_t next_attempt_ms;
};

struct ofd_client {
    const struct board *board;
    struct fn_client *fn;
    const struct ofd_settings *settings;
    struct ofd_report report;
    uint32_t confirmed;  /* document number of the pending CONFIRMED event, 0 none */
    uint8_t phase;       /* private */
    uint8_t step;
    uint8_t failures;    /* in a row, for the backoff */
    uint32_t document;   /* being sent */
    uint16_t message_size, message_done;
    uint8_t message[OFD_HEADER_SIZE + 2048]; /* header, then the container streamed through in pieces */
    uint16_t piece_size, piece_sent;
    uint8_t answer[OFD_HEADER_SIZE + FN_DATA_MAX];
    uint16_t answer_size;
    mono_ms deadline, next_attempt;
    unix_s now_calendar;
};

void ofd_client_init(struct ofd_client *ofd, const struct board *board, struct fn_client *fn,
                     const struct ofd_settings *settings);
/* Moves on. Call every turn, after fn_client_step. */
void ofd_client_step(struct ofd_client *ofd, const struct moment *now);
/* A document was formed: look at the queue now instead of at the next poll. */
void ofd_client_wake(struct ofd_client *ofd);
/* Settings changed: drop the connection and start over. */
void ofd_client_restart(struct ofd_client *ofd);
/* Number of a document the operator has just confirmed, 0 when none; taking it clears it. */
uint32_t ofd_client_take_confirmed(struct ofd_client *ofd);

#endif
