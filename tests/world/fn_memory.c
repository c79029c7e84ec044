/* One log of writes serves both cuts and marks: an entry keeps what a write covered. Entries from
 * `synced` on may be torn; entries from a mark on may be taken back, the last one first. A tear is
 * a write of its own.
 */
#include "tests/world/fn_memory.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/crc.h"

struct entry {
    uint64_t offset, length;
    uint64_t size_before; /* of the whole; bytes behind it did not exist */
    size_t old;           /* where `covered` has the bytes that did */
};

struct position {
    size_t entries, synced, covered;
    uint64_t size, operations;
};

struct fn_memory {
    struct fnm_storage storage;
    uint8_t *bytes;
    uint64_t size;
    size_t capacity;
    bool exists, opened, dead;
    uint64_t operations, cut_at;
    enum fn_memory_tear tear;
    uint32_t argument;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    size_t synced; /* entries before it are safe */
    uint8_t *covered;
    size_t covered_size, covered_capacity;
    struct position *marks;
    size_t mark_count, mark_capacity;
};

static bool room(void **list, size_t *capacity, size_t wanted, size_t element, size_t least)
{
    size_t larger = *capacity == 0 ? least : *capacity;
    if (wanted <= *capacity)
        return true;
    while (larger < wanted)
        larger *= 2;
    void *grown = realloc(*list, larger * element);
    if (grown == NULL)
        return false;
    *list = grown;
    *capacity = larger;
    return true;
}

static bool bytes_room(struct fn_memory *memory, uint64_t size)
{
    void *list = memory->bytes;
    bool good = room(&list, &memory->capacity, size, 1, 8192);
    memory->bytes = list;
    return good;
}

/* ---- the log ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How many bytes of a write at `offset` were there before. */
static size_t overlap(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset >= size ? 0 : (size_t)smaller(length, size - offset);
}

static bool remember(struct fn_memory *memory, uint64_t offset, uint64_t length)
{
    size_t covered = overlap(offset, length, memory->size);
    void *entries = memory->entries;
    void *old = memory->covered;
    bool good = room(&entries, &memory->entry_capacity, memory->entry_count + 1,
                     sizeof *memory->entries, 16);
    memory->entries = entries;
    good = good && room(&old, &memory->covered_capacity, memory->covered_size + covered, 1, 4096);
    memory->covered = old;
    if (!good)
        return false;
    memory->entries[memory->entry_count++] = (struct entry){.offset = offset,
                                                            .length = length,
                                                            .size_before = memory->size,
                                                            .old = memory->covered_size};
    if (covered > 0)
        memcpy(memory->covered + memory->covered_size, memory->bytes + offset, covered);
    memory->covered_size += covered;
    return true;
}

static void set_size(struct fn_memory *memory, uint64_t size)
{
    if (size > memory->size)
        memset(memory->bytes + memory->size, 0, size - memory->size);
    memory->size = size;
}

/* NULL data: zeros. */
static bool put(struct fn_memory *memory, uint64_t offset, const void *data, uint64_t length)
{
    uint64_t end = offset + length;
    if (!bytes_room(memory, end) || !remember(memory, offset, length))
        return false;
    if (end > memory->size)
        set_size(memory, end);
    if (data != NULL)
        memcpy(memory->bytes + offset, data, length);
    else
        memset(memory->bytes + offset, 0, length);
    return true;
}

/* Everything so far is safe; without a mark nobody will ask for the log again. */
static void settle(struct fn_memory *memory)
{
    if (memory->mark_count == 0)
        memory->entry_count = memory->covered_size = 0;
    memory->synced = memory->entry_count;
}

static void take_back(struct fn_memory *memory, const struct entry *entry)
{
    size_t covered = overlap(entry->offset, entry->length, entry->size_before);
    set_size(memory, entry->size_before);
    if (covered > 0)
        memcpy(memory->bytes + entry->offset, memory->covered + entry->old, covered);
    memory->exists = memory->size > 0;
}

/* ---- tearing ---- */

static uint32_t roll(uint32_t *dice)
{
    *dice = *dice * 1664525u + 1013904223u;
    return *dice >> 16;
}

