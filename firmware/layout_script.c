/* The scripts: FFD §64 and the tables of each document, order and obligation of what is printed. */
#include "firmware/layout_script.h"

#define LINE(tag_)                                                                                 \
    {                                                                                              \
        .op = ROW_LINE, .tag = (tag_)                                                              \
    }
#define LINE_AS(tag_, label_)                                                                      \
    {                                                                                              \
        .op = ROW_LINE, .tag = (tag_), .label = (label_)                                           \
    }
#define TEXT(tag_, style_)                                                                         \
    {                                                                                              \
        .op = ROW_TEXT, .tag = (tag_), .style = (style_)                                           \
    }
#define FLAG(tag_)                                                                                 \
    {                                                                                              \
        .op = ROW_FLAG, .tag = (tag_)                                                              \
    }
#define FLAG_AS(tag_, label_)                                                                      \
    {                                                                                              \
        .op = ROW_FLAG, .tag = (tag_), .label = (label_)                                           \
    }
#define SUM(tag_)                                                                                  \
    {                                                                                              \
        .op = ROW_SUM, .tag = (tag_)                                                               \
    }
#define SUM_AS(tag_, label_)                                                                       \
    {                                                                                              \
        .op = ROW_SUM, .tag = (tag_), .label = (label_)                                            \
    }
#define COUNTED(tag_)                                                                              \
    {                                                                                              \
        .op = ROW_COUNTED, .tag = (tag_)                                                           \
    }
#define COUNTED_AS(tag_, label_)                                                                   \
    {                                                                                              \
        .op = ROW_COUNTED, .tag = (tag_), .label = (label_)                                        \
    }
#define DUO(tag_, label_, tag2_)                                                                   \
    {                                                                                              \
        .op = ROW_DUO, .tag = (tag_), .label = (label_), .tag2 = (tag2_)                           \
    }
#define LITERAL(label_, style_)                                                                    \
    {                                                                                              \
        .op = ROW_LITERAL, .label = (label_), .style = (style_)                                    \
    }
#define EACH(tag_, rows_)                                                                          \
    {                                                                                              \
        .op = ROW_EACH, .tag = (tag_), .rows = (rows_)                                             \
    }
#define OP(op_)                                                                                    \
    {                                                                                              \
        .op = (op_)                                                                                \
    }
#define END                                                                                        \
    {                                                                                              \
        .op = ROW_END                                                                              \
    }

#define HEADING (SLIP_STYLE_CENTER | SLIP_STYLE_BOLD)
#define BIGGEST (SLIP_STYLE_BOLD | SLIP_STYLE_WIDE | SLIP_STYLE_TALL)

/* Every slip begins with its marks and the shop's own words. */
#define TOP                                                                                        \
    {.op = ROW_MARK,                                                                               \
     .tag = SLIP_MARK_RESUMED,                                                                     \
     .style = HEADING,                                                                             \
     .label = "ПЕЧАТЬ ПОВТОРЕНА: ПРЕДЫДУЩИЙ ЛИСТ НЕДЕЙСТВИТЕЛЕН"},                                 \
        {.op = ROW_MARK,                                                                           \
         .tag = SLIP_MARK_COPY,                                                                    \
         .style = SLIP_STYLE_CENTER | BIGGEST,                                                     \
         .label = "КОПИЯ"},                                                                        \
        TEXT(TAG_SETTING_HEADER, SLIP_STYLE_CENTER), EACH(TAG_SLIP_BEFORE, body_rows)
#define TITLE                                                                                      \
    {                                                                                              \
        .op = ROW_TITLE, .style = HEADING                                                          \
    }
#define USER  TEXT(TAG_USER_NAME, SLIP_STYLE_CENTER), LINE(TAG_USER_INN)
#define PLACE TEXT(TAG_SETTLEMENT_ADDRESS, 0), LINE(TAG_SETTLEMENT_PLACE)
/* Cashier's INN 1203 is electronic only. */
#define SIGNS  OP(ROW_RULE), LINE(TAG_DOCUMENT_NUMBER), LINE(TAG_FN_NUMBER), LINE(TAG_FISCAL_SIGN)
#define BOTTOM EACH(TAG_SLIP_AFTER, body_rows), TEXT(TAG_SETTING_FOOTER, SLIP_STYLE_CENTER), END

