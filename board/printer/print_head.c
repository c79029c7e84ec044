#include "board/printer/print_head.h"

#include "board/printer/paper.h"
#include "board/printer/print_command.h"
#include "board/printer/slip_file.h"

#include <stdlib.h>
#include <string.h>

#define REAL_TIME_MAX 10u /* bytes of the longest real-time command */
#define OUTPUT_SIZE   512u
#define DATA_MAX      8192u /* data of one command that is kept; more is skipped */
#define QR_MAX        7089u
#define LINE_MAX      96u
#define PAGE_UNKNOWN  0xFFu

enum { NUL = 0x00, LF = 0x0A, DLE = 0x10, ESC = 0x1B, FS = 0x1C, GS = 0x1D };

struct print_head {
    struct paper *paper;
    uint8_t columns;
    unsigned lines_per_second;

    /* The world. */
    enum print_head_paper roll;
    bool roll_limited;
    unsigned roll_lines; /* left when limited */
    bool cover, fault, power, mute;
    bool recovery_wanted;      /* the cause of a stop has gone, the time starts at the next step */
    uint64_t recovering_until; /* 0: not recovering */
    uint64_t now;
    uint64_t line_due; /* pace */

    /* Receive side. */
    uint8_t held[REAL_TIME_MAX]; /* beginning of what may be a real-time command */
    size_t held_size;
    uint8_t buffer[PRINT_HEAD_BUFFER + REAL_TIME_MAX];
    size_t buffer_start; /* 0 except while a step runs */
    size_t buffer_size;
    uint64_t received;

    /* A command whose data is being collected. */
    uint8_t command[8];
    uint32_t data_left;
    bool data_until_nul;
    uint8_t data[DATA_MAX];
    size_t data_size;
    bool command_ready; /* whole, and not yet run */

    /* Modes and the line being built. */
    uint8_t align, style; /* style: PAPER_BOLD, _WIDE, _TALL */
    uint8_t line[LINE_MAX];
    size_t line_size;
    uint8_t line_style;
    uint8_t qr[QR_MAX];
    size_t qr_size;
    uint8_t qr_module;

    uint8_t output[OUTPUT_SIZE];
    size_t output_size;
};

static bool online(const struct print_head *head)
{
    return head->power && !head->cover && !head->fault && head->roll != PRINT_HEAD_PAPER_OUT &&
           head->recovering_until == 0 && !head->recovery_wanted;
}

static void answer(struct print_head *head, uint8_t byte)
{
    if (!head->mute && head->output_size < sizeof head->output)
        head->output[head->output_size++] = byte;
}

static void reset_modes(struct print_head *head)
{
    head->align = head->style = 0;
    head->line_size = 0;
    head->qr_size = 0;
    head->qr_module = 3;
}

static void forget_buffer(struct print_head *head)
{
    head->buffer_start = head->buffer_size = 0;
    head->data_left = 0;
    head->data_until_nul = false;
    head->command_ready = false;
    head->line_size = 0;
}

static void change_roll(struct print_head *head, enum print_head_paper paper);

/* Something stops the head: what is under way will not come out as one piece. */
static void interrupted(struct print_head *head)
{
    if (!paper_blank(head->paper) || head->buffer_size != 0 || head->line_size != 0 ||
        head->data_left != 0 || head->data_until_nul || head->command_ready)
        paper_tear(head->paper);
}

static void line_printed(struct print_head *head)
{
    if (head->lines_per_second != 0)
        head->line_due = (head->line_due > head->now ? head->line_due : head->now) +
                         1000u / head->lines_per_second;
    if (head->roll_limited && (head->roll_lines == 0 || --head->roll_lines == 0))
        change_roll(head, PRINT_HEAD_PAPER_OUT);
}

static void print_line(struct print_head *head)
{
    uint8_t style = head->line_size != 0 ? head->line_style : head->style;
    paper_line(head->paper, style | head->align, head->line, head->line_size);
    head->line_size = 0;
    line_printed(head);
}

/* Characters from the front of a run of them; how many. A line that is full comes out when one more
 * character wants to be on it, and that may stop the head: no second one is taken then. */
