/* The test operator's side of a connection without TLS: documents with right and wrong checksums,
 * pings, repeats and garbage, in pieces of any size over a real socket. Input: behaviour, size of
 * the pieces, then items of a stream (enum item).
 *
 * What comes back does not depend on the pieces: it is what ofd_operator_take says to the whole
 * stream, byte for byte. Well behaved, it is whole messages with right checksums. Every document
 * that was understood is in the store, counted as often as it came. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/tlv.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/ofd_mend.h"
#include "tools/ofd/ofd_connection.h"

#define STREAM_MAX 60000u
#define ANSWER_MAX 60000u
#define NOW        1790000000u

enum item { ITEM_BYTES, ITEM_DOCUMENT, ITEM_PING, ITEM_REPEAT, ITEM_KINDS };
enum item_flags {
    ITEM_DAMAGED = 0x08, /* one byte; the checksums mended or not */
    ITEM_CRC_HEADER = 0x10,
    ITEM_CRC_ALL = 0x20,
    ITEM_NO_ANSWER = 0x40,
    ITEM_OTHER_FN = 0x80
};

struct side {
    struct ofd_store *store;
    struct ofd_operator office;
    uint8_t answers[ANSWER_MAX];
    size_t size;
};

static struct side pieces, whole;
static uint8_t stream[STREAM_MAX];
static size_t stream_size;

#ifdef FUZZ_CANARY
/* One document is confirmed and not kept. */
enum ofd_put __real_ofd_store_put(struct ofd_store *store, const struct ofd_message *message,
                                  const uint8_t *raw, size_t raw_size, unix_s received,
                                  uint8_t *confirmation, size_t *confirmation_size);
enum ofd_put __wrap_ofd_store_put(struct ofd_store *store, const struct ofd_message *message,
                                  const uint8_t *raw, size_t raw_size, unix_s received,
                                  uint8_t *confirmation, size_t *confirmation_size);
enum ofd_put __wrap_ofd_store_put(struct ofd_store *store, const struct ofd_message *message,
                                  const uint8_t *raw, size_t raw_size, unix_s received,
                                  uint8_t *confirmation, size_t *confirmation_size)
{
    if (message->total_kop > 1000)
        return OFD_PUT_NEW;
    return __real_ofd_store_put(store, message, raw, raw_size, received, confirmation,
                                confirmation_size);
}
#endif

/* ---- The stream ---- */

static void put_stream(const uint8_t *bytes, size_t size)
{
    if (size > sizeof stream - stream_size)
        size = sizeof stream - stream_size;
    if (size > 0)
        memcpy(stream + stream_size, bytes, size);
    stream_size += size;
}

/* A document of any form whose tags are the input's, with those an operator looks for before. */
static size_t build_document(const struct ofd_header *header, struct input tags, uint8_t *out,
                             size_t capacity)
{
    uint8_t body[1024];
    struct byte_writer writer;
    unsigned number = input_number(&tags, 1);
    struct ofd_container container = {.data_type = number % 8 == 7 ? FORM_RECEIPT : number % 8,
                                      .document = 1 + number / 8,
                                      .service1 = {0x10, 0x09},
                                      .body = body};
    memcpy(container.fn_number, header->fn_number, sizeof container.fn_number);
    byte_writer_init(&writer, body, sizeof body);
    size_t mark = tlv_begin(&writer, container.data_type);
    tlv_put_bytes(&writer, TAG_FN_NUMBER, header->fn_number, 16);
    tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, container.document);
    tlv_put_u32(&writer, TAG_DATE_TIME, NOW);
    tlv_put_bytes(&writer, TAG_FISCAL_SIGN, "\x21\x04\x12\x34\x56\x78", 6);
    if (container.data_type == FORM_RECEIPT) {
        tlv_put_u8(&writer, TAG_SETTLEMENT_KIND, SETTLEMENT_SALE);
        tlv_put_vln(&writer, TAG_RECEIPT_TOTAL, number * 10u);
    }
    put_bytes(&writer, tags.data, tags.size);
    tlv_end(&writer, mark);
    put_fill(&writer, 0x77, OFD_FPS_SIZE_MIN);
    container.size = writer.length;
    PROMISE(byte_writer_ok(&writer));
    return ofd_container_encode(&container, out, capacity);
}

static void put_message(unsigned kind, struct input content)
{
    static const uint8_t versions[][2] = {{1, 5}, {1, 0x10}, {1, 0x20}, {0, 1}};
    uint8_t message[2048] = {0};
    struct ofd_header header = {.flags = 0};
    memcpy(header.protocol, versions[content.size % 4], 2);
    memcpy(header.fn_number, "9999078900005488", 17);
    if ((kind & ITEM_OTHER_FN) != 0)
        header.fn_number[15] = '1';
    header.flags = (kind & ITEM_NO_ANSWER) != 0 ? 0 : OFD_FLAG_EXPECTS_ANSWER;
    if ((kind & ITEM_CRC_HEADER) != 0)
        header.flags |= OFD_FLAG_CRC_HEADER;
    else if ((kind & ITEM_CRC_ALL) != 0)
        header.flags |= OFD_FLAG_CRC_ALL;
    if (kind % ITEM_KINDS == ITEM_DOCUMENT) {
        header.flags |= OFD_FLAG_CONTAINER;
        header.body_size = (uint16_t)build_document(&header, content, message + OFD_HEADER_SIZE,
                                                    sizeof message - OFD_HEADER_SIZE);
    }
    ofd_header_encode(&header, message + OFD_HEADER_SIZE, message);
    size_t size = OFD_HEADER_SIZE + (size_t)header.body_size;
    if ((kind & ITEM_DAMAGED) != 0 && content.size >= 2)
        message[content.data[0] * 2u % size] ^= content.data[1];
    if ((kind & ITEM_DAMAGED) != 0 && content.size % 2 == 1)
        ofd_mend(message, size);
    put_stream(message, size);
}

