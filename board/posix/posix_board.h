/* A PC that plays the board: everything of struct board, made of files, sockets and emulated
 * devices.
 *
 * Usage (main.c is exactly this):
 *
 *     struct posix_board *posix = posix_board_open(&options, error, sizeof error);
 *     firmware_init(&firmware, posix_board_interface(posix));
 *     do {
 *         posix_board_moment(posix, &now);
 *         sleep_ms = firmware_step(&firmware, &now);
 *     } while (posix_board_turn(posix, sleep_ms));
 *     posix_board_close(posix);
 *
 * The state directory is the board's whole life:
 *
 *     board.json    what was fixed when the board was made: serial number, columns, FN number
 *     flash.bin     the flash chip          fn.store      the built-in fiscal module's store
 *     paper/        slips that came out     drawer.log    one line an opening
 *     clock.offset  the clock chip          world         paper out, cables out and the like
 *     events.log    what the console said   ctl.sock      for `kkt-board ctl`
 *
 * Always true: one thread (helpers inside only write slips out and look up names); nothing global,
 * so a process may run many boards; a board's directory is locked while it runs; killing the
 * process at any moment loses nothing that firmware was told is safe.
 */
#ifndef BOARD_POSIX_POSIX_BOARD_H
#define BOARD_POSIX_POSIX_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board/board.h"

#define POSIX_BOARD_DEFAULT_LISTEN "127.0.0.1:7700"
#define POSIX_BOARD_DEFAULT_SERIAL "00000000000000000002"
#define POSIX_BOARD_DEFAULT_PACE   30u

/* Zero or NULL means the default. Texts are borrowed during posix_board_open only. */
struct posix_board_options {
    const char *state;     /* directory, made when absent; required */
    const char *listen;    /* HOST:PORT of the host link */
    const char *usbip;     /* HOST:PORT of a USB/IP server, or "vhci"; NULL: no USB */
    const char *serial;    /* factory number, 1..20 printable ASCII; a made board keeps its own */
    const char *fn;        /* HOST:PORT or unix:PATH of an external FN; NULL: the built-in one */
    const char *fn_serial; /* 16 digits, of a new built-in FN */
    const char *port_file; /* the real port number is written there when the board listens */
    const char *flash;     /* not of posix_board_open: the file that a report reads */
    unsigned columns;      /* 32, 42 or 48 */
    uint32_t flash_size;   /* bytes, of a new board */
    unsigned pace;         /* printed lines per second */
    bool unpaced;          /* prints as fast as the bytes come */
    uint32_t fn_delay_ms;  /* of every FN answer */
    uint32_t drawer_close_ms; /* until the person shuts it; UINT32_MAX: never */
    bool no_paper;            /* the head prints, and the slips are thrown away: for measuring */
    bool no_png, accept_unsigned, no_sync, quiet, verbose;
};

struct posix_board;

/* NULL with a line for people in error. */
struct posix_board *posix_board_open(const struct posix_board_options *options, char *error,
                                     size_t error_size);
/* Closes and frees; NULL is allowed. */
void posix_board_close(struct posix_board *posix);

/* Valid until posix_board_close. */
const struct board *posix_board_interface(struct posix_board *posix);
/* Time of this turn. */
void posix_board_moment(struct posix_board *posix, struct moment *out);
/* Moves bytes and devices on; sleeps at most timeout_ms when nothing happens. Returns as soon as
 * there is something for firmware to look at. False: a signal wants the process to end
 * (posix_board_watch_signals). */
bool posix_board_turn(struct posix_board *posix, uint32_t timeout_ms);
/* Blocks SIGINT and SIGTERM and lets posix_board_turn report them. For programs, not for tests. */
bool posix_board_watch_signals(struct posix_board *posix);
/* The real port of the host link. */
uint16_t posix_board_port(const struct posix_board *posix);
/* One line on the console and in events.log. */
void posix_board_say(struct posix_board *posix, const char *text);

#endif
