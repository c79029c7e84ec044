/* Corners of the rules and formats that no shop's day and no fuzzed mutation of one reaches. */
#include "tests/unit/receipt_draft.h"

#include <limits.h>
#include <string.h>

#include "proto/cp866.h"
#include "proto/fn_frame.h"
#include "proto/money.h"
#include "proto/ofd.h"
#include "proto/tag_check.h"

/* ---- Sums ---- */

/* 10 * 2^64 - 5 and half up: the carry leaves 64 bits, and the cost is not 0 but too large. */
static void test_cost_that_carries_out_of_64_bits(void **state)
{
    uint64_t cost = 7;
    (void)state;
    assert_false(item_cost(1269605, (struct decimal){145295143558111, 1}, &cost));
    assert_int_equal(cost, 7);
    assert_true(item_cost(9, (struct decimal){5, 1}, &cost));
    assert_int_equal(cost, 5);
}

static void test_vat_of_no_rate_is_the_sum(void **state)
{
    (void)state;
    assert_int_equal(vat_contained(12345, 0), 12345);
    assert_int_equal(vat_contained(12345, VAT_RATE_COUNT), 12345);
    assert_int_equal(vat_contained(12345, VAT_RATE_NONE), 12345);
    assert_int_equal(vat_contained(12200, VAT_RATE_22), 2200);
}

static void test_item_vat_of_a_rate_without_tax(void **state)
{
    (void)state;
    for (uint64_t stated = 0; stated <= 2; stated++) {
        start();
        size_t mark = open_item(1000, (struct decimal){1, 0}, 1000, VAT_RATE_NONE);
        tlv_put_vln(W, TAG_ITEM_VAT_SUM, stated);
        tlv_end(W, mark);
        tlv_put_vln(W, TAG_PAID_CASH, 1000);
        if (stated <= 1)
            expect_good(&ffd_1_05);
        else
            expect(&ffd_1_05, ERROR_VAT_SUM, TAG_ITEM_VAT_SUM, 1, 0);
    }
}

static void sums_with(size_t parts, bool rate, bool value, uint8_t which)
{
    start();
    item_of(1000, VAT_RATE_22);
    tlv_put_vln(W, TAG_PAID_CASH, 1000);
    size_t sums = tlv_begin(W, TAG_VAT_SUMS);
    for (size_t i = 0; i < parts; i++) {
        size_t mark = tlv_begin(W, TAG_VAT_SUM);
        if (value)
            tlv_put_vln(W, TAG_VAT_SUM_VALUE, 180);
        if (rate)
            tlv_put_u8(W, TAG_VAT_RATE, which);
        tlv_end(W, mark);
    }
    tlv_end(W, sums);
}

static void test_vat_sums_are_whole(void **state)
{
    (void)state;
    sums_with(1, true, true, VAT_RATE_22);
    expect_good(&ffd_1_2);
    sums_with(1, false, true, 0);
    expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_VAT_RATE, 0, 0);
    sums_with(1, true, false, VAT_RATE_22);
    expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_VAT_SUM_VALUE, 0, 0);
    sums_with(1, true, true, VAT_RATE_20); /* has a total of its own */
    expect(&ffd_1_2, ERROR_VAT_RATE, TAG_VAT_SUM, 0, 0);
    sums_with(1, true, true, 99);
    expect(&ffd_1_2, ERROR_VAT_RATE, TAG_VAT_RATE, 0, 0);
    sums_with(2, true, true, VAT_RATE_22);
    expect(&ffd_1_2, ERROR_FIELD_REPEATED, TAG_VAT_SUM, 0, 0);
}

/* ---- Items ---- */

static void fraction_of(struct decimal quantity, bool numerator, bool denominator)
{
    start();
    size_t mark = open_item(1000, quantity, 1000, VAT_RATE_22);
    size_t fraction = tlv_begin(W, TAG_FRACTIONAL_QUANTITY);
    tlv_put_bytes(W, TAG_FRACTION_TEXT_N_D, "1/3", 3);
    if (numerator)
        tlv_put_vln(W, TAG_NUMERATOR, 1);
    if (denominator)
        tlv_put_vln(W, TAG_DENOMINATOR, 3);
    tlv_end(W, fraction);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 1000);
}

