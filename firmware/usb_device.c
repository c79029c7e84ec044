#include "firmware/usb_device.h"

#include <string.h>

enum phase {
    PHASE_IDLE,
    PHASE_DATA_IN,
    PHASE_DATA_OUT,
    PHASE_STATUS_IN,
    PHASE_STATUS_OUT,
    PHASE_STALLED
};
enum channel { CHANNEL_NONE, CHANNEL_LINK, CHANNEL_SERIAL };

/* Bits of halted, toggles, empty_due. */
enum {
    LINK_OUT = 1,
    LINK_IN = 2,
    EVENT_IN = 4,
    SERIAL_OUT = 8,
    SERIAL_IN = 16,
    ALL_ENDPOINTS = 31
};

/* bmRequestType and bRequest: USB 2.0 tables 9-2 and 9-4; PSTN 1.2 table 13. */
#define TYPE_IN           0x80u
#define TYPE_KIND         0x60u
#define TYPE_CLASS        0x20u
#define TYPE_VENDOR       0x40u
#define TYPE_RECIPIENT    0x1Fu
#define TO_DEVICE         0u
#define TO_INTERFACE      1u
#define TO_ENDPOINT       2u
#define GET_STATUS        0u
#define CLEAR_FEATURE     1u
#define SET_FEATURE       3u
#define SET_ADDRESS       5u
#define GET_DESCRIPTOR    6u
#define GET_CONFIGURATION 8u
#define SET_CONFIGURATION 9u
#define GET_INTERFACE     10u
#define SET_INTERFACE     11u
#define SET_LINE_CODING   0x20u
#define GET_LINE_CODING   0x21u
#define SET_LINE_STATE    0x22u
#define ENDPOINT_HALT     0u
#define SELF_POWERED      1u
#define LINE_DTR          1u
#define ADDRESS_MAX       127u
#define DIRECTION_IN      0x80u

/* 115200 8N1. */
static const uint8_t line_default[USB_LINE_BYTES] = {0x00, 0xC2, 0x01, 0x00, 0, 0, 8};

/* ---- rings ---- */

static size_t ring_used(const struct usb_ring *ring)
{
    return (uint16_t)(ring->head - ring->tail) % USB_RING_BYTES;
}

static size_t ring_room(const struct usb_ring *ring)
{
    return USB_RING_BYTES - 1u - ring_used(ring);
}

static size_t ring_put(struct usb_ring *ring, const uint8_t *data, size_t size)
{
    size_t count = size < ring_room(ring) ? size : ring_room(ring);
    for (size_t i = 0; i < count; i++) {
        ring->bytes[ring->head] = data[i];
        ring->head = (uint16_t)((ring->head + 1u) % USB_RING_BYTES);
    }
    return count;
}

static size_t ring_take(struct usb_ring *ring, uint8_t *data, size_t size)
{
    size_t count = size < ring_used(ring) ? size : ring_used(ring);
    for (size_t i = 0; i < count; i++) {
        data[i] = ring->bytes[ring->tail];
        ring->tail = (uint16_t)((ring->tail + 1u) % USB_RING_BYTES);
    }
    return count;
}

/* ---- the peer ---- */

static void new_peer(struct usb_device *usb, enum channel channel)
{
    usb->in.head = usb->in.tail = 0;
    usb->out.head = usb->out.tail = 0;
    usb->empty_due = 0;
    usb->channel = (uint8_t)channel;
    usb->generation++;
}

static void configure(struct usb_device *usb, uint8_t configuration)
{
    usb->configuration = configuration;
    usb->halted = 0;
    usb->toggles = ALL_ENDPOINTS;
    new_peer(usb, CHANNEL_NONE);
}

void usb_device_reset(struct usb_device *usb)
{
    usb->address = usb->address_to_be = 0;
    usb->suspended = false;
    usb->phase = PHASE_IDLE;
    memcpy(usb->line, line_default, sizeof line_default);
    configure(usb, 0);
}

void usb_device_init(struct usb_device *usb, const struct usb_identity *identity)
{
    memset(usb, 0, sizeof *usb);
    usb->identity = identity;
    usb_device_reset(usb);
    usb->generation = 0;
}

void usb_device_suspend(struct usb_device *usb, bool suspended)
{
    usb->suspended = suspended;
}

unsigned usb_device_address(const struct usb_device *usb)
{
    return usb->address;
}

/* ---- endpoints by number ---- */

