#include "board/usbip/usbip.h"

#include <assert.h>
#include <string.h>

#define VERSION         0x0111u
#define OP_LIST         0x8005u
#define OP_IMPORT       0x8003u
#define OP_REPLY        0x7FFFu /* a request's code without its highest bit */
#define OP_BYTES        8u
#define BUSID_BYTES     32u
#define PATH_BYTES      256u
#define SUBMIT          1u
#define UNLINK          2u
#define SUBMITTED       3u
#define UNLINKED        4u
#define FULL_SPEED      2u
#define FLAG_ENDS_EMPTY 0x0040u
#define NO_SUCH_DEVICE  1u
/* Linux's errno numbers, which travel as they are. */
#define STATUS_STALL    (-32)
#define STATUS_BABBLE   (-75)
#define STATUS_UNLINKED (-104)
#define STATUS_REFUSED  (-22)

static const char bus_id[] = "1-1";
static const char bus_path[] = "/sys/devices/openkkt/usb1/1-1";

void usbip_init(struct usbip *usbip, struct usb_device *device)
{
    memset(usbip, 0, sizeof *usbip);
    usbip->device = device;
}

void usbip_connect(struct usbip *usbip, bool attached)
{
    uint64_t packets = usbip->packets;
    usbip_init(usbip, usbip->device);
    usbip->packets = packets;
    usbip->attached = attached;
    usb_device_reset(usbip->device);
}

void usbip_disconnect(struct usbip *usbip)
{
    usbip_connect(usbip, false);
}

bool usbip_is_over(const struct usbip *usbip)
{
    return usbip->broken && usbip->out_size == 0;
}

const uint8_t *usbip_output(const struct usbip *usbip, size_t *size)
{
    *size = usbip->out_size;
    return usbip->out;
}

void usbip_sent(struct usbip *usbip, size_t size)
{
    assert(size <= usbip->out_size);
    usbip->out_size -= size;
    memmove(usbip->out, usbip->out + size, usbip->out_size);
}

/* ---- before the device is taken ---- */

static void put_text(struct byte_writer *writer, const char *text, size_t size)
{
    size_t length = strlen(text);
    put_bytes(writer, text, length);
    put_fill(writer, 0, size - length);
}

/* The device as a list of exported devices has it; with what its own descriptors say. */
static void put_device(const struct usbip *usbip, struct byte_writer *writer)
{
    uint8_t device[USB_ANSWER_MAX], configuration[USB_ANSWER_MAX];
    struct byte_writer reader;
    byte_writer_init(&reader, device, sizeof device);
    (void)usb_descriptor(usbip->device->identity, 0x0100, &reader);
    byte_writer_init(&reader, configuration, sizeof configuration);
    (void)usb_descriptor(usbip->device->identity, 0x0200, &reader);
    put_text(writer, bus_path, PATH_BYTES);
    put_text(writer, bus_id, BUSID_BYTES);
    put_u32be(writer, 1); /* bus */
    put_u32be(writer, 1); /* device on it */
    put_u32be(writer, FULL_SPEED);
    put_u16be(writer, (uint16_t)get_u16le(device + 8));
    put_u16be(writer, (uint16_t)get_u16le(device + 10));
    put_u16be(writer, (uint16_t)get_u16le(device + 12));
    put_bytes(writer, device + 4, 3); /* class, subclass, protocol */
    put_u8(writer, 0);                /* configured: by whoever takes it */
    put_u8(writer, device[17]);
    put_u8(writer, configuration[4]);
}

/* Class, subclass and protocol of each interface, from the configuration itself. */
static void put_interfaces(const struct usbip *usbip, struct byte_writer *writer)
{
    uint8_t configuration[USB_ANSWER_MAX];
    struct byte_writer reader;
    byte_writer_init(&reader, configuration, sizeof configuration);
    (void)usb_descriptor(usbip->device->identity, 0x0200, &reader);
    for (size_t at = 0; at < reader.length; at += configuration[at]) {
        if (configuration[at + 1] != 4)
            continue;
        put_bytes(writer, configuration + at + 5, 3);
        put_u8(writer, 0);
    }
}

