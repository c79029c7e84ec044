/* What happens on the board, for people: one line an event, with a time stamp, on standard output
 * and in events.log.
 *
 * Always true: lines are gathered and written whole, many with one system call, before the board
 * sleeps or answers people, and at once when they are urgent; a process killed while it works loses
 * at most the lines of that moment. A reader of standard output that stops reading never stops the
 * board (lines are dropped there, the file has them). events.log is renamed to events.log.1 when it
 * passes POSIX_CONSOLE_LOG_MAX.
 */
#ifndef BOARD_POSIX_CONSOLE_H
#define BOARD_POSIX_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSIX_CONSOLE_LOG_MAX  (16u * 1024u * 1024u)
#define POSIX_CONSOLE_GATHERED 4096u /* a pipe that can take anything takes so much at once */

struct posix_console {
    int dir_fd; /* borrowed */
    int log_fd; /* -1: no file */
    uint64_t log_size;
    bool quiet;   /* nothing on standard output */
    bool verbose; /* every FN command too */
    char gathered[POSIX_CONSOLE_GATHERED];
    size_t gathered_size;
};

bool posix_console_open(struct posix_console *console, int dir_fd, bool quiet, bool verbose);
void posix_console_close(struct posix_console *console);
/* "2026-11-23T14:09:19.123 host     connected from 127.0.0.1:40000": subject is one word. */
void posix_console_event(struct posix_console *console, const char *subject, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));
/* Everything said so far is written: before the board sleeps, after what is urgent, before the
 * process ends. */
void posix_console_flush(struct posix_console *console);

#endif
