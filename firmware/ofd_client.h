/* Forwards documents from the FN to the fiscal data operator and brings the confirmations back
 * (KKT-OFD protocol v1.1.006, KKT-FN protocol 1.2.06 section "exchange with the operator").
 *
 *   IDLE --poll (20h): queue not empty--> CONNECTING --open, 31h, 21h(1)--> READING 22h, 23h.., 25h
 * --> SENDING header+container
 *     --> WAITING (300 s from 25h) --answer--> GIVING 26h --accepted--> event CONFIRMED, next
 * message on the same connection any failure: close, 24h when the message was half read, 21h(0),
 * RETRY after backoff with jitter, then IDLE.
 *
 * A message that fits the buffer is read in one hold of the FN line (22h to 25h) before its first
 * byte leaves. A larger one is read a bufferful at a time, and the line is free while the network
 * takes it. The FN protocol does not promise that reading survives a document in between, so when
 * others used the line we ask 20h: still reading this very document goes on, otherwise 24h and
 * again on a new connection.
 *
 * Always true: one message is outstanding; the FN alone decides what is confirmed; nothing is
 * remembered here that matters after a restart (the queue lives in the FN). The FN line is held
 * only between two network waits, never during one. Every wait has a deadline; only the cash
 * register's own use of the FN line may delay us beyond it.
 */
#ifndef FIRMWARE_OFD_CLIENT_H
#define FIRMWARE_OFD_CLIENT_H

#include "board/board.h"
#include "firmware/fn_client.h"
#include "firmware/limits.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/ofd.h"

/* Bytes of a container held at a time: a receipt of about twenty items is read in one go. */
#define OFD_WINDOW_SIZE 2048u

struct ofd_settings {
    char host[257]; /* "" : no operator configured */
    uint16_t port;
    bool tls;
    const uint8_t *ca; /* DER, borrowed from the settings */
    size_t ca_size;
    uint8_t ffd;          /* enum ffd_version, for the P-version bytes */
    uint16_t retry_max_s; /* 0: default */
    bool enabled;         /* registered, not autonomous */
};

struct ofd_report {
    uint8_t connection;   /* enum ofd_connection */
    uint32_t queue_count; /* as of the last 20h */
    uint32_t first_number;
    unix_s first_time;
    uint8_t days_left;          /* of 30; 30 when the queue is empty */
    uint16_t last_error;        /* enum error_code, 0 none since the last success */
    uint32_t last_error_detail; /* OFD_REJECTED: reason 1-6 of 26h (also for answers refused here: 2
                              format, 4 FN number, 5 CRC). OFD_TLS: from board/tls. OFD_UNREACHABLE,
                              OFD_NO_ANSWER: enum board_net_error. FN errors: answer code */
    unix_s last_success;        /* since start; 0 none */
    uint32_t next_attempt_ms;
};

struct ofd_client {
    const struct board *board;
    struct fn_client *fn;
    const struct ofd_settings *settings;
    struct ofd_report report;
    uint32_t confirmed; /* document number of the pending CONFIRMED event, 0 none */
    /* Private from here on. */
    uint8_t phase;
    uint8_t failures;     /* in a row, for the backoff */
    bool holding;         /* the FN line is ours */
    bool command_running; /* our command is on the FN line */
    bool reading;         /* 22h was accepted, neither 24h nor 25h was */
    bool read_ended;      /* 25h was accepted for the message being sent */
    bool attached;        /* the FN was told that the connection is up */
    bool connected;
    bool rejected; /* an answer to the outstanding message was refused */
    bool cleared;  /* a connection left over in the FN was taken back */
    bool restart_wanted;
    bool paused;
    char fn_number[17];
    uint32_t document;     /* being sent */
    uint32_t line_mark;    /* the FN client's command count after our last one */
    uint16_t message_size; /* container, as 22h says */
    uint16_t message_done; /* of it, read from the FN */
    uint16_t piece_size, piece_sent;
    uint8_t message[OFD_HEADER_SIZE +
                    OFD_WINDOW_SIZE]; /* header, then the container streamed through in pieces */
    uint16_t answer_size, answer_body;
    uint16_t answer_skip; /* bytes of an answer that is not for us, still to come */
    uint8_t answer[OFD_HEADER_SIZE + FN_DATA_MAX];
    mono_ms deadline, next_attempt, next_poll;
};

void ofd_client_init(struct ofd_client *ofd, const struct board *board, struct fn_client *fn,
                     const struct ofd_settings *settings);
/* Moves on. Call every turn, after fn_client_step. */
void ofd_client_step(struct ofd_client *ofd, const struct moment *now);
/* Look at the FN's queue now instead of at the next poll. */
void ofd_client_wake(struct ofd_client *ofd);
/* A document was formed. Counted at once when others wait already, since an operator that keeps
 * silent can keep the next look at the queue off for minutes. */
void ofd_client_formed(struct ofd_client *ofd);
/* Settings changed: drop the connection and start over. */
void ofd_client_restart(struct ofd_client *ofd);
/* Paused: the connection is closed and none is opened. */
void ofd_client_pause(struct ofd_client *ofd, bool paused);
/* True when it is paused and the board's network is closed. */
bool ofd_client_is_closed(const struct ofd_client *ofd);
/* Number of a document the operator has just confirmed, 0 when none; taking it clears it. */
uint32_t ofd_client_take_confirmed(struct ofd_client *ofd);

#endif