static struct byte_writer writer_of(struct usbip *usbip)
{
    struct byte_writer writer;
    byte_writer_init(&writer, usbip->out + usbip->out_size, USBIP_OUT_BYTES - usbip->out_size);
    return writer;
}

static void reply_head(struct byte_writer *writer, unsigned code, uint32_t status)
{
    put_u16be(writer, VERSION);
    put_u16be(writer, (uint16_t)(code & OP_REPLY));
    put_u32be(writer, status);
}

static void reply_list(struct usbip *usbip)
{
    struct byte_writer writer = writer_of(usbip);
    reply_head(&writer, OP_LIST, 0);
    put_u32be(&writer, 1);
    put_device(usbip, &writer);
    put_interfaces(usbip, &writer);
    usbip->out_size += writer.length;
    usbip->broken = true; /* nothing follows a list */
}

static void reply_import(struct usbip *usbip, const uint8_t *wanted)
{
    struct byte_writer writer = writer_of(usbip);
    bool ours = memcmp(wanted, bus_id, sizeof bus_id) == 0;
    reply_head(&writer, OP_IMPORT, ours ? 0 : NO_SUCH_DEVICE);
    if (ours)
        put_device(usbip, &writer);
    usbip->out_size += writer.length;
    usbip->attached = ours;
    usbip->broken = !ours;
}

/* True when the head is done with. */
static bool take_op(struct usbip *usbip)
{
    unsigned code = get_u16be(usbip->head + 2);
    if (usbip->head_size < OP_BYTES)
        return false;
    if (get_u16be(usbip->head) >> 8 != VERSION >> 8 || (code != OP_LIST && code != OP_IMPORT)) {
        usbip->broken = true;
        return true;
    }
    if (code == OP_LIST) {
        reply_list(usbip);
        return true;
    }
    if (usbip->head_size < OP_BYTES + BUSID_BYTES)
        return false;
    reply_import(usbip, usbip->head + OP_BYTES);
    return true;
}

/* ---- answers ---- */

static bool has_room(const struct usbip *usbip, size_t data)
{
    return USBIP_OUT_BYTES - usbip->out_size >= USBIP_HEADER_BYTES + data;
}

static void put_answer(struct usbip *usbip, uint32_t command, uint32_t number, int32_t status,
                       uint32_t length, const uint8_t *data, size_t size)
{
    struct byte_writer writer = writer_of(usbip);
    put_u32be(&writer, command);
    put_u32be(&writer, number);
    put_fill(&writer, 0, 12); /* device, direction, endpoint: not told back */
    put_u32be(&writer, (uint32_t)status);
    put_u32be(&writer, length);
    put_fill(&writer, 0, 20);
    put_bytes(&writer, data, size);
    assert(byte_writer_ok(&writer));
    usbip->out_size += writer.length;
}

static void complete(struct usbip *usbip, struct usbip_urb *urb)
{
    put_answer(usbip, SUBMITTED, urb->number, urb->status, urb->done, urb->data,
               urb->in ? urb->done : 0);
    urb->number = 0;
}

/* ---- transfers come in ---- */

static struct usbip_urb *find(struct usbip *usbip, uint32_t number)
{
    for (unsigned i = 0; i < USBIP_URBS; i++) {
        if (usbip->urbs[i].number == number)
            return &usbip->urbs[i];
    }
    return NULL;
}

