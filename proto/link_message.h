/* The host link, layer 3: what requests, answers and events say. LINK.md holds the byte tables.
 *
 * Requests that change anything ("jobs") start with a 16-byte key and a 4-byte device tag; the same
 * key may be sent any number of times and is executed at most once. Everything else in a message is
 * TLV, so a reader skips what it does not know. Answers start with a u16 code: 0 and the result, or
 * an error code and the refusal.
 */
#ifndef PROTO_LINK_MESSAGE_H
#define PROTO_LINK_MESSAGE_H

#include "proto/calendar.h"
#include "proto/error.h"
#include "proto/link.h"

#define KEY_SIZE 16u

enum link_code {
    /* Queries: no key, change nothing. */
    LINK_IDENTITY =
        1, /* -> BOARD_SERIAL, BOARD_MODEL, FIRMWARE_VERSION, FN_NUMBER, KKT_REGISTRATION_NUMBER,
              USER_INN, REGISTERED_FFD, TAX_SYSTEMS, FNS_SITE, PAPER_COLUMNS, MESSAGE_MAX */
    LINK_STATUS = 2, /* -> 62030-62058 */
    LINK_SHIFT_TOTALS =
        3, /* -> SHIFT_NUMBER, CASH_IN_DRAWER, CASH_IN/OUT_*, TOTALS_KIND{SETTLEMENT_KIND,
              TOTALS_COUNT, RECEIPT_TOTAL, 1031, 1081, 1215-1217} x 4 */
    LINK_FN_INFO = 4,  /* -> FN_NUMBER, 62037-62039, 62070-62075 */
    LINK_RESULT = 5,   /* request: key, or empty for the last job -> job result or NOT_FOUND */
    LINK_DOCUMENT = 6, /* request: DOCUMENT_NUMBER -> DOCUMENT_FORM, DOCUMENT_ACKNOWLEDGED,
                          [DOCUMENT_TICKET], DOCUMENT_BODY */
    LINK_SETTINGS = 7, /* -> 62090-62099 */

    /* Update of the firmware: no key, since sending one again does no harm. Refused with BUSY while
     * a job is worked on. */
    LINK_UPDATE_STATUS = 8,  /* -> FIRMWARE_VERSION, 62084-62089 */
    LINK_UPDATE_BEGIN = 9,   /* request: the image's header -> nothing. Judged whole, signature too;
                                then the free slot is erased */
    LINK_UPDATE_DATA = 10,   /* request: u32 offset behind the header, bytes -> nothing; in order */
    LINK_UPDATE_FINISH = 11, /* request: the header again -> nothing. A whole image is on trial from
                                the board's next start, which follows */

    /* Jobs: key (16), device tag (u32 LE), then TLV. Numbers are also the job kinds
     * in the journal. */
    LINK_JOB_FIRST = 32,
    LINK_RECEIPT = 32,      /* fiscal TLV of the receipt, private tags 62000-62011 */
    LINK_SHIFT_OPEN = 33,   /* 1021, 1203, ELECTRONICALLY, slip tags */
    LINK_SHIFT_CLOSE = 34,  /* the same */
    LINK_REGISTRATION = 35, /* registration TLV: 1048, 1018, 1009, 1187, 1037, 1062, 1060, 1117,
                               1046, 1017, 1021, 1203, FFD_VERSION and flags as in FFD */
    LINK_STATE_REPORT = 36, /* form 21 */
    LINK_X_REPORT = 37,
    LINK_CASH_IN = 38, /* CASH_SUM */
    LINK_CASH_OUT = 39,
    LINK_DRAWER_OPEN = 40,
    LINK_NON_FISCAL = 41,   /* SLIP_TEXT / SLIP_QR ... */
    LINK_COPY = 42,         /* COPY_OF; absent: last document */
    LINK_SET_TIME = 43,     /* NEW_TIME */
    LINK_SETTINGS_SET = 44, /* 62090-62099 */
    LINK_JOB_LAST = 44,

