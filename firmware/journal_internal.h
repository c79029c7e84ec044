/* What the journal's four files share: journal.c (append, sectors), journal_mount.c, journal_find.c
 * (footers, lookup) and journal_flash.c (flash access, records, headers). Nobody else includes it.
 *
 * Bytes are spoken of as if erased were FF: journal_flash.c inverts them for parts where it is 00.
 * A place in the log is (sector, generation, offset); the checksum of everything is seeded with
 * generation and offset, so that bytes of an earlier lap, or written to a wrong address, never pass
 * for a record.
 */
#ifndef FIRMWARE_JOURNAL_INTERNAL_H
#define FIRMWARE_JOURNAL_INTERNAL_H

#include "firmware/journal.h"

#include <assert.h>

#define RECORD_TYPE_MAX 14u
#define RECORD_ALIGN    4u
#define FOOTER_TAIL     8u /* count, its complement, checksum */
/* Always blank between the last record and the footer: a scan ends there. */
#define FOOTER_GAP      JOURNAL_RECORD_HEADER_BYTES
#define RECORD_SPAN_MAX (JOURNAL_RECORD_HEADER_BYTES + LIMIT_JOURNAL_RECORD_BYTES)

struct place {
    uint32_t sector;
    uint32_t generation;
    uint32_t offset; /* in the sector */
};

struct record_header {
    uint8_t type;
    uint16_t size;
    uint32_t sequence;
    uint32_t crc;
};

enum sector_class {
    SECTOR_UNREADABLE, /* the read failed */
    SECTOR_BLANK,      /* header bytes blank, but not known to be wholly erased */
    SECTOR_ERASED,     /* erased, verified and marked */
    SECTOR_VALID,
    SECTOR_NEWER,      /* a whole header of a newer format */
    SECTOR_FOREIGN,    /* a whole header of our format with another geometry */
    SECTOR_FORMATTING, /* the format mark: the ring is being made */
    SECTOR_JUNK        /* torn, condemned or rotten */
};

struct sector_header {
    enum sector_class class;
    uint32_t generation;     /* VALID only */
    uint32_t first_sequence; /* VALID only */
};

/* A walk over the records of one sector. It steps over damage: every aligned offset is tried until
 * a whole record is found. A header that is believed without its payload being read is taken back
 * when what follows it does not fit. A read error ends the walk (journal->read_failed). */
struct scan {
    struct journal *journal;
    struct place next;
    uint32_t limit;           /* offset where records end at the latest */
    uint32_t expected;        /* lowest sequence number that may come; 0: any */
    uint32_t expected_before; /* the same before the record returned last */
    uint32_t clean_end;       /* end of the last whole record, or of the zeroed bytes after it */
    uint32_t damaged;
    bool lost;          /* looking for a record after damage */
    bool believed;      /* the record returned last was not read but for its header */
    struct place found; /* where the record returned last starts */
    struct record_header record;
};

static inline uint32_t record_span(size_t payload_size)
{
    return ((uint32_t)payload_size + JOURNAL_RECORD_HEADER_BYTES + RECORD_ALIGN - 1) &
           ~(RECORD_ALIGN - 1);
}

#define KEYED_TYPES                                                                                \
    (1u << JOURNAL_INTENT | 1u << JOURNAL_DONE | 1u << JOURNAL_ABORTED | 1u << JOURNAL_SLIP)

static inline bool type_has_key(uint8_t type)
{
    assert(type <= RECORD_TYPE_MAX);
    return (KEYED_TYPES >> type & 1u) != 0;
}

/* The sector `distance` steps before the head. */
static inline struct place place_back(const struct journal *journal, uint32_t distance,
                                      uint32_t offset)
{
    assert(journal->sectors > 0);
    struct place place = {(journal->head_sector + journal->sectors - distance) % journal->sectors,
                          journal->head_generation - distance, offset};
    return place;
}

