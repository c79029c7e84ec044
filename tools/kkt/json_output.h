/* Building answers as JSON: amounts with two decimals from kopecks, times as ISO text. */
#ifndef TOOLS_KKT_JSON_OUTPUT_H
#define TOOLS_KKT_JSON_OUTPUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void json_add_text(struct json_object *object, const char *name, const char *text);
void json_add_uint(struct json_object *object, const char *name, uint64_t value);
void json_add_bool(struct json_object *object, const char *name, bool value);
/* A number with two decimals, written from kopecks without a double: 1234.50. */
void json_add_money(struct json_object *object, const char *name, int64_t kop);
/* "2026-05-20T09:00:00+03:00": the board's wall clock with the zone of this computer, which stands
 * in the same shop. 0 (not set) is null. */
void json_add_time(struct json_object *object, const char *name, int64_t wall_clock);
/* cash, electronically, prepaid, credit, other by number of payment. */
const char *json_payment_name(unsigned payment);
/* Whole and readable, with a line end. False when the stream cannot be written. */
bool json_print(FILE *stream, struct json_object *object);

#endif
