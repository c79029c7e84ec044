/* The end of every job, and the records it writes: DONE makes a result durable and then answers it,
 * a refusal answers and changes nothing.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/canary.h"

/* ---- Records ---- */

/* Appends, makes durable when asked to, applies. On failure reg->why is set; flash that cannot end
 * a job is not used any more. */
static bool append_record(struct cash_register *reg, uint8_t type, const uint8_t *payload,
                          size_t size, bool sync)
{
    struct journal_record record;
    uint16_t error = journal_append(reg->journal, type, payload, size, &record);
    if (error == ERROR_NONE && sync)
        error = journal_sync(reg->journal);
    if (error == ERROR_NONE) {
        register_state_apply(&reg->state, &record, payload);
        reg->paper_stopped = false;
        return true;
    }
    (void)register_refuse(reg, error, 0, 0);
    if (type == JOURNAL_DONE || type == JOURNAL_ABORTED) {
        reg->boot_error = error;
        register_trace(reg, TRACE_ERROR,
                       "journal: cannot write the end of a job, stopped: ", error);
    }
    return false;
}

bool register_append(struct cash_register *reg, uint8_t type, const uint8_t *payload, size_t size)
{
    return append_record(reg, type, payload, size, true);
}

/* The dictionary, which the body has passed, knows no longer name or INN. */
static uint8_t copy_field(const struct cash_register *reg, uint16_t tag, uint8_t *out,
                          size_t capacity)
{
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, tag, &tlv) != 1)
        return 0;
    assert(tlv.length <= capacity);
    memcpy(out, tlv.value, tlv.length);
    return (uint8_t)tlv.length;
}

static void remember_cashier(const struct cash_register *reg, struct job_cashier *cashier)
{
    cashier->name_size = copy_field(reg, TAG_CASHIER, cashier->name, sizeof(cashier->name));
    cashier->inn_size = copy_field(reg, TAG_CASHIER_INN, cashier->inn, sizeof(cashier->inn));
}

bool register_write_intent(struct cash_register *reg)
{
    if (CANARY(NO_INTENT))
        return true;
    uint8_t payload[192];
    struct byte_writer writer;
    struct job_intent intent = {.job = reg->job.code,
                                .last_document = reg->facts.status.last_document,
                                .effect = reg->job.effect};
    memcpy(intent.key, reg->job.key, KEY_SIZE);
    memcpy(intent.digest, reg->job.digest, DIGEST_SIZE);
    if (reg->job.code == LINK_SHIFT_OPEN)
        remember_cashier(reg, &intent.cashier);
    byte_writer_init(&writer, payload, sizeof(payload));
    job_intent_put(&writer, &intent);
    assert(byte_writer_ok(&writer));
    return register_append(reg, JOURNAL_INTENT, payload, writer.length);
}

/* ---- Ends of a job ---- */

static void restore_outer(struct cash_register *reg)
{
    reg->job = reg->outer;
    reg->has_outer = false;
}

void register_job_refused(struct cash_register *reg)
{
    /* A job refused while the FN is being asked who it is leaves that conversation alone. */
    if (reg->phase >= REGISTER_IDLE) {
        fn_release(reg->fn, FN_OWNER_REGISTER);
        reg->phase = reg->facts.known ? REGISTER_IDLE : REGISTER_BOOT;
    }
    if (reg->has_outer)
        restore_outer(reg);
    if (!reg->job.attached)
        return;
    reg->job.attached = false;
    /* With a journal that cannot be read, or that failed to take the end of a job, nobody knows
     * whether this key was punched: without the key the refusal proves nothing to the driver. */
    bool proves =
        (reg->job.key_asked && reg->boot_error == ERROR_NONE) || CANARY(DEAD_JOURNAL_PROVES);
    register_answer_refusal(reg, reg->job.code, link_server_exchange(reg->link), &reg->why,
                            proves ? reg->job.key : NULL, true);
}