#define PAYMENTS                                                                                   \
    SUM(TAG_PAID_CASH), SUM_AS(TAG_PAID_ELECTRONIC, "БЕЗНАЛИЧНЫМИ"), SUM(TAG_PAID_PREPAID),        \
        SUM(TAG_PAID_CREDIT), SUM(TAG_PAID_OTHER)
/* The FN's state: printed when it needs someone to act. */
#define WARNINGS                                                                                   \
    FLAG(TAG_OFD_ANSWER_OVERDUE), FLAG(TAG_FN_REPLACE_URGENTLY), FLAG(TAG_FN_MEMORY_FULL),         \
        FLAG(TAG_FN_RESOURCE_30_DAYS), TEXT(TAG_OFD_MESSAGE_FLAGS, HEADING)
#define AGENT_TAGS                                                                                 \
    LINE(TAG_PAYMENT_AGENT_PHONE), LINE(TAG_PAYMENT_ACCEPTING_OPERATOR_PHONE),                     \
        LINE(TAG_TRANSFER_OPERATOR_PHONE), LINE(TAG_BANK_PAYMENT_AGENT_OPERATION),                 \
        LINE(TAG_TRANSFER_OPERATOR_NAME), LINE(TAG_TRANSFER_OPERATOR_ADDRESS),                     \
        LINE(TAG_TRANSFER_OPERATOR_INN)

static const struct layout_row body_rows[] = {OP(ROW_BODY), END};

static const struct layout_row agent_rows[] = {AGENT_TAGS, END};

static const struct layout_row supplier_rows[] = {LINE(TAG_SUPPLIER_PHONE),
                                                  LINE_AS(TAG_SUPPLIER_NAME, "ПОСТАВЩИК"), END};

static const struct layout_row code_rows[] = {LINE_AS(TAG_CODE_UNRECOGNISED, "КТ Н"),
                                              LINE_AS(TAG_CODE_EAN_8, "КТ EAN-8"),
                                              LINE_AS(TAG_CODE_EAN_13, "КТ EAN-13"),
                                              LINE_AS(TAG_CODE_ITF_14, "КТ ITF-14"),
                                              LINE_AS(TAG_CODE_GS1_0, "КТ GS1.0"),
                                              LINE_AS(TAG_CODE_GS1_M, "КТ GS1.М"),
                                              LINE_AS(TAG_CODE_KMK, "КТ КМК"),
                                              LINE_AS(TAG_CODE_MI, "КТ МИ"),
                                              LINE_AS(TAG_CODE_EGAIS_2_0, "КТ ЕГАИС-2.0"),
                                              LINE_AS(TAG_CODE_EGAIS_3_0, "КТ ЕГАИС-3.0"),
                                              LINE_AS(TAG_CODE_F1, "КТ Ф.1"),
                                              LINE_AS(TAG_CODE_F2, "КТ Ф.2"),
                                              LINE_AS(TAG_CODE_F3, "КТ Ф.3"),
                                              LINE_AS(TAG_CODE_F4, "КТ Ф.4"),
                                              LINE_AS(TAG_CODE_F5, "КТ Ф.5"),
                                              LINE_AS(TAG_CODE_F6, "КТ Ф.6"),
                                              END};

static const struct layout_row fraction_rows[] = {LINE_AS(TAG_FRACTION_TEXT_N_D, "ЧАСТЬ"), END};

static const struct layout_row item_rows[] = {OP(ROW_ITEM_NAME),
                                              OP(ROW_ITEM_COST),
                                              OP(ROW_ITEM_KIND),
                                              EACH(TAG_FRACTIONAL_QUANTITY, fraction_rows),
                                              TEXT(TAG_ITEM_EXTRA, 0),
                                              SUM(TAG_EXCISE_SUM),
                                              LINE(TAG_COUNTRY_CODE),
                                              LINE(TAG_CUSTOMS_DECLARATION),
                                              EACH(TAG_ITEM_CODE_STRUCTURE, code_rows),
                                              LINE_AS(TAG_ITEM_CODE, "КТ"),
                                              LINE_AS(TAG_MARKING_CONTROL_CODE, "КОНТР. КОД КМ"),
                                              TEXT(TAG_ITEM_AGENT_FLAG, 0),
                                              EACH(TAG_AGENT_DATA, agent_rows),
                                              EACH(TAG_SUPPLIER_DATA, supplier_rows),
                                              LINE(TAG_SUPPLIER_INN),
                                              END};

