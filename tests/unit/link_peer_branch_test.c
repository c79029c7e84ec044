/* Messages in pieces, hosts that leave or do not listen, events. What must hold stands in
 * firmware/link_server.h.
 */
#include "tests/unit/link_host.h"

/* Only the first fragment of a message of `total` bytes. */
static void send_beginning(uint8_t code, uint16_t exchange, const uint8_t *fragment, size_t size,
                           uint16_t total)
{
    struct link_frame frame = {.kind = LINK_REQUEST,
                               .code = code,
                               .exchange = exchange,
                               .total = total,
                               .payload = fragment,
                               .length = size};
    send_frame(&frame);
}

/* ---- Messages in pieces ---- */

static void test_half_a_message_is_forgotten_after_silence(void **state)
{
    uint8_t part[100];
    struct link_request request;
    (void)state;
    memset(part, 3, sizeof(part));
    start();
    send_beginning(LINK_NON_FISCAL, 1, part, sizeof(part), 200);
    turn();
    assert_false(link_server_borrow(&link_server)); /* the buffer is being filled */
    now += HOST_FRAGMENT_TIMEOUT_MS - 10;
    turn();
    assert_true(link_server.assembler.active);
    now += 20;
    turn();
    assert_false(link_server.assembler.active);
    /* The rest alone is nothing. */
    struct link_frame rest = {.kind = LINK_REQUEST,
                              .code = LINK_NON_FISCAL,
                              .exchange = 1,
                              .total = 200,
                              .offset = 100,
                              .payload = part,
                              .length = 100};
    send_frame(&rest);
    turn();
    assert_int_equal(link_server_waiting(&link_server), 0);
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    assert_true(link_server_take(&link_server, &request));
}

/* A job in the side buffer does not wait for somebody who sends half a message. */
static void test_a_waiting_job_goes_before_a_new_message(void **state)
{
    uint8_t part[100] = {1};
    (void)state;
    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    send_beginning(LINK_NON_FISCAL, 3, part, sizeof(part), 200);
    turn();
    assert_false(link_server.assembler.active);
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
    expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
    expect_answer(LINK_NON_FISCAL, 3, ERROR_BUSY);
}

/* A query that waits at the side stays there while the next message comes in. */
static void test_a_waiting_query_does_not_move_into_a_message(void **state)
{
    uint8_t part[100] = {1};
    struct link_request request;
    (void)state;
    work_on_a_job();
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    send_beginning(LINK_NON_FISCAL, 3, part, sizeof(part), 200);
    turn();
    assert_true(link_server.assembler.active);
    assert_int_equal(link_server_waiting(&link_server), 0);
    assert_true(link_server_take_side(&link_server, &request));
    assert_int_equal(request.exchange, 2);
    assert_true(link_server.assembler.active);
}

/* Code 0 is no message. Taken for a request it waited for ever, and everything behind it: a bare
 * UART has no new peer that would end it. */
static void test_a_request_with_code_0_is_none(void **state)
{
    (void)state;
    start();
    send_request(0, 1, NULL, 0);
    turn();
    assert_false(link_server.ready);
    send_beginning(0, 2, key_a, sizeof(key_a), 200);
    turn();
    assert_false(link_server.assembler.active);
    send_request(LINK_STATUS, 3, NULL, 0);
    turn();
    assert_int_equal(link_server_waiting(&link_server), LINK_STATUS);
    work_on_a_job();
    send_request(0, 4, NULL, 0);
    turn();
    assert_false(link_server.side_ready);
}

/* More bytes than one turn reads: the rest is read in the next one, nothing is lost. */
static void test_a_flood_is_read_in_turns(void **state)
{
    (void)state;
    start();
    memset(host.sent, 0xEE, 20000);
    host.sent_size = 20000;
    host.sent[host.sent_size++] = 0;
    send_request(LINK_STATUS, 1, NULL, 0);
    turn();
    assert_int_equal(host.sent_read, 32 * 256);
    assert_int_equal(link_server_waiting(&link_server), 0);
    turn();
    turn();
    assert_int_equal(link_server_waiting(&link_server), LINK_STATUS);
}

static void test_the_buffer_is_lent_only_when_nobody_needs_it(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    assert_false(link_server_borrow(&link_server)); /* worked on */
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    give_answer(LINK_RECEIPT, link_server.small, 2, ERROR_NONE, true);
    assert_false(link_server_borrow(&link_server)); /* a side request waits */
    assert_true(link_server_take_side(&link_server, &request));
    send_request(LINK_STATUS, 3, NULL, 0);
    turn();
    assert_false(link_server_borrow(&link_server)); /* a request waits */
    assert_true(link_server_take(&link_server, &request));
    link_server_give_back(&link_server);
    assert_true(link_server_borrow(&link_server));
    assert_false(link_server_borrow(&link_server));
    /* What comes meanwhile waits at the side; a job moves up when the buffer is back. */
    send_request(LINK_RECEIPT, 4, key_a, sizeof(key_a));
    turn();
    assert_int_equal(link_server_waiting(&link_server), 0);
    link_server_give_back(&link_server);
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
}

