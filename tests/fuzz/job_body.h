/* Bodies of jobs for targets that play the host: a good one for each code, and ways to bend it. */
#ifndef TESTS_FUZZ_JOB_BODY_H
#define TESTS_FUZZ_JOB_BODY_H

#include "tests/fuzz/mutate.h"
#include "tests/unit/world.h"

/* One change; kind of enum bend (modulo), the number of the element (modulo), a value. */
struct edit {
    uint8_t kind, place, value;
};

enum bend {
    BEND_INSERT, /* an element of the dictionary, by its number */
    BEND_REMOVE, /* an element */
    BEND_REPEAT, /* an element */
    BEND_BIT,    /* of an element, its header included */
    BEND_VALUE,  /* the first byte of an element's value */
    BEND_BYTE,   /* anywhere, also inside an item */
    BEND_CUT,    /* the end is missing */
    BEND_WITHIN, /* BEND_BIT or BEND_VALUE one level deeper */
    BEND_KINDS
};

static inline void put_slip_text(struct byte_writer *writer, uint16_t around, const char *text)
{
    size_t outer = around == 0 ? 0 : tlv_begin(writer, around);
    size_t inner = tlv_begin(writer, TAG_SLIP_TEXT);
    tlv_put_u8(writer, TAG_SLIP_STYLE, 0);
    put_text(writer, TAG_SLIP_STRING, text);
    tlv_end(writer, inner);
    if (around != 0)
        tlv_end(writer, outer);
}

/* variant: kind of settlement, number of items, cashier, text around it, electronic. */
static inline size_t receipt_body(uint8_t variant, uint8_t *out, size_t capacity)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    writer.length = world_receipt(out, capacity, (uint8_t)(1 + variant % 8 / 7),
                                  1 + variant / 8 % 4, 100u + variant);
    if ((variant & 0x20) != 0) {
        put_text(&writer, TAG_CASHIER, "Sidorova");
        tlv_put_padded(&writer, TAG_CASHIER_INN, "500100732259", 12, 12);
    }
    if ((variant & 0x40) != 0) {
        put_slip_text(&writer, TAG_SLIP_BEFORE, "welcome");
        size_t mark = tlv_begin(&writer, TAG_SLIP_ITEM_TEXT);
        tlv_put_u16(&writer, TAG_SLIP_AFTER_ITEM, 1);
        put_slip_text(&writer, 0, "under the item");
        tlv_end(&writer, mark);
        put_slip_text(&writer, TAG_SLIP_AFTER, "come again");
    }
    if ((variant & 0x80) != 0) {
        tlv_put_u8(&writer, TAG_ELECTRONICALLY, 1);
        put_text(&writer, TAG_BUYER_CONTACT, "buyer@example.com");
    }
    return writer.length;
}

static inline size_t plain_body(uint8_t code, uint8_t variant, unix_s now, uint8_t *out,
                                size_t capacity)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    switch (code) {
    case LINK_RECEIPT:
        return receipt_body(variant, out, capacity);
    case LINK_SHIFT_OPEN:
    case LINK_SHIFT_CLOSE:
    case LINK_STATE_REPORT:
        return world_cashier(out, capacity);
    case LINK_REGISTRATION:
        return world_registration(out, capacity, variant % 2 == 0 ? FFD_1_2 : FFD_1_05);
    case LINK_CASH_IN:
    case LINK_CASH_OUT:
        tlv_put_vln(&writer, TAG_CASH_SUM, variant * 100u);
        break;
    case LINK_NON_FISCAL:
        put_slip_text(&writer, 0, "come again");
        put_text(&writer, TAG_SLIP_QR, "https://shop.example");
        break;
    case LINK_COPY:
        if (variant != 0)
            tlv_put_u32(&writer, TAG_COPY_OF, variant);
        break;
    case LINK_SET_TIME:
        tlv_put_u32(&writer, TAG_NEW_TIME, now + variant);
        break;
    case LINK_SETTINGS_SET:
        tlv_put_u8(&writer, TAG_SETTING_AUTO_OPEN_SHIFT, variant & 1);
        tlv_put_u8(&writer, TAG_SETTING_COLUMNS, variant < 128 ? 32 : 48);
        put_text(&writer, TAG_SETTING_HEADER, "OOO TEST");
        put_text(&writer, TAG_SETTING_OFD_HOST, variant % 4 < 2 ? "ofd.example" : "");
        tlv_put_u16(&writer, TAG_SETTING_OFD_PORT, 7777);
        break;
    default:
        break;
    }
    return writer.length;
}

