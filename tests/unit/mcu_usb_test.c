/* A microcontroller's USB driver (board/mcu/mcu_usb.h) on a model of a controller: enumeration,
 * the address in time, packets that are loaded when the host changes its mind, halts, lost
 * handshakes, a main loop that is away, a firmware reset, sleep; then random hosts. The driver's
 * template of board/null is here too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "board/mcu/mcu_usb.h"
#include "board/null/null_usb.h"
#include "tests/usb/udc_model.h"

#define STALLED (-1)
#define SILENT  (-2)

static const struct usb_identity identity = {.manufacturer = "OpenKKT",
                                             .product = "OpenKKT test board",
                                             .serial = "KKT0012345",
                                             .release = 0x0010};

static struct world {
    struct mcu_usb usb;
    struct udc_model udc;
    mono_ms now;
    uint32_t random;
} world;

static uint32_t chance(uint32_t limit)
{
    world.random = world.random * 1664525u + 1013904223u;
    return (world.random >> 8) % limit;
}

static void judge(void)
{
    if (world.udc.wrong != NULL)
        fail_msg("%s", world.udc.wrong);
}

static void power_on(void)
{
    memset(&world, 0, sizeof world);
    world.random = 1;
    udc_init(&world.udc, &world.usb);
    mcu_usb_init(&world.usb, &world.udc.controller, &identity, world.now);
}

static void join(void)
{
    world.now += MCU_USB_APART_MS;
    assert_int_equal(mcu_usb_step(&world.usb, world.now), UINT32_MAX);
    assert_true(world.udc.connected);
}

static int control(unsigned type, unsigned request, unsigned value, unsigned index, unsigned length,
                   uint8_t *data)
{
    const uint8_t setup[USB_SETUP_BYTES] = {
        (uint8_t)type,  (uint8_t)request,      (uint8_t)value,  (uint8_t)(value >> 8),
        (uint8_t)index, (uint8_t)(index >> 8), (uint8_t)length, (uint8_t)(length >> 8)};
    uint8_t packet[USB_PACKET_BYTES];
    enum usb_reply reply = USB_ACK;
    size_t size = 0, got = 0;
    if (!udc_setup(&world.udc, setup))
        return SILENT;
    if ((type & 0x80) != 0 && length > 0) {
        do {
            reply = udc_in(&world.udc, 0, packet, &size);
            if (reply == USB_ACK) {
                assert_true(got + size <= length);
                memcpy(data + got, packet, size);
                got += size;
            }
        } while (reply == USB_ACK && size == USB_PACKET_BYTES && got < length);
        if (reply == USB_ACK)
            reply = udc_out(&world.udc, 0, NULL, 0);
    } else {
        if (length > 0)
            reply = udc_out(&world.udc, 0, data, length);
        if (reply == USB_ACK)
            reply = udc_in(&world.udc, 0, packet, &size);
        got = length;
    }
    judge();
    return reply == USB_ACK ? (int)got : reply == USB_STALL ? STALLED : SILENT;
}

static void enumerate(void)
{
    uint8_t bytes[256];
    udc_bus_reset(&world.udc);
    assert_int_equal(control(0x80, 6, 0x0100, 0, 64, bytes), 18);
    udc_bus_reset(&world.udc);
    assert_int_equal(control(0x00, 5, 9, 0, 0, NULL), 0);
    assert_int_equal(control(0x80, 6, 0x0100, 0, 18, bytes), 18);
    assert_int_equal(control(0x80, 6, 0x0200, 0, 255, bytes), USB_CONFIGURATION_BYTES);
    assert_int_equal(control(0x00, 9, 1, 0, 0, NULL), 0);
    assert_int_equal(world.udc.ignored, 0);
    judge();
}

static void plug_in(void)
{
    power_on();
    join();
    enumerate();
}

/* The board's program: whatever comes goes back. */
static void echo(size_t most)
{
    static uint8_t held[256];
    static size_t size;
    if (most == 0) {
        size = 0;
        return;
    }
    if (size == 0) {
        int got = mcu_usb_read(&world.usb, held, most < sizeof held ? most : sizeof held);
        size = got > 0 ? (size_t)got : 0;
    }
    if (size > 0) {
        int sent = mcu_usb_write(&world.usb, held, size);
        if (sent > 0) {
            size -= (size_t)sent;
            memmove(held, held + sent, size);
        }
    }
}

