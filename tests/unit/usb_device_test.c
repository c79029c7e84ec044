/* The USB device against a host in the process: descriptors judged strictly (and the judge against
 * descriptors that are wrong), standard requests, halt, empty packets, two ways for one link,
 * reset, suspend; then random hosts.
 */
#include "tests/unit/usb_host.h"

#include "proto/usb_link.h"
#include "tests/unit/usb_judge.h"

static const struct usb_identity identity = {.manufacturer = "OpenKKT",
                                             .product = "OpenKKT test board",
                                             .serial = "KKT0012345",
                                             .release = 0x0010};

static struct world {
    struct usb_device device;
    struct usb_host host;
} world;

static void power_on(void)
{
    memset(&world, 0, sizeof world);
    usb_device_init(&world.device, &identity);
    world.host.device = &world.device;
}

static void plug_in(void)
{
    power_on();
    usb_host_enumerate(&world.host, 5);
}

static int control(unsigned type, unsigned request, unsigned value, unsigned index, unsigned length,
                   uint8_t *data)
{
    return usb_host_control(&world.host, type, request, value, index, length, data);
}

/* ---- descriptors ---- */

static void gather(struct usb_told *told)
{
    memset(told, 0, sizeof *told);
    told->device_size = (size_t)usb_host_descriptor(&world.host, 1, 0, 255, told->device);
    told->configuration_size =
        (size_t)usb_host_descriptor(&world.host, 2, 0, 512, told->configuration);
    told->bos_size = (size_t)usb_host_descriptor(&world.host, 15, 0, 512, told->bos);
    told->os_size = (size_t)control(0xC0, USB_OS_REQUEST, 0, 7, 512, told->os);
    for (unsigned i = 0; i < USB_TOLD_STRINGS; i++) {
        int size = usb_host_descriptor(&world.host, 3, i, 255, told->strings[i]);
        told->string_sizes[i] = size == USB_STALLED ? 0 : (size_t)size;
    }
}

static void descriptors_are_right(void **state)
{
    static struct usb_told told;
    char text[USB_STRING_CHARS + 1];
    (void)state;
    plug_in();
    gather(&told);
    const char *wrong = usb_judge(&told);
    if (wrong != NULL)
        fail_msg("%s", wrong);
    assert_int_equal(told.device[8] | told.device[9] << 8, USB_LINK_VENDOR_ID);
    assert_int_equal(told.device[10] | told.device[11] << 8, USB_LINK_PRODUCT_ID);
    usb_told_text(&told, told.device[16], text);
    assert_string_equal(text, "KKT0012345");
    usb_told_text(&told, told.device[15], text);
    assert_string_equal(text, "OpenKKT test board");
}

/* A judge that lets a wrong descriptor pass is none: each of these is what a maker gets wrong. */
static void the_judge_sees_what_is_wrong(void **state)
{
    static struct usb_told good, bad;
    static const struct {
        const char *what;
        unsigned place; /* 0 device, 1 configuration, 2 BOS, 3 OS set */
        unsigned at;
        uint8_t value;
    } faults[] = {
        {"bMaxPacketSize0 13", 0, 7, 13},
        {"bLength of the device", 0, 0, 17},
        {"no configuration", 0, 17, 0},
        {"BOS, but USB 2.0", 0, 2, 0x00},
        {"a class without its association", 0, 4, 0x02},
        {"a serial number that is not there", 0, 16, 9},
        {"wTotalLength too large", 1, 2, 99},
        {"wTotalLength too small", 1, 2, 91},
        {"bNumInterfaces", 1, 4, 2},
        {"bConfigurationValue 0", 1, 5, 0},
        {"the reserved bit of bmAttributes", 1, 7, 0x40},
        {"power over 500 mA", 1, 8, 251},
        {"an interface's number", 1, 9 + 2, 1},
        {"an interface's endpoints", 1, 9 + 4, 3},
        {"bulk packets of 512 at full speed", 1, 18 + 5, 2},
        {"an isochronous endpoint", 1, 18 + 3, 1},
        {"an address twice", 1, 25 + 2, 0x01},
        {"an association of one interface", 1, 32 + 3, 1},
        {"an association of another class", 1, 32 + 4, 0x0A},
        {"a CDC header that is not first", 1, 49 + 2, 6},
        {"calls over no interface", 1, 54 + 4, 7},
        {"line requests not announced", 1, 59 + 3, 0},
        {"no union", 1, 63 + 2, 0x1F},
        {"a union with itself", 1, 63 + 4, 1},
        {"an interrupt endpoint that is never asked", 1, 68 + 6, 0},
        {"a data interface of another class", 1, 75 + 5, 0xFF},
        {"the BOS's length", 2, 2, 34},
        {"the BOS's number of capabilities", 2, 4, 2},
        {"the platform's name", 2, 9, 0},
        {"the OS set's length in the BOS", 2, 29, 177},
        {"the OS set's own length", 3, 8, 177},
        {"the function's length", 3, 18 + 6, 159},
        {"the function's interface", 3, 18 + 4, 3},
        {"a compatible name nobody knows", 3, 26 + 4, 'X'},
        {"the registry property's length", 3, 46, 131},
        {"the registry data's length", 3, 46 + 8 + 42, 79},
    };
    (void)state;
    plug_in();
    gather(&good);
    assert_null(usb_judge(&good));
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        bad = good;
        uint8_t *places[] = {bad.device, bad.configuration, bad.bos, bad.os};
        assert_int_not_equal(places[faults[i].place][faults[i].at], faults[i].value);
        places[faults[i].place][faults[i].at] = faults[i].value;
        if (usb_judge(&bad) == NULL)
            fail_msg("passed: %s", faults[i].what);
    }
}

