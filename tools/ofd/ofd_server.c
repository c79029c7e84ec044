#include "tools/ofd/ofd_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tools/ofd/ofd_connection.h"
#include "tools/ofd/ofd_identity.h"

#define CONNECTIONS_MAX    256u
#define CONTROL_TIMEOUT_MS 500
#define CONTROL_LINE_SIZE  128u
#define LISTEN_BACKLOG     64
#define ENDPOINT_SIZE      (NI_MAXHOST + NI_MAXSERV + 4)
#define ERROR_SIZE         512

struct listener {
    int socket; /* -1: refuses connections */
    const mbedtls_ssl_config *config;
    struct sockaddr_storage address; /* with the real port, to come back to after "down" */
    socklen_t address_size;
};

struct server {
    struct ofd_operator office;
    struct ofd_identity identity;
    bool identity_open;
    struct listener listeners[2];
    size_t listener_count;
    int control;
    const char *control_path;
    struct ofd_connection *connections[CONNECTIONS_MAX];
    size_t connection_count;
    unsigned next_id;
};

static volatile sig_atomic_t stop_wanted;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop_wanted = 1;
}

static void print_line(const char *line)
{
    (void)printf("%s\n", line);
    (void)fflush(stdout);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void endpoint_text(const struct sockaddr *address, socklen_t size, char *out)
{
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    (void)getnameinfo(address, size, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(out, ENDPOINT_SIZE, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
                   port);
}

/* ---- listeners ---- */

static bool listener_open(struct listener *listener)
{
    int on = 1;
    listener->socket =
        socket(listener->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->socket < 0)
        return false;
    (void)setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->socket, (struct sockaddr *)&listener->address, listener->address_size) ==
            0 &&
        listen(listener->socket, LISTEN_BACKLOG) == 0) {
        listener->address_size = sizeof listener->address;
        return getsockname(listener->socket, (struct sockaddr *)&listener->address,
                           &listener->address_size) == 0;
    }
    (void)close(listener->socket);
    listener->socket = -1;
    return false;
}

