#include "proto/cp866.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

/* B0-DF: shades, frames and blocks. */
static const uint16_t frames[48] = {
    0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557,
    0x255D, 0x255C, 0x255B, 0x2510, 0x2514, 0x2534, 0x252C, 0x251C, 0x2500, 0x253C, 0x255E, 0x255F,
    0x255A, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256C, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559,
    0x2558, 0x2552, 0x2553, 0x256B, 0x256A, 0x2518, 0x250C, 0x2588, 0x2584, 0x258C, 0x2590, 0x2580};

/* F0-FF. */
static const uint16_t last_row[16] = {0x0401, 0x0451, 0x0404, 0x0454, 0x0407, 0x0457,
                                      0x040E, 0x045E, 0x00B0, 0x2219, 0x00B7, 0x221A,
                                      0x2116, 0x00A4, 0x25A0, 0x00A0};

/* What takes the place of a character CP866 lacks, in CP866. The bytes E0 E3 A1 2E is "руб.". */
static const struct replacement {
    uint16_t code_point;
    const char *text;
} replacements[] = {
    {0x00A0, " "},    {0x00A9, "(C)"},
    {0x00AB, "\""},   {0x00AD, ""},
    {0x00AE, "(R)"},  {0x00B1, "+-"},
    {0x00B2, "2"},    {0x00B3, "3"},
    {0x00B4, "'"},    {0x00B9, "1"},
    {0x00BB, "\""},   {0x00BC, "1/4"},
    {0x00BD, "1/2"},  {0x00BE, "3/4"},
    {0x00C6, "AE"},   {0x00D7, "x"},
    {0x00DF, "ss"},   {0x00E6, "ae"},
    {0x0132, "IJ"},   {0x0133, "ij"},
    {0x0152, "OE"},   {0x0153, "oe"},
    {0x02BC, "'"},    {0x0406, "I"},
    {0x0456, "i"},    {0x0490, "\x83"},
    {0x0491, "\xA3"}, {0x1E9E, "SS"},
    {0x2000, " "},    {0x2001, " "},
    {0x2002, " "},    {0x2003, " "},
    {0x2004, " "},    {0x2005, " "},
    {0x2006, " "},    {0x2007, " "},
    {0x2008, " "},    {0x2009, " "},
    {0x200A, " "},    {0x200B, ""},
    {0x200C, ""},     {0x200D, ""},
    {0x200E, ""},     {0x200F, ""},
    {0x2010, "-"},    {0x2011, "-"},
    {0x2012, "-"},    {0x2013, "-"},
    {0x2014, "-"},    {0x2015, "-"},
    {0x2018, "'"},    {0x2019, "'"},
    {0x201A, "'"},    {0x201B, "'"},
    {0x201C, "\""},   {0x201D, "\""},
    {0x201E, "\""},   {0x201F, "\""},
    {0x2022, "\xF9"}, {0x2026, "..."},
    {0x202F, " "},    {0x2032, "'"},
    {0x2033, "\""},   {0x2039, "'"},
    {0x203A, "'"},    {0x2043, "-"},
    {0x205F, " "},    {0x2060, ""},
    {0x20AC, "EUR"},  {0x20BD, "\xE0\xE3\xA1."},
    {0x2122, "(TM)"}, {0x2212, "-"},
    {0x3000, " "},    {0x301D, "\""},
    {0x301E, "\""},   {0xFE0E, ""},
    {0xFE0F, ""},     {0xFEFF, ""},
};

/* U+00C0 to U+017F without their accents; '?' where the letter is not an accented one. */
static const char unaccented[] = "AAAAAA?CEEEEIIIIDNOOOOO?OUUUUY??aaaaaa?ceeeeiiiidnooooo?ouuuuy?y"
                                 "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKkkLlLlLlL"
                                 "lLlNnNnNn?NnOoOoOo??RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
#define UNACCENTED_FIRST 0x00C0u

#define COMBINING_FIRST     0x0300u
#define COMBINING_LAST      0x036Fu
#define COMBINING_BREVE     0x0306u
#define COMBINING_DIAERESIS 0x0308u

uint32_t cp866_code_point(uint8_t byte)
{
    if (byte < 0x80)
        return byte;
    if (byte < 0xB0)
        return 0x0410u + (byte - 0x80u);
    if (byte < 0xE0)
        return frames[byte - 0xB0];
    if (byte < 0xF0)
        return 0x0440u + (byte - 0xE0u);
    return last_row[byte - 0xF0];
}

/* The byte of an ASCII character or of a Russian letter other than Ё and ё, or -1. */
static int cp866_letter(uint32_t code_point)
{
    if (code_point < 0x80)
        return (int)code_point;
    if (code_point >= 0x0410 && code_point < 0x0440)
        return (int)(code_point - 0x0410 + 0x80);
    if (code_point >= 0x0440 && code_point < 0x0450)
        return (int)(code_point - 0x0440 + 0xE0);
    return -1;
}

/* The byte of any other code point, or -1. */
static int cp866_byte(uint32_t code_point)
{
    for (int i = 0; i < 16; i++)
        if (last_row[i] == code_point)
            return 0xF0 + i;
    for (int i = 0; i < 48; i++)
        if (frames[i] == code_point)
            return 0xB0 + i;
    return -1;
}

