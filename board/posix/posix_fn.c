#include "board/posix/posix_fn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define FN_BUFFER_BYTES 8192u
#define FN_RETRY_MS     1000u

static void trace_module(void *context, const char *line)
{
    posix_console_event(context, "fn", "%s", line);
}

static void connect_again(struct posix_fn *fn, mono_ms now)
{
    int fd = posix_connect(&fn->address);
    if (fd < 0) {
        if (fn->retry_at == 0)
            posix_console_event(fn->console, "fn", "external module unreachable: %s",
                                strerror(errno));
        fn->retry_at = now + FN_RETRY_MS;
        return;
    }
    posix_stream_attach(&fn->stream, fd);
    fn->connecting = true;
}

bool posix_fn_open(struct posix_fn *fn, struct posix_console *console,
                   const struct posix_fn_options *options, char *error, size_t error_size)
{
    memset(fn, 0, sizeof *fn);
    fn->console = console;
    fn->world = options->world;
    fn->off = fn->world != NULL && fn->world->facts[WORLD_FN_OFF] != 0;
    if (!posix_stream_init(&fn->stream, FN_BUFFER_BYTES, FN_BUFFER_BYTES)) {
        strncpy(error, "no memory", error_size);
        return false;
    }
    if (options->external != NULL) {
        fn->address = *options->external;
        return true;
    }
    fn->module = fnm_open(&options->module, error, error_size);
    if (fn->module == NULL)
        return false;
    if (console->verbose)
        fnm_set_trace(fn->module, trace_module, console);
    if (options->delay_ms > 0)
        fnm_fault(fn->module, FNM_FAULT_DELAY, options->delay_ms);
    if (fn->off)
        fnm_fault(fn->module, FNM_FAULT_OFF, 1);
    return true;
}

void posix_fn_close(struct posix_fn *fn)
{
    posix_stream_free(&fn->stream);
    fnm_close(fn->module);
    fn->module = NULL;
}

int posix_fn_read(struct posix_fn *fn, uint8_t *data, size_t size)
{
    if (fn->module == NULL && !posix_stream_alive(&fn->stream))
        return -1;
    return (int)posix_buffer_take(&fn->stream.in, data, size);
}

int posix_fn_write(struct posix_fn *fn, const uint8_t *data, size_t size, mono_ms now)
{
    if (fn->module != NULL) {
        fnm_feed(fn->module, data, size, now + fn->skew_ms);
        return (int)size;
    }
    if (!posix_stream_alive(&fn->stream))
        return -1;
    return (int)posix_buffer_put(&fn->stream.out, data, size);
}

void posix_fn_set_off(struct posix_fn *fn, bool off, mono_ms now)
{
    if (fn->off == off)
        return;
    if (fn->world != NULL)
        posix_world_set(fn->world, WORLD_FN_OFF, off);
    fn->off = off;
    fn->retry_at = now;
    if (fn->module != NULL) {
        fnm_fault(fn->module, FNM_FAULT_OFF, off ? 1 : 0);
        posix_buffer_clear(&fn->stream.in);
    } else {
        posix_stream_detach(&fn->stream);
    }
}

bool posix_fn_fault(struct posix_fn *fn, enum fnm_fault fault, uint32_t argument, uint32_t times)
{
    if (fn->module == NULL)
        return false;
    if (fault == FNM_FAULT_DELAY) {
        fnm_fault(fn->module, fault, argument);
        return true;
    }
    fn->fault = fault;
    fn->fault_argument = argument;
    fn->fault_left = times;
    fn->fault_mark = fnm_counters(fn->module)->commands;
    fnm_fault(fn->module, times > 0 ? fault : FNM_FAULT_NONE, argument);
    return true;
}

bool posix_fn_advance(struct posix_fn *fn, uint64_t milliseconds)
{
    fn->skew_ms += milliseconds;
    return fn->module != NULL;
}

short posix_fn_events(const struct posix_fn *fn)
{
    if (fn->module != NULL || fn->stream.fd < 0)
        return 0;
    return fn->connecting ? POLLOUT : posix_stream_events(&fn->stream);
}

static bool pump_module(struct posix_fn *fn, mono_ms now)
{
    uint64_t commands = fnm_counters(fn->module)->commands;
    if (fn->fault_left > 0 && commands != fn->fault_mark) {
        fn->fault_mark = commands;
        if (--fn->fault_left > 0)
            fnm_fault(fn->module, fn->fault, fn->fault_argument);
    }
    size_t room = posix_buffer_room(&fn->stream.in);
    if (room == 0 || fnm_output_due_ms(fn->module, now + fn->skew_ms) > 0)
        return false;
    size_t got =
        fnm_output(fn->module, fn->stream.in.data + fn->stream.in.end, room, now + fn->skew_ms);
    fn->stream.in.end += got;
    return got > 0;
}

static bool lost(struct posix_fn *fn, mono_ms now, int number)
{
    posix_console_event(fn->console, "fn", "external module gone: %s",
                        number == 0 ? "closed" : strerror(number));
    posix_stream_detach(&fn->stream);
    fn->connecting = false;
    fn->retry_at = now + FN_RETRY_MS;
    return true;
}

static bool pump_external(struct posix_fn *fn, bool ready, mono_ms now)
{
    int number = 0;
    socklen_t size = sizeof number;
    if (fn->stream.fd < 0) {
        if (!fn->off && now >= fn->retry_at)
            connect_again(fn, now);
        return false;
    }
    if (fn->connecting) {
        if (!ready)
            return false;
        if (getsockopt(fn->stream.fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0 || number != 0)
            return lost(fn, now, number);
        fn->connecting = false;
        fn->generation++;
        posix_console_event(fn->console, "fn", "external module connected");
    }
    int sent = posix_stream_flush(&fn->stream);
    if (sent < 0)
        return lost(fn, now, errno);
    int got = ready ? posix_stream_receive(&fn->stream) : 0;
    if (!posix_stream_alive(&fn->stream))
        return lost(fn, now, 0);
    bool room = sent > 0 && fn->stream.out.refused;
    fn->stream.out.refused = fn->stream.out.refused && !room;
    return got != 0 || room;
}

bool posix_fn_pump(struct posix_fn *fn, bool ready, mono_ms now)
{
    return fn->module != NULL ? pump_module(fn, now) : pump_external(fn, ready, now);
}

uint64_t posix_fn_due_ms(const struct posix_fn *fn, mono_ms now)
{
    if (fn->module != NULL)
        return posix_buffer_used(&fn->stream.in) < fn->stream.in.capacity
                   ? fnm_output_due_ms(fn->module, now + fn->skew_ms)
                   : UINT64_MAX;
    if (fn->stream.fd >= 0 || fn->off)
        return UINT64_MAX;
    return fn->retry_at > now ? fn->retry_at - now : 0;
}
