/* Slips against reviewed texts (tests/data/paper), against the mandatory print set of FFD, and
 * against any bytes.
 *
 * `OPENKKT_WRITE_GOLDEN=1 layout_test` writes the texts anew: read the difference before you commit
 * it. */
#include "tests/unit/paper_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SLIP_TEXT_MAX 65536u

static const uint8_t all_columns[] = {32, 42, 48};

/* The slip as text: aligned as on paper, QR as "[QR ...]", the cut as "[CUT]". Checks each line on
 * its way. */
static void render(const uint8_t *tlv, size_t size, uint16_t form, uint8_t marks, uint8_t columns,
                   char *out)
{
    struct layout layout;
    struct slip_line line;
    bool cut = false;
    size_t used = 0;
    layout_init(&layout, tlv, size, form, marks, columns);
    while (layout_next(&layout, &line)) {
        char text[2048];
        assert_false(cut);
        cp866_to_utf8(line.text, line.length, text, sizeof text);
        if (line.kind == SLIP_LINE_TEXT) {
            size_t room = (line.style & SLIP_STYLE_WIDE) != 0 ? columns / 2u : columns;
            assert_true(line.length <= room);
            for (size_t i = 0; i < line.length; i++)
                assert_true(line.text[i] >= ' ' && line.text[i] != 0x7F);
            size_t pad = (line.style & SLIP_STYLE_CENTER) != 0  ? (columns - line.length) / 2u
                         : (line.style & SLIP_STYLE_RIGHT) != 0 ? (size_t)(columns - line.length)
                                                                : 0;
            used += (size_t)snprintf(out + used, SLIP_TEXT_MAX - used, "%*s%s\n",
                                     line.length == 0 ? 0 : (int)pad, "", text);
        } else if (line.kind == SLIP_LINE_QR) {
            assert_true(line.length > 0);
            used += (size_t)snprintf(out + used, SLIP_TEXT_MAX - used, "[QR %s]\n", text);
        } else {
            cut = true;
            used += (size_t)snprintf(out + used, SLIP_TEXT_MAX - used, "[CUT]\n");
        }
        assert_true(used < SLIP_TEXT_MAX);
    }
    assert_true(cut);
    assert_false(layout_next(&layout, &line));
}

static void render_sample(const char *name, uint8_t columns, char *out)
{
    static uint8_t tlv[SAMPLE_MAX];
    const struct sample *sample = sample_find(name);
    assert_non_null(sample);
    size_t size = sample_build(sample, tlv, sizeof tlv);
    assert_true(size > 0);
    render(tlv, size, sample->form, sample->marks, columns, out);
}

static void test_golden(void **state)
{
    (void)state;
    static char text[SLIP_TEXT_MAX], golden[SLIP_TEXT_MAX];
    bool write = getenv("OPENKKT_WRITE_GOLDEN") != NULL;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t k = 0; k < sizeof all_columns; k++) {
            char path[256];
            render_sample(samples[i].name, all_columns[k], text);
            snprintf(path, sizeof path, "tests/data/paper/%s-%u.txt", samples[i].name,
                     all_columns[k]);
            FILE *file = fopen(path, write ? "wb" : "rb");
            if (file == NULL)
                fail_msg("%s cannot be opened; tests run in the root of the repository", path);
            if (write) {
                fputs(text, file);
            } else {
                size_t got = fread(golden, 1, sizeof golden - 1, file);
                golden[got] = 0;
                if (strcmp(golden, text) != 0)
                    fail_msg("%s differs; the slip is now:\n%s", path, text);
            }
            fclose(file);
        }
    }
}

/* One line, words separated by single blanks, so that wrapping and justification do not matter. */
static void flatten(char *text)
{
    char *out = text;
    bool blank = true;
    for (const char *in = text; *in != 0; in++) {
        bool now = *in == ' ' || *in == '\n';
        if (!now)
            *out++ = *in;
        else if (!blank)
            *out++ = ' ';
        blank = now;
    }
    *out = 0;
}

/* All of them, in this order. */
static void expect_in_order(const char *name, const char *const *wanted, size_t count)
{
    static char text[SLIP_TEXT_MAX];
    for (size_t k = 0; k < sizeof all_columns; k++) {
        render_sample(name, all_columns[k], text);
        flatten(text);
        const char *at = text;
        for (size_t i = 0; i < count; i++) {
            const char *found = strstr(at, wanted[i]);
            if (found == NULL)
                fail_msg("%s at %u columns: \"%s\" missing or out of order in:\n%s", name,
                         all_columns[k], wanted[i], text);
            at = found + strlen(wanted[i]);
        }
    }
}
#define EXPECT_IN_ORDER(name, ...)                                                                 \
    do {                                                                                           \
        static const char *const wanted[] = {__VA_ARGS__};                                         \
        expect_in_order(name, wanted, sizeof wanted / sizeof wanted[0]);                           \
    } while (0)

