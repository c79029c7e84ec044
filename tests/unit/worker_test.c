/* The worker by hand: a queue file, a link client whose bytes the test reads and writes, and a
 * clock that the test moves. What a real board does seldom or never is done here on purpose:
 * refusing one copy of a request and doing the next, telling hundreds of events, changing who it
 * is, and a disk that refuses at the worst moment.
 */
#include "tests/unit/worker_rig.h"

/* ---- Refusals ---- */

/* The board was slow, so the request went out twice. It refuses the first copy, and may do the
 * second: then "refused, nothing was changed" would have been a lie. */
static void a_refusal_is_believed_only_when_asked_once(void **state)
{
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    rig.now_ms += 1500;
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 2);
    answer(0, ERROR_SHIFT_EXPIRED);
    assert_int_equal(step(), WORKER_SENDING);
    assert_row(1, KKT_JOB_STORED);
    assert_int_equal(rig.requests, 3);
    assert_memory_equal(rig.request[2].key, rig.request[0].key, KEY_SIZE);
    assert_int_not_equal(rig.request[2].exchange, rig.request[1].exchange);
    /* Into silence this one is not repeated: its answer must be the last. */
    rig.now_ms += 40000;
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 3);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(worker_settle(&rig.worker, &rig.error), KKT_OK);
    assert_row(1, KKT_JOB_DONE);
    /* The next one is repeated again, and a refusal of one asking is the end. */
    assert_int_equal(rig.requests, 4);
    answer(0, ERROR_SHIFT_EXPIRED);
    assert_int_equal(step(), WORKER_EMPTY);
    assert_row(2, KKT_JOB_REFUSED);
    rig_stop();
}

/* The same over TCP, where the copy that is done comes after the answer. */
static void a_refused_copy_and_a_done_one_end_as_done(void **state)
{
    struct world *world = *state;
    kkt_queue *queue = open_queue(world);
    kkt *device;
    kkt_options options = {.answer_timeout_ms = 15000};
    kkt_error error;
    kkt_result result;
    kkt_key key = key_of(1);
    assert_int_equal(kkt_open(world->uri, &options, &device, &error), KKT_OK);
    world->board.delay_ms = 1200;
    fake_board_misbehave(&world->board, FAKE_REFUSE, 1, ERROR_SHIFT_EXPIRED);
    assert_int_equal(submit(queue, 1, &error), KKT_OK);
    assert_int_equal(kkt_wait(queue, device, &key, 20000, &result, &error), KKT_OK);
    assert_int_equal(result.state, KKT_JOB_DONE);
    assert_int_equal(world->board.executions, 1);
    kkt_close(device);
    kkt_queue_close(queue);
}

