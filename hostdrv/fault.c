#include "hostdrv/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/tags.h"

#ifndef OPENKKT_VERSION
#error "OPENKKT_VERSION comes from the Makefile"
#endif

static void copy_text(char *out, size_t capacity, const char *text)
{
    snprintf(out, capacity, "%s", text);
}

static const struct error_info *info_of(int code)
{
    bool representable = code >= 0 && code <= UINT16_MAX;
    return error_info_find(representable ? (uint16_t)code : (uint16_t)ERROR_INTERNAL);
}

const char *kkt_error_name(int code)
{
    return info_of(code)->name;
}

void kkt_error_describe(int code, kkt_error *out)
{
    const struct error_info *info = info_of(code);
    memset(out, 0, sizeof *out);
    out->code = code;
    copy_text(out->name, sizeof out->name, info->name);
    copy_text(out->text, sizeof out->text, info->text);
    copy_text(out->cure, sizeof out->cure, info->cure);
}

const char *kkt_version(void)
{
    return OPENKKT_VERSION;
}

int fault_set(kkt_error *error, int code, const char *format, ...)
{
    if (error == NULL)
        return code;
    kkt_error_describe(code, error);
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}

int fault_field(kkt_error *error, int code, const char *field, const char *format, ...)
{
    if (error == NULL)
        return code;
    kkt_error_describe(code, error);
    copy_text(error->field, sizeof error->field, field);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return code;
}

int fault_cure(kkt_error *error, int code, const char *cure)
{
    if (error != NULL && cure != NULL)
        copy_text(error->cure, sizeof error->cure, cure);
    return code;
}

int fault_refusal(kkt_error *error, const struct refusal *why)
{
    if (error == NULL)
        return why->code;
    kkt_error_describe(why->code, error);
    error->tag = why->tag;
    error->item = why->item;
    error->expected = why->expected;
    const struct tag_info *info = why->tag != 0 ? tag_info_find(why->tag) : NULL;
    if (info != NULL)
        copy_text(error->field, sizeof error->field, info->json);
    else if (why->code == ERROR_KEY_CONFLICT)
        copy_text(error->field, sizeof error->field, "key"); /* it has no tag */
    return why->code;
}

int fault_none(kkt_error *error)
{
    if (error != NULL)
        memset(error, 0, sizeof *error);
    return KKT_OK;
}
