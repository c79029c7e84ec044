/* The host link, by the input's first byte. Raw bytes: whatever arrives, a delivered frame lies
 * within its bounds and a whole message within its storage. Frames with a right checksum around any
 * bytes: what is delivered is what was sent, and link_frame_encode takes it. A line: good frames
 * with garbage between them and with damaged ones; all good ones arrive, in order, also the one
 * right behind the garbage, and nothing else does. Messages are then read as answer, job and
 * result. */
#include "proto/crc.h"
#include "proto/link_message.h"
#include "tests/fuzz/fuzz.h"

#ifdef FUZZ_CANARY
/* The checksum does not look at the end of a long frame. */
uint32_t __real_crc32c_update(uint32_t crc, const void *data, size_t size);
uint32_t __wrap_crc32c_update(uint32_t crc, const void *data, size_t size);
uint32_t __wrap_crc32c_update(uint32_t crc, const void *data, size_t size)
{
    return __real_crc32c_update(crc, data, size > 20 ? 20 : size);
}
#endif

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

/* ---- A line ---- */

#define LINE_FRAMES  32u
#define GARBAGE_MAX  11u /* a frame is longer, so none can lie in it */
#define LINE_PAYLOAD 256u

struct sent {
    uint8_t code;
    uint16_t exchange, offset;
    size_t length;
    uint8_t payload[LINE_PAYLOAD];
};

static struct sent sent[LINE_FRAMES];

/* flags: garbage before it, damaged, its last fragment. Returns bytes of wire. */
static size_t put_frame(struct input *input, uint8_t *wire, size_t capacity, unsigned *count)
{
    unsigned flags = input_number(input, 1);
    struct input garbage = {NULL, 0};
    if ((flags & 1) != 0)
        garbage = input_take(input, input_number(input, 1) % (GARBAGE_MAX + 1));
    unsigned place = (flags & 2) != 0 ? input_number(input, 2) : 0;
    uint8_t with = (uint8_t)((flags & 2) != 0 ? 1 + input_number(input, 1) % 255 : 0);
    struct input payload = input_take(input, input_number(input, 1));
    struct link_frame frame = {.kind = (uint8_t)(1 + flags / 4 % 3),
                               .code = (uint8_t)flags,
                               .exchange = (uint16_t)*count,
                               .offset = (uint16_t)(payload.size > 0 ? flags / 16 * 1000u : 0),
                               .payload = payload.data,
                               .length = payload.size};
    frame.total = (uint16_t)(frame.offset + frame.length);
    if (garbage.size > 0)
        memcpy(wire, garbage.data, garbage.size);
    size_t size = link_frame_encode(&frame, wire + garbage.size, capacity - garbage.size);
    PROMISE(size > 0);
    if (with != 0) {
        wire[garbage.size + place % size] ^= with;
    } else {
        struct sent *kept = &sent[(*count)++];
        *kept = (struct sent){.code = frame.code,
                              .exchange = frame.exchange,
                              .offset = frame.offset,
                              .length = frame.length};
        if (frame.length > 0)
            memcpy(kept->payload, frame.payload, frame.length);
    }
    return garbage.size + size;
}

static void line(struct input input)
{
    static uint8_t wire[LINK_WIRE_MAX];
    unsigned count = 0, arrived = 0;
    while (input.size > 0 && count < LINE_FRAMES) {
        size_t size = put_frame(&input, wire, sizeof wire, &count);
        for (size_t i = 0; i < size; i++) {
            struct link_frame frame;
            if (!link_decoder_push(&decoder, wire[i], &frame))
                continue;
            PROMISE(arrived < count);
            const struct sent *expected = &sent[arrived++];
            PROMISE(frame.code == expected->code && frame.exchange == expected->exchange);
            PROMISE(frame.offset == expected->offset && frame.length == expected->length);
            PROMISE(memcmp(frame.payload, expected->payload, frame.length) == 0);
            take_frame(&frame);
        }
        PROMISE(arrived == count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned mode = input_number(&input, 1) % 3;
    link_decoder_init(&decoder);
    link_assembler_init(&assembler, storage, sizeof storage);
    if (mode == 1)
        made_frames(input);
    if (mode == 2)
        line(input);
    if (mode != 0)
        return 0;
    read_message(input);
    for (size_t i = 0; i < input.size; i++) {
        struct link_frame frame;
        if (link_decoder_push(&decoder, input.data[i], &frame))
            take_frame(&frame);
    }
    return 0;
}
