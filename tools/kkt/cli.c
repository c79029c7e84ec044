#include "tools/kkt/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/error.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/json_input.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_field.h"

/* What the driver waits by itself; a shorter --timeout shortens it. */
#define CONNECT_MS 3000u
#define ANSWER_MS  15000u

static const char usage_text[] =
    "usage: kkt [options] VERB [...]\n"
    "\n"
    "work for the cash register\n"
    "  task FILE|-            run ATOL-style JSON tasks, print their results (JSON.md)\n"
    "  register FILE          run one registration task\n"
    "  drawer open|status     cash drawer\n"
    "  print copy [N]         copy of document N, or of the last receipt\n"
    "  time sync              set the board's clock to this computer's local time\n"
    "  settings [show]        the board's settings\n"
    "  settings set NAME=VALUE...\n"
    "  firmware update FILE   replace the board's firmware (.kktfw)\n"
    "what it says\n"
    "  devices                boards on USB, and why one of them cannot be used\n"
    "  status                 board, shift, paper, drawer, fiscal module, operator\n"
    "  firmware [status]      what runs on the board, and what became of an update\n"
    "  ofd                    documents on their way to the operator\n"
    "  doc N                  document N as it was signed\n"
    "  result KEY             what became of a job: the queue's word, then the board's\n"
    "  doctor                 what is in the way of a board here, and what mends it\n"
    "the queue on this computer\n"
    "  queue list             jobs, newest first\n"
    "  queue show KEY         one job with its content\n"
    "  queue run              work the queue off\n"
    "  queue cancel KEY       take a job back that was never sent\n"
    "formats\n"
    "  decode FILE|-          TLV, operator message or container, FN or link frames to JSON\n"
    "  encode FILE|-          and back, byte-identical\n"
    "\n"
    "options\n"
    "  -d, --device URI       tcp:HOST:PORT, serial:PATH?baud=N, usb:SERIAL, or a board's\n"
    "                         serial number alone (KKT_DEVICE)\n"
    "  -q, --queue FILE       the job queue (KKT_QUEUE)\n"
    "  -j, --json             answers as JSON\n"
    "  -t, --timeout MS       how long to wait for a job (30000)\n"
    "  -k, --key KEY          key of the job: the same key never does a thing twice\n"
    "      --on-error stop|continue   task: after a refusal (stop)\n"
    "      --check            task: judge the file and add up its sums, touch no device\n"
    "      --as KIND          decode: tlv, document, ofd, container, fn, link (auto)\n"
    "  -b, --binary           encode: bytes instead of hexadecimal digits\n"
    "      --all, --unfinished        queue list: every job; only what is not finished\n"
    "  -h, --help   -V, --version\n"
    "\n"
    "exit codes: 0 done, 1 refused, 2 usage, 3 outcome unknown or unreachable\n";

static const struct {
    const char *name;
    int (*run)(struct cli *cli);
} verbs[] = {{"task", verb_task},     {"register", verb_register}, {"status", verb_status},
             {"ofd", verb_ofd},       {"doc", verb_doc},           {"drawer", verb_drawer},
             {"print", verb_print},   {"time", verb_time},         {"settings", verb_settings},
             {"queue", verb_queue},   {"result", verb_result},     {"decode", verb_decode},
             {"encode", verb_encode}, {"firmware", verb_firmware}, {"devices", verb_devices},
             {"doctor", verb_doctor}};

int cli_usage(struct cli *cli, const char *format, ...)
{
    va_list arguments;
    fprintf(cli->err, "kkt: ");
    va_start(arguments, format);
    vfprintf(cli->err, format, arguments);
    va_end(arguments);
    fprintf(cli->err, "\nkkt --help shows how it goes\n");
    return CLI_USAGE;
}

int cli_exit_code(int error_code)
{
    switch (error_code) {
    case KKT_OK:
        return CLI_DONE;
    case ERROR_DEVICE_URI:
        return CLI_USAGE;
    case ERROR_LINK_LOST:
    case ERROR_LINK_BUSY:
    case ERROR_PERMISSION:
        return CLI_UNKNOWN;
    default:
        return error_code >= ERROR_OUTCOME_UNKNOWN ? CLI_UNKNOWN : CLI_REFUSED;
    }
}