/* ---- The peer changes, or does not listen ---- */

static void test_a_new_peer_gets_nothing_of_the_old_one(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    host.generation++;
    turn();
    assert_false(link_server.side_ready);
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    expect_silence(); /* nobody waits for it; the key tells it to whoever asks */
    send_request(LINK_STATUS, 3, NULL, 0);
    turn();
    assert_true(link_server_take(&link_server, &request));
    /* A request that waited is forgotten with its peer. */
    give_answer(LINK_STATUS, link_server.small, 2, ERROR_NONE, true);
    expect_answer(LINK_STATUS, 3, ERROR_NONE);
    send_request(LINK_STATUS, 4, NULL, 0);
    turn();
    host.generation++;
    turn();
    assert_int_equal(link_server_waiting(&link_server), 0);
    assert_true(link_server_borrow(&link_server));
}

static void test_the_same_job_from_the_new_peer_gets_the_answer(void **state)
{
    (void)state;
    work_on_a_job();
    host.generation++;
    turn();
    send_request(LINK_RECEIPT, 9, key_a, sizeof(key_a));
    turn();
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    expect_answer(LINK_RECEIPT, 9, ERROR_NONE);
}

static void test_a_started_board_is_announced_once(void **state)
{
    (void)state;
    start();
    assert_false(receive());
    assert_int_equal(events, 1);
    assert_int_equal(last_event, LINK_EVENT_STARTED);
    host.generation++;
    turn();
    assert_false(receive());
    assert_int_equal(events, 1);
}

/* A peer leaves in the middle of an answer: out of the big buffer and out of the small one. */
static void test_a_peer_leaves_in_an_answer(void **state)
{
    static uint8_t elsewhere[3000];
    struct link_request request;
    (void)state;
    work_on_a_job();
    host.takes_at_once = 0;
    give_answer(LINK_RECEIPT, link_server.message, 3000, ERROR_NONE, true);
    host.generation++;
    host.takes_at_once = WIRE_BYTES;
    turn();
    assert_true(link_server_can_answer(&link_server));
    assert_true(link_server_borrow(&link_server)); /* the buffer is free again */
    link_server_give_back(&link_server);
    expect_silence();

    work_on_a_job();
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    assert_true(link_server_take_side(&link_server, &request));
    host.takes_at_once = 0;
    link_server_answer(&link_server, LINK_STATUS, 2, elsewhere, sizeof(elsewhere), false);
    host.generation++;
    host.takes_at_once = WIRE_BYTES;
    turn();
    assert_true(link_server_can_answer(&link_server));
    assert_false(link_server_borrow(&link_server)); /* the job is still worked on */
    expect_silence();
}

/* A peer that takes nothing for LINK_STALL_MS, and one whose port is dead, lose what was meant for
 * them; the big buffer is free again. */
static void test_a_peer_that_does_not_listen(void **state)
{
    (void)state;
    for (unsigned dead = 0; dead < 2; dead++) {
        work_on_a_job();
        host.takes_at_once = 0;
        give_answer(LINK_RECEIPT, link_server.message, 3000, ERROR_NONE, true);
        turn();
        assert_false(link_server_can_answer(&link_server));
        assert_false(link_server_borrow(&link_server));
        if (dead != 0)
            host.gone = true;
        else
            now += LINK_STALL_MS + 1;
        turn();
        assert_true(link_server_can_answer(&link_server));
        assert_true(link_server_borrow(&link_server));
        host.gone = false;
        host.takes_at_once = WIRE_BYTES;
        expect_silence();
    }
}

/* The same in an answer out of the small buffer, of which the last frame is on the wire: the job
 * under way is not touched. */
static void test_a_side_answer_nobody_takes(void **state)
{
    static uint8_t elsewhere[3000];
    struct link_request request;
    (void)state;
    for (unsigned several_frames = 0; several_frames < 2; several_frames++) {
        work_on_a_job();
        assert_false(receive());
        send_request(LINK_STATUS, 2, NULL, 0);
        turn();
        assert_true(link_server_take_side(&link_server, &request));
        host.gone = true;
        link_server_event(&link_server, LINK_EVENT_PAPER, key_a, 4);
        link_server_answer(&link_server, LINK_STATUS, 2, elsewhere,
                           several_frames != 0 ? sizeof(elsewhere) : 100, false);
        assert_true(link_server_can_answer(&link_server));
        assert_false(link_server_borrow(&link_server));
        host.gone = false;
        events = 0;
        give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
        expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
        expect_silence();
        assert_int_equal(events, 0); /* lost events are repaired by asking */
    }
}

/* A port that takes a byte at a time does not hold the loop; everything arrives in the end. */
static void test_a_slow_port(void **state)
{
    struct link_request request;
    (void)state;
    start();
    host.takes_at_once = 1;
    send_request(LINK_SETTINGS, 1, NULL, 0);
    turn();
    assert_true(link_server_take(&link_server, &request));
    size_t before = host.got_size;
    give_answer(LINK_SETTINGS, link_server.message, 2500, ERROR_NONE, true);
    assert_int_equal(host.got_size - before, 64);
    unsigned turns = 0;
    while (!receive()) {
        turn();
        assert_true(++turns < 100);
    }
    assert_int_equal(assembler.length, 2500);
    assert_true(turns > 30);
}

