/* `kkt-board journal|fn|paper`: what lies in a state directory, for people and (one JSON object a
 * line) for comparison with the driver's queue and the operator's store.
 *
 * Always true: nothing in the directory is changed, and a running board is not disturbed: each
 * report reads a copy made at its start, so a record written at that very moment is in it whole or
 * not at all.
 */
#ifndef BOARD_POSIX_POSIX_REPORT_H
#define BOARD_POSIX_POSIX_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Each returns the exit status: 0, or 1 with a line on standard error. */
/* Records of the job journal, oldest first. */
int posix_report_journal(const char *state, bool json, FILE *out);
/* The same of another board, whose journal is the first size bytes of a file (0: all of it). */
int posix_report_flash(const char *path, uint32_t size, bool json, FILE *out);
/* Documents in the built-in FN's archive. */
int posix_report_fn(const char *state, bool json, FILE *out);
/* Slips that came out of the printer (paper/index.jsonl). */
int posix_report_paper(const char *state, bool json, FILE *out);

#endif
