/* The simulated operator with messages made by hand: the promises it checks can be broken, what it
 * remembers, time, snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/bytes.h"
#include "proto/crc.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/world/operator.h"
#include "tools/ofd/ofd_core.h"

#define FN            "9999078900005488"
#define START         1783929600u
#define MESSAGE_MAX   2048u
#define OPERATOR_SEED 7u

static struct operator* op;

static int setup(void **state)
{
    (void)state;
    op = operator_create(OPERATOR_SEED);
    assert_non_null(op);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    operator_destroy(op);
    return 0;
}

static void test_latency_and_due(void **state)
{
    struct board_endpoint endpoint = {.host = "ofd.example", .port = 1};
    enum board_net_error error;
    uint32_t detail;
    uint8_t byte = 0x2A;
    (void)state;
    assert_int_equal(operator_due(op), UINT64_MAX);
    assert_int_equal(operator_step(op, 5000), UINT64_MAX);
    operator_set_latency(op, 300, 900);
    assert_int_equal(operator_net_open(op, &endpoint), 0);
    assert_int_equal(operator_due(op), 5300);
    (void)operator_step(op, 5299);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_CONNECTING);
    assert_int_equal(operator_step(op, 5300), UINT64_MAX);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_OPEN);
    operator_set_manner(op, OPERATOR_SLOW, 0, 1);
    assert_int_equal(operator_net_write(op, &byte, 1), 1);
    assert_int_equal(operator_net_write(op, &byte, 1), 0);
    assert_int_equal(operator_due(op), 6300);
    assert_int_equal(operator_step(op, 5000), 6300); /* time never goes back */
    operator_net_close(op);
    assert_int_equal(operator_due(op), UINT64_MAX);
    operator_set_manner(op, OPERATOR_NEVER_CONNECTS, 0, 1);
    assert_int_equal(operator_net_open(op, &endpoint), 0);
    assert_int_equal(operator_due(op), 35300);
    (void)operator_step(op, 35299);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_CONNECTING);
    (void)operator_step(op, 35300);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_FAILED);
    assert_int_equal(error, BOARD_NET_TIMEOUT);
    endpoint.host = "";
    assert_int_equal(operator_net_open(op, &endpoint), -1);
    assert_int_equal(operator_net_state(op, &error, &detail), BOARD_NET_FAILED);
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
    tlv_put_u32(&writer, TAG_DATE_TIME, START + paper->number);
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

static void call(struct operator* one)
{
    struct board_endpoint endpoint = {.host = "ofd.example", .port = 7777};
    enum board_net_error error;
    uint32_t detail;
    assert_int_equal(operator_net_open(one, &endpoint), 0);
    assert_int_equal(operator_net_state(one, &error, &detail), BOARD_NET_OPEN);
}

static void feed_bytes(struct operator* one, const uint8_t *bytes, size_t size)
{
    uint8_t answer[2 * OFD_CONFIRMATION_MAX];
    for (size_t sent = 0; sent < size;) {
        int taken = operator_net_write(one, bytes + sent, size - sent);
        if (taken < 0)
            return;
        assert_int_not_equal(taken, 0);
        sent += (size_t)taken;
    }
    while (operator_net_read(one, answer, sizeof answer) > 0)
        ;
}

static void feed(struct operator* one, struct paper paper)
{
    uint8_t message[MESSAGE_MAX];
    size_t size;
    if (paper.fn == NULL)
        paper.fn = FN;
    if (paper.protocol == 0)
        paper.protocol = 0x05;
    size = paper_encode(&paper, message);
    feed_bytes(one, message, size);
}

static void assert_says(struct operator* one, const char *what)
{
    const char *broken = operator_broken(one);
    if (broken == NULL || strstr(broken, what) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", broken == NULL ? "" : broken, what);
}

static void start(struct operator* one)
{
    operator_reset(one, OPERATOR_SEED);
    call(one);
}

static void test_broken_promises(void **state)
{
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = FN, .number = 1, .total = 5, .protocol = 5};
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
    assert_int_equal(operator_documents(op, FN), 0);
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
    assert_int_equal(operator_documents(op, FN), 0);
    assert_int_equal(operator_confirmed(op, FN), 1);
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
        assert_int_equal(operator_documents(op, FN), 0);
        message[i] ^= 0x04;
    }
    start(op);
    feed_bytes(op, (const uint8_t *)"GET / HTTP/1.1\r\nHost: ofd.example\r\n\r\n", 37);
    assert_says(op, "not a message of this protocol");
    assert_int_equal(operator_net_write(op, message, 1), -1);
}