/* Asked for less, for more, for a multiple of the packet: what comes is a prefix, and ends. */
static void answers_of_every_length(void **state)
{
    uint8_t whole[512], part[512];
    (void)state;
    plug_in();
    static const unsigned types[] = {0x100, 0x200, 0xF00, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        int size = control(0x80, 6, types[i], 0x0409, 512, whole);
        assert_in_range(size, 2, 200);
        for (unsigned length = 1; length < 300; length++) {
            int got = control(0x80, 6, types[i], 0x0409, length, part);
            assert_int_equal(got, length < (unsigned)size ? length : (unsigned)size);
            assert_memory_equal(part, whole, (size_t)got);
        }
    }
    static struct usb_identity odd;
    odd = identity;
    odd.serial = "123456789012345"; /* 32 bytes as a string */
    odd.product =
        "1234567890123456789012345678901"; /* 64: a full packet, so an empty one ends it */
    world.device.identity = &odd;
    assert_int_equal(usb_host_descriptor(&world.host, 3, 2, 255, whole), 64);
    odd.product = "a name with more than forty-eight characters, cut";
    assert_int_equal(usb_host_descriptor(&world.host, 3, 2, 255, whole), 98);
}

/* ---- requests ---- */

static void standard_requests(void **state)
{
    uint8_t bytes[8] = {9, 9};
    (void)state;
    power_on();
    /* Before it is configured. */
    assert_int_equal(control(0x80, 8, 0, 0, 1, bytes), 1);
    assert_int_equal(bytes[0], 0);
    assert_int_equal(control(0x80, 0, 0, 0, 2, bytes), 2);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(control(0x81, 0, 0, 0, 2, bytes), USB_STALLED);
    assert_int_equal(control(0x82, 0, 0, 0x81, 2, bytes), USB_STALLED);
    assert_int_equal(control(0x82, 0, 0, 0x80, 2, bytes), 2);
    assert_int_equal(control(0x21, 0x22, 1, 1, 0, NULL), USB_STALLED);
    usb_host_enumerate(&world.host, 127);
    assert_int_equal(control(0x80, 8, 0, 0, 1, bytes), 1);
    assert_int_equal(bytes[0], 1);
    for (unsigned i = 0; i < 4; i++) {
        int expected = i < USB_INTERFACES ? 2 : USB_STALLED;
        assert_int_equal(control(0x81, 0, 0, i, 2, bytes), expected);
        assert_int_equal(control(0x81, 10, 0, i, 1, bytes), i < USB_INTERFACES ? 1 : USB_STALLED);
        assert_int_equal(control(0x01, 11, 0, i, 0, NULL), i < USB_INTERFACES ? 0 : USB_STALLED);
        assert_int_equal(control(0x01, 11, 1, i, 0, NULL), USB_STALLED);
    }
    static const struct {
        unsigned type, request, value, index, length;
    } refused[] = {
        {0x00, 9, 2, 0, 0},   /* no second configuration */
        {0x00, 5, 128, 0, 0}, /* no such address */
        {0x00, 3, 1, 0, 0},   /* no remote wake-up */
        {0x00, 1, 1, 0, 0},
        {0x01, 3, 0, 0, 0},      /* interfaces have no features */
        {0x02, 3, 0, 0x84, 0},   /* no such endpoint */
        {0x02, 3, 1, 0x81, 0},   /* no such feature */
        {0x00, 7, 0x100, 0, 18}, /* SET_DESCRIPTOR */
        {0x82, 12, 0, 0x81, 2},  /* SYNCH_FRAME */
        {0x80, 6, 0x700, 0, 8},  /* other speed */
        {0x80, 6, 0x201, 0, 9},  /* no second configuration */
        {0x80, 6, 0x306, 0, 8},  /* no such string */
        {0x80, 6, 0x101, 0, 18},
        {0x83, 0, 0, 0, 2}, /* nobody of that kind */
        {0x80, 0, 1, 0, 2},
        {0x00, 6, 0x100, 0, 0}, /* the wrong direction */
        {0x80, 9, 1, 0, 1},
        {0x00, 9, 1, 0, 1},
        {0x21, 0x20, 0, 1, 6}, /* a line coding of another length */
        {0x21, 0x20, 0, 0, 7}, /* and to another interface */
        {0x20, 0x20, 0, 1, 7},
        {0x21, 0x23, 9, 1, 0}, /* break: not announced */
        {0xA1, 0x22, 0, 1, 1},
        {0x21, 0x22, 1, 1, 1},
        {0xC0, USB_OS_REQUEST, 0, 8, 10},
        {0xC1, USB_OS_REQUEST, 0, 7, 10},
        {0xC0, USB_OS_REQUEST + 1, 0, 7, 10},
        {0x40, USB_OS_REQUEST, 0, 7, 0},
        {0xE0, 0, 0, 0, 4}, /* reserved kind */
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        uint8_t data[64] = {0};
        if (control(refused[i].type, refused[i].request, refused[i].value, refused[i].index,
                    refused[i].length, data) != USB_STALLED)
            fail_msg("not refused: %zu", i);
        /* Refusing changes nothing. */
        assert_int_equal(usb_device_address(&world.device), 127);
        assert_int_equal(control(0x80, 8, 0, 0, 1, bytes), 1);
        assert_int_equal(bytes[0], 1);
    }
    assert_int_equal(control(0x00, 9, 0, 0, 0, NULL), 0);
    assert_int_equal(control(0x80, 8, 0, 0, 1, bytes), 1);
    assert_int_equal(bytes[0], 0);
}

