/* Rules of time and resources (KKT-FN 1.2.06, tables 5, 57-75). */
#include "board/fn/fnm_internal.h"

#include "proto/calendar.h"

#define TIME_MIN          1451606400u /* 2016-01-01: no fiscal module is older */
#define TIMER_TOLERANCE_S 300
#define SHIFT_MAX_S       FNM_SECONDS_A_DAY
#define QUEUE_MAX_S       (30u * FNM_SECONDS_A_DAY)
#define OVERDUE_S         (2u * FNM_SECONDS_A_DAY)
#define WARN_DAYS         30u
#define URGENT_DAYS       3u

bool fnm_time_get(const uint8_t *date_time, unix_s *out)
{
    return date_time_to_unix(date_time, out) && *out >= TIME_MIN;
}

void fnm_date_time_put(struct byte_writer *writer, unix_s time)
{
    uint8_t bytes[DATE_TIME_SIZE] = {0};
    if (time != 0)
        date_time_from_unix(time, bytes);
    put_bytes(writer, bytes, sizeof bytes);
}

void fnm_date_put(struct byte_writer *writer, unix_s time)
{
    uint8_t bytes[DATE_TIME_SIZE] = {0};
    if (time != 0)
        date_time_from_unix(time, bytes);
    put_bytes(writer, bytes, 3);
}

uint8_t fnm_check_time(struct fnm *fnm, unix_s time)
{
    const struct fnm_entry *last = fnm_entry(fnm, fnm->count);
    return last != NULL && time < last->time ? FN_BAD_TIME : FN_OK;
}

uint8_t fnm_check_gap(const struct fnm *fnm, unix_s time)
{
    if (!fnm->v.timer_runs)
        return FN_OK;
    int64_t said_ms = ((int64_t)time - (int64_t)fnm->v.timer_time) * 1000;
    int64_t measured_ms = (int64_t)(fnm->now_ms - fnm->v.timer_mono);
    int64_t off_ms = said_ms > measured_ms ? said_ms - measured_ms : measured_ms - said_ms;
    return off_ms > TIMER_TOLERANCE_S * 1000 ? FN_TIME_GAP : FN_OK;
}

uint8_t fnm_check_shift_age(const struct fnm *fnm, unix_s time)
{
    return (uint64_t)time > (uint64_t)fnm->shift_time + SHIFT_MAX_S ? FN_SHIFT_TOO_LONG : FN_OK;
}

static bool archive_full(const struct fnm *fnm)
{
    return fnm->options.archive_documents != 0 && fnm->count >= fnm->options.archive_documents;
}

uint8_t fnm_check_resources(const struct fnm *fnm, unix_s time)
{
    if (time / FNM_SECONDS_A_DAY > fnm->valid_until / FNM_SECONDS_A_DAY)
        return FN_RESOURCE_EXHAUSTED;
    if (archive_full(fnm))
        return FN_STORAGE;
    const struct fnm_entry *oldest = fnm_entry(fnm, fnm->queue_first);
    if (oldest != NULL && !fnm_autonomous(fnm) && time > oldest->time &&
        time - oldest->time > QUEUE_MAX_S)
        return FN_STORAGE;
    return FN_OK;
}

void fnm_clock_set(struct fnm *fnm, unix_s time)
{
    fnm->v.clock_known = true;
    fnm->v.clock_time = time;
    fnm->v.clock_mono = fnm->now_ms;
}

/* Without a calendar of its own the module can only carry on from the last time it was told. */
unix_s fnm_clock(const struct fnm *fnm)
{
    const struct fnm_entry *last = fnm_entry(fnm, fnm->count);
    unix_s known = last == NULL ? 0 : last->time;
    if (!fnm->v.clock_known)
        return known;
    uint64_t now = fnm->v.clock_time + (fnm->now_ms - fnm->v.clock_mono) / 1000;
    return now > UINT32_MAX ? UINT32_MAX : now > known ? (unix_s)now : known;
}

uint16_t fnm_days_left(const struct fnm *fnm, unix_s time)
{
    if (fnm->phase == FN_PHASE_READY)
        return fnm->identity.key_days;
    uint32_t last = fnm->valid_until / FNM_SECONDS_A_DAY;
    uint32_t today = time / FNM_SECONDS_A_DAY;
    return today >= last ? 0 : (uint16_t)(last - today);
}

bool fnm_ofd_overdue(const struct fnm *fnm, unix_s time)
{
    const struct fnm_entry *oldest = fnm_entry(fnm, fnm->queue_first);
    return oldest != NULL && !fnm_autonomous(fnm) && time > oldest->time &&
           time - oldest->time > OVERDUE_S;
}

uint8_t fnm_warnings(const struct fnm *fnm)
{
    if (fnm->phase == FN_PHASE_READY)
        return 0;
    unix_s now = fnm_clock(fnm);
    uint8_t warnings = fnm->operator_flags;
    if (fnm_ofd_overdue(fnm, now))
        warnings |= FN_WARNING_OFD;
    if (fnm->phase != FN_PHASE_FISCAL)
        return warnings;
    uint16_t days = fnm_days_left(fnm, now);
    if (days < WARN_DAYS)
        warnings |= FN_WARNING_30_DAYS;
    if (days < URGENT_DAYS)
        warnings |= FN_WARNING_REPLACE;
    uint64_t archive = fnm->options.archive_documents;
    if (archive != 0 && (uint64_t)fnm->count * 100 >= archive * 99)
        warnings |= FN_WARNING_MEMORY;
    return warnings;
}
