/* Boards that can be seen from this computer: on USB by the vendor interface, and serial ports that
 * belong to such a device. */
#include <errno.h>
#include <libserialport.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hostdrv/fault.h"
#include "hostdrv/transport.h"
#include "hostdrv/usb_find.h"
#include "proto/usb_link.h"

struct finding {
    kkt_found *out;
    size_t capacity, count;
};

/* Counted in any case; NULL: no room to tell of it. */
static kkt_found *next(struct finding *finding)
{
    kkt_found *found = finding->count < finding->capacity ? &finding->out[finding->count] : NULL;
    finding->count++;
    if (found != NULL)
        memset(found, 0, sizeof *found);
    return found;
}

static void set_problem(kkt_found *found, int code, const char *detail)
{
    found->problem = code;
    snprintf(found->detail, sizeof found->detail, "%s", detail);
}

/* Opens and claims it for a moment, which the board does not notice and a user of it neither. */
static int try_claim(libusb_device *device)
{
    struct usb_find_interface interface;
    libusb_device_handle *handle = NULL;
    int result = libusb_open(device, &handle);
    if (result != 0)
        return result;
    result = usb_find_interface(device, &interface)
                 ? libusb_claim_interface(handle, interface.number)
                 : LIBUSB_ERROR_NOT_FOUND;
    if (result == 0)
        libusb_release_interface(handle, interface.number);
    libusb_close(handle);
    return result;
}

static void tell_usb(struct finding *finding, libusb_device *device)
{
    char serial[USB_FIND_SERIAL] = "";
    if (!usb_find_is_board(device))
        return;
    kkt_found *found = next(finding);
    if (found == NULL)
        return;
    snprintf(found->node, sizeof found->node, "/dev/bus/usb/%03u/%03u",
             libusb_get_bus_number(device), libusb_get_device_address(device));
    int result = usb_find_serial(device, serial);
    if (result == 0) {
        snprintf(found->serial, sizeof found->serial, "%s", serial);
        snprintf(found->uri, sizeof found->uri, "usb:%s", serial);
        result = try_claim(device);
    }
    if (result != 0)
        set_problem(found, transport_usb_code(result), libusb_strerror(result));
}

static int discover_usb(struct finding *finding, kkt_error *error)
{
    libusb_context *context = NULL;
    libusb_device **devices = NULL;
    int result = libusb_init(&context);
    if (result != 0)
        return fault_set(error, ERROR_INTERNAL, "libusb: %s", libusb_strerror(result));
    ssize_t count = libusb_get_device_list(context, &devices);
    for (ssize_t i = 0; i < count; i++)
        tell_usb(finding, devices[i]);
    if (count >= 0)
        libusb_free_device_list(devices, 1);
    libusb_exit(context);
    return KKT_OK;
}

static void tell_port(struct finding *finding, struct sp_port *port)
{
    int vendor = 0;
    int product = 0;
    if (sp_get_port_usb_vid_pid(port, &vendor, &product) != SP_OK ||
        (unsigned)vendor != USB_LINK_VENDOR_ID || (unsigned)product != USB_LINK_PRODUCT_ID)
        return;
    const char *name = sp_get_port_name(port);
    const char *serial = sp_get_port_usb_serial(port);
    kkt_found *found = next(finding);
    if (found == NULL)
        return;
    snprintf(found->serial, sizeof found->serial, "%s", serial != NULL ? serial : "");
    snprintf(found->uri, sizeof found->uri, "serial:%s", name);
    snprintf(found->node, sizeof found->node, "%s", name);
    if (access(name, R_OK | W_OK) != 0)
        set_problem(found, transport_errno_code(errno), strerror(errno));
}

int kkt_discover(kkt_found *out, size_t capacity, size_t *count, kkt_error *error)
{
    struct finding finding = {.out = out, .capacity = capacity};
    struct sp_port **ports = NULL;
    int result = discover_usb(&finding, error);
    if (result == KKT_OK && sp_list_ports(&ports) == SP_OK) {
        for (size_t i = 0; ports[i] != NULL; i++)
            tell_port(&finding, ports[i]);
        sp_free_port_list(ports);
    }
    *count = finding.count;
    return result;
}
