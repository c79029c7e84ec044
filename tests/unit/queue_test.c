/* The durable queue against a board with a key journal: whatever dies when, a job is executed
 * exactly once. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "fake_board.h"
#include "hostdrv/queue_step.h"

struct world {
    char folder[64], path[96], uri[64];
    struct fake_board board;
};

static int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    strcpy(world->folder, "/tmp/kkt-queue-XXXXXX");
    if (world == NULL || mkdtemp(world->folder) == NULL)
        return -1;
    snprintf(world->path, sizeof world->path, "%s/jobs", world->folder);
    fake_board_start(&world->board, "BOARD-A");
    fake_board_uri(&world->board, world->uri);
    *state = world;
    return 0;
}

static void remove_queue(const struct world *world)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", world->path, ends[i]);
        unlink(name);
    }
}

static int world_teardown(void **state)
{
    struct world *world = *state;
    fake_board_stop(&world->board);
    chmod(world->folder, 0700);
    remove_queue(world);
    int left = rmdir(world->folder);
    free(world);
    return left;
}

static kkt_key key_of(unsigned number)
{
    kkt_key key = {{0}};
    key.bytes[0] = 0xA0;
    key.bytes[14] = (uint8_t)(number >> 8);
    key.bytes[15] = (uint8_t)number;
    return key;
}

/* A non-fiscal job: a body of one tag, told apart by its number. */
static size_t body_of(unsigned number, uint8_t body[16])
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, 16);
    tlv_put_vln(&writer, TAG_CASH_SUM, 100000u + number);
    return writer.length;
}

static int submit(kkt_queue *queue, unsigned number, kkt_error *error)
{
    uint8_t body[16];
    kkt_key key = key_of(number);
    return kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, body_of(number, body), error);
}

static kkt_queue *open_queue(const struct world *world)
{
    kkt_queue *queue;
    kkt_error error;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK)
        fail_msg("open: %s: %s", error.name, error.text);
    return queue;
}

static kkt *open_device(const struct world *world)
{
    kkt *device;
    kkt_options options = {.connect_timeout_ms = 2000, .answer_timeout_ms = 1500};
    assert_int_equal(kkt_open_lazy(world->uri, &options, &device, NULL), KKT_OK);
    return device;
}

static void assert_state(kkt_queue *queue, unsigned number, enum kkt_job_state state)
{
    kkt_result result;
    kkt_key key = key_of(number);
    assert_int_equal(kkt_find(queue, &key, &result, NULL), KKT_OK);
    assert_int_equal(result.state, state);
}

/* ---- The straight way
 * ------------------------------------------------------------------------------------ */

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

/* ---- Keys
 * ------------------------------------------------------------------------------------------------
 */

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

/* ---- Answers that are none
 * ------------------------------------------------------------------------------- */

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

/* ---- Two boards
 * ------------------------------------------------------------------------------------------ */

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

static void sqlite_do(const struct world *world, const char *sql)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(world->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
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
    sqlite_do(world, "UPDATE meta SET value = 'another start' WHERE name = 'boot'");
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

/* ---- Death at every step
 * --------------------------------------------------------------------------------- */

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

/* In the child: stores three jobs and works them off; dies at its at-th step. */
static void child_life(const struct world *world, unsigned at)
{
    struct death death = {.at = at};
    kkt_queue *queue;
    kkt *device;
    kkt_error error;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK ||
        kkt_open_lazy(world->uri, NULL, &device, &error) != KKT_OK)
        _exit(2);
    queue_set_step_hook(queue, die_here, &death);
    for (unsigned i = 1; i <= 3; i++) {
        if (submit(queue, i, &error) != KKT_OK)
            _exit(3);
    }
    if (kkt_run(queue, device, 5000, &error) != KKT_OK)
        _exit(4);
    _exit(0);
}

