/* Writes flash images with journals on them, and beside each what the C code reads out of it: for
 * tests/oracle/agree, which holds them against the Python reader.
 *
 *     journal_images FOLDER COUNT
 *     journal_images FOLDER UNIT FIRST UNITS ERASED    reads FOLDER/0.img, writes FOLDER/0.jsonl
 *
 * Image i goes to FOLDER/i.img, its records and facts as JSON lines to FOLDER/i.jsonl; FOLDER/index
 * tells the geometry, one line an image. Geometry, length of the workload and what becomes of it
 * are drawn from i: a cut at any operation in any tear shape (so also formats cut short, torn
 * headers, torn footers and sealed heads), rot, lost sectors, other people's data. The image is as
 * it was found: what mounting mends is done to a copy.
 */
#undef NDEBUG
#include "firmware/journal_internal.h"
#include "proto/crc.h"
#include "tests/unit/ram_flash.h"

#include <inttypes.h>
#include <stdio.h>

static struct journal_scratch test_scratch;

#define KEYS_SEEN_MAX 40000u

struct geometry {
    uint32_t unit, units, page;
    uint8_t erased;
};

static const struct geometry geometries[] = {
    {4096, 3, 256, 0xFF},   {4096, 5, 512, 0x00},  {4096, 9, 1, 0xFF},    {1024, 32, 256, 0x00},
    {1024, 48, 64, 0xFF},   {4096, 6, 256, 0xFF},  {32768, 3, 256, 0x00}, {65536, 3, 512, 0xFF},
    {262144, 3, 256, 0xFF}, {2048, 40, 256, 0x00},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

enum fate {
    FATE_NONE,
    FATE_CUT,
    FATE_CUT_AT_HEADER,
    FATE_ROT,
    FATE_ROTTEN_CHECKPOINTS,
    FATE_LOST_SECTOR,
    FATE_FOREIGN,
    FATES
};
static const char *const fate_names[FATES] = {
    "none", "cut", "cut at a header", "rot", "rotten checkpoints", "lost sector", "foreign"};

static uint64_t random_state;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

static void checkpoint(void *user, struct byte_writer *writer)
{
    const uint32_t *appended = user;
    put_u32le(writer, *appended);
    put_fill(writer, 0x5A, 60);
}

/* ---- Making an image ---- */

static void cut_at_header(void *user, struct ram_flash *flash, uint32_t address,
                          const uint8_t *data, size_t size)
{
    const struct journal *journal = user;
    (void)size;
    uint32_t base = journal->region.first_sector * flash->sector_size;
    if (flash->cut_at != 0 || journal->sector_size == 0 || address < base)
        return;
    bool header = (address - base) % journal->sector_size < JOURNAL_SECTOR_HEADER_BYTES;
    if ((header || data == NULL) && draw(6) == 0)
        ram_flash_cut_in(flash, 1, draw(RAM_TEARS));
}

static void work(struct journal *journal, uint32_t *appended, uint32_t records, uint32_t size_max)
{
    uint8_t payload[LIMIT_JOURNAL_RECORD_BYTES];
    for (uint32_t i = 0; i < records; i++) {
        uint32_t size = draw(10) == 0 ? draw(KEY_SIZE) : KEY_SIZE + draw(size_max - KEY_SIZE);
        uint8_t type = (uint8_t)(JOURNAL_INTENT + draw(7));
        for (uint32_t j = 0; j < size; j++)
            payload[j] = (uint8_t)draw(draw(4) == 0 ? 256 : 1);
        if (size >= KEY_SIZE)
            payload[draw(KEY_SIZE)] = (uint8_t)(1 + draw(200));
        if (journal_append(journal, type, payload, size, NULL) != ERROR_NONE)
            return;
        ++*appended;
        if (draw(3) != 0)
            (void)journal_maintain(journal);
        if (draw(200) == 0 && journal_rotate(journal) != ERROR_NONE)
            return;
    }
}

static void spoil(struct ram_flash *flash, enum fate fate)
{
    if (fate == FATE_ROT) {
        for (uint32_t n = 1 + draw(6); n > 0; n--) {
            uint32_t at = draw(flash->size);
            for (uint32_t bits = 1 + draw(8); bits > 0; bits--)
                flash->bytes[at] ^= (uint8_t)(1u << draw(8));
        }
    } else if (fate == FATE_ROTTEN_CHECKPOINTS) {
        uint32_t sparing = draw(5);
        for (uint32_t at = 0; at < flash->size; at += flash->sector_size) {
            if (draw(5) >= sparing)
                flash->bytes[at + JOURNAL_SECTOR_HEADER_BYTES + 14] ^= 4;
        }
    } else if (fate == FATE_LOST_SECTOR) {
        uint32_t at = draw(flash->size / flash->sector_size) * flash->sector_size;
        uint32_t reach = draw(2) == 0 ? flash->sector_size : 64;
        for (uint32_t i = 0; i < reach; i++)
            flash->bytes[at + i] = (uint8_t)draw(256);
    } else if (fate == FATE_FOREIGN) {
        uint32_t what = draw(4);
        for (uint32_t i = 0; i < flash->size && what > 0; i++) {
            uint8_t old = flash->bytes[i];
            flash->bytes[i] = what == 1 ? (uint8_t)draw(256) : what == 2 ? flash->erased : old;
        }
        if (what == 3) /* zeros everywhere but in the first unit */
            memset(flash->bytes + flash->sector_size, flash->erased ^ 0xFF,
                   flash->size - flash->sector_size);
    }
}

/* Several lives: worked, cut, mounted again, and at last spoiled. */
static void make_image(struct ram_flash *flash, const struct board *board,
                       struct journal_region region, enum fate fate)
{
    static struct journal journal;
    uint32_t appended = 0;
    bool large = flash->sector_size > 8192;
    uint32_t size_max = large ? LIMIT_JOURNAL_RECORD_BYTES : 20 + draw(500);
    uint32_t lives = 1 + draw(3);
    for (uint32_t life = 0; life < lives; life++) {
        bool last = life + 1 == lives;
        uint32_t records = draw(5) == 0 ? draw(6) : draw(large ? 160 : 420);
        memset(&journal, 0, sizeof(journal));
        if (fate == FATE_CUT && last)
            ram_flash_cut_in(flash, 1 + draw(draw(3) == 0 ? 12 : 600), draw(RAM_TEARS));
        if (fate == FATE_CUT_AT_HEADER && last) {
            flash->before = cut_at_header;
            flash->before_user = &journal;
        }
        uint16_t error = journal_mount(&journal, board, region, NULL, checkpoint, &appended);
        if (error == ERROR_NONE)
            work(&journal, &appended, records, size_max);
        flash->before = NULL;
        ram_flash_power_on(flash);
    }
    spoil(flash, fate);
}

/* ---- What the C code reads ---- */

struct reading {
    struct ram_flash chip;
    struct board board;
    struct journal journal;
    FILE *out;
    uint32_t base;
    bool made_anew;
    uint32_t records, replayed, keys;
    uint64_t last_sequence;
    uint8_t (*seen)[KEY_SIZE];
};

static void count_replayed(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct reading *reading = user;
    (void)record, (void)payload;
    reading->replayed++;
}

/* Mounting asks for a checkpoint only when it makes a log. */
static void first_checkpoint(void *user, struct byte_writer *writer)
{
    struct reading *reading = user;
    reading->made_anew = true;
    put_fill(writer, 0, 8);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, KEY_SIZE);
}

