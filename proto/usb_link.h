/* What board and driver must agree on about the USB cable: who the board says it is, and where the
 * host link runs.
 *
 * Vendor and product are settings of a build. The default is a pair that pid.codes keeps for
 * testing: for development only, a maker brings its own (-DUSB_LINK_VENDOR_ID=0x....). The serial
 * number string is the board's factory number and names the board; nothing else does.
 */
#ifndef PROTO_USB_LINK_H
#define PROTO_USB_LINK_H

#ifndef USB_LINK_VENDOR_ID
#define USB_LINK_VENDOR_ID 0x1209u
#endif
#ifndef USB_LINK_PRODUCT_ID
#define USB_LINK_PRODUCT_ID 0x0001u
#endif

/* The vendor interface that carries the link; a bulk endpoint each way. */
#define USB_LINK_CLASS    0xFFu
#define USB_LINK_SUBCLASS 0x4Bu
#define USB_LINK_PROTOCOL 0x01u

#endif
