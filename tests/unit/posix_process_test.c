/* kkt-board as a process: the real firmware on the emulated board, spoken to over TCP, killed and
 * started again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board/posix/posix_ctl.h"
#include "board/posix/posix_file.h"
#include "board/posix/posix_flash.h"
#include "board/posix/posix_report.h"
#include "board/posix/posix_run.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "proto/tlv.h"

struct fixture {
    char directory[64];
    char state[80], port_file[80];
    pid_t board;
    uint16_t port;
    int host;
    uint16_t exchange;
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t message[LINK_MESSAGE_MAX];
};

static void pause_ms(unsigned milliseconds)
{
    const struct timespec pause = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

static void start(struct fixture *fixture)
{
    const struct posix_board_options options = {.state = fixture->state,
                                                .listen = "127.0.0.1:0",
                                                .port_file = fixture->port_file,
                                                .serial = "PROCESS-TEST",
                                                .flash_size = 131072,
                                                .unpaced = true,
                                                .no_png = true,
                                                .quiet = true};
    char text[16];
    unlink(fixture->port_file);
    fflush(NULL);
    fixture->board = fork();
    assert_true(fixture->board >= 0);
    if (fixture->board == 0)
        _exit(posix_run(&options));
    for (unsigned i = 0; i < 1000; i++) {
        if (posix_file_text(AT_FDCWD, fixture->port_file, text, sizeof text)) {
            fixture->port = (uint16_t)atoi(text);
            return;
        }
        pause_ms(10);
    }
    fail_msg("the board did not start");
}

static int stop(struct fixture *fixture, int signal)
{
    int status = 0;
    if (fixture->board <= 0)
        return 0;
    kill(fixture->board, signal);
    waitpid(fixture->board, &status, 0);
    fixture->board = 0;
    return status;
}

static void hang_up(struct fixture *fixture)
{
    if (fixture->host >= 0)
        close(fixture->host);
    fixture->host = -1;
}

static void dial(struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fixture->port)};
    const struct timeval patience = {.tv_sec = 10};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hang_up(fixture);
    fixture->host = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fixture->host, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fixture->host, (struct sockaddr *)&address, sizeof address), 0);
    link_decoder_init(&fixture->decoder);
    link_assembler_init(&fixture->assembler, fixture->message, sizeof fixture->message);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (fixture == NULL)
        return -1;
    strcpy(fixture->directory, "/tmp/posix-process-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL)
        return -1;
    snprintf(fixture->state, sizeof fixture->state, "%s/state", fixture->directory);
    snprintf(fixture->port_file, sizeof fixture->port_file, "%s/port", fixture->directory);
    fixture->host = -1;
    *state = fixture;
    return 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    hang_up(fixture);
    stop(fixture, SIGKILL);
    int result = nftw(fixture->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return result;
}

/* Waits for the answer to the exchange; events pass by. */
static void hear(struct fixture *fixture, uint8_t code, uint16_t exchange)
{
    struct link_frame frame;
    uint8_t bytes[4096];
    while (true) {
        ssize_t got = recv(fixture->host, bytes, sizeof bytes, 0);
        if (got <= 0)
            fail_msg("no answer to request %u", code);
        for (ssize_t i = 0; i < got; i++) {
            if (!link_decoder_push(&fixture->decoder, bytes[i], &frame) ||
                link_assembler_add(&fixture->assembler, &frame) != 1)
                continue;
            if (fixture->assembler.kind == LINK_ANSWER && fixture->assembler.exchange == exchange) {
                assert_int_equal(fixture->assembler.code, code);
                return;
            }
        }
    }
}

static struct refusal ask(struct fixture *fixture, uint8_t code, const uint8_t *message,
                          size_t size, const uint8_t **body, size_t *body_size)
{
    struct refusal refusal;
    uint8_t wire[LINK_WIRE_MAX];
    size_t offset = 0;
    fixture->exchange++;
    do {
        size_t length = link_message_frame(LINK_REQUEST, code, fixture->exchange, message, size,
                                           &offset, wire, sizeof wire);
        assert_true(length > 0);
        assert_int_equal(send(fixture->host, wire, length, MSG_NOSIGNAL), (ssize_t)length);
    } while (offset < size);
    hear(fixture, code, fixture->exchange);
    memset(&refusal, 0, sizeof refusal);
    assert_true(
        link_answer_get(fixture->message, fixture->assembler.length, &refusal, body, body_size));
    return refusal;
}

static void assert_identity(struct fixture *fixture)
{
    const uint8_t *body;
    size_t size;
    struct tlv tlv;
    struct tlv_reader reader;
    bool named = false;
    assert_int_equal(ask(fixture, LINK_IDENTITY, NULL, 0, &body, &size).code, ERROR_NONE);
    tlv_reader_init(&reader, body, size);
    while (tlv_next(&reader, &tlv) > 0)
        if (tlv.tag == TAG_BOARD_SERIAL) {
            named = true;
            assert_int_equal(tlv.length, strlen("PROCESS-TEST"));
            assert_memory_equal(tlv.value, "PROCESS-TEST", tlv.length);
        }
    assert_true(named);
    assert_int_equal(ask(fixture, LINK_STATUS, NULL, 0, &body, &size).code, ERROR_NONE);
    assert_true(size > 0);
}

