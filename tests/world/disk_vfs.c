/* SQLite's side of the simulated disk: the methods of its files, their locks and shared memory, and
 * the methods of the VFS. What each may return is what SQLite's own VFS for unix returns.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/world/disk_state.h"

#define SHARED_REGIONS 64              /* an index of 32 KiB each: a WAL of about 260,000 pages */
#define UNIX_EPOCH_MS  210866760000000 /* in milliseconds of the Julian day SQLite counts from */

struct disk_shared {
    void *regions[SHARED_REGIONS];
};

struct disk_handle {
    sqlite3_file base; /* SQLite's part stands first */
    struct disk *disk;
    struct disk_file *file;
    struct disk_handle *next; /* of the same file */
    bool read_only, delete_on_close, syncs_folder;
    int lock; /* SQLITE_LOCK_* */
    bool shares;
    unsigned shared_locks, exclusive_locks; /* of the shared memory, a bit each */
};

static struct disk_handle *handle_of(sqlite3_file *file)
{
    return (struct disk_handle *)file;
}

/* ---- Content ---- */

static int handle_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset)
{
    struct disk_handle *handle = handle_of(base);
    const struct disk_file *file = handle->file;
    size_t from = (size_t)offset, wanted = (size_t)amount;
    if (handle->disk->status.dead || disk_strikes(handle->disk, DISK_FAULT_READ_ERROR))
        return SQLITE_IOERR_READ;
    handle->disk->status.counters.reads++;
    size_t there = from < file->size ? file->size - from : 0;
    if (there > wanted)
        there = wanted;
    if (there > 0)
        memcpy(out, file->bytes + from, there);
    if (there == wanted)
        return SQLITE_OK;
    memset((uint8_t *)out + there, 0, wanted - there);
    return SQLITE_IOERR_SHORT_READ;
}

static int handle_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
    struct disk_handle *handle = handle_of(base);
    struct disk *disk = handle->disk;
    size_t size = (size_t)amount;
    int result = SQLITE_OK;
    if (disk->status.dead)
        return SQLITE_IOERR_WRITE;
    if (!handle->file->is_temporary && disk_begin_operation(disk) == DISK_TURN_DIES) {
        size = disk_share_of(disk, size);
        result = SQLITE_IOERR_WRITE;
    } else if (handle->read_only || disk_strikes(disk, DISK_FAULT_READ_ONLY)) {
        return SQLITE_IOERR_WRITE;
    } else if (disk_strikes(disk, DISK_FAULT_FULL)) {
        return SQLITE_FULL;
    } else if (disk_strikes(disk, DISK_FAULT_WRITE_ERROR)) {
        size /= 2;
        result = SQLITE_IOERR_WRITE;
    }
    if (!disk_file_write(disk, handle->file, (size_t)offset, bytes, size))
        return SQLITE_IOERR_NOMEM;
    return result;
}

static int handle_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct disk_handle *handle = handle_of(base);
    struct disk *disk = handle->disk;
    int result = SQLITE_OK;
    if (disk->status.dead)
        return SQLITE_IOERR_TRUNCATE;
    if (!handle->file->is_temporary && disk_begin_operation(disk) == DISK_TURN_DIES) {
        if (!disk_dying_does_it(disk))
            return SQLITE_IOERR_TRUNCATE;
        result = SQLITE_IOERR_TRUNCATE;
    } else if (handle->read_only || disk_strikes(disk, DISK_FAULT_READ_ONLY)) {
        return SQLITE_IOERR_TRUNCATE;
    }
    return disk_file_truncate(handle->file, (size_t)size) ? result : SQLITE_IOERR_NOMEM;
}