static void test_part_of_a_marked_unit(void **state)
{
    (void)state;
    fraction_of((struct decimal){1, 0}, true, true);
    expect_good(&ffd_1_2);
    fraction_of((struct decimal){1000, 3}, true, true); /* 1.000 is one, too */
    expect_good(&ffd_1_2);
    fraction_of((struct decimal){1, 0}, false, true);
    expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_NUMERATOR, 1, 0);
    fraction_of((struct decimal){1, 0}, true, false);
    expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_DENOMINATOR, 1, 0);
    /* Not one: 2, and 1.5. */
    static const struct decimal others[] = {{2, 0}, {15, 1}};
    for (unsigned i = 0; i < 2; i++) {
        start();
        size_t mark = open_item(1000, others[i], i == 0 ? 2000 : 1500, VAT_RATE_22);
        size_t fraction = tlv_begin(W, TAG_FRACTIONAL_QUANTITY);
        tlv_put_vln(W, TAG_NUMERATOR, 1);
        tlv_put_vln(W, TAG_DENOMINATOR, 3);
        tlv_end(W, fraction);
        tlv_end(W, mark);
        tlv_put_vln(W, TAG_PAID_CASH, i == 0 ? 2000 : 1500);
        expect(&ffd_1_2, ERROR_FIELD_VALUE, TAG_ITEM_QUANTITY, 1, 1);
    }
}

/* Data of an agent, or of whom he sells for, without saying that there is one. */
static void test_agent_data_without_an_agent(void **state)
{
    (void)state;
    start();
    size_t mark = open_item(1000, (struct decimal){1, 0}, 1000, VAT_RATE_22);
    size_t data = tlv_begin(W, TAG_AGENT_DATA);
    tlv_put_bytes(W, TAG_PAYMENT_AGENT_PHONE, "+79161234567", 12);
    tlv_end(W, data);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_CASH, 1000);
    expect(&ffd_1_2, ERROR_FIELD_MISSING, TAG_ITEM_AGENT_FLAG, 1, 0);
}

