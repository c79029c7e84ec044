/* Paper: what is owed, where its text comes from, and the records that make printing survive a cut.
 *
 * A receipt's slip is queued from RAM in the same turn in which it is answered. Every other slip,
 * and every receipt after a cut or when the spool was full, is read back: fiscal documents from the
 * FN's archive, the rest from the journal. Slips are queued strictly in the order of their ids.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#include "proto/canary.h"
#include "proto/rare.h"

#define SLIP_PAYLOAD_HEAD (KEY_SIZE + 4u) /* JOURNAL_SLIP: key, 4 bytes without meaning, TLV */

_Static_assert(LIMIT_SLIP_BODY_BYTES + SLIP_PAYLOAD_HEAD <= LIMIT_JOURNAL_RECORD_BYTES,
               "a slip's text is one journal record");
_Static_assert(LIMIT_SPOOL_BYTES >= LIMIT_RECEIPT_BYTES + 2048,
               "the largest receipt can be printed");

#define DOCUMENT_PARTS      96u   /* a document, cut at the items that have text under them */
#define SLIP_SETTINGS_BYTES 2048u /* at most that much comes from the settings */
#define GONE_TIMES          5u    /* a text that is said so often in a row to be gone is gone */
#define FAILURES_MAX        900u  /* in a row, of any kind, one a second */

/* ---- Text that only paper needs ---- */

static void put_cashier(const struct cash_register *reg, struct byte_writer *writer)
{
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, TAG_CASHIER, &tlv) == 1)
        tlv_put_bytes(writer, TAG_CASHIER, tlv.value, tlv.length);
    else if (reg->state.cashier.name_size > 0)
        tlv_put_bytes(writer, TAG_CASHIER, reg->state.cashier.name, reg->state.cashier.name_size);
}

void register_put_totals(const struct cash_register *reg, struct byte_writer *writer)
{
    const struct register_state *state = &reg->state;
    tlv_put_u32(writer, TAG_SHIFT_NUMBER, state->shift_number);
    tlv_put_vln(writer, TAG_CASH_IN_DRAWER, state->cash_kop);
    tlv_put_u32(writer, TAG_CASH_IN_COUNT, state->cash_in_count);
    tlv_put_vln(writer, TAG_CASH_IN_TOTAL, state->cash_in_kop);
    tlv_put_u32(writer, TAG_CASH_OUT_COUNT, state->cash_out_count);
    tlv_put_vln(writer, TAG_CASH_OUT_TOTAL, state->cash_out_kop);
    for (unsigned i = 0; i < KINDS; i++) {
        size_t mark = tlv_begin(writer, TAG_TOTALS_KIND);
        tlv_put_u8(writer, TAG_SETTLEMENT_KIND, (uint8_t)(i + 1));
        tlv_put_u32(writer, TAG_TOTALS_COUNT, state->kinds[i].count);
        tlv_put_vln(writer, TAG_RECEIPT_TOTAL, state->kinds[i].sum_kop);
        for (unsigned j = 0; j < PAYMENT_COUNT; j++)
            tlv_put_vln(writer, payment_tag(j), state->kinds[i].paid_kop[j]);
        tlv_end(writer, mark);
    }
}

/* A receipt is printed from RAM; what the journal keeps of its text is for printing it again, and a
 * text too long for that must not stop a receipt. */
static void put_text_tag(const struct cash_register *reg, struct byte_writer *writer,
                         const struct tlv *tlv)
{
    size_t room = writer->capacity - writer->length;
    if (reg->job.code == LINK_RECEIPT && room < 2 * TLV_HEADER_SIZE + 2u + tlv->length)
        return;
    tlv_put_bytes(writer, tlv->tag, tlv->value, tlv->length);
}

