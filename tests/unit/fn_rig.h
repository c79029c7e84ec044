/* A fiscal module on a bench for the fn_*_test programs: a store in a folder of its own, a virtual
 * clock, one command at a time through the real frames. */
#ifndef TESTS_UNIT_FN_RIG_H
#define TESTS_UNIT_FN_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "board/fn/fnm.h"
#include "board/fn/operator_key.h"
#include "proto/calendar.h"
#include "proto/fn_frame.h"
#include "proto/inn.h"
#include "proto/ofd.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define RIG_SERIAL  "9999078900005488"
#define RIG_INN     "7702203276"
#define RIG_OFD_INN "7704358518"
#define RIG_KKT     "00000000000000000002"
#define RIG_RNM     "0000000005008570    "
#define RIG_START   1783929600u /* 2026-07-13 08:00 */
#define RIG_SILENT  (-1)

struct rig {
    char folder[64], path[96];
    struct fnm *fn;
    struct fnm_options options;
    uint64_t now_ms;
    unix_s clock; /* what the register says */
    uint8_t answer[FN_DATA_MAX];
    size_t size;
    bool warning;
};

static inline void rig_open(struct rig *rig)
{
    char error[256] = "";
    rig->fn = fnm_open(&rig->options, error, sizeof error);
    if (rig->fn == NULL)
        fail_msg("%s", error);
}

static inline void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    strcpy(rig->folder, "/tmp/fn_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->path, sizeof rig->path, "%s/store", rig->folder);
    rig->options =
        (struct fnm_options){.store_path = rig->path, .serial = RIG_SERIAL, .no_sync = true};
    rig->now_ms = 1000;
    rig->clock = RIG_START;
    rig_open(rig);
}

static inline void rig_free(struct rig *rig)
{
    fnm_close(rig->fn);
    unlink(rig->path);
    rmdir(rig->folder);
}

static inline void rig_reopen(struct rig *rig)
{
    fnm_close(rig->fn);
    rig_open(rig);
}

static inline void rig_pass(struct rig *rig, uint32_t seconds)
{
    rig->now_ms += (uint64_t)seconds * 1000u;
    rig->clock += seconds;
}

/* Takes one answer frame off the line: its code, RIG_SILENT when there is none. Exactly one is
 * expected. */
static inline int rig_answer(struct rig *rig)
{
    uint8_t bytes[FN_FRAME_MAX];
    struct fn_decoder decoder;
    int code = RIG_SILENT;
    fn_decoder_init(&decoder);
    for (size_t size; (size = fnm_output(rig->fn, bytes, sizeof bytes, rig->now_ms)) > 0;)
        for (size_t i = 0; i < size; i++) {
            uint8_t answer;
            const uint8_t *data;
            size_t data_size;
            enum fn_decoded decoded =
                fn_decoder_push(&decoder, bytes[i], &answer, &data, &data_size);
            assert_int_not_equal(decoded, FN_DECODED_BAD);
            if (decoded != FN_DECODED_FRAME)
                continue;
            assert_int_equal(code, RIG_SILENT);
            code = (int)(answer & ~FN_ANSWER_WARNING);
            rig->warning = (answer & FN_ANSWER_WARNING) != 0;
            rig->size = data_size;
            memcpy(rig->answer, data, data_size);
        }
    return code;
}

static inline int rig_command(struct rig *rig, uint8_t command, const void *data, size_t size)
{
    uint8_t frame[FN_FRAME_MAX];
    size_t length = fn_frame_encode(command, data, size, frame, sizeof frame);
    assert_int_not_equal(length, 0);
    fnm_feed(rig->fn, frame, length, rig->now_ms);
    return rig_answer(rig);
}

static inline int rig_bare(struct rig *rig, uint8_t command)
{
    return rig_command(rig, command, NULL, 0);
}

static inline int rig_byte(struct rig *rig, uint8_t command, uint8_t value)
{
    return rig_command(rig, command, &value, 1);
}

static inline int rig_number(struct rig *rig, uint8_t command, uint32_t number)
{
    uint8_t data[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
                       (uint8_t)(number >> 24)};
    return rig_command(rig, command, data, sizeof data);
}

