/* The shop's computer in the simulated world: the whole real driver on a simulated disk.
 *
 * This module stands in the driver's place of clocks, sleep, random numbers and cables
 * (hostdrv/clock.h, transport_tcp_open, transport_serial_open, getrandom), so that every line above
 * them, the queue, the worker, the link client and SQLite, is the product's own. Waiting for the
 * board means letting the world turn. There is one host in a process.
 *
 * A crash may come at any operation of the disk, at any step of the queue, and at any call of the
 * cable. From then on the host is dead: nothing it does reaches disk or cable, its calls fail, and
 * host_bury ends it. What a crash of the process leaves is all that was written; what a crash of
 * the machine leaves is what was synced, and of the rest what the seed decides.
 */
#ifndef TESTS_WORLD_HOST_H
#define TESTS_WORLD_HOST_H

#include "hostdrv/kkt.h"
#include "tests/world/disk.h"
#include "tests/world/oracle.h"

enum host_cable { HOST_TCP, HOST_SERIAL };

struct host {
    struct sim *sim;
    struct disk *disk;
    kkt_queue *queue;
    kkt *device;
    enum host_cable cable;
    bool alive;
    uint32_t machine_starts;
    int64_t calendar_jump; /* of the host's clock; nothing may depend on it */
    /* Steps and cable calls, counted from 1; the host dies at this one, 0: never. */
    uint64_t steps, die_at_step;
    uint64_t calls, die_at_call;
    /* What happens to the board and the cable at the moment of death: the device's outcome. */
    void (*at_death)(struct host *host);
};
extern struct host host;

/* A computer with an empty disk, switched off. */
void host_create(struct sim *sim, enum host_cable cable);
void host_destroy(void);
/* Empties the disk; the host must be off. */
void host_format(void);
/* Opens queue and device. KKT_OK or the queue's error. */
int host_start(kkt_error *error);
/* Orderly end. */
void host_stop(void);
/* Dies here and now: from outside of its calls. */
void host_die(void);
/* After its death: what is left on the disk. */
void host_bury(enum disk_crash_kind kind, uint32_t seed);

/* Submits a job and waits for its outcome; tells the oracle. True: there is one. */
bool host_do(struct oracle *oracle, uint32_t index, unsigned timeout_ms);
/* Stores a job without sending it: KKT_OK, or the error. */
int host_submit(const struct oracle *oracle, uint32_t index, kkt_error *error);
/* Tells the oracle what the queue file says of a job. True: it is finished. */
bool host_report(struct oracle *oracle, uint32_t index);

#endif
