/* The board's memory: an append-only log on NOR flash that survives a power cut at any operation.
 *
 * JOURNAL.md holds the byte tables; format version 1. The log runs round a ring of sectors. A
 * sector is one erase unit of the flash, or several small ones taken together. It starts with a
 * header and a checkpoint: an image of the running state as of that point, given by the caller.
 * Mounting reads the sector headers, then the newest sector: state = its checkpoint plus its
 * records, in order. A full sector is sealed with a footer of 16-bit fingerprints of its keys, so
 * that a key is looked up in the footers, newest first, and then in a stretch of about 32 keys of
 * the sector whose footer matched.
 *
 * Invariants:
 *  J1 A record is whole (CRC-32C) or absent; a torn tail never comes back to life after later
 *     appends: mounting programs it to all zero bits before anything else is written.
 *  J2 Sequence numbers grow by one from record to record, across sectors.
 *  J3 After a cut the log is a prefix of what was appended, and contains all that was synced.
 *  J4 No append waits for an erase while erased sectors are kept ahead (journal_maintain).
 *  J5 A record of a kept key can be found by key until its sector is reclaimed, oldest first. The
 *     head is never erased.
 *  J6 Mounting writes nothing when the log is clean; mounting twice gives the same state.
 *  J7 A sector is written only when its erase is known to have ended: a mark is programmed after
 *     every verified erase and taken back before the first use. Blank bytes alone are never
 *     trusted.
 *  J8 Every program is verified by reading back; what flash did not take is tried again in another
 *     sector.
 *  J9 Flash that holds no log and is not blank is left alone: someone else's data is not ours to
 *     erase.
 *  J10 Rot costs the record it lies in and no other; in a sector header or a footer, nothing.
 *  J11 On flash that buffers until it is synced: a checkpoint is never safe before the records it
 *     counts are, and all that a mount replays is safe when it returns.
 */
#ifndef FIRMWARE_JOURNAL_H
#define FIRMWARE_JOURNAL_H

#include "board/board.h"
#include "firmware/limits.h"
#include "proto/link_message.h"

#define JOURNAL_FORMAT_VERSION      1u
#define JOURNAL_RECORD_HEADER_BYTES 12u
#define JOURNAL_SECTOR_HEADER_BYTES 28u
#define JOURNAL_KEYS_MAX            512u /* fingerprints a sector holds; used up: it is sealed */
#define JOURNAL_ZONE_KEYS           32u  /* fingerprints of one zone, the stretch a lookup reads */
#define JOURNAL_ZONES_MAX           (JOURNAL_KEYS_MAX / JOURNAL_ZONE_KEYS)

enum journal_type {
    JOURNAL_CHECKPOINT = 1, /* first record of every sector; payload is the caller's */
    JOURNAL_INTENT = 2,     /* payload starts with the 16-byte key */
    JOURNAL_DONE = 3,       /* payload starts with the 16-byte key */
    JOURNAL_ABORTED = 4,    /* payload starts with the key: the job ended refused after its INTENT,
                               nothing was punched */
    JOURNAL_SLIP =
        5, /* body of a non-fiscal slip or of text around a receipt; payload starts with the key */
    JOURNAL_PRINTING = 6, /* the first byte of a slip is about to go out: u32 slip id */
    JOURNAL_PRINTED = 7,  /* the slip is whole on paper: u32 slip id */
    JOURNAL_SETTINGS = 8  /* whole settings, one TLV list */
    /* 9..14 free; 0 and 15..255 never */
};

struct journal_record {
    uint32_t
        address; /* of the record on flash; with sequence it names the record for journal_read */
    uint64_t sequence;
    uint8_t type;
    uint16_t size; /* of payload */
};

/* Called while mounting, in order: the newest checkpoint, then every record after it. payload is
 * valid during the call. (Only when the newest sector's own checkpoint has rotted, an older
 * sector's checkpoint and all records since; when that would be the first checkpoint of all, the
 * records alone: the caller is as it was when it made the log.) */
typedef void (*journal_replay)(void *user, const struct journal_record *record,
                               const uint8_t *payload);
/* Writes a payload: at most LIMIT_JOURNAL_RECORD_BYTES. May be called several times for one record
 * (to measure, to try again) and must write the same bytes each time. */
typedef void (*journal_build)(void *user, struct byte_writer *writer);
/* Called when a new sector begins: writes the state as of now, that is, without the record whose
 * append made the sector begin. */
typedef journal_build journal_checkpoint;

/* Where a journal builds and reads records. Used within one call only (and by a visitor's or
 * replay's payload, until that returns), so journals that never work inside each other's calls may
 * share one. */
