#include "firmware/register_state.h"

#include <assert.h>
#include <string.h>

#define STATE_VERSION 1u
#define U40           5u

void register_state_init(struct register_state *state)
{
    memset(state, 0, sizeof(*state));
    state->next_slip = 1;
}

/* A bounded reader: past the end everything reads as zero and `bad` is set. */
struct byte_reader {
    const uint8_t *bytes;
    size_t size, offset;
    bool bad;
};

static uint64_t take(struct byte_reader *reader, size_t size)
{
    if (reader->bad || reader->size - reader->offset < size) {
        reader->bad = true;
        return 0;
    }
    uint64_t value = get_uint_le(reader->bytes + reader->offset, size);
    reader->offset += size;
    return value;
}

static void take_bytes(struct byte_reader *reader, void *out, size_t size)
{
    if (reader->bad || reader->size - reader->offset < size) {
        reader->bad = true;
        memset(out, 0, size);
        return;
    }
    memcpy(out, reader->bytes + reader->offset, size);
    reader->offset += size;
}

static uint8_t take_counted(struct byte_reader *reader, uint8_t *out, size_t capacity)
{
    uint8_t size = (uint8_t)take(reader, 1);
    if (size > capacity) {
        reader->bad = true;
        return 0;
    }
    take_bytes(reader, out, size);
    return size;
}

static void put_effect(struct byte_writer *writer, const struct job_effect *effect)
{
    put_u8(writer, effect->kind);
    put_uint_le(writer, effect->total_kop, U40);
    uint8_t present = 0;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        present |= (uint8_t)(effect->paid_kop[i] != 0 ? 1u << i : 0u);
    put_u8(writer, (uint8_t)(present | (effect->drawer ? 0x80u : 0u)));
    for (unsigned i = 0; i < PAYMENT_COUNT; i++) {
        if (effect->paid_kop[i] != 0)
            put_uint_le(writer, effect->paid_kop[i], U40);
    }
    put_u16le(writer, effect->slip_form);
    put_u8(writer, effect->slip_marks);
}

static void take_effect(struct byte_reader *reader, struct job_effect *effect)
{
    effect->kind = (uint8_t)take(reader, 1);
    effect->total_kop = take(reader, U40);
    uint8_t present = (uint8_t)take(reader, 1);
    effect->drawer = (present & 0x80u) != 0;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        effect->paid_kop[i] = (((unsigned)present >> i) & 1u) != 0 ? take(reader, U40) : 0;
    effect->slip_form = (uint16_t)take(reader, 2);
    effect->slip_marks = (uint8_t)take(reader, 1);
}

static void put_cashier(struct byte_writer *writer, const struct job_cashier *cashier)
{
    put_u8(writer, cashier->name_size);
    put_bytes(writer, cashier->name, cashier->name_size);
    put_u8(writer, cashier->inn_size);
    put_bytes(writer, cashier->inn, cashier->inn_size);
}

static void take_cashier(struct byte_reader *reader, struct job_cashier *cashier)
{
    cashier->name_size = take_counted(reader, cashier->name, sizeof(cashier->name));
    cashier->inn_size = take_counted(reader, cashier->inn, sizeof(cashier->inn));
}

void job_intent_put(struct byte_writer *writer, const struct job_intent *intent)
{
    put_bytes(writer, intent->key, KEY_SIZE);
    put_bytes(writer, intent->digest, DIGEST_SIZE);
    put_u8(writer, intent->job);
    put_u32le(writer, intent->last_document);
    put_effect(writer, &intent->effect);
    put_cashier(writer, &intent->cashier);
}

static void take_intent(struct byte_reader *reader, struct job_intent *out)
{
    take_bytes(reader, out->key, KEY_SIZE);
    take_bytes(reader, out->digest, DIGEST_SIZE);
    out->job = (uint8_t)take(reader, 1);
    out->last_document = (uint32_t)take(reader, 4);
    take_effect(reader, &out->effect);
    take_cashier(reader, &out->cashier);
}

