#include "hostdrv/usb_find.h"

#include <stdio.h>
#include <string.h>

#include "proto/usb_link.h"

#define PORTS_MAX 7 /* hubs in a row, USB 2.0 4.1.1 */

static bool has_our_numbers(libusb_device *device, struct libusb_device_descriptor *descriptor)
{
    return libusb_get_device_descriptor(device, descriptor) == 0 &&
           descriptor->idVendor == USB_LINK_VENDOR_ID &&
           descriptor->idProduct == USB_LINK_PRODUCT_ID && descriptor->iSerialNumber != 0;
}

static bool take_setting(const struct libusb_interface_descriptor *setting,
                         struct usb_find_interface *found)
{
    if (setting->bInterfaceClass != USB_LINK_CLASS ||
        setting->bInterfaceSubClass != USB_LINK_SUBCLASS)
        return false;
    found->number = setting->bInterfaceNumber;
    found->in = found->out = 0;
    for (int i = 0; i < setting->bNumEndpoints; i++) {
        const struct libusb_endpoint_descriptor *endpoint = &setting->endpoint[i];
        if ((endpoint->bmAttributes & LIBUSB_TRANSFER_TYPE_MASK) != LIBUSB_TRANSFER_TYPE_BULK)
            continue;
        if ((endpoint->bEndpointAddress & LIBUSB_ENDPOINT_IN) != 0)
            found->in = endpoint->bEndpointAddress;
        else
            found->out = endpoint->bEndpointAddress;
    }
    return found->in != 0 && found->out != 0;
}

bool usb_find_interface(libusb_device *device, struct usb_find_interface *found)
{
    struct libusb_config_descriptor *configuration = NULL;
    bool is_there = false;
    if (libusb_get_active_config_descriptor(device, &configuration) != 0)
        return false;
    for (int i = 0; i < configuration->bNumInterfaces && !is_there; i++)
        is_there = configuration->interface[i].num_altsetting > 0 &&
                   take_setting(&configuration->interface[i].altsetting[0], found);
    libusb_free_config_descriptor(configuration);
    return is_there;
}

bool usb_find_is_board(libusb_device *device)
{
    struct libusb_device_descriptor descriptor;
    struct usb_find_interface found;
    return has_our_numbers(device, &descriptor) && usb_find_interface(device, &found);
}

/* Linux names a device by its bus and the hubs' ports on the way to it: 1-2.4. */
static bool read_from_sysfs(libusb_device *device, char serial[USB_FIND_SERIAL])
{
    char path[128];
    uint8_t ports[PORTS_MAX];
    int count = libusb_get_port_numbers(device, ports, PORTS_MAX);
    if (count < 1)
        return false;
    int size = snprintf(path, sizeof path, "/sys/bus/usb/devices/%u-%u",
                        libusb_get_bus_number(device), ports[0]);
    for (int i = 1; i < count; i++)
        size += snprintf(path + size, sizeof path - (size_t)size, ".%u", ports[i]);
    snprintf(path + size, sizeof path - (size_t)size, "/serial");
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool got = fgets(serial, USB_FIND_SERIAL, file) != NULL;
    fclose(file);
    if (got)
        serial[strcspn(serial, "\n")] = '\0';
    return got && serial[0] != '\0';
}

int usb_find_serial(libusb_device *device, char serial[USB_FIND_SERIAL])
{
    struct libusb_device_descriptor descriptor;
    libusb_device_handle *handle = NULL;
    if (!has_our_numbers(device, &descriptor))
        return LIBUSB_ERROR_NOT_FOUND;
    if (read_from_sysfs(device, serial))
        return 0;
    int result = libusb_open(device, &handle);
    if (result != 0)
        return result;
    result = libusb_get_string_descriptor_ascii(handle, descriptor.iSerialNumber,
                                                (unsigned char *)serial, USB_FIND_SERIAL - 1);
    libusb_close(handle);
    if (result < 0)
        return result;
    serial[result] = '\0';
    return 0;
}
