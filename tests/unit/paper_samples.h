/* Documents as the board hands them to paper, for the tests of layout, printer and print head. */
#ifndef TESTS_UNIT_PAPER_SAMPLES_H
#define TESTS_UNIT_PAPER_SAMPLES_H

#include "firmware/layout.h"
#include "proto/cp866.h"

#include <stdio.h>
#include <string.h>

#define SAMPLE_MAX 30000u
#define SAMPLE_QR  "t=20261123T1405&s=6842.50&fn=9999078900005488&i=1234&fp=98765432&n=1"

struct sample {
    const char *name;
    uint16_t form;
    uint8_t marks;
    void (*build)(struct byte_writer *out);
};

static inline void sample_text(struct byte_writer *out, uint16_t tag, const char *utf8)
{
    uint8_t text[1024];
    int length = cp866_from_utf8(utf8, strlen(utf8), text, sizeof text, NULL);
    tlv_put_bytes(out, tag, text, length > 0 ? (size_t)length : 0);
}

static inline void sample_padded(struct byte_writer *out, uint16_t tag, const char *ascii,
                                 size_t width)
{
    tlv_put_padded(out, tag, ascii, strlen(ascii), width);
}

static inline void sample_slip_text(struct byte_writer *out, uint16_t tag, uint8_t style,
                                    const char *utf8)
{
    size_t mark = tlv_begin(out, tag);
    tlv_put_u8(out, TAG_SLIP_STYLE, style);
    sample_text(out, TAG_SLIP_STRING, utf8);
    tlv_end(out, mark);
}

/* 23.11.26 14:05 */
#define SAMPLE_TIME 1795442700u

static inline void sample_signs(struct byte_writer *out, uint32_t document)
{
    static const uint8_t sign[6] = {0x31, 0x04, 0x05, 0xE3, 0x0A, 0x78}; /* 0098765432 */
    tlv_put_u32(out, TAG_DOCUMENT_NUMBER, document);
    sample_padded(out, TAG_FN_NUMBER, "9999078900005488", 16);
    tlv_put_bytes(out, TAG_FISCAL_SIGN, sign, sizeof sign);
}

static inline void sample_head(struct byte_writer *out)
{
    sample_text(out, TAG_USER_NAME, "ООО «Ромашка и партнёры»");
    sample_padded(out, TAG_USER_INN, "7702203276", 12);
    sample_padded(out, TAG_KKT_REGISTRATION_NUMBER, "0000000005008570", 20);
    sample_text(out, TAG_SETTLEMENT_ADDRESS, "117342, г. Москва, ул. Бутлерова, д. 17, этаж 3");
    sample_text(out, TAG_SETTLEMENT_PLACE, "Пункт выдачи № 5");
    tlv_put_u32(out, TAG_DATE_TIME, SAMPLE_TIME);
    sample_text(out, TAG_CASHIER, "Иванова А. А.");
    sample_padded(out, TAG_CASHIER_INN, "500100732259", 12);
}

static inline void sample_item(struct byte_writer *out, const char *name, struct decimal quantity,
                               uint64_t price, uint64_t sum, uint8_t vat, uint8_t subject,
                               uint8_t method, int measure)
{
    size_t mark = tlv_begin(out, TAG_ITEM);
    sample_text(out, TAG_ITEM_NAME, name);
    tlv_put_vln(out, TAG_ITEM_PRICE, price);
    tlv_put_fvln(out, TAG_ITEM_QUANTITY, quantity);
    if (measure >= 0)
        tlv_put_u8(out, TAG_ITEM_MEASURE, (uint8_t)measure);
    tlv_put_vln(out, TAG_ITEM_SUM, sum);
    tlv_put_u8(out, TAG_VAT_RATE, vat);
    tlv_put_u8(out, TAG_ITEM_SUBJECT, subject);
    tlv_put_u8(out, TAG_ITEM_PAYMENT_METHOD, method);
    tlv_end(out, mark);
}

static inline void sample_vat_sum(struct byte_writer *out, uint64_t sum, uint8_t rate)
{
    size_t mark = tlv_begin(out, TAG_VAT_SUM);
    tlv_put_vln(out, TAG_VAT_SUM_VALUE, sum);
    tlv_put_u8(out, TAG_VAT_RATE, rate);
    tlv_end(out, mark);
}

