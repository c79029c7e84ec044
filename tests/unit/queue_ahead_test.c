/* The queue with two receipts on the way: order, what goes alone, every misbehaviour of the board
 * at either of the two, and the death of the process at every step. Whatever happens, a job is
 * executed exactly once.
 */
#include "tests/unit/queue_world.h"

enum { JOBS = 8 };

static void submit_receipts(kkt_queue *queue, unsigned from, unsigned count)
{
    kkt_error error;
    for (unsigned i = 0; i < count; i++) {
        if (submit_receipt(queue, from + i, &error) != KKT_OK)
            fail_msg("submit: %s: %s", error.name, error.text);
    }
}

static void assert_order(const struct fake_board *board, unsigned from, unsigned first,
                         unsigned count)
{
    assert_int_equal(board->executions, from + count);
    for (unsigned i = 0; i < count; i++) {
        kkt_key key = key_of(first + i);
        assert_memory_equal(board->order[from + i], key.bytes, KEY_SIZE);
    }
}

static unsigned times_executed(const struct fake_board *board, unsigned from, unsigned number)
{
    unsigned times = 0;
    kkt_key key = key_of(number);
    for (unsigned i = from; i < board->executions; i++)
        times += memcmp(board->order[i], key.bytes, KEY_SIZE) == 0;
    return times;
}

