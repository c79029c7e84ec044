/* Exchange with the operator (4.7).
 *
 *   21h(1) -> READY --22h--> READING --23h..., 25h--> WAITING --26h good--> READY with the next
 *                              |                         |                  document
 *                              '--24h--> READY           '--300 s, 21h(0)--> READY with the same
 *                                                                            document
 *
 * A 26h that is refused leaves the wait running. Documents are offered strictly in order, one at a
 * time.
 */
#include "board/fn/fnm_internal.h"

#include <string.h>

#include "board/fn/operator_key.h"
#include "proto/canary.h"
#include "proto/crc.h"
#include "proto/tlv.h"

#define STATUS_TRANSPORT  0x01u
#define STATUS_MESSAGE    0x02u
#define STATUS_WAITING    0x04u
#define ANSWER_FLK        14u /* 1022: refused by the operator's format checks */
#define UNSIGNED_TAIL_MAX 64u
#define OPERATOR_FLK      0x02u /* bits of 1206 */
#define OPERATOR_SETTINGS 0x40u
#define OPERATOR_ANNULLED 0x80u

enum rejection {
    REJECTED_SIGN = 1,
    REJECTED_FORMAT = 2,
    REJECTED_DOCUMENT = 3,
    REJECTED_FN = 4,
    REJECTED_CRC = 5,
    REJECTED_OFD_INN = 6
};

void fnm_operator_tick(struct fnm *fnm)
{
    struct fnm_volatile *v = &fnm->v;
    if (v->waiting && fnm->now_ms - v->waiting_since >= OFD_ANSWER_TIMEOUT_S * 1000u) {
        v->waiting = false;
        fnm_trace(fnm, "document %u: no confirmation in %u s, offered again", fnm->queue_first,
                  OFD_ANSWER_TIMEOUT_S);
    }
}

uint8_t fnm_ofd_status(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    const struct fnm_volatile *v = &fnm->v;
    const struct fnm_entry *first = fnm_entry(fnm, fnm->queue_first);
    put_u8(out, (uint8_t)((v->transport ? STATUS_TRANSPORT : 0) |
                          (first != NULL && !v->waiting ? STATUS_MESSAGE : 0) |
                          (v->waiting ? STATUS_WAITING : 0)));
    put_u8(out, v->reading);
    put_u16le(out, (uint16_t)(fnm->queue_count < UINT16_MAX ? fnm->queue_count : UINT16_MAX));
    put_u32le(out, fnm->queue_first);
    fnm_date_time_put(out, first == NULL ? 0 : first->time);
    return FN_OK;
}

uint8_t fnm_ofd_transport(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    (void)out;
    if (in[0] > 1)
        return FN_BAD_VALUE;
    fnm->v.transport = in[0] == 1;
    if (in[0] == 0)
        fnm->v.reading = fnm->v.waiting = false;
    return FN_OK;
}

/* The same bytes every time the same document is offered. */
static bool load_message(struct fnm *fnm, uint32_t number)
{
    struct fnm_record record;
    uint8_t sign[8];
    if (fnm->v.message_document == number)
        return true;
    if (!fnm_read_record(fnm, number, &record, fnm->scratch))
        return false;
    fnm_message_sign(fnm, record.stlv, record.stlv_size, sign);
    fnm->v.message_size = fnm_container(fnm->identity.serial, number, record.stlv, record.stlv_size,
                                        sign, fnm->v.message, sizeof fnm->v.message);
    fnm->v.message_document = fnm->v.message_size == 0 ? 0 : number;
    return fnm->v.message_size != 0;
}

uint8_t fnm_ofd_read_begin(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    if (!fnm->v.transport)
        return FN_NO_TRANSPORT;
    if (fnm->queue_count == 0 || fnm->v.waiting)
        return FN_NO_DATA;
    if (!load_message(fnm, fnm->queue_first))
        return FN_FAULT;
    fnm->v.reading = true;
    put_u16le(out, (uint16_t)fnm->v.message_size);
    return FN_OK;
}

uint8_t fnm_ofd_read(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    size_t offset = get_u16le(in);
    size_t length = get_u16le(in + 2);
    if (!fnm->v.transport)
        return FN_NO_TRANSPORT;
    if (!fnm->v.reading)
        return FN_BAD_STATE;
    if (offset > fnm->v.message_size || length > FN_DATA_MAX)
        return FN_BAD_COMMAND;
    size_t left = fnm->v.message_size - offset;
    put_bytes(out, fnm->v.message + offset, length < left ? length : left);
    return FN_OK;
}

