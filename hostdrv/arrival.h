/* Waits for a device that may be the one of an address to be plugged in: USB by libusb's hotplug
 * (which tells of it when udev has given it its rights), a serial port by its node or link coming
 * into being. Where neither can be watched (TCP, no udev), it is a sleep.
 *
 * Always true: a device that came before arrival_watch is not told of, so look first. One thread.
 */
#ifndef HOSTDRV_ARRIVAL_H
#define HOSTDRV_ARRIVAL_H

#include <stdbool.h>

#include "hostdrv/device_uri.h"

struct arrival;

/* NULL: it cannot be watched; the functions below take that too. */
struct arrival *arrival_watch(const struct device_uri *uri);
/* True: something came; false: timeout_ms is over. May also return early with false. */
bool arrival_wait(struct arrival *self, unsigned timeout_ms);
void arrival_end(struct arrival *self);

#endif
