/* USB by libusb-1.0: the board's vendor interface with one bulk endpoint each way, found by the
 * serial number string.
 *
 * One IN transfer is always pending, so a cable that comes out is noticed at once and an event of
 * the board costs no asking. One OUT transfer is on its way and what is written meanwhile gathers
 * for the next one, so a long message takes few of them. The stream has its own frames, so packet
 * boundaries mean nothing; but a transfer of whole packets needs a zero-length one after it, or the
 * board waits for more. The traps below were found by running (design note USB.md, "What the driver
 * must do").
 */
#include <libusb-1.0/libusb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "hostdrv/fault.h"
#include "hostdrv/transport.h"
#include "hostdrv/usb_find.h"
#include "proto/usb_link.h"

/* Multiples of every bulk packet size, else a babble loses data. Answers are short, so what comes
 * in has little room; what goes out is as much as Linux takes in one piece. */
#define USB_IN_BYTES  4096
#define USB_OUT_BYTES 16384

_Static_assert(USB_IN_BYTES % 512 == 0, "whole packets at high speed too");

struct transport_usb {
    struct transport base;
    libusb_context *context;
    libusb_device_handle *handle;
    struct usb_find_interface interface;
    struct libusb_transfer *in, *out;
    bool in_pending, out_pending, dead;
    uint8_t in_bytes[USB_IN_BYTES];
    size_t in_size, in_taken;
    uint8_t out_bytes[2][USB_OUT_BYTES]; /* one on its way, one gathers */
    unsigned gathers;
    size_t gathered;
};

static struct transport_usb *self_of(struct transport *transport)
{
    return (struct transport_usb *)transport;
}

static void LIBUSB_CALL in_done(struct libusb_transfer *transfer)
{
    struct transport_usb *self = transfer->user_data;
    self->in_pending = false;
    self->in_taken = 0;
    self->in_size = (size_t)transfer->actual_length; /* there may be some with a time-out too */
    /* An unplugged board ends the transfer as NO_DEVICE or as ERROR, depending on the host
     * controller. */
    if (transfer->status != LIBUSB_TRANSFER_COMPLETED &&
        transfer->status != LIBUSB_TRANSFER_TIMED_OUT)
        self->dead = true;
}

static void LIBUSB_CALL out_done(struct libusb_transfer *transfer);

/* What has gathered goes out, and the other buffer gathers. */
static void submit_out(struct transport_usb *self)
{
    if (self->out_pending || self->dead || self->gathered == 0)
        return;
    libusb_fill_bulk_transfer(self->out, self->handle, self->interface.out,
                              self->out_bytes[self->gathers], (int)self->gathered, out_done, self,
                              0);
    self->out->flags = LIBUSB_TRANSFER_ADD_ZERO_PACKET;
    self->gathers = 1 - self->gathers;
    self->gathered = 0;
    self->out_pending = libusb_submit_transfer(self->out) == 0;
    self->dead = !self->out_pending;
}

static void LIBUSB_CALL out_done(struct libusb_transfer *transfer)
{
    struct transport_usb *self = transfer->user_data;
    self->out_pending = false;
    if (transfer->status != LIBUSB_TRANSFER_COMPLETED ||
        transfer->actual_length != transfer->length)
        self->dead = true;
    submit_out(self);
}

static void submit_in(struct transport_usb *self)
{
    if (self->in_pending || self->dead || self->in_taken < self->in_size)
        return;
    libusb_fill_bulk_transfer(self->in, self->handle, self->interface.in, self->in_bytes,
                              USB_IN_BYTES, in_done, self, 0);
    self->in_pending = true;
    if (libusb_submit_transfer(self->in) != 0) {
        self->in_pending = false;
        self->dead = true;
    }
}

static void handle_events(struct transport_usb *self, unsigned timeout_ms)
{
    struct timeval wait = {.tv_sec = (time_t)(timeout_ms / 1000u),
                           .tv_usec = (suseconds_t)(timeout_ms % 1000u) * 1000};
    int result = libusb_handle_events_timeout_completed(self->context, &wait, NULL);
    if (result != 0 && result != LIBUSB_ERROR_INTERRUPTED)
        self->dead = true;
}

static int usb_read(struct transport *transport, uint8_t *bytes, size_t capacity)
{
    struct transport_usb *self = self_of(transport);
    submit_in(self);
    if (self->in_taken == self->in_size && !self->dead)
        handle_events(self, 0);
    size_t count = self->in_size - self->in_taken;
    if (count == 0)
        return self->dead ? -1 : 0;
    if (count > capacity)
        count = capacity;
    memcpy(bytes, self->in_bytes + self->in_taken, count);
    self->in_taken += count;
    submit_in(self);
    return (int)count;
}

static int usb_write(struct transport *transport, const uint8_t *bytes, size_t size)
{
    struct transport_usb *self = self_of(transport);
    if (self->out_pending && self->gathered == USB_OUT_BYTES)
        handle_events(self, 0);
    if (self->dead)
        return -1;
    size_t room = USB_OUT_BYTES - self->gathered;
    if (size > room)
        size = room;
    memcpy(self->out_bytes[self->gathers] + self->gathered, bytes, size);
    self->gathered += size;
    submit_out(self);
    return self->dead ? -1 : (int)size;
}

