#include "tests/usb/sim_usbfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define SUBMIT         1u
#define UNLINK         2u
#define SUBMITTED      3u
#define DEVICE_ID      0x00010001u
#define CONTROL_HEAD   8u
#define UNLINKED       (-104)
#define DESCRIPTOR_MAX 512u

static void pump(struct sim_device *device);

/* ---- the node: writable when there is something to reap ---- */

static void flow(struct sim_device *device)
{
    bool ready = false;
    for (unsigned i = 0; i < SIM_URBS; i++)
        ready = ready || (device->urbs[i].number != 0 && device->urbs[i].done);
    if (device->slave >= 0)
        tcflow(device->slave, ready ? TCOON : TCOOFF); /* an ioctl would go to umockdev */
}

static bool open_node(struct sim_device *device)
{
    char slave[64], link[512], command[600];
    g_autofree gchar *root = umockdev_testbed_get_root_dir(device->bed);
    device->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (device->master < 0 || grantpt(device->master) != 0 || unlockpt(device->master) != 0 ||
        ptsname_r(device->master, slave, sizeof slave) != 0)
        return false;
    device->slave = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
    snprintf(command, sizeof command, "%s/dev/bus/usb/001", root);
    g_mkdir_with_parents(command, 0755);
    snprintf(link, sizeof link, "%s%s", root, device->node);
    unlink(link);
    return device->slave >= 0 && symlink(slave, link) == 0;
}

static void close_node(struct sim_device *device)
{
    if (device->master >= 0)
        close(device->master);
    if (device->slave >= 0)
        close(device->slave);
    device->master = device->slave = -1;
}

/* ---- transfers to the board and back ---- */

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t submit(struct sim_device *device, unsigned endpoint, bool in, bool ends_empty,
                       const uint8_t setup[CONTROL_HEAD], const uint8_t *data, uint32_t size)
{
    static uint8_t message[USBIP_HEADER_BYTES + USBIP_TRANSFER_MAX];
    uint32_t number = ++device->numbers;
    memset(message, 0, USBIP_HEADER_BYTES);
    put_u32(message, SUBMIT);
    put_u32(message + 4, number);
    put_u32(message + 8, DEVICE_ID);
    put_u32(message + 12, in);
    put_u32(message + 16, endpoint);
    put_u32(message + 20, ends_empty ? USBDEVFS_URB_ZERO_PACKET : 0);
    put_u32(message + 24, size);
    put_u32(message + 32, 0xFFFFFFFFu);
    if (setup != NULL)
        memcpy(message + 40, setup, CONTROL_HEAD);
    if (!in && size > 0)
        memcpy(message + USBIP_HEADER_BYTES, data, size);
    sim_board_receive(&device->board, message, USBIP_HEADER_BYTES + (in ? 0 : size));
    return number;
}

static void unlink_urb(struct sim_device *device, uint32_t number)
{
    uint8_t message[USBIP_HEADER_BYTES] = {0};
    put_u32(message, UNLINK);
    put_u32(message + 4, ++device->numbers);
    put_u32(message + 8, DEVICE_ID);
    put_u32(message + 20, number);
    sim_board_receive(&device->board, message, sizeof message);
}

static struct sim_urb *find(struct sim_device *device, uint32_t number)
{
    for (unsigned i = 0; i < SIM_URBS; i++) {
        if (device->urbs[i].number == number)
            return &device->urbs[i];
    }
    return NULL;
}

static void free_urb(struct sim_urb *urb)
{
    umockdev_ioctl_data_unref(urb->urb);
    if (urb->buffer != NULL)
        umockdev_ioctl_data_unref(urb->buffer);
    g_object_unref(urb->client);
    free(urb->data);
    memset(urb, 0, sizeof *urb);
}

static void end_urb(struct sim_device *device, struct sim_urb *urb, int status, uint32_t length,
                    const uint8_t *data)
{
    urb->done = true;
    urb->order = ++device->orders;
    urb->status = status == UNLINKED ? -ENOENT : status;
    urb->length = length;
    if (urb->is_in && length > 0) {
        urb->data = malloc(length);
        memcpy(urb->data, data, length);
    }
    if (urb->is_control)
        return;
    device->bulk_done++;
    device->packets += length / USB_PACKET_BYTES + 1;
    device->turnarounds += device->last_in != urb->is_in;
    device->last_in = urb->is_in;
    if (device->pull_after != 0 && device->bulk_done >= device->pull_after) {
        device->pull_after = 0;
        device->pulled(device); /* before the program hears of it */
    }
}

