/* The parts of one emulated board, for the files of this folder: posix_board.c puts them together,
 * posix_ctl.c lets people meddle with them. */
#ifndef BOARD_POSIX_POSIX_INTERNAL_H
#define BOARD_POSIX_POSIX_INTERNAL_H

#include "board/posix/posix_board.h"
#include "board/posix/posix_clock.h"
#include "board/posix/posix_console.h"
#include "board/posix/posix_ctl.h"
#include "board/posix/posix_drawer.h"
#include "board/posix/posix_flash.h"
#include "board/posix/posix_fn.h"
#include "board/posix/posix_link.h"
#include "board/posix/posix_net.h"
#include "board/posix/posix_printer.h"
#include "board/posix/posix_usb.h"
#include "board/posix/posix_world.h"

struct posix_board {
    struct board board;
    int dir_fd;
    int signal_fd; /* -1: signals are not watched */
    char serial[21];
    char fn_serial[17];
    unsigned columns;
    mono_ms started;     /* of the operating system's monotonic time */
    mono_ms now;         /* since started; read once a turn */
    unsigned busy_turns; /* in a row without a poll */
    mono_ms polled_at;
    uint64_t turns, polls;
    uint64_t erases_told;
    uint64_t erases_in_request; /* while a host waited for an answer */
    struct posix_console console;
    struct posix_world world;
    struct posix_clock clock;
    struct posix_flash flash;
    struct posix_link link;
    struct posix_usb usb;
    bool usb_speaks;        /* of the two the host port hears */
    uint32_t host_switches; /* from one to the other */
    struct posix_net net;
    struct posix_drawer drawer;
    struct posix_printer printer;
    struct posix_fn fn;
    struct panel_socket ctl;
};

#endif
