/* The public functions of the queue: storing, taking back, looking, and the blocking loop around
 * the worker. Time, waiting and who holds the lock beside the file live here; what to do next is
 * decided in worker.c, what is on disk in queue_store.c, how a file is locked in queue_lock.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostdrv/clock.h"
#include "hostdrv/device.h"
#include "hostdrv/fault.h"
#include "hostdrv/queue_lock.h"
#include "hostdrv/worker.h"
#include "proto/rare.h"
#include "proto/receipt.h"
#include "proto/tlv.h"

#define OTHERS_POLL_MS       20u /* how often another process' work is looked at */
#define FRUITLESS_ROUNDS_MAX 3u  /* times the queue was empty without the job waited for */
#define FRUITLESS_LOSSES_MAX 3u  /* connections in a row that broke before a job was answered */

struct kkt_queue {
    struct queue_store store;
    struct worker worker;
    int lock; /* handle of FILE.lock */
};

void queue_set_step_hook(kkt_queue *queue, queue_step_hook hook, void *user)
{
    queue->store.hook = hook;
    queue->store.hook_user = user;
}

int kkt_queue_open(const char *path, kkt_queue **out, kkt_error *error)
{
    *out = NULL;
    kkt_queue *queue = calloc(1, sizeof *queue);
    size_t size = strlen(path) + sizeof ".lock";
    char *lock_path = malloc(size);
    if (queue == NULL || lock_path == NULL) {
        free(queue);
        free(lock_path);
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    }
    int result = queue_store_open(&queue->store, path, error);
    if (result == KKT_OK) {
        snprintf(lock_path, size, "%s.lock", path);
        queue->lock = queue_lock_open(lock_path);
        if (queue->lock < 0) {
            result = fault_set(error, ERROR_QUEUE_STORE, "%s: %s", lock_path, strerror(errno));
            queue_store_close(&queue->store);
        }
    }
    free(lock_path);
    if (result != KKT_OK) {
        free(queue);
        return result;
    }
    *out = queue;
    return fault_none(error);
}

void kkt_queue_close(kkt_queue *queue)
{
    if (queue == NULL)
        return;
    queue_store_close(&queue->store);
    queue_lock_close(queue->lock);
    free(queue);
}

/* ---- Submitting ---- */

static int check_job(const kkt_submission *job, kkt_error *error)
{
    if (job->job < (int)LINK_JOB_FIRST || job->job > (int)LINK_JOB_LAST)
        return fault_set(error, ERROR_REQUEST_UNKNOWN, NULL);
    if (job->size > QUEUE_BODY_MAX)
        return fault_set(error, ERROR_TOO_LARGE, NULL);
    if (job->size > 0 && (job->body == NULL || !tlv_valid(job->body, job->size)))
        return fault_set(error, ERROR_REQUEST_MALFORMED, NULL);
    if (job->job == KKT_JOB_RECEIPT) {
        struct receipt_rules rules = {0};
        struct receipt_summary summary;
        struct refusal why;
        if (!receipt_check(job->body, job->size, &rules, &summary, &why))
            return fault_refusal(error, &why);
    }
    return KKT_OK;
}

/* Inside a transaction. *changed: there is something to commit. */
static int store_job(struct queue_store *store, const kkt_submission *job, int64_t now,
                     bool *changed, kkt_error *error)
{
    struct queue_row row;
    uint8_t *body = NULL;
    size_t size = 0;
    int result = queue_store_find(store, &job->key, &row, &body, &size, error);
    if (result == ERROR_NOT_FOUND) {
        *changed = true;
        return queue_store_insert(store, job, now, error);
    }
    if (result != KKT_OK)
        return result;
    bool same = row.entry.result.job == job->job && size == job->size &&
                (size == 0 || memcmp(body, job->body, size) == 0);
    free(body);
    enum kkt_job_state state = row.entry.result.state;
    if (!same && state == KKT_JOB_STORED && row.sent_to[0] != '\0')
        return fault_field(error, ERROR_KEY_CONFLICT, "key",
                           "this key belongs to another job, which was sent to board %s and is not "
                           "finished",
                           row.sent_to);
    if (!same)
        return fault_field(error, ERROR_KEY_CONFLICT, "key",
                           "this key was already used for another job");
    if (state != KKT_JOB_REFUSED && state != KKT_JOB_CANCELLED)
        return KKT_OK;
    *changed = true;
    return queue_store_rearm(store, row.entry.id, error);
}

/* *at: the one at fault, or count. */
static int check_jobs(const kkt_submission *jobs, size_t count, size_t *at, kkt_error *error)
{
    for (*at = 0; *at < count; (*at)++) {
        int result = check_job(&jobs[*at], error);
        if (result != KKT_OK)
            return result;
    }
    return KKT_OK;
}

