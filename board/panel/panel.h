/* The panel of an emulated device: the verbs with which people and tests meddle with it.
 *
 * A device has one table of verbs. A verb is a few fixed words ("paper out"), perhaps one argument,
 * and a function that gets the part of the device it is about; so kkt-board, kkt-fn and kkt-printer
 * share the functions of the parts they share. Lines come from panel_socket.h, or from anywhere.
 *
 * Always true: the first verb of the table whose words and argument fit is executed; a line that
 * fits none changes nothing and is answered with the list of verbs.
 */
#ifndef BOARD_PANEL_PANEL_H
#define BOARD_PANEL_PANEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Also the exit status of the client. */
enum panel_status { PANEL_DONE = 0, PANEL_FAILED = 1, PANEL_MISUNDERSTOOD = 2 };

struct panel_verb;

/* One line under way. */
struct panel_request {
    void *part; /* of the device: what the verb is about */
    const struct panel_verb *verb;
    const char *argument; /* NULL: none was given */
    uint64_t now_ms;
    char *text; /* the answer, zero-terminated */
    size_t capacity, length;
};

typedef int panel_function(struct panel_request *request); /* enum panel_status */

struct panel_verb {
    const char *words;    /* "paper out" */
    const char *argument; /* what it is, for people; NULL: none; "[...]": may be left out */
    panel_function *execute;
    unsigned parameter; /* for functions that serve several verbs */
    size_t part;        /* offset of the part in the device */
    bool asks;          /* changes nothing */
};

struct panel {
    const struct panel_verb *verbs;
    size_t count;
    const char *usage; /* the list of verbs, for people */
    /* Told of every line that changes something before it is executed; may be NULL. */
    void (*heard)(void *device, const char *line);
};

/* Executes one line; text gets the answer. capacity at least 1. */
enum panel_status panel_execute(const struct panel *panel, void *device, const char *line,
                                uint64_t now_ms, char *text, size_t capacity);

/* ---- for the functions of verbs ---- */

/* Adds to the answer; what does not fit is cut off. */
void panel_say(struct panel_request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A whole number of 32 bits. */
bool panel_number(const char *text, uint32_t *out);
/* The answer to a missing or wrong argument. */
int panel_want_argument(struct panel_request *request);
/* One counter: a line for people, or a JSON member with a comma before it. */
void panel_count(struct panel_request *request, bool json, const char *name, uint64_t value);

#endif
