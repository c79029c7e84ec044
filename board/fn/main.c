/* kkt-fn: the emulated fiscal storage module alone, on TCP or a unix socket in place of its UART.
 *
 * The plug carries the power: each new connection starts a new power session, as when a board with
 * this module is switched on. One client at a time; the next one waits. `kkt-fn ctl` meddles with a
 * running module over its control socket.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/panel/panel_socket.h"
#include "board/posix/posix_clock.h"
#include "board/posix/posix_device_verbs.h"
#include "board/posix/posix_uart.h"

#define DEFAULT_LISTEN "127.0.0.1:7779"
#define EXIT_USAGE     2
#define BUFFER_BYTES   8192u
#define POLL_MS_MAX    1000u

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static const char verb_list[] =
    "ctl verbs:\n"
    "  off|on                  deaf and silent, as if unplugged; back\n"
    "  drop-answers N          the next N answers are lost, ENQ brings them\n"
    "  lose-answers N          the next N answers are lost for good\n"
    "  corrupt N               the next N answers have a wrong CRC\n"
    "  answer-code CODE        the next command is not done and answered with CODE\n"
    "  delay MS                of every answer from now on; 0 ends it\n"
    "  power-before-commit|power-after-commit|store-error [N]\n"
    "  advance SECONDS         the module's timer runs ahead\n"
    "  stats [--json]\n";

static void usage(FILE *out)
{
    fputs("usage: kkt-fn --store FILE [--serial NNN] [--listen HOST:PORT | --listen unix:PATH]\n"
          "              [--ctl unix:PATH] [--accept-unsigned] [--key-days N] [--verbose]\n"
          "       kkt-fn ctl --ctl unix:PATH VERB ...\n"
          "\n"
          "Emulates a fiscal storage module behind its UART protocol. A debug module: its\n"
          "fiscal signs are not certified and no tax office accepts them.\n"
          "\n"
          "  --store FILE       the module's memory; created when absent\n"
          "  --serial NNN       16 digits of a new module (default 9999078900005488)\n"
          "  --listen ADDRESS   default " DEFAULT_LISTEN "\n"
          "  --ctl unix:PATH    socket of the control panel\n"
          "  --accept-unsigned  take operator confirmations without checking their signs\n"
          "  --key-days N       life of a new module's key, 1 to 3650 (default 410)\n"
          "  --verbose          one line a command, not only a document\n"
          "\n",
          out);
    fputs(verb_list, out);
}

static void trace(void *context, const char *line)
{
    const bool *verbose = context;
    if (line[0] == '<' && !*verbose)
        return;
    printf("%s\n", line);
    fflush(stdout);
}

/* ---- the module and what is around it ---- */

struct device {
    struct posix_fn fn; /* built in: this process is the module */
    struct posix_uart uart;
    struct panel_socket ctl;
    mono_ms started;
};

static int stats(struct panel_request *request)
{
    const struct device *device = request->part;
    bool json = request->argument != NULL;
    unsigned long long uptime_ms = request->now_ms - device->started;
    panel_say(request, json ? "{\"uptime_ms\":%llu" : "uptime_ms                %llu\n", uptime_ms);
    posix_count_fn(request, json, &device->fn);
    panel_say(request, json ? "}\n" : "");
    return PANEL_DONE;
}

#define FN(words, argument, function, parameter)                                                   \
    {                                                                                              \
        words, argument, function, parameter, offsetof(struct device, fn), false                   \
    }

static const struct panel_verb verbs[] = {
    FN("off", NULL, posix_verb_fn_off, 1),
    FN("on", NULL, posix_verb_fn_off, 0),
    FN("drop-answers", "TIMES", posix_verb_fn_fault, FNM_FAULT_DROP_ANSWER),
    FN("lose-answers", "TIMES", posix_verb_fn_fault, FNM_FAULT_LOSE_ANSWER),
    FN("corrupt", "TIMES", posix_verb_fn_fault, FNM_FAULT_CORRUPT_CRC),
    FN("answer-code", "CODE", posix_verb_fn_fault, FNM_FAULT_ANSWER_CODE),
    FN("delay", "MILLISECONDS", posix_verb_fn_fault, FNM_FAULT_DELAY),
    FN("power-before-commit", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_POWER_BEFORE_COMMIT),
    FN("power-after-commit", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_POWER_AFTER_COMMIT),
    FN("store-error", "[TIMES]", posix_verb_fn_fault, FNM_FAULT_STORE_ERROR),
    FN("advance", "SECONDS", posix_verb_fn_advance, 0),
    {"stats", "[--json]", stats, 0, 0, true},
};

static void heard(void *device, const char *line)
{
    (void)device;
    printf("ctl %s\n", line);
    fflush(stdout);
}

static int answer(void *context, const char *line, char *text, size_t capacity)
{
    const struct panel panel = {verbs, sizeof verbs / sizeof verbs[0], verb_list, heard};
    return (int)panel_execute(&panel, context, line, posix_mono_ms(), text, capacity);
}

/* ---- the loop ---- */

static void tell(const char *text)
{
    printf("register %s\n", text);
    fflush(stdout);
}

