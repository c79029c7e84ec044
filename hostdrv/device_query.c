/* The questions a program may ask the board: each is one query and a translation of its TLV answer.
 * A tag that a board does not send reads as 0 or ""; what we do not know is skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "hostdrv/clock.h"
#include "hostdrv/device.h"
#include "hostdrv/fault.h"
#include "hostdrv/result.h"
#include "proto/tags.h"
#include "proto/tlv.h"

static unsigned find_u8(const uint8_t *tlv, size_t size, uint16_t tag)
{
    uint8_t value;
    return tlv_find_u8(tlv, size, tag, &value) ? value : 0;
}

static unsigned find_u16(const uint8_t *tlv, size_t size, uint16_t tag)
{
    struct tlv found;
    uint16_t value;
    return tlv_find(tlv, size, tag, &found) == 1 && tlv_get_u16(&found, &value) ? value : 0;
}

static uint32_t find_u32(const uint8_t *tlv, size_t size, uint16_t tag)
{
    uint32_t value;
    return tlv_find_u32(tlv, size, tag, &value) ? value : 0;
}

static int64_t find_kop(const uint8_t *tlv, size_t size, uint16_t tag)
{
    uint64_t value;
    return tlv_find_vln(tlv, size, tag, &value) && value <= INT64_MAX ? (int64_t)value : 0;
}

int kkt_get_identity(kkt *device, kkt_identity *out, kkt_error *error)
{
    memset(out, 0, sizeof *out);
    int result = device_connect_once(device, device->connect_timeout_ms, error);
    if (result == KKT_OK)
        result = device_identify(device, device->answer_timeout_ms, error);
    if (result == ERROR_LINK_LOST) /* it may have broken long ago */
        result = device_connect_once(device, device->connect_timeout_ms, error);
    if (result != KKT_OK)
        return result;
    *out = device->identity;
    return fault_none(error);
}

static void read_ofd_status(const uint8_t *tlv, size_t size, kkt_ofd_status *out)
{
    out->connection = find_u8(tlv, size, TAG_OFD_CONNECTION);
    out->queue_count = find_u32(tlv, size, TAG_OFD_QUEUE_COUNT);
    out->first_number = find_u32(tlv, size, TAG_OFD_QUEUE_FIRST_NUMBER);
    out->first_time = find_u32(tlv, size, TAG_OFD_QUEUE_FIRST_TIME);
    out->last_success = find_u32(tlv, size, TAG_OFD_LAST_SUCCESS);
    out->days_left = find_u8(tlv, size, TAG_OFD_DAYS_LEFT);
    out->last_error = (int)find_u16(tlv, size, TAG_OFD_LAST_ERROR);
    out->last_error_detail = find_u32(tlv, size, TAG_OFD_LAST_ERROR_DETAIL);
    out->next_attempt_s = find_u32(tlv, size, TAG_OFD_NEXT_ATTEMPT_S);
}

int kkt_get_status(kkt *device, kkt_status *out, kkt_error *error)
{
    const struct link_client_answer *answer;
    memset(out, 0, sizeof *out);
    int result = device_query(device, LINK_STATUS, NULL, 0, &answer, error);
    if (result != KKT_OK)
        return result;
    const uint8_t *tlv = answer->body;
    size_t size = answer->size;
    out->time = find_u32(tlv, size, TAG_BOARD_TIME);
    out->shift_state = find_u8(tlv, size, TAG_SHIFT_STATE);
    out->shift_number = find_u32(tlv, size, TAG_SHIFT_NUMBER);
    out->receipt_number = find_u32(tlv, size, TAG_RECEIPT_NUMBER);
    out->shift_opened = find_u32(tlv, size, TAG_SHIFT_OPENED_AT);
    out->shift_expires = find_u32(tlv, size, TAG_SHIFT_EXPIRES_AT);
    out->paper = find_u8(tlv, size, TAG_PAPER_STATE);
    out->print_state = find_u8(tlv, size, TAG_PRINT_STATE);
    out->slips_owed = find_u32(tlv, size, TAG_SLIPS_OWED);
    out->drawer = find_u8(tlv, size, TAG_DRAWER_STATE);
    out->drawer_openings = find_u32(tlv, size, TAG_DRAWER_OPENINGS);
    out->cash_in_drawer_kop = find_kop(tlv, size, TAG_CASH_IN_DRAWER);
    out->fn_present = find_u8(tlv, size, TAG_FN_PRESENT);
    out->fn_phase = find_u8(tlv, size, TAG_FN_PHASE);
    out->fn_warnings = find_u8(tlv, size, TAG_FN_WARNINGS);
    out->last_document = find_u32(tlv, size, TAG_FN_LAST_DOCUMENT);
    out->block_reason = (int)find_u16(tlv, size, TAG_BLOCK_REASON);
    read_ofd_status(tlv, size, &out->ofd);
    return fault_none(error);
}

