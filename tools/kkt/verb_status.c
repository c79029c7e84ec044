/* kkt status, ofd and doc: what the board says, for people. */
#include <stdlib.h>
#include <string.h>

#include "proto/calendar.h"
#include "proto/link_message.h"
#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_result.h"
#include "tools/kkt/verb_print.h"
#include "tools/kkt/wire_json.h"

static void line(struct cli *cli, const char *label, const char *text)
{
    fprintf(cli->out, "%-16s %s\n", label, text[0] == 0 ? "-" : text);
}

static const char *clock_text(int64_t time, char out[ISO_TIME_SIZE])
{
    if (time <= 0)
        return "not set";
    iso_time_format((unix_s)time, out);
    out[10] = ' ';
    return out;
}

static void paper_text(unsigned paper, char *out, size_t capacity)
{
    static const struct {
        unsigned bit;
        const char *text;
    } parts[] = {{PAPER_OUT, "out"},
                 {COVER_OPEN, "cover open"},
                 {PRINTER_SILENT, "printer silent"},
                 {PRINTER_FAULT, "printer fault"},
                 {PAPER_NEAR_END, "near end"}};
    size_t used = 0;
    snprintf(out, capacity, "present");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if ((paper & parts[i].bit) != 0 && used < capacity)
            used += (size_t)snprintf(out + used, capacity - used, "%s%s", used == 0 ? "" : ", ",
                                     parts[i].text);
    }
}

static void print_ofd(struct cli *cli, const kkt_ofd_status *ofd)
{
    static const char *const words[] = {"idle", "connecting", "sending", "waiting for the answer",
                                        "waiting to try again"};
    char text[128], time[ISO_TIME_SIZE];
    if (ofd->queue_count == 0)
        snprintf(text, sizeof text, "every document is confirmed");
    else
        snprintf(text, sizeof text, "%u not confirmed, from document %u of %s",
                 (unsigned)ofd->queue_count, (unsigned)ofd->first_number,
                 clock_text(ofd->first_time, time));
    line(cli, "operator", text);
    if (ofd->queue_count > 0) {
        snprintf(text, sizeof text, "%u of 30", ofd->days_left);
        line(cli, "  days left", text);
    }
    snprintf(text, sizeof text, "%s", ofd->connection < 5 ? words[ofd->connection] : "?");
    if (ofd->connection == OFD_RETRY)
        snprintf(text, sizeof text, "%s in %u s", words[OFD_RETRY], (unsigned)ofd->next_attempt_s);
    line(cli, "  connection", text);
    line(cli, "  last success",
         ofd->last_success == 0 ? "never" : clock_text(ofd->last_success, time));
    if (ofd->last_error != 0) {
        kkt_error error;
        kkt_error_describe(ofd->last_error, &error);
        snprintf(text, sizeof text, "%s (%d)", error.name, error.code);
        line(cli, "  last error", text);
        line(cli, "  cure", error.cure);
    }
}

static void print_shift(struct cli *cli, const kkt_status *status)
{
    char text[128], time[ISO_TIME_SIZE];
    if (status->shift_state == SHIFT_CLOSED)
        snprintf(text, sizeof text, "%u closed", (unsigned)status->shift_number);
    else
        snprintf(text, sizeof text, "%u %s since %s, %u receipt(s)", (unsigned)status->shift_number,
                 status->shift_state == SHIFT_EXPIRED ? "OPEN FOR OVER 24 HOURS" : "open",
                 clock_text(status->shift_opened, time), (unsigned)status->receipt_number);
    line(cli, "shift", text);
    if (status->shift_state != SHIFT_CLOSED)
        line(cli, "  close before", clock_text(status->shift_expires, time));
}

static void print_status(struct cli *cli, const kkt_identity *identity, const kkt_status *status)
{
    static const char *const drawers[] = {"closed", "open", "STUCK"};
    static const char *const prints[] = {"idle", "printing", "waiting for paper or cover"};
    char text[320], time[ISO_TIME_SIZE], money[MONEY_TEXT_SIZE], paper[128];
    snprintf(text, sizeof text, "%s, serial %s, firmware %s", identity->model, identity->serial,
             identity->firmware);
    line(cli, "board", text);
    line(cli, "clock", clock_text(status->time, time));
    if (identity->ffd == 0)
        line(cli, "registration", "not registered");
    else {
        snprintf(text, sizeof text, "%s, INN %s, FFD %s", identity->registration_number,
                 identity->inn, ffd_version_text((uint8_t)identity->ffd));
        line(cli, "registration", text);
    }
    if (status->fn_present == 0)
        snprintf(text, sizeof text, "DOES NOT ANSWER");
    else
        snprintf(text, sizeof text, "%s, last document %u%s", identity->fn_number,
                 (unsigned)status->last_document, status->fn_warnings != 0 ? ", has warnings" : "");
    line(cli, "fiscal module", text);
    print_shift(cli, status);
    money_format((uint64_t)(status->cash_in_drawer_kop < 0 ? 0 : status->cash_in_drawer_kop), money,
                 sizeof money);
    snprintf(text, sizeof text, "%s, opened %u time(s), %s in it",
             status->drawer < 3 ? drawers[status->drawer] : "?", (unsigned)status->drawer_openings,
             money);
    line(cli, "drawer", text);
    paper_text(status->paper, paper, sizeof paper);
    snprintf(text, sizeof text, "%s; %s; %u slip(s) owed", paper,
             status->print_state < 3 ? prints[status->print_state] : "?",
             (unsigned)status->slips_owed);
    line(cli, "paper", text);
    print_ofd(cli, &status->ofd);
    if (status->block_reason != 0) {
        kkt_error error;
        kkt_error_describe(status->block_reason, &error);
        snprintf(text, sizeof text, "NO: %s (%d), %s", error.name, error.code, error.text);
        line(cli, "can sell", text);
        line(cli, "  cure", error.cure);
    } else {
        line(cli, "can sell", "yes");
    }
}

