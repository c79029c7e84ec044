#include "tests/world/paper.h"

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"
#include "tests/world/check.h"

void paper_init(struct paper *paper)
{
    memset(paper, 0, sizeof *paper);
}

void paper_free(struct paper *paper)
{
    free(paper->documents);
    memset(paper, 0, sizeof *paper);
}

void paper_reset(struct paper *paper)
{
    struct paper_document *documents = paper->documents;
    uint32_t capacity = paper->capacity;
    if (documents != NULL) {
        size_t used = (size_t)paper->newest + 1;
        memset(documents, 0, used * sizeof *documents);
    }
    memset(paper, 0, sizeof *paper);
    paper->documents = documents;
    paper->capacity = capacity;
}

struct paper_document paper_of(const struct paper *paper, uint32_t document)
{
    static const struct paper_document none;
    return document <= paper->newest && document < paper->capacity ? paper->documents[document]
                                                                   : none;
}

static struct paper_document *place_for(struct paper *paper, uint32_t document)
{
    if (document >= paper->capacity) {
        uint32_t capacity = paper->capacity == 0 ? 64 : paper->capacity * 2;
        while (capacity <= document)
            capacity *= 2;
        paper->documents = realloc(paper->documents, capacity * sizeof *paper->documents);
        assert(paper->documents != NULL);
        memset(paper->documents + paper->capacity, 0,
               (capacity - paper->capacity) * sizeof *paper->documents);
        paper->capacity = capacity;
    }
    if (document > paper->newest)
        paper->newest = document;
    return &paper->documents[document];
}

static const char *find(const char *text, size_t size, const char *words)
{
    return memmem(text, size, words, strlen(words));
}

/* The digits at `at`, point left out; 0 when there are none. */
static uint64_t number_at(const char *at, const char *end)
{
    uint64_t value = 0;
    for (; at < end && ((*at >= '0' && *at <= '9') || *at == '.'); at++) {
        if (*at != '.')
            value = value * 10 + (uint64_t)(*at - '0');
    }
    return value;
}

/* The number that stands behind a label and nothing else at the beginning of a line. */
static uint64_t labelled(const char *text, size_t size, const char *label)
{
    const char *end = text + size;
    const char *line = text;
    size_t length = strlen(label);
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        if ((size_t)(stop - line) > length && memcmp(line, label, length) == 0) {
            const char *at = line + length;
            while (at < stop && *at == ' ')
                at++;
            if (at < stop && *at >= '0' && *at <= '9')
                return number_at(at, stop);
        }
        line = stop + 1;
    }
    return 0;
}

static uint64_t after(const char *text, size_t size, const char *words)
{
    const char *at = find(text, size, words);
    return at == NULL ? 0 : number_at(at + strlen(words), text + size);
}

static void compare(struct paper_document *document, const char *text, size_t size)
{
    const char *code = find(text, size, "[QR t=");
    uint32_t sign = (uint32_t)labelled(text, size, "ФП ");
    uint64_t total = 0;
    if (code != NULL) {
        size_t left = size - (size_t)(code - text);
        total = after(code, left, "&s=");
        if ((uint32_t)after(code, left, "&fp=") != sign)
            document->contradicts = true;
    }
    bool first = document->fiscal_sign == 0;
    document->contradicts |=
        !first && (document->fiscal_sign != sign ||
                   (total != 0 && document->total_kop != 0 && document->total_kop != total));
    document->fiscal_sign = sign;
    if (total != 0)
        document->total_kop = total;
}

void paper_take(void *context, const char *text, size_t size, bool complete)
{
    struct paper *paper = context;
    uint32_t number = (uint32_t)labelled(text, size, "ФД ");
    paper->slips++;
    if (check_verbose)
        fprintf(stderr, "%.*s%s\n", (int)size, text, complete ? "" : "[incomplete]");
    paper->digest = crc32c_update(paper->digest, (const uint8_t *)text, size);
    if (!complete) {
        paper->torn++;
        if (number != 0)
            place_for(paper, number)->torn++;
        return;
    }
    if (number == 0) {
        paper->others++;
        return;
    }
    struct paper_document *document = place_for(paper, number);
    /* The head ended it with a cut, but the register broke it off in the middle: no slip, a piece.
     * */
    bool copy = find(text, size, "КОПИЯ") != NULL;
    if (labelled(text, size, "ФП ") == 0) {
        document->torn++;
        document->broken_off = (uint16_t)(document->broken_off + !copy);
        return;
    }
    if (copy)
        document->copies++;
    else if (find(text, size, "ПЕЧАТЬ ПОВТОРЕНА") != NULL ||
             find(text, size, "ЛИСТ НЕДЕЙСТВИТЕЛЕН") != NULL)
        document->resumed++;
    else
        document->whole++;
    compare(document, text, size);
}
