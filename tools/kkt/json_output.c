#include "tools/kkt/json_output.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/calendar.h"
#include "proto/money.h"

void json_add_text(struct json_object *object, const char *name, const char *text)
{
    json_object_object_add(object, name, json_object_new_string(text));
}

void json_add_uint(struct json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

void json_add_bool(struct json_object *object, const char *name, bool value)
{
    json_object_object_add(object, name, json_object_new_boolean(value));
}

void json_add_money(struct json_object *object, const char *name, int64_t kop)
{
    char text[MONEY_TEXT_SIZE + 1] = "-";
    bool negative = kop < 0;
    uint64_t magnitude = negative ? (uint64_t)0 - (uint64_t)kop : (uint64_t)kop;
    money_format(magnitude, text + 1, sizeof text - 1);
    /* The second argument is what json-c prints; the first is not looked at by anybody. */
    json_object_object_add(object, name, json_object_new_double_s(0, negative ? text : text + 1));
}

void json_add_time(struct json_object *object, const char *name, int64_t wall_clock)
{
    char text[ISO_TIME_SIZE + 8];
    struct civil_time civil;
    if (wall_clock <= 0 || wall_clock > UINT32_MAX) {
        json_object_object_add(object, name, NULL);
        return;
    }
    iso_time_format((unix_s)wall_clock, text);
    civil_from_unix((unix_s)wall_clock, &civil);
    struct tm local = {.tm_year = civil.year - 1900,
                       .tm_mon = civil.month - 1,
                       .tm_mday = civil.day,
                       .tm_hour = civil.hour,
                       .tm_min = civil.minute,
                       .tm_sec = civil.second,
                       .tm_isdst = -1};
    time_t utc = mktime(&local);
    long offset_minutes = utc == (time_t)-1 ? 0 : local.tm_gmtoff / 60;
    long magnitude = labs(offset_minutes);
    snprintf(text + strlen(text), 8, "%c%02ld:%02ld", offset_minutes < 0 ? '-' : '+',
             magnitude / 60 % 24, magnitude % 60);
    json_add_text(object, name, text);
}

const char *json_payment_name(unsigned payment)
{
    static const char *const names[] = {"cash", "electronically", "prepaid", "credit", "other"};
    return payment < sizeof names / sizeof names[0] ? names[payment] : "";
}

bool json_print(FILE *stream, struct json_object *object)
{
    const char *text = json_object_to_json_string_ext(
        object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
    return fprintf(stream, "%s\n", text) > 0 && fflush(stream) == 0;
}
