/* libkkt: the driver of an OpenKKT cash register. This header is the manual.
 *
 * THE PROMISE. A payment becomes exactly one fiscal document. You give every job a key of your own
 * (an order's UUID will do). The job is stored on disk before anything is sent, is finished only by
 * an answer that the board proves from its own journal, and may be submitted again with the same
 * key as often as you like: after a crash, a lost answer, a pulled cable. The same key with other
 * content is refused.
 *
 * IN FIVE LINES
 *     kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
 *     kkt_receipt_item(receipt, "Чай", "150.00", "2", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
 *     kkt_receipt_pay(receipt, KKT_CASH, "300.00");
 *     kkt_submit_receipt(queue, &key, receipt, &error);
 *     kkt_wait(queue, device, &key, 30000, &result, &error);
 *
 * RETURNS. Every function that can fail returns KKT_OK (0) or an error code (proto/error.h lists
 * them with cures; kkt_error_describe() explains any code) and, when the kkt_error pointer is not
 * NULL, fills it: code, name, the tag and item at fault, what to do. Codes 1xx are the caller's,
 * 2xx the till's, 3xx the network's, 4xx the service staff's, 5xx ours, 6xx mean "outcome not known
 * yet": the job stays in the queue and kkt_wait or kkt_run with the same key resolves it.
 *
 * THREADS. A kkt or kkt_queue belongs to one thread at a time. Different objects may live in
 * different threads, and several processes may open the same queue file: one of them works it off
 * (a lock beside the file says which), the others wait for results.
 *
 * OWNERSHIP. What kkt_*_open/new returned is freed by kkt_*_close/free. Strings you pass are
 * copied. Text is UTF-8.
 *
 * MONEY is a decimal string ("150", "150.5", "150.50") or int64_t kopecks; nothing passes through
 * floating point.
 */
#ifndef KKT_H
#define KKT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KKT_API __attribute__((visibility("default")))
#else
#define KKT_API
#endif

#define KKT_OK 0

typedef struct kkt kkt;                 /* one open device */
typedef struct kkt_queue kkt_queue;     /* one durable queue file */
typedef struct kkt_receipt kkt_receipt; /* a receipt being built */

typedef struct kkt_error {
    int code;          /* KKT_OK or an error code */
    char name[32];     /* "PAYMENT_SHORT" */
    unsigned tag;      /* fiscal tag at fault, 0 none */
    unsigned item;     /* item number from 1, 0 none */
    uint64_t expected; /* what would be right, 0 nothing useful */
    char field[64];    /* name of the field or tag at fault, "" none */
    char text[256];    /* what happened, one line */
    char cure[256];    /* what to do about it */
} kkt_error;

/* Name, text and cure of a code; static storage, never NULL. */
KKT_API const char *kkt_error_name(int code);
KKT_API void kkt_error_describe(int code, kkt_error *out);
KKT_API const char *kkt_version(void);

/* ---- Keys ---- */

typedef struct kkt_key {
    uint8_t bytes[16];
} kkt_key;

/* A new random (version 4) UUID. */
KKT_API int kkt_key_random(kkt_key *out);
/* 32 hex digits with or without dashes are taken as they are; any other text of 1..64 bytes becomes
 * the first 16 bytes of its SHA-256 (the same text always gives the same key). */
KKT_API int kkt_key_parse(const char *text, kkt_key *out);
/* 8-4-4-4-12 and a zero: 37 bytes. */
KKT_API void kkt_key_format(const kkt_key *key, char out[37]);

/* ---- Devices ---- */

typedef struct kkt_options {
    const char *expected_serial; /* NULL: any; otherwise another board behind the same address is
                                    refused (OTHER_DEVICE) */
    unsigned connect_timeout_ms; /* 0: 3000; for the connection, and as long again for the board to
                                    say who it is */
    unsigned answer_timeout_ms;  /* 0: 15000; a request that got no answer is repeated after 1, 3,
                                    7, 11... s, and after this long the link counts as lost */
    unsigned silence_ms;         /* 0: 10000; a board that has said nothing for so long while
                                    kkt_next_event waits is asked who it is */
} kkt_options;

