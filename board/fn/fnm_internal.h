/* What the module's own files share: its state, and who changes it.
 *
 *   fnm_link.c           bytes <-> commands, faults
 *   fnm_commands.c       the command table: who may be asked when
 *   fnm_registration.c   02 03 04 05 A2 A3
 *   fnm_documents.c      06, 11-19: shift, receipts, state report
 *   fnm_data.c           07 and its checks
 *   fnm_rules.c          time, life, 30 days, warnings
 *   fnm_compose.c        what the FN adds; signs; container
 *   fnm_counters.c       money counters, 36-39
 *   fnm_operator.c       20-26
 *   fnm_archive.c        40-47
 *   fnm_status.c         30-3F, 10, A7, AB, 60
 *   fnm.c                open, replay, commit, getters
 *   fnm_store.c          the log of records
 *   fnm_file.c           the file it lies in
 *
 * State that survives a power failure is changed only by fnm_apply_* (fnm.c), which runs the same
 * way for a record just made safe and for one replayed from the log. Everything in `struct
 * fnm_volatile` dies with the power.
 */
#ifndef BOARD_FN_FNM_INTERNAL_H
#define BOARD_FN_FNM_INTERNAL_H

#include "board/fn/fnm.h"
#include "board/fn/fnm_file.h"
#include "board/fn/fnm_store.h"
#include "proto/bytes.h"
#include "proto/fn_frame.h"
#include "proto/ofd.h"
#include "proto/tags.h"

#define FNM_INN_SIZE          12u
#define FNM_RNM_SIZE          20u
#define FNM_REGISTRATIONS_MAX 12u /* reports of registration and change in one module's life */
#define FNM_KEY_DAYS_DEFAULT  410u
#define FNM_STLV_HEADER       4u
#define FNM_DOCUMENT_DATA_MAX (30u * 1024u) /* 07h data of the largest document */
#define FNM_DOCUMENT_MAX      (OFD_BODY_MAX - OFD_CONTAINER_HEADER_SIZE - 10u)
#define FNM_TAIL_MAX          64u /* what 40h appends to time, number and sign */
#define FNM_META_SIZE         44u
#define FNM_SECONDS_A_DAY     86400u
#define FNM_DEBUG_RESET_KEY   22u
#define FNM_MONEY_MAX         0xFFFFFFFFFFu /* u40 kopecks */

/* Missing from enum fn_document_state: the strict-form twins of 04 and 14. */
#define FNM_DOCUMENT_BSO            0x11u
#define FNM_DOCUMENT_BSO_CORRECTION 0x15u

/* Answer code of the text that proto does not name. */
#define FNM_REQUISITE_MISSING 0x3Cu

_Static_assert(FNM_META_SIZE + FNM_TAIL_MAX + FNM_DOCUMENT_MAX <= FNM_RECORD_MAX,
               "a document and its index data fit one record");

/* Bits of the "mode" byte of 03h and A3h, and of the extended one. */
enum fnm_mode {
    FNM_MODE_ENCRYPTION = 0x01,
    FNM_MODE_AUTONOMOUS = 0x02,
    FNM_MODE_AUTOMATIC = 0x04,
    FNM_MODE_SERVICES = 0x08,
    FNM_MODE_BSO = 0x10,
    FNM_MODE_INTERNET = 0x20,
    FNM_MODE_CATERING = 0x40,
    FNM_MODE_WHOLESALE = 0x80
};
enum fnm_extended_mode {
    FNM_EXTENDED_EXCISE = 0x01,
    FNM_EXTENDED_GAMBLING = 0x02,
    FNM_EXTENDED_LOTTERY = 0x04,
    FNM_EXTENDED_PRINTER = 0x08,
    FNM_EXTENDED_MARKED = 0x10
};

struct fnm_money { /* 76 bytes of 36h */
    uint32_t count;
    uint64_t total;
    uint64_t paid[5]; /* 1031 1081 1215 1216 1217 */
    uint64_t vat[6];  /* 1102 1103 1104 1105 1106 1107 */
};
struct fnm_sum {
    uint32_t count;
    uint64_t total;
};
struct fnm_totals {
    struct fnm_money kind[4]; /* receipts without corrections, by 1054 - 1 */
    struct fnm_sum corrections[4];
};

struct fnm_registration {
    char inn[FNM_INN_SIZE + 1]; /* padded with spaces, as documents carry it */
    char rnm[FNM_RNM_SIZE + 1];
    char ofd_inn[FNM_INN_SIZE + 1]; /* "" when the register never gave it (FFD 1.05) */
    uint8_t tax_systems, mode, extended, ffd;
    bool excise;
};