static int handle_sync(sqlite3_file *base, int flags)
{
    struct disk_handle *handle = handle_of(base);
    struct disk *disk = handle->disk;
    struct disk_file *file = handle->file;
    (void)flags;
    if (disk->status.dead)
        return SQLITE_IOERR_FSYNC;
    if (file->is_temporary)
        return SQLITE_OK;
    if (disk_begin_operation(disk) == DISK_TURN_DIES) {
        disk_file_settle(file, disk_share_of(disk, file->edit_count));
        if (disk->status.kill_share != DISK_KILL_AFTER)
            return SQLITE_IOERR_FSYNC;
    } else {
        if (disk_strikes(disk, DISK_FAULT_SYNC_ERROR))
            return SQLITE_IOERR_FSYNC;
        disk->status.counters.syncs++;
        if (disk_strikes(disk, DISK_FAULT_LYING_SYNC))
            return SQLITE_OK;
        disk_file_settle(file, file->edit_count);
    }
    disk_file_settle_name(disk, file);
    if (handle->syncs_folder)
        disk_folder_settle(disk, file->name);
    handle->syncs_folder = false;
    return disk->status.dead ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int handle_size(sqlite3_file *base, sqlite3_int64 *size)
{
    if (handle_of(base)->disk->status.dead)
        return SQLITE_IOERR_FSTAT;
    *size = (sqlite3_int64)handle_of(base)->file->size;
    return SQLITE_OK;
}

/* ---- Locks of a file ---- */

/* The highest lock that another handle has. */
static int others_lock(const struct disk_handle *handle)
{
    int highest = SQLITE_LOCK_NONE;
    for (const struct disk_handle *other = handle->file->handles; other != NULL;
         other = other->next) {
        if (other != handle && other->lock > highest)
            highest = other->lock;
    }
    return highest;
}

static int handle_lock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = handle_of(base);
    if (handle->disk->status.dead)
        return SQLITE_IOERR_LOCK;
    if (handle->lock >= level)
        return SQLITE_OK;
    if (disk_strikes(handle->disk, DISK_FAULT_BUSY))
        return SQLITE_BUSY;
    int others = others_lock(handle);
    if (level == SQLITE_LOCK_SHARED && others >= SQLITE_LOCK_PENDING)
        return SQLITE_BUSY;
    if (level >= SQLITE_LOCK_RESERVED && others >= SQLITE_LOCK_RESERVED)
        return SQLITE_BUSY;
    if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
        /* No new readers until the old ones have gone. */
        handle->lock = SQLITE_LOCK_PENDING;
        return SQLITE_BUSY;
    }
    handle->lock = level;
    return SQLITE_OK;
}

/* Works on a dead disk too: whoever unwinds gives back what he has. */
static int handle_unlock(sqlite3_file *base, int level)
{
    if (handle_of(base)->lock > level)
        handle_of(base)->lock = level;
    return SQLITE_OK;
}

static int handle_check_reserved(sqlite3_file *base, int *out)
{
    const struct disk_handle *handle = handle_of(base);
    if (handle->disk->status.dead)
        return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *out = handle->lock >= SQLITE_LOCK_RESERVED || others_lock(handle) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

/* ---- Shared memory of a WAL ---- */

static int handle_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_file *file = handle->file;
    *out = NULL;
    if (handle->disk->status.dead || region >= SHARED_REGIONS)
        return SQLITE_IOERR_SHMMAP;
    if (file->shared == NULL) {
        if (handle->read_only || disk_strikes(handle->disk, DISK_FAULT_READ_ONLY))
            return SQLITE_CANTOPEN;
        file->shared = calloc(1, sizeof *file->shared);
        if (file->shared == NULL)
            return SQLITE_IOERR_NOMEM;
    }
    handle->shares = true;
    void **at = &file->shared->regions[region];
    if (*at == NULL && extend != 0) {
        *at = calloc(1, (size_t)size);
        if (*at == NULL)
            return SQLITE_IOERR_NOMEM;
    }
    *out = *at;
    return SQLITE_OK;
}

