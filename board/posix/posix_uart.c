#include "board/posix/posix_uart.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool posix_uart_open(struct posix_uart *uart, const char *where, size_t in_capacity,
                     size_t out_capacity, char *error, size_t error_size)
{
    memset(uart, 0, sizeof *uart);
    uart->listen_fd = -1;
    if (!posix_stream_init(&uart->stream, in_capacity, out_capacity)) {
        snprintf(error, error_size, "no memory");
        return false;
    }
    if (!posix_address_parse(where, &uart->address)) {
        snprintf(error, error_size, "--listen takes HOST:PORT with a numeric host, or unix:PATH");
        return false;
    }
    uart->listen_fd = posix_listen(&uart->address, &uart->address.port);
    if (uart->listen_fd >= 0)
        return true;
    snprintf(error, error_size, "cannot listen on %s: %s", where, strerror(errno));
    return false;
}

void posix_uart_close(struct posix_uart *uart)
{
    posix_stream_free(&uart->stream);
    if (uart->listen_fd < 0)
        return;
    close(uart->listen_fd);
    uart->listen_fd = -1;
    if (uart->address.unix_path)
        unlink(uart->address.host);
}

void posix_uart_name(const struct posix_uart *uart, char *out, size_t capacity)
{
    if (uart->address.unix_path)
        snprintf(out, capacity, "unix:%s", uart->address.host);
    else
        snprintf(out, capacity, "%s:%u", uart->address.host, uart->address.port);
}

void posix_uart_poll(const struct posix_uart *uart, struct pollfd *out)
{
    bool plugged = uart->stream.fd >= 0;
    int events = plugged ? posix_stream_events(&uart->stream) | POLLRDHUP : POLLIN;
    *out =
        (struct pollfd){.fd = plugged ? uart->stream.fd : uart->listen_fd, .events = (short)events};
}

static enum posix_uart_event accept_client(struct posix_uart *uart)
{
    const int yes = 1;
    int fd = accept4(uart->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return POSIX_UART_NOTHING;
    if (!uart->address.unix_path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    posix_stream_attach(&uart->stream, fd);
    return POSIX_UART_PLUGGED;
}

enum posix_uart_event posix_uart_pump(struct posix_uart *uart, short revents)
{
    struct posix_stream *stream = &uart->stream;
    if (stream->fd < 0)
        return revents != 0 ? accept_client(uart) : POSIX_UART_NOTHING;
    /* The last bytes had their chance with the call before this one. */
    bool gone = stream->ended || ((revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 &&
                                  posix_buffer_room(&stream->in) == 0);
    int sent = gone ? 0 : posix_stream_flush(stream);
    gone = gone || sent < 0;
    int got = revents != 0 && !gone ? posix_stream_receive(stream) : 0;
    if (gone || !posix_stream_alive(stream)) {
        posix_stream_detach(stream);
        return POSIX_UART_GONE;
    }
    return got > 0 ? POSIX_UART_BYTES : POSIX_UART_NOTHING;
}