static bool print_record(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct reading *reading = user;
    uint32_t in_region = record->address - reading->base;
    uint32_t sector_size = reading->journal.sector_size;
    fprintf(reading->out,
            "{\"sequence\":%" PRIu64 ",\"code\":%u,\"size\":%u,\"sector\":%u,\"offset\":%u,"
            "\"payload\":\"",
            record->sequence, record->type, record->size, in_region / sector_size,
            in_region % sector_size);
    for (uint32_t i = 0; i < record->size; i++)
        fprintf(reading->out, "%02x", payload[i]);
    fputs("\"}\n", reading->out);
    if (type_has_key(record->type) && record->size >= KEY_SIZE) {
        assert(reading->keys < KEYS_SEEN_MAX);
        memcpy(reading->seen[reading->keys++], payload, KEY_SIZE);
    }
    reading->records++;
    return true;
}

static uint32_t distinct_keys(struct reading *reading)
{
    uint32_t distinct = 0;
    qsort(reading->seen, reading->keys, KEY_SIZE, compare_keys);
    for (uint32_t i = 0; i < reading->keys; i++)
        distinct += i == 0 || memcmp(reading->seen[i - 1], reading->seen[i], KEY_SIZE) != 0;
    return distinct;
}

/* Every key that was seen is found, in the newest record that holds it. */
static void check_lookups(struct reading *reading)
{
    for (uint32_t i = 0; i < reading->keys; i += 1 + reading->keys / 50)
        assert(journal_find(&reading->journal, reading->seen[i], UINT32_MAX, NULL, NULL, 0) == 1);
}

static void print_facts(struct reading *reading, const struct ram_flash *flash)
{
    struct journal *journal = &reading->journal;
    uint32_t damage = 0, footers = 0;
    /* Damage is counted in the image as it was found, before its tail was mended. */
    memcpy(reading->chip.bytes, flash->bytes, flash->size);
    for (uint32_t back = 0; back < journal->used_sectors; back++) {
        struct scan scan;
        scan_start(&scan, journal, place_back(journal, back, JOURNAL_SECTOR_HEADER_BYTES),
                   journal->sector_size);
        while (scan_next(&scan, true)) {
        }
        damage += scan.damaged;
        footers += footer_is_whole(journal, place_back(journal, back, 0));
    }
    fprintf(reading->out,
            "{\"facts\":{\"version\":%u,\"sectors\":%u,\"sector_size\":%u,\"head_sector\":%u,"
            "\"generation\":%u,\"oldest_generation\":%u,\"last_sequence\":%" PRIu64 ",",
            JOURNAL_FORMAT_VERSION, journal->sectors, journal->sector_size, journal->head_sector,
            journal->head_generation, journal->head_generation - journal->used_sectors + 1,
            reading->last_sequence);
    if (journal->head_closed)
        fputs("\"next_offset\":null,", reading->out);
    else
        fprintf(reading->out, "\"next_offset\":%u,", journal->head_offset);
    fprintf(reading->out,
            "\"erased_ahead\":%u,\"records\":%u,\"replayed\":%u,\"keys\":%u,\"footers\":%u,"
            "\"damage\":%u}}\n",
            journal->erased_ahead, reading->records, reading->replayed, distinct_keys(reading),
            footers, damage);
}