static void test_two_modules_and_a_history(void **state)
{
    const char *other = "9999078900000001";
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = FN, .number = 2, .total = 5, .protocol = 5};
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
    assert_int_equal(operator_documents(op, FN), 2);
    assert_int_equal(operator_documents(op, other), 3);
    assert_int_equal(operator_document(op, FN, 2, &crc), FORM_RECEIPT);
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
    start(op);
    for (uint32_t number = 1; number <= 30000; number++)
        feed(op, (struct paper){.number = number, .total = number});
    assert_null(operator_broken(op));
    assert_int_equal(operator_documents(op, FN), 30000);
    assert_int_equal(operator_confirmed(op, FN), 30000);
    feed(op, (struct paper){.number = 30000, .total = 30001});
    assert_says(op, "with other bytes");
}

/* A board that never reads is held up, and its own confirmations are not lost. */
static void test_nobody_reads(void **state)
{
    uint8_t message[MESSAGE_MAX];
    struct paper paper = {.fn = FN, .number = 1, .total = 5, .protocol = 5};
    uint8_t answer[OFD_CONFIRMATION_MAX];
    size_t size;
    (void)state;
    start(op);
    operator_set_manner(op, OPERATOR_TWICE, 0, 0);
    for (size = paper_encode(&paper, message); operator_net_write(op, message, size) == (int)size;
         size = paper_encode(&paper, message))
        paper.number++;
    assert_in_range(paper.number, 5, 20);
    assert_int_equal(operator_confirmed(op, FN), 0);
    while (operator_net_read(op, answer, 7) > 0)
        assert_true(operator_confirmed(op, FN) < paper.number);
    assert_int_equal(operator_confirmed(op, FN), paper.number - 1);
    assert_int_equal(operator_net_write(op, message, size), (int)size);
    assert_null(operator_broken(op));
}

/* ---- determinism ---- */

/* The manners that leave the connection alone, in turn; the digest at its end. */
static uint32_t life(struct operator* one, uint32_t from, uint32_t to)
{
    static const enum operator_manner tame[] = {
        OPERATOR_GOOD,    OPERATOR_HALF_OPEN, OPERATOR_TWICE,   OPERATOR_GARBLED, OPERATOR_STALE,
        OPERATOR_FOREIGN, OPERATOR_REJECTS,   OPERATOR_FORGETS, OPERATOR_GARBAGE};
    for (uint32_t number = from; number <= to; number++) {
        (void)operator_step(one, (mono_ms)number * 40000u);
        operator_set_manner(one, tame[number % (sizeof tame / sizeof tame[0])], 0, 1);
        call(one);
        feed(one, (struct paper){.number = number, .total = number});
        feed(one, (struct paper){.number = number, .total = number});
    }
    assert_null(operator_broken(one));
    return operator_digest(one);
}

static void test_same_seed_same_digest(void **state)
{
    uint32_t digests[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        operator_reset(op, i < 2 ? 5 : 6);
        digests[i] = life(op, 1, 60);
    }
    assert_int_equal(digests[0], digests[1]);
    assert_int_not_equal(digests[0], digests[2]); /* the garbage is another */
    struct operator* twin = operator_create(5);
    assert_int_equal(life(twin, 1, 60), digests[0]);
    operator_destroy(twin);
}

static void test_save_and_restore(void **state)
{
    struct operator* twin = operator_create(99);
    struct operator_image *image;
    uint8_t message[MESSAGE_MAX], answer[2][OFD_CONFIRMATION_MAX];
    struct paper paper = {.fn = FN, .number = 41, .total = 41, .protocol = 5};
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
        assert_int_equal(operator_documents(one, FN), operator_documents(op, FN));
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
