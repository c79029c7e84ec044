/* The generator: rows of a script -> paragraphs; layout_emit.c cuts those into lines.
 *
 * The frames are a stack of its own in place of recursion; each turn of the loop in layout_next
 * moves a row or an offset on, which bounds it by the size of the TLV times the rows of a script.
 */
#include "firmware/layout_script.h"

#include <assert.h>
#include <string.h>

static const char NO_LABEL[] = "";

static void frame_open(struct layout_frame *frame, const struct layout_row *rows,
                       const uint8_t *data, size_t size)
{
    struct tlv_reader reader;
    struct tlv tlv;
    memset(frame, 0, sizeof *frame);
    frame->row = rows;
    frame->data = data;
    frame->size = size;
    tlv_reader_init(&reader, data, size);
    while (tlv_next(&reader, &tlv) == 1)
        frame->tags[tlv.tag % LAYOUT_TAG_BITS / 32] |= (uint32_t)1 << tlv.tag % 32;
}

/* False: no element has this tag. */
static bool may_hold(const struct layout_frame *frame, uint16_t tag)
{
    return (frame->tags[tag % LAYOUT_TAG_BITS / 32] >> tag % 32 & 1) != 0;
}

static bool find(const struct layout_frame *frame, uint16_t tag, struct tlv *out)
{
    return may_hold(frame, tag) && tlv_find(frame->data, frame->size, tag, out) == 1;
}

void layout_init(struct layout *layout, const uint8_t *tlv, size_t size, uint16_t form,
                 uint8_t marks, uint8_t columns)
{
    memset(layout, 0, sizeof *layout);
    layout->tlv = tlv;
    layout->size = size;
    layout->form = form;
    layout->marks = marks;
    layout->columns = columns == 0 || columns > LIMIT_PAPER_COLUMNS_MAX ? LIMIT_PAPER_COLUMNS_MAX
                      : columns < 16                                    ? 16
                                                                        : columns;
    layout->depth = 1;
    frame_open(&layout->frames[0], layout_script(form), tlv, size);
}

/* The writer of the paragraph being composed. */
static struct byte_writer paragraph_begin(struct layout *layout)
{
    struct byte_writer out;
    byte_writer_init(&out, layout->paragraph, sizeof layout->paragraph);
    return out;
}

static size_t written(const struct byte_writer *out)
{
    return out->length < out->capacity ? out->length : out->capacity;
}

static void paragraph_end(struct layout *layout, const struct byte_writer *out,
                          enum paragraph_kind kind, size_t label, uint8_t style)
{
    size_t length = written(out);
    layout->paragraph_kind = (uint8_t)kind;
    layout->after_rule = kind == PARAGRAPH_RULE;
    layout->paragraph_style = style;
    layout->paragraph_label = (uint16_t)(label < length ? label : length);
    layout->paragraph_length = (uint16_t)length;
    layout->paragraph_offset = 0;
}

static const char *row_label(const struct layout *layout, const struct layout_row *row,
                             const struct tlv *tlv)
{
    if (tlv->tag == TAG_BUYER_CONTACT)
        return memchr(tlv->value, '@', tlv->length) != NULL ? "ЭЛ. АДР. ПОКУПАТЕЛЯ"
                                                            : "ТЕЛ. ПОКУПАТЕЛЯ";
    if (tlv->tag == TAG_RECEIPT_NUMBER)
        return layout->form == FORM_BSO              ? "БСО"
               : layout->form == FORM_CORRECTION     ? "ЧЕК КОР."
               : layout->form == FORM_BSO_CORRECTION ? "БСО КОР."
                                                     : "ЧЕК";
    if (row->label != NULL)
        return row->label;
    const struct tag_info *info = tag_info_find(tlv->tag);
    return info != NULL ? info->label : NO_LABEL;
}

/* The post may already be in the value ("Кассир Иванова"): then the label is left out (FFD, note on
 * 1021). */
static bool says_cashier(const struct tlv *tlv)
{
    static const uint8_t lower[6] = {0xAA, 0xA0, 0xE1, 0xE1, 0xA8, 0xE0};
    static const uint8_t upper[6] = {0x8A, 0x80, 0x91, 0x91, 0x88, 0x90};
    if (tlv->tag != TAG_CASHIER || tlv->length < sizeof lower)
        return false;
    for (size_t i = 0; i < sizeof lower; i++)
        if (tlv->value[i] != lower[i] && tlv->value[i] != upper[i])
            return false;
    return true;
}

