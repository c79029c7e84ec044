/* JSON text to a list of tasks: the wrapper, the keys, and the tasks that are not receipts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/calendar.h"
#include "proto/sha256.h"
#include "proto/tags.h"
#include "tools/kkt/json_input.h"
#include "tools/kkt/task_build.h"

#define TASKS_MAX    10000u
#define KEY_TEXT_MAX 64u

static const struct task_info infos[] = {
    {"registration", TASK_REGISTRATION, KKT_JOB_REGISTRATION, true},
    {"openShift", TASK_OPEN_SHIFT, KKT_JOB_SHIFT_OPEN, true},
    {"closeShift", TASK_CLOSE_SHIFT, KKT_JOB_SHIFT_CLOSE, true},
    {"reportX", TASK_REPORT_X, KKT_JOB_X_REPORT, false},
    {"sell", TASK_SELL, KKT_JOB_RECEIPT, true},
    {"sellReturn", TASK_SELL_RETURN, KKT_JOB_RECEIPT, true},
    {"cashIn", TASK_CASH_IN, KKT_JOB_CASH_IN, false},
    {"cashOut", TASK_CASH_OUT, KKT_JOB_CASH_OUT, false},
    {"openCashDrawer", TASK_OPEN_DRAWER, KKT_JOB_DRAWER_OPEN, false},
    {"getCashDrawerStatus", TASK_DRAWER_STATUS, 0, false},
    {"nonFiscal", TASK_NON_FISCAL, KKT_JOB_NON_FISCAL, false},
    {"getDeviceInfo", TASK_DEVICE_INFO, 0, false},
    {"getDeviceStatus", TASK_DEVICE_STATUS, 0, false},
    {"getShiftStatus", TASK_SHIFT_STATUS, 0, false},
    {"getShiftTotals", TASK_SHIFT_TOTALS, 0, false},
    {"getFnInfo", TASK_FN_INFO, 0, false},
    {"getFnStatus", TASK_FN_STATUS, 0, false},
    {"getFnDocument", TASK_FN_DOCUMENT, 0, false},
    {"ofdExchangeStatus", TASK_OFD_STATUS, 0, false},
    {"reportOfdExchangeStatus", TASK_OFD_REPORT, KKT_JOB_STATE_REPORT, true},
    {"printLastReceiptCopy", TASK_COPY, KKT_JOB_COPY, false},
    {"setDateTime", TASK_SET_TIME, KKT_JOB_SET_TIME, false},
};
#define INFO_COUNT (sizeof infos / sizeof infos[0])

static const char *const later_types[] = {"buy",
                                          "buyReturn",
                                          "sellCorrection",
                                          "buyCorrection",
                                          "sellReturnCorrection",
                                          "buyReturnCorrection",
                                          "continuePrint",
                                          "printFnDocument",
                                          "printDocumentsFromJournal",
                                          "reportDepartments",
                                          "reportFnRegistrations",
                                          "fnChange",
                                          "changeRegistrationParameters",
                                          "closeArchive",
                                          "getRegistrationInfo",
                                          "getOverallTotals",
                                          "getDepartmentSum",
                                          "getMcu",
                                          "getLicenses",
                                          "getDeviceParameters",
                                          "setDeviceParameters",
                                          "getLastFiscalParams",
                                          "beginMarkingCodeValidation",
                                          "getMarkingCodeValidationStatus",
                                          "acceptMarkingCode",
                                          "declineMarkingCode",
                                          "cancelMarkingCodeValidation",
                                          "clearMarkingCodeValidationResult",
                                          "checkMarkingCodeValidationsReady",
                                          "validateMarks",
                                          "addMarksToBuffer",
                                          "checkImcWorkState",
                                          "checkImcTime",
                                          "pingIsm",
                                          "ismExchangeStatus"};

const struct task_info *task_info_find(const char *name)
{
    for (size_t i = 0; i < INFO_COUNT; i++)
        if (strcmp(infos[i].name, name) == 0)
            return &infos[i];
    return NULL;
}

const struct task_info *task_info_at(size_t index)
{
    return index < INFO_COUNT ? &infos[index] : NULL;
}

bool task_type_is_later(const char *name)
{
    for (size_t i = 0; i < sizeof later_types / sizeof later_types[0]; i++)
        if (strcmp(later_types[i], name) == 0)
            return true;
    return false;
}

/* ---- Tasks that are not receipts ----------------------------------------------------------- */

