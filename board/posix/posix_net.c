#include "board/posix/posix_net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define NET_BUFFER_BYTES (40u * 1024u)

bool posix_net_init(struct posix_net *net, struct posix_console *console, struct posix_clock *clock)
{
    memset(net, 0, sizeof *net);
    net->console = console;
    net->clock = clock;
    return posix_stream_init(&net->stream, NET_BUFFER_BYTES, NET_BUFFER_BYTES);
}

static void release(struct posix_net *net)
{
    posix_resolve_drop(net->resolve);
    net->resolve = NULL;
    if (net->tls_ready)
        tls_stream_free(&net->tls);
    net->tls_ready = false;
    posix_stream_detach(&net->stream);
}

void posix_net_deinit(struct posix_net *net)
{
    release(net);
    posix_stream_free(&net->stream);
    net->phase = POSIX_NET_CLOSED;
}

static const char *error_name(enum board_net_error error)
{
    static const char *const names[] = {"ok",      "no network", "name unknown", "refused",
                                        "timeout", "TLS",        "lost"};
    return (unsigned)error < sizeof names / sizeof names[0] ? names[error] : "?";
}

/* Ends in FAILED; true, so that callers can pass it on as "look". */
static bool fail(struct posix_net *net, enum board_net_error error, uint32_t detail)
{
    release(net);
    net->phase = POSIX_NET_FAILED;
    net->error = error;
    net->detail = detail;
    net->failed++;
    posix_console_event(net->console, "net", "%s:%u %s (%u)", net->name, net->port,
                        error_name(error), detail);
    return true;
}

static enum board_net_error error_of_errno(int number)
{
    switch (number) {
    case ECONNREFUSED:
    case ENOENT:
        return BOARD_NET_REFUSED;
    case ETIMEDOUT:
        return BOARD_NET_TIMEOUT;
    case 0:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return BOARD_NET_LOST;
    default:
        return BOARD_NET_DOWN; /* no route, no address, no interface, no socket to be had */
    }
}

/* Starts on the next address of the list; fails with the last one's reason when there
 * is none left. */
static bool connect_next(struct posix_net *net, int last_error)
{
    posix_stream_detach(&net->stream);
    while (net->found_next < net->found_count) {
        struct posix_address *address = &net->found[net->found_next++];
        address->port = net->port;
        int fd = posix_connect(address);
        if (fd >= 0) {
            posix_stream_attach(&net->stream, fd);
            net->phase = POSIX_NET_CONNECTING;
            return false;
        }
        last_error = errno;
    }
    return fail(net, error_of_errno(last_error), (uint32_t)last_error);
}

/* The request was taken; its failure is told by the state, like any other. */
static int refuse(struct posix_net *net, enum board_net_error error, uint32_t detail)
{
    fail(net, error, detail);
    return 0;
}

int posix_net_open(struct posix_net *net, const struct board_endpoint *endpoint, mono_ms now)
{
    release(net);
    net->phase = POSIX_NET_NAMING;
    net->error = BOARD_NET_OK;
    net->detail = 0;
    net->deadline = now + POSIX_NET_CONNECT_MS;
    net->found_count = net->found_next = 0;
    net->connects++;
    net->port = endpoint->port;
    int length = snprintf(net->name, sizeof net->name, "%s", endpoint->host);
    net->secure = endpoint->tls;
    net->ca_size = endpoint->tls ? endpoint->ca_size : 0;
    if (net->down)
        return refuse(net, BOARD_NET_DOWN, ENETDOWN);
    if (length <= 0 || length >= (int)sizeof net->name)
        return refuse(net, BOARD_NET_NAME, 0);
    if (net->secure && (endpoint->ca == NULL || net->ca_size == 0 || net->ca_size > sizeof net->ca))
        return refuse(net, BOARD_NET_TLS, 0);
    if (net->ca_size > 0)
        memcpy(net->ca, endpoint->ca, net->ca_size);
    if (posix_resolve_is_direct(net->name)) {
        memcpy(net->found[0].host, net->name, sizeof net->name);
        net->found[0].unix_path = false;
        net->found_count = 1;
        connect_next(net, 0);
        return 0;
    }
    net->resolve = posix_resolve_start(net->name);
    if (net->resolve == NULL)
        return refuse(net, BOARD_NET_NAME, ENOMEM);
    return 0;
}

