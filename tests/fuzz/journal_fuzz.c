/* The journal on flash that holds anything. The image is the input itself, or a good log that the
 * input then damages: bytes overwritten, sectors copied over one another, checksums mended so that
 * wrong numbers are believed. Mounting, walking, finding, appending and erasing obey the rules of
 * NOR flash (the chip in RAM asserts them) and end; what was appended is found, also after the next
 * mount, and a refused mount has written nothing. One program or erase may fail or not happen. */
#include "firmware/journal_internal.h"
#include "proto/crc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ram_flash.h"

static struct journal_scratch test_scratch;

#define SECTOR  1024u
#define SECTORS 6u
#define IMAGE   (SECTOR * SECTORS)

#ifdef FUZZ_CANARY
/* A key is not taken into the index when others stand before it. */
void __real_index_add(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t offset);
void __wrap_index_add(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t offset);
void __wrap_index_add(struct journal *journal, const uint8_t key[KEY_SIZE], uint32_t offset)
{
    if (journal->key_count < 2)
        __real_index_add(journal, key, offset);
}
#endif

static struct ram_flash flash;
static struct board board;
static struct journal journal;
static uint8_t good_log[IMAGE], before[IMAGE];
static const struct journal_region region = {0, SECTORS, &test_scratch};

static void checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    put_fill(writer, 0xC5, 20);
}

static void replay(void *user, const struct journal_record *record, const uint8_t *payload)
{
    unsigned *sum = user;
    PROMISE(record->size <= LIMIT_JOURNAL_RECORD_BYTES && record->address < IMAGE);
    for (size_t i = 0; i < record->size; i++)
        *sum += payload[i];
}

static bool visit(void *user, const struct journal_record *record, const uint8_t *payload)
{
    uint8_t found[64];
    struct journal_record newest;
    unsigned *visited = user;
    (void)journal_read(&journal, record, found, sizeof found);
    if (type_has_key(record->type) && record->size >= KEY_SIZE) {
        uint8_t key[KEY_SIZE];
        memcpy(key, payload, KEY_SIZE);
        (void)journal_find(&journal, key, 0x3C, &newest, found, sizeof found);
    }
    return ++*visited < 10000;
}

static void make_good_log(void)
{
    uint8_t payload[200];
    ram_flash_init(&flash, IMAGE, SECTOR, 256, 0xFF);
    ram_flash_board(&flash, &board);
    PROMISE(journal_mount(&journal, &board, region, NULL, checkpoint, NULL) == ERROR_NONE);
    for (unsigned i = 0; i < 30; i++) {
        memset(payload, (int)i, sizeof payload);
        PROMISE(journal_append(&journal, (uint8_t)(2 + i % 5), payload, 20 + i * 5, NULL) ==
                ERROR_NONE);
        while (journal_maintain(&journal))
            ;
    }
    memcpy(good_log, flash.bytes, IMAGE);
}

static void mend_header(uint32_t sector, unsigned generation)
{
    uint8_t *header = flash.bytes + sector * SECTOR;
    struct byte_writer writer;
    byte_writer_init(&writer, header + 16, 12);
    put_u32le(&writer, generation == 0 ? get_u32le(header + 16) : generation);
    put_u32le(&writer, get_u32le(header + 20));
    put_u32le(&writer, crc32c_update(CRC32C_INIT, header + 4, 20));
}

static void mend_record(uint32_t sector, uint32_t offset)
{
    uint8_t *record = flash.bytes + sector * SECTOR + offset;
    struct place place = {sector, get_u32le(flash.bytes + sector * SECTOR + 16), offset};
    struct byte_writer writer;
    uint32_t size = get_u16le(record + 2);
    record[1] = 0;
    uint32_t crc = crc32c_update(place_crc(&place), record, 8);
    record[1] = (uint8_t)crc;
    if (size > SECTOR - offset - JOURNAL_RECORD_HEADER_BYTES)
        return; /* the size is believed by the check byte, the payload is not there */
    byte_writer_init(&writer, record + 8, 4);
    put_u32le(&writer, crc32c_update(crc, record + JOURNAL_RECORD_HEADER_BYTES, size));
}

static void damage(struct input *input)
{
    while (input->size > 0) {
        unsigned what = input_number(input, 1);
        uint32_t sector = input_number(input, 1) % SECTORS;
        uint32_t offset = input_number(input, 2) % SECTOR;
        struct input piece;
        switch (what % 6) {
        case 0:
            flash.bytes[sector * SECTOR + offset] = (uint8_t)input_number(input, 1);
            break;
        case 1:
            piece = input_take(input, input_number(input, 1));
            if (piece.size > SECTOR - offset)
                piece.size = SECTOR - offset;
            if (piece.size > 0)
                memcpy(flash.bytes + sector * SECTOR + offset, piece.data, piece.size);
            break;
        case 2:
            mend_header(sector, offset);
            break;
        case 3:
            offset = offset / RECORD_ALIGN * RECORD_ALIGN;
            if (offset <= SECTOR - JOURNAL_RECORD_HEADER_BYTES)
                mend_record(sector, offset);
            break;
        case 4:
            memmove(flash.bytes + sector * SECTOR, flash.bytes + offset % SECTORS * SECTOR, SECTOR);
            break;
        default:
            memset(flash.bytes + sector * SECTOR + offset, what < 128 ? 0xFF : 0, SECTOR - offset);
        }
    }
}

static void use_log(void)
{
    static const uint8_t key[KEY_SIZE + 4] = "a key never used yet";
    uint8_t found[sizeof key];
    unsigned visited = 0, sum = 0;
    journal_walk(&journal, visit, &visited);
    (void)journal_find(&journal, key, 0x3C, NULL, found, sizeof found);
    bool appended = journal_append(&journal, JOURNAL_INTENT, key, sizeof key, NULL) == ERROR_NONE;
    for (unsigned i = 0; i < 20 && journal_maintain(&journal); i++)
        ;
    PROMISE(!appended || journal_find(&journal, key, 0x3C, NULL, found, sizeof found) == 1);
    (void)journal_rotate(&journal);
    visited = 0;
    journal_walk(&journal, visit, &visited);
    PROMISE(journal_mount(&journal, &board, region, replay, checkpoint, &sum) == ERROR_NONE);
    PROMISE(!appended || (journal_find(&journal, key, 0x3C, NULL, found, sizeof found) == 1 &&
                          memcmp(found, key, sizeof key) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned sum = 0;
    if (flash.bytes == NULL)
        make_good_log();
    memset(flash.bytes, 0xFF, IMAGE);
    unsigned mode = input_number(&input, 1);
    if (mode % 8 == 0) {
        for (size_t done = 0; input.size > 0 && done < IMAGE; done++)
            flash.bytes[done] = input.data[done % input.size];
    } else {
        memcpy(flash.bytes, good_log, IMAGE);
        damage(&input);
    }
    memcpy(before, flash.bytes, IMAGE);
    uint16_t error = journal_mount(&journal, &board, region, replay, checkpoint, &sum);
    if (error == ERROR_NONE) {
        /* Flash that does not do as it is told, once: it must be noticed, and tried elsewhere. */
        static const enum ram_fault faults[] = {RAM_FAULT_NONE, RAM_FAULT_SILENT, RAM_FAULT_ERROR,
                                                RAM_FAULT_ERROR_DONE};
        flash.fault = faults[mode / 8 % 4];
        flash.fault_at = flash.operations + 1 + mode / 32;
        use_log();
        flash.fault_at = 0;
    } else {
        PROMISE(memcmp(before, flash.bytes, IMAGE) == 0);
    }
    return 0;
}
