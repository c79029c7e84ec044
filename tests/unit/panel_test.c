/* The control panel of emulated devices: verbs, the socket, and the cable of a device that stands
 * alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "board/panel/panel.h"
#include "board/panel/panel_socket.h"
#include "board/posix/posix_uart.h"

struct toy {
    unsigned other;
    unsigned colour;
    unsigned heard;
};

static int paint(struct panel_request *request)
{
    unsigned *colour = request->part;
    uint32_t shade = 0;
    if (request->argument != NULL && !panel_number(request->argument, &shade))
        return panel_want_argument(request);
    *colour = request->verb->parameter + shade;
    return PANEL_DONE;
}

static int look(struct panel_request *request)
{
    const unsigned *colour = request->part;
    panel_say(request,
              request->argument == NULL ? "colour %u at %u\n" : "{\"colour\":%u,\"at\":%u}",
              *colour, (unsigned)request->now_ms);
    return PANEL_DONE;
}

static void heard(void *device, const char *line)
{
    struct toy *toy = device;
    assert_non_null(line);
    toy->heard++;
}

static const struct panel_verb verbs[] = {
    {"paint red-ish", "SHADE", paint, 100, offsetof(struct toy, colour), false},
    {"paint red", NULL, paint, 1, offsetof(struct toy, colour), false},
    {"paint blue", "[SHADE]", paint, 2, offsetof(struct toy, colour), false},
    {"look", "[--json]", look, 0, offsetof(struct toy, colour), true},
};
static const struct panel panel = {verbs, sizeof verbs / sizeof verbs[0], "the verbs\n", heard};

static enum panel_status say(struct toy *toy, const char *line, char *text, size_t capacity)
{
    return panel_execute(&panel, toy, line, 7, text, capacity);
}

static void test_verbs(void **state)
{
    struct toy toy = {0};
    char text[100];
    (void)state;
    assert_int_equal(say(&toy, "paint red", text, sizeof text), PANEL_DONE);
    assert_int_equal(toy.colour, 1);
    assert_int_equal(say(&toy, "paint red-ish 7", text, sizeof text), PANEL_DONE);
    assert_int_equal(toy.colour, 107);
    assert_int_equal(say(&toy, "paint blue", text, sizeof text), PANEL_DONE);
    assert_int_equal(toy.colour, 2);
    assert_int_equal(toy.other, 0);
    assert_int_equal(toy.heard, 3);
    assert_int_equal(say(&toy, "look", text, sizeof text), PANEL_DONE);
    assert_string_equal(text, "colour 2 at 7\n");
    assert_int_equal(say(&toy, "look --json", text, sizeof text), PANEL_DONE);
    assert_string_equal(text, "{\"colour\":2,\"at\":7}");
    assert_int_equal(toy.heard, 3); /* who only asks is not told of */
}

static void test_lines_that_fit_no_verb(void **state)
{
    static const char *const lines[] = {
        "",           "paint",        "paint reddish", "paint red 1",
        "look --xml", "pain",         "lookout",       "paint blue-sky",
        "paint  red", "paint blue x", "PAINT RED",     "paint blue 99999999999"};
    struct toy toy = {0};
    char text[200];
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(say(&toy, lines[i], text, sizeof text), PANEL_MISUNDERSTOOD);
        assert_true(text[0] != '\0');
        assert_int_equal(toy.colour, 0);
    }
    assert_int_equal(say(&toy, "paint blue x", text, sizeof text), PANEL_MISUNDERSTOOD);
    assert_string_equal(text, "paint blue wants [SHADE]\n");
}

static void test_an_answer_longer_than_its_room_is_cut(void **state)
{
    struct toy toy = {0};
    char text[8];
    (void)state;
    for (size_t capacity = 1; capacity <= sizeof text; capacity++) {
        memset(text, 'x', sizeof text);
        assert_int_equal(say(&toy, "look", text, capacity), PANEL_DONE);
        assert_int_equal(strlen(text), capacity - 1);
    }
}

/* ---- the socket ---- */

static int answer(void *context, const char *line, char *text, size_t capacity)
{
    return (int)say(context, line, text, capacity);
}

/* Lets the server do all it can at once. */
static unsigned serve_all(struct panel_socket *server, struct toy *toy)
{
    struct pollfd entries[PANEL_POLL];
    unsigned executed = 0;
    unsigned count = panel_socket_poll(server, entries);
    while (poll(entries, count, 0) > 0) {
        executed += panel_socket_serve(server, entries, count, answer, toy);
        count = panel_socket_poll(server, entries);
    }
    return executed;
}

