/* What Linux's usbfs (linux/usbdevice_fs.h) does for a program that holds a USB device open, over
 * umockdev: the rules about who claims, submits, reaps and discards are written here, and the
 * kernel's own in tests/guest keep them honest: the same suite runs above both.
 *
 * A device is a node that umockdev serves and a simulated board. The node is a pseudo-terminal's
 * slave, since a program learns of completions by POLLOUT: the flow of it is stopped while there
 * is nothing to reap, and its master is closed when the cable comes out, which gives POLLERR.
 */
#ifndef TESTS_USB_SIM_USBFS_H
#define TESTS_USB_SIM_USBFS_H

#include <glib-unix.h>
#include <umockdev.h>

#include "tests/usb/sim_board.h"

#define SIM_URBS 64u

struct sim_urb {
    uint32_t number; /* 0: free */
    UMockdevIoctlData *urb, *buffer;
    UMockdevIoctlClient *client;
    bool is_control, is_in, done;
    uint64_t order; /* of being done */
    int status;
    uint32_t length;
    uint8_t *data; /* of an IN one that is done */
};

struct sim_call { /* an ioctl that waits for a control transfer of its own */
    uint32_t number;
    UMockdevIoctlClient *client;
};

struct sim_device {
    UMockdevTestbed *bed;
    struct sim_board board;
    unsigned away_port;
    unsigned place, number; /* port of the hub, address */
    char node[32], path[64];
    int master, slave;
    UMockdevIoctlBase *handler;
    uint32_t numbers;
    uint64_t orders;
    struct sim_urb urbs[SIM_URBS];
    struct sim_call call;
    UMockdevIoctlClient *claimed_by;
    uint8_t in[2 * USBIP_OUT_BYTES];
    size_t in_size;
    GSource *watch; /* of a board elsewhere */
    /* counted */
    unsigned long bulk_done, packets, turnarounds;
    bool last_in;
    unsigned long pull_after; /* bulk transfers until the cable comes out; 0: never */
    void (*pulled)(struct sim_device *device);
};

/* umockdev serves ioctls in a thread of its own: everything here happens under this lock, which
 * sim_device_plug gives away while umockdev has to act (so hold it once). Sources run in the main
 * context, and take the lock themselves. */
extern GRecMutex sim_lock;
GSource *sim_watch(int fd, GUnixFDSourceFunc function, void *user);
void sim_later(unsigned ms, GSourceFunc function, void *user);

void sim_device_init(struct sim_device *device, UMockdevTestbed *bed, unsigned place,
                     enum sim_program program, const char *serial, unsigned away_port);
/* Cable in: enumerates and shows the device. False: it cannot be enumerated. */
bool sim_device_plug(struct sim_device *device);
void sim_device_unplug(struct sim_device *device);
/* What the board did by itself. */
void sim_device_pump(struct sim_device *device);

#endif