static void line_coding_is_kept(void **state)
{
    uint8_t line[7] = {0x80, 0x25, 0, 0, 2, 1, 7}, told[7];
    (void)state;
    plug_in();
    assert_int_equal(control(0xA1, 0x21, 0, 1, 7, told), 7);
    assert_int_equal(told[0] | told[1] << 8 | told[2] << 16, 115200);
    assert_int_equal(control(0x21, 0x20, 0, 1, 7, line), 7);
    assert_int_equal(control(0xA1, 0x21, 0, 1, 7, told), 7);
    assert_memory_equal(told, line, 7);
    /* More than was announced stalls, and is not taken. */
    uint8_t setup[8] = {0x21, 0x20, 0, 0, 1, 0, 7, 0}, many[64] = {1, 2, 3};
    usb_device_setup(&world.device, setup);
    assert_int_equal(usb_device_out(&world.device, 0, many, 8), USB_STALL);
    assert_int_equal(control(0xA1, 0x21, 0, 1, 7, told), 7);
    assert_memory_equal(told, line, 7);
    /* In two packets, as a host may. */
    usb_device_setup(&world.device, setup);
    assert_int_equal(usb_device_out(&world.device, 0, many, 3), USB_ACK);
    assert_int_equal(usb_device_out(&world.device, 0, many + 3, 4), USB_ACK);
    assert_int_equal(control(0xA1, 0x21, 0, 1, 7, told), 7);
    assert_memory_equal(told, many, 7);
}

