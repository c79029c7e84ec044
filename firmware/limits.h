/* Every size limit of the firmware, in one place; static assertions where two must agree.
 *
 * A board with little RAM may set those within #ifndef smaller, in board/NAME/profile.h: then a
 * larger request is refused with TOO_LARGE and the limit, and IDENTITY tells it beforehand. */
#ifndef FIRMWARE_LIMITS_H
#define FIRMWARE_LIMITS_H

#include "proto/link.h"
#include "proto/receipt.h"

#ifndef LIMIT_REQUEST_BYTES
#define LIMIT_REQUEST_BYTES LINK_MESSAGE_MAX /* one request at a time, or a document read back */
#endif
#ifndef LIMIT_SPOOL_BYTES
#define LIMIT_SPOOL_BYTES 32768u /* documents waiting for paper */
#endif
/* Data of one receipt: what the FN takes, or what fits into a request. */
#define LIMIT_RECEIPT_BYTES                                                                        \
    (RECEIPT_TLV_MAX < LIMIT_REQUEST_BYTES ? RECEIPT_TLV_MAX : LIMIT_REQUEST_BYTES)
#define LIMIT_SPOOL_SLIPS 8u /* of them */
#ifndef LIMIT_SETTINGS_BYTES
#define LIMIT_SETTINGS_BYTES 3584u /* registration and settings, one TLV list */
#endif
#ifndef LIMIT_JOURNAL_RECORD_BYTES
#define LIMIT_JOURNAL_RECORD_BYTES 3840u /* payload of one journal record */
#endif
#ifndef LIMIT_SLIP_BODY_BYTES
#define LIMIT_SLIP_BODY_BYTES 3072u /* non-fiscal text, slip-before and -after, kept */
#endif
#define SETTINGS_SECTORS        4u /* of flash, from address 0; the job journal has the rest */
#define LIMIT_PAPER_COLUMNS_MAX 48u

#define FN_ANSWER_TIMEOUT_MS     3000u  /* then ENQ */
#define FN_FORM_TIMEOUT_MS       10000u /* forming a document may take several seconds */
#define FN_ENQ_TRIES             3u
#define FN_ENQ_TIMEOUT_MS        1000u /* an answer that exists comes at once */
#define HOST_FRAGMENT_TIMEOUT_MS 2000u /* silence inside a message: it is forgotten */
#define OFD_POLL_MS              1000u /* at most 60 s by the protocol */
#define OFD_RETRY_FIRST_MS       1000u
#define OFD_RETRY_MAX_MS         60000u
#define SHIFT_MAX_S              86400u /* a shift lasts 24 h at most */
#define DRAWER_PULSE_MS          200u
#define DRAWER_SENSE_MS          1500u /* not open by then: stuck */

#endif
