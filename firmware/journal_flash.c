#include <assert.h>
#include <string.h>

#include "firmware/journal_internal.h"
#include "proto/crc.h"

#define READ_TRIES   3u
#define CHUNK        128u
#define VERIFY_BYTES 32u /* parts with small pages are read back in stretches of this size */

static const uint8_t erase_mark[4] = {'E', 'R', 'S', 'D'};
static const uint8_t format_mark[4] = {'F', 'R', 'M', 'T'};
static const uint8_t sector_magic[4] = {'K', 'K', 'T', 'J'};

_Static_assert(LIMIT_JOURNAL_RECORD_BYTES <= UINT16_MAX, "a record's size field has 16 bits");
_Static_assert(JOURNAL_SECTOR_HEADER_BYTES % RECORD_ALIGN == 0, "the first record is aligned");
_Static_assert(JOURNAL_RECORD_HEADER_BYTES % RECORD_ALIGN == 0, "records are aligned");

/* ---- Flash ---- */

uint32_t place_address(const struct journal *journal, uint32_t sector, uint32_t offset)
{
    assert(sector < journal->sectors && offset <= journal->sector_size);
    return journal->region.first_sector * journal->board->flash.sector_size +
           sector * journal->sector_size + offset;
}

static void invert(const struct journal *journal, uint8_t *data, size_t size)
{
    if (journal->invert == 0)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] ^= journal->invert;
}

bool flash_read(struct journal *journal, uint32_t address, void *data, size_t size)
{
    const struct board *board = journal->board;
    for (unsigned try = 0; try < READ_TRIES; try++) {
        journal->flash_read_bytes += (uint32_t)size;
        if (board->flash.read(board->context, address, data, size) == 0) {
            invert(journal, data, size);
            return true;
        }
    }
    journal->read_failed = true;
    return false;
}

static bool flash_holds(struct journal *journal, uint32_t address, const uint8_t *data, size_t size)
{
    uint8_t chunk[CHUNK];
    for (size_t done = 0; done < size;) {
        size_t part = size - done < CHUNK ? size - done : CHUNK;
        if (!flash_read(journal, address + (uint32_t)done, chunk, part) ||
            memcmp(chunk, data + done, part) != 0)
            return false;
        done += part;
    }
    return true;
}

bool flash_program(struct journal *journal, uint32_t address, uint8_t *data, size_t size)
{
    const struct board *board = journal->board;
    uint32_t page = board->flash.page_size;
    size_t verified = 0;
    for (size_t done = 0; done < size;) {
        uint32_t at = address + (uint32_t)done;
        size_t part = page - at % page;
        if (part > size - done)
            part = size - done;
        invert(journal, data + done, part);
        journal->flash_programmed_bytes += (uint32_t)part;
        /* The part's own word counts for nothing, in either direction: what reads back does. */
        (void)board->flash.program(board->context, at, data + done, part);
        invert(journal, data + done, part);
        done += part;
        if (done - verified < VERIFY_BYTES && done < size)
            continue;
        if (!flash_holds(journal, address + (uint32_t)verified, data + verified, done - verified))
            return false;
        verified = done;
    }
    return true;
}

bool flash_can_take(struct journal *journal, uint32_t address, const uint8_t *data, size_t size)
{
    uint8_t chunk[CHUNK];
    for (size_t done = 0; done < size;) {
        size_t part = size - done < CHUNK ? size - done : CHUNK;
        if (!flash_read(journal, address + (uint32_t)done, chunk, part))
            return false;
        for (size_t i = 0; i < part; i++) {
            if ((chunk[i] & data[done + i]) != data[done + i])
                return false;
        }
        done += part;
    }
    return true;
}

bool flash_zero(struct journal *journal, uint32_t address, size_t size)
{
    uint8_t zeros[CHUNK];
    memset(zeros, 0, sizeof(zeros));
    bool done = true;
    while (size > 0) {
        size_t part = size < CHUNK ? size : CHUNK;
        done = flash_program(journal, address, zeros, part) && done;
        address += (uint32_t)part;
        size -= part;
    }
    return done;
}

