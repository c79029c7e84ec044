#include "tests/world/operator_internal.h"

#include <stdio.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/crc.h"

#define CONNECT_MS   30000u /* after so long a board's port gives up (board.h) */
#define GARBAGE_MAX  600u
#define CODE_FORMAT  14u
#define OTHER_FN     "9999078900000001"
#define ANOTHER_FN   "9999078900000002"          /* when the first one is the board's */
#define ANSWERS_ROOM (2u * OFD_CONFIRMATION_MAX) /* the most that one message brings */

enum event { EVENT_OPEN = 1, EVENT_CLOSE, EVENT_DEATH, EVENT_MESSAGE, EVENT_ANSWER, EVENT_READ };

static void note(struct operator* op, enum event event, uint32_t what, uint32_t bytes)
{
    uint8_t record[17];
    struct byte_writer writer;
    byte_writer_init(&writer, record, sizeof record);
    put_u8(&writer, (uint8_t)event);
    put_uint_le(&writer, op->core.now, 8);
    put_u32le(&writer, what);
    put_u32le(&writer, bytes);
    op->core.digest = crc32c_update(op->core.digest, record, writer.length);
}

static uint32_t roll(struct operator* op)
{
    op->core.dice ^= op->core.dice << 13;
    op->core.dice ^= op->core.dice >> 17;
    op->core.dice ^= op->core.dice << 5;
    return op->core.dice;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- the line ---- */

void operator_hang_up(struct operator* op, enum board_net_state state, enum board_net_error error)
{
    struct operator_line *line = &op->core.line;
    if (line->state == BOARD_NET_OPEN || line->state == BOARD_NET_CONNECTING)
        note(op, state == BOARD_NET_CLOSED ? EVENT_CLOSE : EVENT_DEATH, error,
             (uint32_t)line->in_size);
    line->state = state;
    line->error = error;
    line->begun = false;
    line->manner = OPERATOR_GOOD;
    line->in_size = line->out_size = line->out_sent = 0;
    line->in_needed = OFD_HEADER_SIZE;
    line->out_cut = SIZE_MAX;
    line->mark_count = 0;
}

static void die(struct operator* op)
{
    operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_LOST);
}

void operator_settle(struct operator* op)
{
    struct operator_line *line = &op->core.line;
    if (line->state == BOARD_NET_CONNECTING && op->core.now >= line->connect_at) {
        if (line->connect_fails)
            operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_TIMEOUT);
        else
            line->state = BOARD_NET_OPEN;
    }
    if (line->manner == OPERATOR_SLOW && op->core.now >= line->slow_at + OPERATOR_SLOW_MS) {
        line->slow_at = op->core.now;
        line->slow_in = line->slow_out = true;
    }
}

static void take_manner(struct operator* op)
{
    struct operator_core *core = &op->core;
    core->line.manner = core->manner;
    core->line.argument = core->argument;
    if (core->times > 0 && --core->times == 0)
        core->manner = OPERATOR_GOOD;
}

static bool spoils_connections(enum operator_manner manner)
{
    return manner == OPERATOR_REFUSES || manner == OPERATOR_NEVER_CONNECTS;
}

/* ---- answers ---- */

/* Room at the end of `out`: what was read is thrown away. */
static uint8_t *out_room(struct operator* op, size_t size)
{
    struct operator_line *line = &op->core.line;
    if (line->out_sent > 0) {
        memmove(op->out, op->out + line->out_sent, line->out_size - line->out_sent);
        for (uint32_t i = 0; i < line->mark_count; i++)
            line->marks[i].end -= line->out_sent;
        if (line->out_cut != SIZE_MAX)
            line->out_cut -= line->out_sent;
        line->out_size -= line->out_sent;
        line->out_sent = 0;
    }
    return sizeof op->out - line->out_size >= size ? op->out + line->out_size : NULL;
}

static void say(struct operator* op, const uint8_t *bytes, size_t size)
{
    struct operator_line *line = &op->core.line;
    uint8_t *place = out_room(op, size);
    if (place == NULL)
        return; /* accept() saw to it that there is room */
    memcpy(place, bytes, size);
    line->out_size += size;
    line->out_ready = op->core.now + op->core.answer_ms;
    note(op, EVENT_ANSWER, (uint32_t)size, crc32c_update(CRC32C_INIT, bytes, size));
}

static void mark(struct operator* op, const struct ofd_message *message)
{
    struct operator_line *line = &op->core.line;
    struct operator_mark *entry = &line->marks[line->mark_count++];
    memcpy(entry->fn, message->fn_number, sizeof entry->fn);
    entry->number = message->document;
    entry->end = line->out_size;
}

