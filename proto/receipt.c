#include "proto/receipt.h"

#include <assert.h>
#include <string.h>

#include "proto/money.h"
#include "proto/tag_check.h"

static bool refuse(struct refusal *why, uint16_t code, uint16_t tag, uint64_t expected)
{
    why->code = code;
    why->tag = tag;
    why->expected = expected;
    return false;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

uint16_t payment_tag(unsigned payment)
{
    static const uint16_t tags[PAYMENT_COUNT] = {TAG_PAID_CASH, TAG_PAID_ELECTRONIC,
                                                 TAG_PAID_PREPAID, TAG_PAID_CREDIT, TAG_PAID_OTHER};
    return payment < PAYMENT_COUNT ? tags[payment] : 0;
}

/* Tax in a gross price as a fraction of it; tag of the receipt's total, 0 for those inside 1115. */
struct rate {
    uint8_t numerator;
    uint8_t denominator;
    uint16_t total_tag;
};

static const struct rate *rate_find(uint8_t rate)
{
    static const struct rate rates[VAT_RATE_COUNT] = {
        [VAT_RATE_20] = {20, 120, TAG_VAT_20},
        [VAT_RATE_10] = {10, 110, TAG_VAT_10},
        [VAT_RATE_20_120] = {20, 120, TAG_VAT_20_120},
        [VAT_RATE_10_110] = {10, 110, TAG_VAT_10_110},
        [VAT_RATE_0] = {0, 0, TAG_TURNOVER_0},
        [VAT_RATE_NONE] = {0, 0, TAG_TURNOVER_NO_VAT},
        [VAT_RATE_5] = {5, 105, 0},
        [VAT_RATE_7] = {7, 107, 0},
        [VAT_RATE_5_105] = {5, 105, 0},
        [VAT_RATE_7_107] = {7, 107, 0},
        [VAT_RATE_22] = {22, 122, 0},
        [VAT_RATE_22_122] = {22, 122, 0},
    };
    return rate >= 1 && rate < VAT_RATE_COUNT ? &rates[rate] : NULL;
}

uint64_t vat_contained(uint64_t gross_kop, uint8_t rate)
{
    const struct rate *fraction = rate_find(rate);
    if (fraction == NULL || fraction->denominator == 0)
        return gross_kop;
    /* Whole denominators first, so that no product leaves 64 bits whatever the sum is. */
    uint64_t whole = gross_kop / fraction->denominator;
    uint64_t rest = gross_kop % fraction->denominator;
    uint64_t half_up = 2 * rest * fraction->numerator + fraction->denominator;
    return whole * fraction->numerator + half_up / (2u * fraction->denominator);
}

/* An unsigned number of 128 bits; no compiler for a 32-bit microcontroller has one. */
struct wide {
    uint64_t high, low;
};

static struct wide wide_multiply(uint64_t a, uint64_t b)
{
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t cross = a_high * b_low + (low >> 32); /* cannot overflow: (2^32-1)^2 + 2^32-1 < 2^64 */
    uint64_t other = a_low * b_high + (cross & UINT32_MAX);
    struct wide product = {a_high * b_high + (cross >> 32) + (other >> 32),
                           other << 32 | (low & UINT32_MAX)};
    return product;
}

static struct wide wide_tenth(struct wide value)
{
    uint64_t carry = value.high % 10 << 32 | value.low >> 32;
    uint64_t last = carry % 10 << 32 | (value.low & UINT32_MAX);
    struct wide tenth = {value.high / 10, (carry / 10) << 32 | last / 10};
    return tenth;
}

bool item_cost(uint64_t price_kop, struct decimal quantity, uint64_t *cost_kop)
{
    struct wide cost = wide_multiply(price_kop, quantity.mantissa);
    /* Only the first digit dropped decides on rounding half up: it is the last one left here. */
    for (unsigned dropped = 1; dropped < quantity.scale; dropped++)
        cost = wide_tenth(cost);
    if (quantity.scale > 0) {
        bool up = false;
        struct wide tenth = wide_tenth(cost);
        up = cost.low - tenth.low * 10 >= 5; /* modulo 2^64, exact: the true difference is 0..9 */
        cost = tenth;
        if (up && ++cost.low == 0)
            cost.high++;
    }
    if (cost.high != 0 || cost.low > RECEIPT_TOTAL_MAX)
        return false;
    *cost_kop = cost.low;
    return true;
}

/* What an item says, as far as the rules look at it. */
struct item {
    uint64_t price_kop, sum_kop, vat_kop;
    struct decimal quantity;
    uint8_t rate, method;
    bool has_name, has_price, has_quantity, has_sum, has_vat;
    bool has_agent, has_supplier_inn, has_agent_data;
    struct tlv fraction; /* 1291; value NULL when absent */
};

static bool name_says_something(const struct tlv *name)
{
    for (size_t i = 0; i < name->length; i++)
        if (name->value[i] != ' ')
            return true;
    return false;
}

/* The form of every value was checked before, so a getter that fails is a defect of ours. */
static void item_take(struct item *item, const struct tlv *tlv)
{
    bool got = true;
    switch (tlv->tag) {
    case TAG_ITEM_NAME:
        item->has_name = name_says_something(tlv);
        break;
    case TAG_ITEM_PRICE:
        item->has_price = got = tlv_get_vln(tlv, &item->price_kop);
        break;
    case TAG_ITEM_QUANTITY:
        item->has_quantity = got = tlv_get_fvln(tlv, &item->quantity);
        break;
    case TAG_ITEM_SUM:
        item->has_sum = got = tlv_get_vln(tlv, &item->sum_kop);
        break;
    case TAG_ITEM_VAT_SUM:
        item->has_vat = got = tlv_get_vln(tlv, &item->vat_kop);
        break;
    case TAG_VAT_RATE:
        got = tlv_get_u8(tlv, &item->rate);
        break;
    case TAG_ITEM_PAYMENT_METHOD:
        got = tlv_get_u8(tlv, &item->method);
        break;
    case TAG_ITEM_AGENT_FLAG:
        item->has_agent = true;
        break;
    case TAG_SUPPLIER_INN:
        item->has_supplier_inn = true;
        break;
    case TAG_AGENT_DATA:
        item->has_agent_data = true;
        break;
    case TAG_FRACTIONAL_QUANTITY:
        item->fraction = *tlv;
        break;
    default:
        break;
    }
    assert(got);
    (void)got;
}

static uint16_t item_missing_tag(const struct item *item)
{
    if (!item->has_name)
        return TAG_ITEM_NAME;
    if (!item->has_price)
        return TAG_ITEM_PRICE;
    if (!item->has_quantity)
        return TAG_ITEM_QUANTITY;
    if (!item->has_sum)
        return TAG_ITEM_SUM;
    return item->rate == 0 ? TAG_VAT_RATE : 0;
}

/* Part of a marked unit: the numerator is less than the denominator and the quantity is 1. */
static bool fraction_check(const struct item *item, struct refusal *why)
{
    uint64_t numerator, denominator;
    const struct tlv *fraction = &item->fraction;
    if (fraction->value == NULL)
        return true;
    if (!tlv_find_vln(fraction->value, fraction->length, TAG_NUMERATOR, &numerator))
        return refuse(why, ERROR_FIELD_MISSING, TAG_NUMERATOR, 0);
    if (!tlv_find_vln(fraction->value, fraction->length, TAG_DENOMINATOR, &denominator))
        return refuse(why, ERROR_FIELD_MISSING, TAG_DENOMINATOR, 0);
    if (numerator == 0 || numerator >= denominator)
        return refuse(why, ERROR_FIELD_VALUE, TAG_NUMERATOR, 0);
    struct decimal quantity = item->quantity;
    for (; quantity.scale > 0 && quantity.mantissa % 10 == 0; quantity.scale--)
        quantity.mantissa /= 10;
    if (quantity.scale != 0 || quantity.mantissa != 1)
        return refuse(why, ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 1);
    return true;
}

/* 1222 and 1226 go together; in 1.05 and 1.1 a 1057 of the whole receipt may stand for the 1222. */
static bool item_agent_check(const struct item *item, bool receipt_has_agent, struct refusal *why)
{
    bool agent = item->has_agent || receipt_has_agent;
    if (item->has_agent && !item->has_supplier_inn)
        return refuse(why, ERROR_FIELD_MISSING, TAG_SUPPLIER_INN, 0);
    if ((item->has_supplier_inn || item->has_agent_data) && !agent)
        return refuse(why, ERROR_FIELD_MISSING, TAG_ITEM_AGENT_FLAG, 0);
    return true;
}

static bool item_check(const struct item *item, bool receipt_has_agent, struct refusal *why)
{
    uint64_t cost;
    uint16_t missing = item_missing_tag(item);
    if (missing != 0)
        return refuse(why, ERROR_FIELD_MISSING, missing, 0);
    if (!item_cost(item->price_kop, item->quantity, &cost))
        return refuse(why, ERROR_FIELD_VALUE, TAG_ITEM_PRICE, 0);
    if (distance(item->sum_kop, cost) > 1)
        return refuse(why, ERROR_ITEM_SUM, TAG_ITEM_SUM, cost);
    if (item->has_vat) {
        const struct rate *rate = rate_find(item->rate);
        uint64_t vat = rate->denominator == 0 ? 0 : vat_contained(item->sum_kop, item->rate);
        if (distance(item->vat_kop, vat) > 1)
            return refuse(why, ERROR_VAT_SUM, TAG_ITEM_VAT_SUM, vat);
    }
    return item_agent_check(item, receipt_has_agent, why) && fraction_check(item, why);
}

/* What stands at the top level besides the items, as far as the rules look at it. */
struct receipt {
    bool has_kind, has_total, has_tendered;
    bool has_agent, has_agent_details, internet;
    uint64_t total_kop;
    uint16_t credit_payments; /* items with 1214 = 7 */
    uint16_t credit_payment_item;
    size_t fiscal_bytes; /* of what goes to the fiscal module */
};

static void receipt_take(struct receipt *receipt, struct receipt_summary *summary,
                         const struct tlv *tlv)
{
    uint8_t flag = 0;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        if (tlv->tag == payment_tag(i))
            (void)tlv_get_vln(tlv, &summary->paid_kop[i]);
    switch (tlv->tag) {
    case TAG_SETTLEMENT_KIND:
        receipt->has_kind = tlv_get_u8(tlv, &summary->kind);
        return;
    case TAG_RECEIPT_TOTAL:
        receipt->has_total = tlv_get_vln(tlv, &receipt->total_kop);
        return;
    case TAG_TAX_SYSTEM:
        (void)tlv_get_u8(tlv, &summary->tax_system);
        break;
    case TAG_CASHIER:
        summary->has_cashier = name_says_something(tlv);
        break;
    case TAG_BUYER_CONTACT:
        summary->has_contact = true;
        break;
    case TAG_INTERNET_SETTLEMENT:
        receipt->internet = true;
        break;
    case TAG_AGENT_FLAGS:
        receipt->has_agent = true;
        break;
    case TAG_PAYMENT_AGENT_PHONE:
    case TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE:
    case TAG_TRANSFER_OPERATOR_PHONE:
    case TAG_TRANSFER_OPERATOR_ADDRESS:
    case TAG_TRANSFER_OPERATOR_INN:
    case TAG_TRANSFER_OPERATOR_NAME:
    case TAG_BANK_PAYMENT_AGENT_OPERATION:
        receipt->has_agent_details = true;
        break;
    case TAG_CASH_TENDERED:
        receipt->has_tendered = tlv_get_vln(tlv, &summary->tendered_kop);
        break;
    case TAG_ELECTRONICALLY:
        (void)tlv_get_u8(tlv, &flag);
        summary->electronically = flag == 1;
        break;
    default:
        break;
    }
    if (tlv->tag < TAG_PRIVATE_FIRST)
        receipt->fiscal_bytes += TLV_HEADER_SIZE + (size_t)tlv->length;
}

static bool item_add(struct receipt *receipt, struct receipt_summary *summary,
                     const struct tlv *tlv, struct refusal *why)
{
    struct tlv_reader reader;
    struct tlv inner;
    struct item item = {0};
    why->item = ++summary->items;
    tlv_reader_init(&reader, tlv->value, tlv->length);
    while (tlv_next(&reader, &inner) == 1)
        item_take(&item, &inner);
    if (!item_check(&item, receipt->has_agent, why))
        return false;
    if (item.method == PAYMENT_METHOD_CREDIT_PAYMENT && receipt->credit_payments++ == 0)
        receipt->credit_payment_item = summary->items;
    summary->items_kop += item.sum_kop;
    summary->turnover_kop[item.rate] += item.sum_kop;
    summary->rates_used |= (uint16_t)(1u << item.rate);
    if (summary->items_kop > RECEIPT_TOTAL_MAX)
        return refuse(why, ERROR_TOTAL_SUM, TAG_RECEIPT_TOTAL, RECEIPT_TOTAL_MAX);
    why->item = 0;
    return true;
}

static bool items_check(const uint8_t *tlv, size_t size, struct receipt *receipt,
                        struct receipt_summary *summary, struct refusal *why)
{
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1)
        if (element.tag == TAG_ITEM && !item_add(receipt, summary, &element, why))
            return false;
    if (summary->items == 0)
        return refuse(why, ERROR_NO_ITEMS, TAG_ITEM, 0);
    for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++)
        summary->vat_kop[rate] = vat_contained(summary->turnover_kop[rate], rate);
    if (receipt->credit_payments > 0 && summary->items > 1) {
        why->item = receipt->credit_payment_item;
        return refuse(why, ERROR_CREDIT_PAYMENT_ALONE, TAG_ITEM_PAYMENT_METHOD, 0);
    }
    return true;
}

