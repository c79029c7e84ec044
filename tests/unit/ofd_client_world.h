/* A small world for the operator client: the emulated FN, a simulated network and operator, virtual
 * time.
 *
 * The operator answers with the code of kkt-ofd (tools/ofd/ofd_core.c) and itself checks what must
 * hold whatever happens: documents come in ascending order without a hole, and a repeat is
 * byte-identical.
 */
#ifndef TESTS_UNIT_OFD_CLIENT_WORLD_H
#define TESTS_UNIT_OFD_CLIENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/fn/fnm.h"
#include "firmware/ofd_client.h"
#include "proto/crc.h"
#include "proto/tlv.h"
#include "tools/ofd/ofd_core.h"

#define OFD_INN       "7704358518"
#define TICK_MS       10u
#define DOCUMENTS_MAX 64u
#define DAY_MS        86400000u
#define START         1700000000u /* local calendar at mono 0 */

enum manner {
    MANNER_GOOD,
    MANNER_SILENT,         /* stores, says nothing */
    MANNER_TWICE,          /* each confirmation two times */
    MANNER_STALE,          /* the last document's confirmation again before the right one */
    MANNER_BAD_SIGN_FIRST, /* a forged confirmation before the right one */
    MANNER_GARBAGE,
    MANNER_FOREIGN_FIRST, /* an answer to another FN before the right one */
    MANNER_HUGE_FIRST,    /* 20 KB that no FN takes, before the right one */
    MANNER_PING_FIRST,    /* an empty answer before the right one */
    MANNER_BAD_CRC        /* session header with a CRC that is wrong */
};

struct network {
    bool up, tls_fails;
    enum board_net_state state;
    enum board_net_error error;
    size_t room, taken;     /* bytes taken in one tick; of them, already */
    size_t answer_step;     /* bytes given by one read */
    size_t cut_in, cut_out; /* SIZE_MAX: never; else the connection dies after so many bytes */
    size_t in_total, out_total;
    uint8_t in[OFD_MESSAGE_MAX];
    size_t in_size;
    uint8_t out[65536];
    size_t out_size, out_sent;
    unsigned opened;
    uint64_t opened_at[256]; /* when attempts were made */
};

struct world {
    struct board board;
    struct fnm *fnm;
    struct fn_client fn;
    struct ofd_client ofd;
    struct ofd_settings settings;
    struct network net;
    enum manner manner;
    uint64_t now;
    uint32_t dice;
    char directory[32], store[64];
    /* What the operator has. */
    uint32_t received;              /* distinct documents; their numbers are 1..received */
    uint32_t prints[DOCUMENTS_MAX]; /* CRC-32C of each first message */
    uint32_t repeats;
    uint8_t last_answer[OFD_CONFIRMATION_MAX];
    size_t last_answer_size;
    uint32_t confirmed; /* taken CONFIRMED events; numbers 1..confirmed */
    bool events_may_be_lost;
    bool failed; /* an attempt failed at some time */
    /* A scripted FN instead of the emulated one. */
    bool (*script)(struct world *world, uint8_t command, const uint8_t *data, size_t size);
    struct fn_decoder decoder;
    uint8_t fn_out[FN_FRAME_MAX];
    size_t fn_out_size, fn_out_sent;
    const uint8_t *raw; /* for scripts */
    size_t raw_size;
    unsigned script_step;
};

/* ---- board ---- */

