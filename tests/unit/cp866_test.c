/* CP866 against the C library's iconv for all 256 bytes, and the rule for what it lacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <iconv.h>

#include "proto/cp866.h"

static void check_text(const char *utf8, const char *cp866, unsigned lost_expected)
{
    uint8_t out[256];
    unsigned lost = 99;
    int length = cp866_from_utf8(utf8, strlen(utf8), out, sizeof out, &lost);
    assert_int_equal(length, strlen(cp866));
    assert_memory_equal(out, cp866, strlen(cp866));
    assert_int_equal(lost, lost_expected);
}

static void test_every_byte_against_iconv(void **state)
{
    iconv_t conversion = iconv_open("UTF-8", "CP866");
    (void)state;
    assert_true(conversion != (iconv_t)-1);
    for (unsigned byte = 1; byte < 256; byte++) {
        char in = (char)byte, expected[8] = {0}, got[8];
        uint8_t one = (uint8_t)byte, back = 0;
        char *from = &in, *to = expected;
        size_t from_left = 1, to_left = sizeof expected;
        assert_int_equal(iconv(conversion, &from, &from_left, &to, &to_left), 0);
        size_t size = cp866_to_utf8(&one, 1, got, sizeof got);
        assert_int_equal(size, sizeof expected - to_left);
        assert_string_equal(got, expected);
        int length = cp866_from_utf8(got, size, &back, 1, NULL);
        if ((byte < 0x20 && byte != '\r' && byte != '\n') || byte == 0x7F) {
            assert_int_equal(length, -1);
        } else {
            assert_int_equal(length, 1);
            assert_int_equal(back, byte == 0xFF ? ' ' : byte); /* no-break space is replaced */
        }
    }
    iconv_close(conversion);
}

/* "Иванов И.И." and the names of the real documents. */
static void test_worked_examples(void **state)
{
    (void)state;
    check_text("Иванов И.И.", "\x88\xA2\xA0\xAD\xAE\xA2\x20\x88\x2E\x88\x2E", 0);
    check_text("Тест", "\x92\xA5\xE1\xE2", 0);
    check_text("№14г",
               "\xFC"
               "14\xA3",
               0);
    check_text("Ёё", "\xF0\xF1", 0);
}

static void test_what_cp866_lacks(void **state)
{
    (void)state;
    check_text("«Ъ» „Ъ“ ”", "\"\x9A\" \"\x9A\" \"", 0);
    check_text("— – −", "- - -", 0);
    check_text("…", "...", 0);
    check_text("’ ‘", "' '", 0);
    check_text("10\u00A0₽", "10 \xE0\xE3\xA1.", 0);
    check_text("2\u2009×\u202F3", "2 x 3", 0);
    check_text("А\u00ADБ\u200BВ\uFEFFГ", "\x80\x81\x82\x83", 0);
    check_text("Café Čapek Łódź", "Cafe Capek Lodz", 0);
    check_text("й и\u0306 ё е\u0308 cafe\u0301", "\xA9 \xA9 \xF1 \xF1 cafe", 0);
    check_text("\u0306 \u0308", " ", 0);
    check_text("日本 😀 Ω", "?? ? ?", 4);
    check_text("Ŋ ŉ ?", "N ? ?", 1);
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"\x80",             /* continuation without a lead */
                                        "\xC0\xAF",         /* overlong slash */
                                        "\xC1\xBF",         /* overlong */
                                        "\xE0\x80\xAF",     /* overlong */
                                        "\xF0\x80\x80\xAF", /* overlong */
                                        "\xED\xA0\x80",     /* surrogate */
                                        "\xF4\x90\x80\x80", /* above 10FFFF */
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "\xD0",
                                        "\xE2\x80",
                                        "\xF0\x9F\x98",
                                        "\xD0q",
                                        "\x88\xA2", /* CP866 itself */
                                        "tab\there",
                                        "\x1B@",
                                        "\x7F"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(cp866_from_utf8(wrong[i], strlen(wrong[i]), NULL, 0, NULL), -1);
    assert_int_equal(cp866_from_utf8("\0", 1, NULL, 0, NULL), -1);
    check_text("ул. Кусковская\r\nд.20А",
               "\xE3\xAB. \x8A\xE3\xE1\xAA\xAE\xA2\xE1\xAA\xA0\xEF\r\n\xA4.20\x80", 0);
}

static void test_capacity_from_utf8(void **state)
{
    static const char text[] = "Чай «Ёж» 5₽";
    uint8_t whole[32];
    int need = cp866_from_utf8(text, strlen(text), NULL, 0, NULL);
    (void)state;
    assert_int_equal(need, 14);
    assert_int_equal(cp866_from_utf8(text, strlen(text), whole, sizeof whole, NULL), need);
    for (size_t capacity = 0; capacity < 20; capacity++) {
        uint8_t out[32];
        memset(out, 0xEE, sizeof out);
        assert_int_equal(cp866_from_utf8(text, strlen(text), out, capacity, NULL), need);
        size_t kept = capacity < (size_t)need ? capacity : (size_t)need;
        assert_memory_equal(out, whole, kept);
        for (size_t i = kept; i < sizeof out; i++)
            assert_int_equal(out[i], 0xEE);
    }
}

static void test_capacity_to_utf8(void **state)
{
    static const uint8_t bytes[] = {'a', 0x80, 0xB0, 0xFC, 'z'}; /* 1 + 2 + 3 + 3 + 1 */
    static const size_t boundaries[] = {0, 1, 3, 6, 9, 10};
    (void)state;
    for (size_t capacity = 0; capacity < 14; capacity++) {
        char out[16];
        memset(out, 0x55, sizeof out);
        assert_int_equal(cp866_to_utf8(bytes, sizeof bytes, out, capacity), 10);
        for (size_t i = capacity; i < sizeof out; i++)
            assert_int_equal(out[i], 0x55);
        if (capacity == 0)
            continue;
        size_t best = 0;
        for (size_t i = 0; i < 6; i++)
            if (boundaries[i] < capacity)
                best = boundaries[i];
        assert_int_equal(strlen(out), best);
        assert_memory_equal(out, "aА░№z", best);
    }
}

static void test_garbage(void **state)
{
    uint32_t seed = 3;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        char in[12], back[64];
        uint8_t out[64];
        for (size_t i = 0; i < sizeof in; i++) {
            seed = seed * 1664525u + 1013904223u;
            in[i] = (char)(seed >> 24);
        }
        int length = cp866_from_utf8(in, seed >> 8 & 7, out, sizeof out, NULL);
        assert_true(length >= -1 && length <= 28);
        assert_true(cp866_to_utf8((const uint8_t *)in, sizeof in, back, sizeof back) <= 36);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_against_iconv),
        cmocka_unit_test(test_worked_examples),
        cmocka_unit_test(test_what_cp866_lacks),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_capacity_from_utf8),
        cmocka_unit_test(test_capacity_to_utf8),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
