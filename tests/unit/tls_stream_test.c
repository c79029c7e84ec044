/* The TLS client stream against an mbedTLS server in the same process, over two memory pipes that
 * can be slow, cut or poisoned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/net_sockets.h>

#include "board/tls/tls_stream.h"
#include "tools/ofd/ofd_identity.h"

#define PIPE_SIZE  65536u
#define ROUNDS_MAX 200000u

struct pipe {
    uint8_t data[PIPE_SIZE];
    size_t head, tail;
    size_t capacity;  /* bytes that may lie in it */
    size_t step;      /* bytes moved by one call */
    size_t total;     /* bytes ever written */
    size_t cut_after; /* 0: never; then the writer's bytes vanish and the reader sees the end */
};

struct link {
    struct pipe to_server, to_client;
    struct tls_stream client;
    mbedtls_ssl_context server;
    uint64_t now;
    bool no_entropy;
    uint32_t dice;
};

struct fixture {
    char directory[32];
    struct ofd_identity good, other;
    uint8_t ca[2048], other_ca[2048];
    size_t ca_size, other_ca_size;
};

static bool pipe_is_cut(const struct pipe *pipe)
{
    return pipe->cut_after != 0 && pipe->total >= pipe->cut_after;
}

static int pipe_write(struct pipe *pipe, const uint8_t *data, size_t size)
{
    size_t room = pipe->capacity - (pipe->head - pipe->tail);
    if (pipe_is_cut(pipe))
        return -1;
    if (size > room)
        size = room;
    if (size > pipe->step)
        size = pipe->step;
    if (pipe->cut_after != 0 && size > pipe->cut_after - pipe->total)
        size = pipe->cut_after - pipe->total;
    for (size_t i = 0; i < size; i++)
        pipe->data[(pipe->head + i) % PIPE_SIZE] = data[i];
    pipe->head += size;
    pipe->total += size;
    return (int)size;
}

static int pipe_read(struct pipe *pipe, uint8_t *data, size_t size)
{
    size_t have = pipe->head - pipe->tail;
    if (have == 0)
        return pipe_is_cut(pipe) ? -1 : 0;
    if (size > have)
        size = have;
    if (size > pipe->step)
        size = pipe->step;
    for (size_t i = 0; i < size; i++)
        data[i] = pipe->data[(pipe->tail + i) % PIPE_SIZE];
    pipe->tail += size;
    return (int)size;
}

static int client_read(void *context, uint8_t *data, size_t size)
{
    return pipe_read(&((struct link *)context)->to_client, data, size);
}

static int client_write(void *context, const uint8_t *data, size_t size)
{
    return pipe_write(&((struct link *)context)->to_server, data, size);
}

static int client_random(void *context, uint8_t *data, size_t size)
{
    struct link *link = context;
    for (size_t i = 0; i < size; i++) {
        link->dice = link->dice * 1664525u + 1013904223u;
        data[i] = (uint8_t)(link->dice >> 24);
    }
    return link->no_entropy ? -1 : 0;
}

static uint64_t client_time(void *context)
{
    return ((struct link *)context)->now;
}

