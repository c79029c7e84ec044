/* The emulated fiscal module: link layer, life from registration to archive, documents byte by
 * byte. */
#include "tests/unit/fn_rig.h"

#include "board/fn/fnm_internal.h"
#include "proto/crc.h"

/* fiscal.md 8.1. */
static void test_frames_of_the_text(void **state)
{
    (void)state;
    static const uint8_t status[] = {0x04, 0x01, 0x00, 0x30, 0xFF, 0xCD};
    static const uint8_t number[] = {0x04, 0x01, 0x00, 0x31, 0xDE, 0xDD};
    static const uint8_t receipt[] = {0x04, 0x0C, 0x00, 0x16, 0x14, 0x07, 0x14, 0x12, 0x21,
                                      0x01, 0x28, 0x0A, 0x00, 0x00, 0x00, 0x4C, 0x17};
    static const uint8_t connected[] = {0x04, 0x02, 0x00, 0x21, 0x01, 0x5E, 0x4C};
    fnm_feed(rig.fn, status, sizeof status, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_OK);
    assert_int_equal(rig.size, 30);
    assert_memory_equal(rig.answer, "\x01\0\0\0\0\0\0\0\0\0" RIG_SERIAL "\0\0\0\0", 30);
    fnm_feed(rig.fn, number, sizeof number, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_OK);
    assert_memory_equal(rig.answer, RIG_SERIAL, 16);
    fnm_feed(rig.fn, receipt, sizeof receipt, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_BAD_STATE);
    fnm_feed(rig.fn, connected, sizeof connected, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_BAD_STATE);
    assert_int_equal(fnm_counters(rig.fn)->commands, 4);
    assert_int_equal(fnm_counters(rig.fn)->by_code[0x16], 1);
    assert_int_equal(fnm_counters(rig.fn)->refused, 2);
}

static void test_identity(void **state)
{
    (void)state;
    assert_int_equal(rig_bare(&rig, FN_VERSION), FN_OK);
    assert_int_equal(rig.size, 17);
    assert_memory_equal(rig.answer, "fn debug v 1.32\0\0", 17);
    assert_int_equal(rig_bare(&rig, FN_MODEL), FN_OK);
    assert_int_equal(rig.size, 48);
    assert_non_null(strstr((const char *)rig.answer, "emulator"));
    assert_int_equal(rig_bare(&rig, FN_VALID_UNTIL), FN_OK);
    assert_memory_equal(rig.answer, "\0\0\0\x0c\0", 5);
    assert_int_equal(rig_bare(&rig, FN_FFD), FN_OK);
    assert_memory_equal(rig.answer, "\0\x04", 2);
    assert_int_equal(rig_bare(&rig, FN_DIAGNOSTICS), FN_OK);
    assert_int_equal(rig_number(&rig, FN_BAUD_RATE, 921600), FN_OK);
    assert_int_equal(rig_number(&rig, FN_BAUD_RATE, 1), FN_BAD_VALUE);
    assert_int_equal(rig_bare(&rig, FN_MEMORY), FN_OK);
    assert_int_equal(rig.size, 8);
}

static int enquire(void)
{
    static const uint8_t enquiry = FN_FRAME_ENQ;
    fnm_feed(rig.fn, &enquiry, 1, rig.now_ms);
    return rig_answer(&rig);
}

static void test_enquiry_repeats(void **state)
{
    (void)state;
    assert_int_equal(enquire(), RIG_SILENT);
    assert_int_equal(rig_bare(&rig, FN_NUMBER), FN_OK);
    memset(rig.answer, 0, sizeof rig.answer);
    assert_int_equal(enquire(), FN_OK);
    assert_memory_equal(rig.answer, RIG_SERIAL, 16);
    assert_int_equal(enquire(), FN_OK);
    assert_int_equal(fnm_counters(rig.fn)->commands, 1);
    fnm_power_cycle(rig.fn);
    assert_int_equal(enquire(), RIG_SILENT);
}

