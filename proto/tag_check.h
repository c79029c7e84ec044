/* Does a TLV list obey the tag dictionary: known tags, right lengths, permitted values, right
 * places?
 *
 * One walk serves every request that comes from outside. It reads only, keeps its place in a small
 * stack of its own instead of recursing, and ends at the first fault, which it names. Always true:
 * after a check that passed, every structured tag can be walked without a further thought about its
 * form.
 */
#ifndef PROTO_TAG_CHECK_H
#define PROTO_TAG_CHECK_H

#include "proto/error.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define TAG_DEPTH_MAX 5u /* lists within lists; 1059 > 1223 > 1073 has three */

/* Checks every element, also nested ones: REQUEST_MALFORMED, FIELD_UNKNOWN, FIELD_LENGTH (expected:
 * the bytes permitted), FIELD_REPEATED, TEXT_ENCODING, and what tag_check_value finds. Tags may
 * stand at any place. For all jobs other than receipts. */
bool tlv_check_dictionary(const uint8_t *data, size_t size, struct refusal *why);

/* The same for the top level of a receipt request (form 3): besides, each tag must be allowed where
 * it stands in this document format (enum ffd_version; 0: any), else FIELD_NOT_ALLOWED. Tags only
 * the fiscal module may form are allowed nowhere, except 1054 and 1020. Counts items for why->item.
 */
bool tlv_check_receipt(const uint8_t *data, size_t size, uint8_t ffd, struct refusal *why);

/* True when each tag of the top level is one of allowed[count]; else FIELD_NOT_ALLOWED. */
bool tlv_check_list(const uint8_t *data, size_t size, const uint16_t *allowed, size_t count,
                    struct refusal *why);

/* Length and characters of one value against its dictionary entry. Fills code, tag, expected of
 * why. */
bool tag_check_form(const struct tag_info *info, const struct tlv *tlv, struct refusal *why);
/* The value itself, for tags with a list of permitted ones, a range, a pattern or a check digit.
 * The form must have been checked. ffd 0: values of all formats. */
bool tag_check_value(const struct tag_info *info, const struct tlv *tlv, uint8_t ffd,
                     struct refusal *why);

/* Tags that may stand several times in one list. */
bool tag_may_repeat(uint16_t tag);
/* "+digits" or, where a phone is not meant, "name@host" (1008). */
bool contact_valid(const uint8_t *text, size_t length);

#endif
