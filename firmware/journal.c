#include "firmware/journal.h"

#include <assert.h>
#include <string.h>

#include "firmware/journal_internal.h"
#include "proto/rare.h"

#define SECTOR_TRIES      3u
#define ERASE_FAILURES    3u
#define AHEAD_BYTES       32768u /* erased ahead: about 40 receipts without an idle moment */
#define AHEAD_SECTORS_MIN 2u

/* ---- Erasing ---- */

/* What a sector goes through, each step done before the next begins, so that a cut at any of them
 * leaves something that sector_header_get() classes rightly:
 *
 *   VALID --condemn: header zeroed--> JUNK --erase its units, last first--> BLANK --verified,
 * marked--> ERASED ERASED --mark zeroed--> JUNK --checkpoint, then header--> VALID
 */

static uint32_t ahead_target(const struct journal *journal)
{
    uint32_t target = AHEAD_BYTES / journal->sector_size;
    if (target < AHEAD_SECTORS_MIN)
        target = AHEAD_SECTORS_MIN;
    if (target > journal->sectors / 4)
        target = journal->sectors / 4;
    return target > 0 ? target : 1;
}

/* The log does not reach into the sectors up to that distance after the head: oldest records go
 * first. */
static void release(struct journal *journal, uint32_t distance)
{
    uint32_t left = journal->sectors - distance;
    if (journal->used_sectors > left)
        journal->used_sectors = left;
}

/* Erases one unit of the sector behind those already dealt with. 0: more units are left, 1: the
 * sector is erased, < 0: it cannot be; in both last cases it is dealt with. */
static int erase_step(struct journal *journal)
{
    uint32_t distance = journal->ahead_distance + 1;
    assert(distance < journal->sectors);
    uint32_t sector = place_ahead(journal, distance, 0).sector;
    if (journal->erase_units_left == 0) {
        release(journal, distance);
        if (sector_header_get(journal, sector).class != SECTOR_BLANK)
            (void)flash_zero(journal, place_address(journal, sector, 0),
                             JOURNAL_SECTOR_HEADER_BYTES);
        (void)flash_sync(journal);
        journal->erase_units_left = journal->units_per_sector;
    }
    journal->erase_units_left--;
    bool good = flash_erase_unit(journal, sector, journal->erase_units_left);
    if (good && journal->erase_units_left > 0)
        return 0;
    good = good && flash_sync(journal) && sector_mark_erased(journal, sector);
    journal->erase_units_left = 0;
    journal->ahead_distance = distance;
    if (!good) {
        if (journal->erase_failures < ERASE_FAILURES)
            journal->erase_failures++;
        return -1;
    }
    journal->erase_failures = 0;
    journal->erased_ahead++;
    return 1;
}

bool journal_maintain(struct journal *journal)
{
    /* Flash that no longer erases must not cost the records it still holds. */
    if (!journal->mounted || journal->erased_ahead >= ahead_target(journal) ||
        journal->ahead_distance + 1 >= journal->sectors ||
        journal->erase_failures >= ERASE_FAILURES || RARE("journal: erasing ahead is put off"))
        return false;
    (void)erase_step(journal);
    return true;
}

/* ---- Beginning a sector ---- */

/* The distance of the nearest erased sector that is at least `from` away; 0: none. */
static uint32_t find_erased(struct journal *journal, uint32_t from)
{
    for (uint32_t distance = from; distance <= journal->ahead_distance; distance++) {
        uint32_t sector = place_ahead(journal, distance, 0).sector;
        if (sector_header_get(journal, sector).class != SECTOR_ERASED)
            continue;
        if (distance == journal->ahead_distance ||
            !RARE("journal: an erased sector is passed over"))
            return distance;
    }
    return 0;
}

static void count_erased(struct journal *journal)
{
    journal->erased_ahead = 0;
    for (uint32_t distance = 1; distance <= journal->ahead_distance; distance++) {
        uint32_t sector = place_ahead(journal, distance, 0).sector;
        if (sector_header_get(journal, sector).class == SECTOR_ERASED)
            journal->erased_ahead++;
    }
}

