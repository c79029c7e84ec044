/* The board's USB device behind a USB/IP connection: what `usbip attach`, or Linux's vhci-hcd
 * itself, speaks (Linux, Documentation/usb/usbip_protocol.rst, version 1.1.1). So a PC plugs an
 * emulated board in as if it had a socket for it.
 *
 * Bytes in, bytes out, no socket. Whole transfers (URBs) come in; they are cut into packets here,
 * as a host controller does it, and given to the port of firmware/usb_device.h, until it says NAK.
 *
 * Always true: transfers of one endpoint are worked on in their order; each is answered exactly
 * once, also when it is taken back (data that had come by then travels with the answer, though
 * other servers lose it); a packet that the board took is never sent twice; a peer that breaks the
 * protocol is let go, and the board sees the cable come out.
 */
#ifndef BOARD_USBIP_USBIP_H
#define BOARD_USBIP_USBIP_H

#include "firmware/usb_device.h"

#define USBIP_URBS         64u
#define USBIP_TRANSFER_MAX 16384u /* what Linux gives in one piece */
#define USBIP_HEADER_BYTES 48u
#define USBIP_OUT_BYTES    (2u * (USBIP_TRANSFER_MAX + USBIP_HEADER_BYTES))

struct usbip_urb {
    uint32_t number; /* of the sequence; 0: this place is free */
    uint32_t order;  /* age among them */
    uint8_t endpoint;
    bool in, ends_empty, started;
    int32_t status;
    uint32_t length, done;
    uint8_t setup[USB_SETUP_BYTES];
    uint8_t data[USBIP_TRANSFER_MAX];
};

/* All private; about 1.1 MB, so not on a stack. */
struct usbip {
    struct usb_device *device;
    bool attached; /* the talk about devices is over: transfers now */
    bool broken;
    uint32_t orders;
    struct usbip_urb urbs[USBIP_URBS];
    uint8_t head[USBIP_HEADER_BYTES];
    size_t head_size;
    struct usbip_urb *receiving; /* its data comes */
    uint32_t received;
    uint8_t out[USBIP_OUT_BYTES];
    size_t out_size;
    uint64_t packets; /* acknowledged, either way; of all connections */
};

/* device must stay. Nobody is connected. */
void usbip_init(struct usbip *usbip, struct usb_device *device);
/* A peer is there. attached: it begins with transfers at once, as vhci-hcd does on a socket that
 * was put into it; else it asks for the list of devices, or for this one. */
void usbip_connect(struct usbip *usbip, bool attached);
/* The peer has gone: the board's cable is out. */
void usbip_disconnect(struct usbip *usbip);
/* How many of the bytes were taken; those left come again after usbip_run and usbip_sent. */
size_t usbip_receive(struct usbip *usbip, const uint8_t *bytes, size_t size);
/* Moves packets. True when any moved. */
bool usbip_run(struct usbip *usbip);
/* What is to be sent, and that so much of it was. */
const uint8_t *usbip_output(const struct usbip *usbip, size_t *size);
void usbip_sent(struct usbip *usbip, size_t size);
/* The peer broke the protocol: close. Also true when a list was asked for and given. */
bool usbip_is_over(const struct usbip *usbip);

#endif