static void test_bad_frames(void **state)
{
    (void)state;
    uint8_t frame[16];
    size_t size = fn_frame_encode(FN_NUMBER, NULL, 0, frame, sizeof frame);
    /* Every single bit of the frame flipped: never carried out. */
    for (size_t bit = 0; bit < size * 8; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fnm_feed(rig.fn, frame, size, rig.now_ms);
        int code = rig_answer(&rig);
        assert_true(code == RIG_SILENT || code == FN_BAD_COMMAND);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        rig.now_ms += 501; /* what is left half received is forgotten */
    }
    assert_int_equal(fnm_counters(rig.fn)->by_code[FN_NUMBER], 0);
    /* A wrong CRC is told. */
    frame[size - 1] ^= 1;
    fnm_feed(rig.fn, frame, size, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_BAD_COMMAND);
    frame[size - 1] ^= 1;
    /* Noise and an unfinished frame leave the last answer alone. */
    assert_int_equal(rig_bare(&rig, FN_NUMBER), FN_OK);
    fnm_feed(rig.fn, (const uint8_t *)"\x04\xFF\xFF\x07", 4, rig.now_ms);
    assert_int_equal(rig_answer(&rig), RIG_SILENT);
    fnm_feed(rig.fn, frame, 3, rig.now_ms);
    rig.now_ms += 501;
    assert_int_equal(enquire(), FN_OK);
    assert_memory_equal(rig.answer, RIG_SERIAL, 16);
    /* Byte by byte, with pauses that are short enough. */
    for (size_t i = 0; i < size; i++, rig.now_ms += 500)
        fnm_feed(rig.fn, frame + i, 1, rig.now_ms);
    assert_int_equal(rig_answer(&rig), FN_OK);
}

static void test_garbage(void **state)
{
    (void)state;
    rig_register(&rig, FFD_1_2);
    rig_open_shift(&rig);
    uint32_t seed = 20260713, documents = fnm_document_count(rig.fn);
    uint8_t bytes[2048], frame[FN_FRAME_MAX];
    for (int round = 0; round < 3000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        seed = seed * 1664525u + 1013904223u;
        size_t size = (seed >> 16) % 1537;
        if (round % 2 == 0) { /* raw noise */
            fnm_feed(rig.fn, bytes, size, rig.now_ms);
        } else { /* good frames with wild contents; 60h with its key would be a legal wipe */
            uint8_t code = bytes[0] == FN_DEBUG_RESET ? FN_DATA : bytes[0];
            size = round % 4 == 1 ? size % 64 : size;
            fnm_feed(rig.fn, frame, fn_frame_encode(code, bytes + 1, size, frame, sizeof frame),
                     rig.now_ms);
        }
        while (fnm_output(rig.fn, frame, sizeof frame, rig.now_ms) > 0) {
        }
        rig.now_ms += 501;
    }
    fnm_power_cycle(rig.fn);
    assert_int_equal(rig_status(&rig).last_document, documents);
    rig_receipt(&rig, SETTLEMENT_SALE, 1000);
}

/* The document as the module holds it: the tags at its top level in order. */
static size_t document_tags(uint32_t number, uint16_t *tags, size_t max, uint8_t *stlv,
                            size_t *size)
{
    size_t count = 0;
    struct tlv_reader reader;
    struct tlv element;
    *size = fnm_document_read(rig.fn, number, stlv, FNM_DOCUMENT_MAX);
    assert_true(*size > 4 && get_u16le(stlv + 2) == *size - 4);
    tlv_reader_init(&reader, stlv + 4, *size - 4);
    while (tlv_next(&reader, &element) == 1 && count < max)
        tags[count++] = element.tag;
    return count;
}

static void assert_tags(uint32_t number, uint16_t form, const uint16_t *expected, size_t count)
{
    uint16_t tags[64];
    static uint8_t stlv[FNM_DOCUMENT_MAX];
    size_t size;
    size_t found = document_tags(number, tags, 64, stlv, &size);
    assert_int_equal(get_u16le(stlv), form);
    for (size_t i = 0; i < found && i < count; i++)
        assert_int_equal(tags[i], expected[i]);
    assert_int_equal(found, count);
}
#define ASSERT_TAGS(number, form, ...)                                                             \
    do {                                                                                           \
        static const uint16_t expected_[] = {__VA_ARGS__};                                         \
        assert_tags(number, form, expected_, sizeof expected_ / sizeof expected_[0]);              \
    } while (0)

