/* A firmware update by a host that sends anything, restarts and cuts of the power between. What
 * runs is always whole, signed and made for its slot, is never written while it runs, and the
 * store behind the slots changes only by offers and confirmations.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/update_model.h"

#ifdef FUZZ_CANARY
/* Takes an image that is larger than its slot. */
enum firmware_image_error __real_firmware_image_get(const uint8_t *header,
                                                    const struct firmware_image_slot *slot,
                                                    struct firmware_image *out);
enum firmware_image_error __wrap_firmware_image_get(const uint8_t *header,
                                                    const struct firmware_image_slot *slot,
                                                    struct firmware_image *out);
enum firmware_image_error __wrap_firmware_image_get(const uint8_t *header,
                                                    const struct firmware_image_slot *slot,
                                                    struct firmware_image *out)
{
    enum firmware_image_error error = __real_firmware_image_get(header, slot, out);
    return error == FIRMWARE_IMAGE_SIZE && out->size > slot->size ? FIRMWARE_IMAGE_OK : error;
}
#endif

static uint8_t running[MODEL_SLOT_BYTES], store[4u * MODEL_SECTOR];
static struct model_image image;

static void remember(void)
{
    memcpy(running, model.chip.bytes + (unsigned)model.running * MODEL_SLOT_BYTES, sizeof running);
    memcpy(store, model.chip.bytes + MODEL_STORE_AT, sizeof store);
}

static void check_running(bool store_too)
{
    const uint8_t *slot = model.chip.bytes + (unsigned)model.running * MODEL_SLOT_BYTES;
    PROMISE(memcmp(slot, running, sizeof running) == 0);
    PROMISE(!store_too || memcmp(model.chip.bytes + MODEL_STORE_AT, store, sizeof store) == 0);
}

/* Power on: whatever was sent, something good starts. */
static void boot(void)
{
    const struct firmware_image_slot place = {"model", 0, MODEL_SLOT_BYTES};
    struct firmware_image found;
    uint8_t hash[SHA256_SIZE];
    model_boot();
    PROMISE(model.running >= 0);
    const uint8_t *slot = model.chip.bytes + (unsigned)model.running * MODEL_SLOT_BYTES;
    struct firmware_image_slot own = place;
    own.address = model_addresses[model.running];
    PROMISE(firmware_image_get(slot, &own, &found) == FIRMWARE_IMAGE_OK);
    model_hash(slot + FIRMWARE_IMAGE_HEADER_BYTES, found.size, hash);
    PROMISE(memcmp(hash, found.hash, sizeof hash) == 0 && model_signed(slot));
    remember();
}

/* A good image of some version with some bytes of its header changed. */
static void make_header(struct input *input)
{
    image = model_image(1u - (unsigned)model.running, input_number(input, 1) << 8);
    for (unsigned left = input_number(input, 1) % 4; left > 0; left--) {
        size_t at = input_number(input, 1);
        image.header[at] ^= (uint8_t)input_number(input, 1);
    }
}

/* So many pieces in their turn: of the image, then of noise. */
static void send_pieces(unsigned count)
{
    uint8_t noise[MODEL_PIECE];
    memset(noise, 0x5A, sizeof noise);
    for (uint16_t code = ERROR_NONE; count > 0 && code == ERROR_NONE; count--) {
        uint32_t at = model.update.received;
        uint32_t left = at < image.size ? image.size - at : 0;
        uint32_t piece = left == 0 || left > MODEL_PIECE ? MODEL_PIECE : left;
        code = model_data(at, left == 0 ? noise : image.body + at, piece);
    }
}

static void one_step(struct input *input)
{
    uint8_t bytes[MODEL_PIECE];
    struct input data;
    switch (input_number(input, 1) % 7) {
    case 0:
        make_header(input);
        (void)model_ask(LINK_UPDATE_BEGIN, image.header, sizeof image.header);
        check_running(true);
        break;
    case 1:
        send_pieces(input_number(input, 1) % 16);
        check_running(true);
        break;
    case 2:
        (void)model_ask(LINK_UPDATE_FINISH, image.header, sizeof image.header);
        check_running(false);
        remember();
        break;
    case 3:
        data = input_take(input, input_number(input, 1));
        memset(bytes, 0, sizeof bytes);
        memcpy(bytes, data.data, data.size);
        (void)model_ask((uint8_t)(LINK_UPDATE_BEGIN + data.size % 3), bytes, data.size);
        check_running(false);
        remember();
        break;
    case 4:
        boot();
        break;
    case 5:
        model.now += UPDATE_TRIAL_MS;
        model_turn(input_number(input, 1) % 2 == 0, true, true);
        check_running(false);
        remember();
        break;
    default:
        ram_flash_cut_in(&model.chip, 1 + input_number(input, 1) % 40,
                         (enum ram_tear)(input_number(input, 1) % RAM_TEARS));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    model_start(0xFF);
    remember();
    image = model_image(1, MODEL_VERSION(2u));
    for (unsigned steps = 0; input.size > 0 && steps < 40; steps++) {
        one_step(&input);
        if (model.chip.dead)
            boot();
    }
    boot();
    model_stop();
    return 0;
}