/* ---- enumeration ---- */

static void descriptors_come_as_they_are(void **state)
{
    uint8_t told[256], own[256];
    struct byte_writer writer;
    (void)state;
    plug_in();
    const unsigned values[] = {0x0100, 0x0200, 0x0300, 0x0301, 0x0302, 0x0303, 0x0F00};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        byte_writer_init(&writer, own, sizeof own);
        assert_true(usb_descriptor(&identity, values[i], &writer));
        assert_int_equal(control(0x80, 6, values[i], 0, 255, told), writer.length);
        assert_memory_equal(told, own, writer.length);
    }
    assert_int_equal(control(0x80, 6, 0x0600, 0, 10, told), STALLED);
    assert_int_equal(control(0x80, 6, 0x0100, 0, 18, told), 18); /* a SETUP ends the stall */
}

static void the_address_counts_after_its_last_packet(void **state)
{
    const uint8_t setup[USB_SETUP_BYTES] = {0, 5, 33};
    uint8_t packet[USB_PACKET_BYTES];
    size_t size;
    (void)state;
    for (int waits = 0; waits < 2; waits++) {
        power_on();
        world.udc.controller.address_waits = waits == 1;
        join();
        udc_bus_reset(&world.udc);
        assert_true(udc_setup(&world.udc, setup));
        assert_int_equal(world.udc.address, waits == 1 ? 33 : 0);
        world.udc.address = 0; /* the controller that waits still answers to the old one */
        assert_int_equal(udc_in(&world.udc, 0, packet, &size), USB_ACK);
        if (waits == 0)
            assert_int_equal(world.udc.address, 33);
        judge();
    }
}

/* Nothing of it needs the main loop: the host does not wait for a sector to be erased. */
static void the_loop_is_away(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0}, bytes[1024];
    unsigned taken = 0;
    (void)state;
    plug_in();
    while (udc_out(&world.udc, 1, packet, sizeof packet) == USB_ACK) {
        memset(packet, (int)++taken, sizeof packet);
        assert_true(taken < 100);
    }
    assert_int_equal(taken, (USB_RING_BYTES - 1) / USB_PACKET_BYTES + 1); /* one is held */
    assert_true(mcu_usb_waits(&world.usb));
    int got = mcu_usb_read(&world.usb, bytes, 64);
    assert_int_equal(got, 64);
    assert_int_equal(udc_out(&world.udc, 1, packet, sizeof packet), USB_ACK); /* room for one */
    for (unsigned i = 1; i <= taken; i++) {
        assert_int_equal(mcu_usb_read(&world.usb, bytes, 64), 64);
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[63], i);
    }
    assert_int_equal(mcu_usb_read(&world.usb, bytes, 64), 0);
    assert_false(mcu_usb_waits(&world.usb));
    judge();
}

static void a_firmware_reset_is_a_new_plug(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = "before", bytes[64];
    size_t size;
    (void)state;
    plug_in();
    assert_int_equal(udc_out(&world.udc, 1, packet, 6), USB_ACK);
    assert_int_equal(mcu_usb_write(&world.usb, packet, 6), 6);
    mcu_usb_init(&world.usb, &world.udc.controller, &identity, world.now);
    assert_false(world.udc.connected); /* the host sees it go */
    assert_int_equal(mcu_usb_step(&world.usb, world.now + 1), MCU_USB_APART_MS - 1);
    assert_false(world.udc.connected);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_NAK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), -1);
    join();
    world.udc.ignored = 0;
    enumerate();
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), -1); /* nothing of the old */
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_NAK);
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"after", 5), USB_ACK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), 5);
    assert_memory_equal(bytes, "after", 5);
    judge();
}