static size_t confirmation(const struct operator* op, const struct ofd_message *message,
                           uint32_t number, uint8_t code, uint8_t *out)
{
    struct ofd_answer how = {.inn = op->core.inn,
                             .received = op->core.clock + (unix_s)(op->core.now / 1000u),
                             .code = code,
                             .document = number};
    return ofd_confirmation_encode(message, &how, out, OFD_CONFIRMATION_MAX);
}

static size_t foreign(const struct operator* op, const struct ofd_message *message, uint8_t *out)
{
    struct ofd_message other = *message;
    const char *fn = strcmp(message->fn_number, OTHER_FN) == 0 ? ANOTHER_FN : OTHER_FN;
    (void)snprintf(other.fn_number, sizeof other.fn_number, "%s", fn);
    if (op->core.line.argument == 0)
        (void)snprintf(other.header.fn_number, sizeof other.header.fn_number, "%s", fn);
    return confirmation(op, &other, message->document, message->code, out);
}

static size_t garbage(struct operator* op, uint8_t *out)
{
    uint32_t size = op->core.line.argument != 0 ? op->core.line.argument : 1 + roll(op);
    size = 1 + (size - 1) % GARBAGE_MAX;
    for (uint32_t i = 0; i < size; i++)
        out[i] = (uint8_t)(roll(op) >> 24);
    return size;
}

static void say_confirmation(struct operator* op, const struct ofd_message *message)
{
    struct operator_line *line = &op->core.line;
    uint8_t answer[OFD_CONFIRMATION_MAX];
    uint8_t code = message->code;
    size_t size;
    bool whole = true;
    if (line->manner == OPERATOR_REJECTS)
        code = (uint8_t)line->argument != 0 ? (uint8_t)line->argument : CODE_FORMAT;
    size = confirmation(op, message, message->document, code, answer);
    if (size == 0) {
        operator_books_break(&op->books, "the simulated operator's INN is wrong: %s", op->core.inn);
        return;
    }
    if (line->manner == OPERATOR_GARBLED) {
        size_t bit = line->argument % (size * 8);
        answer[bit / 8] ^= (uint8_t)(1u << bit % 8);
        whole = bit / 8 < OFD_HEADER_SIZE; /* the container is: a lenient board may take it */
    }
    if (line->manner == OPERATOR_FORGED) {
        ofd_confirmation_spoil_sign(answer, size);
        whole = false;
    }
    if (line->manner == OPERATOR_CUT_ANSWER)
        line->out_cut = line->out_size + smaller(line->argument, size);
    say(op, answer, size);
    if (whole)
        mark(op, message);
    if (line->manner == OPERATOR_TWICE)
        say(op, answer, size);
    if (line->out_cut == line->out_sent)
        die(op);
}

static void answer(struct operator* op, const struct ofd_message *message)
{
    uint8_t bytes[OFD_CONFIRMATION_MAX];
    switch (op->core.line.manner) {
    case OPERATOR_HALF_OPEN:
        break;
    case OPERATOR_CUT_REQUEST:
        die(op);
        break;
    case OPERATOR_STALE:
        say(op, bytes, confirmation(op, message, message->document - 1, message->code, bytes));
        break;
    case OPERATOR_FOREIGN:
        say(op, bytes, foreign(op, message, bytes));
        break;
    case OPERATOR_GARBAGE:
        say(op, bytes, garbage(op, bytes));
        break;
    case OPERATOR_GOOD:
    case OPERATOR_REFUSES:
    case OPERATOR_NEVER_CONNECTS:
    case OPERATOR_SLOW:
    case OPERATOR_CUT_ANSWER:
    case OPERATOR_TWICE:
    case OPERATOR_GARBLED:
    case OPERATOR_REJECTS:
    case OPERATOR_FORGETS:
    case OPERATOR_FORGED:
    case OPERATOR_MANNERS:
        say_confirmation(op, message);
        break;
    }
}

/* ---- messages ---- */

static void look(struct operator* op)
{
    struct operator_line *line = &op->core.line;
    struct ofd_message message;
    uint8_t pong[OFD_HEADER_SIZE];
    switch (ofd_message_parse(op->in, line->in_size, &message)) {
    case OFD_MESSAGE_PART:
        line->in_needed = message.size;
        return;
    case OFD_MESSAGE_DOCUMENT:
        note(op, EVENT_MESSAGE, message.document,
             crc32c_update(CRC32C_INIT, op->in, line->in_size));
        operator_books_take(&op->books, &message, op->in,
                            line->manner != OPERATOR_HALF_OPEN && line->manner != OPERATOR_FORGETS);
        break;
    case OFD_MESSAGE_PING:
        ofd_ping_answer(&message, pong);
        say(op, pong, sizeof pong);
        break;
    case OFD_MESSAGE_BROKEN:
    case OFD_MESSAGE_GARBAGE:
        operator_books_break(&op->books, "a message that cannot be: %s", message.problem);
        die(op);
        return;
    }
    line->in_size = 0;
    line->in_needed = OFD_HEADER_SIZE;
    line->begun = false;
    if (message.document != 0)
        answer(op, &message);
}

