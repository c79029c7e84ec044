/* sell and sellReturn: the JSON receipt as fiscal TLV, judged by the rules of proto/receipt.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/money.h"
#include "tools/kkt/task_build.h"
#include "tools/kkt/task_item.h"

const struct field_word task_tax_systems[] = {
    {"osn", 1},     {"usnIncome", 2}, {"usnIncomeOutcome", 4}, {"envd", 8}, {"esn", 16},
    {"patent", 32}, {NULL, 0}};

static const struct field_word payment_types[] = {{"cash", PAYMENT_CASH},
                                                  {"electronically", PAYMENT_ELECTRONIC},
                                                  {"prepaid", PAYMENT_PREPAID},
                                                  {"credit", PAYMENT_CREDIT},
                                                  {"other", PAYMENT_OTHER},
                                                  {"0", PAYMENT_CASH},
                                                  {"1", PAYMENT_ELECTRONIC},
                                                  {"2", PAYMENT_PREPAID},
                                                  {"3", PAYMENT_CREDIT},
                                                  {"4", PAYMENT_OTHER},
                                                  {NULL, 0}};

static const struct field_rule receipt_fields[] = {TASK_COMMON_FIELDS,
                                                   {"operator", FIELD_TAKEN},
                                                   {"taxationType", FIELD_TAKEN},
                                                   {"electronically", FIELD_TAKEN},
                                                   {"ignoreNonFiscalPrintErrors", FIELD_TAKEN},
                                                   {"paymentsPlace", FIELD_TAKEN},
                                                   {"paymentsAddress", FIELD_TAKEN},
                                                   {"machineNumber", FIELD_TAKEN},
                                                   {"clientInfo", FIELD_TAKEN},
                                                   {"companyInfo", FIELD_TAKEN},
                                                   {"items", FIELD_TAKEN},
                                                   {"payments", FIELD_TAKEN},
                                                   {"taxes", FIELD_TAKEN},
                                                   {"total", FIELD_TAKEN},
                                                   {"preItems", FIELD_TAKEN},
                                                   {"postItems", FIELD_TAKEN},
                                                   {"useVAT18", FIELD_LATER},
                                                   {"agentInfo", FIELD_LATER},
                                                   {"supplierInfo", FIELD_LATER},
                                                   {"operationInfo", FIELD_LATER},
                                                   {"industryInfo", FIELD_LATER},
                                                   {"validateMarkingCodes", FIELD_LATER},
                                                   {"customParameters", FIELD_LATER},
                                                   {"correctionType", FIELD_LATER},
                                                   {"correctionBaseDate", FIELD_LATER},
                                                   {"correctionBaseNumber", FIELD_LATER},
                                                   {"correctionBaseName", FIELD_LATER},
                                                   {NULL, FIELD_TAKEN}};

static const struct field_rule operator_fields[] = {
    {"name", FIELD_TAKEN}, {"vatin", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule client_fields[] = {{"emailOrPhone", FIELD_TAKEN},
                                                  {"name", FIELD_TAKEN},
                                                  {"vatin", FIELD_TAKEN},
                                                  {"birthDate", FIELD_LATER},
                                                  {"citizenship", FIELD_LATER},
                                                  {"identityDocumentCode", FIELD_LATER},
                                                  {"identityDocumentData", FIELD_LATER},
                                                  {"address", FIELD_LATER},
                                                  {NULL, FIELD_TAKEN}};
static const struct field_rule company_fields[] = {{"email", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule payment_fields[] = {
    {"type", FIELD_TAKEN}, {"sum", FIELD_TAKEN}, {"printItems", FIELD_LATER}, {NULL, FIELD_TAKEN}};
static const struct field_rule tax_fields[] = {
    {"type", FIELD_TAKEN}, {"sum", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};

int task_put_operator(const struct field_reader *reader, struct byte_writer *writer)
{
    struct field_reader cashier;
    int got = field_object(reader, "operator", &cashier);
    if (got != FIELD_GOT)
        return got;
    if (!field_check_names(&cashier, operator_fields) ||
        field_required(&cashier, "name", field_put_text(&cashier, "name", TAG_CASHIER, writer)) ==
            FIELD_BAD ||
        field_put_inn(&cashier, "vatin", TAG_CASHIER_INN, writer) == FIELD_BAD)
        return FIELD_BAD;
    return FIELD_GOT;
}

static bool put_buyer(const struct field_reader *reader, struct byte_writer *writer)
{
    struct field_reader client, company;
    int got = field_object(reader, "clientInfo", &client);
    if (got == FIELD_GOT) {
        if (!field_check_names(&client, client_fields) ||
            field_put_text(&client, "emailOrPhone", TAG_BUYER_CONTACT, writer) == FIELD_BAD)
            return false;
        /* FFD 1.2 gathers the buyer in 1256; the formats before it have 1227 and 1228 in the
         * receipt itself. */
        bool gathered = reader->environment->ffd == FFD_1_2;
        size_t before = writer->length;
        size_t mark = gathered ? tlv_begin(writer, TAG_BUYER) : 0;
        size_t inner = writer->length;
        if (field_put_text(&client, "name", TAG_BUYER_NAME, writer) == FIELD_BAD ||
            field_put_inn(&client, "vatin", TAG_BUYER_INN, writer) == FIELD_BAD)
            return false;
        if (gathered && writer->length == inner)
            writer->length = before;
        else if (gathered)
            tlv_end(writer, mark);
    }
    if (got == FIELD_BAD)
        return false;
    got = field_object(reader, "companyInfo", &company);
    if (got == FIELD_GOT &&
        (!field_check_names(&company, company_fields) ||
         field_put_text(&company, "email", TAG_SENDER_EMAIL, writer) == FIELD_BAD))
        return false;
    return got != FIELD_BAD;
}

