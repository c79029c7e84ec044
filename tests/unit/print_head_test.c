/* The emulated print head by itself: any bytes, status in every state, paper that survives the
 * process, pictures. */
#include "tests/unit/print_head_fixture.h"

#include <cairo/cairo.h>
#include <qrencode.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct print_head *open_head(uint8_t columns, unsigned lines_per_second, bool png)
{
    struct print_head_options options = {.directory = directory,
                                         .columns = columns,
                                         .lines_per_second = lines_per_second,
                                         .png = png};
    struct print_head *head = print_head_open(&options);
    assert_non_null(head);
    return head;
}

static size_t answers(struct print_head *head, uint8_t *out, size_t capacity)
{
    return print_head_output(head, out, capacity, now);
}

static uint8_t status(struct print_head *head, uint8_t n)
{
    uint8_t request[3] = {0x10, 0x04, n}, byte = 0;
    assert_int_equal(feed(head, request, 3), 3);
    assert_int_equal(answers(head, &byte, 1), 1);
    return byte;
}

static bool exists(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static void test_prints_text_and_index(void **state)
{
    (void)state;
    char text[4096];
    struct print_head *head = open_head(32, 0, false);
    feed_text(head,
              "\x1b@\x1b\x74\x11\x97\xA5\xAA \xFC 1\n\x1b\x61\x01middle\n\x1b\x61\x02right\n");
    feed_text(head, "\x1b\x61");
    assert_int_equal(feed(head, "\0", 1), 1);
    feed_text(head, "0123456789012345678901234567890123\n");
    assert_int_equal(print_head_last_slip(head), 0);
    assert_int_equal(feed(head, "\x1dVB\0", 4), 4);
    assert_int_equal(print_head_last_slip(head), 1);
    print_head_wait_pictures(head);
    read_file("000001.txt", text, sizeof text);
    assert_string_equal(text, "Чек № 1\n             middle\n                           right\n"
                              "01234567890123456789012345678901\n23\n");
    read_file("index.jsonl", text, sizeof text);
    assert_string_equal(text, "{\"number\":1,\"lines\":5,\"complete\":true,\"text\":\"000001.txt\","
                              "\"png\":\"000001.png\",\"millimetres\":30,\"qr\":\"\"}\n");
    assert_false(exists("000001.paper"));
    assert_false(exists("current.paper"));
    /* Blank paper makes no slip. */
    assert_int_equal(feed(head, "\x1dVB\0", 4), 4);
    assert_int_equal(print_head_last_slip(head), 1);
    struct print_head_counters counters;
    print_head_counters(head, &counters);
    assert_int_equal(counters.slips, 1);
    assert_int_equal(counters.cuts, 2);
    assert_int_equal(counters.lines, 5);
    print_head_close(head);
}

/* Commands that this head does not do, each with data that would print when it were not skipped. */
static const struct {
    const char *bytes;
    size_t size;
} unknown_commands[] = {{"\x1b*\x21\x02\x00"
                         "abcdef",
                         11},
                        {"\x1b*\x00\x03\x00"
                         "abc",
                         8},
                        {"\x1d"
                         "v0\x00\x02\x00\x03\x00"
                         "abcdef",
                         14},
                        {"\x1d(L\x04\x00"
                         "abcd",
                         9},
                        {"\x1dkA\x03"
                         "abc",
                         7},
                        {"\x1dk\x04"
                         "abc\0",
                         7},
                        {"\x1d"
                         "8L\x03\x00\x00\x00"
                         "abc",
                         10},
                        {"\x1c(A\x02\x00"
                         "ab",
                         7},
                        {"\x1b"
                         "D\x08\x10\x00",
                         5},
                        {"\x1bWabcdefgh", 10},
                        {"\x1d*\x01\x01"
                         "abcdefgh",
                         12},
                        {"\x1b"
                         "3a",
                         3},
                        {"\x1d"
                         "ha",
                         3},
                        {"\x1b"
                         "c3a",
                         4},
                        {"\x1bpabc", 5},
                        {"\x1d$ab", 4},
                        {"\x1dPab", 4},
                        {"\x1b"
                         "2",
                         2},
                        {"\x1b\x7f", 2},
                        {"\x1d(k\x00\x00", 5},
                        {"\x1dV\x00\x1dV\x31", 6}};

static void test_unknown_commands_are_skipped(void **state)
{
    (void)state;
    char name[32], text[256];
    struct print_head *head = open_head(48, 0, false);
    for (size_t i = 0; i < sizeof unknown_commands / sizeof unknown_commands[0]; i++) {
        /* Byte by byte, so that every command is met incomplete. */
        for (size_t k = 0; k < unknown_commands[i].size; k++)
            assert_int_equal(feed(head, unknown_commands[i].bytes + k, 1), 1);
        feed_text(head, "x\n\x1bi");
        print_head_wait_pictures(head);
        snprintf(name, sizeof name, "%06zu.txt", i + 1);
        read_file(name, text, sizeof text);
        if (strcmp(text, "x\n") != 0)
            fail_msg("command %zu left \"%s\"", i, text);
    }
    print_head_close(head);
}

static void test_garbage(void **state)
{
    (void)state;
    uint32_t seed = 7;
    char name[32], text[256];
    uint8_t clear[16], out[600];
    struct byte_writer writer;
    byte_writer_init(&writer, clear, sizeof clear);
    escpos_clear(&writer);
    struct print_head *head = open_head(42, 0, false);
    for (unsigned round = 0; round < 300; round++) {
        uint8_t bytes[700];
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
            static const uint8_t prefixes[] = {0x1B, 0x1D, 0x1C, 0x10, 0x0A, 'k', '(', 'v'};
            if ((seed >> 16) % 3 == 0)
                bytes[i] = prefixes[(seed >> 12) % sizeof prefixes];
        }
        size_t fed = 0;
        while (fed < sizeof bytes) {
            size_t taken = feed(head, bytes + fed, sizeof bytes - fed);
            assert_true(taken > 0);
            fed += taken;
        }
        answers(head, out, sizeof out);
        /* Whatever came before: after a clear and a cut the head works. */
        feed(head, clear, writer.length);
        feed_text(head, "\x1b@\x1bi\x1b@OK\n\x1bi");
        print_head_wait_pictures(head);
        snprintf(name, sizeof name, "%06u.txt", print_head_last_slip(head));
        read_file(name, text, sizeof text);
        assert_string_equal(text, "OK\n");
        size_t count = answers(head, out, sizeof out);
        assert_true(count >= 3);
        assert_memory_equal(out + count - 3, "\x37\x25\x00", 3);
    }
    print_head_close(head);
}

