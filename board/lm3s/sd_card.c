#include "board/lm3s/sd_card.h"

#include <stdbool.h>
#include <string.h>

#include "board/lm3s/memory.h"
#include "board/mcu/cortex_m3.h"
#include "board/mcu/mcu_part.h"
#include "proto/crc.h"

#define SSI(offset)    REGISTER(0x40008000u + (offset))
#define SSI_FORMAT     SSI(0x00u)
#define SSI_CONTROL    SSI(0x04u)
#define SSI_DATA       SSI(0x08u)
#define SSI_STATE      SSI(0x0Cu)
#define SSI_DIVIDER    SSI(0x10u)
#define FORMAT_8_BITS  0x07u /* SPI mode 0 */
#define SSI_ON         0x02u
#define STATE_RECEIVED 0x04u
#define STATE_BUSY     0x10u
#define DIVIDE_SLOW    126u /* 397 kHz, until the card is started */
#define DIVIDE_FAST    4u   /* 12.5 MHz */
#define PORT_D         0x40007000u
#define SELECT         REGISTER(PORT_D + (1u << 2)) /* pin 0, low: selected */
#define PORT_D_OUTPUTS REGISTER(PORT_D + 0x400u)
#define PORT_D_DIGITAL REGISTER(PORT_D + 0x51Cu)
#define SELECT_PIN     1u

#define GO_IDLE           0u
#define SEND_INTERFACE    8u
#define SEND_CSD          9u
#define SEND_STATUS       13u
#define SET_BLOCK_BYTES   16u
#define READ_BLOCK        17u
#define WRITE_BLOCK       24u
#define ERASE_FROM        32u
#define ERASE_TO          33u
#define ERASE             38u
#define APPLICATION_START 41u
#define APPLICATION       55u
#define READ_OCR          58u
#define CHECK_SUMS        59u

#define R1_OK           0x00u
#define R1_IDLE         0x01u
#define R1_NOT_KNOWN    0x04u
#define R1_NONE         0x80u
#define VOLTAGE_CHECK   0x1AAu /* 2.7 to 3.6 V, and a pattern that comes back */
#define HIGH_CAPACITY   0x40000000u
#define OCR_CAPACITY    0x40u /* of its first byte */
#define TOKEN_BLOCK     0xFEu
#define TAKEN_MASK      0x1Fu
#define TAKEN           0x05u
#define IDLE_BYTE       0xFFu
#define ANSWER_BYTES    8u /* an answer comes within so many */
#define CRC_CARD        0u
#define CHUNK           32u
#define FIFO_BYTES      8u
#define CRC7_POLYNOMIAL 0x12u /* x^7 + x^3 + 1, in the upper seven bits */
#define CSD_BYTES       16u

#define START_MS 1000u
#define READ_MS  200u
#define WRITE_MS 600u
#define ERASE_MS 1000u

static bool started, high_capacity;

static uint8_t exchange(uint8_t out)
{
    SSI_DATA = out;
    while ((SSI_STATE & STATE_RECEIVED) == 0)
        ;
    return (uint8_t)SSI_DATA;
}

/* Up to a FIFO's fill at once. out NULL: idle bytes; in NULL: what comes is not wanted. */
static void exchange_many(const uint8_t *out, uint8_t *in, size_t size)
{
    while (size > 0) {
        size_t piece = size < FIFO_BYTES ? size : FIFO_BYTES;
        for (size_t i = 0; i < piece; i++)
            SSI_DATA = out != NULL ? *out++ : IDLE_BYTE;
        while ((SSI_STATE & STATE_BUSY) != 0)
            ;
        for (size_t i = 0; i < piece; i++) {
            uint8_t byte = (uint8_t)SSI_DATA;
            if (in != NULL)
                *in++ = byte;
        }
        size -= piece;
    }
}

static void deselect(void)
{
    SELECT = SELECT_PIN;
    (void)exchange(IDLE_BYTE); /* the card lets go of the line */
}

static bool is_over(uint32_t from, uint32_t limit_ms)
{
    return mcu_part_ticks() - from > limit_ms * MCU_TICKS_PER_MS;
}

/* The first byte of what the card has to say; idle: nothing came. */
static uint8_t wait_token(uint32_t limit_ms)
{
    uint32_t from = mcu_part_ticks();
    uint8_t token = exchange(IDLE_BYTE);
    while (token == IDLE_BYTE && !is_over(from, limit_ms))
        token = exchange(IDLE_BYTE);
    return token;
}

