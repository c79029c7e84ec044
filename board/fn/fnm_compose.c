/* What the module adds to a document, and how it signs it.
 *
 * Order of a document (captures of FFD 1.05 registers; kept for 1.1 and 1.2): what the FN forms,
 * then what the register passed, in its order. The sign is a CMAC over the whole STLV with 1077
 * already in place and its number zero; the message sign is one over the finished STLV.
 */
#include "board/fn/fnm_internal.h"

#include <assert.h>
#include <string.h>

#include <mbedtls/cipher.h>
#include <mbedtls/cmac.h>

#include "proto/tlv.h"

#define SIGN_SIZE         6u /* 1077: family, 04, number BE */
#define CMAC_SIZE         16u
#define MESSAGE_TAIL_SIZE 10u

static void cmac(const struct fnm *fnm, const uint8_t *data, size_t size, uint8_t out[CMAC_SIZE])
{
    const mbedtls_cipher_info_t *aes = mbedtls_cipher_info_from_type(MBEDTLS_CIPHER_AES_128_ECB);
    int failed = mbedtls_cipher_cmac(aes, fnm->identity.key, 128, data, size, out);
    assert(failed == 0); /* only a wrong key length or no memory */
    (void)failed;
}

/* First byte of 1077 as seen in captures. */
static uint8_t sign_family(uint16_t form)
{
    if (form == FORM_REGISTRATION || form == FORM_REGISTRATION_CHANGE)
        return 0x21;
    return form == FORM_CORRECTION || form == FORM_BSO_CORRECTION ? 0x33 : 0x31;
}

void fnm_message_sign(const struct fnm *fnm, const uint8_t *stlv, size_t size, uint8_t sign[8])
{
    uint8_t full[CMAC_SIZE];
    cmac(fnm, stlv, size, full);
    sign[0] = 0x81;
    sign[1] = 0x06;
    memcpy(sign + 2, full, 6);
}

size_t fnm_container(const char *serial, uint32_t number, const uint8_t *stlv, size_t size,
                     const uint8_t message_sign[8], uint8_t *out, size_t capacity)
{
    /* ofd_container_encode takes the body from elsewhere than where it writes. */
    uint8_t body[OFD_BODY_MAX];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof body);
    put_bytes(&writer, stlv, size);
    put_bytes(&writer, message_sign, 8);
    put_fill(&writer, 0, MESSAGE_TAIL_SIZE - 8);
    if (!byte_writer_ok(&writer))
        return 0;
    struct ofd_container container = {.data_type = stlv[0],
                                      .document = number,
                                      .service1 = {0x10, 0x09},
                                      .service2 = {[7] = 1, [9] = 1},
                                      .body = body,
                                      .size = writer.length};
    container.service2[10] = (uint8_t)(size >> 8);
    container.service2[11] = (uint8_t)size;
    memcpy(container.fn_number, serial, sizeof container.fn_number);
    return ofd_container_encode(&container, out, capacity);
}

static bool passed(const struct fnm *fnm, uint16_t tag)
{
    return (fnm->v.draft.seen[tag / 8] >> tag % 8 & 1) != 0;
}

/* In FFD 1.05 registers differ in what they pass themselves; what they passed stands. */
static bool mine(const struct fnm *fnm, const struct fnm_record *record, uint16_t tag)
{
    return record->ffd >= FFD_1_1 || !passed(fnm, tag);
}

static void put_common(struct byte_writer *writer, const struct fnm *fnm,
                       const struct fnm_record *record, const struct fnm_registration *registration,
                       size_t *sign_offset)
{
    const uint8_t sign[SIGN_SIZE] = {sign_family(record->form), 0x04};
    tlv_put_bytes(writer, TAG_FN_NUMBER, fnm->identity.serial, FNM_SERIAL_SIZE);
    tlv_put_bytes(writer, TAG_KKT_REGISTRATION_NUMBER, registration->rnm, FNM_RNM_SIZE);
    tlv_put_bytes(writer, TAG_USER_INN, registration->inn, FNM_INN_SIZE);
    tlv_put_u32(writer, TAG_DOCUMENT_NUMBER, record->number);
    tlv_put_u32(writer, TAG_DATE_TIME, record->time);
    tlv_put_bytes(writer, TAG_FISCAL_SIGN, sign, sizeof sign);
    *sign_offset = writer->length - 4;
}

/* 1290 of FFD 1.2 from the two mode bytes (tables 38 and 51). */
static uint32_t use_conditions(const struct fnm_registration *registration)
{
    static const uint8_t mode_bits[8] = {0, 0, 0, 9, 2, 5, 15, 16};
    static const uint8_t extended_bits[8] = {6, 10, 11, 1, 8, 12, 13, 14};
    uint32_t conditions = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (mode_bits[i] != 0 && (registration->mode >> i & 1) != 0)
            conditions |= 1u << mode_bits[i];
        if ((registration->extended >> i & 1) != 0)
            conditions |= 1u << extended_bits[i];
    }
    return conditions;
}

