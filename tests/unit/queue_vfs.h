/* A file system under SQLite that fails when it is told to: the n-th operation of a kind, once or
 * from then on, with a code of choice, or by giving or keeping wrong bytes. It stands on the real
 * one; nothing but the failure is made up. Waiting for the disk takes no time here, nor for
 * locks while a failure is planned. Header-only, one
 * test program at a time.
 *
 * Always true: releasing a lock never fails, as on a real system; a file that was opened stays
 * usable, so that healing is possible.
 */
#ifndef TESTS_UNIT_QUEUE_VFS_H
#define TESTS_UNIT_QUEUE_VFS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum vfs_kind {
    VFS_NOTHING,
    VFS_OPEN,
    VFS_READ,
    VFS_WRITE,
    VFS_TRUNCATE,
    VFS_SYNC,
    VFS_SIZE,
    VFS_LOCK,
    VFS_SHM_MAP,
    VFS_SHM_LOCK,
    VFS_DELETE,
    VFS_ACCESS,
    VFS_MEMORY,
    VFS_KINDS
};

struct vfs_plan {
    enum vfs_kind kind;
    unsigned at; /* this one fails, counted from 0 */
    bool stays;  /* and every later one of the kind */
    int code;    /* SQLITE_OK: it succeeds, but the bytes are wrong */
    unsigned seen, struck;
};

struct vfs_file {
    sqlite3_file base;
    sqlite3_file *real;
};

static struct vfs_plan vfs_plan;
static sqlite3_vfs *vfs_real;

static inline void vfs_fail(enum vfs_kind kind, unsigned at, bool stays, int code)
{
    vfs_plan = (struct vfs_plan){.kind = kind, .at = at, .stays = stays, .code = code};
}

static inline void vfs_heal(void)
{
    vfs_plan.kind = VFS_NOTHING;
}

static inline bool vfs_strikes(enum vfs_kind kind)
{
    if (kind != vfs_plan.kind)
        return false;
    unsigned number = vfs_plan.seen++;
    bool strikes = vfs_plan.stays ? number >= vfs_plan.at : number == vfs_plan.at;
    vfs_plan.struck += strikes;
    return strikes;
}

static inline sqlite3_file *vfs_of(sqlite3_file *file)
{
    return ((struct vfs_file *)file)->real;
}

static inline int vfs_close(sqlite3_file *file)
{
    return vfs_of(file)->pMethods->xClose(vfs_of(file));
}

static inline int vfs_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
    bool strikes = vfs_strikes(VFS_READ);
    if (strikes && vfs_plan.code != SQLITE_OK)
        return vfs_plan.code;
    int result = vfs_of(file)->pMethods->xRead(vfs_of(file), bytes, size, offset);
    if (strikes && size > 0)
        ((unsigned char *)bytes)[(size_t)rand() % (size_t)size] ^= (unsigned char)(1 << rand() % 8);
    return result;
}

static inline int vfs_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
    bool strikes = vfs_strikes(VFS_WRITE);
    if (strikes && vfs_plan.code != SQLITE_OK)
        return vfs_plan.code;
    if (!strikes || size <= 0)
        return vfs_of(file)->pMethods->xWrite(vfs_of(file), bytes, size, offset);
    unsigned char *wrong = malloc((size_t)size);
    memcpy(wrong, bytes, (size_t)size);
    wrong[(size_t)rand() % (size_t)size] ^= (unsigned char)(1 << rand() % 8);
    int result = vfs_of(file)->pMethods->xWrite(vfs_of(file), wrong, size, offset);
    free(wrong);
    return result;
}

static inline int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return vfs_strikes(VFS_TRUNCATE) ? vfs_plan.code
                                     : vfs_of(file)->pMethods->xTruncate(vfs_of(file), size);
}

static inline int vfs_sync(sqlite3_file *file, int flags)
{
    (void)file;
    (void)flags;
    return vfs_strikes(VFS_SYNC) ? vfs_plan.code : SQLITE_OK;
}

static inline int vfs_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return vfs_strikes(VFS_SIZE) ? vfs_plan.code
                                 : vfs_of(file)->pMethods->xFileSize(vfs_of(file), size);
}

static inline int vfs_lock(sqlite3_file *file, int level)
{
    return vfs_strikes(VFS_LOCK) ? vfs_plan.code
                                 : vfs_of(file)->pMethods->xLock(vfs_of(file), level);
}

static inline int vfs_unlock(sqlite3_file *file, int level)
{
    return vfs_of(file)->pMethods->xUnlock(vfs_of(file), level);
}