/* The bit of an endpoint's address, as requests name it; 0: there is none such. */
static uint8_t bit_of(unsigned address)
{
    switch (address) {
    case USB_ENDPOINT_LINK_OUT:
        return LINK_OUT;
    case USB_ENDPOINT_LINK_IN:
        return LINK_IN;
    case USB_ENDPOINT_EVENT_IN:
        return EVENT_IN;
    case USB_ENDPOINT_SERIAL_OUT:
        return SERIAL_OUT;
    case USB_ENDPOINT_SERIAL_IN:
        return SERIAL_IN;
    default:
        return 0;
    }
}

/* As usb_device_take_toggles tells them. */
static unsigned by_endpoint(uint8_t bits)
{
    static const uint8_t addresses[] = {USB_ENDPOINT_LINK_OUT, USB_ENDPOINT_LINK_IN,
                                        USB_ENDPOINT_EVENT_IN, USB_ENDPOINT_SERIAL_OUT,
                                        USB_ENDPOINT_SERIAL_IN};
    unsigned out = 0;
    for (size_t i = 0; i < sizeof addresses; i++) {
        unsigned number = addresses[i] & ~DIRECTION_IN;
        if ((bits & bit_of(addresses[i])) != 0)
            out |= 1u << ((addresses[i] & DIRECTION_IN) != 0 ? number + 8u : number);
    }
    return out;
}

unsigned usb_device_take_toggles(struct usb_device *usb)
{
    unsigned out = by_endpoint(usb->toggles);
    usb->toggles = 0;
    return out;
}

unsigned usb_device_halts(const struct usb_device *usb)
{
    return by_endpoint(usb->halted);
}

/* ---- requests; false: stall ---- */

static void answer(struct usb_device *usb, const uint8_t *data, size_t size)
{
    memcpy(usb->answer, data, size);
    usb->answer_size = (uint16_t)size;
}

static bool is_interface(const struct usb_device *usb)
{
    return usb->configuration != 0 && usb->index < USB_INTERFACES;
}

/* Of the endpoint that the request names; endpoint 0 exists at any time and never halts. */
static bool is_endpoint(const struct usb_device *usb, uint8_t *bit)
{
    *bit = bit_of(usb->index);
    return usb->index == 0 || usb->index == DIRECTION_IN || (usb->configuration != 0 && *bit != 0);
}

static bool get_status(struct usb_device *usb)
{
    uint8_t status[2] = {0, 0};
    uint8_t bit;
    switch (usb->request_type & TYPE_RECIPIENT) {
    case TO_DEVICE:
        status[0] = SELF_POWERED;
        break;
    case TO_INTERFACE:
        if (!is_interface(usb))
            return false;
        break;
    case TO_ENDPOINT:
        if (!is_endpoint(usb, &bit))
            return false;
        status[0] = (usb->halted & bit) != 0;
        break;
    default:
        return false;
    }
    answer(usb, status, sizeof status);
    return usb->value == 0;
}

/* The only feature is an endpoint's halt; there is no remote wake-up. */
static bool change_halt(struct usb_device *usb, bool halt)
{
    uint8_t bit;
    if ((usb->request_type & TYPE_RECIPIENT) != TO_ENDPOINT || usb->value != ENDPOINT_HALT ||
        !is_endpoint(usb, &bit))
        return false;
    usb->halted = (uint8_t)(halt ? usb->halted | bit : usb->halted & ~bit);
    if (!halt)
        usb->toggles |= bit;
    return true;
}

static bool set_interface(struct usb_device *usb)
{
    static const uint8_t endpoints[USB_INTERFACES] = {LINK_OUT | LINK_IN, EVENT_IN,
                                                      SERIAL_OUT | SERIAL_IN};
    if (usb->value != 0 || !is_interface(usb))
        return false;
    usb->halted = (uint8_t)(usb->halted & ~endpoints[usb->index]);
    usb->toggles |= endpoints[usb->index];
    return true;
}

static bool standard_to_device(struct usb_device *usb)
{
    struct byte_writer writer;
    switch (usb->request) {
    case SET_ADDRESS:
        usb->address_to_be = (uint8_t)usb->value;
        return usb->value <= ADDRESS_MAX;
    case GET_DESCRIPTOR:
        byte_writer_init(&writer, usb->answer, sizeof usb->answer);
        if (!usb_descriptor(usb->identity, usb->value, &writer))
            return false;
        usb->answer_size = (uint16_t)writer.length;
        return true;
    case GET_CONFIGURATION:
        answer(usb, &usb->configuration, 1);
        return true;
    case SET_CONFIGURATION:
        if (usb->value > 1)
            return false;
        configure(usb, (uint8_t)usb->value);
        return true;
    default:
        return false;
    }
}

