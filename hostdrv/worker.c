#include "hostdrv/worker.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "hostdrv/fault.h"
#include "hostdrv/result.h"
#include "proto/rare.h"
#include "proto/tags.h"
#include "proto/tlv.h"

_Static_assert(WORKER_RETRY_FIRST_MS > WORKER_GROUP_AGE_MS, "worker_deadline relies on it");

void worker_init(struct worker *worker, struct queue_store *store, struct link_client *client,
                 unsigned answer_timeout_ms, const kkt_key *target)
{
    memset(worker, 0, sizeof *worker);
    worker->store = store;
    worker->client = client;
    worker->answer_timeout_ms = answer_timeout_ms;
    worker->has_target = target != NULL;
    if (target != NULL)
        worker->target = *target;
    worker->event_cursor = client->event_count;
    worker->pause_ms = WORKER_RETRY_FIRST_MS;
}

int worker_connected(struct worker *worker, const kkt_identity *identity, bool faithful,
                     kkt_error *error)
{
    /* What was confirmed is told by number only, and the numbers of another module are others. */
    if (strcmp(worker->identity.fn_number, identity->fn_number) != 0)
        worker->confirmed_count = 0;
    worker->faithful = faithful;
    worker->settled = false;
    worker->identity = *identity;
    worker->device_tag = link_device_tag(identity->serial);
    for (unsigned i = 0; i < worker->pending_count; i++) {
        struct worker_pending *pending = &worker->pending[i];
        if (pending->wants_identity && strcmp(pending->result.serial, identity->serial) == 0)
            result_set_board(&pending->result, identity);
        pending->wants_identity = false;
    }
    worker->identify_first = false;
    return queue_store_bind(worker->store, identity->serial, error);
}

void worker_disconnected(struct worker *worker)
{
    worker->has_ahead = false;
    worker->settled = false;
    if (worker->state == WORKER_ASKING)
        worker->state = WORKER_CHOOSING;
}

static void collect_events(struct worker *worker)
{
    struct link_client_event event;
    while (worker->confirmed_count < WORKER_CONFIRMED_MAX &&
           link_client_event_next(worker->client, &worker->event_cursor, &event)) {
        if (event.code == LINK_EVENT_CONFIRMED && event.document != 0)
            worker->confirmed[worker->confirmed_count++] = event.document;
    }
}

static int write_pending(struct worker *worker, kkt_error *error)
{
    int result = KKT_OK;
    for (unsigned i = 0; i < worker->pending_count && result == KKT_OK; i++)
        result = queue_store_finish(worker->store, worker->pending[i].id,
                                    &worker->pending[i].result, error);
    for (unsigned i = 0; i < worker->confirmed_count && result == KKT_OK; i++) {
        unsigned changed;
        result = queue_store_confirm(worker->store, worker->identity.fn_number,
                                     worker->confirmed[i], &changed, error);
    }
    return result;
}

int worker_settle(struct worker *worker, kkt_error *error)
{
    bool results = worker->pending_count > 0;
    if (!results && worker->confirmed_count == 0)
        return KKT_OK;
    /* Confirmations alone need no disk: the board's operator queue tells them again
     * (kkt_update_confirmations). */
    int result = queue_store_begin(worker->store, results ? QUEUE_DURABLE : QUEUE_UNSYNCED, error);
    if (result == KKT_OK) {
        result = write_pending(worker, error);
        if (result == KKT_OK)
            result = queue_store_commit(worker->store, results, error);
        else
            queue_store_rollback(worker->store);
    }
    /* What could not be stored is asked for again by its key;
     * keeping it here would only go stale. */
    worker->pending_count = 0;
    worker->confirmed_count = 0;
    if (result == KKT_OK && results)
        queue_store_step(worker->store, QUEUE_STEP_RESULT_STORED);
    return result;
}

/* The first error is the one to report. */
static enum worker_status failed(struct worker *worker)
{
    kkt_error later;
    worker_settle(worker, &later);
    return WORKER_FAILED;
}