static void put_registration(struct byte_writer *writer, const struct fnm *fnm,
                             const struct fnm_record *record, uint32_t reasons,
                             const struct fnm_registration *registration)
{
    uint8_t mode = registration->mode;
    uint8_t extended = registration->extended;
    tlv_put_u8(writer, TAG_ENCRYPTION, (mode & FNM_MODE_ENCRYPTION) != 0);
    tlv_put_u8(writer, TAG_AUTONOMOUS_MODE, (mode & FNM_MODE_AUTONOMOUS) != 0);
    tlv_put_u8(writer, TAG_AUTOMATIC_MODE, (mode & FNM_MODE_AUTOMATIC) != 0);
    if (record->ffd < FFD_1_2) {
        tlv_put_u8(writer, TAG_SERVICES, (mode & FNM_MODE_SERVICES) != 0);
        tlv_put_u8(writer, TAG_BSO_ONLY, (mode & FNM_MODE_BSO) != 0);
        tlv_put_u8(writer, TAG_INTERNET_ONLY, (mode & FNM_MODE_INTERNET) != 0);
    }
    tlv_put_u8(writer, TAG_TAX_SYSTEMS, registration->tax_systems);
    bool change = record->form == FORM_REGISTRATION_CHANGE;
    if (record->ffd == FFD_1_05) {
        if (change)
            tlv_put_u8(writer, TAG_REREGISTRATION_REASON, (uint8_t)reasons);
        return;
    }
    if (record->ffd == FFD_1_1) {
        tlv_put_u8(writer, TAG_EXCISE_GOODS, (extended & FNM_EXTENDED_EXCISE) != 0);
        tlv_put_u8(writer, TAG_GAMBLING, (extended & FNM_EXTENDED_GAMBLING) != 0);
        tlv_put_u8(writer, TAG_LOTTERY, (extended & FNM_EXTENDED_LOTTERY) != 0);
        tlv_put_u8(writer, TAG_PRINTER_IN_AUTOMAT, (extended & FNM_EXTENDED_PRINTER) != 0);
    } else {
        tlv_put_u32(writer, TAG_USE_CONDITIONS, use_conditions(registration));
    }
    tlv_put_bytes(writer, TAG_OFD_INN, registration->ofd_inn, FNM_INN_SIZE);
    tlv_put_u8(writer, TAG_FFD_VERSION, record->ffd);
    tlv_put_u8(writer, TAG_FN_FFD_VERSION, FFD_1_2);
    tlv_put_u16(writer, TAG_KEY_RESOURCE_DAYS,
                fnm->phase == FN_PHASE_READY ? fnm->identity.key_days
                                             : fnm_days_left(fnm, record->time));
    if (!change)
        return;
    tlv_put_u32(writer, TAG_REREGISTRATION_REASONS, reasons);
    if (fnm->phase != FN_PHASE_READY) /* a new module has no totals to tell */
        fnm_totals_put_tlv(writer, TAG_FN_GRAND_COUNTERS, &fnm->totals);
}

/* 1097, 1098 and, in the state report, 1116: the queue as it was before this document. */
static void put_queue(struct byte_writer *writer, const struct fnm *fnm,
                      const struct fnm_record *record)
{
    if (fnm_autonomous(fnm))
        return;
    const struct fnm_entry *oldest = fnm_entry(fnm, fnm->queue_first);
    if (mine(fnm, record, TAG_UNSENT_COUNT))
        tlv_put_u32(writer, TAG_UNSENT_COUNT, fnm->queue_count);
    if (oldest == NULL)
        return;
    if (mine(fnm, record, TAG_UNSENT_FIRST_DATE))
        tlv_put_u32(writer, TAG_UNSENT_FIRST_DATE, oldest->time - oldest->time % FNM_SECONDS_A_DAY);
    if (record->form == FORM_STATE_REPORT && mine(fnm, record, TAG_UNSENT_FIRST_NUMBER))
        tlv_put_u32(writer, TAG_UNSENT_FIRST_NUMBER, fnm->queue_first);
}

/* 1050-1053. FFD 1.05 states them in a shift report also when they are 0: operators' checks ask for
 * them. */
static void put_events(struct byte_writer *writer, const struct fnm *fnm,
                       const struct fnm_record *record)
{
    uint8_t warnings = fnm_warnings(fnm);
    const struct {
        uint16_t tag;
        bool active;
    } events[] = {{TAG_FN_RESOURCE_30_DAYS, (warnings & FN_WARNING_30_DAYS) != 0},
                  {TAG_FN_REPLACE_URGENTLY, (warnings & FN_WARNING_REPLACE) != 0},
                  {TAG_FN_MEMORY_FULL, (warnings & FN_WARNING_MEMORY) != 0},
                  {TAG_OFD_ANSWER_OVERDUE, fnm_ofd_overdue(fnm, record->time)}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        bool stated = events[i].active || record->ffd == FFD_1_05;
        if (stated && mine(fnm, record, events[i].tag))
            tlv_put_u8(writer, events[i].tag, events[i].active);
    }
    /* The operator's bits 1, 6 and 7 are kept as warnings 4, 5 and 6. */
    uint8_t flags = fnm->operator_flags;
    uint8_t message = (uint8_t)(((flags & FN_WARNING_FLK) != 0 ? 0x02 : 0) |
                                ((flags & FN_WARNING_SETTINGS) != 0 ? 0x40 : 0) |
                                ((flags & FN_WARNING_ANNULLED) != 0 ? 0x80 : 0));
    if (record->ffd >= FFD_1_1 && message != 0)
        tlv_put_u8(writer, TAG_OFD_MESSAGE_FLAGS, message);
}