static int store_jobs(struct queue_store *store, const kkt_submission *jobs, size_t count,
                      size_t *at, bool *changed, kkt_error *error)
{
    int64_t now = host_clock_unix_s();
    for (*at = 0; *at < count; (*at)++) {
        int result = store_job(store, &jobs[*at], now, changed, error);
        if (result != KKT_OK)
            return result;
    }
    return KKT_OK;
}

int kkt_submit_many(kkt_queue *queue, const kkt_submission *jobs, size_t count,
                    size_t *failed_index, kkt_error *error)
{
    struct queue_store *store = &queue->store;
    size_t at = 0;
    int result = check_jobs(jobs, count, &at, error);
    if (result == KKT_OK)
        result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result == KKT_OK) {
        bool changed = false;
        result = store_jobs(store, jobs, count, &at, &changed, error);
        if (result != KKT_OK || !changed)
            queue_store_rollback(store);
        else
            result = queue_store_commit(store, true, error);
    }
    if (failed_index != NULL)
        *failed_index = at;
    if (result != KKT_OK)
        return result;
    queue_store_step(store, QUEUE_STEP_STORED);
    return fault_none(error);
}

int kkt_submit(kkt_queue *queue, const kkt_key *key, enum kkt_job job, const uint8_t *body,
               size_t size, kkt_error *error)
{
    kkt_submission submission = {.key = *key, .job = job, .body = body, .size = size};
    return kkt_submit_many(queue, &submission, 1, NULL, error);
}

int kkt_submit_receipt(kkt_queue *queue, const kkt_key *key, kkt_receipt *receipt, kkt_error *error)
{
    const uint8_t *tlv;
    size_t size;
    int result = kkt_receipt_encode(receipt, &tlv, &size, error);
    return result == KKT_OK ? kkt_submit(queue, key, KKT_JOB_RECEIPT, tlv, size, error) : result;
}

/* Inside a transaction, so that no worker can send it meanwhile. */
static int cancel_row(struct queue_store *store, const struct queue_row *row, kkt_error *error)
{
    enum kkt_job_state state = row->entry.result.state;
    if (state == KKT_JOB_CANCELLED)
        return KKT_OK;
    if (state == KKT_JOB_DONE)
        return fault_set(error, ERROR_IN_PROGRESS,
                         "the job is done (document %u); only a return takes it back",
                         (unsigned)row->entry.result.document);
    if (state == KKT_JOB_STORED && row->sent_to[0] != '\0')
        return fault_set(error, ERROR_IN_PROGRESS,
                         "the job was sent to board %s, and only that one can tell its outcome",
                         row->sent_to);
    return queue_store_cancel(store, row->entry.id, error);
}

int kkt_cancel(kkt_queue *queue, const kkt_key *key, kkt_error *error)
{
    struct queue_row row;
    struct queue_store *store = &queue->store;
    int result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result != KKT_OK)
        return result;
    result = queue_store_find(store, key, &row, NULL, NULL, error);
    if (result == KKT_OK)
        result = cancel_row(store, &row, error);
    if (result != KKT_OK) {
        queue_store_rollback(store);
        return result;
    }
    result = queue_store_commit(store, true, error);
    return result == KKT_OK ? fault_none(error) : result;
}

/* ---- Looking ---- */

int kkt_find(kkt_queue *queue, const kkt_key *key, kkt_result *result, kkt_error *error)
{
    struct queue_row row;
    memset(result, 0, sizeof *result);
    int found = queue_store_find(&queue->store, key, &row, NULL, NULL, error);
    if (found != KKT_OK)
        return found;
    *result = row.entry.result;
    return fault_none(error);
}

int kkt_list(kkt_queue *queue, int unfinished_only, int newest_first, kkt_visit visit, void *user,
             kkt_error *error)
{
    int result = queue_store_list(&queue->store, unfinished_only != 0, newest_first != 0, visit,
                                  user, error);
    return result == KKT_OK ? fault_none(error) : result;
}

int kkt_job_body(kkt_queue *queue, const kkt_key *key, uint8_t **body, size_t *size,
                 kkt_error *error)
{
    struct queue_row row;
    *body = NULL;
    *size = 0;
    int result = queue_store_find(&queue->store, key, &row, body, size, error);
    return result == KKT_OK ? fault_none(error) : result;
}

void kkt_get_counters(const kkt_queue *queue, const kkt *device, kkt_counters *out)
{
    memset(out, 0, sizeof *out);
    if (queue != NULL)
        out->queue_commits = queue->store.durable_commits;
    if (device != NULL) {
        out->requests_sent = device->client.requests_sent;
        out->answers_received = device->client.answers_received;
        out->bytes_sent = device->bytes_sent;
        out->bytes_received = device->bytes_received;
        out->reconnects = device->connections > 0 ? device->connections - 1 : 0;
    }
}