/* SET_ADDRESS counts from its status stage on, and not when that never comes. */
static void an_address_counts_from_its_status_on(void **state)
{
    uint8_t setup[8] = {0x00, 5, 9, 0, 0, 0, 0, 0}, packet[64];
    size_t size;
    (void)state;
    power_on();
    usb_device_setup(&world.device, setup);
    assert_int_equal(usb_device_address(&world.device), 0);
    uint8_t other[8] = {0x80, 8, 0, 0, 0, 0, 1, 0};
    usb_device_setup(&world.device, other);
    assert_int_equal(usb_device_in(&world.device, 0, packet, &size), USB_ACK);
    assert_int_equal(usb_device_out(&world.device, 0, NULL, 0), USB_ACK);
    assert_int_equal(usb_device_address(&world.device), 0);
    usb_device_setup(&world.device, setup);
    assert_int_equal(usb_device_in(&world.device, 0, packet, &size), USB_ACK);
    assert_int_equal(usb_device_address(&world.device), 9);
    /* Between transfers endpoint 0 has nothing to say. */
    assert_int_equal(usb_device_in(&world.device, 0, packet, &size), USB_NAK);
    assert_int_equal(usb_device_out(&world.device, 0, packet, 1), USB_NAK);
}

/* ---- the link's bytes ---- */

static void halt_and_its_end(void **state)
{
    uint8_t bytes[64] = {1, 2, 3};
    size_t got;
    (void)state;
    plug_in();
    static const unsigned endpoints[] = {0x01, 0x81, 0x82, 0x03, 0x83};
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        unsigned endpoint = endpoints[i], number = endpoint & 15;
        assert_int_equal(control(0x02, 3, 0, endpoint, 0, NULL), 0);
        assert_int_equal(control(0x82, 0, 0, endpoint, 2, bytes), 2);
        assert_int_equal(bytes[0], 1);
        for (unsigned again = 0; again < 2; again++) {
            enum usb_reply reply = (endpoint & 0x80) != 0
                                       ? usb_device_in(&world.device, number, bytes, &got)
                                       : usb_device_out(&world.device, number, bytes, 3);
            assert_int_equal(reply, USB_STALL);
        }
        assert_int_equal(usb_device_take_toggles(&world.device), 0);
        assert_int_equal(control(0x02, 1, 0, endpoint, 0, NULL), 0);
        /* The controller is told to begin with DATA0 again. */
        assert_int_equal(usb_device_take_toggles(&world.device),
                         1u << ((endpoint & 0x80) != 0 ? number + 8 : number));
        assert_int_equal(control(0x82, 0, 0, endpoint, 2, bytes), 2);
        assert_int_equal(bytes[0], 0);
    }
    assert_int_equal(usb_host_write(&world.host, 1, bytes, 3), 3);
    assert_int_equal(usb_device_read(&world.device, bytes, sizeof bytes), 3);
    assert_int_equal(control(0x02, 3, 0, 0x81, 0, NULL), 0);
    assert_int_equal(control(0x01, 11, 0, 0, 0, NULL), 0); /* SET_INTERFACE ends it too */
    assert_int_equal(usb_device_in(&world.device, 1, bytes, &got), USB_NAK);
    assert_int_equal(usb_device_take_toggles(&world.device), 1u << 1 | 1u << 9);
}

/* Messages of every length arrive whole, and a reader is never left waiting for more. */
static void messages_of_every_length(void **state)
{
    uint8_t message[USB_RING_BYTES], back[1024];
    (void)state;
    plug_in();
    for (unsigned way = 0; way < 2; way++) {
        unsigned endpoint = way == 0 ? 1 : 3;
        for (unsigned size = 1; size < USB_RING_BYTES; size++) {
            size_t got;
            for (unsigned i = 0; i < size; i++)
                message[i] = (uint8_t)(i * 7 + size);
            assert_int_equal(usb_host_write(&world.host, endpoint, message, size), size);
            assert_int_equal(usb_device_read(&world.device, back, sizeof back), size);
            assert_memory_equal(back, message, size);
            assert_int_equal(usb_device_write(&world.device, message, size), size);
            assert_int_equal(usb_host_read(&world.host, endpoint, back, sizeof back, &got), size);
            assert_memory_equal(back, message, size);
            assert_int_equal(usb_host_read(&world.host, endpoint, back, sizeof back, &got), -1);
            assert_int_equal(got, 0); /* one empty packet at most */
        }
    }
}

