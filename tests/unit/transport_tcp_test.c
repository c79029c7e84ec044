/* The TCP transport and a session over it: refused, silent, closed, garbled and slow boards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "fake_board.h"
#include "hostdrv/clock.h"
#include "hostdrv/transport.h"

static int listen_on(struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(listener, (struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)address, &length), 0);
    return listener;
}

static struct device_uri uri_of(const struct sockaddr_in *address, char text[64])
{
    struct device_uri uri;
    snprintf(text, 64, "tcp:127.0.0.1:%u", ntohs(address->sin_port));
    assert_int_equal(device_uri_parse(text, &uri, NULL), KKT_OK);
    return uri;
}

static void three_way_results(void **state)
{
    (void)state;
    struct sockaddr_in address;
    char text[64];
    uint8_t bytes[16];
    int listener = listen_on(&address);
    struct device_uri uri = uri_of(&address, text);
    struct transport *transport;
    assert_int_equal(transport_open(&uri, 1000, &transport, NULL), KKT_OK);
    const struct transport_operations *does = transport->operations;
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(does->read(transport, bytes, sizeof bytes), 0);
    assert_int_equal(does->wait(transport, false, 10), 0);
    assert_int_equal(does->wait(transport, true, 1000), 1);
    assert_int_equal(does->write(transport, (const uint8_t *)"hello", 5), 5);
    assert_int_equal(recv(peer, bytes, 5, MSG_WAITALL), 5);
    assert_int_equal(send(peer, "world", 5, 0), 5);
    assert_int_equal(does->wait(transport, false, 1000), 1);
    assert_int_equal(does->read(transport, bytes, 3), 3);
    assert_int_equal(does->read(transport, bytes + 3, 13), 2);
    assert_memory_equal(bytes, "world", 5);
    /* A peer that takes nothing: the write says so and does not block. */
    static uint8_t much[65536];
    int sent = 1;
    for (unsigned i = 0; i < 1000 && sent > 0; i++)
        sent = does->write(transport, much, sizeof much);
    assert_int_equal(sent, 0);
    assert_int_equal(send(peer, "last", 4, 0), 4);
    shutdown(peer, SHUT_WR);
    assert_int_equal(does->wait(transport, false, 1000), 1);
    assert_int_equal(does->read(transport, bytes, sizeof bytes), 4); /* first what came, */
    assert_int_equal(does->wait(transport, false, 1000), 1);
    assert_true(does->read(transport, bytes, sizeof bytes) < 0); /* then the end */
    close(peer);
    does->close(transport);
    close(listener);
}

static void nobody_there(void **state)
{
    (void)state;
    struct sockaddr_in address;
    char text[64];
    kkt_error error;
    kkt *device;
    int listener = listen_on(&address);
    uri_of(&address, text);
    close(listener);
    assert_int_equal(kkt_open(text, NULL, &device, &error), ERROR_LINK_LOST);
    assert_null(device);
    assert_non_null(strstr(error.text, "refused"));
    assert_int_equal(kkt_open("tcp:no.such.host.invalid:1", NULL, &device, &error),
                     ERROR_LINK_LOST);
    assert_string_equal(error.field, "host");
}

static void a_silent_board_ends_in_time(void **state)
{
    (void)state;
    struct sockaddr_in address;
    char text[64];
    kkt_error error;
    kkt *device;
    kkt_options options = {.connect_timeout_ms = 300};
    int listener = listen_on(&address);
    uri_of(&address, text);
    uint64_t began_ms = host_clock_ms();
    assert_int_equal(kkt_open(text, &options, &device, &error), ERROR_LINK_LOST);
    assert_in_range(host_clock_ms() - began_ms, 250, 2000);
    assert_null(device);
    close(listener);
}

/* Serves one connection: sends noise, then behaves; or closes at once. */
struct noisy {
    int listener;
    bool close_at_once;
};

static void *noisy_main(void *argument)
{
    struct noisy *noisy = argument;
    int peer = accept(noisy->listener, NULL, NULL);
    static const uint8_t noise[] = {1, 2, 3, 0, 0, 0xFF, 0xFF, 7, 0, 9, 9, 9};
    if (!noisy->close_at_once)
        send(peer, noise, sizeof noise, MSG_NOSIGNAL);
    usleep(50000);
    close(peer);
    return NULL;
}

