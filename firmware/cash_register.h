/* The cash register: takes one job at a time from the host link to its end, exactly once.
 *
 * A job's way, with what is durable after each step:
 *
 *   request -> key known? ------------------------------------> stored answer (REPLAYED)
 *           -> checks (proto/receipt.h, shift, paper, FN status); a refusal changes nothing
 *           -> JOURNAL_SLIP (text that only paper needs, when there is any)
 *           -> INTENT {key, digest, last FN document number}          durable
 *           -> FN: begin, data, form                                   durable in the FN
 *           -> DONE {result, digest, effect}                           durable
 *           -> answer -> slip queued, drawer pulse
 *
 * Boot, and every time the FN fell silent: the FN's last document number settles an open INTENT.
 * Unchanged: it never happened (ABORTED). One more, of the right kind and sum: it did (DONE,
 * RECOVERED). Anything else: the FN is not the one this journal knows, and nothing is punched until
 * service staff look (FN_FOREIGN).
 *
 *   BOOT_* --settled--> IDLE --job--> JOB_* --DONE or refused--> IDLE
 *     ^                                  '--FN silent while forming--> BOOT_* (the job stays
 *     |                                     attached; after 20 s the host is told OUTCOME_UNKNOWN)
 *     '--FN silent, every second--'
 *
 * Always true: between INTENT and DONE no other job starts; the state (register_state.h) changes
 * only by records already durable; a key answered once is answered the same for ever.
 */
#ifndef FIRMWARE_CASH_REGISTER_H
#define FIRMWARE_CASH_REGISTER_H

#include "board/board.h"
#include "firmware/drawer.h"
#include "firmware/fn_client.h"
#include "firmware/link_server.h"
#include "firmware/ofd_client.h"
#include "firmware/printer.h"
#include "firmware/register_state.h"
#include "firmware/settings.h"
#include "firmware/update.h"

#define ADDED_BYTES 1536u
#define UNKNOWN_AFTER_MS                                                                           \
    20000u /* an attached job whose outcome is not known by then is answered OUTCOME_UNKNOWN */
#define FN_RETRY_MS 1000u

enum register_phase {
    REGISTER_BOOT = 0,     /* waiting for the FN line, or for the next attempt */
    REGISTER_BOOT_STATUS,  /* 30h */
    REGISTER_BOOT_CANCEL,  /* 06h: a document the power cut left open */
    REGISTER_BOOT_FFD,     /* 3Ah */
    REGISTER_BOOT_LIFE,    /* 32h */
    REGISTER_BOOT_VERSION, /* 33h */
    REGISTER_BOOT_SHIFT,   /* 10h */
    REGISTER_BOOT_FIND,    /* 40h of the document an open INTENT may have made */
    REGISTER_IDLE,
    REGISTER_JOB_WAIT,   /* paper not known yet, or the FN line is busy */
    REGISTER_JOB_STATUS, /* 30h */
    REGISTER_JOB_CANCEL, /* 06h, then INTENT */
    REGISTER_JOB_BEGIN,
    REGISTER_JOB_DATA, /* 07h, as often as needed */
    REGISTER_JOB_FORM,
    REGISTER_JOB_UNDO,    /* 06h after a refusal by the FN */
    REGISTER_JOB_DRAWER,  /* waiting for the drawer's sensor */
    REGISTER_READ_WAIT,   /* document read-back: for the host, for a copy, for paper */
    REGISTER_READ_FIND,   /* 40h */
    REGISTER_READ_TICKET, /* 41h */
    REGISTER_READ_BEGIN,  /* 45h */
    REGISTER_READ_TLV     /* 46h, until there is no more */
};

enum read_purpose { READ_FOR_HOST, READ_FOR_COPY, READ_FOR_PAPER };

struct register_job {
    bool attached; /* the main request of the link waits for its answer */
    bool inner;    /* a shift opened on behalf of a receipt */
    uint8_t code;
    uint8_t key[KEY_SIZE];
    uint8_t digest[DIGEST_SIZE];
    const uint8_t *body;
    size_t size;
    struct job_effect effect;
    uint8_t flags; /* enum link_result_flags */
    uint8_t attempts;
    bool refused; /* the FN refused to form it; why is known, the archive must agree */
    bool
        key_asked; /* the journal was asked about the key: a refusal proves that nothing happened */
    uint32_t copy_of;
    mono_ms started;
};

struct fn_facts {
    bool known;              /* the FN answered the boot questions */
    struct fn_status status; /* newest 30h */
    uint8_t ffd, ffd_max;
    uint8_t registrations_left, registrations_made;
    uint8_t execution;
    char version[17];
    unix_s valid_until;
    uint16_t shift, receipt; /* newest 10h */
};

struct cash_register {
    const struct board *board;
    struct settings *settings;
    struct journal *journal;
    struct fn_client *fn;
    struct printer *printer;
    struct drawer *drawer;
    struct ofd_client *ofd;
    struct link_server *link;
    struct update *update;
    struct moment now;
    bool started;
    mono_ms started_at;  /* first turn */
    uint16_t boot_error; /* flash is unusable: only identity and status are answered */
    uint16_t foreign;    /* ERROR_FN_FOREIGN when the FN does not fit the journal */
    bool paper_stopped;  /* the journal could not say that a slip begins */
    enum register_phase phase;
    mono_ms retry_at;
    uint32_t boot_failures; /* in a row */
    struct register_state state;
    struct fn_facts facts;
    struct register_job job, outer;
    bool has_outer;
    struct refusal why;
    struct receipt_summary summary; /* of the receipt that was checked last */
    /* Board-made tags of the document under way; then what the FN added, for paper. */
    uint8_t added[ADDED_BYTES];
    size_t added_size;
    uint8_t chunk[FN_DATA_MAX];
    size_t feed_offset;    /* over body, then added */
    unix_s document_time;  /* as the FN was told last */
    bool settings_changed; /* the owner must pass them on to printer and operator client */
    /* Read-back. */
    enum read_purpose read_purpose;
    uint32_t read_document;
    uint16_t read_form, read_length; /* as 45h announced them */
    size_t read_size, read_mark;
    uint16_t read_exchange;
    uint8_t read_gone;      /* so often in a row the text of the next slip was said to be gone */
    uint16_t read_failures; /* ... could not be read, for whatever reason */
};

void cash_register_init(struct cash_register *reg);
/* One turn; call after the parts below it were stepped. True: something moved,
 * call again at once. */
bool cash_register_step(struct cash_register *reg, const struct moment *now);
/* ERROR_NONE, or why a sale would be refused now. */
uint16_t cash_register_block_reason(const struct cash_register *reg);
/* Registered with the FN that is plugged in. */
bool cash_register_registered(const struct cash_register *reg);
uint8_t cash_register_ffd(const struct cash_register *reg);

#endif
