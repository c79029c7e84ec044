#include "tests/world/operator_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"

#define CLOCK_AT_0 1783900000u

void operator_reset(struct operator* op, uint32_t seed)
{
    struct operator_core *core = &op->core;
    operator_books_clear(&op->books);
    core->now = 0;
    core->dice = seed * 2654435761u ^ 0x5EED0FDu;
    if (core->dice == 0)
        core->dice = 1; /* the one value xorshift never leaves */
    core->digest = CRC32C_INIT;
    core->connect_ms = core->answer_ms = 0;
    core->net_up = true;
    operator_set_manner(op, OPERATOR_GOOD, 0, 0);
    memset(&core->line, 0, sizeof core->line);
    operator_hang_up(op, BOARD_NET_CLOSED, BOARD_NET_OK);
}

struct operator* operator_create(uint32_t seed)
{
    struct operator* op = calloc(1, sizeof *op);
    if (op == NULL)
        return NULL;
    operator_set_inn(op, OPERATOR_DEBUG_INN);
    operator_set_clock(op, CLOCK_AT_0);
    operator_reset(op, seed);
    return op;
}

void operator_destroy(struct operator* op)
{
    if (op == NULL)
        return;
    operator_books_free(&op->books);
    free(op);
}

void operator_set_inn(struct operator* op, const char *inn)
{
    (void)snprintf(op->core.inn, sizeof op->core.inn, "%s", inn);
}

void operator_set_clock(struct operator* op, unix_s at_zero)
{
    op->core.clock = at_zero;
}

void operator_set_latency(struct operator* op, uint32_t connect_ms, uint32_t answer_ms)
{
    op->core.connect_ms = connect_ms;
    op->core.answer_ms = answer_ms;
}

void operator_set_manner(struct operator* op, enum operator_manner manner, uint32_t argument,
                         unsigned times)
{
    op->core.manner = manner;
    op->core.argument = argument;
    op->core.times = times;
}

void operator_set_net(struct operator* op, bool up)
{
    enum board_net_state state = op->core.line.state;
    op->core.net_up = up;
    if (!up && (state == BOARD_NET_OPEN || state == BOARD_NET_CONNECTING))
        operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_LOST);
}

void operator_board_reset(struct operator* op)
{
    operator_hang_up(op, BOARD_NET_CLOSED, BOARD_NET_OK);
}

void operator_assume(struct operator* op, const char *fn_number, uint32_t confirmed)
{
    struct operator_book *book = operator_books_open(&op->books, fn_number);
    if (book != NULL)
        operator_books_begin(book, confirmed);
}

uint64_t operator_due(const struct operator* op)
{
    const struct operator_line *line = &op->core.line;
    uint64_t due = UINT64_MAX;
    if (line->state == BOARD_NET_CONNECTING)
        due = line->connect_at;
    if (line->state != BOARD_NET_OPEN)
        return due;
    if (line->out_size > line->out_sent && line->out_ready > op->core.now)
        due = line->out_ready;
    if (line->manner == OPERATOR_SLOW && line->slow_at + OPERATOR_SLOW_MS < due)
        due = line->slow_at + OPERATOR_SLOW_MS;
    return due;
}

uint64_t operator_step(struct operator* op, mono_ms now)
{
    if (now > op->core.now)
        op->core.now = now;
    operator_settle(op);
    return operator_due(op);
}

static const struct operator_book *book_of(const struct operator* op, const char *fn_number)
{
    for (uint32_t i = 0; i < op->books.count; i++)
        if (strcmp(op->books.list[i].fn, fn_number) == 0)
            return &op->books.list[i];
    return NULL;
}

uint32_t operator_documents(const struct operator* op, const char *fn_number)
{
    const struct operator_book *book = book_of(op, fn_number);
    return book == NULL ? 0 : book->stored;
}

uint32_t operator_confirmed(const struct operator* op, const char *fn_number)
{
    const struct operator_book *book = book_of(op, fn_number);
    return book == NULL ? 0 : book->confirmed;
}

uint16_t operator_document(const struct operator* op, const char *fn_number, uint32_t number,
                           uint32_t *container_crc)
{
    const struct operator_book *book = book_of(op, fn_number);
    const struct operator_record *record =
        book == NULL ? NULL : operator_books_record(book, number);
    if (record == NULL || !record->stored)
        return 0;
    if (container_crc != NULL)
        *container_crc = record->crc;
    return record->form;
}

uint32_t operator_repeats(const struct operator* op)
{
    return op->books.repeats;
}

const char *operator_broken(const struct operator* op)
{
    return op->books.broken[0] == '\0' ? NULL : op->books.broken;
}

uint32_t operator_digest(const struct operator* op)
{
    return op->core.digest;
}

/* ---- snapshots ---- */

struct operator_image {
    struct operator_core core;
    struct operator_books books;
    uint8_t bytes[]; /* what is used of `in`, then of `out` */
};

struct operator_image *operator_save(const struct operator* op)
{
    const struct operator_line *line = &op->core.line;
    struct operator_image *image = calloc(1, sizeof *image + line->in_size + line->out_size);
    if (image == NULL)
        return NULL;
    if (!operator_books_copy(&image->books, &op->books)) {
        operator_image_free(image);
        return NULL;
    }
    image->core = op->core;
    memcpy(image->bytes, op->in, line->in_size);
    memcpy(image->bytes + line->in_size, op->out, line->out_size);
    return image;
}

bool operator_restore(struct operator* op, const struct operator_image *image)
{
    const struct operator_line *line = &image->core.line;
    if (!operator_books_copy(&op->books, &image->books)) {
        operator_reset(op, 0);
        return false;
    }
    op->core = image->core;
    memcpy(op->in, image->bytes, line->in_size);
    memcpy(op->out, image->bytes + line->in_size, line->out_size);
    return true;
}

void operator_image_free(struct operator_image *image)
{
    if (image == NULL)
        return;
    operator_books_free(&image->books);
    free(image);
}
