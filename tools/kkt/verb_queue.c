/* kkt queue and kkt result. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/calendar.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_result.h"
#include "tools/kkt/verb_print.h"
#include "tools/kkt/wire_json.h"

#define LIST_DEFAULT 30u

static const char *job_word(int job)
{
    static const char *const words[] = {"receipt",      "shift open", "shift close", "registration",
                                        "state report", "x report",   "cash in",     "cash out",
                                        "drawer",       "non-fiscal", "copy",        "set time",
                                        "settings"};
    return job >= KKT_JOB_RECEIPT && job <= KKT_JOB_SETTINGS ? words[job - KKT_JOB_RECEIPT] : "?";
}

static const char *state_word(const kkt_result *result)
{
    switch (result->state) {
    case KKT_JOB_STORED:
        return "waiting";
    case KKT_JOB_DONE:
        return result->confirmed ? "confirmed" : "done";
    case KKT_JOB_REFUSED:
        return "refused";
    case KKT_JOB_CANCELLED:
        return "cancelled";
    }
    return "?";
}

static bool is_fiscal(const kkt_result *result)
{
    return result->job == KKT_JOB_RECEIPT || result->job == KKT_JOB_SHIFT_OPEN ||
           result->job == KKT_JOB_SHIFT_CLOSE || result->job == KKT_JOB_REGISTRATION ||
           result->job == KKT_JOB_STATE_REPORT;
}

static void add_flags(struct json_object *object, unsigned flags)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{LINK_RESULT_REPLAYED, "replayed"},
                 {LINK_RESULT_SHIFT_OPENED, "shiftAutoOpened"},
                 {LINK_RESULT_NOT_PRINTED, "notPrinted"},
                 {LINK_RESULT_RECOVERED, "recovered"},
                 {LINK_RESULT_NO_PAPER, "electronically"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((flags & names[i].bit) != 0)
            json_add_bool(object, names[i].name, true);
}

static struct json_object *result_json(const kkt_result *result)
{
    struct json_object *object = json_object_new_object();
    char key[37], sign[12];
    kkt_key_format(&result->key, key);
    json_add_text(object, "key", key);
    json_add_text(object, "job", job_word((int)result->job));
    json_add_text(object, "state", state_word(result));
    if (result->state == KKT_JOB_REFUSED)
        json_object_object_add(object, "error", atol_error_json(&result->error));
    if (result->state != KKT_JOB_DONE)
        return object;
    json_add_time(object, "time", result->time);
    if (!is_fiscal(result) && result->document != 0)
        json_add_uint(object, "fiscalDocumentNumber", result->document);
    if (result->job == KKT_JOB_CASH_IN || result->job == KKT_JOB_CASH_OUT)
        json_add_money(object, "cashSum", result->total_kop);
    if (is_fiscal(result)) {
        snprintf(sign, sizeof sign, "%010u", (unsigned)result->fiscal_sign);
        json_add_uint(object, "fiscalDocumentNumber", result->document);
        json_add_text(object, "fiscalDocumentSign", sign);
        json_add_uint(object, "shiftNumber", result->shift);
        json_add_uint(object, "fiscalReceiptNumber", result->receipt);
        json_add_money(object, "total", result->total_kop);
        json_add_text(object, "fnNumber", result->fn_number);
        json_add_text(object, "registrationNumber", result->registration_number);
        json_add_bool(object, "confirmed", result->confirmed != 0);
    }
    json_add_text(object, "serial", result->serial);
    add_flags(object, result->flags);
    return object;
}

void verb_print_result(struct cli *cli, const kkt_result *result)
{
    char key[37], time[ISO_TIME_SIZE] = "", total[MONEY_TEXT_SIZE];
    if (cli->json) {
        struct json_object *object = result_json(result);
        json_print(cli->out, object);
        json_object_put(object);
        return;
    }
    kkt_key_format(&result->key, key);
    fprintf(cli->out, "%-12s %s\n", "key", key);
    fprintf(cli->out, "%-12s %s\n", "job", job_word((int)result->job));
    fprintf(cli->out, "%-12s %s\n", "state", state_word(result));
    if (result->state == KKT_JOB_REFUSED) {
        cli_fail(cli, &result->error);
        return;
    }
    if (result->state != KKT_JOB_DONE)
        return;
    if (result->time > 0) {
        iso_time_format((unix_s)result->time, time);
        fprintf(cli->out, "%-12s %s\n", "time", time);
    }
    money_format((uint64_t)(result->total_kop < 0 ? 0 : result->total_kop), total, sizeof total);
    if (result->document != 0)
        fprintf(cli->out, "%-12s %u\n", "document", (unsigned)result->document);
    if (is_fiscal(result)) {
        fprintf(cli->out, "%-12s %010u\n", "sign", (unsigned)result->fiscal_sign);
        if (result->shift != 0)
            fprintf(cli->out, "%-12s %u\n", "shift", (unsigned)result->shift);
    }
    if (result->job == KKT_JOB_RECEIPT) {
        fprintf(cli->out, "%-12s %u\n", "receipt", (unsigned)result->receipt);
        fprintf(cli->out, "%-12s %s\n", "total", total);
    }
    if (result->job == KKT_JOB_SHIFT_CLOSE)
        fprintf(cli->out, "%-12s %u\n", "receipts", (unsigned)result->receipt);
    if (result->job == KKT_JOB_CASH_IN || result->job == KKT_JOB_CASH_OUT)
        fprintf(cli->out, "%-12s %s\n", "in drawer", total);
    if ((result->flags & LINK_RESULT_NOT_PRINTED) != 0)
        fprintf(cli->out, "%-12s %s\n", "paper", "owed: mend paper or cover, it prints by itself");
    if ((result->flags & LINK_RESULT_RECOVERED) != 0)
        fprintf(cli->out, "%-12s %s\n", "note", "found in the fiscal module after a power cut");
    if ((result->flags & LINK_RESULT_REPLAYED) != 0)
        fprintf(cli->out, "%-12s %s\n", "note", "answered from the board's journal: done before");
}

/* ---- queue list ------------------------------------------------------------------------------ */