static const char *refusal(uint16_t error)
{
    return error == ERROR_VERSION_UNSUPPORTED ? "newer" : "fault";
}

static void read_image(struct reading *reading, const struct ram_flash *flash,
                       struct journal_region region)
{
    ram_flash_init(&reading->chip, flash->size, flash->sector_size, flash->page_size,
                   flash->erased);
    memcpy(reading->chip.bytes, flash->bytes, flash->size);
    ram_flash_board(&reading->chip, &reading->board);
    reading->base = region.first_sector * flash->sector_size;
    reading->made_anew = false;
    reading->records = reading->replayed = reading->keys = 0;
    uint16_t error = journal_mount(&reading->journal, &reading->board, region, count_replayed,
                                   first_checkpoint, reading);
    if (error != ERROR_NONE) {
        fprintf(reading->out, "{\"facts\":{\"error\":\"%s\"}}\n", refusal(error));
    } else if (reading->made_anew) {
        fputs("{\"facts\":{\"error\":\"made anew\"}}\n", reading->out);
    } else {
        reading->last_sequence = reading->journal.next_sequence - 1;
        journal_walk(&reading->journal, print_record, reading);
        check_lookups(reading);
        print_facts(reading, flash);
    }
    ram_flash_free(&reading->chip);
}

static FILE *open_file(const char *folder, unsigned number, const char *suffix)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%u.%s", folder, number, suffix);
    FILE *file = fopen(path, "wb");
    assert(file != NULL);
    return file;
}

/* One image that was made elsewhere. */
static int read_one(struct reading *reading, char **arguments)
{
    uint32_t unit = (uint32_t)strtoul(arguments[2], NULL, 10);
    struct journal_region region = {(uint32_t)strtoul(arguments[3], NULL, 10),
                                    (uint32_t)strtoul(arguments[4], NULL, 10), &test_scratch};
    char path[512];
    struct ram_flash flash;
    snprintf(path, sizeof(path), "%s/0.img", arguments[1]);
    FILE *image = fopen(path, "rb");
    assert(image != NULL && fseek(image, 0, SEEK_END) == 0);
    long size = ftell(image);
    rewind(image);
    ram_flash_init(&flash, (uint32_t)size, unit, 256, (uint8_t)strtoul(arguments[5], NULL, 16));
    assert(fread(flash.bytes, 1, flash.size, image) == flash.size && fclose(image) == 0);
    reading->out = open_file(arguments[1], 0, "jsonl");
    read_image(reading, &flash, region);
    ram_flash_free(&flash);
    return fclose(reading->out);
}

int main(int count, char **arguments)
{
    static struct reading reading;
    char path[512];
    reading.seen = calloc(KEYS_SEEN_MAX, KEY_SIZE);
    assert(reading.seen != NULL);
    if (count == 6)
        return read_one(&reading, arguments);
    if (count != 3)
        return 2;
    snprintf(path, sizeof(path), "%s/index", arguments[1]);
    FILE *list = fopen(path, "w");
    assert(list != NULL);
    unsigned images = (unsigned)strtoul(arguments[2], NULL, 10);
    for (unsigned number = 0; number < images; number++) {
        random_state = number * 7919u + 1;
        (void)draw(2);
        const struct geometry *geometry = &geometries[number % GEOMETRIES];
        enum fate fate = (enum fate)(number / GEOMETRIES % FATES);
        struct journal_region region = {draw(3), geometry->units, &test_scratch};
        struct ram_flash flash;
        struct board board;
        ram_flash_init(&flash, (region.first_sector + region.sectors + draw(2)) * geometry->unit,
                       geometry->unit, geometry->page, geometry->erased);
        flash.random_state = random_state;
        ram_flash_board(&flash, &board);
        make_image(&flash, &board, region, fate);
        FILE *image = open_file(arguments[1], number, "img");
        assert(fwrite(flash.bytes, 1, flash.size, image) == flash.size && fclose(image) == 0);
        reading.out = open_file(arguments[1], number, "jsonl");
        read_image(&reading, &flash, region);
        assert(fclose(reading.out) == 0);
        fprintf(list, "%u %u %u %u %02X %s\n", number, geometry->unit, region.first_sector,
                region.sectors, geometry->erased, fate_names[fate]);
        ram_flash_free(&flash);
    }
    free(reading.seen);
    return fclose(list) == 0 ? 0 : 1;
}