static void compose_line(struct layout *layout, const struct layout_row *row, const struct tlv *tlv)
{
    struct byte_writer out = paragraph_begin(layout);
    if (!says_cashier(tlv))
        layout_label(&out, row_label(layout, row, tlv));
    size_t label = written(&out);
    if (layout_value(&out, tlv))
        paragraph_end(layout, &out, label == 0 ? PARAGRAPH_TEXT : PARAGRAPH_PAIR, label,
                      row->style);
}

static void compose_text(struct layout *layout, const struct layout_row *row, const struct tlv *tlv)
{
    struct byte_writer out = paragraph_begin(layout);
    if (layout_value(&out, tlv))
        paragraph_end(layout, &out, PARAGRAPH_TEXT, 0, row->style);
}

static void compose_literal(struct layout *layout, const char *label, uint8_t style)
{
    struct byte_writer out = paragraph_begin(layout);
    layout_label(&out, label);
    paragraph_end(layout, &out, PARAGRAPH_TEXT, 0, style);
}

static void compose_flag(struct layout *layout, const struct layout_row *row, const struct tlv *tlv)
{
    uint8_t value;
    if (tlv_get_u8(tlv, &value) && value != 0)
        compose_literal(layout, row_label(layout, row, tlv), row->style);
}

static void compose_money(struct layout *layout, const char *label, uint64_t kop, uint8_t style)
{
    struct byte_writer out = paragraph_begin(layout);
    layout_label(&out, label);
    size_t label_length = written(&out);
    put_u8(&out, '=');
    layout_money(&out, kop);
    paragraph_end(layout, &out, PARAGRAPH_PAIR, label_length, style);
}

static void compose_sum(struct layout *layout, const struct layout_row *row, const struct tlv *tlv)
{
    uint64_t kop;
    /* The receipt's total is printed always, every other sum only when there is one. */
    if (tlv_get_vln(tlv, &kop) &&
        (kop != 0 || (tlv->tag == TAG_RECEIPT_TOTAL && layout->depth == 1)))
        compose_money(layout, row_label(layout, row, tlv), kop, row->style);
}

static void compose_duo(struct layout *layout, const struct layout_frame *frame,
                        const struct layout_row *row)
{
    struct tlv left, right;
    bool has_left = row->tag != 0 && find(frame, row->tag, &left);
    bool has_right = find(frame, row->tag2, &right);
    struct byte_writer out = paragraph_begin(layout);
    if (has_left) {
        layout_label(&out, row_label(layout, row, &left));
        put_u8(&out, ' ');
        if (!layout_value(&out, &left))
            out.length = 0;
    }
    size_t label = written(&out);
    if (has_right)
        layout_value(&out, &right);
    if (written(&out) != 0)
        paragraph_end(layout, &out, label == 0 ? PARAGRAPH_TEXT : PARAGRAPH_PAIR, label,
                      label == 0 ? (uint8_t)(row->style | SLIP_STYLE_RIGHT) : row->style);
}

static void compose_title(struct layout *layout, uint8_t style)
{
    const char *title = form_title(layout->form);
    struct byte_writer out = paragraph_begin(layout);
    if (title[0] != 0) {
        layout_label(&out, title);
    } else {
        layout_label(&out, "ДОКУМЕНТ ");
        layout_number(&out, layout->form, 1);
    }
    paragraph_end(layout, &out, PARAGRAPH_TEXT, 0, style);
}

/* 1119: only 1199 inside tells whose tax 1120 is. Some registers send zero sums too; they say
 * nothing. */
static void compose_vat_sum(struct layout *layout, const struct layout_frame *frame)
{
    uint64_t kop;
    uint8_t rate;
    if (!tlv_find_vln(frame->data, frame->size, TAG_VAT_SUM_VALUE, &kop) || kop == 0 ||
        !tlv_find_u8(frame->data, frame->size, TAG_VAT_RATE, &rate) || vat_rate_label(rate)[0] == 0)
        return;
    struct byte_writer out = paragraph_begin(layout);
    layout_label(&out, "СУММА ");
    layout_label(&out, vat_rate_label(rate));
    size_t label = written(&out);
    put_u8(&out, '=');
    layout_money(&out, kop);
    paragraph_end(layout, &out, PARAGRAPH_PAIR, label, 0);
}

