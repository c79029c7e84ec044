/* The driver of the print head against the emulated head: everything paper, cover, power and cable
 * can do, at every line. */
#include "board/printer/print_head.h"
#include "firmware/printer.h"
#include "proto/error.h"
#include "proto/link_message.h"
#include "tests/unit/paper_samples.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define STEP_MS    10u
#define EVENTS_MAX 64u

/* One board with one head on a virtual clock. */
struct world {
    char directory[64];
    struct board board;
    struct print_head *head;
    struct printer printer;
    mono_ms now;
    size_t write_max; /* bytes the port takes a call, 0: no limit */
    unsigned stall;   /* of every so many calls one takes something; 0: all do */
    unsigned calls;
    bool dead;      /* the port answers < 0 */
    bool no_clear;  /* the head does not know DLE DC4 8 */
    unsigned noise; /* one read in so many brings a random byte; 0: none */
    uint32_t seed;
    bool hold_started;   /* leave the STARTED event where it is */
    uint64_t text_bytes; /* bytes >= 80h written: letters, so parts of a slip */
    struct printer_event events[EVENTS_MAX];
    size_t event_count;
};

static struct world *of(void *context)
{
    return context;
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    struct world *world = of(context);
    assert_int_equal(port, BOARD_PORT_PRINTER);
    world->seed = world->seed * 1664525u + 1013904223u;
    if (world->noise != 0 && size > 0 && (world->seed >> 8) % world->noise == 0) {
        data[0] = (uint8_t)(world->seed >> 24);
        return 1;
    }
    return world->dead ? -1 : (int)print_head_output(world->head, data, size, world->now);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    struct world *world = of(context);
    assert_int_equal(port, BOARD_PORT_PRINTER);
    if (world->dead)
        return -1;
    if (world->stall != 0 && ++world->calls % world->stall != 0)
        return 0;
    if (world->no_clear && size == 10 && data[0] == 0x10 && data[1] == 0x14)
        return 10;
    if (world->write_max != 0 && size > world->write_max)
        size = world->write_max;
    size_t taken = print_head_feed(world->head, data, size, world->now);
    for (size_t i = 0; i < taken; i++)
        world->text_bytes += data[i] >= 0x80;
    return (int)taken;
}

static void start_head(struct world *world, unsigned lines_per_second)
{
    struct print_head_options options = {
        .directory = world->directory, .columns = 32, .lines_per_second = lines_per_second};
    world->head = print_head_open(&options);
    assert_non_null(world->head);
}

static struct world *world_open(unsigned lines_per_second)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    strcpy(world->directory, "/tmp/openkkt-printer-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->board.context = world;
    world->board.port_read = port_read;
    world->board.port_write = port_write;
    world->now = 1000;
    start_head(world, lines_per_second);
    printer_init(&world->printer, &world->board, 32);
    return world;
}

static void world_close(struct world *world)
{
    char path[512];
    print_head_close(world->head);
    DIR *directory = opendir(world->directory);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", world->directory, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    assert_int_equal(rmdir(world->directory), 0);
    free(world);
}

static void turn(struct world *world)
{
    world->now += STEP_MS;
    print_head_step(world->head, world->now);
    printer_step(&world->printer, world->now);
    if (world->hold_started && world->printer.event.kind == PRINTER_EVENT_STARTED)
        return;
    struct printer_event event = printer_take_event(&world->printer);
    if (event.kind != PRINTER_EVENT_NONE) {
        assert_true(world->event_count < EVENTS_MAX);
        world->events[world->event_count++] = event;
    }
}

static void run(struct world *world, unsigned ms)
{
    for (unsigned spent = 0; spent < ms; spent += STEP_MS)
        turn(world);
}

/* Until nothing is queued; fails after limit_ms. */
static void run_until_idle(struct world *world, unsigned limit_ms)
{
    for (unsigned spent = 0; !printer_idle(&world->printer) || world->printer.event.kind != 0;
         spent += STEP_MS) {
        if (spent > limit_ms)
            fail_msg("the slip was not printed in %u ms (phase %u, paper %u)", limit_ms,
                     world->printer.phase, world->printer.paper);
        turn(world);
    }
}

static unsigned events_of(const struct world *world, enum printer_event_kind kind)
{
    unsigned count = 0;
    for (size_t i = 0; i < world->event_count; i++)
        count += world->events[i].kind == kind;
    return count;
}

