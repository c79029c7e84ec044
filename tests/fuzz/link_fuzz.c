/* The host link. Raw bytes: whatever arrives, a delivered frame lies within its bounds and a whole
 * message within its storage. Frames with a right checksum around any bytes: what is delivered is
 * what was sent, and link_frame_encode takes it. Messages are then read as answer, job, result. */
#include "proto/crc.h"
#include "proto/link_message.h"
#include "tests/fuzz/fuzz.h"

static struct link_decoder decoder;
static struct link_assembler assembler;
static uint8_t storage[4096];

static void read_message(struct input message)
{
    uint8_t *bytes = input_copy(message);
    struct refusal refusal;
    struct link_job job;
    struct link_result result;
    const uint8_t *body;
    size_t body_size;
    if (link_answer_get(bytes, message.size, &refusal, &body, &body_size)) {
        PROMISE(message.size >= 2);
        if (refusal.code == ERROR_NONE)
            PROMISE(body >= bytes && body + body_size <= bytes + message.size);
    }
    if (link_job_get(bytes, message.size, &job))
        PROMISE(job.body == bytes + LINK_JOB_HEADER_SIZE &&
                job.size + LINK_JOB_HEADER_SIZE == message.size);
    if (link_result_get(bytes, message.size, &result)) {
        uint8_t again[LINK_RESULT_SIZE];
        struct byte_writer writer;
        byte_writer_init(&writer, again, sizeof again);
        link_result_put(&writer, &result);
        PROMISE(writer.length == LINK_RESULT_SIZE && memcmp(again, bytes, sizeof again) == 0);
    }
    free(bytes);
}

static void take_frame(const struct link_frame *frame)
{
    PROMISE(frame->length <= LINK_FRAGMENT_MAX && frame->payload >= decoder.buffer &&
            frame->payload + frame->length <= decoder.buffer + sizeof decoder.buffer);
    PROMISE((size_t)frame->offset + frame->length <= frame->total);
    int got = link_assembler_add(&assembler, frame);
    PROMISE(got >= -2 && got <= 1 && assembler.length <= sizeof storage);
    if (got == 1) {
        PROMISE(assembler.length == frame->total);
        read_message((struct input){storage, assembler.length});
    }
}

/* What was delivered goes out again and arrives as it was. */
static void send_again(const struct link_frame *frame)
{
    static uint8_t wire[LINK_WIRE_MAX];
    static struct link_decoder other;
    struct link_frame got = {0};
    unsigned delivered = 0;
    size_t size = link_frame_encode(frame, wire, sizeof wire);
    PROMISE(size > 0 && size <= sizeof wire);
    link_decoder_init(&other);
    for (size_t i = 0; i < size; i++)
        delivered += link_decoder_push(&other, wire[i], &got);
    PROMISE(delivered == 1 && got.kind == frame->kind && got.code == frame->code);
    PROMISE(got.exchange == frame->exchange && got.total == frame->total);
    PROMISE(got.offset == frame->offset && got.length == frame->length);
    PROMISE(memcmp(got.payload, frame->payload, got.length) == 0);
}

/* COBS by the book: each block is at most 254 bytes without a zero. */
static size_t stuff(const uint8_t *bytes, size_t size, uint8_t *out)
{
    size_t length = 1, code = 0;
    out[0] = 1;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            out[length++] = bytes[i];
            out[code]++;
        }
        if (bytes[i] == 0 || (out[code] == 0xFF && i + 1 < size)) {
            code = length;
            out[length++] = 1;
        }
    }
    return length;
}

/* Frames of any content under a right checksum. */
static void made_frames(struct input input)
{
    static uint8_t content[LINK_FRAME_MAX + 100], wire[LINK_WIRE_MAX + 110];
    while (input.size > 0) {
        size_t size = input_number(&input, 2) % (LINK_HEADER_SIZE + LINK_FRAGMENT_MAX + 20);
        struct input piece = input_take(&input, size);
        struct byte_writer writer;
        struct link_frame frame;
        unsigned delivered = 0;
        byte_writer_init(&writer, content, sizeof content);
        put_bytes(&writer, piece.data, piece.size);
        put_u32le(&writer, crc32c_update(CRC32C_INIT, piece.data, piece.size));
        size = stuff(content, writer.length, wire);
        wire[size] = 0;
        for (size_t i = 0; i <= size; i++) {
            if (!link_decoder_push(&decoder, wire[i], &frame))
                continue;
            delivered++;
            PROMISE(i == size && frame.length + LINK_HEADER_SIZE == piece.size);
            PROMISE(memcmp(frame.payload, piece.data + LINK_HEADER_SIZE, frame.length) == 0);
            take_frame(&frame);
            send_again(&frame);
        }
        PROMISE(delivered <= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    bool raw = input_number(&input, 1) % 2 == 0;
    link_decoder_init(&decoder);
    link_assembler_init(&assembler, storage, sizeof storage);
    if (!raw) {
        made_frames(input);
        return 0;
    }
    read_message(input);
    for (size_t i = 0; i < input.size; i++) {
        struct link_frame frame;
        if (link_decoder_push(&decoder, input.data[i], &frame))
            take_frame(&frame);
    }
    return 0;
}
