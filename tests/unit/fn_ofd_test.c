/* The emulated fiscal module: exchange with the operator. */
#include "tests/unit/fn_rig.h"

static int setup(void **state)
{
    (void)state;
    rig_init(&rig);
    rig_register(&rig, FFD_1_05);
    return 0;
}

static uint8_t exchange_state(void)
{
    assert_int_equal(rig_bare(&rig, FN_OFD_STATUS), FN_OK);
    assert_int_equal(rig.size, 13);
    return rig.answer[0];
}

static void test_states(void **state)
{
    (void)state;
    uint8_t message[1024], again[1024];
    assert_int_equal(exchange_state(), 0x02);
    assert_memory_equal(rig.answer + 1, "\0\x01\0\x01\0\0\0\x1A\x07\x0D\x08\0", 12);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_BEGIN), FN_NO_TRANSPORT);
    assert_int_equal(rig_command(&rig, FN_OFD_READ, "\0\0\x0A\0", 4), FN_NO_TRANSPORT);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 2), FN_BAD_VALUE);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 1), FN_OK);
    assert_int_equal(rig_command(&rig, FN_OFD_READ, "\0\0\x0A\0", 4), FN_BAD_STATE);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_END), FN_BAD_STATE);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_BEGIN), FN_OK);
    assert_int_equal(exchange_state(), 0x03);
    assert_int_equal(rig.answer[1], 1);
    assert_int_equal(rig_command(&rig, FN_OFD_READ, "\xFF\x7F\x0A\0", 4), FN_BAD_COMMAND);
    assert_int_equal(rig_command(&rig, FN_OFD_READ, "\0\0\x01\x06", 4), FN_BAD_COMMAND);
    assert_int_equal(rig_command(&rig, FN_OFD_READ, "\0\0\0\x06", 4), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_CANCEL), FN_OK);
    struct rig_confirmation good = rig_good_confirmation(1);
    assert_int_equal(rig_confirm(&rig, &good), FN_BAD_STATE);
    size_t size = rig_read_message(&rig, message, sizeof message);
    assert_int_equal(exchange_state(), 0x05);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_BEGIN), FN_NO_DATA);

    /* 300 s later, and after a broken connection, the same bytes are offered again. */
    rig.now_ms += 299999;
    assert_int_equal(exchange_state(), 0x05);
    rig.now_ms += 1;
    assert_int_equal(exchange_state(), 0x03);
    assert_int_equal(rig_confirm(&rig, &good), FN_BAD_STATE);
    assert_int_equal(rig_read_message(&rig, again, sizeof again), size);
    assert_memory_equal(again, message, size);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 0), FN_OK);
    assert_int_equal(exchange_state(), 0x02);
    rig_reopen(&rig);
    assert_int_equal(rig_byte(&rig, FN_OFD_TRANSPORT, 1), FN_OK);
    assert_int_equal(rig_read_message(&rig, again, sizeof again), size);
    assert_memory_equal(again, message, size);
    assert_int_equal(rig_confirm(&rig, &good), FN_OK);
    assert_int_equal(rig.size, 1);
    assert_int_equal(rig.answer[0], 0);
    assert_int_equal(exchange_state(), 0x01);
    assert_int_equal(rig_bare(&rig, FN_OFD_READ_BEGIN), FN_NO_DATA);
    assert_int_equal(rig_confirm(&rig, &good), FN_BAD_STATE);
}

static void test_message_is_a_container(void **state)
{
    (void)state;
    uint8_t message[1024], stlv[1024];
    struct ofd_container container;
    rig_byte(&rig, FN_OFD_TRANSPORT, 1);
    size_t size = rig_read_message(&rig, message, sizeof message);
    assert_true(ofd_container_decode(message, size, &container));
    assert_int_equal(container.data_type, FORM_REGISTRATION);
    assert_int_equal(container.document, 1);
    assert_string_equal(container.fn_number, RIG_SERIAL);
    size_t document = fnm_document_read(rig.fn, 1, stlv, sizeof stlv);
    assert_int_equal(container.size, document + 10);
    assert_memory_equal(container.body, stlv, document);
    assert_memory_equal(container.body + document, "\x81\x06", 2);
    assert_int_equal(get_u16be(container.service2 + 10), document);
}

