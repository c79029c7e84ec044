#include "tools/kkt/atol_error.h"

#include <stddef.h>

#include "proto/error.h"

static const struct {
    int code, number;
} rows[] = {
    {ERROR_REQUEST_MALFORMED, 501},
    {ERROR_REQUEST_UNKNOWN, 11},
    {ERROR_VERSION_UNSUPPORTED, 11},
    {ERROR_JSON_MALFORMED, 501},
    {ERROR_FIELD_UNKNOWN, 501},
    {ERROR_FIELD_MISSING, 501},
    {ERROR_FIELD_TYPE, 501},
    {ERROR_FIELD_VALUE, 501},
    {ERROR_FIELD_LENGTH, 501},
    {ERROR_FIELD_REPEATED, 501},
    {ERROR_FIELD_NOT_ALLOWED, 501},
    {ERROR_AMOUNT_PRECISION, 501},
    {ERROR_ITEM_SUM, 5},
    {ERROR_TOTAL_SUM, 5},
    {ERROR_PAYMENT_SHORT, 66},
    {ERROR_PAYMENT_EXCESS, 5},
    {ERROR_VAT_SUM, 5},
    {ERROR_INN, 5},
    {ERROR_TAX_SYSTEM, 13},
    {ERROR_VAT_RATE, 13},
    {ERROR_NO_ITEMS, 8},
    {ERROR_TOO_LARGE, 5},
    {ERROR_KEY_CONFLICT, 5},
    {ERROR_NOT_FOUND, 123},
    {ERROR_TASK_UNSUPPORTED, 11},
    {ERROR_RNM, 5},
    {ERROR_TEXT_ENCODING, 501},
    {ERROR_CONTACT, 5},
    {ERROR_CREDIT_PAYMENT_ALONE, 5},
    {ERROR_CASHIER_MISSING, 8},
    {ERROR_UPDATE_IMAGE, 5},
    {ERROR_UPDATE_BOARD, 5},
    {ERROR_UPDATE_VERSION, 5},
    {ERROR_UPDATE_SIGNATURE, 5},
    {ERROR_UPDATE_ORDER, 5},
    {ERROR_UPDATE_UNSUPPORTED, 11},
    {ERROR_UPDATE_TRIAL, 55},
    {ERROR_SHIFT_CLOSED, 73},
    {ERROR_SHIFT_OPEN, 83},
    {ERROR_SHIFT_EXPIRED, 68},
    {ERROR_CASH_SHORT, 80},
    {ERROR_PAPER_OUT, 44},
    {ERROR_COVER_OPEN, 45},
    {ERROR_PRINTER, 46},
    {ERROR_DRAWER_STUCK, 47},
    {ERROR_CLOCK, 12},
    {ERROR_CANCELLED, 503},
    {ERROR_DRAWER_OPEN, 47},
    {ERROR_LINK_LOST, 2},
    {ERROR_LINK_BUSY, 3},
    {ERROR_OFD_OVERDUE, 139},
    {ERROR_OFD_NO_ANSWER, 402},
    {ERROR_OFD_REJECTED, 138},
    {ERROR_OFD_UNREACHABLE, 402},
    {ERROR_DEVICE_URI, 4},
    {ERROR_OTHER_DEVICE, 2},
    {ERROR_OFD_TLS, 402},
    {ERROR_PERMISSION, 4},
    {ERROR_NOT_REGISTERED, 117},
    {ERROR_ALREADY_REGISTERED, 117},
    {ERROR_FN_EXPIRED, 120},
    {ERROR_FN_FULL, 121},
    {ERROR_FN_SILENT, 115},
    {ERROR_FN_FAULT, 118},
    {ERROR_FN_STATE, 117},
    {ERROR_FN_REFUSED, 116},
    {ERROR_FN_FOREIGN, 166},
    {ERROR_JOURNAL_FULL, 15},
    {ERROR_JOURNAL_FAULT, 15},
    {ERROR_FFD_UNSUPPORTED, 11},
    {ERROR_QUEUE_STORE, 15},
    {ERROR_FN_ARCHIVE, 123},
    {ERROR_UPDATE_FLASH, 15},
    {ERROR_UPDATE_ROLLED_BACK, 15},
    {ERROR_INTERNAL, 15},
    {ERROR_OUTCOME_UNKNOWN, 241},
    {ERROR_IN_PROGRESS, 55},
    {ERROR_BUSY, 55},
};

int atol_error_number(int code)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i].number;
    return code == 0 ? 0 : 15;
}

static void add_text(struct json_object *object, const char *name, const char *text)
{
    if (text[0] != 0)
        json_object_object_add(object, name, json_object_new_string(text));
}

struct json_object *atol_error_json(const kkt_error *error)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "code", json_object_new_int(atol_error_number(error->code)));
    if (error->code == 0) {
        add_text(object, "description", "no errors");
        return object;
    }
    add_text(object, "name", error->name);
    add_text(object, "description", error->text);
    add_text(object, "field", error->field);
    if (error->tag != 0)
        json_object_object_add(object, "tag", json_object_new_int((int)error->tag));
    if (error->item != 0)
        json_object_object_add(object, "item", json_object_new_int((int)error->item));
    if (error->expected != 0)
        json_object_object_add(object, "expected", json_object_new_uint64(error->expected));
    add_text(object, "cure", error->cure);
    return object;
}

struct json_object *atol_interrupted_json(void)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "code", json_object_new_int(ATOL_INTERRUPTED));
    add_text(object, "name", "INTERRUPTED");
    add_text(object, "description", "not tried: an earlier task of the request failed");
    add_text(object, "cure",
             "mend the task that failed and send the whole request again with the same keys");
    return object;
}