static void make_address(char directory[40], char path[80])
{
    strcpy(directory, "/tmp/kkt-panel-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, 80, "unix:%s/socket", directory);
}

static int connected(const char *address)
{
    struct posix_address parsed;
    assert_true(posix_address_parse(address, &parsed));
    int fd = posix_connect(&parsed);
    assert_true(fd >= 0);
    return fd;
}

static void test_lines_over_the_socket(void **state)
{
    char directory[40], path[80], text[100] = "";
    struct panel_socket server;
    struct toy toy = {0};
    (void)state;
    make_address(directory, path);
    assert_true(panel_socket_open(&server, path));
    int whole = connected(path), parts = connected(path), endless = connected(path);
    char noise[PANEL_LINE];
    memset(noise, 'n', sizeof noise);
    assert_int_equal(send(endless, noise, sizeof noise, 0), sizeof noise);
    assert_int_equal(send(parts, "loo", 3, 0), 3);
    assert_int_equal(send(whole, "paint red\n", 10, 0), 10);
    assert_int_equal(serve_all(&server, &toy), 1);
    assert_int_equal(recv(whole, text, sizeof text, 0), 2);
    assert_memory_equal(text, "0\n", 2);
    assert_int_equal(recv(whole, text, sizeof text, 0), 0);
    assert_int_equal(send(parts, "k\n", 2, 0), 2);
    assert_int_equal(serve_all(&server, &toy), 1);
    assert_int_equal(recv(parts, text, sizeof text, 0), 2 + 14);
    assert_memory_equal(text, "0\ncolour 1 at 7\n", 16);
    assert_true(recv(endless, text, sizeof text, 0) <= 0); /* hung up on */
    close(whole), close(parts), close(endless);
    panel_socket_close(&server);
    assert_int_equal(rmdir(directory), 0); /* the socket is gone too */
}

static void test_the_socket_of_a_killed_owner_is_replaced(void **state)
{
    char directory[40], path[80];
    struct panel_socket first, second;
    (void)state;
    make_address(directory, path);
    assert_true(panel_socket_open(&first, path));
    assert_true(panel_socket_open(&second, path));
    int client = connected(path);
    close(client);
    panel_socket_close(&second);
    panel_socket_close(&first);
    assert_int_equal(rmdir(directory), 0);
    assert_false(panel_socket_open(&first, path)); /* no such directory any more */
    assert_int_equal(errno, ENOENT);
}

/* ---- a device's cable ---- */

static enum posix_uart_event turn(struct posix_uart *uart)
{
    struct pollfd entry;
    posix_uart_poll(uart, &entry);
    return posix_uart_pump(uart, poll(&entry, 1, 1000) > 0 ? entry.revents : (short)0);
}

static void test_a_cable_is_plugged_and_pulled(void **state)
{
    char directory[40], path[80], name[100], error[100];
    uint8_t bytes[16];
    struct posix_uart uart;
    (void)state;
    make_address(directory, path);
    assert_true(posix_uart_open(&uart, path, 8, 8, error, sizeof error));
    posix_uart_name(&uart, name, sizeof name);
    assert_string_equal(name, path);
    int first = connected(path);
    assert_int_equal(turn(&uart), POSIX_UART_PLUGGED);
    int second = connected(path); /* waits until the first has gone */
    assert_int_equal(send(first, "abc", 3, 0), 3);
    assert_int_equal(turn(&uart), POSIX_UART_BYTES);
    assert_int_equal(posix_buffer_take(&uart.stream.in, bytes, sizeof bytes), 3);
    assert_int_equal(posix_buffer_put(&uart.stream.out, (const uint8_t *)"xyz", 3), 3);
    (void)posix_uart_pump(&uart, 0);
    assert_int_equal(recv(first, bytes, sizeof bytes, 0), 3);
    /* What was said before the plug came out is heard once, then the next one has its turn. */
    assert_int_equal(send(first, "end", 3, 0), 3);
    close(first);
    assert_int_equal(turn(&uart), POSIX_UART_BYTES);
    assert_int_equal(posix_buffer_take(&uart.stream.in, bytes, sizeof bytes), 3);
    assert_int_equal(turn(&uart), POSIX_UART_GONE);
    assert_int_equal(turn(&uart), POSIX_UART_PLUGGED);
    /* A device that takes nothing still sees the end. */
    assert_int_equal(send(second, "0123456789", 10, 0), 10);
    assert_int_equal(turn(&uart), POSIX_UART_BYTES);
    assert_int_equal(posix_buffer_used(&uart.stream.in), 8);
    close(second);
    assert_int_equal(turn(&uart), POSIX_UART_GONE);
    assert_int_equal(posix_buffer_used(&uart.stream.in), 0);
    posix_uart_close(&uart);
    assert_int_equal(rmdir(directory), 0);
    assert_false(posix_uart_open(&uart, "nowhere", 8, 8, error, sizeof error));
    posix_uart_close(&uart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_lines_that_fit_no_verb),
        cmocka_unit_test(test_an_answer_longer_than_its_room_is_cut),
        cmocka_unit_test(test_lines_over_the_socket),
        cmocka_unit_test(test_the_socket_of_a_killed_owner_is_replaced),
        cmocka_unit_test(test_a_cable_is_plugged_and_pulled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
