/* The whole register between a host and a fiscal module that both say anything. Input: a choice,
 * then pieces that answer the module's commands and ask as the host, in right frames. Nothing may
 * break an assertion of the firmware or a rule of NOR flash, and each turn ends. */
#include "firmware/firmware.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ram_flash.h"

#define UNIT  4096u
#define UNITS 24u
#define TURNS 400u

static struct ram_flash flash;
static struct firmware firmware;
static struct board board;
static struct fn_decoder commands;
static struct input script;
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

/* A command is answered by the next piece: code, size, data; without one the module is silent. */
static void answer_command(void)
{
    if (script.size == 0)
        return;
    uint8_t code = (uint8_t)input_number(&script, 1);
    struct input data = input_take(&script, input_number(&script, 1));
    fn_size = fn_frame_encode(code, data.data, data.size, fn_bytes, sizeof fn_bytes);
    fn_read = 0;
}

static int port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    for (size_t i = 0; port == BOARD_PORT_FN && i < size; i++) {
        uint8_t command;
        const uint8_t *bytes;
        size_t length;
        enum fn_decoded got = fn_decoder_push(&commands, data[i], &command, &bytes, &length);
        PROMISE(got != FN_DECODED_BAD);
        if (got == FN_DECODED_FRAME || got == FN_DECODED_ENQ)
            answer_command();
    }
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

/* The host asks: code, size, body; jobs get a key and the board's own tag. */
static void ask(uint16_t exchange)
{
    uint8_t message[LINK_JOB_HEADER_SIZE + 256];
    struct byte_writer writer;
    uint8_t code = (uint8_t)(input_number(&script, 1) % 50);
    struct input body = input_take(&script, input_number(&script, 1));
    byte_writer_init(&writer, message, sizeof message);
    if (code >= LINK_JOB_FIRST) {
        put_fill(&writer, (uint8_t)exchange, KEY_SIZE);
        put_u32le(&writer, link_device_tag(board.serial));
    }
    put_bytes(&writer, body.data, body.size);
    size_t offset = 0;
    host_size = link_message_frame(LINK_REQUEST, code, exchange, message, writer.length, &offset,
                                   host_bytes, sizeof host_bytes);
    host_read = 0;
}

static void prepare(void)
{
    if (flash.bytes == NULL)
        ram_flash_init(&flash, UNIT * UNITS, UNIT, 256, 0xFF);
    memset(flash.bytes, 0xFF, flash.size);
    ram_flash_board(&flash, &board);
    board.serial = "00000000000000000002";
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
    unsigned pace = 1 + input_number(&script, 1) % 64;
    prepare();
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
