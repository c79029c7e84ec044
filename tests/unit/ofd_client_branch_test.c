/* The operator client between an FN and a network that say odd things: each attempt ends with a
 * reason people can read, and once both behave again every document is confirmed.
 */
#include "tests/unit/ofd_client_world.h"

/* The next answers to a command instead of the FN's own; each once. */
static struct {
    uint8_t command; /* 0: none */
    unsigned after;
    uint8_t code;
    uint8_t data[32];
    size_t size;
} lies[4];

static bool lie(struct world *world, uint8_t command, const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    for (unsigned i = 0; i < 4; i++) {
        if (lies[i].command != command || (lies[i].after > 0 && lies[i].after-- > 0))
            continue;
        lies[i].command = 0;
        fn_reply(world, lies[i].code, lies[i].data, lies[i].size);
        return true;
    }
    return false;
}

static void tell(uint8_t command, uint8_t code, const void *data, size_t size)
{
    unsigned i = 0;
    while (lies[i].command != 0)
        assert_true(++i < 4);
    lies[i].command = command;
    lies[i].after = 0;
    lies[i].code = code;
    lies[i].size = size;
    if (size > 0)
        memcpy(lies[i].data, data, size);
}

static struct world *open_with_lies(void)
{
    struct world *world = world_open();
    memset(lies, 0, sizeof lies);
    world->script = lie;
    return world;
}

static bool all_told(void)
{
    for (unsigned i = 0; i < 4; i++)
        if (lies[i].command != 0)
            return false;
    return true;
}

/* Everything is confirmed in the end. */
static void heals(struct world *world, uint32_t documents)
{
    world->events_may_be_lost = true; /* the board may restart */
    (void)drain(world, 300000);
    assert_true(all_told());
    assert_int_equal(world->received, documents);
    assert_int_equal(world->ofd.report.queue_count, 0);
    assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
    world_close(world);
}

/* ---- The FN ---- */

static void odd_answers_of_the_fn(void **state)
{
    (void)state;
    static const struct {
        uint8_t command, code;
        const char *data;
        size_t size;
        uint16_t error; /* ERROR_NONE: it is no failure of an attempt */
    } odd[] = {{FN_OFD_STATUS, FN_BAD_STATE, NULL, 0, ERROR_NONE},
               {FN_OFD_STATUS, FN_OK, "\0\0\1", 3, ERROR_NONE},
               {FN_NUMBER, FN_FAULT, NULL, 0, ERROR_FN_FAULT},
               {FN_NUMBER, FN_OK, "99990", 5, ERROR_FN_REFUSED},
               {FN_OFD_TRANSPORT, FN_BAD_STATE, NULL, 0, ERROR_FN_STATE},
               {FN_OFD_READ_BEGIN, FN_BAD_STATE, NULL, 0, ERROR_FN_STATE},
               {FN_OFD_READ_BEGIN, FN_OK, "\1", 1, ERROR_FN_FAULT},
               {FN_OFD_READ_BEGIN, FN_OK, "\0\0", 2, ERROR_FN_FAULT},
               {FN_OFD_READ_BEGIN, FN_OK, "\xFF\xFF", 2, ERROR_FN_FAULT},
               {FN_OFD_READ, FN_BAD_VALUE, NULL, 0, ERROR_FN_REFUSED},
               {FN_OFD_READ, FN_OK, NULL, 0, ERROR_FN_FAULT},
               {FN_OFD_READ_END, FN_BAD_STATE, NULL, 0, ERROR_FN_STATE},
               {FN_OFD_ANSWER, FN_FAULT, NULL, 0, ERROR_FN_FAULT}};
    for (unsigned i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct world *world = open_with_lies();
        uint16_t error = ERROR_NONE;
        tell(odd[i].command, odd[i].code, odd[i].data, odd[i].size);
        for (unsigned turn = 0; turn < 1000 && error == ERROR_NONE; turn++) {
            advance(world, TICK_MS, TICK_MS);
            error = world->ofd.report.last_error;
        }
        assert_int_equal(error, odd[i].error);
        heals(world, 2);
    }
}

/* More bytes than were asked for are not taken over. */
static void a_piece_longer_than_asked_for(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    uint8_t piece[32] = {0};
    tell(FN_OFD_READ_BEGIN, FN_OK, "\5\0", 2);
    tell(FN_OFD_READ, FN_OK, piece, sizeof piece);
    advance(world, 1000, TICK_MS);
    assert_int_equal(world->ofd.report.last_error, ERROR_FN_FAULT);
    heals(world, 2);
}