/* Each request begins anew: a stall behind a stall, data that came where none was awaited. */
static void requests_have_nothing_of_the_one_before(void **state)
{
    uint8_t first[7] = {1, 1, 1, 1, 0, 0, 8}, second[7] = {0x00, 0x4B, 0, 0, 0, 0, 8}, told[7];
    (void)state;
    plug_in();
    for (int i = 0; i < 3; i++)
        assert_int_equal(control(0x80, 6, 0x0600, 0, 10, told), STALLED);
    assert_int_equal(udc_out(&world.udc, 0, first, sizeof first), USB_STALL);
    assert_int_equal(control(0x00, 9, 1, 0, 0, NULL), 0);
    assert_int_equal(udc_out(&world.udc, 0, first, sizeof first), USB_ACK); /* by the controller */
    assert_int_equal(control(0x21, 0x20, 0, 1, sizeof second, second), sizeof second);
    assert_int_equal(control(0xA1, 0x21, 0, 1, sizeof told, told), sizeof told);
    assert_memory_equal(told, second, sizeof told);
}

static void a_bus_reset_empties_all(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0}, bytes[64];
    size_t size;
    (void)state;
    plug_in();
    while (udc_out(&world.udc, 1, packet, sizeof packet) == USB_ACK)
        ;
    assert_int_equal(mcu_usb_write(&world.usb, packet, 64), 64);
    assert_int_equal(control(0x02, 3, 0, 0x81, 0, NULL), 0);
    world.udc.ignored = 0;
    enumerate();
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), -1);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_NAK);
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"new", 3), USB_ACK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), 3);
    /* What was halted before can be halted again. */
    assert_int_equal(control(0x02, 3, 0, 0x81, 0, NULL), 0);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_STALL);
    judge();
}

/* ---- packets that lie in the controller ---- */

static void a_new_peer_gets_nothing_of_the_old_one(void **state)
{
    uint8_t packet[USB_PACKET_BYTES], bytes[USB_RING_BYTES];
    size_t size;
    (void)state;
    plug_in();
    uint32_t generation = mcu_usb_generation(&world.usb);
    assert_int_equal(udc_out(&world.udc, 3, (const uint8_t *)"serial", 6), USB_ACK);
    assert_int_equal(mcu_usb_generation(&world.usb), generation + 1);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"for the serial port", 19), 19);
    assert_true(world.udc.in[3].full); /* loaded; the host never asks */
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"link", 4), USB_ACK);
    assert_int_equal(udc_in(&world.udc, 3, packet, &size), USB_NAK);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_NAK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), 4);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"answer", 6), 6);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_ACK);
    assert_int_equal(size, 6);
    /* The old one speaks again: its toggle is where it was. */
    assert_int_equal(udc_out(&world.udc, 3, (const uint8_t *)"back", 4), USB_ACK);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"again", 5), 5);
    assert_int_equal(udc_in(&world.udc, 3, packet, &size), USB_ACK);
    assert_memory_equal(packet, "again", 5);
    judge();
}

/* What is held for want of room, when SET_CONFIGURATION makes a new peer, is gone. */
static void held_packets_are_the_old_peers(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0}, bytes[USB_RING_BYTES];
    (void)state;
    plug_in();
    while (udc_out(&world.udc, 1, packet, sizeof packet) == USB_ACK)
        ;
    assert_int_equal(world.usb.held[1], USB_PACKET_BYTES);
    assert_int_equal(control(0x00, 9, 1, 0, 0, NULL), 0);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), -1);
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"new", 3), USB_ACK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), 3);
    assert_memory_equal(bytes, "new", 3);
    judge();
}

static void halts_stall_at_once_and_lose_nothing(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0}, bytes[USB_RING_BYTES];
    size_t size;
    (void)state;
    plug_in();
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"1", 1), USB_ACK);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"loaded", 6), 6);
    assert_int_equal(control(0x02, 3, 0, 0x81, 0, NULL), 0);
    assert_int_equal(control(0x02, 3, 0, 0x01, 0, NULL), 0);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_STALL);
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"2", 1), USB_STALL);
    assert_int_equal(control(0x82, 0, 0, 0x81, 2, packet), 2);
    assert_int_equal(packet[0], 1);
    assert_int_equal(control(0x02, 1, 0, 0x81, 0, NULL), 0);
    assert_int_equal(control(0x02, 1, 0, 0x01, 0, NULL), 0);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_ACK);
    assert_int_equal(size, 6);
    assert_memory_equal(packet, "loaded", 6);
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"3", 1), USB_ACK);
    assert_int_equal(mcu_usb_read(&world.usb, bytes, sizeof bytes), 2);
    assert_memory_equal(bytes, "13", 2);
    judge();
}

