/* JSON text to a json-c tree, by the letter of RFC 8259.
 *
 * json-c is lenient even in its strict mode: it takes 'single quotes', NaN, "1." and a field that
 * stands twice in one object (the last one wins, silently). None of that may decide what is written
 * on a receipt, so the text is checked here first, and the place of the first fault is told by line
 * and column.
 *
 * Always true: a number with a fraction or an exponent keeps its source text in the tree
 * (json_object_get_string gives it back), a whole number keeps its digits. Amounts are read from
 * that text and never pass through a double.
 */
#ifndef TOOLS_KKT_JSON_INPUT_H
#define TOOLS_KKT_JSON_INPUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define JSON_INPUT_DEPTH_MAX  32
#define JSON_INPUT_FIELDS_MAX 256 /* of one object */
#define JSON_INPUT_SIZE_MAX   (16u << 20)

struct json_fault {
    size_t offset;
    unsigned line, column; /* from 1 */
    bool repeated;         /* the fault is a field that stands twice */
    char text[160];
};

/* The tree, owned by the caller (json_object_put); NULL with *fault filled when the text is not one
 * whole JSON value. */
struct json_object *json_input_parse(const char *text, size_t size, struct json_fault *fault);

#endif
