#include "tests/world/sim.h"

#include <stdio.h>

#include "proto/crc.h"
#include "tests/world/check.h"
#include "tests/world/rare.h"
#include "tests/world/sim_internal.h"

#define QUIET_JUMP_MS 500u
#define IDLE_JUMP_MS  60000u  /* an idle world is looked at once a minute */
#define TURNS_MAX     200000u /* without time moving: somebody spins */

struct sim_snapshot {
    uint8_t *bytes, *weak;
    bool any_weak;
    uint32_t *sector_erases;
    mono_ms now;
    int64_t calendar_offset;
    bool clock_lost;
    uint32_t pulses;
    mono_ms drawer_shuts;
};

const struct sim_geometry sim_geometries[] = {
    {4096, 256, 0xFF, 16}, {4096, 512, 0xFF, 16},  {4096, 1, 0xFF, 16},    {4096, 256, 0x00, 16},
    {4096, 512, 0x00, 16}, {4096, 1, 0x00, 16},    {32768, 256, 0xFF, 9},  {32768, 512, 0xFF, 9},
    {32768, 1, 0xFF, 9},   {32768, 256, 0x00, 9},  {32768, 512, 0x00, 9},  {32768, 1, 0x00, 9},
    {65536, 256, 0xFF, 8}, {65536, 512, 0xFF, 8},  {65536, 1, 0xFF, 8},    {65536, 256, 0x00, 8},
    {65536, 512, 0x00, 8}, {65536, 1, 0x00, 8},    {262144, 256, 0xFF, 7}, {262144, 512, 0xFF, 7},
    {262144, 1, 0xFF, 7},  {262144, 256, 0x00, 7}, {262144, 512, 0x00, 7}, {262144, 1, 0x00, 7},
};
const unsigned sim_geometry_count = sizeof sim_geometries / sizeof sim_geometries[0];

const char *sim_geometry_name(const struct sim_geometry *geometry, char out[24])
{
    snprintf(out, 24, "%uK/%u/%02X", geometry->unit / 1024, geometry->page, geometry->erased);
    return out;
}

/* ---- Dice ---- */

uint32_t sim_random(struct sim *sim)
{
    sim->dice += 0x9E3779B97F4A7C15u;
    uint64_t mixed = sim->dice;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(mixed >> 32);
}

uint32_t sim_below(struct sim *sim, uint32_t limit)
{
    return limit == 0 ? 0 : (uint32_t)(((uint64_t)sim_random(sim) * limit) >> 32);
}

bool sim_once_in(struct sim *sim, uint32_t chance)
{
    return chance != 0 && sim_below(sim, chance) == 0;
}

static mono_ms board_time(const struct sim *sim)
{
    return sim->now - sim->started_at + 1;
}

/* ---- Making ---- */

static void open_head(struct sim *sim)
{
    struct print_head_options options = {
        .columns = 48, .on_slip = paper_take, .context = &sim->paper};
    print_head_close(sim->head);
    sim->head = print_head_open(&options);
    CHECK(sim->head != NULL, "harness: no print head");
}

void sim_create(struct sim *sim, const struct sim_geometry *geometry, uint64_t seed,
                bool with_operator)
{
    memset(sim, 0, sizeof *sim);
    rare_belongs_to(sim);
    sim->geometry = *geometry;
    sim->dice = seed;
    uint32_t size = geometry->unit * geometry->units;
    ram_flash_init(&sim->flash, size, geometry->unit, geometry->page, geometry->erased);
    sim->flash.random_state = seed * 2 + 1;
    sim->flash.before = sim_mark_dirty;
    sim->flash.before_user = sim;
    sim->dirty = calloc(1, size / DIRTY_PAGE + 1);
    CHECK(sim->dirty != NULL, "harness: out of memory");
    sim->board = sim_board_template;
    sim->board.context = sim;
    ram_flash_board(&sim->flash, &sim->board);
    sim->board = sim_board_template;
    sim->board.context = sim;
    sim->board.flash = (struct board_flash){.size = size,
                                            .sector_size = geometry->unit,
                                            .page_size = geometry->page,
                                            .erased = geometry->erased,
                                            .read = sim_flash_read,
                                            .program = sim_flash_program,
                                            .erase = sim_flash_erase,
                                            .sync = sim_flash_sync};
    paper_init(&sim->paper);
    open_head(sim);
    fn_unit_open(&sim->fn, 1, seed);
    if (with_operator) {
        sim->op = operator_create((uint32_t)seed);
        CHECK(sim->op != NULL, "harness: out of memory");
    }
    sim->now = 1000;
    sim->plugged = true;
    link_client_init(&sim->client, (uint16_t)sim_random(sim));
}

