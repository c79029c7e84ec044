#include "board/printer/paper.h"

#include "board/printer/slip_file.h"
#include "board/printer/slip_picture.h"
#include "proto/cp866.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE   2048
#define RECORD_SIZE 16384 /* a QR code of 7089 bytes as digits */

struct paper {
    char directory[PATH_SIZE - 32]; /* "" without files */
    uint8_t columns;
    bool png;
    int file;        /* current.paper, -1 while the paper is blank */
    uint32_t number; /* of the last slip */
    bool blank, torn;
    struct paper_counters counters;

    /* The picture thread draws slips drawn + 1 .. cut, in order. */
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t drawn, cut; /* under lock */
    bool stop;           /* under lock */
};

static void slip_path(const struct paper *paper, uint32_t number, const char *ending,
                      char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%06" PRIu32 ".%s", paper->directory, number, ending);
}

static void current_path(const struct paper *paper, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/current.paper", paper->directory);
}

static void draw_one(struct paper *paper, uint32_t number)
{
    char source[PATH_SIZE], picture[PATH_SIZE];
    struct slip slip;
    slip_path(paper, number, "paper", source);
    slip_path(paper, number, "png", picture);
    if (!slip_load(&slip, source))
        return;
    if (slip_draw_png(&slip, picture))
        unlink(source);
    slip_free(&slip);
}

static void *draw_pictures(void *argument)
{
    struct paper *paper = argument;
    pthread_mutex_lock(&paper->lock);
    for (;;) {
        while (paper->drawn == paper->cut && !paper->stop)
            pthread_cond_wait(&paper->changed, &paper->lock);
        if (paper->drawn == paper->cut)
            break;
        uint32_t number = paper->drawn + 1;
        pthread_mutex_unlock(&paper->lock);
        draw_one(paper, number);
        pthread_mutex_lock(&paper->lock);
        paper->drawn = number;
        pthread_cond_broadcast(&paper->changed);
    }
    pthread_mutex_unlock(&paper->lock);
    return NULL;
}

/* Number of the last line of index.jsonl, 0 when it is empty. */
static uint32_t last_in_index(const struct paper *paper)
{
    char path[PATH_SIZE], tail[4097];
    snprintf(path, sizeof path, "%s/index.jsonl", paper->directory);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return 0;
    uint32_t number = 0;
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        fseek(file, size > 4096 ? size - 4096 : 0, SEEK_SET);
        size_t got = fread(tail, 1, sizeof tail - 1, file);
        tail[got] = 0;
        for (const char *at = strstr(tail, "{\"number\":"); at != NULL;
             at = strstr(at + 1, "{\"number\":"))
            number = (uint32_t)strtoul(at + strlen("{\"number\":"), NULL, 10);
    }
    fclose(file);
    return number;
}

/* Text and index line of a cut slip; does nothing that is already done. */
static void finish_slip(struct paper *paper, uint32_t number, uint32_t indexed)
{
    char path[PATH_SIZE], line[4096];
    struct slip slip;
    slip_path(paper, number, "paper", path);
    if (!slip_load(&slip, path))
        return;
    slip_path(paper, number, "txt", path);
    slip_write_text(&slip, path);
    if (number > indexed) {
        size_t length = slip_index_line(&slip, number, line, sizeof line);
        snprintf(path, sizeof path, "%s/index.jsonl", paper->directory);
        int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (file >= 0) {
            /* One write: the line is there whole or not at all. */
            if (write(file, line, length) != (ssize_t)length)
                fprintf(stderr, "print head: %s: %s\n", path, strerror(errno));
            close(file);
        }
    }
    if (!paper->png) {
        slip_path(paper, number, "paper", path);
        unlink(path);
    }
    slip_free(&slip);
}

static void append(struct paper *paper, const char *record, size_t length)
{
    if (paper->directory[0] == 0)
        return;
    if (paper->file < 0) {
        char path[PATH_SIZE], header[32];
        current_path(paper, path);
        paper->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
        int size = snprintf(header, sizeof header, "P %u %u\n%s", SLIP_FILE_VERSION, paper->columns,
                            paper->torn ? "X\n" : "");
        if (paper->file < 0 || write(paper->file, header, (size_t)size) != size)
            fprintf(stderr, "print head: %s: %s\n", path, strerror(errno));
    }
    if (paper->file >= 0 && write(paper->file, record, length) != (ssize_t)length)
        fprintf(stderr, "print head: current.paper: %s\n", strerror(errno));
}

void paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length)
{
    char record[RECORD_SIZE];
    int head = snprintf(record, sizeof record, "T %02x ", style);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    size_t room = sizeof record - (size_t)head - 1;
    size_t size = cp866_to_utf8(text, length < room / 3 ? length : room / 3, record + head, room);
    record[(size_t)head + size] = '\n';
    append(paper, record, (size_t)head + size + 1);
    paper->blank = false;
    paper->counters.lines++;
    paper->counters.dots += (style & PAPER_TALL) != 0 ? PAPER_TALL_DOTS : PAPER_LINE_DOTS;
}

void paper_qr(struct paper *paper, uint16_t module_dots, const uint8_t *content, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char record[RECORD_SIZE];
    size_t used = (size_t)snprintf(record, sizeof record, "Q %u ", module_dots);
    for (size_t i = 0; i < length && used + 3 < sizeof record; i++) {
        record[used++] = digits[content[i] >> 4];
        record[used++] = digits[content[i] & 15];
    }
    record[used++] = '\n';
    append(paper, record, used);
    paper->blank = false;
    paper->counters.lines++;
    paper->counters.dots += (uint64_t)33 * module_dots; /* version 4, as receipts have */
}

