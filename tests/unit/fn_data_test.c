/* The emulated fiscal module: what 07h takes and refuses. */
#include "tests/unit/fn_rig.h"

static void begin_receipt(uint8_t ffd)
{
    rig_register(&rig, ffd);
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
}

static uint32_t taken(void)
{
    uint8_t answer[8];
    size_t size = rig.size;
    memcpy(answer, rig.answer, 8); /* the caller still wants the refusal */
    assert_int_equal(rig_bare(&rig, FN_DATA_SIZE), FN_OK);
    uint32_t bytes = get_u32le(rig.answer);
    memcpy(rig.answer, answer, 8);
    rig.size = size;
    return bytes;
}

/* One TLV with a value of `size` bytes. */
static int put(uint16_t tag, const void *value, size_t size)
{
    uint8_t bytes[1536];
    struct byte_writer tlv;
    byte_writer_init(&tlv, bytes, sizeof bytes);
    tlv_put_bytes(&tlv, tag, value, size);
    return rig_tlv(&rig, &tlv);
}

static void test_shape(void **state)
{
    (void)state;
    begin_receipt(FFD_1_05);
    static const uint8_t zeros[1400];
    /* Lists cut short or with a length that lies. */
    assert_int_equal(rig_command(&rig, FN_DATA, "\xFD", 1), FN_BAD_REQUISITE);
    assert_int_equal(rig_command(&rig, FN_DATA, "\xFD\x03\x05\0Anna", 8), FN_BAD_REQUISITE);
    assert_int_equal(rig_command(&rig, FN_DATA, "\xFD\x03\x04\0Anna\xFD\x03\x01", 11),
                     FN_BAD_REQUISITE);
    /* Lengths by type. */
    assert_int_equal(put(TAG_CASHIER, "", 0), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_CASHIER, zeros, 65), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_CASHIER_INN, "7702203276", 10), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_TAX_SYSTEM, "\x01\0", 2), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_PAID_CASH, zeros, 7), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_CORRECTED_DATE, zeros, 3), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_QR_CODE, "x", 1), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_PRIVATE_FIRST, "x", 1), FN_BAD_REQUISITE);
    /* Nested. */
    assert_int_equal(put(TAG_ITEM, "\x06\x04\x04\0Te", 6), FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_ITEM, "\x06\x04\x03\0Tea\xAF\x04\x02\0\x01\x01", 13),
                     FN_BAD_REQUISITE);
    assert_int_equal(put(TAG_ITEM, zeros, 1025), FN_BAD_REQUISITE);
    assert_int_equal(taken(), 0);
    /* A tag the dictionary does not know is carried. */
    assert_int_equal(put(1999, "x", 1), FN_OK);
    assert_int_equal(put(TAG_CASHIER, zeros, 64), FN_OK);
    assert_int_equal(taken(), 5 + 68);
}

static void test_all_or_nothing(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct byte_writer tlv;
    begin_receipt(FFD_1_05);
    byte_writer_init(&tlv, bytes, sizeof bytes);
    tlv_put_bytes(&tlv, TAG_CASHIER, "Anna", 4);
    tlv_put_u8(&tlv, TAG_TAX_SYSTEM, 0x04); /* not registered */
    assert_int_equal(rig_tlv(&rig, &tlv), FN_CONTRADICTS_REGISTRATION);
    assert_int_equal(taken(), 0);
    bytes[tlv.length - 1] = 0x03; /* two at once */
    assert_int_equal(rig_tlv(&rig, &tlv), FN_BAD_REQUISITE);
    bytes[tlv.length - 1] = 0x02;
    assert_int_equal(rig_tlv(&rig, &tlv), FN_OK); /* and the cashier is no duplicate */
    assert_int_equal(taken(), tlv.length);
}

static void test_duplicates(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct byte_writer tlv;
    begin_receipt(FFD_1_05);
    byte_writer_init(&tlv, bytes, sizeof bytes);
    tlv_put_bytes(&tlv, TAG_CASHIER, "Anna", 4);
    tlv_put_bytes(&tlv, TAG_CASHIER, "Olga", 4);
    assert_int_equal(rig_tlv(&rig, &tlv), FN_DUPLICATE);
    assert_int_equal(rig.size, 2);
    assert_int_equal(get_u16le(rig.answer), TAG_CASHIER);
    assert_int_equal(rig_cashier(&rig), FN_OK);
    assert_int_equal(rig_cashier(&rig), FN_DUPLICATE);
    byte_writer_init(&tlv, bytes, sizeof bytes);
    rig_put_item(&tlv, "Tea", 100);
    rig_put_item(&tlv, "Tea", 100);
    assert_int_equal(rig_tlv(&rig, &tlv), FN_OK);
    assert_int_equal(rig_tlv(&rig, &tlv), FN_OK);
    assert_int_equal(put(TAG_SUPPLIER_PHONE, "+79990000000", 12), FN_OK);
    assert_int_equal(put(TAG_SUPPLIER_PHONE, "+79990000001", 12), FN_OK);
}

