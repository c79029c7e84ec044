/* The files of the simulated disk: their content, the way back to what was synced, their names, and
 * what a power failure leaves of all that.
 */
#include "tests/world/disk_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 4096u

/* ---- Room ---- */

/* *bytes has room for `needed` of `width` each, new room is zero. False: out of memory. */
static bool reserve(void **bytes, size_t *capacity, size_t needed, size_t width)
{
    if (needed <= *capacity)
        return true;
    size_t larger = *capacity > 0 ? *capacity : (CAPACITY_FIRST + width - 1) / width;
    while (larger < needed)
        larger *= 2;
    uint8_t *grown = realloc(*bytes, larger * width);
    if (grown == NULL)
        return false;
    memset(grown + *capacity * width, 0, (larger - *capacity) * width);
    *bytes = grown;
    *capacity = larger;
    return true;
}

static bool reserve_bytes(uint8_t **bytes, size_t *capacity, size_t needed)
{
    void *room = *bytes;
    bool good = reserve(&room, capacity, needed, 1);
    *bytes = room;
    return good;
}

static bool reserve_edit(struct disk_file *file)
{
    void *room = file->edits;
    bool good = reserve(&room, &file->edit_capacity, file->edit_count + 1, sizeof *file->edits);
    file->edits = room;
    return good;
}

/* ---- Pages for the counters ---- */

static bool reserve_pages(struct disk_file *file, size_t size)
{
    return reserve_bytes(&file->touched_256.bits, &file->touched_256.capacity, size / 2048 + 1) &&
           reserve_bytes(&file->touched_4096.bits, &file->touched_4096.capacity, size / 32768 + 1);
}

/* Bytes of the pages that were not touched before. */
static uint64_t touch(struct disk_pages *pages, size_t page, size_t offset, size_t size)
{
    uint64_t fresh = 0;
    for (size_t i = offset / page; size > 0 && i <= (offset + size - 1) / page; i++) {
        uint8_t bit = (uint8_t)(1u << (i % 8));
        fresh += (pages->bits[i / 8] & bit) == 0;
        pages->bits[i / 8] |= bit;
    }
    return fresh * page;
}

static void forget_touched(struct disk_pages *pages, size_t page, const struct disk_edit *edit)
{
    size_t first = edit->offset / page;
    for (size_t i = first; edit->size > 0 && i <= (edit->offset + edit->size - 1) / page; i++)
        pages->bits[i / 8] &= (uint8_t) ~(1u << (i % 8));
}

static void forget_pages(struct disk_file *file, const struct disk_edit *edit)
{
    if (edit->is_truncation)
        return;
    forget_touched(&file->touched_256, 256, edit);
    forget_touched(&file->touched_4096, 4096, edit);
}

/* ---- Content ---- */

static void log_edit(struct disk_file *file, bool is_truncation, size_t offset, size_t size)
{
    file->edits[file->edit_count++] = (struct disk_edit){.is_truncation = is_truncation,
                                                         .offset = offset,
                                                         .size = size,
                                                         .file_size = file->size,
                                                         .before = file->before_size};
    memcpy(file->before + file->before_size, file->bytes + offset, size);
    file->before_size += size;
}

bool disk_file_write(struct disk *disk, struct disk_file *file, size_t offset, const void *bytes,
                     size_t size)
{
    size_t end = offset + size;
    if (size == 0)
        return true;
    if (!reserve_bytes(&file->bytes, &file->capacity, end))
        return false;
    if (!file->is_temporary) {
        if (!reserve_edit(file) || !reserve_pages(file, end) ||
            !reserve_bytes(&file->before, &file->before_capacity, file->before_size + size))
            return false;
        log_edit(file, false, offset, size);
        struct disk_counters *counters = &disk->status.counters;
        counters->writes++;
        counters->written_bytes += size;
        counters->page_bytes_256 += touch(&file->touched_256, 256, offset, size);
        counters->page_bytes_4096 += touch(&file->touched_4096, 4096, offset, size);
    }
    memcpy(file->bytes + offset, bytes, size);
    if (end > file->size)
        file->size = end;
    return true;
}