static void add_sample(struct world *world, uint32_t id, const char *name, uint8_t marks)
{
    static uint8_t tlv[SAMPLE_MAX];
    const struct sample *sample = sample_find(name);
    size_t size = sample_build(sample, tlv, sizeof tlv);
    assert_true(printer_add(&world->printer, id, sample->form, sample->marks | marks, tlv, size));
    memset(tlv, 0xAA, sizeof tlv); /* the spool holds a copy */
}

struct index_counts {
    unsigned whole, torn;
};

static struct index_counts read_index(const struct world *world)
{
    char path[512], line[4096];
    struct index_counts counts = {0, 0};
    print_head_wait_pictures(world->head);
    snprintf(path, sizeof path, "%s/index.jsonl", world->directory);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strstr(line, "\"complete\":true") != NULL)
            counts.whole++;
        else
            counts.torn++;
    }
    if (file != NULL)
        fclose(file);
    return counts;
}

static void read_file(const char *path, char *out, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s cannot be opened", path);
    out[fread(out, 1, capacity - 1, file)] = 0;
    fclose(file);
}

static void read_slip(const struct world *world, uint32_t number, char *out, size_t capacity)
{
    char path[512];
    print_head_wait_pictures(world->head);
    snprintf(path, sizeof path, "%s/%06u.txt", world->directory, number);
    read_file(path, out, capacity);
}

/* The newest slip is the reviewed text of the sample. */
static void expect_last_slip(const struct world *world, const char *sample)
{
    static char paper[65536], golden[65536];
    char path[256];
    read_slip(world, print_head_last_slip(world->head), paper, sizeof paper);
    snprintf(path, sizeof path, "tests/data/paper/%s-32.txt", sample);
    read_file(path, golden, sizeof golden);
    char *cut = strstr(golden, "[CUT]\n");
    assert_non_null(cut);
    *cut = 0;
    assert_string_equal(paper, golden);
}

static unsigned sample_lines(const char *name)
{
    static uint8_t tlv[SAMPLE_MAX];
    const struct sample *sample = sample_find(name);
    struct layout layout;
    struct slip_line line;
    unsigned count = 0;
    layout_init(&layout, tlv, sample_build(sample, tlv, sizeof tlv), sample->form, 0, 32);
    while (layout_next(&layout, &line))
        count += line.kind != SLIP_LINE_CUT;
    return count;
}

static void test_prints_what_the_layout_says(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    for (unsigned i = 0; i < SAMPLE_COUNT; i++) {
        if (strcmp(samples[i].name, "receipt-resumed") == 0)
            continue;
        world->event_count = 0;
        add_sample(world, 100 + i, samples[i].name, 0);
        run_until_idle(world, 5000);
        expect_last_slip(world, samples[i].name);
        assert_int_equal(events_of(world, PRINTER_EVENT_STARTED), 1);
        assert_int_equal(events_of(world, PRINTER_EVENT_PRINTED), 1);
        assert_int_equal(world->events[world->event_count - 1].kind, PRINTER_EVENT_PRINTED);
        assert_int_equal(world->events[world->event_count - 1].slip, 100 + i);
    }
    assert_int_equal(read_index(world).torn, 0);
    assert_int_equal(read_index(world).whole, SAMPLE_COUNT - 1);
    world_close(world);
}

static void test_no_byte_before_started_was_taken(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    world->hold_started = true;
    add_sample(world, 1, "receipt", 0);
    run(world, 10000);
    assert_int_equal(world->printer.event.kind, PRINTER_EVENT_STARTED);
    assert_int_equal(world->text_bytes, 0);
    struct print_head_counters counters;
    print_head_counters(world->head, &counters);
    assert_int_equal(counters.lines, 0);
    assert_int_equal(counters.cuts, 0);
    world->hold_started = false;
    run_until_idle(world, 5000);
    expect_last_slip(world, "receipt");
    world_close(world);
}

static void test_waits_for_paper(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    print_head_set_paper(world->head, PRINT_HEAD_PAPER_OUT);
    run(world, 1000);
    assert_int_equal(printer_ready(&world->printer), ERROR_PAPER_OUT);
    assert_int_equal(world->events[0].kind, PRINTER_EVENT_STATE);
    assert_int_equal(world->events[0].state & PAPER_OUT, PAPER_OUT);
    add_sample(world, 1, "receipt", 0);
    run(world, 3000);
    assert_int_equal(events_of(world, PRINTER_EVENT_STARTED), 0);
    print_head_set_paper(world->head, PRINT_HEAD_PAPER_NEAR_END);
    run_until_idle(world, 5000);
    expect_last_slip(world, "receipt");
    assert_int_equal(printer_ready(&world->printer), ERROR_NONE);
    assert_int_equal(world->printer.paper, PAPER_NEAR_END);
    assert_int_equal(read_index(world).whole, 1);
    assert_int_equal(read_index(world).torn, 0);
    world_close(world);
}