static inline int vfs_reserved(sqlite3_file *file, int *out)
{
    return vfs_of(file)->pMethods->xCheckReservedLock(vfs_of(file), out);
}

static inline int vfs_control(sqlite3_file *file, int operation, void *argument)
{
    return vfs_of(file)->pMethods->xFileControl(vfs_of(file), operation, argument);
}

static inline int vfs_sector(sqlite3_file *file)
{
    return vfs_of(file)->pMethods->xSectorSize(vfs_of(file));
}

static inline int vfs_device(sqlite3_file *file)
{
    return vfs_of(file)->pMethods->xDeviceCharacteristics(vfs_of(file));
}

static inline int vfs_shm_map(sqlite3_file *file, int region, int size, int extend,
                              void volatile **out)
{
    if (vfs_strikes(VFS_SHM_MAP)) {
        *out = NULL;
        return vfs_plan.code;
    }
    return vfs_of(file)->pMethods->xShmMap(vfs_of(file), region, size, extend, out);
}

static inline int vfs_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    if ((flags & SQLITE_SHM_LOCK) != 0 && vfs_strikes(VFS_SHM_LOCK))
        return vfs_plan.code;
    return vfs_of(file)->pMethods->xShmLock(vfs_of(file), offset, count, flags);
}

static inline void vfs_shm_barrier(sqlite3_file *file)
{
    vfs_of(file)->pMethods->xShmBarrier(vfs_of(file));
}

static inline int vfs_shm_unmap(sqlite3_file *file, int erase)
{
    return vfs_of(file)->pMethods->xShmUnmap(vfs_of(file), erase);
}

static inline int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                           int *out_flags)
{
    static const sqlite3_io_methods methods = {.iVersion = 2,
                                               .xClose = vfs_close,
                                               .xRead = vfs_read,
                                               .xWrite = vfs_write,
                                               .xTruncate = vfs_truncate,
                                               .xSync = vfs_sync,
                                               .xFileSize = vfs_size,
                                               .xLock = vfs_lock,
                                               .xUnlock = vfs_unlock,
                                               .xCheckReservedLock = vfs_reserved,
                                               .xFileControl = vfs_control,
                                               .xSectorSize = vfs_sector,
                                               .xDeviceCharacteristics = vfs_device,
                                               .xShmMap = vfs_shm_map,
                                               .xShmLock = vfs_shm_lock,
                                               .xShmBarrier = vfs_shm_barrier,
                                               .xShmUnmap = vfs_shm_unmap};
    struct vfs_file *own = (struct vfs_file *)file;
    (void)vfs;
    own->base.pMethods = NULL;
    own->real = (sqlite3_file *)(own + 1);
    if (vfs_strikes(VFS_OPEN))
        return vfs_plan.code;
    int result = vfs_real->xOpen(vfs_real, name, own->real, flags, out_flags);
    if (own->real->pMethods != NULL)
        own->base.pMethods = &methods;
    return result;
}

static inline int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return vfs_strikes(VFS_DELETE) ? vfs_plan.code : vfs_real->xDelete(vfs_real, name, sync);
}

static inline int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    return vfs_strikes(VFS_ACCESS) ? vfs_plan.code : vfs_real->xAccess(vfs_real, name, flags, out);
}

static inline int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return vfs_plan.kind != VFS_NOTHING ? microseconds : vfs_real->xSleep(vfs_real, microseconds);
}

static sqlite3_mem_methods vfs_memory;

static inline void *vfs_malloc(int size)
{
    return vfs_strikes(VFS_MEMORY) ? NULL : vfs_memory.xMalloc(size);
}

static inline void *vfs_realloc(void *memory, int size)
{
    return vfs_strikes(VFS_MEMORY) ? NULL : vfs_memory.xRealloc(memory, size);
}

/* From now on every SQLite file of the process stands on this. Before any other use of SQLite. */
static inline int vfs_install(void)
{
    static sqlite3_vfs own;
    sqlite3_mem_methods memory;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &vfs_memory);
    memory = vfs_memory;
    memory.xMalloc = vfs_malloc;
    memory.xRealloc = vfs_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) != SQLITE_OK)
        return -1;
    vfs_real = sqlite3_vfs_find(NULL);
    own = *vfs_real;
    own.pNext = NULL;
    own.zName = "failing";
    own.szOsFile = (int)sizeof(struct vfs_file) + vfs_real->szOsFile;
    own.xOpen = vfs_open;
    own.xDelete = vfs_delete;
    own.xAccess = vfs_access;
    own.xSleep = vfs_sleep;
    return sqlite3_vfs_register(&own, 1) == SQLITE_OK ? 0 : -1;
}

#endif
