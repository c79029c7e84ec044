#include "tests/world/job.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/inn.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/world/check.h"
#include "tests/world/sim.h"

static uint32_t draw(uint64_t *dice, uint32_t limit)
{
    *dice += 0x9E3779B97F4A7C15u;
    uint64_t mixed = *dice;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return limit == 0 ? 0 : (uint32_t)((mixed >> 32) * limit >> 32);
}

static void put_text(struct byte_writer *writer, uint16_t tag, const char *text)
{
    tlv_put_bytes(writer, tag, text, strlen(text));
}

static void put_cashier(struct byte_writer *writer)
{
    put_text(writer, TAG_CASHIER, "Petrova A.");
}

static void put_item(struct byte_writer *writer, uint64_t price, unsigned number)
{
    static const char *const names[] = {"Tea", "Coffee beans, arabica, 250 g", "Delivery",
                                        "an item with a name of 30 char"};
    static const uint8_t rates[] = {VAT_RATE_22, VAT_RATE_10, VAT_RATE_NONE, VAT_RATE_0};
    size_t mark = tlv_begin(writer, TAG_ITEM);
    put_text(writer, TAG_ITEM_NAME, names[number % 4]);
    tlv_put_vln(writer, TAG_ITEM_PRICE, price);
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
    tlv_put_vln(writer, TAG_ITEM_SUM, price);
    tlv_put_u8(writer, TAG_VAT_RATE, rates[number / 4 % 4]);
    tlv_put_u8(writer, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_put_u8(writer, TAG_ITEM_SUBJECT, 1);
    tlv_end(writer, mark);
}

static void split_payment(struct job *job, uint64_t *dice)
{
    static const uint8_t other[] = {PAYMENT_ELECTRONIC, PAYMENT_PREPAID, PAYMENT_CREDIT,
                                    PAYMENT_OTHER};
    uint64_t left = job->total_kop;
    if (draw(dice, 3) == 0) {
        uint64_t part = draw(dice, 2) == 0 ? left : left / 2;
        job->paid_kop[other[draw(dice, 4)]] = part;
        left -= part;
    }
    job->paid_kop[PAYMENT_CASH] = left;
}

static void make_receipt(struct job *job, struct byte_writer *writer, enum job_flavour flavour,
                         uint64_t *dice)
{
    bool any = flavour == JOB_ANY;
    job->form = FORM_RECEIPT;
    job->kind = SETTLEMENT_SALE;
    if (flavour == JOB_RETURN || (any && draw(dice, 10) == 0))
        job->kind = SETTLEMENT_SALE_RETURN;
    job->items = 1 + draw(dice, 5);
    if (flavour == JOB_LARGE || (any && draw(dice, 50) == 0))
        job->items = 40 + draw(dice, 40);
    job->paper = !(flavour == JOB_ELECTRONIC || (any && draw(dice, 5) == 0));
    tlv_put_u8(writer, TAG_SETTLEMENT_KIND, job->kind);
    tlv_put_u8(writer, TAG_TAX_SYSTEM, 1);
    if (!job->paper) {
        put_text(writer, TAG_BUYER_CONTACT, "+79990000000");
        tlv_put_u8(writer, TAG_ELECTRONICALLY, 1);
    }
    for (unsigned i = 0; i < job->items; i++) {
        uint64_t price = 100 + draw(dice, job->kind == SETTLEMENT_SALE ? 90000 : 900);
        job->total_kop += price;
        put_item(writer, price, draw(dice, 16));
    }
    if (any)
        split_payment(job, dice);
    else
        job->paid_kop[PAYMENT_CASH] = job->total_kop;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++) {
        static const uint16_t tags[] = {TAG_PAID_CASH, TAG_PAID_ELECTRONIC, TAG_PAID_PREPAID,
                                        TAG_PAID_CREDIT, TAG_PAID_OTHER};
        if (job->paid_kop[i] > 0)
            tlv_put_vln(writer, tags[i], job->paid_kop[i]);
    }
    int64_t cash = (int64_t)job->paid_kop[PAYMENT_CASH];
    job->cash_kop = job->kind == SETTLEMENT_SALE ? cash : -cash;
    job->drawer = cash > 0;
}

