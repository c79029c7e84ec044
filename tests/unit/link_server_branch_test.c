/* What arrives at the board while the register works, or while an answer is under way. What must
 * hold stands in firmware/link_server.h.
 */
#include "tests/unit/link_host.h"

/* ---- What arrives while the register works ---- */

static void test_same_job_again_takes_the_answer(void **state)
{
    (void)state;
    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_a, sizeof(key_a));
    turn();
    assert_int_equal(link_server_exchange(&link_server), 2);
    assert_false(link_server.side_ready);
    give_answer(LINK_RECEIPT, link_server.small, 41, ERROR_NONE, true);
    expect_answer(LINK_RECEIPT, 2, ERROR_NONE);
    expect_silence();
}

static void test_same_job_again_before_it_is_taken(void **state)
{
    struct link_request request;
    (void)state;
    start();
    send_request(LINK_RECEIPT, 1, key_a, sizeof(key_a));
    turn();
    send_request(LINK_RECEIPT, 2, key_a, sizeof(key_a));
    turn();
    assert_true(link_server_take(&link_server, &request));
    assert_int_equal(link_server_exchange(&link_server), 2);
    assert_false(link_server_take(&link_server, &request));
    assert_false(link_server_take_side(&link_server, &request));
}

/* Another key, another code, too short for a key: not the same job. One of them waits, what comes
 * on top of it is told BUSY. */
static void test_other_jobs_wait_or_are_told_busy(void **state)
{
    (void)state;
    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    assert_true(link_server.side_ready);
    expect_silence();
    send_request(LINK_SHIFT_OPEN, 3, key_a, sizeof(key_a));
    turn();
    expect_answer(LINK_SHIFT_OPEN, 3, ERROR_BUSY);
    assert_int_equal(assembler.length, LINK_REFUSAL_SIZE + KEY_SIZE);
    assert_memory_equal(answer + LINK_REFUSAL_SIZE, key_a, KEY_SIZE);
    send_request(LINK_RECEIPT, 4, key_a, KEY_SIZE - 1);
    turn();
    expect_answer(LINK_RECEIPT, 4, ERROR_BUSY);
    assert_int_equal(assembler.length, LINK_REFUSAL_SIZE); /* it named no key */
    send_request(LINK_STATUS, 5, key_a, sizeof(key_a));
    turn();
    expect_answer(LINK_STATUS, 5, ERROR_BUSY);
    assert_int_equal(assembler.length, LINK_REFUSAL_SIZE); /* a query has none */
    send_request(LINK_JOB_LAST + 1, 6, key_a, sizeof(key_a));
    turn();
    expect_answer(LINK_JOB_LAST + 1, 6, ERROR_BUSY);
    assert_int_equal(assembler.length, LINK_REFUSAL_SIZE);
    assert_int_equal(link_server_exchange(&link_server), 1);
}

/* A request so short that it has no key is taken by the register, which refuses it; what comes
 * meanwhile cannot be it. */
static void test_a_keyless_job_is_nobodys_repetition(void **state)
{
    struct link_request request;
    (void)state;
    start();
    send_request(LINK_RECEIPT, 1, key_a, 3);
    turn();
    assert_true(link_server_take(&link_server, &request));
    assert_int_equal(request.size, 3);
    send_request(LINK_RECEIPT, 2, key_a, sizeof(key_a));
    turn();
    assert_int_equal(link_server_exchange(&link_server), 1);
    assert_true(link_server.side_ready);
}

static void test_a_large_job_meanwhile_is_told_busy_once(void **state)
{
    static uint8_t large[LINK_FRAGMENT_MAX * 3];
    (void)state;
    work_on_a_job();
    memset(large, 7, sizeof(large));
    send_request(LINK_RECEIPT, 2, large, sizeof(large));
    turn();
    expect_answer(LINK_RECEIPT, 2, ERROR_BUSY);
    expect_silence(); /* its further fragments say nothing */
    assert_false(link_server.side_ready);
}

static void test_busy_is_not_told_into_another_answer(void **state)
{
    static uint8_t large[LINK_FRAGMENT_MAX * 3];
    (void)state;
    work_on_a_job();
    host.takes_at_once = 1;
    give_answer(LINK_RECEIPT, link_server.message, sizeof(large), ERROR_NONE, true);
    memset(large, 7, sizeof(large));
    send_request(LINK_RECEIPT, 2, large, sizeof(large));
    for (unsigned i = 0; i < 100; i++)
        turn();
    expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
    assert_int_equal(assembler.length, sizeof(large));
    expect_silence(); /* the asker's time-out repairs it */
}

static void test_what_is_no_request_is_not_heard(void **state)
{
    struct link_request request;
    (void)state;
    start();
    struct link_frame frame = {.kind = LINK_ANSWER, .code = LINK_STATUS, .exchange = 1};
    send_frame(&frame);
    frame.kind = LINK_EVENT;
    send_frame(&frame);
    turn();
    assert_int_equal(link_server_waiting(&link_server), 0);
    assert_false(link_server_take(&link_server, &request));
    expect_silence();
}

/* ---- The side buffer ---- */

