/* Checks of the jobs: everything that can be refused is refused here, before a byte is durable. */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/inn.h"
#include "proto/tag_check.h"

#define USER_INN_BYTES 12u /* 1018, padded with spaces */

bool register_refuse(struct cash_register *reg, uint16_t code, uint16_t tag, uint64_t expected)
{
    reg->why = (struct refusal){.code = code, .tag = tag, .expected = expected};
    return false;
}

bool register_job_is_fiscal(uint8_t code)
{
    return code == LINK_RECEIPT || code == LINK_SHIFT_OPEN || code == LINK_SHIFT_CLOSE ||
           code == LINK_REGISTRATION || code == LINK_STATE_REPORT;
}

bool register_printing_wanted(const struct cash_register *reg)
{
    uint8_t electronically = 0;
    (void)tlv_find_u8(reg->job.body, reg->job.size, TAG_ELECTRONICALLY, &electronically);
    return electronically == 0;
}

static bool setting_on(const struct cash_register *reg, uint16_t tag, bool otherwise)
{
    return settings_u8(reg->settings, tag, otherwise ? 1 : 0) != 0;
}

static bool is_setting(uint16_t tag)
{
    /* One comparison for both ends: what is smaller wraps round. */
    return (uint16_t)(tag - TAG_SETTING_COLUMNS) <= TAG_SETTING_FOOTER - TAG_SETTING_COLUMNS;
}

static bool check_paper(struct cash_register *reg, uint16_t form)
{
    if (!register_printing_wanted(reg)) {
        reg->job.flags |= LINK_RESULT_NO_PAPER;
        return true;
    }
    uint16_t ready = printer_ready(reg->printer);
    if (ready != ERROR_NONE)
        return register_refuse(reg, ready, 0, 0);
    reg->job.effect.slip_form = form;
    return true;
}

bool register_shift_expired(const struct cash_register *reg)
{
    assert(reg->state.shift_open);
    return reg->now.calendar > reg->state.shift_opened_at &&
           reg->now.calendar - reg->state.shift_opened_at > SHIFT_MAX_S;
}

static bool check_shift_is_open(struct cash_register *reg)
{
    if (!reg->state.shift_open)
        return register_refuse(reg, ERROR_SHIFT_CLOSED, TAG_SHIFT_NUMBER, 0);
    if (register_shift_expired(reg))
        return register_refuse(reg, ERROR_SHIFT_EXPIRED, TAG_SHIFT_NUMBER,
                               reg->state.shift_opened_at + SHIFT_MAX_S);
    return true;
}

static bool check_cash_enough(struct cash_register *reg, uint64_t wanted, uint16_t tag)
{
    if (wanted > reg->state.cash_kop)
        return register_refuse(reg, ERROR_CASH_SHORT, tag, reg->state.cash_kop);
    return true;
}

static bool check_receipt(struct cash_register *reg)
{
    struct register_job *job = &reg->job;
    bool opens_shift =
        !reg->state.shift_open && setting_on(reg, TAG_SETTING_AUTO_OPEN_SHIFT, false);
    if (!opens_shift && !check_shift_is_open(reg))
        return false;
    struct receipt_rules rules = {.ffd = cash_register_ffd(reg),
                                  .tax_systems = settings_u8(reg->settings, TAG_TAX_SYSTEMS, 0),
                                  .cashier_known = reg->state.shift_open,
                                  .cashier_required = true};
    if (!receipt_check(job->body, job->size, &rules, &reg->summary, &reg->why))
        return false;
    const struct receipt_summary *summary = &reg->summary;
    uint64_t cash = summary->paid_kop[PAYMENT_CASH];
    bool pays_out = summary->kind == SETTLEMENT_SALE_RETURN || summary->kind == SETTLEMENT_PURCHASE;
    if (pays_out && !check_cash_enough(reg, cash, TAG_PAID_CASH))
        return false;
    job->effect.kind = summary->kind;
    job->effect.total_kop = summary->total_kop;
    memcpy(job->effect.paid_kop, summary->paid_kop, sizeof(job->effect.paid_kop));
    job->effect.drawer = cash > 0 && setting_on(reg, TAG_SETTING_DRAWER_ON_CASH, true);
    return check_paper(reg, FORM_RECEIPT);
}

