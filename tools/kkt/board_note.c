#include "tools/kkt/board_note.h"

#include <stdio.h>
#include <string.h>

#include "tools/kkt/json_input.h"
#include "tools/kkt/json_output.h"

#define NOTE_FORMAT   1
#define NOTE_SIZE_MAX 1024

static void note_path(const char *queue_path, const char *suffix, char *out, size_t capacity)
{
    snprintf(out, capacity, "%s.board%s", queue_path, suffix);
}

static unsigned number_of(struct json_object *object, const char *name)
{
    struct json_object *value = NULL;
    json_object_object_get_ex(object, name, &value);
    return json_object_is_type(value, json_type_int) ? (unsigned)json_object_get_int(value) : 0;
}

bool board_note_read(const char *queue_path, struct task_environment *environment)
{
    char path[1100], text[NOTE_SIZE_MAX];
    struct json_fault fault;
    struct json_object *serial = NULL;
    note_path(queue_path, "", path, sizeof path);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    struct json_object *note = json_input_parse(text, size, &fault);
    bool good = note != NULL && number_of(note, "format") == NOTE_FORMAT &&
                json_object_object_get_ex(note, "serial", &serial) &&
                json_object_is_type(serial, json_type_string);
    if (good) {
        environment->ffd = number_of(note, "ffd");
        environment->tax_systems = number_of(note, "taxSystems");
        snprintf(environment->serial, sizeof environment->serial, "%s",
                 json_object_get_string(serial));
    }
    json_object_put(note);
    return good;
}

void board_note_write(const char *queue_path, const struct task_environment *environment)
{
    char path[1100], temporary[1100];
    struct task_environment known = {0};
    if (board_note_read(queue_path, &known) && known.ffd == environment->ffd &&
        known.tax_systems == environment->tax_systems &&
        strcmp(known.serial, environment->serial) == 0)
        return;
    note_path(queue_path, "", path, sizeof path);
    note_path(queue_path, ".new", temporary, sizeof temporary);
    FILE *file = fopen(temporary, "wb");
    if (file == NULL)
        return;
    struct json_object *note = json_object_new_object();
    json_add_uint(note, "format", NOTE_FORMAT);
    json_add_text(note, "serial", environment->serial);
    json_add_uint(note, "ffd", environment->ffd);
    json_add_uint(note, "taxSystems", environment->tax_systems);
    bool written = json_print(file, note);
    json_object_put(note);
    if (fclose(file) == 0 && written)
        (void)rename(temporary, path);
    else
        (void)remove(temporary);
}
