/* Single frames that a board sends seldom or never: answers of the wrong code, without a key, in
 * pieces, in the wrong moment. None of them ends a request wrongly. link_client_test.c has the
 * cables.
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

enum { TIMEOUT_MS = 15000, BODY = 40 };

static struct link_client client;
static uint8_t job[LINK_JOB_HEADER_SIZE + BODY], behind[LINK_JOB_HEADER_SIZE + BODY];

static int start(void **state)
{
    (void)state;
    memset(job, 0x11, sizeof job);
    memset(behind, 0x22, sizeof behind);
    link_client_init(&client, 100);
    return 0;
}

static size_t drain(uint64_t now_ms)
{
    const uint8_t *bytes;
    size_t size, sum = 0;
    while ((size = link_client_output(&client, &bytes)) > 0) {
        link_client_sent(&client, size, now_ms);
        sum += size;
    }
    return sum;
}

static void ask(uint64_t now_ms)
{
    link_client_request(&client, LINK_RECEIPT, job, sizeof job, TIMEOUT_MS, now_ms);
    drain(now_ms);
}

static void ask_behind(void)
{
    link_client_request_ahead(&client, LINK_RECEIPT, behind, sizeof behind, TIMEOUT_MS);
}

static void give_frame(const struct link_frame *frame, uint64_t now_ms)
{
    uint8_t wire[LINK_WIRE_MAX];
    size_t size = link_frame_encode(frame, wire, sizeof wire);
    assert_true(size > 0);
    link_client_input(&client, wire, size, now_ms);
}

static void give(uint8_t kind, uint8_t code, uint16_t exchange, const uint8_t *bytes, size_t size)
{
    struct link_frame frame = {.kind = kind,
                               .code = code,
                               .exchange = exchange,
                               .total = (uint16_t)size,
                               .payload = bytes,
                               .length = size};
    give_frame(&frame, 0);
}

/* "Done" for the job whose message is given. */
static size_t done(const uint8_t *message, uint8_t out[64])
{
    struct byte_writer writer;
    struct link_result result = {.job = LINK_RECEIPT, .document = 9};
    memcpy(result.key, message, KEY_SIZE);
    byte_writer_init(&writer, out, 64);
    put_u16le(&writer, ERROR_NONE);
    link_result_put(&writer, &result);
    return writer.length;
}

static size_t refused(uint16_t code, const uint8_t *message, uint8_t out[64])
{
    struct byte_writer writer;
    struct refusal refusal = {.code = code};
    byte_writer_init(&writer, out, 64);
    link_refusal_put(&writer, &refusal);
    put_bytes(&writer, message, KEY_SIZE);
    return writer.length;
}

static void assert_stray(uint32_t strays)
{
    assert_int_equal(client.strays, strays);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
}

static void only_the_whole_answer_of_this_request_ends_it(void **state)
{
    (void)state;
    uint8_t answer[64];
    size_t size = done(job, answer);
    ask(0);
    uint16_t exchange = client.exchange;
    give(LINK_REQUEST, LINK_RECEIPT, exchange, answer, size);
    assert_stray(1);
    give(LINK_ANSWER, LINK_RECEIPT, (uint16_t)(exchange - 1), answer, size);
    assert_stray(2);
    give(LINK_ANSWER, LINK_SHIFT_OPEN, exchange, answer, size);
    assert_stray(3);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, 1); /* no code */
    assert_stray(4);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, 2); /* done, but of what? */
    assert_stray(5);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, 2 + KEY_SIZE); /* the key, no result */
    assert_stray(6);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, size);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, size);
    assert_int_equal(client.strays, 7);
}

static void queries_need_no_key(void **state)
{
    (void)state;
    static const uint8_t codes[] = {LINK_STATUS, LINK_JOB_FIRST - 1, LINK_JOB_LAST + 1};
    for (size_t i = 0; i < sizeof codes; i++) {
        uint8_t answer[2] = {0, 0};
        link_client_request(&client, codes[i], NULL, 0, TIMEOUT_MS, 0);
        drain(0);
        assert_false(link_client_can_send_ahead(&client));
        give(LINK_ANSWER, codes[i], client.exchange, answer, sizeof answer);
        assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
        assert_false(link_client_result(&client)->keyed);
        assert_false(link_client_can_send_ahead(&client));
        assert_false(link_client_next(&client, 0));
    }
}