/* One byte of a torn write. */
static uint8_t torn(const struct fn_memory *memory, const struct entry *entry, uint64_t place,
                    uint64_t kept, uint32_t *dice)
{
    size_t covered = overlap(entry->offset, entry->length, entry->size_before);
    uint8_t new = memory->bytes[entry->offset + place];
    uint8_t old = place < covered ? memory->covered[entry->old + place] : 0;
    switch (memory->tear) {
    case FN_MEMORY_TEAR_PREFIX:
        return place < kept ? new : old;
    case FN_MEMORY_TEAR_SUFFIX:
        return place >= entry->length - kept ? new : old;
    case FN_MEMORY_TEAR_SUBSET:
        return (roll(dice) & 1u) != 0 ? new : old;
    case FN_MEMORY_TEAR_NOISE:
        return (uint8_t)roll(dice);
    case FN_MEMORY_TEAR_NOTHING:
    case FN_MEMORY_TEAR_ALL:
    case FN_MEMORY_TEARS:
        break;
    }
    return new;
}

static void tear_one(struct fn_memory *memory, const struct entry *entry)
{
    uint64_t kept = memory->argument % (entry->length + 1);
    uint64_t end = entry->offset + entry->length;
    uint32_t dice = memory->argument ^ 0x7EA2u;
    if (memory->tear == FN_MEMORY_TEAR_ALL)
        return;
    if (memory->tear == FN_MEMORY_TEAR_NOTHING) {
        take_back(memory, entry);
        return;
    }
    for (uint64_t place = 0; place < entry->length && entry->offset + place < memory->size; place++)
        memory->bytes[entry->offset + place] = torn(memory, entry, place, kept, &dice);
    if (memory->tear == FN_MEMORY_TEAR_PREFIX && end > entry->size_before) {
        uint64_t length = kept == 0 ? 0 : entry->offset + kept;
        set_size(memory,
                 smaller(memory->size, length > entry->size_before ? length : entry->size_before));
    }
}

static void die(struct fn_memory *memory)
{
    for (size_t i = memory->entry_count; i > memory->synced; i--) {
        struct entry entry = memory->entries[i - 1];
        /* A mark between the write and now wants the write whole. */
        if (memory->mark_count > 0 && !remember(memory, entry.offset, entry.length))
            abort();
        tear_one(memory, &entry);
    }
    settle(memory);
    memory->dead = true;
    memory->cut_at = 0;
}

/* True: this is where the power fails. */
static bool count(struct fn_memory *memory)
{
    return ++memory->operations == memory->cut_at;
}

/* ---- struct fnm_storage ---- */

static int memory_open(void *context, const char **fault)
{
    struct fn_memory *memory = context;
    if (memory->dead || memory->opened) {
        *fault = memory->dead ? "the power is off" : "in use by another program";
        return -1;
    }
    if (!memory->exists) {
        *fault = "nothing there";
        return 0;
    }
    memory->opened = true;
    return 1;
}

static bool memory_create(void *context, const uint8_t *header, size_t header_size, uint64_t size,
                          const char **fault)
{
    struct fn_memory *memory = context;
    *fault = "the power is off";
    if (memory->dead)
        return false;
    bool cut = count(memory);
    /* Whole or absent: it has no name yet. */
    if (cut && memory->tear != FN_MEMORY_TEAR_ALL) {
        die(memory);
        return false;
    }
    if (!bytes_room(memory, size) || !put(memory, 0, header, header_size)) {
        *fault = "out of memory";
        return false;
    }
    set_size(memory, size);
    memory->exists = true;
    settle(memory);
    if (cut)
        die(memory);
    return !cut;
}

static bool memory_size(void *context, uint64_t *size)
{
    const struct fn_memory *memory = context;
    *size = memory->size;
    return !memory->dead;
}

static bool memory_read(void *context, uint64_t offset, void *data, size_t size)
{
    const struct fn_memory *memory = context;
    if (memory->dead || offset > memory->size || size > memory->size - offset)
        return false;
    memcpy(data, memory->bytes + offset, size);
    return true;
}

static bool change(struct fn_memory *memory, uint64_t offset, const void *data, uint64_t length)
{
    if (memory->dead)
        return false;
    bool cut = count(memory);
    bool good = put(memory, offset, data, length);
    if (cut)
        die(memory);
    return good && !cut;
}

static bool memory_write(void *context, uint64_t offset, const void *data, size_t size)
{
    return change(context, offset, data, size);
}

static bool memory_zero(void *context, uint64_t from, uint64_t to)
{
    return change(context, from, NULL, to - from);
}

