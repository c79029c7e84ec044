/* One register's connection to the test operator, plain or TLS, never blocking.
 *
 * service() moves what can be moved and returns; the owner's loop polls the socket for what
 * connection_wants says. A new message is looked at only when the answer to the last one is out, so
 * answers keep the order of the messages.
 */
#ifndef TOOLS_OFD_OFD_CONNECTION_H
#define TOOLS_OFD_OFD_CONNECTION_H

#include <mbedtls/ssl.h>

#include "tools/ofd/ofd_operator.h"

#define CONNECTION_IDLE_MS 600000u /* a register that says nothing for so long is let go */

struct ofd_connection {
    int socket;
    unsigned id;
    bool tls, open; /* open: the TLS handshake is done */
    bool close_when_sent;
    uint64_t last_ms; /* when a byte last moved */
    uint64_t send_ms; /* the answer may go out from then on */
    uint32_t moved;   /* bytes both ways, for close-after */
    mbedtls_ssl_context ssl;
    size_t pending; /* size of a TLS write that must be repeated */
    size_t in_size, out_size, out_sent;
    uint8_t in[OFD_MESSAGE_MAX];
    uint8_t out[2 * OFD_CONFIRMATION_MAX];
};

/* Takes over the socket. config: NULL for plain TCP. NULL when out of memory. */
struct ofd_connection *ofd_connection_new(int socket, unsigned id, const mbedtls_ssl_config *config,
                                          uint64_t now_ms);
/* Events go to print as whole lines. False: close and free it. */
bool ofd_connection_service(struct ofd_connection *connection, struct ofd_operator *office,
                            uint64_t now_ms, unix_s now_utc, void (*print)(const char *line));
/* Bits of poll(2). */
short ofd_connection_wants(const struct ofd_connection *connection, uint64_t now_ms);
/* The time at which service must be called even if nothing moves. */
uint64_t ofd_connection_due_ms(const struct ofd_connection *connection);
void ofd_connection_free(struct ofd_connection *connection);

#endif