static uint8_t crc7(const uint8_t *bytes, size_t size)
{
    uint8_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = (uint8_t)((uint32_t)crc << 1 ^ ((crc & 0x80u) != 0 ? CRC7_POLYNOMIAL : 0u));
    }
    return crc;
}

/* The card's first answer byte; it stays selected. */
static uint8_t command(uint8_t number, uint32_t argument)
{
    uint8_t bytes[6] = {(uint8_t)(0x40u | number), (uint8_t)(argument >> 24),
                        (uint8_t)(argument >> 16), (uint8_t)(argument >> 8), (uint8_t)argument};
    uint8_t answer = IDLE_BYTE;
    bytes[5] = crc7(bytes, 5) | 1u;
    SELECT = 0;
    (void)exchange(IDLE_BYTE);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)exchange(bytes[i]);
    for (unsigned i = 0; i <= ANSWER_BYTES && (answer & R1_NONE) != 0; i++)
        answer = exchange(IDLE_BYTE);
    return answer;
}

static bool simple(uint8_t number, uint32_t argument, uint8_t expected)
{
    uint8_t answer = command(number, argument);
    deselect();
    return answer == expected;
}

/* length bytes of a block, of which the first size are kept. */
static bool read_data(size_t length, uint8_t *data, size_t size)
{
    uint8_t chunk[CHUNK];
    uint16_t crc = CRC_CARD;
    if (wait_token(READ_MS) != TOKEN_BLOCK)
        return false;
    for (size_t at = 0; at < length; at += CHUNK) {
        size_t piece = length - at < CHUNK ? length - at : CHUNK;
        exchange_many(NULL, chunk, piece);
        crc = crc16_update(crc, chunk, piece);
        if (at < size)
            memcpy(data + at, chunk, size - at < piece ? size - at : piece);
    }
    uint16_t sent = (uint16_t)(exchange(IDLE_BYTE) << 8);
    sent = (uint16_t)(sent | exchange(IDLE_BYTE));
    return sent == crc;
}

static uint32_t address_of(uint32_t block)
{
    return high_capacity ? block : block * MCU_BLOCK_BYTES;
}

/* Of the card specific data: version 1 counts in a way of its own, version 2 in 512 KiB. */
static uint32_t blocks_of(const uint8_t csd[CSD_BYTES])
{
    if (csd[0] >> 6 != 0)
        return ((uint32_t)(csd[7] & 0x3Fu) << 16 | (uint32_t)csd[8] << 8 | csd[9]) * 1024u + 1024u;
    uint32_t size = (uint32_t)(csd[6] & 3u) << 10 | (uint32_t)csd[7] << 2 | csd[8] >> 6;
    unsigned multiplier = (csd[9] & 3u) << 1 | csd[10] >> 7;
    unsigned block_log2 = csd[5] & 0xFu;
    return (size + 1u) << (multiplier + 2u + block_log2 - 9u);
}

static bool is_big_enough(void)
{
    uint8_t csd[CSD_BYTES];
    bool known = command(SEND_CSD, 0) == R1_OK && read_data(sizeof csd, csd, sizeof csd);
    deselect();
    return known && blocks_of(csd) >= CARD_BLOCKS;
}

/* Four bytes behind the answer. */
static bool long_answer(uint8_t number, uint32_t argument, uint8_t expected, uint8_t rest[4])
{
    uint8_t answer = command(number, argument);
    for (unsigned i = 0; i < 4; i++)
        rest[i] = exchange(IDLE_BYTE);
    deselect();
    return answer == expected;
}

/* True: the card has started. */
static bool start_asked(uint32_t argument)
{
    uint8_t prefixed = command(APPLICATION, 0);
    deselect();
    return (prefixed & ~R1_IDLE) == R1_OK && simple(APPLICATION_START, argument, R1_OK);
}

static bool wake_up(void)
{
    uint8_t rest[4];
    uint32_t from = mcu_part_ticks();
    /* Version 1 cards do not know the question, and have no high capacity. */
    bool second = long_answer(SEND_INTERFACE, VOLTAGE_CHECK, R1_IDLE, rest) &&
                  rest[3] == (VOLTAGE_CHECK & 0xFFu);
    if (!simple(CHECK_SUMS, 1, R1_IDLE))
        return false;
    while (!start_asked(second ? HIGH_CAPACITY : 0)) {
        if (is_over(from, START_MS))
            return false;
    }
    high_capacity =
        second && long_answer(READ_OCR, 0, R1_OK, rest) && (rest[0] & OCR_CAPACITY) != 0;
    return true;
}

