#include "board/posix/posix_drawer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "board/posix/posix_clock.h"
#include "board/posix/posix_file.h"

#define DRAWER_FILE "drawer.log"

static uint64_t count_lines(int dir_fd)
{
    char chunk[4096];
    uint64_t lines = 0;
    ssize_t got;
    int fd = openat(dir_fd, DRAWER_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < got; i++)
            lines += chunk[i] == '\n';
    close(fd);
    return lines;
}

void posix_drawer_init(struct posix_drawer *drawer, struct posix_console *console, int dir_fd,
                       uint32_t close_ms, bool stuck)
{
    memset(drawer, 0, sizeof *drawer);
    drawer->console = console;
    drawer->dir_fd = dir_fd;
    drawer->close_ms = close_ms;
    drawer->stuck = stuck;
    drawer->logged = count_lines(dir_fd);
}

void posix_drawer_pulse(struct posix_drawer *drawer, uint16_t duration_ms, mono_ms now)
{
    char line[96];
    char stamp[POSIX_STAMP_SIZE];
    drawer->pulses++;
    if (drawer->stuck || drawer->open) {
        posix_console_event(drawer->console, "drawer", "pulse of %u ms, %s", duration_ms,
                            drawer->open ? "it is open" : "it is stuck");
        return;
    }
    drawer->open = true;
    drawer->openings++;
    drawer->logged++;
    drawer->close_at = now + drawer->close_ms;
    posix_stamp(stamp);
    snprintf(line, sizeof line, "%s opening %llu pulse_ms %u", stamp,
             (unsigned long long)drawer->logged, duration_ms);
    if (!posix_file_append_line(drawer->dir_fd, DRAWER_FILE, line))
        posix_console_event(drawer->console, "drawer", "%s cannot be written", DRAWER_FILE);
    posix_console_event(drawer->console, "drawer", "open");
}

bool posix_drawer_close(struct posix_drawer *drawer)
{
    if (!drawer->open)
        return true;
    if (drawer->stuck)
        return false;
    drawer->open = false;
    posix_console_event(drawer->console, "drawer", "shut");
    return true;
}

bool posix_drawer_pump(struct posix_drawer *drawer, mono_ms now)
{
    return posix_drawer_due_ms(drawer, now) == 0 && posix_drawer_close(drawer);
}

uint64_t posix_drawer_due_ms(const struct posix_drawer *drawer, mono_ms now)
{
    if (!drawer->open || drawer->stuck || drawer->close_ms == UINT32_MAX)
        return UINT64_MAX;
    return drawer->close_at > now ? drawer->close_at - now : 0;
}
