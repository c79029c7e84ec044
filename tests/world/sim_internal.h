/* What sim.c and sim_link.c share; nobody else includes it. */
#ifndef TESTS_WORLD_SIM_INTERNAL_H
#define TESTS_WORLD_SIM_INTERNAL_H

#include "tests/world/sim.h"

void sim_wire_empty(struct wire *wire);
/* Carries bytes between the thin host's link client and its cable. */
void sim_pump_host(struct sim *sim);

#endif
