/* Judging tasks without a device: what they come to, and what is wrong with them. */
#include <string.h>

#include "proto/money.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task.h"

static void add_receipt(struct task_sums *sums, const struct receipt_summary *summary)
{
    unsigned kind = summary->kind < 5 ? summary->kind : 0;
    uint64_t cash = summary->paid_kop[PAYMENT_CASH];
    bool pays_in = kind == SETTLEMENT_SALE || kind == SETTLEMENT_PURCHASE_RETURN;
    sums->receipts++;
    sums->items += summary->items;
    sums->electronic_only += summary->electronically;
    sums->kinds[kind].count++;
    sums->kinds[kind].total_kop += summary->total_kop;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        sums->kinds[kind].paid_kop[i] += summary->paid_kop[i];
    for (unsigned i = 1; i < VAT_RATE_COUNT; i++) {
        sums->kinds[kind].turnover_kop[i] += summary->turnover_kop[i];
        sums->kinds[kind].vat_kop[i] += summary->vat_kop[i];
    }
    sums->change_kop += summary->tendered_kop - cash;
    sums->drawer_kop += pays_in ? (int64_t)cash : -(int64_t)cash;
}

void task_sums_add(struct task_sums *sums, const struct task_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct task *task = &list->tasks[i];
        if (task->error.code != 0)
            continue;
        sums->tasks++;
        sums->fiscal += task->info->fiscal;
        if (task->info->job == KKT_JOB_RECEIPT)
            add_receipt(sums, &task->summary);
        if (task->info->type == TASK_CASH_IN) {
            sums->cash_in_count++;
            sums->cash_in_kop += task->cash_kop;
            sums->drawer_kop += (int64_t)task->cash_kop;
        }
        if (task->info->type == TASK_CASH_OUT) {
            sums->cash_out_count++;
            sums->cash_out_kop += task->cash_kop;
            sums->drawer_kop -= (int64_t)task->cash_kop;
        }
    }
}

static struct json_object *kind_json(const struct task_sums *sums, unsigned kind)
{
    static const char *const vat_names[VAT_RATE_COUNT] = {
        "",     "vat20", "vat10",  "vat120", "vat110", "vat0",  "none",
        "vat5", "vat7",  "vat105", "vat107", "vat22",  "vat122"};
    struct json_object *object = json_object_new_object();
    struct json_object *payments = json_object_new_object();
    struct json_object *vat = json_object_new_object();
    json_add_uint(object, "count", sums->kinds[kind].count);
    json_add_money(object, "sum", (int64_t)sums->kinds[kind].total_kop);
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        json_add_money(payments, json_payment_name(i), (int64_t)sums->kinds[kind].paid_kop[i]);
    json_object_object_add(object, "payments", payments);
    for (unsigned i = 1; i < VAT_RATE_COUNT; i++) {
        if (sums->kinds[kind].turnover_kop[i] == 0)
            continue;
        struct json_object *rate = json_object_new_object();
        json_add_money(rate, "turnover", (int64_t)sums->kinds[kind].turnover_kop[i]);
        if (i != VAT_RATE_0 && i != VAT_RATE_NONE)
            json_add_money(rate, "tax", (int64_t)sums->kinds[kind].vat_kop[i]);
        json_object_object_add(vat, vat_names[i], rate);
    }
    json_object_object_add(object, "vat", vat);
    return object;
}

static struct json_object *moved_json(uint32_t count, uint64_t kop)
{
    struct json_object *object = json_object_new_object();
    json_add_uint(object, "count", count);
    json_add_money(object, "sum", (int64_t)kop);
    return object;
}

struct json_object *task_sums_json(const struct task_sums *sums)
{
    static const char *const kinds[] = {"", "sell", "sellReturn", "buy", "buyReturn"};
    struct json_object *object = json_object_new_object();
    struct json_object *receipts = json_object_new_object();
    json_add_uint(object, "tasks", sums->tasks);
    json_add_uint(object, "fiscalDocuments", sums->fiscal);
    json_add_uint(object, "receipts", sums->receipts);
    json_add_uint(object, "positions", sums->items);
    json_add_uint(object, "electronicOnly", sums->electronic_only);
    for (unsigned kind = 1; kind < 5; kind++)
        if (sums->kinds[kind].count > 0)
            json_object_object_add(receipts, kinds[kind], kind_json(sums, kind));
    json_object_object_add(object, "byKind", receipts);
    json_object_object_add(object, "cashIn", moved_json(sums->cash_in_count, sums->cash_in_kop));
    json_object_object_add(object, "cashOut", moved_json(sums->cash_out_count, sums->cash_out_kop));
    json_add_money(object, "change", (int64_t)sums->change_kop);
    json_add_money(object, "cashDrawer", sums->drawer_kop);
    return object;
}

struct json_object *task_list_check_json(const struct task_list *list)
{
    struct json_object *object = json_object_new_object();
    struct json_object *tasks = json_object_new_array();
    struct task_sums sums;
    memset(&sums, 0, sizeof sums);
    task_sums_add(&sums, list);
    json_object_object_add(object, "valid", json_object_new_boolean(list->faults == 0));
    for (size_t i = 0; i < list->count; i++) {
        const struct task *task = &list->tasks[i];
        struct json_object *line = json_object_new_object();
        if (task->type[0] != 0)
            json_object_object_add(line, "type", json_object_new_string(task->type));
        if (task->key[0] != 0)
            json_object_object_add(line, "key", json_object_new_string(task->key));
        json_object_object_add(line, "valid", json_object_new_boolean(task->error.code == 0));
        if (task->error.code != 0) {
            json_object_object_add(line, "error", atol_error_json(&task->error));
        } else if (task->info->job == KKT_JOB_RECEIPT) {
            const struct receipt_summary *summary = &task->summary;
            json_add_uint(line, "positions", summary->items);
            json_add_money(line, "total", (int64_t)summary->total_kop);
            json_add_money(line, "change",
                           (int64_t)(summary->tendered_kop - summary->paid_kop[PAYMENT_CASH]));
        }
        json_object_array_add(tasks, line);
    }
    json_object_object_add(object, "tasks", tasks);
    json_object_object_add(object, "sums", task_sums_json(&sums));
    return object;
}
