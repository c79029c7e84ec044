/* A board in a thread of the test: a TCP server with a key journal and nothing else. It obeys the
 * rules a real board must keep (a key is executed once, the same key with other content is refused,
 * a foreign device tag is refused) and can be told to misbehave at a job. A request that comes
 * while it works on another waits in the socket and is taken next, as a board's side buffer does.
 * Header-only, one test program at a time.
 *
 * Always true: `executions` counts what a real board would have punched; nothing resets it.
 */
#ifndef TESTS_UNIT_FAKE_BOARD_H
#define TESTS_UNIT_FAKE_BOARD_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostdrv/kkt.h"
#include "proto/link_message.h"
#include "proto/sha256.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define FAKE_BOARD_JOBS 512

enum fake_board_fault {
    FAKE_OBEY,
    FAKE_DROP_BEFORE,   /* hangs up at a job, nothing done */
    FAKE_DROP_AFTER,    /* does it, hangs up without an answer */
    FAKE_SILENT,        /* swallows it */
    FAKE_WRONG_KEY,     /* answers about another key first, then rightly when asked again */
    FAKE_ANSWER_LATE,   /* does it, answers after the next job's answer */
    FAKE_REFUSE,        /* `refuse_code` with the job's key */
    FAKE_REFUSE_KEYLESS /* `refuse_code` without it */
};

struct fake_board {
    char serial[21];
    pthread_t thread;
    pthread_mutex_t mutex;
    sem_t serves;
    int listener, stop_pipe[2];
    unsigned port;
    bool running;
    /* Told by the test, under the mutex. */
    enum fake_board_fault fault;
    unsigned fault_skip;  /* jobs obeyed before it strikes */
    unsigned fault_count; /* jobs it strikes, then FAKE_OBEY */
    uint16_t refuse_code;
    unsigned delay_ms;
    uint32_t queue_count, queue_first;
    uint32_t event_document; /* confirmed, told before the next answer; 0 none */
    bool event_started;      /* told before the next answer */
    bool without_module;     /* no fiscal module: none in the identity */
    bool module_silent;      /* nor in the status */
    /* Seen by the test. */
    unsigned executions, job_requests, conflicts, wrong_tags;
    unsigned sent_ahead; /* jobs behind which another request lay when they were answered */
    uint8_t order[FAKE_BOARD_JOBS][KEY_SIZE]; /* keys as they were executed */
    struct {
        uint8_t key[KEY_SIZE], digest[SHA256_SIZE];
        struct link_result result;
    } jobs[FAKE_BOARD_JOBS];
    /* Of the connection. */
    int peer;
    bool more; /* bytes lie behind the frame at work */
    bool late;
    uint16_t late_exchange;
    unsigned late_at;
    struct link_decoder decoder;
    struct link_assembler assembler;
    uint8_t message[LINK_MESSAGE_MAX];
};

static inline void fake_board_put_string(struct byte_writer *writer, uint16_t tag, const char *text)
{
    tlv_put_bytes(writer, tag, text, strlen(text));
}

static inline void fake_board_write(struct fake_board *board, uint8_t kind, uint8_t code,
                                    uint16_t exchange, const uint8_t *message, size_t size)
{
    size_t offset = 0;
    do {
        uint8_t wire[LINK_WIRE_MAX];
        size_t length =
            link_message_frame(kind, code, exchange, message, size, &offset, wire, sizeof wire);
        if (send(board->peer, wire, length, MSG_NOSIGNAL) != (ssize_t)length)
            return;
    } while (offset < size);
}

static inline void fake_board_events(struct fake_board *board)
{
    uint8_t body[16];
    struct byte_writer writer;
    if (board->event_document != 0) {
        byte_writer_init(&writer, body, sizeof body);
        tlv_put_u32(&writer, TAG_DOCUMENT_NUMBER, board->event_document);
        fake_board_write(board, LINK_EVENT, LINK_EVENT_CONFIRMED, 1, body, writer.length);
        board->event_document = 0;
    }
    if (board->event_started)
        fake_board_write(board, LINK_EVENT, LINK_EVENT_STARTED, 2, NULL, 0);
    board->event_started = false;
}