static void drop_snapshot(struct sim *sim)
{
    if (sim->snapshot == NULL)
        return;
    free(sim->snapshot->bytes);
    free(sim->snapshot->weak);
    free(sim->snapshot->sector_erases);
    free(sim->snapshot);
    sim->snapshot = NULL;
}

void sim_destroy(struct sim *sim)
{
    rare_belongs_to(NULL);
    drop_snapshot(sim);
    fn_unit_close(&sim->fn);
    print_head_close(sim->head);
    operator_destroy(sim->op);
    paper_free(&sim->paper);
    ram_flash_free(&sim->flash);
    free(sim->dirty);
    memset(sim, 0, sizeof *sim);
}

/* ---- Power ---- */

void sim_cut_flash(struct sim *sim, uint64_t n, enum ram_tear tear)
{
    sim->flash.cut_at = 0;
    if (n > 0)
        ram_flash_cut_in(&sim->flash, n, tear);
}

void sim_cut_next_boot(struct sim *sim, uint64_t n, enum ram_tear tear)
{
    sim->boot_cut = n;
    sim->boot_tear = tear;
}

void sim_cut_fn(struct sim *sim, uint64_t n, enum fn_memory_tear tear)
{
    fn_unit_cut(&sim->fn, n, tear, sim_random(sim));
}

void sim_power_off(struct sim *sim)
{
    if (!sim->powered)
        return;
    sim->powered = false;
    sim->off_since = sim->now;
    sim->power_cuts++;
    sim->generation++;
    sim_wire_empty(&sim->to_board);
    if (sim->op != NULL)
        operator_board_reset(sim->op);
}

uint16_t sim_power_on(struct sim *sim)
{
    sim_power_off(sim);
    ram_flash_power_on(&sim->flash);
    sim_cut_flash(sim, sim->boot_cut, sim->boot_tear);
    sim->boot_cut = 0;
    fn_unit_power_cycle(&sim->fn);
    print_head_power_cycle(sim->head);
    sim->started_at = sim->now;
    sim->generation++;
    sim_wire_empty(&sim->to_board);
    sim_wire_empty(&sim->to_host);
    link_client_reset(&sim->client);
    sim->powered = true;
    sim->cut_is_set = true;
    if (setjmp(sim->cut) == 0)
        sim->boot_error = firmware_init(&sim->firmware, &sim->board);
    else
        sim_power_off(sim);
    sim->cut_is_set = false;
    if (sim->powered && sim->flash.dead)
        sim_power_off(sim);
    return sim->powered ? sim->boot_error : ERROR_LINK_LOST;
}

void sim_person(struct sim *sim, mono_ms power_after, mono_ms plug_after)
{
    sim->power_after = power_after;
    sim->plug_after = plug_after;
}

/* What the person does when it is time. */
static void person_acts(struct sim *sim)
{
    if (!sim->plugged && sim->plug_after > 0 && sim->now >= sim->unplugged_since + sim->plug_after)
        sim_plug(sim, true);
    if (!sim->powered && sim->power_after > 0 && sim->now >= sim->off_since + sim->power_after)
        (void)sim_power_on(sim);
}

/* Without power time goes on, at most to the moment it comes back. */
static void wait_in_the_dark(struct sim *sim, mono_ms until)
{
    mono_ms back = sim->off_since + sim->power_after;
    if (sim->power_after > 0 && back < until)
        until = back;
    sim->now = until > sim->now ? until : sim->now + 1;
}

void sim_swap_fn(struct sim *sim, unsigned number)
{
    CHECK(!sim->powered, "harness: an FN is changed without power");
    fn_unit_close(&sim->fn);
    fn_unit_open(&sim->fn, number, sim->dice);
    sim->confirmed_told = 0;
}

/* ---- Time ---- */

