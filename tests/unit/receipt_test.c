/* The rules of a receipt: each fault is named with its tag and what would be right. Sums have a
 * test of their own, receipt_sums_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/receipt_draft.h"

static void test_structure(void **state)
{
    (void)state;
    start();
    item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&any);
    size_t base = draft.writer.length;
    draft.writer.length--;
    expect(&any, ERROR_REQUEST_MALFORMED, 0, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, 1003, 1);
    expect(&any, ERROR_FIELD_UNKNOWN, 1003, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, 62009, 1);
    expect(&any, ERROR_FIELD_UNKNOWN, 62009, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, TAG_SETTING_COLUMNS, 48);
    expect(&any, ERROR_FIELD_NOT_ALLOWED, TAG_SETTING_COLUMNS, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, TAG_VAT_RATE, 1); /* belongs in an item */
    expect(&any, ERROR_FIELD_NOT_ALLOWED, TAG_VAT_RATE, 0, 0);
    draft.writer.length = base;
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect(&any, ERROR_FIELD_REPEATED, TAG_PAID_CASH, 0, 0);
    draft.writer.length = base;
    tlv_put_vln(W, TAG_PAID_OTHER, 1ull << 48);
    expect(&any, ERROR_FIELD_LENGTH, TAG_PAID_OTHER, 0, 6);
    draft.writer.length = base;
    tlv_put_bytes(W, TAG_CASHIER_INN, "7702203276", 10);
    expect(&any, ERROR_FIELD_LENGTH, TAG_CASHIER_INN, 0, 12);
    draft.writer.length = base;
    tlv_put_padded(W, TAG_CASHIER_INN, "7702203275", 10, 12);
    expect(&any, ERROR_INN, TAG_CASHIER_INN, 0, 0);
    draft.writer.length = base;
    tlv_put_bytes(W, TAG_CASHIER, "\x07", 1);
    expect(&any, ERROR_TEXT_ENCODING, TAG_CASHIER, 0, 0);
    draft.writer.length = base;
    size_t mark = tlv_begin(W, TAG_SLIP_AFTER);
    size_t text = tlv_begin(W, TAG_SLIP_TEXT);
    tlv_put_u8(W, TAG_SLIP_STYLE, 1);
    tlv_put_bytes(W, TAG_SLIP_STRING, "OK", 2);
    tlv_end(W, text);
    tlv_end(W, mark);
    mark = tlv_begin(W, TAG_SLIP_ITEM_TEXT);
    tlv_put_bytes(W, TAG_SLIP_STRING, "OK", 2);
    tlv_end(W, mark);
    expect_good(&any);
    mark = tlv_begin(W, TAG_SLIP_BEFORE);
    tlv_put_u8(W, TAG_TAX_SYSTEM, 1);
    tlv_end(W, mark);
    expect(&any, ERROR_FIELD_NOT_ALLOWED, TAG_TAX_SYSTEM, 0, 0);
}

static void test_kind_and_tax_system(void **state)
{
    static const struct receipt_rules several = {.tax_systems = 0x03};
    (void)state;
    byte_writer_init(W, draft.bytes, sizeof draft.bytes);
    item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect(&any, ERROR_FIELD_MISSING, TAG_SETTLEMENT_KIND, 0, 0);
    tlv_put_u8(W, TAG_SETTLEMENT_KIND, 2);
    expect_good(&ffd_1_05); /* one registered system: it may go unsaid */
    expect(&several, ERROR_FIELD_MISSING, TAG_TAX_SYSTEM, 0, 3);
    size_t base = draft.writer.length;
    tlv_put_u8(W, TAG_TAX_SYSTEM, 2);
    expect_good(&several);
    expect(&ffd_1_05, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, 0, 1);
    draft.writer.length = base;
    tlv_put_u8(W, TAG_TAX_SYSTEM, 3);
    expect(&any, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, TAG_TAX_SYSTEM, 0x40);
    expect(&any, ERROR_TAX_SYSTEM, TAG_TAX_SYSTEM, 0, 0);
    draft.bytes[base - 1] = 5;
    draft.writer.length = base;
    expect(&any, ERROR_FIELD_VALUE, TAG_SETTLEMENT_KIND, 0, 0);
}

static void test_no_items(void **state)
{
    (void)state;
    start();
    expect(&any, ERROR_NO_ITEMS, TAG_ITEM, 0, 0);
}

