/* kkt-fn: the emulated fiscal storage module alone, on TCP or a unix socket in place of its UART.
 *
 * The plug carries the power: each new connection starts a new power session, as when a board with
 * this module is switched on. One client at a time; the next one waits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "board/fn/fnm.h"

#define DEFAULT_LISTEN "127.0.0.1:7779"
#define EXIT_USAGE     2
#define CHUNK          4096u

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void usage(FILE *out)
{
    fputs("usage: kkt-fn --store FILE [--serial NNN] [--listen HOST:PORT | --listen unix:PATH]\n"
          "              [--accept-unsigned] [--key-days N] [--verbose]\n"
          "\n"
          "Emulates a fiscal storage module behind its UART protocol. A debug module: its\n"
          "fiscal signs are not certified and no tax office accepts them.\n"
          "\n"
          "  --store FILE       the module's memory; created when absent\n"
          "  --serial NNN       16 digits of a new module (default 9999078900005488)\n"
          "  --listen ADDRESS   default " DEFAULT_LISTEN "\n"
          "  --accept-unsigned  take operator confirmations without checking their signs\n"
          "  --key-days N       life of a new module's key, 1 to 3650 (default 410)\n"
          "  --verbose          one line a command, not only a document\n",
          out);
}

static void trace(void *context, const char *line)
{
    const bool *verbose = context;
    if (line[0] == '<' && !*verbose)
        return;
    printf("%s\n", line);
    fflush(stdout);
}

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct stat status;
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
        unlink(path); /* left by an earlier run; anything else there is not ours */
    if (fd >= 0 &&
        (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_tcp(const char *where)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    if (colon == NULL || (size_t)(colon - where) >= sizeof host) {
        errno = EINVAL;
        return -1;
    }
    memcpy(host, where, (size_t)(colon - where));
    host[colon - where] = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    if (getaddrinfo(host[0] != 0 ? host : NULL, colon + 1, &hints, &found) != 0) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 4) != 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static int open_listener(const char *where)
{
    return strncmp(where, "unix:", 5) == 0 ? listen_unix(where + 5) : listen_tcp(where);
}

static void announce(int fd, const char *where, const char *serial)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (strncmp(where, "unix:", 5) != 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        printf("module %s listens on %s:%s\n", serial, host, port);
    else
        printf("module %s listens on %s\n", serial, where);
    fflush(stdout);
}

/* False: the client has gone. */
static bool pump(struct fnm *fnm, int client, short events)
{
    uint8_t bytes[CHUNK];
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        ssize_t got = recv(client, bytes, sizeof bytes, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (got > 0)
            fnm_feed(fnm, bytes, (size_t)got, now_ms());
    }
    /* The client's socket blocks on sending: its buffers hold far more than one answer. */
    for (size_t size; (size = fnm_output(fnm, bytes, sizeof bytes, now_ms())) > 0;) {
        for (size_t sent = 0; sent < size;) {
            ssize_t done = send(client, bytes + sent, size - sent, MSG_NOSIGNAL);
            if (done < 0 && errno == EINTR && !stopped)
                continue;
            if (done <= 0)
                return false;
            sent += (size_t)done;
        }
    }
    return true;
}

static int serve(struct fnm *fnm, int listener)
{
    int client = -1;
    while (!stopped) {
        uint64_t due = client >= 0 ? fnm_output_due_ms(fnm, now_ms()) : UINT64_MAX;
        struct pollfd waiting = {.fd = client >= 0 ? client : listener, .events = POLLIN};
        int ready = poll(&waiting, 1, due > 1000 ? 1000 : (int)due);
        if (ready < 0 && errno != EINTR)
            return EXIT_FAILURE;
        if (client < 0 && ready > 0) {
            client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
            if (client < 0)
                continue;
            int on = 1;
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            fnm_power_cycle(fnm);
            printf("register connected\n");
            fflush(stdout);
        } else if (client >= 0 && ready >= 0 && !pump(fnm, client, waiting.revents)) {
            close(client);
            client = -1;
            printf("register disconnected\n");
            fflush(stdout);
        }
    }
    if (client >= 0)
        close(client);
    return EXIT_SUCCESS;
}

struct settings {
    struct fnm_options module;
    const char *where;
    bool verbose;
};

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"store", required_argument, NULL, 's'},    {"serial", required_argument, NULL, 'n'},
        {"listen", required_argument, NULL, 'l'},   {"accept-unsigned", no_argument, NULL, 'a'},
        {"key-days", required_argument, NULL, 'k'}, {"verbose", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    char *end;
    unsigned long days;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
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
    if (settings->module.store_path == NULL || optind != argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct settings settings = {.where = DEFAULT_LISTEN};
    int code = parse_options(argc, argv, &settings);
    if (code >= 0)
        return code;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    char error[256];
    struct fnm *fnm = fnm_open(&settings.module, error, sizeof error);
    if (fnm == NULL) {
        fprintf(stderr, "kkt-fn: %s\n", error);
        return EXIT_FAILURE;
    }
    int listener = open_listener(settings.where);
    if (listener < 0) {
        fprintf(stderr, "kkt-fn: cannot listen on %s: %s\n", settings.where, strerror(errno));
        fnm_close(fnm);
        return EXIT_FAILURE;
    }
    fnm_set_trace(fnm, trace, &settings.verbose);
    announce(listener, settings.where, fnm_serial(fnm));
    int result = serve(fnm, listener);
    close(listener);
    if (strncmp(settings.where, "unix:", 5) == 0)
        unlink(settings.where + 5);
    fnm_close(fnm);
    return result;
}
