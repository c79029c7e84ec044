#include "tests/usb/sim_controller.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/usb/udc_model.h"

#define BOARDS 4u

void __real_usb_device_reset(struct usb_device *usb);
void __real_usb_device_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES]);
enum usb_reply __real_usb_device_out(struct usb_device *usb, unsigned endpoint, const uint8_t *data,
                                     size_t size);
enum usb_reply __real_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size);
int __real_usb_device_read(struct usb_device *usb, uint8_t *data, size_t size);
int __real_usb_device_write(struct usb_device *usb, const uint8_t *data, size_t size);
uint32_t __real_usb_device_generation(const struct usb_device *usb);
size_t __real_usb_device_waiting(const struct usb_device *usb);

void __wrap_usb_device_reset(struct usb_device *usb);
enum usb_reply __wrap_usb_device_out(struct usb_device *usb, unsigned endpoint, const uint8_t *data,
                                     size_t size);
int __wrap_usb_device_read(struct usb_device *usb, uint8_t *data, size_t size);
int __wrap_usb_device_write(struct usb_device *usb, const uint8_t *data, size_t size);
uint32_t __wrap_usb_device_generation(const struct usb_device *usb);
size_t __wrap_usb_device_waiting(const struct usb_device *usb);

/* The device that the simulator knows stands for the one behind the controller. */
static struct part {
    const struct usb_device *known;
    struct mcu_usb usb;
    struct udc_model udc;
} parts[BOARDS];

static struct part *part_of(const struct usb_device *usb)
{
    static int wanted = -1;
    if (wanted < 0)
        wanted = getenv("KKT_USB_CONTROLLER") != NULL;
    for (unsigned i = 0; wanted == 1 && i < BOARDS; i++) {
        struct part *part = &parts[i];
        if (part->known == NULL) {
            part->known = usb;
            udc_init(&part->udc, &part->usb);
            mcu_usb_init(&part->usb, &part->udc.controller, usb->identity, 0);
            (void)mcu_usb_step(&part->usb, MCU_USB_APART_MS);
        }
        if (part->known == usb)
            return part;
    }
    return NULL;
}

/* A rule that the driver broke ends the simulator, and with it whatever runs above. */
static void judge(const struct part *part)
{
    if (part->udc.wrong == NULL)
        return;
    fprintf(stderr, "the controller's driver: %s\n", part->udc.wrong);
    abort();
}

void __wrap_usb_device_reset(struct usb_device *usb)
{
    struct part *part = part_of(usb);
    if (part == NULL) {
        __real_usb_device_reset(usb);
        return;
    }
    udc_bus_reset(&part->udc);
    judge(part);
}

void sim_controller_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES])
{
    struct part *part = part_of(usb);
    if (part == NULL) {
        __real_usb_device_setup(usb, packet);
        return;
    }
    (void)udc_setup(&part->udc, packet);
    judge(part);
}

enum usb_reply __wrap_usb_device_out(struct usb_device *usb, unsigned endpoint, const uint8_t *data,
                                     size_t size)
{
    struct part *part = part_of(usb);
    if (part == NULL)
        return __real_usb_device_out(usb, endpoint, data, size);
    enum usb_reply reply = udc_out(&part->udc, endpoint, data, size);
    judge(part);
    return reply;
}

enum usb_reply sim_controller_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                 size_t *size)
{
    struct part *part = part_of(usb);
    if (part == NULL)
        return __real_usb_device_in(usb, endpoint, data, size);
    enum usb_reply reply = udc_in(&part->udc, endpoint, data, size);
    judge(part);
    return reply;
}

int __wrap_usb_device_read(struct usb_device *usb, uint8_t *data, size_t size)
{
    struct part *part = part_of(usb);
    return part == NULL ? __real_usb_device_read(usb, data, size)
                        : mcu_usb_read(&part->usb, data, size);
}

int __wrap_usb_device_write(struct usb_device *usb, const uint8_t *data, size_t size)
{
    struct part *part = part_of(usb);
    return part == NULL ? __real_usb_device_write(usb, data, size)
                        : mcu_usb_write(&part->usb, data, size);
}

uint32_t __wrap_usb_device_generation(const struct usb_device *usb)
{
    struct part *part = part_of(usb);
    return part == NULL ? __real_usb_device_generation(usb) : mcu_usb_generation(&part->usb);
}

size_t __wrap_usb_device_waiting(const struct usb_device *usb)
{
    const struct part *part = part_of(usb);
    return __real_usb_device_waiting(part == NULL ? usb : &part->usb.device);
}
