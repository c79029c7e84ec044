/* Frames of the fiscal module: the published ones both ways, every fault of a byte, garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/fn_frame.h"
#include "tests/unit/proto_examples.h"

static const struct {
    uint8_t command;
    const char *data, *frame;
} frames[] = {
    {FN_STATUS, "", "04 01 00 30 FF CD"},
    {FN_NUMBER, "", "04 01 00 31 DE DD"},
    {FN_VALID_UNTIL, "", "04 01 00 32 BD ED"},
    {FN_CANCEL, "", "04 01 00 06 6A 9B"},
    {FN_SHIFT_STATUS, "", "04 01 00 10 9D E9"},
    {FN_SHIFT_OPEN_FORM, "", "04 01 00 12 DF C9"},
    {FN_SHIFT_CLOSE_FORM, "", "04 01 00 14 19 A9"},
    {FN_STATE_FORM, "", "04 01 00 19 B4 78"},
    {FN_OFD_STATUS, "", "04 01 00 20 CE DF"},
    {FN_READ_TLV, "", "04 01 00 46 AE D3"},
    {FN_READ_REGISTRATION_TLV, "", "04 01 00 47 8F C3"},
    {FN_OFD_TRANSPORT, "01", "04 02 00 21 01 5E 4C"},
    {FN_SHIFT_OPEN_BEGIN, "18 07 14 12 21", "04 06 00 11 18 07 14 12 21 7A 77"},
    {FN_RECEIPT_FORM, "14 07 14 12 21 01 28 0A 00 00 00",
     "04 0C 00 16 14 07 14 12 21 01 28 0A 00 00 00 4C 17"},
};
#define FRAMES (sizeof frames / sizeof frames[0])

static void test_published_frames_both_ways(void **state)
{
    struct fn_decoder decoder;
    (void)state;
    fn_decoder_init(&decoder);
    for (size_t i = 0; i < FRAMES; i++) {
        uint8_t data[32], expected[64], got[64];
        size_t size = from_hex(frames[i].data, data, sizeof data);
        size_t wire = from_hex(frames[i].frame, expected, sizeof expected);
        assert_int_equal(fn_frame_encode(frames[i].command, data, size, got, sizeof got), wire);
        assert_memory_equal(got, expected, wire);
        assert_int_equal(fn_frame_encode(frames[i].command, data, size, got, wire - 1), 0);
        uint8_t code;
        const uint8_t *body;
        size_t body_size;
        for (size_t b = 0; b < wire; b++) {
            enum fn_decoded decoded =
                fn_decoder_push(&decoder, expected[b], &code, &body, &body_size);
            assert_int_equal(decoded, b + 1 == wire ? FN_DECODED_FRAME : FN_DECODED_NOTHING);
        }
        assert_int_equal(code, frames[i].command);
        assert_int_equal(body_size, size);
        assert_memory_equal(body, data, size);
    }
}

static void test_largest_frame(void **state)
{
    static uint8_t data[FN_DATA_MAX + 1], wire[FN_FRAME_MAX];
    struct fn_decoder decoder;
    uint8_t code;
    const uint8_t *body;
    size_t size = 0;
    (void)state;
    memset(data, FN_FRAME_START, sizeof data); /* each byte could be a start */
    assert_int_equal(fn_frame_encode(FN_DATA, data, FN_DATA_MAX + 1, wire, sizeof wire), 0);
    assert_int_equal(fn_frame_encode(FN_DATA, data, FN_DATA_MAX, wire, sizeof wire), FN_FRAME_MAX);
    fn_decoder_init(&decoder);
    for (size_t i = 0; i + 1 < FN_FRAME_MAX; i++)
        assert_int_equal(fn_decoder_push(&decoder, wire[i], &code, &body, &size), 0);
    assert_int_equal(fn_decoder_push(&decoder, wire[FN_FRAME_MAX - 1], &code, &body, &size),
                     FN_DECODED_FRAME);
    assert_int_equal(size, FN_DATA_MAX);
    assert_memory_equal(body, data, FN_DATA_MAX);
}

#define STREAM_MAX 512
struct stream {
    uint8_t bytes[STREAM_MAX];
    size_t size;
    size_t start[FRAMES + 1];
};

static void make_stream(struct stream *stream)
{
    stream->size = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        stream->start[i] = stream->size;
        stream->size +=
            from_hex(frames[i].frame, stream->bytes + stream->size, STREAM_MAX - stream->size);
    }
    stream->start[FRAMES] = stream->size;
}