static void test_tags_of_the_fn(void **state)
{
    (void)state;
    static const uint16_t always[] = {1012, 1018, 1037, 1040, 1041, 1077};
    static const uint16_t receipt[] = {1020, 1038, 1042, 1054};
    static const uint16_t only_12[] = {1209, 1097, 1157, 1290, 1017, 2104};
    static const uint8_t value[16];
    begin_receipt(FFD_1_05);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(put(always[i], value, 4), FN_TAG_IS_MINE);
        assert_int_equal(get_u16le(rig.answer), always[i]);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(put(receipt[i], value, 4), FN_TAG_IS_MINE);
    assert_int_equal(put(TAG_FFD_VERSION, "\x02", 1), FN_OK); /* the register's in 1.05 */
    assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    /* In a shift report of 1.05 the register may state what the FN else would, once. */
    assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(put(TAG_SHIFT_RECEIPTS, "\x07\0\0\0", 4), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_SHIFT_CLOSE_FORM), FN_OK);
    uint8_t stlv[1024];
    size_t size = fnm_document_read(rig.fn, 3, stlv, sizeof stlv), found = 0;
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, stlv + 4, size - 4);
    while (tlv_next(&reader, &element) == 1)
        found += element.tag == TAG_SHIFT_RECEIPTS;
    assert_int_equal(found, 1);

    assert_int_equal(rig_byte(&rig, FN_DEBUG_RESET, 22), FN_OK);
    begin_receipt(FFD_1_2);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(put(always[i], value, 4), FN_TAG_IS_MINE);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(put(only_12[i], value, 4), FN_TAG_IS_MINE);
        assert_int_equal(rig.size, 2);
        assert_int_equal(get_u16le(rig.answer), only_12[i]);
    }
}

/* An item of 1.2 made of the elements in `with`, less the tag `without`. */
static int item_12(uint16_t without, uint16_t with, const void *value, size_t value_size)
{
    uint8_t bytes[512];
    struct byte_writer tlv;
    byte_writer_init(&tlv, bytes, sizeof bytes);
    size_t mark = tlv_begin(&tlv, TAG_ITEM);
    if (without != TAG_ITEM_NAME)
        tlv_put_bytes(&tlv, TAG_ITEM_NAME, "Tea", 3);
    if (without != TAG_ITEM_PRICE)
        tlv_put_vln(&tlv, TAG_ITEM_PRICE, 100);
    if (without != TAG_ITEM_QUANTITY)
        tlv_put_fvln(&tlv, TAG_ITEM_QUANTITY, (struct decimal){.mantissa = 1});
    if (without != TAG_ITEM_SUM)
        tlv_put_vln(&tlv, TAG_ITEM_SUM, 100);
    if (with != 0)
        tlv_put_bytes(&tlv, with, value, value_size);
    tlv_end(&tlv, mark);
    return rig_tlv(&rig, &tlv);
}

static void test_items_12(void **state)
{
    (void)state;
    begin_receipt(FFD_1_2);
    static const uint16_t mandatory[] = {TAG_ITEM_PRICE, TAG_ITEM_QUANTITY, TAG_ITEM_SUM};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(item_12(mandatory[i], 0, NULL, 0), 0x3C);
        assert_int_equal(get_u16le(rig.answer), mandatory[i]);
    }
    assert_int_equal(item_12(0, TAG_ITEM_NAME, "Tea", 3), FN_DUPLICATE);
    assert_int_equal(get_u16le(rig.answer), TAG_ITEM_NAME);
    assert_int_equal(item_12(0, TAG_BUYER_CONTACT, "a@b", 3), FN_BAD_REQUISITE);
    assert_int_equal(item_12(0, TAG_ITEM_UNIT_TEXT, "kg", 2), FN_BAD_REQUISITE);
    assert_int_equal(item_12(0, TAG_ITEM_CHECK_RESULT, "\0", 1), FN_TAG_IS_MINE);
    assert_int_equal(item_12(0, TAG_ITEM_AGENT_FLAG, "\x40", 1), 0x3C);
    assert_int_equal(get_u16le(rig.answer), TAG_SUPPLIER_INN);
    assert_int_equal(item_12(0, TAG_SUPPLIER_INN, RIG_INN "  ", 12), 0x3C);
    assert_int_equal(get_u16le(rig.answer), TAG_ITEM_AGENT_FLAG);
    assert_int_equal(item_12(0, TAG_ITEM_SUBJECT, "\x02", 1), FN_CONTRADICTS_REGISTRATION);
    assert_int_equal(taken(), 0);
    assert_int_equal(item_12(0, TAG_ITEM_SUBJECT, "\x01", 1), FN_OK);
    assert_int_equal(item_12(0, TAG_ITEM_MEASURE, "\0", 1), FN_OK);
}

