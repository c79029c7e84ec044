#include "firmware/cash_register.h"

#include <assert.h>
#include <string.h>

#include "firmware/register_internal.h"
#include "proto/canary.h"
#include "proto/rare.h"
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
    assert(length > 0 && length <= sizeof(line) - sizeof(digits));
    memcpy(line, text, length);
    if (line[length - 1] == ' ') {
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
    /* While a document is read back the last job is over, and its bytes are gone. */
    bool working = reg->phase > REGISTER_IDLE && reg->phase < REGISTER_READ_WAIT;
    bool registering = working && reg->job.code == LINK_REGISTRATION;
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
    if (reg->facts.valid_until != 0 && reg->now.calendar > reg->facts.valid_until)
        return ERROR_FN_EXPIRED;
    if (!cash_register_registered(reg))
        return reg->facts.status.phase == FN_PHASE_READY ? ERROR_NOT_REGISTERED : ERROR_FN_STATE;
    if (reg->now.calendar == 0)
        return ERROR_CLOCK;
    if (reg->ofd->report.queue_count > 0 && reg->ofd->report.days_left == 0)
        return ERROR_OFD_OVERDUE;
    if (!reg->state.shift_open)
        return ERROR_SHIFT_CLOSED;
    if (register_shift_expired(reg))
        return ERROR_SHIFT_EXPIRED;
    return printer_ready(reg->printer);
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
    if (!register_job_check_all(reg))
        return;
    if (job->code == LINK_RECEIPT && !reg->state.shift_open) {
        open_shift_first(reg);
        /* Everything it needs the receipt's checks have found already, the cashier too. */
        bool good = register_job_check(reg);
        assert(good);
        (void)good;
    }
    if (register_job_is_fiscal(job->code))
        reg->phase = REGISTER_JOB_WAIT;
    else if (job->code == LINK_COPY)
        register_read_start(reg, READ_FOR_COPY, job->copy_of);
    else
        register_job_do_local(reg);
}

/* What the journal knows of a key cannot be told. That is about the board and says nothing of the
 * job, which may have been done: the answer names no key, and the driver keeps the job. */
static void answer_unreadable(struct cash_register *reg, uint16_t error)
{
    struct refusal why = {.code = error};
    reg->job.attached = false;
    register_answer_refusal(reg, reg->job.code, link_server_exchange(reg->link), &why,
                            CANARY(DEAD_JOURNAL_PROVES) ? reg->job.key : NULL, true);
}

/* The same key again: the same answer, or a conflict. False: the key is new. */
static bool answer_known_key(struct cash_register *reg)
{
    struct register_job *job = &reg->job;
    struct job_done done;
    if (reg->state.has_intent && memcmp(reg->state.intent.key, job->key, KEY_SIZE) == 0) {
        bool same = memcmp(reg->state.intent.digest, job->digest, DIGEST_SIZE) == 0;
        job->key_asked = true;
        (void)register_refuse(reg, same ? ERROR_OUTCOME_UNKNOWN : ERROR_KEY_CONFLICT, 0, 0);
        register_job_refused(reg);
        return true;
    }
    int found = CANARY(NO_KEY_RECORD) ? 0 : register_find_done(reg, job->key, &done);
    job->key_asked = found >= 0;
    if (found == 0)
        return false;
    if (found < 0) {
        answer_unreadable(reg, ERROR_JOURNAL_FAULT);
        return true;
    }
    if (memcmp(done.digest, job->digest, DIGEST_SIZE) != 0) {
        (void)register_refuse(reg, ERROR_KEY_CONFLICT, 0, 0);
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
    if (reg->boot_error != ERROR_NONE) {
        answer_unreadable(reg, reg->boot_error);
        return;
    }
    uint8_t hash[SHA256_SIZE];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, &job->code, 1);
    sha256_update(&sha, job->body, job->size);
    sha256_final(&sha, hash);
    memcpy(job->digest, hash, DIGEST_SIZE);
    if (answer_known_key(reg))
        return;
    if (request->too_large) {
        (void)register_refuse(reg, ERROR_TOO_LARGE, 0, LIMIT_REQUEST_BYTES);
        register_job_refused(reg);
        return;
    }
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

/* While the FN is being asked, only jobs that need it are taken, and only to be refused: it is
 * known to be silent. */
static bool may_take_job(const struct cash_register *reg, uint8_t code)
{
    bool between = reg->phase == REGISTER_IDLE || reg->phase == REGISTER_BOOT;
    bool to_refuse = reg->phase < REGISTER_IDLE && reg->boot_failures > 0 &&
                     (register_job_is_fiscal(code) || code == LINK_COPY);
    assert(!reg->job.attached); /* its request would still hold the link's buffer */
    return (between || to_refuse) && !too_early(reg) && !paper_is_behind(reg);
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
    if (code == 0 || (job && (!may_take_job(reg, code) || RARE("register: a job waits a turn"))))
        return false;
    bool taken = link_server_take(reg->link, &request);
    assert(taken); /* one waits, and the caller saw that it can be answered */
    (void)taken;
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
    if (reg->phase == REGISTER_IDLE) {
        if (RARE("register: the FN is asked who it is"))
            register_boot_again(reg, 0);
        return false;
    }
    if (reg->phase == REGISTER_JOB_DRAWER)
        return register_drawer_step(reg);
    if (reg->phase >= REGISTER_READ_WAIT)
        return register_read_step(reg);
    return register_fiscal_step(reg);
}

/* The signature of an offered firmware takes many turns. */
static bool answer_update(struct cash_register *reg)
{
    struct refusal why;
    if (!ofd_client_is_closed(reg->ofd) || !update_checked(reg->update, &why))
        return reg->update->phase == UPDATE_PHASE_CHECKING;
    register_answer_update(reg, link_server_exchange(reg->link), &why);
    return true;
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
        moved = answer_update(reg) || moved;
    if (link_server_can_answer(reg->link))
        moved = take_requests(reg) || moved;
    moved = register_slips_step(reg) || moved;
    report_confirmation(reg);
    return moved;
}