/* The size alone changes; there is room for it. */
static void set_size(struct disk_file *file, size_t size)
{
    if (size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    file->size = size;
}

bool disk_file_truncate(struct disk_file *file, size_t size)
{
    size_t covered = size < file->size ? file->size - size : 0;
    if (size == file->size)
        return true;
    if (!reserve_bytes(&file->bytes, &file->capacity, size))
        return false;
    if (!file->is_temporary) {
        if (!reserve_edit(file) ||
            !reserve_bytes(&file->before, &file->before_capacity, file->before_size + covered + 1))
            return false;
        log_edit(file, true, size, covered);
    }
    set_size(file, size);
    return true;
}

void disk_file_settle(struct disk_file *file, size_t edits)
{
    assert(edits <= file->edit_count);
    size_t left = file->edit_count - edits;
    for (size_t i = 0; i < edits; i++)
        forget_pages(file, &file->edits[i]);
    size_t gone = left > 0 ? file->edits[edits].before : file->before_size;
    for (size_t i = 0; i < left; i++) {
        file->edits[i] = file->edits[edits + i];
        file->edits[i].before -= gone;
        if (file->edits[i].is_truncation)
            continue;
        touch(&file->touched_256, 256, file->edits[i].offset, file->edits[i].size);
        touch(&file->touched_4096, 4096, file->edits[i].offset, file->edits[i].size);
    }
    if (left > 0)
        memmove(file->before, file->before + gone, file->before_size - gone);
    file->before_size -= gone;
    file->edit_count = left;
}

/* ---- Names ---- */

struct disk_file *disk_file_find(const struct disk *disk, const char *name)
{
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->linked && strcmp(file->name, name) == 0)
            return file;
    }
    return NULL;
}

struct disk_file *disk_file_create(struct disk *disk, const char *name)
{
    struct disk_file *file = calloc(1, sizeof *file);
    struct disk_file **end = &disk->files;
    if (file == NULL)
        return NULL;
    if (name != NULL) {
        assert(strlen(name) < sizeof file->name);
        memcpy(file->name, name, strlen(name) + 1);
    }
    file->linked = name != NULL;
    file->is_temporary = name == NULL;
    while (*end != NULL)
        end = &(*end)->next;
    *end = file;
    return file;
}

static void free_file(struct disk_file *file)
{
    free(file->bytes);
    free(file->edits);
    free(file->before);
    free(file->touched_256.bits);
    free(file->touched_4096.bits);
    free(file);
}

void disk_files_free(struct disk_file *files)
{
    while (files != NULL) {
        struct disk_file *next = files->next;
        free_file(files);
        files = next;
    }
}

void disk_files_sweep(struct disk *disk)
{
    struct disk_file **at = &disk->files;
    while (*at != NULL) {
        struct disk_file *file = *at;
        if (file->linked || file->linked_durably || file->handles != NULL) {
            at = &file->next;
        } else {
            *at = file->next;
            free_file(file);
        }
    }
}

void disk_file_unlink(struct disk *disk, struct disk_file *file)
{
    file->linked = false;
    disk_files_sweep(disk);
}

void disk_file_settle_name(struct disk *disk, struct disk_file *file)
{
    if (!file->linked || file->linked_durably)
        return;
    for (struct disk_file *other = disk->files; other != NULL; other = other->next) {
        if (strcmp(other->name, file->name) == 0)
            other->linked_durably = false;
    }
    file->linked_durably = true;
    disk_files_sweep(disk);
}

static size_t folder_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash == NULL ? 0 : (size_t)(slash - name) + 1;
}

void disk_folder_settle(struct disk *disk, const char *name)
{
    size_t length = folder_length(name);
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (folder_length(file->name) == length && strncmp(file->name, name, length) == 0)
            file->linked_durably = file->linked;
    }
    disk_files_sweep(disk);
}

/* ---- Power failure ---- */

uint32_t disk_random(uint64_t *state)
{
    uint64_t mixed = *state += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)((mixed ^ (mixed >> 31)) >> 16);
}

static void exchange(uint8_t *one, uint8_t *other, size_t size)
{
    uint8_t held[1024];
    while (size > 0) {
        size_t part = size < sizeof held ? size : sizeof held;
        memcpy(held, one, part);
        memcpy(one, other, part);
        memcpy(other, held, part);
        one += part;
        other += part;
        size -= part;
    }
}

/* Back to what was synced; the log holds the new bytes afterwards. */
static void undo_edits(struct disk_file *file)
{
    for (size_t i = file->edit_count; i-- > 0;) {
        const struct disk_edit *edit = &file->edits[i];
        exchange(file->bytes + edit->offset, file->before + edit->before, edit->size);
        file->size = edit->file_size;
    }
}

enum kept { KEPT_NOTHING, KEPT_PIECE, KEPT_ALL };

static enum kept keep_write(struct disk_file *file, const struct disk_edit *edit, enum kept wanted,
                            uint64_t *random)
{
    size_t first = edit->offset / DISK_SECTOR;
    size_t last = (edit->offset + edit->size - 1) / DISK_SECTOR;
    size_t from = edit->offset, to = edit->offset + edit->size;
    if (wanted == KEPT_PIECE) {
        size_t sectors = last - first + 1;
        size_t begin = first + disk_random(random) % sectors;
        size_t end = begin + 1 + disk_random(random) % (first + sectors - begin);
        if (begin * DISK_SECTOR > from)
            from = begin * DISK_SECTOR;
        if (end * DISK_SECTOR < to)
            to = end * DISK_SECTOR;
    } else if (wanted == KEPT_NOTHING) {
        return KEPT_NOTHING;
    }
    memcpy(file->bytes + from, file->before + edit->before + (from - edit->offset), to - from);
    if (to > file->size)
        file->size = to;
    return to - from == edit->size ? KEPT_ALL : KEPT_PIECE;
}

