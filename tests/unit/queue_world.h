/* What the tests of the queue share: a folder, a fake board, and jobs told apart by a number. */
#ifndef TESTS_UNIT_QUEUE_WORLD_H
#define TESTS_UNIT_QUEUE_WORLD_H

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

#include "hostdrv/queue_step.h"
#include "tests/unit/fake_board.h"

struct world {
    char folder[64], path[96], uri[64];
    struct fake_board board;
};

static inline int world_setup(void **state)
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

static inline void remove_queue(const struct world *world)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", world->path, ends[i]);
        unlink(name);
    }
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;
    fake_board_stop(&world->board);
    chmod(world->folder, 0700);
    remove_queue(world);
    int left = rmdir(world->folder);
    free(world);
    return left;
}

static inline kkt_key key_of(unsigned number)
{
    kkt_key key = {{0}};
    key.bytes[0] = 0xA0;
    key.bytes[14] = (uint8_t)(number >> 8);
    key.bytes[15] = (uint8_t)number;
    return key;
}

/* A non-fiscal job: a body of one tag, told apart by its number. */
static inline size_t body_of(unsigned number, uint8_t body[16])
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, 16);
    tlv_put_vln(&writer, TAG_CASH_SUM, 100000u + number);
    return writer.length;
}

static inline int submit(kkt_queue *queue, unsigned number, kkt_error *error)
{
    uint8_t body[16];
    kkt_key key = key_of(number);
    return kkt_submit(queue, &key, KKT_JOB_CASH_IN, body, body_of(number, body), error);
}

/* A receipt of its own, so that the queue may send it ahead. */
static inline size_t receipt_of(unsigned number, bool electronic, uint8_t *body, size_t capacity)
{
    char name[32];
    kkt_error error;
    const uint8_t *tlv;
    size_t size;
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    snprintf(name, sizeof name, "Item %u", number);
    kkt_receipt_item(receipt, name, "10.00", "1", KKT_VAT_22, KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_pay(receipt, KKT_CASH, "10.00");
    if (electronic) {
        kkt_receipt_buyer_contact(receipt, "+79990000000");
        kkt_receipt_electronically(receipt);
    }
    if (kkt_receipt_encode(receipt, &tlv, &size, &error) != KKT_OK || size > capacity)
        fail_msg("receipt: %s: %s", error.name, error.text);
    memcpy(body, tlv, size);
    kkt_receipt_free(receipt);
    return size;
}

static inline int submit_receipt(kkt_queue *queue, unsigned number, kkt_error *error)
{
    uint8_t body[512];
    kkt_key key = key_of(number);
    return kkt_submit(queue, &key, KKT_JOB_RECEIPT, body,
                      receipt_of(number, false, body, sizeof body), error);
}

/* What the fake board keeps of a job's content. */
static inline void digest_of(uint8_t code, const uint8_t *body, size_t size,
                             uint8_t digest[SHA256_SIZE])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, &code, 1);
    sha256_update(&sha, body, size);
    sha256_final(&sha, digest);
}

static inline kkt_queue *open_queue(const struct world *world)
{
    kkt_queue *queue;
    kkt_error error;
    if (kkt_queue_open(world->path, &queue, &error) != KKT_OK)
        fail_msg("open: %s: %s", error.name, error.text);
    return queue;
}

static inline kkt *open_device(const struct world *world)
{
    kkt *device;
    kkt_options options = {.connect_timeout_ms = 2000, .answer_timeout_ms = 1500};
    assert_int_equal(kkt_open_lazy(world->uri, &options, &device, NULL), KKT_OK);
    return device;
}

static inline void assert_state(kkt_queue *queue, unsigned number, enum kkt_job_state state)
{
    kkt_result result;
    kkt_key key = key_of(number);
    assert_int_equal(kkt_find(queue, &key, &result, NULL), KKT_OK);
    assert_int_equal(result.state, state);
}

static inline void sqlite_do(const struct world *world, const char *sql)
{
    sqlite3 *database;
    assert_int_equal(sqlite3_open(world->path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

#endif