/* Bytes between the plug and the module. */
static void pump(struct device *device, short revents)
{
    uint8_t bytes[BUFFER_BYTES];
    struct posix_stream *plug = &device->uart.stream;
    mono_ms now = posix_mono_ms();
    enum posix_uart_event event = posix_uart_pump(&device->uart, revents);
    if (event == POSIX_UART_PLUGGED || event == POSIX_UART_GONE)
        posix_buffer_clear(&device->fn.stream.in); /* answers to the one before */
    if (event == POSIX_UART_PLUGGED)
        fnm_power_cycle(device->fn.module);
    if (event == POSIX_UART_PLUGGED || event == POSIX_UART_GONE)
        tell(event == POSIX_UART_PLUGGED ? "connected" : "disconnected");
    size_t size = posix_buffer_take(&plug->in, bytes, sizeof bytes);
    if (size > 0)
        posix_fn_write(&device->fn, bytes, size, now);
    posix_fn_pump(&device->fn, false, now);
    if (plug->fd < 0)
        return;
    size_t room = posix_buffer_room(&plug->out);
    int answered = posix_fn_read(&device->fn, bytes, room < sizeof bytes ? room : sizeof bytes);
    if (answered > 0)
        posix_buffer_put(&plug->out, bytes, (size_t)answered);
    posix_stream_flush(plug); /* a dead peer is found by the next pump */
}

static int serve(struct device *device)
{
    struct pollfd entries[1 + PANEL_POLL];
    while (!stopped) {
        uint64_t due = posix_fn_due_ms(&device->fn, posix_mono_ms());
        posix_uart_poll(&device->uart, &entries[0]);
        unsigned count = 1 + panel_socket_poll(&device->ctl, entries + 1);
        int ready = poll(entries, count, (int)(due > POLL_MS_MAX ? POLL_MS_MAX : due));
        if (ready < 0 && errno != EINTR)
            return EXIT_FAILURE;
        if (ready > 0)
            panel_socket_serve(&device->ctl, entries + 1, count - 1, answer, device);
        pump(device, ready > 0 ? entries[0].revents : 0);
    }
    return EXIT_SUCCESS;
}

struct settings {
    struct fnm_options module;
    const char *where, *ctl;
    bool is_client;
    bool verbose;
};

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {{"store", required_argument, NULL, 's'},
                                            {"serial", required_argument, NULL, 'n'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"accept-unsigned", no_argument, NULL, 'a'},
                                            {"ctl", required_argument, NULL, 'c'},
                                            {"key-days", required_argument, NULL, 'k'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    char *end;
    unsigned long days;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            settings->module.store_path = optarg;
            break;
        case 'n':
            if (strlen(optarg) != 16 || strspn(optarg, "0123456789") != 16) {
                fprintf(stderr, "kkt-fn: --serial takes 16 digits\n");
                return EXIT_USAGE;
            }
            settings->module.serial = optarg;
            break;
        case 'l':
            settings->where = optarg;
            break;
        case 'c':
            settings->ctl = optarg;
            break;
        case 'a':
            settings->module.accept_unsigned_confirmations = true;
            break;
        case 'k':
            days = strtoul(optarg, &end, 10);
            if (*end != 0 || days < 1 || days > 3650) {
                fprintf(stderr, "kkt-fn: --key-days takes 1 to 3650\n");
                return EXIT_USAGE;
            }
            settings->module.key_days = (uint16_t)days;
            break;
        case 'v':
            settings->verbose = true;
            break;
        case 'h':
            usage(stdout);
            return EXIT_SUCCESS;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    if (settings->is_client)
        return -1;
    if (settings->module.store_path == NULL || optind != argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int run(const struct settings *settings)
{
    struct device device = {.started = posix_mono_ms()};
    struct posix_console console = {.dir_fd = -1, .log_fd = -1, .quiet = true};
    const struct posix_fn_options options = {.module = settings->module};
    bool verbose = settings->verbose;
    char name[300];
    char error[256];
    panel_socket_init(&device.ctl);
    if (!posix_fn_open(&device.fn, &console, &options, error, sizeof error)) {
        fprintf(stderr, "kkt-fn: %s\n", error);
        posix_fn_close(&device.fn);
        return EXIT_FAILURE;
    }
    int result = EXIT_FAILURE;
    /* The store's lock comes first: who has it owns the sockets. */
    if (!posix_uart_open(&device.uart, settings->where, BUFFER_BYTES, BUFFER_BYTES, error,
                         sizeof error)) {
        fprintf(stderr, "kkt-fn: %s\n", error);
    } else if (settings->ctl != NULL && !panel_socket_open(&device.ctl, settings->ctl)) {
        fprintf(stderr, "kkt-fn: cannot listen on %s: %s\n", settings->ctl, strerror(errno));
    } else {
        fnm_set_trace(device.fn.module, trace, &verbose);
        posix_uart_name(&device.uart, name, sizeof name);
        printf("module %s listens on %s\n", fnm_serial(device.fn.module), name);
        fflush(stdout);
        result = serve(&device);
    }
    panel_socket_close(&device.ctl);
    posix_uart_close(&device.uart);
    posix_fn_close(&device.fn);
    return result;
}

int main(int argc, char **argv)
{
    struct settings settings = {.where = DEFAULT_LISTEN};
    if (argc > 1 && strcmp(argv[1], "ctl") == 0) {
        settings.is_client = true;
        argc--, argv++;
    }
    int code = parse_options(argc, argv, &settings);
    if (code >= 0)
        return code;
    if (settings.is_client) {
        const struct panel_call call = {"kkt-fn", verb_list, settings.ctl, false};
        return panel_call(&call, argc - optind, argv + optind);
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return run(&settings);
}
