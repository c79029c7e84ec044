/* The driver's USB transport and its reconnecting through the real libusb, against simulated
 * boards: usb-sim puts them below umockdev.
 *
 *     usb-sim --program mixed --boards 4 -- usb_suite [all|faults|soak [NAME]]
 *
 * SIM1 and SIM4 carry the host link, SIM2 and SIM3 echo. "faults" is the few tests that faults of a
 * board are shown to.
 */
#include <libusb-1.0/libusb.h>

#include "hostdrv/arrival.h"
#include "hostdrv/transport.h"
#include "proto/link_message.h"
#include "proto/usb_link.h"
#include "tests/usb/suite.h"

static uint8_t got[sizeof sent];

static int try_open(const char *text, struct transport **out)
{
    struct device_uri uri;
    kkt_error error;
    *out = NULL;
    assert_int_equal(device_uri_parse(text, &uri, NULL), KKT_OK);
    return transport_open(&uri, 1000, out, &error);
}

static struct transport *open_board(const char *text)
{
    struct transport *transport;
    assert_int_equal(try_open(text, &transport), KKT_OK);
    return transport;
}

static void shut(struct transport *transport)
{
    uint64_t began_ms = host_clock_ms();
    transport->operations->close(transport);
    assert_in_range(since(began_ms), 0, SOON_MS);
}

/* Sends so much and takes it back, both at once; at most `take` bytes a read. */
static void echo(struct transport *transport, size_t size, size_t take)
{
    const struct transport_operations *does = transport->operations;
    size_t out = 0, in = 0;
    uint64_t began_ms = host_clock_ms();
    memset(got, 0, size);
    while (in < size) {
        int result = out < size ? does->write(transport, sent + out, size - out) : 0;
        assert_true(result >= 0);
        out += (size_t)result;
        assert_true(does->wait(transport, out < size, 100) >= 0);
        size_t room = size - in < take ? size - in : take;
        result = does->read(transport, got + in, room);
        assert_true(result >= 0);
        in += (size_t)result;
        if (since(began_ms) > 10 * SOON_MS)
            fail_msg("of %zu bytes %zu have gone and %zu are back", size, out, in);
    }
    assert_memory_equal(got, sent, size);
    assert_int_equal(does->read(transport, got, 1), 0);
}

/* ---- bytes ---- */

static void messages_of_every_length(void **state)
{
    static const size_t sizes[] = {255,   256,   257,   511,   512,   513,   1023,
                                   1024,  1025,  4095,  4096,  4097,  16383, 16384,
                                   16385, 30000, 32768, 65536, 100000};
    (void)state;
    struct transport *transport = open_board("usb:SIM2");
    for (size_t size = 1; size <= 200; size++)
        echo(transport, size, sizeof got);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        echo(transport, sizes[i], sizeof got);
    echo(transport, 1000, 7);
    shut(transport);
}

static void nothing_is_lost_after_waiting_in_vain(void **state)
{
    (void)state;
    struct transport *transport = open_board("usb:SIM2");
    const struct transport_operations *does = transport->operations;
    uint8_t byte;
    for (unsigned round = 0; round < 20; round++) {
        assert_int_equal(does->read(transport, &byte, 1), 0);
        assert_int_equal(does->wait(transport, false, 5), 0);
        echo(transport, 1 + round * 64, sizeof got);
    }
    /* Data that comes while nobody waits is there afterwards. */
    assert_int_equal(does->write(transport, sent, 100), 100);
    host_clock_sleep(50);
    for (size_t in = 0; in < 100;) {
        assert_int_equal(does->wait(transport, false, 1000), 1);
        int result = does->read(transport, got + in, sizeof got - in);
        assert_true(result >= 0);
        in += (size_t)result;
    }
    assert_memory_equal(got, sent, 100);
    shut(transport);
}

/* A board that takes nothing: what was written waits, and closing does not. */
static void closing_takes_back_what_waits(void **state)
{
    (void)state;
    struct transport *transport = open_board("usb:SIM2");
    sim_do("silent 2 1");
    size_t taken = 0;
    for (int result = 1; result > 0; taken += (size_t)result)
        result = transport->operations->write(transport, sent + taken, 20000);
    assert_in_range(taken, 16384, 65536); /* bounded */
    assert_int_equal(transport->operations->wait(transport, true, 20), 0);
    shut(transport);
    sim_do("silent 2 0");
    transport = open_board("usb:SIM2");
    while (transport->operations->wait(transport, false, 100) == 1) /* of the former session */
        assert_true(transport->operations->read(transport, got, sizeof got) >= 0);
    echo(transport, 1000, sizeof got);
    shut(transport);
}

