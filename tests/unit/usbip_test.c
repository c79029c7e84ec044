/* The board behind USB/IP, against a peer that speaks as Linux's vhci-hcd does: bytes by the
 * protocol's tables, transfers of every length, taking back, stalls, more transfers than there are
 * places, bytes in any pieces, and peers that break the protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "board/usbip/usbip.h"
#include "proto/usb_link.h"

static const struct usb_identity identity = {.manufacturer = "OpenKKT",
                                             .product = "OpenKKT test board",
                                             .serial = "KKT0012345",
                                             .release = 0x0010};

static struct world {
    struct usb_device device;
    struct usbip usbip;
    uint32_t number;
    size_t step; /* bytes a call of usbip_receive gets */
    uint8_t in[1 << 17];
    size_t in_size;
} world;

static void start(bool attached)
{
    memset(&world, 0, sizeof world);
    usb_device_init(&world.device, &identity);
    usbip_init(&world.usbip, &world.device);
    usbip_connect(&world.usbip, attached);
    world.step = 1 << 16;
}

/* ---- the peer ---- */

static void collect(void)
{
    size_t size;
    const uint8_t *bytes = usbip_output(&world.usbip, &size);
    assert_in_range(world.in_size + size, 0, sizeof world.in);
    memcpy(world.in + world.in_size, bytes, size);
    world.in_size += size;
    usbip_sent(&world.usbip, size);
}

static void turn(void)
{
    while (usbip_run(&world.usbip))
        collect();
    collect();
}

static void give(const uint8_t *bytes, size_t size)
{
    size_t taken = 0;
    unsigned stuck = 0;
    while (taken < size && !usbip_is_over(&world.usbip)) {
        size_t piece = size - taken < world.step ? size - taken : world.step;
        size_t now = usbip_receive(&world.usbip, bytes + taken, piece);
        taken += now;
        stuck = now == 0 ? stuck + 1 : 0;
        if (stuck > 2)
            return; /* no place for a transfer: its owner has to act first */
        turn();
    }
    turn();
}

static void put_head(struct byte_writer *writer, uint32_t command, uint32_t number, bool in,
                     unsigned endpoint)
{
    put_u32be(writer, command);
    put_u32be(writer, number);
    put_u32be(writer, 0x00010001);
    put_u32be(writer, in);
    put_u32be(writer, endpoint);
}

static uint32_t submit(unsigned endpoint, bool in, uint32_t flags, const uint8_t *setup,
                       const uint8_t *data, uint32_t length)
{
    static uint8_t wire[USBIP_HEADER_BYTES + USBIP_TRANSFER_MAX];
    static const uint8_t nothing[USB_SETUP_BYTES];
    struct byte_writer writer;
    byte_writer_init(&writer, wire, sizeof wire);
    put_head(&writer, 1, ++world.number, in, endpoint);
    put_u32be(&writer, flags);
    put_u32be(&writer, length);
    put_u32be(&writer, 0);
    put_u32be(&writer, 0xFFFFFFFFu);
    put_u32be(&writer, 0);
    put_bytes(&writer, setup != NULL ? setup : nothing, USB_SETUP_BYTES);
    if (!in)
        put_bytes(&writer, data, length);
    give(wire, writer.length);
    return world.number;
}

static void unlink_urb(uint32_t which)
{
    uint8_t wire[USBIP_HEADER_BYTES];
    struct byte_writer writer;
    byte_writer_init(&writer, wire, sizeof wire);
    put_head(&writer, 2, ++world.number, false, 0);
    put_u32be(&writer, which);
    put_fill(&writer, 0, 24);
    give(wire, writer.length);
}

/* The next answer that has come: its status; *got bytes of data. */
static int32_t answer(uint32_t command, uint32_t number, uint8_t *data, uint32_t *got, bool in)
{
    assert_in_range(world.in_size, USBIP_HEADER_BYTES, sizeof world.in);
    assert_int_equal(get_u32be(world.in), command);
    assert_int_equal(get_u32be(world.in + 4), number);
    for (unsigned i = 8; i < 20; i++)
        assert_int_equal(world.in[i], 0);
    int32_t status = (int32_t)get_u32be(world.in + 20);
    *got = get_u32be(world.in + 24);
    size_t size = USBIP_HEADER_BYTES + (in ? *got : 0);
    assert_in_range(world.in_size, size, sizeof world.in);
    if (in)
        memcpy(data, world.in + USBIP_HEADER_BYTES, *got);
    world.in_size -= size;
    memmove(world.in, world.in + size, world.in_size);
    return status;
}

