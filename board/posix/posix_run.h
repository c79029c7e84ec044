/* The whole program behind `kkt-board run`: this folder's board under the real firmware. */
#ifndef BOARD_POSIX_POSIX_RUN_H
#define BOARD_POSIX_POSIX_RUN_H

#include "board/posix/posix_board.h"

/* Runs until SIGINT or SIGTERM. The exit status: 0 switched off, 1 could not start (said why on
 * standard error). */
int posix_run(const struct posix_board_options *options);

#endif
