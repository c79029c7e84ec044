#include "board/posix/posix_usb.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STREAM_BYTES   (128u * 1024u)
#define RETRY_MS       1000u
#define VHCI           "/sys/devices/platform/vhci_hcd.0/"
#define VHCI_DEVICE    0x00010001u
#define FULL_SPEED     2u
#define FULL_SPEED_HUB "hs" /* the one that is not for SuperSpeed */
#define PORT_FREE      4u   /* VDEV_ST_NULL of the kernel's usbip_common.h */
#define RELEASE        0x0010u

/* ---- into this PC's own kernel ---- */

/* A free port of the hub for full speed; -1: none, or no module. A line: hub, port, state, ... */
static int vhci_port(void)
{
    char line[160];
    int found = -1;
    FILE *file = fopen(VHCI "status", "re");
    if (file == NULL)
        return -1;
    while (found < 0 && fgets(line, sizeof line, file) != NULL) {
        char *at = line + strlen(FULL_SPEED_HUB);
        if (strncmp(line, FULL_SPEED_HUB, strlen(FULL_SPEED_HUB)) != 0)
            continue;
        unsigned long port = strtoul(at, &at, 10);
        if (strtoul(at, NULL, 10) == PORT_FREE)
            found = (int)port;
    }
    fclose(file);
    return found;
}

static bool vhci_attach(int fd)
{
    char text[64];
    int port = vhci_port();
    int file = open(VHCI "attach", O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    int size = snprintf(text, sizeof text, "%d %d %u %u", port, fd, VHCI_DEVICE, FULL_SPEED);
    bool done = port >= 0 && write(file, text, (size_t)size) == size;
    int problem = port < 0 ? EBUSY : errno;
    close(file);
    errno = problem;
    return done;
}

int posix_usb_vhci(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return -1;
    bool done = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && vhci_attach(ends[1]);
    int problem = errno;
    close(ends[1]); /* the kernel has its own hold of it */
    if (done)
        return ends[0];
    close(ends[0]);
    errno = problem;
    return -1;
}

static bool plug_into_vhci(struct posix_usb *usb)
{
    int fd = posix_usb_vhci();
    if (fd < 0)
        return false;
    posix_stream_attach(&usb->stream, fd);
    usbip_connect(usb->usbip, true);
    usb->plugs++;
    return true;
}

/* ---- open and close ---- */

static bool open_socket(struct posix_usb *usb, const char *wanted, char *error, size_t error_size)
{
    usb->vhci = strcmp(wanted, "vhci") == 0;
    if (usb->vhci) {
        if (usb->down || plug_into_vhci(usb))
            return true;
        snprintf(error, error_size,
                 "--usbip vhci: %s; it wants root and the module: modprobe vhci-hcd",
                 strerror(errno));
        return false;
    }
    if (!posix_address_parse(wanted, &usb->address) || usb->address.unix_path) {
        snprintf(error, error_size, "--usbip wants HOST:PORT, or vhci");
        return false;
    }
    usb->listen_fd = posix_listen(&usb->address, &usb->address.port);
    if (usb->listen_fd < 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", wanted, strerror(errno));
        return false;
    }
    posix_console_event(usb->console, "usb", "USB/IP on port %u, bus ID 1-1", usb->address.port);
    return true;
}

bool posix_usb_open(struct posix_usb *usb, struct posix_console *console, const char *wanted,
                    const char *serial, const char *model, bool down, char *error,
                    size_t error_size)
{
    memset(usb, 0, sizeof *usb);
    usb->console = console;
    usb->listen_fd = usb->stream.fd = -1;
    usb->identity = (struct usb_identity){
        .manufacturer = "OpenKKT", .product = model, .serial = serial, .release = RELEASE};
    usb_device_init(&usb->device, &usb->identity);
    if (wanted == NULL)
        return true;
    usb->wanted = true;
    usb->down = down;
    usb->usbip = malloc(sizeof *usb->usbip);
    if (usb->usbip == NULL || !posix_stream_init(&usb->stream, STREAM_BYTES, STREAM_BYTES)) {
        snprintf(error, error_size, "no memory");
        return false;
    }
    usbip_init(usb->usbip, &usb->device);
    return open_socket(usb, wanted, error, error_size);
}

void posix_usb_close(struct posix_usb *usb)
{
    if (!usb->wanted)
        return;
    if (usb->listen_fd >= 0)
        close(usb->listen_fd);
    usb->listen_fd = -1;
    posix_stream_free(&usb->stream);
    free(usb->usbip);
    usb->usbip = NULL;
    usb->wanted = false;
}

/* ---- the cable ---- */

static bool unplug(struct posix_usb *usb, const char *why)
{
    if (usb->stream.fd < 0)
        return false;
    posix_console_event(usb->console, "usb", "unplugged: %s", why);
    posix_stream_detach(&usb->stream);
    usbip_disconnect(usb->usbip);
    return true;
}

void posix_usb_set_down(struct posix_usb *usb, bool down, uint64_t now_ms)
{
    if (!usb->wanted)
        return;
    usb->down = down;
    usb->retry_ms = now_ms;
    if (down)
        (void)unplug(usb, "cable out");
}

bool posix_usb_drop(struct posix_usb *usb, uint64_t now_ms)
{
    if (!usb->wanted || !unplug(usb, "dropped"))
        return false;
    usb->retry_ms = now_ms + RETRY_MS;
    return true;
}

bool posix_usb_accept(struct posix_usb *usb)
{
    const int yes = 1;
    int fd = accept4(usb->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    if (usb->down) {
        close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)unplug(usb, "a newer one came");
    posix_stream_attach(&usb->stream, fd);
    usbip_connect(usb->usbip, false);
    usb->plugs++;
    return true;
}

/* ---- bytes ---- */

/* Bytes of the stream to transfers, transfers to packets, answers to the stream; until nothing
 * moves. */
static bool move(struct posix_usb *usb)
{
    bool moved = false;
    for (bool more = true; more;) {
        struct posix_buffer *in = &usb->stream.in;
        size_t size;
        size_t taken = usbip_receive(usb->usbip, in->data + in->start, in->end - in->start);
        in->start += taken;
        more = usbip_run(usb->usbip);
        const uint8_t *bytes = usbip_output(usb->usbip, &size);
        size_t put = posix_buffer_put(&usb->stream.out, bytes, size);
        usbip_sent(usb->usbip, put);
        moved |= more;
        more |= taken > 0 || put > 0;
    }
    return moved;
}

bool posix_usb_receive(struct posix_usb *usb)
{
    return usb->stream.fd >= 0 && posix_stream_receive(&usb->stream) > 0;
}

bool posix_usb_pump(struct posix_usb *usb, uint64_t now_ms)
{
    if (!usb->wanted)
        return false;
    if (usb->stream.fd < 0) {
        if (usb->vhci && !usb->down && now_ms >= usb->retry_ms) {
            usb->retry_ms = now_ms + RETRY_MS;
            (void)plug_into_vhci(usb);
        }
        return false;
    }
    bool look = move(usb);
    int sent = posix_stream_flush(&usb->stream);
    if (sent < 0 || !posix_stream_alive(&usb->stream) ||
        (usbip_is_over(usb->usbip) && posix_buffer_used(&usb->stream.out) == 0)) {
        usb->retry_ms = now_ms + RETRY_MS;
        return unplug(usb, "by the host");
    }
    return look;
}