static void silence_ends_the_connection(void **state)
{
    store_jobs(*state, 1, 1, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    rig.now_ms += 60000;
    assert_int_equal(step(), WORKER_SILENT);
    assert_int_equal(step(), WORKER_SENDING); /* when connected again */
    assert_row(1, KKT_JOB_STORED);
    rig_stop();
}

static void pauses_grow_to_their_limit(void **state)
{
    static const unsigned pauses[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    assert_true(worker_deadline(&rig.worker) == UINT64_MAX);
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        answer(0, i % 2 == 0 ? ERROR_OUTCOME_UNKNOWN : ERROR_LINK_BUSY);
        assert_int_equal(step(), WORKER_WAITING);
        assert_true(worker_deadline(&rig.worker) == rig.now_ms + pauses[i]);
        rig.now_ms += pauses[i] - 1;
        assert_int_equal(step(), WORKER_WAITING);
        rig.now_ms += 1;
        assert_int_equal(step(), WORKER_SENDING);
    }
    /* A result that waits for company is due before the pause of the next job ends. */
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_true(worker_deadline(&rig.worker) == rig.now_ms + WORKER_GROUP_AGE_MS);
    answer(0, ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(step(), WORKER_WAITING);
    assert_true(worker_deadline(&rig.worker) == rig.now_ms + WORKER_GROUP_AGE_MS);
    rig.now_ms += WORKER_GROUP_AGE_MS;
    assert_int_equal(step(), WORKER_WAITING);
    assert_row(1, KKT_JOB_DONE);
    assert_true(worker_deadline(&rig.worker) > rig.now_ms + 100);
    /* Lost in the pause, it stays one. */
    worker_disconnected(&rig.worker);
    assert_int_equal(step(), WORKER_WAITING);
    rig_stop();
}

/* ---- Who the board is ---- */

static void a_registration_names_the_new_module(void **state)
{
    struct world *world = *state;
    kkt_error error;
    uint8_t body[16];
    size_t size = body_of(1, body);
    kkt_key key = key_of(1);
    for (unsigned way = 0; way < 4; way++) {
        kkt_queue *queue = open_queue(world);
        assert_int_equal(kkt_submit(queue, &key, KKT_JOB_REGISTRATION, body, size, &error), KKT_OK);
        kkt_queue_close(queue);
        rig_start(world, way == 3 ? NULL : &key);
        assert_int_equal(step(), WORKER_SENDING);
        answer(0, ERROR_NONE);
        assert_int_equal(step(), WORKER_IDENTIFY);
        assert_row(1, KKT_JOB_STORED);
        strcpy(rig.identity.fn_number, "2222");
        if (way == 1) /* another board answers under the same address: it proves nothing */
            strcpy(rig.identity.serial, "BOARD-B");
        assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &error), KKT_OK);
        assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &error), KKT_OK);
        if (way == 2) {
            spoil_results();
            assert_int_equal(step(), WORKER_FAILED);
            assert_int_equal(rig.error.code, ERROR_QUEUE_STORE);
            mend_results();
            assert_row(1, KKT_JOB_STORED);
        } else {
            assert_int_equal(step(), way == 3 ? WORKER_EMPTY : WORKER_TARGET);
            struct queue_row row = row_of(1);
            assert_int_equal(row.entry.result.state, KKT_JOB_DONE);
            assert_string_equal(row.entry.result.fn_number, way == 1 ? "1111" : "2222");
            assert_string_equal(row.entry.result.serial, "BOARD-A");
        }
        rig_stop();
        remove_queue(world);
    }
}

static void a_started_board_is_asked_who_it_is(void **state)
{
    store_jobs(*state, 1, 3, false);
    rig_start(*state, NULL);
    rig.worker.identify_first = true;
    assert_int_equal(step(), WORKER_IDENTIFY);
    assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &rig.error), KKT_OK);
    assert_int_equal(step(), WORKER_SENDING);
    /* It starts while the job is under way: the answer waits for the identity. */
    rig.worker.identify_first = true;
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_IDENTIFY);
    assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &rig.error), KKT_OK);
    assert_int_equal(step(), WORKER_SENDING);
    rig.worker.identify_first = true;
    answer(0, ERROR_SHIFT_EXPIRED);
    assert_int_equal(step(), WORKER_IDENTIFY);
    rig_stop();
}

/* ---- Confirmations ---- */

static void confirmations_alone_cost_no_synced_commit(void **state)
{
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE); /* document 5 */
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_EMPTY);
    confirm_event(LINK_EVENT_PRINTED, 5);
    confirm_event(LINK_EVENT_CONFIRMED, 0);
    assert_int_equal(step(), WORKER_EMPTY);
    assert_false(row_of(1).entry.result.confirmed);
    uint64_t commits = rig.store.durable_commits;
    confirm_event(LINK_EVENT_CONFIRMED, 5);
    assert_int_equal(step(), WORKER_EMPTY);
    assert_true(row_of(1).entry.result.confirmed);
    assert_true(rig.store.durable_commits == commits);
    rig_stop();
}

/* More than a group holds, while a job is under way: the rest waits in the client for the next. */
static void a_flood_of_confirmations_waits_in_the_client(void **state)
{
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE); /* document 5 */
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(worker_settle(&rig.worker, &rig.error), KKT_OK);
    for (uint32_t i = 0; i < WORKER_CONFIRMED_MAX; i++) {
        confirm_event(LINK_EVENT_CONFIRMED, 1000 + i);
        if (i % 16 == 15)
            assert_int_equal(step(), WORKER_WAITING);
    }
    confirm_event(LINK_EVENT_CONFIRMED, 5);
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.worker.confirmed_count, WORKER_CONFIRMED_MAX);
    assert_int_equal(worker_settle(&rig.worker, &rig.error), KKT_OK);
    assert_false(row_of(1).entry.result.confirmed);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_EMPTY);
    assert_true(row_of(1).entry.result.confirmed);
    rig_stop();
}

