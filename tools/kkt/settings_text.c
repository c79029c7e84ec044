#include "tools/kkt/settings_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/cp866.h"
#include "proto/money.h"
#include "proto/tags.h"
#include "tools/kkt/json_output.h"
#include "tools/kkt/task_field.h"

#define PEM_MAX 16384u

static const struct setting {
    const char *name;
    uint16_t tag;
    unsigned max; /* of a number; 0: not a number; 1: yes or no */
} settings[] = {{"columns", TAG_SETTING_COLUMNS, 48},
                {"ofd.host", TAG_SETTING_OFD_HOST, 0},
                {"ofd.port", TAG_SETTING_OFD_PORT, 65535},
                {"ofd.tls", TAG_SETTING_OFD_TLS, 1},
                {"ofd.ca", TAG_SETTING_OFD_CA, 0},
                {"ofd.retry", TAG_SETTING_OFD_RETRY_S, 3600},
                {"drawerOnCash", TAG_SETTING_DRAWER_ON_CASH, 1},
                {"autoOpenShift", TAG_SETTING_AUTO_OPEN_SHIFT, 1},
                {"header", TAG_SETTING_HEADER, 0},
                {"footer", TAG_SETTING_FOOTER, 0}};
#define SETTING_COUNT (sizeof settings / sizeof settings[0])

static int base64_digit(int character)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = character == 0 ? NULL : strchr(digits, character);
    return found == NULL ? -1 : (int)(found - digits);
}

/* The first certificate of a PEM text; 0 when there is none. */
static size_t pem_decode(const char *text, uint8_t *out, size_t capacity)
{
    static const char head[] = "-----BEGIN CERTIFICATE-----";
    const char *at = strstr(text, head);
    uint32_t bits = 0;
    unsigned have = 0;
    size_t size = 0;
    if (at == NULL)
        return 0;
    for (at += sizeof head - 1; *at != 0 && *at != '-' && *at != '='; at++) {
        int digit = base64_digit(*at);
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        if (size == capacity)
            return 0;
        out[size++] = (uint8_t)(bits >> have);
    }
    return size;
}

size_t settings_certificate_read(const char *path, uint8_t *out, size_t capacity)
{
    char text[PEM_MAX + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    size_t size = fread(text, 1, PEM_MAX, file);
    fclose(file);
    text[size] = 0;
    /* DER starts with a SEQUENCE whose length takes two bytes. */
    const uint8_t *bytes = (const uint8_t *)text;
    if (size <= 4 || bytes[0] != 0x30 || bytes[1] != 0x82)
        return pem_decode(text, out, capacity);
    if (size > capacity)
        return 0;
    memcpy(out, text, size);
    return size;
}

static bool bad(kkt_error *error, int code, const struct setting *setting, const char *name,
                const char *text)
{
    field_error(error, code, setting == NULL ? 0 : setting->tag, 0, name, "%s", text);
    return false;
}

static bool put_number(const struct setting *setting, const char *value, struct byte_writer *writer,
                       kkt_error *error)
{
    struct decimal number;
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0 || strcmp(value, "on") == 0;
    bool no = strcmp(value, "no") == 0 || strcmp(value, "false") == 0 || strcmp(value, "off") == 0;
    if (setting->max == 1 && (yes || no)) {
        tlv_put_u8(writer, setting->tag, yes);
        return true;
    }
    if (!decimal_parse(value, strlen(value), 0, &number) || number.mantissa > setting->max)
        return bad(error, ERROR_FIELD_VALUE, setting, setting->name,
                   setting->max == 1 ? "yes or no" : "a whole number in range is expected");
    if (tag_info_find(setting->tag)->type == TAG_TYPE_U16)
        tlv_put_u16(writer, setting->tag, (uint16_t)number.mantissa);
    else
        tlv_put_u8(writer, setting->tag, (uint8_t)number.mantissa);
    return true;
}

static bool put_text(const struct setting *setting, const char *value, struct byte_writer *writer,
                     kkt_error *error)
{
    char text[2048];
    uint8_t bytes[1024];
    size_t length = 0;
    for (; *value != 0 && length + 2 < sizeof text; value++) {
        if (value[0] == '\\' && value[1] == 'n') {
            text[length++] = '\r';
            text[length++] = '\n';
            value++;
        } else {
            text[length++] = *value;
        }
    }
    int size = cp866_from_utf8(text, length, bytes, sizeof bytes, NULL);
    if (size < 0 || *value != 0 || size > tag_info_find(setting->tag)->max_length)
        return bad(error, size < 0 ? ERROR_TEXT_ENCODING : ERROR_FIELD_LENGTH, setting,
                   setting->name,
                   size < 0 ? "the text is not UTF-8, or holds a control character"
                            : "the text is too long");
    tlv_put_bytes(writer, setting->tag, bytes, (size_t)size);
    return true;
}

bool settings_text_put(const char *word, struct byte_writer *writer, kkt_error *error)
{
    const char *equals = strchr(word, '=');
    const struct setting *setting = NULL;
    uint8_t der[4096];
    size_t length = equals == NULL ? 0 : (size_t)(equals - word);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strlen(settings[i].name) == length && memcmp(settings[i].name, word, length) == 0)
            setting = &settings[i];
    if (setting == NULL)
        return bad(
            error, ERROR_FIELD_UNKNOWN, NULL, word,
            "NAME=VALUE is expected, NAME one of columns, ofd.host, ofd.port, ofd.tls, ofd.ca, "
            "ofd.retry, drawerOnCash, autoOpenShift, header, footer");
    const char *value = equals + 1;
    if (setting->max != 0)
        return put_number(setting, value, writer, error);
    if (setting->tag != TAG_SETTING_OFD_CA)
        return put_text(setting, value, writer, error);
    size_t size = value[0] == 0 ? 0 : settings_certificate_read(value, der, sizeof der);
    if ((size == 0 && value[0] != 0) || size > tag_info_find(setting->tag)->max_length)
        return bad(error, ERROR_FIELD_VALUE, setting, setting->name,
                   "a file with one certificate, PEM or DER, is expected");
    tlv_put_bytes(writer, setting->tag, der, size);
    return true;
}

struct json_object *settings_text_json(const uint8_t *tlv, size_t size)
{
    struct json_object *object = json_object_new_object();
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        struct tlv element;
        uint64_t number;
        char text[3 * 512 + 1];
        if (tlv_find(tlv, size, settings[i].tag, &element) != 1)
            continue;
        bool counted = tlv_get_vln(&element, &number);
        if (settings[i].max == 1 && counted)
            json_add_bool(object, settings[i].name, number != 0);
        else if (settings[i].max != 0 && counted)
            json_add_uint(object, settings[i].name, number);
        else if (settings[i].tag == TAG_SETTING_OFD_CA) {
            snprintf(text, sizeof text, "certificate of %u bytes", (unsigned)element.length);
            json_add_text(object, settings[i].name, element.length == 0 ? "" : text);
        } else {
            cp866_to_utf8(element.value, element.length, text, sizeof text);
            for (char *end = strstr(text, "\r\n"); end != NULL; end = strstr(end, "\r\n"))
                memcpy(end, "\\n", 2); /* as it is written on the command line */
            json_add_text(object, settings[i].name, text);
        }
    }
    return object;
}
