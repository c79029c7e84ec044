/* The emulated fiscal module: money counters and reading the archive. */
#include "tests/unit/fn_rig.h"

#include "board/fn/fnm_internal.h"

static void test_counters(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_2);
    assert_int_equal(rig_byte(&rig, FN_COUNTERS, 0), FN_OK);
    assert_int_equal(rig.size, 2 + 4 + 4 * 76 + 44);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 600);
    rig_receipt(&rig, SETTLEMENT_SALE, 1200);
    rig_receipt(&rig, SETTLEMENT_SALE_RETURN, 60);
    rig_close_shift(&rig);
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 500), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 3, 500), FN_OK);
    for (int pass = 0; pass < 2; pass++) {
        assert_int_equal(rig_byte(&rig, FN_COUNTERS, 0), FN_OK);
        assert_int_equal(get_u16le(rig.answer), 2); /* shift number */
        assert_int_equal(get_u32le(rig.answer + 2), 1);
        assert_int_equal(rig_byte(&rig, FN_COUNTERS, 1), FN_OK);
        assert_int_equal(get_u32le(rig.answer + 2), 4);
        const uint8_t *sale = rig.answer + 6;
        assert_int_equal(get_u32le(sale), 2);
        assert_int_equal(get_uint_le(sale + 4, 6), 1800);  /* total */
        assert_int_equal(get_uint_le(sale + 10, 6), 1800); /* cash */
        assert_int_equal(get_uint_le(sale + 40, 6), 300);  /* VAT 20 % */
        assert_int_equal(get_uint_le(sale + 76 + 4, 6), 60);
        const uint8_t *corrections = rig.answer + 6 + 4 * 76;
        assert_int_equal(get_u32le(corrections), 1);
        assert_int_equal(get_u32le(corrections + 4 + 20), 1);
        assert_int_equal(get_uint_le(corrections + 4 + 24, 6), 500);
        assert_int_equal(rig_byte(&rig, FN_COUNTS, 1), FN_OK);
        assert_int_equal(rig.size, 42);
        assert_int_equal(get_u32le(rig.answer + 2), 4);
        assert_int_equal(get_u32le(rig.answer + 6), 2);
        assert_int_equal(get_u32le(rig.answer + 14), 1);
        assert_int_equal(rig_command(&rig, FN_COUNTERS_KIND, "\x01\x02", 2), FN_OK);
        assert_int_equal(rig.size, 86);
        assert_int_equal(get_uint_le(rig.answer + 4, 6), 60);
        assert_int_equal(rig_bare(&rig, FN_UNSENT), FN_OK);
        assert_int_equal(rig.size, 44);
        assert_int_equal(get_u32le(rig.answer), 4);
        assert_int_equal(get_uint_le(rig.answer + 8, 6), 1800);
        rig_reopen(&rig); /* the same again from the file */
    }
    assert_int_equal(rig_byte(&rig, FN_COUNTERS, 2), FN_BAD_VALUE);
    rig_deliver_all(&rig);
    assert_int_equal(rig_bare(&rig, FN_UNSENT), FN_OK);
    assert_int_equal(get_u32le(rig.answer), 0);
}

/* The counters inside a shift report of FFD 1.2, every one with a value of its own. */
static void test_counters_in_report(void **state)
{
    (void)state;
    static const uint16_t passed[] = {1031, 1081, 1215, 1216, 1217, 1102,
                                      1103, 1104, 1105, 1106, 1107};
    static const uint16_t told[] = {1136, 1138, 1218, 1219, 1220, 1139,
                                    1140, 1143, 1183, 1141, 1142};
    uint8_t bytes[256];
    static uint8_t stlv[FNM_DOCUMENT_MAX];
    struct byte_writer tlv;
    byte_writer_init(&tlv, bytes, sizeof bytes);
    for (size_t i = 0; i < 11; i++)
        tlv_put_vln(&tlv, passed[i], 1000 + i);
    rig_register(&rig, FFD_1_2);
    rig_open_shift(&rig);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
        assert_int_equal(rig_tlv(&rig, &tlv), FN_OK);
        assert_int_equal(rig_receipt_form(&rig, rig.clock, 2, 5010), FN_OK);
    }
    assert_int_equal(rig_command(&rig, FN_COUNTERS_KIND, "\0\x02", 2), FN_OK);
    assert_int_equal(get_uint_le(rig.answer + 4, 6), 10020);
    for (size_t i = 0; i < 11; i++)
        assert_int_equal(get_uint_le(rig.answer + 10 + 6 * i, 6), 2 * (1000 + i));
    rig_close_shift(&rig);
    size_t size = fnm_document_read(rig.fn, 5, stlv, sizeof stlv);
    static const uint16_t reports[] = {TAG_SHIFT_COUNTERS, TAG_FN_GRAND_COUNTERS};
    for (size_t r = 0; r < 2; r++) {
        struct tlv counters, kind;
        uint32_t count = 0;
        uint64_t value = 0;
        assert_int_equal(tlv_find(stlv + 4, size - 4, reports[r], &counters), 1);
        assert_true(tlv_find_u32(counters.value, counters.length, TAG_COUNT_ALL_KINDS, &count));
        assert_int_equal(count, 2);
        assert_int_equal(tlv_find(counters.value, counters.length, TAG_COUNTERS_SALE_RETURN, &kind),
                         1);
        assert_true(tlv_find_u32(kind.value, kind.length, TAG_COUNT_ONE_KIND, &count));
        assert_int_equal(count, 2);
        assert_true(tlv_find_vln(kind.value, kind.length, TAG_TOTAL_ALL, &value));
        assert_int_equal(value, 10020);
        for (size_t i = 0; i < 11; i++) {
            assert_true(tlv_find_vln(kind.value, kind.length, told[i], &value));
            assert_int_equal(value, 2 * (1000 + i));
        }
        assert_int_equal(tlv_find(counters.value, counters.length, TAG_COUNTERS_CORRECTION, &kind),
                         1);
    }
}

