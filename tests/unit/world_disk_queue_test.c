/* The real queue on the simulated disk: it dies at every operation, the machine loses its power,
 * and a submission that was answered KKT_OK is there when the queue is opened again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "hostdrv/clock.h"
#include "hostdrv/kkt.h"
#include "proto/bytes.h"
#include "proto/error.h"
#include "proto/tags.h"
#include "proto/tlv.h"
#include "tests/world/disk.h"
#include "tests/world/host_lock.h"

#define PATH "/shop/jobs"

/* ---- The host's clock: it stands still, sleeping moves it, and a boot has a number. ---- */

static uint64_t clock_ms = 1000;
static unsigned boot = 1;

uint64_t host_clock_ms(void)
{
    return clock_ms;
}

int64_t host_clock_unix_s(void)
{
    return 1767225600 + (int64_t)(clock_ms / 1000);
}

void host_clock_sleep(unsigned milliseconds)
{
    clock_ms += milliseconds;
}

void host_clock_boot_id(char out[37])
{
    snprintf(out, 37, "00000000-0000-4000-8000-%012u", boot);
}

static int setup(void **state)
{
    *state = disk_create(true);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    if (disk_open_files(*state) > 0)
        return -1;
    host_lock_crash();
    disk_destroy(*state);
    return 0;
}

/* ---- Jobs told apart by a number ---- */

static kkt_key key_of(unsigned number)
{
    kkt_key key = {{0}};
    key.bytes[0] = 0xA0;
    key.bytes[14] = (uint8_t)(number >> 8);
    key.bytes[15] = (uint8_t)number;
    return key;
}

static size_t body_of(unsigned number, uint8_t body[16])
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, 16);
    tlv_put_vln(&writer, TAG_CASH_SUM, 100000u + number);
    return writer.length;
}

static int submit(kkt_queue *queue, unsigned number)
{
    uint8_t body[16];
    kkt_key key = key_of(number);
    kkt_error error;
    return kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, body_of(number, body), &error);
}

/* The job is there, whole and unfinished; false: not at all. */
static bool is_stored(kkt_queue *queue, unsigned number)
{
    uint8_t wanted[16], *body = NULL;
    size_t wanted_size = body_of(number, wanted), size = 0;
    kkt_key key = key_of(number);
    kkt_result result;
    kkt_error error;
    int found = kkt_find(queue, &key, &result, &error);
    if (found == ERROR_NOT_FOUND)
        return false;
    assert_int_equal(found, KKT_OK);
    assert_int_equal(result.state, KKT_JOB_STORED);
    assert_int_equal(kkt_job_body(queue, &key, &body, &size, &error), KKT_OK);
    assert_int_equal(size, wanted_size);
    assert_memory_equal(body, wanted, size);
    free(body);
    return true;
}

static int count_entry(void *user, const kkt_entry *entry)
{
    (void)entry;
    ++*(unsigned *)user;
    return 1;
}

static unsigned count_jobs(kkt_queue *queue)
{
    unsigned count = 0;
    kkt_error error;
    assert_int_equal(kkt_list(queue, 0, 0, count_entry, &count, &error), KKT_OK);
    return count;
}