bool bytes_are(const uint8_t *bytes, size_t size, uint8_t value)
{
    /* The first is, and each is like the one before it: libraries compare words at a time. */
    assert(size > 0);
    return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

bool flash_skip_blank(struct journal *journal, uint32_t sector, uint32_t from, uint32_t to,
                      uint32_t *first)
{
    uint8_t chunk[CHUNK];
    while (from < to) {
        uint32_t part = to - from < CHUNK ? to - from : CHUNK;
        if (!flash_read(journal, place_address(journal, sector, from), chunk, part))
            return false;
        if (!bytes_are(chunk, part, 0xFF)) {
            uint32_t i = 0;
            while (chunk[i] == 0xFF)
                i++;
            *first = from + i;
            return true;
        }
        from += part;
    }
    *first = to;
    return true;
}

bool flash_last_used(struct journal *journal, uint32_t sector, uint32_t from, uint32_t to,
                     uint32_t *end)
{
    uint8_t chunk[CHUNK];
    *end = from;
    while (from < to) {
        uint32_t part = to - from < CHUNK ? to - from : CHUNK;
        if (!flash_read(journal, place_address(journal, sector, from), chunk, part))
            return false;
        if (!bytes_are(chunk, part, 0xFF)) {
            uint32_t used = part;
            while (chunk[used - 1] == 0xFF)
                used--;
            *end = from + used;
        }
        from += part;
    }
    return true;
}

bool flash_erase_unit(struct journal *journal, uint32_t sector, uint32_t unit)
{
    const struct board *board = journal->board;
    uint32_t size = board->flash.sector_size;
    uint32_t offset = unit * size;
    for (unsigned try = 0; try < 2; try++) {
        journal->flash_erases++;
        (void)board->flash.erase(board->context, place_address(journal, sector, offset));
        uint32_t first = 0;
        if (flash_skip_blank(journal, sector, offset, offset + size, &first) &&
            first == offset + size)
            return true;
    }
    return false;
}

bool flash_sync(struct journal *journal)
{
    const struct board *board = journal->board;
    return board->flash.sync(board->context) == 0;
}

/* ---- Records ---- */

uint32_t place_crc(const struct place *place)
{
    uint8_t seed[8];
    struct byte_writer writer;
    byte_writer_init(&writer, seed, sizeof(seed));
    put_u32le(&writer, place->generation);
    put_u32le(&writer, place->offset);
    return crc32c_update(CRC32C_INIT, seed, sizeof(seed));
}

/* Over the first 8 bytes of a record header, with the check byte itself taken as 0. The check byte
 * is its lowest byte, and the record's checksum goes on from it over the payload. */
static uint32_t header_crc(const struct place *place, const uint8_t *bytes)
{
    uint8_t copy[8];
    memcpy(copy, bytes, sizeof(copy));
    copy[1] = 0;
    return crc32c_update(place_crc(place), copy, sizeof(copy));
}

static void header_put(const struct record_header *header, uint8_t *bytes)
{
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, JOURNAL_RECORD_HEADER_BYTES);
    put_u8(&writer, header->type);
    put_u8(&writer, 0);
    put_u16le(&writer, header->size);
    put_u32le(&writer, header->sequence);
    put_u32le(&writer, header->crc);
}

bool record_header_get(const struct place *place, const uint8_t *bytes, struct record_header *out)
{
    out->type = bytes[0];
    out->size = get_u16le(bytes + 2);
    out->sequence = get_u32le(bytes + 4);
    out->crc = get_u32le(bytes + 8);
    return out->type >= 1 && out->type <= RECORD_TYPE_MAX &&
           out->size <= LIMIT_JOURNAL_RECORD_BYTES && bytes[1] == (uint8_t)header_crc(place, bytes);
}

bool record_body_check(struct journal *journal, const struct place *place,
                       const struct record_header *header, uint8_t *out, size_t capacity)
{
    uint8_t chunk[CHUNK];
    header_put(header, chunk);
    uint32_t crc = header_crc(place, chunk);
    uint32_t address =
        place_address(journal, place->sector, place->offset + JOURNAL_RECORD_HEADER_BYTES);
    for (size_t done = 0; done < header->size;) {
        size_t part = header->size - done < CHUNK ? header->size - done : CHUNK;
        if (!flash_read(journal, address + (uint32_t)done, chunk, part))
            return false;
        crc = crc32c_update(crc, chunk, part);
        if (out != NULL && done < capacity)
            memcpy(out + done, chunk, part < capacity - done ? part : capacity - done);
        done += part;
    }
    return crc == header->crc;
}