static void life_105_shift(void)
{
    uint8_t stlv[1024];
    rig_register(&rig, FFD_1_05);
    assert_int_equal(get_u32le(rig.answer), 1);
    ASSERT_TAGS(1, FORM_REGISTRATION, 1041, 1037, 1018, 1040, 1012, 1077, 1056, 1002, 1001, 1109,
                1110, 1108, 1062, 1013, 1048, 1021, 1017, 1209, 1207, 1189);
    rig_pass(&rig, 60);
    rig_open_shift(&rig);
    assert_int_equal(rig.size, 10); /* no warning byte in 1.05 */
    ASSERT_TAGS(2, FORM_SHIFT_OPEN, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1050, 1051, 1052,
                1053, 1021);
    rig_pass(&rig, 60);
    rig_receipt(&rig, SETTLEMENT_SALE, 2600);
    assert_int_equal(get_u16le(rig.answer), 1);
    assert_int_equal(get_u32le(rig.answer + 2), 3);
    uint32_t sign = get_u32le(rig.answer + 6);
    ASSERT_TAGS(3, FORM_RECEIPT, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1042, 1054, 1020, 1059,
                1055, 1031, 1081, 1215, 1216, 1217, 1102);
    struct tlv element;
    size_t size = fnm_document_read(rig.fn, 3, stlv, sizeof stlv);
    assert_int_equal(tlv_find(stlv + 4, size - 4, TAG_FISCAL_SIGN, &element), 1);
    assert_int_equal(element.length, 6);
    assert_memory_equal(element.value, "\x31\x04", 2);
    assert_int_equal(get_u32be(element.value + 2), sign);
    rig_receipt(&rig, SETTLEMENT_SALE_RETURN, 100);
    assert_int_equal(get_u16le(rig.answer), 2);

    /* Correction: kinds 1 and 3 only. */
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_status(&rig).document, FN_DOCUMENT_CORRECTION);
    assert_int_equal(rig_cashier(&rig), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 2, 3200), FN_BAD_VALUE);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 3200), FN_OK);
    ASSERT_TAGS(5, FORM_CORRECTION, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1042, 1054, 1020,
                1021);
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_STATE_FORM), FN_OK);
    assert_int_equal(rig.size, 15);
    assert_int_equal(get_u32le(rig.answer), 6);
    assert_int_equal(get_u32le(rig.answer + 8), 5);
    assert_memory_equal(rig.answer + 12, "\x1A\x07\x0D", 3);
    ASSERT_TAGS(6, FORM_STATE_REPORT, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1097, 1098, 1116);

    assert_int_equal(rig_bare(&rig, FN_SHIFT_STATUS), FN_OK);
    assert_memory_equal(rig.answer, "\x01\x01\x00\x03\x00", 5);
    rig_close_shift(&rig);
    ASSERT_TAGS(7, FORM_SHIFT_CLOSE, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1111, 1118, 1097,
                1098, 1050, 1051, 1052, 1053, 1021);
    uint32_t in_shift = 0;
    size = fnm_document_read(rig.fn, 7, stlv, sizeof stlv);
    assert_true(tlv_find_u32(stlv + 4, size - 4, TAG_SHIFT_DOCUMENTS, &in_shift));
    assert_int_equal(in_shift, 6);
    assert_true(tlv_find_u32(stlv + 4, size - 4, TAG_SHIFT_RECEIPTS, &in_shift));
    assert_int_equal(in_shift, 3);
}

