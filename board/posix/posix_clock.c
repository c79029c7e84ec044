#include "board/posix/posix_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "board/posix/posix_file.h"

#define CLOCK_FILE "clock.offset"

mono_ms posix_mono_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (mono_ms)now.tv_sec * 1000u + (mono_ms)now.tv_nsec / 1000000u;
}

int64_t posix_utc_s(void)
{
    return (int64_t)time(NULL);
}

static int64_t local_of_utc(int64_t utc_s)
{
    time_t utc = (time_t)utc_s;
    struct tm local;
    if (localtime_r(&utc, &local) == NULL)
        return utc_s;
    return utc_s + (int64_t)local.tm_gmtoff;
}

void posix_stamp(char out[POSIX_STAMP_SIZE])
{
    struct timespec now;
    char seconds[ISO_TIME_SIZE];
    clock_gettime(CLOCK_REALTIME, &now);
    iso_time_format((unix_s)local_of_utc((int64_t)now.tv_sec), seconds);
    snprintf(out, POSIX_STAMP_SIZE, "%.19s.%03u", seconds,
             (unsigned)(now.tv_nsec / 1000000) % 1000u);
}

static int64_t local_now(struct posix_clock *clock)
{
    int64_t utc_s = posix_utc_s();
    if (utc_s != clock->cached_utc_s) {
        clock->cached_local_s = local_of_utc(utc_s);
        clock->cached_utc_s = utc_s;
    }
    return clock->cached_local_s;
}

static int clock_save(const struct posix_clock *clock)
{
    char text[48] = "unset\n";
    if (!clock->unset)
        snprintf(text, sizeof text, "offset %lld\n", (long long)clock->offset_s);
    return posix_file_replace(clock->dir_fd, CLOCK_FILE, text, true) ? 0 : -1;
}

bool posix_clock_open(struct posix_clock *clock, int dir_fd)
{
    char text[48];
    char *end = NULL;
    memset(clock, 0, sizeof *clock);
    clock->dir_fd = dir_fd;
    clock->cached_utc_s = -1;
    if (!posix_file_text(dir_fd, CLOCK_FILE, text, sizeof text))
        return true;
    if (strcmp(text, "unset\n") == 0) {
        clock->unset = true;
        return true;
    }
    if (strncmp(text, "offset ", 7) != 0)
        return false;
    clock->offset_s = strtoll(text + 7, &end, 10);
    return end != text + 7 && strcmp(end, "\n") == 0;
}

unix_s posix_clock_calendar(struct posix_clock *clock)
{
    if (clock->unset)
        return 0;
    int64_t shown = local_now(clock) + clock->offset_s;
    return shown < 1 ? 1u : shown > UINT32_MAX ? UINT32_MAX : (unix_s)shown;
}

uint64_t posix_clock_utc(struct posix_clock *clock)
{
    int64_t utc_s = posix_utc_s() + clock->offset_s;
    return clock->unset || utc_s < 0 ? 0u : (uint64_t)utc_s;
}

int posix_clock_set(struct posix_clock *clock, unix_s time)
{
    clock->offset_s = (int64_t)time - local_now(clock);
    clock->unset = false;
    return clock_save(clock);
}

int posix_clock_unset(struct posix_clock *clock)
{
    clock->unset = true;
    clock->offset_s = 0;
    return clock_save(clock);
}

int posix_clock_advance(struct posix_clock *clock, int64_t seconds)
{
    if (clock->unset)
        return -1;
    clock->offset_s += seconds;
    return clock_save(clock);
}