static void make_registration(struct job *job, struct byte_writer *writer, uint64_t *dice)
{
    char rnm[RNM_DIGITS];
    rnm_make("0000000005", "7702203276", SIM_SERIAL, rnm);
    job->form = FORM_REGISTRATION;
    put_text(writer, TAG_USER_NAME, "OOO WORLD");
    tlv_put_padded(writer, TAG_USER_INN, "7702203276", 10, 12);
    put_text(writer, TAG_SETTLEMENT_ADDRESS, "111141, Moscow");
    put_text(writer, TAG_SETTLEMENT_PLACE, "shop.example");
    tlv_put_padded(writer, TAG_KKT_REGISTRATION_NUMBER, rnm, RNM_DIGITS, 20);
    tlv_put_u8(writer, TAG_TAX_SYSTEMS, 1);
    put_text(writer, TAG_FNS_SITE, "www.nalog.gov.ru");
    put_text(writer, TAG_SENDER_EMAIL, "shop@example.com");
    put_text(writer, TAG_OFD_NAME, "OFD");
    tlv_put_padded(writer, TAG_OFD_INN, "7704358518", 10, 12);
    put_text(writer, TAG_CASHIER, "Ivanova");
    tlv_put_u8(writer, TAG_FFD_VERSION, draw(dice, 2) == 0 ? FFD_1_05 : FFD_1_2);
    put_text(writer, TAG_SETTING_OFD_HOST, "ofd.example");
    tlv_put_u16(writer, TAG_SETTING_OFD_PORT, 7777);
}

static void make_slip(struct byte_writer *writer, uint64_t *dice)
{
    static const char *const lines[] = {"Order 1024, to be handed over", "Thank you",
                                        "Please count your change"};
    unsigned count = 1 + draw(dice, 4);
    for (unsigned i = 0; i < count; i++) {
        size_t mark = tlv_begin(writer, TAG_SLIP_TEXT);
        put_text(writer, TAG_SLIP_STRING, lines[draw(dice, 3)]);
        tlv_end(writer, mark);
    }
}

static void make_cash(struct job *job, struct byte_writer *writer, uint64_t *dice)
{
    bool in = job->code == LINK_CASH_IN;
    job->total_kop = 100 + draw(dice, in ? 500000 : 5000);
    job->cash_kop = in ? (int64_t)job->total_kop : -(int64_t)job->total_kop;
    job->drawer = true;
    tlv_put_vln(writer, TAG_CASH_SUM, job->total_kop);
}

void job_make(struct job *job, uint8_t code, enum job_flavour flavour, uint64_t seed, unix_s time)
{
    struct byte_writer writer;
    uint64_t dice = seed;
    memset(job, 0, offsetof(struct job, body));
    memset(&job->form, 0, sizeof *job - offsetof(struct job, form));
    job->code = code;
    job->seed = seed;
    job->paper = true;
    for (unsigned i = 0; i < KEY_SIZE; i++)
        job->key[i] = (uint8_t)draw(&dice, 256);
    byte_writer_init(&writer, job->body, sizeof job->body);
    switch (code) {
    case LINK_RECEIPT:
        make_receipt(job, &writer, flavour, &dice);
        break;
    case LINK_SHIFT_OPEN:
        job->form = FORM_SHIFT_OPEN;
        put_cashier(&writer);
        break;
    case LINK_SHIFT_CLOSE:
        job->form = FORM_SHIFT_CLOSE;
        put_cashier(&writer);
        break;
    case LINK_REGISTRATION:
        make_registration(job, &writer, &dice);
        break;
    case LINK_STATE_REPORT:
        job->form = FORM_STATE_REPORT;
        break;
    case LINK_X_REPORT:
        put_cashier(&writer);
        break;
    case LINK_CASH_IN:
    case LINK_CASH_OUT:
        make_cash(job, &writer, &dice);
        break;
    case LINK_DRAWER_OPEN:
        job->drawer = true;
        job->paper = false;
        break;
    case LINK_NON_FISCAL:
        make_slip(&writer, &dice);
        break;
    case LINK_SET_TIME:
        job->paper = false;
        tlv_put_u32(&writer, TAG_NEW_TIME, time);
        break;
    case LINK_SETTINGS_SET:
        job->paper = false;
        put_text(&writer, TAG_SETTING_FOOTER, draw(&dice, 2) == 0 ? "Thank you!" : "Come again");
        break;
    default:
        CHECK(code == LINK_COPY, "harness: no such job");
        break;
    }
    CHECK(byte_writer_ok(&writer), "harness: the job's body does not fit");
    job->size = writer.length;
}

const char *job_name(uint8_t code)
{
    static const char *const names[] = {
        "receipt", "shiftOpen", "shiftClose", "registration", "state",   "xReport", "cashIn",
        "cashOut", "drawer",    "nonFiscal",  "copy",         "setTime", "settings"};
    return code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST ? names[code - LINK_JOB_FIRST] : "query";
}
