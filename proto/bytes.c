#include "proto/bytes.h"

#include <assert.h>
#include <string.h>

void byte_writer_init(struct byte_writer *writer, uint8_t *data, size_t capacity)
{
    writer->data = data;
    writer->capacity = data == NULL ? 0 : capacity;
    writer->length = 0;
}

bool byte_writer_ok(const struct byte_writer *writer)
{
    return writer->data == NULL || writer->length <= writer->capacity;
}

void put_bytes(struct byte_writer *writer, const void *bytes, size_t size)
{
    size_t room = writer->length < writer->capacity ? writer->capacity - writer->length : 0;
    size_t fits = size < room ? size : room;
    if (writer->data != NULL && fits > 0)
        memcpy(writer->data + writer->length, bytes, fits);
    writer->length += size;
}

void put_fill(struct byte_writer *writer, uint8_t value, size_t count)
{
    size_t room = writer->length < writer->capacity ? writer->capacity - writer->length : 0;
    size_t fits = count < room ? count : room;
    if (writer->data != NULL && fits > 0)
        memset(writer->data + writer->length, value, fits);
    writer->length += count;
}

void put_u8(struct byte_writer *writer, uint8_t value)
{
    if (writer->length < writer->capacity)
        writer->data[writer->length] = value;
    writer->length++;
}

void put_uint_le(struct byte_writer *writer, uint64_t value, size_t size)
{
    assert(size >= 1 && size <= 8);
    for (size_t i = 0; i < size; i++)
        put_u8(writer, (uint8_t)(value >> (8 * i)));
}

void put_u16le(struct byte_writer *writer, uint16_t value)
{
    put_uint_le(writer, value, 2);
}

void put_u32le(struct byte_writer *writer, uint32_t value)
{
    put_uint_le(writer, value, 4);
}

void put_u16be(struct byte_writer *writer, uint16_t value)
{
    put_u8(writer, (uint8_t)(value >> 8));
    put_u8(writer, (uint8_t)value);
}

void put_u32be(struct byte_writer *writer, uint32_t value)
{
    put_u16be(writer, (uint16_t)(value >> 16));
    put_u16be(writer, (uint16_t)value);
}

void patch_u16le(struct byte_writer *writer, size_t offset, uint16_t value)
{
    assert(offset + 2 <= writer->length);
    /* After an overflow the place may lie above the capacity, wholly or by its second byte. */
    if (offset < writer->capacity)
        writer->data[offset] = (uint8_t)value;
    if (offset + 1 < writer->capacity)
        writer->data[offset + 1] = (uint8_t)(value >> 8);
}

uint64_t get_uint_le(const uint8_t *bytes, size_t size)
{
    assert(size >= 1 && size <= 8);
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--)
        value = value << 8 | bytes[i - 1];
    return value;
}
