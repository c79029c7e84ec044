/* The limits of the host that are no failure of the disk (queue_disk_test.c): no right to write,
 * yesterday's copy, two workers, wrong clocks, lost and reused keys. Each has the outcome that
 * QUEUE.md states in "When the host fails".
 */
#include <time.h>

#include "hostdrv/clock.h"
#include "tests/unit/queue_world.h"

/* The code is one that the page names, and says what happened and what to do. */
static void assert_told(int code, const kkt_error *error)
{
    if (code != ERROR_QUEUE_STORE || error->code != code)
        fail_msg("code %d (%s: %s)", code, error->name, error->text);
    assert_true(error->text[0] != '\0' && error->cure[0] != '\0');
}

/* ---- No right to write ---- */

/* In a child that is not root, who may write anywhere. 0: all went as it must. */
static int look_without_rights(const struct world *world)
{
    kkt_queue *queue;
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    if (geteuid() == 0 && setuid(65534) != 0)
        return 2;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK)
        return 3;
    if (kkt_find(queue, &key, &result, &error) != KKT_OK || result.state != KKT_JOB_STORED)
        return 4;
    if (submit(queue, 2, &error) != ERROR_QUEUE_STORE || strstr(error.cure, "write") == NULL)
        return 5;
    if (kkt_cancel(queue, &key, &error) != ERROR_QUEUE_STORE)
        return 6;
    kkt *device = open_device(world);
    if (kkt_run(queue, device, 5000, &error) != ERROR_QUEUE_STORE)
        return 7;
    kkt_close(device);
    kkt_queue_close(queue);
    return 0;
}

static void a_read_only_file_can_be_looked_at(void **state)
{
    struct world *world = *state;
    char lock[128];
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    kkt_queue_close(queue);
    snprintf(lock, sizeof lock, "%s.lock", world->path);
    chmod(world->path, 0444);
    chmod(lock, 0666);
    chmod(world->folder, 0777);
    pid_t child = fork();
    if (child == 0)
        _exit(look_without_rights(world));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(world->board.job_requests, 0);
    chmod(world->path, 0644);
    queue = open_queue(world);
    assert_state(queue, 1, KKT_JOB_STORED);
    kkt_queue_close(queue);
}

/* ---- Yesterday's copy ---- */

static void copy_file(const char *from, const char *to)
{
    static char bytes[1 << 20];
    FILE *source = fopen(from, "rb");
    FILE *target = fopen(to, "wb");
    assert_non_null(source);
    assert_non_null(target);
    size_t size = fread(bytes, 1, sizeof bytes, source);
    assert_in_range(size, 4096, sizeof bytes - 1);
    assert_int_equal(fwrite(bytes, 1, size, target), size);
    fclose(source);
    fclose(target);
}

enum { YESTERDAY = 3, TODAY = 6 };

/* Job 1 is done and 2-3 are stored when the copy is made, then they are done; 4-6 come after it, 6
 * is sent but its answer lost. with_log: the newer log was not removed when the copy was put back.
 * */
