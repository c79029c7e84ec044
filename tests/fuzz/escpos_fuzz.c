/* The print head under any bytes, in any pieces, while people open the cover, take the paper out
 * and pull the plug. Two heads live through the same: one gets each piece at once, the other its
 * bytes one by one; where no real-time command is among them (which overtakes what was received
 * before it) their paper must be the same.
 *
 * A small model knows what print_head.h promises: nothing is printed, fed or cut while the head is
 * stopped or for PRINT_HEAD_RECOVERY_MS after it; a line is never wider than the paper; a status
 * request is answered at once and truly, also by a full or stopped head; power loss empties the
 * buffer; after "clear buffer" the next line comes out as it was sent. */
#include "board/printer/paper.h"
#include "board/printer/print_head.h"
#include "board/printer/slip_file.h"
#include "tests/fuzz/fuzz.h"

#ifdef FUZZ_CANARY
#include "board/printer/print_command.h"
#endif

#define EVENTS 16u /* smaller numbers are events, larger ones the length of a piece */

enum event {
    EVENT_PAPER,
    EVENT_PAPER_OUT_AFTER,
    EVENT_COVER,
    EVENT_FAULT,
    EVENT_POWER,
    EVENT_POWER_CYCLE,
    EVENT_MUTE,
    EVENT_STATUS,
    EVENT_CLEAR,
    EVENT_TIME,
    EVENT_FILL
};

/* What came out of one head, and what must be true of it. */
struct watched {
    struct print_head *head;
    const struct paper *paper;
    uint32_t print;  /* of everything on the paper */
    uint64_t things; /* lines, codes, feeds and cuts */
    uint64_t taken;  /* bytes */
    bool fed;        /* since the buffer was last known to be empty */
    enum print_head_paper roll;
    bool limited;
    unsigned roll_lines;
    uint32_t cuts, roll_ends;
};

static struct watched heads[2];
static unsigned opened;
static bool cover, fault, power, mute;
static bool recovery_wanted;
static uint64_t now, recovering_until;
static uint8_t columns;
static const char *expected_line;

/* ---- The paper is watched ---- */

struct paper *__real_paper_open(const char *directory, uint8_t width, bool png);
struct paper *__wrap_paper_open(const char *directory, uint8_t width, bool png);
void __real_paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length);
void __wrap_paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length);
void __real_paper_qr(struct paper *paper, uint16_t dots, const uint8_t *content, size_t length);
void __wrap_paper_qr(struct paper *paper, uint16_t dots, const uint8_t *content, size_t length);
void __real_paper_feed(struct paper *paper, uint16_t dots);
void __wrap_paper_feed(struct paper *paper, uint16_t dots);
void __real_paper_cut(struct paper *paper);
void __wrap_paper_cut(struct paper *paper);

struct paper *__wrap_paper_open(const char *directory, uint8_t width, bool png)
{
    struct paper *paper = __real_paper_open(directory, width, png);
    heads[opened].paper = paper;
    opened++;
    return paper;
}

static bool online(const struct watched *watched)
{
    return power && !cover && !fault && watched->roll != PRINT_HEAD_PAPER_OUT && !recovery_wanted &&
           now >= recovering_until;
}

static void note(struct watched *watched, const void *bytes, size_t size)
{
    const uint8_t *data = bytes;
    for (size_t i = 0; i < size; i++)
        watched->print = (watched->print ^ data[i]) * 16777619u;
}

static struct watched *appears(const struct paper *paper, char what, uint16_t number)
{
    struct watched *watched = paper == heads[0].paper ? &heads[0] : &heads[1];
    PROMISE(online(watched) && watched->fed);
    note(watched, &what, 1);
    note(watched, &number, sizeof number);
    watched->things++;
    return watched;
}

static void roll_moves(struct watched *watched)
{
    if (watched->limited && --watched->roll_lines == 0) {
        watched->limited = false;
        watched->roll = PRINT_HEAD_PAPER_OUT;
    }
}

void __wrap_paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length)
{
    struct watched *watched = appears(paper, 'L', style);
    PROMISE(length <= ((style & PAPER_WIDE) != 0 ? columns / 2u : columns));
    for (size_t i = 0; i < length; i++)
        PROMISE(text[i] >= ' ');
    if (expected_line != NULL) {
        PROMISE(length == strlen(expected_line) && memcmp(text, expected_line, length) == 0);
        PROMISE(style == 0);
    }
    note(watched, text, length);
    roll_moves(watched);
    __real_paper_line(paper, style, text, length);
}