static size_t add_characters(struct print_head *head, const uint8_t *bytes, size_t size)
{
    if (head->line_size == 0)
        head->line_style = head->style;
    size_t room = head->columns;
    if ((head->line_style & PAPER_WIDE) != 0)
        room /= 2;
    if (head->line_size >= room) {
        print_line(head);
        head->line_style = head->style;
        head->line[head->line_size++] = bytes[0];
        return 1;
    }
    size_t count = 0, limit = room - head->line_size < size ? room - head->line_size : size;
    while (count < limit && bytes[count] >= ' ')
        count++;
    memcpy(head->line + head->line_size, bytes, count);
    head->line_size += count;
    return count;
}

static void print_qr(struct print_head *head)
{
    if (head->qr_size != 0) {
        paper_qr(head->paper, head->qr_module, head->qr, head->qr_size);
        line_printed(head);
    }
}

/* GS ( k, symbology 49. */
static void run_qr_function(struct print_head *head)
{
    const uint8_t *data = head->data;
    if (head->data_size < 3 || data[0] != 49)
        return;
    switch (data[1]) {
    case 67:
        head->qr_module = data[2] < 1 ? 1 : data[2] > 16 ? 16 : data[2];
        break;
    case 80:
        head->qr_size = head->data_size - 3 < QR_MAX ? head->data_size - 3 : QR_MAX;
        memcpy(head->qr, data + 3, head->qr_size);
        break;
    case 81:
        print_qr(head);
        break;
    default:
        break;
    }
}

static void run_esc(struct print_head *head, const uint8_t *command)
{
    switch (command[1]) {
    case '@':
        reset_modes(head);
        break;
    case 'a':
        head->align = (command[2] & 15) == 1   ? PAPER_CENTER
                      : (command[2] & 15) == 2 ? PAPER_RIGHT
                                               : 0;
        break;
    case 'E':
    case 'G':
        head->style =
            (uint8_t)((head->style & ~PAPER_BOLD) | ((command[2] & 1) != 0 ? PAPER_BOLD : 0));
        break;
    case '!':
        head->style = (uint8_t)(((command[2] & 0x08) != 0 ? PAPER_BOLD : 0) |
                                ((command[2] & 0x10) != 0 ? PAPER_TALL : 0) |
                                ((command[2] & 0x20) != 0 ? PAPER_WIDE : 0));
        break;
    case 'd':
    case 'J':
        paper_feed(head->paper,
                   (uint16_t)(command[2] * (command[1] == 'd' ? PAPER_LINE_DOTS : 1u)));
        break;
    case 'i':
    case 'm':
        paper_cut(head->paper);
        break;
    case 'u':
    case 'v':
        answer(head, head->roll == PRINT_HEAD_PAPER_NEAR_END ? 0x03 : 0x00);
        break;
    default:
        break;
    }
}

static void run_gs(struct print_head *head, const uint8_t *command)
{
    switch (command[1]) {
    case '!':
        head->style =
            (uint8_t)((head->style & PAPER_BOLD) | ((command[2] & 0x70) != 0 ? PAPER_WIDE : 0) |
                      ((command[2] & 0x07) != 0 ? PAPER_TALL : 0));
        break;
    case 'V':
        if (command[2] == 65 || command[2] == 66)
            paper_feed(head->paper, command[3]);
        paper_cut(head->paper);
        break;
    case 'r':
        answer(head, command[2] == 1 && head->roll == PRINT_HEAD_PAPER_NEAR_END ? 0x03 : 0x00);
        break;
    case 'I':
        answer(head, 0x01);
        break;
    case '(':
        if (command[2] == 'k')
            run_qr_function(head);
        break;
    default:
        break;
    }
}

static void run_command(struct print_head *head)
{
    if (head->command[0] == ESC)
        run_esc(head, head->command);
    else if (head->command[0] == GS)
        run_gs(head, head->command);
}

