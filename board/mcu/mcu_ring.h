/* A ring of bytes between one interrupt handler and the main loop.
 *
 * One side puts, the other takes; neither ever waits or masks interrupts: each index is written by
 * one side only and read whole (16 bits, aligned). The size is a power of two; one byte of it stays
 * unused. What does not fit is dropped and counted: every protocol above has a CRC and asks again.
 */
#ifndef BOARD_MCU_RING_H
#define BOARD_MCU_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mcu_ring {
    uint8_t *data;
    uint16_t mask;             /* size - 1 */
    volatile uint16_t head;    /* next to put; written by the putting side */
    volatile uint16_t tail;    /* next to take; written by the taking side */
    volatile uint32_t dropped; /* bytes that found no room */
};

void mcu_ring_init(struct mcu_ring *ring, uint8_t *data, uint16_t size);
bool mcu_ring_put(struct mcu_ring *ring, uint8_t byte); /* false: dropped */
int mcu_ring_take(struct mcu_ring *ring);               /* 0..255, or -1: empty */
size_t mcu_ring_used(const struct mcu_ring *ring);
size_t mcu_ring_room(const struct mcu_ring *ring);
/* As many as there are, or fit. Nothing is counted as dropped. */
size_t mcu_ring_read(struct mcu_ring *ring, uint8_t *out, size_t capacity);
size_t mcu_ring_write(struct mcu_ring *ring, const uint8_t *bytes, size_t size);

#endif
