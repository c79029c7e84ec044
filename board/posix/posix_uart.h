/* A socket in place of a device's UART: what kkt-fn and kkt-printer stand behind.
 *
 * The device listens on HOST:PORT or unix:PATH. One client at a time; the next one waits until the
 * first has gone. A new connection is a cable that was plugged in again.
 *
 * Always true: nothing waits; bytes that the device does not take stay in the socket, so its client
 * is held back as by flow control.
 */
#ifndef BOARD_POSIX_POSIX_UART_H
#define BOARD_POSIX_POSIX_UART_H

#include "board/posix/posix_stream.h"

enum posix_uart_event { POSIX_UART_NOTHING, POSIX_UART_BYTES, POSIX_UART_PLUGGED, POSIX_UART_GONE };

struct posix_uart {
    int listen_fd; /* -1: not open */
    struct posix_address address;
    struct posix_stream stream; /* fd -1: nobody is there */
};

/* where: HOST:PORT or unix:PATH. Capacities: bytes that wait for the device, and for the client.
 * False with a line for people in error. */
bool posix_uart_open(struct posix_uart *uart, const char *where, size_t in_capacity,
                     size_t out_capacity, char *error, size_t error_size);
void posix_uart_close(struct posix_uart *uart);
/* The address with its real port number. */
void posix_uart_name(const struct posix_uart *uart, char *out, size_t capacity);
/* One entry for poll. */
void posix_uart_poll(const struct posix_uart *uart, struct pollfd *out);
/* revents: what poll found for the entry, 0 without a poll. What the device has not taken when its
 * client has gone is lost, as with a cable that is pulled out. */
enum posix_uart_event posix_uart_pump(struct posix_uart *uart, short revents);

#endif