uint8_t fnm_ofd_read_cancel(struct fnm *fnm, const uint8_t *in, size_t size,
                            struct byte_writer *out)
{
    (void)in;
    (void)size;
    (void)out;
    fnm->v.reading = false;
    return FN_OK;
}

uint8_t fnm_ofd_read_end(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    (void)out;
    if (!fnm->v.reading)
        return FN_BAD_STATE;
    fnm->v.reading = false;
    fnm->v.waiting = true;
    fnm->v.waiting_since = fnm->now_ms;
    return FN_OK;
}

/* The confirmation taken apart; slices of the command's data. */
struct answer {
    const uint8_t *stlv; /* header included */
    size_t stlv_size;
    const uint8_t *tail; /* after the STLV */
    size_t tail_size;
    struct tlv ofd_inn, fn_number, sign, message;
    bool has_sign, has_message;
    uint32_t document, container_document;
    unix_s received;
    uint8_t code, flags;
};

static bool spaces_stripped_equal(const struct tlv *text, const char *expected)
{
    size_t length = text->length;
    size_t expected_length = strlen(expected);
    while (length > 0 && (text->value[length - 1] == ' ' || text->value[length - 1] == 0))
        length--;
    while (expected_length > 0 && expected[expected_length - 1] == ' ')
        expected_length--;
    return length == expected_length && memcmp(text->value, expected, length) == 0;
}

static uint8_t take_container(const uint8_t *in, size_t size, struct ofd_container *container)
{
    /* Told apart here: a whole container whose CRC alone is wrong is reason 5, anything else 2. */
    if (ofd_container_decode(in, size, container))
        return container->data_type == FORM_OPERATOR_CONFIRMATION ? FN_OK : REJECTED_FORMAT;
    if (size < OFD_CONTAINER_HEADER_SIZE || get_u16le(in) != size)
        return REJECTED_FORMAT;
    uint16_t crc = crc16_update(CRC16_INIT, in, 2);
    return crc16_update(crc, in + 4, size - 4) != get_u16le(in + 2) ? REJECTED_CRC
                                                                    : REJECTED_FORMAT;
}

static bool take_tags(struct answer *answer)
{
    const uint8_t *tlv = answer->stlv + FNM_STLV_HEADER;
    size_t size = answer->stlv_size - FNM_STLV_HEADER;
    if (!tlv_valid(tlv, size) || tlv_find(tlv, size, TAG_OFD_INN, &answer->ofd_inn) != 1 ||
        tlv_find(tlv, size, TAG_FN_NUMBER, &answer->fn_number) != 1 ||
        !tlv_find_u32(tlv, size, TAG_DOCUMENT_NUMBER, &answer->document) ||
        !tlv_find_u32(tlv, size, TAG_DATE_TIME, &answer->received))
        return false;
    answer->has_sign = tlv_find(tlv, size, TAG_OFD_FISCAL_SIGN, &answer->sign) == 1;
    answer->has_message = tlv_find(tlv, size, TAG_OFD_MESSAGE, &answer->message) == 1;
    answer->code = 0;
    if (answer->has_message && (!tlv_valid(answer->message.value, answer->message.length) ||
                                !tlv_find_u8(answer->message.value, answer->message.length,
                                             TAG_OFD_ANSWER_CODE, &answer->code)))
        return false;
    struct tlv flags;
    bool has_flags = tlv_find(tlv, size, TAG_OFD_MESSAGE_FLAGS, &flags) == 1;
    answer->flags = 0;
    if (has_flags && !tlv_get_u8(&flags, &answer->flags))
        return false;
    return !answer->has_sign || (answer->sign.length >= 16 && answer->sign.length <= 18);
}

static uint8_t take_answer(const struct ofd_container *container, struct answer *answer)
{
    if (container->size < FNM_STLV_HEADER ||
        get_u16le(container->body) != FORM_OPERATOR_CONFIRMATION)
        return REJECTED_FORMAT;
    answer->stlv = container->body;
    answer->stlv_size = FNM_STLV_HEADER + (size_t)get_u16le(container->body + 2);
    if (answer->stlv_size > container->size)
        return REJECTED_FORMAT;
    answer->tail = container->body + answer->stlv_size;
    answer->tail_size = container->size - answer->stlv_size;
    answer->container_document = container->document;
    if (answer->tail_size > UNSIGNED_TAIL_MAX)
        return REJECTED_FORMAT;
    return take_tags(answer) ? FN_OK : REJECTED_FORMAT;
}

