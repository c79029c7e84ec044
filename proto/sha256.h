/* SHA-256 (FIPS 180-4), used for one purpose: the digest of a job's content, by which the board
 * tells "the same job again" from "the same key with other content". Our own because firmware is
 * freestanding and must not depend on which TLS library a board brings; tests compare it with
 * mbedTLS.
 */
#ifndef PROTO_SHA256_H
#define PROTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32

struct sha256 {
    uint32_t state[8];
    uint64_t total_bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_update(struct sha256 *sha, const void *bytes, size_t size);
void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);

#endif
