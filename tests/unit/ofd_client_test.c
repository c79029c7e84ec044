/* The operator client under everything that can go wrong between the FN and the operator. */
#include "tests/unit/ofd_client_world.h"

static void queue_drains_in_order_on_one_connection(void **state)
{
    struct world *world = world_open();
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        punch(world, 1 + i);
    assert_true(drain(world, 5000) < 1500);
    assert_int_equal(world->received, 5);
    assert_int_equal(world->confirmed, 5);
    assert_int_equal(world->repeats, 0);
    assert_int_equal(world->net.opened, 1);
    assert_int_equal(world->ofd.report.queue_count, 0);
    assert_int_equal(world->ofd.report.first_number, 0);
    assert_int_equal(world->ofd.report.days_left, 30);
    assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
    assert_in_range(world->ofd.report.last_success, START, START + 3);
    assert_int_equal(world->ofd.report.connection, OFD_IDLE);
    /* The next receipt soon after: the same connection. */
    advance(world, 2000, TICK_MS);
    punch(world, 1);
    assert_true(drain(world, 5000) < 200);
    assert_int_equal(world->net.opened, 1);
    /* Much later: the old one was closed and the FN was told. */
    advance(world, 6000, TICK_MS);
    assert_int_equal(world->net.state, BOARD_NET_CLOSED);
    assert_false(world->ofd.attached);
    punch(world, 1);
    assert_true(drain(world, 5000) < 200);
    assert_int_equal(world->net.opened, 2);
    assert_int_equal(world->confirmed, 7);
    world_close(world);
}

static void large_messages_are_streamed(void **state)
{
    struct world *world = world_open();
    (void)state;
    punch(world, 200); /* about 22 KB, eleven windows */
    world->net.room = 700;
    world->net.answer_step = 1;
    (void)drain(world, 60000);
    assert_int_equal(world->received, 3);
    assert_int_equal(world->net.opened, 1);
    world_close(world);
}

static void attempts_back_off_and_recover(void **state)
{
    static const uint16_t limits_s[] = {0, 5, 200};
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct world *world = world_open();
        uint64_t limit_ms = limits_s[round] == 0 ? OFD_RETRY_MAX_MS : limits_s[round] * 1000u;
        uint64_t delay_ms = OFD_RETRY_FIRST_MS;
        bool varied = false;
        unsigned before;
        world->settings.retry_max_s = limits_s[round];
        world->net.up = false;
        advance(world, 1800000, TICK_MS);
        assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
        assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_REFUSED);
        assert_int_equal(world->ofd.report.connection, OFD_RETRY);
        assert_int_equal(world->ofd.report.queue_count, 2);
        assert_int_equal(world->ofd.report.first_number, 1);
        assert_true(world->ofd.report.next_attempt_ms > 0 &&
                    world->ofd.report.next_attempt_ms <= limit_ms);
        assert_true(world->net.opened > 10 && world->net.opened < 1000);
        for (unsigned i = 1; i < world->net.opened && i < 256; i++) {
            uint64_t gap_ms = world->net.opened_at[i] - world->net.opened_at[i - 1];
            /* The queue is looked at once a second, so an attempt may come that much later. */
            assert_in_range(gap_ms, delay_ms / 2, delay_ms + OFD_POLL_MS + 10 * TICK_MS);
            varied = varied || gap_ms < delay_ms - delay_ms / 10;
            delay_ms = delay_ms * 2 < limit_ms ? delay_ms * 2 : limit_ms;
        }
        assert_true(varied);
        /* Back again: within one delay, and the backoff starts anew. */
        world->net.up = true;
        assert_true(drain(world, 3600000) <= limit_ms + 5000);
        assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
        advance(world, 10000, TICK_MS);
        world->net.up = false;
        punch(world, 1);
        before = world->net.opened;
        advance(world, 4000, TICK_MS);
        assert_in_range(world->net.opened - before, 2, 4);
        world_close(world);
    }
}