enum board_net_state posix_net_state(const struct posix_net *net, enum board_net_error *error,
                                     uint32_t *detail)
{
    if (error != NULL)
        *error = net->error;
    if (detail != NULL)
        *detail = net->detail;
    switch (net->phase) {
    case POSIX_NET_CLOSED:
        return BOARD_NET_CLOSED;
    case POSIX_NET_OPEN:
        return BOARD_NET_OPEN;
    case POSIX_NET_FAILED:
        return BOARD_NET_FAILED;
    default:
        return BOARD_NET_CONNECTING;
    }
}

int posix_net_read(struct posix_net *net, uint8_t *data, size_t size)
{
    if (net->phase != POSIX_NET_OPEN)
        return -1;
    return (int)posix_buffer_take(&net->stream.in, data, size);
}

int posix_net_write(struct posix_net *net, const uint8_t *data, size_t size)
{
    if (net->phase != POSIX_NET_OPEN)
        return -1;
    return (int)posix_buffer_put(&net->stream.out, data, size);
}

void posix_net_set_down(struct posix_net *net, bool down)
{
    net->down = down;
    if (!down)
        return;
    if (net->phase == POSIX_NET_OPEN)
        fail(net, BOARD_NET_LOST, ENETDOWN);
    else if (net->phase != POSIX_NET_CLOSED && net->phase != POSIX_NET_FAILED)
        fail(net, BOARD_NET_DOWN, ENETDOWN);
}

