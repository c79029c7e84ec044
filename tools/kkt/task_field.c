#include "tools/kkt/task_field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/cp866.h"
#include "proto/inn.h"
#include "proto/money.h"
#include "proto/tags.h"

#define TEXT_CP866_MAX        1024
#define QUANTITY_SCALE_MAX    6
#define QUANTITY_MANTISSA_MAX ((UINT64_C(1) << 56) - 1) /* FVLN of 8 bytes holds 7 of mantissa */

static void describe(kkt_error *error, int code, unsigned tag, unsigned item, const char *field)
{
    const struct error_info *info = error_info_find((uint16_t)code);
    memset(error, 0, sizeof *error);
    error->code = code;
    error->tag = tag;
    error->item = item;
    snprintf(error->name, sizeof error->name, "%s", info->name);
    snprintf(error->field, sizeof error->field, "%s", field);
    snprintf(error->cure, sizeof error->cure, "%s", info->cure);
    snprintf(error->text, sizeof error->text, "%s", info->text);
}

int field_error(kkt_error *error, int code, unsigned tag, unsigned item, const char *field,
                const char *format, ...)
{
    describe(error, code, tag, item, field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return FIELD_BAD;
}

int field_fail(const struct field_reader *reader, const char *name, int code, unsigned tag,
               const char *format, ...)
{
    char field[sizeof reader->path + 64];
    snprintf(field, sizeof field, "%s%s", reader->path, name);
    describe(reader->error, code, tag, reader->item, field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->error->text, sizeof reader->error->text, format, arguments);
    va_end(arguments);
    return FIELD_BAD;
}

bool field_check_names(const struct field_reader *reader, const struct field_rule *rules)
{
    json_object_object_foreach (reader->object, name, value) {
        const struct field_rule *rule = rules;
        while (rule->name != NULL && strcmp(rule->name, name) != 0)
            rule++;
        if (rule->name == NULL) {
            field_fail(reader, name, ERROR_FIELD_UNKNOWN, 0, "the field is not known here");
            return false;
        }
        bool unused = value == NULL || (json_object_is_type(value, json_type_boolean) &&
                                        !json_object_get_boolean(value));
        if (rule->use == FIELD_LATER && !unused) {
            field_fail(reader, name, ERROR_FIELD_NOT_ALLOWED, 0,
                       "this version does not take the field; it is never left out silently");
            return false;
        }
    }
    return true;
}

static const char *kind_name(enum json_type type)
{
    switch (type) {
    case json_type_boolean:
        return "true or false";
    case json_type_double:
    case json_type_int:
        return "a number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        return "a string";
    case json_type_null:
        break;
    }
    return "null";
}

static int wrong_kind(const struct field_reader *reader, const char *name, unsigned tag,
                      const char *wanted, struct json_object *value)
{
    return field_fail(reader, name, ERROR_FIELD_TYPE, tag, "%s is expected, not %s", wanted,
                      kind_name(json_object_get_type(value)));
}

static struct json_object *value_of(const struct field_reader *reader, const char *name)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(reader->object, name, &value);
    return value;
}

int field_bool(const struct field_reader *reader, const char *name, bool *out)
{
    struct json_object *value = value_of(reader, name);
    if (value == NULL)
        return FIELD_ABSENT;
    if (!json_object_is_type(value, json_type_boolean))
        return wrong_kind(reader, name, 0, "true or false", value);
    *out = json_object_get_boolean(value);
    return FIELD_GOT;
}

int field_string(const struct field_reader *reader, const char *name, const char **out,
                 size_t *length)
{
    struct json_object *value = value_of(reader, name);
    if (value == NULL)
        return FIELD_ABSENT;
    if (!json_object_is_type(value, json_type_string))
        return wrong_kind(reader, name, 0, "a string", value);
    *out = json_object_get_string(value);
    *length = (size_t)json_object_get_string_len(value);
    return FIELD_GOT;
}

