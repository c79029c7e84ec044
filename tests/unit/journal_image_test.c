/* Images made by hand: what no ordinary life of a log leaves, but rot, lost erases and other
 * formats do. Each ends in a stated way and gives out nothing that was not
 * written. */
#include "firmware/journal_internal.h"
#include "tests/unit/journal_model.h"

#define SECTOR 4096u

static struct model *start_with(struct ram_flash *flash, uint32_t sector_size, uint32_t sectors)
{
    ram_flash_init(flash, sector_size * sectors, sector_size, 256, 0xFF);
    struct model *model =
        model_new(flash, (struct journal_region){0, sectors, &test_scratch}, 21, 300);
    assert_int_equal(model_mount(model), ERROR_NONE);
    return model;
}

static void stop(struct ram_flash *flash, struct model *model)
{
    free(model);
    ram_flash_free(flash);
}

static void append_many(struct model *model, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(model_append(model, 0), ERROR_NONE);
        (void)journal_maintain(&model->journal);
    }
}

static void expect_untouched(struct model *model, struct ram_flash *flash, uint16_t error)
{
    uint64_t operations = flash->operations;
    assert_int_equal(model_mount(model), error);
    assert_false(journal_maintain(&model->journal));
    assert_true(flash->operations == operations);
}

/* ---- Sector headers ---- */

static void seal_header(uint8_t *header)
{
    uint32_t crc = crc32c_update(CRC32C_INIT, header + 4, 20);
    struct byte_writer writer;
    byte_writer_init(&writer, header + 24, 4);
    put_u32le(&writer, crc);
}

/* Every field that tells the geometry is compared; an older format is not ours either. */
static void test_foreign_headers(void **state)
{
    (void)state;
    static const uint8_t fields[] = {8, 9, 10, 11, 12, 13, 14, 15};
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 5);
    append_many(model, 30);
    uint32_t head = model->journal.head_sector;
    for (size_t i = 0; i < sizeof(fields); i++) {
        uint8_t old[JOURNAL_SECTOR_HEADER_BYTES];
        uint8_t *header = flash.bytes + head * SECTOR;
        memcpy(old, header, sizeof(old));
        header[fields[i]] = fields[i] == 8 ? 0 : (uint8_t)(header[fields[i]] + 1);
        seal_header(header);
        expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
        memcpy(header, old, sizeof(old));
    }
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&flash, model);
}

/* A whole header in the wrong sector, and whole records in the wrong place, are junk. */
static void test_misplaced(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 5);
    append_many(model, 40);
    struct model_state before = model->state;
    struct journal *journal = &model->journal;
    uint32_t next = place_ahead(journal, 1, 0).sector;
    /* The head's copy in the next sector would be taken for a newer one if places did not count. */
    memcpy(flash.bytes + next * SECTOR, flash.bytes + journal->head_sector * SECTOR, SECTOR);
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_memory_equal(&before, &model->state, sizeof(before));
    assert_int_equal(sector_header_get(journal, next).class, SECTOR_JUNK);
    /* Two records of the head change places. */
    uint8_t *records = flash.bytes + journal->head_sector * SECTOR + JOURNAL_SECTOR_HEADER_BYTES +
                       record_span(model->checkpoint_size);
    uint32_t first = record_span(get_u16le(records + 2));
    uint32_t second = record_span(get_u16le(records + first + 2));
    uint8_t kept[4096];
    memcpy(kept, records, first + second);
    memcpy(records, kept + first, second);
    memcpy(records + second, kept, first);
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(model->state.count, before.count - 2);
    assert_true(model->journal.damaged_records > 0);
    stop(&flash, model);
}

/* A part delivered with something in the place of the format mark is not blank. */
static void test_mark_of_others(void **state)
{
    (void)state;
    struct ram_flash flash;
    ram_flash_init(&flash, SECTOR * 4, SECTOR, 256, 0xFF);
    struct model *model = model_new(&flash, (struct journal_region){0, 4, &test_scratch}, 21, 300);
    /* 46 may become of 47, never of 06. */
    flash.bytes[SECTOR * 3] = 0x06;
    expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    flash.bytes[SECTOR * 3] = 0x47;
    assert_int_equal(model_mount(model), ERROR_NONE);
    stop(&flash, model);
}

