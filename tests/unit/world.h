/* The whole register in one process on a virtual clock: real firmware, real FN and print head
 * emulators, flash in RAM with NOR rules and power cuts, and a host that speaks the link. For tests
 * only; one world is about 300 KiB, so keep it static.
 */
#ifndef TESTS_UNIT_WORLD_H
#define TESTS_UNIT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Needs the four above it. */
#include <cmocka.h>

#include "board/fn/fnm.h"
#include "board/printer/print_head.h"
#include "firmware/firmware.h"
#include "proto/inn.h"

#define WORLD_FLASH  (32u * 4096u)
#define WORLD_SERIAL "00000000000000000002"
#define WORLD_START  1790000000u /* 2026-09-21, local */
#define WORLD_WIRE   131072u

enum tear { TEAR_NOTHING, TEAR_ALL, TEAR_PREFIX, TEAR_SUFFIX, TEAR_BITS, TEAR_SHAPES };

struct world {
    uint8_t flash[WORLD_FLASH];
    uint8_t synced[WORLD_FLASH]; /* what a power cut leaves of flash that is a buffered file */
    struct board board;
    struct firmware firmware;
    struct fnm *fnm;
    struct print_head *head;
    char folder[64];
    mono_ms mono;
    int64_t clock_offset; /* calendar = WORLD_START + mono + offset */
    bool clock_unset;
    uint8_t lose_command; /* an FN command with this code is lost on its way, 0 none */
    unsigned lose_after;  /* ... after so many of them came through */
    uint32_t generation;
    /* Host side. */
    uint8_t to_board[WORLD_WIRE], from_board[WORLD_WIRE];
    size_t to_board_size, to_board_read, from_board_size, from_board_read;
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t message[LINK_MESSAGE_MAX];
    uint16_t exchange;
    uint32_t events, confirmed_events, printed_events;
    /* Drawer. */
    unsigned pulses;
    bool drawer_stuck;
    mono_ms drawer_shuts;
    /* Flash: counted operations, and the cut. */
    unsigned long flash_ops, cut_at; /* cut_at 0: none */
    unsigned long dead_from; /* from this operation on flash reports errors, reads too; 0: never */
    unsigned long programs, erases, syncs, bytes_programmed;
    enum tear tear;
    uint32_t seed;
    jmp_buf cut;
};

static uint32_t world_random(struct world *world)
{
    world->seed = world->seed * 1664525u + 1013904223u;
    return world->seed >> 8;
}

static int world_flash_read(void *context, uint32_t address, void *data, size_t size)
{
    struct world *world = context;
    assert_true(address + size <= WORLD_FLASH);
    memcpy(data, world->flash + address, size);
    return world->dead_from != 0 && world->flash_ops >= world->dead_from ? -1 : 0;
}

/* Does to the flash what the cut left of an operation, and never returns when the power went. */
static void world_operate(struct world *world, uint8_t *place, const uint8_t *after, size_t size)
{
    world->flash_ops++;
    if (world->cut_at == 0 || world->flash_ops != world->cut_at) {
        memcpy(place, after, size);
        return;
    }
    size_t part = size == 0 ? 0 : world_random(world) % size;
    for (size_t i = 0; i < size; i++) {
        bool keep = world->tear == TEAR_ALL || (world->tear == TEAR_PREFIX && i < part) ||
                    (world->tear == TEAR_SUFFIX && i >= part);
        if (keep)
            place[i] = after[i];
        else if (world->tear == TEAR_BITS)
            place[i] = (uint8_t)(place[i] ^ ((place[i] ^ after[i]) & world_random(world)));
    }
    longjmp(world->cut, 1);
}

static int world_flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    struct world *world = context;
    const uint8_t *bytes = data;
    uint8_t after[256];
    assert_true(size > 0 && address + size <= WORLD_FLASH);
    assert_int_equal(address / 256, (address + size - 1) / 256); /* no page crossing */
    for (size_t i = 0; i < size; i++) {
        after[i] = world->flash[address + i] & bytes[i];
        assert_int_equal(after[i], bytes[i]); /* bits only go from 1 to 0 */
    }
    if (world->dead_from != 0 && ++world->flash_ops >= world->dead_from)
        return -1;
    world->programs++;
    world->bytes_programmed += size;
    world_operate(world, world->flash + address, after, size);
    return 0;
}

static int world_flash_erase(void *context, uint32_t address)
{
    struct world *world = context;
    static uint8_t erased[4096];
    assert_int_equal(address % 4096, 0);
    memset(erased, 0xFF, sizeof(erased));
    world->erases++;
    world_operate(world, world->flash + address, erased, sizeof(erased));
    return 0;
}

static int world_flash_sync(void *context)
{
    struct world *world = context;
    world->syncs++;
    memcpy(world->synced, world->flash, sizeof(world->synced));
    return 0;
}

