/* The receipt builder: from the shop's words to the TLV that travels to the board.
 *
 * The body is kept small, because it is stored and sent as it is: absent payments, VAT totals and a
 * total that equals the sum of the items are not written, the board adds them. Order: kind, tax
 * system, what the caller added, items, payments, our own tags. Always true: once a call has
 * failed, the receipt keeps that first error and no later call changes anything.
 */
#include <stdlib.h>
#include <string.h>

#include "hostdrv/fault.h"
#include "hostdrv/kkt.h"
#include "proto/cp866.h"
#include "proto/link_message.h"
#include "proto/money.h"
#include "proto/receipt.h"

#define BODY_MAX           (LINK_MESSAGE_MAX - LINK_JOB_HEADER_SIZE)
#define TEXT_MAX           65536u
#define QUANTITY_SCALE_MAX 6u /* micrograms of a kilogram; more no scale of a shop weighs */

struct kkt_receipt {
    struct refusal fault; /* the first; code 0: none */
    uint8_t kind, tax_system;
    bool electronically, total_stated;
    uint16_t item_count;
    size_t last_item; /* offset of its header in items */
    uint64_t items_kop, total_kop;
    uint64_t paid_kop[PAYMENT_COUNT];
    struct byte_writer extra, items, body;
    uint8_t extra_bytes[BODY_MAX], item_bytes[BODY_MAX], body_bytes[BODY_MAX];
};

kkt_receipt *kkt_receipt_new(enum kkt_kind kind)
{
    kkt_receipt *receipt = calloc(1, sizeof *receipt);
    if (receipt == NULL)
        return NULL;
    receipt->kind = (uint8_t)kind;
    byte_writer_init(&receipt->extra, receipt->extra_bytes, sizeof receipt->extra_bytes);
    byte_writer_init(&receipt->items, receipt->item_bytes, sizeof receipt->item_bytes);
    return receipt;
}

void kkt_receipt_free(kkt_receipt *receipt)
{
    free(receipt);
}

static int fail(kkt_receipt *receipt, int code, uint16_t tag, uint16_t item, uint64_t expected)
{
    if (receipt == NULL)
        return ERROR_INTERNAL; /* kkt_receipt_new was out of memory */
    if (receipt->fault.code == ERROR_NONE)
        receipt->fault = (struct refusal){
            .code = (uint16_t)code, .tag = tag, .item = item, .expected = expected};
    return receipt->fault.code;
}

static bool broken(const kkt_receipt *receipt)
{
    return receipt == NULL || receipt->fault.code != ERROR_NONE;
}

static int first_fault(kkt_receipt *receipt)
{
    return fail(receipt, ERROR_NONE, 0, 0, 0);
}

/* 0, or the code of what is wrong with the text of a sum. */
static int parse_sum(const char *text, uint64_t *kop)
{
    bool too_precise = false;
    if (text == NULL)
        return ERROR_FIELD_MISSING;
    if (!money_parse(text, strlen(text), kop, &too_precise))
        return too_precise ? ERROR_AMOUNT_PRECISION : ERROR_FIELD_VALUE;
    return *kop <= RECEIPT_TOTAL_MAX ? ERROR_NONE : ERROR_FIELD_VALUE;
}

/* Appends a string tag as CP866. */
static int put_text(kkt_receipt *receipt, struct byte_writer *writer, uint16_t tag, uint16_t item,
                    const char *text)
{
    const struct tag_info *info = tag_info_find(tag);
    uint8_t bytes[512];
    if (text == NULL)
        return fail(receipt, ERROR_FIELD_MISSING, tag, item, 0);
    if (info == NULL || info->type != TAG_TYPE_STRING || info->max_length > sizeof bytes)
        return fail(receipt, ERROR_FIELD_TYPE, tag, item, 0);
    size_t size = strnlen(text, TEXT_MAX);
    int length = cp866_from_utf8(text, size, bytes, sizeof bytes, NULL);
    if (length < 0)
        return fail(receipt, ERROR_TEXT_ENCODING, tag, item, 0);
    if (length > info->max_length)
        return fail(receipt, ERROR_FIELD_LENGTH, tag, item, info->max_length);
    if (info->fixed)
        tlv_put_padded(writer, tag, bytes, (size_t)length, info->max_length);
    else
        tlv_put_bytes(writer, tag, bytes, (size_t)length);
    if (!byte_writer_ok(writer))
        return fail(receipt, ERROR_TOO_LARGE, item > 0 ? TAG_ITEM : tag, item, RECEIPT_TLV_MAX);
    return first_fault(receipt);
}

