/* What the host's libraries do seldom: the n-th call of each function that the queue leans on
 * fails, for every n, and every job ends as one document all the same. Then the single cases that
 * no sweep reaches. The linker puts our functions in the place of theirs (Makefile, --wrap).
 */
#include "hostdrv/fault.h"
#include "hostdrv/queue_store.h"
#include "tests/unit/failing_calls.h"
#include "tests/unit/queue_morning.h"
#include "tests/unit/queue_vfs.h"

/* ---- Every call of each ---- */

/* The first open of a file binds nothing yet; the second reads what the first wrote. */
static bool one_life(struct world *world, kkt *device, enum victim who, unsigned at, int with,
                     bool made)
{
    kkt_queue *queue = NULL;
    kkt_error error;
    struct told told = {{0}, {0}, false};
    remove_queue(world);
    pthread_mutex_lock(&world->board.mutex);
    world->board.executions = 0;
    pthread_mutex_unlock(&world->board.mutex);
    if (made) {
        queue = open_queue(world);
        assert_int_equal(submit_one(queue, 1, &error), KKT_OK);
        assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
        kkt_queue_close(queue);
        sqlite_do(world, "UPDATE meta SET value = 'another start' WHERE name = 'origin'");
        queue = NULL;
    }
    fail_at(who, at, with);
    int code = kkt_queue_open(world->path, &queue, &error);
    if (code == KKT_OK) {
        live(queue, device, &told);
    } else {
        assert_told(code, &error);
        assert_null(queue);
    }
    victim = NOBODY;
    if (queue == NULL)
        queue = open_queue(world);
    heal_and_finish(queue, device, &told, &world->board);
    kkt_queue_close(queue);
    return struck;
}

static void every_call_that_fails_is_told(void **state)
{
    static const struct {
        enum victim who;
        int with;
        unsigned step;
    } cases[] = {
        {MALLOC, 0, 1},
        {FUNCTION, SQLITE_NOMEM, 1},
        {EXEC, SQLITE_NOMEM, 1},
        {PREPARE_2, SQLITE_NOMEM, 1},
        {PREPARE_3, SQLITE_NOMEM, 1},
        {STEP, SQLITE_NOMEM, 1},
        {STEP, SQLITE_MISUSE, 3},
        {TEXT, 0, 1},
        {BLOB, 0, 1},
        {BOOT_ID, 0, 1},
        {STATX, 0, 1},
    };
    struct world *world = *state;
    kkt *device = open_device(world);
    unsigned lives = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned made = 0; made < 2; made++) {
            unsigned at = 0;
            for (; one_life(world, device, cases[i].who, at, cases[i].with, made != 0);
                 at += cases[i].step)
                lives++;
            assert_true(at > 0);
        }
    }
    print_message("%u lives\n", lives);
    kkt_close(device);
}

static void a_queue_without_memory_is_not_opened(void **state)
{
    struct world *world = *state;
    kkt_queue *queue;
    kkt_error error;
    static const enum victim who[] = {MALLOC, CALLOC};
    for (size_t i = 0; i < 2; i++) {
        fail_at(who[i], 0, 0);
        assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_INTERNAL);
        assert_null(queue);
        assert_true(struck);
        victim = NOBODY;
    }
    kkt_queue_close(NULL);
}

/* ---- Opening ---- */

static void a_busy_file_is_waited_for_and_told(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    sqlite3 *other;
    kkt_queue_close(queue);
    /* An exclusive holder, which SQLite itself waits 5 s for: not 5 s at each of many attempts. */
    assert_int_equal(sqlite3_open(world->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE;"
                                  "UPDATE meta SET value = value",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t begin = host_clock_ms();
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    assert_in_range(host_clock_ms() - begin, 4500, 9000);
    assert_non_null(strstr(error.cure, "another program"));
    /* Time is over after an attempt that was told at once. */
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(other);
    fail_at(CLOCK, 1, 0);
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), KKT_OK);
    kkt_queue_close(queue);
    victim = NOBODY;
}

static void *let_go(void *argument)
{
    sqlite3 *other = argument;
    usleep(300000);
    sqlite3_exec(other, "COMMIT", NULL, NULL, NULL);
    return NULL;
}

/* While another one holds a new file that is not in WAL mode yet, SQLite does not wait at all. */
static void a_file_in_the_making_is_waited_for(void **state)
{
    struct world *world = *state;
    kkt_queue *queue;
    kkt_error error;
    sqlite3 *other;
    pthread_t thread;
    assert_int_equal(sqlite3_open(world->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, let_go, other), 0);
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), KKT_OK);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    kkt_queue_close(queue);
}