void __wrap_paper_qr(struct paper *paper, uint16_t dots, const uint8_t *content, size_t length)
{
    struct watched *watched = appears(paper, 'Q', dots);
    PROMISE(length > 0 && dots >= 1 && dots <= 16);
    note(watched, content, length);
    roll_moves(watched);
    __real_paper_qr(paper, dots, content, length);
}

void __wrap_paper_feed(struct paper *paper, uint16_t dots)
{
    (void)appears(paper, 'F', dots);
    __real_paper_feed(paper, dots);
}

void __wrap_paper_cut(struct paper *paper)
{
    appears(paper, 'C', 0)->cuts++;
    __real_paper_cut(paper);
}

#ifdef FUZZ_CANARY
/* The data of a GS ( command are one byte longer when not a byte of them has come yet. */
struct print_command __real_print_command_measure(const uint8_t *bytes, size_t size);
struct print_command __wrap_print_command_measure(const uint8_t *bytes, size_t size);
struct print_command __wrap_print_command_measure(const uint8_t *bytes, size_t size)
{
    struct print_command command = __real_print_command_measure(bytes, size);
    if (command.data > 0 && command.fixed == size && bytes[1] == '(')
        command.data++;
    return command;
}
#endif

/* ---- Events ---- */

/* Every call that lets time pass begins the recovery that an event asked for. */
static void passes(void)
{
    if (recovery_wanted)
        recovering_until = now + PRINT_HEAD_RECOVERY_MS;
    recovery_wanted = false;
}

static size_t drain(struct watched *watched, uint8_t *last)
{
    uint8_t out[256];
    size_t sum = 0;
    passes();
    for (size_t got; (got = print_head_output(watched->head, out, sizeof out, now)) > 0;) {
        PROMISE(got <= sizeof out);
        sum += got;
        *last = out[got - 1];
    }
    PROMISE(sum <= 512);
    return sum;
}

static size_t feed(struct watched *watched, const uint8_t *bytes, size_t size)
{
    passes();
    watched->fed = watched->fed || power;
    size_t taken = print_head_feed(watched->head, bytes, size, now);
    PROMISE(taken <= size && (power || taken == size));
    watched->taken += taken;
    return taken;
}

static void set_roll(enum print_head_paper roll)
{
    for (unsigned i = 0; i < 2; i++) {
        if (heads[i].roll == PRINT_HEAD_PAPER_OUT && roll != PRINT_HEAD_PAPER_OUT) {
            recovery_wanted = true;
            heads[i].roll_ends++;
        }
        heads[i].roll = roll;
        heads[i].limited = false;
        print_head_set_paper(heads[i].head, roll);
    }
}

static void set_power(bool on)
{
    recovery_wanted = recovery_wanted || (on && !power);
    for (unsigned i = 0; i < 2; i++) {
        print_head_set_power(heads[i].head, on);
        heads[i].fed = heads[i].fed && (on && power);
    }
    power = on;
}

/* Asks and knows the answer. */
static void ask_status(uint8_t n)
{
    for (unsigned i = 0; i < 2; i++) {
        struct watched *watched = &heads[i];
        const uint8_t request[] = {0x10, 0x04, n};
        uint8_t last = 0, expected = 0x12;
        bool out;
        (void)drain(watched, &last);
        out = watched->roll == PRINT_HEAD_PAPER_OUT;
        if (n == 1)
            expected |= online(watched) ? 0 : 0x08;
        if (n == 2)
            expected |= (uint8_t)((cover ? 0x04 : 0) | (out ? 0x20 : 0) | (fault ? 0x40 : 0));
        if (n == 3)
            expected |= fault ? 0x08 : 0;
        if (n == 4 && watched->roll != PRINT_HEAD_PAPER_IN)
            expected |= out ? 0x6C : 0x0C;
        PROMISE(feed(watched, request, sizeof request) == sizeof request);
        size_t answered = drain(watched, &last);
        PROMISE((answered > 0) == (power && !mute));
        PROMISE(answered == 0 || last == expected);
    }
}

static void clear_buffers(void)
{
    static const uint8_t clear[] = {0x10, 0x14, 8, 1, 3, 20, 1, 6, 2, 8};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t last = 0xFF;
        (void)drain(&heads[i], &last);
        PROMISE(feed(&heads[i], clear, sizeof clear) == sizeof clear);
        size_t answered = drain(&heads[i], &last);
        PROMISE(answered == 0 || last == 0x00);
        PROMISE((answered > 0) == (power && !mute));
        heads[i].fed = false;
    }
}

/* A head that is slow gets more than its buffer holds. */
static void fill(uint8_t byte)
{
    uint8_t bytes[512];
    memset(bytes, byte, sizeof bytes);
    for (unsigned i = 0; i < 9; i++) {
        size_t taken = feed(&heads[0], bytes, sizeof bytes);
        PROMISE(feed(&heads[1], bytes, sizeof bytes) == taken);
    }
}