static bool total_check(const struct receipt *receipt, struct receipt_summary *summary,
                        struct refusal *why)
{
    summary->total_kop = receipt->has_total ? receipt->total_kop : summary->items_kop;
    if (summary->total_kop > summary->items_kop ||
        summary->total_kop / 100 != summary->items_kop / 100)
        return refuse(why, ERROR_TOTAL_SUM, TAG_RECEIPT_TOTAL, summary->items_kop);
    return true;
}

/* The non-cash payment a buyer would have to lower, for the refusal. */
static uint16_t largest_other_payment(const struct receipt_summary *summary)
{
    unsigned largest = PAYMENT_ELECTRONIC;
    for (unsigned i = PAYMENT_ELECTRONIC; i < PAYMENT_COUNT; i++)
        if (summary->paid_kop[i] > summary->paid_kop[largest])
            largest = i;
    return payment_tag(largest);
}

static bool payments_check(const struct receipt *receipt, struct receipt_summary *summary,
                           struct refusal *why)
{
    uint64_t cash = summary->paid_kop[PAYMENT_CASH];
    uint64_t others = 0;
    for (unsigned i = PAYMENT_ELECTRONIC; i < PAYMENT_COUNT; i++)
        others += summary->paid_kop[i]; /* four numbers of 48 bits at most */
    if (others > summary->total_kop)
        return refuse(why, ERROR_PAYMENT_EXCESS, largest_other_payment(summary),
                      others - summary->total_kop);
    uint64_t left = summary->total_kop - others;
    if (cash > left)
        return refuse(why, ERROR_PAYMENT_EXCESS, TAG_PAID_CASH, cash - left);
    if (cash < left)
        return refuse(why, ERROR_PAYMENT_SHORT, cash > 0 ? TAG_PAID_CASH : TAG_RECEIPT_TOTAL,
                      left - cash);
    if (!receipt->has_tendered)
        summary->tendered_kop = cash;
    if (summary->tendered_kop < cash)
        return refuse(why, ERROR_FIELD_VALUE, TAG_CASH_TENDERED, cash);
    if (cash == 0 && summary->tendered_kop > 0)
        return refuse(why, ERROR_PAYMENT_EXCESS, TAG_CASH_TENDERED, summary->tendered_kop);
    return true;
}

