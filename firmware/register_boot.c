/* Who is the FN, and what became of the job the power cut interrupted. Runs at start, after
 * registration, and whenever the FN fell silent; the diagram stands in cash_register.h.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

void register_boot_again(struct cash_register *reg, uint32_t delay_ms)
{
    fn_release(reg->fn, FN_OWNER_REGISTER);
    reg->facts.known = false;
    reg->retry_at = reg->now.mono + delay_ms;
    reg->phase = REGISTER_BOOT;
}

static void ask(struct cash_register *reg, uint8_t command, enum register_phase phase)
{
    fn_start(reg->fn, command, NULL, 0, reg->now.mono);
    reg->phase = phase;
}

/* The host is not kept waiting for an FN that does not come back. */
static void give_up_answering(struct cash_register *reg)
{
    if (!reg->job.attached || reg->now.mono - reg->job.started < UNKNOWN_AFTER_MS)
        return;
    struct refusal why = {.code = ERROR_OUTCOME_UNKNOWN};
    const struct register_job *job = reg->has_outer ? &reg->outer : &reg->job;
    register_answer_refusal(reg, job->code, link_server_exchange(reg->link), &why, job->key, true);
    reg->job.attached = false;
    reg->has_outer = false;
}

static void silent(struct cash_register *reg)
{
    if (reg->boot_failures++ == 0)
        register_trace(reg, TRACE_ERROR, "FN: no answer", 0);
    register_boot_again(reg, FN_RETRY_MS);
}

/* Nothing is left to settle. */
static void settled(struct cash_register *reg)
{
    fn_release(reg->fn, FN_OWNER_REGISTER);
    if (reg->boot_failures > 0)
        register_trace(reg, TRACE_INFO, "FN: answers again", 0);
    reg->boot_failures = 0;
    reg->facts.known = true;
    reg->phase = REGISTER_IDLE;
    ofd_client_wake(reg->ofd);
}

static void foreign(struct cash_register *reg, const char *text, uint32_t number)
{
    register_trace(reg, TRACE_ERROR, text, number);
    reg->foreign = ERROR_FN_FOREIGN;
    settled(reg);
    /* What became of the job only the FN can tell that it was begun with. */
    if (reg->job.attached)
        register_job_unknown(reg);
}

/* The interrupted document was never formed. */
static void never_happened(struct cash_register *reg)
{
    struct refusal why = reg->why;
    if (!register_append(reg, JOURNAL_ABORTED, reg->state.intent.key, KEY_SIZE)) {
        settled(reg);
        register_job_unknown(reg);
        return;
    }
    register_trace(reg, TRACE_INFO, "recovery: the interrupted job is not in the FN's archive", 0);
    settled(reg);
    if (!reg->job.attached)
        return;
    if (reg->job.refused) {
        reg->why = why;
        register_job_refused(reg);
    } else if (++reg->job.attempts < 3) {
        register_job_start(reg);
    } else {
        (void)register_refuse(reg, ERROR_FN_SILENT, 0, 0);
        register_job_refused(reg);
    }
}

static void find_interrupted(struct cash_register *reg)
{
    uint8_t data[4];
    struct byte_writer writer;
    byte_writer_init(&writer, data, sizeof(data));
    put_u32le(&writer, reg->facts.status.last_document);
    fn_start(reg->fn, FN_FIND_DOCUMENT, data, sizeof(data), reg->now.mono);
    reg->phase = REGISTER_BOOT_FIND;
}

static bool same_fn(const struct cash_register *reg)
{
    struct tlv tlv;
    return settings_find(reg->settings, TAG_FN_NUMBER, &tlv) &&
           memcmp(tlv.value, reg->facts.status.number, 16) == 0; /* as store_registration put it */
}

static void settle(struct cash_register *reg)
{
    const struct fn_status *status = &reg->facts.status;
    reg->foreign = ERROR_NONE;
    if (reg->state.has_intent) {
        uint32_t before = reg->state.intent.last_document;
        if (status->last_document == before)
            never_happened(reg);
        else if (status->last_document == before + 1)
            find_interrupted(reg);
        else
            foreign(reg, "FN: its last document does not follow the interrupted job: ",
                    status->last_document);
        return;
    }
    bool fiscal = status->phase == FN_PHASE_FISCAL;
    if (fiscal && !same_fn(reg))
        foreign(reg, "FN: registered, but not by this board; its last document is ",
                status->last_document);
    else if (fiscal && status->last_document != reg->state.last_document)
        foreign(reg, "FN: its last document is not the journal's: ", status->last_document);
    else
        settled(reg);
}

static void on_find(struct cash_register *reg)
{
    struct link_result result;
    if (!fn_ok(reg->fn) || !register_fn_recovered(reg, reg->fn->data, reg->fn->size, &result)) {
        foreign(reg, "FN: the document after the interrupted job is another one: ",
                reg->facts.status.last_document);
        return;
    }
    result.shift = reg->state.intent.job == LINK_REGISTRATION ? 0 : reg->facts.shift;
    if (result.job == LINK_RECEIPT || result.job == LINK_SHIFT_CLOSE)
        result.receipt = reg->facts.receipt;
    register_trace(reg, TRACE_WARNING, "recovery: found in the FN, document ", result.document);
    settled(reg);
    register_job_done(reg, &result);
}

