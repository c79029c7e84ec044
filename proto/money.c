#include "proto/money.h"

#include <string.h>

#define DIGITS_MAX 20 /* of a 64-bit number */

/* Writes the digits of value without leading zeros, returns how many (at least one). */
static size_t digits_of(uint64_t value, char out[DIGITS_MAX])
{
    char reversed[DIGITS_MAX];
    size_t count = 0;
    do {
        reversed[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

/* Appends one character if a terminating zero still fits after it; counts it in any case. */
static void append(char *out, size_t capacity, size_t *length, char character)
{
    if (*length + 1 < capacity)
        out[*length] = character;
    (*length)++;
}

/* The number digits / 10^scale with exactly `scale` decimals. */
static size_t scaled_format(uint64_t value, size_t scale, char *out, size_t capacity)
{
    char digits[DIGITS_MAX];
    size_t count = digits_of(value, digits);
    size_t length = 0;
    size_t places = count > scale ? count : scale + 1;
    for (size_t place = places; place > 0; place--) {
        if (place == scale)
            append(out, capacity, &length, '.');
        append(out, capacity, &length, place > count ? '0' : digits[count - place]);
    }
    if (capacity > 0)
        out[length < capacity ? length : capacity - 1] = 0;
    return length;
}

size_t money_format(uint64_t kop, char *out, size_t capacity)
{
    return scaled_format(kop, 2, out, capacity);
}

size_t decimal_format(struct decimal d, char *out, size_t capacity)
{
    if (d.mantissa == 0)
        d.scale = 0;
    while (d.scale > 0 && d.mantissa % 10 == 0) {
        d.mantissa /= 10;
        d.scale--;
    }
    return scaled_format(d.mantissa, d.scale, out, capacity);
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* digits [ '.' digits ], the whole of the text. Zeros at the end of the fraction do not count.
 * Fills the positions of both parts. */
static bool number_split(const char *text, size_t length, size_t *whole, const char **fraction,
                         size_t *decimals)
{
    size_t at = 0;
    while (at < length && is_digit(text[at]))
        at++;
    *whole = at;
    *fraction = text + at;
    *decimals = 0;
    if (at == 0)
        return false;
    if (at == length)
        return true;
    if (text[at++] != '.' || at == length)
        return false;
    *fraction = text + at;
    for (; at < length; at++) {
        if (!is_digit(text[at]))
            return false;
        if (text[at] != '0')
            *decimals = (size_t)(text + at + 1 - *fraction);
    }
    return true;
}

static bool digit_append(uint64_t *value, char digit)
{
    uint64_t add = (uint64_t)(digit - '0');
    if (*value > (UINT64_MAX - add) / 10)
        return false;
    *value = *value * 10 + add;
    return true;
}

bool decimal_parse(const char *text, size_t length, unsigned scale_max, struct decimal *out)
{
    size_t whole, decimals;
    const char *fraction;
    if (!number_split(text, length, &whole, &fraction, &decimals))
        return false;
    if (decimals > scale_max || decimals > UINT8_MAX)
        return false;
    uint64_t mantissa = 0;
    for (size_t i = 0; i < whole; i++)
        if (!digit_append(&mantissa, text[i]))
            return false;
    for (size_t i = 0; i < decimals; i++)
        if (!digit_append(&mantissa, fraction[i]))
            return false;
    out->mantissa = mantissa;
    out->scale = (uint8_t)decimals;
    return true;
}

bool money_parse(const char *text, size_t length, uint64_t *kop, bool *too_precise)
{
    size_t whole, decimals;
    const char *fraction;
    bool number = number_split(text, length, &whole, &fraction, &decimals);
    bool precise = number && decimals > 2;
    if (too_precise != NULL)
        *too_precise = precise;
    struct decimal value;
    if (!number || precise || !decimal_parse(text, length, 2, &value))
        return false;
    for (; value.scale < 2; value.scale++)
        if (!digit_append(&value.mantissa, '0'))
            return false;
    *kop = value.mantissa;
    return true;
}