static bool vat_total_check(const struct receipt_summary *summary, uint8_t rate, uint16_t tag,
                            uint64_t stated, struct refusal *why)
{
    uint64_t computed = summary->vat_kop[rate];
    if (distance(stated, computed) > summary->items)
        return refuse(why, ERROR_VAT_SUM, tag, computed);
    return true;
}

/* 1115 { 1119 { 1120 sum, 1199 rate } ... }: the rates of 2025 and later, each once. */
static bool vat_sums_check(const struct tlv *sums, const struct receipt_summary *summary,
                           struct refusal *why)
{
    struct tlv_reader reader;
    struct tlv one;
    unsigned stated_rates = 0;
    tlv_reader_init(&reader, sums->value, sums->length);
    while (tlv_next(&reader, &one) == 1) {
        uint8_t rate;
        uint64_t stated;
        if (!tlv_find_u8(one.value, one.length, TAG_VAT_RATE, &rate))
            return refuse(why, ERROR_FIELD_MISSING, TAG_VAT_RATE, 0);
        if (!tlv_find_vln(one.value, one.length, TAG_VAT_SUM_VALUE, &stated))
            return refuse(why, ERROR_FIELD_MISSING, TAG_VAT_SUM_VALUE, 0);
        if (rate_find(rate)->total_tag != 0) /* the dictionary knows the rate */
            return refuse(why, ERROR_VAT_RATE, TAG_VAT_SUM, 0);
        if ((stated_rates >> rate & 1) != 0)
            return refuse(why, ERROR_FIELD_REPEATED, TAG_VAT_SUM, 0);
        stated_rates |= 1u << rate;
        if (!vat_total_check(summary, rate, TAG_VAT_SUMS, stated, why))
            return false;
    }
    for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++)
        if (rate_find(rate)->total_tag == 0 && (stated_rates >> rate & 1) == 0 &&
            !vat_total_check(summary, rate, TAG_VAT_SUMS, 0, why))
            return false;
    return true;
}