enum trouble { PAPER, COVER, COVER_FLIP, FAULT, POWER_CYCLE, POWER_OFF, TROUBLES };

static void cause(struct world *world, enum trouble trouble)
{
    switch (trouble) {
    case PAPER:
        print_head_set_paper(world->head, PRINT_HEAD_PAPER_OUT);
        break;
    case COVER:
        print_head_set_cover(world->head, true);
        break;
    case COVER_FLIP:
        print_head_set_cover(world->head, true);
        print_head_set_cover(world->head, false);
        break;
    case FAULT:
        print_head_set_fault(world->head, true);
        break;
    case POWER_CYCLE:
        print_head_power_cycle(world->head);
        break;
    default:
        print_head_set_power(world->head, false);
        break;
    }
}

static void mend(struct world *world)
{
    print_head_set_paper(world->head, PRINT_HEAD_PAPER_IN);
    print_head_set_cover(world->head, false);
    print_head_set_fault(world->head, false);
    print_head_set_power(world->head, true);
}

/* After any trouble: one whole slip, marked when a piece of it came out before, one STARTED, one
 * PRINTED. */
static void expect_one_slip(struct world *world, const char *what, unsigned line)
{
    static char text[65536];
    struct index_counts counts = read_index(world);
    if (counts.whole != 1)
        fail_msg("%s at line %u: %u whole slips, %u torn", what, line, counts.whole, counts.torn);
    assert_int_equal(events_of(world, PRINTER_EVENT_STARTED), 1);
    assert_int_equal(events_of(world, PRINTER_EVENT_PRINTED), 1);
    uint32_t last = print_head_last_slip(world->head);
    read_slip(world, last, text, sizeof text);
    expect_last_slip(world, strstr(text, "НЕДЕЙСТВИТЕЛЕН") != NULL ? "receipt-resumed" : "receipt");
    if (counts.torn != 0)
        assert_non_null(strstr(text, "НЕДЕЙСТВИТЕЛЕН"));
    for (uint32_t number = 1; number < last; number++) {
        read_slip(world, number, text, sizeof text);
        assert_memory_equal(text, "[TORN]\n", 7);
    }
}

/* The roll ends after every line of the slip, the last one included. */
static void test_paper_out_after_each_line(void **state)
{
    (void)state;
    unsigned lines = sample_lines("receipt");
    for (unsigned line = 1; line <= lines; line++) {
        struct world *world = world_open(line % 2 == 0 ? 0 : 200);
        run(world, 1000);
        print_head_set_paper_out_after(world->head, line);
        add_sample(world, 7, "receipt", 0);
        run(world, 3000);
        assert_int_equal(printer_ready(&world->printer), ERROR_PAPER_OUT);
        assert_false(printer_idle(&world->printer));
        print_head_set_paper(world->head, PRINT_HEAD_PAPER_IN);
        run_until_idle(world, 30000);
        expect_one_slip(world, "paper out", line);
        assert_int_equal(read_index(world).torn, 1);
        world_close(world);
    }
}

/* Every kind of trouble at many moments of a slip that is printed at 50 lines a second. */
static void test_trouble_at_each_moment(void **state)
{
    (void)state;
    static const char *const names[] = {"paper", "cover",       "cover flip",
                                        "fault", "power cycle", "power off"};
    for (unsigned trouble = 0; trouble < TROUBLES; trouble++) {
        for (unsigned at_ms = 0; at_ms < 1300; at_ms += 40) {
            struct world *world = world_open(50);
            run(world, 1000);
            add_sample(world, 7, "receipt", 0);
            run(world, at_ms);
            if (printer_idle(&world->printer)) {
                world_close(world);
                break;
            }
            cause(world, (enum trouble)trouble);
            run(world, 4000);
            mend(world);
            run_until_idle(world, 60000);
            expect_one_slip(world, names[trouble], at_ms);
            world_close(world);
        }
    }
}