static void put_body_tags(const struct cash_register *reg, struct byte_writer *writer)
{
    static const uint16_t tags[] = {TAG_SLIP_BEFORE, TAG_SLIP_AFTER, TAG_CASH_TENDERED};
    struct tlv_reader reader;
    struct tlv tlv;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1) {
        for (unsigned i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
            if (tlv.tag == tags[i])
                put_text_tag(reg, writer, &tlv);
        }
    }
    /* Text under an item, each behind the number of its item: the FN keeps items, not what stands
     * between them. */
    uint16_t items = 0;
    tlv_reader_init(&reader, reg->job.body, reg->job.size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (tlv.tag == TAG_ITEM)
            items++;
        if (tlv.tag == TAG_SLIP_ITEM_TEXT &&
            writer->capacity - writer->length >= 2 * TLV_HEADER_SIZE + 2u + tlv.length) {
            tlv_put_u16(writer, TAG_SLIP_AFTER_ITEM, items);
            put_text_tag(reg, writer, &tlv);
        }
    }
}

static void put_cash_slip(const struct cash_register *reg, struct byte_writer *writer)
{
    uint64_t sum = reg->job.effect.total_kop;
    uint64_t cash = reg->state.cash_kop;
    tlv_put_vln(writer, TAG_CASH_SUM, sum);
    tlv_put_vln(writer, TAG_CASH_IN_DRAWER,
                reg->job.code == LINK_CASH_IN ? cash + sum : cash - sum);
}

/* Composes the payload of JOURNAL_SLIP into reg->chunk; its TLV size may be 0. */
static bool compose_text(struct cash_register *reg, struct byte_writer *writer)
{
    byte_writer_init(writer, reg->chunk, sizeof(reg->chunk));
    put_bytes(writer, reg->job.key, KEY_SIZE);
    put_u32le(writer, 0);
    uint8_t code = reg->job.code;
    bool dated = code == LINK_X_REPORT || code == LINK_CASH_IN || code == LINK_CASH_OUT;
    if (dated) {
        tlv_put_u32(writer, TAG_BOARD_TIME, reg->now.calendar);
        put_cashier(reg, writer);
    }
    if (code == LINK_CASH_IN || code == LINK_CASH_OUT)
        put_cash_slip(reg, writer);
    if (code == LINK_X_REPORT || code == LINK_SHIFT_CLOSE)
        register_put_totals(reg, writer);
    put_body_tags(reg, writer);
    return byte_writer_ok(writer);
}

uint16_t register_slips_store_text(struct cash_register *reg)
{
    if (reg->job.effect.slip_form == 0)
        return ERROR_NONE;
    const uint8_t *payload = reg->chunk;
    size_t size;
    struct journal_record record;
    if (reg->job.code == LINK_NON_FISCAL) {
        /* Key, device tag and body stand in the request just as the record wants them. */
        if (reg->job.size > LIMIT_SLIP_BODY_BYTES)
            return ERROR_TOO_LARGE;
        payload = reg->job.body - SLIP_PAYLOAD_HEAD;
        size = reg->job.size + SLIP_PAYLOAD_HEAD;
    } else {
        struct byte_writer writer;
        if (!compose_text(reg, &writer))
            return ERROR_TOO_LARGE;
        size = writer.length;
    }
    if (size == SLIP_PAYLOAD_HEAD)
        return ERROR_NONE;
    uint16_t error = journal_append(reg->journal, JOURNAL_SLIP, payload, size, &record);
    if (error == ERROR_NONE)
        register_state_apply(&reg->state, &record, payload);
    return error;
}

/* ---- Queueing ---- */

/* What the printer has is owed: it got it from here, and only its PRINTED ends that. */
static const struct owed_slip *find_owed(const struct cash_register *reg, uint32_t id)
{
    unsigned place = 0;
    while (reg->state.owed[place].id != id) {
        place++;
        assert(place < reg->state.owed_count);
    }
    return &reg->state.owed[place];
}

static struct owed_slip *first_unqueued(struct cash_register *reg)
{
    for (unsigned i = 0; i < reg->state.owed_count; i++) {
        if (!reg->state.owed[i].queued)
            return &reg->state.owed[i];
    }
    return NULL;
}

static uint8_t marks_of(const struct owed_slip *slip)
{
    return (uint8_t)(slip->marks | (slip->started ? SLIP_MARK_RESUMED : 0));
}

/* Puts a slip into the printer's spool: the document, and of the settings what paper wants and the
 * document does not say. */