bool job_intent_get(const uint8_t *bytes, size_t size, struct job_intent *out)
{
    struct byte_reader reader = {.bytes = bytes, .size = size};
    memset(out, 0, sizeof(*out));
    take_intent(&reader, out);
    return !reader.bad;
}

void job_done_put(struct byte_writer *writer, const struct job_done *done)
{
    link_result_put(writer, &done->result);
    put_bytes(writer, done->digest, DIGEST_SIZE);
    put_u32le(writer, done->slip);
    put_effect(writer, &done->effect);
    put_cashier(writer, &done->cashier);
}

bool job_done_get(const uint8_t *bytes, size_t size, struct job_done *out)
{
    memset(out, 0, sizeof(*out));
    if (!link_result_get(bytes, size, &out->result))
        return false;
    struct byte_reader reader = {.bytes = bytes, .size = size, .offset = LINK_RESULT_SIZE};
    take_bytes(&reader, out->digest, DIGEST_SIZE);
    out->slip = (uint32_t)take(&reader, 4);
    take_effect(&reader, &out->effect);
    take_cashier(&reader, &out->cashier);
    return !reader.bad;
}

/* ---- Applying records ------------------------------------------------------------------------ */

static void move_cash(struct register_state *state, uint64_t sum, bool in)
{
    if (in)
        state->cash_kop += sum;
    else
        state->cash_kop -= sum < state->cash_kop ? sum : state->cash_kop;
}

static void apply_receipt(struct register_state *state, const struct job_done *done)
{
    const struct job_effect *effect = &done->effect;
    if (effect->kind < 1 || effect->kind > KINDS)
        return;
    struct kind_totals *totals = &state->kinds[effect->kind - 1];
    totals->count++;
    totals->sum_kop += effect->total_kop;
    for (unsigned i = 0; i < PAYMENT_COUNT; i++)
        totals->paid_kop[i] += effect->paid_kop[i];
    state->receipts = done->result.receipt;
    state->last_receipt = done->result.document;
    bool in = effect->kind == SETTLEMENT_SALE || effect->kind == SETTLEMENT_PURCHASE_RETURN;
    move_cash(state, effect->paid_kop[PAYMENT_CASH], in);
}

static void apply_shift_open(struct register_state *state, const struct job_done *done)
{
    state->shift_open = true;
    state->shift_number = done->result.shift;
    state->shift_opened_at = done->result.time;
    state->receipts = 0;
    memset(state->kinds, 0, sizeof(state->kinds));
    state->cash_in_count = state->cash_out_count = 0;
    state->cash_in_kop = state->cash_out_kop = 0;
    state->cashier = done->cashier;
}

static void apply_cash(struct register_state *state, const struct job_done *done)
{
    bool in = done->result.job == LINK_CASH_IN;
    move_cash(state, done->effect.total_kop, in);
    if (in) {
        state->cash_in_count++;
        state->cash_in_kop += done->effect.total_kop;
    } else {
        state->cash_out_count++;
        state->cash_out_kop += done->effect.total_kop;
    }
}

static void owe_slip(struct register_state *state, const struct job_done *done)
{
    if (done->slip == 0)
        return;
    /* The register promises no slip beyond the table, so the table is never full here; a foreign
     * journal that says otherwise loses its oldest. */
    if (state->owed_count == OWED_SLIPS_MAX) {
        state->owed_count--;
        memmove(&state->owed[0], &state->owed[1], state->owed_count * sizeof(state->owed[0]));
    }
    struct owed_slip *slip = &state->owed[state->owed_count++];
    memset(slip, 0, sizeof(*slip));
    slip->id = done->slip;
    slip->document = done->result.document;
    slip->form = done->effect.slip_form;
    slip->marks = done->effect.slip_marks;
    if (state->pending_extra.size != 0 &&
        memcmp(state->pending_extra_key, done->result.key, KEY_SIZE) == 0)
        slip->extra = state->pending_extra;
    if (done->slip >= state->next_slip)
        state->next_slip = done->slip + 1;
}

