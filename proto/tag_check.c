#include "proto/tag_check.h"

#include <assert.h>
#include <string.h>

/* Lists in which a tag may stand. */
enum place {
    PLACE_RECEIPT,
    PLACE_ITEM,
    PLACE_AGENT_DATA,
    PLACE_SUPPLIER_DATA,
    PLACE_USER_PROPERTY,
    PLACE_BUYER,
    PLACE_INDUSTRY_PROPERTY,
    PLACE_OPERATIONAL_PROPERTY,
    PLACE_FRACTION,
    PLACE_ITEM_CODE,
    PLACE_VAT_SUMS,
    PLACE_VAT_SUM,
    PLACE_PAYMENTS,
    PLACE_PAYMENT,
    PLACE_SLIP,
    PLACE_SLIP_TEXT,
    PLACE_ANYWHERE /* only the dictionary counts */
};

/* Formats in which it may stand there: bits of 1 << enum ffd_version. 1.0 is read like 1.05. */
#define OLD (1u << FFD_1_0 | 1u << FFD_1_05 | 1u << FFD_1_1)
#define NEW (1u << FFD_1_2)
#define ALL (OLD | NEW)

struct seat {
    uint8_t place;
    uint8_t formats;
    uint16_t tag;
};

/* Who may stand where in a receipt that comes from the shop (FFD, tables of the receipt, of item
 * 1059 and of the small structures). Ascending by place, then tag: it is searched by halves. */
