/* A file system that fails under the queue, at every single operation of opening, storing, taking
 * back, sending, waiting and confirming, once and for good; and one that gives or keeps wrong
 * bytes. Each call tells it, nothing is lost or doubled, and when the failure is over the same
 * handle or a new one ends every job as one document. The outcomes stand in QUEUE.md, "When the
 * host fails".
 */
#include "tests/unit/queue_morning.h"
#include "tests/unit/queue_vfs.h"

/* One life with the failure planned. again: the queue is opened anew when the failure is over. */
static bool one_life(struct world *world, kkt *device, const struct vfs_plan *plan, bool opening,
                     bool again)
{
    kkt_queue *queue = NULL;
    kkt_error error;
    struct told told = {{0}, {0}, false};
    remove_queue(world);
    pthread_mutex_lock(&world->board.mutex);
    world->board.executions = 0;
    pthread_mutex_unlock(&world->board.mutex);
    if (!opening)
        queue = open_queue(world);
    vfs_fail(plan->kind, plan->at, plan->stays, plan->code);
    if (opening) {
        int code = kkt_queue_open(world->path, &queue, &error);
        if (code != KKT_OK) {
            assert_told(code, &error);
            assert_null(queue);
        }
    }
    if (queue != NULL)
        live(queue, device, &told);
    if (again || queue == NULL) {
        kkt_queue_close(queue);
        vfs_heal();
        queue = open_queue(world);
    }
    vfs_heal();
    heal_and_finish(queue, device, &told, &world->board);
    kkt_queue_close(queue);
    return vfs_plan.struck > 0;
}

static void try_everywhere(struct world *world, enum vfs_kind kind, int code, unsigned step)
{
    kkt *device = open_device(world);
    unsigned lives = 0;
    for (unsigned way = 0; way < 8; way++) {
        bool struck = true;
        struct vfs_plan plan = {.kind = kind, .stays = (way & 1) != 0, .code = code};
        /* Opening waits for a lock on its own clock. */
        if ((way & 4) != 0 && code == SQLITE_BUSY)
            continue;
        for (plan.at = 0; struck; plan.at += step) {
            struck = one_life(world, device, &plan, (way & 4) != 0, (way & 2) != 0);
            lives++;
        }
    }
    print_message("%u lives\n", lives);
    assert_true(lives >= 4);
    kkt_close(device);
}

static void a_full_disk(void **state)
{
    try_everywhere(*state, VFS_WRITE, SQLITE_FULL, 2);
}

static void a_broken_disk_on_writing(void **state)
{
    try_everywhere(*state, VFS_WRITE, SQLITE_IOERR_WRITE, 5);
    try_everywhere(*state, VFS_SYNC, SQLITE_IOERR_FSYNC, 1);
    try_everywhere(*state, VFS_TRUNCATE, SQLITE_IOERR_TRUNCATE, 1);
    try_everywhere(*state, VFS_DELETE, SQLITE_IOERR_DELETE, 1);
}

static void a_broken_disk_on_reading(void **state)
{
    try_everywhere(*state, VFS_READ, SQLITE_IOERR_READ, 1);
    try_everywhere(*state, VFS_SIZE, SQLITE_IOERR_FSTAT, 1);
    try_everywhere(*state, VFS_ACCESS, SQLITE_IOERR_ACCESS, 1);
    try_everywhere(*state, VFS_OPEN, SQLITE_CANTOPEN, 1);
}

static void a_file_that_became_read_only(void **state)
{
    try_everywhere(*state, VFS_WRITE, SQLITE_READONLY, 5);
}

static void memory_runs_out(void **state)
{
    try_everywhere(*state, VFS_MEMORY, SQLITE_NOMEM, 61);
}

static void locks_and_shared_memory_fail(void **state)
{
    try_everywhere(*state, VFS_LOCK, SQLITE_IOERR_LOCK, 1);
    try_everywhere(*state, VFS_LOCK, SQLITE_BUSY, 1);
    try_everywhere(*state, VFS_SHM_MAP, SQLITE_IOERR_SHMMAP, 1);
    try_everywhere(*state, VFS_SHM_LOCK, SQLITE_IOERR_SHMLOCK, 11);
    try_everywhere(*state, VFS_SHM_LOCK, SQLITE_BUSY, 7);
}

/* ---- Wrong bytes ---- */

