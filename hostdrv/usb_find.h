/* Which of the devices on USB are boards of ours, and their serial numbers.
 *
 * The number is read where everybody may read it (Linux: /sys/bus/usb/devices), so a board that may
 * not be opened is named all the same; only where that fails the device is opened and asked.
 */
#ifndef HOSTDRV_USB_FIND_H
#define HOSTDRV_USB_FIND_H

#include <libusb-1.0/libusb.h>
#include <stdbool.h>

#define USB_FIND_SERIAL 64u /* bytes for a serial number and its zero */

/* By vendor, product and the vendor interface of proto/usb_link.h. */
bool usb_find_is_board(libusb_device *device);
/* 0, or why it cannot be told (enum libusb_error). */
int usb_find_serial(libusb_device *device, char serial[USB_FIND_SERIAL]);
/* The vendor interface and its two bulk endpoints. */
struct usb_find_interface {
    int number;
    unsigned char in, out;
};
bool usb_find_interface(libusb_device *device, struct usb_find_interface *found);

#endif
