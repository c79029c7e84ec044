/* decode and encode: which kind of bytes it is, unit by unit, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"
#include "proto/fn_frame.h"
#include "proto/link.h"
#include "proto/ofd.h"
#include "proto/tags.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/wire_json.h"
#include "tools/kkt/wire_text.h"

#define PATH_SIZE 48

static const uint8_t ofd_signature[4] = {0x2A, 0x08, 0x41, 0x0A};
static const char *const kind_names[] = {"auto",      "tlv", "document", "ofd",
                                         "container", "fn",  "link"};

int wire_kind_find(const char *name)
{
    for (int i = 0; i < (int)(sizeof kind_names / sizeof kind_names[0]); i++)
        if (strcmp(kind_names[i], name) == 0)
            return i;
    return -1;
}

const char *wire_kind_name(enum wire_kind kind)
{
    return kind_names[kind];
}

static size_t malformed(kkt_error *error, size_t offset, const char *text)
{
    field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input", "offset %zu: %s", offset, text);
    return 0;
}

static void add_u16(struct json_object *object, const char *name, uint16_t value)
{
    uint8_t bytes[2];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof bytes);
    put_u16be(&writer, value);
    wire_add_hex(object, name, bytes, sizeof bytes);
}

static void add_crc(struct json_object *object, const char *name, uint16_t found, uint16_t right)
{
    add_u16(object, name, found);
    json_object_object_add(object, "crcOk", json_object_new_boolean(found == right));
}

/* The checksum to write: the right one, unless the JSON keeps a wrong one on purpose. */
static bool crc_to_write(struct json_object *object, const char *path, uint16_t right,
                         uint16_t *out, kkt_error *error)
{
    struct json_object *good = NULL;
    uint8_t bytes[2];
    *out = right;
    if (!json_object_object_get_ex(object, "crcOk", &good) || json_object_get_boolean(good))
        return true;
    if (!wire_get_bytes(object, path, "crc", bytes, 2, error))
        return false;
    *out = get_u16be(bytes);
    return true;
}

/* ---- Document with its form code, and the container around it -------------------------------- */

static bool form_known(uint16_t form)
{
    return strcmp(form_name(form), "unknown") != 0;
}

static size_t document_unit(const uint8_t *bytes, size_t size, size_t base,
                            struct json_object **out, kkt_error *error)
{
    if (size < TLV_HEADER_SIZE)
        return malformed(error, base, "a document starts with a form code and a length");
    size_t whole = TLV_HEADER_SIZE + (size_t)get_u16le(bytes + 2);
    if (whole > size)
        return malformed(error, base, "the document is longer than what is there");
    *out = wire_document(bytes, whole, base, error);
    return *out == NULL ? 0 : whole;
}

/* body stands behind a container header. "document" and "tail", or "body" when it is no open
 * document (encrypted, or a kind unknown here). */
static void add_container_body(struct json_object *object, const uint8_t *body, size_t size)
{
    struct json_object *document = NULL;
    kkt_error ignored;
    size_t used = 0;
    if (size >= TLV_HEADER_SIZE && form_known(get_u16le(body)))
        used = document_unit(body, size, 0, &document, &ignored);
    if (used == 0) {
        wire_add_hex(object, "body", body, size);
        return;
    }
    json_object_object_add(object, "document", document);
    wire_add_hex(object, "tail", body + used, size - used);
    /* A document's container ends its header with the length of the document. */
    if (get_u16be(body - 2) == used)
        json_object_object_add(object, "plainLengthOk", json_object_new_boolean(true));
}

static uint16_t container_crc(const uint8_t *bytes, size_t size)
{
    return crc16_update(crc16_update(CRC16_INIT, bytes, 2), bytes + 4, size - 4);
}