static void apply_done(struct register_state *state, const uint8_t *payload, size_t size)
{
    struct job_done done;
    if (!job_done_get(payload, size, &done))
        return;
    switch (done.result.job) {
    case LINK_RECEIPT:
        apply_receipt(state, &done);
        break;
    case LINK_SHIFT_OPEN:
        apply_shift_open(state, &done);
        break;
    case LINK_SHIFT_CLOSE:
        state->shift_open = false;
        break;
    case LINK_REGISTRATION:
        /* A new FN numbers from 1 again. */
        state->shift_open = false;
        state->shift_number = 0;
        state->last_document = 0;
        state->last_receipt = 0;
        break;
    case LINK_CASH_IN:
    case LINK_CASH_OUT:
        apply_cash(state, &done);
        break;
    default:
        break;
    }
    if (done.effect.drawer)
        state->drawer_openings++;
    /* A copy's result names the document it is a copy of. */
    if (done.result.document > state->last_document)
        state->last_document = done.result.document;
    owe_slip(state, &done);
    state->pending_extra.size = 0;
    state->last = done.result;
    state->has_last = true;
    state->has_intent = false;
}

static void apply_slip_record(struct register_state *state, uint8_t type, const uint8_t *payload,
                              size_t size)
{
    if (size < 4)
        return;
    uint32_t id = get_u32le(payload);
    for (unsigned i = 0; i < state->owed_count; i++) {
        if (state->owed[i].id != id)
            continue;
        if (type == JOURNAL_PRINTING) {
            state->owed[i].started = true;
        } else {
            state->owed_count--;
            memmove(&state->owed[i], &state->owed[i + 1],
                    (state->owed_count - i) * sizeof(state->owed[0]));
        }
        return;
    }
}

void register_state_apply(struct register_state *state, const struct journal_record *record,
                          const uint8_t *payload)
{
    switch (record->type) {
    case JOURNAL_CHECKPOINT:
        if (!register_state_get(payload, record->size, state))
            register_state_init(state);
        break;
    case JOURNAL_INTENT:
        state->has_intent = job_intent_get(payload, record->size, &state->intent);
        break;
    case JOURNAL_DONE:
        apply_done(state, payload, record->size);
        break;
    case JOURNAL_ABORTED:
        state->has_intent = false;
        state->pending_extra.size = 0;
        break;
    case JOURNAL_SLIP:
        if (record->size > KEY_SIZE) {
            state->pending_extra = *record;
            memcpy(state->pending_extra_key, payload, KEY_SIZE);
        }
        break;
    case JOURNAL_PRINTING:
    case JOURNAL_PRINTED:
        apply_slip_record(state, record->type, payload, record->size);
        break;
    default:
        break;
    }
}

/* ---- Checkpoint ------------------------------------------------------------------------------ */

static void put_record_name(struct byte_writer *writer, const struct journal_record *record)
{
    put_u32le(writer, record->address);
    put_uint_le(writer, record->sequence, 8);
    put_u16le(writer, record->size);
}

static void take_record_name(struct byte_reader *reader, struct journal_record *record)
{
    record->address = (uint32_t)take(reader, 4);
    record->sequence = take(reader, 8);
    record->size = (uint16_t)take(reader, 2);
    record->type = JOURNAL_SLIP;
}

