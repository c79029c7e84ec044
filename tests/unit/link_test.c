/* The host link: frames both ways, every fault of a byte, messages in pieces,
 * and the page LINK.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/crc.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/unit/proto_examples.h"

static uint32_t random_seed;

static uint8_t random_byte(void)
{
    random_seed = random_seed * 1664525u + 1013904223u;
    return (uint8_t)(random_seed >> 24);
}

/* Payloads that press on the stuffing: zeros, none, runs around 254, random. */
static void fill(uint8_t *bytes, size_t size, unsigned pattern)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern == 0   ? 0
                   : pattern == 1 ? 0xFF
                   : pattern == 2 ? (uint8_t)(i % 254 == 0 ? 0 : 1 + i % 255)
                   : pattern == 3 ? (uint8_t)(random_byte() & 1)
                                  : random_byte();
}

static void test_every_length_both_ways(void **state)
{
    static uint8_t payload[LINK_FRAGMENT_MAX], wire[LINK_WIRE_MAX];
    static struct link_decoder decoder;
    (void)state;
    link_decoder_init(&decoder);
    for (unsigned pattern = 0; pattern < 5; pattern++) {
        for (size_t length = 0; length <= LINK_FRAGMENT_MAX; length += length < 800 ? 1 : 7) {
            fill(payload, length, pattern);
            struct link_frame frame = {.kind = LINK_ANSWER,
                                       .code = LINK_RECEIPT,
                                       .exchange = 0xFF00,
                                       .total = (uint16_t)(length + 5),
                                       .offset = 5,
                                       .payload = payload,
                                       .length = length};
            struct link_frame got;
            if (length == 0)
                frame.total = frame.offset = 0;
            size_t size = link_frame_encode(&frame, wire, sizeof wire);
            assert_in_range(size, LINK_HEADER_SIZE + length + LINK_CRC_SIZE + 3, LINK_WIRE_MAX);
            assert_int_equal(wire[0], 0);
            for (size_t i = 0; i + 1 < size; i++) {
                assert_int_equal(wire[i] == 0, i == 0);
                assert_false(link_decoder_push(&decoder, wire[i], &got));
            }
            assert_true(link_decoder_push(&decoder, wire[size - 1], &got));
            assert_int_equal(got.kind, frame.kind);
            assert_int_equal(got.code, frame.code);
            assert_int_equal(got.exchange, frame.exchange);
            assert_int_equal(got.total, frame.total);
            assert_int_equal(got.offset, frame.offset);
            assert_int_equal(got.length, length);
            assert_memory_equal(got.payload, payload, length);
        }
    }
    assert_int_equal(decoder.frames_bad, 0);
    assert_true(decoder.frames_good > 4000);
}

static void test_largest_frame_fits_its_bound(void **state)
{
    static uint8_t payload[LINK_FRAGMENT_MAX], wire[LINK_WIRE_MAX + 1];
    (void)state;
    fill(payload, sizeof payload, 1);
    struct link_frame frame = {.kind = LINK_REQUEST,
                               .total = LINK_FRAGMENT_MAX,
                               .payload = payload,
                               .length = sizeof payload};
    wire[LINK_WIRE_MAX] = 0x55;
    assert_int_equal(link_frame_encode(&frame, wire, LINK_WIRE_MAX - 1), 0);
    assert_true(link_frame_encode(&frame, wire, LINK_WIRE_MAX) > 0);
    assert_int_equal(wire[LINK_WIRE_MAX], 0x55);
}

#define STREAM_FRAMES 6
struct stream {
    uint8_t bytes[1024];
    size_t size;
    size_t start[STREAM_FRAMES + 1];
    uint8_t payload[STREAM_FRAMES][300];
    size_t length[STREAM_FRAMES];
};

