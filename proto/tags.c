#include "proto/tags.h"

#include <string.h>

#define FIXED    true
#define VARIABLE false

static const struct tag_info tags[] = {
#define TAG(number, name, json, type, length, fixed, label)                                        \
    {number, length, TAG_TYPE_##type, fixed, json, label},
#include "proto/tags.def"
#undef TAG
};

#define TAG_COUNT (sizeof tags / sizeof tags[0])

const struct tag_info *tag_info_find(uint16_t tag)
{
    /* Always the same number of halvings, so that nothing hangs on a branch nobody can foresee. */
    const struct tag_info *low = tags;
    for (size_t count = TAG_COUNT; count > 1;) {
        size_t half = count / 2;
        low = low[half].tag <= tag ? low + half : low;
        count -= half;
    }
    return low->tag == tag ? low : NULL;
}

const struct tag_info *tag_info_by_name(const char *json, size_t length)
{
    for (size_t i = 0; i < TAG_COUNT; i++)
        if (strlen(tags[i].json) == length && memcmp(tags[i].json, json, length) == 0)
            return &tags[i];
    return NULL;
}

const struct tag_info *tag_info_at(size_t index)
{
    return index < TAG_COUNT ? &tags[index] : NULL;
}

/* Words for a number, in tables that have holes. */
struct word {
    uint8_t value;
    const char *text;
};

static const char *word_find(const struct word *words, size_t count, uint8_t value)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].value == value)
            return words[i].text;
    return "";
}
#define WORD(table, value) word_find(table, sizeof(table) / sizeof(table)[0], value)

static const struct form {
    uint16_t form;
    const char *title;
    const char *name;
} forms[] = {
    {FORM_REGISTRATION, "ОТЧЕТ О РЕГИСТРАЦИИ", "registration"},
    {FORM_SHIFT_OPEN, "ОТЧЕТ ОБ ОТКРЫТИИ СМЕНЫ", "shiftOpen"},
    {FORM_RECEIPT, "КАССОВЫЙ ЧЕК", "receipt"},
    {FORM_BSO, "БЛАНК СТРОГОЙ ОТЧЕТНОСТИ", "bso"},
    {FORM_SHIFT_CLOSE, "ОТЧЕТ О ЗАКРЫТИИ СМЕНЫ", "shiftClose"},
    {FORM_FN_CLOSE, "ОТЧЕТ О ЗАКРЫТИИ ФИСКАЛЬНОГО НАКОПИТЕЛЯ", "fnClose"},
    {FORM_OPERATOR_CONFIRMATION, "ПОДТВЕРЖДЕНИЕ ОПЕРАТОРА", "operatorConfirmation"},
    {FORM_REGISTRATION_CHANGE, "ОТЧЕТ ОБ ИЗМЕНЕНИИ ПАРАМЕТРОВ РЕГИСТРАЦИИ", "registrationChange"},
    {FORM_STATE_REPORT, "ОТЧЕТ О ТЕКУЩЕМ СОСТОЯНИИ РАСЧЕТОВ", "stateReport"},
    {FORM_CORRECTION, "КАССОВЫЙ ЧЕК КОРРЕКЦИИ", "correction"},
    {FORM_BSO_CORRECTION, "БСО КОРРЕКЦИИ", "bsoCorrection"},
};

static const struct form *form_find(uint16_t form)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].form == form)
            return &forms[i];
    return NULL;
}

const char *form_title(uint16_t form)
{
    const struct form *found = form_find(form);
    return found == NULL ? "" : found->title;
}

const char *form_name(uint16_t form)
{
    const struct form *found = form_find(form);
    return found == NULL ? "unknown" : found->name;
}

const char *settlement_kind_label(uint8_t kind)
{
    static const struct word words[] = {
        {SETTLEMENT_SALE, "ПРИХОД"},
        {SETTLEMENT_SALE_RETURN, "ВОЗВРАТ ПРИХОДА"},
        {SETTLEMENT_PURCHASE, "РАСХОД"},
        {SETTLEMENT_PURCHASE_RETURN, "ВОЗВРАТ РАСХОДА"},
    };
    return WORD(words, kind);
}

