#include "board/posix/posix_console.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "board/posix/posix_clock.h"

#define LOG_FILE "events.log"

static void log_open(struct posix_console *console)
{
    struct stat status;
    console->log_fd =
        openat(console->dir_fd, LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    console->log_size = 0;
    if (console->log_fd >= 0 && fstat(console->log_fd, &status) == 0)
        console->log_size = (uint64_t)status.st_size;
}

bool posix_console_open(struct posix_console *console, int dir_fd, bool quiet, bool verbose)
{
    memset(console, 0, sizeof *console);
    console->dir_fd = dir_fd;
    console->quiet = quiet;
    console->verbose = verbose;
    log_open(console);
    return console->log_fd >= 0;
}

void posix_console_close(struct posix_console *console)
{
    posix_console_flush(console);
    if (console->log_fd >= 0)
        close(console->log_fd);
    console->log_fd = -1;
}

static void write_log(struct posix_console *console, const char *lines, size_t length)
{
    if (console->log_size > POSIX_CONSOLE_LOG_MAX) {
        close(console->log_fd);
        renameat(console->dir_fd, LOG_FILE, console->dir_fd, LOG_FILE ".1");
        log_open(console);
    }
    if (console->log_fd >= 0 && write(console->log_fd, lines, length) > 0)
        console->log_size += length;
}

void posix_console_event(struct posix_console *console, const char *subject, const char *format,
                         ...)
{
    char line[640];
    char stamp[POSIX_STAMP_SIZE];
    va_list arguments;
    posix_stamp(stamp);
    int head = snprintf(line, sizeof line, "%s %-8s ", stamp, subject);
    va_start(arguments, format);
    int body = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
    va_end(arguments);
    if (head < 0 || body < 0)
        return;
    size_t length = strlen(line);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20)
            line[i] = ' '; /* one event stays one line whatever the text says */
    line[length++] = '\n';
    if (length > sizeof console->gathered - console->gathered_size)
        posix_console_flush(console);
    memcpy(console->gathered + console->gathered_size, line, length);
    console->gathered_size += length;
}

void posix_console_flush(struct posix_console *console)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    size_t size = console->gathered_size;
    if (size == 0)
        return;
    console->gathered_size = 0;
    write_log(console, console->gathered, size);
    if (!console->quiet && poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 &&
        write(STDOUT_FILENO, console->gathered, size) < 0)
        console->quiet = true; /* nobody reads any more */
}
