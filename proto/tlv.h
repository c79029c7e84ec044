/* Fiscal TLV: tag u16 LE, length u16 LE, value (FFD, general rules of the electronic form).
 *
 * Readers take (pointer, length), never read past it and never keep the pointer beyond the caller's
 * buffer; values are returned as slices of the input. Nesting (STLV) is read by starting a new
 * reader on the value, so nothing here recurses. Always true: a malformed list is reported once and
 * then stays malformed; a reader never steps over what it could not parse.
 */
#ifndef PROTO_TLV_H
#define PROTO_TLV_H

#include "proto/bytes.h"

#define TLV_HEADER_SIZE 4
#define VLN_SIZE_MAX    8 /* accepted on reading; 6 is what documents may hold */
#define FVLN_SIZE_MAX   8 /* scale byte and mantissa */

struct tlv {
    uint16_t tag;
    uint16_t length; /* of value */
    const uint8_t *value;
};

struct tlv_reader {
    const uint8_t *data;
    size_t size;
    size_t offset; /* of the next header */
};

void tlv_reader_init(struct tlv_reader *reader, const uint8_t *data, size_t size);
/* 1 and *out filled; 0 at the exact end; -1 when a header or value runs past the end. */
int tlv_next(struct tlv_reader *reader, struct tlv *out);
/* The same for the next element with this tag; others are stepped over. */
int tlv_next_tag(struct tlv_reader *reader, uint16_t tag, struct tlv *out);
/* The first element with this tag at the top level of the list. 1 found, 0 absent, -1 malformed
 * before it was found. */
int tlv_find(const uint8_t *data, size_t size, uint16_t tag, struct tlv *out);
/* True when the whole list, top level only, is well formed. */
bool tlv_valid(const uint8_t *data, size_t size);

/* Typed values: false when the length does not suit the type. */
bool tlv_get_u8(const struct tlv *tlv, uint8_t *out);
bool tlv_get_u16(const struct tlv *tlv, uint16_t *out);
bool tlv_get_u32(const struct tlv *tlv, uint32_t *out);
/* VLN: unsigned LE of 1..8 bytes, not necessarily minimal; an empty value reads as 0. */
bool tlv_get_vln(const struct tlv *tlv, uint64_t *out);

/* An exact decimal: mantissa / 10^scale. */
struct decimal {
    uint64_t mantissa;
    uint8_t scale;
};
/* FVLN: one byte scale, then a VLN mantissa; 2..8 bytes. */
bool tlv_get_fvln(const struct tlv *tlv, struct decimal *out);

/* Convenience: find a tag and read it. False when absent or of the wrong length. */
bool tlv_find_u8(const uint8_t *data, size_t size, uint16_t tag, uint8_t *out);
bool tlv_find_u32(const uint8_t *data, size_t size, uint16_t tag, uint32_t *out);
bool tlv_find_vln(const uint8_t *data, size_t size, uint16_t tag, uint64_t *out);

void tlv_put_u8(struct byte_writer *writer, uint16_t tag, uint8_t value);
void tlv_put_u16(struct byte_writer *writer, uint16_t tag, uint16_t value);
void tlv_put_u32(struct byte_writer *writer, uint16_t tag, uint32_t value);
/* Minimal length; zero is one byte 00. */
void tlv_put_vln(struct byte_writer *writer, uint16_t tag, uint64_t value);
void tlv_put_fvln(struct byte_writer *writer, uint16_t tag, struct decimal value);
void tlv_put_bytes(struct byte_writer *writer, uint16_t tag, const void *bytes, size_t size);
/* Fixed-length string: padded right with spaces to width. size must not exceed width. */
void tlv_put_padded(struct byte_writer *writer, uint16_t tag, const void *bytes, size_t size,
                    size_t width);
/* Opens a structured tag; returns the mark that tlv_end needs to fill in the length. */
size_t tlv_begin(struct byte_writer *writer, uint16_t tag);
void tlv_end(struct byte_writer *writer, size_t mark);

#endif
