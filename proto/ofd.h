/* The link to the fiscal data operator: session header (30 bytes) and container header (32 bytes)
 * of the KKT-OFD protocol v1.1.006. The container is built inside the FN; the register only adds
 * the session header.
 */
#ifndef PROTO_OFD_H
#define PROTO_OFD_H

#include "proto/bytes.h"

#define OFD_HEADER_SIZE           30u
#define OFD_CONTAINER_HEADER_SIZE 32u
#define OFD_BODY_MAX              32768u
#define OFD_ANSWER_TIMEOUT_S      300u

enum ofd_flags {
    OFD_FLAG_CRC_HEADER = 0x0001,
    OFD_FLAG_CRC_ALL = 0x0002,
    OFD_FLAG_CRC_MASK = 0x0003,
    OFD_FLAG_CONTAINER = 0x0004,
    OFD_FLAG_EXPECTS_ANSWER = 0x0010
};
#define OFD_FLAGS_MESSAGE 0x0014u

struct ofd_header {
    uint8_t protocol[2]; /* P-version bytes as on the wire: 01 05, 01 10, 01 20 */
    char fn_number[17];  /* ASCII, trailing spaces removed, and a zero */
    uint16_t body_size;
    uint16_t flags;
    uint16_t crc;
};
/* P-version bytes of a document format (enum ffd_version). */
void ofd_protocol_version(uint8_t ffd, uint8_t out[2]);
/* Writes the header; when flags ask for a CRC it is computed (body may be NULL unless
 * OFD_FLAG_CRC_ALL). */
void ofd_header_encode(const struct ofd_header *header, const uint8_t *body,
                       uint8_t out[OFD_HEADER_SIZE]);
/* 1: good. 0: size < 30. -1: signature, S-version, flags or size are wrong. The CRC is not checked
 * here. */
int ofd_header_decode(const uint8_t *bytes, size_t size, struct ofd_header *out);
/* Checks the CRC the flags ask for; true when they ask for none. header_bytes: 30 as received. */
bool ofd_header_crc_ok(const uint8_t header_bytes[OFD_HEADER_SIZE], const uint8_t *body,
                       size_t body_size);

struct ofd_container {
    uint8_t data_type; /* form code; 7 for a confirmation */
    char fn_number[17];
    uint32_t document; /* 24 bits on the wire */
    uint8_t service1[2];
    uint8_t service2[12];
    const uint8_t *body; /* after the 32-byte header */
    size_t size;
};
/* Writes header and body with length and CRC. service2 of a document ends with the plain length,
 * big endian (4 + STLV). Returns bytes, 0 when it does not fit. */
size_t ofd_container_encode(const struct ofd_container *container, uint8_t *out, size_t capacity);
/* True when length, type byte, version and CRC are right. Extra bytes after the stated length are
 * an error. */
bool ofd_container_decode(const uint8_t *bytes, size_t size, struct ofd_container *out);

#endif