static void test_silence(void **state)
{
    (void)state;
    struct world *world = world_open(50);
    run(world, 1000);
    add_sample(world, 7, "receipt", 0);
    run(world, 300);
    print_head_set_mute(world->head, true);
    run(world, PRINTER_ANSWER_TIMEOUT_MS + PRINTER_POLL_BUSY_MS + 3 * STEP_MS);
    assert_int_equal(printer_ready(&world->printer), ERROR_PRINTER);
    assert_int_equal(world->printer.paper, PRINTER_SILENT);
    run(world, 5000);
    assert_false(printer_idle(&world->printer));
    print_head_set_mute(world->head, false);
    run_until_idle(world, 30000);
    expect_last_slip(world, "receipt-resumed");
    assert_int_equal(events_of(world, PRINTER_EVENT_STARTED), 1);
    assert_int_equal(events_of(world, PRINTER_EVENT_PRINTED), 1);
    world_close(world);
}

static void test_dead_port(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    run(world, 1000);
    world->dead = true;
    run(world, 2 * STEP_MS);
    assert_int_equal(printer_ready(&world->printer), ERROR_PRINTER);
    add_sample(world, 7, "receipt", 0);
    run(world, 5000);
    assert_int_equal(events_of(world, PRINTER_EVENT_STARTED), 0);
    world->dead = false;
    run_until_idle(world, 10000);
    expect_last_slip(world, "receipt");
    world_close(world);
}

/* 60 items at 8 lines a second through a port that takes 3 bytes of every fourth call: slow, but
 * never silent. */
static void test_slow_head_and_port(void **state)
{
    (void)state;
    struct world *world = world_open(8);
    world->write_max = 30;
    world->stall = 4;
    run(world, 3000);
    world->event_count = 0;
    add_sample(world, 7, "receipt-60", 0);
    run_until_idle(world, 120000);
    expect_last_slip(world, "receipt-60");
    assert_int_equal(events_of(world, PRINTER_EVENT_STATE), 0);
    assert_int_equal(read_index(world).whole, 1);
    assert_int_equal(read_index(world).torn, 0);
    world_close(world);
}

/* A whole buffer of a slow head is never filled, so paper out is told while it has
 * much to print. */
static void test_state_is_known_while_the_head_is_busy(void **state)
{
    (void)state;
    struct world *world = world_open(8);
    run(world, 1000);
    add_sample(world, 7, "receipt-60", 0);
    run(world, 5000);
    print_head_set_paper(world->head, PRINT_HEAD_PAPER_OUT);
    run(world, 400);
    assert_int_equal(printer_ready(&world->printer), ERROR_PAPER_OUT);
    run(world, 600000);
    assert_int_equal(printer_ready(&world->printer), ERROR_PAPER_OUT);
    print_head_set_paper(world->head, PRINT_HEAD_PAPER_IN);
    run_until_idle(world, 120000);
    assert_int_equal(read_index(world).whole, 1);
    assert_int_equal(read_index(world).torn, 1);
    world_close(world);
}

/* The board restarts in the middle of a slip; its owner queues the slip again with the mark. */
static void test_owner_resumes_after_restart(void **state)
{
    (void)state;
    struct world *world = world_open(50);
    run(world, 1000);
    add_sample(world, 7, "receipt", 0);
    run(world, 400);
    assert_false(printer_idle(&world->printer));
    printer_init(&world->printer, &world->board, 32);
    world->event_count = 0;
    add_sample(world, 7, "receipt", SLIP_MARK_RESUMED);
    run_until_idle(world, 30000);
    expect_last_slip(world, "receipt-resumed");
    assert_int_equal(print_head_last_slip(world->head), 2);
    world_close(world);
}

/* Heads without DLE DC4 8 go on with what they hold; the barrier waits for that, and the slip comes
 * whole and marked. */
static void test_head_without_buffer_clearing(void **state)
{
    (void)state;
    for (unsigned line = 1; line < 50; line += 7) {
        struct world *world = world_open(100);
        world->no_clear = true;
        run(world, 3000);
        print_head_set_paper_out_after(world->head, line);
        add_sample(world, 7, "receipt", 0);
        run(world, 9000);
        print_head_set_paper(world->head, PRINT_HEAD_PAPER_IN);
        run_until_idle(world, 60000);
        expect_last_slip(world, "receipt-resumed");
        assert_int_equal(events_of(world, PRINTER_EVENT_PRINTED), 1);
        assert_int_equal(read_index(world).whole, 1);
        world_close(world);
    }
}

/* The same restart on a head that cannot forget: its answers to the old life's GS r must not count
 * for the new slip. */
