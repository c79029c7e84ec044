/* One device handle: the connection, who is behind it, and requests over it. The logic lives in
 * link_client; this module moves its bytes and tells it the time.
 *
 * Always true: while `transport` is open the identity was asked over this very connection and its
 * serial number is the expected one.
 *
 * reconnect.h says when attempts are made. device_connect waits the pauses out as far as its
 * deadline allows, and less when a device arrives; a query (kkt_get_status) makes one attempt at
 * once.
 */
#ifndef HOSTDRV_DEVICE_H
#define HOSTDRV_DEVICE_H

#include "hostdrv/arrival.h"
#include "hostdrv/kkt.h"
#include "hostdrv/link_client.h"
#include "hostdrv/reconnect.h"
#include "hostdrv/transport.h"

#define DEVICE_CONNECT_TIMEOUT_MS 3000u
#define DEVICE_ANSWER_TIMEOUT_MS  15000u

struct kkt {
    struct device_uri uri;
    char expected_serial[21]; /* "": any */
    unsigned connect_timeout_ms, answer_timeout_ms, silence_ms;
    struct transport *transport; /* NULL: not connected */
    struct link_client client;
    kkt_identity identity;
    bool identity_stale; /* the board said that it started since the identity was asked */
    struct reconnect reconnect;
    struct arrival *arrival;  /* while the board is waited for */
    uint64_t heard_ms;        /* when the board last said anything */
    uint64_t identity_cursor; /* events looked at for that */
    uint64_t user_cursor;     /* events given to kkt_next_event */
    uint64_t bytes_sent, bytes_received, connections;
};

/* Connects unless connected: waits for its turn, tries, and again until deadline_ms, at most
 * attempts_max times (0: no limit). Only a link that is lost or busy is tried again; OTHER_DEVICE
 * or VERSION_UNSUPPORTED end it at once. */
int device_connect(struct kkt *device, uint64_t deadline_ms, unsigned attempts_max,
                   kkt_error *error);
/* One attempt now, at most timeout_ms for the connection and as long again for the identity. */
int device_connect_once(struct kkt *device, unsigned timeout_ms, kkt_error *error);
/* Closes the connection, which is no good; the handle can connect again. */
void device_drop(struct kkt *device);
/* Closes it so that others can have the board: no loss. */
void device_release(struct kkt *device);
/* Hands what waits to go out to the transport, without waiting.
 * KKT_OK or LINK_LOST (dropped then). */
int device_flush(struct kkt *device, kkt_error *error);
/* Moves bytes until something arrived or until_ms; then tick.
 * KKT_OK or LINK_LOST (dropped then). */
int device_pump(struct kkt *device, uint64_t until_ms, kkt_error *error);
/* One query and its answer, on the open connection; a refusal comes back as its code. The answer
 * lies in the client until the next request. */
int device_ask(struct kkt *device, uint8_t code, const uint8_t *message, size_t size,
               unsigned timeout_ms, const struct link_client_answer **out, kkt_error *error);
/* The same, connecting first, and once more when the connection breaks under it. */
int device_query(struct kkt *device, uint8_t code, const uint8_t *message, size_t size,
                 const struct link_client_answer **out, kkt_error *error);
/* Asks the identity again over the open connection. */
int device_identify(struct kkt *device, unsigned timeout_ms, kkt_error *error);
/* True when the board said that it started since the identity was asked. */
bool device_identity_stale(struct kkt *device);
/* Value of a string tag as UTF-8; "" when absent. Trailing spaces are cut. */
void device_string(const uint8_t *tlv, size_t size, uint16_t tag, char *out, size_t capacity);

#endif
