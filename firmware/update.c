#include "firmware/update.h"

#include <string.h>

#include "proto/tlv.h"

#define OFFSET_BYTES 4u
#define CHECK_STEP   256u

void update_init(struct update *update, const struct board *board)
{
    uint32_t version;
    memset(update, 0, sizeof *update);
    update->board = board;
    update->trial = board->update != NULL &&
                    board->update->state(board->context, &version) == BOARD_UPDATE_TRIAL;
}

static bool refuse(struct refusal *why, uint16_t code, uint64_t expected)
{
    *why = (struct refusal){.code = code, .expected = expected};
    return false;
}

/* ---- What a header must say ---- */

static bool fits(const struct update *update, const struct link_request *request,
                 struct firmware_image *image, struct refusal *why)
{
    const struct board_update *slots = update->board->update;
    const struct firmware_image_slot place = {slots->name, slots->address, slots->size};
    if (request->size != FIRMWARE_IMAGE_HEADER_BYTES)
        return refuse(why, ERROR_UPDATE_IMAGE, FIRMWARE_IMAGE_NONE);
    enum firmware_image_error error = firmware_image_get(request->body, &place, image);
    if (error == FIRMWARE_IMAGE_BOARD || error == FIRMWARE_IMAGE_ADDRESS)
        return refuse(why, ERROR_UPDATE_BOARD, error);
    if (error != FIRMWARE_IMAGE_OK)
        return refuse(why, ERROR_UPDATE_IMAGE, error);
    if (image->version <= slots->version)
        return refuse(why, ERROR_UPDATE_VERSION, slots->version);
    return true;
}

/* ---- The free slot ---- */

static bool erase(const struct update *update, uint32_t offset)
{
    const struct board_update *slots = update->board->update;
    return slots->flash->erase(update->board->context, slots->base + offset) == 0;
}

/* Programs and reads back; what was blank is erased sector by sector as it is reached. */
static bool program(const struct update *update, uint32_t offset, const uint8_t *data, size_t size)
{
    const struct board_update *slots = update->board->update;
    void *context = update->board->context;
    uint8_t seen[CHECK_STEP];
    while (size > 0) {
        size_t piece = slots->flash->page_size - offset % slots->flash->page_size;
        if (piece > size)
            piece = size;
        if (piece > sizeof seen)
            piece = sizeof seen;
        uint32_t address = slots->base + offset;
        if (slots->flash->program(context, address, data, piece) != 0 ||
            slots->flash->read(context, address, seen, piece) != 0 ||
            memcmp(seen, data, piece) != 0)
            return false;
        data += piece;
        offset += (uint32_t)piece;
        size -= piece;
    }
    return true;
}

static bool write_data(const struct update *update, const uint8_t *data, size_t size)
{
    uint32_t sector = update->board->update->flash->sector_size;
    uint32_t offset = FIRMWARE_IMAGE_HEADER_BYTES + update->received;
    while (size > 0) {
        uint32_t room = sector - offset % sector;
        size_t piece = size < room ? size : room;
        if (offset % sector == 0 && !erase(update, offset))
            return false;
        if (!program(update, offset, data, piece))
            return false;
        data += piece;
        offset += (uint32_t)piece;
        size -= piece;
    }
    return true;
}

/* ---- Requests ---- */

static void digest_of(const uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES], uint8_t out[SHA256_SIZE])
{
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, header, FIRMWARE_IMAGE_HEADER_BYTES);
    sha256_final(&sha, out);
}

/* True: the signature is next. */
static bool begin(struct update *update, const struct link_request *request, struct refusal *why)
{
    struct firmware_image image;
    uint8_t digest[SHA256_SIZE];
    if (update->trial)
        return refuse(why, ERROR_UPDATE_TRIAL, 0);
    if (!fits(update, request, &image, why))
        return false;
    digest_of(request->body, digest);
    bool again = update->phase == UPDATE_PHASE_RECEIVING && update->received == 0 &&
                 memcmp(digest, update->digest, sizeof digest) == 0;
    if (again) /* its answer was lost */
        return false;
    update->phase = UPDATE_PHASE_CHECKING;
    update->header = request->body;
    update->image_size = image.size;
    update->version = image.version;
    update->received = 0;
    memcpy(update->digest, digest, sizeof digest);
    return true;
}

