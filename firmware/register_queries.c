/* Answers that change nothing, and the shape of every answer. */
#include "firmware/register_internal.h"

#include <assert.h>
#include <string.h>

#include "firmware/firmware.h"

void register_answer_refusal(struct cash_register *reg, uint8_t code, uint16_t exchange,
                             const struct refusal *why, const uint8_t *key, bool main)
{
    struct byte_writer writer;
    byte_writer_init(&writer, reg->link->small, sizeof(reg->link->small));
    link_refusal_put(&writer, why);
    if (key != NULL)
        put_bytes(&writer, key, KEY_SIZE);
    link_server_answer(reg->link, code, exchange, reg->link->small, writer.length, main);
}

void register_answer_result(struct cash_register *reg, uint8_t code, uint16_t exchange,
                            const struct link_result *result, bool main)
{
    struct byte_writer writer;
    byte_writer_init(&writer, reg->link->small, sizeof(reg->link->small));
    put_u16le(&writer, ERROR_NONE);
    link_result_put(&writer, result);
    link_server_answer(reg->link, code, exchange, reg->link->small, writer.length, main);
}

static void refuse_query(struct cash_register *reg, const struct link_request *request, bool main,
                         uint16_t code, uint16_t tag)
{
    struct refusal why = {.code = code, .tag = tag};
    register_answer_refusal(reg, request->code, request->exchange, &why, NULL, main);
}

static void copy_setting(const struct cash_register *reg, struct byte_writer *writer, uint16_t tag)
{
    struct tlv tlv;
    if (settings_find(reg->settings, tag, &tlv))
        tlv_put_bytes(writer, tag, tlv.value, tlv.length);
}

static void put_text(struct byte_writer *writer, uint16_t tag, const char *text)
{
    tlv_put_bytes(writer, tag, text, strlen(text));
}

/* What the maker signed it as, where there is such a thing. */
static void put_version(const struct cash_register *reg, struct byte_writer *writer)
{
    char text[FIRMWARE_VERSION_TEXT];
    const struct board_update *update = reg->board->update;
    if (update != NULL && update->version != 0) {
        firmware_version_text(update->version, text);
        put_text(writer, TAG_FIRMWARE_VERSION, text);
    } else {
        put_text(writer, TAG_FIRMWARE_VERSION, FIRMWARE_VERSION);
    }
}

static void put_identity(const struct cash_register *reg, struct byte_writer *writer)
{
    put_text(writer, TAG_BOARD_SERIAL, reg->board->serial);
    put_text(writer, TAG_BOARD_MODEL, reg->board->model);
    put_version(reg, writer);
    if (reg->facts.known)
        tlv_put_bytes(writer, TAG_FN_NUMBER, reg->facts.status.number, 16);
    /* While the FN is silent the settings still know what this register is registered for. */
    bool registered =
        reg->facts.known ? cash_register_registered(reg) : cash_register_ffd(reg) != 0;
    if (registered) {
        copy_setting(reg, writer, TAG_KKT_REGISTRATION_NUMBER);
        copy_setting(reg, writer, TAG_USER_INN);
        copy_setting(reg, writer, TAG_TAX_SYSTEMS);
        copy_setting(reg, writer, TAG_FNS_SITE);
    }
    tlv_put_u8(writer, TAG_REGISTERED_FFD, registered ? cash_register_ffd(reg) : 0);
    tlv_put_u8(writer, TAG_PAPER_COLUMNS, reg->printer->columns);
    tlv_put_u32(writer, TAG_MESSAGE_MAX, LIMIT_REQUEST_BYTES);
}

static uint8_t shift_state(const struct cash_register *reg)
{
    if (!reg->state.shift_open)
        return SHIFT_CLOSED;
    return register_shift_expired(reg) ? SHIFT_EXPIRED : SHIFT_OPEN;
}

static uint8_t print_state(const struct cash_register *reg)
{
    if (reg->state.owed_count == 0)
        return PRINT_IDLE;
    return printer_ready(reg->printer) == ERROR_NONE ? PRINT_PRINTING : PRINT_WAITING;
}

static void put_ofd(const struct cash_register *reg, struct byte_writer *writer)
{
    const struct ofd_report *report = &reg->ofd->report;
    tlv_put_u8(writer, TAG_OFD_CONNECTION, report->connection);
    tlv_put_u32(writer, TAG_OFD_QUEUE_COUNT, report->queue_count);
    tlv_put_u32(writer, TAG_OFD_QUEUE_FIRST_NUMBER, report->first_number);
    tlv_put_u32(writer, TAG_OFD_QUEUE_FIRST_TIME, report->first_time);
    tlv_put_u8(writer, TAG_OFD_DAYS_LEFT, report->days_left);
    tlv_put_u16(writer, TAG_OFD_LAST_ERROR, report->last_error);
    tlv_put_u32(writer, TAG_OFD_LAST_ERROR_DETAIL, report->last_error_detail);
    tlv_put_u32(writer, TAG_OFD_LAST_SUCCESS, report->last_success);
    tlv_put_u32(writer, TAG_OFD_NEXT_ATTEMPT_S, (report->next_attempt_ms + 999u) / 1000u);
}

