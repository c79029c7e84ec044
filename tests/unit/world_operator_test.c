/* The simulated operator with the real operator client and the emulated FN: whatever its manners,
 * nothing is believed that it did not say, and in the end everything is confirmed. */
#include "tests/unit/fn_rig.h"

#include "firmware/ofd_client.h"
#include "tests/world/fn_memory.h"
#include "tests/world/operator.h"
#include "tools/ofd/ofd_core.h"

#define TICK_MS       10u
#define SHIFT_MS      (20u * 3600u * 1000u)
#define HOUR_MS       (3600u * 1000u)
#define NEVER_MS      (24u * 3600u * 1000u)
#define MESSAGE_MAX   2048u
#define OPERATOR_SEED 7u

static struct shop {
    struct fn_memory *memory;
    struct operator* op;
    struct board board;
    struct fn_client fn;
    struct ofd_client ofd;
    struct ofd_settings settings;
    uint32_t dice;
    uint64_t shift_opened;
    uint32_t confirmed; /* by CONFIRMED events */
    unsigned opened;
    uint16_t error;         /* the last that was reported */
    size_t written, gotten; /* bytes on this connection */
} shop;

/* ---- board ---- */

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_FN);
    return (int)fnm_output(rig.fn, data, size, rig.now_ms);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    assert_int_equal(port, BOARD_PORT_FN);
    fnm_feed(rig.fn, data, size, rig.now_ms);
    return (int)size;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    shop.opened++;
    shop.written = shop.gotten = 0;
    return operator_net_open(shop.op, endpoint);
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    (void)context;
    return operator_net_state(shop.op, error, detail);
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    int got = operator_net_read(shop.op, data, size);
    (void)context;
    shop.gotten += got > 0 ? (size_t)got : 0;
    return got;
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    int taken = operator_net_write(shop.op, data, size);
    (void)context;
    shop.written += taken > 0 ? (size_t)taken : 0;
    return taken;
}

static void net_close(void *context)
{
    (void)context;
    operator_net_close(shop.op);
}

static void board_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; i < size; i++) {
        shop.dice = shop.dice * 1664525u + 1013904223u;
        data[i] = (uint8_t)(shop.dice >> 24);
    }
}

static void boot(void)
{
    fn_client_init(&shop.fn, &shop.board);
    ofd_client_init(&shop.ofd, &shop.board, &shop.fn, &shop.settings);
}

static bool same_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    memset(data, 0x42, size);
    return true;
}

static int setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    memset(&shop, 0, sizeof shop);
    shop.memory = fn_memory_create(0);
    assert_non_null(shop.memory);
    rig.options = (struct fnm_options){
        .storage = fn_memory_storage(shop.memory), .serial = RIG_SERIAL, .random = same_random};
    rig.now_ms = 1000;
    rig.clock = RIG_START;
    rig_open(&rig);
    shop.op = operator_create(OPERATOR_SEED);
    assert_non_null(shop.op);
    shop.board = (struct board){.serial = "1",
                                .model = "test",
                                .port_read = port_read,
                                .port_write = port_write,
                                .net_open = net_open,
                                .net_state = net_state,
                                .net_read = net_read,
                                .net_write = net_write,
                                .net_close = net_close,
                                .random = board_random};
    strcpy(shop.settings.host, "ofd.example");
    shop.settings.port = 7777;
    shop.settings.ffd = FFD_1_05;
    shop.settings.enabled = true;
    shop.settings.retry_max_s = 5;
    shop.dice = 1;
    boot();
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    shop.shift_opened = rig.now_ms;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    operator_destroy(shop.op);
    fnm_close(rig.fn);
    fn_memory_destroy(shop.memory);
    return 0;
}

/* ---- time ---- */

static void step(void)
{
    struct moment now = {.mono = rig.now_ms, .calendar = rig.clock};
    uint32_t document;
    (void)operator_step(shop.op, rig.now_ms);
    (void)fn_client_step(&shop.fn, rig.now_ms);
    ofd_client_step(&shop.ofd, &now);
    if (shop.ofd.report.last_error != ERROR_NONE)
        shop.error = shop.ofd.report.last_error;
    document = ofd_client_take_confirmed(&shop.ofd);
    if (document != 0) {
        assert_int_equal(document, shop.confirmed + 1);
        shop.confirmed = document;
    }
    /* Nobody believes more than the operator has said. */
    assert_true(shop.confirmed <= operator_confirmed(shop.op, RIG_SERIAL));
    assert_true(fnm_document_count(rig.fn) - fnm_unconfirmed_count(rig.fn) <=
                operator_confirmed(shop.op, RIG_SERIAL));
}

