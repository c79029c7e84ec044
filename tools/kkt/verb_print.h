/* Printing for people, shared by the verbs. */
#ifndef TOOLS_KKT_VERB_PRINT_H
#define TOOLS_KKT_VERB_PRINT_H

#include <json-c/json.h>

#include "tools/kkt/cli.h"

/* A job's result, as lines or as JSON. */
void verb_print_result(struct cli *cli, const kkt_result *result);
/* The elements of a TLV list as an indented table of tag, name and value. */
void verb_print_elements(struct cli *cli, struct json_object *list, unsigned depth);

#endif