static void death_at_every_step_executes_once(void **state)
{
    struct world *world = *state;
    unsigned killed = 0;
    for (unsigned at = 0;; at++) {
        unsigned before = world->board.executions;
        remove_queue(world);
        for (unsigned i = 0; i < 3; i++) /* this round's keys are new to the board */
            memset(world->board.jobs[before > i ? before - 1 - i : 0].key, 0xEE, KEY_SIZE);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_life(world, at);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        bool died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (!died)
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        /* The shop submits again what it does not know to be stored, and works off. */
        kkt_queue *queue = open_queue(world);
        kkt *device = open_device(world);
        kkt_error error;
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(submit(queue, i, &error), KKT_OK);
        assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
        for (unsigned i = 1; i <= 3; i++)
            assert_state(queue, i, KKT_JOB_DONE);
        assert_int_equal(world->board.executions, before + 3);
        assert_int_equal(world->board.conflicts, 0);
        kkt_close(device);
        kkt_queue_close(queue);
        if (!died)
            break;
        killed++;
    }
    /* Three stores, three marks, three sendings, three answers, at least one commit of results. */
    assert_in_range(killed, 25, 200);
}

static bool executed(const struct fake_board *board, unsigned from, unsigned number)
{
    kkt_key key = key_of(number);
    for (unsigned i = from; i < board->executions; i++) {
        if (memcmp(board->order[i], key.bytes, KEY_SIZE) == 0)
            return true;
    }
    return false;
}

static void forget_keys(struct fake_board *board)
{
    for (unsigned i = 0; i < board->executions; i++)
        memset(board->jobs[i].key, 0xEE, KEY_SIZE);
}

/* The driver dies anywhere, and the queue is taken to another board: no job may be punched on both.
 */
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
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            child_life(world, at);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        died = WIFSIGNALED(status);
        kkt_queue *queue = open_queue(world);
        kkt *device;
        kkt_error error;
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(submit(queue, i, &error), KKT_OK);
        assert_int_equal(kkt_open(uri, NULL, &device, &error), KKT_OK);
        int on_b = kkt_run(queue, device, 10000, &error);
        assert_true(on_b == KKT_OK || on_b == ERROR_OTHER_DEVICE);
        refused += on_b == ERROR_OTHER_DEVICE;
        moved += other->executions > first_b;
        kkt_close(device);
        device = open_device(world);
        assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
        for (unsigned i = 1; i <= 3; i++)
            assert_int_equal(executed(&world->board, first_a, i) + executed(other, first_b, i), 1);
        kkt_close(device);
        kkt_queue_close(queue);
    }
    assert_true(refused > 3);
    assert_true(moved > 3);
    fake_board_stop(other);
    free(other);
}

/* ---- Several processes
 * ----------------------------------------------------------------------------------- */