/* Events that wait for a driver which asks nothing now keep nobody awake. */
static bool wires_empty(const struct sim *sim)
{
    return sim->to_board.start == sim->to_board.end &&
           (sim->driver_holds || sim->to_host.start == sim->to_host.end);
}

bool sim_is_idle(const struct sim *sim)
{
    const struct cash_register *reg = &sim->firmware.cash_register;
    const struct printer *printer = &sim->firmware.printer;
    uint8_t line = sim->firmware.ofd.report.connection;
    return sim->powered && wires_empty(sim) && reg->phase == REGISTER_IDLE && !reg->job.attached &&
           printer->known && printer->status_asked == 0 && printer->slip_count == 0 &&
           (printer->paper & (PRINTER_SILENT | PRINTER_FAULT)) == 0 && reg->state.owed_count == 0 &&
           sim->firmware.fn.owner == FN_OWNER_NONE && (line == OFD_IDLE || line == OFD_RETRY);
}

/* Nothing is on its way: no byte in a cable, no slip between board and head, no answer of the FN.
 * What the firmware does then it does by its own clock, a few times a second at most. */
static bool is_quiet(const struct sim *sim)
{
    const struct printer *printer = &sim->firmware.printer;
    bool blocked =
        (printer->paper & (PAPER_OUT | COVER_OPEN | PRINTER_SILENT | PRINTER_FAULT)) != 0;
    bool waits = sim->firmware.cash_register.phase <= REGISTER_IDLE;
    return wires_empty(sim) && waits && printer->known && printer->status_asked == 0 &&
           (printer->slip_count == 0 || blocked) && !sim->firmware.drawer.sensing;
}

static mono_ms earlier(mono_ms one, mono_ms other)
{
    return one < other ? one : other;
}

/* A moment of the board's own clock, unless it has passed. */
static mono_ms board_moment(const struct sim *sim, mono_ms moment)
{
    mono_ms then = sim->started_at + moment;
    return then > sim->now ? then : UINT64_MAX;
}

/* When something can happen next, if nobody touches the world before. */
static mono_ms next_moment(const struct sim *sim, uint32_t sleep_ms)
{
    const struct firmware *firmware = &sim->firmware;
    mono_ms next = sim->now + sleep_ms;
    if (sim_is_idle(sim))
        next = sim->now + IDLE_JUMP_MS;
    else if (is_quiet(sim))
        next = sim->now + QUIET_JUMP_MS;
    if (next > sim->now + sleep_ms) {
        next = earlier(next, board_moment(sim, firmware->ofd.next_attempt));
        next = earlier(next, board_moment(sim, firmware->fn.deadline));
        next = earlier(next, board_moment(sim, firmware->cash_register.retry_at));
    }
    uint64_t fn_due = fnm_output_due_ms(sim->fn.fnm, sim->now);
    if (fn_due != UINT64_MAX)
        next = earlier(next, sim->now + fn_due);
    if (sim->op != NULL)
        next = earlier(next, operator_due(sim->op));
    if (!sim->plugged && sim->plug_after > 0)
        next = earlier(next, sim->unplugged_since + sim->plug_after);
    return next > sim->now ? next : sim->now + 1;
}

/* Nothing that lives on this frame is used after a cut. */
static void step_board(struct sim *sim)
{
    sim->cut_is_set = true;
    if (setjmp(sim->cut) == 0) {
        struct moment now = {board_time(sim), sim_calendar(sim)};
        sim->sleep_ms = firmware_step(&sim->firmware, &now);
    } else {
        sim_power_off(sim);
    }
    sim->cut_is_set = false;
    if (sim->powered && sim->flash.dead)
        sim_power_off(sim); /* it ran on for the rest of the turn */
}

void sim_turn(struct sim *sim, mono_ms until)
{
    person_acts(sim);
    if (!sim->powered) {
        wait_in_the_dark(sim, until);
        return;
    }
    if (sim->op != NULL)
        (void)operator_step(sim->op, sim->now);
    step_board(sim);
    if (!sim->powered)
        return;
    uint32_t sleep_ms = sim->sleep_ms;
    print_head_step(sim->head, sim->now);
    if (!sim->driver_holds)
        sim_pump_host(sim);
    if (sleep_ms == 0) {
        CHECK(++sim->turns < TURNS_MAX, "I14: the firmware does not come to rest");
        return;
    }
    sim->turns = 0;
    mono_ms next = next_moment(sim, sleep_ms);
    sim->now = next < until ? next : until > sim->now ? until : sim->now + 1;
}

