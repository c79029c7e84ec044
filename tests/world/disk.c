/* The simulated disk as the world sees it: its making, faults, death, crash, snapshots, digest. */
#include "tests/world/disk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"
#include "tests/world/disk_state.h"

struct disk_image {
    struct disk_status status;
    struct disk_file *files;
};

/* SQLite keeps a random sequence of its own for the whole process, which it begins from the default
 * VFS. Begun anew here, runs in one process do not influence each other. */
static void begin_sequence(void)
{
    sqlite3_randomness(0, NULL);
}

struct disk *disk_create(bool as_default)
{
    struct disk *disk = calloc(1, sizeof *disk);
    if (disk == NULL || sqlite3_initialize() != SQLITE_OK) {
        free(disk);
        return NULL;
    }
    disk_vfs_init(disk);
    if (sqlite3_vfs_register(&disk->vfs, as_default) != SQLITE_OK) {
        free(disk);
        return NULL;
    }
    begin_sequence();
    return disk;
}

void disk_destroy(struct disk *disk)
{
    if (disk == NULL)
        return;
    assert(disk->open_handles == 0);
    sqlite3_vfs_unregister(&disk->vfs);
    begin_sequence();
    disk_files_free(disk->files);
    free(disk);
}

void disk_format(struct disk *disk)
{
    assert(disk->open_handles == 0);
    disk_files_free(disk->files);
    disk->files = NULL;
    memset(&disk->status, 0, sizeof disk->status);
    begin_sequence();
}

void disk_seed(struct disk *disk, uint32_t seed)
{
    disk->status.random = seed;
    begin_sequence();
}

/* ---- Faults and death ---- */

void disk_set_fault(struct disk *disk, enum disk_fault fault, unsigned times)
{
    disk->status.fault = fault;
    disk->status.fault_left = times;
}

bool disk_strikes(struct disk *disk, enum disk_fault fault)
{
    struct disk_status *status = &disk->status;
    if (status->fault != fault)
        return false;
    if (status->fault_left > 0 && --status->fault_left == 0)
        status->fault = DISK_FAULT_NONE;
    return true;
}

void disk_kill_at(struct disk *disk, uint64_t operation)
{
    disk->status.kill_at = operation;
}

void disk_set_kill_share(struct disk *disk, enum disk_kill_share share)
{
    disk->status.kill_share = share;
}

void disk_kill(struct disk *disk)
{
    disk->status.dead = true;
}

bool disk_is_dead(const struct disk *disk)
{
    return disk->status.dead;
}

enum disk_turn disk_begin_operation(struct disk *disk)
{
    struct disk_status *status = &disk->status;
    assert(!status->dead);
    if (++status->operations != status->kill_at)
        return DISK_TURN_WHOLE;
    status->dead = true;
    return DISK_TURN_DIES;
}

size_t disk_share_of(const struct disk *disk, size_t amount)
{
    switch (disk->status.kill_share) {
    case DISK_KILL_BEFORE:
        return 0;
    case DISK_KILL_HALF:
        return amount / 2;
    case DISK_KILL_AFTER:
        break;
    }
    return amount;
}

bool disk_dying_does_it(const struct disk *disk)
{
    return disk->status.kill_share != DISK_KILL_BEFORE;
}

void disk_crash(struct disk *disk, enum disk_crash_kind kind, uint32_t seed)
{
    assert(kind == DISK_CRASH_PROCESS || disk->open_handles == 0);
    uint64_t random = seed;
    if (kind == DISK_CRASH_MACHINE)
        disk_files_crash(disk, &random);
    disk->status.dead = false;
    disk->status.kill_at = 0;
    disk->status.counters.crashes++;
    begin_sequence();
}

/* ---- Looking ---- */

uint64_t disk_operations(const struct disk *disk)
{
    return disk->status.operations;
}

struct disk_counters disk_counters(const struct disk *disk)
{
    return disk->status.counters;
}

unsigned disk_open_files(const struct disk *disk)
{
    return disk->open_handles;
}

void disk_set_time(struct disk *disk, int64_t unix_s)
{
    disk->status.unix_s = unix_s;
}

/* The first name after `name` in the order of strcmp; NULL: none. name NULL: the first of all. */
static const struct disk_file *next_by_name(const struct disk *disk, const char *name)
{
    const struct disk_file *found = NULL;
    for (const struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->linked && (name == NULL || strcmp(file->name, name) > 0) &&
            (found == NULL || strcmp(file->name, found->name) < 0))
            found = file;
    }
    return found;
}

uint32_t disk_digest(const struct disk *disk)
{
    uint32_t crc = CRC32C_INIT;
    const struct disk_file *file = next_by_name(disk, NULL);
    for (; file != NULL; file = next_by_name(disk, file->name)) {
        uint64_t size = file->size;
        crc = crc32c_update(crc, file->name, strlen(file->name) + 1);
        crc = crc32c_update(crc, &size, sizeof size);
        crc = crc32c_update(crc, file->bytes, file->size);
    }
    return crc;
}

bool disk_rot(struct disk *disk, const char *name, uint32_t seed, unsigned bits)
{
    struct disk_file *file = disk_file_find(disk, name);
    uint64_t random = seed;
    if (file == NULL)
        return false;
    for (unsigned i = 0; i < bits && file->size > 0; i++) {
        uint64_t bit = (uint64_t)disk_random(&random) << 32;
        bit = (bit | disk_random(&random)) % ((uint64_t)file->size * 8);
        file->bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    return true;
}

/* ---- Snapshots ---- */

struct disk_image *disk_save(const struct disk *disk)
{
    assert(disk->open_handles == 0);
    struct disk_image *image = malloc(sizeof *image);
    if (image == NULL)
        return NULL;
    image->status = disk->status;
    if (disk_files_copy(disk->files, &image->files))
        return image;
    free(image);
    return NULL;
}

void disk_restore(struct disk *disk, const struct disk_image *image)
{
    assert(disk->open_handles == 0);
    struct disk_file *files;
    /* There is no half of a restore to go on with. */
    if (!disk_files_copy(image->files, &files))
        abort();
    disk_files_free(disk->files);
    disk->files = files;
    disk->status = image->status;
    begin_sequence();
}

void disk_image_free(struct disk_image *image)
{
    if (image == NULL)
        return;
    disk_files_free(image->files);
    free(image);
}
