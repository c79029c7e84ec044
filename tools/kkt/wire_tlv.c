/* Fiscal TLV as JSON, element by element, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/calendar.h"
#include "proto/cp866.h"
#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/task_field.h"
#include "tools/kkt/wire_json.h"
#include "tools/kkt/wire_text.h"

#define PATH_SIZE 160

void wire_add_hex(struct json_object *object, const char *name, const uint8_t *bytes, size_t size)
{
    char *text = wire_hex(bytes, size);
    json_object_object_add(object, name, text == NULL ? NULL : json_object_new_string(text));
    free(text);
}

static struct json_object *text_json(const uint8_t *bytes, size_t size)
{
    char *text = malloc(size * 3 + 1);
    if (text == NULL)
        return NULL;
    size_t length = cp866_to_utf8(bytes, size, text, size * 3 + 1);
    struct json_object *value = json_object_new_string_len(text, (int)length);
    free(text);
    return value;
}

static struct json_object *decimal_json(const struct tlv *tlv)
{
    struct decimal decimal;
    char text[DECIMAL_TEXT_SIZE];
    if (!tlv_get_fvln(tlv, &decimal))
        return NULL;
    decimal_format(decimal, text, sizeof text);
    return json_object_new_double_s(0, text);
}

static struct json_object *time_json(const struct tlv *tlv)
{
    uint32_t time;
    char text[ISO_TIME_SIZE];
    if (!tlv_get_u32(tlv, &time))
        return NULL;
    iso_time_format(time, text);
    return json_object_new_string(text);
}

/* What the bytes mean; NULL when they do not suit the tag's type, or are bytes without a meaning of
 * their own. */
static struct json_object *value_json(const struct tag_info *info, const struct tlv *tlv)
{
    uint8_t byte;
    uint16_t u16;
    uint32_t u32;
    uint64_t number;
    size_t length = tlv->length;
    switch (info->type) {
    case TAG_TYPE_BYTE:
        return tlv_get_u8(tlv, &byte) ? json_object_new_int(byte) : NULL;
    case TAG_TYPE_U16:
        return tlv_get_u16(tlv, &u16) ? json_object_new_int(u16) : NULL;
    case TAG_TYPE_U32:
        return tlv_get_u32(tlv, &u32) ? json_object_new_int64(u32) : NULL;
    case TAG_TYPE_VLN:
        return tlv_get_vln(tlv, &number) ? json_object_new_uint64(number) : NULL;
    case TAG_TYPE_FVLN:
        return decimal_json(tlv);
    case TAG_TYPE_TIME:
        return time_json(tlv);
    case TAG_TYPE_STRING:
        while (info->fixed && length > 0 && tlv->value[length - 1] == ' ')
            length--;
        return text_json(tlv->value, length);
    default:
        return NULL;
    }
}

static struct json_object *element_json(const struct tlv *tlv, size_t base, unsigned depth)
{
    const struct tag_info *info = tag_info_find(tlv->tag);
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "tag", json_object_new_int(tlv->tag));
    json_object_object_add(object, "name",
                           info == NULL ? NULL : json_object_new_string(info->json));
    if (info != NULL && info->type == TAG_TYPE_STLV && depth < WIRE_DEPTH_MAX) {
        kkt_error ignored;
        struct json_object *list =
            wire_tlv_list(tlv->value, tlv->length, base + TLV_HEADER_SIZE, depth + 1, &ignored);
        if (list != NULL) {
            json_object_object_add(object, "value", list);
            return object;
        }
    }
    if (info != NULL)
        json_object_object_add(object, "value", value_json(info, tlv));
    /* The last four of the six bytes of the sign are the number on paper (fiscal.md 2.3). */
    if (tlv->tag == TAG_FISCAL_SIGN && tlv->length == 6) {
        char text[12];
        snprintf(text, sizeof text, "%010u", (unsigned)get_u32be(tlv->value + 2));
        json_object_object_add(object, "printed", json_object_new_string(text));
    }
    wire_add_hex(object, "raw", tlv->value, tlv->length);
    return object;
}

