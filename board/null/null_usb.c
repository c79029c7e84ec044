#include "board/null/null_usb.h"

/* NVIC: disable and enable the controller's own interrupt, with a barrier behind the disabling. */
static void mask(void *context, bool off)
{
    (void)context, (void)off;
}

/* yes: the 48 MHz clock, the transceiver, then the pull-up of D+ (BCDR.DPPU, DCTL.SDIS; a part
 * without one of its own has a pin and 1.5 kOhm). no: the pull-up off; it may have been left on by
 * the firmware before the reset. With the board's own supply: only while VBUS is there. */
static void connect(void *context, bool yes)
{
    (void)context, (void)yes;
}

/* Reads and clears the status register. At a bus reset: endpoints 0 to 3 with the sizes and types
 * of usb_descriptors.h, address 0 and enabled, nothing armed, FIFOs empty; and forget what was
 * noted before it. VBUS lost counts as a reset. SETUP: nothing of endpoint 0's buffers is left. */
static unsigned events(void *context)
{
    (void)context;
    return 0;
}

/* The 8 bytes out of endpoint 0's receive buffer, or those that the FIFO's SETUP entry had. */
static void setup(void *context, uint8_t packet[USB_SETUP_BYTES])
{
    (void)context;
    for (unsigned i = 0; i < USB_SETUP_BYTES; i++)
        packet[i] = 0;
}

/* A packet with its length out of packet memory (16 bits at a time) or the FIFO. The controller
 * refuses the next one by itself until it is armed. */
static int receive(void *context, unsigned endpoint, uint8_t packet[USB_PACKET_BYTES])
{
    (void)context, (void)endpoint, (void)packet;
    return -1;
}

/* STAT_RX = VALID; or one packet of 64 bytes, CNAK and EPENA. */
static void accept(void *context, unsigned endpoint)
{
    (void)context, (void)endpoint;
}

/* STAT_TX is not VALID; or the transfer-complete bit. Not "the FIFO is empty": the host has to have
 * acknowledged it. */
static bool is_sent(void *context, unsigned endpoint)
{
    (void)context, (void)endpoint;
    return false;
}

/* The bytes, the length, then STAT_TX = VALID; or the size register, EPENA, the FIFO. */
static void send(void *context, unsigned endpoint, const uint8_t *packet, size_t size)
{
    (void)context, (void)endpoint, (void)packet, (void)size;
}

/* STAT_TX = NAK; or SNAK, EPDIS, flush the FIFO. Then is_sent says true. */
static void discard(void *context, unsigned endpoint)
{
    (void)context, (void)endpoint;
}

/* STAT = STALL; or the STALL bit. */
static void stall(void *context, unsigned address)
{
    (void)context, (void)address;
}

/* The toggle bit to 0 and STAT back from STALL, to VALID where a packet lies or one is awaited; or
 * SD0PID and the STALL bit off. */
static void restart(void *context, unsigned address)
{
    (void)context, (void)address;
}

/* DADDR, with its enable bit; or DCFG.DAD, where address_waits is to be true. */
static void set_address(void *context, unsigned address)
{
    (void)context, (void)address;
}

const struct mcu_usb_controller null_usb = {
    .context = NULL,
    .mask = mask,
    .connect = connect,
    .events = events,
    .setup = setup,
    .receive = receive,
    .accept = accept,
    .is_sent = is_sent,
    .send = send,
    .discard = discard,
    .stall = stall,
    .restart = restart,
    .address = set_address,
    .address_waits = false,
};
