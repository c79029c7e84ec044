/* The emulated board without firmware: ports, ctl, host takeover, clock, drawer, and what
 * a restart remembers. */
#include "tests/unit/posix_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "board/posix/posix_file.h"
#include "board/posix/posix_options.h"
#include "proto/fn_frame.h"

static unix_s calendar(struct fixture *fixture)
{
    struct moment now;
    posix_board_moment(fixture->posix, &now);
    return now.calendar;
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    const struct timeval patience = {.tv_sec = 5};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static int host_read(struct fixture *fixture, uint8_t *data, size_t size)
{
    return fixture->board->port_read(fixture->board->context, BOARD_PORT_HOST, data, size);
}

static int host_write(struct fixture *fixture, const void *data, size_t size)
{
    return fixture->board->port_write(fixture->board->context, BOARD_PORT_HOST, data, size);
}

static uint32_t generation(struct fixture *fixture)
{
    return fixture->board->port_generation(fixture->board->context, BOARD_PORT_HOST);
}

/* ---- host link ---- */

static void test_host_bytes_both_ways(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[16];
    assert_true(host_read(fixture, bytes, sizeof bytes) < 0);
    assert_true(host_write(fixture, "x", 1) < 0);
    int host = dial(posix_board_port(fixture->posix));
    assert_true(host >= 0);
    live(fixture, 3, 100);
    assert_int_equal(host_read(fixture, bytes, sizeof bytes), 0);
    assert_int_equal(send(host, "hello", 5, 0), 5);
    live(fixture, 1, 2000);
    assert_int_equal(host_read(fixture, bytes, 2), 2);
    assert_int_equal(host_read(fixture, bytes + 2, 14), 3);
    assert_memory_equal(bytes, "hello", 5);
    assert_int_equal(host_write(fixture, "answer", 6), 6);
    live(fixture, 1, 0);
    assert_int_equal(recv(host, bytes, sizeof bytes, 0), 6);
    assert_memory_equal(bytes, "answer", 6);
    /* What a host said before it died is still heard. */
    assert_int_equal(send(host, "last", 4, 0), 4);
    close(host);
    live(fixture, 3, 100);
    assert_int_equal(host_read(fixture, bytes, sizeof bytes), 4);
    live(fixture, 2, 10);
    assert_true(host_read(fixture, bytes, sizeof bytes) < 0);
}

static void test_newest_host_wins(void **state)
{
    struct fixture *fixture = *state;
    uint8_t bytes[16];
    int old = dial(posix_board_port(fixture->posix));
    live(fixture, 2, 100);
    uint32_t before = generation(fixture);
    assert_int_equal(send(old, "half a fra", 10, 0), 10);
    live(fixture, 1, 1000);
    int fresh = dial(posix_board_port(fixture->posix));
    live(fixture, 2, 100);
    assert_true(generation(fixture) > before);
    assert_int_equal(host_read(fixture, bytes, sizeof bytes), 0);
    assert_true(recv(old, bytes, sizeof bytes, 0) <= 0);
    assert_int_equal(send(fresh, "mine", 4, 0), 4);
    live(fixture, 1, 1000);
    assert_int_equal(host_read(fixture, bytes, sizeof bytes), 4);
    close(old);
    close(fresh);
}

static void test_big_answer_waits_for_a_slow_host(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t block[1000], drain[1 << 18];
    int host = dial(posix_board_port(fixture->posix));
    const int small = 1 << 17;
    setsockopt(host, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    live(fixture, 2, 100);
    size_t written = 0;
    while (written < 8000000u) {
        int taken = host_write(fixture, block, sizeof block);
        assert_true(taken >= 0);
        written += (size_t)taken;
        live(fixture, 1, 0);
        if (taken < (int)sizeof block)
            break;
    }
    assert_true(written < 8000000u); /* sooner or later there is no room, and no byte is lost */
    size_t got = 0;
    while (got < written) {
        ssize_t part = recv(host, drain, sizeof drain, MSG_DONTWAIT);
        if (part < 0)
            live(fixture, 1, 1);
        else
            got += (size_t)part;
        assert_true(part != 0);
    }
    assert_int_equal(got, written);
    close(host);
}

static void test_link_drop_and_down(void **state)
{
    struct fixture *fixture = *state;
    uint8_t byte;
    uint16_t port = posix_board_port(fixture->posix);
    assert_int_equal(ctl(fixture, "link drop"), 1);
    int host = dial(port);
    live(fixture, 2, 100);
    assert_int_equal(ctl(fixture, "link drop"), 0);
    assert_int_equal(recv(host, &byte, 1, 0), 0);
    close(host);
    assert_int_equal(ctl(fixture, "link down"), 0);
    assert_int_equal(dial(port), -1);
    assert_int_equal(ctl(fixture, "link up"), 0);
    host = dial(port);
    assert_true(host >= 0);
    close(host);
    assert_int_equal(ctl(fixture, "link down"), 0);
    close_board(fixture);
    open_board(fixture); /* the cable is still out */
    assert_int_equal(dial(posix_board_port(fixture->posix)), -1);
}

/* ---- ctl ---- */

static void test_unknown_verbs_are_listed(void **state)
{
    struct fixture *fixture = *state;
    const char *wrong[] = {"",
                           "paper",
                           "paper eat",
                           "paper out now",
                           "paper out-after",
                           "fn",
                           "paper out-after many",
                           "fn delay",
                           "clock set yesterday",
                           "powercut",
                           "status --xml",
                           "clock advance -5",
                           "power cut-at-flash-op"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(ctl(fixture, wrong[i]), 2);
        assert_true(strlen(fixture->text) > 10);
    }
    ctl(fixture, "dance");
    assert_non_null(strstr(fixture->text, "drawer stuck"));
}

static struct json_object *ctl_json(struct fixture *fixture, const char *line)
{
    assert_int_equal(ctl(fixture, line), 0);
    struct json_object *object = json_tokener_parse(fixture->text);
    assert_true(json_object_is_type(object, json_type_object));
    return object;
}

static const char *text_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    assert_true(json_object_object_get_ex(object, name, &value));
    return json_object_get_string(value);
}

static int64_t number_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    assert_true(json_object_object_get_ex(object, name, &value));
    assert_true(json_object_is_type(value, json_type_int));
    return json_object_get_int64(value);
}