struct listing {
    struct cli *cli;
    struct json_object *array;
    unsigned shown, limit;
};

static int show_entry(void *user, const kkt_entry *entry)
{
    struct listing *listing = user;
    const kkt_result *result = &entry->result;
    char key[37], when[24] = "", total[MONEY_TEXT_SIZE] = "", document[12] = "";
    if (listing->limit != 0 && listing->shown == listing->limit)
        return 0;
    listing->shown++;
    if (listing->cli->json) {
        struct json_object *object = result_json(result);
        json_object_object_add(object, "id", json_object_new_int64(entry->id));
        json_object_object_add(object, "storedAt", json_object_new_int64(entry->stored_at));
        json_add_uint(object, "attempts", entry->attempts);
        json_add_uint(object, "bytes", entry->size);
        json_object_array_add(listing->array, object);
        return 1;
    }
    time_t stored = (time_t)entry->stored_at;
    struct tm local;
    if (localtime_r(&stored, &local) != NULL)
        strftime(when, sizeof when, "%d.%m %H:%M:%S", &local);
    kkt_key_format(&result->key, key);
    if (result->document != 0)
        snprintf(document, sizeof document, "%u", (unsigned)result->document);
    if (result->job == KKT_JOB_RECEIPT && result->total_kop > 0)
        money_format((uint64_t)result->total_kop, total, sizeof total);
    if (listing->shown == 1)
        fprintf(listing->cli->out, "%-36s  %-14s  %-12s  %-9s  %5s  %12s  %s\n", "KEY", "STORED",
                "JOB", "STATE", "FD", "TOTAL", "NOTE");
    fprintf(listing->cli->out, "%-36s  %-14s  %-12s  %-9s  %5s  %12s  %s\n", key, when,
            job_word((int)result->job), state_word(result), document, total,
            result->state == KKT_JOB_REFUSED                         ? result->error.name
            : result->state == KKT_JOB_STORED && entry->attempts > 0 ? "sent, not answered yet"
                                                                     : "");
    return 1;
}

static int queue_list(struct cli *cli)
{
    kkt_error error;
    struct listing listing = {.cli = cli,
                              .array = json_object_new_array(),
                              .limit = cli->all || cli->unfinished ? 0 : LIST_DEFAULT};
    int code = CLI_DONE;
    if (kkt_list(cli->queue, cli->unfinished, !cli->unfinished, show_entry, &listing, &error) !=
        KKT_OK)
        code = cli_fail(cli, &error);
    else if (cli->json)
        json_print(cli->out, listing.array);
    else if (listing.shown == 0)
        fprintf(cli->out, "the queue is empty\n");
    json_object_put(listing.array);
    return code;
}

/* ---- The other words ------------------------------------------------------------------------- */

