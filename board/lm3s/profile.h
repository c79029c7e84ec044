/* Sizes of this board, seen by every file that is compiled for it (-include). What is not named
 * here has firmware/limits.h's value. */
#ifndef BOARD_LM3S_PROFILE_H
#define BOARD_LM3S_PROFILE_H

#define LIMIT_REQUEST_BYTES        3072u /* a receipt of about 15 items */
#define LIMIT_SPOOL_BYTES          5120u
#define LIMIT_SETTINGS_BYTES       2560u /* with a CA certificate of up to 1 KiB */
#define LIMIT_JOURNAL_RECORD_BYTES 2816u
#define LIMIT_SLIP_BODY_BYTES      2048u
#define MCU_TLS_IN_BYTES           4096
#define MCU_TLS_OUT_BYTES          1024
#define MCU_TLS_POOL_BYTES         (MCU_TLS_IN_BYTES + MCU_TLS_OUT_BYTES + 7u * 1024u)
#define MCU_LWIP_BUFFERS           6
#define MCU_LWIP_HEAP_BYTES        2048
#define MCU_TICKS_PER_MS           50000u
#define MCU_CORE_TICKS_PER_MS      50000u

#endif
