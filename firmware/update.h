/* Replacing the firmware over the host link, in the slot that does not run.
 *
 *   IDLE --BEGIN--> CHECKING --signed--> RECEIVING --DATA ...--> RECEIVING --FINISH--> RESTARTING
 *    '-----------------------<--refused, or anything out of turn--'
 *   after the restart: on trial --FN and host heard--> confirmed
 *                         '--flash unusable, or not heard within UPDATE_TRIAL_MS--> restart; the
 *                            first stage goes back to the old image when that was the last try
 *
 * BEGIN brings the image's header, which is judged before anything is erased: board, slot, size, a
 * version that is newer, the maker's signature (it covers the image's hash). FINISH brings the same
 * header; it is programmed last, when the hash of what lies in flash was found right.
 *
 * Always true: the image that runs is never touched; what was not wholly received, whole and signed
 * is never offered to the first stage; the board restarts only when its owner says that nothing is
 * under way, so never between an INTENT and its DONE.
 */
#ifndef FIRMWARE_UPDATE_H
#define FIRMWARE_UPDATE_H

#include "board/board.h"
#include "firmware/link_server.h"
#include "proto/firmware_image.h"
#include "proto/sha256.h"

#define UPDATE_TRIAL_MS         300000u /* since start */
#define UPDATE_RESTART_MS       500u    /* the answer has left by then */
#define UPDATE_CONFIRM_RETRY_MS 10000u

enum update_phase {
    UPDATE_PHASE_IDLE = 0,
    UPDATE_PHASE_CHECKING,
    UPDATE_PHASE_RECEIVING,
    UPDATE_PHASE_RESTARTING
};

enum update_reply { UPDATE_ANSWER, UPDATE_LATER };

struct update {
    const struct board *board;
    enum update_phase phase;
    uint32_t image_size; /* behind the header */
    uint32_t received;
    uint32_t version;            /* of what is received */
    uint8_t digest[SHA256_SIZE]; /* of its header */
    const uint8_t *header;       /* CHECKING: in the link's buffer */
    bool trial;
    mono_ms restart_at;
    mono_ms confirm_at; /* next try, after one that flash did not take */
};

void update_init(struct update *update, const struct board *board);
/* A request with one of the LINK_UPDATE_ codes. main: it is the link's main request; idle: no job
 * is worked on. UPDATE_ANSWER: why->code says whether it was refused; if not, the answer's TLV was
 * written. UPDATE_LATER: the body stays where it is until update_checked. */
enum update_reply update_request(struct update *update, const struct link_request *request,
                                 bool main, bool idle, mono_ms now, struct refusal *why,
                                 struct byte_writer *answer);
/* CHECKING: goes on with it. True once, when it has ended; *why as above. The network must be
 * closed. */
bool update_checked(struct update *update, struct refusal *why);
/* What a new image must show before it is believed, and when the board may restart. */
struct update_view {
    bool usable; /* flash could be mounted */
    bool proved; /* the fiscal module has answered, and the host was answered */
    bool quiet;  /* nothing is under way that a restart would tear */
};
/* Confirms the trial, or restarts. Call every turn. */
void update_step(struct update *update, mono_ms now, struct update_view view);

#endif