/* Tags that a report's body may hold; their values are the dictionary's to check. */
static bool check_report_body(struct cash_register *reg)
{
    if (!tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why))
        return false;
    struct tlv_reader reader;
    struct tlv tlv;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1) {
        bool allowed =
            tlv.tag == TAG_CASHIER || tlv.tag == TAG_CASHIER_INN || tlv.tag >= TAG_PRIVATE_FIRST;
        if (!allowed)
            return register_refuse(reg, ERROR_FIELD_NOT_ALLOWED, tlv.tag, 0);
    }
    return true;
}

/* A shift has a cashier with a name: its documents repeat it. */
static bool names_cashier(const struct cash_register *reg)
{
    struct tlv name;
    if (tlv_find(reg->job.body, reg->job.size, TAG_CASHIER, &name) != 1)
        return false;
    size_t at = 0;
    while (at < name.length && name.value[at] == ' ')
        at++;
    return at < name.length;
}

static bool check_shift_open(struct cash_register *reg)
{
    /* On behalf of a receipt the body is the receipt's, already checked. */
    if (!reg->job.inner && !check_report_body(reg))
        return false;
    if (reg->state.shift_open)
        return register_refuse(reg,
                               register_shift_expired(reg) ? ERROR_SHIFT_EXPIRED : ERROR_SHIFT_OPEN,
                               TAG_SHIFT_NUMBER, reg->state.shift_number);
    if (!names_cashier(reg))
        return register_refuse(reg, ERROR_CASHIER_MISSING, TAG_CASHIER, 0);
    return check_paper(reg, FORM_SHIFT_OPEN);
}

static bool check_shift_close(struct cash_register *reg)
{
    if (!check_report_body(reg))
        return false;
    if (!reg->state.shift_open)
        return register_refuse(reg, ERROR_SHIFT_CLOSED, TAG_SHIFT_NUMBER, 0);
    return check_paper(reg, FORM_SHIFT_CLOSE);
}

static bool check_state_report(struct cash_register *reg)
{
    return check_report_body(reg) && check_paper(reg, FORM_STATE_REPORT);
}

static bool need(struct cash_register *reg, uint16_t tag, struct tlv *out)
{
    if (tlv_find(reg->job.body, reg->job.size, tag, out) == 1 && out->length > 0)
        return true;
    return register_refuse(reg, ERROR_FIELD_MISSING, tag, 0);
}

/* The dictionary has found all three well formed; what remains is whether they belong together. */
static bool check_registration_numbers(struct cash_register *reg)
{
    struct tlv tlv;
    char inn[USER_INN_BYTES + 1] = {0};
    if (!need(reg, TAG_USER_INN, &tlv))
        return false;
    assert(tlv.length == USER_INN_BYTES);
    memcpy(inn, tlv.value, USER_INN_BYTES); /* its trailing spaces do not count (proto/inn.h) */
    if (!need(reg, TAG_KKT_REGISTRATION_NUMBER, &tlv))
        return false;
    if (!rnm_valid(tlv.value, tlv.length, inn, reg->board->serial))
        return register_refuse(reg, ERROR_RNM, TAG_KKT_REGISTRATION_NUMBER, 0);
    uint8_t autonomous = 0;
    (void)tlv_find_u8(reg->job.body, reg->job.size, TAG_AUTONOMOUS_MODE, &autonomous);
    return autonomous != 0 || need(reg, TAG_OFD_INN, &tlv);
}

