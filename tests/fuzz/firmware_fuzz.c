/* The whole register between a host and a fiscal module that both say anything. Input: choices,
 * then pieces that answer the module's commands and ask as the host, in right frames. The board is
 * as delivered, or registered with an open shift; half of the module's answers are such as this
 * module would give, with bytes changed, so that the boot's questions are passed and jobs begin.
 *
 * Nothing may break an assertion of the firmware or a rule of NOR flash, each turn ends, and the
 * host gets right frames: answers to what it asked, and events. */
#include "firmware/firmware.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ram_flash.h"
#include "tests/unit/world.h"

#define UNIT  4096u
#define TURNS 400u

static bool past_made;

#ifdef FUZZ_CANARY
/* The board's status is the answer to another request. */
size_t __real_link_message_frame(uint8_t kind, uint8_t code, uint16_t exchange,
                                 const uint8_t *message, size_t size, size_t *offset, uint8_t *out,
                                 size_t capacity);
size_t __wrap_link_message_frame(uint8_t kind, uint8_t code, uint16_t exchange,
                                 const uint8_t *message, size_t size, size_t *offset, uint8_t *out,
                                 size_t capacity);
size_t __wrap_link_message_frame(uint8_t kind, uint8_t code, uint16_t exchange,
                                 const uint8_t *message, size_t size, size_t *offset, uint8_t *out,
                                 size_t capacity)
{
    if (past_made && kind == LINK_ANSWER && code == LINK_STATUS)
        exchange++;
    return __real_link_message_frame(kind, code, exchange, message, size, offset, out, capacity);
}
#endif

static struct ram_flash flash;
static struct firmware firmware;
static struct board board;
static struct fn_decoder commands;
static struct input script;
static uint8_t past_flash[WORLD_FLASH];
static struct fn_status past_status;
static bool asked[TURNS + 1]; /* by exchange; not answered yet */
static struct link_decoder from_board;
static uint8_t fn_bytes[FN_FRAME_MAX], host_bytes[LINK_WIRE_MAX];
static size_t fn_size, fn_read, host_size, host_read;

static int give(const uint8_t *bytes, size_t *read, size_t end, uint8_t *data, size_t size)
{
    size_t left = end - *read;
    if (size > left)
        size = left;
    memcpy(data, bytes + *read, size);
    *read += size;
    return (int)size;
}

static int port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    if (port == BOARD_PORT_FN)
        return give(fn_bytes, &fn_read, fn_size, data, size);
    if (port == BOARD_PORT_HOST)
        return give(host_bytes, &host_read, host_size, data, size);
    return 0;
}

/* What the module of the past would say, more or less. */
static size_t usual_answer(uint8_t command, uint8_t *out, size_t capacity)
{
    struct byte_writer writer;
    struct fn_status status = past_status;
    static const uint8_t valid_until[] = {30, 1, 1, 9, 1};
    byte_writer_init(&writer, out, capacity);
    switch (command) {
    case FN_STATUS:
        fn_status_put(&writer, &status);
        break;
    case FN_FFD:
        put_u8(&writer, FFD_1_2);
        put_u8(&writer, FFD_1_2);
        break;
    case FN_VALID_UNTIL:
        put_bytes(&writer, valid_until, sizeof valid_until);
        break;
    case FN_VERSION:
        put_bytes(&writer, "fn debug 1.0    \0", 17);
        break;
    case FN_NUMBER:
        put_bytes(&writer, status.number, 16);
        break;
    case FN_SHIFT_STATUS:
        put_bytes(&writer, "\1\1\0\1\0", 5);
        break;
    case FN_OFD_STATUS:
        put_bytes(&writer, "\0\0\1\0\1\0\0\0", 8);
        put_bytes(&writer, status.time, sizeof status.time);
        break;
    case FN_RECEIPT_FORM:
    case FN_SHIFT_CLOSE_FORM:
    case FN_STATE_FORM:
        if (command != FN_STATE_FORM)
            put_u16le(&writer, 2);
        put_u32le(&writer, status.last_document + 1);
        put_u32le(&writer, 0x12345678);
        break;
    case FN_FIND_DOCUMENT:
        put_u8(&writer, FORM_RECEIPT);
        put_u8(&writer, 0);
        put_bytes(&writer, status.time, sizeof status.time);
        put_u32le(&writer, status.last_document);
        put_u32le(&writer, 0x12345678);
        put_bytes(&writer, "\1\x50\xC3\0\0\0", 6);
        break;
    default:
        break;
    }
    return writer.length;
}

/* A command is answered by the next piece: how, then either a place and a change of the usual
 * answer, or code, size and data; without a piece the module is silent. */
static void answer_command(uint8_t command)
{
    uint8_t bytes[256], code = FN_OK;
    size_t size;
    if (script.size == 0)
        return;
    unsigned how = input_number(&script, 1);
    if (how >= 128) {
        code = (uint8_t)input_number(&script, 1);
        struct input data = input_take(&script, input_number(&script, 1));
        size = data.size;
        if (size > 0)
            memcpy(bytes, data.data, size);
    } else {
        size = usual_answer(command, bytes, sizeof bytes);
        unsigned place = how % 2 == 1 ? input_number(&script, 1) : 0;
        if (how % 2 == 1 && size > 0)
            bytes[place % size] ^= (uint8_t)input_number(&script, 1);
        if (how % 16 == 2)
            code = (uint8_t)input_number(&script, 1);
        if (how % 16 == 4 && size > 0)
            size--;
    }
    fn_size = fn_frame_encode(code, bytes, size, fn_bytes, sizeof fn_bytes);
    fn_read = 0;
}