/* An item with one of its five mandatory tags left out, or wrong. */
static void put_item_without(uint16_t without)
{
    size_t mark = tlv_begin(W, TAG_ITEM);
    if (without != TAG_ITEM_NAME)
        tlv_put_bytes(W, TAG_ITEM_NAME, "x", 1);
    if (without != TAG_ITEM_PRICE)
        tlv_put_vln(W, TAG_ITEM_PRICE, 100);
    if (without != TAG_ITEM_QUANTITY)
        tlv_put_fvln(W, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
    if (without != TAG_ITEM_SUM)
        tlv_put_vln(W, TAG_ITEM_SUM, 100);
    if (without != TAG_VAT_RATE)
        tlv_put_u8(W, TAG_VAT_RATE, 6);
    tlv_end(W, mark);
}

static void test_items_mandatory_tags(void **state)
{
    static const uint16_t mandatory[] = {TAG_ITEM_NAME, TAG_ITEM_PRICE, TAG_ITEM_QUANTITY,
                                         TAG_ITEM_SUM, TAG_VAT_RATE};
    (void)state;
    for (size_t i = 0; i < sizeof mandatory / sizeof mandatory[0]; i++) {
        start();
        put_item_without(0);
        put_item_without(mandatory[i]);
        put_item_without(0);
        tlv_put_vln(W, TAG_PAID_CASH, 300);
        expect(&any, ERROR_FIELD_MISSING, mandatory[i], 2, 0);
    }
    start();
    put_item_without(0);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&any); /* 1212 and 1214 may be absent */
}

static void check_item_with(const struct receipt_rules *rules, uint16_t tag, const void *value,
                            size_t size, uint16_t code, uint16_t why_tag, uint64_t expected)
{
    start();
    item_of(100, VAT_RATE_NONE);
    size_t mark = open_item(12000, (struct decimal){1, 0}, 12000, VAT_RATE_20);
    tlv_put_bytes(W, tag, value, size);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 12100);
    if (code == ERROR_NONE)
        expect_good(rules);
    else
        expect(rules, code, why_tag, 2, expected);
}

static void test_items_other_tags(void **state)
{
    static char long_text[300];
    (void)state;
    memset(long_text, 'x', sizeof long_text);
    check_item_with(&any, TAG_ITEM_VAT_SUM, "\xD0\x07", 2, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_VAT_SUM, "\xD1\x07", 2, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_VAT_SUM, "\xD2\x07", 2, ERROR_VAT_SUM, TAG_ITEM_VAT_SUM, 2000);
    check_item_with(&any, TAG_ITEM_EXTRA, long_text, 64, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_EXTRA, long_text, 65, ERROR_FIELD_LENGTH, TAG_ITEM_EXTRA, 64);
    check_item_with(&any, TAG_COUNTRY_CODE, "643", 3, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_COUNTRY_CODE, "RUS", 3, ERROR_FIELD_VALUE, TAG_COUNTRY_CODE, 0);
    check_item_with(&any, TAG_CUSTOMS_DECLARATION, long_text, 32, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_EXCISE_SUM, "\x05", 1, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_VAT_PER_UNIT, "\x05", 1, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_PAYMENT_METHOD, "\x04", 1, ERROR_FIELD_REPEATED,
                    TAG_ITEM_PAYMENT_METHOD, 0);
    check_item_with(&any, TAG_ITEM_CHECK_RESULT, "\x0F", 1, ERROR_FIELD_NOT_ALLOWED,
                    TAG_ITEM_CHECK_RESULT, 0);
    check_item_with(&any, TAG_ITEM_AGENT_FLAG, "\x20", 1, ERROR_FIELD_MISSING, TAG_SUPPLIER_INN, 0);
    check_item_with(&any, TAG_ITEM_AGENT_FLAG, "\x21", 1, ERROR_FIELD_VALUE, TAG_ITEM_AGENT_FLAG,
                    0);
    check_item_with(&any, TAG_SUPPLIER_INN, "7702203276  ", 12, ERROR_FIELD_MISSING,
                    TAG_ITEM_AGENT_FLAG, 0);
    check_item_with(&any, TAG_SUPPLIER_INN, "7702203270  ", 12, ERROR_INN, TAG_SUPPLIER_INN, 0);
    check_item_with(&any, TAG_ITEM_MEASURE, "\x0B", 1, ERROR_NONE, 0, 0);
    check_item_with(&any, TAG_ITEM_MEASURE, "\x01", 1, ERROR_FIELD_VALUE, TAG_ITEM_MEASURE, 0);
    check_item_with(&any, TAG_USER_INN, "7702203276  ", 12, ERROR_FIELD_NOT_ALLOWED, TAG_USER_INN,
                    0);
}