static void test_mandatory_set_of_a_receipt(void **state)
{
    (void)state;
    EXPECT_IN_ORDER(
        "receipt", "КАССОВЫЙ ЧЕК", "ООО \"Ромашка и партнёры\"", "ИНН 7702203276", "ЧЕК 12",
        "23.11.26 14:05", "СМЕНА 7", "ПРИХОД", "СНО ОСН", "КАССИР Иванова А. А.",
        "РН ККТ 0000000005008570", "117342, г. Москва, ул. Бутлерова, д. 17, этаж 3",
        "МЕСТО РАСЧЕТОВ Пункт выдачи № 5", "ТЕЛ. ПОКУПАТЕЛЯ +79161234567",
        "ЭЛ. АДР. ОТПРАВИТЕЛЯ noreply@romashka.example",
        "Чайник электрический \"Уют\" № 5, 1,7 л, нержавеющая сталь, с подсветкой",
        "1 шт. x 2499.00 =2499.00", "ПОЛНЫЙ РАСЧЕТ, ТОВАР НДС 22%", "0.735 кг x 890.00 =654.15",
        "Доставка курьером до двери", "1 x 299.00 =299.00", "УСЛУГА БЕЗ НДС", "ИТОГ =6842.50",
        "НАЛИЧНЫМИ =4842.50", "ПРЕДВАРИТЕЛЬНАЯ ОПЛАТА (АВАНС) =2000.00", "ПОЛУЧЕНО =5000.00",
        "СДАЧА =157.50", "СУММА НДС 10% =177.65", "СУММА БЕЗ НДС =299.00", "СУММА НДС 22% =827.58",
        "САЙТ ФНС www.nalog.gov.ru", "ФД 1234", "ФН 9999078900005488", "ФП 0098765432",
        /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text in three pieces */
        "[QR " SAMPLE_QR "]", "Спасибо за покупку!");
}