static bool vat_totals_check(const uint8_t *tlv, size_t size, const struct receipt_summary *summary,
                             struct refusal *why)
{
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1) {
        uint64_t stated = 0;
        (void)tlv_get_vln(&element, &stated); /* means something for the totals only */
        if (element.tag == TAG_VAT_SUMS && !vat_sums_check(&element, summary, why))
            return false;
        for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++)
            if (element.tag == rate_find(rate)->total_tag &&
                !vat_total_check(summary, rate, element.tag, stated, why))
                return false;
    }
    return true;
}

static bool rest_check(const struct receipt *receipt, const struct receipt_rules *rules,
                       const struct receipt_summary *summary, struct refusal *why)
{
    uint8_t systems = rules->tax_systems;
    if (systems != 0 && summary->tax_system != 0 && (summary->tax_system & systems) == 0)
        return refuse(why, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, systems);
    if (summary->tax_system == 0 && (systems & (systems - 1)) != 0)
        return refuse(why, ERROR_FIELD_MISSING, TAG_TAX_SYSTEM, systems);
    if (rules->cashier_required && !rules->cashier_known && !summary->has_cashier)
        return refuse(why, ERROR_CASHIER_MISSING, TAG_CASHIER, 0);
    if ((summary->electronically || receipt->internet) && !summary->has_contact)
        return refuse(why, ERROR_CONTACT, TAG_BUYER_CONTACT, 0);
    if (receipt->has_agent_details && !receipt->has_agent)
        return refuse(why, ERROR_FIELD_MISSING, TAG_AGENT_FLAGS, 0);
    return true;
}

