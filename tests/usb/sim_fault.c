/* Faults between the host and the firmware's USB device: the linker puts these in the place of the
 * port's functions (-Wl,--wrap), so the device itself stays as it is. KKT_USB_FAULT chooses one.
 * Behind them the device, or a controller in between (sim_controller.h).
 */
#include <stdlib.h>
#include <string.h>

#include "tests/usb/sim_controller.h"

#define GET_DESCRIPTOR    6u
#define CLEAR_FEATURE     1u
#define SET_CONFIGURATION 9u
#define TO_DEVICE         0x00u
#define TO_ENDPOINT       0x02u
#define FROM_DEVICE       0x80u
#define CS_INTERFACE      0x24u
#define CDC_UNION         0x06u

enum sim_fault {
    SIM_FAULT_NONE,
    SIM_FAULT_NO_EMPTY_PACKET,  /* no empty packet after a write of whole packets */
    SIM_FAULT_HALT_STAYS,       /* CLEAR_FEATURE(ENDPOINT_HALT) is acknowledged and does nothing */
    SIM_FAULT_PACKET_SIZE_0,    /* bMaxPacketSize0 is 13 */
    SIM_FAULT_NO_CONFIGURATION, /* SET_CONFIGURATION stalls */
    SIM_FAULT_TOTAL_LENGTH,     /* wTotalLength too large */
    SIM_FAULT_BULK_512,         /* bulk endpoints of 512 bytes at full speed */
    SIM_FAULT_INTERFACES,       /* bNumInterfaces is 4 */
    SIM_FAULT_NO_UNION,         /* no CDC union descriptor */
    SIM_FAULTS
};
static enum sim_fault sim_fault;

static const char *const names[SIM_FAULTS] = {"none",          "no-empty-packet",  "halt-stays",
                                              "packet-size-0", "no-configuration", "total-length",
                                              "bulk-512",      "interfaces",       "no-union"};

__attribute__((constructor)) static void choose(void)
{
    const char *name = getenv("KKT_USB_FAULT");
    for (unsigned i = 0; name != NULL && i < SIM_FAULTS; i++) {
        if (strcmp(names[i], name) == 0)
            sim_fault = (enum sim_fault)i;
    }
}

void __wrap_usb_device_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES]);
enum usb_reply __wrap_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size);

/* What is being asked for, and how much of the answer has gone: one board at a time has a fault. */
static unsigned asked; /* value of GET_DESCRIPTOR; 0: something else */
static size_t answered;
static bool stalls, swallowed;

void __wrap_usb_device_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES])
{
    uint8_t changed[USB_SETUP_BYTES];
    memcpy(changed, packet, sizeof changed);
    asked = packet[0] == FROM_DEVICE && packet[1] == GET_DESCRIPTOR ? packet[3] : 0;
    answered = 0;
    swallowed = stalls = false;
    if (sim_fault == SIM_FAULT_HALT_STAYS && packet[0] == TO_ENDPOINT && packet[1] == CLEAR_FEATURE)
        swallowed = true;
    if (sim_fault == SIM_FAULT_NO_CONFIGURATION && packet[0] == TO_DEVICE &&
        packet[1] == SET_CONFIGURATION)
        stalls = true;
    if (!swallowed && !stalls)
        sim_controller_setup(usb, changed);
}

/* A byte of the descriptor that is being told becomes another one. */
static void spoil(unsigned descriptor, size_t at, uint8_t value, uint8_t *data, size_t size)
{
    if (asked == descriptor && at >= answered && at - answered < size)
        data[at - answered] = value;
}

/* Of each endpoint and functional descriptor of the configuration; the offsets are the standard's,
 * found in the board's own bytes. */
static void spoil_configuration(const struct usb_device *usb, uint8_t *data, size_t size)
{
    uint8_t whole[USB_ANSWER_MAX];
    struct byte_writer writer;
    byte_writer_init(&writer, whole, sizeof whole);
    (void)usb_descriptor(usb->identity, 0x0200, &writer);
    for (size_t at = 0; at + 2 < writer.length && whole[at] != 0; at += whole[at]) {
        if (sim_fault == SIM_FAULT_BULK_512 && whole[at + 1] == 5 && (whole[at + 3] & 3) == 2) {
            spoil(2, at + 4, 0, data, size);
            spoil(2, at + 5, 2, data, size);
        }
        if (sim_fault == SIM_FAULT_NO_UNION && whole[at + 1] == CS_INTERFACE &&
            whole[at + 2] == CDC_UNION)
            spoil(2, at + 2, 0x1A, data, size); /* some other functional descriptor */
    }
    if (sim_fault == SIM_FAULT_TOTAL_LENGTH)
        spoil(2, 2, (uint8_t)(whole[2] + 9), data, size);
    if (sim_fault == SIM_FAULT_INTERFACES)
        spoil(2, 4, 4, data, size);
}

enum usb_reply __wrap_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size)
{
    if (endpoint == 0 && (swallowed || stalls)) {
        *size = 0;
        return stalls ? USB_STALL : USB_ACK;
    }
    enum usb_reply reply = sim_controller_in(usb, endpoint, data, size);
    if (reply != USB_ACK)
        return reply;
    if (endpoint == 0) {
        if (sim_fault == SIM_FAULT_PACKET_SIZE_0)
            spoil(1, 7, 13, data, *size);
        spoil_configuration(usb, data, *size);
        answered += *size;
    } else if (sim_fault == SIM_FAULT_NO_EMPTY_PACKET && *size == 0) {
        return USB_NAK;
    }
    return reply;
}
