/* A worker in the hands of a test: its queue file, a link client whose bytes the test reads and
 * writes as the board would, and a clock that the test moves. One at a time.
 */
#ifndef TESTS_UNIT_WORKER_RIG_H
#define TESTS_UNIT_WORKER_RIG_H

#include "hostdrv/worker.h"
#include "tests/unit/queue_world.h"

struct rig {
    struct world *world;
    struct queue_store store;
    struct link_client client;
    struct worker worker;
    kkt_identity identity;
    uint64_t now_ms;
    kkt_error error;
    /* The board's side. */
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t message[LINK_MESSAGE_MAX];
    unsigned requests;
    struct {
        uint8_t code;
        uint16_t exchange;
        uint8_t key[KEY_SIZE];
    } request[64]; /* the number n at n % 64 */
};

static struct rig rig;

static inline void rig_start(struct world *world, const kkt_key *target)
{
    memset(&rig, 0, sizeof rig);
    rig.world = world;
    strcpy(rig.identity.serial, "BOARD-A");
    strcpy(rig.identity.fn_number, "1111");
    rig.now_ms = 1000;
    assert_int_equal(queue_store_open(&rig.store, world->path, &rig.error), KKT_OK);
    link_client_init(&rig.client, 7);
    link_decoder_init(&rig.decoder);
    link_assembler_init(&rig.assembler, rig.message, sizeof rig.message);
    worker_init(&rig.worker, &rig.store, &rig.client, 60000, target);
    assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &rig.error), KKT_OK);
}

static inline void rig_stop(void)
{
    queue_store_close(&rig.store);
}

/* Jobs first..last: receipts, or cash taken in. */
static inline void store_jobs(struct world *world, unsigned first, unsigned last, bool receipts)
{
    kkt_error error;
    kkt_queue *queue = open_queue(world);
    for (unsigned i = first; i <= last; i++)
        assert_int_equal(receipts ? submit_receipt(queue, i, &error) : submit(queue, i, &error),
                         KKT_OK);
    kkt_queue_close(queue);
}

/* Reads what the host sends. */
static inline void pump(void)
{
    const uint8_t *bytes;
    size_t size;
    while ((size = link_client_output(&rig.client, &bytes)) > 0) {
        for (size_t i = 0; i < size; i++) {
            struct link_frame frame;
            if (!link_decoder_push(&rig.decoder, bytes[i], &frame) ||
                link_assembler_add(&rig.assembler, &frame) != 1)
                continue;
            unsigned at = rig.requests++ % 64;
            rig.request[at].code = rig.assembler.code;
            rig.request[at].exchange = rig.assembler.exchange;
            memcpy(rig.request[at].key, rig.message, KEY_SIZE);
        }
        link_client_sent(&rig.client, size, rig.now_ms);
    }
}

static inline enum worker_status step(void)
{
    memset(&rig.error, 0, sizeof rig.error);
    link_client_tick(&rig.client, rig.now_ms);
    enum worker_status status = worker_step(&rig.worker, rig.now_ms, &rig.error);
    pump();
    return status;
}

static inline void put(uint8_t kind, uint8_t code, uint16_t exchange, const uint8_t *bytes,
                       size_t size)
{
    uint8_t wire[LINK_WIRE_MAX];
    size_t offset = 0;
    size_t length =
        link_message_frame(kind, code, exchange, bytes, size, &offset, wire, sizeof wire);
    link_client_input(&rig.client, wire, length, rig.now_ms);
}

/* Answers the request `back` before the newest; code 0: done. */
static inline void answer(unsigned back, uint16_t code)
{
    uint8_t bytes[64];
    struct byte_writer writer;
    unsigned at = (rig.requests - 1 - back) % 64;
    byte_writer_init(&writer, bytes, sizeof bytes);
    if (code == ERROR_NONE) {
        struct link_result result = {.job = rig.request[at].code, .document = 5};
        memcpy(result.key, rig.request[at].key, KEY_SIZE);
        put_u16le(&writer, code);
        link_result_put(&writer, &result);
    } else {
        struct refusal refusal = {.code = code};
        link_refusal_put(&writer, &refusal);
        put_bytes(&writer, rig.request[at].key, KEY_SIZE);
    }
    put(LINK_ANSWER, rig.request[at].code, rig.request[at].exchange, bytes, writer.length);
}

static inline void confirm_event(uint8_t code, uint32_t document)
{
    uint8_t bytes[16];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof bytes);
    if (document != 0)
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, document);
    put(LINK_EVENT, code, 1, bytes, writer.length);
}

static inline struct queue_row row_of(unsigned number)
{
    struct queue_row row;
    kkt_key key = key_of(number);
    assert_int_equal(queue_store_find(&rig.store, &key, &row, NULL, NULL, &rig.error), KKT_OK);
    return row;
}

static inline void assert_row(unsigned number, enum kkt_job_state state)
{
    assert_int_equal(row_of(number).entry.result.state, state);
}

/* From now on the file takes no result, until mended. */
static inline void spoil_results(void)
{
    sqlite_do(rig.world, "CREATE TRIGGER spoil BEFORE UPDATE OF document ON job"
                         " BEGIN SELECT RAISE(ABORT, 'spoiled'); END");
}

static inline void mend_results(void)
{
    sqlite_do(rig.world, "DROP TRIGGER spoil");
}

#endif
