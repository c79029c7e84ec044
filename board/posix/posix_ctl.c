#include "board/posix/posix_ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "board/posix/posix_internal.h"

#define CTL_SOCKET       "ctl.sock"
#define CTL_ANSWER_BYTES 16384

/* A path short enough for a socket however long the directory's own is. */
static void socket_address(int dir_fd, struct sockaddr_un *out)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/" CTL_SOCKET, dir_fd);
}

bool posix_ctl_open(struct posix_ctl *ctl, int dir_fd)
{
    struct sockaddr_un address;
    for (unsigned i = 0; i < POSIX_CTL_CLIENTS; i++)
        ctl->clients[i].fd = -1;
    ctl->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (ctl->listen_fd < 0)
        return false;
    socket_address(dir_fd, &address);
    unlinkat(dir_fd, CTL_SOCKET,
             0); /* a killed predecessor leaves it behind; the lock says it is gone */
    if (bind(ctl->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(ctl->listen_fd, POSIX_CTL_CLIENTS) == 0)
        return true;
    int number = errno;
    close(ctl->listen_fd);
    ctl->listen_fd = -1;
    errno = number;
    return false;
}

static void forget(struct posix_ctl_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
    client->length = 0;
}

void posix_ctl_close(struct posix_ctl *ctl, int dir_fd)
{
    for (unsigned i = 0; i < POSIX_CTL_CLIENTS; i++)
        forget(&ctl->clients[i]);
    if (ctl->listen_fd < 0)
        return;
    close(ctl->listen_fd);
    ctl->listen_fd = -1;
    unlinkat(dir_fd, CTL_SOCKET, 0);
}

unsigned posix_ctl_poll(const struct posix_ctl *ctl, struct pollfd *out)
{
    out[0] = (struct pollfd){.fd = ctl->listen_fd, .events = POLLIN};
    for (unsigned i = 0; i < POSIX_CTL_CLIENTS; i++)
        out[1 + i] = (struct pollfd){.fd = ctl->clients[i].fd, .events = POLLIN};
    return 1 + POSIX_CTL_CLIENTS;
}

static void accept_client(struct posix_ctl *ctl)
{
    int fd = accept4(ctl->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && i < POSIX_CTL_CLIENTS; i++)
        if (ctl->clients[i].fd < 0) {
            ctl->clients[i].fd = fd;
            ctl->clients[i].length = 0;
            return;
        }
    if (fd >= 0)
        close(fd);
}

/* Answers fit the socket's buffer, so one send is the whole of it. */
static void answer(struct posix_board *posix, struct posix_ctl_client *client)
{
    char out[CTL_ANSWER_BYTES];
    int status = posix_ctl_execute(posix, client->line, out + 2, sizeof out - 2);
    out[0] = (char)('0' + status);
    out[1] = '\n';
    posix_console_flush(&posix->console);
    if (send(client->fd, out, 2 + strlen(out + 2), MSG_NOSIGNAL) < 0)
        posix_console_event(&posix->console, "ctl", "the asking side went away");
    forget(client);
}

static bool serve_client(struct posix_board *posix, struct posix_ctl_client *client)
{
    size_t room = sizeof client->line - 1 - client->length;
    ssize_t got = recv(client->fd, client->line + client->length, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0 || room == 0) {
        forget(client);
        return false;
    }
    client->length += (size_t)got;
    char *end = memchr(client->line, '\n', client->length);
    if (end == NULL)
        return false;
    *end = '\0';
    answer(posix, client);
    return true;
}

bool posix_ctl_serve(struct posix_board *posix, const struct pollfd *polled, unsigned count)
{
    bool changed = false;
    for (unsigned i = 1; i < count; i++)
        if (polled[i].fd >= 0 && polled[i].revents != 0)
            changed |= serve_client(posix, &posix->ctl.clients[i - 1]);
    if (count > 0 && polled[0].fd >= 0 && polled[0].revents != 0)
        accept_client(&posix->ctl);
    return changed;
}

static int connect_to(const char *state)
{
    struct sockaddr_un address;
    int dir_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        socket_address(dir_fd, &address);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            close(fd);
            fd = -1;
        }
    }
    if (dir_fd >= 0)
        close(dir_fd);
    return fd;
}

int posix_ctl_call(const char *state, int count, char *const words[])
{
    char line[POSIX_CTL_LINE] = "";
    char text[CTL_ANSWER_BYTES];
    size_t length = 0;
    bool cut = count >= 2 && strcmp(words[0], "power") == 0 && strcmp(words[1], "cut") == 0;
    for (int i = 0; i < count && length < sizeof line; i++)
        length += (size_t)snprintf(line + length, sizeof line - length, "%s%s", words[i],
                                   i + 1 < count ? " " : "\n");
    if (count == 0 || length >= sizeof line || strchr(line, '\n') != line + length - 1) {
        fputs(posix_ctl_usage(), stderr);
        return 2;
    }
    int fd = connect_to(state);
    if (fd < 0) {
        fprintf(stderr, "kkt-board: no board runs on %s: %s\n", state, strerror(errno));
        return 1;
    }
    const struct timeval patience = {.tv_sec = 30};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    size_t have = 0;
    ssize_t got = send(fd, line, length, MSG_NOSIGNAL);
    while (got > 0 && have < sizeof text - 1) {
        got = recv(fd, text + have, sizeof text - 1 - have, 0);
        have += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[have] = '\0';
    if (have < 2 || text[1] != '\n') {
        if (cut)
            return 0;
        fprintf(stderr, "kkt-board: the board did not answer\n");
        return 1;
    }
    fputs(text + 2, text[0] == '0' ? stdout : stderr);
    return text[0] - '0';
}
