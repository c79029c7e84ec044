/* Documents of the second phase: shift, receipts and corrections, state report; and cancelling
 * (4.3.2, 4.6).
 *
 *   begin (11 13 15 17 18) -> 07h ... -> form (12 14 16 19)        06h throws the draft away
 *
 * A begin that is refused leaves no draft; a form that is refused leaves the draft as it was.
 */
#include "board/fn/fnm_internal.h"

#include <string.h>

#include "proto/tlv.h"

#define OPEN_DATA_MAX  (4u * 1024u)
#define CLOSE_DATA_MAX (1u * 1024u)
#define STATE_DATA_MAX (2u * 1024u)

void fnm_draft_begin(struct fnm *fnm, uint8_t state, uint8_t finish, unix_s time, size_t data_max)
{
    struct fnm_draft *draft = &fnm->v.draft;
    draft->state = state;
    draft->finish = finish;
    draft->ffd = fnm->registration.ffd;
    draft->began = time;
    draft->data_max = data_max;
    draft->data_size = 0;
    draft->items = draft->agent_items = 0;
    memset(draft->seen, 0, sizeof draft->seen);
}

uint8_t fnm_cancel(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    (void)out;
    if (fnm->v.draft.state == FN_DOCUMENT_NONE)
        return FN_BAD_STATE;
    fnm->v.draft.state = FN_DOCUMENT_NONE;
    fnm->v.draft.data_size = 0;
    return FN_OK;
}

/* The order matters when several rules are broken at once: a wrong clock is told before what it
 * would lead to. */
static uint8_t begin(struct fnm *fnm, const uint8_t *in, bool settlement, unix_s *time)
{
    if (!fnm_time_get(in, time))
        return FN_BAD_TIME;
    uint8_t code = fnm_check_time(fnm, *time);
    if (code == FN_OK && settlement)
        code = fnm_check_gap(fnm, *time);
    if (code != FN_OK)
        return code;
    fnm_clock_set(fnm, *time);
    if (settlement)
        code = fnm_check_shift_age(fnm, *time);
    return code != FN_OK ? code : fnm_check_resources(fnm, *time);
}

static bool idle(const struct fnm *fnm, bool shift_open)
{
    return fnm->v.draft.state == FN_DOCUMENT_NONE && fnm->shift_open == shift_open;
}

static bool formable(const struct fnm *fnm, uint8_t command, bool needs_data)
{
    const struct fnm_draft *draft = &fnm->v.draft;
    return draft->state != FN_DOCUMENT_NONE && draft->finish == command &&
           (!needs_data || draft->data_size > 0);
}

static uint8_t finish(struct fnm *fnm, struct fnm_record *record)
{
    record->queued = !fnm_autonomous(fnm);
    if (!fnm_compose(fnm, record, 0, &fnm->registration))
        return FN_DATA_TOO_LONG;
    return fnm_commit(fnm, record);
}

uint8_t fnm_shift_open_begin(struct fnm *fnm, const uint8_t *in, size_t size,
                             struct byte_writer *out)
{
    (void)size;
    (void)out;
    unix_s time;
    if (!idle(fnm, false))
        return FN_BAD_STATE;
    uint8_t code = begin(fnm, in, false, &time);
    if (code == FN_OK)
        fnm_draft_begin(fnm, FN_DOCUMENT_SHIFT_OPEN, FN_SHIFT_OPEN_FORM, time, OPEN_DATA_MAX);
    return code;
}

static uint8_t shift_form(struct fnm *fnm, uint16_t form, uint32_t shift, struct byte_writer *out)
{
    /* Told before the report clears what the operator said. */
    uint8_t warnings = fnm_warnings(fnm);
    struct fnm_record record = {.form = form, .time = fnm->v.draft.began, .shift = shift};
    struct byte_writer tail;
    byte_writer_init(&tail, record.tail, sizeof record.tail);
    put_u16le(&tail, (uint16_t)shift);
    record.tail_size = (uint8_t)tail.length;
    uint8_t code = finish(fnm, &record);
    if (code != FN_OK)
        return code;
    put_u16le(out, (uint16_t)shift);
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    if (fnm->registration.ffd >= FFD_1_1)
        put_u8(out, warnings);
    return FN_OK;
}

uint8_t fnm_shift_open_form(struct fnm *fnm, const uint8_t *in, size_t size,
                            struct byte_writer *out)
{
    (void)in;
    (void)size;
    if (!formable(fnm, FN_SHIFT_OPEN_FORM, true))
        return FN_BAD_STATE;
    return shift_form(fnm, FORM_SHIFT_OPEN, fnm->shift_number + 1, out);
}

uint8_t fnm_shift_close_begin(struct fnm *fnm, const uint8_t *in, size_t size,
                              struct byte_writer *out)
{
    (void)size;
    (void)out;
    unix_s time;
    if (!idle(fnm, true))
        return FN_BAD_STATE;
    uint8_t code = begin(fnm, in, false, &time);
    if (code == FN_OK)
        fnm_draft_begin(fnm, FN_DOCUMENT_SHIFT_CLOSE, FN_SHIFT_CLOSE_FORM, time, CLOSE_DATA_MAX);
    return code;
}

uint8_t fnm_shift_close_form(struct fnm *fnm, const uint8_t *in, size_t size,
                             struct byte_writer *out)
{
    (void)in;
    (void)size;
    if (!formable(fnm, FN_SHIFT_CLOSE_FORM, true))
        return FN_BAD_STATE;
    return shift_form(fnm, FORM_SHIFT_CLOSE, fnm->shift_number, out);
}

