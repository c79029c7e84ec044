/* The simulated world: one cash register and all that stands round it, in one process and one
 * thread, on a virtual clock.
 *
 * Real code: proto, firmware, the emulated FN and print head, the host driver. Simulated: flash
 * (tests/unit/ram_flash.h), the FN's store (fn_memory.h), the host's disk (disk.h), the operator
 * and the network (operator.h), cables, drawer, clocks, power. A sim is one struct, snapshots are
 * cheap, and nothing in it depends on real time, addresses or the heap: the same calls with the
 * same seed give the same run (I18).
 *
 * Power. A cut during a flash operation, or during a write of the FN's store, leaves the callback
 * by longjmp, as the processor stops in the middle of an instruction; sim_turn then finds the board
 * without power. sim_power_on brings it back: RAM of board, FN and print head is gone; what is on
 * flash, in the FN and on paper stays.
 *
 * Two hosts can hold the cable: the thin one (sim_ask: only hostdrv's link_client, for the runs
 * that cut the board a million times) and the whole driver (host.h).
 *
 * Always true: time moves only in sim_turn, sim_idle and sim_run; a byte is never delivered to a
 * board without power; every fault is off unless a run switches it on.
 */
#ifndef TESTS_WORLD_SIM_H
#define TESTS_WORLD_SIM_H

#include <setjmp.h>

#include "board/fn/fnm.h"
#include "board/printer/print_head.h"
#include "firmware/firmware.h"
#include "hostdrv/link_client.h"
#include "tests/unit/ram_flash.h"
#include "tests/world/fn_unit.h"
#include "tests/world/operator.h"
#include "tests/world/paper.h"

#define SIM_SERIAL     "00000000000000000007"
#define SIM_START      1790000000u /* 2026-09-21, local calendar at time 0 */
#define SIM_WIRE_BYTES 65536u

/* The flash part and how much of it there is. */
struct sim_geometry {
    uint32_t unit;  /* erase unit, bytes */
    uint32_t page;  /* a program may not cross it; 1: byte-writable */
    uint8_t erased; /* FF, or 00 for inverted cells */
    uint32_t units; /* settings included */
};
extern const struct sim_geometry sim_geometries[];
extern const unsigned sim_geometry_count;
/* Short name for reports: "4K/256/FF". */
const char *sim_geometry_name(const struct sim_geometry *geometry, char out[24]);

/* What a cable does to the byte with number `at` (from 1, counted since sim_wire_clear). */
enum wire_fault { WIRE_GOOD, WIRE_LOSE, WIRE_DOUBLE, WIRE_INSERT, WIRE_FLIP, WIRE_UNPLUG };
struct wire {
    uint8_t bytes[SIM_WIRE_BYTES];
    size_t start, end;
    uint64_t passed; /* bytes put in */
    uint64_t at;     /* 0: no fault */
    enum wire_fault fault;
    uint8_t argument; /* FLIP: the bit; INSERT: the byte */
    uint32_t
        chance; /* swarm: one byte in so many suffers a fault drawn by the sim's dice; 0 none */
};

/* What the line to the FN does, in whole frames. */
struct fn_line {
    uint32_t chance_lose, chance_flip; /* one write or answer in so many; 0: none */
    uint64_t fault_in;                 /* the n-th command from now on suffers `fault`; 0: none */
    enum fnm_fault fault;              /* of the FN itself */
    bool lose_it;                      /* the command never arrives */
};

struct sim {
    struct sim_geometry geometry;
    struct ram_flash flash;
    struct board board;
    struct firmware firmware;
    struct fn_unit fn;
    struct print_head *head;
    struct paper paper;
    struct operator* op; /* NULL: no network at all */
    uint64_t dice;
    uint32_t rare_chance;    /* marks of proto/rare.h: one evaluation in so many; 0: none */
    mono_ms now;             /* the world's time */
    mono_ms started_at;      /* when the board's power came */
    int64_t calendar_offset; /* of the board's clock against SIM_START + now */
    bool clock_lost;
    bool powered, booted_once;
    uint16_t boot_error;
    uint64_t boot_cut;
    enum ram_tear boot_tear;
    bool runs_on; /* after a cut the processor goes on for a turn; flash just says no (F11) */
    jmp_buf cut;
    uint32_t sleep_ms; /* what the firmware's last turn asked for */
    bool cut_is_set;
    uint32_t power_cuts;
    mono_ms power_after, plug_after, off_since, unplugged_since;
    /* The cable. */
    struct wire to_board, to_host;
    bool plugged;
    uint32_t generation;
    struct fn_line fn_line;
    /* The drawer. */
    uint32_t pulses;
    bool drawer_stuck;
    mono_ms drawer_shuts;
    /* The thin host, unless the driver holds the cable. */
    bool driver_holds;
    struct link_client client;
    uint32_t printed_events, confirmed_events, started_events;
    uint32_t confirmed_told; /* highest document that a CONFIRMED event named */
    uint64_t events_seen;
    /* Dirty pages since the snapshot. */
    uint8_t *dirty;
    struct sim_snapshot *snapshot;
    uint64_t turns;
};

