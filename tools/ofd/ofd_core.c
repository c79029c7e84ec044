#include "tools/ofd/ofd_core.h"

#include <string.h>

#include "board/fn/operator_key.h"
#include "proto/crc.h"
#include "proto/tlv.h"

#define FPD_SIZE 6u /* 1077: two bytes of service, then the printed number, big endian */

static bool all_digits(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if (*c < '0' || *c > '9')
            return false;
    return text[0] != '\0';
}

static uint8_t ffd_of_protocol(const uint8_t protocol[2])
{
    if (protocol[0] != 0x01)
        return 0; /* 00 01 and 00 02 are sent by registers of several formats */
    switch (protocol[1]) {
    case 0x00:
        return FFD_1_0;
    case 0x05:
        return FFD_1_05;
    case 0x10:
        return FFD_1_1;
    case 0x20:
        return FFD_1_2;
    default:
        return 0;
    }
}

static bool protocol_known(const uint8_t protocol[2])
{
    return ffd_of_protocol(protocol) != 0 ||
           (protocol[0] == 0x00 && (protocol[1] == 0x01 || protocol[1] == 0x02));
}

static bool form_known(uint16_t form)
{
    switch (form) {
    case FORM_REGISTRATION:
    case FORM_SHIFT_OPEN:
    case FORM_RECEIPT:
    case FORM_BSO:
    case FORM_SHIFT_CLOSE:
    case FORM_FN_CLOSE:
    case FORM_REGISTRATION_CHANGE:
    case FORM_STATE_REPORT:
    case FORM_CORRECTION:
    case FORM_BSO_CORRECTION:
        return true;
    default:
        return false;
    }
}

static bool form_is_settlement(uint16_t form)
{
    return form == FORM_RECEIPT || form == FORM_BSO || form == FORM_CORRECTION ||
           form == FORM_BSO_CORRECTION;
}

/* A small format-logic control: enough to tell a document of ours from one that lost a limb. */
static void judge(struct ofd_message *message, uint8_t code, const char *problem)
{
    if (message->code == OFD_ANSWER_ACCEPTED) {
        message->code = code;
        message->problem = problem;
    }
}

static void take_tags(struct ofd_message *message, const uint8_t *tlv, size_t size)
{
    struct tlv found;
    uint32_t number = 0;
    if (!tlv_valid(tlv, size)) {
        judge(message, OFD_ANSWER_UNREADABLE, "the document's TLV list is malformed");
        return;
    }
    (void)tlv_find_u8(tlv, size, TAG_SETTLEMENT_KIND, &message->kind);
    (void)tlv_find_vln(tlv, size, TAG_RECEIPT_TOTAL, &message->total_kop);
    (void)tlv_find_u8(tlv, size, TAG_FFD_VERSION, &message->ffd);
    if (!tlv_find_u32(tlv, size, TAG_DATE_TIME, &message->time))
        judge(message, OFD_ANSWER_FORMAT, "1012 (date and time) is missing");
    if (tlv_find(tlv, size, TAG_FISCAL_SIGN, &found) == 1 && found.length == FPD_SIZE)
        message->sign = get_u32be(found.value + 2);
    else
        judge(message, OFD_ANSWER_FORMAT, "1077 (fiscal sign) is missing");
    if (!tlv_find_u32(tlv, size, TAG_DOCUMENT_NUMBER, &number))
        judge(message, OFD_ANSWER_FORMAT, "1040 (document number) is missing");
    else if ((number & 0xFFFFFFu) != message->document)
        judge(message, OFD_ANSWER_FORMAT, "1040 is not the container's document number");
    else
        message->document = number;
    if (tlv_find(tlv, size, TAG_FN_NUMBER, &found) != 1 || found.length != 16 ||
        memcmp(found.value, message->fn_number, strlen(message->fn_number)) != 0)
        judge(message, OFD_ANSWER_FORMAT, "1041 is not the FN number of the header");
    if (form_is_settlement(message->form) &&
        (message->kind < SETTLEMENT_SALE || message->kind > SETTLEMENT_PURCHASE_RETURN))
        judge(message, OFD_ANSWER_FORMAT, "1054 (settlement kind) is missing or wrong");
    if (form_is_settlement(message->form) && tlv_find(tlv, size, TAG_RECEIPT_TOTAL, &found) != 1)
        judge(message, OFD_ANSWER_FORMAT, "1020 (total) is missing");
}