/* uri: tcp:HOST:PORT (an IPv6 address in brackets), serial:PATH?baud=N (115200 without it),
 * usb:SERIAL, or the bare serial number of a board on USB, which is then taken by libusb or, where
 * that is not possible, by its serial port. Opens, asks who is there, and keeps the identity; a
 * board called by number has to be it. options may be NULL. DEVICE_URI names the part at fault in
 * error.field (scheme, host, port, path, option, baud, serial); LINK_LOST: nobody there; LINK_BUSY:
 * another program holds it; PERMISSION: the system forbids it; OTHER_DEVICE: not the expected
 * board. */
KKT_API int kkt_open(const char *uri, const kkt_options *options, kkt **out, kkt_error *error);
KKT_API void kkt_close(kkt *device);
/* A device handle that is not connected yet. Every handle connects when it is used and not
 * connected, and asks who is there each time: at once after a loss, then (in kkt_run, kkt_wait,
 * kkt_next_event) after 100, 200, 400 ... 5000 ms, and at once when a board is plugged in. What a
 * queue worker wants. */
KKT_API int kkt_open_lazy(const char *uri, const kkt_options *options, kkt **out, kkt_error *error);

/* A board that can be seen from here. One that is there by USB is there twice: by its vendor
 * interface and as a serial port. */
typedef struct kkt_found {
    char uri[300]; /* to open it by; "" when its serial number cannot be read */
    char serial[64];
    int problem; /* KKT_OK, or the error that opening it would meet: PERMISSION, LINK_BUSY... */
    char detail[128]; /* what the system said */
    char node[64];    /* the file behind it, as /dev/ttyACM0 or /dev/bus/usb/001/004 */
} kkt_found;
/* Looks at USB, opens nothing for longer than a moment, asks no board. *count: how many there are,
 * of which at most capacity are told. */
KKT_API int kkt_discover(kkt_found *out, size_t capacity, size_t *count, kkt_error *error);

typedef struct kkt_identity {
    char serial[21], model[49], firmware[17];
    char fn_number[17], registration_number[21], inn[13];
    char fns_site[257];
    unsigned ffd;         /* 0 not registered, 2 = 1.05, 4 = 1.2 */
    unsigned tax_systems; /* bits of tag 1062 */
    unsigned columns;
    unsigned request_max; /* bytes of a job with its header of 20 that the board takes */
} kkt_identity;
/* Asks the board anew. */
KKT_API int kkt_get_identity(kkt *device, kkt_identity *out, kkt_error *error);

typedef struct kkt_ofd_status {
    unsigned connection; /* 0 idle, 1 connecting, 2 sending, 3 waiting for the answer, 4 waiting to
                            try again */
    uint32_t queue_count, first_number;
    int64_t first_time, last_success; /* seconds, local wall clock; 0 none */
    unsigned days_left;               /* of 30 */
    int last_error;                   /* error code, 0 none since the last success */
    uint32_t last_error_detail, next_attempt_s;
} kkt_ofd_status;

typedef struct kkt_status {
    int64_t time;         /* board clock: seconds, local wall clock; 0 not set */
    unsigned shift_state; /* 0 closed, 1 open, 2 open for over 24 h */
    uint32_t shift_number, receipt_number;
    int64_t shift_opened, shift_expires;
    unsigned paper; /* bits: 1 near end, 2 out, 4 cover open, 8 printer silent, 16 printer fault; 0
                       fine */
    unsigned print_state; /* 0 idle, 1 printing, 2 waiting for the till (paper, cover) */
    uint32_t slips_owed;
    unsigned drawer; /* 0 closed, 1 open, 2 stuck */
    uint32_t drawer_openings;
    int64_t cash_in_drawer_kop;
    unsigned fn_present, fn_phase, fn_warnings;
    uint32_t last_document;
    int block_reason; /* error code that a sale would get now, 0 none */
    kkt_ofd_status ofd;
} kkt_status;
KKT_API int kkt_get_status(kkt *device, kkt_status *out, kkt_error *error);