static int32_t control(unsigned type, unsigned request, unsigned value, unsigned index,
                       unsigned length, uint8_t *data, uint32_t *got)
{
    const uint8_t setup[8] = {(uint8_t)type,         (uint8_t)request,      (uint8_t)value,
                              (uint8_t)(value >> 8), (uint8_t)index,        (uint8_t)(index >> 8),
                              (uint8_t)length,       (uint8_t)(length >> 8)};
    bool in = (type & 0x80) != 0 && length > 0;
    uint32_t number = submit(0, in, 0, setup, data, length);
    return answer(3, number, data, got, in);
}

static void configure(void)
{
    uint32_t got;
    assert_int_equal(control(0x00, 9, 1, 0, 0, NULL, &got), 0);
}

/* ---- before it is taken ---- */

static void devices_are_listed(void **state)
{
    static const uint8_t request[] = {0x01, 0x11, 0x80, 0x05, 0, 0, 0, 0};
    (void)state;
    start(false);
    world.step = 1;
    give(request, sizeof request);
    assert_int_equal(world.in_size, 12 + 312 + 4 * USB_INTERFACES);
    static const uint8_t head[] = {0x01, 0x11, 0x00, 0x05, 0, 0, 0, 0, 0, 0, 0, 1};
    assert_memory_equal(world.in, head, sizeof head);
    const uint8_t *device = world.in + 12;
    assert_string_equal((const char *)device + 256, "1-1");
    assert_int_equal(get_u32be(device + 296), 2); /* full speed */
    assert_int_equal(get_u16be(device + 300), USB_LINK_VENDOR_ID);
    assert_int_equal(get_u16be(device + 302), USB_LINK_PRODUCT_ID);
    assert_int_equal(get_u16be(device + 304), 0x0010);
    assert_int_equal(device[310], 1);
    assert_int_equal(device[311], USB_INTERFACES);
    static const uint8_t classes[] = {
        0xFF, USB_LINK_SUBCLASS, USB_LINK_PROTOCOL, 0, 2, 2, 0, 0, 10, 0, 0, 0};
    assert_memory_equal(device + 312, classes, sizeof classes);
    assert_true(usbip_is_over(&world.usbip));
}

static void a_device_is_taken_by_its_bus_id(void **state)
{
    uint8_t request[40] = {0x01, 0x11, 0x80, 0x03};
    uint8_t data[64];
    uint32_t got;
    (void)state;
    start(false);
    world.step = 7;
    memcpy(request + 8, "1-1", 4);
    give(request, sizeof request);
    assert_int_equal(world.in_size, 8 + 312);
    assert_int_equal(get_u32be(world.in + 4), 0);
    world.in_size = 0;
    assert_int_equal(control(0x80, 6, 0x100, 0, 18, data, &got), 0);
    assert_int_equal(got, 18);
    assert_false(usbip_is_over(&world.usbip));
    start(false);
    memcpy(request + 8, "1-2", 4);
    give(request, sizeof request);
    assert_int_equal(world.in_size, 8);
    assert_int_equal(get_u32be(world.in + 4), 1);
    assert_true(usbip_is_over(&world.usbip));
}

/* ---- transfers ---- */

static void control_transfers(void **state)
{
    uint8_t data[512], line[7] = {0x80, 0x25, 0, 0, 0, 0, 8};
    uint32_t got;
    (void)state;
    start(true);
    assert_int_equal(control(0x80, 6, 0x200, 0, 512, data, &got), 0);
    assert_int_equal(got, USB_CONFIGURATION_BYTES);
    assert_int_equal(control(0x80, 6, 0x600, 0, 10, data, &got), -32);
    assert_int_equal(got, 0);
    assert_int_equal(control(0x00, 9, 2, 0, 0, NULL, &got), -32);
    configure();
    assert_int_equal(control(0x21, 0x20, 0, 1, 7, line, &got), 0);
    assert_int_equal(control(0x21, 0x20, 0, 0, 7, line, &got), -32);
    assert_int_equal(control(0xA1, 0x21, 0, 1, 7, data, &got), 0);
    assert_memory_equal(data, line, 7);
    /* A setup that asks for more than the transfer has room for. */
    static const uint8_t setup[8] = {0x80, 6, 0, 1, 0, 0, 18, 0};
    uint32_t number = submit(0, true, 0, setup, NULL, 8);
    assert_int_equal(answer(3, number, data, &got, true), -22);
}

