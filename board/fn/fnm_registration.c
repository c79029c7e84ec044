/* Registration, change of registration, and closing of the module (4.4, 4.5).
 *
 * 02h/03h lead to FFD 1.05, A2h/A3h to 1.1 or 1.2; the first report fixes the format for the
 * module's life. Registration with encryption (1056) and with marked goods is refused with 09h: the
 * emulator has neither.
 */
#include "board/fn/fnm_internal.h"

#include <string.h>

#include "proto/inn.h"
#include "proto/tlv.h"

#define REGISTRATION_DATA_MAX (6u * 1024u)
#define CLOSE_DATA_MAX        (4u * 1024u)
#define REASON_FN_REPLACED    1u          /* 1101; bit 0 of 1205 */
#define REASON_OFD_CHANGED    2u          /* 1101 */
#define REASON_MAX            4u          /* 1101 */
#define REASONS_FN_REPLACED   0x00000001u /* 1205 */
#define REASONS_OFD_CHANGED   0x00000002u
#define REASONS_RESERVED      0x7FC00000u

enum report_type { REPORT_REGISTRATION = 0, REPORT_FN_REPLACED = 1, REPORT_CHANGE = 2 };

static const char no_ofd[FNM_INN_SIZE + 1] = "000000000000";

static bool find_in_data(const struct fnm_record *record, uint16_t tag, struct tlv *out)
{
    return tlv_find(record->stlv + record->register_offset,
                    record->stlv_size - record->register_offset, tag, out) == 1;
}

bool fnm_registration_parse(const struct fnm_record *record, const struct fnm_registration *before,
                            struct fnm_registration *out)
{
    bool extended = record->ffd >= FFD_1_1;
    size_t needed = FNM_INN_SIZE + FNM_RNM_SIZE + 2 + (extended ? 1 + FNM_INN_SIZE : 0);
    if (record->tail_size < needed)
        return false;
    const uint8_t *tail = record->tail;
    struct tlv element;
    *out = *before;
    memcpy(out->inn, tail, FNM_INN_SIZE);
    memcpy(out->rnm, tail + FNM_INN_SIZE, FNM_RNM_SIZE);
    out->tax_systems = tail[32];
    out->mode = tail[33];
    out->ffd = record->ffd;
    if (extended) {
        out->extended = tail[34];
        memcpy(out->ofd_inn, tail + 35, FNM_INN_SIZE);
        out->excise = (out->extended & FNM_EXTENDED_EXCISE) != 0;
        return true;
    }
    /* In FFD 1.05 these two are the register's own TLVs, and a change report may leave out what
     * stays. */
    if (find_in_data(record, TAG_OFD_INN, &element) && element.length == FNM_INN_SIZE)
        memcpy(out->ofd_inn, element.value, FNM_INN_SIZE);
    if (find_in_data(record, TAG_EXCISE_GOODS, &element) && element.length == 1)
        out->excise = element.value[0] != 0;
    return true;
}

/* ASCII parameters may come padded with zeros; documents want spaces. */
static void text_get(char *out, const uint8_t *in, size_t size)
{
    memcpy(out, in, size);
    out[size] = 0;
    for (size_t i = size; i > 0 && out[i - 1] == 0; i--)
        out[i - 1] = ' ';
}

static size_t text_length(const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    return length;
}

/* 16 digits; the check digits too when the register has told its factory number. */
static bool rnm_good(const struct fnm *fnm, const struct fnm_registration *registration)
{
    const struct fnm_draft *draft = &fnm->v.draft;
    char inn[FNM_INN_SIZE + 1], serial[20 + 1];
    struct tlv element;
    if (text_length(registration->rnm) != RNM_DIGITS ||
        strspn(registration->rnm, "0123456789") != RNM_DIGITS)
        return false;
    if (tlv_find(draft->data, draft->data_size, TAG_KKT_SERIAL, &element) != 1)
        return true;
    memcpy(inn, registration->inn, sizeof inn);
    inn[text_length(inn)] = 0;
    memcpy(serial, element.value, element.length);
    serial[element.length] = 0;
    serial[text_length(serial)] = 0;
    return rnm_valid((const uint8_t *)registration->rnm, FNM_RNM_SIZE, inn, serial);
}

static uint8_t start(struct fnm *fnm, uint8_t type, uint8_t ffd, uint8_t finish)
{
    static const uint8_t states[] = {FN_DOCUMENT_REGISTRATION, FN_DOCUMENT_CHANGE_FN,
                                     FN_DOCUMENT_CHANGE};
    uint8_t phase = type == REPORT_CHANGE ? FN_PHASE_FISCAL : FN_PHASE_READY;
    if (fnm->phase != phase || fnm->v.draft.state != FN_DOCUMENT_NONE || fnm->shift_open ||
        fnm->registration_count == FNM_REGISTRATIONS_MAX)
        return FN_BAD_STATE;
    if (type == REPORT_CHANGE && ffd != fnm->registration.ffd)
        return FN_NOT_IN_THIS_FFD;
    fnm_draft_begin(fnm, states[type], finish, 0, REGISTRATION_DATA_MAX);
    fnm->v.draft.type = type;
    fnm->v.draft.ffd = ffd;
    return FN_OK;
}

