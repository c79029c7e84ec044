/* Executing a list of tasks against a queue and a device.
 *
 * stop (the default): one after the other; after the first that is refused or whose outcome is not
 * known the rest are "interrupted" and were never submitted. continue: neighbouring jobs are stored
 * in one commit and sent behind one another without waiting; each is answered for itself.
 */
#ifndef TOOLS_KKT_TASK_RUN_H
#define TOOLS_KKT_TASK_RUN_H

#include "tools/kkt/task.h"

struct task_run_options {
    unsigned timeout_ms; /* for each job */
    bool on_error_continue;
};

/* Returns an array with one answer for each task, owned
 * by the caller; *worst is the worst error code met (0: every task is done), by exit code. */
struct json_object *task_list_run(const struct task_list *list, kkt_queue *queue, kkt *device,
                                  const struct task_run_options *options, kkt_error *worst);
/* The answer to a list that holds a fault: faulty tasks with their errors, the others interrupted.
 * Nothing was executed. */
struct json_object *task_list_refusal(const struct task_list *list);
/* One finished or unfinished job as {type, key, status, error, result}. code: what kkt_wait
 * returned. sent: a request left this computer. */
struct json_object *task_job_answer(const struct task *task, const kkt_key *key, int code,
                                    const kkt_result *result, bool sent, const char *fns_site,
                                    kkt_error *error);

#endif
