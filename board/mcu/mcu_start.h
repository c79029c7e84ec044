/* From reset to main: sections and the stack. The linker script gives the symbols. */
#ifndef BOARD_MCU_START_H
#define BOARD_MCU_START_H

#define MCU_STACK_PAINT 0x57AC57ACu

/* Handler 1 of the vector table: paints the stack from the linker's stack_paint_start on, copies
 * .data, clears .bss, calls main. */
void mcu_start(void);
/* The board's own; never returns. */
int main(void);

#endif