static bool start(void)
{
    SSI_DIVIDER = DIVIDE_SLOW;
    SELECT = SELECT_PIN;
    for (unsigned i = 0; i < 10; i++) /* 74 clocks and more wake it */
        (void)exchange(IDLE_BYTE);
    if (!simple(GO_IDLE, 0, R1_IDLE) || !wake_up())
        return false;
    SSI_DIVIDER = DIVIDE_FAST;
    return (high_capacity || simple(SET_BLOCK_BYTES, MCU_BLOCK_BYTES, R1_OK)) && is_big_enough();
}

static bool try_read(uint32_t block, uint8_t *data, size_t size)
{
    bool done =
        command(READ_BLOCK, address_of(block)) == R1_OK && read_data(MCU_BLOCK_BYTES, data, size);
    deselect();
    return done;
}

static bool wait_ready(uint32_t limit_ms)
{
    uint32_t from = mcu_part_ticks();
    while (exchange(IDLE_BYTE) != IDLE_BYTE) {
        if (is_over(from, limit_ms))
            return false;
    }
    return true;
}

/* Zeros while it is busy; then its state, two bytes of zero when all went well. */
static bool settle(uint32_t limit_ms)
{
    bool ready = wait_ready(limit_ms);
    deselect();
    if (!ready)
        return false;
    bool well = command(SEND_STATUS, 0) == R1_OK && exchange(IDLE_BYTE) == 0;
    deselect();
    return well;
}

static bool try_write(uint32_t block, const uint8_t *data, size_t size)
{
    uint8_t chunk[CHUNK];
    uint16_t crc = CRC_CARD;
    if (command(WRITE_BLOCK, address_of(block)) != R1_OK) {
        deselect();
        return false;
    }
    (void)exchange(IDLE_BYTE);
    (void)exchange(TOKEN_BLOCK);
    for (size_t at = 0; at < MCU_BLOCK_BYTES; at += CHUNK) {
        size_t piece = at >= size ? 0 : size - at < CHUNK ? size - at : CHUNK;
        memcpy(chunk, data + (piece > 0 ? at : 0), piece);
        memset(chunk + piece, IDLE_BYTE, CHUNK - piece);
        crc = crc16_update(crc, chunk, CHUNK);
        exchange_many(chunk, NULL, CHUNK);
    }
    (void)exchange((uint8_t)(crc >> 8));
    (void)exchange((uint8_t)crc);
    bool taken = (exchange(IDLE_BYTE) & TAKEN_MASK) == TAKEN;
    return settle(WRITE_MS) && taken;
}

static bool try_erase(uint32_t block, uint32_t count)
{
    if (!simple(ERASE_FROM, address_of(block), R1_OK) ||
        !simple(ERASE_TO, address_of(block + count - 1u), R1_OK))
        return false;
    bool begun = command(ERASE, 0) == R1_OK;
    return settle(ERASE_MS) && begun;
}

static bool is_started(void)
{
    if (!started)
        started = start();
    return started;
}

/* A card that failed is started anew by the next operation. */
static int told(bool done)
{
    started = done;
    return done ? 0 : -1;
}

static int card_read(void *context, uint32_t block, uint8_t *data, size_t size)
{
    (void)context;
    if (is_started() && try_read(block, data, size))
        return 0;
    started = false;
    return told(is_started() && try_read(block, data, size));
}

static int card_write(void *context, uint32_t block, const uint8_t *data, size_t size)
{
    (void)context;
    if (is_started() && try_write(block, data, size))
        return 0;
    started = false;
    return told(is_started() && try_write(block, data, size));
}

static int card_erase(void *context, uint32_t block, uint32_t count)
{
    (void)context;
    if (is_started() && try_erase(block, count))
        return 0;
    started = false;
    return told(is_started() && try_erase(block, count));
}

const struct mcu_blocks sd_card = {
    .context = NULL, .read = card_read, .write = card_write, .erase = card_erase};

void sd_card_init(void)
{
    PORT_D_OUTPUTS |= SELECT_PIN;
    PORT_D_DIGITAL |= SELECT_PIN;
    SELECT = SELECT_PIN;
    SSI_CONTROL = 0;
    SSI_FORMAT = FORMAT_8_BITS;
    SSI_DIVIDER = DIVIDE_SLOW;
    SSI_CONTROL = SSI_ON;
}