static void test_mandatory_set_of_reports(void **state)
{
    (void)state;
    EXPECT_IN_ORDER("correction", "КАССОВЫЙ ЧЕК КОРРЕКЦИИ", "ЧЕК КОР. 13", "ПРИХОД",
                    "СНО УСН доход - расход", "ТИП КОРРЕКЦИИ ПО ПРЕДПИСАНИЮ", "ОСН. ДЛЯ КОРР.",
                    "ДАТА РАСЧЕТА 22.11.26", "№ ПРЕДПИСАНИЯ 12-АБ/77", "ИТОГ =10995116277.75",
                    "ПОСЛЕДУЮЩАЯ ОПЛАТА (КРЕДИТ) =10995116277.75", "СУММА НДС 20%",
                    "ФП 0098765432");
    EXPECT_IN_ORDER("shift-open", "ОТЧЕТ ОБ ОТКРЫТИИ СМЕНЫ", "ООО", "ИНН 7702203276", "КАССИР",
                    "117342", "МЕСТО РАСЧЕТОВ", "СМЕНА 7", "23.11.26 14:05", "РН ККТ",
                    "ОФД НЕ ОТВЕЧАЕТ", "РЕСУРС ФН МЕНЕЕ 30 ДНЕЙ", "ОШИБКА ФЛК, ТРЕБ. НАСТР. ККТ",
                    "ВЕР. ККТ 0.1.0", "ФФД ККТ 1.05", "ФД 1200", "ФН 9999078900005488",
                    "ФП 0098765432");
    EXPECT_IN_ORDER("shift-close", "ОТЧЕТ О ЗАКРЫТИИ СМЕНЫ", "СМЕНА 7", "ЧЕКОВ ЗА СМЕНУ 41",
                    "ФД ЗА СМЕНУ 43", "НЕПЕРЕДАННЫХ ФД 3", "ФД НЕ ПЕРЕДАНЫ С 23.11.26",
                    "РЕСУРС КЛЮЧЕЙ 412 ДН.", "ПРИХОД", "ЧЕКОВ 38", "СУММА =162759.50",
                    "НАЛИЧНЫХ В КАССЕ 12121.50", "СЧЕТЧИКИ ИТОГОВ СМЕНЫ", "ВСЕГО ЧЕКОВ 41",
                    "ПРИХОД КОЛ. ЧЕКОВ 38", "СУММА НАЛИЧН. =58420.50",
                    "ВОЗВРАТ ПРИХОДА КОЛ. ЧЕКОВ 2", "СУММА ВСЕГО =1299.00", "ЧЕКОВ КОРРЕКЦИИ 1",
                    "ПРИХОД КОЛ. ЧЕКОВ 1", "СУММА ВСЕГО =770.00", "ФД 1276");
    EXPECT_IN_ORDER("registration", "ОТЧЕТ О РЕГИСТРАЦИИ", "23.11.26 14:05",
                    "ЗН ККТ 00106900000002", "РН ККТ 0000000005008570",
                    "СНО ОСН, УСН доход, Патент", "ОФД АО", "ИНН ОФД 7709364346", "ШФД",
                    "ККТ ДЛЯ УСЛУГ", "ФФД ККТ 1.2", "ФФД ФН 1.2", "ФД 1 ", "ФП 0098765432");
    EXPECT_IN_ORDER("registration-change", "ИЗМ. СВЕД. О ККТ 3", "ИЗМ. СВЕД. О ККТ 4",
                    "ИЗМ. СВЕД. О ККТ 3, 4, 32", "МАРКИРОВАННЫЕ ТОВАРЫ, ККТ ДЛЯ УСЛУГ",
                    "СЧЕТЧИКИ ИТОГОВ ФН");
    EXPECT_IN_ORDER("state", "ОТЧЕТ О ТЕКУЩЕМ СОСТОЯНИИ РАСЧЕТОВ", "НЕПЕРЕДАННЫХ ФД 5",
                    "ПЕРВЫЙ НЕПЕРЕДАННЫЙ ФД 1230", "ФД НЕ ПЕРЕДАНЫ С 23.11.26",
                    "ПРИХОД КОЛ. ЧЕКОВ 5", "СУММА ВСЕГО =9900.00", "ФД 1240");
    EXPECT_IN_ORDER("fn-close", "ОТЧЕТ О ЗАКРЫТИИ ФИСКАЛЬНОГО НАКОПИТЕЛЯ", "СЧЕТЧИКИ ИТОГОВ ФН",
                    "ФД 9999");
    EXPECT_IN_ORDER("x-report", "X-ОТЧЕТ", "Кассир Иванова А. А.", "СМЕНА 7", "23.11.26 14:05",
                    "ВНЕСЕНО =5000.00", "НАЛИЧНЫХ В КАССЕ 12121.50");
    EXPECT_IN_ORDER("cash-in", "ВНЕСЕНИЕ НАЛИЧНЫХ", "СУММА =5000.00", "НАЛИЧНЫХ В КАССЕ 17121.50");
    EXPECT_IN_ORDER("cash-out", "ВЫПЛАТА НАЛИЧНЫХ", "СУММА =5000.00");
    EXPECT_IN_ORDER("receipt-copy", "КОПИЯ", "КАССОВЫЙ ЧЕК", SAMPLE_QR);
    EXPECT_IN_ORDER("receipt-resumed", "ПЕЧАТЬ ПОВТОРЕНА: ПРЕДЫДУЩИЙ ЛИСТ НЕДЕЙСТВИТЕЛЕН",
                    "КАССОВЫЙ ЧЕК", SAMPLE_QR);
}

static void test_what_is_zero_is_not_printed(void **state)
{
    (void)state;
    static char text[SLIP_TEXT_MAX];
    render_sample("receipt", 48, text);
    assert_null(strstr(text, "БЕЗНАЛИЧНЫМИ"));
    assert_null(strstr(text, "КРЕДИТ"));
    assert_null(strstr(text, "НДС 0%"));
    assert_null(strstr(text, "НДС 5%"));
    assert_null(strstr(text, "КОПИЯ"));
    assert_null(strstr(text, "500100732259")); /* 1203 is electronic only */
    render_sample("registration", 48, text);
    assert_null(strstr(text, "АВТОМАТ"));
    assert_null(strstr(text, "АВТОНОМН"));
    render_sample("shift-close", 48, text);
    assert_null(strstr(text, "ОФД НЕ ОТВЕЧАЕТ"));
    render_sample("x-report", 48, text);
    assert_null(strstr(text, "КАССИР ")); /* the post says it already */
}

/* A number is a run of digits with dots; each one of the widest layout stands whole in the
 * narrowest. */
static void test_numbers_are_not_broken(void **state)
{
    (void)state;
    static char wide[SLIP_TEXT_MAX], narrow[SLIP_TEXT_MAX];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        render_sample(samples[i].name, 48, wide);
        render_sample(samples[i].name, 32, narrow);
        for (const char *at = wide; *at != 0;) {
            size_t length = strspn(at, "0123456789.");
            if (length == 0 || length > 32) {
                at += length == 0 ? 1 : length;
                continue;
            }
            char number[40];
            snprintf(number, sizeof number, "%.*s", (int)length, at);
            if (strstr(narrow, number) == NULL)
                fail_msg("%s: %s is broken at 32 columns", samples[i].name, number);
            at += length;
        }
    }
}