static bool check_registration(struct cash_register *reg)
{
    static const uint16_t needed[] = {TAG_USER_NAME,        TAG_SETTLEMENT_ADDRESS,
                                      TAG_SETTLEMENT_PLACE, TAG_TAX_SYSTEMS,
                                      TAG_CASHIER,          TAG_FFD_VERSION};
    struct tlv tlv;
    if (!tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why))
        return false;
    if (reg->facts.status.phase != FN_PHASE_READY)
        return register_refuse(reg, ERROR_ALREADY_REGISTERED, 0, 0);
    for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!need(reg, needed[i], &tlv))
            return false;
    }
    struct tlv_reader reader;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (tlv.tag >= TAG_PRIVATE_FIRST && !is_setting(tlv.tag) && tlv.tag != TAG_ELECTRONICALLY)
            return register_refuse(reg, ERROR_FIELD_NOT_ALLOWED, tlv.tag, 0);
    }
    uint8_t ffd = 0;
    (void)tlv_find_u8(reg->job.body, reg->job.size, TAG_FFD_VERSION, &ffd);
    if (ffd != FFD_1_05 && ffd != FFD_1_2)
        return register_refuse(reg, ERROR_FFD_UNSUPPORTED, TAG_FFD_VERSION, FFD_1_2);
    return check_registration_numbers(reg) && check_paper(reg, FORM_REGISTRATION);
}

static bool check_cash_job(struct cash_register *reg)
{
    if (!tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why))
        return false;
    uint64_t sum = 0;
    if (!tlv_find_vln(reg->job.body, reg->job.size, TAG_CASH_SUM, &sum))
        return register_refuse(reg, ERROR_FIELD_MISSING, TAG_CASH_SUM, 0);
    if (sum == 0 || sum > RECEIPT_TOTAL_MAX)
        return register_refuse(reg, ERROR_FIELD_VALUE, TAG_CASH_SUM, RECEIPT_TOTAL_MAX);
    if (!check_shift_is_open(reg))
        return false;
    bool out = reg->job.code == LINK_CASH_OUT;
    if (out && !check_cash_enough(reg, sum, TAG_CASH_SUM))
        return false;
    reg->job.effect.total_kop = sum;
    reg->job.effect.drawer = setting_on(reg, TAG_SETTING_DRAWER_ON_CASH, true);
    return check_paper(reg, out ? SLIP_CASH_OUT : SLIP_CASH_IN);
}

static bool check_set_time(struct cash_register *reg)
{
    uint32_t time;
    if (!tlv_find_u32(reg->job.body, reg->job.size, TAG_NEW_TIME, &time))
        return register_refuse(reg, ERROR_FIELD_MISSING, TAG_NEW_TIME, 0);
    unix_s last;
    if (reg->facts.known && date_time_to_unix(reg->facts.status.time, &last) &&
        reg->facts.status.last_document > 0 && time < last)
        return register_refuse(reg, ERROR_CLOCK, TAG_NEW_TIME, last);
    return true;
}

static bool check_settings(struct cash_register *reg)
{
    if (!tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why))
        return false;
    struct tlv_reader reader;
    struct tlv tlv;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (!is_setting(tlv.tag))
            return register_refuse(reg, ERROR_FIELD_NOT_ALLOWED, tlv.tag, 0);
        uint8_t columns = tlv.length > 0 ? tlv.value[0] : 0;
        if (tlv.tag == TAG_SETTING_COLUMNS && columns != 32 && columns != 42 && columns != 48)
            return register_refuse(reg, ERROR_FIELD_VALUE, tlv.tag, 48);
    }
    return true;
}

static bool check_copy(struct cash_register *reg)
{
    uint32_t number = reg->state.last_receipt;
    if (!tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why))
        return false;
    (void)tlv_find_u32(reg->job.body, reg->job.size, TAG_COPY_OF, &number);
    if (number == 0 || number > reg->state.last_document)
        return register_refuse(reg, ERROR_NOT_FOUND, TAG_COPY_OF, reg->state.last_document);
    reg->job.copy_of = number;
    reg->job.effect.slip_marks = SLIP_MARK_COPY;
    return check_paper(reg, FORM_RECEIPT);
}