static void formats_that_never_were_are_refused(void **state)
{
    struct world *world = *state;
    kkt_queue *queue;
    kkt_error error;
    kkt_queue_close(open_queue(world));
    sqlite_do(world, "PRAGMA user_version = 0");
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_VERSION_UNSUPPORTED);
    sqlite_do(world, "PRAGMA user_version = 2; PRAGMA application_id = 0");
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    sqlite_do(world, "PRAGMA user_version = 0");
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    /* Taking over format 1 fails at each of its two statements, and then does not. */
    sqlite_do(world, "PRAGMA application_id = 0x4B4B5451; PRAGMA user_version = 1;"
                     "ALTER TABLE job DROP COLUMN seal");
    for (unsigned at = 3; at <= 4; at++) {
        fail_at(EXEC, at, SQLITE_NOMEM);
        assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
        assert_true(struck);
        victim = NOBODY;
    }
    kkt_queue_close(open_queue(world));
}

/* ---- Storing ---- */

static void jobs_that_cannot_be_are_refused(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    static uint8_t body[QUEUE_BODY_MAX + 8];
    struct byte_writer writer;
    kkt_key key = key_of(1);
    kkt_error error;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    assert_int_equal(kkt_submit(queue, &key, (enum kkt_job)31, NULL, 0, &error),
                     ERROR_REQUEST_UNKNOWN);
    assert_int_equal(kkt_submit(queue, &key, (enum kkt_job)45, NULL, 0, &error),
                     ERROR_REQUEST_UNKNOWN);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, sizeof body, &error),
                     ERROR_TOO_LARGE);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, NULL, 5, &error),
                     ERROR_REQUEST_MALFORMED);
    assert_int_not_equal(kkt_submit_receipt(queue, &key, receipt, &error), KKT_OK); /* empty */
    kkt_receipt_item(receipt, "Item", "10.00", "1", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_pay(receipt, KKT_CASH, "10.00");
    assert_int_equal(kkt_submit_receipt(queue, &key, receipt, &error), KKT_OK);
    kkt_receipt_free(receipt);
    /* A list of tags, but no receipt. */
    byte_writer_init(&writer, body, sizeof body);
    tlv_put_u8(&writer, TAG_ELECTRONICALLY, 1);
    key = key_of(2);
    int code = kkt_submit(queue, &key, KKT_JOB_RECEIPT, body, writer.length, &error);
    assert_int_not_equal(code, KKT_OK);
    assert_int_equal(error.code, code);
    assert_true(error.cure[0] != '\0');
    kkt_queue_close(queue);
}

static void many_jobs_name_the_one_at_fault(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    uint8_t body[16];
    size_t size = body_of(1, body), failed = 99;
    kkt_error error;
    kkt_submission jobs[2] = {
        {.key = key_of(1), .job = KKT_JOB_CASH_IN, .body = body, .size = size},
        {.key = key_of(2), .job = KKT_JOB_CASH_IN, .body = body, .size = size},
    };
    assert_int_equal(kkt_submit_many(queue, jobs, 0, &failed, &error), KKT_OK);
    assert_int_equal(failed, 0);
    assert_int_equal(kkt_submit_many(queue, jobs, 2, &failed, &error), KKT_OK);
    assert_int_equal(failed, 2);
    jobs[0].job = KKT_JOB_CASH_OUT;
    assert_int_equal(kkt_submit_many(queue, jobs, 2, &failed, &error), ERROR_KEY_CONFLICT);
    assert_int_equal(failed, 0);
    /* The file's fault, not a job's. */
    jobs[0].key = key_of(3);
    fail_at(STEP, 0, SQLITE_NOMEM);
    assert_int_equal(kkt_submit_many(queue, jobs, 2, &failed, &error), ERROR_QUEUE_STORE);
    assert_int_equal(failed, 2);
    victim = NOBODY;
    kkt_queue_close(queue);
}