static bool write_done(struct cash_register *reg, const struct link_result *result, bool mine)
{
    uint8_t payload[256];
    struct byte_writer writer;
    struct job_done done = {.result = *result};
    if (mine) {
        done.effect = reg->job.effect;
        memcpy(done.digest, reg->job.digest, DIGEST_SIZE);
    } else {
        done.effect = reg->state.intent.effect;
        memcpy(done.digest, reg->state.intent.digest, DIGEST_SIZE);
        done.cashier = reg->state.intent.cashier;
    }
    done.slip = done.effect.slip_form != 0 ? reg->state.next_slip : 0;
    if (mine && result->job == LINK_SHIFT_OPEN)
        remember_cashier(reg, &done.cashier);
    byte_writer_init(&writer, payload, sizeof(payload));
    job_done_put(&writer, &done);
    assert(byte_writer_ok(&writer));
    /* A receipt is already durable twice over: its INTENT here and its document in the FN, from
     * which a boot makes this very record again. Nothing is appended after it unsynced but records
     * about paper, and the next INTENT syncs it. So on flash that buffers (a file) the answer need
     * not wait for it; on NOR it is durable as soon as it is programmed. */
    return append_record(reg, JOURNAL_DONE, payload, writer.length, result->job != LINK_RECEIPT);
}

void register_job_unknown(struct cash_register *reg)
{
    (void)register_refuse(reg, ERROR_OUTCOME_UNKNOWN, 0, 0);
    register_job_refused(reg);
}

/* False: the job was refused. */
bool register_job_check_all(struct cash_register *reg)
{
    memset(&reg->job.effect, 0, sizeof(reg->job.effect));
    reg->job.flags &= LINK_RESULT_SHIFT_OPENED;
    if (register_job_check(reg))
        return true;
    register_job_refused(reg);
    return false;
}

/* The shift is open: the receipt that wanted it is checked against the new state. Only a receipt
 * has a shift opened for it (open_shift_first), so what goes on is always fiscal. */
static void go_on_with_outer(struct cash_register *reg)
{
    restore_outer(reg);
    reg->job.flags |= LINK_RESULT_SHIFT_OPENED;
    assert(register_job_is_fiscal(reg->job.code));
    if (register_job_check_all(reg))
        reg->phase = REGISTER_JOB_WAIT;
}

/* The job's DONE: durable, then answered, then paper and drawer. result->job, key and numbers are
 * set. */
void register_job_done(struct cash_register *reg, struct link_result *result)
{
    /* After a recovery the job in RAM, if any, is the one the journal speaks of: no other is begun
     * while an INTENT is open. */
    bool mine = reg->job.attached;
    assert(!mine || memcmp(reg->job.key, result->key, KEY_SIZE) == 0);
    bool drawer = mine ? reg->job.effect.drawer : false;
    bool recovered = (result->flags & LINK_RESULT_RECOVERED) != 0;
    if (mine)
        result->flags |= reg->job.flags;
    fn_release(reg->fn, FN_OWNER_REGISTER);
    reg->phase = reg->facts.known ? REGISTER_IDLE : REGISTER_BOOT;
    bool early = mine && !reg->job.inner;
    if (CANARY(ANSWER_BEFORE_DONE) && early)
        register_answer_result(reg, result->job, link_server_exchange(reg->link), result, true);
    if (!write_done(reg, result, mine)) {
        if (CANARY(ANSWER_BEFORE_DONE) && early)
            reg->job.attached = false;
        else if (mine)
            register_job_unknown(reg);
        return;
    }
    if (result->job == LINK_REGISTRATION) {
        reg->settings_changed = true;
    }
    if (result->document != 0)
        ofd_client_formed(reg->ofd);
    if (mine && reg->job.inner) {
        go_on_with_outer(reg);
        return;
    }
    if (mine) {
        reg->job.attached = false;
        if (reg->job.effect.slip_form != 0 && printer_ready(reg->printer) != ERROR_NONE)
            result->flags |= LINK_RESULT_NOT_PRINTED;
        /* The slip needs the request's bytes, which answering gives back. */
        if (!recovered)
            register_slips_queue_done(reg, result);
        if (!CANARY(ANSWER_BEFORE_DONE))
            register_answer_result(reg, result->job, link_server_exchange(reg->link), result, true);
        if (drawer && result->job != LINK_DRAWER_OPEN)
            drawer_open(reg->drawer, reg->now.mono);
    }
    if (result->job == LINK_REGISTRATION)
        register_boot_again(reg, 0); /* asks the FN's facts anew */
}

struct link_result register_blank_result(const struct cash_register *reg)
{
    struct link_result result = {.job = reg->job.code, .time = reg->now.calendar};
    memcpy(result.key, reg->job.key, KEY_SIZE);
    return result;
}
