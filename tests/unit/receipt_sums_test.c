/* Sums of a receipt: item, total, payments, VAT, exact to the kopeck; real receipts pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/proto_examples.h"
#include "tests/unit/receipt_draft.h"

static void test_a_sale(void **state)
{
    (void)state;
    start();
    item(15000, (struct decimal){2, 0}, 30000, VAT_RATE_22);
    item(8990, (struct decimal){1234, 3}, 11094, VAT_RATE_10); /* 110.9366 */
    tlv_put_vln(W, TAG_RECEIPT_TOTAL, 41000);
    tlv_put_vln(W, TAG_PAID_CASH, 31000);
    tlv_put_vln(W, TAG_PAID_ELECTRONIC, 10000);
    tlv_put_vln(W, TAG_CASH_TENDERED, 50000);
    tlv_put_bytes(W, TAG_CASHIER, "A", 1);
    expect_good(&ffd_1_05);
    assert_int_equal(summary.kind, SETTLEMENT_SALE);
    assert_int_equal(summary.tax_system, 1);
    assert_int_equal(summary.items, 2);
    assert_int_equal(summary.items_kop, 41094);
    assert_int_equal(summary.total_kop, 41000);
    assert_int_equal(summary.paid_kop[PAYMENT_CASH], 31000);
    assert_int_equal(summary.paid_kop[PAYMENT_ELECTRONIC], 10000);
    assert_int_equal(summary.tendered_kop, 50000);
    assert_int_equal(summary.turnover_kop[VAT_RATE_22], 30000);
    assert_int_equal(summary.vat_kop[VAT_RATE_22], 5410); /* 5409.84 */
    assert_int_equal(summary.vat_kop[VAT_RATE_10], 1009); /* 1008.55 */
    assert_int_equal(summary.rates_used, 1u << VAT_RATE_22 | 1u << VAT_RATE_10);
    assert_true(summary.has_cashier);
    assert_false(summary.has_contact);
    assert_false(summary.electronically);
    expect_good(&ffd_1_2);
    expect_good(&any);
}

/* Receipt D as its register sent it: without what the fiscal module forms,
 * but with 1054 and 1020. */
static void test_receipt_of_a_real_register(void **state)
{
    uint8_t bytes[512];
    size_t size = from_hex(EXAMPLE_D, bytes, sizeof bytes);
    struct tlv_reader reader;
    struct tlv tlv;
    uint8_t extra[64];
    struct byte_writer more;
    (void)state;
    byte_writer_init(W, draft.bytes, sizeof draft.bytes);
    tlv_reader_init(&reader, bytes, size);
    while (tlv_next(&reader, &tlv) == 1) {
        static const uint16_t formed[] = {TAG_FN_NUMBER,    TAG_KKT_REGISTRATION_NUMBER,
                                          TAG_USER_INN,     TAG_DOCUMENT_NUMBER,
                                          TAG_DATE_TIME,    TAG_FISCAL_SIGN,
                                          TAG_SHIFT_NUMBER, TAG_RECEIPT_NUMBER,
                                          TAG_FFD_VERSION};
        bool skip = false;
        for (size_t i = 0; i < sizeof formed / sizeof formed[0]; i++)
            skip |= formed[i] == tlv.tag;
        if (!skip) {
            tlv_put_bytes(W, tlv.tag, tlv.value, tlv.length);
            continue;
        }
        size_t before = draft.writer.length;
        tlv_put_bytes(W, tlv.tag, tlv.value, tlv.length);
        expect(&ffd_1_05, ERROR_FIELD_NOT_ALLOWED, tlv.tag, 0, 0);
        draft.writer.length = before;
    }
    expect_good(&ffd_1_05);
    assert_int_equal(summary.items, 1);
    assert_int_equal(summary.total_kop, 2600);
    assert_int_equal(summary.paid_kop[PAYMENT_ELECTRONIC], 2600);
    assert_int_equal(summary.vat_kop[VAT_RATE_20], 433);
    byte_writer_init(&more, extra, sizeof extra);
    receipt_complete(&more, draft.bytes, draft.writer.length, &summary);
    assert_int_equal(more.length, 0); /* the register had said everything */
}

