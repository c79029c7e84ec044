/* The driver's USB transport and its reconnecting through the real libusb, against simulated boards:
 * `usb-sim` puts them below umockdev, `usb-sim-vhci` below a real kernel; the verdicts must be the
 * same.
 *
 *     usb-sim --program mixed --boards 4 -- usb_suite [all|speed|faults [NAME]]
 *
 * SIM1 and SIM4 carry the host link, SIM2 and SIM3 echo. "speed" also compares rates and counts wake-ups,
 * for a program without sanitizers; "faults" is the few tests that faults of a board are shown to.
 */
#include <dirent.h>
#include <libusb-1.0/libusb.h>

#include "hostdrv/arrival.h"
#include "hostdrv/clock.h"
#include "hostdrv/device.h"
#include "hostdrv/transport.h"
#include "proto/link_message.h"
#include "proto/usb_link.h"
#include "tests/usb/sim_client.h"

#define SOON_MS 1000u /* more than any of it takes, less than any time-out */

static uint8_t sent[262144], got[262144];

static uint64_t since(uint64_t began_ms)
{
    return host_clock_ms() - began_ms;
}

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

static int fill(void **state)
{
    uint32_t noise = 1;
    (void)state;
    for (size_t i = 0; i < sizeof sent; i++) {
        noise = noise * 1664525u + 1013904223u;
        sent[i] = (uint8_t)(noise >> 24);
    }
    return 0;
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
    for (unsigned tries = 0; try_open("usb:SIM2", &transport) != KKT_OK; tries++) {
        assert_in_range(tries, 0, 100);
        host_clock_sleep(20);
    }
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
        struct transport *transport = NULL;
        uint64_t began_ms = host_clock_ms();
        while (try_open("usb:SIM2", &transport) != KKT_OK) {
            assert_in_range(since(began_ms), 0, 5 * SOON_MS);
            host_clock_sleep(5);
        }
        assert_non_null(transport);
        const struct transport_operations *does = transport->operations;
        snprintf(words, sizeof words, "pull 2 %u", number);
        sim_do(words);
        began_ms = host_clock_ms();
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
    struct transport *transport = open_board("usb:SIM2");
    echo(transport, 100, sizeof got);
    shut(transport);
}

/* ---- the handle ---- */