void sim_run(struct sim *sim, mono_ms duration)
{
    mono_ms until = sim->now + duration;
    while (sim->now < until)
        sim_turn(sim, until);
}

bool sim_settle(struct sim *sim, mono_ms at_most)
{
    mono_ms until = sim->now + at_most;
    while ((sim->powered || sim->power_after > 0) && sim->now < until) {
        mono_ms before = sim->now;
        sim_turn(sim, sim->now + 20);
        if (sim->now > before && sim_is_idle(sim))
            return true;
    }
    return false;
}

/* ---- Snapshots ---- */

static void *copy_of(const void *from, size_t size)
{
    void *copy = malloc(size);
    CHECK(copy != NULL, "harness: out of memory");
    memcpy(copy, from, size);
    return copy;
}

void sim_save(struct sim *sim)
{
    const struct ram_flash *flash = &sim->flash;
    CHECK(sim_is_idle(sim), "harness: a snapshot needs an idle world");
    drop_snapshot(sim);
    sim->snapshot = calloc(1, sizeof *sim->snapshot);
    CHECK(sim->snapshot != NULL, "harness: out of memory");
    *sim->snapshot = (struct sim_snapshot){
        .bytes = copy_of(flash->bytes, flash->size),
        .weak = copy_of(flash->weak, flash->size),
        .any_weak = flash->any_weak,
        .sector_erases =
            copy_of(flash->sector_erases, flash->size / flash->sector_size * sizeof(uint32_t)),
        .now = sim->now,
        .calendar_offset = sim->calendar_offset,
        .clock_lost = sim->clock_lost,
        .pulses = sim->pulses,
        .drawer_shuts = sim->drawer_shuts,
    };
    memset(sim->dirty, 0, flash->size / DIRTY_PAGE + 1);
    fn_unit_save(&sim->fn);
}

void sim_restore(struct sim *sim)
{
    struct ram_flash *flash = &sim->flash;
    const struct sim_snapshot *snapshot = sim->snapshot;
    CHECK(snapshot != NULL, "harness: no snapshot");
    sim_power_off(sim);
    for (uint32_t page = 0; page * DIRTY_PAGE < flash->size; page++) {
        if (sim->dirty[page] == 0)
            continue;
        sim->dirty[page] = 0;
        memcpy(flash->bytes + page * DIRTY_PAGE, snapshot->bytes + page * DIRTY_PAGE, DIRTY_PAGE);
        memcpy(flash->weak + page * DIRTY_PAGE, snapshot->weak + page * DIRTY_PAGE, DIRTY_PAGE);
    }
    memcpy(flash->sector_erases, snapshot->sector_erases,
           flash->size / flash->sector_size * sizeof(uint32_t));
    flash->any_weak = snapshot->any_weak;
    ram_flash_power_on(flash);
    flash->fault_at = 0;
    flash->fault_stays = false;
    fn_unit_restore(&sim->fn);
    sim->now = snapshot->now;
    sim->calendar_offset = snapshot->calendar_offset;
    sim->clock_lost = snapshot->clock_lost;
    sim->pulses = snapshot->pulses;
    sim->drawer_shuts = snapshot->drawer_shuts;
    sim->turns = 0;
    sim->plugged = true;
    sim->power_after = sim->plug_after = 0;
    sim->fn_line = (struct fn_line){0};
    sim->confirmed_told = 0;
    sim_wire_clear(sim);
    paper_reset(&sim->paper);
    open_head(sim);
}

uint32_t sim_digest(const struct sim *sim)
{
    uint32_t crc = crc32c_update(CRC32C_INIT, sim->flash.bytes, sim->flash.size);
    uint32_t parts[4] = {fn_unit_digest(&sim->fn), sim->paper.digest,
                         sim->op != NULL ? operator_digest(sim->op) : 0, sim->pulses};
    return crc32c_update(crc, (const uint8_t *)parts, sizeof parts);
}
