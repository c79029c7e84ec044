#include <assert.h>
#include <string.h>

#include "firmware/journal_internal.h"
#include "proto/canary.h"

/* Small erase units are taken together until a sector has this size: fewer headers to read at boot,
 * fewer footers to read in a lookup, fewer checkpoints. But a ring keeps at least RING_MIN sectors,
 * so that reclaiming one costs little history. */
#define SECTOR_BYTES_WANTED 32768u
#define SECTOR_BYTES_MIN    1024u
#define SECTOR_BYTES_MAX    262144u
#define RING_MIN            16u
#define ROTTEN_BITS_MAX     8u

_Static_assert(SECTOR_BYTES_MAX / RECORD_ALIGN <= UINT16_MAX + 1, "a zone's start has 16 bits");

/* What reading all sector headers gave. */
struct survey {
    uint32_t newest, oldest; /* generations of valid sectors */
    uint32_t newest_sector;
    uint32_t newest_sequence;
    uint32_t valid;
    uint32_t formatting_sector;
    bool formatting;
    bool newer;
    bool foreign;
};

static bool take_geometry(struct journal *journal)
{
    const struct board_flash *flash = &journal->board->flash;
    const struct journal_region *region = &journal->region;
    uint32_t unit = flash->sector_size;
    if (unit < SECTOR_BYTES_MIN || unit > SECTOR_BYTES_MAX || unit % RECORD_ALIGN != 0 ||
        flash->page_size == 0 || (flash->erased != 0xFF && flash->erased != 0x00) ||
        region->sectors < 3 || region->first_sector > flash->size / unit ||
        region->sectors > flash->size / unit - region->first_sector)
        return false;
    uint32_t units = 1;
    while (units * 2 * unit <= SECTOR_BYTES_WANTED && region->sectors / (units * 2) >= RING_MIN)
        units *= 2;
    journal->units_per_sector = units;
    journal->sector_size = units * unit;
    journal->sectors = region->sectors / units;
    journal->invert = (uint8_t)(flash->erased ^ 0xFF);
    return journal->sectors <= UINT16_MAX;
}

static void survey_take(struct survey *survey, uint32_t sector, const struct sector_header *header)
{
    switch (header->class) {
    case SECTOR_VALID:
        if (survey->valid == 0 || header->generation < survey->oldest)
            survey->oldest = header->generation;
        if (survey->valid == 0 || header->generation > survey->newest) {
            survey->newest = header->generation;
            survey->newest_sector = sector;
            survey->newest_sequence = header->first_sequence;
        }
        survey->valid++;
        break;
    case SECTOR_NEWER:
        survey->newer = true;
        break;
    case SECTOR_FOREIGN:
        survey->foreign = true;
        break;
    case SECTOR_FORMATTING:
        survey->formatting = true;
        survey->formatting_sector = sector;
        break;
    default:
        break;
    }
}

/* ---- A new log ---- */

/* The unbroken run of erased sectors after the head; what lies behind it is erased again before
 * use. */
static void count_ahead(struct journal *journal)
{
    for (uint32_t distance = 1; distance < journal->sectors; distance++) {
        uint32_t sector = place_ahead(journal, distance, 0).sector;
        if (sector_header_get(journal, sector).class != SECTOR_ERASED)
            return;
        journal->ahead_distance = distance;
        journal->erased_ahead = distance;
    }
}

/* True when the region is blank but for a format mark that was cut short. */
static bool region_is_blank(struct journal *journal)
{
    uint8_t mark[4];
    uint32_t last = journal->sectors - 1;
    for (uint32_t sector = 0; sector < journal->sectors; sector++) {
        uint32_t from = sector == last ? (uint32_t)sizeof(mark) : 0;
        uint32_t first = 0;
        if (!flash_skip_blank(journal, sector, from, journal->sector_size, &first) ||
            first != journal->sector_size)
            return false;
    }
    return flash_read(journal, place_address(journal, last, 0), mark, sizeof(mark)) &&
           sector_may_mark_formatting(mark);
}

/* The format mark in the last sector's header says that whatever lies in the region from now on is
 * ours. It goes when the first sector stands. */
static uint16_t create(struct journal *journal, bool formatting)
{
    uint32_t last = journal->sectors - 1;
    if (!formatting && (!region_is_blank(journal) || !sector_mark_formatting(journal, last)))
        return ERROR_JOURNAL_FAULT;
    (void)flash_sync(journal);
    /* As if the last sector were a full head of the lap before the first. */
    journal->head_sector = last;
    journal->head_generation = last;
    journal->head_closed = true;
    journal->head_sealed = true;
    journal->next_sequence = 1;
    count_ahead(journal);
    if (journal_roll(journal, 0) != ERROR_NONE || !flash_sync(journal))
        return ERROR_JOURNAL_FAULT;
    (void)flash_zero(journal, place_address(journal, last, 0), JOURNAL_SECTOR_HEADER_BYTES);
    return ERROR_NONE;
}

