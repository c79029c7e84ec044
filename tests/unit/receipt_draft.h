/* A receipt under construction, for the tests of the rules: pieces of TLV are appended to one
 * draft, then the draft is checked and the verdict compared.
 */
#ifndef TESTS_UNIT_RECEIPT_DRAFT_H
#define TESTS_UNIT_RECEIPT_DRAFT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proto/receipt.h"

static const struct receipt_rules any = {0};
static const struct receipt_rules ffd_1_05 = {.ffd = FFD_1_05, .tax_systems = 1};
static const struct receipt_rules ffd_1_2 = {.ffd = FFD_1_2, .tax_systems = 1};

/* A receipt under construction. */
static struct {
    uint8_t bytes[40000];
    struct byte_writer writer;
} draft;

#define W (&draft.writer)

static inline void start(void)
{
    byte_writer_init(W, draft.bytes, sizeof draft.bytes);
    tlv_put_u8(W, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    tlv_put_u8(W, TAG_TAX_SYSTEM, 1);
}

static inline size_t open_item(uint64_t price, struct decimal quantity, uint64_t sum, uint8_t rate)
{
    size_t mark = tlv_begin(W, TAG_ITEM);
    tlv_put_bytes(W, TAG_ITEM_NAME, "\x97\xA0\xA9", 3);
    tlv_put_vln(W, TAG_ITEM_PRICE, price);
    tlv_put_fvln(W, TAG_ITEM_QUANTITY, quantity);
    tlv_put_vln(W, TAG_ITEM_SUM, sum);
    tlv_put_u8(W, TAG_VAT_RATE, rate);
    tlv_put_u8(W, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_put_u8(W, TAG_ITEM_SUBJECT, 1);
    return mark;
}

static inline void item(uint64_t price, struct decimal quantity, uint64_t sum, uint8_t rate)
{
    tlv_end(W, open_item(price, quantity, sum, rate));
}

static inline void item_of(uint64_t sum, uint8_t rate)
{
    item(sum, (struct decimal){1, 0}, sum, rate);
}

static struct receipt_summary summary;
static struct refusal why;

static inline bool check(const struct receipt_rules *rules)
{
    assert_true(byte_writer_ok(W));
    return receipt_check(draft.bytes, draft.writer.length, rules, &summary, &why);
}

static inline void expect_good(const struct receipt_rules *rules)
{
    bool good = check(rules);
    assert_int_equal(why.code, ERROR_NONE);
    assert_int_equal(why.tag, 0);
    assert_true(good);
}

static inline void expect(const struct receipt_rules *rules, uint16_t code, uint16_t tag,
                          uint16_t item_number, uint64_t expected)
{
    assert_false(check(rules));
    assert_int_equal(why.code, code);
    assert_int_equal(why.tag, tag);
    assert_int_equal(why.item, item_number);
    assert_int_equal(why.expected, expected);
}

static inline void put_sum(uint64_t kop, uint8_t rate)
{
    size_t mark = tlv_begin(W, TAG_VAT_SUM);
    tlv_put_vln(W, TAG_VAT_SUM_VALUE, kop);
    tlv_put_u8(W, TAG_VAT_RATE, rate);
    tlv_end(W, mark);
}

static uint32_t seed = 23;

static inline uint64_t random_bits(unsigned bits)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        value = value << 16 | seed >> 16;
    }
    return bits == 0 ? 0 : value >> (64 - bits);
}

#endif