/* False: it has to wait, there is no place for it. */
static bool take_submit(struct usbip *usbip)
{
    const uint8_t *head = usbip->head;
    struct usbip_urb *urb = find(usbip, 0);
    uint32_t number = get_u32be(head + 4);
    uint32_t length = get_u32be(head + 24);
    if (number == 0 || find(usbip, number) != NULL || get_u32be(head + 12) > 1 ||
        length > USBIP_TRANSFER_MAX || get_u32be(head + 16) > 15) {
        usbip->broken = true;
        return true;
    }
    if (urb == NULL)
        return false;
    memset(urb, 0, offsetof(struct usbip_urb, data));
    urb->number = number;
    urb->order = ++usbip->orders;
    urb->in = get_u32be(head + 12) == 1;
    urb->endpoint = (uint8_t)get_u32be(head + 16);
    urb->ends_empty = (get_u32be(head + 20) & FLAG_ENDS_EMPTY) != 0;
    urb->length = length;
    memcpy(urb->setup, head + 40, USB_SETUP_BYTES);
    /* The direction and length of a control transfer are its setup's. */
    if (urb->endpoint == 0 && (urb->in != (urb->setup[0] >> 7 != 0 && urb->length > 0) ||
                               get_u16le(urb->setup + 6) > length))
        urb->status = STATUS_REFUSED;
    usbip->received = 0;
    usbip->receiving = !urb->in && length > 0 ? urb : NULL;
    return true;
}

/* What had come by now goes out with it. False: no room to say so yet. */
static bool take_unlink(struct usbip *usbip)
{
    struct usbip_urb *urb = find(usbip, get_u32be(usbip->head + 20));
    bool found = urb != NULL && urb->number != 0;
    if (!has_room(usbip, USBIP_HEADER_BYTES + (found ? urb->done : 0u)))
        return false;
    if (found) {
        urb->status = STATUS_UNLINKED;
        complete(usbip, urb);
    }
    put_answer(usbip, UNLINKED, get_u32be(usbip->head + 4), 0, 0, NULL, 0);
    return true;
}

static bool take_head(struct usbip *usbip)
{
    if (!usbip->attached)
        return take_op(usbip);
    if (usbip->head_size < USBIP_HEADER_BYTES)
        return false;
    switch (get_u32be(usbip->head)) {
    case SUBMIT:
        return take_submit(usbip);
    case UNLINK:
        return take_unlink(usbip);
    default:
        usbip->broken = true;
        return true;
    }
}

static size_t head_wanted(const struct usbip *usbip)
{
    if (usbip->attached)
        return USBIP_HEADER_BYTES;
    return usbip->head_size < OP_BYTES ? OP_BYTES : OP_BYTES + BUSID_BYTES;
}

size_t usbip_receive(struct usbip *usbip, const uint8_t *bytes, size_t size)
{
    size_t taken = 0;
    while (!usbip->broken) {
        struct usbip_urb *urb = usbip->receiving;
        size_t left = size - taken;
        if (urb != NULL) {
            size_t piece = urb->length - usbip->received;
            piece = piece < left ? piece : left;
            if (piece > 0)
                memcpy(urb->data + usbip->received, bytes + taken, piece);
            usbip->received += (uint32_t)piece;
            taken += piece;
            if (usbip->received < urb->length)
                return taken;
            usbip->receiving = NULL;
            continue;
        }
        size_t wanted = head_wanted(usbip);
        size_t piece = wanted - usbip->head_size < left ? wanted - usbip->head_size : left;
        if (piece > 0)
            memcpy(usbip->head + usbip->head_size, bytes + taken, piece);
        usbip->head_size += piece;
        taken += piece;
        if (usbip->head_size < wanted)
            return taken;
        if (take_head(usbip))
            usbip->head_size = 0;
        else if (usbip->head_size == head_wanted(usbip))
            return taken; /* nothing more until there is room */
    }
    return taken;
}

/* ---- packets ---- */

/* A stall, or nothing to wait for any more. */
static void end(struct usbip_urb *urb, int32_t status, bool *ended)
{
    urb->status = status;
    *ended = true;
}

static bool step_out(struct usbip *usbip, struct usbip_urb *urb, bool *ended)
{
    uint32_t left = urb->length - urb->done;
    uint32_t piece = left < USB_PACKET_BYTES ? left : USB_PACKET_BYTES;
    enum usb_reply reply =
        usb_device_out(usbip->device, urb->endpoint, urb->data + urb->done, piece);
    if (reply == USB_NAK)
        return false;
    if (reply == USB_STALL) {
        end(urb, STATUS_STALL, ended);
        return true;
    }
    usbip->packets++;
    urb->done += piece;
    /* A full last packet is followed by an empty one when the transfer says so. */
    bool last = urb->done == urb->length;
    if (last && (piece < USB_PACKET_BYTES || !urb->ends_empty))
        *ended = true;
    return true;
}