static void compose_item_name(struct layout *layout, const struct layout_frame *frame)
{
    struct tlv name;
    uint8_t check;
    struct byte_writer out = paragraph_begin(layout);
    if (tlv_find_u8(frame->data, frame->size, TAG_ITEM_CHECK_RESULT, &check))
        layout_label(&out, check == 0x0F                          ? "[М+] "
                           : (check & 3) == 1 || (check & 4) != 0 ? "[М-] "
                                                                  : "[М] ");
    if (find(frame, TAG_ITEM_NAME, &name))
        layout_text(&out, name.value, name.length);
    if (written(&out) != 0)
        paragraph_end(layout, &out, PARAGRAPH_TEXT, 0, 0);
}

/* "2 шт. x 150.00 ... =300.00" */
static void compose_item_cost(struct layout *layout, const struct layout_frame *frame)
{
    struct tlv quantity, unit, price, cost;
    struct byte_writer out = paragraph_begin(layout);
    if (find(frame, TAG_ITEM_QUANTITY, &quantity) && layout_value(&out, &quantity)) {
        if (find(frame, TAG_ITEM_MEASURE, &unit) || find(frame, TAG_ITEM_UNIT_TEXT, &unit)) {
            size_t before = out.length;
            put_u8(&out, ' ');
            if (!layout_value(&out, &unit))
                out.length = before;
        }
    }
    if (find(frame, TAG_ITEM_PRICE, &price)) {
        if (written(&out) != 0)
            put_bytes(&out, " x ", 3);
        layout_value(&out, &price);
    }
    size_t label = written(&out);
    if (find(frame, TAG_ITEM_SUM, &cost)) {
        put_u8(&out, '=');
        layout_value(&out, &cost);
    }
    if (written(&out) != 0)
        paragraph_end(layout, &out, PARAGRAPH_PAIR, label, 0);
}

static void compose_item_kind(struct layout *layout, const struct layout_frame *frame)
{
    struct tlv tlv;
    uint64_t kop;
    struct byte_writer out = paragraph_begin(layout);
    if (find(frame, TAG_ITEM_PAYMENT_METHOD, &tlv))
        layout_value(&out, &tlv);
    size_t before = out.length;
    if (before != 0)
        put_bytes(&out, ", ", 2);
    if (!find(frame, TAG_ITEM_SUBJECT, &tlv) || !layout_value(&out, &tlv))
        out.length = before;
    size_t label = written(&out);
    if (find(frame, TAG_VAT_RATE, &tlv) && layout_value(&out, &tlv) &&
        tlv_find_vln(frame->data, frame->size, TAG_ITEM_VAT_SUM, &kop) && kop != 0) {
        put_bytes(&out, " =", 2);
        layout_money(&out, kop);
    }
    if (written(&out) != 0)
        paragraph_end(layout, &out, PARAGRAPH_PAIR, label, 0);
}

/* What the buyer gave, and what he got back: the cash tendered less the cash paid (1031 is net). */
static void compose_tendered(struct layout *layout, const struct layout_row *row)
{
    uint64_t tendered = 0, paid = 0;
    tlv_find_vln(layout->tlv, layout->size, TAG_CASH_TENDERED, &tendered);
    tlv_find_vln(layout->tlv, layout->size, TAG_PAID_CASH, &paid);
    if (row->op == ROW_TENDERED && tendered != 0)
        compose_money(layout, "ПОЛУЧЕНО", tendered, row->style);
    if (row->op == ROW_CHANGE && tendered > paid)
        compose_money(layout, "СДАЧА", tendered - paid, row->style);
}