static void the_numbers_of_another_module_are_others(void **state)
{
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    strcpy(rig.identity.fn_number, "2222");
    confirm_event(LINK_EVENT_CONFIRMED, 5);
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.worker.confirmed_count, 1);
    assert_int_equal(worker_connected(&rig.worker, &rig.identity, true, &rig.error), KKT_OK);
    answer(0, ERROR_NONE); /* number 5, of module 2222, and not confirmed */
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(worker_settle(&rig.worker, &rig.error), KKT_OK);
    struct queue_row row = row_of(1);
    assert_int_equal(row.entry.result.state, KKT_JOB_DONE);
    assert_string_equal(row.entry.result.fn_number, "2222");
    assert_false(row.entry.result.confirmed);
    rig_stop();
}

static void confirmations_that_cannot_be_stored(void **state)
{
    store_jobs(*state, 1, 1, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_EMPTY);
    sqlite_do(*state, "CREATE TRIGGER spoil BEFORE UPDATE OF confirmed ON job"
                      " BEGIN SELECT RAISE(ABORT, 'spoiled'); END");
    confirm_event(LINK_EVENT_CONFIRMED, 5);
    confirm_event(LINK_EVENT_CONFIRMED, 5);
    assert_int_equal(step(), WORKER_FAILED);
    assert_int_equal(rig.error.code, ERROR_QUEUE_STORE);
    mend_results();
    assert_false(row_of(1).entry.result.confirmed);
    rig_stop();
}

/* ---- Results that cannot be stored ---- */

static void a_full_group_is_stored_before_the_next_answer(void **state)
{
    store_jobs(*state, 1, WORKER_GROUP_MAX + 1, false);
    for (unsigned spoiled = 0; spoiled < 2; spoiled++) {
        rig_start(*state, NULL);
        sqlite_do(*state, "UPDATE job SET attempts = 0");
        assert_int_equal(step(), WORKER_SENDING);
        for (unsigned i = 0; i < WORKER_GROUP_MAX; i++) {
            answer(0, ERROR_NONE);
            assert_int_equal(step(), WORKER_SENDING);
        }
        assert_int_equal(rig.worker.pending_count, WORKER_GROUP_MAX);
        assert_row(1, KKT_JOB_STORED);
        answer(0, ERROR_NONE);
        if (spoiled == 0) {
            spoil_results();
            assert_int_equal(step(), WORKER_FAILED);
            assert_row(1, KKT_JOB_STORED);
            mend_results();
        } else {
            assert_int_equal(step(), WORKER_EMPTY);
            for (unsigned i = 1; i <= WORKER_GROUP_MAX + 1; i++)
                assert_row(i, KKT_JOB_DONE);
        }
        rig_stop();
    }
}