/* Excise now allowed. */
static void life_105_change_of_registration(void)
{
    uint8_t data[64];
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 2), FN_OK);
    assert_int_equal(rig_status(&rig).document, FN_DOCUMENT_CHANGE);
    assert_int_equal(rig_command(&rig, FN_DATA, "\xB7\x04\x01\x00\x01", 5), FN_OK);
    size_t size = rig_form_03(data, rig.clock, 0x20);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size), FN_BAD_COMMAND);
    data[size] = 1;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size + 1), FN_BAD_VALUE);
    data[size] = 4;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size + 1), FN_OK);
    ASSERT_TAGS(8, FORM_REGISTRATION_CHANGE, 1041, 1037, 1018, 1040, 1012, 1077, 1056, 1002, 1001,
                1109, 1110, 1108, 1062, 1101, 1207);
    assert_int_equal(rig_bare(&rig, FN_VALID_UNTIL), FN_OK);
    assert_memory_equal(rig.answer, "\x1B\x08\x1B\x0A\x02", 5); /* 2026-07-13 + 410 days */
}

/* Everything must be confirmed first. */
static void life_105_closing(void)
{
    uint8_t data[64];
    assert_int_equal(rig_bare(&rig, FN_CLOSE_BEGIN), FN_BAD_VALUE);
    rig_deliver_all(&rig);
    assert_int_equal(rig_bare(&rig, FN_CLOSE_BEGIN), FN_OK);
    date_time_from_unix(rig.clock, data);
    memcpy(data + 5, "0000000005008571    ", 20);
    assert_int_equal(rig_command(&rig, FN_CLOSE_FORM, data, 25), FN_BAD_VALUE);
    memcpy(data + 5, RIG_RNM, 20);
    assert_int_equal(rig_command(&rig, FN_CLOSE_FORM, data, 25), FN_OK);
    assert_int_equal(get_u32le(rig.answer), 9);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_CLOSING);
    assert_int_equal(rig_time(&rig, FN_SHIFT_OPEN_BEGIN, rig.clock), FN_BAD_STATE);
    rig_reopen(&rig);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_CLOSING);
    rig_deliver(&rig, 9);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_ARCHIVE);
    assert_int_equal(rig_bare(&rig, FN_OFD_STATUS), FN_BAD_STATE);
    assert_int_equal(rig_number(&rig, FN_FIND_DOCUMENT, 9), FN_OK);
}

static void test_life_105(void **state)
{
    (void)state;
    life_105_shift();
    life_105_change_of_registration();
    life_105_closing();

    /* The debug reset. */
    assert_int_equal(rig_byte(&rig, FN_DEBUG_RESET, 21), FN_BAD_VALUE);
    assert_int_equal(rig_byte(&rig, FN_DEBUG_RESET, 22), FN_OK);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_READY);
    rig_reopen(&rig);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_READY);
    assert_int_equal(fnm_document_count(rig.fn), 0);
    rig_register(&rig, FFD_1_2);
}

