/* A peer of the USB/IP server that attaches, submits, takes back, sends anything, in any pieces.
 * Every answer belongs to a transfer that waits for one, tells no more bytes than it asked for, and
 * comes once; a transfer taken back is answered too; what was broken stays broken and sends nothing
 * more than it had.
 */
#include "board/usbip/usbip.h"
#include "tests/fuzz/fuzz.h"

#ifdef FUZZ_CANARY
/* Forgets what it sent but for the last bytes. */
void __real_usbip_sent(struct usbip *usbip, size_t size);
void __wrap_usbip_sent(struct usbip *usbip, size_t size);
void __wrap_usbip_sent(struct usbip *usbip, size_t size)
{
    __real_usbip_sent(usbip, size > 48 ? size - 48 : size);
}
#endif

#define TRANSFERS 256u
#define SUBMITTED 3u
#define UNLINKED  4u

struct transfer {
    bool waits, in, unlink;
    uint32_t length;
};

static const struct usb_identity identity = {
    .manufacturer = "M", .product = "P", .serial = "S1", .release = 0x0100};
static struct usb_device device;
static struct usbip usbip;
static struct transfer transfers[TRANSFERS]; /* by number */
static unsigned last_number;
static bool anything; /* bytes of no form were sent: answers cannot be foretold */
static uint8_t out[4u * USBIP_OUT_BYTES];
static size_t out_size;

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* Whole answers of what was sent so far. */
static void read_answers(void)
{
    size_t at = 0;
    while (!anything && out_size - at >= USBIP_HEADER_BYTES) {
        uint32_t command = get_u32(out + at), number = get_u32(out + at + 4);
        uint32_t length = get_u32(out + at + 24);
        PROMISE(command == SUBMITTED || command == UNLINKED);
        PROMISE(number < TRANSFERS && transfers[number].waits);
        PROMISE(transfers[number].unlink == (command == UNLINKED));
        size_t data = transfers[number].in ? length : 0;
        PROMISE(length <= transfers[number].length);
        if (out_size - at < USBIP_HEADER_BYTES + data)
            break;
        transfers[number].waits = false;
        at += USBIP_HEADER_BYTES + data;
    }
    if (anything)
        at = out_size;
    out_size -= at;
    memmove(out, out + at, out_size);
}

static void run(size_t most)
{
    size_t size;
    (void)usbip_run(&usbip);
    const uint8_t *bytes = usbip_output(&usbip, &size);
    PROMISE(size <= USBIP_OUT_BYTES);
    size = size < most ? size : most;
    PROMISE(out_size + size <= sizeof out);
    memcpy(out + out_size, bytes, size);
    out_size += size;
    usbip_sent(&usbip, size);
    read_answers();
}

static void give(const uint8_t *bytes, size_t size, size_t piece)
{
    for (unsigned stuck = 0; size > 0 && stuck < 200 && !usbip_is_over(&usbip);) {
        size_t now = size < piece ? size : piece;
        size_t taken = usbip_receive(&usbip, bytes, now);
        PROMISE(taken <= now);
        bytes += taken;
        size -= taken;
        stuck = taken > 0 ? 0 : stuck + 1;
        run(sizeof out);
    }
    if (size > 0)
        anything = true; /* it was not taken whole: all places wait for packets that never come */
}

static void submit(struct input *input, bool unlink)
{
    static uint8_t message[USBIP_HEADER_BYTES + 2048];
    if (last_number + 1 >= TRANSFERS)
        return;
    unsigned number = ++last_number;
    unsigned how = input_number(input, 1);
    uint32_t length = input_number(input, 2) % 2048;
    struct transfer *transfer = &transfers[number];
    memset(message, 0, sizeof message);
    put_u32(message, unlink ? 2 : 1);
    put_u32(message + 4, number);
    put_u32(message + 8, 0x00010001);
    put_u32(message + 12, how & 1);
    put_u32(message + 16, how / 2 % 4);
    put_u32(message + 24, length);
    put_u32(message + 20, unlink ? input_number(input, 1) : how & 0x40);
    *transfer = (struct transfer){true, (how & 1) != 0, unlink, length};
    if (!unlink && how / 2 % 4 == 0) {
        struct input setup = input_take(input, USB_SETUP_BYTES);
        if (setup.size > 0)
            memcpy(message + 40, setup.data, setup.size);
    }
    if (unlink) {
        *transfer = (struct transfer){true, false, true, 0};
        put_u32(message + 12, 0);
    }
    size_t data = unlink || transfer->in ? 0 : length;
    give(message, USBIP_HEADER_BYTES + data, 1 + input_number(input, 1));
}

static void board(struct input *input)
{
    uint8_t bytes[256];
    size_t size = input_number(input, 1);
    if (size % 2 == 0) {
        (void)usb_device_read(&device, bytes, size);
        return;
    }
    memset(bytes, 0x5A, sizeof bytes);
    (void)usb_device_write(&device, bytes, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    usb_device_init(&device, &identity);
    usbip_init(&usbip, &device);
    memset(transfers, 0, sizeof transfers);
    last_number = 0;
    anything = false;
    out_size = 0;
    if (input_number(&input, 1) % 4 == 0) { /* raw, from the first talk on */
        usbip_connect(&usbip, false);
        anything = true;
        uint8_t *copy = input_copy(input);
        give(copy, input.size, input.size);
        free(copy);
    } else {
        static const uint8_t configure[] = {0, 0, 0, 0x00, 9, 1, 0, 0, 0, 0, 0, 0xFF};
        usbip_connect(&usbip, true);
        submit(&(struct input){configure, sizeof configure}, false);
        PROMISE(!transfers[last_number].waits);
    }
    while (input.size > 0 && !usbip_is_over(&usbip)) {
        unsigned what = input_number(&input, 1);
        switch (what % 8) {
        case 0:
        case 1:
        case 2:
            submit(&input, false);
            break;
        case 3:
            submit(&input, true);
            break;
        case 4:
        case 5:
            board(&input);
            break;
        case 6:
            run(1 + what);
            break;
        default: {
            struct input raw = input_take(&input, what / 8);
            anything = true;
            give(raw.data, raw.size, 7);
        }
        }
    }
    usbip_disconnect(&usbip);
    PROMISE(usb_device_read(&device, (uint8_t[1]){0}, 1) == -1);
    return 0;
}
