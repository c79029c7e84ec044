/* What the simulated board stands on: the functions of struct board (board/board.h). A cut leaves
 * them by longjmp; see sim.h.
 */
#include <stdio.h>

#include "tests/world/check.h"
#include "tests/world/sim_internal.h"

#define DRAWER_OPEN_MS 2000u /* how long a person leaves it open */

/* ---- The board's side ---- */

/* The power went inside a callback: the processor stops here. */
static void stop_if_dead(struct sim *sim)
{
    bool dead = (sim->flash.dead && !sim->runs_on) || fn_unit_is_dead(&sim->fn);
    if (!dead)
        return;
    CHECK(sim->cut_is_set, "harness: a cut outside a turn");
    longjmp(sim->cut, 1);
}

int sim_flash_read(void *context, uint32_t address, void *data, size_t size)
{
    return ram_flash_read(&((struct sim *)context)->flash, address, data, size);
}

int sim_flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    struct sim *sim = context;
    int result = ram_flash_program(&sim->flash, address, data, size);
    stop_if_dead(sim);
    return result;
}

int sim_flash_erase(void *context, uint32_t address)
{
    struct sim *sim = context;
    int result = ram_flash_erase(&sim->flash, address);
    stop_if_dead(sim);
    return result;
}

int sim_flash_sync(void *context)
{
    struct sim *sim = context;
    return ram_flash_sync(&sim->flash);
}

void sim_mark_dirty(void *user, struct ram_flash *flash, uint32_t address, const uint8_t *data,
                    size_t size)
{
    struct sim *sim = user;
    (void)flash;
    (void)data;
    for (uint32_t page = address / DIRTY_PAGE; page <= (address + size - 1) / DIRTY_PAGE; page++)
        sim->dirty[page] = 1;
}

static int fn_read(struct sim *sim, uint8_t *data, size_t size)
{
    size_t got = fnm_output(sim->fn.fnm, data, size, sim->now);
    if (got > 0 && sim_once_in(sim, sim->fn_line.chance_flip))
        data[sim_below(sim, (uint32_t)got)] ^= (uint8_t)(1u << sim_below(sim, 8));
    if (got > 0 && sim_once_in(sim, sim->fn_line.chance_lose))
        return 0;
    return (int)got;
}

static int fn_write(struct sim *sim, const uint8_t *data, size_t size)
{
    struct fn_line *line = &sim->fn_line;
    uint8_t bytes[FN_FRAME_MAX];
    /* A whole frame comes in one write; a single byte is ENQ. */
    if (size > 1 && line->fault_in > 0 && --line->fault_in == 0) {
        if (line->lose_it)
            return (int)size;
        fnm_fault(sim->fn.fnm, line->fault, 0);
    }
    if (sim_once_in(sim, line->chance_lose))
        return (int)size;
    if (sim_once_in(sim, line->chance_flip) && size <= sizeof bytes) {
        memcpy(bytes, data, size);
        bytes[sim_below(sim, (uint32_t)size)] ^= (uint8_t)(1u << sim_below(sim, 8));
        data = bytes;
    }
    fnm_feed(sim->fn.fnm, data, size, sim->now);
    stop_if_dead(sim);
    return (int)size;
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    struct sim *sim = context;
    switch (port) {
    case BOARD_PORT_FN:
        return fn_read(sim, data, size);
    case BOARD_PORT_PRINTER:
        return (int)print_head_output(sim->head, data, size, sim->now);
    default:
        if (!sim->plugged)
            return -1;
        return (int)sim_wire_take(&sim->to_board, data, size);
    }
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    struct sim *sim = context;
    switch (port) {
    case BOARD_PORT_FN:
        return fn_write(sim, data, size);
    case BOARD_PORT_PRINTER:
        return (int)print_head_feed(sim->head, data, size, sim->now);
    default:
        if (!sim->plugged)
            return -1;
        sim_wire_put(sim, &sim->to_host, data, size);
        return (int)size;
    }
}

static uint32_t port_generation(void *context, enum board_port port)
{
    return port == BOARD_PORT_HOST ? ((const struct sim *)context)->generation : 0;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    const struct sim *sim = context;
    return sim->op == NULL ? -1 : operator_net_open(sim->op, endpoint);
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    const struct sim *sim = context;
    if (sim->op != NULL)
        return operator_net_state(sim->op, error, detail);
    *error = BOARD_NET_DOWN;
    *detail = 0;
    return BOARD_NET_FAILED;
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    const struct sim *sim = context;
    return sim->op == NULL ? -1 : operator_net_read(sim->op, data, size);
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    const struct sim *sim = context;
    return sim->op == NULL ? -1 : operator_net_write(sim->op, data, size);
}

static void net_close(void *context)
{
    const struct sim *sim = context;
    if (sim->op != NULL)
        operator_net_close(sim->op);
}

static void drawer_pulse(void *context, uint16_t duration_ms)
{
    struct sim *sim = context;
    (void)duration_ms;
    if (sim->drawer_stuck)
        return; /* nobody sees it */
    sim->pulses++;
    sim->drawer_shuts = sim->now + DRAWER_OPEN_MS;
}

static bool drawer_is_open(void *context)
{
    const struct sim *sim = context;
    return sim->now < sim->drawer_shuts;
}

unix_s sim_calendar(const struct sim *sim)
{
    if (sim->clock_lost)
        return 0;
    return (unix_s)((int64_t)SIM_START + (int64_t)(sim->now / 1000) + sim->calendar_offset);
}

static int clock_set(void *context, unix_s time)
{
    struct sim *sim = context;
    sim->clock_lost = false;
    sim->calendar_offset = (int64_t)time - (int64_t)SIM_START - (int64_t)(sim->now / 1000);
    return 0;
}

static void fill_random(void *context, uint8_t *data, size_t size)
{
    struct sim *sim = context;
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)sim_random(sim);
}

static void trace(void *context, enum board_trace_level level, const char *text)
{
    const struct sim *sim = context;
    if (check_verbose)
        fprintf(stderr, "  %10llu %c %s\n", (unsigned long long)sim->now, "IWE"[level], text);
}

const struct board sim_board_template = {
    .serial = SIM_SERIAL,
    .model = "OpenKKT simulated",
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
    .random = fill_random,
    .trace = trace,
};
