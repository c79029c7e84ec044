#include "tests/usb/sim_board.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/error.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define IMPORT_BYTES       40u
#define IMPORT_REPLY_BYTES 320u

void sim_board_init(struct sim_board *board, enum sim_program program, const char *serial)
{
    memset(board, 0, sizeof *board);
    board->program = program;
    board->socket = -1;
    snprintf(board->serial, sizeof board->serial, "%s", serial);
    board->identity = (struct usb_identity){.manufacturer = "OpenKKT",
                                            .product = "OpenKKT test board",
                                            .serial = board->serial,
                                            .release = 0x0010};
    usb_device_init(&board->device, &board->identity);
    usbip_init(&board->usbip, &board->device);
}

/* ---- a board elsewhere ---- */

static bool take_device(int peer)
{
    static const uint8_t import[IMPORT_BYTES] = {0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0, '1', '-', '1'};
    uint8_t reply[IMPORT_REPLY_BYTES];
    return send(peer, import, sizeof import, MSG_NOSIGNAL) == (ssize_t)sizeof import &&
           recv(peer, reply, sizeof reply, MSG_WAITALL) == (ssize_t)sizeof reply && reply[7] == 0;
}

static bool connect_away(struct sim_board *board, unsigned port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int yes = 1;
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer < 0)
        return false;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(peer, (const struct sockaddr *)&address, sizeof address) != 0 ||
        !take_device(peer)) {
        close(peer);
        return false;
    }
    board->socket = peer;
    return true;
}

bool sim_board_plug(struct sim_board *board, unsigned port)
{
    if (board->program == SIM_AWAY && !connect_away(board, port))
        return false;
    usbip_connect(&board->usbip, true);
    board->plugged = true;
    return true;
}

void sim_board_unplug(struct sim_board *board)
{
    if (board->socket >= 0)
        close(board->socket);
    board->socket = -1;
    usbip_disconnect(&board->usbip);
    board->plugged = false;
}

/* ---- the board's program ---- */

static void start_over(struct sim_board *board)
{
    board->generation = usb_device_generation(&board->device);
    board->held_size = 0;
    board->answer_size = board->answer_offset = 0;
    board->wire_size = board->wire_sent = 0;
    link_decoder_init(&board->decoder);
    link_assembler_init(&board->assembler, board->request, sizeof board->request);
}

static bool echo(struct sim_board *board)
{
    bool moved = false;
    if (board->held_size == 0) {
        int got = usb_device_read(&board->device, board->held, sizeof board->held);
        board->held_size = got > 0 ? (size_t)got : 0;
        board->read_bytes += board->held_size;
    }
    if (board->held_size > 0) {
        int sent = usb_device_write(&board->device, board->held, board->held_size);
        if (sent > 0) {
            board->held_size -= (size_t)sent;
            memmove(board->held, board->held + sent, board->held_size);
            moved = true;
        }
    }
    return moved;
}

static void answer_request(struct sim_board *board, const struct link_frame *frame, size_t size)
{
    struct byte_writer writer;
    board->answered = *frame;
    board->answer_offset = 0;
    byte_writer_init(&writer, board->answer, sizeof board->answer);
    put_u16le(&writer, ERROR_NONE);
    if (frame->code == LINK_IDENTITY)
        tlv_put_bytes(&writer, TAG_BOARD_SERIAL, board->serial, strlen(board->serial));
    else if (frame->code == LINK_RECEIPT)
        put_bytes(&writer, board->request,
                  LINK_RESULT_SIZE); /* as long as a result, with its key */
    else
        put_bytes(&writer, board->request, size < sizeof board->answer - 2 ? size : 0);
    board->answer_size = writer.length;
}

static void take_request(struct sim_board *board)
{
    uint8_t chunk[256];
    int got = usb_device_read(&board->device, chunk, sizeof chunk);
    for (int i = 0; i < got; i++) {
        struct link_frame frame;
        board->read_bytes++;
        if (!link_decoder_push(&board->decoder, chunk[i], &frame) || frame.kind != LINK_REQUEST)
            continue;
        if (link_assembler_add(&board->assembler, &frame) == 1)
            answer_request(board, &frame, board->assembler.length);
    }
}

static void make_frame(struct sim_board *board)
{
    if (board->answer_offset < board->answer_size) {
        board->wire_size = link_message_frame(
            LINK_ANSWER, board->answered.code, board->answered.exchange, board->answer,
            board->answer_size, &board->answer_offset, board->wire, sizeof board->wire);
    } else if (board->events_due > 0) {
        uint8_t event[8];
        size_t offset = 0;
        struct byte_writer writer;
        byte_writer_init(&writer, event, sizeof event);
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, board->events_due--);
        board->wire_size =
            link_message_frame(LINK_EVENT, LINK_EVENT_PRINTED, 0, event, writer.length, &offset,
                               board->wire, sizeof board->wire);
    }
}

static bool talk(struct sim_board *board)
{
    if (board->wire_sent == board->wire_size) {
        board->wire_sent = board->wire_size = 0;
        if (board->answer_offset == board->answer_size)
            take_request(board);
        make_frame(board);
    }
    if (board->wire_sent == board->wire_size)
        return usb_device_waiting(&board->device) > 0;
    int sent = usb_device_write(&board->device, board->wire + board->wire_sent,
                                board->wire_size - board->wire_sent);
    if (sent <= 0)
        return false;
    board->wire_sent += (size_t)sent;
    return true;
}

static bool work(struct sim_board *board)
{
    if (board->generation != usb_device_generation(&board->device))
        start_over(board);
    if (board->silent)
        return false;
    return board->program == SIM_ECHO ? echo(board) : talk(board);
}

/* ---- the cable ---- */

void sim_board_receive(struct sim_board *board, const uint8_t *bytes, size_t size)
{
    if (board->socket >= 0) {
        while (size > 0) {
            ssize_t sent = send(board->socket, bytes, size, MSG_NOSIGNAL);
            if (sent < 0)
                return;
            bytes += sent;
            size -= (size_t)sent;
        }
        return;
    }
    while (size > 0 && !usbip_is_over(&board->usbip)) {
        size_t taken = usbip_receive(&board->usbip, bytes, size);
        bytes += taken;
        size -= taken;
        if (!usbip_run(&board->usbip) && !work(board) && taken == 0)
            return;
    }
}

bool sim_board_run(struct sim_board *board, uint8_t *out, size_t capacity, size_t *size)
{
    *size = 0;
    if (board->socket >= 0) {
        ssize_t got = recv(board->socket, out, capacity, MSG_DONTWAIT);
        *size = got > 0 ? (size_t)got : 0;
        return got > 0 || (got < 0 && errno == EAGAIN);
    }
    for (bool more = true; more && *size < capacity;) {
        size_t ready;
        more = usbip_run(&board->usbip);
        more = work(board) || more;
        const uint8_t *bytes = usbip_output(&board->usbip, &ready);
        size_t piece = ready < capacity - *size ? ready : capacity - *size;
        memcpy(out + *size, bytes, piece);
        usbip_sent(&board->usbip, piece);
        *size += piece;
        more = more || piece > 0;
    }
    return !usbip_is_over(&board->usbip);
}