static const struct layout_row buyer_rows[] = {LINE(TAG_BUYER_NAME),
                                               LINE(TAG_BUYER_INN),
                                               LINE_AS(TAG_BUYER_BIRTH_DATE, "ДАТА РОЖДЕНИЯ"),
                                               LINE_AS(TAG_CITIZENSHIP, "ГРАЖДАНСТВО"),
                                               LINE_AS(TAG_IDENTITY_DOCUMENT_KIND, "ВИД ДОКУМЕНТА"),
                                               LINE_AS(TAG_IDENTITY_DOCUMENT_DATA, "ДОКУМЕНТ"),
                                               LINE_AS(TAG_BUYER_ADDRESS, "АДРЕС ПОКУПАТЕЛЯ"),
                                               END};

static const struct layout_row vat_sum_rows[] = {OP(ROW_VAT_SUM), END};
static const struct layout_row vat_sums_rows[] = {EACH(TAG_VAT_SUM, vat_sum_rows), END};

static const struct layout_row user_property_rows[] = {TEXT(TAG_USER_PROPERTY_NAME, 0),
                                                       TEXT(TAG_USER_PROPERTY_VALUE, 0), END};

static const struct layout_row basis_rows[] = {LITERAL("ОСН. ДЛЯ КОРР.", 0),
                                               TEXT(TAG_CORRECTION_BASIS_NAME, 0),
                                               LINE_AS(TAG_CORRECTED_DATE, "ДАТА РАСЧЕТА"),
                                               LINE_AS(TAG_TAX_ORDER_NUMBER, "№ ПРЕДПИСАНИЯ"), END};

/* Receipt and correction, table "paper: general form". */
static const struct layout_row receipt_rows[] = {
    TOP,
    TITLE,
    USER,
    DUO(TAG_RECEIPT_NUMBER, NULL, TAG_DATE_TIME),
    LINE(TAG_SHIFT_NUMBER),
    TEXT(TAG_SETTLEMENT_KIND, HEADING),
    LINE(TAG_TAX_SYSTEM),
    LINE(TAG_CORRECTION_TYPE),
    EACH(TAG_CORRECTION_BASIS, basis_rows),
    LINE(TAG_CASHIER),
    LINE(TAG_KKT_REGISTRATION_NUMBER),
    LINE(TAG_AUTOMAT_NUMBER),
    PLACE,
    LINE(TAG_BUYER_CONTACT),
    LINE(TAG_SENDER_EMAIL),
    LINE(TAG_BUYER_NAME),
    LINE(TAG_BUYER_INN),
    EACH(TAG_BUYER, buyer_rows),
    OP(ROW_RULE),
    OP(ROW_BODY),
    OP(ROW_RULE),
    {.op = ROW_SUM, .tag = TAG_RECEIPT_TOTAL, .style = BIGGEST},
    PAYMENTS,
    OP(ROW_TENDERED),
    OP(ROW_CHANGE),
    SUM(TAG_VAT_20),
    SUM(TAG_VAT_10),
    SUM(TAG_TURNOVER_0),
    SUM(TAG_TURNOVER_NO_VAT),
    SUM(TAG_VAT_20_120),
    SUM(TAG_VAT_10_110),
    EACH(TAG_VAT_SUMS, vat_sums_rows),
    TEXT(TAG_AGENT_FLAGS, 0),
    AGENT_TAGS,
    LINE(TAG_SUPPLIER_PHONE),
    OP(ROW_RULE),
    LINE(TAG_FNS_SITE),
    LINE(TAG_RECEIPT_SITE),
    TEXT(TAG_RECEIPT_EXTRA, 0),
    EACH(TAG_USER_PROPERTY, user_property_rows),
    LINE(TAG_DOCUMENT_NUMBER),
    LINE(TAG_FN_NUMBER),
    LINE(TAG_FISCAL_SIGN),
    OP(ROW_RECEIPT_QR),
    BOTTOM};

