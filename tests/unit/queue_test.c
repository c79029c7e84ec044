/* The durable queue: storing, keys, order, answers, lost links, two boards. Its deaths are in
 * queue_crash_test.c. */
#include "hostdrv/queue_store.h"
#include "tests/unit/queue_world.h"

/* ---- The straight way ---- */

static void one_job_is_stored_done_and_counted(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(7);
    for (unsigned i = 0; i < 5; i++) {
        key = key_of(7 + i);
        assert_int_equal(submit(queue, 7 + i, &error), KKT_OK);
        assert_state(queue, 7 + i, KKT_JOB_STORED);
        assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
        assert_int_equal(result.state, KKT_JOB_DONE);
        assert_int_equal(result.document, i + 1);
    }
    assert_int_equal(result.fiscal_sign, 1000004);
    assert_int_equal(result.total_kop, 12345);
    assert_string_equal(result.serial, "BOARD-A");
    assert_string_equal(result.fn_number, "9999078900001234");
    assert_string_equal(result.registration_number, "0000000001012345");
    assert_memory_equal(result.key.bytes, key.bytes, 16);
    kkt_counters counters;
    kkt_get_counters(queue, device, &counters);
    assert_int_equal(counters.queue_commits, 10); /* two a job */
    assert_int_equal(counters.requests_sent, 6);  /* identity, jobs */
    assert_int_equal(world->board.executions, 5);
    kkt_close(device);
    kkt_queue_close(queue);
}

static int visit_order(void *user, const kkt_entry *entry)
{
    unsigned *next = user;
    kkt_key expected = key_of(*next);
    assert_memory_equal(entry->result.key.bytes, expected.bytes, 16);
    assert_int_equal(entry->attempts, 1);
    (*next)++;
    return 1;
}

static void many_jobs_take_one_commit_in_and_few_out(void **state)
{
    enum { COUNT = 200 };
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    static uint8_t bodies[COUNT][16];
    static kkt_submission jobs[COUNT];
    kkt_error error;
    for (unsigned i = 0; i < COUNT; i++)
        jobs[i] = (kkt_submission){.key = key_of(i),
                                   .job = KKT_JOB_CASH_IN,
                                   .body = bodies[i],
                                   .size = body_of(i, bodies[i])};
    assert_int_equal(kkt_submit_many(queue, jobs, COUNT, NULL, &error), KKT_OK);
    kkt_counters counters;
    kkt_get_counters(queue, NULL, &counters);
    assert_int_equal(counters.queue_commits, 1);
    assert_int_equal(kkt_run(queue, device, 20000, &error), KKT_OK);
    kkt_get_counters(queue, device, &counters);
    assert_in_range(counters.queue_commits, 2, 100);
    assert_int_equal(world->board.executions, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_memory_equal(world->board.order[i], jobs[i].key.bytes, 16);
        assert_state(queue, i, KKT_JOB_DONE);
    }
    unsigned next = 0;
    assert_int_equal(kkt_list(queue, 0, 0, visit_order, &next, &error), KKT_OK);
    assert_int_equal(next, COUNT);
    kkt_close(device);
    kkt_queue_close(queue);
}

struct trace {
    unsigned count;
    enum queue_step steps[64];
};

static void record(void *user, enum queue_step step)
{
    struct trace *trace = user;
    if (step != QUEUE_STEP_STATEMENT && trace->count < 64)
        trace->steps[trace->count++] = step;
}

