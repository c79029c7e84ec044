#include "proto/tlv.h"

#include <assert.h>

void tlv_reader_init(struct tlv_reader *reader, const uint8_t *data, size_t size)
{
    reader->data = data;
    reader->size = size;
    reader->offset = 0;
}

int tlv_next(struct tlv_reader *reader, struct tlv *out)
{
    assert(reader->offset <= reader->size);
    size_t left = reader->size - reader->offset;
    if (left == 0)
        return 0;
    if (left < TLV_HEADER_SIZE)
        return -1;
    const uint8_t *header = reader->data + reader->offset;
    uint16_t length = get_u16le(header + 2);
    if (length > left - TLV_HEADER_SIZE)
        return -1;
    out->tag = get_u16le(header);
    out->length = length;
    out->value = header + TLV_HEADER_SIZE;
    reader->offset += TLV_HEADER_SIZE + (size_t)length;
    return 1;
}

int tlv_next_tag(struct tlv_reader *reader, uint16_t tag, struct tlv *out)
{
    struct tlv found;
    int got;
    while ((got = tlv_next(reader, &found)) == 1) {
        if (found.tag == tag) {
            *out = found;
            return 1;
        }
    }
    return got;
}

int tlv_find(const uint8_t *data, size_t size, uint16_t tag, struct tlv *out)
{
    struct tlv_reader reader;
    tlv_reader_init(&reader, data, size);
    return tlv_next_tag(&reader, tag, out);
}

bool tlv_valid(const uint8_t *data, size_t size)
{
    struct tlv_reader reader;
    struct tlv ignored;
    int got;
    tlv_reader_init(&reader, data, size);
    while ((got = tlv_next(&reader, &ignored)) == 1)
        continue;
    return got == 0;
}

bool tlv_get_u8(const struct tlv *tlv, uint8_t *out)
{
    if (tlv->length != 1)
        return false;
    *out = tlv->value[0];
    return true;
}

bool tlv_get_u16(const struct tlv *tlv, uint16_t *out)
{
    if (tlv->length != 2)
        return false;
    *out = get_u16le(tlv->value);
    return true;
}

bool tlv_get_u32(const struct tlv *tlv, uint32_t *out)
{
    if (tlv->length != 4)
        return false;
    *out = get_u32le(tlv->value);
    return true;
}

bool tlv_get_vln(const struct tlv *tlv, uint64_t *out)
{
    if (tlv->length > VLN_SIZE_MAX)
        return false;
    *out = tlv->length == 0 ? 0 : get_uint_le(tlv->value, tlv->length);
    return true;
}

bool tlv_get_fvln(const struct tlv *tlv, struct decimal *out)
{
    if (tlv->length < 2 || tlv->length > FVLN_SIZE_MAX)
        return false;
    out->scale = tlv->value[0];
    out->mantissa = get_uint_le(tlv->value + 1, (size_t)tlv->length - 1);
    return true;
}

bool tlv_find_u8(const uint8_t *data, size_t size, uint16_t tag, uint8_t *out)
{
    struct tlv found;
    return tlv_find(data, size, tag, &found) == 1 && tlv_get_u8(&found, out);
}

bool tlv_find_u32(const uint8_t *data, size_t size, uint16_t tag, uint32_t *out)
{
    struct tlv found;
    return tlv_find(data, size, tag, &found) == 1 && tlv_get_u32(&found, out);
}

bool tlv_find_vln(const uint8_t *data, size_t size, uint16_t tag, uint64_t *out)
{
    struct tlv found;
    return tlv_find(data, size, tag, &found) == 1 && tlv_get_vln(&found, out);
}

static void tlv_put_header(struct byte_writer *writer, uint16_t tag, size_t length)
{
    assert(length <= UINT16_MAX);
    put_u16le(writer, tag);
    put_u16le(writer, (uint16_t)length);
}

static size_t vln_size(uint64_t value)
{
    size_t size = 1;
    while (value > 0xFF) {
        value >>= 8;
        size++;
    }
    return size;
}

void tlv_put_u8(struct byte_writer *writer, uint16_t tag, uint8_t value)
{
    tlv_put_header(writer, tag, 1);
    put_u8(writer, value);
}

void tlv_put_u16(struct byte_writer *writer, uint16_t tag, uint16_t value)
{
    tlv_put_header(writer, tag, 2);
    put_u16le(writer, value);
}

void tlv_put_u32(struct byte_writer *writer, uint16_t tag, uint32_t value)
{
    tlv_put_header(writer, tag, 4);
    put_u32le(writer, value);
}

void tlv_put_vln(struct byte_writer *writer, uint16_t tag, uint64_t value)
{
    size_t size = vln_size(value);
    tlv_put_header(writer, tag, size);
    put_uint_le(writer, value, size);
}

void tlv_put_fvln(struct byte_writer *writer, uint16_t tag, struct decimal value)
{
    size_t size = vln_size(value.mantissa);
    assert(1 + size <= FVLN_SIZE_MAX);
    tlv_put_header(writer, tag, 1 + size);
    put_u8(writer, value.scale);
    put_uint_le(writer, value.mantissa, size);
}

void tlv_put_bytes(struct byte_writer *writer, uint16_t tag, const void *bytes, size_t size)
{
    tlv_put_header(writer, tag, size);
    put_bytes(writer, bytes, size);
}

void tlv_put_padded(struct byte_writer *writer, uint16_t tag, const void *bytes, size_t size,
                    size_t width)
{
    assert(size <= width);
    tlv_put_header(writer, tag, width);
    put_bytes(writer, bytes, size);
    put_fill(writer, ' ', width - size);
}

size_t tlv_begin(struct byte_writer *writer, uint16_t tag)
{
    size_t mark = writer->length;
    tlv_put_header(writer, tag, 0);
    return mark;
}

void tlv_end(struct byte_writer *writer, size_t mark)
{
    assert(mark + TLV_HEADER_SIZE <= writer->length);
    size_t length = writer->length - mark - TLV_HEADER_SIZE;
    assert(length <= UINT16_MAX || !byte_writer_ok(writer));
    patch_u16le(writer, mark + 2, (uint16_t)length);
}
