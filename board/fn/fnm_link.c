/* The UART side: frames in, answers out, ENQ, and the misbehaviour that tests ask for.
 *
 * What the protocol text leaves open, and what is done here:
 *  - A frame whose CRC is wrong is answered 01h ("wrong format of the message", table 4) and not
 * carried out.
 *  - Bytes that never were a frame (impossible length, noise) and a frame that stops for 500 ms are
 * dropped in silence, and the last answer stays the last answer: noise after a command must not
 * turn its outcome into a refusal.
 *  - ENQ before any command since power-up is met with silence.
 */
#include "board/fn/fnm_internal.h"

#include <assert.h>
#include <string.h>

#define FRAME_GAP_MS 500u
#define CRC_REACHED  5u /* bytes held when the last one of the shortest frame comes */

static void queue_output(struct fnm *fnm, const uint8_t *bytes, size_t size)
{
    if (size > sizeof fnm->output - fnm->output_size)
        return; /* nobody listens: as on a wire, it is lost */
    memcpy(fnm->output + fnm->output_size, bytes, size);
    fnm->output_size += size;
    fnm->output_due = fnm->now_ms + fnm->delay_ms;
}

static void answer(struct fnm *fnm, uint8_t code, const uint8_t *data, size_t size)
{
    uint8_t warned = (uint8_t)(code | (fnm_warnings(fnm) != 0 ? FN_ANSWER_WARNING : 0));
    fnm->last_answer_size =
        fn_frame_encode(warned, data, size, fnm->last_answer, sizeof fnm->last_answer);
    assert(fnm->last_answer_size != 0);
    enum fnm_fault fault = fnm->next_fault;
    if (fault == FNM_FAULT_DROP_ANSWER || fault == FNM_FAULT_LOSE_ANSWER ||
        fault == FNM_FAULT_CORRUPT_CRC)
        fnm->next_fault = FNM_FAULT_NONE;
    if (fault == FNM_FAULT_LOSE_ANSWER)
        fnm->last_answer_size = 0;
    if (fault == FNM_FAULT_DROP_ANSWER || fault == FNM_FAULT_LOSE_ANSWER)
        return;
    size_t start = fnm->output_size;
    queue_output(fnm, fnm->last_answer, fnm->last_answer_size);
    if (fault == FNM_FAULT_CORRUPT_CRC && fnm->output_size > start)
        fnm->output[fnm->output_size - 1] ^= 0x55;
}

static void execute(struct fnm *fnm, uint8_t command, const uint8_t *data, size_t size)
{
    struct byte_writer out;
    byte_writer_init(&out, fnm->answer, sizeof fnm->answer);
    fnm->counters.commands++;
    fnm->counters.by_code[command]++;
    uint8_t code;
    if (fnm->next_fault == FNM_FAULT_ANSWER_CODE) {
        fnm->next_fault = FNM_FAULT_NONE;
        code = (uint8_t)(fnm->next_argument & ~FN_ANSWER_WARNING);
    } else {
        code = fnm_execute(fnm, command, data, size, &out);
    }
    assert(byte_writer_ok(&out));
    if (fnm->power_failed) {
        fnm_trace(fnm, "power failed in command %02X", command);
        fnm_power_cycle(fnm);
        return;
    }
    if (code != FN_OK)
        fnm->counters.refused++;
    fnm_trace(fnm, "< %02X, %zu bytes: answer %02X, %zu bytes", command, size, code, out.length);
    answer(fnm, code, fnm->answer, out.length);
}

static void take_byte(struct fnm *fnm, uint8_t byte)
{
    uint8_t code;
    const uint8_t *data;
    size_t size;
    size_t held = fnm->decoder.length - fnm->decoder.delivered;
    switch (fn_decoder_push(&fnm->decoder, byte, &code, &data, &size)) {
    case FN_DECODED_FRAME:
        execute(fnm, code, data, size);
        break;
    case FN_DECODED_ENQ:
        fnm->counters.enquiries++;
        fnm_trace(fnm, "< ENQ: last answer, %zu bytes", fnm->last_answer_size);
        queue_output(fnm, fnm->last_answer, fnm->last_answer_size);
        break;
    case FN_DECODED_BAD:
        fnm->counters.bad_frames++;
        fnm_trace(fnm, "< bad frame");
        if (held >= CRC_REACHED)
            answer(fnm, FN_BAD_COMMAND, NULL, 0);
        break;
    case FN_DECODED_NOTHING:
        break;
    }
}

void fnm_feed(struct fnm *fnm, const uint8_t *bytes, size_t size, uint64_t now_ms)
{
    fnm->now_ms = now_ms;
    if (fnm->off || size == 0)
        return;
    if (now_ms - fnm->last_byte_ms > FRAME_GAP_MS)
        fn_decoder_init(&fnm->decoder);
    fnm->last_byte_ms = now_ms;
    fnm_operator_tick(fnm);
    for (size_t i = 0; i < size;) {
        i += fn_decoder_fill(&fnm->decoder, bytes + i, size - i);
        if (i < size)
            take_byte(fnm, bytes[i++]);
    }
}

size_t fnm_output(struct fnm *fnm, uint8_t *out, size_t capacity, uint64_t now_ms)
{
    fnm->now_ms = now_ms;
    if (fnm->off || now_ms < fnm->output_due)
        return 0;
    size_t size = fnm->output_size < capacity ? fnm->output_size : capacity;
    memcpy(out, fnm->output, size);
    fnm->output_size -= size;
    memmove(fnm->output, fnm->output + size, fnm->output_size);
    return size;
}

uint64_t fnm_output_due_ms(const struct fnm *fnm, uint64_t now_ms)
{
    if (fnm->off || fnm->output_size == 0)
        return UINT64_MAX;
    return now_ms >= fnm->output_due ? 0 : fnm->output_due - now_ms;
}

void fnm_power_cycle(struct fnm *fnm)
{
    fnm_forget(fnm);
    fn_decoder_init(&fnm->decoder);
    fnm->output_size = fnm->last_answer_size = 0;
    fnm->power_failed = false;
}

void fnm_fault(struct fnm *fnm, enum fnm_fault fault, uint32_t argument)
{
    switch (fault) {
    case FNM_FAULT_DELAY:
        fnm->delay_ms = argument;
        break;
    case FNM_FAULT_OFF:
        fnm->off = argument != 0;
        fnm_power_cycle(fnm);
        break;
    default:
        fnm->next_fault = fault;
        fnm->next_argument = argument;
        break;
    }
    fnm_trace(fnm, "fault %d, argument %u", (int)fault, argument);
}
