#include <assert.h>
#include <string.h>

#include "firmware/journal_internal.h"
#include "proto/crc.h"

/* The key index of one sector: in RAM for the head, in the footer for a sealed one. It is a list of
 * fingerprints in the order in which the keys came; each stretch of JOURNAL_ZONE_KEYS of them is a
 * zone, and for each zone the index holds where its first record starts. A key stands once in every
 * zone in which it has records, so a lookup that scans the matching zones newest first sees the
 * newest record first. */

_Static_assert(JOURNAL_KEYS_MAX % JOURNAL_ZONE_KEYS == 0, "whole zones");
_Static_assert(JOURNAL_ZONES_MAX <= 32, "zones are kept as bits of 32");
_Static_assert(JOURNAL_KEYS_MAX * 2 + JOURNAL_ZONES_MAX * 2 + FOOTER_TAIL <=
                   LIMIT_JOURNAL_RECORD_BYTES,
               "the footer is built in scratch");

struct zones {
    uint32_t matching; /* bit i: zone i holds the fingerprint */
    uint32_t count;
    uint16_t starts[JOURNAL_ZONES_MAX];
};

uint16_t key_print(const uint8_t key[KEY_SIZE])
{
    uint32_t crc = crc32c_update(CRC32C_INIT, key, KEY_SIZE);
    return (uint16_t)(crc ^ (crc >> 16));
}

static uint32_t zones_of(uint32_t key_count)
{
    return (key_count + JOURNAL_ZONE_KEYS - 1) / JOURNAL_ZONE_KEYS;
}

uint32_t footer_size(uint32_t key_count)
{
    return FOOTER_TAIL + 2 * key_count + 2 * zones_of(key_count);
}

/* ---- The head's index ---- */

void index_clear(struct journal *journal)
{
    journal->key_count = 0;
}

void index_add(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t offset)
{
    uint16_t print = key_print(key);
    uint32_t count = journal->key_count;
    for (uint32_t i = count - count % JOURNAL_ZONE_KEYS; i < count; i++) {
        if (journal->key_prints[i] == print)
            return;
    }
    /* Only rot can make a sector seem to hold more keys than it was given room for. */
    if (count >= JOURNAL_KEYS_MAX)
        return;
    if (count % JOURNAL_ZONE_KEYS == 0)
        journal->zone_starts[count / JOURNAL_ZONE_KEYS] = (uint16_t)(offset / RECORD_ALIGN);
    journal->key_prints[count] = print;
    journal->key_count++;
}

static void zones_of_head(const struct journal *journal, uint16_t print, struct zones *zones)
{
    zones->matching = 0;
    zones->count = zones_of(journal->key_count);
    memcpy(zones->starts, journal->zone_starts, sizeof(zones->starts));
    for (uint32_t i = 0; i < journal->key_count; i++) {
        if (journal->key_prints[i] == print)
            zones->matching |= (uint32_t)1 << (i / JOURNAL_ZONE_KEYS);
    }
}

/* ---- Footers ---- */

bool footer_put(struct journal *journal)
{
    uint32_t size = footer_size(journal->key_count);
    struct place place = place_back(journal, 0, journal->sector_size - size);
    struct byte_writer writer;
    byte_writer_init(&writer, journal->scratch, sizeof(journal->region.scratch->bytes));
    for (uint32_t i = 0; i < journal->key_count; i++)
        put_u16le(&writer, journal->key_prints[i]);
    for (uint32_t i = 0; i < zones_of(journal->key_count); i++)
        put_u16le(&writer, journal->zone_starts[i]);
    put_u16le(&writer, journal->key_count);
    put_u16le(&writer, (uint16_t)~journal->key_count);
    put_u32le(&writer, crc32c_update(place_crc(&place), journal->scratch, writer.length));
    assert(byte_writer_ok(&writer) && writer.length == size);
    uint32_t address = place_address(journal, place.sector, place.offset);
    /* A footer may stand there already, torn or rotten. */
    return flash_can_take(journal, address, journal->scratch, size) &&
           flash_program(journal, address, journal->scratch, size);
}

