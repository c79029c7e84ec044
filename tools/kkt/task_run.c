#include "tools/kkt/task_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/error.h"
#include "tools/kkt/atol_error.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/task_result.h"

struct run {
    const struct task_list *list;
    kkt_queue *queue;
    kkt *device;
    const struct task_run_options *options;
    char fns_site[257];
    struct json_object **answers;
    kkt_error worst;
};

static struct json_object *answer_head(const struct task *task, const char *key, const char *status)
{
    struct json_object *object = json_object_new_object();
    if (task->type[0] != 0)
        json_add_text(object, "type", task->type);
    if (key[0] != 0)
        json_add_text(object, "key", key);
    json_add_text(object, "status", status);
    return object;
}

static struct json_object *interrupted(const struct task *task)
{
    struct json_object *object = answer_head(task, task->key, "interrupted");
    json_object_object_add(object, "error", atol_interrupted_json());
    return object;
}

static struct json_object *failed(const struct task *task, const char *key, const kkt_error *error)
{
    struct json_object *object = answer_head(task, key, "error");
    json_object_object_add(object, "error", atol_error_json(error));
    return object;
}

/* Keeps the error that asks for the most attention: an unknown outcome before a refusal. */
static void remember(kkt_error *worst, const kkt_error *error)
{
    bool unknown = error->code >= ERROR_OUTCOME_UNKNOWN || error->code == ERROR_LINK_LOST;
    bool known =
        worst->code != 0 && worst->code < ERROR_OUTCOME_UNKNOWN && worst->code != ERROR_LINK_LOST;
    if (worst->code == 0 || (unknown && known))
        *worst = *error;
}

struct json_object *task_list_refusal(const struct task_list *list)
{
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct task *task = &list->tasks[i];
        json_object_array_add(array, task->error.code != 0 ? failed(task, task->key, &task->error)
                                                           : interrupted(task));
    }
    return array;
}

struct json_object *task_job_answer(const struct task *task, const kkt_key *key, int code,
                                    const kkt_result *result, bool sent, const char *fns_site,
                                    kkt_error *error)
{
    char text[37], path[64];
    struct json_object *object;
    kkt_key_format(key, text);
    if (code == KKT_OK && result->state == KKT_JOB_DONE) {
        memset(error, 0, sizeof *error);
        object = answer_head(task, text, "ready");
        json_object_object_add(object, "error", atol_error_json(error));
        json_object_object_add(object, "result",
                               task_job_result(task->info->type, result, fns_site));
        return object;
    }
    if (code == KKT_OK && result->state == KKT_JOB_REFUSED) {
        *error = result->error;
        task_refusal_path(task, error->code, error->tag, error->item, path, sizeof path);
        snprintf(error->field, sizeof error->field, "%s",
                 path); /* a tag without a field has its number */
        return failed(task, text, error);
    }
    if (code == KKT_OK && result->state == KKT_JOB_CANCELLED) {
        kkt_error_describe(ERROR_CANCELLED, error);
        object = answer_head(task, text, "canceled");
        json_object_object_add(object, "error", atol_error_json(error));
        return object;
    }
    if (code == KKT_OK)
        kkt_error_describe(ERROR_OUTCOME_UNKNOWN, error);
    bool waiting = error->code == ERROR_LINK_LOST || error->code == ERROR_LINK_BUSY ||
                   error->code == ERROR_PERMISSION || error->code >= ERROR_OUTCOME_UNKNOWN;
    if (!waiting)
        return failed(task, text, error);
    /* What was sent and not answered may have happened; what was not sent has not. */
    object = answer_head(task, text, sent ? "blocked" : "wait");
    struct json_object *part = atol_error_json(error);
    if (sent && error->code == ERROR_LINK_LOST)
        json_object_object_add(part, "code", json_object_new_int(241));
    json_object_object_add(object, "error", part);
    return object;
}

struct sent_search {
    kkt_key key;
    bool sent;
};

static int find_sent(void *user, const kkt_entry *entry)
{
    struct sent_search *search = user;
    if (memcmp(entry->result.key.bytes, search->key.bytes, sizeof search->key.bytes) != 0)
        return 1;
    search->sent = entry->attempts > 0;
    return 0;
}

static bool was_sent(kkt_queue *queue, const kkt_key *key)
{
    struct sent_search search = {.key = *key, .sent = true};
    kkt_error ignored;
    kkt_list(queue, 1, 1, find_sent, &search, &ignored);
    return search.sent;
}

/* Waits for a stored job and answers for it. True: it is done. */
static bool wait_job(struct run *run, size_t index, const kkt_key *key)
{
    const struct task *task = &run->list->tasks[index];
    kkt_result result;
    kkt_error error;
    memset(&result, 0, sizeof result);
    memset(&error, 0, sizeof error);
    /* When the device stopped answering one job, the others are not waited for as long again. */
    unsigned timeout_ms = run->worst.code == ERROR_LINK_LOST ? 1 : run->options->timeout_ms;
    int code = kkt_wait(run->queue, run->device, key, timeout_ms, &result, &error);
    bool sent = code == KKT_OK || was_sent(run->queue, key);
    run->answers[index] = task_job_answer(task, key, code, &result, sent, run->fns_site, &error);
    /* The report's document does not hold the state of the exchange; the board tells it. */
    kkt_status status;
    kkt_error ignored;
    struct json_object *answer = NULL;
    if (error.code == 0 && task->info->type == TASK_OFD_REPORT &&
        kkt_get_status(run->device, &status, &ignored) == KKT_OK &&
        json_object_object_get_ex(run->answers[index], "result", &answer)) {
        struct json_object *exchange = task_ofd_json(&status.ofd);
        json_object_object_foreach (exchange, name, value)
            if (!json_object_object_get_ex(answer, name, NULL))
                json_object_object_add(answer, name, json_object_get(value));
        json_object_put(exchange);
    }
    if (error.code != 0)
        remember(&run->worst, &error);
    return error.code == 0;
}

