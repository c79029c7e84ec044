/* Every reason for which the board or the driver says no, in one table (error.c): number, name, who
 * must act, one line of text, the cure. The numbers travel on the host link and lie in the driver's
 * database: they are never renumbered. Refusing changes nothing.
 */
#ifndef PROTO_ERROR_H
#define PROTO_ERROR_H

#include <stdint.h>

/* Who must act. */
enum error_group {
    ERROR_GROUP_NONE = 0,
    ERROR_GROUP_CALLER = 1,  /* the program that asked: 100-199 */
    ERROR_GROUP_TILL = 2,    /* the person at the till: 200-299 */
    ERROR_GROUP_NETWORK = 3, /* cables, links, operator: 300-399 */
    ERROR_GROUP_SERVICE = 4, /* service staff: 400-499 */
    ERROR_GROUP_US = 5,      /* a defect of ours: 500-599 */
    ERROR_GROUP_UNKNOWN = 6  /* outcome unknown until asked again with the same key: 600-699 */
};

enum error_code {
    ERROR_NONE = 0,

    ERROR_REQUEST_MALFORMED = 100,   /* TLV or message does not parse */
    ERROR_REQUEST_UNKNOWN = 101,     /* message code not known */
    ERROR_VERSION_UNSUPPORTED = 102, /* newer link or format version */
    ERROR_JSON_MALFORMED = 103,
    ERROR_FIELD_UNKNOWN = 104,
    ERROR_FIELD_MISSING = 105,
    ERROR_FIELD_TYPE = 106,        /* wrong kind of value */
    ERROR_FIELD_VALUE = 107,       /* out of range or not in the list */
    ERROR_FIELD_LENGTH = 108,      /* string too long (CP866 bytes) or wrong fixed length */
    ERROR_FIELD_REPEATED = 109,    /* tag may stand once */
    ERROR_FIELD_NOT_ALLOWED = 110, /* tag may not stand here, or only the FN may form it */
    ERROR_AMOUNT_PRECISION = 111,  /* more than two decimals */
    ERROR_ITEM_SUM = 112,          /* 1043 differs from 1079 x 1023 by more than 1 kopeck */
    ERROR_TOTAL_SUM = 113,         /* 1020 does not agree with the items */
    ERROR_PAYMENT_SHORT = 114,     /* payments are less than the total */
    ERROR_PAYMENT_EXCESS = 115,    /* change from non-cash */
    ERROR_VAT_SUM = 116,           /* stated VAT does not agree with the items */
    ERROR_INN = 117,               /* INN has a wrong check digit */
    ERROR_TAX_SYSTEM = 118,        /* tax system not registered, or more than one bit */
    ERROR_VAT_RATE = 119,          /* VAT rate unknown */
    ERROR_NO_ITEMS = 120,
    ERROR_TOO_LARGE = 121,            /* receipt larger than FN or board take */
    ERROR_KEY_CONFLICT = 122,         /* same key, other content */
    ERROR_NOT_FOUND = 123,            /* no such document, key or setting */
    ERROR_TASK_UNSUPPORTED = 124,     /* task type not supported (JSON error 11) */
    ERROR_RNM = 125,                  /* registration number fails its check */
    ERROR_TEXT_ENCODING = 126,        /* not UTF-8, or a control character */
    ERROR_CONTACT = 127,              /* buyer phone or e-mail missing or malformed */
    ERROR_CREDIT_PAYMENT_ALONE = 128, /* 1214 = 7 must be the only item */
    ERROR_CASHIER_MISSING = 129,      /* 1021 absent and no cashier in the shift */
    ERROR_UPDATE_IMAGE = 130,         /* no firmware image, or damaged, or cut short; expected: enum
                                         firmware_image_error */
    ERROR_UPDATE_BOARD = 131,         /* firmware for another board, or for the slot that runs */
    ERROR_UPDATE_VERSION = 132,     /* not newer than what runs; expected: that, as in the header */
    ERROR_UPDATE_SIGNATURE = 133,   /* firmware not signed by the board's maker */
    ERROR_UPDATE_ORDER = 134,       /* a piece out of turn; expected: the next offset */
    ERROR_UPDATE_UNSUPPORTED = 135, /* this board's firmware is replaced in another way */
    ERROR_UPDATE_TRIAL = 136,       /* the running firmware has not confirmed itself yet */