/* Both ways, every length that matters, in pieces of any size; each arrives whole and once. */
static void bulk_transfers_of_every_length(void **state)
{
    static uint8_t sent[USBIP_TRANSFER_MAX], back[USBIP_TRANSFER_MAX], data[USBIP_TRANSFER_MAX];
    (void)state;
    start(true);
    configure();
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (uint8_t)(i * 31 + (i >> 8));
    static const uint32_t lengths[] = {0, 1, 63, 64, 65, 127, 128, 511, 512, 4096, 16384};
    for (unsigned endpoint = 1; endpoint <= 3; endpoint += 2)
        for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
            uint32_t length = lengths[k], got;
            size_t arrived = 0;
            world.step = 1 + k * 97;
            uint32_t out = submit(endpoint, false, 0x40, NULL, sent, length);
            for (;;) { /* the board takes it as it can */
                int now = usb_device_read(&world.device, back + arrived, sizeof back - arrived);
                turn();
                if (now <= 0)
                    break;
                arrived += (size_t)now;
            }
            assert_int_equal(arrived, length);
            assert_memory_equal(back, sent, length);
            assert_int_equal(answer(3, out, NULL, &got, false), 0);
            assert_int_equal(got, length);
            if (length == 0)
                continue;
            /* It is a stream: where the board had no more at hand a transfer ends. */
            size_t written = 0, come = 0;
            while (come < length) {
                uint32_t in = submit(endpoint, true, 0, NULL, NULL, sizeof data);
                int now = usb_device_write(&world.device, sent + written, length - written);
                assert_true(now >= 0);
                written += (size_t)now;
                turn();
                assert_int_equal(answer(3, in, data, &got, true), 0);
                assert_memory_equal(data, sent + come, got);
                come += got;
            }
            assert_int_equal(come, length);
            assert_int_equal(world.in_size, 0);
        }
}

static void what_is_taken_back_ends_once(void **state)
{
    uint8_t data[512] = {0};
    uint32_t got;
    (void)state;
    start(true);
    configure();
    uint32_t first = submit(1, true, 0, NULL, NULL, 512);
    uint32_t second = submit(1, true, 0, NULL, NULL, 512);
    assert_int_equal(world.in_size, 0);
    unlink_urb(first);
    assert_int_equal(answer(3, first, data, &got, true), -104);
    assert_int_equal(got, 0);
    assert_int_equal(answer(4, world.number, NULL, &got, false), 0);
    /* Partial data is not lost. */
    assert_int_equal(usb_device_out(&world.device, 1, data, 1), USB_ACK);
    assert_int_equal(usb_device_write(&world.device,
                                      (const uint8_t *)"0123456789012345678901234567"
                                                       "890123456789012345678901"
                                                       "234567890123",
                                      64),
                     64);
    world.device.empty_due = 0;
    struct usbip_urb *urb = &world.usbip.urbs[1];
    assert_int_equal(urb->number, second);
    size_t size;
    assert_int_equal(usb_device_in(&world.device, 1, data, &size), USB_ACK);
    memcpy(urb->data, data, size);
    urb->done = 64;
    unlink_urb(second);
    assert_int_equal(answer(3, second, data, &got, true), -104);
    assert_int_equal(got, 64);
    assert_memory_equal(data, "0123456789", 10);
    assert_int_equal(answer(4, world.number, NULL, &got, false), 0);
    /* One that has ended already. */
    unlink_urb(second);
    assert_int_equal(answer(4, world.number, NULL, &got, false), 0);
    assert_int_equal(world.in_size, 0);
}

static void a_halted_endpoint_stalls_until_cleared(void **state)
{
    uint8_t data[64] = {7};
    uint32_t got;
    (void)state;
    start(true);
    configure();
    assert_int_equal(control(0x02, 3, 0, 0x01, 0, NULL, &got), 0);
    uint32_t number = submit(1, false, 0, NULL, data, 10);
    assert_int_equal(answer(3, number, NULL, &got, false), -32);
    assert_int_equal(got, 0);
    assert_int_equal(control(0x02, 1, 0, 0x01, 0, NULL, &got), 0);
    number = submit(1, false, 0, NULL, data, 10);
    assert_int_equal(answer(3, number, NULL, &got, false), 0);
    assert_int_equal(got, 10);
    /* A buffer that is no multiple of the packet: what does not fit is told. */
    assert_int_equal(usb_device_write(&world.device, data, 30), 30);
    number = submit(1, true, 0, NULL, NULL, 20);
    assert_int_equal(answer(3, number, data, &got, true), -75);
}