/* While the next one is under way, a full group does not wait for its age. */
static void a_full_group_is_stored_while_waiting(void **state)
{
    store_jobs(*state, 1, WORKER_GROUP_MAX + 1, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    for (unsigned i = 0; i < WORKER_GROUP_MAX; i++) {
        answer(0, ERROR_NONE);
        assert_int_equal(step(), WORKER_SENDING);
    }
    assert_int_equal(step(), WORKER_WAITING);
    assert_row(WORKER_GROUP_MAX, KKT_JOB_DONE);
    rig_stop();
}

static void an_old_result_that_cannot_be_stored(void **state)
{
    store_jobs(*state, 1, 2, false);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(step(), WORKER_WAITING);
    spoil_results();
    rig.now_ms += WORKER_GROUP_AGE_MS;
    assert_int_equal(step(), WORKER_FAILED);
    assert_int_equal(rig.error.code, ERROR_QUEUE_STORE);
    mend_results();
    /* It was dropped and is asked again, not told as stored. */
    assert_int_equal(rig.worker.pending_count, 0);
    assert_row(1, KKT_JOB_STORED);
    rig_stop();
}

static void the_last_results_that_cannot_be_stored(void **state)
{
    kkt_key key = key_of(1);
    store_jobs(*state, 1, 1, false);
    for (unsigned way = 0; way < 2; way++) {
        rig_start(*state, way == 0 ? &key : NULL);
        assert_int_equal(step(), WORKER_SENDING);
        answer(0, ERROR_NONE);
        spoil_results();
        assert_int_equal(step(), WORKER_FAILED);
        assert_int_equal(rig.error.code, ERROR_QUEUE_STORE);
        mend_results();
        assert_row(1, KKT_JOB_STORED);
        rig_stop();
    }
}

/* ---- What goes ahead ---- */

/* Answers the first, which settles the link, and sends the second. */
static void settle_link(bool faithful)
{
    assert_int_equal(worker_connected(&rig.worker, &rig.identity, faithful, &rig.error), KKT_OK);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(rig.requests, 2);
}

static void nothing_goes_ahead_over_a_cable_that_loses(void **state)
{
    store_jobs(*state, 1, 4, true);
    rig_start(*state, NULL);
    settle_link(false);
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 2);
    rig_stop();
}

/* Nor before the last byte of the first is gone. */
static void nothing_goes_ahead_of_unsent_bytes(void **state)
{
    store_jobs(*state, 1, 4, true);
    rig_start(*state, NULL);
    assert_int_equal(step(), WORKER_SENDING);
    answer(0, ERROR_NONE);
    assert_int_equal(worker_step(&rig.worker, rig.now_ms, &rig.error), WORKER_SENDING);
    assert_int_equal(worker_step(&rig.worker, rig.now_ms, &rig.error), WORKER_WAITING);
    pump();
    assert_int_equal(rig.requests, 2);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(rig.requests, 3);
    rig_stop();
}

static void cancel_third(void *user, enum queue_step at)
{
    kkt_error error;
    kkt_key key = key_of(3);
    if (at != QUEUE_STEP_STATEMENT || rig.store.hook == NULL)
        return;
    rig.store.hook = NULL;
    kkt_queue *other = open_queue(user);
    assert_int_equal(kkt_cancel(other, &key, &error), KKT_OK);
    kkt_queue_close(other);
}

/* The one that would go ahead is taken back in the moment between finding and marking it. */
static void a_job_taken_back_in_time_does_not_go_ahead(void **state)
{
    store_jobs(*state, 1, 4, true);
    rig_start(*state, NULL);
    settle_link(true);
    rig.store.hook = cancel_third;
    rig.store.hook_user = *state;
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 2);
    assert_row(3, KKT_JOB_CANCELLED);
    /* The same for the one whose turn it is. */
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    kkt_key key = key_of(4);
    assert_memory_equal(rig.request[2].key, key.bytes, KEY_SIZE);
    rig_stop();
}

static void a_job_taken_back_in_its_turn_is_passed_over(void **state)
{
    store_jobs(*state, 3, 4, true);
    rig_start(*state, NULL);
    rig.store.hook = cancel_third;
    rig.store.hook_user = *state;
    assert_int_equal(step(), WORKER_SENDING);
    kkt_key key = key_of(4);
    assert_memory_equal(rig.request[0].key, key.bytes, KEY_SIZE);
    rig_stop();
}

static void a_mark_that_fails_sends_nothing_ahead(void **state)
{
    store_jobs(*state, 1, 4, true);
    rig_start(*state, NULL);
    settle_link(true);
    sqlite_do(*state, "CREATE TRIGGER spoil BEFORE UPDATE OF sent_to ON job"
                      " BEGIN SELECT RAISE(ABORT, 'spoiled'); END");
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 2);
    mend_results();
    rig_stop();
}

static void a_job_of_another_board_does_not_go_ahead(void **state)
{
    struct world *world = *state;
    store_jobs(world, 1, 4, true);
    rig_start(world, NULL);
    settle_link(true);
    bool marked;
    assert_int_equal(queue_store_mark(&rig.store, 3, "BOARD-B", &marked, &rig.error), KKT_OK);
    assert_true(marked);
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 2);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    kkt_key key = key_of(4);
    assert_memory_equal(rig.request[2].key, key.bytes, KEY_SIZE);
    assert_string_equal(rig.worker.foreign_board, "BOARD-B");
    rig_stop();
}

