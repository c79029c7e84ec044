/* Money counters (36h-39h; tags 1157, 1158, 1194). Kept for FFD 1.05 too, where the text does not
 * ask for them: absent payments count as zero. VAT sums of the rates of 2025 and later (1115) have
 * no place in them. */
#include "board/fn/fnm_internal.h"

#include <assert.h>

#include "proto/tlv.h"

const uint16_t fnm_payment_tags[5] = {TAG_PAID_CASH, TAG_PAID_ELECTRONIC, TAG_PAID_PREPAID,
                                      TAG_PAID_CREDIT, TAG_PAID_OTHER};
static const uint16_t vat_tags[6] = {TAG_VAT_20,          TAG_VAT_10,     TAG_TURNOVER_0,
                                     TAG_TURNOVER_NO_VAT, TAG_VAT_20_120, TAG_VAT_10_110};
/* The same sums as they stand inside 1129-1132. */
static const uint16_t total_payment_tags[5] = {
    TAG_TOTAL_CASH, TAG_TOTAL_ELECTRONIC, TAG_TOTAL_PREPAID, TAG_TOTAL_CREDIT, TAG_TOTAL_OTHER};
static const uint16_t total_vat_tags[6] = {TAG_TOTAL_VAT_20,     TAG_TOTAL_VAT_10,
                                           TAG_TOTAL_TURNOVER_0, TAG_TOTAL_TURNOVER_NO_VAT,
                                           TAG_TOTAL_VAT_20_120, TAG_TOTAL_VAT_10_110};
static const uint16_t kind_tags[4] = {TAG_COUNTERS_SALE, TAG_COUNTERS_SALE_RETURN,
                                      TAG_COUNTERS_PURCHASE, TAG_COUNTERS_PURCHASE_RETURN};
static const uint16_t sum_tags[4] = {TAG_COUNTERS_KIND_SALE, TAG_COUNTERS_KIND_SALE_RETURN,
                                     TAG_COUNTERS_KIND_PURCHASE, TAG_COUNTERS_KIND_PURCHASE_RETURN};

static void money_add(struct fnm_money *money, uint64_t total, const uint8_t *tlv, size_t size)
{
    struct tlv_reader reader;
    struct tlv element;
    uint64_t value;
    money->count++;
    money->total += total;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1) {
        if (element.tag < TAG_PAID_CASH || !tlv_get_vln(&element, &value))
            continue;
        for (size_t i = 0; i < 5; i++)
            if (element.tag == fnm_payment_tags[i])
                money->paid[i] += value;
        for (size_t i = 0; i < 6; i++)
            if (element.tag == vat_tags[i])
                money->vat[i] += value;
    }
}

void fnm_totals_add(struct fnm_totals *totals, uint16_t form, uint8_t kind, uint64_t total,
                    const uint8_t *tlv, size_t size)
{
    assert(kind >= 1 && kind <= 4);
    if (form == FORM_RECEIPT || form == FORM_BSO) {
        money_add(&totals->kind[kind - 1], total, tlv, size);
    } else {
        totals->corrections[kind - 1].count++;
        totals->corrections[kind - 1].total += total;
    }
}

static uint32_t correction_count(const struct fnm_totals *totals)
{
    uint32_t count = 0;
    for (size_t i = 0; i < 4; i++)
        count += totals->corrections[i].count;
    return count;
}

static uint32_t operation_count(const struct fnm_totals *totals)
{
    uint32_t count = correction_count(totals);
    for (size_t i = 0; i < 4; i++)
        count += totals->kind[i].count;
    return count;
}

static void sums_put_tlv(struct byte_writer *writer, const struct fnm_sum sums[4])
{
    uint32_t all = 0;
    for (size_t i = 0; i < 4; i++)
        all += sums[i].count;
    tlv_put_u32(writer, TAG_COUNT_CORRECTIONS, all);
    for (size_t i = 0; i < 4; i++) {
        if (sums[i].count == 0)
            continue;
        size_t mark = tlv_begin(writer, sum_tags[i]);
        tlv_put_u32(writer, TAG_COUNT_ONE_KIND, sums[i].count);
        tlv_put_vln(writer, TAG_TOTAL_ALL, sums[i].total);
        tlv_end(writer, mark);
    }
}

