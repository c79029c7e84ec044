#include "board/fn/fnm_store.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/crc.h"

static const char store_magic[8] = {'O', 'K', 'K', 'T', '-', 'F', 'N', '\n'};
#define RECORD_MAGIC 0x31524E46u /* "FNR1" on disk */

static void explain(char *error, size_t error_size, const char *name, const char *what)
{
    if (error_size > 0)
        snprintf(error, error_size, "%s: %s", name, what);
}

static size_t aligned(size_t size)
{
    return (size + FNM_RECORD_ALIGN - 1) / FNM_RECORD_ALIGN * FNM_RECORD_ALIGN;
}

static void header_encode(const struct fnm_store_identity *identity,
                          uint8_t header[FNM_STORE_HEADER_SIZE])
{
    struct byte_writer writer;
    byte_writer_init(&writer, header, FNM_STORE_HEADER_SIZE);
    put_bytes(&writer, store_magic, sizeof store_magic);
    put_u16le(&writer, FNM_STORE_VERSION);
    put_u16le(&writer, FNM_STORE_HEADER_SIZE);
    put_bytes(&writer, identity->serial, FNM_SERIAL_SIZE);
    put_bytes(&writer, identity->key, FNM_KEY_SIZE);
    put_u16le(&writer, identity->key_days);
    put_fill(&writer, 0, FNM_STORE_HEADER_SIZE - 4 - writer.length);
    put_u32le(&writer, crc32c_update(CRC32C_INIT, header, FNM_STORE_HEADER_SIZE - 4));
    assert(writer.length == FNM_STORE_HEADER_SIZE);
}

static const char *header_decode(const uint8_t *header, struct fnm_store_identity *identity)
{
    if (memcmp(header, store_magic, sizeof store_magic) != 0)
        return "not a fiscal module's store";
    if (get_u16le(header + 8) > FNM_STORE_VERSION)
        return "written by a newer version of this program";
    if (get_u32le(header + FNM_STORE_HEADER_SIZE - 4) !=
            crc32c_update(CRC32C_INIT, header, FNM_STORE_HEADER_SIZE - 4) ||
        get_u16le(header + 8) != FNM_STORE_VERSION)
        return "the header is damaged";
    memcpy(identity->serial, header + 12, FNM_SERIAL_SIZE);
    identity->serial[FNM_SERIAL_SIZE] = 0;
    memcpy(identity->key, header + 28, FNM_KEY_SIZE);
    identity->key_days = get_u16le(header + 44);
    return NULL;
}

static int open_or_create(const struct fnm_storage *storage, const struct fnm_store_identity *fresh,
                          const char **fault)
{
    uint8_t header[FNM_STORE_HEADER_SIZE];
    int found = storage->open(storage->context, fault);
    if (found != 0)
        return found;
    header_encode(fresh, header);
    uint64_t size = storage->chunk > sizeof header ? storage->chunk : sizeof header;
    return storage->create(storage->context, header, sizeof header, size, fault)
               ? storage->open(storage->context, fault)
               : -1;
}

bool fnm_store_open(struct fnm_store *store, const struct fnm_storage *storage,
                    const struct fnm_store_identity *fresh, struct fnm_store_identity *identity,
                    char *error, size_t error_size)
{
    const char *fault = NULL;
    uint8_t header[FNM_STORE_HEADER_SIZE];
    store->storage = storage;
    if (open_or_create(storage, fresh, &fault) == 1)
        fault = storage->read(storage->context, 0, header, sizeof header)
                    ? header_decode(header, identity)
                    : "too short to be a fiscal module's store";
    if (fault != NULL) {
        explain(error, error_size, storage->name, fault);
        fnm_store_close(store);
        return false;
    }
    return true;
}

void fnm_store_close(struct fnm_store *store)
{
    store->storage->close(store->storage->context);
}

/* Size of the good record at offset with this sequence number or a later one,
 * 0 when there is none. */
static size_t record_at(const uint8_t *map, uint64_t size, uint64_t offset, uint32_t sequence_min)
{
    if (size - offset < FNM_RECORD_HEADER)
        return 0;
    const uint8_t *header = map + offset;
    size_t length = get_u32le(header + 4);
    if (get_u32le(header) != RECORD_MAGIC || length > FNM_RECORD_MAX ||
        size - offset < FNM_RECORD_HEADER + length || get_u32le(header + 8) < sequence_min)
        return 0;
    uint32_t crc = crc32c_update(CRC32C_INIT, header, 16);
    crc = crc32c_update(crc, header + FNM_RECORD_HEADER, length);
    return crc == get_u32le(header + 16) ? FNM_RECORD_HEADER + length : 0;
}

