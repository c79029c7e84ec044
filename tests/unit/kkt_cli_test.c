/* The program kkt from outside: exit codes, what it prints, and that nothing is stored when a
 * request is refused. No board is needed: the device address is a port where nobody listens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/kkt/board_note.h"
#include "tools/kkt/cli.h"
#include "tools/kkt/json_input.h"

struct world {
    char folder[32], queue[64], note[80], file[64], uri[40];
    int socket; /* bound and not listening: connecting to it is refused */
    char *out, *err;
};

static int make_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    strcpy(world->folder, "/tmp/kkt-cli-test-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->queue, sizeof world->queue, "%s/queue.db", world->folder);
    snprintf(world->note, sizeof world->note, "%s.board", world->queue);
    snprintf(world->file, sizeof world->file, "%s/input", world->folder);
    world->socket = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(world->socket, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(world->socket, (struct sockaddr *)&address, &size), 0);
    snprintf(world->uri, sizeof world->uri, "tcp:127.0.0.1:%u", ntohs(address.sin_port));
    setenv("KKT_DEVICE", world->uri, 1);
    setenv("KKT_QUEUE", world->queue, 1);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    char command[80];
    close(world->socket);
    free(world->out);
    free(world->err);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    int code = system(command);
    free(world);
    return code;
}

