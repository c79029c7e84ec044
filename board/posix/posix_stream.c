#include "board/posix/posix_stream.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool posix_buffer_init(struct posix_buffer *buffer, size_t capacity)
{
    memset(buffer, 0, sizeof *buffer);
    buffer->data = malloc(capacity);
    buffer->capacity = buffer->data == NULL ? 0 : capacity;
    return buffer->data != NULL;
}

void posix_buffer_free(struct posix_buffer *buffer)
{
    free(buffer->data);
    memset(buffer, 0, sizeof *buffer);
}

void posix_buffer_clear(struct posix_buffer *buffer)
{
    buffer->start = buffer->end = 0;
    buffer->refused = false;
}

size_t posix_buffer_used(const struct posix_buffer *buffer)
{
    assert(buffer->start <= buffer->end && buffer->end <= buffer->capacity);
    return buffer->end - buffer->start;
}

size_t posix_buffer_room(struct posix_buffer *buffer)
{
    if (buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, posix_buffer_used(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    return buffer->capacity - buffer->end;
}

size_t posix_buffer_put(struct posix_buffer *buffer, const uint8_t *data, size_t size)
{
    size_t room = buffer->capacity - buffer->end;
    if (room < size)
        room = posix_buffer_room(buffer);
    buffer->refused = room < size;
    size = room < size ? room : size;
    if (size > 0)
        memcpy(buffer->data + buffer->end, data, size);
    buffer->end += size;
    return size;
}

static void buffer_drop(struct posix_buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

size_t posix_buffer_take(struct posix_buffer *buffer, uint8_t *data, size_t size)
{
    size_t used = posix_buffer_used(buffer);
    size = used < size ? used : size;
    if (size > 0)
        memcpy(data, buffer->data + buffer->start, size);
    buffer_drop(buffer, size);
    return size;
}

bool posix_address_parse(const char *text, struct posix_address *out)
{
    memset(out, 0, sizeof *out);
    if (strncmp(text, "unix:", 5) == 0) {
        out->unix_path = true;
        return text[5] != '\0' && snprintf(out->host, sizeof out->host, "%s", text + 5) <
                                      (int)sizeof(((struct sockaddr_un *)0)->sun_path);
    }
    const char *colon = strrchr(text, ':');
    char *end = NULL;
    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return false;
    unsigned long port = strtoul(colon + 1, &end, 10);
    size_t length = (size_t)(colon - text);
    if (length >= 2 && text[0] == '[' && colon[-1] == ']') {
        text++;
        length -= 2;
    }
    if (*end != '\0' || port > 65535u || length == 0 || length >= sizeof out->host)
        return false;
    memcpy(out->host, text, length);
    out->port = (uint16_t)port;
    return true;
}

struct socket_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } u;
    socklen_t size;
};

static bool address_fill(const struct posix_address *address, struct socket_address *out)
{
    const char *host = strcmp(address->host, "localhost") == 0 ? "127.0.0.1" : address->host;
    memset(out, 0, sizeof *out);
    if (address->unix_path) {
        out->u.local.sun_family = AF_UNIX;
        out->size = sizeof out->u.local;
        return snprintf(out->u.local.sun_path, sizeof out->u.local.sun_path, "%s", address->host) <
               (int)sizeof out->u.local.sun_path;
    }
    if (inet_pton(AF_INET, host, &out->u.v4.sin_addr) == 1) {
        out->u.v4.sin_family = AF_INET;
        out->u.v4.sin_port = htons(address->port);
        out->size = sizeof out->u.v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) == 1) {
        out->u.v6.sin6_family = AF_INET6;
        out->u.v6.sin6_port = htons(address->port);
        out->size = sizeof out->u.v6;
        return true;
    }
    return false;
}

static int close_with(int fd, int error)
{
    close(fd);
    errno = error;
    return -1;
}

int posix_connect(const struct posix_address *address)
{
    struct socket_address where;
    const int yes = 1;
    if (!address_fill(address, &where)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(where.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (!address->unix_path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, &where.u.any, where.size) != 0 && errno != EINPROGRESS)
        return close_with(fd, errno);
    return fd;
}

/* What an earlier run left; anything else there is not ours. */
static void remove_socket(const char *path)
{
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
        unlink(path);
}

int posix_listen(const struct posix_address *address, uint16_t *port)
{
    struct socket_address where;
    const int yes = 1;
    if (!address_fill(address, &where)) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(where.u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address->unix_path)
        remove_socket(address->host);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, &where.u.any, where.size) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, &where.u.any, &where.size) != 0)
        return close_with(fd, errno);
    if (!address->unix_path)
        *port =
            ntohs(where.u.any.sa_family == AF_INET6 ? where.u.v6.sin6_port : where.u.v4.sin_port);
    return fd;
}

bool posix_stream_init(struct posix_stream *stream, size_t in_capacity, size_t out_capacity)
{
    memset(stream, 0, sizeof *stream);
    stream->fd = -1;
    return posix_buffer_init(&stream->in, in_capacity) &&
           posix_buffer_init(&stream->out, out_capacity);
}

void posix_stream_free(struct posix_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    posix_buffer_free(&stream->in);
    posix_buffer_free(&stream->out);
}

void posix_stream_attach(struct posix_stream *stream, int fd)
{
    posix_stream_detach(stream);
    stream->fd = fd;
}

void posix_stream_detach(struct posix_stream *stream)
{
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    stream->ended = false;
    posix_buffer_clear(&stream->in);
    posix_buffer_clear(&stream->out);
}

bool posix_stream_alive(const struct posix_stream *stream)
{
    return stream->fd >= 0 && !(stream->ended && posix_buffer_used(&stream->in) == 0);
}

short posix_stream_events(const struct posix_stream *stream)
{
    int events = 0;
    if (stream->fd < 0)
        return 0;
    if (!stream->ended && posix_buffer_used(&stream->in) < stream->in.capacity)
        events |= POLLIN;
    if (posix_buffer_used(&stream->out) > 0)
        events |= POLLOUT;
    return (short)events;
}

int posix_stream_receive(struct posix_stream *stream)
{
    int total = 0;
    while (stream->fd >= 0 && !stream->ended) {
        size_t room = posix_buffer_room(&stream->in);
        if (room == 0)
            break;
        ssize_t got = recv(stream->fd, stream->in.data + stream->in.end, room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (got <= 0) {
            stream->ended = true;
            errno = got == 0 ? 0 : errno;
            return total > 0 ? total : -1;
        }
        stream->in.end += (size_t)got;
        total += (int)got;
        if ((size_t)got < room)
            break; /* the socket is empty: spare the call that would only say so */
    }
    return total;
}

int posix_stream_flush(struct posix_stream *stream)
{
    int total = 0;
    while (stream->fd >= 0 && posix_buffer_used(&stream->out) > 0) {
        ssize_t sent = send(stream->fd, stream->out.data + stream->out.start,
                            posix_buffer_used(&stream->out), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN))
            break;
        if (sent <= 0)
            return -1;
        buffer_drop(&stream->out, (size_t)sent);
        total += (int)sent;
    }
    return total;
}