static void put_shift_report(struct byte_writer *writer, const struct fnm *fnm,
                             const struct fnm_record *record)
{
    if (record->form == FORM_SHIFT_CLOSE) {
        if (mine(fnm, record, TAG_SHIFT_DOCUMENTS))
            tlv_put_u32(writer, TAG_SHIFT_DOCUMENTS, fnm->shift_documents + 1);
        if (mine(fnm, record, TAG_SHIFT_RECEIPTS))
            tlv_put_u32(writer, TAG_SHIFT_RECEIPTS, fnm->shift_receipts);
        put_queue(writer, fnm, record);
    }
    put_events(writer, fnm, record);
    if (record->form == FORM_SHIFT_CLOSE && record->ffd >= FFD_1_1) {
        tlv_put_u16(writer, TAG_KEY_RESOURCE_DAYS, fnm_days_left(fnm, record->time));
        fnm_totals_put_tlv(writer, TAG_SHIFT_COUNTERS, &fnm->shift_totals);
        fnm_totals_put_tlv(writer, TAG_FN_GRAND_COUNTERS, &fnm->totals);
    }
}

static void put_state_report(struct byte_writer *writer, const struct fnm *fnm,
                             const struct fnm_record *record)
{
    put_queue(writer, fnm, record);
    if (fnm_autonomous(fnm) && mine(fnm, record, TAG_AUTONOMOUS_MODE))
        tlv_put_u8(writer, TAG_AUTONOMOUS_MODE, 1);
    if (record->ffd < FFD_1_1)
        return;
    tlv_put_u16(writer, TAG_KEY_RESOURCE_DAYS, fnm_days_left(fnm, record->time));
    fnm_totals_put_tlv(writer, TAG_FN_GRAND_COUNTERS, &fnm->totals);
    if (!fnm_autonomous(fnm))
        fnm_unsent_put_tlv(writer, fnm->unsent);
}

static void put_form(struct byte_writer *writer, const struct fnm *fnm,
                     const struct fnm_record *record, uint32_t reasons,
                     const struct fnm_registration *registration)
{
    if (record->form == FORM_REGISTRATION || record->form == FORM_REGISTRATION_CHANGE) {
        put_registration(writer, fnm, record, reasons, registration);
        return;
    }
    if (record->shift != 0)
        tlv_put_u32(writer, TAG_SHIFT_NUMBER, record->shift);
    else if (record->form == FORM_FN_CLOSE && mine(fnm, record, TAG_SHIFT_NUMBER))
        tlv_put_u32(writer, TAG_SHIFT_NUMBER, fnm->shift_number);
    if (record->receipt != 0) {
        tlv_put_u32(writer, TAG_RECEIPT_NUMBER, record->receipt);
        tlv_put_u8(writer, TAG_SETTLEMENT_KIND, record->kind);
        tlv_put_vln(writer, TAG_RECEIPT_TOTAL, record->total);
    }
    if (record->ffd >= FFD_1_1)
        tlv_put_u8(writer, TAG_FFD_VERSION, record->ffd);
    if (record->form == FORM_SHIFT_OPEN || record->form == FORM_SHIFT_CLOSE)
        put_shift_report(writer, fnm, record);
    if (record->form == FORM_STATE_REPORT)
        put_state_report(writer, fnm, record);
    if (record->form == FORM_FN_CLOSE && record->ffd >= FFD_1_1)
        fnm_totals_put_tlv(writer, TAG_FN_GRAND_COUNTERS, &fnm->totals);
}

bool fnm_compose(struct fnm *fnm, struct fnm_record *record, uint32_t reasons,
                 const struct fnm_registration *registration)
{
    struct byte_writer writer;
    size_t sign_offset;
    byte_writer_init(&writer, fnm->scratch, FNM_DOCUMENT_MAX);
    record->number = fnm->count + 1;
    record->ffd = registration->ffd;
    size_t mark = tlv_begin(&writer, record->form);
    put_common(&writer, fnm, record, registration, &sign_offset);
    put_form(&writer, fnm, record, reasons, registration);
    record->register_offset = (uint32_t)writer.length;
    put_bytes(&writer, fnm->v.draft.data, fnm->v.draft.data_size);
    if (!byte_writer_ok(&writer))
        return false;
    tlv_end(&writer, mark);

    uint8_t full[CMAC_SIZE];
    cmac(fnm, fnm->scratch, writer.length, full);
    memcpy(fnm->scratch + sign_offset, full, 4);
    record->sign = get_u32be(full);
    record->stlv = fnm->scratch;
    record->stlv_size = (uint32_t)writer.length;
    return true;
}