static void a_refusal_without_a_key_is_told_as_such(void **state)
{
    (void)state;
    uint8_t answer[64];
    ask(0);
    refused(ERROR_REQUEST_UNKNOWN, job, answer);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, LINK_REFUSAL_SIZE);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_false(link_client_result(&client)->keyed);
}

/* Only when the first is wholly on the way, and one at a time. */
static void when_a_second_may_go(void **state)
{
    (void)state;
    const uint8_t *bytes;
    assert_false(link_client_can_send_ahead(&client));
    link_client_request(&client, LINK_RECEIPT, job, sizeof job, TIMEOUT_MS, 0);
    assert_false(
        link_client_can_send_ahead(&client)); /* the delimiter is out, the request is not */
    link_client_sent(&client, link_client_output(&client, &bytes), 0);
    size_t size = link_client_output(&client, &bytes);
    link_client_sent(&client, size - 1, 0);
    assert_false(client.waits_to_resend);
    assert_false(link_client_can_send_ahead(&client)); /* its last byte is not */
    link_client_sent(&client, 1, 0);
    assert_true(link_client_can_send_ahead(&client));
    ask_behind();
    assert_false(link_client_can_send_ahead(&client));
}

/* In fragments: the wire is empty between two of them, and the request is not out yet. */
static void a_long_request_is_out_with_its_last_fragment(void **state)
{
    (void)state;
    static uint8_t message[3 * LINK_FRAGMENT_MAX];
    const uint8_t *bytes;
    link_client_request(&client, LINK_RECEIPT, message, sizeof message, TIMEOUT_MS, 0);
    for (unsigned i = 0; i < 3; i++) { /* delimiter, two fragments */
        link_client_sent(&client, link_client_output(&client, &bytes), 0);
        assert_false(link_client_can_send_ahead(&client));
        assert_false(client.waits_to_resend);
    }
    link_client_sent(&client, link_client_output(&client, &bytes), 0);
    assert_true(link_client_can_send_ahead(&client));
    assert_true(client.waits_to_resend);
}

static void answers_to_the_second_must_be_whole_and_its_own(void **state)
{
    (void)state;
    uint8_t answer[64];
    static uint8_t big[LINK_FRAGMENT_MAX];
    size_t size = done(behind, answer);
    ask(0);
    ask_behind();
    uint16_t exchange = client.ahead.exchange;
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, size); /* before it was sent */
    assert_stray(1);
    drain(0);
    struct link_frame frame = {.kind = LINK_ANSWER,
                               .code = LINK_RECEIPT,
                               .exchange = exchange,
                               .total = (uint16_t)(size + 1),
                               .payload = answer,
                               .length = size};
    give_frame(&frame, 0); /* the beginning of something longer */
    assert_stray(2);
    frame.total = (uint16_t)size;
    frame.offset = 1;
    frame.length = size - 1;
    give_frame(&frame, 0); /* its end */
    assert_stray(3);
    give(LINK_ANSWER, LINK_SHIFT_OPEN, exchange, answer, size);
    assert_stray(4);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, big, 3); /* a code, and a key that is none */
    assert_stray(5);
    give(LINK_REQUEST, LINK_RECEIPT, exchange, answer, size);
    assert_stray(6);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, size);
    assert_true(client.ahead.answered);
    give(LINK_ANSWER, LINK_RECEIPT, exchange, answer, size); /* twice */
    assert_stray(7);
    size = done(job, answer);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, size);
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_true(link_client_next(&client, 5));
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);
    assert_memory_equal(link_client_result(&client)->body, behind, KEY_SIZE);
}

