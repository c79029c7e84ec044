/* How a run of the simulated world says that a promise was broken.
 *
 * CHECK never returns when its condition is false: it prints the invariant and the one line that
 * replays the run (check_replay), and leaves to the campaign by longjmp or ends the process. All
 * campaigns run in child processes, so a broken promise never takes the others with it.
 */
#ifndef TESTS_WORLD_CHECK_H
#define TESTS_WORLD_CHECK_H

#include <stdbool.h>

/* What was being done, set by the campaign; printed with a break. Replays the run when given to
 * `world --replay`. */
extern char check_replay[256];
/* Trace of the firmware and the world on standard error: for replays. */
extern bool check_verbose;
/* Where breaks go instead of ending the process; NULL: they end it with status 1. Used by shrink
 * and by tests of the checks themselves. */
void check_catch(void (*handler)(const char *text));

_Noreturn void check_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            check_failed(__FILE__, __LINE__, __VA_ARGS__);                                         \
    } while (0)

#endif
