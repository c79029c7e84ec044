/* The signature in slices, by mbedTLS's restartable curve arithmetic. */
#include "board/mcu/mcu_signature.h"

#include <string.h>

#include <mbedtls/ecdsa.h>
#include <mbedtls/platform.h>

#define COORDINATE 32u
#define POINT      (1u + 2u * COORDINATE)
#define PLAIN      4u                  /* SEC 1, 2.3.3: an uncompressed point */
#define INTEGER    (3u + COORDINATE)   /* DER: 02 21 00, then the number */
#define PAIR       (2u + 2u * INTEGER) /* 30 46, r, s */

/* Lies in mbedTLS's memory while it is worked on. */
struct work {
    mbedtls_ecdsa_context key;
    mbedtls_ecdsa_restart_ctx restart;
};
static struct work *work;

/* What mbedTLS takes in slices is a signature in DER. */
static void put_pair(const uint8_t signature[2u * COORDINATE], uint8_t pair[PAIR])
{
    static const uint8_t integer[] = {0x02, 1u + COORDINATE, 0x00};
    pair[0] = 0x30;
    pair[1] = PAIR - 2u;
    for (size_t i = 0; i < 2; i++) {
        uint8_t *at = pair + 2u + i * INTEGER;
        memcpy(at, integer, sizeof integer);
        memcpy(at + sizeof integer, signature + i * COORDINATE, COORDINATE);
    }
}

static bool begin(const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES])
{
    uint8_t plain[POINT] = {PLAIN};
    memcpy(plain + 1, key, FIRMWARE_IMAGE_KEY_BYTES);
    work = mbedtls_calloc(1, sizeof *work);
    if (work == NULL)
        return false;
    mbedtls_ecdsa_init(&work->key);
    mbedtls_ecdsa_restart_init(&work->restart);
    return mbedtls_ecp_group_load(&work->key.grp, MBEDTLS_ECP_DP_SECP256R1) == 0 &&
           mbedtls_ecp_point_read_binary(&work->key.grp, &work->key.Q, plain, sizeof plain) == 0 &&
           mbedtls_ecp_check_pubkey(&work->key.grp, &work->key.Q) == 0;
}

static void end(void)
{
    if (work == NULL)
        return;
    mbedtls_ecdsa_restart_free(&work->restart);
    mbedtls_ecdsa_free(&work->key);
    mbedtls_free(work);
    work = NULL;
}

int mcu_signature_step(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES],
                       const uint8_t key[FIRMWARE_IMAGE_KEY_BYTES])
{
    uint8_t digest[FIRMWARE_IMAGE_HASH_BYTES], pair[PAIR];
    if (work == NULL && !begin(key)) {
        end();
        return -1;
    }
    firmware_image_digest(header, digest);
    put_pair(header + FIRMWARE_IMAGE_SIGNED_BYTES, pair);
    int result = mbedtls_ecdsa_read_signature_restartable(&work->key, digest, sizeof digest, pair,
                                                          sizeof pair, &work->restart);
    if (result == MBEDTLS_ERR_ECP_IN_PROGRESS)
        return 0;
    end();
    return result == 0 ? 1 : -1;
}
