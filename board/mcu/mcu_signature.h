/* The maker's signature of an image: ECDSA P-256 (FIPS 186-4) over the SHA-256 of the header's
 * first 96 bytes, by mbedTLS and out of its memory. */
#ifndef BOARD_MCU_SIGNATURE_H
#define BOARD_MCU_SIGNATURE_H

#include "proto/firmware_image.h"

/* True when it was made with the key's other half. Takes tens of millions of instructions. */
bool mcu_signature_right(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                         const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES]);
/* The same in slices of some million instructions: 1 right, -1 wrong or no memory, 0 call again
 * with the same two. One at a time; a slice's length is what mcu_net set for handshakes. */
int mcu_signature_step(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                       const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES]);

#endif
