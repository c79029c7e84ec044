/* An update through the whole register: over the link, between jobs, the operator's connection
 * closed while the signature is checked, a restart only when nothing is under way. */
#include "tests/unit/world.h"

#include "proto/firmware_image.h"
#include "proto/sha256.h"

#define SLOT_BYTES  16384u
#define BODY_BYTES  5000u
#define PIECE_BYTES 2000u
#define RUNNING     0x00000100u
#define NEWER       0x00000200u

static struct world world;
static uint8_t slot[SLOT_BYTES];
static struct {
    unsigned checks_left, restarts, offers, confirmations;
    int signature; /* what the check ends with */
    enum board_update_state state;
} maker;

static int slot_read(void *context, uint32_t address, void *data, size_t size)
{
    (void)context;
    memcpy(data, slot + address, size);
    return 0;
}

static int slot_program(void *context, uint32_t address, const void *data, size_t size)
{
    (void)context;
    memcpy(slot + address, data, size);
    return 0;
}

static int slot_erase(void *context, uint32_t address)
{
    (void)context;
    memset(slot + address, 0xFF, 4096);
    return 0;
}

static int check(void *context, const uint8_t *header)
{
    (void)context;
    assert_int_equal(get_u32le(header), FIRMWARE_IMAGE_MAGIC); /* still there */
    assert_true(ofd_client_is_closed(&world.firmware.ofd));
    if (maker.checks_left == 0)
        return maker.signature;
    maker.checks_left--;
    return 0;
}

static int offer(void *context, uint32_t version)
{
    (void)context;
    assert_int_equal(version, NEWER);
    maker.offers++;
    return 0;
}

static int confirm(void *context)
{
    (void)context;
    maker.confirmations++;
    maker.state = BOARD_UPDATE_CONFIRMED;
    return 0;
}

static enum board_update_state state_of(void *context, uint32_t *version)
{
    (void)context;
    *version = maker.state == BOARD_UPDATE_NONE ? 0 : NEWER;
    return maker.state;
}

static void restart(void *context)
{
    (void)context;
    maker.restarts++;
}

static const struct board_flash slot_flash = {.size = SLOT_BYTES,
                                              .sector_size = 4096,
                                              .page_size = 256,
                                              .erased = 0xFF,
                                              .read = slot_read,
                                              .program = slot_program,
                                              .erase = slot_erase};
static const struct board_update slots = {.name = "world",
                                          .flash = &slot_flash,
                                          .address = 0x1000,
                                          .size = SLOT_BYTES,
                                          .version = RUNNING,
                                          .check = check,
                                          .offer = offer,
                                          .confirm = confirm,
                                          .state = state_of,
                                          .restart = restart};

static uint8_t header[FIRMWARE_IMAGE_HEADER_BYTES], image_body[BODY_BYTES];

static void make_image(void)
{
    struct firmware_image image = {
        .board = "world", .address = 0x1000, .size = BODY_BYTES, .version = NEWER};
    struct sha256 sha;
    for (size_t i = 0; i < BODY_BYTES; i++)
        image_body[i] = (uint8_t)(i * 13u);
    sha256_init(&sha);
    sha256_update(&sha, image_body, BODY_BYTES);
    sha256_final(&sha, image.hash);
    firmware_image_put(&image, header);
}

static void start(void)
{
    memset(&maker, 0, sizeof maker);
    maker.signature = 1;
    make_image();
    world_create(&world, false);
    world_ready(&world, FFD_1_2);
    world.board.update = &slots;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 3000);
}

static uint16_t ask(uint8_t code, const void *body, size_t size)
{
    struct refusal refusal;
    const uint8_t *rest;
    size_t rest_size;
    assert_true(world_ask(&world, code, body, size, 10000));
    assert_true(
        link_answer_get(world.message, world.assembler.length, &refusal, &rest, &rest_size));
    return refusal.code;
}

static uint16_t send_data(uint32_t offset, uint32_t size)
{
    uint8_t message[4 + PIECE_BYTES];
    struct byte_writer writer;
    byte_writer_init(&writer, message, sizeof message);
    put_u32le(&writer, offset);
    put_bytes(&writer, image_body + offset, size);
    return ask(LINK_UPDATE_DATA, message, writer.length);
}

static uint8_t update_state(void)
{
    const uint8_t *tlv;
    uint8_t value = 0xFF;
    size_t size = world_query(&world, LINK_UPDATE_STATUS, NULL, 0, &tlv);
    assert_true(tlv_find_u8(tlv, size, TAG_UPDATE_STATE, &value));
    return value;
}

static void sell(uint8_t key)
{
    uint8_t body[512];
    size_t size = world_receipt(body, sizeof body, 1, 2, 10000);
    world_must(world_job(&world, LINK_RECEIPT, key, body, size));
}