static void put_status(const struct cash_register *reg, struct byte_writer *writer)
{
    const struct register_state *state = &reg->state;
    tlv_put_u32(writer, TAG_BOARD_TIME, reg->now.calendar);
    tlv_put_u8(writer, TAG_SHIFT_STATE, shift_state(reg));
    tlv_put_u32(writer, TAG_SHIFT_NUMBER, state->shift_number);
    tlv_put_u32(writer, TAG_RECEIPT_NUMBER, state->receipts);
    if (state->shift_open) {
        tlv_put_u32(writer, TAG_SHIFT_OPENED_AT, state->shift_opened_at);
        tlv_put_u32(writer, TAG_SHIFT_EXPIRES_AT, state->shift_opened_at + SHIFT_MAX_S);
    }
    tlv_put_u8(writer, TAG_PAPER_STATE, reg->printer->paper);
    tlv_put_u8(writer, TAG_PRINT_STATE, print_state(reg));
    tlv_put_u32(writer, TAG_SLIPS_OWED, state->owed_count);
    tlv_put_u8(writer, TAG_DRAWER_STATE, drawer_state(reg->drawer));
    tlv_put_u32(writer, TAG_DRAWER_OPENINGS, state->drawer_openings);
    tlv_put_vln(writer, TAG_CASH_IN_DRAWER, state->cash_kop);
    tlv_put_u8(writer, TAG_FN_PRESENT, reg->facts.known ? 1 : 0);
    tlv_put_u8(writer, TAG_FN_PHASE, reg->facts.status.phase);
    tlv_put_u8(writer, TAG_FN_WARNINGS, reg->facts.status.warnings);
    tlv_put_u32(writer, TAG_FN_LAST_DOCUMENT, state->last_document);
    tlv_put_u16(writer, TAG_BLOCK_REASON, cash_register_block_reason(reg));
    put_ofd(reg, writer);
}

static void put_fn_info(const struct cash_register *reg, struct byte_writer *writer)
{
    const struct fn_facts *facts = &reg->facts;
    tlv_put_u8(writer, TAG_FN_PRESENT, facts->known ? 1 : 0);
    if (!facts->known)
        return;
    tlv_put_bytes(writer, TAG_FN_NUMBER, facts->status.number, 16);
    tlv_put_u8(writer, TAG_FN_PHASE, facts->status.phase);
    tlv_put_u8(writer, TAG_FN_WARNINGS, facts->status.warnings);
    tlv_put_u32(writer, TAG_FN_LAST_DOCUMENT, facts->status.last_document);
    tlv_put_u32(writer, TAG_FN_VALID_UNTIL, facts->valid_until);
    put_text(writer, TAG_FN_VERSION, facts->version);
    tlv_put_u8(writer, TAG_FN_EXECUTION, facts->execution);
    tlv_put_u8(writer, TAG_FN_REGISTRATIONS_LEFT, facts->registrations_left);
    tlv_put_u8(writer, TAG_FN_REGISTRATIONS_MADE, facts->registrations_made);
    tlv_put_u8(writer, TAG_REGISTERED_FFD, facts->ffd == 1 ? FFD_1_05 : facts->ffd);
    tlv_put_u8(writer, TAG_FN_FFD_MAX, facts->ffd_max);
}

int register_find_done(struct cash_register *reg, const uint8_t key[KEY_SIZE],
                       struct job_done *done)
{
    struct journal_record record;
    uint8_t payload[256];
    int found =
        journal_find(reg->journal, key, 1u << JOURNAL_DONE, &record, payload, sizeof(payload));
    if (found != 1)
        return found;
    size_t size = record.size < sizeof(payload) ? record.size : sizeof(payload);
    return job_done_get(payload, size, done) ? 1 : -1;
}