static void test_complete(void **state)
{
    uint8_t extra[128], expected[128];
    struct byte_writer more;
    (void)state;
    start();
    item_of(80730, VAT_RATE_22); /* a real receipt of 2026: VAT 145.58 */
    item_of(12000, VAT_RATE_20);
    item_of(500, VAT_RATE_NONE);
    item_of(700, VAT_RATE_0);
    item_of(10500, VAT_RATE_5);
    tlv_put_vln(W, TAG_PAID_ELECTRONIC, 104430);
    tlv_put_vln(W, TAG_VAT_20, 2000);
    expect_good(&any);
    byte_writer_init(&more, extra, sizeof extra);
    receipt_complete(&more, draft.bytes, draft.writer.length, &summary);
    size_t size = from_hex("0704 0100 00  BF04 0100 00  C004 0100 00  C104 0100 00"
                           "5004 0200 BC02  5104 0200 F401"
                           "5B04 1E00  5F04 0B00 6004 0200 F401 AF04 0100 07"
                           "           5F04 0B00 6004 0200 DE38 AF04 0100 0B",
                           expected, sizeof expected);
    assert_int_equal(more.length, size);
    assert_memory_equal(extra, expected, size);
    /* Completed, it is still good, and nothing is left to add. */
    put_bytes(W, extra, more.length);
    expect_good(&any);
    byte_writer_init(&more, extra, sizeof extra);
    receipt_complete(&more, draft.bytes, draft.writer.length, &summary);
    assert_int_equal(more.length, 0);
}

static void test_item_sum(void **state)
{
    (void)state;
    /* 89.90 x 1.234 = 110.9366: 110.93, 110.94 and 110.95 are within one kopeck of 110.94. */
    for (uint64_t sum = 11091; sum <= 11097; sum++) {
        start();
        item(8990, (struct decimal){1234, 3}, sum, VAT_RATE_NONE);
        tlv_put_vln(W, TAG_PAID_CASH, sum);
        if (sum >= 11093 && sum <= 11095)
            expect_good(&any);
        else
            expect(&any, ERROR_ITEM_SUM, TAG_ITEM_SUM, 1, 11094);
    }
}

static void test_total(void **state)
{
    (void)state;
    for (uint64_t total = 40995; total < 41205; total++) {
        start();
        item_of(41094, VAT_RATE_NONE);
        tlv_put_vln(W, TAG_RECEIPT_TOTAL, total);
        tlv_put_vln(W, TAG_PAID_CASH, total);
        if (total >= 41000 && total <= 41094)
            expect_good(&any);
        else
            expect(&any, ERROR_TOTAL_SUM, TAG_RECEIPT_TOTAL, 0, 41094);
    }
    start();
    item_of(RECEIPT_TOTAL_MAX, VAT_RATE_NONE);
    tlv_put_vln(W, TAG_PAID_CASH, RECEIPT_TOTAL_MAX);
    expect_good(&any);
    item_of(1, VAT_RATE_NONE);
    expect(&any, ERROR_TOTAL_SUM, TAG_RECEIPT_TOTAL, 2, RECEIPT_TOTAL_MAX);
}

static void payments(uint64_t cash, uint64_t electronic, uint64_t prepaid, uint64_t tendered)
{
    start();
    item_of(10000, VAT_RATE_NONE);
    if (cash > 0)
        tlv_put_vln(W, TAG_PAID_CASH, cash);
    if (electronic > 0)
        tlv_put_vln(W, TAG_PAID_ELECTRONIC, electronic);
    if (prepaid > 0)
        tlv_put_vln(W, TAG_PAID_PREPAID, prepaid);
    if (tendered > 0)
        tlv_put_vln(W, TAG_CASH_TENDERED, tendered);
}