    /* Events: TLV, no answer; lost events are repaired by asking. */
    LINK_EVENT_CONFIRMED = 64, /* DOCUMENT_NUMBER confirmed by the operator */
    LINK_EVENT_PRINTED = 65,   /* DOCUMENT_NUMBER printed whole */
    LINK_EVENT_PAPER = 66,     /* PAPER_STATE changed */
    LINK_EVENT_STARTED = 67    /* the board started: ask identity again */
};

/* CRC-32C over the board serial (without padding): a cable that moved to another board is noticed
 * before anything is punched. */
uint32_t link_device_tag(const char *board_serial);

#define LINK_JOB_HEADER_SIZE (KEY_SIZE + 4u)
struct link_job {
    uint8_t key[KEY_SIZE];
    uint32_t device_tag;
    const uint8_t *body;
    size_t size;
};
void link_job_put(struct byte_writer *writer, const struct link_job *job);
bool link_job_get(const uint8_t *message, size_t size, struct link_job *out);

enum link_result_flags {
    LINK_RESULT_REPLAYED = 1,     /* answered from the journal */
    LINK_RESULT_SHIFT_OPENED = 2, /* the shift was opened for this receipt */
    LINK_RESULT_NOT_PRINTED =
        4, /* paper is owed at the time of the answer for a reason the till must mend */
    LINK_RESULT_RECOVERED = 8, /* found in the FN after a cut */
    LINK_RESULT_NO_PAPER = 16  /* electronic: nothing will be printed */
};

/* The result of a job; fields that do not apply are 0. */
struct link_result {
    uint8_t key[KEY_SIZE];
    uint8_t job;       /* enum link_code */
    uint8_t flags;     /* enum link_result_flags */
    uint32_t document; /* FD number */
    uint32_t fiscal_sign;
    unix_s time; /* of the document, or of the job */
    uint16_t shift;
    uint16_t receipt;   /* number in shift; LINK_SHIFT_CLOSE: receipts in the shift */
    uint64_t total_kop; /* u40; cash jobs: cash in the drawer after it */
};
#define LINK_RESULT_SIZE                                                                           \
    39u /* key 16, job 1, flags 1, document 4, sign 4, time 4, shift 2, receipt 2, total 5 */
void link_result_put(struct byte_writer *writer, const struct link_result *result);
bool link_result_get(const uint8_t *bytes, size_t size, struct link_result *out);

/* Answer payloads: u16 code; code 0 is followed by the result (jobs, LINK_RESULT) or TLV (queries);
 * any other code by tag u16, item u16, expected u64, and for jobs the key. */
#define LINK_REFUSAL_SIZE 14u
void link_refusal_put(struct byte_writer *writer, const struct refusal *refusal);
/* True when the payload starts with a whole code; fills *code, and *refusal when code is not 0.
 * body and body_size: what follows code 0. */
bool link_answer_get(const uint8_t *payload, size_t size, struct refusal *refusal,
                     const uint8_t **body, size_t *body_size);

/* Values of state tags. */
enum link_update_state {
    UPDATE_NONE = 0,
    UPDATE_RECEIVING = 1,
    UPDATE_CHECKING = 2,
    UPDATE_RESTARTING = 3, /* as soon as no job, slip or answer is under way */
    UPDATE_ON_TRIAL = 4,
    UPDATE_CONFIRMED = 5,
    UPDATE_ROLLED_BACK = 6
};
enum shift_state { SHIFT_CLOSED = 0, SHIFT_OPEN = 1, SHIFT_EXPIRED = 2 };
enum paper_state {
    PAPER_OK = 0,
    PAPER_NEAR_END = 1,
    PAPER_OUT = 2,
    COVER_OPEN = 4,
    PRINTER_SILENT = 8,
    PRINTER_FAULT = 16
};
enum drawer_state { DRAWER_CLOSED = 0, DRAWER_OPENED = 1, DRAWER_STUCK = 2 };
enum print_state { PRINT_IDLE = 0, PRINT_PRINTING = 1, PRINT_WAITING = 2 };
enum ofd_connection {
    OFD_IDLE = 0,
    OFD_CONNECTING = 1,
    OFD_SENDING = 2,
    OFD_WAITING = 3,
    OFD_RETRY = 4
};

#endif