static inline void sample_receipt(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_RECEIPT_NUMBER, 12);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u8(out, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    tlv_put_u8(out, TAG_TAX_SYSTEM, 1);
    sample_text(out, TAG_BUYER_CONTACT, "+79161234567");
    sample_text(out, TAG_SENDER_EMAIL, "noreply@romashka.example");
    sample_text(out, TAG_FNS_SITE, "www.nalog.gov.ru");
    sample_text(out, TAG_SETTING_HEADER, "Интернет-магазин «Ромашка»\nromashka.example");
    sample_text(out, TAG_SETTING_FOOTER, "Спасибо за покупку!\nВозврат в течение 14 дней");
    sample_item(out, "Чайник электрический «Уют» № 5, 1,7 л, нержавеющая сталь, с подсветкой",
                (struct decimal){1, 0}, 249900, 249900, VAT_RATE_22, 1, 4, 0);
    sample_item(out, "Книга «Мастер и Маргарита», М. А. Булгаков, твёрдый переплёт",
                (struct decimal){2, 0}, 65000, 130000, VAT_RATE_10, 1, 4, 0);
    sample_slip_text(out, TAG_SLIP_ITEM_TEXT, 0, "  скидка 10 % уже учтена");
    sample_item(out, "Сыр «Российский» весовой", (struct decimal){735, 3}, 89000, 65415,
                VAT_RATE_10, 1, 4, 11);
    sample_item(out, "Набор кастрюль «Хозяюшка» 3 шт. (2,0 / 3,5 / 5,0 л)", (struct decimal){1, 0},
                209035, 209035, VAT_RATE_22, 1, 4, 0);
    sample_item(out, "Доставка курьером до двери", (struct decimal){1, 0}, 29900, 29900,
                VAT_RATE_NONE, 4, 4, -1);
    tlv_put_vln(out, TAG_RECEIPT_TOTAL, 684250);
    tlv_put_vln(out, TAG_PAID_CASH, 484250);
    tlv_put_vln(out, TAG_PAID_ELECTRONIC, 0);
    tlv_put_vln(out, TAG_PAID_PREPAID, 200000);
    tlv_put_vln(out, TAG_PAID_CREDIT, 0);
    tlv_put_vln(out, TAG_PAID_OTHER, 0);
    tlv_put_vln(out, TAG_CASH_TENDERED, 500000);
    tlv_put_vln(out, TAG_VAT_10, 17765);
    tlv_put_vln(out, TAG_TURNOVER_0, 0);
    tlv_put_vln(out, TAG_TURNOVER_NO_VAT, 29900);
    size_t mark = tlv_begin(out, TAG_VAT_SUMS);
    sample_vat_sum(out, 0, VAT_RATE_5);
    sample_vat_sum(out, 82758, VAT_RATE_22);
    tlv_end(out, mark);
    size_t after = tlv_begin(out, TAG_SLIP_AFTER);
    sample_slip_text(out, TAG_SLIP_TEXT, SLIP_STYLE_CENTER, "Заказ № 1024-Б");
    sample_text(out, TAG_SLIP_QR, "https://romashka.example/o/1024");
    tlv_end(out, after);
    sample_signs(out, 1234);
}