bool update_checked(struct update *update, struct refusal *why)
{
    if (update->phase != UPDATE_PHASE_CHECKING)
        return false;
    int result = update->board->update->check(update->board->context, update->header);
    if (result == 0)
        return false;
    *why = (struct refusal){0};
    update->phase = UPDATE_PHASE_IDLE;
    update->header = NULL;
    if (result < 0)
        (void)refuse(why, ERROR_UPDATE_SIGNATURE, 0);
    else if (!erase(update, 0))
        (void)refuse(why, ERROR_UPDATE_FLASH, 0);
    else
        update->phase = UPDATE_PHASE_RECEIVING;
    return true;
}

static bool take_data(struct update *update, const struct link_request *request,
                      struct refusal *why)
{
    if (request->size <= OFFSET_BYTES)
        return refuse(why, ERROR_REQUEST_MALFORMED, 0);
    uint32_t offset = get_u32le(request->body);
    size_t size = request->size - OFFSET_BYTES;
    if (update->phase != UPDATE_PHASE_RECEIVING)
        return refuse(why, ERROR_UPDATE_ORDER, 0);
    if (offset < update->received && size <= update->received - offset)
        return true; /* its answer was lost */
    if (offset != update->received)
        return refuse(why, ERROR_UPDATE_ORDER, update->received);
    if (size > update->image_size - update->received)
        return refuse(why, ERROR_UPDATE_IMAGE, FIRMWARE_IMAGE_SIZE);
    if (!write_data(update, request->body + OFFSET_BYTES, size)) {
        update->phase = UPDATE_PHASE_IDLE;
        return refuse(why, ERROR_UPDATE_FLASH, 0);
    }
    update->received += (uint32_t)size;
    return true;
}

static bool is_whole(const struct update *update, const struct firmware_image *image)
{
    const struct board_update *slots = update->board->update;
    uint32_t at = slots->base + FIRMWARE_IMAGE_HEADER_BYTES;
    uint32_t left = image->size;
    uint8_t bytes[CHECK_STEP], hash[SHA256_SIZE];
    struct sha256 sha;
    sha256_init(&sha);
    while (left > 0) {
        uint32_t piece = left < sizeof bytes ? left : sizeof bytes;
        if (slots->flash->read(update->board->context, at, bytes, piece) != 0)
            return false;
        sha256_update(&sha, bytes, piece);
        at += piece;
        left -= piece;
    }
    sha256_final(&sha, hash);
    return memcmp(hash, image->hash, sizeof hash) == 0;
}

static void finish(struct update *update, const struct link_request *request, mono_ms now,
                   struct refusal *why)
{
    struct firmware_image image;
    uint8_t digest[SHA256_SIZE];
    if (!fits(update, request, &image, why))
        return;
    digest_of(request->body, digest);
    bool same = update->phase == UPDATE_PHASE_RECEIVING &&
                memcmp(digest, update->digest, sizeof digest) == 0;
    if (!same || update->received != image.size) {
        (void)refuse(why, ERROR_UPDATE_ORDER, same ? update->received : 0);
        return;
    }
    update->phase = UPDATE_PHASE_IDLE;
    if (!is_whole(update, &image)) {
        (void)refuse(why, ERROR_UPDATE_IMAGE, FIRMWARE_IMAGE_HASH);
    } else if (!program(update, 0, request->body, FIRMWARE_IMAGE_HEADER_BYTES) ||
               update->board->update->offer(update->board->context, update->version) != 0) {
        (void)refuse(why, ERROR_UPDATE_FLASH, 0);
    } else {
        update->phase = UPDATE_PHASE_RESTARTING;
        update->restart_at = now + UPDATE_RESTART_MS;
    }
}

