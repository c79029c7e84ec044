#include "board/fn/fnm_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/bytes.h"
#include "proto/crc.h"

static const char store_magic[8] = {'O', 'K', 'K', 'T', '-', 'F', 'N', '\n'};
#define RECORD_MAGIC 0x31524E46u /* "FNR1" on disk */

static void explain(char *error, size_t error_size, const char *path, const char *what)
{
    if (error_size > 0)
        snprintf(error, error_size, "%s: %s", path, what);
}

static size_t aligned(size_t size)
{
    return (size + FNM_RECORD_ALIGN - 1) / FNM_RECORD_ALIGN * FNM_RECORD_ALIGN;
}

static bool write_all(int fd, const uint8_t *data, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, data, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return true;
}

static bool write_zeros(int fd, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[64 * 1024];
    while (from < to) {
        size_t part = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        if (!write_all(fd, zeros, part, from))
            return false;
        from += part;
    }
    return true;
}

bool fnm_store_random(uint8_t *data, size_t size)
{
    return getrandom(data, size, 0) == (ssize_t)size;
}

static bool sync_folder(const char *path)
{
    char copy[4096];
    size_t length = strlen(path);
    if (length >= sizeof copy)
        return false;
    memcpy(copy, path, length + 1);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fsync(fd) == 0;
    close(fd);
    return good;
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

/* The file appears under its name only when its header is safe: a power cut leaves no half-born
 * module. */
static bool store_create(const char *path, const struct fnm_store_identity *fresh)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return false;
    unlink(temporary);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    uint8_t header[FNM_STORE_HEADER_SIZE];
    header_encode(fresh, header);
    bool good = write_all(fd, header, sizeof header, 0) &&
                write_zeros(fd, sizeof header, FNM_STORE_CHUNK) && fsync(fd) == 0;
    close(fd);
    if (good)
        good = link(temporary, path) == 0 || errno == EEXIST;
    unlink(temporary);
    return good && sync_folder(path);
}

bool fnm_store_open(struct fnm_store *store, const char *path,
                    const struct fnm_store_identity *fresh, struct fnm_store_identity *identity,
                    char *error, size_t error_size)
{
    store->fd = open(path, O_RDWR | O_CLOEXEC);
    if (store->fd < 0 && errno == ENOENT) {
        if (!store_create(path, fresh)) {
            explain(error, error_size, path, strerror(errno));
            return false;
        }
        store->fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (store->fd < 0) {
        explain(error, error_size, path, strerror(errno));
        return false;
    }
    const char *fault = NULL;
    uint8_t header[FNM_STORE_HEADER_SIZE];
    if (flock(store->fd, LOCK_EX | LOCK_NB) != 0)
        fault = "in use by another program";
    else if (pread(store->fd, header, sizeof header, 0) != (ssize_t)sizeof header)
        fault = "too short to be a fiscal module's store";
    else
        fault = header_decode(header, identity);
    if (fault != NULL) {
        explain(error, error_size, path, fault);
        fnm_store_close(store);
        return false;
    }
    return true;
}

void fnm_store_close(struct fnm_store *store)
{
    if (store->fd >= 0)
        close(store->fd);
    store->fd = -1;
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
    uint64_t last = size;
    while (last > store->end && map[last - 1] == 0)
        last--;
    if (last <= store->end)
        return true;
    return write_zeros(store->fd, store->end, last) && fdatasync(store->fd) == 0;
}

bool fnm_store_load(struct fnm_store *store, fnm_store_replay *replay, void *context, char *error,
                    size_t error_size)
{
    struct stat status;
    if (fstat(store->fd, &status) != 0 || status.st_size < (off_t)FNM_STORE_HEADER_SIZE) {
        explain(error, error_size, "store", "cannot be read");
        return false;
    }
    uint64_t size = (uint64_t)status.st_size;
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, store->fd, 0);
    if (map == MAP_FAILED) {
        explain(error, error_size, "store", strerror(errno));
        return false;
    }
    store->sequence = 0;
    const char *fault = replay_all(store, map, size, replay, context);
    if (fault == NULL && store->end <= size && !blank_tail(store, map, size))
        fault = "the torn tail cannot be removed";
    munmap(map, size);
    /* A file cut inside its last padding is shorter than the next record's place. */
    store->size = size;
    if (fault == NULL && store->end > size && !write_zeros(store->fd, size, store->end))
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

/* Room for one more record, made of real zero blocks: an extent that was only reserved would turn
 * each sync into a metadata commit. */
static bool store_reserve(struct fnm_store *store, size_t size)
{
    if (store->end + size <= store->size)
        return true;
    uint64_t target = (store->end + size + FNM_STORE_CHUNK) / FNM_STORE_CHUNK * FNM_STORE_CHUNK;
    if (!write_zeros(store->fd, store->size, target))
        return false;
    store->size = target;
    store->writes++;
    return true;
}

bool fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset)
{
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
    if (!write_all(store->fd, store->buffer, length, store->end)) {
        /* Half a record may lie there. When even blanking fails, only a restart can tell. */
        store->broken = !write_zeros(store->fd, store->end, store->end + length);
        return false;
    }
    store->writes++;
    store->bytes_written += length;
    if (!store->no_sync) {
        if (fdatasync(store->fd) != 0) {
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
    uint8_t *out = data;
    while (size > 0) {
        ssize_t got = pread(store->fd, out, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}
