#include "proto/sha256.h"

#include <assert.h>
#include <string.h>

#include "proto/bytes.h"

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate_right(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

/* One block; the message schedule is kept as a ring of 16 words to spare stack, and the working
 * variables are named as in FIPS 180-4 so that they can be registers. */
static void sha256_block(uint32_t state[8], const uint8_t block[64])
{
    uint32_t ring[16];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned i = 0; i < 16; i++)
        ring[i] = get_u32be(block + 4 * i);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t *word = &ring[i & 15];
        if (i >= 16) {
            uint32_t w15 = ring[(i + 1) & 15];
            uint32_t w2 = ring[(i + 14) & 15];
            *word += ring[(i + 9) & 15] +
                     (rotate_right(w15, 7) ^ rotate_right(w15, 18) ^ w15 >> 3) +
                     (rotate_right(w2, 17) ^ rotate_right(w2, 19) ^ w2 >> 10);
        }
        uint32_t sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t t1 = h + sum1 + choice + round_constants[i] + *word;
        uint32_t sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
        uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void sha256_init(struct sha256 *sha)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(sha->state, start, sizeof start);
    sha->total_bytes = 0;
}

void sha256_update(struct sha256 *sha, const void *bytes, size_t size)
{
    const uint8_t *byte = bytes;
    while (size > 0) {
        size_t used = (size_t)(sha->total_bytes % 64);
        size_t part = 64 - used < size ? 64 - used : size;
        memcpy(sha->block + used, byte, part);
        sha->total_bytes += part;
        byte += part;
        size -= part;
        if (used + part == 64)
            sha256_block(sha->state, sha->block);
    }
}

void sha256_final(struct sha256 *sha, uint8_t digest[SHA256_SIZE])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = sha->total_bytes * 8;
    uint8_t length[8];
    for (unsigned i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    size_t used = (size_t)(sha->total_bytes % 64);
    sha256_update(sha, padding, used < 56 ? 56 - used : 120 - used);
    sha256_update(sha, length, sizeof length);
    assert(sha->total_bytes % 64 == 0);
    for (unsigned i = 0; i < SHA256_SIZE; i++)
        digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}
