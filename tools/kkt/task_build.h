/* The parts of the task reader that turn JSON objects into TLV. Private to tools/kkt. */
#ifndef TOOLS_KKT_TASK_BUILD_H
#define TOOLS_KKT_TASK_BUILD_H

#include "tools/kkt/task_field.h"

#define TASK_BODY_CAPACITY                                                                         \
    40000u /* more than any body may hold, so that too large ones can be told */
#define TASK_SLIP_MAX        3072u /* text around a document that the board keeps */
#define TASK_ITEM_FIELDS_MAX 2048u

/* What every task may have: its type and, under the names that peers use, its key. */
#define TASK_COMMON_FIELDS                                                                         \
    {"type", FIELD_TAKEN}, {"key", FIELD_TAKEN}, {"uuid", FIELD_TAKEN},                            \
        {"externalId", FIELD_TAKEN}, {"external_id", FIELD_TAKEN}, {"taskId", FIELD_TAKEN},        \
        {"idCommand", FIELD_TAKEN},                                                                \
    {                                                                                              \
        "IdCommand", FIELD_TAKEN                                                                   \
    }

/* sell, sellReturn. Fills writer, task->summary and task->positions. */
bool task_build_receipt(const struct field_reader *reader, struct task *task,
                        struct byte_writer *writer);
/* registration: fiscal registration TLV and the operator's address (settings). */
bool task_build_registration(const struct field_reader *reader, struct byte_writer *writer);

/* operator {name!, vatin} as 1021 and 1203. */
int task_put_operator(const struct field_reader *reader, struct byte_writer *writer);
/* taxationType -> one bit. */
extern const struct field_word task_tax_systems[];

/* One element of a slip: text as a structure `tag` {style, string}, a QR code as SLIP_QR. */
bool task_put_slip_element(const struct field_reader *element, uint16_t tag,
                           struct byte_writer *writer);
/* preItems and postItems as SLIP_BEFORE and SLIP_AFTER; QR codes among a receipt's items begin the
 * latter. */
bool task_put_slip_around(const struct field_reader *reader, struct byte_writer *writer);
/* items of a nonFiscal task, without a structure around them. */
bool task_put_slip_items(const struct field_reader *reader, const char *name,
                         struct byte_writer *writer);

#endif