/* Does the command act on the paper? Then the line under way is printed first. */
static bool moves_paper(const struct print_head *head)
{
    const uint8_t *command = head->command;
    if (command[0] == ESC)
        return command[1] == 'd' || command[1] == 'J' || command[1] == 'i' || command[1] == 'm';
    if (command[0] != GS)
        return false;
    return command[1] == 'V' || (command[1] == '(' && command[2] == 'k' && head->data_size >= 3 &&
                                 head->data[0] == 49 && head->data[1] == 81);
}

/* One step of a whole command: that line may be the last one of the roll, and then the command
 * waits for paper like everything behind it. */
static void run_ready(struct print_head *head)
{
    if (head->line_size != 0 && moves_paper(head)) {
        print_line(head);
        return;
    }
    head->command_ready = false;
    run_command(head);
}

static void take(struct print_head *head, size_t count)
{
    head->buffer_start += count;
    head->buffer_size -= count;
}

/* Moves command data from the buffer. True when the command is complete. */
static bool collect(struct print_head *head)
{
    const uint8_t *bytes = head->buffer + head->buffer_start;
    size_t used = 0;
    bool done = false;
    while (used < head->buffer_size && !done) {
        uint8_t byte = bytes[used++];
        if (head->data_until_nul) {
            done = byte == NUL;
        } else {
            done = --head->data_left == 0;
        }
        if (head->data_size < sizeof head->data)
            head->data[head->data_size++] = byte;
    }
    take(head, used);
    if (done)
        head->data_until_nul = false;
    return done;
}

/* One command, some characters of one line or one line end from the buffer. False: nothing whole is
 * there. */
static bool execute(struct print_head *head)
{
    if (head->data_left != 0 || head->data_until_nul) {
        if (!collect(head))
            return false;
        head->command_ready = true;
    }
    if (head->command_ready) {
        run_ready(head);
        return true;
    }
    if (head->buffer_size == 0)
        return false;
    const uint8_t *bytes = head->buffer + head->buffer_start;
    uint8_t byte = bytes[0];
    if (byte == ESC || byte == GS || byte == FS || byte == DLE) {
        struct print_command command = print_command_measure(bytes, head->buffer_size);
        if (command.fixed == 0)
            return false;
        memset(head->command, 0, sizeof head->command);
        memcpy(head->command, bytes,
               command.fixed < sizeof head->command ? command.fixed : sizeof head->command);
        take(head, command.fixed);
        head->data_left = command.data;
        head->data_until_nul = command.until_nul != 0;
        head->data_size = 0;
        head->command_ready = head->data_left == 0 && !head->data_until_nul;
        return true;
    }
    if (byte >= ' ') {
        take(head, add_characters(head, bytes, head->buffer_size));
        return true;
    }
    take(head, 1);
    if (byte == LF)
        print_line(head);
    else if (byte == '\t')
        add_characters(head, (const uint8_t *)" ", 1);
    return true;
}

/* Prints what may be printed now; the paper is not flushed. */
static void step(struct print_head *head, uint64_t now_ms)
{
    head->now = now_ms;
    if (head->recovery_wanted) {
        head->recovery_wanted = false;
        head->recovering_until = now_ms + PRINT_HEAD_RECOVERY_MS;
    }
    if (head->recovering_until != 0 && now_ms >= head->recovering_until)
        head->recovering_until = 0;
    while (online(head) && (head->lines_per_second == 0 || head->now >= head->line_due))
        if (!execute(head))
            break;
    if (head->buffer_start != 0)
        memmove(head->buffer, head->buffer + head->buffer_start, head->buffer_size);
    head->buffer_start = 0;
}

void print_head_step(struct print_head *head, uint64_t now_ms)
{
    step(head, now_ms);
    paper_flush(head->paper);
}

static void answer_status(struct print_head *head, uint8_t n)
{
    uint8_t byte = 0x12;
    bool end = head->roll == PRINT_HEAD_PAPER_OUT;
    switch (n) {
    case 1:
        byte |= online(head) ? 0 : 0x08;
        break;
    case 2:
        byte |= (uint8_t)((head->cover ? 0x04 : 0) | (end ? 0x20 : 0) | (head->fault ? 0x40 : 0));
        break;
    case 3:
        byte |= head->fault ? 0x08 : 0;
        break;
    case 4:
        byte |= (uint8_t)(end ? 0x6C : head->roll == PRINT_HEAD_PAPER_NEAR_END ? 0x0C : 0);
        break;
    default:
        return;
    }
    answer(head, byte);
}

