/* What is answered: results of jobs and queries as the JSON that ATOL's clients read. */
#ifndef TOOLS_KKT_TASK_RESULT_H
#define TOOLS_KKT_TASK_RESULT_H

#include <json-c/json.h>

#include "hostdrv/kkt.h"
#include "tools/kkt/task.h"

/* The object "result" of a finished job; fns_site may be "". Owned by the caller. */
struct json_object *task_job_result(enum task_type type, const kkt_result *result,
                                    const char *fns_site);

/* Asks the device and answers a query. NULL and *error when it could not be asked. */
struct json_object *task_query_result(const struct task *task, kkt *device, kkt_error *error);

/* Parts that `kkt status --json` and others share. */
struct json_object *task_ofd_json(const kkt_ofd_status *ofd);
struct json_object *task_device_status_json(const kkt_status *status);
struct json_object *task_shift_status_json(const kkt_status *status);
struct json_object *task_document_json(const kkt_document *document, bool raw);
/* "closed", "opened", "expired". */
const char *task_shift_word(unsigned shift_state);

#endif
