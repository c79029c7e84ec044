/* Status commands: 30h-35h, 3Ah-3Fh, 10h, A7h, ABh, and the debug reset 60h. */
#include "board/fn/fnm_internal.h"

#include <string.h>

#define VERSION_SIZE 16u
#define MODEL_SIZE   48u
/* Documents, told by 3Dh when nothing but the disk limits them. */
#define ARCHIVE_ESTIMATE  1000000u
#define QUEUE_ESTIMATE_KB 262144u
#define BAUD_MIN          9600u
#define BAUD_MAX          4000000u

static void text_put(struct byte_writer *out, const char *text, size_t width)
{
    size_t length = strlen(text);
    length = length < width ? length : width;
    put_bytes(out, text, length);
    put_fill(out, 0, width - length);
}

uint8_t fnm_status(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    const struct fnm_entry *last = fnm_entry(fnm, fnm->count);
    struct fn_status status = {.phase = fnm->phase,
                               .document = fnm->v.draft.state,
                               .has_data = fnm->v.draft.data_size > 0,
                               .shift_open = fnm->shift_open,
                               .warnings = fnm_warnings(fnm),
                               .last_document = fnm->count};
    if (last != NULL)
        date_time_from_unix(last->time, status.time);
    memcpy(status.number, fnm->identity.serial, sizeof status.number);
    fn_status_put(out, &status);
    return FN_OK;
}

uint8_t fnm_number(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    put_bytes(out, fnm->identity.serial, FNM_SERIAL_SIZE);
    return FN_OK;
}

uint8_t fnm_valid_until(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    fnm_date_put(out, fnm->valid_until); /* zeros before the first registration */
    put_u8(out, (uint8_t)(FNM_REGISTRATIONS_MAX - fnm->registration_count));
    put_u8(out, fnm->registration_count);
    return FN_OK;
}

uint8_t fnm_version(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)fnm;
    (void)in;
    (void)size;
    text_put(out, "fn debug v 1.32", VERSION_SIZE);
    put_u8(out, 0); /* not a serial product */
    return FN_OK;
}

uint8_t fnm_diagnostics(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    const char *text = fnm->store.broken ? "store failed" : "no faults";
    put_bytes(out, text, strlen(text));
    return FN_OK;
}

uint8_t fnm_model(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)fnm;
    (void)in;
    (void)size;
    text_put(out, "OpenKKT FN emulator, debug, not certified", MODEL_SIZE);
    return FN_OK;
}

uint8_t fnm_ffd(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    uint8_t ffd = fnm->phase == FN_PHASE_READY ? 0 : fnm->registration.ffd;
    put_u8(out, ffd == FFD_1_05 ? 1 : ffd); /* 1 stands for 1.0 and 1.05 here */
    put_u8(out, FFD_1_2);
    return FN_OK;
}

uint8_t fnm_days(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    unix_s time;
    if (!fnm_time_get(in, &time) || time < fnm->activated)
        return FN_BAD_TIME;
    put_u16le(out, fnm_days_left(fnm, time));
    return FN_OK;
}

uint8_t fnm_memory(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    uint32_t archive = fnm->options.archive_documents;
    archive = archive == 0 ? ARCHIVE_ESTIMATE : archive;
    uint64_t queued_kb = (fnm->queue_bytes + 1023) / 1024;
    put_u32le(out, fnm->count < archive ? archive - fnm->count : 0);
    put_u32le(out, queued_kb < QUEUE_ESTIMATE_KB ? (uint32_t)(QUEUE_ESTIMATE_KB - queued_kb) : 0);
    return FN_OK;
}

uint8_t fnm_shift_status(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    put_u8(out, fnm->shift_open);
    put_u16le(out, (uint16_t)fnm->shift_number);
    put_u16le(out, (uint16_t)fnm->shift_receipts);
    return FN_OK;
}

uint8_t fnm_data_size(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)in;
    (void)size;
    put_u32le(out, (uint32_t)fnm->v.draft.data_size);
    if (fnm->phase != FN_PHASE_READY && fnm->registration.ffd == FFD_1_2)
        put_u32le(out, 0); /* the notification about marked goods: none is ever formed */
    return FN_OK;
}

/* The emulated line has no speed: whatever a UART could do is accepted. */
uint8_t fnm_baud_rate(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)fnm;
    (void)size;
    (void)out;
    uint32_t baud = get_u32le(in);
    return baud < BAUD_MIN || baud > BAUD_MAX ? FN_BAD_VALUE : FN_OK;
}

uint8_t fnm_debug_reset(struct fnm *fnm, const uint8_t *in, size_t size, struct byte_writer *out)
{
    (void)size;
    (void)out;
    return in[0] != FNM_DEBUG_RESET_KEY ? FN_BAD_VALUE : fnm_commit_wipe(fnm);
}
