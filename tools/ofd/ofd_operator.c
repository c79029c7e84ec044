#include "tools/ofd/ofd_operator.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool number_argument(const char *text, uint32_t limit, uint32_t *out)
{
    char *end = NULL;
    unsigned long value;
    if (text[0] < '0' || text[0] > '9')
        return false;
    value = strtoul(text, &end, 10);
    if (*end != '\0' || value > limit)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* The text behind "word " when line starts with it, else NULL. */
static const char *argument_of(const char *line, const char *word)
{
    size_t length = strlen(word);
    return strncmp(line, word, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

bool ofd_behaviour_command(struct ofd_behaviour *behaviour, const char *line)
{
    static const struct {
        const char *word;
        size_t offset;
    } switches[] = {{"down", offsetof(struct ofd_behaviour, down)},
                    {"silent", offsetof(struct ofd_behaviour, silent)},
                    {"double", offsetof(struct ofd_behaviour, twice)},
                    {"garble", offsetof(struct ofd_behaviour, garble)},
                    {"bad-sign", offsetof(struct ofd_behaviour, bad_sign)},
                    {"wrong-number", offsetof(struct ofd_behaviour, wrong_number)}};
    const char *argument;
    uint32_t value;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (strcmp(line, switches[i].word) == 0) {
            *(bool *)((char *)behaviour + switches[i].offset) = true;
            return true;
        }
    }
    if (strcmp(line, "up") == 0) {
        behaviour->down = false;
        return true;
    }
    if (strcmp(line, "normal") == 0) {
        memset(behaviour, 0, sizeof *behaviour);
        return true;
    }
    if ((argument = argument_of(line, "slow")) != NULL)
        return number_argument(argument, 3600000, &behaviour->slow_ms);
    if ((argument = argument_of(line, "reject")) != NULL) {
        if (!number_argument(argument, UINT8_MAX, &value))
            return false;
        behaviour->reject = true;
        behaviour->reject_code = (uint8_t)value;
        return true;
    }
    if ((argument = argument_of(line, "close-after")) != NULL) {
        if (!number_argument(argument, UINT32_MAX, &behaviour->cut_bytes))
            return false;
        behaviour->cut = true;
        return true;
    }
    return false;
}

static void garble(struct ofd_operator *office, struct ofd_reply *reply)
{
    switch (office->garbled++ % 3) {
    case 0: /* a bit of the container */
        reply->bytes[OFD_HEADER_SIZE + (reply->size - OFD_HEADER_SIZE) / 2] ^= 0x10;
        break;
    case 1: /* not this protocol at all */
        for (size_t i = 0; i < reply->size; i++)
            reply->bytes[i] = (uint8_t)(0x5A ^ (i * 37));
        break;
    default: /* half an answer, and then nothing */
        reply->size /= 2;
        break;
    }
}

static void misbehave(struct ofd_operator *office, const struct ofd_message *message,
                      const struct ofd_answer *answer, struct ofd_reply *reply)
{
    const struct ofd_behaviour *behaviour = &office->behaviour;
    if (behaviour->wrong_number) {
        struct ofd_answer other = *answer;
        other.document++;
        reply->size = ofd_confirmation_encode(message, &other, reply->bytes, OFD_CONFIRMATION_MAX);
    }
    if (behaviour->bad_sign)
        ofd_confirmation_spoil_sign(reply->bytes, reply->size);
    if (behaviour->garble)
        garble(office, reply);
    if (behaviour->twice) {
        memcpy(reply->bytes + reply->size, reply->bytes, reply->size);
        reply->size *= 2;
    }
    if (behaviour->silent)
        reply->size = 0;
}

static void take_document(struct ofd_operator *office, const struct ofd_message *message,
                          const uint8_t *raw, unix_s now_utc, struct ofd_reply *reply)
{
    static const char *const words[] = {[OFD_PUT_NEW] = "new",
                                        [OFD_PUT_REPEAT] = "repeat",
                                        [OFD_PUT_CONFLICT] = "CONFLICT, not confirmed",
                                        [OFD_PUT_FAILED] = "NOT STORED, not confirmed"};
    struct ofd_message judged = *message;
    struct ofd_answer answer = {
        .inn = office->inn, .received = now_utc, .document = message->document};
    enum ofd_put put;
    if (office->behaviour.reject)
        judged.code = office->behaviour.reject_code;
    answer.code = judged.code;
    reply->size = ofd_confirmation_encode(&judged, &answer, reply->bytes, OFD_CONFIRMATION_MAX);
    put = reply->size == 0 ? OFD_PUT_FAILED
                           : ofd_store_put(office->store, &judged, raw, judged.size, now_utc,
                                           reply->bytes, &reply->size);
    (void)snprintf(reply->event, sizeof reply->event,
                   "document %s %" PRIu32 " %s %" PRIu64 ".%02u sign %" PRIu32 ": %s%s%s",
                   judged.fn_number, judged.document, form_name(judged.form),
                   judged.total_kop / 100, (unsigned)(judged.total_kop % 100), judged.sign,
                   words[put], judged.problem[0] != '\0' ? "; " : "", judged.problem);
    if (put == OFD_PUT_CONFLICT || put == OFD_PUT_FAILED) {
        reply->size = 0;
        return;
    }
    if ((judged.header.flags & OFD_FLAG_EXPECTS_ANSWER) == 0)
        reply->size = 0;
    else
        misbehave(office, &judged, &answer, reply);
}

size_t ofd_operator_take(struct ofd_operator *office, const uint8_t *bytes, size_t size,
                         unix_s now_utc, struct ofd_reply *reply)
{
    struct ofd_message message;
    reply->size = 0;
    reply->close = false;
    reply->event[0] = '\0';
    if (size == 0)
        return 0;
    switch (ofd_message_parse(bytes, size, &message)) {
    case OFD_MESSAGE_PART:
        return 0;
    case OFD_MESSAGE_GARBAGE:
        (void)snprintf(reply->event, sizeof reply->event, "garbage: %s", message.problem);
        reply->close = true;
        return size;
    case OFD_MESSAGE_BROKEN:
        (void)snprintf(reply->event, sizeof reply->event, "broken message from %s: %s",
                       message.fn_number, message.problem);
        return message.size;
    case OFD_MESSAGE_PING:
        (void)snprintf(reply->event, sizeof reply->event, "ping from %s", message.fn_number);
        if (!office->behaviour.silent && (message.header.flags & OFD_FLAG_EXPECTS_ANSWER) != 0) {
            ofd_ping_answer(&message, reply->bytes);
            reply->size = OFD_HEADER_SIZE;
        }
        return message.size;
    case OFD_MESSAGE_DOCUMENT:
        take_document(office, &message, bytes, now_utc, reply);
        return message.size;
    }
    return 0;
}
