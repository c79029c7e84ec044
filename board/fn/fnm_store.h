/* The module's append-only log: CRC-guarded records behind one header (STORE.md has the bytes), on
 * whatever keeps bytes (fnm_storage.h; a file outside the tests).
 *
 * Always true: a record is one write and one sync, made safe before fnm_store_append returns; a
 * torn last record is dropped and blanked on open; damage followed by a later good record is an
 * error, never a silent loss.
 */
#ifndef BOARD_FN_FNM_STORE_H
#define BOARD_FN_FNM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/fn/fnm_storage.h"

#define FNM_STORE_VERSION     1u
#define FNM_STORE_HEADER_SIZE 64u
#define FNM_RECORD_HEADER     24u
#define FNM_RECORD_ALIGN      8u
#define FNM_RECORD_MAX        33024u /* payload: a document of 32 KB with its index data */
#define FNM_KEY_SIZE          16u
#define FNM_SERIAL_SIZE       16u

enum fnm_record_type { FNM_RECORD_DOCUMENT = 1, FNM_RECORD_CONFIRMATION = 2, FNM_RECORD_WIPE = 3 };

struct fnm_store_identity {
    char serial[FNM_SERIAL_SIZE + 1];
    uint8_t key[FNM_KEY_SIZE];
    uint16_t key_days;
};

struct fnm_store {
    const struct fnm_storage *storage;
    uint64_t end;      /* where the next record goes */
    uint64_t size;     /* of the storage; everything from end to size is zero */
    uint32_t sequence; /* of the last record */
    bool no_sync;
    bool broken; /* a write or sync failed: nothing more is accepted */
    uint64_t writes, syncs, bytes_written;
    uint8_t buffer[FNM_RECORD_HEADER + FNM_RECORD_MAX + FNM_RECORD_ALIGN];
};

/* Called for each good record in order, with the place of its payload;
 * false stops with an error. */
typedef bool fnm_store_replay(void *context, uint16_t type, uint64_t offset, const uint8_t *payload,
                              size_t size);

/* Opens or creates. `fresh` is what a new store is born with; *identity gets what the store holds.
 * The storage must outlive the store. False: *error says why, and the storage is closed. */
bool fnm_store_open(struct fnm_store *store, const struct fnm_storage *storage,
                    const struct fnm_store_identity *fresh, struct fnm_store_identity *identity,
                    char *error, size_t error_size);
/* Walks the records once, right after opening, and settles where the file ends. */
bool fnm_store_load(struct fnm_store *store, fnm_store_replay *replay, void *context, char *error,
                    size_t error_size);
void fnm_store_close(struct fnm_store *store);
/* Where the payload of the next record is to be built: FNM_RECORD_MAX bytes. */
uint8_t *fnm_store_payload(struct fnm_store *store);
/* Makes the payload durable. *offset: its place. False: nothing was added, or the store is broken
 * from now on. */
bool fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset);
bool fnm_store_read(const struct fnm_store *store, uint64_t offset, void *data, size_t size);

#endif