static void test_payments(void **state)
{
    (void)state;
    payments(10000, 0, 0, 0);
    expect_good(&any);
    assert_int_equal(summary.tendered_kop, 10000);
    payments(2500, 5000, 2500, 5000);
    expect_good(&any);
    assert_int_equal(summary.tendered_kop, 5000);
    payments(0, 0, 0, 0);
    expect(&any, ERROR_PAYMENT_SHORT, TAG_RECEIPT_TOTAL, 0, 10000);
    payments(5000, 0, 0, 20000);
    expect(&any, ERROR_PAYMENT_SHORT, TAG_PAID_CASH, 0, 5000);
    payments(0, 9999, 0, 0);
    expect(&any, ERROR_PAYMENT_SHORT, TAG_RECEIPT_TOTAL, 0, 1);
    payments(10001, 0, 0, 0);
    expect(&any, ERROR_PAYMENT_EXCESS, TAG_PAID_CASH, 0, 1);
    payments(0, 10100, 0, 0);
    expect(&any, ERROR_PAYMENT_EXCESS, TAG_PAID_ELECTRONIC, 0, 100);
    payments(0, 4000, 7000, 0);
    expect(&any, ERROR_PAYMENT_EXCESS, TAG_PAID_PREPAID, 0, 1000);
    payments(10000, 0, 0, 9999);
    expect(&any, ERROR_FIELD_VALUE, TAG_CASH_TENDERED, 0, 10000);
    payments(0, 10000, 0, 500);
    expect(&any, ERROR_PAYMENT_EXCESS, TAG_CASH_TENDERED, 0, 500);
    payments(0, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFF, 0);
    expect(&any, ERROR_PAYMENT_EXCESS, TAG_PAID_ELECTRONIC, 0, 2 * 0xFFFFFFFFFFFFull - 10000);
    for (unsigned payment = 0; payment < PAYMENT_COUNT; payment++) {
        start();
        item_of(10000, VAT_RATE_NONE);
        tlv_put_vln(W, payment_tag(payment), 10000);
        expect_good(&any);
        assert_int_equal(summary.paid_kop[payment], 10000);
    }
    assert_int_equal(payment_tag(PAYMENT_COUNT), 0);
}

static void test_stated_vat(void **state)
{
    (void)state;
    /* Two items: two kopecks of tolerance around 20.00. */
    for (uint64_t stated = 1996; stated <= 2004; stated++) {
        start();
        item_of(6000, VAT_RATE_20);
        item_of(6000, VAT_RATE_20);
        tlv_put_vln(W, TAG_PAID_CASH, 12000);
        tlv_put_vln(W, TAG_VAT_20, stated);
        if (stated >= 1998 && stated <= 2002)
            expect_good(&any);
        else
            expect(&any, ERROR_VAT_SUM, TAG_VAT_20, 0, 2000);
    }
    start();
    item_of(6000, VAT_RATE_20);
    tlv_put_vln(W, TAG_PAID_CASH, 6000);
    tlv_put_vln(W, TAG_VAT_10, 0);
    tlv_put_vln(W, TAG_TURNOVER_NO_VAT, 0);
    expect_good(&any);
    tlv_put_vln(W, TAG_TURNOVER_0, 6000);
    expect(&any, ERROR_VAT_SUM, TAG_TURNOVER_0, 0, 0);
}

