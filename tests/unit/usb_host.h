/* A USB host in the process, for tests: what a host controller and its driver do with packets, at
 * the port of firmware/usb_device.h. It does nothing a real one would not, and fails the test when
 * the device breaks a rule of USB 2.0, chapters 5.5, 8.5 and 9: too long a packet, data where none
 * was asked for, a stall where there must be none, an answer that does not end.
 */
#ifndef TESTS_UNIT_USB_HOST_H
#define TESTS_UNIT_USB_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/usb_device.h"

#define USB_STALLED (-1)

struct usb_host {
    struct usb_device *device;
    unsigned long packets,
        naks; /* tokens that moved data or ended a stage; and those that did not */
};

/* ---- control transfers (5.5.5, 8.5.3) ---- */

static inline int usb_host_data_in(struct usb_host *host, uint8_t *data, unsigned length)
{
    unsigned got = 0;
    for (;;) {
        uint8_t packet[USB_PACKET_BYTES];
        size_t size = 999;
        enum usb_reply reply = usb_device_in(host->device, 0, packet, &size);
        host->packets++;
        if (reply == USB_STALL)
            return USB_STALLED;
        assert_int_equal(reply, USB_ACK); /* ours never has to wait */
        assert_in_range(size, 0, USB_PACKET_BYTES);
        assert_in_range(got + size, 0, length); /* never more than asked for */
        memcpy(data + got, packet, size);
        got += (unsigned)size;
        if (size < USB_PACKET_BYTES || got == length)
            return (int)got;
    }
}

/* Length of the answer, or USB_STALLED. data is read or written by the direction of type. */
static inline int usb_host_control(struct usb_host *host, unsigned type, unsigned request,
                                   unsigned value, unsigned index, unsigned length, uint8_t *data)
{
    uint8_t setup[USB_SETUP_BYTES] = {
        (uint8_t)type,  (uint8_t)request,      (uint8_t)value,  (uint8_t)(value >> 8),
        (uint8_t)index, (uint8_t)(index >> 8), (uint8_t)length, (uint8_t)(length >> 8)};
    uint8_t packet[USB_PACKET_BYTES];
    size_t size = 999;
    enum usb_reply reply;
    int got = 0;
    usb_device_setup(host->device, setup);
    host->packets++;
    if ((type & 0x80) != 0 && length > 0) {
        got = usb_host_data_in(host, data, length);
        if (got == USB_STALLED)
            return USB_STALLED;
        reply = usb_device_out(host->device, 0, NULL, 0); /* status */
        host->packets++;
        assert_int_equal(reply, USB_ACK);
        return got;
    }
    for (unsigned sent = 0; sent < length; sent += USB_PACKET_BYTES) {
        unsigned piece = length - sent < USB_PACKET_BYTES ? length - sent : USB_PACKET_BYTES;
        host->packets++;
        reply = usb_device_out(host->device, 0, data + sent, piece);
        if (reply == USB_STALL)
            return USB_STALLED;
        assert_int_equal(reply, USB_ACK);
    }
    reply = usb_device_in(host->device, 0, packet, &size);
    host->packets++;
    if (reply == USB_STALL)
        return USB_STALLED;
    assert_int_equal(reply, USB_ACK);
    assert_int_equal(size, 0);
    return (int)length;
}

static inline int usb_host_descriptor(struct usb_host *host, unsigned type, unsigned index,
                                      unsigned length, uint8_t *data)
{
    return usb_host_control(host, 0x80, 6, type << 8 | index, type == 3 ? 0x0409 : 0, length, data);
}

/* ---- bulk (5.8.3): false when the device does not take all of it, NAK after NAK ---- */

static inline size_t usb_host_write(struct usb_host *host, unsigned endpoint, const uint8_t *data,
                                    size_t size)
{
    size_t sent = 0;
    for (;;) {
        size_t piece = size - sent < USB_PACKET_BYTES ? size - sent : USB_PACKET_BYTES;
        enum usb_reply reply = usb_device_out(host->device, endpoint, data + sent, piece);
        if (reply != USB_ACK) {
            host->naks++;
            return sent;
        }
        host->packets++;
        sent += piece;
        if (piece < USB_PACKET_BYTES)
            return sent; /* a short or an empty packet ends it */
    }
}

/* One transfer: up to capacity, a multiple of the packet's size; ends with a short packet. -1: it
 * would still be waiting; *got says what has come so far. */
static inline int usb_host_read(struct usb_host *host, unsigned endpoint, uint8_t *data,
                                size_t capacity, size_t *got)
{
    assert_int_equal(capacity % USB_PACKET_BYTES, 0);
    *got = 0;
    while (*got < capacity) {
        size_t size = 999;
        enum usb_reply reply = usb_device_in(host->device, endpoint, data + *got, &size);
        if (reply != USB_ACK) {
            host->naks++;
            return -1;
        }
        assert_in_range(size, 0, USB_PACKET_BYTES);
        host->packets++;
        *got += size;
        if (size < USB_PACKET_BYTES)
            break;
    }
    return (int)*got;
}

/* ---- enumeration as Linux does it (drivers/usb/core/hub.c) ---- */

static inline void usb_host_enumerate(struct usb_host *host, unsigned address)
{
    uint8_t bytes[512];
    usb_device_reset(host->device);
    assert_int_equal(usb_device_address(host->device), 0);
    assert_int_equal(usb_host_descriptor(host, 1, 0, 64, bytes), 18);
    usb_device_reset(host->device);
    assert_int_equal(usb_host_control(host, 0x00, 5, address, 0, 0, NULL), 0);
    assert_int_equal(usb_device_address(host->device), address);
    assert_int_equal(usb_host_descriptor(host, 1, 0, 18, bytes), 18);
    assert_int_equal(usb_host_descriptor(host, 15, 0, 5, bytes), 5);
    assert_int_equal(usb_host_descriptor(host, 15, 0, bytes[2], bytes), bytes[2]);
    assert_int_equal(usb_host_descriptor(host, 6, 0, 10, bytes), USB_STALLED); /* full speed only */
    assert_int_equal(usb_host_descriptor(host, 2, 0, 9, bytes), 9);
    assert_int_equal(usb_host_descriptor(host, 2, 0, bytes[2], bytes), bytes[2]);
    assert_int_equal(usb_host_control(host, 0x00, 9, 1, 0, 0, NULL), 0);
    (void)usb_device_take_toggles(host->device);
}

#endif
