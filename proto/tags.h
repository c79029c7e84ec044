/* The tag dictionary: one table (tags.def) from which validation, JSON names and printing all draw.
 *
 * 1000-2116 are the tags of the fiscal document formats 1.05, 1.1 and 1.2 (order ЕД-7-20/662@ and
 * its amendments); 62000-62099 are ours: they travel on the host link beside fiscal tags, in the
 * same encoding, and never reach the FN. Numbers stand in the dictionary only; code says
 * TAG_ITEM_NAME. 1011, 1082, 1119 and 1125 carry their meaning of 2025; the dead meanings are not
 * decoded.
 */
#ifndef PROTO_TAGS_H
#define PROTO_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tag {
#define TAG(number, name, json, type, length, fixed, label) TAG_##name = (number),
#include "proto/tags.def"
#undef TAG
};

#define TAG_PRIVATE_FIRST 62000 /* tags from here on are ours and stay off the FN */

enum tag_type {
    TAG_TYPE_PRINT, /* exists on paper only */
    TAG_TYPE_BYTE,
    TAG_TYPE_U16,
    TAG_TYPE_U32,
    TAG_TYPE_VLN, /* unsigned, 1..max_length bytes; money is in kopecks */
    TAG_TYPE_FVLN,
    TAG_TYPE_TIME,   /* unix_s */
    TAG_TYPE_STRING, /* CP866 */
    TAG_TYPE_BYTES,
    TAG_TYPE_STLV
};

struct tag_info {
    uint16_t tag;
    uint16_t max_length; /* bytes of value */
    uint8_t type;        /* enum tag_type */
    bool fixed;          /* strings: exactly max_length bytes, padded right with spaces */
    const char *json;    /* camelCase name */
    const char *label;   /* UTF-8, printed before the value; "" when the value stands alone */
};

/* NULL when the dictionary does not know the tag. */
const struct tag_info *tag_info_find(uint16_t tag);
/* By JSON name; NULL when unknown. */
const struct tag_info *tag_info_by_name(const char *json, size_t length);
/* Dictionary entries in ascending order; NULL past the end. */
const struct tag_info *tag_info_at(size_t index);

/* Form codes: the outermost tag of a fiscal document (FFD, table "form codes"). */
enum form_code {
    FORM_REGISTRATION = 1,
    FORM_SHIFT_OPEN = 2,
    FORM_RECEIPT = 3,
    FORM_BSO = 4,
    FORM_SHIFT_CLOSE = 5,
    FORM_FN_CLOSE = 6,
    FORM_OPERATOR_CONFIRMATION = 7,
    FORM_REGISTRATION_CHANGE = 11,
    FORM_STATE_REPORT = 21,
    FORM_CORRECTION = 31,
    FORM_BSO_CORRECTION = 41
};
/* Russian title for paper ("КАССОВЫЙ ЧЕК"), "" when unknown. */
const char *form_title(uint16_t form);
/* English name for JSON and logs ("receipt"), "unknown" when unknown. */
const char *form_name(uint16_t form);

/* 1054. */
enum settlement_kind {
    SETTLEMENT_SALE = 1,
    SETTLEMENT_SALE_RETURN = 2,
    SETTLEMENT_PURCHASE = 3,
    SETTLEMENT_PURCHASE_RETURN = 4
};
/* "ПРИХОД"...; "" when out of range. */
const char *settlement_kind_label(uint8_t kind);

/* 1199. Rates are stated as numerator/denominator of the tax contained in a gross price. */
enum vat_rate {
    VAT_RATE_20 = 1,
    VAT_RATE_10 = 2,
    VAT_RATE_20_120 = 3,
    VAT_RATE_10_110 = 4,
    VAT_RATE_0 = 5,
    VAT_RATE_NONE = 6,
    VAT_RATE_5 = 7,
    VAT_RATE_7 = 8,
    VAT_RATE_5_105 = 9,
    VAT_RATE_7_107 = 10,
    VAT_RATE_22 = 11,
    VAT_RATE_22_122 = 12
};
#define VAT_RATE_COUNT 13 /* arrays indexed by 1199; entry 0 unused */
/* "НДС 20%"...; "БЕЗ НДС" for 6; "" when unknown. */
const char *vat_rate_label(uint8_t rate);

/* 1209, 1189, 1190. */
enum ffd_version { FFD_1_0 = 1, FFD_1_05 = 2, FFD_1_1 = 3, FFD_1_2 = 4 };
/* "1.05"...; "" when unknown. */
const char *ffd_version_text(uint8_t version);

/* 1062 (any bits) and 1055 (one bit). */
#define TAX_SYSTEM_BITS 0x3Fu
/* "ОСН"... for exactly one bit; "" otherwise. */
const char *tax_system_label(uint8_t bit);

/* 1212 and 1214 words for paper ("ТОВАР", "ПОЛНЫЙ РАСЧЕТ"); "" when unknown. */
const char *item_subject_label(uint8_t subject);
const char *payment_method_label(uint8_t method);
/* 2108 unit for paper ("шт.", "кг"); "" for 255 and unknown. */
const char *measure_label(uint8_t measure);

#endif