static void on_status(struct cash_register *reg)
{
    if (!fn_ok(reg->fn) || !fn_status_get(reg->fn->data, reg->fn->size, &reg->facts.status)) {
        silent(reg);
        return;
    }
    if (reg->facts.status.document != FN_DOCUMENT_NONE)
        ask(reg, FN_CANCEL, REGISTER_BOOT_CANCEL);
    else
        ask(reg, FN_FFD, REGISTER_BOOT_FFD);
}

static void on_life(struct cash_register *reg)
{
    const uint8_t *data = reg->fn->data;
    if (!fn_ok(reg->fn) || reg->fn->size < 3)
        return;
    uint8_t time[DATE_TIME_SIZE] = {data[0], data[1], data[2], 0, 0};
    if (!date_time_to_unix(time, &reg->facts.valid_until))
        reg->facts.valid_until = 0;
    if (reg->fn->size >= 5) {
        reg->facts.registrations_left = data[3];
        reg->facts.registrations_made = data[4];
    }
}

static void on_version(struct cash_register *reg)
{
    if (!fn_ok(reg->fn) || reg->fn->size < 17)
        return;
    memcpy(reg->facts.version, reg->fn->data, 16);
    reg->facts.version[16] = '\0';
    for (unsigned i = 16; i > 0 && (reg->facts.version[i - 1] == ' '); i--)
        reg->facts.version[i - 1] = '\0';
    reg->facts.execution = reg->fn->data[16];
}

/* A recovered receipt takes its numbers from here, so a registered FN must tell them. False: it did
 * not. */
static bool on_shift(struct cash_register *reg)
{
    const struct fn_client *fn = reg->fn;
    bool told = fn_ok(fn) && fn->size >= 5;
    reg->facts.shift = told ? get_u16le(fn->data + 1) : 0;
    reg->facts.receipt = told ? get_u16le(fn->data + 3) : 0;
    return told || reg->facts.status.phase != FN_PHASE_FISCAL;
}

/* A drawer has no archive to ask: a pulse that may have been given is not given again. */
static void settle_drawer(struct cash_register *reg)
{
    if (!reg->state.has_intent || reg->state.intent.job != LINK_DRAWER_OPEN)
        return;
    struct link_result result = {.job = LINK_DRAWER_OPEN,
                                 .flags = LINK_RESULT_RECOVERED,
                                 .time = reg->now.calendar,
                                 .total_kop = reg->state.cash_kop};
    memcpy(result.key, reg->state.intent.key, KEY_SIZE);
    register_job_done(reg, &result);
    reg->phase = REGISTER_BOOT;
}

static void on_answer(struct cash_register *reg)
{
    const struct fn_client *fn = reg->fn;
    switch (reg->phase) {
    case REGISTER_BOOT_STATUS:
        on_status(reg);
        break;
    case REGISTER_BOOT_CANCEL:
        ask(reg, FN_FFD, REGISTER_BOOT_FFD);
        break;
    case REGISTER_BOOT_FFD: /* an old FN does not know the question */
        reg->facts.ffd = fn_ok(fn) && fn->size >= 1 ? fn->data[0] : 0;
        reg->facts.ffd_max = fn_ok(fn) && fn->size >= 2 ? fn->data[1] : 0;
        ask(reg, FN_VALID_UNTIL, REGISTER_BOOT_LIFE);
        break;
    case REGISTER_BOOT_LIFE:
        on_life(reg);
        ask(reg, FN_VERSION, REGISTER_BOOT_VERSION);
        break;
    case REGISTER_BOOT_VERSION:
        on_version(reg);
        ask(reg, FN_SHIFT_STATUS, REGISTER_BOOT_SHIFT);
        break;
    case REGISTER_BOOT_SHIFT:
        if (on_shift(reg))
            settle(reg);
        else
            silent(reg);
        break;
    default:
        assert(reg->phase == REGISTER_BOOT_FIND);
        on_find(reg);
        break;
    }
}

bool register_boot_step(struct cash_register *reg)
{
    give_up_answering(reg);
    if (reg->phase == REGISTER_BOOT) {
        if (reg->boot_error != ERROR_NONE || reg->now.mono < reg->retry_at)
            return false;
        settle_drawer(reg);
        if (!fn_acquire(reg->fn, FN_OWNER_REGISTER))
            return false;
        ask(reg, FN_STATUS, REGISTER_BOOT_STATUS);
        return true;
    }
    if (reg->fn->state == FN_STATE_WAITING)
        return false;
    if (reg->fn->state == FN_STATE_FAILED)
        silent(reg);
    else
        on_answer(reg);
    return true;
}
