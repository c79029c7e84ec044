/* The register world (world.h) with a lying FN, failing flash and an operator on the network: what
 * the emulators never do by themselves. One world, static; a test begins with rig_create.
 */
#ifndef TESTS_UNIT_REGISTER_RIG_H
#define TESTS_UNIT_REGISTER_RIG_H

#include "tests/unit/world.h"
#include "tools/ofd/ofd_core.h"

static struct world world;
static uint8_t body[40000];

/* The next answers to a command, instead of the FN's own. */
struct lie {
    uint8_t command; /* 0: none */
    unsigned after;  /* so many answers to it are true before */
    bool asked;      /* the FN gets the command, only its answer is replaced */
    bool silent;     /* no answer at all */
    bool garbled;    /* with a wrong CRC; ENQ brings what the FN says */
    bool for_ever;   /* not only once */
    uint8_t code;
    uint8_t data[300];
    size_t size;
};

static struct {
    struct lie lies[4];
    uint8_t answer[FN_FRAME_MAX]; /* of a lie, on its way */
    size_t answer_size, answer_read;
    /* Flash: dead from now on, or from the moment an FN command goes out. */
    bool programs_fail, reads_fail, syncs_fail;
    uint8_t programs_fail_at, syncs_fail_at; /* FN command code */
    bool clock_fails;
    bool enquiries_lost; /* an answer that did not come cannot be asked for again */
    size_t host_takes;   /* bytes a write to the host takes at most; 0: all */
    /* The operator: confirms whatever comes while the network is up. */
    bool net_up;
    enum board_net_state net;
    uint8_t to_operator[OFD_MESSAGE_MAX], from_operator[OFD_CONFIRMATION_MAX];
    size_t to_operator_size, from_operator_size, from_operator_read;
    unsigned confirmed;
} rig;

static int rig_read(void *context, uint32_t address, void *data, size_t size)
{
    return rig.reads_fail ? -1 : world_flash_read(context, address, data, size);
}

static int rig_program(void *context, uint32_t address, const void *data, size_t size)
{
    return rig.programs_fail ? -1 : world_flash_program(context, address, data, size);
}

static int rig_erase(void *context, uint32_t address)
{
    return rig.programs_fail ? -1 : world_flash_erase(context, address);
}

static int rig_sync(void *context)
{
    return rig.syncs_fail ? -1 : world_flash_sync(context);
}

static int rig_clock_set(void *context, unix_s time)
{
    return rig.clock_fails ? -1 : world_clock_set(context, time);
}

static struct lie *rig_find_lie(uint8_t command)
{
    for (unsigned i = 0; i < sizeof(rig.lies) / sizeof(rig.lies[0]); i++) {
        if (rig.lies[i].command == command && (rig.lies[i].after == 0 || rig.lies[i].after-- == 0))
            return &rig.lies[i];
    }
    return NULL;
}

static int rig_net_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    assert_string_equal(endpoint->host, "ofd.example");
    rig.net = rig.net_up ? BOARD_NET_OPEN : BOARD_NET_FAILED;
    rig.to_operator_size = rig.from_operator_size = rig.from_operator_read = 0;
    return 0;
}

static enum board_net_state rig_net_state(void *context, enum board_net_error *error,
                                          uint32_t *detail)
{
    (void)context;
    *error = rig.net == BOARD_NET_FAILED ? BOARD_NET_REFUSED : BOARD_NET_OK;
    *detail = 0;
    return rig.net;
}

static int rig_net_read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    size_t left = rig.from_operator_size - rig.from_operator_read;
    size_t count = size < left ? size : left;
    memcpy(data, rig.from_operator + rig.from_operator_read, count);
    rig.from_operator_read += count;
    return (int)count;
}

static int rig_net_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    struct ofd_message message;
    assert_true(rig.to_operator_size + size <= sizeof(rig.to_operator));
    memcpy(rig.to_operator + rig.to_operator_size, data, size);
    rig.to_operator_size += size;
    if (ofd_message_parse(rig.to_operator, rig.to_operator_size, &message) != OFD_MESSAGE_DOCUMENT)
        return (int)size;
    struct ofd_answer answer = {
        .inn = "7704358518", .received = WORLD_START, .document = message.document};
    rig.from_operator_size =
        ofd_confirmation_encode(&message, &answer, rig.from_operator, sizeof(rig.from_operator));
    assert_true(rig.from_operator_size > 0);
    rig.from_operator_read = rig.to_operator_size = 0;
    rig.confirmed++;
    return (int)size;
}

