/* The emulated board's network: plain TCP, TLS, names, and the network taken away. */
#include "tests/unit/posix_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>

#include "board/posix/posix_file.h"
#include "tools/ofd/ofd_identity.h"

struct operator
{
    int listener;
    uint16_t port;
};

static struct operator operator_listen(void)
{
    struct operator op = {socket(AF_INET, SOCK_STREAM, 0), 0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(op.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(op.listener, 4), 0);
    assert_int_equal(getsockname(op.listener, (struct sockaddr *)&address, &size), 0);
    op.port = ntohs(address.sin_port);
    return op;
}

static enum board_net_state net_state(struct fixture *fixture, enum board_net_error *error)
{
    uint32_t detail;
    return fixture->board->net_state(fixture->board->context, error, &detail);
}

static void net_open(struct fixture *fixture, const char *host, uint16_t port)
{
    const struct board_endpoint endpoint = {.host = host, .port = port};
    assert_int_equal(fixture->board->net_open(fixture->board->context, &endpoint), 0);
}

/* Turns until the connection is no longer in that state, 40 s at most. */
static enum board_net_state net_leave(struct fixture *fixture, enum board_net_state state,
                                      enum board_net_error *error)
{
    for (unsigned i = 0; i < 4000 && net_state(fixture, error) == state; i++)
        live(fixture, 1, 10);
    return net_state(fixture, error);
}

static void test_net_plain(void **state)
{
    struct fixture *fixture = *state;
    const struct board *board = fixture->board;
    enum board_net_error error;
    uint8_t bytes[16];
    struct operator op = operator_listen();
    assert_int_equal(net_state(fixture, &error), BOARD_NET_CLOSED);
    net_open(fixture, "localhost", op.port);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_OPEN);
    int peer = accept(op.listener, NULL, NULL);
    assert_int_equal(board->net_write(board->context, (const uint8_t *)"ping", 4), 4);
    live(fixture, 1, 0);
    assert_int_equal(recv(peer, bytes, sizeof bytes, 0), 4);
    assert_int_equal(send(peer, "pong!", 5, 0), 5);
    close(peer);
    live(fixture, 3, 100);
    /* The bytes come first, the end after them. */
    assert_int_equal(net_state(fixture, &error), BOARD_NET_OPEN);
    assert_int_equal(board->net_read(board->context, bytes, sizeof bytes), 5);
    assert_int_equal(net_leave(fixture, BOARD_NET_OPEN, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_LOST);
    assert_true(board->net_read(board->context, bytes, sizeof bytes) < 0);
    board->net_close(board->context);
    assert_int_equal(net_state(fixture, &error), BOARD_NET_CLOSED);
    close(op.listener);
    net_open(fixture, "127.0.0.1", op.port);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_REFUSED);
}

static void test_net_down(void **state)
{
    struct fixture *fixture = *state;
    enum board_net_error error;
    struct operator op = operator_listen();
    net_open(fixture, "127.0.0.1", op.port);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_OPEN);
    assert_int_equal(ctl(fixture, "net down"), 0);
    assert_int_equal(net_state(fixture, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_LOST);
    net_open(fixture, "127.0.0.1", op.port);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_DOWN);
    assert_int_equal(ctl(fixture, "net up"), 0);
    net_open(fixture, "127.0.0.1", op.port);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_OPEN);
    close(op.listener);
}

static void test_net_name_does_not_block(void **state)
{
    struct fixture *fixture = *state;
    enum board_net_error error;
    net_open(fixture, "no-such-operator.invalid", 7777);
    assert_int_equal(net_state(fixture, &error), BOARD_NET_CONNECTING);
    fixture->board->net_close(fixture->board->context); /* the thread's answer finds nobody */
    net_open(fixture, "no-such-operator.invalid", 7777);
    assert_int_equal(net_leave(fixture, BOARD_NET_CONNECTING, &error), BOARD_NET_FAILED);
    assert_true(error == BOARD_NET_NAME || error == BOARD_NET_TIMEOUT);
}

/* A TLS server that is stepped in turn with the board. */
struct tls_operator {
    struct ofd_identity identity;
    mbedtls_ssl_context ssl;
    mbedtls_net_context net;
};