struct json_object *wire_tlv_list(const uint8_t *data, size_t size, size_t base, unsigned depth,
                                  kkt_error *error)
{
    struct tlv_reader reader;
    struct tlv tlv;
    int got;
    struct json_object *array = json_object_new_array();
    tlv_reader_init(&reader, data, size);
    size_t at = 0;
    while ((got = tlv_next(&reader, &tlv)) == 1) {
        json_object_array_add(array, element_json(&tlv, base + at, depth));
        at = reader.offset;
    }
    if (got == 0)
        return array;
    json_object_put(array);
    size_t left = size - at;
    if (left < TLV_HEADER_SIZE)
        field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input",
                    "offset %zu: %zu byte(s) are left, a tag and a length take 4", base + at, left);
    else
        field_error(error, ERROR_REQUEST_MALFORMED, get_u16le(data + at), 0, "input",
                    "offset %zu: tag %u says %u bytes, and %zu are left", base + at,
                    get_u16le(data + at), get_u16le(data + at + 2), left - TLV_HEADER_SIZE);
    return NULL;
}

struct json_object *wire_document(const uint8_t *data, size_t size, size_t base, kkt_error *error)
{
    if (size < TLV_HEADER_SIZE || (size_t)get_u16le(data + 2) + TLV_HEADER_SIZE != size) {
        field_error(error, ERROR_REQUEST_MALFORMED, 0, 0, "input",
                    "offset %zu: the document's length does not agree with its %zu bytes", base,
                    size);
        return NULL;
    }
    struct json_object *list = wire_tlv_list(data + TLV_HEADER_SIZE, size - TLV_HEADER_SIZE,
                                             base + TLV_HEADER_SIZE, 1, error);
    if (list == NULL)
        return NULL;
    struct json_object *object = json_object_new_object();
    uint16_t form = get_u16le(data);
    json_object_object_add(object, "form", json_object_new_int(form));
    json_object_object_add(object, "name", json_object_new_string(form_name(form)));
    json_object_object_add(object, "value", list);
    return object;
}

/* ---- The way back ---------------------------------------------------------------------------- */

static bool bad(kkt_error *error, const char *path, const char *name, const char *text)
{
    char field[PATH_SIZE + 40];
    snprintf(field, sizeof field, "%s%s%s", path, name[0] == 0 ? "" : ".", name);
    field_error(error, ERROR_FIELD_VALUE, 0, 0, field, "%s", text);
    return false;
}

bool wire_get_uint(struct json_object *object, const char *path, const char *name, uint64_t max,
                   uint64_t *out, kkt_error *error)
{
    struct json_object *value = NULL;
    struct decimal number;
    json_object_object_get_ex(object, name, &value);
    const char *text = value == NULL ? "" : json_object_get_string(value);
    if (!json_object_is_type(value, json_type_int) ||
        !decimal_parse(text, strlen(text), 0, &number) || number.mantissa > max)
        return bad(error, path, name, "a whole number in range is expected");
    *out = number.mantissa;
    return true;
}

bool wire_put_hex(struct json_object *object, const char *path, const char *name,
                  struct byte_writer *writer, kkt_error *error)
{
    struct json_object *value = NULL;
    uint8_t *bytes;
    size_t size;
    json_object_object_get_ex(object, name, &value);
    if (!json_object_is_type(value, json_type_string) ||
        !wire_hex_parse(json_object_get_string(value), &bytes, &size))
        return bad(error, path, name, "hexadecimal digits are expected");
    put_bytes(writer, bytes, size);
    free(bytes);
    return true;
}

