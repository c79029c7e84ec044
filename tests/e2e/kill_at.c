/* A preload library that ends a process with SIGKILL at a system call chosen beforehand.
 *
 * Real kills at random moments seldom fall between two particular calls. Preloaded into kkt-board,
 * kkt or kkt-ofd, this library stands before the calls of libc that change something outside the
 * process or take something from a socket, counts them over all threads, and raises SIGKILL at the
 * N-th one of a chosen class: before it, after it (done in the kernel, its result never seen by the
 * program), or inside it (half of the bytes written). SIGKILL cannot be caught, so nothing of the
 * process runs afterwards: no exit handler, no buffer flushed.
 *
 * Why a preload and not ptrace: it needs no permission (containers often forbid ptrace), costs
 * nothing between the calls, so timing stays real, and SQLite is caught as well, because it
 * takes pwrite64, fdatasync and the others from libc by name.
 *
 * What it does not catch: calls made inside libc for stdio (fwrite, printf; fflush is counted
 * instead), calls made without libc, memory shared with other processes (SQLite's -shm), file
 * locks, files opened without O_CREAT, and removing or making a name that is not there or there
 * already. Kills at random moments cover those.
 *
 * "Inside" is harsher than a kill: Linux lets a signal end a write only between two pages or
 * segments.
 *
 * The plan comes from the environment:
 *   KILL_AT_CLASS  names of calls or of groups, separated by commas; the groups are any, storage,
 *                  sync and socket
 *   KILL_AT_COUNT  N, from 1
 *   KILL_AT_WHEN   before, after or inside
 *   KILL_AT_PAGE   a file of struct kill_page instead of these three. It can be changed while the
 *                  process runs, counts on over restarts, and tells where the process was killed.
 * Reads and writes of descriptors 0 to 2 are not counted. Always true: at most one kill a plan.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum call {
    CALL_WRITE,
    CALL_WRITEV,
    CALL_PWRITE,
    CALL_FFLUSH,
    CALL_OPEN,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_FTRUNCATE,
    CALL_RENAME,
    CALL_LINK,
    CALL_UNLINK,
    CALL_MKDIR,
    CALL_CONNECT,
    CALL_ACCEPT,
    CALL_SEND,
    CALL_RECV,
    CALL_COUNT
};

static const char *const names[CALL_COUNT] = {
    "write",  "writev", "pwrite", "fflush", "open",    "fsync",  "fdatasync", "ftruncate",
    "rename", "link",   "unlink", "mkdir",  "connect", "accept", "send",      "recv"};

#define BIT(call)    (UINT64_C(1) << (call))
#define GROUP_ANY    (BIT(CALL_COUNT) - 1)
#define GROUP_SYNC   (BIT(CALL_FSYNC) | BIT(CALL_FDATASYNC))
#define GROUP_SOCKET (BIT(CALL_CONNECT) | BIT(CALL_ACCEPT) | BIT(CALL_SEND) | BIT(CALL_RECV))

static const struct {
    const char *name;
    uint64_t calls;
} groups[] = {{"any", GROUP_ANY},
              {"storage", GROUP_ANY & ~GROUP_SOCKET},
              {"sync", GROUP_SYNC},
              {"socket", GROUP_SOCKET}};

enum when { NOT_NOW, BEFORE, AFTER, INSIDE };

/* If you change this, also change KillPage in kills.py. */
struct kill_page {
    _Atomic uint64_t calls;   /* one bit a call that may be the one; 0: nothing is planned */
    _Atomic int64_t left;     /* the call that takes it from 1 to 0 is the one */
    _Atomic uint64_t counted; /* calls of any class since the page was made */
    uint32_t when;            /* enum when */
    uint32_t dead_pid;        /* who was killed last, 0 nobody yet */
    uint32_t dead_call;       /* enum call */
    char dead_where[212];     /* the file, or socket:[N] */
};
_Static_assert(sizeof(struct kill_page) == 248 && offsetof(struct kill_page, dead_where) == 36,
               "kills.py reads the page by these numbers");