void register_state_put(const struct register_state *state, struct byte_writer *writer)
{
    put_u8(writer, STATE_VERSION);
    put_u8(writer, (uint8_t)((state->shift_open ? 1u : 0u) | (state->has_last ? 2u : 0u) |
                             (state->has_intent ? 4u : 0u)));
    put_u16le(writer, state->shift_number);
    put_u16le(writer, state->receipts);
    put_u32le(writer, state->shift_opened_at);
    put_cashier(writer, &state->cashier);
    for (unsigned i = 0; i < KINDS; i++) {
        put_u32le(writer, state->kinds[i].count);
        put_uint_le(writer, state->kinds[i].sum_kop, 8);
        for (unsigned j = 0; j < PAYMENT_COUNT; j++)
            put_uint_le(writer, state->kinds[i].paid_kop[j], 8);
    }
    put_u32le(writer, state->cash_in_count);
    put_u32le(writer, state->cash_out_count);
    put_uint_le(writer, state->cash_in_kop, 8);
    put_uint_le(writer, state->cash_out_kop, 8);
    put_uint_le(writer, state->cash_kop, 8);
    put_u32le(writer, state->drawer_openings);
    put_u32le(writer, state->last_document);
    put_u32le(writer, state->last_receipt);
    put_u32le(writer, state->next_slip);
    link_result_put(writer, &state->last);
    if (state->has_intent)
        job_intent_put(writer, &state->intent);
    put_u8(writer, state->owed_count);
    for (unsigned i = 0; i < state->owed_count; i++) {
        const struct owed_slip *slip = &state->owed[i];
        put_u32le(writer, slip->id);
        put_u32le(writer, slip->document);
        put_u16le(writer, slip->form);
        put_u8(writer, slip->marks);
        put_u8(writer, slip->started ? 1 : 0);
        put_record_name(writer, &slip->extra);
    }
    put_record_name(writer, &state->pending_extra);
    put_bytes(writer, state->pending_extra_key, KEY_SIZE);
}

static void take_owed(struct byte_reader *reader, struct register_state *out)
{
    out->owed_count = (uint8_t)take(reader, 1);
    if (out->owed_count > OWED_SLIPS_MAX) {
        reader->bad = true;
        out->owed_count = 0;
    }
    for (unsigned i = 0; i < out->owed_count; i++) {
        struct owed_slip *slip = &out->owed[i];
        slip->id = (uint32_t)take(reader, 4);
        slip->document = (uint32_t)take(reader, 4);
        slip->form = (uint16_t)take(reader, 2);
        slip->marks = (uint8_t)take(reader, 1);
        slip->started = take(reader, 1) != 0;
        take_record_name(reader, &slip->extra);
    }
}

bool register_state_get(const uint8_t *bytes, size_t size, struct register_state *out)
{
    struct byte_reader reader = {.bytes = bytes, .size = size};
    register_state_init(out);
    if (take(&reader, 1) != STATE_VERSION)
        return false;
    uint8_t flags = (uint8_t)take(&reader, 1);
    out->shift_open = (flags & 1u) != 0;
    out->has_last = (flags & 2u) != 0;
    out->has_intent = (flags & 4u) != 0;
    out->shift_number = (uint16_t)take(&reader, 2);
    out->receipts = (uint16_t)take(&reader, 2);
    out->shift_opened_at = (uint32_t)take(&reader, 4);
    take_cashier(&reader, &out->cashier);
    for (unsigned i = 0; i < KINDS; i++) {
        out->kinds[i].count = (uint32_t)take(&reader, 4);
        out->kinds[i].sum_kop = take(&reader, 8);
        for (unsigned j = 0; j < PAYMENT_COUNT; j++)
            out->kinds[i].paid_kop[j] = take(&reader, 8);
    }
    out->cash_in_count = (uint32_t)take(&reader, 4);
    out->cash_out_count = (uint32_t)take(&reader, 4);
    out->cash_in_kop = take(&reader, 8);
    out->cash_out_kop = take(&reader, 8);
    out->cash_kop = take(&reader, 8);
    out->drawer_openings = (uint32_t)take(&reader, 4);
    out->last_document = (uint32_t)take(&reader, 4);
    out->last_receipt = (uint32_t)take(&reader, 4);
    out->next_slip = (uint32_t)take(&reader, 4);
    uint8_t result[LINK_RESULT_SIZE];
    take_bytes(&reader, result, sizeof(result));
    bool whole = link_result_get(result, sizeof(result), &out->last);
    assert(whole);
    (void)whole;
    if (out->has_intent)
        take_intent(&reader, &out->intent);
    take_owed(&reader, out);
    take_record_name(&reader, &out->pending_extra);
    take_bytes(&reader, out->pending_extra_key, KEY_SIZE);
    return !reader.bad;
}