static void happen(enum event event, uint8_t argument)
{
    bool on = argument % 2 == 1;
    switch (event) {
    case EVENT_PAPER:
        set_roll((enum print_head_paper)(argument % 3));
        break;
    case EVENT_PAPER_OUT_AFTER:
        for (unsigned i = 0; i < 2; i++) {
            if (argument == 0)
                continue;
            heads[i].limited = true;
            heads[i].roll_lines = argument;
            print_head_set_paper_out_after(heads[i].head, argument);
        }
        break;
    case EVENT_COVER:
        recovery_wanted = recovery_wanted || (cover && !on);
        cover = on;
        print_head_set_cover(heads[0].head, on);
        print_head_set_cover(heads[1].head, on);
        break;
    case EVENT_FAULT:
        recovery_wanted = recovery_wanted || (fault && !on);
        fault = on;
        print_head_set_fault(heads[0].head, on);
        print_head_set_fault(heads[1].head, on);
        break;
    case EVENT_POWER:
        set_power(on);
        break;
    case EVENT_POWER_CYCLE:
        set_power(false);
        set_power(true);
        break;
    case EVENT_MUTE:
        mute = on;
        print_head_set_mute(heads[0].head, on);
        print_head_set_mute(heads[1].head, on);
        break;
    case EVENT_STATUS:
        ask_status((uint8_t)(1 + argument % 4));
        break;
    case EVENT_CLEAR:
        clear_buffers();
        break;
    case EVENT_TIME:
        now += argument * 20u;
        break;
    case EVENT_FILL:
        fill(argument);
        break;
    default:
        break;
    }
}

/* ---- Pieces ---- */

static void give(struct input piece)
{
    bool overtaking = piece.size > 0 && memchr(piece.data, 0x10, piece.size) != NULL;
    uint8_t last = 0;
    for (unsigned patience = 0; piece.size > 0 && patience < 4; patience++) {
        size_t taken = feed(&heads[0], piece.data, piece.size), other = 0;
        if (overtaking)
            other = feed(&heads[1], piece.data, piece.size);
        while (!overtaking && other < piece.size && feed(&heads[1], piece.data + other, 1) == 1)
            other++;
        PROMISE(taken == other);
        PROMISE(heads[0].print == heads[1].print && heads[0].things == heads[1].things);
        PROMISE(drain(&heads[0], &last) == drain(&heads[1], &last));
        (void)input_take(&piece, taken);
        now += 50;
    }
}

/* Everything is well again: a new line comes out, and only it. */
static void print_again(void)
{
    static const uint8_t hello[] = "\x1B@HELLO\n";
    happen(EVENT_MUTE, 0);
    happen(EVENT_PAPER, PRINT_HEAD_PAPER_IN);
    happen(EVENT_COVER, 0);
    happen(EVENT_FAULT, 0);
    happen(EVENT_POWER, 1);
    clear_buffers();
    now += 2 * PRINT_HEAD_RECOVERY_MS + 60000;
    expected_line = "HELLO";
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = heads[i].things;
        PROMISE(feed(&heads[i], hello, sizeof hello - 1) == sizeof hello - 1);
        PROMISE(heads[i].things == before + 1);
    }
    expected_line = NULL;
}

static void begin(unsigned mode)
{
    static const uint8_t widths[] = {48, 32, 42, 16};
    struct print_head_options options = {.lines_per_second = mode / 4 % 2 == 0 ? 0 : 20};
    memset(heads, 0, sizeof heads);
    opened = 0;
    columns = options.columns = widths[mode % 4];
    cover = fault = mute = recovery_wanted = false;
    power = true;
    now = 1000;
    recovering_until = 0;
    for (unsigned i = 0; i < 2; i++) {
        heads[i].head = print_head_open(&options);
        PROMISE(heads[i].head != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct print_head_counters counters;
    begin(input_number(&input, 1));
    while (input.size > 0) {
        unsigned what = input_number(&input, 1);
        if (what < EVENTS)
            happen((enum event)what, (uint8_t)input_number(&input, 1));
        else
            give(input_take(&input, what - EVENTS));
    }
    print_again();
    for (unsigned i = 0; i < 2; i++) {
        print_head_counters(heads[i].head, &counters);
        PROMISE(counters.bytes == heads[i].taken && counters.cuts == heads[i].cuts);
        PROMISE(counters.slips <= heads[i].cuts + heads[i].roll_ends);
        PROMISE(counters.torn <= counters.slips);
        print_head_close(heads[i].head);
    }
    return 0;
}