static void make_stream(struct stream *stream)
{
    static const size_t lengths[STREAM_FRAMES] = {0, 5, 40, 262, 20, 3};
    stream->size = 0;
    for (unsigned i = 0; i < STREAM_FRAMES; i++) {
        stream->start[i] = stream->size;
        stream->length[i] = lengths[i];
        fill(stream->payload[i], lengths[i], i);
        struct link_frame frame = {.kind = LINK_EVENT,
                                   .code = 64,
                                   .exchange = (uint16_t)i,
                                   .total = (uint16_t)lengths[i],
                                   .payload = stream->payload[i],
                                   .length = lengths[i]};
        stream->size += link_frame_encode(&frame, stream->bytes + stream->size, LINK_WIRE_MAX);
    }
    stream->start[STREAM_FRAMES] = stream->size;
}

/* A bit for each frame that arrived. Anything that arrives and was not sent fails, also twice the
 * same. */
static unsigned arrived_in(const struct stream *stream, const uint8_t *bytes, size_t size,
                           size_t block)
{
    static struct link_decoder decoder;
    unsigned met = 0;
    link_decoder_init(&decoder);
    for (size_t i = 0; i < size;) {
        struct link_frame frame;
        size_t left = block - i % block < size - i ? block - i % block : size - i;
        size_t filled = block > 1 ? link_decoder_fill(&decoder, bytes + i, left) : 0;
        i += filled;
        if (filled == left || !link_decoder_push(&decoder, bytes[i++], &frame))
            continue;
        assert_true(frame.exchange < STREAM_FRAMES);
        assert_int_equal(frame.kind, LINK_EVENT);
        assert_int_equal(frame.code, 64);
        assert_int_equal(frame.length, stream->length[frame.exchange]);
        assert_memory_equal(frame.payload, stream->payload[frame.exchange], frame.length);
        assert_int_equal(met >> frame.exchange, 0); /* in order, each once */
        met |= 1u << frame.exchange;
    }
    return met;
}

/* The same whether the bytes come one by one or in blocks. */
static unsigned arrived(const struct stream *stream, const uint8_t *bytes, size_t size)
{
    unsigned met = arrived_in(stream, bytes, size, 1);
    assert_int_equal(arrived_in(stream, bytes, size, size + 1), met);
    assert_int_equal(arrived_in(stream, bytes, size, 7), met);
    return met;
}

static void test_every_fault_of_one_byte(void **state)
{
    static const unsigned all = (1u << STREAM_FRAMES) - 1;
    static struct stream stream;
    static uint8_t faulty[1025];
    (void)state;
    make_stream(&stream);
    assert_int_equal(arrived(&stream, stream.bytes, stream.size), all);
    for (size_t at = 0; at < stream.size; at++) {
        size_t hit = 0;
        while (stream.start[hit + 1] <= at)
            hit++;
        unsigned others = all & ~(1u << hit);
        bool delimiter = stream.bytes[at] == 0;
        memcpy(faulty, stream.bytes, at); /* lost */
        memcpy(faulty + at, stream.bytes + at + 1, stream.size - at - 1);
        unsigned met = arrived(&stream, faulty, stream.size - 1);
        assert_int_equal(met & others, others);
        if (!delimiter)
            assert_int_equal(met, others);
        memcpy(faulty, stream.bytes, at + 1); /* doubled */
        memcpy(faulty + at + 1, stream.bytes + at, stream.size - at);
        met = arrived(&stream, faulty, stream.size + 1);
        assert_int_equal(met & others, others);
        if (delimiter)
            assert_int_equal(met, all);
        for (unsigned value = 0; value < 256; value++) { /* inserted, between two frames too */
            faulty[at] = (uint8_t)value;
            met = arrived(&stream, faulty, stream.size + 1);
            assert_int_equal(met & others, others);
        }
        memcpy(faulty, stream.bytes, stream.size); /* changed to any other value */
        for (unsigned change = 1; change < 256; change++) {
            faulty[at] = (uint8_t)(stream.bytes[at] ^ change);
            met = arrived(&stream, faulty, stream.size);
            assert_int_equal(met & others, others);
            if (!delimiter)
                assert_int_equal(met, others);
        }
    }
}

