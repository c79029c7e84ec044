#include "tools/kkt/task_result.h"

#include <stdio.h>
#include <string.h>

#include "proto/error.h"
#include "proto/fn_frame.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/wire_json.h"

#define PIXELS_PER_COLUMN 12

/* ---- Jobs ------------------------------------------------------------------------------------ */

static struct json_object *fiscal_json(const kkt_result *result, const char *fns_site)
{
    struct json_object *object = json_object_new_object();
    char sign[12];
    snprintf(sign, sizeof sign, "%010u", (unsigned)result->fiscal_sign);
    json_add_money(object, "total", result->total_kop);
    json_add_uint(object, "fiscalDocumentNumber", result->document);
    json_add_time(object, "fiscalDocumentDateTime", result->time);
    json_add_text(object, "fiscalDocumentSign", sign);
    json_add_text(object, "fnNumber", result->fn_number);
    json_add_text(object, "registrationNumber", result->registration_number);
    json_add_uint(object, "shiftNumber", result->shift);
    json_add_uint(object, "fiscalReceiptNumber",
                  result->job == KKT_JOB_RECEIPT ? result->receipt : 0);
    json_add_text(object, "fnsUrl", fns_site);
    return object;
}

static void add_warnings(struct json_object *object, const kkt_result *result)
{
    struct json_object *warnings = json_object_new_object();
    if ((result->flags & LINK_RESULT_NOT_PRINTED) != 0)
        json_add_bool(warnings, "notPrinted", true);
    if ((result->flags & LINK_RESULT_RECOVERED) != 0)
        json_add_bool(warnings, "recovered", true);
    if ((result->flags & LINK_RESULT_REPLAYED) != 0)
        json_add_bool(warnings, "replayed", true);
    if (json_object_object_length(warnings) > 0)
        json_object_object_add(object, "warnings", warnings);
    else
        json_object_put(warnings);
}

struct json_object *task_job_result(enum task_type type, const kkt_result *result,
                                    const char *fns_site)
{
    struct json_object *object = json_object_new_object(), *part;
    switch (type) {
    case TASK_REGISTRATION:
    case TASK_OPEN_SHIFT:
    case TASK_CLOSE_SHIFT:
    case TASK_SELL:
    case TASK_SELL_RETURN:
    case TASK_OFD_REPORT:
        json_object_object_add(object, "fiscalParams", fiscal_json(result, fns_site));
        break;
    case TASK_CASH_IN:
    case TASK_CASH_OUT:
        part = json_object_new_object();
        json_add_money(part, "cashSum", result->total_kop);
        json_object_object_add(object, "counters", part);
        break;
    default:
        break;
    }
    if (type == TASK_CLOSE_SHIFT)
        json_add_uint(object, "receiptsCount", result->receipt);
    if ((result->flags & LINK_RESULT_SHIFT_OPENED) != 0)
        json_add_bool(object, "shiftAutoOpened", true);
    add_warnings(object, result);
    return object;
}

/* ---- Queries --------------------------------------------------------------------------------- */

const char *task_shift_word(unsigned shift_state)
{
    return shift_state == SHIFT_OPEN      ? "opened"
           : shift_state == SHIFT_EXPIRED ? "expired"
                                          : "closed";
}

static struct json_object *in_one(const char *name, struct json_object *part)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, name, part);
    return object;
}

struct json_object *task_shift_status_json(const kkt_status *status)
{
    struct json_object *object = json_object_new_object();
    json_add_text(object, "state", task_shift_word(status->shift_state));
    json_add_uint(object, "number", status->shift_number);
    json_add_time(object, "openedTime", status->shift_opened);
    json_add_time(object, "expiredTime", status->shift_expires);
    return object;
}

/* A closed shift or missing paper keeps a sale waiting, but what is blocked is a board that
 * service or the operator must free. */
static bool blocks_the_board(int reason)
{
    switch (reason) {
    case ERROR_NONE:
    case ERROR_SHIFT_CLOSED:
    case ERROR_SHIFT_EXPIRED:
    case ERROR_PAPER_OUT:
    case ERROR_COVER_OPEN:
    case ERROR_PRINTER:
        return false;
    default:
        return true;
    }
}

struct json_object *task_device_status_json(const kkt_status *status)
{
    struct json_object *object = json_object_new_object();
    json_add_time(object, "currentDateTime", status->time);
    json_add_text(object, "shift", task_shift_word(status->shift_state));
    json_add_bool(object, "blocked", blocks_the_board(status->block_reason));
    if (status->block_reason != 0) {
        kkt_error error;
        kkt_error_describe(status->block_reason, &error);
        json_object_object_add(object, "blockReason", atol_error_json(&error));
    }
    json_add_bool(object, "coverOpened", (status->paper & COVER_OPEN) != 0);
    json_add_bool(object, "paperPresent", (status->paper & PAPER_OUT) == 0);
    json_add_bool(object, "paperNearEnd", (status->paper & PAPER_NEAR_END) != 0);
    json_add_bool(object, "printerFault", (status->paper & (PRINTER_SILENT | PRINTER_FAULT)) != 0);
    json_add_bool(object, "fiscal", status->fn_phase == FN_PHASE_FISCAL);
    json_add_bool(object, "fnFiscal", status->fn_phase == FN_PHASE_FISCAL);
    json_add_bool(object, "fnPresent", status->fn_present != 0);
    json_add_bool(object, "cashDrawerOpened", status->drawer == DRAWER_OPENED);
    json_add_uint(object, "slipsOwed", status->slips_owed);
    return object;
}

