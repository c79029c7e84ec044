#include "hostdrv/queue_lock.h"

#include <fcntl.h>
#include <unistd.h>

/* Locks of open file descriptions: they end with the process however it ends, and hold between two
 * handles of one process. */
static bool set_lock(int handle, short type)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(handle, F_OFD_SETLK, &range) == 0;
}

int queue_lock_open(const char *path)
{
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
}

bool queue_lock_try(int handle)
{
    return set_lock(handle, F_WRLCK);
}

void queue_lock_release(int handle)
{
    set_lock(handle, F_UNLCK);
}

void queue_lock_close(int handle)
{
    close(handle);
}