/* Source text of a number that is neither negative nor in exponent form. */
static int number_text(const struct field_reader *reader, const char *name, unsigned tag,
                       const char **text)
{
    struct json_object *value = value_of(reader, name);
    if (value == NULL)
        return FIELD_ABSENT;
    if (json_object_is_type(value, json_type_string))
        return field_fail(reader, name, ERROR_FIELD_TYPE, tag,
                          "a number is expected, not a string; write it without quotes");
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return wrong_kind(reader, name, tag, "a number", value);
    *text = json_object_get_string(value);
    if ((*text)[0] == '-')
        return field_fail(reader, name, ERROR_FIELD_VALUE, tag, "%s is negative", *text);
    if (strpbrk(*text, "eE") != NULL)
        return field_fail(reader, name, ERROR_FIELD_VALUE, tag,
                          "%s has an exponent; write the number out", *text);
    return FIELD_GOT;
}

int field_money(const struct field_reader *reader, const char *name, unsigned tag, uint64_t *kop)
{
    const char *text = "";
    bool too_precise = false;
    int got = number_text(reader, name, tag, &text);
    if (got != FIELD_GOT)
        return got;
    if (money_parse(text, strlen(text), kop, &too_precise) && *kop <= RECEIPT_TOTAL_MAX)
        return FIELD_GOT;
    if (too_precise)
        return field_fail(reader, name, ERROR_AMOUNT_PRECISION, tag,
                          "%.40s has more than two decimals", text);
    return field_fail(reader, name, ERROR_FIELD_VALUE, tag,
                      "%.40s is more than a document can hold, 10995116277.75", text);
}

int field_quantity(const struct field_reader *reader, const char *name, unsigned tag,
                   struct decimal *out)
{
    const char *text = "";
    int got = number_text(reader, name, tag, &text);
    if (got != FIELD_GOT)
        return got;
    if (!decimal_parse(text, strlen(text), QUANTITY_SCALE_MAX, out))
        return field_fail(reader, name, ERROR_FIELD_VALUE, tag,
                          "%.40s: a quantity has at most %d decimals", text, QUANTITY_SCALE_MAX);
    if (out->mantissa == 0 || out->mantissa > QUANTITY_MANTISSA_MAX)
        return field_fail(reader, name, ERROR_FIELD_VALUE, tag, "a quantity of %.40s is %s", text,
                          out->mantissa == 0 ? "nothing" : "too large");
    return FIELD_GOT;
}

int field_number(const struct field_reader *reader, const char *name, uint64_t max, uint64_t *out)
{
    const char *text = "";
    struct decimal number;
    int got = number_text(reader, name, 0, &text);
    if (got != FIELD_GOT)
        return got;
    if (!decimal_parse(text, strlen(text), 0, &number) || number.mantissa > max)
        return field_fail(reader, name, ERROR_FIELD_VALUE, 0,
                          "%.40s: a whole number up to %llu is expected", text,
                          (unsigned long long)max);
    *out = number.mantissa;
    return FIELD_GOT;
}

int field_word_of(const struct field_reader *reader, const char *name, unsigned tag,
                  const struct field_word *words, const char *text, unsigned *out)
{
    char list[200] = "";
    size_t used = 0;
    int code = ERROR_FIELD_VALUE;
    for (const struct field_word *word = words; word->word != NULL; word++) {
        if (strcmp(word->word, text) == 0) {
            *out = word->value;
            return FIELD_GOT;
        }
        int wrote =
            snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", word->word);
        used += (size_t)wrote;
        if (used >= sizeof list) {
            memcpy(list + sizeof list - 5, " ...", 5);
            used = sizeof list - 1;
        }
    }
    if (tag == TAG_VAT_RATE)
        code = ERROR_VAT_RATE;
    if (tag == TAG_TAX_SYSTEM || tag == TAG_TAX_SYSTEMS)
        code = ERROR_TAX_SYSTEM;
    return field_fail(reader, name, code, tag, "\"%.30s\" is not one of: %s", text, list);
}

int field_word(const struct field_reader *reader, const char *name, unsigned tag,
               const struct field_word *words, unsigned *out)
{
    const char *text = "";
    size_t length = 0;
    int got = field_string(reader, name, &text, &length);
    if (got != FIELD_GOT)
        return got;
    return field_word_of(reader, name, tag, words, text, out);
}