void fnm_totals_put_tlv(struct byte_writer *writer, uint16_t tag, const struct fnm_totals *totals)
{
    size_t outer = tlv_begin(writer, tag);
    tlv_put_u32(writer, TAG_COUNT_ALL_KINDS, operation_count(totals));
    for (size_t i = 0; i < 4; i++) {
        const struct fnm_money *money = &totals->kind[i];
        size_t mark = tlv_begin(writer, kind_tags[i]);
        tlv_put_u32(writer, TAG_COUNT_ONE_KIND, money->count);
        if (money->count != 0) {
            tlv_put_vln(writer, TAG_TOTAL_ALL, money->total);
            for (size_t k = 0; k < 5; k++)
                tlv_put_vln(writer, total_payment_tags[k], money->paid[k]);
            for (size_t k = 0; k < 6; k++)
                tlv_put_vln(writer, total_vat_tags[k], money->vat[k]);
        }
        tlv_end(writer, mark);
    }
    size_t mark = tlv_begin(writer, TAG_COUNTERS_CORRECTION);
    sums_put_tlv(writer, totals->corrections);
    tlv_end(writer, mark);
    tlv_end(writer, outer);
}

void fnm_unsent_put_tlv(struct byte_writer *writer, const struct fnm_sum unsent[4])
{
    size_t mark = tlv_begin(writer, TAG_UNSENT_COUNTERS);
    sums_put_tlv(writer, unsent);
    tlv_end(writer, mark);
}

static void money_put(struct byte_writer *out, const struct fnm_money *money)
{
    put_u32le(out, money->count);
    put_uint_le(out, money->total, 6);
    for (size_t i = 0; i < 5; i++)
        put_uint_le(out, money->paid[i], 6);
    for (size_t i = 0; i < 6; i++)
        put_uint_le(out, money->vat[i], 6);
}

/* The counters a type byte asks for; NULL when it is neither 0 (shift) nor 1 (module). */
static const struct fnm_totals *chosen(const struct fnm *fnm, uint8_t type, uint16_t *number)
{
    uint32_t shifts = type == 0 ? fnm->shift_number : fnm->shifts_closed + fnm->shift_open;
    *number = (uint16_t)shifts;
    return type == 0 ? &fnm->shift_totals : type == 1 ? &fnm->totals : NULL;
}

uint8_t fnm_counters_all(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    uint16_t number;
    const struct fnm_totals *totals = chosen(fnm, in[0], &number);
    if (totals == NULL)
        return FN_BAD_VALUE;
    put_u16le(out, number);
    put_u32le(out, operation_count(totals));
    for (size_t i = 0; i < 4; i++)
        money_put(out, &totals->kind[i]);
    put_u32le(out, correction_count(totals));
    for (size_t i = 0; i < 4; i++) {
        put_u32le(out, totals->corrections[i].count);
        put_uint_le(out, totals->corrections[i].total, 6);
    }
    return FN_OK;
}

uint8_t fnm_counters_counts(struct fnm *fnm, const uint8_t *in, size_t size,
                            struct byte_writer *out)
{
    (void)size;
    uint16_t number;
    const struct fnm_totals *totals = chosen(fnm, in[0], &number);
    if (totals == NULL)
        return FN_BAD_VALUE;
    put_u16le(out, number);
    put_u32le(out, operation_count(totals));
    for (size_t i = 0; i < 4; i++)
        put_u32le(out, totals->kind[i].count + totals->corrections[i].count);
    put_u32le(out, correction_count(totals));
    for (size_t i = 0; i < 4; i++)
        put_u32le(out, totals->corrections[i].count);
    return FN_OK;
}

uint8_t fnm_counters_kind(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    uint16_t number;
    const struct fnm_totals *totals = chosen(fnm, in[0], &number);
    if (totals == NULL || in[1] < 1 || in[1] > 4)
        return FN_BAD_VALUE;
    money_put(out, &totals->kind[in[1] - 1]);
    put_u32le(out, totals->corrections[in[1] - 1].count);
    put_uint_le(out, totals->corrections[in[1] - 1].total, 6);
    return FN_OK;
}

uint8_t fnm_counters_unsent(struct fnm *fnm, const uint8_t *in, size_t size,
                            struct byte_writer *out)
{
    (void)in;
    (void)size;
    if (fnm_autonomous(fnm))
        return FN_NO_DATA;
    uint32_t all = 0;
    for (size_t i = 0; i < 4; i++)
        all += fnm->unsent[i].count;
    put_u32le(out, all);
    for (size_t i = 0; i < 4; i++) {
        put_u32le(out, fnm->unsent[i].count);
        put_uint_le(out, fnm->unsent[i].total, 6);
    }
    return FN_OK;
}
