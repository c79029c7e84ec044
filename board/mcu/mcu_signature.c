/* ECDSA P-256 (FIPS 186-4) of an image's header, by mbedTLS. */
#include "board/mcu/mcu_signature.h"

#include <string.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>

#define COORDINATE 32u
#define POINT      (1u + 2u * COORDINATE)
#define PLAIN      4u /* SEC 1, 2.3.3: an uncompressed point */

bool mcu_signature_right(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                         const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES])
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi r, s;
    uint8_t digest[FIRMWARE_IMAGE_HASH_BYTES];
    uint8_t plain[POINT] = {PLAIN};
    const uint8_t *signature = header + FIRMWARE_IMAGE_SIGNED_BYTES;
    memcpy(plain + 1, key, FIRMWARE_IMAGE_KEY_BYTES);
    firmware_image_digest(header, digest);
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    int result = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1);
    if (result == 0)
        result = mbedtls_ecp_point_read_binary(&group, &point, plain, sizeof plain);
    if (result == 0)
        result = mbedtls_ecp_check_pubkey(&group, &point);
    if (result == 0)
        result = mbedtls_mpi_read_binary(&r, signature, COORDINATE);
    if (result == 0)
        result = mbedtls_mpi_read_binary(&s, signature + COORDINATE, COORDINATE);
    if (result == 0)
        result = mbedtls_ecdsa_verify(&group, digest, sizeof digest, &point, &r, &s);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return result == 0;
}