/* Cuts the first connection after so many bytes one way; everything must come right on the next. */
static void cut_once(unsigned items, size_t cut_in, size_t cut_out)
{
    struct world *world = world_open();
    uint64_t limit = 5000;
    punch(world, items);
    world->net.cut_in = cut_in;
    world->net.cut_out = cut_out;
    while (world->net.opened == 0 || world->net.state != BOARD_NET_CLOSED) {
        advance(world, TICK_MS, TICK_MS);
        assert_true(limit-- > 0);
    }
    /* An end right behind an answer is met on the idle connection and is no failure. */
    if (world->ofd.failures != 0)
        assert_int_equal(world->ofd.report.last_error,
                         cut_out != SIZE_MAX ? ERROR_OFD_NO_ANSWER : ERROR_OFD_UNREACHABLE);
    world->net.cut_in = world->net.cut_out = SIZE_MAX;
    assert_true(drain(world, 20000) < 5000);
    assert_int_equal(world->received, 3);
    assert_int_equal(world->confirmed, 3);
    assert_int_equal(world->net.opened, 2);
    assert_in_range(world->repeats, 0, 1);
    world_close(world);
}

static void a_cut_at_every_byte(void **state)
{
    static const unsigned sizes[] = {1, 45}; /* items: one window, three windows */
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = world_open();
        size_t in_total, out_total, step_bytes = i == 0 ? 1 : 89;
        punch(world, sizes[i]);
        (void)drain(world, 5000);
        in_total = world->net.in_total;
        out_total = world->net.out_total;
        world_close(world);
        assert_true(i == 0 || in_total > 4500);
        for (size_t cut = 0; cut < in_total; cut += step_bytes)
            cut_once(sizes[i], cut, SIZE_MAX);
        for (size_t cut = 0; cut < out_total; cut += step_bytes)
            cut_once(sizes[i], SIZE_MAX, cut);
    }
}

static void answers_that_must_be_tolerated(void **state)
{
    static const struct {
        enum manner manner;
        uint32_t reason; /* of 26h, seen on the way */
    } cases[] = {{MANNER_TWICE, 3},         {MANNER_STALE, 3},      {MANNER_BAD_SIGN_FIRST, 1},
                 {MANNER_FOREIGN_FIRST, 4}, {MANNER_HUGE_FIRST, 2}, {MANNER_PING_FIRST, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step_bytes = 1; step_bytes < 2000; step_bytes *= 5) {
            struct world *world = world_open();
            uint32_t seen = 0;
            world->manner = cases[i].manner;
            world->net.answer_step = step_bytes;
            punch(world, 1);
            for (unsigned tick = 0; tick < 20000 && world->confirmed < 3; tick++) {
                advance(world, TICK_MS, TICK_MS);
                if (world->ofd.report.last_error == ERROR_OFD_REJECTED)
                    seen = world->ofd.report.last_error_detail;
            }
            assert_int_equal(world->confirmed, 3);
            assert_int_equal(world->repeats, 0);
            assert_int_equal(world->net.opened, 1);
            assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
            /* With big steps the refusal and the success may fall into one tick. */
            assert_true(seen == cases[i].reason || seen == 0);
            assert_true(step_bytes > 1 || seen == cases[i].reason);
            advance(world, 6000, TICK_MS);
            assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
            world_close(world);
        }
    }
}

static void nonsense_is_never_taken_for_a_confirmation(void **state)
{
    static const struct {
        enum manner manner;
        uint32_t reason;
    } cases[] = {{MANNER_GARBAGE, 2}, {MANNER_BAD_CRC, 5}};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = world_open();
        world->manner = cases[i].manner;
        advance(world, 60000, TICK_MS);
        assert_int_equal(world->ofd.report.last_error, ERROR_OFD_REJECTED);
        assert_int_equal(world->ofd.report.last_error_detail, cases[i].reason);
        assert_int_equal(world->confirmed, 0);
        assert_int_equal(fnm_unconfirmed_count(world->fnm), 2);
        assert_in_range(world->net.opened, 4, 12); /* it backs off */
        world->manner = MANNER_GOOD;
        (void)drain(world, 120000);
        assert_int_equal(world->confirmed, 2);
        assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
        world_close(world);
    }
}