static void print_status_json(struct cli *cli, const kkt_identity *identity,
                              const kkt_status *status)
{
    struct json_object *object = json_object_new_object(), *part = json_object_new_object();
    json_add_text(part, "modelName", identity->model);
    json_add_text(part, "serial", identity->serial);
    json_add_text(part, "firmwareVersion", identity->firmware);
    json_add_text(part, "fnNumber", identity->fn_number);
    json_add_text(part, "registrationNumber", identity->registration_number);
    json_add_text(part, "vatin", identity->inn);
    json_add_text(part, "ffdVersion", ffd_version_text((uint8_t)identity->ffd));
    json_object_object_add(object, "deviceInfo", part);
    json_object_object_add(object, "deviceStatus", task_device_status_json(status));
    json_object_object_add(object, "shiftStatus", task_shift_status_json(status));
    part = json_object_new_object();
    json_add_bool(part, "opened", status->drawer == DRAWER_OPENED);
    json_add_bool(part, "stuck", status->drawer == DRAWER_STUCK);
    json_add_uint(part, "openings", status->drawer_openings);
    json_add_money(part, "sum", status->cash_in_drawer_kop);
    json_object_object_add(object, "cashDrawer", part);
    json_add_uint(object, "lastFiscalDocumentNumber", status->last_document);
    json_add_uint(object, "receiptsInShift", status->receipt_number);
    json_object_object_add(object, "ofdExchange", task_ofd_json(&status->ofd));
    json_print(cli->out, object);
    json_object_put(object);
}

int verb_status(struct cli *cli)
{
    kkt_identity identity;
    kkt_status status;
    kkt_error error;
    if (cli->argc != 1)
        return cli_usage(cli, "status takes no words");
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_identity(cli->device, &identity, &error) != KKT_OK ||
        kkt_get_status(cli->device, &status, &error) != KKT_OK)
        return cli_fail(cli, &error);
    if (cli->json)
        print_status_json(cli, &identity, &status);
    else
        print_status(cli, &identity, &status);
    return CLI_DONE;
}

int verb_ofd(struct cli *cli)
{
    kkt_status status;
    kkt_error error;
    if (cli->argc != 1)
        return cli_usage(cli, "ofd takes no words");
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_status(cli->device, &status, &error) != KKT_OK)
        return cli_fail(cli, &error);
    if (!cli->json) {
        print_ofd(cli, &status.ofd);
        return CLI_DONE;
    }
    struct json_object *object = task_ofd_json(&status.ofd);
    json_print(cli->out, object);
    json_object_put(object);
    return CLI_DONE;
}

void verb_print_elements(struct cli *cli, struct json_object *list, unsigned depth)
{
    size_t count = list == NULL ? 0 : json_object_array_length(list);
    for (size_t i = 0; i < count; i++) {
        struct json_object *element = json_object_array_get_idx(list, i);
        struct json_object *tag = NULL, *name = NULL, *value = NULL, *raw = NULL;
        json_object_object_get_ex(element, "tag", &tag);
        json_object_object_get_ex(element, "name", &name);
        json_object_object_get_ex(element, "value", &value);
        json_object_object_get_ex(element, "raw", &raw);
        bool nested = json_object_is_type(value, json_type_array);
        char money[MONEY_TEXT_SIZE];
        int number = json_object_get_int(tag);
        const struct tag_info *info = tag_info_find((uint16_t)number);
        bool sum = info != NULL && info->type == TAG_TYPE_VLN && number != TAG_NUMERATOR &&
                   number != TAG_DENOMINATOR && value != NULL;
        if (sum)
            money_format(json_object_get_uint64(value), money, sizeof money);
        fprintf(cli->out, "%*s%-6d%-*s%s%s\n", (int)depth * 2, "", json_object_get_int(tag),
                nested ? 0 : 30 - (int)depth * 2, name == NULL ? "?" : json_object_get_string(name),
                nested || value != NULL || raw == NULL ? "" : "hex ",
                nested          ? ""
                : sum           ? money
                : value != NULL ? json_object_get_string(value)
                                : json_object_get_string(raw));
        if (nested)
            verb_print_elements(cli, value, depth + 1);
    }
}

int verb_doc(struct cli *cli)
{
    kkt_document document;
    kkt_error error;
    char *end = NULL;
    unsigned long number = cli->argc == 2 ? strtoul(cli->argv[1], &end, 10) : 0;
    if (cli->argc != 2 || number == 0 || *end != 0 || number > UINT32_MAX)
        return cli_usage(cli, "doc N: the number of a fiscal document");
    int code = cli_need_device(cli);
    if (code != CLI_DONE)
        return code;
    if (kkt_get_document(cli->device, (uint32_t)number, &document, &error) != KKT_OK)
        return cli_fail(cli, &error);
    struct json_object *object = task_document_json(&document, true), *list = NULL;
    if (cli->json) {
        json_print(cli->out, object);
    } else {
        fprintf(cli->out, "document %u, %s (form %u), %s\n", (unsigned)document.number,
                form_name((uint16_t)document.form), document.form,
                document.acknowledged ? "confirmed by the operator" : "not confirmed yet");
        json_object_object_get_ex(object, "value", &list);
        verb_print_elements(cli, list, 1);
    }
    json_object_put(object);
    kkt_document_free(&document);
    return CLI_DONE;
}
