/* Calendar against the C library for every day of its range, and text both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "proto/calendar.h"

static void test_every_day_against_the_c_library(void **state)
{
    (void)state;
    for (uint64_t day = 0; day * 86400 <= UINT32_MAX; day++) {
        unix_s time = (unix_s)(day * 86400 + day % 86400);
        time_t wide = (time_t)time;
        struct tm tm;
        struct civil_time civil;
        unix_s again;
        assert_non_null(gmtime_r(&wide, &tm));
        civil_from_unix(time, &civil);
        assert_int_equal(civil.year, tm.tm_year + 1900);
        assert_int_equal(civil.month, tm.tm_mon + 1);
        assert_int_equal(civil.day, tm.tm_mday);
        assert_int_equal(civil.hour, tm.tm_hour);
        assert_int_equal(civil.minute, tm.tm_min);
        assert_int_equal(civil.second, tm.tm_sec);
        if (civil.year <= 2105) {
            assert_true(civil_to_unix(&civil, &again));
            assert_int_equal(again, time);
        } else {
            assert_false(civil_to_unix(&civil, &again));
        }
    }
}

static void test_ends_of_the_range(void **state)
{
    struct civil_time civil;
    unix_s time;
    (void)state;
    civil_from_unix(0, &civil);
    assert_int_equal(civil.year, 1970);
    civil_from_unix(UINT32_MAX, &civil);
    assert_int_equal(civil.year, 2106);
    assert_int_equal(civil.month, 2);
    assert_int_equal(civil.day, 7);
    civil = (struct civil_time){2105, 12, 31, 23, 59, 59};
    assert_true(civil_to_unix(&civil, &time));
    assert_int_equal(time, 4291747199u);
}

static void test_impossible_dates(void **state)
{
    static const struct civil_time wrong[] = {
        {1969, 12, 31, 23, 59, 59}, {2106, 1, 1, 0, 0, 0},  {2024, 0, 1, 0, 0, 0},
        {2024, 13, 1, 0, 0, 0},     {2024, 1, 0, 0, 0, 0},  {2024, 1, 32, 0, 0, 0},
        {2024, 2, 30, 0, 0, 0},     {2023, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0},
        {2024, 4, 31, 0, 0, 0},     {2024, 1, 1, 24, 0, 0}, {2024, 1, 1, 0, 60, 0},
        {2024, 1, 1, 0, 0, 60}};
    unix_s time;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(civil_to_unix(&wrong[i], &time));
}

/* 2020-07-20 18:33 as in the frame of command 16h; 2022-03-28 09:47 as in an archive record. */
static void test_date_time_of_the_fiscal_module(void **state)
{
    static const uint8_t july[DATE_TIME_SIZE] = {0x14, 0x07, 0x14, 0x12, 0x21};
    static const uint8_t march[DATE_TIME_SIZE] = {0x16, 0x03, 0x1C, 0x09, 0x2F};
    static const uint8_t wrong[DATE_TIME_SIZE] = {0x16, 0x0D, 0x1C, 0x09, 0x2F};
    uint8_t bytes[DATE_TIME_SIZE];
    char text[ISO_TIME_SIZE];
    unix_s time;
    (void)state;
    assert_true(date_time_to_unix(july, &time));
    iso_time_format(time, text);
    assert_string_equal(text, "2020-07-20T18:33:00");
    assert_true(date_time_from_unix(time, bytes));
    assert_memory_equal(bytes, july, sizeof july);
    assert_true(date_time_to_unix(march, &time));
    iso_time_format(time, text);
    assert_string_equal(text, "2022-03-28T09:47:00");
    assert_false(date_time_to_unix(wrong, &time));
    assert_false(date_time_from_unix(946684799, bytes));
    assert_true(date_time_from_unix(946684800, bytes));
}

static void test_paper(void **state)
{
    char text[PAPER_TIME_SIZE];
    (void)state;
    paper_time_format(0x5F5779FC, text); /* receipt D */
    assert_string_equal(text, "08.09.20 12:33");
}

static void check_parse(const char *text, unix_s expected)
{
    unix_s time = 0;
    assert_true(calendar_parse(text, strlen(text), &time));
    assert_int_equal(time, expected);
}

static void test_parse(void **state)
{
    static const char *const wrong[] = {"",
                                        "2024",
                                        "2024.07",
                                        "2024.07.20 18:33",
                                        "2024/07/20",
                                        "2024-07-20 18:33:07",
                                        "2024-07-20T18:33:07Z",
                                        "2024.07.20T18:33:07",
                                        "2024.07-20",
                                        "2024.02.30",
                                        "1969.12.31",
                                        "2024.07.20 24:00:00",
                                        " 2024.07.20",
                                        "2024.07.2O"};
    unix_s time;
    (void)state;
    check_parse("2024.07.20 18:33:07", 1721500387);
    check_parse("2024-07-20T18:33:07", 1721500387);
    check_parse("2024.07.20", 1721433600);
    check_parse("2024-07-20", 1721433600);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(calendar_parse(wrong[i], strlen(wrong[i]), &time));
    for (size_t length = 0; length < 19; length++)
        assert_int_equal(calendar_parse("2024.07.20 18:33:07", length, &time), length == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day_against_the_c_library),
        cmocka_unit_test(test_ends_of_the_range),
        cmocka_unit_test(test_impossible_dates),
        cmocka_unit_test(test_date_time_of_the_fiscal_module),
        cmocka_unit_test(test_paper),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
