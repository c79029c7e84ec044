/* Flash with the rules of NOR, played by a card of blocks (SD), safe from power cuts.
 *
 * A card writes whole blocks, and one that loses power in the middle of a write may keep the old
 * block, the new one or neither. So each page of 256 bytes has two blocks, half a card apart, and
 * is written in turn to the one that does not hold its newest content:
 *
 *   content (256 bytes), sequence u32, CRC-32C u32 of page number, content, sequence; then FF
 *
 * The block with the higher sequence of those whose CRC is right is the page; neither: the page is
 * erased and reads as FF. Erasing takes a sector of 4096 bytes: the blocks of both copies.
 *
 * Always true: after a cut in a program a page has its old or its new content, and no other page
 * changed; after a cut in an erase a page of that sector has its content, what it was one program
 * earlier, or FF. All three are what a cut leaves on a NOR chip too. What returned 0 is on the card
 * and was read again. A program that would set a bit, or cross a page, is refused.
 */
#ifndef BOARD_MCU_PAGES_H
#define BOARD_MCU_PAGES_H

#include <stddef.h>
#include <stdint.h>

#define MCU_BLOCK_BYTES     512u
#define MCU_PAGE_BYTES      256u
#define MCU_PAGE_COPY_BYTES (MCU_PAGE_BYTES + 8u) /* of a block, what is used */
#define MCU_PAGE_SECTOR     4096u
#define MCU_PAGES_OF_SECTOR (MCU_PAGE_SECTOR / MCU_PAGE_BYTES)
#define MCU_PAGES_NONE      UINT32_MAX

/* The card. All return 0 done, < 0 the card failed. Blocking. */
struct mcu_blocks {
    void *context;
    /* The first size bytes of a block. */
    int (*read)(void *context, uint32_t block, uint8_t *data, size_t size);
    /* The block is data and FF to its end; on the card when it returns 0. */
    int (*write)(void *context, uint32_t block, const uint8_t *data, size_t size);
    /* They read as all FF or all 00 then. */
    int (*erase)(void *context, uint32_t block, uint32_t count);
};

struct mcu_pages {
    const struct mcu_blocks *blocks;
    uint32_t first; /* block of page 0; page n has block first + n */
    uint32_t apart; /* and first + apart + n */
    uint32_t count; /* of pages, a multiple of MCU_PAGES_OF_SECTOR */
    /* The last page used, as it is on the card. */
    uint32_t page;   /* MCU_PAGES_NONE: none */
    unsigned newest; /* index of copies; 2: the page is erased */
    uint8_t copies[2][MCU_PAGE_COPY_BYTES];
};

void mcu_pages_init(struct mcu_pages *pages, const struct mcu_blocks *blocks, uint32_t first,
                    uint32_t apart, uint32_t count);
/* As board_flash has them; addresses are bytes from page 0. */
int mcu_pages_read(struct mcu_pages *pages, uint32_t address, void *data, size_t size);
int mcu_pages_program(struct mcu_pages *pages, uint32_t address, const void *data, size_t size);
int mcu_pages_erase(struct mcu_pages *pages, uint32_t address);

#endif
