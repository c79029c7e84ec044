/* Checksums of a session message made right again, so that what they guard is met. */
#ifndef TESTS_FUZZ_OFD_MEND_H
#define TESTS_FUZZ_OFD_MEND_H

#include "proto/crc.h"
#include "proto/ofd.h"

/* The container's checksum, then the header's. Only where the lengths are possible. */
static inline void ofd_mend(uint8_t *message, size_t size)
{
    struct ofd_header header;
    uint8_t *container = message + OFD_HEADER_SIZE;
    if (size < OFD_HEADER_SIZE + OFD_CONTAINER_HEADER_SIZE)
        return;
    uint16_t crc = crc16_update(CRC16_INIT, container, 2);
    crc = crc16_update(crc, container + 4, size - OFD_HEADER_SIZE - 4);
    container[2] = (uint8_t)crc;
    container[3] = (uint8_t)(crc >> 8);
    if (ofd_header_decode(message, size, &header) == 1 &&
        header.body_size == size - OFD_HEADER_SIZE)
        ofd_header_encode(&header, container, message);
}

#endif
