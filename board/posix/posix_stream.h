/* A non-blocking socket with a buffer on each side: what every byte port of this board is made of.
 *
 * Firmware reads from `in` and writes to `out` without a system call; the loop moves the bytes once
 * a turn. What came before the peer closed stays readable: the stream counts as gone only when `in`
 * is empty.
 *
 * Always true: 0 <= start <= end <= capacity in both buffers; fd is -1 when there is no peer.
 */
#ifndef BOARD_POSIX_STREAM_H
#define BOARD_POSIX_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <poll.h>

struct posix_buffer {
    uint8_t *data;
    size_t capacity, start, end;
    bool refused; /* a writer found no room: tell the loop when there is some again */
};

bool posix_buffer_init(struct posix_buffer *buffer, size_t capacity);
void posix_buffer_free(struct posix_buffer *buffer);
void posix_buffer_clear(struct posix_buffer *buffer);
size_t posix_buffer_used(const struct posix_buffer *buffer);
/* Puts up to size bytes in; how many. */
size_t posix_buffer_put(struct posix_buffer *buffer, const uint8_t *data, size_t size);
/* Takes up to size bytes out; how many. */
size_t posix_buffer_take(struct posix_buffer *buffer, uint8_t *data, size_t size);
/* All the room there is, in one piece behind `end`. */
size_t posix_buffer_room(struct posix_buffer *buffer);

struct posix_stream {
    int fd;
    bool ended; /* the peer closed; bytes may be left in `in` */
    struct posix_buffer in, out;
};

/* A "host:port" or "unix:path" address; "[v6]:port" is understood. */
struct posix_address {
    char host[256]; /* unix: the path */
    uint16_t port;
    bool unix_path;
};
bool posix_address_parse(const char *text, struct posix_address *out);
/* Non-blocking connect to a numeric address, localhost or a unix path. The socket, perhaps still
 * connecting; -1 with errno. */
int posix_connect(const struct posix_address *address);
/* Listening socket on a numeric address, localhost or a unix path, where a socket that an earlier
 * run left is replaced; *port is the real one (unix: untouched). -1 with errno. */
int posix_listen(const struct posix_address *address, uint16_t *port);

bool posix_stream_init(struct posix_stream *stream, size_t in_capacity, size_t out_capacity);
void posix_stream_free(struct posix_stream *stream);
/* Takes over a connected socket; the buffers start empty. */
void posix_stream_attach(struct posix_stream *stream, int fd);
/* Closes and forgets everything. */
void posix_stream_detach(struct posix_stream *stream);
/* Somebody is there, or was and left bytes. */
bool posix_stream_alive(const struct posix_stream *stream);
/* What poll should wait for; 0 when nothing. */
short posix_stream_events(const struct posix_stream *stream);
/* Moves bytes socket -> in. > 0 bytes came, 0 nothing, < 0 the socket is dead (errno; 0 an orderly
 * close). */
int posix_stream_receive(struct posix_stream *stream);
/* Moves bytes out -> socket. > 0 bytes left, 0 nothing moved, < 0 the socket is dead (errno). */
int posix_stream_flush(struct posix_stream *stream);

#endif