static kkt *open_device(const kkt_options *options)
{
    kkt *device;
    kkt_error error;
    if (kkt_open("usb:SIM1", options, &device, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return device;
}

static unsigned next(kkt *device, unsigned timeout_ms, kkt_event *event)
{
    kkt_error error;
    if (kkt_next_event(device, timeout_ms, event, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return event->kind;
}

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
    /* By the schedule it would be tried at 1.5 and 3.1 s. */
    sim_do("plug 1 1400");
    assert_int_equal(next(device, 10000, &event), KKT_EVENT_BACK);
    assert_in_range(since(began_ms), 1600, 1700 + SOON_MS);
    assert_in_range(event.outage_ms, 1600, 1700 + SOON_MS);
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
    for (unsigned number = 1; pulls + 1 >= number; number++) {
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
    print_message("a message of 30,000 bytes there and back has %u transfers\n", pulls);
    assert_in_range(pulls, 3, 200);
    kkt_close(device);
}

/* ---- speed ---- */

static unsigned long wakeups(void)
{
    unsigned long sum = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task = readdir(tasks); task != NULL; task = readdir(tasks)) {
        char path[300], line[128];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = task->d_name[0] != '.' ? fopen(path, "re") : NULL;
        while (file != NULL && fgets(line, sizeof line, file) != NULL) {
            if (strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
                sum += strtoul(line + 24, NULL, 10);
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(tasks);
    return sum;
}

static void an_idle_device_sleeps(void **state)
{
    kkt_event event;
    (void)state;
    kkt *device = open_device(NULL);
    unsigned long before = wakeups();
    assert_int_equal(next(device, 5000, &event), KKT_EVENT_NONE);
    unsigned long after = wakeups();
    print_message("bench: usb_idle_wakeups %lu in 5 s limit <=5\n", after - before);
    assert_in_range(after - before, 0, 5);
    kkt_close(device);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

#define SPEED_BYTES  30000
#define SPEED_ROUNDS 41

/* Bare libusb at its best: both directions at once, in pieces as large as Linux takes. */
struct bare {
    int in, out_pending;
};

static void LIBUSB_CALL bare_done(struct libusb_transfer *transfer)
{
    struct bare *bare = transfer->user_data;
    assert_int_equal(transfer->status, LIBUSB_TRANSFER_COMPLETED);
    if ((transfer->endpoint & 0x80) == 0) {
        bare->out_pending--;
        return;
    }
    bare->in += transfer->actual_length;
    if (bare->in < SPEED_BYTES)
        assert_int_equal(libusb_submit_transfer(transfer), 0);
}

static uint64_t bare_transfers(libusb_context *context, libusb_device_handle *handle, bool echoed)
{
    static unsigned char back[16384];
    struct bare bare = {.in = echoed ? 0 : SPEED_BYTES, .out_pending = 2};
    struct libusb_transfer *transfers[3];
    for (unsigned i = 0; i < 3; i++)
        transfers[i] = libusb_alloc_transfer(0);
    libusb_fill_bulk_transfer(transfers[0], handle, 0x01, sent, 16384, bare_done, &bare, 0);
    libusb_fill_bulk_transfer(transfers[1], handle, 0x01, sent + 16384, SPEED_BYTES - 16384,
                              bare_done, &bare, 0);
    libusb_fill_bulk_transfer(transfers[2], handle, 0x81, back, sizeof back, bare_done, &bare, 0);
    uint64_t began_us = now_us();
    for (unsigned i = 0; i < (echoed ? 3u : 2u); i++)
        assert_int_equal(libusb_submit_transfer(transfers[i]), 0);
    while (bare.in < SPEED_BYTES || bare.out_pending > 0)
        assert_int_equal(libusb_handle_events(context), 0);
    uint64_t took_us = now_us() - began_us;
    for (unsigned i = 0; i < 3; i++)
        libusb_free_transfer(transfers[i]);
    return took_us;
}

/* The board on this port of the hub, taken. */
static libusb_device_handle *bare_board(libusb_context *context, unsigned port)
{
    libusb_device **devices;
    libusb_device_handle *handle = NULL;
    ssize_t count = libusb_get_device_list(context, &devices);
    for (ssize_t i = 0; i < count; i++) {
        if (libusb_get_port_number(devices[i]) == port)
            assert_int_equal(libusb_open(devices[i], &handle), 0);
    }
    libusb_free_device_list(devices, 1);
    assert_int_equal(libusb_claim_interface(handle, 0), 0);
    assert_int_equal(libusb_clear_halt(handle, 0x01), 0); /* an earlier test's */
    assert_int_equal(libusb_clear_halt(handle, 0x81), 0);
    return handle;
}

static uint64_t long_receipt(kkt *device)
{
    const struct link_client_answer *answer;
    kkt_error error;
    uint64_t began_us = now_us();
    assert_int_equal(device_ask(device, LINK_RECEIPT, sent, SPEED_BYTES, 5000, &answer, &error),
                     KKT_OK);
    return now_us() - began_us;
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t median(uint64_t *times)
{
    qsort(times, SPEED_ROUNDS, sizeof times[0], by_size);
    return times[SPEED_ROUNDS / 2];
}

static unsigned tell_ratio(const char *name, const char *limit, uint64_t bare_us, uint64_t ours_us)
{
    unsigned percent = (unsigned)(bare_us * 100u / (ours_us + 1));
    print_message("bench: %s %u.%02u ratio%s\n", name, percent / 100, percent % 100, limit);
    return percent;
}

/* Bytes per second of a receipt, from the request to the answer, to those of libusb alone: an echo,
 * which moves its bytes twice, and a mere sending of as much, which waits for no answer. */
static void as_fast_as_libusb(void **state)
{
    static uint64_t echoed[SPEED_ROUNDS], written[SPEED_ROUNDS], ours[SPEED_ROUNDS];
    libusb_context *context;
    (void)state;
    kkt *device = open_device(NULL);
    assert_int_equal(libusb_init(&context), 0);
    libusb_device_handle *echo_board = bare_board(context, 2), *link_board = bare_board(context, 4);
    for (unsigned round = 0; round < SPEED_ROUNDS; round++) {
        echoed[round] = bare_transfers(context, echo_board, true);
        written[round] = bare_transfers(context, link_board, false);
        ours[round] = long_receipt(device);
    }
    uint64_t receipt_us = median(ours);
    assert_in_range(
        tell_ratio("usb_receipt_30k_to_bare_echo", " limit >=0.80", median(echoed) / 2, receipt_us),
        80, 100000);
    tell_ratio("usb_receipt_30k_to_bare_writing", "", median(written), receipt_us);
    libusb_close(echo_board);
    libusb_close(link_board);
    libusb_exit(context);
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
    const struct CMUnitTest speed[] = {
        cmocka_unit_test(an_idle_device_sleeps),
        cmocka_unit_test(as_fast_as_libusb),
    };
    if (count > 2)
        cmocka_set_test_filter(words[2]);
    if (count > 1 && strcmp(words[1], "faults") == 0)
        return cmocka_run_group_tests_name("usb faults", faults, fill, NULL);
    int failed = cmocka_run_group_tests_name("usb", tests, fill, NULL);
    if (count > 1 && strcmp(words[1], "speed") == 0)
        failed += cmocka_run_group_tests_name("usb speed", speed, fill, NULL);
    return failed;
}
