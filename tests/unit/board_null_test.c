/* Firmware on the template of a port: nothing is connected and nothing works. It must say so to
 * whoever asks, refuse what it cannot do, and never hang.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "board/null/board_null.h"
#include "firmware/firmware.h"

#define WIRE 65536u

static struct {
    struct board_null null;
    struct board board;
    struct firmware firmware;
    struct moment now;
    uint8_t in[WIRE], out[WIRE];
    size_t in_size, in_read, out_size;
} rig;

static int host_read(void *context, enum board_port port, uint8_t *data, size_t size)
{
    (void)context;
    if (port != BOARD_PORT_HOST)
        return 0;
    size_t left = rig.in_size - rig.in_read;
    size_t count = size < left ? size : left;
    memcpy(data, rig.in + rig.in_read, count);
    rig.in_read += count;
    return (int)count;
}

static int host_write(void *context, enum board_port port, const uint8_t *data, size_t size)
{
    (void)context;
    if (port != BOARD_PORT_HOST)
        return 0;
    assert_true(rig.out_size + size <= sizeof rig.out);
    memcpy(rig.out + rig.out_size, data, size);
    rig.out_size += size;
    return (int)size;
}

static void start(void)
{
    memset(&rig, 0, sizeof rig);
    board_null_init(&rig.null, &rig.board);
}

/* The first step of a port: the cable to the shop's computer, and nothing else. */
static void plug_in_host(void)
{
    rig.board.port_read = host_read;
    rig.board.port_write = host_write;
}

static void run(uint32_t milliseconds)
{
    mono_ms until = rig.now.mono + milliseconds;
    for (unsigned turns = 0; rig.now.mono < until; turns++) {
        assert_true(turns < 1000000); /* it sleeps */
        uint32_t sleep_ms = firmware_step(&rig.firmware, &rig.now);
        rig.now.mono += sleep_ms < 10 ? sleep_ms : 10;
    }
}

/* The answer to a request: its TLV or result in *body, its code as value. */
static uint16_t ask(uint8_t code, const uint8_t *message, size_t size, const uint8_t **body,
                    size_t *body_size)
{
    static struct link_decoder decoder;
    static uint8_t payload[LINK_FRAGMENT_MAX];
    struct refusal refusal = {.code = ERROR_LINK_LOST};
    size_t offset = 0;
    rig.in_size = rig.in_read = rig.out_size = 0;
    rig.in_size = link_message_frame(LINK_REQUEST, code, 9, message, size, &offset, rig.in, WIRE);
    run(1000);
    link_decoder_init(&decoder);
    for (size_t i = 0; i < rig.out_size; i++) {
        struct link_frame frame;
        if (!link_decoder_push(&decoder, rig.out[i], &frame) || frame.kind != LINK_ANSWER)
            continue;
        assert_int_equal(frame.code, code);
        memcpy(payload, frame.payload, frame.length);
        assert_true(link_answer_get(payload, frame.length, &refusal, body, body_size));
    }
    return refusal.code;
}

static void test_nothing_is_connected(void **state)
{
    (void)state;
    start();
    assert_int_not_equal(firmware_init(&rig.firmware, &rig.board), ERROR_NONE);
    run(60000);
}

static void test_only_the_host(void **state)
{
    const uint8_t *body = NULL;
    size_t size = 0;
    struct tlv serial;
    uint16_t reason = 0;
    (void)state;
    start();
    plug_in_host();
    (void)firmware_init(&rig.firmware, &rig.board);
    assert_int_equal(ask(LINK_IDENTITY, NULL, 0, &body, &size), ERROR_NONE);
    assert_int_equal(tlv_find(body, size, TAG_BOARD_SERIAL, &serial), 1);
    assert_int_equal(serial.length, strlen(rig.board.serial));
    assert_memory_equal(serial.value, rig.board.serial, serial.length);
    assert_int_equal(ask(LINK_STATUS, NULL, 0, &body, &size), ERROR_NONE);
    assert_int_equal(tlv_find(body, size, TAG_BLOCK_REASON, &serial), 1);
    assert_true(tlv_get_u16(&serial, &reason));
    assert_int_equal(reason, ERROR_JOURNAL_FAULT);
    assert_int_equal(ask(LINK_UPDATE_STATUS, NULL, 0, &body, &size), ERROR_UPDATE_UNSUPPORTED);
    uint8_t message[LINK_JOB_HEADER_SIZE];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag(rig.board.serial)};
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    assert_int_equal(ask(LINK_RECEIPT, message, writer.length, &body, &size), ERROR_JOURNAL_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_connected),
        cmocka_unit_test(test_only_the_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
