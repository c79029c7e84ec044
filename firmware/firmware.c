#include "firmware/firmware.h"

#include <string.h>

#include "firmware/register_internal.h"
#include "proto/rare.h"

#define IDLE_SLEEP_MS 20u

static void replay(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct firmware *firmware = user;
    register_state_apply(&firmware->cash_register.state, record, payload);
}

static void checkpoint(void *user, struct byte_writer *writer)
{
    const struct firmware *firmware = user;
    register_state_put(&firmware->cash_register.state, writer);
}

static uint16_t mount(struct firmware *firmware)
{
    const struct board_flash *flash = &firmware->board->flash;
    uint32_t sectors = flash->size / flash->sector_size;
    struct journal_region settings = {0, SETTINGS_SECTORS, &firmware->scratch};
    struct journal_region jobs = {SETTINGS_SECTORS, sectors - SETTINGS_SECTORS, &firmware->scratch};
    uint16_t error = settings_mount(&firmware->settings, firmware->board, settings);
    if (error != ERROR_NONE)
        return error;
    return journal_mount(&firmware->journal, firmware->board, jobs, replay, checkpoint, firmware);
}

static uint8_t columns_set(const struct firmware *firmware)
{
    uint8_t columns =
        settings_u8(&firmware->settings, TAG_SETTING_COLUMNS, firmware->board->columns);
    return columns == 0 ? LIMIT_PAPER_COLUMNS_MAX : columns;
}

/* Passes settings on to those who hold copies. */
static void spread_settings(struct firmware *firmware)
{
    struct ofd_settings *ofd = &firmware->ofd_settings;
    const struct settings *settings = &firmware->settings;
    struct tlv ca;
    memset(ofd, 0, sizeof(*ofd));
    (void)settings_string(settings, TAG_SETTING_OFD_HOST, ofd->host, sizeof(ofd->host));
    ofd->port = settings_u16(settings, TAG_SETTING_OFD_PORT, 0);
    ofd->tls = settings_u8(settings, TAG_SETTING_OFD_TLS, 0) != 0;
    if (settings_find(settings, TAG_SETTING_OFD_CA, &ca)) {
        ofd->ca = ca.value;
        ofd->ca_size = ca.length;
    }
    ofd->retry_max_s = settings_u16(settings, TAG_SETTING_OFD_RETRY_S, 0);
    bool autonomous = settings_u8(settings, TAG_AUTONOMOUS_MODE, 0) != 0;
    ofd->ffd = cash_register_ffd(&firmware->cash_register);
    ofd->enabled = !autonomous && cash_register_registered(&firmware->cash_register);
    firmware->printer.columns = columns_set(firmware);
    ofd_client_restart(&firmware->ofd);
}

uint16_t firmware_init(struct firmware *firmware, const struct board *board)
{
    memset(firmware, 0, sizeof(*firmware));
    firmware->board = board;
    register_state_init(&firmware->cash_register.state);
    firmware->boot_error = mount(firmware);
    fn_client_init(&firmware->fn, board);
    printer_init(&firmware->printer, board, columns_set(firmware));
    drawer_init(&firmware->drawer, board);
    ofd_client_init(&firmware->ofd, board, &firmware->fn, &firmware->ofd_settings);
    link_server_init(&firmware->link, board);
    struct cash_register *reg = &firmware->cash_register;
    reg->board = board;
    reg->settings = &firmware->settings;
    reg->journal = &firmware->journal;
    reg->fn = &firmware->fn;
    reg->printer = &firmware->printer;
    reg->drawer = &firmware->drawer;
    reg->ofd = &firmware->ofd;
    reg->link = &firmware->link;
    reg->update = &firmware->update;
    update_init(&firmware->update, board);
    reg->boot_error = firmware->boot_error;
    cash_register_init(reg);
    if (firmware->boot_error != ERROR_NONE)
        register_trace(reg, TRACE_ERROR, "flash: cannot be used, error ", firmware->boot_error);
    return firmware->boot_error;
}

/* Work that may block for an erase waits until nothing else does. */
static bool tidy(struct firmware *firmware)
{
    const struct cash_register *reg = &firmware->cash_register;
    if (firmware->boot_error != ERROR_NONE || reg->phase != REGISTER_IDLE || firmware->link.ready ||
        firmware->link.sending)
        return false;
    return journal_maintain(&firmware->journal) || journal_maintain(&firmware->settings.journal);
}

/* A restart now would tear nothing: no job, no document between INTENT and DONE, no slip half on
 * paper (but one that waits for the till), no command to the fiscal module, no request and no
 * answer. */
static bool quiet(const struct firmware *firmware)
{
    const struct cash_register *reg = &firmware->cash_register;
    const struct link_server *link = &firmware->link;
    bool printing =
        !printer_idle(&firmware->printer) && printer_ready(&firmware->printer) == ERROR_NONE;
    bool talking =
        link->sending || link->working || link->ready || link->side_ready || link->assembler.active;
    return reg->phase <= REGISTER_IDLE && !reg->state.has_intent && !reg->job.attached &&
           firmware->fn.owner == FN_OWNER_NONE && !printing && !talking;
}

static void step_update(struct firmware *firmware, mono_ms now)
{
    const struct cash_register *reg = &firmware->cash_register;
    const struct update_view view = {.usable = firmware->boot_error == ERROR_NONE,
                                     .proved = reg->facts.known && firmware->link.answered,
                                     .quiet = quiet(firmware)};
    update_step(&firmware->update, now, view);
}

uint32_t firmware_step(struct firmware *firmware, const struct moment *now)
{
    struct cash_register *reg = &firmware->cash_register;
    bool registered = cash_register_registered(reg);
    link_server_step(&firmware->link, now->mono);
    uint32_t commands = firmware->fn.commands_sent;
    enum fn_state before = firmware->fn.state;
    (void)fn_client_step(&firmware->fn, now->mono);
    bool answered = firmware->fn.state != before;
    printer_step(&firmware->printer, now->mono);
    drawer_step(&firmware->drawer, now->mono);
    bool moved = cash_register_step(reg, now);
    /* Settings apply between jobs, and when the FN has become ours. */
    if (reg->settings_changed || registered != cash_register_registered(reg) ||
        RARE("firmware: settings are spread again")) {
        reg->settings_changed = false;
        spread_settings(firmware);
    }
    ofd_client_pause(&firmware->ofd, firmware->update.phase == UPDATE_PHASE_CHECKING);
    ofd_client_step(&firmware->ofd, now);
    step_update(firmware, now->mono);
    moved = moved || answered || firmware->fn.commands_sent != commands;
    if (!moved && firmware->fn.owner == FN_OWNER_NONE)
        moved = tidy(firmware);
    return moved ? 0 : IDLE_SLEEP_MS;
}