static bool check_non_fiscal(struct cash_register *reg)
{
    return tlv_check_dictionary(reg->job.body, reg->job.size, &reg->why) &&
           check_paper(reg, SLIP_NON_FISCAL);
}

static bool check_x_report(struct cash_register *reg)
{
    return check_report_body(reg) && check_paper(reg, SLIP_X_REPORT);
}

/* Fiscal jobs, and those that read the archive, need a live FN that belongs to this journal. */
static bool check_fn_usable(struct cash_register *reg)
{
    uint8_t code = reg->job.code;
    if (!register_job_is_fiscal(code) && code != LINK_COPY)
        return true;
    if (!reg->facts.known)
        return register_refuse(reg, ERROR_FN_SILENT, 0, 0);
    if (code == LINK_REGISTRATION)
        return true;
    if (reg->foreign != ERROR_NONE)
        return register_refuse(reg, reg->foreign, TAG_FN_NUMBER, 0);
    if (!cash_register_registered(reg))
        return register_refuse(reg, ERROR_NOT_REGISTERED, 0, 0);
    return true;
}

bool register_job_check(struct cash_register *reg)
{
    struct register_job *job = &reg->job;
    assert(reg->boot_error == ERROR_NONE);
    /* The end of another job must not pass for the end of the one whose INTENT is open. Only a new
     * FN may be registered meanwhile: the old one, which alone could tell, is gone. */
    if (reg->state.has_intent && job->code != LINK_REGISTRATION) {
        uint16_t unsettled = reg->facts.known ? reg->foreign : ERROR_FN_SILENT;
        assert(unsettled != ERROR_NONE);
        return register_refuse(reg, unsettled, 0, 0);
    }
    bool timeless = job->code == LINK_SET_TIME || job->code == LINK_SETTINGS_SET ||
                    job->code == LINK_DRAWER_OPEN;
    if (!timeless && reg->now.calendar == 0)
        return register_refuse(reg, ERROR_CLOCK, TAG_BOARD_TIME, 0);
    if (!tlv_valid(job->body, job->size))
        return register_refuse(reg, ERROR_REQUEST_MALFORMED, 0, 0);
    if (!check_fn_usable(reg))
        return false;
    switch (job->code) {
    case LINK_RECEIPT:
        return check_receipt(reg);
    case LINK_SHIFT_OPEN:
        return check_shift_open(reg);
    case LINK_SHIFT_CLOSE:
        return check_shift_close(reg);
    case LINK_REGISTRATION:
        return check_registration(reg);
    case LINK_STATE_REPORT:
        return check_state_report(reg);
    case LINK_X_REPORT:
        return check_x_report(reg);
    case LINK_CASH_IN:
    case LINK_CASH_OUT:
        return check_cash_job(reg);
    case LINK_NON_FISCAL:
        return check_non_fiscal(reg);
    case LINK_COPY:
        return check_copy(reg);
    case LINK_SET_TIME:
        return check_set_time(reg);
    case LINK_SETTINGS_SET:
        return check_settings(reg);
    default:
        assert(job->code == LINK_DRAWER_OPEN); /* every code from LINK_JOB_FIRST to _LAST is here */
        job->effect.drawer = true;
        return true;
    }
}

bool register_job_check_fn(struct cash_register *reg)
{
    const struct fn_status *status = &reg->facts.status;
    bool registration = reg->job.code == LINK_REGISTRATION;
    if (registration && status->phase != FN_PHASE_READY)
        return register_refuse(reg, ERROR_ALREADY_REGISTERED, 0, status->phase);
    if (!registration && status->phase != FN_PHASE_FISCAL)
        return register_refuse(reg, ERROR_FN_STATE, TAG_FN_PHASE, FN_PHASE_FISCAL);
    if (!registration && status->last_document != reg->state.last_document)
        return register_refuse(reg, ERROR_FN_FOREIGN, TAG_DOCUMENT_NUMBER,
                               reg->state.last_document);
    return true;
}