/* {code, description}: only an error of this group, otherwise "no errors". */
static struct json_object *exchange_error(const kkt_ofd_status *ofd, int first, int second)
{
    kkt_error error = {0};
    if (ofd->last_error != 0 && (ofd->last_error == first || ofd->last_error == second))
        kkt_error_describe(ofd->last_error, &error);
    return atol_error_json(&error);
}

struct json_object *task_ofd_json(const kkt_ofd_status *ofd)
{
    static const char *const words[] = {"idle", "connecting", "sending", "waiting", "retry"};
    struct json_object *object = json_object_new_object();
    struct json_object *status = json_object_new_object();
    struct json_object *errors = json_object_new_object();
    struct json_object *warnings = json_object_new_object();
    json_add_uint(status, "notSentCount", ofd->queue_count);
    json_add_uint(status, "notSentFirstDocNumber", ofd->first_number);
    json_add_time(status, "notSentFirstDocDateTime", ofd->first_time);
    json_add_uint(status, "daysLeft", ofd->days_left);
    json_add_text(status, "connection", ofd->connection < 5 ? words[ofd->connection] : "");
    if (ofd->connection == OFD_RETRY)
        json_add_uint(status, "nextAttemptSeconds", ofd->next_attempt_s);
    json_object_object_add(object, "status", status);
    json_object_object_add(errors, "network",
                           exchange_error(ofd, ERROR_OFD_UNREACHABLE, ERROR_OFD_TLS));
    json_object_object_add(errors, "ofd", exchange_error(ofd, ERROR_OFD_NO_ANSWER, 0));
    json_object_object_add(errors, "fn", exchange_error(ofd, ERROR_OFD_REJECTED, 0));
    json_add_uint(errors, "documentNumber", ofd->last_error == 0 ? 0 : ofd->first_number);
    json_add_time(errors, "lastSuccessConnectionDateTime", ofd->last_success);
    json_object_object_add(object, "errors", errors);
    json_add_bool(warnings, "dataForSendIsEmpty", ofd->queue_count == 0);
    json_object_object_add(object, "warnings", warnings);
    return object;
}

static struct json_object *device_info(kkt *device, kkt_error *error)
{
    kkt_identity identity;
    if (kkt_get_identity(device, &identity, error) != KKT_OK)
        return NULL;
    struct json_object *object = json_object_new_object();
    json_add_text(object, "modelName", identity.model);
    json_add_text(object, "serial", identity.serial);
    json_add_text(object, "firmwareVersion", identity.firmware);
    json_add_text(object, "configurationVersion", identity.firmware);
    json_add_uint(object, "receiptLineLength", identity.columns);
    json_add_uint(object, "receiptLineLengthPix", identity.columns * PIXELS_PER_COLUMN);
    json_add_uint(object, "requestBytesMax", identity.request_max);
    json_add_text(object, "ffdVersion", ffd_version_text((uint8_t)identity.ffd));
    json_add_text(object, "fnNumber", identity.fn_number);
    json_add_text(object, "registrationNumber", identity.registration_number);
    json_add_text(object, "vatin", identity.inn);
    return in_one("deviceInfo", object);
}

static struct json_object *fn_warnings(unsigned bits)
{
    struct json_object *object = json_object_new_object();
    json_add_bool(object, "memoryOverflow", (bits & FN_WARNING_MEMORY) != 0);
    json_add_bool(object, "needReplacement", (bits & FN_WARNING_REPLACE) != 0);
    json_add_bool(object, "ofdTimeout", (bits & FN_WARNING_OFD) != 0);
    json_add_bool(object, "resourceExhausted", (bits & FN_WARNING_30_DAYS) != 0);
    json_add_bool(object, "criticalError", false);
    return object;
}

static const char *phase_word(unsigned phase)
{
    switch (phase) {
    case FN_PHASE_READY:
        return "init";
    case FN_PHASE_FISCAL:
        return "fiscalMode";
    case FN_PHASE_CLOSING:
        return "postFiscalMode";
    case FN_PHASE_ARCHIVE:
        return "accessArchive";
    default:
        return "unknown";
    }
}