static bool queue_slip(struct cash_register *reg, const struct owed_slip *slip, uint16_t form,
                       const struct printer_part *document, size_t count)
{
    static const uint16_t wanted[] = {TAG_USER_NAME,
                                      TAG_USER_INN,
                                      TAG_SETTLEMENT_ADDRESS,
                                      TAG_SETTLEMENT_PLACE,
                                      TAG_KKT_REGISTRATION_NUMBER,
                                      TAG_SETTING_HEADER,
                                      TAG_SETTING_FOOTER};
    enum { WANTED = sizeof(wanted) / sizeof(wanted[0]) };
    struct printer_part parts[WANTED + DOCUMENT_PARTS];
    size_t used = 0;
    assert(count <= DOCUMENT_PARTS);
    for (size_t i = 0; i < WANTED; i++) {
        struct tlv tlv;
        bool said = false;
        for (size_t j = 0; j < count && !said; j++)
            said = tlv_find(document[j].tlv, document[j].size, wanted[i], &tlv) == 1;
        if (!said && settings_find(reg->settings, wanted[i], &tlv))
            parts[used++] = (struct printer_part){tlv.value - TLV_HEADER_SIZE,
                                                  (size_t)tlv.length + TLV_HEADER_SIZE};
    }
    memcpy(parts + used, document, count * sizeof(parts[0]));
    return printer_add_parts(reg->printer, slip->id, form, marks_of(slip), parts, used + count);
}

/* What the FN added to a receipt, for paper. */
static void append_fn_tags(struct cash_register *reg, const struct link_result *result)
{
    struct byte_writer writer;
    byte_writer_init(&writer, reg->added, sizeof(reg->added));
    writer.length = reg->added_size;
    uint8_t sign[6] = {0x31, 0x04};
    for (unsigned i = 0; i < 4; i++)
        sign[2 + i] = (uint8_t)(result->fiscal_sign >> (24 - 8 * i));
    tlv_put_bytes(&writer, TAG_FN_NUMBER, reg->facts.status.number, 16);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, result->document);
    tlv_put_u32(&writer, TAG_DATE_TIME, result->time);
    tlv_put_bytes(&writer, TAG_FISCAL_SIGN, sign, sizeof(sign));
    tlv_put_u32(&writer, TAG_SHIFT_NUMBER, result->shift);
    tlv_put_u32(&writer, TAG_RECEIPT_NUMBER, result->receipt);
    struct tlv tlv;
    if (tlv_find(reg->job.body, reg->job.size, TAG_RECEIPT_TOTAL, &tlv) != 1)
        tlv_put_vln(&writer, TAG_RECEIPT_TOTAL, result->total_kop);
    assert(byte_writer_ok(&writer));
    reg->added_size = writer.length;
}

void register_slips_queue_done(struct cash_register *reg, const struct link_result *result)
{
    struct owed_slip *slip = first_unqueued(reg);
    if (slip == NULL || reg->job.code != LINK_RECEIPT || slip->document != result->document)
        return; /* the loader brings it */
    append_fn_tags(reg, result);
    const struct printer_part parts[] = {{reg->job.body, reg->job.size},
                                         {reg->added, reg->added_size}};
    slip->queued =
        !RARE("paper: no room for a slip from RAM") && queue_slip(reg, slip, slip->form, parts, 2);
}

/* The text of a slip that no fiscal document holds, read from the journal. False: it is gone. */
static bool read_text(struct cash_register *reg, const struct owed_slip *slip, uint8_t *out,
                      size_t capacity, struct printer_part *part)
{
    *part = (struct printer_part){out, 0};
    if (slip->extra.size == 0)
        return true;
    if (slip->extra.size > capacity || slip->extra.size < SLIP_PAYLOAD_HEAD ||
        !journal_read(reg->journal, &slip->extra, out, capacity))
        return false;
    *part = (struct printer_part){out + SLIP_PAYLOAD_HEAD, slip->extra.size - SLIP_PAYLOAD_HEAD};
    return true;
}