/* HOST:PORT, [HOST]:PORT; PORT 0 takes a free one. */
static bool listener_resolve(struct listener *listener, const char *endpoint)
{
    struct addrinfo hints, *found = NULL;
    char host[NI_MAXHOST];
    const char *colon = strrchr(endpoint, ':');
    size_t length = colon != NULL ? (size_t)(colon - endpoint) : 0;
    if (colon == NULL || length >= sizeof host || colon[1] == '\0')
        return false;
    if (length >= 2 && endpoint[0] == '[' && endpoint[length - 1] == ']') {
        endpoint++;
        length -= 2;
    }
    memcpy(host, endpoint, length);
    host[length] = '\0';
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    if (getaddrinfo(length > 0 ? host : NULL, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&listener->address, found->ai_addr, found->ai_addrlen);
    listener->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool add_listener(struct server *server, const char *endpoint,
                         const mbedtls_ssl_config *config)
{
    struct listener *listener = &server->listeners[server->listener_count];
    char text[ENDPOINT_SIZE];
    listener->socket = -1;
    listener->config = config;
    if (!listener_resolve(listener, endpoint)) {
        (void)fprintf(stderr, "kkt-ofd: %s: expected HOST:PORT\n", endpoint);
        return false;
    }
    if (!listener_open(listener)) {
        (void)fprintf(stderr, "kkt-ofd: %s: %s\n", endpoint, strerror(errno));
        return false;
    }
    server->listener_count++;
    endpoint_text((struct sockaddr *)&listener->address, listener->address_size, text);
    (void)printf(config != NULL ? "listening tls %s\n" : "listening %s\n", text);
    (void)fflush(stdout);
    return true;
}

/* ---- connections ---- */

static void drop(struct server *server, size_t index)
{
    char line[48];
    (void)snprintf(line, sizeof line, "connection %u closed", server->connections[index]->id);
    ofd_connection_free(server->connections[index]);
    server->connections[index] = server->connections[--server->connection_count];
    print_line(line);
}

static void accept_one(struct server *server, const struct listener *listener)
{
    struct sockaddr_storage peer = {0};
    socklen_t peer_size = sizeof peer;
    struct ofd_connection *connection;
    char from[ENDPOINT_SIZE], line[ENDPOINT_SIZE + 48];
    int on = 1;
    int file = accept4(listener->socket, (struct sockaddr *)&peer, &peer_size,
                       SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (file < 0)
        return;
    (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection = server->connection_count < CONNECTIONS_MAX
                     ? ofd_connection_new(file, ++server->next_id, listener->config, now_ms())
                     : NULL;
    if (connection == NULL) {
        (void)close(file);
        print_line("connection refused: too many");
        return;
    }
    server->connections[server->connection_count++] = connection;
    endpoint_text((struct sockaddr *)&peer, peer_size, from);
    (void)snprintf(line, sizeof line, "connection %u from %s%s", connection->id, from,
                   listener->config != NULL ? " (tls)" : "");
    print_line(line);
}

static void serve_connections(struct server *server)
{
    uint64_t now = now_ms();
    unix_s utc = (unix_s)time(NULL);
    for (size_t i = server->connection_count; i > 0; i--)
        if (!ofd_connection_service(server->connections[i - 1], &server->office, now, utc,
                                    print_line))
            drop(server, i - 1);
}

/* Brings listeners and connections in line with "down" and "up". */
static void obey(struct server *server)
{
    bool down = server->office.behaviour.down;
    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener *listener = &server->listeners[i];
        if (down && listener->socket >= 0) {
            (void)close(listener->socket);
            listener->socket = -1;
        } else if (!down && listener->socket < 0 && !listener_open(listener)) {
            print_line("cannot listen again: the port was taken meanwhile");
        }
    }
    while (down && server->connection_count > 0)
        drop(server, server->connection_count - 1);
}

/* ---- control ---- */

static bool control_address(const char *path, struct sockaddr_un *address)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof address->sun_path) {
        (void)fprintf(stderr, "kkt-ofd: %s: path of a control socket is too long\n", path);
        return false;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return true;
}

static bool control_open(struct server *server)
{
    struct sockaddr_un address;
    int probe;
    if (!control_address(server->control_path, &address))
        return false;
    server->control = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && connect(probe, (struct sockaddr *)&address, sizeof address) == 0) {
        (void)close(probe);
        (void)fprintf(stderr, "kkt-ofd: %s: another operator is using it\n", server->control_path);
        server->control_path = NULL; /* not ours to remove */
        return false;
    }
    if (probe >= 0)
        (void)close(probe);
    (void)unlink(server->control_path); /* left behind by a killed one */
    if (server->control >= 0 &&
        bind(server->control, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(server->control, 4) == 0)
        return true;
    (void)fprintf(stderr, "kkt-ofd: %s: %s\n", server->control_path, strerror(errno));
    return false;
}

static void set_timeout(int file)
{
    struct timeval limit = {.tv_sec = 0, .tv_usec = CONTROL_TIMEOUT_MS * 1000};
    (void)setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(file, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* One command, one answer, done at once: a command is one small packet on a local socket. */
static void control_serve(struct server *server)
{
    char line[CONTROL_LINE_SIZE], event[CONTROL_LINE_SIZE + 16];
    const char *answer = "error: command not understood\n";
    size_t length;
    ssize_t got;
    int file = accept4(server->control, NULL, NULL, SOCK_CLOEXEC);
    if (file < 0)
        return;
    set_timeout(file);
    got = recv(file, line, sizeof line - 1, 0);
    length = got > 0 ? (size_t)got : 0;
    line[length] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (ofd_behaviour_command(&server->office.behaviour, line)) {
        answer = "ok\n";
        obey(server);
        (void)snprintf(event, sizeof event, "mode %s", line);
        print_line(event);
    }
    (void)send(file, answer, strlen(answer), MSG_NOSIGNAL);
    (void)close(file);
}

int ofd_server_control(const char *control_path, const char *command)
{
    struct sockaddr_un address;
    char line[CONTROL_LINE_SIZE], answer[CONTROL_LINE_SIZE];
    ssize_t got = -1;
    int length = snprintf(line, sizeof line, "%s\n", command);
    int file;
    if (length >= (int)sizeof line || !control_address(control_path, &address))
        return 1;
    file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0 || connect(file, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)fprintf(stderr, "kkt-ofd: %s: %s\n", control_path, strerror(errno));
        if (file >= 0)
            (void)close(file);
        return 1;
    }
    if (send(file, line, (size_t)length, MSG_NOSIGNAL) == length) {
        struct timeval limit = {.tv_sec = 10, .tv_usec = 0};
        (void)setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        got = recv(file, answer, sizeof answer - 1, 0);
    }
    (void)close(file);
    if (got > 0)
        answer[got] = '\0';
    if (got > 0 && strcmp(answer, "ok\n") == 0)
        return 0;
    (void)fprintf(stderr, "kkt-ofd: %s", got > 0 ? answer : "no answer from the operator\n");
    return 1;
}

/* ---- the loop ---- */

static int wait_ms(const struct server *server)
{
    uint64_t now = now_ms(), due = now + 60000u;
    for (size_t i = 0; i < server->connection_count; i++) {
        uint64_t mine = ofd_connection_due_ms(server->connections[i]);
        if (mine < due)
            due = mine;
    }
    return due <= now ? 0 : (int)(due - now);
}

static void turn(struct server *server, const sigset_t *signals_open)
{
    struct pollfd files[3 + CONNECTIONS_MAX];
    struct timespec limit;
    nfds_t count = 0;
    uint64_t now = now_ms();
    int milliseconds = wait_ms(server);
    files[count++] = (struct pollfd){.fd = server->control, .events = POLLIN};
    for (size_t i = 0; i < server->listener_count; i++) /* poll skips negative descriptors */
        files[count++] = (struct pollfd){.fd = server->listeners[i].socket, .events = POLLIN};
    for (size_t i = 0; i < server->connection_count; i++)
        files[count++] =
            (struct pollfd){.fd = server->connections[i]->socket,
                            .events = ofd_connection_wants(server->connections[i], now)};
    limit.tv_sec = milliseconds / 1000;
    limit.tv_nsec = (long)(milliseconds % 1000) * 1000000L;
    if (ppoll(files, count, &limit, signals_open) < 0)
        return;
    if (files[0].revents != 0)
        control_serve(server);
    for (size_t i = 0; i < server->listener_count; i++)
        if (files[1 + i].revents != 0 && server->listeners[i].socket >= 0)
            accept_one(server, &server->listeners[i]);
    serve_connections(server);
}

static bool start(struct server *server, const struct ofd_server_options *options)
{
    char error[ERROR_SIZE];
    server->control = -1;
    server->office.inn = options->inn;
    server->office.store = ofd_store_open(options->store_path, true, error, sizeof error);
    if (server->office.store == NULL) {
        (void)fprintf(stderr, "kkt-ofd: %s\n", error);
        return false;
    }
    server->control_path = options->control_path;
    if (!control_open(server))
        return false;
    if (options->tls != NULL) {
        server->identity_open = true;
        if (!ofd_identity_open(&server->identity, options->tls_directory, error, sizeof error)) {
            (void)fprintf(stderr, "kkt-ofd: %s\n", error);
            return false;
        }
    }
    return (options->listen == NULL || add_listener(server, options->listen, NULL)) &&
           (options->tls == NULL || add_listener(server, options->tls, &server->identity.config));
}

static void finish(struct server *server)
{
    while (server->connection_count > 0)
        drop(server, server->connection_count - 1);
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].socket >= 0)
            (void)close(server->listeners[i].socket);
    if (server->control >= 0)
        (void)close(server->control);
    if (server->control >= 0 && server->control_path != NULL)
        (void)unlink(server->control_path);
    if (server->identity_open)
        ofd_identity_free(&server->identity);
    ofd_store_close(server->office.store);
}

int ofd_server_run(const struct ofd_server_options *options)
{
    struct server *server = calloc(1, sizeof *server);
    struct sigaction action;
    sigset_t signals, open_signals;
    bool started;
    if (server == NULL)
        return 1;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    /* Signals arrive only inside ppoll, so none can slip in between the test and the wait. */
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &signals, &open_signals);
    started = start(server, options);
    while (started && !stop_wanted)
        turn(server, &open_signals);
    if (started)
        print_line("stopping");
    finish(server);
    free(server);
    return started ? 0 : 1;
}