static const struct field_rule shift_fields[] = {TASK_COMMON_FIELDS,
                                                 {"operator", FIELD_TAKEN},
                                                 {"electronically", FIELD_TAKEN},
                                                 {"preItems", FIELD_TAKEN},
                                                 {"postItems", FIELD_TAKEN},
                                                 {"additionalAttribute", FIELD_LATER},
                                                 {"ignoreNonFiscalPrintErrors", FIELD_IGNORED},
                                                 {NULL, FIELD_TAKEN}};
static const struct field_rule cash_fields[] = {
    TASK_COMMON_FIELDS,       {"operator", FIELD_TAKEN}, {"electronically", FIELD_LATER},
    {"cashSum", FIELD_TAKEN}, {"preItems", FIELD_TAKEN}, {"postItems", FIELD_TAKEN},
    {NULL, FIELD_TAKEN}};
static const struct field_rule state_fields[] = {TASK_COMMON_FIELDS,
                                                 {"operator", FIELD_TAKEN},
                                                 {"electronically", FIELD_TAKEN},
                                                 {NULL, FIELD_TAKEN}};
static const struct field_rule non_fiscal_fields[] = {
    TASK_COMMON_FIELDS, {"items", FIELD_TAKEN}, {"printFooter", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule time_fields[] = {
    TASK_COMMON_FIELDS, {"dateTime", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule document_fields[] = {TASK_COMMON_FIELDS,
                                                    {"fiscalDocumentNumber", FIELD_TAKEN},
                                                    {"withRawData", FIELD_TAKEN},
                                                    {NULL, FIELD_TAKEN}};
static const struct field_rule copy_fields[] = {
    TASK_COMMON_FIELDS, {"operator", FIELD_IGNORED}, {NULL, FIELD_TAKEN}};
static const struct field_rule query_fields[] = {TASK_COMMON_FIELDS, {NULL, FIELD_TAKEN}};

static bool build_shift(const struct field_reader *reader, struct byte_writer *writer)
{
    bool electronically = false;
    if (!field_check_names(reader, shift_fields) ||
        task_put_operator(reader, writer) == FIELD_BAD ||
        field_bool(reader, "electronically", &electronically) == FIELD_BAD)
        return false;
    if (electronically)
        tlv_put_u8(writer, TAG_ELECTRONICALLY, 1);
    return task_put_slip_around(reader, writer);
}

static bool build_cash(const struct field_reader *reader, struct task *task,
                       struct byte_writer *writer)
{
    if (!field_check_names(reader, cash_fields) ||
        field_required(reader, "cashSum",
                       field_money(reader, "cashSum", TAG_CASH_SUM, &task->cash_kop)) == FIELD_BAD)
        return false;
    if (task->cash_kop == 0) {
        field_fail(reader, "cashSum", ERROR_FIELD_VALUE, TAG_CASH_SUM, "the sum is 0");
        return false;
    }
    tlv_put_vln(writer, TAG_CASH_SUM, task->cash_kop);
    return task_put_operator(reader, writer) != FIELD_BAD && task_put_slip_around(reader, writer);
}

/* The document has no cashier (FFD, form 21): the operator is judged and left out. */
static bool build_state_report(const struct field_reader *reader, struct byte_writer *writer)
{
    struct byte_writer measure;
    bool electronically = false;
    byte_writer_init(&measure, NULL, 0);
    if (!field_check_names(reader, state_fields) ||
        task_put_operator(reader, &measure) == FIELD_BAD ||
        field_bool(reader, "electronically", &electronically) == FIELD_BAD)
        return false;
    if (electronically)
        tlv_put_u8(writer, TAG_ELECTRONICALLY, 1);
    return true;
}

static bool build_non_fiscal(const struct field_reader *reader, struct byte_writer *writer)
{
    bool footer = false;
    struct json_object *array;
    size_t count = 0;
    if (!field_check_names(reader, non_fiscal_fields) ||
        field_required(reader, "items", field_array(reader, "items", &array, &count)) == FIELD_BAD)
        return false;
    if (count == 0) {
        field_fail(reader, "items", ERROR_NO_ITEMS, 0, "there is nothing to print");
        return false;
    }
    int got = field_bool(reader, "printFooter", &footer);
    if (got == FIELD_GOT)
        tlv_put_u8(writer, TAG_PRINT_FOOTER, footer);
    return got != FIELD_BAD && task_put_slip_items(reader, "items", writer);
}

static bool build_time(const struct field_reader *reader, struct byte_writer *writer)
{
    const char *text;
    size_t length;
    unix_s time;
    if (!field_check_names(reader, time_fields) ||
        field_required(reader, "dateTime", field_string(reader, "dateTime", &text, &length)) ==
            FIELD_BAD)
        return false;
    if (!calendar_parse(text, length, &time)) {
        field_fail(reader, "dateTime", ERROR_FIELD_VALUE, TAG_NEW_TIME,
                   "\"%.40s\" is not a time such as 2026.05.20 09:00:00 or 2026-05-20T09:00:00",
                   text);
        return false;
    }
    tlv_put_u32(writer, TAG_NEW_TIME, time);
    return true;
}

static bool build_document(const struct field_reader *reader, struct task *task)
{
    uint64_t number = 0;
    if (!field_check_names(reader, document_fields) ||
        field_required(reader, "fiscalDocumentNumber",
                       field_number(reader, "fiscalDocumentNumber", UINT32_MAX, &number)) ==
            FIELD_BAD ||
        field_bool(reader, "withRawData", &task->with_raw_data) == FIELD_BAD)
        return false;
    task->document = (uint32_t)number;
    return true;
}

static bool build(const struct field_reader *reader, struct task *task, struct byte_writer *writer)
{
    switch (task->info->type) {
    case TASK_REGISTRATION:
        return task_build_registration(reader, writer);
    case TASK_OPEN_SHIFT:
    case TASK_CLOSE_SHIFT:
    case TASK_REPORT_X:
        return build_shift(reader, writer);
    case TASK_SELL:
    case TASK_SELL_RETURN:
        return task_build_receipt(reader, task, writer);
    case TASK_CASH_IN:
    case TASK_CASH_OUT:
        return build_cash(reader, task, writer);
    case TASK_OFD_REPORT:
        return build_state_report(reader, writer);
    case TASK_NON_FISCAL:
        return build_non_fiscal(reader, writer);
    case TASK_SET_TIME:
        return build_time(reader, writer);
    case TASK_FN_DOCUMENT:
        return build_document(reader, task);
    case TASK_COPY:
        return field_check_names(reader, copy_fields);
    default:
        return field_check_names(reader, query_fields);
    }
}

/* ---- Keys ------------------------------------------------------------------------------------ */

static bool read_key(const struct field_reader *reader, struct task *task)
{
    static const char *const names[] = {"key",    "uuid",      "externalId", "external_id",
                                        "taskId", "idCommand", "IdCommand"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text;
        size_t length;
        int got = field_string(reader, names[i], &text, &length);
        if (got == FIELD_BAD)
            return false;
        if (got == FIELD_ABSENT)
            continue;
        if (task->key[0] != 0) {
            field_fail(reader, names[i], ERROR_FIELD_REPEATED, 0,
                       "the task has a key already, %.40s", task->key);
            return false;
        }
        if (length == 0 || length > KEY_TEXT_MAX || strlen(text) != length) {
            field_fail(reader, names[i], ERROR_FIELD_LENGTH, 0, "a key has 1 to %u bytes",
                       KEY_TEXT_MAX);
            return false;
        }
        snprintf(task->key, sizeof task->key, "%s", text);
    }
    return true;
}

/* The key of task `index` of a request: the first 16 bytes of SHA-256("uuid/index") as hexadecimal
 * digits, which is what kkt_key_parse() makes of that text. */
static void derive_key(const char *uuid, size_t index, char out[65])
{
    char text[100];
    uint8_t digest[SHA256_SIZE];
    struct sha256 sha;
    int length = snprintf(text, sizeof text, "%s/%zu", uuid, index);
    sha256_init(&sha);
    sha256_update(&sha, text, (size_t)length);
    sha256_final(&sha, digest);
    for (unsigned i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void set_keys(struct task_list *list)
{
    for (size_t i = 0; i < list->count && list->uuid[0] != 0; i++) {
        struct task *task = &list->tasks[i];
        if (task->key[0] != 0 || task->info == NULL || task->info->job == 0)
            continue;
        if (list->array)
            derive_key(list->uuid, i, task->key);
        else
            snprintf(task->key, sizeof task->key, "%s", list->uuid);
    }
}

/* One key for two different jobs is a mistake that is seen here already. */
static void find_key_conflicts(struct task_list *list)
{
    for (size_t i = 1; i < list->count; i++) {
        struct task *task = &list->tasks[i];
        if (task->key[0] == 0 || task->error.code != 0 || task->info->job == 0)
            continue;
        for (size_t j = 0; j < i; j++) {
            const struct task *other = &list->tasks[j];
            if (other->error.code != 0 || other->info->job == 0 ||
                strcmp(other->key, task->key) != 0)
                continue;
            if (other->info->job == task->info->job && other->size == task->size &&
                memcmp(other->body, task->body, task->size) == 0)
                continue;
            field_error(&task->error, ERROR_KEY_CONFLICT, 0, 0, "key",
                        "task %zu of this request has the same key and other content", j + 1);
            break;
        }
    }
}

/* ---- The list -------------------------------------------------------------------------------- */

static void read_task(struct json_object *object, const struct task_environment *environment,
                      struct task *task, uint8_t *buffer)
{
    struct field_reader reader = {
        .object = object, .environment = environment, .error = &task->error};
    struct byte_writer writer;
    const char *type = NULL;
    size_t length = 0;
    if (!json_object_is_type(object, json_type_object)) {
        field_error(&task->error, ERROR_FIELD_TYPE, 0, 0, "", "a task is an object");
        return;
    }
    if (field_required(&reader, "type", field_string(&reader, "type", &type, &length)) ==
            FIELD_BAD ||
        !read_key(&reader, task))
        return;
    snprintf(task->type, sizeof task->type, "%.39s", type);
    task->info = task_info_find(type);
    if (task->info == NULL) {
        field_error(&task->error, ERROR_TASK_UNSUPPORTED, 0, 0, "type", "task type \"%.40s\" is %s",
                    type, task_type_is_later(type) ? "for a later version" : "not known");
        return;
    }
    byte_writer_init(&writer, buffer, TASK_BODY_CAPACITY);
    if (!build(&reader, task, &writer))
        return;
    if (!byte_writer_ok(&writer)) {
        field_error(&task->error, ERROR_TOO_LARGE, 0, 0, "", "the task takes more than %u bytes",
                    TASK_BODY_CAPACITY);
        return;
    }
    task->size = writer.length;
    task->body = malloc(writer.length + 1);
    if (task->body == NULL)
        field_error(&task->error, ERROR_INTERNAL, 0, 0, "", "out of memory");
    else
        memcpy(task->body, buffer, writer.length);
}

/* Looks through the wrapper {uuid, request}. *root becomes the request. */
static int open_wrapper(struct json_object **root, struct task_list *list, kkt_error *error)
{
    static const struct field_rule fields[] = {{"uuid", FIELD_TAKEN},
                                               {"request", FIELD_TAKEN},
                                               {"deviceID", FIELD_LATER},
                                               {"callbacks", FIELD_LATER},
                                               {NULL, FIELD_TAKEN}};
    struct field_reader reader = {.object = *root, .error = error};
    struct json_object *request = NULL;
    const char *uuid;
    size_t length;
    json_object_object_get_ex(*root, "request", &request);
    if (request == NULL || json_object_object_get_ex(*root, "type", NULL))
        return KKT_OK;
    list->wrapped = true;
    if (!field_check_names(&reader, fields) ||
        field_required(&reader, "uuid", field_string(&reader, "uuid", &uuid, &length)) == FIELD_BAD)
        return error->code;
    if (length == 0 || length > KEY_TEXT_MAX || strlen(uuid) != length) {
        field_fail(&reader, "uuid", ERROR_FIELD_LENGTH, 0, "a uuid has 1 to %u bytes",
                   KEY_TEXT_MAX);
        return error->code;
    }
    snprintf(list->uuid, sizeof list->uuid, "%s", uuid);
    *root = request;
    return KKT_OK;
}

/* What follows a registration is encoded for the register as it will be then. */
static void take_registration(const struct task *task, struct task_environment *environment)
{
    uint8_t ffd = 0, systems = 0;
    (void)tlv_find_u8(task->body, task->size, TAG_FFD_VERSION, &ffd);
    (void)tlv_find_u8(task->body, task->size, TAG_TAX_SYSTEMS, &systems);
    environment->ffd = ffd;
    environment->tax_systems = systems;
}

/* A receipt's bytes depend on the format the board is registered for: before that it is refused
 * here, so that its key stays free for the same task later. */
static void need_registration(struct task *task, const struct task_environment *environment)
{
    bool known = environment->serial[0] != '\0' && !environment->judging;
    if (known && environment->ffd == 0 && task->error.code == 0 &&
        task->info->job == KKT_JOB_RECEIPT)
        kkt_error_describe(ERROR_NOT_REGISTERED, &task->error);
}

static int read_tasks(struct json_object *root, const struct task_environment *environment,
                      struct task_list *list, kkt_error *error)
{
    list->array = json_object_is_type(root, json_type_array);
    list->count = list->array ? json_object_array_length(root) : 1;
    if (!list->array && !json_object_is_type(root, json_type_object))
        field_error(error, ERROR_FIELD_TYPE, 0, 0, list->wrapped ? "request" : "",
                    "a task or an array of tasks is expected");
    else if (list->count == 0 || list->count > TASKS_MAX)
        field_error(error, ERROR_FIELD_VALUE, 0, 0, list->wrapped ? "request" : "",
                    "%zu tasks; 1 to %u are taken at once", list->count, TASKS_MAX);
    if (error->code != 0 || list->count == 0)
        return error->code;
    uint8_t *buffer = malloc(TASK_BODY_CAPACITY);
    list->tasks = calloc(list->count, sizeof *list->tasks);
    if (buffer == NULL || list->tasks == NULL) {
        free(buffer);
        field_error(error, ERROR_INTERNAL, 0, 0, "", "out of memory");
        return error->code;
    }
    struct task_environment current = *environment;
    for (size_t i = 0; i < list->count; i++) {
        struct task *task = &list->tasks[i];
        read_task(list->array ? json_object_array_get_idx(root, i) : root, &current, task, buffer);
        need_registration(task, &current);
        if (task->error.code == 0 && task->info->type == TASK_REGISTRATION)
            take_registration(task, &current);
    }
    free(buffer);
    set_keys(list);
    find_key_conflicts(list);
    for (size_t i = 0; i < list->count; i++)
        list->faults += list->tasks[i].error.code != 0;
    return KKT_OK;
}

int task_list_read(const char *text, size_t size, const struct task_environment *environment,
                   struct task_list *list, kkt_error *error)
{
    static const struct task_environment unknown;
    struct json_fault fault;
    memset(list, 0, sizeof *list);
    memset(error, 0, sizeof *error);
    struct json_object *document = json_input_parse(text, size, &fault);
    if (document == NULL) {
        field_error(error, fault.repeated ? ERROR_FIELD_REPEATED : ERROR_JSON_MALFORMED, 0, 0, "",
                    "line %u, column %u: %s", fault.line, fault.column, fault.text);
        return error->code;
    }
    struct json_object *root = document;
    int code = KKT_OK;
    if (json_object_is_type(root, json_type_object))
        code = open_wrapper(&root, list, error);
    if (code == KKT_OK)
        code = read_tasks(root, environment == NULL ? &unknown : environment, list, error);
    json_object_put(document);
    if (code != KKT_OK)
        task_list_free(list);
    return code;
}

void task_list_free(struct task_list *list)
{
    for (size_t i = 0; list->tasks != NULL && i < list->count; i++) {
        free(list->tasks[i].body);
        free(list->tasks[i].positions);
    }
    free(list->tasks);
    memset(list, 0, sizeof *list);
}