/* A first piece too short to tell whether it begins with a session header. */
static void a_first_piece_of_two_bytes(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    tell(FN_OFD_READ_BEGIN, FN_OK, "\2\0", 2);
    tell(FN_OFD_READ, FN_OK, "ab", 2);
    tell(FN_OFD_READ_END, FN_BAD_STATE, NULL, 0); /* or the operator would get it */
    advance(world, 500, TICK_MS);
    assert_true(all_told());
    assert_int_equal(world->net.in_size, 0);
    heals(world, 2);
}

/* The number comes padded; messages carry it without. */
static void a_number_with_padding(void **state)
{
    (void)state;
    static const char *const numbers[] = {"99990789000     ", "99990789000\0\0\0\0\0",
                                          "                "};
    static const char *const expected[] = {"99990789000", "99990789000", ""};
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = open_with_lies();
        tell(FN_NUMBER, FN_OK, numbers[i], 16);
        tell(FN_OFD_TRANSPORT, FN_BAD_STATE, NULL, 0);
        advance(world, 300, TICK_MS);
        assert_string_equal(world->ofd.fn_number, expected[i]);
        heals(world, 2);
    }
}

static const uint8_t *queue_status(uint8_t exchange, uint8_t reading, uint16_t count,
                                   uint32_t first, const char date[5])
{
    static uint8_t bytes[13];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_u8(&writer, exchange);
    put_u8(&writer, reading);
    put_u16le(&writer, count);
    put_u32le(&writer, first);
    put_bytes(&writer, (const uint8_t *)date, 5);
    return bytes;
}

/* The oldest document's date is none, or lies ahead: there are all the days left. */
static void a_date_that_says_nothing(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    world->net.up = false;
    static const char *const dates[] = {"\xFF\xFF\xFF\xFF\xFF", "\x30\x01\x01\x0C\x00"};
    for (unsigned i = 0; i < 2; i++) {
        /* First the queue as it is, so that what is told changes something. */
        world->now += 5 * DAY_MS;
        advance(world, 3000, TICK_MS);
        assert_int_equal(world->ofd.report.days_left, 30 - 5 * (i + 1));
        tell(FN_OFD_STATUS, FN_OK, queue_status(0, 0, 2, 1, dates[i]), 13);
        for (unsigned turn = 0; world->ofd.report.days_left < 30 && turn < 1000; turn++)
            advance(world, TICK_MS, TICK_MS);
        assert_int_equal(world->ofd.report.days_left, 30);
        assert_int_equal(world->ofd.report.first_time > START, i);
    }
    world->net.up = true;
    heals(world, 2);
}

/* The FN is still reading for an attempt that nobody remembers, with the transport already down. */
static void an_fn_that_still_reads(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    uint64_t cancels = fnm_counters(world->fnm)->by_code[FN_OFD_READ_CANCEL];
    tell(FN_OFD_STATUS, FN_OK, queue_status(0, 1, 2, 1, "\x17\x0B\x0E\x16\x0D"), 13);
    advance(world, 200, TICK_MS);
    assert_int_equal(fnm_counters(world->fnm)->by_code[FN_OFD_READ_CANCEL], cancels + 1);
    heals(world, 2);
}

/* A message larger than the window lets the register have the line in between; asked then, the FN
 * answers oddly or reads another document: the message is begun again on a new connection. */
static void odd_answers_in_the_middle_of_a_message(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = open_with_lies();
        (void)drain(world, 60000);
        punch(world, 40);
        world->net.room = 100; /* slow: there is time for others */
        for (unsigned turn = 0; world->ofd.piece_size != sizeof world->ofd.message && turn < 1000;
             turn++)
            advance(world, TICK_MS, TICK_MS);
        assert_int_equal(world->ofd.piece_size, sizeof world->ofd.message);
        while (world->fn.owner != FN_OWNER_NONE)
            advance(world, TICK_MS, TICK_MS);
        world->fn.commands_sent++; /* as if a register had used the line */
        if (i == 0)
            tell(FN_OFD_STATUS, FN_BAD_STATE, NULL, 0);
        else if (i == 1)
            tell(FN_OFD_STATUS, FN_OK, "\1\1", 2);
        else
            tell(FN_OFD_STATUS, FN_OK,
                 queue_status(1, i == 2, 2, i == 2 ? 2 : 3, "\x17\x0B\x0E\x16\x0D"), 13);
        unsigned opened = world->net.opened;
        for (unsigned turn = 0; !all_told() && turn < 1000; turn++)
            advance(world, TICK_MS, TICK_MS);
        world->net.room = SIZE_MAX;
        advance(world, 5000, TICK_MS);
        assert_true(world->net.opened > opened);
        heals(world, 3);
    }
}

