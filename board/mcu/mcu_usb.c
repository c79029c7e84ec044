#include "board/mcu/mcu_usb.h"

#include <string.h>

/* Endpoints there are; the addresses are usb_descriptors.h's. */
static const uint8_t outs[] = {0, USB_ENDPOINT_LINK_OUT, USB_ENDPOINT_SERIAL_OUT};
static const uint8_t ins[] = {MCU_USB_IN, USB_ENDPOINT_LINK_IN, USB_ENDPOINT_EVENT_IN,
                              USB_ENDPOINT_SERIAL_IN};

static unsigned bit_of(unsigned address)
{
    unsigned number = address & ~MCU_USB_IN;
    return 1u << ((address & MCU_USB_IN) != 0 ? number + 8u : number);
}

static void drop_held(struct mcu_usb *usb, unsigned number)
{
    if (usb->held[number] < 0)
        return;
    usb->held[number] = -1;
    usb->controller->accept(usb->controller->context, number);
}

/* ---- what changes everything ---- */

static void bus_reset(struct mcu_usb *usb)
{
    const struct mcu_usb_controller *controller = usb->controller;
    usb_device_reset(&usb->device);
    (void)usb_device_take_toggles(&usb->device);
    usb->generation = usb_device_generation(&usb->device);
    usb->address = 0;
    usb->stalled = 0;
    memset(usb->held, -1, sizeof usb->held);
    for (size_t i = 0; i < sizeof outs; i++)
        controller->accept(controller->context, outs[i]);
}

static void take_setup(struct mcu_usb *usb)
{
    const struct mcu_usb_controller *controller = usb->controller;
    uint8_t packet[USB_SETUP_BYTES];
    controller->setup(controller->context, packet);
    usb_device_setup(&usb->device, packet);
    usb->held[0] = -1;
    usb->stalled &= ~1u;
    controller->accept(controller->context, 0);
}

static void take_events(struct mcu_usb *usb)
{
    unsigned events = usb->controller->events(usb->controller->context);
    if ((events & MCU_USB_RESET) != 0)
        bus_reset(usb);
    if ((events & MCU_USB_SUSPEND) != 0)
        usb_device_suspend(&usb->device, true);
    if ((events & MCU_USB_RESUME) != 0)
        usb_device_suspend(&usb->device, false);
    if ((events & MCU_USB_SETUP) != 0)
        take_setup(usb);
}

/* After each call of the device: the peer, halts and toggles as they are now. The order matters:
 * a new peer's endpoints are emptied before they start anew. */
static void follow(struct mcu_usb *usb)
{
    const struct mcu_usb_controller *controller = usb->controller;
    unsigned toggles = usb_device_take_toggles(&usb->device);
    unsigned halts = usb_device_halts(&usb->device);
    bool new_peer = usb->generation != usb_device_generation(&usb->device);
    usb->generation = usb_device_generation(&usb->device);
    for (size_t i = 1; i < sizeof ins; i++) {
        if (new_peer)
            controller->discard(controller->context, ins[i] & ~MCU_USB_IN);
        if ((toggles & bit_of(ins[i])) != 0)
            controller->restart(controller->context, ins[i]);
        if ((halts & ~usb->stalled & bit_of(ins[i])) != 0)
            controller->stall(controller->context, ins[i]);
    }
    for (size_t i = 1; i < sizeof outs; i++) {
        if ((toggles & bit_of(outs[i])) != 0)
            controller->restart(controller->context, outs[i]);
        if (new_peer)
            drop_held(usb, outs[i]);
        if ((halts & ~usb->stalled & bit_of(outs[i])) != 0)
            controller->stall(controller->context, outs[i]);
    }
    usb->stalled = halts | (usb->stalled & 1u);
}

static void stall_control(struct mcu_usb *usb)
{
    if ((usb->stalled & 1u) == 0)
        usb->controller->stall(usb->controller->context, 0);
    usb->stalled |= 1u;
}

/* ---- packets ---- */

