/* What the listener of the emulated print head is told, beside the files. */
#include "tests/unit/print_head_fixture.h"

struct told {
    unsigned count;
    bool complete[8];
    size_t size[8];
    char text[8][4096];
};

static void on_slip(void *context, const char *text, size_t size, bool complete)
{
    struct told *told = context;
    assert_true(told->count < 8 && size < sizeof told->text[0]);
    memcpy(told->text[told->count], text, size);
    told->size[told->count] = size;
    told->complete[told->count++] = complete;
}

static struct print_head *open_told_head(const char *where, struct told *told)
{
    struct print_head_options options = {
        .directory = where, .columns = 42, .on_slip = on_slip, .context = told};
    struct print_head *head = print_head_open(&options);
    assert_non_null(head);
    return head;
}

static unsigned threads(void)
{
    unsigned count = 0;
    DIR *opened = opendir("/proc/self/task");
    assert_non_null(opened);
    while (readdir(opened) != NULL)
        count++;
    closedir(opened);
    return count - 2; /* . and .. */
}

/* Every way a piece comes out: cut, with QR codes, styles and feeds, torn by the cover, by the end
 * of the roll (which leaves two torn pieces), and a receipt as the register prints it. */
static void print_pieces(struct print_head *head)
{
    feed_text(
        head,
        "\x1b@\x97\xA5\xAA \xFC 1  \n\x1b\x61\x01middle\n\x1b\x61\x02right\n\n\x1b\x64\x03\x1bi");
    feed_text(head, "\x1b@\x1d(k\x0c");
    assert_int_equal(feed(head, "\0\x31\x50\x30t=1&n=\x80\"2", 13), 13);
    feed_text(head, "\x1d(k\x03");
    assert_int_equal(feed(head, "\0\x31\x51\x30", 4), 4);
    feed_text(head, "\x1bi");
    feed_text(head, "before\n");
    print_head_set_cover(head, true);
    print_head_set_cover(head, false);
    print_head_step(head, now);
    now += PRINT_HEAD_RECOVERY_MS;
    feed_text(head, "after\n\x1bi\x1bi");
    feed_text(head, "end\n");
    print_head_set_paper(head, PRINT_HEAD_PAPER_OUT);
    print_head_set_paper(head, PRINT_HEAD_PAPER_IN);
    print_head_step(head, now);
    now += PRINT_HEAD_RECOVERY_MS;
    feed_text(head, "new roll\n\x1bi");
    print_sample(head, "receipt", 42);
}

/* The listener is told what the text file holds, byte for byte, with a directory and without
 * one. */
static void test_listener(void **state)
{
    (void)state;
    static struct told filed, loose;
    static const bool complete[] = {true, true, false, false, false, true};
    const unsigned pieces = sizeof complete / sizeof complete[0];
    memset(&filed, 0, sizeof filed);
    memset(&loose, 0, sizeof loose);
    unsigned threads_before = threads();
    struct print_head *head = open_told_head(NULL, &loose);
    print_pieces(head);
    assert_int_equal(threads(), threads_before);
    feed_text(head, "not cut\n");
    print_head_close(head);
    assert_int_equal(loose.count, pieces);

    head = open_told_head(directory, &filed);
    print_pieces(head);
    assert_int_equal(filed.count, pieces);
    print_head_wait_pictures(head);
    for (unsigned i = 0; i < pieces; i++) {
        char name[32], text[4096];
        snprintf(name, sizeof name, "%06u.txt", i + 1);
        read_file(name, text, sizeof text);
        assert_int_equal(filed.size[i], strlen(text));
        assert_memory_equal(filed.text[i], text, strlen(text));
        assert_int_equal(loose.size[i], strlen(text));
        assert_memory_equal(loose.text[i], text, strlen(text));
        assert_int_equal(filed.complete[i], complete[i]);
        assert_int_equal(loose.complete[i], complete[i]);
    }
    assert_string_equal(loose.text[1], "[QR t=1&n=А\"2]\n");
    assert_string_equal(loose.text[2], "[TORN]\nbefore\nafter\n");
    assert_string_equal(loose.text[3], "[TORN]\nend\n");

    /* A piece begun by an earlier process is told whole. */
    feed_text(head, "\x1b@first\n");
    print_head_close(head);
    head = open_told_head(directory, &filed);
    feed_text(head, "second\n\x1bi");
    assert_int_equal(filed.count, pieces + 1);
    assert_string_equal(filed.text[pieces], "[TORN]\nfirst\nsecond\n");
    print_head_close(head);

    /* One that was cut, but has no number yet, while the head opens. */
    put_file("current.paper", "P 1 42\nT 00 cut, not renamed\nC\n");
    head = open_told_head(directory, &filed);
    assert_int_equal(filed.count, pieces + 2);
    assert_string_equal(filed.text[pieces + 1], "cut, not renamed\n");
    assert_true(filed.complete[pieces + 1]);
    print_head_close(head);
}

