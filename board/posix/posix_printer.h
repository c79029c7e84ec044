/* The print head's UART and the hands at the printer (the head itself: board/printer).
 *
 * The head does not say when it will be ready for the next line, so it is given a look every
 * POSIX_PRINTER_TICK_MS while it works and for a while after: status questions alone do not count
 * as work.
 */
#ifndef BOARD_POSIX_PRINTER_H
#define BOARD_POSIX_PRINTER_H

#include "board/board.h"
#include "board/posix/posix_console.h"
#include "board/posix/posix_stream.h"
#include "board/posix/posix_world.h"
#include "board/printer/print_head.h"

#define POSIX_PRINTER_TICK_MS 10u

struct posix_printer {
    struct posix_console *console;
    struct posix_world *world;
    struct print_head *head;
    struct posix_buffer in; /* answers of the head */
    bool refused;           /* the head took less than it was offered */
    mono_ms busy_until, tick_at;
    uint64_t lines, millimetres;
    uint32_t slip;  /* newest one told */
    bool out_after; /* the roll ends at out_at_line */
    uint64_t out_at_line;
};

bool posix_printer_open(struct posix_printer *printer, struct posix_console *console,
                        struct posix_world *world, const struct print_head_options *options);
void posix_printer_close(struct posix_printer *printer);
int posix_printer_read(struct posix_printer *printer, uint8_t *data, size_t size);
int posix_printer_write(struct posix_printer *printer, const uint8_t *data, size_t size,
                        mono_ms now);
/* What people do. All are remembered in the world. */
void posix_printer_set_paper(struct posix_printer *printer, enum print_head_paper paper,
                             mono_ms now);
void posix_printer_set_out_after(struct posix_printer *printer, unsigned lines, mono_ms now);
/* fact: WORLD_COVER_OPEN, WORLD_PRINTER_OFF or WORLD_PRINTER_FAULT. */
void posix_printer_set(struct posix_printer *printer, enum posix_world_fact fact, bool value,
                       mono_ms now);
/* Lets time pass. True: firmware should look at the port. */
bool posix_printer_pump(struct posix_printer *printer, mono_ms now);
uint64_t posix_printer_due_ms(const struct posix_printer *printer, mono_ms now);

#endif