static void test_format_versions(void **state)
{
    static const struct {
        uint16_t tag;
        const char *value;
        size_t size;
        bool in_1_05, in_1_2;
    } tags[] = {
        {TAG_ITEM_MEASURE, "\x00", 1, false, true},
        {TAG_ITEM_UNIT_TEXT, "kg", 2, true, false},
        {TAG_ITEM_CODE, "\x44\x4D", 2, true, false},
        {TAG_ITEM_CODE_STRUCTURE,
         "\x16\x05\x0D\x00"
         "4601234567893",
         17, false, true},
        {TAG_MARKING_CODE_PROCESSING_MODE, "\x00", 1, false, true},
        {TAG_ITEM_INDUSTRY_PROPERTY,
         "\xEE\x04\x03\x00"
         "030",
         7, false, true},
        {TAG_ITEM_EXTRA, "x", 1, true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        check_item_with(&ffd_1_05, tags[i].tag, tags[i].value, tags[i].size,
                        tags[i].in_1_05 ? ERROR_NONE : ERROR_FIELD_NOT_ALLOWED, tags[i].tag, 0);
        check_item_with(&ffd_1_2, tags[i].tag, tags[i].value, tags[i].size,
                        tags[i].in_1_2 ? ERROR_NONE : ERROR_FIELD_NOT_ALLOWED, tags[i].tag, 0);
        check_item_with(&any, tags[i].tag, tags[i].value, tags[i].size, ERROR_NONE, 0, 0);
    }
}

static void test_format_versions_of_the_receipt(void **state)
{
    static const struct {
        uint16_t tag;
        const char *value;
        size_t size;
        bool old;
    } tags[] = {
        {TAG_AGENT_FLAGS, "\x40", 1, true},
        {TAG_BUYER_NAME, "x", 1, true},
        {TAG_BUYER_INN, "7702203276  ", 12, true},
        {TAG_SUPPLIER_PHONE, "+74951234567", 12, true},
        {TAG_BUYER, "\xCB\x04\x01\x00x", 5, false},
        {TAG_INDUSTRY_PROPERTY,
         "\xEE\x04\x03\x00"
         "030",
         7, false},
        {TAG_OPERATIONAL_PROPERTY, "\xF7\x04\x01\x00\x01", 5, false},
        {TAG_MARKED_CHECK_RESULT, "\x00", 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        start();
        item_of(100, VAT_RATE_NONE);
        tlv_put_vln(W, TAG_PAID_CASH, 100);
        tlv_put_bytes(W, tags[i].tag, tags[i].value, tags[i].size);
        expect_good(&any);
        expect_good(tags[i].old ? &ffd_1_05 : &ffd_1_2);
        expect(tags[i].old ? &ffd_1_2 : &ffd_1_05, ERROR_FIELD_NOT_ALLOWED, tags[i].tag, 0, 0);
    }
}

static void check_list_value(uint16_t tag, uint8_t value, uint16_t code)
{
    start();
    size_t mark = tlv_begin(W, TAG_ITEM);
    tlv_put_bytes(W, TAG_ITEM_NAME, "x", 1);
    tlv_put_vln(W, TAG_ITEM_PRICE, 100);
    tlv_put_fvln(W, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
    tlv_put_vln(W, TAG_ITEM_SUM, 100);
    if (tag != TAG_VAT_RATE)
        tlv_put_u8(W, TAG_VAT_RATE, 6);
    tlv_put_u8(W, tag, value);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    if (code == ERROR_NONE)
        expect_good(&any);
    else
        expect(&any, code, tag, 1, 0);
}

static void test_lists_of_values(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t byte = (uint8_t)value;
        check_list_value(TAG_VAT_RATE, byte,
                         value >= 1 && value <= 12 ? ERROR_NONE : ERROR_VAT_RATE);
        check_list_value(TAG_ITEM_PAYMENT_METHOD, byte,
                         value >= 1 && value <= 7 ? ERROR_NONE : ERROR_FIELD_VALUE);
        check_list_value(TAG_ITEM_SUBJECT, byte,
                         (value >= 1 && value <= 27) || (value >= 30 && value <= 33)
                             ? ERROR_NONE
                             : ERROR_FIELD_VALUE);
    }
    /* Marked goods exist in 1.2 only. */
    start();
    size_t mark = open_item(100, (struct decimal){1, 0}, 100, VAT_RATE_NONE);
    draft.bytes[draft.writer.length - 1] = 33;
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&ffd_1_2);
    expect(&ffd_1_05, ERROR_FIELD_VALUE, TAG_ITEM_SUBJECT, 1, 0);
}

static void test_names_and_quantities(void **state)
{
    static char name[129];
    (void)state;
    memset(name, 'n', sizeof name);
    for (unsigned length = 0; length <= 129; length++) {
        start();
        size_t mark = tlv_begin(W, TAG_ITEM);
        tlv_put_bytes(W, TAG_ITEM_NAME, name, length);
        tlv_put_vln(W, TAG_ITEM_PRICE, 100);
        tlv_put_fvln(W, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
        tlv_put_vln(W, TAG_ITEM_SUM, 100);
        tlv_put_u8(W, TAG_VAT_RATE, 6);
        tlv_end(W, mark);
        tlv_put_vln(W, TAG_PAID_CASH, 100);
        if (length == 0)
            expect(&any, ERROR_FIELD_MISSING, TAG_ITEM_NAME, 1, 0);
        else if (length == 129)
            expect(&any, ERROR_FIELD_LENGTH, TAG_ITEM_NAME, 1, 128);
        else
            expect_good(&any);
    }
    start();
    item(100, (struct decimal){0, 0}, 0, VAT_RATE_NONE);
    expect(&any, ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 1, 0);
    start();
    item(100, (struct decimal){1, 16}, 0, VAT_RATE_NONE);
    expect(&any, ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 1, 0);
    start();
    item(0xFFFFFFFFFFFF, (struct decimal){1000, 0}, 0, VAT_RATE_NONE);
    expect(&any, ERROR_FIELD_VALUE, TAG_ITEM_PRICE, 1, 0);
}

static void test_credit_payment_stands_alone(void **state)
{
    (void)state;
    start();
    size_t mark = open_item(100, (struct decimal){1, 0}, 100, VAT_RATE_NONE);
    draft.bytes[draft.writer.length - 6] = 7; /* 1214, before the last tag */
    tlv_end(W, mark);
    size_t base = draft.writer.length;
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&any);
    draft.writer.length = base;
    item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, 200);
    expect(&any, ERROR_CREDIT_PAYMENT_ALONE, TAG_ITEM_PAYMENT_METHOD, 1, 0);
}