/* A rollback that fails leaves the transaction open; it must not become part of the next. */
static void a_failed_rollback_is_made_up_for(void **state)
{
    struct world *world = *state;
    struct queue_store store;
    kkt_error error;
    uint8_t body[16];
    kkt_submission job = {
        .key = key_of(1), .job = KKT_JOB_CASH_IN, .body = body, .size = body_of(1, body)};
    assert_int_equal(queue_store_open(&store, world->path, &error), KKT_OK);
    assert_int_equal(queue_store_begin(&store, QUEUE_DURABLE, &error), KKT_OK);
    assert_int_equal(queue_store_insert(&store, &job, 0, &error), KKT_OK);
    fail_at(STEP, 0, SQLITE_NOMEM);
    queue_store_rollback(&store);
    victim = NOBODY;
    job.key = key_of(2);
    assert_int_equal(queue_store_begin(&store, QUEUE_UNSYNCED, &error), KKT_OK);
    assert_int_equal(queue_store_insert(&store, &job, 0, &error), KKT_OK);
    assert_int_equal(queue_store_commit(&store, true, &error), KKT_OK);
    queue_store_close(&store);
    kkt_queue *queue = open_queue(world);
    kkt_result result;
    kkt_key key = key_of(1);
    assert_int_equal(kkt_find(queue, &key, &result, &error), ERROR_NOT_FOUND);
    assert_state(queue, 2, KKT_JOB_STORED);
    kkt_queue_close(queue);
}

/* ---- Rows that cannot be ---- */

static int visit_all(void *user, const kkt_entry *entry)
{
    unsigned *left = user;
    (void)entry;
    return --*left > 0;
}

static void a_list_with_damaged_keys_says_so(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    unsigned left = 1;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    assert_int_equal(kkt_list(queue, 1, 1, visit_all, &left, &error), KKT_OK);
    sqlite_do(world,
              "PRAGMA ignore_check_constraints = ON; UPDATE job SET key = x'01' WHERE id = 1");
    left = 10;
    assert_int_equal(kkt_list(queue, 1, 0, visit_all, &left, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "job 1 "));
    sqlite_do(world, "PRAGMA ignore_check_constraints = ON; UPDATE job SET key = x'' WHERE id = 1");
    assert_int_equal(kkt_list(queue, 0, 0, visit_all, &left, &error), ERROR_QUEUE_STORE);
    for (unsigned at = 0; at < 3; at++) { /* the three texts of a result */
        fail_at(TEXT, at, 0);
        assert_int_equal(kkt_list(queue, 0, 1, visit_all, &left, &error), ERROR_QUEUE_STORE);
        assert_true(struck);
        victim = NOBODY;
    }
    sqlite_do(world, "ALTER TABLE job RENAME TO gone");
    assert_int_equal(kkt_list(queue, 0, 1, visit_all, &left, &error), ERROR_QUEUE_STORE);
    kkt_queue_close(queue);
}

/* More than a message holds, sealed as if we had written it. */
static void a_job_too_long_to_send_is_damaged(void **state)
{
    struct world *world = *state;
    struct queue_store store;
    static uint8_t body[QUEUE_BODY_MAX + 1];
    static uint8_t out[QUEUE_BODY_MAX];
    struct queue_row row;
    kkt_error error;
    kkt_submission job = {
        .key = key_of(1), .job = KKT_JOB_CASH_IN, .body = body, .size = sizeof body};
    assert_int_equal(queue_store_open(&store, world->path, &error), KKT_OK);
    assert_int_equal(queue_store_begin(&store, QUEUE_DURABLE, &error), KKT_OK);
    assert_int_equal(queue_store_insert(&store, &job, 0, &error), KKT_OK);
    assert_int_equal(queue_store_commit(&store, true, &error), KKT_OK);
    assert_int_equal(queue_store_next(&store, 0, &row, out, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.cure, "same board"));
    queue_store_close(&store);
}