static int key_of(struct cli *cli, const char *text, kkt_key *key)
{
    kkt_error error;
    int code = kkt_key_parse(text, key);
    if (code == KKT_OK)
        return CLI_DONE;
    kkt_error_describe(code, &error);
    return cli_fail(cli, &error);
}

static int queue_show(struct cli *cli, const kkt_key *key)
{
    kkt_result result;
    kkt_error error, ignored;
    uint8_t *body;
    size_t size;
    memset(&result, 0, sizeof result);
    if (kkt_find(cli->queue, key, &result, &error) != KKT_OK ||
        kkt_job_body(cli->queue, key, &body, &size, &error) != KKT_OK)
        return cli_fail(cli, &error);
    struct json_object *object = result_json(&result);
    json_object_object_add(object, "body", wire_tlv_list(body, size, 0, 1, &ignored));
    kkt_free(body);
    if (!cli->json) {
        verb_print_result(cli, &result);
        struct json_object *list = NULL;
        json_object_object_get_ex(object, "body", &list);
        verb_print_elements(cli, list, 0);
    } else {
        json_print(cli->out, object);
    }
    json_object_put(object);
    return CLI_DONE;
}

static int queue_run(struct cli *cli)
{
    kkt_error error;
    unsigned confirmed = 0;
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_run(cli->queue, cli->device, cli->timeout_ms, &error) != KKT_OK)
        return cli_fail(cli, &error);
    kkt_update_confirmations(cli->queue, cli->device, &confirmed, &error);
    if (!cli->json)
        fprintf(cli->out, "the queue is worked off; %u document(s) newly confirmed\n", confirmed);
    else
        fprintf(cli->out, "{\"done\": true, \"newlyConfirmed\": %u}\n", confirmed);
    return CLI_DONE;
}

static int queue_cancel(struct cli *cli, const kkt_key *key)
{
    kkt_result result;
    kkt_error error;
    memset(&result, 0, sizeof result);
    if (kkt_find(cli->queue, key, &result, &error) != KKT_OK)
        return cli_fail(cli, &error);
    if (kkt_cancel(cli->queue, key, &error) != KKT_OK) {
        int code = cli_fail(cli, &error);
        return result.state == KKT_JOB_DONE ? CLI_REFUSED : code;
    }
    if (kkt_find(cli->queue, key, &result, &error) != KKT_OK)
        return cli_fail(cli, &error);
    verb_print_result(cli, &result);
    return CLI_DONE;
}

int verb_queue(struct cli *cli)
{
    kkt_key key;
    const char *word = cli->argc > 1 ? cli->argv[1] : "";
    bool keyed = strcmp(word, "show") == 0 || strcmp(word, "cancel") == 0;
    bool plain = strcmp(word, "list") == 0 || strcmp(word, "run") == 0;
    if (!(keyed && cli->argc == 3) && !(plain && cli->argc == 2))
        return cli_usage(cli, "queue list, queue show KEY, queue run, queue cancel KEY");
    int code = cli_need_queue(cli);
    if (code != CLI_DONE)
        return code;
    if (plain)
        return strcmp(word, "list") == 0 ? queue_list(cli) : queue_run(cli);
    code = key_of(cli, cli->argv[2], &key);
    if (code != CLI_DONE)
        return code;
    return strcmp(word, "show") == 0 ? queue_show(cli, &key) : queue_cancel(cli, &key);
}

/* The queue knows most; the board knows the rest, also what other computers sent. */
int verb_result(struct cli *cli)
{
    kkt_key key;
    kkt_result result;
    kkt_error error;
    if (cli->argc != 2)
        return cli_usage(cli, "result KEY");
    int code = cli_need_queue(cli);
    if (code == CLI_DONE)
        code = key_of(cli, cli->argv[1], &key);
    if (code != CLI_DONE)
        return code;
    memset(&result, 0, sizeof result);
    int found = kkt_find(cli->queue, &key, &result, &error);
    bool ask = found != KKT_OK || result.state == KKT_JOB_STORED;
    if (ask && (cli->device_uri != NULL || found != KKT_OK)) {
        code = cli_need_device(cli);
        if (code != CLI_DONE)
            return code;
        kkt_result told;
        int asked = kkt_ask_result(cli->device, &key, &told, &error);
        if (asked != KKT_OK && found != KKT_OK)
            return cli_fail(cli, &error);
        if (asked == KKT_OK)
            result = told;
    }
    verb_print_result(cli, &result);
    if (result.state == KKT_JOB_STORED)
        return CLI_UNKNOWN;
    return result.state == KKT_JOB_DONE ? CLI_DONE : CLI_REFUSED;
}