bool wire_get_bytes(struct json_object *object, const char *path, const char *name, uint8_t *out,
                    size_t size, kkt_error *error)
{
    struct byte_writer writer;
    byte_writer_init(&writer, out, size);
    if (!wire_put_hex(object, path, name, &writer, error))
        return false;
    return writer.length == size || bad(error, path, name, "the wrong number of bytes");
}

static bool put_number(const struct tag_info *info, uint64_t number, struct byte_writer *writer)
{
    static const uint64_t limits[] = {[TAG_TYPE_BYTE] = UINT8_MAX,
                                      [TAG_TYPE_U16] = UINT16_MAX,
                                      [TAG_TYPE_U32] = UINT32_MAX,
                                      [TAG_TYPE_VLN] = UINT64_MAX};
    if (number > limits[info->type])
        return false;
    if (info->type == TAG_TYPE_BYTE)
        tlv_put_u8(writer, info->tag, (uint8_t)number);
    else if (info->type == TAG_TYPE_U16)
        tlv_put_u16(writer, info->tag, (uint16_t)number);
    else if (info->type == TAG_TYPE_U32)
        tlv_put_u32(writer, info->tag, (uint32_t)number);
    else
        tlv_put_vln(writer, info->tag, number);
    return true;
}

static bool put_string(const struct tag_info *info, const char *text, size_t length,
                       struct byte_writer *writer)
{
    uint8_t *bytes = malloc(length + 1);
    if (bytes == NULL)
        return false;
    int size = cp866_from_utf8(text, length, bytes, length, NULL);
    bool fits = size >= 0 && (size_t)size <= length && size <= UINT16_MAX &&
                (!info->fixed || (size_t)size <= info->max_length);
    if (fits && info->fixed)
        tlv_put_padded(writer, info->tag, bytes, (size_t)size, info->max_length);
    else if (fits)
        tlv_put_bytes(writer, info->tag, bytes, (size_t)size);
    free(bytes);
    return fits;
}

/* A value as a person writes it. False when it does not suit the tag. */
static bool put_value(const struct tag_info *info, struct json_object *value,
                      struct byte_writer *writer)
{
    const char *text = json_object_get_string(value);
    size_t length = strlen(text);
    struct decimal decimal;
    unix_s time;
    switch (info->type) {
    case TAG_TYPE_BYTE:
    case TAG_TYPE_U16:
    case TAG_TYPE_U32:
    case TAG_TYPE_VLN:
        return json_object_is_type(value, json_type_int) &&
               decimal_parse(text, length, 0, &decimal) &&
               put_number(info, decimal.mantissa, writer);
    case TAG_TYPE_FVLN:
        if (json_object_is_type(value, json_type_string) ||
            !decimal_parse(text, length, 255, &decimal) || decimal.mantissa >> 56 != 0)
            return false;
        tlv_put_fvln(writer, info->tag, decimal);
        return true;
    case TAG_TYPE_TIME:
        if (!json_object_is_type(value, json_type_string) || !calendar_parse(text, length, &time))
            return false;
        tlv_put_u32(writer, info->tag, time);
        return true;
    case TAG_TYPE_STRING:
        return json_object_is_type(value, json_type_string) &&
               put_string(info, text, (size_t)json_object_get_string_len(value), writer);
    default:
        return false;
    }
}

static bool same_value(struct json_object *one, struct json_object *other)
{
    if (one == NULL || other == NULL)
        return one == other;
    return strcmp(json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN),
                  json_object_to_json_string_ext(other, JSON_C_TO_STRING_PLAIN)) == 0;
}

/* raw decides how a value is written as long as it means that value; a value that says something
 * else was edited and wins. */