/* The index of unfinished jobs names one that is done: it is not sent again. */
static void a_done_job_among_the_unfinished_is_damaged(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    kkt_queue_close(queue);
    sqlite_do(world, "DROP INDEX job_unfinished;"
                     "CREATE INDEX job_unfinished ON job(id) WHERE state < 9;"
                     "PRAGMA writable_schema = ON;"
                     "UPDATE sqlite_schema SET sql = replace(sql, 'state < 9', 'state = 0')"
                     " WHERE name = 'job_unfinished'");
    queue = open_queue(world);
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "job 1 "));
    assert_int_equal(world->board.job_requests, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Confirmations ---- */

static void confirmations_need_a_module_and_a_board(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    unsigned confirmed = 7;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    world->board.module_silent = true;
    assert_int_equal(kkt_update_confirmations(queue, device, &confirmed, &error), KKT_OK);
    assert_int_equal(confirmed, 0);
    world->board.module_silent = false;
    assert_int_equal(kkt_update_confirmations(queue, device, NULL, &error), KKT_OK);
    kkt_result result;
    kkt_key key = key_of(1);
    assert_int_equal(kkt_find(queue, &key, &result, &error), KKT_OK);
    assert_int_equal(result.confirmed, 1);
    kkt_close(device);
    world->board.without_module = true;
    device = open_device(world);
    assert_int_equal(kkt_update_confirmations(queue, device, &confirmed, &error), KKT_OK);
    fake_board_unplug(&world->board);
    assert_int_equal(kkt_update_confirmations(queue, device, NULL, &error), ERROR_LINK_LOST);
    kkt_counters counters;
    kkt_get_counters(NULL, device, &counters);
    assert_int_equal(counters.queue_commits, 0);
    kkt_close(device);
    device = open_device(world);
    kkt_get_counters(NULL, device, &counters);
    assert_int_equal(counters.reconnects, 0);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Working off ---- */

static void others_hold_the_lock(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    char name[128];
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    snprintf(name, sizeof name, "%s.lock", world->path);
    int lock = open(name, O_RDWR | O_CLOEXEC);
    assert_int_equal(fcntl(lock, F_OFD_SETLK, &range), 0);
    assert_int_equal(kkt_run(queue, device, 100, &error), KKT_OK); /* nothing to do */
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 50, NULL), ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(kkt_wait(queue, device, &key, 50, &result, NULL), ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(kkt_wait(queue, NULL, &key, 50, &result, &error), ERROR_OUTCOME_UNKNOWN);
    assert_non_null(strstr(error.text, "another process"));
    fail_at(STEP, 0, SQLITE_NOMEM);
    assert_int_equal(kkt_run(queue, device, 50, &error), ERROR_QUEUE_STORE);
    victim = NOBODY;
    close(lock);
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, NULL), KKT_OK);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void a_board_that_swallows_everything(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device;
    kkt_options options = {.answer_timeout_ms = 100};
    kkt_error error;
    assert_int_equal(kkt_open(world->uri, &options, &device, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_SILENT, 2, 0);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
    assert_state(queue, 1, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* The connection is lost with a result in hand that the file does not take. */
static void a_lost_link_and_a_file_that_takes_nothing(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    for (unsigned i = 1; i <= 2; i++)
        assert_int_equal(submit(queue, i, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_DROP_BEFORE, 1, 0);
    world->board.fault_skip = 1;
    sqlite_do(world, "CREATE TRIGGER spoil BEFORE UPDATE OF document ON job"
                     " BEGIN SELECT RAISE(ABORT, 'spoiled'); END");
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "spoiled"));
    /* Time is over at every look at the clock, with such a result in hand or without. */
    for (unsigned at = 0; at < 60; at++) {
        fake_board_misbehave(&world->board, FAKE_SILENT, 1, 0);
        world->board.fault_skip = 1;
        fail_at(CLOCK, at, 0);
        int code = kkt_run(queue, device, 2000, &error);
        assert_true(code == ERROR_QUEUE_STORE || code == ERROR_OUTCOME_UNKNOWN ||
                    code == ERROR_LINK_LOST);
        assert_state(queue, 1, KKT_JOB_STORED);
        victim = NOBODY;
    }
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    sqlite_do(world, "DROP TRIGGER spoil");
    assert_int_equal(kkt_wait(queue, device, &key, 5000, &result, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 2, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 2);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* The board says that it started, and is another one, or gone, when it is asked. */
static void a_started_board_that_is_another(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device;
    kkt_options options = {.expected_serial = "BOARD-A"};
    kkt_error error;
    assert_int_equal(kkt_open(world->uri, &options, &device, &error), KKT_OK);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    assert_int_equal(submit(queue, 3, &error), KKT_OK);
    world->board.event_started = true;
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 4, &error), KKT_OK);
    pthread_mutex_lock(&world->board.mutex);
    world->board.event_started = true;
    pthread_mutex_unlock(&world->board.mutex);
    kkt_status status;
    assert_int_equal(kkt_get_status(device, &status, &error), KKT_OK);
    pthread_mutex_lock(&world->board.mutex);
    strcpy(world->board.serial, "BOARD-C");
    pthread_mutex_unlock(&world->board.mutex);
    assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_OTHER_DEVICE);
    assert_state(queue, 4, KKT_JOB_STORED);
    strcpy(world->board.serial, "BOARD-A");
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(world->board.executions, 4);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- Keys and errors ---- */

static void random_keys_need_random_bytes(void **state)
{
    (void)state;
    kkt_key key, none = {{0}};
    fail_at(RANDOM, 0, EINTR);
    assert_int_equal(kkt_key_random(&key), KKT_OK);
    assert_int_equal(key.bytes[6] >> 4, 4);
    fail_at(RANDOM, 1, 0);
    assert_int_equal(kkt_key_random(&key), KKT_OK);
    assert_int_equal(key.bytes[8] >> 6, 2);
    fail_at(RANDOM, 2, ENOSYS);
    assert_int_equal(kkt_key_random(&key), ERROR_INTERNAL);
    victim = NOBODY;
    /* Characters beside each range of digits make a text of it. */
    static const char beside[] = "/:@G`g";
    kkt_key parsed;
    for (size_t i = 0; beside[i] != '\0'; i++) {
        char text[33] = "0aF00000000000000000000000000000";
        assert_int_equal(kkt_key_parse(text, &parsed), KKT_OK);
        assert_int_equal(parsed.bytes[0], 0x0A);
        assert_int_equal(parsed.bytes[1], 0xF0);
        text[31] = beside[i];
        assert_int_equal(kkt_key_parse(text, &parsed), KKT_OK);
        assert_int_not_equal(parsed.bytes[0], 0x0A);
        assert_memory_not_equal(parsed.bytes, none.bytes, sizeof none.bytes);
    }
}

static void errors_nobody_wants_to_hear(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = NULL;
    kkt_key key = key_of(1);
    kkt_result result;
    kkt_error error;
    struct refusal refusal = {.code = ERROR_KEY_CONFLICT};
    assert_int_equal(fault_refusal(&error, &refusal), ERROR_KEY_CONFLICT);
    assert_string_equal(error.field, "key");
    refusal.code = ERROR_PAPER_OUT;
    assert_int_equal(fault_refusal(&error, &refusal), ERROR_PAPER_OUT);
    assert_string_equal(error.field, "");
    assert_string_equal(kkt_error_name(-1), "INTERNAL");
    assert_string_equal(kkt_error_name(70000), "INTERNAL");
    assert_true(kkt_version()[0] != '\0');
    kkt_error_describe(ERROR_QUEUE_STORE, &error);
    assert_int_equal(error.code, ERROR_QUEUE_STORE);
    assert_int_equal(kkt_queue_open("/nonexistent/jobs", &queue, NULL), ERROR_QUEUE_STORE);
    queue = open_queue(world);
    assert_int_equal(kkt_submit(queue, &key, (enum kkt_job)1, NULL, 0, NULL),
                     ERROR_REQUEST_UNKNOWN);
    uint8_t body[16];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof body);
    tlv_put_u8(&writer, TAG_ELECTRONICALLY, 1);
    assert_int_not_equal(kkt_submit(queue, &key, KKT_JOB_RECEIPT, body, writer.length, NULL),
                         KKT_OK);
    assert_int_equal(submit(queue, 1, NULL), KKT_OK);
    assert_int_equal(kkt_submit(queue, &key, KKT_JOB_CASH_IN, NULL, 0, NULL), ERROR_KEY_CONFLICT);
    key = key_of(2);
    assert_int_equal(kkt_wait(queue, NULL, &key, 10, &result, NULL), ERROR_NOT_FOUND);
    kkt_queue_close(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_call_that_fails_is_told),
        CASE(a_queue_without_memory_is_not_opened),
        CASE(a_busy_file_is_waited_for_and_told),
        CASE(a_file_in_the_making_is_waited_for),
        CASE(formats_that_never_were_are_refused),
        CASE(jobs_that_cannot_be_are_refused),
        CASE(many_jobs_name_the_one_at_fault),
        CASE(a_failed_rollback_is_made_up_for),
        CASE(a_list_with_damaged_keys_says_so),
        CASE(a_job_too_long_to_send_is_damaged),
        CASE(a_done_job_among_the_unfinished_is_damaged),
        CASE(confirmations_need_a_module_and_a_board),
        CASE(others_hold_the_lock),
        CASE(a_board_that_swallows_everything),
        CASE(a_lost_link_and_a_file_that_takes_nothing),
        CASE(a_started_board_that_is_another),
        CASE(random_keys_need_random_bytes),
        CASE(errors_nobody_wants_to_hear),
    };
    if (vfs_install() != 0)
        return 1;
    return cmocka_run_group_tests_name("queue_branch", tests, NULL, NULL);
}
