/* Permitted values of single tags; the other half of proto/tag_check.h. */
#include "proto/tag_check.h"

#include <string.h>

#include "proto/inn.h"

#define QUANTITY_SCALE_MAX 15u /* 1023: more decimals than its mantissa has digits say nothing */
#define AGENT_BITS         0x7Fu
#define HOUR_ZONES         11u

static bool one_bit(uint8_t value, uint8_t among)
{
    return value != 0 && (value & (value - 1u)) == 0 && (value & ~among) == 0;
}

static bool all_digits(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return length > 0;
}

static bool phone_valid(const uint8_t *text, size_t length)
{
    return length > 1 && text[0] == '+' && all_digits(text + 1, length - 1);
}

/* A name, one @ and a host; what exactly a mail address is, only its server knows. Letters above
 * 7Fh are let through: addresses in the .рф zone exist. */
static bool email_valid(const uint8_t *text, size_t length)
{
    size_t ats = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] == ',' || text[i] == ';')
            return false;
        ats += text[i] == '@';
    }
    return ats == 1 && text[0] != '@' && text[length - 1] != '@';
}

bool contact_valid(const uint8_t *text, size_t length)
{
    return phone_valid(text, length) || email_valid(text, length);
}

/* "DD.MM.YYYY" of a day that exists. */
static bool date_text_valid(const uint8_t *text)
{
    static const uint8_t days[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (text[2] != '.' || text[5] != '.' || !all_digits(text, 2) || !all_digits(text + 3, 2) ||
        !all_digits(text + 6, 4))
        return false;
    unsigned day = (unsigned)(text[0] - '0') * 10u + (unsigned)(text[1] - '0');
    unsigned month = (unsigned)(text[3] - '0') * 10u + (unsigned)(text[4] - '0');
    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

static bool subject_known(uint8_t subject, uint8_t ffd)
{
    if (subject >= 30 && subject <= 33)
        return ffd == 0 || ffd == FFD_1_2;
    return subject >= 1 && subject <= 27;
}

static bool measure_known(uint8_t measure)
{
    return measure == 255 || measure_label(measure)[0] != 0;
}

/* Tags of one byte with a range, a list or bits. */
static bool byte_ok(uint16_t tag, uint8_t value, uint8_t ffd)
{
    switch (tag) {
    case TAG_SETTLEMENT_KIND:
        return value >= SETTLEMENT_SALE && value <= SETTLEMENT_PURCHASE_RETURN;
    case TAG_TAX_SYSTEM:
        return one_bit(value, TAX_SYSTEM_BITS);
    case TAG_TAX_SYSTEMS:
        return value != 0 && (value & ~TAX_SYSTEM_BITS) == 0;
    case TAG_AGENT_FLAGS:
        return value != 0 && (value & ~AGENT_BITS) == 0;
    case TAG_ITEM_AGENT_FLAG:
        return one_bit(value, AGENT_BITS);
    case TAG_VAT_RATE:
        return value >= 1 && value < VAT_RATE_COUNT;
    case TAG_ITEM_SUBJECT:
        return subject_known(value, ffd);
    case TAG_ITEM_PAYMENT_METHOD:
        return payment_method_label(value)[0] != 0;
    case TAG_ITEM_MEASURE:
        return measure_known(value);
    case TAG_TIME_ZONE:
        return value >= 1 && value <= HOUR_ZONES;
    case TAG_INTERNET_SETTLEMENT:
        return value == 1;
    case TAG_MARKING_CODE_PROCESSING_MODE:
        return value == 0;
    case TAG_MARKED_CHECK_RESULT:
    case TAG_ELECTRONICALLY:
    case TAG_CORRECTION_TYPE:
    case TAG_AUTOMATIC_MODE:
    case TAG_AUTONOMOUS_MODE:
    case TAG_ENCRYPTION:
    case TAG_INTERNET_ONLY:
        return value <= 1;
    case TAG_FFD_VERSION:
    case TAG_KKT_FFD_VERSION:
        return ffd_version_text(value)[0] != 0;
    default:
        return true;
    }
}

static uint16_t byte_error(uint16_t tag)
{
    switch (tag) {
    case TAG_TAX_SYSTEM:
    case TAG_TAX_SYSTEMS:
        return ERROR_TAX_SYSTEM;
    case TAG_VAT_RATE:
        return ERROR_VAT_RATE;
    default:
        return ERROR_FIELD_VALUE;
    }
}

static bool quantity_ok(const struct tlv *tlv)
{
    struct decimal quantity = {0};
    (void)tlv_get_fvln(tlv, &quantity); /* its length was checked */
    return quantity.mantissa > 0 && quantity.scale <= QUANTITY_SCALE_MAX;
}

/* Texts with a pattern. ERROR_NONE when good or without one. */
static uint16_t text_error(const struct tlv *tlv)
{
    switch (tlv->tag) {
    case TAG_BUYER_CONTACT:
        return contact_valid(tlv->value, tlv->length) ? ERROR_NONE : ERROR_CONTACT;
    case TAG_SENDER_EMAIL:
        return email_valid(tlv->value, tlv->length) ? ERROR_NONE : ERROR_FIELD_VALUE;
    case TAG_PAYMENT_AGENT_PHONE:
    case TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE:
    case TAG_TRANSFER_OPERATOR_PHONE:
    case TAG_SUPPLIER_PHONE:
        return phone_valid(tlv->value, tlv->length) ? ERROR_NONE : ERROR_FIELD_VALUE;
    case TAG_TRANSFER_OPERATOR_INN:
    case TAG_OFD_INN:
    case TAG_USER_INN:
    case TAG_CASHIER_INN:
    case TAG_SUPPLIER_INN:
    case TAG_BUYER_INN:
        return inn_valid(tlv->value, tlv->length) ? ERROR_NONE : ERROR_INN;
    case TAG_COUNTRY_CODE:
    case TAG_CITIZENSHIP:
    case TAG_FOIV_ID:
    case TAG_IDENTITY_DOCUMENT_KIND:
        return all_digits(tlv->value, tlv->length) ? ERROR_NONE : ERROR_FIELD_VALUE;
    case TAG_BUYER_BIRTH_DATE:
    case TAG_BASIS_DOCUMENT_DATE:
        return date_text_valid(tlv->value) ? ERROR_NONE : ERROR_FIELD_VALUE;
    default:
        return ERROR_NONE;
    }
}

bool tag_check_value(const struct tag_info *info, const struct tlv *tlv, uint8_t ffd,
                     struct refusal *why)
{
    uint16_t code = ERROR_NONE;
    if (info->type == TAG_TYPE_BYTE && !byte_ok(tlv->tag, tlv->value[0], ffd))
        code = byte_error(tlv->tag);
    else if (info->type == TAG_TYPE_FVLN && !quantity_ok(tlv))
        code = ERROR_FIELD_VALUE;
    else if (info->type == TAG_TYPE_STRING)
        code = text_error(tlv);
    if (code == ERROR_NONE)
        return true;
    why->code = code;
    why->tag = tlv->tag;
    why->expected = 0;
    return false;
}
