/* ATOL-style JSON tasks, read and judged without touching a device.
 *
 * task_list_read() turns JSON text into tasks: each is either a job of the driver (kkt_job and the
 * TLV body that kkt_submit takes) or a query. The whole text is judged before anything is done with
 * any of it; a fault names the field by its JSON path. JSON.md is the manual of the format.
 *
 * Always true: the same text in the same environment gives the same bytes, so that a
 * task repeated with its key is the same job for the queue and the board. No amount or quantity
 * passes through a double: they are read from the number's source text.
 */
#ifndef TOOLS_KKT_TASK_H
#define TOOLS_KKT_TASK_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hostdrv/kkt.h"
#include "proto/receipt.h"

enum task_type {
    TASK_REGISTRATION,
    TASK_OPEN_SHIFT,
    TASK_CLOSE_SHIFT,
    TASK_REPORT_X,
    TASK_SELL,
    TASK_SELL_RETURN,
    TASK_CASH_IN,
    TASK_CASH_OUT,
    TASK_OPEN_DRAWER,
    TASK_DRAWER_STATUS,
    TASK_NON_FISCAL,
    TASK_DEVICE_INFO,
    TASK_DEVICE_STATUS,
    TASK_SHIFT_STATUS,
    TASK_SHIFT_TOTALS,
    TASK_FN_INFO,
    TASK_FN_STATUS,
    TASK_FN_DOCUMENT,
    TASK_OFD_STATUS,
    TASK_OFD_REPORT,
    TASK_COPY,
    TASK_SET_TIME
};

struct task_info {
    const char *name;
    enum task_type type;
    int job;     /* enum kkt_job; 0: a query, which changes nothing */
    bool fiscal; /* makes a fiscal document */
};
/* By the type string; NULL when it is not one of ours. */
const struct task_info *task_info_find(const char *name);
/* By index in the order of JSON.md; NULL past the end. */
const struct task_info *task_info_at(size_t index);
/* A task type of the JSON interface that a later version will take; false: nobody knows it. */
bool task_type_is_later(const char *name);

/* What the encoding depends on besides the text. All zero: the board is not known. */
struct task_environment {
    unsigned ffd;         /* enum ffd_version; 0: not registered or not known */
    unsigned tax_systems; /* bits of 1062; 0: not known */
    char serial[21];      /* of the board; "" not known */
    bool judging;         /* nothing will be sent: what only the board can tell is taken as good */
    const char *folder; /* where relative file names (ofd.caFile) start; NULL: the current folder */
};

struct task {
    const struct task_info *info; /* NULL when the type itself is at fault */
    char type[40];                /* as written, for the answer */
    char key[65];                 /* as written or derived from the request's uuid; "" none given */
    kkt_error error;              /* code 0: the task is good */
    uint8_t *body;                /* TLV of the job; owned by the list */
    size_t size;
    struct receipt_summary summary; /* sell, sellReturn */
    uint64_t cash_kop;              /* cashIn, cashOut */
    uint32_t document;              /* getFnDocument */
    bool with_raw_data;
    uint16_t *positions; /* JSON index in "items" of each item of the receipt, from item 1; owned by
                            the list */
    size_t position_count;
};

struct task_list {
    struct task *tasks;
    size_t count;
    bool array;    /* the text held an array, so the answer is one */
    bool wrapped;  /* {uuid, request} */
    char uuid[65]; /* of the wrapper, "" none */
    size_t faults; /* tasks whose error is set */
};

/* KKT_OK: the list is filled and must be freed; its `faults` tells whether any task in it is at
 * fault. Another code: the text is not a list of tasks at all, and *error says why. environment may
 * be NULL. */
int task_list_read(const char *text, size_t size, const struct task_environment *environment,
                   struct task_list *list, kkt_error *error);
void task_list_free(struct task_list *list);

/* The JSON path of what a refusal of the board or of proto/receipt.h is about ("items[2].price");
 * "" when it has none. */
void task_refusal_path(const struct task *task, int code, unsigned tag, unsigned item, char *out,
                       size_t capacity);

/* What the tasks of a list come to, for checks and for the cash in the drawer that a day should end
 * with. */
struct task_sums {
    unsigned tasks, fiscal, receipts, items, electronic_only;
    struct {
        uint32_t count;
        uint64_t total_kop, paid_kop[PAYMENT_COUNT], turnover_kop[VAT_RATE_COUNT],
            vat_kop[VAT_RATE_COUNT];
    } kinds[5]; /* by settlement kind */
    uint32_t cash_in_count, cash_out_count;
    uint64_t cash_in_kop, cash_out_kop, change_kop;
    int64_t drawer_kop; /* cash that should be in the drawer if it was empty before the first task;
                           < 0 when the tasks take out more than they bring */
};
/* Adds the good tasks of a list to *sums (start with all zero). */
void task_sums_add(struct task_sums *sums, const struct task_list *list);
/* {tasks, receipts, ...}; owned by the caller. */
struct json_object *task_sums_json(const struct task_sums *sums);
/* {valid, tasks: [{type, key, valid, error?, total?, change?}], sums}; owned by the caller. */
struct json_object *task_list_check_json(const struct task_list *list);

#endif