/* A packet that was acknowledged before the halt is the board's, though it was not taken yet. */
static void a_halt_behind_a_held_packet(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0}, bytes[1024];
    size_t sent = 0, got = 0;
    (void)state;
    plug_in();
    for (; udc_out(&world.udc, 1, packet, sizeof packet) == USB_ACK; sent += sizeof packet)
        ;
    assert_int_equal(control(0x02, 3, 0, 0x01, 0, NULL), 0);
    for (int size = 1; size > 0; got += (size_t)size)
        size = mcu_usb_read(&world.usb, bytes, sizeof bytes);
    assert_int_equal(got, sent - USB_PACKET_BYTES);
    assert_int_equal(control(0x02, 1, 0, 0x01, 0, NULL), 0);
    for (int size = 1; size > 0; got += (size_t)size)
        size = mcu_usb_read(&world.usb, bytes, sizeof bytes);
    assert_int_equal(got, sent);
    assert_int_equal(udc_out(&world.udc, 1, packet, sizeof packet), USB_ACK);
    judge();
}

static void a_host_that_sleeps(void **state)
{
    uint8_t packet[USB_PACKET_BYTES];
    size_t size;
    (void)state;
    plug_in();
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"1", 1), USB_ACK);
    uint32_t generation = mcu_usb_generation(&world.usb);
    udc_suspend(&world.udc, true);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"2", 1), 0);
    udc_suspend(&world.udc, false);
    assert_int_equal(mcu_usb_generation(&world.usb), generation);
    assert_int_equal(mcu_usb_write(&world.usb, (const uint8_t *)"2", 1), 1);
    assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_ACK);
    assert_int_equal(size, 1);
    judge();
}

/* ---- lost handshakes ---- */

/* What goes comes back, number by number, whatever is lost on the way. */
static void bytes_are_exact(unsigned endpoint, unsigned loss)
{
    static uint8_t seen;
    uint8_t packet[USB_PACKET_BYTES], next = 0;
    size_t waiting = 0, size, whole = 0;
    plug_in();
    echo(0);
    world.udc.loss = loss;
    seen = 0;
    for (unsigned turn = 0; turn < 20000; turn++) {
        uint32_t what = chance(4);
        if (what == 0) {
            size = 1 + chance(USB_PACKET_BYTES);
            for (size_t i = 0; i < size; i++)
                packet[i] = (uint8_t)(next + i);
            if (udc_out(&world.udc, endpoint, packet, size) == USB_ACK) {
                next = (uint8_t)(next + size);
                waiting += size;
            }
        } else if (what == 1 && udc_in(&world.udc, endpoint, packet, &size) == USB_ACK) {
            for (size_t i = 0; i < size; i++)
                assert_int_equal(packet[i], seen++);
            assert_true(size <= waiting);
            waiting -= size;
            whole += size;
        } else if (what > 1) {
            echo(1 + chance(256));
        }
        judge();
    }
    for (unsigned turn = 0; waiting > 0; turn++) {
        assert_true(turn < 1000);
        echo(256);
        if (udc_in(&world.udc, endpoint, packet, &size) != USB_ACK)
            continue;
        for (size_t i = 0; i < size; i++)
            assert_int_equal(packet[i], seen++);
        waiting -= size;
    }
    assert_true(whole > 10000);
    assert_true(loss == 0 || world.udc.lost > 1000);
}

static void lost_handshakes(void **state)
{
    (void)state;
    for (unsigned loss = 0; loss < 5; loss++) {
        if (loss == 1)
            continue; /* nothing would ever arrive */
        bytes_are_exact(1, loss);
        bytes_are_exact(3, loss);
    }
}

/* ---- random hosts ---- */

static void random_request(void)
{
    static const uint8_t types[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x21, 0xA1, 0xC0};
    static const uint8_t requests[] = {0, 1, 3, 6, 8, 9, 10, 11, 0x20, 0x21, 0x22};
    static const uint8_t indices[] = {0, 1, 2, 0x01, 0x81, 0x82, 0x03, 0x83, 7};
    uint8_t setup[USB_SETUP_BYTES] = {types[chance(sizeof types)],
                                      requests[chance(sizeof requests)],
                                      (uint8_t)chance(3),
                                      (uint8_t)chance(4),
                                      indices[chance(sizeof indices)],
                                      0,
                                      (uint8_t)chance(80),
                                      0};
    (void)udc_setup(&world.udc, setup);
}