static void restore_yesterday(struct world *world, kkt *device, bool with_log)
{
    char copy[128], log[128], kept[128];
    kkt_error error;
    kkt_queue *queue = open_queue(world);
    snprintf(copy, sizeof copy, "%s.old", world->path);
    snprintf(log, sizeof log, "%s-wal", world->path);
    snprintf(kept, sizeof kept, "%s.log", world->path);
    /* The file knows its board already. */
    assert_int_equal(submit_receipt(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    for (unsigned i = 2; i <= YESTERDAY; i++)
        assert_int_equal(submit_receipt(queue, i, &error), KKT_OK);
    kkt_queue_close(queue);
    copy_file(world->path, copy);
    queue = open_queue(world);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    for (unsigned i = YESTERDAY + 1; i < TODAY; i++)
        assert_int_equal(submit_receipt(queue, i, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_ANSWER_LATE, 1, 0);
    assert_int_equal(submit_receipt(queue, TODAY, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 100, &error), ERROR_OUTCOME_UNKNOWN);
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    copy_file(log, kept); /* as it lies there when the machine goes down */
    kkt_queue_close(queue);
    assert_int_equal(world->board.executions, TODAY);
    remove_queue(world);
    copy_file(copy, world->path);
    if (with_log)
        copy_file(kept, log);
    unlink(copy);
    unlink(kept);
}

static void yesterdays_copy_doubles_nothing(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    restore_yesterday(world, device, false);
    kkt_queue *queue = open_queue(world);
    for (unsigned i = 1; i <= TODAY; i++) {
        kkt_key key = key_of(i);
        int code = kkt_find(queue, &key, &result, &error);
        assert_int_equal(code, i <= YESTERDAY ? KKT_OK : ERROR_NOT_FOUND);
        assert_int_equal(result.state, i == 1 ? KKT_JOB_DONE : KKT_JOB_STORED);
        /* It was sent, though the copy does not know it: no false promise that it was not. */
        if (i <= YESTERDAY)
            assert_int_equal(kkt_cancel(queue, &key, &error), ERROR_IN_PROGRESS);
    }
    /* The backend submits whatever it does not know to be finished; one under a key that belongs to
     * another order meanwhile. */
    kkt_key reused = key_of(TODAY - 1);
    uint8_t body[16];
    assert_int_equal(kkt_submit(queue, &reused, KKT_JOB_CASH_IN, body, body_of(77, body), &error),
                     KKT_OK);
    for (unsigned i = 1; i <= TODAY; i++)
        assert_int_equal(submit_receipt(queue, i, &error),
                         i == TODAY - 1 ? ERROR_KEY_CONFLICT : KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    for (unsigned i = 1; i <= TODAY; i++) {
        kkt_key key = key_of(i);
        assert_int_equal(kkt_find(queue, &key, &result, &error), KKT_OK);
        if (i == TODAY - 1) {
            assert_int_equal(result.state, KKT_JOB_REFUSED);
            assert_int_equal(result.error.code, ERROR_KEY_CONFLICT);
        } else {
            assert_int_equal(result.state, KKT_JOB_DONE);
            assert_int_equal(result.document, i);
            assert_true(i == 1 || (result.flags & LINK_RESULT_REPLAYED) != 0);
        }
    }
    assert_int_equal(world->board.executions, TODAY);
    kkt_queue_close(queue);
    kkt_close(device);
}

/* The newer log lies beside the older file, which makes a file that never was. */
static void yesterdays_copy_under_todays_log_doubles_nothing(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    kkt_queue *queue;
    kkt_error error;
    restore_yesterday(world, device, true);
    int code = kkt_queue_open(world->path, &queue, &error);
    if (code == KKT_OK) {
        for (unsigned i = 1; i <= TODAY && code == KKT_OK; i++)
            code = submit_receipt(queue, i, &error);
        if (code == KKT_OK)
            code = kkt_run(queue, device, 5000, &error);
        kkt_queue_close(queue);
    }
    if (code != KKT_OK)
        assert_told(code, &error);
    assert_int_equal(world->board.executions, TODAY);
    assert_int_equal(world->board.conflicts, 0);
    kkt_close(device);
}

/* ---- Two workers ---- */

struct second {
    struct world *world;
    int code;
};

static void *second_worker(void *argument)
{
    struct second *second = argument;
    kkt_queue *queue = open_queue(second->world);
    kkt *device;
    kkt_options options = {.connect_timeout_ms = 200};
    kkt_error error;
    if (kkt_open_lazy(second->world->uri, &options, &device, &error) != KKT_OK)
        return NULL;
    /* This board serves one connection at a time, and the other handle may hold it. */
    do
        second->code = kkt_run(queue, device, 20000, &error);
    while (second->code == ERROR_LINK_LOST);
    kkt_close(device);
    kkt_queue_close(queue);
    return NULL;
}

static void two_handles_of_one_process_share_a_queue(void **state)
{
    enum { COUNT = 40 };
    struct world *world = *state;
    struct second second = {.world = world, .code = -1};
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    pthread_t thread;
    for (unsigned i = 1; i <= COUNT; i++)
        assert_int_equal(submit_receipt(queue, i, &error), KKT_OK);
    assert_int_equal(pthread_create(&thread, NULL, second_worker, &second), 0);
    for (unsigned i = 1; i <= COUNT; i++) {
        kkt_key key = key_of(i);
        assert_int_equal(kkt_wait(queue, device, &key, 20000, &result, &error), KKT_OK);
        assert_int_equal(result.state, KKT_JOB_DONE);
        assert_int_equal(result.document, i);
    }
    kkt_close(device);
    pthread_join(thread, NULL);
    assert_int_equal(second.code, KKT_OK);
    assert_int_equal(world->board.executions, COUNT);
    assert_int_equal(world->board.job_requests, COUNT);
    kkt_queue_close(queue);
}

/* ---- Clocks ---- */

static int64_t wall_clock;

/* In the place of the C library's: the calendar of the host, as wrong as the test wants it.
 * NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): theirs is reserved */
time_t time(time_t *out)
{
    static const int64_t jumps[] = {0, -3600, 365 * 86400, -800000000};
    static unsigned call;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t told = wall_clock == 0 ? now.tv_sec : wall_clock + jumps[call++ % 4];
    if (out != NULL)
        *out = told;
    return told;
}

static int visit_clock(void *user, const kkt_entry *entry)
{
    int64_t *spread = user;
    if (spread[0] == 0 || entry->stored_at < spread[0])
        spread[0] = entry->stored_at;
    if (entry->stored_at > spread[1])
        spread[1] = entry->stored_at;
    return 1;
}

static void a_wrong_calendar_decides_nothing(void **state)
{
    enum { COUNT = 12 };
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    int64_t spread[2] = {0, 0};
    wall_clock = 1767225600;
    for (unsigned i = 1; i <= COUNT; i++)
        assert_int_equal(submit_receipt(queue, i, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_AFTER, 1, 0);
    assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
    for (unsigned i = 1; i <= COUNT; i++) {
        kkt_key key = key_of(i);
        assert_memory_equal(world->board.order[i - 1], key.bytes, KEY_SIZE);
    }
    assert_int_equal(world->board.executions, COUNT);
    /* The times were as wrong as they could be, and are for people. */
    assert_int_equal(kkt_list(queue, 0, 0, visit_clock, spread, &error), KKT_OK);
    assert_true(spread[1] - spread[0] > 800000000);
    /* Time-outs end by the other clock. */
    fake_board_misbehave(&world->board, FAKE_SILENT, 100, 0);
    kkt_key key = key_of(COUNT + 1);
    assert_int_equal(submit_receipt(queue, COUNT + 1, &error), KKT_OK);
    uint64_t begin = host_clock_ms();
    assert_int_equal(kkt_wait(queue, device, &key, 300, &result, &error), ERROR_OUTCOME_UNKNOWN);
    assert_in_range(host_clock_ms() - begin, 300, 3000);
    wall_clock = 0;
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Keys ---- */

struct search {
    kkt_queue *queue;
    unsigned number;
    unsigned found;
    kkt_key key;
};

static int visit_search(void *user, const kkt_entry *entry)
{
    struct search *search = user;
    uint8_t expected[512], *body;
    size_t size, wanted = receipt_of(search->number, false, expected, sizeof expected);
    kkt_error error;
    assert_int_equal(kkt_job_body(search->queue, &entry->result.key, &body, &size, &error), KKT_OK);
    if (size == wanted && memcmp(body, expected, size) == 0) {
        search->found++;
        search->key = entry->result.key;
    }
    kkt_free(body);
    return 1;
}

/* An application that died before it wrote its random key down finds it by the content. */
static void a_lost_key_is_found_by_content(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    struct search search = {.queue = queue, .number = 2};
    uint8_t body[512];
    for (unsigned i = 1; i <= 3; i++) {
        kkt_key key;
        assert_int_equal(kkt_key_random(&key), KKT_OK);
        size_t size = receipt_of(i, false, body, sizeof body);
        assert_int_equal(kkt_submit(queue, &key, KKT_JOB_RECEIPT, body, size, &error), KKT_OK);
    }
    assert_int_equal(kkt_list(queue, 0, 1, visit_search, &search, &error), KKT_OK);
    assert_int_equal(search.found, 1);
    assert_int_equal(kkt_wait(queue, device, &search.key, 5000, &result, &error), KKT_OK);
    assert_int_equal(result.document, 2);
    /* A key made from the order cannot be lost. */
    kkt_key first, second;
    size_t size = receipt_of(9, false, body, sizeof body);
    assert_int_equal(kkt_key_parse("order 9", &first), KKT_OK);
    assert_int_equal(kkt_submit(queue, &first, KKT_JOB_RECEIPT, body, size, &error), KKT_OK);
    assert_int_equal(kkt_key_parse("order 9", &second), KKT_OK);
    assert_int_equal(kkt_submit(queue, &second, KKT_JOB_RECEIPT, body, size, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(world->board.executions, 4);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void assert_conflict(kkt_queue *queue, enum kkt_job_state state)
{
    kkt_error error;
    kkt_key key = key_of(1);
    uint8_t body[16];
    size_t size = body_of(2, body);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, size, &error),
                     ERROR_KEY_CONFLICT);
    assert_string_equal(error.field, "key");
    assert_true(error.cure[0] != '\0');
    size = body_of(1, body);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_OUT, body, size, &error),
                     ERROR_KEY_CONFLICT);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, 0, &error), ERROR_KEY_CONFLICT);
    assert_state(queue, 1, state);
}

/* The same key with other content is refused in every state, and changes nothing. */
static void a_key_belongs_to_its_content(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_key key = key_of(1);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_conflict(queue, KKT_JOB_STORED);
    assert_int_equal(kkt_cancel(queue, &key, &error), KKT_OK);
    assert_conflict(queue, KKT_JOB_CANCELLED);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_SHIFT_EXPIRED);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_conflict(queue, KKT_JOB_REFUSED);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_SILENT, 1, 0);
    assert_int_equal(kkt_run(queue, device, 100, &error), ERROR_OUTCOME_UNKNOWN);
    assert_conflict(queue, KKT_JOB_STORED);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_conflict(queue, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 1);
    assert_int_equal(world->board.conflicts, 0);
    kkt_close(device);
    kkt_queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_read_only_file_can_be_looked_at),
        CASE(yesterdays_copy_doubles_nothing),
        CASE(yesterdays_copy_under_todays_log_doubles_nothing),
        CASE(two_handles_of_one_process_share_a_queue),
        CASE(a_wrong_calendar_decides_nothing),
        CASE(a_lost_key_is_found_by_content),
        CASE(a_key_belongs_to_its_content),
    };
    return cmocka_run_group_tests_name("queue_limits", tests, NULL, NULL);
}