static uint8_t settlement_begin(struct fnm *fnm, const uint8_t *in, uint8_t receipt, uint8_t bso)
{
    unix_s time;
    if (!idle(fnm, true))
        return FN_BAD_STATE;
    uint8_t code = begin(fnm, in, true, &time);
    bool strict = (fnm->registration.mode & FNM_MODE_BSO) != 0;
    if (code == FN_OK)
        fnm_draft_begin(fnm, strict ? bso : receipt, FN_RECEIPT_FORM, time, FNM_DOCUMENT_DATA_MAX);
    return code;
}

uint8_t fnm_receipt_begin(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    (void)out;
    return settlement_begin(fnm, in, FN_DOCUMENT_RECEIPT, FNM_DOCUMENT_BSO);
}

uint8_t fnm_correction_begin(struct fnm *fnm, const uint8_t *in, size_t size,
                             struct byte_writer *out)
{
    (void)size;
    (void)out;
    return settlement_begin(fnm, in, FN_DOCUMENT_CORRECTION, FNM_DOCUMENT_BSO_CORRECTION);
}

static uint16_t settlement_form(uint8_t state)
{
    switch (state) {
    case FN_DOCUMENT_RECEIPT:
        return FORM_RECEIPT;
    case FNM_DOCUMENT_BSO:
        return FORM_BSO;
    case FN_DOCUMENT_CORRECTION:
        return FORM_CORRECTION;
    default:
        return FORM_BSO_CORRECTION;
    }
}

/* FFD 1.1 and 1.2 count all five payments: 0Dh with the mask of those that came. */
static uint8_t check_payments(const struct fnm *fnm, struct byte_writer *out)
{
    if (fnm->registration.ffd < FFD_1_1)
        return FN_OK;
    uint8_t present = 0;
    for (unsigned i = 0; i < 5; i++) {
        uint16_t tag = fnm_payment_tags[i];
        if ((fnm->v.draft.seen[tag / 8] >> tag % 8 & 1) != 0)
            present |= (uint8_t)(1u << i);
    }
    if (present == 0x1F)
        return FN_OK;
    put_u8(out, present);
    return FN_COUNTER_DATA_MISSING;
}

static uint8_t check_settlement(struct fnm *fnm, unix_s time, uint16_t form, uint8_t kind,
                                struct byte_writer *out)
{
    uint8_t code = fnm_check_time(fnm, time);
    if (code != FN_OK || time < fnm->v.draft.began)
        return FN_BAD_TIME;
    bool correction = form == FORM_CORRECTION || form == FORM_BSO_CORRECTION;
    bool return_kind = kind == SETTLEMENT_SALE_RETURN || kind == SETTLEMENT_PURCHASE_RETURN;
    if (kind < SETTLEMENT_SALE || kind > SETTLEMENT_PURCHASE_RETURN)
        return FN_BAD_VALUE;
    if (correction && return_kind && fnm->registration.ffd == FFD_1_05)
        return FN_BAD_VALUE;
    code = fnm_check_shift_age(fnm, time);
    if (code == FN_OK)
        code = fnm_check_resources(fnm, time);
    return code != FN_OK ? code : check_payments(fnm, out);
}

uint8_t fnm_receipt_form(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    unix_s time;
    if (!formable(fnm, FN_RECEIPT_FORM, true))
        return FN_BAD_STATE;
    if (!fnm_time_get(in, &time))
        return FN_BAD_TIME;
    uint8_t kind = in[5];
    uint64_t total = get_uint_le(in + 6, 5);
    uint16_t form = settlement_form(fnm->v.draft.state);
    uint8_t code = check_settlement(fnm, time, form, kind, out);
    if (code != FN_OK)
        return code;
    if (fnm->shift_receipts == UINT16_MAX) /* 1042 travels in 16 bits */
        return FN_STORAGE;

    struct fnm_record record = {.form = form,
                                .time = time,
                                .kind = kind,
                                .total = total,
                                .shift = fnm->shift_number,
                                .receipt = fnm->shift_receipts + 1,
                                .tail_size = 6};
    memcpy(record.tail, in + 5, 6);
    code = finish(fnm, &record);
    if (code != FN_OK)
        return code;
    put_u16le(out, (uint16_t)record.receipt);
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    return FN_OK;
}

uint8_t fnm_state_begin(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    (void)out;
    unix_s time;
    if (fnm->v.draft.state != FN_DOCUMENT_NONE)
        return FN_BAD_STATE;
    uint8_t code = begin(fnm, in, false, &time);
    if (code == FN_OK)
        fnm_draft_begin(fnm, FN_DOCUMENT_STATE, FN_STATE_FORM, time, STATE_DATA_MAX);
    return code;
}

uint8_t fnm_state_form(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    if (!formable(fnm, FN_STATE_FORM, false))
        return FN_BAD_STATE;
    const struct fnm_entry *oldest = fnm_entry(fnm, fnm->queue_first);
    struct fnm_record record = {.form = FORM_STATE_REPORT,
                                .time = fnm->v.draft.began,
                                .shift = fnm->shift_open ? fnm->shift_number : 0};
    struct byte_writer tail;
    byte_writer_init(&tail, record.tail, sizeof record.tail);
    put_u32le(&tail, fnm->queue_count);
    fnm_date_put(&tail, oldest == NULL ? 0 : oldest->time);
    record.tail_size = (uint8_t)tail.length;
    uint8_t code = finish(fnm, &record);
    if (code != FN_OK)
        return code;
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    put_bytes(out, record.tail, record.tail_size);
    return FN_OK;
}