static void test_status(void **state)
{
    (void)state;
    uint8_t byte;
    struct print_head *head = open_head(32, 0, false);
    assert_int_equal(status(head, 1), 0x12);
    assert_int_equal(status(head, 2), 0x12);
    assert_int_equal(status(head, 3), 0x12);
    assert_int_equal(status(head, 4), 0x12);
    print_head_set_paper(head, PRINT_HEAD_PAPER_NEAR_END);
    assert_int_equal(status(head, 1), 0x12);
    assert_int_equal(status(head, 4), 0x1E);
    feed_text(head, "\x1dr\x01");
    assert_int_equal(answers(head, &byte, 1), 1);
    assert_int_equal(byte, 0x03);
    print_head_set_paper(head, PRINT_HEAD_PAPER_OUT);
    assert_int_equal(status(head, 1), 0x1A);
    assert_int_equal(status(head, 2), 0x32);
    assert_int_equal(status(head, 4), 0x7E);
    feed_text(head, "\x1dr\x01");
    assert_int_equal(answers(head, &byte, 1), 0); /* not before there is paper */
    print_head_set_paper(head, PRINT_HEAD_PAPER_IN);
    assert_int_equal(status(head, 1), 0x1A); /* recovering */
    assert_int_equal(status(head, 2), 0x12);
    now += PRINT_HEAD_RECOVERY_MS;
    assert_int_equal(answers(head, &byte, 1), 1);
    assert_int_equal(byte, 0x00);
    assert_int_equal(status(head, 1), 0x12);
    print_head_set_cover(head, true);
    assert_int_equal(status(head, 2), 0x16);
    print_head_set_cover(head, false);
    print_head_set_fault(head, true);
    assert_int_equal(status(head, 2), 0x52);
    assert_int_equal(status(head, 3), 0x1A);
    print_head_set_fault(head, false);
    print_head_set_power(head, false);
    assert_int_equal(feed(head, "\x10\x04\x01", 3), 3);
    assert_int_equal(answers(head, &byte, 1), 0);
    print_head_set_power(head, true);
    now += PRINT_HEAD_RECOVERY_MS;
    print_head_set_mute(head, true);
    assert_int_equal(feed(head, "\x10\x04\x01", 3), 3);
    assert_int_equal(answers(head, &byte, 1), 0);
    print_head_close(head);
}