static const struct seat seats[] = {
    {PLACE_RECEIPT, OLD, TAG_TRANSFER_OPERATOR_ADDRESS},
    {PLACE_RECEIPT, ALL, TAG_BUYER_CONTACT},
    {PLACE_RECEIPT, ALL, TAG_SETTLEMENT_ADDRESS},
    {PLACE_RECEIPT, ALL, TAG_TIME_ZONE},
    {PLACE_RECEIPT, OLD, TAG_TRANSFER_OPERATOR_INN},
    {PLACE_RECEIPT, ALL, TAG_RECEIPT_TOTAL},
    {PLACE_RECEIPT, ALL, TAG_CASHIER},
    {PLACE_RECEIPT, OLD, TAG_TRANSFER_OPERATOR_NAME},
    {PLACE_RECEIPT, ALL, TAG_PAID_CASH},
    {PLACE_RECEIPT, ALL, TAG_AUTOMAT_NUMBER},
    {PLACE_RECEIPT, OLD, TAG_BANK_PAYMENT_AGENT_OPERATION},
    {PLACE_RECEIPT, ALL, TAG_USER_NAME},
    {PLACE_RECEIPT, ALL, TAG_SETTLEMENT_KIND},
    {PLACE_RECEIPT, ALL, TAG_TAX_SYSTEM},
    {PLACE_RECEIPT, OLD, TAG_AGENT_FLAGS},
    {PLACE_RECEIPT, ALL, TAG_ITEM},
    {PLACE_RECEIPT, ALL, TAG_FNS_SITE},
    {PLACE_RECEIPT, OLD, TAG_PAYMENT_AGENT_PHONE},
    {PLACE_RECEIPT, OLD, TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE},
    {PLACE_RECEIPT, OLD, TAG_TRANSFER_OPERATOR_PHONE},
    {PLACE_RECEIPT, ALL, TAG_PAID_ELECTRONIC},
    {PLACE_RECEIPT, ALL, TAG_USER_PROPERTY},
    {PLACE_RECEIPT, ALL, TAG_VAT_20},
    {PLACE_RECEIPT, ALL, TAG_VAT_10},
    {PLACE_RECEIPT, ALL, TAG_TURNOVER_0},
    {PLACE_RECEIPT, ALL, TAG_TURNOVER_NO_VAT},
    {PLACE_RECEIPT, ALL, TAG_VAT_20_120},
    {PLACE_RECEIPT, ALL, TAG_VAT_10_110},
    {PLACE_RECEIPT, ALL, TAG_INTERNET_ONLY},
    {PLACE_RECEIPT, ALL, TAG_VAT_SUMS},
    {PLACE_RECEIPT, ALL, TAG_SENDER_EMAIL},
    {PLACE_RECEIPT, ALL, TAG_INTERNET_SETTLEMENT},
    {PLACE_RECEIPT, OLD, TAG_SUPPLIER_PHONE},
    {PLACE_RECEIPT, ALL, TAG_SETTLEMENT_PLACE},
    {PLACE_RECEIPT, ALL, TAG_RECEIPT_EXTRA},
    {PLACE_RECEIPT, ALL, TAG_CASHIER_INN},
    {PLACE_RECEIPT, ALL, TAG_PAID_PREPAID},
    {PLACE_RECEIPT, ALL, TAG_PAID_CREDIT},
    {PLACE_RECEIPT, ALL, TAG_PAID_OTHER},
    {PLACE_RECEIPT, OLD, TAG_BUYER_NAME},
    {PLACE_RECEIPT, OLD, TAG_BUYER_INN},
    {PLACE_RECEIPT, ALL, TAG_ELECTRONIC_PAYMENTS},
    {PLACE_RECEIPT, NEW, TAG_BUYER},
    {PLACE_RECEIPT, NEW, TAG_INDUSTRY_PROPERTY},
    {PLACE_RECEIPT, NEW, TAG_OPERATIONAL_PROPERTY},
    {PLACE_RECEIPT, NEW, TAG_MARKED_CHECK_RESULT},
    {PLACE_RECEIPT, ALL, TAG_SLIP_BEFORE},
    {PLACE_RECEIPT, ALL, TAG_SLIP_AFTER},
    {PLACE_RECEIPT, ALL, TAG_SLIP_ITEM_TEXT},
    {PLACE_RECEIPT, ALL, TAG_CASH_TENDERED},
    {PLACE_RECEIPT, ALL, TAG_ELECTRONICALLY},

    {PLACE_ITEM, ALL, TAG_ITEM_QUANTITY},
    {PLACE_ITEM, ALL, TAG_ITEM_NAME},
    {PLACE_ITEM, ALL, TAG_ITEM_SUM},
    {PLACE_ITEM, ALL, TAG_ITEM_PRICE},
    {PLACE_ITEM, OLD, TAG_ITEM_CODE},
    {PLACE_ITEM, NEW, TAG_ITEM_CODE_STRUCTURE},
    {PLACE_ITEM, ALL, TAG_ITEM_EXTRA},
    {PLACE_ITEM, OLD, TAG_ITEM_UNIT_TEXT},
    {PLACE_ITEM, ALL, TAG_ITEM_VAT_PER_UNIT},
    {PLACE_ITEM, ALL, TAG_VAT_RATE},
    {PLACE_ITEM, ALL, TAG_ITEM_VAT_SUM},
    {PLACE_ITEM, ALL, TAG_ITEM_SUBJECT},
    {PLACE_ITEM, ALL, TAG_ITEM_PAYMENT_METHOD},
    {PLACE_ITEM, ALL, TAG_ITEM_AGENT_FLAG},
    {PLACE_ITEM, ALL, TAG_AGENT_DATA},
    {PLACE_ITEM, ALL, TAG_SUPPLIER_DATA},
    {PLACE_ITEM, ALL, TAG_SUPPLIER_INN},
    {PLACE_ITEM, ALL, TAG_EXCISE_SUM},
    {PLACE_ITEM, ALL, TAG_COUNTRY_CODE},
    {PLACE_ITEM, ALL, TAG_CUSTOMS_DECLARATION},
    {PLACE_ITEM, NEW, TAG_ITEM_INDUSTRY_PROPERTY},
    {PLACE_ITEM, NEW, TAG_FRACTIONAL_QUANTITY},
    {PLACE_ITEM, NEW, TAG_MARKING_CODE_PROCESSING_MODE},
    {PLACE_ITEM, NEW, TAG_ITEM_MEASURE},
    {PLACE_ITEM, NEW, TAG_MARKING_CONTROL_CODE},

    {PLACE_AGENT_DATA, ALL, TAG_TRANSFER_OPERATOR_ADDRESS},
    {PLACE_AGENT_DATA, ALL, TAG_TRANSFER_OPERATOR_INN},
    {PLACE_AGENT_DATA, ALL, TAG_TRANSFER_OPERATOR_NAME},
    {PLACE_AGENT_DATA, ALL, TAG_BANK_PAYMENT_AGENT_OPERATION},
    {PLACE_AGENT_DATA, ALL, TAG_PAYMENT_AGENT_PHONE},
    {PLACE_AGENT_DATA, ALL, TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE},
    {PLACE_AGENT_DATA, ALL, TAG_TRANSFER_OPERATOR_PHONE},

    {PLACE_SUPPLIER_DATA, ALL, TAG_SUPPLIER_PHONE},
    {PLACE_SUPPLIER_DATA, ALL, TAG_SUPPLIER_NAME},

    {PLACE_USER_PROPERTY, ALL, TAG_USER_PROPERTY_NAME},
    {PLACE_USER_PROPERTY, ALL, TAG_USER_PROPERTY_VALUE},

    {PLACE_BUYER, NEW, TAG_BUYER_NAME},
    {PLACE_BUYER, NEW, TAG_BUYER_INN},
    {PLACE_BUYER, NEW, TAG_BUYER_BIRTH_DATE},
    {PLACE_BUYER, NEW, TAG_CITIZENSHIP},
    {PLACE_BUYER, NEW, TAG_IDENTITY_DOCUMENT_KIND},
    {PLACE_BUYER, NEW, TAG_IDENTITY_DOCUMENT_DATA},
    {PLACE_BUYER, NEW, TAG_BUYER_ADDRESS},

    {PLACE_INDUSTRY_PROPERTY, NEW, TAG_FOIV_ID},
    {PLACE_INDUSTRY_PROPERTY, NEW, TAG_BASIS_DOCUMENT_DATE},
    {PLACE_INDUSTRY_PROPERTY, NEW, TAG_BASIS_DOCUMENT_NUMBER},
    {PLACE_INDUSTRY_PROPERTY, NEW, TAG_INDUSTRY_PROPERTY_VALUE},

    {PLACE_OPERATIONAL_PROPERTY, NEW, TAG_OPERATION_ID},
    {PLACE_OPERATIONAL_PROPERTY, NEW, TAG_OPERATION_DATA},
    {PLACE_OPERATIONAL_PROPERTY, NEW, TAG_OPERATION_DATE_TIME},

    {PLACE_FRACTION, NEW, TAG_FRACTION_TEXT_N_D},
    {PLACE_FRACTION, NEW, TAG_NUMERATOR},
    {PLACE_FRACTION, NEW, TAG_DENOMINATOR},

    {PLACE_ITEM_CODE, NEW, TAG_CODE_UNRECOGNISED},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_EAN_8},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_EAN_13},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_ITF_14},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_GS1_0},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_GS1_M},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_KMK},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_MI},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_EGAIS_2_0},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_EGAIS_3_0},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F1},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F2},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F3},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F4},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F5},
    {PLACE_ITEM_CODE, NEW, TAG_CODE_F6},

    {PLACE_VAT_SUMS, ALL, TAG_VAT_SUM},
    {PLACE_VAT_SUM, ALL, TAG_VAT_SUM_VALUE},
    {PLACE_VAT_SUM, ALL, TAG_VAT_RATE},

    {PLACE_PAYMENTS, ALL, TAG_ELECTRONIC_PAYMENT},
    {PLACE_PAYMENT, ALL, TAG_ELECTRONIC_PAYMENT_SUM},
    {PLACE_PAYMENT, ALL, TAG_ELECTRONIC_PAYMENT_METHOD},
    {PLACE_PAYMENT, ALL, TAG_ELECTRONIC_PAYMENT_IDS},
    {PLACE_PAYMENT, ALL, TAG_ELECTRONIC_PAYMENT_INFO},

    {PLACE_SLIP, ALL, TAG_SLIP_TEXT},
    {PLACE_SLIP, ALL, TAG_SLIP_QR},
    {PLACE_SLIP_TEXT, ALL, TAG_SLIP_STYLE},
    {PLACE_SLIP_TEXT, ALL, TAG_SLIP_STRING},
};