static void reject(const struct rig_confirmation *confirmation, uint8_t reason)
{
    assert_int_equal(rig_confirm(&rig, confirmation), FN_OPERATOR_ANSWER_REJECTED);
    assert_int_equal(rig.size, 1);
    assert_int_equal(rig.answer[0], reason);
    assert_int_equal(exchange_state(), 0x05); /* the wait goes on */
}

static void test_rejections(void **state)
{
    (void)state;
    uint8_t message[1024], bytes[1024];
    struct rig_confirmation good = rig_good_confirmation(1), bad;
    rig_byte(&rig, FN_OFD_TRANSPORT, 1);
    rig_read_message(&rig, message, sizeof message);
#define REJECT(change, reason)                                                                     \
    do {                                                                                           \
        bad = good;                                                                                \
        change;                                                                                    \
        reject(&bad, reason);                                                                      \
    } while (0)
    REJECT(bad.bad_fpp = true, 1);
    REJECT(bad.bad_fpo = true, 1);
    REJECT(bad.no_signs = true, 1);
    REJECT(bad.form = FORM_RECEIPT, 2);
    REJECT(bad.document = 2, 3);
    REJECT(bad.container_document = 2, 3);
    REJECT(bad.fn_number = "9999078900005489", 4);
    REJECT(bad.container_fn = "9999078900005489", 4);
    REJECT(bad.ofd_inn = "7704211201", 6);
#undef REJECT
    /* Every bit of a good confirmation flipped, and every shorter length: refused, mostly as 5. */
    size_t size = rig_confirm_encode(&good, rig.clock, bytes, sizeof bytes);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(rig_command(&rig, FN_OFD_ANSWER, bytes, size),
                         FN_OPERATOR_ANSWER_REJECTED);
        if (bit >= 16)
            assert_int_equal(rig.answer[0], 5);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 1; cut < size; cut++)
        assert_int_equal(rig_command(&rig, FN_OFD_ANSWER, bytes, cut), FN_OPERATOR_ANSWER_REJECTED);
    assert_int_equal(rig_command(&rig, FN_OFD_ANSWER, bytes, size), FN_OK);
    assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
}

static void test_unsigned(void **state)
{
    (void)state;
    uint8_t message[1024];
    struct rig_confirmation plain = rig_good_confirmation(1);
    plain.no_signs = true;
    rig.options.accept_unsigned_confirmations = true;
    rig_reopen(&rig);
    rig_byte(&rig, FN_OFD_TRANSPORT, 1);
    rig_read_message(&rig, message, sizeof message);
    plain.document = 7;
    assert_int_equal(rig_confirm(&rig, &plain), FN_OPERATOR_ANSWER_REJECTED);
    plain.document = 1;
    assert_int_equal(rig_confirm(&rig, &plain), FN_OK);
}

static void test_operator_messages(void **state)
{
    (void)state;
    uint8_t message[1024];
    struct rig_confirmation confirmation = rig_good_confirmation(1);
    confirmation.with_message = true;
    confirmation.code = 14;
    rig_byte(&rig, FN_OFD_TRANSPORT, 1);
    rig_read_message(&rig, message, sizeof message);
    assert_int_equal(rig_confirm(&rig, &confirmation), FN_OK);
    assert_int_equal(rig.size, 1 + 4 + 5);
    assert_memory_equal(rig.answer, "\x0E\x2C\x04\x05\0\xFE\x03\x01\0\x0E", 10);
    assert_int_equal(rig_status(&rig).warnings, FN_WARNING_FLK);
    assert_true(rig.warning);
    rig_open_shift(&rig); /* reported and forgotten */
    assert_int_equal(rig_status(&rig).warnings, 0);
    assert_false(rig.warning);
    confirmation = rig_good_confirmation(2);
    confirmation.flags = 0xC0;
    rig_read_message(&rig, message, sizeof message);
    assert_int_equal(rig_confirm(&rig, &confirmation), FN_OK);
    rig_reopen(&rig);
    assert_int_equal(rig_status(&rig).warnings, FN_WARNING_SETTINGS | FN_WARNING_ANNULLED);
    assert_int_equal(rig_number(&rig, FN_FIND_CONFIRMATION, 2), FN_OK);
    uint8_t time[5];
    date_time_from_unix(rig.clock - 10800, time);
    assert_memory_equal(rig.answer, time, 5);
    assert_memory_equal(rig.answer + 5, "\0\0", 2);
}

