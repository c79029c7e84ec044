/* The asking end of the link against a board in memory, over a cable that loses, doubles, inserts
 * and flips every byte: each request ends rightly within its time, and no answer is taken for
 * another's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hostdrv/link_client.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define TIMEOUT_MS 15000u
#define WIRE_MAX   200000u

/* A board without faults: answers at once, executes a key once, and says what it was asked. */
struct board {
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t message[LINK_MESSAGE_MAX], answer[LINK_MESSAGE_MAX];
    uint8_t wire[WIRE_MAX];
    size_t wire_size;
    unsigned executions, requests;
    uint8_t keys[8][KEY_SIZE]; /* executed */
    size_t query_answer_size;  /* of LINK_DOCUMENT */
};

enum damage { DAMAGE_NONE, DAMAGE_LOSE, DAMAGE_DOUBLE, DAMAGE_INSERT, DAMAGE_FLIP };

/* Strikes the at-th byte that passes, once. */
struct cable {
    enum damage damage;
    size_t at, passed;
    uint8_t value;
    bool both_ways;
};

static struct link_client client;
static struct board board;

static void board_reset(void)
{
    memset(&board, 0, sizeof board);
    link_decoder_init(&board.decoder);
    link_assembler_init(&board.assembler, board.message, sizeof board.message);
}

static void board_put(uint8_t kind, uint8_t code, uint16_t exchange, const uint8_t *message,
                      size_t size)
{
    size_t offset = 0;
    do
        board.wire_size +=
            link_message_frame(kind, code, exchange, message, size, &offset,
                               board.wire + board.wire_size, sizeof board.wire - board.wire_size);
    while (offset < size);
}

static void board_answer(uint8_t code, uint16_t exchange, const uint8_t *message, size_t size)
{
    struct byte_writer writer;
    struct link_job job;
    byte_writer_init(&writer, board.answer, sizeof board.answer);
    put_u16le(&writer, ERROR_NONE);
    if (code >= LINK_JOB_FIRST) {
        if (!link_job_get(message, size, &job))
            return;
        unsigned at = 0;
        while (at < board.executions && memcmp(board.keys[at], job.key, KEY_SIZE) != 0)
            at++;
        assert_true(at < sizeof board.keys / sizeof board.keys[0]);
        memcpy(board.keys[at], job.key, KEY_SIZE);
        if (at == board.executions)
            board.executions++;
        struct link_result result = {.job = code, .document = (uint32_t)job.size};
        memcpy(result.key, job.key, KEY_SIZE);
        link_result_put(&writer, &result);
    } else {
        for (size_t i = 0; i < board.query_answer_size; i++)
            put_u8(&writer, (uint8_t)(i * 7 + (size > 0 ? message[0] : 0)));
    }
    board.requests++;
    board_put(LINK_ANSWER, code, exchange, board.answer, writer.length);
}

static void board_take(uint8_t byte)
{
    struct link_frame frame;
    if (link_decoder_push(&board.decoder, byte, &frame) && frame.kind == LINK_REQUEST &&
        link_assembler_add(&board.assembler, &frame) == 1)
        board_answer(board.assembler.code, board.assembler.exchange, board.message,
                     board.assembler.length);
}

/* What comes out of the cable for one byte put in: 0 to 2 bytes. */
static size_t pass(struct cable *cable, uint8_t byte, uint8_t out[2])
{
    out[0] = byte;
    if (cable->damage == DAMAGE_NONE || cable->passed++ != cable->at)
        return 1;
    switch (cable->damage) {
    case DAMAGE_LOSE:
        return 0;
    case DAMAGE_DOUBLE:
        out[1] = byte;
        return 2;
    case DAMAGE_INSERT:
        out[1] = cable->value;
        return 2;
    default:
        out[0] = byte ^ cable->value;
        return 1;
    }
}

static void send_bytes(struct cable *to_board, uint64_t now_ms)
{
    const uint8_t *bytes;
    size_t size;
    uint8_t out[2];
    while ((size = link_client_output(&client, &bytes)) > 0) {
        for (size_t i = 0; i < size; i++) {
            size_t count = pass(to_board, bytes[i], out);
            for (size_t j = 0; j < count; j++)
                board_take(out[j]);
        }
        link_client_sent(&client, size, now_ms);
    }
}

