#include "board/panel/panel_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "board/panel/panel.h"

#define PATIENCE_S 30

/* Opens the directory of a path and tells the name in it. -1 with errno. */
static int open_directory(const char *path, char name[PANEL_NAME])
{
    char directory[4200];
    if (strncmp(path, "unix:", 5) == 0)
        path += 5;
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    size_t length = slash == NULL ? 0 : (size_t)(last - path);
    if (last[0] == '\0' || strlen(last) >= PANEL_NAME || length >= sizeof directory) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, last, strlen(last) + 1);
    memcpy(directory, path, length);
    directory[length] = '\0';
    return open(length == 0 ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A path short enough for a socket however long the directory's own is. */
static void socket_address(int dir_fd, const char *name, struct sockaddr_un *out)
{
    memset(out, 0, sizeof *out);
    out->sun_family = AF_UNIX;
    snprintf(out->sun_path, sizeof out->sun_path, "/proc/self/fd/%d/%.*s", dir_fd, PANEL_NAME - 1,
             name);
}

static void close_at(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void panel_socket_init(struct panel_socket *panel)
{
    memset(panel, 0, sizeof *panel);
    panel->dir_fd = panel->listen_fd = -1;
    for (unsigned i = 0; i < PANEL_CLIENTS; i++)
        panel->clients[i].fd = -1;
}

bool panel_socket_open(struct panel_socket *panel, const char *path)
{
    struct sockaddr_un address;
    panel_socket_init(panel);
    panel->dir_fd = open_directory(path, panel->name);
    if (panel->dir_fd < 0)
        return false;
    panel->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socket_address(panel->dir_fd, panel->name, &address);
    if (panel->listen_fd >= 0)
        unlinkat(panel->dir_fd, panel->name, 0);
    if (panel->listen_fd >= 0 &&
        bind(panel->listen_fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(panel->listen_fd, PANEL_CLIENTS) == 0)
        return true;
    int number = errno;
    close_at(&panel->listen_fd);
    close_at(&panel->dir_fd);
    errno = number;
    return false;
}

static void forget(struct panel_client *client)
{
    close_at(&client->fd);
    client->length = 0;
}

void panel_socket_close(struct panel_socket *panel)
{
    for (unsigned i = 0; i < PANEL_CLIENTS; i++)
        forget(&panel->clients[i]);
    if (panel->listen_fd >= 0)
        unlinkat(panel->dir_fd, panel->name, 0);
    close_at(&panel->listen_fd);
    close_at(&panel->dir_fd);
}

unsigned panel_socket_poll(const struct panel_socket *panel, struct pollfd *out)
{
    out[0] = (struct pollfd){.fd = panel->listen_fd, .events = POLLIN};
    for (unsigned i = 0; i < PANEL_CLIENTS; i++)
        out[1 + i] = (struct pollfd){.fd = panel->clients[i].fd, .events = POLLIN};
    return PANEL_POLL;
}

static void accept_client(struct panel_socket *panel)
{
    int fd = accept4(panel->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && i < PANEL_CLIENTS; i++)
        if (panel->clients[i].fd < 0) {
            panel->clients[i].fd = fd;
            panel->clients[i].length = 0;
            return;
        }
    if (fd >= 0)
        close(fd);
}

static bool serve_client(struct panel_client *client, panel_answer_function *answer, void *context)
{
    char out[PANEL_ANSWER];
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
    out[0] = (char)('0' + answer(context, client->line, out + 2, sizeof out - 2));
    out[1] = '\n';
    /* Answers fit the socket's buffer, so one send is the whole of it; a client that went away
     * does not want it. */
    send(client->fd, out, 2 + strlen(out + 2), MSG_NOSIGNAL);
    forget(client);
    return true;
}

bool panel_socket_serve(struct panel_socket *panel, const struct pollfd *polled, unsigned count,
                        panel_answer_function *answer, void *context)
{
    bool served = false;
    for (unsigned i = 1; i < count; i++)
        if (polled[i].fd >= 0 && polled[i].revents != 0)
            served |= serve_client(&panel->clients[i - 1], answer, context);
    if (count > 0 && polled[0].fd >= 0 && polled[0].revents != 0)
        accept_client(panel);
    return served;
}

/* ---- the client ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    char name[PANEL_NAME];
    int dir_fd = open_directory(path, name);
    int fd = dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        socket_address(dir_fd, name, &address);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            int number = errno;
            close_at(&fd);
            errno = number;
        }
    }
    int number = errno;
    close_at(&dir_fd);
    errno = number;
    return fd;
}

int panel_call(const struct panel_call *call, int count, char *const words[])
{
    char line[PANEL_LINE] = "";
    char text[PANEL_ANSWER];
    size_t length = 0, have = 0;
    for (int i = 0; i < count && length < sizeof line; i++)
        length += (size_t)snprintf(line + length, sizeof line - length, "%s%s", words[i],
                                   i + 1 < count ? " " : "\n");
    if (call->path == NULL || count == 0 || length >= sizeof line ||
        strchr(line, '\n') != line + length - 1) {
        fputs(call->usage, stderr);
        return PANEL_MISUNDERSTOOD;
    }
    int fd = connect_to(call->path);
    if (fd < 0) {
        fprintf(stderr, "%s: nobody listens on %s: %s\n", call->program, call->path,
                strerror(errno));
        return PANEL_FAILED;
    }
    ssize_t got = send(fd, line, length, MSG_NOSIGNAL);
    while (got > 0 && have < sizeof text - 1) {
        got = recv(fd, text + have, sizeof text - 1 - have, 0);
        have += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    text[have] = '\0';
    if (have < 2 || text[1] != '\n') {
        if (call->may_leave_unheard)
            return PANEL_DONE;
        fprintf(stderr, "%s: no answer came\n", call->program);
        return PANEL_FAILED;
    }
    fputs(text + 2, text[0] == '0' ? stdout : stderr);
    return text[0] - '0';
}
