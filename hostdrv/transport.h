/* How bytes reach the board: one small interface, one file per kind of cable. Results have three
 * ways: > 0 done, 0 nothing now, < 0 the connection is dead and only close may follow. Nothing here
 * blocks but open (at most timeout_ms, apart from the resolver of host names) and wait.
 */
#ifndef HOSTDRV_TRANSPORT_H
#define HOSTDRV_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hostdrv/device_uri.h"

struct transport;

struct transport_operations {
    int (*read)(struct transport *transport, uint8_t *bytes, size_t capacity);
    int (*write)(struct transport *transport, const uint8_t *bytes, size_t size);
    /* Until bytes can be read, or written when want_write, or timeout_ms has passed (0). May return
     * early. */
    int (*wait)(struct transport *transport, bool want_write, unsigned timeout_ms);
    void (*close)(struct transport *transport);
    /* What arrives is what was sent, in order, without a gap; if that cannot be kept, the
     * connection ends. A serial line loses and flips bytes and goes on. */
    bool faithful;
};

struct transport {
    const struct transport_operations *operations;
};

/* KKT_OK, or ERROR_LINK_LOST, ERROR_LINK_BUSY, ERROR_PERMISSION with what the system said. */
int transport_open(const struct device_uri *uri, unsigned timeout_ms, struct transport **out,
                   kkt_error *error);
int transport_tcp_open(const struct device_uri *uri, unsigned timeout_ms, struct transport **out,
                       kkt_error *error);
int transport_serial_open(const struct device_uri *uri, struct transport **out, kkt_error *error);
int transport_usb_open(const struct device_uri *uri, struct transport **out, kkt_error *error);

/* The error code that fits an errno, or an enum libusb_error, of opening a device. */
int transport_errno_code(int number);
int transport_usb_code(int result);

#endif