/* A payment of a credit must be the only item; of two such ones the first is named. */
static void test_two_credit_payments(void **state)
{
    (void)state;
    start();
    item_of(1000, VAT_RATE_22);
    for (unsigned i = 0; i < 2; i++) {
        size_t mark = tlv_begin(W, TAG_ITEM);
        tlv_put_bytes(W, TAG_ITEM_NAME, "x", 1);
        tlv_put_vln(W, TAG_ITEM_PRICE, 1000);
        tlv_put_fvln(W, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
        tlv_put_vln(W, TAG_ITEM_SUM, 1000);
        tlv_put_u8(W, TAG_VAT_RATE, VAT_RATE_NONE);
        tlv_put_u8(W, TAG_ITEM_PAYMENT_METHOD, PAYMENT_METHOD_CREDIT_PAYMENT);
        tlv_put_u8(W, TAG_ITEM_SUBJECT, 1);
        tlv_end(W, mark);
    }
    tlv_put_vln(W, TAG_PAID_CASH, 3000);
    expect(&any, ERROR_CREDIT_PAYMENT_ALONE, TAG_ITEM_PAYMENT_METHOD, 2, 0);
}

static void test_format_of_the_future(void **state)
{
    static const struct receipt_rules future = {.ffd = 9, .tax_systems = 1};
    (void)state;
    start();
    item_of(1000, VAT_RATE_22);
    tlv_put_vln(W, TAG_PAID_CASH, 1000);
    expect(&future, ERROR_FIELD_NOT_ALLOWED, TAG_SETTLEMENT_KIND, 0, 0);
}

/* Lists within lists, each tag in its own place. */
static void test_nested_lists(void **state)
{
    (void)state;
    start();
    size_t mark = open_item(1000, (struct decimal){1, 0}, 1000, VAT_RATE_22);
    size_t supplier = tlv_begin(W, TAG_SUPPLIER_DATA);
    tlv_put_bytes(W, TAG_SUPPLIER_NAME, "x", 1);
    tlv_end(W, supplier);
    tlv_end(W, mark);
    tlv_put_vln(W, TAG_PAID_ELECTRONIC, 1000);
    size_t payments = tlv_begin(W, TAG_ELECTRONIC_PAYMENTS);
    size_t payment = tlv_begin(W, TAG_ELECTRONIC_PAYMENT);
    tlv_put_vln(W, TAG_ELECTRONIC_PAYMENT_SUM, 1000);
    tlv_put_u8(W, TAG_SETTLEMENT_KIND, 1);
    tlv_end(W, payment);
    tlv_end(W, payments);
    expect(&ffd_1_2, ERROR_FIELD_NOT_ALLOWED, TAG_SETTLEMENT_KIND, 0, 0);
}

/* ---- Single values ---- */

static bool value_ok(uint16_t tag, const void *value, size_t size)
{
    struct tlv tlv = {.tag = tag, .value = value, .length = (uint16_t)size};
    struct refusal refusal = {0};
    bool good = tag_check_value(tag_info_find(tlv.tag), &tlv, 0, &refusal);
    assert_int_equal(refusal.tag, good ? 0 : tag);
    return good;
}

static void test_values(void **state)
{
    (void)state;
    assert_true(value_ok(TAG_ITEM_MEASURE, "\xFF", 1));
    assert_false(value_ok(TAG_ITEM_MEASURE, "\xFE", 1));
    assert_false(value_ok(TAG_AGENT_FLAGS, "\0", 1));
    assert_true(value_ok(TAG_AGENT_FLAGS, "\3", 1));
    assert_false(value_ok(TAG_AGENT_FLAGS, "\x80", 1));
    assert_false(value_ok(TAG_TIME_ZONE, "\0", 1));
    assert_true(value_ok(TAG_TIME_ZONE, "\1", 1));
    assert_false(value_ok(TAG_TIME_ZONE, "\x0C", 1));
    assert_false(value_ok(TAG_SENDER_EMAIL, "a;b@example.com", 15));
    assert_false(value_ok(TAG_SENDER_EMAIL, "a,b@example.com", 15));
    assert_true(value_ok(TAG_SENDER_EMAIL, "ab@example.com", 14));
    assert_false(value_ok(TAG_ITEM_QUANTITY, "\0\0", 2));
    assert_false(value_ok(TAG_ITEM_QUANTITY, "\x10\1", 2));
    assert_true(value_ok(TAG_ITEM_QUANTITY, "\x0F\1", 2));
}

static void test_list_that_is_cut(void **state)
{
    static const uint16_t allowed[] = {TAG_CASHIER};
    static const uint8_t list[] = {0xFD, 0x03, 1, 0, 'x', 0xFD, 0x03, 5, 0};
    struct refusal refusal;
    (void)state;
    assert_true(tlv_check_list(list, 5, allowed, 1, &refusal));
    assert_false(tlv_check_list(list, sizeof list, allowed, 1, &refusal));
    assert_int_equal(refusal.code, ERROR_REQUEST_MALFORMED);
}

/* ---- Texts and formats ---- */

static void test_qr_of_a_short_number_and_of_no_place(void **state)
{
    char text[RECEIPT_QR_SIZE];
    char number[16] = "123";
    (void)state;
    assert_true(receipt_qr(text, sizeof text, 1790000000, 100, number, 1, 2, 1) > 0);
    assert_non_null(strstr(text, "&fn=123&i=1&"));
    memcpy(number, "456             ", 16);
    assert_true(receipt_qr(text, sizeof text, 1790000000, 100, number, 1, 2, 1) > 0);
    assert_non_null(strstr(text, "&fn=456&i=1&"));
    assert_int_equal(receipt_qr(NULL, 0, 1790000000, 100, number, 1, 2, 1), 0);
}

static void test_text_longer_than_any(void **state)
{
    uint8_t out[4];
    (void)state;
    assert_int_equal(cp866_from_utf8("x", (size_t)INT_MAX / 4 + 1, out, sizeof out, NULL), -1);
}

static void test_more_decimals_than_a_scale_has(void **state)
{
    char text[300];
    struct decimal value;
    (void)state;
    memset(text, '0', sizeof text);
    text[1] = '.';
    text[1 + 255] = '7';
    assert_true(decimal_parse(text, 2 + 255, 1000, &value));
    assert_int_equal(value.scale, 255);
    assert_int_equal(value.mantissa, 7);
    text[1 + 255] = '0';
    text[1 + 256] = '7';
    assert_false(decimal_parse(text, 2 + 256, 1000, &value));
    assert_false(decimal_parse("0.0007", 6, 3, &value));
}

static void test_status_of_a_nameless_fn(void **state)
{
    uint8_t bytes[FN_STATUS_SIZE];
    struct fn_status status;
    (void)state;
    memset(bytes, ' ', sizeof bytes);
    assert_true(fn_status_get(bytes, sizeof bytes, &status));
    assert_string_equal(status.number, "");
    memset(bytes + 10, 0, 16);
    assert_true(fn_status_get(bytes, sizeof bytes, &status));
    assert_string_equal(status.number, "");
}

static void test_container_types_and_size(void **state)
{
    static uint8_t large[OFD_BODY_MAX], out[OFD_BODY_MAX + OFD_CONTAINER_HEADER_SIZE];
    uint8_t small[64];
    struct ofd_container container = {
        .data_type = 3, .fn_number = "9999078900005488", .document = 5, .body = large, .size = 10};
    struct ofd_container back;
    (void)state;
    size_t size = ofd_container_encode(&container, small, sizeof small);
    assert_int_equal(size, OFD_CONTAINER_HEADER_SIZE + 10);
    assert_true(ofd_container_decode(small, size, &back));
    assert_int_equal(back.document, 5);
    small[4] ^= 1;
    assert_false(ofd_container_decode(small, size, &back));
    /* The type the protocol allows beside the usual one, with the CRC that belongs to it. */
    small[4] = 0x5A;
    assert_false(ofd_container_decode(small, size, &back)); /* not yet */
    for (unsigned crc = 0; crc <= UINT16_MAX; crc++) {
        small[2] = (uint8_t)crc;
        small[3] = (uint8_t)(crc >> 8);
        if (ofd_container_decode(small, size, &back))
            break;
    }
    assert_true(ofd_container_decode(small, size, &back));
    assert_string_equal(back.fn_number, "9999078900005488");
    container.size = OFD_BODY_MAX - OFD_CONTAINER_HEADER_SIZE + 1;
    assert_int_equal(ofd_container_encode(&container, out, sizeof out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cost_that_carries_out_of_64_bits),
        cmocka_unit_test(test_vat_of_no_rate_is_the_sum),
        cmocka_unit_test(test_item_vat_of_a_rate_without_tax),
        cmocka_unit_test(test_vat_sums_are_whole),
        cmocka_unit_test(test_part_of_a_marked_unit),
        cmocka_unit_test(test_agent_data_without_an_agent),
        cmocka_unit_test(test_two_credit_payments),
        cmocka_unit_test(test_format_of_the_future),
        cmocka_unit_test(test_nested_lists),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_list_that_is_cut),
        cmocka_unit_test(test_qr_of_a_short_number_and_of_no_place),
        cmocka_unit_test(test_text_longer_than_any),
        cmocka_unit_test(test_more_decimals_than_a_scale_has),
        cmocka_unit_test(test_status_of_a_nameless_fn),
        cmocka_unit_test(test_container_types_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