#define SEAT_COUNT     (sizeof seats / sizeof seats[0])
#define DICTIONARY_MAX 320u /* entries; a longer dictionary fails the assertion in level_meet */

static uint32_t seat_key(uint8_t place, uint16_t tag)
{
    return (uint32_t)place << 16 | tag;
}

static bool seat_free(uint8_t place, uint16_t tag, uint8_t ffd)
{
    uint32_t wanted = seat_key(place, tag);
    const struct seat *seat = seats;
    for (size_t count = SEAT_COUNT; count > 1;) {
        size_t half = count / 2;
        seat = seat_key(seat[half].place, seat[half].tag) <= wanted ? seat + half : seat;
        count -= half;
    }
    assert(seat == seats ||
           seat_key(seat[-1].place, seat[-1].tag) < seat_key(seat->place, seat->tag));
    return seat_key(seat->place, seat->tag) == wanted &&
           (ffd == 0 || (ffd < 8 && (seat->formats >> ffd & 1) != 0));
}

/* The list a structured tag opens. */
static uint8_t place_inside(uint16_t tag)
{
    switch (tag) {
    case TAG_ITEM:
        return PLACE_ITEM;
    case TAG_AGENT_DATA:
        return PLACE_AGENT_DATA;
    case TAG_SUPPLIER_DATA:
        return PLACE_SUPPLIER_DATA;
    case TAG_USER_PROPERTY:
        return PLACE_USER_PROPERTY;
    case TAG_BUYER:
        return PLACE_BUYER;
    case TAG_ITEM_INDUSTRY_PROPERTY:
    case TAG_INDUSTRY_PROPERTY:
        return PLACE_INDUSTRY_PROPERTY;
    case TAG_OPERATIONAL_PROPERTY:
        return PLACE_OPERATIONAL_PROPERTY;
    case TAG_FRACTIONAL_QUANTITY:
        return PLACE_FRACTION;
    case TAG_ITEM_CODE_STRUCTURE:
        return PLACE_ITEM_CODE;
    case TAG_VAT_SUMS:
        return PLACE_VAT_SUMS;
    case TAG_VAT_SUM:
        return PLACE_VAT_SUM;
    case TAG_ELECTRONIC_PAYMENTS:
        return PLACE_PAYMENTS;
    case TAG_ELECTRONIC_PAYMENT:
        return PLACE_PAYMENT;
    case TAG_SLIP_BEFORE:
    case TAG_SLIP_AFTER:
        return PLACE_SLIP;
    case TAG_SLIP_TEXT:
    case TAG_SLIP_ITEM_TEXT:
        return PLACE_SLIP_TEXT;
    default:
        return PLACE_ANYWHERE;
    }
}