static void advance(uint64_t milliseconds, uint64_t tick_ms)
{
    for (uint64_t end = rig.now_ms + milliseconds; rig.now_ms < end;) {
        step();
        rig.now_ms += tick_ms;
        rig.clock = RIG_START + (unix_s)(rig.now_ms / 1000u);
    }
}

/* A register waits for its turn on the FN line. */
static void wait_for_line(void)
{
    while (shop.fn.owner == FN_OWNER_OFD)
        advance(TICK_MS, TICK_MS);
}

static void punch(void)
{
    wait_for_line();
    if (rig.now_ms - shop.shift_opened > SHIFT_MS) {
        rig_close_shift(&rig);
        rig_open_shift(&rig);
        shop.shift_opened = rig.now_ms;
    }
    rig_receipt(&rig, SETTLEMENT_SALE, 2600 + rig.now_ms % 1000);
    ofd_client_formed(&shop.ofd);
}

/* Until the FN's queue is empty; waits that no byte ends go by in larger steps. */
static void drain(void)
{
    uint64_t end = rig.now_ms + NEVER_MS;
    while (fnm_unconfirmed_count(rig.fn) > 0) {
        uint64_t tick = shop.ofd.report.connection == OFD_WAITING ? 50u * TICK_MS : TICK_MS;
        advance(tick, tick);
        assert_true(rig.now_ms < end);
    }
    advance(2 * TICK_MS, TICK_MS);
}

/* With good manners everything comes right. */
static void all_is_well(void)
{
    uint32_t count = fnm_document_count(rig.fn);
    struct fnm_document document;
    operator_set_manner(shop.op, OPERATOR_GOOD, 0, 0);
    drain();
    assert_null(operator_broken(shop.op));
    assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
    assert_int_equal(shop.confirmed, count);
    assert_int_equal(operator_confirmed(shop.op, RIG_SERIAL), count);
    for (uint32_t number = 1; number <= count; number++) {
        uint16_t form = operator_document(shop.op, RIG_SERIAL, number, NULL);
        assert_true(fnm_document_get(rig.fn, number, &document));
        assert_true(document.acknowledged);
        assert_true(form == document.form || form == 0); /* 0: it forgot */
    }
}

static void all_is_kept(void)
{
    all_is_well();
    assert_int_equal(operator_documents(shop.op, RIG_SERIAL), fnm_document_count(rig.fn));
}

/* ---- with the real client ---- */

static void test_good_manners(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        punch();
    all_is_kept();
    assert_int_equal(operator_documents(shop.op, RIG_SERIAL), 7);
    assert_int_equal(operator_documents(shop.op, "9999078900000001"), 0);
    assert_int_equal(operator_confirmed(shop.op, "9999078900000001"), 0);
    assert_int_equal(operator_document(shop.op, RIG_SERIAL, 1, NULL), FORM_REGISTRATION);
    assert_int_equal(operator_document(shop.op, RIG_SERIAL, 2, NULL), FORM_SHIFT_OPEN);
    assert_int_equal(operator_document(shop.op, RIG_SERIAL, 7, NULL), FORM_RECEIPT);
    assert_int_equal(operator_document(shop.op, RIG_SERIAL, 8, NULL), 0);
    assert_int_equal(operator_repeats(shop.op), 0);
    assert_int_equal(shop.opened, 1);
}

/* What a manner leads to: what the client says, and how often the network was opened at least. */
struct expectation {
    uint16_t error;
    bool again; /* a message is sent again */
};

static struct expectation expected(enum operator_manner manner)
{
    switch (manner) {
    case OPERATOR_REFUSES:
    case OPERATOR_NEVER_CONNECTS:
    case OPERATOR_CUT_REQUEST:
        return (struct expectation){ERROR_OFD_UNREACHABLE, false};
    case OPERATOR_HALF_OPEN:
    case OPERATOR_SLOW: /* message and answer together take longer than the 300 s */
    case OPERATOR_CUT_ANSWER:
        return (struct expectation){ERROR_OFD_NO_ANSWER, true};
    case OPERATOR_GARBLED:
    case OPERATOR_STALE:
    case OPERATOR_FOREIGN:
    case OPERATOR_GARBAGE:
    case OPERATOR_FORGED:
        return (struct expectation){ERROR_OFD_REJECTED, true};
    case OPERATOR_GOOD:
    case OPERATOR_REJECTS:
    case OPERATOR_FORGETS:
    case OPERATOR_TWICE:
    case OPERATOR_MANNERS:
        break;
    }
    return (struct expectation){ERROR_NONE, false};
}

