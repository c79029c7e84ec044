/* A board with two firmware slots and a store on one flash chip, its first stage, and images whose
 * "signature" is the maker's when it repeats the image's hash.
 *
 * `model.running` is what the first stage chose; the rest is built as a real board builds it.
 */
#ifndef TESTS_UPDATE_MODEL_H
#define TESTS_UPDATE_MODEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "board/mcu/mcu_slots.h"
#include "firmware/update.h"
#include "proto/bytes.h"
#include "proto/sha256.h"
#include "tests/unit/ram_flash.h"

#define MODEL_SECTOR       4096u
#define MODEL_SLOT_SECTORS 3u
#define MODEL_SLOT_BYTES   (MODEL_SLOT_SECTORS * MODEL_SECTOR)
#define MODEL_STORE_AT     (2u * MODEL_SLOT_BYTES)
#define MODEL_BODY_BYTES   9000u /* ends within a sector and within a page */
#define MODEL_PIECE        1000u
#define MODEL_VERSION(n)   ((n) << 8)

struct update_model {
    struct ram_flash chip;
    struct board board;
    struct board_update slots_of_board;
    struct mcu_store store;
    struct mcu_slots slots;
    struct update update;
    int running;   /* slot, or -1: the first stage found nothing */
    uint32_t runs; /* version */
    enum firmware_image_error why[MCU_SLOTS];
    unsigned restarts, signatures, checks_before_answer;
    mono_ms now;
};
static struct update_model model;

struct model_image {
    uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES];
    uint8_t body[MODEL_BODY_BYTES];
    uint32_t size;
};

static void model_hash(const uint8_t *data, size_t size, uint8_t out[SHA256_SIZE])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, data, size);
    sha256_final(&sha, out);
}

static const uint32_t model_addresses[MCU_SLOTS] = {0x100000, 0x200000};

/* An image for a slot; the version decides its bytes. */
static struct model_image model_image(unsigned slot, uint32_t version)
{
    struct model_image out = {.size = MODEL_BODY_BYTES};
    struct firmware_image image = {
        .board = "model", .address = model_addresses[slot], .size = out.size, .version = version};
    for (size_t i = 0; i < out.size; i++)
        out.body[i] = (uint8_t)(i * 7u + version + (i >> 8));
    model_hash(out.body, out.size, image.hash);
    memcpy(image.signature, image.hash, sizeof image.hash);
    firmware_image_put(&image, out.header);
    return out;
}

static bool model_signed(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES])
{
    model.signatures++;
    return memcmp(header + 64, header + FIRMWARE_IMAGE_SIGNED_BYTES, SHA256_SIZE) == 0;
}

static int model_check(void *context, const uint8_t *header)
{
    (void)context;
    if (model.checks_before_answer > 0) {
        model.checks_before_answer--;
        return 0;
    }
    return model_signed(header) ? 1 : -1;
}

static int model_offer(void *context, uint32_t version)
{
    (void)context;
    return mcu_slots_offer(&model.slots, 1u - (unsigned)model.running, version);
}

static int model_confirm(void *context)
{
    (void)context;
    return mcu_slots_confirm(&model.slots, (unsigned)model.running);
}

static enum board_update_state model_state(void *context, uint32_t *version)
{
    (void)context;
    return mcu_slots_state(&model.slots, (unsigned)model.running, version);
}

static void model_restart(void *context)
{
    (void)context;
    model.restarts++;
}

static void model_trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context, (void)level, (void)text;
}