/* Takes what the operator's side takes at once; 0: nothing. */
static size_t accept(struct operator* op, const uint8_t *data, size_t size)
{
    struct operator_line *line = &op->core.line;
    bool cutting;
    if (line->mark_count == OPERATOR_MARKS_MAX || out_room(op, ANSWERS_ROOM) == NULL)
        return 0; /* the board must read first */
    if (!line->begun) {
        line->begun = true;
        line->manner = OPERATOR_GOOD;
        if (!spoils_connections(op->core.manner))
            take_manner(op);
        line->slow_in = line->slow_out = true;
        line->slow_at = op->core.now;
    }
    cutting = line->manner == OPERATOR_CUT_REQUEST;
    size = smaller(size, line->in_needed - line->in_size);
    if (cutting)
        size = smaller(size, line->argument - line->in_size);
    if (line->manner == OPERATOR_SLOW) {
        size = smaller(size, line->slow_in ? 1 : 0);
        line->slow_in = false;
    }
    memcpy(op->in + line->in_size, data, size);
    line->in_size += size;
    if (line->in_size == line->in_needed)
        look(op);
    if (cutting && line->begun && line->in_size >= line->argument)
        die(op);
    return size;
}

int operator_net_write(struct operator* op, const uint8_t *data, size_t size)
{
    struct operator_line *line = &op->core.line;
    size_t taken = 0;
    operator_settle(op);
    while (taken < size && line->state == BOARD_NET_OPEN) {
        size_t part = accept(op, data + taken, size - taken);
        if (part == 0)
            break;
        taken += part;
    }
    return taken == 0 && line->state != BOARD_NET_OPEN ? -1 : (int)taken;
}

/* The board has read `out` up to out_sent. */
static void deliver(struct operator* op)
{
    struct operator_line *line = &op->core.line;
    uint32_t left = 0;
    for (uint32_t i = 0; i < line->mark_count; i++) {
        struct operator_book *book;
        if (line->marks[i].end > line->out_sent) {
            line->marks[left++] = line->marks[i];
            continue;
        }
        book = operator_books_find(&op->books, line->marks[i].fn);
        if (book != NULL && book->confirmed < line->marks[i].number)
            book->confirmed = line->marks[i].number;
    }
    line->mark_count = left;
    if (line->manner == OPERATOR_SLOW && !line->begun && line->out_sent == line->out_size)
        line->manner = OPERATOR_GOOD; /* that message is over */
    if (line->out_sent >= line->out_cut)
        die(op);
}

int operator_net_read(struct operator* op, uint8_t *data, size_t size)
{
    struct operator_line *line = &op->core.line;
    operator_settle(op);
    if (line->state != BOARD_NET_OPEN)
        return -1;
    if (op->core.now < line->out_ready)
        return 0;
    size = smaller(size, smaller(line->out_size, line->out_cut) - line->out_sent);
    if (line->manner == OPERATOR_SLOW) {
        size = smaller(size, line->slow_out ? 1 : 0);
        line->slow_out = line->slow_out && size == 0;
    }
    if (size == 0)
        return 0;
    memcpy(data, op->out + line->out_sent, size);
    line->out_sent += size;
    note(op, EVENT_READ, (uint32_t)size, 0);
    deliver(op);
    return (int)size;
}

int operator_net_open(struct operator* op, const struct board_endpoint *endpoint)
{
    struct operator_core *core = &op->core;
    struct operator_line *line = &core->line;
    operator_hang_up(op, BOARD_NET_CLOSED, BOARD_NET_OK);
    note(op, EVENT_OPEN, endpoint->port, core->net_up);
    line->connect_at = core->now + core->connect_ms;
    line->connect_fails = false;
    line->state = BOARD_NET_CONNECTING;
    if (!core->net_up) {
        operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_DOWN);
        return -1;
    }
    if (endpoint->host[0] == '\0') {
        operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_NAME);
        return -1;
    }
    if (spoils_connections(core->manner)) {
        take_manner(op);
        if (line->manner == OPERATOR_REFUSES) {
            operator_hang_up(op, BOARD_NET_FAILED, BOARD_NET_REFUSED);
        } else {
            line->connect_at = core->now + CONNECT_MS;
            line->connect_fails = true;
        }
    }
    return 0;
}

enum board_net_state operator_net_state(struct operator* op, enum board_net_error *error,
                                        uint32_t *detail)
{
    operator_settle(op);
    *error = op->core.line.error;
    *detail = 0;
    return op->core.line.state;
}

void operator_net_close(struct operator* op)
{
    operator_hang_up(op, BOARD_NET_CLOSED, BOARD_NET_OK);
}