/* A receipt that states "not electronically" wants paper like one that states nothing. */
static void electronic_zero_is_paper(void **state)
{
    struct world *world = *state;
    kkt_error error;
    uint8_t body[1024];
    kkt_queue *queue = open_queue(world);
    store_jobs(world, 1, 2, true);
    for (unsigned i = 3; i <= 4; i++) {
        kkt_key key = key_of(i);
        struct byte_writer writer;
        size_t size = receipt_of(i, i == 4, body, sizeof body);
        byte_writer_init(&writer, body + size, sizeof body - size);
        if (i == 3)
            tlv_put_u8(&writer, TAG_ELECTRONICALLY, 0);
        assert_int_equal(
            kkt_submit(queue, &key, KKT_JOB_RECEIPT, body, size + writer.length, &error), KKT_OK);
    }
    kkt_queue_close(queue);
    rig_start(world, NULL);
    settle_link(true);
    assert_int_equal(step(), WORKER_SENDING); /* 3, paper, behind 2, paper */
    assert_int_equal(rig.requests, 3);
    answer(1, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(step(), WORKER_WAITING); /* 4, electronic, not behind 3 */
    assert_int_equal(rig.requests, 3);
    rig_stop();
}

/* Longer than one fragment: neither ahead nor with one behind it. */
static void a_long_receipt_goes_alone(void **state)
{
    struct world *world = *state;
    kkt_error error;
    kkt_queue *queue = open_queue(world);
    kkt_receipt *receipt = kkt_receipt_new(KKT_SALE);
    kkt_key key = key_of(3);
    for (unsigned i = 0; i < 40; i++)
        kkt_receipt_item(receipt, "A name that takes its room on paper", "10.00", "1", KKT_VAT_22,
                         KKT_FULL_PAYMENT, KKT_GOODS);
    kkt_receipt_pay(receipt, KKT_CASH, "400.00");
    store_jobs(world, 1, 2, true);
    assert_int_equal(kkt_submit_receipt(queue, &key, receipt, &error), KKT_OK);
    kkt_receipt_free(receipt);
    kkt_queue_close(queue);
    store_jobs(world, 4, 4, true);
    rig_start(world, NULL);
    settle_link(true);
    assert_int_equal(step(), WORKER_WAITING);
    answer(0, ERROR_NONE);
    assert_int_equal(step(), WORKER_SENDING);
    assert_int_equal(rig.requests, 3);
    assert_int_equal(step(), WORKER_WAITING);
    assert_int_equal(rig.requests, 3);
    rig_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_refusal_is_believed_only_when_asked_once),
        CASE(a_refused_copy_and_a_done_one_end_as_done),
        CASE(silence_ends_the_connection),
        CASE(pauses_grow_to_their_limit),
        CASE(a_registration_names_the_new_module),
        CASE(a_started_board_is_asked_who_it_is),
        CASE(confirmations_alone_cost_no_synced_commit),
        CASE(a_flood_of_confirmations_waits_in_the_client),
        CASE(the_numbers_of_another_module_are_others),
        CASE(confirmations_that_cannot_be_stored),
        CASE(a_full_group_is_stored_before_the_next_answer),
        CASE(a_full_group_is_stored_while_waiting),
        CASE(an_old_result_that_cannot_be_stored),
        CASE(the_last_results_that_cannot_be_stored),
        CASE(nothing_goes_ahead_over_a_cable_that_loses),
        CASE(nothing_goes_ahead_of_unsent_bytes),
        CASE(a_job_taken_back_in_time_does_not_go_ahead),
        CASE(a_job_taken_back_in_its_turn_is_passed_over),
        CASE(a_mark_that_fails_sends_nothing_ahead),
        CASE(a_job_of_another_board_does_not_go_ahead),
        CASE(electronic_zero_is_paper),
        CASE(a_long_receipt_goes_alone),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