static bool is_ready(const struct transport_usb *self, bool want_write)
{
    return self->in_taken < self->in_size || (want_write && self->gathered < USB_OUT_BYTES);
}

static int usb_wait(struct transport *transport, bool want_write, unsigned timeout_ms)
{
    struct transport_usb *self = self_of(transport);
    submit_in(self);
    if (!is_ready(self, want_write) && !self->dead)
        handle_events(self, timeout_ms);
    if (is_ready(self, want_write))
        return 1;
    return self->dead ? -1 : 0;
}

static void usb_free(struct transport_usb *self)
{
    libusb_free_transfer(self->in);
    libusb_free_transfer(self->out);
    if (self->handle != NULL)
        libusb_close(self->handle);
    if (self->context != NULL)
        libusb_exit(self->context);
    free(self);
}

static void usb_close(struct transport *transport)
{
    struct transport_usb *self = self_of(transport);
    if (self->in_pending)
        libusb_cancel_transfer(self->in);
    self->gathered = 0; /* or it would go out when the pending one ends */
    if (self->out_pending)
        libusb_cancel_transfer(self->out);
    /* The library writes to a transfer until its callback ran; a cancelled one ends at once. */
    for (unsigned round = 0; round < 50 && (self->in_pending || self->out_pending); round++) {
        struct timeval wait = {.tv_usec = 20000};
        libusb_handle_events_timeout_completed(self->context, &wait, NULL);
    }
    libusb_release_interface(self->handle, self->interface.number);
    usb_free(self);
}

static const struct transport_operations usb_operations = {
    .read = usb_read, .write = usb_write, .wait = usb_wait, .close = usb_close, .faithful = true};

int transport_usb_code(int result)
{
    switch (result) {
    case LIBUSB_ERROR_ACCESS:
        return ERROR_PERMISSION;
    case LIBUSB_ERROR_BUSY:
        return ERROR_LINK_BUSY;
    default:
        return ERROR_LINK_LOST;
    }
}

/* 0 and self->handle when this device has the serial number; else why not. */
static int try_device(struct transport_usb *self, libusb_device *device, const char *serial)
{
    char found[USB_FIND_SERIAL];
    if (!usb_find_is_board(device))
        return LIBUSB_ERROR_NOT_FOUND;
    int result = usb_find_serial(device, found);
    if (result == 0 && strcmp(found, serial) != 0)
        return LIBUSB_ERROR_NOT_FOUND;
    if (result == 0)
        result = libusb_open(device, &self->handle);
    if (result != 0)
        self->handle = NULL;
    return result;
}

static int find_device(struct transport_usb *self, const char *serial)
{
    libusb_device **devices = NULL;
    ssize_t count = libusb_get_device_list(self->context, &devices);
    if (count < 0)
        return (int)count;
    int result = LIBUSB_ERROR_NOT_FOUND;
    for (ssize_t i = 0; i < count && self->handle == NULL; i++) {
        int tried = try_device(self, devices[i], serial);
        /* A board that may not be opened explains more than "not found". */
        if (tried != LIBUSB_ERROR_NOT_FOUND)
            result = tried;
    }
    libusb_free_device_list(devices, 1);
    return self->handle != NULL ? 0 : result;
}

static int start(struct transport_usb *self, const char *serial)
{
    int result = libusb_init(&self->context);
    if (result != 0) {
        self->context = NULL;
        return result;
    }
    result = find_device(self, serial);
    if (result == 0 && !usb_find_interface(libusb_get_device(self->handle), &self->interface))
        result = LIBUSB_ERROR_NOT_FOUND;
    if (result == 0) {
        libusb_set_auto_detach_kernel_driver(self->handle, 1);
        result = libusb_claim_interface(self->handle, self->interface.number);
    }
    if (result != 0)
        return result;
    /* Whoever was here before may have left an endpoint halted. */
    if (libusb_clear_halt(self->handle, self->interface.in) == LIBUSB_ERROR_NO_DEVICE ||
        libusb_clear_halt(self->handle, self->interface.out) == LIBUSB_ERROR_NO_DEVICE)
        return LIBUSB_ERROR_NO_DEVICE;
    self->in = libusb_alloc_transfer(0);
    self->out = libusb_alloc_transfer(0);
    if (self->in == NULL || self->out == NULL)
        return LIBUSB_ERROR_NO_MEM;
    submit_in(self);
    return self->dead ? LIBUSB_ERROR_IO : 0;
}

int transport_usb_open(const struct device_uri *uri, struct transport **out, kkt_error *error)
{
    struct transport_usb *self = calloc(1, sizeof *self);
    if (self == NULL)
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    self->base.operations = &usb_operations;
    int result = start(self, uri->place);
    if (result != 0) {
        usb_free(self);
        return fault_set(
            error, transport_usb_code(result), "USB device %04x:%04x with serial number %s: %s",
            USB_LINK_VENDOR_ID, USB_LINK_PRODUCT_ID, uri->place,
            result == LIBUSB_ERROR_NOT_FOUND ? "not connected" : libusb_strerror(result));
    }
    *out = &self->base;
    return KKT_OK;
}
