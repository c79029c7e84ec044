/* Where things lie on the mps2-an385: an imaginary part of 512 KiB flash and 128 KiB RAM, with a
 * NOR chip of 15.5 MiB beside it.
 *
 * QEMU keeps one region in a file, the 16 MiB PSRAM; so the chip and the slots of the part's own
 * flash lie there. The first stage lies at 0, where QEMU's -kernel puts it. The linker scripts
 * include this file too: numbers only.
 */
#ifndef BOARD_MPS2_MEMORY_H
#define BOARD_MPS2_MEMORY_H

#define BOOT_BASE    0x00000000 /* first stage, 32 KiB */
#define BOOT_SIZE    0x00008000
#define RAM_BASE     0x20000000
#define RAM_SIZE     0x00020000
#define STACK_SIZE   0x00001A00 /* 6.5 KiB, at the bottom of RAM */
#define NOINIT_SIZE  0x00000100 /* fault record, at its end */
#define PSRAM_BASE   0x21000000
#define JOURNAL_BASE 0x21000000 /* NOR chip: the fiscal journal */
#define JOURNAL_SIZE 0x00F80000
#define SLOT_A_BASE  0x21F80000 /* the part's flash: two images */
#define SLOT_SIZE    0x0003A000 /* 232 KiB */
#define SLOT_B_BASE  0x21FBA000
#define STORE_BASE   0x21FF4000 /* mcu_store: 4 sectors */
#define STORE_SIZE   0x00004000
/* The last 32 KiB of the file stand for the first stage: not used. */
#define SPARE_BASE        0x21FF8000
#define FACTORY_BASE      0x21FF8000 /* but for the serial number, zero behind it; FF: none */
#define FLASH_SECTOR_SIZE 0x1000
#define FLASH_PAGE_SIZE   0x100
#define IMAGE_HEADER_SIZE 0x100 /* before the vector table of an image */

#endif
