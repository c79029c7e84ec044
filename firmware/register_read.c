/* Reading a document back from the FN: for the host (LINK_DOCUMENT), to see that a copy can be
 * made, and for paper.
 *
 *   READ_WAIT (FN line) -> 40h -> [41h when confirmed and the host asks] -> 45h -> 46h ... until
 * "no more data"
 *
 * The text is gathered in the link's big buffer, which the caller already holds.
 */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#define RECORD_NUMBER_AT 7u /* in the answer to 40h: form, confirmed, five bytes of time, number */

void register_read_start(struct cash_register *reg, enum read_purpose purpose, uint32_t document)
{
    reg->read_purpose = purpose;
    reg->read_document = document;
    reg->read_size = 0;
    reg->phase = REGISTER_READ_WAIT;
}

static enum fn_owner owner(const struct cash_register *reg)
{
    return reg->read_purpose == READ_FOR_PAPER ? FN_OWNER_PRINT : FN_OWNER_REGISTER;
}

static void end_read(struct cash_register *reg)
{
    fn_release(reg->fn, owner(reg));
    reg->phase = REGISTER_IDLE;
}

/* gone: the FN itself says that there is no such text; otherwise another try may bring it. */
static void fail_read(struct cash_register *reg, uint16_t code, bool gone)
{
    end_read(reg);
    bool silent = code == ERROR_FN_SILENT;
    if (silent) {
        reg->facts.known = false;
        reg->retry_at = reg->now.mono + FN_RETRY_MS;
        reg->phase = REGISTER_BOOT;
    }
    struct refusal why = {
        .code = code, .tag = TAG_DOCUMENT_NUMBER, .expected = reg->state.last_document};
    switch (reg->read_purpose) {
    case READ_FOR_HOST:
        register_answer_refusal(reg, LINK_DOCUMENT, reg->read_exchange, &why, NULL, true);
        break;
    case READ_FOR_COPY:
        reg->why = why;
        register_job_refused(reg);
        break;
    default:
        assert(reg->read_purpose == READ_FOR_PAPER);
        if (silent)
            link_server_give_back(reg->link);
        else
            register_slips_unreadable(reg, gone);
        break;
    }
}

static void command_with_number(struct cash_register *reg, uint8_t command)
{
    uint8_t data[4];
    struct byte_writer writer;
    byte_writer_init(&writer, data, sizeof(data));
    put_u32le(&writer, reg->read_document);
    fn_start(reg->fn, command, data, sizeof(data), reg->now.mono);
}

/* Appends to the big buffer; false when it is full. */
static bool append(struct cash_register *reg, const uint8_t *bytes, size_t size)
{
    if (sizeof(reg->link->message) - reg->read_size < size)
        return false;
    memcpy(reg->link->message + reg->read_size, bytes, size);
    reg->read_size += size;
    return true;
}

static void start_host_answer(struct cash_register *reg, uint8_t form, bool confirmed)
{
    uint8_t head[32];
    struct byte_writer writer;
    byte_writer_init(&writer, head, sizeof(head));
    put_u16le(&writer, ERROR_NONE);
    tlv_put_u16(&writer, TAG_DOCUMENT_FORM, form);
    tlv_put_u8(&writer, TAG_DOCUMENT_ACKNOWLEDGED, confirmed ? 1 : 0);
    (void)append(reg, head, writer.length);
}

static void begin_text(struct cash_register *reg)
{
    command_with_number(reg, FN_READ_DOCUMENT);
    reg->phase = REGISTER_READ_BEGIN;
}

static void on_found(struct cash_register *reg)
{
    /* An answer that came late would be that of another document. */
    bool right = fn_ok(reg->fn) && reg->fn->size >= RECORD_NUMBER_AT + 4 &&
                 get_u32le(reg->fn->data + RECORD_NUMBER_AT) == reg->read_document;
    if (!right) {
        fail_read(reg, ERROR_NOT_FOUND, reg->fn->answer == FN_NO_DATA);
        return;
    }
    uint8_t form = reg->fn->data[0] & 0x3Fu;
    bool confirmed = reg->fn->data[1] != 0;
    if (reg->read_purpose == READ_FOR_HOST)
        start_host_answer(reg, form, confirmed);
    if (reg->read_purpose == READ_FOR_HOST && confirmed) {
        command_with_number(reg, FN_FIND_CONFIRMATION);
        reg->phase = REGISTER_READ_TICKET;
    } else {
        begin_text(reg);
    }
}

