/* The host link, layer 1 and 2: frames, and whole messages made of fragments. LINK.md holds the
 * byte tables; version 1.
 *
 * A frame on the wire is 00 | COBS(header, fragment, CRC-32C) | 00. A zero byte never occurs
 * inside, so after any garbage the next delimiter starts clean: at most the frame that the garbage
 * touched is lost. A message longer than one fragment travels in consecutive frames of the same
 * exchange; a lost fragment loses the message, and the asking side asks again (same key for
 * anything that changes something). One request has one answer, told by exchange number; the board
 * may send events at any time, between frames. Always true: a frame whose CRC, length or version is
 * wrong is never delivered.
 */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "proto/bytes.h"

#define LINK_VERSION      1u
#define LINK_HEADER_SIZE  8u
#define LINK_FRAGMENT_MAX 1024u
#define LINK_MESSAGE_MAX  32768u
#define LINK_CRC_SIZE     4u
#define LINK_FRAME_MAX    (LINK_HEADER_SIZE + LINK_FRAGMENT_MAX + LINK_CRC_SIZE)
#define LINK_WIRE_MAX                                                                              \
    (LINK_FRAME_MAX + LINK_FRAME_MAX / 254u + 1u + 2u) /* COBS overhead, delimiters */

enum link_kind { LINK_REQUEST = 1, LINK_ANSWER = 2, LINK_EVENT = 3 };

struct link_frame {
    uint8_t kind;      /* enum link_kind */
    uint8_t code;      /* enum link_code (proto/link_message.h) */
    uint16_t exchange; /* chosen by the asking side, echoed in the answer */
    uint16_t total;    /* bytes of the whole message */
    uint16_t offset;   /* of this fragment in it */
    const uint8_t *payload;
    size_t length; /* of this fragment */
};

/* Writes one frame with its delimiters. Returns bytes written, 0 when it does not fit. */
size_t link_frame_encode(const struct link_frame *frame, uint8_t *out, size_t capacity);

struct link_decoder {
    uint8_t buffer[LINK_FRAME_MAX]; /* COBS-decoded bytes of the frame under way */
    size_t length;
    uint8_t block_left;   /* COBS: bytes until the next code byte */
    bool block_full;      /* the block was 254 long: no zero follows it */
    bool started;         /* something arrived since the last delimiter */
    bool broken;          /* skip to the next delimiter */
    uint32_t frames_good; /* diagnostics */
    uint32_t frames_bad;
};

void link_decoder_init(struct link_decoder *decoder);
/* Feeds one byte. True: a frame is complete; its payload points into the decoder and is valid until
 * the next byte. */
bool link_decoder_push(struct link_decoder *decoder, uint8_t byte, struct link_frame *out);
/* A short cut in front of link_decoder_push: takes those of the bytes that stand for themselves
 * inside a frame. How many; 0 is no obstacle. */
size_t link_decoder_fill(struct link_decoder *decoder, const uint8_t *bytes, size_t size);

/* Puts fragments together in storage of the caller. Interleaved messages are not supported: a
 * fragment of another message restarts the assembly when its offset is 0 and is dropped otherwise.
 */
struct link_assembler {
    uint8_t *buffer;
    size_t capacity;
    size_t length; /* contiguous bytes so far */
    uint16_t total;
    uint16_t exchange;
    uint8_t kind, code;
    bool active;
};
void link_assembler_init(struct link_assembler *assembler, uint8_t *buffer, size_t capacity);
/* 1: a whole message is in buffer (length bytes; kind, code, exchange set); 0: more is needed;
 * -1: the fragment was dropped; -2: the message is larger than capacity (dropped; kind, code,
 * exchange say which). */
int link_assembler_add(struct link_assembler *assembler, const struct link_frame *frame);

/* Cuts a message into frames: writes the frame that starts at *offset and moves *offset on. Returns
 * wire bytes, 0 when out is too small (needs LINK_WIRE_MAX at most). Done when *offset == size; an
 * empty message is one frame, so call it at least once. */
size_t link_message_frame(uint8_t kind, uint8_t code, uint16_t exchange, const uint8_t *message,
                          size_t size, size_t *offset, uint8_t *out, size_t capacity);

#endif
