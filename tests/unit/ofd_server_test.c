/* The test operator: worked examples of the protocol, its store, its misbehaviour, and the whole
 * process over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board/fn/operator_key.h"
#include "board/tls/tls_stream.h"
#include "proto/crc.h"
#include "proto/tlv.h"
#include "tools/ofd/ofd_operator.h"
#include "tools/ofd/ofd_server.h"

#define INN "7704358518"

/* fiscal.md 2.6 A: shift-open report, FFD 1.05. */
static const char example_a[] =
    "2A08410A 81A2 0105 39393939303738393030303035343838 AC00 1400 0000"
    "AC00 2111 A50201 1009 9999078900005488 000002 000000000000000100010082"
    "02007E00 11041000 39393939303738393030303035343838"
    "0D041400 3030303030303030303530303835373020202020 FA030C00 373730323230333237362020"
    "10040400 02000000 F4030400 1056B958 35040600 3104AABBCCDD 0E040400 01000000"
    "FD030B00 88A2A0ADAEA220882E882E B9040100 02 A4040300 322E30 A5040100 02"
    "8106 112233445566 0000";

/* fiscal.md 2.6 B: confirmation without 1078 and FPP. */
static const char example_b[] =
    "2A08410A81A20001 39393939303738393030303035343838 610014000000 6100AD4A A507011009"
    "9999078900005488 000001 000000000000000000000000 07003D00 F9030C00373730343335383531382020"
    "1104100039393939303738393030303035343838 1004040001000000 F40304009D55B958"
    "2C040500FE03010000";

/* fiscal.md 2.6 C: a real register's registration change report, P-version 00 01. */
static const char capture_c[] =
    "2A08410A81A2000139393939303738393030303035343838B40114000000"
    "B4012578A50B0110099999078900005488000001 84EC4C14C2000001000401 8A 0B008601"
    "1104100039393939303738393030303035343838"
    "0D0414003030303030303030303530303835373020202020 FA030C00373730323230333237362020"
    "1004040001000000 F40304009855B958 350406002104AA107541"
    "2004010000 EA03010000 E903010000 5504010001 5604010000 5404010000 2604010006 4D04010001"
    "F5030C00303030303030303030303032 180411008E8E8E2090808F8A8092 2DE6A5ADE2E020"
    "F1033000313131313431 20A32E8CAEE1AAA2A02C20E3AB2E208AE3E1AAAEA2E1AAA0EF20"
    "A42E32308020AEE4A8E120822D323032 F9030C00373730343335383531382020"
    "240408006E616C6F672E7275 5D0413006578616D706C65406578616D706C652E636F6D"
    "FD030A0098A5ADADAEAD208A2E20 16040A004F4F4F20544158434F4D"
    "A504010002 B904010002 A4040300322E30"
    "A3043100313131313431 20A32E8CAEE1AAA2A02C20E3AB2E208AE3E1AAAEA2E1AAA0EF0D0A"
    "A42E32308020AEE4A8E120822D323032 B3040C00373731323334353637383930 C504010000 B704010001"
    "8106A55AE10C4D750000";

static const char ping_plain[] = "2A08410A81A20105393939393037383930303030353438380000 1000 0000";
static const char ping_checked[] = "2A08410A81A20105393939393037383930303030353438380000 1100 D81A";

static size_t unhex(const char *text, uint8_t *out, size_t capacity)
{
    size_t size = 0;
    for (const char *c = text; *c != '\0';) {
        unsigned value;
        if (*c == ' ') {
            c++;
            continue;
        }
        assert_int_equal(sscanf(c, "%2x", &value), 1);
        assert_true(size < capacity);
        out[size++] = (uint8_t)value;
        c += 2;
    }
    return size;
}

static void mend_container_crc(uint8_t *message, size_t size)
{
    uint8_t *container = message + OFD_HEADER_SIZE;
    uint16_t crc = crc16_update(CRC16_INIT, container, 2);
    crc = crc16_update(crc, container + 4, size - OFD_HEADER_SIZE - 4);
    container[2] = (uint8_t)crc;
    container[3] = (uint8_t)(crc >> 8);
}

/* ---- parsing ---- */