/* ---- who may, and which one ---- */

static void a_board_is_held_by_one(void **state)
{
    (void)state;
    struct transport *second, *transport = open_board("usb:SIM2");
    assert_int_equal(try_open("usb:SIM2", &second), ERROR_LINK_BUSY);
    assert_int_equal(try_open("SIM2", &second), ERROR_LINK_BUSY);
    echo(transport, 500, sizeof got);
    shut(transport);
    shut(open_board("SIM2"));
    assert_int_equal(try_open("usb:SIM9", &second), ERROR_LINK_LOST);
}

static void boards_are_not_mixed_up(void **state)
{
    (void)state;
    struct transport *two = open_board("usb:SIM2"), *three = open_board("usb:SIM3");
    sim_do("silent 3 1");
    for (unsigned round = 0; round < 10; round++) {
        echo(two, 300, sizeof got);
        assert_int_equal(three->operations->wait(three, false, 1), 0);
    }
    sim_do("silent 3 0");
    echo(three, 300, sizeof got);
    shut(two);
    echo(three, 300, sizeof got);
    shut(three);
}

static void an_endpoint_left_halted_is_cleared(void **state)
{
    libusb_context *context;
    (void)state;
    assert_int_equal(libusb_init(&context), 0);
    libusb_device **devices;
    ssize_t count = libusb_get_device_list(context, &devices);
    for (ssize_t i = 0; i < count; i++) {
        struct libusb_device_descriptor descriptor;
        libusb_device_handle *handle;
        libusb_get_device_descriptor(devices[i], &descriptor);
        if (descriptor.idVendor != USB_LINK_VENDOR_ID ||
            libusb_open(devices[i], &handle) != 0) /* a root hub */
            continue;
        assert_int_equal(libusb_claim_interface(handle, 0), 0);
        assert_int_equal(libusb_control_transfer(handle, 0x02, 3, 0, 0x81, NULL, 0, 1000), 0);
        assert_int_equal(libusb_control_transfer(handle, 0x02, 3, 0, 0x01, NULL, 0, 1000), 0);
        libusb_release_interface(handle, 0);
        libusb_close(handle);
    }
    libusb_free_device_list(devices, 1);
    libusb_exit(context);
    struct transport *transport = open_board("usb:SIM2");
    echo(transport, 1000, sizeof got);
    shut(transport);
    transport = open_board("usb:SIM3");
    echo(transport, 1000, sizeof got);
    shut(transport);
    shut(open_board("usb:SIM1"));
}

/* ---- the cable ---- */

/* Plugged in, it takes a kernel a moment. */
static struct transport *open_soon(const char *text)
{
    struct transport *transport;
    uint64_t began_ms = host_clock_ms();
    while (try_open(text, &transport) != KKT_OK) {
        if (since(began_ms) > 5 * SOON_MS)
            fail_msg("%s does not come back", text);
        host_clock_sleep(5);
    }
    return transport;
}

static void unplugging_is_seen_at_once(void **state)
{
    (void)state;
    struct transport *gone, *transport = open_board("usb:SIM2");
    const struct transport_operations *does = transport->operations;
    uint8_t byte = 0;
    echo(transport, 100, sizeof got);
    sim_do("unplug 2");
    uint64_t began_ms = host_clock_ms();
    while (does->wait(transport, false, 5000) == 0)
        assert_in_range(since(began_ms), 0, SOON_MS);
    assert_true(does->read(transport, &byte, 1) < 0);
    assert_true(does->write(transport, &byte, 1) < 0);
    assert_in_range(since(began_ms), 0, SOON_MS);
    shut(transport);
    assert_int_equal(try_open("usb:SIM2", &gone), ERROR_LINK_LOST);
    sim_do("plug 2");
    transport = open_soon("usb:SIM2");
    echo(transport, 100, sizeof got);
    shut(transport);
}

static void plugging_in_wakes_who_waits(void **state)
{
    struct device_uri uri;
    (void)state;
    assert_int_equal(device_uri_parse("usb:SIM3", &uri, NULL), KKT_OK);
    struct arrival *arrival = arrival_watch(&uri);
    assert_non_null(arrival);
    uint64_t began_ms = host_clock_ms();
    assert_false(arrival_wait(arrival, 100));
    assert_in_range(since(began_ms), 90, 90 + SOON_MS);
    sim_do("unplug 3");
    sim_do("plug 3 300");
    began_ms = host_clock_ms();
    while (!arrival_wait(arrival, 5000))
        assert_in_range(since(began_ms), 0, 5000);
    assert_in_range(since(began_ms), 250, 300 + SOON_MS);
    arrival_end(arrival);
    struct transport *transport = open_board("usb:SIM3");
    echo(transport, 100, sizeof got);
    shut(transport);
}