static void test_order(void **state)
{
    (void)state;
    rig_open_shift(&rig);
    for (int i = 0; i < 5; i++)
        rig_receipt(&rig, SETTLEMENT_SALE, 100);
    for (uint32_t number = 1; number <= 7; number++) {
        assert_int_equal(exchange_state() & 0x02, 0x02);
        assert_int_equal(get_u16le(rig.answer + 2), 8 - number);
        assert_int_equal(get_u32le(rig.answer + 4), number);
        rig_deliver(&rig, number);
        struct fnm_document document;
        assert_true(fnm_document_get(rig.fn, number, &document));
        assert_true(document.acknowledged);
    }
    assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
    rig_reopen(&rig);
    assert_int_equal(fnm_unconfirmed_count(rig.fn), 0);
    rig_receipt(&rig, SETTLEMENT_SALE, 100);
    exchange_state();
    assert_int_equal(get_u32le(rig.answer + 4), 8);
}

/* A receipt of nearly 30 KB travels whole. */
static void test_large_document(void **state)
{
    (void)state;
    uint8_t bytes[1500];
    static uint8_t message[OFD_BODY_MAX], stlv[OFD_BODY_MAX];
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    size_t sent = 0;
    for (;;) {
        struct byte_writer tlv;
        byte_writer_init(&tlv, bytes, sizeof bytes);
        while (tlv.length < 1400)
            rig_put_item(&tlv,
                         "A name of a hundred or so bytes, as long as people make them when "
                         "nobody stops them",
                         100);
        if (sent + tlv.length > 30720) {
            assert_int_equal(rig_tlv(&rig, &tlv), FN_DATA_TOO_LONG);
            break;
        }
        assert_int_equal(rig_tlv(&rig, &tlv), FN_OK);
        sent += tlv.length;
    }
    assert_int_equal(rig_bare(&rig, FN_DATA_SIZE), FN_OK);
    assert_int_equal(rig.size, 4);
    assert_int_equal(get_u32le(rig.answer), sent);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_OK);
    rig_deliver(&rig, 1);
    rig_deliver(&rig, 2);
    size_t size = rig_read_message(&rig, message, sizeof message);
    struct ofd_container container;
    assert_true(ofd_container_decode(message, size, &container));
    size_t document = fnm_document_read(rig.fn, 3, stlv, sizeof stlv);
    assert_true(document > sent);
    assert_memory_equal(container.body, stlv, document);
}

static void test_operator_key(void **state)
{
    (void)state;
    uint8_t key[16], other[16], fpo[16], fpp[8], again[8];
    assert_true(operator_key(RIG_OFD_INN, RIG_SERIAL, key));
    assert_true(operator_key(RIG_OFD_INN "  ", RIG_SERIAL, other)); /* padding is not part of it */
    assert_memory_equal(key, other, 16);
    assert_true(operator_key("7704211201", RIG_SERIAL, other));
    assert_memory_not_equal(key, other, 16);
    assert_false(operator_key("", RIG_SERIAL, other));
    assert_false(operator_key("1234567890123", RIG_SERIAL, other));
    assert_true(operator_sign_receipt(RIG_OFD_INN, RIG_SERIAL, 1, 2, 0, fpo));
    assert_true(operator_sign(RIG_OFD_INN, RIG_SERIAL, (const uint8_t *)"abc", 3, fpp));
    assert_true(operator_sign(RIG_OFD_INN, RIG_SERIAL, (const uint8_t *)"abd", 3, again));
    assert_memory_not_equal(fpp, again, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_message_is_a_container, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_rejections, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_unsigned, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_operator_messages, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_large_document, setup, rig_teardown),
        cmocka_unit_test(test_operator_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
