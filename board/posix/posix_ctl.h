/* The hand that meddles: `kkt-board ctl` talks to a running board over DIR/ctl.sock.
 *
 * A request is one line of words, at most POSIX_CTL_LINE bytes. The answer is "STATUS\n", where
 * STATUS is the client's exit status (0 done, 1 could not be done, 2 not understood), then text for
 * people or JSON until the end of the connection. Several clients at a time. After `power cut`
 * there is no answer: the process is gone.
 */
#ifndef BOARD_POSIX_POSIX_CTL_H
#define BOARD_POSIX_POSIX_CTL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define POSIX_CTL_CLIENTS 8
#define POSIX_CTL_LINE    512

struct posix_board;

struct posix_ctl_client {
    int fd; /* -1: free */
    size_t length;
    char line[POSIX_CTL_LINE];
};

struct posix_ctl {
    int listen_fd;
    struct posix_ctl_client clients[POSIX_CTL_CLIENTS];
};

/* False with errno. */
bool posix_ctl_open(struct posix_ctl *ctl, int dir_fd);
void posix_ctl_close(struct posix_ctl *ctl, int dir_fd);
/* Fills out for poll; how many (at most 1 + POSIX_CTL_CLIENTS). */
unsigned posix_ctl_poll(const struct posix_ctl *ctl, struct pollfd *out);
/* Serves what poll reported in those entries. True: something was changed. */
bool posix_ctl_serve(struct posix_board *posix, const struct pollfd *polled, unsigned count);
/* Executes one line; text (zero-terminated) gets the answer. The status as above. Usable without
 * the socket. */
int posix_ctl_execute(struct posix_board *posix, const char *line, char *text, size_t capacity);
/* The list of verbs. */
const char *posix_ctl_usage(void);

/* The client's side: sends the words, prints the answer; the exit status. */
int posix_ctl_call(const char *state, int count, char *const words[]);

#endif