static int world_port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    struct world *world = context;
    if (port == BOARD_PORT_FN)
        return (int)fnm_output(world->fnm, data, size, world->mono);
    if (port == BOARD_PORT_PRINTER)
        return (int)print_head_output(world->head, data, size, world->mono);
    size_t left = world->to_board_size - world->to_board_read;
    size_t count = size < left ? size : left;
    memcpy(data, world->to_board + world->to_board_read, count);
    world->to_board_read += count;
    if (world->to_board_read == world->to_board_size)
        world->to_board_read = world->to_board_size = 0;
    return (int)count;
}

static int world_port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    struct world *world = context;
    if (port == BOARD_PORT_FN) {
        /* A whole frame comes in one write. */
        if (size > 3 && world->lose_command != 0 && data[3] == world->lose_command &&
            world->lose_after-- == 0) {
            world->lose_command = 0;
            return (int)size;
        }
        fnm_feed(world->fnm, data, size, world->mono);
        return (int)size;
    }
    if (port == BOARD_PORT_PRINTER)
        return (int)print_head_feed(world->head, data, size, world->mono);
    assert_true(world->from_board_size + size <= WORLD_WIRE);
    memcpy(world->from_board + world->from_board_size, data, size);
    world->from_board_size += size;
    return (int)size;
}

static uint32_t world_generation(void *context, enum board_port port)
{
    const struct world *world = context;
    return port == BOARD_PORT_HOST ? world->generation : 0;
}

static int world_net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    (void)endpoint;
    return 0;
}

static enum board_net_state world_net_state(void *context, enum board_net_error *error,
                                            uint32_t *detail)
{
    (void)context;
    *error = BOARD_NET_DOWN;
    *detail = 0;
    return BOARD_NET_FAILED;
}

static int world_net_read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -1;
}

static int world_net_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -1;
}

static void world_net_close(void *context)
{
    (void)context;
}

static void world_drawer_pulse(void *context, uint16_t duration_ms)
{
    struct world *world = context;
    (void)duration_ms;
    world->pulses++;
    if (!world->drawer_stuck)
        world->drawer_shuts = world->mono + 2000;
}

static bool world_drawer_is_open(void *context)
{
    const struct world *world = context;
    return world->mono < world->drawer_shuts;
}

static unix_s world_calendar(const struct world *world)
{
    if (world->clock_unset)
        return 0;
    return (unix_s)((int64_t)WORLD_START + (int64_t)(world->mono / 1000) + world->clock_offset);
}

static int world_clock_set(void *context, unix_s time)
{
    struct world *world = context;
    world->clock_unset = false;
    world->clock_offset = (int64_t)time - (int64_t)WORLD_START - (int64_t)(world->mono / 1000);
    return 0;
}

static void world_fill_random(void *context, uint8_t *data, size_t size)
{
    struct world *world = context;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)world_random(world);
}

static void world_trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context;
    if (getenv("WORLD_TRACE") != NULL)
        fprintf(stderr, "  %c %s\n", "IWE"[level], text);
}

static const struct board world_board = {
    .serial = WORLD_SERIAL,
    .model = "OpenKKT in a test",
    .flash = {.size = WORLD_FLASH,
              .sector_size = 4096,
              .page_size = 256,
              .erased = 0xFF,
              .read = world_flash_read,
              .program = world_flash_program,
              .erase = world_flash_erase,
              .sync = world_flash_sync},
    .port_read = world_port_read,
    .port_write = world_port_write,
    .port_generation = world_generation,
    .net_open = world_net_open,
    .net_state = world_net_state,
    .net_read = world_net_read,
    .net_write = world_net_write,
    .net_close = world_net_close,
    .drawer_pulse = world_drawer_pulse,
    .drawer_is_open = world_drawer_is_open,
    .clock_set = world_clock_set,
    .random = world_fill_random,
    .trace = world_trace,
};

/* The host forgets what it was receiving, as after a cable came back. */
static void world_replug(struct world *world)
{
    world->generation++;
    world->to_board_size = world->to_board_read = 0;
    world->from_board_size = world->from_board_read = 0;
    link_decoder_init(&world->decoder);
    link_assembler_init(&world->assembler, world->message, sizeof(world->message));
}

static void world_open_fn(struct world *world)
{
    char path[96], error[128];
    snprintf(path, sizeof(path), "%s/fn.store", world->folder);
    struct fnm_options options = {.store_path = path, .no_sync = true};
    world->fnm = fnm_open(&options, error, sizeof(error));
    assert_non_null(world->fnm);
}