static bool step_in(struct usbip *usbip, struct usbip_urb *urb, bool *ended)
{
    uint8_t packet[USB_PACKET_BYTES];
    size_t size;
    enum usb_reply reply = usb_device_in(usbip->device, urb->endpoint, packet, &size);
    if (reply == USB_NAK)
        return false;
    if (reply == USB_STALL) {
        end(urb, STATUS_STALL, ended);
        return true;
    }
    usbip->packets++;
    if (size > urb->length - urb->done) {
        end(urb, STATUS_BABBLE, ended); /* the buffer was no multiple of the packet */
        return true;
    }
    memcpy(urb->data + urb->done, packet, size);
    urb->done += (uint32_t)size;
    if (size < USB_PACKET_BYTES || urb->done == urb->length)
        *ended = true;
    return true;
}

/* The whole of a control transfer: SETUP, data, status. */
static bool step_control(struct usbip *usbip, struct usbip_urb *urb, bool *ended)
{
    bool stage_ended = false;
    size_t size;
    uint8_t packet[USB_PACKET_BYTES];
    if (!urb->started) {
        usb_device_setup(usbip->device, urb->setup);
        usbip->packets++;
        urb->started = true;
        urb->length = get_u16le(urb->setup + 6);
        urb->ends_empty = false;
    }
    while (!stage_ended && urb->length > 0) {
        bool moved =
            urb->in ? step_in(usbip, urb, &stage_ended) : step_out(usbip, urb, &stage_ended);
        if (!moved)
            return false;
    }
    if (urb->status == 0) {
        enum usb_reply reply = urb->in ? usb_device_out(usbip->device, 0, NULL, 0)
                                       : usb_device_in(usbip->device, 0, packet, &size);
        if (reply == USB_NAK)
            return false;
        urb->status = reply == USB_STALL ? STATUS_STALL : 0;
    }
    *ended = true;
    return true;
}

static bool step(struct usbip *usbip, struct usbip_urb *urb, bool *ended)
{
    if (urb->status != 0) {
        *ended = true;
        return true;
    }
    if (urb->endpoint == 0)
        return step_control(usbip, urb, ended);
    return urb->in ? step_in(usbip, urb, ended) : step_out(usbip, urb, ended);
}

/* The oldest of those for one endpoint and direction; NULL: none, or its data is still coming. */
static struct usbip_urb *next_of(struct usbip *usbip, unsigned endpoint, bool in)
{
    struct usbip_urb *oldest = NULL;
    for (unsigned i = 0; i < USBIP_URBS; i++) {
        struct usbip_urb *urb = &usbip->urbs[i];
        if (urb->number != 0 && urb->endpoint == endpoint && (endpoint == 0 || urb->in == in) &&
            (oldest == NULL || (int32_t)(urb->order - oldest->order) < 0))
            oldest = urb;
    }
    return oldest == usbip->receiving ? NULL : oldest;
}

static bool run_endpoint(struct usbip *usbip, unsigned endpoint, bool in)
{
    bool moved = false;
    struct usbip_urb *urb = next_of(usbip, endpoint, in);
    while (urb != NULL && has_room(usbip, urb->in ? urb->length : 0)) {
        bool ended = false;
        if (!step(usbip, urb, &ended))
            return moved;
        moved = true;
        if (ended) {
            complete(usbip, urb);
            urb = next_of(usbip, endpoint, in);
        }
    }
    return moved;
}

bool usbip_run(struct usbip *usbip)
{
    bool moved = false;
    if (!usbip->attached || usbip->broken)
        return false;
    for (unsigned endpoint = 0; endpoint < 4; endpoint++) {
        moved = run_endpoint(usbip, endpoint, false) || moved;
        if (endpoint > 0)
            moved = run_endpoint(usbip, endpoint, true) || moved;
    }
    return moved;
}
