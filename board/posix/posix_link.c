#include "board/posix/posix_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINK_IN_BYTES  (48u * 1024u)
#define LINK_OUT_BYTES (64u * 1024u)
#define LINK_RETRY_MS  500u

bool posix_link_open(struct posix_link *link, struct posix_console *console,
                     const struct posix_address *address, bool down)
{
    memset(link, 0, sizeof *link);
    link->console = console;
    link->address = *address;
    link->down = down;
    if (!posix_stream_init(&link->stream, LINK_IN_BYTES, LINK_OUT_BYTES)) {
        link->listen_fd = -1;
        errno = ENOMEM;
        return false;
    }
    link->listen_fd = posix_listen(address, &link->address.port);
    if (link->listen_fd < 0)
        return false;
    if (down) {
        close(link->listen_fd); /* it was opened to learn the port */
        link->listen_fd = -1;
    }
    return true;
}

void posix_link_close(struct posix_link *link)
{
    if (link->listen_fd >= 0)
        close(link->listen_fd);
    link->listen_fd = -1;
    posix_stream_flush(&link->stream);
    posix_stream_free(&link->stream);
}

int posix_link_read(struct posix_link *link, uint8_t *data, size_t size)
{
    if (!posix_stream_alive(&link->stream))
        return -1;
    return (int)posix_buffer_take(&link->stream.in, data, size);
}

int posix_link_write(struct posix_link *link, const uint8_t *data, size_t size)
{
    if (!posix_stream_alive(&link->stream))
        return -1;
    return (int)posix_buffer_put(&link->stream.out, data, size);
}

bool posix_link_drop(struct posix_link *link, const char *why)
{
    if (link->stream.fd < 0)
        return false;
    posix_console_event(link->console, "host", "%s gone: %s", link->peer, why);
    posix_stream_detach(&link->stream);
    link->request_waits = false;
    return true;
}

static void listen_again(struct posix_link *link, uint64_t now_ms)
{
    uint16_t port;
    link->listen_fd = posix_listen(&link->address, &port);
    if (link->listen_fd >= 0)
        return;
    if (link->retry_ms == 0)
        posix_console_event(link->console, "host", "port %u is taken: %s", link->address.port,
                            strerror(errno));
    link->retry_ms = now_ms + LINK_RETRY_MS;
}

void posix_link_set_down(struct posix_link *link, bool down, uint64_t now_ms)
{
    link->down = down;
    link->retry_ms = 0;
    if (down) {
        if (link->listen_fd >= 0)
            close(link->listen_fd);
        link->listen_fd = -1;
        posix_link_drop(link, "cable out");
    } else if (link->listen_fd < 0) {
        listen_again(link, now_ms);
    }
}

bool posix_link_pump(struct posix_link *link, uint64_t now_ms)
{
    if (link->listen_fd < 0 && !link->down && now_ms >= link->retry_ms)
        listen_again(link, now_ms);
    if (link->stream.fd < 0)
        return false;
    int sent = posix_stream_flush(&link->stream);
    if (sent < 0)
        return posix_link_drop(link, strerror(errno));
    link->bytes_out += (unsigned)sent;
    link->request_waits = link->request_waits && sent == 0;
    if (!posix_stream_alive(&link->stream))
        return posix_link_drop(link, "closed");
    bool room = sent > 0 && link->stream.out.refused;
    if (room)
        link->stream.out.refused = false;
    return room;
}

static void name_peer(struct posix_link *link, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } peer;
    socklen_t size = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "?";
    memset(&peer, 0, sizeof peer);
    if (getpeername(fd, &peer.any, &size) != 0) {
        snprintf(link->peer, sizeof link->peer, "?");
        return;
    }
    bool is_v6 = peer.any.sa_family == AF_INET6;
    const void *address = is_v6 ? (const void *)&peer.v6.sin6_addr : &peer.v4.sin_addr;
    inet_ntop(peer.any.sa_family, address, host, sizeof host);
    snprintf(link->peer, sizeof link->peer, "%s:%u", host,
             ntohs(is_v6 ? peer.v6.sin6_port : peer.v4.sin_port));
}

bool posix_link_accept(struct posix_link *link)
{
    const int yes = 1;
    int fd = accept4(link->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    posix_link_drop(link, "a newer host came");
    posix_stream_attach(&link->stream, fd);
    name_peer(link, fd);
    link->generation++;
    link->hosts++;
    posix_console_event(link->console, "host", "connected from %s", link->peer);
    return true;
}

bool posix_link_receive(struct posix_link *link)
{
    int got = posix_stream_receive(&link->stream);
    if (got > 0) {
        link->bytes_in += (unsigned)got;
        link->request_waits = true;
    }
    return got != 0;
}
