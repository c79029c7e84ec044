/* What the module's store lies on: a run of bytes that can be read, written and made safe.
 *
 * fnm_store.c keeps its log in one of these and knows nothing of files; fnm_file.h is the one that
 * a module outside the tests uses. Every operation gets `context` back as its first argument.
 * bool results: false is a failure; the store then believes nothing about what was written.
 *
 * Always true of a storage: what was written before a sync that returned true is there after a
 * power failure; of anything later any part may be. Bytes behind the end do not exist; writing
 * there moves the end, and a gap in between reads as zeros.
 */
#ifndef BOARD_FN_FNM_STORAGE_H
#define BOARD_FN_FNM_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fnm_storage {
    void *context;
    const char *name; /* for people, in errors; needed during fnm_open only */
    uint32_t chunk;   /* grown ahead by whole chunks of zeros; 0: each record moves the end */

    /* Takes it for this module alone. 1: a store is there. 0: there is none yet. -1: neither can be
     * said, *fault (never NULL then) tells people why. Called again after create. */
    int (*open)(void *context, const char **fault);
    /* A store with this header and zeros up to `size` appears, safe, as one step: after a power
     * failure it is whole or absent. False: *fault says why. */
    bool (*create)(void *context, const uint8_t *header, size_t header_size, uint64_t size,
                   const char **fault);
    bool (*size)(void *context, uint64_t *size);
    bool (*read)(void *context, uint64_t offset, void *data, size_t size);
    bool (*write)(void *context, uint64_t offset, const void *data, size_t size);
    bool (*zero)(void *context, uint64_t from, uint64_t to);
    bool (*sync)(void *context);
    /* The first `size` bytes, to be looked at once on opening. NULL: *fault says why. */
    const uint8_t *(*map)(void *context, uint64_t size, const char **fault);
    void (*unmap)(void *context, const uint8_t *map, uint64_t size);
    /* Also after a failed open. */
    void (*close)(void *context);
};

#endif