static void test_full_buffer_still_answers(void **state)
{
    (void)state;
    static uint8_t lines[2 * PRINT_HEAD_BUFFER];
    struct print_head *head = open_head(32, 0, false);
    print_head_set_cover(head, true);
    memset(lines, '\n', sizeof lines);
    assert_int_equal(feed(head, lines, sizeof lines), PRINT_HEAD_BUFFER);
    assert_int_equal(feed(head, lines, 1), 0);
    for (unsigned i = 0; i < 5000; i++)
        assert_int_equal(status(head, 2), 0x16);
    print_head_set_cover(head, false);
    now += 1;
    print_head_step(head, now);
    now += PRINT_HEAD_RECOVERY_MS;
    assert_int_equal(feed(head, lines, sizeof lines), sizeof lines);
    print_head_close(head);
}

static void test_pace(void **state)
{
    (void)state;
    struct print_head_counters counters;
    struct print_head *head = open_head(32, 20, false);
    for (unsigned i = 0; i < 100; i++)
        feed_text(head, "line\n");
    uint64_t start = now;
    for (; now < start + 2000; now += 10)
        print_head_step(head, now);
    print_head_counters(head, &counters);
    assert_in_range(counters.lines, 39, 41);
    print_head_power_cycle(head);
    for (; now < start + 6000; now += 10)
        print_head_step(head, now);
    print_head_counters(head, &counters);
    assert_in_range(counters.lines, 39, 41); /* the rest was in the buffer and is lost */
    print_head_close(head);
}

static cairo_surface_t *load_png(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    cairo_surface_t *surface = cairo_image_surface_create_from_png(path);
    assert_int_equal(cairo_surface_status(surface), CAIRO_STATUS_SUCCESS);
    return surface;
}

static bool dark(cairo_surface_t *surface, int x, int y)
{
    const unsigned char *data = cairo_image_surface_get_data(surface);
    const unsigned char *pixel =
        data + (size_t)y * (size_t)cairo_image_surface_get_stride(surface) + (size_t)x * 4;
    return pixel[0] < 128;
}

static void test_pictures(void **state)
{
    (void)state;
    static const struct {
        uint8_t columns;
        int width;
    } papers[] = {{32, 384}, {42, 576}, {48, 576}};
    char name[32], index[16384];
    uint32_t number = 0;
    for (size_t i = 0; i < 3; i++) {
        struct print_head *head = open_head(papers[i].columns, 0, true);
        print_sample(head, "receipt", papers[i].columns);
        print_sample(head, "receipt-60", papers[i].columns);
        print_head_wait_pictures(head);
        assert_int_equal(print_head_last_slip(head), number + 2);
        int heights[2];
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof name, "%06u.png", ++number);
            cairo_surface_t *surface = load_png(name);
            assert_int_equal(cairo_image_surface_get_width(surface), papers[i].width);
            heights[k] = cairo_image_surface_get_height(surface);
            cairo_surface_destroy(surface);
            snprintf(name, sizeof name, "%06u.paper", number);
            assert_false(exists(name));
        }
        assert_true(heights[0] > 1500);
        assert_true(heights[1] > 3 * heights[0]);
        print_head_close(head);
    }
    read_file("index.jsonl", index, sizeof index);
    assert_non_null(strstr(index, "\"qr\":\"" SAMPLE_QR "\""));
}

/* The picture's QR code is the symbol of that text, module for module, at least 20 mm wide at 8
 * dots a millimetre. */
static void test_qr_code_in_the_picture(void **state)
{
    (void)state;
    static const char *const texts[] = {SAMPLE_QR, "https://a.example", "x"};
    char name[32];
    struct print_head *head = open_head(32, 0, true);
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t bytes[ESCPOS_LINE_MAX], style = 0;
        struct byte_writer out;
        struct slip_line line = {.kind = SLIP_LINE_QR, .length = (uint16_t)strlen(texts[i])};
        memcpy(line.text, texts[i], line.length);
        byte_writer_init(&out, bytes, sizeof bytes);
        escpos_line(&out, &line, &style);
        feed(head, bytes, out.length);
        feed_text(head, "\x1bi");
        print_head_wait_pictures(head);

        QRcode *code = QRcode_encodeData(line.length, line.text, 0, QR_ECLEVEL_M);
        assert_non_null(code);
        snprintf(name, sizeof name, "%06u.png", i + 1);
        cairo_surface_t *surface = load_png(name);
        int module = escpos_qr_module(line.length), side = module * code->width;
        int left = (384 - side) / 2, top = 0;
        assert_true(side >= 160 || module == 8);
        while (!dark(surface, left, top))
            top++;
        for (int row = 0; row < code->width; row++)
            for (int column = 0; column < code->width; column++)
                assert_int_equal(dark(surface, left + column * module + module / 2,
                                      top + row * module + module / 2),
                                 code->data[row * code->width + column] & 1);
        cairo_surface_destroy(surface);
        QRcode_free(code);
    }
    print_head_close(head);
}