/* The short cut never takes a byte that ends a frame, so an answer is never late. */
static void test_fill_leaves_the_end(void **state)
{
    struct stream stream;
    (void)state;
    make_stream(&stream);
    for (size_t i = 0; i < FRAMES; i++) {
        struct fn_decoder decoder;
        const uint8_t *frame = stream.bytes + stream.start[i], *body;
        size_t size = stream.start[i + 1] - stream.start[i], body_size;
        uint8_t code;
        fn_decoder_init(&decoder);
        assert_int_equal(fn_decoder_fill(&decoder, frame, size), 0);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(fn_decoder_push(&decoder, frame[k], &code, &body, &body_size),
                             FN_DECODED_NOTHING);
        assert_int_equal(fn_decoder_fill(&decoder, frame + 3, size - 3), size - 4);
        assert_int_equal(fn_decoder_fill(&decoder, frame + size - 1, 1), 0);
        assert_int_equal(fn_decoder_push(&decoder, frame[size - 1], &code, &body, &body_size),
                         FN_DECODED_FRAME);
        assert_int_equal(fn_decoder_fill(&decoder, frame, size), 0);
    }
}

static void test_enq_only_between_frames(void **state)
{
    static const uint8_t bytes[] = {0x05, 0x00, 0xFF, 0x05, 0x04, 0x02, 0x00, 0x05, 0x05};
    struct fn_decoder decoder;
    uint8_t code;
    const uint8_t *body;
    size_t size;
    (void)state;
    fn_decoder_init(&decoder);
    for (size_t i = 0; i < sizeof bytes; i++)
        assert_int_equal(fn_decoder_push(&decoder, bytes[i], &code, &body, &size),
                         i == 0 || i == 3 ? FN_DECODED_ENQ : FN_DECODED_NOTHING);
    fn_decoder_init(&decoder); /* the caller's time-out */
    assert_int_equal(fn_decoder_push(&decoder, 0x05, &code, &body, &size), FN_DECODED_ENQ);
}

/* Decodes and returns a bit for each published frame that arrived; anything else that arrives
 * fails. */
static unsigned arrived_in(const uint8_t *bytes, size_t size, size_t block)
{
    struct fn_decoder decoder;
    unsigned met = 0;
    fn_decoder_init(&decoder);
    /* Some silence, then the time-out: bytes that no frame can come from. */
    for (size_t i = 0; i < size + FN_FRAME_MAX; i++) {
        uint8_t code, data[32];
        const uint8_t *body;
        size_t body_size;
        size_t left = i >= size ? 0 : block - i % block < size - i ? block - i % block : size - i;
        if (block > 1 && left > 0) {
            size_t filled = fn_decoder_fill(&decoder, bytes + i, left);
            i += filled;
            if (filled == left) {
                i--;
                continue;
            }
        }
        uint8_t byte = i < size ? bytes[i] : 0xFF;
        if (fn_decoder_push(&decoder, byte, &code, &body, &body_size) != FN_DECODED_FRAME)
            continue;
        size_t which = 0;
        while (which < FRAMES && frames[which].command != code)
            which++;
        assert_true(which < FRAMES);
        assert_int_equal(from_hex(frames[which].data, data, sizeof data), body_size);
        assert_memory_equal(data, body, body_size);
        met |= 1u << which;
    }
    return met;
}

/* The same whether the bytes come one by one or in blocks. */
static unsigned arrived(const uint8_t *bytes, size_t size)
{
    unsigned met = arrived_in(bytes, size, 1);
    assert_int_equal(arrived_in(bytes, size, size + 1), met);
    assert_int_equal(arrived_in(bytes, size, 7), met);
    return met;
}

/* Whatever happens to one byte, the frames before and, once the false one is given up, after it
 * arrive. */
static void test_every_fault_of_one_byte(void **state)
{
    static const unsigned all = (1u << FRAMES) - 1;
    struct stream stream;
    (void)state;
    make_stream(&stream);
    assert_int_equal(arrived(stream.bytes, stream.size), all);
    for (size_t at = 0; at < stream.size; at++) {
        uint8_t faulty[STREAM_MAX + 1];
        size_t hit = 0;
        while (stream.start[hit + 1] <= at)
            hit++;
        unsigned others = all & ~(1u << hit);
        memcpy(faulty, stream.bytes, at); /* lost */
        memcpy(faulty + at, stream.bytes + at + 1, stream.size - at - 1);
        assert_int_equal(arrived(faulty, stream.size - 1) & others, others);
        memcpy(faulty + at + 1, stream.bytes + at, stream.size - at); /* doubled */
        memcpy(faulty, stream.bytes, at + 1);
        assert_int_equal(arrived(faulty, stream.size + 1) & others, others);
        for (unsigned value = 0; value < 256; value += 3) { /* inserted */
            faulty[at] = (uint8_t)value;
            assert_int_equal(arrived(faulty, stream.size + 1) & others, others);
        }
        memcpy(faulty, stream.bytes, stream.size);
        for (unsigned bit = 0; bit < 8; bit++) { /* flipped */
            faulty[at] = (uint8_t)(stream.bytes[at] ^ 1u << bit);
            assert_int_equal(arrived(faulty, stream.size), others);
        }
    }
}

