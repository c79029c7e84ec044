/* Settings and registration data: one TLV list, kept in RAM, stored on a journal of its own.
 *
 * Each update is one journal record holding the whole list, so a power cut leaves either the old
 * list or the new one. The journal's checkpoint is the same list: one sector is enough to mount
 * from, however old the setting.
 *
 * Always true: what RAM holds is what flash holds; a refused or failed update changes neither.
 */
#ifndef FIRMWARE_SETTINGS_H
#define FIRMWARE_SETTINGS_H

#include "firmware/journal.h"
#include "proto/tlv.h"

struct settings {
    uint8_t tlv[LIMIT_SETTINGS_BYTES];
    size_t size;
    struct journal journal;
    /* An update under way: what the record under construction adds to the list. Private. */
    const uint8_t *update;
    size_t update_size;
    bool update_in_checkpoint; /* the next checkpoint already contains the update */
    bool damaged;              /* mounting met a list that does not parse */
};

/* Mounts the region's journal and takes over the newest list (none on blank flash). Errors as
 * journal_mount. */
uint16_t settings_mount(struct settings *settings, const struct board *board,
                        struct journal_region region);

/* Every tag of the list replaces all elements of that tag; an element with an empty value removes
 * the tag; a tag that stands twice is kept twice. Written and synced before it returns.
 * ERROR_REQUEST_MALFORMED, ERROR_TOO_LARGE (the whole list would exceed LIMIT_SETTINGS_BYTES or
 * what a sector holds), or the errors of journal_append; then nothing has changed. tlv must not lie
 * inside *settings. */
uint16_t settings_update(struct settings *settings, const uint8_t *tlv, size_t size);

/* The first element with this tag; out->value points into the settings and is valid until the next
 * update. */
bool settings_find(const struct settings *settings, uint16_t tag, struct tlv *out);
/* The value, or fallback when the tag is absent or of another length. */
uint8_t settings_u8(const struct settings *settings, uint16_t tag, uint8_t fallback);
uint16_t settings_u16(const struct settings *settings, uint16_t tag, uint16_t fallback);
/* Copies the value as a zero-terminated string, cut to capacity - 1 bytes. Returns its length; 0
 * when absent. */
size_t settings_string(const struct settings *settings, uint16_t tag, char *out, size_t capacity);

#endif