/* ---- Opening ---- */

static bool checkpoint_is_whole(struct journal *journal, struct place place,
                                struct record_header *header)
{
    uint8_t bytes[JOURNAL_RECORD_HEADER_BYTES];
    place.offset = JOURNAL_SECTOR_HEADER_BYTES;
    return flash_read(journal, place_address(journal, place.sector, place.offset), bytes,
                      sizeof(bytes)) &&
           record_header_get(&place, bytes, header) && header->type == JOURNAL_CHECKPOINT &&
           record_span(header->size) <= journal->sector_size - place.offset &&
           record_body_check(journal, &place, header, NULL, 0);
}

/* The only header of a log in its first sector may be rotten: its checkpoint proves it. */
static void find_first_sector(struct journal *journal, struct survey *survey)
{
    struct place first = {0, journal->sectors, 0};
    struct record_header checkpoint;
    if (!checkpoint_is_whole(journal, first, &checkpoint))
        return;
    survey->newest = survey->oldest = first.generation;
    survey->newest_sequence = checkpoint.sequence;
    survey->valid = 1;
}

/* The sector after the newest whole header may be newer still: its header torn (then it has a
 * checkpoint and no record) or rotten. The checkpoint proves the generation. A torn header is
 * completed. */
static void adopt_next(struct journal *journal)
{
    struct place next = place_ahead(journal, 1, 0);
    struct record_header checkpoint;
    if (sector_header_get(journal, next.sector).class != SECTOR_JUNK ||
        !checkpoint_is_whole(journal, next, &checkpoint))
        return;
    journal->head_sector = next.sector;
    journal->head_generation = next.generation;
    uint8_t wanted[SECTOR_HEADER_BODY];
    uint32_t address = place_address(journal, next.sector, 4);
    sector_header_put(journal, next.generation, checkpoint.sequence, wanted);
    if (flash_can_take(journal, address, wanted, sizeof(wanted)))
        (void)flash_program(journal, address, wanted, sizeof(wanted));
}

static uint32_t bits_set(uint8_t byte)
{
    uint32_t count = 0;
    for (; byte != 0; byte &= (uint8_t)(byte - 1))
        count++;
    return count;
}

/* The oldest sector may have a rotten header: known by its place and checkpoint, and by differing
 * from what it should be in few bits, where a condemned one has none left. */
static void adopt_oldest(struct journal *journal)
{
    struct place place = place_back(journal, journal->used_sectors, 0);
    struct record_header checkpoint;
    uint8_t present[SECTOR_HEADER_BODY];
    uint8_t wanted[SECTOR_HEADER_BODY];
    uint32_t address = place_address(journal, place.sector, 4);
    if (journal->used_sectors + journal->ahead_distance >= journal->sectors ||
        sector_header_get(journal, place.sector).class != SECTOR_JUNK ||
        !flash_read(journal, address, present, sizeof(present)) ||
        !checkpoint_is_whole(journal, place, &checkpoint))
        return;
    sector_header_put(journal, place.generation, checkpoint.sequence, wanted);
    uint32_t differing = 0;
    for (uint32_t i = 0; i < sizeof(wanted); i++)
        differing += bits_set(present[i] ^ wanted[i]);
    if (differing <= ROTTEN_BITS_MAX)
        journal->used_sectors++;
}

static void replay_sector(struct journal *journal, uint32_t back, journal_replay replay,
                          struct scan *scan)
{
    scan_start(scan, journal, place_back(journal, back, JOURNAL_SECTOR_HEADER_BYTES),
               journal->sector_size);
    index_clear(journal);
    while (scan_next(scan, true)) {
        const uint8_t *payload = journal->scratch + JOURNAL_RECORD_HEADER_BYTES;
        struct journal_record record = record_name(journal, &scan->found, &scan->record);
        if (record.sequence >= journal->next_sequence)
            journal->next_sequence = record.sequence + 1;
        if (type_has_key(record.type) && record.size >= KEY_SIZE)
            index_add(journal, payload, scan->found.offset);
        if (replay != NULL)
            replay(journal->user, &record, payload);
    }
    journal->damaged_records += scan->damaged;
}

/* What lies behind the last whole record of the head is programmed to zero bits, so that nothing in
 * it can ever be read as a record; an untouched or already mended end is left as it is. */
