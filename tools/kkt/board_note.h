/* What was last known about the board behind a queue, in a small JSON file beside the queue: FFD,
 * tax systems, serial.
 *
 * A receipt is encoded before it is sent, and its encoding depends on the board's document format;
 * with this note a job can be taken and stored while the board is unreachable, in the very bytes it
 * will be repeated in.
 */
#ifndef TOOLS_KKT_BOARD_NOTE_H
#define TOOLS_KKT_BOARD_NOTE_H

#include <stdbool.h>

#include "tools/kkt/task.h"

/* False when there is no note, or none that can be read. */
bool board_note_read(const char *queue_path, struct task_environment *environment);
/* Rewrites the note when it says something else; a failure to write is no failure of the work. */
void board_note_write(const char *queue_path, const struct task_environment *environment);

#endif
