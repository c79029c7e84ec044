#include "board/null/board_null.h"

#include <string.h>

/* SPI flash: send READ (03h), address, clock size bytes in. Internal flash: memcpy. */
static int flash_read(void *context, uint32_t address, void *data, size_t size)
{
    (void)context, (void)address, (void)data, (void)size;
    return -1;
}

/* WRITE ENABLE (06h), PAGE PROGRAM (02h), poll the busy bit. Never crosses a page. Check the part's
 * error flag, and return only when the bits are in the cells: firmware answers the host on the
 * strength of it. */
static int flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context, (void)address, (void)data, (void)size;
    return -1;
}

/* SECTOR ERASE (20h), poll the busy bit, feed the watchdog meanwhile: it may take 400 ms and, on a
 * worn part, 2 s. */
static int flash_erase(void *context, uint32_t address)
{
    (void)context, (void)address;
    return -1;
}

/* Real NOR has nothing to do. A part behind a write cache flushes it here. */
static int flash_sync(void *context)
{
    (void)context;
    return 0;
}

/* Takes what the receive interrupt or DMA has put into the port's ring. HOST over USB: bytes of the
 * bulk endpoint, or usb_device_read of firmware/usb_device.h; return -1 while the cable is out. A
 * ring that overflowed drops bytes: every protocol above has a CRC and asks again. */
static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context, (void)port, (void)data, (void)size;
    return 0;
}

/* Puts bytes into the port's transmit ring; takes only what fits. The print head's ring must honour
 * its flow control (DTR or XOFF). */
static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context, (void)port, (void)data, (void)size;
    return 0;
}

/* Grows when a new peer may be at the other end: USB configured, DTR raised. A bare UART cannot
 * tell and stays at 0. */
static uint32_t port_generation(void *context, enum board_port port)
{
    const struct board_null *null = context;
    return port == BOARD_PORT_HOST ? null->host_generation : 0;
}

/* Starts connecting: an lwIP socket or the modem's AT commands; TLS with board/tls over it. Copy
 * the host name, it is gone after the call. */
static int net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context, (void)endpoint;
    return -1;
}

/* Lets the connection move on as well, when no interrupt does. Gives up connecting after 30 s. */
static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    (void)context;
    if (error != NULL)
        *error = BOARD_NET_DOWN;
    if (detail != NULL)
        *detail = 0;
    return BOARD_NET_FAILED;
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    (void)context, (void)data, (void)size;
    return -1;
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    (void)context, (void)data, (void)size;
    return -1;
}

static void net_close(void *context)
{
    (void)context;
}

/* Switches the solenoid on and starts a timer that switches it off: a solenoid left on burns out,
 * so the timer must not depend on the main loop. */
static void drawer_pulse(void *context, uint16_t duration_ms)
{
    (void)context, (void)duration_ms;
}

/* The micro switch, debounced. A drawer without one reports shut. */
static bool drawer_is_open(void *context)
{
    (void)context;
    return false;
}

/* Writes the battery-backed clock. */
static int clock_set(void *context, unix_s time)
{
    (void)context, (void)time;
    return -1;
}

/* The hardware generator, or a generator seeded from the chip's number and noise of an ADC: it only
 * spreads retries. TLS keys need true entropy, which board/tls asks for by itself. */
static void random_fill(void *context, uint8_t *data, size_t size)
{
    (void)context;
    memset(data, 0, size);
}

/* A debug UART or nothing at all; must not wait for a listener. */
static void trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context, (void)level, (void)text;
}

void board_null_init(struct board_null *null, struct board *board)
{
    memset(null, 0, sizeof(*null));
    *board = (struct board){
        .context = null,
        .serial =
            "0", /* from the factory sector: printed on the case, registered with the tax office */
        .model = "Null board",
        .flash = {.size =
                      1024u *
                      1024u, /* 8 sectors at least: 4 for settings, the rest for the job journal */
                  .sector_size = 4096u,
                  .page_size = 256u,
                  .erased = 0xFF,
                  .read = flash_read,
                  .program = flash_program,
                  .erase = flash_erase,
                  .sync = flash_sync},
        .port_read = port_read,
        .port_write = port_write,
        .port_generation = port_generation,
        .net_open = net_open,
        .net_state = net_state,
        .net_read = net_read,
        .net_write = net_write,
        .net_close = net_close,
        .drawer_pulse = drawer_pulse,
        .drawer_is_open = drawer_is_open,
        .clock_set = clock_set,
        .random = random_fill,
        .trace = trace,
        /* With two slots for firmware: board/mps2/mps2_update.c is the whole of it. */
        .update = NULL,
    };
}