/* Moves everything both ways until nothing moves. */
static void exchange_bytes(struct cable *to_board, struct cable *to_host, uint64_t now_ms)
{
    uint8_t out[2];
    send_bytes(to_board, now_ms);
    for (size_t i = 0; i < board.wire_size; i++) {
        size_t count = pass(to_host, board.wire[i], out);
        link_client_input(&client, out, count, now_ms);
    }
    board.wire_size = 0;
}

/* Runs the request under way to its end; returns how long it took. */
static uint64_t run(struct cable *to_board, struct cable *to_host, uint64_t now_ms)
{
    uint64_t began_ms = now_ms;
    for (unsigned turn = 0; turn < 1000; turn++) {
        exchange_bytes(to_board, to_host, now_ms);
        if (link_client_tick(&client, now_ms) != LINK_CLIENT_WAITING)
            return now_ms - began_ms;
        const uint8_t *bytes;
        if (link_client_output(&client, &bytes) == 0) {
            assert_true(link_client_deadline(&client) > now_ms);
            now_ms = link_client_deadline(&client);
        }
    }
    fail_msg("the request never ends");
    return 0;
}

static size_t make_job(uint8_t number, size_t body_size, uint8_t *out)
{
    for (size_t i = 0; i < LINK_JOB_HEADER_SIZE + body_size; i++)
        out[i] = (uint8_t)(i * 13 + number);
    return LINK_JOB_HEADER_SIZE + body_size;
}

/* One job and one query over the damaged cable; then a clean one, which must work at once. */
static void try_damage(struct cable to_board, struct cable to_host, size_t body_size)
{
    static uint8_t job[LINK_MESSAGE_MAX];
    struct cable none_a = {0}, none_b = {0};
    size_t size = make_job(1, body_size, job);
    board_reset();
    board.query_answer_size = body_size;
    link_client_init(&client, 500);
    link_client_request(&client, LINK_RECEIPT, job, size, TIMEOUT_MS, 1000);
    uint64_t took_ms = run(&to_board, &to_host, 1000);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_true(took_ms <= LINK_CLIENT_RESEND_FIRST_MS + LINK_CLIENT_BUSY_MAX_MS);
    struct link_result result;
    const struct link_client_answer *answer = link_client_result(&client);
    assert_true(answer->keyed);
    assert_int_equal(answer->refusal.code, 0);
    assert_true(link_result_get(answer->body, answer->size, &result));
    assert_memory_equal(result.key, job, KEY_SIZE);
    assert_int_equal(result.document, body_size);
    assert_int_equal(board.executions, 1);
    uint8_t about = 0x55;
    link_client_request(&client, LINK_DOCUMENT, &about, 1, TIMEOUT_MS, 60000);
    took_ms = run(&to_board, &to_host, 60000);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_true(took_ms <= 2 * LINK_CLIENT_RESEND_FIRST_MS);
    answer = link_client_result(&client);
    assert_int_equal(answer->size, body_size);
    for (size_t i = 0; i < answer->size; i++)
        assert_int_equal(answer->body[i], (uint8_t)(i * 7 + about));
    size = make_job(2, 10, job);
    link_client_request(&client, LINK_RECEIPT, job, size, TIMEOUT_MS, 120000);
    took_ms = run(&none_a, &none_b, 120000);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    /* A byte at the very end of the last answer may glue the next frame to it;
     * a resend mends that. */
    assert_true(took_ms <= LINK_CLIENT_RESEND_FIRST_MS);
    assert_int_equal(board.executions, 2);
}

static void assert_answered(const uint8_t *job, size_t body_size)
{
    struct link_result result;
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    const struct link_client_answer *answer = link_client_result(&client);
    assert_true(answer->keyed);
    assert_int_equal(answer->refusal.code, 0);
    assert_true(link_result_get(answer->body, answer->size, &result));
    assert_memory_equal(result.key, job, KEY_SIZE);
    assert_int_equal(result.document, body_size);
}

/* Two jobs on the way at once over the damaged cables: each gets its own answer, in order, and is
 * executed once. */
