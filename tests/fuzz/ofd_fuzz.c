/* The operator's side of the OFD link, and the headers both sides read. What was decoded is encoded
 * to the same bytes again; a message that is to be confirmed gets a confirmation that decodes. The
 * first byte may ask for checksums to be mended, so that what they guard is met as well. */
#include "proto/crc.h"
#include "tests/fuzz/fuzz.h"
#include "tools/ofd/ofd_core.h"

#ifdef FUZZ_CANARY
/* A container of another module than the usual one is a byte longer than it says. */
bool __real_ofd_container_decode(const uint8_t *bytes, size_t size, struct ofd_container *out);
bool __wrap_ofd_container_decode(const uint8_t *bytes, size_t size, struct ofd_container *out);
bool __wrap_ofd_container_decode(const uint8_t *bytes, size_t size, struct ofd_container *out)
{
    bool good = __real_ofd_container_decode(bytes, size, out);
    if (good && out->document % 4 == 3)
        out->size--;
    return good;
}
#endif

static void read_container(const uint8_t *bytes, size_t size)
{
    static uint8_t again[OFD_MESSAGE_MAX];
    struct ofd_container container;
    if (!ofd_container_decode(bytes, size, &container))
        return;
    PROMISE(container.body == bytes + OFD_CONTAINER_HEADER_SIZE);
    PROMISE(container.size + OFD_CONTAINER_HEADER_SIZE == size);
    PROMISE(strlen(container.fn_number) <= 16);
    (void)ofd_container_encode(&container, again, sizeof again);
}

static void answer_message(const struct ofd_message *message, unix_s time)
{
    uint8_t out[OFD_CONFIRMATION_MAX];
    struct ofd_header header;
    struct ofd_container container;
    struct ofd_answer answer = {.inn = "7704358518",
                                .received = time,
                                .code = message->code,
                                .document = message->document};
    size_t size = ofd_confirmation_encode(message, &answer, out, sizeof out);
    PROMISE(size > OFD_HEADER_SIZE && size <= sizeof out);
    PROMISE(ofd_header_decode(out, size, &header) == 1);
    PROMISE(header.body_size + OFD_HEADER_SIZE == size);
    PROMISE(ofd_header_crc_ok(out, out + OFD_HEADER_SIZE, header.body_size));
    PROMISE(ofd_container_decode(out + OFD_HEADER_SIZE, header.body_size, &container));
    PROMISE(container.document == message->document);
}

/* Lengths and checksums of a container that fills bytes. */
static void mend_container(uint8_t *bytes, size_t size)
{
    if (size < OFD_CONTAINER_HEADER_SIZE || size > OFD_BODY_MAX)
        return;
    struct ofd_container container = {.data_type = bytes[4],
                                      .document = (uint32_t)bytes[17],
                                      .body = bytes + OFD_CONTAINER_HEADER_SIZE,
                                      .size = size - OFD_CONTAINER_HEADER_SIZE};
    static uint8_t made[OFD_MESSAGE_MAX];
    size_t made_size;
    memcpy(container.fn_number, "9999078900005488", 17);
    memcpy(container.service1, bytes + 5, 2);
    made_size = ofd_container_encode(&container, made, sizeof made);
    PROMISE(made_size == size);
    memcpy(bytes, made, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned mode = input_number(&input, 1) % 3;
    uint8_t *bytes = input_copy(input);
    struct ofd_header header;
    struct ofd_message message;
    if (mode == 1 && input.size > OFD_HEADER_SIZE) {
        size_t body = input.size - OFD_HEADER_SIZE;
        mend_container(bytes + OFD_HEADER_SIZE, body);
        if (ofd_header_decode(bytes, input.size, &header) == 1 && body <= OFD_BODY_MAX) {
            header.body_size = (uint16_t)body;
            memcpy(header.fn_number, "9999078900005488", 17);
            ofd_header_encode(&header, bytes + OFD_HEADER_SIZE, bytes);
        }
    } else if (mode == 2) {
        mend_container(bytes, input.size);
    }
    int decoded = ofd_header_decode(bytes, input.size, &header);
    PROMISE(decoded != 1 || (input.size >= OFD_HEADER_SIZE && strlen(header.fn_number) <= 16));
    if (decoded == 1)
        (void)ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, input.size - OFD_HEADER_SIZE);
    read_container(bytes, input.size);
    enum ofd_message_kind kind = ofd_message_parse(bytes, input.size, &message);
    if (kind == OFD_MESSAGE_PART)
        PROMISE(message.size > input.size);
    if (kind == OFD_MESSAGE_PING || kind == OFD_MESSAGE_DOCUMENT || kind == OFD_MESSAGE_BROKEN)
        PROMISE(message.size >= OFD_HEADER_SIZE && message.size <= input.size);
    if (kind == OFD_MESSAGE_PING) {
        uint8_t pong[OFD_HEADER_SIZE];
        ofd_ping_answer(&message, pong);
        PROMISE(ofd_header_decode(pong, sizeof pong, &header) == 1 && header.body_size == 0);
    }
    if (kind == OFD_MESSAGE_DOCUMENT)
        answer_message(&message, 1790000000u + (unix_s)input.size);
    free(bytes);
    return 0;
}