static void test_a_query_meanwhile_is_answered_meanwhile(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    assert_false(link_server_take_side(&link_server, &request));
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    /* Not while another answer is on its way. */
    host.takes_at_once = 0;
    give_answer(LINK_RECEIPT, link_server.message, 1500, ERROR_NONE, true);
    assert_false(link_server_take_side(&link_server, &request));
    host.takes_at_once = WIRE_BYTES;
    turn();
    expect_answer(LINK_RECEIPT, 1, ERROR_NONE);
    /* With the job done the query is still a side request: only a job moves up. */
    assert_int_equal(link_server_waiting(&link_server), 0);
    assert_true(link_server_take_side(&link_server, &request));
    assert_int_equal(request.code, LINK_STATUS);
    give_answer(LINK_STATUS, link_server.small, 2, ERROR_NONE, false);
    expect_answer(LINK_STATUS, 2, ERROR_NONE);
}

static void test_a_job_meanwhile_is_next(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    assert_false(link_server_take_side(&link_server, &request)); /* jobs are no side requests */
    host.takes_at_once = 0;
    give_answer(LINK_RECEIPT, link_server.small, 1024, ERROR_NONE, true);
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
    assert_true(link_server_take(&link_server, &request));
    assert_memory_equal(request.body, key_b, sizeof(key_b));
    assert_int_equal(request.exchange, 2);
}

static void test_nothing_is_taken_while_an_answer_is_under_way(void **state)
{
    struct link_request request;
    (void)state;
    start();
    host.takes_at_once = 0;
    send_request(LINK_SETTINGS, 1, NULL, 0);
    turn();
    assert_true(link_server_take(&link_server, &request));
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    give_answer(LINK_SETTINGS, link_server.small, 1024, ERROR_NONE, true);
    assert_true(link_server_can_answer(&link_server)); /* one frame: it is on the wire already */
    assert_true(link_server_take(&link_server, &request));
    give_answer(LINK_RECEIPT, link_server.message, 2000, ERROR_NONE, true);
    assert_false(link_server_can_answer(&link_server));
    assert_false(link_server_take(&link_server, &request));
    host.takes_at_once = WIRE_BYTES;
    turn();
    expect_answer(LINK_SETTINGS, 1, ERROR_NONE);
    expect_answer(LINK_RECEIPT, 2, ERROR_NONE);
    send_request(LINK_STATUS, 3, NULL, 0);
    turn();
    assert_true(link_server_take(&link_server, &request));
}

/* A whole request waits while the side's answer is not out yet: it is not taken before. */
static void test_a_request_waits_for_the_sides_answer(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    assert_true(link_server_take_side(&link_server, &request));
    give_answer(LINK_RECEIPT, link_server.small, 2, ERROR_NONE, true);
    send_request(LINK_RECEIPT, 3, key_b, sizeof(key_b));
    turn();
    host.takes_at_once = 0;
    static uint8_t long_answer[3000];
    link_server_answer(&link_server, LINK_STATUS, 2, long_answer, sizeof(long_answer), false);
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
    assert_false(link_server_take(&link_server, &request));
    host.takes_at_once = WIRE_BYTES;
    turn();
    assert_true(link_server_take(&link_server, &request));
    assert_memory_equal(request.body, key_b, sizeof(key_b));
}

/* "Ask again" for a job: the one that waits behind it must not become a document first. A query
 * may. */
static void test_ask_again_forgets_the_job_behind(void **state)
{
    struct link_request request;
    (void)state;
    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    give_answer(LINK_RECEIPT, link_server.small, LINK_REFUSAL_SIZE, ERROR_OUTCOME_UNKNOWN, true);
    expect_answer(LINK_RECEIPT, 1, ERROR_OUTCOME_UNKNOWN);
    assert_int_equal(link_server_waiting(&link_server), 0);

    work_on_a_job();
    send_request(LINK_STATUS, 2, NULL, 0);
    turn();
    give_answer(LINK_RECEIPT, link_server.small, LINK_REFUSAL_SIZE, ERROR_OUTCOME_UNKNOWN, true);
    expect_answer(LINK_RECEIPT, 1, ERROR_OUTCOME_UNKNOWN);
    assert_true(link_server_take_side(&link_server, &request));
    assert_int_equal(request.exchange, 2);

    work_on_a_job();
    send_request(LINK_RECEIPT, 2, key_b, sizeof(key_b));
    turn();
    give_answer(LINK_RECEIPT, link_server.small, LINK_REFUSAL_SIZE, ERROR_PAPER_OUT, true);
    expect_answer(LINK_RECEIPT, 1, ERROR_PAPER_OUT);
    assert_int_equal(link_server_waiting(&link_server), LINK_RECEIPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_job_again_takes_the_answer),
        cmocka_unit_test(test_same_job_again_before_it_is_taken),
        cmocka_unit_test(test_other_jobs_wait_or_are_told_busy),
        cmocka_unit_test(test_a_keyless_job_is_nobodys_repetition),
        cmocka_unit_test(test_a_large_job_meanwhile_is_told_busy_once),
        cmocka_unit_test(test_busy_is_not_told_into_another_answer),
        cmocka_unit_test(test_what_is_no_request_is_not_heard),
        cmocka_unit_test(test_a_query_meanwhile_is_answered_meanwhile),
        cmocka_unit_test(test_a_job_meanwhile_is_next),
        cmocka_unit_test(test_nothing_is_taken_while_an_answer_is_under_way),
        cmocka_unit_test(test_a_request_waits_for_the_sides_answer),
        cmocka_unit_test(test_ask_again_forgets_the_job_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
