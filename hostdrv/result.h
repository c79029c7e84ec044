/* What became of a job, in the words of the public header. */
#ifndef HOSTDRV_RESULT_H
#define HOSTDRV_RESULT_H

#include "hostdrv/kkt.h"
#include "proto/link_message.h"

/* A proven result of the board whose identity is given. */
void result_from_link(const struct link_result *link, const kkt_identity *identity,
                      kkt_result *out);
/* A proven refusal. */
void result_from_refusal(const uint8_t key[KEY_SIZE], enum kkt_job job,
                         const struct refusal *refusal, const kkt_identity *identity,
                         kkt_result *out);
/* Number of the FN, registration number and serial number of the board. */
void result_set_board(kkt_result *result, const kkt_identity *identity);

#endif
