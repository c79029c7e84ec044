/* usb-sim-vhci: as usb-sim, but the boards are plugged into this PC's own kernel by vhci-hcd; for
 * the guest of tests/guest. "pull" counts packets here.
 *
 *     usb-sim-vhci [--program echo|link|mixed] [--boards N] -- COMMAND...
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board/posix/posix_usb.h"
#include "tests/usb/sim_words.h"

#define BOARDS_MAX 4u
#define PEERS_MAX  8u
#define TURN_MS    2

struct cable {
    struct sim_board board;
    int fd; /* -1: out */
    uint8_t out[USBIP_OUT_BYTES];
    size_t out_size;
    uint64_t pull_at; /* packets; 0: never */
    uint64_t plug_at_ms;
};

static struct cable *cables;
static unsigned boards = 1;
static int peers[PEERS_MAX];

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ---- cables ---- */

static bool plug(struct cable *cable)
{
    if (cable->fd >= 0)
        return true;
    cable->fd = posix_usb_vhci();
    cable->out_size = 0;
    return cable->fd >= 0 && sim_board_plug(&cable->board, 0);
}

static void unplug(struct cable *cable)
{
    if (cable->fd < 0)
        return;
    close(cable->fd);
    cable->fd = -1;
    cable->pull_at = 0;
    sim_board_unplug(&cable->board);
}

/* False: nothing moved. */
static bool turn(struct cable *cable)
{
    uint8_t bytes[16384];
    size_t size;
    if (cable->plug_at_ms != 0 && now_ms() >= cable->plug_at_ms) {
        cable->plug_at_ms = 0;
        (void)plug(cable);
    }
    if (cable->fd < 0)
        return false;
    ssize_t got = recv(cable->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        unplug(cable); /* by the kernel */
        return true;
    }
    if (got > 0)
        sim_board_receive(&cable->board, bytes, (size_t)got);
    bool alive = sim_board_run(&cable->board, cable->out + cable->out_size,
                               sizeof cable->out - cable->out_size, &size);
    cable->out_size += size;
    if (!alive || (cable->pull_at != 0 && cable->board.usbip.packets >= cable->pull_at)) {
        unplug(cable);
        return true;
    }
    ssize_t sent = cable->out_size > 0
                       ? send(cable->fd, cable->out, cable->out_size, MSG_DONTWAIT | MSG_NOSIGNAL)
                       : 0;
    if (sent > 0) {
        cable->out_size -= (size_t)sent;
        memmove(cable->out, cable->out + sent, cable->out_size);
    }
    return got > 0 || size > 0 || sent > 0;
}

/* ---- words ---- */

static struct sim_board *board_of(unsigned number)
{
    return number >= 1 && number <= boards ? &cables[number - 1].board : NULL;
}

static void say_plug(unsigned number, unsigned later_ms, char *reply, size_t capacity)
{
    if (later_ms > 0)
        cables[number - 1].plug_at_ms = now_ms() + later_ms;
    else if (!plug(&cables[number - 1]))
        snprintf(reply, capacity, "vhci: %s", strerror(errno));
}

static void say_unplug(unsigned number)
{
    unplug(&cables[number - 1]);
}

static void say_pull(unsigned number, unsigned count)
{
    cables[number - 1].pull_at = cables[number - 1].board.usbip.packets + count;
}

static const struct sim_words words_here = {board_of, say_plug, say_unplug, say_pull};

static void take_words(int *peer)
{
    char line[100], reply[128];
    ssize_t size = recv(*peer, line, sizeof line - 1, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size > 0) {
        line[size] = '\0';
        sim_obey(&words_here, line, reply, sizeof reply);
        size = send(*peer, reply, strlen(reply), MSG_NOSIGNAL);
    }
    if (size <= 0) {
        close(*peer);
        *peer = -1;
    }
}

static void wait_a_turn(int listener, bool moved)
{
    struct pollfd polls[1 + BOARDS_MAX + PEERS_MAX] = {{.fd = listener, .events = POLLIN}};
    for (unsigned i = 0; i < boards; i++)
        polls[1 + i] = (struct pollfd){.fd = cables[i].fd, .events = POLLIN};
    for (unsigned i = 0; i < PEERS_MAX; i++)
        polls[1 + boards + i] = (struct pollfd){.fd = peers[i], .events = POLLIN};
    (void)poll(polls, 1 + boards + PEERS_MAX, moved ? 0 : TURN_MS);
    if ((polls[0].revents & POLLIN) == 0)
        return;
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    for (unsigned i = 0; i < PEERS_MAX && peer >= 0; i++) {
        if (peers[i] < 0) {
            peers[i] = peer;
            peer = -1;
        }
    }
    if (peer >= 0)
        close(peer);
}

static int run(char **command, int listener)
{
    int status = 0;
    bool moved = true;
    pid_t child = sim_command(command);
    while (waitpid(child, &status, WNOHANG) == 0) {
        wait_a_turn(listener, moved);
        moved = false;
        for (unsigned i = 0; i < PEERS_MAX; i++) {
            if (peers[i] >= 0)
                take_words(&peers[i]);
        }
        for (unsigned i = 0; i < boards; i++)
            moved = turn(&cables[i]) || moved;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **words)
{
    const char *program = "echo";
    int at = 1;
    for (; at + 1 < count && strcmp(words[at], "--") != 0; at += 2) {
        unsigned value = (unsigned)strtoul(words[at + 1], NULL, 10);
        if (strcmp(words[at], "--program") == 0)
            program = words[at + 1];
        else if (strcmp(words[at], "--boards") == 0)
            boards = value <= BOARDS_MAX ? value : BOARDS_MAX;
    }
    cables = calloc(BOARDS_MAX, sizeof *cables);
    int listener = sim_listen();
    if (at + 1 >= count || cables == NULL || listener < 0)
        return 2;
    signal(SIGPIPE, SIG_IGN); /* the kernel may close first */
    for (unsigned i = 0; i < PEERS_MAX; i++)
        peers[i] = -1;
    for (unsigned i = 0; i < boards; i++) {
        char serial[16];
        bool echoes = program[0] == 'e' || (program[0] == 'm' && (i == 1 || i == 2));
        snprintf(serial, sizeof serial, "SIM%u", i + 1);
        sim_board_init(&cables[i].board, echoes ? SIM_ECHO : SIM_LINK, serial);
        cables[i].fd = -1;
        if (!plug(&cables[i]))
            printf("usb-sim-vhci: board %u: %s\n", i + 1, strerror(errno));
    }
    int status = run(words + at + 1, listener);
    for (unsigned i = 0; i < boards; i++)
        unplug(&cables[i]);
    sim_listen_end();
    return status;
}