static void test_contact_and_cashier(void **state)
{
    static const struct receipt_rules board = {.cashier_required = true};
    static const struct receipt_rules known = {.cashier_required = true, .cashier_known = true};
    (void)state;
    start();
    item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&any);
    expect_good(&known);
    expect(&board, ERROR_CASHIER_MISSING, TAG_CASHIER, 0, 0);
    tlv_put_bytes(W, TAG_CASHIER, "A", 1);
    expect_good(&board);
    size_t base = draft.writer.length;
    tlv_put_u8(W, TAG_ELECTRONICALLY, 0);
    expect_good(&any);
    draft.bytes[base + 4] = 1;
    expect(&any, ERROR_CONTACT, TAG_BUYER_CONTACT, 0, 0);
    draft.bytes[base + 4] = 2;
    expect(&any, ERROR_FIELD_VALUE, TAG_ELECTRONICALLY, 0, 0);
    draft.bytes[base + 4] = 1;
    tlv_put_bytes(W, TAG_BUYER_CONTACT, "a@b.ru", 6);
    expect_good(&any);
    assert_true(summary.electronically);
    assert_true(summary.has_contact);
    draft.bytes[draft.writer.length - 5] = '.';
    expect(&any, ERROR_CONTACT, TAG_BUYER_CONTACT, 0, 0);
    draft.writer.length = base;
    tlv_put_u8(W, TAG_INTERNET_SETTLEMENT, 1);
    expect(&any, ERROR_CONTACT, TAG_BUYER_CONTACT, 0, 0);
}