static void test_life_12(void **state)
{
    (void)state;
    uint8_t data[64];
    rig_register(&rig, FFD_1_2);
    ASSERT_TAGS(1, FORM_REGISTRATION, 1041, 1037, 1018, 1040, 1012, 1077, 1056, 1002, 1001, 1062,
                1290, 1017, 1209, 1190, 1213, 1013, 1048, 1021, 1189);
    static uint8_t stlv[FNM_DOCUMENT_MAX];
    uint32_t conditions = 0;
    size_t size = fnm_document_read(rig.fn, 1, stlv, sizeof stlv);
    assert_true(tlv_find_u32(stlv + 4, size - 4, TAG_USE_CONDITIONS, &conditions));
    assert_int_equal(conditions, 1u << 5);
    assert_int_equal(rig_bare(&rig, FN_FFD), FN_OK);
    assert_memory_equal(rig.answer, "\x04\x04", 2);
    rig_open_shift(&rig);
    assert_int_equal(rig.size, 11);
    ASSERT_TAGS(2, FORM_SHIFT_OPEN, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1209, 1021);
    rig_receipt(&rig, SETTLEMENT_SALE, 600);
    ASSERT_TAGS(3, FORM_RECEIPT, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1042, 1054, 1020, 1209,
                1059, 1055, 1031, 1081, 1215, 1216, 1217, 1102);
    /* All five payments, or 0Dh and the mask of what came. */
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_command(&rig, FN_DATA, "\x07\x04\x01\x00\x01\xBF\x04\x01\x00\x00", 10),
                     FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 1), FN_COUNTER_DATA_MISSING);
    assert_int_equal(rig.size, 1);
    assert_int_equal(rig.answer[0], 0x05);
    assert_int_equal(rig_bare(&rig, FN_CANCEL), FN_OK);
    /* Corrections may be of any kind here. */
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 500), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 5, 500), FN_BAD_VALUE);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 4, 500), FN_OK);
    rig_close_shift(&rig);
    ASSERT_TAGS(5, FORM_SHIFT_CLOSE, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1209, 1111, 1118,
                1097, 1098, 1213, 1194, 1157, 1021);
    assert_int_equal(rig_time(&rig, FN_STATE_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_bare(&rig, FN_STATE_FORM), FN_OK);
    ASSERT_TAGS(6, FORM_STATE_REPORT, 1041, 1037, 1018, 1040, 1012, 1077, 1209, 1097, 1098, 1116,
                1213, 1157, 1158);

    /* Going autonomous needs the reason "operator changed" and the operator's number of zeros. */
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_BEGIN_12, "\x02\x03", 2),
                     FN_NOT_IN_THIS_FFD);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 2), FN_NOT_IN_THIS_FFD);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_BEGIN_12, "\x02\x04", 2), FN_OK);
    assert_int_equal(rig_cashier(&rig), FN_OK);
    size = rig_form_a3(data, rig.clock, 0x22, 0);
    memcpy(data + size, "\x20\0\0\0", 4);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size), FN_BAD_COMMAND);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size + 4), FN_BAD_VALUE);
    data[size] = 0x22;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, size + 4), FN_OK);
    ASSERT_TAGS(7, FORM_REGISTRATION_CHANGE, 1041, 1037, 1018, 1040, 1012, 1077, 1056, 1002, 1001,
                1062, 1290, 1017, 1209, 1190, 1213, 1205, 1157, 1021);
    assert_int_equal(rig_bare(&rig, FN_UNSENT), FN_NO_DATA);
    /* An autonomous module closes at once. */
    assert_int_equal(rig_bare(&rig, FN_CLOSE_BEGIN), FN_OK);
    date_time_from_unix(rig.clock, data);
    memcpy(data + 5, RIG_RNM, 20);
    assert_int_equal(rig_command(&rig, FN_CLOSE_FORM, data, 25), FN_OK);
    ASSERT_TAGS(8, FORM_FN_CLOSE, 1041, 1037, 1018, 1040, 1012, 1077, 1038, 1209, 1157);
    assert_int_equal(fnm_phase(rig.fn), FN_PHASE_ARCHIVE);
}

/* First bytes of 1077 by family of document, as in captures. */
static void test_sign_families(void **state)
{
    (void)state;
    static const uint8_t family[] = {0x21, 0x31, 0x31, 0x33, 0x31};
    uint8_t stlv[1024];
    struct tlv element;
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    rig_receipt(&rig, SETTLEMENT_SALE, 100);
    assert_int_equal(rig_time(&rig, FN_CORRECTION_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_cashier(&rig), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 3200), FN_OK);
    rig_close_shift(&rig);
    uint32_t signs[5];
    for (uint32_t number = 1; number <= 5; number++) {
        size_t size = fnm_document_read(rig.fn, number, stlv, sizeof stlv);
        assert_int_equal(tlv_find(stlv + 4, size - 4, TAG_FISCAL_SIGN, &element), 1);
        assert_int_equal(element.value[0], family[number - 1]);
        assert_int_equal(element.value[1], 0x04);
        signs[number - 1] = get_u32be(element.value + 2);
        for (uint32_t other = 1; other < number; other++)
            assert_int_not_equal(signs[number - 1], signs[other - 1]);
    }
}

