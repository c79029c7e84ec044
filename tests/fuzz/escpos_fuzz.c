/* The print head under any bytes. It takes them all in the end while it has power and paper,
 * answers no more than it was asked for, and what people do to it in between does not harm it. */
#include "board/printer/print_head.h"
#include "tests/fuzz/fuzz.h"

static void touch(struct print_head *head, unsigned what, struct input *input)
{
    switch (what) {
    case 1:
        print_head_set_paper(head, (enum print_head_paper)(input_number(input, 1) % 3));
        break;
    case 2:
        print_head_set_paper_out_after(head, input_number(input, 1));
        break;
    case 3:
        print_head_set_cover(head, input_number(input, 1) % 2 == 1);
        break;
    case 4:
        print_head_set_fault(head, input_number(input, 1) % 2 == 1);
        break;
    case 5:
        print_head_set_power(head, input_number(input, 1) % 2 == 1);
        break;
    case 6:
        print_head_power_cycle(head);
        break;
    default:
        print_head_set_mute(head, input_number(input, 1) % 2 == 1);
    }
}

static size_t drain(struct print_head *head, uint64_t now)
{
    uint8_t out[256];
    size_t sum = 0;
    for (size_t got; (got = print_head_output(head, out, sizeof out, now)) > 0;) {
        PROMISE(got <= sizeof out);
        sum += got;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t widths[] = {0, 32, 42, 48};
    struct input input = {data, size};
    unsigned mode = input_number(&input, 1);
    struct print_head_options options = {.columns = widths[mode % 4],
                                         .lines_per_second = mode / 4 % 2 == 0 ? 0 : 20};
    struct print_head *head = print_head_open(&options);
    struct print_head_counters counters;
    uint64_t now = 1000, answered = 0;
    PROMISE(head != NULL);
    bool touched = (mode & 8) != 0;
    while (input.size > 0) {
        unsigned what = touched ? input_number(&input, 1) : 0x7F;
        if (what > 0 && what < 8)
            touch(head, what, &input);
        struct input piece = input_take(&input, what);
        uint64_t patience = now + 600000;
        while (piece.size > 0) {
            size_t taken = print_head_feed(head, piece.data, piece.size, now);
            PROMISE(taken <= piece.size);
            answered += drain(head, now);
            (void)input_take(&piece, taken);
            now += 50;
            if (now > patience) {
                PROMISE(touched);
                break;
            }
        }
    }
    now += 60000;
    print_head_step(head, now);
    answered += drain(head, now);
    print_head_counters(head, &counters);
    PROMISE(counters.bytes <= size && answered <= 3 * size + 3);
    PROMISE(counters.torn <= counters.slips);
    print_head_close(head);
    return 0;
}