typedef struct kkt_totals_kind {
    uint32_t count;
    int64_t sum_kop;
    int64_t paid_kop[5]; /* cash, electronic, prepaid, credit, other */
} kkt_totals_kind;
typedef struct kkt_shift_totals {
    uint32_t shift_number;
    int64_t cash_in_drawer_kop;
    uint32_t cash_in_count, cash_out_count;
    int64_t cash_in_kop, cash_out_kop;
    kkt_totals_kind kinds[4]; /* sale, sale return, purchase, purchase return */
} kkt_shift_totals;
KKT_API int kkt_get_shift_totals(kkt *device, kkt_shift_totals *out, kkt_error *error);

typedef struct kkt_fn_info {
    char number[17], version[17];
    int64_t valid_until;
    unsigned execution; /* 0 debug, 1 serial */
    unsigned phase, warnings, ffd, ffd_max;
    unsigned registrations_made, registrations_left;
    uint32_t last_document;
} kkt_fn_info;
KKT_API int kkt_get_fn_info(kkt *device, kkt_fn_info *out, kkt_error *error);

typedef struct kkt_document {
    uint32_t number;
    unsigned form;    /* form code: 3 receipt, 2 shift open... */
    int acknowledged; /* the operator has confirmed it */
    uint8_t *tlv;     /* body of the document; free with kkt_document_free */
    size_t size;
    uint8_t ticket[64]; /* answer of FN command 41h when acknowledged */
    size_t ticket_size;
} kkt_document;
KKT_API int kkt_get_document(kkt *device, uint32_t number, kkt_document *out, kkt_error *error);
KKT_API void kkt_document_free(kkt_document *document);

/* Board settings (tags 62090-62099) as a TLV list. *tlv is freed with kkt_free. Changing them is a
 * job (KKT_JOB_SETTINGS). */
KKT_API int kkt_get_settings(kkt *device, uint8_t **tlv, size_t *size, kkt_error *error);
KKT_API void kkt_free(void *memory);

enum kkt_event_kind {
    KKT_EVENT_NONE = 0,
    KKT_EVENT_LOST = 1,       /* the connection is gone; it is being tried again */
    KKT_EVENT_BACK = 2,       /* the same board is there again */
    KKT_EVENT_CONFIRMED = 64, /* the operator has confirmed a document */
    KKT_EVENT_PRINTED = 65,
    KKT_EVENT_PAPER = 66,  /* the state of the paper has changed */
    KKT_EVENT_STARTED = 67 /* the board started */
};
typedef struct kkt_event {
    unsigned kind;      /* enum kkt_event_kind */
    uint32_t document;  /* CONFIRMED, PRINTED */
    unsigned paper;     /* PAPER: as in kkt_status */
    uint64_t outage_ms; /* BACK: how long the board was away */
} kkt_event;
/* Waits up to timeout_ms for an event. KKT_OK and kind 0: none came. A board's events may be lost
 * with the link: ask the status for truth. LOST and BACK alternate and are never lost, also when it
 * happened in another call of this handle; several outages that nobody looked at are told as one.
 * While the board is away each call tries to reach it (LINK_LOST when the time is over without
 * it): a cable that comes out or a connection that ends is noticed at once, silence within
 * silence_ms + connect_timeout_ms; a board that is plugged in is back as soon as it answers. */
KKT_API int kkt_next_event(kkt *device, unsigned timeout_ms, kkt_event *out, kkt_error *error);

/* ---- Firmware ---- */

enum kkt_firmware_state {
    KKT_FIRMWARE_QUIET = 0, /* no update since the board left the factory */
    KKT_FIRMWARE_RECEIVING = 1,
    KKT_FIRMWARE_CHECKING = 2,
    KKT_FIRMWARE_RESTARTING = 3, /* as soon as no job, slip or answer is under way */
    KKT_FIRMWARE_TRIAL = 4,      /* new, and has not proved itself yet */
    KKT_FIRMWARE_CONFIRMED = 5,
    KKT_FIRMWARE_ROLLED_BACK = 6 /* the new one did not prove itself: the former one runs */
};
typedef struct kkt_firmware {
    char version[17]; /* that runs */
    char board[17];   /* what a file must be made for */
    unsigned state;   /* enum kkt_firmware_state */
    char other[17];   /* version that the state speaks of, "" none */
    uint32_t received;
    uint32_t slot_address, slot_size; /* of the slot that does not run */
} kkt_firmware;
/* UPDATE_UNSUPPORTED: this board's firmware is not replaced over the link. */
KKT_API int kkt_get_firmware(kkt *device, kkt_firmware *out, kkt_error *error);
/* state: RECEIVING (done of all bytes), then RESTARTING, then TRIAL. */
typedef void (*kkt_firmware_progress)(void *user, unsigned state, uint32_t done, uint32_t all);
/* Replaces the board's firmware by the image of a .kktfw file that fits it, and waits until the new
 * one has proved itself. Receipts go on meanwhile: the board takes pieces between jobs and restarts
 * when nothing is under way. Whatever fails on the way, the former firmware goes on; calling again
 * begins anew. timeout_ms: for the restart and the trial, 0: 600000. progress may be NULL.
 * UPDATE_IMAGE, UPDATE_BOARD, UPDATE_VERSION, UPDATE_SIGNATURE: refused, nothing was changed.
 * UPDATE_ROLLED_BACK: it was started and did not prove itself. OUTCOME_UNKNOWN: it was taken, and
 * the board has not said within the time what came of it: ask kkt_get_firmware. */