static bool fail_task(struct run *run, size_t index, const char *key, const kkt_error *error)
{
    run->answers[index] = failed(&run->list->tasks[index], key, error);
    remember(&run->worst, error);
    return false;
}

static bool take_key(struct run *run, size_t index, kkt_key *key)
{
    const struct task *task = &run->list->tasks[index];
    kkt_error error;
    int code = task->key[0] == 0 ? kkt_key_random(key) : kkt_key_parse(task->key, key);
    if (code == KKT_OK)
        return true;
    kkt_error_describe(code, &error);
    snprintf(error.field, sizeof error.field, "key");
    return fail_task(run, index, task->key, &error);
}

static bool run_query(struct run *run, size_t index)
{
    const struct task *task = &run->list->tasks[index];
    kkt_error error;
    memset(&error, 0, sizeof error);
    struct json_object *result = task_query_result(task, run->device, &error);
    if (result == NULL)
        return fail_task(run, index, task->key, &error);
    run->answers[index] = answer_head(task, task->key, "ready");
    json_object_object_add(run->answers[index], "error", atol_error_json(&error));
    json_object_object_add(run->answers[index], "result", result);
    return true;
}

static bool submit(struct run *run, size_t index, const kkt_key *key)
{
    const struct task *task = &run->list->tasks[index];
    char text[37];
    kkt_error error;
    memset(&error, 0, sizeof error);
    if (kkt_submit(run->queue, key, (enum kkt_job)task->info->job, task->body, task->size,
                   &error) == KKT_OK)
        return true;
    kkt_key_format(key, text);
    return fail_task(run, index, text, &error);
}

static void run_stop(struct run *run)
{
    bool good = true;
    for (size_t i = 0; i < run->list->count; i++) {
        kkt_key key;
        if (!good)
            run->answers[i] = interrupted(&run->list->tasks[i]);
        else if (run->list->tasks[i].info->job == 0)
            good = run_query(run, i);
        else
            good = take_key(run, i, &key) && submit(run, i, &key) && wait_job(run, i, &key);
    }
}

/* Stores tasks first..end-1 in one commit; when one of them is refused, those that are not are
 * stored one by one. */
static void submit_batch(struct run *run, size_t first, size_t end, kkt_key *keys, bool *stored)
{
    kkt_submission *jobs = calloc(end - first, sizeof *jobs);
    size_t count = 0, failed_index;
    kkt_error error;
    for (size_t i = first; i < end; i++) {
        const struct task *task = &run->list->tasks[i];
        stored[i] = take_key(run, i, &keys[i]);
        if (!stored[i] || jobs == NULL)
            continue;
        jobs[count++] = (kkt_submission){.key = keys[i],
                                         .job = (enum kkt_job)task->info->job,
                                         .body = task->body,
                                         .size = task->size};
    }
    bool whole =
        jobs != NULL && kkt_submit_many(run->queue, jobs, count, &failed_index, &error) == KKT_OK;
    free(jobs);
    for (size_t i = first; i < end && !whole; i++)
        stored[i] = stored[i] && submit(run, i, &keys[i]);
}

static void run_continue(struct run *run)
{
    size_t count = run->list->count;
    kkt_key *keys = calloc(count, sizeof *keys);
    bool *stored = calloc(count, sizeof *stored);
    for (size_t i = 0; i < count && keys != NULL && stored != NULL;) {
        if (run->list->tasks[i].info->job == 0) {
            run_query(run, i++);
            continue;
        }
        size_t end = i;
        while (end < count && run->list->tasks[end].info->job != 0)
            end++;
        submit_batch(run, i, end, keys, stored);
        for (; i < end; i++)
            if (stored[i])
                wait_job(run, i, &keys[i]);
    }
    free(keys);
    free(stored);
}

struct json_object *task_list_run(const struct task_list *list, kkt_queue *queue, kkt *device,
                                  const struct task_run_options *options, kkt_error *worst)
{
    struct run run = {.list = list, .queue = queue, .device = device, .options = options};
    kkt_identity identity;
    kkt_error ignored;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers is what is wanted */
    run.answers = calloc(list->count, sizeof *run.answers);
    struct json_object *array = json_object_new_array();
    memset(worst, 0, sizeof *worst);
    if (run.answers == NULL) {
        kkt_error_describe(ERROR_INTERNAL, worst);
        return array;
    }
    if (kkt_get_identity(device, &identity, &ignored) == KKT_OK)
        snprintf(run.fns_site, sizeof run.fns_site, "%s", identity.fns_site);
    if (options->on_error_continue)
        run_continue(&run);
    else
        run_stop(&run);
    for (size_t i = 0; i < list->count; i++)
        json_object_array_add(array, run.answers[i]);
    free(run.answers);
    *worst = run.worst;
    return array;
}