static int handle_shared_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct disk_handle *handle = handle_of(base);
    unsigned mask = ((1u << (offset + count)) - 1u) & ~((1u << offset) - 1u);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        handle->shared_locks &= ~mask;
        handle->exclusive_locks &= ~mask;
        return SQLITE_OK;
    }
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if (handle->disk->status.dead)
        return SQLITE_IOERR_SHMLOCK;
    if (exclusive && disk_strikes(handle->disk, DISK_FAULT_BUSY))
        return SQLITE_BUSY;
    for (const struct disk_handle *other = handle->file->handles; other != NULL;
         other = other->next) {
        unsigned in_the_way = other->exclusive_locks | (exclusive ? other->shared_locks : 0);
        if (other != handle && (in_the_way & mask) != 0)
            return SQLITE_BUSY;
    }
    if (exclusive)
        handle->exclusive_locks |= mask;
    else
        handle->shared_locks |= mask;
    return SQLITE_OK;
}

static void handle_barrier(sqlite3_file *base)
{
    (void)base;
}

/* The memory goes with its last user: a file of it would be made anew by the next one anyway. */
static int handle_unmap(sqlite3_file *base, int delete_it)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_file *file = handle->file;
    (void)delete_it;
    handle->shares = false;
    handle->shared_locks = handle->exclusive_locks = 0;
    for (const struct disk_handle *other = file->handles; other != NULL; other = other->next) {
        if (other->shares)
            return SQLITE_OK;
    }
    for (size_t i = 0; file->shared != NULL && i < SHARED_REGIONS; i++)
        free(file->shared->regions[i]);
    free(file->shared);
    file->shared = NULL;
    return SQLITE_OK;
}

/* ---- The rest of a file ---- */