/* SIGKILL in the middle of a slip: the printed lines are still on the paper, torn. */
static void test_paper_survives_a_kill(void **state)
{
    (void)state;
    char text[4096];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct print_head_options options = {.directory = directory, .columns = 32, .png = true};
        struct print_head *head = print_head_open(&options);
        if (head != NULL) {
            feed(head, "first\n\x1bisecond\nhalf", 19);
            kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    int status_word;
    assert_int_equal(waitpid(child, &status_word, 0), child);
    assert_true(WIFSIGNALED(status_word));
    struct print_head *head = open_head(32, 0, true);
    feed_text(head, "third\n\x1bi");
    print_head_wait_pictures(head);
    read_file("000001.txt", text, sizeof text);
    assert_string_equal(text, "first\n");
    read_file("000002.txt", text, sizeof text);
    assert_string_equal(text, "[TORN]\nsecond\nthird\n");
    assert_true(exists("000001.png"));
    assert_true(exists("000002.png"));
    read_file("index.jsonl", text, sizeof text);
    assert_non_null(strstr(text, "{\"number\":1,\"lines\":1,\"complete\":true"));
    assert_non_null(strstr(text, "{\"number\":2,\"lines\":2,\"complete\":false"));
    print_head_close(head);
}

/* The process died at each point of a cut: before the rename, before the text, before the index
 * line, before the picture. */
static void test_a_cut_is_finished_at_the_next_open(void **state)
{
    (void)state;
    char text[4096];
    put_file("current.paper", "P 1 32\nT 00 cut, not renamed\nC\nT 00 half a rec");
    put_file("000001.paper", "P 1 32\nT 01 renamed, nothing else\nC\n");
    put_file("000002.paper", "P 1 32\nT 00 text written\nQ 5 743d31\nC\n");
    put_file("000002.txt", "text written\n[QR t=1]\n");
    print_head_close(open_head(32, 0, true));
    print_head_close(open_head(32, 0, true));
    read_file("index.jsonl", text, sizeof text);
    unsigned lines = 0;
    for (const char *c = text; *c != 0; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 3);
    assert_non_null(strstr(text, "{\"number\":2,\"lines\":2,\"complete\":true"));
    assert_non_null(strstr(text, "\"qr\":\"t=1\""));
    read_file("000001.txt", text, sizeof text);
    assert_string_equal(text, "     renamed, nothing else\n");
    read_file("000003.txt", text, sizeof text);
    assert_string_equal(text, "cut, not renamed\n");
    assert_true(exists("000001.png") && exists("000002.png") && exists("000003.png"));
    assert_false(exists("000001.paper") || exists("000002.paper") || exists("current.paper"));
}

/* Found by tests/e2e/kills.py: an append to the index that ended half way (a full disk, a cut) left
 * a line without an end. The slip counted as listed, and the next line was written onto it. */
static void test_a_torn_index_line_is_written_again(void **state)
{
    (void)state;
    char text[4096];
    put_file("index.jsonl", "{\"number\":1,\"complete\":true}\n{\"number\":2,\"lin");
    put_file("000002.paper", "P 1 32\nT 00 second\nC\n");
    struct print_head *head = open_head(32, 0, false);
    feed_text(head, "third\n\x1bi");
    print_head_wait_pictures(head);
    print_head_close(head);
    read_file("index.jsonl", text, sizeof text);
    const char *first = "{\"number\":1,\"complete\":true}\n{\"number\":2,\"lines\":1,";
    assert_memory_equal(text, first, strlen(first));
    assert_non_null(strstr(text, "\"qr\":\"\"}\n{\"number\":3,\"lines\":1,\"complete\":true"));
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_refuses_a_bad_directory(void **state)
{
    (void)state;
    struct print_head_options options = {.directory = "/proc/nowhere/paper", .columns = 32};
    assert_null(print_head_open(&options));
    put_file("file", "");
    char path[512];
    snprintf(path, sizeof path, "%s/file", directory);
    options.directory = path;
    assert_null(print_head_open(&options));
    options.directory = NULL;
    struct print_head *head = print_head_open(&options);
    assert_non_null(head);
    feed_text(head, "no files\n\x1bi");
    struct print_head_counters counters;
    print_head_counters(head, &counters);
    assert_int_equal(counters.slips, 1);
    print_head_close(head);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_prints_text_and_index),
        TEST(test_unknown_commands_are_skipped),
        TEST(test_garbage),
        TEST(test_status),
        TEST(test_full_buffer_still_answers),
        TEST(test_pace),
        TEST(test_pictures),
        TEST(test_qr_code_in_the_picture),
        TEST(test_paper_survives_a_kill),
        TEST(test_a_cut_is_finished_at_the_next_open),
        TEST(test_a_torn_index_line_is_written_again),
        TEST(test_refuses_a_bad_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
