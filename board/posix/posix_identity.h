/* Who the emulated board is: serial number, its fiscal module's number and the paper's width, in
 * board.json of its state directory. */
#ifndef BOARD_POSIX_IDENTITY_H
#define BOARD_POSIX_IDENTITY_H

#include "board/posix/posix_board.h"

/* Puts together what was made and what is asked for, and keeps it. Serial and FN number of a made
 * board cannot change (its records carry them); the paper's width can. NULL, or what is wrong. */
const char *posix_identity_settle(struct posix_board *posix,
                                  const struct posix_board_options *options);

#endif
