/* The reconnecting of a device handle as a table of times: when it is tried, when not, and what the
 * user hears.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hostdrv/reconnect.h"

static struct reconnect reconnect;

static void fails_at(uint64_t now_ms)
{
    assert_true(reconnect_due(&reconnect, now_ms));
    reconnect_trying(&reconnect);
    reconnect_failed(&reconnect, now_ms, 0);
}

static enum reconnect_news news(uint64_t seen)
{
    uint64_t outage_ms;
    return reconnect_news(&reconnect, seen, &outage_ms);
}

/* The published pauses: 100, 200 ... 3200, 5000, 5000. */
static void pauses_grow_to_five_seconds(void **state)
{
    static const unsigned pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    uint64_t now_ms = 1000000;
    (void)state;
    reconnect_init(&reconnect);
    for (unsigned i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        fails_at(now_ms);
        assert_int_equal(reconnect.next_ms, now_ms + pauses[i]);
        assert_false(reconnect_due(&reconnect, now_ms + pauses[i] - 1));
        now_ms += pauses[i];
    }
    assert_int_equal(news(0), RECONNECT_NO_NEWS); /* it was never there */
}

static void an_arrival_is_tried_at_once(void **state)
{
    (void)state;
    reconnect_init(&reconnect);
    for (uint64_t now_ms = 0; now_ms < 20000; now_ms = reconnect.next_ms)
        fails_at(now_ms);
    uint64_t now_ms = reconnect.next_ms - 4000;
    assert_false(reconnect_due(&reconnect, now_ms));
    reconnect_arrived(&reconnect, now_ms);
    fails_at(now_ms); /* as when its rights come a little later */
    assert_int_equal(reconnect.next_ms, now_ms + 100);
}

/* A board that connects and breaks down over every job is not asked in a tight loop; one that
 * answers is. */
static void only_a_useful_answer_resets_the_pauses(void **state)
{
    uint64_t now_ms = 0;
    (void)state;
    reconnect_init(&reconnect);
    for (unsigned round = 0; round < 8; round++) {
        assert_true(reconnect_due(&reconnect, now_ms));
        reconnect_trying(&reconnect);
        reconnect_connected(&reconnect, now_ms, 0);
        reconnect_dropped(&reconnect, now_ms + 1, 0);
        now_ms = reconnect.next_ms;
    }
    assert_int_equal(reconnect.pause_ms, 5000);
    reconnect_trying(&reconnect);
    reconnect_connected(&reconnect, now_ms, 0);
    reconnect_useful(&reconnect);
    reconnect_dropped(&reconnect, now_ms + 1, 0);
    assert_true(reconnect_due(&reconnect, now_ms + 1)); /* at once */
}

static void lost_and_back_come_in_their_places(void **state)
{
    uint64_t outage_ms;
    (void)state;
    reconnect_init(&reconnect);
    reconnect_trying(&reconnect);
    reconnect_connected(&reconnect, 10, 0);
    assert_int_equal(news(0), RECONNECT_NO_NEWS); /* the first connection is none */
    reconnect_dropped(&reconnect, 500, 3);
    assert_int_equal(news(2), RECONNECT_NO_NEWS); /* the board's third event came before */
    assert_int_equal(news(3), RECONNECT_NEWS_LOST);
    assert_int_equal(news(3), RECONNECT_NO_NEWS);
    reconnect_trying(&reconnect);
    reconnect_connected(&reconnect, 2000, 3);
    assert_int_equal(reconnect_news(&reconnect, 3, &outage_ms), RECONNECT_NEWS_BACK);
    assert_int_equal(outage_ms, 1500);
    assert_int_equal(news(3), RECONNECT_NO_NEWS);
}

static void outages_that_nobody_saw_are_told_as_one(void **state)
{
    uint64_t outage_ms;
    (void)state;
    reconnect_init(&reconnect);
    reconnect_connected(&reconnect, 0, 0);
    for (uint64_t at_ms = 100; at_ms < 1000; at_ms += 100) {
        reconnect_dropped(&reconnect, at_ms, 0);
        reconnect_connected(&reconnect, at_ms + 50, 0);
    }
    assert_int_equal(news(0), RECONNECT_NEWS_LOST);
    assert_int_equal(reconnect_news(&reconnect, 0, &outage_ms), RECONNECT_NEWS_BACK);
    assert_int_equal(outage_ms, 850);
    assert_int_equal(news(0), RECONNECT_NO_NEWS);
    /* Told of the loss, it is lost again before anybody is told that it was back. */
    reconnect_dropped(&reconnect, 2000, 0);
    assert_int_equal(news(0), RECONNECT_NEWS_LOST);
    reconnect_connected(&reconnect, 2100, 0);
    reconnect_dropped(&reconnect, 2200, 0);
    assert_int_equal(news(0), RECONNECT_NO_NEWS);
    reconnect_connected(&reconnect, 2300, 0);
    assert_int_equal(reconnect_news(&reconnect, 0, &outage_ms), RECONNECT_NEWS_BACK);
    assert_int_equal(outage_ms, 300);
}

/* Closed so that others can have the board: no loss, until it turns out that it is gone. */
static void giving_way_is_no_loss(void **state)
{
    (void)state;
    reconnect_init(&reconnect);
    reconnect_connected(&reconnect, 0, 0);
    reconnect_trying(&reconnect);
    reconnect_connected(&reconnect, 1000, 0);
    assert_int_equal(news(0), RECONNECT_NO_NEWS);
    fails_at(2000);
    assert_int_equal(news(0), RECONNECT_NEWS_LOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pauses_grow_to_five_seconds),
        cmocka_unit_test(an_arrival_is_tried_at_once),
        cmocka_unit_test(only_a_useful_answer_resets_the_pauses),
        cmocka_unit_test(lost_and_back_come_in_their_places),
        cmocka_unit_test(outages_that_nobody_saw_are_told_as_one),
        cmocka_unit_test(giving_way_is_no_loss),
    };
    return cmocka_run_group_tests_name("reconnect", tests, NULL, NULL);
}