static void try_overlap(struct cable *to_board, struct cable *to_host)
{
    uint8_t first[100], second[100], third[100];
    size_t size = make_job(1, 30, first);
    board_reset();
    link_client_init(&client, 65534);
    link_client_request(&client, LINK_RECEIPT, first, size, TIMEOUT_MS, 1000);
    assert_false(link_client_can_send_ahead(&client));
    send_bytes(to_board, 1000);
    assert_true(link_client_can_send_ahead(&client));
    size = make_job(2, 40, second);
    link_client_request_ahead(&client, LINK_RECEIPT, second, size, TIMEOUT_MS);
    assert_false(link_client_can_send_ahead(&client));
    uint64_t took_ms = run(to_board, to_host, 1000);
    assert_true(took_ms <= LINK_CLIENT_RESEND_FIRST_MS);
    assert_answered(first, 30);
    bool repeated = link_client_result(&client)->repeated;
    assert_int_equal(repeated, took_ms > 0);
    assert_true(link_client_next(&client, 60000));
    took_ms = run(to_board, to_host, 60000);
    assert_true(took_ms <= LINK_CLIENT_RESEND_FIRST_MS);
    assert_answered(second, 40);
    assert_int_equal(link_client_result(&client)->repeated, repeated || took_ms > 0);
    assert_int_equal(board.executions, 2);
    assert_false(link_client_next(&client, 60000));
    struct cable none_a = {0}, none_b = {0};
    size = make_job(3, 50, third);
    link_client_request(&client, LINK_RECEIPT, third, size, TIMEOUT_MS, 120000);
    took_ms = run(&none_a, &none_b, 120000);
    assert_true(took_ms <= LINK_CLIENT_RESEND_FIRST_MS);
    assert_answered(third, 50);
    assert_int_equal(board.executions, 3);
}

static void every_byte_of_two_at_once(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        struct cable count = {.damage = DAMAGE_FLIP, .at = SIZE_MAX}, none = {0};
        try_overlap(way == 0 ? &count : &none, way == 1 ? &count : &none);
        assert_true(count.passed > 100);
        for (size_t at = 0; at < count.passed; at++) {
            for (unsigned i = 0; i < 12; i++) {
                static const enum damage kinds[] = {DAMAGE_LOSE, DAMAGE_DOUBLE, DAMAGE_INSERT,
                                                    DAMAGE_INSERT};
                struct cable hit = {.damage = i < 4 ? kinds[i] : DAMAGE_FLIP, .at = at};
                hit.value = (uint8_t)(i >= 4 ? 1u << (i - 4) : i == 3 ? 0xA5u : 0u);
                try_overlap(way == 0 ? &hit : &none, way == 1 ? &hit : &none);
            }
        }
    }
}

static size_t bytes_of_try(size_t body_size, bool to_host)
{
    struct cable count = {.damage = DAMAGE_FLIP, .at = SIZE_MAX}, none = {0};
    board_reset();
    board.query_answer_size = body_size;
    link_client_init(&client, 500);
    static uint8_t job[LINK_MESSAGE_MAX];
    link_client_request(&client, LINK_RECEIPT, job, make_job(1, body_size, job), TIMEOUT_MS, 0);
    run(to_host ? &none : &count, to_host ? &count : &none, 0);
    uint8_t about = 0x55;
    link_client_request(&client, LINK_DOCUMENT, &about, 1, TIMEOUT_MS, 0);
    run(to_host ? &none : &count, to_host ? &count : &none, 0);
    return count.passed;
}

static void every_byte_of(size_t body_size, unsigned flip_step)
{
    for (unsigned way = 0; way < 2; way++) {
        size_t total = bytes_of_try(body_size, way == 1);
        assert_true(total > 2 * body_size / 3);
        for (size_t at = 0; at < total; at++) {
            struct cable none = {0};
            struct cable hit[16] = {{.damage = DAMAGE_LOSE},
                                    {.damage = DAMAGE_DOUBLE},
                                    {.damage = DAMAGE_INSERT, .value = 0},
                                    {.damage = DAMAGE_INSERT, .value = 0xA5}};
            unsigned count = 4;
            for (unsigned bit = 0; bit < 8; bit += flip_step)
                hit[count++] = (struct cable){.damage = DAMAGE_FLIP, .value = (uint8_t)(1u << bit)};
            for (unsigned i = 0; i < count; i++) {
                hit[i].at = at;
                try_damage(way == 0 ? hit[i] : none, way == 1 ? hit[i] : none, body_size);
            }
        }
    }
}