static struct kill_page own_page;
static struct kill_page *page = &own_page;

/* ---- The plan ---- */

__attribute__((visibility("default"))) const char *kill_at_name(unsigned call)
{
    return call < CALL_COUNT ? names[call] : NULL;
}

static uint64_t calls_of_word(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        if (strlen(groups[i].name) == length && memcmp(groups[i].name, word, length) == 0)
            return groups[i].calls;
    for (unsigned i = 0; i < CALL_COUNT; i++)
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0)
            return BIT(i);
    return 0;
}

/* The bits of a list of names; 0 when one of them is not known. */
__attribute__((visibility("default"))) uint64_t kill_at_calls(const char *list)
{
    uint64_t calls = 0;
    for (const char *word = list; *word != '\0';) {
        size_t length = strcspn(word, ",");
        uint64_t found = calls_of_word(word, length);
        if (found == 0)
            return 0;
        calls |= found;
        word += length + (word[length] == ',');
    }
    return calls;
}

static _Noreturn void complain(const char *text)
{
    fprintf(stderr, "kill_at: %s\n", text);
    abort(); /* a test that silently does not kill would prove nothing */
}

static void map_page(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size < (off_t)sizeof *page)
        complain("KILL_AT_PAGE cannot be used");
    void *map = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        complain("KILL_AT_PAGE cannot be mapped");
    page = map;
}

__attribute__((constructor)) static void take_plan(void)
{
    const char *path = getenv("KILL_AT_PAGE");
    const char *list = getenv("KILL_AT_CLASS");
    const char *count = getenv("KILL_AT_COUNT");
    const char *when = getenv("KILL_AT_WHEN");
    if (path != NULL) {
        map_page(path);
        return;
    }
    if (list == NULL)
        return;
    uint64_t calls = kill_at_calls(list);
    long number = count != NULL ? strtol(count, NULL, 10) : 0;
    if (calls == 0 || number < 1 || when == NULL)
        complain("KILL_AT_CLASS, KILL_AT_COUNT or KILL_AT_WHEN is not understood");
    page->when = strcmp(when, "before") == 0 ? BEFORE : strcmp(when, "after") == 0 ? AFTER : INSIDE;
    atomic_store(&page->left, number);
    atomic_store(&page->calls, calls);
}

/* ---- The kill ---- */

static _Noreturn void die(void)
{
    atomic_store(&page->calls, 0);
    kill(getpid(), SIGKILL);
    for (;;)
        pause(); /* other threads end with us, none goes on from here */
}

static void note(enum call call, int fd, const char *path)
{
    char link[64];
    page->dead_call = call;
    memset(page->dead_where, 0, sizeof page->dead_where);
    if (path != NULL) {
        snprintf(page->dead_where, sizeof page->dead_where, "%s", path);
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, page->dead_where, sizeof page->dead_where - 1) < 0)
            page->dead_where[0] = '\0';
    }
    page->dead_pid = (uint32_t)getpid();
}

/* Counts the call. NOT_NOW, or what is to be done about it: AFTER or INSIDE. */
static enum when enter(enum call call, int fd, const char *path)
{
    int error = errno;
    atomic_fetch_add(&page->counted, 1);
    if ((atomic_load(&page->calls) & BIT(call)) == 0 || atomic_fetch_sub(&page->left, 1) != 1)
        return NOT_NOW;
    note(call, fd, path);
    if (page->when == BEFORE)
        die();
    errno = error;
    return page->when;
}

static enum when enter_stream(enum call call, int fd)
{
    return fd <= STDERR_FILENO ? NOT_NOW : enter(call, fd, NULL);
}

static void leave(enum when when)
{
    if (when != NOT_NOW)
        die();
}

static size_t part(enum when when, size_t size)
{
    return when == INSIDE && size > 1 ? size / 2 : size;
}

static bool is_socket(int fd)
{
    struct stat status;
    int error = errno;
    bool is = fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    errno = error;
    return is;
}