int kkt_update_confirmations(kkt_queue *queue, kkt *device, unsigned *confirmed, kkt_error *error)
{
    kkt_status status;
    unsigned changed = 0;
    if (confirmed != NULL)
        *confirmed = 0;
    int result = kkt_get_status(device, &status, error);
    if (result != KKT_OK)
        return result;
    /* An empty operator queue means that all are confirmed; the number is meaningless then. */
    uint32_t below =
        status.ofd.queue_count > 0 ? status.ofd.first_number : status.last_document + 1;
    if (status.fn_present == 0 || device->identity.fn_number[0] == '\0')
        return fault_none(error);
    struct queue_store *store = &queue->store;
    result = queue_store_begin(store, QUEUE_DURABLE, error);
    if (result != KKT_OK)
        return result;
    result = queue_store_confirm_below(store, device->identity.fn_number, below, &changed, error);
    if (result != KKT_OK || changed == 0)
        queue_store_rollback(store);
    else
        result = queue_store_commit(store, true, error);
    if (result != KKT_OK)
        return result;
    if (confirmed != NULL)
        *confirmed = changed;
    return fault_none(error);
}

/* ---- Working off ---- */

static bool take_lock(kkt_queue *queue)
{
    if (RARE("driver: others work the queue off") || !queue_lock_try(queue->lock))
        return false;
    queue_store_step(&queue->store, QUEUE_STEP_LOCKED);
    return true;
}

static void release_lock(kkt_queue *queue)
{
    queue_lock_release(queue->lock);
    queue_store_step(&queue->store, QUEUE_STEP_UNLOCKED);
}

static uint64_t deadline_of(unsigned timeout_ms)
{
    return timeout_ms == 0 ? UINT64_MAX : host_clock_ms() + timeout_ms;
}

static int tell_worker(kkt_queue *queue, const kkt *device, kkt_error *error)
{
    return worker_connected(&queue->worker, &device->identity,
                            device->transport->operations->faithful, error);
}

/* Connected, and the worker knows to whom. attempts_max as in device_connect. */
static int connect_worker(kkt_queue *queue, kkt *device, uint64_t deadline_ms,
                          unsigned attempts_max, kkt_error *error)
{
    int result = device_connect(device, deadline_ms, attempts_max, error);
    return result == KKT_OK ? tell_worker(queue, device, error) : result;
}

static int identify_worker(kkt_queue *queue, kkt *device, kkt_error *error)
{
    int result = device_identify(device, device->connect_timeout_ms, error);
    return result == KKT_OK ? tell_worker(queue, device, error) : result;
}

/* Time is over with a job under way: it stays stored, and its late answer will fit nothing. */
static int give_up(kkt_queue *queue, kkt *device, kkt_error *error)
{
    int result = worker_settle(&queue->worker, error);
    link_client_abandon(&device->client);
    if (result != KKT_OK)
        return result;
    if (queue->worker.unknown_code != 0)
        return fault_set(error, ERROR_OUTCOME_UNKNOWN, "the board cannot tell the outcome yet (%s)",
                         kkt_error_name(queue->worker.unknown_code));
    return fault_set(error, ERROR_OUTCOME_UNKNOWN, NULL);
}

static int finish_empty(const struct worker *worker, kkt_error *error)
{
    if (worker->foreign_board[0] == '\0')
        return fault_none(error);
    return fault_set(
        error, ERROR_OTHER_DEVICE,
        "at least one job was sent to board %s, and only that one can tell its outcome",
        worker->foreign_board);
}

/* One turn of the loop. True: go on; false: *result is the end. */
static bool work_turn(kkt_queue *queue, kkt *device, uint64_t deadline_ms, int *result,
                      kkt_error *error)
{
    struct worker *worker = &queue->worker;
    uint64_t now_ms = host_clock_ms();
    /* The step reports its own error; an old one must not be taken for it. */
    fault_none(error);
    switch (worker_step(worker, now_ms, error)) {
    case WORKER_SENDING:
        *result = device_flush(device, error);
        queue_store_step(&queue->store, QUEUE_STEP_SENT);
        break;
    case WORKER_WAITING: {
        uint64_t wake_ms = worker_deadline(worker);
        if (now_ms >= deadline_ms) {
            *result = give_up(queue, device, error);
            return false;
        }
        *result = device_pump(device, wake_ms < deadline_ms ? wake_ms : deadline_ms, error);
        break;
    }
    case WORKER_IDENTIFY:
        *result = identify_worker(queue, device, error);
        break;
    case WORKER_SILENT:
        device_drop(device);
        *result = fault_set(error, ERROR_LINK_LOST, "the board did not answer within %u ms",
                            device->answer_timeout_ms);
        break;
    case WORKER_EMPTY:
        *result = finish_empty(worker, error);
        return false;
    case WORKER_TARGET:
        *result = fault_none(error);
        return false;
    case WORKER_FAILED:
    default:
        *result = error->code;
        if (*result == ERROR_OTHER_DEVICE || *result == ERROR_VERSION_UNSUPPORTED)
            device_drop(device); /* ask who is there before the next job */
        return false;
    }
    return true;
}

