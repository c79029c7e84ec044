/* What a shop does with its queue in a morning, while something fails; and what must be so when the
 * failure is over. Always true: a call that fails says so with a code that QUEUE.md names, and with
 * what to do.
 */
#ifndef TESTS_UNIT_QUEUE_MORNING_H
#define TESTS_UNIT_QUEUE_MORNING_H

#include "tests/unit/queue_world.h"

enum { JOBS = 4 };

/* The code is one that the page names, and says what happened and what to do. */
static inline void assert_told(int code, const kkt_error *error)
{
    bool store = code == ERROR_QUEUE_STORE && strcmp(error->name, "QUEUE_STORE") == 0;
    bool memory = code == ERROR_INTERNAL && strcmp(error->text, "out of memory") == 0;
    if ((!store && !memory) || error->code != code)
        fail_msg("code %d (%s: %s)", code, error->name, error->text);
    assert_true(error->text[0] != '\0' && error->cure[0] != '\0');
}

static inline int visit_none(void *user, const kkt_entry *entry)
{
    (void)user;
    (void)entry;
    return 1;
}

static inline int submit_one(kkt_queue *queue, unsigned number, kkt_error *error)
{
    return number == 1 ? submit(queue, number, error) : submit_receipt(queue, number, error);
}

/* What the shop knows after the failure. */
struct told {
    bool stored[JOBS + 1], finished[JOBS + 1], cancelled;
};

/* Everything that a shop does in a morning, each call with whatever it gives. */
static inline void live(kkt_queue *queue, kkt *device, struct told *told)
{
    kkt_error error;
    kkt_result result;
    unsigned changed;
    int code;
    memset(told, 0, sizeof *told);
    for (unsigned i = 1; i <= JOBS; i++) {
        code = submit_one(queue, i, &error);
        told->stored[i] = code == KKT_OK;
        if (code != KKT_OK)
            assert_told(code, &error);
    }
    kkt_key key = key_of(JOBS);
    code = kkt_cancel(queue, &key, &error);
    told->cancelled = code == KKT_OK;
    if (code != KKT_OK && code != ERROR_NOT_FOUND)
        assert_told(code, &error);
    key = key_of(1);
    code = kkt_wait(queue, device, &key, 5000, &result, &error);
    if (code != KKT_OK && code != ERROR_NOT_FOUND)
        assert_told(code, &error);
    code = kkt_run(queue, device, 5000, &error);
    if (code != KKT_OK)
        assert_told(code, &error);
    for (unsigned i = 1; i < JOBS; i++) {
        key = key_of(i);
        code = kkt_wait(queue, device, &key, 5000, &result, &error);
        told->finished[i] = code == KKT_OK;
        if (code == KKT_OK)
            assert_int_equal(result.state, KKT_JOB_DONE);
        else if (code != ERROR_NOT_FOUND)
            assert_told(code, &error);
    }
    code = kkt_update_confirmations(queue, device, &changed, &error);
    if (code != KKT_OK)
        assert_told(code, &error);
    code = kkt_list(queue, 0, 1, visit_none, NULL, &error);
    if (code != KKT_OK)
        assert_told(code, &error);
}

/* The failure is over: what was told is so, and everything ends as one document each. */
static inline void heal_and_finish(kkt_queue *queue, kkt *device, const struct told *told,
                                   const struct fake_board *board)
{
    kkt_error error;
    kkt_result result;
    bool cancelled = false;
    for (unsigned i = 1; i <= JOBS; i++) {
        kkt_key key = key_of(i);
        int code = kkt_find(queue, &key, &result, &error);
        assert_true(code == KKT_OK || (code == ERROR_NOT_FOUND && !told->stored[i]));
        if (told->finished[i])
            assert_int_equal(result.state, KKT_JOB_DONE);
        if (i == JOBS && told->cancelled) {
            assert_int_equal(result.state, KKT_JOB_CANCELLED);
            cancelled = true;
        } else if (submit_one(queue, i, &error) != KKT_OK) {
            fail_msg("submit %u: %s", i, error.text);
        }
    }
    if (kkt_run(queue, device, 5000, &error) != KKT_OK)
        fail_msg("run: %s: %s", error.name, error.text);
    for (unsigned i = 1; i <= JOBS - (unsigned)cancelled; i++)
        assert_state(queue, i, KKT_JOB_DONE);
    assert_int_equal(board->executions, JOBS - cancelled);
    assert_int_equal(board->conflicts, 0);
}

#endif
