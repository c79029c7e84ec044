#include "board/posix/posix_resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct posix_resolve {
    atomic_int owners;
    int fd; /* eventfd: written by the thread after everything below */
    char host[256];
    int failure;
    unsigned count;
    struct posix_address found[POSIX_RESOLVE_MAX];
};

bool posix_resolve_is_direct(const char *host)
{
    struct in6_addr address;
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &address) == 1 ||
           inet_pton(AF_INET6, host, &address) == 1;
}

static void *resolve_thread(void *context)
{
    struct posix_resolve *resolve = context;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    resolve->failure = getaddrinfo(resolve->host, NULL, &hints, &list);
    if (resolve->failure == 0) {
        for (const struct addrinfo *at = list; at != NULL && resolve->count < POSIX_RESOLVE_MAX;
             at = at->ai_next) {
            struct posix_address *out = &resolve->found[resolve->count];
            if (getnameinfo(at->ai_addr, at->ai_addrlen, out->host, sizeof out->host, NULL, 0,
                            NI_NUMERICHOST) == 0)
                resolve->count++;
        }
        freeaddrinfo(list);
    }
    eventfd_write(resolve->fd, 1);
    posix_resolve_drop(resolve);
    return NULL;
}

struct posix_resolve *posix_resolve_start(const char *host)
{
    struct posix_resolve *resolve = calloc(1, sizeof *resolve);
    pthread_attr_t attributes;
    pthread_t thread;
    if (resolve == NULL)
        return NULL;
    atomic_init(&resolve->owners, 2);
    snprintf(resolve->host, sizeof resolve->host, "%s", host);
    resolve->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bool started = resolve->fd >= 0 && pthread_attr_init(&attributes) == 0;
    if (started) {
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        started = pthread_create(&thread, &attributes, resolve_thread, resolve) == 0;
        pthread_attr_destroy(&attributes);
    }
    if (started)
        return resolve;
    if (resolve->fd >= 0)
        close(resolve->fd);
    free(resolve);
    return NULL;
}

int posix_resolve_fd(const struct posix_resolve *resolve)
{
    return resolve->fd;
}

unsigned posix_resolve_take(struct posix_resolve *resolve, struct posix_address *out,
                            unsigned capacity, int *failure)
{
    eventfd_t ready;
    if (eventfd_read(resolve->fd, &ready) != 0)
        return 0;
    unsigned count = resolve->count < capacity ? resolve->count : capacity;
    memcpy(out, resolve->found, count * sizeof *out);
    *failure = resolve->failure;
    return count;
}

void posix_resolve_drop(struct posix_resolve *resolve)
{
    if (resolve == NULL || atomic_fetch_sub(&resolve->owners, 1) != 1)
        return;
    close(resolve->fd);
    free(resolve);
}