static void test_words_are_not_broken(void **state)
{
    (void)state;
    static char text[SLIP_TEXT_MAX];
    uint8_t tlv[256];
    struct byte_writer out;
    byte_writer_init(&out, tlv, sizeof tlv);
    sample_slip_text(&out, TAG_SLIP_TEXT, 0, "0123456789012345678901234567890 слово ещё");
    sample_slip_text(&out, TAG_SLIP_TEXT, SLIP_STYLE_WIDE, "перепелиное яйцо");
    sample_slip_text(&out, TAG_SLIP_TEXT, 0, "    отступ\n\nпосле пустой");
    sample_slip_text(&out, TAG_SLIP_TEXT, 0, "0123456789012345678901234567890123456789");
    render(tlv, out.length, SLIP_NON_FISCAL, 0, 32, text);
    assert_string_equal(text, "0123456789012345678901234567890\nслово ещё\n"
                              "перепелиное яйцо\n"
                              "    отступ\n\nпосле пустой\n"
                              "01234567890123456789012345678901\n23456789\n[CUT]\n");
    byte_writer_init(&out, tlv, sizeof tlv);
    sample_slip_text(&out, TAG_SLIP_TEXT, SLIP_STYLE_WIDE, "перепелиные яйца");
    sample_slip_text(&out, TAG_SLIP_TEXT, SLIP_STYLE_WIDE, "одиннадцатьштук яиц");
    render(tlv, out.length, SLIP_NON_FISCAL, 0, 32, text);
    assert_string_equal(text, "перепелиные яйца\nодиннадцатьштук\nяиц\n[CUT]\n");
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Random lists of tags that scripts look for, nested and cut at random; every form ends with one
 * CUT. */
static void test_any_bytes_end_with_a_cut(void **state)
{
    (void)state;
    static const uint16_t forms[] = {1,  2,  3,  4, 5,    6,    7,    11,   21,
                                     31, 41, 99, 0, 1001, 1002, 1003, 1004, 65535};
    static char text[SLIP_TEXT_MAX];
    uint32_t seed = 20261123;
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t tlv[900];
        size_t size = next_random(&seed) % sizeof tlv, used = 0;
        for (size_t i = 0; i < size; i++)
            tlv[i] = (uint8_t)next_random(&seed);
        while (used + 4 < size && round % 8 != 0) {
            const struct tag_info *info = tag_info_at(next_random(&seed) % 240);
            uint16_t tag = info != NULL ? info->tag : TAG_ITEM;
            size_t length = next_random(&seed) % (round % 3 == 0 ? 300 : 12);
            tlv[used] = (uint8_t)tag;
            tlv[used + 1] = (uint8_t)(tag >> 8);
            tlv[used + 2] = (uint8_t)length;
            tlv[used + 3] = (uint8_t)(length >> 8);
            /* A structure's header alone makes what follows its content. */
            used += 4 + (info != NULL && info->type == TAG_TYPE_STLV ? 0 : length);
        }
        render(tlv, size, forms[round % (sizeof forms / sizeof forms[0])],
               (uint8_t)next_random(&seed), all_columns[round % 3], text);
    }
}

/* A well-formed document cut at every byte, and with every byte of it changed. */
static void test_damaged_documents(void **state)
{
    (void)state;
    static uint8_t tlv[SAMPLE_MAX];
    static char text[SLIP_TEXT_MAX];
    const struct sample *sample = sample_find("shift-close");
    size_t size = sample_build(sample, tlv, sizeof tlv);
    for (size_t cut = 0; cut < size; cut++)
        render(tlv, cut, sample->form, 0, 32, text);
    for (size_t i = 0; i < size; i++) {
        uint8_t was = tlv[i];
        tlv[i] ^= (uint8_t)(1u << i % 8);
        render(tlv, size, sample->form, 0, 42, text);
        tlv[i] = was;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_mandatory_set_of_a_receipt),
        cmocka_unit_test(test_mandatory_set_of_reports),
        cmocka_unit_test(test_what_is_zero_is_not_printed),
        cmocka_unit_test(test_numbers_are_not_broken),
        cmocka_unit_test(test_words_are_not_broken),
        cmocka_unit_test(test_any_bytes_end_with_a_cut),
        cmocka_unit_test(test_damaged_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