void paper_feed(struct paper *paper, uint16_t dots)
{
    char record[16];
    paper->counters.dots += dots;
    if (!paper->blank)
        append(paper, record, (size_t)snprintf(record, sizeof record, "F %u\n", dots));
}

void paper_tear(struct paper *paper)
{
    if (!paper->torn && !paper->blank)
        append(paper, "X\n", 2);
    paper->torn = true;
}

void paper_untear_blank(struct paper *paper)
{
    if (paper->blank)
        paper->torn = false;
}

bool paper_blank(const struct paper *paper)
{
    return paper->blank;
}

/* The piece leaves the head. */
static void release(struct paper *paper)
{
    char from[PATH_SIZE], to[PATH_SIZE];
    paper->counters.slips++;
    paper->counters.torn += paper->torn;
    paper->blank = true;
    if (paper->directory[0] == 0)
        return;
    close(paper->file);
    paper->file = -1;
    current_path(paper, from);
    slip_path(paper, paper->number + 1, "paper", to);
    if (rename(from, to) != 0) {
        fprintf(stderr, "print head: %s: %s\n", to, strerror(errno));
        return;
    }
    paper->number++;
    finish_slip(paper, paper->number, paper->number - 1);
    pthread_mutex_lock(&paper->lock);
    paper->cut = paper->number;
    if (!paper->png)
        paper->drawn = paper->cut;
    pthread_cond_broadcast(&paper->changed);
    pthread_mutex_unlock(&paper->lock);
}

void paper_cut(struct paper *paper)
{
    paper->counters.cuts++;
    paper->counters.dots += PAPER_CUT_DOTS;
    if (!paper->blank) {
        append(paper, "C\n", 2);
        release(paper);
    }
    paper->torn = false;
}

void paper_roll_end(struct paper *paper)
{
    if (paper->blank)
        return;
    paper_tear(paper);
    release(paper);
}

/* Finishes what an earlier run left: slips cut but not written out, and the piece that is still in
 * the head. */
static void recover(struct paper *paper)
{
    uint32_t indexed = last_in_index(paper), first = UINT32_MAX;
    DIR *directory = opendir(paper->directory);
    paper->number = indexed;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);
        if (end == entry->d_name || number == 0 || number > UINT32_MAX - 1)
            continue;
        if (number > paper->number)
            paper->number = (uint32_t)number;
        if (strcmp(end, ".paper") == 0 && number < first)
            first = (uint32_t)number;
    }
    if (directory != NULL)
        closedir(directory);
    for (uint32_t number = first; number <= paper->number; number++)
        finish_slip(paper, number, indexed);
    paper->cut = paper->number;
    paper->drawn = first != UINT32_MAX ? first - 1 : paper->number;

    char path[PATH_SIZE];
    struct slip slip;
    current_path(paper, path);
    if (!slip_load(&slip, path))
        return;
    if (slip.count > 0) {
        /* The process died with paper in the head: that is a loss of power. */
        paper->file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (paper->file >= 0 && ftruncate(paper->file, (off_t)slip.whole_bytes) == 0) {
            paper->blank = false;
            paper->torn = slip.torn;
            if (slip.cut)
                release(paper);
            else
                paper_tear(paper);
        }
    }
    slip_free(&slip);
}

struct paper *paper_open(const char *directory, uint8_t columns, bool png)
{
    struct paper *paper = calloc(1, sizeof *paper);
    if (paper == NULL)
        return NULL;
    paper->columns = columns;
    paper->png = png;
    paper->file = -1;
    paper->blank = true;
    pthread_mutex_init(&paper->lock, NULL);
    pthread_cond_init(&paper->changed, NULL);
    if (directory == NULL)
        return paper;
    struct stat status;
    if (strlen(directory) >= sizeof paper->directory)
        errno = ENAMETOOLONG;
    else if ((mkdir(directory, 0777) == 0 || errno == EEXIST) && stat(directory, &status) == 0 &&
             access(directory, R_OK | W_OK | X_OK) == 0) {
        if (S_ISDIR(status.st_mode)) {
            strcpy(paper->directory, directory);
            recover(paper);
            paper->thread_runs =
                png && pthread_create(&paper->thread, NULL, draw_pictures, paper) == 0;
            return paper;
        }
        errno = ENOTDIR;
    }
    free(paper);
    return NULL;
}

void paper_close(struct paper *paper)
{
    if (paper == NULL)
        return;
    pthread_mutex_lock(&paper->lock);
    paper->stop = true;
    pthread_cond_broadcast(&paper->changed);
    pthread_mutex_unlock(&paper->lock);
    if (paper->thread_runs)
        pthread_join(paper->thread, NULL);
    if (paper->file >= 0)
        close(paper->file);
    pthread_cond_destroy(&paper->changed);
    pthread_mutex_destroy(&paper->lock);
    free(paper);
}

const struct paper_counters *paper_counters(const struct paper *paper)
{
    return &paper->counters;
}

uint32_t paper_last_slip(const struct paper *paper)
{
    return paper->number;
}

void paper_wait_pictures(struct paper *paper)
{
    pthread_mutex_lock(&paper->lock);
    while (paper->thread_runs && paper->drawn != paper->cut)
        pthread_cond_wait(&paper->changed, &paper->lock);
    pthread_mutex_unlock(&paper->lock);
}