static void end_call(struct sim_device *device, int status)
{
    UMockdevIoctlClient *client = device->call.client;
    device->call = (struct sim_call){0};
    if (client != NULL) {
        umockdev_ioctl_client_complete(client, status == 0 ? 0 : -1, status == 0 ? 0 : -status);
        g_object_unref(client);
    }
}

/* One answer of the board, or not all of it yet: 0. */
static size_t take_answer(struct sim_device *device, const uint8_t *bytes, size_t size)
{
    if (size < USBIP_HEADER_BYTES)
        return 0;
    uint32_t number = get_u32(bytes + 4);
    uint32_t length = get_u32(bytes + 24);
    int status = (int)get_u32(bytes + 20);
    if (get_u32(bytes) != SUBMITTED)
        return USBIP_HEADER_BYTES;
    struct sim_urb *urb = number != 0 ? find(device, number) : NULL;
    bool has_data = urb != NULL && urb->is_in && length > 0;
    if (has_data && size < USBIP_HEADER_BYTES + length)
        return 0;
    if (urb != NULL)
        end_urb(device, urb, status, length, bytes + USBIP_HEADER_BYTES);
    else if (device->call.number == number)
        end_call(device, status);
    return USBIP_HEADER_BYTES + (has_data ? length : 0);
}

static void pump(struct sim_device *device)
{
    size_t got = 0;
    do {
        if (!device->board.plugged)
            return;
        bool alive = sim_board_run(&device->board, device->in + device->in_size,
                                   sizeof device->in - device->in_size, &got);
        device->in_size += got;
        size_t used = 0, piece;
        while ((piece = take_answer(device, device->in + used, device->in_size - used)) > 0) {
            used += piece;
            if (!device->board.plugged)
                return; /* pulled */
        }
        device->in_size -= used;
        memmove(device->in, device->in + used, device->in_size);
        if (!alive) {
            device->pulled(device);
            return;
        }
    } while (got > 0);
    flow(device);
}

void sim_device_pump(struct sim_device *device)
{
    pump(device);
}

/* ---- ioctls ---- */

static void answer(UMockdevIoctlClient *client, int result, int problem)
{
    umockdev_ioctl_client_complete(client, result, problem);
}

static unsigned u32_of(UMockdevIoctlData *argument)
{
    unsigned value = 0;
    g_autoptr(UMockdevIoctlData) data =
        umockdev_ioctl_data_resolve(argument, 0, sizeof value, NULL);
    if (data != NULL)
        memcpy(&value, data->data, sizeof value);
    return value;
}

static void submit_urb(struct sim_device *device, UMockdevIoctlClient *client,
                       UMockdevIoctlData *argument)
{
    struct usbdevfs_urb told;
    struct sim_urb *urb = find(device, 0);
    UMockdevIoctlData *data = umockdev_ioctl_data_resolve(argument, 0, sizeof told, NULL);
    memcpy(&told, data->data, sizeof told);
    if (urb == NULL || told.buffer_length < 0 ||
        (unsigned)told.buffer_length > USBIP_TRANSFER_MAX ||
        (told.type != USBDEVFS_URB_TYPE_CONTROL && device->claimed_by != client)) {
        umockdev_ioctl_data_unref(data);
        answer(client, -1, urb == NULL ? ENOMEM : EINVAL);
        return;
    }
    urb->urb = data;
    urb->client = g_object_ref(client);
    urb->is_control = told.type == USBDEVFS_URB_TYPE_CONTROL;
    uint32_t size = (uint32_t)told.buffer_length;
    const uint8_t *bytes = NULL;
    if (size > 0) {
        urb->buffer = umockdev_ioctl_data_resolve(data, offsetof(struct usbdevfs_urb, buffer),
                                                  (gulong)told.buffer_length, NULL);
        bytes = urb->buffer->data;
    }
    urb->is_in = urb->is_control ? (bytes[0] & 0x80) != 0 && size > CONTROL_HEAD
                                 : (told.endpoint & 0x80) != 0;
    urb->number = device->numbers + 1; /* before the board may answer it */
    answer(client, 0, 0);
    if (urb->is_control)
        submit(device, 0, urb->is_in, false, bytes, bytes + CONTROL_HEAD, size - CONTROL_HEAD);
    else
        submit(device, told.endpoint & 15u, urb->is_in,
               (told.flags & USBDEVFS_URB_ZERO_PACKET) != 0, NULL, bytes, size);
    pump(device);
}