static void fn_reply(struct world *world, uint8_t code, const void *data, size_t size)
{
    world->fn_out_size = fn_frame_encode(code, data, size, world->fn_out, sizeof world->fn_out);
    world->fn_out_sent = 0;
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    struct world *world = context;
    assert_int_equal(port, BOARD_PORT_FN);
    if (world->fn_out_sent < world->fn_out_size) {
        size_t left = world->fn_out_size - world->fn_out_sent;
        size = size < left ? size : left;
        memcpy(data, world->fn_out + world->fn_out_sent, size);
        world->fn_out_sent += size;
        return (int)size;
    }
    return (int)fnm_output(world->fnm, data, size, world->now);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    struct world *world = context;
    assert_int_equal(port, BOARD_PORT_FN);
    for (size_t i = 0; i < size; i++) {
        uint8_t code;
        const uint8_t *body;
        size_t body_size;
        uint8_t frame[FN_FRAME_MAX];
        if (fn_decoder_push(&world->decoder, data[i], &code, &body, &body_size) != FN_DECODED_FRAME)
            continue;
        if (world->script != NULL && world->script(world, code, body, body_size))
            continue;
        fnm_feed(world->fnm, frame, fn_frame_encode(code, body, body_size, frame, sizeof frame),
                 world->now);
    }
    if (size == 1 && data[0] == FN_FRAME_ENQ)
        fnm_feed(world->fnm, data, 1, world->now);
    return (int)size;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    struct world *world = context;
    struct network *net = &world->net;
    assert_string_equal(endpoint->host, "ofd.example");
    assert_int_equal(endpoint->port, 7777);
    assert_int_not_equal(net->state, BOARD_NET_OPEN);
    if (net->opened < 256)
        net->opened_at[net->opened] = world->now;
    net->opened++;
    net->in_size = net->out_size = net->out_sent = net->in_total = net->out_total = 0;
    net->error = net->up ? BOARD_NET_OK : BOARD_NET_REFUSED;
    net->state = net->up ? BOARD_NET_CONNECTING : BOARD_NET_FAILED;
    return 0;
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    struct network *net = &((struct world *)context)->net;
    if (net->state == BOARD_NET_CONNECTING)
        net->state = BOARD_NET_OPEN;
    if (net->tls_fails) {
        net->state = BOARD_NET_FAILED;
        net->error = BOARD_NET_TLS;
    }
    *error = net->error;
    *detail = net->error == BOARD_NET_TLS ? 0x2700 : 0;
    return net->state;
}

static void net_die(struct network *net)
{
    net->state = BOARD_NET_FAILED;
    net->error = BOARD_NET_LOST;
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    struct network *net = &((struct world *)context)->net;
    if (net->state != BOARD_NET_OPEN)
        return -1;
    if (net->in_total >= net->cut_in) {
        net_die(net);
        return -1;
    }
    size = size < net->room - net->taken ? size : net->room - net->taken;
    size = size < net->cut_in - net->in_total ? size : net->cut_in - net->in_total;
    assert_true(net->in_size + size <= sizeof net->in);
    memcpy(net->in + net->in_size, data, size);
    net->in_size += size;
    net->in_total += size;
    net->taken += size;
    return (int)size;
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    struct network *net = &((struct world *)context)->net;
    size_t left = net->out_size - net->out_sent;
    if (net->state != BOARD_NET_OPEN)
        return -1;
    if (net->out_total >= net->cut_out) {
        net_die(net);
        return -1;
    }
    size = size < left ? size : left;
    size = size < net->answer_step ? size : net->answer_step;
    size = size < net->cut_out - net->out_total ? size : net->cut_out - net->out_total;
    memcpy(data, net->out + net->out_sent, size);
    net->out_sent += size;
    net->out_total += size;
    return (int)size;
}

static void net_close(void *context)
{
    ((struct world *)context)->net.state = BOARD_NET_CLOSED;
}

static void board_random(void *context, uint8_t *data, size_t size)
{
    struct world *world = context;
    for (size_t i = 0; i < size; i++) {
        world->dice = world->dice * 1664525u + 1013904223u;
        data[i] = (uint8_t)(world->dice >> 24);
    }
}

/* ---- operator ---- */

static void say(struct world *world, const void *bytes, size_t size)
{
    struct network *net = &world->net;
    assert_true(net->out_size + size <= sizeof net->out);
    memcpy(net->out + net->out_size, bytes, size);
    net->out_size += size;
}