static inline int rig_time(struct rig *rig, uint8_t command, unix_s time)
{
    uint8_t data[DATE_TIME_SIZE];
    assert_true(date_time_from_unix(time, data));
    return rig_command(rig, command, data, sizeof data);
}

static inline int rig_tlv(struct rig *rig, const struct byte_writer *tlv)
{
    assert_true(byte_writer_ok(tlv));
    return rig_command(rig, FN_DATA, tlv->data, tlv->length);
}

/* One small TLV that any document may hold: the cashier. */
static inline int rig_cashier(struct rig *rig)
{
    static const uint8_t tlv[] = {0xFD, 0x03, 4, 0, 'A', 'n', 'n', 'a'};
    return rig_command(rig, FN_DATA, tlv, sizeof tlv);
}

static inline int rig_registration_data(struct rig *rig, uint8_t ffd)
{
    uint8_t bytes[512];
    struct byte_writer tlv;
    byte_writer_init(&tlv, bytes, sizeof bytes);
    tlv_put_bytes(&tlv, TAG_KKT_SERIAL, RIG_KKT, 20);
    tlv_put_bytes(&tlv, TAG_USER_NAME, "Shop", 4);
    tlv_put_bytes(&tlv, TAG_CASHIER, "Anna", 4);
    if (ffd == FFD_1_05) {
        tlv_put_padded(&tlv, TAG_OFD_INN, RIG_OFD_INN, 10, 12);
        tlv_put_u8(&tlv, TAG_FFD_VERSION, FFD_1_05);
        tlv_put_u8(&tlv, TAG_EXCISE_GOODS, 0);
    }
    tlv_put_u8(&tlv, TAG_KKT_FFD_VERSION, ffd);
    return rig_tlv(rig, &tlv);
}

static inline size_t rig_form_03(uint8_t *out, unix_s time, uint8_t mode)
{
    struct byte_writer data;
    byte_writer_init(&data, out, 64);
    assert_true(date_time_from_unix(time, out));
    data.length = DATE_TIME_SIZE;
    put_bytes(&data, RIG_INN "  " RIG_RNM, 32);
    put_u8(&data, 0x03); /* two tax systems */
    put_u8(&data, mode);
    return data.length;
}

static inline size_t rig_form_a3(uint8_t *out, unix_s time, uint8_t mode, uint8_t extended)
{
    struct byte_writer data;
    size_t size = rig_form_03(out, time, mode);
    byte_writer_init(&data, out, 64);
    data.length = size;
    put_u8(&data, extended);
    put_bytes(&data, (mode & 0x02) != 0 ? "000000000000" : RIG_OFD_INN "  ", 12);
    return data.length;
}

static inline void rig_register_mode(struct rig *rig, uint8_t ffd, uint8_t mode)
{
    uint8_t data[64], begin[2] = {0, ffd};
    if (ffd == FFD_1_05) {
        assert_int_equal(rig_byte(rig, FN_REGISTRATION_BEGIN, 0), FN_OK);
        assert_int_equal(rig_registration_data(rig, ffd), FN_OK);
        assert_int_equal(
            rig_command(rig, FN_REGISTRATION_FORM, data, rig_form_03(data, rig->clock, mode)),
            FN_OK);
    } else {
        assert_int_equal(rig_command(rig, FN_REGISTRATION_BEGIN_12, begin, 2), FN_OK);
        assert_int_equal(rig_registration_data(rig, ffd), FN_OK);
        assert_int_equal(
            rig_command(rig, FN_REGISTRATION_FORM_12, data, rig_form_a3(data, rig->clock, mode, 0)),
            FN_OK);
    }
    assert_int_equal(rig->size, 8);
}

static inline void rig_register(struct rig *rig, uint8_t ffd)
{
    rig_register_mode(rig, ffd, 0x20);
}

static inline void rig_open_shift(struct rig *rig)
{
    assert_int_equal(rig_time(rig, FN_SHIFT_OPEN_BEGIN, rig->clock), FN_OK);
    assert_int_equal(rig_cashier(rig), FN_OK);
    assert_int_equal(rig_bare(rig, FN_SHIFT_OPEN_FORM), FN_OK);
}