bool tag_may_repeat(uint16_t tag)
{
    switch (tag) {
    case TAG_ITEM:
    case TAG_PAYMENT_AGENT_PHONE:
    case TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE:
    case TAG_TRANSFER_OPERATOR_PHONE:
    case TAG_SUPPLIER_PHONE:
    case TAG_REREGISTRATION_REASON:
    case TAG_VAT_SUM:
    case TAG_ELECTRONIC_PAYMENT:
    case TAG_ITEM_INDUSTRY_PROPERTY:
    case TAG_INDUSTRY_PROPERTY:
    case TAG_MARKED_ITEM_DATA:
    case TAG_MARKED_CHECK_RESULT:
    case TAG_SLIP_TEXT:
    case TAG_SLIP_STRING:
    case TAG_SLIP_QR:
    case TAG_SLIP_ITEM_TEXT:
    case TAG_TOTALS_KIND:
        return true;
    default:
        return false;
    }
}

static bool refuse(struct refusal *why, uint16_t code, uint16_t tag, uint64_t expected)
{
    why->code = code;
    why->tag = tag;
    why->expected = expected;
    return false;
}

static bool text_printable(const struct tlv *tlv)
{
    for (size_t i = 0; i < tlv->length; i++) {
        uint8_t byte = tlv->value[i];
        if ((byte < 0x20 && byte != '\r' && byte != '\n') || byte == 0x7F)
            return false;
    }
    return true;
}

bool tag_check_form(const struct tag_info *info, const struct tlv *tlv, struct refusal *why)
{
    size_t least = 0;
    size_t most = info->max_length;
    switch (info->type) {
    case TAG_TYPE_PRINT:
        return refuse(why, ERROR_FIELD_NOT_ALLOWED, tlv->tag, 0);
    case TAG_TYPE_BYTE:
    case TAG_TYPE_U16:
    case TAG_TYPE_U32:
    case TAG_TYPE_TIME:
        least = most;
        break;
    case TAG_TYPE_VLN:
        least = 1;
        break;
    case TAG_TYPE_FVLN:
        least = 2;
        break;
    default:
        least = info->fixed ? most : 0;
        break;
    }
    if (tlv->length < least || tlv->length > most)
        return refuse(why, tlv->tag == TAG_ITEM ? ERROR_TOO_LARGE : ERROR_FIELD_LENGTH, tlv->tag,
                      tlv->length < least ? least : most);
    if (info->type == TAG_TYPE_STRING && !text_printable(tlv))
        return refuse(why, ERROR_TEXT_ENCODING, tlv->tag, 0);
    return true;
}

