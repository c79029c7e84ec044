/* The program kkt against a whole emulated board in a process of its own: the shop's day in both
 * document formats, again with the same keys, and refusals that only a board can give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/posix/posix_run.h"
#include "tools/kkt/cli.h"

#define DAY "tests/data/shop-day/"

struct world {
    char folder[40], board[64], port_file[64], queue[64], file[64];
    pid_t pid;
    char *out, *err;
};

static void start_board(struct world *world)
{
    struct posix_board_options options = {.state = world->board,
                                          .listen = "127.0.0.1:0",
                                          .port_file = world->port_file,
                                          .unpaced = true,
                                          .drawer_close_ms = 1,
                                          .no_png = true,
                                          .no_sync = true,
                                          .quiet = true};
    char uri[40];
    unsigned port = 0;
    remove(world->port_file);
    world->pid = fork();
    assert_true(world->pid >= 0);
    if (world->pid == 0)
        _exit(posix_run(&options));
    for (unsigned tries = 0; tries < 1000 && port == 0; tries++) {
        FILE *file = fopen(world->port_file, "r");
        if (file != NULL) {
            if (fscanf(file, "%u", &port) != 1)
                port = 0;
            fclose(file);
        }
        usleep(10000);
    }
    assert_true(port != 0);
    snprintf(uri, sizeof uri, "tcp:127.0.0.1:%u", port);
    setenv("KKT_DEVICE", uri, 1);
}

static void stop_board(struct world *world)
{
    int status;
    kill(world->pid, SIGKILL);
    assert_int_equal(waitpid(world->pid, &status, 0), world->pid);
}

static int make_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    strcpy(world->folder, "/tmp/kkt-board-test-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    snprintf(world->board, sizeof world->board, "%s/board", world->folder);
    snprintf(world->port_file, sizeof world->port_file, "%s/port", world->folder);
    snprintf(world->queue, sizeof world->queue, "%s/queue.db", world->folder);
    snprintf(world->file, sizeof world->file, "%s/input", world->folder);
    setenv("KKT_QUEUE", world->queue, 1);
    start_board(world);
    *state = world;
    return 0;
}

static int end_world(void **state)
{
    struct world *world = *state;
    char command[80];
    stop_board(world);
    free(world->out);
    free(world->err);
    snprintf(command, sizeof command, "rm -rf %s", world->folder);
    int code = system(command);
    free(world);
    return code;
}

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

static void run_good(struct world *world, const char *option, const char *file)
{
    int code = option == NULL ? run(world, "task", file, NULL)
                              : run(world, option, "continue", "task", file, NULL);
    if (code != CLI_DONE)
        fail_msg("%s: %s%s", file, world->out, world->err);
}

static int run_text(struct world *world, const char *text)
{
    FILE *file = fopen(world->file, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return run(world, "task", world->file, NULL);
}

static void run_day(struct world *world, const char *registration, const char *ffd)
{
    assert_int_equal(run(world, "register", registration, NULL), CLI_DONE);
    run_good(world, NULL, DAY "01-open.json");
    run_good(world, NULL, DAY "02-morning.json");
    char *morning = strdup(world->out);
    run_good(world, "--on-error", DAY "03-afternoon.json");
    run_good(world, NULL, DAY "04-close.json");
    assert_non_null(strstr(world->out, "\"receiptsCount\": 44"));
    assert_int_equal(run(world, "status", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "last document 48"));
    assert_non_null(strstr(world->out, "5095.57 in it"));
    assert_non_null(strstr(world->out, ffd));
    /* The same file again: the same answers, and nothing new. */
    run_good(world, NULL, DAY "02-morning.json");
    assert_string_equal(world->out, morning);
    free(morning);
    assert_int_equal(run(world, "status", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "last document 48"));
}

static void a_day_in_format_105(void **state)
{
    run_day(*state, DAY "registration-105.json", "FFD 1.05");
}

static void a_day_in_format_12(void **state)
{
    struct world *world = *state;
    run_day(world, DAY "registration-12.json", "FFD 1.2");
    /* A new queue knows nothing; the board does, also after a power cut. */
    stop_board(world);
    start_board(world);
    snprintf(world->queue, sizeof world->queue, "%s/other.db", world->folder);
    setenv("KKT_QUEUE", world->queue, 1);
    run_good(world, NULL, DAY "02-morning.json");
    assert_non_null(strstr(world->out, "\"replayed\": true"));
    assert_int_equal(run(world, "status", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "last document 48"));
}

