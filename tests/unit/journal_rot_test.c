/* Rot in every pattern: each byte of record headers and sector headers is turned into each of the
 * 255 values it should not have. One rotten record costs that record and no other, in walking,
 * mounting and looking up; one rotten sector header costs nothing. */
#include "tests/unit/journal_model.h"

#define SECTOR 4096u

struct spot {
    uint32_t address, index;
};

struct spots {
    struct spot at[400];
    uint32_t count;
};

static bool note_spot(void *user, const struct journal_record *record, const uint8_t *payload)
{
    struct spots *spots = user;
    if (record->type == JOURNAL_CHECKPOINT)
        return true;
    assert_true(spots->count < 400);
    spots->at[spots->count].address = record->address;
    spots->at[spots->count].index = get_u32le(payload + KEY_SIZE);
    spots->count++;
    return true;
}

/* How many keyed records no longer answer for their key. */
static uint32_t count_missed(struct model *model, uint32_t first)
{
    uint32_t missed = 0;
    for (uint32_t i = first; i < model->log.count; i++) {
        uint8_t key[KEY_SIZE];
        if (model_type(i) == JOURNAL_PRINTED)
            continue;
        model_key(i / 2, key);
        missed += journal_find(&model->journal, key, 1u << model_type(i), NULL, NULL, 0) != 1;
    }
    return missed;
}

struct rot {
    struct ram_flash flash, rotten;
    struct model *sound, *model;
};

static void rot_start(struct rot *rot, uint32_t sectors, unsigned records)
{
    ram_flash_init(&rot->flash, SECTOR * sectors, SECTOR, 256, 0xFF);
    ram_flash_init(&rot->rotten, SECTOR * sectors, SECTOR, 256, 0xFF);
    rot->sound =
        model_new(&rot->flash, (struct journal_region){0, sectors, &test_scratch}, 21, 120);
    rot->model = model_new(&rot->rotten, rot->sound->region, 21, 120);
    assert_int_equal(model_mount(rot->sound), ERROR_NONE);
    for (unsigned i = 0; i < records; i++) {
        assert_int_equal(model_append(rot->sound, 0), ERROR_NONE);
        (void)journal_maintain(&rot->sound->journal);
    }
}

static void rot_stop(struct rot *rot)
{
    free(rot->sound);
    free(rot->model);
    ram_flash_free(&rot->flash);
    ram_flash_free(&rot->rotten);
}

static void mount_with(struct rot *rot, uint32_t address, uint8_t pattern)
{
    ram_flash_copy(&rot->rotten, &rot->flash);
    model_copy(rot->model, rot->sound, &rot->rotten);
    rot->rotten.bytes[address] ^= pattern;
    assert_int_equal(model_mount(rot->model), ERROR_NONE);
}

static void check_one_lost(struct rot *rot, const struct model_walk *sound)
{
    struct model_walk walk = model_walk(rot->model);
    assert_false(walk.wrong);
    assert_int_equal(walk.records + 1, sound->records);
    assert_true(count_missed(rot->model, sound->first) <= 1);
}

static void test_every_record_header(void **state)
{
    (void)state;
    struct rot rot;
    static struct spots spots;
    memset(&spots, 0, sizeof(spots));
    rot_start(&rot, 5, 110);
    journal_walk(&rot.sound->journal, note_spot, &spots);
    struct model_walk sound = model_walk(rot.sound);
    assert_int_equal(count_missed(rot.sound, sound.first), 0);
    /* Some in a sealed sector, some in the head, not the last one of all. */
    uint32_t steps = 0;
    for (uint32_t s = 3; s + 1 < spots.count; s += spots.count / 2) {
        for (uint32_t at = 0; at < JOURNAL_RECORD_HEADER_BYTES; at++) {
            for (unsigned pattern = 1; pattern < 256; pattern++) {
                mount_with(&rot, spots.at[s].address + at, (uint8_t)pattern);
                check_one_lost(&rot, &sound);
                steps++;
            }
        }
    }
    assert_true(steps >= 2 * 12 * 255);
    rot_stop(&rot);
}

/* Two bits anywhere in the header: one pair in four hundred passes the check byte, and size or
 * sequence number are wrong. */