/* Reads the footer of the place's sector and what it says about print. False: no whole footer. */
static bool footer_get(struct journal *journal, struct place place, uint16_t print,
                       struct zones *zones)
{
    uint8_t tail[FOOTER_TAIL];
    uint8_t chunk[2 * JOURNAL_ZONE_KEYS];
    uint32_t end = journal->sector_size - FOOTER_TAIL;
    if (!flash_read(journal, place_address(journal, place.sector, end), tail, sizeof(tail)))
        return false;
    uint32_t keys = get_u16le(tail);
    if (keys > JOURNAL_KEYS_MAX || (keys ^ get_u16le(tail + 2)) != 0xFFFF)
        return false;
    zones->count = zones_of(keys);
    zones->matching = 0;
    uint32_t at = place.offset = journal->sector_size - footer_size(keys);
    uint32_t crc = place_crc(&place);
    for (uint32_t zone = 0; zone < zones->count; zone++) {
        uint32_t part = keys - zone * JOURNAL_ZONE_KEYS;
        part = part < JOURNAL_ZONE_KEYS ? part : JOURNAL_ZONE_KEYS;
        if (!flash_read(journal, place_address(journal, place.sector, at), chunk, 2 * part))
            return false;
        crc = crc32c_update(crc, chunk, 2 * part);
        for (uint32_t i = 0; i < part; i++) {
            if (get_u16le(chunk + 2 * i) == print)
                zones->matching |= (uint32_t)1 << zone;
        }
        at += 2 * part;
    }
    uint32_t size = 2 * zones->count;
    if (size > 0 && !flash_read(journal, place_address(journal, place.sector, at), chunk, size))
        return false;
    for (uint32_t i = 0; i < zones->count; i++)
        zones->starts[i] = get_u16le(chunk + 2 * i);
    crc = crc32c_update(crc, chunk, size);
    return crc32c_update(crc, tail, 4) == get_u32le(tail + 4);
}

bool footer_is_whole(struct journal *journal, struct place place)
{
    struct zones zones;
    return footer_get(journal, place, 0, &zones);
}

/* ---- Lookup ---- */

struct wanted {
    const uint8_t *key;
    uint32_t type_mask;
    bool found;
    struct place place;
    struct record_header header;
};

static bool holds_key(struct journal *journal, const struct scan *scan, const uint8_t *key)
{
    uint8_t bytes[KEY_SIZE];
    uint32_t address = place_address(journal, scan->found.sector,
                                     scan->found.offset + JOURNAL_RECORD_HEADER_BYTES);
    return flash_read(journal, address, bytes, sizeof(bytes)) && memcmp(bytes, key, KEY_SIZE) == 0;
}

/* Leaves the last whole record that fits in wanted. */
static void find_in_stretch(struct journal *journal, struct place from, uint32_t limit,
                            struct wanted *wanted)
{
    struct scan scan;
    scan_start(&scan, journal, from, limit);
    while (scan_next(&scan, false)) {
        const struct record_header *header = &scan.record;
        if ((wanted->type_mask >> header->type & 1) == 0 || header->size < KEY_SIZE ||
            !holds_key(journal, &scan, wanted->key) ||
            !record_body_check(journal, &scan.found, header, NULL, 0))
            continue;
        wanted->found = true;
        wanted->place = scan.found;
        wanted->header = *header;
    }
}

static void find_in_zones(struct journal *journal, struct place place, const struct zones *zones,
                          struct wanted *wanted)
{
    for (uint32_t i = zones->count; i > 0 && !wanted->found; i--) {
        uint32_t zone = i - 1;
        if ((zones->matching >> zone & 1) == 0)
            continue;
        place.offset = (uint32_t)zones->starts[zone] * RECORD_ALIGN;
        uint32_t limit = journal->sector_size;
        if (zone + 1 < zones->count)
            limit = (uint32_t)zones->starts[zone + 1] * RECORD_ALIGN;
        if (place.offset < limit && limit <= journal->sector_size)
            find_in_stretch(journal, place, limit, wanted);
    }
}