bool record_put(struct journal *journal, const struct place *place, uint8_t type, size_t size,
                uint32_t sequence)
{
    assert(size <= LIMIT_JOURNAL_RECORD_BYTES);
    assert(place->offset + record_span(size) <= journal->sector_size);
    uint32_t end = place->offset + record_span(size);
    uint32_t first = 0;
    if (!flash_skip_blank(journal, place->sector, place->offset, end, &first) || first != end)
        return false;
    struct record_header header = {.type = type, .size = (uint16_t)size, .sequence = sequence};
    uint8_t *bytes = journal->scratch;
    header_put(&header, bytes);
    uint32_t crc = header_crc(place, bytes);
    uint8_t check = (uint8_t)crc;
    header.crc = crc32c_update(crc, bytes + JOURNAL_RECORD_HEADER_BYTES, size);
    header_put(&header, bytes);
    bytes[1] = check;
    uint32_t address = place_address(journal, place->sector, place->offset);
    if (flash_program(journal, address, bytes, JOURNAL_RECORD_HEADER_BYTES + size))
        return true;
    /* It may be whole and only read wrong: it must not be found beside its second try. */
    (void)flash_zero(journal, address, record_span(size));
    return false;
}

struct journal_record record_name(const struct journal *journal, const struct place *place,
                                  const struct record_header *header)
{
    struct journal_record record = {.address = place_address(journal, place->sector, place->offset),
                                    .sequence = header->sequence,
                                    .type = header->type,
                                    .size = header->size};
    return record;
}

/* ---- Sector headers ---- */

void sector_header_put(const struct journal *journal, uint32_t generation, uint32_t first_sequence,
                       uint8_t out[SECTOR_HEADER_BODY])
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, SECTOR_HEADER_BODY);
    put_bytes(&writer, sector_magic, sizeof(sector_magic));
    put_u8(&writer, JOURNAL_FORMAT_VERSION);
    put_u8(&writer, (uint8_t)journal->units_per_sector);
    put_u16le(&writer, (uint16_t)journal->sectors);
    put_u32le(&writer, journal->sector_size);
    put_u32le(&writer, generation);
    put_u32le(&writer, first_sequence);
    put_u32le(&writer, crc32c_update(CRC32C_INIT, out, SECTOR_HEADER_BODY - 4));
    assert(writer.length == SECTOR_HEADER_BODY);
}

static enum sector_class class_of(const struct journal *journal, uint32_t sector,
                                  const uint8_t *bytes, struct sector_header *header)
{
    const uint8_t *body = bytes + 4;
    if (bytes_are(body, SECTOR_HEADER_BODY, 0xFF)) {
        if (bytes_are(bytes, 4, 0xFF))
            return SECTOR_BLANK;
        if (memcmp(bytes, erase_mark, 4) == 0)
            return SECTOR_ERASED;
        return memcmp(bytes, format_mark, 4) == 0 ? SECTOR_FORMATTING : SECTOR_JUNK;
    }
    if (memcmp(body, sector_magic, 4) != 0 ||
        get_u32le(body + SECTOR_HEADER_BODY - 4) !=
            crc32c_update(CRC32C_INIT, body, SECTOR_HEADER_BODY - 4))
        return SECTOR_JUNK;
    if (body[4] > JOURNAL_FORMAT_VERSION)
        return SECTOR_NEWER;
    header->generation = get_u32le(body + 12);
    header->first_sequence = get_u32le(body + 16);
    if (body[4] != JOURNAL_FORMAT_VERSION || body[5] != journal->units_per_sector ||
        get_u16le(body + 6) != journal->sectors || get_u32le(body + 8) != journal->sector_size)
        return SECTOR_FOREIGN;
    return header->generation % journal->sectors == sector ? SECTOR_VALID : SECTOR_JUNK;
}

struct sector_header sector_header_get(struct journal *journal, uint32_t sector)
{
    uint8_t bytes[JOURNAL_SECTOR_HEADER_BYTES];
    struct sector_header header = {.class = SECTOR_UNREADABLE};
    if (flash_read(journal, place_address(journal, sector, 0), bytes, sizeof(bytes)))
        header.class = class_of(journal, sector, bytes, &header);
    return header;
}

bool sector_mark_erased(struct journal *journal, uint32_t sector)
{
    uint8_t mark[4];
    memcpy(mark, erase_mark, sizeof(mark));
    return flash_program(journal, place_address(journal, sector, 0), mark, sizeof(mark));
}

bool sector_mark_formatting(struct journal *journal, uint32_t sector)
{
    uint8_t mark[4];
    memcpy(mark, format_mark, sizeof(mark));
    return flash_program(journal, place_address(journal, sector, 0), mark, sizeof(mark));
}

bool sector_may_mark_formatting(const uint8_t bytes[4])
{
    for (unsigned i = 0; i < 4; i++) {
        if ((bytes[i] & format_mark[i]) != format_mark[i])
            return false;
    }
    return true;
}

/* ---- Scanning a sector ---- */

