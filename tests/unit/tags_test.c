/* The dictionary is in order and says what its users rely on; every error has its words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "proto/cp866.h"
#include "proto/error.h"
#include "proto/tag_check.h"
#include "proto/tags.h"

static void test_sorted_and_unique(void **state)
{
    const struct tag_info *info;
    (void)state;
    assert_non_null(tag_info_at(0));
    for (size_t i = 0; (info = tag_info_at(i)) != NULL; i++) {
        if (i > 0)
            assert_true(tag_info_at(i - 1)->tag < info->tag);
        assert_ptr_equal(tag_info_find(info->tag), info);
        assert_ptr_equal(tag_info_by_name(info->json, strlen(info->json)), info);
    }
    assert_null(tag_info_find(0));
    assert_null(tag_info_find(999));
    assert_null(tag_info_find(1003));
    assert_null(tag_info_find(65535));
    assert_null(tag_info_by_name("itemnam", 7));
    assert_null(tag_info_by_name("", 0));
    assert_null(tag_info_at(100000));
}

static void test_entries_are_sound(void **state)
{
    const struct tag_info *info;
    (void)state;
    for (size_t i = 0; (info = tag_info_at(i)) != NULL; i++) {
        unsigned lost = 1;
        static const uint8_t exact[] = {
            [TAG_TYPE_BYTE] = 1, [TAG_TYPE_U16] = 2, [TAG_TYPE_U32] = 4, [TAG_TYPE_TIME] = 4};
        if (info->type < sizeof exact && exact[info->type] != 0)
            assert_int_equal(info->max_length, exact[info->type]);
        if (info->type == TAG_TYPE_VLN || info->type == TAG_TYPE_FVLN)
            assert_in_range(info->max_length, 6, 8);
        if (info->fixed)
            assert_int_equal(info->type, TAG_TYPE_STRING);
        if (info->type != TAG_TYPE_PRINT)
            assert_true(info->max_length > 0);
        assert_true(info->json[0] >= 'a' && info->json[0] <= 'z');
        for (const char *c = info->json; *c != 0; c++)
            assert_true((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9'));
        /* Paper has CP866 only. */
        assert_true(cp866_from_utf8(info->label, strlen(info->label), NULL, 0, &lost) >= 0);
        assert_int_equal(lost, 0);
        assert_null(strchr(info->label, '<'));
    }
}