/* The last resort: no erased sector is ahead, and the caller waits. */
static uint32_t erase_now(struct journal *journal)
{
    if (journal->ahead_distance + 1 >= journal->sectors) {
        journal->ahead_distance = 0;
        journal->erased_ahead = 0;
    }
    for (unsigned try = 0; try < SECTOR_TRIES; try++) {
        if (journal->ahead_distance + 1 >= journal->sectors)
            return 0;
        int result = 0;
        while (result == 0)
            result = erase_step(journal);
        if (result > 0)
            return journal->ahead_distance;
    }
    return 0;
}

/* Checkpoint first, header last: the sector joins the log when it is complete. */
static bool fill_sector(struct journal *journal, const struct place *place, size_t checkpoint_size)
{
    uint8_t header[SECTOR_HEADER_BODY];
    uint32_t base = place_address(journal, place->sector, 0);
    uint32_t sequence = (uint32_t)journal->next_sequence;
    if (!flash_zero(journal, base, JOURNAL_SECTOR_HEADER_BYTES - SECTOR_HEADER_BODY))
        return false;
    struct byte_writer writer;
    byte_writer_init(&writer, journal->scratch + JOURNAL_RECORD_HEADER_BYTES,
                     LIMIT_JOURNAL_RECORD_BYTES);
    journal->checkpoint(journal->user, &writer);
    assert(writer.length == checkpoint_size);
    if (!record_put(journal, place, JOURNAL_CHECKPOINT, checkpoint_size, sequence) ||
        !flash_sync(journal))
        return false;
    sector_header_put(journal, place->generation, sequence, header);
    return flash_program(journal, base + 4, header, sizeof(header));
}

static bool begin_sector(struct journal *journal, uint32_t distance, size_t checkpoint_size)
{
    struct place place = place_ahead(journal, distance, JOURNAL_SECTOR_HEADER_BYTES);
    if (!fill_sector(journal, &place, checkpoint_size)) {
        /* Its checkpoint may be whole: the next try's must be the only one of its number. */
        (void)flash_zero(journal, place_address(journal, place.sector, 0),
                         JOURNAL_SECTOR_HEADER_BYTES + record_span(checkpoint_size));
        return false;
    }
    bool first = journal->used_sectors == 0;
    journal->used_sectors = first ? 1 : journal->used_sectors + distance;
    journal->ahead_distance -= distance;
    assert(journal->used_sectors + journal->ahead_distance <= journal->sectors);
    journal->head_sector = place.sector;
    journal->head_generation = place.generation;
    journal->head_offset = JOURNAL_SECTOR_HEADER_BYTES + record_span(checkpoint_size);
    journal->head_closed = false;
    journal->head_sealed = false;
    journal->next_sequence++;
    index_clear(journal);
    count_erased(journal);
    return true;
}

static size_t built_size(journal_build build, void *user)
{
    struct byte_writer measure;
    byte_writer_init(&measure, NULL, 0);
    build(user, &measure);
    return measure.length;
}

static uint32_t records_end(const struct journal *journal, uint32_t keys)
{
    return journal->sector_size - footer_size(keys) - FOOTER_GAP;
}

uint16_t journal_roll(struct journal *journal, size_t record_size)
{
    size_t checkpoint_size = built_size(journal->checkpoint, journal->user);
    if (checkpoint_size > LIMIT_JOURNAL_RECORD_BYTES ||
        JOURNAL_SECTOR_HEADER_BYTES + record_span(checkpoint_size) + record_span(record_size) >
            records_end(journal, 1))
        return ERROR_TOO_LARGE;
    if (journal->used_sectors > 0 && !journal->head_sealed) {
        journal->head_closed = true;
        /* Without a footer the sector's records are looked at one by one; nothing is lost. */
        if (!RARE("journal: a sector gets no footer"))
            (void)footer_put(journal);
        journal->head_sealed = true;
    }
    /* The checkpoint counts every record before it: none of them may be lost when it is not. */
    if (!flash_sync(journal))
        return ERROR_JOURNAL_FAULT;
    uint32_t from = 1;
    for (unsigned try = 0; try < SECTOR_TRIES; try++) {
        uint32_t distance = find_erased(journal, from);
        if (distance == 0)
            distance = erase_now(journal);
        if (distance == 0)
            return ERROR_JOURNAL_FULL;
        if (begin_sector(journal, distance, checkpoint_size))
            return ERROR_NONE;
        from = distance + 1;
    }
    return ERROR_JOURNAL_FAULT;
}

