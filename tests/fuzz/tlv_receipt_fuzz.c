/* The rules of a receipt on any TLV. A list that passed the dictionary is well formed; an accepted
 * receipt is paid exactly, its rates add up to its items, the tax is no more than the turnover, and
 * what receipt_complete makes of it is accepted again with the same sums. */
#include "proto/receipt.h"
#include "proto/tag_check.h"
#include "tests/fuzz/mutate.h"

#ifdef FUZZ_CANARY
/* A receipt's completion says the credit twice. */
void __real_receipt_complete(struct byte_writer *writer, const uint8_t *tlv, size_t size,
                             const struct receipt_summary *summary);
void __wrap_receipt_complete(struct byte_writer *writer, const uint8_t *tlv, size_t size,
                             const struct receipt_summary *summary);
void __wrap_receipt_complete(struct byte_writer *writer, const uint8_t *tlv, size_t size,
                             const struct receipt_summary *summary)
{
    __real_receipt_complete(writer, tlv, size, summary);
    if (summary->paid_kop[PAYMENT_CREDIT] > 0)
        tlv_put_vln(writer, TAG_PAID_CREDIT, summary->paid_kop[PAYMENT_CREDIT]);
}
#endif

/* Item sums by the book. */
static void balance_item(const struct tlv *item, struct byte_writer *out, uint64_t *total)
{
    struct tlv_reader reader;
    struct tlv tlv, price, quantity;
    struct decimal count = {1, 0};
    uint64_t kopecks = 0, cost = 0;
    if (tlv_find(item->value, item->length, TAG_ITEM_PRICE, &price) != 1 ||
        tlv_find(item->value, item->length, TAG_ITEM_QUANTITY, &quantity) != 1 ||
        !tlv_get_vln(&price, &kopecks) || !tlv_get_fvln(&quantity, &count) ||
        !item_cost(kopecks, count, &cost)) {
        tlv_put_bytes(out, item->tag, item->value, item->length);
        return;
    }
    size_t mark = tlv_begin(out, TAG_ITEM);
    tlv_reader_init(&reader, item->value, item->length);
    while (tlv_next(&reader, &tlv) == 1)
        if (tlv.tag == TAG_ITEM_SUM)
            tlv_put_vln(out, TAG_ITEM_SUM, cost);
        else
            tlv_put_bytes(out, tlv.tag, tlv.value, tlv.length);
    tlv_end(out, mark);
    *total += cost;
}

/* Most lists do not add up, and what is behind the sums is never met: the items' sums are computed,
 * and what is not paid otherwise is paid in cash. */
static size_t balance(uint8_t *list, size_t size, size_t capacity)
{
    static const uint16_t payments[] = {TAG_PAID_ELECTRONIC, TAG_PAID_PREPAID, TAG_PAID_CREDIT,
                                        TAG_PAID_OTHER};
    static uint8_t made[8192];
    struct byte_writer out;
    struct tlv_reader reader;
    struct tlv tlv;
    uint64_t total = 0, paid, otherwise = 0;
    byte_writer_init(&out, made, sizeof made);
    tlv_reader_init(&reader, list, size);
    while (tlv_next(&reader, &tlv) == 1)
        if (tlv.tag == TAG_ITEM)
            balance_item(&tlv, &out, &total);
        else if (tlv.tag != TAG_PAID_CASH)
            tlv_put_bytes(&out, tlv.tag, tlv.value, tlv.length);
    for (size_t i = 0; i < sizeof payments / sizeof payments[0]; i++)
        if (tlv_find_vln(list, size, payments[i], &paid) && paid <= total)
            otherwise += paid;
    if (otherwise < total)
        tlv_put_vln(&out, TAG_PAID_CASH, total - otherwise);
    if (!byte_writer_ok(&out) || out.length > capacity)
        return size;
    memcpy(list, made, out.length);
    return out.length;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    size = mutate_tlv(data, size, capacity, 1);
    if (size > 1 && mutate_random(2) == 0 && tlv_valid(data + 1, size - 1))
        size = 1 + balance(data + 1, size - 1, capacity - 1);
    return size;
}

static void accepted(const uint8_t *tlv, size_t size, const struct receipt_rules *rules,
                     const struct receipt_summary *summary)
{
    static uint8_t completed[RECEIPT_TLV_MAX * 2];
    uint64_t paid = 0, turnover = 0;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        paid += summary->paid_kop[i];
    for (unsigned rate = 0; rate < VAT_RATE_COUNT; rate++) {
        turnover += summary->turnover_kop[rate];
        PROMISE(summary->vat_kop[rate] <= summary->turnover_kop[rate]);
        PROMISE(summary->turnover_kop[rate] == 0 || (summary->rates_used & 1u << rate) != 0);
    }
    PROMISE(paid == summary->total_kop && summary->total_kop <= RECEIPT_TOTAL_MAX);
    PROMISE(turnover == summary->items_kop && summary->total_kop <= summary->items_kop);
    PROMISE(summary->tendered_kop >= summary->paid_kop[PAYMENT_CASH]);
    PROMISE(summary->items > 0 && summary->kind >= SETTLEMENT_SALE &&
            summary->kind <= SETTLEMENT_PURCHASE_RETURN);

    struct byte_writer writer;
    struct receipt_summary again;
    struct refusal why;
    byte_writer_init(&writer, completed, sizeof completed);
    put_bytes(&writer, tlv, size);
    receipt_complete(&writer, tlv, size, summary);
    PROMISE(byte_writer_ok(&writer));
    PROMISE(receipt_check(completed, writer.length, rules, &again, &why));
    PROMISE(again.total_kop == summary->total_kop && again.items_kop == summary->items_kop);
    PROMISE(memcmp(again.paid_kop, summary->paid_kop, sizeof again.paid_kop) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned flags = input_number(&input, 1);
    struct receipt_rules rules = {.ffd = (uint8_t)(flags % 5),
                                  .tax_systems = (flags & 0x20) != 0 ? 1 : 0,
                                  .cashier_known = (flags & 0x40) != 0,
                                  .cashier_required = (flags & 0x80) != 0};
    struct receipt_summary summary;
    struct refusal why;
    uint8_t *tlv = input_copy(input);
    if (tlv_check_dictionary(tlv, input.size, &why))
        PROMISE(tlv_valid(tlv, input.size));
    else
        PROMISE(why.code != ERROR_NONE);
    if (tlv_check_receipt(tlv, input.size, rules.ffd, &why))
        PROMISE(tlv_valid(tlv, input.size));
    if (receipt_check(tlv, input.size, &rules, &summary, &why))
        accepted(tlv, input.size, &rules, &summary);
    else
        PROMISE(why.code != ERROR_NONE);
    free(tlv);
    return 0;
}
