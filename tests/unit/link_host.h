/* A board's link server alone, and the host at the other end of its cable, byte by byte: one that
 * speaks out of turn, leaves, comes back, does not listen. For tests only.
 */
#ifndef TESTS_UNIT_LINK_HOST_H
#define TESTS_UNIT_LINK_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Needs the four above it. */
#include <cmocka.h>

#include "firmware/link_server.h"

#define WIRE_BYTES 131072u

/* The host's cable: what it sent, what came back, and how well it listens. */
static struct {
    uint8_t sent[WIRE_BYTES], got[WIRE_BYTES];
    size_t sent_size, sent_read, got_size, got_read;
    size_t takes_at_once; /* bytes a write takes at most; 0: none */
    bool gone;            /* writes say that nobody is there */
    uint32_t generation;
} host;

static struct board board;
static struct link_server link_server;
static mono_ms now;
static struct link_decoder decoder;
static struct link_assembler assembler;
static uint8_t answer[LINK_MESSAGE_MAX];
static unsigned events;
static uint8_t last_event;

static int host_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_HOST);
    size_t left = host.sent_size - host.sent_read;
    size_t count = size < left ? size : left;
    memcpy(data, host.sent + host.sent_read, count);
    host.sent_read += count;
    return (int)count;
}

static int host_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_HOST);
    if (host.gone)
        return -1;
    size_t count = size < host.takes_at_once ? size : host.takes_at_once;
    assert_true(host.got_size + count <= sizeof(host.got));
    memcpy(host.got + host.got_size, data, count);
    host.got_size += count;
    return (int)count;
}

static uint32_t host_generation(void *context, enum board_port port)
{
    (void)context;
    (void)port;
    return host.generation;
}

static void turn(void)
{
    link_server_step(&link_server, now);
    now += 10;
}

/* A board just started; the first peer was told so. */
static void start(void)
{
    memset(&host, 0, sizeof(host));
    host.takes_at_once = WIRE_BYTES;
    host.generation = 1;
    board = (struct board){
        .port_read = host_read, .port_write = host_write, .port_generation = host_generation};
    now = 1000;
    events = last_event = 0;
    link_decoder_init(&decoder);
    link_assembler_init(&assembler, answer, sizeof(answer));
    link_server_init(&link_server, &board);
    turn();
}

static void send_frame(const struct link_frame *frame)
{
    size_t size = link_frame_encode(frame, host.sent + host.sent_size, WIRE_BYTES - host.sent_size);
    assert_true(size > 0);
    host.sent_size += size;
}

static void send_request(uint8_t code, uint16_t exchange, const uint8_t *message, size_t size)
{
    size_t offset = 0;
    do {
        size_t count = link_message_frame(LINK_REQUEST, code, exchange, message, size, &offset,
                                          host.sent + host.sent_size, WIRE_BYTES - host.sent_size);
        assert_true(count > 0);
        host.sent_size += count;
    } while (offset < size);
}

/* The next whole answer in `answer` and `assembler`; events are counted on the way. */
static bool receive(void)
{
    while (host.got_read < host.got_size) {
        struct link_frame frame;
        if (!link_decoder_push(&decoder, host.got[host.got_read++], &frame))
            continue;
        if (frame.kind == LINK_EVENT) {
            events++;
            last_event = frame.code;
        } else if (link_assembler_add(&assembler, &frame) == 1) {
            return true;
        }
    }
    return false;
}

static void expect_answer(uint8_t code, uint16_t exchange, uint16_t told)
{
    assert_true(receive());
    assert_int_equal(assembler.code, code);
    assert_int_equal(assembler.exchange, exchange);
    assert_int_equal(get_u16le(answer), told);
}

static void expect_silence(void)
{
    turn();
    assert_false(receive());
}

/* Answers with `told` and so many bytes in all, out of `from`. */
static void give_answer(uint8_t code, uint8_t *from, size_t size, uint16_t told, bool main)
{
    memset(from, 0x5A, size);
    from[0] = (uint8_t)told;
    from[1] = (uint8_t)(told >> 8);
    uint16_t exchange =
        main ? link_server_exchange(&link_server) : link_server.side_request.exchange;
    link_server_answer(&link_server, code, exchange, from, size, main);
}

static const uint8_t key_a[KEY_SIZE + 4] = {1, 2, 3};
static const uint8_t key_b[KEY_SIZE + 4] = {9, 8, 7};

/* The register works on the job of key_a, asked with exchange 1. */
static void work_on_a_job(void)
{
    struct link_request request;
    start();
    send_request(LINK_RECEIPT, 1, key_a, sizeof(key_a));
    turn();
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
    assert_true(link_server_take(&link_server, &request));
    assert_memory_equal(request.body, key_a, sizeof(key_a));
}

#endif