static uint8_t check_signs(const struct fnm *fnm, const struct answer *answer)
{
    uint8_t fpo[OPERATOR_FPO_SIZE], fpp[OPERATOR_FPP_SIZE];
    char ofd_inn[FNM_INN_SIZE + 1];
    if (answer->tail_size != OPERATOR_FPP_SIZE || !answer->has_sign)
        return REJECTED_SIGN;
    if (answer->ofd_inn.length > FNM_INN_SIZE || answer->sign.length != OPERATOR_FPO_SIZE)
        return REJECTED_FORMAT;
    /* Both sides of the key derivation pad the number with spaces themselves. */
    memcpy(ofd_inn, answer->ofd_inn.value, answer->ofd_inn.length);
    ofd_inn[answer->ofd_inn.length] = 0;
    bool good = operator_sign_receipt(ofd_inn, fnm->identity.serial, answer->document,
                                      answer->received, answer->code, fpo) &&
                operator_sign(ofd_inn, fnm->identity.serial, answer->stlv, answer->stlv_size, fpp);
    bool genuine = good && memcmp(fpo, answer->sign.value, sizeof fpo) == 0 &&
                   memcmp(fpp, answer->tail, sizeof fpp) == 0;
    if (!genuine && !CANARY(SIGN_NOT_CHECKED))
        return REJECTED_SIGN;
    return FN_OK;
}

static uint8_t judge(const struct fnm *fnm, const uint8_t *in, size_t size, struct answer *answer)
{
    struct ofd_container container;
    uint8_t reason = take_container(in, size, &container);
    if (reason == FN_OK)
        reason = take_answer(&container, answer);
    if (reason != FN_OK)
        return reason;
    if (strcmp(container.fn_number, fnm->identity.serial) != 0 ||
        !spaces_stripped_equal(&answer->fn_number, fnm->identity.serial))
        return REJECTED_FN;
    if (answer->document != fnm->queue_first || answer->container_document != fnm->queue_first)
        return REJECTED_DOCUMENT;
    if (fnm->registration.ofd_inn[0] != 0 &&
        !spaces_stripped_equal(&answer->ofd_inn, fnm->registration.ofd_inn))
        return REJECTED_OFD_INN;
    return fnm->options.accept_unsigned_confirmations ? (uint8_t)FN_OK : check_signs(fnm, answer);
}

static uint8_t warnings_of(const struct answer *answer)
{
    bool flk = (answer->flags & OPERATOR_FLK) != 0 || answer->code == ANSWER_FLK;
    return (uint8_t)((flk ? FN_WARNING_FLK : 0) |
                     ((answer->flags & OPERATOR_SETTINGS) != 0 ? FN_WARNING_SETTINGS : 0) |
                     ((answer->flags & OPERATOR_ANNULLED) != 0 ? FN_WARNING_ANNULLED : 0));
}

uint8_t fnm_ofd_answer(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    struct answer answer = {0};
    if (!fnm->v.waiting)
        return FN_BAD_STATE;
    uint8_t reason = judge(fnm, in, size, &answer);
    if (reason != FN_OK) {
        fnm_trace(fnm, "confirmation rejected, reason %u", reason);
        put_u8(out, reason);
        return FN_OPERATOR_ANSWER_REJECTED;
    }
    struct fnm_confirmation confirmation = {.document = answer.document,
                                            .received = answer.received,
                                            .code = answer.code,
                                            .flags = warnings_of(&answer)};
    if (answer.has_sign) /* 18 bytes in the archive; a sign of 16 stands at the end */
        memcpy(confirmation.sign + sizeof confirmation.sign - answer.sign.length, answer.sign.value,
               answer.sign.length);
    uint8_t code = fnm_commit_confirmation(fnm, &confirmation);
    if (code != FN_OK)
        return code;
    fnm->v.waiting = false;
    put_u8(out, answer.code);
    if (answer.has_message)
        tlv_put_bytes(out, TAG_OFD_MESSAGE, answer.message.value, answer.message.length);
    return FN_OK;
}