/* Power on: the first stage, then what it chose. */
static void model_boot(void)
{
    ram_flash_power_on(&model.chip);
    ram_flash_board(&model.chip, &model.board);
    (void)mcu_store_mount(&model.store, &model.board.flash, &model.chip, MODEL_STORE_AT, 4);
    model.slots = (struct mcu_slots){.board = "model",
                                     .flash = &model.board.flash,
                                     .context = &model.chip,
                                     .offset = {0, MODEL_SLOT_BYTES},
                                     .address = {model_addresses[0], model_addresses[1]},
                                     .size = MODEL_SLOT_BYTES,
                                     .store = &model.store};
    model.running = mcu_slots_choose(&model.slots, model_signed, model.why);
    if (model.running < 0)
        return;
    unsigned other = 1u - (unsigned)model.running;
    model.runs = get_u32le(model.chip.bytes + model.slots.offset[model.running] + 32);
    model.slots_of_board = (struct board_update){.name = "model",
                                                 .flash = &model.board.flash,
                                                 .base = model.slots.offset[other],
                                                 .address = model_addresses[other],
                                                 .size = MODEL_SLOT_BYTES,
                                                 .version = model.runs,
                                                 .check = model_check,
                                                 .offer = model_offer,
                                                 .confirm = model_confirm,
                                                 .state = model_state,
                                                 .restart = model_restart};
    model.board.update = &model.slots_of_board;
    model.board.trace = model_trace;
    model.now = 1;
    update_init(&model.update, &model.board);
}

/* As the factory does it: the image in a slot, nothing in the store. */
static void model_burn(unsigned slot, const struct model_image *image)
{
    uint8_t *at = model.chip.bytes + slot * MODEL_SLOT_BYTES;
    memcpy(at, image->header, sizeof image->header);
    memcpy(at + sizeof image->header, image->body, image->size);
}

static void model_start(uint8_t erased)
{
    memset(&model, 0, sizeof model);
    ram_flash_init(&model.chip, MODEL_STORE_AT + 4u * MODEL_SECTOR, MODEL_SECTOR, 256, erased);
    const struct model_image first = model_image(0, MODEL_VERSION(1u));
    model_burn(0, &first);
    model_boot();
    assert_int_equal(model.running, 0);
}

static void model_stop(void)
{
    ram_flash_free(&model.chip);
}

/* One request of the host to its answer: its code. */
static uint16_t model_ask(uint8_t code, const void *body, size_t size)
{
    uint8_t bytes[256];
    struct byte_writer answer;
    struct refusal why;
    struct link_request request = {.code = code, .body = body, .size = size};
    byte_writer_init(&answer, bytes, sizeof bytes);
    if (update_request(&model.update, &request, true, true, model.now, &why, &answer) ==
        UPDATE_LATER)
        while (!update_checked(&model.update, &why))
            model.now++;
    return why.code;
}

static uint16_t model_data(uint32_t offset, const uint8_t *data, size_t size)
{
    uint8_t message[4 + MODEL_PIECE];
    struct byte_writer writer;
    byte_writer_init(&writer, message, sizeof message);
    put_u32le(&writer, offset);
    put_bytes(&writer, data, size);
    return model_ask(LINK_UPDATE_DATA, message, writer.length);
}

/* The whole of an update; the code of the first answer that is no success. */
static inline uint16_t model_send(const struct model_image *image)
{
    uint16_t code = model_ask(LINK_UPDATE_BEGIN, image->header, sizeof image->header);
    for (uint32_t at = 0; code == ERROR_NONE && at < image->size; at += MODEL_PIECE) {
        uint32_t piece = image->size - at < MODEL_PIECE ? image->size - at : MODEL_PIECE;
        code = model_data(at, image->body + at, piece);
    }
    return code != ERROR_NONE ? code
                              : model_ask(LINK_UPDATE_FINISH, image->header, sizeof image->header);
}

/* One turn; quiet as said, everything else well. */
static void model_turn(bool proved, bool quiet, bool usable)
{
    const struct update_view view = {.usable = usable, .proved = proved, .quiet = quiet};
    update_step(&model.update, model.now, view);
}

static inline uint32_t model_status(uint16_t tag)
{
    uint8_t bytes[256], one;
    uint32_t four;
    struct byte_writer answer;
    struct refusal why;
    struct link_request request = {.code = LINK_UPDATE_STATUS};
    byte_writer_init(&answer, bytes, sizeof bytes);
    assert_int_equal(
        update_request(&model.update, &request, false, false, model.now, &why, &answer),
        UPDATE_ANSWER);
    assert_int_equal(why.code, ERROR_NONE);
    if (tlv_find_u8(bytes, answer.length, tag, &one))
        return one;
    return tlv_find_u32(bytes, answer.length, tag, &four) ? four : UINT32_MAX;
}

#endif
