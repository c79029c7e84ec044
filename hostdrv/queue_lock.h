/* The only place of the driver that locks files: the lock beside a queue file, held by whoever
 * works the queue off.
 *
 * Always true: of all open handles on one path, in one process or in many, at most one has the
 * lock; it ends with the process however the process ends.
 */
#ifndef HOSTDRV_QUEUE_LOCK_H
#define HOSTDRV_QUEUE_LOCK_H

#include <stdbool.h>

/* Makes the file if there is none. A handle of zero or more; negative: failed, errno tells why. */
int queue_lock_open(const char *path);
/* Takes the lock, without waiting. False: another handle has it. */
bool queue_lock_try(int handle);
void queue_lock_release(int handle);
/* Releases it too. */
void queue_lock_close(int handle);

#endif