static inline void fake_board_refuse(struct fake_board *board, uint16_t exchange, uint8_t code,
                                     uint16_t error, const uint8_t *key)
{
    uint8_t answer[64];
    struct byte_writer writer;
    struct refusal refusal = {.code = error, .tag = TAG_ITEM_SUM, .item = 2, .expected = 4200};
    byte_writer_init(&writer, answer, sizeof answer);
    link_refusal_put(&writer, &refusal);
    if (key != NULL)
        put_bytes(&writer, key, KEY_SIZE);
    fake_board_write(board, LINK_ANSWER, code, exchange, answer, writer.length);
}

static inline void fake_board_result(struct fake_board *board, uint16_t exchange, uint8_t code,
                                     const struct link_result *result)
{
    uint8_t answer[64];
    struct byte_writer writer;
    byte_writer_init(&writer, answer, sizeof answer);
    put_u16le(&writer, ERROR_NONE);
    link_result_put(&writer, result);
    fake_board_write(board, LINK_ANSWER, code, exchange, answer, writer.length);
}

static inline int fake_board_find(const struct fake_board *board, const uint8_t *key)
{
    for (unsigned i = 0; i < board->executions; i++) {
        if (memcmp(board->jobs[i].key, key, KEY_SIZE) == 0)
            return (int)i;
    }
    return -1;
}

/* Index of the job in the journal, executed now unless it was; -1: other content under this key. */
static inline int fake_board_execute(struct fake_board *board, uint8_t code,
                                     const struct link_job *job)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 sha;
    sha256_init(&sha);
    sha256_update(&sha, &code, 1);
    sha256_update(&sha, job->body, job->size);
    sha256_final(&sha, digest);
    int at = fake_board_find(board, job->key);
    if (at >= 0) {
        board->jobs[at].result.flags |= LINK_RESULT_REPLAYED;
        return memcmp(board->jobs[at].digest, digest, sizeof digest) == 0 ? at : -1;
    }
    at = (int)board->executions;
    if (board->executions == FAKE_BOARD_JOBS)
        abort();
    board->executions++;
    memcpy(board->order[at], job->key, KEY_SIZE);
    memcpy(board->jobs[at].key, job->key, KEY_SIZE);
    memcpy(board->jobs[at].digest, digest, sizeof digest);
    struct link_result *result = &board->jobs[at].result;
    memset(result, 0, sizeof *result);
    memcpy(result->key, job->key, KEY_SIZE);
    result->job = code;
    result->document = (uint32_t)at + 1;
    result->fiscal_sign = 1000000u + (uint32_t)at;
    result->time = 1700000000u + (uint32_t)at;
    result->shift = 1;
    result->receipt = (uint16_t)(at + 1);
    result->total_kop = 12345;
    return at;
}

