/* A host that does anything to the board's USB device, and a board that reads and writes. What the
 * host sent to the peer that counts is read by the board whole and in order, what the board wrote
 * arrives so; a new peer finds nothing of the old one's; no packet is too long; and whatever came
 * before, a reset and an enumeration give a board that works.
 */
#include "firmware/usb_device.h"
#include "tests/fuzz/fuzz.h"

#ifdef FUZZ_CANARY
/* A full packet is given out again, as when an acknowledgement was missed. */
enum usb_reply __real_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size);
enum usb_reply __wrap_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size);
enum usb_reply __wrap_usb_device_in(struct usb_device *usb, unsigned endpoint, uint8_t *data,
                                    size_t *size)
{
    static uint8_t last[USB_PACKET_BYTES];
    static bool again;
    if (again && endpoint == 1) {
        again = false;
        memcpy(data, last, sizeof last);
        *size = sizeof last;
        return USB_ACK;
    }
    enum usb_reply reply = __real_usb_device_in(usb, endpoint, data, size);
    again = endpoint == 1 && reply == USB_ACK && *size == sizeof last;
    if (again)
        memcpy(last, data, sizeof last);
    return reply;
}
#endif

#define QUEUE_BYTES 4096u

static const struct usb_identity identity = {
    .manufacturer = "M", .product = "P", .serial = "S1", .release = 0x0100};
static struct usb_device device;

/* What is on its way, as the standard wants it. */
struct queue {
    uint8_t bytes[QUEUE_BYTES];
    size_t first, last;
};
static struct queue to_board, to_host;
static uint32_t generation;
static uint8_t counter;

static void put(struct queue *queue, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        queue->bytes[queue->last++ % QUEUE_BYTES] = bytes[i];
}

static void take(struct queue *queue, const uint8_t *bytes, size_t size)
{
    PROMISE(size <= queue->last - queue->first);
    for (size_t i = 0; i < size; i++)
        PROMISE(bytes[i] == queue->bytes[queue->first++ % QUEUE_BYTES]);
}

static void look_for_new_peer(void)
{
    if (generation == usb_device_generation(&device))
        return;
    generation = usb_device_generation(&device);
    to_board.first = to_board.last;
    to_host.first = to_host.last;
}

static void setup(unsigned type, unsigned request, unsigned value, unsigned index, unsigned length)
{
    const uint8_t packet[USB_SETUP_BYTES] = {
        (uint8_t)type,  (uint8_t)request,      (uint8_t)value,  (uint8_t)(value >> 8),
        (uint8_t)index, (uint8_t)(index >> 8), (uint8_t)length, (uint8_t)(length >> 8)};
    usb_device_setup(&device, packet);
}

static void send(unsigned endpoint, size_t size)
{
    uint8_t bytes[USB_PACKET_BYTES];
    for (size_t i = 0; i < size; i++)
        bytes[i] = counter++;
    enum usb_reply reply = usb_device_out(&device, endpoint, bytes, size);
    look_for_new_peer();
    if (reply == USB_ACK && (endpoint == 1 || endpoint == 3))
        put(&to_board, bytes, size);
}

static void receive(unsigned endpoint)
{
    uint8_t bytes[USB_PACKET_BYTES];
    size_t size = 0;
    enum usb_reply reply = usb_device_in(&device, endpoint, bytes, &size);
    look_for_new_peer();
    PROMISE(size <= sizeof bytes);
    if (reply == USB_ACK && (endpoint == 1 || endpoint == 3))
        take(&to_host, bytes, size);
}

static void board(unsigned does, size_t size)
{
    uint8_t bytes[256];
    if (does % 2 == 0) {
        int got = usb_device_read(&device, bytes, size);
        PROMISE(got >= -1 && got <= (int)size);
        take(&to_board, bytes, got > 0 ? (size_t)got : 0);
        return;
    }
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(counter + i);
    int sent = usb_device_write(&device, bytes, size);
    PROMISE(sent >= -1 && sent <= (int)size);
    put(&to_host, bytes, sent > 0 ? (size_t)sent : 0);
    counter = (uint8_t)(counter + size);
}

static void step(struct input *input)
{
    static const uint8_t types[] = {0x00, 0x80, 0x01, 0x81, 0x02, 0x82, 0x21, 0xA1, 0xC0};
    unsigned what = input_number(input, 1), more = input_number(input, 1);
    switch (what % 8) {
    case 0: {
        unsigned value = input_number(input, 2), index = input_number(input, 2);
        setup(types[what / 8 % sizeof types], more, value, index, input_number(input, 1));
        break;
    }
    case 1:
    case 2:
        send(what / 8 % 5, more % (USB_PACKET_BYTES + 1));
        break;
    case 3:
    case 4:
        receive(what / 8 % 5);
        break;
    case 5:
    case 6:
        board(what / 8, more);
        break;
    default:
        if (more % 16 == 0)
            usb_device_reset(&device);
        usb_device_suspend(&device, more % 2 == 1);
        (void)usb_device_take_toggles(&device);
    }
    look_for_new_peer();
}

static void configure(void)
{
    uint8_t bytes[USB_PACKET_BYTES];
    size_t size;
    usb_device_suspend(&device, false);
    usb_device_reset(&device);
    setup(0x80, 6, 0x0100, 0, 18);
    PROMISE(usb_device_in(&device, 0, bytes, &size) == USB_ACK && size == 18 && bytes[1] == 1);
    PROMISE(usb_device_out(&device, 0, NULL, 0) == USB_ACK);
    setup(0x00, 5, 9, 0, 0);
    PROMISE(usb_device_in(&device, 0, bytes, &size) == USB_ACK && size == 0);
    PROMISE(usb_device_address(&device) == 9);
    setup(0x00, 9, 1, 0, 0);
    PROMISE(usb_device_in(&device, 0, bytes, &size) == USB_ACK && size == 0);
    look_for_new_peer();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    usb_device_init(&device, &identity);
    generation = usb_device_generation(&device);
    to_board = to_host = (struct queue){.first = 0};
    configure();
    while (input.size > 0)
        step(&input);
    configure();
    send(1, 5);
    board(0, 5);
    PROMISE(to_board.first == to_board.last);
    board(1, 100);
    receive(1);
    receive(1);
    PROMISE(to_host.first == to_host.last);
    return 0;
}
