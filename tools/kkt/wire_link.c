/* Host-link frames as JSON: the message inside, when a frame holds a whole one, and its bytes
 * otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/error.h"
#include "proto/link_message.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/wire_json.h"

static const char *const kind_names[] = {"", "request", "answer", "event"};

static const struct {
    uint8_t code;
    const char *name;
} code_names[] = {{LINK_IDENTITY, "identity"},
                  {LINK_STATUS, "status"},
                  {LINK_SHIFT_TOTALS, "shiftTotals"},
                  {LINK_FN_INFO, "fnInfo"},
                  {LINK_RESULT, "result"},
                  {LINK_DOCUMENT, "document"},
                  {LINK_SETTINGS, "settings"},
                  {LINK_UPDATE_STATUS, "updateStatus"},
                  {LINK_UPDATE_BEGIN, "updateBegin"},
                  {LINK_UPDATE_DATA, "updateData"},
                  {LINK_UPDATE_FINISH, "updateFinish"},
                  {LINK_RECEIPT, "receipt"},
                  {LINK_SHIFT_OPEN, "shiftOpen"},
                  {LINK_SHIFT_CLOSE, "shiftClose"},
                  {LINK_REGISTRATION, "registration"},
                  {LINK_STATE_REPORT, "stateReport"},
                  {LINK_X_REPORT, "xReport"},
                  {LINK_CASH_IN, "cashIn"},
                  {LINK_CASH_OUT, "cashOut"},
                  {LINK_DRAWER_OPEN, "drawerOpen"},
                  {LINK_NON_FISCAL, "nonFiscal"},
                  {LINK_COPY, "copy"},
                  {LINK_SET_TIME, "setTime"},
                  {LINK_SETTINGS_SET, "settingsSet"},
                  {LINK_EVENT_CONFIRMED, "confirmed"},
                  {LINK_EVENT_PRINTED, "printed"},
                  {LINK_EVENT_PAPER, "paper"},
                  {LINK_EVENT_STARTED, "started"}};

static void add_code(struct json_object *object, uint8_t code)
{
    json_object_object_add(object, "code", json_object_new_int(code));
    for (size_t i = 0; i < sizeof code_names / sizeof code_names[0]; i++)
        if (code_names[i].code == code)
            json_object_object_add(object, "name", json_object_new_string(code_names[i].name));
}

static bool is_job(uint8_t code)
{
    return code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST;
}

static bool add_list(struct json_object *object, const uint8_t *data, size_t size)
{
    kkt_error ignored;
    struct json_object *list = wire_tlv_list(data, size, 0, 1, &ignored);
    if (list == NULL)
        return false;
    json_object_object_add(object, "value", list);
    return true;
}

static void add_result(struct json_object *object, const struct link_result *result)
{
    struct json_object *part = json_object_new_object();
    wire_add_hex(part, "key", result->key, KEY_SIZE);
    json_object_object_add(part, "job", json_object_new_int(result->job));
    json_object_object_add(part, "flags", json_object_new_int(result->flags));
    json_object_object_add(part, "document", json_object_new_uint64(result->document));
    json_object_object_add(part, "fiscalSign", json_object_new_uint64(result->fiscal_sign));
    json_object_object_add(part, "time", json_object_new_uint64(result->time));
    json_object_object_add(part, "shift", json_object_new_int(result->shift));
    json_object_object_add(part, "receipt", json_object_new_int(result->receipt));
    json_object_object_add(part, "total", json_object_new_uint64(result->total_kop));
    json_object_object_add(object, "result", part);
}

static bool add_answer(struct json_object *object, const struct link_frame *frame)
{
    struct refusal refusal;
    const uint8_t *body;
    size_t size;
    if (!link_answer_get(frame->payload, frame->length, &refusal, &body, &size))
        return false;
    json_object_object_add(object, "answer", json_object_new_int(refusal.code));
    if (refusal.code != ERROR_NONE) {
        json_object_object_add(object, "error",
                               json_object_new_string(error_info_find(refusal.code)->name));
        json_object_object_add(object, "tag", json_object_new_int(refusal.tag));
        json_object_object_add(object, "item", json_object_new_int(refusal.item));
        json_object_object_add(object, "expected", json_object_new_uint64(refusal.expected));
        wire_add_hex(object, "key", body, size);
        return size == 0 || size == KEY_SIZE;
    }
    struct link_result result;
    if ((is_job(frame->code) || frame->code == LINK_RESULT) && size == LINK_RESULT_SIZE &&
        link_result_get(body, size, &result)) {
        add_result(object, &result);
        return true;
    }
    return add_list(object, body, size);
}

static bool add_request(struct json_object *object, const struct link_frame *frame)
{
    struct link_job job;
    uint8_t tag[4];
    if (frame->code == LINK_RESULT) {
        wire_add_hex(object, "key", frame->payload, frame->length);
        return frame->length == 0 || frame->length == KEY_SIZE;
    }
    if (!is_job(frame->code))
        return add_list(object, frame->payload, frame->length);
    if (!link_job_get(frame->payload, frame->length, &job))
        return false;
    wire_add_hex(object, "key", job.key, KEY_SIZE);
    struct byte_writer writer;
    byte_writer_init(&writer, tag, sizeof tag);
    put_u32be(&writer, job.device_tag);
    wire_add_hex(object, "deviceTag", tag, sizeof tag);
    return add_list(object, job.body, job.size);
}

/* The message as fields, when the frame holds all of it and it means something. */
static bool add_message(struct json_object *object, const struct link_frame *frame)
{
    if (frame->offset != 0 || frame->length != frame->total)
        return false;
    if (frame->kind == LINK_REQUEST)
        return add_request(object, frame);
    if (frame->kind == LINK_ANSWER)
        return add_answer(object, frame);
    return frame->kind == LINK_EVENT && add_list(object, frame->payload, frame->length);
}