KKT_API int kkt_firmware_update(kkt *device, const uint8_t *file, size_t size, unsigned timeout_ms,
                                kkt_firmware_progress progress, void *user, kkt_error *error);

/* ---- Receipts ---- */

enum kkt_kind { KKT_SALE = 1, KKT_SALE_RETURN = 2, KKT_PURCHASE = 3, KKT_PURCHASE_RETURN = 4 };
enum kkt_payment {
    KKT_CASH = 0,
    KKT_ELECTRONIC = 1,
    KKT_PREPAID = 2,
    KKT_CREDIT = 3,
    KKT_OTHER = 4
};
enum kkt_vat { /* values of tag 1199 */
               KKT_VAT_20 = 1,
               KKT_VAT_10 = 2,
               KKT_VAT_20_120 = 3,
               KKT_VAT_10_110 = 4,
               KKT_VAT_0 = 5,
               KKT_VAT_NONE = 6,
               KKT_VAT_5 = 7,
               KKT_VAT_7 = 8,
               KKT_VAT_5_105 = 9,
               KKT_VAT_7_107 = 10,
               KKT_VAT_22 = 11,
               KKT_VAT_22_122 = 12
};
enum kkt_method { /* tag 1214 */
                  KKT_FULL_PREPAYMENT = 1,
                  KKT_PREPAYMENT = 2,
                  KKT_ADVANCE = 3,
                  KKT_FULL_PAYMENT = 4,
                  KKT_PARTIAL_PAYMENT = 5,
                  KKT_ON_CREDIT = 6,
                  KKT_CREDIT_PAYMENT = 7
};
enum kkt_subject {
    KKT_GOODS = 1,
    KKT_EXCISE_GOODS = 2,
    KKT_WORK = 3,
    KKT_SERVICE = 4,
    KKT_PAYMENT_SUBJECT = 10 /* and others of tag 1212 */
};
enum kkt_tax_system {
    KKT_TAX_OSN = 1,
    KKT_TAX_USN_INCOME = 2,
    KKT_TAX_USN_INCOME_OUTCOME = 4,
    KKT_TAX_ENVD = 8,
    KKT_TAX_ESN = 16,
    KKT_TAX_PATENT = 32
};

/* The builder remembers its first error: later calls do nothing and return it again, so a chain of
 * calls needs one check at the end (submitting does it). NULL when memory is out. */
KKT_API kkt_receipt *kkt_receipt_new(enum kkt_kind kind);
KKT_API void kkt_receipt_free(kkt_receipt *receipt);
KKT_API int kkt_receipt_cashier(kkt_receipt *receipt, const char *name,
                                const char *inn /* NULL: none */);
KKT_API int kkt_receipt_tax_system(kkt_receipt *receipt, enum kkt_tax_system system);
/* +digits or name@host (tag 1008). */
KKT_API int kkt_receipt_buyer_contact(kkt_receipt *receipt, const char *phone_or_email);
/* No paper; needs a buyer contact. */
KKT_API int kkt_receipt_electronically(kkt_receipt *receipt);
/* price: for one unit, discounts taken off; the cost is price x quantity, half up. */
KKT_API int kkt_receipt_item(kkt_receipt *receipt, const char *name, const char *price,
                             const char *quantity, enum kkt_vat vat, enum kkt_method method,
                             enum kkt_subject subject);
