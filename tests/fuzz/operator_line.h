/* The network of a board and the operator behind it, for targets that run the operator client: the
 * operator answers with the code of kkt-ofd, and the target may bend each answer before it leaves.
 *
 * What the operator itself holds to be true is checked here: the documents of a module come in
 * ascending order without a hole, and a repeat is the same bytes. */
#ifndef TESTS_FUZZ_OPERATOR_LINE_H
#define TESTS_FUZZ_OPERATOR_LINE_H

#include "board/board.h"
#include "proto/crc.h"
#include "tests/fuzz/fuzz.h"
#include "tools/ofd/ofd_core.h"

#define LINE_DOCUMENTS_MAX 256u
#define LINE_OUT_SIZE      8192u

static struct {
    bool up;       /* connections are accepted */
    size_t step;   /* bytes one read or write moves */
    size_t life;   /* bytes until the connection breaks; 0: it does not */
    bool hangs;    /* while connecting */
    bool no_trust; /* TLS fails */
    bool stalls;   /* takes no bytes */
    enum board_net_state state;
    uint8_t in[OFD_MESSAGE_MAX], out[LINE_OUT_SIZE];
    size_t in_size, out_size, out_sent;
    uint32_t first, received; /* documents first..received have come */
    uint32_t prints[LINE_DOCUMENTS_MAX];
    bool lying; /* the module lies: nothing is promised about what comes */
    /* Called with a good answer; leaves in out[] what is said instead. */
    size_t (*bend)(uint8_t *answer, size_t size, size_t capacity);
} line;

static inline void line_init(uint32_t first)
{
    memset(&line, 0, sizeof line);
    line.up = true;
    line.step = sizeof line.in;
    line.first = first;
    line.received = first - 1;
}

static inline void line_break(void)
{
    line.state = BOARD_NET_FAILED;
    line.in_size = line.out_size = line.out_sent = 0;
}

/* All is well again, but for connections that broke. */
static inline void line_heal(void)
{
    line_break();
    line.up = true;
    line.hangs = line.no_trust = line.stalls = false;
    line.life = 0;
    line.step = sizeof line.in;
}

/* up, hangs, no trust, stalls as bits; the connection's life and the bytes of one move. */
static inline void line_trouble(uint8_t bits, size_t life, uint8_t step)
{
    line.up = (bits & 1) != 0;
    line.hangs = (bits & 2) != 0;
    line.no_trust = (bits & 4) != 0;
    line.stalls = (bits & 8) != 0;
    line.life = life;
    line.step = step == 0 ? sizeof line.in : step;
}

/* Bytes that may move now; the connection may break under them. */
static inline size_t line_allow(size_t size)
{
    size = size < line.step ? size : line.step;
    if (line.life == 0)
        return size;
    if (size >= line.life) {
        line.life = 0;
        line_break();
        return 0;
    }
    line.life -= size;
    return size;
}

static inline int line_open(void *context, const struct board_endpoint *endpoint)
{
    (void)context;
    PROMISE(endpoint->host != NULL && endpoint->host[0] != 0);
    PROMISE(line.state != BOARD_NET_OPEN);
    line_break();
    if (line.up)
        line.state = BOARD_NET_CONNECTING;
    return 0;
}

static inline enum board_net_state line_state(void *context, enum board_net_error *error,
                                              uint32_t *detail)
{
    (void)context;
    if (line.state == BOARD_NET_CONNECTING && !line.hangs)
        line.state = line.no_trust ? BOARD_NET_FAILED : BOARD_NET_OPEN;
    *error = line.state != BOARD_NET_FAILED ? BOARD_NET_OK
             : line.no_trust                ? BOARD_NET_TLS
                                            : BOARD_NET_LOST;
    *detail = 0;
    return line.state;
}

static inline void line_remember(const struct ofd_message *message)
{
    uint32_t print = crc32c_update(CRC32C_INIT, line.in, message->size);
    uint32_t index = message->document % LINE_DOCUMENTS_MAX;
    if (line.lying)
        return;
    if (message->document == line.received + 1) {
        line.prints[index] = print;
        line.received++;
        return;
    }
    PROMISE(message->document >= line.first && message->document <= line.received);
    PROMISE(line.prints[index] == print);
}

static inline void line_answer(void)
{
    uint8_t answer[LINE_OUT_SIZE];
    struct ofd_message message;
    struct ofd_answer how = {.inn = "7704358518", .received = 1790000000u};
    enum ofd_message_kind kind = ofd_message_parse(line.in, line.in_size, &message);
    if (kind == OFD_MESSAGE_PART)
        return;
    if (kind != OFD_MESSAGE_DOCUMENT) {
        PROMISE(line.lying);
        line_break();
        return;
    }
    line_remember(&message);
    line.in_size -= message.size;
    memmove(line.in, line.in + message.size, line.in_size);
    how.document = message.document;
    size_t size = ofd_confirmation_encode(&message, &how, answer, sizeof answer);
    PROMISE(size > 0);
    if (line.bend != NULL)
        size = line.bend(answer, size, sizeof answer);
    if (line.out_sent == line.out_size)
        line.out_sent = line.out_size = 0;
    if (size > sizeof line.out - line.out_size)
        size = sizeof line.out - line.out_size;
    memcpy(line.out + line.out_size, answer, size);
    line.out_size += size;
}

static inline int line_write(void *context, const uint8_t *data, size_t size)
{
    (void)context;
    if (line.state != BOARD_NET_OPEN)
        return -1;
    size = line.stalls ? 0 : line_allow(size);
    if (line.state != BOARD_NET_OPEN)
        return -1;
    PROMISE(size <= sizeof line.in - line.in_size); /* one message is outstanding */
    memcpy(line.in + line.in_size, data, size);
    line.in_size += size;
    line_answer();
    return (int)size;
}

static inline int line_read(void *context, uint8_t *data, size_t size)
{
    (void)context;
    size_t left = line.out_size - line.out_sent;
    if (line.state != BOARD_NET_OPEN)
        return -1;
    size = line_allow(size < left ? size : left);
    if (line.state != BOARD_NET_OPEN)
        return -1;
    memcpy(data, line.out + line.out_sent, size);
    line.out_sent += size;
    return (int)size;
}

static inline void line_close(void *context)
{
    (void)context;
    line_break();
    line.state = BOARD_NET_CLOSED;
}

static inline void line_board(struct board *board)
{
    board->net_open = line_open;
    board->net_state = line_state;
    board->net_read = line_read;
    board->net_write = line_write;
    board->net_close = line_close;
}

#endif
