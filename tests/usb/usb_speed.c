/* What USB costs through the real libusb: wake-ups of an idle handle, and the rate of a long
 * receipt beside libusb alone, in one run. Without sanitizers, under
 *
 *     usb-sim --program mixed --boards 4 -- usb_speed
 */
#include <dirent.h>
#include <libusb-1.0/libusb.h>

#include "proto/link_message.h"
#include "tests/usb/suite.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_device_sleeps),
        cmocka_unit_test(as_fast_as_libusb),
    };
    return cmocka_run_group_tests_name("usb speed", tests, fill, NULL);
}
