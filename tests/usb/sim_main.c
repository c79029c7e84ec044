/* usb-sim: runs a program that finds simulated boards on USB, by umockdev, without a kernel that
 * knows USB and without rights.
 *
 *     umockdev-wrapper usb-sim [--program echo|link|mixed] [--boards N]
 *                              [--away PORT [--pull-after N --back-ms N]] -- COMMAND...
 *
 * Boards have the serial numbers SIM1, SIM2... on the hub's ports 1, 2...; --away PORT is the one
 * board of a `kkt-board --usbip 127.0.0.1:PORT`. The command moves cables itself over the socket
 * whose path is in KKT_USB_SIM (tests/usb/sim_client.h says the words). Ends as the command does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/usb/sim_usbfs.h"

#define BOARDS_MAX 4u

static struct sim_device *devices;
static unsigned boards = 1, back_ms;
static GMainLoop *loop;
static int exit_status = 2;
static char folder[] = "/tmp/usb-sim-XXXXXX";

/* ---- what the command may ask for ---- */

static gboolean put_back(gpointer user)
{
    g_rec_mutex_lock(&sim_lock);
    bool done = sim_device_plug(user);
    g_rec_mutex_unlock(&sim_lock);
    return done ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static struct sim_device *device_of(unsigned number)
{
    return number >= 1 && number <= boards ? &devices[number - 1] : NULL;
}

static void obey(const char *line, char *reply, size_t capacity)
{
    char word[16] = "";
    unsigned number = 0, value = 0;
    int count = sscanf(line, "%15s %u %u", word, &number, &value);
    struct sim_device *device = device_of(number);
    bool understood = count >= 2 && device != NULL;
    snprintf(reply, capacity, "ok");
    if (understood && strcmp(word, "plug") == 0 && value > 0)
        sim_later(value, put_back, device);
    else if (understood && strcmp(word, "plug") == 0)
        snprintf(reply, capacity, "%s", sim_device_plug(device) ? "ok" : "not enumerated");
    else if (understood && strcmp(word, "unplug") == 0)
        sim_device_unplug(device);
    else if (understood && strcmp(word, "silent") == 0)
        device->board.silent = value != 0;
    else if (understood && strcmp(word, "events") == 0)
        device->board.events_due += value;
    else if (understood && strcmp(word, "pull") == 0)
        device->pull_after = device->bulk_done + value;
    else
        snprintf(reply, capacity, "what? %s", line);
    if (device != NULL)
        sim_device_pump(device);
}

static gboolean asked(gint fd, GIOCondition condition, gpointer user)
{
    char line[100], reply[128];
    (void)condition;
    (void)user;
    ssize_t size = recv(fd, line, sizeof line - 1, MSG_DONTWAIT);
    if (size <= 0) {
        close(fd);
        return G_SOURCE_REMOVE;
    }
    line[size] = '\0';
    g_rec_mutex_lock(&sim_lock);
    obey(line, reply, sizeof reply);
    g_rec_mutex_unlock(&sim_lock);
    if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) < 0)
        return G_SOURCE_REMOVE;
    return G_SOURCE_CONTINUE;
}

static gboolean called(gint fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    (void)user;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    if (peer >= 0)
        sim_watch(peer, asked, NULL);
    return G_SOURCE_CONTINUE;
}

static bool listen_for_words(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (mkdtemp(folder) == NULL)
        return false;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/words", folder);
    if (listener < 0 || bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 8) != 0)
        return false;
    setenv("KKT_USB_SIM", address.sun_path, 1);
    sim_watch(listener, called, NULL);
    return true;
}

/* ---- the cable of a board elsewhere ---- */

/* From inside the device's work, so the cable comes out here and goes in later. */
static void pulled(struct sim_device *device)
{
    printf("usb-sim: pulled at transfer %lu\n", device->bulk_done);
    fflush(stdout);
    sim_device_unplug(device);
    if (back_ms > 0)
        sim_later(back_ms, put_back, device);
}

/* ---- the command ---- */

static void ended(GPid child, gint status, gpointer user)
{
    (void)child;
    (void)user;
    exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    g_main_loop_quit(loop);
}

static bool start_command(char **command)
{
    pid_t child = fork();
    if (child == 0) {
        const char *preload = getenv("USB_SIM_PRELOAD");
        if (preload != NULL) /* the address sanitizer's library comes first */
            setenv("LD_PRELOAD", preload, 1);
        execvp(command[0], command);
        perror(command[0]);
        _exit(127);
    }
    if (child > 0)
        g_child_watch_add(child, ended, NULL);
    return child > 0;
}

int main(int count, char **words)
{
    enum sim_program program = SIM_ECHO;
    bool mixed = false; /* the second and third one echo, the others have the link */
    unsigned away = 0, pull_after = 0;
    int at = 1;
    for (; at + 1 < count && strcmp(words[at], "--") != 0; at += 2) {
        unsigned value = (unsigned)strtoul(words[at + 1], NULL, 10);
        mixed = mixed || strcmp(words[at + 1], "mixed") == 0;
        if (strcmp(words[at], "--program") == 0)
            program = words[at + 1][0] == 'e' ? SIM_ECHO : SIM_LINK;
        else if (strcmp(words[at], "--boards") == 0)
            boards = value <= BOARDS_MAX ? value : BOARDS_MAX;
        else if (strcmp(words[at], "--away") == 0)
            away = value;
        else if (strcmp(words[at], "--pull-after") == 0)
            pull_after = value;
        else if (strcmp(words[at], "--back-ms") == 0)
            back_ms = value;
        else
            at = count;
    }
    if (at + 1 >= count) {
        fprintf(stderr, "usb-sim: see the head of tests/usb/sim_main.c\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    loop = g_main_loop_new(NULL, FALSE);
    UMockdevTestbed *bed = umockdev_testbed_new();
    devices = calloc(BOARDS_MAX, sizeof *devices);
    if (devices == NULL || !listen_for_words())
        return 2;
    g_rec_mutex_lock(&sim_lock);
    for (unsigned i = 0; i < boards; i++) {
        char serial[16];
        snprintf(serial, sizeof serial, "SIM%u", i + 1);
        enum sim_program own = mixed && (i == 1 || i == 2) ? SIM_ECHO : program;
        sim_device_init(&devices[i], bed, i + 1, away != 0 ? SIM_AWAY : own, serial, away);
        devices[i].pulled = pulled;
        devices[i].pull_after = pull_after;
        if (!sim_device_plug(&devices[i]))
            printf("usb-sim: board %u is not enumerated\n", i + 1);
    }
    g_rec_mutex_unlock(&sim_lock);
    fflush(stdout);
    if (!start_command(words + at + 1))
        return 2;
    g_main_loop_run(loop);
    if (away != 0)
        printf("usb-sim: %lu transfers, %lu packets, %lu turnarounds\n", devices[0].bulk_done,
               devices[0].packets, devices[0].turnarounds);
    unlink(getenv("KKT_USB_SIM"));
    rmdir(folder);
    return exit_status;
}