static void write_file(const struct world *world, const char *text)
{
    FILE *file = fopen(world->file, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Runs kkt with words ended by NULL; what it printed is in world->out and world->err. */
static int run(struct world *world, ...)
{
    char *words[20] = {(char *)"kkt"};
    int count = 1;
    size_t out_size, err_size;
    va_list arguments;
    va_start(arguments, world);
    while ((words[count] = va_arg(arguments, char *)) != NULL)
        count++;
    va_end(arguments);
    free(world->out);
    free(world->err);
    world->out = world->err = NULL;
    FILE *out = open_memstream(&world->out, &out_size);
    FILE *err = open_memstream(&world->err, &err_size);
    int code = cli_run(count, words, out, err);
    fclose(out);
    fclose(err);
    return code;
}

static void wrong_usage_is_2(void **state)
{
    struct world *world = *state;
    assert_int_equal(run(world, "--help", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "usage: kkt"));
    assert_int_equal(run(world, "--version", NULL), CLI_DONE);
    assert_int_equal(run(world, NULL), CLI_USAGE);
    assert_int_equal(run(world, "dance", NULL), CLI_USAGE);
    assert_non_null(strstr(world->err, "dance"));
    assert_int_equal(run(world, "--nonsense", "status", NULL), CLI_USAGE);
    assert_int_equal(run(world, "--timeout", "soon", "status", NULL), CLI_USAGE);
    assert_int_equal(run(world, "--timeout", "-5", "status", NULL), CLI_USAGE);
    assert_int_equal(run(world, "--on-error", "panic", "task", "-", NULL), CLI_USAGE);
    assert_int_equal(run(world, "task", NULL), CLI_USAGE);
    assert_int_equal(run(world, "task", "/no/such/file", NULL), CLI_USAGE);
    assert_int_equal(run(world, "drawer", "smash", NULL), CLI_USAGE);
    assert_int_equal(run(world, "doc", "first", NULL), CLI_USAGE);
    assert_int_equal(run(world, "doc", "0", NULL), CLI_USAGE);
    assert_int_equal(run(world, "print", "copy", "x", NULL), CLI_USAGE);
    assert_int_equal(run(world, "queue", "show", NULL), CLI_USAGE);
    assert_int_equal(run(world, "settings", "set", "colour=red", NULL), CLI_USAGE);
    assert_int_equal(run(world, "settings", "set", "ofd.port=99999", NULL), CLI_USAGE);
    assert_int_equal(run(world, "decode", "--as", "morse", "-", NULL), CLI_USAGE);
    assert_int_equal(run(world, "--device", "carrier-pigeon:1", "status", NULL), CLI_USAGE);
    assert_non_null(strstr(world->err, "DEVICE_URI"));
    unsetenv("KKT_DEVICE");
    assert_int_equal(run(world, "status", NULL), CLI_USAGE);
}

/* Such a file was freed twice. */
static void too_large_a_file_is_refused(void **state)
{
    struct world *world = *state;
    write_file(world, "{}");
    assert_int_equal(truncate(world->file, 4 * (off_t)JSON_INPUT_SIZE_MAX), 0);
    assert_int_equal(run(world, "--check", "task", world->file, NULL), CLI_USAGE);
    assert_non_null(strstr(world->err, "larger than"));
}

static void nobody_there_is_3(void **state)
{
    struct world *world = *state;
    assert_int_equal(run(world, "-t", "300", "status", NULL), CLI_UNKNOWN);
    assert_non_null(strstr(world->err, "LINK_LOST"));
    assert_non_null(strstr(world->err, "cure"));
    assert_int_equal(run(world, "-t", "300", "--json", "ofd", NULL), CLI_UNKNOWN);
    assert_non_null(strstr(world->out, "\"name\": \"LINK_LOST\""));
    assert_int_equal(run(world, "-t", "300", "drawer", "status", NULL), CLI_UNKNOWN);
    /* The first job of a queue needs to know the board: nothing is stored. */
    write_file(world, "{\"type\": \"openCashDrawer\", \"key\": \"k\"}");
    assert_int_equal(run(world, "-t", "300", "task", world->file, NULL), CLI_UNKNOWN);
    assert_non_null(strstr(world->out, "nothing was stored"));
    assert_int_equal(run(world, "queue", "list", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "empty"));
}

static void a_known_board_may_be_away(void **state)
{
    static const struct task_environment board = {.ffd = 4, .tax_systems = 1, .serial = "42"};
    struct world *world = *state;
    board_note_write(world->queue, &board);
    write_file(world, "[{\"type\": \"openCashDrawer\", \"key\": \"one\"},"
                      " {\"type\": \"openCashDrawer\", \"key\": \"two\"}]");
    assert_int_equal(run(world, "-t", "300", "task", world->file, NULL), CLI_UNKNOWN);
    assert_non_null(strstr(world->out, "\"status\": \"wait\""));
    assert_non_null(strstr(world->out, "\"status\": \"interrupted\""));
    assert_non_null(strstr(world->out, "\"code\": 502"));
    assert_int_equal(run(world, "--json", "queue", "list", "--unfinished", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "\"state\": \"waiting\""));
    assert_null(strstr(strstr(world->out, "waiting") + 1, "waiting")); /* "two" was not stored */
    assert_int_equal(run(world, "result", "one", NULL), CLI_UNKNOWN);
    assert_int_equal(run(world, "-t", "300", "queue", "run", NULL), CLI_UNKNOWN);
    assert_int_equal(run(world, "queue", "show", "one", NULL), CLI_DONE);
    assert_int_equal(run(world, "queue", "cancel", "one", NULL), CLI_DONE);
    assert_int_equal(run(world, "result", "one", NULL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "cancelled"));
    assert_int_equal(run(world, "queue", "show", "three", NULL), CLI_REFUSED);
    /* All at once: both are stored although nobody answers. */
    assert_int_equal(run(world, "-t", "300", "--on-error", "continue", "task", world->file, NULL),
                     CLI_UNKNOWN);
    assert_null(strstr(world->out, "interrupted"));
    assert_int_equal(run(world, "queue", "list", "--unfinished", NULL), CLI_DONE);
    assert_non_null(strstr(strstr(world->out, "waiting") + 1, "waiting"));
}

static void a_refused_request_stores_nothing(void **state)
{
    static const struct task_environment board = {.ffd = 4, .tax_systems = 1, .serial = "42"};
    struct world *world = *state;
    board_note_write(world->queue, &board);
    write_file(world, "[{\"type\": \"openCashDrawer\", \"key\": \"one\"},"
                      " {\"type\": \"cashIn\", \"cashSum\": 1.005}]");
    assert_int_equal(run(world, "-t", "300", "task", world->file, NULL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"name\": \"AMOUNT_PRECISION\""));
    assert_non_null(strstr(world->out, "\"field\": \"cashSum\""));
    assert_non_null(strstr(world->out, "\"status\": \"interrupted\""));
    assert_int_equal(run(world, "queue", "list", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "empty"));
    write_file(world, "{\"type\": ");
    assert_int_equal(run(world, "-t", "300", "task", world->file, NULL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "JSON_MALFORMED"));
    write_file(world, "{\"type\": \"openCashDrawer\"}");
    assert_int_equal(run(world, "-t", "300", "register", world->file, NULL), CLI_USAGE);
    write_file(world, "{\"type\": \"openCashDrawer\", \"key\": \"a\"}");
    assert_int_equal(run(world, "-t", "300", "--key", "b", "task", world->file, NULL), CLI_USAGE);
}

static void check_needs_no_board(void **state)
{
    struct world *world = *state;
    unsetenv("KKT_DEVICE");
    assert_int_equal(run(world, "task", "--check", "tests/data/shop-day/02-morning.json", NULL),
                     CLI_DONE);
    assert_non_null(strstr(world->out, "\"valid\": true"));
    assert_int_equal(
        run(world, "task", "--check", "tests/data/shop-day/registration-12.json", NULL), CLI_DONE);
    write_file(world, "{\"type\": \"cashIn\"}");
    assert_int_equal(run(world, "task", "--check", world->file, NULL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"field\": \"cashSum\""));
}

static void decode_and_encode_turn_round(void **state)
{
    struct world *world = *state;
    write_file(world, "1E 04 01 00 01 ; sale\n");
    assert_int_equal(run(world, "decode", world->file, NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "settlementKind"));
    write_file(world, world->out);
    assert_int_equal(run(world, "encode", world->file, NULL), CLI_DONE);
    assert_string_equal(world->out, "1E 04 01 00 01\n");
    assert_int_equal(run(world, "encode", "--binary", world->file, NULL), CLI_DONE);
    assert_memory_equal(world->out, "\x1E\x04\x01\x00\x01", 5);
    write_file(world, "1E 04 02 00 01");
    assert_int_equal(run(world, "decode", world->file, NULL), CLI_REFUSED);
    assert_non_null(strstr(world->err, "offset 0"));
    assert_int_equal(run(world, "encode", world->file, NULL), CLI_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_usage_is_2, make_world, end_world),
        cmocka_unit_test_setup_teardown(too_large_a_file_is_refused, make_world, end_world),
        cmocka_unit_test_setup_teardown(nobody_there_is_3, make_world, end_world),
        cmocka_unit_test_setup_teardown(a_known_board_may_be_away, make_world, end_world),
        cmocka_unit_test_setup_teardown(a_refused_request_stores_nothing, make_world, end_world),
        cmocka_unit_test_setup_teardown(check_needs_no_board, make_world, end_world),
        cmocka_unit_test_setup_teardown(decode_and_encode_turn_round, make_world, end_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
