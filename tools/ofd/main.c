/* kkt-ofd: a fiscal data operator to test against. Real protocol, debug signatures; no tax office
 * hears of it. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/inn.h"
#include "tools/ofd/ofd_server.h"

#define PATH_SIZE   480
#define LINE_SIZE   128
#define DEFAULT_INN "7704358518"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: kkt-ofd serve --store FILE [--listen HOST:PORT] [--tls HOST:PORT] [--tls-dir DIR]\n"
    "                     [--inn INN] [--control PATH]\n"
    "       kkt-ofd list --store FILE [--json]\n"
    "       kkt-ofd ctl --store FILE [--control PATH] COMMAND\n"
    "\n"
    "serve: without --listen and --tls it listens on 127.0.0.1:0; port 0 takes a free one and\n"
    "       prints it. TLS certificates are made in DIR (default FILE.tls): the register pins "
    "ca.der.\n"
    "ctl:   down | up | slow MS | silent | double | garble | reject CODE | close-after BYTES |\n"
    "       bad-sign | wrong-number | normal\n";

struct arguments {
    struct ofd_server_options server;
    bool json;
    char control[PATH_SIZE], tls_directory[PATH_SIZE];
};

static int usage(const char *problem)
{
    (void)fprintf(stderr, "kkt-ofd: %s\n%s", problem, usage_text);
    return EXIT_USAGE;
}

/* 0, or EXIT_USAGE after saying what is wrong. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"store", required_argument, NULL, 's'}, {"listen", required_argument, NULL, 'l'},
        {"tls", required_argument, NULL, 't'},   {"tls-dir", required_argument, NULL, 'd'},
        {"inn", required_argument, NULL, 'i'},   {"control", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},        {NULL, 0, NULL, 0}};
    struct ofd_server_options *server = &arguments->server;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 's')
            server->store_path = optarg;
        else if (option == 'l')
            server->listen = optarg;
        else if (option == 't')
            server->tls = optarg;
        else if (option == 'd')
            server->tls_directory = optarg;
        else if (option == 'i')
            server->inn = optarg;
        else if (option == 'c')
            server->control_path = optarg;
        else if (option == 'j')
            arguments->json = true;
        else
            return usage("unknown option or missing argument");
    }
    if (server->store_path == NULL)
        return usage("--store FILE is missing");
    if (snprintf(arguments->control, PATH_SIZE, "%s.ctl", server->store_path) >= PATH_SIZE ||
        snprintf(arguments->tls_directory, PATH_SIZE, "%s.tls", server->store_path) >= PATH_SIZE)
        return usage("the path of the store is too long");
    if (server->control_path == NULL)
        server->control_path = arguments->control;
    if (server->tls_directory == NULL)
        server->tls_directory = arguments->tls_directory;
    if (server->inn == NULL)
        server->inn = DEFAULT_INN;
    return 0;
}

struct listing {
    bool json, any;
    unsigned long documents, conflicts;
};

static void print_json(const struct ofd_row *row, const char *received, const char *time)
{
    (void)printf("  {\"fn\": \"%s\", \"document\": %" PRIu32
                 ", \"form\": %u, \"formName\": \"%s\", "
                 "\"kind\": %u, \"kindName\": \"%s\", \"totalKop\": %" PRIu64 ", \"sign\": %" PRIu32
                 ", \"time\": \"%s\", \"receivedUtc\": \"%s\", \"code\": %u, \"times\": %" PRIu32
                 ", \"conflicts\": %" PRIu32 ", \"bytes\": %zu, \"message\": \"",
                 row->fn_number, row->document, row->form, form_name(row->form), row->kind,
                 ofd_kind_name(row->kind), row->total_kop, row->sign, time, received, row->code,
                 row->times, row->conflicts, row->raw_size);
    for (size_t i = 0; i < row->raw_size; i++)
        (void)printf("%02x", row->raw[i]);
    (void)printf("\"}");
}

static void print_row(void *user, const struct ofd_row *row)
{
    struct listing *listing = user;
    char received[ISO_TIME_SIZE], time[ISO_TIME_SIZE];
    iso_time_format(row->received, received);
    iso_time_format(row->time, time);
    listing->documents++;
    listing->conflicts += row->conflicts;
    if (listing->json) {
        (void)printf("%s\n", listing->any ? "," : "");
        print_json(row, received, time);
    } else {
        (void)printf("%-16s %6" PRIu32 "  %-18s %-14s %10" PRIu64 ".%02u  %010" PRIu32
                     "  %s  x%" PRIu32 "%s\n",
                     row->fn_number, row->document, form_name(row->form), ofd_kind_name(row->kind),
                     row->total_kop / 100, (unsigned)(row->total_kop % 100), row->sign, time,
                     row->times, row->conflicts > 0 ? "  CONFLICT" : "");
    }
    listing->any = true;
}

static int list(const struct arguments *arguments)
{
    struct listing listing = {.json = arguments->json};
    char error[512];
    bool whole;
    struct ofd_store *store =
        ofd_store_open(arguments->server.store_path, false, error, sizeof error);
    if (store == NULL) {
        (void)fprintf(stderr, "kkt-ofd: %s\n", error);
        return EXIT_FAILED;
    }
    if (listing.json)
        (void)printf("[");
    whole = ofd_store_each(store, print_row, &listing);
    if (listing.json)
        (void)printf("%s]\n", listing.any ? "\n" : "");
    else
        (void)printf("%lu documents, %lu conflicts\n", listing.documents, listing.conflicts);
    if (!whole)
        (void)fprintf(stderr, "kkt-ofd: %s\n", ofd_store_error(store));
    ofd_store_close(store);
    return whole && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int control(int argc, char **argv, const struct arguments *arguments)
{
    struct ofd_behaviour trial;
    char line[LINE_SIZE];
    memset(&trial, 0, sizeof trial);
    if (argc < 1 || argc > 2 ||
        snprintf(line, sizeof line, "%s%s%s", argv[0], argc > 1 ? " " : "",
                 argc > 1 ? argv[1] : "") >= (int)sizeof line ||
        !ofd_behaviour_command(&trial, line))
        return usage("no such ctl command");
    return ofd_server_control(arguments->server.control_path, line);
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    const char *verb = argc > 1 ? argv[1] : "";
    int wrong;
    memset(&arguments, 0, sizeof arguments);
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "help") == 0)
        return fputs(usage_text, stdout) >= 0 ? EXIT_DONE : EXIT_FAILED;
    if (strcmp(verb, "serve") != 0 && strcmp(verb, "list") != 0 && strcmp(verb, "ctl") != 0)
        return usage("expected serve, list or ctl");
    wrong = parse(argc - 1, argv + 1, &arguments);
    if (wrong != 0)
        return wrong;
    argc -= 1 + optind;
    argv += 1 + optind;
    if (strcmp(verb, "ctl") == 0)
        return control(argc, argv, &arguments);
    if (argc > 0)
        return usage("too many arguments");
    if (strcmp(verb, "list") == 0)
        return list(&arguments);
    if (!inn_valid((const uint8_t *)arguments.server.inn, strlen(arguments.server.inn)))
        return usage("--inn: check digit is wrong");
    if (arguments.server.listen == NULL && arguments.server.tls == NULL)
        arguments.server.listen = "127.0.0.1:0";
    return ofd_server_run(&arguments.server);
}
