#include "tools/kkt/task_item.h"

#include <stdio.h>
#include <string.h>

#include "proto/cp866.h"
#include "proto/inn.h"
#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/task_build.h"

#define UNIT_OTHER 255u

static const struct field_word vat_types[] = {{"none", VAT_RATE_NONE},
                                              {"vat0", VAT_RATE_0},
                                              {"vat5", VAT_RATE_5},
                                              {"vat7", VAT_RATE_7},
                                              {"vat10", VAT_RATE_10},
                                              {"vat20", VAT_RATE_20},
                                              {"vat22", VAT_RATE_22},
                                              {"vat105", VAT_RATE_5_105},
                                              {"vat107", VAT_RATE_7_107},
                                              {"vat110", VAT_RATE_10_110},
                                              {"vat120", VAT_RATE_20_120},
                                              {"vat122", VAT_RATE_22_122},
                                              {NULL, 0}};

static const struct field_word methods[] = {
    {"fullPrepayment", 1}, {"prepayment", 2}, {"advance", 3},       {"fullPayment", 4},
    {"partialPayment", 5}, {"credit", 6},     {"creditPayment", 7}, {NULL, 0}};

static const struct field_word objects[] = {{"commodity", 1},
                                            {"excise", 2},
                                            {"job", 3},
                                            {"service", 4},
                                            {"gamblingBet", 5},
                                            {"gamblingPrize", 6},
                                            {"lottery", 7},
                                            {"lotteryPrize", 8},
                                            {"intellectualActivity", 9},
                                            {"payment", 10},
                                            {"agentCommission", 11},
                                            {"pay", 12},
                                            {"composite", 12},
                                            {"another", 13},
                                            {"proprietaryLaw", 14},
                                            {"nonOperatingIncome", 15},
                                            {"otherContributions", 16},
                                            {"merchantTax", 17},
                                            {"resortFee", 18},
                                            {"deposit", 19},
                                            {"consumption", 20},
                                            {"soleProprietorCPIContributions", 21},
                                            {"cpiContributions", 22},
                                            {"soleProprietorCMIContributions", 23},
                                            {"cmiContributions", 24},
                                            {"csiContributions", 25},
                                            {"casinoPayment", 26},
                                            {"fundsIssuance", 27},
                                            {"exciseWithoutMarking", 30},
                                            {"exciseWithMarking", 31},
                                            {"commodityWithoutMarking", 32},
                                            {"commodityWithMarking", 33},
                                            {NULL, 0}};

static const struct field_word units[] = {{"piece", 0},
                                          {"gram", 10},
                                          {"kilogram", 11},
                                          {"ton", 12},
                                          {"centimeter", 20},
                                          {"decimeter", 21},
                                          {"meter", 22},
                                          {"squareCentimeter", 30},
                                          {"squareDecimeter", 31},
                                          {"squareMeter", 32},
                                          {"milliliter", 40},
                                          {"liter", 41},
                                          {"cubicMeter", 42},
                                          {"kilowattHour", 50},
                                          {"gkal", 51},
                                          {"day", 70},
                                          {"hour", 71},
                                          {"minute", 72},
                                          {"second", 73},
                                          {"kilobyte", 80},
                                          {"megabyte", 81},
                                          {"gigabyte", 82},
                                          {"terabyte", 83},
                                          {"otherUnits", UNIT_OTHER},
                                          {NULL, 0}};

static const struct field_word agents[] = {
    {"bankPayingAgent", 1}, {"bankPayingSubagent", 2}, {"payingAgent", 4}, {"payingSubagent", 8},
    {"attorney", 16},       {"commissionAgent", 32},   {"another", 64},    {NULL, 0}};