static struct json_object *fn_info(kkt *device, kkt_error *error)
{
    kkt_fn_info info;
    if (kkt_get_fn_info(device, &info, error) != KKT_OK)
        return NULL;
    struct json_object *object = json_object_new_object();
    json_add_text(object, "serial", info.number);
    json_add_text(object, "version", info.version);
    json_add_text(object, "execution", info.execution == 0 ? "debug" : "serial");
    json_add_uint(object, "numberOfRegistrations", info.registrations_made);
    json_add_uint(object, "registrationsRemaining", info.registrations_left);
    json_add_time(object, "validityDate", info.valid_until);
    json_add_text(object, "ffdVersion", ffd_version_text((uint8_t)info.ffd));
    json_add_text(object, "fnFfdVersion", ffd_version_text((uint8_t)info.ffd_max));
    json_add_text(object, "livePhase", phase_word(info.phase));
    json_add_uint(object, "lastFiscalDocumentNumber", info.last_document);
    json_object_object_add(object, "warnings", fn_warnings(info.warnings));
    return in_one("fnInfo", object);
}

static struct json_object *fn_status(const kkt_status *status)
{
    struct json_object *object = json_object_new_object();
    json_add_uint(object, "fiscalDocumentNumber", status->last_document);
    json_add_uint(object, "fiscalReceiptNumber", status->receipt_number);
    json_object_object_add(object, "warnings", fn_warnings(status->fn_warnings));
    return in_one("fnStatus", object);
}

static struct json_object *counted(uint32_t count, int64_t kop)
{
    struct json_object *object = json_object_new_object();
    json_add_uint(object, "count", count);
    json_add_money(object, "sum", kop);
    return object;
}

static struct json_object *shift_totals(kkt *device, kkt_error *error)
{
    static const char *const kinds[] = {"sell", "sellReturn", "buy", "buyReturn"};
    kkt_shift_totals totals;
    if (kkt_get_shift_totals(device, &totals, error) != KKT_OK)
        return NULL;
    struct json_object *object = json_object_new_object(), *part = json_object_new_object();
    json_add_uint(object, "shiftNumber", totals.shift_number);
    json_add_money(part, "sum", totals.cash_in_drawer_kop);
    json_object_object_add(object, "cashDrawer", part);
    json_object_object_add(object, "income", counted(totals.cash_in_count, totals.cash_in_kop));
    json_object_object_add(object, "outcome", counted(totals.cash_out_count, totals.cash_out_kop));
    struct json_object *receipts = json_object_new_object();
    for (unsigned kind = 0; kind < 4; kind++) {
        const kkt_totals_kind *sums = &totals.kinds[kind];
        part = counted(sums->count, sums->sum_kop);
        struct json_object *payments = json_object_new_object();
        for (unsigned i = 0; i < PAYMENT_COUNT; i++)
            json_add_money(payments, json_payment_name(i), sums->paid_kop[i]);
        json_object_object_add(part, "payments", payments);
        json_object_object_add(receipts, kinds[kind], part);
    }
    json_object_object_add(object, "receipts", receipts);
    return in_one("shiftTotals", object);
}

struct json_object *task_document_json(const kkt_document *document, bool raw)
{
    struct json_object *object = json_object_new_object();
    kkt_error ignored;
    json_add_uint(object, "fiscalDocumentNumber", document->number);
    json_add_uint(object, "form", document->form);
    json_add_text(object, "name", form_name((uint16_t)document->form));
    json_add_bool(object, "confirmed", document->acknowledged != 0);
    json_object_object_add(object, "value",
                           wire_tlv_list(document->tlv, document->size, 0, 1, &ignored));
    if (document->ticket_size > 0)
        wire_add_hex(object, "ticket", document->ticket, document->ticket_size);
    if (raw)
        wire_add_hex(object, "rawData", document->tlv, document->size);
    return object;
}

static struct json_object *fn_document(const struct task *task, kkt *device, kkt_error *error)
{
    kkt_document document;
    if (kkt_get_document(device, task->document, &document, error) != KKT_OK)
        return NULL;
    struct json_object *object = task_document_json(&document, task->with_raw_data);
    kkt_document_free(&document);
    return in_one("document", object);
}

struct json_object *task_query_result(const struct task *task, kkt *device, kkt_error *error)
{
    kkt_status status;
    struct json_object *object;
    switch (task->info->type) {
    case TASK_DEVICE_INFO:
        return device_info(device, error);
    case TASK_FN_INFO:
        return fn_info(device, error);
    case TASK_SHIFT_TOTALS:
        return shift_totals(device, error);
    case TASK_FN_DOCUMENT:
        return fn_document(task, device, error);
    default:
        break;
    }
    if (kkt_get_status(device, &status, error) != KKT_OK)
        return NULL;
    switch (task->info->type) {
    case TASK_DRAWER_STATUS:
        object = json_object_new_object();
        json_add_bool(object, "cashDrawerOpened", status.drawer == DRAWER_OPENED);
        json_add_bool(object, "cashDrawerStuck", status.drawer == DRAWER_STUCK);
        json_add_uint(object, "cashDrawerOpenings", status.drawer_openings);
        return object;
    case TASK_DEVICE_STATUS:
        return in_one("deviceStatus", task_device_status_json(&status));
    case TASK_SHIFT_STATUS:
        return in_one("shiftStatus", task_shift_status_json(&status));
    case TASK_FN_STATUS:
        return fn_status(&status);
    default:
        return task_ofd_json(&status.ofd);
    }
}