static const struct layout_row kind_rows[] = {{.op = ROW_KIND, .style = HEADING},
                                              COUNTED(TAG_COUNT_ONE_KIND),
                                              SUM(TAG_TOTAL_ALL),
                                              SUM(TAG_TOTAL_CASH),
                                              SUM(TAG_TOTAL_ELECTRONIC),
                                              SUM(TAG_TOTAL_PREPAID),
                                              SUM(TAG_TOTAL_CREDIT),
                                              SUM(TAG_TOTAL_OTHER),
                                              SUM(TAG_TOTAL_VAT_20),
                                              SUM(TAG_TOTAL_VAT_10),
                                              SUM(TAG_TOTAL_VAT_20_120),
                                              SUM(TAG_TOTAL_VAT_10_110),
                                              SUM(TAG_TOTAL_TURNOVER_0),
                                              SUM(TAG_TOTAL_TURNOVER_NO_VAT),
                                              END};

static const struct layout_row corrections_rows[] = {
    COUNTED_AS(TAG_COUNT_CORRECTIONS, "ЧЕКОВ КОРРЕКЦИИ"),
    EACH(TAG_COUNTERS_KIND_SALE, kind_rows),
    EACH(TAG_COUNTERS_KIND_SALE_RETURN, kind_rows),
    EACH(TAG_COUNTERS_KIND_PURCHASE, kind_rows),
    EACH(TAG_COUNTERS_KIND_PURCHASE_RETURN, kind_rows),
    END};

#define COUNTERS                                                                                   \
    COUNTED_AS(TAG_COUNT_ALL_KINDS, "ВСЕГО ЧЕКОВ"), EACH(TAG_COUNTERS_SALE, kind_rows),            \
        EACH(TAG_COUNTERS_SALE_RETURN, kind_rows), EACH(TAG_COUNTERS_PURCHASE, kind_rows),         \
        EACH(TAG_COUNTERS_PURCHASE_RETURN, kind_rows),                                             \
        EACH(TAG_COUNTERS_CORRECTION, corrections_rows)

static const struct layout_row shift_counters_rows[] = {
    OP(ROW_RULE), LITERAL("СЧЕТЧИКИ ИТОГОВ СМЕНЫ", HEADING), COUNTERS, END};
static const struct layout_row fn_counters_rows[] = {
    OP(ROW_RULE), LITERAL("СЧЕТЧИКИ ИТОГОВ ФН", HEADING), COUNTERS, END};

static const struct layout_row unsent_counters_rows[] = {
    OP(ROW_RULE),
    LITERAL("СЧЕТЧИКИ НЕПЕРЕДАННЫХ ФД", HEADING),
    COUNTED_AS(TAG_COUNT_CORRECTIONS, "НЕПЕРЕДАННЫХ ЧЕКОВ"),
    EACH(TAG_COUNTERS_KIND_SALE, kind_rows),
    EACH(TAG_COUNTERS_KIND_SALE_RETURN, kind_rows),
    EACH(TAG_COUNTERS_KIND_PURCHASE, kind_rows),
    EACH(TAG_COUNTERS_KIND_PURCHASE_RETURN, kind_rows),
    COUNTERS,
    END};

/* The register's own totals. */
static const struct layout_row totals_rows[] = {TEXT(TAG_SETTLEMENT_KIND, HEADING),
                                                COUNTED_AS(TAG_TOTALS_COUNT, "ЧЕКОВ"),
                                                SUM_AS(TAG_RECEIPT_TOTAL, "СУММА"), PAYMENTS, END};
#define TOTALS                                                                                     \
    EACH(TAG_TOTALS_KIND, totals_rows), OP(ROW_RULE), COUNTED_AS(TAG_CASH_IN_COUNT, "ВНЕСЕНИЙ"),   \
        SUM_AS(TAG_CASH_IN_TOTAL, "ВНЕСЕНО"), COUNTED_AS(TAG_CASH_OUT_COUNT, "ВЫПЛАТ"),            \
        SUM_AS(TAG_CASH_OUT_TOTAL, "ВЫПЛАЧЕНО"),                                                   \
    {                                                                                              \
        .op = ROW_LINE, .tag = TAG_CASH_IN_DRAWER, .style = SLIP_STYLE_BOLD,                       \
        .label = "НАЛИЧНЫХ В КАССЕ"                                                  \
    }

