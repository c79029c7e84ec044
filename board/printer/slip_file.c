#include "board/printer/slip_file.h"

#include "board/printer/slip_text.h"
#include "proto/cp866.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *data = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (room - used < 2) {
            room = room == 0 ? 8192 : room * 2;
            char *more = realloc(data, room);
            if (more == NULL)
                break;
            data = more;
        }
        size_t got = fread(data + used, 1, room - used - 1, file);
        used += got;
        if (got == 0) {
            data[used] = 0;
            *size = used;
            fclose(file);
            return data;
        }
    }
    fclose(file);
    free(data);
    return NULL;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place: two digits become one byte. */
static size_t unhex(char *text, size_t length)
{
    size_t out = 0;
    for (size_t i = 0; i + 1 < length; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            break;
        text[out++] = (char)(high << 4 | low);
    }
    return out;
}

/* Dots of a QR symbol are not known before it is drawn; its height is estimated by its content in
 * byte mode. */
static uint64_t qr_dots(const struct slip_record *record)
{
    unsigned version = 1;
    while (version < 40 && (size_t)(version * version) * 2u + 10u * version < record->length)
        version++;
    return (uint64_t)(17u + 4u * version) * record->dots;
}

static void add_record(struct slip *slip, char *line, size_t length)
{
    struct slip_record *record = &slip->records[slip->count];
    memset(record, 0, sizeof *record);
    record->kind = line[0];
    char *rest = length > 2 ? line + 2 : line + length;
    size_t rest_length = length > 2 ? length - 2 : 0;
    switch (line[0]) {
    case 'T':
        if (rest_length < 3)
            return;
        record->style = (uint8_t)strtoul(rest, NULL, 16);
        record->text = rest + 3;
        record->length = rest_length - 3;
        slip->lines++;
        slip->dots += (record->style & PAPER_TALL) != 0 ? PAPER_TALL_DOTS : PAPER_LINE_DOTS;
        break;
    case 'Q': {
        char *end;
        record->dots = (uint16_t)strtoul(rest, &end, 10);
        if (*end != ' ')
            return;
        record->text = end + 1;
        record->length = unhex(end + 1, (size_t)(line + length - (end + 1)));
        slip->lines++;
        slip->dots += qr_dots(record);
        break;
    }
    case 'F':
        record->dots = (uint16_t)strtoul(rest, NULL, 10);
        slip->dots += record->dots;
        break;
    case 'X':
        slip->torn = true;
        return;
    case 'C':
        slip->cut = true;
        slip->dots += PAPER_CUT_DOTS;
        return;
    default:
        return;
    }
    slip->count++;
}

/* The first line: P, version, columns. */
static bool read_head(const char *text, uint8_t *columns)
{
    char *end;
    if (text[0] != 'P' || text[1] != ' ')
        return false;
    unsigned long version = strtoul(text + 2, &end, 10);
    if (version != SLIP_FILE_VERSION || *end != ' ')
        return false;
    unsigned long value = strtoul(end + 1, &end, 10);
    *columns = (uint8_t)value;
    return value > 0 && value <= UINT8_MAX && *end == '\n';
}

bool slip_load(struct slip *slip, const char *path)
{
    size_t size = 0, lines = 0;
    memset(slip, 0, sizeof *slip);
    slip->storage = read_whole(path, &size);
    if (slip->storage == NULL)
        return false;
    for (size_t i = 0; i < size; i++)
        lines += slip->storage[i] == '\n';
    if (lines == 0 || !read_head(slip->storage, &slip->columns)) {
        slip_free(slip);
        return false;
    }
    slip->records = calloc(lines, sizeof *slip->records);
    if (slip->records == NULL) {
        slip_free(slip);
        return false;
    }
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        if (slip->storage[i] != '\n')
            continue;
        slip->storage[i] = 0;
        if (start != 0 && i > start)
            add_record(slip, slip->storage + start, i - start);
        start = i + 1;
    }
    slip->whole_bytes = start;
    return true;
}

void slip_free(struct slip *slip)
{
    free(slip->records);
    free(slip->storage);
    memset(slip, 0, sizeof *slip);
}

const struct slip_record *slip_qr(const struct slip *slip)
{
    const struct slip_record *found = NULL;
    bool fiscal = false;
    for (size_t i = 0; i < slip->count; i++) {
        const struct slip_record *record = &slip->records[i];
        if (record->kind != 'Q')
            continue;
        bool names = record->length > 2 && memcmp(record->text, "t=", 2) == 0;
        if (names || !fiscal)
            found = record;
        fiscal = fiscal || names;
    }
    return found;
}

static bool write_lines(const struct slip *slip, FILE *file)
{
    struct slip_text text = {0};
    size_t size;
    for (size_t i = 0; i < slip->count; i++)
        slip_text_add(&text, slip->columns, &slip->records[i]);
    const char *whole = slip_text_whole(&text, slip->torn, &size);
    bool good = !text.lost && fwrite(whole, 1, size, file) == size && fflush(file) == 0;
    slip_text_free(&text);
    return good;
}

/* A file without a name gets one when it is whole. Making it does not hold the directory, in which
 * the head is renaming papers at the same time. False: not every file system can do it. */
static bool write_nameless(const struct slip *slip, const char *path)
{
    char directory[4096], link[64];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || snprintf(directory, sizeof directory, "%.*s", (int)(slash - path + 1),
                                  path) >= (int)sizeof directory)
        return false;
    int fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (file == NULL) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    bool good = write_lines(slip, file) &&
                (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ||
                 errno == EEXIST); /* named earlier, so it is whole */
    return fclose(file) == 0 && good;
}

bool slip_write_text(const struct slip *slip, const char *path)
{
    char temporary[4096];
    if (write_nameless(slip, path))
        return true;
    if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
        return false;
    FILE *file = fopen(temporary, "wb");
    if (file == NULL)
        return false;
    bool good = write_lines(slip, file);
    if (fclose(file) != 0 || !good) {
        remove(temporary);
        return false;
    }
    return rename(temporary, path) == 0;
}

size_t slip_index_line(const struct slip *slip, uint32_t number, char *out, size_t capacity)
{
    char qr[2048] = "", plain[1024];
    const struct slip_record *record = slip_qr(slip);
    if (record != NULL) {
        size_t length = record->length < 256 ? record->length : 256, used = 0;
        cp866_to_utf8((const uint8_t *)record->text, length, plain, sizeof plain);
        for (const char *c = plain; *c != 0 && used + 8 < sizeof qr; c++) {
            if ((unsigned char)*c < ' ')
                used += (size_t)snprintf(qr + used, sizeof qr - used, "\\u%04x", *c);
            else if (*c == '"' || *c == '\\')
                used += (size_t)snprintf(qr + used, sizeof qr - used, "\\%c", *c);
            else
                qr[used++] = *c;
        }
        qr[used] = 0;
    }
    int length = snprintf(out, capacity,
                          "{\"number\":%" PRIu32 ",\"lines\":%" PRIu32
                          ",\"complete\":%s,\"text\":\"%06" PRIu32 ".txt\",\"png\":\"%06" PRIu32
                          ".png\",\"millimetres\":%" PRIu64 ",\"qr\":\"%s\"}\n",
                          number, slip->lines, slip->cut && !slip->torn ? "true" : "false", number,
                          number, slip->dots / PAPER_DOTS_PER_MM, qr);
    return length < 0 ? 0 : (size_t)length < capacity ? (size_t)length : capacity - 1;
}