static bool is_target(const struct worker *worker, const kkt_key *key)
{
    return worker->has_target && memcmp(worker->target.bytes, key->bytes, sizeof key->bytes) == 0;
}

/* The body lies in place behind the header already. */
static size_t complete_message(struct worker *worker, const struct queue_row *row)
{
    struct byte_writer writer;
    struct link_job job = {.device_tag = worker->device_tag};
    memcpy(job.key, row->entry.result.key.bytes, sizeof job.key);
    byte_writer_init(&writer, worker->message, LINK_JOB_HEADER_SIZE);
    link_job_put(&writer, &job);
    assert(writer.length == LINK_JOB_HEADER_SIZE);
    return LINK_JOB_HEADER_SIZE + row->entry.size;
}

static bool is_foreign(const struct worker *worker, const struct queue_row *row)
{
    return row->sent_to[0] != '\0' && strcmp(row->sent_to, worker->identity.serial) != 0;
}

static bool is_short_receipt(const struct queue_row *row)
{
    return row->entry.result.job == KKT_JOB_RECEIPT &&
           row->entry.size <= LINK_FRAGMENT_MAX - LINK_JOB_HEADER_SIZE;
}

/* Of the message just read. */
static bool wants_paper(const struct worker *worker, const struct queue_row *row)
{
    uint8_t electronic;
    return !tlv_find_u8(worker->message + LINK_JOB_HEADER_SIZE, row->entry.size, TAG_ELECTRONICALLY,
                        &electronic) ||
           electronic == 0;
}

static void forget_ahead(struct worker *worker)
{
    link_client_abandon(worker->client);
    worker->has_ahead = false;
    worker->settled = false;
}

static enum worker_status send_job(struct worker *worker, uint64_t now_ms)
{
    size_t size = complete_message(worker, &worker->job);
    worker->alone = !worker->settled || !worker->faithful || !is_short_receipt(&worker->job) ||
                    is_target(worker, &worker->job.entry.result.key);
    worker->prints = wants_paper(worker, &worker->job);
    link_client_request(worker->client, (uint8_t)worker->job.entry.result.job, worker->message,
                        size, worker->answer_timeout_ms, now_ms);
    if (worker->ask_once)
        link_client_ask_once(worker->client);
    worker->ask_once = false;
    worker->state = WORKER_ASKING;
    return WORKER_SENDING;
}

/* Sends one more receipt behind the job under way, if there is one that may. A queue file that
 * fails now is told when the job under way is finished. */
static bool send_ahead(struct worker *worker, kkt_error *error)
{
    struct queue_row *row = &worker->ahead;
    worker->alone = true; /* one try, whatever comes of it */
    if (RARE("driver: nothing is sent ahead"))
        return false;
    if (queue_store_next(worker->store, worker->job.entry.id, row,
                         worker->message + LINK_JOB_HEADER_SIZE, error) != KKT_OK)
        return false;
    bool prints = wants_paper(worker, row);
    if (is_foreign(worker, row) || !is_short_receipt(row) || (worker->prints && !prints))
        return false;
    bool marked;
    if (queue_store_mark(worker->store, row->entry.id, worker->identity.serial, &marked, error) !=
            KKT_OK ||
        !marked)
        return false;
    queue_store_step(worker->store, QUEUE_STEP_MARKED);
    link_client_request_ahead(worker->client, LINK_RECEIPT, worker->message,
                              complete_message(worker, row), worker->answer_timeout_ms);
    worker->prints = prints; /* of the newest one sent, from now on */
    worker->has_ahead = true;
    return true;
}