static void random_answers_do_no_harm(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->manner = MANNER_SILENT;
    for (unsigned round = 0; round < 400; round++) {
        uint8_t bytes[600];
        size_t size;
        advance(world, 3000, TICK_MS);
        board_random(world, bytes, sizeof bytes);
        size = (size_t)(bytes[0] | bytes[1] << 8) % sizeof bytes;
        if (round % 2 == 0 && world->last_answer_size > 0) {
            /* The right answer with a few bytes changed. */
            size = world->last_answer_size;
            memcpy(bytes, world->last_answer, size);
            board_random(world, bytes + 500, 8);
            bytes[(size_t)(bytes[500] | bytes[501] << 8) % size] ^= (uint8_t)(bytes[502] | 1);
        }
        if (world->net.state == BOARD_NET_OPEN)
            say(world, bytes, size);
    }
    assert_in_range(world->confirmed, 0, 1); /* bits 4-7 of the session flags may be changed */
    world->manner = MANNER_GOOD;
    (void)drain(world, 700000);
    assert_int_equal(world->confirmed, 2);
    world_close(world);
}

static void silence_ends_after_300_seconds(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->manner = MANNER_SILENT;
    advance(world, 1000, TICK_MS);
    assert_int_equal(world->ofd.report.connection, OFD_WAITING);
    for (unsigned i = 0; i < 2980; i++) {
        advance(world, 100, TICK_MS);
        assert_int_equal(world->ofd.report.connection, OFD_WAITING);
        assert_int_equal(world->fn.owner,
                         FN_OWNER_NONE); /* never held while the network is waited for */
    }
    assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
    while (world->ofd.report.connection == OFD_WAITING && world->now < 310000)
        advance(world, TICK_MS, TICK_MS);
    assert_in_range(world->now, 300000, 300200);
    advance(world, 5 * TICK_MS, TICK_MS);
    assert_int_equal(world->ofd.report.connection, OFD_RETRY);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_NO_ANSWER);
    assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_TIMEOUT);
    world->manner = MANNER_GOOD;
    assert_true(drain(world, 5000) < 3000);
    assert_int_equal(world->repeats, 1);
    assert_int_equal(world->confirmed, 2);
    world_close(world);
}

static void a_network_that_takes_nothing_is_given_up(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->net.room = 0;
    advance(world, 299000, TICK_MS); /* small message: within the 300 s of 25h */
    assert_int_equal(world->net.opened, 1);
    advance(world, 2000, TICK_MS);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
    assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_TIMEOUT);
    world->net.room = SIZE_MAX;
    (void)drain(world, 10000);
    advance(world, 10000, TICK_MS);
    punch(world, 45);
    world->net.room = 0;
    advance(world, 59000, TICK_MS); /* still being read: 60 s without progress */
    assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
    assert_int_equal(world->ofd.report.connection, OFD_SENDING);
    assert_int_equal(world->fn.owner, FN_OWNER_NONE);
    advance(world, 1500, TICK_MS);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
    assert_false(world->ofd.reading);
    world->net.room = SIZE_MAX;
    (void)drain(world, 10000);
    assert_int_equal(world->confirmed, 3);
    world_close(world);
}

static void days_without_the_operator(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->net.up = false;
    for (unsigned hour = 0; hour < 20; hour++) {
        advance(world, 3600000, 1000);
        punch(world, 2);
    }
    advance(world, 4ull * DAY_MS, 1000);
    assert_int_equal(world->ofd.report.queue_count, 22);
    assert_int_equal(world->ofd.report.first_number, 1);
    assert_int_equal(world->ofd.report.first_time, START - START % 60);
    assert_int_equal(world->ofd.report.days_left, 26);
    advance(world, 29ull * DAY_MS, 5000);
    assert_int_equal(world->ofd.report.days_left, 0);
    world->net.up = true;
    assert_true(drain(world, 120000) < 65000);
    assert_int_equal(world->received, 22);
    assert_int_equal(world->confirmed, 22);
    assert_int_equal(world->ofd.report.days_left, 30);
    world_close(world);
}

