/* The durable queue when things die: the process at every step, the disk, the file; and two
 * processes at once. Whatever happens, a job is executed exactly once.
 */
#include "tests/unit/queue_world.h"

/* ---- Death at every step ---- */

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

/* The driver dies anywhere, and the queue is taken to another board:
 * no job may be punched on both. */
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

/* ---- Several processes ---- */

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

static void copy_file(const char *from, const char *to)
{
    static uint8_t bytes[1 << 20];
    FILE *source = fopen(from, "rb"), *target = fopen(to, "wb");
    assert_non_null(source);
    assert_non_null(target);
    size_t size = fread(bytes, 1, sizeof bytes, source);
    assert_in_range(size, 4096, sizeof bytes - 1);
    assert_int_equal(fwrite(bytes, 1, size, target), size);
    fclose(source);
    fclose(target);
}

/* Yesterday's copy knows nothing of today's answers; the board does. */
static void a_restored_file_punches_nothing_twice(void **state)
{
    struct world *world = *state;
    char copy[128];
    kkt_error error;
    kkt_queue *queue = open_queue(world);
    kkt *device = open_device(world);
    snprintf(copy, sizeof copy, "%s.old", world->path);
    for (unsigned i = 1; i <= 5; i++)
        assert_int_equal(submit(queue, i, &error), KKT_OK);
    kkt_queue_close(queue);
    copy_file(world->path, copy);
    queue = open_queue(world);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    kkt_queue_close(queue);
    remove_queue(world);
    copy_file(copy, world->path);
    unlink(copy);
    queue = open_queue(world);
    assert_state(queue, 1, KKT_JOB_STORED);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    for (unsigned i = 1; i <= 5; i++)
        assert_state(queue, i, KKT_JOB_DONE);
    assert_int_equal(world->board.job_requests, 10);
    assert_int_equal(world->board.executions, 5);
    kkt_close(device);
    kkt_queue_close(queue);
}

/* ---- The file ---- */

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
    sqlite_do(world, "PRAGMA user_version = 3");
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

static void a_lock_that_cannot_be_made_is_told(void **state)
{
    struct world *world = *state;
    char lock[128];
    kkt_queue *queue;
    kkt_error error;
    snprintf(lock, sizeof lock, "%s.lock", world->path);
    assert_int_equal(mkdir(lock, 0700), 0);
    assert_int_equal(kkt_queue_open(world->path, &queue, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, ".lock"));
    assert_null(queue);
    rmdir(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(death_at_every_step_executes_once),
        CASE(death_and_another_board_execute_once),
        CASE(two_processes_share_one_queue),
        CASE(a_restored_file_punches_nothing_twice),
        CASE(strange_files_are_refused),
        CASE(damaged_pages_are_told),
        CASE(a_full_disk_stores_nothing_and_heals),
        CASE(a_read_only_folder_is_told),
        CASE(a_locked_file_is_told),
        CASE(a_lock_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests_name("queue_crash", tests, NULL, NULL);
}
