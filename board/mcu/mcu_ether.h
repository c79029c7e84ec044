/* What the network code (mcu_net.h) wants from an Ethernet driver: whole frames, polled.
 *
 * A frame begins with the destination address and ends with its payload, without the check sum at
 * its end. Called from the main loop only; the driver's interrupt does nothing but wake the loop.
 */
#ifndef BOARD_MCU_ETHER_H
#define BOARD_MCU_ETHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCU_ETHER_FRAME_MAX 1514u

struct mcu_ether {
    void *context;
    uint8_t mac[6];
    /* The next frame that waits: its length; 0 none. A longer one than capacity is dropped. */
    size_t (*receive)(void *context, uint8_t *frame, size_t capacity);
    /* False: no room now, the frame is lost (TCP sends it again). */
    bool (*send)(void *context, const uint8_t *frame, size_t size);
    bool (*link_up)(void *context);
    /* The loop is about to sleep: allow the interrupt that ends the sleep. False: a frame waits
     * already. */
    bool (*arm)(void *context);
};

#endif