uint8_t fnm_registration_begin(struct fnm *fnm, const uint8_t *in, size_t size,
                               struct byte_writer *out)
{
    (void)out;
    uint8_t type = size == 0 ? REPORT_REGISTRATION : in[0];
    return type > REPORT_CHANGE ? FN_BAD_VALUE : start(fnm, type, FFD_1_05, FN_REGISTRATION_FORM);
}

uint8_t fnm_registration_begin_12(struct fnm *fnm, const uint8_t *in, size_t size,
                                  struct byte_writer *out)
{
    (void)out;
    uint8_t ffd = size == 1 ? FFD_1_1 : in[1];
    if (in[0] > REPORT_CHANGE)
        return FN_BAD_VALUE;
    if (ffd != FFD_1_1 && ffd != FFD_1_2)
        return FN_NOT_IN_THIS_FFD;
    return start(fnm, in[0], ffd, FN_REGISTRATION_FORM_12);
}

/* What both formats check; `next` holds what the command said. */
static uint8_t check(struct fnm *fnm, const uint8_t *in, unix_s *time,
                     const struct fnm_registration *next)
{
    if (!fnm_time_get(in, time))
        return FN_BAD_TIME;
    uint8_t code = fnm_check_time(fnm, *time);
    if (code != FN_OK)
        return code;
    if (!inn_valid((const uint8_t *)next->inn, FNM_INN_SIZE) || !rnm_good(fnm, next) ||
        next->tax_systems == 0 || (next->tax_systems & ~TAX_SYSTEM_BITS) != 0 ||
        (next->mode & FNM_MODE_ENCRYPTION) != 0)
        return FN_BAD_VALUE;
    bool change = fnm->v.draft.type == REPORT_CHANGE;
    if (change && (memcmp(next->inn, fnm->registration.inn, FNM_INN_SIZE) != 0 ||
                   memcmp(next->rnm, fnm->registration.rnm, FNM_RNM_SIZE) != 0))
        return FN_BAD_VALUE;
    return FN_OK;
}

static void registration_get(struct fnm_registration *next, const uint8_t *in)
{
    text_get(next->inn, in + 5, FNM_INN_SIZE);
    text_get(next->rnm, in + 17, FNM_RNM_SIZE);
    next->tax_systems = in[37];
    next->mode = in[38];
}

/* The right closing command, after the right opening one, with data. */
static uint8_t formable(const struct fnm *fnm, uint8_t command)
{
    const struct fnm_draft *draft = &fnm->v.draft;
    bool open = draft->state == FN_DOCUMENT_REGISTRATION || draft->state == FN_DOCUMENT_CHANGE_FN ||
                draft->state == FN_DOCUMENT_CHANGE;
    if (!open || draft->data_size == 0)
        return FN_BAD_STATE;
    return draft->finish == command ? FN_OK : FN_NOT_IN_THIS_FFD;
}

static uint8_t finish(struct fnm *fnm, unix_s time, const struct fnm_registration *next,
                      uint32_t reasons, struct byte_writer *out)
{
    bool change = fnm->v.draft.type != REPORT_REGISTRATION;
    struct fnm_record record = {.form = change ? FORM_REGISTRATION_CHANGE : FORM_REGISTRATION,
                                .time = time,
                                .queued = (next->mode & FNM_MODE_AUTONOMOUS) == 0};
    struct byte_writer tail;
    byte_writer_init(&tail, record.tail, sizeof record.tail);
    put_bytes(&tail, next->inn, FNM_INN_SIZE);
    put_bytes(&tail, next->rnm, FNM_RNM_SIZE);
    put_u8(&tail, next->tax_systems);
    put_u8(&tail, next->mode);
    if (next->ffd >= FFD_1_1) {
        put_u8(&tail, next->extended);
        put_bytes(&tail, next->ofd_inn, FNM_INN_SIZE);
        if (change)
            put_u32le(&tail, reasons);
    } else if (change) {
        put_u8(&tail, (uint8_t)reasons);
    }
    record.tail_size = (uint8_t)tail.length;
    if (!fnm_compose(fnm, &record, reasons, next))
        return FN_DATA_TOO_LONG;
    uint8_t code = fnm_commit(fnm, &record);
    if (code != FN_OK)
        return code;
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    return FN_OK;
}

