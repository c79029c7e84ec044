/* Bounded byte stream for writing, and fixed-width reads.
 *
 * One type serves every encoder of the project. A writer never writes past its capacity: it
 * remembers that it overflowed and goes on counting, so `length` is always the size the output
 * would need. A writer with a NULL buffer only measures. Always true: bytes at and above `capacity`
 * are untouched.
 *
 * Byte order is in every function name (le = least significant byte first, be = the reverse).
 */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_writer {
    uint8_t *data;   /* NULL: measure only */
    size_t capacity; /* bytes at data */
    size_t length;   /* bytes written, or that would have been written */
};

/* Starts writing at data (capacity bytes, owned by the caller). data may be NULL: measures only. */
void byte_writer_init(struct byte_writer *writer, uint8_t *data, size_t capacity);
/* True when everything written so far fitted (always true for a measuring writer). */
bool byte_writer_ok(const struct byte_writer *writer);

void put_u8(struct byte_writer *writer, uint8_t value);
void put_u16le(struct byte_writer *writer, uint16_t value);
void put_u32le(struct byte_writer *writer, uint32_t value);
void put_u16be(struct byte_writer *writer, uint16_t value);
void put_u32be(struct byte_writer *writer, uint32_t value);
/* The low `size` bytes of value, least significant first; size is 1..8. */
void put_uint_le(struct byte_writer *writer, uint64_t value, size_t size);
void put_bytes(struct byte_writer *writer, const void *bytes, size_t size);
/* `count` copies of value. */
void put_fill(struct byte_writer *writer, uint8_t value, size_t count);
/* Overwrites two bytes written earlier at offset (both inside the written part). */
void patch_u16le(struct byte_writer *writer, size_t offset, uint16_t value);

/* In the header because compilers make one load of each. */
static inline uint16_t get_u16le(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | (unsigned)bytes[1] << 8);
}

static inline uint32_t get_u32le(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static inline uint16_t get_u16be(const uint8_t *bytes)
{
    return (uint16_t)((unsigned)bytes[0] << 8 | bytes[1]);
}

static inline uint32_t get_u32be(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
           (uint32_t)bytes[3];
}

/* size is 1..8. */
uint64_t get_uint_le(const uint8_t *bytes, size_t size);

#endif