/* Same, after the head. */
static inline struct place place_ahead(const struct journal *journal, uint32_t distance,
                                       uint32_t offset)
{
    assert(journal->sectors > 0);
    struct place place = {(journal->head_sector + distance) % journal->sectors,
                          journal->head_generation + distance, offset};
    return place;
}

/* journal_flash.c */
uint32_t place_address(const struct journal *journal, uint32_t sector, uint32_t offset);
bool flash_read(struct journal *journal, uint32_t address, void *data, size_t size);
/* Programs page by page and reads back; true when flash now holds data. Bytes of data are the same
 * before and after the call. */
bool flash_program(struct journal *journal, uint32_t address, uint8_t *data, size_t size);
/* True when programming can still make flash hold data. */
bool flash_can_take(struct journal *journal, uint32_t address, const uint8_t *data, size_t size);
/* Programs every bit: what stood there is gone for good. */
bool flash_zero(struct journal *journal, uint32_t address, size_t size);
/* The offset of the first byte from `from` on that is not blank, or `to`. False: read error. */
bool flash_skip_blank(struct journal *journal, uint32_t sector, uint32_t from, uint32_t to,
                      uint32_t *first);
/* One past the last byte of [from, to) that is not blank, or `from`. */
bool flash_last_used(struct journal *journal, uint32_t sector, uint32_t from, uint32_t to,
                     uint32_t *end);
bool flash_erase_unit(struct journal *journal, uint32_t sector, uint32_t unit);
bool flash_sync(struct journal *journal);
bool bytes_are(const uint8_t *bytes, size_t size, uint8_t value);

uint32_t place_crc(const struct place *place);
bool record_header_get(const struct place *place, const uint8_t *bytes, struct record_header *out);
/* Checks the record's checksum by reading its payload; out (may be NULL) gets up to capacity bytes
 * of it. */
bool record_body_check(struct journal *journal, const struct place *place,
                       const struct record_header *header, uint8_t *out, size_t capacity);
/* Writes the record whose payload lies at scratch + JOURNAL_RECORD_HEADER_BYTES. The area must be
 * blank. */
bool record_put(struct journal *journal, const struct place *place, uint8_t type, size_t size,
                uint32_t sequence);
struct journal_record record_name(const struct journal *journal, const struct place *place,
                                  const struct record_header *header);

struct sector_header sector_header_get(struct journal *journal, uint32_t sector);
/* The bytes from the magic on, that is without the erase mark. */
#define SECTOR_HEADER_BODY (JOURNAL_SECTOR_HEADER_BYTES - 4u)
void sector_header_put(const struct journal *journal, uint32_t generation, uint32_t first_sequence,
                       uint8_t out[SECTOR_HEADER_BODY]);
bool sector_mark_erased(struct journal *journal, uint32_t sector);
bool sector_mark_formatting(struct journal *journal, uint32_t sector);
/* True when the first four bytes can still be programmed to the format mark,
 * the rest being blank. */
bool sector_may_mark_formatting(const uint8_t bytes[4]);

void scan_start(struct scan *scan, struct journal *journal, struct place place, uint32_t limit);
/* The next record. check: its checksum is verified and its payload left at scratch +
 * JOURNAL_RECORD_HEADER_BYTES; otherwise the header alone is trusted. */
bool scan_next(struct scan *scan, bool check);

/* journal_find.c */
uint16_t key_print(const uint8_t key[KEY_SIZE]);
void index_clear(struct journal *journal);
/* Takes a keyed record of the head into the index. */
void index_add(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t offset);
uint32_t footer_size(uint32_t key_count);
bool footer_put(struct journal *journal);
/* True when the place's sector has a whole footer. */
bool footer_is_whole(struct journal *journal, struct place place);

/* journal.c */
/* Begins a new head that has room for a record of record_size;
 * writes the old head's footer first. */
uint16_t journal_roll(struct journal *journal, size_t record_size);

#endif