static const struct field_rule position_fields[] = {{"type", FIELD_TAKEN},
                                                    {"name", FIELD_TAKEN},
                                                    {"price", FIELD_TAKEN},
                                                    {"quantity", FIELD_TAKEN},
                                                    {"amount", FIELD_TAKEN},
                                                    {"infoDiscountAmount", FIELD_TAKEN},
                                                    {"department", FIELD_TAKEN},
                                                    {"measurementUnit", FIELD_TAKEN},
                                                    {"piece", FIELD_TAKEN},
                                                    {"paymentMethod", FIELD_TAKEN},
                                                    {"paymentObject", FIELD_TAKEN},
                                                    {"tax", FIELD_TAKEN},
                                                    {"additionalAttribute", FIELD_TAKEN},
                                                    {"additionalAttributePrint", FIELD_IGNORED},
                                                    {"exciseSum", FIELD_TAKEN},
                                                    {"countryCode", FIELD_TAKEN},
                                                    {"customsDeclaration", FIELD_TAKEN},
                                                    {"agentInfo", FIELD_TAKEN},
                                                    {"supplierInfo", FIELD_TAKEN},
                                                    {"nomenclatureCode", FIELD_LATER},
                                                    {"markingCode", FIELD_LATER},
                                                    {"imcParams", FIELD_LATER},
                                                    {"productCodes", FIELD_LATER},
                                                    {"industryInfo", FIELD_LATER},
                                                    {"ucUserParam3", FIELD_LATER},
                                                    {"ucUserParam4", FIELD_LATER},
                                                    {"ucUserParam5", FIELD_LATER},
                                                    {"ucUserParam6", FIELD_LATER},
                                                    {"customParameters", FIELD_LATER},
                                                    {NULL, FIELD_TAKEN}};