static void test_world_survives_a_restart(void **state)
{
    struct fixture *fixture = *state;
    const char *lines[] = {"paper near-end", "cover open", "printer fault",
                           "drawer stuck",   "net down",   "fn off"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_int_equal(ctl(fixture, lines[i]), 0);
    close_board(fixture);
    fixture->options.flash_size = 0;
    open_board(fixture);
    struct json_object *status = ctl_json(fixture, "status --json");
    assert_string_equal(text_of(status, "paper"), "near-end");
    assert_string_equal(text_of(status, "cover_open"), "true");
    assert_string_equal(text_of(status, "printer"), "fault");
    assert_string_equal(text_of(status, "drawer_stuck"), "true");
    assert_string_equal(text_of(status, "net"), "down");
    assert_string_equal(text_of(status, "fn"), "off");
    json_object_put(status);
    const char *back[] = {"paper in",    "cover close", "printer fix",
                          "drawer free", "net up",      "fn on"};
    for (size_t i = 0; i < sizeof back / sizeof back[0]; i++)
        assert_int_equal(ctl(fixture, back[i]), 0);
    close_board(fixture);
    open_board(fixture);
    status = ctl_json(fixture, "status --json");
    assert_string_equal(text_of(status, "paper"), "in");
    assert_string_equal(text_of(status, "printer"), "on");
    assert_string_equal(text_of(status, "fn"), "built-in");
    json_object_put(status);
}

static void test_ctl_over_the_socket(void **state)
{
    struct fixture *fixture = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[4096];
    snprintf(address.sun_path, sizeof address.sun_path, "%s/ctl.sock", fixture->state);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    live(fixture, 1, 1000);
    assert_int_equal(send(client, "net d", 5, 0), 5);
    live(fixture, 1, 50);
    assert_int_equal(send(client, "own\n", 4, 0), 4);
    live(fixture, 1, 1000);
    assert_int_equal(recv(client, got, sizeof got, 0), 2);
    assert_memory_equal(got, "0\n", 2);
    assert_int_equal(recv(client, got, sizeof got, 0), 0);
    close(client);
    struct json_object *status = ctl_json(fixture, "status --json");
    assert_string_equal(text_of(status, "net"), "down");
    json_object_put(status);
    /* A line without an end is not kept for ever. */
    client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    memset(got, 'x', sizeof got);
    live(fixture, 1, 1000);
    assert_int_equal(send(client, got, 1000, 0), 1000);
    live(fixture, 3, 100);
    assert_true(send(client, got, 1000, MSG_NOSIGNAL) < 0 || recv(client, got, 10, 0) <= 0);
    close(client);
}

static void test_stats_count_flash(void **state)
{
    struct fixture *fixture = *state;
    const struct board_flash *flash = &fixture->board->flash;
    void *context = fixture->board->context;
    assert_int_equal(flash->program(context, 0, "abc", 3), 0);
    assert_int_equal(flash->sync(context), 0);
    assert_int_equal(flash->erase(context, 4096), 0);
    struct json_object *stats = ctl_json(fixture, "stats --json");
    assert_int_equal(number_of(stats, "flash_programs"), 1);
    assert_int_equal(number_of(stats, "flash_programmed_bytes"), 3);
    assert_int_equal(number_of(stats, "flash_erases"), 1);
    assert_int_equal(number_of(stats, "drawer_openings"), 0);
    assert_int_equal(number_of(stats, "slips"), 0);
    json_object_put(stats);
    assert_int_equal(ctl(fixture, "stats"), 0);
    assert_non_null(strstr(fixture->text, "flash_erases"));
}

/* ---- clock, drawer, FN, printer ---- */

static void assert_near(unix_s time, unix_s wanted)
{
    assert_true(time >= wanted && time <= wanted + 3);
}

static void test_clock_is_remembered(void **state)
{
    struct fixture *fixture = *state;
    unix_s wanted = 0;
    assert_true(calendar(fixture) > 1600000000u);
    assert_int_equal(ctl(fixture, "clock set 2026-03-01T10:00:00"), 0);
    assert_true(calendar_parse("2026-03-01T10:00:00", 19, &wanted));
    assert_near(calendar(fixture), wanted);
    close_board(fixture);
    open_board(fixture);
    assert_near(calendar(fixture), wanted);
    assert_int_equal(ctl(fixture, "clock advance 86400"), 0);
    assert_near(calendar(fixture), wanted + 86400);
    assert_int_equal(ctl(fixture, "clock unset"), 0);
    assert_int_equal(calendar(fixture), 0);
    assert_int_equal(ctl(fixture, "clock advance 1"), 1);
    close_board(fixture);
    open_board(fixture);
    assert_int_equal(calendar(fixture), 0);
    assert_int_equal(fixture->board->clock_set(fixture->board->context, wanted), 0);
    assert_near(calendar(fixture), wanted);
}

static size_t drawer_lines(struct fixture *fixture)
{
    char path[120], text[2000];
    size_t lines = 0;
    snprintf(path, sizeof path, "%s/drawer.log", fixture->state);
    if (!posix_file_text(AT_FDCWD, path, text, sizeof text))
        return 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    return lines;
}

static void test_drawer(void **state)
{
    struct fixture *fixture = *state;
    const struct board *board = fixture->board;
    assert_false(board->drawer_is_open(board->context));
    board->drawer_pulse(board->context, 200);
    assert_true(board->drawer_is_open(board->context));
    board->drawer_pulse(board->context, 200); /* an open drawer does not open again */
    assert_int_equal(drawer_lines(fixture), 1);
    for (unsigned i = 0; i < 100 && board->drawer_is_open(board->context); i++)
        live(fixture, 1, 10);
    assert_false(board->drawer_is_open(board->context));
    assert_int_equal(ctl(fixture, "drawer stuck"), 0);
    board->drawer_pulse(board->context, 200);
    assert_false(board->drawer_is_open(board->context));
    assert_int_equal(ctl(fixture, "drawer free"), 0);
    board->drawer_pulse(board->context, 200);
    assert_int_equal(drawer_lines(fixture), 2);
    assert_int_equal(ctl(fixture, "drawer stuck"), 0);
    assert_int_equal(ctl(fixture, "drawer close"), 1);
    assert_int_equal(ctl(fixture, "drawer free"), 0);
    assert_int_equal(ctl(fixture, "drawer close"), 0);
    assert_false(board->drawer_is_open(board->context));
}

/* Sends 30h to the FN and waits up to half a second for a whole answer. True:
 * it came and says 00. */
static bool fn_answers(struct fixture *fixture)
{
    const struct board *board = fixture->board;
    struct fn_decoder decoder;
    uint8_t frame[FN_FRAME_MAX], byte, code = 0xFF;
    const uint8_t *data;
    size_t size = fn_frame_encode(FN_STATUS, NULL, 0, frame, sizeof frame), data_size;
    while (board->port_read(board->context, BOARD_PORT_FN, &byte, 1) > 0)
        continue;
    assert_int_equal(board->port_write(board->context, BOARD_PORT_FN, frame, size), (int)size);
    fn_decoder_init(&decoder);
    for (unsigned i = 0; i < 50; i++) {
        live(fixture, 1, 10);
        while (board->port_read(board->context, BOARD_PORT_FN, &byte, 1) > 0)
            if (fn_decoder_push(&decoder, byte, &code, &data, &data_size) == FN_DECODED_FRAME)
                return (code & ~FN_ANSWER_WARNING) == FN_OK && data_size >= FN_STATUS_SIZE;
    }
    return false;
}

static void test_fn_behind_its_uart(void **state)
{
    struct fixture *fixture = *state;
    assert_true(fn_answers(fixture));
    assert_int_equal(ctl(fixture, "fn off"), 0);
    assert_false(fn_answers(fixture));
    assert_int_equal(ctl(fixture, "fn on"), 0);
    assert_true(fn_answers(fixture));
    assert_int_equal(ctl(fixture, "fn lose-answers 2"), 0);
    assert_false(fn_answers(fixture));
    assert_false(fn_answers(fixture));
    assert_true(fn_answers(fixture));
    struct json_object *stats = ctl_json(fixture, "stats --json");
    assert_int_equal(number_of(stats, "fn_commands"), 5);
    json_object_put(stats);
}

static void test_printer_answers_its_status(void **state)
{
    struct fixture *fixture = *state;
    const struct board *board = fixture->board;
    const uint8_t question[] = {0x10, 0x04, 0x04}; /* DLE EOT 4: paper */
    uint8_t in = 0, out = 0;
    board->port_write(board->context, BOARD_PORT_PRINTER, question, sizeof question);
    live(fixture, 2, 10);
    assert_int_equal(board->port_read(board->context, BOARD_PORT_PRINTER, &in, 1), 1);
    assert_int_equal(ctl(fixture, "paper out"), 0);
    board->port_write(board->context, BOARD_PORT_PRINTER, question, sizeof question);
    live(fixture, 2, 10);
    assert_int_equal(board->port_read(board->context, BOARD_PORT_PRINTER, &out, 1), 1);
    assert_int_equal(in & 0x60, 0);
    assert_int_equal(out & 0x60, 0x60);
}

static void test_slip_comes_out(void **state)
{
    struct fixture *fixture = *state;
    const struct board *board = fixture->board;
    const uint8_t slip[] = "\x1b@one\ntwo\nthree\n\x1dV\x41\x20";
    assert_int_equal(board->port_write(board->context, BOARD_PORT_PRINTER, slip, sizeof slip - 1),
                     (int)sizeof slip - 1);
    live(fixture, 20, 10);
    struct json_object *stats = ctl_json(fixture, "stats --json");
    assert_int_equal(number_of(stats, "slips"), 1);
    json_object_put(stats);
    assert_int_equal(ctl(fixture, "paper out-after 2"), 0);
    board->port_write(board->context, BOARD_PORT_PRINTER, slip, sizeof slip - 1);
    live(fixture, 20, 10);
    struct json_object *status = ctl_json(fixture, "status --json");
    assert_string_equal(text_of(status, "paper"), "out");
    json_object_put(status);
}

/* ---- identity, options ---- */

static void test_identity_is_kept(void **state)
{
    struct fixture *fixture = *state;
    char error[300];
    assert_string_equal(fixture->board->serial, POSIX_BOARD_DEFAULT_SERIAL);
    close_board(fixture);
    fixture->options.serial = "12345";
    assert_null(posix_board_open(&fixture->options, error, sizeof error));
    assert_non_null(strstr(error, "another serial"));
    fixture->options.serial = "with space";
    assert_null(posix_board_open(&fixture->options, error, sizeof error));
    fixture->options.serial = NULL;
    fixture->options.columns = 40;
    assert_null(posix_board_open(&fixture->options, error, sizeof error));
    fixture->options.columns = 32;
    open_board(fixture);
    close_board(fixture);
    fixture->options.columns = 0;
    open_board(fixture);
    struct json_object *status = ctl_json(fixture, "status --json");
    assert_int_equal(number_of(status, "columns"), 32);
    json_object_put(status);
}

static void test_two_boards_in_one_process(void **state)
{
    struct fixture *fixture = *state;
    struct fixture second = *fixture;
    char path[100];
    snprintf(path, sizeof path, "%s/second", fixture->directory);
    second.options.state = path;
    second.options.serial = "SECOND";
    open_board(&second);
    assert_int_equal(ctl(&second, "drawer stuck"), 0);
    second.board->drawer_pulse(second.board->context, 100);
    fixture->board->drawer_pulse(fixture->board->context, 100);
    assert_false(second.board->drawer_is_open(second.board->context));
    assert_true(fixture->board->drawer_is_open(fixture->board->context));
    assert_int_not_equal(posix_board_port(fixture->posix), posix_board_port(second.posix));
    close_board(&second);
}

static bool parse(struct posix_command_line *line, const char *text)
{
    static char words[256];
    char *argv[20], *rest = NULL, error[200];
    int argc = 0;
    snprintf(words, sizeof words, "%s", text);
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return posix_options_parse(argc, argv, line, error, sizeof error);
}

static void test_command_line(void **state)
{
    struct posix_command_line line;
    (void)state;
    assert_true(parse(&line, "kkt-board --state d --columns 42 --pace 0 --no-png"));
    assert_int_equal(line.command, POSIX_COMMAND_RUN);
    assert_string_equal(line.options.state, "d");
    assert_int_equal(line.options.columns, 42);
    assert_true(line.options.unpaced && line.options.no_png && !line.options.quiet);
    assert_true(parse(&line, "kkt-board ctl --state d stats --json"));
    assert_int_equal(line.command, POSIX_COMMAND_CTL);
    assert_int_equal(line.word_count, 2);
    assert_string_equal(line.words[1], "--json");
    assert_true(parse(&line, "kkt-board journal --json --state d"));
    assert_true(line.json);
    assert_true(parse(&line, "kkt-board ctl"));
    assert_false(parse(&line, "kkt-board"));
    assert_false(parse(&line, "kkt-board run"));
    assert_false(parse(&line, "kkt-board --state"));
    assert_false(parse(&line, "kkt-board --state d --columns many"));
    assert_false(parse(&line, "kkt-board --state d --columns 0"));
    assert_false(parse(&line, "kkt-board --state d --flash-size 99999999999"));
    assert_false(parse(&line, "kkt-board --state d dance"));
    assert_false(parse(&line, "kkt-board fn --state d --listen 1:2"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_host_bytes_both_ways),
        CASE(test_newest_host_wins),
        CASE(test_big_answer_waits_for_a_slow_host),
        CASE(test_link_drop_and_down),
        CASE(test_unknown_verbs_are_listed),
        CASE(test_world_survives_a_restart),
        CASE(test_ctl_over_the_socket),
        CASE(test_stats_count_flash),
        CASE(test_clock_is_remembered),
        CASE(test_drawer),
        CASE(test_fn_behind_its_uart),
        CASE(test_printer_answers_its_status),
        CASE(test_slip_comes_out),
        CASE(test_identity_is_kept),
        CASE(test_two_boards_in_one_process),
        cmocka_unit_test(test_command_line),
    };
    return cmocka_run_group_tests_name("posix_board", tests, NULL, NULL);
}
