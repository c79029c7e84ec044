/* Open, replay, commit, and the getters for whoever compares the archive with the world outside.
 *
 * Payload layouts are in STORE.md; record_encode and record_decode are their only writers and
 * readers.
 */
#include "board/fn/fnm_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/tlv.h"

#define DEFAULT_SERIAL    "9999078900005488"
#define FLAG_QUEUED       0x01u
#define CONFIRMATION_SIZE 32u
#define WIPE_SIZE         20u
#define TRACE_MAX         200u

void fnm_trace(struct fnm *fnm, const char *format, ...)
{
    if (fnm->trace == NULL)
        return;
    char line[TRACE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fnm->trace(fnm->trace_context, line);
}

const struct fnm_entry *fnm_entry(const struct fnm *fnm, uint32_t number)
{
    return number == 0 || number > fnm->count ? NULL : &fnm->documents[number - 1];
}

bool fnm_autonomous(const struct fnm *fnm)
{
    return (fnm->registration.mode & FNM_MODE_AUTONOMOUS) != 0;
}

void fnm_forget(struct fnm *fnm)
{
    struct fnm_volatile *v = &fnm->v;
    v->draft.state = FN_DOCUMENT_NONE;
    v->draft.data_size = 0;
    v->timer_runs = v->clock_known = false;
    v->transport = v->reading = v->waiting = false;
    v->message_document = 0;
    v->archive_started = v->registration_started = false;
}

static void record_encode(struct byte_writer *writer, const struct fnm_record *record)
{
    put_u32le(writer, record->number);
    put_u32le(writer, record->time);
    put_u32le(writer, record->sign);
    put_u16le(writer, record->form);
    put_u8(writer, record->kind);
    put_u8(writer, record->queued ? FLAG_QUEUED : 0);
    put_uint_le(writer, record->total, 6);
    put_u16le(writer, record->tail_size);
    put_u32le(writer, record->shift);
    put_u32le(writer, record->receipt);
    put_u32le(writer, record->stlv_size);
    put_u32le(writer, record->register_offset);
    put_u8(writer, record->ffd);
    put_fill(writer, 0, 3);
    put_bytes(writer, record->tail, record->tail_size);
    put_bytes(writer, record->stlv, record->stlv_size);
}

static bool record_decode(const uint8_t *payload, size_t size, struct fnm_record *out)
{
    if (size < FNM_META_SIZE || get_u16le(payload + 22) > FNM_TAIL_MAX)
        return false;
    out->number = get_u32le(payload);
    out->time = get_u32le(payload + 4);
    out->sign = get_u32le(payload + 8);
    out->form = get_u16le(payload + 12);
    out->kind = payload[14];
    out->queued = (payload[15] & FLAG_QUEUED) != 0;
    out->total = get_uint_le(payload + 16, 6);
    out->tail_size = (uint8_t)get_u16le(payload + 22);
    out->shift = get_u32le(payload + 24);
    out->receipt = get_u32le(payload + 28);
    out->stlv_size = get_u32le(payload + 32);
    out->register_offset = get_u32le(payload + 36);
    out->ffd = payload[40];
    if (size < (size_t)FNM_META_SIZE + out->tail_size)
        return false;
    memcpy(out->tail, payload + FNM_META_SIZE, out->tail_size);
    out->stlv = payload + FNM_META_SIZE + out->tail_size;
    return true;
}

static bool is_receipt(uint16_t form)
{
    return form == FORM_RECEIPT || form == FORM_BSO || form == FORM_CORRECTION ||
           form == FORM_BSO_CORRECTION;
}

static bool grow(struct fnm *fnm)
{
    if (fnm->count < fnm->capacity)
        return true;
    uint32_t capacity = fnm->capacity == 0 ? 256 : fnm->capacity * 2;
    struct fnm_entry *documents = realloc(fnm->documents, capacity * sizeof *documents);
    if (documents == NULL)
        return false;
    fnm->documents = documents;
    fnm->capacity = capacity;
    return true;
}

static void apply_registration(struct fnm *fnm, const struct fnm_record *record)
{
    struct fnm_registration before = fnm->registration;
    fnm_registration_parse(record, &before, &fnm->registration);
    fnm->registrations[fnm->registration_count++] = record->number;
    if (fnm->phase == FN_PHASE_READY) {
        fnm->phase = FN_PHASE_FISCAL;
        fnm->activated = record->time - record->time % FNM_SECONDS_A_DAY;
        fnm->valid_until = fnm->activated + fnm->identity.key_days * FNM_SECONDS_A_DAY;
    }
}

static void apply_receipt(struct fnm *fnm, const struct fnm_record *record)
{
    const uint8_t *tlv = record->stlv + FNM_STLV_HEADER;
    size_t size = record->stlv_size - FNM_STLV_HEADER;
    fnm->shift_receipts = record->receipt;
    fnm_totals_add(&fnm->shift_totals, record->form, record->kind, record->total, tlv, size);
    fnm_totals_add(&fnm->totals, record->form, record->kind, record->total, tlv, size);
    if (record->queued) {
        fnm->unsent[record->kind - 1].count++;
        fnm->unsent[record->kind - 1].total += record->total;
    }
}

static void apply_document(struct fnm *fnm, const struct fnm_record *record, uint64_t offset)
{
    assert(fnm->count < fnm->capacity && record->number == fnm->count + 1);
    fnm->documents[fnm->count++] = (struct fnm_entry){.offset = offset,
                                                      .total = record->total,
                                                      .time = record->time,
                                                      .sign = record->sign,
                                                      .shift = record->shift,
                                                      .receipt = record->receipt,
                                                      .stlv_size = record->stlv_size,
                                                      .form = (uint8_t)record->form,
                                                      .kind = record->kind,
                                                      .tail_size = record->tail_size,
                                                      .queued = record->queued};
    if (record->queued) {
        if (fnm->queue_count++ == 0)
            fnm->queue_first = record->number;
        fnm->queue_bytes += record->stlv_size;
    }
    if (record->form == FORM_SHIFT_OPEN) {
        fnm->shift_open = true;
        fnm->shift_number = record->shift;
        fnm->shift_time = record->time;
        fnm->shift_receipts = fnm->shift_documents = 0;
        memset(&fnm->shift_totals, 0, sizeof fnm->shift_totals);
        fnm->operator_flags = 0;
    }
    if (fnm->shift_open)
        fnm->shift_documents++;
    if (record->form == FORM_REGISTRATION || record->form == FORM_REGISTRATION_CHANGE)
        apply_registration(fnm, record);
    if (is_receipt(record->form))
        apply_receipt(fnm, record);
    if (record->form == FORM_SHIFT_CLOSE) {
        fnm->shift_open = false;
        fnm->shifts_closed++;
        fnm->operator_flags = 0;
    }
    if (record->form == FORM_FN_CLOSE)
        fnm->phase = record->queued ? FN_PHASE_CLOSING : FN_PHASE_ARCHIVE;
}

static bool record_plausible(const struct fnm *fnm, const struct fnm_record *record, size_t size)
{
    if (record->number != fnm->count + 1 || record->form > 0xFF ||
        size != (size_t)FNM_META_SIZE + record->tail_size + record->stlv_size ||
        record->stlv_size < FNM_STLV_HEADER || record->stlv_size > FNM_DOCUMENT_MAX ||
        record->register_offset > record->stlv_size)
        return false;
    if (is_receipt(record->form))
        return record->kind >= 1 && record->kind <= 4;
    struct fnm_registration unused;
    if (record->form == FORM_REGISTRATION || record->form == FORM_REGISTRATION_CHANGE)
        return fnm->registration_count < FNM_REGISTRATIONS_MAX &&
               fnm_registration_parse(record, &fnm->registration, &unused);
    return true;
}

static void confirmation_encode(struct byte_writer *writer,
                                const struct fnm_confirmation *confirmation)
{
    put_u32le(writer, confirmation->document);
    put_u32le(writer, confirmation->received);
    put_u8(writer, confirmation->code);
    put_u8(writer, confirmation->flags);
    put_bytes(writer, confirmation->sign, sizeof confirmation->sign);
    put_fill(writer, 0, 4);
}

static void confirmation_decode(const uint8_t *payload, struct fnm_confirmation *out)
{
    out->document = get_u32le(payload);
    out->received = get_u32le(payload + 4);
    out->code = payload[8];
    out->flags = payload[9];
    memcpy(out->sign, payload + 10, sizeof out->sign);
}

static bool confirmation_fits(const struct fnm *fnm, uint32_t number)
{
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    return entry != NULL && entry->queued && entry->ack_offset == 0;
}

static void apply_confirmation(struct fnm *fnm, const struct fnm_confirmation *confirmation,
                               uint64_t offset)
{
    assert(confirmation_fits(fnm, confirmation->document));
    struct fnm_entry *entry = &fnm->documents[confirmation->document - 1];
    entry->ack_offset = offset;
    fnm->queue_count--;
    fnm->queue_bytes -= entry->stlv_size;
    while (fnm->queue_first <= fnm->count && !confirmation_fits(fnm, fnm->queue_first))
        fnm->queue_first++;
    if (fnm->queue_count == 0)
        fnm->queue_first = 0;
    if (is_receipt(entry->form)) {
        fnm->unsent[entry->kind - 1].count--;
        fnm->unsent[entry->kind - 1].total -= entry->total;
    }
    fnm->operator_flags |= confirmation->flags;
    if (entry->form == FORM_FN_CLOSE)
        fnm->phase = FN_PHASE_ARCHIVE;
}

/* Everything persistent but the identity, as in a new module. */
static void reset_state(struct fnm *fnm)
{
    fnm->phase = FN_PHASE_READY;
    fnm->count = 0;
    memset(&fnm->registration, 0, sizeof fnm->registration);
    fnm->registration_count = 0;
    fnm->activated = fnm->valid_until = fnm->shift_time = 0;
    fnm->shift_open = false;
    fnm->shift_number = fnm->shift_receipts = fnm->shift_documents = fnm->shifts_closed = 0;
    memset(&fnm->shift_totals, 0, sizeof fnm->shift_totals);
    memset(&fnm->totals, 0, sizeof fnm->totals);
    memset(fnm->unsent, 0, sizeof fnm->unsent);
    fnm->queue_count = fnm->queue_first = 0;
    fnm->queue_bytes = 0;
    fnm->operator_flags = 0;
}

static void apply_wipe(struct fnm *fnm, const uint8_t *payload)
{
    memcpy(fnm->identity.key, payload, FNM_KEY_SIZE);
    fnm->identity.key_days = get_u16le(payload + FNM_KEY_SIZE);
    reset_state(fnm);
}

static bool replay(void *context, uint16_t type, uint64_t offset, const uint8_t *payload,
                   size_t size)
{
    struct fnm *fnm = context;
    if (type == FNM_RECORD_DOCUMENT) {
        struct fnm_record record;
        if (!record_decode(payload, size, &record) || !record_plausible(fnm, &record, size) ||
            !grow(fnm))
            return false;
        apply_document(fnm, &record, offset);
        return true;
    }
    if (type == FNM_RECORD_CONFIRMATION && size == CONFIRMATION_SIZE) {
        struct fnm_confirmation confirmation;
        confirmation_decode(payload, &confirmation);
        if (!confirmation_fits(fnm, confirmation.document))
            return false;
        apply_confirmation(fnm, &confirmation, offset);
        return true;
    }
    if (type == FNM_RECORD_WIPE && size == WIPE_SIZE) {
        apply_wipe(fnm, payload);
        return true;
    }
    return false;
}

/* One durable record, with the faults that tests ask for around it. */
static bool append(struct fnm *fnm, uint16_t type, size_t size, uint64_t *offset)
{
    if (fnm->next_fault == FNM_FAULT_STORE_ERROR) {
        fnm->next_fault = FNM_FAULT_NONE;
        return false;
    }
    if (fnm->next_fault == FNM_FAULT_POWER_BEFORE_COMMIT) {
        fnm->next_fault = FNM_FAULT_NONE;
        fnm->power_failed = true;
        return false;
    }
    bool good = fnm_store_append(&fnm->store, type, size, offset);
    if (fnm->next_fault == FNM_FAULT_POWER_AFTER_COMMIT) {
        fnm->next_fault = FNM_FAULT_NONE;
        fnm->power_failed = true;
    }
    fnm->counters.writes = fnm->store.writes;
    fnm->counters.syncs = fnm->store.syncs;
    fnm->counters.bytes_written = fnm->store.bytes_written;
    return good;
}

uint8_t fnm_commit(struct fnm *fnm, const struct fnm_record *record)
{
    struct byte_writer writer;
    uint64_t offset;
    byte_writer_init(&writer, fnm_store_payload(&fnm->store), FNM_RECORD_MAX);
    record_encode(&writer, record);
    assert(byte_writer_ok(&writer) && record_plausible(fnm, record, writer.length));
    if (!grow(fnm) || !append(fnm, FNM_RECORD_DOCUMENT, writer.length, &offset))
        return FN_FAULT;
    apply_document(fnm, record, offset);
    fnm->v.draft.state = FN_DOCUMENT_NONE;
    fnm->v.draft.data_size = 0;
    fnm->v.timer_runs = true;
    fnm->v.timer_time = record->time;
    fnm->v.timer_mono = fnm->now_ms;
    fnm_clock_set(fnm, record->time);
    fnm_trace(fnm, "document %u: %s, sign %010u, %u bytes", record->number, form_name(record->form),
              record->sign, record->stlv_size);
    return FN_OK;
}

uint8_t fnm_commit_confirmation(struct fnm *fnm, const struct fnm_confirmation *confirmation)
{
    struct byte_writer writer;
    uint64_t offset;
    byte_writer_init(&writer, fnm_store_payload(&fnm->store), FNM_RECORD_MAX);
    confirmation_encode(&writer, confirmation);
    assert(writer.length == CONFIRMATION_SIZE);
    if (!append(fnm, FNM_RECORD_CONFIRMATION, writer.length, &offset))
        return FN_FAULT;
    apply_confirmation(fnm, confirmation, offset);
    fnm_trace(fnm, "document %u: confirmed by the operator, code %u", confirmation->document,
              confirmation->code);
    return FN_OK;
}

bool fnm_read_confirmation(struct fnm *fnm, uint32_t number, struct fnm_confirmation *out)
{
    uint8_t payload[CONFIRMATION_SIZE];
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    if (entry == NULL || entry->ack_offset == 0 ||
        !fnm_store_read(&fnm->store, entry->ack_offset, payload, sizeof payload))
        return false;
    confirmation_decode(payload, out);
    return true;
}

static bool draw_key(const struct fnm_options *options, uint8_t key[FNM_KEY_SIZE])
{
    fnm_random_function *random = options->random != NULL ? options->random : fnm_file_random;
    return random(options->random_context, key, FNM_KEY_SIZE);
}

/* A new key as well: signs of the wiped life must not verify in the next one. */
uint8_t fnm_commit_wipe(struct fnm *fnm)
{
    uint8_t payload[WIPE_SIZE] = {0};
    uint16_t key_days = fnm->options.key_days != 0 ? fnm->options.key_days : fnm->identity.key_days;
    struct byte_writer writer;
    uint64_t offset;
    if (!draw_key(&fnm->options, payload))
        return FN_CRYPTO_FAULT;
    byte_writer_init(&writer, payload + FNM_KEY_SIZE, 2);
    put_u16le(&writer, key_days);
    memcpy(fnm_store_payload(&fnm->store), payload, sizeof payload);
    if (!append(fnm, FNM_RECORD_WIPE, sizeof payload, &offset))
        return FN_FAULT;
    apply_wipe(fnm, payload);
    fnm_forget(fnm);
    fnm_trace(fnm, "wiped: ready for registration");
    return FN_OK;
}

bool fnm_read_record(struct fnm *fnm, uint32_t number, struct fnm_record *out, uint8_t *buffer)
{
    uint8_t head[FNM_META_SIZE + FNM_TAIL_MAX];
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    if (entry == NULL)
        return false;
    size_t head_size = FNM_META_SIZE + (size_t)entry->tail_size;
    bool decoded = fnm_store_read(&fnm->store, entry->offset, head, head_size) &&
                   record_decode(head, head_size, out) && out->number == number;
    out->stlv = buffer; /* also when it failed: decoding left a pointer into head */
    return decoded && (buffer == NULL || fnm_store_read(&fnm->store, entry->offset + head_size,
                                                        buffer, out->stlv_size));
}

static bool serial_valid(const char *serial)
{
    return strlen(serial) == FNM_SERIAL_SIZE && strspn(serial, "0123456789") == FNM_SERIAL_SIZE;
}

struct fnm *fnm_open(const struct fnm_options *options, char *error, size_t error_size)
{
    struct fnm_store_identity fresh = {.key_days = options->key_days != 0 ? options->key_days
                                                                          : FNM_KEY_DAYS_DEFAULT};
    const char *serial = options->serial != NULL ? options->serial : DEFAULT_SERIAL;
    if (!serial_valid(serial)) {
        snprintf(error, error_size, "the serial number must be 16 digits");
        return NULL;
    }
    memcpy(fresh.serial, serial, sizeof fresh.serial);
    struct fnm *fnm = calloc(1, sizeof *fnm);
    if (fnm == NULL || !draw_key(options, fresh.key)) {
        snprintf(error, error_size, "no memory or no random numbers");
        free(fnm);
        return NULL;
    }
    fnm->options = *options;
    fnm->options.store_path = fnm->options.serial = NULL; /* the caller's strings may go */
    fnm->store.no_sync = options->no_sync;
    fn_decoder_init(&fnm->decoder);
    reset_state(fnm);
    const struct fnm_storage *storage = options->storage;
    if (storage == NULL) {
        fnm_file_init(&fnm->file, options->store_path);
        storage = &fnm->file.storage;
    }
    if (!fnm_store_open(&fnm->store, storage, &fresh, &fnm->identity, error, error_size)) {
        free(fnm);
        return NULL;
    }
    bool ours = options->serial == NULL || strcmp(options->serial, fnm->identity.serial) == 0;
    if (!ours)
        snprintf(error, error_size, "%s: holds module %s, not %s", storage->name,
                 fnm->identity.serial, options->serial);
    if (!ours || !fnm_store_load(&fnm->store, replay, fnm, error, error_size)) {
        fnm_close(fnm);
        return NULL;
    }
    return fnm;
}

void fnm_close(struct fnm *fnm)
{
    if (fnm == NULL)
        return;
    fnm_store_close(&fnm->store);
    free(fnm->documents);
    free(fnm);
}

uint32_t fnm_document_count(const struct fnm *fnm)
{
    return fnm->count;
}

bool fnm_document_get(const struct fnm *fnm, uint32_t number, struct fnm_document *out)
{
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    if (entry == NULL)
        return false;
    *out = (struct fnm_document){.number = number,
                                 .form = entry->form,
                                 .time = entry->time,
                                 .sign = entry->sign,
                                 .kind = entry->kind,
                                 .total_kop = entry->total,
                                 .shift = entry->shift,
                                 .receipt = entry->receipt,
                                 .acknowledged = entry->ack_offset != 0,
                                 .stlv_size = entry->stlv_size};
    return true;
}

size_t fnm_document_read(struct fnm *fnm, uint32_t number, uint8_t *out, size_t capacity)
{
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    struct fnm_record record;
    if (entry == NULL || entry->stlv_size > capacity || !fnm_read_record(fnm, number, &record, out))
        return 0;
    return entry->stlv_size;
}

const char *fnm_serial(const struct fnm *fnm)
{
    return fnm->identity.serial;
}

uint8_t fnm_phase(const struct fnm *fnm)
{
    return fnm->phase;
}

bool fnm_shift_is_open(const struct fnm *fnm)
{
    return fnm->shift_open;
}

uint32_t fnm_unconfirmed_count(const struct fnm *fnm)
{
    return fnm->queue_count;
}

const struct fnm_counters *fnm_counters(const struct fnm *fnm)
{
    return &fnm->counters;
}

void fnm_set_trace(struct fnm *fnm, fnm_trace_function *function, void *context)
{
    fnm->trace = function;
    fnm->trace_context = context;
}
