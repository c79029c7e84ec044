/* Counts what the journal costs: flash read at boot and in a lookup, RAM of a lookup, bytes
 * programmed and erases for receipts, and the last two for the same records through SQLite.
 *
 *     journal_bench WORK_FOLDER
 *
 * SQLite stands for a ready-made store: WAL, synchronous FULL, pages of 4096, a row a record, an
 * index over the keys, a commit for each durable step. What it writes goes through a VFS that
 * counts it as flash would take it: programs of whole 256-byte pages, an erase of a 4 KiB unit each
 * time bytes are written over others. In its favour nothing is ever deleted, the running state is
 * not stored, and what an erase takes away with it is not written back.
 */
#undef NDEBUG
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "board/posix/posix_flash.h"
#include "firmware/journal.h"
#include "tests/unit/job_records.h"
#include "tests/unit/ram_flash.h"

static struct journal_scratch test_scratch;

#define UNIT     4096u
#define PAGE     256u
#define KEPT     20000u /* jobs among which a key is looked up */
#define RECEIPTS 10000u /* over which bytes and erases are counted */
#define MIB      (1024u * 1024u)

static int broken;

static void figure(const char *name, double value, const char *unit, double limit)
{
    char number[32];
    bool good = limit < 0 || value <= limit;
    snprintf(number, sizeof(number), value == (double)(int64_t)value ? "%.0f" : "%.2f", value);
    if (limit < 0) /* informs only */
        printf("bench: %s %s %s limit >=0\n", name, number, unit);
    else
        printf("bench: %s %s %s limit <=%g%s\n", name, number, unit, limit, good ? "" : "  BROKEN");
    broken |= !good;
}

/* ---- The records of a receipt ---- */

#define STEPS 4u /* INTENT, DONE, PRINTING, PRINTED: each is durable before the next */

struct step {
    uint8_t type;
    uint8_t payload[512];
    size_t size;
};

static void build_steps(uint32_t job, uint32_t extra, struct step steps[STEPS])
{
    static const uint8_t types[STEPS] = {JOURNAL_INTENT, JOURNAL_DONE, JOURNAL_PRINTING,
                                         JOURNAL_PRINTED};
    struct job_intent intent = job_records_intent(job, LINK_RECEIPT, 1);
    struct job_done done = job_records_done(&intent, job + 1);
    for (unsigned i = 0; i < STEPS; i++) {
        struct byte_writer writer;
        steps[i].type = types[i];
        byte_writer_init(&writer, steps[i].payload, sizeof(steps[i].payload));
        if (i == 0)
            job_intent_put(&writer, &intent);
        else if (i == 1)
            job_done_put(&writer, &done);
        else
            put_u32le(&writer, job + 1);
        if (i < 2) /* a newer version's longer payload */
            put_fill(&writer, 0x5A, extra / 2);
        assert(byte_writer_ok(&writer));
        steps[i].size = writer.length;
    }
}

/* ---- The journal ---- */

struct shop {
    struct ram_flash flash;
    struct board board;
    struct journal journal;
    struct journal_region region;
    struct register_state state;
    uint32_t jobs;
};

static void checkpoint(void *user, struct byte_writer *writer)
{
    const struct shop *shop = user;
    register_state_put(&shop->state, writer);
}

static void mount(struct shop *shop)
{
    uint16_t error =
        journal_mount(&shop->journal, &shop->board, shop->region, NULL, checkpoint, shop);
    assert(error == ERROR_NONE);
}

static struct shop *open_shop(uint32_t size, uint32_t first)
{
    struct shop *shop = calloc(1, sizeof(*shop));
    assert(shop != NULL);
    ram_flash_init(&shop->flash, size, UNIT, PAGE, 0xFF);
    ram_flash_board(&shop->flash, &shop->board);
    shop->region = (struct journal_region){first, size / UNIT - first, &test_scratch};
    register_state_init(&shop->state);
    mount(shop);
    return shop;
}

static void close_shop(struct shop *shop)
{
    ram_flash_free(&shop->flash);
    free(shop);
}

