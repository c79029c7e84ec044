/* kkt-printer: the emulated print head alone, on TCP or a unix socket in place of its UART.
 *
 * The head has its own power and its own paper: a new connection is only a cable plugged in again.
 * What people did to it (paper out, cover open) lies in the state directory and survives a restart;
 * so does the paper. `kkt-printer ctl` meddles with a running head over its control socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "board/panel/panel_socket.h"
#include "board/posix/posix_clock.h"
#include "board/posix/posix_device_verbs.h"
#include "board/posix/posix_file.h"
#include "board/posix/posix_uart.h"

#define DEFAULT_LISTEN "127.0.0.1:7780"
#define DEFAULT_PACE   30
#define EXIT_USAGE     2
#define CABLE_BYTES    64u /* waiting between the socket and the head */
#define ANSWER_BYTES   512u
#define POLL_MS_MAX    1000u

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static const char verb_list[] = "ctl verbs:\n"
                                "  paper out|in|near-end   paper out-after LINES\n"
                                "  cover open|close\n"
                                "  printer off|on|fault|fix\n"
                                "  stats [--json]\n";

static void usage(FILE *out)
{
    fputs("usage: kkt-printer --state DIR [--listen HOST:PORT | --listen unix:PATH]\n"
          "                   [--ctl unix:PATH] [--columns 32|42|48] [--pace LINES] [--no-png]\n"
          "       kkt-printer ctl --ctl unix:PATH VERB ...\n"
          "\n"
          "Emulates a receipt printer's head (ESC/POS) behind its UART.\n"
          "\n"
          "  --state DIR        paper (DIR/paper), events.log and what people did lie here\n"
          "  --listen ADDRESS   default " DEFAULT_LISTEN "\n"
          "  --ctl unix:PATH    socket of the control panel\n"
          "  --columns N        paper width, 32, 42 or 48 (default 48)\n"
          "  --pace LINES       printed lines per second (default 30); 0: as fast as bytes come\n"
          "  --no-png           slips as text only\n"
          "  --quiet            nothing on standard output; events.log is still written\n"
          "\n",
          out);
    fputs(verb_list, out);
}

/* ---- the head and what is around it ---- */

struct device {
    struct posix_printer printer;
    struct posix_uart uart;
    struct panel_socket ctl;
    struct posix_console console;
    struct posix_world world;
    mono_ms started;
};

static int stats(struct panel_request *request)
{
    const struct device *device = request->part;
    bool json = request->argument != NULL;
    unsigned long long uptime_ms = request->now_ms - device->started;
    panel_say(request, json ? "{\"uptime_ms\":%llu" : "uptime_ms                %llu\n", uptime_ms);
    posix_count_paper(request, json, &device->printer);
    panel_say(request, json ? "}\n" : "");
    return PANEL_DONE;
}

#define HEAD(words, argument, function, parameter)                                                 \
    {                                                                                              \
        words, argument, function, parameter, offsetof(struct device, printer), false              \
    }

static const struct panel_verb verbs[] = {
    HEAD("paper out-after", "LINES", posix_verb_paper_out_after, 0),
    HEAD("paper out", NULL, posix_verb_paper, PRINT_HEAD_PAPER_OUT),
    HEAD("paper in", NULL, posix_verb_paper, PRINT_HEAD_PAPER_IN),
    HEAD("paper near-end", NULL, posix_verb_paper, PRINT_HEAD_PAPER_NEAR_END),
    HEAD("cover open", NULL, posix_verb_printer, POSIX_FACT(WORLD_COVER_OPEN, 1)),
    HEAD("cover close", NULL, posix_verb_printer, POSIX_FACT(WORLD_COVER_OPEN, 0)),
    HEAD("printer off", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_OFF, 1)),
    HEAD("printer on", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_OFF, 0)),
    HEAD("printer fault", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_FAULT, 1)),
    HEAD("printer fix", NULL, posix_verb_printer, POSIX_FACT(WORLD_PRINTER_FAULT, 0)),
    {"stats", "[--json]", stats, 0, 0, true},
};

static void heard(void *context, const char *line)
{
    struct device *device = context;
    posix_console_event(&device->console, "ctl", "%s", line);
}

static int answer(void *context, const char *line, char *text, size_t capacity)
{
    const struct panel panel = {verbs, sizeof verbs / sizeof verbs[0], verb_list, heard};
    struct device *device = context;
    int status = (int)panel_execute(&panel, device, line, posix_mono_ms(), text, capacity);
    posix_console_flush(&device->console);
    return status;
}

/* ---- the loop ---- */