static void expect_digest(unsigned number, uint8_t digest[SHA256_SIZE])
{
    uint8_t body[512];
    if (number == 1)
        digest_of(KKT_JOB_CASH_IN, body, body_of(1, body), digest);
    else
        digest_of(KKT_JOB_RECEIPT, body, receipt_of(number, false, body, sizeof body), digest);
}

/* What the board did is what was submitted. */
static void assert_content(const struct fake_board *board)
{
    assert_int_equal(board->conflicts, 0);
    for (unsigned i = 0; i < board->executions; i++) {
        unsigned number = board->jobs[i].key[KEY_SIZE - 1];
        uint8_t digest[SHA256_SIZE];
        kkt_key key = key_of(number);
        assert_in_range(number, 1, JOBS);
        assert_memory_equal(board->jobs[i].key, key.bytes, KEY_SIZE);
        expect_digest(number, digest);
        assert_memory_equal(board->jobs[i].digest, digest, SHA256_SIZE);
    }
}

/* One bit of one read or write is wrong. Then the way that the cure names: a new file, the same
 * keys, the same board. */
static bool one_life_with_wrong_bytes(struct world *world, kkt *device, enum vfs_kind kind,
                                      unsigned at)
{
    kkt_queue *queue = NULL;
    kkt_error error;
    struct told told;
    remove_queue(world);
    pthread_mutex_lock(&world->board.mutex);
    world->board.executions = 0;
    pthread_mutex_unlock(&world->board.mutex);
    queue = open_queue(world);
    srand(at);
    vfs_fail(kind, at, false, SQLITE_OK);
    live(queue, device, &told);
    kkt_queue_close(queue);
    vfs_heal();
    int code = kkt_queue_open(world->path, &queue, &error);
    if (code == KKT_OK) {
        live(queue, device, &told);
        kkt_queue_close(queue);
    } else {
        assert_told(code, &error);
    }
    assert_content(&world->board);
    remove_queue(world);
    queue = open_queue(world);
    for (unsigned i = 1; i <= JOBS; i++)
        assert_int_equal(submit_one(queue, i, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    for (unsigned i = 1; i <= JOBS; i++)
        assert_state(queue, i, KKT_JOB_DONE);
    assert_content(&world->board);
    assert_int_equal(world->board.executions, JOBS);
    kkt_queue_close(queue);
    return vfs_plan.struck > 0;
}

static void wrong_bytes_are_never_sent(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    unsigned lives = 0;
    for (unsigned at = 0; one_life_with_wrong_bytes(world, device, VFS_READ, at); at++)
        lives++;
    for (unsigned at = 0; one_life_with_wrong_bytes(world, device, VFS_WRITE, at); at++)
        lives++;
    print_message("%u lives\n", lives);
    assert_true(lives > 20);
    kkt_close(device);
}

/* ---- A store that failed ---- */

/* When the disk fails at the last moment of storing, the caller is told that the job is not stored.
 * Should the program die at once, the job may be there after all. Submitting or taking back under
 * the same key makes it certain either way. */
static void a_failed_store_is_made_certain_by_its_key(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    kkt_error error;
    for (unsigned round = 0; round < 2; round++) {
        remove_queue(world);
        kkt_queue_close(open_queue(world));
        pid_t child = fork();
        if (child == 0) {
            kkt_queue *queue = open_queue(world);
            vfs_fail(VFS_SYNC, 0, true, SQLITE_IOERR_FSYNC);
            int code = submit(queue, 1, &error);
            _exit(code == ERROR_QUEUE_STORE && vfs_plan.struck > 0 ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        kkt_queue *queue = open_queue(world);
        kkt_key key = key_of(1);
        if (round == 0) {
            int code = kkt_cancel(queue, &key, &error);
            assert_true(code == KKT_OK || code == ERROR_NOT_FOUND);
        } else {
            assert_int_equal(submit(queue, 1, &error), KKT_OK);
        }
        assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
        assert_int_equal(world->board.executions, round);
        kkt_queue_close(queue);
    }
    kkt_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_full_disk),
        CASE(a_broken_disk_on_writing),
        CASE(a_broken_disk_on_reading),
        CASE(a_file_that_became_read_only),
        CASE(memory_runs_out),
        CASE(locks_and_shared_memory_fail),
        CASE(wrong_bytes_are_never_sent),
        CASE(a_failed_store_is_made_certain_by_its_key),
    };
    if (vfs_install() != 0)
        return 1;
    return cmocka_run_group_tests_name("queue_disk", tests, NULL, NULL);
}