/* A blank board and a new FN. seed decides everything random. with_operator: the network is there.
 * */
void sim_create(struct sim *sim, const struct sim_geometry *geometry, uint64_t seed,
                bool with_operator);
void sim_destroy(struct sim *sim);

uint32_t sim_random(struct sim *sim);
uint32_t sim_below(struct sim *sim, uint32_t limit);
/* True once in `chance` times; never when chance is 0. */
bool sim_once_in(struct sim *sim, uint32_t chance);

/* ---- Power ---- */

/* The person: after so long without power, or without the plug, it comes back by itself; 0: never.
 * */
void sim_person(struct sim *sim, mono_ms power_after, mono_ms plug_after);
/* ERROR_NONE, or why the board does not come up. */
uint16_t sim_power_on(struct sim *sim);
/* Between two turns. */
void sim_power_off(struct sim *sim);
/* The n-th flash operation from now on is torn so. 0 takes it back. */
void sim_cut_flash(struct sim *sim, uint64_t n, enum ram_tear tear);
/* The same, counted from the start of the next sim_power_on. */
void sim_cut_next_boot(struct sim *sim, uint64_t n, enum ram_tear tear);
/* The n-th write of the FN's store from now on. */
void sim_cut_fn(struct sim *sim, uint64_t n, enum fn_memory_tear tear);
/* Another unit: new store, new number. The old one's documents are gone from this sim. */
void sim_swap_fn(struct sim *sim, unsigned number);

/* ---- Time ---- */

/* One turn of the board; moves time on to the next thing that can happen, at most until `until`. */
void sim_turn(struct sim *sim, mono_ms until);
void sim_run(struct sim *sim, mono_ms duration);
/* True when nothing moves: no job, no slip, no byte, no message. */
bool sim_is_idle(const struct sim *sim);
/* Runs until idle and nothing is owed; false: not within the time. */
bool sim_settle(struct sim *sim, mono_ms at_most);
unix_s sim_calendar(const struct sim *sim);

/* ---- The cable ---- */

void sim_plug(struct sim *sim, bool plugged);
/* The host opens a new connection: what lay in the cable is gone, the board sees another peer. */
void sim_reconnect(struct sim *sim);
void sim_wire_clear(struct sim *sim);
/* For the host's end: bytes put in or taken out. */
void sim_wire_put(struct sim *sim, struct wire *wire, const uint8_t *bytes, size_t size);
size_t sim_wire_take(struct wire *wire, uint8_t *bytes, size_t capacity);

/* ---- The thin host ---- */

enum sim_asked { SIM_ANSWERED, SIM_NO_ANSWER, SIM_POWER_LOST };
/* One request and its answer, repeated by the real link client as a serial driver does; the answer
 * lies in sim->client. Time-out in the world's milliseconds. */
enum sim_asked sim_ask(struct sim *sim, uint8_t code, const uint8_t *message, size_t size,
                       uint32_t timeout_ms);
/* The same for a job. */
enum sim_asked sim_ask_job(struct sim *sim, uint8_t code, const uint8_t key[KEY_SIZE],
                           const uint8_t *body, size_t size, uint32_t timeout_ms);

/* ---- Snapshots ---- */

/* Remembers flash, FN, clocks and drawer as they are now (the sim must be idle), and goes back:
 * power is off afterwards. One snapshot at a time. Paper and operator are not part of it. */
void sim_save(struct sim *sim);
void sim_restore(struct sim *sim);

/* CRC over flash, FN, paper and what the operator has. */
uint32_t sim_digest(const struct sim *sim);

#endif
