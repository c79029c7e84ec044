/* How long an ESC/POS command is: the knowledge that lets a head step over what it does not do.
 *
 * Sources: the public command references of TM-style heads. A command is a fixed part (prefix,
 * letter, parameters) and perhaps data whose length stands in the fixed part.
 */
#ifndef BOARD_PRINTER_PRINT_COMMAND_H
#define BOARD_PRINTER_PRINT_COMMAND_H

#include <stddef.h>
#include <stdint.h>

struct print_command {
    size_t fixed;  /* bytes of the fixed part; 0: more bytes are needed to tell */
    uint32_t data; /* bytes of data behind it */
    int until_nul; /* data ends with a NUL instead */
};

/* bytes[0..size) starts with ESC, GS, FS or DLE. */
struct print_command print_command_measure(const uint8_t *bytes, size_t size);

#endif