static void test_every_manner(void **state)
{
    static const uint32_t arguments[] = {0, 1, 14, 37, 100, 333, 500};
    (void)state;
    drain();
    for (int manner = 0; manner < OPERATOR_MANNERS; manner++) {
        for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
            struct expectation then = expected((enum operator_manner)manner);
            uint32_t argument = arguments[i];
            uint32_t repeats = operator_repeats(shop.op);
            if (manner == OPERATOR_GARBLED)
                argument += 30u * 8u; /* behind the session header every bit counts */
            if (manner == OPERATOR_CUT_ANSWER)
                argument %= 150u;
            if (manner == OPERATOR_CUT_REQUEST)
                argument %= 250u;
            if (manner == OPERATOR_GARBAGE && argument > 0 && argument < OFD_HEADER_SIZE)
                then.error = ERROR_OFD_NO_ANSWER; /* too little to be refused */
            advance(6000, TICK_MS);               /* the idle connection is closed */
            shop.error = ERROR_NONE;
            for (unsigned n = 0; n < 3; n++)
                punch();
            operator_set_manner(shop.op, (enum operator_manner)manner, argument, 2);
            drain();
            assert_int_equal(shop.error, then.error);
            assert_int_equal(operator_repeats(shop.op) - repeats, then.again ? 2 : 0);
            all_is_well();
        }
    }
    /* Two at a time are gone for good, seven times over. */
    assert_int_equal(operator_documents(shop.op, RIG_SERIAL), fnm_document_count(rig.fn) - 14);
}

/* Manners that last: nothing is believed, everything comes right afterwards. */
static void test_every_manner_for_an_hour(void **state)
{
    (void)state;
    for (int manner = 0; manner < OPERATOR_MANNERS; manner++) {
        uint16_t error = expected((enum operator_manner)manner).error;
        uint32_t before = shop.confirmed;
        advance(6000, TICK_MS);
        operator_set_manner(shop.op, (enum operator_manner)manner, 400, 0);
        if (manner == OPERATOR_CUT_REQUEST || manner == OPERATOR_CUT_ANSWER)
            operator_set_manner(shop.op, (enum operator_manner)manner, 99, 0);
        for (unsigned n = 0; n < 4; n++) {
            punch();
            advance(HOUR_MS / 4, 10 * TICK_MS);
        }
        if (error == ERROR_NONE)
            assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
        else
            assert_int_equal(shop.confirmed, before);
        all_is_well();
    }
}

static void test_cut_at_every_byte_of_the_message(void **state)
{
    size_t size;
    (void)state;
    drain();
    advance(6000, TICK_MS);
    punch();
    drain();
    size = shop.written;
    assert_in_range(size, 200, MESSAGE_MAX);
    /* Receipts of the same size: two bytes more than the largest, and the ends are in it. */
    for (uint32_t cut = 0; cut <= size + 2; cut++) {
        uint32_t had = operator_documents(shop.op, RIG_SERIAL);
        uint32_t repeats = operator_repeats(shop.op);
        advance(6000, TICK_MS);
        shop.opened = 0;
        punch();
        operator_set_manner(shop.op, OPERATOR_CUT_REQUEST, cut, 1);
        while (shop.opened == 0 || shop.ofd.connected)
            advance(TICK_MS, TICK_MS);
        /* Half a message is no message. */
        assert_int_equal(operator_documents(shop.op, RIG_SERIAL), had + (cut >= size));
        assert_int_equal(shop.confirmed, had);
        drain();
        assert_int_equal(operator_repeats(shop.op) - repeats, cut >= size);
        assert_int_equal(shop.opened, 2);
        assert_int_equal(shop.written, size);
    }
    all_is_kept();
}