static bool put_leaf(uint16_t tag, const struct tag_info *info, struct json_object *object,
                     const char *path, struct byte_writer *writer, kkt_error *error)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, "value", &value);
    if (json_object_object_get_ex(object, "raw", NULL)) {
        size_t start = writer->length;
        size_t mark = tlv_begin(writer, tag);
        if (!wire_put_hex(object, path, "raw", writer, error))
            return false;
        if (writer->length - mark - TLV_HEADER_SIZE > UINT16_MAX)
            return bad(error, path, "raw", "a value has at most 65535 bytes");
        tlv_end(writer, mark);
        struct tlv tlv = {tag, (uint16_t)(writer->length - start - TLV_HEADER_SIZE),
                          writer->data + start + TLV_HEADER_SIZE};
        struct json_object *meant =
            info == NULL || !byte_writer_ok(writer) ? NULL : value_json(info, &tlv);
        bool same = value == NULL || same_value(meant, value);
        json_object_put(meant);
        if (same)
            return true;
        writer->length = start;
    }
    if (value == NULL)
        return bad(error, path, "value", "neither value nor raw is given");
    if (info == NULL)
        return bad(error, path, "raw", "the dictionary does not know the tag: give raw bytes");
    return put_value(info, value, writer) ||
           bad(error, path, "value", "the value does not suit the type of the tag");
}

static bool element_tag(struct json_object *object, const char *path, uint16_t *tag,
                        kkt_error *error)
{
    struct json_object *name = NULL;
    uint64_t number = 0;
    if (json_object_object_get_ex(object, "tag", NULL)) {
        if (!wire_get_uint(object, path, "tag", UINT16_MAX, &number, error))
            return false;
        *tag = (uint16_t)number;
        return true;
    }
    json_object_object_get_ex(object, "name", &name);
    const char *text =
        json_object_is_type(name, json_type_string) ? json_object_get_string(name) : "";
    const struct tag_info *info = tag_info_by_name(text, strlen(text));
    if (info == NULL)
        return bad(error, path, "tag", "a tag, or a name of the dictionary, is expected");
    *tag = info->tag;
    return true;
}

bool wire_tlv_put_list(struct json_object *array, const char *path, unsigned depth,
                       struct byte_writer *writer, kkt_error *error)
{
    if (!json_object_is_type(array, json_type_array) || depth > WIRE_DEPTH_MAX)
        return bad(error, path, "", "an array of elements is expected");
    size_t count = json_object_array_length(array);
    for (size_t i = 0; i < count; i++) {
        struct json_object *element = json_object_array_get_idx(array, i), *value = NULL;
        char step[PATH_SIZE];
        uint16_t tag = 0;
        snprintf(step, sizeof step, "%.120s[%zu]", path, i);
        if (!json_object_is_type(element, json_type_object))
            return bad(error, step, "", "an object is expected");
        if (!element_tag(element, step, &tag, error))
            return false;
        json_object_object_get_ex(element, "value", &value);
        if (!json_object_is_type(value, json_type_array)) {
            if (!put_leaf(tag, tag_info_find(tag), element, step, writer, error))
                return false;
            continue;
        }
        size_t mark = tlv_begin(writer, tag);
        if (!wire_tlv_put_list(value, step, depth + 1, writer, error))
            return false;
        if (writer->length - mark - TLV_HEADER_SIZE > UINT16_MAX)
            return bad(error, step, "value", "a structure has at most 65535 bytes");
        tlv_end(writer, mark);
    }
    return true;
}

bool wire_document_put(struct json_object *object, const char *path, struct byte_writer *writer,
                       kkt_error *error)
{
    uint64_t form;
    struct json_object *value = NULL;
    char step[PATH_SIZE];
    if (!wire_get_uint(object, path, "form", UINT16_MAX, &form, error))
        return false;
    json_object_object_get_ex(object, "value", &value);
    size_t mark = tlv_begin(writer, (uint16_t)form);
    snprintf(step, sizeof step, "%.100s.value", path);
    if (!wire_tlv_put_list(value, step, 1, writer, error))
        return false;
    if (writer->length - mark - TLV_HEADER_SIZE > UINT16_MAX)
        return bad(error, path, "value", "a document has at most 65535 bytes");
    tlv_end(writer, mark);
    return true;
}
