/* Sizes of this board, seen by every file that is compiled for it (-include). What is not named
 * here has firmware/limits.h's value. */
#ifndef BOARD_MPS2_PROFILE_H
#define BOARD_MPS2_PROFILE_H

#define LIMIT_REQUEST_BYTES   31744u /* a receipt of 30 KiB and what goes with it */
#define MCU_TLS_IN_BYTES      4096
#define MCU_TLS_OUT_BYTES     2048
#define MCU_TICKS_PER_MS      25000u
#define MCU_CORE_TICKS_PER_MS 25000u

#endif
