#include "hostdrv/arrival.h"

#include <libusb-1.0/libusb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "hostdrv/clock.h"
#include "proto/usb_link.h"

#define NOTICE_BYTES 4096u

struct arrival {
    libusb_context *usb; /* or */
    int notify;          /* inotify on a folder, for this name in it */
    char name[256];
    int came;
};

/* ---- USB ---- */

static int LIBUSB_CALL arrived(libusb_context *context, libusb_device *device,
                               libusb_hotplug_event event, void *user)
{
    struct arrival *self = user;
    (void)context;
    (void)device;
    (void)event;
    self->came = 1;
    return 0;
}

static bool watch_usb(struct arrival *self)
{
    if (!libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG) || libusb_init(&self->usb) != 0) {
        self->usb = NULL;
        return false;
    }
    if (libusb_hotplug_register_callback(self->usb, LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED, 0,
                                         (int)USB_LINK_VENDOR_ID, (int)USB_LINK_PRODUCT_ID,
                                         LIBUSB_HOTPLUG_MATCH_ANY, arrived, self, NULL) == 0)
        return true;
    libusb_exit(self->usb);
    self->usb = NULL;
    return false;
}

static void wait_usb(struct arrival *self, unsigned timeout_ms)
{
    struct timeval wait = {.tv_sec = (time_t)(timeout_ms / 1000u),
                           .tv_usec = (suseconds_t)(timeout_ms % 1000u) * 1000};
    if (libusb_handle_events_timeout_completed(self->usb, &wait, &self->came) != 0)
        host_clock_sleep(timeout_ms < 10 ? timeout_ms : 10);
}

/* ---- a serial port ---- */

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* The deepest folder on the way to the node that is there, and what has to come next in it. */
static bool watch_node(struct arrival *self, const char *place)
{
    char folder[sizeof((struct device_uri *)0)->place];
    if (place[0] != '/')
        return false;
    snprintf(folder, sizeof folder, "%s", place);
    do {
        char *slash = strrchr(folder, '/');
        snprintf(self->name, sizeof self->name, "%s", slash + 1);
        slash[slash == folder ? 1 : 0] = '\0';
    } while (!is_folder(folder) && strcmp(folder, "/") != 0);
    self->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (self->notify >= 0 &&
        inotify_add_watch(self->notify, folder, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) >= 0)
        return true;
    if (self->notify >= 0)
        close(self->notify);
    self->notify = -1;
    return false;
}

static void take_notices(struct arrival *self)
{
    _Alignas(struct inotify_event) char bytes[NOTICE_BYTES];
    ssize_t size = read(self->notify, bytes, sizeof bytes);
    for (ssize_t at = 0; at < size;) {
        struct inotify_event notice;
        memcpy(&notice, bytes + at, sizeof notice);
        if (notice.len > 0 && strcmp(bytes + at + sizeof notice, self->name) == 0)
            self->came = 1;
        at += (ssize_t)(sizeof notice + notice.len);
    }
}

static void wait_node(struct arrival *self, unsigned timeout_ms)
{
    struct pollfd poller = {.fd = self->notify, .events = POLLIN};
    if (poll(&poller, 1, (int)timeout_ms) > 0)
        take_notices(self);
}

/* ---- either ---- */

struct arrival *arrival_watch(const struct device_uri *uri)
{
    bool watched = false;
    struct arrival *self = calloc(1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->notify = -1;
    if (uri->scheme == DEVICE_URI_USB || uri->scheme == DEVICE_URI_NUMBER)
        watched = watch_usb(self);
    else if (uri->scheme == DEVICE_URI_SERIAL)
        watched = watch_node(self, uri->place);
    if (watched)
        return self;
    free(self);
    return NULL;
}

bool arrival_wait(struct arrival *self, unsigned timeout_ms)
{
    if (self == NULL) {
        host_clock_sleep(timeout_ms);
        return false;
    }
    self->came = 0;
    if (self->usb != NULL)
        wait_usb(self, timeout_ms);
    else
        wait_node(self, timeout_ms);
    return self->came != 0;
}

void arrival_end(struct arrival *self)
{
    if (self == NULL)
        return;
    if (self->usb != NULL)
        libusb_exit(self->usb);
    if (self->notify >= 0)
        close(self->notify);
    free(self);
}
