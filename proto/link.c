#include "proto/link.h"

#include <assert.h>
#include <string.h>

#include "proto/crc.h"

#define DELIMITER      0x00u
#define COBS_BLOCK_MAX 0xFFu

static_assert(LINK_MESSAGE_MAX <= UINT16_MAX, "total and offset travel in 16 bits");
static_assert(LINK_VERSION < 16, "the version shares a byte with the kind");
static_assert(sizeof((struct link_decoder *)0)->buffer ==
                  LINK_HEADER_SIZE + LINK_FRAGMENT_MAX + LINK_CRC_SIZE,
              "what is decoded is never longer than a fragment");
static_assert(LINK_HEADER_SIZE == 8, "change link_header_put and LINK.md together");

static void link_header_put(struct byte_writer *writer, const struct link_frame *frame)
{
    put_u8(writer, (uint8_t)(LINK_VERSION << 4 | frame->kind));
    put_u8(writer, frame->code);
    put_u16le(writer, frame->exchange);
    put_u16le(writer, frame->total);
    put_u16le(writer, frame->offset);
}

/* What both sides hold to be a possible frame, apart from version and CRC. */
static bool link_frame_sane(const struct link_frame *frame)
{
    /* A decoder's buffer holds no more, and nobody may want to send more. */
    assert(frame->length <= LINK_FRAGMENT_MAX);
    if (frame->kind < LINK_REQUEST || frame->kind > LINK_EVENT)
        return false;
    if (frame->total > LINK_MESSAGE_MAX)
        return false;
    if (frame->offset + frame->length > frame->total)
        return false;
    return frame->length > 0 || frame->total == 0;
}

/* COBS (consistent overhead byte stuffing): each block is a code byte n and n - 1 bytes without
 * zeros, and stands for these bytes and, when n is not 255 and it is not the last block, one zero.
 */
struct cobs_writer {
    uint8_t *out;
    size_t length;
    size_t code_at; /* of the open block */
};

static void cobs_begin(struct cobs_writer *cobs)
{
    cobs->code_at = cobs->length++;
    cobs->out[cobs->code_at] = 1;
}

static void cobs_put(struct cobs_writer *cobs, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        /* A full block is closed only when more follows, so that no empty block ends the frame. */
        if (cobs->out[cobs->code_at] == COBS_BLOCK_MAX)
            cobs_begin(cobs);
        if (bytes[i] == 0) {
            cobs_begin(cobs);
        } else {
            cobs->out[cobs->length++] = bytes[i];
            cobs->out[cobs->code_at]++;
        }
    }
}

/* Exact size of the stuffed bytes is only known afterwards; the bound is what must fit. */
static size_t link_wire_bound(size_t length)
{
    size_t plain = LINK_HEADER_SIZE + length + LINK_CRC_SIZE;
    return plain + plain / 254u + 1u + 2u;
}

size_t link_frame_encode(const struct link_frame *frame, uint8_t *out, size_t capacity)
{
    assert(link_frame_sane(frame));
    if (link_wire_bound(frame->length) > capacity)
        return 0;
    uint8_t header[LINK_HEADER_SIZE];
    uint8_t check[LINK_CRC_SIZE];
    struct byte_writer writer;
    byte_writer_init(&writer, header, sizeof header);
    link_header_put(&writer, frame);
    assert(writer.length == sizeof header);
    uint32_t crc = crc32c_update(CRC32C_INIT, header, sizeof header);
    crc = crc32c_update(crc, frame->payload, frame->length);
    byte_writer_init(&writer, check, sizeof check);
    put_u32le(&writer, crc);

    struct cobs_writer cobs = {.out = out, .length = 0};
    out[cobs.length++] = DELIMITER;
    cobs_begin(&cobs);
    cobs_put(&cobs, header, sizeof header);
    cobs_put(&cobs, frame->payload, frame->length);
    cobs_put(&cobs, check, sizeof check);
    out[cobs.length++] = DELIMITER;
    assert(cobs.length <= capacity);
    return cobs.length;
}

static void link_decoder_restart(struct link_decoder *decoder)
{
    decoder->length = 0;
    decoder->block_left = 0;
    decoder->block_full = true; /* no zero stands before the first block */
    decoder->started = false;
    decoder->broken = false;
}

void link_decoder_init(struct link_decoder *decoder)
{
    memset(decoder, 0, sizeof *decoder);
    link_decoder_restart(decoder);
}

static void link_decoder_append(struct link_decoder *decoder, uint8_t byte)
{
    if (decoder->length < sizeof decoder->buffer)
        decoder->buffer[decoder->length++] = byte;
    else
        decoder->broken = true;
}