static void example_a_is_accepted(void **state)
{
    uint8_t bytes[256];
    size_t size = unhex(example_a, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    assert_int_equal(size, 202);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    assert_int_equal(message.size, 202);
    assert_string_equal(message.fn_number, "9999078900005488");
    assert_int_equal(message.document, 2);
    assert_int_equal(message.form, FORM_SHIFT_OPEN);
    assert_int_equal(message.ffd, FFD_1_05);
    assert_true(message.sign == 2864434397u);
    assert_int_equal(message.time, 0x58B95610);
    assert_int_equal(message.code, OFD_ANSWER_ACCEPTED);
    assert_string_equal(message.problem, "");
}

static void session_crc_variants(void **state)
{
    uint8_t bytes[256];
    size_t size = unhex(example_a, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    memcpy(bytes + 26, "\x15\x00\x58\x73", 4);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    bytes[28] ^= 1;
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_GARBAGE);
    memcpy(bytes + 26, "\x16\x00\x25\x79", 4);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    bytes[28] ^= 1;
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_BROKEN);
}

static void capture_c_is_accepted(void **state)
{
    uint8_t bytes[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    assert_int_equal(size, 466);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    assert_int_equal(message.document, 1);
    assert_int_equal(message.form, FORM_REGISTRATION_CHANGE);
    assert_int_equal(message.ffd, FFD_1_05); /* from 1209: the header says 00 01 */
    assert_true(message.sign == 2853205313u);
    assert_int_equal(message.code, OFD_ANSWER_ACCEPTED);
}

static void every_prefix_is_a_part(void **state)
{
    uint8_t bytes[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    for (size_t i = 0; i < size; i++) {
        uint8_t *exact = malloc(i + 1); /* the sanitizer sees a read past the end */
        memcpy(exact, bytes, i);
        assert_int_equal(ofd_message_parse(exact, i, &message), OFD_MESSAGE_PART);
        free(exact);
    }
}

static void no_damage_is_confirmed(void **state)
{
    uint8_t bytes[512], damaged[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    for (size_t i = OFD_HEADER_SIZE; i < size; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(damaged, bytes, size);
            damaged[i] ^= (uint8_t)(1u << bit);
            /* CRC-16 misses no single bit; type 5A and A5 differ in all of them. */
            assert_int_equal(ofd_message_parse(damaged, size, &message), OFD_MESSAGE_BROKEN);
        }
    }
}

static void headers_out_of_bounds(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        int expected;
    } cases[] = {{0, 0x2B, OFD_MESSAGE_GARBAGE},  /* signature */
                 {5, 0xA1, OFD_MESSAGE_GARBAGE},  /* S-version of another service */
                 {25, 0x80, OFD_MESSAGE_GARBAGE}, /* 33 KB */
                 {26, 0x17, OFD_MESSAGE_GARBAGE}, /* both CRC bits */
                 {27, 0x01, OFD_MESSAGE_GARBAGE}, /* reserved flag */
                 {26, 0x10, OFD_MESSAGE_BROKEN},  /* body, but no container */
                 {6, 0x07, OFD_MESSAGE_BROKEN},   /* P-version */
                 {8, 'A', OFD_MESSAGE_BROKEN},    /* FN number */
                 {23, '7', OFD_MESSAGE_BROKEN}};  /* FN number other than the container's */
    uint8_t bytes[256];
    size_t size;
    struct ofd_message message;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size = unhex(example_a, bytes, sizeof bytes);
        bytes[cases[i].offset] = cases[i].value;
        assert_int_equal(ofd_message_parse(bytes, size, &message), cases[i].expected);
        assert_string_not_equal(message.problem, "");
    }
}

static void random_bytes_do_no_harm(void **state)
{
    uint32_t seed = 12345;
    uint8_t valid[256];
    size_t size = unhex(example_a, valid, sizeof valid);
    struct ofd_message message;
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t *bytes = malloc(size);
        size_t length;
        memcpy(bytes, valid, size);
        for (unsigned i = 0; i < 1 + round % 8; i++) {
            seed = seed * 1664525u + 1013904223u;
            bytes[(seed >> 8) % size] = (uint8_t)(seed >> 24);
        }
        length = round % 3 == 0 ? (seed >> 4) % size : size;
        if (round % 2 == 0)
            mend_container_crc(bytes, size);
        bytes = realloc(bytes, length + 1);
        (void)ofd_message_parse(bytes, length, &message);
        assert_true(message.problem != NULL);
        free(bytes);
    }
}