static void test_restart_with_answers_of_the_old_life(void **state)
{
    (void)state;
    for (unsigned at_ms = 500; at_ms < 4500; at_ms += 250) {
        struct world *world = world_open(10);
        world->no_clear = true;
        run(world, 6000);
        add_sample(world, 7, "receipt", 0);
        run(world, at_ms);
        printer_init(&world->printer, &world->board, 32);
        world->event_count = 0;
        add_sample(world, 7, "receipt", SLIP_MARK_RESUMED);
        while (events_of(world, PRINTER_EVENT_PRINTED) == 0)
            turn(world);
        /* At this very moment it is on paper, cut. */
        expect_last_slip(world, "receipt-resumed");
        world_close(world);
    }
}

static void test_order_and_spool(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    static uint8_t big[LIMIT_SPOOL_BYTES];
    print_head_set_cover(world->head, true);
    run(world, 1000);
    assert_int_equal(printer_ready(&world->printer), ERROR_COVER_OPEN);
    assert_true(printer_has_room(&world->printer, LIMIT_SPOOL_BYTES));
    assert_false(printer_has_room(&world->printer, LIMIT_SPOOL_BYTES + 1));
    for (uint32_t id = 1; id <= LIMIT_SPOOL_SLIPS; id++)
        add_sample(world, id, id % 2 == 0 ? "cash-in" : "non-fiscal", 0);
    assert_false(printer_add(&world->printer, 99, SLIP_CASH_IN, 0, NULL, 0));
    print_head_set_cover(world->head, false);
    run_until_idle(world, 20000);
    uint32_t next = 1;
    for (size_t i = 0; i < world->event_count; i++)
        if (world->events[i].kind == PRINTER_EVENT_PRINTED)
            assert_int_equal(world->events[i].slip, next++);
    assert_int_equal(next, LIMIT_SPOOL_SLIPS + 1);
    assert_int_equal(world->printer.spool_used, 0);
    struct printer_part parts[2] = {{big, LIMIT_SPOOL_BYTES - 10}, {big, 11}};
    assert_false(printer_add_parts(&world->printer, 1, SLIP_CASH_IN, 0, parts, 2));
    assert_int_equal(world->printer.spool_used, 0);
    parts[1].size = 10;
    assert_true(printer_add_parts(&world->printer, 1, SLIP_CASH_IN, 0, parts, 2));
    assert_false(printer_has_room(&world->printer, 1));
    run_until_idle(world, 5000);
    world_close(world);
}

/* Random answers among the real ones: the slip comes out whole all the same, and the driver calms
 * down. */
static void test_noise_on_the_line(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 40; seed++) {
        struct world *world = world_open(100);
        world->seed = seed;
        world->noise = 20;
        run(world, 2000);
        world->event_count = 0;
        add_sample(world, 7, "receipt", 0);
        for (unsigned spent = 0; spent < 600000 && !printer_idle(&world->printer); spent += 1000) {
            run(world, 1000);
            if (world->event_count > EVENTS_MAX / 2)
                world->event_count = 0;
        }
        assert_true(printer_idle(&world->printer));
        world->noise = 0;
        run(world, 5000);
        assert_int_equal(printer_ready(&world->printer), ERROR_NONE);
        assert_true(read_index(world).whole >= 1);
        world_close(world);
    }
}

static void test_polls_at_the_stated_pace(void **state)
{
    (void)state;
    struct world *world = world_open(0);
    run(world, 2000);
    uint32_t before = world->printer.bytes_sent;
    run(world, 10000);
    uint32_t rounds = (world->printer.bytes_sent - before) / 9;
    assert_in_range(rounds, 10000 / (PRINTER_POLL_IDLE_MS + 5 * STEP_MS),
                    10000 / PRINTER_POLL_IDLE_MS + 1);
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prints_what_the_layout_says),
        cmocka_unit_test(test_no_byte_before_started_was_taken),
        cmocka_unit_test(test_waits_for_paper),
        cmocka_unit_test(test_paper_out_after_each_line),
        cmocka_unit_test(test_trouble_at_each_moment),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_dead_port),
        cmocka_unit_test(test_slow_head_and_port),
        cmocka_unit_test(test_state_is_known_while_the_head_is_busy),
        cmocka_unit_test(test_owner_resumes_after_restart),
        cmocka_unit_test(test_head_without_buffer_clearing),
        cmocka_unit_test(test_restart_with_answers_of_the_old_life),
        cmocka_unit_test(test_order_and_spool),
        cmocka_unit_test(test_noise_on_the_line),
        cmocka_unit_test(test_polls_at_the_stated_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
