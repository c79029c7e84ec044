/* A board on a USB cable, for the lanes of tests/usb: the firmware's own USB device and the USB/IP
 * engine of kkt-board, with a small program of the board behind them, and faults to be put in
 * between. Or the cable of a kkt-board that runs elsewhere (`kkt-board --usbip`).
 *
 * A front end (usbfs by umockdev, or the kernel's vhci-hcd) plays the host and speaks USB/IP
 * transfers with it. No clock, no waiting; sockets only for a board that runs elsewhere.
 */
#ifndef TESTS_USB_SIM_BOARD_H
#define TESTS_USB_SIM_BOARD_H

#include "board/usbip/usbip.h"
#include "proto/link.h"

enum sim_program {
    SIM_ECHO, /* every byte back, as it came */
    SIM_LINK, /* the host link: tells its identity, a receipt's answer is short; anything else comes back */
    SIM_AWAY /* a kkt-board elsewhere */
};

struct sim_board {
    enum sim_program program;
    char serial[24];
    struct usb_identity identity;
    struct usb_device device;
    struct usbip usbip;
    int socket;           /* of a board elsewhere; -1 */
    bool plugged, silent; /* silent: the board's program does nothing */
    uint32_t generation;
    /* the board's program */
    uint8_t held[4096];
    size_t held_size;
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t request[LINK_MESSAGE_MAX], answer[LINK_MESSAGE_MAX];
    size_t answer_size, answer_offset;
    struct link_frame answered; /* kind, code and exchange */
    uint8_t wire[LINK_WIRE_MAX];
    size_t wire_size, wire_sent;
    uint64_t read_bytes;
    unsigned events_due; /* PRINTED events to tell */
};

void sim_board_init(struct sim_board *board, enum sim_program program, const char *serial);
/* attached: transfers come at once. port: of a kkt-board elsewhere. False: nobody is there. */
bool sim_board_plug(struct sim_board *board, unsigned port);
void sim_board_unplug(struct sim_board *board);
/* Bytes of USB/IP from the host; all are taken. */
void sim_board_receive(struct sim_board *board, const uint8_t *bytes, size_t size);
/* Lets the board work, and gives what it sent by USB/IP since; false: the cable is dead. */
bool sim_board_run(struct sim_board *board, uint8_t *out, size_t capacity, size_t *size);

/* Faults of the firmware (design note USB.md) are in sim_fault.c; KKT_USB_FAULT in the environment
 * chooses one. */

#endif
