/* The board's USB socket on this PC: USB/IP on TCP, or into the kernel's vhci-hcd.
 *
 *   HOST:PORT   a USB/IP server (`usbip attach -r HOST -b 1-1`); one at a time, the newest wins
 *   vhci        plugged into this PC at once; wants root and the module vhci-hcd
 *
 * What USB says and what TCP says (posix_link.h) is the same host link; firmware hears whoever
 * spoke last, and the port's generation grows when that changes.
 */
#ifndef BOARD_POSIX_USB_H
#define BOARD_POSIX_USB_H

#include "board/posix/posix_console.h"
#include "board/posix/posix_stream.h"
#include "board/usbip/usbip.h"

struct posix_usb {
    struct posix_console *console;
    bool wanted; /* there is a USB socket */
    bool down;   /* the cable is out */
    bool vhci;
    int listen_fd;
    uint64_t retry_ms; /* when to plug into vhci again */
    struct posix_address address;
    struct posix_stream stream;
    struct usb_identity identity;
    struct usb_device device;
    struct usbip *usbip;
    uint64_t plugs; /* connections so far */
};

/* wanted: HOST:PORT, "vhci", or NULL: no USB. serial and model stay. False with a line for
 * people. */
bool posix_usb_open(struct posix_usb *usb, struct posix_console *console, const char *wanted,
                    const char *serial, const char *model, bool down, char *error,
                    size_t error_size);
void posix_usb_close(struct posix_usb *usb);
/* The cable comes out, or goes in again. */
void posix_usb_set_down(struct posix_usb *usb, bool down, uint64_t now_ms);
/* What the host sees as pulled and put back; false when nobody is connected. */
bool posix_usb_drop(struct posix_usb *usb, uint64_t now_ms);
/* A device at full speed is plugged into this PC's own kernel by vhci-hcd: the socket, not
 * blocking, on which it is to speak USB/IP transfers; -1 with errno: no right, or no module. */
int posix_usb_vhci(void);
/* Moves packets and bytes. True: firmware should look at the port. */
bool posix_usb_pump(struct posix_usb *usb, uint64_t now_ms);
bool posix_usb_accept(struct posix_usb *usb);
bool posix_usb_receive(struct posix_usb *usb);

#endif