/* All sectors but the head are erased ahead: as after a service tool prepared the part. */
static void test_all_erased_ahead(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 6);
    append_many(model, 3);
    for (uint32_t sector = 1; sector < 6; sector++) {
        memset(flash.bytes + sector * SECTOR, 0xFF, SECTOR);
        memcpy(flash.bytes + sector * SECTOR, "ERSD", 4);
    }
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(model->journal.erased_ahead, 5);
    assert_false(journal_maintain(&model->journal));
    append_many(model, 100);
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&flash, model);
}

/* ---- A sector that escaped its erase ---- */

/* An old sector comes back as it was a lap ago (its condemning and its erase were lost): what it
 * holds is not given out, and the newer log stands. */
static void test_sector_of_an_older_lap(void **state)
{
    (void)state;
    for (uint32_t distance = 1; distance < 6; distance++) {
        struct ram_flash flash;
        struct model *model = start_with(&flash, SECTOR, 6);
        append_many(model, 120);
        uint8_t old[SECTOR];
        uint32_t victim = place_ahead(&model->journal, distance, 0).sector;
        memcpy(old, flash.bytes + victim * SECTOR, SECTOR);
        uint32_t generation = model->journal.head_generation;
        while (model->journal.head_generation < generation + 6)
            append_many(model, 1);
        struct model_state before = model->state;
        memcpy(flash.bytes + victim * SECTOR, old, SECTOR);
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_memory_equal(&before, &model->state, sizeof(before));
        assert_true(model->journal.used_sectors <= 6 - model->journal.ahead_distance);
        struct model_walk walk = model_walk(model);
        assert_false(walk.wrong);
        assert_false(walk.newer);
        uint8_t key[KEY_SIZE];
        model_key(60000, key);
        assert_int_equal(journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0), 0);
        append_many(model, 150);
        assert_int_equal(model_mount(model), ERROR_NONE);
        model_check_log(model);
        stop(&flash, model);
    }
}

/* A sector in the middle that is garbage, or lost its header and its footer: of the first nothing
 * is given out, of the second everything. */
static void test_sectors_without_header(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 8);
    append_many(model, 90);
    struct model_walk sound = model_walk(model);
    uint32_t victim = place_back(&model->journal, 2, 0).sector;
    flash.bytes[victim * SECTOR + 12] ^= 0x40;
    flash.bytes[victim * SECTOR + SECTOR - 2] ^= 0x40;
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    for (uint32_t i = sound.first; i < sound.next; i++) {
        if (model_type(i) != JOURNAL_PRINTED)
            model_check_found(model, i);
    }
    for (uint32_t i = 0; i < SECTOR; i++)
        flash.bytes[victim * SECTOR + i] = (uint8_t)ram_flash_random(&flash);
    assert_int_equal(model_mount(model), ERROR_NONE);
    uint32_t found = 0;
    for (uint32_t i = sound.first; i < sound.next; i++) {
        uint8_t key[KEY_SIZE];
        model_key(i / 2, key);
        found += journal_find(&model->journal, key, UINT32_MAX, NULL, NULL, 0) == 1;
    }
    assert_true(found > 20 && found < sound.records);
    stop(&flash, model);
}

/* ---- Records ---- */

static void put_at_head(struct model *model, uint8_t type, uint32_t size)
{
    struct journal *journal = &model->journal;
    struct place place = place_back(journal, 0, journal->head_offset);
    uint8_t *payload = journal->scratch + JOURNAL_RECORD_HEADER_BYTES;
    uint32_t index = (uint32_t)journal->next_sequence;
    memset(payload, 0, size);
    if (size >= 4)
        memcpy(payload, &index, 4);
    assert_true(record_put(journal, &place, type, size, (uint32_t)journal->next_sequence));
    journal->head_offset += record_span(size);
    journal->next_sequence++;
}

static void no_checkpoint(void *user, struct byte_writer *writer)
{
    (void)user;
    put_fill(writer, 0, 8);
}

/* The log without its model, whose payloads these are not. */
static uint16_t mount_bare(struct model *model)
{
    return journal_mount(&model->journal, &model->board, model->region, NULL, no_checkpoint, model);
}

/* No whole checkpoint anywhere: a log of which nothing can be told is for service. */
static void test_no_checkpoint(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 4);
    append_many(model, 120);
    for (uint32_t sector = 0; sector < 4; sector++)
        flash.bytes[sector * SECTOR + JOURNAL_SECTOR_HEADER_BYTES + 20] &= 0x0F;
    expect_untouched(model, &flash, ERROR_JOURNAL_FAULT);
    stop(&flash, model);
}

