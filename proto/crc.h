/* The two checksums of the project, both resumable and without tables in RAM.
 *
 * CRC-16/CCITT-FALSE (poly 1021, init FFFF, not reflected) guards FN frames, OFD session headers
 * and containers and the registration number. CRC-32C (Castagnoli, reflected) guards the host link
 * and the journal. check("123456789") = 29B1 and E3069283.
 */
#ifndef PROTO_CRC_H
#define PROTO_CRC_H

#include <stddef.h>
#include <stdint.h>

#define CRC16_INIT  0xFFFFu
#define CRC32C_INIT 0u

/* Continues a CRC-16/CCITT-FALSE from crc (CRC16_INIT to start). */
uint16_t crc16_update(uint16_t crc, const void *bytes, size_t size);
/* Continues a CRC-32C from crc (CRC32C_INIT to start); pre- and post-inversion are inside. */
uint32_t crc32c_update(uint32_t crc, const void *bytes, size_t size);
/* The same without the PC's instruction: what a microcontroller runs. */
uint32_t crc32c_by_table(uint32_t crc, const void *bytes, size_t size);

#endif