/* False: hang up. */
static inline bool fake_board_job(struct fake_board *board, uint8_t code, uint16_t exchange,
                                  const uint8_t *message, size_t size)
{
    struct link_job job;
    if (!link_job_get(message, size, &job))
        return false;
    board->job_requests++;
    if (job.device_tag != link_device_tag(board->serial)) {
        board->wrong_tags++;
        fake_board_refuse(board, exchange, code, ERROR_OTHER_DEVICE, job.key);
        return true;
    }
    char peeked;
    if (board->more || recv(board->peer, &peeked, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        board->sent_ahead++;
    enum fake_board_fault fault =
        board->fault_count > 0 && board->fault_skip == 0 ? board->fault : FAKE_OBEY;
    if (board->fault_skip > 0)
        board->fault_skip--;
    else if (board->fault_count > 0)
        board->fault_count--;
    if (fault == FAKE_DROP_BEFORE)
        return false;
    if (fault == FAKE_SILENT)
        return true;
    if (fault == FAKE_REFUSE || fault == FAKE_REFUSE_KEYLESS) {
        fake_board_refuse(board, exchange, code, board->refuse_code,
                          fault == FAKE_REFUSE ? job.key : NULL);
        return true;
    }
    int at = fake_board_execute(board, code, &job);
    if (fault == FAKE_DROP_AFTER)
        return false;
    if (at < 0) {
        board->conflicts++;
        fake_board_refuse(board, exchange, code, ERROR_KEY_CONFLICT, job.key);
        return true;
    }
    struct link_result result = board->jobs[at].result;
    if (fault == FAKE_ANSWER_LATE) {
        board->late = true;
        board->late_exchange = exchange;
        board->late_at = (unsigned)at;
        return true;
    }
    if (fault == FAKE_WRONG_KEY)
        result.key[3] ^= 0x40;
    fake_board_events(board);
    fake_board_result(board, exchange, code, &result);
    if (board->late)
        fake_board_result(board, board->late_exchange, board->jobs[board->late_at].result.job,
                          &board->jobs[board->late_at].result);
    board->late = false;
    return true;
}

static inline void fake_board_query(struct fake_board *board, uint8_t code, uint16_t exchange,
                                    const uint8_t *message, size_t size)
{
    uint8_t answer[512];
    struct byte_writer writer;
    byte_writer_init(&writer, answer, sizeof answer);
    put_u16le(&writer, ERROR_NONE);
    if (code == LINK_IDENTITY) {
        fake_board_put_string(&writer, TAG_BOARD_SERIAL, board->serial);
        fake_board_put_string(&writer, TAG_BOARD_MODEL, "FAKE");
        if (!board->without_module)
            fake_board_put_string(&writer, TAG_FN_NUMBER, "9999078900001234");
        fake_board_put_string(&writer, TAG_KKT_REGISTRATION_NUMBER, "0000000001012345    ");
        fake_board_put_string(&writer, TAG_USER_INN, "7705546031  ");
        tlv_put_u8(&writer, TAG_REGISTERED_FFD, 4);
        tlv_put_u8(&writer, TAG_TAX_SYSTEMS, 1);
    } else if (code == LINK_STATUS) {
        tlv_put_u8(&writer, TAG_FN_PRESENT, !board->module_silent);
        tlv_put_u8(&writer, TAG_SHIFT_STATE, 1);
        tlv_put_u16(&writer, TAG_BLOCK_REASON, ERROR_PAPER_OUT);
        tlv_put_u32(&writer, TAG_FN_LAST_DOCUMENT, board->executions);
        tlv_put_u32(&writer, TAG_OFD_QUEUE_COUNT, board->queue_count);
        tlv_put_u32(&writer, TAG_OFD_QUEUE_FIRST_NUMBER, board->queue_first);
    } else if (code == LINK_RESULT && size == KEY_SIZE && fake_board_find(board, message) >= 0) {
        link_result_put(&writer, &board->jobs[fake_board_find(board, message)].result);
    } else {
        fake_board_refuse(board, exchange, code,
                          code == LINK_RESULT ? ERROR_NOT_FOUND : ERROR_REQUEST_UNKNOWN, NULL);
        return;
    }
    fake_board_events(board);
    fake_board_write(board, LINK_ANSWER, code, exchange, answer, writer.length);
}

/* False: hang up. */
static inline bool fake_board_frame(struct fake_board *board, const struct link_frame *frame)
{
    if (frame->kind != LINK_REQUEST || link_assembler_add(&board->assembler, frame) != 1)
        return true;
    uint8_t code = board->assembler.code;
    uint16_t exchange = board->assembler.exchange;
    if (board->delay_ms > 0)
        usleep(board->delay_ms * 1000u);
    pthread_mutex_lock(&board->mutex);
    bool stay = true;
    if (code >= LINK_JOB_FIRST && code <= LINK_JOB_LAST)
        stay = fake_board_job(board, code, exchange, board->message, board->assembler.length);
    else
        fake_board_query(board, code, exchange, board->message, board->assembler.length);
    pthread_mutex_unlock(&board->mutex);
    return stay;
}

static inline void fake_board_serve(struct fake_board *board)
{
    link_decoder_init(&board->decoder);
    link_assembler_init(&board->assembler, board->message, sizeof board->message);
    board->late = false;
    for (;;) {
        struct pollfd pollers[2] = {{.fd = board->peer, .events = POLLIN},
                                    {.fd = board->stop_pipe[0], .events = POLLIN}};
        poll(pollers, 2, -1);
        if (pollers[1].revents != 0)
            return;
        uint8_t chunk[4096];
        ssize_t got = recv(board->peer, chunk, sizeof chunk, 0);
        if (got <= 0)
            return;
        for (ssize_t i = 0; i < got; i++) {
            struct link_frame frame;
            board->more = i + 1 < got;
            if (link_decoder_push(&board->decoder, chunk[i], &frame) &&
                !fake_board_frame(board, &frame))
                return;
        }
    }
}

static inline void *fake_board_main(void *argument)
{
    struct fake_board *board = argument;
    sem_post(&board->serves);
    for (;;) {
        struct pollfd pollers[2] = {{.fd = board->listener, .events = POLLIN},
                                    {.fd = board->stop_pipe[0], .events = POLLIN}};
        poll(pollers, 2, -1);
        if (pollers[1].revents != 0)
            return NULL;
        board->peer = accept4(board->listener, NULL, NULL, SOCK_CLOEXEC);
        if (board->peer < 0)
            continue;
        int on = 1; /* two small answers in a row must not wait for each other */
        setsockopt(board->peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        fake_board_serve(board);
        close(board->peer);
    }
}

/* Listens on a free port of 127.0.0.1; port 0, or the port it had before. */
static inline void fake_board_listen(struct fake_board *board)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)board->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    board->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(board->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(board->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(board->listener, 8) != 0 ||
        getsockname(board->listener, (struct sockaddr *)&address, &length) != 0 ||
        pipe(board->stop_pipe) != 0) {
        perror("fake board");
        abort();
    }
    board->port = ntohs(address.sin_port);
    sem_init(&board->serves, 0, 0);
    board->running = pthread_create(&board->thread, NULL, fake_board_main, board) == 0;
    /* A thread that is still starting holds a lock of ASan's allocator, and a test that forks in
     * that moment has a child that waits for it for ever. */
    while (board->running && sem_wait(&board->serves) != 0)
        ;
}

static inline void fake_board_start(struct fake_board *board, const char *serial)
{
    memset(board, 0, sizeof *board);
    snprintf(board->serial, sizeof board->serial, "%s", serial);
    pthread_mutex_init(&board->mutex, NULL);
    fake_board_listen(board);
}

/* Pulls the cable; fake_board_listen puts it back. The journal stays. */
static inline void fake_board_unplug(struct fake_board *board)
{
    if (!board->running)
        return;
    if (write(board->stop_pipe[1], "x", 1) != 1)
        abort();
    pthread_join(board->thread, NULL);
    close(board->stop_pipe[0]);
    close(board->stop_pipe[1]);
    close(board->listener);
    board->running = false;
}

static inline void fake_board_stop(struct fake_board *board)
{
    fake_board_unplug(board);
    pthread_mutex_destroy(&board->mutex);
}

static inline void fake_board_misbehave(struct fake_board *board, enum fake_board_fault fault,
                                        unsigned count, uint16_t code)
{
    pthread_mutex_lock(&board->mutex);
    board->fault = fault;
    board->fault_skip = 0;
    board->fault_count = count;
    board->refuse_code = code;
    pthread_mutex_unlock(&board->mutex);
}

static inline void fake_board_uri(const struct fake_board *board, char out[64])
{
    snprintf(out, 64, "tcp:127.0.0.1:%u", board->port);
}

#endif