/* A young log whose first checkpoint is rotten has all records since the beginning: they are the
 * state. So on a board's first day, and in a settings log for life. */
static void test_first_checkpoint_rotten(void **state)
{
    (void)state;
    for (unsigned records = 0; records < 60; records += 3) {
        struct ram_flash flash;
        struct model *model = start_with(&flash, SECTOR, 6);
        append_many(model, records);
        struct model_state before = model->state;
        for (uint32_t sector = 0; sector <= model->journal.head_sector; sector++)
            flash.bytes[sector * SECTOR + JOURNAL_SECTOR_HEADER_BYTES + 20] ^= 0x01;
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_memory_equal(&before, &model->state, sizeof(before));
        append_many(model, 5);
        assert_int_equal(model_mount(model), ERROR_NONE);
        assert_int_equal(model->state.count, before.count + 5);
        stop(&flash, model);
    }
}

/* The first record of a sector is its checkpoint only when its type says so: this one holds the
 * place of the next sector's, and the next sector does not join the log. */
static void test_not_a_checkpoint(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 4);
    append_many(model, 3);
    struct journal *journal = &model->journal;
    struct place next = place_ahead(journal, 1, JOURNAL_SECTOR_HEADER_BYTES);
    memset(flash.bytes + next.sector * SECTOR, 0, JOURNAL_SECTOR_HEADER_BYTES);
    memset(flash.bytes + next.sector * SECTOR + JOURNAL_SECTOR_HEADER_BYTES, 0xFF, 200);
    memset(journal->scratch, 0, 100);
    assert_true(record_put(journal, &next, JOURNAL_INTENT, 30, (uint32_t)journal->next_sequence));
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(model->journal.head_sector, 0);
    model_check_log(model);
    stop(&flash, model);
}

/* A header that its check byte fits and whose record would end behind the sector. */
static void put_endless_header(struct model *model, struct ram_flash *flash, uint32_t offset,
                               uint8_t type)
{
    struct place place = place_back(&model->journal, 0, offset);
    uint8_t *bytes = flash->bytes + place_address(&model->journal, place.sector, offset);
    struct record_header header;
    memset(bytes, 0, JOURNAL_RECORD_HEADER_BYTES);
    bytes[0] = type;
    bytes[3] = 0x0E; /* 3584 bytes */
    bytes[4] = 2;
    for (unsigned check = 0; check < 256; check++) {
        bytes[1] = (uint8_t)check;
        if (record_header_get(&place, bytes, &header))
            return;
    }
    fail_msg("no check byte fits");
}

static void test_record_behind_the_end(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, 1024, 4);
    uint8_t out[64];
    uint32_t offset = 700;
    put_endless_header(model, &flash, offset, JOURNAL_SLIP);
    struct journal_record record = {
        .address = place_address(&model->journal, model->journal.head_sector, offset),
        .sequence = 2,
        .type = JOURNAL_SLIP,
        .size = 0x0E00};
    assert_false(journal_read(&model->journal, &record, out, sizeof(out)));
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_int_equal(model_walk(model).records, 0);
    assert_true(model->journal.damaged_records == 0); /* behind the blank that ends the records */
    put_endless_header(model, &flash, JOURNAL_SECTOR_HEADER_BYTES, JOURNAL_CHECKPOINT);
    model->replayed = 0;
    assert_int_equal(mount_bare(model), ERROR_NONE);
    assert_int_equal(model->replayed, 0);
    assert_true(model->journal.damaged_records > 0);
    stop(&flash, model);
}

static void test_names_that_do_not_fit(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 6);
    struct journal *journal = &model->journal;
    uint8_t payload[40] = {7};
    uint8_t out[40];
    struct journal_record record;
    assert_int_equal(journal_append(journal, JOURNAL_SLIP, payload, sizeof(payload), &record),
                     ERROR_NONE);
    struct journal_record other = record;
    other.type = JOURNAL_DONE;
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    other = record;
    other.size--;
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    other = record;
    other.address = SECTOR - 8; /* no header fits there */
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    other.address = 3 * SECTOR + JOURNAL_SECTOR_HEADER_BYTES; /* not in the log */
    assert_false(journal_read(journal, &other, out, sizeof(out)));
    assert_true(journal_read(journal, &record, out, sizeof(out)));
    flash.bytes[record.address + 20] ^= 0x80;
    assert_false(journal_read(journal, &record, out, sizeof(out)));
    stop(&flash, model);
}