static struct sim_urb *oldest_done(struct sim_device *device, UMockdevIoctlClient *client)
{
    struct sim_urb *oldest = NULL;
    for (unsigned i = 0; i < SIM_URBS; i++) {
        struct sim_urb *urb = &device->urbs[i];
        if (urb->number != 0 && urb->done && urb->client == client &&
            (oldest == NULL || urb->order < oldest->order))
            oldest = urb;
    }
    return oldest;
}

static void reap(struct sim_device *device, UMockdevIoctlClient *client,
                 UMockdevIoctlData *argument)
{
    struct sim_urb *urb = oldest_done(device, client);
    if (urb == NULL) {
        answer(client, -1, device->board.plugged ? EAGAIN : ENODEV);
        return;
    }
    struct usbdevfs_urb *told = (struct usbdevfs_urb *)(void *)urb->urb->data;
    told->status = urb->status;
    told->actual_length = (int)urb->length;
    umockdev_ioctl_data_update(urb->urb, 0, urb->urb->data, sizeof *told);
    if (urb->data != NULL)
        umockdev_ioctl_data_update(urb->buffer, urb->is_control ? CONTROL_HEAD : 0, urb->data,
                                   (gint)urb->length);
    g_autoptr(UMockdevIoctlData) out =
        umockdev_ioctl_data_resolve(argument, 0, sizeof(void *), NULL);
    umockdev_ioctl_data_set_ptr(out, 0, urb->urb);
    answer(client, 0, 0);
    free_urb(urb);
    flow(device);
}

static void discard(struct sim_device *device, UMockdevIoctlClient *client,
                    UMockdevIoctlData *argument)
{
    g_autoptr(UMockdevIoctlData) data =
        umockdev_ioctl_data_resolve(argument, 0, sizeof(struct usbdevfs_urb), NULL);
    for (unsigned i = 0; i < SIM_URBS; i++) {
        struct sim_urb *urb = &device->urbs[i];
        if (urb->number != 0 && !urb->done && urb->urb->client_addr == data->client_addr) {
            answer(client, 0, 0);
            unlink_urb(device, urb->number);
            pump(device);
            return;
        }
    }
    answer(client, -1, EINVAL);
}

/* Ends when the board has answered. */
static void call(struct sim_device *device, UMockdevIoctlClient *client,
                 const uint8_t setup[CONTROL_HEAD])
{
    device->call = (struct sim_call){device->numbers + 1, g_object_ref(client)};
    submit(device, 0, false, false, setup, NULL, 0);
    pump(device);
}

static void release(struct sim_device *device)
{
    if (device->claimed_by != NULL)
        g_object_unref(device->claimed_by);
    device->claimed_by = NULL;
}

/* Whoever closed the file holds nothing any more. */
static void forget_closed(struct sim_device *device)
{
    if (device->claimed_by != NULL && !umockdev_ioctl_client_get_connected(device->claimed_by))
        release(device);
    for (unsigned i = 0; i < SIM_URBS; i++) {
        struct sim_urb *urb = &device->urbs[i];
        if (urb->number == 0 || umockdev_ioctl_client_get_connected(urb->client))
            continue;
        if (!urb->done)
            unlink_urb(device, urb->number);
        free_urb(urb);
    }
}

static void claim(struct sim_device *device, UMockdevIoctlClient *client)
{
    forget_closed(device);
    if (device->claimed_by != NULL && device->claimed_by != client) {
        answer(client, -1, EBUSY);
        return;
    }
    if (device->claimed_by == NULL)
        device->claimed_by = g_object_ref(client);
    answer(client, 0, 0);
}