static bool standard(struct usb_device *usb)
{
    static const uint8_t zero = 0;
    switch (usb->request) {
    case GET_STATUS:
        return get_status(usb);
    case CLEAR_FEATURE:
    case SET_FEATURE:
        return change_halt(usb, usb->request == SET_FEATURE);
    default:
        break;
    }
    switch (usb->request_type & TYPE_RECIPIENT) {
    case TO_DEVICE:
        return standard_to_device(usb);
    case TO_INTERFACE:
        if (usb->request == SET_INTERFACE)
            return set_interface(usb);
        answer(usb, &zero, 1);
        return usb->request == GET_INTERFACE && is_interface(usb);
    default:
        return false;
    }
}

/* DTR is the only thing that tells when somebody opens and shuts the port. Who only opens it, as
 * programs that look for modems do, does not take the link from the vendor interface. */
static void line_state(struct usb_device *usb)
{
    if (usb->channel != CHANNEL_LINK)
        new_peer(usb, (usb->value & LINE_DTR) != 0 ? CHANNEL_SERIAL : CHANNEL_NONE);
}

static bool class_request(struct usb_device *usb)
{
    if ((usb->request_type & TYPE_RECIPIENT) != TO_INTERFACE ||
        usb->index != USB_INTERFACE_CONTROL || !is_interface(usb))
        return false;
    switch (usb->request) {
    case SET_LINE_CODING:
        return usb->length == USB_LINE_BYTES; /* taken when its data is there */
    case GET_LINE_CODING:
        answer(usb, usb->line, sizeof usb->line);
        return true;
    case SET_LINE_STATE:
        line_state(usb);
        return true;
    default:
        return false;
    }
}

static bool vendor_request(struct usb_device *usb)
{
    struct byte_writer writer;
    if (usb->request != USB_OS_REQUEST || usb->index != USB_OS_INDEX ||
        (usb->request_type & TYPE_RECIPIENT) != TO_DEVICE)
        return false;
    byte_writer_init(&writer, usb->answer, sizeof usb->answer);
    usb_os_descriptor_set(&writer);
    usb->answer_size = (uint16_t)writer.length;
    return true;
}

/* Direction and length must be those of the request before anything is done for it. */
static bool has_right_form(const struct usb_device *usb)
{
    bool in = (usb->request_type & TYPE_IN) != 0;
    switch (usb->request_type & TYPE_KIND) {
    case 0:
        switch (usb->request) {
        case GET_STATUS:
        case GET_DESCRIPTOR:
        case GET_CONFIGURATION:
        case GET_INTERFACE:
            return in;
        default:
            return !in && usb->length == 0;
        }
    case TYPE_CLASS:
        if (usb->request == GET_LINE_CODING)
            return in;
        return !in && (usb->request == SET_LINE_CODING || usb->length == 0);
    default:
        return in;
    }
}

static bool execute(struct usb_device *usb)
{
    switch (usb->request_type & TYPE_KIND) {
    case 0:
        return standard(usb);
    case TYPE_CLASS:
        return class_request(usb);
    case TYPE_VENDOR:
        return vendor_request(usb);
    default:
        return false;
    }
}

void usb_device_setup(struct usb_device *usb, const uint8_t packet[USB_SETUP_BYTES])
{
    usb->request_type = packet[0];
    usb->request = packet[1];
    usb->value = get_u16le(packet + 2);
    usb->index = get_u16le(packet + 4);
    usb->length = get_u16le(packet + 6);
    usb->address_to_be = usb->address;
    usb->answer_size = usb->answer_done = 0;
    if (!has_right_form(usb) || !execute(usb)) {
        usb->address_to_be = usb->address;
        usb->phase = PHASE_STALLED;
        return;
    }
    if (usb->length == 0) {
        usb->phase = PHASE_STATUS_IN;
        return;
    }
    if ((usb->request_type & TYPE_IN) == 0) {
        usb->phase = PHASE_DATA_OUT;
        return;
    }
    /* Shorter than asked for: a full last packet would not say that it is the last. */
    usb->answer_ends_empty =
        usb->answer_size < usb->length && usb->answer_size % USB_PACKET_BYTES == 0;
    if (usb->answer_size > usb->length)
        usb->answer_size = usb->length;
    usb->phase = PHASE_DATA_IN;
}

/* ---- endpoint 0 ---- */