static struct json_object *frame_json(const struct link_frame *frame, bool leading, bool message)
{
    struct json_object *object = json_object_new_object();
    if (frame->kind <= LINK_EVENT)
        json_object_object_add(object, "kind", json_object_new_string(kind_names[frame->kind]));
    add_code(object, frame->code);
    json_object_object_add(object, "exchange", json_object_new_int(frame->exchange));
    json_object_object_add(object, "total", json_object_new_int(frame->total));
    json_object_object_add(object, "offset", json_object_new_int(frame->offset));
    if (!leading)
        json_object_object_add(object, "sharedDelimiter", json_object_new_boolean(true));
    if (message && !add_message(object, frame)) {
        json_object_put(object);
        return NULL;
    }
    if (!message)
        wire_add_hex(object, "payload", frame->payload, frame->length);
    return object;
}

/* True when the JSON gives these bytes again. */
static bool gives_back(struct json_object *object, const uint8_t *bytes, size_t size)
{
    uint8_t again[LINK_WIRE_MAX];
    struct byte_writer writer;
    kkt_error ignored;
    byte_writer_init(&writer, again, sizeof again);
    return wire_link_put(object, "", &writer, &ignored) && byte_writer_ok(&writer) &&
           writer.length == size && memcmp(again, bytes, size) == 0;
}

size_t wire_link_unit(const uint8_t *bytes, size_t size, size_t base, struct json_object **out,
                      kkt_error *error)
{
    static const char broken[] = "no good frame: its length, version or CRC-32C is wrong";
    struct link_decoder decoder;
    struct link_frame frame;
    bool leading = bytes[0] == 0;
    size_t end = leading ? 1 : 0;
    while (end < size && bytes[end] != 0)
        end++;
    if (leading && end == 1) { /* two delimiters in a row: the first is idle filling */
        *out = json_object_new_object();
        json_object_object_add(*out, "delimiter", json_object_new_boolean(true));
        return 1;
    }
    if (end == size) {
        field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input",
                    "offset %zu: the frame has no closing delimiter 00", base);
        return 0;
    }
    link_decoder_init(&decoder);
    bool complete = false;
    link_decoder_push(&decoder, 0, &frame);
    for (size_t i = leading ? 1 : 0; i <= end && !complete; i++)
        complete = link_decoder_push(&decoder, bytes[i], &frame);
    if (!complete) {
        field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input", "offset %zu: %s", base, broken);
        return 0;
    }
    *out = frame_json(&frame, leading, true);
    if (*out == NULL || !gives_back(*out, bytes, end + 1)) {
        json_object_put(*out);
        *out = frame_json(&frame, leading, false);
    }
    return end + 1;
}

/* ---- The way back ---------------------------------------------------------------------------- */

static bool put_result(struct json_object *part, const char *path, struct byte_writer *writer,
                       kkt_error *error)
{
    struct link_result result = {0};
    uint64_t job, flags, document, sign, time, shift, receipt, total;
    if (!wire_get_bytes(part, path, "key", result.key, KEY_SIZE, error) ||
        !wire_get_uint(part, path, "job", UINT8_MAX, &job, error) ||
        !wire_get_uint(part, path, "flags", UINT8_MAX, &flags, error) ||
        !wire_get_uint(part, path, "document", UINT32_MAX, &document, error) ||
        !wire_get_uint(part, path, "fiscalSign", UINT32_MAX, &sign, error) ||
        !wire_get_uint(part, path, "time", UINT32_MAX, &time, error) ||
        !wire_get_uint(part, path, "shift", UINT16_MAX, &shift, error) ||
        !wire_get_uint(part, path, "receipt", UINT16_MAX, &receipt, error) ||
        !wire_get_uint(part, path, "total", ((uint64_t)1 << 40) - 1, &total, error))
        return false;
    result.job = (uint8_t)job;
    result.flags = (uint8_t)flags;
    result.document = (uint32_t)document;
    result.fiscal_sign = (uint32_t)sign;
    result.time = (uint32_t)time;
    result.shift = (uint16_t)shift;
    result.receipt = (uint16_t)receipt;
    result.total_kop = total;
    link_result_put(writer, &result);
    return true;
}