static void test_agents(void **state)
{
    (void)state;
    start();
    size_t mark = open_item(100, (struct decimal){1, 0}, 100, VAT_RATE_NONE);
    tlv_put_u8(W, TAG_ITEM_AGENT_FLAG, 0x40);
    tlv_put_padded(W, TAG_SUPPLIER_INN, "7702203276", 10, 12);
    size_t data = tlv_begin(W, TAG_AGENT_DATA);
    tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+71", 3);
    tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+72", 3);
    tlv_end(W, data);
    size_t supplier = tlv_begin(W, TAG_SUPPLIER_DATA);
    tlv_put_bytes(W, TAG_SUPPLIER_NAME, "x", 1);
    tlv_end(W, supplier);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    expect_good(&ffd_1_05);
    expect_good(&ffd_1_2);
    /* 1.05: the agent of the whole receipt. */
    start();
    mark = open_item(100, (struct decimal){1, 0}, 100, VAT_RATE_NONE);
    tlv_put_padded(W, TAG_SUPPLIER_INN, "7702203276", 10, 12);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+71", 3);
    size_t base = draft.writer.length;
    tlv_put_u8(W, TAG_AGENT_FLAGS, 0x04);
    expect_good(&ffd_1_05);
    draft.writer.length = base;
    expect(&ffd_1_05, ERROR_FIELD_MISSING, TAG_ITEM_AGENT_FLAG, 1, 0);
    start();
    item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, 100);
    tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+71", 3);
    expect(&ffd_1_05, ERROR_FIELD_MISSING, TAG_AGENT_FLAGS, 0, 0);
    draft.bytes[draft.writer.length - 3] = '8';
    expect(&ffd_1_05, ERROR_FIELD_VALUE, TAG_PAYMENT_AGENT_PHONE, 0, 0);
}

static void test_fraction_of_a_marked_unit(void **state)
{
    (void)state;
    for (unsigned numerator = 0; numerator < 6; numerator++) {
        start();
        size_t mark = open_item(100, (struct decimal){1000, 3}, 100, VAT_RATE_NONE);
        size_t fraction = tlv_begin(W, TAG_FRACTIONAL_QUANTITY);
        tlv_put_vln(W, TAG_NUMERATOR, numerator);
        if (numerator != 5)
            tlv_put_vln(W, TAG_DENOMINATOR, 4);
        tlv_end(W, fraction);
        tlv_end(W, mark);
        tlv_put_vln(W, TAG_PAID_CASH, 100);
        if (numerator >= 1 && numerator <= 3)
            expect_good(&ffd_1_2);
        else if (numerator == 5)
            expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_DENOMINATOR, 1, 0);
        else
            expect(&ffd_1_2, ERROR_FIELD_VALUE, TAG_NUMERATOR, 1, 0);
    }
}

