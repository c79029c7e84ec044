/* What the programs that run under usb-sim share: bytes to send, a handle of the first board, and
 * its events.
 */
#ifndef TESTS_USB_SUITE_H
#define TESTS_USB_SUITE_H

#include "hostdrv/clock.h"
#include "hostdrv/device.h"
#include "tests/usb/sim_client.h"

#define SOON_MS 2000u /* more than any of it takes, less than any time-out */

static uint8_t sent[262144];

static inline uint64_t since(uint64_t began_ms)
{
    return host_clock_ms() - began_ms;
}

static inline int fill(void **state)
{
    uint32_t noise = 1;
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++) {
        noise = noise * 1664525u + 1013904223u;
        sent[i] = (uint8_t)(noise >> 24);
    }
    return 0;
}

static inline kkt *open_device(const kkt_options *options)
{
    kkt *device;
    kkt_error error;
    if (kkt_open("usb:SIM1", options, &device, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return device;
}

static inline unsigned next(kkt *device, unsigned timeout_ms, kkt_event *event)
{
    kkt_error error;
    if (kkt_next_event(device, timeout_ms, event, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return event->kind;
}

#endif
