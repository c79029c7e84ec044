#include "firmware/settings.h"

#include <assert.h>
#include <string.h>

_Static_assert(LIMIT_SETTINGS_BYTES <= LIMIT_JOURNAL_RECORD_BYTES, "the list is one record");

static bool list_has(const uint8_t *tlv, size_t size, uint16_t tag)
{
    struct tlv found;
    return tlv_find(tlv, size, tag, &found) == 1;
}

/* The list after the update: what the update does not name, in its old order, then what it sets. */
static void put_merged(const struct settings *settings, struct byte_writer *writer)
{
    struct tlv_reader reader;
    struct tlv tlv;
    tlv_reader_init(&reader, settings->tlv, settings->size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (!list_has(settings->update, settings->update_size, tlv.tag))
            tlv_put_bytes(writer, tlv.tag, tlv.value, tlv.length);
    }
    tlv_reader_init(&reader, settings->update, settings->update_size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (tlv.length > 0)
            tlv_put_bytes(writer, tlv.tag, tlv.value, tlv.length);
    }
}

/* The same in place. The bytes moved never overtake those still to be read. */
static void merge(struct settings *settings)
{
    struct tlv_reader reader;
    struct tlv tlv;
    size_t kept = 0;
    tlv_reader_init(&reader, settings->tlv, settings->size);
    size_t from = reader.offset;
    while (tlv_next(&reader, &tlv) == 1) {
        size_t whole = reader.offset - from;
        if (!list_has(settings->update, settings->update_size, tlv.tag)) {
            memmove(settings->tlv + kept, settings->tlv + from, whole);
            kept += whole;
        }
        from = reader.offset;
    }
    struct byte_writer writer;
    byte_writer_init(&writer, settings->tlv + kept, sizeof(settings->tlv) - kept);
    tlv_reader_init(&reader, settings->update, settings->update_size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (tlv.length > 0)
            tlv_put_bytes(&writer, tlv.tag, tlv.value, tlv.length);
    }
    assert(byte_writer_ok(&writer));
    settings->size = kept + writer.length;
}

static void build_record(void *user, struct byte_writer *writer)
{
    put_merged(user, writer);
}

static void checkpoint(void *user, struct byte_writer *writer)
{
    const struct settings *settings = user;
    if (settings->update_in_checkpoint)
        put_merged(settings, writer);
    else
        put_bytes(writer, settings->tlv, settings->size);
}

static void replay(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct settings *settings = user;
    if (record->type != JOURNAL_CHECKPOINT && record->type != JOURNAL_SETTINGS)
        return;
    settings->damaged = record->size > sizeof(settings->tlv) || !tlv_valid(payload, record->size);
    if (settings->damaged)
        return;
    memcpy(settings->tlv, payload, record->size);
    settings->size = record->size;
}

uint16_t settings_mount(struct settings *settings, const struct board *board,
                        struct journal_region region)
{
    memset(settings, 0, sizeof(*settings));
    uint16_t error = journal_mount(&settings->journal, board, region, replay, checkpoint, settings);
    /* A whole record that is no list was not written by this module. */
    return error == ERROR_NONE && settings->damaged ? ERROR_JOURNAL_FAULT : error;
}

uint16_t settings_update(struct settings *settings, const uint8_t *tlv, size_t size)
{
    if (!tlv_valid(tlv, size))
        return ERROR_REQUEST_MALFORMED;
    settings->update = tlv;
    settings->update_size = size;
    struct byte_writer measure;
    byte_writer_init(&measure, NULL, 0);
    put_merged(settings, &measure);
    uint16_t error = ERROR_TOO_LARGE;
    if (measure.length <= sizeof(settings->tlv)) {
        error = journal_append_built(&settings->journal, JOURNAL_SETTINGS, build_record, settings,
                                     NULL);
        if (error == ERROR_TOO_LARGE) {
            /* Old list and new one do not fit into one sector: the new one alone does, as
             * checkpoint. */
            settings->update_in_checkpoint = true;
            error = journal_rotate(&settings->journal);
            settings->update_in_checkpoint = false;
        }
    }
    if (error == ERROR_NONE)
        merge(settings);
    settings->update = NULL;
    settings->update_size = 0;
    return error == ERROR_NONE ? journal_sync(&settings->journal) : error;
}

bool settings_find(const struct settings *settings, uint16_t tag, struct tlv *out)
{
    return tlv_find(settings->tlv, settings->size, tag, out) == 1;
}

uint8_t settings_u8(const struct settings *settings, uint16_t tag, uint8_t fallback)
{
    struct tlv tlv;
    uint8_t value = 0;
    return settings_find(settings, tag, &tlv) && tlv_get_u8(&tlv, &value) ? value : fallback;
}

uint16_t settings_u16(const struct settings *settings, uint16_t tag, uint16_t fallback)
{
    struct tlv tlv;
    uint16_t value = 0;
    return settings_find(settings, tag, &tlv) && tlv_get_u16(&tlv, &value) ? value : fallback;
}

size_t settings_string(const struct settings *settings, uint16_t tag, char *out, size_t capacity)
{
    assert(capacity > 0);
    struct tlv tlv;
    size_t length = 0;
    if (settings_find(settings, tag, &tlv)) {
        length = tlv.length < capacity ? tlv.length : capacity - 1;
        memcpy(out, tlv.value, length);
    }
    out[length] = '\0';
    return length;
}
