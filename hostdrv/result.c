#include "hostdrv/result.h"

#include <stdio.h>
#include <string.h>

#include "hostdrv/fault.h"

void result_set_board(kkt_result *result, const kkt_identity *identity)
{
    snprintf(result->fn_number, sizeof result->fn_number, "%s", identity->fn_number);
    snprintf(result->registration_number, sizeof result->registration_number, "%s",
             identity->registration_number);
    snprintf(result->serial, sizeof result->serial, "%s", identity->serial);
}

void result_from_link(const struct link_result *link, const kkt_identity *identity, kkt_result *out)
{
    memset(out, 0, sizeof *out);
    out->state = KKT_JOB_DONE;
    out->job = (enum kkt_job)link->job;
    memcpy(out->key.bytes, link->key, sizeof out->key.bytes);
    out->flags = link->flags;
    out->document = link->document;
    out->fiscal_sign = link->fiscal_sign;
    out->time = link->time;
    out->shift = link->shift;
    out->receipt = link->receipt;
    out->total_kop = (int64_t)link->total_kop; /* 40 bits on the wire */
    result_set_board(out, identity);
}

void result_from_refusal(const uint8_t key[KEY_SIZE], enum kkt_job job,
                         const struct refusal *refusal, const kkt_identity *identity,
                         kkt_result *out)
{
    memset(out, 0, sizeof *out);
    out->state = KKT_JOB_REFUSED;
    out->job = job;
    memcpy(out->key.bytes, key, sizeof out->key.bytes);
    fault_refusal(&out->error, refusal);
    result_set_board(out, identity);
}
