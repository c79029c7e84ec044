/* Unlikely branches, taken on purpose.
 *
 * RARE("name") stands in a condition whose unlikely branch is legitimate at any time: room that is
 * said to be short, an answer that is said to be lost, work that is put off. In the product it is
 * the constant false, and the compiler leaves nothing of it. The simulated world is built with
 * -DOPENKKT_RARE; there its dice decide (tests/world/rare.h), and every mark must have been taken
 * in a full run: code that no fault happens to reach is reached all the same.
 *
 * Always true: taking a marked branch breaks no promise, however often it is taken, as long as it
 * is left in the end.
 */
#ifndef PROTO_RARE_H
#define PROTO_RARE_H

#include <stdbool.h>

#ifdef OPENKKT_RARE
bool rare_taken(const char *name);
#define RARE(name) rare_taken(name)
#else
#define RARE(name) false
#endif

#endif
