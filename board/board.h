/* What firmware stands on: the whole outside world of the cash register, as one object.
 *
 * A port fills in `struct board` and calls firmware_init() once and firmware_step() for ever
 * (firmware/firmware.h). Every function is called from that one loop, never from an interrupt, and
 * gets `context` back as its first argument. Unless it says otherwise it must return at once;
 * nothing here may call back into firmware. board/null is the template of a port; board/posix is a
 * PC that plays the board.
 *
 * I/O results have three ways: > 0 done, 0 nothing now, < 0 dead until reopened. Zero never means
 * closed.
 */
#ifndef BOARD_BOARD_H
#define BOARD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/calendar.h"

typedef uint64_t mono_ms; /* monotonic milliseconds since start; never mixes with unix_s */

/* The one clock, read by the port once a turn of its loop and passed down as a parameter. */
struct moment {
    mono_ms mono;
    unix_s calendar; /* local wall clock; 0: the clock was never set */
};

enum board_port {
    BOARD_PORT_HOST = 0,   /* the shop's computer: serial, USB or, on the emulated board, TCP */
    BOARD_PORT_FN = 1,     /* UART of the fiscal storage module, 115200 8N1 */
    BOARD_PORT_PRINTER = 2 /* UART of the print head (ESC/POS) */
};

/* Flash for the journal: NOR rules. Addresses are bytes from 0. */
struct board_flash {
    uint32_t size;        /* bytes, a multiple of sector_size */
    uint32_t sector_size; /* erase unit */
    uint32_t page_size;   /* a program may not cross a page boundary */
    uint8_t erased;       /* value of an erased byte: FF (or 00 on parts with inverted cells) */
    /* All three: 0 done, < 0 the part reported an error. */
    int (*read)(void *context, uint32_t address, void *data, size_t size);
    /* May only turn erased bits into programmed ones. Blocks for the part's page time
     * (about 1 ms). */
    int (*program)(void *context, uint32_t address, const void *data, size_t size);
    /* One sector. May block for hundreds of ms: firmware calls it only when no job waits. */
    int (*erase)(void *context, uint32_t address);
    /* Returns when everything programmed is safe from a power cut. Real NOR: nothing to do. */
    int (*sync)(void *context);
};

enum board_net_state {
    BOARD_NET_CLOSED = 0,
    BOARD_NET_CONNECTING = 1,
    BOARD_NET_OPEN = 2,
    BOARD_NET_FAILED = 3
};
enum board_net_error {
    BOARD_NET_OK = 0,
    BOARD_NET_DOWN = 1 /* no link or address */,
    BOARD_NET_NAME = 2,
    BOARD_NET_REFUSED = 3,
    BOARD_NET_TIMEOUT = 4,
    BOARD_NET_TLS = 5 /* handshake or certificate */,
    BOARD_NET_LOST = 6
};
struct board_endpoint {
    const char *host; /* name or address, zero-terminated; valid during the call only */
    uint16_t port;
    bool tls;
    const uint8_t *ca; /* DER certificate that the server's chain must end in; used when tls */
    size_t ca_size;
};

/* How firmware is replaced over the host link. A board has two slots: one runs, one is free. */
enum board_update_state {
    BOARD_UPDATE_NONE = 0,      /* nothing was ever offered, or it was not started yet */
    BOARD_UPDATE_TRIAL = 1,     /* started, not confirmed */
    BOARD_UPDATE_CONFIRMED = 2, /* the last one offered runs */
    BOARD_UPDATE_ROLLED_BACK = 3
};
struct board_update {
    const char *name;                /* what images must be made for, up to 16 characters */
    const struct board_flash *flash; /* holds the free slot; context is the board's */
    uint32_t base;                   /* of the free slot in it, a sector's beginning */
    uint32_t address;                /* what an image for it is linked for */
    uint32_t size;                   /* bytes of the slot, header included */
    uint32_t version;                /* of the running image; 0: not known */
    /* The maker's signature of an image's header: 1 right, -1 wrong, 0 call again (it may work in
     * slices, since the whole takes tens of millions of instructions). The network is closed
     * meanwhile, its memory may be used. */
    int (*check)(void *context, const uint8_t *header);
    /* The free slot holds an image that is whole and signed: it is started from the next reset on,
     * and given up when it does not confirm itself. Durable when it returns 0. */
    int (*offer)(void *context, uint32_t version);
    /* The running image works. Durable when it returns 0. */
    int (*confirm)(void *context);
    /* What became of the image offered last, and its version. */
    enum board_update_state (*state)(void *context, uint32_t *version);
    /* Resets the board; on real ones it does not return. */
    void (*restart)(void *context);
};

enum board_trace_level { TRACE_INFO = 0, TRACE_WARNING = 1, TRACE_ERROR = 2 };

struct board {
    void *context;
    const char *serial; /* factory number, 1..20 ASCII characters, constant */
    const char *model;  /* up to 48 */
    uint8_t columns;    /* characters a line of this board's paper holds: 32, 42 or 48; a setting
                           overrides it. 0: 48 */
    struct board_flash flash;

    /* Byte streams. read: bytes read (> 0), 0 nothing, < 0 nobody is there. write: bytes taken. A
     * new peer on BOARD_PORT_HOST is told by port_generation growing: the link server then forgets
     * half-received frames. */
    int (*port_read)(void *context, enum board_port port, uint8_t *data, size_t size);
    int (*port_write)(void *context, enum board_port port, const uint8_t *data, size_t size);
    uint32_t (*port_generation)(void *context, enum board_port port);

    /* One outgoing stream connection at a time; TLS is the board's business (board/tls). net_open
     * starts connecting; the port itself gives up after 30 s. */
    int (*net_open)(void *context, const struct board_endpoint *endpoint);
    enum board_net_state (*net_state)(void *context, enum board_net_error *error, uint32_t *detail);
    int (*net_read)(void *context, uint8_t *data, size_t size);
    int (*net_write)(void *context, const uint8_t *data, size_t size);
    void (*net_close)(void *context);

    /* Cash drawer: one pulse of the solenoid; the sensor. */
    void (*drawer_pulse)(void *context, uint16_t duration_ms);
    bool (*drawer_is_open)(void *context);

    int (*clock_set)(void *context, unix_s time);              /* 0 done */
    void (*random)(void *context, uint8_t *data, size_t size); /* for jitter, not for keys */
    /* One line for people: English, no end of line. Never needed for correct work. */
    void (*trace)(void *context, enum board_trace_level level, const char *text);
    /* NULL: this board's firmware is replaced in another way. */
    const struct board_update *update;
};

#endif
