/* Check digits against real numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/inn.h"

static bool valid(const char *inn)
{
    return inn_valid((const uint8_t *)inn, strlen(inn));
}

static void test_inn_of_real_documents(void **state)
{
    static const char *const good[] = {"7702203276",   "7704358518", "7806197274", "4705021744",
                                       "2320110334",   "4719024079", "7841465198", "7702203276  ",
                                       "500100732259", "0000000000"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(valid(good[i]));
}

static void test_inn_refused(void **state)
{
    static const char *const bad[] = {
        "",           " ",           "7702203275",  "770220327", "77022032766", "7702203276000",
        "770220327A", " 7702203276", "771234567890" /* in capture C, a made-up number */};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(valid(bad[i]));
}

/* No byte but a digit, not even one that the sum would accept. */
static void test_inn_other_bytes(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t i = 0; i < 10; i++) {
            uint8_t changed[10];
            memcpy(changed, "7702203276", sizeof changed);
            changed[i] = (uint8_t)byte;
            if (byte < '0' || byte > '9')
                assert_false(inn_valid(changed, sizeof changed));
        }
    }
}

/* No single digit can be changed unnoticed, except where mod 11 mod 10 itself is blind. */
static void test_inn_digit_changes(void **state)
{
    static const char *const numbers[] = {"7702203276", "500100732259"};
    (void)state;
    for (size_t n = 0; n < 2; n++) {
        size_t length = strlen(numbers[n]);
        unsigned unnoticed = 0;
        for (size_t i = 0; i < length; i++) {
            for (int digit = '0'; digit <= '9'; digit++) {
                char changed[13];
                strcpy(changed, numbers[n]);
                if (changed[i] == digit)
                    continue;
                changed[i] = (char)digit;
                unnoticed += valid(changed);
            }
        }
        assert_true(unnoticed <= length * 9 / 10);
    }
}

static void check_rnm(const char *sequence, const char *inn, const char *serial, const char *rnm)
{
    char made[RNM_DIGITS];
    uint8_t padded[20];
    rnm_make(sequence, inn, serial, made);
    assert_memory_equal(made, rnm, RNM_DIGITS);
    memset(padded, ' ', sizeof padded);
    memcpy(padded, rnm, RNM_DIGITS);
    assert_true(rnm_valid(padded, sizeof padded, inn, serial));
    assert_true(rnm_valid(padded, RNM_DIGITS, inn, serial));
    for (size_t i = 0; i < RNM_DIGITS; i++) {
        uint8_t changed[RNM_DIGITS];
        memcpy(changed, rnm, RNM_DIGITS);
        changed[i] = (uint8_t)(changed[i] == '9' ? '0' : changed[i] + 1);
        assert_false(rnm_valid(changed, RNM_DIGITS, inn, serial));
    }
    assert_false(rnm_valid(padded, 15, inn, serial));
    assert_false(rnm_valid(padded, 0, inn, serial));
    assert_false(rnm_valid((const uint8_t *)"00000000050O8570", 16, inn, serial));
    assert_false(rnm_valid(padded, RNM_DIGITS, "7702203270", serial));
    assert_false(rnm_valid(padded, RNM_DIGITS, inn, "1"));
}

static void test_rnm_of_real_registrations(void **state)
{
    (void)state;
    check_rnm("0000000005", "7702203276", "2", "0000000005008570");
    check_rnm("0000000005", "007702203276", "00000000000000000002", "0000000005008570");
    check_rnm("0000000001", "4705021744", "550101006105", "0000000001045782");
    check_rnm("0000000000", "7806197274", "550101006105", "0000000000038045");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inn_of_real_documents),     cmocka_unit_test(test_inn_refused),
        cmocka_unit_test(test_inn_other_bytes),           cmocka_unit_test(test_inn_digit_changes),
        cmocka_unit_test(test_rnm_of_real_registrations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