static void test_archive(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_2);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 1600);
    uint32_t sign = get_u32le(rig.answer + 6);
    rig_deliver(&rig, 1);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 3), FN_OK);
    assert_int_equal(rig.size, 21);
    assert_memory_equal(rig.answer, "\x03\0\x1A\x07\x0D\x08\0\x03\0\0\0", 11);
    assert_int_equal(get_u32le(rig.answer + 11), sign);
    assert_memory_equal(rig.answer + 15, "\x01\x40\x06\0\0\0", 6);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 2), FN_OK);
    assert_int_equal(rig.size, 17);
    assert_memory_equal(rig.answer + 15, "\x01\0", 2);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 1), FN_OK);
    assert_int_equal(rig.size, 15 + 12 + 20 + 2 + 1 + 12);
    assert_memory_equal(rig.answer, "\x01\x01", 2);
    assert_memory_equal(rig.answer + 15, RIG_INN "  " RIG_RNM "\x03\x20\0" RIG_OFD_INN "  ", 47);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 4), FN_NO_DATA);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 0), FN_NO_DATA);
    assert_int_equal(rig_number(&rig, FN_FIND_CONFIRMATION, 1), FN_OK);
    assert_int_equal(rig.size, 27);
    assert_int_equal(get_u32le(rig.answer + 23), 1);
    assert_int_equal(rig_number(&rig, FN_FIND_CONFIRMATION, 2), FN_NO_DATA);
    assert_int_equal(rig_bare(&rig, FN_UNCONFIRMED), FN_OK);
    assert_int_equal(get_u16le(rig.answer), 2);

    assert_int_equal(rig_bare(&rig, FN_REGISTRATION_RESULT), FN_OK);
    assert_int_equal(rig.size, 5 + 47 + 8);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_RESULT, 1), FN_OK);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_RESULT, 2), FN_NO_DATA);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_RESULT, 0), FN_NO_DATA);
    assert_int_equal(rig_bare(&rig, FN_READ_REGISTRATION_TLV), FN_NO_DATA);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_TAG, "\x18\x04", 2), FN_OK);
    assert_memory_equal(rig.answer, "\x18\x04\x04\0Shop", 8);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_TAG, "\x01\x19\x04", 3), FN_NO_DATA);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_TAG, "\x01\xFF\xFF", 3), FN_OK);
    assert_int_equal(rig.size, 0);
    static const uint16_t passed[] = {1013, 1048, 1021, 1189};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(rig_bare(&rig, FN_READ_REGISTRATION_TLV), FN_OK);
        assert_int_equal(get_u16le(rig.answer), passed[i]);
        assert_int_equal(get_u16le(rig.answer + 2), rig.size - 4);
    }
    assert_int_equal(rig_bare(&rig, FN_READ_REGISTRATION_TLV), FN_NO_DATA);

    /* 45h and 46h give back the document. */
    static uint8_t stlv[FNM_DOCUMENT_MAX], joined[FNM_DOCUMENT_MAX];
    size_t size = fnm_document_read(rig.fn, 3, stlv, sizeof stlv), got = 4;
    assert_int_equal(rig_bare(&rig, FN_READ_TLV), FN_BAD_STATE);
    assert_int_equal(rig_number(&rig, FN_READ_DOCUMENT, 3), FN_OK);
    assert_int_equal(rig.size, 4);
    memcpy(joined, rig.answer, 4);
    while (rig_bare(&rig, FN_READ_TLV) == FN_OK) {
        memcpy(joined + got, rig.answer, rig.size);
        got += rig.size;
    }
    assert_int_equal(got, size);
    assert_memory_equal(joined, stlv, size);
    assert_int_equal(rig_bare(&rig, FN_READ_TLV), FN_NO_DATA);
    assert_int_equal(rig_number(&rig, FN_READ_DOCUMENT, 9), FN_NO_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_counters_in_report, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_archive, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