static const struct field_rule tax_fields[] = {
    {"type", FIELD_TAKEN}, {"sum", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule agent_fields[] = {{"agents", FIELD_TAKEN},
                                                 {"agentsPrint", FIELD_IGNORED},
                                                 {"agentDataPrint", FIELD_IGNORED},
                                                 {"payingAgent", FIELD_TAKEN},
                                                 {"receivePaymentsOperator", FIELD_TAKEN},
                                                 {"moneyTransferOperator", FIELD_TAKEN},
                                                 {NULL, FIELD_TAKEN}};
static const struct field_rule paying_agent_fields[] = {
    {"operation", FIELD_TAKEN}, {"phones", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule phones_fields[] = {{"phones", FIELD_TAKEN}, {NULL, FIELD_TAKEN}};
static const struct field_rule transfer_fields[] = {{"name", FIELD_TAKEN},
                                                    {"address", FIELD_TAKEN},
                                                    {"vatin", FIELD_TAKEN},
                                                    {"phones", FIELD_TAKEN},
                                                    {NULL, FIELD_TAKEN}};
static const struct field_rule supplier_fields[] = {{"name", FIELD_TAKEN},
                                                    {"vatin", FIELD_TAKEN},
                                                    {"phones", FIELD_TAKEN},
                                                    {"supplierPrint", FIELD_IGNORED},
                                                    {"supplierVatinPrint", FIELD_IGNORED},
                                                    {NULL, FIELD_TAKEN}};
static const struct field_rule user_attribute_fields[] = {{"type", FIELD_TAKEN},
                                                          {"name", FIELD_TAKEN},
                                                          {"value", FIELD_TAKEN},
                                                          {"print", FIELD_IGNORED},
                                                          {NULL, FIELD_TAKEN}};
static const struct field_rule extra_fields[] = {
    {"type", FIELD_TAKEN}, {"value", FIELD_TAKEN}, {"print", FIELD_IGNORED}, {NULL, FIELD_TAKEN}};

int task_item_vat(const struct field_reader *reader, unsigned *rate)
{
    const char *text;
    size_t length;
    int got = field_required(reader, "type", field_string(reader, "type", &text, &length));
    if (got == FIELD_BAD)
        return FIELD_BAD;
    if (strcmp(text, "vat18") == 0 || strcmp(text, "vat118") == 0)
        return field_fail(reader, "type", ERROR_VAT_RATE, TAG_VAT_RATE,
                          "%s ended on 1 January 2019; the code now means 20 %% and would be "
                          "punched as that",
                          text);
    return field_word_of(reader, "type", TAG_VAT_RATE, vat_types, text, rate);
}

static bool put_tax(const struct field_reader *reader, struct byte_writer *writer)
{
    struct field_reader tax;
    unsigned rate = 0;
    uint64_t sum;
    if (field_required(reader, "tax", field_object(reader, "tax", &tax)) == FIELD_BAD ||
        !field_check_names(&tax, tax_fields) || task_item_vat(&tax, &rate) == FIELD_BAD)
        return false;
    tlv_put_u8(writer, TAG_VAT_RATE, (uint8_t)rate);
    int got = field_money(&tax, "sum", TAG_ITEM_VAT_SUM, &sum);
    if (got == FIELD_GOT)
        tlv_put_vln(writer, TAG_ITEM_VAT_SUM, sum);
    return got != FIELD_BAD;
}

/* measurementUnit as a code of 2108: a word, a number, or the unit as paper prints it. other: a
 * text of the caller's own. */
static int read_unit(const struct field_reader *reader, unsigned *unit, const char **other)
{
    struct json_object *value = NULL;
    size_t length;
    uint64_t number;
    *other = NULL;
    if (!json_object_object_get_ex(reader->object, "measurementUnit", &value) || value == NULL)
        return FIELD_ABSENT;
    if (!json_object_is_type(value, json_type_string)) {
        int got = field_number(reader, "measurementUnit", UNIT_OTHER, &number);
        if (got != FIELD_GOT)
            return got;
        for (const struct field_word *word = units; word->word != NULL; word++) {
            if (word->value == number) {
                *unit = word->value;
                return FIELD_GOT;
            }
        }
        return field_fail(reader, "measurementUnit", ERROR_FIELD_VALUE, TAG_ITEM_MEASURE,
                          "there is no unit with number %u", (unsigned)number);
    }
    const char *text;
    field_string(reader, "measurementUnit", &text, &length);
    for (const struct field_word *word = units; word->word != NULL; word++) {
        const char *label = measure_label((uint8_t)word->value);
        size_t bare = strlen(label);
        bare -= bare > 0 && label[bare - 1] == '.';
        if (strcmp(word->word, text) == 0 || (label[0] != 0 && strcmp(label, text) == 0) ||
            (bare > 0 && length == bare && memcmp(label, text, bare) == 0)) {
            *unit = word->value;
            return FIELD_GOT;
        }
    }
    if (reader->environment->ffd == FFD_1_2)
        return field_word_of(reader, "measurementUnit", TAG_ITEM_MEASURE, units, text, unit);
    *unit = UNIT_OTHER;
    *other = text;
    return FIELD_GOT;
}

/* FFD 1.2 names the unit by code and always; earlier formats by text, when it is stated. */
static bool put_unit(const struct field_reader *reader, struct byte_writer *writer)
{
    unsigned unit = 0;
    const char *other;
    bool piece = false;
    int got = read_unit(reader, &unit, &other);
    if (got == FIELD_BAD || field_bool(reader, "piece", &piece) == FIELD_BAD)
        return false;
    if (piece && got == FIELD_GOT && unit != 0) {
        field_fail(reader, "piece", ERROR_FIELD_VALUE, TAG_ITEM_MEASURE,
                   "piece is true, and measurementUnit says otherwise");
        return false;
    }
    if (reader->environment->ffd == FFD_1_2) {
        tlv_put_u8(writer, TAG_ITEM_MEASURE, (uint8_t)unit);
        return true;
    }
    if (got == FIELD_ABSENT && !piece)
        return true;
    const char *text = other != NULL ? other : measure_label((uint8_t)unit);
    return field_put_text_value(reader, "measurementUnit", TAG_ITEM_UNIT_TEXT, text, strlen(text),
                                writer) != FIELD_BAD;
}

static bool put_phones(const struct field_reader *reader, uint16_t tag, struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    int got = field_array(reader, "phones", &array, &count);
    for (size_t i = 0; got == FIELD_GOT && i < count; i++) {
        char step[32];
        struct json_object *value = json_object_array_get_idx(array, i);
        snprintf(step, sizeof step, "phones[%zu]", i);
        const char *text = json_object_get_string(value);
        if (!json_object_is_type(value, json_type_string)) {
            field_fail(reader, step, ERROR_FIELD_TYPE, tag, "a string is expected");
            return false;
        }
        size_t length = (size_t)json_object_get_string_len(value);
        if (text[0] != '+' || length < 2 || strspn(text + 1, "0123456789") != length - 1) {
            field_fail(reader, step, ERROR_CONTACT, tag,
                       "\"%.30s\" is not a phone number: + and digits", text);
            return false;
        }
        if (field_put_text_value(reader, step, tag, text, length, writer) == FIELD_BAD)
            return false;
    }
    return got != FIELD_BAD;
}

static bool put_agent_flag(const struct field_reader *agent, struct byte_writer *writer)
{
    struct json_object *array = NULL;
    size_t count = 0;
    unsigned bits = 0;
    if (field_required(agent, "agents", field_array(agent, "agents", &array, &count)) == FIELD_BAD)
        return false;
    if (count != 1) {
        field_fail(agent, "agents", ERROR_FIELD_VALUE, TAG_ITEM_AGENT_FLAG,
                   "an item has exactly one kind of agent, not %zu", count);
        return false;
    }
    struct json_object *value = json_object_array_get_idx(array, 0);
    if (!json_object_is_type(value, json_type_string)) {
        field_fail(agent, "agents[0]", ERROR_FIELD_TYPE, TAG_ITEM_AGENT_FLAG,
                   "a string is expected");
        return false;
    }
    if (field_word_of(agent, "agents[0]", TAG_ITEM_AGENT_FLAG, agents,
                      json_object_get_string(value), &bits) == FIELD_BAD)
        return false;
    tlv_put_u8(writer, TAG_ITEM_AGENT_FLAG, (uint8_t)bits);
    return true;
}

static bool put_agent_data(const struct field_reader *agent, struct byte_writer *writer)
{
    struct field_reader part;
    int got = field_object(agent, "moneyTransferOperator", &part);
    if (got == FIELD_BAD)
        return false;
    if (got == FIELD_GOT &&
        (!field_check_names(&part, transfer_fields) ||
         !put_phones(&part, TAG_TRANSFER_OPERATOR_PHONE, writer) ||
         field_put_text(&part, "name", TAG_TRANSFER_OPERATOR_NAME, writer) == FIELD_BAD ||
         field_put_text(&part, "address", TAG_TRANSFER_OPERATOR_ADDRESS, writer) == FIELD_BAD ||
         field_put_inn(&part, "vatin", TAG_TRANSFER_OPERATOR_INN, writer) == FIELD_BAD))
        return false;
    got = field_object(agent, "payingAgent", &part);
    if (got == FIELD_BAD)
        return false;
    if (got == FIELD_GOT && (!field_check_names(&part, paying_agent_fields) ||
                             field_put_text(&part, "operation", TAG_BANK_PAYMENT_AGENT_OPERATION,
                                            writer) == FIELD_BAD ||
                             !put_phones(&part, TAG_PAYMENT_AGENT_PHONE, writer)))
        return false;
    got = field_object(agent, "receivePaymentsOperator", &part);
    if (got == FIELD_BAD)
        return false;
    return got == FIELD_ABSENT || (field_check_names(&part, phones_fields) &&
                                   put_phones(&part, TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE, writer));
}

/* Takes a structure back when nothing was written into it. */
static void end_structure(struct byte_writer *writer, size_t before, size_t mark, size_t inner)
{
    if (writer->length == inner)
        writer->length = before;
    else
        tlv_end(writer, mark);
}

static bool put_agent(const struct field_reader *reader, struct byte_writer *writer)
{
    struct field_reader agent;
    int got = field_object(reader, "agentInfo", &agent);
    if (got != FIELD_GOT)
        return got == FIELD_ABSENT;
    if (!field_check_names(&agent, agent_fields) || !put_agent_flag(&agent, writer))
        return false;
    size_t before = writer->length;
    size_t mark = tlv_begin(writer, TAG_AGENT_DATA);
    size_t inner = writer->length;
    if (!put_agent_data(&agent, writer))
        return false;
    end_structure(writer, before, mark, inner);
    return true;
}

static bool put_supplier(const struct field_reader *reader, struct byte_writer *writer)
{
    struct field_reader supplier;
    int got = field_object(reader, "supplierInfo", &supplier);
    if (got != FIELD_GOT)
        return got == FIELD_ABSENT;
    if (!field_check_names(&supplier, supplier_fields) ||
        field_put_inn(&supplier, "vatin", TAG_SUPPLIER_INN, writer) == FIELD_BAD)
        return false;
    size_t before = writer->length;
    size_t mark = tlv_begin(writer, TAG_SUPPLIER_DATA);
    size_t inner = writer->length;
    if (!put_phones(&supplier, TAG_SUPPLIER_PHONE, writer) ||
        field_put_text(&supplier, "name", TAG_SUPPLIER_NAME, writer) == FIELD_BAD)
        return false;
    end_structure(writer, before, mark, inner);
    return true;
}

static bool put_sums(const struct field_reader *reader, struct byte_writer *writer)
{
    uint64_t price, amount, expected;
    struct decimal quantity;
    if (field_required(reader, "price", field_money(reader, "price", TAG_ITEM_PRICE, &price)) ==
            FIELD_BAD ||
        field_required(reader, "quantity",
                       field_quantity(reader, "quantity", TAG_ITEM_QUANTITY, &quantity)) ==
            FIELD_BAD ||
        field_required(reader, "amount", field_money(reader, "amount", TAG_ITEM_SUM, &amount)) ==
            FIELD_BAD)
        return false;
    if (!item_cost(price, quantity, &expected)) {
        field_fail(reader, "amount", ERROR_FIELD_VALUE, TAG_ITEM_SUM,
                   "price by quantity is more than a document can hold");
        return false;
    }
    if (amount > expected + 1 || amount + 1 < expected) {
        char stated[MONEY_TEXT_SIZE], right[MONEY_TEXT_SIZE];
        money_format(amount, stated, sizeof stated);
        money_format(expected, right, sizeof right);
        field_fail(reader, "amount", ERROR_ITEM_SUM, TAG_ITEM_SUM,
                   "%s is stated, price by quantity is %s", stated, right);
        reader->error->expected = expected;
        return false;
    }
    tlv_put_vln(writer, TAG_ITEM_PRICE, price);
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, quantity);
    tlv_put_vln(writer, TAG_ITEM_SUM, amount);
    return true;
}

static bool put_codes(const struct field_reader *reader, struct byte_writer *writer)
{
    unsigned method = 4, object = 1;
    uint64_t department, excise;
    if (field_word(reader, "paymentMethod", TAG_ITEM_PAYMENT_METHOD, methods, &method) ==
            FIELD_BAD ||
        field_number(reader, "department", 255, &department) == FIELD_BAD)
        return false;
    /* paymentObject comes as a word, or as the number of 1212. */
    struct json_object *value = NULL;
    json_object_object_get_ex(reader->object, "paymentObject", &value);
    if (value != NULL && json_object_is_type(value, json_type_int)) {
        uint64_t number = 0;
        const struct field_word *word = objects;
        if (field_number(reader, "paymentObject", 255, &number) == FIELD_BAD)
            return false;
        while (word->word != NULL && word->value != number)
            word++;
        if (word->word == NULL) {
            field_fail(reader, "paymentObject", ERROR_FIELD_VALUE, TAG_ITEM_SUBJECT,
                       "there is no subject with number %u", (unsigned)number);
            return false;
        }
        object = word->value;
    } else if (field_word(reader, "paymentObject", TAG_ITEM_SUBJECT, objects, &object) ==
               FIELD_BAD) {
        return false;
    }
    if (object == 31 || object == 33) {
        field_fail(reader, "paymentObject", ERROR_FIELD_NOT_ALLOWED, TAG_ITEM_SUBJECT,
                   "goods with a marking code are for a later version");
        return false;
    }
    tlv_put_u8(writer, TAG_ITEM_PAYMENT_METHOD, (uint8_t)method);
    tlv_put_u8(writer, TAG_ITEM_SUBJECT, (uint8_t)object);
    int got = field_money(reader, "exciseSum", TAG_EXCISE_SUM, &excise);
    if (got == FIELD_GOT)
        tlv_put_vln(writer, TAG_EXCISE_SUM, excise);
    return got != FIELD_BAD;
}

static bool put_origin(const struct field_reader *reader, struct byte_writer *writer)
{
    const char *text;
    size_t length;
    int got = field_string(reader, "countryCode", &text, &length);
    if (got == FIELD_BAD)
        return false;
    if (got == FIELD_GOT && (length != 3 || strspn(text, "0123456789") != 3)) {
        field_fail(reader, "countryCode", ERROR_FIELD_VALUE, TAG_COUNTRY_CODE,
                   "\"%.20s\" is not a country's three digits", text);
        return false;
    }
    return field_put_text(reader, "countryCode", TAG_COUNTRY_CODE, writer) != FIELD_BAD &&
           field_put_text(reader, "customsDeclaration", TAG_CUSTOMS_DECLARATION, writer) !=
               FIELD_BAD &&
           field_put_text(reader, "additionalAttribute", TAG_ITEM_EXTRA, writer) != FIELD_BAD;
}

/* The discount is for people: the price has it already, paper shows it under the position. */
static bool put_discount(const struct field_reader *reader, struct byte_writer *writer)
{
    uint64_t discount = 0;
    char text[MONEY_TEXT_SIZE + 32] = "СКИДКА ";
    int got = field_money(reader, "infoDiscountAmount", 0, &discount);
    if (got != FIELD_GOT || discount == 0)
        return got != FIELD_BAD;
    size_t length = strlen(text);
    money_format(discount, text + length, sizeof text - length);
    size_t mark = tlv_begin(writer, TAG_SLIP_ITEM_TEXT);
    tlv_put_u8(writer, TAG_SLIP_STYLE, 2); /* right */
    got = field_put_text_value(reader, "infoDiscountAmount", TAG_SLIP_STRING, text, strlen(text),
                               writer);
    tlv_end(writer, mark);
    return got != FIELD_BAD;
}

static bool put_position(const struct field_reader *reader, struct byte_writer *writer)
{
    if (!field_check_names(reader, position_fields))
        return false;
    size_t mark = tlv_begin(writer, TAG_ITEM);
    size_t start = writer->length;
    if (field_required(reader, "name", field_put_text(reader, "name", TAG_ITEM_NAME, writer)) ==
            FIELD_BAD ||
        !put_sums(reader, writer) || !put_tax(reader, writer) || !put_codes(reader, writer) ||
        !put_unit(reader, writer) || !put_origin(reader, writer) || !put_agent(reader, writer) ||
        !put_supplier(reader, writer))
        return false;
    if (writer->length - start > ITEM_TLV_MAX) {
        field_fail(reader, "name", ERROR_TOO_LARGE, TAG_ITEM,
                   "the position takes %zu bytes, %u is the most", writer->length - start,
                   ITEM_TLV_MAX);
        return false;
    }
    tlv_end(writer, mark);
    return put_discount(reader, writer);
}

static bool put_user_attribute(const struct field_reader *reader, struct byte_writer *writer)
{
    size_t mark = tlv_begin(writer, TAG_USER_PROPERTY);
    if (!field_check_names(reader, user_attribute_fields) ||
        field_required(reader, "name",
                       field_put_text(reader, "name", TAG_USER_PROPERTY_NAME, writer)) ==
            FIELD_BAD ||
        field_required(reader, "value",
                       field_put_text(reader, "value", TAG_USER_PROPERTY_VALUE, writer)) ==
            FIELD_BAD)
        return false;
    tlv_end(writer, mark);
    return true;
}

/* Paper has its codes below the receipt: task_put_slip_around() writes this one there. */
static bool check_barcode(const struct field_reader *reader)
{
    struct byte_writer measure;
    byte_writer_init(&measure, NULL, 0);
    return task_put_slip_element(reader, TAG_SLIP_TEXT, &measure);
}

enum task_item_result task_put_item(const struct field_reader *reader, struct byte_writer *writer)
{
    enum { POSITION, TEXT, BARCODE, USER_ATTRIBUTE, EXTRA };
    static const struct field_word types[] = {
        {"position", POSITION},         {"text", TEXT},
        {"barcode", BARCODE},           {"userAttribute", USER_ATTRIBUTE},
        {"additionalAttribute", EXTRA}, {NULL, 0}};
    unsigned type;
    if (field_required(reader, "type", field_word(reader, "type", 0, types, &type)) == FIELD_BAD)
        return TASK_ITEM_BAD;
    if (type == POSITION)
        return put_position(reader, writer) ? TASK_ITEM_POSITION : TASK_ITEM_BAD;
    struct field_reader other = *reader;
    other.item = 0;
    bool good;
    if (type == TEXT)
        good = task_put_slip_element(&other, TAG_SLIP_ITEM_TEXT, writer);
    else if (type == BARCODE)
        good = check_barcode(&other);
    else if (type == USER_ATTRIBUTE)
        good = put_user_attribute(&other, writer);
    else
        good =
            field_check_names(&other, extra_fields) &&
            field_required(&other, "value",
                           field_put_text(&other, "value", TAG_RECEIPT_EXTRA, writer)) != FIELD_BAD;
    return good ? TASK_ITEM_OTHER : TASK_ITEM_BAD;
}