static void compose_receipt_qr(struct layout *layout)
{
    struct tlv fn, sign;
    uint32_t time, document;
    uint64_t total;
    uint8_t kind;
    char fn_number[16], text[RECEIPT_QR_SIZE];
    if (tlv_find(layout->tlv, layout->size, TAG_FN_NUMBER, &fn) != 1 || fn.length != 16 ||
        tlv_find(layout->tlv, layout->size, TAG_FISCAL_SIGN, &sign) != 1 || sign.length != 6 ||
        !tlv_find_u32(layout->tlv, layout->size, TAG_DATE_TIME, &time) ||
        !tlv_find_u32(layout->tlv, layout->size, TAG_DOCUMENT_NUMBER, &document) ||
        !tlv_find_vln(layout->tlv, layout->size, TAG_RECEIPT_TOTAL, &total) ||
        !tlv_find_u8(layout->tlv, layout->size, TAG_SETTLEMENT_KIND, &kind))
        return;
    memcpy(fn_number, fn.value, sizeof fn_number);
    size_t length = receipt_qr(text, sizeof text, time, total, fn_number, document,
                               get_u32be(sign.value + 2), kind);
    struct byte_writer out = paragraph_begin(layout);
    put_bytes(&out, text, length < sizeof text ? length : sizeof text);
    if (written(&out) != 0)
        paragraph_end(layout, &out, PARAGRAPH_QR, 0, SLIP_STYLE_CENTER);
}

/* SLIP_TEXT and SLIP_ITEM_TEXT: a style and a string; an empty string is an empty line. */
static void compose_free_text(struct layout *layout, const struct tlv *tlv)
{
    struct tlv string = {0};
    uint8_t style = 0;
    struct byte_writer out = paragraph_begin(layout);
    tlv_find_u8(tlv->value, tlv->length, TAG_SLIP_STYLE, &style);
    if (tlv_find(tlv->value, tlv->length, TAG_SLIP_STRING, &string) == 1)
        layout_text(&out, string.value, string.length);
    if (written(&out) == 0)
        put_u8(&out, ' ');
    paragraph_end(layout, &out, PARAGRAPH_TEXT, 0, style);
}

static void compose_free_qr(struct layout *layout, const struct tlv *tlv)
{
    struct byte_writer out = paragraph_begin(layout);
    size_t limit = sizeof((struct slip_line *)0)->text;
    /* Control bytes inside would reach the head as commands. */
    for (size_t i = 0; i < tlv->length && i < limit; i++)
        put_u8(&out, tlv->value[i] < ' ' || tlv->value[i] == 0x7F ? ' ' : tlv->value[i]);
    if (tlv->length != 0)
        paragraph_end(layout, &out, PARAGRAPH_QR, 0, SLIP_STYLE_CENTER);
}

static void push(struct layout *layout, const struct layout_row *rows, const struct tlv *tlv)
{
    assert(layout->depth < LAYOUT_DEPTH);
    frame_open(&layout->frames[layout->depth++], rows, tlv->value, tlv->length);
    switch (tlv->tag) {
    case TAG_COUNTERS_SALE:
    case TAG_COUNTERS_KIND_SALE:
        layout->kind = SETTLEMENT_SALE;
        break;
    case TAG_COUNTERS_SALE_RETURN:
    case TAG_COUNTERS_KIND_SALE_RETURN:
        layout->kind = SETTLEMENT_SALE_RETURN;
        break;
    case TAG_COUNTERS_PURCHASE:
    case TAG_COUNTERS_KIND_PURCHASE:
        layout->kind = SETTLEMENT_PURCHASE;
        break;
    case TAG_COUNTERS_PURCHASE_RETURN:
    case TAG_COUNTERS_KIND_PURCHASE_RETURN:
        layout->kind = SETTLEMENT_PURCHASE_RETURN;
        break;
    default:
        break;
    }
}

static bool takes_elements(uint8_t op)
{
    return op == ROW_LINE || op == ROW_TEXT || op == ROW_FLAG || op == ROW_SUM ||
           op == ROW_COUNTED || op == ROW_EACH || op == ROW_BODY;
}

static bool in_body(uint16_t tag)
{
    return tag == TAG_ITEM || tag == TAG_SLIP_TEXT || tag == TAG_SLIP_ITEM_TEXT ||
           tag == TAG_SLIP_QR;
}

static int next_in_body(struct tlv_reader *reader, struct tlv *out)
{
    int got;
    while ((got = tlv_next(reader, out)) == 1 && !in_body(out->tag))
        continue;
    return got;
}

static void compose_body(struct layout *layout, const struct tlv *tlv)
{
    if (tlv->tag == TAG_ITEM)
        push(layout, layout_item_script(), tlv);
    else if (tlv->tag == TAG_SLIP_QR)
        compose_free_qr(layout, tlv);
    else
        compose_free_text(layout, tlv);
}