static enum ofd_message_kind broken(struct ofd_message *message, const char *problem)
{
    message->problem = problem;
    return OFD_MESSAGE_BROKEN;
}

static enum ofd_message_kind parse_container(struct ofd_message *message, const uint8_t *body)
{
    struct ofd_container container;
    size_t stlv_size;
    if (!ofd_container_decode(body, message->header.body_size, &container))
        return broken(message, "container length, type or CRC is wrong");
    if (strcmp(container.fn_number, message->fn_number) != 0)
        return broken(message, "container is of another FN than the header");
    if (container.size < TLV_HEADER_SIZE)
        return broken(message, "container without a document");
    message->form = get_u16le(container.body);
    stlv_size = TLV_HEADER_SIZE + (size_t)get_u16le(container.body + 2);
    if (message->form != container.data_type || !form_known(message->form))
        return broken(message, "form code is unknown, or the body is encrypted");
    if (stlv_size + OFD_FPS_SIZE_MIN > container.size)
        return broken(message, "document runs past the container, or is not signed");
    message->document = container.document;
    memcpy(message->service1, container.service1, sizeof message->service1);
    message->ffd = ffd_of_protocol(message->header.protocol);
    take_tags(message, container.body + TLV_HEADER_SIZE, stlv_size - TLV_HEADER_SIZE);
    return OFD_MESSAGE_DOCUMENT;
}

enum ofd_message_kind ofd_message_parse(const uint8_t *bytes, size_t size, struct ofd_message *out)
{
    static const uint8_t signature[6] = {0x2A, 0x08, 0x41, 0x0A, 0x81, 0xA2};
    bool ping;
    memset(out, 0, sizeof *out);
    out->problem = "";
    out->size = OFD_HEADER_SIZE;
    if (memcmp(bytes, signature, size < sizeof signature ? size : sizeof signature) != 0) {
        out->problem = "not a message of this protocol";
        return OFD_MESSAGE_GARBAGE;
    }
    if (size < OFD_HEADER_SIZE)
        return OFD_MESSAGE_PART;
    if (ofd_header_decode(bytes, size, &out->header) != 1) {
        out->problem = "session header is wrong";
        return OFD_MESSAGE_GARBAGE;
    }
    if ((out->header.flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_HEADER &&
        !ofd_header_crc_ok(bytes, NULL, 0)) {
        out->problem = "CRC of the session header is wrong";
        return OFD_MESSAGE_GARBAGE;
    }
    out->size = OFD_HEADER_SIZE + (size_t)out->header.body_size;
    if (size < out->size)
        return OFD_MESSAGE_PART;
    memcpy(out->fn_number, out->header.fn_number, sizeof out->fn_number);
    if (!all_digits(out->fn_number)) {
        memcpy(out->fn_number, "?", 2); /* it may be anything, and events are shown to people */
        return broken(out, "FN number is not digits");
    }
    if (!protocol_known(out->header.protocol))
        return broken(out, "protocol version is unknown");
    if (!ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, out->header.body_size))
        return broken(out, "CRC of the session header is wrong");
    ping = (out->header.flags & OFD_FLAG_CONTAINER) == 0;
    if (ping != (out->header.body_size == 0))
        return broken(out, "container flag and body size contradict each other");
    return ping ? OFD_MESSAGE_PING : parse_container(out, bytes + OFD_HEADER_SIZE);
}

void ofd_ping_answer(const struct ofd_message *ping, uint8_t out[OFD_HEADER_SIZE])
{
    struct ofd_header header = ping->header;
    header.flags = (uint16_t)(ping->header.flags & OFD_FLAG_CRC_HEADER);
    header.body_size = 0;
    header.crc = 0;
    ofd_header_encode(&header, NULL, out);
}