static size_t container_unit(const uint8_t *bytes, size_t size, size_t base,
                             struct json_object **out, kkt_error *error)
{
    if (size < OFD_CONTAINER_HEADER_SIZE)
        return malformed(error, base, "a container has a header of 32 bytes");
    size_t whole = get_u16le(bytes);
    if (whole < OFD_CONTAINER_HEADER_SIZE || whole > size)
        return malformed(error, base, "the container's length does not agree with what is there");
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "length", json_object_new_int((int)whole));
    add_crc(object, "crc", get_u16le(bytes + 2), container_crc(bytes, whole));
    wire_add_hex(object, "type", bytes + 4, 1);
    json_object_object_add(object, "dataType", json_object_new_int(bytes[5]));
    wire_add_hex(object, "formatVersion", bytes + 6, 1);
    wire_add_hex(object, "service1", bytes + 7, 2);
    wire_add_hex(object, "fnNumber", bytes + 9, 8);
    json_object_object_add(object, "documentNumber",
                           json_object_new_int(bytes[17] << 16 | bytes[18] << 8 | bytes[19]));
    wire_add_hex(object, "service2", bytes + 20, 12);
    add_container_body(object, bytes + OFD_CONTAINER_HEADER_SIZE,
                       whole - OFD_CONTAINER_HEADER_SIZE);
    *out = object;
    return whole;
}

static bool container_put(struct json_object *object, const char *path, struct byte_writer *writer,
                          kkt_error *error)
{
    uint8_t head[OFD_CONTAINER_HEADER_SIZE] = {0};
    uint64_t type, number;
    uint16_t crc;
    char step[PATH_SIZE + 16];
    struct json_object *document = NULL;
    if (!wire_get_bytes(object, path, "type", head + 4, 1, error) ||
        !wire_get_uint(object, path, "dataType", UINT8_MAX, &type, error) ||
        !wire_get_bytes(object, path, "formatVersion", head + 6, 1, error) ||
        !wire_get_bytes(object, path, "service1", head + 7, 2, error) ||
        !wire_get_bytes(object, path, "fnNumber", head + 9, 8, error) ||
        !wire_get_uint(object, path, "documentNumber", 0xFFFFFF, &number, error) ||
        !wire_get_bytes(object, path, "service2", head + 20, 12, error))
        return false;
    head[5] = (uint8_t)type;
    head[17] = (uint8_t)(number >> 16);
    head[18] = (uint8_t)(number >> 8);
    head[19] = (uint8_t)number;
    size_t start = writer->length;
    put_bytes(writer, head, sizeof head);
    if (json_object_object_get_ex(object, "document", &document)) {
        snprintf(step, sizeof step, "%s.document", path);
        if (!wire_document_put(document, step, writer, error))
            return false;
        size_t plain = writer->length - start - sizeof head;
        if (json_object_object_get_ex(object, "plainLengthOk", NULL))
            patch_u16le(writer, start + 30, (uint16_t)(plain << 8 | (plain >> 8 & 0xFF)));
        if (!wire_put_hex(object, path, "tail", writer, error))
            return false;
    } else if (!wire_put_hex(object, path, "body", writer, error)) {
        return false;
    }
    size_t size = writer->length - start;
    if (size > UINT16_MAX || !byte_writer_ok(writer)) {
        field_error(error, ERROR_TOO_LARGE, 0, 0, path, "a container has at most 65535 bytes");
        return false;
    }
    patch_u16le(writer, start, (uint16_t)size);
    if (!crc_to_write(object, path, container_crc(writer->data + start, size), &crc, error))
        return false;
    patch_u16le(writer, start + 2, crc);
    return true;
}

/* ---- Operator message ------------------------------------------------------------------------ */