static void on_ticket(struct cash_register *reg)
{
    if (fn_ok(reg->fn) && reg->fn->size <= 64) {
        uint8_t buffer[64 + TLV_HEADER_SIZE];
        struct byte_writer writer;
        byte_writer_init(&writer, buffer, sizeof(buffer));
        tlv_put_bytes(&writer, TAG_DOCUMENT_TICKET, reg->fn->data, reg->fn->size);
        (void)append(reg, buffer, writer.length);
    }
    begin_text(reg);
}

static void on_text_begun(struct cash_register *reg)
{
    if (!fn_ok(reg->fn) || reg->fn->size < 4) {
        fail_read(reg, ERROR_FN_ARCHIVE, reg->fn->answer == FN_NO_DATA);
        return;
    }
    reg->read_form = get_u16le(reg->fn->data);
    reg->read_length = get_u16le(reg->fn->data + 2);
    if (reg->read_purpose == READ_FOR_COPY) {
        /* It is there; the paper loader reads it when its turn comes. */
        end_read(reg);
        reg->job.effect.slip_form = reg->read_form;
        register_job_do_local(reg);
        return;
    }
    if (reg->read_purpose == READ_FOR_HOST) {
        uint8_t head[TLV_HEADER_SIZE] = {TAG_DOCUMENT_BODY & 0xFF, TAG_DOCUMENT_BODY >> 8, 0, 0};
        (void)append(reg, head, sizeof(head));
    }
    reg->read_mark = reg->read_size;
    fn_start(reg->fn, FN_READ_TLV, NULL, 0, reg->now.mono);
    reg->phase = REGISTER_READ_TLV;
}

static void on_text_end(struct cash_register *reg)
{
    size_t body = reg->read_size - reg->read_mark;
    if (body != reg->read_length) { /* an answer to something else ended it early */
        fail_read(reg, ERROR_FN_ARCHIVE, false);
        return;
    }
    end_read(reg);
    if (reg->read_purpose == READ_FOR_PAPER) {
        register_slips_loaded(reg);
        return;
    }
    reg->link->message[reg->read_mark - 2] = (uint8_t)(body & 0xFF);
    reg->link->message[reg->read_mark - 1] = (uint8_t)(body >> 8);
    link_server_answer(reg->link, LINK_DOCUMENT, reg->read_exchange, reg->link->message,
                       reg->read_size, true);
}

static void on_text_piece(struct cash_register *reg)
{
    if (reg->fn->answer == FN_NO_DATA) {
        on_text_end(reg);
    } else if (!fn_ok(reg->fn)) {
        fail_read(reg, ERROR_FN_ARCHIVE, false);
    } else if (!append(reg, reg->fn->data, reg->fn->size)) {
        fail_read(reg, ERROR_FN_ARCHIVE, true); /* no buffer is large enough for it */
    } else {
        fn_start(reg->fn, FN_READ_TLV, NULL, 0, reg->now.mono);
    }
}

bool register_read_step(struct cash_register *reg)
{
    if (reg->phase == REGISTER_READ_WAIT) {
        if (!fn_acquire(reg->fn, owner(reg)))
            return false;
        command_with_number(reg, FN_FIND_DOCUMENT);
        reg->phase = REGISTER_READ_FIND;
        return true;
    }
    if (reg->fn->state == FN_STATE_WAITING)
        return false;
    if (reg->fn->state == FN_STATE_FAILED) {
        fail_read(reg, ERROR_FN_SILENT, false);
        return true;
    }
    switch (reg->phase) {
    case REGISTER_READ_FIND:
        on_found(reg);
        break;
    case REGISTER_READ_TICKET:
        on_ticket(reg);
        break;
    case REGISTER_READ_BEGIN:
        on_text_begun(reg);
        break;
    default:
        assert(reg->phase == REGISTER_READ_TLV);
        on_text_piece(reg);
        break;
    }
    return true;
}