/* The job sent ahead is now the one under way. */
static enum worker_status go_on_with_ahead(struct worker *worker, uint64_t now_ms)
{
    bool was_ahead = link_client_next(worker->client, now_ms);
    assert(was_ahead);
    (void)was_ahead;
    worker->job = worker->ahead;
    worker->has_ahead = false;
    worker->alone = !worker->settled || is_target(worker, &worker->job.entry.result.key);
    worker->state = WORKER_ASKING;
    return WORKER_SENDING; /* its answer may be there, or its bytes still to go */
}

static enum worker_status choose(struct worker *worker, uint64_t now_ms, kkt_error *error)
{
    if (worker->identify_first)
        return WORKER_IDENTIFY;
    int64_t unmarked = 0; /* ids begin at 1 */
    for (;;) {
        int result = queue_store_next(worker->store, worker->cursor, &worker->job,
                                      worker->message + LINK_JOB_HEADER_SIZE, error);
        if (result == ERROR_NOT_FOUND)
            return worker_settle(worker, error) == KKT_OK ? WORKER_EMPTY : WORKER_FAILED;
        if (result != KKT_OK)
            return failed(worker);
        const struct queue_row *job = &worker->job;
        if (is_foreign(worker, job)) {
            snprintf(worker->foreign_board, sizeof worker->foreign_board, "%s", job->sent_to);
            worker->cursor = job->entry.id;
            if (!is_target(worker, &job->entry.result.key))
                continue;
            fault_set(error, ERROR_OTHER_DEVICE,
                      "the job was sent to board %s, and only that one can tell its outcome",
                      job->sent_to);
            return failed(worker);
        }
        bool marked;
        result =
            queue_store_mark(worker->store, job->entry.id, worker->identity.serial, &marked, error);
        if (result != KKT_OK)
            return failed(worker);
        if (marked) {
            queue_store_step(worker->store, QUEUE_STEP_MARKED);
            return send_job(worker, now_ms);
        }
        /* It was taken back a moment ago, or damaged: the next look tells. */
        if (job->entry.id == unmarked) {
            queue_store_damaged("a job cannot be marked as sent", error);
            return failed(worker);
        }
        unmarked = job->entry.id;
    }
}

/* The job's fate is proven: remember it, go on, store later. */
static enum worker_status finish_job(struct worker *worker, const kkt_result *result,
                                     uint64_t now_ms, kkt_error *error)
{
    assert(worker->pending_count < WORKER_GROUP_MAX);
    struct worker_pending *pending = &worker->pending[worker->pending_count++];
    if (worker->pending_count == 1)
        worker->pending_since_ms = now_ms;
    pending->id = worker->job.entry.id;
    pending->result = *result;
    bool registered =
        result->state == KKT_JOB_DONE && worker->job.entry.result.job == KKT_JOB_REGISTRATION;
    pending->wants_identity = registered || worker->identify_first;
    worker->cursor = worker->job.entry.id;
    worker->state = WORKER_CHOOSING;
    worker->pause_ms = WORKER_RETRY_FIRST_MS;
    if (pending->wants_identity) {
        forget_ahead(worker);
        return WORKER_IDENTIFY;
    }
    if (is_target(worker, &worker->job.entry.result.key))
        return worker_settle(worker, error) == KKT_OK ? WORKER_TARGET : WORKER_FAILED;
    return worker->has_ahead ? go_on_with_ahead(worker, now_ms) : choose(worker, now_ms, error);
}