static void remember(struct world *world, const struct ofd_message *message, const uint8_t *raw)
{
    uint32_t print = crc32c_update(CRC32C_INIT, raw, message->size);
    assert_int_equal(message->code, OFD_ANSWER_ACCEPTED);
    assert_memory_equal(message->header.protocol, "\x01\x05", 2);
    assert_int_equal(message->header.flags, OFD_FLAGS_MESSAGE);
    assert_in_range(message->document, 1, DOCUMENTS_MAX - 1);
    if (message->document == world->received + 1) { /* ascending, no hole */
        world->prints[message->document] = print;
        world->received++;
        return;
    }
    assert_in_range(message->document, 1, world->received);
    assert_int_equal(print, world->prints[message->document]);
    world->repeats++;
}

static void before_the_answer(struct world *world, const struct ofd_message *message,
                              const uint8_t *answer, size_t size)
{
    uint8_t other[OFD_HEADER_SIZE + 20000] = {0};
    struct ofd_message foreign = *message;
    struct ofd_answer how = {.inn = OFD_INN, .received = START, .document = message->document};
    struct ofd_header header = message->header;
    switch (world->manner) {
    case MANNER_STALE:
        say(world, world->last_answer, world->last_answer_size);
        break;
    case MANNER_BAD_SIGN_FIRST:
        memcpy(other, answer, size);
        ofd_confirmation_spoil_sign(other, size);
        say(world, other, size);
        break;
    case MANNER_FOREIGN_FIRST:
        strcpy(foreign.fn_number, "9999078900000001");
        strcpy(foreign.header.fn_number, "9999078900000001");
        size = ofd_confirmation_encode(&foreign, &how, other, sizeof other);
        assert_true(size > 0);
        say(world, other, size);
        break;
    case MANNER_HUGE_FIRST:
        header.body_size = 20000;
        ofd_header_encode(&header, NULL, other);
        say(world, other, sizeof other);
        break;
    case MANNER_PING_FIRST:
        header.body_size = 0;
        header.flags = 0;
        ofd_header_encode(&header, NULL, other);
        say(world, other, OFD_HEADER_SIZE);
        break;
    default:
        break;
    }
}

static void operator_step(struct world *world)
{
    struct network *net = &world->net;
    struct ofd_message message;
    struct ofd_answer how = {.inn = OFD_INN, .received = START};
    uint8_t answer[OFD_CONFIRMATION_MAX];
    size_t size;
    enum ofd_message_kind kind;
    if (net->state != BOARD_NET_OPEN || net->in_size == 0)
        return;
    kind = ofd_message_parse(net->in, net->in_size, &message);
    if (kind == OFD_MESSAGE_PART)
        return;
    assert_int_equal(kind, OFD_MESSAGE_DOCUMENT);
    remember(world, &message, net->in);
    net->in_size -= message.size;
    memmove(net->in, net->in + message.size, net->in_size);
    how.document = message.document;
    size = ofd_confirmation_encode(&message, &how, answer, sizeof answer);
    assert_true(size > 0);
    before_the_answer(world, &message, answer, size);
    memcpy(world->last_answer, answer, size);
    world->last_answer_size = size;
    if (world->manner == MANNER_GARBAGE)
        memset(answer, 0x5A, size);
    if (world->manner == MANNER_BAD_CRC) {
        answer[26] |= OFD_FLAG_CRC_ALL;
        answer[28] = 0x12;
    }
    if (world->manner != MANNER_SILENT)
        say(world, answer, size);
    if (world->manner == MANNER_TWICE)
        say(world, answer, size);
}

/* ---- time ---- */

static struct moment moment_now(const struct world *world)
{
    struct moment now = {.mono = world->now, .calendar = START + (unix_s)(world->now / 1000)};
    return now;
}