/* Whatever was on its way: an end, no hang, and a board that works afterwards. */
static void pulled_at_every_transfer(void **state)
{
    char words[32];
    (void)state;
    for (unsigned number = 1; number <= 12; number++) {
        struct transport *transport = open_soon("usb:SIM2");
        const struct transport_operations *does = transport->operations;
        snprintf(words, sizeof words, "pull 2 %u", number);
        sim_do(words);
        uint64_t began_ms = host_clock_ms();
        for (int result = 0; result >= 0;) {
            if (does->write(transport, sent, 700) < 0)
                break;
            result = does->wait(transport, false, 100);
            if (result > 0)
                result = does->read(transport, got, sizeof got);
            assert_in_range(since(began_ms), 0, 5 * SOON_MS);
        }
        shut(transport);
        sim_do("plug 2");
    }
    struct transport *transport = open_soon("usb:SIM2");
    echo(transport, 100, sizeof got);
    shut(transport);
}

/* ---- the handle ---- */

static void who_is_called_has_to_be_it(void **state)
{
    const kkt_options other = {.expected_serial = "SIM2"};
    kkt *device;
    kkt_error error;
    kkt_identity identity;
    (void)state;
    device = open_device(NULL);
    assert_int_equal(kkt_get_identity(device, &identity, &error), KKT_OK);
    assert_string_equal(identity.serial, "SIM1");
    kkt_close(device);
    assert_int_equal(kkt_open("usb:SIM1", &other, &device, &error), ERROR_OTHER_DEVICE);
}

static void events_come(void **state)
{
    kkt_event event;
    (void)state;
    kkt *device = open_device(NULL);
    sim_do("events 1 3");
    for (uint32_t number = 3; number >= 1; number--) {
        assert_int_equal(next(device, 1000, &event), KKT_EVENT_PRINTED);
        assert_int_equal(event.document, number);
    }
    assert_int_equal(next(device, 20, &event), KKT_EVENT_NONE);
    kkt_close(device);
}

static void lost_and_back(void **state)
{
    kkt_event event;
    kkt_error error;
    (void)state;
    kkt *device = open_device(NULL);
    sim_do("events 1 1"); /* told before the loss */
    assert_int_equal(next(device, 1000, &event), KKT_EVENT_PRINTED);
    sim_do("unplug 1");
    uint64_t began_ms = host_clock_ms();
    assert_int_equal(next(device, 5000, &event), KKT_EVENT_LOST);
    assert_in_range(since(began_ms), 0, SOON_MS);
    assert_int_equal(kkt_next_event(device, 300, &event, &error), ERROR_LINK_LOST);
    /* By the schedule it would be tried at 3.1 and at 6.3 s. */
    sim_do("plug 1 3000");
    assert_int_equal(next(device, 10000, &event), KKT_EVENT_BACK);
    assert_in_range(since(began_ms), 3200, 6000);
    assert_in_range(event.outage_ms, 3200, 6000);
    assert_int_equal(next(device, 20, &event), KKT_EVENT_NONE);
    kkt_close(device);
}

static void an_outage_nobody_saw_is_told(void **state)
{
    kkt_event event;
    kkt_error error;
    kkt_status status;
    (void)state;
    kkt *device = open_device(NULL);
    sim_do("unplug 1");
    assert_int_equal(kkt_get_status(device, &status, &error), ERROR_LINK_LOST);
    sim_do("plug 1");
    uint64_t began_ms = host_clock_ms();
    while (kkt_get_status(device, &status, &error) != KKT_OK)
        assert_in_range(since(began_ms), 0, 5 * SOON_MS);
    assert_int_equal(next(device, 0, &event), KKT_EVENT_LOST);
    assert_int_equal(next(device, 0, &event), KKT_EVENT_BACK);
    assert_int_equal(next(device, 0, &event), KKT_EVENT_NONE);
    kkt_close(device);
}

