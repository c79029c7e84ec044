#include "proto/firmware_image.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/sha256.h"

#define HASH_AT      64u
#define SIGNATURE_AT 96u

_Static_assert(SIGNATURE_AT == FIRMWARE_IMAGE_SIGNED_BYTES,
               "the signature covers what is before it");
_Static_assert(SHA256_SIZE == FIRMWARE_IMAGE_HASH_BYTES, "the hash is a SHA-256");

void firmware_image_put(const struct firmware_image *image,
                        uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES])
{
    struct byte_writer writer;
    memset(header, 0, FIRMWARE_IMAGE_HEADER_BYTES);
    byte_writer_init(&writer, header, FIRMWARE_IMAGE_HEADER_BYTES);
    put_u32le(&writer, FIRMWARE_IMAGE_MAGIC);
    put_u16le(&writer, FIRMWARE_IMAGE_FORMAT);
    put_u16le(&writer, FIRMWARE_IMAGE_HEADER_BYTES);
    put_bytes(&writer, image->board, FIRMWARE_IMAGE_BOARD_BYTES);
    put_u32le(&writer, image->address);
    put_u32le(&writer, image->size);
    put_u32le(&writer, image->version);
    memcpy(header + HASH_AT, image->hash, sizeof image->hash);
    memcpy(header + SIGNATURE_AT, image->signature, sizeof image->signature);
}

enum firmware_image_error firmware_image_get(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                                             const struct firmware_image_slot *slot,
                                             struct firmware_image *out)
{
    memset(out, 0, sizeof *out);
    if (get_u32le(header) != FIRMWARE_IMAGE_MAGIC)
        return FIRMWARE_IMAGE_NONE;
    if (get_u16le(header + 4) != FIRMWARE_IMAGE_FORMAT ||
        get_u16le(header + 6) != FIRMWARE_IMAGE_HEADER_BYTES)
        return FIRMWARE_IMAGE_FORMAT_NEW;
    memcpy(out->board, header + 8, FIRMWARE_IMAGE_BOARD_BYTES);
    out->address = get_u32le(header + 24);
    out->size = get_u32le(header + 28);
    out->version = get_u32le(header + 32);
    memcpy(out->hash, header + HASH_AT, sizeof out->hash);
    memcpy(out->signature, header + SIGNATURE_AT, sizeof out->signature);
    if (strcmp(out->board, slot->board) != 0)
        return FIRMWARE_IMAGE_BOARD;
    if (out->address != slot->address)
        return FIRMWARE_IMAGE_ADDRESS;
    if (out->size == 0 || out->size > slot->size - FIRMWARE_IMAGE_HEADER_BYTES)
        return FIRMWARE_IMAGE_SIZE;
    return FIRMWARE_IMAGE_OK;
}

void firmware_image_digest(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                           uint8_t digest[FIRMWARE_IMAGE_HASH_BYTES])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, header, FIRMWARE_IMAGE_SIGNED_BYTES);
    sha256_final(&sha, digest);
}

const char *firmware_image_error_text(enum firmware_image_error error)
{
    static const char *const texts[] = {"in order",
                                        "there is no image",
                                        "made for a newer first stage",
                                        "made for another board",
                                        "made for the other slot",
                                        "too large, or cut short",
                                        "not signed with the maker's key",
                                        "damaged"};
    return (unsigned)error < sizeof texts / sizeof texts[0] ? texts[error] : "?";
}

static char *put_number(char *out, uint32_t number)
{
    char digits[5]; /* at most 65535 */
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

void firmware_version_text(uint32_t version, char out[FIRMWARE_VERSION_TEXT])
{
    out = put_number(out, version >> 16);
    *out++ = '.';
    out = put_number(out, version >> 8 & 0xFFu);
    *out++ = '.';
    out = put_number(out, version & 0xFFu);
    *out = '\0';
}

bool firmware_version_parse(const char *text, uint32_t *version)
{
    static const struct {
        uint32_t most;
        uint8_t shift;
        char end;
    } parts[] = {{0xFFFFu, 16, '.'}, {0xFFu, 8, '.'}, {0xFFu, 0, '\0'}};
    uint32_t out = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint32_t number = 0;
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            number = number * 10u + (uint32_t)(*text - '0');
            if (number > parts[i].most)
                return false;
        }
        if (*text != parts[i].end)
            return false;
        text++;
        out |= number << parts[i].shift;
    }
    *version = out;
    return true;
}
