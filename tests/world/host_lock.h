/* The locks of the simulated host: hostdrv/queue_lock.h in memory, keyed by path.
 *
 * A program of the world links this instead of hostdrv/queue_lock.c by standing before the driver's
 * archive and naming host_lock_crash or host_lock_handles, directly or through the world; one that
 * names neither gets the real locks.
 *
 * Always true: at most one handle has the lock of a path. A handle from before a crash locks
 * nothing, releases nothing and may still be closed, so that a dead host unwinds in any order.
 */
#ifndef TESTS_WORLD_HOST_LOCK_H
#define TESTS_WORLD_HOST_LOCK_H

#include <stddef.h>

/* The process, or the machine, is gone: so are all its handles and locks. */
void host_lock_crash(void);
/* How many handles are open now. */
size_t host_lock_handles(void);

#endif
