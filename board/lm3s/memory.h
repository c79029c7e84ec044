/* Where things lie on the lm3s6965: 256 KiB flash and 64 KiB RAM, as the real part has them, and
 * what the memory card holds.
 *
 * The part's flash has room for one image; so there is no second slot, no first stage, and firmware
 * is replaced by whoever opens the case. The card is mcu_pages.h from block CARD_FIRST on: the
 * journal, the board's store, and a page that the factory writes. The linker script includes this
 * file too: numbers only.
 */
#ifndef BOARD_LM3S_MEMORY_H
#define BOARD_LM3S_MEMORY_H

#define IMAGE_BASE   0x00000000
#define IMAGE_SIZE   0x00040000
#define VECTORS_SIZE 0x00000100 /* closed to the program: a null pointer meets it */
#define RAM_BASE     0x20000000
#define RAM_SIZE     0x00010000
#define STACK_SIZE   0x00001300 /* at the bottom of RAM */
#define NOINIT_SIZE  0x00000020 /* fault record, at its end */
/* Bytes of mcu_pages. */
#define JOURNAL_SIZE      0x00F00000
#define STORE_BASE        0x00F00000 /* mcu_store: 4 sectors */
#define STORE_SIZE        0x00004000
#define FACTORY_BASE      0x00F04000 /* serial number, zero behind it; FF: no factory prepared it */
#define CARD_BYTES        0x00F05000
#define FLASH_SECTOR_SIZE 0x1000
#define FLASH_PAGE_SIZE   0x100
/* Blocks of 512 bytes: the card has at least 64 MiB. Before CARD_FIRST there is room for a
 * partition table, which a PC looks for. */
#define CARD_FIRST  0x00000800
#define CARD_APART  0x00010000
#define CARD_BLOCKS 0x00020000

#endif
