/* How often firmware calls each function of board.h: while idle, and for one receipt of 5 items.
 * The table of board/PORTING.md. The register is whole: real firmware, fiscal module and print head
 * on a virtual clock.
 */
/* NOLINTNEXTLINE(clang-diagnostic-unknown-warning-option) */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "tests/unit/world.h"

#define IDLE_MS 10000u

enum call {
    CALL_FLASH_READ,
    CALL_FLASH_PROGRAM,
    CALL_FLASH_ERASE,
    CALL_FLASH_SYNC,
    CALL_HOST_READ,
    CALL_HOST_WRITE,
    CALL_FN_READ,
    CALL_FN_WRITE,
    CALL_PRINTER_READ,
    CALL_PRINTER_WRITE,
    CALL_GENERATION,
    CALL_DRAWER_PULSE,
    CALL_DRAWER_IS_OPEN,
    CALLS
};
static const char *const names[CALLS] = {
    "flash read",      "flash program", "flash erase",   "flash sync",        "port_read host",
    "port_write host", "port_read FN",  "port_write FN", "port_read printer", "port_write printer",
    "port_generation", "drawer_pulse",  "drawer_is_open"};

static struct world world;
static struct {
    unsigned long calls, bytes;
} counted[CALLS];

static void count(enum call call, long bytes)
{
    counted[call].calls++;
    counted[call].bytes += bytes > 0 ? (unsigned long)bytes : 0;
}

static int flash_read(void *context, uint32_t address, void *data, size_t size)
{
    count(CALL_FLASH_READ, (long)size);
    return world_flash_read(context, address, data, size);
}

static int flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    count(CALL_FLASH_PROGRAM, (long)size);
    return world_flash_program(context, address, data, size);
}

static int flash_erase(void *context, uint32_t address)
{
    count(CALL_FLASH_ERASE, 0);
    return world_flash_erase(context, address);
}

static int flash_sync(void *context)
{
    count(CALL_FLASH_SYNC, 0);
    return world_flash_sync(context);
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    static const enum call calls[] = {CALL_HOST_READ, CALL_FN_READ, CALL_PRINTER_READ};
    int got = world_port_read(context, port, data, size);
    count(calls[port], got);
    return got;
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    static const enum call calls[] = {CALL_HOST_WRITE, CALL_FN_WRITE, CALL_PRINTER_WRITE};
    int taken = world_port_write(context, port, data, size);
    count(calls[port], taken);
    return taken;
}

static uint32_t port_generation(void *context, enum board_port port)
{
    count(CALL_GENERATION, 0);
    return world_generation(context, port);
}

static void drawer_pulse(void *context, uint16_t duration_ms)
{
    count(CALL_DRAWER_PULSE, 0);
    world_drawer_pulse(context, duration_ms);
}

static bool drawer_is_open(void *context)
{
    count(CALL_DRAWER_IS_OPEN, 0);
    return world_drawer_is_open(context);
}

static void print(const char *title)
{
    printf("%s\n", title);
    for (unsigned call = 0; call < CALLS; call++)
        printf("  %-20s %6lu calls %8lu bytes\n", names[call], counted[call].calls,
               counted[call].bytes);
    memset(counted, 0, sizeof counted);
}

int main(void)
{
    uint8_t body[2048];
    world_create(&world, true);
    world.board.flash.read = flash_read;
    world.board.flash.program = flash_program;
    world.board.flash.erase = flash_erase;
    world.board.flash.sync = flash_sync;
    world.board.port_read = port_read;
    world.board.port_write = port_write;
    world.board.port_generation = port_generation;
    world.board.drawer_pulse = drawer_pulse;
    world.board.drawer_is_open = drawer_is_open;
    world_ready(&world, FFD_1_2);
    world_run(&world, 30000);
    memset(counted, 0, sizeof counted);
    world_run(&world, IDLE_MS);
    print("idle, 10 seconds");
    size_t size = world_receipt(body, sizeof body, 1, 5, 10000);
    world_must(world_job(&world, LINK_RECEIPT, 1, body, size));
    world_run(&world, 10000);
    print("a receipt of 5 items, its slip, and the rest of 10 seconds");
    world_destroy(&world);
    return 0;
}