int cli_fail(struct cli *cli, const kkt_error *error)
{
    if (cli->json) {
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "error", atol_error_json(error));
        json_print(cli->out, object);
        json_object_put(object);
        return cli_exit_code(error->code);
    }
    fprintf(cli->err, "kkt: %s (%d): %s\n", error->name, error->code, error->text);
    if (error->field[0] != 0)
        fprintf(cli->err, "     at    %s\n", error->field);
    if (error->item != 0)
        fprintf(cli->err, "     item  %u\n", error->item);
    if (error->tag != 0)
        fprintf(cli->err, "     tag   %u\n", error->tag);
    if (error->cure[0] != 0)
        fprintf(cli->err, "     cure  %s\n", error->cure);
    return cli_exit_code(error->code);
}

int cli_need_device(struct cli *cli)
{
    kkt_error error;
    if (cli->device != NULL)
        return CLI_DONE;
    if (cli->device_uri == NULL)
        return cli_usage(cli, "which device? give --device URI or set KKT_DEVICE");
    kkt_options options = {.connect_timeout_ms = cli->timeout_ms < CONNECT_MS ? cli->timeout_ms : 0,
                           .answer_timeout_ms = cli->timeout_ms < ANSWER_MS ? cli->timeout_ms : 0};
    if (kkt_open_lazy(cli->device_uri, &options, &cli->device, &error) != KKT_OK)
        return cli_fail(cli, &error);
    return CLI_DONE;
}

/* Makes the folders above the default queue file. */
static void make_parents(const char *path)
{
    char part[1024];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(part, 0700);
        *slash = '/';
    }
}

int cli_need_queue(struct cli *cli)
{
    kkt_error error;
    if (cli->queue != NULL)
        return CLI_DONE;
    if (cli->queue_path[0] == 0)
        return cli_usage(cli, "where is the queue? give --queue FILE or set KKT_QUEUE");
    if (kkt_queue_open(cli->queue_path, &cli->queue, &error) != KKT_OK)
        return cli_fail(cli, &error);
    return CLI_DONE;
}

char *cli_read_file(struct cli *cli, const char *path, size_t *size)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t capacity = 0;
    bool whole = false;
    *size = 0;
    if (file == NULL) {
        cli_usage(cli, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    for (;;) {
        if (*size + 1 >= capacity) {
            capacity = capacity == 0 ? 65536 : capacity * 2;
            char *more = *size > JSON_INPUT_SIZE_MAX ? NULL : realloc(text, capacity);
            if (more == NULL)
                break;
            text = more;
        }
        size_t got = fread(text + *size, 1, capacity - *size - 1, file);
        whole = got == 0;
        if (whole)
            break;
        *size += got;
    }
    bool good = whole && ferror(file) == 0 && *size <= JSON_INPUT_SIZE_MAX;
    if (file != stdin)
        fclose(file);
    if (!good) {
        cli_usage(cli, "%s cannot be read, or is larger than %u bytes", path, JSON_INPUT_SIZE_MAX);
        free(text);
        return NULL;
    }
    text[*size] = 0;
    return text;
}

int cli_take_key(struct cli *cli, kkt_key *key)
{
    kkt_error error;
    int code = cli->key == NULL ? kkt_key_random(key) : kkt_key_parse(cli->key, key);
    if (code == KKT_OK)
        return CLI_DONE;
    kkt_error_describe(code, &error);
    snprintf(error.field, sizeof error.field, "--key");
    return cli_fail(cli, &error);
}

/* $XDG_STATE_HOME/openkkt/queue.db, or ~/.local/state/openkkt/queue.db. */
static void default_queue_path(char *out, size_t capacity)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    out[0] = 0;
    if (state != NULL && state[0] == '/')
        snprintf(out, capacity, "%s/openkkt/queue.db", state);
    else if (home != NULL && home[0] != 0)
        snprintf(out, capacity, "%s/.local/state/openkkt/queue.db", home);
    if (out[0] != 0)
        make_parents(out);
}

