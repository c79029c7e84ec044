/* Small files of the state directory, and one growing buffer-less log line at a time.
 *
 * Always true: a small file is replaced whole (new file, rename) or not at all, so a kill at any
 * moment leaves the old or the new text. Names are relative to the directory descriptor: the
 * process may change its directory.
 */
#ifndef BOARD_POSIX_FILE_H
#define BOARD_POSIX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text of a small file with a zero behind it. False when absent, unreadable or longer than capacity
 * - 1. */
bool posix_file_text(int dir_fd, const char *name, char *out, size_t capacity);
/* Replaces the file whole; durable: also safe from a power cut of the PC. False when the disk
 * refuses. */
bool posix_file_replace(int dir_fd, const char *name, const char *text, bool durable);
/* Appends one whole line with one write; the end of line is added. False when the disk refuses. */
bool posix_file_append_line(int dir_fd, const char *name, const char *line);
/* The whole file in memory of malloc, *size its bytes; NULL when absent, unreadable or over limit
 * bytes. */
uint8_t *posix_file_load(int dir_fd, const char *name, size_t limit, size_t *size);
/* As mkdir -p. */
bool posix_file_make_directories(const char *path);

#endif
