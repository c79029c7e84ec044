/* The host port on TCP: one host at a time, the newest wins.
 *
 * Why the newest: a backend that was restarted, or whose network was lost, leaves a connection
 * behind that nothing here can tell from a silent one; a board that held on to it would be locked
 * out until TCP gives up after hours. A host that is pushed out sees its connection closed and asks
 * again with the same key. Each new host makes the port's generation grow, so firmware forgets half
 * a frame of the old one.
 */
#ifndef BOARD_POSIX_LINK_H
#define BOARD_POSIX_LINK_H

#include "board/posix/posix_console.h"
#include "board/posix/posix_stream.h"

struct posix_link {
    struct posix_console *console;
    struct posix_address address; /* port: the real one once it is known */
    int listen_fd;                /* -1: cable out, or the port could not be taken again yet */
    bool down;                    /* the cable is out */
    uint64_t retry_ms;            /* when to try the port again */
    uint32_t generation;
    uint64_t hosts; /* connections so far */
    uint64_t bytes_in, bytes_out;
    bool request_waits; /* bytes came from the host and none went to it since */
    struct posix_stream stream;
    char peer[80];
};

/* False with errno when the port cannot be taken. With down the cable starts out. */
bool posix_link_open(struct posix_link *link, struct posix_console *console,
                     const struct posix_address *address, bool down);
void posix_link_close(struct posix_link *link);
int posix_link_read(struct posix_link *link, uint8_t *data, size_t size);
int posix_link_write(struct posix_link *link, const uint8_t *data, size_t size);
/* Closes the present host's connection; false when there is none. */
bool posix_link_drop(struct posix_link *link, const char *why);
/* Cable out (no host can connect) or in again. */
void posix_link_set_down(struct posix_link *link, bool down, uint64_t now_ms);
/* Sends what waits, lets go of a host that left. True: firmware should look at the port. */
bool posix_link_pump(struct posix_link *link, uint64_t now_ms);
/* The listening socket has a host; the connection has bytes. True: firmware should look. */
bool posix_link_accept(struct posix_link *link);
bool posix_link_receive(struct posix_link *link);

#endif
