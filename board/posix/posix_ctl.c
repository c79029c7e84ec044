#include "board/posix/posix_ctl.h"

#include <stdio.h>
#include <string.h>

#include "board/posix/posix_internal.h"

#define CTL_PATH_BYTES 4200

static const char *ctl_path(const char *state, char out[CTL_PATH_BYTES])
{
    snprintf(out, CTL_PATH_BYTES, "%s/ctl.sock", state);
    return out;
}

bool posix_ctl_open(struct panel_socket *ctl, const char *state)
{
    char path[CTL_PATH_BYTES];
    return panel_socket_open(ctl, ctl_path(state, path));
}

static int answer(void *context, const char *line, char *text, size_t capacity)
{
    struct posix_board *posix = context;
    int status = posix_ctl_execute(posix, line, text, capacity);
    posix_console_flush(&posix->console);
    return status;
}

bool posix_ctl_serve(struct posix_board *posix, const struct pollfd *polled, unsigned count)
{
    return panel_socket_serve(&posix->ctl, polled, count, answer, posix);
}

int posix_ctl_call(const char *state, int count, char *const words[])
{
    char path[CTL_PATH_BYTES];
    const struct panel_call call = {
        .program = "kkt-board",
        .usage = posix_ctl_usage(),
        .path = state != NULL ? ctl_path(state, path) : NULL,
        .may_leave_unheard =
            count >= 2 && strcmp(words[0], "power") == 0 && strcmp(words[1], "cut") == 0,
    };
    return panel_call(&call, count, words);
}