/* ---- The operator ---- */

/* Refused by the FN, and then the operator goes away: the refusal is what people must hear of. */
static void refused_and_gone(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 1; size++) {
        struct world *world = open_with_lies();
        tell(FN_OFD_ANSWER, FN_OPERATOR_ANSWER_REJECTED, "\6", size);
        for (unsigned turn = 0; !all_told() && turn < 1000; turn++)
            advance(world, TICK_MS, TICK_MS);
        advance(world, 5 * TICK_MS, TICK_MS);
        assert_int_equal(world->ofd.report.last_error, ERROR_OFD_REJECTED);
        assert_int_equal(world->ofd.report.last_error_detail, size == 0 ? 0 : 6);
        net_die(&world->net);
        advance(world, 100, TICK_MS);
        assert_int_equal(world->ofd.failures, 1);
        assert_int_equal(world->ofd.report.last_error, ERROR_OFD_REJECTED);
        heals(world, 2);
    }
}

/* An empty answer of the FN to a good confirmation, and one with the operator's remarks. */
static void accepted_with_remarks(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 1; size++) {
        struct world *world = open_with_lies();
        tell(FN_OFD_ANSWER, FN_OK, "\x0E", size);
        for (unsigned turn = 0; world->confirmed == 0 && turn < 1000; turn++)
            advance(world, TICK_MS, TICK_MS);
        assert_true(all_told());
        assert_int_equal(world->confirmed, 1);
        assert_int_equal(world->ofd.report.queue_count, 1);
        assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
        world_close(world);
    }
}

/* Noise on a connection that waits for nothing closes it and is nobody's failure. */
static void noise_on_an_idle_connection(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    (void)drain(world, 60000);
    assert_true(world->ofd.connected);
    uint8_t noise[OFD_HEADER_SIZE];
    memset(noise, 0x5A, sizeof noise);
    say(world, noise, sizeof noise);
    advance(world, 100, TICK_MS);
    assert_false(world->ofd.connected);
    assert_int_equal(world->ofd.failures, 0);
    assert_int_equal(world->ofd.report.last_error, ERROR_NONE);
    punch(world, 1);
    heals(world, 3);
}

/* A session header with a CRC of its own: a good one is taken, a bad one ends the connection. */
static void a_header_with_a_crc(void **state)
{
    (void)state;
    for (unsigned bad = 0; bad < 2; bad++) {
        struct world *world = open_with_lies();
        world->manner = MANNER_SILENT;
        while (world->received < 1)
            advance(world, TICK_MS, TICK_MS);
        advance(world, 5 * TICK_MS, TICK_MS);
        uint8_t answer[OFD_CONFIRMATION_MAX];
        struct ofd_header header;
        memcpy(answer, world->last_answer, world->last_answer_size);
        assert_int_equal(ofd_header_decode(answer, OFD_HEADER_SIZE, &header), 1);
        header.flags = (uint16_t)((header.flags & ~OFD_FLAG_CRC_MASK) | OFD_FLAG_CRC_HEADER);
        ofd_header_encode(&header, NULL, answer);
        if (bad != 0)
            answer[29] ^= 1;
        say(world, answer, world->last_answer_size);
        advance(world, 100, TICK_MS);
        assert_int_equal(world->confirmed, bad == 0 ? 1 : 0);
        assert_int_equal(world->ofd.failures, bad);
        world->manner = MANNER_GOOD;
        advance(world, 1000, TICK_MS);
        if (bad == 0)
            net_die(&world->net); /* the second document's answer never came */
        heals(world, 2);
    }
}

/* ---- The network ---- */

static enum board_net_state told_state;
static enum board_net_error told_error;

