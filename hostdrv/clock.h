/* The only place of the driver that reads a clock or sleeps. Everything below takes time as a
 * parameter. */
#ifndef HOSTDRV_CLOCK_H
#define HOSTDRV_CLOCK_H

#include <stdint.h>

/* Monotonic milliseconds; never goes back, has no meaning across processes. */
uint64_t host_clock_ms(void);
/* Calendar seconds, UTC. For people only: nothing is decided by it. */
int64_t host_clock_unix_s(void);
void host_clock_sleep(unsigned milliseconds);
/* 36 characters that change with every start of the machine; "" when the system does not tell. */
void host_clock_boot_id(char out[37]);

#endif
