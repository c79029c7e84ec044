/* Text and QR codes that stand around or inside a document: preItems, postItems, nonFiscal items,
 * and text between the positions of a receipt.
 */
#include <stdio.h>
#include <string.h>

#include "proto/tags.h"
#include "tools/kkt/task_build.h"

/* SLIP_STYLE bits as the board knows them (firmware/layout.h); tools must not include firmware. */
enum { STYLE_CENTER = 1, STYLE_RIGHT = 2, STYLE_BOLD = 4, STYLE_WIDE = 8, STYLE_TALL = 16 };

static const struct field_word alignments[] = {
    {"left", 0}, {"center", STYLE_CENTER}, {"right", STYLE_RIGHT}, {NULL, 0}};
static const struct field_word wraps[] = {{"none", 0}, {"chars", 1}, {"words", 2}, {NULL, 0}};
static const struct field_word barcode_types[] = {{"QR", 1}, {NULL, 0}};
static const struct field_word element_types[] = {{"text", 0}, {"barcode", 1}, {NULL, 0}};

static const struct field_rule text_fields[] = {{"type", FIELD_TAKEN},
                                                {"text", FIELD_TAKEN},
                                                {"alignment", FIELD_TAKEN},
                                                {"wrap", FIELD_TAKEN},
                                                {"font", FIELD_IGNORED},
                                                {"doubleWidth", FIELD_TAKEN},
                                                {"doubleHeight", FIELD_TAKEN},
                                                {"bold", FIELD_TAKEN},
                                                {"brightness", FIELD_IGNORED},
                                                {"storeInJournal", FIELD_IGNORED},
                                                {NULL, FIELD_TAKEN}};
static const struct field_rule barcode_fields[] = {
    {"type", FIELD_TAKEN},        {"barcode", FIELD_TAKEN},          {"barcodeType", FIELD_TAKEN},
    {"alignment", FIELD_TAKEN},   {"scale", FIELD_IGNORED},          {"height", FIELD_IGNORED},
    {"printText", FIELD_IGNORED}, {"storeInJournal", FIELD_IGNORED}, {"overlay", FIELD_LATER},
    {NULL, FIELD_TAKEN}};

static bool add_style(const struct field_reader *reader, const char *name, unsigned bit,
                      unsigned *style)
{
    bool set = false;
    if (field_bool(reader, name, &set) == FIELD_BAD)
        return false;
    *style |= set ? bit : 0u;
    return true;
}

static bool put_text(const struct field_reader *reader, uint16_t tag, struct byte_writer *writer)
{
    unsigned style = 0, ignored;
    const char *text;
    size_t length;
    if (!field_check_names(reader, text_fields))
        return false;
    if (field_word(reader, "alignment", 0, alignments, &style) == FIELD_BAD ||
        field_word(reader, "wrap", 0, wraps, &ignored) == FIELD_BAD ||
        !add_style(reader, "doubleWidth", STYLE_WIDE, &style) ||
        !add_style(reader, "doubleHeight", STYLE_TALL, &style) ||
        !add_style(reader, "bold", STYLE_BOLD, &style))
        return false;
    if (field_required(reader, "text", field_string(reader, "text", &text, &length)) == FIELD_BAD)
        return false;
    size_t mark = tlv_begin(writer, tag);
    if (style != 0)
        tlv_put_u8(writer, TAG_SLIP_STYLE, (uint8_t)style);
    int got = field_put_text_value(reader, "text", TAG_SLIP_STRING, text, length, writer);
    if (got == FIELD_ABSENT) /* an empty line */
        tlv_put_bytes(writer, TAG_SLIP_STRING, "", 0);
    tlv_end(writer, mark);
    return got != FIELD_BAD;
}

static bool put_barcode(const struct field_reader *reader, struct byte_writer *writer)
{
    unsigned ignored;
    if (!field_check_names(reader, barcode_fields))
        return false;
    if (field_required(reader, "barcodeType",
                       field_word(reader, "barcodeType", TAG_SLIP_QR, barcode_types, &ignored)) ==
            FIELD_BAD ||
        field_word(reader, "alignment", 0, alignments, &ignored) == FIELD_BAD)
        return false;
    return field_required(reader, "barcode",
                          field_put_text(reader, "barcode", TAG_SLIP_QR, writer)) != FIELD_BAD;
}

bool task_put_slip_element(const struct field_reader *element, uint16_t tag,
                           struct byte_writer *writer)
{
    unsigned type;
    if (field_required(element, "type", field_word(element, "type", 0, element_types, &type)) ==
        FIELD_BAD)
        return false;
    return type == 0 ? put_text(element, tag, writer) : put_barcode(element, writer);
}

bool task_put_slip_items(const struct field_reader *reader, const char *name,
                         struct byte_writer *writer)
{
    struct json_object *array;
    size_t count = 0;
    int got = field_array(reader, name, &array, &count);
    if (got != FIELD_GOT)
        return got == FIELD_ABSENT;
    size_t start = writer->length;
    for (size_t i = 0; i < count; i++) {
        struct field_reader element;
        if (field_element(reader, name, array, i, &element) == FIELD_BAD ||
            !task_put_slip_element(&element, TAG_SLIP_TEXT, writer))
            return false;
    }
    if (writer->length - start <= TASK_SLIP_MAX)
        return true;
    field_fail(reader, name, ERROR_TOO_LARGE, 0, "the text takes %zu bytes, %u is the most",
               writer->length - start, TASK_SLIP_MAX);
    return false;
}

/* The QR codes among a receipt's items, which paper shows below it. */
static bool put_item_codes(const struct field_reader *reader, struct byte_writer *writer)
{
    struct json_object *array = NULL, *type;
    size_t count = 0;
    if (field_array(reader, "items", &array, &count) != FIELD_GOT)
        return true;
    for (size_t i = 0; i < count; i++) {
        struct json_object *value = json_object_array_get_idx(array, i);
        struct field_reader element;
        if (json_object_object_get_ex(value, "type", &type) &&
            strcmp(json_object_get_string(type), "barcode") == 0 &&
            (field_element(reader, "items", array, i, &element) == FIELD_BAD ||
             !put_barcode(&element, writer)))
            return false;
    }
    return true;
}

bool task_put_slip_around(const struct field_reader *reader, struct byte_writer *writer)
{
    static const struct {
        const char *name;
        uint16_t tag;
    } around[] = {{"preItems", TAG_SLIP_BEFORE}, {"postItems", TAG_SLIP_AFTER}};
    size_t start = writer->length;
    for (unsigned i = 0; i < 2; i++) {
        size_t before = writer->length;
        size_t mark = tlv_begin(writer, around[i].tag);
        size_t inner = writer->length;
        if (around[i].tag == TAG_SLIP_AFTER && !put_item_codes(reader, writer))
            return false;
        if (!task_put_slip_items(reader, around[i].name, writer))
            return false;
        if (writer->length == inner)
            writer->length = before;
        else
            tlv_end(writer, mark);
    }
    if (writer->length - start <= TASK_SLIP_MAX)
        return true;
    field_fail(reader, "preItems", ERROR_TOO_LARGE, 0,
               "preItems and postItems together take %zu bytes, %u is the most",
               writer->length - start, TASK_SLIP_MAX);
    return false;
}
