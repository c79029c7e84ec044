/* One element of a receipt's "items" as TLV: a position (1059), text, QR code, or an extra
 * property. Private to tools/kkt. */
#ifndef TOOLS_KKT_TASK_ITEM_H
#define TOOLS_KKT_TASK_ITEM_H

#include "tools/kkt/task_field.h"

enum task_item_result { TASK_ITEM_BAD, TASK_ITEM_POSITION, TASK_ITEM_OTHER };
enum task_item_result task_put_item(const struct field_reader *reader, struct byte_writer *writer);
/* The required field "type" of a tax object as 1199. */
int task_item_vat(const struct field_reader *reader, unsigned *rate);

#endif