static void serve(struct sim_device *device, UMockdevIoctlClient *client)
{
    UMockdevIoctlData *argument = umockdev_ioctl_client_get_arg(client);
    unsigned long request = umockdev_ioctl_client_get_request(client);
    if (request == USBDEVFS_REAPURBNDELAY || request == USBDEVFS_REAPURB) {
        reap(device, client, argument);
        return;
    }
    if (!device->board.plugged) {
        answer(client, -1, ENODEV);
        return;
    }
    switch (request) {
    case USBDEVFS_GET_CAPABILITIES: {
        const uint32_t capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_REAP_AFTER_DISCONNECT;
        g_autoptr(UMockdevIoctlData) out =
            umockdev_ioctl_data_resolve(argument, 0, sizeof capabilities, NULL);
        umockdev_ioctl_data_update(out, 0, (guint8 *)&capabilities, sizeof capabilities);
        answer(client, 0, 0);
        break;
    }
    case USBDEVFS_SUBMITURB:
        submit_urb(device, client, argument);
        break;
    case USBDEVFS_DISCARDURB:
        discard(device, client, argument);
        break;
    case USBDEVFS_CLAIMINTERFACE:
    case USBDEVFS_DISCONNECT_CLAIM:
        claim(device, client);
        break;
    case USBDEVFS_RELEASEINTERFACE:
        if (device->claimed_by == client)
            release(device);
        answer(client, 0, 0);
        break;
    case USBDEVFS_CLEAR_HALT: {
        uint8_t setup[CONTROL_HEAD] = {0x02, 0x01, 0, 0, (uint8_t)u32_of(argument), 0, 0, 0};
        call(device, client, setup);
        break;
    }
    case USBDEVFS_GETDRIVER:
        answer(client, -1, ENODATA);
        break;
    default:
        answer(client, -1, ENOTTY);
    }
}

static gboolean asked(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer user)
{
    (void)base;
    g_rec_mutex_lock(&sim_lock);
    serve(user, client);
    g_rec_mutex_unlock(&sim_lock);
    return TRUE;
}

/* ---- sources ---- */

GRecMutex sim_lock;

GSource *sim_watch(int fd, GUnixFDSourceFunc function, void *user)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP);
    g_source_set_callback(source, (GSourceFunc)(void (*)(void))function, user, NULL);
    g_source_attach(source, NULL);
    return source;
}

void sim_later(unsigned ms, GSourceFunc function, void *user)
{
    g_autoptr(GSource) source = g_timeout_source_new(ms);
    g_source_set_callback(source, function, user, NULL);
    g_source_attach(source, NULL);
}

/* ---- the cable ---- */

/* A control transfer of the hub's driver, which waits. Bytes, or -1. */
static int control(struct sim_device *device, const uint8_t setup[CONTROL_HEAD], uint8_t *data)
{
    uint32_t size = (uint32_t)(setup[6] | setup[7] << 8);
    uint32_t number = submit(device, 0, size > 0, false, setup, NULL, size);
    for (unsigned round = 0; round < 20000; round++) {
        size_t got;
        bool alive = sim_board_run(&device->board, device->in + device->in_size,
                                   sizeof device->in - device->in_size, &got);
        device->in_size += got;
        if (device->in_size >= USBIP_HEADER_BYTES && get_u32(device->in + 4) == number) {
            int status = (int)get_u32(device->in + 20);
            uint32_t length = size > 0 ? get_u32(device->in + 24) : 0;
            if (device->in_size >= USBIP_HEADER_BYTES + length) {
                memcpy(data, device->in + USBIP_HEADER_BYTES, length);
                device->in_size = 0;
                return status == 0 ? (int)length : -1;
            }
        }
        if (!alive)
            return -1;
        if (got == 0)
            g_usleep(100);
    }
    return -1;
}

static int descriptor(struct sim_device *device, unsigned type, unsigned index, uint8_t *out)
{
    const uint8_t setup[CONTROL_HEAD] = {
        0x80, 6, (uint8_t)index, (uint8_t)type, type == 3 ? 9 : 0, type == 3 ? 4 : 0, 255, 0};
    return control(device, setup, out);
}

static void text_of(const uint8_t *string, int size, char *out, size_t capacity)
{
    size_t length = 0;
    for (int at = 2; at + 1 < size && length + 1 < capacity; at += 2)
        out[length++] = (char)string[at];
    out[length] = '\0';
}