static enum usb_reply control_out(struct usb_device *usb, const uint8_t *data, size_t size)
{
    switch ((enum phase)usb->phase) {
    case PHASE_DATA_OUT:
        if (size > (size_t)(usb->length - usb->answer_done)) {
            usb->phase = PHASE_STALLED;
            return USB_STALL;
        }
        memcpy(usb->answer + usb->answer_done, data, size);
        usb->answer_done = (uint16_t)(usb->answer_done + size);
        if (usb->answer_done == usb->length) {
            memcpy(usb->line, usb->answer, sizeof usb->line); /* SET_LINE_CODING: nothing else */
            usb->phase = PHASE_STATUS_IN;
        }
        return USB_ACK;
    case PHASE_DATA_IN: /* the host has had enough */
    case PHASE_STATUS_OUT:
        usb->phase = PHASE_IDLE;
        return USB_ACK;
    case PHASE_STALLED:
        return USB_STALL;
    default:
        return USB_NAK;
    }
}

static enum usb_reply control_in(struct usb_device *usb, uint8_t *data, size_t *size)
{
    size_t left = (size_t)(usb->answer_size - usb->answer_done);
    switch ((enum phase)usb->phase) {
    case PHASE_DATA_IN:
        *size = left < USB_PACKET_BYTES ? left : USB_PACKET_BYTES;
        memcpy(data, usb->answer + usb->answer_done, *size);
        usb->answer_done = (uint16_t)(usb->answer_done + *size);
        if (*size < USB_PACKET_BYTES || (left == *size && !usb->answer_ends_empty))
            usb->phase = PHASE_STATUS_OUT;
        return USB_ACK;
    case PHASE_STATUS_IN:
        *size = 0;
        usb->address = usb->address_to_be;
        usb->phase = PHASE_IDLE;
        return USB_ACK;
    case PHASE_STALLED:
        return USB_STALL;
    default:
        return USB_NAK;
    }
}

/* ---- the other endpoints ---- */

enum usb_reply usb_device_out(struct usb_device *usb, unsigned endpoint, const uint8_t *data,
                              size_t size)
{
    uint8_t bit = bit_of(endpoint);
    enum channel channel = bit == LINK_OUT ? CHANNEL_LINK : CHANNEL_SERIAL;
    if (endpoint == 0)
        return control_out(usb, data, size);
    if (usb->configuration == 0 || bit == 0)
        return USB_NAK; /* nobody answers */
    if ((usb->halted & bit) != 0)
        return USB_STALL;
    if (size > USB_PACKET_BYTES)
        return USB_STALL; /* babble */
    if (size == 0)
        return USB_ACK;
    if (usb->channel != channel)
        new_peer(usb, channel);
    if (ring_room(&usb->out) < size)
        return USB_NAK;
    (void)ring_put(&usb->out, data, size);
    return USB_ACK;
}

enum usb_reply usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data, size_t *size)
{
    uint8_t bit = bit_of(endpoint | DIRECTION_IN);
    *size = 0;
    if (endpoint == 0)
        return control_in(usb, data, size);
    if (usb->configuration == 0 || bit == 0)
        return USB_NAK;
    if ((usb->halted & bit) != 0)
        return USB_STALL;
    bool speaks = (bit == LINK_IN && usb->channel == CHANNEL_LINK) ||
                  (bit == SERIAL_IN && usb->channel == CHANNEL_SERIAL);
    if (!speaks)
        return USB_NAK;
    *size = ring_take(&usb->in, data, USB_PACKET_BYTES);
    if (*size == 0 && (usb->empty_due & bit) == 0)
        return USB_NAK;
    bool full = *size == USB_PACKET_BYTES;
    usb->empty_due = (uint8_t)(full ? usb->empty_due | bit : usb->empty_due & ~bit);
    return USB_ACK;
}

/* ---- the stream ---- */

int usb_device_read(struct usb_device *usb, uint8_t *data, size_t size)
{
    if (usb->channel == CHANNEL_NONE)
        return -1;
    return (int)ring_take(&usb->out, data, size);
}

int usb_device_write(struct usb_device *usb, const uint8_t *data, size_t size)
{
    if (usb->channel == CHANNEL_NONE)
        return -1;
    return usb->suspended ? 0 : (int)ring_put(&usb->in, data, size);
}

size_t usb_device_waiting(const struct usb_device *usb)
{
    return ring_used(&usb->out);
}

uint32_t usb_device_generation(const struct usb_device *usb)
{
    return usb->generation;
}