static inline void rig_close_shift(struct rig *rig)
{
    assert_int_equal(rig_time(rig, FN_SHIFT_CLOSE_BEGIN, rig->clock), FN_OK);
    assert_int_equal(rig_cashier(rig), FN_OK);
    assert_int_equal(rig_bare(rig, FN_SHIFT_CLOSE_FORM), FN_OK);
}

static inline void rig_put_item(struct byte_writer *tlv, const char *name, uint64_t price)
{
    size_t mark = tlv_begin(tlv, TAG_ITEM);
    tlv_put_bytes(tlv, TAG_ITEM_NAME, name, strlen(name));
    tlv_put_vln(tlv, TAG_ITEM_PRICE, price);
    tlv_put_fvln(tlv, TAG_ITEM_QUANTITY, (struct decimal){.mantissa = 1});
    tlv_put_vln(tlv, TAG_ITEM_SUM, price);
    tlv_put_u8(tlv, TAG_VAT_RATE, VAT_RATE_20);
    tlv_put_u8(tlv, TAG_ITEM_PAYMENT_METHOD, 4);
    tlv_end(tlv, mark);
}

static inline void rig_put_totals(struct byte_writer *tlv, uint64_t total)
{
    tlv_put_u8(tlv, TAG_TAX_SYSTEM, 0x01);
    tlv_put_vln(tlv, TAG_PAID_CASH, total);
    tlv_put_vln(tlv, TAG_PAID_ELECTRONIC, 0);
    tlv_put_vln(tlv, TAG_PAID_PREPAID, 0);
    tlv_put_vln(tlv, TAG_PAID_CREDIT, 0);
    tlv_put_vln(tlv, TAG_PAID_OTHER, 0);
    tlv_put_vln(tlv, TAG_VAT_20, total / 6);
}

static inline int rig_receipt_data(struct rig *rig, uint64_t total)
{
    uint8_t bytes[512];
    struct byte_writer tlv;
    byte_writer_init(&tlv, bytes, sizeof bytes);
    rig_put_item(&tlv, "Tea", total);
    rig_put_totals(&tlv, total);
    return rig_tlv(rig, &tlv);
}

static inline int rig_receipt_form(struct rig *rig, unix_s time, uint8_t kind, uint64_t total)
{
    uint8_t data[11];
    assert_true(date_time_from_unix(time, data));
    data[5] = kind;
    for (size_t i = 0; i < 5; i++)
        data[6 + i] = (uint8_t)(total >> 8 * i);
    return rig_command(rig, FN_RECEIPT_FORM, data, sizeof data);
}

static inline void rig_receipt(struct rig *rig, uint8_t kind, uint64_t total)
{
    assert_int_equal(rig_time(rig, FN_RECEIPT_BEGIN, rig->clock), FN_OK);
    assert_int_equal(rig_receipt_data(rig, total), FN_OK);
    assert_int_equal(rig_receipt_form(rig, rig->clock, kind, total), FN_OK);
    assert_int_equal(rig->size, 10);
}

static inline struct fn_status rig_status(struct rig *rig)
{
    struct fn_status status;
    assert_int_equal(rig_bare(rig, FN_STATUS), FN_OK);
    assert_true(fn_status_get(rig->answer, rig->size, &status));
    return status;
}

/* What an operator may get wrong. */
struct rig_confirmation {
    const char *ofd_inn, *fn_number, *container_fn;
    uint32_t document, container_document;
    uint8_t code;  /* 1022 */
    uint8_t flags; /* 1206 */
    bool with_message, bad_fpo, bad_fpp, no_signs;
    uint16_t form;
};

static inline struct rig_confirmation rig_good_confirmation(uint32_t document)
{
    return (struct rig_confirmation){.ofd_inn = RIG_OFD_INN,
                                     .fn_number = RIG_SERIAL,
                                     .container_fn = RIG_SERIAL,
                                     .document = document,
                                     .container_document = document,
                                     .form = FORM_OPERATOR_CONFIRMATION};
}