/* The first is answered while the second is still to go, or half gone. */
static void the_second_goes_on_when_the_first_is_answered(void **state)
{
    (void)state;
    uint8_t answer[64];
    const uint8_t *bytes;
    ask(0);
    ask_behind();
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, done(job, answer));
    assert_true(link_client_next(&client, 5)); /* nothing of it was sent */
    assert_false(client.waits_to_resend);
    assert_true(drain(5) > sizeof behind);
    assert_true(client.waits_to_resend);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, done(behind, answer));
    assert_int_equal(client.state, LINK_CLIENT_ANSWERED);

    ask(10);
    ask_behind();
    link_client_output(&client, &bytes);
    link_client_sent(&client, 3, 10);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, done(job, answer));
    assert_true(link_client_next(&client, 15));
    assert_false(client.waits_to_resend); /* silence counts from its last byte */
    drain(20);
    assert_true(client.waits_to_resend);
    assert_true(link_client_deadline(&client) == 20 + LINK_CLIENT_RESEND_FIRST_MS);
}

static void an_answer_under_way_delays_the_repetition(void **state)
{
    (void)state;
    static uint8_t answer[3 * LINK_FRAGMENT_MAX];
    size_t offset = 0, size;
    uint8_t wire[LINK_WIRE_MAX];
    link_client_request(&client, LINK_DOCUMENT, NULL, 0, TIMEOUT_MS, 0);
    drain(0);
    assert_true(link_client_deadline(&client) == LINK_CLIENT_RESEND_FIRST_MS);
    size = link_message_frame(LINK_ANSWER, LINK_DOCUMENT, client.exchange, answer, sizeof answer,
                              &offset, wire, sizeof wire);
    link_client_input(&client, wire, size, 900);
    assert_true(link_client_deadline(&client) == 900 + LINK_CLIENT_RESEND_FIRST_MS);
    assert_int_equal(link_client_tick(&client, 1000), LINK_CLIENT_WAITING);
    assert_int_equal(client.requests_sent, 1);
    /* A repetition that is later already stays where it is; one under way is not delayed. */
    client.resend_at_ms = 5000;
    size = link_message_frame(LINK_ANSWER, LINK_DOCUMENT, client.exchange, answer, sizeof answer,
                              &offset, wire, sizeof wire);
    link_client_input(&client, wire, size, 1100);
    assert_true(link_client_deadline(&client) == 5000);
    assert_int_equal(link_client_tick(&client, 5000), LINK_CLIENT_WAITING);
    assert_int_equal(client.requests_sent, 2);
    offset = 0;
    size = link_message_frame(LINK_ANSWER, LINK_DOCUMENT, client.exchange, answer, sizeof answer,
                              &offset, wire, sizeof wire);
    link_client_input(&client, wire, size, 5001);
    assert_false(client.waits_to_resend);
    assert_int_equal(client.state, LINK_CLIENT_WAITING);
}

static void busy_never_delays_what_was_due_sooner(void **state)
{
    (void)state;
    uint8_t answer[64];
    size_t size = refused(ERROR_BUSY, job, answer);
    ask(0);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, size);
    assert_true(link_client_deadline(&client) == LINK_CLIENT_BUSY_FIRST_MS);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, size);
    assert_true(link_client_deadline(&client) == LINK_CLIENT_BUSY_FIRST_MS);
    assert_int_equal(link_client_tick(&client, LINK_CLIENT_BUSY_FIRST_MS), LINK_CLIENT_WAITING);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, size); /* while it goes out again */
    assert_false(client.waits_to_resend);
    assert_true(client.sending);
    /* All its bytes handed over but not gone: the repetition is planned from here. */
    const uint8_t *bytes;
    link_client_output(&client, &bytes);
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, size);
    assert_true(client.waits_to_resend);
    drain(50);
    assert_true(client.waits_to_resend);
}