static void punch(struct shop *shop, uint32_t extra)
{
    struct step steps[STEPS];
    build_steps(shop->jobs++, extra, steps);
    for (unsigned i = 0; i < STEPS; i++) {
        struct journal_record record;
        uint16_t error =
            journal_append(&shop->journal, steps[i].type, steps[i].payload, steps[i].size, &record);
        assert(error == ERROR_NONE && journal_sync(&shop->journal) == ERROR_NONE);
        register_state_apply(&shop->state, &record, steps[i].payload);
    }
    while (journal_maintain(&shop->journal)) {
    }
}

static bool is_full(const struct shop *shop)
{
    return shop->journal.used_sectors + shop->journal.erased_ahead >= shop->journal.sectors;
}

/* The dearest of the mounts while one sector is filled. */
static void bench_boot(void)
{
    struct shop *shop = open_shop(16 * MIB, 0);
    while (!is_full(shop) || shop->journal.head_generation < 2 * shop->journal.sectors)
        punch(shop, 0);
    uint64_t most = 0;
    uint32_t sectors = shop->journal.head_generation + 2;
    while (shop->journal.head_generation < sectors) {
        uint64_t before = shop->flash.read_bytes;
        mount(shop);
        uint64_t bytes = shop->flash.read_bytes - before;
        most = bytes > most ? bytes : most;
        punch(shop, 0);
    }
    figure("boot_read_bytes_16m", (double)most, "bytes", 65536.0 + shop->journal.sector_size);
    close_shop(shop);
}

static void bench_bytes(double *bytes_per_receipt)
{
    struct shop *shop = open_shop(POSIX_FLASH_DEFAULT_SIZE, SETTINGS_SECTORS);
    while (!is_full(shop))
        punch(shop, 0);
    uint64_t bytes = shop->flash.programmed_bytes;
    uint64_t erases = shop->flash.erases;
    for (uint32_t i = 0; i < RECEIPTS; i++)
        punch(shop, 0);
    *bytes_per_receipt = (double)(shop->flash.programmed_bytes - bytes) / RECEIPTS;
    figure("journal_bytes_per_receipt_10000", *bytes_per_receipt, "bytes", 1024);
    figure("erases_per_10000_receipts", (double)(shop->flash.erases - erases), "erases", -1);
    close_shop(shop);
}

static uint64_t find_bytes(struct shop *shop, uint32_t job, int expected)
{
    uint8_t key[KEY_SIZE], payload[512];
    uint64_t before = shop->flash.read_bytes;
    job_records_key(job, key);
    int found = journal_find(&shop->journal, key, 1u << JOURNAL_INTENT | 1u << JOURNAL_DONE, NULL,
                             payload, sizeof(payload));
    assert(found == expected);
    return shop->flash.read_bytes - before;
}

/* ---- Stack of a lookup: painted, and looked at afterwards ---- */

#define STACK_BYTES 65536u
#define PAINT       0xA5

static uint8_t painted[STACK_BYTES] __attribute__((aligned(16)));
static struct shop *stack_shop;
static uint32_t stack_job;

static void on_painted_stack(void)
{
    if (stack_shop == NULL)
        return;
    uint8_t key[KEY_SIZE];
    job_records_key(stack_job, key);
    (void)journal_find(&stack_shop->journal, key, UINT32_MAX, NULL, NULL, 0);
}

static uint32_t stack_used(struct shop *shop, uint32_t job)
{
    static ucontext_t here, there;
    stack_shop = shop;
    stack_job = job;
    memset(painted, PAINT, sizeof(painted));
    assert(getcontext(&there) == 0);
    there.uc_stack.ss_sp = painted;
    there.uc_stack.ss_size = sizeof(painted);
    there.uc_link = &here;
    makecontext(&there, on_painted_stack, 0);
    assert(swapcontext(&here, &there) == 0);
    uint32_t untouched = 0;
    while (untouched < STACK_BYTES && painted[untouched] == PAINT)
        untouched++;
    return STACK_BYTES - untouched;
}

static uint32_t most_stack(struct shop *shop)
{
    uint32_t nothing = stack_used(NULL, 0);
    uint32_t most = 0;
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t used = stack_used(shop, i % 2 == 0 ? i * 97 : KEPT + i);
        most = used > most ? used : most;
    }
    return most - nothing;
}

/* Every one of 20,000 kept keys, and as many absent ones. Twice: on the flash of a new kkt-board,
 * and spread over a full 16 MiB log, where there are most footers. */
