#include "tools/kkt/json_input.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct scanner {
    const char *text;
    size_t size, at;
    struct json_fault *fault;
};

static bool scan_value(struct scanner *scanner, unsigned depth);

__attribute__((format(printf, 2, 3))) static bool fail(struct scanner *scanner, const char *format,
                                                       ...)
{
    struct json_fault *fault = scanner->fault;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fault->text, sizeof fault->text, format, arguments);
    va_end(arguments);
    fault->offset = scanner->at;
    fault->line = 1;
    fault->column = 1;
    for (size_t i = 0; i < scanner->at && i < scanner->size; i++) {
        fault->column++;
        if (scanner->text[i] == '\n') {
            fault->line++;
            fault->column = 1;
        }
    }
    return false;
}

static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->size ? (unsigned char)scanner->text[scanner->at] : -1;
}

static void skip_space(struct scanner *scanner)
{
    int next;
    while ((next = peek(scanner)) == ' ' || next == '\t' || next == '\n' || next == '\r')
        scanner->at++;
}

static bool is_hex(int character)
{
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f') ||
           (character >= 'A' && character <= 'F');
}

/* Four digits of \uXXXX; the scanner stands on the first. */
static bool scan_unicode(struct scanner *scanner, unsigned *code)
{
    *code = 0;
    for (unsigned i = 0; i < 4; i++) {
        int next = peek(scanner);
        if (!is_hex(next))
            return fail(scanner, "\\u needs four hexadecimal digits");
        *code = *code * 16 + (unsigned)(next <= '9' ? next - '0' : (next | 0x20) - 'a' + 10);
        scanner->at++;
    }
    return true;
}

static bool scan_escape(struct scanner *scanner)
{
    scanner->at++;
    int next = peek(scanner);
    if (next < 0)
        return fail(scanner, "the text ends inside a string");
    if (next != 'u') {
        if (strchr("\"\\/bfnrt", next) == NULL)
            return fail(scanner, "\\%c is not an escape of JSON", next);
        scanner->at++;
        return true;
    }
    scanner->at++;
    unsigned code;
    if (!scan_unicode(scanner, &code))
        return false;
    if (code >= 0xDC00 && code <= 0xDFFF)
        return fail(scanner, "half of a surrogate pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
        if (peek(scanner) != '\\' || scanner->at + 1 >= scanner->size ||
            scanner->text[scanner->at + 1] != 'u')
            return fail(scanner, "half of a surrogate pair");
        scanner->at += 2;
        if (!scan_unicode(scanner, &code))
            return false;
        if (code < 0xDC00 || code > 0xDFFF)
            return fail(scanner, "half of a surrogate pair");
    }
    return true;
}

/* One whole well-formed UTF-8 character; Unicode 15, table 3-7. */
static bool scan_utf8(struct scanner *scanner)
{
    const unsigned char *bytes = (const unsigned char *)scanner->text + scanner->at;
    size_t left = scanner->size - scanner->at;
    unsigned char first = bytes[0];
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    unsigned char low = 0x80, high = 0xBF;
    if (first < 0xC2 || first > 0xF4)
        return fail(scanner, "byte %02X is not UTF-8", first);
    if (first == 0xE0)
        low = 0xA0;
    if (first == 0xED)
        high = 0x9F;
    if (first == 0xF0)
        low = 0x90;
    if (first == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i <= more; i++) {
        if (i >= left || bytes[i] < low || bytes[i] > high)
            return fail(scanner, "a broken UTF-8 character");
        low = 0x80;
        high = 0xBF;
    }
    scanner->at += more + 1;
    return true;
}

static bool scan_string(struct scanner *scanner, bool *escaped)
{
    *escaped = false;
    scanner->at++;
    for (;;) {
        int next = peek(scanner);
        if (next < 0)
            return fail(scanner, "the text ends inside a string");
        if (next == '"') {
            scanner->at++;
            return true;
        }
        if (next < 0x20)
            return fail(scanner, "control character %02X inside a string", (unsigned)next);
        if (next == '\\') {
            *escaped = true;
            if (!scan_escape(scanner))
                return false;
        } else if (next >= 0x80) {
            if (!scan_utf8(scanner))
                return false;
        } else {
            scanner->at++;
        }
    }
}

static bool scan_digits(struct scanner *scanner)
{
    size_t start = scanner->at;
    int next;
    while ((next = peek(scanner)) >= '0' && next <= '9')
        scanner->at++;
    return scanner->at > start || fail(scanner, "a digit is missing in a number");
}

static bool scan_number(struct scanner *scanner)
{
    if (peek(scanner) == '-')
        scanner->at++;
    bool zero = peek(scanner) == '0';
    size_t start = scanner->at;
    if (!scan_digits(scanner))
        return false;
    if (zero && scanner->at > start + 1)
        return fail(scanner, "a number must not start with a zero");
    if (peek(scanner) == '.') {
        scanner->at++;
        if (!scan_digits(scanner))
            return false;
    }
    if (peek(scanner) == 'e' || peek(scanner) == 'E') {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-')
            scanner->at++;
        return scan_digits(scanner);
    }
    return true;
}

static bool scan_word(struct scanner *scanner, const char *word)
{
    size_t length = strlen(word);
    if (scanner->size - scanner->at < length ||
        memcmp(scanner->text + scanner->at, word, length) != 0)
        return fail(scanner, "a value is expected here");
    scanner->at += length;
    return true;
}

