/* The board's flash chip as a file, with the rules of NOR enforced.
 *
 * A program may only turn 1 bits into 0, inside one page of 256 bytes; an erase sets one sector of
 * 4096 bytes to FF. Breaking a rule is a defect of the firmware: it is printed and the process
 * aborts. The file has its full size from the start (written whole, then renamed into place), so
 * programming never changes file metadata and a sync is one fdatasync.
 *
 * Always true: the image in memory equals the file; what was synced survives a power cut of the PC,
 * what was only programmed survives the death of the process.
 */
#ifndef BOARD_POSIX_FLASH_H
#define BOARD_POSIX_FLASH_H

#include "board/board.h"
#include "board/posix/posix_console.h"

#define POSIX_FLASH_SECTOR_SIZE  4096u
#define POSIX_FLASH_PAGE_SIZE    256u
#define POSIX_FLASH_DEFAULT_SIZE (8u * 1024u * 1024u)
#define POSIX_FLASH_MAX_SIZE     (256u * 1024u * 1024u)
/* Exit status of the process when ctl cuts the power. */
#define POSIX_POWER_CUT_STATUS 86

struct posix_flash_counters {
    uint64_t reads, read_bytes, programs, programmed_bytes, erases,
        syncs; /* syncs: real fdatasyncs */
};

struct posix_flash {
    int fd; /* -1: a private copy in memory only */
    uint8_t *image;
    uint32_t size;
    bool no_sync;
    bool dirty;                    /* programmed or erased since the last sync */
    uint32_t cut_in_operations;    /* 0: never; 1: the next program or erase dies half done */
    struct posix_console *console; /* flushed before the process dies here; NULL: none */
    struct posix_flash_counters counters;
};

/* Opens DIR/flash.bin and locks it, or makes a blank one. size 0: as the file is,
 * POSIX_FLASH_DEFAULT_SIZE when new. False with a line for people in error: another process holds
 * it, another size, disk full. */
bool posix_flash_open(struct posix_flash *flash, int dir_fd, uint32_t size, bool no_sync,
                      char *error, size_t error_size);
/* A private copy of the file as it is now: may be programmed and erased, the file is never touched.
 * name NULL: DIR/flash.bin; size 0: all of the file, else its first size bytes. */
bool posix_flash_open_copy(struct posix_flash *flash, int dir_fd, const char *name, uint32_t size,
                           char *error, size_t error_size);
void posix_flash_close(struct posix_flash *flash);

/* As in board.h: 0 done, < 0 the disk reported an error. */
int posix_flash_read(struct posix_flash *flash, uint32_t address, void *data, size_t size);
int posix_flash_program(struct posix_flash *flash, uint32_t address, const void *data, size_t size);
int posix_flash_erase(struct posix_flash *flash, uint32_t address);
int posix_flash_sync(struct posix_flash *flash);

/* The process ends inside the n-th program or erase from now on, with half of it done; 0 takes the
 * order back. */
void posix_flash_cut_at(struct posix_flash *flash, uint32_t operations);

#endif
