#include "board/mcu/mcu_slots.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/sha256.h"

#define FORMAT       1u
#define NO_SLOT      0xFFu
#define HASH_STEP    256u
#define VERIFIED_AT  12u
#define RECORD_BYTES (VERIFIED_AT + MCU_SLOTS * FIRMWARE_IMAGE_HASH_BYTES)

_Static_assert(RECORD_BYTES <= MCU_STORE_VALUE_MAX, "one value of the store");

/* As the store has it: format, active, trial, starts left, outcome, three zeros, u32 version,
 * hashes. First stages and images of any age read it: a new field takes the place of a zero. */
struct record {
    uint8_t active, trial; /* slots, or NO_SLOT */
    uint8_t starts_left;
    uint8_t outcome;  /* enum board_update_state, of the image offered last */
    uint32_t version; /* of that */
    uint8_t verified[MCU_SLOTS][FIRMWARE_IMAGE_HASH_BYTES]; /* whose signature was right */
};

static void load(const struct mcu_slots *slots, struct record *record)
{
    uint8_t bytes[RECORD_BYTES];
    memset(record, 0, sizeof *record);
    record->active = record->trial = NO_SLOT;
    int size = mcu_store_get(slots->store, MCU_STORE_BOOT, bytes, sizeof bytes);
    if (size != (int)sizeof bytes || bytes[0] != FORMAT)
        return;
    record->active = bytes[1] < MCU_SLOTS ? bytes[1] : NO_SLOT;
    record->trial = bytes[2] < MCU_SLOTS ? bytes[2] : NO_SLOT;
    record->starts_left = bytes[3];
    record->outcome = bytes[4];
    record->version = get_u32le(bytes + 8);
    memcpy(record->verified, bytes + VERIFIED_AT, sizeof record->verified);
}

static int save(const struct mcu_slots *slots, const struct record *record)
{
    uint8_t bytes[RECORD_BYTES] = {FORMAT, record->active, record->trial, record->starts_left,
                                   record->outcome};
    struct byte_writer writer;
    byte_writer_init(&writer, bytes + 8, 4);
    put_u32le(&writer, record->version);
    memcpy(bytes + VERIFIED_AT, record->verified, sizeof record->verified);
    return mcu_store_put(slots->store, MCU_STORE_BOOT, bytes, sizeof bytes);
}

static bool hash_of(const struct mcu_slots *slots, unsigned slot, uint32_t size,
                    uint8_t hash[FIRMWARE_IMAGE_HASH_BYTES])
{
    uint8_t bytes[HASH_STEP];
    struct sha256 sha;
    uint32_t at = slots->offset[slot] + FIRMWARE_IMAGE_HEADER_BYTES;
    sha256_init(&sha);
    while (size > 0) {
        uint32_t piece = size < sizeof bytes ? size : sizeof bytes;
        if (slots->flash->read(slots->context, at, bytes, piece) != 0)
            return false;
        sha256_update(&sha, bytes, piece);
        at += piece;
        size -= piece;
    }
    sha256_final(&sha, hash);
    return true;
}

static enum firmware_image_error
check(const struct mcu_slots *slots, unsigned slot, struct record *record,
      bool (*is_signed)(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES]), uint32_t *version)
{
    const struct firmware_image_slot place = {slots->board, slots->address[slot], slots->size};
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES], hash[FIRMWARE_IMAGE_HASH_BYTES];
    struct firmware_image image;
    *version = 0;
    if (slots->flash->read(slots->context, slots->offset[slot], header, sizeof header) != 0)
        return FIRMWARE_IMAGE_NONE;
    enum firmware_image_error error = firmware_image_get(header, &place, &image);
    if (error != FIRMWARE_IMAGE_OK)
        return error;
    if (!hash_of(slots, slot, image.size, hash) || memcmp(hash, image.hash, sizeof hash) != 0)
        return FIRMWARE_IMAGE_HASH;
    *version = image.version;
    if (memcmp(record->verified[slot], hash, sizeof hash) == 0)
        return FIRMWARE_IMAGE_OK;
    if (!is_signed(header))
        return FIRMWARE_IMAGE_SIGNATURE;
    memcpy(record->verified[slot], hash, sizeof hash);
    (void)save(slots, record); /* lost: it is checked again */
    return FIRMWARE_IMAGE_OK;
}

/* The slot on trial, if it may be started once more. */
static bool choose_trial(const struct mcu_slots *slots, struct record *record,
                         bool (*is_signed)(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES]),
                         enum firmware_image_error why[MCU_SLOTS])
{
    uint32_t version;
    why[record->trial] = check(slots, record->trial, record, is_signed, &version);
    if (why[record->trial] == FIRMWARE_IMAGE_OK && record->starts_left > 0) {
        record->starts_left--;
        /* Not counted is not started: it could be started for ever. */
        return save(slots, record) == 0;
    }
    record->trial = NO_SLOT;
    record->outcome = BOARD_UPDATE_ROLLED_BACK;
    (void)save(slots, record);
    return false;
}

int mcu_slots_choose(const struct mcu_slots *slots,
                     bool (*is_signed)(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES]),
                     enum firmware_image_error why[MCU_SLOTS])
{
    struct record record;
    uint32_t versions[MCU_SLOTS];
    load(slots, &record);
    for (unsigned slot = 0; slot < MCU_SLOTS; slot++)
        why[slot] = FIRMWARE_IMAGE_NONE;
    if (record.trial != NO_SLOT) {
        uint8_t trial = record.trial;
        if (choose_trial(slots, &record, is_signed, why))
            return trial;
    }
    if (record.active != NO_SLOT) {
        why[record.active] =
            check(slots, record.active, &record, is_signed, &versions[record.active]);
        if (why[record.active] == FIRMWARE_IMAGE_OK)
            return record.active;
    }
    for (unsigned slot = 0; slot < MCU_SLOTS; slot++)
        why[slot] = check(slots, slot, &record, is_signed, &versions[slot]);
    bool a = why[0] == FIRMWARE_IMAGE_OK;
    bool b = why[1] == FIRMWARE_IMAGE_OK;
    if (!a && !b)
        return -1;
    record.active = !a || (b && versions[1] > versions[0]) ? 1 : 0;
    (void)save(slots, &record); /* lost: it is chosen again */
    return record.active;
}

enum board_update_state mcu_slots_state(const struct mcu_slots *slots, unsigned running,
                                        uint32_t *version)
{
    struct record record;
    load(slots, &record);
    *version = record.version;
    return record.trial == running ? BOARD_UPDATE_TRIAL : (enum board_update_state)record.outcome;
}

int mcu_slots_offer(const struct mcu_slots *slots, unsigned slot, uint32_t version)
{
    struct record record;
    load(slots, &record);
    record.trial = (uint8_t)slot;
    record.starts_left = MCU_SLOTS_TRIAL_STARTS;
    record.outcome = BOARD_UPDATE_NONE;
    record.version = version;
    return save(slots, &record);
}

int mcu_slots_confirm(const struct mcu_slots *slots, unsigned slot)
{
    struct record record;
    load(slots, &record);
    record.active = (uint8_t)slot;
    record.trial = NO_SLOT;
    record.outcome = BOARD_UPDATE_CONFIRMED;
    return save(slots, &record);
}
