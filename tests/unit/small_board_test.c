/* The size a board states is the size it takes, whatever its profile: one byte more is refused with
 * the limit, and nothing has changed. Built with board/lm3s/profile.h as well (tests/run); with the
 * full size the link itself knows no larger message, so the refusals need the small one.
 */
#include "tests/unit/register_rig.h"

static uint32_t stated(void)
{
    const uint8_t *answer;
    uint32_t limit = 0;
    size_t size = world_query(&world, LINK_IDENTITY, NULL, 0, &answer);
    assert_true(tlv_find_u32(answer, size, TAG_MESSAGE_MAX, &limit));
    return limit;
}

/* The largest number of items whose job the board's buffer holds. */
static unsigned items_that_fit(size_t limit)
{
    unsigned items = 1;
    while (world_receipt(body, sizeof body, 1, items + 1, 100) + LINK_JOB_HEADER_SIZE <= limit)
        items++;
    return items;
}

static void test_stated_limit(void **state)
{
    (void)state;
    rig_ready(FFD_1_2);
    assert_int_equal(stated(), LIMIT_REQUEST_BYTES);
    assert_int_equal(sizeof world.firmware.link.message, LIMIT_REQUEST_BYTES);
    world_destroy(&world);
}

static void test_too_large_receipt(void **state)
{
    (void)state;
    rig_ready(FFD_1_2);
    uint32_t documents = world.firmware.cash_register.state.last_document;
    unsigned items = items_that_fit(LIMIT_REQUEST_BYTES);
    if (LIMIT_REQUEST_BYTES < LINK_MESSAGE_MAX) {
        struct outcome outcome = sale(7, 1, items + 1, 100);
        expect_refusal(outcome, ERROR_TOO_LARGE, 0);
        assert_true(rig_refusal_names_key()); /* final: the driver drops the job */
        assert_int_equal(world.firmware.cash_register.state.last_document, documents);
        /* A question that large is none. */
        memset(body, 0, sizeof body);
        expect_query_refusal(LINK_RESULT, body, LIMIT_REQUEST_BYTES + 1u, ERROR_TOO_LARGE);
    }
    /* The link is in order, and what fits is punched and printed. */
    assert_int_equal(sale(8, 1, items > 100 ? 100 : items, 100).refusal.code, ERROR_NONE);
    world_run(&world, 30000);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stated_limit),
        cmocka_unit_test(test_too_large_receipt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
