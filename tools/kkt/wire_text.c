#include "tools/kkt/wire_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kkt/task_field.h"

static int digit_of(int character)
{
    if (character >= '0' && character <= '9')
        return character - '0';
    character |= 0x20;
    return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static bool is_separator(char character)
{
    return character == ' ' || character == '\t' || character == '\n' || character == '\r' ||
           character == ',' || character == '|';
}

/* 1: all of it is hexadecimal text; 0: it is not; -1: text with half a byte in it, which *at names.
 * out may be NULL: measures. */
static int hex_read(const char *text, size_t length, uint8_t *out, size_t *count, size_t *at)
{
    size_t i = 0;
    *count = 0;
    while (i < length) {
        if (is_separator(text[i])) {
            i++;
        } else if (text[i] == ';' || text[i] == '#') {
            while (i < length && text[i] != '\n')
                i++;
        } else if (text[i] == '0' && i + 1 < length && (text[i + 1] | 0x20) == 'x') {
            i += 2;
        } else if (digit_of(text[i]) < 0) {
            return 0;
        } else {
            *at = i;
            if (i + 1 >= length || digit_of(text[i + 1]) < 0)
                return i + 1 >= length || is_separator(text[i + 1]) || text[i + 1] == ';' ? -1 : 0;
            if (out != NULL)
                out[*count] = (uint8_t)(digit_of(text[i]) << 4 | digit_of(text[i + 1]));
            (*count)++;
            i += 2;
        }
    }
    return 1;
}

int wire_text_read(const char *input, size_t input_size, uint8_t **bytes, size_t *size,
                   kkt_error *error)
{
    size_t at = 0;
    int text = hex_read(input, input_size, NULL, size, &at);
    memset(error, 0, sizeof *error);
    if (text < 0) {
        field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input",
                    "character %zu: half a byte; hexadecimal digits come in pairs", at);
        return error->code;
    }
    if (text == 0)
        *size = input_size;
    *bytes = malloc(*size + 1);
    if (*bytes == NULL) {
        field_error(error, ERROR_INTERNAL, 0, 0, "", "out of memory");
        return error->code;
    }
    if (text == 1)
        hex_read(input, input_size, *bytes, size, &at);
    else
        memcpy(*bytes, input, input_size);
    return KKT_OK;
}

char *wire_hex(const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = malloc(size * 2 + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = 0;
    return text;
}

int wire_hex_parse(const char *text, uint8_t **bytes, size_t *size)
{
    size_t length = strlen(text), at;
    *bytes = malloc(length / 2 + 1);
    if (*bytes == NULL)
        return 0;
    if (hex_read(text, length, *bytes, size, &at) == 1)
        return 1;
    free(*bytes);
    *bytes = NULL;
    return 0;
}