/* A drawer job with that key; the flags of its result. */
static uint8_t open_drawer(struct fixture *fixture, uint8_t key)
{
    uint8_t message[64];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag("PROCESS-TEST")};
    struct link_result result;
    const uint8_t *body;
    size_t size;
    memset(job.key, key, sizeof job.key);
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    assert_int_equal(ask(fixture, LINK_DRAWER_OPEN, message, writer.length, &body, &size).code,
                     ERROR_NONE);
    assert_true(link_result_get(body, size, &result));
    return result.flags;
}

static size_t lines_of(struct fixture *fixture, const char *name, const char *word)
{
    char path[160];
    size_t size = 0, count = 0;
    snprintf(path, sizeof path, "%s/%s", fixture->state, name);
    char *text = (char *)posix_file_load(AT_FDCWD, path, 1u << 20, &size);
    if (text == NULL)
        return 0;
    text[size] = '\0';
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        count++;
    free(text);
    return count;
}

static void test_survives_sigkill(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    dial(fixture);
    assert_identity(fixture);
    assert_int_equal(open_drawer(fixture, 7) & LINK_RESULT_REPLAYED, 0);
    assert_true(WIFSIGNALED(stop(fixture, SIGKILL)));
    start(fixture);
    dial(fixture);
    assert_identity(fixture);
    /* The journal outlived the process: the same key does nothing again. */
    assert_int_equal(open_drawer(fixture, 7) & LINK_RESULT_REPLAYED, LINK_RESULT_REPLAYED);
    assert_int_equal(lines_of(fixture, "drawer.log", "opening"), 1);
    hang_up(fixture);
    int status = stop(fixture, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(lines_of(fixture, "events.log", "switched off"), 1);
}

static void test_power_cut_by_ctl(void **state)
{
    struct fixture *fixture = *state;
    char *cut[] = {"power", "cut"};
    char *cut_inside[] = {"power", "cut-at-flash-op", "1"};
    int status = 0;
    start(fixture);
    assert_int_equal(posix_ctl_call(fixture->state, 2, cut), 0);
    assert_int_equal(waitpid(fixture->board, &status, 0), fixture->board);
    fixture->board = 0;
    assert_int_equal(WEXITSTATUS(status), POSIX_POWER_CUT_STATUS);
    assert_int_equal(posix_ctl_call(fixture->state, 2, cut), 1); /* nobody is there now */
    start(fixture);
    dial(fixture);
    assert_identity(fixture);
    assert_int_equal(posix_ctl_call(fixture->state, 3, cut_inside), 0);
    uint8_t message[64], wire[LINK_WIRE_MAX];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag("PROCESS-TEST")};
    size_t offset = 0;
    memset(job.key, 9, sizeof job.key);
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    size_t length = link_message_frame(LINK_REQUEST, LINK_DRAWER_OPEN, 99, message, writer.length,
                                       &offset, wire, sizeof wire);
    assert_int_equal(send(fixture->host, wire, length, MSG_NOSIGNAL), (ssize_t)length);
    assert_int_equal(waitpid(fixture->board, &status, 0), fixture->board);
    fixture->board = 0;
    assert_int_equal(WEXITSTATUS(status), POSIX_POWER_CUT_STATUS);
    start(fixture);
    dial(fixture);
    assert_identity(fixture);
    open_drawer(fixture, 9);
    assert_int_equal(lines_of(fixture, "drawer.log", "opening"), 1);
}

static void test_reports_read_a_running_board(void **state)
{
    struct fixture *fixture = *state;
    char *text = NULL;
    size_t size = 0;
    start(fixture);
    dial(fixture);
    open_drawer(fixture, 3);
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(posix_report_journal(fixture->state, true, out), 0);
    fclose(out);
    assert_non_null(strstr(text, "\"key\":\"03030303030303030303030303030303\""));
    assert_non_null(strstr(text, "\"type\":\"done\""));
    free(text);
    out = open_memstream(&text, &size);
    assert_int_equal(posix_report_fn(fixture->state, true, out), 0);
    assert_int_equal(posix_report_paper(fixture->state, true, out), 0);
    fclose(out);
    assert_string_equal(text, ""); /* nothing fiscal was done, nothing printed */
    free(text);
    assert_int_equal(posix_report_journal("/nonexistent", true, stdout), 1);
    assert_identity(fixture); /* the board did not notice */
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_survives_sigkill),
        CASE(test_power_cut_by_ctl),
        CASE(test_reports_read_a_running_board),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("posix_process", tests, NULL, NULL);
}