static void clear_buffer(struct print_head *head)
{
    forget_buffer(head);
    head->held_size = 0;
    reset_modes(head);
    paper_untear_blank(head->paper);
    answer(head, 0x37);
    answer(head, 0x25);
    answer(head, 0x00);
}

/* 1: a whole real-time command; 0: may become one; -1: is none. */
static int real_time_kind(const uint8_t *bytes, size_t size)
{
    static const uint8_t clear[] = {DLE, 0x14, 8, 1, 3, 20, 1, 6, 2, 8};
    if (size < 2)
        return bytes[0] == DLE ? 0 : -1;
    if (bytes[0] == DLE && bytes[1] == 0x04)
        return size < 3 ? 0 : bytes[2] >= 1 && bytes[2] <= 4 ? 1 : -1;
    if (size > sizeof clear || memcmp(bytes, clear, size) != 0)
        return -1;
    return size == sizeof clear;
}

static void run_real_time(struct print_head *head, const uint8_t *bytes)
{
    if (bytes[1] == 0x04)
        answer_status(head, bytes[2]);
    else
        clear_buffer(head);
}

/* Takes the byte. What cannot be a real-time command any more goes to the buffer. */
static void hold(struct print_head *head, uint8_t byte)
{
    head->held[head->held_size++] = byte;
    int kind = real_time_kind(head->held, head->held_size);
    while (kind < 0) {
        head->buffer[head->buffer_size++] = head->held[0];
        head->held_size--;
        memmove(head->held, head->held + 1, head->held_size);
        kind = head->held_size == 0 ? 0 : real_time_kind(head->held, head->held_size);
    }
    if (kind == 1) {
        head->held_size = 0;
        run_real_time(head, head->held);
    }
}

/* A full buffer lets in real-time commands only, a whole one also past the beginning of another
 * that is held. Returns how many of the bytes are taken. */
static size_t squeeze(struct print_head *head, const uint8_t *bytes, size_t n)
{
    uint8_t both[REAL_TIME_MAX];
    for (size_t size = 3; size <= n && size <= REAL_TIME_MAX; size++)
        if (real_time_kind(bytes, size) == 1) {
            run_real_time(head, bytes);
            return size;
        }
    memcpy(both, head->held, head->held_size);
    both[head->held_size] = bytes[0];
    if (real_time_kind(both, head->held_size + 1) < 0)
        return 0;
    hold(head, bytes[0]);
    return 1;
}

/* Bytes that cannot begin a real-time command, as many as the buffer takes: they need not be looked
 * at one by one. */
static size_t take_ordinary(struct print_head *head, const uint8_t *bytes, size_t n)
{
    if (head->held_size != 0 || head->buffer_size >= PRINT_HEAD_BUFFER)
        return 0;
    size_t room = PRINT_HEAD_BUFFER - head->buffer_size;
    size_t count = n < room ? n : room;
    const uint8_t *special = memchr(bytes, DLE, count);
    if (special != NULL)
        count = (size_t)(special - bytes);
    memcpy(head->buffer + head->buffer_size, bytes, count);
    head->buffer_size += count;
    return count;
}

size_t print_head_feed(struct print_head *head, const uint8_t *bytes, size_t n, uint64_t now_ms)
{
    size_t taken = 0;
    step(head, now_ms);
    if (!head->power)
        taken = n;
    while (taken < n) {
        if (head->buffer_size >= PRINT_HEAD_BUFFER)
            step(head, now_ms);
        size_t ordinary = take_ordinary(head, bytes + taken, n - taken);
        taken += ordinary;
        if (ordinary > 0)
            continue;
        if (head->buffer_size < PRINT_HEAD_BUFFER) {
            hold(head, bytes[taken++]);
            continue;
        }
        size_t squeezed = squeeze(head, bytes + taken, n - taken);
        if (squeezed == 0)
            break;
        taken += squeezed;
    }
    head->received += taken;
    print_head_step(head, now_ms);
    return taken;
}

