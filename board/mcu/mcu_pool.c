#include "board/mcu/mcu_pool.h"

#include <assert.h>
#include <string.h>

#define UNIT      sizeof(uint64_t)
#define MARK_USED 0x75736564u
#define MARK_FREE 0x66726565u

struct block {
    uint16_t units;  /* with this head */
    uint16_t before; /* units of the block in front; 0: the first */
    uint32_t mark;
};

_Static_assert(sizeof(struct block) == UNIT, "a head is one unit");

static struct block *block_at(const struct mcu_pool *pool, unsigned unit)
{
    return (struct block *)(pool->memory + unit);
}

void mcu_pool_init(struct mcu_pool *pool, uint64_t *memory, size_t size)
{
    assert(size >= 2 * UNIT && size / UNIT <= UINT16_MAX);
    pool->memory = memory;
    pool->units = (uint16_t)(size / UNIT);
    pool->peak = 0;
    *block_at(pool, 0) = (struct block){pool->units, 0, MARK_FREE};
}

/* Tells the block behind how long the one in front of it is now. */
static void join_behind(const struct mcu_pool *pool, unsigned unit)
{
    unsigned behind = unit + block_at(pool, unit)->units;
    if (behind < pool->units)
        block_at(pool, behind)->before = block_at(pool, unit)->units;
}

static void split(const struct mcu_pool *pool, unsigned unit, unsigned units)
{
    struct block *block = block_at(pool, unit);
    unsigned rest = block->units - units;
    if (rest < 2)
        return; /* a head with nothing behind it serves nobody */
    block->units = (uint16_t)units;
    *block_at(pool, unit + units) = (struct block){(uint16_t)rest, (uint16_t)units, MARK_FREE};
    join_behind(pool, unit + units);
}

void *mcu_pool_calloc(struct mcu_pool *pool, size_t count, size_t size)
{
    size_t units;
    if (count == 0 || size == 0 || size > pool->units * UNIT / count)
        return NULL;
    units = 1 + (count * size + UNIT - 1) / UNIT;
    for (unsigned unit = 0; unit < pool->units; unit += block_at(pool, unit)->units) {
        struct block *block = block_at(pool, unit);
        assert(block->units > 0 && (block->mark == MARK_FREE || block->mark == MARK_USED));
        if (block->mark != MARK_FREE || block->units < units)
            continue;
        split(pool, unit, (unsigned)units);
        block->mark = MARK_USED;
        if (unit + block->units > pool->peak)
            pool->peak = (uint16_t)(unit + block->units);
        memset(block + 1, 0, (block->units - 1u) * UNIT);
        return block + 1;
    }
    return NULL;
}

void mcu_pool_free(struct mcu_pool *pool, void *memory)
{
    struct block *block;
    unsigned unit, behind;
    if (memory == NULL)
        return;
    unit = (unsigned)((uint64_t *)memory - pool->memory) - 1u;
    assert(unit < pool->units && block_at(pool, unit)->mark == MARK_USED);
    block = block_at(pool, unit);
    block->mark = MARK_FREE;
    behind = unit + block->units;
    if (behind < pool->units && block_at(pool, behind)->mark == MARK_FREE)
        block->units = (uint16_t)(block->units + block_at(pool, behind)->units);
    if (block->before != 0 && block_at(pool, unit - block->before)->mark == MARK_FREE) {
        unit -= block->before;
        block_at(pool, unit)->units = (uint16_t)(block_at(pool, unit)->units + block->units);
        block->mark = 0; /* no head any more: freed again, it is found out */
    }
    join_behind(pool, unit);
}

size_t mcu_pool_peak_bytes(const struct mcu_pool *pool)
{
    return pool->peak * UNIT;
}