static void wrong_contents_get_a_code(void **state)
{
    uint8_t bytes[256];
    size_t size = unhex(example_a, bytes, sizeof bytes);
    struct ofd_message message;
    (void)state;
    /* 1077 under another tag number: readable, but the sign is missing. */
    bytes[OFD_HEADER_SIZE + 32 + 4 + 20 + 24 + 16 + 8 + 8] = 0x36;
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    assert_int_equal(message.code, OFD_ANSWER_FORMAT);
    /* The first TLV longer than the document. */
    size = unhex(example_a, bytes, sizeof bytes);
    bytes[OFD_HEADER_SIZE + 32 + 4 + 3] = 0x01;
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    assert_int_equal(message.code, OFD_ANSWER_UNREADABLE);
    /* 1040 is not the container's number. */
    size = unhex(example_a, bytes, sizeof bytes);
    bytes[OFD_HEADER_SIZE + 32 + 4 + 20 + 24 + 16 + 4] = 0x09;
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    assert_int_equal(message.code, OFD_ANSWER_FORMAT);
    assert_int_equal(message.document, 2);
    /* The STLV runs past the container: the sign of the message is gone. */
    size = unhex(example_a, bytes, sizeof bytes);
    bytes[OFD_HEADER_SIZE + 32 + 2] = 0x88;
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_BROKEN);
}

/* ---- answers ---- */

static void pings_are_answered(void **state)
{
    static const uint8_t plain_answer[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    uint8_t bytes[64], answer[OFD_HEADER_SIZE];
    struct ofd_message message;
    size_t size = unhex(ping_plain, bytes, sizeof bytes);
    (void)state;
    assert_int_equal(size, OFD_HEADER_SIZE);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_PING);
    ofd_ping_answer(&message, answer);
    assert_memory_equal(answer, bytes, 24);
    assert_memory_equal(answer + 24, plain_answer, sizeof plain_answer);
    size = unhex(ping_checked, bytes, sizeof bytes);
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_PING);
    ofd_ping_answer(&message, answer);
    assert_memory_equal(answer, bytes, 24);
    assert_memory_equal(answer + 24, "\x00\x00\x01\x00", 4);
    assert_true(ofd_header_crc_ok(answer, NULL, 0));
    assert_int_equal(get_u16le(answer + 28), crc16_update(CRC16_INIT, answer, 28));
    bytes[28] ^= 1;
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_GARBAGE);
}

/* Takes the answer apart: STLV of form 7 and FPP. */
static void open_answer(const uint8_t *answer, size_t size, struct ofd_container *container,
                        const uint8_t **stlv, size_t *stlv_size)
{
    struct ofd_header header;
    assert_int_equal(ofd_header_decode(answer, size, &header), 1);
    assert_true(ofd_header_crc_ok(answer, answer + OFD_HEADER_SIZE, header.body_size));
    assert_int_equal(size, OFD_HEADER_SIZE + header.body_size);
    assert_true(ofd_container_decode(answer + OFD_HEADER_SIZE, header.body_size, container));
    assert_int_equal(container->data_type, FORM_OPERATOR_CONFIRMATION);
    *stlv = container->body;
    *stlv_size = 4 + (size_t)get_u16le(container->body + 2);
    assert_int_equal(get_u16le(container->body), FORM_OPERATOR_CONFIRMATION);
    assert_int_equal(container->size, *stlv_size + OPERATOR_FPP_SIZE);
}

static bool sign_is_good(const uint8_t *answer, size_t size)
{
    struct ofd_container container;
    const uint8_t *stlv;
    size_t stlv_size;
    uint8_t fpp[OPERATOR_FPP_SIZE];
    open_answer(answer, size, &container, &stlv, &stlv_size);
    assert_true(operator_sign(INN, container.fn_number, stlv, stlv_size, fpp));
    return memcmp(fpp, stlv + stlv_size, sizeof fpp) == 0;
}

