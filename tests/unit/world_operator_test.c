/* The simulated operator against the real operator client and the emulated FN, and its checks
 * against messages that break the promises. */
#include "tests/unit/fn_rig.h"

#include "firmware/ofd_client.h"
#include "proto/crc.h"
#include "tests/world/operator.h"
#include "tools/ofd/ofd_core.h"

#define TICK_MS       10u
#define SHIFT_MS      (20u * 3600u * 1000u)
#define HOUR_MS       (3600u * 1000u)
#define NEVER_MS      (24u * 3600u * 1000u)
#define MESSAGE_MAX   2048u
#define OPERATOR_SEED 7u

static struct shop {
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

static int setup(void **state)
{
    (void)rig_setup(state);
    memset(&shop, 0, sizeof shop);
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
    operator_destroy(shop.op);
    return rig_teardown(state);
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
    ofd_client_wake(&shop.ofd);
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

static void test_latency_and_due(void **state)
{
    struct board_endpoint endpoint = {.host = "ofd.example", .port = 1};
    enum board_net_error error;
    uint32_t detail;
    uint8_t byte = 0x2A;
    (void)state;
    assert_int_equal(operator_due(shop.op), UINT64_MAX);
    assert_int_equal(operator_step(shop.op, 5000), UINT64_MAX);
    operator_set_latency(shop.op, 300, 900);
    assert_int_equal(operator_net_open(shop.op, &endpoint), 0);
    assert_int_equal(operator_due(shop.op), 5300);
    (void)operator_step(shop.op, 5299);
    assert_int_equal(operator_net_state(shop.op, &error, &detail), BOARD_NET_CONNECTING);
    assert_int_equal(operator_step(shop.op, 5300), UINT64_MAX);
    assert_int_equal(operator_net_state(shop.op, &error, &detail), BOARD_NET_OPEN);
    operator_set_manner(shop.op, OPERATOR_SLOW, 0, 1);
    assert_int_equal(operator_net_write(shop.op, &byte, 1), 1);
    assert_int_equal(operator_net_write(shop.op, &byte, 1), 0);
    assert_int_equal(operator_due(shop.op), 6300);
    assert_int_equal(operator_step(shop.op, 5000), 6300); /* time never goes back */
    operator_net_close(shop.op);
    assert_int_equal(operator_due(shop.op), UINT64_MAX);
    operator_set_manner(shop.op, OPERATOR_NEVER_CONNECTS, 0, 1);
    assert_int_equal(operator_net_open(shop.op, &endpoint), 0);
    assert_int_equal(operator_due(shop.op), 35300);
    (void)operator_step(shop.op, 35299);
    assert_int_equal(operator_net_state(shop.op, &error, &detail), BOARD_NET_CONNECTING);
    (void)operator_step(shop.op, 35300);
    assert_int_equal(operator_net_state(shop.op, &error, &detail), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_TIMEOUT);
    endpoint.host = "";
    assert_int_equal(operator_net_open(shop.op, &endpoint), -1);
    assert_int_equal(operator_net_state(shop.op, &error, &detail), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_NAME);
}

/* ---- messages by hand ---- */

struct paper {
    const char *fn;
    uint32_t number;
    uint64_t total;
    uint8_t protocol; /* second byte of P-version */
    bool no_total;
};

static size_t paper_encode(const struct paper *paper, uint8_t *out)
{
    static const uint8_t sign[8] = {0x81, 0x06, 1, 2, 3, 4, 5, 6};
    static const uint8_t fiscal_sign[6] = {0x21, 0x04, 9, 8, 7, 6};
    uint8_t body[512];
    struct byte_writer writer;
    struct ofd_container container = {.data_type = FORM_RECEIPT,
                                      .document = paper->number,
                                      .service1 = {0x10, 0x09},
                                      .body = body};
    struct ofd_header header = {.protocol = {0x01, paper->protocol}, .flags = OFD_FLAGS_MESSAGE};
    size_t form;
    byte_writer_init(&writer, body, sizeof body);
    form = tlv_begin(&writer, FORM_RECEIPT);
    tlv_put_u32(&writer, TAG_DATE_TIME, RIG_START + paper->number);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, paper->number);
    tlv_put_padded(&writer, TAG_FN_NUMBER, paper->fn, strlen(paper->fn), 16);
    tlv_put_bytes(&writer, TAG_FISCAL_SIGN, fiscal_sign, sizeof fiscal_sign);
    tlv_put_u8(&writer, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
    if (!paper->no_total)
        tlv_put_vln(&writer, TAG_RECEIPT_TOTAL, paper->total);
    tlv_end(&writer, form);
    put_bytes(&writer, sign, sizeof sign);
    container.size = writer.length;
    strcpy(container.fn_number, paper->fn);
    strcpy(header.fn_number, paper->fn);
    header.body_size = (uint16_t)ofd_container_encode(&container, out + OFD_HEADER_SIZE,
                                                      MESSAGE_MAX - OFD_HEADER_SIZE);
    assert_int_not_equal(header.body_size, 0);
    ofd_header_encode(&header, NULL, out);
    return OFD_HEADER_SIZE + header.body_size;
}

static void call(struct operator* op)
{
    struct board_endpoint endpoint = {.host = "ofd.example", .port = 7777};
    enum board_net_error error;
    uint32_t detail;
    assert_int_equal(operator_net_open(op, &endpoint), 0);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_OPEN);
}

static void feed_bytes(struct operator* op, const uint8_t *bytes, size_t size)
{
    uint8_t answer[2 * OFD_CONFIRMATION_MAX];
    for (size_t sent = 0; sent < size;) {
        int taken = operator_net_write(op, bytes + sent, size - sent);
        if (taken < 0)
            return;
        assert_int_not_equal(taken, 0);
        sent += (size_t)taken;
    }
    while (operator_net_read(op, answer, sizeof answer) > 0)
        ;
}

static void feed(struct operator* op, struct paper paper)
{
    uint8_t message[MESSAGE_MAX];
    size_t size;
    if (paper.fn == NULL)
        paper.fn = RIG_SERIAL;
    if (paper.protocol == 0)
        paper.protocol = 0x05;
    size = paper_encode(&paper, message);
    feed_bytes(op, message, size);
}

static void assert_says(struct operator* op, const char *what)
{
    const char *broken = operator_broken(op);
    if (broken == NULL || strstr(broken, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", broken == NULL ? "" : broken, what);
}

static void start(struct operator* op)
{
    operator_reset(op, OPERATOR_SEED);
    call(op);
}

static void test_broken_promises(void **state)
{
    struct operator* op = shop.op;
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = RIG_SERIAL, .number = 1, .total = 5, .protocol = 5};
    size_t size = paper_encode(&paper, message);
    (void)state;
    start(op);
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.number = 2, .total = 5});
    assert_null(operator_broken(op));
    assert_int_equal(operator_repeats(op), 1);
    feed(op, (struct paper){.number = 4, .total = 5});
    assert_says(op, "document 4 came after 2: a hole");
    feed(op, (struct paper){.number = 2, .total = 6});
    assert_says(op, "a hole"); /* the first break stays */

