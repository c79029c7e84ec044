/* Every check of a registration: it happens once in a board's life, and whole. */
#include "tests/unit/register_rig.h"

static struct outcome register_with(uint8_t key, uint8_t ffd, uint16_t tag, const void *value,
                                    size_t size)
{
    uint8_t list[1024];
    size_t length = world_registration(list, sizeof(list), ffd);
    length = changed(body, sizeof(body), list, length, tag, value, size);
    return world_job(&world, LINK_REGISTRATION, key, body, length);
}

/* ---- Registration ---- */

static void test_registration_is_checked(void **state)
{
    (void)state;
    static const uint16_t needed[] = {
        TAG_USER_NAME, TAG_SETTLEMENT_ADDRESS, TAG_SETTLEMENT_PLACE, TAG_TAX_SYSTEMS,
        TAG_CASHIER,   TAG_FFD_VERSION,        TAG_USER_INN,         TAG_KKT_REGISTRATION_NUMBER,
        TAG_OFD_INN};
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        expect_refusal(register_with(1, FFD_1_2, needed[i], NULL, 0), ERROR_FIELD_MISSING,
                       needed[i]);
    expect_refusal(register_with(1, FFD_1_2, TAG_USER_NAME, "", 0), ERROR_FIELD_MISSING,
                   TAG_USER_NAME);
    expect_refusal(register_with(1, FFD_1_2, TAG_USER_INN, "7702203277  ", 12), ERROR_INN,
                   TAG_USER_INN);
    expect_refusal(register_with(1, FFD_1_2, TAG_OFD_INN, "7704358519  ", 12), ERROR_INN,
                   TAG_OFD_INN);
    expect_refusal(
        register_with(1, FFD_1_2, TAG_KKT_REGISTRATION_NUMBER, "0000000005000001    ", 20),
        ERROR_RNM, TAG_KKT_REGISTRATION_NUMBER);
    expect_refusal(register_with(1, FFD_1_2, TAG_TAX_SYSTEMS, "\0", 1), ERROR_TAX_SYSTEM,
                   TAG_TAX_SYSTEMS);
    expect_refusal(register_with(1, FFD_1_1, 0, NULL, 0), ERROR_FFD_UNSUPPORTED, TAG_FFD_VERSION);
    expect_refusal(register_with(1, FFD_1_2, TAG_SLIP_STRING, "x", 1), ERROR_FIELD_NOT_ALLOWED,
                   TAG_SLIP_STRING);
    expect_refusal(register_with(1, FFD_1_2, TAG_SETTING_FOOTER + 1, "x", 1), ERROR_FIELD_UNKNOWN,
                   TAG_SETTING_FOOTER + 1);
    print_head_set_cover(world.head, true);
    world_run(&world, 3000);
    expect_refusal(register_with(1, FFD_1_2, 0, NULL, 0), ERROR_COVER_OPEN, 0);
    expect_untouched(0, 0);
    /* Without paper, with a setting, for FFD 1.05. */
    uint8_t list[1024];
    size_t size = world_registration(list, sizeof(list), FFD_1_05);
    struct byte_writer writer;
    byte_writer_init(&writer, list + size, sizeof(list) - size);
    tlv_put_u8(&writer, TAG_ELECTRONICALLY, 1);
    tlv_put_u8(&writer, TAG_SETTING_COLUMNS, 32);
    struct outcome outcome =
        world_must(world_job(&world, LINK_REGISTRATION, 1, list, size + writer.length));
    assert_int_equal(outcome.result.flags & LINK_RESULT_NO_PAPER, LINK_RESULT_NO_PAPER);
    assert_int_equal(world_status(&world, TAG_SLIPS_OWED), 0);
    assert_int_equal(world.firmware.printer.columns, 32);
    world_destroy(&world);
}

/* Flags of a registration reach the FN; an autonomous one needs no operator. */
static void test_autonomous_registration(void **state)
{
    (void)state;
    static const uint8_t formats[] = {FFD_1_05, FFD_1_2};
    for (unsigned i = 0; i < sizeof(formats); i++) {
        uint8_t ffd = formats[i];
        rig_create(false);
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        uint8_t list[1024];
        size_t size = world_registration(list, sizeof(list), ffd);
        size = changed(body, sizeof(body), list, size, TAG_OFD_INN, NULL, 0);
        size = changed(list, sizeof(list), body, size, TAG_OFD_NAME, NULL, 0);
        struct byte_writer writer;
        byte_writer_init(&writer, list + size, sizeof(list) - size);
        tlv_put_u8(&writer, TAG_AUTONOMOUS_MODE, 1);
        tlv_put_u8(&writer, TAG_INTERNET_ONLY, 1);
        world_must(world_job(&world, LINK_REGISTRATION, 1, list, size + writer.length));
        world_run(&world, 3000);
        assert_int_equal(fnm_document_count(world.fnm), 1);
        assert_int_equal(fnm_unconfirmed_count(world.fnm), 0); /* so the FN knows it, too */
        assert_false(world.firmware.ofd_settings.enabled);
        world_destroy(&world);
    }
}

/* The FN was READY when it was asked last, and is not any more. */
static void test_fn_changed_under_a_registration(void **state)
{
    (void)state;
    rig_create(false);
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
    struct fn_status status = rig_status();
    status.phase = FN_PHASE_FISCAL;
    rig_lie_status(&status);
    expect_refusal(register_with(1, FFD_1_2, 0, NULL, 0), ERROR_ALREADY_REGISTERED, 0);
    expect_untouched(0, 0);
    world_destroy(&world);
}

/* Number 6 of the simulated world's finds: while the registration's slip was read back, the
 * register took its format from a job that was over, and told the operator another one. */
static void test_format_after_the_registration(void **state)
{
    (void)state;
    static const uint8_t formats[] = {FFD_1_05, FFD_1_2};
    for (unsigned i = 0; i < sizeof(formats); i++) {
        rig_create(false);
        assert_int_equal(world_power_on(&world), ERROR_NONE);
        world_run(&world, 3000);
        size_t size = world_registration(body, sizeof(body), formats[i]);
        world_must(world_job(&world, LINK_REGISTRATION, 1, body, size));
        memset(world.firmware.link.message, 0, sizeof(world.firmware.link.message));
        bool read_back = false;
        for (unsigned turn = 0; turn < 2000; turn++) {
            assert_int_equal(cash_register_ffd(&world.firmware.cash_register), formats[i]);
            read_back |= world.firmware.cash_register.phase >= REGISTER_READ_WAIT;
            world_turn(&world);
        }
        assert_true(read_back);
        world_destroy(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registration_is_checked),
        cmocka_unit_test(test_autonomous_registration),
        cmocka_unit_test(test_fn_changed_under_a_registration),
        cmocka_unit_test(test_format_after_the_registration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
