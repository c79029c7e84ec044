#include "board/posix/posix_printer.h"

#include <string.h>

#define ANSWER_BYTES 512u
#define BUSY_MS      (PRINT_HEAD_RECOVERY_MS + 200u)
#define QUESTION_MAX 8u /* a status question is at most a few bytes */

bool posix_printer_open(struct posix_printer *printer, struct posix_console *console,
                        struct posix_world *world, const struct print_head_options *options)
{
    memset(printer, 0, sizeof *printer);
    printer->console = console;
    printer->world = world;
    if (!posix_buffer_init(&printer->in, ANSWER_BYTES))
        return false;
    printer->head = print_head_open(options);
    if (printer->head == NULL)
        return false;
    printer->slip = print_head_last_slip(printer->head);
    if (world->facts[WORLD_PAPER] != PRINT_HEAD_PAPER_IN)
        print_head_set_paper(printer->head, (enum print_head_paper)world->facts[WORLD_PAPER]);
    if (world->facts[WORLD_COVER_OPEN] != 0)
        print_head_set_cover(printer->head, true);
    if (world->facts[WORLD_PRINTER_FAULT] != 0)
        print_head_set_fault(printer->head, true);
    if (world->facts[WORLD_PRINTER_OFF] != 0)
        print_head_set_power(printer->head, false);
    return true;
}

void posix_printer_close(struct posix_printer *printer)
{
    print_head_close(printer->head);
    printer->head = NULL;
    posix_buffer_free(&printer->in);
}

static void wake(struct posix_printer *printer, mono_ms now)
{
    printer->busy_until = now + BUSY_MS;
}

int posix_printer_read(struct posix_printer *printer, uint8_t *data, size_t size)
{
    return (int)posix_buffer_take(&printer->in, data, size);
}

int posix_printer_write(struct posix_printer *printer, const uint8_t *data, size_t size,
                        mono_ms now)
{
    size_t taken = print_head_feed(printer->head, data, size, now);
    printer->refused = taken < size;
    if (taken > QUESTION_MAX || printer->refused)
        wake(printer, now);
    return (int)taken;
}

void posix_printer_set_paper(struct posix_printer *printer, enum print_head_paper paper,
                             mono_ms now)
{
    printer->out_after = false;
    posix_world_set(printer->world, WORLD_PAPER, (uint8_t)paper);
    print_head_set_paper(printer->head, paper);
    wake(printer, now);
}

void posix_printer_set_out_after(struct posix_printer *printer, unsigned lines, mono_ms now)
{
    struct print_head_counters counters;
    print_head_counters(printer->head, &counters);
    printer->out_after = true;
    printer->out_at_line = counters.lines + lines;
    print_head_set_paper_out_after(printer->head, lines);
    wake(printer, now);
}

void posix_printer_set(struct posix_printer *printer, enum posix_world_fact fact, bool value,
                       mono_ms now)
{
    posix_world_set(printer->world, fact, value);
    if (fact == WORLD_COVER_OPEN)
        print_head_set_cover(printer->head, value);
    else if (fact == WORLD_PRINTER_FAULT)
        print_head_set_fault(printer->head, value);
    else
        print_head_set_power(printer->head, !value);
    wake(printer, now);
}

/* Tells what came out and keeps the head's ticks going while it works. */
static void watch(struct posix_printer *printer, mono_ms now)
{
    struct print_head_counters counters;
    print_head_counters(printer->head, &counters);
    if (counters.lines != printer->lines || counters.millimetres != printer->millimetres)
        wake(printer, now);
    printer->lines = counters.lines;
    printer->millimetres = counters.millimetres;
    if (printer->out_after && counters.lines >= printer->out_at_line) {
        printer->out_after = false;
        posix_world_set(printer->world, WORLD_PAPER, PRINT_HEAD_PAPER_OUT);
        posix_console_event(printer->console, "paper", "the roll has ended");
    }
    uint32_t newest = print_head_last_slip(printer->head);
    if (newest != printer->slip) {
        posix_console_event(printer->console, "paper", "slip %06u came out", (unsigned)newest);
        printer->slip = newest;
    }
}

bool posix_printer_pump(struct posix_printer *printer, mono_ms now)
{
    uint8_t answers[64];
    bool look = false;
    if (now >= printer->tick_at && now < printer->busy_until) {
        print_head_step(printer->head, now);
        printer->tick_at = now + POSIX_PRINTER_TICK_MS;
        look = printer->refused; /* there may be room again */
        printer->refused = false;
    }
    watch(printer, now);
    size_t room = posix_buffer_room(&printer->in);
    size_t wanted = room < sizeof answers ? room : sizeof answers;
    size_t got = print_head_output(printer->head, answers, wanted, now);
    if (got > 0)
        posix_buffer_put(&printer->in, answers, got);
    return got > 0 || look;
}

uint64_t posix_printer_due_ms(const struct posix_printer *printer, mono_ms now)
{
    if (now >= printer->busy_until)
        return UINT64_MAX;
    return printer->tick_at > now ? printer->tick_at - now : 0;
}