static const struct layout_row shift_open_rows[] = {TOP,
                                                    TITLE,
                                                    USER,
                                                    LINE(TAG_CASHIER),
                                                    PLACE,
                                                    DUO(TAG_SHIFT_NUMBER, NULL, TAG_DATE_TIME),
                                                    LINE(TAG_KKT_REGISTRATION_NUMBER),
                                                    WARNINGS,
                                                    LINE(TAG_KKT_VERSION),
                                                    LINE(TAG_KKT_FFD_VERSION),
                                                    SIGNS,
                                                    BOTTOM};

static const struct layout_row shift_close_rows[] = {
    TOP,
    TITLE,
    USER,
    LINE(TAG_CASHIER),
    PLACE,
    DUO(TAG_SHIFT_NUMBER, NULL, TAG_DATE_TIME),
    LINE(TAG_KKT_REGISTRATION_NUMBER),
    COUNTED_AS(TAG_SHIFT_RECEIPTS, "ЧЕКОВ ЗА СМЕНУ"),
    COUNTED(TAG_SHIFT_DOCUMENTS),
    COUNTED(TAG_UNSENT_COUNT),
    LINE(TAG_UNSENT_FIRST_DATE),
    COUNTED_AS(TAG_UNSENT_NOTIFICATIONS, "НЕПЕРЕДАННЫХ УВЕДОМЛЕНИЙ"),
    LINE_AS(TAG_KEY_RESOURCE_DAYS, "РЕСУРС КЛЮЧЕЙ"),
    WARNINGS,
    FLAG_AS(TAG_BAD_MARKING_CODES_FLAGS, "НЕКОРРЕКТНЫЕ КОДЫ МАРКИРОВКИ"),
    FLAG_AS(TAG_BAD_REQUESTS_NOTIFICATIONS_FLAGS, "НЕКОРРЕКТНЫЕ ЗАПРОСЫ И УВЕДОМЛЕНИЯ"),
    TOTALS,
    EACH(TAG_SHIFT_COUNTERS, shift_counters_rows),
    EACH(TAG_FN_GRAND_COUNTERS, fn_counters_rows),
    SIGNS,
    BOTTOM};

static const struct layout_row registration_rows[] = {
    TOP,
    TITLE,
    USER,
    DUO(0, NULL, TAG_DATE_TIME),
    LINE(TAG_CASHIER),
    LINE(TAG_KKT_SERIAL),
    LINE(TAG_KKT_REGISTRATION_NUMBER),
    PLACE,
    LINE(TAG_TAX_SYSTEMS),
    LINE(TAG_REREGISTRATION_REASON),
    LINE(TAG_REREGISTRATION_REASONS),
    LINE(TAG_OFD_NAME),
    LINE(TAG_OFD_INN),
    LINE(TAG_FNS_SITE),
    LINE(TAG_SENDER_EMAIL),
    FLAG(TAG_AUTOMATIC_MODE),
    LINE(TAG_AUTOMAT_NUMBER),
    FLAG(TAG_AUTONOMOUS_MODE),
    FLAG_AS(TAG_ENCRYPTION, "ШФД"),
    FLAG(TAG_INTERNET_ONLY),
    FLAG(TAG_SERVICES),
    FLAG(TAG_BSO_ONLY),
    FLAG(TAG_EXCISE_GOODS),
    FLAG(TAG_GAMBLING),
    FLAG(TAG_LOTTERY),
    FLAG(TAG_PRINTER_IN_AUTOMAT),
    TEXT(TAG_USE_CONDITIONS, 0),
    TEXT(TAG_AGENT_FLAGS, 0),
    LINE(TAG_KKT_VERSION),
    LINE(TAG_KKT_FFD_VERSION),
    LINE(TAG_FN_FFD_VERSION),
    LINE_AS(TAG_KEY_RESOURCE_DAYS, "РЕСУРС КЛЮЧЕЙ"),
    EACH(TAG_FN_GRAND_COUNTERS, fn_counters_rows),
    SIGNS,
    BOTTOM};

