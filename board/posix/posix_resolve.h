/* Name to addresses without blocking the loop: getaddrinfo in a helper thread.
 *
 *   posix_resolve_start -> (thread) -> the descriptor becomes readable -> posix_resolve_take ->
 * posix_resolve_drop
 *
 * Always true: the request is shared by two owners, the loop and the thread, and freed by the last
 * one, so dropping a request whose thread still waits for a name server is safe and at once.
 */
#ifndef BOARD_POSIX_RESOLVE_H
#define BOARD_POSIX_RESOLVE_H

#include <stdbool.h>

#include "board/posix/posix_stream.h"

#define POSIX_RESOLVE_MAX 4

struct posix_resolve;

/* True when the host needs no name server: a numeric address or localhost. */
bool posix_resolve_is_direct(const char *host);
/* NULL when no thread or memory is to be had. */
struct posix_resolve *posix_resolve_start(const char *host);
/* Readable when the answer is there. */
int posix_resolve_fd(const struct posix_resolve *resolve);
/* How many numeric addresses were found (0: the name is unknown); *failure is the EAI_ code, 0 when
 * found. */
unsigned posix_resolve_take(struct posix_resolve *resolve, struct posix_address *out,
                            unsigned capacity, int *failure);
/* NULL is allowed. */
void posix_resolve_drop(struct posix_resolve *resolve);

#endif
