#include "board/posix/posix_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

static bool read_all(int fd, char *out, size_t size)
{
    while (size > 0) {
        ssize_t got = read(fd, out, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        out += got;
        size -= (size_t)got;
    }
    return true;
}

/* Opens a regular file and tells its size; -1 when there is none. */
static int open_sized(int dir_fd, const char *name, size_t *size)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return -1;
    }
    *size = (size_t)status.st_size;
    return fd;
}

bool posix_file_text(int dir_fd, const char *name, char *out, size_t capacity)
{
    size_t size;
    int fd = open_sized(dir_fd, name, &size);
    if (fd < 0)
        return false;
    bool whole = size < capacity && read_all(fd, out, size);
    close(fd);
    if (whole)
        out[size] = '\0';
    return whole;
}

bool posix_file_replace(int dir_fd, const char *name, const char *text, bool durable)
{
    char fresh[4200];
    if (snprintf(fresh, sizeof fresh, "%s.new", name) >= (int)sizeof fresh)
        return false;
    int fd = openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool written = write_all(fd, text, strlen(text)) && (!durable || fdatasync(fd) == 0);
    if (close(fd) != 0 || !written || renameat(dir_fd, fresh, dir_fd, name) != 0) {
        unlinkat(dir_fd, fresh, 0);
        return false;
    }
    return !durable || fsync(dir_fd) == 0;
}

bool posix_file_append_line(int dir_fd, const char *name, const char *line)
{
    char text[512];
    int length = snprintf(text, sizeof text - 1, "%s", line);
    if (length < 0)
        return false;
    if (length > (int)sizeof text - 2)
        length = (int)sizeof text - 2;
    text[length++] = '\n';
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool written = write_all(fd, text, (size_t)length);
    return close(fd) == 0 && written;
}

uint8_t *posix_file_load(int dir_fd, const char *name, size_t limit, size_t *size)
{
    int fd = open_sized(dir_fd, name, size);
    if (fd < 0)
        return NULL;
    uint8_t *data = *size <= limit ? malloc(*size + 1) : NULL;
    if (data != NULL && !read_all(fd, (char *)data, *size)) {
        free(data);
        data = NULL;
    }
    close(fd);
    return data;
}

bool posix_file_make_directories(const char *path)
{
    char part[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return false;
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}
