#include "tests/world/operator_books.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/crc.h"

void operator_books_break(struct operator_books *books, const char *format, ...)
{
    va_list arguments;
    if (books->broken[0] != '\0')
        return;
    va_start(arguments, format);
    (void)vsnprintf(books->broken, sizeof books->broken, format, arguments);
    va_end(arguments);
}

static bool room(void **list, uint32_t *capacity, uint32_t wanted, size_t element)
{
    uint32_t larger = *capacity == 0 ? 16 : *capacity;
    void *grown;
    if (wanted <= *capacity)
        return true;
    while (larger < wanted)
        larger *= 2;
    grown = realloc(*list, larger * element);
    if (grown == NULL)
        return false;
    memset((uint8_t *)grown + *capacity * element, 0, (larger - *capacity) * element);
    *list = grown;
    *capacity = larger;
    return true;
}

static bool records_room(struct operator_book *book, uint32_t wanted)
{
    void *list = book->records;
    bool good = room(&list, &book->capacity, wanted, sizeof *book->records);
    book->records = list;
    return good;
}

static bool books_room(struct operator_books *books, uint32_t wanted)
{
    void *list = books->list;
    bool good = room(&list, &books->capacity, wanted, sizeof *books->list);
    books->list = list;
    return good;
}

struct operator_book *operator_books_find(struct operator_books *books, const char *fn)
{
    if (books->last < books->count && strcmp(books->list[books->last].fn, fn) == 0)
        return &books->list[books->last];
    for (uint32_t i = 0; i < books->count; i++)
        if (strcmp(books->list[i].fn, fn) == 0) {
            books->last = i;
            return &books->list[i];
        }
    return NULL;
}

struct operator_book *operator_books_open(struct operator_books *books, const char *fn)
{
    struct operator_book *book = operator_books_find(books, fn);
    if (book != NULL)
        return book;
    if (!books_room(books, books->count + 1)) {
        operator_books_break(books, "the simulated operator is out of memory");
        return NULL;
    }
    /* A cleared book keeps its records' memory for the next FN in its place. */
    book = &books->list[books->count++];
    (void)snprintf(book->fn, sizeof book->fn, "%s", fn);
    operator_books_begin(book, 0);
    return book;
}

struct operator_record *operator_books_record(const struct operator_book *book, uint32_t number)
{
    return number > book->before && number - book->before <= book->count
               ? &book->records[number - book->before - 1]
               : NULL;
}

void operator_books_begin(struct operator_book *book, uint32_t before)
{
    book->before = book->stored = book->confirmed = before;
    book->count = 0;
}

static void check_repeat(struct operator_books *books, const struct operator_book *book,
                         uint32_t number, const struct operator_record *now)
{
    uint32_t highest = book->before + book->count;
    const struct operator_record *first = operator_books_record(book, number);
    books->repeats++;
    if (number != highest)
        operator_books_break(books, "FN %s: document %u came after %u: not ascending", book->fn,
                             number, highest);
    else if (first == NULL)
        operator_books_break(books, "FN %s: document %u was confirmed and came again", book->fn,
                             number);
    else if (first->crc != now->crc || first->header != now->header)
        operator_books_break(books, "FN %s: document %u came again with other bytes", book->fn,
                             number);
}

void operator_books_take(struct operator_books *books, const struct ofd_message *message,
                         const uint8_t *bytes, bool store)
{
    struct operator_book *book = operator_books_open(books, message->fn_number);
    struct operator_record now = {.time = message->time, .form = (uint8_t)message->form};
    struct operator_record *record;
    uint32_t next;
    if (book == NULL)
        return;
    now.header = (uint16_t)crc32c_update(CRC32C_INIT, bytes, OFD_HEADER_SIZE);
    now.crc = crc32c_update(CRC32C_INIT, bytes + OFD_HEADER_SIZE, message->header.body_size);
    if (message->code != OFD_ANSWER_ACCEPTED)
        operator_books_break(books, "FN %s: document %u: %s", book->fn, message->document,
                             message->problem);
    next = book->before + book->count + 1;
    if (message->document > next) {
        operator_books_break(books, "FN %s: document %u came after %u: a hole", book->fn,
                             message->document, next - 1);
        return; /* a row with a hole has no place for it */
    }
    if (message->document < next) {
        check_repeat(books, book, message->document, &now);
    } else if (records_room(book, book->count + 1)) {
        book->records[book->count++] = now;
    } else {
        operator_books_break(books, "the simulated operator is out of memory");
        return;
    }
    record = operator_books_record(book, message->document);
    if (record != NULL && store && !record->stored) {
        record->stored = true;
        book->stored++;
    }
}

void operator_books_clear(struct operator_books *books)
{
    books->count = books->last = books->repeats = 0;
    books->broken[0] = '\0';
}

void operator_books_free(struct operator_books *books)
{
    for (uint32_t i = 0; i < books->capacity; i++)
        free(books->list[i].records);
    free(books->list);
    memset(books, 0, sizeof *books);
}

bool operator_books_copy(struct operator_books *to, const struct operator_books *from)
{
    operator_books_clear(to);
    if (!books_room(to, from->count))
        return false;
    for (uint32_t i = 0; i < from->count; i++) {
        struct operator_book *book = &to->list[i];
        const struct operator_book *source = &from->list[i];
        if (!records_room(book, source->count)) {
            operator_books_clear(to);
            return false;
        }
        memcpy(book->fn, source->fn, sizeof book->fn);
        book->before = source->before;
        book->count = source->count;
        book->stored = source->stored;
        book->confirmed = source->confirmed;
        if (source->count > 0)
            memcpy(book->records, source->records, source->count * sizeof *source->records);
    }
    to->count = from->count;
    to->last = from->last;
    to->repeats = from->repeats;
    memcpy(to->broken, from->broken, sizeof to->broken);
    return true;
}
