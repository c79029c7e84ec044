#include "proto/ofd.h"

#include <assert.h>
#include <string.h>

#include "proto/crc.h"
#include "proto/tags.h"

/* Byte sequences as they go on the wire; none of them is a number. */
static const uint8_t signature[4] = {0x2A, 0x08, 0x41, 0x0A};
static const uint8_t session_version[2] = {0x81, 0xA2};

#define CRC_OFFSET           28u /* of the session header; everything before is covered */
#define CONTAINER_CRC_OFFSET 2u  /* u16, the only bytes of a container not covered */
#define CONTAINER_TYPE       0xA5u
#define CONTAINER_TYPE_OTHER 0x5Au /* allowed by the protocol, not seen alive */
#define CONTAINER_VERSION    0x01u /* "32-byte header" */
#define FLAGS_RESERVED       0xFF00u

void ofd_protocol_version(uint8_t ffd, uint8_t out[2])
{
    out[0] = 0x01;
    out[1] = ffd == FFD_1_05 ? 0x05 : ffd == FFD_1_1 ? 0x10 : ffd == FFD_1_2 ? 0x20 : 0x00;
}

static size_t number_length(const char number[17])
{
    size_t length = 0;
    while (length < 16 && number[length] != 0)
        length++;
    return length;
}

static uint16_t ofd_header_crc(const uint8_t header[OFD_HEADER_SIZE], uint16_t flags,
                               const uint8_t *body, size_t body_size)
{
    uint16_t crc = crc16_update(CRC16_INIT, header, CRC_OFFSET);
    if ((flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_ALL)
        crc = crc16_update(crc, body, body_size);
    return crc;
}

void ofd_header_encode(const struct ofd_header *header, const uint8_t *body,
                       uint8_t out[OFD_HEADER_SIZE])
{
    assert((header->flags & OFD_FLAG_CRC_MASK) != OFD_FLAG_CRC_MASK);
    struct byte_writer writer;
    size_t length = number_length(header->fn_number);
    byte_writer_init(&writer, out, OFD_HEADER_SIZE);
    put_bytes(&writer, signature, sizeof signature);
    put_bytes(&writer, session_version, sizeof session_version);
    put_bytes(&writer, header->protocol, sizeof header->protocol);
    put_bytes(&writer, header->fn_number, length);
    put_fill(&writer, ' ', 16 - length);
    put_u16le(&writer, header->body_size);
    put_u16le(&writer, header->flags);
    bool checked = (header->flags & OFD_FLAG_CRC_MASK) != 0;
    put_u16le(&writer, checked ? ofd_header_crc(out, header->flags, body, header->body_size) : 0);
    assert(writer.length == OFD_HEADER_SIZE);
}

int ofd_header_decode(const uint8_t *bytes, size_t size, struct ofd_header *out)
{
    if (size < OFD_HEADER_SIZE)
        return 0;
    if (memcmp(bytes, signature, sizeof signature) != 0 ||
        memcmp(bytes + 4, session_version, sizeof session_version) != 0)
        return -1;
    memcpy(out->protocol, bytes + 6, sizeof out->protocol);
    size_t length = 16;
    while (length > 0 && (bytes[8 + length - 1] == ' ' || bytes[8 + length - 1] == 0))
        length--;
    memset(out->fn_number, 0, sizeof out->fn_number);
    memcpy(out->fn_number, bytes + 8, length);
    out->body_size = get_u16le(bytes + 24);
    out->flags = get_u16le(bytes + 26);
    out->crc = get_u16le(bytes + CRC_OFFSET);
    if ((out->flags & FLAGS_RESERVED) != 0 || (out->flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_MASK)
        return -1;
    return out->body_size <= OFD_BODY_MAX ? 1 : -1;
}

bool ofd_header_crc_ok(const uint8_t header_bytes[OFD_HEADER_SIZE], const uint8_t *body,
                       size_t body_size)
{
    uint16_t flags = get_u16le(header_bytes + 26);
    if ((flags & OFD_FLAG_CRC_MASK) == 0)
        return true;
    return ofd_header_crc(header_bytes, flags, body, body_size) ==
           get_u16le(header_bytes + CRC_OFFSET);
}

static void number_to_bcd(const char number[17], uint8_t out[8])
{
    size_t length = number_length(number);
    memset(out, 0xFF, 8);
    for (size_t i = 0; i < length; i++) {
        unsigned digit = (unsigned)(number[i] - '0') & 0x0F;
        unsigned shift = i % 2 == 0 ? 4 : 0;
        out[i / 2] = (uint8_t)((out[i / 2] & ~(0x0Fu << shift)) | digit << shift);
    }
}

/* Digits, then nothing but F nibbles. */
static bool number_from_bcd(const uint8_t bcd[8], char out[17])
{
    size_t length = 0;
    bool ended = false;
    for (size_t i = 0; i < 16; i++) {
        unsigned digit = i % 2 == 0 ? bcd[i / 2] >> 4 : bcd[i / 2] & 0x0Fu;
        if (digit > 9 && digit != 0x0F)
            return false;
        if (digit <= 9 && ended)
            return false;
        ended = digit > 9;
        if (!ended)
            out[length++] = (char)('0' + digit);
    }
    memset(out + length, 0, 17 - length);
    return true;
}

static uint16_t container_crc(const uint8_t *bytes, size_t size)
{
    uint16_t crc = crc16_update(CRC16_INIT, bytes, CONTAINER_CRC_OFFSET);
    return crc16_update(crc, bytes + CONTAINER_CRC_OFFSET + 2, size - CONTAINER_CRC_OFFSET - 2);
}

size_t ofd_container_encode(const struct ofd_container *container, uint8_t *out, size_t capacity)
{
    if (container->size > OFD_BODY_MAX - OFD_CONTAINER_HEADER_SIZE ||
        container->size + OFD_CONTAINER_HEADER_SIZE > capacity)
        return 0;
    uint8_t bcd[8];
    struct byte_writer writer;
    number_to_bcd(container->fn_number, bcd);
    byte_writer_init(&writer, out, capacity);
    put_u16le(&writer, (uint16_t)(OFD_CONTAINER_HEADER_SIZE + container->size));
    put_u16le(&writer, 0);
    put_u8(&writer, CONTAINER_TYPE);
    put_u8(&writer, container->data_type);
    put_u8(&writer, CONTAINER_VERSION);
    put_bytes(&writer, container->service1, sizeof container->service1);
    put_bytes(&writer, bcd, sizeof bcd);
    put_u8(&writer, (uint8_t)(container->document >> 16));
    put_u16be(&writer, (uint16_t)container->document);
    put_bytes(&writer, container->service2, sizeof container->service2);
    assert(writer.length == OFD_CONTAINER_HEADER_SIZE);
    put_bytes(&writer, container->body, container->size);
    patch_u16le(&writer, CONTAINER_CRC_OFFSET, container_crc(out, writer.length));
    return writer.length;
}

bool ofd_container_decode(const uint8_t *bytes, size_t size, struct ofd_container *out)
{
    if (size < OFD_CONTAINER_HEADER_SIZE || get_u16le(bytes) != size)
        return false;
    if (bytes[4] != CONTAINER_TYPE && bytes[4] != CONTAINER_TYPE_OTHER)
        return false;
    if (bytes[6] != CONTAINER_VERSION ||
        get_u16le(bytes + CONTAINER_CRC_OFFSET) != container_crc(bytes, size))
        return false;
    if (!number_from_bcd(bytes + 9, out->fn_number))
        return false;
    out->data_type = bytes[5];
    memcpy(out->service1, bytes + 7, sizeof out->service1);
    out->document = (uint32_t)bytes[17] << 16 | get_u16be(bytes + 18);
    memcpy(out->service2, bytes + 20, sizeof out->service2);
    out->body = bytes + OFD_CONTAINER_HEADER_SIZE;
    out->size = size - OFD_CONTAINER_HEADER_SIZE;
    return true;
}