/* More transfers than there are places: those that have none wait, and none is lost. */
static void more_than_there_are_places(void **state)
{
    uint8_t data[64];
    uint32_t got, numbers[USBIP_URBS + 1];
    (void)state;
    start(true);
    configure();
    for (unsigned i = 0; i < USBIP_URBS; i++)
        numbers[i] = submit(1, true, 0, NULL, NULL, 64);
    assert_int_equal(world.in_size, 0);
    numbers[USBIP_URBS] = submit(1, true, 0, NULL, NULL, 64); /* waits in the head */
    assert_int_equal(usb_device_out(&world.device, 1, data, 1), USB_ACK);
    for (unsigned i = 0; i <= USBIP_URBS; i++) {
        uint8_t byte = (uint8_t)i;
        assert_int_equal(usb_device_write(&world.device, &byte, 1), 1);
        turn();
        assert_int_equal(usbip_receive(&world.usbip, NULL, 0), 0);
        turn();
        assert_int_equal(answer(3, numbers[i], data, &got, true), 0);
        assert_int_equal(got, 1);
        assert_int_equal(data[0], byte);
    }
    assert_int_equal(world.in_size, 0);
}

static void the_cable_comes_out(void **state)
{
    uint8_t data[8] = {0};
    uint32_t got;
    (void)state;
    start(true);
    configure();
    uint32_t number = submit(1, false, 0, NULL, data, 8);
    assert_int_equal(answer(3, number, NULL, &got, false), 0);
    uint32_t generation = usb_device_generation(&world.device);
    usbip_disconnect(&world.usbip);
    assert_int_equal(usb_device_read(&world.device, data, 8), -1);
    assert_int_not_equal(usb_device_generation(&world.device), generation);
    usbip_connect(&world.usbip, true);
    configure();
    number = submit(3, false, 0, NULL, data, 8);
    assert_int_equal(answer(3, number, NULL, &got, false), 0);
    assert_int_equal(usb_device_read(&world.device, data, 8), 8);
}

static void peers_that_break_the_protocol(void **state)
{
    static const uint8_t ops[][8] = {
        {0x02, 0x00, 0x80, 0x05}, {0x01, 0x11, 0x80, 0x04}, "GET / HT"};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        start(false);
        give(ops[i], 8);
        assert_true(usbip_is_over(&world.usbip));
        assert_int_equal(world.in_size, 0);
    }
    /* Command, number 0, direction, endpoint, length; by place in the head. */
    static const struct {
        unsigned at;
        uint8_t value;
    } wrong[] = {{3, 9}, {7, 0}, {15, 2}, {19, 16}, {25, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t head[USBIP_HEADER_BYTES] = {0, 0, 0, 1, 0, 0, 0, 5};
        start(true);
        head[wrong[i].at] = wrong[i].value;
        give(head, sizeof head);
        assert_true(usbip_is_over(&world.usbip));
    }
    /* A number that is under way already. */
    start(true);
    configure();
    (void)submit(1, true, 0, NULL, NULL, 64);
    world.number--;
    (void)submit(1, true, 0, NULL, NULL, 64);
    assert_true(usbip_is_over(&world.usbip));
}

static void random_peers(void **state)
{
    uint32_t dice = 7;
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        start(round % 2 == 0);
        for (unsigned k = 0; k < 40 && !usbip_is_over(&world.usbip); k++) {
            uint8_t head[USBIP_HEADER_BYTES];
            for (size_t i = 0; i < sizeof head; i++) {
                dice = dice * 1664525u + 1013904223u;
                head[i] = (uint8_t)(dice >> 24);
            }
            if (dice % 8 != 0) { /* nearly right */
                static const uint8_t types[] = {0x00, 0x80, 0x02, 0x82, 0x21, 0xA1, 0xC0};
                memset(head, 0, 4);
                head[3] = 1 + (dice >> 9) % 2;
                memset(head + 12, 0, 12);
                head[15] = (dice >> 3) & 1;
                head[19] = (uint8_t)((dice >> 5) % 5);
                head[23] = (dice >> 8) & 0x40;
                memset(head + 24, 0, 2);
                head[26] = (uint8_t)((dice >> 11) % 3);
                head[40] = types[(dice >> 13) % 7];
                head[41] %= 13;
                head[47] = 0;
            }
            give(head, sizeof head);
            (void)usb_device_write(&world.device, head, 40);
            (void)usb_device_read(&world.device, head, 40);
            if (world.in_size > sizeof world.in / 2)
                world.in_size = 0;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_listed),
        cmocka_unit_test(a_device_is_taken_by_its_bus_id),
        cmocka_unit_test(control_transfers),
        cmocka_unit_test(bulk_transfers_of_every_length),
        cmocka_unit_test(what_is_taken_back_ends_once),
        cmocka_unit_test(a_halted_endpoint_stalls_until_cleared),
        cmocka_unit_test(more_than_there_are_places),
        cmocka_unit_test(the_cable_comes_out),
        cmocka_unit_test(peers_that_break_the_protocol),
        cmocka_unit_test(random_peers),
    };
    return cmocka_run_group_tests_name("usbip", tests, NULL, NULL);
}
