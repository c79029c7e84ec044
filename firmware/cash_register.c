#include "firmware/cash_register.h"

#include <assert.h>
#include <string.h>

#include "firmware/register_internal.h"
#include "proto/sha256.h"

#define PAPER_KNOWN_WITHIN_MS 2000u

void cash_register_init(struct cash_register *reg)
{
    reg->phase = REGISTER_BOOT;
    reg->settings_changed = true;
}

void register_trace(const struct cash_register *reg, enum board_trace_level level, const char *text,
                    uint32_t number)
{
    char line[128];
    char digits[11];
    size_t count = 0;
    size_t length = strlen(text);
    if (length > sizeof(line) - sizeof(digits))
        length = sizeof(line) - sizeof(digits);
    memcpy(line, text, length);
    if (length > 0 && line[length - 1] == ' ') {
        do {
            digits[count++] = (char)('0' + number % 10);
            number /= 10;
        } while (number > 0);
        while (count > 0)
            line[length++] = digits[--count];
    }
    line[length] = '\0';
    reg->board->trace(reg->board->context, level, line);
}

bool cash_register_registered(const struct cash_register *reg)
{
    return reg->facts.known && reg->facts.status.phase == FN_PHASE_FISCAL &&
           reg->foreign == ERROR_NONE;
}

uint8_t cash_register_ffd(const struct cash_register *reg)
{
    uint8_t ffd = 0;
    struct tlv tlv;
    bool registering = reg->phase > REGISTER_IDLE && reg->job.code == LINK_REGISTRATION;
    if (registering)
        (void)tlv_find_u8(reg->job.body, reg->job.size, TAG_FFD_VERSION, &ffd);
    else if (settings_find(reg->settings, TAG_REGISTERED_FFD, &tlv))
        (void)tlv_get_u8(&tlv, &ffd);
    return ffd;
}

uint16_t cash_register_block_reason(const struct cash_register *reg)
{
    if (reg->boot_error != ERROR_NONE)
        return reg->boot_error;
    if (!reg->facts.known)
        return ERROR_FN_SILENT;
    if (reg->foreign != ERROR_NONE)
        return reg->foreign;
    if (!cash_register_registered(reg))
        return reg->facts.status.phase == FN_PHASE_READY ? ERROR_NOT_REGISTERED : ERROR_FN_STATE;
    if (reg->now.calendar == 0)
        return ERROR_CLOCK;
    if (reg->ofd->report.queue_count > 0 && reg->ofd->report.days_left == 0)
        return ERROR_OFD_OVERDUE;
    if (!reg->state.shift_open)
        return ERROR_SHIFT_CLOSED;
    if (reg->now.calendar > reg->state.shift_opened_at &&
        reg->now.calendar - reg->state.shift_opened_at > 86400u)
        return ERROR_SHIFT_EXPIRED;
    return printer_ready(reg->printer);
}

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

static void remember_cashier(const struct cash_register *reg, struct job_cashier *cashier)
{
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, TAG_CASHIER, &tlv) == 1 &&
        tlv.length <= sizeof(cashier->name)) {
        memcpy(cashier->name, tlv.value, tlv.length);
        cashier->name_size = (uint8_t)tlv.length;
    }
    if (tlv_find(reg->job.body, reg->job.size, TAG_CASHIER_INN, &tlv) == 1 &&
        tlv.length <= sizeof(cashier->inn)) {
        memcpy(cashier->inn, tlv.value, tlv.length);
        cashier->inn_size = (uint8_t)tlv.length;
    }
}