static int server_receive(void *context, unsigned char *data, size_t size)
{
    int got = pipe_read(&((struct link *)context)->to_server, data, size);
    return got > 0 ? got : got == 0 ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int server_send(void *context, const unsigned char *data, size_t size)
{
    int sent = pipe_write(&((struct link *)context)->to_client, data, size);
    return sent > 0 ? sent : sent == 0 ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_SSL_CONN_EOF;
}

static struct link *link_open(const struct fixture *fixture, const char *name, const uint8_t *ca,
                              size_t ca_size, int *result)
{
    struct link *link = calloc(1, sizeof *link);
    struct tls_stream_io io = {.read = client_read,
                               .write = client_write,
                               .random = client_random,
                               .time = client_time,
                               .context = link};
    assert_non_null(link);
    link->to_server.capacity = link->to_client.capacity = PIPE_SIZE;
    link->to_server.step = link->to_client.step = PIPE_SIZE;
    link->dice = 7;
    link->now = (uint64_t)time(NULL);
    mbedtls_ssl_init(&link->server);
    assert_int_equal(mbedtls_ssl_setup(&link->server, &fixture->good.config), 0);
    mbedtls_ssl_set_bio(&link->server, link, server_send, server_receive, NULL);
    *result = tls_stream_init(&link->client, &io, name, ca, ca_size);
    return link;
}

static void link_close(struct link *link)
{
    tls_stream_free(&link->client);
    tls_stream_free(&link->client); /* allowed again */
    mbedtls_ssl_free(&link->server);
    free(link);
}

/* Both sides step until the client is through or dead, or nothing more can happen. */
static int shake(struct link *link, unsigned rounds)
{
    int client = 0, server = MBEDTLS_ERR_SSL_WANT_READ;
    for (unsigned i = 0; i < rounds && client == 0; i++) {
        client = tls_stream_handshake(&link->client);
        if (server == MBEDTLS_ERR_SSL_WANT_READ || server == MBEDTLS_ERR_SSL_WANT_WRITE)
            server = mbedtls_ssl_handshake(&link->server);
    }
    /* The server must read the client's last flight before it can take data. */
    for (unsigned i = 0; i < rounds && client == 1 && server != 0; i++)
        server = mbedtls_ssl_handshake(&link->server);
    return client;
}

static struct link *connected(const struct fixture *fixture)
{
    int result;
    struct link *link = link_open(fixture, "localhost", fixture->ca, fixture->ca_size, &result);
    assert_int_equal(result, 0);
    assert_int_equal(shake(link, 1000), 1);
    assert_int_equal(tls_stream_error(&link->client), 0);
    return link;
}

/* ---- tests ---- */

static void talks_with_a_good_server(void **state)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    const struct fixture *fixture = *state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t bytes[64];
        int result;
        struct link *link = link_open(fixture, names[i], fixture->ca, fixture->ca_size, &result);
        assert_int_equal(result, 0);
        /* Before the handshake nothing moves. */
        assert_int_equal(tls_stream_write(&link->client, (const uint8_t *)"x", 1), 0);
        assert_int_equal(tls_stream_read(&link->client, bytes, 1), 0);
        assert_int_equal(link->to_server.total, 0);
        assert_int_equal(shake(link, 1000), 1);
        assert_int_equal(tls_stream_handshake(&link->client), 1);
        assert_string_equal(mbedtls_ssl_get_version(&link->server), "TLSv1.2");
        assert_non_null(strstr(mbedtls_ssl_get_ciphersuite(&link->server), "ECDHE"));
        assert_int_equal(tls_stream_write(&link->client, (const uint8_t *)"hello", 5), 5);
        assert_int_equal(mbedtls_ssl_read(&link->server, bytes, sizeof bytes), 5);
        assert_memory_equal(bytes, "hello", 5);
        assert_int_equal(tls_stream_read(&link->client, bytes, sizeof bytes), 0);
        assert_int_equal(mbedtls_ssl_write(&link->server, (const uint8_t *)"answer", 6), 6);
        assert_int_equal(tls_stream_read(&link->client, bytes, 2), 2);
        assert_int_equal(tls_stream_read(&link->client, bytes + 2, sizeof bytes - 2), 4);
        assert_memory_equal(bytes, "answer", 6);
        link_close(link);
    }
}