static bool stop_at_second(void *user, const struct journal_record *record, const uint8_t *payload)
{
    unsigned *visited = user;
    (void)record, (void)payload;
    return ++*visited < 2;
}

/* Keyed types with a payload too short for a key, no replay, a walk that is stopped. */
static void test_short_payloads(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 6);
    struct journal *journal = &model->journal;
    uint8_t payload[KEY_SIZE] = {1, 2, 3};
    unsigned visited = 0;
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, i, NULL), ERROR_NONE);
    assert_int_equal(journal->key_count, 0);
    assert_int_equal(mount_bare(model), ERROR_NONE);
    assert_int_equal(journal->key_count, 0);
    assert_int_equal(journal_find(journal, payload, UINT32_MAX, NULL, NULL, 0), 0);
    /* A footer without keys. */
    assert_int_equal(journal_rotate(journal), ERROR_NONE);
    assert_true(footer_is_whole(journal, place_back(journal, 1, 0)));
    assert_int_equal(journal_find(journal, payload, UINT32_MAX, NULL, NULL, 0), 0);
    journal_walk(journal, stop_at_second, &visited);
    assert_int_equal(visited, 2);
    stop(&flash, model);
}

static void test_limits(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, 65536, 4);
    struct journal *journal = &model->journal;
    uint64_t operations = flash.operations;
    model->checkpoint_size = LIMIT_JOURNAL_RECORD_BYTES + 1;
    assert_int_equal(journal_rotate(journal), ERROR_TOO_LARGE);
    model->checkpoint_size = LIMIT_JOURNAL_RECORD_BYTES;
    assert_true(flash.operations == operations);
    assert_int_equal(journal_rotate(journal), ERROR_NONE);
    journal->next_sequence = UINT32_MAX - 3;
    operations = flash.operations;
    assert_int_equal(model_append(model, 0), ERROR_JOURNAL_FAULT);
    assert_true(flash.operations == operations);
    stop(&flash, model);
}

/* More keys in a sector than its index holds, and records where its footer would be: the sector is
 * closed, the log goes on, and the keys that the index holds are found. */
static void test_overfull_sector(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, 65536, 4);
    struct journal *journal = &model->journal;
    uint32_t first_sequence = (uint32_t)journal->next_sequence;
    while (journal->head_offset + record_span(KEY_SIZE) <= journal->sector_size)
        put_at_head(model, JOURNAL_DONE, KEY_SIZE);
    assert_true(journal->next_sequence > 2 * JOURNAL_KEYS_MAX);
    uint64_t operations = flash.operations;
    assert_int_equal(mount_bare(model), ERROR_NONE);
    assert_true(flash.operations == operations);
    assert_int_equal(journal->key_count, JOURNAL_KEYS_MAX);
    assert_true(journal->head_closed);
    uint8_t key[KEY_SIZE] = {0};
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t sequence = first_sequence + i;
        memcpy(key, &sequence, 4);
        assert_int_equal(journal_find(journal, key, UINT32_MAX, NULL, NULL, 0), 1);
    }
    uint32_t head = journal->head_sector;
    assert_int_equal(journal_append(journal, JOURNAL_DONE, key, KEY_SIZE, NULL), ERROR_NONE);
    assert_int_not_equal(journal->head_sector, head);
    assert_int_equal(mount_bare(model), ERROR_NONE);
    assert_int_equal(journal_find(journal, key, UINT32_MAX, NULL, NULL, 0), 1);
    stop(&flash, model);
}

/* Something far behind the last record, further than a torn record reaches: the sector takes no
 * more. */
static void test_stray_bytes_far_out(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, 65536, 4);
    append_many(model, 5);
    uint32_t head = model->journal.head_sector;
    flash.bytes[head * 65536 + 50000] = 0x0F;
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_true(model->journal.head_closed);
    append_many(model, 1);
    assert_int_not_equal(model->journal.head_sector, head);
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&flash, model);
}

/* Zeros to the very end of a sector end it. */
static void test_dead_to_the_end(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 4);
    append_many(model, 5);
    uint32_t head = model->journal.head_sector;
    memset(flash.bytes + head * SECTOR + model->journal.head_offset, 0,
           SECTOR - model->journal.head_offset);
    assert_int_equal(model_mount(model), ERROR_NONE);
    assert_true(model->journal.head_closed);
    append_many(model, 1);
    assert_int_not_equal(model->journal.head_sector, head);
    assert_int_equal(model_mount(model), ERROR_NONE);
    model_check_log(model);
    stop(&flash, model);
}