static int put_raw(kkt_receipt *receipt, struct byte_writer *writer, uint16_t tag, uint16_t item,
                   const void *value, size_t size)
{
    if (value == NULL && size > 0)
        return fail(receipt, ERROR_FIELD_MISSING, tag, item, 0);
    if (size > UINT16_MAX || size > BODY_MAX)
        return fail(receipt, ERROR_TOO_LARGE, item > 0 ? TAG_ITEM : tag, item, RECEIPT_TLV_MAX);
    tlv_put_bytes(writer, tag, size > 0 ? value : "", size);
    if (!byte_writer_ok(writer))
        return fail(receipt, ERROR_TOO_LARGE, item > 0 ? TAG_ITEM : tag, item, RECEIPT_TLV_MAX);
    return first_fault(receipt);
}

int kkt_receipt_cashier(kkt_receipt *receipt, const char *name, const char *inn)
{
    if (broken(receipt))
        return first_fault(receipt);
    int result = put_text(receipt, &receipt->extra, TAG_CASHIER, 0, name);
    if (result == ERROR_NONE && inn != NULL && inn[0] != '\0')
        result = put_text(receipt, &receipt->extra, TAG_CASHIER_INN, 0, inn);
    return result;
}

int kkt_receipt_tax_system(kkt_receipt *receipt, enum kkt_tax_system system)
{
    if (broken(receipt))
        return first_fault(receipt);
    unsigned bits = (unsigned)system;
    if (bits == 0 || (bits & (bits - 1)) != 0 || (bits & ~TAX_SYSTEM_BITS) != 0)
        return fail(receipt, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, 0, 0);
    receipt->tax_system = (uint8_t)bits;
    return KKT_OK;
}

int kkt_receipt_buyer_contact(kkt_receipt *receipt, const char *phone_or_email)
{
    if (broken(receipt))
        return first_fault(receipt);
    return put_text(receipt, &receipt->extra, TAG_BUYER_CONTACT, 0, phone_or_email);
}

int kkt_receipt_electronically(kkt_receipt *receipt)
{
    if (broken(receipt))
        return first_fault(receipt);
    receipt->electronically = true;
    return KKT_OK;
}

static int put_item(kkt_receipt *receipt, const char *name, uint64_t price_kop,
                    struct decimal quantity, uint64_t sum_kop, const uint8_t codes[3])
{
    struct byte_writer *items = &receipt->items;
    size_t mark = tlv_begin(items, TAG_ITEM);
    int result = put_text(receipt, items, TAG_ITEM_NAME, receipt->item_count, name);
    if (result != ERROR_NONE)
        return result;
    tlv_put_vln(items, TAG_ITEM_PRICE, price_kop);
    tlv_put_fvln(items, TAG_ITEM_QUANTITY, quantity);
    tlv_put_vln(items, TAG_ITEM_SUM, sum_kop);
    tlv_put_u8(items, TAG_VAT_RATE, codes[0]);
    tlv_put_u8(items, TAG_ITEM_PAYMENT_METHOD, codes[1]);
    tlv_put_u8(items, TAG_ITEM_SUBJECT, codes[2]);
    if (!byte_writer_ok(items))
        return fail(receipt, ERROR_TOO_LARGE, TAG_ITEM, receipt->item_count, RECEIPT_TLV_MAX);
    tlv_end(items, mark);
    return ERROR_NONE;
}