static void test_cut_after_every_byte(void **state)
{
    struct stream stream;
    (void)state;
    make_stream(&stream);
    for (size_t cut = 0; cut <= stream.size; cut++) {
        unsigned expected = 0;
        for (size_t i = 0; i < FRAMES; i++)
            if (stream.start[i + 1] <= cut)
                expected |= 1u << i;
        assert_int_equal(arrived(stream.bytes, cut), expected);
    }
}

static void test_bad_is_reported(void **state)
{
    static const uint8_t zero_length[] = {0x04, 0x00, 0x00};
    static const uint8_t too_long[] = {0x04, 0x02, 0x06};
    static const uint8_t bad_crc[] = {0x04, 0x01, 0x00, 0x30, 0xFF, 0xCE};
    const struct {
        const uint8_t *bytes;
        size_t size;
    } cases[] = {
        {zero_length, sizeof zero_length}, {too_long, sizeof too_long}, {bad_crc, sizeof bad_crc}};
    (void)state;
    for (size_t c = 0; c < 3; c++) {
        struct fn_decoder decoder;
        uint8_t code;
        const uint8_t *body;
        size_t size;
        fn_decoder_init(&decoder);
        for (size_t i = 0; i < cases[c].size; i++)
            assert_int_equal(fn_decoder_push(&decoder, cases[c].bytes[i], &code, &body, &size),
                             i + 1 == cases[c].size ? FN_DECODED_BAD : FN_DECODED_NOTHING);
        assert_int_equal(fn_decoder_push(&decoder, 0x05, &code, &body, &size), FN_DECODED_ENQ);
    }
}

static void test_garbage(void **state)
{
    static struct fn_decoder decoder;
    uint32_t seed = 5;
    (void)state;
    fn_decoder_init(&decoder);
    for (unsigned round = 0; round < 100000; round++) {
        uint8_t code;
        const uint8_t *body;
        size_t size = 0;
        seed = seed * 1664525u + 1013904223u;
        uint8_t byte = (uint8_t)((seed >> 28) < 6 ? 4 - (seed >> 30) * 2 : seed >> 20);
        if (fn_decoder_push(&decoder, byte, &code, &body, &size) == FN_DECODED_FRAME)
            assert_true(body >= decoder.buffer && size <= FN_DATA_MAX &&
                        body + size <= decoder.buffer + sizeof decoder.buffer);
        assert_true(decoder.length <= sizeof decoder.buffer);
    }
}

static void test_status_both_ways(void **state)
{
    static const char hex[] =
        "03 04 01 01 82 14 07 14 12 21 39393939303738393032303036343935 0E0D0000";
    uint8_t bytes[FN_STATUS_SIZE], again[FN_STATUS_SIZE];
    struct fn_status status;
    struct byte_writer writer;
    (void)state;
    assert_int_equal(from_hex(hex, bytes, sizeof bytes), FN_STATUS_SIZE);
    assert_true(fn_status_get(bytes, sizeof bytes, &status));
    assert_int_equal(status.phase, FN_PHASE_FISCAL);
    assert_int_equal(status.document, FN_DOCUMENT_RECEIPT);
    assert_int_equal(status.has_data, 1);
    assert_int_equal(status.shift_open, 1);
    assert_int_equal(status.warnings, 0x82);
    assert_string_equal(status.number, "9999078902006495");
    assert_int_equal(status.last_document, 3342);
    byte_writer_init(&writer, again, sizeof again);
    fn_status_put(&writer, &status);
    assert_true(byte_writer_ok(&writer));
    assert_memory_equal(again, bytes, sizeof bytes);
    for (size_t size = 0; size < FN_STATUS_SIZE; size++)
        assert_false(fn_status_get(bytes, size, &status));
    memset(bytes + 10, ' ', 16);
    assert_true(fn_status_get(bytes, sizeof bytes, &status));
    assert_string_equal(status.number, "");
    memcpy(bytes + 10, "99990789", 8);
    assert_true(fn_status_get(bytes, sizeof bytes, &status));
    assert_string_equal(status.number, "99990789");
    byte_writer_init(&writer, again, sizeof again);
    fn_status_put(&writer, &status);
    assert_memory_equal(again, bytes, sizeof bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_frames_both_ways),
        cmocka_unit_test(test_largest_frame),
        cmocka_unit_test(test_enq_only_between_frames),
        cmocka_unit_test(test_fill_leaves_the_end),
        cmocka_unit_test(test_every_fault_of_one_byte),
        cmocka_unit_test(test_cut_after_every_byte),
        cmocka_unit_test(test_bad_is_reported),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_status_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
