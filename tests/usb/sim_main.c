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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/usb/sim_usbfs.h"
#include "tests/usb/sim_words.h"

#define BOARDS_MAX 4u

static struct sim_device *devices;
static unsigned boards = 1, back_ms;
static GMainLoop *loop;
static int exit_status = 2;

/* ---- what the command may ask for ---- */

static gboolean put_back(gpointer user)
{
    g_rec_mutex_lock(&sim_lock);
    bool done = sim_device_plug(user);
    g_rec_mutex_unlock(&sim_lock);
    return done ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void say_plug(unsigned number, unsigned later_ms, char *reply, size_t capacity)
{
    struct sim_device *device = &devices[number - 1];
    if (later_ms > 0)
        sim_later(later_ms, put_back, device);
    else if (!sim_device_plug(device))
        snprintf(reply, capacity, "not enumerated");
}

static void say_unplug(unsigned number)
{
    sim_device_unplug(&devices[number - 1]);
}

static void say_pull(unsigned number, unsigned count)
{
    devices[number - 1].pull_after = devices[number - 1].bulk_done + count;
}

static struct sim_board *board_of(unsigned number)
{
    return number >= 1 && number <= boards ? &devices[number - 1].board : NULL;
}

static const struct sim_words words_here = {board_of, say_plug, say_unplug, say_pull};

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
    sim_obey(&words_here, line, reply, sizeof reply);
    for (unsigned i = 0; i < boards; i++)
        sim_device_pump(&devices[i]);
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
    int listener = sim_listen();
    if (devices == NULL || listener < 0)
        return 2;
    sim_watch(listener, called, NULL);
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
    g_child_watch_add(sim_command(words + at + 1), ended, NULL);
    g_main_loop_run(loop);
    if (away != 0)
        printf("usb-sim: %lu transfers, %lu packets, %lu turnarounds\n", devices[0].bulk_done,
               devices[0].packets, devices[0].turnarounds);
    sim_listen_end();
    return exit_status;
}
