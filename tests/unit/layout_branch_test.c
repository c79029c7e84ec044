/* Slips of documents that lack something, hold what no dictionary knows, or hold too much: what can
 * be said is said, the rest is left out, and nothing but text reaches the head.
 */
#include "tests/unit/paper_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "firmware/escpos.h"
#include "firmware/layout_script.h"

static struct {
    uint8_t bytes[8192];
    struct byte_writer writer;
} document;

#define W (&document.writer)

static void begin(void)
{
    byte_writer_init(W, document.bytes, sizeof document.bytes);
}

/* The slip in UTF-8, blanks and line ends single blanks. */
static const char *slip(uint16_t form)
{
    static char text[32768];
    struct layout layout;
    struct slip_line line;
    size_t used = 0;
    assert_true(byte_writer_ok(W));
    layout_init(&layout, document.bytes, document.writer.length, form, 0, 48);
    while (layout_next(&layout, &line)) {
        char part[2048];
        cp866_to_utf8(line.text, line.length, part, sizeof part);
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 line.kind == SLIP_LINE_QR ? "[QR %s] " : "%s ", part);
        assert_true(used < sizeof text);
    }
    char *out = text;
    for (const char *in = text; *in != '\0'; in++)
        if (*in != ' ' || out == text || out[-1] != ' ')
            *out++ = *in;
    *out = '\0';
    return text;
}

static void expect_said(uint16_t form, const char *what)
{
    const char *text = slip(form);
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" is missing in: %s", what, text);
}

static void expect_unsaid(uint16_t form, const char *what)
{
    const char *text = slip(form);
    if (strstr(text, what) != NULL)
        fail_msg("\"%s\" is in: %s", what, text);
}

/* ---- Items ---- */

