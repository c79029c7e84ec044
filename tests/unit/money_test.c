/* Sums and quantities as text, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/money.h"

static void check_money(uint64_t kop, const char *expected)
{
    char text[MONEY_TEXT_SIZE];
    uint64_t again = 1;
    assert_int_equal(money_format(kop, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
    assert_true(money_parse(text, strlen(text), &again, NULL));
    assert_int_equal(again, kop);
}

static void test_money_both_ways(void **state)
{
    (void)state;
    check_money(0, "0.00");
    check_money(5, "0.05");
    check_money(50, "0.50");
    check_money(100, "1.00");
    check_money(123450, "1234.50");
    check_money(1099511627775, "10995116277.75");
    check_money(UINT64_MAX, "184467440737095516.15");
}

static void check_decimal(uint64_t mantissa, uint8_t scale, const char *expected)
{
    char text[DECIMAL_TEXT_SIZE];
    assert_int_equal(decimal_format((struct decimal){mantissa, scale}, text, sizeof text),
                     strlen(expected));
    assert_string_equal(text, expected);
}

static void test_decimal_format(void **state)
{
    char text[DECIMAL_TEXT_SIZE];
    (void)state;
    check_decimal(1, 0, "1");
    check_decimal(25, 1, "2.5");
    check_decimal(123, 3, "0.123");
    check_decimal(1000, 3, "1");
    check_decimal(5, 1, "0.5");
    check_decimal(50, 2, "0.5");
    check_decimal(0, 3, "0");
    check_decimal(100, 0, "100");
    check_decimal(1, 9, "0.000000001");
    check_decimal(UINT64_MAX, 20, "0.18446744073709551615");
    assert_int_equal(decimal_format((struct decimal){1, 255}, text, sizeof text), 257);
    assert_int_equal(text[256], '1');
}

static void test_small_capacity(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < 10; capacity++) {
        char text[12];
        memset(text, 0x55, sizeof text);
        assert_int_equal(money_format(123450, text, capacity), 7);
        for (size_t i = capacity; i < sizeof text; i++)
            assert_int_equal(text[i], 0x55);
        if (capacity > 0) {
            assert_int_equal(strlen(text), capacity < 8 ? capacity - 1 : 7);
            assert_memory_equal(text, "1234.50", strlen(text));
        }
    }
}

static void check_parse(const char *text, uint64_t expected)
{
    uint64_t kop = 1;
    bool precise = true;
    assert_true(money_parse(text, strlen(text), &kop, &precise));
    assert_int_equal(kop, expected);
    assert_false(precise);
}

static void test_money_parse(void **state)
{
    static const char *const wrong[] = {"",
                                        ".",
                                        "1.",
                                        ".5",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1,5",
                                        "1e2",
                                        "0x10",
                                        "1.2.3",
                                        "1..2",
                                        "NaN",
                                        "1'000",
                                        "١",
                                        "--",
                                        "184467440737095516.16",
                                        "1844674407370955162",
                                        "99999999999999999999999.00"};
    uint64_t kop;
    bool precise;
    (void)state;
    check_parse("12", 1200);
    check_parse("12.5", 1250);
    check_parse("12.50", 1250);
    check_parse("12.500", 1250);
    check_parse("12.000000000000000000000000000000", 1200);
    check_parse("0012.05", 1205);
    check_parse("0", 0);
    check_parse("184467440737095516.15", UINT64_MAX);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        precise = true;
        assert_false(money_parse(wrong[i], strlen(wrong[i]), &kop, &precise));
        assert_false(precise);
    }
    assert_false(money_parse("12.505", 6, &kop, &precise));
    assert_true(precise);
    assert_false(money_parse("0.001", 5, &kop, &precise));
    assert_true(precise);
    assert_false(money_parse("0.001", 5, &kop, NULL));
    assert_true(money_parse("12.505", 5, &kop, &precise));
    assert_int_equal(kop, 1250);
}

static void test_decimal_parse(void **state)
{
    struct decimal value;
    (void)state;
    assert_true(decimal_parse("0.123", 5, 3, &value));
    assert_int_equal(value.mantissa, 123);
    assert_int_equal(value.scale, 3);
    assert_true(decimal_parse("1.000", 5, 0, &value));
    assert_int_equal(value.mantissa, 1);
    assert_int_equal(value.scale, 0);
    assert_true(decimal_parse("2.50", 4, 3, &value));
    assert_int_equal(value.mantissa, 25);
    assert_int_equal(value.scale, 1);
    assert_true(decimal_parse("18446744073709551615", 20, 3, &value));
    assert_int_equal(value.mantissa, UINT64_MAX);
    assert_false(decimal_parse("18446744073709551616", 20, 3, &value));
    assert_false(decimal_parse("1.8446744073709551616", 21, 30, &value));
    assert_false(decimal_parse("0.1234", 6, 3, &value));
    assert_false(decimal_parse("1e3", 3, 3, &value));
    assert_false(decimal_parse("", 0, 3, &value));
}

static void test_all_small_sums_both_ways(void **state)
{
    (void)state;
    for (uint64_t kop = 0; kop < 200000; kop++) {
        char text[MONEY_TEXT_SIZE];
        uint64_t again = 0;
        size_t length = money_format(kop, text, sizeof text);
        assert_true(money_parse(text, length, &again, NULL));
        assert_int_equal(again, kop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_money_both_ways), cmocka_unit_test(test_decimal_format),
        cmocka_unit_test(test_small_capacity),  cmocka_unit_test(test_money_parse),
        cmocka_unit_test(test_decimal_parse),   cmocka_unit_test(test_all_small_sums_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