static uint16_t session_crc(const uint8_t *message, size_t size, uint16_t flags)
{
    uint16_t crc = crc16_update(CRC16_INIT, message, 28);
    if ((flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_HEADER)
        return crc;
    if ((flags & OFD_FLAG_CRC_MASK) == OFD_FLAG_CRC_ALL)
        return crc16_update(crc, message + OFD_HEADER_SIZE, size - OFD_HEADER_SIZE);
    return 0;
}

/* Text; a damaged one as "fnNumberRaw". */
static void add_fn_number(struct json_object *object, const uint8_t number[16])
{
    for (unsigned i = 0; i < 16; i++) {
        if (number[i] < 0x20 || number[i] > 0x7E) {
            wire_add_hex(object, "fnNumberRaw", number, 16);
            return;
        }
    }
    json_object_object_add(object, "fnNumber",
                           json_object_new_string_len((const char *)number, 16));
}

static bool get_fn_number(struct json_object *object, const char *path, uint8_t out[16],
                          kkt_error *error)
{
    struct json_object *text = NULL;
    if (json_object_object_get_ex(object, "fnNumberRaw", NULL))
        return wire_get_bytes(object, path, "fnNumberRaw", out, 16, error);
    json_object_object_get_ex(object, "fnNumber", &text);
    if (!json_object_is_type(text, json_type_string) || json_object_get_string_len(text) > 16) {
        field_error(error, ERROR_FIELD_VALUE, 0, 0, path, "fnNumber has at most 16 characters");
        return false;
    }
    memset(out, ' ', 16);
    memcpy(out, json_object_get_string(text), (size_t)json_object_get_string_len(text));
    return true;
}

static size_t ofd_unit(const uint8_t *bytes, size_t size, size_t base, struct json_object **out,
                       kkt_error *error)
{
    if (size < OFD_HEADER_SIZE)
        return malformed(error, base, "an operator message has a header of 30 bytes");
    if (memcmp(bytes, ofd_signature, sizeof ofd_signature) != 0)
        return malformed(error, base, "the signature 2A 08 41 0A is not here");
    size_t body = get_u16le(bytes + 24), whole = OFD_HEADER_SIZE + body;
    if (whole > size)
        return malformed(error, base, "the message's body is longer than what is there");
    uint16_t flags = get_u16le(bytes + 26);
    struct json_object *object = json_object_new_object(), *container = NULL;
    wire_add_hex(object, "sVersion", bytes + 4, 2);
    wire_add_hex(object, "protocol", bytes + 6, 2);
    add_fn_number(object, bytes + 8);
    json_object_object_add(object, "size", json_object_new_int((int)body));
    add_u16(object, "flags", flags);
    add_crc(object, "crc", get_u16le(bytes + 28), session_crc(bytes, whole, flags));
    kkt_error ignored;
    if (body > 0 &&
        container_unit(bytes + OFD_HEADER_SIZE, body, 0, &container, &ignored) == body) {
        json_object_object_add(object, "container", container);
    } else {
        json_object_put(container);
        wire_add_hex(object, "body", bytes + OFD_HEADER_SIZE, body);
    }
    *out = object;
    return whole;
}

static bool ofd_put(struct json_object *object, const char *path, struct byte_writer *writer,
                    kkt_error *error)
{
    uint8_t head[OFD_HEADER_SIZE] = {0}, flag_bytes[2];
    struct json_object *part = NULL;
    char step[PATH_SIZE + 16];
    memcpy(head, ofd_signature, sizeof ofd_signature);
    if (!wire_get_bytes(object, path, "sVersion", head + 4, 2, error) ||
        !wire_get_bytes(object, path, "protocol", head + 6, 2, error) ||
        !wire_get_bytes(object, path, "flags", flag_bytes, 2, error))
        return false;
    uint16_t flags = get_u16be(flag_bytes), crc;
    if (!get_fn_number(object, path, head + 8, error))
        return false;
    size_t start = writer->length;
    put_bytes(writer, head, sizeof head);
    snprintf(step, sizeof step, "%s.container", path);
    if (json_object_object_get_ex(object, "container", &part)) {
        if (!container_put(part, step, writer, error))
            return false;
    } else if (!wire_put_hex(object, path, "body", writer, error)) {
        return false;
    }
    size_t whole = writer->length - start;
    if (whole - OFD_HEADER_SIZE > UINT16_MAX || !byte_writer_ok(writer)) {
        field_error(error, ERROR_TOO_LARGE, 0, 0, path, "a message's body has at most 65535 bytes");
        return false;
    }
    patch_u16le(writer, start + 24, (uint16_t)(whole - OFD_HEADER_SIZE));
    patch_u16le(writer, start + 26, flags);
    if (!crc_to_write(object, path, session_crc(writer->data + start, whole, flags), &crc, error))
        return false;
    patch_u16le(writer, start + 28, crc);
    return true;
}

/* ---- FN frames ------------------------------------------------------------------------------- */

static const struct {
    uint8_t code;
    const char *name;
} fn_commands[] = {{FN_REGISTRATION_BEGIN, "registrationBegin"},
                   {FN_REGISTRATION_FORM, "registrationForm"},
                   {FN_CLOSE_BEGIN, "closeBegin"},
                   {FN_CLOSE_FORM, "closeForm"},
                   {FN_CANCEL, "cancel"},
                   {FN_DATA, "data"},
                   {FN_SHIFT_STATUS, "shiftStatus"},
                   {FN_SHIFT_OPEN_BEGIN, "shiftOpenBegin"},
                   {FN_SHIFT_OPEN_FORM, "shiftOpenForm"},
                   {FN_SHIFT_CLOSE_BEGIN, "shiftCloseBegin"},
                   {FN_SHIFT_CLOSE_FORM, "shiftCloseForm"},
                   {FN_RECEIPT_BEGIN, "receiptBegin"},
                   {FN_RECEIPT_FORM, "receiptForm"},
                   {FN_CORRECTION_BEGIN, "correctionBegin"},
                   {FN_STATE_BEGIN, "stateBegin"},
                   {FN_STATE_FORM, "stateForm"},
                   {FN_OFD_STATUS, "ofdStatus"},
                   {FN_OFD_TRANSPORT, "ofdTransport"},
                   {FN_OFD_READ_BEGIN, "ofdReadBegin"},
                   {FN_OFD_READ, "ofdRead"},
                   {FN_OFD_READ_CANCEL, "ofdReadCancel"},
                   {FN_OFD_READ_END, "ofdReadEnd"},
                   {FN_OFD_ANSWER, "ofdAnswer"},
                   {FN_STATUS, "status"},
                   {FN_NUMBER, "number"},
                   {FN_VALID_UNTIL, "validUntil"},
                   {FN_VERSION, "version"},
                   {FN_DIAGNOSTICS, "diagnostics"},
                   {FN_COUNTERS, "counters"},
                   {FN_COUNTS, "counts"},
                   {FN_COUNTERS_KIND, "countersKind"},
                   {FN_UNSENT, "unsent"},
                   {FN_FFD, "ffd"},
                   {FN_DAYS_LEFT, "daysLeft"},
                   {FN_MEMORY, "memory"},
                   {FN_MODEL, "model"},
                   {FN_FIND_DOCUMENT, "findDocument"},
                   {FN_FIND_CONFIRMATION, "findConfirmation"},
                   {FN_UNCONFIRMED, "unconfirmed"},
                   {FN_REGISTRATION_RESULT, "registrationResult"},
                   {FN_REGISTRATION_TAG, "registrationTag"},
                   {FN_READ_DOCUMENT, "readDocument"},
                   {FN_READ_TLV, "readTlv"},
                   {FN_READ_REGISTRATION_TLV, "readRegistrationTlv"},
                   {FN_DEBUG_RESET, "debugReset"},
                   {FN_REGISTRATION_BEGIN_12, "registrationBegin12"},
                   {FN_REGISTRATION_FORM_12, "registrationForm12"},
                   {FN_DATA_SIZE, "dataSize"},
                   {FN_BAUD_RATE, "baudRate"}};

/* 1: a whole frame of *whole bytes with a good CRC; 0: no frame. */
static bool fn_frame_here(const uint8_t *bytes, size_t size, size_t *whole, bool *crc_ok)
{
    if (size < FN_FRAME_OVERHEAD || bytes[0] != FN_FRAME_START)
        return false;
    size_t length = get_u16le(bytes + 1);
    *whole = length + FN_FRAME_OVERHEAD - 1;
    if (length == 0 || length > FN_DATA_MAX + 1 || *whole > size)
        return false;
    *crc_ok = crc16_update(CRC16_INIT, bytes + 1, length + 2) == get_u16le(bytes + length + 3);
    return true;
}

static size_t fn_unit(const uint8_t *bytes, size_t size, size_t base, struct json_object **out,
                      kkt_error *error)
{
    size_t whole;
    bool crc_ok;
    if (bytes[0] == FN_FRAME_ENQ) {
        *out = json_object_new_object();
        json_object_object_add(*out, "enquiry", json_object_new_boolean(true));
        return 1;
    }
    if (bytes[0] != FN_FRAME_START)
        return malformed(error, base, "an FN frame starts with 04 (or is the byte 05)");
    if (!fn_frame_here(bytes, size, &whole, &crc_ok))
        return malformed(error, base, "the FN frame is cut, or its length is impossible");
    uint8_t code = bytes[3];
    size_t data_size = whole - FN_FRAME_OVERHEAD;
    uint16_t crc = get_u16le(bytes + whole - 2);
    struct json_object *object = json_object_new_object(), *list = NULL;
    wire_add_hex(object, "code", &code, 1);
    for (size_t i = 0; i < sizeof fn_commands / sizeof fn_commands[0]; i++)
        if (fn_commands[i].code == code)
            json_object_object_add(object, "command", json_object_new_string(fn_commands[i].name));
    kkt_error ignored;
    if (code == FN_DATA && data_size > 0)
        list = wire_tlv_list(bytes + 4, data_size, base + 4, 1, &ignored);
    if (list != NULL)
        json_object_object_add(object, "value", list);
    else
        wire_add_hex(object, "data", bytes + 4, data_size);
    add_crc(object, "crc", crc, crc16_update(CRC16_INIT, bytes + 1, whole - 3));
    *out = object;
    return whole;
}

static bool fn_put(struct json_object *object, const char *path, struct byte_writer *writer,
                   kkt_error *error)
{
    uint8_t code;
    uint16_t crc;
    struct json_object *list = NULL;
    if (json_object_object_get_ex(object, "enquiry", NULL)) {
        put_u8(writer, FN_FRAME_ENQ);
        return true;
    }
    if (!wire_get_bytes(object, path, "code", &code, 1, error))
        return false;
    size_t start = writer->length;
    put_u8(writer, FN_FRAME_START);
    put_u16le(writer, 0);
    put_u8(writer, code);
    if (json_object_object_get_ex(object, "value", &list)
            ? !wire_tlv_put_list(list, path, 1, writer, error)
            : !wire_put_hex(object, path, "data", writer, error))
        return false;
    size_t length = writer->length - start - 3;
    if (length > FN_DATA_MAX + 1 || !byte_writer_ok(writer)) {
        field_error(error, ERROR_TOO_LARGE, 0, 0, path, "an FN frame holds at most %u bytes",
                    FN_DATA_MAX);
        return false;
    }
    patch_u16le(writer, start + 1, (uint16_t)length);
    uint16_t right = crc16_update(CRC16_INIT, writer->data + start + 1, length + 2);
    if (!crc_to_write(object, path, right, &crc, error))
        return false;
    put_u16le(writer, crc);
    return true;
}

/* ---- Units of every kind --------------------------------------------------------------------- */

enum wire_kind wire_kind_guess(const uint8_t *bytes, size_t size)
{
    size_t whole;
    bool crc_ok;
    struct json_object *object = NULL;
    kkt_error ignored;
    if (size >= 4 && memcmp(bytes, ofd_signature, 4) == 0)
        return WIRE_OFD;
    size_t enquiries = 0;
    while (enquiries < size && bytes[enquiries] == FN_FRAME_ENQ)
        enquiries++;
    if (fn_frame_here(bytes + enquiries, size - enquiries, &whole, &crc_ok) && crc_ok)
        return WIRE_FN;
    if (size > OFD_CONTAINER_HEADER_SIZE && get_u16le(bytes) == size &&
        (bytes[4] == 0xA5 || bytes[4] == 0x5A))
        return WIRE_CONTAINER;
    if (size > LINK_HEADER_SIZE && bytes[0] == 0) {
        size_t idle = 0;
        while (idle + 1 < size && bytes[idle + 1] == 0)
            idle++;
        if (wire_link_unit(bytes + idle, size - idle, 0, &object, &ignored) > 0) {
            json_object_put(object);
            return WIRE_LINK;
        }
    }
    if (size >= TLV_HEADER_SIZE && form_known(get_u16le(bytes)) &&
        document_unit(bytes, size, 0, &object, &ignored) > 0) {
        json_object_put(object);
        return WIRE_DOCUMENT;
    }
    return WIRE_TLV;
}

static size_t unit(enum wire_kind kind, const uint8_t *bytes, size_t size, size_t base,
                   struct json_object **out, kkt_error *error)
{
    switch (kind) {
    case WIRE_DOCUMENT:
        return document_unit(bytes, size, base, out, error);
    case WIRE_OFD:
        return ofd_unit(bytes, size, base, out, error);
    case WIRE_CONTAINER:
        return container_unit(bytes, size, base, out, error);
    case WIRE_FN:
        return fn_unit(bytes, size, base, out, error);
    default:
        return wire_link_unit(bytes, size, base, out, error);
    }
}

static bool unit_put(enum wire_kind kind, struct json_object *object, const char *path,
                     struct byte_writer *writer, kkt_error *error)
{
    if (!json_object_is_type(object, json_type_object)) {
        field_error(error, ERROR_FIELD_TYPE, 0, 0, path, "an object is expected");
        return false;
    }
    if (json_object_object_get_ex(object, "raw", NULL))
        return wire_put_hex(object, path, "raw", writer, error);
    switch (kind) {
    case WIRE_DOCUMENT:
        return wire_document_put(object, path, writer, error);
    case WIRE_OFD:
        return ofd_put(object, path, writer, error);
    case WIRE_CONTAINER:
        return container_put(object, path, writer, error);
    case WIRE_FN:
        return fn_put(object, path, writer, error);
    default:
        return wire_link_put(object, path, writer, error);
    }
}

/* A unit whose JSON would not give the same bytes again is kept as raw bytes. */
static bool gives_back(enum wire_kind kind, struct json_object *object, const uint8_t *bytes,
                       size_t size)
{
    struct byte_writer writer;
    kkt_error ignored;
    uint8_t *again = malloc(size + 1);
    if (again == NULL)
        return false;
    byte_writer_init(&writer, again, size);
    bool same = unit_put(kind, object, "", &writer, &ignored) && writer.length == size &&
                memcmp(again, bytes, size) == 0;
    free(again);
    return same;
}

static struct json_object *units(enum wire_kind kind, const uint8_t *bytes, size_t size,
                                 kkt_error *error)
{
    struct json_object *array = json_object_new_array();
    for (size_t at = 0; at < size;) {
        struct json_object *object = NULL;
        size_t used = unit(kind, bytes + at, size - at, at, &object, error);
        if (used == 0) {
            json_object_put(array);
            return NULL;
        }
        if (!gives_back(kind, object, bytes + at, used)) {
            json_object_put(object);
            object = json_object_new_object();
            wire_add_hex(object, "raw", bytes + at, used);
        }
        json_object_array_add(array, object);
        at += used;
    }
    return array;
}

int wire_decode(const uint8_t *bytes, size_t size, enum wire_kind kind, struct json_object **out,
                kkt_error *error)
{
    memset(error, 0, sizeof *error);
    if (size == 0 || size > WIRE_SIZE_MAX) {
        malformed(error, 0, size == 0 ? "there is nothing to decode" : "the input is too large");
        return error->code;
    }
    if (kind == WIRE_AUTO)
        kind = wire_kind_guess(bytes, size);
    struct json_object *items = kind == WIRE_TLV ? wire_tlv_list(bytes, size, 0, 1, error)
                                                 : units(kind, bytes, size, error);
    if (items == NULL)
        return error->code;
    *out = json_object_new_object();
    json_object_object_add(*out, "kind", json_object_new_string(wire_kind_name(kind)));
    json_object_object_add(*out, "items", items);
    return KKT_OK;
}

static bool encode_items(enum wire_kind kind, struct json_object *items, struct byte_writer *writer,
                         kkt_error *error)
{
    if (kind == WIRE_TLV)
        return wire_tlv_put_list(items, "items", 1, writer, error);
    size_t count = json_object_array_length(items);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "items[%zu]", i);
        if (!unit_put(kind, json_object_array_get_idx(items, i), path, writer, error))
            return false;
    }
    return true;
}