static void garbage_and_hang_ups_are_told(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in address;
        char text[64];
        kkt_error error;
        kkt *device;
        pthread_t thread;
        struct noisy noisy = {.listener = listen_on(&address), .close_at_once = i == 1};
        uri_of(&address, text);
        pthread_create(&thread, NULL, noisy_main, &noisy);
        uint64_t began_ms = host_clock_ms();
        assert_int_equal(kkt_open(text, NULL, &device, &error), ERROR_LINK_LOST);
        assert_true(host_clock_ms() - began_ms < 2500); /* at the hang-up, not at the time-out */
        pthread_join(thread, NULL);
        close(noisy.listener);
    }
}

static void a_session_heals_by_itself(void **state)
{
    (void)state;
    struct fake_board *board = calloc(1, sizeof *board);
    char text[64];
    kkt_error error;
    kkt *device;
    kkt_identity identity;
    kkt_status status;
    kkt_counters counters;
    assert_non_null(board);
    fake_board_start(board, "BOARD-A");
    fake_board_uri(board, text);
    kkt_options options = {.expected_serial = "BOARD-A"};
    assert_int_equal(kkt_open(text, &options, &device, &error), KKT_OK);
    assert_int_equal(kkt_get_identity(device, &identity, &error), KKT_OK);
    assert_string_equal(identity.serial, "BOARD-A");
    assert_string_equal(identity.model, "FAKE");
    assert_string_equal(identity.inn, "7705546031");
    assert_int_equal(identity.ffd, 4);
    fake_board_unplug(board);
    assert_int_equal(kkt_get_status(device, &status, &error), ERROR_LINK_LOST);
    fake_board_listen(board);
    assert_int_equal(kkt_get_status(device, &status, &error), KKT_OK);
    /* Broken while nobody looked. */
    fake_board_unplug(board);
    fake_board_listen(board);
    assert_int_equal(kkt_get_status(device, &status, &error), KKT_OK);
    kkt_get_counters(NULL, device, &counters);
    assert_int_equal(counters.reconnects, 2);
    assert_true(counters.bytes_sent > 0 && counters.bytes_received > 0);
    /* Another board came back under the same address. */
    fake_board_unplug(board);
    strcpy(board->serial, "BOARD-B");
    fake_board_listen(board);
    assert_int_equal(kkt_get_status(device, &status, &error), ERROR_OTHER_DEVICE);
    kkt_close(device);
    fake_board_stop(board);
    free(board);
}

/* More of USB is another test's: here only that the transport answers for a board that is not
 * there. */
static void no_usb_board_is_told(void **state)
{
    (void)state;
    kkt *device;
    kkt_error error;
    assert_int_equal(kkt_open("usb:NO-SUCH-BOARD", NULL, &device, &error), ERROR_LINK_LOST);
    assert_null(device);
    assert_non_null(strstr(error.text, "NO-SUCH-BOARD"));
}

static void reconnecting_slows_down(void **state)
{
    (void)state;
    struct sockaddr_in address;
    char text[64];
    kkt_event event;
    kkt_error error;
    kkt *device;
    int listener = listen_on(&address);
    uri_of(&address, text);
    close(listener);
    assert_int_equal(kkt_open_lazy(text, NULL, &device, &error), KKT_OK);
    uint64_t began_ms = host_clock_ms();
    assert_int_equal(kkt_next_event(device, 800, &event, &error), ERROR_LINK_LOST);
    assert_in_range(host_clock_ms() - began_ms, 750, 1500);
    kkt_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_way_results),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(a_silent_board_ends_in_time),
        cmocka_unit_test(garbage_and_hang_ups_are_told),
        cmocka_unit_test(a_session_heals_by_itself),
        cmocka_unit_test(no_usb_board_is_told),
        cmocka_unit_test(reconnecting_slows_down),
    };
    return cmocka_run_group_tests_name("transport_tcp", tests, NULL, NULL);
}