static const char *replacement_find(uint32_t code_point)
{
    size_t low = 0;
    size_t high = sizeof replacements / sizeof replacements[0];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (replacements[middle].code_point == code_point)
            return replacements[middle].text;
        if (replacements[middle].code_point < code_point)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* One character of well-formed UTF-8 (Unicode table 3-7: no overlong forms, no surrogates). Returns
 * the bytes it takes, 0 when it is malformed or cut. */
static size_t utf8_next(const uint8_t *text, size_t left, uint32_t *code_point)
{
    static const uint32_t least[5] = {0, 0, 0, 0x800, 0x10000};
    uint8_t lead = text[0];
    if (lead < 0x80) {
        *code_point = lead;
        return 1;
    }
    if (lead >= 0xC2 && lead < 0xE0) { /* all Russian letters */
        if (left < 2 || (text[1] & 0xC0) != 0x80)
            return 0;
        *code_point = (lead & 0x1Fu) << 6 | (text[1] & 0x3Fu);
        return 2;
    }
    size_t size = lead >= 0xF0 ? 4 : 3;
    if (lead < 0xE0 || lead > 0xF4 || left < size)
        return 0;
    uint32_t value = lead & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (text[i] & 0x3Fu);
    }
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code_point = value;
    return size;
}

struct cp866_writer {
    uint8_t *out;
    size_t capacity;
    size_t length;
    uint8_t last; /* what stands at length - 1, 0 at the start */
    unsigned lost;
};

static void cp866_put(struct cp866_writer *writer, uint8_t byte)
{
    if (writer->length < writer->capacity)
        writer->out[writer->length] = byte;
    writer->length++;
    writer->last = byte;
}

/* A combining mark after its letter, as file names from some systems spell й and ё. Other marks are
 * accents and disappear. */
static void cp866_combine(struct cp866_writer *writer, uint32_t mark)
{
    static const uint8_t pairs[4][2] = {{0x88, 0x89}, {0xA8, 0xA9}, {0x85, 0xF0}, {0xA5, 0xF1}};
    size_t first = mark == COMBINING_BREVE ? 0 : mark == COMBINING_DIAERESIS ? 2 : 4;
    for (size_t i = first; i < 4 && i < first + 2; i++) {
        if (writer->last == pairs[i][0]) {
            writer->length--;
            cp866_put(writer, pairs[i][1]);
            return;
        }
    }
}

static void cp866_put_code_point(struct cp866_writer *writer, uint32_t code_point)
{
    /* ASCII and the Russian alphabet are all that most texts hold, and nothing replaces them. */
    int direct = cp866_letter(code_point);
    if (direct >= 0) {
        cp866_put(writer, (uint8_t)direct);
        return;
    }
    const char *text = replacement_find(code_point);
    if (text != NULL) {
        for (; *text != 0; text++)
            cp866_put(writer, (uint8_t)*text);
        return;
    }
    int byte = cp866_byte(code_point);
    if (byte < 0 && code_point >= UNACCENTED_FIRST &&
        code_point - UNACCENTED_FIRST < sizeof unaccented - 1)
        byte = (uint8_t)unaccented[code_point - UNACCENTED_FIRST];
    if (byte < 0)
        byte = '?';
    if (byte == '?' && code_point != '?')
        writer->lost++;
    cp866_put(writer, (uint8_t)byte);
}

int cp866_from_utf8(const char *text, size_t length, uint8_t *out, size_t capacity, unsigned *lost)
{
    struct cp866_writer writer = {.out = out, .capacity = out == NULL ? 0 : capacity};
    const uint8_t *bytes = (const uint8_t *)text;
    if (length > INT_MAX / 4)
        return -1;
    for (size_t at = 0; at < length;) {
        uint32_t code_point;
        size_t size = utf8_next(bytes + at, length - at, &code_point);
        if (size == 0)
            return -1;
        at += size;
        bool control = code_point < 0x20 || code_point == 0x7F;
        if (control && code_point != '\r' && code_point != '\n')
            return -1;
        if (code_point >= COMBINING_FIRST && code_point <= COMBINING_LAST)
            cp866_combine(&writer, code_point);
        else
            cp866_put_code_point(&writer, code_point);
    }
    if (lost != NULL)
        *lost = writer.lost;
    return (int)writer.length;
}

size_t cp866_to_utf8(const uint8_t *bytes, size_t length, char *out, size_t capacity)
{
    size_t total = 0;
    size_t kept = 0; /* whole characters that fit, with room for the zero */
    for (size_t i = 0; i < length; i++) {
        uint32_t code_point = cp866_code_point(bytes[i]);
        uint8_t coded[3];
        size_t size;
        if (code_point < 0x80) {
            coded[0] = (uint8_t)code_point;
            size = 1;
        } else if (code_point < 0x800) {
            coded[0] = (uint8_t)(0xC0 | code_point >> 6);
            coded[1] = (uint8_t)(0x80 | (code_point & 0x3F));
            size = 2;
        } else {
            coded[0] = (uint8_t)(0xE0 | code_point >> 12);
            coded[1] = (uint8_t)(0x80 | (code_point >> 6 & 0x3F));
            coded[2] = (uint8_t)(0x80 | (code_point & 0x3F));
            size = 3;
        }
        if (kept == total && total + size < capacity) {
            memcpy(out + total, coded, size);
            kept = total + size;
        }
        total += size;
    }
    if (capacity > 0)
        out[kept] = 0;
    return total;
}