static const char *replay_all(struct fnm_store *store, const uint8_t *map, uint64_t size,
                              fnm_store_replay *replay, void *context)
{
    uint64_t offset = FNM_STORE_HEADER_SIZE;
    while (offset < size) {
        size_t length = record_at(map, size, offset, store->sequence + 1);
        const uint8_t *header = map + offset;
        if (length == 0 || get_u32le(header + 8) != store->sequence + 1)
            break;
        store->sequence++;
        if (!replay(context, get_u16le(header + 12), offset + FNM_RECORD_HEADER,
                    header + FNM_RECORD_HEADER, length - FNM_RECORD_HEADER))
            return "a record does not fit the ones before it";
        offset += aligned(length);
    }
    store->end = offset;
    /* What follows is the torn last record or nothing. A good record further on would mean that
     * this one was once whole and has been damaged since. */
    for (uint64_t later = offset; later + FNM_RECORD_HEADER <= size; later += FNM_RECORD_ALIGN)
        if (map[later] != 0 && record_at(map, size, later, store->sequence + 1) != 0)
            return "a record before the last one is damaged";
    return NULL;
}

/* Blanks what a torn write left, so that it never comes back to life behind a shorter record. */
static bool blank_tail(struct fnm_store *store, const uint8_t *map, uint64_t size)
{
    const struct fnm_storage *storage = store->storage;
    uint64_t last = size;
    while (last > store->end && map[last - 1] == 0)
        last--;
    if (last <= store->end)
        return true;
    return storage->zero(storage->context, store->end, last) && storage->sync(storage->context);
}

bool fnm_store_load(struct fnm_store *store, fnm_store_replay *replay, void *context, char *error,
                    size_t error_size)
{
    const struct fnm_storage *storage = store->storage;
    const char *fault = NULL;
    uint64_t size;
    if (!storage->size(storage->context, &size) || size < FNM_STORE_HEADER_SIZE) {
        explain(error, error_size, "store", "cannot be read");
        return false;
    }
    const uint8_t *map = storage->map(storage->context, size, &fault);
    if (map == NULL) {
        explain(error, error_size, "store", fault);
        return false;
    }
    store->sequence = 0;
    fault = replay_all(store, map, size, replay, context);
    if (fault == NULL && store->end <= size && !blank_tail(store, map, size))
        fault = "the torn tail cannot be removed";
    storage->unmap(storage->context, map, size);
    /* A file cut inside its last padding is shorter than the next record's place. */
    store->size = size;
    if (fault == NULL && store->end > size && !storage->zero(storage->context, size, store->end))
        fault = "cannot be extended";
    if (store->size < store->end)
        store->size = store->end;
    if (fault != NULL)
        explain(error, error_size, "store", fault);
    return fault == NULL;
}

uint8_t *fnm_store_payload(struct fnm_store *store)
{
    return store->buffer + FNM_RECORD_HEADER;
}

/* Room for one more record, where the storage grows by chunks. */
static bool store_reserve(struct fnm_store *store, size_t size)
{
    const struct fnm_storage *storage = store->storage;
    if (store->end + size <= store->size)
        return true;
    uint64_t target = store->end + size;
    if (storage->chunk > 0) {
        target = (target + storage->chunk) / storage->chunk * storage->chunk;
        if (!storage->zero(storage->context, store->size, target))
            return false;
        store->writes++;
    }
    store->size = target;
    return true;
}

bool fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset)
{
    const struct fnm_storage *storage = store->storage;
    assert(size <= FNM_RECORD_MAX);
    if (store->broken)
        return false;
    size_t length = aligned(FNM_RECORD_HEADER + size);
    struct byte_writer writer;
    byte_writer_init(&writer, store->buffer, FNM_RECORD_HEADER);
    put_u32le(&writer, RECORD_MAGIC);
    put_u32le(&writer, (uint32_t)size);
    put_u32le(&writer, store->sequence + 1);
    put_u16le(&writer, type);
    put_u16le(&writer, 0);
    uint32_t crc = crc32c_update(CRC32C_INIT, store->buffer, writer.length);
    put_u32le(&writer, crc32c_update(crc, store->buffer + FNM_RECORD_HEADER, size));
    put_u32le(&writer, 0);
    assert(writer.length == FNM_RECORD_HEADER);
    memset(store->buffer + FNM_RECORD_HEADER + size, 0, length - FNM_RECORD_HEADER - size);

    if (!store_reserve(store, length))
        return false;
    if (!storage->write(storage->context, store->end, store->buffer, length)) {
        /* Half a record may lie there. When even blanking fails, only a restart can tell. */
        store->broken = !storage->zero(storage->context, store->end, store->end + length);
        return false;
    }
    store->writes++;
    store->bytes_written += length;
    if (!store->no_sync) {
        if (!storage->sync(storage->context)) {
            store->broken = true;
            return false;
        }
        store->syncs++;
    }
    *offset = store->end + FNM_RECORD_HEADER;
    store->end += length;
    store->sequence++;
    return true;
}

bool fnm_store_read(const struct fnm_store *store, uint64_t offset, void *data, size_t size)
{
    return store->storage->read(store->storage->context, offset, data, size);
}