static bool put_answer(struct json_object *object, const char *path, struct byte_writer *writer,
                       kkt_error *error)
{
    struct json_object *part = NULL;
    struct refusal refusal = {0};
    uint64_t code, tag, item;
    if (!wire_get_uint(object, path, "answer", UINT16_MAX, &code, error))
        return false;
    if (code != ERROR_NONE) {
        if (!wire_get_uint(object, path, "tag", UINT16_MAX, &tag, error) ||
            !wire_get_uint(object, path, "item", UINT16_MAX, &item, error) ||
            !wire_get_uint(object, path, "expected", UINT64_MAX, &refusal.expected, error))
            return false;
        refusal.code = (uint16_t)code;
        refusal.tag = (uint16_t)tag;
        refusal.item = (uint16_t)item;
        link_refusal_put(writer, &refusal);
        return wire_put_hex(object, path, "key", writer, error);
    }
    put_u16le(writer, 0);
    if (json_object_object_get_ex(object, "result", &part))
        return put_result(part, path, writer, error);
    json_object_object_get_ex(object, "value", &part);
    return wire_tlv_put_list(part, path, 1, writer, error);
}

static bool put_payload(struct json_object *object, const char *path, uint8_t kind, uint8_t code,
                        struct byte_writer *writer, kkt_error *error)
{
    struct json_object *part = NULL;
    uint8_t bytes[KEY_SIZE];
    if (json_object_object_get_ex(object, "payload", NULL))
        return wire_put_hex(object, path, "payload", writer, error);
    if (kind == LINK_ANSWER)
        return put_answer(object, path, writer, error);
    if (kind == LINK_REQUEST && code == LINK_RESULT)
        return wire_put_hex(object, path, "key", writer, error);
    if (kind == LINK_REQUEST && is_job(code)) {
        if (!wire_get_bytes(object, path, "key", bytes, KEY_SIZE, error))
            return false;
        put_bytes(writer, bytes, KEY_SIZE);
        if (!wire_get_bytes(object, path, "deviceTag", bytes, 4, error))
            return false;
        put_u32le(writer, get_u32be(bytes));
    }
    json_object_object_get_ex(object, "value", &part);
    return wire_tlv_put_list(part, path, 1, writer, error);
}

bool wire_link_put(struct json_object *object, const char *path, struct byte_writer *writer,
                   kkt_error *error)
{
    struct json_object *text = NULL, *shared = NULL;
    uint8_t payload[LINK_FRAGMENT_MAX + 1], wire[LINK_WIRE_MAX];
    uint64_t code, exchange, total, offset;
    uint8_t kind = LINK_REQUEST;
    struct byte_writer inner;
    if (json_object_object_get_ex(object, "delimiter", NULL)) {
        put_u8(writer, 0);
        return true;
    }
    json_object_object_get_ex(object, "kind", &text);
    const char *name = text == NULL ? "" : json_object_get_string(text);
    while (kind <= LINK_EVENT && strcmp(kind_names[kind], name) != 0)
        kind++;
    if (kind > LINK_EVENT) {
        field_error(error, ERROR_FIELD_VALUE, 0, 0, path, "kind is request, answer or event");
        return false;
    }
    if (!wire_get_uint(object, path, "code", UINT8_MAX, &code, error) ||
        !wire_get_uint(object, path, "exchange", UINT16_MAX, &exchange, error) ||
        !wire_get_uint(object, path, "total", UINT16_MAX, &total, error) ||
        !wire_get_uint(object, path, "offset", UINT16_MAX, &offset, error))
        return false;
    byte_writer_init(&inner, payload, sizeof payload);
    if (!put_payload(object, path, kind, (uint8_t)code, &inner, error))
        return false;
    /* An edited message has its own length; only a fragment keeps the stated one. */
    if (!json_object_object_get_ex(object, "payload", NULL))
        total = inner.length;
    struct link_frame frame = {.kind = kind,
                               .code = (uint8_t)code,
                               .exchange = (uint16_t)exchange,
                               .total = (uint16_t)total,
                               .offset = (uint16_t)offset,
                               .payload = payload,
                               .length = inner.length};
    size_t size =
        inner.length > LINK_FRAGMENT_MAX ? 0 : link_frame_encode(&frame, wire, sizeof wire);
    if (size == 0) {
        field_error(error, ERROR_TOO_LARGE, 0, 0, path, "a frame holds at most %u bytes",
                    LINK_FRAGMENT_MAX);
        return false;
    }
    json_object_object_get_ex(object, "sharedDelimiter", &shared);
    size_t skip = json_object_get_boolean(shared) ? 1 : 0;
    put_bytes(writer, wire + skip, size - skip);
    return true;
}
