/* A queue file that has changed by itself: every byte of a real one, one bit flipped. Whatever the
 * file says afterwards, the board is asked for nothing that was not submitted, no outcome is told
 * that is not true, every error names the way back, and that way leads to each job done once. Also
 * what a seal cannot see: a row that an index lacks, a copy that takes the file's place.
 */
#include "tests/unit/queue_vfs.h"
#include "tests/unit/queue_world.h"

enum { DONE = 3, REFUSED = 4, SENT = 5, JOBS = 8, FILE_MAX = 128 * 1024 };

struct image {
    size_t size;
    uint8_t bytes[FILE_MAX];
};

static void read_image(const struct world *world, struct image *image)
{
    FILE *file = fopen(world->path, "rb");
    assert_non_null(file);
    image->size = fread(image->bytes, 1, sizeof image->bytes, file);
    fclose(file);
    assert_in_range(image->size, 8192, sizeof image->bytes - 1);
}

static void write_image(const struct world *world, const struct image *image)
{
    remove_queue(world);
    FILE *file = fopen(world->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(image->bytes, 1, image->size, file), image->size);
    fclose(file);
}

/* Jobs 1-3 are done, 4 is refused, 5 was executed but its answer lost, 6-8 were never sent. */
static void make_queue(struct world *world, kkt *device)
{
    kkt_error error;
    kkt_queue *queue = open_queue(world);
    for (unsigned i = 1; i <= DONE; i++)
        assert_int_equal(submit_receipt(queue, i, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_SHIFT_EXPIRED);
    assert_int_equal(submit(queue, REFUSED, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    fake_board_misbehave(&world->board, FAKE_ANSWER_LATE, 1, 0);
    assert_int_equal(submit(queue, SENT, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 100, &error), ERROR_OUTCOME_UNKNOWN);
    fake_board_misbehave(&world->board, FAKE_OBEY, 0, 0);
    for (unsigned i = SENT + 1; i <= JOBS; i++)
        assert_int_equal(i % 2 == 0 ? submit(queue, i, &error) : submit_receipt(queue, i, &error),
                         KKT_OK);
    kkt_queue_close(queue);
    assert_int_equal(world->board.executions, DONE + 1);
}

/* The board's digest of a job as it was submitted. */
static void submitted(unsigned number, uint8_t digest[SHA256_SIZE])
{
    uint8_t body[512];
    bool receipt = number <= DONE || (number > SENT && number % 2 == 1);
    uint8_t code = receipt ? KKT_JOB_RECEIPT : KKT_JOB_CASH_IN;
    size_t size = receipt ? receipt_of(number, false, body, sizeof body) : body_of(number, body);
    digest_of(code, body, size, digest);
}

struct expected {
    uint8_t digests[JOBS + 1][SHA256_SIZE];
};

/* Everything the board did was submitted, with this content. */
static void assert_board_was_asked_rightly(const struct fake_board *board,
                                           const struct expected *expected)
{
    assert_int_equal(board->conflicts, 0);
    assert_int_equal(board->wrong_tags, 0);
    for (unsigned i = 0; i < board->executions; i++) {
        unsigned number = board->jobs[i].key[15];
        assert_in_range(number, 1, JOBS);
        kkt_key key = key_of(number);
        assert_memory_equal(board->jobs[i].key, key.bytes, KEY_SIZE);
        assert_memory_equal(board->jobs[i].digest, expected->digests[number], SHA256_SIZE);
    }
}

/* True: it is an error that a damaged file may give, and it says what to do. */
static bool told(int code, const kkt_error *error)
{
    if (code == KKT_OK)
        return false;
    assert_true(code == ERROR_QUEUE_STORE || code == ERROR_VERSION_UNSUPPORTED ||
                code == ERROR_OTHER_DEVICE);
    assert_int_equal(error->code, code);
    assert_true(error->name[0] != '\0' && error->text[0] != '\0' && error->cure[0] != '\0');
    return true;
}

/* What the file says of each job is true, or it says that it cannot tell. */
static unsigned assert_told_truly(kkt_queue *queue, const struct fake_board *board)
{
    unsigned untold = 0;
    for (unsigned i = 1; i <= JOBS; i++) {
        kkt_key key = key_of(i);
        kkt_error error;
        kkt_result result;
        int code = kkt_find(queue, &key, &result, &error);
        if (code == ERROR_NOT_FOUND || told(code, &error)) {
            untold++;
            continue;
        }
        int at = fake_board_find(board, key.bytes);
        if (result.state == KKT_JOB_DONE) {
            assert_true(at >= 0);
            assert_int_equal(result.document, board->jobs[at].result.document);
            assert_int_equal(result.fiscal_sign, board->jobs[at].result.fiscal_sign);
            assert_int_equal(result.total_kop, board->jobs[at].result.total_kop);
            assert_string_equal(result.serial, "BOARD-A");
        } else if (result.state == KKT_JOB_REFUSED) {
            assert_int_equal(i, REFUSED);
            assert_int_equal(result.error.code, ERROR_SHIFT_EXPIRED);
        } else {
            assert_int_equal(result.state, KKT_JOB_STORED);
        }
    }
    return untold;
}

/* Submits all of them again. Returns how many were not taken. */
static unsigned submit_all(kkt_queue *queue)
{
    unsigned untaken = 0;
    for (unsigned i = 1; i <= JOBS; i++) {
        kkt_error error;
        bool receipt = i <= DONE || (i > SENT && i % 2 == 1);
        int code = receipt ? submit_receipt(queue, i, &error) : submit(queue, i, &error);
        untaken += told(code, &error);
    }
    return untaken;
}

/* The way back that the cure names: a new file, the same keys, the same board. */
static void begin_anew(struct world *world, kkt *device)
{
    kkt_error error;
    remove_queue(world);
    kkt_queue *queue = open_queue(world);
    assert_int_equal(submit_all(queue), 0);
    assert_int_equal(kkt_run(queue, device, 10000, &error), KKT_OK);
    for (unsigned i = 1; i <= JOBS; i++)
        assert_state(queue, i, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, JOBS);
    kkt_queue_close(queue);
}

/* True: the damage was noticed. */
static bool live_with(struct world *world, kkt *device, const struct expected *expected)
{
    kkt_queue *queue;
    kkt_error error;
    bool noticed = told(kkt_queue_open(world->path, &queue, &error), &error);
    if (!noticed) {
        noticed |= told(kkt_run(queue, device, 5000, &error), &error);
        noticed |= assert_told_truly(queue, &world->board) > 0;
        noticed |= submit_all(queue) > 0;
        noticed |= told(kkt_run(queue, device, 5000, &error), &error);
        noticed |= assert_told_truly(queue, &world->board) > 0;
        kkt_queue_close(queue);
    }
    assert_board_was_asked_rightly(&world->board, expected);
    return noticed;
}

static void a_flipped_bit_sends_nothing_wrong(void **state)
{
    struct world *world = *state;
    static struct image whole, hurt;
    static struct expected expected;
    kkt *device = open_device(world);
    unsigned tried = 0, noticed = 0;
    const char *stride_text = getenv("DAMAGE_STRIDE"); /* 1: every byte */
    size_t stride = stride_text != NULL ? strtoul(stride_text, NULL, 10) : 3;
    for (unsigned i = 1; i <= JOBS; i++)
        submitted(i, expected.digests[i]);
    make_queue(world, device);
    unsigned before = world->board.executions;
    read_image(world, &whole);
    for (size_t at = 0; at < whole.size; at += whole.bytes[at] != 0 ? stride : 97 * stride) {
        hurt = whole;
        hurt.bytes[at] ^= (uint8_t)(1u << (at / stride % 8));
        write_image(world, &hurt);
        bool seen = live_with(world, device, &expected);
        noticed += seen;
        if (seen)
            begin_anew(world, device);
        else
            assert_int_equal(world->board.executions, JOBS);
        pthread_mutex_lock(&world->board.mutex);
        world->board.executions = before;
        pthread_mutex_unlock(&world->board.mutex);
        tried++;
    }
    print_message("%u bits flipped, %u of them noticed\n", tried, noticed);
    assert_true(tried > 100 && noticed > tried / 4);
    kkt_close(device);
}

/* What a person sees of it, and that the other jobs can still be read out. */
static void a_damaged_job_is_named(void **state)
{
    static const char *const damages[] = {
        "UPDATE job SET body = x'0102' WHERE id = 2",
        "UPDATE job SET job = 33 WHERE id = 2",
        "UPDATE job SET key = x'00112233445566778899AABBCCDDEEFF' WHERE id = 2",
        "UPDATE job SET sent_to = 'BOARD-A' WHERE id = 2",
        "UPDATE job SET body = CAST(body AS TEXT) WHERE id = 2",
        "UPDATE job SET document = 7 WHERE id = 2",
        "UPDATE job SET seal = seal + 1 WHERE id = 2",
    };
    struct world *world = *state;
    kkt *device = open_device(world);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        kkt_error error;
        uint8_t *body;
        size_t size;
        unsigned before = world->board.executions;
        kkt_queue *queue = open_queue(world);
        for (unsigned job = 1; job <= 3; job++)
            assert_int_equal(submit(queue, 100 * (unsigned)i + job, &error), KKT_OK);
        sqlite_do(world, damages[i]);
        assert_int_equal(kkt_run(queue, device, 5000, &error), ERROR_QUEUE_STORE);
        assert_non_null(strstr(error.text, "job 2 "));
        assert_non_null(strstr(error.cure, "same keys"));
        assert_non_null(strstr(error.cure, "same board"));
        assert_int_equal(world->board.executions, before + 1);
        kkt_key key = key_of(100 * (unsigned)i + 3);
        assert_int_equal(kkt_job_body(queue, &key, &body, &size, &error), KKT_OK);
        kkt_free(body);
        kkt_queue_close(queue);
        remove_queue(world);
    }
    kkt_close(device);
}

/* Whatever keeps a job from being marked as sent, kkt_run ends. */
static void a_job_that_cannot_be_marked_is_told(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    sqlite_do(world, "CREATE TRIGGER stuck BEFORE UPDATE OF sent_to ON job"
                     " BEGIN SELECT RAISE(IGNORE); END");
    assert_int_equal(kkt_run(queue, device, 20000, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "cannot be marked"));
    assert_int_equal(world->board.job_requests, 0);
    kkt_queue_close(queue);
    kkt_close(device);
}

/* The list of unfinished jobs is an index, and no seal covers it. kkt_wait must end. */
static void a_job_missing_from_the_index_is_told(void **state)
{
    struct world *world = *state;
    static struct image image;
    kkt *device = open_device(world);
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    int64_t page = 0;
    sqlite3 *database;
    sqlite3_stmt *statement;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    kkt_queue_close(queue);
    assert_int_equal(sqlite3_open(world->path, &database), SQLITE_OK);
    sqlite3_prepare_v2(database, "SELECT rootpage FROM sqlite_schema WHERE name = 'job_unfinished'",
                       -1, &statement, NULL);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    page = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    read_image(world, &image);
    memset(&image.bytes[(page - 1) * 4096 + 3], 0, 2); /* no cells */
    write_image(world, &image);
    queue = open_queue(world);
    assert_int_equal(kkt_wait(queue, device, &key, 20000, &result, &error), ERROR_QUEUE_STORE);
    assert_non_null(strstr(error.text, "missing"));
    assert_int_equal(result.state, KKT_JOB_STORED);
    kkt_queue_close(queue);
    kkt_close(device);
}

/* ---- Formats and copies ---- */

/* A file of version 1, as the driver before wrote it, is taken over with its jobs. */
static void a_file_without_seals_is_taken_over(void **state)
{
    struct world *world = *state;
    kkt *device = open_device(world);
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    kkt_queue_close(queue);
    sqlite_do(world, "ALTER TABLE job DROP COLUMN seal; UPDATE meta SET name = 'boot' WHERE name = "
                     "'origin'; PRAGMA user_version = 1");
    queue = open_queue(world);
    assert_state(queue, 1, KKT_JOB_DONE);
    assert_state(queue, 2, KKT_JOB_STORED);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 2, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 2);
    kkt_queue_close(queue);
    kkt_close(device);
}

/* A copy that takes the file's place does not know what was sent meanwhile. So it counts everything
 * unfinished as sent, and neither another board nor kkt_cancel is given any of it. */
static void a_copy_in_its_place_counts_jobs_as_sent(void **state)
{
    struct world *world = *state;
    static struct image old;
    struct fake_board *other = calloc(1, sizeof *other);
    kkt *device = open_device(world), *wrong;
    kkt_queue *queue = open_queue(world);
    kkt_error error;
    char uri[64];
    kkt_key key = key_of(2);
    assert_non_null(other);
    fake_board_start(other, "BOARD-B");
    fake_board_uri(other, uri);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_int_equal(submit(queue, 2, &error), KKT_OK);
    kkt_queue_close(queue);
    read_image(world, &old);
    queue = open_queue(world);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    kkt_queue_close(queue);
    write_image(world, &old);
    queue = open_queue(world);
    assert_state(queue, 2, KKT_JOB_STORED);
    assert_int_equal(kkt_cancel(queue, &key, &error), ERROR_IN_PROGRESS);
    assert_int_equal(kkt_open(uri, NULL, &wrong, &error), KKT_OK);
    assert_int_equal(kkt_run(queue, wrong, 5000, &error), ERROR_OTHER_DEVICE);
    assert_int_equal(other->executions, 0);
    kkt_close(wrong);
    assert_int_equal(kkt_run(queue, device, 5000, &error), KKT_OK);
    assert_state(queue, 2, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 2);
    kkt_queue_close(queue);
    kkt_close(device);
    fake_board_stop(other);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_flipped_bit_sends_nothing_wrong),   CASE(a_damaged_job_is_named),
        CASE(a_job_that_cannot_be_marked_is_told), CASE(a_job_missing_from_the_index_is_told),
        CASE(a_file_without_seals_is_taken_over),  CASE(a_copy_in_its_place_counts_jobs_as_sent),
    };
    if (vfs_install() != 0)
        return 1;
    return cmocka_run_group_tests_name("queue_damage", tests, NULL, NULL);
}
