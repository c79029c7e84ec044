/* The register's side of the FN line. Raw bytes: a decoded frame lies in the decoder and the module
 * may babble without end, yet each command ends DONE or FAILED within its time. Made frames: an
 * answer that was encoded arrives as it was; damaged on its way, it is asked for again by ENQ, and
 * what was damaged is never taken for it. A line: frames behind garbage are found again. */
#include "firmware/fn_client.h"
#include "tests/fuzz/fuzz.h"

#ifdef FUZZ_CANARY
/* The checksum does not look at the last byte of data. */
uint16_t __real_crc16_update(uint16_t crc, const void *data, size_t size);
uint16_t __wrap_crc16_update(uint16_t crc, const void *data, size_t size);
uint16_t __wrap_crc16_update(uint16_t crc, const void *data, size_t size)
{
    return __real_crc16_update(crc, data, size > 8 ? size - 1 : size);
}
#endif

static struct input line;
static struct input again; /* what ENQ brings */
static unsigned enquiries;
static struct fn_client client;

static int read_line(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    PROMISE(port == BOARD_PORT_FN);
    struct input taken = input_take(&line, size);
    if (taken.size > 0)
        memcpy(data, taken.data, taken.size);
    return (int)taken.size;
}

static int write_line(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    PROMISE(port == BOARD_PORT_FN && size <= FN_FRAME_MAX);
    if (size == 1 && data[0] == FN_FRAME_ENQ) {
        PROMISE(++enquiries <= FN_ENQ_TRIES);
        line = again;
    }
    return (int)(size > 100 ? 100 : size);
}

static void decode(struct input bytes)
{
    struct fn_decoder decoder;
    fn_decoder_init(&decoder);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t code;
        const uint8_t *data;
        size_t size;
        struct fn_status status;
        if (fn_decoder_push(&decoder, bytes.data[i], &code, &data, &size) != FN_DECODED_FRAME)
            continue;
        PROMISE(size <= FN_DATA_MAX && data >= decoder.buffer &&
                data + size <= decoder.buffer + sizeof decoder.buffer);
        if (fn_status_get(data, size, &status))
            PROMISE(size == FN_STATUS_SIZE && strlen(status.number) <= 16);
    }
}

/* What is true of every answer to a command that was answered by a frame of ours. */
static void check_made(uint8_t code, struct input piece)
{
    PROMISE(client.size == piece.size);
    PROMISE(client.answer == (code & 0x7F) && client.warning == (code > 0x7F));
    PROMISE(piece.size == 0 || memcmp(client.data, piece.data, piece.size) == 0);
}

/* Commands one after the other, each answered by the next piece of the input: as it is, as a frame,
 * or as a frame that is damaged on its way. */
static void converse(struct input input)
{
    static const struct board board = {.port_read = read_line, .port_write = write_line};
    uint8_t frame[FN_FRAME_MAX], damaged[FN_FRAME_MAX];
    mono_ms now = 1000;
    fn_client_init(&client, &board);
    PROMISE(fn_acquire(&client, FN_OWNER_REGISTER));
    while (input.size > 0) {
        uint8_t command = (uint8_t)input_number(&input, 1);
        unsigned how = input_number(&input, 1) % 4; /* 0, 1 as a frame, 2 raw, 3 damaged */
        uint8_t code = (uint8_t)input_number(&input, 1);
        unsigned place = how == 3 ? input_number(&input, 2) : 0;
        struct input piece = input_take(&input, input_number(&input, 1));
        mono_ms start = now;
        line.size = again.size = 0;
        enquiries = 0;
        fn_start(&client, command, NULL, 0, now);
        line = piece;
        size_t size = fn_frame_encode(code, piece.data, piece.size, frame, sizeof frame);
        if (how != 2)
            line = again = (struct input){frame, size};
        place %= (unsigned)size;
        if (how == 3) {
            memcpy(damaged, frame, size);
            damaged[place] ^= (uint8_t)(1u << code % 8);
            line = (struct input){damaged, size};
        }
        decode(line);
        while (fn_client_step(&client, now) == FN_STATE_WAITING) {
            now += 100;
            PROMISE(now - start <= 13000);
        }
        if (how < 2)
            PROMISE(client.state == FN_STATE_DONE && !client.enquired);
        /* A damaged length may leave the client waiting for more, and some answers are of no use
         * after silence. */
        if (how == 3 && place > 2)
            PROMISE(client.state == FN_STATE_DONE && client.enquired);
        if (how != 2 && client.state == FN_STATE_DONE && (place == 0 || place > 2))
            check_made(code, piece);
        struct refusal why;
        if (!fn_ok(&client)) {
            fn_refusal(&client, &why);
            PROMISE(why.code != ERROR_NONE);
        }
        now++;
    }
}

/* Garbage, a frame, garbage, a frame... and silence. A frame is found unless garbage made one, by
 * one chance in 65536, that began before it. */
static void resynchronise(struct input input)
{
    static uint8_t wire[FN_FRAME_MAX];
    struct fn_decoder decoder;
    unsigned sent = 0, arrived = 0, made_by_garbage = 0;
    fn_decoder_init(&decoder);
    while (input.size > 0 || sent > 0) {
        bool end = input.size == 0;
        struct input garbage = input_take(&input, input_number(&input, 1));
        struct input data = input_take(&input, input_number(&input, 1));
        if (garbage.size > 0)
            memcpy(wire, garbage.data, garbage.size);
        size_t size =
            garbage.size + fn_frame_encode(FN_OK, data.data, data.size, wire + garbage.size, 600);
        if (end) /* as much as a false start may wait for */
            memset(wire, 0xEE, size = sizeof wire);
        sent += !end;
        for (size_t i = 0; i < size; i++) {
            uint8_t code;
            const uint8_t *bytes;
            size_t length;
            if (fn_decoder_push(&decoder, wire[i], &code, &bytes, &length) != FN_DECODED_FRAME)
                continue;
            if (code == FN_OK && length <= 255)
                arrived++;
            else
                made_by_garbage++;
        }
        if (end)
            break;
    }
    PROMISE(arrived >= sent || made_by_garbage > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode((struct input){data, size});
    converse((struct input){data, size});
    resynchronise((struct input){data, size});
    return 0;
}
