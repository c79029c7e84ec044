/* Verbs of the devices that can also stand alone: the print head (kkt-printer) and the fiscal
 * module (kkt-fn). kkt-board, kkt-printer and kkt-fn put them into their tables. */
#ifndef BOARD_POSIX_POSIX_DEVICE_VERBS_H
#define BOARD_POSIX_POSIX_DEVICE_VERBS_H

#include "board/panel/panel.h"
#include "board/posix/posix_fn.h"
#include "board/posix/posix_printer.h"

/* Part: struct posix_printer. */
panel_function posix_verb_paper;           /* parameter: enum print_head_paper */
panel_function posix_verb_paper_out_after; /* argument: LINES */
panel_function posix_verb_printer;         /* parameter: POSIX_FACT */
#define POSIX_FACT(fact, value) ((unsigned)(fact)*2u + (value))

/* Part: struct posix_fn. */
panel_function posix_verb_fn_off;     /* parameter: 1 off, 0 on */
panel_function posix_verb_fn_fault;   /* parameter: enum fnm_fault */
panel_function posix_verb_fn_advance; /* argument: SECONDS */

/* Their counters, as part of a device's `stats`. */
void posix_count_paper(struct panel_request *request, bool json,
                       const struct posix_printer *printer);
void posix_count_fn(struct panel_request *request, bool json, const struct posix_fn *fn);

#endif