static void rig_net_close(void *context)
{
    (void)context;
    rig.net = BOARD_NET_CLOSED;
}

static int rig_port_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    if (port == BOARD_PORT_FN && size <= 3 && rig.enquiries_lost)
        return (int)size;
    if (port == BOARD_PORT_HOST && rig.host_takes != 0 && size > rig.host_takes)
        size = rig.host_takes;
    if (port != BOARD_PORT_FN || size <= 3)
        return world_port_write(context, port, data, size);
    uint8_t command = data[3]; /* a whole frame comes in one write */
    rig.programs_fail = rig.programs_fail || command == rig.programs_fail_at;
    rig.syncs_fail = rig.syncs_fail || command == rig.syncs_fail_at;
    struct lie *lie = rig_find_lie(command);
    if (lie == NULL)
        return world_port_write(context, port, data, size);
    if (lie->asked) {
        uint8_t truth[FN_FRAME_MAX];
        fnm_feed(world.fnm, data, size, world.mono);
        while (fnm_output(world.fnm, truth, sizeof(truth), world.mono) > 0)
            ;
    }
    rig.answer_read = rig.answer_size = 0;
    if (!lie->silent)
        rig.answer_size =
            fn_frame_encode(lie->code, lie->data, lie->size, rig.answer, sizeof(rig.answer));
    if (lie->garbled)
        rig.answer[rig.answer_size - 1] ^= 0xFF;
    if (!lie->for_ever)
        lie->command = 0;
    return (int)size;
}

static int rig_port_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    size_t left = rig.answer_size - rig.answer_read;
    if (port != BOARD_PORT_FN || left == 0)
        return world_port_read(context, port, data, size);
    size_t count = size < left ? size : left;
    memcpy(data, rig.answer + rig.answer_read, count);
    rig.answer_read += count;
    return (int)count;
}

/* The next answer to `command` is this one; the FN does not get it. */
static inline struct lie *rig_lie(uint8_t command, uint8_t code, const void *data, size_t size)
{
    for (unsigned i = 0; i < sizeof(rig.lies) / sizeof(rig.lies[0]); i++) {
        struct lie *lie = &rig.lies[i];
        if (lie->command != 0)
            continue;
        *lie = (struct lie){.command = command, .code = code, .size = size};
        assert_true(size <= sizeof(lie->data));
        if (size > 0)
            memcpy(lie->data, data, size);
        return lie;
    }
    fail_msg("too many lies");
    return NULL;
}

static inline void rig_no_lies(void)
{
    rig.enquiries_lost = false;
    memset(rig.lies, 0, sizeof(rig.lies));
}

/* The FN's status as it is, to be changed and told with rig_lie_status. */
static inline struct fn_status rig_status(void)
{
    return world.firmware.cash_register.facts.status;
}

static inline struct lie *rig_lie_status(const struct fn_status *status)
{
    uint8_t bytes[FN_STATUS_SIZE];
    struct byte_writer writer;
    byte_writer_init(&writer, bytes, sizeof(bytes));
    fn_status_put(&writer, status);
    return rig_lie(FN_STATUS, FN_OK, bytes, writer.length);
}

/* A blank board, not switched on. */
static inline void rig_create(bool slips_too)
{
    world_create(&world, slips_too);
    memset(&rig, 0, sizeof(rig));
    world.board.port_read = rig_port_read;
    world.board.port_write = rig_port_write;
    world.board.flash.read = rig_read;
    world.board.flash.program = rig_program;
    world.board.flash.erase = rig_erase;
    world.board.flash.sync = rig_sync;
    world.board.clock_set = rig_clock_set;
    world.board.net_open = rig_net_open;
    world.board.net_state = rig_net_state;
    world.board.net_read = rig_net_read;
    world.board.net_write = rig_net_write;
    world.board.net_close = rig_net_close;
}

/* Registered, shift open, paper known; keys 200 and 201 are used. */
static inline void rig_ready(uint8_t ffd)
{
    rig_create(false);
    world_ready(&world, ffd);
    world_run(&world, 3000);
}

/* Turns the world until the condition holds. */
#define RIG_UNTIL(condition)                                                                       \
    do {                                                                                           \
        for (unsigned rig_turns = 0; !(condition); rig_turns++) {                                  \
            assert_true(rig_turns < 100000);                                                       \
            world_turn(&world);                                                                    \
        }                                                                                          \
    } while (0)