/* ---- Footers and lookups ---- */

/* A whole footer that says zones begin where they cannot: nothing is found by it, nothing is read
 * out of bounds, and the other sectors answer. */
static void test_footer_with_wrong_zones(void **state)
{
    (void)state;
    static const uint16_t lies[][2] = {{1024, 7}, {65535, 65535}, {600, 500}, {7, 65535}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        struct ram_flash flash;
        struct model *model = start_with(&flash, SECTOR, 6);
        struct journal *journal = &model->journal;
        uint8_t payload[KEY_SIZE] = {0};
        for (uint8_t job = 0; job < 40; job++) {
            payload[0] = job;
            assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, KEY_SIZE, NULL),
                             ERROR_NONE);
        }
        assert_int_equal(journal->key_count, 40);
        journal->zone_starts[0] = lies[i][0];
        journal->zone_starts[1] = lies[i][1];
        assert_int_equal(journal_rotate(journal), ERROR_NONE);
        payload[0] = 200;
        assert_int_equal(journal_append(journal, JOURNAL_DONE, payload, KEY_SIZE, NULL),
                         ERROR_NONE);
        assert_int_equal(journal_find(journal, payload, UINT32_MAX, NULL, NULL, 0), 1);
        for (uint8_t job = 0; job < 40; job++) {
            payload[0] = job;
            assert_true(journal_find(journal, payload, UINT32_MAX, NULL, NULL, 0) >= 0);
        }
        stop(&flash, model);
    }
}

/* A header lies about its size so that its record seems to end where the sector does: the records
 * it would swallow are still found. */
static void test_lie_to_the_end(void **state)
{
    (void)state;
    struct ram_flash flash;
    struct model *model = start_with(&flash, SECTOR, 12);
    append_many(model, 200);
    struct journal *journal = &model->journal;
    uint32_t lies = 0;
    for (uint32_t back = 1; back < journal->used_sectors; back++) {
        struct scan scan;
        struct place place = place_back(journal, back, JOURNAL_SECTOR_HEADER_BYTES);
        scan_start(&scan, journal, place, journal->sector_size);
        while (scan_next(&scan, true)) {
            if (scan.record.type == JOURNAL_CHECKPOINT)
                continue;
            uint32_t index = get_u32le(journal->scratch + JOURNAL_RECORD_HEADER_BYTES + KEY_SIZE);
            uint8_t *bytes = flash.bytes + place.sector * SECTOR + scan.found.offset;
            uint32_t room = SECTOR - scan.found.offset - JOURNAL_RECORD_HEADER_BYTES;
            uint8_t old[2] = {bytes[2], bytes[3]};
            for (uint32_t size = room - 11; size <= room; size++) {
                struct record_header header;
                bytes[2] = (uint8_t)size;
                bytes[3] = (uint8_t)(size >> 8);
                if (!record_header_get(&scan.found, bytes, &header))
                    continue;
                /* The rest of the sector, up to four records further. */
                for (uint32_t next = index + 1; next < index + 5; next++) {
                    if (next < model->log.count && model_type(next) != JOURNAL_PRINTED)
                        model_check_found(model, next);
                }
                lies++;
            }
            bytes[2] = old[0];
            bytes[3] = old[1];
        }
    }
    assert_true(lies > 3);
    stop(&flash, model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign_headers),
        cmocka_unit_test(test_misplaced),
        cmocka_unit_test(test_mark_of_others),
        cmocka_unit_test(test_all_erased_ahead),
        cmocka_unit_test(test_sector_of_an_older_lap),
        cmocka_unit_test(test_sectors_without_header),
        cmocka_unit_test(test_no_checkpoint),
        cmocka_unit_test(test_first_checkpoint_rotten),
        cmocka_unit_test(test_not_a_checkpoint),
        cmocka_unit_test(test_record_behind_the_end),
        cmocka_unit_test(test_names_that_do_not_fit),
        cmocka_unit_test(test_short_payloads),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_overfull_sector),
        cmocka_unit_test(test_stray_bytes_far_out),
        cmocka_unit_test(test_dead_to_the_end),
        cmocka_unit_test(test_footer_with_wrong_zones),
        cmocka_unit_test(test_lie_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
