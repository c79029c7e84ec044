/* TCP, for the emulated board. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostdrv/clock.h"
#include "hostdrv/fault.h"
#include "hostdrv/transport.h"

struct transport_tcp {
    struct transport base;
    int socket;
};

static struct transport_tcp *self_of(struct transport *transport)
{
    return (struct transport_tcp *)transport;
}

static int would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int tcp_read(struct transport *transport, uint8_t *bytes, size_t capacity)
{
    ssize_t got = recv(self_of(transport)->socket, bytes, capacity, MSG_DONTWAIT);
    if (got > 0)
        return (int)got;
    return got < 0 && would_block() ? 0 : -1; /* 0: the board closed */
}

static int tcp_write(struct transport *transport, const uint8_t *bytes, size_t size)
{
    ssize_t sent = send(self_of(transport)->socket, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        return (int)sent;
    return sent == 0 || would_block() ? 0 : -1;
}

static int tcp_wait(struct transport *transport, bool want_write, unsigned timeout_ms)
{
    struct pollfd poller = {.fd = self_of(transport)->socket,
                            .events = (short)(want_write ? POLLIN | POLLOUT : POLLIN)};
    int ready = poll(&poller, 1, (int)timeout_ms);
    if (ready < 0)
        return errno == EINTR ? 0 : -1;
    return ready; /* a hang-up is told by the read that follows, after the last bytes */
}

static void tcp_close(struct transport *transport)
{
    close(self_of(transport)->socket);
    free(transport);
}

static const struct transport_operations tcp_operations = {
    .read = tcp_read, .write = tcp_write, .wait = tcp_wait, .close = tcp_close, .faithful = true};

/* 0 or an errno. */
static int finish_connect(int handle, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = host_clock_ms();
        if (now_ms >= deadline_ms)
            return ETIMEDOUT;
        struct pollfd poller = {.fd = handle, .events = POLLOUT};
        int ready = poll(&poller, 1, (int)(deadline_ms - now_ms));
        if (ready < 0 && errno != EINTR)
            return errno;
        if (ready > 0)
            break;
    }
    int problem = 0;
    socklen_t length = sizeof problem;
    if (getsockopt(handle, SOL_SOCKET, SO_ERROR, &problem, &length) != 0)
        return errno;
    return problem;
}

/* A connected socket, or -1 and *problem. */
static int try_address(const struct addrinfo *address, uint64_t deadline_ms, int *problem)
{
    int handle = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        address->ai_protocol);
    if (handle < 0) {
        *problem = errno;
        return -1;
    }
    *problem = 0;
    if (connect(handle, address->ai_addr, address->ai_addrlen) != 0) {
        *problem = errno;
        if (*problem == EINPROGRESS || *problem == EINTR)
            *problem = finish_connect(handle, deadline_ms);
    }
    if (*problem != 0) {
        close(handle);
        return -1;
    }
    /* One request is one write: waiting for more would only delay it. */
    int on = 1;
    setsockopt(handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(handle, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    return handle;
}

int transport_tcp_open(const struct device_uri *uri, unsigned timeout_ms, struct transport **out,
                       kkt_error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    int resolved = getaddrinfo(uri->place, uri->port, &hints, &addresses);
    if (resolved != 0)
        return fault_field(error, ERROR_LINK_LOST, "host", "%s: %s", uri->place,
                           gai_strerror(resolved));
    uint64_t deadline_ms = host_clock_ms() + timeout_ms;
    int handle = -1;
    int problem = 0;
    for (struct addrinfo *address = addresses; address != NULL && handle < 0;
         address = address->ai_next)
        handle = try_address(address, deadline_ms, &problem);
    freeaddrinfo(addresses);
    if (handle < 0)
        return fault_set(error, transport_errno_code(problem), "%s:%s: %s", uri->place, uri->port,
                         strerror(problem));
    struct transport_tcp *self = calloc(1, sizeof *self);
    if (self == NULL) {
        close(handle);
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    }
    self->base.operations = &tcp_operations;
    self->socket = handle;
    *out = &self->base;
    return KKT_OK;
}