static void test_replacement_and_bso(void **state)
{
    (void)state;
    uint8_t data[64];
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 2), FN_BAD_STATE);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 3), FN_BAD_VALUE);
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 1), FN_OK);
    assert_int_equal(rig_status(&rig).document, FN_DOCUMENT_CHANGE_FN);
    assert_int_equal(rig_registration_data(&rig, FFD_1_05), FN_OK);
    assert_int_equal(rig_status(&rig).has_data, 1);
    size_t size = rig_form_03(data, rig.clock, 0x10);
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM_12, data, 52), FN_NOT_IN_THIS_FFD);
    data[20] ^= 1; /* a digit of the registration number: its check fails */
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size), FN_BAD_VALUE);
    data[20] ^= 1;
    assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size), FN_OK);
    ASSERT_TAGS(1, FORM_REGISTRATION_CHANGE, 1041, 1037, 1018, 1040, 1012, 1077, 1056, 1002, 1001,
                1109, 1110, 1108, 1062, 1101, 1013, 1048, 1021, 1017, 1209, 1207, 1189);
    rig_open_shift(&rig);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_status(&rig).document, 0x11);
    assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_OK);
    struct fnm_document document;
    assert_true(fnm_document_get(rig.fn, 3, &document));
    assert_int_equal(document.form, FORM_BSO);
    assert_int_equal(document.total_kop, 100);
    assert_int_equal(document.receipt, 1);
    assert_false(fnm_document_get(rig.fn, 4, &document));
}

static void test_registration_limit(void **state)
{
    (void)state;
    uint8_t data[64];
    rig_register(&rig, FFD_1_05);
    for (int i = 1; i < 12; i++) {
        assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 2), FN_OK);
        assert_int_equal(rig_cashier(&rig), FN_OK);
        size_t size = rig_form_03(data, rig.clock, 0x20);
        data[size] = 3;
        assert_int_equal(rig_command(&rig, FN_REGISTRATION_FORM, data, size + 1), FN_OK);
    }
    assert_int_equal(rig_byte(&rig, FN_REGISTRATION_BEGIN, 2), FN_BAD_STATE);
    assert_int_equal(rig_bare(&rig, FN_VALID_UNTIL), FN_OK);
    assert_memory_equal(rig.answer + 3, "\0\x0C", 2);
}

static void test_faults(void **state)
{
    (void)state;
    uint8_t bytes[64];
    rig_register(&rig, FFD_1_05);
    rig_open_shift(&rig);
    fnm_fault(rig.fn, FNM_FAULT_DROP_ANSWER, 0);
    assert_int_equal(rig_bare(&rig, FN_NUMBER), RIG_SILENT);
    assert_int_equal(enquire(), FN_OK);
    fnm_fault(rig.fn, FNM_FAULT_LOSE_ANSWER, 0);
    assert_int_equal(rig_bare(&rig, FN_NUMBER), RIG_SILENT);
    assert_int_equal(enquire(), RIG_SILENT);
    fnm_fault(rig.fn, FNM_FAULT_CORRUPT_CRC, 0);
    uint8_t frame[16];
    fnm_feed(rig.fn, frame, fn_frame_encode(FN_NUMBER, NULL, 0, frame, 16), rig.now_ms);
    size_t size = fnm_output(rig.fn, bytes, sizeof bytes, rig.now_ms);
    assert_int_equal(size, 22);
    assert_int_not_equal(get_u16le(bytes + 20), crc16_update(CRC16_INIT, bytes + 1, 19));
    assert_int_equal(enquire(), FN_OK);
    fnm_fault(rig.fn, FNM_FAULT_ANSWER_CODE, FN_FAULT);
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_FAULT);
    assert_int_equal(rig_status(&rig).document, 0);
    fnm_fault(rig.fn, FNM_FAULT_DELAY, 700);
    assert_int_equal(rig_bare(&rig, FN_NUMBER), RIG_SILENT);
    assert_int_equal(fnm_output_due_ms(rig.fn, rig.now_ms), 700);
    rig.now_ms += 700;
    assert_int_equal(rig_answer(&rig), FN_OK);
    fnm_fault(rig.fn, FNM_FAULT_DELAY, 0);
    fnm_fault(rig.fn, FNM_FAULT_OFF, 1);
    assert_int_equal(rig_bare(&rig, FN_NUMBER), RIG_SILENT);
    fnm_fault(rig.fn, FNM_FAULT_OFF, 0);

    static const enum fnm_fault cuts[] = {FNM_FAULT_POWER_BEFORE_COMMIT,
                                          FNM_FAULT_POWER_AFTER_COMMIT};
    for (uint32_t after = 0; after < 2; after++) {
        uint32_t before = fnm_document_count(rig.fn);
        assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
        assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
        fnm_fault(rig.fn, cuts[after], 0);
        assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), RIG_SILENT);
        assert_int_equal(rig_status(&rig).document, 0);
        assert_int_equal(rig_status(&rig).last_document, before + after);
    }
    assert_int_equal(rig_time(&rig, FN_RECEIPT_BEGIN, rig.clock), FN_OK);
    assert_int_equal(rig_receipt_data(&rig, 100), FN_OK);
    fnm_fault(rig.fn, FNM_FAULT_STORE_ERROR, 0);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_FAULT);
    assert_int_equal(rig_receipt_form(&rig, rig.clock, 1, 100), FN_OK);
}