bool receipt_check(const uint8_t *tlv, size_t size, const struct receipt_rules *rules,
                   struct receipt_summary *summary, struct refusal *why)
{
    struct receipt receipt = {0};
    struct tlv_reader reader;
    struct tlv element;
    memset(summary, 0, sizeof *summary);
    if (!tlv_check_receipt(tlv, size, rules->ffd, why))
        return false;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1)
        receipt_take(&receipt, summary, &element);
    if (!receipt.has_kind)
        return refuse(why, ERROR_FIELD_MISSING, TAG_SETTLEMENT_KIND, 0);
    if (!items_check(tlv, size, &receipt, summary, why) || !total_check(&receipt, summary, why) ||
        !payments_check(&receipt, summary, why) || !vat_totals_check(tlv, size, summary, why) ||
        !rest_check(&receipt, rules, summary, why))
        return false;
    struct byte_writer measure;
    byte_writer_init(&measure, NULL, 0);
    receipt_complete(&measure, tlv, size, summary);
    if (receipt.fiscal_bytes + measure.length > RECEIPT_TLV_MAX)
        return refuse(why, ERROR_TOO_LARGE, 0, RECEIPT_TLV_MAX);
    return true;
}

static bool present(const uint8_t *tlv, size_t size, uint16_t tag)
{
    struct tlv found;
    return tlv_find(tlv, size, tag, &found) == 1;
}