static void test_cut_after_every_byte(void **state)
{
    static struct stream stream;
    (void)state;
    make_stream(&stream);
    for (size_t cut = 0; cut <= stream.size; cut++) {
        uint8_t rest[1024];
        unsigned whole = 0;
        for (unsigned i = 0; i < STREAM_FRAMES; i++)
            if (stream.start[i + 1] <= cut)
                whole |= 1u << i;
        assert_int_equal(arrived(&stream, stream.bytes, cut), whole);
        /* The stream fails here and goes on with a new first frame: it arrives. */
        memcpy(rest, stream.bytes, cut);
        memcpy(rest + cut, stream.bytes + stream.start[5], stream.size - stream.start[5]);
        if (cut + 1 < stream.size) /* else the last frame is whole already */
            assert_true(arrived(&stream, rest, cut + stream.size - stream.start[5]) >> 5 & 1);
    }
}

static bool delivered(const uint8_t *plain, size_t size)
{
    static struct link_decoder decoder;
    struct link_frame frame;
    bool got = false;
    uint8_t check[4];
    struct byte_writer writer;
    uint8_t bytes[64];
    byte_writer_init(&writer, check, sizeof check);
    put_u32le(&writer, crc32c_update(CRC32C_INIT, plain, size));
    memcpy(bytes, plain, size);
    memcpy(bytes + size, check, 4);
    size += 4;
    link_decoder_init(&decoder);
    /* One block for each byte: a legal, if wasteful, way to stuff zeros. */
    for (size_t i = 0; i < size;) {
        size_t run = 0;
        while (i + run < size && bytes[i + run] != 0)
            run++;
        got |= link_decoder_push(&decoder, (uint8_t)(run + 1), &frame);
        for (size_t j = 0; j < run; j++)
            got |= link_decoder_push(&decoder, bytes[i + j], &frame);
        i += run + 1;
        if (i == size) /* the last byte was a zero: an empty block ends the frame */
            got |= link_decoder_push(&decoder, 1, &frame);
    }
    got |= link_decoder_push(&decoder, 0, &frame);
    assert_int_equal(decoder.frames_good + decoder.frames_bad, 1);
    return got;
}

/* Right check sums, wrong headers. */
static void test_headers_refused(void **state)
{
    static const uint8_t good[] = {0x11, 2, 1, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
    static const struct {
        uint8_t at, value;
    } wrong[] = {{0, 0x21}, {0, 0x01}, {0, 0xF1}, {0, 0x10}, {0, 0x14}, {4, 2}, {6, 1}, {5, 0x81}};
    (void)state;
    assert_true(delivered(good, sizeof good));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t bytes[sizeof good];
        memcpy(bytes, good, sizeof good);
        bytes[wrong[i].at] = wrong[i].value;
        assert_false(delivered(bytes, sizeof bytes));
    }
    assert_false(delivered(good, 8)); /* empty fragment of a message that is not empty */
    for (size_t size = 0; size < 8; size++)
        assert_false(delivered(good, size));
}

static void test_garbage(void **state)
{
    static struct link_decoder decoder;
    struct link_frame frame;
    (void)state;
    random_seed = 17;
    link_decoder_init(&decoder);
    for (unsigned round = 0; round < 1000000; round++) {
        uint8_t byte = random_byte();
        if (round % 3000 < 1500 && byte == 0)
            byte = 1; /* long frames too, past the end of the buffer */
        assert_false(link_decoder_push(&decoder, byte, &frame));
        assert_true(decoder.length <= LINK_FRAME_MAX);
    }
    assert_true(decoder.frames_bad > 1000);
    link_decoder_push(&decoder, 0, &frame);
    static struct stream stream;
    make_stream(&stream);
    unsigned good = 0;
    for (size_t i = 0; i < stream.size; i++)
        good += link_decoder_push(&decoder, stream.bytes[i], &frame);
    assert_int_equal(good, STREAM_FRAMES);
}

