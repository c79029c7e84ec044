/* A print head in a directory of its own, for the tests of board/printer. */
#ifndef TESTS_UNIT_PRINT_HEAD_FIXTURE_H
#define TESTS_UNIT_PRINT_HEAD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/printer/print_head.h"
#include "firmware/escpos.h"
#include "tests/unit/paper_samples.h"

static char directory[64];
static uint64_t now = 1000;

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/openkkt-head-XXXXXX");
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    char path[512];
    DIR *opened = opendir(directory);
    if (opened == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(opened)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        unlink(path);
    }
    closedir(opened);
    return rmdir(directory);
}

static inline size_t feed(struct print_head *head, const void *bytes, size_t size)
{
    return print_head_feed(head, bytes, size, now);
}

static inline void feed_text(struct print_head *head, const char *text)
{
    assert_int_equal(feed(head, text, strlen(text)), strlen(text));
}

static inline void read_file(const char *name, char *out, size_t capacity)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        fail_msg("%s is missing", path);
    out[fread(out, 1, capacity - 1, file)] = 0;
    fclose(file);
}

static inline void put_file(const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline void print_sample(struct print_head *head, const char *name, uint8_t columns)
{
    static uint8_t tlv[SAMPLE_MAX];
    uint8_t bytes[ESCPOS_LINE_MAX], style = 0;
    const struct sample *sample = sample_find(name);
    struct byte_writer out;
    struct layout layout;
    struct slip_line line;
    layout_init(&layout, tlv, sample_build(sample, tlv, sizeof tlv), sample->form, sample->marks,
                columns);
    byte_writer_init(&out, bytes, sizeof bytes);
    escpos_begin(&out);
    assert_int_equal(feed(head, bytes, out.length), out.length);
    while (layout_next(&layout, &line)) {
        byte_writer_init(&out, bytes, sizeof bytes);
        escpos_line(&out, &line, &style);
        assert_true(byte_writer_ok(&out));
        assert_int_equal(feed(head, bytes, out.length), out.length);
    }
}

#endif