static void test_sizes(void **state)
{
    static char text[256];
    unsigned items = 0;
    (void)state;
    memset(text, 'x', sizeof text);
    /* An item of exactly 1024 bytes passes, one byte more does not. */
    for (unsigned over = 0; over < 2; over++) {
        start();
        size_t mark = open_item(100, (struct decimal){1, 0}, 100, VAT_RATE_NONE);
        tlv_put_u8(W, TAG_ITEM_AGENT_FLAG, 0x40);
        tlv_put_padded(W, TAG_SUPPLIER_INN, "7702203276", 10, 12);
        size_t data = tlv_begin(W, TAG_SUPPLIER_DATA);
        tlv_put_bytes(W, TAG_SUPPLIER_NAME, text, 256);
        for (unsigned i = 0; i < 10; i++)
            tlv_put_bytes(W, TAG_SUPPLIER_PHONE, "+123456789012345678", 19);
        tlv_end(W, data);
        data = tlv_begin(W, TAG_AGENT_DATA);
        tlv_put_bytes(W, TAG_TRANSFER_OPERATOR_ADDRESS, text, 256);
        size_t left = ITEM_TLV_MAX + over - (draft.writer.length - mark - TLV_HEADER_SIZE);
        while (left > 23) {
            size_t digits = left >= 29 ? 19 : 10; /* what is left must be a phone again */
            tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+123456789012345678", digits);
            left -= 4 + digits;
        }
        tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+123456789012345678", left - 4);
        tlv_end(W, data);
        tlv_end(W, mark);
        tlv_put_vln(W, TAG_PAID_CASH, 100);
        if (over == 0)
            expect_good(&any);
        else
            expect(&any, ERROR_TOO_LARGE, TAG_ITEM, 1, ITEM_TLV_MAX);
    }
    /* As many items as fit, and one more. */
    start();
    while (draft.writer.length < RECEIPT_TLV_MAX - 100) {
        item_of(100, VAT_RATE_NONE);
        items++;
    }
    size_t base = draft.writer.length;
    tlv_put_vln(W, TAG_PAID_CASH, items * 100u);
    expect_good(&any);
    assert_int_equal(summary.items, items);
    size_t mark =
        tlv_begin(W, TAG_SLIP_AFTER); /* what stays off the fiscal module does not count */
    size_t line = tlv_begin(W, TAG_SLIP_TEXT);
    tlv_put_bytes(W, TAG_SLIP_STRING, text, 256);
    tlv_end(W, line);
    tlv_end(W, mark);
    expect_good(&any);
    draft.writer.length = base;
    for (unsigned i = 0; i < 4; i++)
        item_of(100, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, (items + 4) * 100u);
    expect(&any, ERROR_TOO_LARGE, 0, 0, RECEIPT_TLV_MAX);
}

static void good_receipt(void)
{
    start();
    size_t mark = open_item(100, (struct decimal){15, 1}, 150, VAT_RATE_22);
    size_t data = tlv_begin(W, TAG_SUPPLIER_DATA);
    tlv_put_bytes(W, TAG_SUPPLIER_PHONE, "+71", 3);
    tlv_end(W, data);
    tlv_put_u8(W, TAG_ITEM_AGENT_FLAG, 0x40);
    tlv_put_padded(W, TAG_SUPPLIER_INN, "7702203276", 10, 12);
    tlv_end(W, mark);
    mark = tlv_begin(W, TAG_VAT_SUMS);
    put_sum(27, VAT_RATE_22);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 150);
    tlv_put_vln(W, TAG_CASH_TENDERED, 200);
    expect_good(&any);
}

static void test_cut_after_every_byte(void **state)
{
    (void)state;
    good_receipt();
    size_t size = draft.writer.length;
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t copy[256];
        memcpy(copy, draft.bytes, cut);
        bool good = receipt_check(copy, cut, &any, &summary, &why);
        assert_int_equal(good, cut == size - 5); /* without the cash tendered it is whole too */
        assert_int_equal(why.code == ERROR_NONE, good);
    }
}

/* Whatever arrives: no crash, and what is accepted adds up. */
static void test_garbage(void **state)
{
    unsigned accepted = 0;
    (void)state;
    good_receipt();
    size_t size = draft.writer.length;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t copy[256];
        memcpy(copy, draft.bytes, size);
        for (unsigned changes = (unsigned)random_bits(2) + 1; changes > 0; changes--)
            copy[random_bits(32) % size] = (uint8_t)random_bits(8);
        if (!receipt_check(copy, size, &any, &summary, &why)) {
            assert_int_not_equal(why.code, ERROR_NONE);
            continue;
        }
        uint64_t paid = 0;
        for (unsigned i = 0; i < PAYMENT_COUNT; i++)
            paid += summary.paid_kop[i];
        assert_int_equal(paid, summary.total_kop);
        assert_int_equal(summary.items_kop / 100, summary.total_kop / 100);
        accepted++;
    }
    assert_in_range(accepted, 1, 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_kind_and_tax_system),
        cmocka_unit_test(test_no_items),
        cmocka_unit_test(test_items_mandatory_tags),
        cmocka_unit_test(test_items_other_tags),
        cmocka_unit_test(test_format_versions),
        cmocka_unit_test(test_format_versions_of_the_receipt),
        cmocka_unit_test(test_lists_of_values),
        cmocka_unit_test(test_names_and_quantities),
        cmocka_unit_test(test_credit_payment_stands_alone),
        cmocka_unit_test(test_contact_and_cashier),
        cmocka_unit_test(test_agents),
        cmocka_unit_test(test_fraction_of_a_marked_unit),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_cut_after_every_byte),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