static uint8_t sent[LINK_MESSAGE_MAX], received[LINK_MESSAGE_MAX];

/* Sends sent[size] through frames; `lose` is the fragment that does not arrive. Returns the last
 * verdict. */
static int transfer(struct link_assembler *assembler, uint16_t exchange, size_t size, unsigned lose)
{
    static struct link_decoder decoder;
    uint8_t wire[LINK_WIRE_MAX];
    size_t offset = 0;
    int verdict = 0;
    unsigned fragment = 0;
    link_decoder_init(&decoder);
    do {
        size_t written = link_message_frame(LINK_REQUEST, LINK_RECEIPT, exchange, sent, size,
                                            &offset, wire, sizeof wire);
        assert_true(written > 0);
        for (size_t i = 0; i < written; i++) {
            struct link_frame frame;
            if (link_decoder_push(&decoder, wire[i], &frame) && fragment != lose)
                verdict = link_assembler_add(assembler, &frame);
        }
        fragment++;
    } while (offset < size);
    return verdict;
}

#define NONE_LOST 1000u

static void test_messages_of_every_kind_of_length(void **state)
{
    static const size_t sizes[] = {0, 1, 1023, 1024, 1025, 2048, 5000, 32767, 32768};
    struct link_assembler assembler;
    (void)state;
    random_seed = 4;
    fill(sent, sizeof sent, 4);
    link_assembler_init(&assembler, received, sizeof received);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memset(received, 0xEE, sizeof received);
        assert_int_equal(transfer(&assembler, (uint16_t)i, sizes[i], NONE_LOST), 1);
        assert_int_equal(assembler.length, sizes[i]);
        assert_int_equal(assembler.exchange, i);
        assert_int_equal(assembler.kind, LINK_REQUEST);
        assert_int_equal(assembler.code, LINK_RECEIPT);
        assert_memory_equal(received, sent, sizes[i]);
    }
}

static void test_lost_fragments(void **state)
{
    struct link_assembler assembler;
    (void)state;
    fill(sent, 5000, 2);
    link_assembler_init(&assembler, received, sizeof received);
    for (unsigned lost = 0; lost < 5; lost++) {
        assert_int_equal(transfer(&assembler, 1, 5000, lost), lost == 4 ? 0 : -1);
        /* The asking side asks again, with another exchange number or the same. */
        assert_int_equal(transfer(&assembler, (uint16_t)(1 + lost % 2), 5000, NONE_LOST), 1);
        assert_memory_equal(received, sent, 5000);
    }
}

static void test_too_large_is_named(void **state)
{
    struct link_assembler assembler;
    uint8_t small[100];
    (void)state;
    link_assembler_init(&assembler, small, sizeof small);
    assert_int_equal(transfer(&assembler, 9, 101, NONE_LOST), -2);
    assert_int_equal(assembler.exchange, 9);
    assert_int_equal(assembler.code, LINK_RECEIPT);
    assert_int_equal(transfer(&assembler, 10, 5000, NONE_LOST), -1);
    assert_int_equal(transfer(&assembler, 11, 100, NONE_LOST), 1);
}

static void test_fragments_of_another_message(void **state)
{
    static uint8_t payload[4] = {1, 2, 3, 4};
    struct link_assembler assembler;
    uint8_t buffer[16];
    struct link_frame first = {
        .kind = 1, .code = 32, .exchange = 5, .total = 8, .payload = payload, .length = 4};
    struct link_frame second = first;
    (void)state;
    second.offset = 4;
    for (unsigned change = 0; change < 6; change++) {
        struct link_frame other = second;
        link_assembler_init(&assembler, buffer, sizeof buffer);
        assert_int_equal(link_assembler_add(&assembler, &second), -1);
        assert_int_equal(link_assembler_add(&assembler, &first), 0);
        other.kind = change == 0 ? 2 : 1;
        other.code = change == 1 ? 33 : 32;
        other.exchange = change == 2 ? 6 : 5;
        other.total = change == 3 ? 9 : 8;
        other.offset = change == 4 ? 3 : 4;
        assert_int_equal(link_assembler_add(&assembler, &other), change == 5 ? 1 : -1);
        assert_int_equal(link_assembler_add(&assembler, &second), change == 5 ? -1 : 1);
    }
}

