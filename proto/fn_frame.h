/* Frames and commands of the fiscal storage module's UART (KKT-FN protocol v1.2.06, sections 2-4).
 *
 * Both ways: 04 | LEN u16 LE = 1 + N | CMD or ANSWER | DATA N | CRC-16 u16 LE over LEN..DATA. A
 * single byte 05 (ENQ) from the register makes the module send its last answer again.
 */
#ifndef PROTO_FN_FRAME_H
#define PROTO_FN_FRAME_H

#include "proto/bytes.h"

#define FN_FRAME_START    0x04u
#define FN_FRAME_ENQ      0x05u
#define FN_DATA_MAX       1536u
#define FN_FRAME_OVERHEAD 6u
#define FN_FRAME_MAX      (FN_DATA_MAX + FN_FRAME_OVERHEAD)

enum fn_command {
    FN_REGISTRATION_BEGIN = 0x02,
    FN_REGISTRATION_FORM = 0x03,
    FN_CLOSE_BEGIN = 0x04,
    FN_CLOSE_FORM = 0x05,
    FN_CANCEL = 0x06,
    FN_DATA = 0x07,
    FN_SHIFT_STATUS = 0x10,
    FN_SHIFT_OPEN_BEGIN = 0x11,
    FN_SHIFT_OPEN_FORM = 0x12,
    FN_SHIFT_CLOSE_BEGIN = 0x13,
    FN_SHIFT_CLOSE_FORM = 0x14,
    FN_RECEIPT_BEGIN = 0x15,
    FN_RECEIPT_FORM = 0x16,
    FN_CORRECTION_BEGIN = 0x17,
    FN_STATE_BEGIN = 0x18,
    FN_STATE_FORM = 0x19,
    FN_OFD_STATUS = 0x20,
    FN_OFD_TRANSPORT = 0x21,
    FN_OFD_READ_BEGIN = 0x22,
    FN_OFD_READ = 0x23,
    FN_OFD_READ_CANCEL = 0x24,
    FN_OFD_READ_END = 0x25,
    FN_OFD_ANSWER = 0x26,
    FN_STATUS = 0x30,
    FN_NUMBER = 0x31,
    FN_VALID_UNTIL = 0x32,
    FN_VERSION = 0x33,
    FN_DIAGNOSTICS = 0x35,
    FN_COUNTERS = 0x36,
    FN_COUNTS = 0x37,
    FN_COUNTERS_KIND = 0x38,
    FN_UNSENT = 0x39,
    FN_FFD = 0x3A,
    FN_DAYS_LEFT = 0x3B,
    FN_MEMORY = 0x3D,
    FN_MODEL = 0x3F,
    FN_FIND_DOCUMENT = 0x40,
    FN_FIND_CONFIRMATION = 0x41,
    FN_UNCONFIRMED = 0x42,
    FN_REGISTRATION_RESULT = 0x43,
    FN_REGISTRATION_TAG = 0x44,
    FN_READ_DOCUMENT = 0x45,
    FN_READ_TLV = 0x46,
    FN_READ_REGISTRATION_TLV = 0x47,
    FN_DEBUG_RESET = 0x60,
    FN_REGISTRATION_BEGIN_12 = 0xA2,
    FN_REGISTRATION_FORM_12 = 0xA3,
    FN_DATA_SIZE = 0xA7,
    FN_BAUD_RATE = 0xAB
};

/* Answer codes; bit 7 of the byte on the wire is the warning flag and not part of the code. */
enum fn_answer {
    FN_OK = 0x00,
    FN_BAD_COMMAND = 0x01,
    FN_BAD_STATE = 0x02,
    FN_FAULT = 0x03,
    FN_CRYPTO_FAULT = 0x04,
    FN_LIFE = 0x05,
    FN_BAD_TIME = 0x07,
    FN_NO_DATA = 0x08,
    FN_BAD_VALUE = 0x09,
    FN_NOT_IN_THIS_FFD = 0x0A,
    FN_TAG_IS_MINE = 0x0B,
    FN_DUPLICATE = 0x0C,
    FN_COUNTER_DATA_MISSING = 0x0D,
    FN_TOO_MANY_ITEMS = 0x0E,
    FN_DATA_TOO_LONG = 0x10,
    FN_NO_TRANSPORT = 0x11,
    FN_RESOURCE_EXHAUSTED = 0x12,
    FN_STORAGE = 0x14,
    FN_OFD_OVERDUE_11 = 0x15,
    FN_SHIFT_TOO_LONG = 0x16,
    FN_TIME_GAP = 0x17,
    FN_BAD_REQUISITE = 0x18,
    FN_CONTRADICTS_REGISTRATION = 0x19,
    FN_OPERATOR_ANSWER_REJECTED = 0x20
};
#define FN_ANSWER_WARNING 0x80u