/* A name that is not there cannot be removed, one that is there cannot be made: those calls change
 * nothing and would only dilute the counted ones. */
static enum when enter_name(enum call call, int folder, const char *path)
{
    int error = errno;
    bool changes = (faccessat(folder, path, F_OK, 0) == 0) == (call == CALL_UNLINK);
    errno = error;
    return changes ? enter(call, -1, path) : NOT_NOW;
}

/* ---- The calls ---- */

/* The names of libc's own parameters are reserved.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

static void *find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        complain(name);
    return function;
}

#define EXPORT __attribute__((visibility("default")))

/* The function of libc that NAME stands before. */
#define REAL(result, name, ...)                                                                    \
    static result (*_Atomic real)(__VA_ARGS__);                                                    \
    if (real == NULL)                                                                              \
    real = (result(*)(__VA_ARGS__))find(#name)

/* A call that is done whole or not at all. */
#define PLAIN(result, name, call, fd, path, parameters, arguments, ...)                            \
    EXPORT result name parameters                                                                  \
    {                                                                                              \
        REAL(result, name, __VA_ARGS__);                                                           \
        enum when when = enter(call, fd, path);                                                    \
        result value = real arguments;                                                             \
        leave(when);                                                                               \
        return value;                                                                              \
    }

/* One that makes or removes a name. */
#define NAMED(name, call, folder, parameters, arguments, ...)                                      \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        REAL(int, name, __VA_ARGS__);                                                              \
        enum when when = enter_name(call, folder, path);                                           \
        int value = real arguments;                                                                \
        leave(when);                                                                               \
        return value;                                                                              \
    }

/* A call that can do a part of its bytes. */
#define PARTIAL(name, call, parameters, arguments, ...)                                            \
    EXPORT ssize_t name parameters                                                                 \
    {                                                                                              \
        REAL(ssize_t, name, __VA_ARGS__);                                                          \
        enum when when = enter_stream(call, fd);                                                   \
        size = part(when, size);                                                                   \
        ssize_t value = real arguments;                                                            \
        leave(when);                                                                               \
        return value;                                                                              \
    }

PARTIAL(write, CALL_WRITE, (int fd, const void *data, size_t size), (fd, data, size), int,
        const void *, size_t)
PARTIAL(pwrite, CALL_PWRITE, (int fd, const void *data, size_t size, off_t at),
        (fd, data, size, at), int, const void *, size_t, off_t)
PARTIAL(pwrite64, CALL_PWRITE, (int fd, const void *data, size_t size, off64_t at),
        (fd, data, size, at), int, const void *, size_t, off64_t)
PARTIAL(send, CALL_SEND, (int fd, const void *data, size_t size, int flags),
        (fd, data, size, flags), int, const void *, size_t, int)
PARTIAL(sendto, CALL_SEND,
        (int fd, const void *data, size_t size, int flags, const struct sockaddr *to,
         socklen_t to_size),
        (fd, data, size, flags, to, to_size), int, const void *, size_t, int,
        const struct sockaddr *, socklen_t)
PLAIN(ssize_t, writev, CALL_WRITEV, fd, NULL, (int fd, const struct iovec *parts, int count),
      (fd, parts, count), int, const struct iovec *, int)
PLAIN(ssize_t, sendmsg, CALL_SEND, fd, NULL, (int fd, const struct msghdr *message, int flags),
      (fd, message, flags), int, const struct msghdr *, int)
PLAIN(ssize_t, recv, CALL_RECV, fd, NULL, (int fd, void *data, size_t size, int flags),
      (fd, data, size, flags), int, void *, size_t, int)
PLAIN(ssize_t, recvfrom, CALL_RECV, fd, NULL,
      (int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *from_size),
      (fd, data, size, flags, from, from_size), int, void *, size_t, int, struct sockaddr *,
      socklen_t *)