static int handle_control(sqlite3_file *base, int operation, void *argument)
{
    (void)base;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int handle_sector_size(sqlite3_file *base)
{
    (void)base;
    return (int)DISK_SECTOR;
}

/* What SQLite takes for granted on unix: a torn write does not hurt the bytes beside it. */
static int handle_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int handle_close(sqlite3_file *base)
{
    struct disk_handle *handle = handle_of(base);
    struct disk_handle **at = &handle->file->handles;
    handle_unmap(base, 0);
    while (*at != handle)
        at = &(*at)->next;
    *at = handle->next;
    handle->disk->open_handles--;
    if (handle->delete_on_close && !handle->disk->status.dead)
        handle->file->linked = false;
    disk_files_sweep(handle->disk);
    return SQLITE_OK;
}

static const sqlite3_io_methods handle_methods = {
    .iVersion = 2,
    .xClose = handle_close,
    .xRead = handle_read,
    .xWrite = handle_write,
    .xTruncate = handle_truncate,
    .xSync = handle_sync,
    .xFileSize = handle_size,
    .xLock = handle_lock,
    .xUnlock = handle_unlock,
    .xCheckReservedLock = handle_check_reserved,
    .xFileControl = handle_control,
    .xSectorSize = handle_sector_size,
    .xDeviceCharacteristics = handle_characteristics,
    .xShmMap = handle_map,
    .xShmLock = handle_shared_lock,
    .xShmBarrier = handle_barrier,
    .xShmUnmap = handle_unmap,
};

/* ---- The VFS ---- */

static struct disk *disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* The file to open, made if that is wanted; NULL: *result says why not. */
static struct disk_file *open_file(struct disk *disk, const char *name, int flags, int *result)
{
    *result = SQLITE_CANTOPEN;
    struct disk_file *file = name == NULL ? NULL : disk_file_find(disk, name);
    if (file != NULL)
        return (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? NULL : file;
    if ((flags & SQLITE_OPEN_CREATE) == 0)
        return NULL;
    bool dies = name != NULL && disk_begin_operation(disk) == DISK_TURN_DIES;
    if (dies && !disk_dying_does_it(disk))
        return NULL;
    if (!dies && disk_strikes(disk, DISK_FAULT_READ_ONLY))
        return NULL;
    file = disk_file_create(disk, name);
    if (file == NULL)
        *result = SQLITE_NOMEM;
    return dies ? NULL : file;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *flags_out)
{
    struct disk *disk = disk_of(vfs);
    struct disk_handle *handle = handle_of(base);
    int result;
    memset(handle, 0, sizeof *handle);
    if (disk->status.dead || (name != NULL && strlen(name) >= DISK_NAME_LENGTH))
        return SQLITE_CANTOPEN;
    struct disk_file *file = open_file(disk, name, flags, &result);
    if (file == NULL)
        return result;
    handle->read_only = (flags & SQLITE_OPEN_READWRITE) == 0;
    if (!handle->read_only && !file->is_temporary && disk_strikes(disk, DISK_FAULT_READ_ONLY)) {
        handle->read_only = true;
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    handle->syncs_folder =
        (flags & SQLITE_OPEN_CREATE) != 0 &&
        (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL)) != 0;
    handle->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    handle->disk = disk;
    handle->file = file;
    handle->next = file->handles;
    file->handles = handle;
    disk->open_handles++;
    handle->base.pMethods = &handle_methods;
    if (flags_out != NULL)
        *flags_out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct disk *disk = disk_of(vfs);
    if (disk->status.dead)
        return SQLITE_IOERR_DELETE;
    struct disk_file *file = disk_file_find(disk, name);
    if (file == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    if (disk_begin_operation(disk) == DISK_TURN_DIES) {
        if (disk_dying_does_it(disk))
            disk_file_unlink(disk, file);
        if (sync_folder != 0 && disk->status.kill_share == DISK_KILL_AFTER)
            disk_folder_settle(disk, name);
        return SQLITE_IOERR_DELETE;
    }
    if (disk_strikes(disk, DISK_FAULT_READ_ONLY))
        return SQLITE_IOERR_DELETE;
    disk_file_unlink(disk, file);
    if (sync_folder == 0)
        return SQLITE_OK;
    if (disk_strikes(disk, DISK_FAULT_SYNC_ERROR))
        return SQLITE_IOERR_DIR_FSYNC;
    disk->status.counters.syncs++;
    if (!disk_strikes(disk, DISK_FAULT_LYING_SYNC))
        disk_folder_settle(disk, name);
    return SQLITE_OK;
}

/* As on unix, an empty file does not count as there when only that is asked. */
static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    struct disk *disk = disk_of(vfs);
    const struct disk_file *file = disk_file_find(disk, name);
    if (disk->status.dead)
        return SQLITE_IOERR_ACCESS;
    *out = file != NULL && (flags != SQLITE_ACCESS_EXISTS || file->size > 0);
    if (flags == SQLITE_ACCESS_READWRITE && disk->status.fault == DISK_FAULT_READ_ONLY)
        *out = 0;
    return SQLITE_OK;
}

static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int capacity, char *out)
{
    size_t length = strlen(name);
    (void)vfs;
    if (length >= (size_t)capacity)
        return SQLITE_CANTOPEN;
    memcpy(out, name, length + 1);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int amount, char *out)
{
    for (int i = 0; i < amount; i++)
        out[i] = (char)(disk_random(&disk_of(vfs)->status.random) & 0xFF);
    return amount;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    struct disk_counters *counters = &disk_of(vfs)->status.counters;
    counters->sleeps++;
    counters->slept_us += (uint64_t)microseconds;
    return microseconds;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    *out = UNIX_EPOCH_MS + disk_of(vfs)->status.unix_s * 1000;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int capacity, char *out)
{
    (void)vfs;
    if (capacity > 0)
        out[0] = '\0';
    return 0;
}

void disk_vfs_init(struct disk *disk)
{
    disk->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct disk_handle),
        .mxPathname = DISK_NAME_LENGTH - 1,
        .zName = "world",
        .pAppData = disk,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_name,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = vfs_time,
    };
}