int field_object(const struct field_reader *reader, const char *name, struct field_reader *child)
{
    struct json_object *value = value_of(reader, name);
    if (value == NULL)
        return FIELD_ABSENT;
    if (!json_object_is_type(value, json_type_object))
        return wrong_kind(reader, name, 0, "an object", value);
    *child = *reader;
    child->object = value;
    char path[sizeof child->path + 64];
    snprintf(path, sizeof path, "%s%s.", reader->path, name);
    memcpy(child->path, path, sizeof child->path - 1);
    child->path[sizeof child->path - 1] = 0;
    return FIELD_GOT;
}

int field_array(const struct field_reader *reader, const char *name, struct json_object **out,
                size_t *count)
{
    struct json_object *value = value_of(reader, name);
    if (value == NULL)
        return FIELD_ABSENT;
    if (!json_object_is_type(value, json_type_array))
        return wrong_kind(reader, name, 0, "an array", value);
    *out = value;
    *count = json_object_array_length(value);
    return FIELD_GOT;
}

int field_element(const struct field_reader *reader, const char *name, struct json_object *array,
                  size_t index, struct field_reader *child)
{
    struct json_object *value = json_object_array_get_idx(array, index);
    char step[64];
    snprintf(step, sizeof step, "%s[%zu]", name, index);
    if (!json_object_is_type(value, json_type_object))
        return wrong_kind(reader, step, 0, "an object", value);
    *child = *reader;
    child->object = value;
    char path[sizeof child->path + 68];
    snprintf(path, sizeof path, "%s%s.", reader->path, step);
    memcpy(child->path, path, sizeof child->path - 1);
    child->path[sizeof child->path - 1] = 0;
    return FIELD_GOT;
}

int field_required(const struct field_reader *reader, const char *name, int got)
{
    if (got != FIELD_ABSENT)
        return got;
    return field_fail(reader, name, ERROR_FIELD_MISSING, 0, "the field is missing");
}

int field_put_text_value(const struct field_reader *reader, const char *name, uint16_t tag,
                         const char *text, size_t length, struct byte_writer *writer)
{
    const struct tag_info *info = tag_info_find(tag);
    uint8_t bytes[TEXT_CP866_MAX];
    int size = cp866_from_utf8(text, length, bytes, sizeof bytes, NULL);
    if (size < 0)
        return field_fail(reader, name, ERROR_TEXT_ENCODING, tag,
                          "a control character stands in the text");
    if (size == 0)
        return FIELD_ABSENT;
    if ((size_t)size > info->max_length || (size_t)size > sizeof bytes) {
        field_fail(reader, name, ERROR_FIELD_LENGTH, tag,
                   "the text takes %d bytes of CP866, %u is the most", size,
                   (unsigned)info->max_length);
        reader->error->expected = info->max_length;
        return FIELD_BAD;
    }
    if (info->fixed)
        tlv_put_padded(writer, tag, bytes, (size_t)size, info->max_length);
    else
        tlv_put_bytes(writer, tag, bytes, (size_t)size);
    return FIELD_GOT;
}

int field_put_text(const struct field_reader *reader, const char *name, uint16_t tag,
                   struct byte_writer *writer)
{
    const char *text = "";
    size_t length = 0;
    int got = field_string(reader, name, &text, &length);
    if (got != FIELD_GOT)
        return got;
    return field_put_text_value(reader, name, tag, text, length, writer);
}

int field_put_inn(const struct field_reader *reader, const char *name, uint16_t tag,
                  struct byte_writer *writer)
{
    const char *text = "";
    size_t length = 0;
    int got = field_string(reader, name, &text, &length);
    if (got != FIELD_GOT || length == 0)
        return got == FIELD_GOT ? FIELD_ABSENT : got;
    bool right_length = length == 10 || length == 12;
    if (!right_length || strspn(text, "0123456789") != length)
        return field_fail(reader, name, ERROR_INN, tag,
                          "\"%.20s\" is not 10 or 12 digits of a taxpayer number", text);
    if (!inn_valid((const uint8_t *)text, length))
        return field_fail(reader, name, ERROR_INN, tag, "%s has a wrong check digit", text);
    return field_put_text_value(reader, name, tag, text, length, writer);
}
