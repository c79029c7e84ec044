/* Random numbers of the simulated host: getrandom(2) of every program that is linked with the
 * world.
 *
 * Bound to a sim's dice it draws from them, so that runs repeat; unbound it asks the kernel. It
 * stands in a file of its own because tests that bring their own clocks are linked with it, too.
 */
#ifndef TESTS_WORLD_HOST_RANDOM_H
#define TESTS_WORLD_HOST_RANDOM_H

#include <stdint.h>

/* dice: moved on by every draw; NULL: none. */
void host_random_bind(uint64_t *dice);

#endif