/* A sector without a whole footer: torn or rotten. Its records are looked at one by one when it is
 * ours at all. */
static void find_in_unsealed(struct journal *journal, struct place place, struct wanted *wanted)
{
    struct sector_header sector = sector_header_get(journal, place.sector);
    place.offset = JOURNAL_SECTOR_HEADER_BYTES;
    if (sector.class != SECTOR_VALID || sector.generation != place.generation) {
        uint8_t bytes[JOURNAL_RECORD_HEADER_BYTES];
        struct record_header first;
        uint32_t address = place_address(journal, place.sector, place.offset);
        if (!flash_read(journal, address, bytes, sizeof(bytes)) ||
            !record_header_get(&place, bytes, &first))
            return;
    }
    find_in_stretch(journal, place, journal->sector_size, wanted);
}

int journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                 struct journal_record *record, uint8_t *payload, size_t capacity)
{
    if (!journal->mounted)
        return -1;
    struct wanted wanted = {.key = key, .type_mask = type_mask};
    struct zones zones;
    uint16_t print = key_print(key);
    journal->read_failed = false;
    for (uint32_t back = 0; back < journal->used_sectors && !wanted.found; back++) {
        struct place place = place_back(journal, back, 0);
        if (back == 0)
            zones_of_head(journal, print, &zones);
        if (back == 0 || footer_get(journal, place, print, &zones))
            find_in_zones(journal, place, &zones, &wanted);
        else
            find_in_unsealed(journal, place, &wanted);
        if (journal->read_failed)
            return -1;
    }
    if (!wanted.found)
        return 0;
    if (!record_body_check(journal, &wanted.place, &wanted.header, payload, capacity))
        return -1;
    if (record != NULL)
        *record = record_name(journal, &wanted.place, &wanted.header);
    return 1;
}

bool journal_read(struct journal *journal, const struct journal_record *record, uint8_t *payload,
                  size_t capacity)
{
    uint32_t base = journal->mounted ? place_address(journal, 0, 0) : 0;
    if (!journal->mounted || record->address < base ||
        (record->address - base) / journal->sector_size >= journal->sectors)
        return false;
    uint32_t sector = (record->address - base) / journal->sector_size;
    uint32_t offset = (record->address - base) % journal->sector_size;
    uint32_t back = (journal->head_sector + journal->sectors - sector) % journal->sectors;
    if (back >= journal->used_sectors ||
        offset + JOURNAL_RECORD_HEADER_BYTES > journal->sector_size)
        return false;
    uint8_t bytes[JOURNAL_RECORD_HEADER_BYTES];
    struct record_header header;
    struct place place = place_back(journal, back, offset);
    return flash_read(journal, record->address, bytes, sizeof(bytes)) &&
           record_header_get(&place, bytes, &header) && header.sequence == record->sequence &&
           header.type == record->type && header.size == record->size &&
           record_span(header.size) <= journal->sector_size - offset &&
           record_body_check(journal, &place, &header, payload, capacity);
}

void journal_walk(struct journal *journal, journal_visitor visit, void *user)
{
    if (!journal->mounted)
        return;
    journal->read_failed = false;
    for (uint32_t back = journal->used_sectors; back > 0; back--) {
        struct scan scan;
        scan_start(&scan, journal, place_back(journal, back - 1, JOURNAL_SECTOR_HEADER_BYTES),
                   journal->sector_size);
        while (scan_next(&scan, true)) {
            struct journal_record record = record_name(journal, &scan.found, &scan.record);
            if (!visit(user, &record, journal->scratch + JOURNAL_RECORD_HEADER_BYTES))
                return;
        }
        journal->read_failed = false;
    }
}
