#include "board/printer/paper.h"

#include "board/printer/slip_file.h"
#include "board/printer/slip_picture.h"
#include "board/printer/slip_text.h"
#include "proto/cp866.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE      2048
#define RECORD_SIZE    16384 /* a QR code of 7089 bytes as digits */
#define GATHERED_SIZE  32768 /* a slip of a usual length and its QR code */
#define CURRENT        "current.paper"
#define BLANKS_MAX     64u
#define INDEX          "index.jsonl"
#define INDEX_LINE_MAX 4096u

struct paper {
    char directory[PATH_SIZE - 32]; /* "" without files */
    int directory_fd;
    uint8_t columns;
    bool png;
    int file;        /* current.paper, -1 until its first record is written */
    uint32_t number; /* of the last slip */
    bool blank, torn;
    struct paper_counters counters;
    void (*on_slip)(void *context, const char *text, size_t size, bool complete);
    void *context;
    struct slip_text text;        /* of the piece in the head, kept only for on_slip */
    char gathered[GATHERED_SIZE]; /* records that are not in the file yet */
    size_t gathered_size;

    /* One thread finishes slips finished + 1 .. cut, another draws slips drawn + 1 .. finished. */
    pthread_t finisher, drawer;
    bool finisher_runs, drawer_runs;
    int index_fd;     /* -1 until the first line; the finisher's */
    uint32_t indexed; /* the last slip that an earlier run put in the index */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t drawn, finished, cut; /* under lock */
    unsigned blanks;               /* under lock: files kept for the next slips */
    bool finisher_sleeps, stop;    /* under lock */
};

static void slip_path(const struct paper *paper, uint32_t number, const char *ending,
                      char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%06" PRIu32 ".%s", paper->directory, number, ending);
}

static size_t header_line(const struct paper *paper, char *out, size_t capacity)
{
    return (size_t)snprintf(out, capacity, "P %u %u\n", SLIP_FILE_VERSION, paper->columns);
}

static void blank_path(const struct paper *paper, unsigned blank, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/blank-%02u.paper", paper->directory, blank);
}

/* Nobody needs the file of a slip any more. It is kept, cut back to its header, for a slip to come:
 * ext4 takes a millisecond to make a file while it remembers many that were just removed, and a
 * file that is cut back to nothing is written to disk at once when it is closed. */
static void give_back(struct paper *paper, const char *path)
{
    char blank[PATH_SIZE], header[32];
    pthread_mutex_lock(&paper->lock);
    blank_path(paper, paper->blanks, blank);
    if (paper->blanks == BLANKS_MAX)
        unlink(path);
    else if (rename(path, blank) == 0 &&
             truncate(blank, (off_t)header_line(paper, header, sizeof header)) == 0)
        paper->blanks++;
    pthread_mutex_unlock(&paper->lock);
}

static void take_blank(struct paper *paper)
{
    char blank[PATH_SIZE], current[PATH_SIZE];
    pthread_mutex_lock(&paper->lock);
    if (paper->blanks > 0) {
        blank_path(paper, --paper->blanks, blank);
        snprintf(current, sizeof current, "%s/" CURRENT, paper->directory);
        if (rename(blank, current) == 0)
            paper->file = openat(paper->directory_fd, CURRENT, O_WRONLY | O_APPEND | O_CLOEXEC);
    }
    pthread_mutex_unlock(&paper->lock);
}

static void remove_blanks(const struct paper *paper)
{
    char path[PATH_SIZE];
    for (unsigned blank = 0; blank < BLANKS_MAX; blank++) {
        blank_path(paper, blank, path);
        unlink(path);
    }
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
        give_back(paper, source);
    slip_free(&slip);
}

/* Number of the last line of index.jsonl, 0 when it is empty. An append that a full disk or a cut
 * ended half way left a line without an end: it is taken off, so that its slip is listed again and
 * the next line begins where a line begins. */
