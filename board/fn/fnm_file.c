#include "board/fn/fnm_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

bool fnm_file_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return getrandom(data, size, 0) == (ssize_t)size;
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

/* Real blocks of zeros: an extent that was only reserved would turn each sync into a metadata
 * commit. */
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

static int file_open(void *context, const char **fault)
{
    struct fnm_file *file = context;
    file->fd = open(file->storage.name, O_RDWR | O_CLOEXEC);
    if (file->fd < 0) {
        *fault = strerror(errno);
        return errno == ENOENT ? 0 : -1;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        *fault = "in use by another program";
        return -1;
    }
    return 1;
}

/* The file appears under its name only when its header is safe: a power cut leaves no half-born
 * module. */
static bool file_create(void *context, const uint8_t *header, size_t header_size, uint64_t size,
                        const char **fault)
{
    const struct fnm_file *file = context;
    const char *path = file->storage.name;
    char temporary[4096];
    *fault = "the name is too long";
    if (snprintf(temporary, sizeof temporary, "%s.new", path) >= (int)sizeof temporary)
        return false;
    unlink(temporary);
    int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, header, header_size, 0) &&
                write_zeros(fd, header_size, size) && fsync(fd) == 0;
    if (good)
        good = link(temporary, path) == 0 || errno == EEXIST;
    good = good && sync_folder(path);
    *fault = strerror(errno);
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    return good;
}

static bool file_size(void *context, uint64_t *size)
{
    const struct fnm_file *file = context;
    struct stat status;
    if (fstat(file->fd, &status) != 0)
        return false;
    *size = (uint64_t)status.st_size;
    return true;
}

static bool file_read(void *context, uint64_t offset, void *data, size_t size)
{
    const struct fnm_file *file = context;
    uint8_t *out = data;
    while (size > 0) {
        ssize_t got = pread(file->fd, out, size, (off_t)offset);
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

static bool file_write(void *context, uint64_t offset, const void *data, size_t size)
{
    const struct fnm_file *file = context;
    return write_all(file->fd, data, size, offset);
}

static bool file_zero(void *context, uint64_t from, uint64_t to)
{
    const struct fnm_file *file = context;
    return write_zeros(file->fd, from, to);
}

static bool file_sync(void *context)
{
    const struct fnm_file *file = context;
    return fdatasync(file->fd) == 0;
}

static const uint8_t *file_map(void *context, uint64_t size, const char **fault)
{
    const struct fnm_file *file = context;
    uint8_t *map = mmap(NULL, size, PROT_READ, MAP_SHARED, file->fd, 0);
    if (map != MAP_FAILED)
        return map;
    *fault = strerror(errno);
    return NULL;
}

static void file_unmap(void *context, const uint8_t *map, uint64_t size)
{
    (void)context;
    munmap((void *)(uintptr_t)map, size);
}

static void file_close(void *context)
{
    struct fnm_file *file = context;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void fnm_file_init(struct fnm_file *file, const char *path)
{
    *file = (struct fnm_file){.storage = {.context = file,
                                          .name = path,
                                          .chunk = FNM_FILE_CHUNK,
                                          .open = file_open,
                                          .create = file_create,
                                          .size = file_size,
                                          .read = file_read,
                                          .write = file_write,
                                          .zero = file_zero,
                                          .sync = file_sync,
                                          .map = file_map,
                                          .unmap = file_unmap,
                                          .close = file_close},
                              .fd = -1};
}