/* Of the register's own totals only kinds that happened are printed, and sales always. */
static bool empty_totals(const struct tlv *tlv)
{
    uint32_t count = 1;
    uint8_t kind = 0;
    return tlv->tag == TAG_TOTALS_KIND &&
           tlv_find_u32(tlv->value, tlv->length, TAG_TOTALS_COUNT, &count) && count == 0 &&
           tlv_find_u8(tlv->value, tlv->length, TAG_SETTLEMENT_KIND, &kind) &&
           kind != SETTLEMENT_SALE;
}

/* One element for a row that takes elements. False when there are no more: the row is done. */
static bool step_element(struct layout *layout, struct layout_frame *frame)
{
    const struct layout_row *row = frame->row;
    struct tlv_reader reader;
    struct tlv tlv;
    if (row->op != ROW_BODY && !may_hold(frame, row->tag))
        return false;
    tlv_reader_init(&reader, frame->data, frame->size);
    reader.offset = frame->offset;
    int got =
        row->op == ROW_BODY ? next_in_body(&reader, &tlv) : tlv_next_tag(&reader, row->tag, &tlv);
    if (got != 1)
        return false;
    frame->offset = reader.offset;
    switch (row->op) {
    case ROW_LINE:
    case ROW_COUNTED:
        compose_line(layout, row, &tlv);
        break;
    case ROW_TEXT:
        compose_text(layout, row, &tlv);
        break;
    case ROW_FLAG:
        compose_flag(layout, row, &tlv);
        break;
    case ROW_SUM:
        compose_sum(layout, row, &tlv);
        break;
    case ROW_EACH:
        if (!empty_totals(&tlv))
            push(layout, row->rows, &tlv);
        break;
    default:
        compose_body(layout, &tlv);
        break;
    }
    return true;
}

static void step_single(struct layout *layout, const struct layout_frame *frame)
{
    const struct layout_row *row = frame->row;
    struct byte_writer out;
    switch (row->op) {
    case ROW_DUO:
        compose_duo(layout, frame, row);
        break;
    case ROW_LITERAL:
        compose_literal(layout, row->label, row->style);
        break;
    case ROW_RULE:
        if (layout->after_rule)
            break;
        out = paragraph_begin(layout);
        paragraph_end(layout, &out, PARAGRAPH_RULE, 0, 0);
        break;
    case ROW_MARK:
        if ((layout->marks & row->tag) != 0)
            compose_literal(layout, row->label, row->style);
        break;
    case ROW_KIND:
        compose_literal(layout, settlement_kind_label(layout->kind), row->style);
        break;
    case ROW_TITLE:
        compose_title(layout, row->style);
        break;
    case ROW_VAT_SUM:
        compose_vat_sum(layout, frame);
        break;
    case ROW_ITEM_NAME:
        compose_item_name(layout, frame);
        break;
    case ROW_ITEM_COST:
        compose_item_cost(layout, frame);
        break;
    case ROW_ITEM_KIND:
        compose_item_kind(layout, frame);
        break;
    case ROW_TENDERED:
    case ROW_CHANGE:
        compose_tendered(layout, row);
        break;
    case ROW_RECEIPT_QR:
        compose_receipt_qr(layout);
        break;
    default:
        assert(false);
        break;
    }
}

/* One row, or one element of it. */
static void step(struct layout *layout)
{
    struct layout_frame *frame = &layout->frames[layout->depth - 1u];
    if (frame->row->op == ROW_END) {
        layout->depth--;
        return;
    }
    if (takes_elements(frame->row->op)) {
        if (step_element(layout, frame))
            return;
    } else {
        step_single(layout, frame);
    }
    frame->row++;
    frame->offset = 0;
}

bool layout_next(struct layout *layout, struct slip_line *out)
{
    while (layout->paragraph_kind == PARAGRAPH_NONE && layout->depth > 0)
        step(layout);
    if (layout->paragraph_kind != PARAGRAPH_NONE) {
        layout_emit(layout, out);
        return true;
    }
    if (layout->finished)
        return false;
    layout->finished = true;
    out->kind = SLIP_LINE_CUT;
    out->style = 0;
    out->length = 0;
    return true;
}
