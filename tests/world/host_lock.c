#include "tests/world/host_lock.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "hostdrv/queue_lock.h"

#define HANDLES_MAX 64
#define PATH_LENGTH 256

struct handle {
    int number; /* 0: a free place. Numbers are never given again, so an old one finds nothing. */
    bool has_lock;
    char path[PATH_LENGTH];
};

static struct handle handles[HANDLES_MAX];
static int last_number;

static struct handle *find(int number)
{
    for (size_t i = 0; number != 0 && i < HANDLES_MAX; i++) {
        if (handles[i].number == number)
            return &handles[i];
    }
    return NULL;
}

int queue_lock_open(const char *path)
{
    size_t length = strlen(path);
    if (length >= PATH_LENGTH) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        if (handles[i].number != 0)
            continue;
        handles[i].number = ++last_number;
        handles[i].has_lock = false;
        memcpy(handles[i].path, path, length + 1);
        return handles[i].number;
    }
    errno = EMFILE;
    return -1;
}

bool queue_lock_try(int handle)
{
    struct handle *mine = find(handle);
    if (mine == NULL)
        return false;
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        const struct handle *other = &handles[i];
        if (other->number != 0 && other != mine && other->has_lock &&
            strcmp(other->path, mine->path) == 0)
            return false;
    }
    mine->has_lock = true;
    return true;
}

void queue_lock_release(int handle)
{
    struct handle *mine = find(handle);
    if (mine != NULL)
        mine->has_lock = false;
}

void queue_lock_close(int handle)
{
    struct handle *mine = find(handle);
    if (mine != NULL)
        mine->number = 0;
}

void host_lock_crash(void)
{
    for (size_t i = 0; i < HANDLES_MAX; i++)
        handles[i].number = 0;
}

size_t host_lock_handles(void)
{
    size_t count = 0;
    for (size_t i = 0; i < HANDLES_MAX; i++)
        count += handles[i].number != 0;
    return count;
}
