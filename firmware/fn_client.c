#include "firmware/fn_client.h"

#include <assert.h>
#include <string.h>

#define READ_BYTES 32u

void fn_client_init(struct fn_client *fn, const struct board *board)
{
    memset(fn, 0, sizeof(*fn));
    fn->board = board;
    fn->state = FN_STATE_IDLE;
    fn->owner = FN_OWNER_NONE;
    fn_decoder_init(&fn->decoder);
}

bool fn_acquire(struct fn_client *fn, enum fn_owner owner)
{
    assert(owner != FN_OWNER_NONE);
    if (fn->owner == owner)
        return true;
    bool mine = fn->owner == FN_OWNER_NONE && (owner == FN_OWNER_REGISTER || !fn->register_waits);
    if (owner == FN_OWNER_REGISTER)
        fn->register_waits = !mine;
    if (mine)
        fn->owner = owner;
    return mine;
}

void fn_release(struct fn_client *fn, enum fn_owner owner)
{
    if (fn->owner == owner)
        fn->owner = FN_OWNER_NONE;
    if (owner == FN_OWNER_REGISTER)
        fn->register_waits = false;
}

/* Commands that write to the archive and compute signs: they may take several seconds, and their
 * answers prove themselves by the number of the document they made. */
static bool forms_document(uint8_t command)
{
    switch (command) {
    case FN_REGISTRATION_FORM:
    case FN_REGISTRATION_FORM_12:
    case FN_CLOSE_FORM:
    case FN_SHIFT_OPEN_FORM:
    case FN_SHIFT_CLOSE_FORM:
    case FN_RECEIPT_FORM:
    case FN_STATE_FORM:
        return true;
    default:
        return false;
    }
}

static void discard_stale_input(struct fn_client *fn)
{
    uint8_t stale[64];
    /* Bounded: a module that babbles is not allowed to hold the loop. */
    for (unsigned round = 0; round < FN_FRAME_MAX / sizeof(stale) + 1; round++) {
        if (fn->board->port_read(fn->board->context, BOARD_PORT_FN, stale, sizeof(stale)) <= 0)
            break;
    }
    fn_decoder_init(&fn->decoder);
}

void fn_start(struct fn_client *fn, uint8_t command, const uint8_t *data, size_t size, mono_ms now)
{
    assert(fn->owner != FN_OWNER_NONE && fn->state != FN_STATE_WAITING);
    assert(size <= FN_DATA_MAX);
    discard_stale_input(fn);
    fn->command = command;
    fn->tx_size = fn_frame_encode(command, data, size, fn->tx, sizeof(fn->tx));
    fn->tx_sent = 0;
    fn->enq_left = FN_ENQ_TRIES;
    fn->enquired = false;
    fn->deadline = now + (forms_document(command) ? FN_FORM_TIMEOUT_MS : FN_ANSWER_TIMEOUT_MS);
    fn->data = NULL;
    fn->size = 0;
    fn->commands_sent++;
    fn->state = FN_STATE_WAITING;
}

static void send_pending(struct fn_client *fn)
{
    while (fn->tx_sent < fn->tx_size) {
        int sent = fn->board->port_write(fn->board->context, BOARD_PORT_FN, fn->tx + fn->tx_sent,
                                         fn->tx_size - fn->tx_sent);
        if (sent <= 0)
            break;
        fn->tx_sent += (size_t)sent;
    }
}

/* Asks for the last answer again; false when that is of no use or was tried often enough. After
 * silence the command itself may be lost, and the last answer be the one before: only an answer
 * that proves itself is asked for then. A damaged frame is an answer to this command. */
static bool ask_again(struct fn_client *fn, mono_ms now, bool damaged)
{
    bool useful = damaged || fn->enquired || forms_document(fn->command);
    if (!useful || fn->enq_left == 0)
        return false;
    fn->enquired = true;
    fn->enq_left--;
    discard_stale_input(fn);
    fn->tx[0] = FN_FRAME_ENQ;
    fn->tx_size = 1;
    fn->tx_sent = 0;
    fn->deadline = now + FN_ENQ_TIMEOUT_MS;
    return true;
}