static uint32_t last_in_index(const struct paper *paper)
{
    char tail[2 * INDEX_LINE_MAX + 1];
    struct stat status;
    uint32_t number = 0;
    int file = openat(paper->directory_fd, INDEX, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return 0;
    off_t size = fstat(file, &status) == 0 ? status.st_size : 0;
    off_t from = size > (off_t)(sizeof tail - 1) ? size - (off_t)(sizeof tail - 1) : 0;
    ssize_t got = pread(file, tail, sizeof tail - 1, from);
    size_t whole = got > 0 ? (size_t)got : 0;
    while (whole > 0 && tail[whole - 1] != '\n')
        whole--;
    tail[whole] = 0;
    if (got > (ssize_t)whole && ftruncate(file, from + (off_t)whole) != 0)
        fprintf(stderr, "print head: " INDEX ": %s\n", strerror(errno));
    for (const char *at = strstr(tail, "{\"number\":"); at != NULL;
         at = strstr(at + 1, "{\"number\":"))
        number = (uint32_t)strtoul(at + strlen("{\"number\":"), NULL, 10);
    close(file);
    return number;
}

static bool write_whole(int file, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

static bool append_to_index(struct paper *paper, const struct slip *slip, uint32_t number)
{
    char line[INDEX_LINE_MAX];
    size_t length = slip_index_line(slip, number, line, sizeof line);
    struct stat before;
    if (paper->index_fd < 0)
        paper->index_fd =
            openat(paper->directory_fd, INDEX, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (paper->index_fd < 0 || fstat(paper->index_fd, &before) != 0)
        return false;
    /* One write; what a full disk took of it goes again, here or at the next open. */
    ssize_t written = write(paper->index_fd, line, length);
    if (written == (ssize_t)length)
        return true;
    if (written > 0 && ftruncate(paper->index_fd, before.st_size) == 0)
        errno = ENOSPC;
    return false;
}

/* Text and index line of a cut slip; does nothing that is already done. What cannot be written now
 * is written at the next open: the slip's file stays. */
static void finish_slip(struct paper *paper, uint32_t number)
{
    char source[PATH_SIZE], text[PATH_SIZE];
    struct slip slip;
    slip_path(paper, number, "paper", source);
    slip_path(paper, number, "txt", text);
    if (!slip_load(&slip, source))
        return;
    bool good = slip_write_text(&slip, text) &&
                (number <= paper->indexed || append_to_index(paper, &slip, number));
    if (!good)
        fprintf(stderr, "print head: slip %" PRIu32 ": %s\n", number, strerror(errno));
    else if (!paper->png)
        give_back(paper, source);
    slip_free(&slip);
}

/* The next cut slip is finished; the lock is held before and after. False: there is none. */
static bool finish_next(struct paper *paper)
{
    if (paper->finished == paper->cut)
        return false;
    uint32_t number = paper->finished + 1;
    pthread_mutex_unlock(&paper->lock);
    finish_slip(paper, number);
    pthread_mutex_lock(&paper->lock);
    paper->finished = number;
    if (!paper->png)
        paper->drawn = number;
    return true;
}

/* The same for its picture. */
static bool draw_next(struct paper *paper)
{
    if (paper->drawn == paper->finished)
        return false;
    uint32_t number = paper->drawn + 1;
    pthread_mutex_unlock(&paper->lock);
    draw_one(paper, number);
    pthread_mutex_lock(&paper->lock);
    paper->drawn = number;
    return true;
}

static void *run_finisher(void *argument)
{
    struct paper *paper = argument;
    pthread_mutex_lock(&paper->lock);
    for (;;) {
        while (finish_next(paper)) {
        }
        pthread_cond_broadcast(&paper->changed);
        if (paper->stop)
            break;
        paper->finisher_sleeps = true;
        pthread_cond_wait(&paper->changed, &paper->lock);
        paper->finisher_sleeps = false;
    }
    pthread_mutex_unlock(&paper->lock);
    return NULL;
}

static void *run_drawer(void *argument)
{
    struct paper *paper = argument;
    pthread_mutex_lock(&paper->lock);
    while (!paper->stop || paper->drawn != paper->cut)
        if (draw_next(paper))
            pthread_cond_broadcast(&paper->changed);
        else
            pthread_cond_wait(&paper->changed, &paper->lock);
    pthread_mutex_unlock(&paper->lock);
    return NULL;
}

void paper_flush(struct paper *paper)
{
    char header[32];
    if (paper->gathered_size == 0)
        return;
    bool good = true;
    if (paper->file < 0)
        take_blank(paper);
    if (paper->file < 0) {
        paper->file = openat(paper->directory_fd, CURRENT,
                             O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
        size_t size = header_line(paper, header, sizeof header);
        good = paper->file >= 0 && write_whole(paper->file, header, size);
    }
    if (!good || !write_whole(paper->file, paper->gathered, paper->gathered_size))
        fprintf(stderr, "print head: %s: %s\n", CURRENT, strerror(errno));
    paper->gathered_size = 0;
}

static void gather(struct paper *paper, const char *record, size_t length)
{
    if (length > sizeof paper->gathered - paper->gathered_size)
        paper_flush(paper);
    memcpy(paper->gathered + paper->gathered_size, record, length);
    paper->gathered_size += length;
}

static void append(struct paper *paper, const char *record, size_t length)
{
    if (paper->directory[0] == 0)
        return;
    if (paper->file < 0 && paper->gathered_size == 0 && paper->torn)
        gather(paper, "X\n", 2);
    gather(paper, record, length);
}

/* Slips of a head without a folder are thrown away: nothing is worth writing down. */
static bool kept(const struct paper *paper)
{
    return paper->directory[0] != 0;
}

static void tell(struct paper *paper, const struct slip_record *record)
{
    if (paper->on_slip != NULL)
        slip_text_add(&paper->text, paper->columns, record);
}

static void record_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char line[RECORD_SIZE];
    const char start[] = {'T', ' ', digits[style >> 4], digits[style & 15], ' '};
    const size_t head = sizeof start, room = sizeof line - head - 1;
    memcpy(line, start, head);
    while (length > 0 && text[length - 1] == ' ')
        length--;
    size_t size = cp866_to_utf8(text, length < room / 3 ? length : room / 3, line + head, room);
    const struct slip_record record = {
        .kind = 'T', .style = style, .length = size, .text = line + head};
    tell(paper, &record);
    line[head + size] = '\n';
    append(paper, line, head + size + 1);
}

void paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length)
{
    if (kept(paper) || paper->on_slip != NULL)
        record_line(paper, style, text, length);
    paper->blank = false;
    paper->counters.lines++;
    paper->counters.dots += (style & PAPER_TALL) != 0 ? PAPER_TALL_DOTS : PAPER_LINE_DOTS;
}

static void record_qr(struct paper *paper, uint16_t module_dots, const uint8_t *content,
                      size_t length)
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
}

void paper_qr(struct paper *paper, uint16_t module_dots, const uint8_t *content, size_t length)
{
    const struct slip_record record = {
        .kind = 'Q', .dots = module_dots, .length = length, .text = (const char *)content};
    tell(paper, &record);
    if (kept(paper))
        record_qr(paper, module_dots, content, length);
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

/* The piece gets its number, and the threads that write it out something to do. */
static void release_to_files(struct paper *paper)
{
    char name[32];
    paper_flush(paper);
    if (paper->file >= 0)
        close(paper->file);
    paper->file = -1;
    snprintf(name, sizeof name, "%06" PRIu32 ".paper", paper->number + 1);
    if (renameat(paper->directory_fd, CURRENT, paper->directory_fd, name) != 0) {
        fprintf(stderr, "print head: %s: %s\n", name, strerror(errno));
        return;
    }
    paper->number++;
    pthread_mutex_lock(&paper->lock);
    paper->cut = paper->number;
    if (paper->finisher_sleeps)
        pthread_cond_broadcast(&paper->changed);
    pthread_mutex_unlock(&paper->lock);
}

/* The piece leaves the head. */
static void release(struct paper *paper)
{
    paper->counters.slips++;
    paper->counters.torn += paper->torn;
    paper->blank = true;
    if (kept(paper))
        release_to_files(paper);
    if (paper->on_slip != NULL) {
        size_t size;
        const char *text = slip_text_whole(&paper->text, paper->torn, &size);
        paper->on_slip(paper->context, text, size, !paper->torn && !paper->text.lost);
        slip_text_clear(&paper->text);
    }
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
    uint32_t first = UINT32_MAX;
    DIR *directory = opendir(paper->directory);
    paper->number = paper->indexed = last_in_index(paper);
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
    paper->cut = paper->number;
    paper->finished = paper->drawn = first != UINT32_MAX ? first - 1 : paper->number;

    char path[PATH_SIZE];
    struct slip slip;
    snprintf(path, sizeof path, "%s/" CURRENT, paper->directory);
    if (!slip_load(&slip, path))
        return;
    if (slip.count > 0) {
        /* The process died with paper in the head: that is a loss of power. */
        paper->file = openat(paper->directory_fd, CURRENT, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (paper->file >= 0 && ftruncate(paper->file, (off_t)slip.whole_bytes) == 0) {
            paper->blank = false;
            paper->torn = slip.torn;
            for (size_t i = 0; i < slip.count; i++)
                tell(paper, &slip.records[i]);
            if (slip.cut)
                release(paper);
            else
                paper_tear(paper);
        }
    }
    paper_flush(paper);
    slip_free(&slip);
}

/* Signals are for the program's own threads. */
static bool start_thread(pthread_t *thread, void *(*run)(void *), struct paper *paper)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(thread, NULL, run, paper);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error == 0;
}

/* Everything about the directory; false with errno when it cannot be used. */
static bool open_directory(struct paper *paper, const char *directory)
{
    if (strlen(directory) >= sizeof paper->directory) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (mkdir(directory, 0777) != 0 && errno != EEXIST)
        return false;
    paper->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (paper->directory_fd < 0 || access(directory, R_OK | W_OK | X_OK) != 0)
        return false;
    memcpy(paper->directory, directory, strlen(directory) + 1);
    remove_blanks(paper);
    recover(paper);
    /* Texts and index of an earlier run are there when the head is open. */
    pthread_mutex_lock(&paper->lock);
    while (finish_next(paper)) {
    }
    pthread_mutex_unlock(&paper->lock);
    paper->finisher_runs = start_thread(&paper->finisher, run_finisher, paper);
    paper->drawer_runs =
        paper->finisher_runs && paper->png && start_thread(&paper->drawer, run_drawer, paper);
    return paper->finisher_runs && paper->drawer_runs == paper->png;
}

struct paper *paper_open(const char *directory, uint8_t columns, bool png,
                         void (*on_slip)(void *context, const char *text, size_t size,
                                         bool complete),
                         void *context)
{
    struct paper *paper = calloc(1, sizeof *paper);
    if (paper == NULL)
        return NULL;
    paper->columns = columns;
    paper->png = png;
    paper->on_slip = on_slip;
    paper->context = context;
    paper->file = paper->index_fd = paper->directory_fd = -1;
    paper->blank = true;
    pthread_mutex_init(&paper->lock, NULL);
    pthread_cond_init(&paper->changed, NULL);
    if (directory != NULL && !open_directory(paper, directory)) {
        int error = errno;
        paper_close(paper);
        errno = error;
        return NULL;
    }
    return paper;
}

void paper_close(struct paper *paper)
{
    if (paper == NULL)
        return;
    paper_flush(paper);
    pthread_mutex_lock(&paper->lock);
    paper->stop = true;
    pthread_cond_broadcast(&paper->changed);
    pthread_mutex_unlock(&paper->lock);
    if (paper->finisher_runs)
        pthread_join(paper->finisher, NULL);
    if (paper->drawer_runs)
        pthread_join(paper->drawer, NULL);
    if (paper->directory[0] != 0)
        remove_blanks(paper);
    const int files[] = {paper->file, paper->index_fd, paper->directory_fd};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (files[i] >= 0)
            close(files[i]);
    pthread_cond_destroy(&paper->changed);
    pthread_mutex_destroy(&paper->lock);
    slip_text_free(&paper->text);
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
    while (paper->finisher_runs && paper->drawn != paper->cut)
        pthread_cond_wait(&paper->changed, &paper->lock);
    pthread_mutex_unlock(&paper->lock);
}
