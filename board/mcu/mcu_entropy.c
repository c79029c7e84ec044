/* The pool is the digest of everything that ever came in. What is given out is a digest of the pool
 * under another label, and the pool moves on before it is given: neither shows the other. */
#include "board/mcu/mcu_entropy.h"

#include <string.h>

#include "proto/sha256.h"

enum label {
    LABEL_POOL = 1, /* what the seed makes of the pool */
    LABEL_SEED,     /* the seed of the next start */
    LABEL_OUT,
    LABEL_NEXT,
    LABEL_STIR
};

static struct {
    uint8_t pool[SHA256_SIZE];
    uint8_t heap[64]; /* stirred, not yet in the pool */
    uint8_t heap_size;
    bool seeded;
} entropy;

static void digest(enum label label, uint8_t number, const void *data, size_t size,
                   uint8_t out[SHA256_SIZE])
{
    const uint8_t head[] = {(uint8_t)label, number};
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, head, sizeof head);
    sha256_update(&sha, entropy.pool, sizeof entropy.pool);
    sha256_update(&sha, data, size);
    sha256_final(&sha, out);
}

/* An erased or zeroed piece of flash is no seed. */
static bool is_blank(const uint8_t *seed)
{
    for (size_t i = 1; i < MCU_ENTROPY_SEED_BYTES; i++) {
        if (seed[i] != seed[0])
            return false;
    }
    return true;
}

int mcu_entropy_init(struct mcu_store *store)
{
    uint8_t seed[MCU_ENTROPY_SEED_BYTES], next[2 * SHA256_SIZE];
    entropy.seeded = false;
    if (mcu_store_get(store, MCU_STORE_SEED, seed, sizeof seed) != (int)sizeof seed ||
        is_blank(seed))
        return -1;
    digest(LABEL_SEED, 0, seed, sizeof seed, next);
    digest(LABEL_SEED, 1, seed, sizeof seed, next + SHA256_SIZE);
    /* Durable before a byte is given out: after a cut no start repeats what this one gave. */
    if (mcu_store_put(store, MCU_STORE_SEED, next, MCU_ENTROPY_SEED_BYTES) != 0)
        return -1;
    digest(LABEL_POOL, 0, seed, sizeof seed, entropy.pool);
    entropy.seeded = true;
    return 0;
}

/* Every turn of the loop brings a few bytes, and a digest costs thousands of instructions. */
static void stir_in(void)
{
    digest(LABEL_STIR, entropy.heap_size, entropy.heap, entropy.heap_size, entropy.pool);
    entropy.heap_size = 0;
}

void mcu_entropy_stir(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        entropy.heap[entropy.heap_size++] = bytes[i];
        if (entropy.heap_size == sizeof entropy.heap)
            stir_in();
    }
}

int mcu_entropy_random(uint8_t *data, size_t size)
{
    uint8_t block[SHA256_SIZE];
    if (!entropy.seeded)
        return -1;
    if (entropy.heap_size > 0)
        stir_in();
    while (size > 0) {
        size_t piece = size < sizeof block ? size : sizeof block;
        digest(LABEL_OUT, 0, NULL, 0, block);
        digest(LABEL_NEXT, 0, NULL, 0, entropy.pool);
        memcpy(data, block, piece);
        data += piece;
        size -= piece;
    }
    memset(block, 0, sizeof block);
    return 0;
}
