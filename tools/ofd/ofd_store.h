/* What the test operator has received, in SQLite.
 *
 * One row a document, key (FN number, document number). The first message received under a key is
 * the document; the same bytes again only count; other bytes under the same key are a conflict:
 * kept beside, never confirmed.
 *
 * Always true: ofd_store_put returns after the commit reached the disk, so whatever was confirmed
 * is in the store; the confirmation itself is stored with the document, and a repeat gets the very
 * same one. Schema version 1 (PRAGMA user_version); a newer store is refused, not guessed at.
 */
#ifndef TOOLS_OFD_OFD_STORE_H
#define TOOLS_OFD_OFD_STORE_H

#include "tools/ofd/ofd_core.h"

struct ofd_store;

enum ofd_put { OFD_PUT_NEW, OFD_PUT_REPEAT, OFD_PUT_CONFLICT, OFD_PUT_FAILED };

/* NULL with a line for people in error. create: make the file when it is absent. */
struct ofd_store *ofd_store_open(const char *path, bool create, char *error, size_t error_size);
void ofd_store_close(struct ofd_store *store);

/* Stores a whole message and its confirmation. REPEAT: confirmation and *confirmation_size are
 * replaced by the stored one (capacity OFD_CONFIRMATION_MAX). */
enum ofd_put ofd_store_put(struct ofd_store *store, const struct ofd_message *message,
                           const uint8_t *raw, size_t raw_size, unix_s received,
                           uint8_t *confirmation, size_t *confirmation_size);

struct ofd_row {
    char fn_number[17];
    uint32_t document;
    uint16_t form;
    uint8_t ffd, kind, code;
    unix_s received; /* true UTC */
    unix_s time;     /* of the document, local */
    uint32_t sign;
    uint64_t total_kop;
    uint32_t times;     /* received, the first included */
    uint32_t conflicts; /* received with other bytes */
    const uint8_t *raw;
    size_t raw_size;
};
typedef void (*ofd_row_visitor)(void *user, const struct ofd_row *row);
/* By FN number, then document number; raw is valid during the call. False on a database error. */
bool ofd_store_each(struct ofd_store *store, ofd_row_visitor visit, void *user);

/* Text of the last database error. */
const char *ofd_store_error(const struct ofd_store *store);

#endif
