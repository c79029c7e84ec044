/* Reading the archive (4.8). Documents stay whole for the module's life, not for 30 days only. */
#include "board/fn/fnm_internal.h"

#include <string.h>

#include "proto/tlv.h"

#define ALL_TAGS 0xFFFFu

uint8_t fnm_find_document(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    uint32_t number = get_u32le(in);
    const struct fnm_entry *entry = fnm_entry(fnm, number);
    struct fnm_record record;
    if (entry == NULL)
        return FN_NO_DATA;
    if (!fnm_read_record(fnm, number, &record, NULL))
        return FN_FAULT;
    put_u8(out, entry->form);
    put_u8(out, entry->ack_offset != 0);
    fnm_date_time_put(out, entry->time);
    put_u32le(out, number);
    put_u32le(out, entry->sign);
    put_bytes(out, record.tail, record.tail_size);
    return FN_OK;
}

uint8_t fnm_find_confirmation(struct fnm *fnm, const uint8_t *in, size_t size,
                              struct byte_writer *out)
{
    (void)size;
    struct fnm_confirmation confirmation;
    if (!fnm_read_confirmation(fnm, get_u32le(in), &confirmation))
        return FN_NO_DATA;
    fnm_date_time_put(out, confirmation.received);
    put_bytes(out, confirmation.sign, sizeof confirmation.sign);
    put_u32le(out, confirmation.document);
    return FN_OK;
}

uint8_t fnm_unconfirmed(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    put_u16le(out, (uint16_t)(fnm->queue_count < UINT16_MAX ? fnm->queue_count : UINT16_MAX));
    return FN_OK;
}

/* index: from 1 in the order of making. */
static bool registration_read(struct fnm *fnm, uint8_t index, struct fnm_record *record,
                              uint8_t *buffer)
{
    return index >= 1 && index <= fnm->registration_count &&
           fnm_read_record(fnm, fnm->registrations[index - 1], record, buffer);
}

uint8_t fnm_registration_result(struct fnm *fnm, const uint8_t *in, size_t size,
                                struct byte_writer *out)
{
    struct fnm_record record;
    if (!registration_read(fnm, size == 0 ? 1 : in[0], &record, NULL))
        return FN_NO_DATA;
    /* Asked without an index (tables 98, 99) the answer has no reason, even when the module's life
     * began with a change report after a replacement. */
    size_t tail_size = record.tail_size;
    size_t base = record.ffd >= FFD_1_1 ? 47 : 34;
    if (size == 0 && tail_size > base)
        tail_size = base;
    fnm_date_time_put(out, record.time);
    put_bytes(out, record.tail, tail_size);
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    return FN_OK;
}

uint8_t fnm_registration_tag(struct fnm *fnm, const uint8_t *in, size_t size,
                             struct byte_writer *out)
{
    struct fnm_volatile *v = &fnm->v;
    uint8_t index = size == 3 ? in[0] : 1;
    uint16_t tag = get_u16le(in + size - 2);
    struct fnm_record record;
    struct tlv element;
    if (!registration_read(fnm, index, &record, v->registration))
        return FN_NO_DATA;
    v->registration_size = record.stlv_size;
    v->registration_next = record.register_offset;
    if (tag == ALL_TAGS && size == 3) {
        v->registration_started = true;
        return FN_OK;
    }
    v->registration_started = false;
    if (tlv_find(record.stlv + record.register_offset, record.stlv_size - record.register_offset,
                 tag, &element) != 1)
        return FN_NO_DATA;
    tlv_put_bytes(out, tag, element.value, element.length);
    return FN_OK;
}

uint8_t fnm_read_document(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    struct fnm_volatile *v = &fnm->v;
    struct fnm_record record;
    uint32_t number = get_u32le(in);
    v->archive_started = false;
    if (fnm_entry(fnm, number) == NULL)
        return FN_NO_DATA;
    if (!fnm_read_record(fnm, number, &record, v->archive))
        return FN_FAULT;
    v->archive_started = true;
    v->archive_size = record.stlv_size;
    v->archive_next = FNM_STLV_HEADER;
    put_bytes(out, v->archive, FNM_STLV_HEADER);
    return FN_OK;
}

/* The next top-level element of `data`, whole. */
static uint8_t next_element(const uint8_t *data, size_t size, size_t *next, struct byte_writer *out)
{
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, data + *next, size - *next);
    if (tlv_next(&reader, &element) != 1)
        return FN_NO_DATA;
    put_bytes(out, data + *next, reader.offset);
    *next += reader.offset;
    return FN_OK;
}

uint8_t fnm_read_tlv(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    struct fnm_volatile *v = &fnm->v;
    return v->archive_started ? next_element(v->archive, v->archive_size, &v->archive_next, out)
                              : (uint8_t)FN_BAD_STATE;
}

uint8_t fnm_read_registration_tlv(struct fnm *fnm, const uint8_t *in, size_t size,
                                  struct byte_writer *out)
{
    (void)in;
    (void)size;
    struct fnm_volatile *v = &fnm->v;
    return v->registration_started
               ? next_element(v->registration, v->registration_size, &v->registration_next, out)
               : (uint8_t)FN_NO_DATA;
}