static enum worker_status take_answer(struct worker *worker, uint64_t now_ms, kkt_error *error)
{
    const struct link_client_answer *answer = link_client_result(worker->client);
    const kkt_result *job = &worker->job.entry.result;
    uint16_t code = answer->refusal.code;
    kkt_result result;
    queue_store_step(worker->store, QUEUE_STEP_ANSWERED);
    if (code == ERROR_NONE) {
        struct link_result link;
        bool good = link_result_get(answer->body, answer->size, &link);
        assert(good && answer->keyed); /* the client let it through */
        (void)good;
        result_from_link(&link, &worker->identity, &result);
        result.job = job->job;
        worker->settled = !answer->repeated && (result.flags & LINK_RESULT_REPLAYED) == 0;
        return finish_job(worker, &result, now_ms, error);
    }
    if (code >= ERROR_OUTCOME_UNKNOWN || code == ERROR_LINK_BUSY ||
        (code != ERROR_NONE && RARE("driver: a refusal is asked once more"))) {
        forget_ahead(worker);
        worker->unknown_code = code;
        worker->state = WORKER_PAUSING;
        worker->pause_until_ms = now_ms + worker->pause_ms;
        worker->pause_ms *= 2;
        if (worker->pause_ms > WORKER_RETRY_MAX_MS)
            worker->pause_ms = WORKER_RETRY_MAX_MS;
        return WORKER_WAITING;
    }
    /* Without the job's key it proves nothing about the job; the other two are about the board, not
     * the job. */
    if (!answer->keyed || code == ERROR_VERSION_UNSUPPORTED || code == ERROR_OTHER_DEVICE) {
        forget_ahead(worker);
        worker->state = WORKER_CHOOSING;
        fault_refusal(error, &answer->refusal);
        return failed(worker);
    }
    worker->settled = false;
    /* The board may hold the same request once more, and may do now what it refused then. So the
     * refusal is believed only from an asking that went out once: its answer is the last. */
    if (answer->repeated) {
        forget_ahead(worker);
        worker->ask_once = true;
        worker->state = WORKER_CHOOSING;
        return choose(worker, now_ms, error);
    }
    result_from_refusal(job->key.bytes, job->job, &answer->refusal, &worker->identity, &result);
    return finish_job(worker, &result, now_ms, error);
}

static bool group_due(const struct worker *worker, uint64_t now_ms)
{
    if (worker->pending_count == WORKER_GROUP_MAX)
        return true; /* the next answer needs room */
    if (worker->pending_count == 0 || RARE("driver: results are stored later"))
        return false;
    return now_ms >= worker->pending_since_ms + WORKER_GROUP_AGE_MS ||
           RARE("driver: results are stored at once");
}

enum worker_status worker_step(struct worker *worker, uint64_t now_ms, kkt_error *error)
{
    collect_events(worker);
    switch (worker->state) {
    case WORKER_PAUSING:
        if (now_ms >= worker->pause_until_ms)
            worker->state = WORKER_CHOOSING;
        break;
    case WORKER_ASKING:
        switch (worker->client->state) {
        case LINK_CLIENT_ANSWERED:
            if (worker->pending_count == WORKER_GROUP_MAX && worker_settle(worker, error) != KKT_OK)
                return WORKER_FAILED;
            return take_answer(worker, now_ms, error);
        case LINK_CLIENT_WAITING:
            if (!worker->alone && link_client_can_send_ahead(worker->client) &&
                send_ahead(worker, error))
                return WORKER_SENDING;
            break;
        default:
            worker->has_ahead = false;
            worker->settled = false;
            worker->state = WORKER_CHOOSING;
            return WORKER_SILENT;
        }
        break;
    case WORKER_CHOOSING:
    default:
        /* The target may have been finished by an answer that wanted the identity first. */
        if (worker->pending_count > 0 &&
            is_target(worker, &worker->pending[worker->pending_count - 1].result.key))
            return worker_settle(worker, error) == KKT_OK ? WORKER_TARGET : WORKER_FAILED;
        break;
    }
    if (worker->state == WORKER_CHOOSING)
        return choose(worker, now_ms, error);
    if (group_due(worker, now_ms) && worker_settle(worker, error) != KKT_OK)
        return WORKER_FAILED;
    return WORKER_WAITING;
}

uint64_t worker_deadline(const struct worker *worker)
{
    if (worker->pending_count > 0) /* due before any pause that began after it */
        return worker->pending_since_ms + WORKER_GROUP_AGE_MS;
    return worker->state == WORKER_PAUSING ? worker->pause_until_ms : UINT64_MAX;
}