uint16_t journal_rotate(struct journal *journal)
{
    if (!journal->mounted)
        return ERROR_JOURNAL_FAULT;
    journal->read_failed = false;
    return journal_roll(journal, 0);
}

/* ---- Appending ---- */

static bool head_has_room(const struct journal *journal, uint8_t type, size_t size)
{
    uint32_t keys = journal->key_count + (type_has_key(type) ? 1u : 0u);
    return !journal->head_closed && keys <= JOURNAL_KEYS_MAX &&
           journal->head_offset + record_span(size) <= records_end(journal, keys);
}

/* Into the head, which has room. False: flash did not take it, and the head takes no more. */
static bool append_to_head(struct journal *journal, uint8_t type, size_t size, journal_build build,
                           void *user, struct journal_record *record)
{
    struct place place = place_back(journal, 0, journal->head_offset);
    uint8_t *payload = journal->scratch + JOURNAL_RECORD_HEADER_BYTES;
    struct byte_writer writer;
    byte_writer_init(&writer, payload, LIMIT_JOURNAL_RECORD_BYTES);
    build(user, &writer);
    assert(writer.length == size);
    uint32_t sequence = (uint32_t)journal->next_sequence;
    if (!record_put(journal, &place, type, size, sequence)) {
        journal->head_closed = true;
        return false;
    }
    journal->head_offset += record_span(size);
    journal->next_sequence++;
    if (type_has_key(type) && size >= KEY_SIZE)
        index_add(journal, payload, place.offset);
    if (record != NULL) {
        struct record_header header = {.type = type, .size = (uint16_t)size, .sequence = sequence};
        *record = record_name(journal, &place, &header);
    }
    return true;
}

uint16_t journal_append_built(struct journal *journal, uint8_t type, journal_build build,
                              void *user, struct journal_record *record)
{
    assert(type > JOURNAL_CHECKPOINT && type <= RECORD_TYPE_MAX);
    if (!journal->mounted || journal->next_sequence >= UINT32_MAX - SECTOR_TRIES)
        return ERROR_JOURNAL_FAULT;
    size_t size = built_size(build, user);
    if (size > LIMIT_JOURNAL_RECORD_BYTES)
        return ERROR_TOO_LARGE;
    journal->read_failed = false;
    for (unsigned try = 0; try < SECTOR_TRIES; try++) {
        /* Rarely early, but not before most of it is used, or the ring holds too little history. */
        if (!head_has_room(journal, type, size) ||
            (RARE("journal: a sector is left early") && try == 0 &&
             journal->head_offset > journal->sector_size / 4 * 3)) {
            uint16_t error = journal_roll(journal, size);
            if (error != ERROR_NONE)
                return error;
        }
        if (append_to_head(journal, type, size, build, user, record))
            return ERROR_NONE;
    }
    return ERROR_JOURNAL_FAULT;
}

struct given_payload {
    const void *bytes;
    size_t size;
};

static void build_given(void *user, struct byte_writer *writer)
{
    const struct given_payload *given = user;
    put_bytes(writer, given->bytes, given->size);
}

uint16_t journal_append(struct journal *journal, uint8_t type, const void *payload, size_t size,
                        struct journal_record *record)
{
    struct given_payload given = {payload, size};
    return journal_append_built(journal, type, build_given, &given, record);
}

uint16_t journal_sync(struct journal *journal)
{
    return journal->mounted && flash_sync(journal) ? ERROR_NONE : ERROR_JOURNAL_FAULT;
}
