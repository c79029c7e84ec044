/* The register's side of the FN line. Raw bytes: a decoded frame lies in the decoder and the module
 * may babble without end, yet each command ends DONE or FAILED within its time. Made frames: an
 * answer that was encoded arrives as it was. */
#include "firmware/fn_client.h"
#include "tests/fuzz/fuzz.h"

static struct input line;
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
    (void)data;
    PROMISE(port == BOARD_PORT_FN && size <= FN_FRAME_MAX);
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

/* Commands one after the other, each answered by the next piece of the input. */
static void converse(struct input input)
{
    struct board board = {.port_read = read_line, .port_write = write_line};
    uint8_t frame[FN_FRAME_MAX];
    mono_ms now = 1000;
    fn_client_init(&client, &board);
    PROMISE(fn_acquire(&client, FN_OWNER_REGISTER));
    while (input.size > 0) {
        uint8_t command = (uint8_t)input_number(&input, 1);
        bool made = input_number(&input, 1) % 2 == 0;
        uint8_t code = (uint8_t)input_number(&input, 1);
        struct input piece = input_take(&input, input_number(&input, 1));
        mono_ms start = now;
        line.size = 0;
        fn_start(&client, command, NULL, 0, now);
        line = piece;
        if (made)
            line = (struct input){
                frame, fn_frame_encode(code, piece.data, piece.size, frame, sizeof frame)};
        decode(line);
        while (fn_client_step(&client, now) == FN_STATE_WAITING) {
            now += 100;
            PROMISE(now - start <= 13000);
        }
        if (made) {
            PROMISE(client.state == FN_STATE_DONE && client.size == piece.size);
            PROMISE(client.answer == (code & 0x7F) && client.warning == (code > 0x7F));
            PROMISE(piece.size == 0 || memcmp(client.data, piece.data, piece.size) == 0);
        }
        struct refusal why;
        if (!fn_ok(&client)) {
            fn_refusal(&client, &why);
            PROMISE(why.code != ERROR_NONE);
        }
        now++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode((struct input){data, size});
    converse((struct input){data, size});
    return 0;
}
