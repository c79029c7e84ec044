/* Our error codes as the numbers that ATOL's driver and its clients know. JSON.md lists the same
 * table. */
#ifndef TOOLS_KKT_ATOL_ERROR_H
#define TOOLS_KKT_ATOL_ERROR_H

#include <json-c/json.h>

#include "hostdrv/kkt.h"

#define ATOL_INTERRUPTED 502 /* the rest of a list after a failure */

/* 0 for KKT_OK; 15 ("unknown error") for a code without a number of its own. */
int atol_error_number(int code);
/* {code, name, description, field?, tag?, item?, expected?, cure}; code 0 gives {code: 0,
 * description}. Owned by the caller. */
struct json_object *atol_error_json(const kkt_error *error);
/* The same for a task that was not tried because an earlier one failed. */
struct json_object *atol_interrupted_json(void);

#endif