#define SELL                                                                                       \
    "{\"type\": \"sell\", \"operator\": {\"name\": \"И\"}, \"items\": [{\"type\": \"position\","  \
    " \"name\": \"Чай\", \"price\": 10, \"quantity\": 1, \"amount\": 10, \"tax\": {\"type\": "  \
    "\"none\"}}],"                                                                                 \
    " \"payments\": [{\"type\": \"cash\", \"sum\": 10}]}"

static void what_only_the_board_refuses(void **state)
{
    struct world *world = *state;
    assert_int_equal(run_text(world, SELL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"name\": \"NOT_REGISTERED\""));
    assert_int_equal(run(world, "register", DAY "registration-12.json", NULL), CLI_DONE);
    assert_int_equal(run_text(world, SELL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"code\": 73"));
    assert_int_equal(run_text(world, "{\"type\": \"openShift\", \"operator\": {\"name\": \"И\"}}"),
                     CLI_DONE);
    assert_int_equal(run_text(world, "{\"type\": \"openShift\", \"operator\": {\"name\": \"И\"}}"),
                     CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"code\": 83"));
    /* The first that fails interrupts the rest; with continue each is for itself. */
    static const char list[] = "[{\"type\": \"cashOut\", \"cashSum\": 5}, " SELL "]";
    assert_int_equal(run_text(world, list), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"code\": 80"));
    assert_non_null(strstr(world->out, "\"field\": \"cashSum\""));
    assert_non_null(strstr(world->out, "\"status\": \"interrupted\""));
    assert_int_equal(run(world, "--on-error", "continue", "task", world->file, NULL), CLI_REFUSED);
    assert_non_null(strstr(world->out, "\"status\": \"error\""));
    assert_non_null(strstr(world->out, "\"status\": \"ready\""));
    /* One key, other content. */
    assert_int_equal(run_text(world, "{\"type\": \"cashIn\", \"cashSum\": 5, \"key\": \"k\"}"),
                     CLI_DONE);
    assert_int_equal(run_text(world, "{\"type\": \"cashIn\", \"cashSum\": 5, \"key\": \"k\"}"),
                     CLI_DONE);
    assert_int_equal(run_text(world, "{\"type\": \"cashIn\", \"cashSum\": 6, \"key\": \"k\"}"),
                     CLI_REFUSED);
    assert_non_null(strstr(world->out, "KEY_CONFLICT"));
    assert_int_equal(
        run_text(world, "[{\"type\": \"getShiftTotals\"}, {\"type\": \"getDeviceInfo\"},"
                        " {\"type\": \"getFnInfo\"}, {\"type\": \"getFnStatus\"},"
                        " {\"type\": \"getDeviceStatus\"}, {\"type\": \"getShiftStatus\"},"
                        " {\"type\": \"getCashDrawerStatus\"}, {\"type\": \"ofdExchangeStatus\"},"
                        " {\"type\": \"getFnDocument\", \"fiscalDocumentNumber\": 1}]"),
        CLI_DONE);
    assert_non_null(strstr(world->out, "\"sum\": 15.00"));
    assert_non_null(strstr(world->out, "\"ffdVersion\": \"1.2\""));
    assert_int_equal(run_text(world, "{\"type\": \"getFnDocument\", \"fiscalDocumentNumber\": 99}"),
                     CLI_REFUSED);
    assert_int_equal(run(world, "doc", "1", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "ООО \"Ромашка\""));
    assert_int_equal(run(world, "doc", "99", NULL), CLI_REFUSED);
    assert_int_equal(run(world, "result", "nobody", NULL), CLI_REFUSED);
    assert_int_equal(run(world, "settings", "set", "columns=31", NULL), CLI_REFUSED);
    assert_int_equal(run(world, "settings", "set", "columns=32", "footer=До свидания", NULL),
                     CLI_DONE);
    assert_int_equal(run(world, "settings", NULL), CLI_DONE);
    assert_non_null(strstr(world->out, "До свидания"));
    assert_int_equal(run(world, "drawer", "open", NULL), CLI_DONE);
    assert_int_equal(run(world, "print", "copy", "3", NULL), CLI_DONE);
    assert_int_equal(run(world, "time", "sync", NULL), CLI_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_day_in_format_105, make_world, end_world),
        cmocka_unit_test_setup_teardown(a_day_in_format_12, make_world, end_world),
        cmocka_unit_test_setup_teardown(what_only_the_board_refuses, make_world, end_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