const char *vat_rate_label(uint8_t rate)
{
    static const struct word words[] = {
        {VAT_RATE_20, "НДС 20%"},        {VAT_RATE_10, "НДС 10%"}, {VAT_RATE_20_120, "НДС 20/120"},
        {VAT_RATE_10_110, "НДС 10/110"}, {VAT_RATE_0, "НДС 0%"},   {VAT_RATE_NONE, "БЕЗ НДС"},
        {VAT_RATE_5, "НДС 5%"},          {VAT_RATE_7, "НДС 7%"},   {VAT_RATE_5_105, "НДС 5/105"},
        {VAT_RATE_7_107, "НДС 7/107"},   {VAT_RATE_22, "НДС 22%"}, {VAT_RATE_22_122, "НДС 22/122"},
    };
    return WORD(words, rate);
}

const char *ffd_version_text(uint8_t version)
{
    static const struct word words[] = {
        {FFD_1_0, "1.0"}, {FFD_1_05, "1.05"}, {FFD_1_1, "1.1"}, {FFD_1_2, "1.2"}};
    return WORD(words, version);
}

const char *tax_system_label(uint8_t bit)
{
    static const struct word words[] = {
        {0x01, "ОСН"},  {0x02, "УСН доход"}, {0x04, "УСН доход - расход"},
        {0x08, "ЕНВД"}, {0x10, "ЕСХН"},      {0x20, "Патент"},
    };
    return WORD(words, bit);
}

const char *item_subject_label(uint8_t subject)
{
    static const struct word words[] = {
        {1, "ТОВАР"},
        {2, "ПОДАКЦИЗНЫЙ ТОВАР"},
        {3, "РАБОТА"},
        {4, "УСЛУГА"},
        {5, "СТАВКА ИГРЫ"},
        {6, "ВЫИГРЫШ АИ"},
        {7, "СТАВКА ЛОТЕРЕИ"},
        {8, "ВЫИГРЫШ ЛОТЕРЕИ"},
        {9, "ПРЕДОСТАВЛЕНИЕ РИД"},
        {10, "ПЛАТЕЖ"},
        {11, "АГЕНТСКОЕ ВОЗНАГРАЖДЕНИЕ"},
        {13, "ИНОЙ ПРЕДМЕТ РАСЧЕТА"},
        {30, "АТНМ"},
        {31, "АТМ"},
        {32, "ТНМ"},
        {33, "ТМ"},
    };
    return WORD(words, subject);
}

const char *payment_method_label(uint8_t method)
{
    static const struct word words[] = {
        {1, "ПРЕДОПЛАТА 100%"},
        {2, "ПРЕДОПЛАТА"},
        {3, "АВАНС"},
        {4, "ПОЛНЫЙ РАСЧЕТ"},
        {5, "ЧАСТИЧНЫЙ РАСЧЕТ И КРЕДИТ"},
        {6, "ПЕРЕДАЧА В КРЕДИТ"},
        {7, "ОПЛАТА КРЕДИТА"},
    };
    return WORD(words, method);
}

const char *measure_label(uint8_t measure)
{
    static const struct word words[] = {
        {0, "шт."},     {10, "г"},      {11, "кг"},     {12, "т"},     {20, "см"},    {21, "дм"},
        {22, "м"},      {30, "кв. см"}, {31, "кв. дм"}, {32, "кв. м"}, {40, "мл"},    {41, "л"},
        {42, "куб. м"}, {50, "кВт·ч"},  {51, "Гкал"},   {70, "сутки"}, {71, "час"},   {72, "мин"},
        {73, "с"},      {80, "Кбайт"},  {81, "Мбайт"},  {82, "Гбайт"}, {83, "Тбайт"},
    };
    return WORD(words, measure);
}
