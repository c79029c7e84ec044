/* The fiscal storage module (FN), emulated: a sealed unit that is reached only through the bytes of
 * its UART.
 *
 * It numbers, signs and keeps fiscal documents, guards the rules of time (24 h shift, 5 minutes
 * between clocks, 30 days without the operator), builds the operator's message container and judges
 * the operator's confirmation, as KKT-FN 1.2.06 describes. A DEBUG version: it imitates the
 * protocol, not the certified cryptography; its fiscal signs are AES-CMAC under a per-module random
 * key, and no tax office will accept them. 33h and 3Fh say so on the wire.
 *
 * Always true:
 *  1. A document exists when its one store record is whole on disk (one write, one fdatasync), and
 * the answer to 03h/05h/12h/14h/16h/19h/A3h is sent only after that. An open document lives in RAM
 * and dies with the power.
 *  2. A refused command changes nothing, except that a 26h with a wrong answer leaves the wait
 * running.
 *  3. The module has no calendar: it learns dates from the register's commands and checks them
 * against its own timer, the `now_ms` passed in, which means something only within one power
 * session.
 *  4. After fnm_open of a store cut at any byte the last record is whole or absent.
 *
 * Why not SQLite: a real module is a sealed unit with a log, not a database; one document must cost
 * one write and one sync, the store must be checkable byte by byte under power cuts, and nobody
 * ever queries it except by document number. The format is in STORE.md.
 *
 * One thread at a time. The heap is used here: this is the PC side, never the register.
 */
#ifndef BOARD_FN_FNM_H
#define BOARD_FN_FNM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/calendar.h"

struct fnm;
struct fnm_storage; /* fnm_storage.h */

typedef bool fnm_random_function(void *context, uint8_t *data, size_t size);

struct fnm_options {
    const char *store_path; /* file, created when absent; locked while open */
    const char *serial; /* 16 digits of a new store; NULL: 9999078900005488. For an old store NULL,
                           or its own number */
    bool accept_unsigned_confirmations; /* 26h skips 1078 and FPP: for operators that cannot sign
                                           for a debug module */
    uint32_t archive_documents; /* room of the archive: at 99 % warning 4, when full 14h; 0: no
                                   limit but the disk */
    uint16_t key_days;          /* life of the key from registration in a new store; 0: 410 */
    bool no_sync;               /* tests only: skip fdatasync */
    /* Tests only. Where the store lies instead of store_path; must outlive the module. NULL: a
     * file. */
    const struct fnm_storage *storage;
    /* Tests only, for runs that repeat: where the keys of new and wiped modules come from. NULL:
     * the kernel. Asked for 16 bytes at each fnm_open and each wipe. */
    fnm_random_function *random;
    void *random_context;
};

/* NULL with a line for people in error when the file is locked, foreign, newer than this program,
 * or damaged before its last record. */
struct fnm *fnm_open(const struct fnm_options *options, char *error, size_t error_size);
/* Closes the store; an open document is lost as in a power failure. NULL is allowed. */
void fnm_close(struct fnm *fnm);

/* Bytes from the register. now_ms: any monotonic clock, the same for all calls between two power
 * cycles. */
void fnm_feed(struct fnm *fnm, const uint8_t *bytes, size_t size, uint64_t now_ms);
/* Bytes for the register: up to capacity, 0 when there are none yet. Leftovers wait for the next
 * call. */
size_t fnm_output(struct fnm *fnm, uint8_t *out, size_t capacity, uint64_t now_ms);
/* Milliseconds until fnm_output may have bytes: 0 now, UINT64_MAX nothing is coming. */
uint64_t fnm_output_due_ms(const struct fnm *fnm, uint64_t now_ms);
/* As a power failure and return: open document, transport state, timer, half-received frame and
 * unsent answer are gone. */
void fnm_power_cycle(struct fnm *fnm);

/* Misbehaviour on demand, for tests and `kkt-board ctl`. Each "next" hook fires once. */
enum fnm_fault {
    FNM_FAULT_NONE = 0,
    FNM_FAULT_DROP_ANSWER = 1, /* next command is done, its answer is lost; ENQ still brings it */
    FNM_FAULT_LOSE_ANSWER =
        2, /* as above, and ENQ stays silent too: only the next command speaks again */
    FNM_FAULT_CORRUPT_CRC = 3, /* next answer goes out with a wrong CRC; ENQ brings the good one */
    FNM_FAULT_ANSWER_CODE = 4, /* next command is not done; argument is the answer code */
    FNM_FAULT_DELAY = 5,       /* every answer waits argument ms from now on; 0 ends it */
    FNM_FAULT_OFF = 6, /* argument 1: deaf and silent, as if unplugged; 0: back, power-cycled */
    FNM_FAULT_POWER_BEFORE_COMMIT =
        7, /* next closing command: power fails just before the record is written */
    FNM_FAULT_POWER_AFTER_COMMIT = 8, /* ... just after it is safe, before the answer */
    FNM_FAULT_STORE_ERROR = 9         /* next store write fails: answer 03h, nothing changed */
};
void fnm_fault(struct fnm *fnm, enum fnm_fault fault, uint32_t argument);

struct fnm_counters {
    uint64_t commands;     /* whole good frames */
    uint64_t by_code[256]; /* by command code */
    uint64_t refused;      /* answered with a code other than 00 */
    uint64_t enquiries, bad_frames;
    uint64_t writes, syncs, bytes_written; /* of the store */
};
const struct fnm_counters *fnm_counters(const struct fnm *fnm);

/* What lies in the archive, for comparison with the register, the paper and the operator. Not
 * reachable through the UART. */
struct fnm_document {
    uint32_t number;
    uint16_t form;      /* enum form_code */
    unix_s time;        /* as the register gave it */
    uint32_t sign;      /* the printed number of FPD */
    uint8_t kind;       /* 1054 of receipts and corrections, else 0 */
    uint64_t total_kop; /* 1020 of receipts and corrections, else 0 */
    uint32_t shift;     /* shift number the document belongs to, 0 outside shifts */
    uint32_t receipt;   /* 1042, 0 when not a receipt */
    bool acknowledged;  /* the operator's confirmation is in the store */
    uint32_t stlv_size; /* bytes fnm_document_read gives: form, length and TLVs */
};
uint32_t fnm_document_count(const struct fnm *fnm);
/* number from 1. False when there is none. */
bool fnm_document_get(const struct fnm *fnm, uint32_t number, struct fnm_document *out);
/* The document as signed: STLV of the form. Returns its size, 0 when absent or larger than
 * capacity. */
size_t fnm_document_read(struct fnm *fnm, uint32_t number, uint8_t *out, size_t capacity);
/* 16 digits. */
const char *fnm_serial(const struct fnm *fnm);
/* Phase (enum fn_phase). */
uint8_t fnm_phase(const struct fnm *fnm);
bool fnm_shift_is_open(const struct fnm *fnm);
/* Documents without the operator's confirmation; 0 in autonomous mode. */
uint32_t fnm_unconfirmed_count(const struct fnm *fnm);

/* A line for people about each document, confirmation, command and fault; NULL switches it off.
 * Lines about single commands begin with '<', so that they can be left out. */
typedef void fnm_trace_function(void *context, const char *line);
void fnm_set_trace(struct fnm *fnm, fnm_trace_function *function, void *context);

#endif
