/* The storage of a module outside the tests: one file, locked while open.
 *
 * Always true: a new file gets its name only when its first bytes are safe; it is grown by whole
 * chunks of zeros, so that the sync of a record carries no file metadata.
 */
#ifndef BOARD_FN_FNM_FILE_H
#define BOARD_FN_FNM_FILE_H

#include "board/fn/fnm_storage.h"

#define FNM_FILE_CHUNK (256u * 1024u)

struct fnm_file {
    struct fnm_storage storage;
    int fd;
};

/* path: needed until fnm_store_open is over. */
void fnm_file_init(struct fnm_file *file, const char *path);
/* Random bytes from the kernel. */
bool fnm_file_random(void *context, uint8_t *data, size_t size);

#endif
