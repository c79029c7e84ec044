#include "board/posix/posix_board.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "board/posix/posix_file.h"
#include "board/posix/posix_identity.h"
#include "board/posix/posix_internal.h"

#define BOARD_MODEL "OpenKKT on a PC"
#define BUSY_MS_MAX 5u /* then the sockets are looked at even when firmware wants to go on */

/* ---- struct board ---- */

static int flash_read(void *context, uint32_t address, void *data, size_t size)
{
    return posix_flash_read(&((struct posix_board *)context)->flash, address, data, size);
}

static int flash_program(void *context, uint32_t address, const void *data, size_t size)
{
    return posix_flash_program(&((struct posix_board *)context)->flash, address, data, size);
}

static int flash_erase(void *context, uint32_t address)
{
    struct posix_board *posix = context;
    posix->erases_in_request += posix->link.request_waits;
    return posix_flash_erase(&posix->flash, address);
}

static int flash_sync(void *context)
{
    return posix_flash_sync(&((struct posix_board *)context)->flash);
}

/* Whoever spoke last is the host. Settled before firmware asks for the generation, which has to
 * grow before the first of the new host's bytes is read. */
static void settle_host(struct posix_board *posix)
{
    size_t by_usb = usb_device_waiting(&posix->usb.device);
    size_t by_tcp = posix_buffer_used(&posix->link.stream.in);
    size_t heard = posix->usb_speaks ? by_usb : by_tcp;
    if (heard > 0 || by_usb + by_tcp == 0)
        return;
    posix->usb_speaks = !posix->usb_speaks;
    posix->host_switches++;
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    struct posix_board *posix = context;
    switch (port) {
    case BOARD_PORT_HOST:
        return posix->usb_speaks ? usb_device_read(&posix->usb.device, data, size)
                                 : posix_link_read(&posix->link, data, size);
    case BOARD_PORT_FN:
        return posix_fn_read(&posix->fn, data, size);
    case BOARD_PORT_PRINTER:
        return posix_printer_read(&posix->printer, data, size);
    }
    return -1;
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    struct posix_board *posix = context;
    switch (port) {
    case BOARD_PORT_HOST:
        return posix->usb_speaks ? usb_device_write(&posix->usb.device, data, size)
                                 : posix_link_write(&posix->link, data, size);
    case BOARD_PORT_FN:
        return posix_fn_write(&posix->fn, data, size, posix->now);
    case BOARD_PORT_PRINTER:
        return posix_printer_write(&posix->printer, data, size, posix->now);
    }
    return -1;
}

static uint32_t port_generation(void *context, enum board_port port)
{
    struct posix_board *posix = context;
    if (port == BOARD_PORT_HOST) {
        settle_host(posix);
        return posix->link.generation + usb_device_generation(&posix->usb.device) +
               posix->host_switches;
    }
    return port == BOARD_PORT_FN ? posix->fn.generation : 0;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    struct posix_board *posix = context;
    return posix_net_open(&posix->net, endpoint, posix->now);
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    return posix_net_state(&((struct posix_board *)context)->net, error, detail);
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    return posix_net_read(&((struct posix_board *)context)->net, data, size);
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    return posix_net_write(&((struct posix_board *)context)->net, data, size);
}

static void net_close(void *context)
{
    posix_net_close(&((struct posix_board *)context)->net);
}

static void drawer_pulse(void *context, uint16_t duration_ms)
{
    struct posix_board *posix = context;
    posix_drawer_pulse(&posix->drawer, duration_ms, posix->now);
}

static bool drawer_is_open(void *context)
{
    return ((struct posix_board *)context)->drawer.open;
}

static int clock_set(void *context, unix_s time)
{
    struct posix_board *posix = context;
    char text[ISO_TIME_SIZE];
    iso_time_format(time, text);
    posix_console_event(&posix->console, "clock", "set to %s", text);
    return posix_clock_set(&posix->clock, time);
}

static void random_fill(void *context, uint8_t *data, size_t size)
{
    (void)context;
    while (size > 0) {
        ssize_t got = getrandom(data, size, 0);
        if (got < 0 && errno != EINTR)
            abort(); /* a PC without randomness cannot play a board */
        if (got > 0) {
            data += got;
            size -= (size_t)got;
        }
    }
}

static void trace(void *context, enum board_trace_level level, const char *text)
{
    static const char *const subjects[] = {"firmware", "WARNING", "ERROR"};
    struct posix_board *posix = context;
    posix_console_event(&posix->console, subjects[level <= TRACE_ERROR ? level : TRACE_ERROR], "%s",
                        text);
    if (level >= TRACE_WARNING)
        posix_console_flush(&posix->console);
}