PLAIN(ssize_t, recvmsg, CALL_RECV, fd, NULL, (int fd, struct msghdr *message, int flags),
      (fd, message, flags), int, struct msghdr *, int)
PLAIN(int, connect, CALL_CONNECT, fd, NULL,
      (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size), int,
      const struct sockaddr *, socklen_t)
PLAIN(int, accept, CALL_ACCEPT, fd, NULL, (int fd, struct sockaddr *address, socklen_t *size),
      (fd, address, size), int, struct sockaddr *, socklen_t *)
PLAIN(int, accept4, CALL_ACCEPT, fd, NULL,
      (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags),
      int, struct sockaddr *, socklen_t *, int)
PLAIN(int, fsync, CALL_FSYNC, fd, NULL, (int fd), (fd), int)
PLAIN(int, fdatasync, CALL_FDATASYNC, fd, NULL, (int fd), (fd), int)
PLAIN(int, ftruncate, CALL_FTRUNCATE, fd, NULL, (int fd, off_t size), (fd, size), int, off_t)
PLAIN(int, ftruncate64, CALL_FTRUNCATE, fd, NULL, (int fd, off64_t size), (fd, size), int, off64_t)
PLAIN(int, rename, CALL_RENAME, -1, to, (const char *from, const char *to), (from, to),
      const char *, const char *)
PLAIN(int, renameat, CALL_RENAME, -1, to,
      (int from_fd, const char *from, int to_fd, const char *to), (from_fd, from, to_fd, to), int,
      const char *, int, const char *)
PLAIN(int, link, CALL_LINK, -1, to, (const char *from, const char *to), (from, to), const char *,
      const char *)
PLAIN(int, linkat, CALL_LINK, -1, to,
      (int from_fd, const char *from, int to_fd, const char *to, int flags),
      (from_fd, from, to_fd, to, flags), int, const char *, int, const char *, int)
NAMED(unlink, CALL_UNLINK, AT_FDCWD, (const char *path), (path), const char *)
NAMED(remove, CALL_UNLINK, AT_FDCWD, (const char *path), (path), const char *)
NAMED(unlinkat, CALL_UNLINK, folder, (int folder, const char *path, int flags),
      (folder, path, flags), int, const char *, int)
NAMED(mkdir, CALL_MKDIR, AT_FDCWD, (const char *path, mode_t mode), (path, mode), const char *,
      mode_t)

/* The one place where stdio can be met: what it writes, it writes inside libc. */
EXPORT int fflush(FILE *file)
{
    REAL(int, fflush, FILE *);
    int fd = file != NULL ? fileno(file) : -1;
    enum when when = enter_stream(CALL_FFLUSH, fd);
    int value = real(file);
    leave(when);
    return value;
}

/* Files are read at their own pace; only what comes from another process counts. */
EXPORT ssize_t read(int fd, void *data, size_t size)
{
    REAL(ssize_t, read, int, void *, size_t);
    enum when when = fd > STDERR_FILENO && is_socket(fd) ? enter(CALL_RECV, fd, NULL) : NOT_NOW;
    ssize_t value = real(fd, data, size);
    leave(when);
    return value;
}

static bool creates(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

/* Only what makes a file, or may make one, counts. */
#define OPENING(name, parameters, arguments, ...)                                                  \
    EXPORT int name parameters                                                                     \
    {                                                                                              \
        REAL(int, name, __VA_ARGS__);                                                              \
        mode_t mode = 0;                                                                           \
        if (creates(flags)) {                                                                      \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        enum when when = creates(flags) ? enter(CALL_OPEN, -1, path) : NOT_NOW;                    \
        int value = real arguments;                                                                \
        leave(when);                                                                               \
        return value;                                                                              \
    }
OPENING(open, (const char *path, int flags, ...), (path, flags, mode), const char *, int, ...)
OPENING(open64, (const char *path, int flags, ...), (path, flags, mode), const char *, int, ...)
OPENING(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), int,
        const char *, int, ...)
OPENING(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode), int,
        const char *, int, ...)
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