static void tls_accept(struct tls_operator *tls, int listener)
{
    mbedtls_ssl_init(&tls->ssl);
    mbedtls_net_init(&tls->net);
    tls->net.fd = accept(listener, NULL, NULL);
    assert_true(tls->net.fd >= 0);
    assert_int_equal(mbedtls_net_set_nonblock(&tls->net), 0);
    assert_int_equal(mbedtls_ssl_setup(&tls->ssl, &tls->identity.config), 0);
    mbedtls_ssl_set_bio(&tls->ssl, &tls->net, mbedtls_net_send, mbedtls_net_recv, NULL);
}

static void tls_forget(struct tls_operator *tls)
{
    mbedtls_ssl_free(&tls->ssl);
    mbedtls_net_free(&tls->net);
}

static enum board_net_state tls_handshake(struct fixture *fixture, struct tls_operator *tls,
                                          enum board_net_error *error)
{
    for (unsigned i = 0; i < 1000 && net_state(fixture, error) == BOARD_NET_CONNECTING; i++) {
        live(fixture, 1, 10);
        mbedtls_ssl_handshake(&tls->ssl);
    }
    return net_state(fixture, error);
}

/* Opens the operator identity of that name, made at first use; gives its CA, to be freed. */
static uint8_t *authority(struct fixture *fixture, const char *name, struct ofd_identity *identity,
                          size_t *ca_size)
{
    char path[120], error[200];
    snprintf(path, sizeof path, "%s/%s", fixture->directory, name);
    if (!ofd_identity_open(identity, path, error, sizeof error))
        fail_msg("%s", error);
    strcat(path, "/ca.der");
    uint8_t *ca = posix_file_load(AT_FDCWD, path, 10000, ca_size);
    assert_non_null(ca);
    return ca;
}

static void test_net_tls(void **state)
{
    struct fixture *fixture = *state;
    const struct board *board = fixture->board;
    struct tls_operator tls;
    uint8_t bytes[64];
    size_t ca_size = 0;
    enum board_net_error error;
    struct operator op = operator_listen();
    uint8_t *ca = authority(fixture, "tls", &tls.identity, &ca_size);
    struct board_endpoint endpoint = {"localhost", op.port, true, ca, ca_size};
    assert_int_equal(board->net_open(board->context, &endpoint), 0);
    live(fixture, 2, 100);
    tls_accept(&tls, op.listener);
    assert_int_equal(tls_handshake(fixture, &tls, &error), BOARD_NET_OPEN);
    assert_int_equal(board->net_write(board->context, (const uint8_t *)"document", 8), 8);
    live(fixture, 2, 10);
    assert_int_equal(mbedtls_ssl_read(&tls.ssl, bytes, sizeof bytes), 8);
    assert_memory_equal(bytes, "document", 8);
    assert_int_equal(mbedtls_ssl_write(&tls.ssl, (const uint8_t *)"confirmed", 9), 9);
    live(fixture, 3, 100);
    assert_int_equal(board->net_read(board->context, bytes, sizeof bytes), 9);
    mbedtls_ssl_close_notify(&tls.ssl);
    tls_forget(&tls);
    assert_int_equal(net_leave(fixture, BOARD_NET_OPEN, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_LOST);
    free(ca);
    /* Another authority is not believed, whatever name it goes by. */
    ofd_identity_free(&tls.identity);
    ca = authority(fixture, "other", &tls.identity, &ca_size);
    endpoint.ca = ca;
    endpoint.ca_size = ca_size;
    ofd_identity_free(&tls.identity);
    free(authority(fixture, "tls", &tls.identity, &ca_size));
    assert_int_equal(board->net_open(board->context, &endpoint), 0);
    live(fixture, 2, 100);
    tls_accept(&tls, op.listener);
    assert_int_equal(tls_handshake(fixture, &tls, &error), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_TLS);
    tls_forget(&tls);
    ofd_identity_free(&tls.identity);
    free(ca);
    close(op.listener);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_net_plain),
        CASE(test_net_down),
        CASE(test_net_name_does_not_block),
        CASE(test_net_tls),
    };
    return cmocka_run_group_tests_name("posix_net", tests, NULL, NULL);
}