static void test_every_pair_of_bits(void **state)
{
    (void)state;
    struct rot rot;
    static struct spots spots;
    memset(&spots, 0, sizeof(spots));
    rot_start(&rot, 5, 110);
    journal_walk(&rot.sound->journal, note_spot, &spots);
    struct model_walk sound = model_walk(rot.sound);
    uint32_t spot = spots.at[spots.count / 2].address;
    uint32_t head_spot = spots.at[spots.count - 4].address;
    for (unsigned one = 0; one < 64; one++) {
        for (unsigned two = one + 1; two < 64; two++) {
            uint32_t at = (one + two) % 2 == 0 ? spot : head_spot;
            ram_flash_copy(&rot.rotten, &rot.flash);
            model_copy(rot.model, rot.sound, &rot.rotten);
            rot.rotten.bytes[at + one / 8] ^= (uint8_t)(1u << one % 8);
            rot.rotten.bytes[at + two / 8] ^= (uint8_t)(1u << two % 8);
            assert_int_equal(model_mount(rot.model), ERROR_NONE);
            check_one_lost(&rot, &sound);
        }
    }
    rot_stop(&rot);
}

/* The check byte that JOURNAL.md describes, for a header of 8 bytes at that address. */
static uint8_t check_byte(const struct ram_flash *flash, uint32_t address, const uint8_t *header)
{
    uint8_t seed[8], bytes[8];
    memcpy(seed, flash->bytes + address / SECTOR * SECTOR + 16, 4);
    struct byte_writer writer;
    byte_writer_init(&writer, seed + 4, 4);
    put_u32le(&writer, address % SECTOR);
    memcpy(bytes, header, sizeof(bytes));
    bytes[1] = 0;
    return (uint8_t)crc32c_update(crc32c_update(CRC32C_INIT, seed, 8), bytes, 8);
}

/* A header so rotten that its check byte fits again: its size or its sequence number is a lie. */
static void test_believable_lies(void **state)
{
    (void)state;
    struct rot rot;
    static struct spots spots;
    memset(&spots, 0, sizeof(spots));
    rot_start(&rot, 5, 110);
    journal_walk(&rot.sound->journal, note_spot, &spots);
    struct model_walk sound = model_walk(rot.sound);
    unsigned lies = 0;
    for (uint32_t step = 0; step < 4 * 4000; step++) {
        uint32_t at = spots.at[step % 2 == 0 ? spots.count / 2 : spots.count - 9].address;
        uint8_t header[8];
        memcpy(header, rot.flash.bytes + at, sizeof(header));
        assert_int_equal(header[1], check_byte(&rot.flash, at, header));
        struct byte_writer writer;
        byte_writer_init(&writer, header + (step % 4 < 2 ? 2 : 4), 2);
        uint32_t old = get_u16le(writer.data);
        put_u16le(&writer, (uint16_t)(step % 4 < 2 ? step / 4 : old + step / 4 % 400));
        if (get_u16le(writer.data) == old || header[1] != check_byte(&rot.flash, at, header))
            continue;
        ram_flash_copy(&rot.rotten, &rot.flash);
        model_copy(rot.model, rot.sound, &rot.rotten);
        memcpy(rot.rotten.bytes + at, header, sizeof(header));
        assert_int_equal(model_mount(rot.model), ERROR_NONE);
        check_one_lost(&rot, &sound);
        lies++;
    }
    assert_true(lies > 20);
    rot_stop(&rot);
}

/* Also when the log has but one sector, as on a board in its first weeks. */
static void test_every_sector_header(void **state)
{
    (void)state;
    static const unsigned records[] = {3, 30, 60, 200};
    for (size_t r = 0; r < sizeof(records) / sizeof(records[0]); r++) {
        struct rot rot;
        rot_start(&rot, 5, records[r]);
        struct model_state before = rot.sound->state;
        uint32_t sound_records = model_walk(rot.sound).records;
        for (uint32_t sector = 0; sector < 5; sector++) {
            for (uint32_t at = 0; at < JOURNAL_SECTOR_HEADER_BYTES; at++) {
                for (unsigned pattern = 1; pattern < 256; pattern += 2) {
                    mount_with(&rot, sector * SECTOR + at, (uint8_t)pattern);
                    assert_memory_equal(&before, &rot.model->state, sizeof(before));
                    assert_int_equal(model_walk(rot.model).records, sound_records);
                }
            }
        }
        assert_int_equal(model_append(rot.model, 1), ERROR_NONE);
        assert_int_equal(model_mount(rot.model), ERROR_NONE);
        rot_stop(&rot);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_record_header),
        cmocka_unit_test(test_every_pair_of_bits),
        cmocka_unit_test(test_believable_lies),
        cmocka_unit_test(test_every_sector_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
