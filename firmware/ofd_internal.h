/* What the two halves of the operator client share: ofd_client.c (queue, connecting, failing,
 * taking back) and ofd_exchange.c (one message from the FN to the operator and its answer back).
 * Nobody else includes this.
 */
#ifndef FIRMWARE_OFD_INTERNAL_H
#define FIRMWARE_OFD_INTERNAL_H

#include "firmware/ofd_client.h"

#define LINGER_MS 5000u /* an idle connection is kept for the next receipt */

enum phase {
    PHASE_IDLE,    /* queue empty, or waiting for the next attempt; maybe a lingering connection */
    PHASE_POLL,    /* 20h */
    PHASE_CONNECT, /* net_open was called */
    PHASE_NUMBER,  /* 31h: whose messages these are */
    PHASE_ATTACH,  /* 21h(1) */
    PHASE_READ_BEGIN,  /* 22h */
    PHASE_READ_RESUME, /* the line was free for a while: is the FN still reading? */
    PHASE_READ,        /* 23h until the window is full or the message ends */
    PHASE_READ_END,    /* 25h */
    PHASE_SEND,
    PHASE_WAIT,
    PHASE_GIVE,   /* 26h */
    PHASE_CANCEL, /* 24h */
    PHASE_DETACH  /* 21h(0) */
};

enum outcome { OUTCOME_AGAIN, OUTCOME_OK, OUTCOME_REFUSED };

/* Waits for the line, sends the command once, waits for its end. The line stays ours until
 * ofd_let_go. */
enum outcome ofd_command(struct ofd_client *ofd, uint8_t code, const uint8_t *data, size_t size,
                         mono_ms now);
void ofd_let_go(struct ofd_client *ofd);
void ofd_forget_message(struct ofd_client *ofd);
/* Takes over the answer of 20h, 13 bytes at least. */
void ofd_report_queue(struct ofd_client *ofd, const struct moment *now);

/* The end of an attempt: close, take back in the FN what was begun, try again after the backoff. */
void ofd_fail(struct ofd_client *ofd, mono_ms now);
void ofd_fail_with(struct ofd_client *ofd, uint16_t code, uint32_t detail, mono_ms now);
/* The FN refused or did not answer the command that just ended. */
void ofd_fail_fn(struct ofd_client *ofd, mono_ms now);
void ofd_fail_net(struct ofd_client *ofd, uint16_t code, mono_ms now);
/* The same without fault and backoff. */
void ofd_close_quietly(struct ofd_client *ofd);
void ofd_note_error(struct ofd_client *ofd, uint16_t code, uint32_t detail);
void ofd_note_rejected(struct ofd_client *ofd, uint32_t reason);
void ofd_trace_number(const struct ofd_client *ofd, enum board_trace_level level, const char *text,
                      uint32_t number);

enum pump { PUMP_NOTHING, PUMP_ANSWER, PUMP_DEAD, PUMP_GARBAGE };
/* Reads at most to the end of one answer; the next one stays in the network's buffer. */
enum pump ofd_pump_answer(struct ofd_client *ofd);

void ofd_step_read_begin(struct ofd_client *ofd, const struct moment *now);
void ofd_step_read_resume(struct ofd_client *ofd, const struct moment *now);
void ofd_step_read(struct ofd_client *ofd, const struct moment *now);
void ofd_step_read_end(struct ofd_client *ofd, const struct moment *now);
void ofd_step_send(struct ofd_client *ofd, const struct moment *now);
void ofd_step_wait(struct ofd_client *ofd, const struct moment *now);
void ofd_step_give(struct ofd_client *ofd, const struct moment *now);

#endif
