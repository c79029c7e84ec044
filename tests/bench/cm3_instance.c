/* The one instance of the firmware in static memory, as a port keeps it: its size is the RAM a port
 * needs. Never run. */
#include "firmware/firmware.h"

static struct firmware instance;
extern const struct board cm3_board;
uint32_t cm3_entry(void);

const struct board cm3_board = {.serial = "0", .model = "size only"};

uint32_t cm3_entry(void)
{
    static const struct moment start;
    (void)firmware_init(&instance, &cm3_board);
    return firmware_step(&instance, &start);
}

/* What assert() of newlib wants from a port: stop. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier): newlib's name */
void __assert_func(const char *file, int line, const char *function, const char *text);
void __assert_func(const char *file, int line, const char *function, const char *text)
{
    (void)file;
    (void)line;
    (void)function;
    (void)text;
    for (;;) {
    }
}
