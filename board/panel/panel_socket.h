/* A panel over a unix socket: the server in the device's loop, and the client of `PROGRAM ctl`.
 *
 * A request is one line of words, at most PANEL_LINE bytes. The answer is "STATUS\n", where STATUS
 * is the client's exit status (0 done, 1 could not be done, 2 not understood), then text for people
 * or JSON until the end of the connection. Several clients at a time.
 *
 * Always true: nothing here waits for a client; a path may be longer than a socket's own limit.
 */
#ifndef BOARD_PANEL_PANEL_SOCKET_H
#define BOARD_PANEL_PANEL_SOCKET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define PANEL_CLIENTS 8
#define PANEL_POLL    (1 + PANEL_CLIENTS) /* entries for poll */
#define PANEL_LINE    512
#define PANEL_NAME    64
#define PANEL_ANSWER  16384

struct panel_client {
    int fd; /* -1: free */
    size_t length;
    char line[PANEL_LINE];
};

struct panel_socket {
    int dir_fd, listen_fd; /* -1: not open */
    char name[PANEL_NAME]; /* of the socket in its directory */
    struct panel_client clients[PANEL_CLIENTS];
};

/* Executes a line; text (zero-terminated) gets the answer. The status. */
typedef int panel_answer_function(void *context, const char *line, char *text, size_t capacity);

/* Not open: poll and close do nothing. */
void panel_socket_init(struct panel_socket *panel);
/* path: where the socket comes to lie, "unix:" before it is allowed. One that a killed predecessor
 * left there is replaced, so the caller makes sure that there is no other owner. False with errno.
 */
bool panel_socket_open(struct panel_socket *panel, const char *path);
void panel_socket_close(struct panel_socket *panel);
/* Fills out for poll; how many, always PANEL_POLL. */
unsigned panel_socket_poll(const struct panel_socket *panel, struct pollfd *out);
/* Serves what poll reported in those entries. True: a line was executed. */
bool panel_socket_serve(struct panel_socket *panel, const struct pollfd *polled, unsigned count,
                        panel_answer_function *answer, void *context);

struct panel_call {
    const char *program;    /* for messages: "kkt-fn" */
    const char *usage;      /* the list of verbs */
    const char *path;       /* of the socket; NULL: the verbs are only listed */
    bool may_leave_unheard; /* the device is gone after this verb: no answer is a good answer */
};
/* The client's side: sends the words, prints the answer; the exit status. */
int panel_call(const struct panel_call *call, int count, char *const words[]);

#endif