static enum board_net_state net_state_told(void *context, enum board_net_error *error,
                                           uint32_t *detail)
{
    (void)context;
    *error = told_error;
    *detail = 0;
    return told_state;
}

static int net_open_refused(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    (void)endpoint;
    return -1;
}

static void a_network_that_does_not_open(void **state)
{
    (void)state;
    struct world *world = open_with_lies();
    world->board.net_open = net_open_refused;
    advance(world, 100, TICK_MS);
    assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
    assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_LOST); /* no reason given */
    assert_int_equal(world->ofd.report.connection, OFD_RETRY);
    world->board.net_open = net_open;
    heals(world, 2);
}

/* Connecting for ever ends after a while; closed without a reason, or failed with none, is a lost
 * connection. */
static void a_connection_that_never_is(void **state)
{
    (void)state;
    static const enum board_net_state states[] = {BOARD_NET_CONNECTING, BOARD_NET_CLOSED,
                                                  BOARD_NET_FAILED};
    for (unsigned i = 0; i < 3; i++) {
        struct world *world = open_with_lies();
        world->board.net_state = net_state_told;
        told_state = states[i];
        told_error = BOARD_NET_OK;
        advance(world, 1000, TICK_MS);
        if (states[i] == BOARD_NET_CONNECTING) {
            assert_int_equal(world->ofd.report.connection, OFD_CONNECTING);
            assert_int_equal(world->ofd.failures, 0);
            for (unsigned second = 0; second < 120 && world->ofd.failures == 0; second++)
                advance(world, 1000, TICK_MS);
            assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_TIMEOUT);
        } else {
            assert_int_equal(world->ofd.report.last_error_detail, BOARD_NET_LOST);
        }
        assert_int_equal(world->ofd.report.last_error, ERROR_OFD_UNREACHABLE);
        world->net.state = BOARD_NET_CLOSED;
        world->board.net_state = net_state;
        heals(world, 2);
    }
}

/* The longest pause between attempts follows the setting, within reason. */
static void pauses_follow_the_setting(void **state)
{
    (void)state;
    static const struct {
        uint32_t retry_max_s;
        uint64_t most_ms;
    } settings[] = {{0, 60000}, {4, 4000}};
    for (unsigned i = 0; i < 2; i++) {
        struct world *world = open_with_lies();
        world->settings.retry_max_s = (uint16_t)settings[i].retry_max_s;
        world->net.up = false;
        advance(world, 600000, 100);
        unsigned last = world->net.opened - 1;
        uint64_t pause = world->net.opened_at[last] - world->net.opened_at[last - 1];
        assert_in_range(pause, settings[i].most_ms / 2, settings[i].most_ms + 1200);
        world->net.up = true;
        heals(world, 2);
    }
}

/* An operator that says nothing holds the line for minutes; what is punched meanwhile counts. */
static void what_is_formed_counts_while_the_operator_is_silent(void **state)
{
    struct world *world = world_open();
    (void)state;
    world->manner = MANNER_SILENT;
    advance(world, 20000, TICK_MS);
    assert_int_equal(world->ofd.report.queue_count, 2);
    for (unsigned i = 1; i <= 5; i++) {
        punch(world, 1);
        assert_int_equal(world->ofd.report.queue_count, 2 + i);
    }
    world->manner = MANNER_GOOD;
    advance(world, 400000, TICK_MS);
    assert_int_equal(world->ofd.report.queue_count, 0);
    assert_int_equal(world->confirmed, 7);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_formed_counts_while_the_operator_is_silent),
        cmocka_unit_test(odd_answers_of_the_fn),
        cmocka_unit_test(a_piece_longer_than_asked_for),
        cmocka_unit_test(a_first_piece_of_two_bytes),
        cmocka_unit_test(a_number_with_padding),
        cmocka_unit_test(a_date_that_says_nothing),
        cmocka_unit_test(an_fn_that_still_reads),
        cmocka_unit_test(odd_answers_in_the_middle_of_a_message),
        cmocka_unit_test(refused_and_gone),
        cmocka_unit_test(accepted_with_remarks),
        cmocka_unit_test(noise_on_an_idle_connection),
        cmocka_unit_test(a_header_with_a_crc),
        cmocka_unit_test(a_network_that_does_not_open),
        cmocka_unit_test(a_connection_that_never_is),
        cmocka_unit_test(pauses_follow_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
