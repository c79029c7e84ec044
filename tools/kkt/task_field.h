/* Reading the fields of one JSON object of a task, with faults that name the field by its path.
 *
 * Getters return FIELD_GOT, FIELD_ABSENT (missing or null) or FIELD_BAD; after FIELD_BAD the
 * reader's error is set. Private to the task reader.
 */
#ifndef TOOLS_KKT_TASK_FIELD_H
#define TOOLS_KKT_TASK_FIELD_H

#include "proto/bytes.h"
#include "tools/kkt/task.h"

enum field_got { FIELD_BAD = -1, FIELD_ABSENT = 0, FIELD_GOT = 1 };

struct field_reader {
    struct json_object *object;
    char path[56]; /* "" or "items[2]."; what stands before a field's name */
    unsigned item; /* number of the receipt's item, 0 none */
    const struct task_environment *environment;
    kkt_error *error;
};

/* Fills *error from the table of proto/error.h with field and text. Returns FIELD_BAD. */
int field_error(kkt_error *error, int code, unsigned tag, unsigned item, const char *field,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
int field_fail(const struct field_reader *reader, const char *name, int code, unsigned tag,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* How an object's fields are to be taken. */
enum field_use {
    FIELD_TAKEN,   /* read by name elsewhere */
    FIELD_IGNORED, /* allowed and without effect here; JSON.md says why */
    FIELD_LATER    /* known to the interface, refused: a later version takes it */
};
struct field_rule {
    const char *name;
    enum field_use use;
};
/* False when the object holds a field that no rule names, or one of FIELD_LATER. Rules end with a
 * NULL name. */
bool field_check_names(const struct field_reader *reader, const struct field_rule *rules);

struct field_word {
    const char *word;
    unsigned value;
};

int field_bool(const struct field_reader *reader, const char *name, bool *out);
int field_string(const struct field_reader *reader, const char *name, const char **out,
                 size_t *length);
/* Kopecks. tag is told in the error. */
int field_money(const struct field_reader *reader, const char *name, unsigned tag, uint64_t *kop);
int field_quantity(const struct field_reader *reader, const char *name, unsigned tag,
                   struct decimal *out);
int field_number(const struct field_reader *reader, const char *name, uint64_t max, uint64_t *out);
/* A word of the list (ended by NULL). */
int field_word(const struct field_reader *reader, const char *name, unsigned tag,
               const struct field_word *words, unsigned *out);
/* Looks a text up; FIELD_BAD with the allowed words listed. */
int field_word_of(const struct field_reader *reader, const char *name, unsigned tag,
                  const struct field_word *words, const char *text, unsigned *out);
/* An object or array of its own. */
int field_object(const struct field_reader *reader, const char *name, struct field_reader *child);
int field_array(const struct field_reader *reader, const char *name, struct json_object **out,
                size_t *count);
/* Reader for element `index` of the array `name`; FIELD_BAD when it is not an object. */
int field_element(const struct field_reader *reader, const char *name, struct json_object *array,
                  size_t index, struct field_reader *child);
/* FIELD_ABSENT becomes a fault. */
int field_required(const struct field_reader *reader, const char *name, int got);

/* A string of the dictionary's tag: converted to CP866, checked for length, written as TLV (padded
 * when fixed). Empty text counts as absent. */
int field_put_text(const struct field_reader *reader, const char *name, uint16_t tag,
                   struct byte_writer *writer);
/* As field_put_text for a taxpayer number: 10 or 12 digits, check digits verified. */
int field_put_inn(const struct field_reader *reader, const char *name, uint16_t tag,
                  struct byte_writer *writer);
/* The same for text at hand. */
int field_put_text_value(const struct field_reader *reader, const char *name, uint16_t tag,
                         const char *text, size_t length, struct byte_writer *writer);

#endif
