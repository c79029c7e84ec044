/* The rules of a receipt on any TLV. A list that passed the dictionary is well formed; an accepted
 * receipt is paid exactly, its rates add up to its items, the tax is no more than the turnover, and
 * what receipt_complete makes of it is accepted again with the same sums. */
#include "proto/receipt.h"
#include "proto/tag_check.h"
#include "tests/fuzz/fuzz.h"

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