static void every_byte_of_short_messages(void **state)
{
    (void)state;
    every_byte_of(60, 1);
}

static void every_byte_of_fragmented_messages(void **state)
{
    (void)state;
    every_byte_of(1500, 4);
}

static void a_late_answer_fits_nothing(void **state)
{
    (void)state;
    static uint8_t late[1024], job[64];
    struct cable none = {0};
    board_reset();
    board.query_answer_size = 4;
    link_client_init(&client, 65534); /* the number wraps on the way */
    uint8_t first = 0x11, second = 0x22;
    link_client_request(&client, LINK_DOCUMENT, &first, 1, 500, 0);
    const uint8_t *bytes;
    size_t size;
    while ((size = link_client_output(&client, &bytes)) > 0) {
        for (size_t i = 0; i < size; i++)
            board_take(bytes[i]);
        link_client_sent(&client, size, 0);
    }
    size_t late_size = board.wire_size;
    memcpy(late, board.wire, late_size);
    board.wire_size = 0;
    assert_int_equal(link_client_tick(&client, 499), LINK_CLIENT_WAITING);
    assert_int_equal(link_client_tick(&client, 500), LINK_CLIENT_TIMED_OUT);
    link_client_request(&client, LINK_DOCUMENT, &second, 1, 500, 600);
    link_client_input(&client, late, late_size, 601);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
    assert_int_equal(client.strays, 1);
    run(&none, &none, 602);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_int_equal(link_client_result(&client)->body[0], second);
    /* Twice the same answer, and after a reset: nothing. */
    link_client_input(&client, late, late_size, 603);
    link_client_reset(&client);
    link_client_input(&client, late, late_size, 604);
    assert_int_equal(client.state, LINK_CLIENT_IDLE);
    link_client_request(&client, LINK_RECEIPT, job, make_job(3, 8, job), 500, 700);
    run(&none, &none, 700);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
}

static void put_refusal(uint16_t code, const uint8_t *key, uint64_t now_ms)
{
    struct byte_writer writer;
    struct refusal refusal = {.code = code};
    byte_writer_init(&writer, board.answer, sizeof board.answer);
    link_refusal_put(&writer, &refusal);
    if (key != NULL)
        put_bytes(&writer, key, KEY_SIZE);
    board_put(LINK_ANSWER, LINK_RECEIPT, client.exchange, board.answer, writer.length);
    link_client_input(&client, board.wire, board.wire_size, now_ms);
    board.wire_size = 0;
}

static void the_key_must_be_the_jobs(void **state)
{
    (void)state;
    static uint8_t job[64], other[KEY_SIZE] = {9};
    board_reset();
    link_client_init(&client, 0);
    link_client_request(&client, LINK_RECEIPT, job, make_job(1, 8, job), 500, 0);
    put_refusal(ERROR_NO_ITEMS, other, 0);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
    put_refusal(ERROR_BUSY, job, 0);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
    assert_int_equal(client.strays, 1);
    put_refusal(ERROR_NO_ITEMS, job, 0);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_true(link_client_result(&client)->keyed);
    assert_int_equal(link_client_result(&client)->refusal.code, ERROR_NO_ITEMS);
    link_client_request(&client, LINK_RECEIPT, job, make_job(1, 8, job), 500, 0);
    put_refusal(ERROR_REQUEST_UNKNOWN, NULL, 0);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_false(link_client_result(&client)->keyed);
}

/* To the exchange `back` before the newest. */
static void give_answer(uint16_t back, uint16_t code, const uint8_t *key)
{
    struct byte_writer writer;
    struct refusal refusal = {.code = code};
    struct link_result result = {.job = LINK_RECEIPT};
    byte_writer_init(&writer, board.answer, sizeof board.answer);
    memcpy(result.key, key, KEY_SIZE);
    if (code == ERROR_NONE) {
        put_u16le(&writer, ERROR_NONE);
        link_result_put(&writer, &result);
    } else {
        link_refusal_put(&writer, &refusal);
        put_bytes(&writer, key, KEY_SIZE);
    }
    board_put(LINK_ANSWER, LINK_RECEIPT, (uint16_t)(client.last_exchange - back), board.answer,
              writer.length);
    link_client_input(&client, board.wire, board.wire_size, 0);
    board.wire_size = 0;
}

