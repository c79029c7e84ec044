/* The firmware's USB device (firmware/usb_device.h) on a microcontroller's USB device controller.
 *
 * A part's driver gives the controller's few operations; what they mean together is here: when an
 * address takes effect, when an endpoint stalls and starts anew, what becomes of packets that lie
 * in the controller when the host changes its mind. board/null/null_usb.c is the template of a
 * driver, with what each operation is in registers.
 *
 * The controller's interrupt calls mcu_usb_interrupt, which does all of a host's requests at once:
 * a main loop that erases flash for 400 ms does not keep the host waiting (an address must be taken
 * within 50 ms, USB 2.0, 9.2.6.3). The main loop's functions keep that interrupt off while they
 * work, by `mask`.
 *
 * Always true: a packet that the controller has acknowledged is given to the device exactly once,
 * or thrown away because the host has begun anew; one that was loaded goes out, or is thrown away
 * for the same reason; nothing is armed while a packet is held.
 */
#ifndef BOARD_MCU_USB_H
#define BOARD_MCU_USB_H

#include "board/board.h"
#include "firmware/usb_device.h"

#define MCU_USB_NUMBERS 4u    /* endpoints 0 to 3, each way */
#define MCU_USB_IN      0x80u /* bit of an endpoint's address: to the host */
/* A reset of the firmware alone does not take the board off the bus. It stays away so long that
 * every hub sees it go (a hub takes 2.5 us for a disconnect, USB 2.0, 7.1.7.3, and 100 ms to let a
 * plug settle), and enumerates it anew. */
#define MCU_USB_APART_MS 100u

/* What has happened. RESET: of the bus, or the cable came out; address 0, nothing loaded, nothing
 * armed, no stall, every toggle at DATA0, endpoints enabled. SUSPEND: no frames for 3 ms. SETUP:
 * with it endpoint 0 has forgotten its packets and its stall, both ways, and goes on at DATA1. */
#define MCU_USB_RESET   1u
#define MCU_USB_SUSPEND 2u
#define MCU_USB_RESUME  4u
#define MCU_USB_SETUP   8u

/* All of it with the controller's interrupt off, or in it. endpoint: a number where the direction
 * is plain, else an address. */
struct mcu_usb_controller {
    void *context;
    void (*mask)(void *context, bool off);    /* the controller's interrupt */
    void (*connect)(void *context, bool yes); /* the pull-up of D+ */
    /* What has happened since the last call, MCU_USB_...; RESET with what came after it. */
    unsigned (*events)(void *context);
    void (*setup)(void *context, uint8_t packet[USB_SETUP_BYTES]);
    /* The OUT packet that has come, out of the controller: its length; -1 none. The next one is
     * refused with NAK until accept. */
    int (*receive)(void *context, unsigned endpoint, uint8_t packet[USB_PACKET_BYTES]);
    void (*accept)(void *context, unsigned endpoint);
    /* True: what was loaded has been acknowledged by the host, or nothing was. */
    bool (*is_sent)(void *context, unsigned endpoint);
    void (*send)(void *context, unsigned endpoint, const uint8_t *packet, size_t size);
    /* What is loaded will not go out; the toggle stays. */
    void (*discard)(void *context, unsigned endpoint);
    /* Answers STALL: endpoint 0, both ways, to the next SETUP; others to their restart. */
    void (*stall)(void *context, unsigned address);
    /* No stall, DATA0; a packet that lies there stays there. */
    void (*restart)(void *context, unsigned address);
    void (*address)(void *context, unsigned address);
    /* The controller waits by itself for the end of SET_ADDRESS (Synopsys's does); else address is
     * called when the host has acknowledged the last packet to the old one. */
    bool address_waits;
};

/* All private. */
struct mcu_usb {
    struct usb_device device;
    const struct mcu_usb_controller *controller;
    bool joined;
    mono_ms apart_until;
    uint8_t address;
    uint32_t generation;
    unsigned stalled;             /* as usb_device_halts; endpoint 0 by bit 0 */
    int8_t held[MCU_USB_NUMBERS]; /* bytes of the packet that waits for the device; -1 none */
    uint8_t packets[MCU_USB_NUMBERS][USB_PACKET_BYTES];
};

/* Both must stay. The board is off the bus; interrupts may be on. */
void mcu_usb_init(struct mcu_usb *usb, const struct mcu_usb_controller *controller,
                  const struct usb_identity *identity, mono_ms now);
/* Each turn of the main loop: milliseconds until it has to be called again, UINT32_MAX: the
 * interrupt will do. */
uint32_t mcu_usb_step(struct mcu_usb *usb, mono_ms now);
/* The controller's interrupt, at any of its events. A few dozen bytes are moved. */
void mcu_usb_interrupt(struct mcu_usb *usb);

/* As board.h has port_read, port_write, port_generation: < 0 nobody is there. Main loop. */
int mcu_usb_read(struct mcu_usb *usb, uint8_t *data, size_t size);
int mcu_usb_write(struct mcu_usb *usb, const uint8_t *data, size_t size);
uint32_t mcu_usb_generation(struct mcu_usb *usb);
/* Bytes wait to be read: the loop must not sleep. */
bool mcu_usb_waits(const struct mcu_usb *usb);

#endif