static inline void sample_receipt_60(struct byte_writer *out)
{
    static const char *const names[] = {"Тетрадь школьная 48 л., клетка, обложка «Космос»",
                                        "Ручка шариковая синяя 0,7 мм",
                                        "Карандаш чернографитный № 2 (ТМ)",
                                        "Папка-скоросшиватель А4",
                                        "Клей-карандаш 21 г",
                                        "Бумага офисная «Снегурочка» А4, 80 г/м², 500 листов"};
    uint64_t total = 0;
    sample_head(out);
    tlv_put_u32(out, TAG_RECEIPT_NUMBER, 40);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u8(out, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    tlv_put_u8(out, TAG_TAX_SYSTEM, 2);
    sample_text(out, TAG_BUYER_CONTACT, "zakupki@school.example");
    sample_text(out, TAG_FNS_SITE, "www.nalog.gov.ru");
    for (unsigned i = 0; i < 60; i++) {
        uint64_t price = 1990 + i * 735, count = 1 + i % 4;
        char name[160];
        snprintf(name, sizeof name, "%s, арт. %04u", names[i % 6], 1000 + i);
        sample_item(out, name, (struct decimal){count, 0}, price, price * count, VAT_RATE_NONE, 1,
                    4, -1);
        total += price * count;
    }
    tlv_put_vln(out, TAG_RECEIPT_TOTAL, total);
    tlv_put_vln(out, TAG_PAID_ELECTRONIC, total);
    tlv_put_vln(out, TAG_TURNOVER_NO_VAT, total);
    sample_signs(out, 1275);
}

static inline void sample_correction(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_RECEIPT_NUMBER, 13);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u8(out, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    tlv_put_u8(out, TAG_TAX_SYSTEM, 4);
    tlv_put_u8(out, TAG_CORRECTION_TYPE, 1);
    size_t mark = tlv_begin(out, TAG_CORRECTION_BASIS);
    sample_text(out, TAG_CORRECTION_BASIS_NAME, "Акт о неприменении ККТ из-за сбоя питания");
    tlv_put_u32(out, TAG_CORRECTED_DATE, SAMPLE_TIME - SAMPLE_TIME % 86400u - 86400u);
    sample_text(out, TAG_TAX_ORDER_NUMBER, "12-АБ/77");
    tlv_end(out, mark);
    tlv_put_vln(out, TAG_RECEIPT_TOTAL, 1099511627775u);
    tlv_put_vln(out, TAG_PAID_CREDIT, 1099511627775u);
    tlv_put_vln(out, TAG_VAT_20, 183251937963u);
    sample_signs(out, 1235);
}

static inline void sample_shift_open(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u8(out, TAG_OFD_ANSWER_OVERDUE, 1);
    tlv_put_u8(out, TAG_FN_RESOURCE_30_DAYS, 1);
    tlv_put_u8(out, TAG_FN_MEMORY_FULL, 0);
    tlv_put_u8(out, TAG_OFD_MESSAGE_FLAGS, 0x42);
    sample_text(out, TAG_KKT_VERSION, "0.1.0");
    tlv_put_u8(out, TAG_KKT_FFD_VERSION, FFD_1_05);
    tlv_put_u8(out, TAG_FFD_VERSION, FFD_1_05);
    sample_signs(out, 1200);
}

static inline void sample_totals_kind(struct byte_writer *out, uint8_t kind, uint32_t count,
                                      uint64_t cash, uint64_t electronic, uint64_t prepaid)
{
    size_t mark = tlv_begin(out, TAG_TOTALS_KIND);
    tlv_put_u8(out, TAG_SETTLEMENT_KIND, kind);
    tlv_put_u32(out, TAG_TOTALS_COUNT, count);
    tlv_put_vln(out, TAG_RECEIPT_TOTAL, cash + electronic + prepaid);
    tlv_put_vln(out, TAG_PAID_CASH, cash);
    tlv_put_vln(out, TAG_PAID_ELECTRONIC, electronic);
    tlv_put_vln(out, TAG_PAID_PREPAID, prepaid);
    tlv_put_vln(out, TAG_PAID_CREDIT, 0);
    tlv_put_vln(out, TAG_PAID_OTHER, 0);
    tlv_end(out, mark);
}

static inline void sample_totals(struct byte_writer *out)
{
    sample_totals_kind(out, SETTLEMENT_SALE, 38, 5842050, 10233900, 200000);
    sample_totals_kind(out, SETTLEMENT_SALE_RETURN, 2, 129900, 0, 0);
    sample_totals_kind(out, SETTLEMENT_PURCHASE, 0, 0, 0, 0);
    sample_totals_kind(out, SETTLEMENT_PURCHASE_RETURN, 0, 0, 0, 0);
    tlv_put_u32(out, TAG_CASH_IN_COUNT, 1);
    tlv_put_vln(out, TAG_CASH_IN_TOTAL, 500000);
    tlv_put_u32(out, TAG_CASH_OUT_COUNT, 1);
    tlv_put_vln(out, TAG_CASH_OUT_TOTAL, 5000000);
    tlv_put_vln(out, TAG_CASH_IN_DRAWER, 1212150);
}

static inline void sample_counters(struct byte_writer *out, uint16_t tag)
{
    size_t mark = tlv_begin(out, tag);
    tlv_put_u32(out, TAG_COUNT_ALL_KINDS, 41);
    size_t sale = tlv_begin(out, TAG_COUNTERS_SALE);
    tlv_put_u32(out, TAG_COUNT_ONE_KIND, 38);
    tlv_put_vln(out, TAG_TOTAL_CASH, 5842050);
    tlv_put_vln(out, TAG_TOTAL_ELECTRONIC, 10233900);
    tlv_put_vln(out, TAG_TOTAL_PREPAID, 200000);
    tlv_put_vln(out, TAG_TOTAL_ALL, 16275950);
    tlv_put_vln(out, TAG_TOTAL_VAT_20, 1234567);
    tlv_put_vln(out, TAG_TOTAL_TURNOVER_NO_VAT, 500000);
    tlv_end(out, sale);
    size_t returned = tlv_begin(out, TAG_COUNTERS_SALE_RETURN);
    tlv_put_u32(out, TAG_COUNT_ONE_KIND, 2);
    tlv_put_vln(out, TAG_TOTAL_CASH, 129900);
    tlv_put_vln(out, TAG_TOTAL_ALL, 129900);
    tlv_end(out, returned);
    size_t corrections = tlv_begin(out, TAG_COUNTERS_CORRECTION);
    tlv_put_u32(out, TAG_COUNT_CORRECTIONS, 1);
    size_t kind = tlv_begin(out, TAG_COUNTERS_KIND_SALE);
    tlv_put_u32(out, TAG_COUNT_ONE_KIND, 1);
    tlv_put_vln(out, TAG_TOTAL_ALL, 77000);
    tlv_end(out, kind);
    tlv_end(out, corrections);
    tlv_end(out, mark);
}

static inline void sample_shift_close(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u32(out, TAG_SHIFT_RECEIPTS, 41);
    tlv_put_u32(out, TAG_SHIFT_DOCUMENTS, 43);
    tlv_put_u32(out, TAG_UNSENT_COUNT, 3);
    tlv_put_u32(out, TAG_UNSENT_FIRST_DATE, SAMPLE_TIME - SAMPLE_TIME % 86400u);
    tlv_put_u8(out, TAG_OFD_ANSWER_OVERDUE, 0);
    tlv_put_u8(out, TAG_FN_REPLACE_URGENTLY, 0);
    tlv_put_u16(out, TAG_KEY_RESOURCE_DAYS, 412);
    sample_totals(out);
    sample_counters(out, TAG_SHIFT_COUNTERS);
    sample_signs(out, 1276);
}

static inline void sample_registration(struct byte_writer *out)
{
    sample_head(out);
    sample_text(out, TAG_KKT_SERIAL, "00106900000002");
    tlv_put_u8(out, TAG_TAX_SYSTEMS, 1 | 2 | 32);
    sample_text(out, TAG_OFD_NAME, "АО «Оператор фискальных данных (отладочный)»");
    sample_padded(out, TAG_OFD_INN, "7709364346", 12);
    sample_text(out, TAG_FNS_SITE, "www.nalog.gov.ru");
    sample_text(out, TAG_SENDER_EMAIL, "noreply@romashka.example");
    tlv_put_u8(out, TAG_AUTOMATIC_MODE, 0);
    tlv_put_u8(out, TAG_AUTONOMOUS_MODE, 0);
    tlv_put_u8(out, TAG_ENCRYPTION, 1);
    tlv_put_u8(out, TAG_INTERNET_ONLY, 0);
    tlv_put_u8(out, TAG_SERVICES, 1);
    tlv_put_u8(out, TAG_BSO_ONLY, 0);
    tlv_put_u8(out, TAG_PRINTER_IN_AUTOMAT, 0);
    sample_text(out, TAG_KKT_VERSION, "0.1.0");
    tlv_put_u8(out, TAG_KKT_FFD_VERSION, FFD_1_2);
    tlv_put_u8(out, TAG_FN_FFD_VERSION, FFD_1_2);
    tlv_put_u8(out, TAG_FFD_VERSION, FFD_1_2);
    sample_signs(out, 1);
}

static inline void sample_registration_change(struct byte_writer *out)
{
    sample_registration(out);
    tlv_put_u8(out, TAG_REREGISTRATION_REASON, 3);
    tlv_put_u8(out, TAG_REREGISTRATION_REASON, 4);
    tlv_put_u32(out, TAG_REREGISTRATION_REASONS, 1u << 2 | 1u << 3 | 1u << 31);
    tlv_put_u32(out, TAG_USE_CONDITIONS, 1u << 9 | 1u << 8);
    sample_counters(out, TAG_FN_GRAND_COUNTERS);
}

static inline void sample_state(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u32(out, TAG_UNSENT_COUNT, 5);
    tlv_put_u32(out, TAG_UNSENT_FIRST_NUMBER, 1230);
    tlv_put_u32(out, TAG_UNSENT_FIRST_DATE, SAMPLE_TIME - SAMPLE_TIME % 86400u);
    size_t mark = tlv_begin(out, TAG_UNSENT_COUNTERS);
    tlv_put_u32(out, TAG_COUNT_CORRECTIONS, 5);
    size_t kind = tlv_begin(out, TAG_COUNTERS_KIND_SALE);
    tlv_put_u32(out, TAG_COUNT_ONE_KIND, 5);
    tlv_put_vln(out, TAG_TOTAL_ALL, 990000);
    tlv_end(out, kind);
    tlv_end(out, mark);
    sample_signs(out, 1240);
}

static inline void sample_fn_close(struct byte_writer *out)
{
    sample_head(out);
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    sample_counters(out, TAG_FN_GRAND_COUNTERS);
    sample_signs(out, 9999);
}

static inline void sample_x_report(struct byte_writer *out)
{
    sample_text(out, TAG_USER_NAME, "ООО «Ромашка и партнёры»");
    sample_padded(out, TAG_USER_INN, "7702203276", 12);
    sample_text(out, TAG_CASHIER, "Кассир Иванова А. А.");
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u32(out, TAG_BOARD_TIME, SAMPLE_TIME);
    sample_totals(out);
}

static inline void sample_cash(struct byte_writer *out)
{
    sample_text(out, TAG_CASHIER, "Иванова А. А.");
    tlv_put_u32(out, TAG_SHIFT_NUMBER, 7);
    tlv_put_u32(out, TAG_BOARD_TIME, SAMPLE_TIME);
    tlv_put_vln(out, TAG_CASH_SUM, 500000);
    tlv_put_vln(out, TAG_CASH_IN_DRAWER, 1712150);
}

static inline void sample_non_fiscal(struct byte_writer *out)
{
    sample_slip_text(out, TAG_SLIP_TEXT,
                     SLIP_STYLE_CENTER | SLIP_STYLE_BOLD | SLIP_STYLE_WIDE | SLIP_STYLE_TALL,
                     "МАРШРУТНЫЙ ЛИСТ");
    sample_slip_text(out, TAG_SLIP_TEXT, SLIP_STYLE_CENTER, "курьер № 3, 23 ноября");
    sample_slip_text(out, TAG_SLIP_TEXT, 0, "");
    sample_slip_text(out, TAG_SLIP_TEXT, 0,
                     "1. ул. Ленина, д. 5, кв. 12 — позвонить за час; подъезд со двора, код 45#");
    sample_slip_text(out, TAG_SLIP_TEXT, 0,
                     "2. Сдача с 5000 ₽:\n   две по 1000\n   одна по 500");
    sample_slip_text(out, TAG_SLIP_TEXT, SLIP_STYLE_RIGHT | SLIP_STYLE_BOLD, "итого 2 адреса");
    sample_text(out, TAG_SLIP_QR, "https://romashka.example/route/3");
}

static const struct sample samples[] = {
    {"receipt", FORM_RECEIPT, 0, sample_receipt},
    {"receipt-60", FORM_RECEIPT, 0, sample_receipt_60},
    {"receipt-copy", FORM_RECEIPT, SLIP_MARK_COPY, sample_receipt},
    {"receipt-resumed", FORM_RECEIPT, SLIP_MARK_RESUMED, sample_receipt},
    {"correction", FORM_CORRECTION, 0, sample_correction},
    {"shift-open", FORM_SHIFT_OPEN, 0, sample_shift_open},
    {"shift-close", FORM_SHIFT_CLOSE, 0, sample_shift_close},
    {"registration", FORM_REGISTRATION, 0, sample_registration},
    {"registration-change", FORM_REGISTRATION_CHANGE, 0, sample_registration_change},
    {"state", FORM_STATE_REPORT, 0, sample_state},
    {"fn-close", FORM_FN_CLOSE, 0, sample_fn_close},
    {"x-report", SLIP_X_REPORT, 0, sample_x_report},
    {"cash-in", SLIP_CASH_IN, 0, sample_cash},
    {"cash-out", SLIP_CASH_OUT, 0, sample_cash},
    {"non-fiscal", SLIP_NON_FISCAL, 0, sample_non_fiscal},
};
#define SAMPLE_COUNT (sizeof samples / sizeof samples[0])

static inline size_t sample_build(const struct sample *sample, uint8_t *data, size_t capacity)
{
    struct byte_writer out;
    byte_writer_init(&out, data, capacity);
    sample->build(&out);
    return byte_writer_ok(&out) ? out.length : 0;
}

static inline const struct sample *sample_find(const char *name)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++)
        if (strcmp(samples[i].name, name) == 0)
            return &samples[i];
    return NULL;
}

#endif
