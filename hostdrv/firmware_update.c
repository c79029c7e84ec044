/* Replacing a board's firmware: the host's half of firmware/update.h.
 *
 * Every request may be sent again: a lost link repeats the piece under way, a board that was
 * restarted in the middle says UPDATE_ORDER and gets all of it again.
 */
#include <string.h>

#include "hostdrv/clock.h"
#include "hostdrv/device.h"
#include "hostdrv/fault.h"
#include "proto/firmware_image.h"
#include "proto/sha256.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define PIECE_BYTES   2048u
#define OFFSET_BYTES  4u
#define TRIES         3u
#define BUSY_PAUSE_MS 30u
#define LOOK_PAUSE_MS 200u
#define LINK_WAIT_MS  60000u /* for a lost link, and for a board that works on a job */
#define TIMEOUT_MS    600000u

struct update {
    kkt *device;
    const uint8_t *image; /* in the caller's file */
    struct firmware_image header;
    kkt_firmware_progress progress;
    void *user;
};

int kkt_get_firmware(kkt *device, kkt_firmware *out, kkt_error *error)
{
    const struct link_client_answer *answer;
    uint8_t state = 0;
    memset(out, 0, sizeof *out);
    int result = device_query(device, LINK_UPDATE_STATUS, NULL, 0, &answer, error);
    if (result != KKT_OK)
        return result;
    const uint8_t *tlv = answer->body;
    size_t size = answer->size;
    device_string(tlv, size, TAG_FIRMWARE_VERSION, out->version, sizeof out->version);
    device_string(tlv, size, TAG_UPDATE_NAME, out->board, sizeof out->board);
    device_string(tlv, size, TAG_UPDATE_VERSION, out->other, sizeof out->other);
    (void)tlv_find_u32(tlv, size, TAG_UPDATE_ADDRESS, &out->slot_address);
    (void)tlv_find_u32(tlv, size, TAG_UPDATE_SLOT_BYTES, &out->slot_size);
    (void)tlv_find_u32(tlv, size, TAG_UPDATE_RECEIVED, &out->received);
    if (tlv_find_u8(tlv, size, TAG_UPDATE_STATE, &state))
        out->state = state;
    return fault_none(error);
}

/* ---- The file ---- */

static int bad_file(kkt_error *error, enum firmware_image_error why)
{
    return fault_set(error, ERROR_UPDATE_IMAGE, "the firmware file: %s",
                     firmware_image_error_text(why));
}

/* The image of the file that was made for the free slot. */
static int choose(struct update *update, const kkt_firmware *board, const uint8_t *file,
                  size_t size, kkt_error *error)
{
    const struct firmware_image_slot place = {board->board, board->slot_address, board->slot_size};
    const size_t head = FIRMWARE_IMAGE_HEADER_BYTES;
    bool other_board = false;
    for (size_t at = 0; at < size;) {
        if (size - at < head)
            return bad_file(error, FIRMWARE_IMAGE_SIZE);
        enum firmware_image_error fit = firmware_image_get(file + at, &place, &update->header);
        if (fit == FIRMWARE_IMAGE_NONE || fit == FIRMWARE_IMAGE_FORMAT_NEW)
            return bad_file(error, fit);
        if (update->header.size > size - at - head)
            return bad_file(error, FIRMWARE_IMAGE_SIZE);
        update->image = file + at;
        if (fit == FIRMWARE_IMAGE_OK)
            return KKT_OK;
        if (fit == FIRMWARE_IMAGE_SIZE)
            return bad_file(error, fit);
        other_board = other_board || fit == FIRMWARE_IMAGE_BOARD;
        at += head + update->header.size;
    }
    if (size == 0)
        return bad_file(error, FIRMWARE_IMAGE_NONE);
    return fault_set(error, ERROR_UPDATE_BOARD,
                     other_board ? "the firmware was made for %s, this board is %s"
                                 : "the file holds no firmware for the free slot of %s (%s)",
                     other_board ? update->header.board : board->board, board->board);
}

static int check_hash(const struct update *update, kkt_error *error)
{
    uint8_t hash[SHA256_SIZE];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, update->image + FIRMWARE_IMAGE_HEADER_BYTES, update->header.size);
    sha256_final(&sha, hash);
    return memcmp(hash, update->header.hash, sizeof hash) == 0
               ? KKT_OK
               : bad_file(error, FIRMWARE_IMAGE_HASH);
}

/* ---- The board ---- */

static void tell(const struct update *update, unsigned state, uint32_t done)
{
    if (update->progress != NULL)
        update->progress(update->user, state, done, update->header.size);
}

