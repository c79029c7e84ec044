#include "proto/fn_frame.h"

#include <assert.h>
#include <string.h>

#include "proto/crc.h"

#define LENGTH_OFFSET 1u /* LEN u16: the CRC starts here */
#define CODE_OFFSET   3u
#define DATA_OFFSET   4u

size_t fn_frame_encode(uint8_t code, const uint8_t *data, size_t size, uint8_t *out,
                       size_t capacity)
{
    if (size > FN_DATA_MAX || size + FN_FRAME_OVERHEAD > capacity)
        return 0;
    struct byte_writer writer;
    byte_writer_init(&writer, out, capacity);
    put_u8(&writer, FN_FRAME_START);
    put_u16le(&writer, (uint16_t)(1 + size));
    put_u8(&writer, code);
    put_bytes(&writer, data, size);
    put_u16le(&writer,
              crc16_update(CRC16_INIT, out + LENGTH_OFFSET, writer.length - LENGTH_OFFSET));
    assert(writer.length == size + FN_FRAME_OVERHEAD);
    return writer.length;
}

void fn_decoder_init(struct fn_decoder *decoder)
{
    decoder->length = 0;
    decoder->need = 0;
    decoder->delivered = 0;
}

/* Forgets the first `count` bytes and everything up to the next possible start of a frame. */
static void fn_decoder_drop(struct fn_decoder *decoder, size_t count)
{
    while (count < decoder->length && decoder->buffer[count] != FN_FRAME_START)
        count++;
    decoder->length -= count;
    decoder->need = 0;
    memmove(decoder->buffer, decoder->buffer + count, decoder->length);
}

/* Size of the frame at the start of the buffer: 0 while it is not known yet, and FN_FRAME_MAX + 1
 * when the stated length is impossible. */
static size_t fn_decoder_need(const struct fn_decoder *decoder)
{
    if (decoder->length < CODE_OFFSET)
        return 0;
    size_t length = get_u16le(decoder->buffer + LENGTH_OFFSET);
    return length < 1 || length > 1 + FN_DATA_MAX ? FN_FRAME_MAX + 1
                                                  : length + FN_FRAME_OVERHEAD - 1;
}

static bool fn_decoder_crc_ok(const struct fn_decoder *decoder, size_t need)
{
    uint16_t crc = crc16_update(CRC16_INIT, decoder->buffer + LENGTH_OFFSET, need - 3);
    return crc == get_u16le(decoder->buffer + need - 2);
}

enum fn_decoded fn_decoder_push(struct fn_decoder *decoder, uint8_t byte, uint8_t *code,
                                const uint8_t **data, size_t *size)
{
    if (decoder->delivered > 0) {
        fn_decoder_drop(decoder, decoder->delivered);
        decoder->delivered = 0;
    }
    if (decoder->length == 0 && byte != FN_FRAME_START)
        return byte == FN_FRAME_ENQ ? FN_DECODED_ENQ : FN_DECODED_NOTHING;
    assert(decoder->length < FN_FRAME_MAX);
    decoder->buffer[decoder->length++] = byte;

    enum fn_decoded decoded = FN_DECODED_NOTHING;
    /* A false start may have swallowed the beginning, or the whole, of a true frame: what is held
     * is looked through again from the next 04. Each turn drops at least one byte, so this ends. */
    for (;;) {
        size_t need = fn_decoder_need(decoder);
        if (need == 0)
            return decoded;
        if (need <= FN_FRAME_MAX) {
            decoder->need = need;
            if (decoder->length < need)
                return decoded;
            if (fn_decoder_crc_ok(decoder, need)) {
                *code = decoder->buffer[CODE_OFFSET];
                *data = decoder->buffer + DATA_OFFSET;
                *size = need - FN_FRAME_OVERHEAD;
                decoder->delivered = need;
                return FN_DECODED_FRAME;
            }
        }
        fn_decoder_drop(decoder, 1);
        decoded = FN_DECODED_BAD;
    }
}

size_t fn_decoder_fill(struct fn_decoder *decoder, const uint8_t *bytes, size_t size)
{
    if (decoder->delivered > 0 || decoder->need <= decoder->length + 1)
        return 0;
    size_t middle = decoder->need - decoder->length - 1;
    size_t count = size < middle ? size : middle;
    memcpy(decoder->buffer + decoder->length, bytes, count);
    decoder->length += count;
    return count;
}

bool fn_status_get(const uint8_t *data, size_t size, struct fn_status *out)
{
    if (size != FN_STATUS_SIZE)
        return false;
    out->phase = data[0];
    out->document = data[1];
    out->has_data = data[2];
    out->shift_open = data[3];
    out->warnings = data[4];
    memcpy(out->time, data + 5, sizeof out->time);
    size_t length = 16;
    while (length > 0 && (data[10 + length - 1] == ' ' || data[10 + length - 1] == 0))
        length--;
    memset(out->number, 0, sizeof out->number);
    memcpy(out->number, data + 10, length);
    out->last_document = get_u32le(data + 26);
    return true;
}

void fn_status_put(struct byte_writer *writer, const struct fn_status *status)
{
    size_t start = writer->length;
    size_t length = 0;
    while (length < 16 && status->number[length] != 0)
        length++;
    put_u8(writer, status->phase);
    put_u8(writer, status->document);
    put_u8(writer, status->has_data);
    put_u8(writer, status->shift_open);
    put_u8(writer, status->warnings);
    put_bytes(writer, status->time, sizeof status->time);
    put_bytes(writer, status->number, length);
    put_fill(writer, ' ', 16 - length);
    put_u32le(writer, status->last_document);
    assert(writer->length - start == FN_STATUS_SIZE);
}