static void step(struct world *world)
{
    struct moment now = moment_now(world);
    uint32_t document;
    world->net.taken = 0;
    (void)fn_client_step(&world->fn, world->now);
    ofd_client_step(&world->ofd, &now);
    world->failed = world->failed || world->ofd.failures > 0;
    document = ofd_client_take_confirmed(&world->ofd);
    if (document != 0 && !world->events_may_be_lost) {
        assert_int_equal(document, world->confirmed + 1);
        assert_in_range(document, 1, world->received);
    }
    if (document != 0)
        world->confirmed = document;
    operator_step(world);
}

static void advance(struct world *world, uint64_t milliseconds, uint64_t tick_ms)
{
    for (uint64_t end = world->now + milliseconds; world->now < end; world->now += tick_ms)
        step(world);
}

/* Runs until the queue in the FN is empty; the time it took. */
static uint64_t drain(struct world *world, uint64_t limit_ms)
{
    uint64_t start = world->now;
    while (fnm_unconfirmed_count(world->fnm) > 0 && world->now - start < limit_ms)
        advance(world, TICK_MS, TICK_MS);
    assert_int_equal(fnm_unconfirmed_count(world->fnm), 0);
    advance(world, 2 * TICK_MS, TICK_MS);
    return world->now - start;
}

/* ---- the register's side, straight into the FN ---- */

static uint8_t fn_call(struct world *world, uint8_t command, const void *data, size_t size)
{
    uint8_t frame[FN_FRAME_MAX], code = 0xFF, byte;
    const uint8_t *body;
    size_t body_size;
    struct fn_decoder decoder;
    assert_int_not_equal(world->fn.state, FN_STATE_WAITING);
    fnm_feed(world->fnm, frame, fn_frame_encode(command, data, size, frame, sizeof frame),
             world->now);
    fn_decoder_init(&decoder);
    while (fnm_output(world->fnm, &byte, 1, world->now) == 1)
        if (fn_decoder_push(&decoder, byte, &code, &body, &body_size) == FN_DECODED_FRAME)
            break;
    return code & 0x7F;
}

static void put_now(struct byte_writer *writer, const struct world *world)
{
    uint8_t bytes[DATE_TIME_SIZE];
    assert_true(date_time_from_unix(START + (unix_s)(world->now / 1000), bytes));
    put_bytes(writer, bytes, sizeof bytes);
}

static void register_fn(struct world *world)
{
    uint8_t bytes[256];
    char rnm[20];
    struct byte_writer writer;
    memset(rnm, ' ', sizeof rnm);
    memcpy(rnm, "0000000001012345", 16);
    assert_int_equal(fn_call(world, FN_REGISTRATION_BEGIN, NULL, 0), FN_OK);
    byte_writer_init(&writer, bytes, sizeof bytes);
    tlv_put_bytes(&writer, TAG_USER_NAME, "OOO", 3);
    tlv_put_padded(&writer, TAG_OFD_INN, OFD_INN, 10, 12);
    assert_int_equal(fn_call(world, FN_DATA, bytes, writer.length), FN_OK);
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_now(&writer, world);
    put_bytes(&writer, "7702203276  ", 12);
    put_bytes(&writer, rnm, 20);
    put_u8(&writer, 1);
    put_u8(&writer, 0);
    assert_int_equal(fn_call(world, FN_REGISTRATION_FORM, bytes, writer.length), FN_OK);
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_now(&writer, world);
    assert_int_equal(fn_call(world, FN_SHIFT_OPEN_BEGIN, bytes, writer.length), FN_OK);
    byte_writer_init(&writer, bytes, sizeof bytes);
    tlv_put_bytes(&writer, TAG_CASHIER, "Ivanova", 7);
    assert_int_equal(fn_call(world, FN_DATA, bytes, writer.length), FN_OK);
    assert_int_equal(fn_call(world, FN_SHIFT_OPEN_FORM, NULL, 0), FN_OK);
}