/* A blank board, a new FN, paper in the head. slips_too: slips are written to the folder. */
static void world_create(struct world *world, bool slips_too)
{
    memset(world, 0, sizeof(*world));
    memset(world->flash, 0xFF, sizeof(world->flash));
    strcpy(world->folder, "/tmp/kkt-world-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    world_open_fn(world);
    char paper[96];
    snprintf(paper, sizeof(paper), "%s/paper", world->folder);
    struct print_head_options head = {.directory = slips_too ? paper : NULL, .columns = 48};
    world->head = print_head_open(&head);
    assert_non_null(world->head);
    world->board = world_board;
    world->board.context = world;
    world->mono = 1000;
    world->seed = 1;
    world_replug(world);
}

static void world_destroy(struct world *world)
{
    char command[128];
    fnm_close(world->fnm);
    print_head_close(world->head);
    snprintf(command, sizeof(command), "rm -rf %s", world->folder);
    assert_int_equal(system(command), 0);
}

/* The power comes back: RAM of board, FN and head is gone, what is on flash, in the archive and on
 * paper stays. */
static uint16_t world_power_on(struct world *world)
{
    fnm_power_cycle(world->fnm);
    print_head_power_cycle(world->head);
    world_replug(world);
    world->mono += 1000;
    return firmware_init(&world->firmware, &world->board);
}

static void world_turn(struct world *world)
{
    struct moment now = {world->mono, world_calendar(world)};
    uint32_t sleep_ms = firmware_step(&world->firmware, &now);
    print_head_step(world->head, world->mono);
    world->mono += sleep_ms == 0 ? 0 : sleep_ms < 10 ? sleep_ms : 10;
}

static void world_run(struct world *world, uint32_t milliseconds)
{
    mono_ms until = world->mono + milliseconds;
    for (unsigned long turns = 0; world->mono < until; turns++) {
        assert_true(turns < 2000000); /* it would never sleep */
        world_turn(world);
    }
}

static void world_send(struct world *world, uint8_t code, const uint8_t *message, size_t size)
{
    size_t offset = 0;
    world->exchange++;
    do {
        size_t room = WORLD_WIRE - world->to_board_size;
        size_t count = link_message_frame(LINK_REQUEST, code, world->exchange, message, size,
                                          &offset, world->to_board + world->to_board_size, room);
        assert_true(count > 0);
        world->to_board_size += count;
    } while (offset < size);
}

/* 1: the answer to the newest request is in world->message (assembler.length bytes). */
static int world_receive(struct world *world)
{
    while (world->from_board_read < world->from_board_size) {
        struct link_frame frame;
        if (!link_decoder_push(&world->decoder, world->from_board[world->from_board_read++],
                               &frame))
            continue;
        if (frame.kind == LINK_EVENT) {
            world->events++;
            world->printed_events += frame.code == LINK_EVENT_PRINTED;
            world->confirmed_events += frame.code == LINK_EVENT_CONFIRMED;
            continue;
        }
        if (link_assembler_add(&world->assembler, &frame) == 1 &&
            world->assembler.exchange == world->exchange)
            return 1;
    }
    world->from_board_read = world->from_board_size = 0;
    return 0;
}

/* Sends a request and waits for its answer; false: none came within the virtual time. */
static bool world_ask(struct world *world, uint8_t code, const uint8_t *message, size_t size,
                      uint32_t timeout_ms)
{
    world_send(world, code, message, size);
    mono_ms until = world->mono + timeout_ms;
    for (unsigned long turns = 0; world->mono < until && turns < 2000000; turns++) {
        world_turn(world);
        if (world_receive(world))
            return true;
    }
    return false;
}

struct outcome {
    bool answered;
    struct refusal refusal; /* code 0: done */
    struct link_result result;
};

static struct outcome world_job(struct world *world, uint8_t code, uint8_t key, const uint8_t *body,
                                size_t size)
{
    static uint8_t message[LINK_MESSAGE_MAX];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag(WORLD_SERIAL), .body = body, .size = size};
    memset(job.key, key, KEY_SIZE);
    byte_writer_init(&writer, message, sizeof(message));
    link_job_put(&writer, &job);
    struct outcome outcome = {0};
    const uint8_t *rest = NULL;
    size_t rest_size = 0;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        outcome.answered = world_ask(world, code, message, writer.length, 60000);
        if (!outcome.answered)
            return outcome;
        assert_true(link_answer_get(world->message, world->assembler.length, &outcome.refusal,
                                    &rest, &rest_size));
        if (outcome.refusal.code != ERROR_BUSY)
            break;
        world_run(world, 100); /* as the driver does */
    }
    if (outcome.refusal.code == ERROR_NONE) {
        assert_true(link_result_get(rest, rest_size, &outcome.result));
        assert_memory_equal(outcome.result.key, job.key, KEY_SIZE);
    }
    return outcome;
}

