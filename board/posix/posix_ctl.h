/* The hand that meddles: `kkt-board ctl` talks to a running board over DIR/ctl.sock
 * (board/panel/panel_socket.h has the protocol, posix_verbs.c the verbs).
 *
 * After `power cut` there is no answer: the process is gone.
 */
#ifndef BOARD_POSIX_POSIX_CTL_H
#define BOARD_POSIX_POSIX_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "board/panel/panel_socket.h"

struct posix_board;

/* state: the board's directory, which is locked by this process. False with errno. */
bool posix_ctl_open(struct panel_socket *ctl, const char *state);
/* Serves what poll reported. True: something may have changed. */
bool posix_ctl_serve(struct posix_board *posix, const struct pollfd *polled, unsigned count);
/* Executes one line; text (zero-terminated) gets the answer. The status (enum panel_status). Usable
 * without the socket. */
int posix_ctl_execute(struct posix_board *posix, const char *line, char *text, size_t capacity);
/* The list of verbs. */
const char *posix_ctl_usage(void);

/* The client's side: sends the words, prints the answer; the exit status. state NULL: the verbs are
 * only listed. */
int posix_ctl_call(const char *state, int count, char *const words[]);

#endif