/* Sends a job and waits for nothing. */
static inline void rig_send_job(uint8_t code, uint8_t key, const uint8_t *list, size_t size)
{
    static uint8_t message[LINK_MESSAGE_MAX];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag(WORLD_SERIAL), .body = list, .size = size};
    memset(job.key, key, KEY_SIZE);
    byte_writer_init(&writer, message, sizeof(message));
    link_job_put(&writer, &job);
    world_send(&world, code, message, writer.length);
}

static inline void rig_send_sale(uint8_t key)
{
    size_t size = world_receipt(body, sizeof(body), SETTLEMENT_SALE, 2, 1000);
    rig_send_job(LINK_RECEIPT, key, body, size);
}

/* The answer to what was sent last, within so much time. */
static inline struct outcome rig_wait(uint32_t milliseconds)
{
    struct outcome outcome = {0};
    const uint8_t *rest;
    size_t rest_size;
    mono_ms until = world.mono + milliseconds;
    while (!outcome.answered && world.mono < until) {
        world_turn(&world);
        outcome.answered = world_receive(&world) == 1;
    }
    if (!outcome.answered)
        return outcome;
    assert_true(link_answer_get(world.message, world.assembler.length, &outcome.refusal, &rest,
                                &rest_size));
    if (outcome.refusal.code == ERROR_NONE)
        assert_true(link_result_get(rest, rest_size, &outcome.result));
    return outcome;
}

/* Does the newest refusal speak of a job (it names the key), or of the board? */
static inline bool rig_refusal_names_key(void)
{
    return world.assembler.length == LINK_REFUSAL_SIZE + KEY_SIZE;
}

static inline struct outcome sale(uint8_t key, uint8_t kind, unsigned items, uint64_t price)
{
    size_t size = world_receipt(body, sizeof(body), kind, items, price);
    return world_job(&world, LINK_RECEIPT, key, body, size);
}

static inline void expect_refusal(struct outcome outcome, uint16_t code, uint16_t tag)
{
    assert_true(outcome.answered);
    if (outcome.refusal.code != code)
        print_message("got %s, expected %s\n", error_info_find(outcome.refusal.code)->name,
                      error_info_find(code)->name);
    assert_int_equal(outcome.refusal.code, code);
    assert_int_equal(outcome.refusal.tag, tag);
}

/* A query that must be refused. */
static inline void expect_query_refusal(uint8_t code, const uint8_t *message, size_t size,
                                        uint16_t error)
{
    struct refusal refusal;
    const uint8_t *rest;
    size_t rest_size;
    assert_true(world_ask(&world, code, message, size, 60000));
    assert_true(
        link_answer_get(world.message, world.assembler.length, &refusal, &rest, &rest_size));
    assert_int_equal(refusal.code, error);
}

/* A job with an empty body. */
static inline struct outcome bare_job(uint8_t code, uint8_t key)
{
    return world_job(&world, code, key, NULL, 0);
}

/* A job whose body is one tag of one byte. */
static inline struct outcome byte_job(uint8_t code, uint8_t key, uint16_t tag, uint8_t value)
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_u8(&writer, tag, value);
    return world_job(&world, code, key, body, writer.length);
}

/* A job whose body is one tag. */
static inline struct outcome tag_job(uint8_t code, uint8_t key, uint16_t tag, const void *value,
                                     size_t size)
{
    struct byte_writer writer;
    byte_writer_init(&writer, body, sizeof(body));
    tlv_put_bytes(&writer, tag, value, size);
    return world_job(&world, code, key, body, writer.length);
}

/* The TLV list without `without`, or with another value of it. */
static inline size_t changed(uint8_t *out, size_t capacity, const uint8_t *list, size_t size,
                             uint16_t without, const void *value, size_t value_size)
{
    struct byte_writer writer;
    struct tlv_reader reader;
    struct tlv tlv;
    byte_writer_init(&writer, out, capacity);
    tlv_reader_init(&reader, list, size);
    while (tlv_next(&reader, &tlv) == 1) {
        if (tlv.tag != without)
            tlv_put_bytes(&writer, tlv.tag, tlv.value, tlv.length);
    }
    if (value != NULL)
        tlv_put_bytes(&writer, without, value, value_size);
    assert_true(byte_writer_ok(&writer));
    return writer.length;
}

/* A refusal left nothing behind: no document, no cash, no open job. */
static inline void expect_untouched(uint32_t documents, uint64_t cash)
{
    assert_int_equal(fnm_document_count(world.fnm), documents);
    assert_int_equal(world_status(&world, TAG_CASH_IN_DRAWER), cash);
    assert_false(world.firmware.cash_register.state.has_intent);
}

#endif