/* The container as an operator would send it. */
static inline size_t rig_confirm_encode(const struct rig_confirmation *c, unix_s received,
                                        uint8_t *out, size_t capacity)
{
    uint8_t body[512], fpo[OPERATOR_FPO_SIZE], fpp[OPERATOR_FPP_SIZE];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof body);
    size_t mark = tlv_begin(&writer, c->form);
    tlv_put_padded(&writer, TAG_OFD_INN, c->ofd_inn, strlen(c->ofd_inn), 12);
    tlv_put_bytes(&writer, TAG_FN_NUMBER, c->fn_number, strlen(c->fn_number));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, c->document);
    tlv_put_u32(&writer, TAG_DATE_TIME, received);
    if (c->with_message) {
        size_t message = tlv_begin(&writer, TAG_OFD_MESSAGE);
        tlv_put_u8(&writer, TAG_OFD_ANSWER_CODE, c->code);
        tlv_end(&writer, message);
    }
    if (c->flags != 0)
        tlv_put_u8(&writer, TAG_OFD_MESSAGE_FLAGS, c->flags);
    if (!c->no_signs) {
        assert_true(
            operator_sign_receipt(c->ofd_inn, c->fn_number, c->document, received, c->code, fpo));
        fpo[3] ^= c->bad_fpo;
        tlv_put_bytes(&writer, TAG_OFD_FISCAL_SIGN, fpo, sizeof fpo);
    }
    tlv_end(&writer, mark);
    if (!c->no_signs) {
        assert_true(operator_sign(c->ofd_inn, c->fn_number, body, writer.length, fpp));
        fpp[7] ^= c->bad_fpp;
        put_bytes(&writer, fpp, sizeof fpp);
    }
    struct ofd_container container = {.data_type = FORM_OPERATOR_CONFIRMATION,
                                      .document = c->container_document,
                                      .service1 = {0x10, 0x09},
                                      .body = body,
                                      .size = writer.length};
    strcpy(container.fn_number, c->container_fn);
    return ofd_container_encode(&container, out, capacity);
}

static inline int rig_confirm(struct rig *rig, const struct rig_confirmation *confirmation)
{
    uint8_t container[1024];
    size_t size = rig_confirm_encode(confirmation, rig->clock - 10800, container, sizeof container);
    assert_int_not_equal(size, 0);
    return rig_command(rig, FN_OFD_ANSWER, container, size);
}

/* 22h, 23h..., 25h; the message is left in out. */
static inline size_t rig_read_message(struct rig *rig, uint8_t *out, size_t capacity)
{
    assert_int_equal(rig_bare(rig, FN_OFD_READ_BEGIN), FN_OK);
    size_t size = get_u16le(rig->answer);
    assert_true(size <= capacity);
    for (size_t done = 0; done < size; done += rig->size) {
        uint8_t where[4] = {(uint8_t)done, (uint8_t)(done >> 8), 100, 0};
        assert_int_equal(rig_command(rig, FN_OFD_READ, where, 4), FN_OK);
        assert_true(rig->size > 0 && done + rig->size <= size);
        memcpy(out + done, rig->answer, rig->size);
    }
    assert_int_equal(rig_bare(rig, FN_OFD_READ_END), FN_OK);
    return size;
}

static inline void rig_deliver(struct rig *rig, uint32_t document)
{
    uint8_t message[OFD_BODY_MAX];
    struct rig_confirmation confirmation = rig_good_confirmation(document);
    assert_int_equal(rig_byte(rig, FN_OFD_TRANSPORT, 1), FN_OK);
    rig_read_message(rig, message, sizeof message);
    assert_int_equal(rig_confirm(rig, &confirmation), FN_OK);
}

/* Confirms everything that waits. */
static inline void rig_deliver_all(struct rig *rig)
{
    while (fnm_unconfirmed_count(rig->fn) > 0) {
        assert_int_equal(rig_bare(rig, FN_OFD_STATUS), FN_OK);
        rig_deliver(rig, get_u32le(rig->answer + 4));
    }
}

/* The rig of a test program, new for each test. */
static struct rig rig;

static inline int rig_setup(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

#endif