struct journal_scratch {
    uint8_t bytes[LIMIT_JOURNAL_RECORD_BYTES + JOURNAL_RECORD_HEADER_BYTES];
};

struct journal_region {
    uint32_t first_sector, sectors;  /* erase units of the board's flash; at least 3 */
    struct journal_scratch *scratch; /* outlives the journal */
};

/* All fields are private except the counters. */
struct journal {
    const struct board *board;
    struct journal_region region;
    journal_checkpoint checkpoint;
    void *user;
    uint32_t sector_size; /* of the log: units_per_sector erase units */
    uint32_t sectors;     /* in the ring */
    uint32_t units_per_sector;
    uint8_t invert; /* xor between flash and the page's bytes, where erased is FF */
    bool mounted;
    bool head_closed;       /* takes no more records */
    bool head_sealed;       /* and has its footer */
    bool read_failed;       /* a read failed for good; each public function starts it anew */
    uint8_t erase_failures; /* in a row */
    uint64_t next_sequence;
    uint32_t head_sector;      /* being written, relative to the region */
    uint32_t head_offset;      /* next record */
    uint32_t head_generation;  /* grows by one from sector to sector round the ring; modulo sectors
                                  it is the sector's place */
    uint32_t used_sectors;     /* from the oldest to the head; 0 only while the first one is made */
    uint32_t ahead_distance;   /* sectors after the head already dealt with by erasing */
    uint32_t erased_ahead;     /* of them, those that can be written */
    uint32_t erase_units_left; /* of the sector after them, when its erase is under way */
    uint16_t key_count;        /* fingerprints of the head sector */
    uint16_t key_prints[JOURNAL_KEYS_MAX];
    uint16_t zone_starts[JOURNAL_ZONES_MAX]; /* offset / 4 of the record that began each zone */
    /* Counted for the bench and the tests. */
    uint32_t flash_read_bytes, flash_programmed_bytes, flash_erases;
    uint32_t damaged_records; /* met while mounting: rotten or torn */
    uint8_t *scratch;         /* region.scratch->bytes */
};

/* Finds the log on flash, or makes an empty one on blank flash, and replays the newest state.
 * replay may be NULL. Returns ERROR_NONE, ERROR_JOURNAL_FAULT (flash fails, the geometry cannot
 * hold a log, or it holds something else: nothing is written then), ERROR_VERSION_UNSUPPORTED (a
 * newer format is left alone). checkpoint is called only for a log newly made. */
uint16_t journal_mount(struct journal *journal, const struct board *board,
                       struct journal_region region, journal_replay replay,
                       journal_checkpoint checkpoint, void *user);
/* Appends; programmed but safe from a power cut only after journal_sync (on real NOR: at once).
 * ERROR_NONE, ERROR_JOURNAL_FAULT, ERROR_JOURNAL_FULL (no erased sector ahead and erase failed),
 * ERROR_TOO_LARGE (over LIMIT_JOURNAL_RECORD_BYTES, or does not fit into a sector beside the
 * checkpoint). On an error nothing has been appended. record may be NULL. */
uint16_t journal_append(struct journal *journal, uint8_t type, const void *payload, size_t size,
                        struct journal_record *record);
/* The same for a payload that is written in place rather than copied. */
uint16_t journal_append_built(struct journal *journal, uint8_t type, journal_build build,
                              void *user, struct journal_record *record);
/* Begins a new sector now: its checkpoint is the state as of now, all or nothing. Errors as
 * journal_append. */
uint16_t journal_rotate(struct journal *journal);
uint16_t journal_sync(struct journal *journal);
/* Erases ahead, at most one erase unit a call. True when it did something. Call only when no job
 * waits. */
bool journal_maintain(struct journal *journal);
/* The newest record of one of the wanted types (bit 1 << type) whose payload starts with key. 1
 * found and up to capacity bytes of its payload copied, 0 absent, < 0 flash error. Reads footers,
 * then the zones they point to. record may be NULL. */
int journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                 struct journal_record *record, uint8_t *payload, size_t capacity);
/* Reads a record again, up to capacity bytes of its payload. False when it is gone or damaged. */
bool journal_read(struct journal *journal, const struct journal_record *record, uint8_t *payload,
                  size_t capacity);
/* Walks the whole log from the oldest record on: for the tests, the demo's comparison and
 * `kkt-board journal`. A false return of the visitor stops the walk. The visitor may call
 * journal_find and journal_read, nothing else of the journal. */
typedef bool (*journal_visitor)(void *user, const struct journal_record *record,
                                const uint8_t *payload);
void journal_walk(struct journal *journal, journal_visitor visit, void *user);

#endif
