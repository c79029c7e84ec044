/* The board's one outgoing connection: TCP, with TLS on top when asked for (board/tls).
 *
 *   CLOSED --posix_net_open--> NAMING -> CONNECTING -> [HANDSHAKE] -> OPEN
 *     ^                           '----------'---- 30 s, refused, net down ----'--> FAILED
 *     '--------------------------------- posix_net_close -----------------------------'
 *
 * Always true: nothing blocks (names are looked up by a thread); every address of a name is tried
 * in turn; what arrived before the peer closed is read before the state becomes FAILED; while the
 * network is down no byte leaves.
 */
#ifndef BOARD_POSIX_NET_H
#define BOARD_POSIX_NET_H

#include "board/board.h"
#include "board/posix/posix_clock.h"
#include "board/posix/posix_console.h"
#include "board/posix/posix_resolve.h"
#include "board/posix/posix_stream.h"
#include "board/tls/tls_stream.h"

#define POSIX_NET_CONNECT_MS 30000u

enum posix_net_phase {
    POSIX_NET_CLOSED,
    POSIX_NET_NAMING,
    POSIX_NET_CONNECTING,
    POSIX_NET_HANDSHAKE,
    POSIX_NET_OPEN,
    POSIX_NET_FAILED
};

struct posix_net {
    struct posix_console *console;
    struct posix_clock *clock;
    bool down; /* ctl: no network */
    enum posix_net_phase phase;
    enum board_net_error error;
    uint32_t detail;
    mono_ms deadline; /* of getting to OPEN */
    char name[256];
    uint16_t port;
    struct posix_resolve *resolve;
    struct posix_address found[POSIX_RESOLVE_MAX];
    unsigned found_count, found_next;
    struct posix_stream stream; /* the user's bytes; without TLS also the wire's */
    bool secure;
    bool ca_present;
    uint8_t ca[4096];
    size_t ca_size;
    struct tls_stream tls;
    bool tls_ready; /* tls was initialised */
    bool more;      /* tls may hold bytes already taken from the wire */
    uint64_t connects, opened, failed, bytes_in, bytes_out;
};

bool posix_net_init(struct posix_net *net, struct posix_console *console,
                    struct posix_clock *clock);
void posix_net_deinit(struct posix_net *net);

/* The five functions of board.h. */
int posix_net_open(struct posix_net *net, const struct board_endpoint *endpoint, mono_ms now);
enum board_net_state posix_net_state(const struct posix_net *net, enum board_net_error *error,
                                     uint32_t *detail);
int posix_net_read(struct posix_net *net, uint8_t *data, size_t size);
int posix_net_write(struct posix_net *net, const uint8_t *data, size_t size);
void posix_net_close(struct posix_net *net);

/* Takes the network away, which breaks what is connected, or gives it back. */
void posix_net_set_down(struct posix_net *net, bool down);
/* What poll should wait for: descriptor (-1 none) and events. */
int posix_net_poll(const struct posix_net *net, short *events);
/* Milliseconds until the connecting deadline; UINT64_MAX when nothing waits. */
uint64_t posix_net_due_ms(const struct posix_net *net, mono_ms now);
/* Moves on: ready says that poll reported the descriptor. True: firmware should look. */
bool posix_net_pump(struct posix_net *net, bool ready, mono_ms now);

#endif