struct fnm_entry {       /* one document in RAM */
    uint64_t offset;     /* of its record's payload */
    uint64_t ack_offset; /* of the confirmation's payload, 0: none */
    uint64_t total;
    uint32_t time, sign, shift, receipt, stlv_size;
    uint8_t form, kind, tail_size;
    bool queued; /* goes to the operator */
};

/* A document on its way into the store or out of it. */
struct fnm_record {
    uint32_t number, time, sign, shift, receipt, stlv_size;
    uint32_t register_offset; /* in the STLV: where the register's own TLVs begin */
    uint16_t form;
    uint8_t kind, ffd;
    bool queued;
    uint64_t total;
    uint8_t tail[FNM_TAIL_MAX];
    uint8_t tail_size;
    const uint8_t *stlv;
};

/* The document being formed. */
struct fnm_draft {
    uint8_t state;     /* enum fn_document_state, 0 when there is none */
    uint8_t finish;    /* command code that closes it */
    uint8_t type, ffd; /* of 02h and A2h */
    unix_s began;
    size_t data_max, data_size;
    uint16_t items, agent_items;
    uint8_t seen[65536 / 8]; /* tags at the top level */
    uint8_t data[FNM_DOCUMENT_DATA_MAX];
};

struct fnm_volatile {
    struct fnm_draft draft;
    /* FN's timer: the last document and when it was formed, in this power session. */
    bool timer_runs;
    unix_s timer_time;
    uint64_t timer_mono;
    /* Best idea of the calendar: the last accepted time of a register's command. */
    bool clock_known;
    unix_s clock_time;
    uint64_t clock_mono;
    /* Exchange with the operator. */
    bool transport, reading, waiting;
    uint64_t waiting_since;
    uint32_t message_document; /* what `message` holds */
    size_t message_size;
    uint8_t message[OFD_BODY_MAX];
    /* 45h/46h and 44h/47h. */
    bool archive_started, registration_started;
    size_t archive_next, archive_size, registration_next, registration_size;
    uint8_t archive[FNM_DOCUMENT_MAX], registration[FNM_DOCUMENT_MAX];
};

struct fnm {
    struct fnm_options options;
    struct fnm_file file; /* unless the options bring another storage */
    struct fnm_store store;
    struct fnm_store_identity identity;

    /* Persistent: fnm_apply_* only. */
    uint8_t phase;
    struct fnm_entry *documents;
    uint32_t count, capacity;
    struct fnm_registration registration;
    uint32_t registrations[FNM_REGISTRATIONS_MAX];
    uint8_t registration_count;
    unix_s activated; /* date of the first report, 00:00 */
    unix_s valid_until;
    bool shift_open;
    uint32_t shift_number, shift_receipts, shift_documents, shifts_closed;
    unix_s shift_time;
    struct fnm_totals shift_totals, totals;
    struct fnm_sum unsent[4];
    uint32_t queue_count, queue_first; /* document numbers */
    uint64_t queue_bytes;
    uint8_t operator_flags; /* FN_WARNING_FLK.. since the last shift report */

    struct fnm_volatile v;

    /* Link. */
    uint64_t now_ms;
    uint64_t last_byte_ms;
    struct fn_decoder decoder;
    uint8_t last_answer[FN_FRAME_MAX];
    size_t last_answer_size;
    uint8_t output[4 * FN_FRAME_MAX];
    size_t output_size;
    uint64_t output_due;
    struct fnm_counters counters;
    bool off, power_failed;
    uint32_t delay_ms;
    enum fnm_fault next_fault;
    uint32_t next_argument;
    fnm_trace_function *trace;
    void *trace_context;

    uint8_t scratch[FNM_DOCUMENT_MAX + 1024]; /* composing and reading */
    uint8_t answer[FN_DATA_MAX];
};

typedef uint8_t fnm_handler(struct fnm *fnm, const uint8_t *in, size_t size,
                            struct byte_writer *out);

/* fnm_commands.c: checks command, length and phase, then calls the handler. Returns the answer
 * code. */
uint8_t fnm_execute(struct fnm *fnm, uint8_t command, const uint8_t *in, size_t size,
                    struct byte_writer *out);