static void two_processes_share_one_queue(void **state)
{
    struct world *world = *state;
    enum { EACH = 20 };
    pid_t children[2];
    world->board.delay_ms = 2;
    for (unsigned child = 0; child < 2; child++) {
        children[child] = fork();
        assert_true(children[child] >= 0);
        if (children[child] != 0)
            continue;
        kkt_queue *queue;
        kkt *device;
        kkt_error error;
        kkt_result result;
        if (kkt_queue_open(world->path, &queue, &error) != KKT_OK ||
            kkt_open_lazy(world->uri, NULL, &device, &error) != KKT_OK)
            _exit(2);
        for (unsigned i = 0; i < EACH; i++) {
            kkt_key key = key_of(child * 100 + i);
            if (submit(queue, child * 100 + i, &error) != KKT_OK)
                _exit(3);
            if (kkt_wait(queue, device, &key, 20000, &result, &error) != KKT_OK ||
                result.state != KKT_JOB_DONE)
                _exit(4);
            /* The fake board serves one connection; the other process may need it. */
            kkt_close(device);
            kkt_open_lazy(world->uri, NULL, &device, &error);
        }
        kkt_close(device);
        kkt_queue_close(queue);
        _exit(0);
    }
    for (unsigned child = 0; child < 2; child++) {
        int status = 0;
        assert_int_equal(waitpid(children[child], &status, 0), children[child]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_int_equal(world->board.executions, 2 * EACH);
}

/* ---- The file
 * -------------------------------------------------------------------------------------------- */

static void strange_files_are_refused(void **state)
{
    struct world *world = *state;
    kkt_queue *queue;
    kkt_error error;
    FILE *file = fopen(world->path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < 2000; i++)
        fputs("this is no database ", file);
    fclose(file);
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    assert_null(queue);
    assert_true(strlen(error.text) > 10);
    remove_queue(world);
    sqlite_do(world, "CREATE TABLE shop(a)");
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    remove_queue(world);
    kkt_queue_close(open_queue(world));
    sqlite_do(world, "PRAGMA user_version = 2");
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_VERSION_UNSUPPORTED);
    remove_queue(world);
    assert_int_equal(kkt_queue_open("/nonexistent/folder/jobs", &queue, &error), ERROR_QUEUE_STORE);
}

static void damaged_pages_are_told(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(submit(queue, i, &error), KKT_OK);
    kkt_queue_close(queue);
    struct stat info;
    assert_int_equal(stat(world->path, &info), 0);
    int file = open(world->path, O_WRONLY);
    static const char dirt[4096] = {0x55, 0x55, 0x55};
    for (off_t at = 4096; at + 4096 <= info.st_size; at += 4096)
        assert_int_equal(pwrite(file, dirt, sizeof dirt, at), sizeof dirt);
    close(file);
    int result = kkt_queue_open(world->path, &queue, &error);
    if (result == KKT_OK) {
        result = submit(queue, 1000, &error);
        kkt_queue_close(queue);
    }
    assert_int_equal(result, ERROR_QUEUE_STORE);
}

/* In a child, because the limit stays with the process: exit code 0 when all went as it must. */
static void full_disk_child(const struct world *world)
{
    signal(SIGXFSZ, SIG_IGN);
    kkt_queue *queue;
    kkt_error error;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK)
        _exit(2);
    if (submit(queue, 1, &error) != KKT_OK)
        _exit(3);
    struct rlimit limit = {.rlim_cur = 96 * 1024, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    unsigned refused = 0;
    for (unsigned i = 2; i < 100; i++) {
        kkt_key key = key_of(i);
        kkt_result result;
        int code = submit(queue, i, &error);
        if (code != KKT_OK && code != ERROR_QUEUE_STORE)
            _exit(4);
        refused += code != KKT_OK;
        /* What was refused is not there, what was taken is. */
        if (kkt_find(queue, &key, &result, &error) != (code == KKT_OK ? KKT_OK : ERROR_NOT_FOUND))
            _exit(5);
    }
    if (refused == 0)
        _exit(6);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    _exit(submit(queue, 200, &error) == KKT_OK ? 0 : 7);
}

static void a_full_disk_stores_nothing_and_heals(void **state)
{
    struct world *world = *state;
    pid_t child = fork();
    if (child == 0)
        full_disk_child(world);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    kkt_queue *queue = open_queue(world);
    assert_state(queue, 1, KKT_JOB_STORED);
    assert_state(queue, 200, KKT_JOB_STORED);
    kkt_queue_close(queue);
}

static void a_read_only_folder_is_told(void **state)
{
    struct world *world = *state;
    pid_t child = fork();
    if (child == 0) {
        kkt_queue *queue;
        kkt_error error;
        chmod(world->folder, 0555);
        if (geteuid() == 0 && setuid(65534) != 0) /* root may write anywhere */
            _exit(2);
        _exit(kkt_queue_open(world->path, &queue, &error) == ERROR_QUEUE_STORE ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_locked_file_is_told(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(world->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(submit(queue, 1, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "locked"));
    assert_int_equal(kkt_find(queue, &key, &result, &error), ERROR_NOT_FOUND);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
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

#define CASE(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

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
        CASE(unknown_outcomes_are_asked_again),
        CASE(answers_without_proof_finish_nothing),
        CASE(lost_links_are_mended),
        CASE(confirmations_arrive_both_ways),
        CASE(a_sent_job_never_goes_to_another_board),
        CASE(after_a_restart_of_the_machine_marks_are_assumed),
        CASE(a_board_swapped_behind_the_address_is_refused),
        CASE(death_at_every_step_executes_once),
        CASE(death_and_another_board_execute_once),
        CASE(two_processes_share_one_queue),
        CASE(strange_files_are_refused),
        CASE(damaged_pages_are_told),
        CASE(a_full_disk_stores_nothing_and_heals),
        CASE(a_read_only_folder_is_told),
        CASE(a_locked_file_is_told),
        CASE(asking_the_board_about_keys),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