/* What the host hears. */
static void hear(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        struct link_frame frame;
        if (!link_decoder_push(&from_board, data[i], &frame))
            continue;
        PROMISE(frame.kind == LINK_ANSWER || frame.kind == LINK_EVENT);
        if (frame.kind == LINK_EVENT)
            continue;
        PROMISE(frame.exchange <= TURNS && asked[frame.exchange]);
        asked[frame.exchange] = frame.offset + frame.length < frame.total;
    }
    PROMISE(from_board.frames_bad == 0);
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; port == BOARD_PORT_FN && i < size; i++) {
        uint8_t command = FN_STATUS;
        const uint8_t *bytes;
        size_t length;
        enum fn_decoded got = fn_decoder_push(&commands, data[i], &command, &bytes, &length);
        PROMISE(got != FN_DECODED_BAD);
        if (got == FN_DECODED_FRAME || got == FN_DECODED_ENQ)
            answer_command(command);
    }
    if (port == BOARD_PORT_HOST)
        hear(data, size);
    return (int)size;
}

static uint32_t port_generation(void *context, enum board_port port)
{
    (void)context;
    (void)port;
    return 1;
}

static int net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    PROMISE(endpoint->host != NULL);
    return -1;
}

static enum board_net_state net_state(void *context, enum board_net_error *error, uint32_t *detail)
{
    (void)context;
    *error = BOARD_NET_DOWN;
    *detail = 0;
    return BOARD_NET_FAILED;
}

static int net_read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -1;
}

static int net_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    (void)data;
    (void)size;
    return -1;
}

static void net_close(void *context)
{
    (void)context;
}

static void drawer_pulse(void *context, uint16_t duration_ms)
{
    (void)context;
    (void)duration_ms;
}

static bool drawer_is_open(void *context)
{
    (void)context;
    return false;
}

static int clock_set(void *context, unix_s time)
{
    (void)context;
    (void)time;
    return 0;
}

static void fill_random(void *context, uint8_t *data, size_t size)
{
    (void)context;
    memset(data, 0x5A, size);
}

static void trace(void *context, enum board_trace_level level, const char *text)
{
    (void)context;
    (void)level;
    PROMISE(strlen(text) < 1000);
}

/* The host asks: code, size, body; jobs get a key and the board's own tag. A size over 250 stands
 * for a whole receipt. */
static void ask(uint16_t exchange)
{
    uint8_t message[LINK_JOB_HEADER_SIZE + 256];
    struct byte_writer writer;
    uint8_t code = (uint8_t)(input_number(&script, 1) % 50);
    unsigned size = input_number(&script, 1);
    struct input body = input_take(&script, size > 250 ? 0 : size);
    byte_writer_init(&writer, message, sizeof message);
    if (code >= LINK_JOB_FIRST) {
        put_fill(&writer, (uint8_t)exchange, KEY_SIZE);
        put_u32le(&writer, link_device_tag(board.serial));
    }
    put_bytes(&writer, body.data, body.size);
    if (size > 250)
        writer.length +=
            world_receipt(message + writer.length, sizeof message - writer.length, 1, 1, size);
    asked[exchange] = true;
    size_t offset = 0;
    host_size = link_message_frame(LINK_REQUEST, code, exchange, message, writer.length, &offset,
                                   host_bytes, sizeof host_bytes);
    host_read = 0;
}

/* A board that was registered and sold; what its module says of itself then. */
static void make_past(void)
{
    static struct world world;
    static uint8_t body[2048];
    world_create(&world, false);
    world_ready(&world, FFD_1_2);
    (void)world_must(world_job(&world, LINK_RECEIPT, 202, body,
                               world_receipt(body, sizeof body, SETTLEMENT_SALE, 1, 50000)));
    world_run(&world, 3000);
    PROMISE(world_status(&world, TAG_CASH_IN_DRAWER) == 50000);
    memcpy(past_flash, world.flash, WORLD_FLASH);
    past_status = world.firmware.cash_register.facts.status;
    past_made = true;
    world_destroy(&world);
}

static void prepare(bool registered)
{
    if (!past_made)
        make_past();
    if (flash.bytes == NULL)
        ram_flash_init(&flash, WORLD_FLASH, UNIT, 256, 0xFF);
    memset(flash.bytes, 0xFF, flash.size);
    if (registered)
        memcpy(flash.bytes, past_flash, flash.size);
    link_decoder_init(&from_board);
    memset(asked, 0, sizeof asked);
    ram_flash_board(&flash, &board);
    board.serial = WORLD_SERIAL;
    board.columns = 32;
    board.port_read = port_read;
    board.port_write = port_write;
    board.port_generation = port_generation;
    board.net_open = net_open;
    board.net_state = net_state;
    board.net_read = net_read;
    board.net_write = net_write;
    board.net_close = net_close;
    board.drawer_pulse = drawer_pulse;
    board.drawer_is_open = drawer_is_open;
    board.clock_set = clock_set;
    board.random = fill_random;
    board.trace = trace;
    fn_decoder_init(&commands);
    fn_size = fn_read = host_size = host_read = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct moment now = {.mono = 1000, .calendar = 1790000000u};
    script = (struct input){data, size};
    unsigned pace = input_number(&script, 1);
    prepare(pace >= 64);
    pace = 1 + pace % 64;
    PROMISE(firmware_init(&firmware, &board) == ERROR_NONE);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint32_t sleep = firmware_step(&firmware, &now);
        uint32_t step = sleep > 5000 ? 5000 : sleep;
        now.mono += step;
        now.calendar = 1790000000u + (unix_s)(now.mono / 1000);
        if (turn % pace == pace - 1 && script.size > 0 && host_read == host_size)
            ask((uint16_t)(turn + 1));
    }
    return 0;
}
