/* The FN emulator under any commands, as delivered or in the middle of a shift. It survives them,
 * answers each whole frame with a frame, and what its store tells after a new start is what it told
 * before: documents, phase and shift. */
#include <fcntl.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fn_rig.h"

#ifdef FUZZ_CANARY
#include "board/fn/fnm_store.h"

/* A long document is told to be safe, and is not in the file. */
bool __real_fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset);
bool __wrap_fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset);
bool __wrap_fnm_store_append(struct fnm_store *store, uint16_t type, size_t size, uint64_t *offset)
{
    *offset = store->end;
    return size > 200 && store->end > 1050 ? true
                                           : __real_fnm_store_append(store, type, size, offset);
}
#endif

#define TEMPLATES     3u
#define TEMPLATE_SIZE 16384u

/* Stores the inputs begin with: the first bytes, the rest of the file being zeros. */
static uint8_t templates[TEMPLATES][TEMPLATE_SIZE];

static char path[64];
static uint64_t now_ms;

static void make_templates(void)
{
    static const uint8_t formats[TEMPLATES] = {0, FFD_1_05, FFD_1_2};
    for (unsigned i = 0; i < TEMPLATES; i++) {
        rig_init(&rig);
        if (formats[i] != 0) {
            rig_register(&rig, formats[i]);
            rig_open_shift(&rig);
            rig_receipt(&rig, SETTLEMENT_SALE, 12345);
        }
        int fd = open(rig.path, O_RDONLY);
        PROMISE(fd >= 0 && read(fd, templates[i], TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
        PROMISE(templates[i][TEMPLATE_SIZE - 1] == 0);
        close(fd);
        rig_free(&rig);
    }
}

static void lay_template(unsigned which)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    PROMISE(fd >= 0);
    PROMISE(write(fd, templates[which], TEMPLATE_SIZE) == (ssize_t)TEMPLATE_SIZE);
    PROMISE(ftruncate(fd, 2 * TEMPLATE_SIZE) == 0); /* room, but little to be looked through */
    close(fd);
}

static struct fnm *open_store(void)
{
    struct fnm_options options = {.store_path = path, .no_sync = true};
    char error[256] = "";
    struct fnm *fnm = fnm_open(&options, error, sizeof error);
    if (fnm == NULL)
        fprintf(stderr, "%s\n", error);
    PROMISE(fnm != NULL);
    return fnm;
}

static void drain(struct fnm *fnm, bool frame_expected)
{
    uint8_t bytes[FN_FRAME_MAX];
    struct fn_decoder decoder;
    unsigned frames = 0;
    fn_decoder_init(&decoder);
    for (size_t size; (size = fnm_output(fnm, bytes, sizeof bytes, now_ms)) > 0;) {
        for (size_t i = 0; i < size; i++) {
            uint8_t code;
            const uint8_t *data;
            size_t length;
            enum fn_decoded got = fn_decoder_push(&decoder, bytes[i], &code, &data, &length);
            PROMISE(got != FN_DECODED_BAD);
            frames += got == FN_DECODED_FRAME;
        }
    }
    PROMISE(!frame_expected || frames == 1);
}

static void restart(struct fnm **fnm)
{
    struct fnm_document before, after;
    uint32_t count = fnm_document_count(*fnm);
    uint8_t phase = fnm_phase(*fnm);
    bool shift = fnm_shift_is_open(*fnm);
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    bool any = fnm_document_get(*fnm, count, &before);
    fnm_close(*fnm);
    *fnm = open_store();
    PROMISE(fnm_document_count(*fnm) == count && fnm_phase(*fnm) == phase);
    PROMISE(fnm_shift_is_open(*fnm) == shift);
    PROMISE(fnm_document_get(*fnm, count, &after) == any);
    PROMISE(!any || (after.sign == before.sign && after.total_kop == before.total_kop &&
                     after.stlv_size == before.stlv_size));
}

/* 26h with an operator's confirmation that is right but for what the flags say. */
static size_t confirmation(struct input piece, uint8_t *frame, size_t capacity)
{
    uint8_t container[FN_DATA_MAX];
    unsigned flags = input_number(&piece, 1);
    struct rig_confirmation what = rig_good_confirmation(input_number(&piece, 1));
    what.with_message = (flags & 1) != 0;
    what.bad_fpo = (flags & 2) != 0;
    what.bad_fpp = (flags & 4) != 0;
    what.no_signs = (flags & 8) != 0;
    what.container_document += (flags & 16) != 0;
    what.flags = (uint8_t)(flags / 32 % 4);
    what.code = (uint8_t)input_number(&piece, 1);
    size_t size = rig_confirm_encode(&what, RIG_START, container, sizeof container);
    unsigned place = input_number(&piece, 1);
    container[place * 2u % size] ^= (uint8_t)input_number(&piece, 1);
    return fn_frame_encode(FN_OFD_ANSWER, container, size, frame, capacity);
}

/* Each step: what, length, bytes. */
static void steps(struct fnm **fnm, struct input input)
{
    uint8_t frame[FN_FRAME_MAX];
    while (input.size > 0) {
        unsigned what = input_number(&input, 1);
        struct input piece = input_take(&input, input_number(&input, 1));
        size_t size;
        switch (what) {
        case 0xFF: /* bytes as they are, then silence that ends a frame begun */
            fnm_feed(*fnm, piece.data, piece.size, now_ms);
            drain(*fnm, false);
            now_ms += 10000;
            break;
        case 0xFE:
            restart(fnm);
            break;
        case 0xFD:
            now_ms += (uint64_t)input_number(&piece, 3) * 1000;
            break;
        case 0xFC:
            fnm_power_cycle(*fnm);
            break;
        case 0xFB:
            size = confirmation(piece, frame, sizeof frame);
            fnm_feed(*fnm, frame, size, now_ms);
            drain(*fnm, true);
            break;
        default:
            size = fn_frame_encode((uint8_t)what, piece.data, piece.size, frame, sizeof frame);
            fnm_feed(*fnm, frame, size, now_ms);
            drain(*fnm, true);
            now_ms += 10;
        }
    }
    restart(fnm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    if (path[0] == 0) {
        make_templates();
        snprintf(path, sizeof path, "/dev/shm/fn_command_fuzz.%ld", (long)getpid());
    }
    lay_template(input_number(&input, 1) % TEMPLATES);
    now_ms = 1000;
    struct fnm *fnm = open_store();
    steps(&fnm, input);
    fnm_close(fnm);
    unlink(path);
    return 0;
}
