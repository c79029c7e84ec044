/* Memory for mbedTLS in one static piece: eight bytes a block beside what was asked for (mbedTLS's
 * own allocator takes 32, which a handshake's fifty small blocks would pay with 1.2 KiB).
 *
 * First fit from the lowest address, neighbours that are free are joined. Always true: the blocks
 * lie one behind the other and fill the pool; no two free ones touch. A block that was overwritten
 * or freed twice is a defect of ours and stops the board (assert). Main loop only.
 */
#ifndef BOARD_MCU_POOL_H
#define BOARD_MCU_POOL_H

#include <stddef.h>
#include <stdint.h>

struct mcu_pool {
    uint64_t *memory;
    uint16_t units; /* of eight bytes, in all */
    uint16_t peak;  /* unit behind the highest that was ever in use: what the pool needed */
};

/* size: at most 512 KiB, a multiple of 8. */
void mcu_pool_init(struct mcu_pool *pool, uint64_t *memory, size_t size);
/* Zeroed, aligned to 8; NULL when there is no piece so long, or none was asked for. */
void *mcu_pool_calloc(struct mcu_pool *pool, size_t count, size_t size);
void mcu_pool_free(struct mcu_pool *pool, void *memory); /* NULL: nothing */
size_t mcu_pool_peak_bytes(const struct mcu_pool *pool);

#endif