static bool write_intent(struct cash_register *reg)
{
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
    fn_release(reg->fn, FN_OWNER_REGISTER);
    reg->phase = reg->facts.known ? REGISTER_IDLE : REGISTER_BOOT;
    if (reg->has_outer)
        restore_outer(reg);
    if (!reg->job.attached)
        return;
    reg->job.attached = false;
    register_answer_refusal(reg, reg->job.code, link_server_exchange(reg->link), &reg->why,
                            reg->job.key, true);
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

static void answer_unknown(struct cash_register *reg)
{
    (void)register_refuse(reg, ERROR_OUTCOME_UNKNOWN, 0, 0);
    register_job_refused(reg);
}

/* False: the job was refused. */
static bool check_job(struct cash_register *reg)
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
    if (check_job(reg))
        reg->phase = REGISTER_JOB_WAIT;
}

/* The job's DONE: durable, then answered, then paper and drawer. result->job, key and numbers are
 * set. */
void register_job_done(struct cash_register *reg, struct link_result *result)
{
    /* After a recovery the job in RAM, if any, is the one the journal speaks of. */
    bool mine = reg->job.attached && memcmp(reg->job.key, result->key, KEY_SIZE) == 0;
    bool drawer = mine ? reg->job.effect.drawer : false;
    bool recovered = (result->flags & LINK_RESULT_RECOVERED) != 0;
    if (mine)
        result->flags |= reg->job.flags;
    fn_release(reg->fn, FN_OWNER_REGISTER);
    reg->phase = REGISTER_IDLE;
    if (!write_done(reg, result, mine)) {
        if (mine)
            answer_unknown(reg);
        return;
    }
    if (result->job == LINK_REGISTRATION) {
        reg->settings_changed = true;
    }
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
        register_answer_result(reg, result->job, link_server_exchange(reg->link), result, true);
        if (drawer && result->job != LINK_DRAWER_OPEN)
            drawer_open(reg->drawer, reg->now.mono);
    }
    if (result->document != 0)
        ofd_client_wake(reg->ofd);
    if (result->job == LINK_REGISTRATION)
        register_boot_again(reg, 0); /* asks the FN's facts anew */
}

static struct link_result blank_result(const struct cash_register *reg)
{
    struct link_result result = {.job = reg->job.code, .time = reg->now.calendar};
    memcpy(result.key, reg->job.key, KEY_SIZE);
    return result;
}

/* ---- Jobs without a fiscal document ---- */

