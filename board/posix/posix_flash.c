#include "board/posix/posix_flash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "board/posix/posix_file.h"

#define FLASH_FILE    "flash.bin"
#define LOCK_TRIES    40u /* a killed predecessor may still be on its way out */
#define LOCK_PAUSE_NS 50000000L

static bool size_is_right(uint64_t size)
{
    return size >= 4u * POSIX_FLASH_SECTOR_SIZE && size <= POSIX_FLASH_MAX_SIZE &&
           size % POSIX_FLASH_SECTOR_SIZE == 0;
}

/* 0 done, < 0 failed; the bytes are in the file before the call returns. */
static int write_at(int fd, const uint8_t *data, size_t size, uint32_t address)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, data, size, (off_t)address);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return -1;
        data += written;
        size -= (size_t)written;
        address += (uint32_t)written;
    }
    return 0;
}

static bool make_blank(int dir_fd, uint32_t size)
{
    uint8_t sector[POSIX_FLASH_SECTOR_SIZE];
    int fd = openat(dir_fd, FLASH_FILE ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = fd >= 0;
    memset(sector, 0xFF, sizeof sector);
    for (uint32_t address = 0; written && address < size; address += POSIX_FLASH_SECTOR_SIZE)
        written = write_at(fd, sector, sizeof sector, address) == 0;
    written = written && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return written && renameat(dir_fd, FLASH_FILE ".new", dir_fd, FLASH_FILE) == 0 &&
           fsync(dir_fd) == 0;
}

static bool lock_file(int fd)
{
    const struct timespec pause = {0, LOCK_PAUSE_NS};
    for (unsigned attempt = 0; attempt < LOCK_TRIES; attempt++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* wanted 0: all of the file is the chip. */
static bool load_image(struct posix_flash *flash, int dir_fd, const char *name, uint32_t wanted,
                       char *error, size_t error_size)
{
    size_t size = 0;
    flash->image = posix_file_load(dir_fd, name, POSIX_FLASH_MAX_SIZE, &size);
    if (flash->image != NULL && wanted != 0)
        size = size < wanted ? 0 : wanted;
    if (flash->image == NULL || !size_is_right(size)) {
        snprintf(error, error_size, "%s cannot be read, or its size is not that of a flash chip",
                 name);
        return false;
    }
    flash->size = (uint32_t)size;
    return true;
}

bool posix_flash_open(struct posix_flash *flash, int dir_fd, uint32_t size, bool no_sync,
                      char *error, size_t error_size)
{
    memset(flash, 0, sizeof *flash);
    flash->no_sync = no_sync;
    flash->fd = openat(dir_fd, FLASH_FILE, O_RDWR | O_CLOEXEC);
    if (flash->fd < 0 && errno == ENOENT) {
        uint32_t blank_size = size == 0 ? POSIX_FLASH_DEFAULT_SIZE : size;
        if (!size_is_right(blank_size)) {
            snprintf(error, error_size, "flash size must be a multiple of %u from %u to %u",
                     POSIX_FLASH_SECTOR_SIZE, 4u * POSIX_FLASH_SECTOR_SIZE, POSIX_FLASH_MAX_SIZE);
            return false;
        }
        if (!make_blank(dir_fd, blank_size)) {
            snprintf(error, error_size, "%s cannot be made: %s", FLASH_FILE, strerror(errno));
            return false;
        }
        flash->fd = openat(dir_fd, FLASH_FILE, O_RDWR | O_CLOEXEC);
    }
    if (flash->fd < 0) {
        snprintf(error, error_size, "%s cannot be opened: %s", FLASH_FILE, strerror(errno));
        return false;
    }
    bool good = false;
    if (!lock_file(flash->fd))
        snprintf(error, error_size, "another board runs on this state directory");
    else
        good = load_image(flash, dir_fd, FLASH_FILE, 0, error, error_size);
    if (good && size != 0 && size != flash->size) {
        snprintf(error, error_size, "the board's flash has %u bytes and cannot become %u",
                 flash->size, size);
        good = false;
    }
    if (!good)
        posix_flash_close(flash);
    return good;
}

bool posix_flash_open_copy(struct posix_flash *flash, int dir_fd, const char *name, uint32_t size,
                           char *error, size_t error_size)
{
    memset(flash, 0, sizeof *flash);
    flash->fd = -1;
    if (load_image(flash, dir_fd, name != NULL ? name : FLASH_FILE, size, error, error_size))
        return true;
    posix_flash_close(flash);
    return false;
}

void posix_flash_close(struct posix_flash *flash)
{
    if (flash->fd >= 0)
        close(flash->fd);
    free(flash->image);
    flash->fd = -1;
    flash->image = NULL;
}

static void last_words(const struct posix_flash *flash)
{
    if (flash->console != NULL)
        posix_console_flush(flash->console);
}

static _Noreturn void violation(const struct posix_flash *flash, const char *rule, uint32_t address,
                                size_t size)
{
    last_words(flash);
    fprintf(stderr, "flash: %s (address %u, %zu bytes)\n", rule, address, size);
    fflush(stderr);
    abort();
}

static void check_range(const struct posix_flash *flash, uint32_t address, size_t size)
{
    if (address > flash->size || size > flash->size - address)
        violation(flash, "address outside the chip", address, size);
}

int posix_flash_read(struct posix_flash *flash, uint32_t address, void *data, size_t size)
{
    check_range(flash, address, size);
    memcpy(data, flash->image + address, size);
    flash->counters.reads++;
    flash->counters.read_bytes += size;
    return 0;
}

/* Changes file and image; dies half way when the power cut is due now. */
static int change(struct posix_flash *flash, uint32_t address, const uint8_t *data, size_t size)
{
    bool cut = flash->cut_in_operations == 1;
    if (flash->cut_in_operations > 0)
        flash->cut_in_operations--;
    flash->dirty = true;
    if (flash->fd >= 0 && write_at(flash->fd, data, cut ? size / 2 : size, address) != 0) {
        /* Part of it may have arrived: the image follows the file. */
        if (pread(flash->fd, flash->image + address, size, (off_t)address) != (ssize_t)size)
            violation(flash, "the file cannot be read back after a disk error", address, size);
        return -1;
    }
    if (cut) {
        last_words(flash);
        _exit(POSIX_POWER_CUT_STATUS);
    }
    memcpy(flash->image + address, data, size);
    return 0;
}

int posix_flash_program(struct posix_flash *flash, uint32_t address, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    check_range(flash, address, size);
    if (size == 0)
        return 0;
    if (address / POSIX_FLASH_PAGE_SIZE != (address + size - 1) / POSIX_FLASH_PAGE_SIZE)
        violation(flash, "a program crosses a page boundary", address, size);
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] & ~flash->image[address + i]) != 0)
            violation(flash, "a program turns a 0 bit into 1", address + (uint32_t)i, size);
    flash->counters.programs++;
    flash->counters.programmed_bytes += size;
    return change(flash, address, bytes, size);
}

int posix_flash_erase(struct posix_flash *flash, uint32_t address)
{
    uint8_t blank[POSIX_FLASH_SECTOR_SIZE];
    if (address % POSIX_FLASH_SECTOR_SIZE != 0)
        violation(flash, "an erase does not start at a sector", address, sizeof blank);
    check_range(flash, address, sizeof blank);
    memset(blank, 0xFF, sizeof blank);
    flash->counters.erases++;
    return change(flash, address, blank, sizeof blank);
}

int posix_flash_sync(struct posix_flash *flash)
{
    if (!flash->dirty)
        return 0;
    if (flash->fd >= 0 && !flash->no_sync) {
        if (fdatasync(flash->fd) != 0)
            return -1;
        flash->counters.syncs++;
    }
    flash->dirty = false;
    return 0;
}

void posix_flash_cut_at(struct posix_flash *flash, uint32_t operations)
{
    flash->cut_in_operations = operations;
}
