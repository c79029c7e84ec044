/* The template of a USB device controller's driver, for board/mcu/mcu_usb.h: no controller, nobody
 * plugs it in. Copy it with this folder; each function says what belongs there on a part, in the
 * registers of the two families that most parts have: packet memory with a register per endpoint
 * (ST's USB FS device, and others like it), and FIFOs (Synopsys's OTG core).
 *
 * Beside it a port needs
 *
 *     static struct mcu_usb usb;
 *     static const struct usb_identity identity = {"Maker", "Model", serial, 0x0100};
 *     mcu_usb_init(&usb, &null_usb, &identity, now);       // before the loop
 *     mcu_usb_step(&usb, now);                             // each turn of it
 *     mcu_usb_interrupt(&usb); mcu_wake();                 // the controller's interrupt
 *
 * and gives mcu_usb_read, mcu_usb_write, mcu_usb_generation out as BOARD_PORT_HOST; a port that has
 * a UART for the host too asks it when mcu_usb_read says -1. Before it sleeps the loop asks
 * mcu_usb_waits, with interrupts off.
 */
#ifndef BOARD_NULL_NULL_USB_H
#define BOARD_NULL_NULL_USB_H

#include "board/mcu/mcu_usb.h"

extern const struct mcu_usb_controller null_usb;

#endif