static void read_totals_kind(const struct tlv *kind, kkt_shift_totals *out)
{
    static const uint16_t paid_tags[5] = {TAG_PAID_CASH, TAG_PAID_ELECTRONIC, TAG_PAID_PREPAID,
                                          TAG_PAID_CREDIT, TAG_PAID_OTHER};
    unsigned settlement = find_u8(kind->value, kind->length, TAG_SETTLEMENT_KIND);
    if (settlement < 1 || settlement > 4)
        return;
    kkt_totals_kind *totals = &out->kinds[settlement - 1];
    totals->count = find_u32(kind->value, kind->length, TAG_TOTALS_COUNT);
    totals->sum_kop = find_kop(kind->value, kind->length, TAG_RECEIPT_TOTAL);
    for (size_t i = 0; i < 5; i++)
        totals->paid_kop[i] = find_kop(kind->value, kind->length, paid_tags[i]);
}

int kkt_get_shift_totals(kkt *device, kkt_shift_totals *out, kkt_error *error)
{
    const struct link_client_answer *answer;
    memset(out, 0, sizeof *out);
    int result = device_query(device, LINK_SHIFT_TOTALS, NULL, 0, &answer, error);
    if (result != KKT_OK)
        return result;
    const uint8_t *tlv = answer->body;
    size_t size = answer->size;
    out->shift_number = find_u32(tlv, size, TAG_SHIFT_NUMBER);
    out->cash_in_drawer_kop = find_kop(tlv, size, TAG_CASH_IN_DRAWER);
    out->cash_in_count = find_u32(tlv, size, TAG_CASH_IN_COUNT);
    out->cash_out_count = find_u32(tlv, size, TAG_CASH_OUT_COUNT);
    out->cash_in_kop = find_kop(tlv, size, TAG_CASH_IN_TOTAL);
    out->cash_out_kop = find_kop(tlv, size, TAG_CASH_OUT_TOTAL);
    struct tlv_reader reader;
    struct tlv element;
    tlv_reader_init(&reader, tlv, size);
    while (tlv_next(&reader, &element) == 1) {
        if (element.tag == TAG_TOTALS_KIND)
            read_totals_kind(&element, out);
    }
    return fault_none(error);
}

int kkt_get_fn_info(kkt *device, kkt_fn_info *out, kkt_error *error)
{
    const struct link_client_answer *answer;
    memset(out, 0, sizeof *out);
    int result = device_query(device, LINK_FN_INFO, NULL, 0, &answer, error);
    if (result != KKT_OK)
        return result;
    const uint8_t *tlv = answer->body;
    size_t size = answer->size;
    device_string(tlv, size, TAG_FN_NUMBER, out->number, sizeof out->number);
    device_string(tlv, size, TAG_FN_VERSION, out->version, sizeof out->version);
    out->valid_until = find_u32(tlv, size, TAG_FN_VALID_UNTIL);
    out->execution = find_u8(tlv, size, TAG_FN_EXECUTION);
    out->phase = find_u8(tlv, size, TAG_FN_PHASE);
    out->warnings = find_u8(tlv, size, TAG_FN_WARNINGS);
    out->ffd = find_u8(tlv, size, TAG_REGISTERED_FFD);
    out->ffd_max = find_u8(tlv, size, TAG_FN_FFD_MAX);
    out->registrations_made = find_u8(tlv, size, TAG_FN_REGISTRATIONS_MADE);
    out->registrations_left = find_u8(tlv, size, TAG_FN_REGISTRATIONS_LEFT);
    out->last_document = find_u32(tlv, size, TAG_FN_LAST_DOCUMENT);
    return fault_none(error);
}