static void a_full_board_takes_no_more(void **state)
{
    uint8_t bytes[64], back[USB_RING_BYTES];
    unsigned taken = 0;
    (void)state;
    plug_in();
    memset(bytes, 0x5A, sizeof bytes);
    while (usb_device_out(&world.device, 1, bytes, 64) == USB_ACK)
        taken += 64;
    assert_int_equal(taken, (USB_RING_BYTES - 1) / 64 * 64);
    assert_int_equal(usb_device_out(&world.device, 1, bytes, 64), USB_NAK);
    assert_int_equal(usb_device_out(&world.device, 1, bytes, 10), USB_ACK);
    assert_int_equal(usb_device_read(&world.device, back, 100), 100);
    assert_int_equal(usb_device_out(&world.device, 1, bytes, 64), USB_ACK);
    assert_int_equal(usb_device_out(&world.device, 1, bytes, 65), USB_STALL); /* babble */
    /* The other way: a write takes what fits. */
    assert_int_equal(usb_device_write(&world.device, back, sizeof back), USB_RING_BYTES - 1);
    assert_int_equal(usb_device_write(&world.device, back, 1), 0);
}

static void the_peer_is_who_spoke_last(void **state)
{
    uint8_t bytes[64] = {0};
    size_t got;
    (void)state;
    power_on();
    assert_int_equal(usb_device_generation(&world.device), 0);
    assert_int_equal(usb_device_read(&world.device, bytes, 1), -1);
    assert_int_equal(usb_device_write(&world.device, bytes, 1), -1);
    usb_host_enumerate(&world.host, 1);
    uint32_t generation = usb_device_generation(&world.device);
    assert_int_equal(usb_device_read(&world.device, bytes, 1), -1); /* cable in, nobody spoke */
    assert_int_equal(usb_host_write(&world.host, 1, bytes, 10), 10);
    assert_int_equal(usb_device_generation(&world.device), ++generation);
    assert_int_equal(usb_device_waiting(&world.device), 10);
    assert_int_equal(usb_device_write(&world.device, bytes, 20), 20);
    /* A program that only opens the serial port takes nothing away. */
    assert_int_equal(control(0x21, 0x22, 3, 1, 0, NULL), 0);
    assert_int_equal(control(0x21, 0x22, 0, 1, 0, NULL), 0);
    assert_int_equal(usb_device_generation(&world.device), generation);
    assert_int_equal(usb_host_read(&world.host, 3, bytes, 64, &got), -1);
    assert_int_equal(usb_device_read(&world.device, bytes, 64), 10);
    /* One that speaks does; nothing of the other's is left. */
    assert_int_equal(usb_host_write(&world.host, 3, bytes, 5), 5);
    assert_int_equal(usb_device_generation(&world.device), ++generation);
    assert_int_equal(usb_host_read(&world.host, 1, bytes, 64, &got), -1);
    assert_int_equal(usb_host_read(&world.host, 3, bytes, 64, &got), -1);
    assert_int_equal(usb_device_read(&world.device, bytes, 64), 5);
    /* It shuts the port: nobody is there. Another opens it: a new peer. */
    assert_int_equal(control(0x21, 0x22, 0, 1, 0, NULL), 0);
    assert_int_equal(usb_device_generation(&world.device), ++generation);
    assert_int_equal(usb_device_write(&world.device, bytes, 1), -1);
    assert_int_equal(control(0x21, 0x22, 1, 1, 0, NULL), 0);
    assert_int_equal(usb_device_generation(&world.device), ++generation);
    assert_int_equal(usb_device_write(&world.device, bytes, 64), 64);
    /* An empty packet is no speech. */
    assert_int_equal(usb_device_out(&world.device, 1, NULL, 0), USB_ACK);
    assert_int_equal(usb_device_generation(&world.device), generation);
    /* Nothing comes out of the endpoint for events. */
    assert_int_equal(usb_device_in(&world.device, 2, bytes, &got), USB_NAK);
    assert_int_equal(usb_device_in(&world.device, 4, bytes, &got), USB_NAK);
    assert_int_equal(usb_device_out(&world.device, 2, bytes, 1), USB_NAK);
}