/* Bytes between the cable and the head. True: call again at once. */
static bool pump(struct device *device, short revents)
{
    uint8_t bytes[ANSWER_BYTES];
    struct posix_stream *cable = &device->uart.stream;
    mono_ms now = posix_mono_ms();
    enum posix_uart_event event = posix_uart_pump(&device->uart, revents);
    if (event == POSIX_UART_PLUGGED)
        posix_buffer_clear(&device->printer.in); /* answers to the one before */
    if (event == POSIX_UART_PLUGGED || event == POSIX_UART_GONE)
        posix_console_event(&device->console, "cable", "%s",
                            event == POSIX_UART_PLUGGED ? "plugged in" : "pulled out");
    size_t waiting = posix_buffer_used(&cable->in);
    bool moved = false;
    if (waiting > 0) {
        int taken =
            posix_printer_write(&device->printer, cable->in.data + cable->in.start, waiting, now);
        moved = posix_buffer_take(&cable->in, bytes, (size_t)taken) > 0;
    }
    posix_printer_pump(&device->printer, now);
    if (cable->fd < 0)
        return moved;
    size_t room = posix_buffer_room(&cable->out);
    int told =
        posix_printer_read(&device->printer, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (told > 0)
        posix_buffer_put(&cable->out, bytes, (size_t)told);
    posix_stream_flush(cable); /* a dead peer is found by the next pump */
    return moved;
}

static int serve(struct device *device)
{
    struct pollfd entries[1 + PANEL_POLL];
    bool moved = false;
    while (!stopped) {
        mono_ms now = posix_mono_ms();
        uint64_t due = moved ? 0 : posix_printer_due_ms(&device->printer, now);
        posix_uart_poll(&device->uart, &entries[0]);
        unsigned count = 1 + panel_socket_poll(&device->ctl, entries + 1);
        if (!moved)
            posix_console_flush(&device->console);
        int ready = poll(entries, count, (int)(due > POLL_MS_MAX ? POLL_MS_MAX : due));
        if (ready < 0 && errno != EINTR)
            return EXIT_FAILURE;
        if (ready > 0)
            panel_socket_serve(&device->ctl, entries + 1, count - 1, answer, device);
        moved = pump(device, ready > 0 ? entries[0].revents : 0);
    }
    return EXIT_SUCCESS;
}

/* ---- the program ---- */

struct settings {
    const char *state, *where, *ctl;
    unsigned columns, pace;
    bool no_png, quiet, is_client;
};

static bool take_number(const char *name, const char *text, unsigned *out)
{
    uint32_t value;
    if (!panel_number(text, &value)) {
        fprintf(stderr, "kkt-printer: --%s takes a whole number\n", name);
        return false;
    }
    *out = value;
    return true;
}

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {{"state", required_argument, NULL, 's'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"ctl", required_argument, NULL, 'c'},
                                            {"columns", required_argument, NULL, 'w'},
                                            {"pace", required_argument, NULL, 'p'},
                                            {"no-png", no_argument, NULL, 'n'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        if (option == 's') {
            settings->state = optarg;
        } else if (option == 'l') {
            settings->where = optarg;
        } else if (option == 'c') {
            settings->ctl = optarg;
        } else if (option == 'n') {
            settings->no_png = true;
        } else if (option == 'q') {
            settings->quiet = true;
        } else if (option == 'w' || option == 'p') {
            if (!take_number(option == 'w' ? "columns" : "pace", optarg,
                             option == 'w' ? &settings->columns : &settings->pace))
                return EXIT_USAGE;
        } else {
            usage(option == 'h' ? stdout : stderr);
            return option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
        }
    }
    if (settings->is_client)
        return -1;
    if (settings->columns != 32 && settings->columns != 42 && settings->columns != 48) {
        fprintf(stderr, "kkt-printer: --columns takes 32, 42 or 48\n");
        return EXIT_USAGE;
    }
    if (settings->state == NULL || optind != argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return -1;
}

/* Everything in the order in which run() takes it down. False with a line for people in error. */
static bool open_device(struct device *device, const struct settings *settings, int dir_fd,
                        char *error, size_t error_size)
{
    char paper[4200];
    const struct print_head_options head = {.directory = paper,
                                            .columns = (uint8_t)settings->columns,
                                            .lines_per_second = settings->pace,
                                            .png = !settings->no_png};
    /* A second head on the same paper would tear it. */
    if (flock(dir_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(error, error_size, "another print head works in %s", settings->state);
        return false;
    }
    if (!posix_console_open(&device->console, dir_fd, settings->quiet, false)) {
        snprintf(error, error_size, "events.log cannot be written");
        return false;
    }
    posix_world_open(&device->world, dir_fd);
    snprintf(paper, sizeof paper, "%s/paper", settings->state);
    if (!posix_printer_open(&device->printer, &device->console, &device->world, &head)) {
        snprintf(error, error_size, "the paper directory cannot be used: %s", strerror(errno));
        return false;
    }
    if (settings->ctl != NULL && !panel_socket_open(&device->ctl, settings->ctl)) {
        snprintf(error, error_size, "cannot listen on %s: %s", settings->ctl, strerror(errno));
        return false;
    }
    return posix_uart_open(&device->uart, settings->where, CABLE_BYTES, ANSWER_BYTES, error,
                           error_size);
}

static int run(const struct settings *settings)
{
    struct device device = {.started = posix_mono_ms(), .console = {.log_fd = -1}};
    char name[300];
    char error[4300];
    int result = EXIT_FAILURE;
    device.uart.listen_fd = device.uart.stream.fd = -1;
    panel_socket_init(&device.ctl);
    int dir_fd = -1;
    if (posix_file_make_directories(settings->state))
        dir_fd = open(settings->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        fprintf(stderr, "kkt-printer: %s: %s\n", settings->state, strerror(errno));
        return result;
    }
    if (open_device(&device, settings, dir_fd, error, sizeof error)) {
        posix_uart_name(&device.uart, name, sizeof name);
        posix_console_event(&device.console, "head", "listens on %s", name);
        result = serve(&device);
    } else {
        fprintf(stderr, "kkt-printer: %s\n", error);
    }
    posix_uart_close(&device.uart);
    panel_socket_close(&device.ctl);
    posix_printer_close(&device.printer);
    posix_console_close(&device.console);
    close(dir_fd);
    return result;
}

int main(int argc, char **argv)
{
    struct settings settings = {.where = DEFAULT_LISTEN, .columns = 48, .pace = DEFAULT_PACE};
    if (argc > 1 && strcmp(argv[1], "ctl") == 0) {
        settings.is_client = true;
        argc--, argv++;
    }
    int code = parse_options(argc, argv, &settings);
    if (code >= 0)
        return code;
    if (settings.is_client) {
        const struct panel_call call = {"kkt-printer", verb_list, settings.ctl, false};
        return panel_call(&call, argc - optind, argv + optind);
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return run(&settings);
}
