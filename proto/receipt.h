/* The rules of a receipt, shared by both sides: the driver refuses early, the board refuses again,
 * and both by this code. Also what a register must add to a receipt before the FN signs it.
 *
 * Input is the body of a receipt as it travels on the host link: fiscal TLV plus private tags
 * (62000...). Always true: the check reads only, allocates nothing and visits each element a fixed
 * number of times, so its cost is linear in the size.
 */
#ifndef PROTO_RECEIPT_H
#define PROTO_RECEIPT_H

#include "proto/calendar.h"
#include "proto/error.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define RECEIPT_TLV_MAX   30720u /* data the FN takes for one receipt, bytes (FN protocol 1.2) */
#define ITEM_TLV_MAX      1024u  /* 1059 */
#define RECEIPT_TOTAL_MAX ((uint64_t)0xFFFFFFFFFF) /* u40 kopecks (command 16h) */

enum payment {
    PAYMENT_CASH = 0,       /* 1031 */
    PAYMENT_ELECTRONIC = 1, /* 1081 */
    PAYMENT_PREPAID = 2,    /* 1215 */
    PAYMENT_CREDIT = 3,     /* 1216 */
    PAYMENT_OTHER = 4       /* 1217 */
};
#define PAYMENT_COUNT                 5
#define PAYMENT_METHOD_CREDIT_PAYMENT 7u /* 1214 of an item that must stand alone */
/* Tag of a payment, 0 when out of range. */
uint16_t payment_tag(unsigned payment);

/* What the checker cannot know from the receipt alone. Zero fields are not checked. */
struct receipt_rules {
    uint8_t ffd;           /* enum ffd_version of the registration; 0: rules common to all */
    uint8_t tax_systems;   /* 1062 of the registration; 0: unknown, any one bit passes */
    bool cashier_known;    /* the shift has a cashier: 1021 may be absent */
    bool cashier_required; /* false on the driver's side, where the board may still know one */
};

struct receipt_summary {
    uint8_t kind;       /* 1054 */
    uint8_t tax_system; /* 1055, 0 when absent */
    uint16_t items;
    uint64_t total_kop;               /* 1020: stated, else the sum of the items */
    uint64_t items_kop;               /* sum of 1043 */
    uint64_t paid_kop[PAYMENT_COUNT]; /* net: change taken off the cash */
    uint64_t tendered_kop; /* cash given by the buyer; equals paid cash when not stated */
    uint64_t turnover_kop[VAT_RATE_COUNT]; /* sum of 1043 by 1199 */
    uint64_t vat_kop[VAT_RATE_COUNT]; /* tax contained in it, half up; turnover for 0 % and none */
    uint16_t rates_used;              /* bit 1 << 1199 of every rate an item has */
    bool electronically;
    bool has_contact; /* 1008 present */
    bool has_cashier; /* 1021 present */
};

/* Checks a receipt (form 3). True: *summary is filled. False: *why names the first fault found, in
 * the order tags and their values one by one (proto/tag_check.h), items, total, payments, VAT
 * totals, the rest.
 *
 *   item       1030, 1079, 1023, 1043, 1199 present; 1043 = 1079 x 1023 within 1 kopeck; 1200
 *              within 1 kopeck of the tax contained; 1222 only with 1226; 1214 = 7 only in the sole
 *              item
 *   total      1020, when stated, at most the sum of items and equal to it in whole rubles
 *   payments   1031 (net, without change), 1081, 1215-1217 add up to the total; CASH_TENDERED not
 *              less than 1031, and none without cash to be paid: change is given from cash only
 *   VAT        1102-1107 and 1115, when stated, within one kopeck an item of the computed ones
 *   the rest   1055 registered, and stated when several are; cashier; 1008 of an electronic receipt
 *   size       fiscal tags with what receipt_complete adds at most RECEIPT_TLV_MAX; a register that
 *              adds more (header, cashier) measures again
 *
 * Sources: FFD tables of the receipt and of item 1059 with their notes. */
bool receipt_check(const uint8_t *tlv, size_t size, const struct receipt_rules *rules,
                   struct receipt_summary *summary, struct refusal *why);

/* price x quantity, kopecks, half up. False on overflow beyond RECEIPT_TOTAL_MAX. */
bool item_cost(uint64_t price_kop, struct decimal quantity, uint64_t *cost_kop);
/* Tax contained in a gross sum, kopecks, half up; for VAT_RATE_0 and VAT_RATE_NONE the sum itself,
 * as tags 1104 and 1105 want. */
uint64_t vat_contained(uint64_t gross_kop, uint8_t rate);

/* Appends what FFD makes mandatory and a checked receipt does not say: the absent ones of the five
 * payments (zero) and the VAT totals of the rates its items have (1102-1107, and 1115 for rates of
 * 2025 and later). 1020 is left to the FN. Tags already present are not repeated. */
void receipt_complete(struct byte_writer *writer, const uint8_t *tlv, size_t size,
                      const struct receipt_summary *summary);

/* The QR text of a fiscal receipt with a zero: t=YYYYMMDDTHHMM&s=RUB.KK&fn=...&i=...&fp=...&n=K
 * (FFD §61-62). Returns the length without the zero, 0 when capacity is too small. */
#define RECEIPT_QR_SIZE 96
size_t receipt_qr(char *out, size_t capacity, unix_s time, uint64_t total_kop,
                  const char fn_number[16], uint32_t document, uint32_t fiscal_sign, uint8_t kind);

#endif