/* One list being walked. */
struct level {
    struct tlv_reader reader;
    uint16_t tag; /* whose value it is, 0 at the top */
    uint8_t place;
    uint32_t met[DICTIONARY_MAX / 32]; /* tags seen in it, by place in the dictionary */
};

static void level_open(struct level *level, const struct tlv *tlv, uint8_t place)
{
    tlv_reader_init(&level->reader, tlv->value, tlv->length);
    level->tag = tlv->tag;
    level->place = place;
    memset(level->met, 0, sizeof level->met);
}

/* Marks a tag as seen; false when it was seen before and may not repeat. */
static bool level_meet(struct level *level, const struct tag_info *info)
{
    size_t index = (size_t)(info - tag_info_at(0));
    assert(index < DICTIONARY_MAX);
    uint32_t bit = 1u << (index % 32);
    bool again = (level->met[index / 32] & bit) != 0;
    level->met[index / 32] |= bit;
    return !again || tag_may_repeat(info->tag);
}

static bool element_check(struct level *level, const struct tag_info *info, const struct tlv *tlv,
                          uint8_t ffd, struct refusal *why)
{
    if (info == NULL)
        return refuse(why, ERROR_FIELD_UNKNOWN, tlv->tag, 0);
    if (level->place != PLACE_ANYWHERE && !seat_free(level->place, tlv->tag, ffd))
        return refuse(why, ERROR_FIELD_NOT_ALLOWED, tlv->tag, 0);
    if (!level_meet(level, info))
        return refuse(why, ERROR_FIELD_REPEATED, tlv->tag, 0);
    if (!tag_check_form(info, tlv, why))
        return false;
    return tag_check_value(info, tlv, ffd, why);
}

static bool walk(const uint8_t *data, size_t size, uint8_t place, uint8_t ffd, struct refusal *why)
{
    struct level levels[TAG_DEPTH_MAX];
    struct level *level = levels;
    uint16_t items = 0;
    memset(why, 0, sizeof *why);
    tlv_reader_init(&level->reader, data, size);
    level->tag = 0;
    level->place = place;
    memset(level->met, 0, sizeof level->met);
    for (;;) {
        struct tlv tlv;
        int got = tlv_next(&level->reader, &tlv);
        if (got < 0)
            return refuse(why, ERROR_REQUEST_MALFORMED, level->tag, 0);
        if (got == 0) {
            if (level == levels)
                return true;
            level--;
            if (level == levels)
                why->item = 0;
            continue;
        }
        if (level == levels && tlv.tag == TAG_ITEM)
            why->item = ++items;
        const struct tag_info *info = tag_info_find(tlv.tag);
        if (!element_check(level, info, &tlv, ffd, why))
            return false;
        if (info->type != TAG_TYPE_STLV)
            continue;
        if (level + 1 == levels + TAG_DEPTH_MAX)
            return refuse(why, ERROR_REQUEST_MALFORMED, tlv.tag, 0);
        level++;
        level_open(level, &tlv, place == PLACE_ANYWHERE ? place : place_inside(tlv.tag));
    }
}

bool tlv_check_dictionary(const uint8_t *data, size_t size, struct refusal *why)
{
    return walk(data, size, PLACE_ANYWHERE, 0, why);
}

bool tlv_check_receipt(const uint8_t *data, size_t size, uint8_t ffd, struct refusal *why)
{
    return walk(data, size, PLACE_RECEIPT, ffd, why);
}

bool tlv_check_list(const uint8_t *data, size_t size, const uint16_t *allowed, size_t count,
                    struct refusal *why)
{
    struct tlv_reader reader;
    struct tlv tlv;
    int got;
    memset(why, 0, sizeof *why);
    tlv_reader_init(&reader, data, size);
    while ((got = tlv_next(&reader, &tlv)) == 1) {
        bool found = false;
        for (size_t i = 0; i < count && !found; i++)
            found = allowed[i] == tlv.tag;
        if (!found)
            return refuse(why, ERROR_FIELD_NOT_ALLOWED, tlv.tag, 0);
    }
    if (got < 0)
        return refuse(why, ERROR_REQUEST_MALFORMED, 0, 0);
    return true;
}
