/* The board as a USB device (USB 2.0, chapters 8 and 9; CDC 1.2): the host link over a vendor
 * interface or over CDC-ACM, above one narrow port.
 *
 * A board's driver of a USB controller calls in what the host does: a reset, a SETUP packet, an OUT
 * packet, an IN token; and does what the reply says. Data toggles, CRCs and retries are the
 * controller's. Whatever an IN call gave out counts as received: a controller that had to throw it
 * away tells a reset.
 *
 * On the other side it is a stream of bytes, which serves BOARD_PORT_HOST. Vendor interface and
 * serial port carry the same link, and the peer is whoever spoke last: a byte from the other one,
 * the serial port opened (DTR) while the vendor interface is not in use, or shut, SET_CONFIGURATION
 * and a reset all make a new peer, for whom nothing is left of the old one's bytes either way, and
 * port_generation grows.
 *
 * Always true: a request that is not understood stalls and changes nothing; an endpoint's packet is
 * taken whole or not at all; a write that ends with a full packet is followed by an empty one,
 * since a host may wait for more otherwise (USB 2.0, 5.8.3). No clock, no heap; not for two
 * contexts at once: call all of it from the main loop, or with the controller's interrupt off.
 */
#ifndef FIRMWARE_USB_DEVICE_H
#define FIRMWARE_USB_DEVICE_H

#include "firmware/usb_descriptors.h"

#define USB_SETUP_BYTES 8u
#define USB_RING_BYTES  512u /* a power of two; one byte of it stays unused */
#define USB_LINE_BYTES  7u /* line coding, PSTN 1.2 table 17: kept and given back, means nothing */
#define USB_ENDPOINTS   6u /* see usb_device_toggles */

enum usb_reply {
    USB_ACK,
    USB_NAK, /* not now: the same again later */
    USB_STALL
};

struct usb_ring {
    uint16_t head, tail;
    uint8_t bytes[USB_RING_BYTES];
};

/* All private. */
struct usb_device {
    const struct usb_identity *identity;
    uint8_t address, address_to_be, configuration;
    bool suspended;
    uint8_t halted, toggles; /* bit by endpoint */
    uint8_t empty_due;       /* likewise: a full packet was the last one */
    uint8_t channel;
    uint32_t generation;
    /* Endpoint 0. */
    uint8_t phase;
    uint8_t request_type, request;
    uint16_t value, index, length;
    uint16_t answer_size, answer_done;
    bool answer_ends_empty;
    uint8_t answer[USB_ANSWER_MAX];
    uint8_t line[USB_LINE_BYTES];
    struct usb_ring in, out; /* in: to the host */
};

/* identity must stay. The device is on the bus when the controller is, in the default state. */
void usb_device_init(struct usb_device *usb, const struct usb_identity *identity);

/* ---- the port: what a controller's driver calls ---- */

void usb_device_reset(struct usb_device *usb); /* the bus was reset, or the cable is out */
/* A host that sleeps takes nothing; it finds the board as it left it. */
void usb_device_suspend(struct usb_device *usb, bool suspended);
/* Always acknowledged; what follows may stall. */
void usb_device_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES]);
/* endpoint: 0 or an address of usb_descriptors.h without its direction bit. */
enum usb_reply usb_device_out(struct usb_device *usb, unsigned endpoint, const uint8_t *data,
                              size_t size);
/* At most USB_PACKET_BYTES to data; with USB_ACK *size says how many. */
enum usb_reply usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                             size_t *size);
/* What the controller answers to: from the end of SET_ADDRESS on. */
unsigned usb_device_address(const struct usb_device *usb);
/* Endpoints whose data toggle starts anew at DATA0 since the last call: bit n is endpoint n out,
 * bit n + 8 endpoint n in. */
unsigned usb_device_take_toggles(struct usb_device *usb);
/* Endpoints that the host has halted, by the same bits: they stall until their toggle is anew. */
unsigned usb_device_halts(const struct usb_device *usb);

/* ---- the stream ---- */

/* As board.h has port_read, port_write, port_generation: < 0 nobody is there. */
int usb_device_read(struct usb_device *usb, uint8_t *data, size_t size);
int usb_device_write(struct usb_device *usb, const uint8_t *data, size_t size);
uint32_t usb_device_generation(const struct usb_device *usb);
size_t usb_device_waiting(const struct usb_device *usb); /* bytes to read */

#endif