static void mend_tail(struct journal *journal, uint32_t clean_end)
{
    uint32_t footer = journal->sector_size - footer_size(journal->key_count);
    uint32_t used = 0;
    uint32_t footer_used = 0;
    journal->head_offset = clean_end;
    if (CANARY(TAIL_NOT_MENDED))
        return;
    if (clean_end > footer) {
        journal->head_closed = true;
        return;
    }
    if (!flash_last_used(journal, journal->head_sector, clean_end, footer, &used) ||
        !flash_last_used(journal, journal->head_sector, footer, journal->sector_size, &footer_used))
        return;
    /* A torn footer: the next append writes the same footer over it. */
    journal->head_closed = footer_used > footer;
    if (used == clean_end)
        return;
    uint32_t end = (used + RECORD_ALIGN - 1) & ~(RECORD_ALIGN - 1);
    if (end > footer)
        end = footer;
    if (end - clean_end > record_span(LIMIT_JOURNAL_RECORD_BYTES)) {
        /* More than one record can have left there: rot far out.
         * Nothing more is written behind it. */
        end = clean_end + record_span(LIMIT_JOURNAL_RECORD_BYTES);
        journal->head_closed = true;
    }
    uint32_t address = place_address(journal, journal->head_sector, clean_end);
    if (!flash_zero(journal, address, end - clean_end))
        journal->head_closed = true;
    journal->head_offset = end;
}

/* How far back replaying starts; false: nowhere. */
static bool find_state(struct journal *journal, uint32_t *back)
{
    struct record_header checkpoint;
    for (*back = 0; *back < journal->used_sectors; ++*back) {
        struct place place = place_back(journal, *back, 0);
        if (checkpoint_is_whole(journal, place, &checkpoint))
            return true;
        if (journal->read_failed)
            return false;
        /* The first sector there ever was: what its checkpoint held, the caller begins with. */
        if (place.generation == journal->sectors)
            return true;
    }
    return false;
}

static uint16_t replay_all(struct journal *journal, journal_replay replay)
{
    struct scan scan;
    uint32_t back = 0;
    if (!find_state(journal, &back))
        return ERROR_JOURNAL_FAULT;
    for (; back > 0; back--)
        replay_sector(journal, back, replay, &scan);
    replay_sector(journal, 0, replay, &scan);
    if (journal->read_failed)
        return ERROR_JOURNAL_FAULT;
    if (footer_is_whole(journal, place_back(journal, 0, 0))) {
        journal->head_closed = true;
        journal->head_sealed = true;
        return ERROR_NONE;
    }
    if (!journal->read_failed)
        mend_tail(journal, scan.clean_end);
    return journal->read_failed ? ERROR_JOURNAL_FAULT : ERROR_NONE;
}

static uint16_t open_log(struct journal *journal, const struct survey *survey,
                         journal_replay replay)
{
    journal->head_sector = survey->newest_sector;
    journal->head_generation = survey->newest;
    journal->next_sequence = (uint64_t)survey->newest_sequence + 1;
    adopt_next(journal);
    uint32_t before = journal->head_generation - survey->oldest;
    journal->used_sectors = before < journal->sectors ? before + 1 : journal->sectors;
    uint16_t error = replay_all(journal, replay);
    if (error != ERROR_NONE)
        return error;
    count_ahead(journal);
    if (journal->used_sectors > journal->sectors - journal->ahead_distance)
        journal->used_sectors = journal->sectors - journal->ahead_distance;
    adopt_oldest(journal);
    if (journal->read_failed)
        return ERROR_JOURNAL_FAULT;
    if (survey->formatting)
        (void)flash_zero(journal, place_address(journal, survey->formatting_sector, 0),
                         JOURNAL_SECTOR_HEADER_BYTES);
    /* Whoever wrote the newest records may have died before its sync: from here on they count. */
    return flash_sync(journal) ? ERROR_NONE : ERROR_JOURNAL_FAULT;
}

uint16_t journal_mount(struct journal *journal, const struct board *board,
                       struct journal_region region, journal_replay replay,
                       journal_checkpoint checkpoint, void *user)
{
    assert(board != NULL && checkpoint != NULL && region.scratch != NULL);
    memset(journal, 0, sizeof(*journal));
    journal->board = board;
    journal->region = region;
    journal->scratch = region.scratch->bytes;
    journal->checkpoint = checkpoint;
    journal->user = user;
    if (!take_geometry(journal))
        return ERROR_JOURNAL_FAULT;
    struct survey survey;
    memset(&survey, 0, sizeof(survey));
    for (uint32_t sector = 0; sector < journal->sectors; sector++) {
        struct sector_header header = sector_header_get(journal, sector);
        survey_take(&survey, sector, &header);
    }
    if (journal->read_failed)
        return ERROR_JOURNAL_FAULT;
    if (survey.newer)
        return ERROR_VERSION_UNSUPPORTED;
    if (survey.foreign)
        return ERROR_JOURNAL_FAULT;
    if (survey.valid == 0 && !survey.formatting)
        find_first_sector(journal, &survey);
    if (journal->read_failed)
        return ERROR_JOURNAL_FAULT;
    uint16_t error =
        survey.valid == 0 ? create(journal, survey.formatting) : open_log(journal, &survey, replay);
    journal->mounted = error == ERROR_NONE;
    return error;
}