/* The element number `place` (modulo their count) of the list. */
static inline bool element_at(const uint8_t *list, size_t size, unsigned place, size_t *at,
                              size_t *whole)
{
    struct tlv_reader reader;
    struct tlv tlv;
    unsigned count = 0;
    tlv_reader_init(&reader, list, size);
    while (tlv_next(&reader, &tlv) == 1)
        count++;
    if (count == 0)
        return false;
    tlv_reader_init(&reader, list, size);
    for (unsigned i = 0; i <= place % count; i++) {
        *at = reader.offset;
        (void)tlv_next(&reader, &tlv);
        *whole = reader.offset - *at;
    }
    return true;
}

static inline size_t insert_element(const struct edit *edit, uint8_t *list, size_t size,
                                    size_t capacity)
{
    uint8_t value[64], element[80];
    struct byte_writer writer;
    unsigned index = (unsigned)edit->kind / BEND_KINDS * 256 + edit->place;
    const struct tag_info *info = tag_info_at(index % 290);
    if (info == NULL)
        return size;
    size_t length = info->max_length < sizeof value ? info->max_length : sizeof value;
    if (info->type == TAG_TYPE_VLN || info->type == TAG_TYPE_FVLN)
        length = 2;
    if (info->type == TAG_TYPE_STLV)
        length = 0;
    memset(value, info->type == TAG_TYPE_STRING ? '1' : 0, sizeof value);
    value[0] = edit->value;
    byte_writer_init(&writer, element, sizeof element);
    tlv_put_bytes(&writer, info->tag, value, length);
    (void)mutate_replace(list, &size, capacity, 0, 0, element, writer.length);
    return size;
}

/* Changes within one element; the size stays. */
static inline void bend_element(uint8_t *element, size_t whole, bool bit, uint8_t value)
{
    if (bit)
        element[value % whole] ^= (uint8_t)(1u << value / 32);
    else if (whole > TLV_HEADER_SIZE)
        element[TLV_HEADER_SIZE] = value;
}

/* Returns the new size of the list. */
static inline size_t bend_body(const struct edit *edit, uint8_t *list, size_t size, size_t capacity)
{
    uint8_t copy[1100];
    size_t at = 0, whole = 0, inner = 0, inner_whole = 0;
    unsigned kind = edit->kind % BEND_KINDS;
    if (kind == BEND_INSERT)
        return insert_element(edit, list, size, capacity);
    if (!element_at(list, size, edit->place, &at, &whole) || whole > sizeof copy)
        return size;
    switch (kind) {
    case BEND_REMOVE:
        (void)mutate_replace(list, &size, capacity, at, whole, NULL, 0);
        break;
    case BEND_REPEAT:
        memcpy(copy, list + at, whole);
        (void)mutate_replace(list, &size, capacity, at, 0, copy, whole);
        break;
    case BEND_BYTE:
        list[(unsigned)edit->place * 4 % size] = edit->value;
        break;
    case BEND_CUT:
        size = size * edit->value / 256;
        break;
    case BEND_WITHIN:
        at += TLV_HEADER_SIZE;
        if (element_at(list + at, whole - TLV_HEADER_SIZE, edit->value, &inner, &inner_whole))
            bend_element(list + at + inner, inner_whole, edit->kind >= 128, edit->value);
        break;
    default:
        bend_element(list + at, whole, kind == BEND_BIT, edit->value);
    }
    return size;
}

#endif