size_t print_head_output(struct print_head *head, uint8_t *out, size_t capacity, uint64_t now_ms)
{
    print_head_step(head, now_ms);
    size_t count = head->output_size < capacity ? head->output_size : capacity;
    memcpy(out, head->output, count);
    head->output_size -= count;
    memmove(head->output, head->output + count, head->output_size);
    return count;
}

struct print_head *print_head_open(const struct print_head_options *options)
{
    struct print_head *head = calloc(1, sizeof *head);
    if (head == NULL)
        return NULL;
    head->columns = options->columns == 0         ? 48
                    : options->columns > LINE_MAX ? (uint8_t)LINE_MAX
                    : options->columns < 16       ? 16
                                                  : options->columns;
    head->lines_per_second = options->lines_per_second;
    head->power = true;
    reset_modes(head);
    head->paper = paper_open(options->directory, head->columns, options->png, options->on_slip,
                             options->context);
    if (head->paper == NULL) {
        free(head);
        return NULL;
    }
    return head;
}

void print_head_close(struct print_head *head)
{
    if (head == NULL)
        return;
    paper_close(head->paper);
    free(head);
}

static void change_roll(struct print_head *head, enum print_head_paper paper)
{
    bool was_out = head->roll == PRINT_HEAD_PAPER_OUT;
    head->roll_limited = false;
    head->roll = paper;
    if (paper == PRINT_HEAD_PAPER_OUT && !was_out)
        interrupted(head);
    if (paper != PRINT_HEAD_PAPER_OUT && was_out) {
        /* A new roll: the end of the old one comes out. */
        paper_roll_end(head->paper);
        head->recovery_wanted = true;
    }
}

void print_head_set_paper(struct print_head *head, enum print_head_paper paper)
{
    change_roll(head, paper);
    paper_flush(head->paper);
}

void print_head_set_paper_out_after(struct print_head *head, unsigned lines)
{
    if (lines == 0) {
        print_head_set_paper(head, PRINT_HEAD_PAPER_OUT);
        return;
    }
    head->roll_limited = true;
    head->roll_lines = lines;
}

void print_head_set_cover(struct print_head *head, bool open)
{
    if (open && !head->cover)
        interrupted(head);
    if (!open && head->cover)
        head->recovery_wanted = true;
    head->cover = open;
    paper_flush(head->paper);
}

void print_head_set_fault(struct print_head *head, bool fault)
{
    if (fault && !head->fault)
        interrupted(head);
    if (!fault && head->fault)
        head->recovery_wanted = true;
    head->fault = fault;
    paper_flush(head->paper);
}

void print_head_set_power(struct print_head *head, bool on)
{
    if (head->power && !on) {
        interrupted(head);
        forget_buffer(head);
        head->held_size = 0;
        head->output_size = 0;
        reset_modes(head);
    }
    if (!head->power && on)
        head->recovery_wanted = true;
    head->power = on;
    paper_flush(head->paper);
}

void print_head_power_cycle(struct print_head *head)
{
    print_head_set_power(head, false);
    print_head_set_power(head, true);
}

void print_head_set_mute(struct print_head *head, bool mute)
{
    head->mute = mute;
}

void print_head_counters(const struct print_head *head, struct print_head_counters *out)
{
    const struct paper_counters *paper = paper_counters(head->paper);
    out->slips = paper->slips;
    out->torn = paper->torn;
    out->lines = paper->lines;
    out->millimetres = paper->dots / PAPER_DOTS_PER_MM;
    out->bytes = head->received;
    out->cuts = paper->cuts;
}

uint32_t print_head_last_slip(const struct print_head *head)
{
    return paper_last_slip(head->paper);
}

void print_head_wait_pictures(struct print_head *head)
{
    paper_wait_pictures(head->paper);
}
