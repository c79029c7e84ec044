/* What the board tells a USB host about itself: one configuration at full speed, three interfaces.
 *
 *   0  vendor, bulk 01 out and 81 in: the host link (Windows binds WinUSB to it without an INF)
 *   1  CDC-ACM control, interrupt 82 in  } the same link as a serial port, for programs and
 *   2  CDC data, bulk 03 out and 83 in   } rights that know only those
 *
 * USB 2.0 chapter 9 and its Interface Association ECN; CDC 1.2 and its PSTN subclass 1.2; Microsoft
 * OS 2.0 Descriptors Specification. Always true: every length field is the length of what it
 * measures (asserted at compile time); nothing here depends on state.
 */
#ifndef FIRMWARE_USB_DESCRIPTORS_H
#define FIRMWARE_USB_DESCRIPTORS_H

#include "proto/bytes.h"

#define USB_PACKET_BYTES 64u /* endpoint 0 and the bulk ones */
#define USB_EVENT_BYTES  10u /* of the interrupt endpoint: one notification */

#define USB_ENDPOINT_LINK_OUT   0x01u
#define USB_ENDPOINT_LINK_IN    0x81u
#define USB_ENDPOINT_EVENT_IN   0x82u
#define USB_ENDPOINT_SERIAL_OUT 0x03u
#define USB_ENDPOINT_SERIAL_IN  0x83u

#define USB_INTERFACES        3u
#define USB_INTERFACE_LINK    0u
#define USB_INTERFACE_CONTROL 1u
#define USB_INTERFACE_SERIAL  2u

#define USB_CONFIGURATION_BYTES 98u
#define USB_BOS_BYTES           33u
#define USB_OS_SET_BYTES        178u
#define USB_STRING_CHARS        48u  /* longer ones are cut */
#define USB_ANSWER_MAX          192u /* the longest of them all fits */

#define USB_OS_REQUEST 0x20u /* bRequest of the vendor request for the Microsoft OS 2.0 set */
#define USB_OS_INDEX   7u    /* and its wIndex */

/* Zero-terminated ASCII, constant. */
struct usb_identity {
    const char *manufacturer, *product, *serial;
    unsigned release; /* BCD: 0x0123 is 1.23 */
};

/* GET_DESCRIPTOR: value is type << 8 | index. False: the board has none such. */
bool usb_descriptor(const struct usb_identity *identity, unsigned value, struct byte_writer *out);
/* The Microsoft OS 2.0 descriptor set. */
void usb_os_descriptor_set(struct byte_writer *out);

#endif
