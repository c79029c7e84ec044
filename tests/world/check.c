#include "tests/world/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

char check_replay[256];
bool check_verbose;
static void (*catcher)(const char *text);

void check_catch(void (*handler)(const char *text))
{
    catcher = handler;
}

void check_failed(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (catcher != NULL)
        catcher(text);
    fflush(stdout);
    fprintf(stderr, "world: BROKEN %s (%s:%d)\nworld: replay with: --replay '%s'\n", text, file,
            line, check_replay);
    exit(1);
}