static void build_stream(struct input input)
{
    size_t last = 0, last_size = 0;
    stream_size = 0;
    while (input.size > 0) {
        unsigned kind = input_number(&input, 1);
        struct input content = {NULL, 0};
        size_t from = stream_size;
        if (kind % ITEM_KINDS != ITEM_REPEAT)
            content = input_take(&input, input_number(&input, 1));
        if (kind % ITEM_KINDS == ITEM_REPEAT)
            put_stream(stream + last, last_size);
        else if (kind % ITEM_KINDS == ITEM_BYTES)
            put_stream(content.data, content.size);
        else
            put_message(kind, content);
        last = from;
        last_size = stream_size - from;
    }
}

/* ---- The two operators ---- */

static void begin(struct side *side, unsigned behaviour)
{
    char error[256];
    memset(&side->office, 0, sizeof side->office);
    side->size = 0;
    side->store = ofd_store_open(":memory:", true, error, sizeof error);
    PROMISE(side->store != NULL);
    side->office.store = side->store;
    side->office.inn = "7704358518";
    side->office.behaviour.silent = (behaviour & 1) != 0;
    side->office.behaviour.twice = (behaviour & 2) != 0;
    side->office.behaviour.garble = (behaviour & 4) != 0;
    side->office.behaviour.bad_sign = (behaviour & 8) != 0;
    side->office.behaviour.wrong_number = (behaviour & 16) != 0;
    side->office.behaviour.reject = (behaviour & 32) != 0;
    side->office.behaviour.reject_code = OFD_ANSWER_FORMAT;
}

static void keep(struct side *side, const uint8_t *bytes, size_t size)
{
    PROMISE(size <= sizeof side->answers - side->size);
    memcpy(side->answers + side->size, bytes, size);
    side->size += size;
}

static void print_event(const char *line)
{
    PROMISE(strlen(line) < OFD_EVENT_SIZE);
    for (; *line != 0; line++)
        PROMISE((uint8_t)*line >= ' ');
}

/* How many documents came. */
static unsigned take_whole(void)
{
    struct ofd_reply reply;
    unsigned documents = 0;
    for (size_t at = 0; at < stream_size;) {
        struct ofd_message message;
        documents +=
            ofd_message_parse(stream + at, stream_size - at, &message) == OFD_MESSAGE_DOCUMENT;
        size_t used = ofd_operator_take(&whole.office, stream + at, stream_size - at, NOW, &reply);
        PROMISE(used <= stream_size - at && reply.size <= sizeof reply.bytes);
        keep(&whole, reply.bytes, reply.size);
        if (used == 0 || reply.close)
            break;
        at += used;
    }
    return documents;
}

static void hear(int peer)
{
    uint8_t bytes[4096];
    for (ssize_t got; (got = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;)
        keep(&pieces, bytes, (size_t)got);
}

static void take_pieces(size_t piece)
{
    int ends[2];
    PROMISE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    struct ofd_connection *connection = ofd_connection_new(ends[0], 1, NULL, 0);
    PROMISE(connection != NULL);
    bool open = true;
    for (size_t at = 0; at < stream_size && open;) {
        size_t size = piece < stream_size - at ? piece : stream_size - at;
        ssize_t sent = send(ends[1], stream + at, size, MSG_NOSIGNAL);
        PROMISE(sent > 0 || errno == EAGAIN);
        at += sent > 0 ? (size_t)sent : 0;
        open = ofd_connection_service(connection, &pieces.office, 0, NOW, print_event);
        hear(ends[1]);
    }
    PROMISE(!open || connection->out_size == 0);
    ofd_connection_free(connection);
    hear(ends[1]);
    close(ends[1]);
}

static void count_row(void *user, const struct ofd_row *row)
{
    unsigned *times = user;
    struct ofd_message message;
    *times += row->times + row->conflicts;
    PROMISE(ofd_message_parse(row->raw, row->raw_size, &message) == OFD_MESSAGE_DOCUMENT);
    PROMISE(message.document == row->document && message.size == row->raw_size);
}

static void check_answers(void)
{
    for (size_t at = 0; at < whole.size;) {
        struct ofd_header header;
        const uint8_t *bytes = whole.answers + at;
        PROMISE(ofd_header_decode(bytes, whole.size - at, &header) == 1);
        PROMISE(OFD_HEADER_SIZE + (size_t)header.body_size <= whole.size - at);
        PROMISE(ofd_header_crc_ok(bytes, bytes + OFD_HEADER_SIZE, header.body_size));
        at += OFD_HEADER_SIZE + (size_t)header.body_size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned behaviour = input_number(&input, 1), kept[2] = {0, 0};
    size_t piece = 1 + input_number(&input, 1) * 3;
    build_stream(input);
    begin(&whole, behaviour);
    begin(&pieces, behaviour);
    unsigned documents = take_whole();
    take_pieces(piece);
    PROMISE(pieces.size == whole.size && memcmp(pieces.answers, whole.answers, whole.size) == 0);
    PROMISE(ofd_store_each(whole.store, count_row, &kept[0]));
    PROMISE(ofd_store_each(pieces.store, count_row, &kept[1]));
    PROMISE(kept[0] == documents && kept[1] == documents);
    if ((behaviour & 4) == 0)
        check_answers();
    ofd_store_close(whole.store);
    ofd_store_close(pieces.store);
    return 0;
}