void scan_start(struct scan *scan, struct journal *journal, struct place place, uint32_t limit)
{
    memset(scan, 0, sizeof(*scan));
    scan->journal = journal;
    scan->next = place;
    scan->limit = limit;
    scan->clean_end = place.offset;
}

/* Zero words are records that were made away with. */
static uint32_t dead_end(struct scan *scan)
{
    uint8_t chunk[CHUNK];
    uint32_t offset = scan->next.offset;
    while (offset < scan->limit) {
        uint32_t part = scan->limit - offset < CHUNK ? scan->limit - offset : CHUNK;
        uint32_t address = place_address(scan->journal, scan->next.sector, offset);
        if (!flash_read(scan->journal, address, chunk, part))
            return scan->limit;
        for (uint32_t i = 0; i + RECORD_ALIGN <= part; i += RECORD_ALIGN) {
            if (!bytes_are(chunk + i, RECORD_ALIGN, 0))
                return offset + i;
        }
        offset += part;
    }
    return scan->limit;
}

static bool blank_stretch(struct scan *scan)
{
    uint32_t first = 0;
    if (!flash_skip_blank(scan->journal, scan->next.sector, scan->next.offset, scan->limit, &first))
        return false;
    scan->next.offset = first & ~(RECORD_ALIGN - 1);
    return first < scan->limit;
}

static bool header_plausible(const struct scan *scan, const uint8_t *bytes,
                             struct record_header *header)
{
    if (!record_header_get(&scan->next, bytes, header) ||
        record_span(header->size) > scan->limit - scan->next.offset)
        return false;
    uint32_t reach = scan->journal->sector_size / JOURNAL_RECORD_HEADER_BYTES;
    return scan->expected == 0 ||
           (header->sequence >= scan->expected && header->sequence - scan->expected <= reach);
}

/* A header was believed without its payload, and what follows it does not fit: it may lie about its
 * size or number. True when its record is not whole; the search then goes on inside it. */
static bool scan_take_back(struct scan *scan)
{
    if (!scan->believed)
        return false;
    scan->believed = false;
    if (record_body_check(scan->journal, &scan->found, &scan->record, NULL, 0))
        return false;
    scan->damaged++;
    scan->lost = true;
    scan->next.offset = scan->found.offset + RECORD_ALIGN;
    scan->expected = scan->expected_before;
    return true;
}

static void scan_damage(struct scan *scan)
{
    scan->damaged += scan->lost ? 0u : 1u;
    scan->lost = true;
    scan->next.offset += RECORD_ALIGN;
}

/* One record, or one step over something else. */
static bool scan_step(struct scan *scan, const uint8_t *bytes, bool check)
{
    struct journal *journal = scan->journal;
    struct record_header header;
    bool plausible = header_plausible(scan, bytes, &header);
    if ((!plausible || header.sequence != scan->expected) && scan_take_back(scan))
        return false;
    uint8_t *payload = check ? journal->scratch + JOURNAL_RECORD_HEADER_BYTES : NULL;
    check = check || scan->lost;
    if (!plausible || (check && !record_body_check(journal, &scan->next, &header, payload,
                                                   LIMIT_JOURNAL_RECORD_BYTES))) {
        scan_damage(scan);
        return false;
    }
    scan->found = scan->next;
    scan->record = header;
    scan->next.offset += record_span(header.size);
    scan->expected_before = scan->expected;
    scan->expected = header.sequence + 1;
    scan->believed = !check;
    scan->lost = false;
    scan->clean_end = scan->next.offset;
    return true;
}

bool scan_next(struct scan *scan, bool check)
{
    uint8_t bytes[JOURNAL_RECORD_HEADER_BYTES];
    while (!scan->journal->read_failed) {
        if (scan->next.offset + sizeof(bytes) > scan->limit) {
            if (scan_take_back(scan))
                continue;
            return false;
        }
        uint32_t address = place_address(scan->journal, scan->next.sector, scan->next.offset);
        if (!flash_read(scan->journal, address, bytes, sizeof(bytes)))
            return false;
        if (bytes_are(bytes, RECORD_ALIGN, 0)) {
            if (scan_take_back(scan))
                continue;
            scan->next.offset = dead_end(scan);
            if (!scan->lost)
                scan->clean_end = scan->next.offset;
        } else if (bytes_are(bytes, sizeof(bytes), 0xFF)) {
            if (!scan_take_back(scan) && (!scan->lost || !blank_stretch(scan)))
                return false;
        } else if (scan_step(scan, bytes, check)) {
            return true;
        }
    }
    return false;
}
