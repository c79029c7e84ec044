/* The host's disk in the simulated world: an SQLite VFS in memory that remembers what was synced.
 *
 * A disk holds a few named files. Each file has two images: what programs see now, and what was
 * synced. disk_crash(PROCESS) is a killed process: what programs saw stays. disk_crash(MACHINE) is
 * a power failure: of every write since the last sync of its file the disk keeps all, nothing, or a
 * torn piece (a run of whole 512-byte sectors, in any order), as `seed` decides; a new file whose
 * folder was not synced may be gone, a deleted one may be back, a shrunk one may have its old size.
 *
 * Always true:
 * 1. The disk never loses or tears what xSync returned SQLITE_OK for, and never a file's name once
 *    it was synced. Syncing a journal or a WAL syncs its folder, as SQLite does on unix.
 * 2. Same calls, same seed, same disk: nothing depends on addresses, clocks or the heap. SQLite
 *    draws from the default VFS, so this needs as_default; format, restore and crash begin its
 *    sequence anew.
 * 3. While the disk is dead (disk_kill) every operation fails and changes nothing, so that a host
 *    that crashed in the middle of a call may unwind to its caller without doing anything more.
 * 4. Locks and shared memory behave as on a real machine between the connections of one process;
 *    closing the last connection frees them.
 *
 * The VFS serves WAL and rollback journals, any number of connections, and reports time from
 * disk_set_time so that runs repeat. It is registered under the name "world" and is not the default
 * unless asked. Sleeping takes no time: it is counted. One disk at a time, one thread.
 */
#ifndef TESTS_WORLD_DISK_H
#define TESTS_WORLD_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

enum disk_crash_kind { DISK_CRASH_PROCESS, DISK_CRASH_MACHINE };

enum disk_fault {
    DISK_FAULT_NONE,
    DISK_FAULT_FULL,        /* every write, also one in place: SQLITE_FULL */
    DISK_FAULT_READ_ONLY,   /* opening for writing gives a read-only file, changes fail, there is no
                               new shared memory */
    DISK_FAULT_WRITE_ERROR, /* the write fails and leaves half of it */
    DISK_FAULT_READ_ERROR,
    DISK_FAULT_SYNC_ERROR, /* xSync fails; nothing became durable, a later sync may still do it */
    DISK_FAULT_BUSY,       /* somebody else writes: locks of files and exclusive locks of shared
                              memory are refused */
    DISK_FAULT_LYING_SYNC  /* xSync says SQLITE_OK and does nothing: for canaries */
};

/* What is done of the operation that kills the disk. One without a half (truncate, delete, create)
 * is done whole for HALF. */
enum disk_kill_share { DISK_KILL_HALF, DISK_KILL_BEFORE, DISK_KILL_AFTER };

/* NULL: out of memory. as_default: sqlite3_open without a VFS name comes here. */
struct disk *disk_create(bool as_default);
/* Only when no connection is open. */
void disk_destroy(struct disk *disk);
/* All files gone, no faults, alive, counters zero. Only when no connection is open. */
void disk_format(struct disk *disk);
/* What xRandomness gives from now on, and so the salts of journals; disk_format returns to 0. */
void disk_seed(struct disk *disk, uint32_t seed);

/* From now on, for the next `times` operations it applies to (0: until changed). */
void disk_set_fault(struct disk *disk, enum disk_fault fault, unsigned times);
/* The operation with this number (counted by disk_operations from 1) kills the disk after doing the
 * first half of what it does; 0: none. It comes before a fault; disk_crash forgets it. */
void disk_kill_at(struct disk *disk, uint64_t operation);
/* Instead of the first half: nothing, or all of it without the caller learning so. */
void disk_set_kill_share(struct disk *disk, enum disk_kill_share share);
void disk_kill(struct disk *disk);
bool disk_is_dead(const struct disk *disk);
/* What the crash leaves becomes the disk's content; alive again. MACHINE: every connection must be
 * closed first (their calls fail while dead). PROCESS: those of the process that died; another
 * process' connections, which stood still meanwhile, go on. */
void disk_crash(struct disk *disk, enum disk_crash_kind kind, uint32_t seed);

/* Operations that change the disk or make it durable: write, truncate, sync, delete, create.
 * Temporary files are not counted anywhere, nor lost, nor killed at. */
uint64_t disk_operations(const struct disk *disk);
struct disk_counters {
    uint64_t writes, written_bytes, syncs, reads, crashes, lost_writes, torn_writes;
    /* Bytes a flash of 256 B or 4 KiB pages would program for these writes: every touched page
     * counts whole, once between two syncs of its file. */
    uint64_t page_bytes_256, page_bytes_4096;
    uint64_t sleeps, slept_us; /* what SQLite waited for locks; no time passed */
};
struct disk_counters disk_counters(const struct disk *disk);

/* Files that SQLite has open now, each as often as it is. */
unsigned disk_open_files(const struct disk *disk);

/* Snapshots, for yesterday's backup and for runs that start from one state. Everything counts:
 * files, images, fault, counters. Only when no connection is open. */
struct disk_image;
struct disk_image *disk_save(const struct disk *disk);
void disk_restore(struct disk *disk, const struct disk_image *image);
void disk_image_free(struct disk_image *image);

/* Flips `bits` bits of the file, as rot or a bad block would; false: no such file. */
bool disk_rot(struct disk *disk, const char *name, uint32_t seed, unsigned bits);
/* CRC-32C over names and contents of all files, for trace hashes. */
uint32_t disk_digest(const struct disk *disk);
/* What xCurrentTime answers: seconds since 1970. */
void disk_set_time(struct disk *disk, int64_t unix_s);

#endif