static void reset_and_suspend(void **state)
{
    uint8_t bytes[128] = {0};
    size_t got;
    (void)state;
    plug_in();
    assert_int_equal(usb_host_write(&world.host, 1, bytes, 100), 100);
    assert_int_equal(usb_device_write(&world.device, bytes, 100), 100);
    usb_device_suspend(&world.device, true);
    assert_int_equal(usb_device_write(&world.device, bytes, 1), 0);
    usb_device_suspend(&world.device, false);
    assert_int_equal(usb_host_read(&world.host, 1, bytes, 128, &got), 100); /* as it was left */
    assert_int_equal(usb_device_read(&world.device, bytes, 50), 50);
    uint32_t generation = usb_device_generation(&world.device);
    assert_int_equal(control(0x02, 3, 0, 0x81, 0, NULL), 0);
    usb_device_suspend(&world.device, true);
    usb_device_reset(&world.device);
    assert_int_not_equal(usb_device_generation(&world.device), generation);
    assert_int_equal(usb_device_address(&world.device), 0);
    assert_int_equal(usb_device_read(&world.device, bytes, 50), -1);
    assert_int_equal(usb_device_out(&world.device, 1, bytes, 1), USB_NAK);
    assert_int_equal(usb_device_in(&world.device, 1, bytes, &got), USB_NAK);
    usb_host_enumerate(&world.host, 6);
    assert_int_equal(usb_host_write(&world.host, 1, bytes, 1), 1);
    assert_int_equal(usb_device_read(&world.device, bytes, 50), 1);
    assert_int_equal(usb_device_write(&world.device, bytes, 3), 3);
    assert_int_equal(usb_host_read(&world.host, 1, bytes, 64, &got), 3);
}

/* Whatever a host does, the device stays within its bounds and enumerates afterwards. */
static void random_hosts(void **state)
{
    uint32_t dice = 1;
    (void)state;
    power_on();
    for (unsigned round = 0; round < 300000; round++) {
        uint8_t bytes[USB_PACKET_BYTES + 8];
        size_t size = 0;
        for (size_t i = 0; i < sizeof bytes; i++) {
            dice = dice * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(dice >> 24);
        }
        unsigned endpoint = bytes[64] % 6;
        switch (bytes[65] % 8) {
        case 0:
            usb_device_setup(&world.device, bytes);
            break;
        case 1: { /* nearly right */
            static const uint8_t types[] = {0x00, 0x80, 0x01, 0x81, 0x02, 0x82, 0x21, 0xA1, 0xC0};
            uint8_t setup[8] = {types[bytes[0] % 9], bytes[1] % 13,
                                bytes[2] % 3,        bytes[3] % 16,
                                bytes[4] % 8,        0,
                                bytes[6] % 70,       0};
            usb_device_setup(&world.device, setup);
            break;
        }
        case 2:
            (void)usb_device_out(&world.device, endpoint, bytes, bytes[66] % 66);
            break;
        case 3:
        case 4:
            (void)usb_device_in(&world.device, endpoint, bytes, &size);
            assert_in_range(size, 0, USB_PACKET_BYTES);
            break;
        case 5:
            assert_in_range(usb_device_read(&world.device, bytes, 60) + 1, 0, 61);
            break;
        case 6:
            assert_in_range(usb_device_write(&world.device, bytes, bytes[66] % 64) + 1, 0, 65);
            break;
        default:
            if (bytes[66] < 4)
                usb_device_reset(&world.device);
            usb_device_suspend(&world.device, bytes[67] % 2 == 0);
            (void)usb_device_take_toggles(&world.device);
        }
        if (round % 1000 == 0)
            usb_host_enumerate(&world.host, 1 + round / 1000 % 127);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_right),
        cmocka_unit_test(the_judge_sees_what_is_wrong),
        cmocka_unit_test(answers_of_every_length),
        cmocka_unit_test(standard_requests),
        cmocka_unit_test(line_coding_is_kept),
        cmocka_unit_test(an_address_counts_from_its_status_on),
        cmocka_unit_test(halt_and_its_end),
        cmocka_unit_test(messages_of_every_length),
        cmocka_unit_test(a_full_board_takes_no_more),
        cmocka_unit_test(the_peer_is_who_spoke_last),
        cmocka_unit_test(reset_and_suspend),
        cmocka_unit_test(random_hosts),
    };
    return cmocka_run_group_tests_name("usb_device", tests, NULL, NULL);
}