static kkt_queue *open_queue(void)
{
    kkt_queue *queue = NULL;
    kkt_error error;
    if (kkt_queue_open(PATH, &queue, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return queue;
}

static void crash(struct disk *disk, enum disk_crash_kind kind, uint32_t seed)
{
    host_lock_crash();
    disk_crash(disk, kind, seed);
    boot += kind == DISK_CRASH_MACHINE;
}

static void die(struct disk *disk, kkt_queue *queue, enum disk_crash_kind kind, uint32_t seed)
{
    disk_kill(disk);
    kkt_queue_close(queue);
    crash(disk, kind, seed);
}

static void assert_sound(void)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(PATH, &database), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

/* ---- Death at every operation ---- */

enum { JOBS = 3 };

struct deaths {
    unsigned crashes, answered, unanswered_but_there, lost;
};

/* Opens the queue, submits JOBS jobs from `first` on and dies at the operation; the jobs below
 * `first` are there already. False: it did not come to dying. */
static bool die_submitting(struct disk *disk, uint64_t operation, unsigned first, uint32_t seed,
                           struct deaths *deaths)
{
    kkt_queue *queue = NULL;
    kkt_error error;
    bool answered[JOBS] = {false};
    disk_kill_at(disk, disk_operations(disk) + operation);
    disk_set_kill_share(disk, (enum disk_kill_share)(seed % 3));
    if (kkt_queue_open(PATH, &queue, &error) == KKT_OK) {
        for (unsigned i = 0; i < JOBS; i++)
            answered[i] = submit(queue, first + i) == KKT_OK;
    }
    bool died = disk_is_dead(disk);
    disk_kill(disk);
    kkt_queue_close(queue);
    crash(disk, seed % 8 == 0 ? DISK_CRASH_PROCESS : DISK_CRASH_MACHINE, seed);
    queue = open_queue();
    for (unsigned i = 1; i < first; i++)
        assert_true(is_stored(queue, i));
    for (unsigned i = 0; i < JOBS; i++) {
        bool there = is_stored(queue, first + i);
        deaths->answered += answered[i];
        deaths->unanswered_but_there += there && !answered[i];
        deaths->lost += answered[i] && !there;
        assert_int_equal(submit(queue, first + i), KKT_OK);
    }
    assert_int_equal(count_jobs(queue), first - 1 + JOBS);
    kkt_queue_close(queue);
    assert_sound();
    deaths->crashes++;
    if (!died)
        assert_true(answered[0] && answered[JOBS - 1]);
    return died;
}

/* Every operation x `seeds` from the state of the image. */
static struct deaths die_everywhere(struct disk *disk, const struct disk_image *image,
                                    unsigned first, uint32_t seeds)
{
    struct deaths deaths = {0};
    bool died = true;
    uint64_t operation = 0;
    while (died) {
        operation++;
        for (uint32_t seed = 0; seed < seeds; seed++) {
            disk_restore(disk, image);
            died = die_submitting(disk, operation, first, seed, &deaths);
        }
    }
    print_message("%u crashes at %u operations: %u answered, %u there without an answer, %u lost\n",
                  deaths.crashes, (unsigned)operation, deaths.answered, deaths.unanswered_but_there,
                  deaths.lost);
    return deaths;
}

static void a_new_queue_dies_everywhere(void **state)
{
    struct disk *disk = *state;
    struct disk_image *image = disk_save(disk);
    struct deaths deaths = die_everywhere(disk, image, 1, 24);
    assert_int_equal(deaths.lost, 0);
    assert_true(deaths.crashes > 24 * 30);
    assert_true(deaths.answered > 100);
    assert_true(deaths.unanswered_but_there > 10);
    disk_image_free(image);
}

/* The next submission of the image, number *next, moves the WAL into the database. Others take
 * seven operations. */
static struct disk_image *image_before_checkpoint(struct disk *disk, unsigned *next)
{
    uint64_t cost = 0;
    kkt_queue *queue = open_queue();
    for (*next = 1; cost < 20; (*next)++) {
        cost = disk_operations(disk);
        assert_int_equal(submit(queue, *next), KKT_OK);
        cost = disk_operations(disk) - cost;
        assert_true(*next < 2000);
    }
    die(disk, queue, DISK_CRASH_PROCESS, 0);
    disk_format(disk);
    queue = open_queue();
    *next -= 1; /* the expensive one */
    for (unsigned i = 1; i < *next; i++)
        assert_int_equal(submit(queue, i), KKT_OK);
    die(disk, queue, DISK_CRASH_PROCESS, 0);
    struct disk_image *image = disk_save(disk);
    assert_non_null(image);
    return image;
}

static void a_checkpoint_dies_everywhere(void **state)
{
    struct disk *disk = *state;
    unsigned next;
    struct disk_image *image = image_before_checkpoint(disk, &next);
    struct deaths deaths = die_everywhere(disk, image, next, 6);
    assert_int_equal(deaths.lost, 0);
    assert_true(deaths.crashes > 6 * 30);
    disk_image_free(image);
}

/* The other process goes on as if nothing had been. */
static void one_of_two_processes_dies_everywhere(void **state)
{
    struct disk *disk = *state;
    bool died = true;
    unsigned points = 0, stored = 0;
    for (uint64_t operation = 1; died; operation++, points++) {
        disk_format(disk);
        kkt_queue *queue = open_queue(), *other = open_queue();
        assert_int_equal(submit(other, 1), KKT_OK);
        disk_kill_at(disk, disk_operations(disk) + operation);
        int answered = submit(queue, 2);
        died = disk_is_dead(disk);
        disk_kill(disk);
        kkt_queue_close(queue);
        disk_crash(disk, DISK_CRASH_PROCESS, 0);
        bool there = is_stored(other, 2);
        if (answered == KKT_OK)
            assert_true(there);
        stored += there;
        assert_int_equal(submit(other, 3), KKT_OK);
        assert_int_equal(submit(other, 2), KKT_OK);
        assert_int_equal(count_jobs(other), 3);
        kkt_queue_close(other);
        assert_sound();
    }
    assert_true(points > 5);
    assert_in_range(stored, 1, points - 1);
}

/* The tests above would see a loss. */
static void on_a_disk_that_lies_jobs_are_lost(void **state)
{
    struct disk *disk = *state;
    unsigned lost = 0;
    for (uint32_t seed = 0; seed < 50; seed++) {
        disk_format(disk);
        kkt_queue *queue = open_queue();
        disk_set_fault(disk, DISK_FAULT_LYING_SYNC, 0);
        assert_int_equal(submit(queue, 1), KKT_OK);
        disk_set_fault(disk, DISK_FAULT_NONE, 0);
        die(disk, queue, DISK_CRASH_MACHINE, seed);
        queue = open_queue();
        lost += !is_stored(queue, 1);
        kkt_queue_close(queue);
    }
    assert_in_range(lost, 10, 40);
}

/* ---- Faults ---- */

static void faults_are_told_and_nothing_is_half_stored(void **state)
{
    struct disk *disk = *state;
    static const enum disk_fault faults[] = {DISK_FAULT_FULL, DISK_FAULT_WRITE_ERROR,
                                             DISK_FAULT_SYNC_ERROR, DISK_FAULT_BUSY,
                                             DISK_FAULT_READ_ONLY};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        disk_format(disk);
        kkt_queue *queue = open_queue();
        assert_int_equal(submit(queue, 1), KKT_OK);
        disk_set_fault(disk, faults[i], 0);
        assert_int_equal(submit(queue, 2), ERROR_QUEUE_STORE);
        assert_true(is_stored(queue, 1));
        assert_false(is_stored(queue, 2));
        disk_set_fault(disk, DISK_FAULT_NONE, 0);
        assert_int_equal(submit(queue, 2), KKT_OK);
        disk_set_fault(disk, faults[i], 0);
        kkt_queue *other = NULL;
        kkt_error error;
        int opened = kkt_queue_open(PATH, &other, &error);
        /* SQLite looks at a disk only when it has to. */
        /* Opening a queue that is there takes a lock and writes nothing. */
        assert_int_equal(opened, faults[i] == DISK_FAULT_BUSY ? ERROR_QUEUE_STORE : KKT_OK);
        disk_set_fault(disk, DISK_FAULT_NONE, 0);
        kkt_queue_close(other);
        die(disk, queue, DISK_CRASH_MACHINE, (uint32_t)i);
        queue = open_queue();
        assert_int_equal(count_jobs(queue), 2);
        kkt_queue_close(queue);
        assert_int_equal(host_lock_handles(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_queue_dies_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_dies_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(one_of_two_processes_dies_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(on_a_disk_that_lies_jobs_are_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_are_told_and_nothing_is_half_stored, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
