/* A USB device controller of the usual kind, for board/mcu/mcu_usb.h, and the bus with a host on
 * it: one buffer per endpoint, packets loaded before the host asks, data toggles and retries in
 * both, an address that counts from one packet to the next. Handshakes can be lost on the way.
 *
 * It is judged by what a real part would do wrong silently: `wrong` names the first rule that the
 * driver above broke. Stricter than any one part: an operation out of the interrupt and without the
 * mask is wrong, so is a packet loaded over another.
 */
#ifndef TESTS_USB_UDC_MODEL_H
#define TESTS_USB_UDC_MODEL_H

#include "board/mcu/mcu_usb.h"

struct udc_endpoint {
    bool armed, full, stalled; /* in: full alone, a packet is loaded */
    uint8_t toggle;
    size_t size;
    uint8_t packet[USB_PACKET_BYTES];
};

struct udc_model {
    struct mcu_usb_controller controller; /* for mcu_usb_init */
    struct mcu_usb *usb;                  /* whose interrupt it is; NULL: not powered */
    bool masked, in_interrupt, pending, connected;
    unsigned events;
    unsigned address;
    uint8_t setup[USB_SETUP_BYTES];
    struct udc_endpoint out[MCU_USB_NUMBERS], in[MCU_USB_NUMBERS];
    const char *wrong;
    /* The host. */
    unsigned host_address;
    uint8_t host_out[MCU_USB_NUMBERS], host_in[MCU_USB_NUMBERS]; /* toggles */
    uint8_t request[USB_SETUP_BYTES];
    bool data_stage_in;
    unsigned loss;                        /* one handshake of so many is lost; 0 none */
    uint32_t random;                      /* state */
    unsigned long packets, lost, ignored; /* ignored: answers from nobody */
};

void udc_init(struct udc_model *udc, struct mcu_usb *usb);

/* What the host does; the board's interrupt comes at once, or when it is allowed again. Replies as
 * at the port of firmware/usb_device.h; NAK as well when nobody answers. */
void udc_bus_reset(struct udc_model *udc);
void udc_suspend(struct udc_model *udc, bool suspended);
bool udc_setup(struct udc_model *udc, const uint8_t packet[USB_SETUP_BYTES]);
enum usb_reply udc_out(struct udc_model *udc, unsigned endpoint, const uint8_t *data, size_t size);
enum usb_reply udc_in(struct udc_model *udc, unsigned endpoint, uint8_t *data, size_t *size);

#endif
