/* A firmware image: 256 bytes of header, then the image as it lies in its slot.
 *
 *    0  u32  magic "KKTI"                64  32  SHA-256 of the image
 *    4  u16  format version, 1           96  64  ECDSA P-256 signature (r, s) of the
 *    6  u16  bytes of the header, 256            SHA-256 of bytes 0 to 95
 *    8  16   board, zero padded         160  96  zero
 *   24  u32  address of the slot
 *   28  u32  bytes of the image
 *   32  u32  firmware version: major << 16 | minor << 8 | patch
 *   36  28   zero
 *
 * Numbers are little endian. Always true: nothing of a header is believed before its signature was
 * found right, and nothing of an image before its hash was; both hold for every bit of the slot
 * that is ever executed. A file for people to hand round (.kktfw) is several images one behind the
 * other: the same firmware, linked for each slot of its board.
 */
#ifndef PROTO_FIRMWARE_IMAGE_H
#define PROTO_FIRMWARE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIRMWARE_IMAGE_MAGIC        0x49544B4Bu
#define FIRMWARE_IMAGE_FORMAT       1u
#define FIRMWARE_IMAGE_HEADER_BYTES 256u
#define FIRMWARE_IMAGE_BOARD_BYTES  16u
#define FIRMWARE_IMAGE_HASH_BYTES   32u
#define FIRMWARE_IMAGE_SIGNED_BYTES 96u
#define FIRMWARE_IMAGE_KEY_BYTES    64u /* x, y of the public key, big endian */

enum firmware_image_error {
    FIRMWARE_IMAGE_OK = 0,
    FIRMWARE_IMAGE_NONE = 1, /* there is no header */
    FIRMWARE_IMAGE_FORMAT_NEW = 2,
    FIRMWARE_IMAGE_BOARD = 3,     /* for another board */
    FIRMWARE_IMAGE_ADDRESS = 4,   /* for the other slot */
    FIRMWARE_IMAGE_SIZE = 5,      /* larger than the slot, or cut short */
    FIRMWARE_IMAGE_SIGNATURE = 6, /* not made with the maker's key */
    FIRMWARE_IMAGE_HASH = 7       /* damaged */
};

struct firmware_image {
    char board[FIRMWARE_IMAGE_BOARD_BYTES + 1];
    uint32_t address, size, version;
    uint8_t hash[FIRMWARE_IMAGE_HASH_BYTES];
    uint8_t signature[64];
};

/* What a slot expects of an image in it. */
struct firmware_image_slot {
    const char *board;
    uint32_t address, size; /* of the slot, header included */
};

void firmware_image_put(const struct firmware_image *image,
                        uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES]);
/* Checks form and fit, not the signature. */
enum firmware_image_error firmware_image_get(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                                             const struct firmware_image_slot *slot,
                                             struct firmware_image *out);
/* SHA-256 of what the signature signs. */
void firmware_image_digest(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                           uint8_t digest[FIRMWARE_IMAGE_HASH_BYTES]);
/* English, for people. */
const char *firmware_image_error_text(enum firmware_image_error error);
/* "1.2.3" and back; 14 bytes hold every version and its zero. */
#define FIRMWARE_VERSION_TEXT 14u
void firmware_version_text(uint32_t version, char out[FIRMWARE_VERSION_TEXT]);
bool firmware_version_parse(const char *text, uint32_t *version);

#endif