static bool put_head(const struct field_reader *reader, const struct task *task,
                     struct byte_writer *writer)
{
    unsigned tax_system;
    tlv_put_u8(writer, TAG_SETTLEMENT_KIND,
               task->info->type == TASK_SELL ? SETTLEMENT_SALE : SETTLEMENT_SALE_RETURN);
    int got = field_word(reader, "taxationType", TAG_TAX_SYSTEM, task_tax_systems, &tax_system);
    if (got == FIELD_GOT)
        tlv_put_u8(writer, TAG_TAX_SYSTEM, (uint8_t)tax_system);
    if (got == FIELD_BAD || task_put_operator(reader, writer) == FIELD_BAD ||
        !put_buyer(reader, writer))
        return false;
    return field_put_text(reader, "paymentsAddress", TAG_SETTLEMENT_ADDRESS, writer) != FIELD_BAD &&
           field_put_text(reader, "paymentsPlace", TAG_SETTLEMENT_PLACE, writer) != FIELD_BAD &&
           field_put_text(reader, "machineNumber", TAG_AUTOMAT_NUMBER, writer) != FIELD_BAD;
}

static bool put_items(const struct field_reader *reader, struct task *task,
                      struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    if (field_required(reader, "items", field_array(reader, "items", &array, &count)) == FIELD_BAD)
        return false;
    task->positions = calloc(count + 1, sizeof *task->positions);
    if (task->positions == NULL || count > UINT16_MAX) {
        field_fail(reader, "items", ERROR_TOO_LARGE, 0, "%zu items are too many", count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct field_reader element;
        if (field_element(reader, "items", array, i, &element) == FIELD_BAD)
            return false;
        element.item = (unsigned)task->position_count + 1;
        enum task_item_result result = task_put_item(&element, writer);
        if (result == TASK_ITEM_BAD)
            return false;
        if (writer->length > RECEIPT_TLV_MAX) {
            field_fail(&element, "", ERROR_TOO_LARGE, TAG_ITEM,
                       "up to here the receipt takes more than the %u bytes it may have",
                       RECEIPT_TLV_MAX);
            return false;
        }
        if (result == TASK_ITEM_POSITION)
            task->positions[task->position_count++] = (uint16_t)i;
    }
    return true;
}

/* Sum of 1043 of the items written so far; what cash is due for. */
static uint64_t items_sum(const struct byte_writer *writer)
{
    struct tlv_reader list;
    struct tlv tlv;
    uint64_t total = 0, sum;
    if (!byte_writer_ok(writer))
        return 0;
    tlv_reader_init(&list, writer->data, writer->length);
    while (tlv_next(&list, &tlv) == 1)
        if (tlv.tag == TAG_ITEM && tlv_find_vln(tlv.value, tlv.length, TAG_ITEM_SUM, &sum))
            total += sum;
    return total;
}

static bool put_payments(const struct field_reader *reader, uint64_t due,
                         struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    uint64_t paid[PAYMENT_COUNT] = {0}, others = 0;
    if (field_required(reader, "payments", field_array(reader, "payments", &array, &count)) ==
        FIELD_BAD)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct field_reader element;
        unsigned type;
        uint64_t sum;
        if (field_element(reader, "payments", array, i, &element) == FIELD_BAD ||
            !field_check_names(&element, payment_fields))
            return false;
        if (field_required(&element, "type",
                           field_word(&element, "type", 0, payment_types, &type)) == FIELD_BAD ||
            field_required(&element, "sum", field_money(&element, "sum", 0, &sum)) == FIELD_BAD)
            return false;
        if (count > 1000) {
            field_fail(reader, "payments", ERROR_TOO_LARGE, 0, "%zu payments are too many", count);
            return false;
        }
        paid[type] += sum;
        others += type == PAYMENT_CASH ? 0 : sum;
    }
    /* Non-cash pays first; cash pays the rest, and what is given above it is change. */
    uint64_t tendered = paid[PAYMENT_CASH];
    uint64_t cash_due = due > others ? due - others : 0;
    if (tendered > cash_due)
        paid[PAYMENT_CASH] = cash_due;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        if (paid[i] != 0)
            tlv_put_vln(writer, payment_tag(i), paid[i]);
    if (tendered > cash_due)
        tlv_put_vln(writer, TAG_CASH_TENDERED, tendered);
    return true;
}

