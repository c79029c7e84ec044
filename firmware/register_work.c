/* The middle of a job: what is done locally, and the FN's document from status to forming. How it
 * ends is register_end.c.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/canary.h"
#include "proto/rare.h"

/* ---- Jobs without a fiscal document ---- */

static uint16_t act_locally(struct cash_register *reg)
{
    uint32_t time = 0;
    switch (reg->job.code) {
    case LINK_SETTINGS_SET: {
        uint16_t error = settings_update(reg->settings, reg->job.body, reg->job.size);
        if (error == ERROR_NONE) {
            reg->settings_changed = true;
        }
        return error;
    }
    case LINK_SET_TIME:
        (void)tlv_find_u32(reg->job.body, reg->job.size, TAG_NEW_TIME, &time); /* it was checked */
        if (reg->board->clock_set(reg->board->context, time) != 0)
            return ERROR_CLOCK;
        reg->now.calendar = time;
        return ERROR_NONE;
    default:
        return register_slips_store_text(reg);
    }
}

void register_job_do_local(struct cash_register *reg)
{
    if (reg->job.code == LINK_DRAWER_OPEN) {
        if (!register_write_intent(reg)) {
            register_job_refused(reg);
            return;
        }
        drawer_open(reg->drawer, reg->now.mono);
        reg->phase = REGISTER_JOB_DRAWER;
        return;
    }
    uint16_t error = act_locally(reg);
    if (error != ERROR_NONE) {
        (void)register_refuse(reg, error, 0, 0);
        register_job_refused(reg);
        return;
    }
    struct link_result result = register_blank_result(reg);
    result.document = reg->job.copy_of;
    result.shift = reg->state.shift_open ? reg->state.shift_number : 0;
    result.total_kop = reg->state.cash_kop;
    if (reg->job.code == LINK_CASH_IN)
        result.total_kop += reg->job.effect.total_kop;
    if (reg->job.code == LINK_CASH_OUT)
        result.total_kop -= reg->job.effect.total_kop;
    register_job_done(reg, &result);
}

bool register_drawer_step(struct cash_register *reg)
{
    if (reg->drawer->sensing)
        return false;
    if (reg->drawer->stuck) {
        if (!register_append(reg, JOURNAL_ABORTED, reg->job.key, KEY_SIZE)) {
            register_job_unknown(reg);
            return true;
        }
        (void)register_refuse(reg, ERROR_DRAWER_STUCK, TAG_DRAWER_STATE, 0);
        register_job_refused(reg);
        return true;
    }
    struct link_result result = register_blank_result(reg);
    result.total_kop = reg->state.cash_kop;
    register_job_done(reg, &result);
    return true;
}

/* ---- Fiscal jobs ---- */

/* Registration data are stored first, whole as given: they mean nothing until the FN is registered,
 * and must be there when it is. */
static uint16_t store_registration(struct cash_register *reg)
{
    uint8_t bytes[32];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof(bytes));
    tlv_put_u8(&writer, TAG_REGISTERED_FFD, cash_register_ffd(reg));
    tlv_put_bytes(&writer, TAG_FN_NUMBER, reg->facts.status.number, 16);
    uint16_t error = settings_update(reg->settings, reg->job.body, reg->job.size);
    if (error == ERROR_NONE)
        error = settings_update(reg->settings, bytes, writer.length);
    return error;
}

static void begin_document(struct cash_register *reg)
{
    uint16_t error = reg->job.code == LINK_REGISTRATION ? store_registration(reg) : ERROR_NONE;
    if (error == ERROR_NONE)
        error = register_slips_store_text(reg);
    if (error != ERROR_NONE) {
        (void)register_refuse(reg, error, 0, 0);
        register_job_refused(reg);
        return;
    }
    register_fn_compose(reg);
    if (!register_fn_fits(reg) || !register_write_intent(reg)) {
        register_job_refused(reg);
        return;
    }
    size_t size = 0;
    uint8_t command = register_fn_begin(reg, reg->chunk, &size);
    fn_start(reg->fn, command, reg->chunk, size, reg->now.mono);
    reg->phase = REGISTER_JOB_BEGIN;
}

static void on_job_status(struct cash_register *reg)
{
    if (!fn_ok(reg->fn) || !fn_status_get(reg->fn->data, reg->fn->size, &reg->facts.status)) {
        fn_refusal(reg->fn, &reg->why);
        register_job_refused(reg);
        return;
    }
    if (reg->facts.status.document != FN_DOCUMENT_NONE) {
        fn_start(reg->fn, FN_CANCEL, NULL, 0, reg->now.mono);
        reg->phase = REGISTER_JOB_CANCEL;
    } else if (register_job_check_fn(reg)) {
        begin_document(reg);
    } else {
        register_job_refused(reg);
    }
}