/* STLV of form 7 and the FPP behind it. Returns bytes, 0 when something does not fit. */
static size_t encode_body(const struct ofd_message *message, const struct ofd_answer *answer,
                          uint8_t *out, size_t capacity)
{
    bool old_format = message->ffd != FFD_1_1 && message->ffd != FFD_1_2;
    uint8_t signed_code = old_format ? answer->code : 0;
    uint8_t fpo[OPERATOR_FPO_SIZE], fpp[OPERATOR_FPP_SIZE];
    struct byte_writer writer;
    size_t form, inner, inn_length = strlen(answer->inn);
    if (inn_length == 0 || inn_length > 12 ||
        !operator_sign_receipt(answer->inn, message->fn_number, answer->document, answer->received,
                               signed_code, fpo))
        return 0;
    byte_writer_init(&writer, out, capacity);
    form = tlv_begin(&writer, FORM_OPERATOR_CONFIRMATION);
    tlv_put_padded(&writer, TAG_OFD_INN, answer->inn, inn_length, 12);
    tlv_put_padded(&writer, TAG_FN_NUMBER, message->fn_number, strlen(message->fn_number), 16);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, answer->document);
    tlv_put_u32(&writer, TAG_DATE_TIME, answer->received);
    if (old_format) {
        inner = tlv_begin(&writer, TAG_OFD_MESSAGE);
        tlv_put_u8(&writer, TAG_OFD_ANSWER_CODE, answer->code);
        tlv_end(&writer, inner);
    } else if (answer->code != OFD_ANSWER_ACCEPTED) {
        tlv_put_u8(&writer, TAG_OFD_MESSAGE_FLAGS, OFD_FLAG_FORMAT_ERROR);
    }
    tlv_put_bytes(&writer, TAG_OFD_FISCAL_SIGN, fpo, sizeof fpo);
    tlv_end(&writer, form);
    if (!byte_writer_ok(&writer) ||
        !operator_sign(answer->inn, message->fn_number, out, writer.length, fpp))
        return 0;
    put_bytes(&writer, fpp, sizeof fpp);
    return byte_writer_ok(&writer) ? writer.length : 0;
}

size_t ofd_confirmation_encode(const struct ofd_message *message, const struct ofd_answer *answer,
                               uint8_t *out, size_t capacity)
{
    uint8_t body[OFD_CONFIRMATION_MAX];
    struct ofd_container container;
    struct ofd_header header;
    size_t size;
    memset(&container, 0, sizeof container);
    container.data_type = FORM_OPERATOR_CONFIRMATION;
    memcpy(container.fn_number, message->fn_number, sizeof container.fn_number);
    container.document = answer->document;
    memcpy(container.service1, message->service1, sizeof container.service1);
    container.body = body;
    container.size = encode_body(message, answer, body, sizeof body);
    if (container.size == 0 || capacity < OFD_HEADER_SIZE)
        return 0;
    size = ofd_container_encode(&container, out + OFD_HEADER_SIZE, capacity - OFD_HEADER_SIZE);
    if (size == 0)
        return 0;
    header = message->header;
    header.body_size = (uint16_t)size;
    header.flags = (uint16_t)(OFD_FLAGS_MESSAGE | (message->header.flags & OFD_FLAG_CRC_MASK));
    header.crc = 0;
    ofd_header_encode(&header, out + OFD_HEADER_SIZE, out);
    return OFD_HEADER_SIZE + size;
}

void ofd_confirmation_spoil_sign(uint8_t *confirmation, size_t size)
{
    uint8_t *container = confirmation + OFD_HEADER_SIZE;
    size_t container_size;
    struct ofd_header header;
    uint16_t crc;
    if (size < OFD_HEADER_SIZE + OFD_CONTAINER_HEADER_SIZE + OPERATOR_FPP_SIZE ||
        ofd_header_decode(confirmation, size, &header) != 1)
        return;
    container_size = size - OFD_HEADER_SIZE;
    container[container_size - 1] ^= 0xFF;
    crc = crc16_update(CRC16_INIT, container, 2);
    crc = crc16_update(crc, container + 4, container_size - 4);
    container[2] = (uint8_t)crc;
    container[3] = (uint8_t)(crc >> 8);
    ofd_header_encode(&header, container, confirmation);
}

const char *ofd_kind_name(uint8_t kind)
{
    static const char *const names[] = {"", "sale", "saleReturn", "purchase", "purchaseReturn"};
    return kind < sizeof names / sizeof names[0] ? names[kind] : "";
}