/* Pieces much longer than a receipt, each longer than the one before. */
static void count_slip(void *context, const char *text, size_t size, bool complete)
{
    size_t *expected = context;
    assert_true(complete);
    assert_int_equal(size, *expected);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(text[i], i % 11 == 10 ? '\n' : '0' + (int)(i % 11));
    *expected = 0;
}

static void test_listener_of_long_pieces(void **state)
{
    (void)state;
    size_t expected = 0;
    struct print_head_options options = {.on_slip = count_slip, .context = &expected};
    struct print_head *head = print_head_open(&options);
    assert_non_null(head);
    for (unsigned lines = 1; lines < 20000; lines *= 7) {
        for (unsigned i = 0; i < lines; i++)
            feed_text(head, "0123456789\n");
        expected = 11 * (size_t)lines;
        feed_text(head, "\x1bi");
        assert_int_equal(expected, 0);
    }
    print_head_close(head);
}

struct heap_of_paper {
    size_t size;
    char text[65536];
};

static void heap_up(void *context, const char *text, size_t size, bool complete)
{
    struct heap_of_paper *heap = context;
    assert_true(size + 1 <= sizeof heap->text - heap->size);
    memcpy(heap->text + heap->size, text, size);
    heap->size += size;
    heap->text[heap->size++] = complete ? '+' : '-';
}

/* Text, commands and noise; no real-time command, for when those come is what they are about. */
static void make_stream(uint32_t seed, uint8_t *bytes, size_t size)
{
    static const uint8_t often[] = {0x0A, 0x1B, 0x1D, '!', 'a', 'E', 'i', 0x30, 'k', '\t', 0};
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(seed >> 24);
        if ((seed >> 16) % 8 == 0)
            bytes[i] = often[(seed >> 11) % sizeof often];
        if (bytes[i] == 0x10)
            bytes[i] = ' ';
    }
}

/* What comes out does not depend on how the bytes came in, also when the roll ends in the
 * middle. */
static void test_pieces_of_a_stream(void **state)
{
    (void)state;
    static struct heap_of_paper whole, split;
    static uint8_t bytes[6000];
    for (uint32_t seed = 0; seed < 200; seed++) {
        const size_t steps[] = {sizeof bytes, 1 + seed};
        struct heap_of_paper *heaps[] = {&whole, &split};
        make_stream(seed, bytes, sizeof bytes);
        for (unsigned i = 0; i < 2; i++) {
            struct print_head_options options = {
                .columns = 32, .on_slip = heap_up, .context = heaps[i]};
            heaps[i]->size = 0;
            struct print_head *head = print_head_open(&options);
            assert_non_null(head);
            if (seed % 2 == 1)
                print_head_set_paper_out_after(head, 1 + seed / 4);
            for (size_t at = 0; at < sizeof bytes;) {
                size_t step = steps[i] < sizeof bytes - at ? steps[i] : sizeof bytes - at;
                size_t taken = feed(head, bytes + at, step);
                at += taken;
                if (taken == step)
                    continue;
                print_head_set_paper(head, PRINT_HEAD_PAPER_OUT);
                print_head_set_paper(head, PRINT_HEAD_PAPER_IN);
                print_head_step(head, now);
                now += PRINT_HEAD_RECOVERY_MS;
            }
            feed_text(head, "\n\x1bi");
            print_head_set_paper(head, PRINT_HEAD_PAPER_OUT);
            print_head_set_paper(head, PRINT_HEAD_PAPER_IN);
            print_head_close(head);
        }
        assert_int_equal(whole.size, split.size);
        assert_memory_equal(whole.text, split.text, whole.size);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_listener),
        TEST(test_listener_of_long_pieces),
        TEST(test_pieces_of_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