int kkt_receipt_item_sum(kkt_receipt *receipt, const char *name, const char *price,
                         const char *quantity, const char *sum, enum kkt_vat vat,
                         enum kkt_method method, enum kkt_subject subject)
{
    if (broken(receipt))
        return first_fault(receipt);
    if (receipt->item_count == UINT16_MAX)
        return fail(receipt, ERROR_TOO_LARGE, TAG_ITEM, 0, 0);
    uint16_t item = ++receipt->item_count;
    uint64_t price_kop = 0, sum_kop = 0;
    struct decimal amount;
    int wrong = parse_sum(price, &price_kop);
    if (wrong != ERROR_NONE)
        return fail(receipt, wrong, TAG_ITEM_PRICE, item, 0);
    if (quantity == NULL)
        return fail(receipt, ERROR_FIELD_MISSING, TAG_ITEM_QUANTITY, item, 0);
    if (!decimal_parse(quantity, strlen(quantity), QUANTITY_SCALE_MAX, &amount))
        return fail(receipt, ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, item, 0);
    if (sum != NULL)
        wrong = parse_sum(sum, &sum_kop);
    else if (!item_cost(price_kop, amount, &sum_kop))
        wrong = ERROR_FIELD_VALUE;
    if (wrong != ERROR_NONE)
        return fail(receipt, wrong, TAG_ITEM_SUM, item, 0);
    if ((unsigned)vat > UINT8_MAX)
        return fail(receipt, ERROR_VAT_RATE, TAG_VAT_RATE, item, 0);
    if ((unsigned)method > UINT8_MAX)
        return fail(receipt, ERROR_FIELD_VALUE, TAG_ITEM_PAYMENT_METHOD, item, 0);
    if ((unsigned)subject > UINT8_MAX)
        return fail(receipt, ERROR_FIELD_VALUE, TAG_ITEM_SUBJECT, item, 0);
    receipt->last_item = receipt->items.length;
    receipt->items_kop += sum_kop; /* at most 2^16 items of 2^40 */
    uint8_t codes[3] = {(uint8_t)vat, (uint8_t)method, (uint8_t)subject};
    return put_item(receipt, name, price_kop, amount, sum_kop, codes);
}

int kkt_receipt_item(kkt_receipt *receipt, const char *name, const char *price,
                     const char *quantity, enum kkt_vat vat, enum kkt_method method,
                     enum kkt_subject subject)
{
    return kkt_receipt_item_sum(receipt, name, price, quantity, NULL, vat, method, subject);
}

/* The last item lies at the end of the buffer, so it can grow; its length is mended afterwards. */
static int grew_item(kkt_receipt *receipt, uint16_t tag, int result)
{
    size_t length = receipt->items.length - receipt->last_item - TLV_HEADER_SIZE;
    if (result != ERROR_NONE)
        return result;
    if (length > UINT16_MAX)
        return fail(receipt, ERROR_TOO_LARGE, tag, receipt->item_count, ITEM_TLV_MAX);
    patch_u16le(&receipt->items, receipt->last_item + 2, (uint16_t)length);
    return KKT_OK;
}

int kkt_receipt_item_tag(kkt_receipt *receipt, uint16_t tag, const void *value, size_t size)
{
    if (broken(receipt))
        return first_fault(receipt);
    if (receipt->item_count == 0)
        return fail(receipt, ERROR_NO_ITEMS, tag, 0, 0);
    return grew_item(receipt, tag,
                     put_raw(receipt, &receipt->items, tag, receipt->item_count, value, size));
}

int kkt_receipt_item_text(kkt_receipt *receipt, uint16_t tag, const char *text)
{
    if (broken(receipt))
        return first_fault(receipt);
    if (receipt->item_count == 0)
        return fail(receipt, ERROR_NO_ITEMS, tag, 0, 0);
    return grew_item(receipt, tag,
                     put_text(receipt, &receipt->items, tag, receipt->item_count, text));
}

int kkt_receipt_tag(kkt_receipt *receipt, uint16_t tag, const void *value, size_t size)
{
    if (broken(receipt))
        return first_fault(receipt);
    return put_raw(receipt, &receipt->extra, tag, 0, value, size);
}

int kkt_receipt_text(kkt_receipt *receipt, uint16_t tag, const char *text)
{
    if (broken(receipt))
        return first_fault(receipt);
    return put_text(receipt, &receipt->extra, tag, 0, text);
}

