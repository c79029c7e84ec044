#include "hostdrv/transport.h"

#include <errno.h>

#include "hostdrv/fault.h"

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