static unsigned fn_commands_until_fault;
static enum fnm_fault fn_fault_kind;

static bool count_down_to_fault(struct world *world, uint8_t command, const uint8_t *data,
                                size_t size)
{
    (void)command;
    (void)data;
    (void)size;
    if (fn_commands_until_fault > 0 && --fn_commands_until_fault == 0)
        fnm_fault(world->fnm, fn_fault_kind, fn_fault_kind == FNM_FAULT_OFF ? 1 : 0);
    return false;
}

static void the_fn_fails_at_every_command(void **state)
{
    static const enum fnm_fault kinds[] = {FNM_FAULT_OFF, FNM_FAULT_LOSE_ANSWER,
                                           FNM_FAULT_DROP_ANSWER, FNM_FAULT_CORRUPT_CRC};
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned at = 1; at <= 24; at++) {
            struct world *world = world_open();
            punch(world, 30);
            world->script = count_down_to_fault;
            world->events_may_be_lost =
                kinds[kind] == FNM_FAULT_LOSE_ANSWER || kinds[kind] == FNM_FAULT_DROP_ANSWER;
            fn_commands_until_fault = at;
            fn_fault_kind = kinds[kind];
            advance(world, 30000, TICK_MS);
            if (kinds[kind] == FNM_FAULT_OFF)
                fnm_fault(world->fnm, FNM_FAULT_OFF, 0);
            (void)drain(world, 60000);
            assert_int_equal(world->received, 3);
            assert_true(world->events_may_be_lost || world->confirmed == 3);
            if (kinds[kind] == FNM_FAULT_CORRUPT_CRC)
                assert_int_equal(world->net.opened, 1); /* ENQ mends this */
            world_close(world);
        }
    }
}

static void fn_refusals_at_every_command(void **state)
{
    static const uint8_t codes[] = {FN_BAD_STATE, FN_NO_TRANSPORT, FN_NO_DATA, FN_FAULT};
    (void)state;
    for (unsigned code = 0; code < 4; code++) {
        for (unsigned at = 0; at < 14; at++) {
            struct world *world = world_open();
            for (unsigned before = world->fn.commands_sent; world->fn.commands_sent - before < at;)
                advance(world, TICK_MS, TICK_MS);
            fnm_fault(world->fnm, FNM_FAULT_ANSWER_CODE, codes[code]);
            (void)drain(world, 60000);
            assert_int_equal(world->received, 2);
            assert_int_equal(world->confirmed, 2);
            world_close(world);
        }
    }
}

/* The register takes the line for 30 ms, as often as it can; how long it had to wait at most. */
static uint64_t play_register(struct world *world, uint64_t duration_ms)
{
    uint64_t end = world->now + duration_ms, asked = world->now, held_until = 0, longest = 0;
    bool holding = false;
    while (world->now < end && fnm_unconfirmed_count(world->fnm) > 0) {
        if (!holding && fn_acquire(&world->fn, FN_OWNER_REGISTER)) {
            holding = true;
            longest = world->now - asked > longest ? world->now - asked : longest;
            fn_start(&world->fn, FN_STATUS, NULL, 0, world->now);
            held_until = world->now + 30;
        } else if (holding && world->now >= held_until && world->fn.state != FN_STATE_WAITING) {
            fn_release(&world->fn, FN_OWNER_REGISTER);
            holding = false;
            asked = world->now + TICK_MS;
        }
        advance(world, TICK_MS, TICK_MS);
    }
    while (holding && world->fn.state == FN_STATE_WAITING)
        advance(world, TICK_MS, TICK_MS);
    fn_release(&world->fn, FN_OWNER_REGISTER);
    return longest;
}