int wire_encode(struct json_object *object, uint8_t **bytes, size_t *size, kkt_error *error)
{
    struct json_object *name = NULL, *items = NULL;
    struct byte_writer writer;
    memset(error, 0, sizeof *error);
    json_object_object_get_ex(object, "kind", &name);
    json_object_object_get_ex(object, "items", &items);
    int kind = json_object_is_type(name, json_type_string)
                   ? wire_kind_find(json_object_get_string(name))
                   : -1;
    if (kind <= WIRE_AUTO || !json_object_is_type(items, json_type_array)) {
        field_error(error, ERROR_FIELD_VALUE, 0, 0, kind <= WIRE_AUTO ? "kind" : "items",
                    "{\"kind\": tlv, document, ofd, container, fn or link, \"items\": [...]} is "
                    "expected");
        return error->code;
    }
    *bytes = malloc(WIRE_SIZE_MAX);
    if (*bytes == NULL) {
        field_error(error, ERROR_INTERNAL, 0, 0, "", "out of memory");
        return error->code;
    }
    byte_writer_init(&writer, *bytes, WIRE_SIZE_MAX);
    bool good = encode_items((enum wire_kind)kind, items, &writer, error);
    if (good && !byte_writer_ok(&writer)) {
        field_error(error, ERROR_TOO_LARGE, 0, 0, "items", "more than %u bytes", WIRE_SIZE_MAX);
        good = false;
    }
    *size = writer.length;
    if (!good)
        free(*bytes);
    return good ? KKT_OK : error->code;
}