static void test_cut_at_every_byte_of_the_answer(void **state)
{
    size_t size;
    (void)state;
    drain();
    advance(6000, TICK_MS);
    punch();
    drain();
    size = shop.gotten;
    assert_in_range(size, 100, OFD_CONFIRMATION_MAX);
    for (uint32_t cut = 0; cut <= size + 2; cut++) {
        uint32_t had = operator_documents(shop.op, RIG_SERIAL);
        uint32_t repeats = operator_repeats(shop.op);
        advance(6000, TICK_MS);
        shop.opened = 0;
        punch();
        operator_set_manner(shop.op, OPERATOR_CUT_ANSWER, cut, 1);
        while (shop.opened == 0 || shop.ofd.connected)
            advance(TICK_MS, TICK_MS);
        assert_int_equal(operator_documents(shop.op, RIG_SERIAL), had + 1);
        assert_int_equal(operator_confirmed(shop.op, RIG_SERIAL), had + (cut >= size));
        assert_int_equal(shop.confirmed, had + (cut >= size));
        drain();
        assert_int_equal(operator_repeats(shop.op) - repeats, cut < size);
        assert_int_equal(shop.opened, cut < size ? 2 : 1);
    }
    all_is_kept();
}

/* One flipped bit never makes a confirmation of another document; and most never make one. */
static void test_every_bit_of_the_answer(void **state)
{
    uint32_t bits, believed = 0;
    (void)state;
    drain();
    advance(6000, TICK_MS);
    punch();
    drain();
    bits = 8 * (uint32_t)shop.gotten;
    for (uint32_t bit = 0; bit < bits; bit++) {
        uint32_t repeats = operator_repeats(shop.op);
        punch();
        operator_set_manner(shop.op, OPERATOR_GARBLED, bit, 1);
        drain();
        if (operator_repeats(shop.op) == repeats)
            believed++;
        assert_true(bit < 8 * OFD_HEADER_SIZE || operator_repeats(shop.op) > repeats);
    }
    /* Of the session header nobody checks the protocol's version, the CRC that its flags say is not
     * there, and the flags that ask for nothing. */
    assert_int_equal(believed, 16 + 16 + 6);
    all_is_kept();
}

static void test_cable(void **state)
{
    (void)state;
    operator_set_net(shop.op, false);
    advance(60000, TICK_MS);
    assert_int_equal(shop.ofd.report.last_error, ERROR_OFD_UNREACHABLE);
    assert_int_equal(shop.ofd.report.last_error_detail, BOARD_NET_DOWN);
    assert_int_equal(shop.confirmed, 0);
    /* Flapping: it is never there for longer than the answer takes. */
    operator_set_latency(shop.op, 200, 2000);
    for (unsigned i = 0; i < 50; i++) {
        operator_set_net(shop.op, true);
        advance(1500 + 7 * i, TICK_MS);
        operator_set_net(shop.op, false);
        advance(1000, TICK_MS);
    }
    assert_int_equal(shop.confirmed, 0);
    assert_true(operator_repeats(shop.op) > 5);
    operator_set_net(shop.op, true);
    all_is_kept();
}

/* The board loses its power at every tick of an exchange that takes its time. */
static void test_board_reset(void **state)
{
    (void)state;
    drain();
    operator_set_latency(shop.op, 50, 120);
    for (uint64_t wait = 0; wait < 400; wait += TICK_MS) {
        advance(6000, TICK_MS);
        punch();
        advance(wait, TICK_MS);
        fnm_power_cycle(rig.fn);
        operator_board_reset(shop.op);
        boot();
        assert_int_equal(operator_net_read(shop.op, (uint8_t[1]){0}, 1), -1);
        drain();
        shop.confirmed = fnm_document_count(rig.fn); /* its event died with the board */
    }
    all_is_kept();
    assert_true(operator_repeats(shop.op) > 3);
}

/* The whole of it, client and FN included: the same run twice, to the last byte and millisecond. */
static void test_same_run_with_the_client(void **state)
{
    uint32_t digests[3], memories[3];
    for (unsigned i = 0; i < 3; i++) {
        operator_reset(shop.op, i < 2 ? 12 : 13);
        for (int manner = 0; manner < OPERATOR_MANNERS; manner++) {
            punch();
            punch();
            operator_set_manner(shop.op, (enum operator_manner)manner, 0, 1);
            drain();
        }
        all_is_well();
        digests[i] = operator_digest(shop.op);
        memories[i] = fn_memory_digest(shop.memory);
        (void)teardown(state);
        (void)setup(state);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_equal(memories[0], memories[1]);
    assert_int_not_equal(digests[0], digests[2]); /* the garbage was another */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_good_manners),
        TEST(test_every_manner),
        TEST(test_every_manner_for_an_hour),
        TEST(test_cut_at_every_byte_of_the_message),
        TEST(test_cut_at_every_byte_of_the_answer),
        TEST(test_every_bit_of_the_answer),
        TEST(test_cable),
        TEST(test_board_reset),
        TEST(test_same_run_with_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