static uint8_t state(const struct update *update, uint32_t *version)
{
    static const uint8_t under_way[] = {[UPDATE_PHASE_RECEIVING] = UPDATE_RECEIVING,
                                        [UPDATE_PHASE_CHECKING] = UPDATE_CHECKING,
                                        [UPDATE_PHASE_RESTARTING] = UPDATE_RESTARTING};
    static const uint8_t lasting[] = {[BOARD_UPDATE_NONE] = UPDATE_NONE,
                                      [BOARD_UPDATE_TRIAL] = UPDATE_ON_TRIAL,
                                      [BOARD_UPDATE_CONFIRMED] = UPDATE_CONFIRMED,
                                      [BOARD_UPDATE_ROLLED_BACK] = UPDATE_ROLLED_BACK};
    *version = update->version;
    if (update->phase != UPDATE_PHASE_IDLE)
        return under_way[update->phase];
    enum board_update_state told = update->board->update->state(update->board->context, version);
    return told <= BOARD_UPDATE_ROLLED_BACK ? lasting[told] : UPDATE_NONE;
}

static void put_status(const struct update *update, struct byte_writer *answer)
{
    const struct board_update *slots = update->board->update;
    char text[FIRMWARE_VERSION_TEXT];
    uint32_t version;
    uint8_t now = state(update, &version);
    firmware_version_text(slots->version, text);
    tlv_put_bytes(answer, TAG_FIRMWARE_VERSION, text, strlen(text));
    tlv_put_bytes(answer, TAG_UPDATE_NAME, slots->name, strlen(slots->name));
    tlv_put_u32(answer, TAG_UPDATE_ADDRESS, slots->address);
    tlv_put_u32(answer, TAG_UPDATE_SLOT_BYTES, slots->size);
    tlv_put_u8(answer, TAG_UPDATE_STATE, now);
    tlv_put_u32(answer, TAG_UPDATE_RECEIVED, update->received);
    firmware_version_text(version, text);
    if (version != 0)
        tlv_put_bytes(answer, TAG_UPDATE_VERSION, text, strlen(text));
}

enum update_reply update_request(struct update *update, const struct link_request *request,
                                 bool main, bool idle, mono_ms now, struct refusal *why,
                                 struct byte_writer *answer)
{
    *why = (struct refusal){0};
    if (update->board->update == NULL) {
        (void)refuse(why, ERROR_UPDATE_UNSUPPORTED, 0);
    } else if (request->code == LINK_UPDATE_STATUS) {
        put_status(update, answer);
    } else if (update->phase == UPDATE_PHASE_RESTARTING) {
        /* FINISH again: its answer was lost. Anything else comes too late. */
        if (request->code != LINK_UPDATE_FINISH)
            (void)refuse(why, ERROR_BUSY, 0);
    } else if (!main || !idle) {
        (void)refuse(why, ERROR_BUSY, 0);
    } else if (request->code == LINK_UPDATE_BEGIN) {
        return begin(update, request, why) ? UPDATE_LATER : UPDATE_ANSWER;
    } else if (request->code == LINK_UPDATE_DATA) {
        (void)take_data(update, request, why);
    } else {
        finish(update, request, now, why);
    }
    return UPDATE_ANSWER;
}

static void trial_step(struct update *update, mono_ms now, struct update_view view)
{
    const struct board_update *slots = update->board->update;
    if (view.usable && view.proved) {
        update->trial = slots->confirm(update->board->context) != 0;
        update->confirm_at = now + UPDATE_CONFIRM_RETRY_MS;
        if (!update->trial)
            update->board->trace(update->board->context, TRACE_INFO,
                                 "update: the new firmware has proved itself");
    } else if (view.quiet && (!view.usable || now >= UPDATE_TRIAL_MS)) {
        update->board->trace(update->board->context, TRACE_ERROR,
                             "update: the new firmware has not proved itself");
        slots->restart(update->board->context);
    }
}

void update_step(struct update *update, mono_ms now, struct update_view view)
{
    if (update->trial && now >= update->confirm_at)
        trial_step(update, now, view);
    else if (update->phase == UPDATE_PHASE_RESTARTING && view.quiet && now >= update->restart_at)
        update->board->update->restart(update->board->context);
}
