/* The whole cash register: what a board's main loop calls.
 *
 * A port keeps one `struct firmware` in static memory, calls firmware_init() after reset and then
 * firmware_step() whenever bytes arrived, a port can take bytes again, or the time it returned has
 * come. Everything happens inside that call, on that one stack; nothing blocks except flash
 * (board.h says how long).
 */
#ifndef FIRMWARE_FIRMWARE_H
#define FIRMWARE_FIRMWARE_H

#include "board/board.h"
#include "firmware/cash_register.h"
#include "firmware/drawer.h"
#include "firmware/fn_client.h"
#include "firmware/journal.h"
#include "firmware/link_server.h"
#include "firmware/ofd_client.h"
#include "firmware/printer.h"
#include "firmware/settings.h"
#include "firmware/update.h"

#define FIRMWARE_VERSION OPENKKT_VERSION /* of the build: the file VERSION */

struct firmware {
    const struct board *board;
    struct journal_scratch scratch; /* of both journals: settings and jobs take turns */
    struct settings settings;
    struct journal journal;
    struct fn_client fn;
    struct printer printer;
    struct drawer drawer;
    struct ofd_settings ofd_settings;
    struct ofd_client ofd;
    struct link_server link;
    struct cash_register cash_register;
    struct update update;
    uint16_t boot_error; /* enum error_code; not 0: only identity and status are answered */
};

/* Mounts flash and prepares every part; returns the boot error (ERROR_NONE normally). The board
 * must outlive it. */
uint16_t firmware_init(struct firmware *firmware, const struct board *board);
/* One turn. Returns how many milliseconds the port may sleep when no byte moves; 0: call again at
 * once. */
uint32_t firmware_step(struct firmware *firmware, const struct moment *now);

#endif