static void fill_interface(struct posix_board *posix)
{
    posix->board = (struct board){
        .context = posix,
        .serial = posix->serial,
        .model = BOARD_MODEL,
        .columns = (uint8_t)posix->columns,
        .flash = {.size = posix->flash.size,
                  .sector_size = POSIX_FLASH_SECTOR_SIZE,
                  .page_size = POSIX_FLASH_PAGE_SIZE,
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
    };
}

/* ---- open and close ---- */

static bool open_fn(struct posix_board *posix, const struct posix_board_options *options,
                    char *error, size_t error_size)
{
    char path[4200];
    struct posix_address external;
    struct posix_fn_options fn_options = {
        .module = {.store_path = path,
                   .serial = posix->fn_serial[0] != '\0' ? posix->fn_serial : NULL,
                   .accept_unsigned_confirmations = options->accept_unsigned,
                   .no_sync = options->no_sync},
        .delay_ms = options->fn_delay_ms,
        .world = &posix->world,
    };
    snprintf(path, sizeof path, "%s/fn.store", options->state);
    if (options->fn != NULL) {
        if (!posix_address_parse(options->fn, &external) ||
            (!external.unix_path && !posix_resolve_is_direct(external.host))) {
            snprintf(error, error_size, "--fn wants HOST:PORT with a numeric host, or unix:PATH");
            return false;
        }
        fn_options.external = &external;
    }
    return posix_fn_open(&posix->fn, &posix->console, &fn_options, error, error_size);
}

static bool open_printer(struct posix_board *posix, const struct posix_board_options *options,
                         char *error, size_t error_size)
{
    char path[4200];
    const struct print_head_options head = {
        .directory = options->no_paper ? NULL : path,
        .columns = (uint8_t)posix->columns,
        .lines_per_second = options->unpaced     ? 0
                            : options->pace != 0 ? options->pace
                                                 : POSIX_BOARD_DEFAULT_PACE,
        .png = !options->no_png,
    };
    snprintf(path, sizeof path, "%s/paper", options->state);
    if (posix_printer_open(&posix->printer, &posix->console, &posix->world, &head))
        return true;
    snprintf(error, error_size, "the paper directory cannot be used: %s", strerror(errno));
    return false;
}

static bool open_link(struct posix_board *posix, const struct posix_board_options *options,
                      char *error, size_t error_size)
{
    struct posix_address address;
    char text[16];
    const char *wanted = options->listen != NULL ? options->listen : POSIX_BOARD_DEFAULT_LISTEN;
    if (!posix_address_parse(wanted, &address) || address.unix_path) {
        snprintf(error, error_size, "--listen wants HOST:PORT");
        return false;
    }
    if (!posix_link_open(&posix->link, &posix->console, &address,
                         posix->world.facts[WORLD_LINK_DOWN] != 0)) {
        snprintf(error, error_size, "cannot listen on %s: %s", wanted, strerror(errno));
        return false;
    }
    if (options->port_file != NULL) {
        snprintf(text, sizeof text, "%u\n", posix->link.address.port);
        if (!posix_file_replace(AT_FDCWD, options->port_file, text, false)) {
            snprintf(error, error_size, "%s cannot be written", options->port_file);
            return false;
        }
    }
    return true;
}

/* Everything but the struct itself, in the order in which posix_board_close takes it down again. */
static bool open_parts(struct posix_board *posix, const struct posix_board_options *options,
                       char *error, size_t error_size)
{
    if (options->state == NULL || strlen(options->state) > 4000) {
        snprintf(error, error_size, "--state DIR is required");
        return false;
    }
    if (!posix_file_make_directories(options->state)) {
        snprintf(error, error_size, "%s cannot be made: %s", options->state, strerror(errno));
        return false;
    }
    posix->dir_fd = open(options->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (posix->dir_fd < 0) {
        snprintf(error, error_size, "%s cannot be opened: %s", options->state, strerror(errno));
        return false;
    }
    /* The flash file's lock guards the whole directory: it comes first. */
    if (!posix_flash_open(&posix->flash, posix->dir_fd, options->flash_size, options->no_sync,
                          error, error_size))
        return false;
    const char *complaint = posix_identity_settle(posix, options);
    if (complaint == NULL && !posix_clock_open(&posix->clock, posix->dir_fd))
        complaint = "clock.offset is damaged";
    if (complaint == NULL &&
        !posix_console_open(&posix->console, posix->dir_fd, options->quiet, options->verbose))
        complaint = "events.log cannot be written";
    if (complaint == NULL && !posix_net_init(&posix->net, &posix->console, &posix->clock))
        complaint = "no memory";
    if (complaint != NULL) {
        snprintf(error, error_size, "%s", complaint);
        return false;
    }
    posix->flash.console = &posix->console;
    posix_world_open(&posix->world, posix->dir_fd);
    posix->net.down = posix->world.facts[WORLD_NET_DOWN] != 0;
    posix_drawer_init(&posix->drawer, &posix->console, posix->dir_fd,
                      options->drawer_close_ms != 0 ? options->drawer_close_ms
                                                    : POSIX_DRAWER_CLOSE_MS,
                      posix->world.facts[WORLD_DRAWER_STUCK] != 0);
    if (!open_printer(posix, options, error, error_size) ||
        !open_fn(posix, options, error, error_size))
        return false;
    if (!posix_ctl_open(&posix->ctl, options->state)) {
        snprintf(error, error_size, "ctl.sock cannot be made: %s", strerror(errno));
        return false;
    }
    /* Last: who can connect finds a board that answers. */
    return open_link(posix, options, error, error_size) &&
           posix_usb_open(&posix->usb, &posix->console, options->usbip, posix->serial, BOARD_MODEL,
                          posix->world.facts[WORLD_LINK_DOWN] != 0, error, error_size);
}

struct posix_board *posix_board_open(const struct posix_board_options *options, char *error,
                                     size_t error_size)
{
    struct posix_board *posix = calloc(1, sizeof *posix);
    if (posix == NULL) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    posix->dir_fd = posix->signal_fd = posix->flash.fd = -1;
    posix->console.log_fd = posix->link.listen_fd = -1;
    posix->link.stream.fd = posix->net.stream.fd = posix->fn.stream.fd = -1;
    panel_socket_init(&posix->ctl);
    posix->columns = 48;
    posix->started = posix_mono_ms();
    if (!open_parts(posix, options, error, error_size)) {
        posix_board_close(posix);
        return NULL;
    }
    fill_interface(posix);
    posix_console_event(&posix->console, "board", "serial %s, host link on %s:%u", posix->serial,
                        posix->link.address.host, posix->link.address.port);
    return posix;
}

void posix_board_close(struct posix_board *posix)
{
    if (posix == NULL)
        return;
    posix_link_close(&posix->link);
    posix_usb_close(&posix->usb);
    panel_socket_close(&posix->ctl);
    posix_fn_close(&posix->fn);
    posix_printer_close(&posix->printer);
    posix_net_deinit(&posix->net);
    posix_console_close(&posix->console);
    posix_flash_sync(&posix->flash);
    posix_flash_close(&posix->flash);
    if (posix->signal_fd >= 0)
        close(posix->signal_fd);
    if (posix->dir_fd >= 0)
        close(posix->dir_fd);
    free(posix);
}

const struct board *posix_board_interface(struct posix_board *posix)
{
    return &posix->board;
}

void posix_board_moment(struct posix_board *posix, struct moment *out)
{
    posix->now = posix_mono_ms() - posix->started;
    out->mono = posix->now;
    out->calendar = posix_clock_calendar(&posix->clock);
}

uint16_t posix_board_port(const struct posix_board *posix)
{
    return posix->link.address.port;
}

void posix_board_say(struct posix_board *posix, const char *text)
{
    posix_console_event(&posix->console, "board", "%s", text);
}

bool posix_board_watch_signals(struct posix_board *posix)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    posix->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return posix->signal_fd >= 0;
}

/* ---- the loop ---- */

enum {
    AT_HOST,
    AT_LISTEN,
    AT_USB,
    AT_USB_LISTEN,
    AT_NET,
    AT_FN,
    AT_SIGNAL,
    AT_CTL,
    AT_COUNT = AT_CTL + PANEL_POLL
};

static bool is_ready(const struct pollfd *entry)
{
    return entry->fd >= 0 && entry->revents != 0;
}

static void set_entry(struct pollfd *entry, int fd, short events)
{
    entry->fd =
        events != 0 ? fd : -1; /* without events poll would still wake for a hang-up, for ever */
    entry->events = events;
    entry->revents = 0;
}

static unsigned fill_entries(const struct posix_board *posix, struct pollfd *entries)
{
    short net_events;
    int net_fd = posix_net_poll(&posix->net, &net_events);
    set_entry(&entries[AT_HOST], posix->link.stream.fd, posix_stream_events(&posix->link.stream));
    set_entry(&entries[AT_LISTEN], posix->link.listen_fd, POLLIN);
    set_entry(&entries[AT_USB], posix->usb.stream.fd, posix_stream_events(&posix->usb.stream));
    set_entry(&entries[AT_USB_LISTEN], posix->usb.listen_fd, POLLIN);
    set_entry(&entries[AT_NET], net_fd, net_events);
    set_entry(&entries[AT_FN], posix->fn.stream.fd, posix_fn_events(&posix->fn));
    set_entry(&entries[AT_SIGNAL], posix->signal_fd, POLLIN);
    return AT_CTL + panel_socket_poll(&posix->ctl, entries + AT_CTL);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t devices_due_ms(const struct posix_board *posix)
{
    uint64_t due = posix_net_due_ms(&posix->net, posix->now);
    due = least(due, posix_drawer_due_ms(&posix->drawer, posix->now));
    due = least(due, posix_printer_due_ms(&posix->printer, posix->now));
    due = least(due, posix_fn_due_ms(&posix->fn, posix->now));
    if (posix->link.listen_fd < 0 && !posix->link.down)
        due = least(due, posix->link.retry_ms > posix->now ? posix->link.retry_ms - posix->now : 0);
    if (posix->usb.vhci && posix->usb.stream.fd < 0 && !posix->usb.down)
        due = least(due, posix->usb.retry_ms > posix->now ? posix->usb.retry_ms - posix->now : 0);
    return due;
}

/* One step of every device. True: firmware should look. */
static bool pump(struct posix_board *posix, const struct pollfd *entries)
{
    bool net_ready = entries != NULL && is_ready(&entries[AT_NET]);
    bool fn_ready = entries != NULL && is_ready(&entries[AT_FN]);
    bool look = posix_link_pump(&posix->link, posix->now);
    look |= posix_usb_pump(&posix->usb, posix->now);
    look |= posix_net_pump(&posix->net, net_ready, posix->now);
    look |= posix_fn_pump(&posix->fn, fn_ready, posix->now);
    look |= posix_printer_pump(&posix->printer, posix->now);
    look |= posix_drawer_pump(&posix->drawer, posix->now);
    return look;
}

/* Erases of one turn are one event: a new board erases ahead by the dozen. */
static void tell_erases(struct posix_board *posix)
{
    uint64_t erases = posix->flash.counters.erases;
    if (erases == posix->erases_told)
        return;
    posix_console_event(&posix->console, "flash", "%u sector(s) erased",
                        (unsigned)(erases - posix->erases_told));
    posix->erases_told = erases;
}

bool posix_board_turn(struct posix_board *posix, uint32_t timeout_ms)
{
    struct pollfd entries[AT_COUNT];
    mono_ms until = posix->now + timeout_ms;
    bool look = pump(posix, NULL);
    posix->turns++;
    if (posix->busy_turns == 0 || timeout_ms > 0)
        tell_erases(posix);
    while (true) {
        bool may_go_on = posix->now - posix->polled_at < BUSY_MS_MAX;
        if ((look || timeout_ms == 0) && may_go_on) {
            posix->busy_turns++;
            return true;
        }
        /* Under load the host's next bytes are there already, and to take them costs less than to
         * ask poll for everything; poll has its turn when firmware was busy for long. */
        if (!look && may_go_on && posix_link_receive(&posix->link)) {
            posix->busy_turns++;
            return true;
        }
        posix->busy_turns = 0;
        posix->now = posix_mono_ms() - posix->started;
        uint64_t wait = look || posix->now >= until ? 0 : until - posix->now;
        wait = least(wait, devices_due_ms(posix));
        posix_console_flush(&posix->console);
        unsigned count = fill_entries(posix, entries);
        int ready = poll(entries, count, (int)least(wait, 3600000u));
        posix->polls++;
        posix->now = posix->polled_at = posix_mono_ms() - posix->started;
        if (ready > 0) {
            if (is_ready(&entries[AT_SIGNAL]))
                return false;
            if (is_ready(&entries[AT_HOST]))
                look |= posix_link_receive(&posix->link);
            if (is_ready(&entries[AT_LISTEN]))
                look |= posix_link_accept(&posix->link);
            if (is_ready(&entries[AT_USB]))
                (void)posix_usb_receive(&posix->usb);
            if (is_ready(&entries[AT_USB_LISTEN]))
                (void)posix_usb_accept(&posix->usb);
            look |= posix_ctl_serve(posix, entries + AT_CTL, count - AT_CTL);
        }
        look |= pump(posix, ready > 0 ? entries : NULL);
        if (look || posix->now >= until)
            return true;
        timeout_ms = 1; /* only devices moved: go on waiting for the rest of the time */
    }
}