/* Tag of the tax total of a rate; 0 when it stands inside 1115. */
static uint16_t vat_total_tag(unsigned rate)
{
    static const uint16_t tags[] = {0,
                                    TAG_VAT_20,
                                    TAG_VAT_10,
                                    TAG_VAT_20_120,
                                    TAG_VAT_10_110,
                                    TAG_TURNOVER_0,
                                    TAG_TURNOVER_NO_VAT};
    return rate < sizeof tags / sizeof tags[0] ? tags[rate] : 0;
}

static bool put_taxes(const struct field_reader *reader, struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    uint64_t sums[VAT_RATE_COUNT] = {0};
    bool stated[VAT_RATE_COUNT] = {false};
    int got = field_array(reader, "taxes", &array, &count);
    if (got != FIELD_GOT)
        return got == FIELD_ABSENT;
    for (size_t i = 0; i < count; i++) {
        struct field_reader element;
        unsigned rate;
        uint64_t sum;
        if (field_element(reader, "taxes", array, i, &element) == FIELD_BAD ||
            !field_check_names(&element, tax_fields) ||
            task_item_vat(&element, &rate) == FIELD_BAD ||
            field_required(&element, "sum", field_money(&element, "sum", 0, &sum)) == FIELD_BAD)
            return false;
        if (stated[rate]) {
            field_fail(&element, "type", ERROR_FIELD_REPEATED, 0, "this rate is stated twice");
            return false;
        }
        stated[rate] = true;
        sums[rate] = sum;
    }
    bool structured = false;
    for (unsigned rate = 1; rate < VAT_RATE_COUNT; rate++) {
        if (stated[rate] && vat_total_tag(rate) != 0)
            tlv_put_vln(writer, vat_total_tag(rate), sums[rate]);
        structured = structured || (stated[rate] && vat_total_tag(rate) == 0);
    }
    if (!structured)
        return true;
    size_t outer = tlv_begin(writer, TAG_VAT_SUMS);
    for (unsigned rate = 1; rate < VAT_RATE_COUNT; rate++) {
        if (!stated[rate] || vat_total_tag(rate) != 0)
            continue;
        size_t inner = tlv_begin(writer, TAG_VAT_SUM);
        tlv_put_vln(writer, TAG_VAT_SUM_VALUE, sums[rate]);
        tlv_put_u8(writer, TAG_VAT_RATE, (uint8_t)rate);
        tlv_end(writer, inner);
    }
    tlv_end(writer, outer);
    return true;
}

static bool put_rest(const struct field_reader *reader, struct byte_writer *writer)
{
    uint64_t due = items_sum(writer), total = 0;
    bool electronically = false, ignored = false;
    int stated = field_money(reader, "total", TAG_RECEIPT_TOTAL, &total);
    if (stated == FIELD_BAD ||
        field_bool(reader, "ignoreNonFiscalPrintErrors", &ignored) == FIELD_BAD ||
        field_bool(reader, "electronically", &electronically) == FIELD_BAD)
        return false;
    if (!put_payments(reader, stated == FIELD_GOT ? total : due, writer) ||
        !put_taxes(reader, writer))
        return false;
    if (stated == FIELD_GOT)
        tlv_put_vln(writer, TAG_RECEIPT_TOTAL, total);
    if (electronically)
        tlv_put_u8(writer, TAG_ELECTRONICALLY, 1);
    return task_put_slip_around(reader, writer);
}

bool task_build_receipt(const struct field_reader *reader, struct task *task,
                        struct byte_writer *writer)
{
    if (!field_check_names(reader, receipt_fields) || !put_head(reader, task, writer) ||
        !put_items(reader, task, writer) || !put_rest(reader, writer))
        return false;
    assert(byte_writer_ok(writer)); /* items were measured, and all the rest is bounded */
    struct refusal why = {0};
    struct receipt_rules rules = {.ffd = (uint8_t)reader->environment->ffd,
                                  .tax_systems = (uint8_t)reader->environment->tax_systems};
    if (receipt_check(writer->data, writer->length, &rules, &task->summary, &why))
        return true;
    char path[64];
    task_refusal_path(task, why.code, why.tag, why.item, path, sizeof path);
    const struct error_info *info = error_info_find(why.code);
    field_error(reader->error, why.code, why.tag, why.item, path, "%s", info->text);
    reader->error->expected = why.expected;
    return false;
}