static void answer_result_query(struct cash_register *reg, const struct link_request *request,
                                bool main)
{
    struct job_done done;
    if (request->size == 0) {
        if (reg->state.has_last) {
            struct link_result last = reg->state.last;
            last.flags |= LINK_RESULT_REPLAYED;
            register_answer_result(reg, request->code, request->exchange, &last, main);
        } else {
            refuse_query(reg, request, main, ERROR_NOT_FOUND, 0);
        }
        return;
    }
    if (request->size != KEY_SIZE) {
        refuse_query(reg, request, main, ERROR_REQUEST_MALFORMED, 0);
        return;
    }
    bool open =
        reg->state.has_intent && memcmp(reg->state.intent.key, request->body, KEY_SIZE) == 0;
    if (open) {
        refuse_query(reg, request, main,
                     reg->job.attached ? ERROR_IN_PROGRESS : ERROR_OUTCOME_UNKNOWN, 0);
        return;
    }
    int found = reg->boot_error != ERROR_NONE ? -1 : register_find_done(reg, request->body, &done);
    if (found == 1) {
        done.result.flags |= LINK_RESULT_REPLAYED;
        register_answer_result(reg, request->code, request->exchange, &done.result, main);
    } else {
        refuse_query(reg, request, main, found == 0 ? ERROR_NOT_FOUND : ERROR_JOURNAL_FAULT, 0);
    }
}

/* The whole settings list, out of the big buffer. */
static void answer_settings(struct cash_register *reg, const struct link_request *request)
{
    struct byte_writer writer;
    byte_writer_init(&writer, reg->link->message, sizeof(reg->link->message));
    put_u16le(&writer, ERROR_NONE);
    for (unsigned tag = TAG_SETTING_COLUMNS; tag <= TAG_SETTING_FOOTER; tag++)
        copy_setting(reg, &writer, (uint16_t)tag);
    link_server_answer(reg->link, request->code, request->exchange, reg->link->message,
                       writer.length, true);
}

static void start_document_query(struct cash_register *reg, const struct link_request *request)
{
    struct tlv tlv;
    uint32_t number = 0;
    if (tlv_find(request->body, request->size, TAG_DOCUMENT_NUMBER, &tlv) != 1 ||
        !tlv_get_u32(&tlv, &number) || number == 0) {
        refuse_query(reg, request, true, ERROR_FIELD_MISSING, TAG_DOCUMENT_NUMBER);
        return;
    }
    reg->read_exchange = request->exchange;
    register_read_start(reg, READ_FOR_HOST, number);
}

static bool is_update(uint8_t code)
{
    return code >= LINK_UPDATE_STATUS && code <= LINK_UPDATE_FINISH;
}

/* An update works beside the register, between its jobs. */
static void answer_update_request(struct cash_register *reg, const struct link_request *request,
                                  bool main, struct byte_writer *writer)
{
    bool idle = reg->phase <= REGISTER_IDLE && !reg->job.attached;
    struct refusal why;
    if (update_request(reg->update, request, main, idle, reg->now.mono, &why, writer) ==
        UPDATE_LATER)
        return;
    if (why.code != ERROR_NONE)
        register_answer_refusal(reg, request->code, request->exchange, &why, NULL, main);
    else
        link_server_answer(reg->link, request->code, request->exchange, reg->link->small,
                           writer->length, main);
}

void register_answer_update(struct cash_register *reg, uint16_t exchange, const struct refusal *why)
{
    static const uint8_t done[] = {ERROR_NONE, 0};
    if (why->code != ERROR_NONE)
        register_answer_refusal(reg, LINK_UPDATE_BEGIN, exchange, why, NULL, true);
    else
        link_server_answer(reg->link, LINK_UPDATE_BEGIN, exchange, done, sizeof done, true);
}

void register_query(struct cash_register *reg, const struct link_request *request, bool main)
{
    struct byte_writer writer;
    if (request->too_large) {
        refuse_query(reg, request, main, ERROR_TOO_LARGE, 0);
        return;
    }
    byte_writer_init(&writer, reg->link->small, sizeof(reg->link->small));
    put_u16le(&writer, ERROR_NONE);
    if (is_update(request->code)) {
        answer_update_request(reg, request, main, &writer);
        return;
    }
    switch (request->code) {
    case LINK_IDENTITY:
        put_identity(reg, &writer);
        break;
    case LINK_STATUS:
        put_status(reg, &writer);
        break;
    case LINK_SHIFT_TOTALS:
        register_put_totals(reg, &writer);
        break;
    case LINK_FN_INFO:
        put_fn_info(reg, &writer);
        break;
    case LINK_RESULT:
        answer_result_query(reg, request, main);
        return;
    case LINK_SETTINGS:
        if (main)
            answer_settings(reg, request);
        else
            refuse_query(reg, request, main, ERROR_BUSY, 0);
        return;
    case LINK_DOCUMENT:
        if (main && reg->phase == REGISTER_IDLE)
            start_document_query(reg, request);
        else
            refuse_query(reg, request, main, reg->boot_failures > 0 ? ERROR_FN_SILENT : ERROR_BUSY,
                         0);
        return;
    default:
        refuse_query(reg, request, main, ERROR_REQUEST_UNKNOWN, 0);
        return;
    }
    assert(byte_writer_ok(&writer));
    link_server_answer(reg->link, request->code, request->exchange, reg->link->small, writer.length,
                       main);
}