enum long_only { OPTION_ON_ERROR = 256, OPTION_CHECK, OPTION_AS, OPTION_ALL, OPTION_UNFINISHED };

static const struct option long_options[] = {{"device", required_argument, NULL, 'd'},
                                             {"queue", required_argument, NULL, 'q'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"timeout", required_argument, NULL, 't'},
                                             {"key", required_argument, NULL, 'k'},
                                             {"on-error", required_argument, NULL, OPTION_ON_ERROR},
                                             {"check", no_argument, NULL, OPTION_CHECK},
                                             {"as", required_argument, NULL, OPTION_AS},
                                             {"binary", no_argument, NULL, 'b'},
                                             {"all", no_argument, NULL, OPTION_ALL},
                                             {"unfinished", no_argument, NULL, OPTION_UNFINISHED},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

static bool read_timeout(const char *text, unsigned *out)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || text[0] < '0' || text[0] > '9' || *end != 0 || value == 0 || value > 86400000)
        return false;
    *out = (unsigned)value;
    return true;
}

/* CLI_DONE to go on, -1 when all is said, or an exit code. */
static int take_option(struct cli *cli, int option)
{
    switch (option) {
    case 'd':
        cli->device_uri = optarg;
        return CLI_DONE;
    case 'q':
        snprintf(cli->queue_path, sizeof cli->queue_path, "%s", optarg);
        return CLI_DONE;
    case 'j':
        cli->json = true;
        return CLI_DONE;
    case 'b':
        cli->binary = true;
        return CLI_DONE;
    case 'k':
        cli->key = optarg;
        return CLI_DONE;
    case 't':
        return read_timeout(optarg, &cli->timeout_ms)
                   ? CLI_DONE
                   : cli_usage(cli, "--timeout %s: 1 to 86400000 milliseconds", optarg);
    case OPTION_CHECK:
        cli->check = true;
        return CLI_DONE;
    case OPTION_AS:
        cli->kind = optarg;
        return CLI_DONE;
    case OPTION_ALL:
        cli->all = true;
        return CLI_DONE;
    case OPTION_UNFINISHED:
        cli->unfinished = true;
        return CLI_DONE;
    case OPTION_ON_ERROR:
        cli->on_error_continue = strcmp(optarg, "continue") == 0;
        return cli->on_error_continue || strcmp(optarg, "stop") == 0
                   ? CLI_DONE
                   : cli_usage(cli, "--on-error %s: stop or continue", optarg);
    case 'h':
        fputs(usage_text, cli->out);
        return -1;
    case 'V':
        fprintf(cli->out, "kkt %s\n", kkt_version());
        return -1;
    default:
        return cli_usage(cli, "the options are wrong");
    }
}

static int run_verb(struct cli *cli)
{
    if (cli->argc == 0) {
        fputs(usage_text, cli->err);
        return CLI_USAGE;
    }
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, cli->argv[0]) == 0)
            return verbs[i].run(cli);
    return cli_usage(cli, "there is no verb %s", cli->argv[0]);
}

int cli_run(int argc, char **argv, FILE *out, FILE *err)
{
    struct cli cli = {.timeout_ms = CLI_TIMEOUT_MS, .kind = "auto", .out = out, .err = err};
    const char *environment = getenv("KKT_QUEUE");
    int option, code = CLI_DONE;
    cli.device_uri = getenv("KKT_DEVICE");
    if (environment != NULL)
        snprintf(cli.queue_path, sizeof cli.queue_path, "%s", environment);
    optind = 0;
    opterr = 0;
    while (code == CLI_DONE &&
           (option = getopt_long(argc, argv, "d:q:jt:k:bhV", long_options, NULL)) != -1)
        code = take_option(&cli, option);
    if (code != CLI_DONE)
        return code == -1 ? CLI_DONE : code;
    if (cli.queue_path[0] == 0)
        default_queue_path(cli.queue_path, sizeof cli.queue_path);
    cli.argc = argc - optind;
    cli.argv = argv + optind;
    code = run_verb(&cli);
    if (cli.device != NULL)
        kkt_close(cli.device);
    if (cli.queue != NULL)
        kkt_queue_close(cli.queue);
    fflush(out);
    return code;
}
