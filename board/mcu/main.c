/* OpenKKT on a Cortex-M3: the whole cash register in one loop, on the part of mcu_part.h. */
#include <string.h>

#include "board/board.h"
#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_clock.h"
#include "board/mcu/mcu_drawer.h"
#include "board/mcu/mcu_entropy.h"
#include "board/mcu/mcu_fault.h"
#include "board/mcu/mcu_net.h"
#include "board/mcu/mcu_part.h"
#include "board/mcu/mcu_start.h"
#include "board/mcu/mcu_store.h"
#include "board/mcu/mcu_time.h"
#include "firmware/firmware.h"

#define FAULT_TEXT 120u

/* What the store keeps of faults. */
struct fault_count {
    uint32_t count;
    struct mcu_fault last;
};

static struct till {
    struct board board;
    struct firmware firmware;
    struct mcu_store store;
    struct mcu_clock clock;
    struct mcu_drawer drawer;
    const struct mcu_ether *ether;
    struct moment now;
    char serial[MCU_SERIAL_MAX + 1];
} till;

/* ---- struct board ---- */

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    return mcu_uart_read(mcu_part_uart(port), data, size);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    return mcu_uart_write(mcu_part_uart(port), data, size);
}

/* A bare UART cannot tell who is at its other end. */
static uint32_t port_generation(void *context, enum board_port port)
{
    (void)context, (void)port;
    return 0;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    return mcu_net_open(endpoint, till.now.mono);
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    (void)context;
    return mcu_net_state(error, detail);
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return mcu_net_read(data, size);
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    return mcu_net_write(data, size);
}

static void net_close(void *context)
{
    (void)context;
    mcu_net_close();
}

static void drawer_pulse(void *context, uint16_t duration_ms)
{
    (void)context;
    mcu_drawer_pulse(&till.drawer, duration_ms, till.now.mono);
}

static bool drawer_is_open(void *context)
{
    (void)context;
    return till.drawer.open;
}

static int clock_set(void *context, unix_s time)
{
    (void)context;
    return mcu_clock_set(&till.clock, time, till.now.mono);
}

static void random_fill(void *context, uint8_t *data, size_t size)
{
    (void)context;
    if (mcu_entropy_random(data, size) == 0)
        return;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)mcu_part_ticks();
}

/* Never waits: what the trace's ring has no room for is lost. */
static void trace(void *context, enum board_trace_level level, const char *text)
{
    static const char *const marks[] = {"", "WARNING ", "ERROR "};
    struct mcu_uart *uart = mcu_part_trace();
    const char *mark = marks[level <= TRACE_ERROR ? level : TRACE_ERROR];
    (void)context;
    if (uart == NULL)
        return;
    (void)mcu_uart_write(uart, (const uint8_t *)mark, strlen(mark));
    (void)mcu_uart_write(uart, (const uint8_t *)text, strlen(text));
    (void)mcu_uart_write(uart, (const uint8_t *)"\n", 1);
}

/* ---- start ---- */

static void fill_board(void)
{
    till.board = (struct board){
        .context = NULL,
        .serial = till.serial,
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
    };
    mcu_part_serial(till.serial);
    if (till.serial[0] == '\0')
        memcpy(till.serial, "UNNUMBERED", sizeof "UNNUMBERED");
}

static void tell_fault(void)
{
    struct fault_count kept = {0};
    struct mcu_fault fault;
    char text[FAULT_TEXT];
    if (!mcu_fault_take(&fault))
        return;
    (void)mcu_fault_text(&fault, text, sizeof text);
    trace(NULL, TRACE_ERROR, text);
    if (mcu_store_get(&till.store, MCU_STORE_FAULTS, &kept, sizeof kept) != (int)sizeof kept)
        kept.count = 0;
    kept.count++;
    kept.last = fault;
    (void)mcu_store_put(&till.store, MCU_STORE_FAULTS, &kept, sizeof kept);
}

static int entropy(void *context, uint8_t *data, size_t size)
{
    (void)context;
    return mcu_entropy_random(data, size);
}

static uint64_t utc(void *context)
{
    (void)context;
    return till.now.calendar;
}

static void start(void)
{
    mcu_part_start();
    mcu_time_init();
    interrupts_on();
    mcu_drawer_init(&till.drawer, mcu_part_i2c());
    bool stored = mcu_part_mount(&till.store) == 0;
    if (!stored)
        trace(NULL, TRACE_ERROR, "the board's store cannot be used");
    tell_fault();
    if (!stored || mcu_entropy_init(&till.store) != 0)
        trace(NULL, TRACE_ERROR, "no seed from the factory: no TLS");
    mcu_clock_init(&till.clock, mcu_part_i2c(), stored ? &till.store : NULL);
    till.ether = mcu_part_ether();
    const struct mcu_net_options net = {.ether = till.ether, .random = entropy, .time = utc};
    mcu_net_init(&net);
    fill_board();
    mcu_part_describe(&till.board, stored ? &till.store : NULL);
}

static bool may_sleep(void)
{
    return till.ether->arm(till.ether->context);
}

int main(void)
{
    mcu_part_protect();
    start();
    (void)firmware_init(&till.firmware, &till.board);
    trace(NULL, TRACE_INFO, "OpenKKT " FIRMWARE_VERSION " started");
    for (;;) {
        till.now.mono = mcu_time_ms();
        till.now.calendar = mcu_clock_calendar(&till.clock, till.now.mono);
        uint32_t sleep_ms = firmware_step(&till.firmware, &till.now);
        uint32_t net_ms = mcu_net_step(till.now.mono);
        uint32_t drawer_ms = mcu_drawer_step(&till.drawer, till.now.mono);
        mcu_part_watchdog_feed();
        if (net_ms < sleep_ms)
            sleep_ms = net_ms;
        if (drawer_ms < sleep_ms)
            sleep_ms = drawer_ms;
        mcu_sleep(sleep_ms, may_sleep);
        uint32_t cycles = mcu_part_ticks();
        mcu_entropy_stir(&cycles, sizeof cycles);
    }
}
