#include "board/printer/print_command.h"

#include <string.h>

/* Letters with that many parameter bytes; every letter not listed has none. */
static unsigned parameters(uint8_t prefix, uint8_t letter)
{
    static const struct {
        uint8_t prefix, count;
        const char *letters;
    } table[] = {
        {0x1B, 1, "! %-3=EGJKMRTVadetu{?r"},
        {0x1B, 2, "$\\c"},
        {0x1B, 3, "p&"},
        {0x1B, 8, "W"},
        {0x1D, 1, "!/BHITabfhrw"},
        {0x1D, 2, "$LPW\\"},
        {0x1D, 3, "^"},
        {0x1C, 1, "!-CW"},
        {0x1C, 2, "Sp"},
        {0x1C, 4, "?2"},
    };
    if (letter == 0)
        return 0;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].prefix == prefix && strchr(table[i].letters, letter) != NULL)
            return table[i].count;
    return 0;
}

static struct print_command made(size_t fixed, size_t size, uint32_t data)
{
    struct print_command command = {size >= fixed ? fixed : 0, data, 0};
    return command;
}

static uint32_t le16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static struct print_command measure_esc(const uint8_t *bytes, size_t size)
{
    if (bytes[1] == '*') { /* bit image: m nL nH, columns of 1 or 3 bytes */
        if (size < 5)
            return made(5, size, 0);
        return made(5, size, le16(bytes + 3) * (bytes[2] >= 32 ? 3u : 1u));
    }
    if (bytes[1] == 'D') { /* tab stops */
        struct print_command command = {2, 0, 1};
        return command;
    }
    return made(2 + parameters(0x1B, bytes[1]), size, 0);
}

static struct print_command measure_gs(const uint8_t *bytes, size_t size)
{
    struct print_command until_nul = {3, 0, 1};
    switch (bytes[1]) {
    case '(':
        return size < 5 ? made(5, size, 0) : made(5, size, le16(bytes + 3));
    case '8': /* p1..p4 after the function letter */
        if (size < 7)
            return made(7, size, 0);
        return made(7, size, le16(bytes + 3) | le16(bytes + 5) << 16);
    case 'V':
        return size < 3 ? made(3, size, 0)
                        : made(bytes[2] == 65 || bytes[2] == 66 ? 4 : 3, size, 0);
    case 'k': /* bar code: m, then NUL-terminated (m < 65) or counted */
        if (size < 3)
            return made(3, size, 0);
        if (bytes[2] < 65)
            return until_nul;
        return size < 4 ? made(4, size, 0) : made(4, size, bytes[3]);
    case 'v': /* raster image: '0' m xL xH yL yH */
        if (size < 8)
            return made(8, size, 0);
        return made(8, size, le16(bytes + 4) * le16(bytes + 6));
    case '*': /* downloaded image: x y */
        return size < 4 ? made(4, size, 0) : made(4, size, (uint32_t)bytes[2] * bytes[3] * 8u);
    case 'g':
        return made(4, size, 0);
    default:
        return made(2 + parameters(0x1D, bytes[1]), size, 0);
    }
}

struct print_command print_command_measure(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return made(2, size, 0);
    switch (bytes[0]) {
    case 0x1B:
        return measure_esc(bytes, size);
    case 0x1D:
        return measure_gs(bytes, size);
    case 0x1C:
        if (bytes[1] == '(')
            return size < 5 ? made(5, size, 0) : made(5, size, le16(bytes + 3));
        return made(2 + parameters(0x1C, bytes[1]), size, 0);
    default: /* DLE: EOT n, ENQ n, DC4 fn ... that were not recognised when received */
        return made(bytes[1] == 0x04 || bytes[1] == 0x05 ? 3 : 2, size, 0);
    }
}