static void the_next_receipt_waits_at_the_board(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_counters counters;
    world->board.delay_ms = 5;
    submit_receipts(queue, 1, 40);
    assert_int_equal(kkt_run(queue, device, 20000, &error), KKT_OK);
    assert_order(&world->board, 0, 1, 40);
    for (unsigned i = 1; i <= 40; i++)
        assert_state(queue, i, KKT_JOB_DONE);
    /* The first goes alone, the last has none behind it. */
    assert_in_range(world->board.sent_ahead, 30, 38);
    assert_int_equal(world->board.job_requests, 40);
    kkt_get_counters(queue, device, &counters);
    assert_int_equal(counters.requests_sent, 41);
    assert_int_equal(counters.answers_received, 41);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void other_jobs_go_alone(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    uint8_t body[512];
    world->board.delay_ms = 5;
    /* Two receipts settle the link, then every pair has a member that must not be sent ahead or
     * behind. */
    submit_receipts(queue, 1, 1);
    for (unsigned i = 2; i < 20; i += 2) {
        assert_int_equal(submit(queue, i, &error), KKT_OK);
        submit_receipts(queue, i + 1, 1);
    }
    /* A printed one, then an electronic one. */
    kkt_key key = key_of(20);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_RECEIPT, body,
                                receipt_of(20, true, body, sizeof body), &error),
                     KKT_OK);
    assert_int_equal(kkt_run(queue, device, 20000, &error), KKT_OK);
    assert_order(&world->board, 0, 1, 20);
    assert_int_equal(world->board.sent_ahead, 0);
    /* The other way round it may. */
    submit_receipts(queue, 21, 1);
    key = key_of(22);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_RECEIPT, body,
                                receipt_of(22, true, body, sizeof body), &error),
                     KKT_OK);
    submit_receipts(queue, 23, 1);
    assert_int_equal(kkt_run(queue, device, 20000, &error), KKT_OK);
    assert_order(&world->board, 0, 1, 23);
    assert_int_equal(world->board.sent_ahead, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void nothing_is_sent_behind_the_one_waited_for(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(4);
    world->board.delay_ms = 5;
    submit_receipts(queue, 1, 6);
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
    assert_int_equal(result.state, KKT_JOB_DONE);
    assert_int_equal(world->board.job_requests, 4);
    assert_in_range(world->board.sent_ahead, 1, 2);
    assert_state(queue, 5, KKT_JOB_STORED);
    key = key_of(5);
    assert_int_equal(kkt_cancel(queue, &key, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(world->board.executions, 5);
    assert_int_equal(times_executed(&world->board, 0, 5), 0);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void a_receipt_sent_ahead_counts_as_sent(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    submit_receipts(queue, 1, 4);
    fake_board_misbehave(&world->board, FAKE_SILENT, 100, 0);
    world->board.fault_skip = 1;
    assert_int_equal(kkt_run(queue, device, 300, &error), ERROR_OUTCOME_UNKNOWN);
    assert_state(queue, 1, KKT_JOB_DONE);
    for (unsigned i = 2; i <= 4; i++) {
        kkt_key key = key_of(i);
        assert_int_equal(kkt_cancel(queue, &key, &error), i == 4 ? KKT_OK : ERROR_IN_PROGRESS);
    }
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_order(&world->board, 0, 1, 3);
    assert_state(queue, 4, KKT_JOB_CANCELLED);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void a_refusal_does_not_stop_the_one_behind(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    world->board.delay_ms = 3;
    for (unsigned at = 0; at < JOBS; at++) {
        unsigned from = world->board.executions, first = 1 + at * JOBS;
        submit_receipts(queue, first, JOBS);
        fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_SHIFT_EXPIRED);
        world->board.fault_skip = at;
        assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
        assert_int_equal(world->board.executions, from + JOBS - 1);
        for (unsigned i = 0; i < JOBS; i++) {
            kkt_key key = key_of(first + i);
            assert_state(queue, first + i, i == at ? KKT_JOB_REFUSED : KKT_JOB_DONE);
            if (i != at)
                assert_memory_equal(world->board.order[from + i - (i > at)], key.bytes, KEY_SIZE);
        }
    }
    assert_int_equal(world->board.job_requests, JOBS * JOBS);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* One fault at the at-th job. in_order: the fault does not let the board begin the second first. */
static void try_fault(struct world *world, unsigned at, enum fake_board_fault fault, uint16_t code,
                      bool in_order)
{
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    unsigned from = world->board.executions;
    for (unsigned i = 0; i < from; i++) /* this round's keys are new to the board */
        memset(world->board.jobs[i].key, 0xEE, KEY_SIZE);
    submit_receipts(queue, 1, JOBS);
    fake_board_misbehave(&world->board, fault, 1, code);
    world->board.fault_skip = at;
    assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
    for (unsigned i = 1; i <= JOBS; i++) {
        assert_state(queue, i, KKT_JOB_DONE);
        assert_int_equal(times_executed(&world->board, from, i), 1);
    }
    assert_int_equal(world->board.executions, from + JOBS);
    assert_int_equal(world->board.conflicts, 0);
    if (in_order)
        assert_order(&world->board, from, 1, JOBS);
    kkt_close(device);
    kkt_queue_close(queue);
    remove_queue(world);
}

static void every_fault_at_either_of_two_ends_in_one_execution(void **state)
{
    static const struct {
        enum fake_board_fault fault;
        uint16_t code;
        bool in_order;
    } cases[] = {
        {FAKE_DROP_BEFORE, 0, true},
        {FAKE_DROP_AFTER, 0, true},
        {FAKE_WRONG_KEY, 0, true},
        {FAKE_ANSWER_LATE, 0, true},
        {FAKE_SILENT, 0, false},
        {FAKE_REFUSE, ERROR_BUSY, false},
        {FAKE_REFUSE, ERROR_IN_PROGRESS, false},
        {FAKE_REFUSE, ERROR_OUTCOME_UNKNOWN, false},
    };
    struct world *world = *state;
    world->board.delay_ms = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned at = 0; at < 5; at++)
            try_fault(world, at, cases[i].fault, cases[i].code, cases[i].in_order);
    }
    assert_true(world->board.sent_ahead > 40);
}

/* ---- Death at every step ---- */

enum { LIVES_JOBS = 4 };

struct death {
    unsigned step, at;
};

static void die_here(void *user, enum queue_step step)
{
    (void)step;
    struct death *death = user;
    if (death->step++ == death->at)
        raise(SIGKILL);
}

/* In the child: stores receipts and works them off; dies at its at-th step. */
static void child_life(const struct world *world, unsigned at)
{
    struct death death = {.at = at};
    kkt_queue *queue;
    kkt *device;
    kkt_error error;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK ||
        kkt_open_lazy(world->uri, NULL, &device, &error) != KKT_OK)
        _exit(2);
    for (unsigned i = 1; i <= LIVES_JOBS; i++) {
        if (submit_receipt(queue, i, &error) != KKT_OK)
            _exit(3);
    }
    queue_set_step_hook(queue, die_here, &death);
    _exit(kkt_run(queue, device, 5000, &error) == KKT_OK ? 0 : 4);
}

/* True: it died at that step. */
static bool live_and_die(const struct world *world, unsigned at)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_life(world, at);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void forget_keys(struct fake_board *board)
{
    for (unsigned i = 0; i < board->executions; i++)
        memset(board->jobs[i].key, 0xEE, KEY_SIZE);
}

static void death_with_two_on_the_way_executes_once_in_order(void **state)
{
    struct world *world = *state;
    unsigned killed = 0, both_marked = 0;
    bool died = true;
    world->board.delay_ms = 1;
    for (unsigned at = 0; died; at++) {
        unsigned before = world->board.executions;
        remove_queue(world);
        forget_keys(&world->board);
        died = live_and_die(world, at);
        killed += died;
        kkt_queue *queue = open_queue(world);
        kkt *device = open_device(world);
        kkt_error error;
        unsigned sent = 0;
        for (unsigned i = 1; i <= LIVES_JOBS; i++) {
            kkt_key key = key_of(i);
            kkt_result result;
            assert_int_equal(kkt_find(queue, &key, &result, &error), KKT_OK);
            if (result.state == KKT_JOB_STORED)
                sent += kkt_cancel(queue, &key, &error) == ERROR_IN_PROGRESS;
        }
        both_marked += sent >= 2;
        submit_receipts(queue, 1, LIVES_JOBS); /* minds changed back */
        assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
        for (unsigned i = 1; i <= LIVES_JOBS; i++)
            assert_state(queue, i, KKT_JOB_DONE);
        assert_order(&world->board, before, 1, LIVES_JOBS);
        assert_int_equal(world->board.conflicts, 0);
        kkt_close(device);
        kkt_queue_close(queue);
    }
    assert_in_range(killed, 20, 200);
    assert_true(both_marked > 3);
}

/* The driver dies anywhere, and the queue is taken to another board. */
static void death_and_another_board_execute_once(void **state)
{
    struct world *world = *state;
    struct fake_board *other = calloc(1, sizeof *other);
    char uri[64];
    unsigned refused = 0, moved = 0;
    bool died = true;
    assert_non_null(other);
    fake_board_start(other, "BOARD-B");
    fake_board_uri(other, uri);
    for (unsigned at = 0; died; at++) {
        unsigned first_a = world->board.executions, first_b = other->executions;
        remove_queue(world);
        forget_keys(&world->board);
        forget_keys(other);
        died = live_and_die(world, at);
        kkt_queue *queue = open_queue(world);
        kkt *device;
        kkt_error error;
        assert_int_equal(kkt_open(uri, NULL, &device, &error), KKT_OK);
        int on_b = kkt_run(queue, device, 10000, &error);
        assert_true(on_b == KKT_OK || on_b == ERROR_OTHER_DEVICE);
        refused += on_b == ERROR_OTHER_DEVICE;
        moved += other->executions > first_b;
        kkt_close(device);
        device = open_device(world);
        assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
        for (unsigned i = 1; i <= LIVES_JOBS; i++)
            assert_int_equal(
                times_executed(&world->board, first_a, i) + times_executed(other, first_b, i), 1);
        kkt_close(device);
        kkt_queue_close(queue);
    }
    assert_true(refused > 3);
    assert_true(moved > 3);
    fake_board_stop(other);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_next_receipt_waits_at_the_board),
        CASE(other_jobs_go_alone),
        CASE(nothing_is_sent_behind_the_one_waited_for),
        CASE(a_receipt_sent_ahead_counts_as_sent),
        CASE(a_refusal_does_not_stop_the_one_behind),
        CASE(every_fault_at_either_of_two_ends_in_one_execution),
        CASE(death_with_two_on_the_way_executes_once_in_order),
        CASE(death_and_another_board_execute_once),
    };
    return cmocka_run_group_tests_name("queue_ahead", tests, NULL, NULL);
}