static void an_orderly_end_is_no_tls_failure(void **state)
{
    struct link *link = connected(*state);
    uint8_t byte;
    assert_int_equal(mbedtls_ssl_close_notify(&link->server), 0);
    assert_true(tls_stream_read(&link->client, &byte, 1) < 0);
    assert_int_equal(tls_stream_error(&link->client), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_false(tls_stream_failed_by_tls(&link->client));
    /* Dead stays dead. */
    assert_true(tls_stream_read(&link->client, &byte, 1) < 0);
    assert_true(tls_stream_write(&link->client, &byte, 1) < 0);
    assert_true(tls_stream_handshake(&link->client) < 0);
    link_close(link);
}

static void refuses(const struct fixture *fixture, const char *name, const uint8_t *ca,
                    size_t ca_size, uint64_t now, uint32_t expected)
{
    int result;
    struct link *link = link_open(fixture, name, ca, ca_size, &result);
    uint32_t detail;
    assert_int_equal(result, 0);
    link->now = now;
    assert_true(shake(link, 1000) < 0);
    assert_int_equal(tls_stream_error(&link->client), MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    assert_true(tls_stream_failed_by_tls(&link->client));
    detail = tls_stream_detail(&link->client);
    assert_int_equal(detail & 0xFFFF, 0x2700);
    assert_true(detail >> 16 & expected);
    assert_int_equal(detail >> 16 & ~expected, 0);
    link_close(link);
}

static void refuses_whom_it_cannot_trust(void **state)
{
    const struct fixture *fixture = *state;
    uint64_t now = (uint64_t)time(NULL), year = 365 * 86400;
    refuses(fixture, "localhost", fixture->other_ca, fixture->other_ca_size, now,
            MBEDTLS_X509_BADCERT_NOT_TRUSTED);
    refuses(fixture, "ofd.example.com", fixture->ca, fixture->ca_size, now,
            MBEDTLS_X509_BADCERT_CN_MISMATCH);
    refuses(fixture, "localhos", fixture->ca, fixture->ca_size, now,
            MBEDTLS_X509_BADCERT_CN_MISMATCH);
    refuses(fixture, "localhost", fixture->ca, fixture->ca_size, now + 20 * year,
            MBEDTLS_X509_BADCERT_EXPIRED);
    refuses(fixture, "localhost", fixture->ca, fixture->ca_size, now - year,
            MBEDTLS_X509_BADCERT_FUTURE);
}

static void a_board_without_clock_skips_the_dates(void **state)
{
    const struct fixture *fixture = *state;
    int result;
    struct link *link = link_open(fixture, "localhost", fixture->ca, fixture->ca_size, &result);
    assert_int_equal(result, 0);
    link->now = 0;
    assert_int_equal(shake(link, 1000), 1);
    link_close(link);
}

static void bad_setup_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct tls_stream_io io = {.read = client_read, .write = client_write, .random = client_random};
    struct tls_stream stream;
    struct link link;
    uint8_t byte = 0;
    memset(&link, 0, sizeof link);
    io.context = &link;
    assert_true(tls_stream_init(&stream, &io, "", fixture->ca, fixture->ca_size) < 0);
    assert_int_equal(tls_stream_error(&stream), MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    tls_stream_free(&stream);
    assert_true(tls_stream_init(&stream, &io, "localhost", NULL, 0) < 0);
    tls_stream_free(&stream);
    assert_true(tls_stream_init(&stream, &io, "localhost", fixture->ca, 40) < 0);
    assert_true(tls_stream_handshake(&stream) < 0);
    assert_true(tls_stream_read(&stream, &byte, 1) < 0);
    tls_stream_free(&stream);
    link.no_entropy = true;
    assert_true(tls_stream_init(&stream, &io, "localhost", fixture->ca, fixture->ca_size) < 0);
    assert_int_equal(tls_stream_error(&stream), MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED);
    tls_stream_free(&stream);
    assert_int_equal(link.to_server.total, 0);
}

static void a_trickle_is_enough(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t *sent = malloc(40000), *got = malloc(40000);
    size_t written = 0, have = 0;
    int result;
    struct link *link = link_open(fixture, "localhost", fixture->ca, fixture->ca_size, &result);
    assert_int_equal(result, 0);
    link->to_server.step = link->to_client.step = 1;
    link->to_server.capacity = link->to_client.capacity = 7;
    assert_int_equal(shake(link, ROUNDS_MAX), 1);
    link->to_server.step = link->to_client.step = 50;
    link->to_server.capacity = link->to_client.capacity = 100;
    for (size_t i = 0; i < 40000; i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    for (unsigned i = 0; i < ROUNDS_MAX && have < 40000; i++) {
        if (written < 40000) {
            result = tls_stream_write(&link->client, sent + written, 40000 - written);
            assert_true(result >= 0);
            written += (size_t)result;
        }
        result = mbedtls_ssl_read(&link->server, got + have, 40000 - have);
        assert_true(result > 0 || result == MBEDTLS_ERR_SSL_WANT_READ);
        have += result > 0 ? (size_t)result : 0;
    }
    assert_int_equal(have, 40000);
    assert_memory_equal(sent, got, 40000);
    link_close(link);
    free(sent);
    free(got);
}

static void less_than_before_is_refused_after_a_zero(void **state)
{
    struct link *link = connected(*state);
    uint8_t bytes[300] = {0};
    link->to_server.capacity = link->to_server.head - link->to_server.tail + 10;
    assert_int_equal(tls_stream_write(&link->client, bytes, sizeof bytes), 0);
    assert_true(tls_stream_write(&link->client, bytes, sizeof bytes - 1) < 0);
    assert_int_equal(tls_stream_error(&link->client), MBEDTLS_ERR_SSL_BAD_INPUT_DATA);
    link_close(link);
}

static void garbage_kills_the_handshake(void **state)
{
    const struct fixture *fixture = *state;
    uint32_t seed = 99;
    for (unsigned round = 0; round < 200; round++) {
        uint8_t garbage[300];
        int result;
        struct link *link = link_open(fixture, "localhost", fixture->ca, fixture->ca_size, &result);
        assert_int_equal(result, 0);
        for (size_t i = 0; i < sizeof garbage; i++) {
            seed = seed * 1664525u + 1013904223u;
            garbage[i] = (uint8_t)(seed >> 24);
        }
        if (round % 4 == 0)
            memcpy(garbage, "\x16\x03\x03\x01\x00", 5); /* the shape of a handshake record */
        if (round % 4 == 1)
            memcpy(garbage, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        assert_int_equal(tls_stream_handshake(&link->client), 0);
        assert_int_equal(pipe_write(&link->to_client, garbage, sizeof garbage), sizeof garbage);
        for (unsigned i = 0; i < 50 && result == 0; i++)
            result = tls_stream_handshake(&link->client);
        assert_true(result < 0);
        assert_true(tls_stream_failed_by_tls(&link->client));
        assert_int_equal(tls_stream_detail(&link->client) >> 16, 0);
        link_close(link);
    }
}

static void damaged_records_are_noticed(void **state)
{
    struct link *link = connected(*state);
    uint8_t bytes[64];
    assert_int_equal(mbedtls_ssl_write(&link->server, (const uint8_t *)"answer", 6), 6);
    link->to_client.data[(link->to_client.head - 3) % PIPE_SIZE] ^= 1;
    assert_true(tls_stream_read(&link->client, bytes, sizeof bytes) < 0);
    assert_int_equal(tls_stream_error(&link->client), MBEDTLS_ERR_SSL_INVALID_MAC);
    assert_true(tls_stream_failed_by_tls(&link->client));
    link_close(link);
}

/* How many bytes each side sends in a whole conversation. */
static int converse(struct link *link, unsigned rounds)
{
    uint8_t bytes[64];
    int result = shake(link, rounds);
    if (result != 1)
        return result;
    if (tls_stream_write(&link->client, (const uint8_t *)"question", 8) < 0)
        return -1;
    (void)mbedtls_ssl_read(&link->server, bytes, sizeof bytes);
    (void)mbedtls_ssl_write(&link->server, (const uint8_t *)"answer", 6);
    for (unsigned i = 0; i < 10; i++) {
        result = tls_stream_read(&link->client, bytes, sizeof bytes);
        if (result != 0)
            return result;
    }
    return 0;
}

static void a_cut_anywhere_ends_in_an_error(void **state)
{
    const struct fixture *fixture = *state;
    struct link *link = connected(fixture);
    size_t totals[2];
    link_close(link);
    link = connected(fixture);
    assert_int_equal(converse(link, 1000), 6);
    totals[0] = link->to_server.total;
    totals[1] = link->to_client.total;
    link_close(link);
    for (unsigned way = 0; way < 2; way++) {
        for (size_t cut = 1; cut < totals[way]; cut += 13) {
            int result;
            link = link_open(fixture, "localhost", fixture->ca, fixture->ca_size, &result);
            assert_int_equal(result, 0);
            if (way == 0)
                link->to_server.cut_after = cut;
            else
                link->to_client.cut_after = cut;
            result = converse(link, 100);
            /* A silent end towards the server shows only when one writes on; it never shows as
             * data. */
            assert_true(result <= 0);
            if (way == 1) {
                assert_true(result < 0);
                assert_int_equal(tls_stream_error(&link->client), MBEDTLS_ERR_SSL_CONN_EOF);
                assert_false(tls_stream_failed_by_tls(&link->client));
            }
            link_close(link);
        }
    }
}

static size_t read_file(const char *directory, const char *name, uint8_t *out, size_t capacity)
{
    char path[96];
    FILE *file;
    size_t size;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    size = fread(out, 1, capacity, file);
    (void)fclose(file);
    return size;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char path[64], error[256];
    if (fixture == NULL)
        return -1;
    strcpy(fixture->directory, "/tmp/tls-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/good", fixture->directory);
    if (!ofd_identity_open(&fixture->good, path, error, sizeof error))
        return -1;
    fixture->ca_size = read_file(path, "ca.der", fixture->ca, sizeof fixture->ca);
    (void)snprintf(path, sizeof path, "%s/other", fixture->directory);
    if (!ofd_identity_open(&fixture->other, path, error, sizeof error))
        return -1;
    fixture->other_ca_size = read_file(path, "ca.der", fixture->other_ca, sizeof fixture->other_ca);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[64];
    ofd_identity_free(&fixture->good);
    ofd_identity_free(&fixture->other);
    (void)snprintf(command, sizeof command, "rm -rf %s", fixture->directory);
    free(fixture);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_with_a_good_server),
        cmocka_unit_test(an_orderly_end_is_no_tls_failure),
        cmocka_unit_test(refuses_whom_it_cannot_trust),
        cmocka_unit_test(a_board_without_clock_skips_the_dates),
        cmocka_unit_test(bad_setup_is_refused),
        cmocka_unit_test(a_trickle_is_enough),
        cmocka_unit_test(less_than_before_is_refused_after_a_zero),
        cmocka_unit_test(garbage_kills_the_handshake),
        cmocka_unit_test(damaged_records_are_noticed),
        cmocka_unit_test(a_cut_anywhere_ends_in_an_error),
    };
    return cmocka_run_group_tests_name("tls_stream", tests, setup, teardown);
}