uint8_t fnm_registration_form(struct fnm *fnm, const uint8_t *in, size_t size,
                              struct byte_writer *out)
{
    unix_s time;
    struct fnm_registration next = fnm->registration;
    uint8_t code = formable(fnm, FN_REGISTRATION_FORM);
    if (code != FN_OK)
        return code;
    bool change = fnm->v.draft.type == REPORT_CHANGE;
    if ((size == 40) != change)
        return FN_BAD_COMMAND;
    registration_get(&next, in);
    next.ffd = FFD_1_05;
    code = check(fnm, in, &time, &next);
    if (code != FN_OK)
        return code;
    uint32_t reason = change ? in[39] : REASON_FN_REPLACED;
    if (change && (reason < REASON_OFD_CHANGED || reason > REASON_MAX))
        return FN_BAD_VALUE;
    return finish(fnm, time, &next, reason, out);
}

static uint8_t check_extended(const struct fnm *fnm, const struct fnm_registration *next,
                              uint32_t reasons)
{
    bool autonomous = (next->mode & FNM_MODE_AUTONOMOUS) != 0;
    bool change = fnm->v.draft.type == REPORT_CHANGE;
    const uint8_t *ofd_inn = (const uint8_t *)next->ofd_inn;
    bool none = memcmp(next->ofd_inn, no_ofd, FNM_INN_SIZE) == 0;
    if (autonomous != none || (!none && !inn_valid(ofd_inn, FNM_INN_SIZE)))
        return FN_BAD_VALUE;
    if ((next->extended & FNM_EXTENDED_MARKED) != 0)
        return FN_BAD_VALUE;
    if (fnm->v.draft.type != REPORT_REGISTRATION && (reasons & REASONS_RESERVED) != 0)
        return FN_BAD_VALUE;
    if (!change)
        return FN_OK;
    if (reasons == 0 || (reasons & REASONS_FN_REPLACED) != 0)
        return FN_BAD_VALUE;
    /* Note 1 of 4.5.2: going over to or from the autonomous mode is a change of operator. */
    if (autonomous != fnm_autonomous(fnm) && (reasons & REASONS_OFD_CHANGED) == 0)
        return FN_BAD_VALUE;
    return FN_OK;
}

uint8_t fnm_registration_form_12(struct fnm *fnm, const uint8_t *in, size_t size,
                                 struct byte_writer *out)
{
    unix_s time;
    struct fnm_registration next = fnm->registration;
    uint8_t code = formable(fnm, FN_REGISTRATION_FORM_12);
    if (code != FN_OK)
        return code;
    if ((size == 56) != (fnm->v.draft.type != REPORT_REGISTRATION))
        return FN_BAD_COMMAND;
    registration_get(&next, in);
    next.ffd = fnm->v.draft.ffd;
    next.extended = in[39];
    text_get(next.ofd_inn, in + 40, FNM_INN_SIZE);
    code = check(fnm, in, &time, &next);
    uint32_t reasons = size == 56 ? get_u32le(in + 52) : 0;
    if (code == FN_OK)
        code = check_extended(fnm, &next, reasons);
    if (code != FN_OK)
        return code;
    if (fnm->v.draft.type == REPORT_FN_REPLACED)
        reasons |= REASONS_FN_REPLACED;
    return finish(fnm, time, &next, reasons, out);
}

uint8_t fnm_close_begin(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    (void)out;
    if (fnm->v.draft.state != FN_DOCUMENT_NONE || fnm->shift_open)
        return FN_BAD_STATE;
    if (fnm->queue_count != 0 && !fnm_autonomous(fnm))
        return FN_BAD_VALUE;
    fnm_draft_begin(fnm, FN_DOCUMENT_FN_CLOSE, FN_CLOSE_FORM, 0, CLOSE_DATA_MAX);
    return FN_OK;
}

uint8_t fnm_close_form(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    char rnm[FNM_RNM_SIZE + 1];
    struct fnm_record record = {.form = FORM_FN_CLOSE};
    if (fnm->v.draft.state != FN_DOCUMENT_FN_CLOSE)
        return FN_BAD_STATE;
    if (!fnm_time_get(in, &record.time) || fnm_check_time(fnm, record.time) != FN_OK)
        return FN_BAD_TIME;
    text_get(rnm, in + 5, FNM_RNM_SIZE);
    if (memcmp(rnm, fnm->registration.rnm, FNM_RNM_SIZE) != 0)
        return FN_BAD_VALUE;
    memcpy(record.tail, fnm->registration.inn, FNM_INN_SIZE);
    memcpy(record.tail + FNM_INN_SIZE, rnm, FNM_RNM_SIZE);
    record.tail_size = FNM_INN_SIZE + FNM_RNM_SIZE;
    record.queued = !fnm_autonomous(fnm);
    if (!fnm_compose(fnm, &record, 0, &fnm->registration))
        return FN_DATA_TOO_LONG;
    uint8_t code = fnm_commit(fnm, &record);
    if (code != FN_OK)
        return code;
    put_u32le(out, record.number);
    put_u32le(out, record.sign);
    return FN_OK;
}