int kkt_receipt_pay(kkt_receipt *receipt, enum kkt_payment payment, const char *sum)
{
    if (broken(receipt))
        return first_fault(receipt);
    uint16_t tag = payment_tag((unsigned)payment);
    if (tag == 0)
        return fail(receipt, ERROR_FIELD_VALUE, 0, 0, 0);
    uint64_t kop = 0;
    int wrong = parse_sum(sum, &kop);
    if (wrong == ERROR_NONE && receipt->paid_kop[payment] + kop > RECEIPT_TOTAL_MAX)
        wrong = ERROR_FIELD_VALUE;
    if (wrong != ERROR_NONE)
        return fail(receipt, wrong, tag, 0, 0);
    receipt->paid_kop[payment] += kop;
    return KKT_OK;
}

int kkt_receipt_total(kkt_receipt *receipt, const char *sum)
{
    if (broken(receipt))
        return first_fault(receipt);
    int wrong = parse_sum(sum, &receipt->total_kop);
    if (wrong != ERROR_NONE)
        return fail(receipt, wrong, TAG_RECEIPT_TOTAL, 0, 0);
    receipt->total_stated = true;
    return KKT_OK;
}

/* Cash is written net, as the law wants it (1031 = what stays in the drawer); what the buyer gave
 * goes beside it when it is more. */
static void put_payments(const kkt_receipt *receipt, struct byte_writer *body)
{
    uint64_t due_kop = receipt->total_stated ? receipt->total_kop : receipt->items_kop;
    uint64_t others_kop = 0;
    for (unsigned i = PAYMENT_CASH + 1; i < PAYMENT_COUNT; i++)
        others_kop += receipt->paid_kop[i];
    uint64_t tendered_kop = receipt->paid_kop[PAYMENT_CASH];
    uint64_t cash_due_kop = others_kop < due_kop ? due_kop - others_kop : 0;
    uint64_t cash_kop = tendered_kop < cash_due_kop ? tendered_kop : cash_due_kop;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++) {
        uint64_t kop = i == PAYMENT_CASH ? cash_kop : receipt->paid_kop[i];
        if (kop > 0)
            tlv_put_vln(body, payment_tag(i), kop);
    }
    if (tendered_kop > cash_kop)
        tlv_put_vln(body, TAG_CASH_TENDERED, tendered_kop);
}

int kkt_receipt_encode(kkt_receipt *receipt, const uint8_t **tlv, size_t *size, kkt_error *error)
{
    *tlv = NULL;
    *size = 0;
    if (receipt == NULL)
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    if (receipt->fault.code != ERROR_NONE)
        return fault_refusal(error, &receipt->fault);
    struct byte_writer *body = &receipt->body;
    byte_writer_init(body, receipt->body_bytes, sizeof receipt->body_bytes);
    tlv_put_u8(body, TAG_SETTLEMENT_KIND, receipt->kind);
    if (receipt->tax_system != 0)
        tlv_put_u8(body, TAG_TAX_SYSTEM, receipt->tax_system);
    put_bytes(body, receipt->extra_bytes, receipt->extra.length);
    put_bytes(body, receipt->item_bytes, receipt->items.length);
    if (receipt->total_stated && receipt->total_kop != receipt->items_kop)
        tlv_put_vln(body, TAG_RECEIPT_TOTAL, receipt->total_kop);
    put_payments(receipt, body);
    if (receipt->electronically)
        tlv_put_u8(body, TAG_ELECTRONICALLY, 1);
    struct refusal why = {.code = ERROR_TOO_LARGE, .expected = RECEIPT_TLV_MAX};
    /* The board knows its registration and who stands at the till; the driver checks what holds
     * anywhere. */
    struct receipt_rules rules = {0};
    struct receipt_summary summary;
    if (!byte_writer_ok(body) ||
        !receipt_check(receipt->body_bytes, body->length, &rules, &summary, &why))
        return fault_refusal(error, &why);
    *tlv = receipt->body_bytes;
    *size = body->length;
    return fault_none(error);
}