/* Spot checks against the order's table: number, length, kind. */
static void test_known_tags(void **state)
{
    static const struct {
        uint16_t tag, length;
        uint8_t type;
        bool fixed;
        const char *label;
    } known[] = {
        {1008, 64, TAG_TYPE_STRING, false, "ЭЛ. АДР. ПОКУПАТЕЛЯ"},
        {1012, 4, TAG_TYPE_TIME, false, ""},
        {1018, 12, TAG_TYPE_STRING, true, "ИНН"},
        {1020, 6, TAG_TYPE_VLN, false, "ИТОГ"},
        {1021, 64, TAG_TYPE_STRING, false, "КАССИР"},
        {1023, 8, TAG_TYPE_FVLN, false, ""},
        {1030, 128, TAG_TYPE_STRING, false, ""},
        {1031, 6, TAG_TYPE_VLN, false, "НАЛИЧНЫМИ"},
        {1037, 20, TAG_TYPE_STRING, true, "РН ККТ"},
        {1041, 16, TAG_TYPE_STRING, true, "ФН"},
        {1042, 4, TAG_TYPE_U32, false, "ЧЕК"},
        {1059, 1024, TAG_TYPE_STLV, false, ""},
        {1077, 6, TAG_TYPE_BYTES, false, "ФП"},
        {1081, 6, TAG_TYPE_VLN, false, "БЕЗНАЛИЧНЫМИ"},
        {1115, 256, TAG_TYPE_STLV, false, ""},
        {1119, 32, TAG_TYPE_STLV, false, ""},
        {1199, 1, TAG_TYPE_BYTE, false, ""},
        {1213, 2, TAG_TYPE_U16, false, "РЕСУРС КЛЮЧЕЙ"},
        {1290, 4, TAG_TYPE_U32, false, ""},
        {2108, 1, TAG_TYPE_BYTE, false, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const struct tag_info *info = tag_info_find(known[i].tag);
        assert_non_null(info);
        assert_int_equal(info->max_length, known[i].length);
        assert_int_equal(info->type, known[i].type);
        assert_int_equal(info->fixed, known[i].fixed);
        assert_string_equal(info->label, known[i].label);
    }
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(form_title(FORM_RECEIPT), "КАССОВЫЙ ЧЕК");
    assert_string_equal(form_name(FORM_SHIFT_CLOSE), "shiftClose");
    assert_string_equal(form_title(99), "");
    assert_string_equal(form_name(99), "unknown");
    assert_string_equal(settlement_kind_label(2), "ВОЗВРАТ ПРИХОДА");
    assert_string_equal(settlement_kind_label(0), "");
    assert_string_equal(settlement_kind_label(5), "");
    assert_string_equal(vat_rate_label(VAT_RATE_22), "НДС 22%");
    assert_string_equal(vat_rate_label(VAT_RATE_NONE), "БЕЗ НДС");
    assert_string_equal(vat_rate_label(0), "");
    assert_string_equal(vat_rate_label(13), "");
    assert_string_equal(ffd_version_text(FFD_1_05), "1.05");
    assert_string_equal(ffd_version_text(5), "");
    assert_string_equal(tax_system_label(1), "ОСН");
    assert_string_equal(tax_system_label(3), "");
    assert_string_equal(item_subject_label(1), "ТОВАР");
    assert_string_equal(payment_method_label(4), "ПОЛНЫЙ РАСЧЕТ");
    assert_string_equal(payment_method_label(8), "");
    assert_string_equal(measure_label(0), "шт.");
    assert_string_equal(measure_label(11), "кг");
    assert_string_equal(measure_label(255), "");
    for (unsigned rate = 1; rate < VAT_RATE_COUNT; rate++)
        assert_true(vat_rate_label((uint8_t)rate)[0] != 0);
}

static void test_every_error_has_words(void **state)
{
    static const uint16_t codes[] = {
        ERROR_NONE,        ERROR_REQUEST_MALFORMED, ERROR_CASHIER_MISSING, ERROR_SHIFT_CLOSED,
        ERROR_DRAWER_OPEN, ERROR_LINK_LOST,         ERROR_PERMISSION,      ERROR_NOT_REGISTERED,
        ERROR_FN_ARCHIVE,  ERROR_INTERNAL,          ERROR_OUTCOME_UNKNOWN, ERROR_IN_PROGRESS,
        ERROR_BUSY};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_int_equal(error_info_find(codes[i])->code, codes[i]);
    unsigned known = 0;
    for (unsigned code = 0; code < 1000; code++) {
        const struct error_info *info = error_info_find((uint16_t)code);
        assert_non_null(info);
        assert_true(info->name[0] != 0 && info->text[0] != 0 && info->cure[0] != 0);
        assert_null(strchr(info->text, '\n'));
        if (info->code != code) {
            assert_int_equal(info->code, ERROR_INTERNAL);
            continue;
        }
        known++;
        assert_int_equal(info->group, code / 100);
    }
    assert_int_equal(known, 79); /* as many as enum error_code has */
}

static bool check(const uint8_t *bytes, size_t size, struct refusal *why)
{
    return tlv_check_dictionary(bytes, size, why);
}

static void test_dictionary_check(void **state)
{
    struct refusal why;
    (void)state;
    static const uint8_t good[] = {0xFD, 0x03, 1, 0, 'A', 0x26, 0x04, 1, 0, 0x07};
    assert_true(check(good, sizeof good, &why));
    assert_true(check(good, 0, &why));
    static const uint8_t unknown[] = {0xFD, 0x03, 1, 0, 'A', 0x01, 0x00, 0, 0};
    assert_false(check(unknown, sizeof unknown, &why));
    assert_int_equal(why.code, ERROR_FIELD_UNKNOWN);
    assert_int_equal(why.tag, 1);
    static const uint8_t wrong_length[] = {0x26, 0x04, 2, 0, 1, 0};
    assert_false(check(wrong_length, sizeof wrong_length, &why));
    assert_int_equal(why.code, ERROR_FIELD_LENGTH);
    assert_int_equal(why.tag, TAG_TAX_SYSTEMS);
    assert_int_equal(why.expected, 1);
    static const uint8_t wrong_bits[] = {0x26, 0x04, 1, 0, 0x40};
    assert_false(check(wrong_bits, sizeof wrong_bits, &why));
    assert_int_equal(why.code, ERROR_TAX_SYSTEM);
    static const uint8_t twice[] = {0x26, 0x04, 1, 0, 1, 0x26, 0x04, 1, 0, 1};
    assert_false(check(twice, sizeof twice, &why));
    assert_int_equal(why.code, ERROR_FIELD_REPEATED);
    static const uint8_t escape[] = {0xFD, 0x03, 1, 0, 0x1B};
    assert_false(check(escape, sizeof escape, &why));
    assert_int_equal(why.code, ERROR_TEXT_ENCODING);
    static const uint8_t print_only[] = {0xE8, 0x03, 0, 0};
    assert_false(check(print_only, sizeof print_only, &why));
    assert_int_equal(why.code, ERROR_FIELD_NOT_ALLOWED);
    static const uint8_t inner[] = {0xC7, 0x04, 5, 0, 0x31, 0x04, 2, 0, '+'};
    assert_false(check(inner, sizeof inner, &why));
    assert_int_equal(why.code, ERROR_REQUEST_MALFORMED);
    assert_int_equal(why.tag, TAG_AGENT_DATA);
    for (size_t cut = 1; cut < sizeof good; cut++)
        assert_int_equal(check(good, cut, &why), cut == 5);
}

/* Lists within lists end at the stated depth instead of at the end of the stack. */
static void test_depth_is_bounded(void **state)
{
    uint8_t bytes[4 * 40];
    struct refusal why;
    (void)state;
    for (unsigned depth = 1; depth <= 40; depth++) {
        for (unsigned i = 0; i < depth; i++) {
            unsigned left = 4 * (depth - 1 - i);
            const uint8_t header[4] = {0x23, 0x04, (uint8_t)left, 0};
            memcpy(bytes + 4 * i, header, 4);
        }
        assert_int_equal(check(bytes, 4 * (size_t)depth, &why), depth < TAG_DEPTH_MAX);
    }
}

static void test_list(void **state)
{
    static const uint16_t allowed[] = {TAG_CASHIER, TAG_CASHIER_INN};
    static const uint8_t bytes[] = {0xFD, 0x03, 1, 0, 'A', 0x26, 0x04, 1, 0, 0x07};
    struct refusal why;
    (void)state;
    assert_true(tlv_check_list(bytes, 5, allowed, 2, &why));
    assert_false(tlv_check_list(bytes, sizeof bytes, allowed, 2, &why));
    assert_int_equal(why.code, ERROR_FIELD_NOT_ALLOWED);
    assert_int_equal(why.tag, TAG_TAX_SYSTEMS);
    assert_false(tlv_check_list(bytes, 4, allowed, 2, &why));
    assert_int_equal(why.code, ERROR_REQUEST_MALFORMED);
}

static void test_contacts(void **state)
{
    static const char *const good[] = {"+79161234567", "a@b", "anna.k@example.com",
                                       "\xA0@\xA1.\xE0\xE4"};
    static const char *const bad[] = {"",   "+",     "79161234567", "+7916 1234567", "anna",  "@b",
                                      "a@", "a@b@c", "a b@c",       "a@b,c@d",       "+7916x"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(contact_valid((const uint8_t *)good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(contact_valid((const uint8_t *)bad[i], strlen(bad[i])));
}

static bool value_ok(uint16_t tag, const char *text)
{
    struct tlv tlv = {tag, (uint16_t)strlen(text), (const uint8_t *)text};
    struct refusal why = {0};
    bool good = tag_check_value(tag_info_find(tag), &tlv, 0, &why);
    assert_int_equal(good, why.code == ERROR_NONE);
    return good;
}

static void test_patterns(void **state)
{
    static const char *const dates[] = {"21.11.2023", "01.01.1970", "31.12.1999", "29.02.2024"};
    static const char *const no_dates[] = {"2023.11.21", "21-11.2023", "21.11-2023", "00.11.2023",
                                           "32.12.2023", "31.11.2023", "21.00.2023", "21.13.2023",
                                           "2a.11.2023", "21.1a.2023", "21.11.202a", "30.02.2024"};
    (void)state;
    for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++)
        assert_true(value_ok(TAG_BASIS_DOCUMENT_DATE, dates[i]));
    for (size_t i = 0; i < sizeof no_dates / sizeof no_dates[0]; i++)
        assert_false(value_ok(TAG_BUYER_BIRTH_DATE, no_dates[i]));
    assert_true(value_ok(TAG_FOIV_ID, "030"));
    assert_false(value_ok(TAG_FOIV_ID, ""));
    assert_false(value_ok(TAG_CITIZENSHIP, "64x"));
    assert_true(value_ok(TAG_TIME_ZONE, "\x01"));
    assert_true(value_ok(TAG_TIME_ZONE, "\x0B"));
    assert_false(value_ok(TAG_TIME_ZONE, "\x0C"));
    assert_true(value_ok(TAG_SENDER_EMAIL, "shop@example.com"));
    assert_false(value_ok(TAG_SENDER_EMAIL, "+79161234567"));
    assert_true(value_ok(TAG_CASHIER, "\x1B anything without a pattern"));
}

static void test_garbage(void **state)
{
    uint32_t seed = 11;
    unsigned passed = 0;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t bytes[40];
        struct refusal why;
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(i % 4 == 1 ? 3 + (seed >> 31) : i % 4 == 3 ? 0 : seed >> 24);
        }
        size_t size = seed >> 8 & 31;
        bool good = check(bytes, size, &why);
        passed += good && size > 0;
        assert_int_equal(good, why.code == ERROR_NONE);
    }
    assert_true(passed < 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_and_unique),
        cmocka_unit_test(test_entries_are_sound),
        cmocka_unit_test(test_known_tags),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_every_error_has_words),
        cmocka_unit_test(test_dictionary_check),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_contacts),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