    start(op);
    assert_null(operator_broken(op));
    assert_int_equal(operator_documents(op, RIG_SERIAL), 0);
    feed(op, (struct paper){.number = 2, .total = 5});
    assert_says(op, "document 2 came after 0: a hole");

    start(op);
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.number = 1, .total = 6});
    assert_says(op, "document 1 came again with other bytes");

    start(op);
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.number = 1, .total = 5, .protocol = 0x10});
    assert_says(op, "with other bytes"); /* the session header counts */

    start(op);
    for (uint32_t number = 1; number <= 3; number++)
        feed(op, (struct paper){.number = number, .total = 5});
    feed(op, (struct paper){.number = 2, .total = 5});
    assert_says(op, "document 2 came after 3: not ascending");

    start(op); /* what it never stored and what it forgot is checked */
    operator_set_manner(op, OPERATOR_HALF_OPEN, 0, 1);
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.number = 1, .total = 6});
    assert_says(op, "with other bytes");
    start(op);
    operator_set_manner(op, OPERATOR_FORGETS, 0, 1);
    feed(op, (struct paper){.number = 1, .total = 5});
    assert_int_equal(operator_documents(op, RIG_SERIAL), 0);
    assert_int_equal(operator_confirmed(op, RIG_SERIAL), 1);
    feed(op, (struct paper){.number = 1, .total = 6});
    assert_says(op, "with other bytes");

    start(op);
    feed(op, (struct paper){.number = 1, .no_total = true});
    assert_says(op, "1020 (total) is missing");

    for (size_t i = OFD_HEADER_SIZE; i < size; i++) {
        start(op);
        message[i] ^= 0x04;
        feed_bytes(op, message, size);
        assert_non_null(operator_broken(op));
        assert_int_equal(operator_documents(op, RIG_SERIAL), 0);
        message[i] ^= 0x04;
    }
    start(op);
    feed_bytes(op, (const uint8_t *)"GET / HTTP/1.1\r\nHost: ofd.example\r\n\r\n", 37);
    assert_says(op, "not a message of this protocol");
    assert_int_equal(operator_net_write(op, message, 1), -1);
}

