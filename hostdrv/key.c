#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "hostdrv/kkt.h"
#include "proto/error.h"
#include "proto/sha256.h"

#define KEY_TEXT_MAX 64u

int kkt_key_random(kkt_key *out)
{
    size_t have = 0;
    while (have < sizeof out->bytes) {
        ssize_t got = getrandom(out->bytes + have, sizeof out->bytes - have, 0);
        if (got < 0 && errno != EINTR)
            return ERROR_INTERNAL;
        if (got > 0)
            have += (size_t)got;
    }
    out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0Fu) | 0x40u); /* RFC 4122: version 4 */
    out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3Fu) | 0x80u); /* variant 1 */
    return KKT_OK;
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    if (character >= 'a' && character <= 'f')
        return character - 'a' + 10;
    if (character >= 'A' && character <= 'F')
        return character - 'A' + 10;
    return -1;
}

/* Dashes count only where a UUID has them; anything else is a text of its own. */
static bool parse_hex(const char *text, size_t length, kkt_key *out)
{
    bool dashed = length == 36;
    if (!dashed && length != 32)
        return false;
    size_t digits = 0;
    for (size_t i = 0; i < length; i++) {
        if (dashed && (i == 8 || i == 13 || i == 18 || i == 23)) {
            if (text[i] != '-')
                return false;
            continue;
        }
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        uint8_t *byte = &out->bytes[digits / 2];
        *byte = (uint8_t)(digits % 2 == 0 ? digit << 4 : *byte | digit);
        digits++;
    }
    return digits == 32;
}

int kkt_key_parse(const char *text, kkt_key *out)
{
    size_t length = strnlen(text, KEY_TEXT_MAX + 1);
    if (length == 0)
        return ERROR_FIELD_MISSING;
    if (length > KEY_TEXT_MAX)
        return ERROR_FIELD_LENGTH;
    kkt_key parsed;
    if (!parse_hex(text, length, &parsed)) {
        struct sha256 sha;
        uint8_t digest[SHA256_SIZE];
        sha256_init(&sha);
        sha256_update(&sha, text, length);
        sha256_final(&sha, digest);
        memcpy(parsed.bytes, digest, sizeof parsed.bytes);
    }
    *out = parsed;
    return KKT_OK;
}

void kkt_key_format(const kkt_key *key, char out[37])
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        out[at++] = digits[key->bytes[i] >> 4];
        out[at++] = digits[key->bytes[i] & 15];
    }
    out[at] = '\0';
}
