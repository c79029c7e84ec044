/* What the files of the cash register share; nobody else includes this. */
#ifndef FIRMWARE_REGISTER_INTERNAL_H
#define FIRMWARE_REGISTER_INTERNAL_H

#include "firmware/cash_register.h"

#define OPENKKT_KKT_VERSION "0.1" /* tag 1188, at most 8 characters */

/* register_jobs.c: checks of a job before anything is touched; fills job->effect. False: reg->why
 * says why not. */
bool register_job_check(struct cash_register *reg);
/* The FN's part of the check, with fresh facts. */
bool register_job_check_fn(struct cash_register *reg);
/* A shift is open; for over 24 h: only closing is possible (KKT-FN protocol, answer 16h). */
bool register_shift_expired(const struct cash_register *reg);
/* Does this job form a fiscal document? */
bool register_job_is_fiscal(uint8_t code);
/* Fills reg->why; always false, so that a check can end with it. */
bool register_refuse(struct cash_register *reg, uint16_t code, uint16_t tag, uint64_t expected);
bool register_printing_wanted(const struct cash_register *reg);

/* register_fn.c: the FN's side of a fiscal job. */
void register_fn_compose(struct cash_register *reg); /* board-made tags into reg->added */
/* Does the document with what the register added still fit into the FN? False: reg->why is set. */
bool register_fn_fits(struct cash_register *reg);
uint8_t register_fn_begin(struct cash_register *reg, uint8_t *data, size_t *size);
uint8_t register_fn_form(struct cash_register *reg, uint8_t *data, size_t *size);
/* Next 07h block into reg->chunk; its size, 0 when all is sent. */
size_t register_fn_next_chunk(struct cash_register *reg);
/* Reads the answer of the forming command. False: it makes no sense. */
bool register_fn_result(struct cash_register *reg, struct link_result *result);
/* Checks the archive record (40h) of a document that an open INTENT may have made. */
bool register_fn_recovered(struct cash_register *reg, const uint8_t *record, size_t size,
                           struct link_result *result);

/* register_slips.c: paper. */
/* Text that only paper needs goes into the journal before the job; ERROR_NONE or why not. */
uint16_t register_slips_store_text(struct cash_register *reg);
/* The job is done: queue its slip from what is still in RAM, if it fits. */
void register_slips_queue_done(struct cash_register *reg, const struct link_result *result);
/* Takes the printer's events and loads owed slips back from FN and journal. True:
 * something moved. */
bool register_slips_step(struct cash_register *reg);
/* Shift totals and cash as TLV, for paper and for the host. */
void register_put_totals(const struct cash_register *reg, struct byte_writer *writer);
void register_slips_loaded(struct cash_register *reg);
void register_slips_unreadable(struct cash_register *reg, bool gone);

/* register_queries.c: answers that change nothing. */
void register_query(struct cash_register *reg, const struct link_request *request, bool main);
void register_answer_refusal(struct cash_register *reg, uint8_t code, uint16_t exchange,
                             const struct refusal *why, const uint8_t *key, bool main);
void register_answer_result(struct cash_register *reg, uint8_t code, uint16_t exchange,
                            const struct link_result *result, bool main);
/* To UPDATE_BEGIN, which was taken earlier. */
void register_answer_update(struct cash_register *reg, uint16_t exchange,
                            const struct refusal *why);
/* A known key: fills *done and gives 1; 0 unknown; < 0 flash error. */
int register_find_done(struct cash_register *reg, const uint8_t key[KEY_SIZE],
                       struct job_done *done);

/* register_boot.c: asking the FN who it is, and settling an open INTENT. */
bool register_boot_step(struct cash_register *reg);
void register_boot_again(struct cash_register *reg, uint32_t delay_ms);

/* register_read.c */
void register_read_start(struct cash_register *reg, enum read_purpose purpose, uint32_t document);
bool register_read_step(struct cash_register *reg);

/* register_end.c */
bool register_append(struct cash_register *reg, uint8_t type, const uint8_t *payload, size_t size);
bool register_write_intent(struct cash_register *reg);
struct link_result register_blank_result(const struct cash_register *reg);
/* Checks from the start; a refusal is answered. */
bool register_job_check_all(struct cash_register *reg);
void register_job_refused(struct cash_register *reg); /* with reg->why */
void register_job_unknown(struct cash_register *reg); /* OUTCOME_UNKNOWN: the key tells later */
void register_job_done(struct cash_register *reg, struct link_result *result);

/* register_work.c */
void register_job_do_local(struct cash_register *reg); /* a job without a fiscal document */
bool register_drawer_step(struct cash_register *reg);
bool register_fiscal_step(struct cash_register *reg);

/* cash_register.c */
void register_job_start(struct cash_register *reg); /* from its checks on */
void register_trace(const struct cash_register *reg, enum board_trace_level level, const char *text,
                    uint32_t number);

#endif