static bool memory_sync(void *context)
{
    struct fn_memory *memory = context;
    if (memory->dead)
        return false;
    if (count(memory)) {
        die(memory);
        return false;
    }
    settle(memory);
    return true;
}

static const uint8_t *memory_map(void *context, uint64_t size, const char **fault)
{
    const struct fn_memory *memory = context;
    *fault = "the power is off";
    return memory->dead || size > memory->size ? NULL : memory->bytes;
}

static void memory_unmap(void *context, const uint8_t *map, uint64_t size)
{
    (void)context;
    (void)map;
    (void)size;
}

static void memory_close(void *context)
{
    ((struct fn_memory *)context)->opened = false;
}

/* ---- the world's side ---- */

void fn_memory_format(struct fn_memory *memory)
{
    assert(!memory->opened);
    memory->size = memory->operations = memory->cut_at = 0;
    memory->exists = memory->dead = false;
    memory->entry_count = memory->covered_size = memory->synced = memory->mark_count = 0;
}

struct fn_memory *fn_memory_create(uint32_t chunk)
{
    struct fn_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    memory->storage = (struct fnm_storage){.context = memory,
                                           .name = "memory",
                                           .chunk = chunk,
                                           .open = memory_open,
                                           .create = memory_create,
                                           .size = memory_size,
                                           .read = memory_read,
                                           .write = memory_write,
                                           .zero = memory_zero,
                                           .sync = memory_sync,
                                           .map = memory_map,
                                           .unmap = memory_unmap,
                                           .close = memory_close};
    return memory;
}

void fn_memory_destroy(struct fn_memory *memory)
{
    if (memory == NULL)
        return;
    free(memory->bytes);
    free(memory->entries);
    free(memory->covered);
    free(memory->marks);
    free(memory);
}

const struct fnm_storage *fn_memory_storage(const struct fn_memory *memory)
{
    return &memory->storage;
}

uint64_t fn_memory_operations(const struct fn_memory *memory)
{
    return memory->operations;
}

void fn_memory_cut_at(struct fn_memory *memory, uint64_t operation, enum fn_memory_tear tear,
                      uint32_t argument)
{
    memory->cut_at = operation;
    memory->tear = tear;
    memory->argument = argument;
}

bool fn_memory_is_dead(const struct fn_memory *memory)
{
    return memory->dead;
}

void fn_memory_kill(struct fn_memory *memory, enum fn_memory_tear tear, uint32_t argument)
{
    if (memory->dead)
        return;
    fn_memory_cut_at(memory, 0, tear, argument);
    die(memory);
}

void fn_memory_revive(struct fn_memory *memory)
{
    assert(!memory->opened);
    memory->dead = false;
}

uint32_t fn_memory_save(struct fn_memory *memory)
{
    void *marks = memory->marks;
    bool good =
        room(&marks, &memory->mark_capacity, memory->mark_count + 1, sizeof *memory->marks, 4);
    memory->marks = marks;
    if (!good || memory->dead)
        return 0;
    memory->marks[memory->mark_count++] = (struct position){.entries = memory->entry_count,
                                                            .synced = memory->synced,
                                                            .covered = memory->covered_size,
                                                            .size = memory->size,
                                                            .operations = memory->operations};
    return (uint32_t)memory->mark_count;
}

void fn_memory_restore(struct fn_memory *memory, uint32_t mark)
{
    assert(!memory->opened && mark > 0 && mark <= memory->mark_count);
    const struct position *position = &memory->marks[mark - 1];
    while (memory->entry_count > position->entries)
        take_back(memory, &memory->entries[--memory->entry_count]);
    assert(memory->size == position->size);
    memory->covered_size = position->covered;
    memory->synced = position->synced;
    memory->operations = position->operations;
    memory->mark_count = mark;
    memory->dead = false;
    memory->cut_at = 0;
}

void fn_memory_release(struct fn_memory *memory)
{
    memory->mark_count = 0;
    if (memory->synced == memory->entry_count)
        settle(memory);
}

const uint8_t *fn_memory_bytes(const struct fn_memory *memory, uint64_t *size)
{
    *size = memory->size;
    return memory->bytes;
}

uint32_t fn_memory_digest(const struct fn_memory *memory)
{
    uint8_t length[8];
    struct byte_writer writer;
    byte_writer_init(&writer, length, sizeof length);
    put_uint_le(&writer, memory->size, 8);
    return crc32c_update(crc32c_update(CRC32C_INIT, memory->bytes, memory->size), length,
                         sizeof length);
}