/* Reads the unstuffed frame; false when anything about it is wrong. */
static bool link_frame_parse(const uint8_t *bytes, size_t size, struct link_frame *out)
{
    if (size < LINK_HEADER_SIZE + LINK_CRC_SIZE)
        return false;
    size_t covered = size - LINK_CRC_SIZE;
    if (crc32c_update(CRC32C_INIT, bytes, covered) != get_u32le(bytes + covered))
        return false;
    if (bytes[0] >> 4 != LINK_VERSION)
        return false;
    out->kind = bytes[0] & 0x0F;
    out->code = bytes[1];
    out->exchange = get_u16le(bytes + 2);
    out->total = get_u16le(bytes + 4);
    out->offset = get_u16le(bytes + 6);
    out->payload = bytes + LINK_HEADER_SIZE;
    out->length = covered - LINK_HEADER_SIZE;
    return link_frame_sane(out);
}

static bool link_decoder_finish(struct link_decoder *decoder, struct link_frame *out)
{
    /* Two delimiters in a row, or the first one of all, enclose nothing: that is no frame, not a
     * bad one. */
    bool good = decoder->started && !decoder->broken && decoder->block_left == 0 &&
                link_frame_parse(decoder->buffer, decoder->length, out);
    if (good)
        decoder->frames_good++;
    else if (decoder->started)
        decoder->frames_bad++;
    link_decoder_restart(decoder);
    return good;
}

bool link_decoder_push(struct link_decoder *decoder, uint8_t byte, struct link_frame *out)
{
    if (byte == DELIMITER)
        return link_decoder_finish(decoder, out);
    decoder->started = true;
    if (decoder->broken)
        return false;
    if (decoder->block_left > 0) {
        link_decoder_append(decoder, byte);
        decoder->block_left--;
    } else {
        if (!decoder->block_full)
            link_decoder_append(decoder, 0);
        decoder->block_left = (uint8_t)(byte - 1);
        decoder->block_full = byte == COBS_BLOCK_MAX;
    }
    return false;
}

size_t link_decoder_fill(struct link_decoder *decoder, const uint8_t *bytes, size_t size)
{
    size_t count = size < decoder->block_left ? size : decoder->block_left;
    if (count == 0 || decoder->broken || count > sizeof decoder->buffer - decoder->length)
        return 0;
    const uint8_t *delimiter = memchr(bytes, DELIMITER, count);
    if (delimiter != NULL)
        count = (size_t)(delimiter - bytes);
    memcpy(decoder->buffer + decoder->length, bytes, count);
    decoder->length += count;
    decoder->block_left = (uint8_t)(decoder->block_left - count);
    return count;
}

void link_assembler_init(struct link_assembler *assembler, uint8_t *buffer, size_t capacity)
{
    memset(assembler, 0, sizeof *assembler);
    assembler->buffer = buffer;
    assembler->capacity = capacity;
}

static bool link_assembler_continues(const struct link_assembler *assembler,
                                     const struct link_frame *frame)
{
    return assembler->active && frame->kind == assembler->kind && frame->code == assembler->code &&
           frame->exchange == assembler->exchange && frame->total == assembler->total &&
           frame->offset == assembler->length;
}

int link_assembler_add(struct link_assembler *assembler, const struct link_frame *frame)
{
    if (frame->offset == 0) {
        assembler->kind = frame->kind;
        assembler->code = frame->code;
        assembler->exchange = frame->exchange;
        assembler->total = frame->total;
        assembler->length = 0;
        assembler->active = frame->total <= assembler->capacity;
        if (!assembler->active)
            return -2;
    } else if (!link_assembler_continues(assembler, frame)) {
        return -1;
    }
    assert(assembler->length + frame->length <= assembler->total);
    if (frame->length > 0)
        memcpy(assembler->buffer + assembler->length, frame->payload, frame->length);
    assembler->length += frame->length;
    if (assembler->length < assembler->total)
        return 0;
    assembler->active = false;
    return 1;
}

size_t link_message_frame(uint8_t kind, uint8_t code, uint16_t exchange, const uint8_t *message,
                          size_t size, size_t *offset, uint8_t *out, size_t capacity)
{
    assert(size <= LINK_MESSAGE_MAX && *offset <= size);
    size_t left = size - *offset;
    struct link_frame frame = {
        .kind = kind,
        .code = code,
        .exchange = exchange,
        .total = (uint16_t)size,
        .offset = (uint16_t)*offset,
        .payload = size == 0 ? NULL : message + *offset,
        .length = left < LINK_FRAGMENT_MAX ? left : LINK_FRAGMENT_MAX,
    };
    size_t written = link_frame_encode(&frame, out, capacity);
    if (written > 0)
        *offset += frame.length;
    return written;
}