static void explain_refusal(struct cash_register *reg)
{
    const struct ofd_report *report = &reg->ofd->report;
    /* An FN that was just switched on learns the time from the document it refuses, so its warning
     * is not there yet; the board's own calendar tells as well. */
    bool overdue = (reg->facts.status.warnings & FN_WARNING_OFD) != 0 ||
                   (report->queue_count > 0 && report->days_left == 0);
    fn_refusal(reg->fn, &reg->why);
    if (reg->fn->answer == FN_STORAGE && overdue)
        reg->why.code = ERROR_OFD_OVERDUE;
}

/* The FN said no before the document was formed: undo it there, then in the journal. */
static void undo(struct cash_register *reg)
{
    explain_refusal(reg);
    fn_start(reg->fn, FN_CANCEL, NULL, 0, reg->now.mono);
    reg->phase = REGISTER_JOB_UNDO;
}

static void feed_or_form(struct cash_register *reg)
{
    size_t size = register_fn_next_chunk(reg);
    if (size > 0) {
        fn_start(reg->fn, FN_DATA, reg->chunk, size, reg->now.mono);
        reg->phase = REGISTER_JOB_DATA;
        return;
    }
    size_t length = 0;
    uint8_t command = register_fn_form(reg, reg->chunk, &length);
    fn_start(reg->fn, command, reg->chunk, length, reg->now.mono);
    reg->phase = REGISTER_JOB_FORM;
}

static void on_formed(struct cash_register *reg)
{
    bool faulty = reg->fn->answer == FN_FAULT || reg->fn->answer == FN_CRYPTO_FAULT;
    struct link_result result = register_blank_result(reg);
    if (fn_ok(reg->fn) && register_fn_result(reg, &result)) {
        result.time = reg->document_time - reg->document_time % 60; /* the FN keeps minutes */
        result.total_kop = reg->job.effect.total_kop;
        reg->facts.status.last_document = result.document;
        register_job_done(reg, &result);
    } else {
        /* Whether it was formed is the archive's to tell: even a refusal may be the answer to a
         * damaged frame. */
        if (!fn_ok(reg->fn) && !faulty) {
            explain_refusal(reg);
            reg->job.refused = true;
        }
        register_boot_again(reg, 0);
    }
}

static void on_undone(struct cash_register *reg)
{
    if (register_append(reg, JOURNAL_ABORTED, reg->job.key, KEY_SIZE))
        register_job_refused(reg); /* with what explain_refusal found */
    else
        register_job_unknown(reg);
}

bool register_fiscal_step(struct cash_register *reg)
{
    if (reg->phase == REGISTER_JOB_WAIT) {
        if (!fn_acquire(reg->fn, FN_OWNER_REGISTER))
            return false;
        fn_start(reg->fn, FN_STATUS, NULL, 0, reg->now.mono);
        reg->phase = REGISTER_JOB_STATUS;
        return true;
    }
    if (reg->fn->state == FN_STATE_WAITING)
        return false;
    if (reg->fn->state == FN_STATE_FAILED) {
        reg->facts.known = false;
        bool intended = reg->phase >= REGISTER_JOB_BEGIN && reg->phase != REGISTER_JOB_UNDO;
        if (reg->phase == REGISTER_JOB_UNDO) {
            on_undone(reg);
        } else if (intended) {
            register_boot_again(reg, 0);
        } else {
            fn_refusal(reg->fn, &reg->why);
            register_job_refused(reg);
        }
        return true;
    }
    switch (reg->phase) {
    case REGISTER_JOB_STATUS:
        on_job_status(reg);
        break;
    case REGISTER_JOB_CANCEL:
        fn_start(reg->fn, FN_STATUS, NULL, 0, reg->now.mono);
        reg->phase = REGISTER_JOB_STATUS;
        break;
    case REGISTER_JOB_BEGIN:
    case REGISTER_JOB_DATA:
        /* A receipt must never be formed without data that got lost: begun anew it costs
         * nothing. */
        if ((reg->fn->enquired && !CANARY(ENQ_TRUSTED)) || RARE("fn: a document is begun anew"))
            register_boot_again(reg, 0);
        else if (fn_ok(reg->fn))
            feed_or_form(reg);
        else
            undo(reg);
        break;
    case REGISTER_JOB_FORM:
        on_formed(reg);
        break;
    default:
        assert(reg->phase == REGISTER_JOB_UNDO);
        on_undone(reg);
        break;
    }
    return true;
}