static uint8_t *copy_bytes(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

int kkt_get_document(kkt *device, uint32_t number, kkt_document *out, kkt_error *error)
{
    const struct link_client_answer *answer;
    uint8_t request[TLV_HEADER_SIZE + 4];
    struct byte_writer writer;
    memset(out, 0, sizeof *out);
    byte_writer_init(&writer, request, sizeof request);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, number);
    int result = device_query(device, LINK_DOCUMENT, request, writer.length, &answer, error);
    if (result != KKT_OK)
        return result;
    struct tlv body, ticket;
    if (tlv_find(answer->body, answer->size, TAG_DOCUMENT_BODY, &body) != 1)
        return fault_set(error, ERROR_INTERNAL, "the board's answer has no document in it");
    out->tlv = copy_bytes(body.value, body.length);
    if (out->tlv == NULL)
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    out->size = body.length;
    out->number = number;
    out->form = find_u16(answer->body, answer->size, TAG_DOCUMENT_FORM);
    out->acknowledged = find_u8(answer->body, answer->size, TAG_DOCUMENT_ACKNOWLEDGED) != 0;
    if (tlv_find(answer->body, answer->size, TAG_DOCUMENT_TICKET, &ticket) == 1 &&
        ticket.length <= sizeof out->ticket) {
        memcpy(out->ticket, ticket.value, ticket.length);
        out->ticket_size = ticket.length;
    }
    return fault_none(error);
}

void kkt_document_free(kkt_document *document)
{
    if (document == NULL)
        return;
    free(document->tlv);
    memset(document, 0, sizeof *document);
}

int kkt_get_settings(kkt *device, uint8_t **tlv, size_t *size, kkt_error *error)
{
    const struct link_client_answer *answer;
    *tlv = NULL;
    *size = 0;
    int result = device_query(device, LINK_SETTINGS, NULL, 0, &answer, error);
    if (result != KKT_OK)
        return result;
    *tlv = copy_bytes(answer->body, answer->size);
    if (*tlv == NULL)
        return fault_set(error, ERROR_INTERNAL, "out of memory");
    *size = answer->size;
    return fault_none(error);
}

void kkt_free(void *memory)
{
    free(memory);
}

int kkt_ask_result(kkt *device, const kkt_key *key, kkt_result *result, kkt_error *error)
{
    const struct link_client_answer *answer;
    memset(result, 0, sizeof *result);
    int asked = device_query(device, LINK_RESULT, key != NULL ? key->bytes : NULL,
                             key != NULL ? sizeof key->bytes : 0, &answer, error);
    if (asked != KKT_OK)
        return asked;
    struct link_result link;
    if (!link_result_get(answer->body, answer->size, &link) ||
        (key != NULL && memcmp(link.key, key->bytes, sizeof link.key) != 0))
        return fault_set(error, ERROR_INTERNAL, "the board's answer is about another key");
    result_from_link(&link, &device->identity, result);
    return fault_none(error);
}

/* True: *out holds one. */
static bool take_event(kkt *device, kkt_event *out)
{
    struct link_client_event event;
    switch (reconnect_news(&device->reconnect, device->user_cursor, &out->outage_ms)) {
    case RECONNECT_NEWS_LOST:
        out->kind = KKT_EVENT_LOST;
        return true;
    case RECONNECT_NEWS_BACK:
        out->kind = KKT_EVENT_BACK;
        return true;
    case RECONNECT_NO_NEWS:
    default:
        break;
    }
    if (!link_client_event_next(&device->client, &device->user_cursor, &event))
        return false;
    out->kind = event.code;
    out->document = event.document;
    out->paper = event.paper;
    return true;
}

/* On the open connection; a board that is silent for too long is asked who it is. */
static int hear(kkt *device, uint64_t deadline_ms, kkt_error *error)
{
    uint64_t silent_ms = device->heard_ms + device->silence_ms;
    int result = device_pump(device, silent_ms < deadline_ms ? silent_ms : deadline_ms, error);
    if (result == KKT_OK && host_clock_ms() >= device->heard_ms + device->silence_ms)
        result = device_identify(device, device->connect_timeout_ms, error);
    return result;
}

int kkt_next_event(kkt *device, unsigned timeout_ms, kkt_event *out, kkt_error *error)
{
    memset(out, 0, sizeof *out);
    uint64_t deadline_ms = host_clock_ms() + timeout_ms;
    for (;;) {
        if (take_event(device, out))
            return fault_none(error);
        bool was_open = device->transport != NULL;
        int result = device_connect(device, deadline_ms, 0, error);
        bool more = host_clock_ms() < deadline_ms;
        if (result == KKT_OK && was_open && more)
            result = hear(device, deadline_ms, error);
        if (take_event(device, out))
            return fault_none(error);
        if (result != KKT_OK && (result != ERROR_LINK_LOST || !more))
            return result;
        if (result == KKT_OK && !more)
            return fault_none(error);
    }
}