static int wire_read(void *context, uint8_t *data, size_t size)
{
    const struct posix_net *net = context;
    ssize_t got = recv(net->stream.fd, data, size, 0);
    if (got > 0)
        return (int)got;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static int wire_write(void *context, const uint8_t *data, size_t size)
{
    const struct posix_net *net = context;
    ssize_t sent = send(net->stream.fd, data, size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

static int wire_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return getrandom(data, size, 0) == (ssize_t)size ? 0 : -1;
}

static uint64_t wire_time(void *context)
{
    return posix_clock_utc(((struct posix_net *)context)->clock);
}

static bool fail_of_tls(struct posix_net *net)
{
    enum board_net_error error =
        tls_stream_failed_by_tls(&net->tls) ? BOARD_NET_TLS : BOARD_NET_LOST;
    return fail(net, error, tls_stream_detail(&net->tls));
}

static bool opened(struct posix_net *net)
{
    net->phase = POSIX_NET_OPEN;
    net->more = net->secure;
    net->opened++;
    posix_console_event(net->console, "net", "%s:%u connected%s", net->name, net->port,
                        net->secure ? " (TLS)" : "");
    return true;
}

/* The TCP connection stands: either that is all, or TLS begins. */
static bool connected(struct posix_net *net)
{
    const struct tls_stream_io io = {wire_read, wire_write, wire_random, wire_time, net};
    if (!net->secure)
        return opened(net);
    net->phase = POSIX_NET_HANDSHAKE;
    net->tls_ready = true;
    if (tls_stream_init(&net->tls, &io, net->name, net->ca, net->ca_size) != 0)
        return fail(net, BOARD_NET_TLS, tls_stream_detail(&net->tls));
    return false;
}

static bool pump_naming(struct posix_net *net, bool ready)
{
    int failure = 0;
    if (!ready)
        return false;
    net->found_count = posix_resolve_take(net->resolve, net->found, POSIX_RESOLVE_MAX, &failure);
    posix_resolve_drop(net->resolve);
    net->resolve = NULL;
    if (net->found_count == 0)
        return fail(net, BOARD_NET_NAME, (uint32_t)(failure < 0 ? -failure : failure));
    return connect_next(net, 0);
}

static bool pump_connecting(struct posix_net *net, bool ready)
{
    int number = 0;
    socklen_t size = sizeof number;
    if (!ready)
        return false;
    if (getsockopt(net->stream.fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    return number == 0 ? connected(net) : connect_next(net, number);
}

static bool pump_handshake(struct posix_net *net)
{
    int done = tls_stream_handshake(&net->tls);
    if (done < 0)
        return fail_of_tls(net);
    return done > 0 && opened(net);
}

/* Bytes to and from the peer through TLS. > 0 something moved for firmware,
 * < 0 the stream is dead. */
static int move_secure(struct posix_net *net)
{
    struct posix_buffer *in = &net->stream.in;
    struct posix_buffer *out = &net->stream.out;
    int moved = 0;
    while (posix_buffer_used(out) > 0) {
        int sent = tls_stream_write(&net->tls, out->data + out->start, posix_buffer_used(out));
        if (sent < 0)
            return -1;
        if (sent == 0)
            break;
        out->start += (size_t)sent;
        net->bytes_out += (unsigned)sent;
        moved += out->refused ? 1 : 0;
    }
    net->more = true; /* TLS may hold bytes that no poll will report */
    while (!net->stream.ended && posix_buffer_room(in) > 0) {
        int got = tls_stream_read(&net->tls, in->data + in->end, in->capacity - in->end);
        net->more = got > 0;
        if (got == 0)
            break;
        if (got < 0) {
            net->stream.ended = true;
            break;
        }
        in->end += (size_t)got;
        net->bytes_in += (unsigned)got;
        moved++;
    }
    return moved;
}

static int move_plain(struct posix_net *net, bool ready)
{
    int sent = posix_stream_flush(&net->stream);
    int got = sent >= 0 && ready ? posix_stream_receive(&net->stream) : 0;
    if (sent < 0) { /* what the peer said before it went away is still worth reading */
        posix_buffer_clear(&net->stream.out);
        got = posix_stream_receive(&net->stream);
        net->stream.ended = true;
        sent = 0;
    }
    net->bytes_out += (unsigned)sent;
    net->bytes_in += (unsigned)(got > 0 ? got : 0);
    return got != 0 || (sent > 0 && net->stream.out.refused) ? 1 : 0;
}

static bool pump_open(struct posix_net *net, bool ready)
{
    if (net->stream.ended && posix_buffer_used(&net->stream.in) == 0)
        return net->secure ? fail_of_tls(net) : fail(net, BOARD_NET_LOST, 0);
    bool out_waits = posix_buffer_used(&net->stream.out) > 0;
    if (!ready && !out_waits && !(net->secure && net->more))
        return false;
    int moved = net->secure ? move_secure(net) : move_plain(net, ready);
    if (moved < 0)
        return fail_of_tls(net);
    if (posix_buffer_used(&net->stream.out) == 0)
        net->stream.out.refused = false;
    return moved > 0 || net->stream.ended;
}

void posix_net_close(struct posix_net *net)
{
    if (net->phase == POSIX_NET_OPEN) {
        if (net->secure)
            move_secure(net);
        else
            posix_stream_flush(&net->stream);
        posix_console_event(net->console, "net", "%s:%u closed", net->name, net->port);
    }
    release(net);
    net->phase = POSIX_NET_CLOSED;
    net->error = BOARD_NET_OK;
    net->detail = 0;
}

int posix_net_poll(const struct posix_net *net, short *events)
{
    *events = POLLIN;
    switch (net->phase) {
    case POSIX_NET_NAMING:
        return net->resolve != NULL ? posix_resolve_fd(net->resolve) : -1;
    case POSIX_NET_CONNECTING:
        *events = POLLOUT;
        return net->stream.fd;
    case POSIX_NET_HANDSHAKE:
        return net->stream.fd;
    case POSIX_NET_OPEN:
        *events = posix_stream_events(&net->stream);
        return *events != 0 ? net->stream.fd : -1;
    default:
        return -1;
    }
}

uint64_t posix_net_due_ms(const struct posix_net *net, mono_ms now)
{
    if (net->phase == POSIX_NET_CLOSED || net->phase == POSIX_NET_OPEN ||
        net->phase == POSIX_NET_FAILED)
        return UINT64_MAX;
    return net->deadline > now ? net->deadline - now : 0;
}

bool posix_net_pump(struct posix_net *net, bool ready, mono_ms now)
{
    bool look = false;
    switch (net->phase) {
    case POSIX_NET_NAMING:
        look = pump_naming(net, ready);
        break;
    case POSIX_NET_CONNECTING:
        look = pump_connecting(net, ready);
        break;
    case POSIX_NET_HANDSHAKE:
        look = pump_handshake(net);
        break;
    case POSIX_NET_OPEN:
        return pump_open(net, ready);
    default:
        return false;
    }
    if (posix_net_due_ms(net, now) == 0)
        look = fail(net, BOARD_NET_TIMEOUT, 0);
    return look;
}
