/* What lwIP asks of its compiler and machine: GCC, ARM, no operating system, no printing. */
#ifndef BOARD_MCU_LWIP_CC_H
#define BOARD_MCU_LWIP_CC_H

#include <stdint.h>

#define LWIP_NO_INTTYPES_H 0
#define LWIP_PLATFORM_DIAG(text)                                                                   \
    do {                                                                                           \
    } while (0)
#define LWIP_PLATFORM_ASSERT(text)                                                                 \
    do {                                                                                           \
    } while (0)

/* In mcu_net.c: from the board's entropy. */
uint32_t mcu_net_random_word(void);
#define LWIP_RAND() mcu_net_random_word()

#endif
