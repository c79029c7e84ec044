/* What the sources of the simulated disk share; the world includes disk.h.
 *
 * A file keeps one image, what programs see, and a log that leads back to the synced one:
 *
 *     synced image  <- undo edits, newest first -  bytes[0..size)
 *
 * An edit is one write or truncation since the last sync; `before` holds the bytes it covered. So a
 * write costs one copy more, a sync throws the log away, and a crash walks the log twice: backwards
 * to the synced image, exchanging old bytes for new ones, and forwards with the edits it keeps.
 *
 * Always true:
 * 1. bytes[size..capacity) are zero, so an edit that grew the file is undone like any other.
 * 2. A bit of touched_256 or touched_4096 is set exactly when an edit of the log covers its page.
 * 3. A file that has neither a name, nor a durable name, nor an open handle is freed.
 */
#ifndef TESTS_WORLD_DISK_STATE_H
#define TESTS_WORLD_DISK_STATE_H

#include <sqlite3.h>

#include "tests/world/disk.h"

#define DISK_NAME_LENGTH 256
#define DISK_SECTOR      512u

struct disk_handle;
struct disk_shared;

struct disk_edit {
    bool is_truncation;
    size_t offset;    /* a truncation's new size */
    size_t size;      /* bytes covered */
    size_t file_size; /* before the edit */
    size_t before;    /* where the covered bytes begin in the log */
};

/* Which pages an edit of the log covers. */
struct disk_pages {
    uint8_t *bits;
    size_t capacity;
};

struct disk_file {
    struct disk_file *next; /* in the order of creation */
    char name[DISK_NAME_LENGTH];
    bool linked;         /* programs find it under its name */
    bool linked_durably; /* a machine that starts anew would */
    bool is_temporary;   /* no name, no log: nobody looks for it after a crash */
    uint8_t *bytes;
    size_t size, capacity;
    struct disk_edit *edits;
    size_t edit_count, edit_capacity;
    uint8_t *before;
    size_t before_size, before_capacity;
    struct disk_pages touched_256, touched_4096;
    struct disk_handle *handles; /* open ones; all else below is for them */
    struct disk_shared *shared;
};

/* All of a disk that is neither a file nor a connection. */
struct disk_status {
    enum disk_fault fault;
    unsigned fault_left; /* 0: until changed */
    uint64_t operations, kill_at;
    enum disk_kill_share kill_share;
    bool dead;
    struct disk_counters counters;
    uint64_t random;
    int64_t unix_s;
};

struct disk {
    sqlite3_vfs vfs;
    struct disk_status status;
    struct disk_file *files;
    unsigned open_handles;
};

/* What becomes of an operation that changes the disk. */
enum disk_turn { DISK_TURN_WHOLE, DISK_TURN_DIES };

/* Counts an operation that changes the disk. DIES: the disk dies with it; it is dead already when
 * this returns, and the caller does the share that disk_share_of says and fails. */
enum disk_turn disk_begin_operation(struct disk *disk);
/* How much of `amount` a dying operation does. */
size_t disk_share_of(const struct disk *disk, size_t amount);
/* Of an operation that has no half: whether a dying one does it. */
bool disk_dying_does_it(const struct disk *disk);
/* The fault is on; one of its times is used up. */
bool disk_strikes(struct disk *disk, enum disk_fault fault);
/* 32 bits of the sequence that *state stands in. */
uint32_t disk_random(uint64_t *state);

/* ---- Files (disk_file.c) ---- */

/* NULL: none, or out of memory. A new file has no content and is not durable; name NULL: a
 * temporary one. */
struct disk_file *disk_file_find(const struct disk *disk, const char *name);
struct disk_file *disk_file_create(struct disk *disk, const char *name);
/* False: out of memory, nothing changed. */
bool disk_file_write(struct disk *disk, struct disk_file *file, size_t offset, const void *bytes,
                     size_t size);
bool disk_file_truncate(struct disk_file *file, size_t size);
/* The oldest `edits` of the log are durable from now on. */
void disk_file_settle(struct disk_file *file, size_t edits);
/* Programs find it no more. It may be freed; dropping a file nobody has is harmless. */
void disk_file_unlink(struct disk *disk, struct disk_file *file);
/* Its name is durable, and no other file's of that name. */
void disk_file_settle_name(struct disk *disk, struct disk_file *file);
/* All names of the folder that `name` lies in are durable as they are. */
void disk_folder_settle(struct disk *disk, const char *name);
/* Frees what nobody can reach any more. */
void disk_files_sweep(struct disk *disk);
/* A machine crash: of log and names stays what `random` decides. */
void disk_files_crash(struct disk *disk, uint64_t *random);
void disk_files_free(struct disk_file *files);
/* A deep copy of the list; false: out of memory. */
bool disk_files_copy(const struct disk_file *files, struct disk_file **out);

/* ---- SQLite's side (disk_vfs.c) ---- */

void disk_vfs_init(struct disk *disk);

#endif