static void test_stated_vat_of_new_rates(void **state)
{
    (void)state;
    static const struct {
        uint64_t kop[2];
        uint8_t rate[2];
        uint16_t code, tag;
        uint64_t expected;
    } cases[] = {
        {{14558, 0}, {11, 8}, ERROR_NONE, 0, 0},
        {{14557, 1}, {11, 7}, ERROR_NONE, 0, 0},
        {{14560, 0}, {11, 7}, ERROR_VAT_SUM, TAG_VAT_SUMS, 14558},
        {{0, 0},
         {7, 8},
         ERROR_VAT_SUM,
         TAG_VAT_SUMS,
         14558}, /* the rate that was used is missing */
        {{14558, 14558}, {11, 11}, ERROR_FIELD_REPEATED, TAG_VAT_SUM, 0},
        {{14558, 0}, {11, 1}, ERROR_VAT_RATE, TAG_VAT_SUM, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start();
        item_of(80730, VAT_RATE_22);
        tlv_put_vln(W, TAG_PAID_CASH, 80730);
        size_t mark = tlv_begin(W, TAG_VAT_SUMS);
        put_sum(cases[i].kop[0], cases[i].rate[0]);
        put_sum(cases[i].kop[1], cases[i].rate[1]);
        tlv_end(W, mark);
        if (cases[i].code == ERROR_NONE)
            expect_good(&any);
        else
            expect(&any, cases[i].code, cases[i].tag, 0, cases[i].expected);
    }
}

static void test_item_cost_is_exact(void **state)
{
    uint64_t cost;
    (void)state;
    assert_true(item_cost(8990, (struct decimal){1234, 3}, &cost));
    assert_int_equal(cost, 11094);
    assert_true(item_cost(1, (struct decimal){5, 1}, &cost));
    assert_int_equal(cost, 1); /* half goes up */
    assert_true(item_cost(1, (struct decimal){49, 2}, &cost));
    assert_int_equal(cost, 0);
    assert_true(item_cost(3, (struct decimal){5, 1}, &cost));
    assert_int_equal(cost, 2);
    for (unsigned round = 0; round < 200000; round++) {
        uint64_t price = random_bits((unsigned)random_bits(6));
        struct decimal quantity = {random_bits((unsigned)random_bits(6)), (uint8_t)random_bits(4)};
        unsigned __int128 divisor = 1;
        for (unsigned i = 0; i < quantity.scale; i++)
            divisor *= 10;
        unsigned __int128 exact =
            ((unsigned __int128)price * quantity.mantissa + divisor / 2) / divisor;
        bool fits = exact <= RECEIPT_TOTAL_MAX;
        assert_int_equal(item_cost(price, quantity, &cost), fits);
        if (fits)
            assert_int_equal(cost, (uint64_t)exact);
    }
    assert_true(item_cost(UINT64_MAX, (struct decimal){UINT64_MAX, 255}, &cost));
    assert_int_equal(cost, 0);
    assert_false(item_cost(UINT64_MAX, (struct decimal){UINT64_MAX, 0}, &cost));
}

static void test_vat_contained_is_exact(void **state)
{
    static const unsigned percent[VAT_RATE_COUNT] = {0, 20, 10, 20, 10, 0, 0, 5, 7, 5, 7, 22, 22};
    (void)state;
    assert_int_equal(vat_contained(2600, VAT_RATE_20), 433);
    assert_int_equal(vat_contained(80730, VAT_RATE_22), 14558);
    assert_int_equal(vat_contained(777, VAT_RATE_0), 777);
    assert_int_equal(vat_contained(777, VAT_RATE_NONE), 777);
    for (unsigned round = 0; round < 100000; round++) {
        uint64_t gross = random_bits((unsigned)random_bits(6));
        for (uint8_t rate = 1; rate < VAT_RATE_COUNT; rate++) {
            unsigned __int128 whole = 100 + percent[rate];
            unsigned __int128 exact =
                ((unsigned __int128)gross * percent[rate] * 2 + whole) / (2 * whole);
            assert_int_equal(vat_contained(gross, rate),
                             percent[rate] == 0 ? gross : (uint64_t)exact);
        }
    }
}

static void test_qr(void **state)
{
    static const char expected[] =
        "t=20200908T1233&s=26.00&fn=9999078902006495&i=3342&fp=528289624&n=1";
    char text[RECEIPT_QR_SIZE];
    (void)state;
    assert_int_equal(
        receipt_qr(text, sizeof text, 0x5F5779FC, 2600, "9999078902006495", 3342, 528289624, 1),
        sizeof expected - 1);
    assert_string_equal(text, expected);
    for (size_t capacity = 0; capacity < sizeof text; capacity++) {
        memset(text, 0x55, sizeof text);
        assert_int_equal(
            receipt_qr(text, capacity, 0x5F5779FC, 2600, "9999078902006495", 3342, 528289624, 1),
            capacity < sizeof expected ? 0 : sizeof expected - 1);
        for (size_t i = capacity; i < sizeof text; i++)
            assert_int_equal(text[i], 0x55);
    }
    /* The longest there can be fits RECEIPT_QR_SIZE. */
    assert_in_range(receipt_qr(text, sizeof text, UINT32_MAX, RECEIPT_TOTAL_MAX, "9999999999999999",
                               UINT32_MAX, UINT32_MAX, 4),
                    80, RECEIPT_QR_SIZE - 1);
    assert_true(receipt_qr(text, sizeof text, 0x5F5779FC, 5, "99990789       ", 1, 7, 2) > 0);
    assert_string_equal(text, "t=20200908T1233&s=0.05&fn=99990789&i=1&fp=7&n=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sale),
        cmocka_unit_test(test_receipt_of_a_real_register),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_item_sum),
        cmocka_unit_test(test_total),
        cmocka_unit_test(test_payments),
        cmocka_unit_test(test_stated_vat),
        cmocka_unit_test(test_stated_vat_of_new_rates),
        cmocka_unit_test(test_item_cost_is_exact),
        cmocka_unit_test(test_vat_contained_is_exact),
        cmocka_unit_test(test_qr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
