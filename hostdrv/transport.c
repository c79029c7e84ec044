#include "hostdrv/transport.h"

#include <errno.h>
#include <string.h>

#include "hostdrv/fault.h"

#define FOUND_MAX 32u

/* The serial port of the board with this number. */
static bool find_port(const char *serial, struct device_uri *port)
{
    kkt_found found[FOUND_MAX];
    kkt_error ignored;
    size_t count = 0;
    if (kkt_discover(found, FOUND_MAX, &count, &ignored) != KKT_OK)
        return false;
    for (size_t i = 0; i < count && i < FOUND_MAX; i++) {
        if (strcmp(found[i].serial, serial) == 0 && strncmp(found[i].uri, "serial:", 7) == 0)
            return device_uri_parse(found[i].uri, port, &ignored) == KKT_OK;
    }
    return false;
}

/* By libusb; where that is not possible, as for want of rights, its serial port may be. But not
 * when somebody has the board: the port would take the link away from him. */
static int open_number(const struct device_uri *uri, struct transport **out, kkt_error *error)
{
    struct device_uri port;
    kkt_error ignored;
    int result = transport_usb_open(uri, out, error);
    if (result == KKT_OK || result == ERROR_LINK_BUSY || !find_port(uri->place, &port))
        return result;
    return transport_serial_open(&port, out, &ignored) == KKT_OK ? KKT_OK : result;
}

int transport_open(const struct device_uri *uri, unsigned timeout_ms, struct transport **out,
                   kkt_error *error)
{
    switch (uri->scheme) {
    case DEVICE_URI_TCP:
        return transport_tcp_open(uri, timeout_ms, out, error);
    case DEVICE_URI_SERIAL:
        return transport_serial_open(uri, out, error);
    case DEVICE_URI_USB:
        return transport_usb_open(uri, out, error);
    case DEVICE_URI_NUMBER:
        return open_number(uri, out, error);
    }
    return fault_set(error, ERROR_DEVICE_URI, NULL);
}

int transport_errno_code(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return ERROR_PERMISSION;
    case EBUSY:
    case EWOULDBLOCK:
        return ERROR_LINK_BUSY;
    default:
        return ERROR_LINK_LOST;
    }
}