static void silence_is_noticed(void **state)
{
    const kkt_options quick = {.silence_ms = 300, .connect_timeout_ms = 300};
    kkt_event event;
    (void)state;
    kkt *device = open_device(&quick);
    /* A board that answers is not lost, however little it has to say. */
    assert_int_equal(next(device, 1000, &event), KKT_EVENT_NONE);
    sim_do("silent 1 1");
    uint64_t began_ms = host_clock_ms();
    assert_int_equal(next(device, 5000, &event), KKT_EVENT_LOST);
    assert_in_range(since(began_ms), 290, 600 + SOON_MS);
    sim_do("silent 1 0");
    assert_int_equal(next(device, 10000, &event), KKT_EVENT_BACK);
    kkt_close(device);
}

static void pulled_at_every_transfer_of_a_long_message(void **state)
{
    const struct link_client_answer *answer;
    char words[32];
    kkt_error error;
    kkt_status status;
    (void)state;
    kkt *device = open_device(NULL);
    unsigned pulls = 0;
    for (unsigned number = 1; pulls + 1 >= number && number < 80; number++) {
        snprintf(words, sizeof words, "pull 1 %u", number);
        sim_do(words);
        uint64_t began_ms = host_clock_ms();
        int result = device_ask(device, LINK_NON_FISCAL, sent, 30000, 5000, &answer, &error);
        if (result == KKT_OK)
            assert_memory_equal(answer->body, sent, 30000);
        else
            assert_int_equal(result, ERROR_LINK_LOST);
        pulls += result != KKT_OK;
        assert_in_range(since(began_ms), 0, 2 * SOON_MS);
        sim_do("pull 1 100000");
        sim_say("plug 1");
        device_drop(device);
        assert_int_equal(device_connect(device, host_clock_ms() + 5000, 0, &error), KKT_OK);
        assert_int_equal(kkt_get_status(device, &status, &error), KKT_OK);
    }
    print_message("a message of 30,000 bytes there and back: pulled at %u places\n", pulls);
    assert_in_range(pulls, 3, 80);
    kkt_close(device);
}

/* ---- for a night ---- */

static void ten_thousand_echoes(void **state)
{
    (void)state;
    struct transport *transport = open_board("usb:SIM2");
    for (size_t round = 0; round < 10000; round++)
        echo(transport, 1 + round * 37 % 3000, sizeof got);
    shut(transport);
}

static void a_hundred_replugs(void **state)
{
    kkt_event event;
    (void)state;
    kkt *device = open_device(NULL);
    for (unsigned round = 0; round < 100; round++) {
        sim_do("unplug 1");
        assert_int_equal(next(device, 5000, &event), KKT_EVENT_LOST);
        sim_do("plug 1 10");
        assert_int_equal(next(device, 10000, &event), KKT_EVENT_BACK);
        struct transport *transport = open_soon("usb:SIM2");
        echo(transport, 500, sizeof got);
        shut(transport);
    }
    kkt_close(device);
}

int main(int count, char **words)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_length),
        cmocka_unit_test(nothing_is_lost_after_waiting_in_vain),
        cmocka_unit_test(closing_takes_back_what_waits),
        cmocka_unit_test(a_board_is_held_by_one),
        cmocka_unit_test(boards_are_not_mixed_up),
        cmocka_unit_test(an_endpoint_left_halted_is_cleared),
        cmocka_unit_test(unplugging_is_seen_at_once),
        cmocka_unit_test(plugging_in_wakes_who_waits),
        cmocka_unit_test(pulled_at_every_transfer),
        cmocka_unit_test(who_is_called_has_to_be_it),
        cmocka_unit_test(events_come),
        cmocka_unit_test(lost_and_back),
        cmocka_unit_test(an_outage_nobody_saw_is_told),
        cmocka_unit_test(silence_is_noticed),
        cmocka_unit_test(pulled_at_every_transfer_of_a_long_message),
    };
    const struct CMUnitTest faults[] = {
        cmocka_unit_test(messages_of_every_length),
        cmocka_unit_test(an_endpoint_left_halted_is_cleared),
    };
    const struct CMUnitTest soak[] = {
        cmocka_unit_test(ten_thousand_echoes),
        cmocka_unit_test(a_hundred_replugs),
    };
    if (count > 2)
        cmocka_set_test_filter(words[2]);
    if (count > 1 && strcmp(words[1], "faults") == 0)
        return cmocka_run_group_tests_name("usb faults", faults, fill, NULL);
    if (count > 1 && strcmp(words[1], "soak") == 0)
        return cmocka_run_group_tests_name("usb soak", soak, fill, NULL);
    return cmocka_run_group_tests_name("usb", tests, fill, NULL);
}