/* fnm.c */
void fnm_trace(struct fnm *fnm, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fnm_forget(struct fnm *fnm);                                          /* everything volatile */
const struct fnm_entry *fnm_entry(const struct fnm *fnm, uint32_t number); /* NULL: none */
/* Makes the document durable and applies it. FN_OK or FN_FAULT. */
uint8_t fnm_commit(struct fnm *fnm, const struct fnm_record *record);
struct fnm_confirmation {
    uint32_t document;
    unix_s received;
    uint8_t code, flags; /* flags: FN_WARNING_* raised by it */
    uint8_t sign[18];
};
uint8_t fnm_commit_confirmation(struct fnm *fnm, const struct fnm_confirmation *confirmation);
bool fnm_read_confirmation(struct fnm *fnm, uint32_t number, struct fnm_confirmation *out);
uint8_t fnm_commit_wipe(struct fnm *fnm);
/* Fills *out but for stlv, which goes to buffer (FNM_DOCUMENT_MAX bytes) when that is not NULL. */
bool fnm_read_record(struct fnm *fnm, uint32_t number, struct fnm_record *out, uint8_t *buffer);
bool fnm_autonomous(const struct fnm *fnm);

/* fnm_rules.c */
bool fnm_time_get(const uint8_t *date_time, unix_s *out);
void fnm_date_put(struct byte_writer *writer, unix_s time); /* DATE, 3 bytes; zeros for 0 */
void fnm_date_time_put(struct byte_writer *writer, unix_s time);
/* 07h: earlier than the last document or nonsense. */
uint8_t fnm_check_time(struct fnm *fnm, unix_s time);
/* 17h: against the FN's timer. */
uint8_t fnm_check_gap(const struct fnm *fnm, unix_s time);
/* 16h: more than 24 h after the shift was opened. */
uint8_t fnm_check_shift_age(const struct fnm *fnm, unix_s time);
/* 12h and 14h. */
uint8_t fnm_check_resources(const struct fnm *fnm, unix_s time);
void fnm_clock_set(struct fnm *fnm, unix_s time);
unix_s fnm_clock(const struct fnm *fnm);
uint16_t fnm_days_left(const struct fnm *fnm, unix_s time);
uint8_t fnm_warnings(const struct fnm *fnm);
bool fnm_ofd_overdue(const struct fnm *fnm, unix_s time); /* 2 days: 1053 */

/* fnm_compose.c */
/* Builds the document in fnm->scratch, signs it and fills number, sign, sizes and stlv of the
 * record; time, form, kind, total, receipt and reasons are the caller's. False: longer than a
 * document may be. */
bool fnm_compose(struct fnm *fnm, struct fnm_record *record, uint32_t reasons,
                 const struct fnm_registration *registration);
/* The operator's message: 32-byte header, document, 10-byte tail with the message sign. 0: does not
 * fit. */
size_t fnm_container(const char *serial, uint32_t number, const uint8_t *stlv, size_t size,
                     const uint8_t message_sign[8], uint8_t *out, size_t capacity);
/* 81 06 and six bytes of CMAC over the document. */
void fnm_message_sign(const struct fnm *fnm, const uint8_t *stlv, size_t size, uint8_t sign[8]);

/* fnm_counters.c */
void fnm_totals_add(struct fnm_totals *totals, uint16_t form, uint8_t kind, uint64_t total,
                    const uint8_t *tlv, size_t size);
void fnm_totals_put_tlv(struct byte_writer *writer, uint16_t tag, const struct fnm_totals *totals);
void fnm_unsent_put_tlv(struct byte_writer *writer, const struct fnm_sum unsent[4]);
extern const uint16_t fnm_payment_tags[5];
fnm_handler fnm_counters_all, fnm_counters_counts, fnm_counters_kind, fnm_counters_unsent;

/* fnm_data.c */
fnm_handler fnm_data;

/* fnm_registration.c */
fnm_handler fnm_registration_begin, fnm_registration_form, fnm_registration_begin_12,
    fnm_registration_form_12, fnm_close_begin, fnm_close_form;
/* The registration a stored report means. */
bool fnm_registration_parse(const struct fnm_record *record, const struct fnm_registration *before,
                            struct fnm_registration *out);

/* fnm_documents.c */
void fnm_draft_begin(struct fnm *fnm, uint8_t state, uint8_t finish, unix_s time, size_t data_max);
fnm_handler fnm_cancel, fnm_shift_open_begin, fnm_shift_open_form, fnm_shift_close_begin,
    fnm_shift_close_form, fnm_receipt_begin, fnm_correction_begin, fnm_receipt_form,
    fnm_state_begin, fnm_state_form;

/* fnm_operator.c */
void fnm_operator_tick(struct fnm *fnm); /* ends the 300 s wait */
fnm_handler fnm_ofd_status, fnm_ofd_transport, fnm_ofd_read_begin, fnm_ofd_read,
    fnm_ofd_read_cancel, fnm_ofd_read_end, fnm_ofd_answer;

/* fnm_archive.c */
fnm_handler fnm_find_document, fnm_find_confirmation, fnm_unconfirmed, fnm_registration_result,
    fnm_registration_tag, fnm_read_document, fnm_read_tlv, fnm_read_registration_tlv;

/* fnm_status.c */
fnm_handler fnm_status, fnm_number, fnm_valid_until, fnm_version, fnm_diagnostics, fnm_ffd,
    fnm_days, fnm_memory, fnm_model, fnm_shift_status, fnm_data_size, fnm_baud_rate,
    fnm_debug_reset;

#endif