static bool rate_used(const struct receipt_summary *summary, uint8_t rate)
{
    return (summary->rates_used >> rate & 1) != 0;
}

static void put_vat_sums(struct byte_writer *writer, const struct receipt_summary *summary)
{
    size_t sums = 0;
    bool opened = false;
    for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++) {
        if (rate_find(rate)->total_tag != 0 || !rate_used(summary, rate))
            continue;
        if (!opened)
            sums = tlv_begin(writer, TAG_VAT_SUMS);
        opened = true;
        size_t one = tlv_begin(writer, TAG_VAT_SUM);
        tlv_put_vln(writer, TAG_VAT_SUM_VALUE, summary->vat_kop[rate]);
        tlv_put_u8(writer, TAG_VAT_RATE, rate);
        tlv_end(writer, one);
    }
    if (opened)
        tlv_end(writer, sums);
}

void receipt_complete(struct byte_writer *writer, const uint8_t *tlv, size_t size,
                      const struct receipt_summary *summary)
{
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        if (!present(tlv, size, payment_tag(i)))
            tlv_put_vln(writer, payment_tag(i), summary->paid_kop[i]);
    for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++) {
        uint16_t tag = rate_find(rate)->total_tag;
        if (tag != 0 && rate_used(summary, rate) && !present(tlv, size, tag))
            tlv_put_vln(writer, tag, summary->vat_kop[rate]);
    }
    if (!present(tlv, size, TAG_VAT_SUMS))
        put_vat_sums(writer, summary);
}

static void put_text(struct byte_writer *writer, const char *text)
{
    put_bytes(writer, text, strlen(text));
}

static void put_decimal(struct byte_writer *writer, uint32_t value, unsigned digits_min)
{
    char digits[10];
    unsigned count = 0;
    for (; value != 0 || count < digits_min; value /= 10)
        digits[count++] = (char)('0' + value % 10);
    while (count > 0)
        put_u8(writer, (uint8_t)digits[--count]);
}

size_t receipt_qr(char *out, size_t capacity, unix_s time, uint64_t total_kop,
                  const char fn_number[16], uint32_t document, uint32_t fiscal_sign, uint8_t kind)
{
    struct byte_writer writer;
    struct civil_time civil;
    char total[MONEY_TEXT_SIZE];
    size_t fn_length = 0;
    while (fn_length < 16 && fn_number[fn_length] != 0 && fn_number[fn_length] != ' ')
        fn_length++;
    civil_from_unix(time, &civil);
    money_format(total_kop, total, sizeof total);
    byte_writer_init(&writer, (uint8_t *)out, capacity);
    put_text(&writer, "t=");
    put_decimal(&writer, civil.year, 4);
    put_decimal(&writer, civil.month, 2);
    put_decimal(&writer, civil.day, 2);
    put_text(&writer, "T");
    put_decimal(&writer, civil.hour, 2);
    put_decimal(&writer, civil.minute, 2);
    put_text(&writer, "&s=");
    put_text(&writer, total);
    put_text(&writer, "&fn=");
    put_bytes(&writer, fn_number, fn_length);
    put_text(&writer, "&i=");
    put_decimal(&writer, document, 1);
    put_text(&writer, "&fp=");
    put_decimal(&writer, fiscal_sign, 1);
    put_text(&writer, "&n=");
    put_decimal(&writer, kind, 1);
    put_u8(&writer, 0);
    return out != NULL && byte_writer_ok(&writer) ? writer.length - 1 : 0;
}