static void put_item(struct byte_writer *writer)
{
    static const char name[] = "An item with a name of sixty characters, give or take a few.";
    size_t item = tlv_begin(writer, TAG_ITEM);
    struct decimal one = {.mantissa = 1, .scale = 0};
    tlv_put_bytes(writer, TAG_ITEM_NAME, name, sizeof name - 1);
    tlv_put_vln(writer, TAG_ITEM_PRICE, 100);
    tlv_put_fvln(writer, TAG_ITEM_QUANTITY, one);
    tlv_put_vln(writer, TAG_ITEM_SUM, 100);
    tlv_put_u8(writer, TAG_VAT_RATE, VAT_RATE_NONE);
    tlv_put_u8(writer, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_end(writer, item);
}

/* A sale; about 110 bytes an item. */
static void punch(struct world *world, unsigned items)
{
    uint8_t bytes[512];
    struct byte_writer writer;
    while (world->fn.owner == FN_OWNER_OFD) /* a register waits for its turn */
        advance(world, TICK_MS, TICK_MS);
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_now(&writer, world);
    assert_int_equal(fn_call(world, FN_RECEIPT_BEGIN, bytes, writer.length), FN_OK);
    for (unsigned i = 0; i < items; i++) {
        byte_writer_init(&writer, bytes, sizeof bytes);
        put_item(&writer);
        assert_true(byte_writer_ok(&writer));
        assert_int_equal(fn_call(world, FN_DATA, bytes, writer.length), FN_OK);
    }
    byte_writer_init(&writer, bytes, sizeof bytes);
    tlv_put_u8(&writer, TAG_TAX_SYSTEM, 1);
    tlv_put_vln(&writer, TAG_PAID_CASH, items * 100u);
    tlv_put_vln(&writer, TAG_PAID_ELECTRONIC, 0);
    tlv_put_vln(&writer, TAG_PAID_PREPAID, 0);
    tlv_put_vln(&writer, TAG_PAID_CREDIT, 0);
    tlv_put_vln(&writer, TAG_PAID_OTHER, 0);
    assert_int_equal(fn_call(world, FN_DATA, bytes, writer.length), FN_OK);
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_now(&writer, world);
    put_u8(&writer, SETTLEMENT_SALE);
    put_uint_le(&writer, items * 100u, 5);
    assert_int_equal(fn_call(world, FN_RECEIPT_FORM, bytes, writer.length), FN_OK);
    ofd_client_formed(&world->ofd);
}

/* ---- worlds ---- */

static void start_client(struct world *world)
{
    fn_client_init(&world->fn, &world->board);
    fn_decoder_init(&world->decoder);
    ofd_client_init(&world->ofd, &world->board, &world->fn, &world->settings);
}

/* A registered FN with an open shift: documents 1 and 2 wait. */
static struct world *world_open(void)
{
    struct world *world = calloc(1, sizeof *world);
    char error[256];
    struct fnm_options options = {.no_sync = true};
    assert_non_null(world);
    strcpy(world->directory, "/tmp/ofdc-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    (void)snprintf(world->store, sizeof world->store, "%s/fn", world->directory);
    options.store_path = world->store;
    world->fnm = fnm_open(&options, error, sizeof error);
    assert_non_null(world->fnm);
    world->board = (struct board){.context = world,
                                  .serial = "1",
                                  .model = "test",
                                  .port_read = port_read,
                                  .port_write = port_write,
                                  .net_open = net_open,
                                  .net_state = net_state,
                                  .net_read = net_read,
                                  .net_write = net_write,
                                  .net_close = net_close,
                                  .random = board_random};
    strcpy(world->settings.host, "ofd.example");
    world->settings.port = 7777;
    world->settings.ffd = FFD_1_05;
    world->settings.enabled = true;
    world->net.up = true;
    world->net.room = world->net.answer_step = SIZE_MAX;
    world->net.cut_in = world->net.cut_out = SIZE_MAX;
    world->dice = 1;
    start_client(world);
    register_fn(world);
    return world;
}

static void world_close(struct world *world)
{
    fnm_close(world->fnm);
    assert_int_equal(unlink(world->store), 0);
    assert_int_equal(rmdir(world->directory), 0);
    free(world);
}

#endif
