/* Words for the simulator that a test runs under (usb-sim, or usb-sim-vhci in a guest): what a hand
 * would do to cables.
 */
#ifndef TESTS_USB_SIM_CLIENT_H
#define TESTS_USB_SIM_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

/* plug N [MS: later], unplug N, silent N 0|1 (the board's program does nothing), events N COUNT (it
 * tells of so many events), pull N COUNT (the cable comes out after so many more transfers). */
static inline const char *sim_say(const char *words)
{
    static int peer = -1;
    static char reply[128];
    if (peer < 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        const char *path = getenv("KKT_USB_SIM");
        if (path == NULL)
            fail_msg("run it under usb-sim: tests/usb/run");
        else
            snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        peer = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (connect(peer, (const struct sockaddr *)&address, sizeof address) != 0)
            fail_msg("no simulator at %s", address.sun_path);
    }
    ssize_t size = send(peer, words, strlen(words), MSG_NOSIGNAL) < 0
                       ? -1
                       : recv(peer, reply, sizeof reply - 1, 0);
    if (size < 0)
        fail_msg("the simulator is gone");
    reply[size < 0 ? 0 : size] = '\0';
    return reply;
}

static inline void sim_do(const char *words)
{
    assert_string_equal(sim_say(words), "ok");
}

#endif
