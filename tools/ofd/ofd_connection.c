#include "tools/ofd/ofd_connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/net_sockets.h>

/* Three ways: > 0 moved, 0 nothing now, < 0 dead. */
static int socket_read(int file, uint8_t *data, size_t size)
{
    ssize_t got = recv(file, data, size, 0);
    if (got > 0)
        return (int)got;
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static int socket_write(int file, const uint8_t *data, size_t size)
{
    ssize_t sent = send(file, data, size, MSG_NOSIGNAL);
    if (sent >= 0)
        return (int)sent;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

static int tls_receive(void *context, unsigned char *data, size_t size)
{
    const struct ofd_connection *connection = context;
    int got = socket_read(connection->socket, data, size);
    return got > 0 ? got : got == 0 ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_NET_CONN_RESET;
}

static int tls_send(void *context, const unsigned char *data, size_t size)
{
    const struct ofd_connection *connection = context;
    int sent = socket_write(connection->socket, data, size);
    return sent > 0 ? sent : sent == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_CONN_RESET;
}

static int three_ways(int result)
{
    if (result > 0)
        return result;
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE ? 0 : -1;
}

struct ofd_connection *ofd_connection_new(int socket, unsigned id, const mbedtls_ssl_config *config,
                                          uint64_t now_ms)
{
    struct ofd_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->socket = socket;
    connection->id = id;
    connection->last_ms = now_ms;
    connection->tls = config != NULL;
    connection->open = config == NULL;
    mbedtls_ssl_init(&connection->ssl);
    if (config == NULL)
        return connection;
    if (mbedtls_ssl_setup(&connection->ssl, config) != 0) {
        mbedtls_ssl_free(&connection->ssl);
        free(connection);
        return NULL;
    }
    mbedtls_ssl_set_bio(&connection->ssl, connection, tls_send, tls_receive, NULL);
    return connection;
}

static int connection_read(struct ofd_connection *connection, uint8_t *data, size_t size)
{
    if (!connection->tls)
        return socket_read(connection->socket, data, size);
    int result = mbedtls_ssl_read(&connection->ssl, data, size);
    return result == 0 ? -1 : three_ways(result);
}

static int connection_write(struct ofd_connection *connection, const uint8_t *data, size_t size)
{
    int result;
    if (!connection->tls)
        return socket_write(connection->socket, data, size);
    if (connection->pending != 0)
        size = connection->pending; /* mbedTLS finishes the record it has already sealed */
    result = three_ways(mbedtls_ssl_write(&connection->ssl, data, size));
    connection->pending = result == 0 ? size : 0;
    return result;
}

/* How many bytes may still move before close-after strikes. */
static size_t allowance(const struct ofd_connection *connection, const struct ofd_behaviour *how,
                        size_t wanted)
{
    uint32_t left;
    if (!how->cut)
        return wanted;
    left = how->cut_bytes > connection->moved ? how->cut_bytes - connection->moved : 0;
    return wanted < left ? wanted : left;
}

static bool flush(struct ofd_connection *connection, const struct ofd_behaviour *how,
                  uint64_t now_ms)
{
    while (connection->out_sent < connection->out_size && now_ms >= connection->send_ms) {
        size_t size = allowance(connection, how, connection->out_size - connection->out_sent);
        int sent;
        if (size == 0)
            return false;
        sent = connection_write(connection, connection->out + connection->out_sent, size);
        if (sent < 0)
            return false;
        if (sent == 0)
            return true;
        connection->out_sent += (size_t)sent;
        connection->moved += (uint32_t)sent;
        connection->last_ms = now_ms;
    }
    if (connection->out_sent < connection->out_size)
        return true;
    connection->out_size = connection->out_sent = 0;
    return !connection->close_when_sent;
}

static void take(struct ofd_connection *connection, struct ofd_operator *office, uint64_t now_ms,
                 unix_s now_utc, void (*print)(const char *line))
{
    struct ofd_reply reply;
    size_t used = ofd_operator_take(office, connection->in, connection->in_size, now_utc, &reply);
    if (reply.event[0] != '\0')
        print(reply.event);
    if (used == 0)
        return;
    connection->in_size -= used;
    memmove(connection->in, connection->in + used, connection->in_size);
    memcpy(connection->out, reply.bytes, reply.size);
    connection->out_size = reply.size;
    connection->out_sent = 0;
    connection->send_ms = now_ms + office->behaviour.slow_ms;
    connection->close_when_sent = reply.close;
}

/* 1: bytes came, 0: none now, -1: over. */
static int fill(struct ofd_connection *connection, const struct ofd_behaviour *how, uint64_t now_ms)
{
    size_t room = sizeof connection->in - connection->in_size;
    size_t size = allowance(connection, how, room);
    int got;
    if (room == 0)
        return 0;
    if (size == 0)
        return -1;
    got = connection_read(connection, connection->in + connection->in_size, size);
    if (got <= 0)
        return got;
    connection->in_size += (size_t)got;
    connection->moved += (uint32_t)got;
    connection->last_ms = now_ms;
    return 1;
}

bool ofd_connection_service(struct ofd_connection *connection, struct ofd_operator *office,
                            uint64_t now_ms, unix_s now_utc, void (*print)(const char *line))
{
    int state = 1;
    if (now_ms - connection->last_ms >= CONNECTION_IDLE_MS)
        return false;
    if (!connection->open) {
        int result = mbedtls_ssl_handshake(&connection->ssl);
        if (result != 0)
            return three_ways(result) == 0;
        connection->open = true;
        connection->last_ms = now_ms;
    }
    while (state > 0) {
        /* Everything that lies here is answered before more is read; one answer at a time. */
        size_t before;
        do {
            if (!flush(connection, &office->behaviour, now_ms))
                return false;
            before = connection->in_size;
            if (connection->out_size == 0)
                take(connection, office, now_ms, now_utc, print);
        } while (connection->in_size != before);
        if (!flush(connection, &office->behaviour, now_ms))
            return false;
        state = fill(connection, &office->behaviour, now_ms);
    }
    return state == 0;
}

short ofd_connection_wants(const struct ofd_connection *connection, uint64_t now_ms)
{
    short wants = connection->in_size < sizeof connection->in ? POLLIN : 0;
    /* A handshake waits for the peer in practice; its few unsent bytes go out on the next turn. */
    if (connection->out_sent < connection->out_size && now_ms >= connection->send_ms)
        wants |= POLLOUT;
    return wants;
}

uint64_t ofd_connection_due_ms(const struct ofd_connection *connection)
{
    uint64_t idle_ms = connection->last_ms + CONNECTION_IDLE_MS;
    if (connection->out_sent < connection->out_size && connection->send_ms < idle_ms)
        return connection->send_ms;
    return idle_ms;
}

void ofd_connection_free(struct ofd_connection *connection)
{
    if (connection->tls && connection->open)
        (void)mbedtls_ssl_close_notify(&connection->ssl);
    mbedtls_ssl_free(&connection->ssl);
    (void)close(connection->socket);
    free(connection);
}