static void test_update(void **state)
{
    (void)state;
    start();
    maker.checks_left = 5;
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_NONE);
    assert_int_equal(update_state(), UPDATE_RECEIVING);
    for (uint32_t at = 0; at < BODY_BYTES; at += PIECE_BYTES) {
        sell((uint8_t)(10 + at / PIECE_BYTES)); /* receipts go on between the pieces */
        uint32_t left = BODY_BYTES - at;
        assert_int_equal(send_data(at, left < PIECE_BYTES ? left : PIECE_BYTES), ERROR_NONE);
    }
    assert_int_equal(ask(LINK_UPDATE_FINISH, header, sizeof header), ERROR_NONE);
    assert_int_equal(maker.offers, 1);
    assert_int_equal(update_state(), UPDATE_RESTARTING);
    assert_memory_equal(slot, header, sizeof header);
    assert_memory_equal(slot + sizeof header, image_body, BODY_BYTES);
    assert_int_equal(maker.restarts, 0); /* the answer first */
    world_run(&world, 5000);
    assert_true(maker.restarts > 0);
    maker.state = BOARD_UPDATE_TRIAL;
    world.board.update = &slots;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    world_run(&world, 5000);
    assert_int_equal(maker.confirmations, 0); /* no host was answered yet */
    assert_int_equal(update_state(), UPDATE_ON_TRIAL);
    world_run(&world, 100);
    assert_int_equal(maker.confirmations, 1);
    assert_int_equal(update_state(), UPDATE_CONFIRMED);
    sell(20);
    assert_int_equal(world_status(&world, TAG_BLOCK_REASON), ERROR_NONE);
    world_destroy(&world);
}

static void turn_often(void)
{
    for (unsigned turns = 0; turns < 50; turns++)
        world_turn(&world);
}

/* Who has gone meanwhile gets no answer; the next one may begin. */
static void test_signature_is_wrong_and_the_host_gone(void **state)
{
    (void)state;
    start();
    maker.signature = -1;
    maker.checks_left = 3;
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_UPDATE_SIGNATURE);
    assert_int_equal(update_state(), UPDATE_NONE);
    maker.checks_left = 1000000; /* no time passes while it is checked */
    world_send(&world, LINK_UPDATE_BEGIN, header, sizeof header);
    turn_often();
    assert_int_equal(update_state(), UPDATE_CHECKING); /* questions are answered beside it */
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_BUSY);
    world_replug(&world);
    turn_often();
    maker.checks_left = 0;
    world_run(&world, 100);
    assert_int_equal(update_state(), UPDATE_NONE);
    maker.signature = 1;
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_NONE);
    sell(10);
    world_destroy(&world);
}

/* With an INTENT that is not settled the board takes the image and waits with the restart. */
static void test_no_restart_while_an_intent_is_open(void **state)
{
    uint8_t body[512];
    (void)state;
    start();
    size_t size = world_receipt(body, sizeof body, 1, 2, 10000);
    struct byte_writer writer;
    uint8_t message[1024];
    struct link_job job = {.device_tag = link_device_tag(WORLD_SERIAL), .body = body, .size = size};
    memset(job.key, 50, KEY_SIZE);
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    world_send(&world, LINK_RECEIPT, message, writer.length);
    for (unsigned turns = 0; !world.firmware.cash_register.state.has_intent; turns++) {
        assert_true(turns < 100000);
        world_turn(&world);
    }
    fnm_fault(world.fnm, FNM_FAULT_OFF, 1);
    world_run(&world, 60000); /* the job was answered OUTCOME_UNKNOWN meanwhile */
    assert_true(world.firmware.cash_register.state.has_intent);
    world.from_board_read = world.from_board_size = 0;
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_NONE);
    for (uint32_t at = 0; at < BODY_BYTES; at += PIECE_BYTES) {
        uint32_t left = BODY_BYTES - at;
        assert_int_equal(send_data(at, left < PIECE_BYTES ? left : PIECE_BYTES), ERROR_NONE);
    }
    assert_int_equal(ask(LINK_UPDATE_FINISH, header, sizeof header), ERROR_NONE);
    world_run(&world, 60000);
    assert_int_equal(maker.restarts, 0);
    fnm_fault(world.fnm, FNM_FAULT_OFF, 0);
    world_run(&world, 10000);
    assert_false(world.firmware.cash_register.state.has_intent);
    assert_true(maker.restarts > 0);
    world_destroy(&world);
}

/* A board without slots says so; its version is the build's. */
static void test_unsupported(void **state)
{
    (void)state;
    start();
    world.board.update = NULL;
    assert_int_equal(world_power_on(&world), ERROR_NONE);
    assert_int_equal(ask(LINK_UPDATE_STATUS, NULL, 0), ERROR_UPDATE_UNSUPPORTED);
    assert_int_equal(ask(LINK_UPDATE_BEGIN, header, sizeof header), ERROR_UPDATE_UNSUPPORTED);
    world_destroy(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_signature_is_wrong_and_the_host_gone),
        cmocka_unit_test(test_no_restart_while_an_intent_is_open),
        cmocka_unit_test(test_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