static void test_excise_registered(void **state)
{
    (void)state;
    uint8_t data[64];
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_BEGIN_12, "\0\x04", 2), FN_OK);
    assert_int_equal(rig_registration_data(&rig, FFD_1_2), FN_OK);
    /* Marked goods and encryption are not emulated, and said so. */
    assert_int_equal(
        rig_command(&rig, FN_REGISTRATION_FORM_12, data, rig_form_a3(data, rig.clock, 0x20, 0x10)),
        FN_BAD_VALUE);
    assert_int_equal(
        rig_command(&rig, FN_REGISTRATION_FORM_12, data, rig_form_a3(data, rig.clock, 0x21, 0)),
        FN_BAD_VALUE);
    size_t size = rig_form_a3(data, rig.clock, 0x20, 0x01);
    data[40] = '0'; /* an operator with wrong check digits */
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size), FN_BAD_VALUE);
    data[40] = '7';
    data[37] = 0; /* no tax system */
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size), FN_BAD_VALUE);
    data[37] = 3;
    data[0] = 14;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size), FN_BAD_TIME);
    data[0] = 26;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size), FN_OK);
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(item_12(0, TAG_ITEM_SUBJECT, "\x02", 1), FN_OK);
}

static void test_autonomous_items(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct byte_writer tlv;
    rig_register_mode(&rig, FFD_1_2, 0x22);
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    byte_writer_init(&tlv, bytes, sizeof bytes);
    size_t mark = tlv_begin(&tlv, TAG_ITEM);
    tlv_put_vln(&tlv, TAG_ITEM_PRICE, 100);
    tlv_put_fvln(&tlv, TAG_ITEM_QUANTITY, (struct decimal){.mantissa = 1});
    tlv_put_vln(&tlv, TAG_ITEM_SUM, 100);
    tlv_put_u8(&tlv, TAG_ITEM_AGENT_FLAG, 0x40);
    tlv_put_bytes(&tlv, TAG_SUPPLIER_INN, RIG_INN "  ", 12);
    tlv_end(&tlv, mark);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rig_tlv(&rig, &tlv), FN_OK);
    assert_int_equal(rig_tlv(&rig, &tlv), FN_TOO_MANY_ITEMS);
    assert_int_equal(item_12(0, 0, NULL, 0), FN_OK);
}

static void test_size_limits(void **state)
{
    (void)state;
    static const uint8_t zeros[1400];
    rig_register(&rig, FFD_1_05);
    assert_int_equal(rig_time(&rig, FN_SHIFT_OPEN_BEGIN, rig.clock), FN_OK);
    /* Unknown tags carry the bulk; 4096 exactly fit. */
    assert_int_equal(put(1900, zeros, 1400), FN_OK);
    assert_int_equal(put(1901, zeros, 1400), FN_OK);
    assert_int_equal(put(1902, zeros, 1285), FN_DATA_TOO_LONG);
    assert_int_equal(put(1902, zeros, 1276), FN_OK);
    assert_int_equal(taken(), 4088);
    assert_int_equal(put(1903, zeros, 5), FN_DATA_TOO_LONG);
    assert_int_equal(put(1903, zeros, 4), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_SHIFT_OPEN_FORM), FN_OK);
    assert_int_equal(rig_time(&rig, FN_SHIFT_CLOSE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(put(1900, zeros, 1021), FN_DATA_TOO_LONG);
    assert_int_equal(put(1900, zeros, 1020), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(put(1900, zeros, 1400), FN_OK);
    assert_int_equal(put(1901, zeros, 641), FN_DATA_TOO_LONG);
    assert_int_equal(put(1901, zeros, 640), FN_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shape, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_all_or_nothing, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_duplicates, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_tags_of_the_fn, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_items_12, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_excise_registered, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_autonomous_items, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_size_limits, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