enum fn_phase {
    FN_PHASE_READY = 0x01,
    FN_PHASE_FISCAL = 0x03,
    FN_PHASE_CLOSING = 0x07,
    FN_PHASE_ARCHIVE = 0x0F
};
enum fn_document_state {
    FN_DOCUMENT_NONE = 0x00,
    FN_DOCUMENT_REGISTRATION = 0x01,
    FN_DOCUMENT_SHIFT_OPEN = 0x02,
    FN_DOCUMENT_RECEIPT = 0x04,
    FN_DOCUMENT_SHIFT_CLOSE = 0x08,
    FN_DOCUMENT_FN_CLOSE = 0x10,
    FN_DOCUMENT_CHANGE_FN = 0x12,
    FN_DOCUMENT_CHANGE = 0x13,
    FN_DOCUMENT_CORRECTION = 0x14,
    FN_DOCUMENT_STATE = 0x17
};
enum fn_warning {
    FN_WARNING_REPLACE = 1,
    FN_WARNING_30_DAYS = 2,
    FN_WARNING_MEMORY = 4,
    FN_WARNING_OFD = 8,
    FN_WARNING_FLK = 16,
    FN_WARNING_SETTINGS = 32,
    FN_WARNING_ANNULLED = 64
};

/* Writes a whole frame; code is a command or an answer byte. Returns its size, 0 when size >
 * FN_DATA_MAX or it does not fit. */
size_t fn_frame_encode(uint8_t code, const uint8_t *data, size_t size, uint8_t *out,
                       size_t capacity);

struct fn_decoder {
    uint8_t buffer[FN_FRAME_MAX]; /* empty, or starts with 04 */
    size_t length;
    size_t need;      /* bytes of the frame that buffer starts with; 0 when not known */
    size_t delivered; /* bytes at the start of buffer the caller still looks at */
};
enum fn_decoded {
    FN_DECODED_NOTHING = 0,
    FN_DECODED_FRAME = 1,
    FN_DECODED_ENQ = 2,
    FN_DECODED_BAD = -1
};
void fn_decoder_init(struct fn_decoder *decoder);
/* Feeds one byte. FRAME: *code, *data, *size are set and valid until the next byte. ENQ only
 * between frames. BAD: wrong length or CRC; the decoder has resynchronised on the next byte 04 it
 * can find among the bytes it holds. A frame that stops in the middle is ended by fn_decoder_init
 * after the caller's time-out. */
enum fn_decoded fn_decoder_push(struct fn_decoder *decoder, uint8_t byte, uint8_t *code,
                                const uint8_t **data, size_t *size);
/* A short cut in front of fn_decoder_push: takes those of the bytes that are the middle of a frame
 * and cannot end it. How many; 0 is no obstacle. */
size_t fn_decoder_fill(struct fn_decoder *decoder, const uint8_t *bytes, size_t size);

/* Answer of command 30h. */
#define FN_STATUS_SIZE 30u
struct fn_status {
    uint8_t phase, document, has_data, shift_open, warnings;
    uint8_t time[5]; /* DATE_TIME of the last document */
    char number[17]; /* FN number and zeros */
    uint32_t last_document;
};
/* False when size is not FN_STATUS_SIZE. Padding at the end of the number is removed. */
bool fn_status_get(const uint8_t *data, size_t size, struct fn_status *out);
void fn_status_put(struct byte_writer *writer, const struct fn_status *status);

#endif
