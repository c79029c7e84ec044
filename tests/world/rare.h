/* The world's side of proto/rare.h: whose dice take the marked branches, and how often each was
 * taken.
 *
 * The marks are listed in rare_marks.def; tests/unit/rare_test.c holds it against the sources. A
 * mark is taken once in sim->rare_chance evaluations, drawn from the sim's own dice, so that a seed
 * is still a whole run; 0, as after sim_create, is never. In a build without -DOPENKKT_RARE no mark
 * is ever asked for.
 */
#ifndef TESTS_WORLD_RARE_H
#define TESTS_WORLD_RARE_H

#include "tests/world/sim.h"

/* Number of marks, and their names. */
extern const unsigned rare_marks;
const char *rare_name(unsigned mark);
/* Counters, one a mark, which all processes of a run share; NULL: nobody counts. */
void rare_count_in(_Atomic uint64_t *counts);
/* From now on this sim decides; NULL: no branch is taken. sim_create and sim_destroy call it. */
void rare_belongs_to(struct sim *sim);

#endif