static const uint8_t example_key[KEY_SIZE] = {0x6B, 0xA7, 0xB8, 0x10, 0x9D, 0xAD, 0x11, 0xD1,
                                              0x80, 0xB4, 0x00, 0xC0, 0x4F, 0xD4, 0x30, 0xC8};

static const char *const page_lines[] = {"request", "answer", "refusal", "event"};
#define PAGE_LINES 4

/* The messages of LINK.md's example. */
static size_t example(unsigned which, uint8_t *wire, size_t capacity)
{
    static const uint8_t codes[PAGE_LINES] = {LINK_SHIFT_OPEN, LINK_SHIFT_OPEN, LINK_RECEIPT,
                                              LINK_EVENT_CONFIRMED};
    static const uint8_t kinds[PAGE_LINES] = {LINK_REQUEST, LINK_ANSWER, LINK_ANSWER, LINK_EVENT};
    static const uint16_t exchanges[PAGE_LINES] = {7, 7, 8, 0};
    uint8_t message[128], body[32];
    struct byte_writer writer, inner;
    struct link_job job = {.device_tag = link_device_tag("0000000000000001"), .body = body};
    struct link_result result = {.job = LINK_SHIFT_OPEN,
                                 .document = 2,
                                 .fiscal_sign = 2864434397u,
                                 .time = 0x58B95610,
                                 .shift = 1};
    struct refusal refusal = {.code = ERROR_PAYMENT_SHORT, .tag = TAG_PAID_CASH, .expected = 5000};
    size_t offset = 0;
    byte_writer_init(&writer, message, sizeof message);
    if (which == 0) {
        byte_writer_init(&inner, body, sizeof body);
        tlv_put_bytes(&inner, TAG_CASHIER, "\x88\xA2\xA0\xAD\xAE\xA2 \x88.\x88.", 11);
        job.size = inner.length;
        memcpy(job.key, example_key, KEY_SIZE);
        link_job_put(&writer, &job);
    } else if (which == 1) {
        memcpy(result.key, example_key, KEY_SIZE);
        put_u16le(&writer, ERROR_NONE);
        link_result_put(&writer, &result);
    } else if (which == 2) {
        link_refusal_put(&writer, &refusal);
        put_bytes(&writer, example_key, KEY_SIZE);
    } else {
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, 2);
    }
    return link_message_frame(kinds[which], codes[which], exchanges[which], message, writer.length,
                              &offset, wire, capacity);
}

/* The page is opened from the root of the repository, where make runs the tests. */
static void test_the_page_shows_what_the_code_sends(void **state)
{
    FILE *page = fopen("proto/LINK.md", "r");
    char line[1024];
    unsigned found = 0;
    (void)state;
    assert_non_null(page);
    while (fgets(line, sizeof line, page) != NULL) {
        for (unsigned i = 0; i < PAGE_LINES; i++) {
            uint8_t expected[256], wire[256];
            size_t length = strlen(page_lines[i]);
            if (strncmp(line, page_lines[i], length) != 0 || line[length] != ':')
                continue;
            line[strcspn(line, "\n")] = 0;
            size_t size = from_hex(line + length + 1, expected, sizeof expected);
            assert_int_equal(example(i, wire, sizeof wire), size);
            assert_memory_equal(wire, expected, size);
            found |= 1u << i;
        }
    }
    fclose(page);
    assert_int_equal(found, (1u << PAGE_LINES) - 1);
}

