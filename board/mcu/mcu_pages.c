#include "board/mcu/mcu_pages.h"

#include <stdbool.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/crc.h"

#define COPIES      2u
#define SEQUENCE_AT MCU_PAGE_BYTES
#define CRC_AT      (MCU_PAGE_BYTES + 4u)
#define ERASED      0xFFu

void mcu_pages_init(struct mcu_pages *pages, const struct mcu_blocks *blocks, uint32_t first,
                    uint32_t apart, uint32_t count)
{
    memset(pages, 0, sizeof *pages);
    pages->blocks = blocks;
    pages->first = first;
    pages->apart = apart;
    pages->count = count;
    pages->page = MCU_PAGES_NONE;
}

static uint32_t block_of(const struct mcu_pages *pages, uint32_t page, unsigned copy)
{
    return pages->first + copy * pages->apart + page;
}

static uint32_t check_of(uint32_t page, const uint8_t *copy)
{
    uint8_t number[4];
    struct byte_writer writer;
    byte_writer_init(&writer, number, sizeof number);
    put_u32le(&writer, page);
    return crc32c_update(crc32c_update(CRC32C_INIT, number, sizeof number), copy, CRC_AT);
}

static bool is_right(uint32_t page, const uint8_t *copy)
{
    return get_u32le(copy + CRC_AT) == check_of(page, copy);
}

static bool load(struct mcu_pages *pages, uint32_t page)
{
    uint32_t best = 0;
    if (pages->page == page)
        return true;
    pages->page = MCU_PAGES_NONE;
    pages->newest = COPIES;
    for (unsigned i = 0; i < COPIES; i++) {
        uint8_t *copy = pages->copies[i];
        if (pages->blocks->read(pages->blocks->context, block_of(pages, page, i), copy,
                                MCU_PAGE_COPY_BYTES) != 0)
            return false;
        uint32_t sequence = get_u32le(copy + SEQUENCE_AT);
        if (is_right(page, copy) && sequence > best) {
            best = sequence;
            pages->newest = i;
        }
    }
    pages->page = page;
    return true;
}

static bool inside(const struct mcu_pages *pages, uint32_t address, size_t size)
{
    uint32_t limit = pages->count * MCU_PAGE_BYTES;
    return size <= limit && address <= limit - size;
}

int mcu_pages_read(struct mcu_pages *pages, uint32_t address, void *data, size_t size)
{
    uint8_t *out = data;
    if (!inside(pages, address, size))
        return -1;
    while (size > 0) {
        size_t offset = address % MCU_PAGE_BYTES;
        size_t piece = size < MCU_PAGE_BYTES - offset ? size : MCU_PAGE_BYTES - offset;
        if (!load(pages, address / MCU_PAGE_BYTES))
            return -1;
        if (pages->newest < COPIES)
            memcpy(out, pages->copies[pages->newest] + offset, piece);
        else
            memset(out, ERASED, piece);
        address += (uint32_t)piece;
        out += piece;
        size -= piece;
    }
    return 0;
}

/* Into the copy that does not hold the newest content. */
static bool compose(struct mcu_pages *pages, unsigned other, size_t offset, const uint8_t *bytes,
                    size_t size)
{
    uint8_t *copy = pages->copies[other];
    struct byte_writer writer;
    uint32_t sequence = 0;
    if (pages->newest < COPIES) {
        memcpy(copy, pages->copies[pages->newest], MCU_PAGE_BYTES);
        sequence = get_u32le(pages->copies[pages->newest] + SEQUENCE_AT);
    } else {
        memset(copy, ERASED, MCU_PAGE_BYTES);
    }
    for (size_t i = 0; i < size; i++) {
        if ((~(uint32_t)copy[offset + i] & bytes[i]) != 0)
            return false;
        copy[offset + i] = bytes[i];
    }
    byte_writer_init(&writer, copy + SEQUENCE_AT, MCU_PAGE_COPY_BYTES - SEQUENCE_AT);
    put_u32le(&writer, sequence + 1u);
    put_u32le(&writer, check_of(pages->page, copy));
    return true;
}

/* What the card says it wrote is read again, in place of what was written. */
static bool write_copy(const struct mcu_pages *pages, uint32_t block, uint8_t *copy)
{
    uint8_t tail[MCU_PAGE_COPY_BYTES - SEQUENCE_AT];
    memcpy(tail, copy + SEQUENCE_AT, sizeof tail);
    return pages->blocks->write(pages->blocks->context, block, copy, MCU_PAGE_COPY_BYTES) == 0 &&
           pages->blocks->read(pages->blocks->context, block, copy, MCU_PAGE_COPY_BYTES) == 0 &&
           memcmp(tail, copy + SEQUENCE_AT, sizeof tail) == 0;
}

int mcu_pages_program(struct mcu_pages *pages, uint32_t address, const void *data, size_t size)
{
    uint32_t page = address / MCU_PAGE_BYTES;
    size_t offset = address % MCU_PAGE_BYTES;
    if (!inside(pages, address, size) || offset + size > MCU_PAGE_BYTES || !load(pages, page))
        return -1;
    unsigned other = pages->newest == 0 ? 1 : 0;
    bool allowed = compose(pages, other, offset, data, size);
    pages->page = MCU_PAGES_NONE; /* until the card says that it is so */
    if (!allowed || !write_copy(pages, block_of(pages, page, other), pages->copies[other]))
        return -1;
    if (!is_right(page, pages->copies[other]))
        return -1;
    pages->page = page;
    pages->newest = other;
    return 0;
}

int mcu_pages_erase(struct mcu_pages *pages, uint32_t address)
{
    uint32_t page = address / MCU_PAGE_BYTES;
    if (!inside(pages, address, MCU_PAGE_SECTOR) || address % MCU_PAGE_SECTOR != 0)
        return -1;
    pages->page = MCU_PAGES_NONE;
    for (unsigned copy = 0; copy < COPIES; copy++) {
        if (pages->blocks->erase(pages->blocks->context, block_of(pages, page, copy),
                                 MCU_PAGES_OF_SECTOR) != 0)
            return -1;
    }
    return 0;
}
