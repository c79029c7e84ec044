#include "proto/inn.h"

#include <assert.h>
#include <string.h>

#include "proto/crc.h"

#define SEQUENCE_DIGITS 10u
#define INN_DIGITS      12u
#define SERIAL_DIGITS   20u

static bool all_digits(const uint8_t *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return true;
}

/* The check digit over the first `count` digits; the weights of every length are a tail
 * of one row. */
static unsigned check_digit(const uint8_t *digits, size_t count)
{
    static const uint8_t weights[11] = {3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8};
    const uint8_t *weight = weights + (sizeof weights - count);
    unsigned sum = 0;
    assert(count <= sizeof weights);
    for (size_t i = 0; i < count; i++)
        sum += weight[i] * (unsigned)(digits[i] - '0');
    return sum % 11 % 10;
}

static size_t without_spaces(const uint8_t *text, size_t length)
{
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return length;
}

bool inn_valid(const uint8_t *inn, size_t length)
{
    length = without_spaces(inn, length);
    if ((length != 10 && length != 12) || !all_digits(inn, length))
        return false;
    for (size_t checked = length == 10 ? 9 : 10; checked < length; checked++)
        if (check_digit(inn, checked) != (unsigned)(inn[checked] - '0'))
            return false;
    return true;
}

/* Writes text flush right into width places filled with zeros; of a longer text its end. */
static void put_right(uint8_t *out, size_t width, const char *text)
{
    size_t length = without_spaces((const uint8_t *)text, strlen(text));
    size_t used = length < width ? length : width;
    memset(out, '0', width);
    memcpy(out + width - used, text + length - used, used);
}

void rnm_make(const char sequence[10], const char *inn, const char *serial, char out[RNM_DIGITS])
{
    uint8_t input[SEQUENCE_DIGITS + INN_DIGITS + SERIAL_DIGITS];
    memcpy(input, sequence, SEQUENCE_DIGITS);
    put_right(input + SEQUENCE_DIGITS, INN_DIGITS, inn);
    put_right(input + SEQUENCE_DIGITS + INN_DIGITS, SERIAL_DIGITS, serial);
    unsigned crc = crc16_update(CRC16_INIT, input, sizeof input);
    memcpy(out, input, SEQUENCE_DIGITS);
    for (size_t i = RNM_DIGITS; i > SEQUENCE_DIGITS; i--) {
        out[i - 1] = (char)('0' + crc % 10);
        crc /= 10;
    }
}

bool rnm_valid(const uint8_t *rnm, size_t length, const char *inn, const char *serial)
{
    char expected[RNM_DIGITS];
    if (without_spaces(rnm, length) != RNM_DIGITS || !all_digits(rnm, RNM_DIGITS))
        return false;
    rnm_make((const char *)rnm, inn, serial, expected);
    return memcmp(rnm, expected, RNM_DIGITS) == 0;
}
