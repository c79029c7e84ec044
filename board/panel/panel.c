#include "board/panel/panel.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void panel_say(struct panel_request *request, const char *format, ...)
{
    va_list arguments;
    assert(request->length < request->capacity);
    size_t room = request->capacity - request->length;
    va_start(arguments, format);
    int length = vsnprintf(request->text + request->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        request->length += (size_t)length < room ? (size_t)length : room - 1;
}

bool panel_number(const char *text, uint32_t *out)
{
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return false;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (uint32_t)value;
    return *end == '\0' && value <= UINT32_MAX;
}

int panel_want_argument(struct panel_request *request)
{
    panel_say(request, "%s wants %s\n", request->verb->words, request->verb->argument);
    return PANEL_MISUNDERSTOOD;
}

void panel_count(struct panel_request *request, bool json, const char *name, uint64_t value)
{
    panel_say(request, json ? ",\"%s\":%llu" : "%-24s %llu\n", name, (unsigned long long)value);
}

static bool json_or_nothing(const struct panel_verb *verb, const char *argument)
{
    return argument == NULL || strcmp(verb->argument, "[--json]") != 0 ||
           strcmp(argument, "--json") == 0;
}

static const struct panel_verb *find_verb(const struct panel *panel, const char *line,
                                          const char **argument)
{
    for (size_t i = 0; i < panel->count; i++) {
        const struct panel_verb *verb = &panel->verbs[i];
        size_t length = strlen(verb->words);
        if (strncmp(line, verb->words, length) != 0 ||
            (line[length] != '\0' && line[length] != ' '))
            continue;
        *argument = line[length] == ' ' ? line + length + 1 : NULL;
        if (verb->argument == NULL ? *argument == NULL : json_or_nothing(verb, *argument))
            return verb;
    }
    return NULL;
}

enum panel_status panel_execute(const struct panel *panel, void *device, const char *line,
                                uint64_t now_ms, char *text, size_t capacity)
{
    struct panel_request request = {.now_ms = now_ms, .text = text, .capacity = capacity};
    assert(capacity > 0);
    text[0] = '\0';
    request.verb = find_verb(panel, line, &request.argument);
    if (request.verb == NULL) {
        panel_say(&request, "not understood: %s\n%s", line, panel->usage);
        return PANEL_MISUNDERSTOOD;
    }
    if (!request.verb->asks && panel->heard != NULL)
        panel->heard(device, line);
    request.part = (char *)device + request.verb->part;
    return (enum panel_status)request.verb->execute(&request);
}
