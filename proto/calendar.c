#include "proto/calendar.h"

#include <string.h>

#define DAY_S      86400u
#define YEAR_FIRST 1970u
#define YEAR_LAST  2105u

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Years that begin with March: a leap day is the last of its year and needs no case of its own.
 * Days from the 1st of March of the year 0 to the 1st of March of a year. */
static uint32_t days_to_march(uint32_t year)
{
    return year * 365 + year / 4 - year / 100 + year / 400;
}
#define DAYS_TO_1970 719468u /* and to the 1st of January 1970 */

/* Days from the 1st of March to the 1st of a month; March is 0. */
static uint32_t days_to_month(uint32_t month)
{
    return (153 * month + 2) / 5;
}

void civil_from_unix(unix_s time, struct civil_time *out)
{
    uint32_t days = time / DAY_S + DAYS_TO_1970;
    uint32_t rest = time % DAY_S;
    uint32_t year = (days + 1) * 400 / 146097; /* right, or one too many */
    if (days_to_march(year) > days)
        year--;
    days -= days_to_march(year);
    uint32_t month = (5 * days + 2) / 153;
    days -= days_to_month(month);
    bool next_year = month >= 10;
    out->year = (uint16_t)(year + next_year);
    out->month = (uint8_t)(next_year ? month - 9 : month + 3);
    out->day = (uint8_t)(days + 1);
    out->hour = (uint8_t)(rest / 3600);
    out->minute = (uint8_t)(rest / 60 % 60);
    out->second = (uint8_t)(rest % 60);
}

bool civil_to_unix(const struct civil_time *civil, unix_s *out)
{
    if (civil->year < YEAR_FIRST || civil->year > YEAR_LAST || civil->month < 1 ||
        civil->month > 12 || civil->day < 1 ||
        civil->day > days_in_month(civil->year, civil->month) || civil->hour > 23 ||
        civil->minute > 59 || civil->second > 59)
        return false;
    bool next_year = civil->month < 3;
    uint32_t year = (uint32_t)civil->year - next_year;
    uint32_t month = next_year ? civil->month + 9u : civil->month - 3u;
    uint32_t days = days_to_march(year) + days_to_month(month) + civil->day - 1u - DAYS_TO_1970;
    *out = days * DAY_S + civil->hour * 3600u + civil->minute * 60u + civil->second;
    return true;
}

bool date_time_from_unix(unix_s time, uint8_t out[DATE_TIME_SIZE])
{
    struct civil_time civil;
    civil_from_unix(time, &civil);
    if (civil.year < 2000)
        return false;
    out[0] = (uint8_t)(civil.year - 2000);
    out[1] = civil.month;
    out[2] = civil.day;
    out[3] = civil.hour;
    out[4] = civil.minute;
    return true;
}

bool date_time_to_unix(const uint8_t in[DATE_TIME_SIZE], unix_s *out)
{
    struct civil_time civil = {.year = (uint16_t)(2000 + in[0]),
                               .month = in[1],
                               .day = in[2],
                               .hour = in[3],
                               .minute = in[4]};
    return civil_to_unix(&civil, out);
}

static char *put_digits(char *out, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--) {
        out[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

static char *put_char(char *out, char character)
{
    *out = character;
    return out + 1;
}

void iso_time_format(unix_s time, char out[ISO_TIME_SIZE])
{
    struct civil_time civil;
    civil_from_unix(time, &civil);
    out = put_char(put_digits(out, civil.year, 4), '-');
    out = put_char(put_digits(out, civil.month, 2), '-');
    out = put_char(put_digits(out, civil.day, 2), 'T');
    out = put_char(put_digits(out, civil.hour, 2), ':');
    out = put_char(put_digits(out, civil.minute, 2), ':');
    put_char(put_digits(out, civil.second, 2), 0);
}

void paper_time_format(unix_s time, char out[PAPER_TIME_SIZE])
{
    struct civil_time civil;
    civil_from_unix(time, &civil);
    out = put_char(put_digits(out, civil.day, 2), '.');
    out = put_char(put_digits(out, civil.month, 2), '.');
    out = put_char(put_digits(out, civil.year % 100u, 2), ' ');
    out = put_char(put_digits(out, civil.hour, 2), ':');
    put_char(put_digits(out, civil.minute, 2), 0);
}

/* Compares text with a pattern in which '0' stands for any digit. */
static bool matches(const char *text, size_t length, const char *pattern)
{
    if (length != strlen(pattern))
        return false;
    for (size_t i = 0; i < length; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (pattern[i] == '0' ? !digit : text[i] != pattern[i])
            return false;
    }
    return true;
}

static unsigned digits_value(const char *text, unsigned count)
{
    unsigned value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    return value;
}

bool calendar_parse(const char *text, size_t length, unix_s *out)
{
    bool date_only = matches(text, length, "0000.00.00") || matches(text, length, "0000-00-00");
    if (!date_only && !matches(text, length, "0000.00.00 00:00:00") &&
        !matches(text, length, "0000-00-00T00:00:00"))
        return false;
    struct civil_time civil = {.year = (uint16_t)digits_value(text, 4),
                               .month = (uint8_t)digits_value(text + 5, 2),
                               .day = (uint8_t)digits_value(text + 8, 2)};
    if (!date_only) {
        civil.hour = (uint8_t)digits_value(text + 11, 2);
        civil.minute = (uint8_t)digits_value(text + 14, 2);
        civil.second = (uint8_t)digits_value(text + 17, 2);
    }
    return civil_to_unix(&civil, out);
}
