/* The board's memory: an append-only log on NOR flash that survives a power cut at any operation.
 *
 * JOURNAL.md holds the byte tables; format version 1. The log runs round a ring of sectors. Each sector starts with
 * a header and a checkpoint: an image of the running state as of that point, given by the caller. Mounting
 * reads the sector headers, then the newest sector: state = its checkpoint plus its records, in order.
 *
 * Invariants:
 *  J1 A record is whole (CRC-32C) or absent; a torn tail never comes back to life after later appends.
 *  J2 Sequence numbers grow by one from record to record, across sectors.
 *  J3 After a cut the log is a prefix of what was appended, and contains all that was synced.
 *  J4 No append waits for an erase while erased sectors are kept ahead (journal_maintain).
 *  J5 A record of a kept key can be found by key until its sector is reclaimed, oldest first.
 *  J6 Mounting writes nothing when the log is clean; mounting twice gives the same state.
 */
#ifndef FIRMWARE_JOURNAL_H
#define FIRMWARE_JOURNAL_H

#include "board/board.h"
#include "firmware/limits.h"
#include "proto/link_message.h"

enum journal_type {
    JOURNAL_CHECKPOINT = 1, /* first record of every sector; payload is the caller's */
    JOURNAL_INTENT = 2,     /* payload starts with the 16-byte key */
    JOURNAL_DONE = 3,       /* payload starts with the 16-byte key */
    JOURNAL_ABORTED = 4,    /* payload starts with the key: the job ended refused after its INTENT, nothing was punched */
    JOURNAL_SLIP = 5,       /* body of a non-fiscal slip or of text around a receipt; payload starts with the key */
    JOURNAL_PRINTING = 6,   /* the first byte of a slip is about to go out: u32 slip id */
    JOURNAL_PRINTED = 7,    /* the slip is whole on paper: u32 slip id */
    JOURNAL_SETTINGS = 8    /* whole settings, one TLV list */
};

struct journal_record {
    uint32_t address;  /* of the record on flash; with sequence it names the record for journal_read */
    uint64_t sequence;
    uint8_t type;
    uint16_t size;     /* of payload */
};

/* Called while mounting, in order: the newest checkpoint, then every record after it. payload is valid during the call. */
typedef void (*journal_replay)(void *user, const struct journal_record *record, const uint8_t *payload);
/* Called when a new sector begins: write the state as of now. At most LIMIT_JOURNAL_RECORD_BYTES. */
typedef void (*journal_checkpoint)(void *user, struct byte_writer *writer);

struct journal_region {
    uint32_t first_sector, sectors; /* of the board's flash; at least 3 */
};

struct journal {
    const struct board *board;
    struct journal_region region;
    journal_checkpoint checkpoint;
    void *user;
    uint64_t next_sequence;
    uint32_t head_sector;  /* being written, relative to the region */
    uint32_t head_offset;
    uint32_t oldest_sector;
    uint32_t used_sectors; /* holding records, the head included */
    uint32_t erased_ahead; /* erased sectors after the head */
    uint32_t head_generation; /* sector counter, grows with each new head */
    uint16_t key_count;    /* keys in the head sector so far */
    uint16_t key_prints[128]; /* their 16-bit fingerprints, written into the footer when the sector is sealed */
    uint32_t flash_read_bytes, flash_programmed_bytes, flash_erases; /* counted for the bench and the tests */
    bool mounted;
    uint8_t scratch[LIMIT_JOURNAL_RECORD_BYTES + 64];
};

/* Finds the log on flash, or makes an empty one on blank flash, and replays the newest state. Returns ERROR_NONE, ERROR_JOURNAL_FAULT,
 * ERROR_VERSION_UNSUPPORTED (a newer format is left alone). checkpoint may be called (torn sector start). */
uint16_t journal_mount(struct journal *journal, const struct board *board,
                       struct journal_region region, journal_replay replay,
                       journal_checkpoint checkpoint, void *user);
/* Appends; programmed but safe from a power cut only after journal_sync (on real NOR: at once). ERROR_NONE, ERROR_JOURNAL_FAULT,
 * ERROR_JOURNAL_FULL (no erased sector ahead and erase failed). record may be NULL. */
uint16_t journal_append(struct journal *journal, uint8_t type, const void *payload, size_t size,
                        struct journal_record *record);
uint16_t journal_sync(struct journal *journal);
/* Erases ahead, at most one sector a call. True when it did something. Call only when no job waits. */
bool journal_maintain(struct journal *journal);
/* The newest record of one of the wanted types (bit 1 << type) whose payload starts with key. 1 found and up to capacity bytes of its payload
 * copied, 0 absent, < 0 flash error. Reads footers, then the sectors they point to. */
int journal_find(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t type_mask,
                 struct journal_record *record, uint8_t *payload, size_t capacity);
/* Reads a record again. False when it is gone or damaged. */
bool journal_read(struct journal *journal, const struct journal_record *record, uint8_t *payload,
                  size_t capacity);
/* Walks the whole log from the oldest record on: for the tests, the demo's comparison and `kkt-board journal`. A false return of the visitor
 * stops the walk. */
typedef bool (*journal_visitor)(void *user, const struct journal_record *record, const uint8_t *payload);
void journal_walk(struct journal *journal, journal_visitor visit, void *user);

#endif