static void random_hosts(void **state)
{
    uint8_t packet[USB_PACKET_BYTES] = {0};
    size_t size;
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        plug_in();
        world.random = world.udc.random = seed;
        world.udc.loss = 2 + seed % 7;
        for (unsigned step = 0; step < 500; step++) {
            switch (chance(8)) {
            case 0:
                random_request();
                break;
            case 1:
            case 2:
                (void)udc_out(&world.udc, chance(4), packet, chance(65));
                break;
            case 3:
            case 4:
                (void)udc_in(&world.udc, chance(4), packet, &size);
                break;
            case 5:
                if (chance(20) == 0)
                    udc_bus_reset(&world.udc);
                else
                    udc_suspend(&world.udc, chance(2) == 0);
                break;
            default:
                echo(1 + chance(256));
                break;
            }
            judge();
        }
        udc_suspend(&world.udc, false);
        world.udc.loss = 0;
        world.udc.ignored = 0;
        enumerate(); /* whatever came before */
        assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"alive", 5), USB_ACK);
        echo(0);
        echo(64);
        assert_int_equal(udc_in(&world.udc, 1, packet, &size), USB_ACK);
        assert_int_equal(size, 5);
        judge();
    }
}

/* ---- the template of a driver ---- */

/* It is nobody's: the host is not there, and the board lives. */
static void the_template_is_quiet(void **state)
{
    uint8_t byte = 0;
    (void)state;
    memset(&world, 0, sizeof world);
    mcu_usb_init(&world.usb, &null_usb, &identity, 0);
    assert_int_equal(mcu_usb_step(&world.usb, 0), MCU_USB_APART_MS);
    assert_int_equal(mcu_usb_step(&world.usb, MCU_USB_APART_MS), UINT32_MAX);
    mcu_usb_interrupt(&world.usb);
    assert_int_equal(mcu_usb_read(&world.usb, &byte, 1), -1);
    assert_int_equal(mcu_usb_write(&world.usb, &byte, 1), -1);
}

/* The model has to see what a driver does wrong, else all this says nothing. */
static void the_model_judges(void **state)
{
    const struct mcu_usb_controller *controller = &world.udc.controller;
    (void)state;
    plug_in();
    controller->send(controller->context, 1, (const uint8_t *)"", 0);
    assert_non_null(world.udc.wrong); /* without the mask */
    plug_in();
    controller->mask(controller->context, true);
    controller->send(controller->context, 1, (const uint8_t *)"a", 1);
    assert_null(world.udc.wrong);
    controller->send(controller->context, 1, (const uint8_t *)"b", 1);
    assert_non_null(world.udc.wrong); /* over a packet */
    plug_in();
    world.udc.masked = true; /* the packet stays in the controller */
    assert_int_equal(udc_out(&world.udc, 1, (const uint8_t *)"a", 1), USB_ACK);
    controller->accept(controller->context, 1);
    assert_non_null(world.udc.wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_come_as_they_are),
        cmocka_unit_test(the_address_counts_after_its_last_packet),
        cmocka_unit_test(the_loop_is_away),
        cmocka_unit_test(a_firmware_reset_is_a_new_plug),
        cmocka_unit_test(requests_have_nothing_of_the_one_before),
        cmocka_unit_test(a_bus_reset_empties_all),
        cmocka_unit_test(a_new_peer_gets_nothing_of_the_old_one),
        cmocka_unit_test(held_packets_are_the_old_peers),
        cmocka_unit_test(halts_stall_at_once_and_lose_nothing),
        cmocka_unit_test(a_halt_behind_a_held_packet),
        cmocka_unit_test(a_host_that_sleeps),
        cmocka_unit_test(lost_handshakes),
        cmocka_unit_test(random_hosts),
        cmocka_unit_test(the_template_is_quiet),
        cmocka_unit_test(the_model_judges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