static uint16_t act_locally(struct cash_register *reg)
{
    struct tlv tlv;
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
        if (tlv_find(reg->job.body, reg->job.size, TAG_NEW_TIME, &tlv) != 1 ||
            !tlv_get_u32(&tlv, &time) || reg->board->clock_set(reg->board->context, time) != 0)
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
        if (!write_intent(reg)) {
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
    struct link_result result = blank_result(reg);
    result.document = reg->job.copy_of;
    result.shift = reg->state.shift_open ? reg->state.shift_number : 0;
    result.total_kop = reg->state.cash_kop;
    if (reg->job.code == LINK_CASH_IN)
        result.total_kop += reg->job.effect.total_kop;
    if (reg->job.code == LINK_CASH_OUT)
        result.total_kop -= reg->job.effect.total_kop;
    register_job_done(reg, &result);
}

static bool drawer_step_job(struct cash_register *reg)
{
    if (reg->drawer->sensing)
        return false;
    if (reg->drawer->stuck) {
        if (!register_append(reg, JOURNAL_ABORTED, reg->job.key, KEY_SIZE)) {
            answer_unknown(reg);
            return true;
        }
        (void)register_refuse(reg, ERROR_DRAWER_STUCK, TAG_DRAWER_STATE, 0);
        register_job_refused(reg);
        return true;
    }
    struct link_result result = blank_result(reg);
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
    if (!register_fn_fits(reg) || !write_intent(reg)) {
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
    fn_refusal(reg->fn, &reg->why);
    if (reg->fn->answer == FN_STORAGE && (reg->facts.status.warnings & FN_WARNING_OFD) != 0)
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
    int size = register_fn_next_chunk(reg);
    if (size > 0) {
        fn_start(reg->fn, FN_DATA, reg->chunk, (size_t)size, reg->now.mono);
        reg->phase = REGISTER_JOB_DATA;
        return;
    }
    assert(size == 0); /* an element larger than a block was refused by the checks */
    size_t length = 0;
    uint8_t command = register_fn_form(reg, reg->chunk, &length);
    fn_start(reg->fn, command, reg->chunk, length, reg->now.mono);
    reg->phase = REGISTER_JOB_FORM;
}

static void on_formed(struct cash_register *reg)
{
    bool faulty = reg->fn->answer == FN_FAULT || reg->fn->answer == FN_CRYPTO_FAULT;
    struct link_result result = blank_result(reg);
    if (fn_ok(reg->fn) && register_fn_result(reg, &result)) {
        result.time -= result.time % 60; /* the FN keeps minutes */
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
    struct refusal why = reg->why;
    if (!register_append(reg, JOURNAL_ABORTED, reg->job.key, KEY_SIZE)) {
        answer_unknown(reg);
        return;
    }
    reg->why = why;
    register_job_refused(reg);
}

static bool fiscal_step(struct cash_register *reg)
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
        if (fn_ok(reg->fn))
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

/* ---- Beginning of a job ---- */

/* A shift opened on behalf of a receipt is a job of its own, with a key made from the receipt's. */
static void open_shift_first(struct cash_register *reg)
{
    uint8_t hash[SHA256_SIZE];
    struct sha256 sha;
    reg->outer = reg->job;
    reg->has_outer = true;
    sha256_init(&sha);
    sha256_update(&sha, reg->outer.key, KEY_SIZE);
    sha256_update(&sha, "shift", 5);
    sha256_final(&sha, hash);
    memcpy(reg->job.key, hash, KEY_SIZE);
    memcpy(reg->job.digest, reg->outer.digest, DIGEST_SIZE);
    memset(&reg->job.effect, 0, sizeof(reg->job.effect));
    reg->job.code = LINK_SHIFT_OPEN;
    reg->job.inner = true;
    reg->job.flags = 0;
}

void register_job_start(struct cash_register *reg)
{
    struct register_job *job = &reg->job;
    if (!check_job(reg))
        return;
    if (job->code == LINK_RECEIPT && !reg->state.shift_open) {
        open_shift_first(reg);
        if (!register_job_check(reg)) {
            register_job_refused(reg);
            return;
        }
    }
    if (register_job_is_fiscal(job->code))
        reg->phase = REGISTER_JOB_WAIT;
    else if (job->code == LINK_COPY)
        register_read_start(reg, READ_FOR_COPY, job->copy_of);
    else
        register_job_do_local(reg);
}

/* The same key again: the same answer, or a conflict. False: the key is new. */
static bool answer_known_key(struct cash_register *reg)
{
    struct register_job *job = &reg->job;
    struct job_done done;
    if (reg->state.has_intent && memcmp(reg->state.intent.key, job->key, KEY_SIZE) == 0) {
        bool same = memcmp(reg->state.intent.digest, job->digest, DIGEST_SIZE) == 0;
        (void)register_refuse(reg, same ? ERROR_OUTCOME_UNKNOWN : ERROR_KEY_CONFLICT, 0, 0);
        register_job_refused(reg);
        return true;
    }
    int found = register_find_done(reg, job->key, &done);
    if (found == 0)
        return false;
    if (found < 0 || memcmp(done.digest, job->digest, DIGEST_SIZE) != 0) {
        (void)register_refuse(reg, found < 0 ? ERROR_JOURNAL_FAULT : ERROR_KEY_CONFLICT, 0, 0);
        register_job_refused(reg);
        return true;
    }
    done.result.flags |= LINK_RESULT_REPLAYED;
    job->attached = false;
    register_answer_result(reg, job->code, link_server_exchange(reg->link), &done.result, true);
    return true;
}

static void accept_job(struct cash_register *reg, const struct link_request *request)
{
    struct link_job parsed;
    struct refusal why = {.code = ERROR_REQUEST_MALFORMED};
    if (!link_job_get(request->body, request->size, &parsed)) {
        register_answer_refusal(reg, request->code, request->exchange, &why, NULL, true);
        return;
    }
    struct register_job *job = &reg->job;
    *job = (struct register_job){.attached = true,
                                 .code = request->code,
                                 .body = parsed.body,
                                 .size = parsed.size,
                                 .started = reg->now.mono};
    memcpy(job->key, parsed.key, KEY_SIZE);
    reg->has_outer = false;
    if (parsed.device_tag != link_device_tag(reg->board->serial)) {
        (void)register_refuse(reg, ERROR_OTHER_DEVICE, TAG_BOARD_SERIAL, 0);
        register_job_refused(reg);
        return;
    }
    uint8_t hash[SHA256_SIZE];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, &job->code, 1);
    sha256_update(&sha, job->body, job->size);
    sha256_final(&sha, hash);
    memcpy(job->digest, hash, DIGEST_SIZE);
    if (reg->boot_error == ERROR_NONE && answer_known_key(reg))
        return;
    register_job_start(reg);
}

/* Right after start the head and the FN have not told their state yet: a job waits for that a
 * moment. */
static bool too_early(const struct cash_register *reg)
{
    bool fn_unknown = !reg->facts.known && reg->boot_failures == 0;
    /* A head that was switched on with the board is off-line for a moment. */
    bool paper_unknown = printer_ready(reg->printer) != ERROR_NONE &&
                         reg->now.mono - reg->started_at < PAPER_KNOWN_WITHIN_MS;
    return reg->boot_error == ERROR_NONE && (fn_unknown || paper_unknown);
}

/* A printer that works but is behind: the next job waits its turn instead of being refused. A shift
 * opened on behalf of a receipt owes a slip of its own. */
static bool paper_is_behind(const struct cash_register *reg)
{
    return reg->state.owed_count + 2u > OWED_SLIPS_MAX && printer_ready(reg->printer) == ERROR_NONE;
}

static bool may_take_job(const struct cash_register *reg)
{
    bool free = reg->phase == REGISTER_IDLE || (reg->phase < REGISTER_IDLE && !reg->job.attached);
    return free && !too_early(reg) && !paper_is_behind(reg);
}

static bool take_requests(struct cash_register *reg)
{
    struct link_request request;
    if (link_server_take_side(reg->link, &request)) {
        register_query(reg, &request, false);
        return true;
    }
    uint8_t code = link_server_waiting(reg->link);
    bool job = code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST;
    if (code == 0 || (job && !may_take_job(reg)) || !link_server_take(reg->link, &request))
        return false;
    if (job)
        accept_job(reg, &request);
    else
        register_query(reg, &request, true);
    return true;
}

static void report_confirmation(struct cash_register *reg)
{
    uint32_t document = ofd_client_take_confirmed(reg->ofd);
    if (document == 0)
        return;
    uint8_t body[16];
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, document);
    link_server_event(reg->link, LINK_EVENT_CONFIRMED, body, writer.length);
}

static bool phase_step(struct cash_register *reg)
{
    if (reg->phase < REGISTER_IDLE)
        return register_boot_step(reg);
    if (reg->phase == REGISTER_IDLE)
        return false;
    if (reg->phase == REGISTER_JOB_DRAWER)
        return drawer_step_job(reg);
    if (reg->phase >= REGISTER_READ_WAIT)
        return register_read_step(reg);
    return fiscal_step(reg);
}

bool cash_register_step(struct cash_register *reg, const struct moment *now)
{
    reg->now = *now;
    if (!reg->started)
        reg->started_at = now->mono;
    reg->started = true;
    /* Ends of jobs answer at once, so nothing moves while the last answer is still on
     * its way out. */
    if (!link_server_can_answer(reg->link))
        return false;
    bool moved = phase_step(reg);
    if (link_server_can_answer(reg->link))
        moved = take_requests(reg) || moved;
    moved = register_slips_step(reg) || moved;
    report_confirmation(reg);
    return moved;
}