static void test_two_modules_and_a_history(void **state)
{
    struct operator* op = shop.op;
    const char *other = "9999078900000001";
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = RIG_SERIAL, .number = 2, .total = 5, .protocol = 5};
    size_t size = paper_encode(&paper, message);
    uint32_t crc = 0;
    (void)state;
    start(op);
    feed(op, (struct paper){.number = 1, .total = 5});
    feed(op, (struct paper){.fn = other, .number = 1, .total = 7});
    feed(op, (struct paper){.number = 2, .total = 5});
    feed(op, (struct paper){.fn = other, .number = 2, .total = 7});
    feed(op, (struct paper){.fn = other, .number = 3, .total = 7});
    assert_null(operator_broken(op));
    assert_int_equal(operator_documents(op, RIG_SERIAL), 2);
    assert_int_equal(operator_documents(op, other), 3);
    assert_int_equal(operator_document(op, RIG_SERIAL, 2, &crc), FORM_RECEIPT);
    assert_int_equal(crc,
                     crc32c_update(CRC32C_INIT, message + OFD_HEADER_SIZE, size - OFD_HEADER_SIZE));
    /* A module that worked for a year before. */
    operator_assume(op, "9999078900000077", 90000);
    feed(op, (struct paper){.fn = "9999078900000077", .number = 90001, .total = 1});
    assert_null(operator_broken(op));
    assert_int_equal(operator_documents(op, "9999078900000077"), 90001);
    assert_int_equal(operator_confirmed(op, "9999078900000077"), 90001);
    assert_int_equal(operator_document(op, "9999078900000077", 90000, NULL), 0);
    assert_int_equal(operator_document(op, "9999078900000077", 90001, NULL), FORM_RECEIPT);
    /* A wiped one starts again. */
    operator_assume(op, other, 0);
    feed(op, (struct paper){.fn = other, .number = 1, .total = 8});
    assert_null(operator_broken(op));
    operator_assume(op, other, 6);
    feed(op, (struct paper){.fn = other, .number = 6, .total = 8});
    assert_says(op, "document 6 was confirmed and came again");
}

/* An outage's worth, in memory that grows by a record. */
static void test_thirty_thousand(void **state)
{
    (void)state;
    start(shop.op);
    for (uint32_t number = 1; number <= 30000; number++)
        feed(shop.op, (struct paper){.number = number, .total = number});
    assert_null(operator_broken(shop.op));
    assert_int_equal(operator_documents(shop.op, RIG_SERIAL), 30000);
    assert_int_equal(operator_confirmed(shop.op, RIG_SERIAL), 30000);
    feed(shop.op, (struct paper){.number = 30000, .total = 30001});
    assert_says(shop.op, "with other bytes");
}