/* The disk works while the board does. */
static void the_next_job_leaves_before_the_last_result_is_stored(void **state)
{
    static const enum queue_step expected[] = {
        QUEUE_STEP_LOCKED,
        QUEUE_STEP_MARKED,
        QUEUE_STEP_SENT,
        QUEUE_STEP_ANSWERED,
        QUEUE_STEP_MARKED,
        QUEUE_STEP_SENT,
        /* the board takes longer than a result may wait for company */
        QUEUE_STEP_RESULT_STORED,
        QUEUE_STEP_ANSWERED,
        QUEUE_STEP_RESULT_STORED,
        QUEUE_STEP_UNLOCKED,
    };
    struct world *world = *state;
    struct trace trace = {0};
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    world->board.delay_ms = 200;
    queue_set_step_hook(queue, record, &trace);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    queue_set_step_hook(queue, NULL, NULL);
    assert_int_equal(trace.count, sizeof expected / sizeof expected[0]);
    assert_memory_equal(trace.steps, expected, sizeof expected);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void all_or_none_of_many(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    uint8_t body[16];
    size_t size = body_of(1, body), failed = 99;
    kkt_error error;
    kkt_result result;
    kkt_submission jobs[3] = {
        {.key = key_of(1), .job = KKT_JOB_CASH_IN, .body = body, .size = size},
        {.key = key_of(2), .job = KKT_JOB_CASH_IN, .body = body, .size = size},
        {.key = key_of(1), .job = KKT_JOB_CASH_OUT, .body = body, .size = size},
    };
    assert_int_equal(kkt_submit_many(queue, jobs, 3, &failed, &error), ERROR_KEY_CONFLICT);
    assert_int_equal(failed, 2);
    assert_int_equal(kkt_find(queue, &jobs[0].key, &result, NULL), ERROR_NOT_FOUND);
    assert_int_equal(kkt_find(queue, &jobs[1].key, &result, NULL), ERROR_NOT_FOUND);
    jobs[1].size = 3; /* not a TLV list */
    assert_int_equal(kkt_submit_many(queue, jobs, 2, &failed, &error), ERROR_REQUEST_MALFORMED);
    assert_int_equal(failed, 1);
    jobs[0].job = (enum kkt_job)45;
    assert_int_equal(kkt_submit_many(queue, jobs, 1, &failed, &error), ERROR_REQUEST_UNKNOWN);
    kkt_queue_close(queue);
}

/* ---- Keys ---- */

static void same_key_again_is_nothing_new(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_key key = key_of(1);
    uint8_t other[16];
    size_t size = body_of(2, other);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, other, size, &error),
                     ERROR_KEY_CONFLICT);
    assert_string_equal(error.name, "KEY_CONFLICT");
    assert_string_equal(error.field, "key");
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, other, size, &error),
                     ERROR_KEY_CONFLICT);
    assert_int_equal(world->board.executions, 1);
    assert_int_equal(world->board.job_requests, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void refused_jobs_can_be_armed_again(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_SHIFT_EXPIRED);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
    assert_int_equal(result.state, KKT_JOB_REFUSED);
    assert_int_equal(result.error.code, ERROR_SHIFT_EXPIRED);
    assert_string_equal(result.error.name, "SHIFT_EXPIRED");
    assert_int_equal(result.error.tag, TAG_ITEM_SUM);
    assert_string_equal(result.error.field, "itemSum");
    assert_int_equal(result.error.item, 2);
    assert_int_equal(result.error.expected, 4200);
    assert_true(result.error.cure[0] != '\0');
    /* Armed again it stands behind the others. */
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 1, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 2);
    assert_memory_equal(world->board.order[1], key.bytes, 16);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void cancelling_is_exact(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_key first = key_of(1), second = key_of(2), third = key_of(3);
    assert_int_equal(kkt_cancel(queue, &first, &error), ERROR_NOT_FOUND);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(submit(queue, i, &error), KKT_OK);
    assert_int_equal(kkt_cancel(queue, &second, &error), KKT_OK);
    assert_int_equal(kkt_cancel(queue, &second, &error), KKT_OK);
    /* Sent and not answered: only the board can tell. */
    fake_board_misbehave(&world->board, FAKE_SILENT, 100, 0);
    assert_int_equal(kkt_run(queue, device, 300, &error), ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(kkt_cancel(queue, &first, &error), ERROR_IN_PROGRESS);
    assert_int_equal(kkt_cancel(queue, &third, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(kkt_cancel(queue, &first, &error), ERROR_IN_PROGRESS);
    assert_int_equal(world->board.executions, 1);
    assert_state(queue, 2, KKT_JOB_CANCELLED);
    assert_state(queue, 3, KKT_JOB_CANCELLED);
    /* A mind changed back. */
    assert_int_equal(submit(queue, 3, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 3, KKT_JOB_DONE);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* An empty body is a body: stored, found, compared, sent. */
static void a_job_without_a_body(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_key key = key_of(1);
    kkt_error error;
    uint8_t *bytes, body[16];
    size_t size;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(kkt_submit(queue, &key, KKT_JOB_X_REPORT, NULL, 0, &error), KKT_OK);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_X_REPORT, body, body_of(1, body), &error),
                     ERROR_KEY_CONFLICT);
    assert_int_equal(kkt_job_body(queue, &key, &bytes, &size, &error), KKT_OK);
    assert_int_equal(size, 0);
    kkt_free(bytes);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 1, KKT_JOB_DONE);
    key = key_of(2);
    assert_int_equal(kkt_job_body(queue, &key, &bytes, &size, &error), ERROR_NOT_FOUND);
    assert_null(bytes);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void a_refused_job_can_be_taken_back(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_key key = key_of(1);
    kkt_error error;
    kkt_result result;
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_KEY_CONFLICT);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(kkt_find(queue, &key, &result, &error), KKT_OK);
    assert_int_equal(result.error.code, ERROR_KEY_CONFLICT);
    assert_int_equal(kkt_cancel(queue, &key, &error), KKT_OK);
    assert_state(queue, 1, KKT_JOB_CANCELLED);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Answers that are none ---- */

static void unknown_outcomes_are_asked_again(void **state)
{
    static const uint16_t codes[] = {ERROR_OUTCOME_UNKNOWN, ERROR_IN_PROGRESS, ERROR_BUSY,
                                     ERROR_LINK_BUSY, 650};
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        fake_board_misbehave(&world->board, FAKE_REFUSE, 2, codes[i]);
        assert_int_equal(submit(queue, i, &error), KKT_OK);
        assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
        assert_state(queue, i, KKT_JOB_DONE);
    }
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1000, ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(submit(queue, 50, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 600, &error), ERROR_OUTCOME_UNKNOWN);
    assert_state(queue, 50, KKT_JOB_STORED);
    assert_int_equal(world->board.executions, sizeof codes / sizeof codes[0]);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void answers_without_proof_finish_nothing(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_REFUSE_KEYLESS, 1, ERROR_REQUEST_UNKNOWN);
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_REQUEST_UNKNOWN);
    assert_state(queue, 1, KKT_JOB_STORED);
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_VERSION_UNSUPPORTED);
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_VERSION_UNSUPPORTED);
    assert_state(queue, 1, KKT_JOB_STORED);
    fake_board_misbehave(&world->board, FAKE_WRONG_KEY, 1, 0);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 1, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void lost_links_are_mended(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(2);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_AFTER, 1, 0);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_BEFORE, 2, 0);
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
    assert_int_equal(world->board.executions, 2);
    /* Every connection breaks over the job: kkt_run gives up, the job stays. */
    assert_int_equal(submit(queue, 3, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_BEFORE, 1000, 0);
    assert_int_equal(kkt_run(queue, device, 0, &error), ERROR_LINK_LOST);
    assert_state(queue, 3, KKT_JOB_STORED);
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    fake_board_unplug(&world->board);
    assert_int_equal(kkt_run(queue, device, 0, &error), ERROR_LINK_LOST);
    key = key_of(3);
    assert_int_equal(kkt_wait(queue, device, &key, 300, &result, &error), ERROR_LINK_LOST);
    assert_int_equal(result.state, KKT_JOB_STORED);
    fake_board_listen(&world->board);
    assert_int_equal(kkt_wait(queue, device, &key, 10000, &result, &error), KKT_OK);
    assert_int_equal(result.state, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 3);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void confirmations_arrive_both_ways(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key;
    unsigned changed = 77;
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(submit(queue, i, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    /* By an event, while another job runs. */
    pthread_mutex_lock(&world->board.mutex);
    world->board.event_document = 1;
    world->board.event_started = true;
    world->board.queue_count = 2;
    world->board.queue_first = 4;
    pthread_mutex_unlock(&world->board.mutex);
    assert_int_equal(submit(queue, 5, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    key = key_of(1);
    assert_int_equal(kkt_find(queue, &key, &result, NULL), KKT_OK);
    assert_int_equal(result.confirmed, 1);
    /* By asking. */
    assert_int_equal(kkt_update_confirmations(queue, device, &changed, &error), KKT_OK);
    assert_int_equal(changed, 2);
    key = key_of(4);
    assert_int_equal(kkt_find(queue, &key, &result, NULL), KKT_OK);
    assert_int_equal(result.confirmed, 0);
    world->board.queue_count = 0;
    assert_int_equal(kkt_update_confirmations(queue, device, &changed, &error), KKT_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(kkt_update_confirmations(queue, device, &changed, &error), KKT_OK);
    assert_int_equal(changed, 0);
    kkt_event event;
    assert_int_equal(kkt_next_event(device, 100, &event, &error), KKT_OK);
    assert_int_equal(event.kind, LINK_EVENT_CONFIRMED);
    assert_int_equal(event.document, 1);
    assert_int_equal(kkt_next_event(device, 100, &event, &error), KKT_OK);
    assert_int_equal(event.kind, LINK_EVENT_STARTED);
    assert_int_equal(kkt_next_event(device, 50, &event, &error), KKT_OK);
    assert_int_equal(event.kind, 0);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Two boards ---- */

static void a_sent_job_never_goes_to_another_board(void **state)
{
    struct world *world = *state;
    struct fake_board *other = calloc(1, sizeof *other);
    assert_non_null(other);
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world), *wrong;
    char uri[64];
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    fake_board_start(other, "BOARD-B");
    fake_board_uri(other, uri);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_AFTER, 1000, 0);
    assert_int_equal(kkt_run(queue, device, 0, &error), ERROR_LINK_LOST);
    assert_int_equal(world->board.executions, 1);
    kkt_close(device);
    kkt_queue_close(queue);
    /* Job 2 was never sent, so the other board may do it; job 1 it may not, however often it is
     * asked. */
    queue = open_queue(world);
    assert_int_equal(kkt_open(uri, NULL, &wrong, &error), KKT_OK);
    assert_int_equal(kkt_wait(queue, wrong, &key, 1000, &result, &error), ERROR_OTHER_DEVICE);
    assert_non_null(strstr(error.text, "BOARD-A"));
    assert_int_equal(kkt_run(queue, wrong, 5000, &error), ERROR_OTHER_DEVICE);
    assert_state(queue, 1, KKT_JOB_STORED);
    assert_state(queue, 2, KKT_JOB_DONE);
    assert_int_equal(other->executions, 1);
    assert_int_equal(kkt_cancel(queue, &key, &error), ERROR_IN_PROGRESS);
    kkt_close(wrong);
    /* The right one tells. */
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    device = open_device(world);
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
    assert_int_equal(result.state, KKT_JOB_DONE);
    assert_true(result.flags & LINK_RESULT_REPLAYED);
    assert_int_equal(world->board.executions, 1);
    kkt_close(device);
    kkt_queue_close(queue);
    fake_board_stop(other);
    free(other);
}

/* A machine that went down may have lost the marks: then everything unfinished counts as sent to
 * the bound board. */
static void after_a_restart_of_the_machine_marks_are_assumed(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_key key = key_of(2);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    kkt_close(device);
    kkt_queue_close(queue);
    sqlite_do(world, "UPDATE meta SET value = 'another start' WHERE name = 'origin'");
    queue = open_queue(world);
    assert_int_equal(kkt_cancel(queue, &key, &error), ERROR_IN_PROGRESS);
    assert_int_equal(submit(queue, 3, &error), KKT_OK);
    key = key_of(3);
    assert_int_equal(kkt_cancel(queue, &key, &error), KKT_OK); /* stored after it: exact again */
    device = open_device(world);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 2, KKT_JOB_DONE);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void a_board_swapped_behind_the_address_is_refused(void **state)
{
    struct world *world = *state;
    kkt *device;
    kkt_options options = {.expected_serial = "BOARD-Z"};
    kkt_error error;
    assert_int_equal(kkt_open(world->uri, &options, &device, &error), ERROR_OTHER_DEVICE);
    assert_non_null(strstr(error.text, "BOARD-A"));
    /* Swapped between the identity and the job: the device tag tells. */
    kkt_queue *queue = open_queue(world);
    device = open_device(world);
    kkt_identity identity;
    assert_int_equal(kkt_get_identity(device, &identity, &error), KKT_OK);
    pthread_mutex_lock(&world->board.mutex);
    strcpy(world->board.serial, "BOARD-C");
    pthread_mutex_unlock(&world->board.mutex);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_OTHER_DEVICE);
    assert_int_equal(world->board.wrong_tags, 1);
    assert_int_equal(world->board.executions, 0);
    assert_state(queue, 1, KKT_JOB_STORED);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void asking_the_board_about_keys(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_status status;
    kkt_key key = key_of(1);
    assert_int_equal(kkt_ask_result(device, &key, &result, &error), ERROR_NOT_FOUND);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(kkt_ask_result(device, &key, &result, &error), KKT_OK);
    assert_int_equal(result.document, 1);
    assert_int_equal(result.job, KKT_JOB_CASH_IN);
    assert_int_equal(kkt_get_status(device, &status, &error), KKT_OK);
    assert_int_equal(status.block_reason, ERROR_PAPER_OUT);
    assert_int_equal(status.last_document, 1);
    uint8_t *body;
    size_t size;
    uint8_t expected[16];
    assert_int_equal(kkt_job_body(queue, &key, &body, &size, &error), KKT_OK);
    assert_int_equal(size, body_of(1, expected));
    assert_memory_equal(body, expected, size);
    kkt_free(body);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* A shop whose events get lost has a year of receipts that are not marked as confirmed; one more
 * confirmation must not walk through them. The simulated years took three times as long for it. */
static void a_confirmation_looks_at_one_row(void **state)
{
    struct world *world = *state;
    struct queue_store store;
    kkt_error error;
    unsigned changed = 0;
    kkt_queue_close(open_queue(world));
    sqlite_do(world,
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
              " INSERT INTO job(key, job, state, stored_at, document, fn_number, body)"
              " SELECT randomblob(16), 32, 1, 0, i, '9999078900001234', x'' FROM n");
    assert_int_equal(queue_store_open(&store, world->path, &error), KKT_OK);
    sqlite3_stmt *confirm = store.statements[QUEUE_CONFIRM_ONE];
    (void)sqlite3_stmt_status(confirm, SQLITE_STMTSTATUS_VM_STEP, 1);
    assert_int_equal(queue_store_begin(&store, QUEUE_DURABLE, &error), KKT_OK);
    assert_int_equal(queue_store_confirm(&store, "9999078900001234", 1900, &changed, &error),
                     KKT_OK);
    assert_int_equal(queue_store_commit(&store, false, &error), KKT_OK);
    assert_int_equal(changed, 1);
    assert_in_range(sqlite3_stmt_status(confirm, SQLITE_STMTSTATUS_VM_STEP, 0), 1, 500);
    queue_store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(one_job_is_stored_done_and_counted),
        CASE(many_jobs_take_one_commit_in_and_few_out),
        CASE(the_next_job_leaves_before_the_last_result_is_stored),
        CASE(all_or_none_of_many),
        CASE(same_key_again_is_nothing_new),
        CASE(refused_jobs_can_be_armed_again),
        CASE(cancelling_is_exact),
        CASE(a_job_without_a_body),
        CASE(a_refused_job_can_be_taken_back),
        CASE(unknown_outcomes_are_asked_again),
        CASE(answers_without_proof_finish_nothing),
        CASE(lost_links_are_mended),
        CASE(confirmations_arrive_both_ways),
        CASE(a_sent_job_never_goes_to_another_board),
        CASE(after_a_restart_of_the_machine_marks_are_assumed),
        CASE(a_board_swapped_behind_the_address_is_refused),
        CASE(asking_the_board_about_keys),
        CASE(a_confirmation_looks_at_one_row),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
