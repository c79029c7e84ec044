#include "hostdrv/device_uri.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "hostdrv/fault.h"

#define BOARD_SERIAL_MAX 20u

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Decimal, whole text, 1..max. */
static bool parse_number(const char *text, size_t length, unsigned max, unsigned *out)
{
    unsigned value = 0;
    if (length == 0 || length > 9)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10u + (unsigned)(text[i] - '0');
    }
    *out = value;
    return value >= 1 && value <= max;
}

static int bad_part(kkt_error *error, const char *part, const char *uri, const char *problem)
{
    return fault_field(error, ERROR_DEVICE_URI, part, "%s in \"%.120s\": %s", part, uri, problem);
}

static bool take_place(struct device_uri *out, const char *text, size_t length)
{
    if (length == 0 || length >= sizeof out->place)
        return false;
    memcpy(out->place, text, length);
    out->place[length] = '\0';
    return true;
}

static int parse_tcp(const char *uri, const char *rest, struct device_uri *out, kkt_error *error)
{
    const char *colon = strrchr(rest, ':');
    const char *host = rest;
    size_t host_length;
    if (rest[0] == '[') {
        const char *bracket = strchr(rest, ']');
        if (bracket == NULL)
            return bad_part(error, "host", uri, "the bracket of the IPv6 address is not closed");
        host = rest + 1;
        host_length = (size_t)(bracket - host);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else {
        host_length = colon != NULL ? (size_t)(colon - host) : strlen(host);
        if (memchr(host, ':', host_length) != NULL)
            return bad_part(error, "host", uri, "write an IPv6 address in brackets");
    }
    if (memchr(host, '/', host_length) != NULL)
        return bad_part(error, "host", uri, "write tcp:HOST:PORT without slashes");
    if (!take_place(out, host, host_length))
        return bad_part(error, "host", uri, "missing or too long");
    if (colon == NULL)
        return bad_part(error, "port", uri, "missing; write tcp:HOST:PORT");
    unsigned port;
    if (!parse_number(colon + 1, strlen(colon + 1), 65535, &port))
        return bad_part(error, "port", uri, "not a number from 1 to 65535");
    snprintf(out->port, sizeof out->port, "%u", port & 0xFFFFu);
    return KKT_OK;
}

static int parse_serial(const char *uri, const char *rest, struct device_uri *out, kkt_error *error)
{
    const char *question = strchr(rest, '?');
    size_t length = question != NULL ? (size_t)(question - rest) : strlen(rest);
    if (!take_place(out, rest, length))
        return bad_part(error, "path", uri, "missing or too long");
    if (rest[0] != '/')
        return bad_part(error, "path", uri, "must be absolute, as /dev/ttyACM0");
    out->baud = DEVICE_URI_BAUD_DEFAULT;
    if (question == NULL)
        return KKT_OK;
    if (!starts_with(question + 1, "baud="))
        return bad_part(error, "option", uri, "only baud=N is known");
    const char *number = question + 1 + strlen("baud=");
    if (!parse_number(number, strlen(number), DEVICE_URI_BAUD_MAX, &out->baud))
        return bad_part(error, "baud", uri, "not a number from 1 to 4000000");
    return KKT_OK;
}

/* A bare serial number: what nobody takes for a path or for an address that lacks its scheme. */
static bool is_number(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr(":/.[]", text[i]) != NULL)
            return false;
    }
    return length <= BOARD_SERIAL_MAX;
}

int device_uri_parse(const char *text, struct device_uri *out, kkt_error *error)
{
    memset(out, 0, sizeof *out);
    if (text == NULL || text[0] == '\0')
        return fault_field(error, ERROR_DEVICE_URI, "scheme", "the device address is empty");
    if (starts_with(text, "tcp:")) {
        out->scheme = DEVICE_URI_TCP;
        return parse_tcp(text, text + 4, out, error);
    }
    if (starts_with(text, "serial:")) {
        out->scheme = DEVICE_URI_SERIAL;
        return parse_serial(text, text + 7, out, error);
    }
    if (starts_with(text, "usb:")) {
        out->scheme = DEVICE_URI_USB;
        size_t length = strlen(text + 4);
        if (length > BOARD_SERIAL_MAX || !take_place(out, text + 4, length))
            return bad_part(error, "serial", text, "the serial number has 1 to 20 characters");
        return KKT_OK;
    }
    if (is_number(text)) {
        out->scheme = DEVICE_URI_NUMBER;
        out->baud = DEVICE_URI_BAUD_DEFAULT;
        (void)take_place(out, text, strlen(text));
        return KKT_OK;
    }
    return bad_part(error, "scheme", text,
                    "must be tcp:, serial: or usb:, or a board's serial number");
}