static void answer_is_example_b_plus_signs(void **state)
{
    uint8_t bytes[512], expected[256], answer[OFD_CONFIRMATION_MAX], stripped[256];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    size_t expected_size = unhex(example_b, expected, sizeof expected);
    struct ofd_answer how = {.inn = INN, .received = 0x58B9559D, .document = 1};
    struct ofd_message message;
    struct ofd_container container;
    struct ofd_header header;
    const uint8_t *stlv;
    size_t stlv_size, answer_size;
    struct tlv fpo;
    uint8_t sign[OPERATOR_FPO_SIZE];
    uint8_t without[256];
    (void)state;
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    answer_size = ofd_confirmation_encode(&message, &how, answer, sizeof answer);
    assert_int_equal(answer_size, expected_size + 20 + 8);
    assert_true(sign_is_good(answer, answer_size));
    open_answer(answer, answer_size, &container, &stlv, &stlv_size);
    assert_int_equal(tlv_find(stlv + 4, stlv_size - 4, TAG_OFD_FISCAL_SIGN, &fpo), 1);
    assert_true(operator_sign_receipt(INN, "9999078900005488", 1, 0x58B9559D, 0, sign));
    assert_int_equal(fpo.length, sizeof sign);
    assert_memory_equal(fpo.value, sign, sizeof sign);
    /* Without 1078 (the last TLV) and FPP it must be the worked example, byte for byte, checksums
     * included. */
    assert_ptr_equal(fpo.value + fpo.length, stlv + stlv_size);
    memcpy(without, stlv, stlv_size - 20);
    without[2] = (uint8_t)(stlv_size - 24);
    container.body = without;
    container.size = stlv_size - 20;
    size = ofd_container_encode(&container, stripped + OFD_HEADER_SIZE,
                                sizeof stripped - OFD_HEADER_SIZE);
    assert_int_equal(ofd_header_decode(answer, answer_size, &header), 1);
    header.body_size = (uint16_t)size;
    ofd_header_encode(&header, NULL, stripped);
    assert_int_equal(OFD_HEADER_SIZE + size, expected_size);
    assert_memory_equal(stripped, expected, expected_size);
}

static void confirmation_of_ffd_12(void **state)
{
    uint8_t bytes[256], answer[OFD_CONFIRMATION_MAX];
    size_t size = unhex(example_a, bytes, sizeof bytes), stlv_size, answer_size;
    struct ofd_answer how = {.inn = INN, .received = 1700000000, .document = 2};
    struct ofd_message message;
    struct ofd_container container;
    const uint8_t *stlv;
    struct tlv found;
    uint8_t flags;
    (void)state;
    assert_int_equal(ofd_message_parse(bytes, size, &message), OFD_MESSAGE_DOCUMENT);
    message.ffd = FFD_1_2;
    answer_size = ofd_confirmation_encode(&message, &how, answer, sizeof answer);
    open_answer(answer, answer_size, &container, &stlv, &stlv_size);
    assert_int_equal(tlv_find(stlv + 4, stlv_size - 4, TAG_OFD_MESSAGE, &found), 0);
    assert_int_equal(tlv_find(stlv + 4, stlv_size - 4, TAG_OFD_MESSAGE_FLAGS, &found), 0);
    how.code = OFD_ANSWER_FORMAT;
    answer_size = ofd_confirmation_encode(&message, &how, answer, sizeof answer);
    open_answer(answer, answer_size, &container, &stlv, &stlv_size);
    assert_true(tlv_find_u8(stlv + 4, stlv_size - 4, TAG_OFD_MESSAGE_FLAGS, &flags));
    assert_int_equal(flags, OFD_FLAG_FORMAT_ERROR);
    assert_true(sign_is_good(answer, answer_size));
    /* Short buffers and a bad INN give nothing. */
    for (size_t i = 0; i < answer_size; i++)
        assert_int_equal(ofd_confirmation_encode(&message, &how, answer, i), 0);
    how.inn = "1234567890123";
    assert_int_equal(ofd_confirmation_encode(&message, &how, answer, sizeof answer), 0);
}

/* ---- store and misbehaviour ---- */

struct place {
    char directory[32];
    char path[64];
    struct ofd_operator office;
};