static bool enumerate(struct sim_device *device, char serial[64], char *hex)
{
    static const uint8_t configure[CONTROL_HEAD] = {0x00, 9, 1, 0, 0, 0, 0, 0};
    uint8_t bytes[DESCRIPTOR_MAX], string[256];
    int size = descriptor(device, 1, 0, bytes);
    int more = size == 18 ? descriptor(device, 2, 0, bytes + size) : -1;
    int length = more > 9 ? descriptor(device, 3, bytes[16], string) : -1;
    /* usbfs itself does not look whether the device was configured; nor does this. */
    (void)control(device, configure, string + 4);
    if (length < 2)
        return false;
    text_of(string, length, serial, 64);
    for (int i = 0; i < size + more; i++)
        hex += sprintf(hex, "%02X", bytes[i]);
    return true;
}

static void show(struct sim_device *device, const char *serial, const char *hex)
{
    g_autoptr(GError) problem = NULL;
    g_autofree gchar *text = g_strdup_printf(
        "P: %s\nE: SUBSYSTEM=usb\nE: DRIVER=usb\nE: BUSNUM=001\nE: DEVNUM=%03u\n"
        "E: DEVNAME=%s\nE: DEVTYPE=usb_device\nA: bConfigurationValue=1\\n\nA: busnum=1\\n\n"
        "A: devnum=%u\\n\nA: speed=12\\n\nA: idVendor=1209\\n\nA: idProduct=0001\\n\n"
        "A: serial=%s\\n\nH: descriptors=%s\n\n",
        device->path, device->number, device->node, device->number, serial, hex);
    if (!umockdev_testbed_add_from_string(device->bed, text, &problem))
        fprintf(stderr, "usb-sim: %s\n", problem->message);
}

static gboolean away_ready(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    g_autoptr(GRecMutexLocker) locker = g_rec_mutex_locker_new(&sim_lock);
    pump(user);
    (void)locker;
    return G_SOURCE_CONTINUE;
}

bool sim_device_plug(struct sim_device *device)
{
    static unsigned numbers = 1;
    char serial[64], hex[2 * DESCRIPTOR_MAX + 1];
    g_autoptr(GError) problem = NULL;
    if (device->board.plugged)
        return true;
    device->number = ++numbers;
    device->in_size = 0;
    device->bulk_done = device->packets = device->turnarounds = 0;
    device->last_in = true;
    snprintf(device->node, sizeof device->node, "/dev/bus/usb/001/%03u", device->number);
    snprintf(device->path, sizeof device->path, "/devices/usb1/1-%u", device->place);
    if (!sim_board_plug(&device->board, device->away_port))
        return false;
    if (!enumerate(device, serial, hex) || !open_node(device)) {
        sim_board_unplug(&device->board);
        return false;
    }
    flow(device);
    device->handler = umockdev_ioctl_base_new();
    g_signal_connect(device->handler, "handle-ioctl", G_CALLBACK(asked), device);
    g_rec_mutex_unlock(&sim_lock);
    if (!umockdev_testbed_attach_ioctl(device->bed, device->node, device->handler, &problem))
        fprintf(stderr, "usb-sim: %s\n", problem->message);
    g_rec_mutex_lock(&sim_lock);
    if (device->board.socket >= 0)
        device->watch = sim_watch(device->board.socket, away_ready, device);
    show(device, serial, hex);
    return true;
}

void sim_device_unplug(struct sim_device *device)
{
    char path[80];
    if (!device->board.plugged)
        return;
    if (device->watch != NULL) {
        g_source_destroy(device->watch);
        g_source_unref(device->watch);
    }
    device->watch = NULL;
    sim_board_unplug(&device->board);
    for (unsigned i = 0; i < SIM_URBS; i++) {
        if (device->urbs[i].number != 0 && !device->urbs[i].done)
            end_urb(device, &device->urbs[i], -ENODEV, 0, NULL);
    }
    end_call(device, -ENODEV);
    flow(device);
    close_node(device);
    snprintf(path, sizeof path, "/sys%s", device->path);
    umockdev_testbed_uevent(device->bed, path, "remove");
    umockdev_testbed_remove_device(device->bed, path);
}

void sim_device_init(struct sim_device *device, UMockdevTestbed *bed, unsigned place,
                     enum sim_program program, const char *serial, unsigned away_port)
{
    memset(device, 0, sizeof *device);
    device->bed = bed;
    device->place = place;
    device->away_port = away_port;
    device->master = device->slave = -1;
    sim_board_init(&device->board, program, serial);
}