static void accept_answer(struct fn_client *fn, uint8_t code, const uint8_t *data, size_t size)
{
    fn->warning = (code & FN_ANSWER_WARNING) != 0;
    fn->answer = (uint8_t)(code & ~FN_ANSWER_WARNING);
    fn->data = data;
    fn->size = size;
    fn->present = true;
    fn->state = FN_STATE_DONE;
}

/* True when the answer is there. What came with it but behind it answers nothing: fn_start throws
 * such bytes away in any case. */
static bool read_answer(struct fn_client *fn, bool *bad)
{
    uint8_t bytes[READ_BYTES];
    for (unsigned count = 0; count < FN_FRAME_MAX * 2; count += READ_BYTES) {
        int got = fn->board->port_read(fn->board->context, BOARD_PORT_FN, bytes, sizeof(bytes));
        size_t size_got = got > 0 ? (size_t)got : 0;
        for (size_t i = 0; i < size_got; i++) {
            i += fn_decoder_fill(&fn->decoder, bytes + i, size_got - i);
            if (i == size_got)
                break;
            uint8_t code = 0;
            const uint8_t *data = NULL;
            size_t size = 0;
            enum fn_decoded decoded = fn_decoder_push(&fn->decoder, bytes[i], &code, &data, &size);
            if (decoded == FN_DECODED_FRAME) {
                accept_answer(fn, code, data, size);
                return true;
            }
            *bad = *bad || decoded == FN_DECODED_BAD;
        }
        if (got <= 0)
            break;
    }
    return false;
}

enum fn_state fn_client_step(struct fn_client *fn, mono_ms now)
{
    if (fn->state != FN_STATE_WAITING)
        return fn->state;
    send_pending(fn);
    bool bad = false;
    if (read_answer(fn, &bad))
        return fn->state;
    if (bad || now >= fn->deadline) {
        if (!ask_again(fn, now, bad)) {
            fn->present = false;
            fn->state = FN_STATE_FAILED;
        } else {
            send_pending(fn);
        }
    }
    return fn->state;
}

bool fn_ok(const struct fn_client *fn)
{
    return fn->state == FN_STATE_DONE && fn->answer == FN_OK;
}

void fn_refusal(const struct fn_client *fn, struct refusal *why)
{
    memset(why, 0, sizeof(*why));
    if (fn->state != FN_STATE_DONE) {
        why->code = ERROR_FN_SILENT;
        return;
    }
    why->expected = fn->answer;
    switch (fn->answer) {
    case FN_BAD_STATE:
        why->code = ERROR_FN_STATE;
        break;
    case FN_FAULT:
    case FN_CRYPTO_FAULT:
        why->code = ERROR_FN_FAULT;
        break;
    case FN_BAD_TIME:
    case FN_TIME_GAP:
        why->code = ERROR_CLOCK;
        break;
    case FN_LIFE:
    case FN_RESOURCE_EXHAUSTED:
        why->code = ERROR_FN_EXPIRED;
        break;
    case FN_SHIFT_TOO_LONG:
        why->code = ERROR_SHIFT_EXPIRED;
        break;
    case FN_STORAGE:
        why->code = ERROR_FN_FULL;
        break;
    case FN_OFD_OVERDUE_11:
        why->code = ERROR_OFD_OVERDUE;
        break;
    case FN_DATA_TOO_LONG:
    case FN_TOO_MANY_ITEMS:
        why->code = ERROR_TOO_LARGE;
        break;
    default:
        why->code = ERROR_FN_REFUSED;
        if ((fn->answer == FN_TAG_IS_MINE || fn->answer == FN_DUPLICATE) && fn->size >= 2)
            why->tag = get_u16le(fn->data);
        break;
    }
}