/* ---- Events ---- */

static void test_events_travel_with_the_answer_or_alone(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    (void)receive();
    events = 0;
    link_server_event(&link_server, LINK_EVENT_PAPER, key_a, 4);
    expect_silence();
    assert_int_equal(events, 0); /* it waits for the answer under way */
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    /* A full frame leaves no room for the event: it goes when nothing is under way. */
    static uint8_t full[LINK_FRAGMENT_MAX];
    assert_true(link_server_take_side(&link_server, &request));
    link_server_answer(&link_server, LINK_STATUS, 2, full, sizeof(full), false);
    expect_answer(LINK_STATUS, 2, ERROR_NONE);
    expect_silence();
    assert_int_equal(events, 0);
    send_request(LINK_STATUS, 3, NULL, 0);
    turn();
    give_answer(LINK_RECEIPT, link_server.message, LINK_FRAGMENT_MAX, ERROR_NONE, true);
    expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
    expect_silence(); /* a request waits at the side: its answer will take the event along */
    assert_int_equal(events, 0);
    assert_true(link_server_take_side(&link_server, &request));
    give_answer(LINK_STATUS, link_server.small, 2, ERROR_NONE, false);
    expect_answer(LINK_STATUS, 3, ERROR_NONE);
    expect_silence();
    assert_int_equal(events, 1);
    assert_int_equal(last_event, LINK_EVENT_PAPER);
    /* Alone, with nothing under way; not while a request waits to be taken. */
    send_request(LINK_STATUS, 4, NULL, 0);
    link_server_event(&link_server, LINK_EVENT_PRINTED, NULL, 0);
    expect_silence();
    assert_int_equal(events, 1);
    assert_true(link_server_take(&link_server, &request));
    link_server_give_back(&link_server);
    expect_silence();
    assert_int_equal(events, 2);
    link_server_event(&link_server, LINK_EVENT_PRINTED, NULL, 0);
    expect_silence();
    assert_int_equal(events, 3);
    assert_int_equal(last_event, LINK_EVENT_PRINTED);
}

static void test_the_oldest_event_is_dropped(void **state)
{
    (void)state;
    work_on_a_job();
    (void)receive();
    events = 0;
    for (unsigned i = 0; i < LINK_EVENTS + 3; i++)
        link_server_event(&link_server, (uint8_t)(LINK_EVENT_CONFIRMED + i), NULL, 0);
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
    expect_silence();
    assert_int_equal(events, LINK_EVENTS);
    assert_int_equal(last_event, LINK_EVENT_CONFIRMED + LINK_EVENTS + 2);
}

/* ---- proto/link.c and link_message.c, what the board and the driver never do ---- */

static void test_no_room_for_a_frame(void **state)
{
    uint8_t message[50] = {0}, wire[40];
    size_t offset = 0;
    (void)state;
    assert_int_equal(link_message_frame(LINK_REQUEST, LINK_STATUS, 1, message, sizeof(message),
                                        &offset, wire, sizeof(wire)),
                     0);
    assert_int_equal(offset, 0); /* nothing of it is said to be sent */
}

static void test_a_serial_of_spaces_is_an_empty_one(void **state)
{
    (void)state;
    assert_int_equal(link_device_tag("    "), link_device_tag(""));
    assert_int_equal(link_device_tag("A   "), link_device_tag("A"));
    assert_int_not_equal(link_device_tag(" A"), link_device_tag("A"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half_a_message_is_forgotten_after_silence),
        cmocka_unit_test(test_a_waiting_job_goes_before_a_new_message),
        cmocka_unit_test(test_a_waiting_query_does_not_move_into_a_message),
        cmocka_unit_test(test_a_request_with_code_0_is_none),
        cmocka_unit_test(test_a_flood_is_read_in_turns),
        cmocka_unit_test(test_the_buffer_is_lent_only_when_nobody_needs_it),
        cmocka_unit_test(test_a_new_peer_gets_nothing_of_the_old_one),
        cmocka_unit_test(test_the_same_job_from_the_new_peer_gets_the_answer),
        cmocka_unit_test(test_a_started_board_is_announced_once),
        cmocka_unit_test(test_a_peer_leaves_in_an_answer),
        cmocka_unit_test(test_a_peer_that_does_not_listen),
        cmocka_unit_test(test_a_side_answer_nobody_takes),
        cmocka_unit_test(test_a_slow_port),
        cmocka_unit_test(test_events_travel_with_the_answer_or_alone),
        cmocka_unit_test(test_the_oldest_event_is_dropped),
        cmocka_unit_test(test_no_room_for_a_frame),
        cmocka_unit_test(test_a_serial_of_spaces_is_an_empty_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