static void move_out(struct mcu_usb *usb, unsigned number)
{
    const struct mcu_usb_controller *controller = usb->controller;
    if (usb->held[number] < 0)
        usb->held[number] =
            (int8_t)controller->receive(controller->context, number, usb->packets[number]);
    if (usb->held[number] < 0)
        return;
    enum usb_reply reply =
        usb_device_out(&usb->device, number, usb->packets[number], (size_t)usb->held[number]);
    if (reply == USB_ACK) {
        usb->held[number] = -1;
        controller->accept(controller->context, number);
    } else if (reply == USB_STALL && number == 0) {
        usb->held[0] = -1;
        stall_control(usb);
    } /* else it is held: there is no room, or the endpoint was halted behind it */
    follow(usb);
}

static void take_address(struct mcu_usb *usb)
{
    uint8_t address = (uint8_t)usb_device_address(&usb->device);
    if (usb->address == address)
        return;
    usb->address = address;
    usb->controller->address(usb->controller->context, address);
}

static void move_in(struct mcu_usb *usb, unsigned number)
{
    const struct mcu_usb_controller *controller = usb->controller;
    uint8_t packet[USB_PACKET_BYTES];
    size_t size = 0;
    if (!controller->is_sent(controller->context, number))
        return;
    if (number == 0)
        take_address(usb);
    enum usb_reply reply = usb_device_in(&usb->device, number, packet, &size);
    if (reply == USB_STALL && number == 0)
        stall_control(usb);
    if (reply != USB_ACK)
        return;
    if (number == 0 && controller->address_waits)
        take_address(usb);
    controller->send(controller->context, number, packet, size);
}

static void move(struct mcu_usb *usb)
{
    for (size_t i = 0; i < sizeof outs; i++)
        move_out(usb, outs[i]);
    for (size_t i = 0; i < sizeof ins; i++)
        move_in(usb, ins[i] & ~MCU_USB_IN);
}

/* ---- the two contexts ---- */

void mcu_usb_init(struct mcu_usb *usb, const struct mcu_usb_controller *controller,
                  const struct usb_identity *identity, mono_ms now)
{
    memset(usb, 0, sizeof *usb);
    memset(usb->held, -1, sizeof usb->held);
    usb->controller = controller;
    usb->apart_until = now + MCU_USB_APART_MS;
    usb_device_init(&usb->device, identity);
    controller->mask(controller->context, true);
    controller->connect(controller->context, false);
    controller->mask(controller->context, false);
}

uint32_t mcu_usb_step(struct mcu_usb *usb, mono_ms now)
{
    const struct mcu_usb_controller *controller = usb->controller;
    if (usb->joined)
        return UINT32_MAX;
    if (now < usb->apart_until)
        return (uint32_t)(usb->apart_until - now);
    controller->mask(controller->context, true);
    usb->joined = true;
    controller->connect(controller->context, true);
    controller->mask(controller->context, false);
    return UINT32_MAX;
}

void mcu_usb_interrupt(struct mcu_usb *usb)
{
    take_events(usb);
    follow(usb);
    move(usb);
}

int mcu_usb_read(struct mcu_usb *usb, uint8_t *data, size_t size)
{
    const struct mcu_usb_controller *controller = usb->controller;
    controller->mask(controller->context, true);
    int taken = usb_device_read(&usb->device, data, size);
    if (taken > 0)
        move(usb); /* there is room for what is held */
    controller->mask(controller->context, false);
    return taken;
}

int mcu_usb_write(struct mcu_usb *usb, const uint8_t *data, size_t size)
{
    const struct mcu_usb_controller *controller = usb->controller;
    controller->mask(controller->context, true);
    int taken = usb_device_write(&usb->device, data, size);
    if (taken > 0)
        move(usb);
    controller->mask(controller->context, false);
    return taken;
}

uint32_t mcu_usb_generation(struct mcu_usb *usb)
{
    const struct mcu_usb_controller *controller = usb->controller;
    controller->mask(controller->context, true);
    uint32_t generation = usb_device_generation(&usb->device);
    controller->mask(controller->context, false);
    return generation;
}

bool mcu_usb_waits(const struct mcu_usb *usb)
{
    return usb_device_waiting(&usb->device) > 0;
}