static bool scan_array(struct scanner *scanner, unsigned depth)
{
    scanner->at++;
    skip_space(scanner);
    if (peek(scanner) == ']') {
        scanner->at++;
        return true;
    }
    for (;;) {
        if (!scan_value(scanner, depth + 1))
            return false;
        skip_space(scanner);
        int next = peek(scanner);
        if (next == ']') {
            scanner->at++;
            return true;
        }
        if (next != ',')
            return fail(scanner, next < 0 ? "the text ends inside an array"
                                          : "a comma or ] is expected here");
        scanner->at++;
        skip_space(scanner);
    }
}

struct slice {
    size_t start, length;
};

/* A field name; refused when it stood in this object before. */
static bool scan_name(struct scanner *scanner, struct slice *names, size_t *count)
{
    size_t start = scanner->at;
    bool escaped;
    if (peek(scanner) != '"')
        return fail(scanner, peek(scanner) < 0 ? "the text ends inside an object"
                                               : "a field name in double quotes is expected here");
    if (!scan_string(scanner, &escaped))
        return false;
    struct slice name = {start, scanner->at - start};
    size_t end = scanner->at;
    scanner->at = start;
    /* Two spellings of one name could slip past the comparison of their bytes. */
    if (escaped)
        return fail(scanner, "an escape inside a field name");
    if (*count == JSON_INPUT_FIELDS_MAX)
        return fail(scanner, "more than %d fields in one object", JSON_INPUT_FIELDS_MAX);
    for (size_t i = 0; i < *count; i++) {
        if (names[i].length == name.length &&
            memcmp(scanner->text + names[i].start, scanner->text + start, name.length) == 0) {
            scanner->fault->repeated = true;
            return fail(scanner, "field %.*s stands twice in one object",
                        (int)(name.length > 80 ? 80 : name.length), scanner->text + start);
        }
    }
    names[(*count)++] = name;
    scanner->at = end;
    return true;
}

static bool scan_object(struct scanner *scanner, unsigned depth)
{
    struct slice names[JSON_INPUT_FIELDS_MAX];
    size_t count = 0;
    scanner->at++;
    skip_space(scanner);
    if (peek(scanner) == '}') {
        scanner->at++;
        return true;
    }
    for (;;) {
        if (!scan_name(scanner, names, &count))
            return false;
        skip_space(scanner);
        if (peek(scanner) != ':')
            return fail(scanner, "a colon is expected after the field name");
        scanner->at++;
        if (!scan_value(scanner, depth + 1))
            return false;
        skip_space(scanner);
        int next = peek(scanner);
        if (next == '}') {
            scanner->at++;
            return true;
        }
        if (next != ',')
            return fail(scanner, next < 0 ? "the text ends inside an object"
                                          : "a comma or } is expected here");
        scanner->at++;
        skip_space(scanner);
    }
}

/* Recursion is bounded by JSON_INPUT_DEPTH_MAX. */
static bool scan_value(struct scanner *scanner, unsigned depth)
{
    bool escaped;
    skip_space(scanner);
    if (depth > JSON_INPUT_DEPTH_MAX)
        return fail(scanner, "nested deeper than %d levels", JSON_INPUT_DEPTH_MAX);
    int next = peek(scanner);
    switch (next) {
    case '{':
        return scan_object(scanner, depth);
    case '[':
        return scan_array(scanner, depth);
    case '"':
        return scan_string(scanner, &escaped);
    case 't':
        return scan_word(scanner, "true");
    case 'f':
        return scan_word(scanner, "false");
    case 'n':
        return scan_word(scanner, "null");
    case -1:
        return fail(scanner, "a value is expected here, and the text ends");
    default:
        if (next == '-' || (next >= '0' && next <= '9'))
            return scan_number(scanner);
        return fail(scanner, "a value is expected here");
    }
}

struct json_object *json_input_parse(const char *text, size_t size, struct json_fault *fault)
{
    memset(fault, 0, sizeof *fault);
    struct scanner scanner = {text, size, 0, fault};
    /* A byte order mark is what some editors leave at the start of a file. */
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        scanner.at = 3;
    size_t start = scanner.at;
    if (size > JSON_INPUT_SIZE_MAX) {
        fail(&scanner, "the text is larger than %u bytes", JSON_INPUT_SIZE_MAX);
        return NULL;
    }
    if (!scan_value(&scanner, 0))
        return NULL;
    size_t end = scanner.at;
    skip_space(&scanner);
    if (scanner.at != size) {
        fail(&scanner, "something stands after the end of the JSON value");
        return NULL;
    }
    struct json_tokener *tokener = json_tokener_new_ex(JSON_INPUT_DEPTH_MAX + 4);
    if (tokener == NULL) {
        fail(&scanner, "out of memory");
        return NULL;
    }
    /* One byte more than the value: a number at the top level ends only at what follows it. */
    char terminator = 0;
    struct json_object *object = json_tokener_parse_ex(tokener, text + start, (int)(end - start));
    if (object == NULL && json_tokener_get_error(tokener) == json_tokener_continue)
        object = json_tokener_parse_ex(tokener, &terminator, 1);
    if (object == NULL && json_tokener_get_error(tokener) != json_tokener_success) {
        scanner.at = start + json_tokener_get_parse_end(tokener);
        fail(&scanner, "%s", json_tokener_error_desc(json_tokener_get_error(tokener)));
    } else if (object == NULL) {
        scanner.at = start;
        fail(&scanner, "null is not a task");
    }
    json_tokener_free(tokener);
    return object;
}