static void the_register_goes_first(void **state)
{
    struct world *world = world_open();
    (void)state;
    punch(world, 60);
    world->net.room = 60;
    world->net.answer_step = 10;
    /* At most one hold: 22h, two 23h and 25h, at a tick each for sending and for the answer. */
    assert_in_range(play_register(world, 60000), 0, 12 * TICK_MS);
    assert_int_equal(world->confirmed, 3);
    assert_int_equal(world->net.opened, 1); /* the FN went on reading in between */
    world_close(world);
}

static void a_document_between_the_pieces(void **state)
{
    for (unsigned loses = 0; loses < 2; loses++) {
        struct world *world = world_open();
        (void)state;
        (void)drain(world, 5000);
        punch(world, 60);
        world->net.room = 10;
        while (world->ofd.message_done != OFD_WINDOW_SIZE || world->fn.owner != FN_OWNER_NONE)
            advance(world, TICK_MS, TICK_MS);
        assert_true(fn_acquire(&world->fn, FN_OWNER_REGISTER));
        fn_start(&world->fn, FN_STATUS, NULL, 0, world->now);
        advance(world, 5 * TICK_MS, TICK_MS);
        punch(world, 1);
        if (loses == 1)
            assert_int_equal(fn_call(world, FN_OFD_READ_CANCEL, NULL, 0), FN_OK);
        fn_release(&world->fn, FN_OWNER_REGISTER);
        world->net.room = 100;
        (void)drain(world, 20000);
        assert_int_equal(world->received, 4);
        assert_int_equal(world->confirmed, 4);
        assert_int_equal(world->repeats, 0);
        assert_int_equal(world->net.opened, 1 + loses);
        assert_false(world->failed); /* nobody was at fault: no error, no backoff */
        world_close(world);
    }
}

/* An FN of the first generation: its data already start with the session header. */
static bool fn_with_header(struct world *world, uint8_t command, const uint8_t *data, size_t size)
{
    static const uint8_t queue_of_one[13] = {2, 0, 1, 0, 1, 0, 0, 0, 23, 11, 14, 22, 13};
    static const uint8_t empty_queue[13] = {0};
    uint8_t length[2] = {(uint8_t)world->raw_size, (uint8_t)(world->raw_size >> 8)};
    uint8_t zero = 0;
    size_t offset, wanted;
    switch (command) {
    case FN_OFD_STATUS:
        fn_reply(world, FN_OK, world->script_step == 0 ? queue_of_one : empty_queue, 13);
        return true;
    case FN_NUMBER:
        fn_reply(world, FN_OK, "9999078900005488", 16);
        return true;
    case FN_OFD_READ_BEGIN:
        fn_reply(world, FN_OK, length, 2);
        return true;
    case FN_OFD_READ:
        assert_int_equal(size, 4);
        offset = get_u16le(data);
        wanted = get_u16le(data + 2);
        assert_true(offset + wanted <= world->raw_size && wanted <= 1024);
        /* Answers shorter than asked for are allowed. */
        fn_reply(world, FN_OK, world->raw + offset, wanted > 100 ? 100 : wanted);
        return true;
    case FN_OFD_ANSWER:
        world->script_step++;
        fn_reply(world, FN_OK, &zero, 1);
        return true;
    default:
        fn_reply(world, FN_OK, NULL, 0);
        return true;
    }
}

static void a_session_header_from_the_fn_is_not_doubled(void **state)
{
    struct world *world = world_open();
    uint8_t *first;
    size_t size;
    struct ofd_message message;
    (void)state;
    /* The emulated FN's first message as it goes over the network. */
    world->manner = MANNER_SILENT;
    world->net.answer_step = 0;
    while (world->received == 0)
        advance(world, TICK_MS, TICK_MS);
    first = malloc(world->ofd.message_size + OFD_HEADER_SIZE);
    assert_non_null(first);
    size = world->ofd.message_size + (size_t)OFD_HEADER_SIZE;
    assert_true(size < OFD_WINDOW_SIZE);
    memcpy(first, world->ofd.message, size);
    assert_int_equal(ofd_message_parse(first, size, &message), OFD_MESSAGE_DOCUMENT);
    world->raw = first;
    world->raw_size = size;
    world->script = fn_with_header;
    world->manner = MANNER_GOOD;
    world->net.answer_step = SIZE_MAX;
    world->net.state = BOARD_NET_CLOSED;
    start_client(world);
    for (unsigned i = 0; i < 500 && world->script_step == 0; i++)
        advance(world, TICK_MS, TICK_MS);
    advance(world, TICK_MS, TICK_MS);
    assert_int_equal(world->script_step, 1);
    assert_int_equal(world->repeats, 1); /* byte for byte what the other FN sent */
    assert_int_equal(world->confirmed, 1);
    free(first);
    world_close(world);
}