static void bench_find(void)
{
    uint64_t most_present = 0, most_absent = 0;
    uint32_t stack = 0;
    for (unsigned large = 0; large < 2; large++) {
        struct shop *shop = open_shop(large == 0 ? POSIX_FLASH_DEFAULT_SIZE : 16 * MIB,
                                      large == 0 ? SETTINGS_SECTORS : 0);
        uint32_t extra = large == 0 ? 0 : 600;
        while (shop->jobs < KEPT)
            punch(shop, extra);
        assert(large == 0 || shop->journal.used_sectors > 480);
        mount(shop);
        for (uint32_t job = 0; job < KEPT; job++) {
            uint64_t present = find_bytes(shop, job, 1);
            uint64_t absent = find_bytes(shop, KEPT + job, 0);
            most_present = present > most_present ? present : most_present;
            most_absent = absent > most_absent ? absent : most_absent;
        }
        uint32_t used = most_stack(shop);
        stack = used > stack ? used : stack;
        close_shop(shop);
    }
    figure("find_present_max_bytes", (double)most_present, "bytes", 65536);
    figure("find_absent_max_bytes", (double)most_absent, "bytes", 65536);
    figure("find_ram_bytes", (double)(sizeof(struct journal) + stack), "bytes", 8192);
}

/* ---- SQLite through a VFS that counts ---- */

#define FILE_BYTES_MAX (64u * MIB)

struct counted_file {
    sqlite3_file base;
    uint8_t *written; /* per byte: holds something since its unit was erased */
    sqlite3_file *real;
};

static uint64_t sqlite_bytes, sqlite_erases;

static struct counted_file *counted(sqlite3_file *file)
{
    return (struct counted_file *)file;
}

/* One unit: written over something, it is erased first, and what lay behind is gone with it. */
static void count_unit(uint8_t *unit, size_t from, size_t size)
{
    if (memchr(unit + from, 1, size) != NULL) {
        sqlite_erases++;
        memset(unit + from, 0, UNIT - from);
    }
    memset(unit + from, 1, size);
}

static int counted_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    struct counted_file *self = counted(file);
    uint64_t first = (uint64_t)offset / PAGE;
    uint64_t last = ((uint64_t)offset + (uint64_t)size - 1) / PAGE;
    assert(size > 0 && (uint64_t)offset + (uint64_t)size <= FILE_BYTES_MAX);
    sqlite_bytes += (last - first + 1) * PAGE;
    for (size_t done = 0; done < (size_t)size;) {
        size_t at = (size_t)offset + done;
        size_t part = UNIT - at % UNIT;
        part = part < (size_t)size - done ? part : (size_t)size - done;
        count_unit(self->written + at - at % UNIT, at % UNIT, part);
        done += part;
    }
    return self->real->pMethods->xWrite(self->real, data, size, offset);
}

static int counted_close(sqlite3_file *file)
{
    struct counted_file *self = counted(file);
    int result = self->real->pMethods->xClose(self->real);
    free(self->written);
    free(self->real);
    return result;
}

/* What is counted does not depend on when it reaches the disk of this machine. */
static int counted_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags;
    return SQLITE_OK;
}

static int counted_read(sqlite3_file *file, void *data, int size, sqlite3_int64 offset)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xRead(real, data, size, offset);
}

static int counted_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xTruncate(real, size);
}

static int counted_size(sqlite3_file *file, sqlite3_int64 *size)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xFileSize(real, size);
}

static int counted_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xLock(real, level);
}

static int counted_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int counted_check_lock(sqlite3_file *file, int *result)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xCheckReservedLock(real, result);
}

static int counted_control(sqlite3_file *file, int operation, void *argument)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xFileControl(real, operation, argument);
}

static int counted_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int counted_traits(sqlite3_file *file)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int counted_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xShmMap(real, page, size, extend, out);
}

static int counted_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void counted_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = counted(file)->real;
    real->pMethods->xShmBarrier(real);
}

static int counted_shm_unmap(sqlite3_file *file, int remove_it)
{
    sqlite3_file *real = counted(file)->real;
    return real->pMethods->xShmUnmap(real, remove_it);
}