    ERROR_SHIFT_CLOSED = 200,
    ERROR_SHIFT_OPEN = 201,
    ERROR_SHIFT_EXPIRED = 202, /* over 24 h: only closing is possible */
    ERROR_CASH_SHORT = 203,    /* not enough cash in the drawer for pay-out or return */
    ERROR_PAPER_OUT = 204,
    ERROR_COVER_OPEN = 205,
    ERROR_PRINTER = 206, /* head overheated, cutter jam, or silent */
    ERROR_DRAWER_STUCK = 207,
    ERROR_CLOCK = 208, /* board clock unset, behind the last document, or > 5 min off */
    ERROR_CANCELLED = 209,
    ERROR_DRAWER_OPEN = 210,

    ERROR_LINK_LOST = 300,   /* device unreachable; the job stays in the queue */
    ERROR_LINK_BUSY = 301,   /* another host holds the device */
    ERROR_OFD_OVERDUE = 302, /* 30 days without the operator */
    ERROR_OFD_NO_ANSWER = 303,
    ERROR_OFD_REJECTED = 304, /* the FN rejected the operator's answer */
    ERROR_OFD_UNREACHABLE = 305,
    ERROR_DEVICE_URI = 306,   /* device URI does not parse */
    ERROR_OTHER_DEVICE = 307, /* another serial number behind the same address */
    ERROR_OFD_TLS = 308,      /* certificate not trusted or handshake failed */
    ERROR_PERMISSION = 309,   /* the operating system forbids opening the device */

    ERROR_NOT_REGISTERED = 400,
    ERROR_ALREADY_REGISTERED = 401,
    ERROR_FN_EXPIRED = 402, /* key resource exhausted */
    ERROR_FN_FULL = 403,
    ERROR_FN_SILENT = 404,  /* no answer from the FN */
    ERROR_FN_FAULT = 405,   /* 03h, 04h or an answer that makes no sense */
    ERROR_FN_STATE = 406,   /* FN phase does not allow it */
    ERROR_FN_REFUSED = 407, /* another FN answer code; aux holds it */
    ERROR_FN_FOREIGN = 408, /* FN number or last document is not the one in the journal */
    ERROR_JOURNAL_FULL = 409,
    ERROR_JOURNAL_FAULT = 410, /* flash does not hold what was written */
    ERROR_FFD_UNSUPPORTED = 411,
    ERROR_QUEUE_STORE = 412,        /* the driver's database cannot be read or written */
    ERROR_FN_ARCHIVE = 413,         /* the document's text is no longer in the FN */
    ERROR_UPDATE_FLASH = 414,       /* the firmware's slot does not hold what was written */
    ERROR_UPDATE_ROLLED_BACK = 415, /* the new firmware did not confirm itself: the old one runs */

    ERROR_INTERNAL = 500,

    ERROR_OUTCOME_UNKNOWN = 600, /* resolved in exactly one place: send the same key again */
    ERROR_IN_PROGRESS = 601,     /* the job is being worked on */
    ERROR_BUSY = 602             /* another job is being worked on */
};

/* A refusal as it travels: what, where, and one number that helps. */
struct refusal {
    uint16_t code;     /* enum error_code */
    uint16_t tag;      /* tag at fault, 0 when none */
    uint16_t item;     /* item number from 1, 0 when not about an item */
    uint64_t expected; /* what would be right (kopecks, bytes, FN code...), 0 when nothing useful */
};

struct error_info {
    uint16_t code;
    uint8_t group;    /* enum error_group */
    const char *name; /* "PAYMENT_SHORT" */
    const char *text; /* one line, English */
    const char *cure; /* what to do */
};

/* Never NULL: unknown codes give the entry of ERROR_INTERNAL with their own number not in it. */
const struct error_info *error_info_find(uint16_t code);

#endif
