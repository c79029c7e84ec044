/* Device addresses: tcp:HOST:PORT (IPv6 as [::1]), serial:PATH?baud=N, usb:SERIAL; or the bare
 * serial number of a board that is on USB, one way or the other.
 *
 * Always true: a parsed address is complete (host and port, path and baud, or serial number), and a
 * refused one names the part at fault in error.field: scheme, host, port, path, option, baud,
 * serial.
 */
#ifndef HOSTDRV_DEVICE_URI_H
#define HOSTDRV_DEVICE_URI_H

#include "hostdrv/kkt.h"

#define DEVICE_URI_BAUD_DEFAULT 115200u
#define DEVICE_URI_BAUD_MAX     4000000u

enum device_uri_scheme {
    DEVICE_URI_TCP = 1,
    DEVICE_URI_SERIAL = 2,
    DEVICE_URI_USB = 3,
    DEVICE_URI_NUMBER = 4 /* bare: by libusb, else by its serial port */
};

struct device_uri {
    enum device_uri_scheme scheme;
    char place[256]; /* host, path or serial number */
    char port[6];    /* tcp: decimal, 1..65535 */
    unsigned baud;   /* serial */
};

/* KKT_OK or ERROR_DEVICE_URI. */
int device_uri_parse(const char *text, struct device_uri *out, kkt_error *error);

#endif
