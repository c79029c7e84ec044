/* The UART of the fiscal storage module: the built-in emulator, or an external one (kkt-fn, a
 * module behind a serial server) on a socket.
 *
 * Always true: firmware reaches the module through these bytes only. The built-in module's timer
 * may run ahead of the board's (posix_fn_advance): that is how a test lets a day pass for both.
 */
#ifndef BOARD_POSIX_FN_H
#define BOARD_POSIX_FN_H

#include "board/board.h"
#include "board/fn/fnm.h"
#include "board/posix/posix_console.h"
#include "board/posix/posix_stream.h"
#include "board/posix/posix_world.h"

struct posix_fn_options {
    struct fnm_options module;            /* of the built-in one */
    const struct posix_address *external; /* NULL: built-in */
    uint32_t delay_ms;
    struct posix_world *world; /* remembers whether it is unplugged; NULL: nobody does */
};

struct posix_fn {
    struct posix_console *console;
    struct posix_world *world;
    struct fnm *module; /* NULL: external */
    struct posix_address address;
    struct posix_stream stream; /* built-in: only `in` is used */
    bool connecting, off;
    uint32_t generation;
    mono_ms retry_at;
    uint64_t skew_ms; /* of the module's timer */
    /* A fault that fires once is armed again until it has fired `fault_left` times. */
    enum fnm_fault fault;
    uint32_t fault_argument, fault_left;
    uint64_t fault_mark; /* commands when it was armed */
};

/* False with a line for people in error. */
bool posix_fn_open(struct posix_fn *fn, struct posix_console *console,
                   const struct posix_fn_options *options, char *error, size_t error_size);
void posix_fn_close(struct posix_fn *fn);
int posix_fn_read(struct posix_fn *fn, uint8_t *data, size_t size);
int posix_fn_write(struct posix_fn *fn, const uint8_t *data, size_t size, mono_ms now);
/* Unplugged, or back. */
void posix_fn_set_off(struct posix_fn *fn, bool off, mono_ms now);
/* A fault that fires for the next `times` commands. False for an external module. */
bool posix_fn_fault(struct posix_fn *fn, enum fnm_fault fault, uint32_t argument, uint32_t times);
/* Moves the module's timer ahead. False for an external module. */
bool posix_fn_advance(struct posix_fn *fn, uint64_t milliseconds);
short posix_fn_events(const struct posix_fn *fn);
bool posix_fn_pump(struct posix_fn *fn, bool ready, mono_ms now);
uint64_t posix_fn_due_ms(const struct posix_fn *fn, mono_ms now);

#endif
