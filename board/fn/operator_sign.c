#include "board/fn/operator_key.h"

#include <string.h>

#include <mbedtls/cipher.h>
#include <mbedtls/cmac.h>

#include "proto/bytes.h"

#define INN_WIDTH    12u
#define NUMBER_WIDTH 16u

static bool cmac(const uint8_t key[OPERATOR_KEY_SIZE], const uint8_t *data, size_t size,
                 uint8_t out[16])
{
    const mbedtls_cipher_info_t *aes = mbedtls_cipher_info_from_type(MBEDTLS_CIPHER_AES_128_ECB);
    return aes != NULL && mbedtls_cipher_cmac(aes, key, 128, data, size, out) == 0;
}

static bool put_text(struct byte_writer *writer, const char *text, size_t width)
{
    size_t length = strlen(text);
    if (length == 0 || length > width)
        return false;
    put_bytes(writer, text, length);
    put_fill(writer, ' ', width - length);
    return true;
}

bool operator_key(const char *ofd_inn, const char *fn_number, uint8_t out[OPERATOR_KEY_SIZE])
{
    static const uint8_t master[OPERATOR_KEY_SIZE] = OPERATOR_DEBUG_MASTER;
    uint8_t data[INN_WIDTH + NUMBER_WIDTH];
    struct byte_writer writer;
    byte_writer_init(&writer, data, sizeof data);
    return put_text(&writer, ofd_inn, INN_WIDTH) && put_text(&writer, fn_number, NUMBER_WIDTH) &&
           cmac(master, data, sizeof data, out);
}

bool operator_sign_receipt(const char *ofd_inn, const char *fn_number, uint32_t document,
                           unix_s received, uint8_t answer_code, uint8_t fpo[OPERATOR_FPO_SIZE])
{
    uint8_t key[OPERATOR_KEY_SIZE];
    uint8_t data[NUMBER_WIDTH + 9];
    struct byte_writer writer;
    byte_writer_init(&writer, data, sizeof data);
    if (!operator_key(ofd_inn, fn_number, key) || !put_text(&writer, fn_number, NUMBER_WIDTH))
        return false;
    put_u32le(&writer, document);
    put_u32le(&writer, received);
    put_u8(&writer, answer_code);
    return cmac(key, data, sizeof data, fpo);
}

bool operator_sign(const char *ofd_inn, const char *fn_number, const uint8_t *stlv, size_t size,
                   uint8_t fpp[OPERATOR_FPP_SIZE])
{
    uint8_t key[OPERATOR_KEY_SIZE];
    uint8_t full[16];
    if (!operator_key(ofd_inn, fn_number, key) || !cmac(key, stlv, size, full))
        return false;
    memcpy(fpp, full, OPERATOR_FPP_SIZE);
    return true;
}