static void test_jobs_and_results_both_ways(void **state)
{
    uint8_t bytes[64], again[64];
    struct byte_writer writer;
    struct link_job job;
    struct link_result result, copy;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    assert_true(link_job_get(bytes, sizeof bytes, &job));
    assert_int_equal(job.device_tag, 0x14131211);
    assert_int_equal(job.size, sizeof bytes - LINK_JOB_HEADER_SIZE);
    byte_writer_init(&writer, again, sizeof again);
    link_job_put(&writer, &job);
    assert_int_equal(writer.length, sizeof bytes);
    assert_memory_equal(again, bytes, sizeof bytes);
    assert_true(link_result_get(bytes, LINK_RESULT_SIZE, &result));
    assert_int_equal(result.job, 17);
    assert_int_equal(result.flags, 18);
    assert_int_equal(result.document, 0x16151413);
    assert_int_equal(result.fiscal_sign, 0x1A191817);
    assert_int_equal(result.time, 0x1E1D1C1B);
    assert_int_equal(result.shift, 0x201F);
    assert_int_equal(result.receipt, 0x2221);
    assert_int_equal(result.total_kop, 0x2726252423);
    byte_writer_init(&writer, again, sizeof again);
    link_result_put(&writer, &result);
    assert_int_equal(writer.length, LINK_RESULT_SIZE);
    assert_memory_equal(again, bytes, LINK_RESULT_SIZE);
    for (size_t size = 0; size < LINK_RESULT_SIZE; size++)
        assert_false(link_result_get(bytes, size, &copy));
    for (size_t size = 0; size < LINK_JOB_HEADER_SIZE; size++)
        assert_false(link_job_get(bytes, size, &job));
}

static void test_answers(void **state)
{
    const struct refusal sent_refusal = {ERROR_ITEM_SUM, TAG_ITEM_SUM, 60, 0x123456789ABCDEF};
    uint8_t bytes[64];
    struct refusal refusal;
    struct byte_writer writer;
    const uint8_t *body;
    size_t size;
    (void)state;
    byte_writer_init(&writer, bytes, sizeof bytes);
    link_refusal_put(&writer, &sent_refusal);
    assert_int_equal(writer.length, LINK_REFUSAL_SIZE);
    put_bytes(&writer, example_key, KEY_SIZE);
    for (size_t cut = 0; cut < LINK_REFUSAL_SIZE; cut++)
        assert_false(link_answer_get(bytes, cut, &refusal, &body, &size));
    assert_true(link_answer_get(bytes, writer.length, &refusal, &body, &size));
    assert_int_equal(refusal.code, sent_refusal.code);
    assert_int_equal(refusal.tag, sent_refusal.tag);
    assert_int_equal(refusal.item, sent_refusal.item);
    assert_int_equal(refusal.expected, sent_refusal.expected);
    assert_int_equal(size, KEY_SIZE);
    assert_memory_equal(body, example_key, KEY_SIZE);
    memset(bytes, 0, 2);
    assert_true(link_answer_get(bytes, 2, &refusal, &body, &size));
    assert_int_equal(refusal.code, ERROR_NONE);
    assert_int_equal(size, 0);
    assert_false(link_answer_get(bytes, 1, &refusal, &body, &size));
}

static void test_device_tag(void **state)
{
    (void)state;
    assert_int_equal(link_device_tag("123456789"), 0xE3069283);
    assert_int_equal(link_device_tag("123456789   "), 0xE3069283);
    assert_int_not_equal(link_device_tag("123456788"), 0xE3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length_both_ways),
        cmocka_unit_test(test_largest_frame_fits_its_bound),
        cmocka_unit_test(test_every_fault_of_one_byte),
        cmocka_unit_test(test_cut_after_every_byte),
        cmocka_unit_test(test_headers_refused),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_messages_of_every_kind_of_length),
        cmocka_unit_test(test_lost_fragments),
        cmocka_unit_test(test_too_large_is_named),
        cmocka_unit_test(test_fragments_of_another_message),
        cmocka_unit_test(test_the_page_shows_what_the_code_sends),
        cmocka_unit_test(test_jobs_and_results_both_ways),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_device_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