/* As above with the cost stated (within 1 kopeck of price x quantity). */
KKT_API int kkt_receipt_item_sum(kkt_receipt *receipt, const char *name, const char *price,
                                 const char *quantity, const char *sum, enum kkt_vat vat,
                                 enum kkt_method method, enum kkt_subject subject);
/* Adds one tag of the item table (FFD 1059) to the item added last: strings as UTF-8 via _text. */
KKT_API int kkt_receipt_item_tag(kkt_receipt *receipt, uint16_t tag, const void *value,
                                 size_t size);
KKT_API int kkt_receipt_item_text(kkt_receipt *receipt, uint16_t tag, const char *text);
/* Adds one tag of the receipt table, or one of our slip tags. */
KKT_API int kkt_receipt_tag(kkt_receipt *receipt, uint16_t tag, const void *value, size_t size);
KKT_API int kkt_receipt_text(kkt_receipt *receipt, uint16_t tag, const char *text);
/* Sums of the same kind add up. Cash may exceed what is due: the rest is change. */
KKT_API int kkt_receipt_pay(kkt_receipt *receipt, enum kkt_payment payment, const char *sum);
/* States the total (rounding down to whole rubles is allowed). */
KKT_API int kkt_receipt_total(kkt_receipt *receipt, const char *sum);
/* Encodes and checks. The bytes belong to the receipt and stay valid until it is
 * changed or freed. */
KKT_API int kkt_receipt_encode(kkt_receipt *receipt, const uint8_t **tlv, size_t *size,
                               kkt_error *error);

/* ---- Queue ---- */

enum kkt_job { /* numbers of the host link */
               KKT_JOB_RECEIPT = 32,
               KKT_JOB_SHIFT_OPEN = 33,
               KKT_JOB_SHIFT_CLOSE = 34,
               KKT_JOB_REGISTRATION = 35,
               KKT_JOB_STATE_REPORT = 36,
               KKT_JOB_X_REPORT = 37,
               KKT_JOB_CASH_IN = 38,
               KKT_JOB_CASH_OUT = 39,
               KKT_JOB_DRAWER_OPEN = 40,
               KKT_JOB_NON_FISCAL = 41,
               KKT_JOB_COPY = 42,
               KKT_JOB_SET_TIME = 43,
               KKT_JOB_SETTINGS = 44
};
enum kkt_job_state {
    KKT_JOB_STORED = 0, /* on disk, not finished: not sent yet, or sent and not answered */
    KKT_JOB_DONE = 1,   /* the board proved the result */
    KKT_JOB_REFUSED =
        2, /* the board refused it and nothing was changed; submitting it again tries again */
    KKT_JOB_CANCELLED = 3 /* taken back before it was ever sent */
};

typedef struct kkt_result {
    enum kkt_job_state state;
    enum kkt_job job;
    kkt_key key;
    kkt_error error;   /* when refused */
    unsigned flags;    /* 1 replayed from the journal, 2 shift opened for it, 4 not printed yet, 8
                          recovered after a cut, 16 electronic only */
    uint32_t document; /* FD number */
    uint32_t fiscal_sign; /* print with 10 digits, zeros on the left */
    int64_t time;         /* of the document, seconds, local wall clock */
    uint32_t shift, receipt;
    int64_t total_kop;
    char fn_number[17], registration_number[21], serial[21]; /* of the board that did it */
    int confirmed; /* the operator has confirmed the document */
} kkt_result;

/* Opens or makes the queue file. Format version is checked; a newer one is refused. */
KKT_API int kkt_queue_open(const char *path, kkt_queue **out, kkt_error *error);
KKT_API void kkt_queue_close(kkt_queue *queue);

/* Stores a job; on return it is on disk. QUEUE_STORE: it is not (error.text has SQLite's words). If
 * the program dies right then, it may be there all the same: submitting or cancelling under the
 * same key makes it certain. Same key and same content: KKT_OK, nothing new (a refused or cancelled
 * one is armed again). Same key, other content: KEY_CONFLICT. body is the TLV of the job as
 * proto/link_message.h lists it, without key and device tag. */
