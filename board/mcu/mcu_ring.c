#include "board/mcu/mcu_ring.h"

#include <assert.h>

void mcu_ring_init(struct mcu_ring *ring, uint8_t *data, uint16_t size)
{
    assert(size >= 2 && (size & (size - 1u)) == 0);
    ring->data = data;
    ring->mask = (uint16_t)(size - 1u);
    ring->head = ring->tail = 0;
    ring->dropped = 0;
}

bool mcu_ring_put(struct mcu_ring *ring, uint8_t byte)
{
    uint16_t head = ring->head;
    uint16_t next = (uint16_t)((head + 1u) & ring->mask);
    if (next == ring->tail) {
        ring->dropped++;
        return false;
    }
    ring->data[head] = byte;
    /* The byte is there before the index says so: one core, and head is volatile. */
    __atomic_signal_fence(__ATOMIC_RELEASE);
    ring->head = next;
    return true;
}

int mcu_ring_take(struct mcu_ring *ring)
{
    uint16_t tail = ring->tail;
    if (tail == ring->head)
        return -1;
    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    int byte = ring->data[tail];
    __atomic_signal_fence(__ATOMIC_RELEASE);
    ring->tail = (uint16_t)((tail + 1u) & ring->mask);
    return byte;
}

size_t mcu_ring_used(const struct mcu_ring *ring)
{
    return (size_t)((uint16_t)(ring->head - ring->tail) & ring->mask);
}

size_t mcu_ring_room(const struct mcu_ring *ring)
{
    return ring->mask - mcu_ring_used(ring);
}

size_t mcu_ring_read(struct mcu_ring *ring, uint8_t *out, size_t capacity)
{
    size_t count = 0;
    while (count < capacity) {
        int byte = mcu_ring_take(ring);
        if (byte < 0)
            break;
        out[count++] = (uint8_t)byte;
    }
    return count;
}

size_t mcu_ring_write(struct mcu_ring *ring, const uint8_t *bytes, size_t size)
{
    size_t count = mcu_ring_room(ring);
    if (count > size)
        count = size;
    for (size_t i = 0; i < count; i++)
        (void)mcu_ring_put(ring, bytes[i]);
    return count;
}