/* A query whose TLV answer is given back. */
static size_t world_query(struct world *world, uint8_t code, const uint8_t *message, size_t size,
                          const uint8_t **body)
{
    struct refusal refusal;
    size_t body_size = 0;
    assert_true(world_ask(world, code, message, size, 60000));
    assert_true(
        link_answer_get(world->message, world->assembler.length, &refusal, body, &body_size));
    assert_int_equal(refusal.code, ERROR_NONE);
    return body_size;
}

static uint64_t world_status(struct world *world, uint16_t tag)
{
    const uint8_t *body;
    size_t size = world_query(world, LINK_STATUS, NULL, 0, &body);
    struct tlv tlv;
    if (tlv_find(body, size, tag, &tlv) != 1)
        return UINT64_MAX;
    uint64_t value = 0;
    assert_true(tlv_get_vln(&tlv, &value));
    return value;
}

static void put_text(struct byte_writer *writer, uint16_t tag, const char *text)
{
    tlv_put_bytes(writer, tag, text, strlen(text));
}

static size_t world_registration(uint8_t *out, size_t capacity, uint8_t ffd)
{
    struct byte_writer writer;
    char rnm[RNM_DIGITS];
    rnm_make("0000000005", "7702203276", WORLD_SERIAL, rnm);
    byte_writer_init(&writer, out, capacity);
    put_text(&writer, TAG_USER_NAME, "OOO TEST");
    tlv_put_padded(&writer, TAG_USER_INN, "7702203276", 10, 12);
    put_text(&writer, TAG_SETTLEMENT_ADDRESS, "111141, Moscow");
    put_text(&writer, TAG_SETTLEMENT_PLACE, "shop.example");
    tlv_put_padded(&writer, TAG_KKT_REGISTRATION_NUMBER, rnm, RNM_DIGITS, 20);
    tlv_put_u8(&writer, TAG_TAX_SYSTEMS, 1);
    put_text(&writer, TAG_FNS_SITE, "www.nalog.gov.ru");
    put_text(&writer, TAG_SENDER_EMAIL, "shop@example.com");
    put_text(&writer, TAG_OFD_NAME, "OFD");
    tlv_put_padded(&writer, TAG_OFD_INN, "7704358518", 10, 12);
    put_text(&writer, TAG_CASHIER, "Ivanova");
    tlv_put_u8(&writer, TAG_FFD_VERSION, ffd);
    assert_true(byte_writer_ok(&writer));
    return writer.length;
}

/* A cash receipt of `items` items at `price` each. */
static size_t world_receipt(uint8_t *out, size_t capacity, uint8_t kind, unsigned items,
                            uint64_t price)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    tlv_put_u8(&writer, TAG_SETTLEMENT_KIND, kind);
    tlv_put_u8(&writer, TAG_TAX_SYSTEM, 1);
    for (unsigned i = 0; i < items; i++) {
        size_t mark = tlv_begin(&writer, TAG_ITEM);
        put_text(&writer, TAG_ITEM_NAME, "an item with a name of 30 char");
        tlv_put_vln(&writer, TAG_ITEM_PRICE, price);
        tlv_put_fvln(&writer, TAG_ITEM_QUANTITY, (struct decimal){1, 0});
        tlv_put_vln(&writer, TAG_ITEM_SUM, price);
        tlv_put_u8(&writer, TAG_VAT_RATE, VAT_RATE_22);
        tlv_put_u8(&writer, TAG_ITEM_PAYMENT_METHOD, 4);
        tlv_put_u8(&writer, TAG_ITEM_SUBJECT, 1);
        tlv_end(&writer, mark);
    }
    tlv_put_vln(&writer, TAG_PAID_CASH, price * items);
    assert_true(byte_writer_ok(&writer));
    return writer.length;
}

static size_t world_cashier(uint8_t *out, size_t capacity)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    put_text(&writer, TAG_CASHIER, "Petrova A.");
    return writer.length;
}

static struct outcome world_must(struct outcome outcome)
{
    assert_true(outcome.answered);
    if (outcome.refusal.code != ERROR_NONE)
        print_message("refused: %s tag %u expected %llu\n",
                      error_info_find(outcome.refusal.code)->name, outcome.refusal.tag,
                      (unsigned long long)outcome.refusal.expected);
    assert_int_equal(outcome.refusal.code, ERROR_NONE);
    return outcome;
}

/* Registered, shift open; keys 200 and 201 are used. */
static void world_ready(struct world *world, uint8_t ffd)
{
    uint8_t body[1024];
    assert_int_equal(world_power_on(world), ERROR_NONE);
    size_t size = world_registration(body, sizeof(body), ffd);
    world_must(world_job(world, LINK_REGISTRATION, 200, body, size));
    size = world_cashier(body, sizeof(body));
    world_must(world_job(world, LINK_SHIFT_OPEN, 201, body, size));
}

#endif