/* JOURNAL_PRINTING or JOURNAL_PRINTED; ERROR_NONE or why not. */
static uint16_t record_paper(struct cash_register *reg, uint8_t type, uint32_t id)
{
    struct journal_record record;
    uint8_t payload[4];
    struct byte_writer writer;
    byte_writer_init(&writer, payload, sizeof(payload));
    put_u32le(&writer, id);
    uint16_t error = journal_append(reg->journal, type, payload, sizeof(payload), &record);
    if (error == ERROR_NONE)
        register_state_apply(&reg->state, &record, payload);
    return error;
}

static void forget_slip(struct cash_register *reg, uint32_t id)
{
    if (record_paper(reg, JOURNAL_PRINTED, id) != ERROR_NONE)
        reg->retry_at = reg->now.mono + FN_RETRY_MS;
}

/* Cuts a document read back at its items and puts between them what the journal kept of the text
 * under items. */
static size_t interleave(const struct printer_part *document, const struct printer_part *text,
                         struct printer_part parts[DOCUMENT_PARTS])
{
    struct tlv_reader items, texts;
    struct tlv item, line;
    size_t used = 0, cut = 0, plain = text->size;
    uint16_t count = 0, wanted = 0;
    tlv_reader_init(&items, document->tlv, document->size);
    tlv_reader_init(&texts, text->tlv, text->size);
    for (size_t at = 0; tlv_next(&texts, &line) == 1; at = texts.offset) {
        if (line.tag == TAG_SLIP_AFTER_ITEM) {
            (void)tlv_get_u16(&line, &wanted);
            plain = at < plain ? at : plain;
        }
        if (line.tag != TAG_SLIP_ITEM_TEXT || used + 4 > DOCUMENT_PARTS)
            continue;
        while (count < wanted && tlv_next(&items, &item) == 1)
            count = (uint16_t)(count + (item.tag == TAG_ITEM));
        if (items.offset > cut)
            parts[used++] = (struct printer_part){document->tlv + cut, items.offset - cut};
        cut = items.offset;
        parts[used++] = (struct printer_part){text->tlv + at, texts.offset - at};
    }
    parts[used++] = (struct printer_part){document->tlv + cut, document->size - cut};
    parts[used++] = (struct printer_part){text->tlv, plain};
    return used;
}

/* The slip whose document is being read back: nothing is queued meanwhile that could change it. */
static struct owed_slip *slip_being_read(struct cash_register *reg)
{
    struct owed_slip *slip = first_unqueued(reg);
    assert(slip != NULL && slip->document == reg->read_document);
    return slip;
}

/* A line that damages bytes can make the FN seem to say that it has no such document, and flash may
 * fail to be read once; but a slip that nobody can read must not stop the others for ever. So a
 * text is given up when its owner has said GONE_TIMES in a row that there is none, or after a
 * quarter of an hour of other trouble. */
static void read_failed(struct cash_register *reg, const struct owed_slip *slip, bool gone)
{
    reg->read_gone = (uint8_t)(gone ? reg->read_gone + 1u : 0);
    reg->read_failures++;
    if (reg->read_gone < GONE_TIMES && reg->read_failures < FAILURES_MAX) {
        reg->retry_at = reg->now.mono + FN_RETRY_MS;
    } else {
        register_trace(reg, TRACE_ERROR, "paper: the text is gone, slip dropped: document ",
                       slip->document);
        reg->read_gone = 0;
        reg->read_failures = 0;
        forget_slip(reg, slip->id);
    }
    link_server_give_back(reg->link);
}

static void read_succeeded(struct cash_register *reg)
{
    reg->read_gone = 0;
    reg->read_failures = 0;
}

/* The document is in link->message: queue it. */
void register_slips_loaded(struct cash_register *reg)
{
    read_succeeded(reg);
    struct owed_slip *slip = slip_being_read(reg);
    const struct printer_part document = {reg->link->message, reg->read_size};
    struct printer_part text, parts[DOCUMENT_PARTS];
    if (!read_text(reg, slip, reg->chunk, sizeof(reg->chunk), &text))
        text.size = 0;
    uint16_t form = (slip->marks & SLIP_MARK_COPY) != 0 ? reg->read_form : slip->form;
    size_t count = interleave(&document, &text, parts);
    slip->queued =
        !RARE("paper: no room for a document read") && queue_slip(reg, slip, form, parts, count);
    if (!slip->queued) /* a large one waits until paper has caught up */
        reg->retry_at = reg->now.mono + FN_RETRY_MS;
    link_server_give_back(reg->link);
}