static void place_open(struct place *place)
{
    char error[256];
    memset(place, 0, sizeof *place);
    strcpy(place->directory, "/tmp/ofd-test-XXXXXX");
    assert_non_null(mkdtemp(place->directory));
    (void)snprintf(place->path, sizeof place->path, "%s/s.db", place->directory);
    place->office.inn = INN;
    place->office.store = ofd_store_open(place->path, true, error, sizeof error);
    assert_non_null(place->office.store);
}

static void place_close(struct place *place)
{
    char command[96];
    ofd_store_close(place->office.store);
    (void)snprintf(command, sizeof command, "rm -rf %s", place->directory);
    assert_int_equal(system(command), 0);
}

struct tally {
    unsigned rows;
    struct ofd_row last;
};

static void count_row(void *user, const struct ofd_row *row)
{
    struct tally *tally = user;
    tally->rows++;
    tally->last = *row;
    tally->last.raw = NULL;
}

static void stored_once_and_repeated_alike(void **state)
{
    struct place place;
    struct ofd_reply first, again;
    struct tally tally = {0};
    uint8_t bytes[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    char error[256];
    (void)state;
    place_open(&place);
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1700000000, &first), size);
    assert_true(first.size > 0 && sign_is_good(first.bytes, first.size));
    assert_non_null(strstr(first.event, ": new"));
    /* As after a restart of the operator, a day later. */
    ofd_store_close(place.office.store);
    place.office.store = ofd_store_open(place.path, false, error, sizeof error);
    assert_non_null(place.office.store);
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1700086400, &again), size);
    assert_non_null(strstr(again.event, ": repeat"));
    assert_int_equal(again.size, first.size);
    assert_memory_equal(again.bytes, first.bytes, first.size);
    assert_true(ofd_store_each(place.office.store, count_row, &tally));
    assert_int_equal(tally.rows, 1);
    assert_int_equal(tally.last.times, 2);
    assert_int_equal(tally.last.conflicts, 0);
    assert_int_equal(tally.last.received, 1700000000);
    assert_int_equal(tally.last.raw_size, 466);
    place_close(&place);
}

static void other_bytes_are_a_conflict(void **state)
{
    struct place place;
    struct ofd_reply reply;
    struct tally tally = {0};
    uint8_t bytes[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    (void)state;
    place_open(&place);
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1700000000, &reply), size);
    bytes[size - 3] ^= 1; /* another sign of the message */
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1700000001, &reply), size);
    assert_int_equal(reply.size, 0);
    assert_non_null(strstr(reply.event, "CONFLICT"));
    assert_true(ofd_store_each(place.office.store, count_row, &tally));
    assert_int_equal(tally.rows, 1);
    assert_int_equal(tally.last.times, 1);
    assert_int_equal(tally.last.conflicts, 1);
    place_close(&place);
}

static void one_message_at_a_time_from_a_stream(void **state)
{
    struct place place;
    struct ofd_reply reply;
    uint8_t bytes[1024];
    size_t size = unhex(capture_c, bytes, sizeof bytes), used;
    (void)state;
    place_open(&place);
    size += unhex(ping_plain, bytes + size, sizeof bytes - size);
    size += unhex(example_a, bytes + size, sizeof bytes - size);
    used = ofd_operator_take(&place.office, bytes, size, 1, &reply);
    assert_int_equal(used, 466);
    used += ofd_operator_take(&place.office, bytes + used, size - used, 1, &reply);
    assert_int_equal(used, 496);
    assert_int_equal(reply.size, OFD_HEADER_SIZE);
    assert_int_equal(ofd_operator_take(&place.office, bytes + used, size - used - 1, 1, &reply), 0);
    used += ofd_operator_take(&place.office, bytes + used, size - used, 1, &reply);
    assert_int_equal(used, size);
    assert_true(sign_is_good(reply.bytes, reply.size));
    /* A message that nobody wants answered. */
    size = unhex(example_a, bytes, sizeof bytes);
    bytes[26] = 0x04;
    bytes[OFD_HEADER_SIZE + 19] = 3;
    bytes[OFD_HEADER_SIZE + 32 + 4 + 20 + 24 + 16 + 4] = 3;
    mend_container_crc(bytes, size);
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1, &reply), size);
    assert_int_equal(reply.size, 0);
    assert_non_null(strstr(reply.event, ": new"));
    /* Garbage ends the connection, a broken container does not. */
    assert_int_equal(ofd_operator_take(&place.office, (const uint8_t *)"GET / HTTP", 10, 1, &reply),
                     10);
    assert_true(reply.close && reply.size == 0);
    bytes[60] ^= 1;
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 1, &reply), size);
    assert_true(!reply.close && reply.size == 0);
    place_close(&place);
}