static void a_reset_at_every_tick(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 60; at++) {
        struct world *world = world_open();
        punch(world, 40);
        world->net.room = 400;
        world->net.answer_step = 40;
        world->events_may_be_lost = true;
        advance(world, at * TICK_MS, TICK_MS);
        world->net.state = BOARD_NET_CLOSED; /* the register restarts, the FN keeps its power */
        start_client(world);
        assert_true(drain(world, 10000) < 4000);
        assert_int_equal(world->received, 3);
        assert_false(world->failed); /* what was left over in the FN was taken back */
        world_close(world);
    }
}

static void new_settings_start_over(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 40; at++) {
        struct world *world = world_open();
        punch(world, 40);
        world->manner = at % 2 == 0 ? MANNER_SILENT : MANNER_GOOD;
        world->net.room = 400;
        advance(world, at * TICK_MS, TICK_MS);
        world->manner = MANNER_GOOD;
        ofd_client_restart(&world->ofd);
        assert_true(drain(world, 10000) < 3000);
        assert_int_equal(world->received, 3);
        assert_int_equal(world->confirmed, 3);
        assert_false(world->failed);
        world_close(world);
    }
}

static void without_operator_nothing_happens(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->settings.enabled = false;
    advance(world, 10000, TICK_MS);
    assert_int_equal(world->fn.commands_sent, 0);
    assert_int_equal(world->net.opened, 0);
    /* Registered with an operator, but no address: people must hear of it. */
    world->settings.enabled = true;
    world->settings.host[0] = '\0';
    advance(world, 100000, TICK_MS);
    assert_int_equal(world->net.opened, 0);
    assert_int_equal(world->ofd.report.queue_count, 2);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
    assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_NAME);
    strcpy(world->settings.host, "ofd.example");
    ofd_client_restart(&world->ofd);
    world->net.tls_fails = true;
    advance(world, 1000, TICK_MS);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_TLS);
    assert_int_equal(world->ofd.report.last_error_detail, 0x2700);
    world->net.tls_fails = false;
    (void)drain(world, 10000);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_drains_in_order_on_one_connection),
        cmocka_unit_test(large_messages_are_streamed),
        cmocka_unit_test(attempts_back_off_and_recover),
        cmocka_unit_test(a_cut_at_every_byte),
        cmocka_unit_test(answers_that_must_be_tolerated),
        cmocka_unit_test(nonsense_is_never_taken_for_a_confirmation),
        cmocka_unit_test(random_answers_do_no_harm),
        cmocka_unit_test(silence_ends_after_300_seconds),
        cmocka_unit_test(a_network_that_takes_nothing_is_given_up),
        cmocka_unit_test(days_without_the_operator),
        cmocka_unit_test(the_fn_fails_at_every_command),
        cmocka_unit_test(fn_refusals_at_every_command),
        cmocka_unit_test(the_register_goes_first),
        cmocka_unit_test(a_document_between_the_pieces),
        cmocka_unit_test(a_session_header_from_the_fn_is_not_doubled),
        cmocka_unit_test(a_reset_at_every_tick),
        cmocka_unit_test(new_settings_start_over),
        cmocka_unit_test(without_operator_nothing_happens),
    };
    return cmocka_run_group_tests_name("ofd_client", tests, NULL, NULL);
}