/* The last word of a slow board must not come after another copy of the question. */
static void asked_once_is_not_repeated_into_silence(void **state)
{
    (void)state;
    uint8_t answer[64];
    link_client_request(&client, LINK_RECEIPT, job, sizeof job, TIMEOUT_MS, 0);
    link_client_ask_once(&client);
    drain(0);
    assert_true(link_client_deadline(&client) == TIMEOUT_MS);
    assert_int_equal(link_client_tick(&client, TIMEOUT_MS - 1), LINK_CLIENT_WAITING);
    assert_int_equal(drain(TIMEOUT_MS - 1), 0);
    /* Only a board that says BUSY has certainly dropped it. */
    give(LINK_ANSWER, LINK_RECEIPT, client.exchange, answer, refused(ERROR_BUSY, job, answer));
    assert_true(link_client_deadline(&client) == LINK_CLIENT_BUSY_FIRST_MS);
    assert_int_equal(link_client_tick(&client, TIMEOUT_MS), LINK_CLIENT_TIMED_OUT);
    ask(0);
    assert_true(link_client_deadline(&client) == LINK_CLIENT_RESEND_FIRST_MS);
}

static void the_time_is_over_before_the_next_repetition(void **state)
{
    (void)state;
    link_client_request(&client, LINK_RECEIPT, job, sizeof job, 500, 0);
    assert_true(link_client_deadline(&client) == 500);
    drain(0);
    assert_true(link_client_deadline(&client) == 500);
    assert_int_equal(link_client_tick(&client, 499), LINK_CLIENT_WAITING);
    assert_int_equal(link_client_tick(&client, 500), LINK_CLIENT_TIMED_OUT);
    assert_int_equal(link_client_tick(&client, 501), LINK_CLIENT_TIMED_OUT);
    assert_true(link_client_deadline(&client) == UINT64_MAX);
}

static void events_are_single_frames(void **state)
{
    (void)state;
    uint8_t bytes[16];
    struct byte_writer writer;
    struct link_client_event event;
    uint64_t cursor = 0;
    byte_writer_init(&writer, bytes, sizeof bytes);
    tlv_put_u8(&writer, TAG_PAPER_STATE, 2);
    struct link_frame frame = {.kind = LINK_EVENT,
                               .code = LINK_EVENT_PAPER,
                               .total = (uint16_t)(writer.length + 1),
                               .payload = bytes,
                               .length = writer.length};
    give_frame(&frame, 0);
    frame.total = (uint16_t)writer.length;
    frame.offset = 1;
    frame.length = writer.length - 1;
    give_frame(&frame, 0);
    assert_false(link_client_event_next(&client, &cursor, &event));
    give(LINK_EVENT, LINK_EVENT_PAPER, 3, bytes, writer.length);
    assert_true(link_client_event_next(&client, &cursor, &event));
    assert_int_equal(event.code, LINK_EVENT_PAPER);
    assert_int_equal(event.paper, 2);
    assert_int_equal(event.document, 0);
    /* A reader that slept gets the newest ones; one that did not, all. */
    for (unsigned i = 0; i < LINK_CLIENT_EVENTS + 5; i++)
        give(LINK_EVENT, LINK_EVENT_STARTED, 3, NULL, 0);
    unsigned count = 0;
    while (link_client_event_next(&client, &cursor, &event))
        count++;
    assert_int_equal(count, LINK_CLIENT_EVENTS);
    give(LINK_EVENT, LINK_EVENT_STARTED, 3, NULL, 0);
    assert_true(link_client_event_next(&client, &cursor, &event));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_the_whole_answer_of_this_request_ends_it, start),
        cmocka_unit_test_setup(queries_need_no_key, start),
        cmocka_unit_test_setup(a_refusal_without_a_key_is_told_as_such, start),
        cmocka_unit_test_setup(when_a_second_may_go, start),
        cmocka_unit_test_setup(a_long_request_is_out_with_its_last_fragment, start),
        cmocka_unit_test_setup(answers_to_the_second_must_be_whole_and_its_own, start),
        cmocka_unit_test_setup(the_second_goes_on_when_the_first_is_answered, start),
        cmocka_unit_test_setup(an_answer_under_way_delays_the_repetition, start),
        cmocka_unit_test_setup(busy_never_delays_what_was_due_sooner, start),
        cmocka_unit_test_setup(asked_once_is_not_repeated_into_silence, start),
        cmocka_unit_test_setup(the_time_is_over_before_the_next_repetition, start),
        cmocka_unit_test_setup(events_are_single_frames, start),
    };
    return cmocka_run_group_tests_name("link_client_branch", tests, NULL, NULL);
}