static void misbehaviour(void **state)
{
    struct place place;
    struct ofd_reply good, bad;
    struct ofd_behaviour *how = &place.office.behaviour;
    struct ofd_container container;
    const uint8_t *stlv;
    size_t stlv_size;
    uint8_t bytes[512];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    struct tlv message;
    uint8_t code;
    (void)state;
    place_open(&place);
    assert_true(ofd_behaviour_command(how, "reject 14"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &good), size);
    open_answer(good.bytes, good.size, &container, &stlv, &stlv_size);
    assert_int_equal(tlv_find(stlv + 4, stlv_size - 4, TAG_OFD_MESSAGE, &message), 1);
    assert_true(tlv_find_u8(message.value, message.length, TAG_OFD_ANSWER_CODE, &code));
    assert_int_equal(code, 14);
    assert_true(sign_is_good(good.bytes, good.size));

    assert_true(ofd_behaviour_command(how, "normal"));
    assert_true(ofd_behaviour_command(how, "silent"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
    assert_int_equal(bad.size, 0);

    assert_true(ofd_behaviour_command(how, "normal"));
    assert_true(ofd_behaviour_command(how, "double"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
    assert_int_equal(bad.size, 2 * good.size);
    assert_memory_equal(bad.bytes, good.bytes, good.size);
    assert_memory_equal(bad.bytes + good.size, good.bytes, good.size);

    assert_true(ofd_behaviour_command(how, "normal"));
    assert_true(ofd_behaviour_command(how, "bad-sign"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
    assert_int_equal(bad.size, good.size);
    assert_false(sign_is_good(bad.bytes, bad.size)); /* and everything else holds */

    assert_true(ofd_behaviour_command(how, "normal"));
    assert_true(ofd_behaviour_command(how, "wrong-number"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
    open_answer(bad.bytes, bad.size, &container, &stlv, &stlv_size);
    assert_int_equal(container.document, 2);
    assert_true(sign_is_good(bad.bytes, bad.size));

    assert_true(ofd_behaviour_command(how, "normal"));
    assert_true(ofd_behaviour_command(how, "garble"));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
        assert_true(bad.size != good.size || memcmp(bad.bytes, good.bytes, good.size) != 0);
    }
    assert_true(ofd_behaviour_command(how, "normal"));
    assert_int_equal(ofd_operator_take(&place.office, bytes, size, 5, &bad), size);
    assert_int_equal(bad.size, good.size);
    assert_memory_equal(bad.bytes, good.bytes, good.size);
    place_close(&place);
}

static void behaviour_commands(void **state)
{
    static const char *const wrong[] = {"",        "slo",          "slow",        "slow ",
                                        "slow -1", "slow 1x",      "reject",      "reject 256",
                                        "down 1",  "close-after ", "slow 9999999"};
    struct ofd_behaviour how;
    (void)state;
    memset(&how, 0, sizeof how);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(ofd_behaviour_command(&how, wrong[i]));
    assert_true(ofd_behaviour_command(&how, "slow 1500") && how.slow_ms == 1500);
    assert_true(ofd_behaviour_command(&how, "close-after 31") && how.cut && how.cut_bytes == 31);
    assert_true(ofd_behaviour_command(&how, "down") && how.down);
    assert_true(ofd_behaviour_command(&how, "up") && !how.down && how.slow_ms == 1500);
    assert_true(ofd_behaviour_command(&how, "normal") && !how.cut && how.slow_ms == 0);
}

static void foreign_stores_are_refused(void **state)
{
    struct place place;
    char error[256], command[160];
    FILE *file;
    (void)state;
    place_open(&place);
    (void)snprintf(command, sizeof command, "%s/none/s.db", place.directory);
    assert_null(ofd_store_open(command, true, error, sizeof error));
    assert_string_not_equal(error, "");
    (void)snprintf(command, sizeof command, "%s/text", place.directory);
    file = fopen(command, "w");
    for (unsigned i = 0; i < 200; i++)
        (void)fputs("this is not a database. ", file);
    (void)fclose(file);
    assert_null(ofd_store_open(command, false, error, sizeof error));
    assert_string_not_equal(error, "");
    place_close(&place);
}

/* ---- the whole process ---- */

struct process {
    struct place place;
    pid_t pid;
    int output;
    uint16_t plain_port, tls_port;
    char control[80], certificates[80];
};

static uint16_t read_port(int file, const char *prefix)
{
    char line[96];
    size_t length = 0;
    while (length < sizeof line - 1 && read(file, line + length, 1) == 1 && line[length] != '\n')
        length++;
    line[length] = '\0';
    assert_int_equal(strncmp(line, prefix, strlen(prefix)), 0);
    return (uint16_t)atoi(line + strlen(prefix));
}

static void process_start(struct process *process)
{
    int pipes[2];
    place_open(&process->place);
    ofd_store_close(process->place.office.store);
    process->place.office.store = NULL;
    (void)snprintf(process->control, sizeof process->control, "%s/ctl", process->place.directory);
    (void)snprintf(process->certificates, sizeof process->certificates, "%s/tls",
                   process->place.directory);
    assert_int_equal(pipe(pipes), 0);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0) {
        struct ofd_server_options options = {.store_path = process->place.path,
                                             .listen = "127.0.0.1:0",
                                             .tls = "127.0.0.1:0",
                                             .tls_directory = process->certificates,
                                             .inn = INN,
                                             .control_path = process->control};
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no process */
        (void)dup2(pipes[1], STDOUT_FILENO);
        (void)close(pipes[0]);
        _exit(ofd_server_run(&options));
    }
    (void)close(pipes[1]);
    process->output = pipes[0];
    process->plain_port = read_port(process->output, "listening 127.0.0.1:");
    process->tls_port = read_port(process->output, "listening tls 127.0.0.1:");
}

static void process_stop(struct process *process)
{
    int status = -1;
    char rest[4096];
    assert_int_equal(kill(process->pid, SIGTERM), 0);
    while (read(process->output, rest, sizeof rest) > 0) {
    }
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(process->output);
    assert_int_not_equal(access(process->control, F_OK), 0);
    place_close(&process->place);
}

static int dial(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5, .tv_usec = 0};
    int file = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(file >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(file, (struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(file);
        return -1;
    }
    (void)setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return file;
}

static size_t read_all(int file, uint8_t *out, size_t wanted)
{
    size_t have = 0;
    while (have < wanted) {
        ssize_t got = recv(file, out + have, wanted - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

static void plain_process(void **state)
{
    struct process process;
    uint8_t bytes[512], answer[OFD_CONFIRMATION_MAX];
    size_t size = unhex(capture_c, bytes, sizeof bytes);
    int first, second, third;
    (void)state;
    process_start(&process);
    /* Two registers at once, one of them byte by byte. */
    first = dial(process.plain_port);
    second = dial(process.plain_port);
    for (size_t i = 0; i + 1 < size; i++)
        assert_int_equal(send(first, bytes + i, 1, 0), 1);
    assert_int_equal(send(second, bytes, size, 0), (ssize_t)size);
    assert_int_equal(read_all(second, answer, 155), 155);
    assert_true(sign_is_good(answer, 155));
    assert_int_equal(send(first, bytes + size - 1, 1, 0), 1);
    assert_int_equal(read_all(first, answer, 155), 155);
    (void)close(second);
    /* close-after counts both ways: 466 in, 100 of the answer out. */
    assert_int_equal(ofd_server_control(process.control, "close-after 566"), 0);
    third = dial(process.plain_port);
    assert_int_equal(send(third, bytes, size, 0), (ssize_t)size);
    assert_int_equal(read_all(third, answer, sizeof answer), 100);
    (void)close(third);
    assert_int_equal(ofd_server_control(process.control, "normal"), 0);
    /* Down: the open connection dies, new ones are refused; up: the same port is back. */
    assert_int_equal(ofd_server_control(process.control, "down"), 0);
    assert_int_equal(read_all(first, answer, 1), 0);
    (void)close(first);
    assert_int_equal(dial(process.plain_port), -1);
    assert_int_equal(ofd_server_control(process.control, "up"), 0);
    first = dial(process.plain_port);
    assert_true(first >= 0);
    assert_int_equal(ofd_server_control(process.control, "slow 200"), 0);
    assert_int_equal(send(first, bytes, size, 0), (ssize_t)size);
    {
        struct pollfd wait = {.fd = first, .events = POLLIN};
        assert_int_equal(poll(&wait, 1, 100), 0);
    }
    assert_int_equal(read_all(first, answer, 155), 155);
    (void)close(first);
    assert_int_equal(ofd_server_control(process.control, "nonsense"), 1);
    process_stop(&process);
}

static int socket_read(void *context, uint8_t *data, size_t size)
{
    ssize_t got = recv(*(int *)context, data, size, MSG_DONTWAIT);
    return got > 0 ? (int)got : got < 0 ? 0 : -1;
}

static int socket_write(void *context, const uint8_t *data, size_t size)
{
    return (int)send(*(int *)context, data, size, MSG_NOSIGNAL);
}

static int system_random(void *context, uint8_t *data, size_t size)
{
    int file = open("/dev/urandom", O_RDONLY);
    ssize_t got = read(file, data, size);
    (void)context;
    (void)close(file);
    return got == (ssize_t)size ? 0 : -1;
}

static uint64_t system_time(void *context)
{
    (void)context;
    return (uint64_t)time(NULL);
}

static void tls_process(void **state)
{
    struct process process;
    struct tls_stream stream;
    uint8_t bytes[512], answer[OFD_CONFIRMATION_MAX], ca[2048];
    size_t size = unhex(capture_c, bytes, sizeof bytes), ca_size, have = 0;
    char path[128];
    FILE *file;
    int connection, result = 0;
    struct tls_stream_io io = {.read = socket_read,
                               .write = socket_write,
                               .random = system_random,
                               .time = system_time,
                               .context = &connection};
    (void)state;
    process_start(&process);
    (void)snprintf(path, sizeof path, "%s/ca.der", process.certificates);
    file = fopen(path, "rb");
    assert_non_null(file);
    ca_size = fread(ca, 1, sizeof ca, file);
    (void)fclose(file);
    connection = dial(process.tls_port);
    assert_int_equal(tls_stream_init(&stream, &io, "127.0.0.1", ca, ca_size), 0);
    for (unsigned i = 0; i < 5000 && result == 0; i++) {
        result = tls_stream_handshake(&stream);
        if (result == 0)
            (void)usleep(1000);
    }
    assert_int_equal(result, 1);
    assert_int_equal(tls_stream_write(&stream, bytes, size), (int)size);
    for (unsigned i = 0; i < 5000 && have < 155; i++) {
        result = tls_stream_read(&stream, answer + have, sizeof answer - have);
        assert_true(result >= 0);
        have += (size_t)result;
        if (result == 0)
            (void)usleep(1000);
    }
    assert_int_equal(have, 155);
    assert_true(sign_is_good(answer, have));
    tls_stream_free(&stream);
    (void)close(connection);
    process_stop(&process);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_a_is_accepted),
        cmocka_unit_test(session_crc_variants),
        cmocka_unit_test(capture_c_is_accepted),
        cmocka_unit_test(every_prefix_is_a_part),
        cmocka_unit_test(no_damage_is_confirmed),
        cmocka_unit_test(headers_out_of_bounds),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(wrong_contents_get_a_code),
        cmocka_unit_test(pings_are_answered),
        cmocka_unit_test(answer_is_example_b_plus_signs),
        cmocka_unit_test(confirmation_of_ffd_12),
        cmocka_unit_test(stored_once_and_repeated_alike),
        cmocka_unit_test(other_bytes_are_a_conflict),
        cmocka_unit_test(one_message_at_a_time_from_a_stream),
        cmocka_unit_test(misbehaviour),
        cmocka_unit_test(behaviour_commands),
        cmocka_unit_test(foreign_stores_are_refused),
        cmocka_unit_test(plain_process),
        cmocka_unit_test(tls_process),
    };
    return cmocka_run_group_tests_name("ofd_server", tests, NULL, NULL);
}