/* Under the lock. patient: reconnect until the time is over, else give up when a reconnect fails or
 * brings nothing. */
static int work_off(kkt_queue *queue, kkt *device, const kkt_key *target, uint64_t deadline_ms,
                    bool patient, kkt_error *error)
{
    struct worker *worker = &queue->worker;
    uint64_t answers = device->client.answers_received;
    unsigned losses = 0;
    int result = KKT_OK;
    worker_init(worker, &queue->store, &device->client, device->answer_timeout_ms, target);
    if (device->transport != NULL)
        result = tell_worker(queue, device, error);
    for (;;) {
        if (device->transport == NULL && (result == KKT_OK || result == ERROR_LINK_LOST)) {
            worker_disconnected(worker);
            losses = device->client.answers_received == answers ? losses + 1 : 1;
            bool lost = result == ERROR_LINK_LOST && !patient && losses > FRUITLESS_LOSSES_MAX;
            int settled = worker_settle(worker, error);
            if (settled == KKT_OK && !lost)
                result = connect_worker(queue, device, deadline_ms, patient ? 0 : 1, error);
            else if (settled != KKT_OK)
                result = settled;
            answers = device->client.answers_received; /* the identity's is no progress */
        }
        if (result != KKT_OK)
            return result;
        worker->identify_first =
            device_identity_stale(device) || RARE("driver: the board is asked who it is");
        if (!work_turn(queue, device, deadline_ms, &result, error))
            return result;
    }
}

/* Another process or handle has the lock. Sleeps a little; true: go on waiting. A board may serve
 * one connection only, and whoever works the queue off needs it more. device may be NULL. */
static bool wait_for_others(kkt *device, uint64_t deadline_ms, kkt_error *error)
{
    if (device != NULL)
        device_release(device);
    uint64_t now_ms = host_clock_ms();
    if (now_ms >= deadline_ms) {
        fault_set(error, ERROR_OUTCOME_UNKNOWN, "another process works the queue off");
        return false;
    }
    uint64_t left_ms = deadline_ms - now_ms;
    host_clock_sleep(left_ms < OTHERS_POLL_MS ? (unsigned)left_ms : OTHERS_POLL_MS);
    return true;
}

int kkt_run(kkt_queue *queue, kkt *device, unsigned timeout_ms, kkt_error *error)
{
    kkt_error own;
    uint64_t deadline_ms = deadline_of(timeout_ms);
    if (error == NULL)
        error = &own;
    while (!take_lock(queue)) {
        uint64_t unfinished = 0;
        int result = queue_store_unfinished(&queue->store, &unfinished, error);
        if (result != KKT_OK)
            return result;
        if (unfinished == 0)
            return fault_none(error);
        if (!wait_for_others(device, deadline_ms, error))
            return ERROR_OUTCOME_UNKNOWN;
    }
    int result = work_off(queue, device, NULL, deadline_ms, false, error);
    release_lock(queue);
    return result;
}

static bool finished(const kkt_result *result)
{
    return result->state != KKT_JOB_STORED;
}

int kkt_wait(kkt_queue *queue, kkt *device, const kkt_key *key, unsigned timeout_ms,
             kkt_result *result, kkt_error *error)
{
    kkt_error own, ignored;
    uint64_t deadline_ms = deadline_of(timeout_ms);
    unsigned fruitless = 0;
    if (error == NULL)
        error = &own;
    for (;;) {
        int found = kkt_find(queue, key, result, error);
        if (found != KKT_OK || finished(result))
            return found;
        if (device != NULL && take_lock(queue)) {
            int worked = work_off(queue, device, key, deadline_ms, true, error);
            release_lock(queue);
            /* It may be finished although others are not, or although the link broke afterwards. */
            if (kkt_find(queue, key, result, &ignored) == KKT_OK && finished(result))
                return fault_none(error);
            if (worked != KKT_OK)
                return worked;
            /* Once it may have been armed again behind our back. */
            if (++fruitless > FRUITLESS_ROUNDS_MAX)
                return queue_store_damaged("the job is missing from the unfinished ones", error);
        } else if (!wait_for_others(device, deadline_ms, error)) {
            return ERROR_OUTCOME_UNKNOWN;
        }
    }
}