void register_slips_unreadable(struct cash_register *reg, bool gone)
{
    read_failed(reg, slip_being_read(reg), gone);
}

static bool load_from_journal(struct cash_register *reg, struct owed_slip *slip)
{
    if (!link_server_borrow(reg->link))
        return false;
    struct printer_part part;
    bool empty = slip->extra.size == 0; /* a slip without a word */
    if (!empty && !read_text(reg, slip, reg->link->message, sizeof(reg->link->message), &part)) {
        read_failed(reg, slip, true);
        return true;
    }
    read_succeeded(reg);
    if (empty)
        forget_slip(reg, slip->id);
    else
        slip->queued = queue_slip(reg, slip, slip->form, &part, 1);
    link_server_give_back(reg->link);
    return true;
}

static bool load_next(struct cash_register *reg)
{
    struct owed_slip *slip = first_unqueued(reg);
    if (slip == NULL || reg->phase != REGISTER_IDLE || reg->now.mono < reg->retry_at ||
        RARE("paper: a slip is loaded later"))
        return false;
    /* Asks for room for anything: whatever is loaded then fits. */
    if (!printer_has_room(reg->printer, slip->document != 0 && !printer_idle(reg->printer)
                                            ? 4096
                                            : LIMIT_SLIP_BODY_BYTES + SLIP_SETTINGS_BYTES))
        return false;
    if (slip->document == 0)
        return load_from_journal(reg, slip);
    /* Another FN has another document of that number. Known it is: the phase is IDLE. */
    assert(reg->facts.known);
    if (reg->foreign != ERROR_NONE || !link_server_borrow(reg->link))
        return false;
    register_read_start(reg, READ_FOR_PAPER, slip->document);
    return true;
}

/* A slip may begin only when the journal says so: what nobody remembers would come out again
 * without a mark. The printer waits while its event is not taken. Flash that took no record is not
 * worn by trying: the next record of a job that it takes lets the slip begin. */
static bool may_begin(struct cash_register *reg, uint32_t id)
{
    if (CANARY(PRINT_BEFORE_DURABLE))
        return true;
    if (reg->paper_stopped)
        return false;
    uint16_t error = record_paper(reg, JOURNAL_PRINTING, id);
    reg->paper_stopped = error != ERROR_NONE;
    if (reg->paper_stopped)
        register_trace(reg, TRACE_ERROR, "journal: cannot say that a slip begins, error ", error);
    return !reg->paper_stopped;
}

static void printer_event(struct cash_register *reg, const struct printer_event *event)
{
    uint8_t payload[16];
    struct byte_writer writer;
    byte_writer_init(&writer, payload, sizeof(payload));
    if (event->kind == PRINTER_EVENT_STATE) {
        tlv_put_u8(&writer, TAG_PAPER_STATE, event->state);
        link_server_event(reg->link, LINK_EVENT_PAPER, payload, writer.length);
    } else if (event->kind == PRINTER_EVENT_PRINTED) {
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, find_owed(reg, event->slip)->document);
        /* When the journal does not take it, the slip comes out once more, marked. */
        (void)record_paper(reg, JOURNAL_PRINTED, event->slip);
        link_server_event(reg->link, LINK_EVENT_PRINTED, payload, writer.length);
    }
}

bool register_slips_step(struct cash_register *reg)
{
    if (reg->boot_error != ERROR_NONE)
        return false;
    const struct printer_event *next = &reg->printer->event;
    if (next->kind == PRINTER_EVENT_STARTED && !may_begin(reg, next->slip))
        return false;
    struct printer_event event = printer_take_event(reg->printer);
    if (event.kind != PRINTER_EVENT_NONE) {
        printer_event(reg, &event);
        return true;
    }
    return load_next(reg);
}
