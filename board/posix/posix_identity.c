#include "board/posix/posix_identity.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "board/posix/posix_file.h"
#include "board/posix/posix_internal.h"

#define IDENTITY_FILE "board.json"

static bool serial_is_right(const char *serial)
{
    size_t length = strlen(serial);
    if (length < 1 || length > 20)
        return false;
    for (size_t i = 0; i < length; i++)
        if (serial[i] <= ' ' || serial[i] > '~' || serial[i] == '"' || serial[i] == '\\')
            return false;
    return true;
}

static bool fn_serial_is_right(const char *serial)
{
    return strlen(serial) == 16 && strspn(serial, "0123456789") == 16;
}

static bool columns_are_right(unsigned columns)
{
    return columns == 32 || columns == 42 || columns == 48;
}

/* Takes what board.json holds; false when it is there but not ours. */
static bool identity_load(struct posix_board *posix)
{
    char text[1024];
    struct json_object *value;
    if (!posix_file_text(posix->dir_fd, IDENTITY_FILE, text, sizeof text))
        return true;
    struct json_object *root = json_tokener_parse(text);
    if (json_object_object_get_ex(root, "format", &value) && json_object_get_int(value) == 1) {
        if (json_object_object_get_ex(root, "serial", &value))
            snprintf(posix->serial, sizeof posix->serial, "%s", json_object_get_string(value));
        if (json_object_object_get_ex(root, "fn_serial", &value))
            snprintf(posix->fn_serial, sizeof posix->fn_serial, "%s",
                     json_object_get_string(value));
        if (json_object_object_get_ex(root, "columns", &value))
            posix->columns = (unsigned)json_object_get_int(value);
    }
    json_object_put(root);
    return serial_is_right(posix->serial) && columns_are_right(posix->columns) &&
           (posix->fn_serial[0] == '\0' || fn_serial_is_right(posix->fn_serial));
}

static bool identity_save(const struct posix_board *posix)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"format\":1,\"serial\":\"%s\",\"columns\":%u,\"fn_serial\":\"%s\"}\n",
             posix->serial, posix->columns, posix->fn_serial);
    return posix_file_replace(posix->dir_fd, IDENTITY_FILE, text, true);
}

const char *posix_identity_settle(struct posix_board *posix,
                                  const struct posix_board_options *options)
{
    const char *serial = options->serial;
    const char *fn_serial = options->fn_serial;
    if (!identity_load(posix))
        return "board.json is damaged or of a newer program";
    if (serial != NULL && !serial_is_right(serial))
        return "the serial number must be 1 to 20 printable ASCII characters";
    if (fn_serial != NULL && !fn_serial_is_right(fn_serial))
        return "the FN number must be 16 digits";
    if (options->columns != 0 && !columns_are_right(options->columns))
        return "columns must be 32, 42 or 48";
    if (serial != NULL && posix->serial[0] != '\0' && strcmp(serial, posix->serial) != 0)
        return "this state directory belongs to a board with another serial number";
    if (fn_serial != NULL && posix->fn_serial[0] != '\0' &&
        strcmp(fn_serial, posix->fn_serial) != 0)
        return "this state directory belongs to another FN";
    if (posix->serial[0] == '\0')
        snprintf(posix->serial, sizeof posix->serial, "%s",
                 serial != NULL ? serial : POSIX_BOARD_DEFAULT_SERIAL);
    if (fn_serial != NULL)
        snprintf(posix->fn_serial, sizeof posix->fn_serial, "%s", fn_serial);
    if (options->columns != 0)
        posix->columns = options->columns;
    return identity_save(posix) ? NULL : "board.json cannot be written";
}
