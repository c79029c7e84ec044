/* Serial ports by libserialport, 8N1 without flow control.
 *
 * libserialport's reads cannot tell an unplugged port from a silent one (both give 0 bytes; design
 * note USB.md, "What the driver must do", 5), so the port's descriptor is polled for a hang-up, and
 * "readable, but no bytes" counts as unplugged too.
 *
 * The line may be three wires: nothing waits for a modem line, the ones of our own are set for
 * those who look at them. Any baud that the port takes (libserialport asks Linux by number).
 */
#include <errno.h>
#include <libserialport.h>
#include <limits.h>
#include <linux/serial.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include "hostdrv/fault.h"
#include "hostdrv/transport.h"

struct transport_serial {
    struct transport base;
    struct sp_port *port;
    int handle;
};

static struct transport_serial *self_of(struct transport *transport)
{
    return (struct transport_serial *)transport;
}

/* revents of the descriptor, 0 when nothing, -1 on failure. */
static int look(const struct transport_serial *self, short events, unsigned timeout_ms)
{
    struct pollfd poller = {.fd = self->handle, .events = events};
    int ready = poll(&poller, 1, (int)timeout_ms);
    if (ready < 0)
        return errno == EINTR ? 0 : -1;
    return ready == 0 ? 0 : poller.revents;
}

static int serial_read(struct transport *transport, uint8_t *bytes, size_t capacity)
{
    struct transport_serial *self = self_of(transport);
    int seen = look(self, POLLIN, 0);
    if (seen <= 0)
        return seen;
    if (seen & POLLIN) {
        int got = (int)sp_nonblocking_read(self->port, bytes, capacity);
        return got > 0 ? got : -1;
    }
    return -1; /* hang-up or error, and nothing left to read */
}

static int serial_write(struct transport *transport, const uint8_t *bytes, size_t size)
{
    int sent = (int)sp_nonblocking_write(self_of(transport)->port, bytes, size);
    return sent < 0 ? -1 : sent;
}

static int serial_wait(struct transport *transport, bool want_write, unsigned timeout_ms)
{
    int seen =
        look(self_of(transport), (short)(want_write ? POLLIN | POLLOUT : POLLIN), timeout_ms);
    if (seen <= 0)
        return seen;
    if ((seen & POLLIN) == 0 && (seen & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return -1;
    return 1;
}

static void serial_close(struct transport *transport)
{
    struct transport_serial *self = self_of(transport);
    sp_close(self->port);
    sp_free_port(self->port);
    free(self);
}

static const struct transport_operations serial_operations = {
    .read = serial_read, .write = serial_write, .wait = serial_wait, .close = serial_close};

static int port_fault(kkt_error *error, const struct device_uri *uri, const char *step, int result)
{
    int code = ERROR_LINK_LOST;
    if (result == SP_ERR_FAIL) {
        int number = sp_last_error_code();
        char *text = sp_last_error_message();
        code = fault_set(error, transport_errno_code(number), "%s: %s: %s", uri->place, step,
                         text != NULL ? text : strerror(number));
        sp_free_error_message(text);
        return code;
    }
    return fault_set(error, code, "%s: %s: %s", uri->place, step,
                     result == SP_ERR_ARG   ? "no such serial port"
                     : result == SP_ERR_MEM ? "out of memory"
                                            : "not supported");
}

static int configure(struct sp_port *port, unsigned baud)
{
    int result = sp_set_baudrate(port, (int)baud);
    if (result == SP_OK)
        result = sp_set_bits(port, 8);
    if (result == SP_OK)
        result = sp_set_parity(port, SP_PARITY_NONE);
    if (result == SP_OK)
        result = sp_set_stopbits(port, 1);
    if (result == SP_OK)
        result = sp_set_flowcontrol(port, SP_FLOWCONTROL_NONE);
    /* A USB port's firmware may wait for these lines;
     * an adapter without them works all the same. */
    if (result == SP_OK) {
        sp_set_dtr(port, SP_DTR_ON);
        sp_set_rts(port, SP_RTS_ON);
    }
    if (result == SP_OK)
        result = sp_flush(port, SP_BUF_BOTH); /* stale bytes of whoever was here before */
    return result;
}

/* The library knows ports by the name that the kernel gave them; a link, such as the one by serial
 * number that our udev rule makes, has to be followed. */
static int find_port(const char *place, struct sp_port **port)
{
    char real[PATH_MAX];
    int result = sp_get_port_by_name(place, port);
    if (result == SP_ERR_ARG && realpath(place, real) != NULL)
        result = sp_get_port_by_name(real, port);
    return result;
}

/* An adapter may hold bytes back for 16 ms to gather more of them, which a link of questions and
 * answers pays for each time. Not every port knows the word. */
static void ask_low_latency(int handle)
{
    struct serial_struct settings;
    if (ioctl(handle, TIOCGSERIAL, &settings) != 0)
        return;
    settings.flags |= (int)ASYNC_LOW_LATENCY;
    (void)ioctl(handle, TIOCSSERIAL, &settings);
}

/* Two hosts on one port would eat each other's answers. The lock keeps out those who ask for it, as
 * this driver does; TIOCEXCL everybody but root, who could still take the port. */
static bool take_port(int handle)
{
    if (flock(handle, LOCK_EX | LOCK_NB) != 0)
        return false;
    (void)ioctl(handle, TIOCEXCL);
    return true;
}

static int open_port(struct transport_serial *self, const struct device_uri *uri, kkt_error *error)
{
    int result = find_port(uri->place, &self->port);
    if (result != SP_OK)
        return port_fault(error, uri, "find", result);
    result = sp_open(self->port, SP_MODE_READ_WRITE);
    if (result != SP_OK) {
        int code = port_fault(error, uri, "open", result);
        sp_free_port(self->port);
        return code;
    }
    int code = KKT_OK;
    result = sp_get_port_handle(self->port, &self->handle);
    if (result == SP_OK && !take_port(self->handle))
        code = fault_set(error, transport_errno_code(errno), "%s: held by another process",
                         uri->place);
    else if (result != SP_OK || (result = configure(self->port, uri->baud)) != SP_OK)
        code = port_fault(error, uri, "configure", result);
    else
        ask_low_latency(self->handle);
    if (code != KKT_OK) {
        sp_close(self->port);
        sp_free_port(self->port);
    }
    return code;
}

int transport_serial_open(const struct device_uri *uri, struct transport **out, kkt_error *error)
{
    struct transport_serial *self = calloc(1, sizeof *self);
    if (self == NULL)
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    self->base.operations = &serial_operations;
    int code = open_port(self, uri, error);
    if (code != KKT_OK) {
        free(self);
        return code;
    }
    *out = &self->base;
    return KKT_OK;
}