/* Waits, and takes what comes meanwhile. */
static void pause_for(kkt *device, unsigned ms)
{
    kkt_error ignored;
    uint64_t until = host_clock_ms() + ms;
    int result = KKT_OK;
    while (device->transport != NULL && result == KKT_OK && host_clock_ms() < until)
        result = device_pump(device, until, &ignored);
    uint64_t now = host_clock_ms();
    if (now < until)
        host_clock_sleep((unsigned)(until - now));
}

/* Asks until the board has time for it and the link holds. */
static int ask(const struct update *update, uint8_t code, const uint8_t *message, size_t size,
               kkt_error *error)
{
    kkt *device = update->device;
    uint64_t deadline = host_clock_ms() + LINK_WAIT_MS;
    for (;;) {
        const struct link_client_answer *answer;
        int result = device_connect(device, deadline, 0, error);
        if (result != KKT_OK)
            return result;
        result = device_query(device, code, message, size, &answer, error);
        if ((result != ERROR_BUSY && result != ERROR_LINK_LOST) || host_clock_ms() >= deadline)
            return result;
        pause_for(device, BUSY_PAUSE_MS);
    }
}

static int send_image(const struct update *update, kkt_error *error)
{
    const uint8_t *body = update->image + FIRMWARE_IMAGE_HEADER_BYTES;
    uint8_t message[OFFSET_BYTES + PIECE_BYTES];
    struct byte_writer writer;
    tell(update, KKT_FIRMWARE_RECEIVING, 0);
    int result = ask(update, LINK_UPDATE_BEGIN, update->image, FIRMWARE_IMAGE_HEADER_BYTES, error);
    for (uint32_t at = 0; result == KKT_OK && at < update->header.size;) {
        uint32_t left = update->header.size - at;
        uint32_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
        byte_writer_init(&writer, message, sizeof message);
        put_u32le(&writer, at);
        put_bytes(&writer, body + at, piece);
        result = ask(update, LINK_UPDATE_DATA, message, writer.length, error);
        at += piece;
        tell(update, KKT_FIRMWARE_RECEIVING, at);
    }
    return result;
}

/* True when it is known what became of the new firmware. */
static bool outcome(const struct update *update, const kkt_firmware *now, int *result,
                    kkt_error *error)
{
    char wanted[FIRMWARE_VERSION_TEXT];
    firmware_version_text(update->header.version, wanted);
    bool runs = strcmp(now->version, wanted) == 0;
    if (runs && now->state == KKT_FIRMWARE_CONFIRMED) {
        *result = fault_none(error);
        return true;
    }
    if (!runs && now->state == KKT_FIRMWARE_ROLLED_BACK && strcmp(now->other, wanted) == 0) {
        *result =
            fault_set(error, ERROR_UPDATE_ROLLED_BACK,
                      "firmware %s did not prove itself: %s runs again", wanted, now->version);
        return true;
    }
    tell(update, runs ? KKT_FIRMWARE_TRIAL : KKT_FIRMWARE_RESTARTING, update->header.size);
    return false;
}

static int await_outcome(const struct update *update, unsigned timeout_ms, kkt_error *error)
{
    uint64_t deadline = host_clock_ms() + (timeout_ms == 0 ? TIMEOUT_MS : timeout_ms);
    for (;;) {
        kkt_firmware now;
        int result = device_connect(update->device, deadline, 0, error);
        if (result == KKT_OK)
            result = kkt_get_firmware(update->device, &now, error);
        if (result == KKT_OK && outcome(update, &now, &result, error))
            return result;
        if (result != KKT_OK && result != ERROR_LINK_LOST && result != ERROR_LINK_BUSY)
            return result;
        if (host_clock_ms() >= deadline)
            return fault_set(error, ERROR_OUTCOME_UNKNOWN,
                             "the board has not said yet what became of its new firmware");
        pause_for(update->device, LOOK_PAUSE_MS);
    }
}

int kkt_firmware_update(kkt *device, const uint8_t *file, size_t size, unsigned timeout_ms,
                        kkt_firmware_progress progress, void *user, kkt_error *error)
{
    struct update update = {.device = device, .progress = progress, .user = user};
    kkt_firmware board;
    int result = kkt_get_firmware(device, &board, error);
    if (result == KKT_OK)
        result = choose(&update, &board, file, size, error);
    if (result == KKT_OK)
        result = check_hash(&update, error);
    if (result != KKT_OK)
        return result;
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        result = send_image(&update, error);
        if (result == KKT_OK)
            result =
                ask(&update, LINK_UPDATE_FINISH, update.image, FIRMWARE_IMAGE_HEADER_BYTES, error);
        if (result != ERROR_UPDATE_ORDER)
            break; /* else the board was restarted meanwhile: all of it again */
    }
    return result == KKT_OK ? await_outcome(&update, timeout_ms, error) : result;
}