static const sqlite3_io_methods counted_methods = {
    .iVersion = 2,
    .xClose = counted_close,
    .xRead = counted_read,
    .xWrite = counted_write,
    .xTruncate = counted_truncate,
    .xSync = counted_sync,
    .xFileSize = counted_size,
    .xLock = counted_lock,
    .xUnlock = counted_unlock,
    .xCheckReservedLock = counted_check_lock,
    .xFileControl = counted_control,
    .xSectorSize = counted_sector_size,
    .xDeviceCharacteristics = counted_traits,
    .xShmMap = counted_shm_map,
    .xShmLock = counted_shm_lock,
    .xShmBarrier = counted_shm_barrier,
    .xShmUnmap = counted_shm_unmap,
};

static int counted_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                        int *out_flags)
{
    sqlite3_vfs *real_vfs = vfs->pAppData;
    struct counted_file *self = counted(file);
    self->written = calloc(1, FILE_BYTES_MAX);
    self->real = calloc(1, (size_t)real_vfs->szOsFile);
    assert(self->written != NULL && self->real != NULL);
    int result = real_vfs->xOpen(real_vfs, name, self->real, flags, out_flags);
    file->pMethods = &counted_methods;
    assert(result == SQLITE_OK);
    return result;
}

static void must(int result, sqlite3 *database)
{
    if (result == SQLITE_OK || result == SQLITE_DONE)
        return;
    fprintf(stderr, "journal_bench: SQLite: %s\n", sqlite3_errmsg(database));
    exit(1);
}

/* One commit. */
static void insert(sqlite3 *database, sqlite3_stmt *statement, const struct step *step)
{
    must(sqlite3_bind_int(statement, 1, step->type), database);
    if (step->size > KEY_SIZE)
        must(sqlite3_bind_blob(statement, 2, step->payload, KEY_SIZE, SQLITE_STATIC), database);
    else
        must(sqlite3_bind_null(statement, 2), database);
    /* The key is not stored twice. */
    size_t from = step->size > KEY_SIZE ? KEY_SIZE : 0;
    must(sqlite3_bind_blob(statement, 3, step->payload + from, (int)(step->size - from),
                           SQLITE_STATIC),
         database);
    must(sqlite3_step(statement), database);
    must(sqlite3_reset(statement), database);
}

static void bench_sqlite(const char *folder, double journal_bytes)
{
    static sqlite3_vfs vfs;
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    char path[512];
    vfs = *real;
    vfs.szOsFile = (int)sizeof(struct counted_file);
    vfs.zName = "counted";
    vfs.pAppData = real;
    vfs.pNext = NULL;
    vfs.xOpen = counted_open;
    must(sqlite3_vfs_register(&vfs, 0), NULL);
    snprintf(path, sizeof(path), "%s/records.db", folder);
    must(sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "counted"),
         database);
    must(sqlite3_exec(database,
                      "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
                      "PRAGMA synchronous = FULL;"
                      "CREATE TABLE record (sequence INTEGER PRIMARY KEY, type INTEGER, key BLOB,"
                      " payload BLOB);"
                      "CREATE INDEX record_key ON record (key) WHERE key IS NOT NULL;",
                      NULL, NULL, NULL),
         database);
    must(sqlite3_prepare_v2(database, "INSERT INTO record (type, key, payload) VALUES (?, ?, ?)",
                            -1, &statement, NULL),
         database);
    sqlite_bytes = sqlite_erases = 0;
    for (uint32_t job = 0; job < RECEIPTS; job++) {
        struct step steps[STEPS];
        build_steps(job, 0, steps);
        for (unsigned i = 0; i < STEPS; i++)
            insert(database, statement, &steps[i]);
    }
    double bytes = (double)sqlite_bytes / RECEIPTS;
    double erases = (double)sqlite_erases;
    must(sqlite3_finalize(statement), database);
    must(sqlite3_close(database), database);
    figure("sqlite_bytes_per_receipt", bytes, "bytes", -1);
    figure("sqlite_erases_per_10000", erases, "erases", -1);
    figure("journal_to_sqlite_bytes", 100 * journal_bytes / bytes, "%", 20);
}

int main(int count, char **arguments)
{
    double journal_bytes = 0;
    if (count != 2)
        return 2;
    bench_boot();
    bench_find();
    bench_bytes(&journal_bytes);
    bench_sqlite(arguments[1], journal_bytes);
    return broken;
}
