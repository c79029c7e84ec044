/* Paper of any TLV, in every form and width. The lines end, with a CUT and only there; none is
 * wider than the paper or more ESC/POS than a line may be; the same bytes give the same lines. */
#include "firmware/escpos.h"
#include "tests/fuzz/mutate.h"

#ifdef FUZZ_CANARY
/* A full line that ends in a 7 is one longer. */
bool __real_layout_next(struct layout *layout, struct slip_line *line);
bool __wrap_layout_next(struct layout *layout, struct slip_line *line);
bool __wrap_layout_next(struct layout *layout, struct slip_line *line)
{
    bool more = __real_layout_next(layout, line);
    if (more && line->kind == SLIP_LINE_TEXT && line->length == layout->columns &&
        line->text[line->length - 1] == '7')
        line->length++;
    return more;
}
#endif

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t capacity, unsigned seed)
{
    mutate_seed(seed);
    return mutate_tlv(data, size, capacity, 1);
}

static const uint16_t forms[] = {FORM_REGISTRATION,
                                 FORM_SHIFT_OPEN,
                                 FORM_RECEIPT,
                                 FORM_BSO,
                                 FORM_SHIFT_CLOSE,
                                 FORM_FN_CLOSE,
                                 FORM_REGISTRATION_CHANGE,
                                 FORM_STATE_REPORT,
                                 FORM_CORRECTION,
                                 FORM_BSO_CORRECTION,
                                 SLIP_X_REPORT,
                                 SLIP_CASH_IN,
                                 SLIP_CASH_OUT,
                                 SLIP_NON_FISCAL,
                                 0,
                                 999};
static struct layout layout, twin;

static void check_line(const struct slip_line *line, unsigned columns)
{
    uint8_t bytes[ESCPOS_LINE_MAX];
    struct byte_writer writer;
    uint8_t style = 0xFF;
    PROMISE(line->length <= sizeof line->text);
    if (line->kind == SLIP_LINE_TEXT)
        PROMISE(line->length <= ((line->style & SLIP_STYLE_WIDE) != 0 ? columns / 2 : columns));
    byte_writer_init(&writer, bytes, sizeof bytes);
    escpos_line(&writer, line, &style);
    PROMISE(byte_writer_ok(&writer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t widths[] = {32, 42, 48, 16};
    static struct slip_line line, other;
    struct input input = {data, size};
    unsigned choice = input_number(&input, 1);
    uint16_t form = forms[choice % 16];
    uint8_t columns = widths[choice / 16 % 4];
    uint8_t marks = (uint8_t)(choice / 64);
    uint8_t *tlv = input_copy(input);
    /* Each byte of a text may become a line of its own, each element a few more. */
    size_t bound = 1000 + 8 * input.size, lines = 0;
    bool cut = false;
    layout_init(&layout, tlv, input.size, form, marks, columns);
    layout_init(&twin, tlv, input.size, form, marks, columns);
    while (layout_next(&layout, &line)) {
        PROMISE(!cut && ++lines < bound);
        check_line(&line, columns);
        PROMISE(layout_next(&twin, &other));
        PROMISE(other.kind == line.kind && other.length == line.length &&
                memcmp(other.text, line.text, line.length) == 0);
        cut = line.kind == SLIP_LINE_CUT;
    }
    PROMISE(cut && !layout_next(&layout, &line));
    free(tlv);
    return 0;
}