static uint8_t pair[2][64];

static void ask_a_pair(void)
{
    struct cable lost = {0};
    board_reset();
    link_client_init(&client, 7);
    for (unsigned i = 0; i < 2; i++) {
        size_t size = make_job((uint8_t)(i + 1), 8, pair[i]);
        if (i == 0)
            link_client_request(&client, LINK_RECEIPT, pair[i], size, 500, 0);
        else
            link_client_request_ahead(&client, LINK_RECEIPT, pair[i], size, 500);
        send_bytes(&lost, 0);
    }
    board.wire_size = 0; /* the test answers itself */
}

static void answers_in_swapped_order_find_their_jobs(void **state)
{
    (void)state;
    ask_a_pair();
    give_answer(0, ERROR_NONE, pair[0]); /* the key of the other: a stray */
    give_answer(1, ERROR_NONE, pair[1]);
    assert_int_equal(client.strays, 2);
    give_answer(0, ERROR_NO_ITEMS, pair[1]);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
    give_answer(0, ERROR_NONE, pair[1]); /* a second one comes too late */
    assert_int_equal(client.strays, 3);
    give_answer(1, ERROR_NONE, pair[0]);
    assert_answered(pair[0], 0);
    assert_true(link_client_next(&client, 5));
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_true(link_client_result(&client)->keyed);
    assert_int_equal(link_client_result(&client)->refusal.code, ERROR_NO_ITEMS);
    assert_int_equal(client.answers_received, 2);
    /* The time of the one ahead begins with its turn. */
    ask_a_pair();
    give_answer(1, ERROR_NONE, pair[0]);
    assert_true(link_client_next(&client, 400));
    assert_int_equal(link_client_tick(&client, 899), LINK_CLIENT_WAITING);
    assert_int_equal(link_client_tick(&client, 900), LINK_CLIENT_TIMED_OUT);
    /* When the first one's time is over, both are given up. */
    ask_a_pair();
    assert_int_equal(link_client_tick(&client, 500), LINK_CLIENT_TIMED_OUT);
    give_answer(0, ERROR_NONE, pair[1]);
    assert_int_equal(client.strays, 1);
    assert_false(client.ahead.used);
}

static void busy_for_the_second_is_asked_again_in_its_turn(void **state)
{
    (void)state;
    const uint8_t *bytes;
    ask_a_pair();
    give_answer(0, ERROR_BUSY, pair[1]);
    assert_int_equal(link_client_tick(&client, 400), LINK_CLIENT_WAITING);
    assert_int_equal(link_client_output(&client, &bytes), 0); /* not before */
    assert_int_equal(client.requests_sent, 2);
    give_answer(1, ERROR_NONE, pair[0]);
    assert_false(link_client_result(&client)->repeated);
    assert_true(link_client_next(&client, 410));
    assert_int_equal(client.requests_sent, 3);
    assert_true(link_client_output(&client, &bytes) > 40);
    give_answer(0, ERROR_NONE, pair[1]);
    assert_answered(pair[1], 0);
    assert_true(link_client_result(&client)->repeated);
}

static void silence_and_busy_end_in_time(void **state)
{
    (void)state;
    static uint8_t job[64];
    board_reset();
    link_client_init(&client, 0);
    for (unsigned busy = 0; busy < 2; busy++) {
        uint64_t now_ms = 0;
        uint64_t before = client.requests_sent;
        link_client_request(&client, LINK_RECEIPT, job, make_job(1, 8, job), TIMEOUT_MS, now_ms);
        while (client.state == LINK_CLIENT_WAITING) {
            const uint8_t *bytes;
            size_t size;
            while ((size = link_client_output(&client, &bytes)) > 0)
                link_client_sent(&client, size, now_ms);
            if (busy == 1)
                put_refusal(ERROR_BUSY, job, now_ms);
            now_ms++;
            link_client_tick(&client, now_ms);
        }
        assert_int_equal(client.state, LINK_CLIENT_TIMED_OUT);
        assert_int_equal(now_ms, TIMEOUT_MS);
        assert_in_range(client.requests_sent - before, busy ? 10 : 4, busy ? 200 : 8);
    }
}