/* fiscal.md 2.6 A: given the same signs, the container is the one of a real register's FN. */
static void test_container_of_the_example(void **state)
{
    (void)state;
    static const uint8_t expected[172] = {
        0xAC, 0x00, 0x21, 0x11, 0xA5, 0x02, 0x01, 0x10, 0x09, 0x99, 0x99, 0x07, 0x89, 0x00, 0x00,
        0x54, 0x88, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01,
        0x00, 0x82, 0x02, 0x00, 0x7E, 0x00, 0x11, 0x04, 0x10, 0x00, 0x39, 0x39, 0x39, 0x39, 0x30,
        0x37, 0x38, 0x39, 0x30, 0x30, 0x30, 0x30, 0x35, 0x34, 0x38, 0x38, 0x0D, 0x04, 0x14, 0x00,
        0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x35, 0x30, 0x30, 0x38, 0x35, 0x37,
        0x30, 0x20, 0x20, 0x20, 0x20, 0xFA, 0x03, 0x0C, 0x00, 0x37, 0x37, 0x30, 0x32, 0x32, 0x30,
        0x33, 0x32, 0x37, 0x36, 0x20, 0x20, 0x10, 0x04, 0x04, 0x00, 0x02, 0x00, 0x00, 0x00, 0xF4,
        0x03, 0x04, 0x00, 0x10, 0x56, 0xB9, 0x58, 0x35, 0x04, 0x06, 0x00, 0x31, 0x04, 0xAA, 0xBB,
        0xCC, 0xDD, 0x0E, 0x04, 0x04, 0x00, 0x01, 0x00, 0x00, 0x00, 0xFD, 0x03, 0x0B, 0x00, 0x88,
        0xA2, 0xA0, 0xAD, 0xAE, 0xA2, 0x20, 0x88, 0x2E, 0x88, 0x2E, 0xB9, 0x04, 0x01, 0x00, 0x02,
        0xA4, 0x04, 0x03, 0x00, 0x32, 0x2E, 0x30, 0xA5, 0x04, 0x01, 0x00, 0x02, 0x81, 0x06, 0x11,
        0x22, 0x33, 0x44, 0x55, 0x66, 0x00, 0x00};
    static const uint8_t sign[8] = {0x81, 0x06, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66};
    uint8_t container[256];
    size_t size =
        fnm_container(RIG_SERIAL, 2, expected + 32, 130, sign, container, sizeof container);
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(container, expected, sizeof expected);
    assert_int_equal(fnm_container(RIG_SERIAL, 2, expected + 32, 130, sign, container, 171), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames_of_the_text, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_identity, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_enquiry_repeats, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_bad_frames, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_garbage, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_life_105, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_life_12, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_sign_families, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_replacement_and_bso, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_registration_limit, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_faults, rig_setup, rig_teardown),
        cmocka_unit_test(test_container_of_the_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