static size_t begin_item(const char *name)
{
    begin();
    tlv_put_u8(W, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    size_t mark = tlv_begin(W, TAG_ITEM);
    tlv_put_bytes(W, TAG_ITEM_NAME, name, strlen(name));
    return mark;
}

static void test_marks_of_checked_goods(void **state)
{
    (void)state;
    static const struct {
        uint8_t check;
        const char *said;
    } marks[] = {{0x0F, "[М+] Milk"}, {0x01, "[М-] Milk"}, {0x07, "[М-] Milk"}, {0x03, "[М] Milk"}};
    for (unsigned i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t mark = begin_item("Milk");
        tlv_put_u8(W, TAG_ITEM_CHECK_RESULT, marks[i].check);
        tlv_end(W, mark);
        expect_said(FORM_RECEIPT, marks[i].said);
    }
    tlv_end(W, begin_item("Milk"));
    expect_unsaid(FORM_RECEIPT, "[М");
}

static void test_cost_of_an_item(void **state)
{
    (void)state;
    static const struct decimal two = {2, 0};
    size_t mark = begin_item("Milk");
    tlv_put_fvln(W, TAG_ITEM_QUANTITY, two);
    tlv_put_u8(W, TAG_ITEM_MEASURE, 11);
    tlv_put_vln(W, TAG_ITEM_PRICE, 150);
    tlv_put_vln(W, TAG_ITEM_SUM, 300);
    tlv_end(W, mark);
    char expected[64];
    snprintf(expected, sizeof expected, "2 %s x 1.50 =3.00", measure_label(11));
    expect_said(FORM_RECEIPT, expected);
    /* A unit nobody knows, and one in words. */
    mark = begin_item("Milk");
    tlv_put_fvln(W, TAG_ITEM_QUANTITY, two);
    tlv_put_u8(W, TAG_ITEM_MEASURE, 0xFE);
    tlv_put_vln(W, TAG_ITEM_PRICE, 150);
    tlv_end(W, mark);
    expect_said(FORM_RECEIPT, "2 x 1.50 ");
    mark = begin_item("Milk");
    tlv_put_fvln(W, TAG_ITEM_QUANTITY, two);
    tlv_put_bytes(W, TAG_ITEM_UNIT_TEXT, "jars", 4);
    tlv_put_vln(W, TAG_ITEM_SUM, 300);
    tlv_end(W, mark);
    expect_said(FORM_RECEIPT, "2 jars =3.00");
    /* A quantity that is none. */
    mark = begin_item("Milk");
    tlv_put_bytes(W, TAG_ITEM_QUANTITY, "x", 1);
    tlv_put_vln(W, TAG_ITEM_PRICE, 150);
    tlv_put_vln(W, TAG_ITEM_SUM, 300);
    tlv_end(W, mark);
    expect_said(FORM_RECEIPT, "Milk 1.50 =3.00");
    /* Nothing at all. */
    tlv_end(W, begin_item("Milk"));
    expect_unsaid(FORM_RECEIPT, "=");
}

static void test_kind_of_an_item(void **state)
{
    (void)state;
    char expected[128];
    size_t mark = begin_item("Milk");
    tlv_put_u8(W, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_put_u8(W, TAG_ITEM_SUBJECT, 99); /* unknown */
    tlv_put_u8(W, TAG_VAT_RATE, VAT_RATE_22);
    tlv_put_vln(W, TAG_ITEM_VAT_SUM, 54);
    tlv_end(W, mark);
    snprintf(expected, sizeof expected, "%s", payment_method_label(4));
    expect_said(FORM_RECEIPT, expected);
    expect_unsaid(FORM_RECEIPT, ", ");
    expect_said(FORM_RECEIPT, " =0.54");
    for (unsigned i = 0; i < 3; i++) { /* a rate nobody knows, no tax, a tax of nothing */
        mark = begin_item("Milk");
        tlv_put_u8(W, TAG_VAT_RATE, i == 0 ? 99 : VAT_RATE_22);
        if (i != 1)
            tlv_put_vln(W, TAG_ITEM_VAT_SUM, i == 0 ? 54 : 0);
        tlv_end(W, mark);
        expect_unsaid(FORM_RECEIPT, "=");
    }
}

/* ---- Totals and QR ---- */

static void test_vat_sums(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        begin();
        size_t sums = tlv_begin(W, TAG_VAT_SUMS);
        size_t one = tlv_begin(W, TAG_VAT_SUM);
        if (i != 1)
            tlv_put_vln(W, TAG_VAT_SUM_VALUE, i == 2 ? 0 : 77);
        if (i != 3)
            tlv_put_u8(W, TAG_VAT_RATE, i == 4 ? 99 : VAT_RATE_22);
        tlv_end(W, one);
        tlv_end(W, sums);
        if (i == 0)
            expect_said(FORM_RECEIPT, "=0.77");
        else
            expect_unsaid(FORM_RECEIPT, "=");
    }
}

/* The QR code has all of its parts or is not there. */
static void test_qr_is_whole_or_absent(void **state)
{
    (void)state;
    for (unsigned without = 0; without <= 8; without++) {
        begin();
        if (without != 1)
            tlv_put_bytes(W, TAG_FN_NUMBER, "9999078900005488", without == 2 ? 15 : 16);
        if (without != 3)
            tlv_put_bytes(W, TAG_FISCAL_SIGN, "\x31\x04\0\0\x30\x39", without == 4 ? 5 : 6);
        if (without != 5)
            tlv_put_u32(W, TAG_DATE_TIME, 1790000000);
        if (without != 6)
            tlv_put_u32(W, TAG_DOCUMENT_NUMBER, 7);
        if (without != 7)
            tlv_put_vln(W, TAG_RECEIPT_TOTAL, 12300);
        if (without != 8)
            tlv_put_u8(W, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
        if (without == 0)
            expect_said(FORM_RECEIPT, "&s=123.00&fn=9999078900005488&i=7&fp=12345&n=1]");
        else
            expect_unsaid(FORM_RECEIPT, "[QR");
    }
}

/* ---- Free text ---- */

static void test_free_qr(void **state)
{
    (void)state;
    uint8_t text[600];
    memset(text, 'q', sizeof text);
    text[0] = 0x1B;
    text[1] = 0x7F;
    begin();
    size_t mark = tlv_begin(W, TAG_SLIP_BEFORE);
    tlv_put_bytes(W, TAG_SLIP_QR, text, sizeof text);
    tlv_end(W, mark);
    const char *out = slip(FORM_RECEIPT);
    const char *code = strstr(out, "[QR ");
    assert_non_null(code);
    assert_null(strchr(out, 0x1B));
    assert_null(strchr(out, 0x7F));
    assert_int_equal(strspn(code + 4, "q"), 510); /* and two blanks before */
    begin();
    mark = tlv_begin(W, TAG_SLIP_BEFORE);
    tlv_put_bytes(W, TAG_SLIP_QR, "", 0);
    tlv_end(W, mark);
    expect_unsaid(FORM_RECEIPT, "[QR");
}

static void test_columns_nobody_has(void **state)
{
    (void)state;
    static const uint8_t asked[] = {0, 49, 15, 16, 32, 48};
    static const uint8_t given[] = {48, 48, 16, 16, 32, 48};
    struct layout layout;
    begin();
    for (unsigned i = 0; i < sizeof asked; i++) {
        layout_init(&layout, document.bytes, 0, FORM_RECEIPT, 0, asked[i]);
        assert_int_equal(layout.columns, given[i]);
    }
}

/* ---- Single values ---- */

static bool value(uint16_t tag, const void *bytes, size_t size, char *out, size_t capacity)
{
    uint8_t text[256];
    struct byte_writer writer;
    struct tlv tlv = {.tag = tag, .value = bytes, .length = (uint16_t)size};
    byte_writer_init(&writer, text, sizeof text);
    bool said = layout_value(&writer, &tlv);
    assert_true(byte_writer_ok(&writer));
    cp866_to_utf8(text, writer.length, out, capacity);
    return said;
}

static void test_values_said_and_unsaid(void **state)
{
    (void)state;
    static const struct {
        uint16_t tag;
        const char *bytes;
        size_t size;
        const char *said; /* NULL: nothing */
    } values[] = {{TAG_CORRECTION_TYPE, "\0", 1, "САМОСТОЯТЕЛЬНО"},
                  {TAG_CORRECTION_TYPE, "\1", 1, "ПО ПРЕДПИСАНИЮ"},
                  {TAG_CORRECTION_TYPE, "\2", 1, NULL},
                  {TAG_FISCAL_SIGN, "\x31\x04\0\0\x30\x39", 6, "0000012345"},
                  {TAG_FISCAL_SIGN, "\x31\x04\0\0\x30", 5, NULL},
                  {TAG_DOCUMENT_TICKET, "\x0A\xF0", 2, "0AF0"},
                  {TAG_DOCUMENT_TICKET, "", 0, NULL},
                  {TAG_SLIP_AFTER_ITEM, "\5\0", 2, "5"},
                  {TAG_KEY_RESOURCE_DAYS, "\5\0", 2, "5 ДН."},
                  {TAG_SLIP_AFTER_ITEM, "\5", 1, NULL},
                  {TAG_ITEM_QUANTITY, "\2\x7D", 2, "1.25"},
                  {TAG_ITEM_QUANTITY, "\2", 1, NULL},
                  {TAG_RECEIPT_TOTAL, "\x7D", 1, "1.25"},
                  {TAG_RECEIPT_TOTAL, "123456789", 9, NULL},
                  {TAG_DOCUMENT_TITLE, "x", 1, NULL}, /* only paper has it */
                  {TAG_ITEM, "", 0, NULL},
                  {61000, "x", 1, NULL}};
    for (unsigned i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[256];
        bool said = value(values[i].tag, values[i].bytes, values[i].size, text, sizeof text);
        assert_int_equal(said, values[i].said != NULL);
        if (said)
            assert_string_equal(text, values[i].said);
    }
}

/* A label longer than any is cut, not overrun. */
static void test_a_label_longer_than_any(void **state)
{
    (void)state;
    uint8_t text[256];
    char label[201];
    struct byte_writer writer;
    memset(label, 'L', 200);
    label[200] = '\0';
    byte_writer_init(&writer, text, sizeof text);
    layout_label(&writer, label);
    assert_int_equal(writer.length, LAYOUT_LABEL_MAX);
    layout_label(&writer, "");
    assert_int_equal(writer.length, LAYOUT_LABEL_MAX);
}

/* ---- The head's language ---- */

static void test_only_text_reaches_the_head(void **state)
{
    (void)state;
    uint8_t bytes[64], style = 0;
    struct byte_writer writer;
    struct slip_line line = {.kind = SLIP_LINE_TEXT, .length = 4};
    memcpy(line.text,
           "a\x1B\x7F"
           "b",
           4);
    byte_writer_init(&writer, bytes, sizeof bytes);
    escpos_line(&writer, &line, &style);
    assert_true(writer.length >= 5);
    assert_memory_equal(bytes + writer.length - 5, "a  b\n", 5);
}

static void test_qr_modules(void **state)
{
    (void)state;
    uint8_t before = 8;
    for (size_t length = 0; length <= 1000; length++) {
        uint8_t dots = escpos_qr_module(length);
        assert_in_range(dots, 3, 8);
        assert_true(dots <= before); /* a longer text has no larger modules */
        before = dots;
    }
    assert_int_equal(before, 3 > (160 + 96) / 97 ? 3 : (160 + 96) / 97); /* version 20 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_of_checked_goods),
        cmocka_unit_test(test_cost_of_an_item),
        cmocka_unit_test(test_kind_of_an_item),
        cmocka_unit_test(test_vat_sums),
        cmocka_unit_test(test_qr_is_whole_or_absent),
        cmocka_unit_test(test_free_qr),
        cmocka_unit_test(test_columns_nobody_has),
        cmocka_unit_test(test_values_said_and_unsaid),
        cmocka_unit_test(test_a_label_longer_than_any),
        cmocka_unit_test(test_only_text_reaches_the_head),
        cmocka_unit_test(test_qr_modules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