/* A board that never reads is held up, and its own confirmations are not lost. */
static void test_nobody_reads(void **state)
{
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = RIG_SERIAL, .number = 1, .total = 5, .protocol = 5};
    uint8_t answer[OFD_CONFIRMATION_MAX];
    size_t size;
    (void)state;
    start(shop.op);
    operator_set_manner(shop.op, OPERATOR_TWICE, 0, 0);
    for (size = paper_encode(&paper, message);
         operator_net_write(shop.op, message, size) == (int)size;
         size = paper_encode(&paper, message))
        paper.number++;
    assert_in_range(paper.number, 5, 20);
    assert_int_equal(operator_confirmed(shop.op, RIG_SERIAL), 0);
    while (operator_net_read(shop.op, answer, 7) > 0)
        assert_true(operator_confirmed(shop.op, RIG_SERIAL) < paper.number);
    assert_int_equal(operator_confirmed(shop.op, RIG_SERIAL), paper.number - 1);
    assert_int_equal(operator_net_write(shop.op, message, size), (int)size);
    assert_null(operator_broken(shop.op));
}

/* ---- determinism ---- */

/* The manners that leave the connection alone, in turn; the digest at its end. */
static uint32_t life(struct operator* op, uint32_t from, uint32_t to)
{
    static const enum operator_manner tame[] = {
        OPERATOR_GOOD,    OPERATOR_HALF_OPEN, OPERATOR_TWICE,   OPERATOR_GARBLED, OPERATOR_STALE,
        OPERATOR_FOREIGN, OPERATOR_REJECTS,   OPERATOR_FORGETS, OPERATOR_GARBAGE};
    for (uint32_t number = from; number <= to; number++) {
        (void)operator_step(op, (mono_ms)number * 40000u);
        operator_set_manner(op, tame[number % (sizeof tame / sizeof tame[0])], 0, 1);
        call(op);
        feed(op, (struct paper){.number = number, .total = number});
        feed(op, (struct paper){.number = number, .total = number});
    }
    assert_null(operator_broken(op));
    return operator_digest(op);
}

static void test_same_seed_same_digest(void **state)
{
    struct operator* op = shop.op;
    uint32_t digests[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        operator_reset(op, i < 2 ? 5 : 6);
        digests[i] = life(op, 1, 60);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_not_equal(digests[0], digests[2]); /* the garbage is another */
    op = operator_create(5);
    assert_int_equal(life(op, 1, 60), digests[0]);
    operator_destroy(op);
}

static void test_save_and_restore(void **state)
{
    struct operator* op = shop.op;
    struct operator* twin = operator_create(99);
    struct operator_image *image;
    uint8_t message[MESSAGE_MAX], answer[2][OFD_CONFIRMATION_MAX];
    struct paper paper = {.fn = RIG_SERIAL, .number = 41, .total = 41, .protocol = 5};
    size_t size = paper_encode(&paper, message);
    uint32_t digest;
    int got[2];
    (void)state;
    operator_reset(op, 5);
    (void)life(op, 1, 40);
    /* In the middle of a message that brings two answers. */
    operator_set_manner(op, OPERATOR_TWICE, 0, 1);
    assert_int_equal(operator_net_write(op, message, 100), 100);
    image = operator_save(op);
    assert_non_null(image);
    (void)life(twin, 1, 17);
    assert_true(operator_restore(twin, image));
    for (unsigned i = 0; i < 2; i++) {
        struct operator* one = i == 0 ? op : twin;
        assert_int_equal(operator_net_write(one, message + 100, size - 100), (int)(size - 100));
        got[i] = operator_net_read(one, answer[i], sizeof answer[i]);
        assert_int_equal(operator_documents(one, RIG_SERIAL), operator_documents(op, RIG_SERIAL));
    }
    assert_true(got[0] > 100 && got[0] == got[1]);
    assert_memory_equal(answer[0], answer[1], (size_t)got[0]);
    operator_image_free(image);
    /* With half of an answer unread. */
    image = operator_save(op);
    digest = life(op, 42, 60);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(operator_restore(twin, image));
        assert_int_equal(life(twin, 42, 60), digest);
    }
    operator_image_free(image);
    operator_destroy(twin);
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
        TEST(test_latency_and_due),
        TEST(test_broken_promises),
        TEST(test_two_modules_and_a_history),
        TEST(test_thirty_thousand),
        TEST(test_nobody_reads),
        TEST(test_same_seed_same_digest),
        TEST(test_save_and_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