/* How a disk may have been caught: before it began, when it had finished, at work from the oldest
 * write on, or at work in an order of its own. */
enum caught { CAUGHT_BEFORE, CAUGHT_AFTER, CAUGHT_IN_ORDER, CAUGHT_ANYHOW, CAUGHT_WAYS };

static void redo_edits(struct disk_file *file, uint64_t *random, struct disk_counters *counters)
{
    enum caught caught = (enum caught)(disk_random(random) % CAUGHT_WAYS);
    size_t reached = disk_random(random) % file->edit_count;
    for (size_t i = 0; i < file->edit_count; i++) {
        const struct disk_edit *edit = &file->edits[i];
        enum kept kept = (enum kept)(disk_random(random) % 3);
        if (caught == CAUGHT_BEFORE || (caught == CAUGHT_IN_ORDER && i > reached))
            kept = KEPT_NOTHING;
        else if (caught == CAUGHT_AFTER || (caught == CAUGHT_IN_ORDER && i < reached))
            kept = KEPT_ALL;
        if (edit->is_truncation) {
            if (kept != KEPT_NOTHING)
                set_size(file, edit->offset);
            continue;
        }
        kept = keep_write(file, edit, kept, random);
        counters->lost_writes += kept == KEPT_NOTHING;
        counters->torn_writes += kept == KEPT_PIECE;
    }
}

/* A name that two files bear, the one that programs find and the one that is durable, keeps one. */
static void settle_names_by_chance(struct disk *disk, uint64_t *random)
{
    for (struct disk_file *old = disk->files; old != NULL; old = old->next) {
        if (old->linked || !old->linked_durably)
            continue;
        struct disk_file *young = disk_file_find(disk, old->name);
        bool back = disk_random(random) % 2 == 0;
        old->linked = old->linked_durably = back;
        if (young != NULL)
            young->linked = young->linked_durably = !back;
    }
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->linked && !file->linked_durably)
            file->linked = file->linked_durably = disk_random(random) % 2 == 0;
    }
}

void disk_files_crash(struct disk *disk, uint64_t *random)
{
    settle_names_by_chance(disk, random);
    disk_files_sweep(disk);
    for (struct disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->edit_count == 0)
            continue;
        undo_edits(file);
        redo_edits(file, random, &disk->status.counters);
        disk_file_settle(file, file->edit_count);
    }
}

/* ---- Copies ---- */

static bool copy_bytes(uint8_t **out, size_t *capacity, const uint8_t *from, size_t size,
                       size_t room)
{
    *out = NULL;
    *capacity = 0;
    if (!reserve_bytes(out, capacity, room))
        return false;
    if (size > 0)
        memcpy(*out, from, size);
    return true;
}

static bool copy_pages(struct disk_pages *out, const struct disk_pages *from)
{
    return copy_bytes(&out->bits, &out->capacity, from->bits, from->capacity, from->capacity);
}

static struct disk_file *copy_file(const struct disk_file *file)
{
    struct disk_file *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return NULL;
    *copy = *file;
    copy->next = NULL;
    copy->handles = NULL;
    copy->shared = NULL;
    copy->edits = NULL;
    copy->edit_capacity = 0;
    /* The log may lead back to a larger file. */
    size_t room = file->edit_count > 0 ? file->capacity : file->size;
    bool good = copy_bytes(&copy->bytes, &copy->capacity, file->bytes, file->size, room);
    good &= copy_bytes(&copy->before, &copy->before_capacity, file->before, file->before_size,
                       file->before_size);
    good &= copy_pages(&copy->touched_256, &file->touched_256);
    good &= copy_pages(&copy->touched_4096, &file->touched_4096);
    if (file->edit_count > 0) {
        copy->edits = malloc(file->edit_count * sizeof *copy->edits);
        if (copy->edits != NULL) {
            memcpy(copy->edits, file->edits, file->edit_count * sizeof *copy->edits);
            copy->edit_capacity = file->edit_count;
        }
        good &= copy->edits != NULL;
    }
    if (good)
        return copy;
    free_file(copy);
    return NULL;
}

bool disk_files_copy(const struct disk_file *files, struct disk_file **out)
{
    struct disk_file **end = out;
    *out = NULL;
    for (; files != NULL; files = files->next) {
        *end = copy_file(files);
        if (*end == NULL) {
            disk_files_free(*out);
            *out = NULL;
            return false;
        }
        end = &(*end)->next;
    }
    return true;
}
