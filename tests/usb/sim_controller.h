/* A controller between the host and the firmware's USB device: with KKT_USB_CONTROLLER in the
 * environment, what the simulators say to the device goes through a model of a microcontroller's
 * controller (udc_model.h) and the driver for it (board/mcu/mcu_usb.h), so that the whole suite,
 * libusb and the kernel judge that driver too. Without it, straight to the device.
 *
 * The linker puts these in the place of the device's functions (-Wl,--wrap), behind the faults of
 * sim_fault.c; the driver's own object names the device's real ones.
 */
#ifndef TESTS_USB_SIM_CONTROLLER_H
#define TESTS_USB_SIM_CONTROLLER_H

#include "firmware/usb_device.h"

void sim_controller_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES]);
enum usb_reply sim_controller_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                 size_t *size);

#endif
