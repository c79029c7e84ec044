/* The board's network: one outgoing TCP connection over lwIP (NO_SYS), with TLS by board/tls.
 *
 * Implements the net_ functions of board.h. lwIP and mbedTLS come from their Debian source packages
 * (libraries.mk) with the configurations beside this header; TLS memory is a static pool.
 * Everything runs from mcu_net_step and the net_ functions, in the main loop; nothing blocks
 * (elliptic curves are worked in slices).
 *
 *   CLOSED --open--> NAMING --> CONNECTING --> [HANDSHAKE] --> OPEN --> FAILED or CLOSED
 *   any of them but CLOSED and OPEN --30 s--> FAILED (timeout); cable out --> FAILED (down, lost)
 */
#ifndef BOARD_MCU_NET_H
#define BOARD_MCU_NET_H

#include "board/board.h"
#include "board/mcu/mcu_ether.h"

struct mcu_net_options {
    const struct mcu_ether *ether;
    /* IPv4, network byte order as written: {10, 0, 2, 15}. address[0] == 0: DHCP. */
    uint8_t address[4], mask[4], gateway[4], dns[4];
    /* True entropy for keys; 0 done, < 0 there is none (then no TLS). */
    int (*random)(void *context, uint8_t *data, size_t size);
    /* Seconds since 1970 UTC, 0: not known (then certificates' dates are not checked). */
    uint64_t (*time)(void *context);
    void *context;
};

/* There is one network; the options are copied, what they point to must stay. */
void mcu_net_init(const struct mcu_net_options *options);
/* Moves frames and time on; once a turn. Returns milliseconds until it must be called again even if
 * no frame comes. */
uint32_t mcu_net_step(mono_ms now);
int mcu_net_open(const struct board_endpoint *endpoint, mono_ms now);
enum board_net_state mcu_net_state(enum board_net_error *error, uint32_t *detail);
int mcu_net_read(uint8_t *data, size_t size);
int mcu_net_write(const uint8_t *data, size_t size);
void mcu_net_close(void);
/* How much of the TLS memory was ever needed, in bytes. */
size_t mcu_net_tls_peak(void);

#endif
