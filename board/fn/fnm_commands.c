/* The command table: which command, how long, in which phase (tables 6 and those of the commands).
 * What depends on the open document or the shift is checked by the handlers; together they answer
 * 01h, then 02h, then the rest.
 *
 * The groups B and D (marked goods, key update) and 50h are not emulated: 01h, as a module without
 * them answers.
 */
#include "board/fn/fnm_internal.h"

#include <assert.h>

enum {
    READY = 1,
    FISCAL = 2,
    CLOSING = 4,
    ARCHIVE = 8,
    OPENED = FISCAL | CLOSING | ARCHIVE,
    ALWAYS = READY | OPENED
};

struct command {
    uint8_t code, phases;
    uint16_t size_min, size_max;
    bool only_ends; /* nothing between the two sizes */
    fnm_handler *handler;
};

static const struct command commands[] = {
    {FN_REGISTRATION_BEGIN, READY | FISCAL, 0, 1, false, fnm_registration_begin},
    {FN_REGISTRATION_FORM, READY | FISCAL, 39, 40, false, fnm_registration_form},
    {FN_CLOSE_BEGIN, FISCAL, 0, 0, false, fnm_close_begin},
    {FN_CLOSE_FORM, FISCAL, 25, 25, false, fnm_close_form},
    {FN_CANCEL, ALWAYS, 0, 0, false, fnm_cancel},
    {FN_DATA, ALWAYS, 1, FN_DATA_MAX, false, fnm_data},
    {FN_SHIFT_STATUS, FISCAL, 0, 0, false, fnm_shift_status},
    {FN_SHIFT_OPEN_BEGIN, FISCAL, 5, 5, false, fnm_shift_open_begin},
    {FN_SHIFT_OPEN_FORM, FISCAL, 0, 0, false, fnm_shift_open_form},
    {FN_SHIFT_CLOSE_BEGIN, FISCAL, 5, 5, false, fnm_shift_close_begin},
    {FN_SHIFT_CLOSE_FORM, FISCAL, 0, 0, false, fnm_shift_close_form},
    {FN_RECEIPT_BEGIN, FISCAL, 5, 5, false, fnm_receipt_begin},
    {FN_RECEIPT_FORM, FISCAL, 11, 11, false, fnm_receipt_form},
    {FN_CORRECTION_BEGIN, FISCAL, 5, 5, false, fnm_correction_begin},
    {FN_STATE_BEGIN, FISCAL, 5, 5, false, fnm_state_begin},
    {FN_STATE_FORM, FISCAL, 0, 0, false, fnm_state_form},
    {FN_OFD_STATUS, FISCAL | CLOSING, 0, 0, false, fnm_ofd_status},
    {FN_OFD_TRANSPORT, FISCAL | CLOSING, 1, 1, false, fnm_ofd_transport},
    {FN_OFD_READ_BEGIN, FISCAL | CLOSING, 0, 0, false, fnm_ofd_read_begin},
    {FN_OFD_READ, FISCAL | CLOSING, 4, 4, false, fnm_ofd_read},
    {FN_OFD_READ_CANCEL, FISCAL | CLOSING, 0, 0, false, fnm_ofd_read_cancel},
    {FN_OFD_READ_END, FISCAL | CLOSING, 0, 0, false, fnm_ofd_read_end},
    {FN_OFD_ANSWER, FISCAL | CLOSING, 1, FN_DATA_MAX, false, fnm_ofd_answer},
    {FN_STATUS, ALWAYS, 0, 0, false, fnm_status},
    {FN_NUMBER, ALWAYS, 0, 0, false, fnm_number},
    {FN_VALID_UNTIL, ALWAYS, 0, 0, false, fnm_valid_until},
    {FN_VERSION, ALWAYS, 0, 0, false, fnm_version},
    {FN_DIAGNOSTICS, ALWAYS, 0, 0, false, fnm_diagnostics},
    {FN_COUNTERS, OPENED, 1, 1, false, fnm_counters_all},
    {FN_COUNTS, OPENED, 1, 1, false, fnm_counters_counts},
    {FN_COUNTERS_KIND, OPENED, 2, 2, false, fnm_counters_kind},
    {FN_UNSENT, OPENED, 0, 0, false, fnm_counters_unsent},
    {FN_FFD, ALWAYS, 0, 0, false, fnm_ffd},
    {FN_DAYS_LEFT, ALWAYS, 5, 5, false, fnm_days},
    {FN_MEMORY, ALWAYS, 0, 0, false, fnm_memory},
    {FN_MODEL, ALWAYS, 0, 0, false, fnm_model},
    {FN_FIND_DOCUMENT, OPENED, 4, 4, false, fnm_find_document},
    {FN_FIND_CONFIRMATION, OPENED, 4, 4, false, fnm_find_confirmation},
    {FN_UNCONFIRMED, ALWAYS, 0, 0, false, fnm_unconfirmed},
    {FN_REGISTRATION_RESULT, OPENED, 0, 1, false, fnm_registration_result},
    {FN_REGISTRATION_TAG, OPENED, 2, 3, false, fnm_registration_tag},
    {FN_READ_DOCUMENT, OPENED, 4, 4, false, fnm_read_document},
    {FN_READ_TLV, OPENED, 0, 0, false, fnm_read_tlv},
    {FN_READ_REGISTRATION_TLV, OPENED, 0, 0, false, fnm_read_registration_tlv},
    {FN_DEBUG_RESET, ALWAYS, 1, 1, false, fnm_debug_reset},
    {FN_REGISTRATION_BEGIN_12, READY | FISCAL, 1, 2, false, fnm_registration_begin_12},
    {FN_REGISTRATION_FORM_12, READY | FISCAL, 52, 56, true, fnm_registration_form_12},
    {FN_DATA_SIZE, ALWAYS, 0, 0, false, fnm_data_size},
    {FN_BAUD_RATE, ALWAYS, 4, 4, false, fnm_baud_rate},
};

static const struct command *command_find(uint8_t code)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].code == code)
            return &commands[i];
    return NULL;
}

static unsigned phase_bit(uint8_t phase)
{
    switch ((enum fn_phase)phase) {
    case FN_PHASE_READY:
        return READY;
    case FN_PHASE_FISCAL:
        return FISCAL;
    case FN_PHASE_CLOSING:
        return CLOSING;
    case FN_PHASE_ARCHIVE:
        return ARCHIVE;
    }
    assert(false);
    return 0;
}

uint8_t fnm_execute(struct fnm *fnm, uint8_t command, const uint8_t *in, size_t size,
                    struct byte_writer *out)
{
    const struct command *known = command_find(command);
    if (known == NULL || size < known->size_min || size > known->size_max)
        return FN_BAD_COMMAND;
    if (known->only_ends && size != known->size_min && size != known->size_max)
        return FN_BAD_COMMAND;
    if ((known->phases & phase_bit(fnm->phase)) == 0)
        return FN_BAD_STATE;
    return known->handler(fnm, in, size, out);
}