KKT_API int kkt_submit(kkt_queue *queue, const kkt_key *key, enum kkt_job job, const uint8_t *body,
                       size_t size, kkt_error *error);
KKT_API int kkt_submit_receipt(kkt_queue *queue, const kkt_key *key, kkt_receipt *receipt,
                               kkt_error *error);
/* Several jobs in one durable commit: all or none. *failed_index (may be NULL) says which one is at
 * fault; count: none of them. */
typedef struct kkt_submission {
    kkt_key key;
    enum kkt_job job;
    const uint8_t *body;
    size_t size;
} kkt_submission;
KKT_API int kkt_submit_many(kkt_queue *queue, const kkt_submission *jobs, size_t count,
                            size_t *failed_index, kkt_error *error);
/* Takes a job back. IN_PROGRESS when it was sent already: only the board can tell what became of
 * it. Taking back twice, or a refused one, is fine. */
KKT_API int kkt_cancel(kkt_queue *queue, const kkt_key *key, kkt_error *error);

/* Works the queue off in order until it is empty (KKT_OK), until the device is lost (LINK_LOST: a
 * reconnect failed, or three in a row brought no answer), or timeout_ms has passed
 * (OUTCOME_UNKNOWN); 0 = no limit. OTHER_DEVICE: all is done but jobs that were sent to another
 * board and wait for that one. While another process works the queue off, waits for it. Over TCP
 * and USB one receipt is sent ahead behind the one the board works on; it counts as sent. Only when
 * the board puts the first off (too much paper owed, fiscal module silent) may the second one
 * become a document before it. */
KKT_API int kkt_run(kkt_queue *queue, kkt *device, unsigned timeout_ms, kkt_error *error);
/* Works the queue off (or lets the process that holds the lock do it) until this job is finished,
 * and gives its result. KKT_OK: finished (look at result.state). Reconnects as often as needed.
 * OUTCOME_UNKNOWN or LINK_LOST: not finished in time; the job stays stored. OTHER_DEVICE: it was
 * sent to another board than this one. NOT_FOUND: no such key. timeout_ms 0 = no limit. device
 * NULL: only waits for another process. */
KKT_API int kkt_wait(kkt_queue *queue, kkt *device, const kkt_key *key, unsigned timeout_ms,
                     kkt_result *result, kkt_error *error);
/* What the queue file says now; sends nothing. */
KKT_API int kkt_find(kkt_queue *queue, const kkt_key *key, kkt_result *result, kkt_error *error);
/* What the board says about a key (NULL: its last job), whoever sent it. */
KKT_API int kkt_ask_result(kkt *device, const kkt_key *key, kkt_result *result, kkt_error *error);

typedef struct kkt_entry {
    int64_t id;        /* order of submission */
    int64_t stored_at; /* unix seconds, host clock, UTC */
    uint32_t attempts;
    size_t size; /* of the body */
    kkt_result result;
} kkt_entry;
/* Newest first when newest_first, else oldest first; unfinished only when unfinished_only. visit
 * returns 0 to stop. */
typedef int (*kkt_visit)(void *user, const kkt_entry *entry);
KKT_API int kkt_list(kkt_queue *queue, int unfinished_only, int newest_first, kkt_visit visit,
                     void *user, kkt_error *error);
/* Body of a stored job; free with kkt_free. */
KKT_API int kkt_job_body(kkt_queue *queue, const kkt_key *key, uint8_t **body, size_t *size,
                         kkt_error *error);
/* Marks as confirmed every done document that the board's operator queue no longer holds; sets
 * *confirmed to how many became so. */
KKT_API int kkt_update_confirmations(kkt_queue *queue, kkt *device, unsigned *confirmed,
                                     kkt_error *error);
/* Counted since opening, for benches. queue_commits: synced commits of jobs and results (not the
 * one that makes the file, nor the one that binds it to its board). requests_sent includes queries
 * and repetitions. Either handle may be NULL. */
typedef struct kkt_counters {
    uint64_t queue_commits, requests_sent, answers_received, bytes_sent, bytes_received, reconnects;
} kkt_counters;
KKT_API void kkt_get_counters(const kkt_queue *queue, const kkt *device, kkt_counters *out);

#ifdef __cplusplus
}
#endif

#endif
