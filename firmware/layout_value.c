/* Values as paper wants them (FFD §64 and the notes of its tables 4 and 5). */
#include "firmware/layout_script.h"

#include "proto/cp866.h"
#include "proto/money.h"

#include <string.h>

void layout_label(struct byte_writer *out, const char *utf8)
{
    uint8_t text[LAYOUT_LABEL_MAX];
    size_t length = strlen(utf8);
    int taken = cp866_from_utf8(utf8, length, text, sizeof text, NULL);
    if (taken > 0)
        put_bytes(out, text, (size_t)taken < sizeof text ? (size_t)taken : sizeof text);
}

void layout_number(struct byte_writer *out, uint64_t value, unsigned digits_min)
{
    uint8_t digits[20];
    unsigned count = 0;
    do {
        digits[count++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (unsigned i = count; i < digits_min; i++)
        put_u8(out, '0');
    while (count > 0)
        put_u8(out, digits[--count]);
}

void layout_money(struct byte_writer *out, uint64_t kop)
{
    char text[MONEY_TEXT_SIZE];
    size_t length = money_format(kop, text, sizeof text);
    put_bytes(out, text, length);
}

void layout_text(struct byte_writer *out, const uint8_t *text, size_t length)
{
    while (length > 0 && (text[length - 1] <= ' ' || text[length - 1] == 0xFF))
        length--;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = text[i];
        if (byte == '\r')
            continue;
        put_u8(out, byte == '\n' || (byte >= ' ' && byte != 0x7F) ? byte : ' ');
    }
}

/* Appends the text of each set bit, or its number + 1 when `names` is NULL, separated by commas. */
static bool put_bits(struct byte_writer *out, uint32_t value, const char *const *names,
                     unsigned count)
{
    bool any = false;
    for (unsigned bit = 0; bit < count; bit++) {
        if ((value >> bit & 1u) == 0 || (names != NULL && names[bit] == NULL))
            continue;
        if (any)
            put_bytes(out, ", ", 2);
        if (names != NULL)
            layout_label(out, names[bit]);
        else
            layout_number(out, bit + 1u, 1);
        any = true;
    }
    return any;
}

static bool put_tax_systems(struct byte_writer *out, uint8_t value)
{
    const char *names[6];
    for (unsigned bit = 0; bit < 6; bit++)
        names[bit] = tax_system_label((uint8_t)(1u << bit));
    return put_bits(out, value, names, 6);
}

static bool put_conditions(struct byte_writer *out, uint32_t value)
{
    static const uint16_t same_as[] = {[1] = TAG_PRINTER_IN_AUTOMAT,
                                       [2] = TAG_BSO_ONLY,
                                       [5] = TAG_INTERNET_ONLY,
                                       [6] = TAG_EXCISE_GOODS,
                                       [9] = TAG_SERVICES,
                                       [10] = TAG_GAMBLING,
                                       [11] = TAG_LOTTERY};
    const char *names[17] = {[8] = "МАРКИРОВАННЫЕ ТОВАРЫ",  [12] = "ЛОМБАРД",
                             [13] = "СТРАХОВАНИЕ",          [14] = "ТОРГОВЫЙ АВТОМАТ",
                             [15] = "ОБЩЕСТВЕННОЕ ПИТАНИЕ", [16] = "ОПТОВАЯ ТОРГОВЛЯ"};
    for (unsigned bit = 0; bit < sizeof same_as / sizeof same_as[0]; bit++) {
        const struct tag_info *info = same_as[bit] != 0 ? tag_info_find(same_as[bit]) : NULL;
        if (info != NULL)
            names[bit] = info->label;
    }
    return put_bits(out, value, names, 17);
}

static bool put_label_of(struct byte_writer *out, const char *label)
{
    layout_label(out, label);
    return label[0] != 0;
}

/* Bytes whose number means a word. */
static bool put_byte_value(struct byte_writer *out, uint16_t tag, uint8_t value)
{
    static const char *const agents[] = {
        "БАНК. ПЛ. АГЕНТ", "БАНК. ПЛ. СУБАГЕНТ", "ПЛ. АГЕНТ", "ПЛ. СУБАГЕНТ",
        "ПОВЕРЕННЫЙ",      "КОМИССИОНЕР",        "АГЕНТ"};
    static const char *const operator_says[] = {
        [1] = "ОШИБКА ФЛК", [6] = "ТРЕБ. НАСТР. ККТ", [7] = "ОФД АННУЛИРОВАН"};
    switch (tag) {
    case TAG_SETTLEMENT_KIND:
        return put_label_of(out, settlement_kind_label(value));
    case TAG_TAX_SYSTEM:
    case TAG_TAX_SYSTEMS:
        return put_tax_systems(out, value);
    case TAG_AGENT_FLAGS:
    case TAG_ITEM_AGENT_FLAG:
        return put_bits(out, value, agents, 7);
    case TAG_OFD_MESSAGE_FLAGS:
        return put_bits(out, value, operator_says, 8);
    case TAG_CORRECTION_TYPE:
        return put_label_of(out, value == 0   ? "САМОСТОЯТЕЛЬНО"
                                 : value == 1 ? "ПО ПРЕДПИСАНИЮ"
                                              : "");
    case TAG_KKT_FFD_VERSION:
    case TAG_FN_FFD_VERSION:
    case TAG_FFD_VERSION:
        return put_label_of(out, ffd_version_text(value));
    case TAG_VAT_RATE:
        return put_label_of(out, vat_rate_label(value));
    case TAG_ITEM_SUBJECT:
        return put_label_of(out, item_subject_label(value));
    case TAG_ITEM_PAYMENT_METHOD:
        return put_label_of(out, payment_method_label(value));
    case TAG_ITEM_MEASURE:
        return put_label_of(out, measure_label(value));
    default:
        layout_number(out, value, 1);
        return true;
    }
}

static bool put_bytes_value(struct byte_writer *out, const struct tlv *tlv)
{
    static const char digits[] = "0123456789ABCDEF";
    if (tlv->tag == TAG_FISCAL_SIGN) {
        if (tlv->length != 6)
            return false;
        layout_number(out, get_u32be(tlv->value + 2), 10);
        return true;
    }
    for (size_t i = 0; i < tlv->length; i++) {
        put_u8(out, (uint8_t)digits[tlv->value[i] >> 4]);
        put_u8(out, (uint8_t)digits[tlv->value[i] & 15]);
    }
    return tlv->length != 0;
}

static bool put_u32_value(struct byte_writer *out, const struct tlv *tlv)
{
    uint32_t value;
    if (!tlv_get_u32(tlv, &value))
        return false;
    if (tlv->tag == TAG_REREGISTRATION_REASONS)
        return put_bits(out, value, NULL, 32);
    if (tlv->tag == TAG_USE_CONDITIONS)
        return put_conditions(out, value);
    layout_number(out, value, 1);
    return true;
}

static bool put_time_value(struct byte_writer *out, const struct tlv *tlv)
{
    uint32_t value;
    char text[PAPER_TIME_SIZE];
    if (!tlv_get_u32(tlv, &value))
        return false;
    paper_time_format(value, text);
    bool date_only = tlv->tag == TAG_UNSENT_FIRST_DATE || tlv->tag == TAG_CORRECTED_DATE;
    put_bytes(out, text, date_only ? 8 : PAPER_TIME_SIZE - 1);
    return true;
}

static bool put_quantity(struct byte_writer *out, const struct tlv *tlv)
{
    struct decimal value;
    char text[DECIMAL_TEXT_SIZE];
    if (!tlv_get_fvln(tlv, &value))
        return false;
    size_t length = decimal_format(value, text, sizeof text);
    put_bytes(out, text, length < sizeof text ? length : sizeof text - 1);
    return true;
}

bool layout_value(struct byte_writer *out, const struct tlv *tlv)
{
    const struct tag_info *info = tag_info_find(tlv->tag);
    uint8_t byte;
    uint16_t word;
    uint64_t number;
    if (info == NULL)
        return false;
    switch (info->type) {
    case TAG_TYPE_BYTE:
        return tlv_get_u8(tlv, &byte) && put_byte_value(out, tlv->tag, byte);
    case TAG_TYPE_U16:
        if (!tlv_get_u16(tlv, &word))
            return false;
        layout_number(out, word, 1);
        if (tlv->tag == TAG_KEY_RESOURCE_DAYS)
            layout_label(out, " ДН.");
        return true;
    case TAG_TYPE_U32:
        return put_u32_value(out, tlv);
    case TAG_TYPE_VLN:
        if (!tlv_get_vln(tlv, &number))
            return false;
        layout_money(out, number);
        return true;
    case TAG_TYPE_FVLN:
        return put_quantity(out, tlv);
    case TAG_TYPE_TIME:
        return put_time_value(out, tlv);
    case TAG_TYPE_STRING: {
        size_t before = out->length;
        layout_text(out, tlv->value, tlv->length);
        return out->length != before;
    }
    case TAG_TYPE_BYTES:
        return put_bytes_value(out, tlv);
    default:
        return false;
    }
}
