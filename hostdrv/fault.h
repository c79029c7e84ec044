/* Filling in kkt_error. Every failing path of the library ends here, so that no error reaches the
 * caller without its name, its cure and, where one is at fault, its tag. Always true: a NULL error
 * pointer is allowed, and the return value is the code.
 */
#ifndef HOSTDRV_FAULT_H
#define HOSTDRV_FAULT_H

#include "hostdrv/kkt.h"
#include "proto/error.h"

/* Sets code, name, text and cure from the table. format, when not NULL, replaces the text. */
int fault_set(kkt_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the name of the part at fault (not a tag): "port", "baud". */
int fault_field(kkt_error *error, int code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Replaces the cure of an error that was set; NULL leaves it. Returns the code. */
int fault_cure(kkt_error *error, int code, const char *cure);
/* A refusal of the board or of the shared rules, with tag, item and expected value. */
int fault_refusal(kkt_error *error, const struct refusal *why);
/* No error. Returns KKT_OK. */
int fault_none(kkt_error *error);

#endif