static void events_pass_between_fragments(void **state)
{
    (void)state;
    uint8_t body[16], about = 1;
    static uint8_t held[8192];
    struct byte_writer writer;
    struct link_client_event event;
    uint64_t cursor = 0;
    board_reset();
    board.query_answer_size = 2500;
    link_client_init(&client, 0);
    link_client_request(&client, LINK_DOCUMENT, &about, 1, TIMEOUT_MS, 0);
    const uint8_t *bytes;
    size_t size;
    while ((size = link_client_output(&client, &bytes)) > 0) {
        for (size_t i = 0; i < size; i++)
            board_take(bytes[i]);
        link_client_sent(&client, size, 0);
    }
    size_t held_size = board.wire_size;
    memcpy(held, board.wire, held_size);
    board.wire_size = 0;
    byte_writer_init(&writer, body, sizeof body);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 77);
    board_put(LINK_EVENT, LINK_EVENT_CONFIRMED, 5, body, writer.length);
    byte_writer_init(&writer, body, sizeof body);
    tlv_put_u8(&writer, TAG_PAPER_STATE, PAPER_OUT);
    board_put(LINK_EVENT, LINK_EVENT_PAPER, 6, body, writer.length);
    /* After every frame of the answer (they are delimited by zeros) come both events. */
    unsigned rounds = 0;
    for (size_t i = 0; i < held_size; i++) {
        link_client_input(&client, &held[i], 1, 0);
        if (held[i] == 0 && i + 1 < held_size && held[i + 1] == 0) {
            link_client_input(&client, board.wire, board.wire_size, 0);
            rounds++;
        }
    }
    assert_int_equal(rounds, 2);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_int_equal(link_client_result(&client)->size, 2500);
    for (unsigned i = 0; i < rounds; i++) {
        assert_true(link_client_event_next(&client, &cursor, &event));
        assert_int_equal(event.code, LINK_EVENT_CONFIRMED);
        assert_int_equal(event.document, 77);
        assert_true(link_client_event_next(&client, &cursor, &event));
        assert_int_equal(event.code, LINK_EVENT_PAPER);
        assert_int_equal(event.paper, PAPER_OUT);
    }
    assert_false(link_client_event_next(&client, &cursor, &event));
    /* A flood keeps the newest. */
    for (unsigned i = 0; i < 100; i++)
        link_client_input(&client, board.wire, board.wire_size, 0);
    unsigned kept = 0;
    while (link_client_event_next(&client, &cursor, &event))
        kept++;
    assert_int_equal(kept, LINK_CLIENT_EVENTS);
}

static void garbage_never_ends_a_request_wrongly(void **state)
{
    (void)state;
    static uint8_t noise[4096], job[64];
    uint32_t seed = 1;
    board_reset();
    link_client_init(&client, 0);
    for (unsigned round = 0; round < 200; round++) {
        link_client_request(&client, LINK_RECEIPT, job, make_job(1, 8, job), 500, 0);
        for (size_t i = 0; i < sizeof noise; i++) {
            seed = seed * 1664525u + 1013904223u;
            noise[i] = (uint8_t)(seed >> 24);
            if ((seed >> 16 & 31) == 0)
                noise[i] = 0;
        }
        link_client_input(&client, noise, sizeof noise, 1);
        assert_int_equal(link_client_tick(&client, 1), LINK_CLIENT_WAITING);
        assert_int_equal(link_client_tick(&client, 500), LINK_CLIENT_TIMED_OUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_short_messages),
        cmocka_unit_test(every_byte_of_fragmented_messages),
        cmocka_unit_test(every_byte_of_two_at_once),
        cmocka_unit_test(answers_in_swapped_order_find_their_jobs),
        cmocka_unit_test(busy_for_the_second_is_asked_again_in_its_turn),
        cmocka_unit_test(a_late_answer_fits_nothing),
        cmocka_unit_test(the_key_must_be_the_jobs),
        cmocka_unit_test(silence_and_busy_end_in_time),
        cmocka_unit_test(events_pass_between_fragments),
        cmocka_unit_test(garbage_never_ends_a_request_wrongly),
    };
    return cmocka_run_group_tests_name("link_client", tests, NULL, NULL);
}