static const struct layout_row state_rows[] = {
    TOP,
    TITLE,
    USER,
    PLACE,
    DUO(TAG_SHIFT_NUMBER, NULL, TAG_DATE_TIME),
    LINE(TAG_KKT_REGISTRATION_NUMBER),
    FLAG(TAG_AUTONOMOUS_MODE),
    COUNTED(TAG_UNSENT_COUNT),
    LINE(TAG_UNSENT_FIRST_NUMBER),
    LINE(TAG_UNSENT_FIRST_DATE),
    COUNTED_AS(TAG_UNSENT_NOTIFICATIONS, "НЕПЕРЕДАННЫХ УВЕДОМЛЕНИЙ"),
    LINE_AS(TAG_KEY_RESOURCE_DAYS, "РЕСУРС КЛЮЧЕЙ"),
    EACH(TAG_FN_GRAND_COUNTERS, fn_counters_rows),
    EACH(TAG_UNSENT_COUNTERS, unsent_counters_rows),
    SIGNS,
    BOTTOM};

static const struct layout_row fn_close_rows[] = {TOP,
                                                  TITLE,
                                                  USER,
                                                  LINE(TAG_CASHIER),
                                                  PLACE,
                                                  DUO(TAG_SHIFT_NUMBER, NULL, TAG_DATE_TIME),
                                                  LINE(TAG_KKT_REGISTRATION_NUMBER),
                                                  EACH(TAG_FN_GRAND_COUNTERS, fn_counters_rows),
                                                  SIGNS,
                                                  BOTTOM};

static const struct layout_row x_report_rows[] = {
    TOP,
    LITERAL("X-ОТЧЕТ", HEADING),
    LITERAL("СМЕНА НЕ ЗАКРЫВАЕТСЯ", SLIP_STYLE_CENTER),
    USER,
    LINE(TAG_CASHIER),
    LINE(TAG_KKT_REGISTRATION_NUMBER),
    DUO(TAG_SHIFT_NUMBER, NULL, TAG_BOARD_TIME),
    OP(ROW_RULE),
    TOTALS,
    OP(ROW_RULE),
    LITERAL("НЕФИСКАЛЬНЫЙ ДОКУМЕНТ", SLIP_STYLE_CENTER),
    BOTTOM};

#define CASH_SLIP(title_)                                                                          \
    {                                                                                              \
        TOP, LITERAL(title_, HEADING), USER, LINE(TAG_CASHIER),                                    \
            DUO(TAG_SHIFT_NUMBER, NULL, TAG_BOARD_TIME), OP(ROW_RULE),                             \
            {.op = ROW_SUM, .tag = TAG_CASH_SUM, .style = BIGGEST, .label = "СУММА"},              \
            {.op = ROW_LINE, .tag = TAG_CASH_IN_DRAWER, .label = "НАЛИЧНЫХ В КАССЕ"},              \
            OP(ROW_RULE), LITERAL("НЕФИСКАЛЬНЫЙ ДОКУМЕНТ", SLIP_STYLE_CENTER), BOTTOM              \
    }
static const struct layout_row cash_in_rows[] = CASH_SLIP("ВНЕСЕНИЕ НАЛИЧНЫХ");
static const struct layout_row cash_out_rows[] = CASH_SLIP("ВЫПЛАТА НАЛИЧНЫХ");

static const struct layout_row non_fiscal_rows[] = {TOP, OP(ROW_BODY), BOTTOM};

static const struct layout_row other_rows[] = {TOP,
                                               TITLE,
                                               USER,
                                               DUO(TAG_SHIFT_NUMBER, NULL, TAG_DATE_TIME),
                                               LINE(TAG_KKT_REGISTRATION_NUMBER),
                                               SIGNS,
                                               BOTTOM};

const struct layout_row *layout_item_script(void)
{
    return item_rows;
}

const struct layout_row *layout_script(uint16_t form)
{
    switch (form) {
    case FORM_RECEIPT:
    case FORM_BSO:
    case FORM_CORRECTION:
    case FORM_BSO_CORRECTION:
        return receipt_rows;
    case FORM_SHIFT_OPEN:
        return shift_open_rows;
    case FORM_SHIFT_CLOSE:
        return shift_close_rows;
    case FORM_REGISTRATION:
    case FORM_REGISTRATION_CHANGE:
        return registration_rows;
    case FORM_STATE_REPORT:
        return state_rows;
    case FORM_FN_CLOSE:
        return fn_close_rows;
    case SLIP_X_REPORT:
        return x_report_rows;
    case SLIP_CASH_IN:
        return cash_in_rows;
    case SLIP_CASH_OUT:
        return cash_out_rows;
    case SLIP_NON_FISCAL:
        return non_fiscal_rows;
    default:
        return other_rows;
    }
}
